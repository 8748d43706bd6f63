/* share.h - a share of problems, gathered over seeds, with its 95 % interval.
 *
 * A problem adds one number from 0 to 1: whether it was solved, or the part of
 * its answers that were right. Answers to one problem resemble each other, so
 * the interval counts problems, or what their spread shows to be worth more. */
#ifndef TRAIN_SHARE_H
#define TRAIN_SHARE_H

#include <jansson.h>
#include <stdbool.h>

#include "train/stats.h"

#define SHARE_MAX_SEED 16

typedef struct share {
    double sum, sum2;        /* of the problems' numbers, and of their squares */
    int n;                   /* problems */
    int group;               /* answers behind each number; 0 and 1 mean one */
    double seed_sum[SHARE_MAX_SEED];
    int seed_n[SHARE_MAX_SEED];
} share;

void share_add(share *s, int i_seed, double value);
double share_value(const share *s);              /* 0 of no problems */

/* Wilson's interval. With several answers a problem its count of trials is
 * p (1 - p) / variance of the mean, at least n and at most n * group. */
stats_interval share_interval(const share *s);

/* {"right", "low", "high", "n", "seeds": [a value for each seed seen]}; the
 * caller's. */
json_t *share_json(const share *s);

/* Whether the answer most often given among the first k is right; of answers
 * given as often the earlier wins. NULL is no vote. */
bool share_majority(char *const *answers, const bool *right, int k);

#endif
