/* axis.c - ends and ticks of an axis. */
#include "train/axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MINUS "\xe2\x88\x92"

/* Exponents without plus sign and leading zeros, a true minus. */
static void tidy(char out[24], const char *plain)
{
    size_t n = 0;

    for (const char *p = plain; *p && n < 20; p++) {
        if (*p == '-' && p == plain) {
            strcpy(out, MINUS);
            n = strlen(MINUS);
        } else if (*p == 'e') {
            out[n++] = 'e';
            if (p[1] == '-') out[n++] = '-';
            if (p[1] == '-' || p[1] == '+') p++;
            while (p[1] == '0' && p[2]) p++;
        } else {
            out[n++] = *p;
        }
    }
    out[n] = 0;
}

void axis_number(char out[24], double value, int digits)
{
    char plain[32];

    /* Counts up to ten million are read more easily written out. */
    if (value == floor(value) && fabs(value) < 1e7)
        snprintf(plain, sizeof plain, "%.0f", value + 0.0);
    else
        snprintf(plain, sizeof plain, "%.*g", digits, value);
    if (!strcmp(plain, "-0")) strcpy(plain, "0");
    tidy(out, plain);
}

/* 1, 2 or 5 times a power of ten, at least x. */
static double round_step(double x)
{
    double power = pow(10, floor(log10(x)));

    for (int i = 0; i < 3; i++) {
        static const double steps[] = { 1, 2, 5 };

        if (x <= steps[i] * power * (1 + 1e-9)) return steps[i] * power;
    }
    return 10 * power;
}

static void add_tick(axis *a, double at, const char *text)
{
    axis_tick *t = &a->ticks[a->n_tick];
    double share = (at - a->low) / (a->high - a->low);

    if (a->n_tick == AXIS_MAX_TICK || share < -1e-9 || share > 1 + 1e-9) return;
    a->n_tick++;
    t->pixel = a->first + share * (a->last - a->first);
    snprintf(t->text, sizeof t->text, "%s", text);
}

static void linear_ticks(axis *a, bool percent)
{
    double by = percent ? 100 : 1, step = round_step((a->high - a->low) * by / 8);
    double from = ceil(a->low * by / step - 1e-9);
    int decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    bool far = fmax(fabs(a->low), fabs(a->high)) * by >= 1e7 || decimals > 6;

    for (int i = 0; i < AXIS_MAX_TICK && (from + i) * step / by <= a->high + 1e-9 * step; i++) {
        double value = (from + i) * step;
        char plain[64], text[24], unit[32];

        /* The smallest number of digits that tells neighbours apart. */
        if (far) snprintf(plain, sizeof plain, "%.*g",
                          (int)fmin(12, fmax(3, ceil(log10(fmax(fabs(value), step) / step)) + 1)),
                          value);
        else snprintf(plain, sizeof plain, "%.*f", decimals, value);
        if (value == 0) strcpy(plain, "0");
        tidy(text, plain);
        snprintf(unit, sizeof unit, "%s%s", text, percent ? "%" : "");
        add_tick(a, value / by, unit);
    }
}

static void log_ticks(axis *a)
{
    static const double tens[] = { 1, 2, 5 };
    double base = a->scale == CHART_LOG2 ? 2 : 10;
    bool fine = a->scale == CHART_LOG10 && a->high - a->low <= 3;
    int from = (int)floor(a->low), to = (int)ceil(a->high);
    int stride = (to - from) / 10 + 1;

    for (int e = from; e <= to; e++) {
        if (!fine && (e % stride)) continue;
        for (int i = 0; i < (fine ? 3 : 1); i++) {
            double value = tens[i] * pow(base, e);
            char text[24];

            axis_number(text, value, 4);
            add_tick(a, e + log10(tens[i]), text);
        }
    }
}

void axis_init(axis *a, chart_scale scale, double low, double high, bool room,
               bool percent, double first, double last)
{
    double span;

    *a = (axis){ .scale = scale, .first = first, .last = last };
    if (scale == CHART_LOG2) low = log2(low), high = log2(high);
    if (scale == CHART_LOG10) low = log10(low), high = log10(high);
    span = high - low;
    /* One value, or values that f64 hardly tells apart. */
    if (!(span > 1e-9 * fmax(fabs(low), fabs(high)))) {
        double half = scale != CHART_LINEAR ? 1 : low == 0 ? 1 : fabs(low) * 0.1;

        low -= half;
        high += half;
        span = high - low;
    }
    a->low = low - (room ? 0.04 * span : 0);
    a->high = high + (room ? 0.04 * span : 0);
    if (scale == CHART_LINEAR) {
        linear_ticks(a, percent);
        return;
    }
    log_ticks(a);
    if (a->n_tick < 2) {
        a->low = floor(low);
        a->high = ceil(high) > a->low ? ceil(high) : a->low + 1;
        a->n_tick = 0;
        log_ticks(a);
    }
}

double axis_pixel(const axis *a, double value)
{
    if (a->scale == CHART_LOG2) value = log2(value);
    if (a->scale == CHART_LOG10) value = log10(value);
    return a->first + (value - a->low) / (a->high - a->low) * (a->last - a->first);
}
