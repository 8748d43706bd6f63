/* strings.h - the 25 string functions f0 to f24, for trainers that say which of
 * them may be composed.
 *
 * What a function does is learnt from examples; no prompt defines it. Twelve are
 * held out of compositions in supervised training, and of these four are never
 * composed in reinforcement learning either. */
#ifndef TASKS_STRINGS_H
#define TASKS_STRINGS_H

#include <stdbool.h>

#include "base/rng.h"

enum {
    STRINGS_N = 25,
    STRINGS_MAX_LEN = 10,        /* letters of any value in a drawn problem */
    STRINGS_MAX_DEPTH = 8,
    STRINGS_OUT = 64,            /* room for what strings_apply writes */
};

/* out = f(in) with a NUL, for 1 to 31 lowercase letters; [STRINGS_OUT]. */
void strings_apply(int f, const char *in, char *out);

bool strings_held_out(int f);    /* of compositions in supervised training */
bool strings_never(int f);       /* never composed in training at all */

/* The key of a composition of `depth` of these functions, none twice as long as
 * n >= depth; the caller's. */
char *strings_draw_from(rng *r, int depth, const int *functions, int n);

/* How many functions the key composes, written to f innermost first
 * [STRINGS_MAX_DEPTH]; 0 when it is no key. */
int strings_functions(const char *key, int *f);

#endif
