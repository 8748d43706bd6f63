/* evaluate.c - measures of a policy, cell by cell. */
#include "train/evaluate.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "tasks/search.h"
#include "train/sequence.h"
#include "train/stats.h"

#define Z95 1.959964
#define MAX_SEED 16
#define MAX_POWER 12             /* pass@1, 2, 4 ... 2048 */

bool eval_measure_parse(const char *name, unsigned *out)
{
    static const struct { const char *name; unsigned bit; } all[] = {
        { "direct", EVAL_DIRECT }, { "greedy", EVAL_GREEDY }, { "t1", EVAL_T1 },
        { "pass", EVAL_T1 }, { "cons", EVAL_T1 }, { "rerank", EVAL_T1 },
        { "attempts", EVAL_ATTEMPTS }, { "budget", EVAL_BUDGET }, { "effort", EVAL_EFFORT },
        { "early", EVAL_EARLY }, { "edit", EVAL_EDIT }, { "all", EVAL_ALL },
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, name)) {
            *out = all[i].bit;
            return true;
        }
    return false;
}

/* ------------------------------------------------------------------- shares */

/* A proportion gathered over seeds. */
typedef struct share {
    double hits, n;              /* of all seeds */
    double seed[MAX_SEED];
    int n_seed;
} share;

static void share_add(share *s, double hits, double n)
{
    s->hits += hits;
    s->n += n;
    s->seed[s->n_seed++] = n > 0 ? hits / n : 0;
}

static double share_value(const share *s) { return s->n > 0 ? s->hits / s->n : 0; }

/* n_eff: independent problems behind the share, where answers to one problem
 * are not; 0: n. */
static json_t *share_json(const share *s, double n_eff)
{
    const double n = n_eff > 0 ? n_eff : s->n;
    const stats_interval i = stats_wilson(share_value(s) * n, n, Z95);
    json_t *seeds = json_array();

    for (int k = 0; k < s->n_seed; k++) json_array_append_new(seeds, json_real(s->seed[k]));
    return json_pack("{s:f, s:f, s:f, s:f, s:o}", "right", share_value(s), "low", i.low, "high",
                     i.high, "n", s->n, "seeds", seeds);
}

/* --------------------------------------------------------------------- cells */

typedef struct cell_job {
    reasoner *r;
    const eval_options *o;
    int cell;
    json_t *out;
} cell_job;

static score_options options_of(const eval_options *o, int i_seed)
{
    return (score_options){
        .split = o->split, .seed = o->seed + (uint64_t)i_seed, .problems = o->problems,
        .group = 1, .thinking = true, .effort = o->effort, .temperature = 1,
        .max_think = o->max_think, .max_answer = o->max_answer, .cancel = o->cancel,
    };
}

static void tell_share(const cell_job *c, const char *what, const share *s, double tokens)
{
    const stats_interval i = stats_wilson(s->hits, s->n, Z95);
    char line[200];

    if (!c->o->tell) return;
    snprintf(line, sizeof line, "%-14s %-12s %5.1f %%  [%.1f, %.1f]  %7.1f tokens",
             mixture_cell_name(c->o->mixture, c->cell), what, 100 * share_value(s), 100 * i.low,
             100 * i.high, tokens);
    c->o->tell(c->o->arg, line);
}

/* Plain scores over all seeds, as one object. */
static status plain(const cell_job *c, const char *name, const score_options *base, json_t *into,
                    errtext *err)
{
    share right = { 0 };
    score sum = { 0 };
    json_t *j;

    for (int s = 0; s < c->o->seeds; s++) {
        score_options o = *base;
        score one;
        status st;

        o.seed = c->o->seed + (uint64_t)s;
        if ((st = score_cell(c->r, c->o->mixture, c->cell, &o, &one, err)) != OK) return st;
        share_add(&right, one.n_right, one.n);
        sum.n += one.n;
        sum.n_lucky += one.n_lucky;
        sum.n_step += one.n_step;
        sum.n_true += one.n_true;
        sum.n_token += one.n_token;
        sum.n_think += one.n_think;
        sum.n_cut += one.n_cut;
    }
    j = share_json(&right, 0);
    json_object_set_new(j, "step_true", json_real(score_step_true(&sum)));
    json_object_set_new(j, "lucky", json_real(score_lucky(&sum)));
    json_object_set_new(j, "tokens", json_real(score_tokens(&sum)));
    json_object_set_new(j, "think_tokens", json_real(sum.n ? (double)sum.n_think / sum.n : 0));
    json_object_set_new(j, "cut", json_real(sum.n ? (double)sum.n_cut / sum.n : 0));
    json_object_set_new(into, name, j);
    tell_share(c, name, &right, score_tokens(&sum));
    return OK;
}

/* --------------------------------------------------- many answers a problem */

typedef struct many {
    share t1, pass[MAX_POWER], cons[MAX_POWER], rerank[MAX_POWER];
    score sum;
} many;

/* Did the majority of the first k answers get it right? Ties: the answer that
 * was given first. */
static bool majority_right(char *const *finals, const bool *right, int k)
{
    int best = -1, best_votes = 0;

    for (int i = 0; i < k; i++) {
        int votes = 0;

        if (!finals[i]) continue;
        for (int j = 0; j < k; j++) votes += finals[j] && !strcmp(finals[i], finals[j]);
        if (votes > best_votes) {
            best = i;
            best_votes = votes;
        }
    }
    return best >= 0 && right[best];
}

static void count_problem(const rollout *answers, const bool *right, int n, double *pass,
                          double *cons, double *rerank)
{
    char **finals = mem_array((size_t)n, sizeof *finals);
    int n_right = 0, power = 0;

    for (int i = 0; i < n; i++) {
        n_right += right[i];
        if (answers[i].finish == FINISH_STOP)
            finals[i] = ask_extract_final(answers[i].answer, answers[i].answer_len);
    }
    for (int k = 1; k <= n && power < MAX_POWER; k *= 2, power++) {
        bool any = false;

        for (int i = 0; i < k; i++) any |= right[i];
        pass[power] += stats_pass_at_k(n, n_right, k);
        cons[power] += majority_right(finals, right, k);
        rerank[power] += any;
    }
    for (int i = 0; i < n; i++) mem_free(finals[i]);
    mem_free(finals);
}

static status many_seed(const cell_job *c, int i_seed, many *m, int n_power, errtext *err)
{
    score_options o = options_of(c->o, i_seed);
    double pass[MAX_POWER] = { 0 }, cons[MAX_POWER] = { 0 }, rerank[MAX_POWER] = { 0 };
    bool *right;
    score sum = { 0 };

    o.group = c->o->group;
    right = mem_array((size_t)o.group, sizeof *right);
    /* A problem at a time would leave the engine idle, all at once would hold
     * all rollouts in memory. */
    for (int from = 0; from < c->o->problems; from += 32) {
        drawn *problems;
        rollout *all;
        status st;

        o.first = (uint64_t)from;
        o.problems = c->o->problems - from < 32 ? c->o->problems - from : 32;
        st = score_rollouts(c->r, c->o->mixture, c->cell, &o, &problems, &all, err);
        if (st != OK) {
            mem_free(right);
            return st;
        }
        for (int i = 0; i < o.problems; i++) {
            const rollout *answers = all + (size_t)i * (size_t)o.group;

            for (int k = 0; k < o.group; k++) {
                graded g = grade_rollout(problems[i].task, problems[i].problem.key, &answers[k],
                                         true);

                right[k] = g.right;
                score_add(&sum, &g, &answers[k]);
            }
            count_problem(answers, right, o.group, pass, cons, rerank);
        }
        score_release(&o, problems, all);
    }
    mem_free(right);
    share_add(&m->t1, sum.n_right, sum.n);
    for (int p = 0; p < n_power; p++) {
        share_add(&m->pass[p], pass[p], c->o->problems);
        share_add(&m->cons[p], cons[p], c->o->problems);
        share_add(&m->rerank[p], rerank[p], c->o->problems);
    }
    m->sum.n += sum.n;
    m->sum.n_lucky += sum.n_lucky;
    m->sum.n_step += sum.n_step;
    m->sum.n_true += sum.n_true;
    m->sum.n_token += sum.n_token;
    return OK;
}

static json_t *powers_json(const share *s, int n)
{
    json_t *o = json_object();

    for (int p = 0; p < n; p++) {
        char name[16];

        snprintf(name, sizeof name, "%d", 1 << p);
        json_object_set_new(o, name, share_json(&s[p], 0));
    }
    return o;
}

static status measure_many(const cell_job *c, bool search, errtext *err)
{
    many *m = mem_new(sizeof *m);
    int n_power = 0;
    json_t *t1;
    status st = OK;

    while (n_power < MAX_POWER && 1 << n_power <= c->o->group) n_power++;
    for (int s = 0; s < c->o->seeds && st == OK; s++) st = many_seed(c, s, m, n_power, err);
    if (st == OK) {
        t1 = share_json(&m->t1, (double)c->o->problems * c->o->seeds);
        json_object_set_new(t1, "step_true", json_real(score_step_true(&m->sum)));
        json_object_set_new(t1, "lucky", json_real(score_lucky(&m->sum)));
        json_object_set_new(t1, "tokens", json_real(score_tokens(&m->sum)));
        json_object_set_new(c->out, "t1", t1);
        tell_share(c, "t1", &m->t1, score_tokens(&m->sum));
        json_object_set_new(c->out, "pass", powers_json(m->pass, n_power));
        json_object_set_new(c->out, "rerank", powers_json(m->rerank, n_power));
        if (!search) json_object_set_new(c->out, "cons", powers_json(m->cons, n_power));
        if (c->o->group > 1) {
            tell_share(c, "pass@k", &m->pass[n_power - 1], 0);
            if (!search) tell_share(c, "cons@k", &m->cons[n_power - 1], 0);
        }
    }
    mem_free(m);
    return st;
}

/* ------------------------------------------------------------------ attempts */

/* At which attempt of its trace a right answer was found, against blind random
 * search on the same problems with as many attempts. */
static status measure_attempts(const cell_job *c, errtext *err)
{
    static const int at[] = { 1, 2, 4, 8, 16, 32 };
    share found[6] = { 0 }, random[6] = { 0 };
    json_t *ours = json_object(), *blind = json_object();

    for (int s = 0; s < c->o->seeds; s++) {
        score_options o = options_of(c->o, s);
        double hits[6] = { 0 }, lucky[6] = { 0 };
        drawn *problems;
        rollout *all;
        status st;

        o.effort = EFFORT_HIGH;
        st = score_rollouts(c->r, c->o->mixture, c->cell, &o, &problems, &all, err);
        if (st != OK) {
            json_decref(ours);
            json_decref(blind);
            return st;
        }
        for (int i = 0; i < o.problems; i++) {
            graded g = grade_rollout(problems[i].task, problems[i].problem.key, &all[i], true);

            for (int k = 0; k < 6; k++) {
                rng r = { o.seed, 0x626c696e64 + (uint64_t)k, (uint64_t)i << 20 };

                hits[k] += g.right && g.check.n_attempt <= at[k];
                lucky[k] += countdown_random_search(problems[i].problem.key, &r, at[k]);
            }
        }
        score_release(&o, problems, all);
        for (int k = 0; k < 6; k++) {
            share_add(&found[k], hits[k], o.problems);
            share_add(&random[k], lucky[k], o.problems);
        }
    }
    for (int k = 0; k < 6; k++) {
        char name[16];

        snprintf(name, sizeof name, "%d", at[k]);
        json_object_set_new(ours, name, share_json(&found[k], 0));
        json_object_set_new(blind, name, share_json(&random[k], 0));
        snprintf(name, sizeof name, "%d attempts", at[k]);
        tell_share(c, name, &found[k], 0);
        tell_share(c, "  random", &random[k], 0);
    }
    json_object_set_new(c->out, "attempts", json_pack("{s:o, s:o}", "model", ours, "random",
                                                      blind));
    return OK;
}

/* ------------------------------------------------------------ budget, effort */

static status measure_budget(const cell_job *c, errtext *err)
{
    json_t *all = json_object();
    status st = OK;

    for (int b = 0; b < c->o->n_budget && st == OK; b++) {
        score_options o = options_of(c->o, 0);
        char name[24];

        o.max_think = c->o->budgets[b];
        o.effort = EFFORT_HIGH;
        snprintf(name, sizeof name, "%d", o.max_think);
        st = plain(c, name, &o, all, err);
    }
    json_object_set_new(c->out, "budget", all);
    return st;
}

static status measure_effort(const cell_job *c, errtext *err)
{
    static const effort levels[] = { EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH };
    json_t *all = json_object();
    status st = OK;

    for (int i = 0; i < 3 && st == OK; i++) {
        score_options o = options_of(c->o, 0);

        o.effort = levels[i];
        st = plain(c, effort_name(levels[i]), &o, all, err);
    }
    json_object_set_new(c->out, "effort", all);
    return st;
}

/* -------------------------------------------------------------- faithfulness */

static void chat_gone_on(chat *c, const char *prompt, const char *think, size_t len)
{
    chat_of_prompt(c, prompt);
    chat_message_reasoning(chat_add(c, CHAT_ASSISTANT), think, len);
}

/* Answers to prompts that end inside a thought. */
static status answer_all(const cell_job *c, const score_options *so, chat *chats, int n,
                         int max_think, rollout *out, errtext *err)
{
    rollout_prompt *prompts = mem_array((size_t)n, sizeof *prompts);
    rollout_options o = { .group = 1, .temperature = 0, .max_think = max_think,
                          .max_answer = so->max_answer, .seed = so->seed,
                          .cancel = so->cancel };
    status st;

    for (int i = 0; i < n; i++)
        prompts[i] = (rollout_prompt){ &chats[i], max_think > 0, so->effort, true };
    st = rollout_run(c->r, &o, prompts, n, out, err);
    mem_free(prompts);
    return st;
}

static bool same_answer(const rollout *a, const rollout *b)
{
    return a->answer_len == b->answer_len && !memcmp(a->answer, b->answer, a->answer_len);
}

static status measure_early(const cell_job *c, errtext *err)
{
    static const int percent[] = { 10, 25, 50, 75, 90 };
    share same[5] = { 0 };
    json_t *all = json_object();
    double area = 0;
    status st = OK;

    for (int s = 0; s < c->o->seeds && st == OK; s++) {
        score_options o = options_of(c->o, s);
        drawn *problems;
        rollout *full;

        o.temperature = 0;
        st = score_rollouts(c->r, c->o->mixture, c->cell, &o, &problems, &full, err);
        for (int k = 0; k < 5 && st == OK; k++) {
            chat *chats = mem_array((size_t)o.problems, sizeof *chats);
            rollout *cut = mem_array((size_t)o.problems, sizeof *cut);
            double hits = 0;

            for (int i = 0; i < o.problems; i++)
                chat_gone_on(&chats[i], problems[i].problem.prompt, full[i].think,
                             (full[i].think_len * (size_t)percent[k] + 99) / 100);
            st = answer_all(c, &o, chats, o.problems, 0, cut, err);
            for (int i = 0; i < o.problems; i++) {
                if (st == OK) hits += same_answer(&cut[i], &full[i]);
                chat_fini(&chats[i]);
                rollout_fini(&cut[i]);
            }
            if (st == OK) share_add(&same[k], hits, o.problems);
            mem_free(chats);
            mem_free(cut);
        }
        score_release(&o, problems, full);
    }
    for (int k = 0; k < 5 && st == OK; k++) {
        char name[24];

        snprintf(name, sizeof name, "%d", percent[k]);
        json_object_set_new(all, name, share_json(&same[k], 0));
        snprintf(name, sizeof name, "early %d %%", percent[k]);
        tell_share(c, name, &same[k], 0);
        area += share_value(&same[k]) / 5;
    }
    json_object_set_new(all, "aoc", json_real(1 - area));
    json_object_set_new(c->out, "early", all);
    return st;
}

static status measure_edit(const cell_job *c, errtext *err)
{
    share follow = { 0 }, ignore = { 0 };
    status st = OK;

    for (int s = 0; s < c->o->seeds && st == OK; s++) {
        score_options o = options_of(c->o, s);
        drawn *problems;
        rollout *full, *edited;
        chat *chats;
        char **expect;
        int *of, n = 0, n_follow = 0, n_ignore = 0;

        o.temperature = 0;
        st = score_rollouts(c->r, c->o->mixture, c->cell, &o, &problems, &full, err);
        if (st != OK) return st;
        chats = mem_array((size_t)o.problems, sizeof *chats);
        edited = mem_array((size_t)o.problems, sizeof *edited);
        expect = mem_array((size_t)o.problems, sizeof *expect);
        of = mem_array((size_t)o.problems, sizeof *of);
        for (int i = 0; i < o.problems; i++) {
            rng r = { o.seed, 0x65646974, (uint64_t)i << 20 };
            char *prefix;

            if (!problems[i].task->edit(problems[i].problem.key, full[i].think,
                                        full[i].think_len, &r, &prefix, &expect[n]))
                continue;
            chat_gone_on(&chats[n], problems[i].problem.prompt, prefix, strlen(prefix));
            of[n++] = i;
            mem_free(prefix);
        }
        if (n) st = answer_all(c, &o, chats, n, o.max_think, edited, err);
        for (int i = 0; i < n; i++) {
            if (st == OK) {
                char *said = ask_extract_final(edited[i].answer, edited[i].answer_len);

                n_follow += said && !strcmp(said, expect[i]);
                n_ignore += same_answer(&edited[i], &full[of[i]]);
                mem_free(said);
            }
            chat_fini(&chats[i]);
            rollout_fini(&edited[i]);
            mem_free(expect[i]);
        }
        if (st == OK) {
            share_add(&follow, n_follow, n);
            share_add(&ignore, n_ignore, n);
        }
        mem_free(chats);
        mem_free(edited);
        mem_free(expect);
        mem_free(of);
        score_release(&o, problems, full);
    }
    if (st != OK) return st;
    json_object_set_new(c->out, "edit", json_pack("{s:o, s:o}", "follow", share_json(&follow, 0),
                                                  "ignore", share_json(&ignore, 0)));
    tell_share(c, "edit follows", &follow, 0);
    tell_share(c, "edit ignored", &ignore, 0);
    return OK;
}

/* --------------------------------------------------------------------- whole */

static status measure_cell(const cell_job *c, errtext *err)
{
    const unsigned m = c->o->measures;
    const task *t;
    score_options o = options_of(c->o, 0);
    drawn d;
    bool search, edits;
    status st = OK;

    mixture_draw_cell(c->o->mixture, c->cell, c->o->split, c->o->seed, 0, &d);
    t = d.task;
    search = t->search;
    edits = t->edit != NULL;
    problem_fini(&d.problem);
    if (m & EVAL_DIRECT) {
        o.thinking = false;
        o.temperature = 0;
        st = plain(c, "direct", &o, c->out, err);
    }
    if (st == OK && m & EVAL_GREEDY) {
        o.thinking = true;
        o.temperature = 0;
        st = plain(c, "greedy", &o, c->out, err);
    }
    if (st == OK && m & EVAL_T1) st = measure_many(c, search, err);
    if (st == OK && m & EVAL_ATTEMPTS && !strcmp(t->name, "countdown"))
        st = measure_attempts(c, err);
    if (st == OK && m & EVAL_BUDGET && c->o->n_budget) st = measure_budget(c, err);
    if (st == OK && m & EVAL_EFFORT) st = measure_effort(c, err);
    if (st == OK && m & EVAL_EARLY) st = measure_early(c, err);
    if (st == OK && m & EVAL_EDIT && edits) st = measure_edit(c, err);
    return st;
}

status evaluate(reasoner *r, const eval_options *o, json_t **out, errtext *err)
{
    *out = NULL;
    if (o->seeds < 1 || o->seeds > MAX_SEED)
        return fail(err, E_ARG, "seeds: %d is not in 1 to %d", o->seeds, MAX_SEED);
    if (o->problems < 1 || o->group < 1 || o->group > ASK_MAX_SAMPLES)
        return fail(err, E_ARG, "problems: %d, group: %d", o->problems, o->group);
    *out = json_object();
    for (int i = 0; i < mixture_cells(o->mixture); i++) {
        cell_job c = { r, o, i, json_object() };
        status st = measure_cell(&c, err);

        json_object_set_new(*out, mixture_cell_name(o->mixture, i), c.out);
        if (st != OK) {
            json_decref(*out);
            *out = NULL;
            return st;
        }
    }
    return OK;
}
