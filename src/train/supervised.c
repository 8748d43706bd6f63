/* supervised.c - learning from worked examples: pretraining and fine-tuning.
 *
 * A step draws examples until its rows are full; the loss is the mean negative
 * log-prob of the targets: every token when pretraining, else the completion.
 * Which examples a step sees depends on the data cursor alone. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "train/examples.h"
#include "train/run.h"
#include "train/validate.h"

typedef struct sums {
    double loss;
    int64_t n_target;
    int64_t n_row;
    float *log_prob;             /* [max_rows] of one pass */
} sums;

static float minus_one(void *arg, int i, float log_prob)
{
    (void)arg;
    (void)i;
    (void)log_prob;
    return -1;
}

static void flush(run *x, sums *s)
{
    run_backward(x, 1, minus_one, NULL, s->log_prob, NULL, NULL);
    for (int i = 0; i < x->pack.n_target; i++) s->loss -= s->log_prob[i];
    s->n_target += x->pack.n_target;
    s->n_row += x->pack.n_row;
    pack_clear(&x->pack);
}

/* Examples of one step into passes; backward as the passes fill. */
static status one_batch(run *x, examples *e, sums *s, errtext *err)
{
    const job *j = x->job;
    int rows = 0;

    for (int n = 0; j->mixture ? rows < j->batch_tokens : n < j->batch_size; n++) {
        sequence q;
        int first;
        status st = examples_next(e, x->r, &x->cursor, &q, err);

        if (st != OK) return st;
        first = j->stage == STAGE_PRETRAIN ? 1 : q.n_prompt;
        if (!pack_add_less(&x->pack, q.ids, q.n, first, q.given, n)) {
            flush(x, s);
            CHECK(pack_add_less(&x->pack, q.ids, q.n, first, q.given, n));
        }
        rows += q.n - 1;
        sequence_fini(&q);
    }
    flush(x, s);
    return OK;
}

static status one_step(run *x, examples *e, float *log_prob, errtext *err)
{
    const double from_s = clock_s();
    sums s = { .log_prob = log_prob };
    optimizer_info info;
    char brief[160];
    double loss, rate = schedule_rate(&x->rate, x->step), took;
    status st = one_batch(x, e, &s, err);

    if (st == OK) st = run_update(x, 1.0 / (double)s.n_target, &info, err);
    if (st != OK) return st;
    x->step++;
    loss = s.loss / (double)s.n_target;
    took = clock_s() - from_s;
    snprintf(brief, sizeof brief, "loss %.4f  rate %.2e  norm %.2f  %.0f tok/s", loss, rate,
             info.norm, (double)s.n_row / took);
    return run_report(x, json_pack("{s:f, s:f, s:f, s:I, s:f}", "loss", loss, "rate", rate,
                                   "norm", info.norm, "targets", (json_int_t)s.n_target,
                                   "tok_s", (double)s.n_row / took), brief, err);
}

status train_supervised(const job *j, const volatile sig_atomic_t *stop, run_tell *tell,
                        void *arg, errtext *err)
{
    run x;
    examples *e = NULL;
    float *log_prob = mem_array((size_t)j->max_rows, sizeof *log_prob);
    bool go = true;
    status st = run_open(&x, j, stop, tell, arg, err);

    if (st == OK) st = run_resume(&x, err);
    if (st == OK) st = examples_open(&e, j, err);
    if (st == OK) run_set_length(&x, examples_count(e), j->batch_size);
    if (st == OK && x.step >= x.steps) go = false;
    else if (st == OK && x.step == 0) st = run_evaluate(&x, false, err);
    if (st == OK && x.step == 0) st = validate_file(&x, false, err);
    while (st == OK && go) {
        st = one_step(&x, e, log_prob, err);
        if (st == OK) st = run_evaluate(&x, x.step == x.steps, err);
        if (st == OK) st = validate_file(&x, x.step == x.steps, err);
        if (st == OK) st = run_after_step(&x, &go, err);
    }
    if (st == OK) st = run_finish(&x, err);
    examples_close(e);
    run_close(&x);
    mem_free(log_prob);
    return st;
}
