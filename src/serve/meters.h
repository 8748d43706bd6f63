/* meters.h - counters, gauges and histograms in the Prometheus text format
 * (prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4).
 *
 * A family is declared once; its series, one for each set of labels, come into
 * being when first counted. Their number is bounded: labels come from requests.
 * All calls may come from any thread. */
#ifndef SERVE_METERS_H
#define SERVE_METERS_H

#include "base/bytes.h"

typedef struct meters meters;

typedef enum meter_type { METER_COUNTER, METER_GAUGE, METER_HISTOGRAM } meter_type;

#define METERS_MAX_SERIES 4096
#define METERS_MAX_LABELS 256       /* bytes */

meters *meters_new(void);
void meters_free(meters *m);                   /* accepts NULL */

/* Declare a family before it is used; names and help are literals. bounds are a
 * histogram's upper bounds, rising, borrowed for ever; else NULL and 0. */
void meters_declare(meters *m, const char *name, const char *help, meter_type type,
                     const double *bounds, int n_bound);

/* labels: what meters_labels made, or "". Add to a counter or gauge; set a
 * gauge; record a value in a histogram. */
void meters_add(meters *m, const char *name, const char *labels, double x);
void meters_set(meters *m, const char *name, const char *labels, double x);
void meters_observe(meters *m, const char *name, const char *labels, double x);

/* Pairs of name and value, ended by NULL: meters_labels(out, "code", "200", NULL). */
void meters_labels(char out[METERS_MAX_LABELS], const char *name, ...)
    __attribute__((sentinel));

void meters_write(meters *m, bytes *out);

#endif
