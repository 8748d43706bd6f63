/* answer.h - the one final answer in what a model or a person wrote.
 *
 * Strict where leniency could be played: several different values give no
 * answer at all, so listing every option is worth nothing. */
#ifndef TASKS_ANSWER_H
#define TASKS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The final answer in text, without its wrapping, as a string of the caller's
 * (mem_free); NULL when there is none or when several differ.
 *
 * Marked answers go first: \boxed{X}, "#### X", "answer is X", "answer: X".
 * Without a mark the whole text is the answer. White space, one trailing full
 * stop, a leading "=", and pairs of quotes, stars, backticks or dollars around
 * the value are dropped. An "or" between values, and a list of different
 * integers, give NULL. Case and inner spaces are kept. */
char *answer_extract(const char *text, size_t len);

/* True when the whole text is one integer of at most 15 digits: sign ("-", "+"
 * or U+2212), thousands separated by commas, and a fraction of zeros are fine. */
bool answer_integer(const char *text, int64_t *out);

/* 1 when the answer in text is the integer want, else 0. */
double answer_grade_integer(const char *text, size_t len, int64_t want);

/* 1 when the answer in text is the word want in letters of either case, else 0. */
double answer_grade_word(const char *text, size_t len, const char *want);

/* True for the values that a policy which always says the same would say (0, 1,
 * 42). Families with one numeric answer draw no problem that has one of these,
 * so that such a policy scores nothing. */
bool answer_stock(int64_t value);

#endif
