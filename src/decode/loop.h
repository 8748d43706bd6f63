/* loop.h - does a text go in circles?
 *
 * Fed token by token at constant cost, it gives two scores, each a CUSUM (Page
 * 1954) that rises by 1 with every token that repeats, falls with every token
 * that does not, and never goes below 0:
 *
 *   period  a token that equals those one and two periods back; any other
 *           takes 8 off, so only a text that is 8/9 the same at a fixed
 *           distance climbs. Exact cycles of up to 2047 tokens and cycles with
 *           a counter inside. Lists, tables and code stay at the bottom: each
 *           line brings new tokens.
 *   gram    the last of a run of 6 tokens that came at least twice before; any
 *           other takes 3 off. Cycles whose period wobbles, such as a thought
 *           rephrased. Text of few words (a truth table) climbs too, so this
 *           score needs four times as much to count.
 *
 * A passage copied once raises neither: both ask for a third occurrence.
 * Tokens of a vocabulary of characters carry less, so gram length, penalty and
 * limits grow in proportion (loop_init). */
#ifndef DECODE_LOOP_H
#define DECODE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#define LOOP_GRAM 6              /* tokens, for a vocabulary of word pieces */
#define LOOP_MAX_GRAM 24         /* for one of characters */
#define LOOP_RING 4096           /* tokens remembered */

typedef struct loop loop;

/* gram: tokens in a run, LOOP_GRAM to LOOP_MAX_GRAM. */
loop *loop_new(int gram);
loop *loop_copy(const loop *l);
void loop_free(loop *l);         /* accepts NULL */

void loop_reset(loop *l);        /* forget the text so far */

/* One more token. Returns whether a score has reached the limit, which counts
 * tokens of a vocabulary of word pieces beyond a second occurrence. */
bool loop_add(loop *l, int32_t id, int limit);

/* A gram length for a vocabulary whose tokens have this many bytes on average. */
int loop_gram(double mean_bytes);

#endif
