/* backward_sparse.c - gradients through a mixture of experts.
 *
 * A row's result is the sum of its experts' rows times their shares; shares go
 * back into the router's scores through the softmax, with the load-balance loss
 * on top. Which experts were chosen is taken as given. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "model/learn.h"
#include "tensor/rows.h"

#define SLOT_CHUNK 16

typedef struct sparse_call {
    tape *p;
    kept_layer *k;
    int first, n;            /* slots of the expert at work */
    const float *from;       /* step_gather: rows to copy */
    float balance;           /* d loss / d router probability, by an expert's load */
} sparse_call;

static const config *config_of(const sparse_call *c)
{
    return &c->p->t->m->config;
}

#define FOR_SLOTS(i, item, c)                                                          \
    for (int i = (c)->first + (item) * SLOT_CHUNK,                                     \
             i##_end = i + SLOT_CHUNK < (c)->first + (c)->n ? i + SLOT_CHUNK           \
                                                            : (c)->first + (c)->n;     \
         i < i##_end; i++)

static void step_gather(void *arg, int item, int thread)
{
    const sparse_call *c = arg;
    size_t d = (size_t)config_of(c)->d_model;

    (void)thread;
    FOR_SLOTS(i, item, c)
        memcpy(c->p->slot_rows + (size_t)i * d, c->from + (size_t)c->k->rows[i] * d,
               d * sizeof(float));
}

/* A slot's share; slots of a row stand in the order of its ranking. */
static int slot_of(const sparse_call *c, int place)
{
    int used = config_of(c)->n_expert_used, slot = c->k->rows[place] * used;

    while (c->k->place[slot] != place) slot++;
    return slot;
}

/* Gated rows, and the same times their share: what the last product's weights
 * saw of them. The adapter's rows are scaled likewise. */
static void step_gate_again(void *arg, int item, int thread)
{
    const sparse_call *c = arg;
    size_t n = (size_t)config_of(c)->d_ff_expert;
    int rank = c->p->t->options.lora_rank;

    (void)thread;
    FOR_SLOTS(i, item, c) {
        size_t at = (size_t)i * n;
        float *hidden = c->p->ws->expert_hidden + at, *scaled = c->p->slot_hidden + at;
        float share = c->k->share[slot_of(c, i)];

        memcpy(hidden, c->k->expert_gate + at, n * sizeof(float));
        swiglu(hidden, c->k->expert_up + at, (int)n);
        for (size_t j = 0; j < n; j++) scaled[j] = hidden[j] * share;
        for (int j = 0; j < rank; j++)
            c->k->expert_low[EXPERT_DOWN][(size_t)i * (size_t)rank + (size_t)j] *= share;
    }
}

/* slot_dhidden holds the gradient of the gated rows without the share. */
static void step_gate_backward(void *arg, int item, int thread)
{
    const sparse_call *c = arg;
    size_t n = (size_t)config_of(c)->d_ff_expert;

    (void)thread;
    FOR_SLOTS(i, item, c) {
        size_t at = (size_t)i * n;
        float *hidden = c->p->ws->expert_hidden + at, *dh = c->p->slot_dhidden + at;
        int slot = slot_of(c, i);
        double dot = 0;

        for (size_t j = 0; j < n; j++) {
            dot += (double)hidden[j] * (double)dh[j];
            dh[j] *= c->k->share[slot];
        }
        c->p->dshare[slot] = (float)dot;
        gradient_swiglu(c->k->expert_gate + at, c->k->expert_up + at, dh, (int)n,
                        c->k->expert_gate + at, c->k->expert_up + at);
    }
}

static const float *low_at(const sparse_call *c, expert_slot s)
{
    size_t rank = (size_t)c->p->t->options.lora_rank;

    return rank ? c->k->expert_low[s] + (size_t)c->first * rank : NULL;
}

static void expert_backward(sparse_call *c, pool *threads, const linear_params *l)
{
    tape *p = c->p;
    size_t row = (size_t)c->first * (size_t)config_of(c)->d_model;
    size_t wide = (size_t)c->first * (size_t)config_of(c)->d_ff_expert;
    int n_item = (c->n + SLOT_CHUNK - 1) / SLOT_CHUNK;

    c->from = p->dx;
    pool_run(threads, step_gather, c, n_item);
    pool_run(threads, step_gate_again, c, n_item);
    linear_backward(p, threads, &l[EXPERT_DOWN], p->slot_rows + row, p->slot_hidden + wide,
                    low_at(c, EXPERT_DOWN), c->n, false, p->slot_dhidden + wide);
    pool_run(threads, step_gate_backward, c, n_item);
    c->from = p->normed;
    pool_run(threads, step_gather, c, n_item);
    linear_backward(p, threads, &l[EXPERT_GATE], c->k->expert_gate + wide, p->slot_rows + row,
                    low_at(c, EXPERT_GATE), c->n, false, p->slot_out + row);
    linear_backward(p, threads, &l[EXPERT_UP], c->k->expert_up + wide, p->slot_rows + row,
                    low_at(c, EXPERT_UP), c->n, true, p->slot_out + row);
}

static void softmax(const float *scores, int n, double *p)
{
    float top = scores[0];
    double sum = 0;

    for (int e = 1; e < n; e++) top = scores[e] > top ? scores[e] : top;
    for (int e = 0; e < n; e++) sum += p[e] = exp((double)(scores[e] - top));
    for (int e = 0; e < n; e++) p[e] /= sum;
}

/* Sum the experts' gradients of a row, and go through shares to scores. */
static void step_rows(void *arg, int item, int thread)
{
    const sparse_call *c = arg;
    const config *g = config_of(c);
    tape *p = c->p;
    size_t d = (size_t)g->d_model;
    int used = g->n_expert_used;
    double prob[g->n_expert], dprob[g->n_expert];

    (void)thread;
    FOR_ROWS(r, item, p->n_row) {
        float *dscores = p->dscores + (size_t)r * (size_t)g->n_expert;
        double dot = 0, kept = 0;

        memset(p->dnormed + (size_t)r * d, 0, d * sizeof(float));
        softmax(c->k->scores + (size_t)r * (size_t)g->n_expert, g->n_expert, prob);
        for (int e = 0; e < g->n_expert; e++)
            dprob[e] = (double)c->balance * (c->k->first[e + 1] - c->k->first[e]);
        for (int i = 0; i < used; i++) {
            int slot = r * used + i;

            row_add(p->dnormed + (size_t)r * d, p->slot_out + (size_t)c->k->place[slot] * d,
                    g->d_model);
            dot += (double)c->k->share[slot] * (double)p->dshare[slot];
            kept += prob[c->k->chosen[slot]];
        }
        for (int i = 0; i < used; i++) {
            int slot = r * used + i;

            /* share = prob / kept with the norm, else prob. */
            dprob[c->k->chosen[slot]] +=
                g->expert_norm ? ((double)p->dshare[slot] - dot) / kept : (double)p->dshare[slot];
        }
        dot = 0;
        for (int e = 0; e < g->n_expert; e++) dot += prob[e] * dprob[e];
        for (int e = 0; e < g->n_expert; e++)
            dscores[e] = (float)(prob[e] * (dprob[e] - dot));
    }
}

static int sparse_layers(const model *m)
{
    int n = 0;

    for (int i = 0; i < m->config.n_layer; i++) n += m->layers[i].router != NULL;
    return n;
}

void sparse_backward(tape *p, pool *threads, int i_layer)
{
    const model *m = p->t->m;
    const config *g = &m->config;
    const layer *y = &m->layers[i_layer];
    const layer_params *l = &p->t->layers[i_layer];
    sparse_call c = { .p = p, .k = &p->ws->kept[i_layer] };
    double rows = p->n_row;

    c.balance = (float)((double)p->t->options.router_balance * g->n_expert /
                        (rows * rows * sparse_layers(m)));
    renorm(p, threads, c.k->mid, y->ffn_norm, p->n_row);
    for (int e = 0; e < g->n_expert; e++) {
        c.first = c.k->first[e];
        c.n = c.k->first[e + 1] - c.first;
        if (c.n) expert_backward(&c, threads, l->experts + e * N_EXPERT_SLOT);
    }
    pool_run(threads, step_rows, &c, (p->n_row + ROW_CHUNK - 1) / ROW_CHUNK);
    linear_backward(p, threads, &l->router, p->dscores, p->normed, NULL, p->n_row, true,
                    p->dnormed);
    gradient_norm(threads, c.k->mid, y->ffn_norm, g->norm_eps, p->dnormed, p->n_row, g->d_model,
                  true, p->dx, l->ffn_norm ? l->ffn_norm->grad : NULL);
}

double tape_balance_loss(const tape *p)
{
    const model *m = p->t->m;
    const config *g = &m->config;
    double loss = 0, prob[g->n_expert + 1], mean[g->n_expert + 1];

    for (int i = 0; i < g->n_layer; i++) {
        const kept_layer *k = &p->ws->kept[i];

        if (!m->layers[i].router) continue;
        memset(mean, 0, sizeof mean);
        for (int r = 0; r < p->n_row; r++) {
            softmax(k->scores + (size_t)r * (size_t)g->n_expert, g->n_expert, prob);
            for (int e = 0; e < g->n_expert; e++) mean[e] += prob[e] / p->n_row;
        }
        for (int e = 0; e < g->n_expert; e++)
            loss += g->n_expert * mean[e] * (k->first[e + 1] - k->first[e]) / p->n_row;
    }
    return loss ? loss / sparse_layers(m) : 0;
}
