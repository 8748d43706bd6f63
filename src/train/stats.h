/* stats.h - the few statistics that go with a measured figure. */
#ifndef TRAIN_STATS_H
#define TRAIN_STATS_H

typedef struct stats_interval {
    double low, high;
} stats_interval;

/* Interval of a proportion, `hits` of n (Wilson 1927), z standard errors wide
 * (1.96: 95 %). n = 0 gives [0, 1]. */
stats_interval stats_wilson(double hits, double n, double z);

double stats_mean(const double *x, int n);       /* NaN when n is 0 */
double stats_sd(const double *x, int n);         /* divides by n - 1; 0 below two */

/* Interval of the mean of x by the normal approximation: mean -+ z sd / sqrt(n). */
stats_interval stats_mean_interval(const double *x, int n, double z);

double stats_median(const double *x, int n);     /* NaN when n is 0 */

/* Value below which a share q (0 .. 1) of x lies, between neighbours by a
 * straight line. NaN when n is 0. */
double stats_quantile(const double *x, int n, double q);

/* Least squares y = a + b * x. */
typedef struct stats_fit {
    double a, b;
    double r2;               /* 1 - residual / total; 1 when y does not vary and fits */
    int n;                   /* points used; a and b are NaN below two distinct x */
} stats_fit;

stats_fit stats_line(const double *x, const double *y, int n);

/* Least squares y = a + b * log2(x), over the points with x above 0. */
stats_fit stats_line_log2(const double *x, const double *y, int n);

double stats_logit(double p);                    /* ln(p / (1 - p)) */

/* Chance that k of n samples drawn without replacement hold at least one of the
 * c right ones (Chen et al. 2021, the unbiased pass@k); k at most n. */
double stats_pass_at_k(int n, int c, int k);

#endif
