/* fuzz_tokenizer.c - arbitrary bytes as a vocabulary and as text.
 *
 * The first byte says as what: a tokenizer.json with text behind it, or a
 * vocabulary spec. Whatever is accepted encodes text under the promises of
 * tokenizer.h: ids in range, no special token from plain text, the limit kept,
 * and every byte back where the vocabulary has a token for each. */
#include "token/internal.h"

#include <stdlib.h>

#include "base/mem.h"

#define MAX_IDS 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    const uint8_t *at;
    size_t left;
} input;

static uint8_t take_byte(input *in)
{
    if (in->left == 0) return 0;
    in->left--;
    return *in->at++;
}

static token_text take_text(input *in, size_t len)
{
    token_text t = { (const char *)in->at, len < in->left ? len : in->left };

    in->at += t.len;
    in->left -= t.len;
    return t;
}

static void expect(bool fact)
{
    if (!fact) abort();
}

static bool has_all_bytes(const tokenizer *t)
{
    for (int b = 0; b < 256; b++)
        if (t->byte_id[b] < 0) return false;
    return true;
}

/* The text of ids, without bos and with the special tokens' written form. */
static void check_round_trip(const tokenizer *t, const int32_t *ids, int n, token_text text)
{
    bytes out = { 0 }, want = { 0 };

    if (t->nfc && normalize_nfc(&want, text.data, text.len)) text.len = 0;
    bytes_add(&want, text.data, text.len);
    for (int i = 0; i < n; i++) bytes_add(&out, tokenizer_text(t, ids[i]).data,
                                          tokenizer_text(t, ids[i]).len);
    expect(out.len == want.len && (out.len == 0 || !memcmp(out.data, want.data, out.len)));
    bytes_fini(&out);
    bytes_fini(&want);
}

static void encode(const tokenizer *t, token_text text)
{
    for (int trusted = 0; trusted < 2; trusted++) {
        segments s = { 0 };
        int32_t *ids = NULL;
        int n = 0, first;
        errtext err;
        status st;

        if (trusted) segments_trusted_bytes(&s, text.data, text.len);
        else segments_plain(&s, text.data, text.len);
        st = tokenizer_encode(t, &s, MAX_IDS, &ids, &n, &err);
        expect(st == OK || (st == E_LIMIT && n == 0));
        expect(n <= MAX_IDS);
        first = n > 0 && !trusted && t->spec.add_bos;
        for (int i = 0; i < n; i++) {
            expect(ids[i] >= 0 && ids[i] < tokenizer_size(t));
            if (!trusted && i >= first)
                expect(!token_is_special(t, ids[i]) || ids[i] == t->spec.unk);
        }
        if (n > first && !trusted && !t->spm && has_all_bytes(t))
            check_round_trip(t, ids + first, n - first, text);
        mem_free(ids);
        segments_fini(&s);
    }
}

static void use(tokenizer *t, token_text text)
{
    for (int i = 0; i < tokenizer_size(t); i++) {
        expect(tokenizer_text(t, i).len > 0);
        tokenizer_is_end(t, i);
    }
    expect(tokenizer_spec(t)->n_token == tokenizer_size(t));
    encode(t, text);
    tokenizer_free(t);
}

/* Text, then the file: its end is the input's, so that the reader is caught
 * one byte beyond it. */
static void try_json(input *in)
{
    size_t len = take_byte(in);
    token_text text = take_text(in, len);
    tokenizer_files f = { .path = "fuzz" };
    tokenizer *t;
    errtext err;

    f.json = take_text(in, in->left);
    if (tokenizer_parse(&t, &f, &err) == OK) use(t, text);
    else expect(t == NULL && err.text[0]);
}

static void try_spec(input *in)
{
    static const char *const pres[] = { "gpt-2", "llama-bpe", "qwen2", "smollm", "default",
                                        NULL, "none" };
    static token_text tokens[512], merges[512];
    static int32_t kinds[512];
    static float scores[512];
    static char alphabet[256][3];
    static byte_alphabet a;
    uint8_t flags = take_byte(in);
    vocab_spec v = { .model = flags & 1 ? "llama" : "gpt2", .tokens = tokens,
                     .merges = merges, .bos = -1, .eos = -1, .eot = -1, .unk = -1, .pad = -1 };
    tokenizer *t;
    errtext err;
    int n_more = take_byte(in), n_merge = take_byte(in);

    v.pre = pres[take_byte(in) % 7];
    v.kinds = flags & 2 ? kinds : NULL;
    v.scores = flags & 4 ? scores : NULL;
    v.add_bos = flags & 8;
    v.ignore_merges = flags & 16;
    v.add_space_prefix = flags & 32;
    if (flags & 64) v.unk = take_byte(in);
    if (flags & 8) v.bos = take_byte(in);
    /* A whole byte alphabet first, or nothing would ever be accepted. */
    for (int b = 0; b < 256; b++) a.code[b] = (uint16_t)b;
    for (int b = 0, next = 0x100; b < 256; b++) {
        bool own = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        char c = (char)b;

        a.code[b] = (uint16_t)(own ? b : next++);
        tokens[b] = (token_text){ alphabet[b], alphabet_encode(&a, &c, 1, alphabet[b]) };
        kinds[b] = TOKEN_NORMAL;
        scores[b] = (float)-b;
    }
    v.n_token = 256;
    for (int i = 0; i < n_more; i++) {
        uint8_t shape = take_byte(in);

        tokens[v.n_token] = take_text(in, shape & 15);
        kinds[v.n_token] = shape >> 4 & 7;
        scores[v.n_token] = (float)take_byte(in) - 128;
        v.n_token++;
    }
    for (int i = 0; i < n_merge; i++) {
        size_t len = take_byte(in) & 15;

        merges[v.n_merge++] = take_text(in, len);
    }
    if (tokenizer_new(&t, &v, &err) == OK) use(t, take_text(in, in->left));
    else expect(t == NULL && err.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = { data, size };

    if (take_byte(&in) & 1) try_spec(&in);
    else try_json(&in);
    return 0;
}
