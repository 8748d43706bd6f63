/* trie.c - building the tree of a vocabulary. */
#include "decode/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "decode/grammar_internal.h"
#include "decode/grammar_text.h"
#include "decode/mask_internal.h"

#define MAX_TOKEN_BYTES 250      /* longer ones are never offered */

typedef struct entry {
    const char *text;
    uint32_t len;
    int32_t id;
    uint16_t n_char;
} entry;

static int by_text(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    uint32_t n = x->len < y->len ? x->len : y->len;
    int c = n ? memcmp(x->text, y->text, n) : 0;

    if (c) return c;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static size_t shared(const entry *a, const entry *b)
{
    size_t n = 0;

    while (n < a->len && n < b->len && a->text[n] == b->text[n]) n++;
    return n;
}

/* Nodes that a sorted list needs. */
static size_t count_nodes(const entry *e, int n)
{
    size_t total = 0;

    for (int i = 0; i < n; i++) total += e[i].len - (i ? shared(&e[i - 1], &e[i]) : 0);
    return total;
}

static void fill_nodes(trie *t, const entry *e, int n)
{
    uint32_t open[MAX_TOKEN_BYTES + 1] = { 0 };
    size_t depth = 0;

    t->nodes = mem_array(count_nodes(e, n) + 1, sizeof *t->nodes);
    for (int i = 0; i < n; i++) {
        size_t keep = i ? shared(&e[i - 1], &e[i]) : 0;

        while (depth > keep) t->nodes[open[depth--]].end = t->n_node;
        while (depth < e[i].len) {
            trie_node *x = &t->nodes[t->n_node];

            open[++depth] = t->n_node++;
            *x = (trie_node){ (uint8_t)e[i].text[depth - 1], (uint8_t)depth, 0, -1 };
        }
        t->same[e[i].id] = t->nodes[open[depth]].token;
        t->nodes[open[depth]].token = e[i].id;
    }
    while (depth > 0) t->nodes[open[depth--]].end = t->n_node;
}

static void fill_tails(trie *t, entry *e, int n)
{
    uint32_t open[MAX_TOKEN_BYTES + 1] = { 0 };
    size_t depth = 0;

    qsort(e, (size_t)n, sizeof *e, by_text);
    t->tails = mem_array(count_nodes(e, n) + 1, sizeof *t->tails);
    t->tail_tokens = mem_array((size_t)n + 1, sizeof *t->tail_tokens);
    t->tails[t->n_tail++] = (tail_node){ '"', 0, 0, -1, false };
    for (int i = 0; i < n; i++) {
        size_t keep = i ? shared(&e[i - 1], &e[i]) : 0;

        while (depth > keep) t->tails[open[depth--]].end = t->n_tail;
        while (depth < e[i].len) {
            uint8_t byte = (uint8_t)e[i].text[depth];
            bool quotes = byte == '"' || t->tails[open[depth]].quotes;

            open[++depth] = t->n_tail;
            t->tails[t->n_tail++] = (tail_node){ byte, (uint8_t)depth, 0, -1, quotes };
        }
        t->tail_tokens[i] = (tail_token){ e[i].id, e[i].n_char, t->tails[open[depth]].first };
        t->tails[open[depth]].first = i;
    }
    while (depth > 0) t->tails[open[depth--]].end = t->n_tail;
    t->tails[0].end = t->n_tail;
    t->n_tail_token = n;
}

static void set_bit(uint64_t *mask, int32_t id)
{
    mask[id / 64] |= 1ull << (id % 64);
}

/* Those inside a string by falling number of characters, a count sort. */
static void order_inside(trie *t)
{
    int count[MAX_TOKEN_BYTES + 2] = { 0 };

    for (int id = 0; id < t->n_vocab; id++)
        if (t->inside[id / 64] >> (id % 64) & 1) {
            count[t->n_char[id]]++;
            t->n_inside++;
            if (t->n_char[id] > t->max_char) t->max_char = t->n_char[id];
        }
    t->by_chars = mem_array((size_t)t->n_inside + 1, sizeof *t->by_chars);
    for (int c = MAX_TOKEN_BYTES, sum = 0; c >= 0; c--) {
        int n = count[c];

        count[c] = sum;
        sum += n;
    }
    for (int id = 0; id < t->n_vocab; id++)
        if (t->inside[id / 64] >> (id % 64) & 1) t->by_chars[count[t->n_char[id]]++] = id;
}

trie *trie_new(int n_vocab, trie_bytes_fn *print, const void *arg)
{
    trie *t = mem_new(sizeof *t);
    entry *e = mem_array((size_t)n_vocab + 1, sizeof *e);
    entry *tails = mem_array((size_t)n_vocab + 1, sizeof *tails);
    int n = 0, n_tail = 0;

    t->n_vocab = n_vocab;
    t->n_word = (n_vocab + 63) / 64;
    t->bytes = print;
    t->arg = arg;
    t->same = mem_array((size_t)n_vocab + 1, sizeof *t->same);
    t->inside = mem_array((size_t)t->n_word + 1, sizeof *t->inside);
    t->n_char = mem_array((size_t)n_vocab + 1, sizeof *t->n_char);
    for (int32_t id = 0; id < n_vocab; id++) {
        token_text text = print(arg, id);
        int n_char, quote;

        t->same[id] = -1;
        if (text.len == 0 || text.len > MAX_TOKEN_BYTES) continue;
        e[n++] = (entry){ text.data, (uint32_t)text.len, id, 0 };
        quote = json_scan(text.data, text.len, &n_char);
        t->n_char[id] = (uint16_t)n_char;
        if (quote == (int)text.len) set_bit(t->inside, id);
        else if (quote >= 0)
            tails[n_tail++] = (entry){ text.data + quote + 1, (uint32_t)text.len - (uint32_t)quote - 1,
                                       id, (uint16_t)n_char };
    }
    qsort(e, (size_t)n, sizeof *e, by_text);
    fill_nodes(t, e, n);
    fill_tails(t, tails, n_tail);
    order_inside(t);
    mem_free(e);
    mem_free(tails);
    return t;
}

void trie_free(trie *t)
{
    if (!t) return;
    mem_free(t->nodes);
    mem_free(t->same);
    mem_free(t->inside);
    mem_free(t->n_char);
    mem_free(t->by_chars);
    mem_free(t->tails);
    mem_free(t->tail_tokens);
    mem_free(t);
}

int trie_vocab(const trie *t) { return t->n_vocab; }
int trie_words(const trie *t) { return t->n_word; }
