/* stats.c - intervals, averages and straight lines. */
#include "train/stats.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/status.h"

stats_interval stats_wilson(double hits, double n, double z)
{
    double p, z2 = z * z, centre, half;
    stats_interval out = { 0, 1 };

    if (!(n > 0)) return out;
    p = hits / n;
    centre = (p + z2 / (2 * n)) / (1 + z2 / n);
    half = z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    /* At the ends the bound is 0 or 1 exactly; the formula rounds. */
    if (hits > 0) out.low = fmax(0, centre - half);
    if (hits < n) out.high = fmin(1, centre + half);
    return out;
}

double stats_mean(const double *x, int n)
{
    double sum = 0;

    if (n < 1) return NAN;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum / n;
}

double stats_sd(const double *x, int n)
{
    double mean = stats_mean(x, n), sum = 0;

    if (n < 2) return 0;
    for (int i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (n - 1));
}

stats_interval stats_mean_interval(const double *x, int n, double z)
{
    double mean = stats_mean(x, n), half = n ? z * stats_sd(x, n) / sqrt(n) : 0;

    return (stats_interval){ mean - half, mean + half };
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double stats_quantile(const double *x, int n, double q)
{
    double *sorted, at, out;
    int below;

    if (n < 1) return NAN;
    CHECK(q >= 0 && q <= 1);
    sorted = mem_copy(x, (size_t)n * sizeof *x);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    at = q * (n - 1);
    below = (int)at;
    out = sorted[below];
    if (below + 1 < n) out += (at - below) * (sorted[below + 1] - out);
    mem_free(sorted);
    return out;
}

double stats_median(const double *x, int n)
{
    return stats_quantile(x, n, 0.5);
}

stats_fit stats_line(const double *x, const double *y, int n)
{
    double mean_x = stats_mean(x, n), mean_y = stats_mean(y, n);
    double xx = 0, xy = 0, yy = 0, left = 0;
    stats_fit f = { NAN, NAN, NAN, n };

    for (int i = 0; i < n; i++) {
        xx += (x[i] - mean_x) * (x[i] - mean_x);
        xy += (x[i] - mean_x) * (y[i] - mean_y);
        yy += (y[i] - mean_y) * (y[i] - mean_y);
    }
    if (!(xx > 0)) return f;
    f.b = xy / xx;
    f.a = mean_y - f.b * mean_x;
    for (int i = 0; i < n; i++) {
        double r = y[i] - (f.a + f.b * x[i]);

        left += r * r;
    }
    f.r2 = yy > 0 ? 1 - left / yy : 1;
    return f;
}

stats_fit stats_line_log2(const double *x, const double *y, int n)
{
    double *at = mem_array((size_t)n + 1, sizeof *at);
    double *of = mem_array((size_t)n + 1, sizeof *of);
    stats_fit f;
    int used = 0;

    for (int i = 0; i < n; i++) {
        if (!(x[i] > 0)) continue;
        at[used] = log2(x[i]);
        of[used++] = y[i];
    }
    f = stats_line(at, of, used);
    mem_free(at);
    mem_free(of);
    return f;
}

double stats_logit(double p)
{
    return log(p / (1 - p));
}

double stats_pass_at_k(int n, int c, int k)
{
    double none = 1;

    CHECK(k >= 1 && k <= n && c >= 0 && c <= n);
    /* C(n-c, k) / C(n, k) as a product, since the binomials overflow. Where fewer
     * than k are wrong the factor of i = k is 0. */
    for (int i = n - c + 1; i <= n; i++) none *= 1 - (double)k / i;
    return 1 - none;
}
