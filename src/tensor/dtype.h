/* dtype.h - element types of stored weights, and their row codecs.
 *
 * Values and byte layouts are those of GGUF (ggml-common.h: block_q8_0 and so
 * on); a row is a whole number of blocks. The codecs here are the reference:
 * matrix.c packs the same bits for the kernels. */
#ifndef TENSOR_DTYPE_H
#define TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum dtype {
    DTYPE_F32 = 0,
    DTYPE_F16 = 1,
    DTYPE_Q4_0 = 2,      /* 32: f16 d, 16 bytes of nibbles; x = d * (q - 8) */
    DTYPE_Q4_1 = 3,      /* 32: f16 d, f16 m; x = d * q + m */
    DTYPE_Q5_0 = 6,      /* 32: f16 d, 4 bytes of fifth bits; x = d * (q - 16) */
    DTYPE_Q5_1 = 7,      /* 32: f16 d, f16 m, fifth bits; x = d * q + m */
    DTYPE_Q8_0 = 8,      /* 32: f16 d; x = d * q, q signed */
    DTYPE_Q4_K = 12,     /* 256: 8 sub-blocks with 6-bit scale and minimum */
    DTYPE_Q5_K = 13,
    DTYPE_Q6_K = 14,     /* 256: 16 sub-blocks of 16, signed 8-bit scales */
    DTYPE_BF16 = 30,
} dtype;

bool dtype_known(int value);                 /* one of the values above */
const char *dtype_name(dtype t);             /* "Q8_0" */
bool dtype_parse(const char *name, dtype *out);  /* any letter case */
int dtype_block(dtype t);                    /* elements a block: 1, 32 or 256 */
int dtype_block_bytes(dtype t);
size_t dtype_row_bytes(dtype t, int64_t n);  /* n a multiple of dtype_block */

/* One row of n elements. Encoding rounds to nearest; for the quantised types
 * it uses the formulas of the ggml reference quantisers (bit-equal for Q4_0,
 * Q4_1, Q5_0, Q5_1 and Q8_0). */
void dtype_decode_row(dtype t, const void *in, float *out, int64_t n);
void dtype_encode_row(dtype t, const float *in, void *out, int64_t n);

static inline float bf16_to_f32(uint16_t h)
{
    union { uint32_t u; float f; } v = { (uint32_t)h << 16 };

    return v.f;
}

/* Round to nearest even; NaN stays a NaN. */
static inline uint16_t f32_to_bf16(float f)
{
    union { float f; uint32_t u; } v = { f };

    if ((v.u & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(v.u >> 16 | 0x40);
    return (uint16_t)((v.u + 0x7FFFu + (v.u >> 16 & 1)) >> 16);
}

float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float f);                /* nearest even */

#endif
