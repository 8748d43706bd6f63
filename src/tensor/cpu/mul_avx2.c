/* mul_avx2.c - products with 256-bit vectors: half a panel, 8 outputs, each.
 *
 * Without VNNI, bytes are widened to 16 bits first (VPMADDUBSW would saturate);
 * pairs are summed by VPMADDWD, exactly. */
#include "tensor/cpu/vec.h"
#include "tensor/internal.h"

#if defined(__x86_64__)
#include <string.h>

INLINE_AVX2 void store_half(const matrix *m, int panel, int half, float *out, __m256 v)
{
    int lanes = panel_lanes(m, panel) - 8 * half;
    float all[8];

    out += panel * PANEL + 8 * half;
    if (lanes >= 8) {
        _mm256_storeu_ps(out, v);
    } else if (lanes > 0) {
        _mm256_storeu_ps(all, v);
        memcpy(out, all, (size_t)lanes * 4);
    }
}

#define ROWS 4               /* at a time: one panel half stays in registers */

LEVEL_AVX2 void mul_f32_avx2(const matrix *m, int panel0, int panel1,
                             const matrix_input *in, float *out, int ld_out)
{
    int is_half = m->type == DTYPE_F16;

    for (int p = panel0; p < panel1; p++)
        for (int h = 0; h < 2; h++)
            for (int r = 0; r < in->n_row; r += ROWS) {
                const uint8_t *w = m->data + (size_t)p * m->panel_bytes + h * (is_half ? 16 : 32);
                int rows = in->n_row - r < ROWS ? in->n_row - r : ROWS;
                __m256 acc[ROWS];

                UNROLL
                for (int i = 0; i < ROWS; i++) acc[i] = _mm256_setzero_ps();
                for (int k = 0; k < m->n_in; k++) {
                    __m256 v = is_half
                        ? _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(w + (size_t)k * 32)))
                        : _mm256_load_ps((const float *)(w + (size_t)k * 64));

                    UNROLL
                    for (int i = 0; i < rows; i++)
                        acc[i] = _mm256_fmadd_ps(v, _mm256_set1_ps(
                            in->f32[(size_t)(r + i) * (size_t)in->n_in + (size_t)k]), acc[i]);
                }
                UNROLL
                for (int i = 0; i < rows; i++)
                    store_half(m, p, h, out + (size_t)(r + i) * (size_t)ld_out, acc[i]);
            }
}

LEVEL_AVX2 void mul_bf16_avx2(const matrix *m, int panel0, int panel1,
                              const matrix_input *in, float *out, int ld_out)
{
    const __m256i high = _mm256_set1_epi32((int)0xFFFF0000u);
    unsigned saved = _mm_getcsr();

    _mm_setcsr(saved | 0x8040);      /* denormals are zero, flush to zero */
    for (int p = panel0; p < panel1; p++)
        UNROLL
        for (int i = 0; i < 2 * in->n_row; i++) {
            int r = i / 2, h = i % 2, t = r / in->tile, rows = input_tile_rows(in, t);
            const uint16_t *x = in->bf16 + ((size_t)t * (size_t)in->tile * (size_t)in->n_block +
                                            (size_t)(r % in->tile)) * BLOCK;
            __m256 acc = _mm256_setzero_ps();

            for (int b = 0; b < in->n_block; b++, x += rows * BLOCK) {
                const uint8_t *w = m->data + (size_t)p * m->panel_bytes +
                                   (size_t)b * BLOCK * PANEL * 2 + 32 * h;
                __m256 even = _mm256_setzero_ps(), odd = even;

                UNROLL
                for (int j = 0; j < BLOCK / 2; j++) {
                    __m256i pair = _mm256_load_si256((const __m256i *)(w + j * 64));
                    uint32_t both;

                    memcpy(&both, x + 2 * j, 4);
                    even = _mm256_fmadd_ps(
                        _mm256_castsi256_ps(_mm256_set1_epi32((int)(both << 16))),
                        _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16)), even);
                    odd = _mm256_fmadd_ps(
                        _mm256_castsi256_ps(_mm256_set1_epi32((int)(both & 0xFFFF0000u))),
                        _mm256_castsi256_ps(_mm256_and_si256(pair, high)), odd);
                }
                acc = _mm256_add_ps(acc, _mm256_add_ps(even, odd));
            }
            store_half(m, p, h, out + (size_t)r * (size_t)ld_out, acc);
        }
    _mm_setcsr(saved);
}

/* Sums of products of 8 lanes' four weights each with four inputs, as pairs:
 * dot[0] lanes 0-3, dot[1] lanes 4-7, two halves a lane. */
INLINE_AVX2 void dot_quad(__m256i dot[2], __m256i w, __m256i x)
{
    dot[0] = _mm256_add_epi32(dot[0], _mm256_madd_epi16(
        _mm256_cvtepi8_epi16(_mm256_castsi256_si128(w)), x));
    dot[1] = _mm256_add_epi32(dot[1], _mm256_madd_epi16(
        _mm256_cvtepi8_epi16(_mm256_extracti128_si256(w, 1)), x));
}

/* Join the pairs of dot_quad: 8 lanes in order. */
INLINE_AVX2 __m256i join_pairs(const __m256i dot[2])
{
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(dot[0], dot[1]), 0xD8);
}

INLINE_AVX2 __m256 scale_half(const uint8_t *p, int wide, int h)
{
    if (wide) return _mm256_load_ps((const float *)(p + 32 * h));
    return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(p + 16 * h)));
}

INLINE_AVX2 __m256 dot_half(const matrix *m, const uint8_t *panel, int h,
                            const matrix_input *in, int r)
{
    const packing *pk = &m->pack;
    const __m256i low = _mm256_set1_epi8(15);
    size_t quant_bytes = pack_quant_bytes(pk), scale_bytes = pack_scale_bytes(pk);
    int t = r / in->tile, rows = input_tile_rows(in, t), at = r % in->tile;
    size_t base = (size_t)t * (size_t)in->tile * (size_t)in->n_block;
    __m256 acc = _mm256_setzero_ps();

    for (int b = 0; b < in->n_block; b++) {
        const uint8_t *pair = panel + (size_t)(b / 2) * m->pair_bytes;
        const uint8_t *q = pair + (size_t)(b % 2) * quant_bytes + 32 * h;
        const uint8_t *s = pair + 2 * quant_bytes + (size_t)(b % 2) * scale_bytes;
        size_t i = base + (size_t)b * (size_t)rows + (size_t)at;
        const int8_t *x = in->q + i * BLOCK;
        const int32_t *sum = in->sum + 2 * (base + (size_t)b * (size_t)rows) + at;
        __m256 d = _mm256_set1_ps(in->d[i]);
        __m256i pairs[2][2] = { 0 }, first, second;

        UNROLL
        for (int j = 0; j < 8; j++) {
            __m256i w = _mm256_load_si256(
                (const __m256i *)(q + (pk->bits == 8 ? j : j % 4) * 64));
            int64_t four = (int16_t)x[4 * j];

            if (pk->bits == 4)
                w = _mm256_and_si256(j < 4 ? w : _mm256_srli_epi16(w, 4), low);
            four = (int64_t)((uint64_t)(uint16_t)four |
                             (uint64_t)(uint16_t)(int16_t)x[4 * j + 1] << 16 |
                             (uint64_t)(uint16_t)(int16_t)x[4 * j + 2] << 32 |
                             (uint64_t)(uint16_t)(int16_t)x[4 * j + 3] << 48);
            dot_quad(pairs[j / 4], w, _mm256_set1_epi64x(four));
        }
        first = _mm256_add_epi32(join_pairs(pairs[0]),
                                 _mm256_set1_epi32(-pk->zero * sum[0]));
        second = _mm256_add_epi32(join_pairs(pairs[1]),
                                  _mm256_set1_epi32(-pk->zero * sum[rows]));
        if (pk->sub == 2) {
            acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(first),
                                  _mm256_mul_ps(scale_half(s, 1, h), d), acc);
            acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(second),
                                  _mm256_mul_ps(scale_half(s + 64, 1, h), d), acc);
        } else {
            acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_add_epi32(first, second)),
                                  _mm256_mul_ps(scale_half(s, pk->wide, h), d), acc);
        }
        if (pk->mins)
            acc = _mm256_fmadd_ps(scale_half(s + 2 * scale_bytes, pk->wide, h),
                                  _mm256_set1_ps(in->xs[i]), acc);
    }
    return acc;
}

LEVEL_AVX2 void mul_quant_avx2(const matrix *m, int panel0, int panel1,
                               const matrix_input *in, float *out, int ld_out)
{
    for (int p = panel0; p < panel1; p++)
        for (int h = 0; h < 2; h++)
            for (int r = 0; r < in->n_row; r++)
                store_half(m, p, h, out + (size_t)r * (size_t)ld_out,
                           dot_half(m, m->data + (size_t)p * m->panel_bytes, h, in, r));
}
#endif
