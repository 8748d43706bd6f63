/* kquant.c - the scale search of the K-quants.
 *
 * Written on 8-wide vectors (a GNU C extension, plain SSE where there is no
 * AVX2) because converting a model runs these loops 20 times over every
 * weight. Element-wise operations and the one fixed order of lane_sum make the
 * bytes independent of the instruction set. */
#include "tensor/kquant.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/cpu.h"

typedef float lanes __attribute__((vector_size(32)));
typedef int32_t masks __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

/* Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to
 * even, for magnitudes below 2^22. */
#define ROUNDER 12582912.0f

/* Vectors go through pointers: by value they would change the calling
 * convention with the instruction set. */
INLINE void load(lanes *v, const float *p)
{
    memcpy(v, p, sizeof *v);
}

INLINE float lane_sum(const lanes *v)
{
    const lanes a = *v;

    return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

/* Nearest integer within [low, high]; NaN gives low. */
INLINE void round_within(lanes *v, float low, float high)
{
    const lanes lows = low - (lanes){ 0 }, highs = high - (lanes){ 0 };
    masks above = *v > lows, below;

    *v = (lanes)((above & (masks)*v) | (~above & (masks)lows));
    below = *v < highs;
    *v = (lanes)((below & (masks)*v) | (~below & (masks)highs));
    *v = (*v + ROUNDER) - ROUNDER;
}

static int nearest_within(float v, int low, int high)
{
    if (!(v > (float)low)) return low;
    if (v >= (float)high) return high;
    return (int)((v + ROUNDER) - ROUNDER);
}

/* Scale and minimum of 32 values for quants 0 to n_max: x is about
 * scale * q - *min, *min not negative. Tries n_step + 1 grids, each a little
 * wider or narrower than the range of the values, solves the weighted least
 * squares for the quants it gives, and keeps the smallest weighted error.
 * Weights grow with magnitude: large weights matter more to the product. */
INLINE float search_scale_min(const float *x, int n_max, float first, float step,
                              int n_step, float *min_out)
{
    lanes v[4], w[4], abs_w[4], q[4], a;
    const masks sign_off = 0x7FFFFFFF - (masks){ 0 };
    float low = x[0], high = x[0], mean_square, floor_w, sum_w, sum_x, scale, min, best;

    for (int j = 1; j < 32; j++) {
        if (x[j] < low) low = x[j];
        if (x[j] > high) high = x[j];
    }
    if (low > 0) low = 0;
    *min_out = -low;
    if (high <= low) return 0;

    a = (lanes){ 0 };
    for (int k = 0; k < 4; k++) {
        load(&v[k], x + 8 * k);
        a += v[k] * v[k];
    }
    mean_square = lane_sum(&a) / 32;
    floor_w = sqrtf(mean_square);
    for (int k = 0; k < 4; k++) {
        abs_w[k] = (lanes)((masks)v[k] & sign_off);
        w[k] = floor_w + abs_w[k];
    }
    a = (w[0] + w[1]) + (w[2] + w[3]);
    sum_w = lane_sum(&a);
    a = (w[0] * v[0] + w[1] * v[1]) + (w[2] * v[2] + w[3] * v[3]);
    sum_x = lane_sum(&a);

    scale = (high - low) / (float)n_max;
    min = low;
    best = INFINITY;
    /* Step -1 is the plain grid over the whole range, taken as it is. Later
     * grids start at the best minimum so far, not at the lowest value: that is
     * worth half a percent of error. */
    for (int i = -1; i <= n_step; i++) {
        float inverse = ((float)n_max + (i < 0 ? 0 : first + step * (float)i)) / (high - min);
        float try_scale = scale, try_min = min, error;

        for (int k = 0; k < 4; k++) {
            q[k] = inverse * (v[k] - min);
            round_within(&q[k], 0, (float)n_max);
        }
        if (i >= 0) {
            lanes l = { 0 }, l2 = { 0 }, xl = { 0 };
            float sum_l, sum_l2, sum_xl, det;

            for (int k = 0; k < 4; k++) {
                lanes wq = w[k] * q[k];

                l += wq;
                l2 += wq * q[k];
                xl += wq * v[k];
            }
            sum_l = lane_sum(&l);
            sum_l2 = lane_sum(&l2);
            sum_xl = lane_sum(&xl);
            det = sum_w * sum_l2 - sum_l * sum_l;
            if (!(det > 0)) continue;
            try_scale = (sum_w * sum_xl - sum_x * sum_l) / det;
            try_min = (sum_l2 * sum_x - sum_l * sum_xl) / det;
            if (try_min > 0) {
                try_min = 0;
                try_scale = sum_xl / sum_l2;
            }
        }
        a = (lanes){ 0 };
        for (int k = 0; k < 4; k++) {
            lanes off = try_scale * q[k] + try_min - v[k];

            a += w[k] * off * off;
        }
        error = lane_sum(&a);
        if (error < best) {
            best = error;
            scale = try_scale;
            min = try_min;
        }
    }
    *min_out = -min;
    return scale;
}

/* Q4_K (bits 4) and Q5_K (bits 5). */
INLINE void encode_4_5(const float *x, uint8_t *out, int bits)
{
    const int n_max = (1 << bits) - 1;
    uint8_t *packed = out + 4, *fifth = out + 16, *quants = out + (bits == 5 ? 48 : 16);
    float scales[8], mins[8], top_scale = 0, top_min = 0, to_scale, to_min, d, dmin;
    uint16_t d_bits, dmin_bits;
    int8_t q[256];

    for (int s = 0; s < 8; s++) {
        if (bits == 4) scales[s] = search_scale_min(x + 32 * s, 15, -1.0f, 0.1f, 20, &mins[s]);
        else scales[s] = search_scale_min(x + 32 * s, 31, -0.5f, 0.1f, 15, &mins[s]);
        if (scales[s] > top_scale) top_scale = scales[s];
        if (mins[s] > top_min) top_min = mins[s];
    }
    to_scale = top_scale > 0 ? 63.0f / top_scale : 0;
    to_min = top_min > 0 ? 63.0f / top_min : 0;
    memset(packed, 0, 12);
    for (int s = 0; s < 8; s++) {
        int scale = nearest_within(to_scale * scales[s], 0, 63);
        int min = nearest_within(to_min * mins[s], 0, 63);

        if (s < 4) {
            packed[s] |= (uint8_t)scale;
            packed[s + 4] |= (uint8_t)min;
        } else {
            packed[s + 4] = (uint8_t)((scale & 15) | (min & 15) << 4);
            packed[s - 4] |= (uint8_t)(scale >> 4 << 6);
            packed[s] |= (uint8_t)(min >> 4 << 6);
        }
    }
    d_bits = f32_to_f16(top_scale / 63.0f);
    dmin_bits = f32_to_f16(top_min / 63.0f);
    out[0] = (uint8_t)d_bits;
    out[1] = (uint8_t)(d_bits >> 8);
    out[2] = (uint8_t)dmin_bits;
    out[3] = (uint8_t)(dmin_bits >> 8);

    /* Quants against the scales as they were stored. */
    d = f16_to_f32(d_bits);
    dmin = f16_to_f32(dmin_bits);
    for (int s = 0; s < 8; s++) {
        int scale, min;
        float ds, ms;

        kquant_scale_min(packed, s, &scale, &min);
        ds = d * (float)scale;
        ms = dmin * (float)min;
        for (int k = 0; k < 4; k++) {
            lanes v = { 0 };

            if (ds != 0) {
                load(&v, x + 32 * s + 8 * k);
                v = (v + ms) / ds;
                round_within(&v, 0, (float)n_max);
            }
            for (int j = 0; j < 8; j++) q[32 * s + 8 * k + j] = (int8_t)v[j];
        }
    }
    for (int s = 0; s < 8; s += 2)
        for (int j = 0; j < 32; j++)
            quants[16 * s + j] = (uint8_t)((q[32 * s + j] & 15) | (q[32 * s + 32 + j] & 15) << 4);
    if (bits == 4) return;
    for (int j = 0; j < 32; j++) {
        fifth[j] = 0;
        for (int s = 0; s < 8; s++) fifth[j] |= (uint8_t)(q[32 * s + j] >> 4 << s);
    }
}

/* Scale of 16 values for quants -32 to 31: x is about scale * q. The errors
 * are weighted by x squared; 19 grids are tried around the one that puts the
 * value of largest magnitude at -32. */
INLINE float search_scale(const float *x)
{
    lanes v[2], w[2], q[2];
    float peak = 0, size = 0, scale = 0, best = -1;

    for (int j = 0; j < 16; j++) {
        if (!(fabsf(x[j]) > size)) continue;
        size = fabsf(x[j]);
        peak = x[j];
    }
    if (size < 1e-15f) return 0;
    for (int k = 0; k < 2; k++) {
        load(&v[k], x + 8 * k);
        w[k] = v[k] * v[k];
    }
    /* In the order 0, -9, -8 and so on, so that the plain grid wins a tie. */
    for (int i = -10; i <= 9; i++) {
        float inverse = -(32.0f + 0.1f * (float)(i == -10 ? 0 : i)) / peak;
        lanes xl = { 0 }, l2 = { 0 };
        float sum_xl, sum_l2;

        if (i == 0) continue;
        for (int k = 0; k < 2; k++) {
            lanes wq;

            q[k] = inverse * v[k];
            round_within(&q[k], -32, 31);
            wq = w[k] * q[k];
            xl += wq * v[k];
            l2 += wq * q[k];
        }
        sum_xl = lane_sum(&xl);
        sum_l2 = lane_sum(&l2);
        /* The error left by the best scale falls as sum_xl^2 / sum_l2 grows. */
        if (sum_l2 > 0 && sum_xl * sum_xl > best * sum_l2) {
            scale = sum_xl / sum_l2;
            best = scale * sum_xl;
        }
    }
    return scale;
}

INLINE void encode_6(const float *x, uint8_t *out)
{
    float scales[16], top = 0, inverse, d;
    uint16_t d_bits;
    int8_t q[256];

    for (int s = 0; s < 16; s++) {
        scales[s] = search_scale(x + 16 * s);
        if (fabsf(scales[s]) > fabsf(top)) top = scales[s];
    }
    memset(out, 0, 210);
    if (!(fabsf(top) >= 1e-15f)) return;
    inverse = -128.0f / top;
    d_bits = f32_to_f16(1.0f / inverse);
    out[208] = (uint8_t)d_bits;
    out[209] = (uint8_t)(d_bits >> 8);
    d = f16_to_f32(d_bits);
    for (int s = 0; s < 16; s++) {
        int scale = nearest_within(inverse * scales[s], -128, 127);
        float ds = d * (float)scale;

        out[192 + s] = (uint8_t)(int8_t)scale;
        for (int k = 0; k < 2; k++) {
            lanes v = { 0 };

            if (ds != 0) {
                load(&v, x + 16 * s + 8 * k);
                v = v / ds;
                round_within(&v, -32, 31);
            }
            for (int j = 0; j < 8; j++) q[16 * s + 8 * k + j] = (int8_t)((int)v[j] + 32);
        }
    }
    for (int h = 0; h < 2; h++) {
        const int8_t *p = q + 128 * h;

        for (int j = 0; j < 32; j++) {
            out[64 * h + j] = (uint8_t)((p[j] & 15) | (p[j + 64] & 15) << 4);
            out[64 * h + 32 + j] = (uint8_t)((p[j + 32] & 15) | (p[j + 96] & 15) << 4);
            out[128 + 32 * h + j] = (uint8_t)(p[j] >> 4 | p[j + 32] >> 4 << 2 |
                                              p[j + 64] >> 4 << 4 | p[j + 96] >> 4 << 6);
        }
    }
}

INLINE void encode_any(dtype t, const float *x, uint8_t *out)
{
    if (t == DTYPE_Q4_K) encode_4_5(x, out, 4);
    else if (t == DTYPE_Q5_K) encode_4_5(x, out, 5);
    else encode_6(x, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2")))
static void encode_avx2(dtype t, const float *x, uint8_t *out)
{
    encode_any(t, x, out);
}
#endif

void kquant_encode(dtype t, const float *x, uint8_t *out)
{
#if defined(__x86_64__)
    static _Atomic int known;        /* 0 not asked, 1 no AVX2, 2 yes */
    int k = atomic_load_explicit(&known, memory_order_relaxed);

    if (!k) {
        k = cpu_detect() >= CPU_AVX2 ? 2 : 1;
        atomic_store_explicit(&known, k, memory_order_relaxed);
    }
    if (k == 2) {
        encode_avx2(t, x, out);
        return;
    }
#endif
    encode_any(t, x, out);
}
