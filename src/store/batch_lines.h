/* batch_lines.h - a batch, line by line.
 *
 * Each line of the input has a row: where it lies in the input file and, once,
 * its result. A batch that goes on after a crash asks for the lines without a
 * result; none is lost and none counted twice. */
#ifndef STORE_BATCH_LINES_H
#define STORE_BATCH_LINES_H

#include "store/object.h"

typedef enum store_line_state {
    STORE_LINE_WAITING,
    STORE_LINE_DONE,
    STORE_LINE_FAILED,
} store_line_state;

typedef struct store_line {
    int64_t line;            /* number in the input file, from 1 */
    const char *custom_id;
    int64_t offset;          /* of the line in the input file, in bytes */
    int64_t bytes;
    store_line_state state;
    const char *result;      /* JSON line of the output or error file; NULL while
                              * waiting */
} store_line;

typedef struct store_lines {
    store_line *at;
    int n;
    void *owned;
} store_lines;

void store_lines_fini(store_lines *l);

typedef struct store_line_counts {
    int64_t total, done, failed;
} store_line_counts;

/* Add lines to a batch. Lines that are there already are left as they are, so
 * that reading the input again after a crash does no harm. E_ARG names a
 * custom_id that another line has. */
status store_lines_add(store *s, const store_claim *claim, const char *tenant, const char *id,
                       const store_line *lines, int n, errtext *err);

/* Set the result of a line that waits. *changed is false when it has one, which
 * stays. E_INTERRUPTED when the claim is lost or the batch is final; E_ARG when
 * there is no such line. */
status store_line_finish(store *s, const store_claim *claim, const char *tenant,
                         const char *id, int64_t line, store_line_state state,
                         const char *result, bool *changed, errtext *err);

/* Up to `limit` lines in this state with numbers above `after`, in order. */
status store_lines_list(store *s, const char *tenant, const char *id, store_line_state state,
                        int64_t after, int limit, store_lines *out, errtext *err);

status store_lines_count(store *s, const char *tenant, const char *id,
                         store_line_counts *out, errtext *err);

#endif
