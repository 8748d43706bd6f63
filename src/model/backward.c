/* backward.c - gradients of the layers, last to first.
 *
 * p->dx is the gradient of the residual stream; each block adds what reaches
 * its input through it. What the forward did not keep (norms, gated rows) is
 * made again, and a layer's kept rows are overwritten by their gradients where
 * both have one shape. Rows go through a block's steps ROW_BLOCK at a time, to
 * stay in the cache. Sums over rows have one order whatever the threads. */
#include "model/backward.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "model/learn.h"
#include "tensor/rows.h"

static float *grad_of(const param *p)
{
    return p ? p->grad : NULL;
}

static int chunks(int n, int size)
{
    return (n + size - 1) / size;
}

/* ---- linear maps ---- */

typedef struct decode_call {
    const matrix *m;
    float *out;
} decode_call;

static void decode_rows(void *arg, int item, int thread)
{
    const decode_call *c = arg;
    size_t n_in = (size_t)matrix_n_in(c->m);

    (void)thread;
    FOR_ROWS(r, item, matrix_n_out(c->m)) matrix_row(c->m, r, c->out + (size_t)r * n_in);
}

/* Decode m into *out, which grows as needed. */
static const float *decode_into(float **out, size_t *cap, pool *threads, const matrix *m)
{
    size_t n = (size_t)matrix_n_out(m) * (size_t)matrix_n_in(m);
    decode_call c = { m, NULL };

    if (n > *cap) {
        mem_free(*out);
        *out = mem_aligned(n * sizeof(float));
        *cap = n;
    }
    c.out = *out;
    pool_run(threads, decode_rows, &c, chunks(matrix_n_out(m), ROW_CHUNK));
    return c.out;
}

const float *linear_values(tape *p, pool *threads, const linear_params *l)
{
    const linear_params *own = p->t->layers[p->i_layer].linear;
    size_t cap = 0;

    if (l->weight) return l->weight->value;
    if (l == &p->t->output) {
        if (p->frozen_output) return p->frozen_output;
        return decode_into(&p->frozen_output, &cap, threads, l->m);
    }
    for (int s = 0; s < N_LINEAR; s++) {
        if (l != &own[s]) continue;
        if (p->frozen_of[s] != p->i_layer)
            decode_into(&p->frozen[s], &p->cap_frozen[s], threads, l->m);
        p->frozen_of[s] = p->i_layer;
        return p->frozen[s];
    }
    return decode_into(&p->frozen_expert, &p->cap_expert, threads, l->m);
}

typedef struct scale_call {
    const float *in;
    float *out;
    float scale;
    int n_row, n;
} scale_call;

static void scale_rows(void *arg, int item, int thread)
{
    const scale_call *c = arg;

    (void)thread;
    FOR_ROWS(r, item, c->n_row)
        for (int i = 0; i < c->n; i++)
            c->out[(size_t)r * (size_t)c->n + (size_t)i] =
                c->in[(size_t)r * (size_t)c->n + (size_t)i] * c->scale;
}

void linear_backward(tape *p, pool *threads, const linear_params *l, const float *dy,
                     const float *x, const float *low, int n_row, bool add, float *dx)
{
    int n_out = matrix_n_out(l->m), n_in = matrix_n_in(l->m);

    if (l->weight) gradient_weight(p->g, threads, dy, x, n_row, n_out, n_in, l->weight->grad);
    if (dx)
        gradient_input(p->g, threads, dy, linear_values(p, threads, l), n_row, n_out, n_in, add,
                       dx);
    if (l->l) {
        int rank = l->l->rank;
        scale_call c = { low, p->low, l->l->scale, n_row, rank };

        pool_run(threads, scale_rows, &c, chunks(n_row, ROW_CHUNK));
        gradient_weight(p->g, threads, dy, p->low, n_row, n_out, rank, l->b->grad);
        gradient_input(p->g, threads, dy, l->b->value, n_row, n_out, rank, false, p->dlow);
        c.in = c.out = p->dlow;
        pool_run(threads, scale_rows, &c, chunks(n_row, ROW_CHUNK));
        gradient_weight(p->g, threads, p->dlow, x, n_row, rank, n_in, l->a->grad);
        if (dx)
            gradient_input(p->g, threads, p->dlow, l->a->value, n_row, rank, n_in, true, dx);
    }
}

/* ---- attention ---- */

#define SUM_COLUMNS 16

typedef struct column_call {
    const float *x;
    int n_row, n;
    float *sum;
} column_call;

static void column_sums(void *arg, int item, int thread)
{
    const column_call *c = arg;
    int from = item * SUM_COLUMNS, n = c->n - from < SUM_COLUMNS ? c->n - from : SUM_COLUMNS;
    float sum[SUM_COLUMNS] = { 0 };

    (void)thread;
    for (int r = 0; r < c->n_row; r++)
        row_add(sum, c->x + (size_t)r * (size_t)c->n + from, n);
    row_add(c->sum + from, sum, n);
}

static void bias_backward(pool *threads, const param *bias, const float *dy, int n_row)
{
    if (!bias) return;
    column_call c = { dy, n_row, bias->n_in, bias->grad };

    pool_run(threads, column_sums, &c, chunks(bias->n_in, SUM_COLUMNS));
}

static float *block_of(const tape *p, float *rows, int n)
{
    return rows + (size_t)p->row * (size_t)n;
}

static void unrotate(void *arg, int item, int thread)
{
    tape *p = arg;
    const config *c = &p->t->m->config;
    size_t d = (size_t)c->d_head;

    (void)thread;
    FOR_ROWS(local, item, p->n_block) {
        size_t r = (size_t)(p->row + local);
        const float *cosine = p->ws->angles + (size_t)p->ws->pos[r] * d;

        gradient_rope(p->dq + r * (size_t)c->n_head * d, cosine, cosine + d / 2, c->n_head,
                      c->d_head);
        gradient_rope(p->dk + r * (size_t)c->n_head_kv * d, cosine, cosine + d / 2, c->n_head_kv,
                      c->d_head);
    }
}

/* Gradients of one of the layer's maps over the block: dy and x are the
 * block's rows. */
static void layer_linear(tape *p, pool *threads, linear_slot slot, const float *dy,
                         const float *x, bool add, float *dx)
{
    const linear_params *l = &p->t->layers[p->i_layer].linear[slot];
    float *low = p->ws->kept[p->i_layer].low[slot];

    linear_backward(p, threads, l, dy, x, l->l ? block_of(p, low, l->l->rank) : NULL, p->n_block,
                    add, dx);
}

static void attend_out_backward(tape *p, pool *threads)
{
    const config *c = &p->t->m->config;
    int n_q = c->n_head * c->d_head;

    layer_linear(p, threads, SLOT_O, block_of(p, p->dx, c->d_model),
                 block_of(p, p->ws->kept[p->i_layer].att, n_q), false, block_of(p, p->datt, n_q));
}

static void attend_in_backward(tape *p, pool *threads)
{
    const config *c = &p->t->m->config;
    const layer *y = &p->t->m->layers[p->i_layer];
    const layer_params *l = &p->t->layers[p->i_layer];
    const kept_layer *k = &p->ws->kept[p->i_layer];
    int n_q = c->n_head * c->d_head, n_kv = c->n_head_kv * c->d_head;
    /* Nothing below the first layer of a frozen embedding learns. */
    bool needs_dx = p->i_layer > 0 || p->t->embedding;
    float *dn = needs_dx ? p->dnormed : NULL, *x = block_of(p, k->x, c->d_model);
    float *dq = block_of(p, p->dq, n_q), *dk = block_of(p, p->dk, n_kv);
    float *dv = block_of(p, p->dv, n_kv);

    if (!c->no_rope[p->i_layer]) pool_run(threads, unrotate, p, chunks(p->n_block, ROW_CHUNK));
    if (y->q_norm) {
        float *raw_dq = block_of(p, p->datt, n_q);

        gradient_norm(threads, block_of(p, k->q_raw, n_q), y->q_norm, c->norm_eps, dq,
                      p->n_block * c->n_head, c->d_head, false, raw_dq, grad_of(l->q_norm));
        gradient_norm(threads, block_of(p, k->k_raw, n_kv), y->k_norm, c->norm_eps, dk,
                      p->n_block * c->n_head_kv, c->d_head, false, dq, grad_of(l->k_norm));
        dk = dq;
        dq = raw_dq;
    }
    bias_backward(threads, l->q_bias, dq, p->n_block);
    bias_backward(threads, l->k_bias, dk, p->n_block);
    bias_backward(threads, l->v_bias, dv, p->n_block);
    renorm(p, threads, x, y->attn_norm, p->n_block);
    layer_linear(p, threads, SLOT_Q, dq, p->normed, false, dn);
    layer_linear(p, threads, SLOT_K, dk, p->normed, true, dn);
    layer_linear(p, threads, SLOT_V, dv, p->normed, true, dn);
    if (needs_dx)
        gradient_norm(threads, x, y->attn_norm, c->norm_eps, dn, p->n_block, c->d_model, true,
                      block_of(p, p->dx, c->d_model), grad_of(l->attn_norm));
}

/* ---- feed-forward ---- */

static void gate_again(void *arg, int item, int thread)
{
    const tape *p = arg;
    const kept_layer *k = &p->ws->kept[p->i_layer];
    int n = p->t->m->config.d_ff;
    const float *gate = block_of(p, k->gate, n), *up = block_of(p, k->up, n);

    (void)thread;
    FOR_ROWS(r, item, p->n_block) {
        size_t at = (size_t)r * (size_t)n;

        memcpy(p->ws->hidden + at, gate + at, (size_t)n * sizeof(float));
        swiglu(p->ws->hidden + at, up + at, n);
    }
}

/* Each element is read before it is written: gate and up become their own
 * gradients. */
static void gate_backward(void *arg, int item, int thread)
{
    const tape *p = arg;
    const kept_layer *k = &p->ws->kept[p->i_layer];
    int n = p->t->m->config.d_ff;
    float *gate = block_of(p, k->gate, n), *up = block_of(p, k->up, n);

    (void)thread;
    FOR_ROWS(r, item, p->n_block) {
        size_t at = (size_t)r * (size_t)n;

        gradient_swiglu(gate + at, up + at, p->dhidden + at, n, gate + at, up + at);
    }
}

static void dense_backward(tape *p, pool *threads)
{
    const config *c = &p->t->m->config;
    const layer *y = &p->t->m->layers[p->i_layer];
    const kept_layer *k = &p->ws->kept[p->i_layer];
    float *dx = block_of(p, p->dx, c->d_model), *mid = block_of(p, k->mid, c->d_model);

    pool_run(threads, gate_again, p, chunks(p->n_block, ROW_CHUNK));
    layer_linear(p, threads, SLOT_DOWN, dx, p->ws->hidden, false, p->dhidden);
    pool_run(threads, gate_backward, p, chunks(p->n_block, ROW_CHUNK));
    renorm(p, threads, mid, y->ffn_norm, p->n_block);
    layer_linear(p, threads, SLOT_GATE, block_of(p, k->gate, c->d_ff), p->normed, false,
                 p->dnormed);
    layer_linear(p, threads, SLOT_UP, block_of(p, k->up, c->d_ff), p->normed, true, p->dnormed);
    gradient_norm(threads, mid, y->ffn_norm, c->norm_eps, p->dnormed, p->n_block, c->d_model, true,
                  dx, grad_of(p->t->layers[p->i_layer].ffn_norm));
}

/* ---- a layer ---- */

static void over_blocks(tape *p, pool *threads, void (*part)(tape *p, pool *threads))
{
    for (p->row = 0; p->row < p->n_row; p->row += ROW_BLOCK) {
        p->n_block = p->n_row - p->row < ROW_BLOCK ? p->n_row - p->row : ROW_BLOCK;
        part(p, threads);
    }
}

static void layer_backward(tape *p, pool *threads, int i)
{
    const config *c = &p->t->m->config;
    const kept_layer *k = &p->ws->kept[i];

    p->i_layer = i;
    if (p->t->m->layers[i].router) sparse_backward(p, threads, i);
    else over_blocks(p, threads, dense_backward);
    over_blocks(p, threads, attend_out_backward);
    gradient_attention(p->g, threads, p->runs, p->n_run, p->n_row, c->n_head, c->n_head_kv,
                       c->d_head, k->q, k->k, k->v, k->att, p->datt, p->dq, p->dk, p->dv);
    over_blocks(p, threads, attend_in_backward);
}

/* ---- embedding ---- */

#define ID_CHUNK 16

/* Each id's rows in order, by one thread. */
static void embed_ids(void *arg, int item, int thread)
{
    tape *p = arg;
    const config *c = &p->t->m->config;
    int end = (item + 1) * ID_CHUNK < c->n_vocab ? (item + 1) * ID_CHUNK : c->n_vocab;

    (void)thread;
    for (int id = item * ID_CHUNK; id < end; id++)
        for (int k = p->first_of_id[id]; k < p->first_of_id[id + 1]; k++)
            row_add(p->t->embedding->grad + (size_t)id * (size_t)c->d_model,
                    p->dx + (size_t)p->by_id[k] * (size_t)c->d_model, c->d_model);
}

static void embed_backward(tape *p, pool *threads)
{
    int n_vocab = p->t->m->config.n_vocab, *first = p->first_of_id;

    memset(first, 0, ((size_t)n_vocab + 1) * sizeof *first);
    for (int r = 0; r < p->n_row; r++) first[p->ids[r]]++;
    for (int id = 0, at = 0; id <= n_vocab; id++) {
        int n = first[id];

        first[id] = at += n;
    }
    for (int r = p->n_row; r--;) p->by_id[--first[p->ids[r]]] = r;
    pool_run(threads, embed_ids, p, chunks(n_vocab, ID_CHUNK));
}

/* ---- all of it ---- */

typedef struct first_call {
    tape *p;
    const float *value_grad;
} first_call;

static void first_rows(void *arg, int item, int thread)
{
    const first_call *c = arg;
    size_t d = (size_t)c->p->t->m->config.d_model;

    (void)thread;
    FOR_ROWS(r, item, c->p->n_row) {
        size_t at = (size_t)r * d;

        if (c->value_grad) memcpy(c->p->dnormed + at, c->value_grad + at, d * sizeof(float));
        else memset(c->p->dnormed + at, 0, d * sizeof(float));
    }
}

void tape_backward(tape *p, pool *threads, const tape_target *targets, int n,
                   float temperature, tape_slope *slope, void *arg, float *log_prob,
                   float *entropy, const float *value_grad)
{
    const model *m = p->t->m;
    const config *c = &m->config;
    first_call first = { p, value_grad };

    CHECK(p->n_row > 0 && !p->spent);
    p->spent = true;
    tape_hidden(p, threads);
    pool_run(threads, first_rows, &first, chunks(p->n_row, ROW_CHUNK));
    head_backward(p, threads, targets, n, temperature, slope, arg, log_prob, entropy);
    gradient_norm(threads, p->ws->kept[c->n_layer].x, m->output_norm, c->norm_eps, p->dnormed,
                  p->n_row, c->d_model, false, p->dx, grad_of(p->t->output_norm));
    for (int i = c->n_layer; i--;) layer_backward(p, threads, i);
    if (p->t->embedding) embed_backward(p, threads);
}
