/* random_text.h - reproducible text with all that splitters trip over: words of
 * many scripts, numbers, spaces, combining marks, special tokens, long runs. */
#ifndef SUPPORT_RANDOM_TEXT_H
#define SUPPORT_RANDOM_TEXT_H

#include <stdint.h>

#include "base/bytes.h"

/* splitmix64 (Steele, Lea and Flood, OOPSLA 2014). */
typedef struct random_state {
    uint64_t state;
} random_state;

uint32_t random_pick(random_state *r, uint32_t n);       /* from 0 to n - 1 */

/* Text number i of a seed, in place of what out held. */
void random_text(bytes *out, uint64_t seed, uint64_t i);

#endif
