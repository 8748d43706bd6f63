/* grammar_text.h - the characters of a text, byte by byte. */
#ifndef DECODE_GRAMMAR_TEXT_H
#define DECODE_GRAMMAR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/regex_dfa.h"

/* What the characters of a text may be: an automaton, or any so many. */
typedef struct lexer {
    const dfa *d;
    int32_t q;
    bool plain;              /* in a JSON string: canonical spelling */
    bool no_nul;             /* a free string does not hold what C cannot */
} lexer;

/* Where a character stands: complete, in an escape, after so many digits, in a
 * pair of surrogates, before so many bytes of UTF-8. */
enum { AT_CHAR, AT_ESCAPE, AT_HEX, AT_PAIR = 6, AT_PAIR_U, AT_LOW, AT_TAIL = 11 };

typedef enum took { TOOK_NO, TOOK_PART, TOOK_CHAR } took;

/* One more byte: TOOK_CHAR when it completes a character (*part), TOOK_NO when
 * none that the lexer allows begins like this; *dec and *part are then void. */
took take_utf8(const lexer *x, uint8_t *dec, uint32_t *part, uint8_t b);

/* The same inside a JSON string; the closing quote is the caller's. */
took take_json(const lexer *x, uint8_t *dec, uint32_t *part, uint8_t b);

/* Bytes inside a JSON string of any characters: the offset of the quote that
 * closes it, len when none does, -1 when they cannot stand there. *n_char is how
 * many characters were begun. */
int json_scan(const char *s, size_t len, int *n_char);

#endif
