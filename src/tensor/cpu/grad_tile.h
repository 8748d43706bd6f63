/* grad_tile.h - packing into bf16 tiles and squares of sums, for grad_*amx.c.
 *
 * Rounding is to nearest, halves away from zero: one addition instead of three,
 * and gradients need no particular rounding. */
#ifndef TENSOR_CPU_GRAD_TILE_H
#define TENSOR_CPU_GRAD_TILE_H

#include "tensor/cpu/grad.h"
#include "tensor/cpu/tile.h"

#if defined(__x86_64__)
#define STEP 32              /* k of one tile product */
#define TILE (SQUARE * STEP) /* elements of an operand's tile */
#define SUMS (SQUARE * SQUARE)

INLINE_AVX512 __mmask16 first_lanes(int n)
{
    return (__mmask16)(n >= 16 ? 0xFFFF : n <= 0 ? 0 : (1 << n) - 1);
}

/* Ready to be cut to bf16. */
INLINE_AVX512 __m512i rounded(__m512 v)
{
    return _mm512_add_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(0x8000));
}

/* 32 numbers in order, as bf16. */
INLINE_AVX512 __m512i in_order(__m512i low, __m512i high)
{
    static const uint16_t odd[32] = { 1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                      23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                      45, 47, 49, 51, 53, 55, 57, 59, 61, 63 };

    return _mm512_permutex2var_epi16(low, _mm512_loadu_si512(odd), high);
}

/* The lanes of two vectors side by side, as bf16. */
INLINE_AVX512 __m512i in_pairs(__m512i even, __m512i odd)
{
    return _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi32(even, 16), odd);
}

/* 32 numbers of a row, of which n exist. */
INLINE_AVX512 __m512i load_row(const float *p, int n)
{
    return in_order(rounded(_mm512_maskz_loadu_ps(first_lanes(n), p)),
                    rounded(_mm512_maskz_loadu_ps(first_lanes(n - 16), p + 16)));
}

/* Lanes of two rows, of which n exist, side by side. */
INLINE_AVX512 __m512i load_pair(const float *row, size_t ld, int n, __mmask16 mask)
{
    return in_pairs(rounded(_mm512_maskz_loadu_ps(n > 0 ? mask : 0, row)),
                    rounded(_mm512_maskz_loadu_ps(n > 1 ? mask : 0, row + ld)));
}

/* Transpose 16 vectors of 16 32-bit elements. */
INLINE_AVX512 void transpose(__m512i v[16])
{
    __m512i t[16];

    UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    UNROLL
    for (int i = 0; i < 16; i += 4) {
        v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xDD);
        t[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xDD);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        v[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        v[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
        v[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        v[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD);
    }
}

/* An operand: its first tile, elements between panels and between steps of k. */
typedef struct tile_side {
    const uint16_t *p;
    size_t panel, step;
} tile_side;

/* Squares of two panels of a by two of b, or of one where two_a or two_b is 0,
 * added to c if `add`. two_a, two_b and add are constants. */
INLINE_AVX512 void squares(tile_side a, tile_side b, int n_step, int two_a, int two_b, int add,
                           grad_place c)
{
    if (add) {
        TILE_LOAD(0, c.p, c.ld * 4);
        if (two_b) TILE_LOAD(1, c.p + c.right, c.ld * 4);
        if (two_a) TILE_LOAD(2, c.p + c.down, c.ld * 4);
        if (two_a && two_b) TILE_LOAD(3, c.p + c.down + c.right, c.ld * 4);
    } else {
        TILE_ZERO(0);
        if (two_b) TILE_ZERO(1);
        if (two_a) TILE_ZERO(2);
        if (two_a && two_b) TILE_ZERO(3);
    }
    for (int s = 0; s < n_step; s++, a.p += a.step, b.p += b.step) {
        TILE_LOAD(6, b.p, 64);
        TILE_LOAD(4, a.p, 64);
        if (two_b) TILE_LOAD(7, b.p + b.panel, 64);
        TILE_DOT_BF16(0, 4, 6);
        if (two_a) TILE_LOAD(5, a.p + a.panel, 64);
        if (two_b) TILE_DOT_BF16(1, 4, 7);
        if (two_a) {
            TILE_DOT_BF16(2, 5, 6);
            if (two_b) TILE_DOT_BF16(3, 5, 7);
        }
    }
    TILE_STORE(0, c.p, c.ld * 4);
    if (two_b) TILE_STORE(1, c.p + c.right, c.ld * 4);
    if (two_a) TILE_STORE(2, c.p + c.down, c.ld * 4);
    if (two_a && two_b) TILE_STORE(3, c.p + c.down + c.right, c.ld * 4);
}
#endif

#endif
