/* test_stats.c - statistics against figures from closed forms and by hand. */
#include "train/stats.h"

#include <math.h>

#include <check.h>

START_TEST(wilson_agrees_with_worked_examples)
{
    /* 10 of 100 and 81 of 263, z = 1.96 (Newcombe 1998 prints the second). */
    stats_interval a = stats_wilson(10, 100, 1.959964), b = stats_wilson(81, 263, 1.959964);

    ck_assert_double_eq_tol(a.low, 0.0552, 5e-5);
    ck_assert_double_eq_tol(a.high, 0.1744, 5e-5);
    ck_assert_double_eq_tol(b.low, 0.2553, 5e-5);
    ck_assert_double_eq_tol(b.high, 0.3662, 5e-5);
}
END_TEST

START_TEST(wilson_bounds_solve_the_score_equation_and_stay_in_range)
{
    for (int n = 1; n < 60; n += 7)
        for (int hits = 0; hits <= n; hits++) {
            stats_interval w = stats_wilson(hits, n, 2);
            double p = (double)hits / n;

            ck_assert(w.low >= 0 && w.high <= 1 && w.low <= p && p <= w.high);
            if (hits == 0) ck_assert(w.low == 0);
            else ck_assert_double_eq_tol((p - w.low) / sqrt(w.low * (1 - w.low) / n), 2, 1e-6);
            if (hits == n) ck_assert(w.high == 1);
            else ck_assert_double_eq_tol((w.high - p) / sqrt(w.high * (1 - w.high) / n), 2, 1e-6);
        }
}
END_TEST

START_TEST(of_nothing_nothing_is_known)
{
    stats_interval w = stats_wilson(0, 0, 2);

    ck_assert(w.low == 0 && w.high == 1);
    ck_assert(isnan(stats_mean(NULL, 0)));
    ck_assert(isnan(stats_median(NULL, 0)));
    ck_assert(stats_sd(NULL, 0) == 0);
    ck_assert(isnan(stats_line(NULL, NULL, 0).b));
    ck_assert(isnan(stats_mean_interval(NULL, 0, 2).low));
}
END_TEST

START_TEST(mean_and_deviation_by_hand)
{
    static const double x[] = { 2, 4, 4, 4, 5, 5, 7, 9 };
    stats_interval m = stats_mean_interval(x, 8, 2);

    ck_assert_double_eq_tol(stats_mean(x, 8), 5, 1e-15);
    ck_assert_double_eq_tol(stats_sd(x, 8), sqrt(32.0 / 7), 1e-15);
    ck_assert_double_eq_tol(m.high - m.low, 4 * sqrt(32.0 / 7 / 8), 1e-14);
    ck_assert(stats_sd(x, 1) == 0);
    /* A large offset must not swallow the deviation. */
    ck_assert_double_eq_tol(stats_sd((double[]){ 1e9, 1e9 + 1, 1e9 + 2 }, 3), 1, 1e-9);
}
END_TEST

START_TEST(median_and_quantiles_do_not_need_order)
{
    static const double x[] = { 9, 1, 5, 3 };

    ck_assert(stats_median(x, 4) == 4);
    ck_assert(stats_median(x, 3) == 5);
    ck_assert(stats_quantile(x, 4, 0) == 1 && stats_quantile(x, 4, 1) == 9);
    ck_assert_double_eq_tol(stats_quantile(x, 4, 0.25), 2.5, 1e-15);
    ck_assert(x[0] == 9 && x[3] == 3);
}
END_TEST

START_TEST(a_line_is_found_with_its_share_of_the_variance)
{
    static const double x[] = { 1, 2, 4, 8, 16 };
    double y[5], noisy[] = { 1, 3, 2, 5, 4 }, flat[] = { 2, 2, 2, 2, 2 };
    stats_fit f;

    for (int i = 0; i < 5; i++) y[i] = 0.25 + 0.125 * log2(x[i]);
    f = stats_line_log2(x, y, 5);
    ck_assert_double_eq_tol(f.a, 0.25, 1e-14);
    ck_assert_double_eq_tol(f.b, 0.125, 1e-14);
    ck_assert_double_eq_tol(f.r2, 1, 1e-14);
    ck_assert_int_eq(f.n, 5);
    /* on log2: x 0..4, y 1 3 2 5 4: b = 8 / 10, r^2 = 64 / (10 * 10) */
    f = stats_line_log2(x, noisy, 5);
    ck_assert_double_eq_tol(f.b, 0.8, 1e-14);
    ck_assert_double_eq_tol(f.a, 1.4, 1e-14);
    ck_assert_double_eq_tol(f.r2, 0.64, 1e-14);
    f = stats_line(x, flat, 5);
    ck_assert(f.a == 2 && f.b == 0 && f.r2 == 1);
}
END_TEST

START_TEST(a_fit_over_log2_leaves_out_what_has_no_logarithm)
{
    static const double x[] = { 0, -3, 1, 2, 4 }, y[] = { 99, -99, 1, 2, 3 };
    stats_fit f = stats_line_log2(x, y, 5);

    ck_assert_int_eq(f.n, 3);
    ck_assert_double_eq_tol(f.a, 1, 1e-14);
    ck_assert_double_eq_tol(f.b, 1, 1e-14);
    ck_assert(isnan(stats_line_log2(x, y, 3).b));
    ck_assert(isnan(stats_line((double[]){ 2, 2 }, y, 2).a));
}
END_TEST

START_TEST(logit_is_the_inverse_of_the_logistic)
{
    for (double x = -8; x <= 8; x += 0.5)
        ck_assert_double_eq_tol(stats_logit(1 / (1 + exp(-x))), x, 1e-10);
    ck_assert(stats_logit(0) == -INFINITY && stats_logit(1) == INFINITY);
}
END_TEST

START_TEST(pass_at_k_counts_the_draws_without_a_right_one)
{
    ck_assert_double_eq_tol(stats_pass_at_k(10, 3, 1), 0.3, 1e-15);
    /* 1 - C(7,2)/C(10,2) = 1 - 21/45 */
    ck_assert_double_eq_tol(stats_pass_at_k(10, 3, 2), 24.0 / 45, 1e-14);
    ck_assert(stats_pass_at_k(10, 0, 10) == 0);
    ck_assert(stats_pass_at_k(10, 1, 10) == 1 && stats_pass_at_k(10, 8, 3) == 1);
    ck_assert_double_eq_tol(stats_pass_at_k(4096, 1, 2048), 0.5, 1e-12);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stats");
    TCase *t = tcase_create("stats");
    SRunner *sr;
    int failed;

    tcase_add_test(t, wilson_agrees_with_worked_examples);
    tcase_add_test(t, wilson_bounds_solve_the_score_equation_and_stay_in_range);
    tcase_add_test(t, of_nothing_nothing_is_known);
    tcase_add_test(t, mean_and_deviation_by_hand);
    tcase_add_test(t, median_and_quantiles_do_not_need_order);
    tcase_add_test(t, a_line_is_found_with_its_share_of_the_variance);
    tcase_add_test(t, a_fit_over_log2_leaves_out_what_has_no_logarithm);
    tcase_add_test(t, logit_is_the_inverse_of_the_logistic);
    tcase_add_test(t, pass_at_k_counts_the_draws_without_a_right_one);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
