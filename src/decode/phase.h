/* phase.h - thinking, answering, calling a tool: where a sequence stands.
 *
 * One machine per sequence, moved by token ids alone (invariant 3). Whoever
 * decodes asks phase_before what the next token may be, takes one, and tells
 * phase_accept, which says what part of it is shown and where. Text already
 * produced is never read again.
 *
 *          opener                     closer
 *   ANSWER --------> THINK           THINK --------> ANSWER
 *   ANSWER, THINK --- tool opener ---> TOOL --- tool closer ---> back
 *   any --- end of turn, length, a loop, phase_end ---> DONE
 *
 * Markers. A native style has its markers as tokens: the id acts, wherever it
 * comes, and the same characters spelt out in other tokens are prose. A style
 * without native thinking spells its markers out; those are matched by their
 * bytes, however they are cut into tokens, and only where they can be meant:
 *   think closer   anywhere in THINK; in ANSWER before the first visible
 *                  character after a closer (a repeated one, which is dropped)
 *   think opener   at the start of a line of ANSWER; in THINK before its first
 *                  visible character (a repeated one, dropped)
 *   tool opener    anywhere in ANSWER, never in THINK: a thought about tool
 *                  syntax is not a call. (A native tool id in THINK is one, and
 *                  thinking goes on after it.)
 *   tool closer    anywhere in TOOL
 * In an answer that a grammar governs, byte markers are not looked for.
 *
 * What is shown. Markers never are. White space at the start of a thought and
 * of an answer is dropped, where the style knows thinking, and after a call.
 * Bytes that may turn out to belong to a marker are held back until that is
 * known. A call's span, markers excluded, is handed over whole at its end.
 *
 * What is counted. A token belongs where its first byte stands; markers,
 * forced or not, are counted apart, and the counts add up to the tokens
 * generated. The API's reasoning_tokens are `think` plus `marker`.
 *
 * Closing by force. Thinking is closed when its budget is spent, when only the
 * answer's reserve is left of max_tokens, when it goes in circles, when the
 * model ends its turn without an answer, or on request. The closer is written
 * token by token in place of sampled ones, never inside a tool call, and never
 * inside a UTF-8 character unless three more tokens did not complete it. A
 * closer that the model was in the middle of spelling is swallowed. */
#ifndef DECODE_PHASE_H
#define DECODE_PHASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "decode/marker.h"
#include "token/tokenizer.h"

/* ------------------------------------------------------------------- style */

#define PHASE_MAX_IDS 64         /* tokens of a forced sequence; end tokens */

typedef struct id_list {
    const int32_t *ids;
    int n;
} id_list;

/* How one model family writes its phases. All pointers are borrowed for the
 * length of phase_style_new only. */
typedef struct phase_spec {
    int n_vocab;
    token_bytes_fn *bytes;       /* what a token prints; phase_accept is given the
                                  * same */
    const void *bytes_arg;
    marker_spec think_open;      /* both or neither */
    marker_spec think_close;
    marker_spec tool_open;       /* a style may lack tool_close: */
    marker_spec tool_close;      /* its calls end with the turn */
    id_list force_close;         /* writes the closer, perhaps after a sentence of
                                  * its own; nothing of it is shown. Needed with
                                  * think_close unless that is native */
    id_list force_open;          /* writes the opener, when it is not native */
    id_list wait;                /* said instead of closing, "Wait"; may be empty */
    id_list end;                 /* tokens that end the turn */
} phase_spec;

/* Immutable; shared by all sequences of a model. */
typedef struct phase_style phase_style;

/* E_ARG names the field at fault. Released by phase_style_free. */
status phase_style_new(phase_style **out, const phase_spec *spec, errtext *err);
void phase_style_free(phase_style *s);           /* accepts NULL */

bool phase_style_thinks(const phase_style *s);   /* has think markers */
int phase_style_close_len(const phase_style *s); /* tokens of a forced closer */

/* ----------------------------------------------------------------- options */

typedef enum phase_kind {
    PHASE_THINK,
    PHASE_ANSWER,
    PHASE_TOOL,
    PHASE_DONE,
} phase_kind;

/* Where a prompt leaves off: THINK when its last native opener is followed by
 * neither closer nor end of turn. A byte style's prompt always gives ANSWER:
 * its renderer knows what it wrote. */
phase_kind phase_from_prompt(const phase_style *s, const int32_t *ids, int n_id);

#define PHASE_LOOP_THINK 256     /* default loop limits, see loop.h; an answer */
#define PHASE_LOOP_ANSWER 1024   /* may be a grid of zeros on purpose */

typedef struct phase_options {
    phase_kind start;            /* THINK when the prompt has opened it */
    int max_tokens;              /* of everything generated, at least 1 */
    int think_budget;            /* tokens of thought; -1: no bound of its own */
    int think_min;               /* before that, neither closer nor end of turn */
    int answer_reserve;          /* tokens of max_tokens kept for the answer */
    int max_wait;                /* how often closing is answered with `wait` */
    bool end_closes;             /* an end of turn in THINK closes thinking, so that
                                  * an answer follows; false: it ends the turn */
    bool tools;                  /* calls are recognised */
    int max_calls;               /* done after so many; 0: no bound */
    bool constrained;            /* a grammar governs the answer */
    bool constrained_calls;      /* and one the calls */
    int loop_think;              /* limit for loop_add; 0: off */
    int loop_answer;             /* also within a call */
} phase_options;

/* Start in ANSWER, no budget, end_closes, the default loop limits, all else
 * off. */
phase_options phase_defaults(int max_tokens);

/* Every field in range for this style, or E_ARG naming it. */
status phase_check(const phase_options *o, const phase_style *s, errtext *err);

/* ----------------------------------------------------------------- machine */

typedef struct phase phase;

/* The style is borrowed for the phase's life, the options are copied and have
 * passed phase_check. */
phase *phase_new(const phase_style *s, const phase_options *o);
phase *phase_copy(const phase *p);               /* a fork; both sides own one */
void phase_free(phase *p);                       /* accepts NULL */

phase_kind phase_current(const phase *p);

/* What holds for the next token; borrowed until the next call. Asking twice
 * changes nothing. p is not DONE. */
typedef struct phase_step {
    const int32_t *forced;       /* [n_forced] these come next, in this order and */
    int n_forced;                /* without sampling; 0: sample */
    const int32_t *banned;       /* [n_banned] not these */
    int n_banned;
} phase_step;

phase_step phase_before(phase *p);

/* Whether a token acts here instead of being text: an end of turn, a native
 * marker. */
bool phase_acts(const phase *p, int32_t id);

/* In an answer or a call that a grammar governs: of the tokens that act, clear
 * the bits of all but those that may come now (bit id % 64 of word id / 64).
 * begun: some text was written; complete: it may end here. */
void phase_mask(const phase *p, bool begun, bool complete, uint64_t *allowed);

typedef enum phase_channel {
    CHANNEL_REASONING,
    CHANNEL_ANSWER,
    CHANNEL_TOOL,                /* one whole call */
} phase_channel;

typedef struct phase_piece {
    phase_channel channel;
    const char *data;            /* may begin or end inside a character */
    size_t len;
    bool complete;               /* of a call: it ended by itself */
} phase_piece;

/* In the order they were written; borrowed until the next call. */
typedef struct phase_output {
    const phase_piece *pieces;
    int n;
} phase_output;

/* Take one token; text is what it prints (nothing for a control token), and a
 * forced token is the one phase_before named.
 *
 * Returns false when the token is refused: it is not part of the sequence,
 * nothing became visible, and phase_before now forces something else in its
 * place (or bans it). Otherwise *out is what became visible. */
bool phase_accept(phase *p, int32_t id, token_text text, phase_output *out);

/* Have n tokens of text (at most PHASE_MAX_IDS) written next, as part of the
 * current phase. False, and nothing is done, where they do not fit before
 * thinking has to be closed or max_tokens is reached, where something is being
 * forced already, inside a call and in an answer that a grammar governs. */
bool phase_force(phase *p, const int32_t *text, int n);

/* Close thinking as soon as it may be closed; no effect outside it. */
void phase_close_thinking(phase *p);

typedef enum finish_reason {
    FINISH_NONE,                 /* not DONE yet */
    FINISH_STOP,                 /* end of turn, or a stop string */
    FINISH_LENGTH,               /* max_tokens */
    FINISH_TOOL_CALLS,           /* end of turn, or max_calls, with calls made */
    FINISH_REPETITION,           /* the answer or a call went in circles */
    FINISH_CANCELLED,
    FINISH_ERROR,                /* the model's numbers are not finite */
} finish_reason;

const char *finish_name(finish_reason r);        /* "stop", "tool_calls" */

/* End from outside (a stop string, a cancelled request); what was held back
 * comes out. No effect when DONE. */
void phase_end(phase *p, finish_reason reason, phase_output *out);

/* ------------------------------------------------------------------ report */

typedef enum close_reason {
    CLOSE_NONE,                  /* never closed, or never opened */
    CLOSE_MODEL,                 /* the model wrote the closer */
    CLOSE_BUDGET,                /* think_budget */
    CLOSE_LIMIT,                 /* only answer_reserve was left */
    CLOSE_LOOP,
    CLOSE_END,                   /* the model ended its turn */
    CLOSE_CALLER,                /* phase_close_thinking */
} close_reason;

typedef struct phase_report {
    phase_kind phase;
    finish_reason finish;
    close_reason closed_by;      /* the last time thinking was closed */

    int n_total;                 /* tokens accepted; the sum of the next five */
    int n_think;                 /* thoughts */
    int n_marker;                /* think openers and closers, repeated ones too */
    int n_answer;
    int n_tool;                  /* calls with their markers */
    int n_end;                   /* the token that ended the turn, 0 or 1 */

    int n_forced;                /* of n_total, chosen by us */
    int n_refused;               /* sampled but not accepted, beside n_total */
    int n_span;                  /* times thinking began, the prompt's included */
    int n_call;                  /* calls that ended by themselves */
    int n_wait;                  /* times thinking was prolonged */
    bool starved;                /* LENGTH came before the answer had its reserve
                                  * (or a single token), and thinking had taken some */
} phase_report;

phase_report phase_report_now(const phase *p);

#endif
