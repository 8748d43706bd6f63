/* merge.h - an adapter worked into the weights it was trained on.
 *
 * The result is a model file like any other: it can be asked, evaluated and
 * trained further by whoever knows nothing of adapters. */
#ifndef TRAIN_MERGE_H
#define TRAIN_MERGE_H

#include "base/pool.h"
#include "model/backward.h"

/* Write w + alpha / rank * B A as a GGUF with matrices of `type`. adapters was
 * made with LoRA on a model of w and o; nothing of it changes. Takes memory for
 * two copies of all values in f32. Errors as trainable_write's; nothing is left
 * then. */
status merge_write(trainable *adapters, const trainable_options *o, const weights *w,
                   dtype type, const char *path, pool *threads, errtext *err);

#endif
