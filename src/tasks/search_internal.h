/* search_internal.h - what the teacher and the checker of number searches share. */
#ifndef TASKS_SEARCH_INTERNAL_H
#define TASKS_SEARCH_INTERNAL_H

#include "tasks/search.h"

typedef struct operation {
    int a, b, result;
    char sign;
} operation;

typedef struct attempt {
    operation op[SEARCH_MAX - 1];
    int n;
} attempt;

/* Whether two attempts make the same operations, in whatever order; the numbers of a
 * sum or product count in either order too. */
bool attempt_same(const attempt *s, const attempt *t);

/* Take one number of this value out of x; false when there is none. */
bool numbers_take(int *x, int *n, int value);

#endif
