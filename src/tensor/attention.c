/* attention.c - the page store, and attention shared among threads. */
#include "tensor/attention.h"

#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/status.h"
#include "tensor/cpu/rows.h"
#include "tensor/dtype.h"
#include "tensor/internal.h"

kv_cache *kv_new(kv_type type, int n_layer, int n_head_kv, int d_head, int n_page)
{
    kv_cache *kv = mem_new(sizeof *kv);
    size_t item = type == KV_F16 ? 2 : 4;

    CHECK(n_layer > 0 && n_head_kv > 0 && d_head > 0 && n_page > 0);
    kv->type = type;
    kv->n_layer = n_layer;
    kv->n_head_kv = n_head_kv;
    kv->d_head = d_head;
    kv->d_pad = (d_head + 15) / 16 * 16;
    kv->n_page = n_page;
    kv->key_bytes = (size_t)d_head * KV_PAGE * item;
    kv->value_bytes = (size_t)kv->d_pad * KV_PAGE * item;
    kv->page_bytes = (size_t)n_layer * (size_t)n_head_kv * (kv->key_bytes + kv->value_bytes);
    kv->data_bytes = kv->page_bytes * (size_t)n_page;
    /* Anonymous zero pages: finite everywhere, resident once written. */
    kv->data = mmap(NULL, kv->data_bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(kv->data != MAP_FAILED);
    return kv;
}

void kv_free(kv_cache *kv)
{
    if (!kv) return;
    munmap(kv->data, kv->data_bytes);
    for (int i = 0; i < kv->n_work; i++) mem_free(kv->work[i]);
    mem_free(kv->work);
    mem_free(kv->work_floats);
    mem_free(kv);
}

size_t kv_page_bytes(const kv_cache *kv) { return kv->page_bytes; }

void kv_store(kv_cache *kv, int layer, int page, int slot, const float *k, const float *v)
{
    int d = kv->d_head;
    uint16_t half[d];

    CHECK(page >= 0 && page < kv->n_page && slot >= 0 && slot < KV_PAGE);
    for (int h = 0; h < kv->n_head_kv; h++, k += d, v += d) {
        void *keys = kv_keys(kv, layer, page, h), *values = kv_values(kv, layer, page, h);

        if (kv->type == KV_F16) {
            dtype_encode_row(DTYPE_F16, v, (uint16_t *)values + slot * kv->d_pad, d);
            dtype_encode_row(DTYPE_F16, k, half, d);
            for (int c = 0; c < d; c++) ((uint16_t *)keys)[c * KV_PAGE + slot] = half[c];
        } else {
            memcpy((float *)values + slot * kv->d_pad, v, (size_t)d * 4);
            for (int c = 0; c < d; c++) ((float *)keys)[c * KV_PAGE + slot] = k[c];
        }
    }
}

struct attend_call {
    const kv_cache *kv;
    int layer;
    int n_head;
    int rows;                /* most rows an item */
    const attend_run *runs;
    int n_run;
    const float *q;
    float *out;
};

static int run_items(const struct attend_call *c, const attend_run *run)
{
    return (run->n_row + c->rows - 1) / c->rows * c->kv->n_head_kv;
}

static void attend_item_run(void *arg, int item, int thread)
{
    const struct attend_call *c = arg;
    const attend_run *run = c->runs;
    float inverse[ATTEND_ROWS * 64];
    attend_item it = { .kv = c->kv, .layer = c->layer, .n_head = c->n_head };
    int first;

    while (item >= run_items(c, run)) item -= run_items(c, run++);
    first = item / c->kv->n_head_kv * c->rows;
    it.head_kv = item % c->kv->n_head_kv;
    it.pages = run->pages;
    it.pos = run->first_pos + first;
    it.n_row = run->n_row - first < c->rows ? run->n_row - first : c->rows;
    it.ld = (size_t)c->n_head * (size_t)c->kv->d_head;
    it.q = c->q + (size_t)(run->row + first) * it.ld;
    it.out = c->out + (size_t)(run->row + first) * it.ld;
    it.work = c->kv->work[thread];
    it.inverse = inverse;
    switch (tensor_level()) {
#if defined(__x86_64__)
    case CPU_AMX:
    case CPU_AVX512: attend_avx512(&it); break;
    case CPU_AVX2: attend_avx2(&it); break;
#endif
    default: attend_scalar(&it);
    }
}

/* Room for each thread: scores, sums and one page of an item. */
static void grow_work(kv_cache *kv, int n_thread, size_t floats)
{
    if (kv->n_work < n_thread) {
        kv->work = mem_resize(kv->work, (size_t)n_thread, sizeof *kv->work);
        kv->work_floats = mem_resize(kv->work_floats, (size_t)n_thread,
                                     sizeof *kv->work_floats);
        for (; kv->n_work < n_thread; kv->n_work++) {
            kv->work[kv->n_work] = NULL;
            kv->work_floats[kv->n_work] = 0;
        }
    }
    for (int i = 0; i < n_thread; i++) {
        if (kv->work_floats[i] >= floats) continue;
        mem_free(kv->work[i]);
        kv->work[i] = mem_aligned((floats + floats / 2) * sizeof(float));
        kv->work_floats[i] = floats + floats / 2;
    }
}

#define SCORE_BYTES (256 << 10)      /* of an item's scores: half of a small L2 */

void attention(pool *threads, kv_cache *kv, int layer, const attend_run *runs,
               int n_run, const float *q, int n_head, float *out)
{
    struct attend_call c = { .kv = kv, .layer = layer, .n_head = n_head, .runs = runs,
                             .n_run = n_run, .q = q, .out = out };
    int group = n_head / kv->n_head_kv, longest = 0, n_item = 0;
    size_t row_bytes;
    double work = 0;

    CHECK(group * kv->n_head_kv == n_head && group <= 64);
    for (int i = 0; i < n_run; i++) {
        int end = (runs[i].first_pos + runs[i].n_row + KV_PAGE - 1) / KV_PAGE * KV_PAGE;

        longest = end > longest ? end : longest;
        work += (double)end * runs[i].n_row * n_head * kv->d_head;
    }
    row_bytes = (size_t)longest * (size_t)group * 4;
    c.rows = (int)(SCORE_BYTES / row_bytes);
    c.rows = c.rows < 1 ? 1 : c.rows > ATTEND_ROWS ? ATTEND_ROWS : c.rows;
    grow_work(kv, pool_threads(threads),
              (size_t)(c.rows * group) * (size_t)(longest + kv->d_pad) +
                  (size_t)kv->d_pad * KV_PAGE);
    for (int i = 0; i < n_run; i++) n_item += run_items(&c, &runs[i]);
    if (work < 1e5)
        for (int i = 0; i < n_item; i++) attend_item_run(&c, i, 0);
    else
        pool_run(threads, attend_item_run, &c, n_item);
}
