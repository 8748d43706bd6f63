/* mixture.c - parts parsed, cells chosen, problems made. */
#include "train/mixture.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/jsonfile.h"
#include "tasks/strings.h"

#define MAX_FUNCTION 64

typedef struct part {
    const task *task;
    const char *name;            /* of its cells; borrowed from the JSON while parsing */
    double direct;
    double effort[3];
    int functions[MAX_FUNCTION];
    int n_function;
} part;

typedef struct cell {
    int part;
    int depth;
    double share;
    char name[48];
} cell;

struct mixture {
    part *parts;
    int n_part;
    cell cells[MIXTURE_MAX_CELL];
    int n_cell;
};

static status known_keys(const json_t *object, const char *where, errtext *err)
{
    static const char *const keys[] = { "task", "depth", "share", "direct", "effort",
                                        "functions", "name" };
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value) {
        bool known = false;

        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) known |= !strcmp(key, keys[i]);
        if (!known) return fail(err, E_FORMAT, "%s.%.60s: no such key", where, key);
    }
    return OK;
}

static status add_cell(mixture *m, const json_t *depth, double share, const char *where,
                       errtext *err)
{
    const part *p = &m->parts[m->n_part];
    cell *c = &m->cells[m->n_cell];
    json_int_t d = json_integer_value(depth);

    if (!json_is_integer(depth) || d < p->task->min_depth || d > p->task->max_depth)
        return fail(err, E_LIMIT, "%s.depth: %s takes %d to %d", where, p->task->name,
                    p->task->min_depth, p->task->max_depth);
    if (m->n_cell == MIXTURE_MAX_CELL)
        return fail(err, E_LIMIT, "%s: more than %d depths in all", where, MIXTURE_MAX_CELL);
    *c = (cell){ .part = m->n_part, .depth = (int)d, .share = share };
    snprintf(c->name, sizeof c->name, "%.36s %d", p->name, c->depth);
    m->n_cell++;
    return OK;
}

static status read_effort(part *p, const json_t *j, const char *where, errtext *err)
{
    static const char *const names[3] = { "low", "medium", "high" };
    double sum = 0;

    p->effort[TRACE_MEDIUM] = 1;
    if (!j) return OK;
    if (!json_is_object(j)) return fail(err, E_FORMAT, "%s.effort: an object expected", where);
    for (int i = 0; i < 3; i++) {
        status st;

        p->effort[i] = 0;
        if ((st = jsonfile_float(j, names[i], 0, 1e6, &p->effort[i], where, err)) != OK) return st;
        sum += p->effort[i];
    }
    return sum > 0 ? OK : fail(err, E_FORMAT, "%s.effort: all weights are 0", where);
}

static status read_functions(part *p, const json_t *j, const char *where, errtext *err)
{
    if (!j) return OK;
    if (strcmp(p->task->name, "strings"))
        return fail(err, E_FORMAT, "%s.functions: only strings has functions", where);
    if (!json_is_array(j) || json_array_size(j) < 1 || json_array_size(j) > STRINGS_N)
        return fail(err, E_FORMAT, "%s.functions: a list of 1 to %d numbers expected", where,
                    STRINGS_N);
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *f = json_array_get(j, i);

        if (!json_is_integer(f) || json_integer_value(f) < 0 ||
            json_integer_value(f) >= STRINGS_N)
            return fail(err, E_LIMIT, "%s.functions[%zu]: 0 to %d expected", where, i,
                        STRINGS_N - 1);
        p->functions[p->n_function++] = (int)json_integer_value(f);
    }
    return OK;
}

static status read_part(mixture *m, const json_t *j, const char *where, errtext *err)
{
    part *p = &m->parts[m->n_part];
    const json_t *depth = json_object_get(j, "depth");
    const char *name = NULL;
    double share = 1;
    status st;

    if (!json_is_object(j)) return fail(err, E_FORMAT, "%s: an object expected", where);
    if ((st = known_keys(j, where, err)) != OK ||
        (st = jsonfile_text(j, "task", &name, where, err)) != OK ||
        (st = jsonfile_text(j, "name", &p->name, where, err)) != OK ||
        (st = jsonfile_float(j, "share", 0, 1e6, &share, where, err)) != OK ||
        (st = jsonfile_float(j, "direct", 0, 1, &p->direct, where, err)) != OK)
        return st;
    if (!name) return fail(err, E_FORMAT, "%s.task: missing", where);
    if (!(p->task = task_find(name)))
        return fail(err, E_ARG, "%s.task: there is no family %.40s", where, name);
    if (!p->name) p->name = p->task->name;
    if ((st = read_effort(p, json_object_get(j, "effort"), where, err)) != OK ||
        (st = read_functions(p, json_object_get(j, "functions"), where, err)) != OK)
        return st;
    if (!json_is_array(depth)) {
        st = add_cell(m, depth, share, where, err);
    } else {
        size_t n = json_array_size(depth);

        if (n == 0) return fail(err, E_FORMAT, "%s.depth: the list is empty", where);
        for (size_t i = 0; st == OK && i < n; i++)
            st = add_cell(m, json_array_get(depth, i), share / (double)n, where, err);
    }
    m->n_part++;
    return st;
}

status mixture_parse(mixture **out, const json_t *list, const char *where, errtext *err)
{
    mixture *m;
    double sum = 0;

    *out = NULL;
    if (!json_is_array(list) || json_array_size(list) == 0 ||
        json_array_size(list) > MIXTURE_MAX_CELL)
        return fail(err, E_FORMAT, "%s: a list of 1 to %d parts expected", where,
                    MIXTURE_MAX_CELL);
    m = mem_new(sizeof *m);
    m->parts = mem_array(json_array_size(list), sizeof *m->parts);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char place[160];
        status st;

        snprintf(place, sizeof place, "%.120s[%zu]", where, i);
        if ((st = read_part(m, json_array_get(list, i), place, err)) != OK) {
            mixture_free(m);
            return st;
        }
    }
    for (int i = 0; i < m->n_cell; i++) sum += m->cells[i].share;
    if (!(sum > 0)) {
        mixture_free(m);
        return fail(err, E_FORMAT, "%s: all shares are 0", where);
    }
    for (int i = 0; i < m->n_cell; i++) m->cells[i].share /= sum;
    *out = m;
    return OK;
}

void mixture_free(mixture *m)
{
    if (!m) return;
    mem_free(m->parts);
    mem_free(m);
}

int mixture_cells(const mixture *m) { return m->n_cell; }
const char *mixture_cell_name(const mixture *m, int c) { return m->cells[c].name; }
double mixture_cell_share(const mixture *m, int c) { return m->cells[c].share; }

/* Which of n weights a number in [0, 1) falls on. */
static int pick(const double *weights, int n, double at)
{
    double sum = 0;
    int last = 0;

    for (int i = 0; i < n; i++) sum += weights[i];
    at *= sum;
    for (int i = 0; i < n; i++) {
        if (weights[i] <= 0) continue;
        last = i;
        if (at < weights[i]) return i;
        at -= weights[i];
    }
    return last;
}

/* Keys of strings come from a list of functions; all else is problem_make's. */
static void make_strings(const part *p, const cell *c, split s, rng *r, trace_effort effort,
                         problem *out)
{
    char *key = strings_draw_from(r, c->depth, p->functions, p->n_function);

    while (key_split(p->task, key) != s) {
        mem_free(key);
        key = strings_draw_from(r, c->depth, p->functions, p->n_function);
    }
    *out = (problem){ 0 };
    p->task->tell(out, key, r, effort);
    if (!out->key) out->key = mem_string(key);
    out->depth = c->depth;
    mem_free(key);
}

void mixture_draw_cell(const mixture *m, int i_cell, split s, uint64_t seed, uint64_t index,
                       drawn *out)
{
    const cell *c = &m->cells[i_cell];
    const part *p = &m->parts[c->part];

    *out = (drawn){ .task = p->task, .cell = i_cell };
    out->direct = rng_uniform(seed, 0x6d69780001, index) < p->direct;
    out->effort = (trace_effort)pick(p->effort, 3, rng_uniform(seed, 0x6d69780002, index));
    if (p->n_function) {
        rng r = { seed, 0x6d69780003, index << 20 };

        make_strings(p, c, s, &r, out->effort, &out->problem);
    } else {
        problem_make(p->task, s, seed, index, c->depth, out->effort, &out->problem);
    }
}

void mixture_draw(const mixture *m, const double *shares, split s, uint64_t seed,
                  uint64_t index, drawn *out)
{
    double own[MIXTURE_MAX_CELL];

    for (int i = 0; i < m->n_cell; i++) own[i] = shares ? shares[i] : m->cells[i].share;
    mixture_draw_cell(m, pick(own, m->n_cell, rng_uniform(seed, 0x6d69780000, index)), s, seed,
                      index, out);
}
