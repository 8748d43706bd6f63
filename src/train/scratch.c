/* scratch.c - words counted, merges made, weights drawn, a file written. */
#include "train/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/gguf.h"
#include "reason/render.h"

/* ------------------------------------------------------------------- words */

#define MAX_WORD 24              /* bytes; longer words are left in characters */
#define WORD_SLOTS (1 << 16)

typedef struct word {
    char text[MAX_WORD + 2];
    int len;
    int64_t count;
} word;

typedef struct word_table {
    word *slots;                 /* [WORD_SLOTS] open addressing */
    int n;
} word_table;

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void count_word(word_table *t, const char *text, int len)
{
    uint64_t h = 1469598103934665603u;

    for (int i = 0; i < len; i++) h = (h ^ (uint8_t)text[i]) * 1099511628211u;
    for (uint64_t i = h % WORD_SLOTS;; i = (i + 1) % WORD_SLOTS) {
        word *w = &t->slots[i];

        if (w->count == 0) {
            if (t->n > WORD_SLOTS / 2) return;   /* rare words of an endless text */
            memcpy(w->text, text, (size_t)len);
            w->len = len;
            w->count = 1;
            t->n++;
            return;
        }
        if (w->len == len && !memcmp(w->text, text, (size_t)len)) {
            w->count++;
            return;
        }
    }
}

/* Words as the splitter cuts them: letters, with the one space before them.
 * Only those after a space or with a capital may be merged. */
static void count_words(word_table *t, const char *text)
{
    for (const char *p = text; *p;) {
        const char *from = p;
        bool spaced = *p == ' ' && letter(p[1]);

        if (spaced) p++;
        if (!letter(*p)) {
            p++;
            continue;
        }
        bool capital = *p >= 'A' && *p <= 'Z';
        while (letter(*p)) p++;
        if ((spaced || capital) && p - from >= 2 && p - from <= MAX_WORD)
            count_word(t, from, (int)(p - from));
    }
}

/* Most saved tokens first; ties by text, so that the order is no accident. */
static int by_worth(const void *a, const void *b)
{
    const word *x = a, *y = b;
    int64_t wx = x->count * (x->len - 1), wy = y->count * (y->len - 1);

    if (wx != wy) return wx > wy ? -1 : 1;
    return strcmp(x->text, y->text);
}

/* -------------------------------------------------------------- vocabulary */

static const char *const marks[] = {
    "<|user|>", "<|assistant|>", "<|end|>", "<|low|>", "<|medium|>", "<|high|>",
    "<think>", "</think>", "<|pad|>",
};
#define N_MARK ((int)(sizeof marks / sizeof *marks))
#define MARK_END 2
#define MARK_PAD 8

typedef struct vocabulary {
    token_text *tokens;
    token_text *merges;
    int32_t *kinds;
    int n_token, n_merge, max_token;
} vocabulary;

/* Bytes as printable characters, the mapping of GPT-2's byte-level BPE: bytes
 * that print stand for themselves, the others for U+0100 and up, in order. */
static int mapped_byte(int byte, char out[2])
{
    int code = byte, n = 0;

    if (!((byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174)) {
        for (int b = 0; b < byte; b++)
            n += !((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174);
        code = 256 + n;
    }
    if (code < 128) {
        out[0] = (char)code;
        return 1;
    }
    out[0] = (char)(0xc0 | code >> 6);
    out[1] = (char)(0x80 | (code & 63));
    return 2;
}

static token_text mapped(const char *text, int len)
{
    bytes b = { 0 };
    char c[2];
    size_t n;

    for (int i = 0; i < len; i++) bytes_add(&b, c, (size_t)mapped_byte((uint8_t)text[i], c));
    n = b.len;
    return (token_text){ bytes_take(&b), n };
}

static void add_token(vocabulary *v, token_text t, token_kind kind)
{
    v->tokens[v->n_token] = t;
    v->kinds[v->n_token++] = (int32_t)kind;
}

static bool known(const vocabulary *v, token_text t)
{
    for (int i = 0; i < v->n_token; i++)
        if (v->tokens[i].len == t.len && !memcmp(v->tokens[i].data, t.data, t.len)) return true;
    return false;
}

/* Tokens and merges that build a word from its start, if there is still room. */
static void add_word(vocabulary *v, const word *w)
{
    int missing = 0;

    for (int n = 2; n <= w->len; n++) {
        token_text t = mapped(w->text, n);

        missing += !known(v, t);
        mem_free((void *)t.data);
    }
    if (v->n_token + missing > v->max_token) return;
    for (int n = 2; n <= w->len; n++) {
        token_text t = mapped(w->text, n), left, right;
        bytes m = { 0 };
        size_t len;

        if (known(v, t)) {
            mem_free((void *)t.data);
            continue;
        }
        add_token(v, t, TOKEN_NORMAL);
        left = mapped(w->text, n - 1);
        right = mapped(w->text + n - 1, 1);
        bytes_add(&m, left.data, left.len);
        bytes_add_char(&m, ' ');
        bytes_add(&m, right.data, right.len);
        len = m.len;
        v->merges[v->n_merge++] = (token_text){ bytes_take(&m), len };
        mem_free((void *)left.data);
        mem_free((void *)right.data);
    }
}

static void vocabulary_make(vocabulary *v, int n_vocab, const char *const *sample, int n_sample)
{
    word_table t = { mem_array(WORD_SLOTS, sizeof(word)), 0 };
    int n = 0;

    *v = (vocabulary){ mem_array((size_t)n_vocab, sizeof(token_text)),
                       mem_array((size_t)n_vocab, sizeof(token_text)),
                       mem_array((size_t)n_vocab, sizeof(int32_t)), 0, 0, n_vocab };
    for (int b = 0; b < 256; b++) {
        char c = (char)b;

        add_token(v, mapped(&c, 1), TOKEN_NORMAL);
    }
    for (int i = 0; i < N_MARK; i++)
        add_token(v, (token_text){ mem_string(marks[i]), strlen(marks[i]) }, TOKEN_CONTROL);
    for (int i = 0; i < n_sample; i++) count_words(&t, sample[i]);
    for (int i = 0; i < WORD_SLOTS; i++)
        if (t.slots[i].count) t.slots[n++] = t.slots[i];
    qsort(t.slots, (size_t)n, sizeof *t.slots, by_worth);
    for (int i = 0; i < n; i++)
        if (t.slots[i].count > 1) add_word(v, &t.slots[i]);
    mem_free(t.slots);
}

static void vocabulary_fini(vocabulary *v)
{
    for (int i = 0; i < v->n_token; i++) mem_free((void *)v->tokens[i].data);
    for (int i = 0; i < v->n_merge; i++) mem_free((void *)v->merges[i].data);
    mem_free(v->tokens);
    mem_free(v->merges);
    mem_free(v->kinds);
}

/* ------------------------------------------------------------------ weights */

typedef struct start {
    char name[64];
    int n_out, n_in;             /* n_out 0: a vector of ones */
    double deviation;
} start;

static int plan(const config *c, start *out)
{
    double residual = 1 / sqrt(2.0 * c->n_layer);
    int n = 0, n_q = c->n_head * c->d_head, n_kv = c->n_head_kv * c->d_head, d = c->d_model;

#define TENSOR(rows, cols, dev, ...)                                     \
    do {                                                                 \
        snprintf(out[n].name, sizeof out[n].name, __VA_ARGS__);          \
        out[n].n_out = (rows);                                           \
        out[n].n_in = (cols);                                            \
        out[n++].deviation = (dev);                                      \
    } while (0)
    TENSOR(c->n_vocab, d, 0.05, "token_embd.weight");
    for (int i = 0; i < c->n_layer; i++) {
        TENSOR(0, d, 0, "blk.%d.attn_norm.weight", i);
        TENSOR(n_q, d, 1 / sqrt(d), "blk.%d.attn_q.weight", i);
        TENSOR(n_kv, d, 1 / sqrt(d), "blk.%d.attn_k.weight", i);
        TENSOR(n_kv, d, 1 / sqrt(d), "blk.%d.attn_v.weight", i);
        TENSOR(0, c->d_head, 0, "blk.%d.attn_q_norm.weight", i);
        TENSOR(0, c->d_head, 0, "blk.%d.attn_k_norm.weight", i);
        TENSOR(d, n_q, residual / sqrt(n_q), "blk.%d.attn_output.weight", i);
        TENSOR(0, d, 0, "blk.%d.ffn_norm.weight", i);
        TENSOR(c->d_ff, d, 1 / sqrt(d), "blk.%d.ffn_gate.weight", i);
        TENSOR(c->d_ff, d, 1 / sqrt(d), "blk.%d.ffn_up.weight", i);
        TENSOR(d, c->d_ff, residual / sqrt(c->d_ff), "blk.%d.ffn_down.weight", i);
    }
    TENSOR(0, d, 0, "output_norm.weight");
#undef TENSOR
    return n;
}

static status write_weights(gguf_writer *w, const start *plans, int n, uint64_t seed,
                            errtext *err)
{
    for (int i = 0; i < n; i++) {
        size_t count = (size_t)(plans[i].n_out ? plans[i].n_out : 1) * (size_t)plans[i].n_in;
        float *x = mem_array(count, sizeof *x);
        status st;

        for (size_t j = 0; j < count; j++)
            x[j] = plans[i].n_out ? (float)(plans[i].deviation * rng_normal(seed, (uint64_t)i, j))
                                  : 1.0f;
        st = gguf_writer_write(w, x, count * sizeof *x, err);
        mem_free(x);
        if (st != OK) return st;
    }
    return OK;
}

status scratch_write(const scratch_shape *shape, uint64_t seed, const char *const *sample,
                     int n_sample, const char *path, errtext *err)
{
    config c = {
        .family = FAMILY_QWEN3, .n_layer = shape->n_layer, .d_model = shape->d_model,
        .n_head = shape->n_head, .n_head_kv = shape->n_head_kv, .d_head = shape->d_head,
        .d_ff = shape->d_ff, .n_ctx = shape->n_ctx, .norm_eps = 1e-6f, .rope_base = 10000,
        .tied = true,
    };
    vocabulary v;
    start *plans;
    gguf_writer *w;
    status st;
    int n;

    if (shape->n_vocab < SCRATCH_MIN_VOCAB || shape->n_vocab > 1 << 17)
        return fail(err, E_ARG, "vocabulary: %d is not in %d to %d", shape->n_vocab,
                    SCRATCH_MIN_VOCAB, 1 << 17);
    if (shape->n_layer < 1 || shape->n_layer > CONFIG_MAX_LAYER || shape->d_head < 1 ||
        shape->d_head / 2 > 128)
        return fail(err, E_ARG, "shape: %d layers and heads of %d", shape->n_layer,
                    shape->d_head);
    vocabulary_make(&v, shape->n_vocab, sample, n_sample);
    snprintf(c.name, sizeof c.name, "%s", shape->name);
    c.n_vocab = v.n_token;
    for (int i = 0; i < 128; i++) c.rope_factors[i] = 1;
    for (int i = 0; i < c.n_layer; i++) c.no_rope[i] = 1;
    for (int i = 0; i < shape->n_rope; i++)
        if (shape->rope_layers[i] >= 0 && shape->rope_layers[i] < c.n_layer)
            c.no_rope[shape->rope_layers[i]] = 0;
    if ((st = config_check(&c, "shape", err)) != OK) {
        vocabulary_fini(&v);
        return st;
    }
    plans = mem_array((size_t)c.n_layer * 11 + 2, sizeof *plans);
    n = plan(&c, plans);
    w = gguf_writer_new();
    gguf_writer_set_config(w, &c);
    gguf_writer_set_vocab(w, &(vocab_spec){
        .model = "gpt2", .pre = "smollm", .n_token = v.n_token, .tokens = v.tokens,
        .kinds = v.kinds, .n_merge = v.n_merge, .merges = v.merges, .bos = -1,
        .eos = 256 + MARK_END, .eot = -1, .unk = -1, .pad = 256 + MARK_PAD,
    });
    gguf_writer_set_string(w, "tokenizer.chat_template", nano_template);
    for (int i = 0; i < n; i++) {
        int64_t dim[2] = { plans[i].n_in, plans[i].n_out };

        gguf_writer_add_tensor(w, plans[i].name, DTYPE_F32, plans[i].n_out ? 2 : 1, dim);
    }
    st = gguf_writer_begin(w, path, err);
    if (st == OK) st = write_weights(w, plans, n, seed, err);
    if (st == OK) st = gguf_writer_finish(w, err);
    gguf_writer_free(w);
    mem_free(plans);
    vocabulary_fini(&v);
    return st;
}
