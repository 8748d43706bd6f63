/* render.h - a conversation becomes a prompt, the way its model was taught.
 *
 * Every family has a template of its own, written here by hand instead of run
 * from the model's Jinja text: a template that runs joins its own marks and the
 * user's text into one string, after which nobody can tell them apart. Here the
 * marks are trusted segments and everything that came from users, tools, files
 * and history is plain (invariant 2), while the joined text equals the
 * reference template's output byte for byte (tests/reason/test_render.c).
 *
 * Where a template has no place for something a chat holds (tools for SmolLM2,
 * thinking for Llama), it is put into the system part in words of ours; where
 * the rules differ from the reference, the family's source says so. */
#ifndef REASON_RENDER_H
#define REASON_RENDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "reason/chat.h"
#include "token/segment.h"
#include "token/tokenizer.h"

typedef enum render_family {
    RENDER_CHATML,           /* <|im_start|>ROLE\n...<|im_end|>\n and nothing else */
    RENDER_SMOLLM2,          /* ChatML with a default system prompt */
    RENDER_QWEN25,
    RENDER_QWEN3,            /* hybrid: thinks unless told not to */
    RENDER_QWEN3_INSTRUCT,   /* the 2507 release without thinking */
    RENDER_QWEN3_THINKING,   /* the 2507 release that always thinks */
    RENDER_SMOLLM3,          /* as released: date line, tools as Python dicts */
    RENDER_SMOLLM3_EDIT,     /* the widely copied edit: no date, no tools */
    RENDER_LLAMA3,           /* 3.0: no system prompt of its own, no tools */
    RENDER_LLAMA31,          /* 3.1, 3.2 and 3.3 */
    RENDER_R1,               /* DeepSeek-R1 and its distills */
    RENDER_NANO,             /* trained by this program from nothing */
} render_family;

#define RENDER_N_FAMILY (RENDER_NANO + 1)

/* A calendar day, for templates that state it. year 0: none given; Llama then
 * writes its own default and SmolLM3 leaves the line out. */
typedef struct render_date {
    int year, month, day;        /* month and day from 1 */
} render_date;

/* How long a model may think (ask.h says how many tokens). Only the templates of
 * models that were taught to scale their thinking write it down. */
typedef enum effort {
    EFFORT_NONE,             /* does not think; where thinking is on: unsaid */
    EFFORT_MINIMAL,
    EFFORT_LOW,
    EFFORT_MEDIUM,
    EFFORT_HIGH,
    EFFORT_XHIGH,
} effort;

#define EFFORT_N (EFFORT_XHIGH + 1)

typedef struct render_options {
    bool thinking;
    effort effort;               /* of the thinking */
    bool add_generation_prompt;  /* end with the opening of an assistant turn */
    bool continue_last;          /* the last message is an assistant's, cut off:
                                  * leave its turn open. With reasoning and no
                                  * content, its thinking is left open. Wins over
                                  * add_generation_prompt */
    render_date date;
} render_options;

/* How the prompt left the model. */
typedef struct render_info {
    bool thinking;               /* thinking is on; a system prompt of SmolLM3
                                  * can turn it on or off by itself */
    bool think_open;             /* the prompt ends inside thinking */
} render_info;

/* Append the prompt for a chat to out.
 *
 * E_ARG: no messages, or continue_last on something else than an assistant's
 * text. E_FORMAT: a tool definition that is not JSON, with its number and the
 * offset. Arguments in history that are not JSON are written as a string. On
 * failure out may hold a part. info may be NULL. */
status render_chat(render_family f, const chat *c, const render_options *options,
                   segments *out, render_info *info, errtext *err);

/* Family by the marks in a model's chat template (NULL when it has none), then
 * by the special tokens its tokenizer knows (t may be NULL). *warning is NULL
 * or a line for the user: the template is unknown and ChatML stands in, or the
 * tokenizer lacks the marks. Static text. */
/* The template a RENDER_NANO model carries, for programs that run Jinja. */
extern const char nano_template[];

render_family render_recognise(const char *chat_template, const tokenizer *t,
                               const char **warning);
const char *render_family_name(render_family f);

/* How a family marks its thinking. The texts are encoded as trusted.
 *
 * Where native is false the model never learned the marks: render_chat states
 * them in the system part and opens the thinking itself, and the marks are
 * ordinary tokens, which merge with what stands beside them. close_forms lists
 * the spellings whose ids are worth watching for, each ending the thinking;
 * text after "</think>" in them belongs to the closer. */
typedef struct think_style {
    bool native;
    bool preopened;              /* the generation prompt opens it */
    const char *open;            /* as the model writes it: "<think>" */
    const char *close;           /* "</think>" */
    const char *open_forced;     /* written by us to open: "<think>\n" */
    const char *close_forced;    /* written by us at the end of a budget */
    const char *const *close_forms;  /* ends with NULL; the first is close */
} think_style;

const think_style *render_think_style(render_family f);

/* How a family writes a tool call. */
typedef struct call_style {
    const char *open;            /* starts a span; encoded as trusted */
    const char *close;           /* ends it, NULL: the end of the turn does */
    bool bare;                   /* a reply that is a JSON object is a call too */
    const char *arguments;       /* key of the arguments: "arguments" */
} call_style;

const call_style *render_call_style(render_family f);

/* Calls in the text of a finished span, with or without its opener and closer:
 * JSON objects with a name and arguments (or parameters), one after another or
 * in a list, in any family's tags, or R1's fenced form. Arguments are kept as
 * the model wrote them.
 *
 * Returns how many were stored, names and arguments owned by the caller
 * (chat_call_fini), ids NULL. 0 when the span as a whole is not well formed or
 * holds more than max_call: the text is then shown as it is. */
int render_parse_calls(const char *text, size_t len, chat_call *calls, int max_call);

#endif
