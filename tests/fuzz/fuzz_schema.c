/* fuzz_schema.c - any bytes as a schema, a pattern or a Lark grammar.
 *
 * What compiles is walked with random tokens: a mask agrees with what is taken,
 * and never leads into a dead end. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "decode/grammar.h"

static const char *const words[] = {
    "\"", "\":", "\",\"", "{\"", "\"}", "[", "]", "},{", "true", "null", "12", "-1", ".5", "\\u00",
    "\\n", " ", "\n  ", "a\":1,\"a\":", "abc", "\xC3", "\xA9\"", "e1", "]]", "{}", "0,",
};
#define N_WORD ((int)(sizeof words / sizeof *words))
#define N_TOKEN (256 + N_WORD)

static token_text text_of(const void *arg, int32_t id)
{
    static char all[256];

    (void)arg;
    if (id >= 256) return (token_text){ words[id - 256], strlen(words[id - 256]) };
    all[id] = (char)id;
    return (token_text){ &all[id], 1 };
}

static void walk(const grammar *g, uint64_t seed)
{
    static trie *t;
    uint64_t mask[(N_TOKEN + 63) / 64];
    grammar_state *s;

    if (!t) t = trie_new(N_TOKEN, text_of, NULL);
    s = grammar_state_new(g, t);
    for (int step = 0; step < 40; step++) {
        int n = grammar_mask(s, mask), left, id = 0;

        if (n == 0) {
            CHECK(grammar_complete(s));
            break;
        }
        left = (int)(rng_u64(seed, 1, (uint64_t)step) % (uint64_t)n);
        for (;; id++)
            if (mask[id / 64] >> (id % 64) & 1 && left-- == 0) break;
        CHECK(grammar_accept(s, id));
        id = (int)(rng_u64(seed, 2, (uint64_t)step) % N_TOKEN);
        grammar_mask(s, mask);
        {
            grammar_state *copy = grammar_state_copy(s);

            CHECK(grammar_accept(copy, id) == (mask[id / 64] >> (id % 64) & 1));
            grammar_state_free(copy);
        }
    }
    grammar_state_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data + 1;
    grammar *g = NULL;
    errtext err;
    status st;

    if (len < 1 || len > 4096) return 0;
    if (data[0] % 8 == 1) {
        st = grammar_new_regex(&g, text, len - 1, &err);
    } else if (data[0] % 8 == 2) {
        st = grammar_new_lark(&g, text, len - 1, &err);
    } else {
        json_t *v = json_loadb(text, len - 1, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

        if (!v) return 0;
        st = grammar_new_schema(&g, v, NULL, &err);
        json_decref(v);
    }
    CHECK((st == OK) == (g != NULL));
    if (g) walk(g, len);
    grammar_free(g);
    return 0;
}
