/* advantage.c - the arithmetic of policy gradients. */
#include "train/advantage.h"

#include <math.h>

void advantage_group(const double *reward, int n, bool zscore, double *out)
{
    double mean = 0, square = 0, divisor = 1;

    for (int i = 0; i < n; i++) mean += reward[i];
    mean /= n;
    for (int i = 0; i < n; i++) square += (reward[i] - mean) * (reward[i] - mean);
    if (zscore) divisor = sqrt(square / (n > 1 ? n - 1 : 1)) + 1e-4;
    for (int i = 0; i < n; i++) out[i] = (reward[i] - mean) / divisor;
}

bool advantage_flat(const double *reward, int n)
{
    for (int i = 1; i < n; i++)
        if (reward[i] != reward[0]) return false;
    return true;
}

void advantage_gae(const double *value, int n, double reward, double gamma, double lambda,
                   double *out, double *returns)
{
    double next = 0, ahead = 0;

    for (int t = n - 1; t >= 0; t--) {
        double d = (t == n - 1 ? reward : 0) + gamma * next - value[t];

        ahead = d + gamma * lambda * ahead;
        out[t] = ahead;
        returns[t] = ahead + value[t];
        next = value[t];
    }
}

double advantage_slope(double ratio, double advantage, double low, double high)
{
    if (advantage > 0 && ratio > 1 + high) return 0;
    if (advantage < 0 && ratio < 1 - low) return 0;
    return -ratio * advantage;
}

double advantage_kl_slope(double log_prob, double reference)
{
    double gap = reference - log_prob;

    return 1 - exp(gap > 20 ? 20 : gap);
}
