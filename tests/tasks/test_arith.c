/* Expressions: the trace against an evaluator of its own, and steps that are wrong. */
#include "worked.h"

static long sum(const char **s);

static long factor(const char **s)
{
    if (**s == '(') {
        ++*s;
        long value = sum(s);
        ++*s;
        return value;
    }
    char *end;
    long value = strtol(*s, &end, 10);
    *s = end;
    return value;
}

static long term(const char **s)
{
    long value = factor(s);

    while (**s == '*') {
        ++*s;
        value *= factor(s);
    }
    return value;
}

static long sum(const char **s)
{
    long value = term(s);

    while (**s == '+' || **s == '-') {
        char op = *(*s)++;
        long other = term(s);
        value = op == '+' ? value + other : value - other;
    }
    return value;
}

static char *own_answer(const char *key)
{
    return worked_format(sum(&key));
}

/* Put the changed value into the expression before it: its operation stands in the
 * first innermost parentheses, where no digit is before it. */
static char *own_follow(const char *key, const char *prefix)
{
    const char *line = worked_last(prefix, "\n"), *value = worked_last(line, "=");
    char before[200], local[64];
    bytes b = { 0 };

    snprintf(before, sizeof before, "%s", key);
    if (line > prefix) {
        const char *from = line - 1;
        while (from[-1] != ':') from--;
        snprintf(before, sizeof before, "%.*s", (int)(line - 1 - from), from);
    }
    snprintf(local, sizeof local, "%.*s", (int)(value - 1 - line), line);
    const char *scope = before, *close = strchr(before, ')');
    if (close) {
        scope = close;
        while (scope[-1] != '(') scope--;
    }
    const char *at = scope;
    for (;; at++) {
        at = strstr(at, local);
        ck_assert(at);
        if (at == scope || at[-1] < '0' || at[-1] > '9') break;
    }
    bytes_add(&b, before, (size_t)(at - before));
    bytes_add_format(&b, "%ld%s", atol(value), at + strlen(local));
    const char *s = b.data;
    char *out = worked_format(sum(&s));
    bytes_fini(&b);
    return out;
}

START_TEST(traces_and_answers_are_right)
{
    worked_holds(&task_arith, own_answer, 79, 110);
}
END_TEST

START_TEST(high_effort_works_twice)
{
    worked_efforts(&task_arith);
}
END_TEST

START_TEST(every_character_counts)
{
    worked_slips(&task_arith, "0123456789+-*()=:\n");
    worked_lines(&task_arith, false);
}
END_TEST

START_TEST(edits_lead_where_they_say)
{
    worked_edits(&task_arith, own_follow, 2);
}
END_TEST

START_TEST(no_work_no_points)
{
    bytes b = { 0 };

    for (int i = -999; i < 1000; i++) bytes_add_format(&b, "%d, ", i);
    worked_no_free_points(&task_arith, b.data);
    bytes_fini(&b);
}
END_TEST

START_TEST(fair_wordings_count)
{
    worked_fair(&task_arith);
    ck_assert(worked_grade(&task_arith, "20*9*9", "1,620") == 1);
    ck_assert(worked_grade(&task_arith, "3-20", "\xe2\x88\x92" "17") == 1);
}
END_TEST

START_TEST(one_operation_a_line_in_the_right_order)
{
    const char *key = "2-(3-7)*(1+2*4)";
    trace_check c = worked_check(&task_arith, key,
                                 "3-7=-4:2--4*(1+2*4)\n2*4=8:2--4*(1+8)\n1+8=9:2--4*9\n"
                                 "-4*9=-36:2--36\n2--36=38:38\n=38");

    ck_assert(c.well_formed && c.n_step == 5 && c.n_true == 5);
    /* A true operation, but another one was due. */
    c = worked_check(&task_arith, key,
                     "2*4=8:2-(3-7)*(1+8)\n3-7=-4:2--4*(1+8)\n1+8=9:2--4*9\n"
                     "-4*9=-36:2--36\n2--36=38:38\n=38");
    ck_assert(!c.well_formed && c.n_true < 5);
    /* A slip in a value, then one in copying the rest. */
    c = worked_check(&task_arith, key,
                     "3-7=-5:2--5*(1+2*4)\n2*4=8:2--5*(1+8)\n1+8=9:2--5*9\n"
                     "-5*9=-45:2--45\n2--45=47:47\n=47");
    ck_assert(c.well_formed && c.n_step == 5 && c.n_true == 4);
    c = worked_check(&task_arith, key,
                     "3-7=-4:2--4*(1+3*4)\n3*4=12:2--4*(1+12)\n1+12=13:2--4*13\n"
                     "-4*13=-52:2--52\n2--52=54:54\n=54");
    ck_assert(c.well_formed && c.n_step == 5 && c.n_true == 4);
    /* Two operations in one line. */
    c = worked_check(&task_arith, key,
                     "3-7=-4:2--4*(1+8)\n1+8=9:2--4*9\n-4*9=-36:2--36\n2--36=38:38\n=38");
    ck_assert(!c.well_formed && c.n_true < 4);
}
END_TEST

START_TEST(values_stay_small_enough_to_learn)
{
    for (int d = 1; d <= 10; d++)
        for (int i = 0; i < 300; i++) {
            problem p;
            problem_make(&task_arith, SPLIT_TRAIN, 43, (uint64_t)i, d, TRACE_LOW, &p);
            for (const char *s = p.think; (s = strchr(s, '=')); s++)
                ck_assert(labs(atol(s + 1)) <= 9999);
            ck_assert(d != 8 || strlen(p.think) <= 260);
            problem_fini(&p);
        }
}
END_TEST

START_TEST(what_is_no_key_is_refused)
{
    static const char *const bad[] = { "", "5", "(5)+1", "2+", "2+(3", "2+3)", "2/3", "2 + 3",
                                       "1234567+1", "+3", "((2+3))(", "1+1+1+1+1+1+1+1+1+1+1+1" };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(worked_grade(&task_arith, bad[i], "5") == 0, "%s", bad[i]);
        ck_assert(!worked_check(&task_arith, bad[i], "=5").well_formed);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arith");
    TCase *c = tcase_create("arith");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, traces_and_answers_are_right);
    tcase_add_test(c, high_effort_works_twice);
    tcase_add_test(c, every_character_counts);
    tcase_add_test(c, edits_lead_where_they_say);
    tcase_add_test(c, no_work_no_points);
    tcase_add_test(c, fair_wordings_count);
    tcase_add_test(c, one_operation_a_line_in_the_right_order);
    tcase_add_test(c, values_stay_small_enough_to_learn);
    tcase_add_test(c, what_is_no_key_is_refused);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
