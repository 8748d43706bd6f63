/* worked.h - what must hold for a family with one right answer and one right trace,
 * as plain functions that fail the running Check test. */
#ifndef TESTS_TASKS_WORKED_H
#define TESTS_TASKS_WORKED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "tasks/families.h"

#include <check.h>

/* Problems of a depth. The sanitizers look at the code, not at the figures, and a
 * tenth of the problems takes every path. */
#if defined(__SANITIZE_ADDRESS__)
enum { WORKED_N = 200 };
#else
enum { WORKED_N = 2000 };
#endif

static inline double worked_grade(const task *t, const char *key, const char *answer)
{
    return t->grade(key, answer, strlen(answer));
}

static inline trace_check worked_check(const task *t, const char *key, const char *think)
{
    trace_check c;

    t->check(key, think, strlen(think), &c);
    return c;
}

/* The answer of a key, worked out by the test's own means. */
typedef char *worked_answer(const char *key);

/* The answer that follows from a trace cut behind a changed value. */
typedef char *worked_follow(const char *key, const char *prefix);

/* Traces check all true, answers are right, and both agree with the test's own. */
static inline void worked_holds(const task *t, worked_answer *own, int max_key, int max_prompt)
{
    for (int d = t->min_depth; d <= t->max_depth; d++)
        for (int i = 0; i < WORKED_N; i++) {
            problem p;
            problem_make(t, SPLIT_TRAIN, 31, (uint64_t)i, d, (trace_effort)(i % 3), &p);
            trace_check c = worked_check(t, p.key, p.think);
            ck_assert_msg(c.well_formed && c.n_step >= d && c.n_true == c.n_step &&
                          c.n_repeat == 0 && c.n_attempt == 0, "%s\n%s", p.key, p.think);
            char *answer = own(p.key);
            ck_assert_str_eq(p.answer, answer);
            ck_assert(worked_grade(t, p.key, p.answer) == 1);
            ck_assert(p.depth == d && p.solved);
            ck_assert((int)strlen(p.key) <= max_key && (int)strlen(p.prompt) <= max_prompt);
            for (const char *s = p.think; *s; s++)
                ck_assert(*s == '\n' || (*s >= 32 && *s < 127));
            ck_assert(!strchr(p.key, '\n') && !strchr(p.prompt, '\n'));
            mem_free(answer);
            problem_fini(&p);
        }
}

/* High effort is the same work twice, with the same end; low and medium are equal. */
static inline void worked_efforts(const task *t)
{
    for (int d = t->min_depth; d <= t->max_depth; d++)
        for (int i = 0; i < 50; i++) {
            problem low, medium, high;
            problem_make(t, SPLIT_VALID, 32, (uint64_t)i, d, TRACE_LOW, &low);
            problem_make(t, SPLIT_VALID, 32, (uint64_t)i, d, TRACE_MEDIUM, &medium);
            problem_make(t, SPLIT_VALID, 32, (uint64_t)i, d, TRACE_HIGH, &high);
            ck_assert_str_eq(low.prompt, high.prompt);
            ck_assert_str_eq(low.think, medium.think);
            ck_assert_int_eq(2 * worked_check(t, low.key, low.think).n_step,
                             worked_check(t, low.key, high.think).n_step);
            ck_assert(strstr(high.think, "\ncheck\n") && !strstr(low.think, "\ncheck\n"));
            problem_fini(&low);
            problem_fini(&medium);
            problem_fini(&high);
        }
}

/* No policy that does not work the problem scores; options is every answer listed. */
static inline void worked_no_free_points(const task *t, const char *options)
{
    static const char *const lazy[] = { "", " ", ".", "=", "0", "1", "42", "a", "abcde", "x",
                                        "The answer is 0", "\\boxed{42}", "#### 1", "\\boxed{}",
                                        "none", "0 1 2 3 4 5 6 7 8 9" };

    for (int d = t->min_depth; d <= t->max_depth; d++)
        for (int i = 0; i < WORKED_N; i++) {
            problem p;
            char both[512];
            problem_make(t, SPLIT_TEST, 33, (uint64_t)i, d, TRACE_LOW, &p);
            for (size_t k = 0; k < sizeof lazy / sizeof lazy[0]; k++)
                ck_assert_msg(worked_grade(t, p.key, lazy[k]) == 0, "%s: %s", p.key, lazy[k]);
            ck_assert(worked_grade(t, p.key, p.prompt) == 0);
            ck_assert(worked_grade(t, p.key, p.key) == 0);
            ck_assert(worked_grade(t, p.key, p.think) == 0);
            if (i < 20) ck_assert(worked_grade(t, p.key, options) == 0);
            snprintf(both, sizeof both, "%s or 77", p.answer);
            ck_assert(worked_grade(t, p.key, both) == 0);
            snprintf(both, sizeof both, "\\boxed{77} \\boxed{%s}", p.answer);
            ck_assert(worked_grade(t, p.key, both) == (strcmp(p.answer, "77") == 0));
            problem_fini(&p);
        }
}

/* Ways to state the answer that are fair. */
static inline void worked_fair(const task *t)
{
    static const char *const ways[] = { "%s", " %s\n", "%s.", "The answer is %s.", "= %s",
                                        "\\boxed{%s}", "So it is \\boxed{%s}.", "#### %s",
                                        "**%s**", "Answer: %s", "The final answer is: $%s$" };

    for (int i = 0; i < 200; i++) {
        problem p;
        char text[256];
        problem_make(t, SPLIT_TRAIN, 34, (uint64_t)i, t->min_depth + i % t->max_depth,
                     TRACE_LOW, &p);
        for (size_t k = 0; k < sizeof ways / sizeof ways[0]; k++) {
            const char *slot = strstr(ways[k], "%s");
            snprintf(text, sizeof text, "%.*s%s%s", (int)(slot - ways[k]), ways[k], p.answer,
                     slot + 2);
            ck_assert_msg(worked_grade(t, p.key, text) == 1, "%s", text);
        }
        problem_fini(&p);
    }
}

/* Any one character changed makes a step false or the trace ill-formed; a trace cut
 * anywhere is not whole; noise is survived. */
static inline void worked_slips(const task *t, const char *swap)
{
    for (int d = t->min_depth; d <= t->max_depth; d++)
        for (int i = 0; i < 30; i++) {
            problem p;
            trace_check c;
            rng r = { 35, (uint64_t)i, (uint64_t)d << 32 };
            problem_make(t, SPLIT_TRAIN, 35, (uint64_t)i, d, (trace_effort)(i % 3), &p);
            size_t len = strlen(p.think);
            for (int k = 0; k < 30; k++) {
                char *at = p.think + rng_below(&r, len), old = *at;
                *at = swap[rng_below(&r, strlen(swap))];
                t->check(p.key, p.think, len, &c);
                ck_assert_msg(*at == old || !c.well_formed || c.n_true < c.n_step,
                              "%s at %d\n%s", p.key, (int)(at - p.think), p.think);
                ck_assert(c.n_true <= c.n_step);
                *at = old;
                size_t cut = rng_below(&r, len);
                char *copy = mem_copy(p.think, cut + 1);
                t->check(p.key, copy, cut, &c);
                ck_assert(!c.well_formed);
                mem_free(copy);
            }
            for (int k = 0; k < 20; k++) {
                char noise[200];
                size_t n = rng_below(&r, sizeof noise);
                for (size_t j = 0; j < n; j++)
                    noise[j] = rng_below(&r, 8) ? p.think[rng_below(&r, len)]
                                                : (char)rng_below(&r, 256);
                char *copy = mem_copy(noise, n + (n == 0)), *prefix, *follows;
                t->check(p.key, copy, n, &c);
                ck_assert(c.n_true <= c.n_step);
                t->grade(p.key, copy, n);
                t->edit(p.key, copy, n, &r, &prefix, &follows);
                mem_free(prefix);
                mem_free(follows);
                mem_free(copy);
            }
            problem_fini(&p);
        }
}

/* Lines left out, doubled or out of order are found, whatever they say. */
static inline void worked_lines(const task *t, bool header)
{
    enum { MAX_LINES = 64 };

    for (int d = t->min_depth; d <= t->max_depth; d++)
        for (int i = 0; i < 50; i++) {
            problem p;
            char *line[MAX_LINES];
            int n = 0;
            problem_make(t, SPLIT_TRAIN, 36, (uint64_t)i, d, TRACE_LOW, &p);
            int n_step = worked_check(t, p.key, p.think).n_step;
            char *copy = mem_string(p.think);
            for (char *s = strtok(copy, "\n"); s; s = strtok(NULL, "\n")) line[n++] = s;
            ck_assert_int_eq(n, n_step + 1 + header);
            for (int k = 0; k < n; k++)
                for (int twice = 0; twice < 2; twice++) {
                    bytes b = { 0 };
                    for (int j = 0; j < n; j++)
                        for (int m = 0; m < (j == k ? 2 * twice : 1); m++)
                            bytes_add_format(&b, "%s\n", line[j]);
                    trace_check c = worked_check(t, p.key, b.data ? b.data : "");
                    ck_assert_msg(!c.well_formed, "line %d\n%s", k, b.data);
                    if (twice && k >= header && k < n - 1)
                        ck_assert(c.n_step == n_step + 1 && c.n_true < c.n_step);
                    bytes_fini(&b);
                }
            mem_free(copy);
            problem_fini(&p);
        }
}

/* An edited trace keeps what stands before the changed value, and what follows from
 * it is what the test's own evaluation gives. At depths below `from` there is no
 * value between the problem and its answer. */
static inline void worked_edits(const task *t, worked_follow *own, int from)
{
    for (int d = t->min_depth; d <= t->max_depth; d++) {
        int n_edit = 0;
        for (int i = 0; i < WORKED_N / 4; i++) {
            problem p;
            char *prefix, *follows;
            rng r = { 37, (uint64_t)i, 0 };
            problem_make(t, SPLIT_TRAIN, 37, (uint64_t)i, d, (trace_effort)(i % 3), &p);
            size_t len = strlen(p.think);
            if (t->edit(p.key, p.think, len, &r, &prefix, &follows)) {
                size_t same = 0;
                while (prefix[same] && prefix[same] == p.think[same]) same++;
                ck_assert_msg(prefix[same] && same + 12 >= strlen(prefix), "%s\n--\n%s", p.think,
                              prefix);
                ck_assert_msg(strchr("\n,:=", prefix[strlen(prefix) - 1]), "%s", prefix);
                prefix[strlen(prefix) - 1] = '\0';
                char *want = own(p.key, prefix);
                ck_assert_msg(strcmp(follows, want) == 0, "%s\n%s not %s", prefix, follows, want);
                ck_assert_str_ne(follows, p.answer);
                mem_free(want);
                n_edit++;
            } else {
                ck_assert(!prefix && !follows);
            }
            mem_free(prefix);
            mem_free(follows);
            problem_fini(&p);
        }
        ck_assert_msg(d < from ? n_edit == 0 : n_edit * 100 >= WORKED_N / 4 * 95, "%s %d: %d",
                      t->name, d, n_edit);
    }
}

static inline char *worked_format(long long value)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", value);
    return mem_string(text);
}

static inline int worked_count(const char *s, char c)
{
    int n = 0;

    for (; *s; s++) n += *s == c;
    return n;
}

/* What stands behind the last of these characters. */
static inline const char *worked_last(const char *s, const char *of)
{
    const char *last = s;

    for (; *s; s++)
        if (strchr(of, *s)) last = s + 1;
    return last;
}

#endif
