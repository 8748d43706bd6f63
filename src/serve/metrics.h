/* metrics.h - counters, gauges and histograms in the Prometheus text format
 * (prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4).
 *
 * A family is declared once; its series, one for each set of labels, come into
 * being when first counted. Their number is bounded: labels come from requests.
 * All calls may come from any thread. */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include "base/bytes.h"

typedef struct metrics metrics;

typedef enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } metric_type;

#define METRICS_MAX_SERIES 4096
#define METRICS_MAX_LABELS 256       /* bytes */

metrics *metrics_new(void);
void metrics_free(metrics *m);                   /* accepts NULL */

/* Declare a family before it is used; names and help are literals. bounds are a
 * histogram's upper bounds, rising, borrowed for ever; else NULL and 0. */
void metrics_declare(metrics *m, const char *name, const char *help, metric_type type,
                     const double *bounds, int n_bound);

/* labels: what metrics_labels made, or "". Add to a counter or gauge; set a
 * gauge; record a value in a histogram. */
void metrics_add(metrics *m, const char *name, const char *labels, double x);
void metrics_set(metrics *m, const char *name, const char *labels, double x);
void metrics_observe(metrics *m, const char *name, const char *labels, double x);

/* Pairs of name and value, ended by NULL: metrics_labels(out, "code", "200", NULL). */
void metrics_labels(char out[METRICS_MAX_LABELS], const char *name, ...)
    __attribute__((sentinel));

void metrics_write(metrics *m, bytes *out);

#endif
