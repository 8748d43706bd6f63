/* internal.h - packed layouts shared by matrix.c and the kernels in cpu/.
 *
 * A matrix is cut into panels of 16 output rows, one row a vector lane; input
 * index runs along the panel.
 *
 *   F32    [n_in][16] f32                 F16   [n_in][16] f16
 *   BF16   [n_in/32][16][16][2]           the B tile of TDPBF16PS
 *   quantised: pairs of blocks of 32 inputs, so that every part starts at a
 *   64-byte border:
 *     quants of block 0, quants of block 1, scales of both, minima of both
 *     8 bits: block = [8][16][4] signed, input 4j+i of lane c at [j][c][i];
 *             the file's offset (16, 32) is taken off while packing
 *     4 bits: block = [4][16][4] bytes, low nibble input 4j+i, high 4(j+4)+i
 *   A quant q stands for d * (q - zero) + m, zero only with 4 bits. An odd last block is paired with
 *   zeros that no kernel reads. */
#ifndef TENSOR_INTERNAL_H
#define TENSOR_INTERNAL_H

#include "base/cpu.h"
#include "tensor/matrix.h"

#define PANEL 16             /* output rows a panel */
#define BLOCK 32             /* inputs a block */
#define TILE_AMX 16          /* input rows a tile, by kernel */
#define TILE_VNNI 8
#define AMX_MIN_ROWS 4       /* up to here VNNI without padding is faster */

/* How a quantised type is packed. */
typedef struct packing {
    int bits;                /* 4 or 8 */
    int zero;                /* subtracted from a 4-bit quant: 0 or 8 */
    int mins;                /* 1: a minimum is added */
    int wide;                /* 1: scales and minima are f32, else f16 */
    int sub;                 /* scales a block: 1, or 2 for half blocks */
} packing;

struct matrix {
    dtype type;
    int n_out;
    int n_in;
    int n_panel;
    packing pack;            /* quantised types only */
    size_t pair_bytes;       /* of two blocks of 32 inputs, 16 lanes */
    size_t panel_bytes;
    uint8_t *data;           /* [n_panel][panel_bytes] */
};

struct matrix_input {
    input_kind kind;
    int max_row;
    int max_in;
    int n_row;
    int n_in;
    int n_block;             /* blocks of 32 inputs */
    int tile;                /* rows a tile; the last tile may hold fewer */
    int n_tile;
    int padded;              /* 1: every tile holds `tile` rows, extra ones 0 */
    float *f32;              /* [n_row][n_in] */
    uint16_t *bf16;          /* tile t: [n_block][rows][32] */
    int8_t *q;               /* tile t: [n_block][rows][32] */
    float *d;                /* tile t: [n_block][rows] scale */
    float *xs;               /* tile t: [n_block][rows] scale * sum of quants */
    int32_t *sum;            /* tile t: [n_block][2][rows] sums of half blocks */
};

static inline int input_tile_rows(const matrix_input *in, int tile)
{
    int left = in->n_row - tile * in->tile;

    return in->padded || left > in->tile ? in->tile : left;
}

static inline size_t pack_quant_bytes(const packing *p)
{
    return (size_t)BLOCK * PANEL * (size_t)p->bits / 8;
}

static inline size_t pack_scale_bytes(const packing *p)
{
    return (size_t)PANEL * (p->wide ? 4 : 2) * (size_t)p->sub;
}

/* Products of panels [panel0, panel1) with all rows of the input. */
typedef void panel_kernel(const matrix *m, int panel0, int panel1,
                          const matrix_input *in, float *out, int ld_out);

panel_kernel mul_f32_scalar, mul_bf16_scalar, mul_quant_scalar;
panel_kernel mul_f32_avx2, mul_bf16_avx2, mul_quant_avx2;
panel_kernel mul_f32_avx512, mul_bf16_avx512, mul_quant_avx512;
panel_kernel mul_bf16_amx, mul_quant_amx;

/* Tile products of 8-bit numbers from registers: operations done in `rounds`. */
double mul_peak_amx(int rounds);

/* Round 32 inputs; round_q8 returns the scale and gives the sum of the quants
 * of each half. All levels agree bit for bit. */
float round_q8(const float *x, int8_t *q, int32_t *sum_low, int32_t *sum_high);
void round_bf16(const float *x, uint16_t *out);

/* Lanes of the last panel that are real outputs: 1 to 16. */
static inline int panel_lanes(const matrix *m, int panel)
{
    int left = m->n_out - panel * PANEL;

    return left < PANEL ? left : PANEL;
}

/* Highest level the tensor kernels use; lowered by tensor_set_level in tests. */
cpu_level tensor_level(void);
void tensor_set_level(cpu_level level);

#endif
