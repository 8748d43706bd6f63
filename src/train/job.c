/* job.c - reading and checking a job, key by key. */
#include "train/job.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/jsonfile.h"
#include "tensor/dtype.h"

#define MAX_JOB_BYTES (16 << 20)
#define MAX_VALUES 1000000

/* Keys of an object beyond `known` (ends with NULL) are refused: a misspelt
 * setting must not run for hours at its default. */
static status only(const json_t *object, const char *const *known, const char *where,
                   errtext *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value) {
        bool found = false;

        for (int i = 0; known[i]; i++) found |= !strcmp(known[i], key);
        if (!found) return fail(err, E_FORMAT, "%s.%.80s: no such key", where, key);
    }
    return OK;
}

static status object_at(const json_t *parent, const char *key, const json_t **out,
                        const char *where, errtext *err)
{
    *out = json_object_get(parent, key);
    if (json_is_null(*out)) *out = NULL;
    if (*out && !json_is_object(*out))
        return fail(err, E_FORMAT, "%s.%s: an object expected", where, key);
    return OK;
}

static status own_text(const json_t *object, const char *key, char **out, const char *where,
                       errtext *err)
{
    const char *text = NULL;
    status st = jsonfile_text(object, key, &text, where, err);

    if (st == OK && text) *out = mem_string(text);
    return st;
}

/* "auto" stands for the default. */
static bool is_auto(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_string(v) && !strcmp(json_string_value(v), "auto");
}

static status auto_int(const json_t *object, const char *key, int64_t low, int64_t high,
                       int *out, const char *where, errtext *err)
{
    return is_auto(object, key) ? OK : jsonfile_int(object, key, low, high, out, where, err);
}

static status auto_float(const json_t *object, const char *key, double low, double high,
                         double *out, const char *where, errtext *err)
{
    return is_auto(object, key) ? OK : jsonfile_float(object, key, low, high, out, where, err);
}

/* ------------------------------------------------------------------- method */

static status read_hyper(job *j, const json_t *h, const char *where, double *rate_factor,
                         double *compute, errtext *err)
{
    static const char *const keys[] = {
        "batch_size", "learning_rate_multiplier", "n_epochs", "beta", "reasoning_effort",
        "compute_multiplier", "eval_interval", "eval_samples", NULL,
    };
    const char *e = NULL;
    status st;

    if (!h) return OK;
    if ((st = only(h, keys, where, err)) != OK ||
        (st = auto_int(h, "batch_size", 1, 4096, &j->batch_size, where, err)) != OK ||
        (st = auto_float(h, "learning_rate_multiplier", 1e-9, 1e6, rate_factor, where, err)) != OK ||
        (st = auto_int(h, "n_epochs", 1, 1000, &j->n_epoch, where, err)) != OK ||
        (st = auto_float(h, "beta", 1e-6, 2, &j->dpo_beta, where, err)) != OK ||
        (st = auto_float(h, "compute_multiplier", 1e-5, 10, compute, where, err)) != OK ||
        (st = auto_int(h, "eval_interval", 1, 1 << 30, &j->eval_every, where, err)) != OK ||
        (st = auto_int(h, "eval_samples", 1, 1 << 20, &j->eval_problems, where, err)) != OK ||
        (st = jsonfile_text(h, "reasoning_effort", &e, where, err)) != OK)
        return st;
    if (e && strcmp(e, "default")) {
        if (strcmp(e, "low") && strcmp(e, "medium") && strcmp(e, "high"))
            return fail(err, E_ARG, "%s.reasoning_effort: %.40s is none of default, low, medium, "
                        "high", where, e);
        effort_parse(e, &j->effort);
    }
    return OK;
}

static status read_method(job *j, const json_t *root, double *rate_factor, double *compute,
                          errtext *err)
{
    static const char *const inner_keys[] = { "hyperparameters", "grader", "response_format", NULL };
    const json_t *method, *inner, *hyper = NULL;
    const char *type = NULL;
    char where[64];
    status st;

    if ((st = object_at(root, "method", &method, "job", err)) != OK || !method) return st;
    if ((st = jsonfile_text(method, "type", &type, "job.method", err)) != OK) return st;
    if (!type) return fail(err, E_FORMAT, "job.method.type: missing");
    if (!strcmp(type, "supervised")) j->stage = STAGE_SFT;
    else if (!strcmp(type, "dpo")) j->stage = STAGE_DPO;
    else if (!strcmp(type, "reinforcement")) j->stage = STAGE_RL;
    else
        return fail(err, E_ARG, "job.method.type: %.40s is none of supervised, dpo, reinforcement",
                    type);
    if ((st = only(method, (const char *const[]){ "type", type, NULL }, "job.method", err)) != OK ||
        (st = object_at(method, type, &inner, "job.method", err)) != OK || !inner)
        return st;
    snprintf(where, sizeof where, "job.method.%s", type);
    if ((st = only(inner, inner_keys, where, err)) != OK ||
        (st = object_at(inner, "hyperparameters", &hyper, where, err)) != OK)
        return st;
    j->grader = json_object_get(inner, "grader");
    if (jsonfile_has(inner, "response_format"))
        return fail(err, E_UNSUPPORTED, "%s.response_format: rollouts are not constrained yet",
                    where);
    snprintf(where, sizeof where, "job.method.%s.hyperparameters", type);
    return read_hyper(j, hyper, where, rate_factor, compute, err);
}

/* ------------------------------------------------------------------- ponder */

/* One of several words. */
static status word(const json_t *object, const char *key, const char *const *names, int *out,
                   const char *where, errtext *err)
{
    const char *text = NULL;
    status st = jsonfile_text(object, key, &text, where, err);

    if (st != OK || !text) return st;
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], text)) {
            *out = i;
            return OK;
        }
    return fail(err, E_ARG, "%s.%s: %.40s is not known; the first choice is %s", where, key, text,
                names[0]);
}

static status read_rl(job_rl *r, const json_t *o, errtext *err)
{
    static const char *const keys[] = {
        "groups", "group_size", "max_think", "max_answer", "temperature", "advantage",
        "overlong", "ratio", "clip_low", "clip_high", "kl", "updates", "max_refill",
        "curriculum", "curriculum_floor", "format_gate", "process", "replay", "gamma",
        "lambda", "value_rate", NULL,
    };
    static const char *const advantages[] = { "center", "zscore", "gae", NULL };
    static const char *const overlongs[] = { "zero", "keep", "mask", NULL };
    static const char *const ratios[] = { "token", "sequence", NULL };
    static const char w[] = "job.ponder.rl";
    int advantage = (int)r->advantage, overlong = (int)r->overlong, ratio = 0;
    status st;

    if (!o) return OK;
    if ((st = only(o, keys, w, err)) != OK ||
        (st = jsonfile_int(o, "groups", 1, 1 << 16, &r->groups, w, err)) != OK ||
        (st = jsonfile_int(o, "group_size", 2, 1024, &r->group_size, w, err)) != OK ||
        (st = jsonfile_int(o, "max_think", 1, 1 << 20, &r->max_think, w, err)) != OK ||
        (st = jsonfile_int(o, "max_answer", 1, 1 << 20, &r->max_answer, w, err)) != OK ||
        (st = jsonfile_float(o, "temperature", 0.01, 100, &r->temperature, w, err)) != OK ||
        (st = word(o, "advantage", advantages, &advantage, w, err)) != OK ||
        (st = word(o, "overlong", overlongs, &overlong, w, err)) != OK ||
        (st = word(o, "ratio", ratios, &ratio, w, err)) != OK)
        return st;
    if (ratio) {
        r->clip_low = 3e-4;
        r->clip_high = 4e-4;
    }
    r->sequence_ratio = ratio == 1;
    r->advantage = (rl_advantage)advantage;
    r->overlong = (rl_overlong)overlong;
    if ((st = jsonfile_float(o, "clip_low", 0, 1, &r->clip_low, w, err)) != OK ||
        (st = jsonfile_float(o, "clip_high", 0, 100, &r->clip_high, w, err)) != OK ||
        (st = jsonfile_float(o, "kl", 0, 100, &r->kl, w, err)) != OK ||
        (st = jsonfile_int(o, "updates", 1, 64, &r->updates, w, err)) != OK ||
        (st = jsonfile_int(o, "max_refill", 0, 16, &r->max_refill, w, err)) != OK ||
        (st = jsonfile_bool(o, "curriculum", &r->curriculum, w, err)) != OK ||
        (st = jsonfile_float(o, "curriculum_floor", 0, 1, &r->curriculum_floor, w, err)) != OK ||
        (st = jsonfile_float(o, "format_gate", 0, 1, &r->format_gate, w, err)) != OK ||
        (st = jsonfile_float(o, "process", 0, 1, &r->process, w, err)) != OK ||
        (st = jsonfile_float(o, "replay", 0, 1, &r->replay, w, err)) != OK ||
        (st = jsonfile_float(o, "gamma", 0, 1, &r->gamma, w, err)) != OK ||
        (st = jsonfile_float(o, "lambda", 0, 1, &r->lambda, w, err)) != OK ||
        (st = jsonfile_float(o, "value_rate", 0, 10, &r->value_rate, w, err)) != OK)
        return st;
    if (r->advantage == ADVANTAGE_GAE && r->sequence_ratio)
        return fail(err, E_ARG, "%s.ratio: sequence does not go with advantage gae", w);
    return OK;
}

static status read_scratch(job *j, const json_t *o, errtext *err)
{
    static const char *const keys[] = { "name", "layers", "d_model", "heads", "heads_kv",
                                        "d_head", "d_ff", "context", "vocabulary",
                                        "rope_layers", NULL };
    static const char w[] = "job.ponder.scratch";
    scratch_shape *s = &j->scratch;
    const json_t *rope;
    const char *name = "nano";
    status st;

    if (!o) return OK;
    j->from_scratch = true;
    *s = (scratch_shape){ .n_layer = 6, .d_model = 192, .n_head = 6, .n_head_kv = 6,
                          .d_head = 32, .d_ff = 512, .n_ctx = 1024, .n_vocab = 768 };
    if ((st = only(o, keys, w, err)) != OK ||
        (st = jsonfile_text(o, "name", &name, w, err)) != OK ||
        (st = jsonfile_int(o, "layers", 1, 256, &s->n_layer, w, err)) != OK ||
        (st = jsonfile_int(o, "d_model", 32, 16384, &s->d_model, w, err)) != OK ||
        (st = jsonfile_int(o, "heads", 1, 256, &s->n_head, w, err)) != OK ||
        (st = jsonfile_int(o, "heads_kv", 1, 256, &s->n_head_kv, w, err)) != OK ||
        (st = jsonfile_int(o, "d_head", 2, 256, &s->d_head, w, err)) != OK ||
        (st = jsonfile_int(o, "d_ff", 32, 65536, &s->d_ff, w, err)) != OK ||
        (st = jsonfile_int(o, "context", 64, 1 << 20, &s->n_ctx, w, err)) != OK ||
        (st = jsonfile_int(o, "vocabulary", SCRATCH_MIN_VOCAB, 1 << 17, &s->n_vocab, w, err)) != OK)
        return st;
    snprintf(s->name, sizeof s->name, "%s", name);
    rope = json_object_get(o, "rope_layers");
    if (rope && (!json_is_array(rope) || json_array_size(rope) > 16))
        return fail(err, E_FORMAT, "%s.rope_layers: a list of at most 16 numbers expected", w);
    for (size_t i = 0; i < json_array_size(rope); i++) {
        const json_t *v = json_array_get(rope, i);

        if (!json_is_integer(v) || json_integer_value(v) < 0 ||
            json_integer_value(v) >= s->n_layer)
            return fail(err, E_LIMIT, "%s.rope_layers[%zu]: a layer from 0 to %d expected", w, i,
                        s->n_layer - 1);
        j->scratch_rope[s->n_rope++] = (int)json_integer_value(v);
    }
    s->rope_layers = j->scratch_rope;
    return OK;
}

static status read_optimizer(job *j, const json_t *o, errtext *err)
{
    static const char *const keys[] = { "beta1", "beta2", "eps", "weight_decay", "clip", "muon",
                                        "muon_momentum", "muon_rate", NULL };
    static const char w[] = "job.ponder.optimizer";
    double beta1 = j->optimizer.beta1, beta2 = j->optimizer.beta2, eps = 1e-8, momentum = 0.95;
    double decay = j->optimizer.decay, clip = j->optimizer.clip, muon_rate = 20;
    status st;

    if (o && ((st = only(o, keys, w, err)) != OK ||
              (st = jsonfile_float(o, "beta1", 0, 0.99999, &beta1, w, err)) != OK ||
              (st = jsonfile_float(o, "beta2", 0, 0.99999, &beta2, w, err)) != OK ||
              (st = jsonfile_float(o, "eps", 1e-15, 1, &eps, w, err)) != OK ||
              (st = jsonfile_float(o, "weight_decay", 0, 10, &decay, w, err)) != OK ||
              (st = jsonfile_float(o, "clip", 0, 1e9, &clip, w, err)) != OK ||
              (st = jsonfile_bool(o, "muon", &j->optimizer.muon, w, err)) != OK ||
              (st = jsonfile_float(o, "muon_momentum", 0, 0.9999, &momentum, w, err)) != OK ||
              (st = jsonfile_float(o, "muon_rate", 1e-6, 1e6, &muon_rate, w, err)) != OK))
        return st;
    j->optimizer.beta1 = (float)beta1;
    j->optimizer.beta2 = (float)beta2;
    j->optimizer.eps = (float)eps;
    j->optimizer.decay = (float)decay;
    j->optimizer.clip = (float)clip;
    j->optimizer.muon_momentum = (float)momentum;
    j->optimizer.muon_rate = (float)muon_rate;
    return OK;
}

static status read_eval_steps(job *j, const json_t *list, errtext *err)
{
    if (!list) return OK;
    if (!json_is_array(list) || json_array_size(list) > 32)
        return fail(err, E_FORMAT, "job.ponder.eval_steps: a list of at most 32 steps expected");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);

        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return fail(err, E_FORMAT, "job.ponder.eval_steps[%zu]: a step expected", i);
        j->eval_steps[j->n_eval_step++] = json_integer_value(v);
    }
    return OK;
}

static status read_mixtures(job *j, const json_t *o, errtext *err)
{
    static const char *const names[3] = { "mixture", "eval", "replay" };
    mixture **to[3] = { &j->mixture, &j->eval_mixture, &j->replay_mixture };

    for (int i = 0; i < 3; i++) {
        const json_t *list = json_object_get(o, names[i]);
        char where[64];
        status st;

        if (!list || json_is_null(list)) continue;
        snprintf(where, sizeof where, "job.ponder.%s", names[i]);
        if ((st = mixture_parse(to[i], list, where, err)) != OK) return st;
    }
    return OK;
}

static status read_ponder(job *j, const json_t *o, double rate_factor, errtext *err)
{
    static const char *const keys[] = {
        "output", "stage", "scratch", "dtype", "context", "steps", "batch_tokens", "max_rows",
        "learning_rate", "schedule", "warmup", "floor", "optimizer", "lora", "router_balance",
        "checkpoint_every", "keep", "eval_every", "eval_problems", "eval_steps", "log_rollouts",
        "mixture", "eval", "replay", "rl", "calculator", NULL,
    };
    static const char *const stages[] = { "pretrain", "sft", "dpo", "rl", NULL };
    static const char *const dtypes[] = { "bf16", "f32", NULL };
    static const char *const schedules[] = { "constant", "cosine", "linear", NULL };
    static const char *const lora_keys[] = { "rank", "alpha", NULL };
    static const char w[] = "job.ponder";
    const json_t *scratch, *adam, *lora, *rl;
    int stage = (int)j->stage, type = 0, kind = (int)j->rate.kind, steps = 0, warm = 50;
    status st;

    if ((st = only(o, keys, w, err)) != OK ||
        (st = own_text(o, "output", &j->output, w, err)) != OK ||
        (st = word(o, "stage", stages, &stage, w, err)) != OK ||
        (st = object_at(o, "scratch", &scratch, w, err)) != OK ||
        (st = read_scratch(j, scratch, err)) != OK ||
        (st = word(o, "dtype", dtypes, &type, w, err)) != OK ||
        (st = jsonfile_int(o, "context", 64, 1 << 20, &j->n_ctx, w, err)) != OK ||
        (st = jsonfile_int(o, "steps", 1, 1 << 30, &steps, w, err)) != OK ||
        (st = jsonfile_int(o, "batch_tokens", 64, 1 << 24, &j->batch_tokens, w, err)) != OK ||
        (st = jsonfile_int(o, "max_rows", 64, 1 << 20, &j->max_rows, w, err)) != OK)
        return st;
    j->stage = (job_stage)stage;
    if (j->stage == STAGE_RL) {
        j->rate = (schedule){ .kind = SCHEDULE_CONSTANT, .peak = 1e-4, .floor = 1, .n_warm = 5 };
        j->optimizer.beta2 = 0.95f;
        j->optimizer.decay = 0;
        warm = 5;
        kind = (int)SCHEDULE_CONSTANT;
    }
    if ((st = jsonfile_float(o, "learning_rate", 1e-12, 10, &j->rate.peak, w, err)) != OK ||
        (st = word(o, "schedule", schedules, &kind, w, err)) != OK ||
        (st = jsonfile_int(o, "warmup", 0, 1 << 30, &warm, w, err)) != OK ||
        (st = jsonfile_float(o, "floor", 0, 1, &j->rate.floor, w, err)) != OK ||
        (st = object_at(o, "optimizer", &adam, w, err)) != OK ||
        (st = read_optimizer(j, adam, err)) != OK ||
        (st = object_at(o, "lora", &lora, w, err)) != OK ||
        (st = jsonfile_float(o, "router_balance", 0, 100, &j->router_balance, w, err)) != OK ||
        (st = jsonfile_int(o, "checkpoint_every", 1, 1 << 30, &j->checkpoint_every, w, err)) != OK ||
        (st = jsonfile_int(o, "keep", 2, 1 << 20, &j->keep, w, err)) != OK ||
        (st = jsonfile_int(o, "eval_every", 0, 1 << 30, &j->eval_every, w, err)) != OK ||
        (st = jsonfile_int(o, "eval_problems", 1, 1 << 20, &j->eval_problems, w, err)) != OK ||
        (st = jsonfile_int(o, "log_rollouts", -1, 1 << 20, &j->log_rollouts, w, err)) != OK ||
        (st = jsonfile_bool(o, "calculator", &j->calculator, w, err)) != OK ||
        (st = read_eval_steps(j, json_object_get(o, "eval_steps"), err)) != OK ||
        (st = read_mixtures(j, o, err)) != OK || (st = object_at(o, "rl", &rl, w, err)) != OK ||
        (st = read_rl(&j->rl, rl, err)) != OK)
        return st;
    if (lora) {
        j->lora_rank = 16;
        if ((st = only(lora, lora_keys, "job.ponder.lora", err)) != OK ||
            (st = jsonfile_int(lora, "rank", 1, 4096, &j->lora_rank, w, err)) != OK ||
            (st = jsonfile_float(lora, "alpha", 1e-3, 1e6, &j->lora_alpha, w, err)) != OK)
            return st;
    }
    j->dtype = type ? DTYPE_F32 : DTYPE_BF16;
    j->steps = steps;
    j->rate.kind = (schedule_kind)kind;
    j->rate.peak *= rate_factor;
    j->rate.n_warm = warm;
    return OK;
}

/* --------------------------------------------------------------------- whole */

static status check_whole(job *j, const char *where, errtext *err)
{
    if (!j->output) return fail(err, E_FORMAT, "%s: ponder.output: missing", where);
    if (!j->model && !j->from_scratch) return fail(err, E_FORMAT, "%s: model: missing", where);
    if (j->model && j->from_scratch)
        return fail(err, E_ARG, "%s: ponder.scratch: model names one already", where);
    if (!j->mixture && !j->training_file)
        return fail(err, E_FORMAT, "%s: training_file: missing, and no ponder.mixture", where);
    if (j->mixture && j->training_file)
        return fail(err, E_ARG, "%s: ponder.mixture: training_file names the data already", where);
    if (j->stage == STAGE_DPO && !j->training_file)
        return fail(err, E_ARG, "%s: training_file: dpo needs pairs of answers", where);
    if (j->stage == STAGE_DPO && j->validation_file)
        return fail(err, E_UNSUPPORTED, "%s: validation_file: dpo does not use one", where);
    if (j->stage == STAGE_DPO && j->calculator)
        return fail(err, E_UNSUPPORTED, "%s: ponder.calculator: dpo learns from whole answers",
                    where);
    if (j->stage == STAGE_RL && j->validation_file && !j->grader)
        return fail(err, E_ARG, "%s: validation_file: needs method.reinforcement.grader", where);
    if (j->stage == STAGE_RL && j->training_file && !j->grader)
        return fail(err, E_FORMAT, "%s: method.reinforcement.grader: missing", where);
    if (j->from_scratch && !j->mixture)
        return fail(err, E_ARG, "%s: ponder.scratch: needs ponder.mixture for its words", where);
    if (j->mixture && !j->steps)
        return fail(err, E_FORMAT, "%s: ponder.steps: missing, and a mixture has no end", where);
    if (j->rl.replay > 0 && !j->replay_mixture)
        return fail(err, E_FORMAT, "%s: ponder.replay: missing, but rl.replay is not 0", where);
    if (j->max_rows < j->n_ctx)
        return fail(err, E_ARG, "%s: ponder.max_rows: %d holds no sequence of %d", where,
                    j->max_rows, j->n_ctx);
    return OK;
}

/* Settings that change no bit of the run may change between two starts of it. */
static void hash_of(job *j)
{
    static const char *const free_keys[] = { "output", "checkpoint_every", "keep", "log_rollouts" };
    json_t *copy = json_deep_copy(j->json);
    json_t *ponder = json_object_get(copy, "ponder");

    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        json_object_del(ponder, free_keys[i]);
    json_object_del(copy, "metadata");
    json_object_del(copy, "suffix");
    checkpoint_hash(copy, j->hash);
    json_decref(copy);
}

status job_parse(job *out, json_t *json, const char *where, errtext *err)
{
    static const char *const keys[] = { "model", "training_file", "validation_file", "suffix",
                                        "seed", "method", "metadata", "integrations",
                                        "hyperparameters", "ponder", NULL };
    double rate_factor = 1, compute = 1;
    const json_t *ponder, *older;
    int seed = 0;
    status st;

    *out = (job){
        .json = json, .stage = STAGE_SFT, .n_ctx = 1024, .n_epoch = 3, .batch_size = 32,
        .batch_tokens = 16384, .max_rows = 8192, .dtype = DTYPE_BF16, .effort = EFFORT_MEDIUM,
        .rate = { SCHEDULE_COSINE, 1e-3, 0.1, 50, 0 },
        .optimizer = { .beta1 = 0.9f, .beta2 = 0.98f, .decay = 0.1f, .clip = 1 },
        .lora_alpha = 32, .router_balance = 0.01, .dpo_beta = 0.1, .checkpoint_every = 200,
        .keep = 3, .eval_problems = 64, .log_rollouts = 16,
        .rl = { .groups = 64, .group_size = 8, .max_think = 320, .max_answer = 64,
                .temperature = 1, .clip_low = 0.2, .clip_high = 0.28, .updates = 1, .max_refill = 2,
                .curriculum_floor = 0.1, .gamma = 1, .lambda = 0.95, .value_rate = 1e-3 },
    };
    if ((st = only(json, keys, "job", err)) != OK ||
        (st = own_text(json, "model", &out->model, "job", err)) != OK ||
        (st = own_text(json, "training_file", &out->training_file, "job", err)) != OK ||
        (st = own_text(json, "validation_file", &out->validation_file, "job", err)) != OK ||
        (st = jsonfile_int(json, "seed", 0, INT32_MAX, &seed, "job", err)) != OK ||
        (st = object_at(json, "hyperparameters", &older, "job", err)) != OK ||
        (st = read_hyper(out, older, "job.hyperparameters", &rate_factor, &compute, err)) != OK ||
        (st = read_method(out, json, &rate_factor, &compute, err)) != OK ||
        (st = object_at(json, "ponder", &ponder, "job", err)) != OK)
        goto undo;
    out->seed = (uint64_t)seed;
    if (json_array_size(json_object_get(json, "integrations"))) {
        st = fail(err, E_UNSUPPORTED, "job.integrations: none are known here");
        goto undo;
    }
    if (!ponder) {
        st = fail(err, E_FORMAT, "%s: ponder: missing (it holds at least \"output\")", where);
        goto undo;
    }
    if ((st = read_ponder(out, ponder, rate_factor, err)) != OK) goto undo;
    out->rl.group_size = (int)(out->rl.group_size * compute + 0.5);
    if (out->rl.group_size < 2) out->rl.group_size = 2;
    if ((st = check_whole(out, where, err)) != OK) goto undo;
    hash_of(out);
    return OK;

undo:
    job_fini(out);
    return st;
}

status job_read(job *out, const char *path, errtext *err)
{
    json_t *json;
    bytes text = { 0 };
    status st;

    *out = (job){ 0 };
    st = file_read(&text, path, MAX_JOB_BYTES, err);
    if (st == OK) st = jsonfile_parse(&json, text.data, text.len, MAX_VALUES, path, err);
    bytes_fini(&text);
    return st == OK ? job_parse(out, json, path, err) : st;
}

void job_fini(job *j)
{
    json_decref(j->json);
    mem_free(j->model);
    mem_free(j->training_file);
    mem_free(j->validation_file);
    mem_free(j->output);
    mixture_free(j->mixture);
    mixture_free(j->eval_mixture);
    mixture_free(j->replay_mixture);
    *j = (job){ 0 };
}
