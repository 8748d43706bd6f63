/* gradient.h - what the backward pass needs beside the forward's operations.
 *
 * Gradients never decide which token is drawn, so they may use any order of
 * operations; but for one machine, level and set of inputs the bits are fixed,
 * whatever the number of threads, so that a resumed run repeats itself. With
 * `bf16`, on AMX, the operands of matrix products (of linear layers and inside
 * attention) are rounded to bf16 and summed in f32; else all is f32. Tests
 * compare with sums in double and finite differences
 * (tests/tensor/test_gradient.c). */
#ifndef TENSOR_GRADIENT_H
#define TENSOR_GRADIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "tensor/attention.h"

/* Scratch memory, grown as needed; one a trainer. Calls on one do not overlap. */
typedef struct gradient gradient;

gradient *gradient_new(bool bf16);
void gradient_free(gradient *g);                 /* accepts NULL */

/* dx[r] (+)= sum over o of dy[r][o] * w[o]:  dy [n_row, n_out], w [n_out, n_in]
 * row-major f32, dx [n_row, n_in]; added to dx when `add`. */
void gradient_input(gradient *g, pool *threads, const float *dy, const float *w, int n_row,
                    int n_out, int n_in, bool add, float *dx);

/* dw[o] += sum over r of dy[r][o] * x[r]:  x [n_row, n_in], dw [n_out, n_in]. */
void gradient_weight(gradient *g, pool *threads, const float *dy, const float *x, int n_row,
                     int n_out, int n_in, float *dw);

/* norm_rms backward for n_row rows: dx (+)= ..., dweight += ... (x, dy, dx:
 * [n_row, n]; x is the norm's input; dweight NULL: frozen). dx may be dy. */
void gradient_norm(pool *threads, const float *x, const float *weight, float eps,
                   const float *dy, int n_row, int n, bool add, float *dx, float *dweight);

/* Rotation backward: the inverse rotation, in place. */
void gradient_rope(float *dx, const float *cos, const float *sin, int n_head, int d_head);

/* gate and up before swiglu, dh its result's gradient; all [n]. dgate and dup may
 * each be one of the three. */
void gradient_swiglu(const float *gate, const float *up, const float *dh, int n,
                     float *dgate, float *dup);

/* Rows of a pass as in attend_run, but keys are rows of the same batch: a run
 * whose first_pos is not 0 has a parent, whose rows (and whose parents' rows)
 * are positions 0 .. first_pos - 1 exactly. Children come after parents. */
typedef struct gradient_run {
    int first_pos;
    int n_row;
    int row;                 /* its first row */
    int parent;              /* index of a run, or -1 */
} gradient_run;

/* attention backward. q, out, dout, dq [n_row, n_head * d_head]; k, v, dk, dv
 * [n_row, n_head_kv * d_head] as the forward read them (rounded to the cache's
 * type). Rows of runs do not overlap; their dq, dk and dv are overwritten, others
 * left alone. Any d_head and run length; work spreads over trees of runs and key
 * heads. */
void gradient_attention(gradient *g, pool *threads, const gradient_run *runs, int n_run,
                        int n_row, int n_head, int n_head_kv, int d_head, const float *q,
                        const float *k, const float *v, const float *out, const float *dout,
                        float *dq, float *dk, float *dv);

#endif
