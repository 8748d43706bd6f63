/* rng.h - randomness as a pure function of (seed, stream, counter).
 *
 * Nothing is kept between calls, so a resumed run draws the same numbers and
 * a row's sample does not depend on its neighbours (invariant 6). */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* 64 random bits: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as
 * easy as 1, 2, 3", SC 2011) with key = seed and block = (counter, stream). */
uint64_t rng_u64(uint64_t seed, uint64_t stream, uint64_t counter);

/* Uniform in [0, 1), a multiple of 2^-53. */
double rng_uniform(uint64_t seed, uint64_t stream, uint64_t counter);

/* Standard normal by Box-Muller. */
double rng_normal(uint64_t seed, uint64_t stream, uint64_t counter);

/* A place in a stream, for code that draws one number after another. */
typedef struct rng {
    uint64_t seed;
    uint64_t stream;
    uint64_t counter;
} rng;

/* Uniform in 0 .. n-1, n at least 1, without bias; moves on by one or more. */
uint64_t rng_below(rng *r, uint64_t n);

/* Uniform in low .. high, both included. */
int rng_between(rng *r, int low, int high);

/* Shuffle n ints (Fisher and Yates). */
void rng_shuffle(rng *r, int *x, int n);

#endif
