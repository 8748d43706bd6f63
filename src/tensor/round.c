/* round.c - input rows rounded to the types that products take. */
#include <math.h>
#include <string.h>

#include "tensor/cpu/vec.h"
#include "tensor/internal.h"

static float round_q8_scalar(const float *x, int8_t *q, int32_t *sum_low, int32_t *sum_high)
{
    float most = 0, d, inverse;
    int32_t sum[2] = { 0, 0 };

    for (int i = 0; i < BLOCK; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    d = most / 127.0f;
    inverse = most > 0 ? 127.0f / most : 0.0f;
    for (int i = 0; i < BLOCK; i++) {
        q[i] = (int8_t)lrintf(x[i] * inverse);
        sum[i / 16] += q[i];
    }
    *sum_low = sum[0];
    *sum_high = sum[1];
    return d;
}

#if defined(__x86_64__)
LEVEL_AVX512 static float round_q8_avx512(const float *x, int8_t *q, int32_t *sum_low,
                                          int32_t *sum_high)
{
    __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    float most = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
    float d = most / 127.0f, inverse = most > 0 ? 127.0f / most : 0.0f;
    __m512i qa = _mm512_cvtps_epi32(_mm512_mul_ps(a, _mm512_set1_ps(inverse)));
    __m512i qb = _mm512_cvtps_epi32(_mm512_mul_ps(b, _mm512_set1_ps(inverse)));

    _mm_storeu_si128((__m128i *)q, _mm512_cvtepi32_epi8(qa));
    _mm_storeu_si128((__m128i *)(q + 16), _mm512_cvtepi32_epi8(qb));
    *sum_low = _mm512_reduce_add_epi32(qa);
    *sum_high = _mm512_reduce_add_epi32(qb);
    return d;
}

/* Sixteen values; the bits of f32_to_bf16. */
INLINE_AVX512 __m256i bf16_avx512(const float *x)
{
    __m512 v = _mm512_loadu_ps(x);
    __m512i u = _mm512_castps_si512(v), high = _mm512_srli_epi32(u, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    __m512i r = _mm512_mask_or_epi32(_mm512_srli_epi32(up, 16),
                                     _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), high,
                                     _mm512_set1_epi32(0x40));

    return _mm512_cvtepi32_epi16(r);
}

LEVEL_AVX512 static void round_bf16_avx512(const float *x, uint16_t *out)
{
    _mm256_storeu_si256((__m256i *)out, bf16_avx512(x));
    _mm256_storeu_si256((__m256i *)(out + 16), bf16_avx512(x + 16));
}
#endif

float round_q8(const float *x, int8_t *q, int32_t *sum_low, int32_t *sum_high)
{
#if defined(__x86_64__)
    if (tensor_level() >= CPU_AVX512) return round_q8_avx512(x, q, sum_low, sum_high);
#endif
    return round_q8_scalar(x, q, sum_low, sum_high);
}

void round_bf16(const float *x, uint16_t *out)
{
#if defined(__x86_64__)
    if (tensor_level() >= CPU_AVX512) {
        round_bf16_avx512(x, out);
        return;
    }
#endif
    for (int i = 0; i < BLOCK; i++) out[i] = f32_to_bf16(x[i]);
}
