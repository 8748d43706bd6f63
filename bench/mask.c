/* mask.c - what masks cost: build with `make OUT=build/san0`, see bench/mask.sh.
 *
 * usage: mask MODEL.gguf. For each schema an answer is walked token by token, a
 * mask before each: once cold (a fresh grammar), once again with what the first
 * walk left behind. The tokens are the vocabulary's longest that fit, as a
 * tokenizer would mostly cut the text. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "decode/grammar.h"
#include "model/weights.h"

static const struct {
    const char *name, *schema, *text;
} cases[] = {
    { "verdict", "{\"type\":\"object\",\"properties\":{\"is_valid\":{\"type\":\"boolean\"},\"issue\":{\"type\":"
      "\"string\"}},\"required\":[\"is_valid\",\"issue\"],\"additionalProperties\":false}",
      "{\"is_valid\": false, \"issue\": \"The date of birth lies after the date of admission.\"}" },
    { "report", "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":60},\"age\":"
      "{\"type\":\"integer\",\"minimum\":0,\"maximum\":130},\"findings\":{\"type\":\"array\",\"items\":{\"type\":"
      "\"object\",\"properties\":{\"code\":{\"type\":\"string\",\"pattern\":\"^[A-Z][0-9]{2}(\\\\.[0-9])?$\"},"
      "\"text\":{\"type\":\"string\"},\"grade\":{\"enum\":[\"mild\",\"moderate\",\"severe\"]}},\"required\":"
      "[\"code\",\"text\",\"grade\"],\"additionalProperties\":false}}},\"required\":[\"name\",\"age\","
      "\"findings\"],\"additionalProperties\":false}",
      "{\"name\": \"Ann Example\", \"age\": 41, \"findings\": [{\"code\": \"E11.9\", \"text\": \"Raised sugar in "
      "two samples\", \"grade\": \"mild\"}, {\"code\": \"I10\", \"text\": \"Blood pressure 150 over 95\", "
      "\"grade\": \"moderate\"}]}" },
    { "map", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"array\",\"items\":{\"type\":\"number\"}}}",
      "{\"first\": [1, 2.5, -3], \"second\": [0.125], \"third one\": []}" },
    { "any", "{\"type\":\"object\"}",
      "{\"a\": {\"b\": [1, \"two\", null, {\"c\": true}]}, \"d\": \"some longer text in here\"}" },
    { "email", "{\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\",\"format\":\"email\"},\"when\":"
      "{\"type\":\"string\",\"format\":\"date-time\"}},\"required\":[\"to\",\"when\"]}",
      "{\"to\": \"someone.else@mail.example.org\", \"when\": \"2026-11-21T08:15:00Z\"}" },
    { "tree", "{\"$ref\":\"#/$defs/n\",\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"op\":{\"enum\":"
      "[\"+\",\"*\"]},\"args\":{\"type\":\"array\",\"items\":{\"anyOf\":[{\"$ref\":\"#/$defs/n\"},{\"type\":"
      "\"integer\"}]}}},\"required\":[\"op\",\"args\"],\"additionalProperties\":false}}}",
      "{\"op\": \"+\", \"args\": [1, {\"op\": \"*\", \"args\": [2, 3]}, {\"op\": \"+\", \"args\": []}]}" },
};
#define N_CASE ((int)(sizeof cases / sizeof *cases))
#define MAX_TIMES 20000

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static token_text text_of(const void *arg, int32_t id)
{
    const tokenizer *t = arg;

    if (tokenizer_kind(t, id) == TOKEN_CONTROL) return (token_text){ "", 0 };
    return tokenizer_text(t, id);
}

static int32_t longest(const tokenizer *t, const uint64_t *mask, const char *text)
{
    size_t best = 0, left = strlen(text);
    int32_t found = -1;

    for (int32_t id = 0; id < tokenizer_size(t); id++) {
        token_text x = text_of(t, id);

        if (x.len > best && x.len <= left && mask[id / 64] >> (id % 64) & 1 && !memcmp(x.data, text, x.len)) {
            best = x.len;
            found = id;
        }
    }
    return found;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void report(const char *what, double *us, int n)
{
    double sum = 0;

    qsort(us, (size_t)n, sizeof *us, by_size);
    for (int i = 0; i < n; i++) sum += us[i];
    printf("%-16s n %5d   mean %8.1f us   p50 %8.1f   p90 %8.1f   p99 %8.1f   max %8.1f\n", what, n,
           sum / n, us[n / 2], us[n * 9 / 10], us[n * 99 / 100], us[n - 1]);
}

/* The masks of one walk; times appended. */
static void walk(const grammar *g, const trie *v, const tokenizer *t, const char *text, uint64_t *mask,
                 double *us, int *n)
{
    grammar_state *s = grammar_state_new(g, v);

    while (*text && *n < MAX_TIMES) {
        double from = now_us();
        int32_t id;

        grammar_mask(s, mask);
        us[(*n)++] = now_us() - from;
        if ((id = longest(t, mask, text)) < 0 || !grammar_accept(s, id)) {
            printf("stuck before %s\n", text);
            exit(1);
        }
        text += text_of(t, id).len;
    }
    grammar_state_free(s);
}

int main(int argc, char **argv)
{
    static double cold[MAX_TIMES], warm[MAX_TIMES], compile[MAX_TIMES];
    int n_cold = 0, n_warm = 0, n_compile = 0;
    weights *w;
    tokenizer *t;
    trie *v;
    uint64_t *mask;
    errtext err;
    double from;

    if (argc != 2) {
        fprintf(stderr, "usage: mask MODEL.gguf\n");
        return 2;
    }
    if (weights_open(&w, argv[1], &err) != OK || weights_tokenizer(w, &t, &err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    from = now_us();
    v = trie_new(tokenizer_size(t), text_of, t);
    printf("vocabulary %d, tree built in %.1f ms\n", tokenizer_size(t), (now_us() - from) / 1e3);
    mask = mem_array((size_t)trie_words(v), sizeof *mask);
    for (int i = 0; i < N_CASE; i++) {
        json_t *schema = json_loads(cases[i].schema, 0, NULL);
        grammar *g = NULL;
        int first = n_cold;

        for (int k = 0; k < 5; k++) {
            grammar_free(g);
            from = now_us();
            if (grammar_new_schema(&g, schema, NULL, &err) != OK) {
                fprintf(stderr, "%s: %s\n", cases[i].name, err.text);
                return 1;
            }
            compile[n_compile++] = now_us() - from;
        }
        walk(g, v, t, cases[i].text, mask, cold, &n_cold);
        walk(g, v, t, cases[i].text, mask, warm, &n_warm);
        {
            double sum = 0, most = 0;

            for (int k = first; k < n_cold; k++) {
                sum += cold[k];
                if (cold[k] > most) most = cold[k];
            }
            printf("  %-10s %3d masks, cold mean %8.1f us, most %8.1f us\n", cases[i].name, n_cold - first,
                   sum / (n_cold - first), most);
        }
        grammar_free(g);
        json_decref(schema);
    }
    report("compile", compile, n_compile);
    report("mask, cold", cold, n_cold);
    report("mask, cached", warm, n_warm);
    mem_free(mask);
    trie_free(v);
    tokenizer_free(t);
    weights_close(w);
    return 0;
}
