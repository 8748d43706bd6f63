/* sampler.h - from one row of logits to one token.
 *
 * The draw is a pure function of the logits, the options, the tally, the mask
 * and (seed, stream, counter): neither the batch, the threads nor the
 * processor's vector width change it (invariants 1 and 6).
 *
 * Order of the filters:
 *   1. repetition penalty   x > 0 ? x / p : x * p for tokens in the window
 *                           (prompt and output; Keskar et al. 2019, "CTRL")
 *   2. frequency, presence  x - f * n_output - p * (n_output > 0), counted over
 *                           generated tokens only, as in the public API
 *   3. bias                 x + bias; entries for one id add up
 *   4. mask and bans        x = -inf
 *   5. temperature          0 takes the largest x, the lowest id among equals
 *   6. top_k                the k largest; among equals the lowest ids
 *   7. top_p                the fewest most probable tokens of those left that
 *                           together reach p of their probability; at least one
 *   8. min_p                tokens at least min_p times as probable as the best
 *
 * Steps 6 to 8 keep a prefix of the tokens in order of probability, so they
 * select a threshold and never sort the vocabulary.
 *
 * The log-prob reported is that of the model's own distribution, the softmax
 * of the unchanged logits divided by the temperature (by 1 at temperature 0):
 * without penalties, bias, mask and truncation. It is what a trainer
 * recomputes from the same logits, bit for bit (logits.h). */
#ifndef DECODE_SAMPLER_H
#define DECODE_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "decode/tally.h"

#define SAMPLER_MAX_TEMPERATURE 100
#define SAMPLER_MAX_BIAS 4096        /* logit_bias entries of a request */
#define SAMPLER_MAX_TOP 20           /* top_logprobs */
#define SAMPLER_MAX_WINDOW (1 << 20) /* tokens a penalty looks back */

typedef struct token_bias {
    int32_t id;
    float bias;                      /* added to the logit, -100 to 100 */
} token_bias;

typedef struct sampler_options {
    float temperature;               /* 0 to 100; 0 is greedy */
    int top_k;                       /* 0: off */
    float top_p;                     /* 0 to 1; 1: off */
    float min_p;                     /* 0 to 1; 0: off */
    float repeat_penalty;            /* 0.1 to 10; 1: off */
    int repeat_window;               /* tokens; -1: all, for tally_init */
    float presence_penalty;          /* -2 to 2; 0: off */
    float frequency_penalty;         /* -2 to 2; 0: off */
    const token_bias *bias;          /* [n_bias], borrowed */
    int n_bias;
    bool log_prob;                   /* report the chosen token's log-prob */
    int n_top;                       /* 0 to 20 most probable tokens reported */
    uint64_t seed;
} sampler_options;

/* Temperature 1 and everything else off. */
sampler_options sampler_defaults(void);

/* Every field in range for a vocabulary of n_vocab, or E_ARG (E_LIMIT for a
 * list that is too long) naming the field, its value and its range. */
status sampler_check(const sampler_options *options, int n_vocab, errtext *err);

/* Whether a draw needs a tally that follows the sequence. */
bool sampler_wants_tally(const sampler_options *options);

/* One draw. Pointers are borrowed for the call. */
typedef struct sampler_input {
    const float *logits;             /* [n_vocab], not modified */
    const sampler_options *options;  /* passed sampler_check */
    const tally *tally;              /* NULL unless sampler_wants_tally */
    const uint64_t *allowed;         /* [(n_vocab + 63) / 64], bit id % 64 of word
                                      * id / 64; NULL allows every token */
    const int32_t *banned;           /* [n_banned] */
    int n_banned;
    int32_t forced;                  /* take this id and only report; -1: draw */
    uint64_t stream;                 /* which sequence */
    uint64_t counter;                /* which token of it */
} sampler_input;

typedef struct token_prob {
    int32_t id;
    float log_prob;
} token_prob;

typedef struct sample {
    int32_t id;
    float log_prob;                  /* 0 unless asked for */
    int n_top;                       /* min(options n_top, n_vocab) */
    token_prob top[SAMPLER_MAX_TOP]; /* most probable first, lowest id among equals */
} sample;

/* Scratch memory for one vocabulary size; one per thread that draws. */
typedef struct sampler sampler;

sampler *sampler_new(int n_vocab);
void sampler_free(sampler *s);       /* accepts NULL */

/* E_FORMAT names the first logit that is NaN or infinite; E_ARG when mask and
 * bans leave no token. *out is complete on OK and untouched otherwise. */
status sampler_draw(sampler *s, const sampler_input *in, sample *out, errtext *err);

#endif
