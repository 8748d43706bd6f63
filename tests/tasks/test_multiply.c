/* Long multiplication: the trace against a product, and steps that are wrong. */
#include "worked.h"

static char *own_answer(const char *key)
{
    return worked_format(atoll(key) * atoll(strchr(key, '*') + 1));
}

/* A product off by some digit moves the answer by as much at its place. */
static char *own_follow(const char *key, const char *prefix)
{
    const char *line = worked_last(prefix, "\n");
    int n_left = (int)strcspn(key, "*"), i = worked_count(prefix, '\n') - 1;
    int a, digit, old, carry, value;
    long long unit = 1;

    ck_assert_int_eq(sscanf(line, "%d*%d+%d+%d=%d", &a, &digit, &old, &carry, &value), 5);
    for (int k = 0; k < i / (n_left + 1) + i % (n_left + 1) - 1; k++) unit *= 10;
    char *right = own_answer(key);
    long long answer = atoll(right) + (value - (a * digit + old + carry)) * unit;
    mem_free(right);
    return worked_format(answer);
}

START_TEST(traces_and_answers_are_right)
{
    worked_holds(&task_multiply, own_answer, 8, 60);
}
END_TEST

START_TEST(high_effort_works_twice)
{
    worked_efforts(&task_multiply);
}
END_TEST

START_TEST(every_character_counts)
{
    worked_slips(&task_multiply, "0123456789+*=:,\n");
    worked_lines(&task_multiply, true);
}
END_TEST

START_TEST(edits_lead_where_they_say)
{
    worked_edits(&task_multiply, own_follow, 1);
}
END_TEST

START_TEST(no_work_no_points)
{
    bytes b = { 0 };

    for (int i = 0; i < 3000; i++) bytes_add_format(&b, "%d, ", i);
    worked_no_free_points(&task_multiply, b.data);
    bytes_fini(&b);
}
END_TEST

START_TEST(fair_wordings_count)
{
    worked_fair(&task_multiply);
    ck_assert(worked_grade(&task_multiply, "347*26", "9,022") == 1);
    ck_assert(worked_grade(&task_multiply, "347*26", "90,22") == 0);
    ck_assert(worked_grade(&task_multiply, "347*26", "347*26=9022") == 0);
}
END_TEST

START_TEST(a_slip_is_one_false_step)
{
    trace_check c = worked_check(&task_multiply, "58*41",
                                 "58*41\n58*1+0+0:\n8*1+0+0=8,5*1+0+0:8\n5*1+0+0=5,58\n"
                                 "58*4+5+0:8\n8*4+5+0=37,5*4+0+3:78\n5*4+0+3=23,2378\n=2378");

    ck_assert(c.well_formed && c.n_step == 6 && c.n_true == 6);
    c = worked_check(&task_multiply, "58*41",
                     "58*41\n58*1+0+0:\n8*1+0+0=8,5*1+0+0:8\n5*1+0+0=6,68\n"
                     "58*4+6+0:8\n8*4+6+0=38,5*4+0+3:88\n5*4+0+3=23,2388\n=2388");
    ck_assert(c.well_formed && c.n_step == 6 && c.n_true == 5);
    /* The carry forgotten; a row left out. */
    c = worked_check(&task_multiply, "58*41",
                     "58*41\n58*1+0+0:\n8*1+0+0=8,5*1+0+0:8\n5*1+0+0=5,58\n"
                     "58*4+5+0:8\n8*4+5+0=37,5*4+0+0:78\n5*4+0+0=20,2078\n=2078");
    ck_assert(c.well_formed && c.n_step == 6 && c.n_true == 5);
    c = worked_check(&task_multiply, "58*41",
                     "58*41\n58*4+0+0:\n8*4+0+0=32,5*4+0+3:2\n5*4+0+3=23,232\n=232");
    ck_assert(!c.well_formed && c.n_true < 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("multiply");
    TCase *c = tcase_create("multiply");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, traces_and_answers_are_right);
    tcase_add_test(c, high_effort_works_twice);
    tcase_add_test(c, every_character_counts);
    tcase_add_test(c, edits_lead_where_they_say);
    tcase_add_test(c, no_work_no_points);
    tcase_add_test(c, fair_wordings_count);
    tcase_add_test(c, a_slip_is_one_false_step);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
