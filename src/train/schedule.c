/* schedule.c - the learning rate as a pure function of the step. */
#include "train/schedule.h"

#include <math.h>
#include <string.h>

static const char *const names[] = { "constant", "cosine", "linear" };

double schedule_rate(const schedule *s, int64_t step)
{
    int64_t last = s->n_step - 1;
    double done, share;

    if (step < s->n_warm) return s->peak * (double)(step + 1) / (double)s->n_warm;
    if (s->kind == SCHEDULE_CONSTANT || step == s->n_warm) return s->peak;
    if (step >= last) return s->peak * s->floor;
    done = (double)(step - s->n_warm) / (double)(last - s->n_warm);
    share = s->kind == SCHEDULE_LINEAR ? 1 - done : (1 + cos(M_PI * done)) / 2;
    return s->peak * (s->floor + (1 - s->floor) * share);
}

status schedule_check(const schedule *s, errtext *err)
{
    if (s->kind < SCHEDULE_CONSTANT || s->kind > SCHEDULE_LINEAR)
        return fail(err, E_ARG, "schedule: kind %d is none", (int)s->kind);
    if (!isfinite(s->peak) || s->peak < 0)
        return fail(err, E_ARG, "schedule: peak %g is not a finite rate of at least 0", s->peak);
    if (!(s->floor >= 0 && s->floor <= 1))
        return fail(err, E_ARG, "schedule: floor %g is outside 0 to 1", s->floor);
    if (s->n_step < 1)
        return fail(err, E_ARG, "schedule: %lld steps, at least 1 is needed",
                    (long long)s->n_step);
    if (s->n_warm < 0 || s->n_warm > s->n_step)
        return fail(err, E_ARG, "schedule: %lld steps of warm-up in %lld steps",
                    (long long)s->n_warm, (long long)s->n_step);
    return OK;
}

status schedule_parse(schedule_kind *out, const char *name, errtext *err)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i])) continue;
        *out = (schedule_kind)i;
        return OK;
    }
    return fail(err, E_ARG, "schedule \"%.40s\": expected constant, cosine or linear", name);
}

const char *schedule_name(schedule_kind kind)
{
    return names[kind];
}
