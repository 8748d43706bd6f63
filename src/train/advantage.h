/* advantage.h - from rewards to what each token is worth. */
#ifndef TRAIN_ADVANTAGE_H
#define TRAIN_ADVANTAGE_H

#include <stdbool.h>

/* Rewards of one group, [n], to advantages: r - mean (Liu et al. 2025, "Dr.
 * GRPO"), or with zscore (r - mean) / (sd + 1e-4) (Shao et al. 2024, GRPO). */
void advantage_group(const double *reward, int n, bool zscore, double *out);

bool advantage_flat(const double *reward, int n);    /* all rewards are equal */

/* Generalised advantage estimation (Schulman et al. 2016) over the n tokens of
 * one answer, reward at the end:
 *   d_t = r_t + gamma v_{t+1} - v_t,   A_t = d_t + gamma lambda A_{t+1}
 * value [n] before each token; out and returns (A_t + v_t) [n]. */
void advantage_gae(const double *value, int n, double reward, double gamma, double lambda,
                   double *out, double *returns);

/* d loss / d log_prob of min(rho A, clip(rho, 1 - low, 1 + high) A), negated:
 * -rho A where the clip leaves it alone, else 0 (Schulman et al. 2017, PPO). */
double advantage_slope(double ratio, double advantage, double low, double high);

/* d/d log_prob of the k3 estimate exp(ref - lp) - (ref - lp) - 1 of KL(policy,
 * reference) (Schulman 2020): 1 - exp(ref - lp). */
double advantage_kl_slope(double log_prob, double reference);

#endif
