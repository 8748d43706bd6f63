/* reference.h - log-probs of the policy a run started from, for a KL term. */
#ifndef TRAIN_REFERENCE_H
#define TRAIN_REFERENCE_H

#include "base/status.h"
#include "model/model.h"
#include "model/weights.h"
#include "train/pack.h"

typedef struct reference reference;

/* A second, frozen model of the weights w (borrowed for the call), of the type
 * that model_new takes, for packs of at most max_row rows. */
status reference_open(reference **out, const weights *w, int type, pool *threads, int max_row,
                      errtext *err);
void reference_close(reference *r);              /* accepts NULL */

/* Log-probs of the pack's targets at a temperature, [n_target]. */
void reference_log_probs(reference *r, pool *threads, const pack *p, float temperature,
                         float *out);

#endif
