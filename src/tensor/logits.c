/* logits.c - passes over one row of logits, with the same bits everywhere.
 *
 * The loops stand once, in logits_width.h, and are compiled for vectors of 4
 * (any processor), 8 (AVX2) and 16 floats (AVX-512). Every lane does the same
 * IEEE operations in the same order whatever the width, provided the compiler
 * does not fuse a multiply into an add: the build passes -ffp-contract=off,
 * and tests/tensor/test_logits.c compares the bits. */
#include "tensor/logits.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* exp(x) = 2^n * exp(r), n = round(x / ln 2), r = x - n ln 2 in [-0.35, 0.35].
 * ln 2 is split so that n * LN2_HIGH is exact (Cody and Waite 1980); the Taylor
 * polynomial of degree 7 leaves 5e-9, a tenth of an ulp. Adding 1.5 * 2^23
 * rounds to an integer and leaves it in the low bits. */
#define EXP_LOWEST -87.0f
#define LOG2_E 0x1.715476p+0f
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define ROUNDER 0x1.8p23f
#define ROUNDER_BITS 0x4B400000u

#define EXP_POLYNOMIAL(r)                                                             \
    (((((((1.0f / 5040 * (r) + 1.0f / 720) * (r) + 1.0f / 120) * (r) + 1.0f / 24) *   \
            (r) + 1.0f / 6) * (r) + 0.5f) * (r) + 1.0f) * (r) + 1.0f)

float logits_exp(float x)
{
    union { float f; uint32_t u; } t, p;
    float n, r;

    if (!(x >= EXP_LOWEST)) return 0;
    t.f = x * LOG2_E + ROUNDER;
    n = t.f - ROUNDER;
    r = x - n * LN2_HIGH;
    r = r - n * LN2_LOW;
    p.f = EXP_POLYNOMIAL(r);
    p.u += (t.u - ROUNDER_BITS) << 23;
    return p.f;
}

double logits_log(double x)
{
    union { double f; uint64_t u; } v = { x };
    int e = (int)(v.u >> 52) - 1023;
    double z, zz, sum = 0;

    /* x = m 2^e with m in [sqrt(1/2), sqrt 2); log m = 2 atanh((m-1)/(m+1)),
     * |z| <= 0.172, so terms after z^23 are below 2^-62. */
    v.u = (v.u & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
    if (v.f >= M_SQRT2) {
        v.f *= 0.5;
        e++;
    }
    z = (v.f - 1) / (v.f + 1);
    zz = z * z;
    for (int k = 23; k >= 1; k -= 2) sum = sum * zz + 1.0 / k;
    return (double)e * 0x1.62e42fefa39efp-1 + 2 * z * sum;
}

#define WIDTH 4
#define TARGET
#define NAME(x) x##_base
#include "tensor/logits_width.h"

#if defined(__x86_64__)
#define WIDTH 8
#define TARGET __attribute__((target("avx2")))
#define NAME(x) x##_avx2
#include "tensor/logits_width.h"

#define WIDTH 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define NAME(x) x##_avx512
#include "tensor/logits_width.h"
#endif

static bool scan_level(cpu_level level, const float *x, int n_block, float *group_max)
{
#if defined(__x86_64__)
    if (level >= CPU_AVX512) return scan_avx512(x, n_block, group_max);
    if (level >= CPU_AVX2) return scan_avx2(x, n_block, group_max);
#endif
    (void)level;
    return scan_base(x, n_block, group_max);
}

static double exp_sum_level(cpu_level level, const float *x, int n_block, float max,
                            float scale, double *block_sum)
{
#if defined(__x86_64__)
    if (level >= CPU_AVX512) return exp_sum_avx512(x, n_block, max, scale, block_sum);
    if (level >= CPU_AVX2) return exp_sum_avx2(x, n_block, max, scale, block_sum);
#endif
    (void)level;
    return exp_sum_base(x, n_block, max, scale, block_sum);
}

static void weigh_level(cpu_level level, float *x, int n_vector, float max, float scale,
                        float factor)
{
#if defined(__x86_64__)
    if (level >= CPU_AVX512) weigh_avx512(x, n_vector, max, scale, factor);
    else if (level >= CPU_AVX2) weigh_avx2(x, n_vector, max, scale, factor);
    else
#endif
        weigh_base(x, n_vector, max, scale, factor);
    (void)level;
}

static double mean_sum_level(cpu_level level, const float *x, int n_vector, float max,
                             float scale)
{
#if defined(__x86_64__)
    if (level >= CPU_AVX512) return mean_sum_avx512(x, n_vector, max, scale);
    if (level >= CPU_AVX2) return mean_sum_avx2(x, n_vector, max, scale);
#endif
    (void)level;
    return mean_sum_base(x, n_vector, max, scale);
}

/* The last, partial block, filled up with -inf: no maximum and nothing to a
 * sum. Returns how many of the values are real. */
static int tail_copy(const float *x, int n, float *tail)
{
    int n_real = n % LOGITS_BLOCK;

    memcpy(tail, x + (n - n_real), (size_t)n_real * sizeof *tail);
    for (int i = n_real; i < LOGITS_BLOCK; i++) tail[i] = -INFINITY;
    return n_real;
}

bool logits_scan(cpu_level level, const float *x, int n, float *group_max)
{
    int n_full = n / LOGITS_BLOCK;
    bool finite = scan_level(level, x, n_full, group_max);

    if (n % LOGITS_BLOCK) {
        float tail[LOGITS_BLOCK];
        int n_real = tail_copy(x, n, tail);

        scan_level(level, tail, 1, group_max + n_full * LOGITS_LANES);
        if (logits_find_bad(tail, n_real) >= 0) finite = false;
    }
    return finite;
}

int logits_find_bad(const float *x, int n)
{
    for (int i = 0; i < n; i++)
        if (!isfinite(x[i])) return i;
    return -1;
}

double logits_exp_sum(cpu_level level, const float *x, int n, float max, float scale,
                      double *block_sum)
{
    int n_full = n / LOGITS_BLOCK;
    double total = exp_sum_level(level, x, n_full, max, scale, block_sum);

    if (n % LOGITS_BLOCK) {
        float tail[LOGITS_BLOCK];

        tail_copy(x, n, tail);
        total += exp_sum_level(level, tail, 1, max, scale,
                               block_sum ? block_sum + n_full : NULL);
    }
    return total;
}

float logits_scale(float temperature)
{
    float scale;

    if (temperature == 0) return 1;
    scale = 1 / temperature;
    return scale <= FLT_MAX ? scale : FLT_MAX;
}

logits_norm logits_normalise(cpu_level level, const float *x, int n, float temperature)
{
    logits_norm norm = { -INFINITY, logits_scale(temperature), 0 };

    /* A few blocks at a time, so that no row needs memory of its own. */
    for (int at = 0; at < n; at += 16 * LOGITS_BLOCK) {
        float group_max[16 * LOGITS_LANES];
        int left = n - at < 16 * LOGITS_BLOCK ? n - at : 16 * LOGITS_BLOCK;

        logits_scan(level, x + at, left, group_max);
        for (int g = 0; g < logits_blocks(left) * LOGITS_LANES; g++)
            if (group_max[g] > norm.max) norm.max = group_max[g];
    }
    norm.log_sum = logits_log(logits_exp_sum(level, x, n, norm.max, norm.scale, NULL));
    return norm;
}

void logits_weigh(cpu_level level, float *x, int n, const logits_norm *norm, float factor)
{
    int n_vector = n / LOGITS_LANES, left = n % LOGITS_LANES;
    float tail[LOGITS_LANES] = { 0 };

    factor = (float)((double)factor / exp(norm->log_sum));
    weigh_level(level, x, n_vector, norm->max, norm->scale, factor);
    if (!left) return;
    x += n - left;
    memcpy(tail, x, (size_t)left * sizeof *x);
    weigh_level(level, tail, 1, norm->max, norm->scale, factor);
    memcpy(x, tail, (size_t)left * sizeof *x);
}

double logits_entropy(cpu_level level, const float *x, int n, const logits_norm *norm)
{
    double sum = 0;

    for (int at = 0; at < n; at += LOGITS_BLOCK) {
        int here = n - at < LOGITS_BLOCK ? n - at : LOGITS_BLOCK, left = here % LOGITS_LANES;
        float tail[LOGITS_LANES];

        sum += mean_sum_level(level, x + at, here / LOGITS_LANES, norm->max, norm->scale);
        if (!left) continue;
        for (int i = 0; i < LOGITS_LANES; i++)
            tail[i] = i < left ? x[at + here - left + i] : -INFINITY;
        sum += mean_sum_level(level, tail, 1, norm->max, norm->scale);
    }
    return norm->log_sum - sum / exp(norm->log_sum);
}
