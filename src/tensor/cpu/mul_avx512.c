/* mul_avx512.c - products with 512-bit vectors: 16 outputs a vector.
 *
 * Quantised: VPDPBUSD takes weights as the unsigned operand and four inputs,
 * broadcast, as the signed one: 8-bit weights are lifted by 128, and the
 * accumulator starts at -zero * sum(inputs).
 * Few rows are limited by reading weights, so several panels go side by side
 * to keep enough reads in flight. */
#include "tensor/cpu/vec.h"
#include "tensor/internal.h"

#if defined(__x86_64__)
#include <string.h>

#define PREFETCH_BYTES 2048  /* ahead of use, per panel; measured: 1.5x at one row */

/* Store the lanes of a panel that are real outputs. */
INLINE_AVX512 void store_lanes(const matrix *m, int panel, float *out, __m512 v)
{
    int lanes = panel_lanes(m, panel);

    if (lanes == PANEL) _mm512_storeu_ps(out + panel * PANEL, v);
    else _mm512_mask_storeu_ps(out + panel * PANEL, (__mmask16)((1 << lanes) - 1), v);
}

/* F32 and F16. */

INLINE_AVX512 __m512 load_weights(const uint8_t *w, int k, int half)
{
    if (half)
        return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(w + (size_t)k * 32)));
    return _mm512_load_ps((const float *)(w + (size_t)k * 64));
}

INLINE_AVX512 void f32_block(const matrix *m, int panel, int n_panel, int half,
                             const float *x, size_t ld_x, int rows, float *out, int ld_out)
{
    __m512 acc[8];

    UNROLL
    for (int i = 0; i < rows * n_panel; i++) acc[i] = _mm512_setzero_ps();
    for (int k = 0; k < m->n_in; k++)
        UNROLL
        for (int p = 0; p < n_panel; p++) {
            __m512 w = load_weights(m->data + (size_t)(panel + p) * m->panel_bytes, k, half);

            UNROLL
            for (int r = 0; r < rows; r++)
                acc[p * rows + r] = _mm512_fmadd_ps(
                    w, _mm512_set1_ps(x[(size_t)r * ld_x + (size_t)k]), acc[p * rows + r]);
        }
    UNROLL
    for (int p = 0; p < n_panel; p++)
        UNROLL
        for (int r = 0; r < rows; r++)
            store_lanes(m, panel + p, out + (size_t)r * (size_t)ld_out, acc[p * rows + r]);
}

INLINE_AVX512 void f32_panels(const matrix *m, int panel0, int panel1, int half,
                              const matrix_input *in, float *out, int ld_out)
{
    size_t ld_x = (size_t)in->n_in;

    for (int p = panel0; p < panel1;) {
        int few = in->n_row == 1 && p + 4 <= panel1;

        for (int r = 0; r < in->n_row;) {
            const float *x = in->f32 + (size_t)r * ld_x;
            float *y = out + (size_t)r * (size_t)ld_out;
            int left = in->n_row - r;

            if (few) f32_block(m, p, 4, half, x, ld_x, 1, y, ld_out), r += 1;
            else if (left >= 8) f32_block(m, p, 1, half, x, ld_x, 8, y, ld_out), r += 8;
            else if (left >= 4) f32_block(m, p, 1, half, x, ld_x, 4, y, ld_out), r += 4;
            else f32_block(m, p, 1, half, x, ld_x, 1, y, ld_out), r += 1;
        }
        p += few ? 4 : 1;
    }
}

LEVEL_AVX512 void mul_f32_avx512(const matrix *m, int panel0, int panel1,
                                 const matrix_input *in, float *out, int ld_out)
{
    if (m->type == DTYPE_F16) f32_panels(m, panel0, panel1, 1, in, out, ld_out);
    else f32_panels(m, panel0, panel1, 0, in, out, ld_out);
}

/* BF16: the arithmetic of TDPBF16PS in vector instructions. */

INLINE_AVX512 void bf16_block(const matrix *m, int panel, int n_panel,
                              const uint16_t *x, int n_block, int stride,
                              int rows, float *out, int ld_out)
{
    const __m512i high = _mm512_set1_epi32((int)0xFFFF0000u);
    __m512 acc[8];

    UNROLL
    for (int i = 0; i < rows * n_panel; i++) acc[i] = _mm512_setzero_ps();
    for (int b = 0; b < n_block; b++)
        UNROLL
        for (int p = 0; p < n_panel; p++) {
            const uint8_t *w = m->data + (size_t)(panel + p) * m->panel_bytes +
                               (size_t)b * BLOCK * PANEL * 2;
            const uint16_t *xb = x + (size_t)b * (size_t)stride * BLOCK;
            __m512 even[8], odd[8];

            UNROLL
            for (int r = 0; r < rows; r++) even[r] = odd[r] = _mm512_setzero_ps();
            UNROLL
            for (int j = 0; j < BLOCK / 2; j++) {
                __m512i pair = _mm512_load_si512(w + j * 64);
                __m512 w0 = _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16));
                __m512 w1 = _mm512_castsi512_ps(_mm512_and_si512(pair, high));

                _mm_prefetch((const char *)(w + j * 64 + PREFETCH_BYTES), _MM_HINT_T0);
                UNROLL
                for (int r = 0; r < rows; r++) {
                    uint32_t both;

                    memcpy(&both, xb + r * BLOCK + 2 * j, 4);
                    even[r] = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_set1_epi32(
                                                  (int)(both << 16))), w0, even[r]);
                    odd[r] = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_set1_epi32(
                                                 (int)(both & 0xFFFF0000u))), w1, odd[r]);
                }
            }
            UNROLL
            for (int r = 0; r < rows; r++)
                acc[p * rows + r] = _mm512_add_ps(acc[p * rows + r],
                                                  _mm512_add_ps(even[r], odd[r]));
        }
    UNROLL
    for (int p = 0; p < n_panel; p++)
        UNROLL
        for (int r = 0; r < rows; r++)
            store_lanes(m, panel + p, out + (size_t)r * (size_t)ld_out, acc[p * rows + r]);
}

/* CALL(panels, rows, first row) for the rows of tile t in groups of 8, 4, 2 and
 * 1: constants, so that accumulators stay in registers. n is the panels side by
 * side, 4 or 2 only when the input has 1 or 2 rows. */
#define BY_ROWS(in, t, n, CALL)                                                \
    for (int row = 0, left = input_tile_rows(in, t); left;) {                  \
        if (left >= 8) { CALL(1, 8); row += 8; left -= 8; }                    \
        else if (left >= 4) { CALL(1, 4); row += 4; left -= 4; }               \
        else if (left >= 2) {                                                  \
            if (n == 2) CALL(2, 2);                                            \
            else CALL(1, 2);                                                   \
            row += 2;                                                          \
            left -= 2;                                                         \
        } else {                                                               \
            if (n == 4) CALL(4, 1);                                            \
            else CALL(1, 1);                                                   \
            left = 0;                                                          \
        }                                                                      \
    }

static int panels_side_by_side(const matrix_input *in, int panel, int panel1)
{
    int side = in->n_row == 1 ? 4 : in->n_row == 2 ? 2 : 1;

    return panel + side <= panel1 ? side : 1;
}

LEVEL_AVX512 void mul_bf16_avx512(const matrix *m, int panel0, int panel1,
                                  const matrix_input *in, float *out, int ld_out)
{
    unsigned saved = _mm_getcsr();

    _mm_setcsr(saved | 0x8040);      /* denormals are zero, flush to zero */
    for (int p = panel0, n; p < panel1; p += n) {
        n = panels_side_by_side(in, p, panel1);
        for (int t = 0; t < in->n_tile; t++) {
            const uint16_t *x = in->bf16 + (size_t)t * (size_t)in->tile *
                                               (size_t)in->n_block * BLOCK;
            float *y = out + (size_t)t * (size_t)in->tile * (size_t)ld_out;

#define BF16_TILE(P, R)                                                        \
    bf16_block(m, p, P, x + row * BLOCK, in->n_block, input_tile_rows(in, t), R, \
               y + (size_t)row * (size_t)ld_out, ld_out)
            BY_ROWS(in, t, n, BF16_TILE)
#undef BF16_TILE
        }
    }
    _mm_setcsr(saved);
}

/* Quantised. */

INLINE_AVX512 __m512 load_scale(const uint8_t *p, int wide)
{
    if (wide) return _mm512_load_ps((const float *)p);
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)p));
}

/* Quants 4j .. 4j+3 of every lane; j a constant once unrolled. */
INLINE_AVX512 __m512i load_quants(const uint8_t *q, int j, int bits)
{
    const __m512i low = _mm512_set1_epi8(15);
    __m512i w;

    if (bits == 8)
        return _mm512_xor_si512(_mm512_load_si512(q + j * 64), _mm512_set1_epi8(-128));
    w = _mm512_load_si512(q + j % 4 * 64);
    return _mm512_and_si512(j < 4 ? w : _mm512_srli_epi16(w, 4), low);
}

INLINE_AVX512 __m512i broadcast4(const int8_t *x)
{
    int32_t v;

    memcpy(&v, x, 4);
    return _mm512_set1_epi32(v);
}

/* n_panel panels by `rows` rows, n_panel * rows at most 8. */
INLINE_AVX512 void quant_block(const matrix *m, int panel, int n_panel,
                               const matrix_input *in, int tile, int row, int rows,
                               float *out, int ld_out, int bits, int zero, int mins,
                               int wide, int sub)
{
    const size_t quant_bytes = (size_t)BLOCK * PANEL * (size_t)bits / 8;
    const size_t scale_bytes = (size_t)PANEL * (wide ? 4 : 2) * (size_t)sub;
    const size_t pair_bytes = 2 * (quant_bytes + scale_bytes * (size_t)(1 + mins));
    const size_t base = (size_t)tile * (size_t)in->tile * (size_t)in->n_block;
    const int stride = input_tile_rows(in, tile);
    const int8_t *x = in->q + (base + (size_t)row) * BLOCK;
    const float *d = in->d + base + row, *xs = in->xs + base + row;
    const int32_t *sum = in->sum + 2 * base + row;
    const uint8_t *w0 = m->data + (size_t)panel * m->panel_bytes;
    __m512 acc[8];

    UNROLL
    for (int i = 0; i < rows * n_panel; i++) acc[i] = _mm512_setzero_ps();
    for (int b = 0; b < in->n_block; b++, x += stride * BLOCK, d += stride,
             xs += stride, sum += 2 * stride) {
        UNROLL
        for (int p = 0; p < n_panel; p++) {
            const uint8_t *pair = w0 + (size_t)p * m->panel_bytes + (size_t)(b / 2) * pair_bytes;
            const uint8_t *q = pair + (size_t)(b & 1) * quant_bytes;
            const uint8_t *s = pair + 2 * quant_bytes + (size_t)(b & 1) * scale_bytes;
            __m512i dot[8], dot2[8];

            UNROLL
            for (int r = 0; r < rows; r++) {
                if (sub == 2) {
                    dot[r] = _mm512_set1_epi32(-zero * sum[r]);
                    dot2[r] = _mm512_set1_epi32(-zero * sum[stride + r]);
                } else {
                    dot[r] = _mm512_set1_epi32(-zero * (sum[r] + sum[stride + r]));
                }
            }
            UNROLL
            for (int j = 0; j < 8; j++) {
                __m512i w = load_quants(q, j, bits);

                if (bits == 8 || j < 4)
                    _mm_prefetch((const char *)(q + j * 64 + PREFETCH_BYTES), _MM_HINT_T0);
                UNROLL
                for (int r = 0; r < rows; r++) {
                    __m512i xj = broadcast4(x + r * BLOCK + 4 * j);

                    if (sub == 2 && j >= 4) dot2[r] = _mm512_dpbusd_epi32(dot2[r], w, xj);
                    else dot[r] = _mm512_dpbusd_epi32(dot[r], w, xj);
                }
            }
            UNROLL
            for (int r = 0; r < rows; r++) {
                __m512 dr = _mm512_set1_ps(d[r]), a = acc[p * rows + r];

                a = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[r]),
                                    _mm512_mul_ps(load_scale(s, wide), dr), a);
                if (sub == 2)
                    a = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot2[r]),
                                        _mm512_mul_ps(load_scale(s + 64, wide), dr), a);
                if (mins)
                    a = _mm512_fmadd_ps(load_scale(s + 2 * scale_bytes, wide),
                                        _mm512_set1_ps(xs[r]), a);
                acc[p * rows + r] = a;
            }
        }
    }
    UNROLL
    for (int p = 0; p < n_panel; p++)
        UNROLL
        for (int r = 0; r < rows; r++)
            store_lanes(m, panel + p, out + (size_t)r * (size_t)ld_out, acc[p * rows + r]);
}

INLINE_AVX512 void quant_panels(const matrix *m, int panel0, int panel1,
                                const matrix_input *in, float *out, int ld_out,
                                int bits, int zero, int mins, int wide, int sub)
{
    for (int p = panel0, n; p < panel1; p += n) {
        n = panels_side_by_side(in, p, panel1);
        for (int t = 0; t < in->n_tile; t++) {
            float *y = out + (size_t)t * (size_t)in->tile * (size_t)ld_out;

#define QUANT_TILE(P, R) \
    quant_block(m, p, P, in, t, row, R, y + (size_t)row * (size_t)ld_out, ld_out, bits, \
                zero, mins, wide, sub)
            BY_ROWS(in, t, n, QUANT_TILE)
#undef QUANT_TILE
        }
    }
}

#define QUANT_KERNEL(name, bits, zero, mins, wide, sub)                            \
    LEVEL_AVX512 static void name(const matrix *m, int panel0, int panel1,         \
                                  const matrix_input *in, float *out, int ld_out)  \
    {                                                                              \
        quant_panels(m, panel0, panel1, in, out, ld_out, bits, zero, mins, wide, sub); \
    }

QUANT_KERNEL(mul_q4, 4, 8, 0, 0, 1)
QUANT_KERNEL(mul_q8, 8, 128, 0, 0, 1)
QUANT_KERNEL(mul_q4_min, 4, 0, 1, 0, 1)
QUANT_KERNEL(mul_q8_min, 8, 128, 1, 0, 1)
QUANT_KERNEL(mul_q4_min_wide, 4, 0, 1, 1, 1)
QUANT_KERNEL(mul_q8_min_wide, 8, 128, 1, 1, 1)
QUANT_KERNEL(mul_q8_half_wide, 8, 128, 0, 1, 2)

void mul_quant_avx512(const matrix *m, int panel0, int panel1, const matrix_input *in,
                      float *out, int ld_out)
{
    switch (m->type) {
    case DTYPE_Q4_0: mul_q4(m, panel0, panel1, in, out, ld_out); break;
    case DTYPE_Q5_0:
    case DTYPE_Q8_0: mul_q8(m, panel0, panel1, in, out, ld_out); break;
    case DTYPE_Q4_1: mul_q4_min(m, panel0, panel1, in, out, ld_out); break;
    case DTYPE_Q5_1: mul_q8_min(m, panel0, panel1, in, out, ld_out); break;
    case DTYPE_Q4_K: mul_q4_min_wide(m, panel0, panel1, in, out, ld_out); break;
    case DTYPE_Q5_K: mul_q8_min_wide(m, panel0, panel1, in, out, ld_out); break;
    default: mul_q8_half_wide(m, panel0, panel1, in, out, ld_out); break;
    }
}
#endif
