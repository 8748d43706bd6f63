/* pairs.c - preference rows as two sequences with one prompt. */
#include "train/pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/jsonfile.h"
#include "tasks/dataset.h"

struct pairs {
    const job *job;
    dataset *data;
    int *order;                  /* [rows] of epoch `epoch` */
    int64_t epoch;
};

status pairs_open(pairs **out, const job *j, errtext *err)
{
    pairs *p = mem_new(sizeof *p);
    status st = dataset_open(&p->data, j->training_file, DATASET_DPO, 0, err);

    *out = NULL;
    p->job = j;
    p->epoch = -1;
    if (st != OK) {
        pairs_close(p);
        return st;
    }
    p->order = mem_array((size_t)dataset_rows(p->data), sizeof *p->order);
    *out = p;
    return OK;
}

void pairs_close(pairs *p)
{
    if (!p) return;
    dataset_close(p->data);
    mem_free(p->order);
    mem_free(p);
}

int64_t pairs_count(const pairs *p) { return dataset_rows(p->data); }

static void shuffle(pairs *p, int64_t epoch)
{
    rng r = { p->job->seed, 0x7061697273 + (uint64_t)epoch, 0 };
    const int n = dataset_rows(p->data);

    for (int i = 0; i < n; i++) p->order[i] = i;
    rng_shuffle(&r, p->order, n);
    p->epoch = epoch;
}

static status answer_of(const json_t *row, const char *key, const char *older, const char *where,
                        const char **answer, const char **think, errtext *err)
{
    const json_t *list = json_object_get(row, key), *m;
    char place[96];
    status st;

    if (!list) list = json_object_get(row, older);
    m = json_array_get(list, 0);
    snprintf(place, sizeof place, "%.40s.%s[0]", where, key);
    if (json_array_size(list) != 1)
        return fail(err, E_UNSUPPORTED, "%s.%s: one message expected", where, key);
    if ((st = jsonfile_text(m, "content", answer, place, err)) != OK ||
        (st = jsonfile_text(m, "reasoning_content", think, place, err)) != OK)
        return st;
    return *answer ? OK : fail(err, E_FORMAT, "%s.content: missing", place);
}

status pairs_next(pairs *p, reasoner *r, int64_t *cursor, sequence out[2], errtext *err)
{
    static const char *const keys[2] = { "preferred_output", "non_preferred_output" };
    static const char *const older[2] = { "preferred_completion", "non_preferred_completion" };
    const int n = dataset_rows(p->data);
    const int64_t at = (*cursor)++;
    const json_t *row;
    char *input, where[48];
    chat c = { 0 };
    status st;
    int i;

    if (at / n != p->epoch) shuffle(p, at / n);
    i = p->order[at % n];
    row = dataset_row(p->data, i);
    out[0] = out[1] = (sequence){ 0 };
    input = json_dumps(json_object_get(row, "input"), 0);
    st = chat_read(&c, input, strlen(input), err);
    free(input);
    snprintf(where, sizeof where, "line %d", dataset_line(p->data, i));
    for (int k = 0; k < 2 && st == OK; k++) {
        const char *answer = NULL, *think = NULL;

        st = answer_of(row, keys[k], older[k], where, &answer, &think, err);
        if (st == OK)
            st = sequence_encode(r, &c, think != NULL, EFFORT_MEDIUM, think, answer,
                                 p->job->n_ctx, &out[k], err);
    }
    if (st != OK) sequence_fini(&out[0]);
    chat_fini(&c);
    return st;
}
