/* dataset.h - training and evaluation data: one JSON object a line.
 *
 * A file is read once and checked as a whole when it is opened, so that a fault
 * in line 6,000 shows before anything is spent; rows are then parsed again one
 * at a time, on demand. */
#ifndef TASKS_DATASET_H
#define TASKS_DATASET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define DATASET_MAX_BYTES ((size_t)512 << 20)
#define DATASET_MAX_ROW_BYTES ((size_t)8 << 20)
#define DATASET_MAX_ROWS 1000000

/* What a row has to look like. */
typedef enum dataset_kind {
    DATASET_ANY,         /* an object */
    DATASET_RFT,         /* messages, the last from a user; the rest is for graders */
    DATASET_SFT,         /* messages, one at least from the assistant */
    DATASET_DPO,         /* input.messages, preferred_output, non_preferred_output */
    DATASET_EVAL,        /* item: an object */
} dataset_kind;

typedef struct dataset dataset;

/* Read and check a file. max_rows 0 means DATASET_MAX_ROWS. A byte order mark
 * and CRLF are accepted, blank lines passed over. The caller owns *out.
 *
 * E_IO when it cannot be read; E_FORMAT with path, line and byte offset for
 * what is not UTF-8, not JSON, not an object or not of the kind, and for a file
 * without rows; E_LIMIT for a file, a row or a number of rows too large. */
status dataset_open(dataset **out, const char *path, dataset_kind kind, int max_rows,
                    errtext *err);

/* The same for text in memory, copied; name stands for the path in messages. */
status dataset_parse(dataset **out, const char *text, size_t len, const char *name,
                     dataset_kind kind, int max_rows, errtext *err);
void dataset_close(dataset *d);                  /* accepts NULL */

int dataset_rows(const dataset *d);

/* Row i, borrowed until the next call of dataset_row or dataset_item for this
 * data set; json_incref keeps it longer. For one thread at a time. */
const json_t *dataset_row(dataset *d, int i);

/* What {{ item }} is for row i: the row, or its item where rows are wrapped.
 * Borrowed like dataset_row. */
const json_t *dataset_item(dataset *d, int i);

/* The line as it stands in the file, without its end; borrowed until close. */
const char *dataset_text(const dataset *d, int i, size_t *len);
int dataset_line(const dataset *d, int i);       /* from 1 */

/* The first row with the same content as row i, whatever the order of its keys
 * and its spaces; i itself when there is none before it. */
int dataset_first_equal(const dataset *d, int i);
int dataset_duplicates(const dataset *d);        /* rows that have such a row */

/* How many rows of a are in b as well: training data in the validation file.
 * *example (may be NULL) is the first such row of a. */
int dataset_overlap(const dataset *a, const dataset *b, int *example);

#endif
