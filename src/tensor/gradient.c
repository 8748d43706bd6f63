/* gradient.c - the two matrix products of a linear layer's backward pass, and
 * the row operations', cut into work items.
 *
 * What is summed in which order follows from the shapes alone: sums over k run
 * in blocks of k_block, and gradient_weight cuts the rows into a number of
 * slots that does not depend on the threads, each summed by one item. */
#include "tensor/gradient.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "tensor/cpu/grad.h"
#include "tensor/gradient_internal.h"
#include "tensor/internal.h"

#define ROW_BLOCK 128                   /* rows of dx an item */
#define PACK_PANELS 8                   /* panels of w packed by an item */
#define NORM_BLOCK 256                  /* rows whose dweight is summed in one go */
#define MAX_SLOT 16
#define SLOT_BYTES ((size_t)8 << 20)    /* of all partial sums of dw, about */
#define OUT_BYTES ((size_t)16 << 20)    /* of one partial sum of dw, at most, about */

#if defined(__x86_64__)
#define BY_LEVEL(call, ...)                                                    \
    (tensor_level() >= CPU_AVX512 ? call##_avx512(__VA_ARGS__)                 \
     : tensor_level() == CPU_AVX2 ? call##_avx2(__VA_ARGS__)                   \
                                  : call##_scalar(__VA_ARGS__))
#else
#define BY_LEVEL(call, ...) call##_scalar(__VA_ARGS__)
#endif

gradient *gradient_new(bool bf16)
{
    gradient *g = mem_new(sizeof *g);

    g->bf16 = bf16;
    return g;
}

void gradient_free(gradient *g)
{
    if (!g) return;
    for (int i = 0; i < g->n_work; i++) mem_free(g->work[i].p);
    mem_free(g->work);
    mem_free(g->shared.p);
    mem_free(g);
}

static void *grow(grad_space *s, size_t bytes)
{
    if (s->bytes < bytes) {
        mem_free(s->p);
        s->bytes = bytes + bytes / 4;
        s->p = mem_aligned(s->bytes);
    }
    return s->p;
}

void gradient_grow_work(gradient *g, int n_thread, size_t bytes)
{
    if (g->n_work < n_thread) {
        g->work = mem_resize(g->work, (size_t)n_thread, sizeof *g->work);
        for (; g->n_work < n_thread; g->n_work++) g->work[g->n_work] = (grad_space){ 0 };
    }
    for (int i = 0; i < n_thread; i++) grow(&g->work[i], bytes);
}

static const grad_product *product_of(const gradient *g)
{
#if defined(__x86_64__)
    switch (tensor_level()) {
    case CPU_AMX: return g->bf16 ? &grad_product_amx : &grad_product_avx512;
    case CPU_AVX512: return &grad_product_avx512;
    case CPU_AVX2: return &grad_product_avx2;
    default: break;
    }
#endif
    (void)g;
    return &grad_product_scalar;
}

static int ceil_div(int a, int b) { return (a + b - 1) / b; }
static int least(int a, int b) { return a < b ? a : b; }

/* k of block i, and padded. */
static int block_k(const grad_product *p, int n_k, int i)
{
    return least(n_k - i * p->k_block, p->k_block);
}

static int padded_k(const grad_product *p, int n_k)
{
    return ceil_div(n_k, p->k_step) * p->k_step;
}

/* Input. */

struct input_call {
    gradient *g;
    const grad_product *p;
    const float *dy, *w;
    int n_row, n_out, n_in;
    bool add;
    float *dx;
    int n_b;                 /* panels of n_in */
    int rows;                /* an item */
    uint8_t *packed;         /* w, block after block of n_out, [n_b] panels each */
};

static void pack_weight_item(void *arg, int item, int thread)
{
    const struct input_call *c = arg;
    const grad_product *p = c->p;
    int n_group = ceil_div(c->n_b, PACK_PANELS);
    int block = item / n_group, first = item % n_group * PACK_PANELS;
    int n_k = block_k(p, c->n_out, block);
    size_t row = (size_t)block * (size_t)p->k_block, panel = (size_t)padded_k(p, n_k) * SQUARE;

    (void)thread;
    p->b_cols(c->w + row * (size_t)c->n_in + first * SQUARE, (size_t)c->n_in,
              least(c->n_in - first * SQUARE, PACK_PANELS * SQUARE), n_k,
              c->packed + (row * SQUARE * (size_t)c->n_b + panel * (size_t)first) * p->item);
}

/* Whole squares are summed in dx itself; those at its edges (all of them when n_in
 * ends within one) in a place of their own. Which are which follows from the
 * shape alone, so that the bits do. */
static void input_item(void *arg, int item, int thread)
{
    const struct input_call *c = arg;
    const grad_product *p = c->p;
    int row = item * c->rows, n_row = least(c->n_row - row, c->rows);
    int n_a = ceil_div(n_row, SQUARE), whole = c->n_in % SQUARE ? 0 : n_row / SQUARE;
    float *sum = c->g->work[thread].p, *dx = c->dx + (size_t)row * (size_t)c->n_in;
    size_t down = (size_t)c->n_b * SQUARE * SQUARE, ld = (size_t)c->n_in;
    uint8_t *a = (uint8_t *)(sum + (size_t)n_a * down);
    const uint8_t *b = c->packed;

    for (int block = 0; block * p->k_block < c->n_out; block++) {
        int n_k = block_k(p, c->n_out, block), k = padded_k(p, n_k);
        size_t panel = (size_t)k * SQUARE * p->item;

        p->a_rows(c->dy + (size_t)row * (size_t)c->n_out + (size_t)block * (size_t)p->k_block,
                  (size_t)c->n_out, n_row, n_k, a);
        p->multiply(a, whole, b, c->n_b, k, c->add || block > 0,
                    (grad_place){ dx, SQUARE * ld, SQUARE, ld });
        p->multiply(a + (size_t)whole * panel, n_a - whole, b, c->n_b, k, block > 0,
                    (grad_place){ sum, down, SQUARE * SQUARE, SQUARE });
        b += panel * (size_t)c->n_b;
    }
    if (whole < n_a)
        BY_LEVEL(grad_sum, sum, 0, 1, n_row - whole * SQUARE, c->n_in, c->add,
                 dx + (size_t)whole * SQUARE * ld);
}

void gradient_input(gradient *g, pool *threads, const float *dy, const float *w, int n_row,
                    int n_out, int n_in, bool add, float *dx)
{
    const grad_product *p = product_of(g);
    int n_thread = pool_threads(threads), n_block = ceil_div(n_out, p->k_block);
    struct input_call c = { g, p, dy, w, n_row, n_out, n_in, add, dx, 0, 0, NULL };
    size_t n_b, k = (size_t)least(padded_k(p, n_out), p->k_block);

    CHECK(n_row >= 0 && n_out > 0 && n_in > 0);
    if (!n_row) return;
    c.n_b = ceil_div(n_in, SQUARE);
    n_b = (size_t)c.n_b;
    /* The bits do not depend on where rows are cut: each has its own sum. */
    c.rows = least(ROW_BLOCK, ceil_div(ceil_div(n_row, 4 * n_thread), 2 * SQUARE) * 2 * SQUARE);
    c.packed = grow(&g->shared, n_b * SQUARE * p->item * (size_t)padded_k(p, n_out));
    gradient_grow_work(g, n_thread, (size_t)c.rows * (n_b * SQUARE * 4 + k * p->item));
    pool_run(threads, pack_weight_item, &c, n_block * ceil_div(c.n_b, PACK_PANELS));
    pool_run(threads, input_item, &c, ceil_div(n_row, c.rows));
}

/* Weight. */

struct weight_call {
    gradient *g;
    const grad_product *p;
    const float *dy, *x;
    int n_row, n_out, n_in;
    float *dw;
    int n_b;                 /* panels of n_in */
    int out, n_a;            /* outputs of this round: from, panels */
    int part;                /* panels of outputs an item */
    int n_part;
    int n_slot;
    int slot_rows;
    float *sums;             /* [n_slot][n_a][n_b][16][16] */
};

static size_t slot_floats(const struct weight_call *c)
{
    return (size_t)c->n_a * (size_t)c->n_b * SQUARE * SQUARE;
}

static void weight_item(void *arg, int item, int thread)
{
    const struct weight_call *c = arg;
    const grad_product *p = c->p;
    int slot = item / c->n_part, first = item % c->n_part * c->part;
    int n_a = least(c->n_a - first, c->part), out = c->out + first * SQUARE;
    int row0 = slot * c->slot_rows, row1 = least(c->n_row, row0 + c->slot_rows);
    float *sum = c->sums + (size_t)slot * slot_floats(c) +
                 (size_t)first * (size_t)c->n_b * SQUARE * SQUARE;
    uint8_t *a = c->g->work[thread].p;

    for (int row = row0; row < row1; row += p->k_block) {
        int n_k = least(row1 - row, p->k_block), k = padded_k(p, n_k);
        size_t panel = (size_t)k * SQUARE * p->item;
        uint8_t *b = a + panel * (size_t)n_a;

        p->a_cols(c->dy + (size_t)row * (size_t)c->n_out + out, (size_t)c->n_out,
                  least(c->n_out - out, n_a * SQUARE), n_k, a);
        p->b_cols(c->x + (size_t)row * (size_t)c->n_in, (size_t)c->n_in, c->n_in, n_k, b);
        p->multiply(a, n_a, b, c->n_b, k, row > row0,
                    (grad_place){ sum, (size_t)c->n_b * SQUARE * SQUARE, SQUARE * SQUARE,
                                  SQUARE });
    }
}

static void add_weight_item(void *arg, int item, int thread)
{
    const struct weight_call *c = arg;
    int out = c->out + item * SQUARE;

    (void)thread;
    BY_LEVEL(grad_sum, c->sums + (size_t)item * (size_t)c->n_b * SQUARE * SQUARE,
             slot_floats(c), c->n_slot, least(c->n_out - out, SQUARE), c->n_in, true,
             c->dw + (size_t)out * (size_t)c->n_in);
}

void gradient_weight(gradient *g, pool *threads, const float *dy, const float *x, int n_row,
                     int n_out, int n_in, float *dw)
{
    const grad_product *p = product_of(g);
    struct weight_call c = { .g = g, .p = p, .dy = dy, .x = x, .n_row = n_row,
                             .n_out = n_out, .n_in = n_in, .dw = dw };
    int n_thread = pool_threads(threads), all = ceil_div(n_out, SQUARE), most, block;
    size_t row_bytes, slots;

    CHECK(n_row >= 0 && n_out > 0 && n_in > 0);
    if (!n_row) return;
    c.n_b = ceil_div(n_in, SQUARE);
    row_bytes = (size_t)c.n_b * SQUARE * SQUARE * 4;
    most = least(all, (int)(OUT_BYTES / row_bytes) < 64 ? 64 : (int)(OUT_BYTES / row_bytes));
    slots = SLOT_BYTES / (row_bytes * (size_t)most);
    block = least(padded_k(p, n_row), p->k_block);
    c.n_slot = slots < 1 ? 1 : slots > MAX_SLOT ? MAX_SLOT : (int)slots;
    c.n_slot = least(c.n_slot, ceil_div(n_row, p->k_block));
    c.slot_rows = ceil_div(ceil_div(n_row, c.n_slot), p->k_block) * p->k_block;
    c.n_slot = ceil_div(n_row, c.slot_rows);
    /* Items beyond the slots pack the same rows of x again. */
    c.part = c.n_slot >= 4 ? most : least(most, 32);
    c.sums = grow(&g->shared, (size_t)c.n_slot * (size_t)most * row_bytes);
    gradient_grow_work(g, n_thread,
                       (size_t)(c.part + c.n_b) * SQUARE * (size_t)block * p->item);
    for (int i = 0; i < all; i += most) {
        c.out = i * SQUARE;
        c.n_a = least(all - i, most);
        c.n_part = ceil_div(c.n_a, c.part);
        pool_run(threads, weight_item, &c, c.n_slot * c.n_part);
        pool_run(threads, add_weight_item, &c, c.n_a);
    }
}

/* Rows. */

struct norm_call {
    const float *x, *weight, *dy;
    float eps;
    int n_row, n;
    bool add;
    float *dx;
    float *sums;             /* [n_item][n] or NULL */
};

static void norm_item(void *arg, int item, int thread)
{
    const struct norm_call *c = arg;
    int row = item * NORM_BLOCK;
    size_t at = (size_t)row * (size_t)c->n;
    float *sum = c->sums ? c->sums + (size_t)item * (size_t)c->n : NULL;

    (void)thread;
    if (sum) memset(sum, 0, (size_t)c->n * 4);
    BY_LEVEL(grad_norm, c->x + at, c->weight, c->eps, c->dy + at,
             least(c->n_row - row, NORM_BLOCK), c->n, c->add, c->dx + at, sum);
}

void gradient_norm(pool *threads, const float *x, const float *weight, float eps,
                   const float *dy, int n_row, int n, bool add, float *dx, float *dweight)
{
    struct norm_call c = { x, weight, dy, eps, n_row, n, add, dx, NULL };
    int n_item = ceil_div(n_row, NORM_BLOCK);

    CHECK(n_row >= 0 && n > 0);
    if (dweight) c.sums = mem_aligned((size_t)n_item * (size_t)n * 4);
    pool_run(threads, norm_item, &c, n_item);
    for (int i = 0; dweight && i < n_item; i++)
        for (int j = 0; j < n; j++) dweight[j] += c.sums[(size_t)i * (size_t)n + (size_t)j];
    mem_free(c.sums);
}

void gradient_rope(float *dx, const float *cosine, const float *sine, int n_head, int d_head)
{
    BY_LEVEL(grad_rope, dx, cosine, sine, n_head, d_head);
}

void gradient_swiglu(const float *gate, const float *up, const float *dh, int n,
                     float *dgate, float *dup)
{
    BY_LEVEL(grad_swiglu, gate, up, dh, n, dgate, dup);
}
