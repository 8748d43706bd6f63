/* forward.c - tokens to logits.
 *
 * Every step is a loop over rows or over output columns, and an element's
 * operations do not depend on how that loop is cut. Rows are worked on in
 * chunks of ROW_CHUNK so that threads share them. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "model/layers.h"
#include "tensor/rows.h"

#define ROW_CHUNK 16
#define N_KIND 3             /* input kinds: one rounded copy each, if needed */
#define EXPERT_WAVE 8        /* experts whose products share the threads */

struct workspace {
    int max_row;
    int max_out;
    float *x;                /* [max_row, d_model] residual stream */
    float *y;                /* [max_row, d_model] what a block adds to it */
    float *q;                /* [max_row, n_head * d_head] */
    float *k, *v;            /* [max_row, n_head_kv * d_head] */
    float *att;              /* [max_row, n_head * d_head] */
    float *gate, *up;        /* [max_row, d_ff] */
    float *angles;           /* [max_row, d_head]: cos, then sin */
    int32_t *pos;            /* [max_row] */
    int32_t *page;           /* [max_row] page that holds the row's key */
    float *logits;           /* [max_out, n_vocab] */
    matrix_input *in[N_KIND];

    /* Sparse layers only. */
    float *scores;           /* [max_row, n_expert] router */
    int32_t *chosen;         /* [max_row, n_expert_used] experts by rank */
    float *share;            /* [max_row, n_expert_used] */
    int32_t *rows;           /* [max_row * n_expert_used] row-slots by expert */
    int32_t *first;          /* [n_expert + 1] where an expert's slots start */
    float *expert_gate, *expert_up;  /* [max_row * n_expert_used, d_ff_expert] */
    float *expert_out;       /* [max_row * n_expert_used, d_model] by expert */
    int32_t *place;          /* [max_row * n_expert_used] row-slot to its place */
    matrix_input *expert_in[EXPERT_WAVE][N_KIND];
};

static int most(int a, int b)
{
    return a > b ? a : b;
}

workspace *workspace_new(const model *m, int max_row, int max_out)
{
    const config *c = &m->config;
    workspace *w = mem_new(sizeof *w);
    size_t rows = (size_t)max_row, d = (size_t)c->d_model;
    size_t n_q = (size_t)(c->n_head * c->d_head), n_kv = (size_t)(c->n_head_kv * c->d_head);
    int widest = most(most(c->d_model, c->n_head * c->d_head), c->d_ff);

    CHECK(max_row > 0 && max_out >= 0 && max_out <= max_row);
    w->max_row = max_row;
    w->max_out = max_out;
    w->x = mem_aligned(rows * d * 4);
    w->y = mem_aligned(rows * d * 4);
    w->q = mem_aligned(rows * n_q * 4);
    w->k = mem_aligned(rows * n_kv * 4);
    w->v = mem_aligned(rows * n_kv * 4);
    w->att = mem_aligned(rows * n_q * 4);
    w->gate = mem_aligned(rows * (size_t)most(c->d_ff, 1) * 4);
    w->up = mem_aligned(rows * (size_t)most(c->d_ff, 1) * 4);
    w->angles = mem_aligned(rows * (size_t)c->d_head * 4);
    w->pos = mem_array(rows, sizeof *w->pos);
    w->page = mem_array(rows, sizeof *w->page);
    w->logits = mem_aligned((size_t)most(max_out, 1) * (size_t)c->n_vocab * 4);
    for (int i = 0; i < N_KIND; i++)
        w->in[i] = matrix_input_new((input_kind)i, max_row, widest);
    if (c->n_expert) {
        size_t slots = rows * (size_t)c->n_expert_used;

        w->scores = mem_aligned(rows * (size_t)c->n_expert * 4);
        w->chosen = mem_array(slots, sizeof *w->chosen);
        w->share = mem_array(slots, sizeof *w->share);
        w->rows = mem_array(slots, sizeof *w->rows);
        w->first = mem_array((size_t)c->n_expert + 1, sizeof *w->first);
        w->place = mem_array(slots, sizeof *w->place);
        w->expert_gate = mem_aligned(slots * (size_t)c->d_ff_expert * 4);
        w->expert_up = mem_aligned(slots * (size_t)c->d_ff_expert * 4);
        w->expert_out = mem_aligned(slots * d * 4);
        for (int e = 0; e < EXPERT_WAVE; e++)
            for (int i = 0; i < N_KIND; i++)
                w->expert_in[e][i] = matrix_input_new((input_kind)i, max_row,
                                                      most(c->d_model, c->d_ff_expert));
    }
    return w;
}

void workspace_free(workspace *w)
{
    if (!w) return;
    mem_free(w->x);
    mem_free(w->y);
    mem_free(w->q);
    mem_free(w->k);
    mem_free(w->v);
    mem_free(w->att);
    mem_free(w->gate);
    mem_free(w->up);
    mem_free(w->angles);
    mem_free(w->pos);
    mem_free(w->page);
    mem_free(w->logits);
    mem_free(w->scores);
    mem_free(w->chosen);
    mem_free(w->share);
    mem_free(w->rows);
    mem_free(w->first);
    mem_free(w->place);
    mem_free(w->expert_gate);
    mem_free(w->expert_up);
    mem_free(w->expert_out);
    for (int i = 0; i < N_KIND; i++) {
        matrix_input_free(w->in[i]);
        for (int e = 0; e < EXPERT_WAVE; e++) matrix_input_free(w->expert_in[e][i]);
    }
    mem_free(w);
}

/* One pass: what the steps below share. */
typedef struct pass {
    const model *m;
    workspace *ws;
    kv_cache *kv;
    pool *threads;
    const forward_batch *batch;
    const layer *layer;
    int i_layer;
    int n_row;
    const float *norm;       /* weight of the norm a step applies */
    unsigned kinds;          /* input kinds a step has to fill, a bit each */
} pass;

/* Run a step over all rows in chunks. */
static void over_rows(pass *p, pool_fn *step, int n_row)
{
    pool_run(p->threads, step, p, (n_row + ROW_CHUNK - 1) / ROW_CHUNK);
}

#define FOR_ROWS(r, item, n)                                                   \
    for (int r = (item) * ROW_CHUNK,                                           \
             r##_end = (item) * ROW_CHUNK + ROW_CHUNK < (n)                    \
                           ? (item) * ROW_CHUNK + ROW_CHUNK : (n);             \
         r < r##_end; r++)

static void inputs_set(matrix_input *const in[N_KIND], unsigned kinds, int row, const float *x)
{
    for (int i = 0; i < N_KIND; i++)
        if (kinds & 1u << i) matrix_input_set(in[i], row, x);
}

static void inputs_begin(matrix_input *const in[N_KIND], unsigned kinds, int n_row, int n_in)
{
    for (int i = 0; i < N_KIND; i++)
        if (kinds & 1u << i) matrix_input_begin(in[i], n_row, n_in);
}

static unsigned kind_of(const matrix *m)
{
    return m ? 1u << matrix_input_kind(matrix_type(m)) : 0;
}

static product product_of(matrix_input *const in[N_KIND], const matrix *m, float *out)
{
    return (product){ m, in[matrix_input_kind(matrix_type(m))], out, matrix_n_out(m) };
}

/* Steps; each is a pool function over chunks of rows. */

static void step_embed(void *arg, int item, int thread)
{
    pass *p = arg;
    const config *c = &p->m->config;
    workspace *w = p->ws;

    (void)thread;
    FOR_ROWS(r, item, p->n_row) {
        matrix_row(p->m->embedding, p->batch->ids[r], w->x + (size_t)r * (size_t)c->d_model);
        rope_angles(w->pos[r], c->rope_base, c->rope_factors, c->d_head,
                    w->angles + (size_t)r * (size_t)c->d_head,
                    w->angles + (size_t)r * (size_t)c->d_head + c->d_head / 2);
    }
}

/* Round norm(x) for the products that follow. */
static void step_norm(void *arg, int item, int thread)
{
    pass *p = arg;
    int d = p->m->config.d_model;
    float normed[d];

    (void)thread;
    FOR_ROWS(r, item, p->n_row) {
        float *x = p->ws->x + (size_t)r * (size_t)d;

        norm_rms(x, p->norm, p->m->config.norm_eps, d, normed);
        inputs_set(p->ws->in, p->kinds, r, normed);
    }
}

static void step_add(void *arg, int item, int thread)
{
    pass *p = arg;
    int d = p->m->config.d_model;

    (void)thread;
    FOR_ROWS(r, item, p->n_row)
        row_add(p->ws->x + (size_t)r * (size_t)d, p->ws->y + (size_t)r * (size_t)d, d);
}

/* Bias, head norm and rotation of one row's heads. */
static void finish_heads(const pass *p, float *x, const float *bias, const float *norm,
                         int n_head, int row)
{
    const config *c = &p->m->config;
    const float *cosine = p->ws->angles + (size_t)row * (size_t)c->d_head;

    if (bias) row_add(x, bias, n_head * c->d_head);
    for (int h = 0; norm && h < n_head; h++)
        norm_rms(x + h * c->d_head, norm, c->norm_eps, c->d_head, x + h * c->d_head);
    if (!c->no_rope[p->i_layer])
        rope_apply(x, cosine, cosine + c->d_head / 2, n_head, c->d_head);
}

static void step_heads(void *arg, int item, int thread)
{
    pass *p = arg;
    const config *c = &p->m->config;
    const layer *y = p->layer;
    workspace *w = p->ws;
    size_t n_q = (size_t)(c->n_head * c->d_head), n_kv = (size_t)(c->n_head_kv * c->d_head);

    (void)thread;
    FOR_ROWS(r, item, p->n_row) {
        float *k = w->k + (size_t)r * n_kv, *v = w->v + (size_t)r * n_kv;

        finish_heads(p, w->q + (size_t)r * n_q, y->q_bias, y->q_norm, c->n_head, r);
        finish_heads(p, k, y->k_bias, y->k_norm, c->n_head_kv, r);
        if (y->v_bias) row_add(v, y->v_bias, (int)n_kv);
        kv_store(p->kv, p->i_layer, w->page[r], w->pos[r] % KV_PAGE, k, v);
    }
}

static void step_attended(void *arg, int item, int thread)
{
    pass *p = arg;
    size_t n_q = (size_t)(p->m->config.n_head * p->m->config.d_head);

    (void)thread;
    FOR_ROWS(r, item, p->n_row)
        inputs_set(p->ws->in, p->kinds, r, p->ws->att + (size_t)r * n_q);
}

static void step_gate(void *arg, int item, int thread)
{
    pass *p = arg;
    int d_ff = p->m->config.d_ff;

    (void)thread;
    FOR_ROWS(r, item, p->n_row) {
        float *gate = p->ws->gate + (size_t)r * (size_t)d_ff;

        swiglu(gate, p->ws->up + (size_t)r * (size_t)d_ff, d_ff);
        inputs_set(p->ws->in, p->kinds, r, gate);
    }
}

static void attend_block(pass *p)
{
    const config *c = &p->m->config;
    const layer *y = p->layer;
    workspace *w = p->ws;
    product qkv[3], out;

    p->norm = y->attn_norm;
    p->kinds = kind_of(y->q) | kind_of(y->k) | kind_of(y->v);
    inputs_begin(w->in, p->kinds, p->n_row, c->d_model);
    over_rows(p, step_norm, p->n_row);
    qkv[0] = product_of(w->in, y->q, w->q);
    qkv[1] = product_of(w->in, y->k, w->k);
    qkv[2] = product_of(w->in, y->v, w->v);
    matrix_multiply(p->threads, qkv, 3);
    over_rows(p, step_heads, p->n_row);
    attention(p->threads, p->kv, p->i_layer, p->batch->runs, p->batch->n_run, w->q,
              c->n_head, w->att);
    p->kinds = kind_of(y->o);
    inputs_begin(w->in, p->kinds, p->n_row, c->n_head * c->d_head);
    over_rows(p, step_attended, p->n_row);
    out = product_of(w->in, y->o, w->y);
    matrix_multiply(p->threads, &out, 1);
    over_rows(p, step_add, p->n_row);
}

static void dense_block(pass *p)
{
    const config *c = &p->m->config;
    const layer *y = p->layer;
    workspace *w = p->ws;
    product both[2], down;

    p->norm = y->ffn_norm;
    p->kinds = kind_of(y->gate) | kind_of(y->up);
    inputs_begin(w->in, p->kinds, p->n_row, c->d_model);
    over_rows(p, step_norm, p->n_row);
    both[0] = product_of(w->in, y->gate, w->gate);
    both[1] = product_of(w->in, y->up, w->up);
    matrix_multiply(p->threads, both, 2);
    p->kinds = kind_of(y->down);
    inputs_begin(w->in, p->kinds, p->n_row, c->d_ff);
    over_rows(p, step_gate, p->n_row);
    down = product_of(w->in, y->down, w->y);
    matrix_multiply(p->threads, &down, 1);
    over_rows(p, step_add, p->n_row);
}

/* Sparse feed-forward (Shazeer et al. 2017; Qwen3-MoE: softmax over all
 * experts, then the top k, renormalised where the config says so). */

/* A row's best experts by router probability; ties go to the lower number. */
static void choose_experts(const config *c, const float *scores, int32_t *chosen, float *share)
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

static void step_route(void *arg, int item, int thread)
{
    pass *p = arg;
    const config *c = &p->m->config;
    workspace *w = p->ws;

    (void)thread;
    FOR_ROWS(r, item, p->n_row)
        choose_experts(c, w->scores + (size_t)r * (size_t)c->n_expert,
                       w->chosen + r * c->n_expert_used, w->share + r * c->n_expert_used);
}

/* Group the row-slots by expert: counting sort, rows ascending. */
static void group_slots(pass *p)
{
    const config *c = &p->m->config;
    workspace *w = p->ws;
    int n = p->n_row * c->n_expert_used, at[c->n_expert];

    memset(w->first, 0, (size_t)(c->n_expert + 1) * sizeof *w->first);
    for (int i = 0; i < n; i++) w->first[w->chosen[i] + 1]++;
    for (int e = 0; e < c->n_expert; e++) w->first[e + 1] += w->first[e];
    for (int e = 0; e < c->n_expert; e++) at[e] = w->first[e];
    for (int i = 0; i < n; i++) {
        w->place[i] = at[w->chosen[i]]++;
        w->rows[w->place[i]] = i / c->n_expert_used;
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
    int e = v->expert[item], d = c->d_model;
    float normed[d];

    (void)thread;
    for (int i = w->first[e]; i < w->first[e + 1]; i++) {
        if (v->gated) {
            float *gate = w->expert_gate + (size_t)i * (size_t)c->d_ff_expert;

            swiglu(gate, w->expert_up + (size_t)i * (size_t)c->d_ff_expert, c->d_ff_expert);
            inputs_set(w->expert_in[item], v->p->kinds, i - w->first[e], gate);
        } else {
            norm_rms(w->x + (size_t)w->rows[i] * (size_t)d, v->p->norm, c->norm_eps, d, normed);
            inputs_set(w->expert_in[item], v->p->kinds, i - w->first[e], normed);
        }
    }
}

static void run_wave(wave *v)
{
    pass *p = v->p;
    const config *c = &p->m->config;
    workspace *w = p->ws;
    product products[2 * EXPERT_WAVE];

    for (int gated = 0; gated < 2; gated++) {
        int n = 0;

        v->gated = gated;
        p->kinds = 0;
        for (int i = 0; i < v->n; i++) {
            const expert *x = &p->layer->experts[v->expert[i]];

            p->kinds |= gated ? kind_of(x->down) : kind_of(x->gate) | kind_of(x->up);
        }
        for (int i = 0; i < v->n; i++)
            inputs_begin(w->expert_in[i], p->kinds,
                         w->first[v->expert[i] + 1] - w->first[v->expert[i]],
                         gated ? c->d_ff_expert : c->d_model);
        pool_run(p->threads, step_expert_inputs, v, v->n);
        for (int i = 0; i < v->n; i++) {
            const expert *x = &p->layer->experts[v->expert[i]];
            size_t at = (size_t)w->first[v->expert[i]];
            size_t hidden = at * (size_t)c->d_ff_expert;

            if (gated) {
                products[n++] = product_of(w->expert_in[i], x->down,
                                           w->expert_out + at * (size_t)c->d_model);
                continue;
            }
            products[n++] = product_of(w->expert_in[i], x->gate, w->expert_gate + hidden);
            products[n++] = product_of(w->expert_in[i], x->up, w->expert_up + hidden);
        }
        matrix_multiply(p->threads, products, n);
    }
}

static void step_expert_sum(void *arg, int item, int thread)
{
    pass *p = arg;
    const config *c = &p->m->config;
    workspace *w = p->ws;

    (void)thread;
    FOR_ROWS(r, item, p->n_row)
        for (int i = 0; i < c->n_expert_used; i++) {
            int slot = r * c->n_expert_used + i;

            row_add_scaled(w->x + (size_t)r * (size_t)c->d_model,
                           w->expert_out + (size_t)w->place[slot] * (size_t)c->d_model,
                           w->share[slot], c->d_model);
        }
}

static void sparse_block(pass *p)
{
    const config *c = &p->m->config;
    const layer *y = p->layer;
    workspace *w = p->ws;
    wave v = { .p = p };
    product router;

    p->norm = y->ffn_norm;
    p->kinds = kind_of(y->router);
    inputs_begin(w->in, p->kinds, p->n_row, c->d_model);
    over_rows(p, step_norm, p->n_row);
    router = product_of(w->in, y->router, w->scores);
    matrix_multiply(p->threads, &router, 1);
    over_rows(p, step_route, p->n_row);
    group_slots(p);
    for (int e = 0; e <= c->n_expert; e++) {
        if (v.n == EXPERT_WAVE || (e == c->n_expert && v.n)) {
            run_wave(&v);
            v.n = 0;
        }
        if (e < c->n_expert && w->first[e + 1] > w->first[e]) v.expert[v.n++] = e;
    }
    over_rows(p, step_expert_sum, p->n_row);
}

/* Rows whose logits are wanted, normed for the output matrix. */
static void step_out(void *arg, int item, int thread)
{
    pass *p = arg;
    int d = p->m->config.d_model;
    float normed[d];

    (void)thread;
    FOR_ROWS(r, item, p->batch->n_out) {
        norm_rms(p->ws->x + (size_t)p->batch->out[r] * (size_t)d, p->m->output_norm,
                 p->m->config.norm_eps, d, normed);
        inputs_set(p->ws->in, p->kinds, r, normed);
    }
}

static void place_rows(workspace *w, const forward_batch *b, const config *c)
{
    int row = 0;

    for (int i = 0; i < b->n_run; i++) {
        const attend_run *run = &b->runs[i];

        CHECK(run->row == row && run->n_row > 0 && run->first_pos >= 0);
        for (int j = 0; j < run->n_row; j++, row++) {
            w->pos[row] = run->first_pos + j;
            w->page[row] = run->pages[w->pos[row] / KV_PAGE];
            CHECK(b->ids[row] >= 0 && b->ids[row] < c->n_vocab);
        }
    }
    CHECK(row == b->n_row);
}

const float *model_forward(const model *m, workspace *ws, kv_cache *kv, pool *threads,
                           const forward_batch *batch)
{
    pass p = { .m = m, .ws = ws, .kv = kv, .threads = threads, .batch = batch,
               .n_row = batch->n_row };
    product logits;

    CHECK(batch->n_row > 0 && batch->n_row <= ws->max_row && batch->n_out <= ws->max_out);
    place_rows(ws, batch, &m->config);
    over_rows(&p, step_embed, p.n_row);
    for (int i = 0; i < m->config.n_layer; i++) {
        p.i_layer = i;
        p.layer = &m->layers[i];
        attend_block(&p);
        if (p.layer->router) sparse_block(&p);
        else dense_block(&p);
    }
    if (!batch->n_out) return NULL;
    p.kinds = kind_of(m->output);
    inputs_begin(ws->in, p.kinds, batch->n_out, m->config.d_model);
    over_rows(&p, step_out, batch->n_out);
    logits = product_of(ws->in, m->output, ws->logits);
    matrix_multiply(threads, &logits, 1);
    return ws->logits;
}
