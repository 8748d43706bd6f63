/* rise.c - stretches of a curve. */
#include "train/rise.h"

#include <math.h>

rise rise_of(const double *x, const double *y, int n, double min_r2)
{
    rise best = { .to = n - 1, .fit = stats_line_log2(x, y, n) };

    best.doublings = n > 1 ? log2(x[n - 1] / x[0]) : 0;
    for (int from = 0; from < n; from++)
        for (int to = from + RISE_MIN_POINT - 1; to < n; to++) {
            const stats_fit fit = stats_line_log2(x + from, y + from, to - from + 1);
            const double doublings = log2(x[to] / x[from]);

            if (!(fit.b > 0) || !(fit.r2 >= min_r2)) continue;
            if (best.found && doublings <= best.doublings) continue;
            best = (rise){ true, from, to, doublings, fit };
        }
    return best;
}
