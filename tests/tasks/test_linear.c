/* Equations: the solution against a search, and steps that are wrong. */
#include "worked.h"

/* An equation as the test reads it: p (x + a) or p x + a on the left, q x + b. */
typedef struct equation {
    int p, a, q, b;
    bool outside;        /* p stands before parentheses */
} equation;

static equation parse(const char *key)
{
    equation e = { .p = 1 };
    const char *right = strchr(key, '=') + 1;

    if (sscanf(key, "x%d=", &e.a) == 1) { }
    else if (sscanf(key, "%dx%d=", &e.p, &e.a) == 2) { }
    else e.outside = sscanf(key, "%d(x%d)=", &e.p, &e.a) == 2;
    if (sscanf(right, "%dx%d", &e.q, &e.b) != 2) {
        e.q = 0;
        e.b = atoi(right);
    }
    return e;
}

static char *own_answer(const char *key)
{
    equation e = parse(key);

    for (int x = -1000; x <= 1000; x++)
        if ((e.outside ? e.p * (x + e.a) : e.p * x + e.a) == e.q * x + e.b)
            return worked_format(x);
    return mem_string("none");
}

/* Either "...x=b-a=m", or "px+a=" with another constant. */
static char *own_follow(const char *key, const char *prefix)
{
    equation e = parse(key);
    const char *line = worked_last(prefix, "\n");

    if (strchr(line, '=')) return worked_format(atoi(worked_last(line, "=")) / (e.p - e.q));
    return worked_format((e.b - atoi(strchr(line, 'x') + 1)) / (e.p - e.q));
}

START_TEST(traces_and_answers_are_right)
{
    worked_holds(&task_linear, own_answer, 16, 40);
}
END_TEST

START_TEST(high_effort_works_twice)
{
    worked_efforts(&task_linear);
}
END_TEST

START_TEST(every_character_counts)
{
    worked_slips(&task_linear, "0123456789+-*/x=()\n");
    worked_lines(&task_linear, false);
}
END_TEST

START_TEST(edits_lead_where_they_say)
{
    worked_edits(&task_linear, own_follow, 2);
}
END_TEST

START_TEST(no_work_no_points)
{
    bytes b = { 0 };

    for (int i = -30; i < 100; i++) bytes_add_format(&b, "%d, ", i);
    worked_no_free_points(&task_linear, b.data);
    bytes_fini(&b);
}
END_TEST

START_TEST(fair_wordings_count)
{
    worked_fair(&task_linear);
    ck_assert(worked_grade(&task_linear, "3x+5=20", "x = 5") == 1);
    ck_assert(worked_grade(&task_linear, "3x+5=20", "x=5.") == 1);
    ck_assert(worked_grade(&task_linear, "3x+5=20", "x") == 0);
    ck_assert(worked_grade(&task_linear, "3x+5=20", "x=4 or x=5") == 0);
}
END_TEST

START_TEST(a_slip_is_one_false_step)
{
    const char *key = "8(x+6)=9x+51";
    trace_check c = worked_check(&task_linear, key,
                                 "8x+48=9x+51\n8x-9x=51-48\n-1x=51-48=3\nx=3/-1=-3\n"
                                 "check 8*(-3+6)=8*3=24\ncheck 9*-3+51=-27+51=24\n=-3");

    ck_assert(c.well_formed && c.n_step == 6 && c.n_true == 6);
    c = worked_check(&task_linear, key,
                     "8x+48=9x+51\n8x-9x=51-48\n-1x=51-48=4\nx=4/-1=-4\n"
                     "check 8*(-4+6)=8*2=16\ncheck 9*-4+51=-36+51=15\n=-4");
    ck_assert(c.well_formed && c.n_step == 6 && c.n_true == 5);
    /* The sign kept; a check that is made to agree; a value no integer follows from. */
    c = worked_check(&task_linear, key,
                     "8x+48=9x+51\n8x-9x=51+48\n-1x=51+48=99\nx=99/-1=-99\n"
                     "check 8*(-99+6)=8*-93=-744\ncheck 9*-99+51=-891+51=-840\n=-99");
    ck_assert(c.well_formed && c.n_true == 5);
    c = worked_check(&task_linear, key,
                     "8x+48=9x+51\n8x-9x=51-48\n-1x=51-48=4\nx=4/-1=-4\n"
                     "check 8*(-4+6)=8*2=16\ncheck 9*-4+51=-36+51=16\n=-4");
    ck_assert(c.well_formed && c.n_true == 4);
    c = worked_check(&task_linear, "3x+5=20", "3x=20-5=16\nx=16/3=5\ncheck 3*5+5=15+5=20\n=5");
    ck_assert(c.well_formed && c.n_step == 3 && c.n_true == 1);
    c = worked_check(&task_linear, "3x+5=20", "x=5\ncheck 3*5+5=15+5=20\n=5");
    ck_assert(!c.well_formed && c.n_true == 0);
}
END_TEST

START_TEST(what_is_no_key_is_refused)
{
    static const char *const bad[] = { "", "x", "x+5", "x=5", "3x+5=21", "3x+5=3x+5", "x+0=3",
                                       "3(x+4)=15", "1x+3=4", "3x+5=2x", "3x+5=20 ", "0x+5=5",
                                       "x+5000=5001" };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(worked_grade(&task_linear, bad[i], "5") == 0, "%s", bad[i]);
        ck_assert(!worked_check(&task_linear, bad[i], "=5").well_formed);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("linear");
    TCase *c = tcase_create("linear");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, traces_and_answers_are_right);
    tcase_add_test(c, high_effort_works_twice);
    tcase_add_test(c, every_character_counts);
    tcase_add_test(c, edits_lead_where_they_say);
    tcase_add_test(c, no_work_no_points);
    tcase_add_test(c, fair_wordings_count);
    tcase_add_test(c, a_slip_is_one_false_step);
    tcase_add_test(c, what_is_no_key_is_refused);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
