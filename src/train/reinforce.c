/* reinforce.c - learning from rewards: sample, grade, write down, update.
 *
 * On-policy by default: one update a batch, A = r - mean of the group, a constant
 * normaliser, no KL (the GRPO family; advantage.h names the papers). The taped
 * pass that gives gradients also gives each drawn token's log-prob; its largest
 * difference to what the sampler reported is in every row, and is 0. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "train/advantage.h"
#include "train/critic.h"
#include "train/examples.h"
#include "train/judge.h"
#include "train/reference.h"
#include "train/run.h"
#include "train/score.h"
#include "train/sequence.h"
#include "train/validate.h"

#define STREAM_STEP 0x100000000u /* streams a step, refills included */

/* One prompt and its answers. */
typedef struct group {
    judge_item item;
    rollout *rollouts;           /* [group_size] */
    judge_verdict *verdicts;     /* [group_size] */
    double *reward;              /* [group_size] what is learnt from */
    double *advantage;           /* [group_size] */
    uint8_t *learn;              /* [group_size] 0: masked (overlong) */
} group;

typedef struct policy_job {
    run *x;
    judge *judge;
    const job_rl *rl;
    reference *ref;              /* NULL without KL */
    critic *critic;              /* NULL unless GAE */
    metrics *rewards;            /* what was graded, before the update */
    double *success;             /* [cells] running mean of each cell */
    int n_cell;
} policy_job;

/* ----------------------------------------------------------------- sampling */

static void shares_now(const policy_job *p, double *shares)
{
    for (int c = 0; c < p->n_cell; c++) {
        double s = p->success[c];

        shares[c] = judge_cell_share(p->judge, c);
        if (p->rl->curriculum) shares[c] *= p->rl->curriculum_floor + 4 * s * (1 - s);
    }
}

static void group_fini(const policy_job *p, group *g)
{
    for (int i = 0; g->rollouts && i < p->rl->group_size; i++) {
        rollout_fini(&g->rollouts[i]);
    }
    judge_item_fini(&g->item);
    mem_free(g->rollouts);
    mem_free(g->verdicts);
    mem_free(g->reward);
    mem_free(g->advantage);
    mem_free(g->learn);
    *g = (group){ 0 };
}

/* Draw `n` prompts and answer them. `wave` counts refills within a step. */
static status answer_prompts(policy_job *p, group *groups, int n, int wave, errtext *err)
{
    run *x = p->x;
    const int k = p->rl->group_size;
    rollout_prompt *prompts = mem_array((size_t)n, sizeof *prompts);
    rollout *all = mem_array((size_t)(n * k), sizeof *all);
    double *shares = mem_array((size_t)p->n_cell, sizeof *shares);
    rollout_options o = {
        .group = k, .temperature = (float)p->rl->temperature, .max_think = p->rl->max_think,
        .max_answer = p->rl->max_answer, .calculator = x->job->calculator, .seed = x->job->seed,
        .stream = ((uint64_t)x->step + 1) * STREAM_STEP + (uint64_t)wave * (STREAM_STEP / 32),
        .tenant = (uint64_t)x->step + 1, .cancel = x->stop,
    };
    status st = OK;

    shares_now(p, shares);
    for (int i = 0; i < n && st == OK; i++) {
        groups[i] = (group){ 0 };
        st = judge_draw(p->judge, shares, (uint64_t)x->cursor++, &groups[i].item, err);
        prompts[i] = (rollout_prompt){ &groups[i].item.chat, true, groups[i].item.effort, false };
    }
    if (st == OK) st = rollout_run(x->r, &o, prompts, n, all, err);
    for (int i = 0; i < n && st == OK; i++) {
        groups[i].rollouts = mem_copy(all + (size_t)i * (size_t)k, (size_t)k * sizeof *all);
        groups[i].verdicts = mem_array((size_t)k, sizeof *groups[i].verdicts);
        groups[i].reward = mem_array((size_t)k, sizeof *groups[i].reward);
        groups[i].advantage = mem_array((size_t)k, sizeof *groups[i].advantage);
        groups[i].learn = mem_array((size_t)k, 1);
    }
    mem_free(prompts);
    mem_free(all);
    mem_free(shares);
    return st;
}

/* ------------------------------------------------------------------ grading */

static void grade_group(policy_job *p, group *g)
{
    double right = 0;
    const int k = p->rl->group_size;

    for (int i = 0; i < k; i++) {
        const rollout *o = &g->rollouts[i];
        judge_verdict *v = &g->verdicts[i];
        const bool cut = !rollout_whole(o);

        judge_grade(p->judge, &g->item, o, v);
        g->reward[i] = v->reward;
        if (!v->check.well_formed) g->reward[i] *= 1 - p->rl->format_gate;
        if (p->rl->process > 0 && v->check.n_step)
            g->reward[i] += p->rl->process * v->check.n_true / v->check.n_step;
        if (cut && p->rl->overlong == OVERLONG_ZERO) g->reward[i] = 0;
        g->learn[i] = !v->broken && !(cut && p->rl->overlong == OVERLONG_MASK);
        right += v->reward;
    }
    advantage_group(g->reward, k, p->rl->advantage == ADVANTAGE_ZSCORE, g->advantage);
    p->success[g->item.cell] = 0.95 * p->success[g->item.cell] + 0.05 * right / k;
}

/* A text as JSON. A model may write NUL, which readers of JSON refuse. */
static json_t *text_json(const char *text, size_t len)
{
    bytes b = { 0 };
    json_t *out;

    for (size_t i = 0; i < len; i++)
        if (text[i]) bytes_add_char(&b, text[i]);
        else bytes_add_string(&b, "\xef\xbf\xbd");
    out = json_stringn(b.data ? b.data : "", b.len);
    bytes_fini(&b);
    return out ? out : json_null();
}

/* What the policy did and earned, on disk before it changes. */
static status write_rewards(policy_job *p, const group *groups, int n, errtext *err)
{
    const int64_t step = p->x->step + 1;
    const int most = p->x->job->log_rollouts;
    int written = 0;
    status st = OK;

    for (int i = 0; i < n && st == OK; i++) {
        json_t *rewards = json_array(), *row;

        for (int k = 0; k < p->rl->group_size; k++)
            json_array_append_new(rewards, json_real(groups[i].reward[k]));
        row = json_pack("{s:I, s:s, s:o}", "step", (json_int_t)step, "prompt",
                        groups[i].item.label, "rewards", rewards);
        if (most < 0 || written < most) {
            json_t *texts = json_array();

            for (int k = 0; k < p->rl->group_size; k++) {
                const rollout *o = &groups[i].rollouts[k];

                json_array_append_new(texts, json_pack(
                    "{s:o, s:o}", "think", text_json(o->think, o->think_len), "answer",
                    text_json(o->answer, o->answer_len)));
                written++;
            }
            json_object_set_new(row, "rollouts", texts);
        }
        st = metrics_add(p->rewards, row, err);
        json_decref(row);
    }
    return st == OK ? metrics_sync(p->rewards, err) : st;
}

/* ----------------------------------------------------------------- learning */

/* What the slope of a target needs. */
typedef struct slope_job {
    const policy_job *p;
    const pack *pack;
    const group *groups;
    const float *ref;            /* [n_target] or NULL */
    const double *token_advantage;   /* [n_target] with a critic */
    const double *ratio;         /* [groups * size] of sequences, GSPO */
    bool first;                  /* first update: ratios are 1 */
    double scale;
} slope_job;

static float slope_of(void *arg, int i, float log_prob)
{
    const slope_job *s = arg;
    const job_rl *rl = s->p->rl;
    const int origin = s->pack->origin[i];
    const group *g = &s->groups[origin / rl->group_size];
    const int k = origin % rl->group_size;
    const rollout *o = &g->rollouts[k];
    const double old = o->log_prob[s->pack->place[i]];
    double a = s->token_advantage ? s->token_advantage[i] : g->advantage[k], d;

    if (rl->sequence_ratio)
        d = advantage_slope(s->ratio[origin], a, rl->clip_low, rl->clip_high) /
            (o->n - o->n_prompt);
    else
        d = advantage_slope(s->first ? 1 : exp(log_prob - old), a, rl->clip_low, rl->clip_high);
    if (s->ref) d += rl->kl * advantage_kl_slope(log_prob, s->ref[i]);
    return (float)(d * s->scale);
}

typedef struct learning {
    float *log_prob, *entropy, *ref;     /* [max_rows] */
    double *token_advantage;             /* [max_rows] */
    double *ratio;                       /* [groups * size] */
    double diff;                         /* largest difference of log-probs */
    double entropy_sum;
    int64_t n_target;
    double kl_sum;
} learning;

/* GSPO: the ratio of a sequence is the mean of its tokens' log-ratios, exp. The
 * pack holds whole sequences, so their sums are complete. */
static void sequence_ratios(run *x, slope_job *s, learning *l)
{
    const pack *pk = &x->pack;
    double *sum = l->ratio;
    int n_seq = x->job->rl.groups * x->job->rl.group_size;

    tape_log_probs(x->tape, x->threads, pk->targets, pk->n_target, (float)x->job->rl.temperature,
                   l->log_prob, NULL);
    for (int i = 0; i < n_seq; i++) sum[i] = 0;
    for (int i = 0; i < pk->n_target; i++) {
        const int at = pk->origin[i];
        const rollout *o = &s->groups[at / x->job->rl.group_size]
                                .rollouts[at % x->job->rl.group_size];

        sum[at] += ((double)l->log_prob[i] - o->log_prob[pk->place[i]]) / (o->n - o->n_prompt);
    }
    for (int i = 0; i < n_seq; i++) sum[i] = exp(sum[i]);
    s->ratio = sum;
}

static void flush(policy_job *p, const group *groups, bool first, learning *l)
{
    run *x = p->x;
    const float t = (float)p->rl->temperature;
    const double scale = 1.0 / ((double)p->rl->groups * p->rl->group_size *
                                (p->rl->max_think + p->rl->max_answer));
    slope_job s = { .p = p, .pack = &x->pack, .groups = groups, .first = first, .scale = scale };
    const float *value_grad = NULL;
    tape_batch b = pack_batch(&x->pack);

    if (!b.n_row) return;
    if (p->ref) {
        reference_log_probs(p->ref, x->threads, &x->pack, t, l->ref);
        s.ref = l->ref;
    }
    tape_forward(x->tape, x->threads, &b);
    if (p->rl->sequence_ratio) sequence_ratios(x, &s, l);
    if (p->critic) {
        critic_advantages(p->critic, x->tape, x->threads, &x->pack, l->token_advantage);
        s.token_advantage = l->token_advantage;
        value_grad = critic_gradient(p->critic, scale);
    }
    tape_backward(x->tape, x->threads, x->pack.targets, x->pack.n_target, t, slope_of, &s,
                  l->log_prob, first ? l->entropy : NULL, value_grad);
    x->tokens += b.n_row;
    for (int i = 0; first && i < x->pack.n_target; i++) {
        const int at = x->pack.origin[i];
        const rollout *o = &groups[at / p->rl->group_size].rollouts[at % p->rl->group_size];
        const double d = fabs((double)l->log_prob[i] - o->log_prob[x->pack.place[i]]);

        if (!(d <= l->diff)) l->diff = d;
        l->entropy_sum += l->entropy[i];
        if (p->ref) {
            const double gap = (double)l->ref[i] - l->log_prob[i];

            l->kl_sum += exp(gap) - gap - 1;
        }
    }
    if (first) l->n_target += x->pack.n_target;
    pack_clear(&x->pack);
}

static void pack_group(policy_job *p, const group *groups, int i, bool first, learning *l)
{
    run *x = p->x;
    const group *g = &groups[i];
    bool open = false;

    for (int k = 0; k < p->rl->group_size; k++) {
        const rollout *o = &g->rollouts[k];
        const int origin = i * p->rl->group_size + k;

        if (!g->learn[k] || o->n <= o->n_prompt) continue;
        if (!p->critic && g->advantage[k] == 0 && !p->ref) continue;
        if (p->critic) critic_reward(p->critic, origin, g->reward[k]);
        if (!open) {
            if (!pack_prompt(&x->pack, o->ids, o->n_prompt)) {
                flush(p, groups, first, l);
                CHECK(pack_prompt(&x->pack, o->ids, o->n_prompt));
            }
            open = true;
        }
        if (pack_completion(&x->pack, o->ids, o->n_prompt, o->n, o->drawn, origin)) continue;
        flush(p, groups, first, l);
        CHECK(pack_prompt(&x->pack, o->ids, o->n_prompt) &&
              pack_completion(&x->pack, o->ids, o->n_prompt, o->n, o->drawn, origin));
    }
}

static float replay_slope(void *arg, int i, float log_prob)
{
    (void)i;
    (void)log_prob;
    return -(float)*(double *)arg;
}

/* Worked examples beside the rollouts, so that what was learnt stays: their mean
 * loss weighs `replay`, scaled like the rollouts' sum. */
static status replay(policy_job *p, errtext *err)
{
    run *x = p->x;
    const job *j = x->job;
    double share;

    for (int n = 0; x->pack.n_row < j->batch_tokens && n < 4096; n++) {
        const uint64_t at = (uint64_t)x->step * 4096 + (uint64_t)n;
        drawn d;
        sequence q;
        status st;
        bool fits;

        mixture_draw(j->replay_mixture, NULL, SPLIT_TRAIN, j->seed + 1, at, &d);
        st = example_of(x->r, &d, j->n_ctx, &q, err);
        problem_fini(&d.problem);
        if (st == E_LIMIT) continue;
        if (st != OK) return st;
        fits = pack_add(&x->pack, q.ids, q.n, q.n_prompt, n);
        sequence_fini(&q);
        if (!fits) break;
    }
    if (!x->pack.n_target) return OK;
    share = p->rl->replay / x->pack.n_target;
    run_backward(x, 1, replay_slope, &share, NULL, NULL, NULL);
    pack_clear(&x->pack);
    return OK;
}

/* --------------------------------------------------------------------- a step */

typedef struct tally_sums {
    double reward, right, tokens, think;
    int n, n_flat, n_lucky, n_cut, n_step, n_true, n_group;
} tally_sums;

static void tally_groups(const policy_job *p, const group *groups, int n, tally_sums *t)
{
    for (int i = 0; i < n; i++) {
        t->n_group++;
        t->n_flat += advantage_flat(groups[i].reward, p->rl->group_size);
        for (int k = 0; k < p->rl->group_size; k++) {
            const rollout *o = &groups[i].rollouts[k];
            const judge_verdict *v = &groups[i].verdicts[k];

            t->n++;
            t->reward += groups[i].reward[k];
            t->right += v->reward;
            t->tokens += o->n - o->n_prompt;
            t->think += o->n_think;
            t->n_cut += !rollout_whole(o);
            t->n_step += v->check.n_step;
            t->n_true += v->check.n_true;
            t->n_lucky += v->reward > 0.5 && v->check.n_true < v->check.n_step;
        }
    }
}

/* Sample and grade; groups without variance are replaced, max_refill times. */
static status gather(policy_job *p, group *groups, tally_sums *t, errtext *err)
{
    const int n = p->rl->groups;
    int kept = 0;

    for (int wave = 0; wave <= p->rl->max_refill && kept < n; wave++) {
        status st = answer_prompts(p, groups + kept, n - kept, wave, err);

        for (int i = kept; i < n && st == OK; i++) grade_group(p, &groups[i]);
        if (st == OK) {
            tally_groups(p, groups + kept, n - kept, t);
            st = write_rewards(p, groups + kept, n - kept, err);
        }
        if (st != OK) return st;
        if (wave == p->rl->max_refill) break;
        for (int i = kept; i < n; i++) {
            if (advantage_flat(groups[i].reward, p->rl->group_size)) {
                group_fini(p, &groups[i]);
                continue;
            }
            if (i != kept) {
                groups[kept] = groups[i];
                groups[i] = (group){ 0 };
            }
            kept++;
        }
    }
    return OK;
}

static json_t *success_json(const policy_job *p)
{
    json_t *o = json_object();

    for (int c = 0; c < p->n_cell; c++)
        json_object_set_new(o, judge_cell_name(p->judge, c), json_real(p->success[c]));
    return o;
}

static status report(policy_job *p, const tally_sums *t, const learning *l,
                     const optimizer_info *info, double sample_s, double all_s, errtext *err)
{
    const double n = t->n, right = t->right / n;
    const double step_ok = t->n_step ? (double)t->n_true / t->n_step : 1;
    char brief[240];
    json_t *row = json_pack(
        "{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}",
        "reward", t->reward / n, "right", right, "length", t->tokens / n,
        "think_tokens", t->think / n, "zero_variance", (double)t->n_flat / t->n_group,
        "cut", t->n_cut / n, "step_true", step_ok, "lucky", t->n_lucky / n,
        "entropy", l->n_target ? l->entropy_sum / (double)l->n_target : 0.0,
        "kl", l->n_target ? l->kl_sum / (double)l->n_target : 0.0,
        "logprob_max_diff", l->diff, "norm", info->norm,
        "rate", schedule_rate(&p->x->rate, p->x->step - 1), "sample_s", sample_s,
        "train_s", all_s - sample_s, "success", success_json(p));

    snprintf(brief, sizeof brief, "reward %.3f  length %.0f  flat %.0f %%  steps %.1f %%  "
             "entropy %.3f  diff %g  %.0f tok/s  (%.1f + %.1f s)", t->reward / n, t->tokens / n,
             100.0 * t->n_flat / t->n_group, 100 * step_ok,
             l->n_target ? l->entropy_sum / (double)l->n_target : 0.0, l->diff,
             t->tokens / sample_s, sample_s, all_s - sample_s);
    return run_report(p->x, row, brief, err);
}

static status one_step(policy_job *p, learning *l, errtext *err)
{
    run *x = p->x;
    const int n = p->rl->groups;
    const double from_s = clock_s();
    group *groups = mem_array((size_t)n, sizeof *groups);
    const int64_t cursor = x->cursor;
    double *success = mem_copy(p->success, (size_t)p->n_cell * sizeof *success);
    tally_sums t = { 0 };
    optimizer_info info = { 0 };
    double sampled_s = 0;
    status st = gather(p, groups, &t, err);

    if (st == E_INTERRUPTED) {   /* as if the step had not begun */
        x->cursor = cursor;
        memcpy(p->success, success, (size_t)p->n_cell * sizeof *success);
    }
    mem_free(success);
    if (st == OK) {
        sampled_s = clock_s() - from_s;
        x->tokens += t.tokens;
        l->diff = l->entropy_sum = l->kl_sum = 0;
        l->n_target = 0;
    }
    for (int u = 0; u < p->rl->updates && st == OK; u++) {
        for (int i = 0; i < n; i++)
            if (groups[i].rollouts) pack_group(p, groups, i, u == 0, l);
        flush(p, groups, u == 0, l);
        if (p->rl->replay > 0) st = replay(p, err);
        if (st == OK && p->critic) critic_update(p->critic);
        if (st == OK) st = run_update(x, 1, &info, err);
    }
    for (int i = 0; i < n; i++) group_fini(p, &groups[i]);
    mem_free(groups);
    if (st != OK) return st;
    x->step++;
    json_object_set_new(x->state, "success", success_json(p));
    return report(p, &t, l, &info, sampled_s, clock_s() - from_s, err);
}

/* ------------------------------------------------------------------- whole run */

static status open_rewards(policy_job *p, errtext *err)
{
    bytes path = { 0 };
    status st;

    bytes_add_format(&path, "%s/rollouts.jsonl", p->x->job->output);
    st = metrics_open(&p->rewards, path.data, p->x->step, false, err);
    bytes_fini(&path);
    return st;
}

static void recall_success(policy_job *p)
{
    const json_t *saved = json_object_get(p->x->state, "success");

    for (int c = 0; c < p->n_cell; c++) {
        const json_t *v = json_object_get(saved, judge_cell_name(p->judge, c));

        p->success[c] = v ? json_number_value(v) : 0.5;
    }
}

static status policy_open(policy_job *p, run *x, errtext *err)
{
    const job *j = x->job;
    status st = judge_open(&p->judge, j, err);

    if (st != OK) return st;
    if (judge_rows(p->judge)) run_set_length(x, judge_rows(p->judge), p->rl->groups);
    p->n_cell = judge_cells(p->judge);
    p->success = mem_array((size_t)p->n_cell, sizeof *p->success);
    if (p->rl->kl > 0 && (st = reference_open(&p->ref, x->w, j->lora_rank ? MODEL_KEEP_TYPES : j->dtype, x->threads,
                                                j->max_rows, err)) != OK)
        return st;
    if (p->rl->advantage == ADVANTAGE_GAE)
        p->critic = critic_new(j, model_config(reasoner_model(x->r))->d_model, &x->arrays);
    if ((st = run_resume(x, err)) != OK) return st;
    if (p->critic) critic_resumed(p->critic, optimizer_steps(x->opt));
    recall_success(p);
    return open_rewards(p, err);
}

status train_reinforce(const job *j, const volatile sig_atomic_t *stop, run_tell *tell,
                       void *arg, errtext *err)
{
    const size_t rows = (size_t)j->max_rows;
    run x;
    policy_job p = { .x = &x, .rl = &j->rl };
    learning l = { .log_prob = mem_array(rows, sizeof(float)),
                   .entropy = mem_array(rows, sizeof(float)),
                   .ref = mem_array(rows, sizeof(float)),
                   .token_advantage = mem_array(rows, sizeof(double)),
                   .ratio = mem_array((size_t)j->rl.groups * (size_t)j->rl.group_size,
                                      sizeof(double)) };
    bool go = true;
    status st = run_open(&x, j, stop, tell, arg, err);

    if (st == OK) st = policy_open(&p, &x, err);
    if (st == OK && x.step >= x.steps) go = false;
    else if (st == OK && x.step == 0) st = run_evaluate(&x, false, err);
    if (st == OK && x.step == 0) st = validate_file(&x, false, err);
    while (st == OK && go) {
        st = one_step(&p, &l, err);
        if (st == OK) st = run_evaluate(&x, x.step == x.steps, err);
        if (st == OK) st = validate_file(&x, x.step == x.steps, err);
        if (st == OK || st == E_INTERRUPTED) {
            status after = run_after_step(&x, &go, err);

            st = st == OK ? after : st;
        }
    }
    if (st == OK) st = run_finish(&x, err);
    metrics_close(p.rewards);
    reference_close(p.ref);
    critic_free(p.critic);
    judge_close(p.judge);
    mem_free(p.success);
    run_close(&x);
    mem_free(l.log_prob);
    mem_free(l.entropy);
    mem_free(l.ref);
    mem_free(l.token_advantage);
    mem_free(l.ratio);
    return st;
}
