/* bytes.c - a growing byte string, always NUL-terminated. */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"

void bytes_reserve(bytes *b, size_t extra)
{
    size_t want = b->len + extra + 1;

    CHECK(want > b->len);
    if (want <= b->cap) return;
    if (want < 2 * b->cap) want = 2 * b->cap;
    if (want < 32) want = 32;
    b->data = mem_resize(b->data, want, 1);
    b->cap = want;
    b->data[b->len] = 0;
}

void bytes_add(bytes *b, const void *data, size_t len)
{
    bytes_reserve(b, len);
    if (len) memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = 0;
}

void bytes_add_string(bytes *b, const char *s)
{
    bytes_add(b, s, strlen(s));
}

void bytes_add_char(bytes *b, char c)
{
    bytes_add(b, &c, 1);
}

void bytes_add_format(bytes *b, const char *format, ...)
{
    va_list args, again;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(n >= 0);
    bytes_reserve(b, (size_t)n);
    vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
    va_end(again);
    b->len += (size_t)n;
}

void bytes_clear(bytes *b)
{
    b->len = 0;
    if (b->data) b->data[0] = 0;
}

char *bytes_take(bytes *b)
{
    char *data;

    bytes_reserve(b, 0);
    data = b->data;
    *b = (bytes){ 0 };
    return data;
}

void bytes_fini(bytes *b)
{
    mem_free(b->data);
    *b = (bytes){ 0 };
}
