/* examples.h - supervised examples one after another, from a mixture or a file.
 *
 * Rows of a file hold {"messages": [...]} as in the fine-tuning API; each
 * assistant's message whose weight is not 0 is one example, its thinking taken
 * from reasoning_content. The order of a file is shuffled anew every epoch, by
 * the job's seed. */
#ifndef TRAIN_EXAMPLES_H
#define TRAIN_EXAMPLES_H

#include "base/status.h"
#include "train/job.h"
#include "train/sequence.h"

typedef struct examples examples;

status examples_open(examples **out, const job *j, errtext *err);
void examples_close(examples *e);                /* accepts NULL */

/* Examples in an epoch; 0: no end (a mixture). */
int64_t examples_count(const examples *e);

/* Example number *cursor, which moves on; *out is the caller's. */
status examples_next(examples *e, reasoner *r, int64_t *cursor, sequence *out, errtext *err);

/* A problem of a mixture with its worked trace, as one example. */
status example_of(reasoner *r, const drawn *d, int max_ids, sequence *out, errtext *err);

#endif
