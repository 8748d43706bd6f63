/* search.h - reaching a target from numbers: the core of Countdown and of 24.
 *
 * A key is the numbers in rising order and the target: "2 3 7 8=24". A trace
 * restates them in the order of the prompt and then makes attempts, one a line:
 *
 *   3 8 2 7:24
 *   8+3=11 2 7,11+7=18 2,18+2=20:24-
 *   8-2=6 3 7,7-3=4 6,6*4=24:24=
 *
 * Each operation takes two numbers that are left and writes its result and what
 * is left besides; the last one is held against the target (= or -). A trace ends
 * with the attempt that hits or with the line "none". The answer is the list of
 * operations of that attempt, "8-2=6,7-3=4,6*4=24", or "none".
 *
 * Attempts stay among whole numbers that are not negative; graders take any
 * expression, worked out in exact fractions. */
#ifndef TASKS_SEARCH_H
#define TASKS_SEARCH_H

#include "tasks/problem.h"

enum { SEARCH_MAX = 6, SEARCH_TARGET_MAX = 99 };

typedef struct numbers {
    int n;
    int x[SEARCH_MAX];
    int target;
} numbers;

/* False unless the key is well formed (2 to 6 numbers of 1 to 99). */
bool numbers_parse(numbers *p, const char *key);
char *numbers_key(const numbers *p);             /* sorts; caller frees */

/* "3, 8, 2 and 7", in the order given; last is "and" or "or" or NULL. Caller frees. */
char *numbers_text(const int *x, int n, const char *last);

/* Which of the targets 0 .. SEARCH_TARGET_MAX whole numbers can reach with every
 * intermediate result at most 4095. */
void search_reach(const int *x, int n, bool reach[SEARCH_TARGET_MAX + 1]);

/* Whether some expression in exact fractions hits the target; for at most 4 numbers. */
bool search_solvable(const numbers *p);

/* Fill think, answer, solved and depth of a problem; x in the order of the prompt. */
void search_tell(problem *p, const numbers *x, rng *r, trace_effort effort);

/* 1 for an expression ("(8-2)*(7-3)", with or without "=24") or a list of
 * operations that uses every number once and hits the target. */
double search_grade(const char *key, const char *answer, size_t len);
void search_check(const char *key, const char *think, size_t len, trace_check *out);

/* 1 when blind search (uniform ordered pair, uniform valid operation) finds the
 * target within so many attempts: the bar that a learned search has to pass. */
double countdown_random_search(const char *key, rng *r, int attempts);

/* The same for one search of the teacher. */
double countdown_teacher_search(const char *key, rng *r, int attempts);

#endif
