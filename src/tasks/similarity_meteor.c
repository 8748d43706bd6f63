/* similarity_meteor.c - METEOR with alpha 0.9, beta 3, gamma 0.5 (Lavie and
 * Agarwal 2007) in the stages NLTK has: equal words, equal stems, and synonyms.
 *
 * NLTK looks synonyms up with the stems that the second stage left behind, so
 * "car" and "automobile" (stem "automobil") do not match. That is kept. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/similarity_internal.h"

typedef struct slot {
    int word;            /* id, replaced by that of the stem */
    int other;           /* place in the other text, or -1 */
} slot;

typedef struct matching {
    slot *hyp, *ref;
    size_t n_hyp, n_ref;
    bool *is_synonym;    /* by word id */
    int n_id;
    interner *words;
} matching;

/* From the end to the start, each free word takes the last free equal one. */
static void match_equal(matching *m)
{
    for (size_t i = m->n_hyp; i-- > 0;) {
        if (m->hyp[i].other >= 0) continue;
        for (size_t j = m->n_ref; j-- > 0;) {
            if (m->ref[j].other >= 0 || m->ref[j].word != m->hyp[i].word) continue;
            m->hyp[i].other = (int)j;
            m->ref[j].other = (int)i;
            break;
        }
    }
}

static void stem_all(interner *t, slot *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        runes r = { 0 }, low = { 0 };
        size_t len;
        const uint32_t *at = interned(t, s[i].word, &len);

        if (s[i].other >= 0) continue;
        if (len) runes_lower(&low, at, len);
        runes_add_range(&r, low.at, low.n);
        porter_stem(&r);
        s[i].word = intern(t, r.at, r.n);
        runes_fini(&r);
        runes_fini(&low);
    }
}

static void mark_synonym(void *arg, const char *lemma, size_t len)
{
    matching *m = arg;
    runes r = { 0 };
    int id;

    runes_from_utf8(&r, lemma, len);
    id = intern(m->words, r.at, r.n);
    runes_fini(&r);
    /* A lemma that neither text holds matters to nobody. */
    if (id < m->n_id) m->is_synonym[id] = true;
}

static void match_synonyms(matching *m, wordnet *w)
{
    for (size_t i = m->n_hyp; i-- > 0;) {
        bytes word = { 0 };
        size_t len;
        const uint32_t *at;

        if (m->hyp[i].other >= 0) continue;
        memset(m->is_synonym, 0, (size_t)m->n_id * sizeof *m->is_synonym);
        m->is_synonym[m->hyp[i].word] = true;
        at = interned(m->words, m->hyp[i].word, &len);
        if (len) runes_to_utf8(&word, at, len);
        if (word.len) wordnet_synonyms(w, word.data, word.len, mark_synonym, m);
        bytes_fini(&word);
        for (size_t j = m->n_ref; j-- > 0;) {
            if (m->ref[j].other >= 0 || !m->is_synonym[m->ref[j].word]) continue;
            m->hyp[i].other = (int)j;
            m->ref[j].other = (int)i;
            break;
        }
    }
}

static slot *slots_new(const wordlist *w)
{
    slot *s = mem_array(w->n + 1, sizeof *s);

    for (size_t i = 0; i < w->n; i++) s[i] = (slot){ w->ids[i], -1 };
    return s;
}

double meteor_score(interner *t, const wordlist *hyp, const wordlist *ref, wordnet *w,
                    budget *left)
{
    matching m = { slots_new(hyp), slots_new(ref), hyp->n, ref->n, NULL, 0, t };
    size_t n_match = 0, n_chunk = 0;
    double score = 0;

    if (!budget_take(left, 4.0 * (double)hyp->n * (double)ref->n) ||
        !budget_take(left, (double)hyp->n * ((double)(hyp->n + ref->n) + 5e3))) {
        score = -1;
    } else {
        match_equal(&m);
        stem_all(t, m.hyp, m.n_hyp);
        stem_all(t, m.ref, m.n_ref);
        match_equal(&m);
        if (w) {
            for (size_t i = 0; i < m.n_hyp; i++)
                if (m.hyp[i].word >= m.n_id) m.n_id = m.hyp[i].word + 1;
            for (size_t i = 0; i < m.n_ref; i++)
                if (m.ref[i].word >= m.n_id) m.n_id = m.ref[i].word + 1;
            m.is_synonym = mem_array((size_t)m.n_id + 1, sizeof *m.is_synonym);
            match_synonyms(&m, w);
            mem_free(m.is_synonym);
        }
        /* A chunk is a run of matches that are neighbours in both texts. */
        for (size_t i = 0; i < m.n_hyp; i++) {
            if (m.hyp[i].other < 0) continue;
            n_match++;
            if (i == 0 || m.hyp[i - 1].other < 0 || m.hyp[i - 1].other + 1 != m.hyp[i].other)
                n_chunk++;
        }
        if (n_match) {
            double p = (double)n_match / (double)hyp->n, r = (double)n_match / (double)ref->n;
            double mean = p * r / (0.9 * p + (1 - 0.9) * r);
            double broken = (double)n_chunk / (double)n_match;

            score = (1 - 0.5 * broken * broken * broken) * mean;
        }
    }
    mem_free(m.hyp);
    mem_free(m.ref);
    return score;
}
