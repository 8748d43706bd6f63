/* run.c - opening, saving and ending a run. */
#include "train/run.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "train/merge.h"
#include "train/score.h"

#define SAMPLE_PROBLEMS 6000     /* whose words make a vocabulary */
#define LIVE_ROWS 512            /* sessions that decode at once */

static char *path_in(const job *j, const char *name)
{
    bytes b = { 0 };

    bytes_add_format(&b, "%s/%s", j->output, name);
    return bytes_take(&b);
}

/* ------------------------------------------------------------------ opening */

/* Weights from nothing: the vocabulary is made of the mixture's own prompts. */
static status make_scratch(const job *j, const char *path, errtext *err)
{
    char **texts = mem_array(SAMPLE_PROBLEMS, sizeof *texts);
    status st;

    for (int i = 0; i < SAMPLE_PROBLEMS; i++) {
        drawn d;

        mixture_draw(j->mixture, NULL, SPLIT_TRAIN, j->seed + 0x766f63, (uint64_t)i, &d);
        texts[i] = mem_string(d.problem.prompt);
        problem_fini(&d.problem);
    }
    st = scratch_write(&j->scratch, j->seed, (const char *const *)texts, SAMPLE_PROBLEMS, path,
                       err);
    for (int i = 0; i < SAMPLE_PROBLEMS; i++) mem_free(texts[i]);
    mem_free(texts);
    return st;
}

static status open_model(run *x, errtext *err)
{
    const job *j = x->job;
    reasoner_options o = reasoner_defaults();
    const char *warning = NULL;
    status st = OK;

    if (j->from_scratch) {
        x->model_path = path_in(j, "scratch.gguf");
        if (!file_exists(x->model_path)) st = make_scratch(j, x->model_path, err);
    } else {
        x->model_path = mem_string(j->model);
    }
    o.type = j->lora_rank ? MODEL_KEEP_TYPES : j->dtype;
    o.engine.n_ctx = j->n_ctx;
    o.engine.max_live = LIVE_ROWS;
    o.engine.max_row = 2 * LIVE_ROWS;
    if (st == OK) st = reasoner_open(&x->r, x->model_path, &o, &warning, err);
    if (st == OK && warning) x->tell(x->tell_arg, false, warning);
    if (st == OK) st = weights_open(&x->w, x->model_path, err);
    return st;
}

static json_t *record(const job *j)
{
    return json_deep_copy(j->json);
}

static status write_job(const job *j, errtext *err)
{
    json_t *json = record(j);
    char *text = json_dumps(json, JSON_INDENT(2));
    char *path = path_in(j, "job.json");
    status st = file_replace(path, text, strlen(text), err);

    free(text);
    mem_free(path);
    json_decref(json);
    return st;
}

status run_open(run *out, const job *j, const volatile sig_atomic_t *stop, run_tell *tell,
                void *arg, errtext *err)
{
    run *x = out;
    trainable_options o = { .lora_rank = j->lora_rank, .lora_alpha = (float)j->lora_alpha,
                            .seed = j->seed, .router_balance = (float)j->router_balance };
    param **params;
    status st;

    *x = (run){ .job = j, .stop = stop, .tell = tell, .tell_arg = arg, .started_s = clock_s() };
    if ((st = file_make_dir(j->output, err)) != OK || (st = write_job(j, err)) != OK ||
        (st = open_model(x, err)) != OK)
        return st;
    x->threads = reasoner_pool(x->r);
    if ((st = trainable_new(&x->t, reasoner_model_mutable(x->r), x->w, &o, err)) != OK) return st;
    trainable_publish(x->t, x->threads);
    x->tape = tape_new(x->t, j->max_rows);
    params = mem_array((size_t)trainable_count(x->t), sizeof *params);
    for (int i = 0; i < trainable_count(x->t); i++) params[i] = trainable_param(x->t, i);
    x->opt = optimizer_new(&j->optimizer, params, trainable_count(x->t));
    mem_free(params);
    optimizer_list(x->opt, &x->arrays);
    pack_init(&x->pack, j->max_rows);
    x->state = json_object();
    run_set_length(x, 0, 1);
    return OK;
}

void run_set_length(run *x, int64_t n_example, int per_step)
{
    const job *j = x->job;

    x->steps = j->steps ? j->steps
                        : (n_example * j->n_epoch + per_step - 1) / per_step;
    x->rate = j->rate;
    x->rate.n_step = x->steps;
}

static void warn(void *arg, const char *text)
{
    run *x = arg;

    x->tell(x->tell_arg, false, text);
}

status run_resume(run *x, errtext *err)
{
    char *dir = path_in(x->job, "checkpoints"), *rows = path_in(x->job, "metrics.jsonl");
    checkpoint_head head = { .step = -1 };
    status st = checkpoint_resume(dir, x->job->hash, &x->arrays, &head, warn, x, err);
    char line[160];

    if (st == OK && head.step >= 0) {
        x->step = head.step;
        x->cursor = head.cursor;
        if (head.state) {
            json_decref(x->state);
            x->state = head.state;
        }
        x->tokens = json_number_value(json_object_get(x->state, "tokens"));
        x->spent_s = json_number_value(json_object_get(x->state, "seconds"));
        optimizer_set_steps(x->opt,
                            json_integer_value(json_object_get(x->state, "optimizer_steps")));
        trainable_publish(x->t, x->threads);
        snprintf(line, sizeof line, "going on from step %lld", (long long)x->step);
        x->tell(x->tell_arg, false, line);
    }
    x->first_step = x->step;
    if (st == OK) st = metrics_open(&x->metrics, rows, x->step, false, err);
    trainable_zero(x->t, x->threads);
    mem_free(dir);
    mem_free(rows);
    return st;
}

void run_close(run *x)
{
    metrics_close(x->metrics);
    json_decref(x->state);
    pack_fini(&x->pack);
    checkpoint_list_fini(&x->arrays);
    optimizer_free(x->opt);
    tape_free(x->tape);
    trainable_free(x->t);
    weights_close(x->w);
    reasoner_close(x->r);
    mem_free(x->model_path);
    *x = (run){ 0 };
}

double run_seconds(const run *x)
{
    return x->spent_s + clock_s() - x->started_s;
}

/* ------------------------------------------------------------------- saving */

status run_save(run *x, errtext *err)
{
    char *dir = path_in(x->job, "checkpoints");
    checkpoint_head head = { .step = x->step, .cursor = x->cursor, .seed = x->job->seed,
                             .state = x->state };
    status st;

    json_object_set_new(x->state, "tokens", json_real(x->tokens));
    json_object_set_new(x->state, "seconds", json_real(run_seconds(x)));
    json_object_set_new(x->state, "optimizer_steps", json_integer(optimizer_steps(x->opt)));
    memcpy(head.config, x->job->hash, sizeof head.config);
    st = metrics_sync(x->metrics, err);
    if (st == OK) st = checkpoint_save(dir, &head, &x->arrays, err);
    if (st == OK) st = checkpoint_prune(dir, x->job->keep, err);
    mem_free(dir);
    return st;
}

/* An adapter, merged.gguf: the base weights with it worked in. */
static status write_merged(run *x, errtext *err)
{
    const trainable_options o = { .lora_rank = x->job->lora_rank,
                                  .lora_alpha = (float)x->job->lora_alpha };
    char *path = path_in(x->job, "merged.gguf");
    status st = merge_write(x->t, &o, x->w, (dtype)x->job->dtype, path, x->threads, err);
    char line[600];

    snprintf(line, sizeof line, "wrote %.500s", path);
    if (st == OK) x->tell(x->tell_arg, false, line);
    mem_free(path);
    return st;
}

status run_finish(run *x, errtext *err)
{
    char *path = path_in(x->job, "model.gguf");
    status st = trainable_write(x->t, x->w, x->job->lora_rank ? DTYPE_F32
                                                              : (dtype)x->job->dtype, path, err);
    char line[600];

    if (st == OK) {
        snprintf(line, sizeof line, "wrote %.500s", path);
        x->tell(x->tell_arg, false, line);
    }
    if (st == OK && x->job->lora_rank) st = write_merged(x, err);
    mem_free(path);
    return st;
}

/* ------------------------------------------------------------------ a step */

void run_backward(run *x, float temperature, tape_slope *slope, void *arg, float *log_prob,
                  float *entropy, const float *value_grad)
{
    tape_batch b = pack_batch(&x->pack);

    if (!b.n_row) return;
    tape_forward(x->tape, x->threads, &b);
    tape_backward(x->tape, x->threads, x->pack.targets, x->pack.n_target, temperature, slope, arg,
                  log_prob, entropy, value_grad);
    x->tokens += b.n_row;
}

status run_update(run *x, double scale, optimizer_info *info, errtext *err)
{
    optimizer_step(x->opt, x->threads, schedule_rate(&x->rate, x->step), scale, info);
    if (info->skipped)
        return fail(err, E_FORMAT, "step %lld: the gradient of %s is not finite; the last "
                    "checkpoint is sound", (long long)x->step + 1, info->bad);
    trainable_publish(x->t, x->threads);
    trainable_zero(x->t, x->threads);
    return OK;
}

status run_report(run *x, json_t *row, const char *brief, errtext *err)
{
    const double now = clock_s();
    const int64_t done = x->step - x->first_step;
    const double left_s = done > 0 ? (now - x->started_s) / (double)done *
                                         (double)(x->steps - x->step) : 0;
    char line[400];
    status st;

    json_object_set_new(row, "step", json_integer(x->step));
    json_object_set_new(row, "tokens", json_real(x->tokens));
    json_object_set_new(row, "seconds", json_real(run_seconds(x)));
    st = metrics_add(x->metrics, row, err);
    json_decref(row);
    snprintf(line, sizeof line, "step %lld/%lld  %s  %d:%02d left", (long long)x->step,
             (long long)x->steps, brief, (int)(left_s / 60), (int)left_s % 60);
    x->tell(x->tell_arg, true, line);
    return st;
}

status run_after_step(run *x, bool *go, errtext *err)
{
    const bool end = x->step >= x->steps, stop = x->stop && *x->stop;

    *go = !end && !stop;
    if (end || stop || x->step % x->job->checkpoint_every == 0) {
        status st = run_save(x, err);

        if (st != OK) return st;
    }
    if (stop && !end) return fail(err, E_INTERRUPTED, "stopped at step %lld; the same command goes on",
                                  (long long)x->step);
    return OK;
}

/* --------------------------------------------------------------- evaluation */

bool run_is_time(const run *x, bool last)
{
    const job *j = x->job;

    if (last) return true;
    if (j->eval_every && x->step % j->eval_every == 0) return true;
    for (int i = 0; i < j->n_eval_step; i++)
        if (j->eval_steps[i] == x->step) return true;
    return false;
}

static json_t *score_json(const score *s)
{
    return json_pack("{s:i, s:f, s:f, s:f, s:f}", "n", s->n, "right", score_right(s), "step_true",
                     score_step_true(s), "lucky", score_lucky(s), "tokens", score_tokens(s));
}

status run_evaluate(run *x, bool last, errtext *err)
{
    const job *j = x->job;
    const mixture *m = j->eval_mixture ? j->eval_mixture : j->mixture;
    json_t *row, *cells;
    status st = OK;

    if (!m || !run_is_time(x, last)) return OK;
    cells = json_object();
    for (int c = 0; c < mixture_cells(m) && st == OK; c++) {
        static const char *const names[3] = { "t1", "greedy", "direct" };
        json_t *cell = json_object();
        char line[200];
        double right[3];

        for (int k = 0; k < 3 && st == OK; k++) {
            score_options o = {
                .split = SPLIT_VALID, .seed = j->seed + 77, .problems = j->eval_problems,
                .group = 1, .thinking = k < 2, .effort = EFFORT_MEDIUM,
                .temperature = k ? 0 : 1, .max_think = j->rl.max_think,
                .max_answer = j->rl.max_answer, .tenant = (uint64_t)x->step + 1,
                .cancel = x->stop,
            };
            score s;

            st = score_cell(x->r, m, c, &o, &s, err);
            if (st == OK) json_object_set_new(cell, names[k], score_json(&s));
            if (st == OK) right[k] = score_right(&s);
        }
        if (st == OK) {
            snprintf(line, sizeof line, "  valid %-14s T=1 %5.1f %%  greedy %5.1f %%  direct %5.1f %%",
                     mixture_cell_name(m, c), 100 * right[0], 100 * right[1], 100 * right[2]);
            x->tell(x->tell_arg, false, line);
        }
        json_object_set_new(cells, mixture_cell_name(m, c), cell);
    }
    if (st != OK) {
        json_decref(cells);
        return st;
    }
    row = json_pack("{s:I, s:f, s:f, s:o}", "step", (json_int_t)x->step, "tokens", x->tokens,
                    "seconds", run_seconds(x), "eval", cells);
    st = metrics_add(x->metrics, row, err);
    json_decref(row);
    return st;
}
