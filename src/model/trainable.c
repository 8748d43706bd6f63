/* trainable.c - the parameters of a model: names, masters, publishing.
 *
 * Masters keep our row order (channels i and i + d_head/2 rotate together)
 * whatever file they came from, so that publishing copies rows straight into
 * the packed matrices. All values lie in one block of memory and so do all
 * gradients: what touches every element is one loop. */
#include "model/backward.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/adapter.h"
#include "model/learn.h"

#define PUBLISH_ROWS 16      /* a panel of a packed matrix */
#define ZERO_FLOATS 65536

/* ---- listing ---- */

typedef struct listing {
    trainable *t;
    int cap;
    errtext *err;
    status st;
} listing;

/* A parameter without memory yet. NULL once something failed. */
static param *list_param(listing *l, const char *suffix, int n_out, int n_in, binding b)
{
    trainable *t = l->t;
    param *p = &t->params[t->n_param];
    int n;

    CHECK(t->n_param < l->cap);
    if (b.i_layer < 0) n = snprintf(p->name, sizeof p->name, "%s%s", b.part, suffix);
    else if (b.i_expert < 0)
        n = snprintf(p->name, sizeof p->name, "blk.%d.%s%s", b.i_layer, b.part, suffix);
    else
        n = snprintf(p->name, sizeof p->name, "blk.%d.%s.%d.weight%s", b.i_layer, b.part, b.i_expert,
                     suffix);
    CHECK(n > 0 && (size_t)n < sizeof p->name);
    p->n_out = n_out;
    p->n_in = n_in;
    p->decay = n_out > 1 || b.l;
    t->bindings[t->n_param++] = b;
    return p;
}

static param *list_vector(listing *l, int i_layer, const char *part, float *v, int n, bool rotary)
{
    binding b = { .v = v, .rotary = rotary, .i_layer = i_layer, .i_expert = -1, .part = part };

    return v && !l->t->options.lora_rank ? list_param(l, "", 1, n, b) : NULL;
}

/* A matrix: all its weights, or a pair beside it. */
static linear_params list_linear(listing *l, int i_layer, int i_expert, const char *part, matrix *m,
                                 lora **place, bool rotary)
{
    linear_params x = { .m = m };
    binding b = { .m = m, .rotary = rotary, .i_layer = i_layer,
                  .i_expert = i_expert, .part = part };
    int rank = l->t->options.lora_rank;
    dtype type;

    if (!m) return x;
    type = matrix_type(m);
    if (!rank) {
        x.weight = list_param(l, "", matrix_n_out(m), matrix_n_in(m), b);
        if (type != DTYPE_F32 && type != DTYPE_BF16 && l->st == OK)
            l->st = fail(l->err, E_UNSUPPORTED, "%s is %s; weights train in F32 or BF16, any type "
                         "with adapters", x.weight->name, dtype_name(type));
    } else if (place) {
        *place = lora_new(rank, l->t->options.lora_alpha, m);
        x.l = b.l = *place;
        b.m = NULL;
        x.a = list_param(l, ".lora_a", rank, matrix_n_in(m), b);
        b.is_b = true;
        x.b = list_param(l, ".lora_b", matrix_n_out(m), rank, b);
    }
    return x;
}

static void list_layer(listing *l, int i)
{
    const config *c = &l->t->m->config;
    layer *y = &l->t->m->layers[i];
    layer_params *p = &l->t->layers[i];
    int n_q = c->n_head * c->d_head, n_kv = c->n_head_kv * c->d_head;
    const struct { const char *part; matrix *m; bool rotary; } list[N_LINEAR] = {
        { "attn_q.weight", y->q, true },
        { "attn_k.weight", y->k, true },
        { "attn_v.weight", y->v, false },
        { "attn_output.weight", y->o, false },
        { "ffn_gate.weight", y->gate, false },
        { "ffn_up.weight", y->up, false },
        { "ffn_down.weight", y->down, false },
    };

    p->attn_norm = list_vector(l, i, "attn_norm.weight", y->attn_norm, c->d_model, false);
    for (int s = 0; s < N_LINEAR; s++)
        p->linear[s] = list_linear(l, i, -1, list[s].part, list[s].m, &y->lora[s],
                                   list[s].rotary);
    p->q_bias = list_vector(l, i, "attn_q.bias", y->q_bias, n_q, true);
    p->k_bias = list_vector(l, i, "attn_k.bias", y->k_bias, n_kv, true);
    p->v_bias = list_vector(l, i, "attn_v.bias", y->v_bias, n_kv, false);
    p->q_norm = list_vector(l, i, "attn_q_norm.weight", y->q_norm, c->d_head, false);
    p->k_norm = list_vector(l, i, "attn_k_norm.weight", y->k_norm, c->d_head, false);
    p->ffn_norm = list_vector(l, i, "ffn_norm.weight", y->ffn_norm, c->d_model, false);
    if (!y->router) return;
    p->router = list_linear(l, i, -1, "ffn_gate_inp.weight", y->router, NULL, false);
    p->experts = mem_array((size_t)(c->n_expert * N_EXPERT_SLOT), sizeof *p->experts);
    for (int s = 0; s < N_EXPERT_SLOT; s++)
        for (int e = 0; e < c->n_expert; e++) {
            static const char *const parts[] = { "ffn_gate", "ffn_up", "ffn_down" };
            expert *x = &y->experts[e];
            matrix *m[] = { x->gate, x->up, x->down };

            p->experts[e * N_EXPERT_SLOT + s] = list_linear(l, i, e, parts[s], m[s], &x->lora[s],
                                                            false);
        }
}

static void list_all(listing *l)
{
    trainable *t = l->t;
    model *m = t->m;
    const config *c = &m->config;

    l->cap = 3 + c->n_layer * (6 + 2 * N_LINEAR + 4 + 2 * N_EXPERT_SLOT * c->n_expert);
    t->params = mem_array((size_t)l->cap, sizeof *t->params);
    t->bindings = mem_array((size_t)l->cap, sizeof *t->bindings);
    t->layers = mem_array((size_t)c->n_layer, sizeof *t->layers);
    t->output = list_linear(l, -1, -1, "token_embd.weight", m->embedding, NULL, false);
    t->embedding = t->output.weight;
    t->output_norm = list_vector(l, -1, "output_norm.weight", m->output_norm, c->d_model, false);
    if (m->output != m->embedding)
        t->output = list_linear(l, -1, -1, "output.weight", m->output, NULL, false);
    if (t->embedding) t->embedding->embedding = t->output.weight->embedding = true;
    for (int i = 0; i < c->n_layer; i++) list_layer(l, i);
}

/* ---- first values ---- */

static size_t padded(const param *p)
{
    return ((size_t)p->n_out * (size_t)p->n_in + 15) / 16 * 16;
}

static void give_memory(trainable *t)
{
    size_t at = 0;

    for (int i = 0; i < t->n_param; i++) t->n_float += padded(&t->params[i]);
    t->values = mem_aligned(t->n_float * sizeof(float));
    t->grads = mem_aligned(t->n_float * sizeof(float));
    memset(t->values, 0, t->n_float * sizeof(float));
    memset(t->grads, 0, t->n_float * sizeof(float));
    for (int i = 0; i < t->n_param; i++) {
        t->params[i].value = t->values + at;
        t->params[i].grad = t->grads + at;
        at += padded(&t->params[i]);
    }
}

/* The tensor that holds a parameter, and the row where it starts: experts are
 * stacked in GGUF files and apart in folders. */
static const weight *find_stored(const weights *w, const binding *b, const char *name,
                                 int64_t n_out, int64_t *row)
{
    const weight *t = weights_find(w, name);
    char stacked[80];

    *row = 0;
    if (t || b->i_expert < 0) return t;
    snprintf(stacked, sizeof stacked, "blk.%d.%s_exps.weight", b->i_layer, b->part);
    *row = b->i_expert * n_out;
    return weights_find(w, stacked);
}

status trainable_read(float *out, const weights *w, const binding *b, const char *name,
                      int n_out, int n_in, errtext *err)
{
    const config *c = weights_config(w);
    int64_t first;
    const weight *t = find_stored(w, b, name, n_out, &first);
    bool swap = b->rotary && c->rope_interleaved;

    if (!t) return fail(err, E_FORMAT, "tensor %s is missing", name);
    if (b->v && (t->n_dim != 1 || t->dim[0] != n_in))
        return fail(err, E_FORMAT, "tensor %s has another length than %d", name, n_in);
    if (!b->v && (t->dim[0] != n_in || t->dim[1] != n_out ||
                  (b->i_expert >= 0 && t->n_dim == 3 && b->i_expert >= t->dim[2])))
        return fail(err, E_FORMAT, "tensor %s has another shape than %d x %d", name, n_out, n_in);
    if (b->v && swap) {
        float *plain = mem_array((size_t)n_in, sizeof *plain);

        dtype_decode_row(t->type, t->data, plain, n_in);
        for (int i = 0; i < n_in; i++) out[i] = plain[interleaved_row(i, c->d_head)];
        mem_free(plain);
        return OK;
    }
    for (int r = 0; r < n_out; r++) {
        int64_t from = first + (swap ? interleaved_row(r, c->d_head) : r);

        dtype_decode_row(t->type, (const uint8_t *)t->data + (size_t)from *
                                      dtype_row_bytes(t->type, n_in),
                         out + (size_t)r * (size_t)n_in, n_in);
    }
    return OK;
}

/* A starts uniform within 1 / sqrt(n_in), B at zero: the model is unchanged at
 * first. */
static void first_adapter(trainable *t)
{
    for (int i = 0; i < t->n_param; i++) {
        param *p = &t->params[i];
        double most = 1 / sqrt((double)p->n_in);
        int64_t n = (int64_t)p->n_out * p->n_in;

        if (t->bindings[i].is_b) continue;
        for (int64_t k = 0; k < n; k++)
            p->value[k] = (float)(most * (2 * rng_uniform(t->options.seed, (uint64_t)i,
                                                          (uint64_t)k) - 1));
    }
}

/* ---- publishing ---- */

static void list_items(trainable *t)
{
    int n = 0;

    for (int i = 0; i < t->n_param; i++)
        n += (t->params[i].n_out + PUBLISH_ROWS - 1) / PUBLISH_ROWS;
    t->items = mem_array((size_t)n, sizeof *t->items);
    for (int i = 0; i < t->n_param; i++)
        for (int row = 0; row < t->params[i].n_out; row += PUBLISH_ROWS)
            t->items[t->n_item++] = (publish_item){ i, row };
}

static void publish_rows(matrix *m, int row, int n_row, const float *values)
{
    dtype type = matrix_type(m);
    int n_in = matrix_n_in(m);
    uint16_t *coded;

    if (type == DTYPE_F32) {
        matrix_set_rows(m, row, n_row, values);
        return;
    }
    coded = mem_aligned((size_t)n_row * (size_t)n_in * sizeof *coded);
    dtype_encode_row(type, values, coded, (int64_t)n_row * n_in);
    matrix_set_rows(m, row, n_row, coded);
    mem_free(coded);
}

static void publish_one(void *arg, int item, int thread)
{
    trainable *t = arg;
    const param *p = &t->params[t->items[item].param];
    const binding *b = &t->bindings[t->items[item].param];
    int row = t->items[item].row;
    int n_row = row + PUBLISH_ROWS < p->n_out ? PUBLISH_ROWS : p->n_out - row;
    const float *values = p->value + (size_t)row * (size_t)p->n_in;

    (void)thread;
    if (b->v) memcpy(b->v, values, (size_t)p->n_in * sizeof *values);
    else if (b->m) publish_rows(b->m, row, n_row, values);
    else if (b->is_b) lora_set_b(b->l, row, n_row, values);
    else lora_set_a(b->l, row, n_row, values);
}

void trainable_publish(trainable *t, pool *threads)
{
    pool_run(threads, publish_one, t, t->n_item);
}

/* ---- door ---- */

static status check_options(const model *m, const trainable_options *o, errtext *err)
{
    if (o->lora_rank < 0 || o->lora_rank > ADAPTER_MAX_RANK)
        return fail(err, E_ARG, "lora_rank is %d; it must be from 0 to %d", o->lora_rank,
                    ADAPTER_MAX_RANK);
    if (o->lora_rank && !(o->lora_alpha > 0 && o->lora_alpha <= 1e6f))
        return fail(err, E_ARG, "lora_alpha is %g; it must be from above 0 to 1e6",
                    (double)o->lora_alpha);
    if (!(o->router_balance >= 0 && o->router_balance <= 1e3f))
        return fail(err, E_ARG, "router_balance is %g; it must be from 0 to 1000",
                    (double)o->router_balance);
    if (m->lora_rank)
        return fail(err, E_ARG, "the model has an adapter on it; unload it before training");
    return OK;
}

status trainable_new(trainable **out, model *m, const weights *w,
                     const trainable_options *options, errtext *err)
{
    trainable *t;
    listing l = { .err = err };
    status st = check_options(m, options, err);

    *out = NULL;
    if (st != OK) return st;
    t = mem_new(sizeof *t);
    t->m = m;
    t->options = *options;
    l.t = t;
    list_all(&l);
    if (t->options.lora_rank) {
        m->lora_rank = t->options.lora_rank;
        m->lora_lent = true;
    }
    st = l.st;
    if (st == OK) give_memory(t);
    if (st == OK && t->options.lora_rank) first_adapter(t);
    for (int i = 0; i < t->n_param && st == OK && !t->options.lora_rank; i++) {
        param *p = &t->params[i];

        st = trainable_read(p->value, w, &t->bindings[i], p->name, p->n_out, p->n_in, err);
    }
    if (st == OK) st = weights_intact(w, err);
    if (st != OK) {
        trainable_free(t);
        return st;
    }
    list_items(t);
    t->bf16 = matrix_type(m->layers[0].q) != DTYPE_F32 &&
              matrix_type(m->layers[0].q) != DTYPE_F16;
    if (t->options.lora_rank)
        for (int i = 0; i < t->n_item; i++) publish_one(t, i, 0);
    *out = t;
    return OK;
}

void trainable_free(trainable *t)
{
    if (!t) return;
    if (t->options.lora_rank) {
        model_clear_lora(t->m);
        t->m->lora_lent = false;
    }
    for (int i = 0; t->layers && i < t->m->config.n_layer; i++) mem_free(t->layers[i].experts);
    mem_free(t->layers);
    mem_free(t->params);
    mem_free(t->bindings);
    mem_free(t->values);
    mem_free(t->grads);
    mem_free(t->items);
    mem_free(t);
}

int trainable_count(const trainable *t) { return t->n_param; }

param *trainable_param(trainable *t, int i)
{
    CHECK(i >= 0 && i < t->n_param);
    return &t->params[i];
}

int64_t trainable_elements(const trainable *t)
{
    int64_t n = 0;

    for (int i = 0; i < t->n_param; i++) n += (int64_t)t->params[i].n_out * t->params[i].n_in;
    return n;
}

static void zero_item(void *arg, int item, int thread)
{
    trainable *t = arg;
    size_t at = (size_t)item * ZERO_FLOATS;
    size_t n = t->n_float - at < ZERO_FLOATS ? t->n_float - at : ZERO_FLOATS;

    (void)thread;
    memset(t->grads + at, 0, n * sizeof *t->grads);
}

void trainable_zero(trainable *t, pool *threads)
{
    pool_run(threads, zero_item, t, (int)((t->n_float + ZERO_FLOATS - 1) / ZERO_FLOATS));
}
