/* suite_report.c - what an evaluation found, as files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "train/chart.h"
#include "train/report.h"
#include "train/rise.h"
#include "train/suite.h"

#define MAX_POINT 512

/* ------------------------------------------------------------------- curves */

typedef struct output {
    const char *dir;
    report *page;
    const char *section;
} output;

typedef struct curve {
    const char *name;
    chart_point points[MAX_POINT];
    int n;
    bool fit;
    double fit_low, fit_high;
    bool plain;
} curve;

static double number_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void curve_add(curve *c, double x, const json_t *share)
{
    if (!json_is_object(share) || c->n == MAX_POINT) return;
    c->points[c->n++] = (chart_point){ x, number_of(share, "right"), number_of(share, "low"),
                                       number_of(share, "high") };
}

/* Let the chart print the line over the stretch where it holds. */
static void curve_fit(curve *c)
{
    double x[MAX_POINT], y[MAX_POINT];
    rise best;

    for (int i = 0; i < c->n; i++) {
        x[i] = c->points[i].x;
        y[i] = c->points[i].y;
    }
    best = rise_of(x, y, c->n, RISE_MIN_R2);
    if (!best.found) return;
    c->fit = true;
    c->fit_low = x[best.from];
    c->fit_high = x[best.to];
}

/* "SECTION-CELL-WHAT.svg", blanks as dashes. */
static status put_chart(const output *o, const char *cell, const char *what, const chart *shape,
                        const curve *curves, int n, errtext *err)
{
    chart_series series[6];
    chart c = *shape;
    bytes name = { 0 };
    status st;

    for (int i = 0; i < n; i++)
        series[i] = (chart_series){ .name = curves[i].name, .points = curves[i].points,
                                    .n = curves[i].n, .plain = curves[i].plain,
                                    .fit = curves[i].fit, .fit_low = curves[i].fit_low,
                                    .fit_high = curves[i].fit_high };
    c.series = series;
    c.n_series = n;
    report_chart(o->page, &c);
    bytes_add_format(&name, "%s%s%s-%s.svg", o->section, *cell ? "-" : "", cell, what);
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] == ' ' || name.data[i] == '/') name.data[i] = '-';
    {
        bytes path = { 0 };

        bytes_add_format(&path, "%s/%s", o->dir, name.data);
        st = chart_write(&c, path.data, err);
        bytes_fini(&path);
    }
    bytes_fini(&name);
    return st;
}

/* Keys are numbers: k, attempts. */
static void curve_keys(curve *c, const json_t *shares)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)shares, key, value) curve_add(c, atof(key), value);
}

static status chart_budget(const output *o, const char *cell, const json_t *of, errtext *err)
{
    curve *c = mem_array(2, sizeof *c);
    char title[160];
    const chart shape = { .title = title, .x_label = "thinking, mean", .x_unit = "tokens",
                          .y_label = "right", .x_scale = CHART_LOG2, .percent = true,
                          .zero = true };
    const char *key;
    json_t *value;
    status st;

    snprintf(title, sizeof title, "%s: accuracy against thinking", cell);
    c[0].name = "model, T=1";
    c[1].name = "blind search, as many attempts";
    json_object_foreach((json_t *)of, key, value) {
        curve_add(&c[0], number_of(value, "think_tokens"), value);
        curve_add(&c[1], number_of(value, "think_tokens"), json_object_get(value, "random"));
    }
    curve_fit(&c[0]);
    st = put_chart(o, cell, "budget", &shape, c, c[1].n ? 2 : 1, err);
    mem_free(c);
    return st;
}

static status chart_attempts(const output *o, const char *cell, const json_t *of, errtext *err)
{
    curve *c = mem_array(2, sizeof *c);
    char title[160];
    const chart shape = { .title = title, .x_label = "attempts allowed", .y_label = "found",
                          .x_scale = CHART_LOG2, .percent = true, .zero = true };
    status st;

    snprintf(title, sizeof title, "%s: found within so many attempts", cell);
    c[0].name = "model, T=1";
    c[1].name = "blind search";
    curve_keys(&c[0], json_object_get(of, "model"));
    curve_keys(&c[1], json_object_get(of, "random"));
    curve_fit(&c[0]);
    st = put_chart(o, cell, "attempts", &shape, c, 2, err);
    mem_free(c);
    return st;
}

static status chart_samples(const output *o, const char *cell, const json_t *of, errtext *err)
{
    static const struct { const char *key, *name; } kinds[] = {
        { "pass", "pass@k" }, { "cons", "majority of k" }, { "rerank", "best of k by the grader" },
        { "rerank_random", "blind search, as many attempts" },
    };
    curve *c = mem_array(5, sizeof *c);
    const json_t *greedy = json_object_get(of, "greedy");
    char title[160];
    const chart shape = { .title = title, .x_label = "answers a problem", .y_label = "right",
                          .x_scale = CHART_LOG2, .percent = true, .zero = true };
    int n = 0;
    status st = OK;

    snprintf(title, sizeof title, "%s: several answers at T=1", cell);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        c[n].name = kinds[i].name;
        curve_keys(&c[n], json_object_get(of, kinds[i].key));
        if (c[n].n > 2) n++;
        else c[n].n = 0;
    }
    if (n && greedy) {
        c[n].name = "greedy, one answer";
        c[n].plain = true;
        for (int i = 0; i < c[0].n; i++) {
            curve_add(&c[n], c[0].points[i].x, greedy);
            if (i) c[n].points[i].low = c[n].points[i].high = 0;
        }
        n++;
    }
    if (n) st = put_chart(o, cell, "samples", &shape, c, n, err);
    mem_free(c);
    return st;
}

static status chart_effort(const output *o, const char *cell, const json_t *of, errtext *err)
{
    curve *c = mem_array(1, sizeof *c);
    char title[160];
    const chart shape = { .title = title, .x_label = "answer and thinking, mean",
                          .x_unit = "tokens", .y_label = "right", .x_scale = CHART_LOG2,
                          .percent = true, .zero = true };
    const char *key;
    json_t *value;
    status st;

    snprintf(title, sizeof title, "%s: effort low, medium and high", cell);
    c->name = "greedy";
    json_object_foreach((json_t *)of, key, value) curve_add(c, number_of(value, "tokens"), value);
    st = put_chart(o, cell, "effort", &shape, c, 1, err);
    mem_free(c);
    return st;
}

static status chart_early(const output *o, const char *cell, const json_t *of, errtext *err)
{
    curve *c = mem_array(1, sizeof *c);
    char title[160];
    const chart shape = { .title = title, .x_label = "thought kept", .x_unit = "%",
                          .y_label = "answers that agree", .percent = true, .zero = true };
    const char *key;
    json_t *value;
    status st;

    snprintf(title, sizeof title, "%s: answering early (area over the curve %.2f)", cell,
             number_of(of, "aoc"));
    c->name = "agree with the full answer";
    json_object_foreach((json_t *)of, key, value) curve_add(c, atof(key), value);
    st = put_chart(o, cell, "early", &shape, c, 1, err);
    mem_free(c);
    return st;
}

/* Accuracy over the depth of a family whose cells are neighbours. */
static status chart_depth(const output *o, const char *kin, const json_t *cells, errtext *err)
{
    static const struct { const char *key, *name; } kinds[] = {
        { "direct", "direct" }, { "greedy", "thinking, greedy" }, { "t1", "thinking, T=1" },
    };
    curve *c = mem_array(3, sizeof *c);
    char title[160];
    const chart shape = { .title = title, .x_label = "depth", .y_label = "right", .percent = true,
                          .zero = true };
    const size_t len = strlen(kin);
    int n = 0;
    status st = OK;

    snprintf(title, sizeof title, "%s: accuracy by depth", kin);
    for (int k = 0; k < 3; k++) {
        const char *name;
        json_t *of;

        c[n].name = kinds[k].name;
        json_object_foreach((json_t *)cells, name, of) {
            if (!strncmp(name, kin, len) && name[len] == ' ')
                curve_add(&c[n], atof(name + len + 1), json_object_get(of, kinds[k].key));
        }
        if (c[n].n > 1) n++;
        else c[n].n = 0;
    }
    if (n) st = put_chart(o, kin, "depth", &shape, c, n, err);
    mem_free(c);
    return st;
}

static status put_charts(const output *o, const json_t *cells, errtext *err)
{
    char kin[64] = "";
    const char *name;
    json_t *of;
    status st = OK;

    json_object_foreach((json_t *)cells, name, of) {
        const char *blank = strrchr(name, ' ');
        const int len = blank ? (int)(blank - name) : 0;
        const json_t *part;

        if (len && (strncmp(kin, name, (size_t)len) || kin[len])) {
            snprintf(kin, sizeof kin, "%.*s", len, name);
            st = chart_depth(o, kin, cells, err);
        }
        if (st == OK && (part = json_object_get(of, "budget"))) st = chart_budget(o, name, part, err);
        if (st == OK && (part = json_object_get(of, "attempts")))
            st = chart_attempts(o, name, part, err);
        if (st == OK) st = chart_samples(o, name, of, err);
        if (st == OK && (part = json_object_get(of, "effort"))) st = chart_effort(o, name, part, err);
        if (st == OK && (part = json_object_get(of, "early"))) st = chart_early(o, name, part, err);
        if (st != OK) return st;
    }
    return OK;
}

/* -------------------------------------------------------------------- tables */

#define N_COLUMN 8

static char *cell_text(const json_t *share)
{
    bytes b = { 0 };

    if (!share) return NULL;
    bytes_add_format(&b, "%.1f %% [%.1f, %.1f]", 100 * number_of(share, "right"),
                     100 * number_of(share, "low"), 100 * number_of(share, "high"));
    return bytes_take(&b);
}

/* The last of pass, cons or rerank, with its k. */
static char *last_text(const json_t *shares)
{
    const char *key, *last = NULL;
    json_t *value, *of = NULL;
    bytes b = { 0 };
    char *text;

    json_object_foreach((json_t *)shares, key, value) {
        last = key;
        of = value;
    }
    if (!of || !strcmp(last, "1")) return NULL;
    text = cell_text(of);
    bytes_add_format(&b, "@%s: %s", last, text);
    mem_free(text);
    return bytes_take(&b);
}

static char *percent_text(const json_t *of, const char *key)
{
    bytes b = { 0 };

    if (!json_object_get(of, key)) return NULL;
    bytes_add_format(&b, "%.1f %%", 100 * number_of(of, key));
    return bytes_take(&b);
}

static void put_table(report *page, const json_t *cells)
{
    static const char *const columns[N_COLUMN] = {
        "cell", "direct", "thinking, greedy", "thinking, T=1", "pass", "majority",
        "steps true (T=1)", "tokens (greedy)",
    };
    const int n = (int)json_object_size(cells);
    char **text = mem_array((size_t)(n * N_COLUMN), sizeof *text), **row = text;
    const char *name;
    json_t *of;

    json_object_foreach((json_t *)cells, name, of) {
        const json_t *t1 = json_object_get(of, "t1"), *greedy = json_object_get(of, "greedy");
        bytes tokens = { 0 };

        row[0] = mem_string(name);
        row[1] = cell_text(json_object_get(of, "direct"));
        row[2] = cell_text(greedy);
        row[3] = cell_text(t1);
        row[4] = last_text(json_object_get(of, "pass"));
        row[5] = last_text(json_object_get(of, "cons"));
        row[6] = percent_text(t1 ? t1 : greedy, "step_true");
        if (greedy) bytes_add_format(&tokens, "%.1f", number_of(greedy, "tokens"));
        row[7] = bytes_take(&tokens);
        row += N_COLUMN;
    }
    report_table(page, columns, N_COLUMN, (const char *const *)text, n);
    for (int i = 0; i < n * N_COLUMN; i++) mem_free(text[i]);
    mem_free(text);
}

/* ---------------------------------------------------------- reinforcement run */

/* The mean over cells of one measure, in an evaluation row. */
static bool row_mean(const json_t *eval, const char *measure, double *out)
{
    double sum = 0;
    int n = 0;
    const char *name;
    json_t *cell;

    json_object_foreach((json_t *)eval, name, cell) {
        const json_t *of = json_object_get(cell, measure);

        if (!of) continue;
        sum += json_is_object(of) ? number_of(of, "right") : json_number_value(of);
        n++;
    }
    *out = n ? sum / n : 0;
    return n > 0;
}

static status put_run(output *o, const json_t *rows, errtext *err)
{
    static const char *const measures[3] = { "t1", "greedy", "direct" };
    static const char *const names[3] = { "thinking, T=1", "thinking, greedy", "direct" };
    curve *c = mem_array(3, sizeof *c);
    const chart shape = { .title = "Accuracy against the compute of reinforcement",
                          .x_label = "sampled and trained on", .x_unit = "tokens",
                          .y_label = "right, mean over cells", .x_scale = CHART_LOG2,
                          .percent = true };
    status st = OK;

    for (int k = 0; k < 3; k++) {
        size_t i;
        json_t *row;

        c[k].name = names[k];
        json_array_foreach((json_t *)rows, i, row) {
            const json_t *eval = json_object_get(row, "eval");
            double y;

            if (eval && row_mean(eval, measures[k], &y) && c[k].n < MAX_POINT &&
                number_of(row, "tokens") > 0)
                c[k].points[c[k].n++] = (chart_point){ number_of(row, "tokens"), y, 0, 0 };
        }
        if (k < 2) curve_fit(&c[k]);
    }
    report_heading(o->page, "The run");
    o->section = "run";
    if (c[0].n > 1) st = put_chart(o, "", "compute", &shape, c, c[2].n ? 3 : 2, err);
    mem_free(c);
    if (st == OK) report_metrics(o->page, rows);
    return st;
}

/* ---------------------------------------------------------------------- whole */

static status put_json(const json_t *results, const char *dir, errtext *err)
{
    char *text = json_dumps(results, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    bytes path = { 0 };
    status st;

    bytes_add_format(&path, "%s/results.json", dir);
    st = file_replace(path.data, text, strlen(text), err);
    bytes_fini(&path);
    free(text);
    return st;
}

status suite_write(const json_t *results, const json_t *rows, const char *dir, errtext *err)
{
    output o = { .dir = dir };
    bytes path = { 0 };
    size_t i;
    json_t *section, *facts;
    status st = file_make_dir(dir, err);

    if (st == OK) st = put_json(results, dir, err);
    if (st != OK) return st;
    o.page = report_new(json_string_value(json_object_get(results, "suite")));
    facts = json_copy((json_t *)results);
    json_object_del(facts, "sections");
    json_object_del(facts, "suite");
    report_facts(o.page, facts);
    json_decref(facts);
    json_array_foreach(json_object_get(results, "sections"), i, section) {
        const char *about = json_string_value(json_object_get(section, "about"));
        const json_t *cells = json_object_get(section, "cells");

        if (st != OK) break;
        o.section = json_string_value(json_object_get(section, "name"));
        report_heading(o.page, o.section);
        if (about) report_paragraph(o.page, about);
        put_table(o.page, cells);
        st = put_charts(&o, cells, err);
        report_facts(o.page, json_object_get(section, "settings"));
    }
    if (st == OK && rows) st = put_run(&o, rows, err);
    bytes_add_format(&path, "%s/report.html", dir);
    if (st == OK) st = report_write(o.page, path.data, err);
    bytes_fini(&path);
    report_free(o.page);
    return st;
}
