/* evaluate.h - what a model can do, with intervals: the measures of `ponder eval`.
 *
 * Every figure is taken on problems of one split, `problems` a seed, with the
 * share, its 95 % Wilson interval over all seeds, and each seed's own value.
 *
 *   direct   greedy, without thinking
 *   greedy   thinking, temperature 0
 *   t1       thinking, temperature 1, `group` answers a problem: pass@1
 *   pass     pass@k from the same answers (Chen et al. 2021, unbiased)
 *   cons     majority of the first k answers (Wang et al. 2022); not for search
 *   rerank   best of the first k by the exact verifier
 *   attempts search: found within n attempts, beside blind random search
 *   budget   temperature 1, thinking cut off after so many tokens
 *   effort   each effort word: accuracy and mean tokens
 *   early    agreement with the full answer when the thought is cut at shares
 *            of its length (Lanham et al. 2023)
 *   edit     one intermediate value changed: answers that follow it, answers
 *            that ignore it */
#ifndef TRAIN_EVALUATE_H
#define TRAIN_EVALUATE_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#include "base/status.h"
#include "reason/ask.h"
#include "train/mixture.h"
#include "train/score.h"

typedef enum eval_measure {
    EVAL_DIRECT = 1, EVAL_GREEDY = 2, EVAL_T1 = 4, EVAL_ATTEMPTS = 8, EVAL_BUDGET = 16,
    EVAL_EFFORT = 32, EVAL_EARLY = 64, EVAL_EDIT = 128,
} eval_measure;

#define EVAL_ALL 255

/* A measure by name; pass, cons and rerank come with t1. */
bool eval_measure_parse(const char *name, unsigned *out);

typedef struct eval_options {
    const mixture *mixture;
    unsigned measures;
    split split;
    int problems;            /* a seed */
    int seeds;
    uint64_t seed;           /* of the first; the others follow */
    int group;               /* answers a problem, for t1 */
    effort effort;           /* of all measures but `effort` */
    int max_think, max_answer;
    const int *budgets;      /* [n_budget] tokens */
    int n_budget;
    const volatile sig_atomic_t *cancel;
    void (*tell)(void *arg, const char *line);   /* one line a finished figure */
    void *arg;
} eval_options;

/* On OK *out is an object, a member a cell ("chain 5"), the caller's. */
status evaluate(reasoner *r, const eval_options *o, json_t **out, errtext *err);

#endif
