/* grad_scalar.c - the backward pass at this level. */
#include "tensor/cpu/grad.h"

#include <math.h>

#define ROWS_AT_ONCE 4
#define LANES_SUM(a) lanes_sum(a)
#include "tensor/cpu/lanes_scalar.h"
#include "tensor/cpu/grad_body.h"
