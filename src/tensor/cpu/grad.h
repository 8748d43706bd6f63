/* grad.h - the kernels of the backward pass, one set a level.
 *
 * A product C[m][n] = sum over k of A(m, k) * B(k, n) is made of squares of 16
 * by 16. Operands are packed into panels of 16 lanes of m or of n:
 *
 *   f32    A and B   [k][16]
 *   bf16   A         [k/32][16 lanes][32]      the A tile of TDPBF16PS
 *          B         [k/32][16][16 lanes][2]   its B tile: pairs of k
 *
 * C is f32, in place or as squares of their own, [m/16][n/16][16][16]. */
#ifndef TENSOR_CPU_GRAD_H
#define TENSOR_CPU_GRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/cpu/vec.h"
#include "tensor/gradient.h"

#define SQUARE 16

/* Fill the panels of n_lane lanes from f32, one after the other; lanes up to the
 * next multiple of 16 and k up to the next multiple of k_step become zeros.
 * `rows`: element (lane, k) is src[lane * ld + k]; `cols`: src[k * ld + lane]. */
typedef void grad_pack(const float *src, size_t ld, int n_lane, int n_k, void *panels);

/* Where squares of sums lie: in floats, from square to square downwards and to the
 * right, and from row to row of one. Squares on their own have 256 and 16. */
typedef struct grad_place {
    float *p;
    size_t down, right, ld;
} grad_place;

/* Square (i, j) of c (+)= a panel i times b panel j; n_k is a multiple of k_step,
 * panels follow each other without gaps. */
typedef void grad_multiply(const void *a, int n_a, const void *b, int n_b, int n_k, bool add,
                           grad_place c);

typedef struct grad_product {
    int k_step;              /* k is padded to a multiple of it */
    int k_block;             /* k of one call: a b panel pair stays in the first cache */
    size_t item;             /* bytes an element */
    grad_pack *a_rows, *a_cols, *b_cols;
    grad_multiply *multiply;
} grad_product;

extern const grad_product grad_product_scalar, grad_product_avx2, grad_product_avx512,
    grad_product_amx;

/* One tree of runs by the query heads of one key head. Run i of the tree is
 * runs[tree[i]]; tile[i] is its first key tile in the work space. */
typedef struct grad_attend {
    const gradient_run *runs;
    const int *tree;
    int n_tree;
    int n_seen;              /* most key tiles a query sees */
    const int *tile;         /* [n_tree + 1], in squares of 16 keys or in units */
    const int *at;           /* place in its tree of each of all runs */
    int n_head, n_head_kv, d_head;
    int head_kv;
    const float *q, *k, *v, *out, *dout;
    float *dq, *dk, *dv;
    float *work;             /* 64-byte border */
} grad_attend;

/* Floats of work space for a tree of n_tile key tiles of which a query sees at
 * most n_seen. */
static inline size_t grad_attend_floats(int n_tile, int n_seen, int d_head)
{
    size_t d = (size_t)(d_head + 15) / 16 * 16;

    return (size_t)n_tile * 80 * d + (size_t)n_seen * 258 + 80 * d + 1024;
}

#define GRAD_ATTEND_UNIT 32      /* keys a tile of grad_attend_amx */

size_t grad_attend_amx_bytes(int n_unit, int n_seen, int d_head);
void grad_attend_amx(const grad_attend *it);

#define GRAD_OPERATIONS(level)                                                            \
    void grad_attend_##level(const grad_attend *it);                                      \
    void grad_norm_##level(const float *x, const float *weight, float eps,                \
                           const float *dy, int n_row, int n, bool add, float *dx,        \
                           float *dweight);                                               \
    void grad_rope_##level(float *dx, const float *cosine, const float *sine, int n_head, \
                           int d_head);                                                   \
    void grad_swiglu_##level(const float *gate, const float *up, const float *dh, int n,  \
                             float *dgate, float *dup);                                   \
    void grad_sum_##level(const float *c, size_t step, int n_c, int n_row, int n_col,     \
                          bool add, float *out);

GRAD_OPERATIONS(scalar)
GRAD_OPERATIONS(avx2)
GRAD_OPERATIONS(avx512)

#endif
