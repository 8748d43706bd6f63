/* line.h - lines from a person: edited and remembered on a terminal, plain
 * otherwise. */
#ifndef CLI_LINE_H
#define CLI_LINE_H

#include <stdbool.h>

#include "base/bytes.h"

typedef struct line_reader line_reader;

/* The history is kept in the file of that path; NULL keeps none. */
line_reader *line_reader_new(const char *history_path);
void line_reader_free(line_reader *r);           /* accepts NULL */

bool line_reader_terminal(const line_reader *r);

typedef enum line_end {
    LINE_READ,               /* *out holds a line, without its newline */
    LINE_DROPPED,            /* Ctrl-C: what was typed is gone */
    LINE_EOF,
} line_end;

/* One line; the prompt is shown on a terminal only. */
line_end line_read(line_reader *r, const char *prompt, bytes *out);

/* Remember a line for the arrow keys and, on disk, for the next time. */
void line_remember(line_reader *r, const char *text);

#endif
