/* schedule.h - the learning rate as a pure function of the step. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include <stdint.h>

#include "base/status.h"

typedef enum schedule_kind {
    SCHEDULE_CONSTANT,
    SCHEDULE_COSINE,         /* half a cosine from peak to floor (Loshchilov and Hutter 2017) */
    SCHEDULE_LINEAR,         /* a straight line from peak to floor */
} schedule_kind;

typedef struct schedule {
    schedule_kind kind;
    double peak;             /* rate after the warm-up */
    double floor;            /* rate from step n_step - 1 on, as a share of peak: 0 .. 1 */
    int64_t n_warm;          /* steps of warm-up, a straight line from peak/n_warm to peak */
    int64_t n_step;          /* steps in all, warm-up included */
} schedule;

/* Rate of step 0, 1, ...: peak * (step + 1) / n_warm in the warm-up, then by
 * kind; peak at step n_warm, peak * floor at n_step - 1 (unless that is n_warm) and after. */
double schedule_rate(const schedule *s, int64_t step);

/* E_ARG naming the field out of range. */
status schedule_check(const schedule *s, errtext *err);

/* "constant", "cosine" or "linear"; E_ARG names any other. */
status schedule_parse(schedule_kind *out, const char *name, errtext *err);
const char *schedule_name(schedule_kind kind);

#endif
