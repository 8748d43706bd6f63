/* rise.h - over how many doublings does a curve rise like log2(x)? */
#ifndef TRAIN_RISE_H
#define TRAIN_RISE_H

#include <stdbool.h>

#include "train/stats.h"

#define RISE_MIN_R2 0.9          /* of the lines drawn into curves */
#define RISE_MIN_POINT 4

/* Of all stretches of at least four neighbouring points over which the
 * least-squares line of y over log2(x) rises with an R2 of min_r2 or more, the one
 * of the most doublings. Where there is none: all points, found false. */
typedef struct rise {
    bool found;
    int from, to;            /* first and last point */
    double doublings;        /* log2(x[to] / x[from]) */
    stats_fit fit;           /* of these points */
} rise;

/* x [n] above 0 and rising. */
rise rise_of(const double *x, const double *y, int n, double min_r2);

#endif
