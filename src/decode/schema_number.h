/* schema_number.h - numbers by their decimal digits.
 *
 * What a schema asks of a number (a bound, a divisor, to be whole) is a property
 * of the text that spells it, and a finite automaton can check it exactly:
 * 0.1 + 0.2 never happens here. Spelt without exponents. */
#ifndef DECODE_SCHEMA_NUMBER_H
#define DECODE_SCHEMA_NUMBER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "decode/regex_dfa.h"

#define DECIMAL_MAX 340          /* digits on either side of the point */

/* sign * digits * 10^-scale; no zeros at either end, zero has no digits. */
typedef struct decimal {
    bool negative;
    int n;                       /* digits */
    int scale;                   /* of these, behind the point; may be negative */
    char digits[32];             /* 0 to 9, not characters */
} decimal;

void decimal_of(decimal *d, const json_t *number);
int decimal_compare(const decimal *a, const decimal *b);

/* The shortest plain spelling; NUL-terminated, at most 2 * DECIMAL_MAX. */
void decimal_spell(const decimal *d, char *out);

bool decimal_whole(const decimal *d);

/* Whether value is a multiple of the positive step; false when a number of
 * more digits than the machine's would be needed (never within a schema). */
bool decimal_divides(const decimal *step, const decimal *value);

enum {
    NUMBER_LESS = 1,             /* than the bound */
    NUMBER_EQUAL = 2,
    NUMBER_MORE = 4,
};

/* Numbers that compare so (a sum of the above) with a bound. */
status number_compared(dfa **out, const decimal *bound, unsigned how, errtext *err);

/* Multiples of a positive number, or (invert) all others. E_LIMIT when its
 * digits ask for too many states. */
status number_multiples(dfa **out, const decimal *step, bool invert, errtext *err);

/* Whole numbers, or all others; and whole numbers without a point. */
status number_whole(dfa **out, bool invert, errtext *err);
status number_integer(dfa **out, errtext *err);

/* Any number; exponents of two digits. */
status number_any(dfa **out, errtext *err);

#endif
