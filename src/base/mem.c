/* mem.c - allocation that aborts instead of failing. */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

static void out_of_memory(size_t bytes) __attribute__((noreturn));

static void out_of_memory(size_t bytes)
{
    fprintf(stderr, "ponder: out of memory (%zu bytes asked)\n", bytes);
    abort();
}

void *mem_new(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);

    if (!p) out_of_memory(bytes);
    return p;
}

void *mem_array(size_t n, size_t item_bytes)
{
    void *p = calloc(n ? n : 1, item_bytes ? item_bytes : 1);

    if (!p) out_of_memory(n);
    return p;
}

void *mem_resize(void *p, size_t n, size_t item_bytes)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, item_bytes, &bytes)) out_of_memory(SIZE_MAX);
    p = realloc(p, bytes ? bytes : 1);
    if (!p) out_of_memory(bytes);
    return p;
}

void *mem_aligned(size_t bytes)
{
    void *p = NULL;
    int big = bytes >= HUGE_PAGE_BYTES;

    if (posix_memalign(&p, big ? HUGE_PAGE_BYTES : 64, bytes ? bytes : 64))
        out_of_memory(bytes);
    /* Only whole pages of 2 MiB are offered: a partial last one would cost
     * resident memory that nobody uses. */
    if (big) madvise(p, bytes & ~(HUGE_PAGE_BYTES - 1), MADV_HUGEPAGE);
    return p;
}

char *mem_string(const char *s)
{
    return s ? mem_copy(s, strlen(s) + 1) : NULL;
}

void *mem_copy(const void *p, size_t bytes)
{
    void *q = mem_new(bytes);

    if (bytes) memcpy(q, p, bytes);
    return q;
}

void mem_free(void *p)
{
    free(p);
}
