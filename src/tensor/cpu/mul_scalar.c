/* mul_scalar.c - the reference products; every other kernel equals them. */
#include <math.h>
#include <string.h>

#include "tensor/internal.h"

static float load_f32(const uint8_t *p, int i)
{
    float v;

    memcpy(&v, p + 4 * i, 4);
    return v;
}

static float load_f16(const uint8_t *p, int i)
{
    uint16_t v;

    memcpy(&v, p + 2 * i, 2);
    return f16_to_f32(v);
}

/* The tile product takes denormals as zero and flushes them to zero. */
static float flush(float x)
{
    return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x;
}

void mul_f32_scalar(const matrix *m, int panel0, int panel1, const matrix_input *in,
                    float *out, int ld_out)
{
    for (int p = panel0; p < panel1; p++) {
        const uint8_t *w = m->data + (size_t)p * m->panel_bytes;

        for (int r = 0; r < in->n_row; r++) {
            const float *x = in->f32 + (size_t)r * (size_t)in->n_in;

            for (int c = 0; c < panel_lanes(m, p); c++) {
                float acc = 0;

                for (int k = 0; k < m->n_in; k++)
                    acc = fmaf(m->type == DTYPE_F32 ? load_f32(w, k * PANEL + c)
                                                    : load_f16(w, k * PANEL + c), x[k], acc);
                out[(size_t)r * (size_t)ld_out + (size_t)(p * PANEL + c)] = acc;
            }
        }
    }
}

void mul_bf16_scalar(const matrix *m, int panel0, int panel1, const matrix_input *in,
                     float *out, int ld_out)
{
    for (int p = panel0; p < panel1; p++) {
        const uint16_t *w = (const uint16_t *)(m->data + (size_t)p * m->panel_bytes);

        for (int r = 0; r < in->n_row; r++) {
            int t = r / in->tile, rows = input_tile_rows(in, t);
            const uint16_t *x = in->bf16 + ((size_t)t * (size_t)in->tile * (size_t)in->n_block +
                                            (size_t)(r % in->tile)) * BLOCK;

            for (int c = 0; c < panel_lanes(m, p); c++) {
                float acc = 0;

                for (int b = 0; b < in->n_block; b++) {
                    const uint16_t *wb = w + (size_t)b * BLOCK * PANEL + 2 * c;
                    const uint16_t *xb = x + (size_t)b * (size_t)rows * BLOCK;
                    float even = 0, odd = 0;

                    for (int k = 0; k < BLOCK; k += 2) {
                        even = flush(fmaf(flush(bf16_to_f32(xb[k])),
                                          flush(bf16_to_f32(wb[k * PANEL])), even));
                        odd = flush(fmaf(flush(bf16_to_f32(xb[k + 1])),
                                         flush(bf16_to_f32(wb[k * PANEL + 1])), odd));
                    }
                    acc = flush(acc + flush(even + odd));
                }
                out[(size_t)r * (size_t)ld_out + (size_t)(p * PANEL + c)] = acc;
            }
        }
    }
}

/* Element (r, c) of a quantised product. */
static float dot_quant(const matrix *m, const uint8_t *panel, int c,
                       const matrix_input *in, int r)
{
    const packing *pk = &m->pack;
    size_t quant_bytes = pack_quant_bytes(pk), scale_bytes = pack_scale_bytes(pk);
    int t = r / in->tile, rows = input_tile_rows(in, t), at = r % in->tile;
    size_t base = (size_t)t * (size_t)in->tile * (size_t)in->n_block;
    float acc = 0;

    for (int b = 0; b < in->n_block; b++) {
        const uint8_t *pair = panel + (size_t)(b / 2) * m->pair_bytes;
        const uint8_t *q = pair + (size_t)(b % 2) * quant_bytes + 4 * c;
        const uint8_t *s = pair + 2 * quant_bytes + (size_t)(b % 2) * scale_bytes;
        const uint8_t *min = s + 2 * scale_bytes;
        size_t i = base + (size_t)b * (size_t)rows + (size_t)at;
        const int8_t *x = in->q + i * BLOCK;
        const int32_t *sum = in->sum + 2 * (base + (size_t)b * (size_t)rows) + at;
        int32_t dot[2] = { -pk->zero * sum[0], -pk->zero * sum[rows] };

        for (int k = 0; k < BLOCK; k++) {
            int j = k / 4, w;

            if (pk->bits == 8) w = (int8_t)q[j * 64 + k % 4];
            else w = j < 4 ? q[j * 64 + k % 4] & 15 : q[(j - 4) * 64 + k % 4] >> 4;
            dot[k / 16] += w * x[k];
        }
        if (pk->sub == 2) {
            for (int h = 0; h < 2; h++)
                acc = fmaf((float)dot[h], load_f32(s, h * PANEL + c) * in->d[i], acc);
        } else {
            float d = pk->wide ? load_f32(s, c) : load_f16(s, c);

            acc = fmaf((float)(dot[0] + dot[1]), d * in->d[i], acc);
        }
        if (pk->mins)
            acc = fmaf(pk->wide ? load_f32(min, c) : load_f16(min, c), in->xs[i], acc);
    }
    return acc;
}

void mul_quant_scalar(const matrix *m, int panel0, int panel1, const matrix_input *in,
                      float *out, int ld_out)
{
    for (int p = panel0; p < panel1; p++)
        for (int r = 0; r < in->n_row; r++)
            for (int c = 0; c < panel_lanes(m, p); c++)
                out[(size_t)r * (size_t)ld_out + (size_t)(p * PANEL + c)] =
                    dot_quant(m, m->data + (size_t)p * m->panel_bytes, c, in, r);
}
