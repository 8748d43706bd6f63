/* merge.c - byte-pair merging of one word.
 *
 * The best pair of the whole word merges first (Sennrich et al., "Neural
 * machine translation of rare words with subword units", 2016). Short words,
 * nearly all there are, search a small array; long ones keep a heap over a
 * linked list, so a megabyte of one letter costs n log n. Both do the same
 * merges in the same order. */
#include "token/internal.h"

#include "base/mem.h"

#define SHORT_WORD 48
#define DEAD UINT32_MAX

void merger_reserve(merger *m, size_t n)
{
    if (n <= m->cap && m->symbols) return;
    if (n < 64) n = 64;
    if (n < m->cap + m->cap / 2) n = m->cap + m->cap / 2;
    m->symbols = mem_resize(m->symbols, n + 1, sizeof *m->symbols);
    m->cap = n;
    mem_free(m->previous);
    mem_free(m->next);
    m->previous = m->next = NULL;
}

void merger_fini(merger *m)
{
    mem_free(m->symbols);
    mem_free(m->previous);
    mem_free(m->next);
    mem_free(m->heap);
    *m = (merger){ 0 };
}

/* Fill in rank and made of the pair (left, right), which ends at `end`. With
 * merges a pair of ids decides; by scores, whether the joined text is a piece. */
static void look_up(const merger *m, symbol *left, const symbol *right, uint32_t end)
{
    const tokenizer *t = m->t;
    size_t len = end - left->start;

    left->rank = RANK_NONE;
    if (!t->ranks) {
        if (left->id >= 0 && right->id >= 0)
            left->rank = pairs_find(&t->pairs, left->id, right->id, &left->made);
        return;
    }
    if (len > t->longest) return;
    left->made = words_find(&t->words, m->text + left->start, len);
    if (left->made >= 0) left->rank = t->ranks[left->made];
}

static size_t run_short(merger *m, size_t n)
{
    symbol *s = m->symbols;

    for (size_t i = 0; i + 1 < n; i++) look_up(m, &s[i], &s[i + 1], s[i + 2].start);
    while (n > 1) {
        size_t best = 0;

        for (size_t i = 1; i + 1 < n; i++)
            if (s[i].rank < s[best].rank) best = i;
        if (s[best].rank == RANK_NONE) break;
        s[best].id = s[best].made;
        memmove(&s[best + 1], &s[best + 2], (n - best - 1) * sizeof *s);
        n--;
        if (best + 1 < n) look_up(m, &s[best], &s[best + 1], s[best + 2].start);
        if (best > 0) look_up(m, &s[best - 1], &s[best], s[best + 1].start);
    }
    return n;
}

/* A binary heap of rank << 32 | symbol: the least is the best rank, leftmost. */
static void heap_push(merger *m, uint64_t item)
{
    size_t i = m->n_heap++;

    if (m->n_heap > m->cap_heap) {
        m->cap_heap = m->cap_heap ? 2 * m->cap_heap : 256;
        m->heap = mem_resize(m->heap, m->cap_heap, sizeof *m->heap);
    }
    while (i > 0 && m->heap[(i - 1) / 2] > item) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = item;
}

static uint64_t heap_pop(merger *m)
{
    uint64_t top = m->heap[0], last = m->heap[--m->n_heap];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < m->n_heap) {
        if (child + 1 < m->n_heap && m->heap[child + 1] < m->heap[child]) child++;
        if (m->heap[child] >= last) break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return top;
}

/* The pair that begins at symbol i has changed. The sentinel is symbol n and
 * has no successor. */
static void renew(merger *m, uint32_t i, uint32_t n)
{
    uint32_t right = m->next[i];

    if (right == n) {
        m->symbols[i].rank = RANK_NONE;
        return;
    }
    look_up(m, &m->symbols[i], &m->symbols[right], m->symbols[m->next[right]].start);
    if (m->symbols[i].rank != RANK_NONE)
        heap_push(m, (uint64_t)m->symbols[i].rank << 32 | i);
}

static size_t run_long(merger *m, uint32_t n)
{
    symbol *s = m->symbols;
    size_t left = 0;

    if (!m->next) {
        m->next = mem_array(m->cap, sizeof *m->next);
        m->previous = mem_array(m->cap, sizeof *m->previous);
    }
    m->n_heap = 0;
    for (uint32_t i = 0; i < n; i++) {
        m->next[i] = i + 1;
        m->previous[i] = i ? i - 1 : DEAD;
    }
    for (uint32_t i = 0; i < n; i++) renew(m, i, n);
    while (m->n_heap) {
        uint64_t top = heap_pop(m);
        uint32_t i = (uint32_t)top, gone;

        /* An entry is stale when its pair has changed since. A symbol that was
         * merged away has no rank; one whose rank is equal again is as good. */
        if (s[i].rank != top >> 32) continue;
        gone = m->next[i];
        s[i].id = s[i].made;
        s[gone].rank = RANK_NONE;
        m->next[i] = m->next[gone];
        if (m->next[i] != n) m->previous[m->next[i]] = i;
        renew(m, i, n);
        if (m->previous[i] != DEAD) renew(m, m->previous[i], n);
    }
    for (uint32_t i = 0; i != n; i = m->next[i]) s[left++] = s[i];
    s[left] = s[n];
    return left;
}

size_t merger_run(merger *m, size_t n)
{
    if (n < 2) return n;
    CHECK(n < DEAD);
    return n <= SHORT_WORD ? run_short(m, n) : run_long(m, (uint32_t)n);
}
