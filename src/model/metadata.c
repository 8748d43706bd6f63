/* metadata.c - GGUF keys of a model, copied or made. */
#include "model/metadata.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/internal.h"

bool metadata_is_gguf(const weights *w)
{
    return w->n_map && w->maps[0].len >= 4 && !memcmp(w->maps[0].data, "GGUF", 4);
}

bool metadata_one_factor(const config *g)
{
    for (int i = 1; i < g->d_head / 2; i++)
        if (g->rope_factors[i] != g->rope_factors[0]) return false;
    return true;
}

/* llama.h, enum llama_ftype: what the file mostly holds. */
static uint32_t file_type(dtype t)
{
    switch (t) {
    case DTYPE_F32: return 0;
    case DTYPE_F16: return 1;
    case DTYPE_Q4_0: return 2;
    case DTYPE_Q4_1: return 3;
    case DTYPE_Q8_0: return 7;
    case DTYPE_Q5_0: return 8;
    case DTYPE_Q5_1: return 9;
    case DTYPE_Q4_K: return 14;
    case DTYPE_Q5_K: return 16;
    case DTYPE_Q6_K: return 18;
    case DTYPE_BF16: return 32;
    }
    return 0;
}

/* All metadata of the first source file, but what speaks of that file. */
static status copy_metadata(gguf_writer *out, const weights *w, errtext *err)
{
    const filemap *m = &w->maps[0];
    gguf g;
    status st = gguf_init(&g, w->path, m->data, m->len, err);

    for (int i = 0; st == OK && i < g.n_value; i++) {
        token_text key = g.values[i].key;

        if (key.len > 6 && !memcmp(key.data, "split.", 6)) continue;
        if (key.len == 17 && !memcmp(key.data, "general.alignment", 17)) continue;
        gguf_writer_set_value(out, &g.values[i]);
    }
    if (st == OK) gguf_fini(&g);
    return st;
}

/* The vocabulary, with a token for every row of the embedding: llama.cpp
 * counts them, and published models pad their matrices. */
static status set_vocab(gguf_writer *out, const weights *w, const tokenizer *tok, errtext *err)
{
    vocab_spec v = *tokenizer_spec(tok);
    size_t n = (size_t)w->config.n_vocab, have = (size_t)v.n_token;
    token_text *tokens;
    int32_t *kinds;
    float *scores;
    char (*pads)[24];

    if (have > n)
        return fail(err, E_FORMAT, "%s: the tokenizer has %zu tokens, the embedding %zu rows",
                    w->path, have, n);
    tokens = mem_array(n, sizeof *tokens);
    kinds = mem_array(n, sizeof *kinds);
    scores = mem_array(n, sizeof *scores);
    pads = mem_array(n - have + 1, sizeof *pads);
    for (size_t i = 0; i < n; i++) {
        if (i < have) {
            tokens[i] = v.tokens[i];
            kinds[i] = v.kinds ? v.kinds[i] : TOKEN_NORMAL;
            scores[i] = v.scores ? v.scores[i] : 0;
            continue;
        }
        snprintf(pads[i - have], sizeof *pads, "[PAD%d]", (int)i);
        tokens[i] = (token_text){ pads[i - have], strlen(pads[i - have]) };
        kinds[i] = TOKEN_UNUSED;
        scores[i] = -1e9f;
    }
    v.n_token = (int)n;
    v.tokens = tokens;
    v.kinds = kinds;
    if (v.scores) v.scores = scores;
    gguf_writer_set_vocab(out, &v);
    mem_free(tokens);
    mem_free(kinds);
    mem_free(scores);
    mem_free(pads);
    return OK;
}

static void set_linear_scaling(gguf_writer *out, const weights *w)
{
    const config *g = &w->config;
    char key[64];

    if (!metadata_one_factor(g) || g->rope_factors[0] == 1) return;
    snprintf(key, sizeof key, "%s.rope.scaling.type", family_name(g->family));
    gguf_writer_set_string(out, key, "linear");
    snprintf(key, sizeof key, "%s.rope.scaling.factor", family_name(g->family));
    gguf_writer_set_f32(out, key, g->rope_factors[0]);
}

static status make_metadata(gguf_writer *out, const weights *w, errtext *err)
{
    tokenizer *tok;
    status st = weights_tokenizer(w, &tok, err);

    if (st != OK) return st;
    gguf_writer_set_config(out, &w->config);
    set_linear_scaling(out, w);
    st = set_vocab(out, w, tok, err);
    if (weights_chat_template(w))
        gguf_writer_set_string(out, "tokenizer.chat_template", weights_chat_template(w));
    tokenizer_free(tok);
    return st;
}

status metadata_write(gguf_writer *out, const weights *w, dtype type, bool keep_type,
                      errtext *err)
{
    status st = metadata_is_gguf(w) ? copy_metadata(out, w, err) : make_metadata(out, w, err);

    if (!keep_type) gguf_writer_set_u32(out, "general.file_type", file_type(type));
    if (dtype_block(type) > 1) gguf_writer_set_u32(out, "general.quantization_version", 2);
    return st;
}
