/* validate.h - a run held against its validation file. */
#ifndef TRAIN_VALIDATE_H
#define TRAIN_VALIDATE_H

#include "train/run.h"

/* A row of metrics for the job's validation_file: "valid_loss" of a supervised
 * run, the mean negative log-prob of its completions; "valid_reward" of a
 * reinforced one, the mean over one answer a row at the job's temperature. At
 * most job.eval_problems rows, the first of the file. OK and nothing done when
 * there is no such file or it is not time (run_is_time). */
status validate_file(run *x, bool last, errtext *err);

#endif
