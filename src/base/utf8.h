/* utf8.h - UTF-8 by the letter of RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decode the character at the start of s. Returns its length in bytes (1 to 4)
 * and stores the code point; returns 0 when the bytes are not valid UTF-8 or
 * are cut short. len is at least 1. */
int utf8_decode(const char *s, size_t len, uint32_t *code);

/* Write a code point (valid, not a surrogate); returns 1 to 4. */
int utf8_encode(uint32_t code, char out[4]);

/* Offset of the first byte that is not valid UTF-8, or len when all is. */
size_t utf8_valid_prefix(const char *s, size_t len);

/* How many bytes at the end of s are the start of a character that more bytes
 * could complete: 0 to 3. Streaming holds these back. */
size_t utf8_incomplete_tail(const char *s, size_t len);

#endif
