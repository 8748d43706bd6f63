/* rows_avx512.c - row operations and attention at this level. */
#include "tensor/cpu/rows.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include "tensor/cpu/lanes_avx512.h"
#include "tensor/cpu/rows_body.h"
#endif
