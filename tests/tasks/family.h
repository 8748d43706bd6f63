/* family.h - what must hold for the problems of any family, as plain functions that
 * fail the running Check test. Problems come from streams (seed, index). */
#ifndef TESTS_TASKS_FAMILY_H
#define TESTS_TASKS_FAMILY_H

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "tasks/families.h"

#include <check.h>

static inline void family_draw(const task *t, uint64_t seed, uint64_t index, int depth,
                               trace_effort effort, problem *p)
{
    rng r = { seed, index, 0 };

    *p = (problem){ 0 };
    p->key = t->draw(&r, depth);
    t->tell(p, p->key, &r, effort);
}

static inline void family_drop(problem *p)
{
    mem_free(p->key);
    mem_free(p->prompt);
    mem_free(p->think);
    mem_free(p->answer);
}

static inline double family_grade(const task *t, const char *key, const char *answer)
{
    return t->grade(key, answer, strlen(answer));
}

static inline trace_check family_check(const task *t, const char *key, const char *think)
{
    trace_check c;

    t->check(key, think, strlen(think), &c);
    return c;
}

static inline bool family_plain(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s > 126 || ((unsigned char)*s < 32 && *s != '\n')) return false;
    return true;
}

/* n problems at every depth and effort: the trace checks true, the answer is right when
 * the problem is solved, and everything is printable ASCII. */
static inline void family_holds(const task *t, int n)
{
    for (int d = t->min_depth; d <= t->max_depth; d++)
        for (int i = 0; i < n; i++) {
            problem p;
            family_draw(t, 11, (uint64_t)i, d, (trace_effort)(i % 3), &p);
            trace_check c = family_check(t, p.key, p.think);
            ck_assert_msg(c.well_formed && c.n_step > 0 && c.n_true == c.n_step &&
                          c.n_repeat == 0, "%s\n%s", p.key, p.think);
            ck_assert_msg(family_grade(t, p.key, p.answer) == (p.solved ? 1 : 0), "%s\n%s", p.key,
                          p.answer);
            ck_assert_int_eq(p.depth, d);
            ck_assert(t->search || p.solved);
            ck_assert(family_plain(p.key) && family_plain(p.prompt) && family_plain(p.think) &&
                      !strchr(p.key, '\n') && !strchr(p.prompt, '\n'));
            family_drop(&p);
        }
}

/* Answers that take no work; extra is a family's own, NULL at the end. */
static inline void family_no_free_points(const task *t, int n, const char *const *extra)
{
    static const char *const lazy[] = { "", " ", ".", "0", "1", "42", "none", "yes", "the answer",
                                        "0 1 2 3 4 5 6 7 8 9" };

    for (int d = t->min_depth; d <= t->max_depth; d++)
        for (int i = 0; i < n; i++) {
            problem p;
            family_draw(t, 12, (uint64_t)i, d, TRACE_LOW, &p);
            ck_assert(family_grade(t, p.key, p.prompt) == 0);
            ck_assert(family_grade(t, p.key, p.key) == 0);
            ck_assert(family_grade(t, p.key, p.think) == 0);
            for (const char *const *e = extra; *e; e++)
                ck_assert_msg(family_grade(t, p.key, *e) == 0, "%s: %s", p.key, *e);
            for (size_t k = 0; k < sizeof lazy / sizeof lazy[0]; k++)
                ck_assert_msg(family_grade(t, p.key, lazy[k]) == 0, "%s: %s", p.key, lazy[k]);
            if (p.solved) {
                /* The answer twice, or beside another one, is a list of options. */
                bytes b = { 0 };
                bytes_add_format(&b, "%s or %s", p.answer, p.answer);
                ck_assert(t->grade(p.key, b.data, b.len) == 0);
                bytes_clear(&b);
                bytes_add_format(&b, "1, 2, 3, %s", p.answer);
                ck_assert(t->grade(p.key, b.data, b.len) == 0);
                bytes_fini(&b);
            }
            family_drop(&p);
        }
}

/* The same stream gives the same bytes, another index or seed another problem. */
static inline void family_repeats(const task *t)
{
    int n_same = 0;

    for (int i = 0; i < 40; i++) {
        problem p, q, other;
        int d = t->min_depth + i % (t->max_depth - t->min_depth + 1);
        family_draw(t, 13, (uint64_t)i, d, TRACE_MEDIUM, &p);
        family_draw(t, 13, (uint64_t)i, d, TRACE_MEDIUM, &q);
        family_draw(t, 14, (uint64_t)i, d, TRACE_MEDIUM, &other);
        ck_assert_str_eq(p.key, q.key);
        ck_assert_str_eq(p.prompt, q.prompt);
        ck_assert_str_eq(p.think, q.think);
        ck_assert_str_eq(p.answer, q.answer);
        n_same += strcmp(p.key, other.key) == 0;
        family_drop(&p);
        family_drop(&q);
        family_drop(&other);
    }
    ck_assert_int_lt(n_same, 8);
}

/* One changed character of a trace, to one of swap, makes a step false or the trace
 * ill-formed: every character of it says something. */
static inline void family_slips_show(const task *t, int n, const char *swap)
{
    for (int d = t->min_depth; d <= t->max_depth; d++)
        for (int i = 0; i < n; i++) {
            problem p;
            family_draw(t, 15, (uint64_t)i, d, (trace_effort)(i % 3), &p);
            size_t len = strlen(p.think);
            rng r = { 16, (uint64_t)i, 0 };
            for (int k = 0; k < 20; k++) {
                char *at = p.think + rng_below(&r, len), old = *at;
                *at = swap[rng_below(&r, strlen(swap))];
                if (*at != old) {
                    trace_check c;
                    t->check(p.key, p.think, len, &c);
                    ck_assert_msg(!c.well_formed || c.n_true < c.n_step, "%s at %ld, %c for %c\n%s",
                                  p.key, (long)(at - p.think), *at, old, p.think);
                }
                *at = old;
            }
            family_drop(&p);
        }
}

/* A trace cut anywhere is not well formed, save at the end of a complete pass, and no
 * byte of noise or key is read past. */
static inline void family_cuts_show(const task *t, int n)
{
    for (int i = 0; i < n; i++) {
        problem p;
        int d = t->min_depth + i % (t->max_depth - t->min_depth + 1);
        family_draw(t, 17, (uint64_t)i, d, TRACE_LOW, &p);
        size_t len = strlen(p.think);
        for (size_t cut = 0; cut < len; cut++) {
            char *copy = mem_copy(p.think, cut + (cut == 0));
            trace_check c;
            t->check(p.key, copy, cut, &c);
            ck_assert_msg(!c.well_formed || c.n_true < c.n_step, "%.*s", (int)cut, p.think);
            t->grade(p.key, copy, cut);
            mem_free(copy);
        }
        rng r = { 18, (uint64_t)i, 0 };
        for (int k = 0; k < 50; k++) {
            char noise[64];
            size_t n_noise = rng_below(&r, sizeof noise);
            for (size_t j = 0; j < n_noise; j++)
                noise[j] = rng_below(&r, 4) ? p.think[rng_below(&r, len)]
                                            : (char)rng_below(&r, 256);
            trace_check c;
            t->check(p.key, noise, n_noise, &c);
            t->grade(p.key, noise, n_noise);
        }
        family_drop(&p);
    }
}

/* An edited trace has one changed value, keeps what stands before it, and the answer
 * that follows is another one as a rule. */
static inline void family_edits(const task *t, int n)
{
    int n_other = 0, n_edit = 0;

    for (int d = t->min_depth; d <= t->max_depth; d++)
        for (int i = 0; i < n; i++) {
            problem p;
            char *prefix = NULL, *follows = NULL;
            rng r = { 19, (uint64_t)i, 0 };
            family_draw(t, 20, (uint64_t)i, d, TRACE_LOW, &p);
            if (t->edit(p.key, p.think, strlen(p.think), &r, &prefix, &follows)) {
                size_t same = 0;
                while (prefix[same] && prefix[same] == p.think[same]) same++;
                ck_assert(prefix[same] || strlen(prefix) < strlen(p.think));
                ck_assert_uint_ge(same + 4, strlen(prefix));
                n_other += strcmp(follows, p.answer) != 0;
                n_edit++;
            }
            mem_free(prefix);
            mem_free(follows);
            family_drop(&p);
        }
    ck_assert_int_ge(n_edit * 10, 9 * n * (t->max_depth - t->min_depth + 1));
    ck_assert_int_ge(n_other * 10, 9 * n_edit);
}

#endif
