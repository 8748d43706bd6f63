/* evaluate.c - measures of a policy, cell by cell.
 *
 * Items of all seeds go to the engine together, some thousand sessions at a time,
 * so that it is full until the last of them: with 350 short answers asked a seed
 * at a time it would stand half empty. */
#include "train/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/jsonfile.h"
#include "tasks/answer.h"
#include "tasks/search.h"
#include "train/evaluate_internal.h"
#include "train/rise.h"
#include "train/sequence.h"
#include "train/stats.h"

#define MAX_SESSIONS 2048        /* in one chunk */
#define MAX_POWER 11             /* k = 1, 2, 4 ... 1024 */
#define STREAM_BLIND 0x626c696e64

const char eval_measure_names[] = "direct, greedy, t1, attempts, budget, effort, early, edit or all";

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

/* -------------------------------------------------------------------- items */

static void item_fini(eval_item *it)
{
    chat_fini(&it->chat);
    problem_fini(&it->problem);
}

/* The conversation of a row: its messages and tools, nothing else. */
static status row_chat(const eval_cell *c, eval_item *it, errtext *err)
{
    const json_t *row = dataset_row(c->o->data, it->row), *tools = json_object_get(row, "tools");
    json_t *head = json_pack("{s:O}", "messages", json_object_get(row, "messages"));
    errtext why;
    char *text;
    status st;

    if (tools) json_object_set(head, "tools", (json_t *)tools);
    text = json_dumps(head, 0);
    st = chat_read(&it->chat, text, strlen(text), &why);
    if (st != OK)
        st = fail(err, st, "%s line %d: %.400s", c->name, dataset_line(c->o->data, it->row),
                  why.text);
    free(text);
    json_decref(head);
    return st;
}

/* Item `number` over all seeds: they take turns, so that it does not depend on how
 * many problems there are. Of a file each seed has a part of its own. */
static status item_make(const eval_cell *c, int number, eval_item *it, errtext *err)
{
    const int i_seed = number % c->o->seeds, index = number / c->o->seeds;
    drawn d;

    *it = (eval_item){ .i_seed = i_seed, .number = number };
    if (c->rows) {
        it->row = c->rows[number];
        return row_chat(c, it, err);
    }
    mixture_draw_cell(c->o->mixture, c->cell, c->o->split, c->o->seed + (uint64_t)i_seed,
                      (uint64_t)index, &d);
    it->task = d.task;
    it->problem = d.problem;
    chat_of_prompt(&it->chat, it->problem.prompt);
    return OK;
}

/* ------------------------------------------------------------------- asking */

typedef struct progress {
    const eval_cell *c;
    const char *what;
    int before, total;
} progress;

static void advance(void *arg, int done, int total)
{
    const progress *p = arg;

    (void)total;
    if (p->c->o->live)
        p->c->o->live(p->c->o->arg, p->c->name, p->what, p->before + done, p->total);
}

static status ask_chunk(const eval_cell *c, const eval_how *how, const eval_item *items, int n,
                        int before, int total, eval_chunk_fn *fn, void *arg, errtext *err)
{
    progress p = { c, how->what, before * how->group, total * how->group };
    const rollout_options o = {
        .group = how->group, .temperature = how->temperature, .max_think = how->max_think,
        .max_answer = c->o->max_answer, .calculator = c->o->calculator, .seed = c->o->seed,
        .stream = (uint64_t)before * (uint64_t)how->group, .cancel = c->o->cancel,
        .progress = advance, .arg = &p,
    };
    const int n_answer = n * how->group;
    rollout_prompt *prompts = mem_array((size_t)n, sizeof *prompts);
    rollout *answers = mem_array((size_t)n_answer, sizeof *answers);
    status st;

    for (int i = 0; i < n; i++)
        prompts[i] = (rollout_prompt){ &items[i].chat, how->thinking, how->effort, false };
    st = rollout_run(c->r, &o, prompts, n, answers, err);
    if (st == OK) {
        const eval_chunk chunk = { items, answers, n, how->group };

        st = fn(arg, &chunk, err);
        for (int i = 0; i < n_answer; i++) rollout_fini(&answers[i]);
    }
    mem_free(prompts);
    mem_free(answers);
    return st;
}

status eval_ask(const eval_cell *c, const eval_how *how, eval_chunk_fn *fn, void *arg,
                errtext *err)
{
    const int total = c->problems * c->o->seeds;
    const int most = how->group < MAX_SESSIONS ? MAX_SESSIONS / how->group : 1;
    eval_item *items = mem_array((size_t)most, sizeof *items);
    status st = OK;

    for (int from = 0; from < total && st == OK; from += most) {
        const int n = total - from < most ? total - from : most;
        int made = 0;

        while (made < n && st == OK) {
            st = item_make(c, from + made, &items[made], err);
            made++;
        }
        if (st == OK) st = ask_chunk(c, how, items, n, from, total, fn, arg, err);
        for (int i = 0; i < made; i++) item_fini(&items[i]);
    }
    mem_free(items);
    return st;
}

eval_how eval_usual(const eval_cell *c, const char *what)
{
    return (eval_how){ .what = what, .thinking = true, .effort = c->o->effort, .group = 1,
                       .max_think = c->o->max_think };
}

/* ------------------------------------------------------------------ grading */

static status judge_row(const eval_cell *c, const eval_item *it, const rollout *o,
                        eval_grade *out, errtext *err)
{
    json_t *answer = grader_sample(o->answer, o->answer_len, NULL);
    const json_t *item = dataset_item(c->o->data, it->row);
    grade g;
    status st = OK;

    grader_run(c->o->grader, item, answer, &g);
    out->reward = g.reward;
    out->right = o->finish == FINISH_STOP && grader_passes(c->o->grader, g.reward);
    if (g.verdict == GRADE_BROKEN)
        st = fail(err, E_FORMAT, "%s line %d: grader %s: %.300s", c->name,
                  dataset_line(c->o->data, it->row), grader_name(c->o->grader),
                  g.errors.other_details ? g.errors.other_details
                  : g.errors.invalid_variable_details ? g.errors.invalid_variable_details
                  : g.errors.model_server_details ? g.errors.model_server_details
                                                  : "gave no score");
    grade_fini(&g);
    json_decref(answer);
    return st;
}

status eval_judge(const eval_cell *c, const eval_item *it, const rollout *o, bool thinking,
                  eval_grade *out, errtext *err)
{
    graded g;

    *out = (eval_grade){ 0 };
    if (!it->task) return judge_row(c, it, o, out, err);
    g = grade_rollout(it->task, it->problem.key, o, thinking);
    *out = (eval_grade){ g.right, g.right, g.check };
    return OK;
}

char *eval_said(const eval_item *it, const rollout *o)
{
    if (o->finish != FINISH_STOP) return NULL;
    return it->task ? answer_extract(o->answer, o->answer_len)
                    : ask_extract_final(o->answer, o->answer_len);
}

int eval_attempts(const char *think, size_t len)
{
    int n = 0;

    /* Only attempts hold an equals sign. */
    for (const char *s = think, *end = think + len; s < end;) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));

        if (!stop) stop = end;
        n += memchr(s, '=', (size_t)(stop - s)) != NULL;
        s = stop < end ? stop + 1 : end;
    }
    return n;
}

double eval_blind(const eval_item *it, uint64_t seed, int attempts)
{
    double hits = 0;

    /* The same stream whatever the attempts: more of them never find less. */
    for (int i = 0; i < EVAL_BLIND; i++) {
        rng r = { seed, STREAM_BLIND + (uint64_t)i, (uint64_t)it->number << 24 };

        hits += countdown_random_search(it->problem.key, &r, attempts);
    }
    return hits / EVAL_BLIND;
}

/* ----------------------------------------------------------------- one share */

void eval_tell(const eval_cell *c, const char *name, const share *s, double tokens)
{
    const stats_interval i = share_interval(s);
    const eval_figure f = { c->name, name, share_value(s), i.low, i.high, tokens, s->n };

    if (c->o->tell) c->o->tell(c->o->arg, &f);
}

typedef struct sums {
    share right;
    score score;
    double reward;
    int n_verified;              /* right, by a well-formed trace of true steps */
} sums;

static void sums_add(sums *s, const eval_grade *g, const rollout *o)
{
    const graded as = { g->right, g->check };

    score_add(&s->score, &as, o);
    s->reward += g->reward;
    s->n_verified += g->right && g->check.well_formed && g->check.n_true == g->check.n_step;
}

static json_t *sums_json(const eval_cell *c, const sums *s, bool thinking)
{
    const score *k = &s->score;
    const double n = k->n ? k->n : 1;
    json_t *j = share_json(&s->right);

    json_object_set_new(j, "answers", json_integer(k->n));
    json_object_set_new(j, "tokens", json_real(score_tokens(k)));
    if (!c->task) json_object_set_new(j, "reward", json_real(s->reward / n));
    if (!thinking) return j;
    json_object_set_new(j, "think_tokens", json_real((double)k->n_think / n));
    json_object_set_new(j, "cut", json_real(k->n_cut / n));
    if (!c->task) return j;
    json_object_set_new(j, "step_true", json_real(score_step_true(k)));
    json_object_set_new(j, "steps", json_integer(k->n_step));
    json_object_set_new(j, "verified", json_real(s->n_verified / n));
    json_object_set_new(j, "lucky", json_real(score_lucky(k)));
    json_object_set_new(j, "lucky_of_right",
                        json_real(k->n_right ? (double)k->n_lucky / k->n_right : 0));
    return j;
}

typedef struct plain_job {
    const eval_cell *c;
    bool thinking;
    bool blind;                  /* count blind search beside it */
    sums sums;
    share random;
    double attempts;
} plain_job;

static status plain_chunk(void *arg, const eval_chunk *k, errtext *err)
{
    plain_job *p = arg;

    for (int i = 0; i < k->n; i++) {
        const eval_item *it = &k->items[i];
        eval_grade g;
        status st = eval_judge(p->c, it, &k->answers[i], p->thinking, &g, err);

        if (st != OK) return st;
        sums_add(&p->sums, &g, &k->answers[i]);
        share_add(&p->sums.right, it->i_seed, g.right);
        if (p->blind) {
            const int n = eval_attempts(k->answers[i].think, k->answers[i].think_len);

            p->attempts += n;
            share_add(&p->random, it->i_seed, eval_blind(it, p->c->o->seed, n));
        }
    }
    return OK;
}

/* One answer a problem; the figure goes into `into` under `key`. */
static status plain(const eval_cell *c, const eval_how *how, const char *key, bool blind,
                    json_t *into, errtext *err)
{
    plain_job p = { .c = c, .thinking = how->thinking, .blind = blind };
    status st = eval_ask(c, how, plain_chunk, &p, err);
    json_t *j;

    if (st != OK) return st;
    p.random.group = EVAL_BLIND;
    j = sums_json(c, &p.sums, how->thinking);
    if (blind) {
        json_object_set_new(j, "attempts", json_real(p.attempts / p.random.n));
        json_object_set_new(j, "random", share_json(&p.random));
    }
    json_object_set_new(into, key, j);
    eval_tell(c, how->what, &p.sums.right, score_tokens(&p.sums.score));
    if (blind) eval_tell(c, "  blind search", &p.random, 0);
    return OK;
}

/* --------------------------------------------------- many answers a problem */

typedef struct many_job {
    const eval_cell *c;
    sums sums;
    share pass[MAX_POWER], cons[MAX_POWER], rerank[MAX_POWER];
    share random[MAX_POWER];     /* blind search with all attempts of k answers */
    int n_power;
} many_job;

/* Which of k answers the grader rates best; the first of equals. */
static bool best_right(const double *reward, const bool *right, int k)
{
    int best = 0;

    for (int i = 1; i < k; i++)
        if (reward[i] > reward[best]) best = i;
    return right[best];
}

/* One problem's answers, for every k: the runs of k side by side. */
static void many_add(many_job *m, const eval_item *it, char *const *said, const bool *right,
                     const double *reward, const int *attempts, int n)
{
    const bool search = it->task && it->task->search;
    int n_right = 0;

    for (int i = 0; i < n; i++) n_right += right[i];
    for (int p = 0; p < m->n_power; p++) {
        const int k = 1 << p, runs = n / k;
        double cons = 0, rerank = 0, blind = 0;

        for (int r = 0; r < runs; r++) {
            int tried = 0;

            cons += share_majority(said + r * k, right + r * k, k);
            rerank += best_right(reward + r * k, right + r * k, k);
            for (int i = 0; search && i < k; i++) tried += attempts[r * k + i];
            if (search && r == 0) blind = eval_blind(it, m->c->o->seed, tried);
        }
        share_add(&m->pass[p], it->i_seed, stats_pass_at_k(n, n_right, k));
        share_add(&m->cons[p], it->i_seed, cons / runs);
        share_add(&m->rerank[p], it->i_seed, rerank / runs);
        if (search) share_add(&m->random[p], it->i_seed, blind);
    }
    share_add(&m->sums.right, it->i_seed, (double)n_right / n);
}

static status many_chunk(void *arg, const eval_chunk *k, errtext *err)
{
    many_job *m = arg;
    const int n = k->group;
    char **said = mem_array((size_t)n, sizeof *said);
    bool *right = mem_array((size_t)n, sizeof *right);
    double *reward = mem_array((size_t)n, sizeof *reward);
    int *attempts = mem_array((size_t)n, sizeof *attempts);
    status st = OK;

    for (int i = 0; i < k->n && st == OK; i++) {
        const rollout *answers = k->answers + (size_t)i * (size_t)n;
        int g = 0;

        for (; g < n && st == OK; g++) {
            eval_grade of;

            st = eval_judge(m->c, &k->items[i], &answers[g], true, &of, err);
            right[g] = of.right;
            reward[g] = of.reward;
            said[g] = eval_said(&k->items[i], &answers[g]);
            attempts[g] = eval_attempts(answers[g].think, answers[g].think_len);
            sums_add(&m->sums, &of, &answers[g]);
        }
        if (st == OK) many_add(m, &k->items[i], said, right, reward, attempts, n);
        while (g > 0) mem_free(said[--g]);
    }
    mem_free(said);
    mem_free(right);
    mem_free(reward);
    mem_free(attempts);
    return st;
}

static json_t *powers_json(const share *s, int n)
{
    json_t *o = json_object();

    for (int p = 0; p < n; p++) {
        char name[16];

        snprintf(name, sizeof name, "%d", 1 << p);
        json_object_set_new(o, name, share_json(&s[p]));
    }
    return o;
}

static void tell_last(const eval_cell *c, const char *what, const share *s, int n_power)
{
    char name[32];

    snprintf(name, sizeof name, "%s@%d", what, 1 << (n_power - 1));
    eval_tell(c, name, &s[n_power - 1], 0);
}

static status measure_many(const eval_cell *c, errtext *err)
{
    many_job *m = mem_new(sizeof *m);
    eval_how how = eval_usual(c, "T=1");
    const bool search = c->task && c->task->search;
    status st;

    m->c = c;
    how.temperature = 1;
    how.group = c->o->group;
    while (m->n_power < MAX_POWER && 1 << m->n_power <= how.group) m->n_power++;
    m->sums.right.group = how.group;
    for (int p = 0; p < m->n_power; p++) {
        m->pass[p].group = m->cons[p].group = m->rerank[p].group = how.group >> p;
        m->random[p].group = EVAL_BLIND;
    }
    st = eval_ask(c, &how, many_chunk, m, err);
    if (st == OK) {
        json_object_set_new(c->out, "t1", sums_json(c, &m->sums, true));
        json_object_set_new(c->out, "pass", powers_json(m->pass, m->n_power));
        json_object_set_new(c->out, "rerank", powers_json(m->rerank, m->n_power));
        if (search)
            json_object_set_new(c->out, "rerank_random", powers_json(m->random, m->n_power));
        else
            json_object_set_new(c->out, "cons", powers_json(m->cons, m->n_power));
        eval_tell(c, "T=1", &m->sums.right, score_tokens(&m->sums.score));
        if (m->n_power > 1) {
            tell_last(c, "pass", m->pass, m->n_power);
            tell_last(c, "rerank", m->rerank, m->n_power);
            tell_last(c, search ? "  blind" : "cons", search ? m->random : m->cons, m->n_power);
        }
    }
    mem_free(m);
    return st;
}

/* ------------------------------------------------------------------ attempts */

/* Where a curve rises like log2(x), as an object; the caller's. */
static json_t *rise_json(const double *x, const double *y, int n)
{
    const rise r = rise_of(x, y, n, RISE_MIN_R2);

    return json_pack("{s:b, s:f, s:f, s:f, s:f, s:f, s:f}", "found", r.found, "from",
                     n ? x[r.from] : 0, "to", n ? x[r.to] : 0, "doublings", r.doublings,
                     "a", n > 1 ? r.fit.a : 0, "b", n > 1 ? r.fit.b : 0, "r2",
                     n > 1 ? r.fit.r2 : 0);
}

#define N_ATTEMPT 6              /* 1, 2, 4 ... 32 */

typedef struct attempts_job {
    const eval_cell *c;
    share found[N_ATTEMPT], random[N_ATTEMPT];
    double tried;
} attempts_job;

static status attempts_chunk(void *arg, const eval_chunk *k, errtext *err)
{
    attempts_job *a = arg;

    for (int i = 0; i < k->n; i++) {
        const eval_item *it = &k->items[i];
        const int tried = eval_attempts(k->answers[i].think, k->answers[i].think_len);
        eval_grade g;
        status st = eval_judge(a->c, it, &k->answers[i], true, &g, err);

        if (st != OK) return st;
        a->tried += tried;
        for (int p = 0; p < N_ATTEMPT; p++) {
            share_add(&a->found[p], it->i_seed, g.right && tried <= 1 << p);
            share_add(&a->random[p], it->i_seed, eval_blind(it, a->c->o->seed, 1 << p));
        }
    }
    return OK;
}

/* At which attempt of its trace a right answer was found, against blind search on
 * the same problems. */
static status measure_attempts(const eval_cell *c, errtext *err)
{
    attempts_job a = { .c = c };
    eval_how how = eval_usual(c, "attempts");
    double x[N_ATTEMPT], y[N_ATTEMPT];
    status st;

    how.temperature = 1;
    how.effort = EFFORT_HIGH;
    if ((st = eval_ask(c, &how, attempts_chunk, &a, err)) != OK) return st;
    for (int p = 0; p < N_ATTEMPT; p++) {
        char name[32];

        a.random[p].group = EVAL_BLIND;
        x[p] = 1 << p;
        y[p] = share_value(&a.found[p]);
        snprintf(name, sizeof name, "%d attempt%s", 1 << p, p ? "s" : "");
        eval_tell(c, name, &a.found[p], 0);
        eval_tell(c, "  blind search", &a.random[p], 0);
    }
    json_object_set_new(c->out, "attempts",
                        json_pack("{s:o, s:o, s:f}", "model", powers_json(a.found, N_ATTEMPT),
                                  "random", powers_json(a.random, N_ATTEMPT), "mean",
                                  a.tried / a.found[0].n));
    json_object_set_new(c->out, "attempts_fit", rise_json(x, y, N_ATTEMPT));
    return OK;
}

/* ------------------------------------------------------------ budget, effort */

static status measure_budget(const eval_cell *c, errtext *err)
{
    json_t *all = json_object();
    double x[EVAL_MAX_BUDGET], y[EVAL_MAX_BUDGET];
    int n = 0;
    status st = OK;

    for (int b = 0; b < c->o->n_budget && st == OK; b++) {
        eval_how how = eval_usual(c, NULL);
        char key[16], what[32];

        snprintf(key, sizeof key, "%d", c->o->budgets[b]);
        snprintf(what, sizeof what, "budget %s", key);
        how.what = what;
        how.temperature = 1;
        how.effort = EFFORT_HIGH;
        how.max_think = c->o->budgets[b];
        st = plain(c, &how, key, c->task && c->task->search, all, err);
        if (st == OK) {
            const json_t *of = json_object_get(all, key);
            const double spent = json_real_value(json_object_get(of, "think_tokens"));

            /* A budget above what any thought needs adds no point. */
            if (spent > 0 && (!n || spent > x[n - 1])) {
                x[n] = spent;
                y[n++] = json_real_value(json_object_get(of, "right"));
            }
        }
    }
    json_object_set_new(c->out, "budget", all);
    json_object_set_new(c->out, "budget_fit", rise_json(x, y, n));
    return st;
}

/* The word and the budget that go with it, as a user who gives the word has it. */
static status measure_effort(const eval_cell *c, errtext *err)
{
    static const effort levels[] = { EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH };
    json_t *all = json_object();
    status st = OK;

    for (int i = 0; i < 3 && st == OK; i++) {
        eval_how how = eval_usual(c, NULL);
        char what[32];

        snprintf(what, sizeof what, "effort %s", effort_name(levels[i]));
        how.what = what;
        how.effort = levels[i];
        how.max_think = effort_budget(levels[i]);
        st = plain(c, &how, effort_name(levels[i]), false, all, err);
    }
    json_object_set_new(c->out, "effort", all);
    return st;
}

/* --------------------------------------------------------------------- whole */

static status measure_cell(const eval_cell *c, errtext *err)
{
    const unsigned m = c->o->measures;
    const bool edits = c->task && c->task->edit, search = c->task && c->task->search;
    eval_how how = eval_usual(c, "direct");
    status st = OK;

    if (m & EVAL_DIRECT) {
        how.thinking = false;
        st = plain(c, &how, "direct", false, c->out, err);
    }
    if (st == OK && m & EVAL_GREEDY) {
        how.what = "greedy";
        how.thinking = true;
        st = plain(c, &how, "greedy", false, c->out, err);
    }
    if (st == OK && m & EVAL_T1) st = measure_many(c, err);
    if (st == OK && m & EVAL_ATTEMPTS && search) st = measure_attempts(c, err);
    if (st == OK && m & EVAL_BUDGET && c->o->n_budget) st = measure_budget(c, err);
    if (st == OK && m & EVAL_EFFORT) st = measure_effort(c, err);
    if (st == OK && m & EVAL_EARLY && c->task) st = eval_early(c, err);
    if (st == OK && m & EVAL_EDIT && edits) st = eval_edit(c, err);
    return st;
}

static status check_options(const eval_options *o, errtext *err)
{
    const struct { const char *name; int value, low, high; } fields[] = {
        { "seeds", o->seeds, 1, SHARE_MAX_SEED },
        { "problems", o->problems, o->mixture ? 1 : 0, 1000000 },
        { "group", o->group, 1, ASK_MAX_SAMPLES },
        { "max_think", o->max_think, 1, ASK_MAX_TOKENS / 4 },
        { "max_answer", o->max_answer, 1, ASK_MAX_TOKENS / 4 },
        { "budgets", o->n_budget, 0, EVAL_MAX_BUDGET },
    };

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].value < fields[i].low || fields[i].value > fields[i].high)
            return fail(err, E_ARG, "%s: %d is not in %d to %d", fields[i].name, fields[i].value,
                        fields[i].low, fields[i].high);
    for (int i = 0; i < o->n_budget; i++)
        if (o->budgets[i] < 1 || o->budgets[i] > ASK_MAX_TOKENS / 4 ||
            (i && o->budgets[i] <= o->budgets[i - 1]))
            return fail(err, E_ARG, "budgets[%d]: %d; rising numbers from 1 are expected", i,
                        o->budgets[i]);
    if (!o->measures) return fail(err, E_ARG, "measures: none is given");
    return OK;
}

static status measure_mixture(reasoner *r, const eval_options *o, json_t *all, errtext *err)
{
    status st = OK;

    for (int i = 0; i < mixture_cells(o->mixture) && st == OK; i++) {
        eval_cell c = { r, o, i, NULL, o->problems, mixture_cell_name(o->mixture, i), NULL,
                        json_object() };
        drawn d;

        mixture_draw_cell(o->mixture, i, o->split, o->seed, 0, &d);
        c.task = d.task;
        problem_fini(&d.problem);
        st = measure_cell(&c, err);
        json_object_set_new(all, c.name, c.out);
    }
    return st;
}

/* Every row must be one that the grader can use, before anything is spent. */
static status check_rows(const eval_options *o, const int *rows, int n, errtext *err)
{
    for (int i = 0; i < n; i++) {
        errtext why;
        status st = grader_check_item(o->grader, dataset_item(o->data, rows[i]), &why);

        if (st != OK)
            return fail(err, st, "%s line %d: %.400s", o->data_name,
                        dataset_line(o->data, rows[i]), why.text);
    }
    return OK;
}

static status measure_rows(reasoner *r, const eval_options *o, json_t *all, errtext *err)
{
    const int n_row = dataset_rows(o->data), most = n_row / o->seeds;
    eval_cell c = { r, o, 0, NULL, o->problems, o->data_name, NULL, NULL };
    rng shuffle = { o->seed, 0x726f7773, 0 };
    int *rows;
    status st;

    if (most < 1)
        return fail(err, E_ARG, "seeds: %d for a file of %d rows", o->seeds, n_row);
    if (!c.problems || c.problems > most) c.problems = most;
    rows = mem_array((size_t)n_row, sizeof *rows);
    for (int i = 0; i < n_row; i++) rows[i] = i;
    rng_shuffle(&shuffle, rows, n_row);
    c.rows = rows;
    c.out = json_object();
    st = check_rows(o, rows, c.problems * o->seeds, err);
    if (st == OK) st = measure_cell(&c, err);
    json_object_set_new(all, c.name, c.out);
    mem_free(rows);
    return st;
}

status evaluate(reasoner *r, const eval_options *o, json_t **out, errtext *err)
{
    status st = check_options(o, err);

    *out = NULL;
    if (st != OK) return st;
    *out = json_object();
    st = o->mixture ? measure_mixture(r, o, *out, err) : measure_rows(r, o, *out, err);
    if (st != OK) {
        json_decref(*out);
        *out = NULL;
    }
    return st;
}
