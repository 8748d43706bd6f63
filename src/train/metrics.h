/* metrics.h - one JSON object a line, one line an event of the run.
 *
 * Every row has an integer "step". A row is added by one write, so a crash can
 * tear only the last line; opening for a resumed run drops that line and every
 * row after the resumed step: the file holds each step once. */
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct metrics metrics;

/* Open for appending, made when missing. Rows whose step is above last_step
 * (-1: all rows) are cut off first. With sync every row is put on disk before
 * metrics_add returns. E_FORMAT names a line that is no row though kept rows
 * follow it: then nothing is changed. On OK *out is the caller's. */
status metrics_open(metrics **out, const char *path, int64_t last_step, bool sync,
                    errtext *err);
void metrics_close(metrics *m);                  /* accepts NULL */

/* row is borrowed: an object with an integer "step" of at least 0 (E_ARG). After
 * E_IO the file ends with the row before. */
status metrics_add(metrics *m, const json_t *row, errtext *err);

/* Put all rows on disk; before a checkpoint is written, say. */
status metrics_sync(metrics *m, errtext *err);

/* All whole rows of a file as a JSON array, the caller's (json_decref). A torn
 * last line is left out, another bad line is E_FORMAT with its number. */
status metrics_read(json_t **rows, const char *path, errtext *err);

#endif
