/* evaluate_internal.h - how the measures get their answers. */
#ifndef TRAIN_EVALUATE_INTERNAL_H
#define TRAIN_EVALUATE_INTERNAL_H

#include "train/evaluate.h"
#include "train/rollout.h"
#include "train/score.h"
#include "train/share.h"

/* One cell being measured. */
typedef struct eval_cell {
    reasoner *r;
    const eval_options *o;
    int cell;                /* of the mixture */
    const int *rows;         /* order of a file's rows, or NULL */
    int problems;            /* a seed */
    const char *name;
    const task *task;        /* NULL for a file */
    json_t *out;             /* its figures */
} eval_cell;

/* One problem or row. */
typedef struct eval_item {
    chat chat;
    const task *task;        /* NULL for a row */
    problem problem;
    int row;
    int i_seed;
    int number;              /* of the item in its cell, over all seeds */
} eval_item;

/* How it is to be answered. */
typedef struct eval_how {
    const char *what;        /* for the live line */
    bool thinking;
    effort effort;
    float temperature;
    int group;
    int max_think;
} eval_how;

/* Some items with their answers [n * group], gone after the call. */
typedef struct eval_chunk {
    const eval_item *items;
    const rollout *answers;
    int n, group;
} eval_chunk;

typedef status eval_chunk_fn(void *arg, const eval_chunk *chunk, errtext *err);

/* Ask all items of the cell, many at once, and hand them on chunk by chunk. */
status eval_ask(const eval_cell *c, const eval_how *how, eval_chunk_fn *fn, void *arg,
                errtext *err);

eval_how eval_usual(const eval_cell *c, const char *what);   /* thinking, T = 0 */

/* Whether the answer is right, what it earns, and what its trace is worth. */
typedef struct eval_grade {
    bool right;
    double reward;
    trace_check check;       /* zero without thinking, and for rows */
} eval_grade;

status eval_judge(const eval_cell *c, const eval_item *it, const rollout *o, bool thinking,
                  eval_grade *out, errtext *err);

/* What an answer says, for votes and comparisons; NULL when nothing, else the
 * caller's. */
char *eval_said(const eval_item *it, const rollout *o);

void eval_tell(const eval_cell *c, const char *name, const share *s, double tokens);

/* Attempts that a search trace makes, one cut off included. */
int eval_attempts(const char *think, size_t len);

/* Chance that blind search finds the target within so many attempts, from
 * EVAL_BLIND draws; pure in (seed, number). */
#define EVAL_BLIND 32
double eval_blind(const eval_item *it, uint64_t seed, int attempts);

status eval_early(const eval_cell *c, errtext *err);
status eval_edit(const eval_cell *c, errtext *err);

#endif
