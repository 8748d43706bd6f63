/* share.c - shares of problems. */
#include "train/share.h"

#include <math.h>
#include <string.h>

#include "base/status.h"

#define Z95 1.959964

void share_add(share *s, int i_seed, double value)
{
    CHECK(i_seed >= 0 && i_seed < SHARE_MAX_SEED && value >= 0 && value <= 1);
    s->sum += value;
    s->sum2 += value * value;
    s->n++;
    s->seed_sum[i_seed] += value;
    s->seed_n[i_seed]++;
}

double share_value(const share *s)
{
    return s->n ? s->sum / s->n : 0;
}

stats_interval share_interval(const share *s)
{
    const double p = share_value(s), n = s->n;
    double trials = n;

    if (s->group > 1 && n > 1) {
        const double variance = (s->sum2 - n * p * p) / (n - 1) / n;

        trials = variance > 0 ? p * (1 - p) / variance : n * s->group;
        trials = fmin(fmax(trials, n), n * s->group);
    }
    return stats_wilson(p * trials, trials, Z95);
}

json_t *share_json(const share *s)
{
    const stats_interval i = share_interval(s);
    json_t *seeds = json_array();

    for (int k = 0; k < SHARE_MAX_SEED; k++)
        if (s->seed_n[k]) json_array_append_new(seeds, json_real(s->seed_sum[k] / s->seed_n[k]));
    return json_pack("{s:f, s:f, s:f, s:i, s:o}", "right", share_value(s), "low", i.low, "high",
                     i.high, "n", s->n, "seeds", seeds);
}

bool share_majority(char *const *answers, const bool *right, int k)
{
    int best = -1, most = 0;

    for (int i = 0; i < k; i++) {
        int votes = 0;

        if (!answers[i]) continue;
        for (int j = 0; j < k; j++) votes += answers[j] && !strcmp(answers[i], answers[j]);
        if (votes > most) {
            best = i;
            most = votes;
        }
    }
    return best >= 0 && right[best];
}
