/* forward.c - tokens to logits.
 *
 * Every step is a loop over rows or over output columns, and an element's
 * operations do not depend on how that loop is cut. Rows are worked on in
 * chunks of ROW_CHUNK so that threads share them. A block's result is written
 * beside what it was made from and the two change places, so that a trainer
 * can keep both. */
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "model/pass.h"
#include "tensor/dtype.h"
#include "tensor/rows.h"

/* ---- products ---- */

linear linear_of(matrix_input *const in[N_KIND], int n_row, const matrix *m, const lora *l,
                 float *low, float *out)
{
    linear x = { .n_row = n_row, .lora = l };

    x.base = (product){ m, in[matrix_input_kind(matrix_type(m))], out, matrix_n_out(m) };
    if (l) x.low = (product){ l->a, in[matrix_input_kind(matrix_type(l->a))], low, l->rank };
    return x;
}

/* What adapters add: A x becomes an input, B of it is summed onto the rows. */
typedef struct adapt {
    const linear *list[MAX_LINEAR];
    matrix_input *in[MAX_LINEAR];
    product up[MAX_LINEAR];
    int first[MAX_LINEAR + 1];       /* its first chunk of rows */
    int n;
} adapt;

static int adapt_find(const adapt *a, int *item)
{
    int i = 0;

    while (*item >= a->first[i + 1]) i++;
    *item -= a->first[i];
    return i;
}

static void adapt_input(void *arg, int item, int thread)
{
    const adapt *a = arg;
    int i = adapt_find(a, &item), rank = a->list[i]->lora->rank;
    float padded[matrix_n_in(a->list[i]->lora->b)];

    (void)thread;
    memset(padded, 0, sizeof padded);
    FOR_ROWS(r, item, a->list[i]->n_row) {
        memcpy(padded, a->list[i]->low.out + (size_t)r * (size_t)rank, (size_t)rank * 4);
        matrix_input_set(a->in[i], r, padded);
    }
}

static void adapt_sum(void *arg, int item, int thread)
{
    const adapt *a = arg;
    int i = adapt_find(a, &item), n = a->up[i].ld_out;

    (void)thread;
    FOR_ROWS(r, item, a->list[i]->n_row)
        row_add_scaled(a->list[i]->base.out + (size_t)r * (size_t)n,
                       a->up[i].out + (size_t)r * (size_t)n, a->list[i]->lora->scale, n);
}

void linear_multiply(pass *p, const linear *list, int n)
{
    product all[2 * MAX_LINEAR];
    float *delta = p->ws->delta;
    adapt a = { .n = 0 };
    int n_all = 0;

    CHECK(n <= MAX_LINEAR);
    for (int i = 0; i < n; i++) {
        const linear *x = &list[i];

        all[n_all++] = x->base;
        if (!x->lora) continue;
        all[n_all++] = x->low;
        a.list[a.n] = x;
        a.in[a.n] = p->ws->low_in[a.n][matrix_input_kind(matrix_type(x->lora->b))];
        a.up[a.n] = (product){ x->lora->b, a.in[a.n], delta, x->base.ld_out };
        a.first[a.n + 1] = a.first[a.n] + (x->n_row + ROW_CHUNK - 1) / ROW_CHUNK;
        delta += (size_t)x->n_row * (size_t)x->base.ld_out;
        a.n++;
    }
    matrix_multiply(p->threads, all, n_all);
    if (!a.n) return;
    for (int i = 0; i < a.n; i++)
        matrix_input_begin(a.in[i], a.list[i]->n_row, matrix_n_in(a.list[i]->lora->b));
    pool_run(p->threads, adapt_input, &a, a.first[a.n]);
    matrix_multiply(p->threads, a.up, a.n);
    pool_run(p->threads, adapt_sum, &a, a.first[a.n]);
}

/* ---- steps; each is a pool function over chunks of rows ---- */

static void step_embed(void *arg, int item, int thread)
{
    pass *p = arg;
    const config *c = &p->m->config;

    (void)thread;
    FOR_ROWS(r, item, p->n_row)
        matrix_row(p->m->embedding, p->batch->ids[r],
                   p->ws->at.x + (size_t)r * (size_t)c->d_model);
}

static void step_angles(void *arg, int item, int thread)
{
    pass *p = arg;
    const config *c = &p->m->config;
    float *cosine = p->ws->angles + (size_t)(p->first_angle + item) * (size_t)c->d_head;

    (void)thread;
    rope_angles(p->first_angle + item, c->rope_base, c->rope_factors, c->d_head, cosine,
                cosine + c->d_head / 2);
}

/* Angles of all positions up to the last of this pass. They cost more than the
 * rotations, and rows of a batch share positions. */
static void grow_angles(pass *p)
{
    workspace *w = p->ws;
    size_t row_bytes = (size_t)p->m->config.d_head * sizeof(float);
    int last = 0;
    float *grown;

    for (int r = 0; r < p->n_row; r++) last = w->pos[r] > last ? w->pos[r] : last;
    if (last < w->n_angle) return;
    last = (last + 1 + last / 4 + 255) / 256 * 256;
    grown = mem_aligned((size_t)last * row_bytes);
    if (w->n_angle) memcpy(grown, w->angles, (size_t)w->n_angle * row_bytes);
    mem_free(w->angles);
    w->angles = grown;
    p->first_angle = w->n_angle;
    w->n_angle = last;
    pool_run(p->threads, step_angles, p, last - p->first_angle);
}

/* Round norm(x) for the products that follow. */
static void step_norm(void *arg, int item, int thread)
{
    pass *p = arg;
    int d = p->m->config.d_model;
    const float *x = block_rows(p, p->ws->at.x, d);
    float normed[d];

    (void)thread;
    FOR_ROWS(r, item, p->n_row) {
        norm_rms(x + (size_t)r * (size_t)d, p->norm, p->m->config.norm_eps, d, normed);
        inputs_set(p->ws->in, p->kinds, r, normed);
    }
}

/* A block's output becomes the residual stream. */
static void step_add(void *arg, int item, int thread)
{
    pass *p = arg;
    int d = p->m->config.d_model;
    float *out = block_rows(p, p->ws->at.mid, d), *x = block_rows(p, p->ws->at.x, d);

    (void)thread;
    FOR_ROWS(r, item, p->n_row) row_add(out + (size_t)r * (size_t)d, x + (size_t)r * (size_t)d, d);
}

/* The result in at.mid becomes the next block's at.x; `next` is where that
 * block's own result goes when rows are kept. */
static void turn(workspace *w, float *next)
{
    float *spent = w->at.x;

    w->at.x = w->at.mid;
    w->at.mid = w->kept ? next : spent;
}

/* Bias, head norm and rotation of one row's heads; raw gets them as they are
 * before the norm. */
static void finish_heads(const pass *p, float *x, const float *bias, const float *norm,
                         float *raw, int n_head, int row)
{
    const config *c = &p->m->config;
    const float *cosine = p->ws->angles + (size_t)p->ws->pos[row] * (size_t)c->d_head;

    if (bias) row_add(x, bias, n_head * c->d_head);
    if (raw) memcpy(raw, x, (size_t)(n_head * c->d_head) * 4);
    for (int h = 0; norm && h < n_head; h++)
        norm_rms(x + h * c->d_head, norm, c->norm_eps, c->d_head, x + h * c->d_head);
    if (!c->no_rope[p->i_layer])
        rope_apply(x, cosine, cosine + c->d_head / 2, n_head, c->d_head);
}

/* What the cache gives back of n floats. */
static void round_as_stored(kv_type type, float *x, int n)
{
    uint16_t half[n];

    if (type == KV_F32) return;
    dtype_encode_row(DTYPE_F16, x, half, n);
    dtype_decode_row(DTYPE_F16, half, x, n);
}

static void step_heads(void *arg, int item, int thread)
{
    pass *p = arg;
    const config *c = &p->m->config;
    const layer *y = p->layer;
    workspace *w = p->ws;
    int n_kv = c->n_head_kv * c->d_head;
    size_t n_q = (size_t)(c->n_head * c->d_head);

    (void)thread;
    FOR_ROWS(local, item, p->n_row) {
        int r = p->row + local;
        size_t at_q = (size_t)r * n_q, at_kv = (size_t)r * (size_t)n_kv;
        float *k = w->at.k + at_kv, *v = w->at.v + at_kv;

        finish_heads(p, w->at.q + at_q, y->q_bias, y->q_norm,
                     w->at.q_raw ? w->at.q_raw + at_q : NULL, c->n_head, r);
        finish_heads(p, k, y->k_bias, y->k_norm, w->at.k_raw ? w->at.k_raw + at_kv : NULL,
                     c->n_head_kv, r);
        if (y->v_bias) row_add(v, y->v_bias, n_kv);
        kv_store(p->kv, w->kept ? 0 : p->i_layer, w->page[r], w->pos[r] % KV_PAGE, k, v);
        if (!w->kept) continue;
        round_as_stored(p->m->kv, k, n_kv);
        round_as_stored(p->m->kv, v, n_kv);
    }
}

static void step_attended(void *arg, int item, int thread)
{
    pass *p = arg;
    int n_q = p->m->config.n_head * p->m->config.d_head;
    const float *att = block_rows(p, p->ws->at.att, n_q);

    (void)thread;
    FOR_ROWS(r, item, p->n_row)
        inputs_set(p->ws->in, p->kinds, r, att + (size_t)r * (size_t)n_q);
}

static void step_gate(void *arg, int item, int thread)
{
    pass *p = arg;
    workspace *w = p->ws;
    int d_ff = p->m->config.d_ff;
    size_t n = (size_t)d_ff;
    float *gate = block_rows(p, w->at.gate, d_ff), *up = block_rows(p, w->at.up, d_ff);
    float *hidden = w->kept ? w->hidden : gate;

    (void)thread;
    FOR_ROWS(r, item, p->n_row) {
        size_t at = (size_t)r * n;

        if (w->kept) memcpy(hidden + at, gate + at, n * sizeof(float));
        swiglu(hidden + at, up + at, d_ff);
        inputs_set(w->in, p->kinds, r, hidden + at);
    }
}

/* ---- blocks ---- */

/* A product of the block's rows with a matrix of the layer. */
static linear layer_linear(const pass *p, linear_slot slot, const matrix *m, float *rows)
{
    const lora *l = p->layer->lora[slot];
    float *low = l ? block_rows(p, p->ws->at.low[slot], l->rank) : NULL;

    return linear_of(p->ws->in, p->n_row, m, l, low, block_rows(p, rows, matrix_n_out(m)));
}

/* Queries, keys and values of the block's rows. */
static void attend_in(pass *p)
{
    const layer *y = p->layer;
    kept_layer *at = &p->ws->at;
    linear qkv[3];

    p->norm = y->attn_norm;
    p->kinds = kinds_of(y->q, y->lora[SLOT_Q]) | kinds_of(y->k, y->lora[SLOT_K]) |
               kinds_of(y->v, y->lora[SLOT_V]);
    inputs_begin(p->ws->in, p->kinds, p->n_row, p->m->config.d_model);
    over_rows(p, step_norm, p->n_row);
    qkv[0] = layer_linear(p, SLOT_Q, y->q, at->q);
    qkv[1] = layer_linear(p, SLOT_K, y->k, at->k);
    qkv[2] = layer_linear(p, SLOT_V, y->v, at->v);
    linear_multiply(p, qkv, 3);
    over_rows(p, step_heads, p->n_row);
}

/* What attention found, back into the residual stream. */
static void attend_out(pass *p)
{
    const config *c = &p->m->config;
    const layer *y = p->layer;
    linear out;

    p->kinds = kinds_of(y->o, y->lora[SLOT_O]);
    inputs_begin(p->ws->in, p->kinds, p->n_row, c->n_head * c->d_head);
    over_rows(p, step_attended, p->n_row);
    out = layer_linear(p, SLOT_O, y->o, p->ws->at.mid);
    linear_multiply(p, &out, 1);
    over_rows(p, step_add, p->n_row);
}

static void dense_block(pass *p)
{
    const config *c = &p->m->config;
    const layer *y = p->layer;
    kept_layer *at = &p->ws->at;
    linear both[2], down;

    p->norm = y->ffn_norm;
    p->kinds = kinds_of(y->gate, y->lora[SLOT_GATE]) | kinds_of(y->up, y->lora[SLOT_UP]);
    inputs_begin(p->ws->in, p->kinds, p->n_row, c->d_model);
    over_rows(p, step_norm, p->n_row);
    both[0] = layer_linear(p, SLOT_GATE, y->gate, at->gate);
    both[1] = layer_linear(p, SLOT_UP, y->up, at->up);
    linear_multiply(p, both, 2);
    p->kinds = kinds_of(y->down, y->lora[SLOT_DOWN]);
    inputs_begin(p->ws->in, p->kinds, p->n_row, c->d_ff);
    over_rows(p, step_gate, p->n_row);
    down = layer_linear(p, SLOT_DOWN, y->down, at->mid);
    linear_multiply(p, &down, 1);
    over_rows(p, step_add, p->n_row);
}

/* All rows, a block at a time. */
static void over_blocks(pass *p, void (*part)(pass *p))
{
    for (p->row = 0; p->row < p->batch->n_row; p->row += ROW_BLOCK) {
        int left = p->batch->n_row - p->row;

        p->n_row = left < ROW_BLOCK ? left : ROW_BLOCK;
        part(p);
    }
    p->row = 0;
    p->n_row = p->batch->n_row;
}

static void layer_forward(pass *p, float *next)
{
    workspace *w = p->ws;

    over_blocks(p, attend_in);
    attention(p->threads, p->kv, w->kept ? 0 : p->i_layer, p->batch->runs, p->batch->n_run,
              w->at.q, p->m->config.n_head, w->at.att);
    over_blocks(p, attend_out);
    turn(w, next);
    if (p->layer->router) sparse_block(p);
    else over_blocks(p, dense_block);
    turn(w, NULL);
}

/* ---- all of it ---- */

/* Rows whose logits are wanted, normed for the output matrix. */
static void step_out(void *arg, int item, int thread)
{
    pass *p = arg;
    int d = p->m->config.d_model;
    float normed[d];

    (void)thread;
    FOR_ROWS(r, item, p->n_out) {
        norm_rms(p->ws->at.x + (size_t)p->out[r] * (size_t)d, p->m->output_norm,
                 p->m->config.norm_eps, d, normed);
        inputs_set(p->ws->in, p->kinds, r, normed);
    }
}

const float *forward_logits(const model *m, workspace *ws, pool *threads, const int32_t *rows,
                            int n)
{
    pass p = { .m = m, .ws = ws, .threads = threads, .out = rows, .n_out = n };
    linear logits;

    CHECK(n > 0 && n <= ws->max_out);
    p.kinds = kinds_of(m->output, NULL);
    inputs_begin(ws->in, p.kinds, n, m->config.d_model);
    over_rows(&p, step_out, n);
    logits = linear_of(ws->in, n, m->output, NULL, NULL, ws->logits);
    linear_multiply(&p, &logits, 1);
    return ws->logits;
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

    CHECK(batch->n_row > 0 && batch->n_row <= ws->max_row && batch->n_out <= ws->max_out);
    workspace_grow(ws, m);
    place_rows(ws, batch, &m->config);
    grow_angles(&p);
    if (ws->kept) ws->at = ws->kept[0];
    over_rows(&p, step_embed, p.n_row);
    for (int i = 0; i < m->config.n_layer; i++) {
        if (ws->kept) ws->at = ws->kept[i];
        p.i_layer = i;
        p.layer = &m->layers[i];
        layer_forward(&p, ws->kept ? ws->kept[i + 1].x : NULL);
    }
    return batch->n_out ? forward_logits(m, ws, threads, batch->out, batch->n_out) : NULL;
}
