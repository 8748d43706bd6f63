/* lanes_scalar.h - sixteen f32 lanes one by one, the reference; see lanes.h. */
#include <math.h>
#include <string.h>

#include "tensor/dtype.h"

#define LANES_LEVEL
#define LANES static inline
#define LANES_NAME(f) f##_scalar

typedef struct lanes {
    float v[16];
} lanes;

#define LANES_EACH(expr)                                                       \
    lanes out;                                                                 \
    for (int i = 0; i < 16; i++) out.v[i] = (expr);                            \
    return out

LANES lanes lanes_set(float x) { LANES_EACH(x); }
LANES lanes lanes_load(const float *p) { LANES_EACH(p[i]); }
LANES void lanes_store(float *p, lanes a) { memcpy(p, a.v, sizeof a.v); }
LANES lanes lanes_add(lanes a, lanes b) { LANES_EACH(a.v[i] + b.v[i]); }
LANES lanes lanes_sub(lanes a, lanes b) { LANES_EACH(a.v[i] - b.v[i]); }
LANES lanes lanes_mul(lanes a, lanes b) { LANES_EACH(a.v[i] * b.v[i]); }
LANES lanes lanes_div(lanes a, lanes b) { LANES_EACH(a.v[i] / b.v[i]); }
LANES lanes lanes_max(lanes a, lanes b) { LANES_EACH(a.v[i] > b.v[i] ? a.v[i] : b.v[i]); }
LANES lanes lanes_fma(lanes a, lanes b, lanes c) { LANES_EACH(fmaf(a.v[i], b.v[i], c.v[i])); }
LANES lanes lanes_load_half(const uint16_t *p) { LANES_EACH(f16_to_f32(p[i])); }
LANES lanes lanes_round(lanes a) { LANES_EACH(rintf(a.v[i])); }

LANES lanes lanes_scale2(lanes a, lanes n)
{
    lanes out;

    for (int i = 0; i < 16; i++) {
        uint32_t u;

        memcpy(&u, &a.v[i], 4);
        u += (uint32_t)(int32_t)n.v[i] << 23;
        memcpy(&out.v[i], &u, 4);
    }
    return out;
}
