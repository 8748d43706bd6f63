/* bytes.h - a growing byte string.
 *
 * `data` is always followed by a NUL that `len` does not count, so it can be
 * handed to C string functions when the contents hold no NUL themselves. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stddef.h>

typedef struct bytes {
    char *data;          /* NULL until the first byte is added */
    size_t len;
    size_t cap;
} bytes;

void bytes_add(bytes *b, const void *data, size_t len);
void bytes_add_string(bytes *b, const char *s);
void bytes_add_char(bytes *b, char c);
void bytes_add_format(bytes *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bytes_reserve(bytes *b, size_t extra);     /* room for extra more bytes */
void bytes_clear(bytes *b);                     /* empty, keeps the storage */
char *bytes_take(bytes *b);                     /* caller frees; b is empty */
void bytes_fini(bytes *b);

#endif
