/* dtype.c - row codecs of the stored element types.
 *
 * Byte layouts and formulas are those of ggml (ggml-common.h, the _ref
 * quantisers of ggml-quants.c). Every multiplication and addition is rounded on
 * its own (no fused operations), so the bits are the same on every machine.
 *
 * A block that holds a value that is not finite is encoded with a NaN scale:
 * casting such a value to an integer is undefined, and the NaN is what
 * weights_check_finite looks for. */
#include "tensor/dtype.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/cpu.h"
#include "base/status.h"
#include "tensor/kquant.h"

#define F16_NAN 0x7E00

/* What a type looks like; indexed by its number, holes have no name. */
static const struct facts {
    const char *name;
    int block;
    int bytes;
} facts[] = {
    [DTYPE_F32] = { "F32", 1, 4 },      [DTYPE_F16] = { "F16", 1, 2 },
    [DTYPE_Q4_0] = { "Q4_0", 32, 18 },  [DTYPE_Q4_1] = { "Q4_1", 32, 20 },
    [DTYPE_Q5_0] = { "Q5_0", 32, 22 },  [DTYPE_Q5_1] = { "Q5_1", 32, 24 },
    [DTYPE_Q8_0] = { "Q8_0", 32, 34 },  [DTYPE_Q4_K] = { "Q4_K", 256, 144 },
    [DTYPE_Q5_K] = { "Q5_K", 256, 176 }, [DTYPE_Q6_K] = { "Q6_K", 256, 210 },
    [DTYPE_BF16] = { "BF16", 1, 2 },
};

#define N_FACTS ((int)(sizeof facts / sizeof *facts))

bool dtype_known(int value)
{
    return value >= 0 && value < N_FACTS && facts[value].name;
}

const char *dtype_name(dtype t)
{
    CHECK(dtype_known((int)t));
    return facts[t].name;
}

bool dtype_parse(const char *name, dtype *out)
{
    for (int i = 0; i < N_FACTS; i++) {
        if (!facts[i].name || strcasecmp(facts[i].name, name)) continue;
        *out = (dtype)i;
        return true;
    }
    return false;
}

int dtype_block(dtype t)
{
    CHECK(dtype_known((int)t));
    return facts[t].block;
}

int dtype_block_bytes(dtype t)
{
    CHECK(dtype_known((int)t));
    return facts[t].bytes;
}

size_t dtype_row_bytes(dtype t, int64_t n)
{
    CHECK(n >= 0 && n % dtype_block(t) == 0);
    return (size_t)(n / facts[t].block) * (size_t)facts[t].bytes;
}

/* ---- halves ---- */

static float float_of_bits(uint32_t u)
{
    union { uint32_t u; float f; } v = { u };

    return v.f;
}

static uint32_t bits_of_float(float f)
{
    union { float f; uint32_t u; } v = { f };

    return v.u;
}

float f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 0x1F, fraction = h & 0x3FF;

    if (exponent == 0)       /* zero or subnormal: a multiple of 2^-24 */
        return float_of_bits(bits_of_float((float)fraction * 0x1p-24f) | sign);
    if (exponent == 31)      /* as the processor does it, NaNs become quiet */
        return float_of_bits(sign | 0x7F800000u | fraction << 13 |
                             (fraction ? 0x400000u : 0));
    return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t f32_to_f16(float f)
{
    uint32_t u = bits_of_float(f);
    uint32_t sign = u >> 16 & 0x8000, a = u & 0x7FFFFFFFu;

    if (a > 0x7F800000u) return (uint16_t)(sign | F16_NAN | (a >> 13 & 0x3FF));
    if (a >= 0x477FF000u) return (uint16_t)(sign | 0x7C00);   /* from 65520 on */
    /* Below 2^-14 the result is a multiple of 2^-24, which is the last place
     * of 0.5: the addition rounds to it, ties to even. */
    if (a < 0x38800000u)
        return (uint16_t)(sign | (bits_of_float(float_of_bits(a) + 0.5f) - 0x3F000000u));
    a += 0xFFF + (a >> 13 & 1);
    return (uint16_t)(sign | (a - 0x38000000u) >> 13);
}

#if defined(__x86_64__)
/* Asked once: CPUID costs a trap under a hypervisor. */
static bool has_f16c(void)
{
    static _Atomic int known;        /* 0 not asked, 1 no, 2 yes */
    int k = atomic_load_explicit(&known, memory_order_relaxed);

    if (!k) {
        k = cpu_detect() >= CPU_AVX2 ? 2 : 1;
        atomic_store_explicit(&known, k, memory_order_relaxed);
    }
    return k == 2;
}

/* Both return how many elements they did, a multiple of 8. */
__attribute__((target("avx,f16c")))
static int64_t f16_decode_fast(const uint8_t *in, float *out, int64_t n)
{
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(
            _mm_loadu_si128((const __m128i *)(const void *)(in + 2 * i))));
    return i;
}

__attribute__((target("avx,f16c")))
static int64_t f16_encode_fast(const float *in, uint8_t *out, int64_t n)
{
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(out + 2 * i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(in + i),
                                         _MM_FROUND_TO_NEAREST_INT));
    return i;
}
#else
static bool has_f16c(void) { return false; }
static int64_t f16_decode_fast(const uint8_t *in, float *out, int64_t n)
{
    (void)in; (void)out; (void)n;
    return 0;
}
static int64_t f16_encode_fast(const float *in, uint8_t *out, int64_t n)
{
    (void)in; (void)out; (void)n;
    return 0;
}
#endif

static uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static float get_f16(const uint8_t *p)
{
    return f16_to_f32(get_u16(p));
}

/* ---- decoding: one block each ---- */

static void decode_q4_0(const uint8_t *b, float *y)
{
    float d = get_f16(b);

    for (int j = 0; j < 16; j++) {
        y[j] = (float)((b[2 + j] & 15) - 8) * d;
        y[j + 16] = (float)((b[2 + j] >> 4) - 8) * d;
    }
}

static void decode_q4_1(const uint8_t *b, float *y)
{
    float d = get_f16(b), m = get_f16(b + 2);

    for (int j = 0; j < 16; j++) {
        y[j] = (float)(b[4 + j] & 15) * d + m;
        y[j + 16] = (float)(b[4 + j] >> 4) * d + m;
    }
}

static void decode_q5_0(const uint8_t *b, float *y)
{
    float d = get_f16(b);
    uint32_t fifth = get_u32(b + 2);

    for (int j = 0; j < 16; j++) {
        int low = (b[6 + j] & 15) | (int)(fifth >> j & 1) << 4;
        int high = b[6 + j] >> 4 | (int)(fifth >> (j + 16) & 1) << 4;

        y[j] = (float)(low - 16) * d;
        y[j + 16] = (float)(high - 16) * d;
    }
}

static void decode_q5_1(const uint8_t *b, float *y)
{
    float d = get_f16(b), m = get_f16(b + 2);
    uint32_t fifth = get_u32(b + 4);

    for (int j = 0; j < 16; j++) {
        int low = (b[8 + j] & 15) | (int)(fifth >> j & 1) << 4;
        int high = b[8 + j] >> 4 | (int)(fifth >> (j + 16) & 1) << 4;

        y[j] = (float)low * d + m;
        y[j + 16] = (float)high * d + m;
    }
}

static void decode_q8_0(const uint8_t *b, float *y)
{
    float d = get_f16(b);

    for (int j = 0; j < 32; j++) y[j] = (float)(int8_t)b[2 + j] * d;
}

static void decode_q4_k(const uint8_t *b, float *y)
{
    float d = get_f16(b), dmin = get_f16(b + 2);

    for (int s = 0; s < 8; s++) {
        const uint8_t *q = b + 16 + 32 * (s / 2);
        int shift = 4 * (s & 1), scale, min;
        float ds, ms;

        kquant_scale_min(b + 4, s, &scale, &min);
        ds = d * (float)scale;
        ms = dmin * (float)min;
        for (int j = 0; j < 32; j++)
            y[32 * s + j] = ds * (float)(q[j] >> shift & 15) - ms;
    }
}

static void decode_q5_k(const uint8_t *b, float *y)
{
    float d = get_f16(b), dmin = get_f16(b + 2);
    const uint8_t *fifth = b + 16;

    for (int s = 0; s < 8; s++) {
        const uint8_t *q = b + 48 + 32 * (s / 2);
        int shift = 4 * (s & 1), scale, min;
        float ds, ms;

        kquant_scale_min(b + 4, s, &scale, &min);
        ds = d * (float)scale;
        ms = dmin * (float)min;
        for (int j = 0; j < 32; j++) {
            int v = (q[j] >> shift & 15) | (fifth[j] >> s & 1) << 4;

            y[32 * s + j] = ds * (float)v - ms;
        }
    }
}

static void decode_q6_k(const uint8_t *b, float *y)
{
    float d = get_f16(b + 208);

    for (int s = 0; s < 16; s++) {
        int half = s / 8, quarter = s / 2 % 4, at = 16 * (s & 1);
        const uint8_t *low = b + 64 * half + 32 * (quarter & 1) + at;
        const uint8_t *high = b + 128 + 32 * half + at;
        float ds = d * (float)(int8_t)b[192 + s];

        for (int j = 0; j < 16; j++) {
            int v = (low[j] >> 4 * (quarter / 2) & 15) | (high[j] >> 2 * quarter & 3) << 4;

            y[16 * s + j] = ds * (float)(v - 32);
        }
    }
}

void dtype_decode_row(dtype t, const void *in, float *out, int64_t n)
{
    const uint8_t *b = in;
    int block = dtype_block(t), bytes = dtype_block_bytes(t);
    int64_t i = 0;

    CHECK(n >= 0 && n % block == 0);
    switch (t) {
    case DTYPE_F32:
        if (n) memcpy(out, in, (size_t)n * 4);
        return;
    case DTYPE_F16:
        if (has_f16c()) i = f16_decode_fast(b, out, n);
        for (; i < n; i++) out[i] = get_f16(b + 2 * i);
        return;
    case DTYPE_BF16:
        for (; i < n; i++) out[i] = bf16_to_f32(get_u16(b + 2 * i));
        return;
    default:
        break;
    }
    for (; i < n; i += block, b += bytes) {
        switch (t) {
        case DTYPE_Q4_0: decode_q4_0(b, out + i); break;
        case DTYPE_Q4_1: decode_q4_1(b, out + i); break;
        case DTYPE_Q5_0: decode_q5_0(b, out + i); break;
        case DTYPE_Q5_1: decode_q5_1(b, out + i); break;
        case DTYPE_Q8_0: decode_q8_0(b, out + i); break;
        case DTYPE_Q4_K: decode_q4_k(b, out + i); break;
        case DTYPE_Q5_K: decode_q5_k(b, out + i); break;
        case DTYPE_Q6_K: decode_q6_k(b, out + i); break;
        default: CHECK(!"a type without a decoder");
        }
    }
}

/* ---- encoding: one block of 32 finite values each ---- */

/* 1/d, or 0 where that is not finite: d is then far below the smallest half
 * and the block decodes to its offset whatever the quants are. */
static float inverse(float d)
{
    float id = d != 0 ? 1.0f / d : 0;

    return isfinite(id) ? id : 0;
}

/* v truncated toward zero, at most high; NaN (0 * inf cannot occur, inf - inf
 * can) and negative values give 0. */
static int truncate_to(float v, int high)
{
    if (!(v > 0)) return 0;
    return v < (float)high ? (int)v : high;
}

/* The value of largest magnitude, the first of equals. */
static float signed_peak(const float *x)
{
    float size = 0, peak = 0;

    for (int j = 0; j < 32; j++) {
        if (!(size < fabsf(x[j]))) continue;
        size = fabsf(x[j]);
        peak = x[j];
    }
    return peak;
}

static void bounds(const float *x, float *low, float *high)
{
    *low = *high = x[0];
    for (int j = 1; j < 32; j++) {
        if (x[j] < *low) *low = x[j];
        if (x[j] > *high) *high = x[j];
    }
}

static void pack_nibbles(const int *q, uint8_t *out)
{
    for (int j = 0; j < 16; j++)
        out[j] = (uint8_t)((q[j] & 15) | (q[j + 16] & 15) << 4);
}

static void pack_fifth(const int *q, uint8_t *out)
{
    memset(out, 0, 4);
    for (int j = 0; j < 32; j++)
        out[j / 8] |= (uint8_t)((q[j] >> 4 & 1) << (j & 7));
}

static void encode_q4_0(const float *x, uint8_t *b)
{
    float d = signed_peak(x) / -8.0f, id = inverse(d);
    int q[32];

    for (int j = 0; j < 32; j++) q[j] = truncate_to(x[j] * id + 8.5f, 15);
    put_u16(b, f32_to_f16(d));
    pack_nibbles(q, b + 2);
}

static void encode_q5_0(const float *x, uint8_t *b)
{
    float d = signed_peak(x) / -16.0f, id = inverse(d);
    int q[32];

    for (int j = 0; j < 32; j++) q[j] = truncate_to(x[j] * id + 16.5f, 31);
    put_u16(b, f32_to_f16(d));
    pack_fifth(q, b + 2);
    pack_nibbles(q, b + 6);
}

static void encode_q4_1(const float *x, uint8_t *b)
{
    float low, high, d, id;
    int q[32];

    bounds(x, &low, &high);
    d = (high - low) / 15.0f;
    id = inverse(d);
    for (int j = 0; j < 32; j++) q[j] = truncate_to((x[j] - low) * id + 0.5f, 15);
    put_u16(b, f32_to_f16(d));
    put_u16(b + 2, f32_to_f16(low));
    pack_nibbles(q, b + 4);
}

static void encode_q5_1(const float *x, uint8_t *b)
{
    float low, high, d, id;
    int q[32];

    bounds(x, &low, &high);
    d = (high - low) / 31.0f;
    id = inverse(d);
    for (int j = 0; j < 32; j++) q[j] = truncate_to((x[j] - low) * id + 0.5f, 31);
    put_u16(b, f32_to_f16(d));
    put_u16(b + 2, f32_to_f16(low));
    pack_fifth(q, b + 4);
    pack_nibbles(q, b + 8);
}

static void encode_q8_0(const float *x, uint8_t *b)
{
    float size = 0, d, id;

    for (int j = 0; j < 32; j++) size = fabsf(x[j]) > size ? fabsf(x[j]) : size;
    d = size / 127.0f;
    id = inverse(d);
    put_u16(b, f32_to_f16(d));
    for (int j = 0; j < 32; j++) {
        /* roundf without its call: |v| is at most 127 and a bit, so the
         * remainder is exact. */
        float v = x[j] * id;
        int whole = (int)v;
        float rest = v - (float)whole;

        whole += (rest >= 0.5f) - (rest <= -0.5f);
        b[2 + j] = (uint8_t)(int8_t)whole;
    }
}

static bool all_finite(const float *x, int n)
{
    uint32_t bad = 0;

    for (int i = 0; i < n; i++) bad |= (bits_of_float(x[i]) & 0x7F800000u) == 0x7F800000u;
    return !bad;
}

/* Where the half-precision scale of a block sits. */
static int scale_at(dtype t)
{
    return t == DTYPE_Q6_K ? 208 : 0;
}

void dtype_encode_row(dtype t, const float *in, void *out, int64_t n)
{
    uint8_t *b = out;
    int block = dtype_block(t), bytes = dtype_block_bytes(t);
    int64_t i = 0;

    CHECK(n >= 0 && n % block == 0);
    switch (t) {
    case DTYPE_F32:
        if (n) memcpy(out, in, (size_t)n * 4);
        return;
    case DTYPE_F16:
        if (has_f16c()) i = f16_encode_fast(in, b, n);
        for (; i < n; i++) put_u16(b + 2 * i, f32_to_f16(in[i]));
        return;
    case DTYPE_BF16:
        for (; i < n; i++) put_u16(b + 2 * i, f32_to_bf16(in[i]));
        return;
    default:
        break;
    }
    for (; i < n; i += block, b += bytes) {
        if (!all_finite(in + i, block)) {
            memset(b, 0, (size_t)bytes);
            put_u16(b + scale_at(t), F16_NAN);
            continue;
        }
        switch (t) {
        case DTYPE_Q4_0: encode_q4_0(in + i, b); break;
        case DTYPE_Q4_1: encode_q4_1(in + i, b); break;
        case DTYPE_Q5_0: encode_q5_0(in + i, b); break;
        case DTYPE_Q5_1: encode_q5_1(in + i, b); break;
        case DTYPE_Q8_0: encode_q8_0(in + i, b); break;
        case DTYPE_Q4_K: case DTYPE_Q5_K: case DTYPE_Q6_K:
            kquant_encode(t, in + i, b);
            break;
        default: CHECK(!"a type without an encoder");
        }
    }
}
