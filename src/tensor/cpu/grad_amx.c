/* grad_amx.c - products by tile instructions, operands rounded to bf16.
 *
 * Rounding is to nearest, halves away from zero: one addition instead of three,
 * and gradients need no particular rounding. */
#include "tensor/cpu/grad.h"

#if defined(__x86_64__)
#include "tensor/cpu/tile.h"

#define STEP 32              /* k of one tile product */
#define PANEL_STEP (SQUARE * STEP)

INLINE_AVX512 __m512i load_half(const float *p, __mmask16 mask)
{
    return _mm512_add_epi32(_mm512_maskz_loadu_epi32(mask, p), _mm512_set1_epi32(0x8000));
}

/* Lanes of the rows k and k + 1 side by side, as bf16. */
INLINE_AVX512 __m512i load_pair(const float *row, size_t ld, int n, __mmask16 mask)
{
    __m512i low = n > 0 ? load_half(row, mask) : _mm512_setzero_si512();
    __m512i high = n > 1 ? load_half(row + ld, mask) : _mm512_setzero_si512();

    return _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi32(low, 16), high);
}

INLINE_AVX512 __mmask16 first(int n)
{
    return (__mmask16)(n >= 16 ? 0xFFFF : n <= 0 ? 0 : (1 << n) - 1);
}

LEVEL_AVX512 static void a_rows(const float *src, size_t ld, int n_lane, int n_k, void *panel)
{
    static const uint16_t odd[32] = { 1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                      23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                      45, 47, 49, 51, 53, 55, 57, 59, 61, 63 };
    __m512i pick = _mm512_loadu_si512(odd);
    uint16_t *out = panel;

    for (int k = 0; k < n_k; k += STEP, out += PANEL_STEP) {
        __mmask16 low = first(n_k - k), high = first(n_k - k - 16);

        for (int i = 0; i < SQUARE; i++) {
            const float *p = src + (size_t)i * ld + k;
            __m512i v = _mm512_setzero_si512();

            if (i < n_lane)
                v = _mm512_permutex2var_epi16(load_half(p, low), pick, load_half(p + 16, high));
            _mm512_store_si512(out + i * STEP, v);
        }
    }
}

LEVEL_AVX512 static void b_cols(const float *src, size_t ld, int n_lane, int n_k, void *panel)
{
    __mmask16 mask = first(n_lane);
    uint16_t *out = panel;

    for (int k = 0; k < n_k; k += STEP)
        for (int j = k; j < k + STEP; j += 2, out += STEP)
            _mm512_store_si512(out, load_pair(src + (size_t)j * ld, ld, n_k - j, mask));
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

LEVEL_AVX512 static void a_cols(const float *src, size_t ld, int n_lane, int n_k, void *panel)
{
    __mmask16 mask = first(n_lane);
    uint16_t *out = panel;

    for (int k = 0; k < n_k; k += STEP, out += PANEL_STEP) {
        __m512i v[16];

        UNROLL
        for (int j = 0; j < 16; j++)
            v[j] = load_pair(src + (size_t)(k + 2 * j) * ld, ld, n_k - k - 2 * j, mask);
        transpose(v);
        UNROLL
        for (int j = 0; j < 16; j++) _mm512_store_si512(out + j * STEP, v[j]);
    }
}

/* Two panels of a by two of b, or fewer at the edges. */
INLINE_AVX512 void squares(const uint16_t *a, const uint16_t *b, size_t panel, int n_step,
                           int two_a, int two_b, bool add, float *c, size_t c_row)
{
    const int size = SQUARE * SQUARE;

    if (add) {
        TILE_LOAD(0, c, 64);
        if (two_b) TILE_LOAD(1, c + size, 64);
        if (two_a) TILE_LOAD(2, c + c_row, 64);
        if (two_a && two_b) TILE_LOAD(3, c + c_row + size, 64);
    } else {
        TILE_ZERO(0);
        TILE_ZERO(1);
        TILE_ZERO(2);
        TILE_ZERO(3);
    }
    for (int s = 0; s < n_step; s++, a += PANEL_STEP, b += PANEL_STEP) {
        TILE_LOAD(4, a, 64);
        TILE_LOAD(6, b, 64);
        TILE_DOT_BF16(0, 4, 6);
        if (two_b) {
            TILE_LOAD(7, b + panel, 64);
            TILE_DOT_BF16(1, 4, 7);
        }
        if (two_a) {
            TILE_LOAD(5, a + panel, 64);
            TILE_DOT_BF16(2, 5, 6);
            if (two_b) TILE_DOT_BF16(3, 5, 7);
        }
    }
    TILE_STORE(0, c, 64);
    if (two_b) TILE_STORE(1, c + size, 64);
    if (two_a) TILE_STORE(2, c + c_row, 64);
    if (two_a && two_b) TILE_STORE(3, c + c_row + size, 64);
}

LEVEL_AVX512 static void multiply(const void *a, int n_a, const void *b, int n_b, int n_k,
                                  bool add, float *c)
{
    size_t panel = (size_t)n_k * SQUARE, c_row = (size_t)n_b * SQUARE * SQUARE;
    int n_step = n_k / STEP;

    tiles_begin(64, 16);
    for (int j = 0; j < n_b; j += 2)
        for (int i = 0; i < n_a; i += 2) {
            const uint16_t *pa = (const uint16_t *)a + (size_t)i * panel;
            const uint16_t *pb = (const uint16_t *)b + (size_t)j * panel;
            float *to = c + (size_t)i * c_row + (size_t)j * SQUARE * SQUARE;

            if (i + 1 < n_a && j + 1 < n_b)
                squares(pa, pb, panel, n_step, 1, 1, add, to, c_row);
            else
                squares(pa, pb, panel, n_step, i + 1 < n_a, j + 1 < n_b, add, to, c_row);
        }
    tiles_end();
}

const grad_product grad_product_amx = {
    .k_step = STEP, .k_block = 512, .item = 2, .a_rows = a_rows, .a_cols = a_cols,
    .b_cols = b_cols, .multiply = multiply,
};
#endif
