/* limits.h - how many requests and tokens a minute a key may have.
 *
 * Two buckets a key, full at the start, each filled at limit/60 a second. A
 * request takes one from the first and waits for none; tokens are taken as they
 * are known: an estimate before, the difference after, so the second may fall
 * below zero and is then waited out. Time is monotonic. All calls may come from
 * any thread. */
#ifndef SERVE_LIMITS_H
#define SERVE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "serve/errors.h"

typedef struct limits limits;

limits *limits_new(void);
limits *limits_share(limits *l);                 /* one more owner; returns l */
void limits_free(limits *l);                     /* the last owner's frees it; accepts NULL */

/* A key's limits a minute; 0: none. */
typedef struct limit_rates {
    int64_t requests, tokens;
} limit_rates;

/* Where a key stands, the values of x-ratelimit-*. */
typedef struct limit_state {
    limit_rates rates;
    int64_t remaining_requests, remaining_tokens;
    double reset_requests_s, reset_tokens_s;     /* until the bucket is full */
} limit_state;

/* One request of a key that expects to use so many tokens (0 when not known
 * yet). False fills e with the 429, and then nothing is taken. *state is set
 * either way. */
bool limits_take(limits *l, const char *key, limit_rates rates, int64_t tokens, double now_s,
                 limit_state *state, api_error *e);

/* Take tokens without a request; false fills e as above. */
bool limits_take_tokens(limits *l, const char *key, limit_rates rates, int64_t tokens,
                        double now_s, limit_state *state, api_error *e);

/* Take (or, below zero, give back) tokens, come what may. */
void limits_settle(limits *l, const char *key, limit_rates rates, int64_t tokens, double now_s);

#endif
