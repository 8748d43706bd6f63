/* regex_dfa.h - deterministic automata over code points, and their algebra.
 *
 * Every language of strings that a grammar needs (patterns, formats, lengths,
 * enumerations, numbers, names of properties) is one of these, so conjunction,
 * disjunction and negation of any mixture are one product construction. A
 * finished automaton is trimmed: from each of its states an accepting one can
 * be reached, which is what keeps a mask from leading into a dead end. */
#ifndef DECODE_REGEX_DFA_H
#define DECODE_REGEX_DFA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define DFA_MAX_STATES 8192      /* of one automaton; more is E_LIMIT */
#define DFA_MAX_EDGES (1 << 20)
#define DFA_INFINITE UINT32_MAX  /* in n_string */

typedef struct dfa_edge {
    uint32_t low, high;          /* code points, both included */
    int32_t to;
} dfa_edge;

typedef struct dfa {
    int n_state;                 /* 0: the empty language. State 0 is the start */
    int32_t *first;              /* [n_state + 1] a state's edges in `edges` */
    dfa_edge *edges;             /* by state, then ascending, never overlapping */
    uint32_t *accept;            /* [n_state] label, 0: not accepting */
    uint32_t *near;              /* [n_state] characters to the next accepting state */
    uint32_t *n_string;          /* [n_state] strings accepted from here, at most
                                  * DFA_INFINITE - 1, or DFA_INFINITE */
    bool *every;                 /* [n_state] accepts every string */
    int32_t (*ascii)[128];       /* [n_state] transitions on ASCII */
} dfa;

void dfa_free(dfa *d);           /* accepts NULL */

/* Where code leads from a state, or -1. Both are in range. */
int32_t dfa_next(const dfa *d, int32_t state, uint32_t code);

/* Whether some character in [low, high] leads on from a state. */
bool dfa_meets(const dfa *d, int32_t state, uint32_t low, uint32_t high);

/* Label of the state that a UTF-8 string leads to; 0 when it is not accepted. */
uint32_t dfa_match(const dfa *d, const char *s, size_t len);

/* A state under construction is a set of states of another machine; this is
 * the part of subset and product construction that both share. */
typedef struct dfa_builder dfa_builder;

/* Name a state by words of its own; returns its number, the same for the same
 * words, or -1 above the limit. New states come to be expanded in order. */
typedef struct dfa_source {
    void *arg;
    /* Add the edges of a state: ranges may come in any order but must not
     * overlap. False gives up (a limit was met). */
    bool (*expand)(void *arg, dfa_builder *b, const int32_t *words, int n);
    uint32_t (*label)(void *arg, const int32_t *words, int n);
} dfa_source;

int32_t dfa_builder_state(dfa_builder *b, const int32_t *words, int n);
void dfa_builder_edge(dfa_builder *b, uint32_t low, uint32_t high, int32_t to);

/* Build all that can be reached from the state called by `start`. E_LIMIT above
 * max_states. */
status dfa_build(dfa **out, const dfa_source *source, const int32_t *start, int n_start,
                 int max_states, errtext *err);

/* One automaton from n: the label of a string is decide(labels of each, 0 where
 * it does not accept). The inputs are kept by the caller. */
typedef uint32_t dfa_decide_fn(void *arg, const uint32_t *labels);

status dfa_product(dfa **out, const dfa *const *in, int n, dfa_decide_fn *decide, void *arg,
                   int max_states, errtext *err);

/* Strings of low to high characters; high < 0: no bound. */
status dfa_of_lengths(dfa **out, int low, int high, errtext *err);

/* Exactly these UTF-8 strings; the label of item i is i + 1. */
typedef struct dfa_text {
    const char *data;
    size_t len;
} dfa_text;

status dfa_of_texts(dfa **out, const dfa_text *texts, int n, errtext *err);

#endif
