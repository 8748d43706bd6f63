/* similarity_internal.h - what the files behind similarity.h share. */
#ifndef TASKS_SIMILARITY_INTERNAL_H
#define TASKS_SIMILARITY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/runes.h"

/* How many elementary steps one comparison may take: a second or so. What needs
 * more is refused, so that no answer, however long, holds up a training step. */
typedef struct budget {
    double left;
} budget;

/* Take n steps; false when they are not there (and then never again). */
bool budget_take(budget *b, double n);

/* ---- fuzzy (similarity_fuzzy.c): all scores 0 to 100 ---- */

typedef enum fuzzy {
    FUZZY_RATIO,
    FUZZY_PARTIAL_RATIO,
    FUZZY_TOKEN_SORT_RATIO,
    FUZZY_TOKEN_SET_RATIO,
    FUZZY_TOKEN_RATIO,
    FUZZY_PARTIAL_TOKEN_SORT_RATIO,
    FUZZY_PARTIAL_TOKEN_SET_RATIO,
    FUZZY_PARTIAL_TOKEN_RATIO,
    FUZZY_QRATIO,
    FUZZY_WRATIO,
} fuzzy;

/* Negative when the budget runs out. */
double fuzzy_score(fuzzy kind, const runes *a, const runes *b, budget *left);

/* default_process: everything but \w becomes a space, strip, lower case. */
void fuzzy_process(runes *out, const runes *text);

/* ---- words as numbers: equal words have equal ids ---- */

typedef struct wordlist {
    int *ids;
    size_t n, cap;
} wordlist;

typedef struct interner interner;

interner *interner_new(void);
void interner_free(interner *t);
int intern(interner *t, const uint32_t *at, size_t n);
/* The word behind an id; valid until the next intern. */
const uint32_t *interned(const interner *t, int id, size_t *n);

void wordlist_add(wordlist *w, int id);
void wordlist_fini(wordlist *w);

/* ---- tokenizers (similarity_split.c) ---- */

typedef enum splitter {
    SPLIT_SPACES,      /* str.split() */
    SPLIT_NLTK_WORD,   /* NLTK's NLTKWordTokenizer, the text as one sentence */
    SPLIT_13A,         /* mteval-v13a, as sacreBLEU has it */
    SPLIT_ROUGE_SCORE, /* lower case, runs of [a-z0-9] */
} splitter;

/* lower: each word in lower case. */
void split_words(wordlist *out, interner *t, splitter how, bool lower, const runes *text);

/* ---- n-gram metrics (similarity_ngram.c): 0 to 1, negative without budget ---- */

typedef enum smoothing { SMOOTH_NONE, SMOOTH_METHOD1, SMOOTH_METHOD4 } smoothing;

double bleu_score(const wordlist *hyp, const wordlist *ref, smoothing how, budget *left);
double gleu_score(const wordlist *hyp, const wordlist *ref, budget *left);

/* rouge_score: counts; n = 0 is the longest common subsequence. */
double rouge_count_score(const wordlist *hyp, const wordlist *ref, int n, budget *left);

/* The package called rouge: sets of n-grams over sentences cut at "."; n = 0 is
 * the union-LCS at summary level. NAN where it raises an exception. */
typedef enum rouge_part { ROUGE_F, ROUGE_P, ROUGE_R } rouge_part;
double rouge_set_score(const runes *hyp, const runes *ref, int n, rouge_part part, budget *left);

/* ---- METEOR (similarity_meteor.c) ---- */

typedef struct wordnet wordnet;

double meteor_score(interner *t, const wordlist *hyp, const wordlist *ref, wordnet *w,
                    budget *left);

/* Porter's stemmer with the changes NLTK makes to it; word is ASCII or not, only
 * ASCII endings are touched. In place; *n shrinks or grows by at most one. */
void porter_stem(runes *word);

/* ---- WordNet 3.0 (wordnet.c) ---- */

/* The dictionary in a folder that holds index.noun, data.noun and so on; NULL
 * when it is not there. Kept until wordnet_close; never changed, so that threads
 * may share it. */
wordnet *wordnet_open(const char *folder);
void wordnet_close(wordnet *w);

/* Call fn with every single-word lemma of every sense of a word, base forms by
 * morphy included. Case as the dictionary has it. */
typedef void wordnet_fn(void *arg, const char *lemma, size_t len);
void wordnet_synonyms(wordnet *w, const char *word, size_t len, wordnet_fn *fn, void *arg);

#endif
