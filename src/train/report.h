/* report.h - one HTML page about a run: needs no network and no other file.
 *
 * Sections appear in the order they were added. All text is escaped; what is
 * passed in is copied or drawn at once, nothing is borrowed. */
#ifndef TRAIN_REPORT_H
#define TRAIN_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"
#include "train/chart.h"

typedef struct report report;

report *report_new(const char *title);
void report_free(report *r);                     /* accepts NULL */

void report_heading(report *r, const char *text);
void report_paragraph(report *r, const char *text);

/* A configuration, or any JSON object: one row a key, nested keys joined by a
 * dot. */
void report_facts(report *r, const json_t *object);

void report_chart(report *r, const chart *c);

/* cells [n_row * n_col], row by row; NULL is an empty cell. */
void report_table(report *r, const char *const *columns, int n_col,
                  const char *const *cells, int n_row);

/* Curves of some fields of metrics rows (metrics_read) over the step. Above 400
 * points neighbours are averaged and the band shows their least and greatest. */
typedef struct report_curve {
    const char *title;
    const char *y_label, *y_unit;      /* unit NULL: a bare number */
    bool percent;
    const char *fields[6];             /* row keys, inner ones joined by dots; as many
                                          series, NULL ends them */
} report_curve;

/* False, and nothing is added, when no row has one of the fields as a number. */
bool report_metric(report *r, const json_t *rows, const report_curve *curve);

/* One chart for each numeric field of the rows, inner ones too, but "step", in
 * order of first appearance, at most 64. */
void report_metrics(report *r, const json_t *rows);

/* A sampled rollout. Texts may be NULL. */
typedef struct report_rollout {
    const char *prompt, *thinking, *answer;
    double reward;
    const char *note;        /* right answer, grader's words */
} report_rollout;

void report_rollouts(report *r, const report_rollout *rollouts, int n);

/* The page, appended to out. */
void report_html(const report *r, bytes *out);
status report_write(const report *r, const char *path, errtext *err);

#endif
