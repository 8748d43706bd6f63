/* measure.h - what this machine can do at most, measured: the yardstick of a
 * benchmark's shares. */
#ifndef TENSOR_MEASURE_H
#define TENSOR_MEASURE_H

#include <stddef.h>

#include "base/pool.h"

/* Bytes per second at which all threads together read a buffer of this size,
 * best of several passes. */
double measure_read(pool *threads, size_t bytes);

/* 8-bit multiply-adds, counted as two operations each, per second, all
 * threads, from registers: by tiles, VNNI or AVX2, whichever the level has. */
double measure_int8(pool *threads);

#endif
