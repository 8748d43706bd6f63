/* similarity_fuzzy.c - the ratios of rapidfuzz 3.10.1, after its published
 * definitions; checked against it value by value.
 *
 * All of them rest on the length of the longest common subsequence, computed
 * 64 rows at a time (Hyyrö, "Bit-parallel LCS-length computation revisited",
 * 2004). A score below zero means that the budget ran out. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/similarity_internal.h"

typedef struct view {
    const uint32_t *at;
    size_t n;
} view;

bool budget_take(budget *b, double n)
{
    if (b->left < n) b->left = -1;
    else b->left -= n;
    return b->left >= 0;
}

/* ---- longest common subsequence against one fixed text ---- */

/* Where each character of a text stands: n_word words of bits for each distinct
 * one. Characters are found by binary search, those below 128 by table. */
typedef struct pattern {
    view text;
    size_t n_word;
    uint32_t *chars;     /* distinct, ascending */
    size_t n_char;
    uint64_t *bits;      /* [n_char, n_word] */
    uint64_t *row;       /* [n_word] */
    int ascii[128];      /* index into chars, or -1 */
} pattern;

static int by_code(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static int char_index(const pattern *p, uint32_t c)
{
    const uint32_t *hit;

    if (c < 128) return p->ascii[c];
    hit = p->n_char ? bsearch(&c, p->chars, p->n_char, sizeof c, by_code) : NULL;
    return hit ? (int)(hit - p->chars) : -1;
}

#define MAX_PATTERN_WORDS ((size_t)1 << 25)     /* 256 MiB of bits */

/* False when the text has too many distinct characters for its length; what is
 * there is released by pattern_fini all the same. */
static bool pattern_init(pattern *p, view text, budget *left)
{
    size_t n = 0;

    memset(p, 0, sizeof *p);
    /* Sorting, and clearing the bits. */
    if (!budget_take(left, (double)text.n * 8)) return false;
    p->text = text;
    p->n_word = (text.n + 63) / 64;
    p->chars = mem_array(text.n + 1, sizeof *p->chars);
    if (text.n) memcpy(p->chars, text.at, text.n * sizeof *p->chars);
    qsort(p->chars, text.n, sizeof *p->chars, by_code);
    for (size_t i = 0; i < text.n; i++)
        if (n == 0 || p->chars[i] != p->chars[n - 1]) p->chars[n++] = p->chars[i];
    p->n_char = n;
    if (n * (p->n_word + 1) > MAX_PATTERN_WORDS) {
        left->left = -1;
        return false;
    }
    memset(p->ascii, -1, sizeof p->ascii);
    for (size_t i = 0; i < n && p->chars[i] < 128; i++) p->ascii[p->chars[i]] = (int)i;
    p->bits = mem_array(n * p->n_word + 1, sizeof *p->bits);
    p->row = mem_array(p->n_word + 1, sizeof *p->row);
    for (size_t i = 0; i < text.n; i++)
        p->bits[(size_t)char_index(p, text.at[i]) * p->n_word + i / 64] |= (uint64_t)1 << i % 64;
    return true;
}

static void pattern_fini(pattern *p)
{
    mem_free(p->chars);
    mem_free(p->bits);
    mem_free(p->row);
}

/* Indel distance to b: characters to delete and insert. SIZE_MAX: no budget. */
static size_t pattern_distance(pattern *p, view b, budget *left)
{
    size_t lcs = 0;

    if (!budget_take(left, (double)b.n * (double)(p->n_word + 8) + 16)) return SIZE_MAX;
    memset(p->row, 0xff, p->n_word * sizeof *p->row);
    for (size_t j = 0; j < b.n; j++) {
        int c = char_index(p, b.at[j]);
        const uint64_t *m;
        unsigned char carry = 0;

        if (c < 0) continue;
        m = p->bits + (size_t)c * p->n_word;
        for (size_t w = 0; w < p->n_word; w++) {
            uint64_t s = p->row[w], u = s & m[w], sum = s + u, with = sum + carry;

            carry = (unsigned char)((sum < s) | (with < sum));
            p->row[w] = with | (s & ~m[w]);
        }
    }
    for (size_t w = 0; w < p->n_word; w++) {
        uint64_t zero = ~p->row[w];

        if (w + 1 == p->n_word && p->text.n % 64) zero &= ((uint64_t)1 << p->text.n % 64) - 1;
        lcs += (size_t)__builtin_popcountll(zero);
    }
    return p->text.n + b.n - 2 * lcs;
}

/* 1 is equal; two empty texts are. */
static double similarity_of(size_t distance, size_t total)
{
    return total ? 1.0 - (double)distance / (double)total : 1.0;
}

static double pattern_ratio(pattern *p, view b, budget *left)
{
    size_t d = pattern_distance(p, b, left);

    return d == SIZE_MAX ? -1 : 100 * similarity_of(d, p->text.n + b.n);
}

static double ratio(view a, view b, budget *left)
{
    pattern p;
    double r = -1;

    if (pattern_init(&p, a.n <= b.n ? a : b, left))
        r = pattern_ratio(&p, a.n <= b.n ? b : a, left);
    pattern_fini(&p);
    return r;
}

/* ---- the best window ---- */

/* Distances of the full windows first .. last, both known. Moving a window by
 * one changes its distance by at most 2, so a stretch whose lowest possible
 * value does not beat the best found is skipped as a whole. */
static bool best_window(pattern *p, view b, size_t first, size_t d_first, size_t last,
                        size_t d_last, size_t *best, budget *left)
{
    size_t span = last - first, middle, d;

    if (span < 2) return true;
    if (d_first + d_last >= 2 * *best + 2 * span) return true;
    middle = first + span / 2;
    d = pattern_distance(p, (view){ b.at + middle, p->text.n }, left);
    if (d == SIZE_MAX) return false;
    if (d < *best) *best = d;
    return best_window(p, b, first, d_first, middle, d, best, left) &&
           best_window(p, b, middle, d, last, d_last, best, left);
}

/* Best ratio of p against a prefix, a window or a suffix of b that is not
 * longer than p; b is at least as long as p. */
static double partial_one_way(pattern *p, view b, budget *left)
{
    size_t n = p->text.n, last = b.n - n, d_first, d_last, best;
    double top;

    if (n == 0) return b.n ? 0 : 100;
    d_first = pattern_distance(p, (view){ b.at, n }, left);
    d_last = last ? pattern_distance(p, (view){ b.at + last, n }, left) : d_first;
    if (left->left < 0) return -1;
    best = d_first < d_last ? d_first : d_last;
    if (last && !best_window(p, b, 0, d_first, last, d_last, &best, left)) return -1;
    top = similarity_of(best, 2 * n);
    for (size_t k = 1; k < n; k++)
        for (int suffix = 0; suffix < 2; suffix++) {
            view part = { suffix ? b.at + b.n - k : b.at, k };
            size_t d;

            /* A part of k characters has at best k in common. */
            if (similarity_of(n - k, n + k) <= top) continue;
            if (char_index(p, suffix ? part.at[0] : part.at[k - 1]) < 0) continue;
            d = pattern_distance(p, part, left);
            if (d == SIZE_MAX) return -1;
            if (similarity_of(d, n + k) > top) top = similarity_of(d, n + k);
        }
    return 100 * top;
}

static double larger(double a, double b)
{
    return a < 0 || b < 0 ? -1 : a > b ? a : b;
}

static double partial_ratio(view a, view b, budget *left)
{
    view s = a.n <= b.n ? a : b, l = a.n <= b.n ? b : a;
    pattern p;
    double r = -1, other = -1;

    if (pattern_init(&p, s, left)) r = partial_one_way(&p, l, left);
    pattern_fini(&p);
    if (r < 0 || r == 100 || s.n != l.n) return r;
    if (pattern_init(&p, l, left)) other = partial_one_way(&p, s, left);
    pattern_fini(&p);
    return larger(r, other);
}

/* ---- tokens ---- */

typedef struct tokens {
    view *items;
    size_t n;
} tokens;

static int by_text(const void *a, const void *b)
{
    const view *x = a, *y = b;

    return runes_compare(x->at, x->n, y->at, y->n);
}

static tokens tokens_sorted(view text)
{
    tokens t = { mem_array(text.n / 2 + 1, sizeof(view)), 0 };

    for (size_t i = 0; i < text.n;) {
        size_t start;

        while (i < text.n && rune_is_space(text.at[i])) i++;
        start = i;
        while (i < text.n && !rune_is_space(text.at[i])) i++;
        if (i > start) t.items[t.n++] = (view){ text.at + start, i - start };
    }
    qsort(t.items, t.n, sizeof *t.items, by_text);
    return t;
}

/* Joined by single spaces; the caller releases at. */
static view tokens_join(const tokens *t)
{
    runes r = { 0 };

    for (size_t i = 0; i < t->n; i++) {
        if (i) runes_add(&r, ' ');
        runes_add_range(&r, t->items[i].at, t->items[i].n);
    }
    return (view){ r.at, r.n };
}

/* Distinct tokens of both texts, those in both and those in one alone. */
typedef struct token_sets {
    tokens both, only_a, only_b;
    size_t n_a, n_b;             /* distinct in each */
} token_sets;

static size_t unique(tokens *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        if (n == 0 || by_text(&t->items[i], &t->items[n - 1])) t->items[n++] = t->items[i];
    return t->n = n;
}

static token_sets sets_new(view a, view b)
{
    tokens x = tokens_sorted(a), y = tokens_sorted(b);
    token_sets s = { 0 };
    size_t i = 0, j = 0;

    s.n_a = unique(&x);
    s.n_b = unique(&y);
    s.both.items = mem_array(x.n + 1, sizeof(view));
    s.only_a.items = mem_array(x.n + 1, sizeof(view));
    s.only_b.items = mem_array(y.n + 1, sizeof(view));
    while (i < x.n || j < y.n) {
        int order = i == x.n ? 1 : j == y.n ? -1 : by_text(&x.items[i], &y.items[j]);

        if (order < 0) {
            s.only_a.items[s.only_a.n++] = x.items[i++];
        } else if (order > 0) {
            s.only_b.items[s.only_b.n++] = y.items[j++];
        } else {
            s.both.items[s.both.n++] = x.items[i++];
            j++;
        }
    }
    mem_free(x.items);
    mem_free(y.items);
    return s;
}

static void sets_fini(token_sets *s)
{
    mem_free(s->both.items);
    mem_free(s->only_a.items);
    mem_free(s->only_b.items);
}

typedef double ratio_fn(view a, view b, budget *left);

static double joined_ratio(ratio_fn *fn, const tokens *a, const tokens *b, budget *left)
{
    view x = tokens_join(a), y = tokens_join(b);
    double r = fn(x, y, left);

    mem_free((void *)x.at);
    mem_free((void *)y.at);
    return r;
}

static double sorted_ratio(ratio_fn *fn, view a, view b, budget *left)
{
    tokens x = tokens_sorted(a), y = tokens_sorted(b);
    double r = joined_ratio(fn, &x, &y, left);

    mem_free(x.items);
    mem_free(y.items);
    return r;
}

static double hundred_less(size_t distance, size_t total)
{
    return total ? 100 - 100 * (double)distance / (double)total : 100;
}

static double set_ratio(view a, view b, budget *left)
{
    token_sets s = sets_new(a, b);
    double best = 0;

    if (s.n_a && s.n_b) {
        if (s.both.n && (!s.only_a.n || !s.only_b.n)) {
            best = 100;
        } else {
            view both = tokens_join(&s.both);
            view x = tokens_join(&s.only_a), y = tokens_join(&s.only_b);
            size_t gap = both.n != 0, with_x = both.n + gap + x.n, with_y = both.n + gap + y.n;
            double r = ratio(x, y, left), each;

            if (r < 0) {
                best = -1;
            } else {
                /* Distance of the two rests, over the length of the whole. */
                size_t d = (size_t)((1 - r / 100) * (double)(x.n + y.n) + 0.5);

                best = hundred_less(d, with_x + with_y);
                if (both.n) {
                    each = hundred_less(gap + x.n, both.n + with_x);
                    if (each > best) best = each;
                    each = hundred_less(gap + y.n, both.n + with_y);
                    if (each > best) best = each;
                }
            }
            mem_free((void *)both.at);
            mem_free((void *)x.at);
            mem_free((void *)y.at);
        }
    }
    sets_fini(&s);
    return best;
}

static double token_ratio(view a, view b, budget *left)
{
    return larger(set_ratio(a, b, left), sorted_ratio(ratio, a, b, left));
}

static double partial_set_ratio(view a, view b, budget *left)
{
    token_sets s = sets_new(a, b);
    double r = 0;

    if (s.n_a && s.n_b)
        r = s.both.n ? 100 : joined_ratio(partial_ratio, &s.only_a, &s.only_b, left);
    sets_fini(&s);
    return r;
}

static double partial_token_ratio(view a, view b, budget *left)
{
    token_sets s = sets_new(a, b);
    double r = 100;

    if (!s.both.n) {
        r = sorted_ratio(partial_ratio, a, b, left);
        r = larger(r, joined_ratio(partial_ratio, &s.only_a, &s.only_b, left));
    }
    sets_fini(&s);
    return r;
}

/* A lone negative factor would hide that the budget ran out. */
static double scaled(double r, double by)
{
    return r < 0 ? -1 : r * by;
}

static double weighted_ratio(view a, view b, budget *left)
{
    double lengths, r, partial;

    if (!a.n || !b.n) return 0;
    lengths = a.n > b.n ? (double)a.n / (double)b.n : (double)b.n / (double)a.n;
    r = ratio(a, b, left);
    if (lengths < 1.5) return larger(r, scaled(token_ratio(a, b, left), 0.95));
    /* 3.10.1 compares with "< 8"; from 3.14.0 on it is "<= 8". */
    partial = lengths < 8.0 ? 0.9 : 0.6;
    r = larger(r, scaled(partial_ratio(a, b, left), partial));
    return larger(r, scaled(partial_token_ratio(a, b, left), 0.95 * partial));
}

double fuzzy_score(fuzzy kind, const runes *x, const runes *y, budget *left)
{
    view a = { x->at, x->n }, b = { y->at, y->n };

    /* Sorting and copying, whatever comes after. */
    if (!budget_take(left, 32.0 * (double)(a.n + b.n))) return -1;
    switch (kind) {
    case FUZZY_RATIO: return ratio(a, b, left);
    case FUZZY_PARTIAL_RATIO: return partial_ratio(a, b, left);
    case FUZZY_TOKEN_SORT_RATIO: return sorted_ratio(ratio, a, b, left);
    case FUZZY_TOKEN_SET_RATIO: return set_ratio(a, b, left);
    case FUZZY_TOKEN_RATIO: return token_ratio(a, b, left);
    case FUZZY_PARTIAL_TOKEN_SORT_RATIO: return sorted_ratio(partial_ratio, a, b, left);
    case FUZZY_PARTIAL_TOKEN_SET_RATIO: return partial_set_ratio(a, b, left);
    case FUZZY_PARTIAL_TOKEN_RATIO: return partial_token_ratio(a, b, left);
    case FUZZY_QRATIO: return a.n && b.n ? ratio(a, b, left) : 0;
    case FUZZY_WRATIO: return weighted_ratio(a, b, left);
    }
    return 0;
}

void fuzzy_process(runes *out, const runes *text)
{
    runes spaced = { 0 };
    size_t first = 0, end;

    for (size_t i = 0; i < text->n; i++)
        runes_add(&spaced, rune_is_word(text->at[i]) ? text->at[i] : ' ');
    end = spaced.n;
    while (first < end && rune_is_space(spaced.at[first])) first++;
    while (end > first && rune_is_space(spaced.at[end - 1])) end--;
    if (end > first) runes_lower(out, spaced.at + first, end - first);
    runes_fini(&spaced);
}
