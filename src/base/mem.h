/* mem.h - memory that is there or ends the program.
 *
 * Small host allocations do not fail in practice, and a caller that checks
 * them cannot do better than stop. Sizes that come from a file or a request
 * are bounded before they get here. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Zeroed memory; the caller owns it and releases it with mem_free. */
void *mem_new(size_t bytes);

/* Zeroed array of n items; aborts when n * item_bytes overflows. */
void *mem_array(size_t n, size_t item_bytes);

/* Grow or shrink; new bytes are not zeroed. p may be NULL. */
void *mem_resize(void *p, size_t n, size_t item_bytes);

/* Uninitialised memory at a 64-byte border, so that one vector load never
 * straddles two cache lines. Blocks of 2 MiB and more start at a 2 MiB border
 * and ask for huge pages. Released with mem_free. */
void *mem_aligned(size_t bytes);

char *mem_string(const char *s);                 /* copy, NULL gives NULL */
void *mem_copy(const void *p, size_t bytes);
void mem_free(void *p);                          /* accepts NULL */

#endif
