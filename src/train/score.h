/* score.h - a policy measured on the problems of one cell. */
#ifndef TRAIN_SCORE_H
#define TRAIN_SCORE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "reason/ask.h"
#include "train/mixture.h"
#include "train/rollout.h"

typedef struct score_options {
    split split;
    uint64_t seed;           /* of the problems, and of the draws */
    uint64_t first;          /* number of the first problem */
    int problems;
    int group;               /* answers a problem */
    bool thinking;
    effort effort;
    float temperature;
    int max_think, max_answer;
    uint64_t tenant;
    const volatile sig_atomic_t *cancel;
} score_options;

/* Sums over all answers; the shares below are of these. */
typedef struct score {
    int n;                   /* answers */
    int n_right;
    int n_lucky;             /* right, with a step that is not true */
    int n_checked;           /* answers whose trace had steps */
    int64_t n_step, n_true;
    int64_t n_token;         /* generated, thoughts included */
    int64_t n_think;
    int n_cut;               /* thoughts cut off by the budget */
} score;

double score_right(const score *s);
double score_step_true(const score *s);          /* of all steps; 1 when there are none */
double score_lucky(const score *s);              /* of all answers */
double score_tokens(const score *s);             /* mean */

/* One graded answer. */
typedef struct graded {
    bool right;
    trace_check check;       /* zero without thinking */
} graded;

graded grade_rollout(const task *t, const char *key, const rollout *o, bool thinking);

void score_add(score *s, const graded *g, const rollout *o);

/* Problems `first` onwards of a cell. */
status score_cell(reasoner *r, const mixture *m, int cell, const score_options *o, score *out,
                  errtext *err);

/* The same, keeping all: drawn [problems] and rollouts [problems * group], to be
 * released by score_release. */
status score_rollouts(reasoner *r, const mixture *m, int cell, const score_options *o,
                      drawn **problems, rollout **rollouts, errtext *err);
void score_release(const score_options *o, drawn *problems, rollout *rollouts);

#endif
