/* chart.h - line charts as self-contained SVG.
 *
 * Axes carry numbers and units, series have markers and intervals, a fitted
 * line prints its formula and R2. Colours follow the reader's light or dark
 * scheme. Text from outside is escaped: the result is well-formed XML whatever
 * the labels hold. */
#ifndef TRAIN_CHART_H
#define TRAIN_CHART_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"
#include "train/stats.h"

typedef enum chart_scale { CHART_LINEAR, CHART_LOG2, CHART_LOG10 } chart_scale;

typedef struct chart_point {
    double x, y;             /* a point that is not finite is left out */
    double low, high;        /* interval of y, drawn when low < high */
} chart_point;

typedef struct chart_series {
    const char *name;        /* legend */
    const chart_point *points;
    int n;
    bool band;               /* intervals as a shaded band instead of bars */
    bool plain;              /* no markers: long curves */
    bool dots;               /* no line between the markers */
    bool fit;                /* draw the least-squares line and print it: over log2(x)
                                on a log axis, else over x */
    double fit_low, fit_high; /* x of the points that the fit uses; both 0: all */
} chart_series;

typedef struct chart {
    const char *title;
    const char *x_label, *x_unit;      /* unit NULL: a bare number */
    const char *y_label, *y_unit;
    chart_scale x_scale;               /* on a log scale points with x <= 0 are left out */
    bool percent;                      /* y is a share; its axis shows percent */
    bool zero;                         /* the y axis begins at 0 */
    const chart_series *series;
    int n_series;
} chart;

/* The SVG element, appended to out; needs nothing but itself. */
void chart_svg(const chart *c, bytes *out);

/* chart_svg as a file of its own. */
status chart_write(const chart *c, const char *path, errtext *err);

/* The fit that chart_svg draws for a series. */
stats_fit chart_fit(const chart *c, const chart_series *s);

#endif
