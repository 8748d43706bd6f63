/* Rewards to advantages, against worked numbers and finite differences. */
#include <math.h>

#include "train/advantage.h"

#include <check.h>

START_TEST(centred_advantages_sum_to_zero)
{
    const double r[4] = { 1, 0, 0, 1 };
    double a[4];

    advantage_group(r, 4, false, a);
    ck_assert_double_eq_tol(a[0], 0.5, 1e-12);
    ck_assert_double_eq_tol(a[1], -0.5, 1e-12);
    ck_assert_double_eq_tol(a[0] + a[1] + a[2] + a[3], 0, 1e-12);
}
END_TEST

START_TEST(zscores_have_unit_spread)
{
    const double r[4] = { 3, 1, 1, 3 };
    double a[4], sd = sqrt(4.0 / 3);

    advantage_group(r, 4, true, a);
    ck_assert_double_eq_tol(a[0], 1 / (sd + 1e-4), 1e-12);
    ck_assert_double_eq_tol(a[1], -1 / (sd + 1e-4), 1e-12);
}
END_TEST

START_TEST(equal_rewards_are_flat_and_worth_nothing)
{
    const double same[3] = { 0.5, 0.5, 0.5 }, other[3] = { 0.5, 0.5, 0.6 };
    double a[3];

    ck_assert(advantage_flat(same, 3));
    ck_assert(!advantage_flat(other, 3));
    advantage_group(same, 3, true, a);
    for (int i = 0; i < 3; i++) ck_assert_double_eq(a[i], 0);
}
END_TEST

START_TEST(gae_with_lambda_one_is_return_minus_value)
{
    const double v[3] = { 0.2, 0.5, 0.4 };
    double a[3], ret[3];

    advantage_gae(v, 3, 1, 1, 1, a, ret);
    for (int t = 0; t < 3; t++) {
        ck_assert_double_eq_tol(a[t], 1 - v[t], 1e-12);
        ck_assert_double_eq_tol(ret[t], 1, 1e-12);
    }
}
END_TEST

START_TEST(gae_with_lambda_zero_is_one_step)
{
    const double v[3] = { 0.2, 0.5, 0.4 };
    double a[3], ret[3];

    advantage_gae(v, 3, 1, 0.9, 0, a, ret);
    ck_assert_double_eq_tol(a[0], 0.9 * 0.5 - 0.2, 1e-12);
    ck_assert_double_eq_tol(a[1], 0.9 * 0.4 - 0.5, 1e-12);
    ck_assert_double_eq_tol(a[2], 1 - 0.4, 1e-12);
}
END_TEST

/* min(rho A, clip(rho) A) by log-prob, numerically. */
static double objective(double log_ratio, double a, double low, double high)
{
    double rho = exp(log_ratio);
    double cut = rho < 1 - low ? 1 - low : rho > 1 + high ? 1 + high : rho;

    return fmin(rho * a, cut * a);
}

START_TEST(slope_is_the_derivative_of_the_clipped_objective)
{
    const double at[] = { -0.6, -0.1, 0, 0.1, 0.2, 0.6 }, h = 1e-6;

    for (int i = 0; i < 6; i++)
        for (int sign = -1; sign <= 1; sign += 2) {
            double a = 0.7 * sign;
            double want = -(objective(at[i] + h, a, 0.2, 0.28) -
                            objective(at[i] - h, a, 0.2, 0.28)) / (2 * h);

            ck_assert_double_eq_tol(advantage_slope(exp(at[i]), a, 0.2, 0.28), want, 1e-6);
        }
}
END_TEST

START_TEST(kl_slope_is_the_derivative_of_k3)
{
    const double lp = -1.3, h = 1e-6;

    for (double ref = -3; ref < 0; ref += 0.7) {
        double up = exp(ref - lp - h) - (ref - lp - h) - 1;
        double down = exp(ref - lp + h) - (ref - lp + h) - 1;

        ck_assert_double_eq_tol(advantage_kl_slope(lp, ref), (up - down) / (2 * h), 1e-5);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("advantage");
    TCase *t = tcase_create("all");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(t, centred_advantages_sum_to_zero);
    tcase_add_test(t, zscores_have_unit_spread);
    tcase_add_test(t, equal_rewards_are_flat_and_worth_nothing);
    tcase_add_test(t, gae_with_lambda_one_is_return_minus_value);
    tcase_add_test(t, gae_with_lambda_zero_is_one_step);
    tcase_add_test(t, slope_is_the_derivative_of_the_clipped_objective);
    tcase_add_test(t, kl_slope_is_the_derivative_of_k3);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
