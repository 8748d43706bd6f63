/* pairs.h - rows of preference data, two answers to one conversation.
 *
 * {"input": {"messages": [...], "tools": [...]}, "preferred_output": [message],
 *  "non_preferred_output": [message]}; the order is shuffled anew every epoch. */
#ifndef TRAIN_PAIRS_H
#define TRAIN_PAIRS_H

#include "base/status.h"
#include "train/job.h"
#include "train/sequence.h"

typedef struct pairs pairs;

status pairs_open(pairs **out, const job *j, errtext *err);
void pairs_close(pairs *p);                      /* accepts NULL */
int64_t pairs_count(const pairs *p);

/* Pair number *cursor, which moves on: the preferred answer first. Both are the
 * caller's. */
status pairs_next(pairs *p, reasoner *r, int64_t *cursor, sequence out[2], errtext *err);

#endif
