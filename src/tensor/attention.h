/* attention.h - key and value pages, and attention over them.
 *
 * Keys and values live in pages of KV_PAGE consecutive positions; a sequence
 * is a list of page numbers, so sequences with a common prefix share pages.
 * A query's result depends on its own row and the keys up to its position:
 * scores by f32 fused multiply-adds over channels ascending, maximum, e^x, sums
 * over positions modulo 16 folded at the end, values over positions ascending. */
#ifndef TENSOR_ATTENTION_H
#define TENSOR_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

#define KV_PAGE 16           /* positions a page: one vector of scores */

typedef enum kv_type { KV_F32, KV_F16 } kv_type;

typedef struct kv_cache kv_cache;

/* n_page pages for all layers. Memory is touched only as pages are used. The
 * caller owns it. */
kv_cache *kv_new(kv_type type, int n_layer, int n_head_kv, int d_head, int n_page);
void kv_free(kv_cache *kv);                     /* accepts NULL */
size_t kv_page_bytes(const kv_cache *kv);

/* Store key and value, [n_head_kv * d_head] f32 each, of one position. */
void kv_store(kv_cache *kv, int layer, int page, int slot, const float *k, const float *v);

/* Consecutive positions of one sequence whose queries are to be answered; the
 * keys of positions up to first_pos + n_row - 1 are stored. */
typedef struct attend_run {
    const int32_t *pages;    /* page of positions 16i .. 16i+15 */
    int first_pos;
    int n_row;
    int row;                 /* its first row in q and out */
} attend_run;

/* out[r] = softmax(q[r] K^T / sqrt(d_head)) V per head, [n_head * d_head] a
 * row; query head h reads key head h / (n_head / n_head_kv). The cache lends its
 * scratch memory, so calls on one cache do not overlap. */
void attention(pool *threads, kv_cache *kv, int layer, const attend_run *runs,
               int n_run, const float *q, int n_head, float *out);

#endif
