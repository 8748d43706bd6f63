/* rows_avx2.c - row operations and attention at this level. */
#include "tensor/cpu/rows.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include "tensor/cpu/lanes_avx2.h"
#include "tensor/cpu/rows_body.h"
#endif
