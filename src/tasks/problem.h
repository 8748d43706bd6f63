/* problem.h - procedural problems: families, splits, verifiers, step checkers.
 *
 * A problem is a pure function of (family, split, seed, index, depth, effort).
 * Its key is its canonical, machine-readable content: it alone decides the
 * answer, the split (by hash, so that splits are disjoint by construction) and
 * the verdict on an answer or a trace. No model is known here. */
#ifndef TASKS_PROBLEM_H
#define TASKS_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

/* Of 20 hash values 16 train, 2 validate, 2 test. */
typedef enum split { SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST } split;

/* How long the worked trace is: search makes up to 4, 12 or 32 attempts; a
 * problem with one right answer is worked once, and a second time as a check at
 * high effort. */
typedef enum trace_effort { TRACE_LOW, TRACE_MEDIUM, TRACE_HIGH } trace_effort;

typedef struct problem {
    char *key;           /* one line of ASCII */
    char *prompt;        /* English, as a user would ask */
    char *think;         /* worked trace, without think marks */
    char *answer;        /* canonical; what the trace arrives at */
    int depth;
    bool solved;         /* search families: the trace found an answer */
} problem;

void problem_fini(problem *p);       /* accepts a zeroed problem */

/* What a trace is worth, step by step, by parsing it alone. */
typedef struct trace_check {
    int n_step;          /* steps found */
    int n_true;          /* of these, true and the step the problem asks for */
    int n_attempt;       /* search: attempts, of which */
    int n_repeat;        /* ... made before in the same trace */
    bool well_formed;    /* only steps of the family's grammar, none missing */
} trace_check;

typedef struct task {
    const char *name;            /* "chain" */
    const char *about;           /* for people: one short line */
    int min_depth, max_depth;    /* what depth counts is told in the .c file */
    bool search;                 /* many right answers, cheap to check */

    /* Draw a problem's key for this depth. */
    char *(*draw)(rng *r, int depth);
    /* Its prompt in one of several phrasings, and the trace and answer. All
     * strings are the caller's (mem_free). */
    void (*tell)(problem *p, const char *key, rng *r, trace_effort effort);
    /* 1 when the answer is right, else 0; never for an empty answer, a constant,
     * the copied prompt or a list of all options. */
    double (*grade)(const char *key, const char *answer, size_t len);
    void (*check)(const char *key, const char *think, size_t len, trace_check *out);
    /* Change one intermediate value of a trace (chosen by r): *prefix is the
     * trace up to and including the changed value (and the character behind it,
     * where more of the value could follow), *follows the answer that is right
     * if one believes it. False where the trace has no such place; NULL
     * where the family has none. */
    bool (*edit)(const char *key, const char *think, size_t len, rng *r, char **prefix,
                 char **follows);
} task;

int tasks_count(void);
const task *task_at(int i);
const task *task_find(const char *name);         /* NULL when there is none */

split key_split(const task *t, const char *key);

/* Problem number index of a split: keys are drawn from streams of (seed, index)
 * until one falls into the split. Phrasing and trace come from the same stream. */
void problem_make(const task *t, split s, uint64_t seed, uint64_t index, int depth,
                  trace_effort effort, problem *out);

/* The problem of a given key, one that t->draw could give at this depth. Phrasing
 * and trace are drawn from r. */
void problem_tell(const task *t, const char *key, int depth, rng *r, trace_effort effort,
                  problem *out);

#endif
