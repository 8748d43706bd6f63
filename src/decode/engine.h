/* engine.h - many sequences, one forward pass at a time.
 *
 * The engine owns a model's key and value pages and schedules sessions: each
 * step puts the rows of all live sessions (one per decoding session, chunks of
 * prompts in what room is left) into one model_forward, draws a token for each
 * and moves its phase machine. Because a row's bits do not depend on its
 * neighbours, a session's tokens do not depend on what else is running.
 *
 * Prompt pages are shared: a page of 16 tokens whose whole past is equal, token
 * for token and of the same tenant, is computed once, also among sessions that
 * start together. When pages run out the youngest session gives its own back
 * and computes them anew later; its text does not change.
 *
 * All calls come from one thread. Events are handed to the session's callback
 * during engine_step. */
#ifndef DECODE_ENGINE_H
#define DECODE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"
#include "decode/grammar.h"
#include "decode/phase.h"
#include "decode/sampler.h"
#include "decode/textout.h"
#include "model/model.h"
#include "token/tokenizer.h"

typedef struct engine engine;
typedef struct session session;

typedef struct engine_options {
    int n_ctx;               /* most tokens of a session; 0: the model's, at most 32768 */
    int max_row;             /* most rows of a pass; 0: 512 */
    int max_live;            /* most sessions decoding at once; 0: 256 */
    size_t kv_bytes;         /* memory for pages; 0: what one full session needs
                              * and at least 1 GiB */
} engine_options;

/* The model, tokenizer and threads are borrowed and outlive the engine. E_LIMIT
 * when kv_bytes does not hold one session of n_ctx. */
status engine_new(engine **out, const model *m, const tokenizer *t, pool *threads,
                  const engine_options *options, errtext *err);
void engine_free(engine *e);                     /* frees its sessions, too */
int engine_ctx(const engine *e);                 /* most tokens of a session */

/* What a token brought: each accepted token gives one event, more when it made
 * text of several channels safe to show, and the end of a session may give one
 * with id -1 for text that was held back. text is valid UTF-8, borrowed for the
 * call, may be empty, never ends inside a character, and in the answer never
 * holds a stop string or what could become one. */
typedef struct session_event {
    session *session;
    phase_channel channel;
    const char *text;
    size_t len;
    bool complete;           /* of a tool call: it ended by itself */
    int32_t id;              /* the token; -1 in the second and later events */
    bool forced;             /* chosen by the phase machine or calculated, not drawn */
    const sample *sample;    /* log-probs, if asked for; NULL when forced */
} session_event;

typedef void session_fn(void *arg, const session_event *event);

/* What a session has used: prompt tokens, and in `report` the generated ones
 * by phase. */
typedef struct session_usage {
    int prompt;
    int cached;              /* of the prompt, taken from shared pages */
    phase_report report;
    double queued_s;         /* from start to its first row */
    double first_token_s;    /* from start to its first token */
    double total_s;          /* from start to its end, or until now */
} session_usage;

typedef struct session_request {
    const int32_t *prompt;   /* [n_prompt], at least 1; copied */
    int n_prompt;
    uint64_t tenant;         /* pages are shared within a tenant only */
    uint64_t stream;         /* of the random numbers: the sample's number */
    sampler_options sampler; /* its lists are copied */
    const phase_style *style;    /* borrowed for the session's life */
    phase_options phase;     /* max_tokens is cut to what the context leaves */
    const grammar *answer_grammar;   /* what the answer has to look like, or NULL: anything.
                              * Thinking is never masked. The answer ends where the
                              * grammar lets it; FINISH_LENGTH says that it did not
                              * come to that. Borrowed for the session's life */
    const grammar *call_grammar; /* of each tool call's span, likewise. Where the call's
                              * closer is no token of its own (or the call ends with
                              * the turn), its text belongs to the grammar */
    bool calculator;         /* results of marks (calculator.h) in thoughts and in an
                              * answer without a grammar are forced */
    const stops *stop;       /* strings that end the answer; borrowed for the
                              * session's life, or NULL */
    session_fn *on_event;    /* may be NULL */
    void *arg;
} session_request;

/* Queue a session; *out is freed by session_free, at any time. E_LIMIT when the
 * prompt leaves no room in the context; E_ARG names a field out of range. */
status session_start(session **out, engine *e, const session_request *request,
                     errtext *err);
void session_cancel(session *s);                 /* ends it at the next step */
void session_free(session *s);                   /* accepts NULL */

bool session_done(const session *s);
finish_reason session_finish(const session *s);
session_usage session_get_usage(const session *s);

/* All ids so far: the prompt, then what was generated. Borrowed until the next
 * engine_step. */
const int32_t *session_tokens(const session *s, int *n);

/* Why a session ended with FINISH_ERROR, or "". */
const char *session_error(const session *s);

/* One pass over all live sessions. False when none is left to run. */
bool engine_step(engine *e);

#endif
