/* logits.h - passes over one row of logits, with the same bits on every
 * processor.
 *
 * A row is cut into blocks of 1024 ids, a block into 16 lanes: lane l of block
 * b holds ids 1024*b + 16*j + l. Sums run down a lane, then across the lanes
 * of a block, then across blocks, always in that order, and exp and log are
 * our own; so scalar, AVX2 and AVX-512 give identical sums, and neither the
 * batch nor the C library can change a token or a log-prob (invariant 1). */
#ifndef TENSOR_LOGITS_H
#define TENSOR_LOGITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cpu.h"

#define LOGITS_LANES 16
#define LOGITS_BLOCK 1024

static inline int logits_blocks(int n)
{
    return n / LOGITS_BLOCK + (n % LOGITS_BLOCK != 0);
}

/* Largest value of every lane of every block.
 *
 *   x          [n]                              -inf is allowed, NaN is skipped
 *   group_max  [logits_blocks(n) * LOGITS_LANES] -inf for a lane without ids
 *
 * Returns false when any x is NaN or infinite. */
bool logits_scan(cpu_level level, const float *x, int n, float *group_max);

/* Id of the first NaN or infinity, -1 when there is none. */
int logits_find_bad(const float *x, int n);

/* Sum of exp((x[i] - max) * scale) over the row; max is at least every x and
 * finite, scale is positive and finite. block_sum [logits_blocks(n)] gets the
 * sum of each block, NULL when nobody wants them. */
double logits_exp_sum(cpu_level level, const float *x, int n, float max, float scale,
                      double *block_sum);

/* exp(x) for x <= 0, within 2 ulp; 0 below -87. The sums above add exactly
 * these values. */
float logits_exp(float x);

/* Natural logarithm of a positive, finite, normal x, within 2 ulp. */
double logits_log(double x);

/* What turns a logit into a log-prob: the softmax of logits / temperature, or
 * of the plain logits at temperature 0. */
typedef struct logits_norm {
    float max;           /* largest logit */
    float scale;         /* 1 / temperature, at most FLT_MAX */
    double log_sum;      /* log of the sum of exp((x - max) * scale) */
} logits_norm;

/* 1 / temperature, kept finite; 1 at temperature 0. */
float logits_scale(float temperature);

/* The whole row is finite (logits_scan said so). */
logits_norm logits_normalise(cpu_level level, const float *x, int n, float temperature);

static inline float logits_log_prob(const logits_norm *norm, float x)
{
    return (float)((double)((x - norm->max) * norm->scale) - norm->log_sum);
}

/* x[i] = factor * p[i], p the distribution that norm describes; in place, for
 * its gradient. */
void logits_weigh(cpu_level level, float *x, int n, const logits_norm *norm, float factor);

/* Entropy of that distribution, in nats. */
double logits_entropy(cpu_level level, const float *x, int n, const logits_norm *norm);

#endif
