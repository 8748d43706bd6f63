/* rollout.h - many answers to many prompts, with the log-prob of every token.
 *
 * Rollouts go through reason/ like any question: the policy is sampled as it is
 * served. Tokens that the decoder forced (a closer at the end of a budget) are
 * marked: they were not the policy's choice, and are no targets. */
#ifndef TRAIN_ROLLOUT_H
#define TRAIN_ROLLOUT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "reason/ask.h"

typedef struct rollout_prompt {
    const chat *chat;        /* borrowed for the call */
    bool thinking;
    effort effort;
    bool go_on;              /* the chat ends with an assistant's thought, cut off,
                              * which is gone on with (reason/ask.h, continue_last) */
} rollout_prompt;

typedef struct rollout_options {
    int group;               /* answers a prompt */
    float temperature;       /* top_k and top_p stay off: the log-probs are those of
                              * the distribution that was drawn from */
    int max_think;           /* tokens of thought, then the closer is forced */
    int max_answer;          /* tokens after it */
    bool calculator;         /* marks are calculated (ask.h): not the policy's either */
    uint64_t seed;
    uint64_t stream;         /* answer g of prompt i draws from stream + i * group + g */
    uint64_t tenant;         /* pages are shared within it: a new one after every
                              * change of the weights */
    const volatile sig_atomic_t *cancel;
    void (*progress)(void *arg, int done, int total);    /* or NULL */
    void *arg;
} rollout_options;

typedef struct rollout {
    int32_t *ids;            /* [n] prompt and answer */
    float *log_prob;         /* [n] of drawn tokens */
    uint8_t *drawn;          /* [n] 1: drawn from the policy */
    int n_prompt, n;
    char *think, *answer;    /* NUL-terminated */
    size_t think_len, answer_len;
    int n_think;             /* tokens of thought, marks included */
    finish_reason finish;
    close_reason closed_by;
} rollout;

/* Fill out [n * group], prompt by prompt; each is the caller's (rollout_fini).
 * E_INTERRUPTED when cancelled: then nothing is handed out. */
status rollout_run(reasoner *r, const rollout_options *o, const rollout_prompt *prompts,
                   int n, rollout *out, errtext *err);
void rollout_fini(rollout *o);

/* Neither thinking nor answer was cut off. */
bool rollout_whole(const rollout *o);

#endif
