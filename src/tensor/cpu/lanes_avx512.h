/* lanes_avx512.h - sixteen f32 lanes in one 512-bit register; see lanes.h. */
#define LANES_LEVEL LEVEL_AVX512
#define LANES static inline __attribute__((always_inline)) LEVEL_AVX512
#define LANES_NAME(f) f##_avx512

typedef __m512 lanes;

LANES lanes lanes_set(float x) { return _mm512_set1_ps(x); }
LANES lanes lanes_load(const float *p) { return _mm512_loadu_ps(p); }
LANES void lanes_store(float *p, lanes a) { _mm512_storeu_ps(p, a); }
LANES lanes lanes_add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
LANES lanes lanes_sub(lanes a, lanes b) { return _mm512_sub_ps(a, b); }
LANES lanes lanes_mul(lanes a, lanes b) { return _mm512_mul_ps(a, b); }
LANES lanes lanes_div(lanes a, lanes b) { return _mm512_div_ps(a, b); }
LANES lanes lanes_max(lanes a, lanes b) { return _mm512_max_ps(a, b); }
LANES lanes lanes_fma(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }

LANES lanes lanes_load_half(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

LANES lanes lanes_round(lanes a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

LANES lanes lanes_scale2(lanes a, lanes n)
{
    __m512i shift = _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23);

    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), shift));
}
