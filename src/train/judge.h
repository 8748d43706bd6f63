/* judge.h - where prompts for reinforcement come from, and what answers earn.
 *
 * Either a mixture of families with their exact verifiers, or the rows of a
 * file with the job's grader. */
#ifndef TRAIN_JUDGE_H
#define TRAIN_JUDGE_H

#include "base/status.h"
#include "reason/ask.h"
#include "tasks/problem.h"
#include "train/job.h"
#include "train/rollout.h"

typedef struct judge judge;

/* One prompt. */
typedef struct judge_item {
    chat chat;
    effort effort;
    int cell;                /* of a mixture; 0 for a file */
    const char *label;       /* the key of a problem, or "row N"; the item's */
    char *label_text;
    const task *task;        /* NULL for a file */
    problem problem;
    int row;
} judge_item;

void judge_item_fini(judge_item *it);

typedef struct judge_verdict {
    double reward;           /* of the verifier or grader */
    trace_check check;       /* well_formed is true where nothing checks traces */
    bool broken;             /* the grader failed: nothing is to be learnt from it */
} judge_verdict;

/* Every row is held against the grader's templates before anything is spent. */
status judge_open(judge **out, const job *j, errtext *err);
void judge_close(judge *g);                      /* accepts NULL */

int64_t judge_rows(const judge *g);              /* of a file; 0: a mixture */
int judge_cells(const judge *g);
const char *judge_cell_name(const judge *g, int cell);
double judge_cell_share(const judge *g, int cell);

/* Prompt number `cursor` of the run; pure in (job, shares, cursor). */
status judge_draw(judge *g, const double *shares, uint64_t cursor, judge_item *out,
                  errtext *err);

void judge_grade(judge *g, const judge_item *it, const rollout *o, judge_verdict *out);

#endif
