/* tally.h - how often a sequence has used each token, for the penalties.
 *
 * Kept up to date token by token, so a penalty costs one step per distinct
 * token seen and never a walk over the text. One per sequence; a fork copies. */
#ifndef DECODE_TALLY_H
#define DECODE_TALLY_H

#include <stdint.h>

typedef struct tally_entry {
    int32_t id;
    int32_t n_window;    /* among the last `window` tokens, prompt included */
    int32_t n_output;    /* among all generated tokens */
} tally_entry;

typedef struct tally {
    tally_entry *entries;    /* in order of first use */
    int n_entry;
    int cap_entry;
    int32_t *index;          /* open-addressing hash: entry + 1, or 0 */
    int n_index;             /* a power of two, at least 2 * n_entry */
    int32_t *ring;           /* the last `window` ids; NULL when it is unbounded */
    int window;              /* -1: every token so far */
    int n_ring;
    int at_ring;
} tally;

/* window is -1 (every token so far), 0 (none) or a number of tokens. */
void tally_init(tally *t, int window);
void tally_fini(tally *t);                       /* accepts a zeroed tally */
void tally_copy(tally *out, const tally *t);     /* both sides own one */

void tally_prompt(tally *t, const int32_t *ids, int n_id);   /* not generated */
void tally_add(tally *t, int32_t id);                        /* generated */

#endif
