/* run.h - what every stage of training stands on: the model that samples and
 * learns, its optimizer, and the run's folder.
 *
 *   OUTPUT/job.json            the job as it was read
 *   OUTPUT/metrics.jsonl       one row a step, one an evaluation
 *   OUTPUT/checkpoints/step-N  weights, moments, cursor (checkpoint.h)
 *   OUTPUT/model.gguf          at the end: the whole model, or the adapter
 *
 * A run that is started again goes on from its newest sound checkpoint, to the
 * bits it would have had. */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/backward.h"
#include "reason/ask.h"
#include "train/checkpoint.h"
#include "train/job.h"
#include "train/metrics.h"
#include "train/optimizer.h"
#include "train/pack.h"

/* One line for people: what is new since the last. `live` lines replace each
 * other on a terminal. */
typedef void run_tell(void *arg, bool live, const char *line);

typedef struct run {
    const job *job;
    const volatile sig_atomic_t *stop;       /* non-zero: end after this step */
    run_tell *tell;
    void *tell_arg;

    char *model_path;
    reasoner *r;
    weights *w;
    trainable *t;
    tape *tape;
    pool *threads;
    optimizer *opt;
    checkpoint_list arrays;      /* what a checkpoint holds; a stage may add */
    metrics *metrics;
    pack pack;

    int64_t steps;               /* in all: the job's, or what its epochs come to */
    schedule rate;               /* the job's, with steps filled in */
    int64_t step;                /* steps done */
    int64_t cursor;              /* examples drawn */
    double tokens;               /* trained on and sampled, in all */
    double spent_s;              /* of work in earlier starts */
    double started_s;
    int64_t first_step;          /* of this start */
    double told_s;
    json_t *state;               /* what the stage keeps; saved with a checkpoint */
} run;

/* Open everything but the checkpoint; on OK *out is the caller's. */
status run_open(run *out, const job *j, const volatile sig_atomic_t *stop, run_tell *tell,
                void *arg, errtext *err);

/* Steps of a job that counts epochs over n examples, per_step of them a step; a
 * job that says its steps keeps them. Called before the first step. */
void run_set_length(run *x, int64_t n_example, int per_step);

/* Load the newest checkpoint, if there is one, and open the metrics. After the
 * stage has added its arrays. */
status run_resume(run *x, errtext *err);
void run_close(run *x);                          /* accepts a zeroed run */

status run_save(run *x, errtext *err);           /* a checkpoint of this step */

/* Forward and backward of the rows packed so far, which are then cleared. */
void run_backward(run *x, float temperature, tape_slope *slope, void *arg, float *log_prob,
                  float *entropy, const float *value_grad);

/* Step the optimizer with gradients times scale, publish, clear the gradients.
 * E_FORMAT when gradients are not finite. */
status run_update(run *x, double scale, optimizer_info *info, errtext *err);

/* Row of a step: written, and told. Takes row. */
status run_report(run *x, json_t *row, const char *brief, errtext *err);

/* After a step: checkpoint when it is time. *go is false at the end or when the
 * run is to stop (a checkpoint is then on disk). */
status run_after_step(run *x, bool *go, errtext *err);

double run_seconds(const run *x);                /* of work, all starts */

/* Is this step one after which the job wants an evaluation? The last always is. */
bool run_is_time(const run *x, bool last);

/* Evaluate the cells of the job's evaluation mixture on validation problems
 * when it is time (also before the first step), and write a row. */
status run_evaluate(run *x, bool last, errtext *err);

/* The finished model, in the run's folder; of adapters the base model with them
 * worked in, too (merged.gguf). */
status run_finish(run *x, errtext *err);

/* The stages; each opens, trains to the end and closes. E_INTERRUPTED when it
 * was stopped: a later start goes on. */
status train_supervised(const job *j, const volatile sig_atomic_t *stop, run_tell *tell,
                        void *arg, errtext *err);
status train_preference(const job *j, const volatile sig_atomic_t *stop, run_tell *tell,
                        void *arg, errtext *err);
status train_reinforce(const job *j, const volatile sig_atomic_t *stop, run_tell *tell,
                       void *arg, errtext *err);

#endif
