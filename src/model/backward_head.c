/* backward_head.c - from hidden rows to log-probs and back.
 *
 * The logits of some rows at a time are made by the forward's own last step and
 * normalised as the sampler does, turned into their own gradient in place, and
 * dropped. */
#include <string.h>

#include "base/status.h"
#include "model/learn.h"
#include "tensor/internal.h"
#include "tensor/logits.h"
#include "tensor/rows.h"

/* Some targets: their logits and what is wanted of them. */
typedef struct head_call {
    tape *p;
    const tape_target *targets;
    int first, n;            /* of the targets */
    float temperature;
    tape_slope *slope;       /* NULL: log-probs only */
    void *arg;
    float *log_prob, *entropy;
    float *logits;           /* [n, n_vocab]; with slope, gradients afterwards */
} head_call;

static void head_row(void *arg, int item, int thread)
{
    const head_call *c = arg;
    int n_vocab = c->p->t->m->config.n_vocab, i = c->first + item;
    float *x = c->logits + (size_t)item * (size_t)n_vocab;
    int32_t id = c->targets[i].id;
    cpu_level level = tensor_level();
    logits_norm norm;
    float log_prob;

    (void)thread;
    CHECK(id >= 0 && id < n_vocab);
    norm = logits_normalise(level, x, n_vocab, c->temperature);
    log_prob = logits_log_prob(&norm, x[id]);
    if (c->log_prob) c->log_prob[i] = log_prob;
    if (c->entropy) c->entropy[i] = (float)logits_entropy(level, x, n_vocab, &norm);
    if (c->slope) {
        float slope = c->slope(c->arg, i, log_prob) * norm.scale;

        logits_weigh(level, x, n_vocab, &norm, -slope);
        x[id] += slope;
    }
}

/* Logits of the next targets, worked on row by row. */
static void head_rows(head_call *c, pool *threads)
{
    int32_t rows[c->n];

    for (int i = 0; i < c->n; i++) {
        rows[i] = c->targets[c->first + i].row;
        CHECK(rows[i] >= 0 && rows[i] < c->p->n_row);
    }
    c->logits = (float *)forward_logits(c->p->t->m, c->p->ws, threads, rows, c->n);
    pool_run(threads, head_row, c, c->n);
}

void tape_log_probs(tape *p, pool *threads, const tape_target *targets, int n,
                    float temperature, float *log_prob, float *entropy)
{
    head_call c = { .p = p, .targets = targets, .temperature = temperature, .log_prob = log_prob,
                    .entropy = entropy };

    for (; c.first < n; c.first += c.n) {
        c.n = n - c.first < p->head_rows ? n - c.first : p->head_rows;
        head_rows(&c, threads);
    }
}

static void gather_row(void *arg, int item, int thread)
{
    const head_call *c = arg;
    size_t d = (size_t)c->p->t->m->config.d_model;

    (void)thread;
    FOR_ROWS(r, item, c->n)
        memcpy(c->p->head_rows_in + (size_t)r * d,
               c->p->hidden + (size_t)c->targets[c->first + r].row * d, d * sizeof(float));
}

/* Several targets may follow one row, so the rows of a chunk are summed in
 * order by whoever holds some columns of them. */
#define SCATTER_COLUMNS 64

static void scatter_columns(void *arg, int item, int thread)
{
    const head_call *c = arg;
    int d = c->p->t->m->config.d_model, from = item * SCATTER_COLUMNS;
    int n = d - from < SCATTER_COLUMNS ? d - from : SCATTER_COLUMNS;

    (void)thread;
    for (int i = 0; i < c->n; i++)
        row_add(c->p->dnormed + (size_t)c->targets[c->first + i].row * (size_t)d + from,
                c->p->head_rows_out + (size_t)i * (size_t)d + from, n);
}

void head_backward(tape *p, pool *threads, const tape_target *targets, int n,
                   float temperature, tape_slope *slope, void *arg, float *log_prob,
                   float *entropy)
{
    head_call c = { .p = p, .targets = targets, .temperature = temperature, .slope = slope,
                    .arg = arg, .log_prob = log_prob, .entropy = entropy };
    int d = p->t->m->config.d_model;

    for (; c.first < n; c.first += c.n) {
        c.n = n - c.first < p->head_rows ? n - c.first : p->head_rows;
        head_rows(&c, threads);
        pool_run(threads, gather_row, &c, (c.n + ROW_CHUNK - 1) / ROW_CHUNK);
        linear_backward(p, threads, &p->t->output, c.logits, p->head_rows_in, NULL, c.n, false,
                        p->head_rows_out);
        pool_run(threads, scatter_columns, &c, (d + SCATTER_COLUMNS - 1) / SCATTER_COLUMNS);
    }
}
