/* axis.h - from values to pixels, with ticks a person would choose. */
#ifndef TRAIN_AXIS_H
#define TRAIN_AXIS_H

#include <stdbool.h>

#include "train/chart.h"

#define AXIS_MAX_TICK 24

typedef struct axis_tick {
    double pixel;
    char text[24];
} axis_tick;

typedef struct axis {
    chart_scale scale;
    double low, high;        /* ends: values, or their logarithms on a log scale */
    double first, last;      /* pixels of the ends */
    int n_tick;
    axis_tick ticks[AXIS_MAX_TICK];
} axis;

/* An axis over low .. high (both finite; above 0 on a log scale), a little room
 * at each end where `room`, from pixel first to pixel last. There are always at
 * least two ticks. With percent values are shares and ticks print percent. */
void axis_init(axis *a, chart_scale scale, double low, double high, bool room,
               bool percent, double first, double last);

/* value on a log scale is above 0; past the ends it lies outside. */
double axis_pixel(const axis *a, double value);

/* A number as a person writes it: "0.25", "4096", "1.5e7"; a leading
 * minus is U+2212. */
void axis_number(char out[24], double value, int digits);

#endif
