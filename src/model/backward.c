/* backward.c - gradients of the layers, last to first.
 *
 * p->dx is the gradient of the residual stream; each block adds what reaches
 * its input through it. What the forward did not keep (norms, gated rows) is
 * made again, and a layer's kept rows are overwritten by their gradients where
 * both have one shape. Sums over rows have one order whatever the threads. */
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

const float *linear_values(tape *p, pool *threads, const linear_params *l)
{
    size_t n = (size_t)matrix_n_out(l->m) * (size_t)matrix_n_in(l->m);
    decode_call c = { l->m, NULL };

    if (l->weight) return l->weight->value;
    if (l == &p->t->output) {
        if (p->frozen_output) return p->frozen_output;
        c.out = p->frozen_output = mem_aligned(n * sizeof(float));
    } else {
        if (n > p->cap_frozen) {
            mem_free(p->frozen);
            p->frozen = mem_aligned(n * sizeof(float));
            p->cap_frozen = n;
        }
        c.out = p->frozen;
    }
    pool_run(threads, decode_rows, &c, chunks(matrix_n_out(l->m), ROW_CHUNK));
    return c.out;
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

static void unrotate(void *arg, int item, int thread)
{
    tape *p = arg;
    const config *c = &p->t->m->config;
    size_t d = (size_t)c->d_head;

    (void)thread;
    FOR_ROWS(r, item, p->n_row) {
        const float *cosine = p->ws->angles + (size_t)p->ws->pos[r] * d;

        gradient_rope(p->dq + (size_t)r * (size_t)c->n_head * d, cosine, cosine + d / 2, c->n_head,
                      c->d_head);
        gradient_rope(p->dk + (size_t)r * (size_t)c->n_head_kv * d, cosine, cosine + d / 2,
                      c->n_head_kv, c->d_head);
    }
}

static void attend_backward(tape *p, pool *threads, int i)
{
    const model *m = p->t->m;
    const config *c = &m->config;
    const layer *y = &m->layers[i];
    const layer_params *l = &p->t->layers[i];
    const kept_layer *k = &p->ws->kept[i];
    /* Nothing below the first layer of a frozen embedding learns. */
    bool needs_dx = i > 0 || p->t->embedding;
    float *dq = p->dq, *dk = p->dk, *dn = needs_dx ? p->dnormed : NULL;

    linear_backward(p, threads, &l->linear[SLOT_O], p->dx, k->att, k->low[SLOT_O], p->n_row, false,
                    p->datt);
    gradient_attention(p->g, threads, p->runs, p->n_run, p->n_row, c->n_head, c->n_head_kv,
                       c->d_head, k->q, k->k, k->v, k->att, p->datt, p->dq, p->dk, p->dv);
    if (!c->no_rope[i]) pool_run(threads, unrotate, p, chunks(p->n_row, ROW_CHUNK));
    if (y->q_norm) {
        gradient_norm(threads, k->q_raw, y->q_norm, c->norm_eps, dq, p->n_row * c->n_head,
                      c->d_head, false, p->datt, grad_of(l->q_norm));
        gradient_norm(threads, k->k_raw, y->k_norm, c->norm_eps, dk, p->n_row * c->n_head_kv,
                      c->d_head, false, p->dq, grad_of(l->k_norm));
        dk = p->dq;
        dq = p->datt;
    }
    bias_backward(threads, l->q_bias, dq, p->n_row);
    bias_backward(threads, l->k_bias, dk, p->n_row);
    bias_backward(threads, l->v_bias, p->dv, p->n_row);
    renorm(p, threads, k->x, y->attn_norm);
    linear_backward(p, threads, &l->linear[SLOT_Q], dq, p->normed, k->low[SLOT_Q], p->n_row, false,
                    dn);
    linear_backward(p, threads, &l->linear[SLOT_K], dk, p->normed, k->low[SLOT_K], p->n_row, true,
                    dn);
    linear_backward(p, threads, &l->linear[SLOT_V], p->dv, p->normed, k->low[SLOT_V], p->n_row,
                    true, dn);
    if (needs_dx)
        gradient_norm(threads, k->x, y->attn_norm, c->norm_eps, dn, p->n_row, c->d_model, true,
                      p->dx, grad_of(l->attn_norm));
}

/* ---- feed-forward ---- */

typedef struct gate_call {
    tape *p;
    kept_layer *k;
} gate_call;

static void gate_again(void *arg, int item, int thread)
{
    const gate_call *c = arg;
    int n = c->p->t->m->config.d_ff;

    (void)thread;
    FOR_ROWS(r, item, c->p->n_row) {
        size_t at = (size_t)r * (size_t)n;

        memcpy(c->p->ws->hidden + at, c->k->gate + at, (size_t)n * sizeof(float));
        swiglu(c->p->ws->hidden + at, c->k->up + at, n);
    }
}

/* Each element is read before it is written: gate and up become their own
 * gradients. */
static void gate_backward(void *arg, int item, int thread)
{
    const gate_call *c = arg;
    int n = c->p->t->m->config.d_ff;

    (void)thread;
    FOR_ROWS(r, item, c->p->n_row) {
        size_t at = (size_t)r * (size_t)n;

        gradient_swiglu(c->k->gate + at, c->k->up + at, c->p->dhidden + at, n, c->k->gate + at,
                        c->k->up + at);
    }
}

static void dense_backward(tape *p, pool *threads, int i)
{
    const config *c = &p->t->m->config;
    const layer *y = &p->t->m->layers[i];
    const layer_params *l = &p->t->layers[i];
    kept_layer *k = &p->ws->kept[i];
    gate_call g = { p, k };

    pool_run(threads, gate_again, &g, chunks(p->n_row, ROW_CHUNK));
    linear_backward(p, threads, &l->linear[SLOT_DOWN], p->dx, p->ws->hidden, k->low[SLOT_DOWN],
                    p->n_row, false, p->dhidden);
    pool_run(threads, gate_backward, &g, chunks(p->n_row, ROW_CHUNK));
    renorm(p, threads, k->mid, y->ffn_norm);
    linear_backward(p, threads, &l->linear[SLOT_GATE], k->gate, p->normed, k->low[SLOT_GATE],
                    p->n_row, false, p->dnormed);
    linear_backward(p, threads, &l->linear[SLOT_UP], k->up, p->normed, k->low[SLOT_UP], p->n_row,
                    true, p->dnormed);
    gradient_norm(threads, k->mid, y->ffn_norm, c->norm_eps, p->dnormed, p->n_row, c->d_model, true,
                  p->dx, grad_of(l->ffn_norm));
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
    for (int i = c->n_layer; i--;) {
        if (m->layers[i].router) sparse_backward(p, threads, i);
        else dense_backward(p, threads, i);
        attend_backward(p, threads, i);
    }
    if (p->t->embedding) embed_backward(p, threads);
}
