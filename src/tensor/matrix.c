/* matrix.c - packing weights into panels, rounding inputs, sharing the work. */
#include "tensor/matrix.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "tensor/internal.h"

static cpu_level level = (cpu_level)-1;

cpu_level tensor_level(void)
{
    if ((int)level < 0) level = cpu_detect();
    return level;
}

void tensor_set_level(cpu_level l)
{
    level = l < cpu_detect() ? l : cpu_detect();
}

/* Packing. */

static packing packing_of(dtype t)
{
    switch (t) {
    case DTYPE_Q4_0: return (packing){ 4, 8, 0, 0, 1 };
    case DTYPE_Q4_1: return (packing){ 4, 0, 1, 0, 1 };
    case DTYPE_Q5_0: return (packing){ 8, 0, 0, 0, 1 };
    case DTYPE_Q5_1: return (packing){ 8, 0, 1, 0, 1 };
    case DTYPE_Q8_0: return (packing){ 8, 0, 0, 0, 1 };
    case DTYPE_Q4_K: return (packing){ 4, 0, 1, 1, 1 };
    case DTYPE_Q5_K: return (packing){ 8, 0, 1, 1, 1 };
    case DTYPE_Q6_K: return (packing){ 8, 0, 0, 1, 2 };
    default: return (packing){ 0, 0, 0, 0, 0 };
    }
}

matrix *matrix_new(dtype type, int n_out, int n_in)
{
    matrix *m = mem_new(sizeof *m);
    size_t n_block = ((size_t)n_in + BLOCK - 1) / BLOCK;
    size_t bytes;

    CHECK(n_out > 0 && n_in > 0 && n_in % dtype_block(type) == 0);
    m->type = type;
    m->n_out = n_out;
    m->n_in = n_in;
    m->n_panel = (n_out + PANEL - 1) / PANEL;
    m->pack = packing_of(type);
    if (m->pack.bits) {
        m->pair_bytes = 2 * (pack_quant_bytes(&m->pack) +
                             pack_scale_bytes(&m->pack) * (size_t)(1 + m->pack.mins));
        m->panel_bytes = (n_block + 1) / 2 * m->pair_bytes;
    } else if (type == DTYPE_F32) {
        m->panel_bytes = (size_t)n_in * PANEL * 4;
    } else if (type == DTYPE_F16) {
        m->panel_bytes = (size_t)n_in * PANEL * 2;
    } else {
        m->panel_bytes = n_block * BLOCK * PANEL * 2;
    }
    bytes = (size_t)m->n_panel * m->panel_bytes;
    m->data = mem_aligned(bytes);
    /* Only lanes and inputs that rows never fill need zeros. */
    if (n_out % PANEL)
        memset(m->data + bytes - m->panel_bytes, 0, m->panel_bytes);
    if (n_in % (2 * BLOCK))
        for (int p = 0; p < m->n_panel; p++) {
            size_t tail = m->pair_bytes ? m->pair_bytes : BLOCK * PANEL * 2;

            if (m->pair_bytes || type == DTYPE_BF16)
                memset(m->data + (size_t)(p + 1) * m->panel_bytes - tail, 0, tail);
        }
    return m;
}

void matrix_free(matrix *m)
{
    if (!m) return;
    mem_free(m->data);
    mem_free(m);
}

dtype matrix_type(const matrix *m) { return m->type; }
int matrix_n_out(const matrix *m) { return m->n_out; }
int matrix_n_in(const matrix *m) { return m->n_in; }

size_t matrix_bytes(const matrix *m)
{
    return (size_t)m->n_panel * m->panel_bytes;
}

/* One block of 32 weights, type-neutral: quants in input order (8-bit types as
 * signed bytes), with scale and minimum of each half (equal when the type has one). */
typedef struct block32 {
    uint8_t q[BLOCK];
    float d[2];
    float m;
    uint16_t d16, m16;       /* the file's own f16 where it has one */
} block32;

static uint16_t load_u16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, 2);
    return v;
}

static void nibbles(const uint8_t *in, uint8_t *q)
{
    for (int i = 0; i < 16; i++) {
        q[i] = in[i] & 15;
        q[i + 16] = in[i] >> 4;
    }
}

static void fifth_bits(const uint8_t *in, uint8_t *q)
{
    uint32_t high;

    memcpy(&high, in, 4);
    for (int i = 0; i < 32; i++) q[i] |= (uint8_t)((high >> i & 1) << 4);
}

/* 6-bit scale and minimum of sub-block j of a Q4_K or Q5_K super-block. */
static void scale_min_k(const uint8_t *s, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

/* Block b (of 32) of a row in the file's layout. */
static void block_load(dtype type, const uint8_t *row, int b, block32 *out)
{
    const uint8_t *p;

    switch (type) {
    case DTYPE_Q4_0:
        p = row + (size_t)b * 18;
        out->d16 = load_u16(p);
        nibbles(p + 2, out->q);
        break;
    case DTYPE_Q4_1:
        p = row + (size_t)b * 20;
        out->d16 = load_u16(p);
        out->m16 = load_u16(p + 2);
        nibbles(p + 4, out->q);
        break;
    case DTYPE_Q5_0:
        p = row + (size_t)b * 22;
        out->d16 = load_u16(p);
        nibbles(p + 6, out->q);
        fifth_bits(p + 2, out->q);
        for (int i = 0; i < BLOCK; i++) out->q[i] -= 16;
        break;
    case DTYPE_Q5_1:
        p = row + (size_t)b * 24;
        out->d16 = load_u16(p);
        out->m16 = load_u16(p + 2);
        nibbles(p + 8, out->q);
        fifth_bits(p + 4, out->q);
        break;
    case DTYPE_Q8_0:
        p = row + (size_t)b * 34;
        out->d16 = load_u16(p);
        memcpy(out->q, p + 2, BLOCK);
        break;
    case DTYPE_Q4_K:
    case DTYPE_Q5_K: {
        int is5 = type == DTYPE_Q5_K, j = b % 8, scale, min;
        const uint8_t *q;

        p = row + (size_t)(b / 8) * (is5 ? 176 : 144);
        q = p + (is5 ? 48 : 16) + j / 2 * 32;
        scale_min_k(p + 4, j, &scale, &min);
        out->d[0] = out->d[1] = f16_to_f32(load_u16(p)) * (float)scale;
        out->m = -(f16_to_f32(load_u16(p + 2)) * (float)min);
        for (int i = 0; i < 32; i++) {
            out->q[i] = j & 1 ? q[i] >> 4 : q[i] & 15;
            if (is5) out->q[i] |= (uint8_t)((p[16 + i] >> j & 1) << 4);
        }
        break;
    }
    case DTYPE_Q6_K: {
        /* 128 quants a half super-block: low nibbles of ql, then high ones,
         * two bits more in qh; a scale for 16. */
        int j = b % 8, half = j / 4, quarter = j % 4;
        const uint8_t *ql, *qh;

        p = row + (size_t)(b / 8) * 210;
        ql = p + half * 64 + (quarter & 1) * 32;
        qh = p + 128 + half * 32;
        for (int i = 0; i < 32; i++) {
            int low = quarter < 2 ? ql[i] & 15 : ql[i] >> 4;

            out->q[i] = (uint8_t)((low | (qh[i] >> 2 * quarter & 3) << 4) - 32);
        }
        for (int s = 0; s < 2; s++)
            out->d[s] = f16_to_f32(load_u16(p + 208)) *
                        (float)(int8_t)p[192 + 2 * j + s];
        break;
    }
    default: CHECK(!"a quantised type");
    }
}

/* Place of block b's parts in panel data. */
static uint8_t *quants_at(const matrix *m, uint8_t *panel, int b)
{
    return panel + (size_t)(b / 2) * m->pair_bytes +
           (size_t)(b % 2) * pack_quant_bytes(&m->pack);
}

static uint8_t *scales_at(const matrix *m, uint8_t *panel, int b)
{
    return panel + (size_t)(b / 2) * m->pair_bytes + 2 * pack_quant_bytes(&m->pack) +
           (size_t)(b % 2) * pack_scale_bytes(&m->pack);
}

static uint8_t *mins_at(const matrix *m, uint8_t *panel, int b)
{
    return scales_at(m, panel, b) + 2 * pack_scale_bytes(&m->pack);
}

static void block_store(const matrix *m, uint8_t *panel, int b, int lane,
                        const block32 *blk)
{
    uint8_t *q = quants_at(m, panel, b) + 4 * lane;
    uint8_t *s = scales_at(m, panel, b);
    uint8_t *mins = mins_at(m, panel, b);

    if (m->pack.bits == 8) {
        for (int j = 0; j < 8; j++) memcpy(q + j * 64, blk->q + 4 * j, 4);
    } else {
        for (int j = 0; j < 4; j++)
            for (int i = 0; i < 4; i++)
                q[j * 64 + i] = (uint8_t)(blk->q[4 * j + i] | blk->q[4 * (j + 4) + i] << 4);
    }
    if (!m->pack.wide) {
        memcpy(s + 2 * lane, &blk->d16, 2);
        if (m->pack.mins) memcpy(mins + 2 * lane, &blk->m16, 2);
        return;
    }
    for (int i = 0; i < m->pack.sub; i++) memcpy(s + (i * PANEL + lane) * 4, &blk->d[i], 4);
    if (m->pack.mins) memcpy(mins + 4 * lane, &blk->m, 4);
}

void matrix_set_rows(matrix *m, int row, int n_row, const void *src)
{
    size_t row_bytes = dtype_row_bytes(m->type, m->n_in);
    int n_block = (m->n_in + BLOCK - 1) / BLOCK;

    CHECK(row >= 0 && n_row >= 0 && row + n_row <= m->n_out);
    for (int r = row; r < row + n_row; r++) {
        const uint8_t *in = (const uint8_t *)src + (size_t)(r - row) * row_bytes;
        uint8_t *panel = m->data + (size_t)(r / PANEL) * m->panel_bytes;
        int lane = r % PANEL;

        if (m->pack.bits) {
            for (int b = 0; b < n_block; b++) {
                block32 blk = { 0 };

                block_load(m->type, in, b, &blk);
                block_store(m, panel, b, lane, &blk);
            }
        } else if (m->type == DTYPE_F32) {
            for (int k = 0; k < m->n_in; k++)
                memcpy(panel + ((size_t)k * PANEL + (size_t)lane) * 4, in + 4 * (size_t)k, 4);
        } else if (m->type == DTYPE_F16) {
            for (int k = 0; k < m->n_in; k++)
                memcpy(panel + ((size_t)k * PANEL + (size_t)lane) * 2, in + 2 * (size_t)k, 2);
        } else {
            int k = 0;

            for (; k + 2 <= m->n_in; k += 2)
                memcpy(panel + ((size_t)(k / 2) * PANEL + (size_t)lane) * 4, in + 2 * (size_t)k, 4);
            if (k < m->n_in)
                memcpy(panel + ((size_t)(k / 2) * PANEL + (size_t)lane) * 4, in + 2 * (size_t)k, 2);
        }
    }
}

/* A row of single numbers. */
static void plain_row(const matrix *m, const uint8_t *panel, int lane, float *out)
{
    const uint8_t *at = panel + (size_t)lane * (m->type == DTYPE_F16 ? 2 : 4);

    if (m->type == DTYPE_F32)
        for (int k = 0; k < m->n_in; k++) memcpy(&out[k], at + (size_t)k * PANEL * 4, 4);
    else if (m->type == DTYPE_F16)
        for (int k = 0; k < m->n_in; k++) out[k] = f16_to_f32(load_u16(at + (size_t)k * PANEL * 2));
    else
        for (int k = 0; k < m->n_in; k++)
            out[k] = bf16_to_f32(load_u16(at + (size_t)(k / 2) * PANEL * 4 + (size_t)(k % 2) * 2));
}

/* Block b of 32 of a quantised row. */
static void quant_row_block(const matrix *m, uint8_t *panel, int b, int lane, float *out)
{
    const uint8_t *quants = quants_at(m, panel, b), *s = scales_at(m, panel, b);
    const uint8_t *min = mins_at(m, panel, b);
    float d[2], low = 0;

    for (int half = 0; half < 2; half++) {
        if (m->pack.wide) memcpy(&d[half], s + ((m->pack.sub == 2 ? half : 0) * PANEL + lane) * 4, 4);
        else d[half] = f16_to_f32(load_u16(s + 2 * lane));
    }
    if (m->pack.mins && m->pack.wide) memcpy(&low, min + 4 * lane, 4);
    else if (m->pack.mins) low = f16_to_f32(load_u16(min + 2 * lane));
    for (int k = 0; k < BLOCK; k++) {
        int j = k / 4, at = k % 4, q;
        float v;

        if (m->pack.bits == 8) {
            q = (int8_t)quants[j * 64 + 4 * lane + at];
        } else {
            q = quants[j % 4 * 64 + 4 * lane + at];
            q = j < 4 ? q & 15 : q >> 4;
        }
        v = d[k / 16] * (float)(q - m->pack.zero);
        out[k] = m->pack.mins ? v + low : v;
    }
}

void matrix_row(const matrix *m, int i, float *out)
{
    uint8_t *panel = m->data + (size_t)(i / PANEL) * m->panel_bytes;
    int lane = i % PANEL;

    CHECK(i >= 0 && i < m->n_out);
    if (!m->pack.bits) {
        plain_row(m, panel, lane, out);
        return;
    }
    for (int b = 0; b < m->n_in / BLOCK; b++) quant_row_block(m, panel, b, lane, out + b * BLOCK);
}

/* Inputs. */

input_kind matrix_input_kind(dtype type)
{
    if (type == DTYPE_F32 || type == DTYPE_F16) return INPUT_F32;
    return type == DTYPE_BF16 ? INPUT_BF16 : INPUT_Q8;
}

matrix_input *matrix_input_new(input_kind kind, int max_row, int max_in)
{
    matrix_input *in = mem_new(sizeof *in);
    size_t rows = ((size_t)max_row + TILE_AMX - 1) / TILE_AMX * TILE_AMX;
    size_t blocks = ((size_t)max_in + BLOCK - 1) / BLOCK;

    in->kind = kind;
    in->max_row = max_row;
    in->max_in = max_in;
    if (kind == INPUT_F32) in->f32 = mem_aligned(rows * (size_t)max_in * 4);
    if (kind == INPUT_BF16) in->bf16 = mem_aligned(rows * blocks * BLOCK * 2);
    if (kind == INPUT_Q8) {
        in->q = mem_aligned(rows * blocks * BLOCK);
        in->d = mem_aligned(rows * blocks * 4);
        in->xs = mem_aligned(rows * blocks * 4);
        in->sum = mem_aligned(rows * blocks * 8);
    }
    return in;
}

void matrix_input_free(matrix_input *in)
{
    if (!in) return;
    mem_free(in->f32);
    mem_free(in->bf16);
    mem_free(in->q);
    mem_free(in->d);
    mem_free(in->xs);
    mem_free(in->sum);
    mem_free(in);
}

void matrix_input_begin(matrix_input *in, int n_row, int n_in)
{
    int amx = tensor_level() == CPU_AMX && n_row > AMX_MIN_ROWS && in->kind != INPUT_F32;

    CHECK(n_row > 0 && n_row <= in->max_row && n_in > 0 && n_in <= in->max_in);
    CHECK(in->kind == INPUT_F32 || n_in % BLOCK == 0);
    in->n_row = n_row;
    in->n_in = n_in;
    in->n_block = (n_in + BLOCK - 1) / BLOCK;
    in->tile = amx ? TILE_AMX : TILE_VNNI;
    in->n_tile = (n_row + in->tile - 1) / in->tile;
    in->padded = amx;
    /* Rows beyond n_row in the last tile: any finite numbers would do, since
     * nobody reads their products; zeros keep runs repeatable. */
    for (int r = n_row; amx && r < in->n_tile * TILE_AMX; r++) {
        int t = r / TILE_AMX, at = r % TILE_AMX;
        size_t base = (size_t)t * TILE_AMX * (size_t)in->n_block;

        for (int b = 0; b < in->n_block; b++) {
            size_t i = base + (size_t)b * TILE_AMX + (size_t)at;

            if (in->kind == INPUT_BF16) {
                memset(in->bf16 + i * BLOCK, 0, BLOCK * 2);
                continue;
            }
            memset(in->q + i * BLOCK, 0, BLOCK);
            in->d[i] = in->xs[i] = 0;
            in->sum[2 * base + ((size_t)b * 2) * TILE_AMX + (size_t)at] = 0;
            in->sum[2 * base + ((size_t)b * 2 + 1) * TILE_AMX + (size_t)at] = 0;
        }
    }
}

void matrix_input_set(matrix_input *in, int row, const float *x)
{
    int t = row / in->tile, at = row % in->tile, rows = input_tile_rows(in, t);
    size_t base = (size_t)t * (size_t)in->tile * (size_t)in->n_block;

    if (in->kind == INPUT_F32) {
        memcpy(in->f32 + (size_t)row * (size_t)in->n_in, x, (size_t)in->n_in * 4);
        return;
    }
    for (int b = 0; b < in->n_block; b++) {
        size_t i = base + (size_t)b * (size_t)rows + (size_t)at;
        int32_t *sum = in->sum + 2 * (base + (size_t)b * (size_t)rows) + at;

        if (in->kind == INPUT_BF16) {
            round_bf16(x + b * BLOCK, in->bf16 + i * BLOCK);
            continue;
        }
        in->d[i] = round_q8(x + b * BLOCK, in->q + i * BLOCK, &sum[0], &sum[rows]);
        in->xs[i] = in->d[i] * (float)(sum[0] + sum[rows]);
    }
}

/* Products. */

static panel_kernel *kernel_of(const matrix *m, const matrix_input *in)
{
    cpu_level l = tensor_level();

    CHECK(matrix_input_kind(m->type) == in->kind && m->n_in == in->n_in);
    if (l == CPU_AMX && !in->padded) l = CPU_AVX512;
    switch (in->kind) {
    case INPUT_F32:
        return l >= CPU_AVX512 ? mul_f32_avx512 : l == CPU_AVX2 ? mul_f32_avx2
                                                                : mul_f32_scalar;
    case INPUT_BF16:
        return l == CPU_AMX ? mul_bf16_amx : l == CPU_AVX512 ? mul_bf16_avx512
             : l == CPU_AVX2 ? mul_bf16_avx2 : mul_bf16_scalar;
    case INPUT_Q8:
        return l == CPU_AMX ? mul_quant_amx : l == CPU_AVX512 ? mul_quant_avx512
             : l == CPU_AVX2 ? mul_quant_avx2 : mul_quant_scalar;
    }
    return NULL;
}

#define MAX_PRODUCTS 512

/* An item is a run of panels of one product. Its length does not enter the
 * results, so it may be chosen for speed: about 128 KiB of weights, at least
 * four items a thread where the matrix allows. */
struct share {
    const product *products;
    int n;
    int n_thread;
    int chunk[MAX_PRODUCTS];         /* panels an item */
    int first[MAX_PRODUCTS + 1];     /* first item of each product */
};

#define ITEM_BYTES (128 << 10)

static void share_item(void *arg, int item, int thread)
{
    const struct share *s = arg;
    const product *p;
    int i = 0, panel;

    (void)thread;
    while (item >= s->first[i + 1]) i++;
    p = &s->products[i];
    panel = (item - s->first[i]) * s->chunk[i];
    kernel_of(p->m, p->in)(p->m, panel,
                           panel + s->chunk[i] < p->m->n_panel ? panel + s->chunk[i]
                                                               : p->m->n_panel,
                           p->in, p->out, p->ld_out);
}

void matrix_multiply(pool *threads, const product *products, int n)
{
    struct share s = { .products = products, .n = n, .n_thread = pool_threads(threads) };
    double work = 0;

    CHECK(n <= MAX_PRODUCTS);
    for (int i = 0; i < n; i++) {
        const matrix *m = products[i].m;
        int most = (m->n_panel + 4 * s.n_thread - 1) / (4 * s.n_thread);
        int chunk = (int)(ITEM_BYTES / m->panel_bytes);

        if (chunk > most) chunk = most;
        if (chunk > 4) chunk &= ~3;
        s.chunk[i] = chunk < 1 ? 1 : chunk;
        s.first[i + 1] = s.first[i] + (m->n_panel + s.chunk[i] - 1) / s.chunk[i];
        work += (double)m->n_out * m->n_in * products[i].in->n_row;
    }
    /* Below some 20 us of work, waking others costs more than it saves. */
    if (work < 2e5) {
        for (int i = 0; i < s.first[n]; i++) share_item(&s, i, 0);
        return;
    }
    pool_run(threads, share_item, &s, s.first[n]);
}
