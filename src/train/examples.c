/* examples.c - where supervised examples come from. */
#include "train/examples.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/jsonfile.h"
#include "tasks/dataset.h"

/* One assistant's message of one row. */
typedef struct place {
    int32_t row;
    int32_t message;
} place;

struct examples {
    const job *job;
    dataset *data;
    place *places;
    int n_place, cap_place;
    int *order;                  /* [n_place] of epoch `epoch` */
    int64_t epoch;
};

status example_of(reasoner *r, const drawn *d, int max_ids, sequence *out, errtext *err)
{
    static const effort efforts[3] = { EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH };
    chat c = { 0 };
    status st;

    chat_of_prompt(&c, d->problem.prompt);
    st = sequence_encode(r, &c, !d->direct, efforts[d->effort], d->problem.think,
                         d->problem.answer, max_ids, out, err);
    chat_fini(&c);
    return st;
}

/* -------------------------------------------------------------------- files */

/* Does this message teach? weight 0 says no. */
static status teaches(const json_t *m, const char *where, bool *out, errtext *err)
{
    const char *role = NULL;
    int taught = 1;
    status st;

    if (!json_is_object(m)) return fail(err, E_FORMAT, "%s: an object expected", where);
    if ((st = jsonfile_text(m, "role", &role, where, err)) != OK ||
        (st = jsonfile_int(m, "weight", 0, 1, &taught, where, err)) != OK)
        return st;
    *out = role && !strcmp(role, "assistant") && taught;
    return OK;
}

static status list_places(examples *e, const char *path, errtext *err)
{
    for (int i = 0; i < dataset_rows(e->data); i++) {
        const json_t *row = dataset_row(e->data, i), *messages = json_object_get(row, "messages");
        bool any = false;

        if (!json_is_array(messages))
            return fail(err, E_FORMAT, "%s: row %d: messages: a list expected", path, i + 1);
        for (size_t k = 0; k < json_array_size(messages); k++) {
            char where[700];
            bool yes = false;
            status st;

            snprintf(where, sizeof where, "%.500s: row %d: messages[%zu]", path, i + 1, k);
            if ((st = teaches(json_array_get(messages, k), where, &yes, err)) != OK) return st;
            if (!yes) continue;
            if (k == 0) return fail(err, E_FORMAT, "%s: the assistant speaks first", where);
            if (e->n_place == e->cap_place) {
                e->cap_place = e->cap_place ? 2 * e->cap_place : 1024;
                e->places = mem_resize(e->places, (size_t)e->cap_place, sizeof *e->places);
            }
            e->places[e->n_place++] = (place){ i, (int32_t)k };
            any = true;
        }
        if (!any)
            return fail(err, E_FORMAT, "%s: row %d: no assistant message to learn from", path,
                        i + 1);
    }
    return e->n_place ? OK : fail(err, E_FORMAT, "%s: no rows", path);
}

status examples_open(examples **out, const job *j, errtext *err)
{
    examples *e = mem_new(sizeof *e);
    status st = OK;

    *out = NULL;
    e->job = j;
    e->epoch = -1;
    if (!j->mixture) {
        st = dataset_open(&e->data, j->training_file, DATASET_SFT, 0, err);
        if (st == OK) st = list_places(e, j->training_file, err);
    }
    if (st != OK) {
        examples_close(e);
        return st;
    }
    *out = e;
    return OK;
}

void examples_close(examples *e)
{
    if (!e) return;
    dataset_close(e->data);
    mem_free(e->places);
    mem_free(e->order);
    mem_free(e);
}

int64_t examples_count(const examples *e) { return e->n_place; }

static void shuffle(examples *e, int64_t epoch)
{
    rng r = { e->job->seed, 0x65706f6368 + (uint64_t)epoch, 0 };

    if (!e->order) e->order = mem_array((size_t)e->n_place, sizeof *e->order);
    for (int i = 0; i < e->n_place; i++) e->order[i] = i;
    rng_shuffle(&r, e->order, e->n_place);
    e->epoch = epoch;
}

/* The conversation up to a message, and that message as the answer. */
static status file_example(examples *e, reasoner *r, const place *p, sequence *out, errtext *err)
{
    const json_t *row = dataset_row(e->data, p->row);
    const json_t *messages = json_object_get(row, "messages");
    json_t *head = json_object(), *list = json_array(), *tools = json_object_get(row, "tools");
    const json_t *m = json_array_get(messages, (size_t)p->message);
    const char *answer = NULL, *think = NULL;
    chat c = { 0 };
    char *text, where[64];
    status st;

    for (int i = 0; i < p->message; i++)
        json_array_append(list, json_array_get(messages, (size_t)i));
    json_object_set_new(head, "messages", list);
    if (tools) json_object_set(head, "tools", tools);
    text = json_dumps(head, 0);
    st = chat_read(&c, text, strlen(text), err);
    snprintf(where, sizeof where, "row %d: messages[%d]", p->row + 1, p->message);
    if (st == OK) st = jsonfile_text(m, "content", &answer, where, err);
    if (st == OK) st = jsonfile_text(m, "reasoning_content", &think, where, err);
    if (st == OK && !answer) st = fail(err, E_FORMAT, "%s.content: missing", where);
    if (st == OK)
        st = (e->job->calculator ? sequence_encode_marks : sequence_encode)(
            r, &c, think != NULL, EFFORT_MEDIUM, think, answer, e->job->n_ctx, out, err);
    free(text);
    json_decref(head);
    chat_fini(&c);
    return st;
}

status examples_next(examples *e, reasoner *r, int64_t *cursor, sequence *out, errtext *err)
{
    const int64_t at = (*cursor)++;
    drawn d;
    status st;

    if (!e->job->mixture) {
        if (at / e->n_place != e->epoch) shuffle(e, at / e->n_place);
        return file_example(e, r, &e->places[e->order[at % e->n_place]], out, err);
    }
    /* A search may take more lines than the context holds: the next one, then. */
    for (int tries = 0;; tries++) {
        mixture_draw(e->job->mixture, NULL, SPLIT_TRAIN, e->job->seed,
                     (uint64_t)(tries ? (*cursor)++ : at), &d);
        st = example_of(r, &d, e->job->n_ctx, out, err);
        problem_fini(&d.problem);
        if (st != E_LIMIT || tries == 100) return st;
    }
}
