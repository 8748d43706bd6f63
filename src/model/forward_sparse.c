/* forward_sparse.c - the feed-forward of a mixture of experts.
 *
 * A router picks a few experts for each row (Shazeer et al. 2017; Qwen3-MoE:
 * softmax over all experts, then the top k, renormalised where the config says
 * so). Rows are grouped by expert, and experts run in waves that share the
 * threads; a row's share of each is summed in the order of its own ranking. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "model/pass.h"
#include "tensor/rows.h"

/* A row's best experts by router probability; ties go to the lower number. */
void choose_experts(const config *c, const float *scores, int32_t *chosen, float *share)
{
    float top = scores[0], sum = 0, kept = 0;

    for (int e = 1; e < c->n_expert; e++) top = scores[e] > top ? scores[e] : top;
    for (int e = 0; e < c->n_expert; e++) sum += expf(scores[e] - top);
    for (int i = 0; i < c->n_expert_used; i++) {
        int best = -1;

        for (int e = 0; e < c->n_expert; e++) {
            bool taken = false;

            for (int j = 0; j < i; j++) taken |= chosen[j] == e;
            if (!taken && (best < 0 || scores[e] > scores[best])) best = e;
        }
        chosen[i] = best;
        share[i] = expf(scores[best] - top) / sum;
        kept += share[i];
    }
    for (int i = 0; c->expert_norm && i < c->n_expert_used; i++) share[i] /= kept;
}

/* Round norm(x) for the router; the experts' rows are normed again, since
 * each expert takes other ones. */
static void step_router_input(void *arg, int item, int thread)
{
    pass *p = arg;
    int d = p->m->config.d_model;
    float normed[d];

    (void)thread;
    FOR_ROWS(r, item, p->n_row) {
        norm_rms(p->ws->at.x + (size_t)r * (size_t)d, p->norm, p->m->config.norm_eps, d, normed);
        inputs_set(p->ws->in, p->kinds, r, normed);
    }
}

static void step_route(void *arg, int item, int thread)
{
    pass *p = arg;
    const config *c = &p->m->config;
    kept_layer *at = &p->ws->at;

    (void)thread;
    FOR_ROWS(r, item, p->n_row)
        choose_experts(c, at->scores + (size_t)r * (size_t)c->n_expert,
                       at->chosen + r * c->n_expert_used, at->share + r * c->n_expert_used);
}

/* Group the row-slots by expert: counting sort, rows ascending. */
static void group_slots(pass *p)
{
    const config *c = &p->m->config;
    kept_layer *k = &p->ws->at;
    int n = p->n_row * c->n_expert_used, at[c->n_expert];

    memset(k->first, 0, (size_t)(c->n_expert + 1) * sizeof *k->first);
    for (int i = 0; i < n; i++) k->first[k->chosen[i] + 1]++;
    for (int e = 0; e < c->n_expert; e++) k->first[e + 1] += k->first[e];
    for (int e = 0; e < c->n_expert; e++) at[e] = k->first[e];
    for (int i = 0; i < n; i++) {
        k->place[i] = at[k->chosen[i]]++;
        k->rows[k->place[i]] = i / c->n_expert_used;
    }
}

/* A wave of experts, each with the rows that chose it. */
typedef struct wave {
    pass *p;
    int n;
    int expert[EXPERT_WAVE];
    bool gated;              /* step: inputs are gated hidden rows */
} wave;

static void step_expert_inputs(void *arg, int item, int thread)
{
    wave *v = arg;
    const config *c = &v->p->m->config;
    workspace *w = v->p->ws;
    kept_layer *at = &w->at;
    int e = v->expert[item], d = c->d_model;
    float normed[d];

    (void)thread;
    for (int i = at->first[e]; i < at->first[e + 1]; i++) {
        if (v->gated) {
            size_t n = (size_t)c->d_ff_expert, from = (size_t)i * n;
            float *hidden = w->expert_hidden + from;

            if (w->expert_hidden != at->expert_gate) memcpy(hidden, at->expert_gate + from, n * 4);
            swiglu(hidden, at->expert_up + from, c->d_ff_expert);
            inputs_set(w->expert_in[item], v->p->kinds, i - at->first[e], hidden);
        } else {
            norm_rms(at->x + (size_t)at->rows[i] * (size_t)d, v->p->norm, c->norm_eps, d, normed);
            inputs_set(w->expert_in[item], v->p->kinds, i - at->first[e], normed);
        }
    }
}

/* An expert's product; its rows lie together from slot `first` on. */
static linear expert_linear(const wave *v, int i, expert_slot slot, float *out)
{
    kept_layer *at = &v->p->ws->at;
    int e = v->expert[i], first = at->first[e];
    const expert *x = &v->p->layer->experts[e];
    const matrix *const m[] = { x->gate, x->up, x->down };
    const lora *l = x->lora[slot];
    float *low = l ? at->expert_low[slot] + (size_t)first * (size_t)l->rank : NULL;

    return linear_of(v->p->ws->expert_in[i], at->first[e + 1] - first, m[slot], l, low,
                     out + (size_t)first * (size_t)matrix_n_out(m[slot]));
}

static void run_wave(wave *v)
{
    pass *p = v->p;
    const config *c = &p->m->config;
    workspace *w = p->ws;
    linear products[2 * EXPERT_WAVE];

    for (int gated = 0; gated < 2; gated++) {
        int n = 0;

        v->gated = gated;
        p->kinds = 0;
        for (int i = 0; i < v->n; i++) {
            const expert *x = &p->layer->experts[v->expert[i]];

            p->kinds |= gated ? kinds_of(x->down, x->lora[EXPERT_DOWN])
                              : kinds_of(x->gate, x->lora[EXPERT_GATE]) |
                                    kinds_of(x->up, x->lora[EXPERT_UP]);
        }
        for (int i = 0; i < v->n; i++)
            inputs_begin(w->expert_in[i], p->kinds,
                         w->at.first[v->expert[i] + 1] - w->at.first[v->expert[i]],
                         gated ? c->d_ff_expert : c->d_model);
        pool_run(p->threads, step_expert_inputs, v, v->n);
        for (int i = 0; i < v->n; i++) {
            if (gated) {
                products[n++] = expert_linear(v, i, EXPERT_DOWN, w->expert_out);
                continue;
            }
            products[n++] = expert_linear(v, i, EXPERT_GATE, w->at.expert_gate);
            products[n++] = expert_linear(v, i, EXPERT_UP, w->at.expert_up);
        }
        linear_multiply(p, products, n);
    }
}

static void step_expert_sum(void *arg, int item, int thread)
{
    pass *p = arg;
    const config *c = &p->m->config;
    workspace *w = p->ws;
    size_t d = (size_t)c->d_model;

    (void)thread;
    FOR_ROWS(r, item, p->n_row) {
        float *out = w->at.mid + (size_t)r * d;

        memcpy(out, w->at.x + (size_t)r * d, d * 4);
        for (int i = 0; i < c->n_expert_used; i++) {
            int slot = r * c->n_expert_used + i;

            row_add_scaled(out, w->expert_out + (size_t)w->at.place[slot] * d,
                           w->at.share[slot], c->d_model);
        }
    }
}

void sparse_block(pass *p)
{
    const config *c = &p->m->config;
    const layer *y = p->layer;
    workspace *w = p->ws;
    wave v = { .p = p };
    linear router;

    p->norm = y->ffn_norm;
    p->kinds = kinds_of(y->router, NULL);
    inputs_begin(w->in, p->kinds, p->n_row, c->d_model);
    over_rows(p, step_router_input, p->n_row);
    router = linear_of(w->in, p->n_row, y->router, NULL, NULL, w->at.scores);
    linear_multiply(p, &router, 1);
    over_rows(p, step_route, p->n_row);
    group_slots(p);
    for (int e = 0; e <= c->n_expert; e++) {
        if (v.n == EXPERT_WAVE || (e == c->n_expert && v.n)) {
            run_wave(&v);
            v.n = 0;
        }
        if (e < c->n_expert && w->at.first[e + 1] > w->at.first[e]) v.expert[v.n++] = e;
    }
    over_rows(p, step_expert_sum, p->n_row);
}
