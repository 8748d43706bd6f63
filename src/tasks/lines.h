/* lines.h - reading the lines of a trace, for step checkers.
 *
 * The text comes from a model: a reader never goes past its end, and numbers have
 * at most six digits. */
#ifndef TASKS_LINES_H
#define TASKS_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "tasks/problem.h"

typedef struct cursor {
    const char *s, *end;
} cursor;

/* Take the next line off text, without its newline; false at the end. */
bool cursor_line(cursor *text, cursor *line);
bool cursor_char(cursor *c, char ch);            /* take it if it is next */
bool cursor_text(cursor *c, const char *text);   /* take it if it is next */
bool cursor_number(cursor *c, int *out);         /* digits only, at most six */
bool cursor_is(const cursor *c, const char *text);   /* nothing but this */

/* Judge line i of a pass: add to n_step and n_true of out, and return false when the
 * line is not of the grammar. *end is set by the line that ends the pass. */
typedef bool line_fn(void *arg, int i_line, cursor line, trace_check *out, bool *end);

/* Check a trace worked once, or twice with the line "check" between. */
void passes_check(const char *think, size_t len, line_fn *fn, void *arg, trace_check *out);

/* Write a pass, and at high effort the line "check" and the pass again. Takes pass;
 * the result is the caller's. */
char *passes_write(char *pass, trace_effort effort);

#endif
