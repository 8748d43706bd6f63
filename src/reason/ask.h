/* ask.h - a question becomes an answer: the one door to the model for cli,
 * serve and agent.
 *
 * A reasoner is a loaded model with its tokenizer, renderer and engine. A
 * request is rendered into segments, encoded, decoded by one session a sample
 * and, with more than one sample, put to a vote. A sample's text depends on the
 * request, its seed and the sample's number alone, not on how many samples
 * there are or on what else is running. */
#ifndef REASON_ASK_H
#define REASON_ASK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "decode/engine.h"
#include "reason/chat.h"
#include "reason/render.h"

/* -------------------------------------------------------------------- effort */

/* On every model effort is a budget of tokens, kept by the decoder, so it has an
 * effect on those whose template knows no effort and those that would think for
 * ever: none 0, minimal 64, low 256, medium 1024 (the default), high 4096, xhigh
 * 16384. The word problems of grade school take a few hundred tokens of thought,
 * those of competitions some thousands. */

const char *effort_name(effort e);               /* "none", "minimal", ... */
bool effort_parse(const char *name, effort *out);
int effort_budget(effort e);                     /* thinking tokens */

/* ------------------------------------------------------------------ reasoner */

typedef struct reasoner reasoner;

typedef struct reasoner_options {
    int n_thread;            /* 0: all processors */
    int type;                /* dtype to convert the weights to, or MODEL_KEEP_TYPES */
    engine_options engine;
} reasoner_options;

reasoner_options reasoner_defaults(void);

/* Load a model by path, the tokenizer beside the weights. On OK *out is the
 * caller's, to be released with reasoner_close. *warning is NULL or a line for
 * the user (an unknown chat template, an unknown splitter), borrowed until
 * then. Errors are those of the files, E_LIMIT when the pages do not fit, and
 * E_ARG for a thread count out of range. */
status reasoner_open(reasoner **out, const char *path, const reasoner_options *options,
                     const char **warning, errtext *err);
void reasoner_close(reasoner *r);                /* accepts NULL */

engine *reasoner_engine(reasoner *r);
const tokenizer *reasoner_tokenizer(const reasoner *r);
const model *reasoner_model(const reasoner *r);
model *reasoner_model_mutable(reasoner *r);      /* for a trainer, between two passes */
pool *reasoner_pool(reasoner *r);
render_family reasoner_family(const reasoner *r);
int reasoner_threads(const reasoner *r);

/* ------------------------------------------------------------------- request */

#define ASK_BUDGET_BY_EFFORT (-1)
#define ASK_MAX_SAMPLES 1024
#define ASK_MAX_TOKENS (1 << 24)
#define ASK_MAX_WAIT 1000
#define ASK_ANSWER_TOKENS 4096   /* room for the answer when max_tokens is 0 */

typedef struct ask_request {
    const chat *chat;        /* borrowed until ask_start returns */
    effort effort;
    int budget;              /* thinking tokens, 0: does not think; or
                              * ASK_BUDGET_BY_EFFORT. Wins over effort */
    int min_think;           /* thinking tokens before the closer is allowed; may
                              * raise the effort's budget, not an explicit one */
    int max_wait;            /* times "Wait" is put in place of an early closer */
    int max_tokens;          /* thinking and answer together; 0: the budget and
                              * ASK_ANSWER_TOKENS. Of these (or of what the context
                              * leaves) a quarter, at most 1024, is kept for the
                              * answer: thinking ends before it */
    int samples;             /* 1 or more */
    uint64_t stream;         /* sample i draws from stream + i of the seed */
    sampler_options sampler;
    const grammar *answer_grammar;   /* what the answer has to look like; of a sample
                              * that ended with FINISH_STOP it does. Borrowed until
                              * the end, NULL: anything. Not with continue_last */
    const grammar *call_grammar;     /* of each tool call's span, as in engine.h */
    bool calculator;         /* results of marks <<EXPRESSION= are calculated, not
                              * drawn (decode/calculator.h); off */
    const char *const *stop; /* [n_stop] strings that end the answer */
    int n_stop;
    bool continue_last;      /* go on with a last message of the assistant's */
    uint64_t tenant;
    render_date date;
    const volatile sig_atomic_t *cancel;     /* non-zero ends it between two passes;
                              * or NULL. Borrowed until the end */
} ask_request;

/* Effort medium, one sample, the family's sampling, seed 0. */
ask_request ask_defaults(const reasoner *r, const chat *c);

/* How a family is best sampled, by what its makers publish; votes need answers
 * that differ, so with several samples the temperature is at least 0.6. */
sampler_options ask_sampler(render_family f, bool thinking, int samples);

/* -------------------------------------------------------------------- events */

typedef enum ask_kind {
    ASK_REASONING,           /* a piece of thinking; len may be 0 */
    ASK_ANSWER,              /* a piece of the answer; len may be 0 */
    ASK_CALL,                /* a tool call */
    ASK_END,                 /* a sample has ended */
} ask_kind;

typedef struct ask_event {
    ask_kind kind;
    int sample;              /* which sample */
    int n_token;             /* generated by this sample so far */
    int n_reasoning;         /* of these, thoughts and their marks */
    const char *text;        /* UTF-8 of whole characters, borrowed for the call */
    size_t len;
    const chat_call *call;   /* ASK_CALL */
    const sample *token;     /* a drawn token, if log-probs were asked for; its
                              * text may come in a later event */
} ask_event;

/* Return false to stop the request (its samples end as cancelled). */
typedef bool ask_fn(void *arg, const ask_event *event);

/* -------------------------------------------------------------------- answer */

/* Tokens. What was generated is all accounted for: completion is reasoning
 * plus answer. */
typedef struct ask_usage {
    int prompt;
    int cached;              /* of the prompt, taken from shared pages */
    int reasoning;           /* thoughts and their marks */
    int answer;              /* answer, tool calls, the end of the turn */
    int completion;
} ask_usage;

typedef struct ask_sample {
    char *reasoning;         /* what the events held, joined; NUL-terminated */
    size_t reasoning_len;
    char *text;
    size_t text_len;
    chat_call *calls;        /* parsed; a call that is none stands in text */
    int n_call;
    char *final;             /* extracted final answer, normalised; NULL when there
                              * is none or the answer was cut off */
    finish_reason finish;
    char *error;             /* why, for FINISH_ERROR; else NULL */
    ask_usage usage;
    phase_report report;     /* .closed_by, .starved and all counts */
    double first_token_s;    /* from the start of the request */
} ask_sample;

typedef struct ask_vote {
    const char *final;       /* borrowed from a sample */
    int count;
    int sample;              /* the first that said so */
} ask_vote;

typedef struct ask_answer {
    ask_sample *samples;
    int n_sample;
    ask_vote *votes;         /* most votes first; ties: lowest sample first */
    int n_vote;              /* 0: no sample has a final answer */
    int chosen;              /* sample that stands for the answer */
    ask_usage usage;         /* prompt counted once, the rest summed */
    double first_token_s;    /* of the sample that was first */
    double total_s;
} ask_answer;

void ask_answer_fini(ask_answer *a);             /* accepts a zeroed answer */

/* Run a request to its end. on_event may be NULL. On OK *out is the caller's,
 * to be released with ask_answer_fini; a cancelled request is OK, too, with
 * what was written until then. E_ARG names a field out of range, E_LIMIT says
 * by how much the prompt exceeds the context; errors of render_chat. */
status ask_run(reasoner *r, const ask_request *request, ask_fn *on_event, void *arg,
               ask_answer *out, errtext *err);

/* The same in steps, for a server that runs many requests at once: start each,
 * then alternate engine_step with an ask_poll of every job. */
typedef struct ask_job ask_job;

status ask_start(ask_job **out, reasoner *r, const ask_request *request, ask_fn *on_event,
                 void *arg, errtext *err);
bool ask_poll(ask_job *j);                       /* true once all samples have ended */
void ask_cancel(ask_job *j);                     /* ends them at the next step */
void ask_take(ask_job *j, ask_answer *out);      /* after ask_poll said true; once */
void ask_free(ask_job *j);                       /* at any time; accepts NULL */

/* The session of a sample, for whoever needs its ids. Borrowed from the job. */
const session *ask_session(const ask_job *j, int i_sample);

/* The final answer inside an answer's text, for voting: the last complete
 * \boxed{...}, else what follows the last "#### ", else what follows the last
 * "answer is" or "answer:", else the last number, else the whole text when it
 * is one short line. Normalised: trimmed, trailing full stop, enclosing $,
 * emphasis and thousands separators removed, numbers without needless zeros,
 * lower case. NULL when there is none. The caller frees it with mem_free. */
char *ask_extract_final(const char *text, size_t len);

#endif
