/* lanes_avx2.h - sixteen f32 lanes in two 256-bit registers; see lanes.h. */
#define LANES_LEVEL LEVEL_AVX2
#define LANES static inline __attribute__((always_inline)) LEVEL_AVX2
#define LANES_NAME(f) f##_avx2

typedef struct lanes {
    __m256 a, b;
} lanes;

LANES lanes lanes_set(float x) { return (lanes){ _mm256_set1_ps(x), _mm256_set1_ps(x) }; }

LANES lanes lanes_load(const float *p)
{
    return (lanes){ _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) };
}

LANES void lanes_store(float *p, lanes x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}

#define LANES_BINARY(name, op)                                                 \
    LANES lanes name(lanes x, lanes y)                                         \
    {                                                                          \
        return (lanes){ op(x.a, y.a), op(x.b, y.b) };                          \
    }

LANES_BINARY(lanes_add, _mm256_add_ps)
LANES_BINARY(lanes_sub, _mm256_sub_ps)
LANES_BINARY(lanes_mul, _mm256_mul_ps)
LANES_BINARY(lanes_div, _mm256_div_ps)
LANES_BINARY(lanes_max, _mm256_max_ps)

LANES lanes lanes_fma(lanes x, lanes y, lanes z)
{
    return (lanes){ _mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b) };
}

LANES lanes lanes_load_half(const uint16_t *p)
{
    return (lanes){ _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                    _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8))) };
}

LANES lanes lanes_round(lanes x)
{
    return (lanes){ _mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                    _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC) };
}

LANES __m256 scale2_half(__m256 a, __m256 n)
{
    return _mm256_castsi256_ps(_mm256_add_epi32(
        _mm256_castps_si256(a), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
}

LANES lanes lanes_scale2(lanes x, lanes n)
{
    return (lanes){ scale2_half(x.a, n.a), scale2_half(x.b, n.b) };
}
