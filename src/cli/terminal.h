/* terminal.h - a stream that may be a terminal: colour, live lines, and text
 * that cannot take the terminal over. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct terminal {
    FILE *file;
    bool tty;                /* can redraw a line */
    bool colour;             /* tty, and NO_COLOR (no-color.org) is not set */
    bool dim;                /* dimmed now */
    bool mid_line;           /* the cursor is not at the start of a line */
    bool live;               /* a live line stands */
} terminal;

void terminal_init(terminal *t, FILE *file);

/* Text of a model: what goes to a terminal is stripped of its control
 * characters, for a model may have read an escape sequence somewhere. */
void terminal_text(terminal *t, const char *text, size_t len);

/* Text of ours. */
void terminal_print(terminal *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void terminal_dim(terminal *t, bool on);         /* nothing without colour */
void terminal_end_line(terminal *t);             /* newline, unless at the start of one */

/* A line that the next one, or any other output, replaces. Nothing when the
 * stream is not a terminal. */
void terminal_live(terminal *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void terminal_live_end(terminal *t);
int terminal_width(const terminal *t);           /* columns; 80 when unknown */

#endif
