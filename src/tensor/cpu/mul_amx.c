/* mul_amx.c - products by tile instructions: 16 rows by 16 outputs a tile.
 *
 * Quantised: the integer product of one block of 32 inputs is exact, so tiles
 * and vectors agree; the scaled sum over blocks is kept in vector registers,
 * one row each, in block order. */
#include "tensor/cpu/tile.h"
#include "tensor/internal.h"

#if defined(__x86_64__)
#include <string.h>

#include "base/status.h"

/* The quants of a 4-bit panel as bytes, block after block. */
LEVEL_AVX512 static void unpack_panel(const matrix *m, const uint8_t *panel, uint8_t *out)
{
    const __m512i low = _mm512_set1_epi8(15);
    const __m512i zero = _mm512_set1_epi8((char)m->pack.zero);
    int n_block = m->n_in / BLOCK;

    for (int b = 0; b < n_block; b++) {
        const uint8_t *q = panel + (size_t)(b / 2) * m->pair_bytes + (size_t)(b & 1) * 256;
        uint8_t *o = out + (size_t)b * 512;

        UNROLL
        for (int j = 0; j < 4; j++) {
            __m512i w = _mm512_load_si512(q + j * 64);

            _mm512_store_si512(o + j * 64, _mm512_sub_epi8(_mm512_and_si512(w, low), zero));
            _mm512_store_si512(o + 256 + j * 64, _mm512_sub_epi8(_mm512_and_si512(
                                                     _mm512_srli_epi16(w, 4), low), zero));
        }
    }
}

INLINE_AVX512 __m512 scale_at(const uint8_t *p, int wide)
{
    if (wide) return _mm512_load_ps((const float *)p);
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)p));
}

/* acc[r] += dot[r] * (scale * d[r]) for 16 rows. */
INLINE_AVX512 void add_scaled(__m512 acc[16], const int32_t *dot, __m512 scale,
                              const float *d)
{
    UNROLL
    for (int r = 0; r < 16; r++)
        acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(dot + r * 16)),
                                 _mm512_mul_ps(scale, _mm512_set1_ps(d[r])), acc[r]);
}

INLINE_AVX512 void add_mins(__m512 acc[16], __m512 min, const float *xs)
{
    UNROLL
    for (int r = 0; r < 16; r++) acc[r] = _mm512_fmadd_ps(min, _mm512_set1_ps(xs[r]), acc[r]);
}

#define DOT_BLOCK(c, a, b, x, w, out) \
    TILE_ZERO(c);                     \
    TILE_LOAD(a, x, BLOCK);           \
    TILE_LOAD(b, w, 64);              \
    TILE_DOT_S8(c, a, b);             \
    TILE_STORE(c, out, 64);

/* Integer products of both blocks of a pair (or of four halves). */
INLINE_AVX512 void dot_pair(const uint8_t *w, const int8_t *x, int sub, int32_t dot[4][256])
{
    if (sub == 1) {
        TILE_LOAD(4, x, BLOCK);
        TILE_LOAD(6, w, 64);
        TILE_LOAD(5, x + TILE_AMX * BLOCK, BLOCK);
        TILE_LOAD(7, w + 512, 64);
        TILE_ZERO(0);
        TILE_DOT_S8(0, 4, 6);
        TILE_ZERO(1);
        TILE_DOT_S8(1, 5, 7);
        TILE_STORE(0, dot[0], 64);
        TILE_STORE(1, dot[1], 64);
        return;
    }
    DOT_BLOCK(0, 4, 6, x, w, dot[0])
    DOT_BLOCK(1, 5, 7, x + 16, w + 256, dot[1])
    DOT_BLOCK(2, 4, 6, x + TILE_AMX * BLOCK, w + 512, dot[2])
    DOT_BLOCK(3, 5, 7, x + TILE_AMX * BLOCK + 16, w + 768, dot[3])
}

/* One panel by 16 rows. The products of a pair are stored while those of the
 * pair before it are scaled: a vector load from a tile store that has just
 * been made would wait for it. */
INLINE_AVX512 void quant_tile(const matrix *m, const uint8_t *panel, const uint8_t *bytes,
                              const matrix_input *in, int tile, __m512 acc[16],
                              int mins, int wide, int sub)
{
    const size_t scale_bytes = (size_t)PANEL * (wide ? 4 : 2) * (size_t)sub;
    const uint8_t *scale = panel + 2 * pack_quant_bytes(&m->pack);
    const size_t base = (size_t)tile * TILE_AMX * (size_t)in->n_block;
    const int8_t *x = in->q + base * BLOCK;
    const float *d = in->d + base, *xs = in->xs + base;
    const size_t w_step = bytes ? 1024 : m->pair_bytes;
    const uint8_t *w = bytes ? bytes : panel;
    _Alignas(64) int32_t dot[2][4][256];
    int n_pair = in->n_block / 2, i;

    UNROLL
    for (int r = 0; r < 16; r++) acc[r] = _mm512_setzero_ps();
    if (n_pair) dot_pair(w, x, sub, dot[0]);
    for (i = 0; i < n_pair; i++) {
        int32_t (*o)[256] = dot[i & 1];

        if (i + 1 < n_pair)
            dot_pair(w + (size_t)(i + 1) * w_step, x + (size_t)(i + 1) * 2 * TILE_AMX * BLOCK,
                     sub, dot[(i + 1) & 1]);
        for (int odd = 0; odd < 2; odd++) {
            add_scaled(acc, o[odd * sub], scale_at(scale, wide), d);
            if (sub == 2) add_scaled(acc, o[odd * 2 + 1], scale_at(scale + 64, wide), d);
            if (mins) add_mins(acc, scale_at(scale + 2 * scale_bytes, wide), xs);
            scale += scale_bytes;
            d += TILE_AMX;
            xs += TILE_AMX;
        }
        scale += m->pair_bytes - 2 * scale_bytes;
    }
    if (in->n_block % 2) {
        w += (size_t)n_pair * w_step;
        x += (size_t)n_pair * 2 * TILE_AMX * BLOCK;
        DOT_BLOCK(0, 4, 6, x, w, dot[0][0])
        add_scaled(acc, dot[0][0], scale_at(scale, wide), d);
        if (sub == 2) {
            DOT_BLOCK(1, 5, 7, x + 16, w + 256, dot[0][1])
            add_scaled(acc, dot[0][1], scale_at(scale + 64, wide), d);
        }
        if (mins) add_mins(acc, scale_at(scale + 2 * scale_bytes, wide), xs);
    }
}

INLINE_AVX512 void quant_panels_amx(const matrix *m, int panel0, int panel1,
                                    const matrix_input *in, float *out, int ld_out,
                                    int mins, int wide, int sub)
{
    int four = m->pack.bits == 4;
    _Alignas(64) uint8_t bytes[four ? (size_t)m->n_in * PANEL : 64];

    tiles_begin(sub == 2 ? 16 : 32, sub == 2 ? 4 : 8);
    for (int p = panel0; p < panel1; p++) {
        const uint8_t *panel = m->data + (size_t)p * m->panel_bytes;
        int lanes = panel_lanes(m, p);
        __mmask16 mask = (__mmask16)(0xFFFF >> (16 - lanes));

        if (four) unpack_panel(m, panel, bytes);
        for (int t = 0; t < in->n_tile; t++) {
            float *y = out + (size_t)t * TILE_AMX * (size_t)ld_out + p * PANEL;
            int rows = in->n_row - t * TILE_AMX;
            __m512 acc[16];

            quant_tile(m, panel, four ? bytes : NULL, in, t, acc, mins, wide, sub);
            UNROLL
            for (int r = 0; r < 16; r++)
                if (r < rows) _mm512_mask_storeu_ps(y + (size_t)r * (size_t)ld_out, mask, acc[r]);
        }
    }
    tiles_end();
}

#define AMX_KERNEL(name, mins, wide, sub)                                         \
    LEVEL_AVX512 static void name(const matrix *m, int panel0, int panel1,        \
                                  const matrix_input *in, float *out, int ld_out) \
    {                                                                             \
        quant_panels_amx(m, panel0, panel1, in, out, ld_out, mins, wide, sub);    \
    }

AMX_KERNEL(amx_plain, 0, 0, 1)
AMX_KERNEL(amx_min, 1, 0, 1)
AMX_KERNEL(amx_min_wide, 1, 1, 1)
AMX_KERNEL(amx_half_wide, 0, 1, 2)

void mul_quant_amx(const matrix *m, int panel0, int panel1, const matrix_input *in,
                   float *out, int ld_out)
{
    CHECK(m->n_in <= 1 << 17);       /* a 4-bit panel is unpacked on the stack */
    if (m->pack.sub == 2) amx_half_wide(m, panel0, panel1, in, out, ld_out);
    else if (m->pack.wide) amx_min_wide(m, panel0, panel1, in, out, ld_out);
    else if (m->pack.mins) amx_min(m, panel0, panel1, in, out, ld_out);
    else amx_plain(m, panel0, panel1, in, out, ld_out);
}

static void tile_store(int tile, float *to, size_t stride)
{
    switch (tile) {
    case 0: TILE_STORE(0, to, stride); break;
    case 1: TILE_STORE(1, to, stride); break;
    case 2: TILE_STORE(2, to, stride); break;
    default: TILE_STORE(3, to, stride);
    }
}

/* A finished tile to its rows and columns: straight, unless it reaches beyond
 * the last row or output. */
static void put_square(const matrix *m, int panel, const matrix_input *in, int row, int tile,
                       float *y, int ld_out)
{
    _Alignas(64) float square[256];
    const int lanes = panel_lanes(m, panel);
    const int n = in->n_row - row < TILE_AMX ? in->n_row - row : TILE_AMX;

    if (n == TILE_AMX && lanes == PANEL) {
        tile_store(tile, y, (size_t)ld_out * 4);
        return;
    }
    tile_store(tile, square, 64);
    for (int i = 0; i < n; i++)
        memcpy(y + (size_t)i * (size_t)ld_out, square + i * PANEL, (size_t)lanes * 4);
}

/* BF16: two tiles of rows by two panels, summed in tile registers. */
LEVEL_AVX512 static void bf16_square(const matrix *m, int p, int n_panel,
                                     const matrix_input *in, int t, int n_tile,
                                     float *out, int ld_out)
{
    const size_t block = (size_t)TILE_AMX * BLOCK;
    const uint16_t *x0 = in->bf16 + (size_t)t * (size_t)in->n_block * block;
    const uint16_t *x1 = n_tile == 2 ? x0 + (size_t)in->n_block * block : x0;
    const uint8_t *w0 = m->data + (size_t)p * m->panel_bytes;
    const uint8_t *w1 = n_panel == 2 ? w0 + m->panel_bytes : w0;
    const int row = t * TILE_AMX;
    float *y = out + (size_t)row * (size_t)ld_out + (size_t)p * PANEL;

    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (int b = 0; b < in->n_block; b++) {
        TILE_LOAD(4, x0 + (size_t)b * block, 64);
        TILE_LOAD(6, w0 + (size_t)b * 1024, 64);
        TILE_DOT_BF16(0, 4, 6);
        if (n_panel == 2) {
            TILE_LOAD(7, w1 + (size_t)b * 1024, 64);
            TILE_DOT_BF16(1, 4, 7);
        }
        if (n_tile == 2) {
            TILE_LOAD(5, x1 + (size_t)b * block, 64);
            TILE_DOT_BF16(2, 5, 6);
            if (n_panel == 2) TILE_DOT_BF16(3, 5, 7);
        }
    }
    put_square(m, p, in, row, 0, y, ld_out);
    if (n_panel == 2) put_square(m, p + 1, in, row, 1, y + PANEL, ld_out);
    y += (size_t)TILE_AMX * (size_t)ld_out;
    if (n_tile == 2) put_square(m, p, in, row + TILE_AMX, 2, y, ld_out);
    if (n_tile == 2 && n_panel == 2)
        put_square(m, p + 1, in, row + TILE_AMX, 3, y + PANEL, ld_out);
}

void mul_bf16_amx(const matrix *m, int panel0, int panel1, const matrix_input *in,
                  float *out, int ld_out)
{
    tiles_begin(64, 16);
    for (int p = panel0; p < panel1; p += 2)
        for (int t = 0; t < in->n_tile; t += 2)
            bf16_square(m, p, p + 2 <= panel1 ? 2 : 1, in, t,
                        t + 2 <= in->n_tile ? 2 : 1, out, ld_out);
    tiles_end();
}
double mul_peak_amx(int rounds)
{
    _Alignas(64) uint8_t data[1024] = { 0 };

    tiles_begin(64, 16);
    TILE_LOAD(4, data, 64);
    TILE_LOAD(6, data, 64);
    for (int i = 0; i < rounds; i++) {
        TILE_DOT_S8(0, 4, 6);
        TILE_DOT_S8(1, 4, 6);
        TILE_DOT_S8(2, 4, 6);
        TILE_DOT_S8(3, 4, 6);
    }
    tiles_end();
    return (double)rounds * 4 * 16 * 16 * 64 * 2;
}
#endif
