/* The registry of families, their splits, and problems as functions of their index. */
#include "tasks/problem.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/families.h"

#include <check.h>

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sort keys and drop repeats; how many are left. */
static int distinct(char **key, int n)
{
    int m = 0;

    qsort(key, (size_t)n, sizeof *key, by_text);
    for (int i = 0; i < n; i++) {
        if (m > 0 && strcmp(key[m - 1], key[i]) == 0) mem_free(key[i]);
        else key[m++] = key[i];
    }
    return m;
}

START_TEST(families_are_found_by_name)
{
    static const char *const names[] = { "chain", "perm", "arith", "multiply", "linear", "strings",
                                         "word", "cipher", "knights", "countdown", "game24" };

    ck_assert_int_eq(tasks_count(), 11);
    for (int i = 0; i < tasks_count(); i++) {
        const task *t = task_at(i);
        ck_assert_str_eq(t->name, names[i]);
        ck_assert_ptr_eq(task_find(names[i]), t);
        ck_assert(t->about && t->draw && t->tell && t->grade && t->check);
        ck_assert(t->min_depth >= 1 && t->min_depth <= t->max_depth);
    }
    ck_assert(!task_find("chains") && !task_find("") && !task_find("Chain"));
}
END_TEST

/* 20,000 keys over the depths: each distinct one has one split, in these shares. */
START_TEST(splits_are_eighty_ten_ten)
{
    enum { N = 20000 };
    const task *t = task_at(_i);
    char **key = mem_array(N, sizeof *key);
    int count[3] = { 0 };

    for (int i = 0; i < N; i++) {
        /* The deepest searches take long to draw, and the split knows no depth. */
        int span = t->search ? 1 : t->max_depth - t->min_depth + 1;
        rng r = { 51, (uint64_t)i, 0 };
        key[i] = t->draw(&r, t->min_depth + i % span);
    }
    int n = distinct(key, N);
    for (int i = 0; i < n; i++) {
        split s = key_split(t, key[i]);
        ck_assert(s == key_split(t, key[i]));
        count[s]++;
        mem_free(key[i]);
    }
    /* Four standard deviations of a binomial share. */
    double slack = 4 * 0.4 / __builtin_sqrt(n);
    ck_assert_msg(n > 500, "%s has %d keys", t->name, n);
    ck_assert_double_le(__builtin_fabs(count[SPLIT_TRAIN] / (double)n - 0.8), slack);
    ck_assert_double_le(__builtin_fabs(count[SPLIT_VALID] / (double)n - 0.1), slack);
    ck_assert_double_le(__builtin_fabs(count[SPLIT_TEST] / (double)n - 0.1), slack);
    mem_free(key);
}
END_TEST

START_TEST(problems_of_a_split_are_of_that_split)
{
    enum { N = 300 };
    const task *t = task_at(_i);
    char *key[3 * N];
    int n = 0, each = 0;

    for (int s = 0; s < 3; s++) {
        char *own[N];
        for (int i = 0; i < N; i++) {
            problem p;
            int span = t->search ? 1 : t->max_depth - t->min_depth + 1, d = t->min_depth + i % span;
            problem_make(t, (split)s, 52, (uint64_t)i, d, TRACE_LOW, &p);
            ck_assert_int_eq(key_split(t, p.key), s);
            ck_assert_int_eq(p.depth, d);
            own[i] = mem_string(p.key);
            problem_fini(&p);
        }
        int m = distinct(own, N);
        for (int i = 0; i < m; i++) key[n++] = own[i];
        each += m;
    }
    n = distinct(key, n);
    ck_assert_int_eq(n, each);
    for (int i = 0; i < n; i++) mem_free(key[i]);
}
END_TEST

static bool same_problem(const problem *p, const problem *q)
{
    return strcmp(p->key, q->key) == 0 && strcmp(p->prompt, q->prompt) == 0 &&
           strcmp(p->think, q->think) == 0 && strcmp(p->answer, q->answer) == 0 &&
           p->depth == q->depth && p->solved == q->solved;
}

START_TEST(an_index_is_a_problem)
{
    const task *t = task_at(_i);
    int n_other_index = 0, n_other_seed = 0, n_other_split = 0, n = 0;

    for (int i = 0; i < 60; i++) {
        problem p, q;
        int d = t->min_depth + i % (t->search ? 1 : t->max_depth - t->min_depth + 1);
        trace_effort e = (trace_effort)(i % 3);
        uint64_t index = (uint64_t)i << 33 | (uint64_t)i;
        problem_make(t, SPLIT_TRAIN, 53, index, d, e, &p);
        problem_make(t, SPLIT_TRAIN, 53, index, d, e, &q);
        ck_assert(same_problem(&p, &q));
        problem_fini(&q);
        problem_make(t, SPLIT_TRAIN, 53, index + 1, d, e, &q);
        n_other_index += strcmp(p.key, q.key) != 0;
        problem_fini(&q);
        problem_make(t, SPLIT_TRAIN, 54, index, d, e, &q);
        n_other_seed += strcmp(p.key, q.key) != 0;
        problem_fini(&q);
        problem_make(t, SPLIT_TEST, 53, index, d, e, &q);
        n_other_split += strcmp(p.key, q.key) != 0;
        problem_fini(&q);
        /* Another effort asks the same. */
        problem_make(t, SPLIT_TRAIN, 53, index, d, (trace_effort)((i + 1) % 3), &q);
        ck_assert_str_eq(p.key, q.key);
        ck_assert_str_eq(p.prompt, q.prompt);
        problem_fini(&q);
        problem_fini(&p);
        n++;
    }
    ck_assert_int_ge(n_other_index, n - 3);
    ck_assert_int_ge(n_other_seed, n - 3);
    ck_assert_int_eq(n_other_split, n);
}
END_TEST

/* A phrasing is not a function of the key: the same key is asked in several ways. */
START_TEST(a_key_is_asked_in_several_ways)
{
    const task *t = task_at(_i);
    char *prompt[60];
    rng r = { 55, 0, 0 };
    char *key = t->draw(&r, t->min_depth);

    for (int i = 0; i < 60; i++) {
        problem p;
        rng phrase = { 55, 1 + (uint64_t)i, 0 };
        problem_tell(t, key, t->min_depth, &phrase, TRACE_LOW, &p);
        ck_assert_str_eq(p.key, key);
        prompt[i] = mem_string(p.prompt);
        problem_fini(&p);
    }
    int n = distinct(prompt, 60);
    ck_assert_int_ge(n, 3);
    for (int i = 0; i < n; i++) mem_free(prompt[i]);
    mem_free(key);
}
END_TEST

START_TEST(empty_problems_are_freed)
{
    problem p = { 0 };

    problem_fini(&p);
    problem_fini(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("problem");
    TCase *c = tcase_create("problem");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, families_are_found_by_name);
    tcase_add_loop_test(c, splits_are_eighty_ten_ten, 0, 11);
    tcase_add_loop_test(c, problems_of_a_split_are_of_that_split, 0, 11);
    tcase_add_loop_test(c, an_index_is_a_problem, 0, 11);
    tcase_add_loop_test(c, a_key_is_asked_in_several_ways, 0, 11);
    tcase_add_test(c, empty_problems_are_freed);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
