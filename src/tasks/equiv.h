/* equiv.h - do two answers say the same number, expression, tuple or set?
 *
 * "1/2", "0.5", "50%" and "\frac{1}{2}" are equal; so are "1,234" and "1234",
 * "1 1/2" and "3/2", "2(x+1)" and "2x+2", "{1,2}" and "{2,1}". Numbers are
 * compared exactly where they are rational, else as doubles. Text that is no
 * mathematics is compared without regard to case, spaces and a final stop.
 *
 * Work is bounded by the length of the answers, whatever they say. */
#ifndef TASKS_EQUIV_H
#define TASKS_EQUIV_H

#include <stdbool.h>
#include <stddef.h>

/* Longer answers are compared as text only. */
#define EQUIV_MAX_BYTES 4096

typedef enum equiv_verdict {
    EQUIV_DIFFERENT,
    EQUIV_EQUAL,
    EQUIV_UNKNOWN,       /* one of them is beyond what is worked out: no credit */
} equiv_verdict;

/* Compare an answer with a reference. A unit, currency or percent sign that one
 * of them lacks is overlooked, two that disagree are not. Several answers in a
 * row equal only the same several. Nothing equals an empty answer.
 *
 * tolerance: largest relative difference that still counts, for all numbers; 0
 * compares rationals exactly and others to 1e-9. */
equiv_verdict equiv_compare(const char *answer, size_t n_answer, const char *reference,
                            size_t n_reference, double tolerance);

/* The contents of the last \boxed{...} that is closed; false when there is none.
 * *start points into text. One that is never closed is passed over. */
bool equiv_boxed(const char **start, size_t *len, const char *text, size_t n_text);

/* Where in a model's output the answer is: the last closed \boxed{}, else what
 * follows the last "####", else the last "answer is" or "answer:" up to the end
 * of its sentence, else all of it. Without spaces around; may be empty. */
void equiv_answer(const char **start, size_t *len, const char *text, size_t n_text);

#endif
