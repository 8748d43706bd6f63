/* mask.c - which tokens a state allows.
 *
 * All readings walk the vocabulary's tree together, a byte at a time. Inside a
 * JSON string without restrictions that walk would visit everything, so there
 * the answer is put together from what the vocabulary knows once for all: the
 * tokens that stay inside, less those with too many characters, and those that
 * close the string, by the few hundred different ways they go on after it. */
#include <string.h>

#include "base/mem.h"
#include "decode/grammar_internal.h"
#include "decode/grammar_text.h"
#include "decode/mask_internal.h"

#define CACHE_BYTES ((size_t)48 << 20)
#define MAX_LEVEL 256

/* ------------------------------------------------------------------- cache */

typedef struct mask_entry {
    const trie *t;
    thread *key;
    int n_key;
    int n_set;
    uint64_t *mask;
} mask_entry;

struct mask_cache {
    mask_entry *slots;
    uint32_t mask;
    uint32_t n;
    size_t used_bytes;
};

struct mask_cache *mask_cache_new(void)
{
    struct mask_cache *c = mem_new(sizeof *c);

    c->mask = 255;
    c->slots = mem_array(c->mask + 1, sizeof *c->slots);
    return c;
}

void mask_cache_clear(struct mask_cache *c)
{
    for (uint32_t i = 0; i <= c->mask; i++) {
        mem_free(c->slots[i].key);
        mem_free(c->slots[i].mask);
        c->slots[i] = (mask_entry){ 0 };
    }
    c->n = 0;
    c->used_bytes = 0;
}

void mask_cache_free(struct mask_cache *c)
{
    if (!c) return;
    mask_cache_clear(c);
    mem_free(c->slots);
    mem_free(c);
}

static uint32_t hash_threads(const thread *t, int n)
{
    const uint32_t *w = (const uint32_t *)(const void *)t;
    uint64_t h = 0x13198A2E03707344u;

    for (size_t i = 0; i < (size_t)n * sizeof *t / 4; i++) {
        h = (h ^ w[i]) * 0x9E3779B97F4A7C15u;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

static mask_entry *find_slot(struct mask_cache *c, const trie *t, const threads *at)
{
    uint32_t i = hash_threads(at->items, at->n) & c->mask;

    for (; c->slots[i].mask; i = (i + 1) & c->mask) {
        const mask_entry *e = &c->slots[i];

        if (e->t == t && e->n_key == at->n &&
            !memcmp(e->key, at->items, (size_t)at->n * sizeof *e->key))
            break;
    }
    return &c->slots[i];
}

static void grow_cache(struct mask_cache *c)
{
    mask_entry *old = c->slots;
    uint32_t n = c->mask + 1;

    c->mask = n * 2 - 1;
    c->slots = mem_array((size_t)n * 2, sizeof *c->slots);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at;

        if (!old[i].mask) continue;
        at = hash_threads(old[i].key, old[i].n_key) & c->mask;
        while (c->slots[at].mask) at = (at + 1) & c->mask;
        c->slots[at] = old[i];
    }
    mem_free(old);
}

static void remember(struct mask_cache *c, const trie *t, const threads *at,
                     const uint64_t *mask, int n_set)
{
    size_t size = (size_t)t->n_word * sizeof *mask + (size_t)at->n * sizeof *at->items + 128;
    mask_entry *e;

    if (c->used_bytes + size > CACHE_BYTES) mask_cache_clear(c);
    if (c->n * 2 >= c->mask) grow_cache(c);
    e = find_slot(c, t, at);
    *e = (mask_entry){ t, mem_copy(at->items, (size_t)at->n * sizeof *at->items), at->n, n_set,
                       mem_copy(mask, (size_t)t->n_word * sizeof *mask) };
    c->n++;
    c->used_bytes += size;
}

/* -------------------------------------------------------------------- walk */

static void set_bit(uint64_t *mask, int32_t id)
{
    mask[id / 64] |= 1ull << (id % 64);
}

/* The threads of each depth, one array after the other. */
typedef struct levels {
    threads all;
    int from[MAX_LEVEL + 1], to[MAX_LEVEL + 1];
} levels;

/* Step what stands at depth - 1 into depth; false when nothing is left. */
static bool descend(grammar *g, levels *l, int depth, uint8_t byte)
{
    threads out = { 0 };
    int from = l->from[depth - 1], to = l->to[depth - 1];

    l->all.n = to;
    /* In place: what is added may move the array, so each thread is copied. */
    for (int i = from; i < to; i++) {
        thread t = l->all.items[i];

        thread_step(g, &t, byte, &l->all);
    }
    if (l->all.n == to) return false;
    out.items = l->all.items + to;
    out.n = l->all.n - to;
    threads_settle(&out);
    l->from[depth] = to;
    l->to[depth] = l->all.n = to + out.n;
    return true;
}

static void walk(grammar *g, const trie *t, levels *l, uint64_t *mask)
{
    uint32_t i = 0;

    while (i < t->n_node) {
        const trie_node *x = &t->nodes[i];

        if (!descend(g, l, x->depth, x->byte)) {
            i = x->end;
            continue;
        }
        for (int32_t id = x->token; id >= 0; id = t->same[id]) set_bit(mask, id);
        i++;
    }
}

static bool takes_token(grammar *g, const thread *t, token_text text, levels *scratch)
{
    scratch->all.n = 0;
    threads_add(&scratch->all, t);
    scratch->from[0] = 0;
    scratch->to[0] = 1;
    for (size_t i = 0; i < text.len; i++)
        if (!descend(g, scratch, (int)i + 1, (uint8_t)text.data[i])) return false;
    return true;
}

/* ---------------------------------------------------------------- automata */

#define ANY_TEXT (-2)            /* no restriction is left */

/* Inside a text that one automaton follows, a step on ASCII is one table. Only
 * below other bytes, and where the text may end and something follow, the walk
 * turns to threads. */
typedef struct text_walk {
    thread at;
    const dfa *lex;
    bool json;                   /* a string in JSON: quotes and backslashes act */
    bool ends;                   /* something may follow where the automaton accepts */
} text_walk;

static bool follows_text(grammar *g, const thread *t, levels *scratch, text_walk *out)
{
    *out = (text_walk){ .at = *t };
    if (t->dec) return false;
    if (t->place == PLACE_STRING && g->strings[t->spec].lex && !g->strings[t->spec].plain) {
        out->lex = g->strings[t->spec].lex;
        out->json = true;
        return true;
    }
    if (t->place != PLACE_LEX) return false;
    out->lex = g->lexes[t->spec];
    /* A terminal that ends the whole text is followed by nothing. */
    scratch->all.n = 0;
    thread_ended(g, t, &scratch->all);
    out->ends = scratch->all.n != 1 || scratch->all.items[0].place != PLACE_END;
    return true;
}

/* The state after a byte; -1: threads have to see. */
static int32_t fast_step(const text_walk *w, int32_t q, uint8_t byte)
{
    if (byte >= 128 || (w->json && (byte < 32 || byte == '"' || byte == '\\'))) return -1;
    if (q == ANY_TEXT) return ANY_TEXT;
    if (w->ends && w->lex->accept[q]) return -1;
    q = w->lex->ascii[q][byte];
    return q >= 0 && w->json && w->lex->every[q] ? ANY_TEXT : q;
}

/* Whether -1 from fast_step means that nothing goes on. */
static bool surely_over(const text_walk *w, int32_t q, uint8_t byte)
{
    if (byte >= 128 || (w->json && (byte < 32 || byte == '"' || byte == '\\'))) return false;
    return !(w->ends && w->lex->accept[q]);
}

static thread slow_thread(const grammar *g, const text_walk *w, int32_t q)
{
    thread t = w->at;

    if (q != ANY_TEXT) {
        t.q = q;
        return t;
    }
    return (thread){ .stack = t.stack, .place = PLACE_STRING, .spec = g->free_string, .high = -1 };
}

static void walk_text(grammar *g, const trie *t, const text_walk *w, levels *l, uint64_t *mask)
{
    int32_t q[MAX_LEVEL + 1];
    int slow_from = MAX_LEVEL + 1;       /* depth at which threads took over */
    uint32_t i = 0;

    q[0] = w->at.q;
    while (i < t->n_node) {
        const trie_node *x = &t->nodes[i];
        int d = x->depth;

        if (d <= slow_from) {
            slow_from = MAX_LEVEL + 1;
            q[d] = fast_step(w, q[d - 1], x->byte);
            if (q[d] == -1) {
                if (surely_over(w, q[d - 1], x->byte)) {
                    i = x->end;
                    continue;
                }
                slow_from = d;
                l->all.n = 0;
                threads_add(&l->all, &(thread){ 0 });
                l->all.items[0] = slow_thread(g, w, q[d - 1]);
                l->from[d - 1] = 0;
                l->to[d - 1] = 1;
            }
        }
        if (d >= slow_from && !descend(g, l, d, x->byte)) {
            i = x->end;
            continue;
        }
        for (int32_t id = x->token; id >= 0; id = t->same[id]) set_bit(mask, id);
        i++;
    }
}

/* ----------------------------------------------------------- free strings */

static bool is_free(const grammar *g, const thread *t)
{
    if (t->dec) return false;
    if (t->place == PLACE_STRING) return !g->strings[t->spec].lex;
    if (t->place != PLACE_EXTRA) return false;
    return g->objects[g->frames[t->stack].spec].extras[t->high].lex->every[t->q];
}

/* A name that is used already must not be written again. */
static bool repeats_name(const grammar *g, const trie *t, const thread *at, int32_t id)
{
    token_text text = t->bytes(t->arg, id);
    int n_char, quote = json_scan(text.data, text.len, &n_char);
    uint32_t used = g->frames[at->stack].used;

    for (; used; used = g->frames[used].used)
        if (text_follows(g, (uint32_t)g->frames[used].spec, (uint32_t)at->low, text.data,
                         (size_t)quote))
            return true;
    return false;
}

static void walk_tails(grammar *g, const trie *t, const thread *at, levels *l, levels *scratch,
                       uint64_t *mask)
{
    bool name = at->place == PLACE_EXTRA;
    int low = name ? 0 : at->low, high = name ? -1 : at->high;
    thread inside = *at;
    uint32_t i = 0;

    /* Any name that is not used leads to the same threads; a text that cannot
     * be a name stands in for it. */
    if (name) inside.low = (int32_t)g->n_frame;
    l->all.n = 0;
    thread_closed(g, &inside, &l->all);
    threads_settle(&l->all);
    l->from[0] = 0;
    l->to[0] = l->all.n;
    if (l->all.n == 0) return;
    while (i < t->n_tail) {
        const tail_node *x = &t->tails[i];

        if (i > 0 && !descend(g, l, x->depth, x->byte)) {
            i = x->end;
            continue;
        }
        for (int32_t k = x->first; k >= 0; k = t->tail_tokens[k].next) {
            const tail_token *tail = &t->tail_tokens[k];

            if (tail->n_char < low || (high >= 0 && tail->n_char > high)) continue;
            /* What comes after the name might name it again. */
            if (name && (x->quotes || g->frames[at->stack].used) &&
                (x->quotes ? !takes_token(g, at, t->bytes(t->arg, tail->id), scratch)
                           : repeats_name(g, t, at, tail->id)))
                continue;
            set_bit(mask, tail->id);
        }
        i++;
    }
}

static void add_free(grammar *g, const trie *t, const thread *at, levels *l, levels *scratch,
                     uint64_t *mask)
{
    int high = at->place == PLACE_EXTRA ? -1 : at->high;

    if (high < 0 || high >= t->max_char) {
        for (int w = 0; w < t->n_word; w++) mask[w] |= t->inside[w];
    } else if (high * 2 > t->max_char || high > 3) {
        uint64_t *part = mem_copy(t->inside, (size_t)t->n_word * sizeof *part);

        for (int k = 0; k < t->n_inside; k++) {
            int32_t id = t->by_chars[k];

            if (t->n_char[id] <= high) break;
            part[id / 64] &= ~(1ull << (id % 64));
        }
        for (int w = 0; w < t->n_word; w++) mask[w] |= part[w];
        mem_free(part);
    } else {
        for (int k = t->n_inside - 1; k >= 0; k--) {
            int32_t id = t->by_chars[k];

            if (t->n_char[id] > high) break;
            set_bit(mask, id);
        }
    }
    walk_tails(g, t, at, l, scratch, mask);
}

int mask_compute(grammar_state *s, uint64_t *allowed)
{
    grammar *g = s->g;
    const trie *t = s->t;
    mask_entry *e = find_slot(g->cache, t, &s->at);
    uint32_t n_frame = g->n_frame;
    levels *l, *scratch;
    int n_set = 0;

    if (e->mask) {
        memcpy(allowed, e->mask, (size_t)t->n_word * sizeof *allowed);
        return e->n_set;
    }
    l = mem_new(sizeof *l);
    scratch = mem_new(sizeof *scratch);
    memset(allowed, 0, (size_t)t->n_word * sizeof *allowed);
    for (int i = 0; i < s->at.n; i++) {
        text_walk w;

        if (is_free(g, &s->at.items[i])) add_free(g, t, &s->at.items[i], l, scratch, allowed);
        else if (follows_text(g, &s->at.items[i], scratch, &w)) walk_text(g, t, &w, l, allowed);
    }
    l->all.n = 0;
    for (int i = 0; i < s->at.n; i++) {
        text_walk w;

        if (!is_free(g, &s->at.items[i]) && !follows_text(g, &s->at.items[i], scratch, &w))
            threads_add(&l->all, &s->at.items[i]);
    }
    l->from[0] = 0;
    l->to[0] = l->all.n;
    if (l->all.n) walk(g, t, l, allowed);
    threads_fini(&l->all);
    threads_fini(&scratch->all);
    mem_free(l);
    mem_free(scratch);
    frame_rewind(g, n_frame);
    for (int w = 0; w < t->n_word; w++) n_set += __builtin_popcountll(allowed[w]);
    remember(g->cache, t, &s->at, allowed, n_set);
    return n_set;
}
