/* vocab_maker.h - small vocabularies built in a test, and encoding with them.
 *
 * Definitions, for the two files that include it: short names, kept out of all
 * other tests. */
#ifndef SUPPORT_VOCAB_MAKER_H
#define SUPPORT_VOCAB_MAKER_H

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "token/tokenizer.h"

#include <check.h>       /* last: it has a macro named fail */

typedef struct vocab_maker {
    vocab_spec spec;
    token_text tokens[2048];
    int32_t kinds[2048];
    float scores[2048];
    token_text merges[256];
    char text[256][4];
    char byte_tokens[256][8];
} vocab_maker;

/* One for all tests of a file: each runs in a process of its own. */
static vocab_maker vocab;

/* Each adds a token and returns its id. The text is borrowed. */
static inline int32_t vocab_add_kind(const char *text, token_kind kind)
{
    vocab.tokens[vocab.spec.n_token] = (token_text){ text, strlen(text) };
    vocab.kinds[vocab.spec.n_token] = kind;
    return vocab.spec.n_token++;
}

static inline int32_t vocab_add(const char *text)
{
    return vocab_add_kind(text, TOKEN_NORMAL);
}

static inline void vocab_add_merge(const char *text)
{
    vocab.merges[vocab.spec.n_merge++] = (token_text){ text, strlen(text) };
}

static inline void vocab_begin(const char *model, const char *pre)
{
    memset(&vocab, 0, sizeof vocab);
    vocab.spec = (vocab_spec){ .model = model, .pre = pre, .tokens = vocab.tokens,
                               .kinds = vocab.kinds, .merges = vocab.merges, .bos = -1,
                               .eos = -1, .eot = -1, .unk = -1, .pad = -1 };
}

/* A byte-level vocabulary: ids 0 to 255 are the bytes. */
static inline void vocab_begin_bytes(const char *pre)
{
    uint32_t next = 0x100;

    vocab_begin("gpt2", pre);
    for (uint32_t b = 0; b < 256; b++) {
        bool own = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;

        utf8_encode(own ? b : next++, vocab.text[b]);
        vocab_add(vocab.text[b]);
    }
}

/* A SentencePiece one: id b is the byte token of b. */
static inline void vocab_begin_spm(void)
{
    vocab_begin("llama", "default");
    vocab.spec.scores = vocab.scores;
    for (int b = 0; b < 256; b++) {
        snprintf(vocab.byte_tokens[b], sizeof vocab.byte_tokens[b], "<0x%02X>", (unsigned)b);
        vocab_add_kind(vocab.byte_tokens[b], TOKEN_BYTE);
    }
}

static inline int32_t vocab_add_piece(const char *text, float score)
{
    vocab.scores[vocab.spec.n_token] = score;
    return vocab_add(text);
}

static inline tokenizer *vocab_build(void)
{
    tokenizer *t;
    errtext err;
    status st = tokenizer_new(&t, &vocab.spec, &err);

    ck_assert_msg(st == OK, "%s", err.text);
    return t;
}

/* What the last call below gave. */
static int32_t ids[1 << 16];

/* Encode into ids; returns how many. */
static inline int encode(const tokenizer *t, const segments *s)
{
    int32_t *out = NULL;
    int n = 0;
    errtext err;
    status st = tokenizer_encode(t, s, 1 << 16, &out, &n, &err);

    ck_assert_msg(st == OK, "%s", err.text);
    if (n) memcpy(ids, out, (size_t)n * sizeof *ids);
    mem_free(out);
    return n;
}

static inline int encode_text(const tokenizer *t, const char *text, size_t len, bool trusted)
{
    segments s = { 0 };
    int n;

    if (trusted) segments_trusted_bytes(&s, text, len);
    else segments_plain(&s, text, len);
    n = encode(t, &s);
    segments_fini(&s);
    return n;
}

static inline int encode_plain(const tokenizer *t, const char *text)
{
    return encode_text(t, text, strlen(text), false);
}

static inline int encode_trusted(const tokenizer *t, const char *text)
{
    return encode_text(t, text, strlen(text), true);
}

static inline void check_ids(int n, int n_want, const int32_t *want)
{
    ck_assert_int_eq(n, n_want);
    for (int i = 0; i < n; i++)
        ck_assert_msg(ids[i] == want[i], "id %d is %d, not %d", i, ids[i], want[i]);
}

#define CHECK_IDS(n, ...) do { \
    const int32_t want_[] = { __VA_ARGS__ }; \
    check_ids(n, (int)(sizeof want_ / sizeof *want_), want_); \
} while (0)

#endif
