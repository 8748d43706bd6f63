/* Chains: the trace against arithmetic done here, and steps that are wrong. */
#include "worked.h"

/* Operations from number `skip` on, modulo 100. */
static long work(const char *key, int skip, long value)
{
    char *s;
    long first = strtol(key, &s, 10);

    if (skip == 0) value = first;
    for (int i = 0; *s; i++) {
        char op = *s++;
        long arg = strtol(s, &s, 10);
        if (i < skip) continue;
        value = op == '+' ? value + arg : op == '-' ? value - arg : value * arg;
        value = ((value % 100) + 100) % 100;
    }
    return value;
}

static char *own_answer(const char *key)
{
    return worked_format(work(key, 0, 0));
}

static char *own_follow(const char *key, const char *prefix)
{
    return worked_format(work(key, worked_count(prefix, '\n'), atol(worked_last(prefix, "=,"))));
}

START_TEST(traces_and_answers_are_right)
{
    worked_holds(&task_chain, own_answer, 50, 300);
}
END_TEST

START_TEST(high_effort_works_twice)
{
    worked_efforts(&task_chain);
}
END_TEST

START_TEST(no_work_no_points)
{
    bytes b = { 0 };

    for (int i = 0; i < 100; i++) bytes_add_format(&b, "%d, ", i);
    worked_no_free_points(&task_chain, b.data);
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] == ',') b.data[i] = '\n';
    ck_assert(worked_grade(&task_chain, "37+45", b.data) == 0);
    bytes_fini(&b);
}
END_TEST

START_TEST(fair_wordings_count)
{
    worked_fair(&task_chain);
    ck_assert(worked_grade(&task_chain, "37+45", "82.0") == 1);
    ck_assert(worked_grade(&task_chain, "37+45", "082") == 1);
    ck_assert(worked_grade(&task_chain, "37+45", "182") == 0);
    ck_assert(worked_grade(&task_chain, "37+45", "8 2") == 0);
}
END_TEST

START_TEST(every_character_counts)
{
    worked_slips(&task_chain, "0123456789+-*=,\nc");
    worked_lines(&task_chain, true);
}
END_TEST

START_TEST(edits_lead_where_they_say)
{
    worked_edits(&task_chain, own_follow, 2);
}
END_TEST

/* One false result, and right work from there on: one false step. */
START_TEST(a_slip_is_one_false_step)
{
    const char *key = "12-18*7+5";
    trace_check c = worked_check(&task_chain, key, "12-18*7+5\n12-18=-6,94\n94*7=658,58\n"
                                 "58+5=63\n=63");

    ck_assert(c.well_formed && c.n_step == 3 && c.n_true == 3);
    c = worked_check(&task_chain, key, "12-18*7+5\n12-18=-6,94\n94*7=668,68\n68+5=73\n=73");
    ck_assert(c.well_formed && c.n_step == 3 && c.n_true == 2);
    c = worked_check(&task_chain, key, "12-18*7+5\n12-18=-6,94\n94*7=658,68\n68+5=73\n=73");
    ck_assert(c.well_formed && c.n_step == 3 && c.n_true == 2);
}
END_TEST

START_TEST(true_steps_of_another_problem_do_not_count)
{
    const char *key = "12-18*7+5";
    /* True, but not what is asked for there. */
    trace_check c = worked_check(&task_chain, key, "12-18*7+5\n12+18=30\n30*7=210,10\n10+5=15\n=15");

    ck_assert(!c.well_formed && c.n_step == 3 && c.n_true < 3);
    /* The right answer by one line that guesses, or with an end that does not follow. */
    c = worked_check(&task_chain, key, "12-18*7+5\n12-18=-6,94\n58+5=63\n=63");
    ck_assert(!c.well_formed && c.n_true == 1);
    c = worked_check(&task_chain, key, "12-18*7+5\n12-18=-6,94\n94*7=658,58\n58+5=64\n=63");
    ck_assert(!c.well_formed && c.n_true == 2);
    c = worked_check(&task_chain, key, "12-18*7+5\n12-18=-6,94\n94*7=658,58\n58+5=63\n=63\n=63");
    ck_assert(!c.well_formed);
    c = worked_check(&task_chain, key, "12-18*7+4\n12-18=-6,94\n94*7=658,58\n58+5=63\n=63");
    ck_assert(!c.well_formed && c.n_true == 3);
    c = worked_check(&task_chain, key, "");
    ck_assert(!c.well_formed && c.n_step == 0);
}
END_TEST

START_TEST(a_key_names_no_operation_twice)
{
    for (int i = 0; i < 200; i++) {
        rng r = { 38, (uint64_t)i, 0 };
        char *key = task_chain.draw(&r, 12), *ops[12];
        int n = 0;
        for (char *s = key; *s; s++)
            if (strchr("+-*", *s)) ops[n++] = s;
        ck_assert_int_eq(n, 12);
        for (int a = 0; a < n; a++)
            for (int b = a + 1; b < n; b++)
                ck_assert(ops[a][0] != ops[b][0] || atoi(ops[a] + 1) != atoi(ops[b] + 1));
        mem_free(key);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chain");
    TCase *c = tcase_create("chain");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, traces_and_answers_are_right);
    tcase_add_test(c, high_effort_works_twice);
    tcase_add_test(c, no_work_no_points);
    tcase_add_test(c, fair_wordings_count);
    tcase_add_test(c, every_character_counts);
    tcase_add_test(c, edits_lead_where_they_say);
    tcase_add_test(c, a_slip_is_one_false_step);
    tcase_add_test(c, true_steps_of_another_problem_do_not_count);
    tcase_add_test(c, a_key_names_no_operation_twice);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
