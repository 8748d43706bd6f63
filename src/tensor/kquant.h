/* kquant.h - choosing the scales of Q4_K, Q5_K and Q6_K blocks.
 *
 * A block of 256 has one or two half-precision scales and 6- or 8-bit scales
 * for its sub-blocks, so the best choice is searched for. The search is the
 * weighted least squares of ggml's reference quantisers (make_qkx2_quants,
 * make_qx_quants in ggml-quants.c); sums are taken in another order, so bytes
 * may differ from ggml's while the error is the same. For dtype.c. */
#ifndef TENSOR_KQUANT_H
#define TENSOR_KQUANT_H

#include <stdint.h>

#include "tensor/dtype.h"

/* One block: x [256], all finite; out dtype_block_bytes(t). t is one of the
 * three. The bytes are the same whatever the processor. */
void kquant_encode(dtype t, const float *x, uint8_t *out);

/* 6-bit scale and minimum of sub-block i (0 to 7) from the 12 packed bytes of
 * Q4_K and Q5_K: the first four pairs lie in the low bits of bytes 0-3 and
 * 4-7, the other four in nibbles of bytes 8-11 with their two high bits atop
 * the first eight. */
static inline void kquant_scale_min(const uint8_t *packed, int i, int *scale, int *min)
{
    if (i < 4) {
        *scale = packed[i] & 63;
        *min = packed[i + 4] & 63;
    } else {
        *scale = (packed[i + 4] & 15) | packed[i - 4] >> 6 << 4;
        *min = packed[i + 4] >> 4 | packed[i] >> 6 << 4;
    }
}

#endif
