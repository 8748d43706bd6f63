/* test_schedule.c - the learning rate step by step. */
#include "train/schedule.h"

#include <math.h>
#include <string.h>

#include <check.h>

START_TEST(warm_up_climbs_in_equal_steps_to_the_peak)
{
    schedule s = { SCHEDULE_LINEAR, 0.8, 0, 4, 100 };
    static const double want[] = { 0.2, 0.4, 0.6, 0.8, 0.8 };

    s.kind = (schedule_kind)_i;
    for (int i = 0; i < 5; i++) ck_assert_double_eq_tol(schedule_rate(&s, i), want[i], 1e-15);
}
END_TEST

START_TEST(decay_ends_on_the_floor_and_stays_there)
{
    schedule s = { (schedule_kind)_i, 2, 0.1, 10, 111 };

    ck_assert_double_eq_tol(schedule_rate(&s, 10), 2, 1e-15);
    for (int64_t step = 110; step < 1000000; step = step * 3 + 1)
        ck_assert_double_eq_tol(schedule_rate(&s, step), 0.2, 1e-15);
    for (int64_t step = 10; step < 110; step++)
        ck_assert_double_gt(schedule_rate(&s, step), schedule_rate(&s, step + 1));
    /* half way between step 10 and step 110 */
    ck_assert_double_eq_tol(schedule_rate(&s, 60), 1.1, 1e-12);
}
END_TEST

START_TEST(a_quarter_of_the_way_tells_a_cosine_from_a_line)
{
    schedule s = { SCHEDULE_COSINE, 1, 0, 0, 101 };

    ck_assert_double_eq_tol(schedule_rate(&s, 25), (1 + sqrt(0.5)) / 2, 1e-12);
    s.kind = SCHEDULE_LINEAR;
    ck_assert_double_eq_tol(schedule_rate(&s, 25), 0.75, 1e-12);
}
END_TEST

START_TEST(a_constant_rate_ignores_floor_and_end)
{
    schedule s = { SCHEDULE_CONSTANT, 3, 0.1, 2, 10 };

    for (int64_t step = 1; step < 40; step++) ck_assert(schedule_rate(&s, step) == 3);
    ck_assert(schedule_rate(&s, 0) == 1.5);
}
END_TEST

START_TEST(short_runs_never_train_at_rate_zero_only)
{
    schedule s = { (schedule_kind)_i, 1, 0, 0, 1 };

    ck_assert(schedule_rate(&s, 0) == 1);
    s.n_warm = 1;
    ck_assert(schedule_rate(&s, 0) == 1);
    s.n_warm = s.n_step = 3;
    ck_assert(schedule_rate(&s, 2) == 1);
}
END_TEST

START_TEST(a_field_out_of_range_is_named)
{
    static const struct {
        schedule s;
        const char *word;
    } cases[] = {
        { { (schedule_kind)7, 1, 0, 0, 10 }, "kind" },
        { { SCHEDULE_LINEAR, -1, 0, 0, 10 }, "peak" },
        { { SCHEDULE_LINEAR, NAN, 0, 0, 10 }, "peak" },
        { { SCHEDULE_LINEAR, 1, 1.5, 0, 10 }, "floor" },
        { { SCHEDULE_LINEAR, 1, NAN, 0, 10 }, "floor" },
        { { SCHEDULE_LINEAR, 1, 0, 0, 0 }, "0 steps" },
        { { SCHEDULE_LINEAR, 1, 0, 11, 10 }, "warm-up" },
        { { SCHEDULE_LINEAR, 1, 0, -1, 10 }, "warm-up" },
    };
    static const schedule good = { SCHEDULE_COSINE, 0, 1, 10, 10 };
    errtext err;

    ck_assert_int_eq(schedule_check(&cases[_i].s, &err), E_ARG);
    ck_assert_msg(strstr(err.text, cases[_i].word) != NULL, "%s", err.text);
    ck_assert_int_eq(schedule_check(&good, &err), OK);
}
END_TEST

START_TEST(names_go_there_and_back)
{
    errtext err;
    schedule_kind kind;

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(schedule_parse(&kind, schedule_name((schedule_kind)i), &err), OK);
        ck_assert_int_eq(kind, i);
    }
    ck_assert_int_eq(schedule_parse(&kind, "cosin", &err), E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "cosin"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schedule");
    TCase *t = tcase_create("schedule");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(t, warm_up_climbs_in_equal_steps_to_the_peak, 0, 3);
    tcase_add_loop_test(t, decay_ends_on_the_floor_and_stays_there, 1, 3);
    tcase_add_test(t, a_quarter_of_the_way_tells_a_cosine_from_a_line);
    tcase_add_test(t, a_constant_rate_ignores_floor_and_end);
    tcase_add_loop_test(t, short_runs_never_train_at_rate_zero_only, 0, 3);
    tcase_add_loop_test(t, a_field_out_of_range_is_named, 0, 8);
    tcase_add_test(t, names_go_there_and_back);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
