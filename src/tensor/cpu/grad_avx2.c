/* grad_avx2.c - the backward pass at this level. */
#include "tensor/cpu/grad.h"

#include <math.h>

#if defined(__x86_64__)
#define ROWS_AT_ONCE 4
#define LANES_SUM(a) lanes_sum(a)
#include "tensor/cpu/lanes_avx2.h"
#include "tensor/cpu/grad_body.h"
#endif
