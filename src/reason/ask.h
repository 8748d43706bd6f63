/* ask.h - a question becomes an answer: the one door to the model for cli,
 * serve and agent.
 *
 * A reasoner is a loaded model with its tokenizer, renderer and engine. A
 * request is rendered into segments, encoded, decoded by one session a sample
 * and, with more than one sample, put to a vote. */
#ifndef REASON_ASK_H
#define REASON_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "decode/engine.h"
#include "reason/chat.h"
#include "reason/render.h"

/* How long a model may think: a budget of tokens on every model. */
typedef enum effort {
    EFFORT_NONE,             /* does not think */
    EFFORT_MINIMAL,
    EFFORT_LOW,
    EFFORT_MEDIUM,           /* default */
    EFFORT_HIGH,
    EFFORT_XHIGH,
} effort;

const char *effort_name(effort e);
bool effort_parse(const char *name, effort *out);
int effort_budget(effort e);                     /* thinking tokens */

typedef struct reasoner reasoner;

typedef struct reasoner_options {
    int n_thread;            /* 0: all processors */
    int type;                /* dtype to convert the weights to, or MODEL_KEEP_TYPES */
    engine_options engine;
} reasoner_options;

/* Load a model by path. On OK *out is the caller's, to be released with
 * reasoner_close. *warning is NULL or a line for the user (static text). */
status reasoner_open(reasoner **out, const char *path, const reasoner_options *options,
                     const char **warning, errtext *err);
void reasoner_close(reasoner *r);                /* accepts NULL */

engine *reasoner_engine(reasoner *r);
const tokenizer *reasoner_tokenizer(const reasoner *r);
const model *reasoner_model(const reasoner *r);
render_family reasoner_family(const reasoner *r);

#define ASK_BUDGET_BY_EFFORT (-1)
#define ASK_MAX_SAMPLES 1024

typedef struct ask_request {
    const chat *chat;        /* borrowed */
    effort effort;
    int budget;              /* thinking tokens, or ASK_BUDGET_BY_EFFORT */
    int min_think;           /* thinking tokens before the closer is allowed */
    int max_wait;            /* times "Wait" is put in place of an early closer */
    int max_tokens;          /* thinking and answer together; 0: budget + 4096 */
    int samples;             /* 1 or more */
    sampler_options sampler;
    const char *const *stop;
    int n_stop;
    uint64_t tenant;
    render_date date;
} ask_request;

ask_request ask_defaults(const chat *c);

typedef enum ask_kind {
    ASK_REASONING,           /* a piece of thinking */
    ASK_ANSWER,              /* a piece of the answer */
    ASK_CALL,                /* a whole tool call */
    ASK_END,                 /* a sample has ended */
} ask_kind;

typedef struct ask_event {
    ask_kind kind;
    int sample;              /* which sample */
    const char *text;        /* borrowed for the call; ASK_CALL: its raw text */
    size_t len;
    const chat_call *call;   /* ASK_CALL, when it could be parsed */
    const sample *token;     /* log-probs of a drawn token, if asked for */
} ask_event;

/* Return false to stop the request (its samples end as cancelled). */
typedef bool ask_fn(void *arg, const ask_event *event);

typedef struct ask_sample {
    char *reasoning;         /* NUL-terminated copies, owned by the answer */
    size_t reasoning_len;
    char *text;
    size_t text_len;
    chat_call *calls;
    int n_call;
    char *final;             /* extracted final answer, normalised; or NULL */
    finish_reason finish;
    bool starved;            /* the limit left the answer no room */
    session_usage usage;
} ask_sample;

typedef struct ask_vote {
    const char *final;       /* borrowed from a sample */
    int count;
} ask_vote;

typedef struct ask_answer {
    ask_sample *samples;
    int n_sample;
    ask_vote *votes;         /* most votes first; ties: lowest sample first */
    int n_vote;
    int chosen;              /* sample that stands for the answer */
    session_usage usage;     /* prompt counted once, the rest summed */
    double first_token_s;
    double total_s;
} ask_answer;

/* Run a request to its end. on_event may be NULL. On OK *out is the caller's,
 * to be released with ask_answer_fini; a cancelled request is OK, too. */
status ask_run(reasoner *r, const ask_request *request, ask_fn *on_event, void *arg,
               ask_answer *out, errtext *err);
void ask_answer_fini(ask_answer *a);

/* The final answer inside an answer's text, for voting: the last complete
 * \boxed{...}, else what follows the last "#### ", else what follows the last
 * "answer is" or "Answer:", else the last number, else the whole text when it
 * is one short line. Normalised: trimmed, trailing full stop, enclosing $ and
 * thousands separators removed, numbers without needless zeros, lower case.
 * NULL when there is none. The caller frees it. */
char *ask_extract_final(const char *text, size_t len);

#endif
