/* validate.c - losses and rewards on rows that are never learnt from. */
#include "train/validate.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "train/examples.h"
#include "train/judge.h"
#include "train/rollout.h"

/* The job as if its validation file were its training file, in the file's order. */
static job valid_job(const job *j)
{
    job v = *j;

    v.training_file = j->validation_file;
    v.mixture = NULL;
    return v;
}

static double pack_loss(run *x, float *log_prob)
{
    tape_batch b = pack_batch(&x->pack);
    double sum = 0;

    tape_forward(x->tape, x->threads, &b);
    tape_log_probs(x->tape, x->threads, x->pack.targets, x->pack.n_target, 1, log_prob, NULL);
    for (int i = 0; i < x->pack.n_target; i++) sum -= log_prob[i];
    pack_clear(&x->pack);
    return sum;
}

static status valid_loss(run *x, double *out, errtext *err)
{
    const job v = valid_job(x->job);
    float *log_prob = mem_array((size_t)v.max_rows, sizeof *log_prob);
    examples *e = NULL;
    double sum = 0;
    int64_t cursor = 0, n_target = 0;
    status st = examples_open(&e, &v, err);

    while (st == OK && cursor < examples_count(e) && cursor < v.eval_problems) {
        sequence q;

        if ((st = examples_next(e, x->r, &cursor, &q, err)) != OK) break;
        if (!pack_add_less(&x->pack, q.ids, q.n, q.n_prompt, q.given, 0)) {
            sum += pack_loss(x, log_prob);
            CHECK(pack_add_less(&x->pack, q.ids, q.n, q.n_prompt, q.given, 0));
        }
        n_target += sequence_targets(&q, q.n_prompt);
        sequence_fini(&q);
    }
    if (st == OK && x->pack.n_row) sum += pack_loss(x, log_prob);
    pack_clear(&x->pack);
    *out = n_target ? sum / (double)n_target : 0;
    examples_close(e);
    mem_free(log_prob);
    return st;
}

static status valid_reward(run *x, double *out, errtext *err)
{
    const job v = valid_job(x->job);
    judge *g = NULL;
    judge_item *items = NULL;
    rollout_prompt *prompts = NULL;
    rollout *all = NULL;
    double sum = 0;
    int n = 0, drawn_n = 0;
    status st = judge_open(&g, &v, err);

    if (st == OK) {
        const size_t most = (size_t)(judge_rows(g) < v.eval_problems ? judge_rows(g)
                                                                     : v.eval_problems);
        rollout_options o = {
            .group = 1, .temperature = (float)v.rl.temperature, .max_think = v.rl.max_think,
            .max_answer = v.rl.max_answer, .calculator = v.calculator, .seed = v.seed + 78, .tenant = (uint64_t)x->step + 1,
            .cancel = x->stop,
        };

        n = (int)most;
        items = mem_array(most, sizeof *items);
        prompts = mem_array(most, sizeof *prompts);
        all = mem_array(most, sizeof *all);
        for (; drawn_n < n && st == OK; drawn_n++) {
            st = judge_draw(g, NULL, (uint64_t)drawn_n, &items[drawn_n], err);
            prompts[drawn_n] = (rollout_prompt){ &items[drawn_n].chat, true,
                                                 items[drawn_n].effort, false };
        }
        if (st == OK) st = rollout_run(x->r, &o, prompts, n, all, err);
    }
    for (int i = 0; i < n && st == OK; i++) {
        judge_verdict one;

        judge_grade(g, &items[i], &all[i], &one);
        sum += one.reward;
        rollout_fini(&all[i]);
    }
    for (int i = 0; i < drawn_n; i++) judge_item_fini(&items[i]);
    *out = n ? sum / n : 0;
    mem_free(items);
    mem_free(prompts);
    mem_free(all);
    judge_close(g);
    return st;
}

status validate_file(run *x, bool last, errtext *err)
{
    const bool rl = x->job->stage == STAGE_RL;
    const char *name = rl ? "valid_reward" : "valid_loss";
    char line[120];
    json_t *row;
    double value;
    status st;

    if (!x->job->validation_file || !run_is_time(x, last)) return OK;
    if ((st = rl ? valid_reward(x, &value, err) : valid_loss(x, &value, err)) != OK) return st;
    snprintf(line, sizeof line, "  %s %.4f", name, value);
    x->tell(x->tell_arg, false, line);
    row = json_pack("{s:I, s:f, s:f, s:f}", "step", (json_int_t)x->step, "tokens", x->tokens,
                    "seconds", run_seconds(x), name, value);
    st = metrics_add(x->metrics, row, err);
    json_decref(row);
    return st;
}
