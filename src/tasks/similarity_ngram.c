/* similarity_ngram.c - BLEU, GLEU and the two kinds of ROUGE.
 *
 * BLEU: Papineni et al. 2002, at sentence level with orders 1 to 4 as NLTK has
 * it, smoothing of Chen and Cherry 2014. GLEU: Wu et al. 2016. ROUGE: Lin 2004.
 * N-grams are runs of word ids; sorting them makes equal ones neighbours. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/similarity_internal.h"

#define MAX_ORDER 5

typedef struct gram {
    int ids[MAX_ORDER];
    int count;
} gram;

typedef struct grams {
    gram *items;
    size_t n;            /* distinct */
    size_t total;
} grams;

static int by_ids(const void *a, const void *b)
{
    const gram *x = a, *y = b;

    for (int i = 0; i < MAX_ORDER; i++)
        if (x->ids[i] != y->ids[i]) return x->ids[i] < y->ids[i] ? -1 : 1;
    return 0;
}

static grams grams_new(const wordlist *w, int order)
{
    grams g = { NULL, 0, w->n >= (size_t)order ? w->n - (size_t)order + 1 : 0 };

    g.items = mem_array(g.total + 1, sizeof *g.items);
    for (size_t i = 0; i < g.total; i++) {
        for (int k = 0; k < MAX_ORDER; k++)
            g.items[i].ids[k] = k < order ? w->ids[i + (size_t)k] : -1;
        g.items[i].count = 1;
    }
    qsort(g.items, g.total, sizeof *g.items, by_ids);
    for (size_t i = 0; i < g.total; i++) {
        if (g.n && !by_ids(&g.items[i], &g.items[g.n - 1])) g.items[g.n - 1].count++;
        else g.items[g.n++] = g.items[i];
    }
    return g;
}

/* N-grams in both: as often as in the poorer one, or each once. */
static size_t grams_common(const grams *a, const grams *b, bool as_sets)
{
    size_t i = 0, j = 0, sum = 0;

    while (i < a->n && j < b->n) {
        int order = by_ids(&a->items[i], &b->items[j]);

        if (order == 0) {
            int x = a->items[i].count, y = b->items[j].count;

            sum += as_sets ? 1 : (size_t)(x < y ? x : y);
            i++;
            j++;
        } else if (order < 0) {
            i++;
        } else {
            j++;
        }
    }
    return sum;
}

/* What sorting the n-grams of two texts takes. */
static bool take_sorting(budget *left, const wordlist *a, const wordlist *b, int orders)
{
    return budget_take(left, (double)orders * 64.0 * (double)(a->n + b->n + 1));
}

double bleu_score(const wordlist *hyp, const wordlist *ref, smoothing how, budget *left)
{
    double p[4], sum = 0, brevity;
    size_t match[4], total[4];
    int n_zero = 0;

    if (!take_sorting(left, hyp, ref, 4)) return -1;
    for (int k = 0; k < 4; k++) {
        grams h = grams_new(hyp, k + 1), r = grams_new(ref, k + 1);

        match[k] = grams_common(&h, &r, false);
        total[k] = h.total ? h.total : 1;
        mem_free(h.items);
        mem_free(r.items);
    }
    if (!match[0]) return 0;
    for (int k = 0; k < 4; k++) {
        p[k] = (double)match[k] / (double)total[k];
        if (match[k]) continue;
        if (how == SMOOTH_NONE) p[k] = DBL_MIN;
        if (how == SMOOTH_METHOD1) p[k] = 0.1 / (double)total[k];
        if (how == SMOOTH_METHOD4 && hyp->n > 1)
            p[k] = 1 / (ldexp(1, ++n_zero) * 5 / log((double)hyp->n)) / (double)total[k];
    }
    brevity = hyp->n > ref->n ? 1 : exp(1 - (double)ref->n / (double)hyp->n);
    for (int k = 0; k < 4; k++)
        if (p[k] > 0) sum += 0.25 * log(p[k]);
    return brevity * exp(sum);
}

double gleu_score(const wordlist *hyp, const wordlist *ref, budget *left)
{
    size_t match = 0, n_hyp = 0, n_ref = 0, all;

    if (!take_sorting(left, hyp, ref, 4)) return -1;
    for (int k = 1; k <= 4; k++) {
        grams h = grams_new(hyp, k), r = grams_new(ref, k);

        match += grams_common(&h, &r, false);
        n_hyp += h.total;
        n_ref += r.total;
        mem_free(h.items);
        mem_free(r.items);
    }
    all = n_hyp > n_ref ? n_hyp : n_ref;
    return all ? (double)match / (double)all : 0;
}

/* Length of the longest common subsequence of words. */
static size_t lcs_length(const wordlist *a, const wordlist *b)
{
    uint32_t *row = mem_array(b->n + 1, sizeof *row);
    size_t r;

    for (size_t i = 0; i < a->n; i++) {
        uint32_t diagonal = 0;

        for (size_t j = 1; j <= b->n; j++) {
            uint32_t above = row[j];

            row[j] = a->ids[i] == b->ids[j - 1] ? diagonal + 1
                     : above > row[j - 1]       ? above
                                                : row[j - 1];
            diagonal = above;
        }
    }
    r = row[b->n];
    mem_free(row);
    return r;
}

double rouge_count_score(const wordlist *hyp, const wordlist *ref, int n, budget *left)
{
    double p, r;
    size_t match, n_hyp = hyp->n, n_ref = ref->n;

    if (n == 0) {
        if (!budget_take(left, 4.0 * (double)hyp->n * (double)ref->n)) return -1;
        match = lcs_length(ref, hyp);
    } else {
        grams h, g;

        if (!take_sorting(left, hyp, ref, 1)) return -1;
        h = grams_new(hyp, n);
        g = grams_new(ref, n);
        match = grams_common(&h, &g, false);
        n_hyp = h.total;
        n_ref = g.total;
        mem_free(h.items);
        mem_free(g.items);
    }
    p = (double)match / (double)(n_hyp ? n_hyp : 1);
    r = (double)match / (double)(n_ref ? n_ref : 1);
    return p + r > 0 ? 2 * p * r / (p + r) : 0;
}

/* ---- the package called rouge ---- */

/* Sentences between "."; in each, words between single spaces, after runs of
 * spaces have become one. A sentence of spaces alone is one empty word. */
typedef struct sentences {
    wordlist words;      /* of all sentences, in order */
    size_t *start;       /* [n + 1] into words */
    size_t n;
} sentences;

static sentences sentences_new(interner *t, const runes *text)
{
    sentences s = { { 0 }, mem_array(text->n + 2, sizeof(size_t)), 0 };

    for (size_t i = 0; i < text->n; i++) {
        size_t end = i, before = s.words.n;

        while (end < text->n && text->at[end] != '.') end++;
        if (end == i) continue;
        while (i < end) {
            size_t from;

            while (i < end && rune_is_space(text->at[i])) i++;
            from = i;
            while (i < end && !rune_is_space(text->at[i])) i++;
            if (i > from) wordlist_add(&s.words, intern(t, text->at + from, i - from));
        }
        if (s.words.n == before) wordlist_add(&s.words, intern(t, NULL, 0));
        s.start[++s.n] = s.words.n;
    }
    return s;
}

static void sentences_fini(sentences *s)
{
    wordlist_fini(&s->words);
    mem_free(s->start);
}

static wordlist sentence_at(const sentences *s, size_t i)
{
    return (wordlist){ s->words.ids + s->start[i], s->start[i + 1] - s->start[i], 0 };
}

static size_t count_distinct(const wordlist *w)
{
    grams g = grams_new(w, 1);

    mem_free(g.items);
    return g.n;
}

/* Mark the words of one longest common subsequence: among several the one that
 * walking back from the ends finds when it leaves x only for a longer one. */
static void mark_lcs(const wordlist *x, const wordlist *y, uint8_t *marked, size_t *n_marked)
{
    size_t stride = y->n + 1, i = x->n, j = y->n;
    uint32_t *table = mem_array((x->n + 1) * stride, sizeof *table);

    for (size_t a = 1; a <= x->n; a++)
        for (size_t b = 1; b <= y->n; b++) {
            uint32_t up = table[(a - 1) * stride + b], side = table[a * stride + b - 1];

            table[a * stride + b] = x->ids[a - 1] == y->ids[b - 1]
                                        ? table[(a - 1) * stride + b - 1] + 1
                                    : up > side ? up
                                                : side;
        }
    while (i && j) {
        if (x->ids[i - 1] == y->ids[j - 1]) {
            if (!marked[x->ids[i - 1]]) {
                marked[x->ids[i - 1]] = 1;
                ++*n_marked;
            }
            i--;
            j--;
        } else if (table[(i - 1) * stride + j] > table[i * stride + j - 1]) {
            i--;
        } else {
            j--;
        }
    }
    mem_free(table);
}

static double f_p_r(size_t match, size_t n_hyp, size_t n_ref, rouge_part part)
{
    double p = n_hyp ? (double)match / (double)n_hyp : 0;
    double r = n_ref ? (double)match / (double)n_ref : 0;

    if (part == ROUGE_P) return p;
    if (part == ROUGE_R) return r;
    return 2.0 * (p * r / (p + r + 1e-8));
}

static double set_lcs(const sentences *h, const sentences *r, rouge_part part, budget *left)
{
    size_t n_marked = 0;
    uint8_t *marked;
    int max_id = 0;

    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j < h->n; j++) {
            double cells = (double)sentence_at(r, i).n * (double)sentence_at(h, j).n;

            /* One table is held at a time: at most 256 MiB. */
            if (cells > (1 << 26)) left->left = -1;
            if (!budget_take(left, 8 * cells + 64)) return -1;
        }
    for (size_t i = 0; i < r->words.n; i++)
        if (r->words.ids[i] > max_id) max_id = r->words.ids[i];
    marked = mem_array((size_t)max_id + 1, 1);
    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j < h->n; j++) {
            wordlist x = sentence_at(r, i), y = sentence_at(h, j);

            mark_lcs(&x, &y, marked, &n_marked);
        }
    mem_free(marked);
    return f_p_r(n_marked, count_distinct(&h->words), count_distinct(&r->words), part);
}

double rouge_set_score(const runes *hyp, const runes *ref, int n, rouge_part part, budget *left)
{
    interner *t = interner_new();
    sentences h = sentences_new(t, hyp), r = sentences_new(t, ref);
    double score;

    if (!h.n || !r.n) {
        score = NAN;
    } else if (!take_sorting(left, &h.words, &r.words, 2)) {
        score = -1;
    } else if (n == 0) {
        score = set_lcs(&h, &r, part, left);
    } else {
        grams a = grams_new(&h.words, n), b = grams_new(&r.words, n);

        score = f_p_r(grams_common(&a, &b, true), a.n, b.n, part);
        mem_free(a.items);
        mem_free(b.items);
    }
    sentences_fini(&h);
    sentences_fini(&r);
    interner_free(t);
    return score;
}
