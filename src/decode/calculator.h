/* calculator.h - arithmetic that a model writes down and need not do.
 *
 * A text may hold marks, <<48/2=24>>. Once a sequence has written `<<48/2=`,
 * the rest of the mark is known: it is put there, not drawn. A calculator is
 * fed what a sequence writes and says at every token's end whether the rest of
 * a mark comes next.
 *
 * Numbers are decimals, signs + - * / and // (the whole number below), with
 * parentheses and spaces; anything else
 * (units, names, thousands separators) is no expression, and nothing is said.
 * Values are exact fractions; only the last one is rounded, half away from
 * zero, to CALCULATOR_DECIMALS places without needless zeros. Division by zero,
 * a value too long for 128 bits and one that would round to nothing are
 * refused, too: a wrong number is worse than none.
 *
 * The marks are those of Cobbe et al. 2021, "Training verifiers to solve math
 * word problems". */
#ifndef DECODE_CALCULATOR_H
#define DECODE_CALCULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/tokenizer.h"

#define CALCULATOR_MAX_TEXT 128  /* bytes of an expression */
#define CALCULATOR_MAX_DEPTH 16  /* parentheses and signs inside one another */
#define CALCULATOR_DECIMALS 6
#define CALCULATOR_MAX_RESULT 64 /* bytes of a result with its >> and the NUL */
#define CALCULATOR_MAX_IDS 64    /* tokens of it */

/* The value of an expression as text; false: none. out is NUL-terminated. */
bool calculator_value(const char *text, size_t len, char out[CALCULATOR_MAX_RESULT]);

/* What a sequence has written, as far as it matters. Plain data; a zeroed one
 * has read nothing. */
typedef struct calculator {
    char text[CALCULATOR_MAX_TEXT];  /* [n] after << */
    int n;
    char last;
    bool open;               /* inside a mark, before its = */
    bool due;                /* the last byte was that = */
} calculator;

void calculator_add(calculator *c, const char *text, size_t len);

/* Whether the rest of a mark comes next, and which: "24>>". Of a token that
 * ends behind the = nothing is due any more: its text stands. */
bool calculator_rest(const calculator *c, char out[CALCULATOR_MAX_RESULT]);

/* That rest as tokens, encoded as plain text on its own. 0: the vocabulary
 * cannot write just that (some begin every text with a space). */
int calculator_ids(const tokenizer *t, const char *rest, int32_t ids[CALCULATOR_MAX_IDS]);

#endif
