/* vocab.c - finding tokens by text, by pair, by being special.
 *
 * The hash tables probe linearly and remember the furthest that an entry sits
 * from its home slot: a search never goes further, and adding fails beyond
 * MAX_REACH, so a vocabulary made to collide costs an error and not time. At
 * the load used here (at most 2/3) honest ones stay below 100. */
#include "token/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MAX_REACH 2048

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0x9E3779B97F4A7C15u;
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9u;
    return h ^ h >> 32;
}

static uint64_t hash_text(const char *s, size_t len)
{
    uint64_t h = len, part;

    for (; len > 8; s += 8, len -= 8) {
        memcpy(&part, s, 8);
        h = mix(h ^ part);
    }
    part = 0;
    if (len >= 4) {                          /* 4 to 8 bytes, halves overlap */
        uint32_t a, b;

        memcpy(&a, s, 4);
        memcpy(&b, s + len - 4, 4);
        part = (uint64_t)a << 32 | b;
    } else {
        for (size_t i = 0; i < len; i++) part = part << 8 | (unsigned char)s[i];
    }
    return mix(h ^ part);
}

static uint32_t mask_for(int n)
{
    uint32_t size = 16;

    while (size / 3 * 2 < (uint32_t)n) size *= 2;
    return size - 1;
}

void words_init(word_table *w, const token_text *tokens, int n)
{
    w->tokens = tokens;
    w->mask = mask_for(n);
    w->slots = mem_array((size_t)w->mask + 1, sizeof *w->slots);
    w->reach = 0;
}

void words_fini(word_table *w)
{
    mem_free(w->slots);
    *w = (word_table){ 0 };
}

/* How far from its home the text sits, or the first free slot does when it is
 * not there; *slot is that place, or NULL when the reach was exhausted. */
static uint32_t words_probe(const word_table *w, const char *text, size_t len,
                            uint64_t h, uint32_t reach, word_slot **slot)
{
    uint32_t tag = (uint32_t)(h >> 32);

    for (uint32_t d = 0; d <= reach; d++) {
        word_slot *s = &w->slots[((uint32_t)h + d) & w->mask];

        if (s->id_plus_1) {
            const token_text *t = &w->tokens[s->id_plus_1 - 1];

            if (s->tag != tag || t->len != len || memcmp(t->data, text, len)) continue;
        }
        *slot = s;
        return d;
    }
    *slot = NULL;
    return reach;
}

bool words_add(word_table *w, int32_t id)
{
    const token_text *t = &w->tokens[id];
    uint64_t h = hash_text(t->data, t->len);
    word_slot *slot;
    uint32_t d = words_probe(w, t->data, t->len, h, MAX_REACH, &slot);

    if (!slot) return false;
    if (slot->id_plus_1) return true;
    *slot = (word_slot){ (uint32_t)(h >> 32), id + 1 };
    if (d > w->reach) w->reach = d;
    return true;
}

int32_t words_find(const word_table *w, const char *text, size_t len)
{
    word_slot *slot;

    words_probe(w, text, len, hash_text(text, len), w->reach, &slot);
    return slot ? slot->id_plus_1 - 1 : -1;
}

static uint32_t pair_home(int32_t left, int32_t right)
{
    return (uint32_t)mix((uint64_t)(uint32_t)left << 32 | (uint32_t)right);
}

void pairs_init(pair_table *p, int n)
{
    p->mask = mask_for(n);
    p->slots = mem_array((size_t)p->mask + 1, sizeof *p->slots);
    p->reach = 0;
}

void pairs_fini(pair_table *p)
{
    mem_free(p->slots);
    *p = (pair_table){ 0 };
}

bool pairs_add(pair_table *p, int32_t left, int32_t right, uint32_t rank, int32_t made)
{
    uint32_t home = pair_home(left, right);

    for (uint32_t d = 0; d <= MAX_REACH; d++) {
        pair_slot *s = &p->slots[(home + d) & p->mask];

        if (s->made_plus_1) {
            if (s->left == left && s->right == right) return true;
            continue;
        }
        *s = (pair_slot){ left, right, rank, made + 1 };
        if (d > p->reach) p->reach = d;
        return true;
    }
    return false;
}

uint32_t pairs_find(const pair_table *p, int32_t left, int32_t right, int32_t *made)
{
    uint32_t home = pair_home(left, right);

    for (uint32_t d = 0; d <= p->reach; d++) {
        const pair_slot *s = &p->slots[(home + d) & p->mask];

        if (!s->made_plus_1) return RANK_NONE;
        if (s->left == left && s->right == right) {
            *made = s->made_plus_1 - 1;
            return s->rank;
        }
    }
    return RANK_NONE;
}

typedef struct special {
    token_text text;
    int32_t id;
} special;

static int compare_specials(const void *pa, const void *pb)
{
    const special *a = pa, *b = pb;
    size_t len = a->text.len < b->text.len ? a->text.len : b->text.len;
    int c = memcmp(a->text.data, b->text.data, len);

    if (c == 0) c = (a->text.len > b->text.len) - (a->text.len < b->text.len);
    return c ? c : (a->id > b->id) - (a->id < b->id);
}

void specials_init(special_list *s, int32_t *ids, token_text *texts, int n)
{
    special *order = mem_array((size_t)n, sizeof *order);

    for (int i = 0; i < n; i++) order[i] = (special){ texts[i], ids[i] };
    qsort(order, (size_t)n, sizeof *order, compare_specials);
    for (int i = 0; i < n; i++) {
        ids[i] = order[i].id;
        texts[i] = order[i].text;
        s->starts[(unsigned char)texts[i].data[0]] = true;
    }
    mem_free(order);
    s->ids = ids;
    s->texts = texts;
    s->n = n;
}

void specials_fini(special_list *s)
{
    mem_free(s->ids);
    mem_free(s->texts);
    *s = (special_list){ 0 };
}

/* First of texts[low..high) whose byte at depth is at least c; all share the
 * bytes before it, and those that end there come first. */
static int lower_bound(const special_list *s, int low, int high, size_t depth, int c)
{
    while (low < high) {
        int mid = low + (high - low) / 2;
        const token_text *t = &s->texts[mid];
        int b = t->len > depth ? (unsigned char)t->data[depth] : -1;

        if (b < c) low = mid + 1;
        else high = mid;
    }
    return low;
}

int32_t specials_match(const special_list *s, const char *text, size_t len)
{
    int32_t best = -1;
    int low = 0, high = s->n;

    if (len == 0 || !s->starts[(unsigned char)text[0]]) return -1;
    for (size_t depth = 0; depth < len; depth++) {
        int c = (unsigned char)text[depth];

        low = lower_bound(s, low, high, depth, c);
        high = lower_bound(s, low, high, depth, c + 1);
        if (low == high) break;
        if (s->texts[low].len == depth + 1) best = s->ids[low];
    }
    return best;
}
