/* scope.h - does a question look like the problems of src/tasks?
 *
 * A model made from these problems alone answers anything else with noise, so
 * whoever shows its answers asks here first. The rule knows no sentence by
 * heart: it draws a few hundred problems of every family and learns from their
 * prompts which words a family uses and how many numbers, signs, functions,
 * and words never seen before its prompts hold at least and at most. A question
 * is in scope when it fits one family in all of these. tests/reason/test_scope.c
 * measures both kinds of error. */
#ifndef REASON_SCOPE_H
#define REASON_SCOPE_H

#include <stddef.h>

#include "base/bytes.h"
#include "reason/chat.h"
#include "tasks/problem.h"

typedef struct scope scope;

scope *scope_new(void);                          /* some tens of milliseconds */
void scope_free(scope *s);                       /* accepts NULL */

/* The family a question reads like, or NULL. */
const task *scope_family(const scope *s, const char *text, size_t len);

/* The same of the last thing a user said in a chat, files included; NULL when
 * nobody asked. */
const task *scope_of_chat(const scope *s, const chat *c);

/* What can be asked, in one paragraph without a line end, appended: what every
 * family is about, and examples in the families' own words. */
void scope_explain(bytes *out, const char *model_name);

#endif
