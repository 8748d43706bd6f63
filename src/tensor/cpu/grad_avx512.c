/* grad_avx512.c - the backward pass at this level. */
#include "tensor/cpu/grad.h"

#include <math.h>

#if defined(__x86_64__)
#define ROWS_AT_ONCE 16
#define LANES_SUM(a) _mm512_reduce_add_ps(a)
#include "tensor/cpu/lanes_avx512.h"
#include "tensor/cpu/grad_body.h"
#endif
