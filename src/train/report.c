/* report.c - the page, built up in one string. */
#include "train/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "train/axis.h"
#include "train/markup.h"

#define MAX_POINTS 400       /* of a curve; more are averaged */
#define MANY_POINTS 60       /* above this markers only hide the line */
#define MAX_CHARTS 64
#define FOLD_CHARS 240       /* a longer text is folded behind its beginning */
#define MAX_DEPTH 16         /* of an object whose keys are joined */

struct report {
    char *title;
    bytes body;
};

static const char style[] =
    ":root{color-scheme:light dark}"
    "body{margin:2rem auto;padding:0 1rem;max-width:60rem;background:#fafafb;color:#1c1c1e;"
    "font:15px/1.5 system-ui,sans-serif}"
    "h1{font-size:1.6rem;margin:0 0 1rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}"
    "svg.pc{display:block;max-width:100%;height:auto;margin:1rem 0}"
    ".scroll{overflow-x:auto}"
    "table{border-collapse:collapse;margin:.5rem 0 1rem}"
    "th,td{border:1px solid #d9d9df;padding:.3rem .6rem;text-align:left;vertical-align:top}"
    "th{background:#efeff3;font-weight:600}td.n{text-align:right;"
    "font-variant-numeric:tabular-nums}"
    "td.t{white-space:pre-wrap;overflow-wrap:anywhere;min-width:9rem;"
    "font:13px/1.45 ui-monospace,monospace}"
    "summary{cursor:pointer}"
    "@media (prefers-color-scheme:dark){body{background:#131316;color:#ededf2}"
    "th,td{border-color:#3a3a42}th{background:#222228}}";

report *report_new(const char *title)
{
    report *r = mem_new(sizeof *r);

    r->title = mem_string(title ? title : "");
    return r;
}

void report_free(report *r)
{
    if (!r) return;
    mem_free(r->title);
    bytes_fini(&r->body);
    mem_free(r);
}

static void add_element(bytes *out, const char *tag, const char *text)
{
    bytes_add_format(out, "<%s>", tag);
    markup_add(out, text);
    bytes_add_format(out, "</%s>\n", tag);
}

void report_heading(report *r, const char *text)
{
    add_element(&r->body, "h2", text);
}

void report_paragraph(report *r, const char *text)
{
    add_element(&r->body, "p", text);
}

/* Objects by joined keys. */

typedef void leaf_fn(void *arg, const char *key, const json_t *value);

/* Call fn for every value under `object` that is not an object itself. An empty
 * object counts as a value. */
static void each_leaf(const json_t *object, const char *prefix, int depth, leaf_fn *fn,
                      void *arg)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value) {
        bytes name = { 0 };

        bytes_add_format(&name, "%s%s%s", prefix, *prefix ? "." : "", key);
        if (json_object_size(value) && depth < MAX_DEPTH)
            each_leaf(value, name.data, depth + 1, fn, arg);
        else
            fn(arg, name.data, value);
        bytes_fini(&name);
    }
}

/* The value under a key, or under keys joined by dots. */
static const json_t *find_leaf(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *dot = key;

    while (!value && (dot = strchr(dot, '.'))) {
        char *first = mem_copy(key, (size_t)(dot - key) + 1);
        const json_t *inner;

        first[dot - key] = 0;
        inner = json_object_get(object, first);
        mem_free(first);
        dot++;
        if (json_is_object(inner)) value = find_leaf(inner, dot);
    }
    return value;
}

static void add_fact(void *arg, const char *key, const json_t *value)
{
    bytes *out = arg;
    char *dump = NULL;
    const char *text = json_string_value(value);
    char number[24];

    bytes_add_string(out, "<tr><th>");
    markup_add(out, key);
    bytes_add_string(out, "</th><td>");
    if (json_is_real(value)) {
        axis_number(number, json_real_value(value), 10);
        text = number;
    } else if (!text) {
        text = dump = json_dumps(value, JSON_ENCODE_ANY);
    }
    markup_add(out, text);
    bytes_add_string(out, "</td></tr>\n");
    free(dump);
}

void report_facts(report *r, const json_t *object)
{
    bytes_add_string(&r->body, "<div class=\"scroll\"><table>\n");
    each_leaf(object, "", 0, add_fact, &r->body);
    bytes_add_string(&r->body, "</table></div>\n");
}

void report_chart(report *r, const chart *c)
{
    chart_svg(c, &r->body);
}

/* True for what stands on the right of its column: it begins as a number and
 * holds no word, such as "12.5%" or "3e-4 ± 1". */
static bool is_number(const char *text)
{
    if (!strncmp(text, "\xe2\x88\x92", 3)) text += 3;
    if (!*text || !strchr("+-.0123456789", *text) || !strpbrk(text, "0123456789")) return false;
    for (; *text; text++)
        if (*text != 'e' && ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z')))
            return false;
    return true;
}

void report_table(report *r, const char *const *columns, int n_col,
                  const char *const *cells, int n_row)
{
    bytes *out = &r->body;

    bytes_add_string(out, "<div class=\"scroll\"><table>\n<tr>");
    for (int i = 0; i < n_col; i++) {
        bytes_add_string(out, "<th>");
        markup_add(out, columns[i]);
        bytes_add_string(out, "</th>");
    }
    bytes_add_string(out, "</tr>\n");
    for (int row = 0; row < n_row; row++) {
        bytes_add_string(out, "<tr>");
        for (int i = 0; i < n_col; i++) {
            const char *cell = cells[(size_t)row * (size_t)n_col + (size_t)i];

            bytes_add_string(out, cell && is_number(cell) ? "<td class=\"n\">" : "<td>");
            markup_add(out, cell);
            bytes_add_string(out, "</td>");
        }
        bytes_add_string(out, "</tr>\n");
    }
    bytes_add_string(out, "</table></div>\n");
}

/* Curves. */

/* Up to MAX_POINTS points from n: groups of neighbours become their mean, with
 * the least and greatest as the interval. */
static int thin(chart_point *p, int n)
{
    int group = (n + MAX_POINTS - 1) / MAX_POINTS, m = 0;

    if (group < 2) return n;
    for (int from = 0; from < n; from += group, m++) {
        int to = from + group < n ? from + group : n;
        chart_point mean = { 0, 0, INFINITY, -INFINITY };

        for (int i = from; i < to; i++) {
            mean.x += p[i].x / (to - from);
            mean.y += p[i].y / (to - from);
            mean.low = fmin(mean.low, p[i].y);
            mean.high = fmax(mean.high, p[i].y);
        }
        p[m] = mean;
    }
    return m;
}

bool report_metric(report *r, const json_t *rows, const report_curve *curve)
{
    enum { MAX_FIELDS = sizeof curve->fields / sizeof *curve->fields };
    chart_series series[MAX_FIELDS] = { 0 };
    chart_point *points[MAX_FIELDS] = { 0 };
    chart c = { .title = curve->title, .x_label = "step", .y_label = curve->y_label,
                .y_unit = curve->y_unit, .percent = curve->percent, .series = series };
    size_t n_row = json_array_size(rows);

    for (int f = 0; f < MAX_FIELDS && curve->fields[f]; f++) {
        chart_point *p = mem_array(n_row + 1, sizeof *p);
        int n = 0;

        for (size_t i = 0; i < n_row; i++) {
            const json_t *row = json_array_get(rows, i);
            const json_t *value = find_leaf(row, curve->fields[f]);
            const json_t *step = json_object_get(row, "step");

            if (!json_is_number(value) || !json_is_number(step)) continue;
            p[n++] = (chart_point){ json_number_value(step), json_number_value(value), NAN, NAN };
        }
        if (!n) {
            mem_free(p);
            continue;
        }
        points[c.n_series] = p;
        n = thin(p, n);
        series[c.n_series++] = (chart_series){ .name = curve->fields[f], .points = p, .n = n,
                                               .band = true, .plain = n > MANY_POINTS };
    }
    if (c.n_series) report_chart(r, &c);
    for (int i = 0; i < c.n_series; i++) mem_free(points[i]);
    return c.n_series > 0;
}

static void note_number(void *arg, const char *key, const json_t *value)
{
    json_t *seen = arg;

    if (json_is_number(value) && strcmp(key, "step") && !json_object_get(seen, key) &&
        json_object_size(seen) < MAX_CHARTS)
        json_object_set_new(seen, key, json_true());
}

void report_metrics(report *r, const json_t *rows)
{
    json_t *seen = json_object();
    const char *key;
    json_t *value;
    size_t i;

    json_array_foreach((json_t *)rows, i, value) each_leaf(value, "", 0, note_number, seen);
    json_object_foreach(seen, key, value) {
        report_curve curve = { .title = key, .y_label = key, .fields = { key } };

        report_metric(r, rows, &curve);
    }
    json_decref(seen);
}

/* Rollouts. */

static void add_text_cell(bytes *out, const char *text)
{
    size_t n = 0;

    bytes_add_string(out, "<td class=\"t\">");
    for (const char *p = text; p && *p; p++) n += (*p & 0xc0) != 0x80;
    if (n > FOLD_CHARS) {
        bytes_add_string(out, "<details><summary>");
        markup_add_cut(out, text, FOLD_CHARS / 3);
        bytes_add_string(out, "</summary>");
        markup_add(out, text);
        bytes_add_string(out, "</details>");
    } else {
        markup_add(out, text);
    }
    bytes_add_string(out, "</td>");
}

void report_rollouts(report *r, const report_rollout *rollouts, int n)
{
    bytes *out = &r->body;
    bool notes = false;

    for (int i = 0; i < n; i++) notes = notes || (rollouts[i].note && *rollouts[i].note);
    bytes_add_format(out,
                     "<div class=\"scroll\"><table>\n<tr><th>prompt</th><th>thinking</th>"
                     "<th>answer</th><th>reward</th>%s</tr>\n", notes ? "<th>note</th>" : "");
    for (int i = 0; i < n; i++) {
        const report_rollout *o = &rollouts[i];
        char reward[24];

        bytes_add_string(out, "<tr>");
        add_text_cell(out, o->prompt);
        add_text_cell(out, o->thinking);
        add_text_cell(out, o->answer);
        axis_number(reward, o->reward, 4);
        bytes_add_format(out, "<td class=\"n\">%s</td>", reward);
        if (notes) add_text_cell(out, o->note);
        bytes_add_string(out, "</tr>\n");
    }
    bytes_add_string(out, "</table></div>\n");
}

void report_html(const report *r, bytes *out)
{
    bytes_add_string(out,
                     "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
                     "<title>");
    markup_add(out, r->title);
    bytes_add_format(out, "</title>\n<style>%s</style>\n</head>\n<body>\n", style);
    add_element(out, "h1", r->title);
    if (r->body.len) bytes_add(out, r->body.data, r->body.len);
    bytes_add_string(out, "</body>\n</html>\n");
}

status report_write(const report *r, const char *path, errtext *err)
{
    bytes out = { 0 };
    status st;

    report_html(r, &out);
    st = file_replace(path, out.data, out.len, err);
    bytes_fini(&out);
    return st;
}
