/* model.c - packing a file's weights for the processor. */
#include "model/model.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/layers.h"

/* Packing one matrix: items are groups of 16 rows, one panel each. */
struct pack_call {
    matrix *m;
    const uint8_t *data;
    dtype type;              /* in the file */
    int d_head;              /* of interleaved rows, or 0 */
};

#define PACK_ROWS 16

static void pack_item(void *arg, int item, int thread)
{
    const struct pack_call *c = arg;
    int n_in = matrix_n_in(c->m), row = item * PACK_ROWS;
    int end = row + PACK_ROWS < matrix_n_out(c->m) ? row + PACK_ROWS : matrix_n_out(c->m);
    size_t row_bytes = dtype_row_bytes(c->type, n_in);
    bool same = matrix_type(c->m) == c->type;
    float *plain = same ? NULL : mem_array((size_t)n_in, sizeof *plain);
    void *coded = same ? NULL : mem_new(dtype_row_bytes(matrix_type(c->m), n_in));

    (void)thread;
    if (same && !c->d_head) {
        matrix_set_rows(c->m, row, end - row, c->data + (size_t)row * row_bytes);
        return;
    }
    for (int r = row; r < end; r++) {
        int from = c->d_head ? interleaved_row(r, c->d_head) : r;
        const uint8_t *src = c->data + (size_t)from * row_bytes;

        if (!same) {
            dtype_decode_row(c->type, src, plain, n_in);
            dtype_encode_row(matrix_type(c->m), plain, coded, n_in);
        }
        matrix_set_rows(c->m, r, 1, same ? (const void *)src : coded);
    }
    mem_free(plain);
    mem_free(coded);
}

/* The type a matrix is packed as: what was asked, where its rows are whole
 * blocks and the product can take them. */
static dtype packed_type(dtype stored, int wanted, int n_in)
{
    dtype t = wanted == MODEL_KEEP_TYPES ? stored : (dtype)wanted;

    if (n_in % dtype_block(t)) t = DTYPE_F32;
    if (t != DTYPE_F16 && t != DTYPE_F32 && n_in % 32) t = DTYPE_F32;
    return t;
}

struct load {
    const weights *w;
    model *m;
    int type;
    pool *threads;
    errtext *err;
    status st;
};

static matrix *pack_part(struct load *l, const weight *t, const void *data, int n_out,
                         int n_in, int d_head, int type)
{
    struct pack_call c = { .data = data, .type = t->type, .d_head = d_head };

    c.m = matrix_new(packed_type(t->type, type, n_in), n_out, n_in);
    pool_run(l->threads, pack_item, &c, (n_out + PACK_ROWS - 1) / PACK_ROWS);
    return c.m;
}

static const weight *need(struct load *l, const char *name)
{
    const weight *t = weights_find(l->w, name);

    if (!t && l->st == OK) l->st = fail(l->err, E_FORMAT, "tensor %s is missing", name);
    return t;
}

/* [n_out, n_in] by name; NULL once anything failed. */
static matrix *load_matrix(struct load *l, const char *name, int n_out, int n_in,
                           int d_head, int type)
{
    const weight *t = need(l, name);
    matrix *m;

    if (!t) return NULL;
    if (t->n_dim != 2 || t->dim[0] != n_in || t->dim[1] != n_out) {
        l->st = fail(l->err, E_FORMAT, "tensor %s has another shape than %d x %d", name,
                     n_out, n_in);
        return NULL;
    }
    m = pack_part(l, t, t->data, n_out, n_in, d_head, type);
    weights_release(l->w, t);
    return m;
}

static float *load_vector(struct load *l, const char *name, int n, int d_head, bool optional)
{
    const weight *t = optional ? weights_find(l->w, name) : need(l, name);
    float *plain, *out;

    if (!t) return NULL;
    if (t->n_dim != 1 || t->dim[0] != n) {
        l->st = fail(l->err, E_FORMAT, "tensor %s has another length than %d", name, n);
        return NULL;
    }
    plain = mem_array((size_t)n, sizeof *plain);
    out = mem_array((size_t)n, sizeof *out);
    dtype_decode_row(t->type, t->data, plain, n);
    for (int i = 0; i < n; i++)
        out[i] = plain[d_head ? interleaved_row(i, d_head) : i];
    mem_free(plain);
    return out;
}

/* Matrices of all experts from one stacked tensor or from one tensor each. */
static void load_experts(struct load *l, int i_layer, const char *part, int n_out, int n_in,
                         size_t member)
{
    const config *c = &l->m->config;
    char name[96];
    const weight *all;

    snprintf(name, sizeof name, "blk.%d.ffn_%s_exps.weight", i_layer, part);
    all = weights_find(l->w, name);
    for (int e = 0; e < c->n_expert && l->st == OK; e++) {
        matrix **to = (matrix **)((char *)&l->m->layers[i_layer].experts[e] + member);

        if (all) {
            size_t bytes = dtype_row_bytes(all->type, n_in) * (size_t)n_out;

            if (all->n_dim != 3 || all->dim[0] != n_in || all->dim[1] != n_out ||
                all->dim[2] != c->n_expert) {
                l->st = fail(l->err, E_FORMAT, "tensor %s has another shape than %d x %d x %d",
                             name, c->n_expert, n_out, n_in);
                return;
            }
            *to = pack_part(l, all, (const uint8_t *)all->data + (size_t)e * bytes, n_out,
                            n_in, 0, l->type);
        } else {
            char one[112];

            snprintf(one, sizeof one, "blk.%d.ffn_%s.%d.weight", i_layer, part, e);
            *to = load_matrix(l, one, n_out, n_in, 0, l->type);
        }
    }
    if (all) weights_release(l->w, all);
}

static void load_layer(struct load *l, int i)
{
    const config *c = &l->m->config;
    layer *y = &l->m->layers[i];
    int d = c->d_model, n_q = c->n_head * c->d_head, n_kv = c->n_head_kv * c->d_head;
    int twist = c->rope_interleaved ? c->d_head : 0;
    char name[96];

#define NAME(part) (snprintf(name, sizeof name, "blk.%d." part, i), name)
    y->attn_norm = load_vector(l, NAME("attn_norm.weight"), d, 0, false);
    y->q = load_matrix(l, NAME("attn_q.weight"), n_q, d, twist, l->type);
    y->k = load_matrix(l, NAME("attn_k.weight"), n_kv, d, twist, l->type);
    y->v = load_matrix(l, NAME("attn_v.weight"), n_kv, d, 0, l->type);
    y->o = load_matrix(l, NAME("attn_output.weight"), d, n_q, 0, l->type);
    y->q_bias = load_vector(l, NAME("attn_q.bias"), n_q, twist, true);
    y->k_bias = load_vector(l, NAME("attn_k.bias"), n_kv, twist, true);
    y->v_bias = load_vector(l, NAME("attn_v.bias"), n_kv, 0, true);
    y->q_norm = load_vector(l, NAME("attn_q_norm.weight"), c->d_head, 0, true);
    y->k_norm = load_vector(l, NAME("attn_k_norm.weight"), c->d_head, 0, true);
    y->ffn_norm = load_vector(l, NAME("ffn_norm.weight"), d, 0, false);
    if (c->n_expert && weights_find(l->w, NAME("ffn_gate_inp.weight"))) {
        y->router = load_matrix(l, name, c->n_expert, d, 0, DTYPE_F32);
        y->experts = mem_array((size_t)c->n_expert, sizeof *y->experts);
        load_experts(l, i, "gate", c->d_ff_expert, d, offsetof(expert, gate));
        load_experts(l, i, "up", c->d_ff_expert, d, offsetof(expert, up));
        load_experts(l, i, "down", d, c->d_ff_expert, offsetof(expert, down));
    } else {
        y->gate = load_matrix(l, NAME("ffn_gate.weight"), c->d_ff, d, 0, l->type);
        y->up = load_matrix(l, NAME("ffn_up.weight"), c->d_ff, d, 0, l->type);
        y->down = load_matrix(l, NAME("ffn_down.weight"), d, c->d_ff, 0, l->type);
    }
#undef NAME
}

status model_new(model **out, const weights *w, int type, pool *threads, errtext *err)
{
    model *m = mem_new(sizeof *m);
    struct load l = { w, m, type, threads, err, OK };
    const config *c = &m->config;

    *out = NULL;
    m->config = *weights_config(w);
    m->layers = mem_array((size_t)c->n_layer, sizeof *m->layers);
    m->embedding = load_matrix(&l, "token_embd.weight", c->n_vocab, c->d_model, 0, type);
    m->output = c->tied ? m->embedding
                        : load_matrix(&l, "output.weight", c->n_vocab, c->d_model, 0, type);
    m->output_norm = load_vector(&l, "output_norm.weight", c->d_model, 0, false);
    for (int i = 0; i < c->n_layer && l.st == OK; i++) load_layer(&l, i);
    if (l.st == OK) l.st = weights_intact(w, err);
    if (l.st != OK) {
        model_free(m);
        return l.st;
    }
    m->kv = matrix_type(m->layers[0].k) == DTYPE_F32 ? KV_F32 : KV_F16;
    *out = m;
    return OK;
}

static void layer_free(layer *y, int n_expert)
{
    mem_free(y->attn_norm);
    mem_free(y->ffn_norm);
    mem_free(y->q_bias);
    mem_free(y->k_bias);
    mem_free(y->v_bias);
    mem_free(y->q_norm);
    mem_free(y->k_norm);
    matrix_free(y->q);
    matrix_free(y->k);
    matrix_free(y->v);
    matrix_free(y->o);
    matrix_free(y->gate);
    matrix_free(y->up);
    matrix_free(y->down);
    matrix_free(y->router);
    for (int e = 0; y->experts && e < n_expert; e++) {
        matrix_free(y->experts[e].gate);
        matrix_free(y->experts[e].up);
        matrix_free(y->experts[e].down);
    }
    mem_free(y->experts);
}

void model_free(model *m)
{
    if (!m) return;
    model_clear_lora(m);
    for (int i = 0; i < m->config.n_layer; i++) layer_free(&m->layers[i], m->config.n_expert);
    mem_free(m->layers);
    if (m->output != m->embedding) matrix_free(m->output);
    matrix_free(m->embedding);
    mem_free(m->output_norm);
    mem_free(m);
}

const config *model_config(const model *m) { return &m->config; }

/* Visit the matrices of one layer; of a sparse one, n_expert experts. */
static void layer_sum(const layer *y, int n_expert, size_t *bytes, double *ops)
{
    const matrix *dense[] = { y->q, y->k, y->v, y->o, y->gate, y->up, y->down, y->router };

    for (size_t i = 0; i < sizeof dense / sizeof dense[0]; i++) {
        if (!dense[i]) continue;
        *bytes += matrix_bytes(dense[i]);
        *ops += (double)matrix_n_out(dense[i]) * matrix_n_in(dense[i]);
    }
    for (int e = 0; y->experts && e < n_expert; e++) {
        const matrix *m[] = { y->experts[e].gate, y->experts[e].up, y->experts[e].down };

        for (int i = 0; i < 3; i++) {
            *bytes += matrix_bytes(m[i]);
            *ops += (double)matrix_n_out(m[i]) * matrix_n_in(m[i]);
        }
    }
}

static void model_sum(const model *m, int n_expert, size_t *bytes, double *ops)
{
    *bytes = matrix_bytes(m->output);
    *ops = (double)matrix_n_out(m->output) * matrix_n_in(m->output);
    for (int i = 0; i < m->config.n_layer; i++)
        layer_sum(&m->layers[i], n_expert, bytes, ops);
}

size_t model_bytes(const model *m)
{
    size_t bytes;
    double ops;

    model_sum(m, m->config.n_expert, &bytes, &ops);
    return bytes + (m->output == m->embedding ? 0 : matrix_bytes(m->embedding));
}

size_t model_token_bytes(const model *m)
{
    size_t bytes;
    double ops;

    model_sum(m, m->config.n_expert_used, &bytes, &ops);
    return bytes;
}

double model_token_ops(const model *m)
{
    size_t bytes;
    double ops;

    model_sum(m, m->config.n_expert_used, &bytes, &ops);
    return ops;
}

kv_cache *model_kv_new(const model *m, int n_page)
{
    return kv_new(m->kv, m->config.n_layer, m->config.n_head_kv, m->config.d_head, n_page);
}
