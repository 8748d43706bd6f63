/* score.c - problems drawn, answered, graded, summed. */
#include "train/score.h"

#include <string.h>

#include "base/mem.h"
#include "train/sequence.h"

double score_right(const score *s) { return s->n ? (double)s->n_right / s->n : 0; }
double score_lucky(const score *s) { return s->n ? (double)s->n_lucky / s->n : 0; }
double score_tokens(const score *s) { return s->n ? (double)s->n_token / s->n : 0; }

double score_step_true(const score *s)
{
    return s->n_step ? (double)s->n_true / (double)s->n_step : 1;
}

graded grade_rollout(const task *t, const char *key, const rollout *o, bool thinking)
{
    graded g = { .right = o->finish == FINISH_STOP && t->grade(key, o->answer, o->answer_len) == 1 };

    if (thinking) t->check(key, o->think, o->think_len, &g.check);
    return g;
}

void score_add(score *s, const graded *g, const rollout *o)
{
    s->n++;
    s->n_right += g->right;
    s->n_lucky += g->right && g->check.n_true < g->check.n_step;
    s->n_checked += g->check.n_step > 0;
    s->n_step += g->check.n_step;
    s->n_true += g->check.n_true;
    s->n_token += o->n - o->n_prompt;
    s->n_think += o->n_think;
    s->n_cut += o->closed_by == CLOSE_BUDGET || o->closed_by == CLOSE_LIMIT;
}

status score_rollouts(reasoner *r, const mixture *m, int cell, const score_options *o,
                      drawn **problems, rollout **rollouts, errtext *err)
{
    size_t n = (size_t)o->problems;
    rollout_prompt *prompts = mem_array(n, sizeof *prompts);
    chat *chats = mem_array(n, sizeof *chats);
    rollout_options ro = {
        .group = o->group, .temperature = o->temperature, .max_think = o->max_think,
        .max_answer = o->max_answer, .seed = o->seed,
        .stream = o->first * (uint64_t)o->group, .tenant = o->tenant, .cancel = o->cancel,
    };
    status st;

    *problems = mem_array(n, sizeof **problems);
    *rollouts = mem_array(n * (size_t)o->group, sizeof **rollouts);
    for (size_t i = 0; i < n; i++) {
        mixture_draw_cell(m, cell, o->split, o->seed, o->first + i, &(*problems)[i]);
        chat_of_prompt(&chats[i], (*problems)[i].problem.prompt);
        prompts[i] = (rollout_prompt){ &chats[i], o->thinking, o->effort, false };
    }
    st = rollout_run(r, &ro, prompts, o->problems, *rollouts, err);
    for (size_t i = 0; i < n; i++) chat_fini(&chats[i]);
    mem_free(chats);
    mem_free(prompts);
    if (st != OK) {
        score_release(o, *problems, *rollouts);
        *problems = NULL;
        *rollouts = NULL;
    }
    return st;
}

void score_release(const score_options *o, drawn *problems, rollout *rollouts)
{
    for (int i = 0; problems && i < o->problems; i++) problem_fini(&problems[i].problem);
    for (int i = 0; rollouts && i < o->problems * o->group; i++) rollout_fini(&rollouts[i]);
    mem_free(problems);
    mem_free(rollouts);
}

status score_cell(reasoner *r, const mixture *m, int cell, const score_options *o, score *out,
                  errtext *err)
{
    drawn *problems;
    rollout *rollouts;
    status st = score_rollouts(r, m, cell, o, &problems, &rollouts, err);

    *out = (score){ 0 };
    if (st != OK) return st;
    for (int i = 0; i < o->problems * o->group; i++) {
        const drawn *d = &problems[i / o->group];
        graded g = grade_rollout(d->task, d->problem.key, &rollouts[i], o->thinking);

        score_add(out, &g, &rollouts[i]);
    }
    score_release(o, problems, rollouts);
    return OK;
}
