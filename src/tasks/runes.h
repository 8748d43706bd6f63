/* runes.h - text as code points, with the character classes that text metrics
 * are defined by: those of Python's str type, which the published metrics use.
 *
 * Tables come from utf8proc. Bytes that are not UTF-8 read as U+FFFD, one each. */
#ifndef TASKS_RUNES_H
#define TASKS_RUNES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

typedef struct runes {
    uint32_t *at;        /* NULL until the first one is added */
    size_t n;
    size_t cap;
} runes;

void runes_add(runes *r, uint32_t code);
void runes_add_range(runes *r, const uint32_t *at, size_t n);
void runes_add_ascii(runes *r, const char *s);
void runes_from_utf8(runes *r, const char *s, size_t len);    /* appended */
void runes_to_utf8(bytes *out, const uint32_t *at, size_t n); /* appended */
void runes_fini(runes *r);

/* Below 0, 0 or above, in code point order; a prefix comes first. */
int runes_compare(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b);

bool rune_is_space(uint32_t c);      /* str.isspace, what split() cuts at */
bool rune_is_word(uint32_t c);       /* \w: letters, numbers, underscore */
bool rune_is_digit(uint32_t c);      /* \d: decimal digits */

/* str.lower(): simple mapping, U+0130 as two code points, and sigma at the end
 * of a word (Unicode 3.13, Final_Sigma). Appended to out. */
void runes_lower(runes *out, const uint32_t *at, size_t n);

/* Lower-cased UTF-8 of UTF-8, appended. */
void text_lower(bytes *out, const char *s, size_t len);

#endif
