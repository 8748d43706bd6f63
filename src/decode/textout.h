/* textout.h - from a model's bytes to text that may be shown.
 *
 * Tokens are cut anywhere: inside a character, inside a stop string. What goes
 * out is always whole UTF-8 characters, never a part of a stop string, and the
 * sum of all that went out does not depend on how the bytes were cut. A byte
 * is held back only while it may still turn out to be part of a stop string or
 * of an unfinished character. */
#ifndef DECODE_TEXTOUT_H
#define DECODE_TEXTOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

#define STOPS_MAX 64             /* stop strings of a request */
#define STOPS_MAX_BYTES 1024     /* length of one */

/* A request's stop strings, ready to be searched; immutable, so the samples of
 * a request share one. */
typedef struct stops stops;

/* texts [n] of lens [n] bytes, copied; n may be 0. E_LIMIT when there are too
 * many or one is too long, E_ARG when one is empty; err says which. On OK *out
 * is the caller's, released by stops_free. */
status stops_new(stops **out, const char *const *texts, const size_t *lens, int n,
                 errtext *err);
void stops_free(stops *s);       /* accepts NULL */

/* Plain data: a copy by assignment is a fork. */
typedef struct textout {
    const stops *stops;          /* borrowed; NULL when there are none */
    uint16_t state[STOPS_MAX];   /* bytes of each stop string matched so far */
    uint8_t part[4];             /* start of an unfinished character */
    int n_part;
    int stopped_by;              /* index of the stop string met, or -1 */
} textout;

void textout_init(textout *t, const stops *s);   /* s may be NULL */

/* Take bytes and append what is now safe to *out. Returns true once a stop
 * string has been met: the one that ends first, the longest of those that end
 * together. The text before it has gone out, nothing from it on will. Each
 * maximal invalid sequence becomes one U+FFFD (Unicode standard, section 3.9). */
bool textout_add(textout *t, const char *data, size_t len, bytes *out);

/* No more bytes will come: append what was held back, with U+FFFD for an
 * unfinished character. t is as new afterwards, but for stopped_by. */
void textout_end(textout *t, bytes *out);

#endif
