/* judge.c - prompts drawn, answers graded. */
#include "train/judge.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "train/sequence.h"

struct judge {
    const job *job;
};

void judge_item_fini(judge_item *it)
{
    chat_fini(&it->chat);
    problem_fini(&it->problem);
    mem_free(it->label_text);
    *it = (judge_item){ 0 };
}

void judge_verdict_fini(judge_verdict *v)
{
    mem_free(v->note);
    *v = (judge_verdict){ 0 };
}

status judge_open(judge **out, const job *j, reasoner *r, errtext *err)
{
    (void)r;
    (void)err;
    *out = mem_new(sizeof **out);
    (*out)->job = j;
    return OK;
}

void judge_close(judge *g)
{
    mem_free(g);
}

int judge_cells(const judge *g) { return mixture_cells(g->job->mixture); }

const char *judge_cell_name(const judge *g, int cell)
{
    return mixture_cell_name(g->job->mixture, cell);
}

double judge_cell_share(const judge *g, int cell)
{
    return mixture_cell_share(g->job->mixture, cell);
}

status judge_draw(judge *g, const double *shares, uint64_t cursor, judge_item *out,
                  errtext *err)
{
    static const effort efforts[3] = { EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH };
    drawn d;

    (void)err;
    mixture_draw(g->job->mixture, shares, SPLIT_TRAIN, g->job->seed, cursor, &d);
    *out = (judge_item){ .effort = efforts[d.effort], .cell = d.cell, .task = d.task,
                         .problem = d.problem };
    out->label = out->problem.key;
    chat_of_prompt(&out->chat, out->problem.prompt);
    return OK;
}

void judge_grade(judge *g, const judge_item *it, const rollout *o, judge_verdict *out)
{
    (void)g;
    *out = (judge_verdict){ .check.well_formed = true };
    if (o->finish == FINISH_STOP)
        out->reward = it->task->grade(it->problem.key, o->answer, o->answer_len);
    it->task->check(it->problem.key, o->think, o->think_len, &out->check);
}
