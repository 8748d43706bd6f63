/* rng.c - Philox 4x32-10. */
#include "base/rng.h"

#include <math.h>

static void philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;

        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint64_t rng_u64(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint32_t r[4];

    philox(seed, stream, counter, r);
    return (uint64_t)r[1] << 32 | r[0];
}

double rng_uniform(uint64_t seed, uint64_t stream, uint64_t counter)
{
    return (double)(rng_u64(seed, stream, counter) >> 11) * 0x1p-53;
}

double rng_normal(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint32_t r[4];
    double u, v;

    philox(seed, stream, counter, r);
    u = ((double)(((uint64_t)r[1] << 32 | r[0]) >> 11) + 1.0) * 0x1p-53;
    v = (double)(((uint64_t)r[3] << 32 | r[2]) >> 11) * 0x1p-53;
    return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

uint64_t rng_below(rng *r, uint64_t n)
{
    uint64_t reject = (UINT64_MAX % n + 1) % n;  /* values above it would favour low ones */
    uint64_t x;

    do x = rng_u64(r->seed, r->stream, r->counter++);
    while (x > UINT64_MAX - reject);
    return x % n;
}

int rng_between(rng *r, int low, int high)
{
    return low + (int)rng_below(r, (uint64_t)((int64_t)high - low + 1));
}

void rng_shuffle(rng *r, int *x, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int j = (int)rng_below(r, (uint64_t)i + 1), t = x[i];

        x[i] = x[j];
        x[j] = t;
    }
}
