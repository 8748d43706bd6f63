/* rows.c - row operations: choosing the level. */
#include "tensor/rows.h"

#include <math.h>

#include "tensor/cpu/rows.h"
#include "tensor/internal.h"

#if defined(__x86_64__)
#define BY_LEVEL(call, ...)                                                    \
    (tensor_level() >= CPU_AVX512 ? call##_avx512(__VA_ARGS__)                 \
     : tensor_level() == CPU_AVX2 ? call##_avx2(__VA_ARGS__)                   \
                                  : call##_scalar(__VA_ARGS__))
#else
#define BY_LEVEL(call, ...) call##_scalar(__VA_ARGS__)
#endif

void norm_rms(const float *x, const float *weight, float eps, int n, float *out)
{
    BY_LEVEL(norm_rms, x, weight, eps, n, out);
}

void rope_apply(float *x, const float *cosine, const float *sine, int n_head, int d_head)
{
    BY_LEVEL(rope_apply, x, cosine, sine, n_head, d_head);
}

void rope_angles(int pos, float base, const float *factor, int d_head, float *cosine,
                 float *sine)
{
    for (int i = 0; i < d_head / 2; i++) {
        float inverse = 1.0f / powf(base, (float)(2 * i) / (float)d_head) / factor[i];
        float angle = (float)pos * inverse;

        cosine[i] = cosf(angle);
        sine[i] = sinf(angle);
    }
}

void swiglu(float *gate, const float *up, int n)
{
    BY_LEVEL(swiglu, gate, up, n);
}

void row_add_scaled(float *x, const float *y, float a, int n)
{
    BY_LEVEL(row_add_scaled, x, y, a, n);
}

void row_add(float *x, const float *y, int n)
{
    row_add_scaled(x, y, 1.0f, n);
}
