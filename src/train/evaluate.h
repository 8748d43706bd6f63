/* evaluate.h - what a model can do, with intervals: the measures of `ponder eval`.
 *
 * A cell is one depth of a family, or the rows of a file with their grader. Every
 * figure is taken on `problems` a seed, with the share that is right, its 95 %
 * interval over all seeds (share.h), and each seed's own value.
 *
 *   direct   greedy, without thinking
 *   greedy   thinking, temperature 0
 *   t1       thinking, temperature 1, `group` answers a problem: pass@1; and for
 *            k = 1, 2, 4 ... group
 *              pass    pass@k (Chen et al. 2021, unbiased)
 *              cons    majority of k answers (Wang et al. 2022); not for search
 *              rerank  of k answers the one that verifier or grader rates best
 *            the latter two over all runs of k answers that lie side by side
 *   attempts search: found within n attempts of one trace at effort high, beside
 *            blind random search with as many
 *   budget   temperature 1, effort high, thinking cut off after so many tokens;
 *            for search beside blind search with as many attempts
 *   effort   each effort word with its budget: accuracy and mean tokens
 *   early    agreement with the full answer when the thought is cut at shares of
 *            its length (Lanham et al. 2023); none is the answer without thinking
 *   edit     one intermediate value of a thought changed: answers that follow it,
 *            and answers that stay as they were
 *
 * A problem is a pure function of (cell, split, seed, number), its draws of (seed,
 * number, count of seeds): no figure depends on what else is measured. */
#ifndef TRAIN_EVALUATE_H
#define TRAIN_EVALUATE_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#include "base/status.h"
#include "reason/ask.h"
#include "tasks/dataset.h"
#include "tasks/grader.h"
#include "train/mixture.h"

typedef enum eval_measure {
    EVAL_DIRECT = 1, EVAL_GREEDY = 2, EVAL_T1 = 4, EVAL_ATTEMPTS = 8, EVAL_BUDGET = 16,
    EVAL_EFFORT = 32, EVAL_EARLY = 64, EVAL_EDIT = 128,
} eval_measure;

#define EVAL_ALL 255
#define EVAL_MAX_BUDGET 32

/* A measure by name; pass, cons and rerank come with t1. */
bool eval_measure_parse(const char *name, unsigned *out);
extern const char eval_measure_names[];          /* for messages */

/* A finished figure. */
typedef struct eval_figure {
    const char *cell;
    const char *name;        /* "greedy", "cons@64", "budget 128" */
    double value, low, high; /* a share and its interval */
    double tokens;           /* generated, mean; 0 where it says nothing */
    int n;                   /* problems */
} eval_figure;

typedef struct eval_options {
    const mixture *mixture;  /* its cells; or, where NULL, the rows of */
    dataset *data;           /* ... a file, kind DATASET_RFT, with */
    const grader *grader;    /* ... its grader */
    const char *data_name;   /* the name of its one cell */
    unsigned measures;
    split split;             /* of a mixture */
    int problems;            /* a seed; of a file, 0: all rows over the seeds */
    int seeds;               /* 1 to SHARE_MAX_SEED; of a file, disjoint parts */
    uint64_t seed;           /* of the first; the others follow */
    int group;               /* answers a problem, for t1 */
    effort effort;           /* of direct, greedy, t1, early and edit */
    int max_think, max_answer;
    bool calculator;         /* marks are calculated (reason/ask.h) */
    const int *budgets;      /* [n_budget] tokens, rising */
    int n_budget;
    const volatile sig_atomic_t *cancel;
    void (*tell)(void *arg, const eval_figure *f);   /* or NULL */
    void (*live)(void *arg, const char *cell, const char *what, int done, int total);
    void *arg;
} eval_options;

/* On OK *out is an object, a member a cell ("chain 5"), the caller's. E_ARG names
 * an option out of range; E_FORMAT a row that its grader cannot use or a grade that
 * failed for no fault of the answer; E_INTERRUPTED. */
status evaluate(reasoner *r, const eval_options *o, json_t **out, errtext *err);

#endif
