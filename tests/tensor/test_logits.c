/* test_logits.c - the row passes: values against libm, bits across widths. */
#include "tensor/logits.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

/* Lengths around the edges of vectors and blocks, and real vocabularies. */
static const int lengths[] = { 1, 2, 15, 16, 17, 63, 1023, 1024, 1025, 2048, 5000, 49152,
                               151936 };
#define N_LENGTH ((int)(sizeof lengths / sizeof lengths[0]))

static float *make_row(int n, uint64_t seed, double spread)
{
    float *x = mem_array((size_t)n, sizeof *x);

    for (int i = 0; i < n; i++)
        x[i] = (float)(spread * rng_normal(seed, 1, (uint64_t)i));
    return x;
}

static float row_max(const float *x, int n)
{
    float max = x[0];

    for (int i = 1; i < n; i++)
        if (x[i] > max) max = x[i];
    return max;
}

START_TEST(exp_is_within_two_ulp)
{
    for (float x = 0; x > -87; x -= 0.00317f) {
        double want = exp((double)x);

        ck_assert_double_le(fabs((double)logits_exp(x) - want), 2 * FLT_EPSILON * want);
    }
    ck_assert(logits_exp(0) == 1);
    ck_assert(logits_exp(-87.01f) == 0);
    ck_assert(logits_exp(-INFINITY) == 0);
    ck_assert(logits_exp(-FLT_MAX) == 0);
}
END_TEST

START_TEST(log_is_within_two_ulp)
{
    for (double x = 1e-300; x < 1e300; x *= 1.7131) {
        double want = log(x);

        ck_assert_double_le(fabs(logits_log(x) - want), 2 * DBL_EPSILON * fabs(want));
    }
    for (double x = 0.5; x < 2; x += 0.0013)
        ck_assert_double_le(fabs(logits_log(x) - log(x)),
                            2 * DBL_EPSILON * fmax(fabs(log(x)), 0.1));
    ck_assert(logits_log(1) == 0);
}
END_TEST

/* The definition in logits.h, element by element. */
static double plain_sum(const float *x, int n, float max, float scale)
{
    double row = 0;

    for (int b = 0; b < n; b += LOGITS_BLOCK) {
        double total = 0;

        for (int l = 0; l < LOGITS_LANES; l++) {
            float lane = 0;

            for (int i = b + l; i < b + LOGITS_BLOCK && i < n; i += LOGITS_LANES)
                lane += logits_exp((x[i] - max) * scale);
            total += (double)lane;
        }
        row += total;
    }
    return row;
}

START_TEST(sum_has_the_same_bits_at_every_width)
{
    for (int k = 0; k < N_LENGTH; k++) {
        int n = lengths[k];
        float *x = make_row(n, (uint64_t)k, k % 2 ? 3 : 20);
        float max = row_max(x, n);
        double want = plain_sum(x, n, max, 1.25f);

        for (int level = CPU_SCALAR; level <= (int)cpu_detect(); level++) {
            double blocks[256], sum = 0;
            double got = logits_exp_sum((cpu_level)level, x, n, max, 1.25f, blocks);

            ck_assert_msg(got == want, "n %d level %d: %.17g, want %.17g", n, level, got,
                          want);
            for (int b = 0; b < logits_blocks(n); b++) sum += blocks[b];
            ck_assert(sum == want);
        }
        mem_free(x);
    }
}
END_TEST

START_TEST(sum_does_not_depend_on_alignment)
{
    float *x = make_row(5003, 9, 4);
    double want = logits_exp_sum(cpu_detect(), x + 3, 5000, 30, 1, NULL);
    float *y = mem_copy(x + 3, 5000 * sizeof *x);

    ck_assert(logits_exp_sum(cpu_detect(), y, 5000, 30, 1, NULL) == want);
    mem_free(x);
    mem_free(y);
}
END_TEST

START_TEST(scan_finds_the_maximum_of_every_lane)
{
    for (int k = 0; k < N_LENGTH; k++) {
        int n = lengths[k], n_group = logits_blocks(n) * LOGITS_LANES;
        float *x = make_row(n, (uint64_t)(100 + k), 5);
        float *got = mem_array((size_t)n_group, sizeof *got);

        for (int level = CPU_SCALAR; level <= (int)cpu_detect(); level++) {
            ck_assert(logits_scan((cpu_level)level, x, n, got));
            for (int g = 0; g < n_group; g++) {
                float want = -INFINITY;

                for (int j = 0; j < LOGITS_BLOCK / LOGITS_LANES; j++) {
                    int id = g / LOGITS_LANES * LOGITS_BLOCK + j * LOGITS_LANES +
                             g % LOGITS_LANES;

                    if (id < n && x[id] > want) want = x[id];
                }
                ck_assert(got[g] == want);
            }
        }
        mem_free(got);
        mem_free(x);
    }
}
END_TEST

START_TEST(scan_sees_every_value_that_is_not_finite)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    float max[2 * LOGITS_LANES];
    float *x = make_row(1500, 3, 5);

    for (int at = 0; at < 1500; at++)
        for (int k = 0; k < 3; k++)
            for (int level = CPU_SCALAR; level <= (int)cpu_detect(); level++) {
                float was = x[at];

                x[at] = bad[k];
                ck_assert(!logits_scan((cpu_level)level, x, 1500, max));
                ck_assert_int_eq(logits_find_bad(x, 1500), at);
                x[at] = was;
            }
    x[7] = FLT_MAX;
    x[8] = -FLT_MAX;
    x[9] = FLT_TRUE_MIN;
    ck_assert(logits_scan(cpu_detect(), x, 1500, max));
    ck_assert_int_eq(logits_find_bad(x, 1500), -1);
    mem_free(x);
}
END_TEST

START_TEST(log_probs_are_the_softmax_at_temperature)
{
    static const float temperatures[] = { 0, 0.3f, 1, 2.5f };

    for (int k = 0; k < 4; k++) {
        float *x = make_row(20000, 5, 4);
        double t = temperatures[k] == 0 ? 1 : (double)temperatures[k], sum = 0, total = 0;
        logits_norm norm = logits_normalise(cpu_detect(), x, 20000, temperatures[k]);

        for (int i = 0; i < 20000; i++) sum += exp(((double)x[i] - (double)norm.max) / t);
        for (int i = 0; i < 20000; i++) {
            double want = ((double)x[i] - (double)norm.max) / t - log(sum);
            double got = (double)logits_log_prob(&norm, x[i]);

            ck_assert_double_le(fabs(got - want), 1e-5 + 3e-7 * fabs(want));
            total += exp(got);
        }
        ck_assert_double_le(fabs(total - 1), 1e-5);
        mem_free(x);
    }
}
END_TEST

START_TEST(weights_and_entropy_are_those_of_the_softmax)
{
    for (int i = 0; i < N_LENGTH; i++) {
        int n = lengths[i];
        float *x = make_row(n, 9, 4), *first = NULL;
        logits_norm norm = logits_normalise(CPU_SCALAR, x, n, 0.7f);
        double entropy = 0, worst = 0;

        for (int k = 0; k < n; k++) {
            double log_p = (double)logits_log_prob(&norm, x[k]);

            entropy -= exp(log_p) * log_p;
        }
        for (int level = CPU_SCALAR; level <= (int)cpu_detect(); level++) {
            float *y = mem_copy(x, (size_t)n * sizeof *x);

            ck_assert_double_le(fabs(logits_entropy((cpu_level)level, x, n, &norm) - entropy),
                                2e-5 * (1 + entropy));
            logits_weigh((cpu_level)level, y, n, &norm, -3);
            for (int k = 0; k < n; k++) {
                double want = -3 * exp((double)logits_log_prob(&norm, x[k]));

                worst = fmax(worst, fabs(want - (double)y[k]) / fabs(want));
            }
            if (!first) first = y;
            else {
                ck_assert_int_eq(memcmp(first, y, (size_t)n * sizeof *y), 0);
                mem_free(y);
            }
        }
        ck_assert_msg(worst < 1e-5, "a weight of %d is off by %g", n, worst);
        mem_free(first);
        mem_free(x);
    }
}
END_TEST

START_TEST(the_coldest_temperature_stays_finite)
{
    const float x[3] = { 1, 3, 2 };
    logits_norm norm = logits_normalise(CPU_SCALAR, x, 3, FLT_TRUE_MIN);

    ck_assert(norm.scale == FLT_MAX);
    ck_assert(logits_log_prob(&norm, 3) == 0);
    ck_assert(logits_log_prob(&norm, 2) <= -FLT_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("logits");
    TCase *tc = tcase_create("logits");
    SRunner *sr = srunner_create(suite);
    int n_failed;

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, exp_is_within_two_ulp);
    tcase_add_test(tc, log_is_within_two_ulp);
    tcase_add_test(tc, sum_has_the_same_bits_at_every_width);
    tcase_add_test(tc, sum_does_not_depend_on_alignment);
    tcase_add_test(tc, scan_finds_the_maximum_of_every_lane);
    tcase_add_test(tc, scan_sees_every_value_that_is_not_finite);
    tcase_add_test(tc, log_probs_are_the_softmax_at_temperature);
    tcase_add_test(tc, weights_and_entropy_are_those_of_the_softmax);
    tcase_add_test(tc, the_coldest_temperature_stays_finite);
    suite_add_tcase(suite, tc);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
