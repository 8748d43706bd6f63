/* regex.h - regular expressions to automata.
 *
 * The syntax is ECMA-262's with the u flag (what JSON Schema asks for), or that
 * of the linear-time engines (custom tools). Both are regular: there is no
 * backtracking, so no pattern is slow, only too large, and that is an error.
 * What a finite automaton cannot do (backreferences, look-around, word
 * boundaries) is refused by name and offset. */
#ifndef DECODE_REGEX_H
#define DECODE_REGEX_H

#include <stddef.h>

#include "base/status.h"
#include "decode/regex_dfa.h"

#define REGEX_MAX_BYTES 32768
#define REGEX_MAX_DEPTH 128      /* groups within groups */
#define REGEX_MAX_NODES 40000    /* after repetitions are written out */

enum {
    REGEX_SEARCH = 1,            /* matches anywhere in the text: JSON Schema's
                                  * `pattern`; else the whole text */
    REGEX_IGNORE_CASE = 2,       /* ASCII letters */
    REGEX_DOT_ALL = 4,           /* . takes line ends, too */
    REGEX_RUST = 8,              /* . stops at \n alone, (?i) and (?s) in front,
                                  * \A and \z, \s and \d are ECMA's all the same */
};

/* E_FORMAT for a malformed pattern, E_UNSUPPORTED for one that is not regular,
 * E_LIMIT above the bounds; each names the offset. *out is released by
 * dfa_free; its only label is 1. */
status regex_compile(dfa **out, const char *pattern, size_t len, unsigned flags, errtext *err);

#endif
