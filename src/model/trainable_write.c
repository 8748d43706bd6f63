/* trainable_write.c - a trained model, or an adapter, as a GGUF file.
 *
 * The masters are tensors in memory; from there on they take the way of every
 * conversion (recode.h): types, row order and stacked experts as llama.cpp
 * expects them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "model/gguf.h"
#include "model/learn.h"
#include "model/metadata.h"
#include "model/recode.h"

typedef struct writing {
    const trainable *t;
    const weights *w;
    dtype type;              /* of matrices */
    recode *items;
    int n_item, cap_item;
    weight *views;           /* of the parameters, for parts of the items */
    weight factors;          /* rope_freqs.weight */
    float **copies;          /* vectors in another order */
    int n_copy;
    gguf_writer *gguf;
} writing;

static recode *add_item(writing *x, const char *name, int n_part)
{
    recode *r;

    if (x->n_item == x->cap_item) {
        x->cap_item = x->cap_item ? 2 * x->cap_item : 256;
        x->items = mem_resize(x->items, (size_t)x->cap_item, sizeof *x->items);
    }
    r = &x->items[x->n_item++];
    *r = (recode){ .name = mem_string(name), .n_part = n_part, .dim = { 1, 1, 1, 1 } };
    r->parts = mem_array((size_t)n_part, sizeof *r->parts);
    return r;
}

/* A parameter as a tensor in memory. */
static const weight *view(writing *x, int i)
{
    const param *p = &x->t->params[i];
    const binding *b = &x->t->bindings[i];
    weight *t = &x->views[i];

    *t = (weight){ .name = p->name, .type = DTYPE_F32, .n_dim = b->v ? 1 : 2,
                   .dim = { p->n_in, b->v ? 1 : p->n_out, 1, 1 }, .data = p->value,
                   .n_bytes = (size_t)p->n_in * (size_t)p->n_out * sizeof(float) };
    if (b->v && b->rotary && family_interleaves(x->t->m->config.family)) {
        float *copy = mem_array((size_t)p->n_in, sizeof *copy);

        for (int k = 0; k < p->n_in; k++)
            copy[interleaved_row(k, x->t->m->config.d_head)] = p->value[k];
        t->data = x->copies[x->n_copy++] = copy;
    }
    return t;
}

/* Parameter i, and, of an expert's, its brothers: they follow at a fixed
 * distance (trainable.c lists an expert's after the other's). */
static void plan_param(writing *x, int i)
{
    const param *p = &x->t->params[i];
    const binding *b = &x->t->bindings[i];
    const config *c = &x->t->m->config;
    bool small = b->v || !strcmp(b->part, "ffn_gate_inp.weight");
    int stride = x->t->options.lora_rank ? 2 : 1;
    char stacked[96];
    recode *r;

    if (b->i_expert > 0) return;
    snprintf(stacked, sizeof stacked, "blk.%d.%s_exps.weight%s", b->i_layer, b->part,
             !b->l ? "" : b->is_b ? ".lora_b" : ".lora_a");
    r = add_item(x, b->i_expert < 0 ? p->name : stacked, b->i_expert < 0 ? 1 : c->n_expert);
    for (int e = 0; e < r->n_part; e++) {
        CHECK(r->n_part == 1 || x->t->bindings[i + e * stride].i_expert == e);
        r->parts[e] = view(x, i + e * stride);
    }
    r->type = small ? DTYPE_F32 : recode_fitting(x->type, p->n_in);
    r->n_dim = r->n_part > 1 || b->i_expert >= 0 ? 3 : b->v ? 1 : 2;
    r->dim[0] = p->n_in;
    r->dim[1] = r->n_row = p->n_out;
    r->dim[2] = r->n_part;
    if (b->rotary && !b->v && (!b->l || b->is_b) && family_interleaves(c->family)) {
        r->order = ROWS_INTERLEAVE;
        r->d_head = c->d_head;
    }
}

/* Frequency divisors that are a tensor go along. */
static void plan_factors(writing *x)
{
    const config *c = &x->t->m->config;
    const weight *stored = weights_find(x->w, "rope_freqs.weight");
    recode *r;

    if (!stored && (metadata_is_gguf(x->w) || metadata_one_factor(c))) return;
    x->factors = (weight){ .name = "rope_freqs.weight", .type = DTYPE_F32, .n_dim = 1,
                           .dim = { c->d_head / 2, 1, 1, 1 }, .data = c->rope_factors,
                           .n_bytes = (size_t)c->d_head / 2 * sizeof(float) };
    r = add_item(x, "rope_freqs.weight", 1);
    r->parts[0] = stored ? stored : &x->factors;
    r->type = DTYPE_F32;
    r->n_dim = 1;
    r->dim[0] = c->d_head / 2;
    r->n_row = 1;
}

static status check_finite(const trainable *t, errtext *err)
{
    for (int i = 0; i < t->n_param; i++) {
        const param *p = &t->params[i];
        size_t n = (size_t)p->n_out * (size_t)p->n_in;

        for (size_t k = 0; k < n; k++)
            if (!isfinite(p->value[k]))
                return fail(err, E_FORMAT, "%s: element %zu is %g", p->name, k,
                            (double)p->value[k]);
    }
    return OK;
}

static status describe(writing *x, errtext *err)
{
    const config *c = &x->t->m->config;

    if (!x->t->options.lora_rank) return metadata_write(x->gguf, x->w, x->type, false, err);
    gguf_writer_set_string(x->gguf, "general.architecture", family_name(c->family));
    gguf_writer_set_string(x->gguf, "general.type", "adapter");
    gguf_writer_set_string(x->gguf, "general.name", c->name);
    gguf_writer_set_string(x->gguf, "adapter.type", "lora");
    gguf_writer_set_f32(x->gguf, "adapter.lora.alpha", x->t->options.lora_alpha);
    return OK;
}

static status take_bytes(void *arg, const void *data, size_t len, errtext *err)
{
    return gguf_writer_write(arg, data, len, err);
}

static status write_items(writing *x, const char *path, errtext *err)
{
    pool *threads = pool_new(cpu_count());
    status st;

    for (int i = 0; i < x->n_item; i++)
        gguf_writer_add_tensor(x->gguf, x->items[i].name, x->items[i].type, x->items[i].n_dim,
                               x->items[i].dim);
    st = gguf_writer_begin(x->gguf, path, err);
    for (int i = 0; i < x->n_item && st == OK; i++)
        st = recode_run(&x->items[i], threads, take_bytes, x->gguf, err);
    if (st == OK) st = weights_intact(x->w, err);
    if (st == OK) st = gguf_writer_finish(x->gguf, err);
    pool_free(threads);
    return st;
}

status trainable_write(const trainable *t, const weights *w, dtype type, const char *path,
                       errtext *err)
{
    writing x = { .t = t, .w = w, .type = type };
    status st;

    if (type != DTYPE_F32 && type != DTYPE_BF16 && type != DTYPE_F16 && type != DTYPE_Q8_0)
        return fail(err, E_ARG, "type %s: trained weights are written as F32, BF16, F16 or Q8_0",
                    dtype_name(type));
    if ((st = check_finite(t, err)) != OK) return st;
    x.views = mem_array((size_t)t->n_param, sizeof *x.views);
    x.copies = mem_array((size_t)t->n_param, sizeof *x.copies);
    x.gguf = gguf_writer_new();
    for (int i = 0; i < t->n_param; i++) plan_param(&x, i);
    if (!t->options.lora_rank) plan_factors(&x);
    st = describe(&x, err);
    if (st == OK) st = write_items(&x, path, err);
    gguf_writer_free(x.gguf);
    for (int i = 0; i < x.n_item; i++) {
        mem_free((char *)x.items[i].name);
        mem_free(x.items[i].parts);
    }
    for (int i = 0; i < x.n_copy; i++) mem_free(x.copies[i]);
    mem_free(x.items);
    mem_free(x.copies);
    mem_free(x.views);
    return st;
}
