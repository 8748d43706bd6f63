/* rows.h - operations on one row of f32: norm, rotation, gate, sum.
 *
 * Each depends on its row alone and has one order of operations on every
 * processor. Lengths need not be multiples of 16. */
#ifndef TENSOR_ROWS_H
#define TENSOR_ROWS_H

#include <stdint.h>

/* out = x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich 2019).
 *   x, weight, out   [n]; out may be x */
void norm_rms(const float *x, const float *weight, float eps, int n, float *out);

/* Rotate heads in place (Su et al. 2021): channel i pairs with i + d_head/2.
 *   x          [n_head, d_head]
 *   cos, sin   [d_head/2] of the row's position */
void rope_apply(float *x, const float *cos, const float *sin, int n_head, int d_head);

/* cos and sin of pos / (base^(2i/d_head) * factor[i]), i < d_head/2, with the
 * angle rounded to f32 as the reference implementations do. */
void rope_angles(int pos, float base, const float *factor, int d_head, float *cos,
                 float *sin);

/* gate = gate / (1 + e^-gate) * up   (SwiGLU, Shazeer 2020); all [n]. */
void swiglu(float *gate, const float *up, int n);

void row_add(float *x, const float *y, int n);                /* x += y */
void row_add_scaled(float *x, const float *y, float a, int n); /* x += a * y */

#endif
