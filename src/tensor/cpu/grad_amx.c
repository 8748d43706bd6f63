/* grad_amx.c - products by tile instructions, operands rounded to bf16. */
#include "tensor/cpu/grad_tile.h"

#if defined(__x86_64__)
LEVEL_AVX512 static void a_rows(const float *src, size_t ld, int n_lane, int n_k, void *panel)
{
    uint16_t *out = panel;

    for (int k = 0; k < n_k; k += STEP, out += TILE) {
        for (int i = 0; i < n_lane; i++)
            _mm512_store_si512(out + i * STEP, load_row(src + (size_t)i * ld + k, n_k - k));
        for (int i = n_lane; i < SQUARE; i++)
            _mm512_store_si512(out + i * STEP, _mm512_setzero_si512());
    }
}

LEVEL_AVX512 static void b_cols(const float *src, size_t ld, int n_lane, int n_k, void *panel)
{
    __mmask16 mask = first_lanes(n_lane);
    uint16_t *out = panel;

    for (int k = 0; k < n_k; k += STEP)
        for (int j = k; j < k + STEP; j += 2, out += STEP)
            _mm512_store_si512(out, load_pair(src + (size_t)j * ld, ld, n_k - j, mask));
}

LEVEL_AVX512 static void a_cols(const float *src, size_t ld, int n_lane, int n_k, void *panel)
{
    __mmask16 mask = first_lanes(n_lane);
    uint16_t *out = panel;

    for (int k = 0; k < n_k; k += STEP, out += TILE) {
        __m512i v[16];

        UNROLL
        for (int j = 0; j < 16; j++)
            v[j] = load_pair(src + (size_t)(k + 2 * j) * ld, ld, n_k - k - 2 * j, mask);
        transpose(v);
        UNROLL
        for (int j = 0; j < 16; j++) _mm512_store_si512(out + j * STEP, v[j]);
    }
}

LEVEL_AVX512 static void multiply(const void *a, int n_a, const void *b, int n_b, int n_k,
                                  bool add, float *c)
{
    size_t panel = (size_t)n_k * SQUARE, c_row = (size_t)n_b * SUMS;
    int n_step = n_k / STEP;

    tiles_begin(64, 16);
    for (int j = 0; j < n_b; j += 2)
        for (int i = 0; i < n_a; i += 2) {
            tile_side pa = { (const uint16_t *)a + (size_t)i * panel, panel, TILE };
            tile_side pb = { (const uint16_t *)b + (size_t)j * panel, panel, TILE };
            float *to = c + (size_t)i * c_row + (size_t)j * SUMS;

            if (i + 1 < n_a && j + 1 < n_b) {
                if (add) squares(pa, pb, n_step, 1, 1, 1, to, c_row, SUMS);
                else squares(pa, pb, n_step, 1, 1, 0, to, c_row, SUMS);
            } else {
                squares(pa, pb, n_step, i + 1 < n_a, j + 1 < n_b, add, to, c_row, SUMS);
            }
        }
    tiles_end();
}

const grad_product grad_product_amx = {
    .k_step = STEP, .k_block = 512, .item = 2, .a_rows = a_rows, .a_cols = a_cols,
    .b_cols = b_cols, .multiply = multiply,
};
#endif
