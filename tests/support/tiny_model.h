/* tiny_model.h - the smallest valid GGUF models, made by the writer.
 *
 * A test takes one, spoils what it is about, and writes it. Header only, so
 * that the fuzz targets can use it too. */
#ifndef TESTS_TINY_MODEL_H
#define TESTS_TINY_MODEL_H

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/gguf.h"

#define TINY_MAX_TENSORS 64

typedef struct tiny_tensor {
    char name[64];
    dtype type;
    int n_dim;
    int64_t dim[4];
    float first;             /* element 0 (others are small numbers); when it is
                              * not finite, so is the first block's scale */
} tiny_tensor;

typedef struct tiny_model {
    config c;
    gguf_writer *w;          /* metadata set; more may be */
    tiny_tensor tensors[TINY_MAX_TENSORS];
    int n_tensor;
} tiny_model;

static inline config tiny_config(family f)
{
    config c = { .family = f, .name = "tiny", .n_layer = 1, .d_model = 4, .n_head = 2,
                 .n_head_kv = 1, .d_head = 4, .d_ff = 6, .n_vocab = 12, .n_ctx = 64,
                 .norm_eps = 1e-5f, .rope_base = 10000, .tied = true };

    for (int i = 0; i < 128; i++) c.rope_factors[i] = 1;
    c.rope_interleaved = f == FAMILY_LLAMA || f == FAMILY_SMOLLM3;
    if (f == FAMILY_SMOLLM3) c.n_layer = 5;
    for (int i = 0; i < c.n_layer; i++) c.no_rope[i] = config_no_rope(f, i);
    if (f == FAMILY_QWEN3_MOE) {
        c.n_expert = 3;
        c.n_expert_used = 2;
        c.d_ff_expert = 2;
        c.expert_norm = true;
    }
    return c;
}

static inline tiny_tensor *tiny_add(tiny_model *m, const char *name, int n_dim, int64_t d0,
                                    int64_t d1, int64_t d2)
{
    tiny_tensor *t = &m->tensors[m->n_tensor++];

    CHECK(m->n_tensor <= TINY_MAX_TENSORS);
    *t = (tiny_tensor){ .type = DTYPE_F32, .n_dim = n_dim, .dim = { d0, d1, d2, 1 }, .first = 1 };
    snprintf(t->name, sizeof t->name, "%s", name);
    return t;
}

static inline tiny_tensor *tiny_find(tiny_model *m, const char *name)
{
    for (int i = 0; i < m->n_tensor; i++)
        if (!strcmp(m->tensors[i].name, name)) return &m->tensors[i];
    return NULL;
}

static inline void tiny_remove(tiny_model *m, const char *name)
{
    tiny_tensor *t = tiny_find(m, name);

    CHECK(t);
    *t = m->tensors[--m->n_tensor];
}

static inline void tiny_layer(tiny_model *m, int i)
{
    const config *c = &m->c;
    int q = c->n_head * c->d_head, kv = c->n_head_kv * c->d_head;
    const struct { const char *part; int n_dim, d0, d1, d2; } list[] = {
        { "attn_norm.weight", 1, c->d_model, 1, 1 },
        { "attn_q.weight", 2, c->d_model, q, 1 },
        { "attn_k.weight", 2, c->d_model, kv, 1 },
        { "attn_v.weight", 2, c->d_model, kv, 1 },
        { "attn_output.weight", 2, q, c->d_model, 1 },
        { "ffn_norm.weight", 1, c->d_model, 1, 1 },
    }, bias[] = {
        { "attn_q.bias", 1, q, 1, 1 }, { "attn_k.bias", 1, kv, 1, 1 },
        { "attn_v.bias", 1, kv, 1, 1 },
    }, norm[] = {
        { "attn_q_norm.weight", 1, c->d_head, 1, 1 }, { "attn_k_norm.weight", 1, c->d_head, 1, 1 },
    }, dense[] = {
        { "ffn_gate.weight", 2, c->d_model, c->d_ff, 1 },
        { "ffn_up.weight", 2, c->d_model, c->d_ff, 1 },
        { "ffn_down.weight", 2, c->d_ff, c->d_model, 1 },
    }, experts[] = {
        { "ffn_gate_inp.weight", 2, c->d_model, c->n_expert, 1 },
        { "ffn_gate_exps.weight", 3, c->d_model, c->d_ff_expert, c->n_expert },
        { "ffn_up_exps.weight", 3, c->d_model, c->d_ff_expert, c->n_expert },
        { "ffn_down_exps.weight", 3, c->d_ff_expert, c->d_model, c->n_expert },
    };
    char name[64];

#define TINY_ADD_ALL(set) \
    for (size_t j = 0; j < sizeof set / sizeof *set; j++) { \
        snprintf(name, sizeof name, "blk.%d.%s", i, set[j].part); \
        tiny_add(m, name, set[j].n_dim, set[j].d0, set[j].d1, set[j].d2); \
    }
    TINY_ADD_ALL(list)
    if (c->family == FAMILY_QWEN2) TINY_ADD_ALL(bias)
    if (c->family == FAMILY_QWEN3 || c->family == FAMILY_QWEN3_MOE) TINY_ADD_ALL(norm)
    if (c->n_expert) TINY_ADD_ALL(experts)
    else TINY_ADD_ALL(dense)
#undef TINY_ADD_ALL
}

/* A byte-level vocabulary of 12: ten letters, one pair, one control token. */
static inline void tiny_vocab(gguf_writer *w)
{
    static const token_text tokens[12] = {
        { "a", 1 }, { "b", 1 }, { "c", 1 }, { "d", 1 }, { "e", 1 }, { "f", 1 }, { "g", 1 },
        { "h", 1 }, { "i", 1 }, { "j", 1 }, { "ab", 2 }, { "<|end|>", 7 },
    };
    static const token_text merges[1] = { { "a b", 3 } };
    static const int32_t kinds[12] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, TOKEN_CONTROL };
    const vocab_spec v = { .model = "gpt2", .pre = "gpt-2", .n_token = 12, .tokens = tokens,
                           .kinds = kinds, .n_merge = 1, .merges = merges, .bos = -1, .eos = 11,
                           .eot = -1, .unk = -1, .pad = -1 };

    gguf_writer_set_vocab(w, &v);
}

static inline void tiny_init(tiny_model *m, family f)
{
    *m = (tiny_model){ .c = tiny_config(f), .w = gguf_writer_new() };
    gguf_writer_set_config(m->w, &m->c);
    tiny_vocab(m->w);
    tiny_add(m, "token_embd.weight", 2, m->c.d_model, m->c.n_vocab, 1);
    tiny_add(m, "output_norm.weight", 1, m->c.d_model, 1, 1);
    for (int i = 0; i < m->c.n_layer; i++) tiny_layer(m, i);
}

/* Write the file and give the model back its memory. */
static inline status tiny_write(tiny_model *m, const char *path, errtext *err)
{
    status st;

    for (int i = 0; i < m->n_tensor; i++) {
        const tiny_tensor *t = &m->tensors[i];

        gguf_writer_add_tensor(m->w, t->name, t->type, t->n_dim, t->dim);
    }
    st = gguf_writer_begin(m->w, path, err);
    for (int i = 0; i < m->n_tensor && st == OK; i++) {
        const tiny_tensor *t = &m->tensors[i];
        int64_t n = t->dim[0], rows = t->dim[1] * t->dim[2] * t->dim[3];
        float *x = mem_array((size_t)n, sizeof *x);
        void *row = mem_new(dtype_row_bytes(t->type, n));

        for (int64_t r = 0; r < rows && st == OK; r++) {
            for (int64_t j = 0; j < n; j++) x[j] = 0.01f * (float)((r + j) % 7 + 1);
            if (!r) x[0] = t->first;
            dtype_encode_row(t->type, x, row, n);
            st = gguf_writer_write(m->w, row, dtype_row_bytes(t->type, n), err);
        }
        mem_free(x);
        mem_free(row);
    }
    if (st == OK) st = gguf_writer_finish(m->w, err);
    gguf_writer_free(m->w);
    m->w = NULL;
    return st;
}

#endif
