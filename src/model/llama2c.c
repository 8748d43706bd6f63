/* llama2c.c - llama2.c checkpoints as weights. */
#include "model/llama2c.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "model/internal.h"

#define HEADER 28
#define MAX_TOKENIZER (64 << 20)
#define BOS 1
#define EOS 2
#define MARK "\xE2\x96\x81"

typedef struct reader {
    weights *w;
    const uint8_t *at;           /* next matrix */
    uint64_t left;               /* bytes from there to the end */
    errtext *err;
} reader;

static int32_t int_at(const uint8_t *p)
{
    return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                     (uint32_t)p[3] << 24);
}

static status read_header(weights *w, const filemap *m, errtext *err)
{
    config *c = &w->config;
    const struct { const char *name; int *out; int max; } fields[] = {
        { "dim", &c->d_model, 1 << 20 }, { "hidden_dim", &c->d_ff, 1 << 20 },
        { "n_layers", &c->n_layer, CONFIG_MAX_LAYER }, { "n_heads", &c->n_head, 1 << 16 },
        { "n_kv_heads", &c->n_head_kv, 1 << 16 }, { "vocab_size", &c->n_vocab, 1 << 24 },
        { "seq_len", &c->n_ctx, CONFIG_MAX_CTX },
    };
    const char *slash = strrchr(w->path, '/'), *dot;

    if (m->len < HEADER)
        return fail(err, E_FORMAT, "%s: truncated: %zu bytes, the header has %d", w->path, m->len,
                    HEADER);
    if (!memcmp(m->data, "24ka", 4))
        return fail(err, E_UNSUPPORTED, "%s: a llama2.c checkpoint of version 1 or later; export "
                    "it as version 0", w->path);
    for (int i = 0; i < 7; i++) {
        int64_t v = int_at(m->data + 4 * i);

        if (fields[i].out == &c->n_vocab) {
            c->tied = v > 0;
            if (v < 0) v = -v;
        }
        if (v < 1 || v > fields[i].max)
            return fail(err, E_FORMAT, "%s: byte %d: %s %lld is outside 1 to %d (no llama2.c "
                        "checkpoint?)", w->path, 4 * i, fields[i].name, (long long)v,
                        fields[i].max);
        *fields[i].out = (int)v;
    }
    if (c->d_model % c->n_head)
        return fail(err, E_FORMAT, "%s: dim %d is not a multiple of n_heads %d", w->path,
                    c->d_model, c->n_head);
    c->family = FAMILY_LLAMA;
    c->d_head = c->d_model / c->n_head;
    c->norm_eps = 1e-5f;
    c->rope_base = 10000;
    for (int i = 0; i < 128; i++) c->rope_factors[i] = 1;
    c->rope_interleaved = true;
    slash = slash ? slash + 1 : w->path;
    dot = strrchr(slash, '.');
    snprintf(c->name, sizeof c->name, "%.*s", dot ? (int)(dot - slash) : 127, slash);
    return config_check(c, w->path, err);
}

/* The next n_copy matrices; a % in the name stands for the layer. */
static status take(reader *r, const char *name, int n_copy, int64_t d0, int64_t d1)
{
    const int64_t dim[2] = { d0, d1 };
    uint64_t n_bytes = (uint64_t)d0 * (uint64_t)d1 * 4;
    const char *percent = strchr(name, '%');

    for (int i = 0; i < n_copy; i++) {
        char full[64];
        status st;

        if (n_bytes > r->left)
            return fail(r->err, E_FORMAT, "%s: truncated at byte %llu: %s needs %llu bytes, %llu "
                        "are left", r->w->path,
                        (unsigned long long)(r->w->maps[0].len - r->left), name,
                        (unsigned long long)n_bytes, (unsigned long long)r->left);
        if (percent) snprintf(full, sizeof full, "blk.%d%s", i, percent + 1);
        else snprintf(full, sizeof full, "%s", name);
        st = weights_add(r->w, full, DTYPE_F32, d1 > 1 ? 2 : 1, dim, r->at, n_bytes, r->err);
        if (st != OK) return st;
        r->at += n_bytes;
        r->left -= n_bytes;
    }
    return OK;
}

static status read_matrices(weights *w, const filemap *m, errtext *err)
{
    const config *c = &w->config;
    reader r = { .w = w, .at = m->data + HEADER, .left = m->len - HEADER, .err = err };
    int d = c->d_model, kv = c->n_head_kv * c->d_head, ff = c->d_ff, n = c->n_layer;
    uint64_t n_freq = (uint64_t)c->n_ctx * (uint64_t)c->d_head * 4;
    status st;

    if ((st = take(&r, "token_embd.weight", 1, d, c->n_vocab)) != OK ||
        (st = take(&r, "blk.%.attn_norm.weight", n, d, 1)) != OK ||
        (st = take(&r, "blk.%.attn_q.weight", n, d, d)) != OK ||
        (st = take(&r, "blk.%.attn_k.weight", n, d, kv)) != OK ||
        (st = take(&r, "blk.%.attn_v.weight", n, d, kv)) != OK ||
        (st = take(&r, "blk.%.attn_output.weight", n, d, d)) != OK ||
        (st = take(&r, "blk.%.ffn_norm.weight", n, d, 1)) != OK ||
        (st = take(&r, "blk.%.ffn_gate.weight", n, d, ff)) != OK ||
        (st = take(&r, "blk.%.ffn_down.weight", n, ff, d)) != OK ||
        (st = take(&r, "blk.%.ffn_up.weight", n, d, ff)) != OK ||
        (st = take(&r, "output_norm.weight", 1, d, 1)) != OK)
        return st;
    /* Tables of cosines and sines that nobody reads any more. */
    if (n_freq > r.left)
        return fail(err, E_FORMAT, "%s: truncated in the rotation tables", w->path);
    r.at += n_freq;
    r.left -= n_freq;
    if (!c->tied && (st = take(&r, "output.weight", 1, d, c->n_vocab)) != OK) return st;
    if (r.left)
        return fail(err, E_FORMAT, "%s: %llu bytes follow the last matrix", w->path,
                    (unsigned long long)r.left);
    return OK;
}

/* ---- tokenizer ---- */

/* A piece as GGUF has it: spaces are marks, bos and eos lose the line feeds
 * that llama2.c prints them with. */
static token_kind add_piece(bytes *pool, int id, const char *text, size_t len)
{
    if (id == BOS || id == EOS) {
        bytes_add_string(pool, id == BOS ? "<s>" : "</s>");
        return TOKEN_CONTROL;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ') bytes_add_string(pool, MARK);
        else bytes_add_char(pool, text[i]);
    }
    if (id == 0) return TOKEN_UNKNOWN;
    if (id < 259 && len == 6 && !memcmp(text, "<0x", 3) && text[5] == '>') return TOKEN_BYTE;
    return TOKEN_NORMAL;
}

static status read_pieces(const bytes *file, const char *path, int n, bytes *pool, size_t *ends,
                          float *scores, int32_t *kinds, errtext *err)
{
    const uint8_t *p = (const uint8_t *)file->data;
    size_t at = 4;

    for (int id = 0; id < n; id++) {
        int32_t len;
        uint32_t score;

        if (file->len < at + 8)
            return fail(err, E_FORMAT, "%s: truncated at byte %zu: token %d of %d", path,
                        file->len, id, n);
        score = (uint32_t)int_at(p + at);
        memcpy(&scores[id], &score, 4);
        len = int_at(p + at + 4);
        at += 8;
        if (len < 1 || (size_t)len > file->len - at)
            return fail(err, E_FORMAT, "%s: byte %zu: token %d has length %d, %zu bytes are left",
                        path, at - 4, id, len, file->len - at);
        kinds[id] = add_piece(pool, id, (const char *)p + at, (size_t)len);
        ends[id] = pool->len;
        at += (size_t)len;
    }
    if (at != file->len)
        return fail(err, E_FORMAT, "%s: %zu bytes follow the last of %d tokens", path,
                    file->len - at, n);
    return OK;
}

static status make_tokenizer(const weights *w, tokenizer **out, errtext *err)
{
    const char *path = w->source;
    size_t n = (size_t)w->config.n_vocab;
    token_text *tokens = mem_array(n, sizeof *tokens);
    size_t *ends = mem_array(n, sizeof *ends);
    float *scores = mem_array(n, sizeof *scores);
    int32_t *kinds = mem_array(n, sizeof *kinds);
    bytes file = { 0 }, pool = { 0 };
    status st = file_read(&file, path, MAX_TOKENIZER, err);

    if (st == OK) st = read_pieces(&file, path, (int)n, &pool, ends, scores, kinds, err);
    if (st == OK) {
        vocab_spec spec = { .model = "llama", .pre = "default", .n_token = (int)n,
                            .tokens = tokens, .scores = scores, .kinds = kinds,
                            .bos = n > BOS ? BOS : -1, .eos = n > EOS ? EOS : -1, .eot = -1,
                            .unk = 0, .pad = -1, .add_bos = true, .add_space_prefix = true };
        errtext inner;

        for (size_t i = 0; i < n; i++) {
            size_t start = i ? ends[i - 1] : 0;

            tokens[i] = (token_text){ pool.data + start, ends[i] - start };
        }
        st = tokenizer_new(out, &spec, &inner);
        if (st != OK) fail(err, st, "%s: %s", path, inner.text);
    }
    bytes_fini(&file);
    bytes_fini(&pool);
    mem_free(tokens);
    mem_free(ends);
    mem_free(scores);
    mem_free(kinds);
    return st;
}

status llama2c_open(weights **out, const char *path, const char *tokenizer_path, errtext *err)
{
    weights *w = mem_new(sizeof *w);
    filemap m;
    status st;

    *out = NULL;
    w->path = mem_string(path);
    w->source = mem_string(tokenizer_path);
    w->free_source = mem_free;
    w->make_tokenizer = tokenizer_path ? make_tokenizer : NULL;
    if ((st = weights_map(w, path, &m, err)) == OK && (st = read_header(w, &m, err)) == OK)
        st = read_matrices(w, &m, err);
    if (st == OK) *out = w;
    else weights_close(w);
    return st;
}
