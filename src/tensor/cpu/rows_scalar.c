/* rows_scalar.c - row operations and attention at this level. */
#define VEC_PLAIN_LOOPS
#include "tensor/cpu/rows.h"

#include <math.h>
#include <string.h>


#include "tensor/cpu/lanes_scalar.h"
#include "tensor/cpu/rows_body.h"
