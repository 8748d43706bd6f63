/* judge.c - prompts drawn, answers graded. */
#include "train/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/dataset.h"
#include "tasks/grader.h"
#include "train/sequence.h"

struct judge {
    const job *job;
    dataset *data;               /* rows of training_file; NULL with a mixture */
    grader *grader;
    int *order;                  /* [rows] of epoch `epoch` */
    int64_t epoch;
};

void judge_item_fini(judge_item *it)
{
    chat_fini(&it->chat);
    problem_fini(&it->problem);
    mem_free(it->label_text);
    *it = (judge_item){ 0 };
}

status judge_open(judge **out, const job *j, errtext *err)
{
    judge *g = mem_new(sizeof *g);
    status st = OK;

    *out = NULL;
    g->job = j;
    g->epoch = -1;
    if (!j->mixture) {
        st = dataset_open(&g->data, j->training_file, DATASET_RFT, 0, err);
        if (st == OK) st = grader_new(&g->grader, j->grader, NULL, err);
        for (int i = 0; st == OK && i < dataset_rows(g->data); i++)
            st = grader_check_item(g->grader, dataset_item(g->data, i), err);
        if (st == OK)
            g->order = mem_array((size_t)dataset_rows(g->data), sizeof *g->order);
    }
    if (st != OK) {
        judge_close(g);
        return st;
    }
    *out = g;
    return OK;
}

void judge_close(judge *g)
{
    if (!g) return;
    dataset_close(g->data);
    grader_free(g->grader);
    mem_free(g->order);
    mem_free(g);
}

int64_t judge_rows(const judge *g) { return g->data ? dataset_rows(g->data) : 0; }

int judge_cells(const judge *g) { return g->data ? 1 : mixture_cells(g->job->mixture); }

const char *judge_cell_name(const judge *g, int cell)
{
    return g->data ? "rows" : mixture_cell_name(g->job->mixture, cell);
}

double judge_cell_share(const judge *g, int cell)
{
    return g->data ? 1 : mixture_cell_share(g->job->mixture, cell);
}

static void shuffle(judge *g, int64_t epoch)
{
    rng r = { g->job->seed, 0x726f7773 + (uint64_t)epoch, 0 };
    const int n = dataset_rows(g->data);

    for (int i = 0; i < n; i++) g->order[i] = i;
    rng_shuffle(&r, g->order, n);
    g->epoch = epoch;
}

/* The conversation of a row; everything else in it is the grader's. */
static status draw_row(judge *g, uint64_t cursor, judge_item *out, errtext *err)
{
    const int n = dataset_rows(g->data);
    const int64_t epoch = (int64_t)(cursor / (uint64_t)n);
    const json_t *row;
    json_t *head = json_object();
    char label[32], *text;
    status st;

    if (epoch != g->epoch) shuffle(g, epoch);
    *out = (judge_item){ .effort = g->job->effort, .row = g->order[cursor % (uint64_t)n] };
    snprintf(label, sizeof label, "line %d", dataset_line(g->data, out->row));
    out->label = out->label_text = mem_string(label);
    row = dataset_row(g->data, out->row);
    json_object_set(head, "messages", json_object_get(row, "messages"));
    if (json_object_get(row, "tools"))
        json_object_set(head, "tools", json_object_get(row, "tools"));
    text = json_dumps(head, 0);
    st = chat_read(&out->chat, text, strlen(text), err);
    free(text);
    json_decref(head);
    return st;
}

status judge_draw(judge *g, const double *shares, uint64_t cursor, judge_item *out,
                  errtext *err)
{
    static const effort efforts[3] = { EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH };
    drawn d;

    if (g->data) return draw_row(g, cursor, out, err);
    mixture_draw(g->job->mixture, shares, SPLIT_TRAIN, g->job->seed, cursor, &d);
    *out = (judge_item){ .effort = efforts[d.effort], .cell = d.cell, .task = d.task,
                         .problem = d.problem };
    out->label = out->problem.key;
    chat_of_prompt(&out->chat, out->problem.prompt);
    return OK;
}

static void grade_row(judge *g, const judge_item *it, const rollout *o, judge_verdict *out)
{
    json_t *said = grader_sample(o->answer, o->answer_len, NULL);
    grade r;

    grader_run(g->grader, dataset_item(g->data, it->row), said, &r);
    out->reward = r.reward;
    out->broken = r.verdict == GRADE_BROKEN;
    grade_fini(&r);
    json_decref(said);
}

void judge_grade(judge *g, const judge_item *it, const rollout *o, judge_verdict *out)
{
    *out = (judge_verdict){ .check.well_formed = true };
    if (g->data) {
        grade_row(g, it, o, out);
        return;
    }
    if (o->finish == FINISH_STOP)
        out->reward = it->task->grade(it->problem.key, o->answer, o->answer_len);
    it->task->check(it->problem.key, o->think, o->think_len, &out->check);
}
