/* tools.h - the tools of a request: read, shown to the model, held to.
 *
 * A function is a function; a custom tool is shown to the model as a function of
 * one text and turned back when it is called. Whatever the choice, the tokens of
 * a call are masked so that its name is one that may be called now and, as far as
 * the tool's schema can be kept to, its arguments follow it:
 *
 *   none          the definitions are left out of the prompt
 *   auto          calls are masked, the answer is free
 *   required      the answer itself is masked to be a call, in every family
 *   one by name   as required, with that tool alone
 *   allowed       as auto or required, with these tools alone */
#ifndef SERVE_TOOLS_H
#define SERVE_TOOLS_H

#include <jansson.h>
#include <stdbool.h>

#include "decode/grammar.h"
#include "reason/ask.h"
#include "serve/errors.h"

#define TOOLS_MAX 128

typedef enum tool_choice { CHOICE_NONE, CHOICE_AUTO, CHOICE_REQUIRED } tool_choice;

typedef struct tool {
    const char *name;        /* borrowed from the request */
    const char *description; /* or NULL */
    json_t *schema;          /* of the arguments, as shown to the model */
    json_t *mask;            /* the same, or what of it can be kept to */
    bool custom;
    bool strict;
    bool allowed;            /* may be called in this request */
    char path[64];           /* "tools[3].function" */
} tool;

/* The dialects of the two APIs: {"type": "function", "function": {"name": ...}} and
 * {"type": "function", "name": ...}. */
typedef enum tool_dialect { TOOLS_NESTED, TOOLS_FLAT } tool_dialect;

typedef struct tool_set {
    tool *items;
    int n;
    tool_choice choice;
    bool parallel;           /* more than one call at once */
    bool legacy;             /* asked by `functions`: answered by function_call */
} tool_set;

/* Read tools, tool_choice, parallel_tool_calls and, nested, functions and
 * function_call. Strings are borrowed from the request. */
bool tools_read(tool_set *t, const json_t *request, tool_dialect dialect, api_error *e);
void tools_fini(tool_set *t);                    /* accepts a zeroed set */

/* Put the definitions into the chat and make the grammars (NULL: none needed).
 * *answer may hold the form that is asked of the answer: a required call takes its
 * place, and otherwise it stays. */
bool tools_apply(const tool_set *t, const reasoner *r, chat *c, grammar **answer,
                 grammar **call, api_error *e);

const tool *tools_find(const tool_set *t, const char *name);     /* or NULL */

/* The text a custom tool was called with, out of the arguments; malloc'd by
 * mem_new. */
char *tool_input(const char *arguments);

#endif
