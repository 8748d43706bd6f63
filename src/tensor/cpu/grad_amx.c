/* grad_amx.c - products by tile instructions, operands rounded to bf16. */
#include "tensor/cpu/grad_tile.h"

#if defined(__x86_64__)
#define FETCH_ROWS 4         /* rows to be read ahead */

LEVEL_AVX512 static void a_rows(const float *src, size_t ld, int n_lane, int n_k, void *panels)
{
    int n_step = (n_k + STEP - 1) / STEP;

    for (int i = 0; i < (n_lane + 15) / 16 * 16; i++, src += ld) {
        uint16_t *out = (uint16_t *)panels +
                        (size_t)(i / 16 * n_step) * TILE + (size_t)(i % 16) * STEP;

        for (int k = 0; k < n_k; k += STEP, out += TILE) {
            if (i + FETCH_ROWS < n_lane) {
                _mm_prefetch((const char *)(src + FETCH_ROWS * ld + k), _MM_HINT_T0);
                _mm_prefetch((const char *)(src + FETCH_ROWS * ld + k + 16), _MM_HINT_T0);
            }
            _mm512_store_si512(out, i < n_lane ? load_row(src + k, n_k - k)
                                               : _mm512_setzero_si512());
        }
    }
}

/* Steps of k go outside, panels inside: rows are read along, not across. */
LEVEL_AVX512 static void b_cols(const float *src, size_t ld, int n_lane, int n_k, void *panels)
{
    size_t panel = (size_t)((n_k + STEP - 1) / STEP) * TILE;

    for (int k = 0; k < n_k; k += 2) {
        const float *row = src + (size_t)k * ld;
        uint16_t *out = (uint16_t *)panels + (size_t)(k / 2) * 32;

        for (int c = 0; c < n_lane; c += 16, out += panel)
            _mm512_store_si512(out, load_pair(row + c, ld, n_k - k, first_lanes(n_lane - c)));
    }
    for (int k = (n_k + 1) / 2 * 2; k % STEP; k += 2) {
        uint16_t *out = (uint16_t *)panels + (size_t)(k / 2) * 32;

        for (int c = 0; c < n_lane; c += 16, out += panel)
            _mm512_store_si512(out, _mm512_setzero_si512());
    }
}

LEVEL_AVX512 static void a_cols(const float *src, size_t ld, int n_lane, int n_k, void *panels)
{
    size_t panel = (size_t)((n_k + STEP - 1) / STEP) * TILE;

    for (int k = 0; k < n_k; k += STEP) {
        uint16_t *out = (uint16_t *)panels + (size_t)k * SQUARE;

        for (int c = 0; c < n_lane; c += 16, out += panel) {
            const float *from = src + (size_t)k * ld + c;
            __mmask16 mask = first_lanes(n_lane - c);
            __m512i v[16];

            UNROLL
            for (int j = 0; j < 16; j++)
                v[j] = load_pair(from + (size_t)(2 * j) * ld, ld, n_k - k - 2 * j, mask);
            transpose(v);
            UNROLL
            for (int j = 0; j < 16; j++) _mm512_store_si512(out + j * STEP, v[j]);
        }
    }
}

LEVEL_AVX512 static void multiply(const void *a, int n_a, const void *b, int n_b, int n_k,
                                  bool add, grad_place c)
{
    size_t panel = (size_t)n_k * SQUARE;
    int n_step = n_k / STEP;

    tiles_begin(64, 16);
    for (int j = 0; j < n_b; j += 2)
        for (int i = 0; i < n_a; i += 2) {
            tile_side pa = { (const uint16_t *)a + (size_t)i * panel, panel, TILE };
            tile_side pb = { (const uint16_t *)b + (size_t)j * panel, panel, TILE };
            grad_place to = { c.p + (size_t)i * c.down + (size_t)j * c.right, c.down, c.right,
                              c.ld };

            if (i + 1 < n_a && j + 1 < n_b) {
                if (add) squares(pa, pb, n_step, 1, 1, 1, to);
                else squares(pa, pb, n_step, 1, 1, 0, to);
            } else {
                squares(pa, pb, n_step, i + 1 < n_a, j + 1 < n_b, add, to);
            }
        }
    tiles_end();
}

const grad_product grad_product_amx = {
    .k_step = STEP, .k_block = 512, .item = 2, .a_rows = a_rows, .a_cols = a_cols,
    .b_cols = b_cols, .multiply = multiply,
};
#endif
