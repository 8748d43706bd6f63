/* suite.c - an evaluation read from JSON, and run. */
#include "train/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/jsonfile.h"
#include "train/share.h"

#define MAX_FILE ((size_t)4 << 20)

static const char *const section_keys[] = {
    "name", "about", "cells", "data", "grader", "measures", "split", "problems", "seeds", "seed",
    "group", "effort", "budgets", "max_think", "max_answer", "calculator", NULL,
};

static status known_keys(const json_t *object, bool top, const char *where, errtext *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value) {
        bool known = top && !strcmp(key, "sections");

        for (int i = 0; section_keys[i]; i++) known |= !strcmp(key, section_keys[i]);
        if (!known) return fail(err, E_FORMAT, "%s.%.60s: no such key", where, key);
    }
    return OK;
}

/* ----------------------------------------------------------------- a section */

static status read_measures(const json_t *j, unsigned *out, const char *where, errtext *err)
{
    if (!j) return OK;
    if (!json_is_array(j) || !json_array_size(j))
        return fail(err, E_FORMAT, "%s.measures: a list of names expected", where);
    *out = 0;
    for (size_t i = 0; i < json_array_size(j); i++) {
        const char *name = json_string_value(json_array_get(j, i));
        unsigned bit;

        if (!name || !eval_measure_parse(name, &bit))
            return fail(err, E_ARG, "%s.measures[%zu]: %s expected", where, i,
                        eval_measure_names);
        *out |= bit;
    }
    return OK;
}

static status read_budgets(const json_t *j, suite_section *s, const char *where, errtext *err)
{
    eval_options *o = &s->options;

    if (!j) {
        for (int b = 16; b <= 512; b *= 2) s->budgets[o->n_budget++] = b;
        return OK;
    }
    if (!json_is_array(j) || json_array_size(j) > EVAL_MAX_BUDGET)
        return fail(err, E_FORMAT, "%s.budgets: a list of at most %d numbers expected", where,
                    EVAL_MAX_BUDGET);
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *b = json_array_get(j, i);
        const json_int_t v = json_integer_value(b), last = i ? s->budgets[i - 1] : 0;

        if (!json_is_integer(b) || v <= last || v > ASK_MAX_TOKENS / 4)
            return fail(err, E_LIMIT, "%s.budgets[%zu]: rising numbers from 1 expected", where, i);
        s->budgets[o->n_budget++] = (int)v;
    }
    return OK;
}

/* Figures go by the names of cells. */
static status distinct_cells(const mixture *m, const char *where, errtext *err)
{
    for (int i = 0; i < mixture_cells(m); i++)
        for (int k = 0; k < i; k++)
            if (!strcmp(mixture_cell_name(m, i), mixture_cell_name(m, k)))
                return fail(err, E_FORMAT, "%s: two cells are named %s (\"name\" tells parts "
                            "apart)", where, mixture_cell_name(m, i));
    return OK;
}

static status read_source(suite_section *s, const json_t *j, const char *where, errtext *err)
{
    const json_t *cells = json_object_get(j, "cells"), *grading = json_object_get(j, "grader");
    const char *data = NULL;
    char place[200];
    status st = jsonfile_text(j, "data", &data, where, err);

    if (st != OK) return st;
    if (!cells == !data)
        return fail(err, E_FORMAT, "%s: one of cells and data expected", where);
    if (cells) {
        if (grading) return fail(err, E_FORMAT, "%s.grader: only data has a grader", where);
        snprintf(place, sizeof place, "%.150s.cells", where);
        st = mixture_parse(&s->mixture, cells, place, err);
        return st == OK ? distinct_cells(s->mixture, place, err) : st;
    }
    if (!grading) return fail(err, E_FORMAT, "%s.grader: missing", where);
    if ((st = grader_new(&s->grader, grading, NULL, err)) != OK) return st;
    return dataset_open(&s->data, data, DATASET_RFT, 0, err);
}

static status read_numbers(eval_options *o, const json_t *j, bool data, const char *where,
                           errtext *err)
{
    int seed = 1;
    status st;

    o->seeds = data ? 1 : 3;
    o->problems = data ? 0 : 350;
    o->group = 8;
    o->max_think = 1024;
    o->max_answer = data ? 512 : 64;
    if ((st = jsonfile_int(j, "problems", 1, 1000000, &o->problems, where, err)) != OK ||
        (st = jsonfile_int(j, "seeds", 1, SHARE_MAX_SEED, &o->seeds, where, err)) != OK ||
        (st = jsonfile_int(j, "seed", 0, 1 << 30, &seed, where, err)) != OK ||
        (st = jsonfile_int(j, "group", 1, ASK_MAX_SAMPLES, &o->group, where, err)) != OK ||
        (st = jsonfile_int(j, "max_think", 1, 1 << 20, &o->max_think, where, err)) != OK ||
        (st = jsonfile_int(j, "max_answer", 1, 1 << 20, &o->max_answer, where, err)) != OK ||
        (st = jsonfile_bool(j, "calculator", &o->calculator, where, err)) != OK)
        return st;
    o->seed = (uint64_t)seed;
    return OK;
}

static status read_words(suite_section *s, const json_t *j, const char *where, errtext *err)
{
    eval_options *o = &s->options;
    const char *name = NULL, *about = NULL, *split_word = "valid", *word = "medium";
    status st;

    if ((st = jsonfile_text(j, "name", &name, where, err)) != OK ||
        (st = jsonfile_text(j, "about", &about, where, err)) != OK ||
        (st = jsonfile_text(j, "split", &split_word, where, err)) != OK ||
        (st = jsonfile_text(j, "effort", &word, where, err)) != OK)
        return st;
    /* A name is part of a file's. */
    if (name && (!*name || strlen(name) > 60 || strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                             "0123456789-_ ") != strlen(name)))
        return fail(err, E_FORMAT, "%s.name: 1 to 60 letters, digits, - and _ expected", where);
    if (!strcmp(split_word, "test")) o->split = SPLIT_TEST;
    else if (!strcmp(split_word, "valid")) o->split = SPLIT_VALID;
    else if (!strcmp(split_word, "train")) o->split = SPLIT_TRAIN;
    else return fail(err, E_ARG, "%s.split: \"valid\", \"test\" or \"train\" expected", where);
    if (!effort_parse(word, &o->effort) || o->effort == EFFORT_NONE)
        return fail(err, E_ARG, "%s.effort: minimal, low, medium, high or xhigh expected", where);
    s->name = mem_string(name ? name : s->data ? "data" : "cells");
    s->about = mem_string(about);
    return OK;
}

static status read_section(suite_section *s, const json_t *j, const char *where, errtext *err)
{
    eval_options *o = &s->options;
    status st;

    *o = (eval_options){ .measures = EVAL_DIRECT | EVAL_GREEDY | EVAL_T1 };
    if ((st = read_source(s, j, where, err)) != OK || (st = read_words(s, j, where, err)) != OK ||
        (st = read_numbers(o, j, s->data != NULL, where, err)) != OK ||
        (st = read_budgets(json_object_get(j, "budgets"), s, where, err)) != OK)
        return st;
    o->mixture = s->mixture;
    o->data = s->data;
    o->grader = s->grader;
    o->data_name = s->name;
    return read_measures(json_object_get(j, "measures"), &o->measures, where, err);
}

/* ---------------------------------------------------------------------- whole */

/* The suite's own keys below a section's; cells, data, grader and name are a
 * section's affair. */
static json_t *inherit(const json_t *top, const json_t *section)
{
    json_t *all = json_object();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)top, key, value) {
        if (strcmp(key, "sections") && strcmp(key, "name") && strcmp(key, "about"))
            json_object_set(all, key, value);
    }
    json_object_update(all, (json_t *)section);
    return all;
}

static status read_sections(suite *out, const json_t *json, const json_t *list,
                            const char *where, errtext *err)
{
    status st = OK;

    if (!json_is_array(list) || !json_array_size(list) ||
        json_array_size(list) > SUITE_MAX_SECTION)
        return fail(err, E_FORMAT, "%s.sections: a list of 1 to %d objects expected", where,
                    SUITE_MAX_SECTION);
    if (json_object_get(json, "cells") || json_object_get(json, "data"))
        return fail(err, E_FORMAT, "%s: cells and data go into the sections", where);
    out->sections = mem_array(json_array_size(list), sizeof *out->sections);
    for (size_t i = 0; i < json_array_size(list) && st == OK; i++) {
        const json_t *one = json_array_get(list, i);
        char place[200];
        json_t *all;

        snprintf(place, sizeof place, "%.150s.sections[%zu]", where, i);
        if (!json_is_object(one)) return fail(err, E_FORMAT, "%s: an object expected", place);
        if ((st = known_keys(one, false, place, err)) != OK) return st;
        all = inherit(json, one);
        st = read_section(&out->sections[out->n++], all, place, err);
        json_decref(all);
        for (int k = 0; st == OK && k + 1 < out->n; k++)
            if (!strcmp(out->sections[k].name, out->sections[out->n - 1].name))
                st = fail(err, E_FORMAT, "%s.name: %s is there already", place,
                          out->sections[k].name);
    }
    return st;
}

status suite_parse(suite *out, const json_t *json, const char *where, errtext *err)
{
    const json_t *list = json_object_get(json, "sections");
    const char *name = NULL;
    status st;

    *out = (suite){ 0 };
    if (!json_is_object(json)) return fail(err, E_FORMAT, "%s: an object expected", where);
    if ((st = known_keys(json, true, where, err)) != OK ||
        (st = jsonfile_text(json, "name", &name, where, err)) != OK)
        return st;
    out->name = mem_string(name ? name : "eval");
    if (list) {
        st = read_sections(out, json, list, where, err);
    } else {
        out->sections = mem_array(1, sizeof *out->sections);
        out->n = 1;
        st = read_section(&out->sections[0], json, where, err);
    }
    if (st != OK) suite_fini(out);
    return st;
}

status suite_read(suite *out, const char *path, errtext *err)
{
    json_t *json;
    status st = jsonfile_read(&json, path, MAX_FILE, false, err);

    *out = (suite){ 0 };
    if (st != OK) return st;
    st = suite_parse(out, json, path, err);
    json_decref(json);
    return st;
}

void suite_fini(suite *s)
{
    for (int i = 0; i < s->n; i++) {
        suite_section *one = &s->sections[i];

        mem_free(one->name);
        mem_free(one->about);
        mixture_free(one->mixture);
        dataset_close(one->data);
        grader_free(one->grader);
    }
    mem_free(s->sections);
    mem_free(s->name);
    *s = (suite){ 0 };
}

void suite_problems(const suite *s, bytes *out)
{
    for (int i = 0; i < s->n; i++) {
        const eval_options *o = &s->sections[i].options;
        const int n_cell = o->mixture ? mixture_cells(o->mixture) : 0;

        for (int c = 0; c < n_cell; c++)
            for (int k = 0; k < o->problems * o->seeds; k++) {
                drawn d;
                json_t *row;
                char *text;

                mixture_draw_cell(o->mixture, c, o->split, o->seed + (uint64_t)(k % o->seeds),
                                  (uint64_t)(k / o->seeds), &d);
                row = json_pack("{s:[{s:s, s:s}], s:s, s:s, s:s, s:s}", "messages", "role",
                                "user", "content", d.problem.prompt, "task", d.task->name, "key",
                                d.problem.key, "answer", d.problem.answer, "cell",
                                mixture_cell_name(o->mixture, c));
                text = json_dumps(row, JSON_COMPACT);
                bytes_add_format(out, "%s\n", text);
                free(text);
                json_decref(row);
                problem_fini(&d.problem);
            }
    }
}

static const char *split_name(split s)
{
    return s == SPLIT_TEST ? "test" : s == SPLIT_VALID ? "valid" : "train";
}

static json_t *settings_json(const eval_options *o)
{
    json_t *budgets = json_array();

    for (int i = 0; i < o->n_budget; i++) json_array_append_new(budgets, json_integer(o->budgets[i]));
    return json_pack("{s:s, s:i, s:i, s:I, s:i, s:s, s:i, s:i, s:b, s:o}", "split",
                     o->mixture ? split_name(o->split) : "file",
                     "problems", o->problems, "seeds", o->seeds, "seed", (json_int_t)o->seed,
                     "group", o->group, "effort", effort_name(o->effort), "max_think",
                     o->max_think, "max_answer", o->max_answer, "calculator", o->calculator,
                     "budgets", budgets);
}

status suite_run(const suite *s, reasoner *r, const eval_options *hooks, json_t **out,
                 errtext *err)
{
    json_t *list = json_array();

    *out = NULL;
    for (int i = 0; i < s->n; i++) {
        const suite_section *one = &s->sections[i];
        eval_options o = one->options;
        json_t *cells;
        errtext why;
        status st;

        o.budgets = one->budgets;
        o.cancel = hooks->cancel;
        o.tell = hooks->tell;
        o.live = hooks->live;
        o.arg = hooks->arg;
        if ((st = evaluate(r, &o, &cells, &why)) != OK) {
            json_decref(list);
            return st == E_INTERRUPTED ? fail(err, st, "interrupted")
                                       : fail(err, st, "%s: %.440s", one->name, why.text);
        }
        json_array_append_new(list, json_pack("{s:s, s:s*, s:o, s:o}", "name", one->name, "about",
                                              one->about, "settings", settings_json(&o), "cells",
                                              cells));
    }
    *out = json_pack("{s:s, s:o}", "suite", s->name, "sections", list);
    return OK;
}
