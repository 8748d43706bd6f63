/* rows.h - the row operations of each level, and what attention hands them. */
#ifndef TENSOR_CPU_ROWS_H
#define TENSOR_CPU_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/attention.h"
#include "tensor/cpu/vec.h"

#define ATTEND_ROWS 16       /* most rows of one attention item */
#define FEW_QUERIES 8        /* up to here f16 pages are read in place */

/* Page p of layer l, head h: keys [d_head][16], values [16][d_pad]. */
struct kv_cache {
    kv_type type;
    int n_layer;
    int n_head_kv;
    int d_head;
    int d_pad;               /* d_head rounded up to 16 */
    int n_page;
    size_t key_bytes;        /* of one page, layer and head */
    size_t value_bytes;
    size_t page_bytes;
    uint8_t *data;
    size_t data_bytes;
    float **work;            /* [n_work] of the threads, grown as needed */
    size_t *work_floats;
    int n_work;
};

static inline uint8_t *kv_keys(const kv_cache *kv, int layer, int page, int head)
{
    return kv->data + (size_t)page * kv->page_bytes +
           (size_t)(layer * kv->n_head_kv + head) * (kv->key_bytes + kv->value_bytes);
}

static inline uint8_t *kv_values(const kv_cache *kv, int layer, int page, int head)
{
    return kv_keys(kv, layer, page, head) + kv->key_bytes;
}

/* Rows pos .. pos + n_row - 1 of one sequence by the queries of one key head. */
typedef struct attend_item {
    const kv_cache *kv;
    int layer;
    int head_kv;
    int n_head;
    const int32_t *pages;
    int pos;
    int n_row;
    const float *q;
    float *out;
    size_t ld;               /* floats between rows of q and out */
    float *work;             /* scores [n_q][16 * pages], sums [n_q][d_pad], a page */
    float *inverse;          /* [n_q] */
} attend_item;

#define ROW_OPERATIONS(level)                                                        \
    void norm_rms_##level(const float *x, const float *weight, float eps, int n,     \
                          float *out);                                               \
    void rope_apply_##level(float *x, const float *cosine, const float *sine,        \
                            int n_head, int d_head);                                 \
    void swiglu_##level(float *gate, const float *up, int n);                        \
    void row_add_scaled_##level(float *x, const float *y, float a, int n);           \
    void attend_##level(const attend_item *it);

ROW_OPERATIONS(scalar)
ROW_OPERATIONS(avx2)
ROW_OPERATIONS(avx512)

#endif
