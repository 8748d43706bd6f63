/* Expressions and their values, and when the rest of a mark is due. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "decode/calculator.h"

#include <check.h>

static const struct { const char *text, *value; } good[] = {
    { "48/2", "24" }, { "48+24", "72" }, { "5*.2", "1" }, { "100*0.50", "50" },
    { "7", "7" }, { " 1 + 2 ", "3" }, { "2+3*4", "14" }, { "(2+3)*4", "20" },
    { "((1+2)*(3+4)-1)/4", "5" }, { "10-2-3", "5" }, { "100/10/5", "2" }, { "8/(4/2)", "4" },
    { "-3+5", "2" }, { "2*-3", "-6" }, { "--4", "4" }, { "3-5", "-2" }, { "+30+46", "76" }, { "560//10", "56" }, { "7//2", "3" }, { "-7//2", "-4" }, { "-(1+1)", "-2" },
    { "0/5", "0" }, { "-0", "0" }, { "0.5-0.5", "0" },
    /* Exact to the end: binary floating point gives 0.30000000000000004 and 0. */
    { "0.1+0.2", "0.3" }, { "1/3*3", "1" }, { "(1/3+1/3+1/3)*7", "7" },
    { "1/8", "0.125" }, { "1/20", "0.05" }, { "-1/20", "-0.05" }, { "1/1000000", "0.000001" },
    { "10.50+2", "12.5" }, { "1000000*1000000", "1000000000000" },
    /* Rounded at the end only, half away from zero. */
    { "1/3", "0.333333" }, { "2/3", "0.666667" }, { "-2/3", "-0.666667" },
    { "1/2000000", "0.000001" }, { "3/2000000", "0.000002" }, { "-3/2000000", "-0.000002" },
    { "2.0000004", "2" }, { "0.9999999", "1" },
    { "99999999999999999999*9", "899999999999999999991" },
};

START_TEST(values_are_exact_and_rounded_last)
{
    char out[CALCULATOR_MAX_RESULT];

    ck_assert_msg(calculator_value(good[_i].text, strlen(good[_i].text), out), "%s",
                  good[_i].text);
    ck_assert_str_eq(out, good[_i].value);
}
END_TEST

static const char *const bad[] = {
    "", " ", "1/0", "1/(2-2)", "5/(1/3-1/3)", "1,000+1", "2x3", "2(3)", "(2)(3)", "1 2", "1..2",
    "1.2.3", ".", "-", "+", "(1", "1)", "()", "1+", "*2", "50%", "$5", "a", "2**3", "2///3", "2/ /3", "5//0",
    "1e5", "0x10", "1=1", "1<2", "\xd9\xa1", "1\n", "\t1", "1/9999999", "-1/9999999",
    "1/2*1/9999999",
    "999999999999999999999999999999999999999999",
    "99999999999999999999*99999999999999999999*99999999999999999999",
    "1/99999999999999999999+1/99999999999999999998+1/99999999999999999997",
    "99999999999999999999999999999999999999", "0.0000000000000000000000000000000000000000001",
    "((((((((((((((((((1))))))))))))))))))", "-------------------1",
};

START_TEST(what_is_no_expression_or_too_long_has_no_value)
{
    char out[CALCULATOR_MAX_RESULT];

    ck_assert_msg(!calculator_value(bad[_i], strlen(bad[_i]), out), "%s gives %s", bad[_i], out);
}
END_TEST

START_TEST(a_nul_and_a_long_text_have_no_value)
{
    char out[CALCULATOR_MAX_RESULT], text[CALCULATOR_MAX_TEXT + 2];

    ck_assert(!calculator_value("1\0" "2", 3, out));
    ck_assert(!calculator_value("1\0", 2, out));
    memset(text, '0', sizeof text);
    ck_assert(calculator_value(text, CALCULATOR_MAX_TEXT, out));
    ck_assert_str_eq(out, "0");
    ck_assert(!calculator_value(text, CALCULATOR_MAX_TEXT + 1, out));
}
END_TEST

/* Random expressions of small integers against doubles, which hold them exactly
 * enough; random bytes for the sake of sanitizers. */
START_TEST(sums_of_products_agree_with_arithmetic)
{
    for (uint64_t i = 0; i < 2000; i++) {
        int a[4];
        char text[64], out[CALCULATOR_MAX_RESULT];

        for (int k = 0; k < 4; k++) a[k] = (int)(rng_u64(1, i, (uint64_t)k) % 199) - 99;
        snprintf(text, sizeof text, "(%d*%d-%d)*%d", a[0], a[1], a[2], a[3]);
        ck_assert(calculator_value(text, strlen(text), out));
        ck_assert_int_eq(atoi(out), (a[0] * a[1] - a[2]) * a[3]);
    }
}
END_TEST

START_TEST(random_texts_do_no_harm)
{
    static const char letters[] = "0123456789.+-*/() =<>";
    int valued = 0;

    for (uint64_t i = 0; i < 20000; i++) {
        char text[40], out[CALCULATOR_MAX_RESULT];
        size_t n = rng_u64(2, i, 0) % sizeof text;
        calculator c = { 0 };

        for (size_t k = 0; k < n; k++)
            text[k] = letters[rng_u64(2, i, k + 1) % (sizeof letters - 1)];
        valued += calculator_value(text, n, out);
        calculator_add(&c, text, n);
        calculator_rest(&c, out);
    }
    ck_assert_int_gt(valued, 100);
}
END_TEST

/* What is due after each of the pieces, "" standing for nothing. */
static void follow(const char *const *pieces, const char *const *due)
{
    calculator c = { 0 };

    for (int i = 0; pieces[i]; i++) {
        char out[CALCULATOR_MAX_RESULT] = "";

        calculator_add(&c, pieces[i], strlen(pieces[i]));
        if (!calculator_rest(&c, out)) *out = '\0';
        ck_assert_msg(!strcmp(out, due[i]), "after \"%s\": \"%s\"", pieces[i], out);
    }
}

START_TEST(the_rest_is_due_where_a_token_ends_behind_the_sign)
{
    follow((const char *const[]){ "so 3<4 <", "<48", "/2", "=", "24>>24 and <<1+1=", "2>>", NULL },
           (const char *const[]){ "", "", "", "24>>", "2>>", "" });
    follow((const char *const[]){ "<<48/2=2", "4>>", "=", "<<<1=", NULL },
           (const char *const[]){ "", "", "", "1>>" });
    follow((const char *const[]){ "<<1+1==", "<<1\n+1=", "<<1>>2=", "<<1<2=", "<1=", "1=", NULL },
           (const char *const[]){ "", "", "", "", "", "" });
    follow((const char *const[]){ "<<x=", "<<1/0=", "<<=", "<<2*3=", "", NULL },
           (const char *const[]){ "", "", "", "6>>", "6>>" });
}
END_TEST

START_TEST(an_endless_mark_is_given_up)
{
    char out[CALCULATOR_MAX_RESULT];
    calculator c = { 0 };

    calculator_add(&c, "<<", 2);
    for (int i = 0; i < CALCULATOR_MAX_TEXT + 1; i++) calculator_add(&c, "0", 1);
    calculator_add(&c, "=", 1);
    ck_assert(!calculator_rest(&c, out));
    calculator_add(&c, "<<4/2=", 6);
    ck_assert(calculator_rest(&c, out));
    ck_assert_str_eq(out, "2>>");
}
END_TEST

/* The marks of the training questions of GSM8K, whose results are known. */
START_TEST(all_marks_of_gsm8k_come_out_as_their_authors_wrote_them)
{
    static char line[1 << 16];
    FILE *f = fopen("../shared/data/gsm8k/train.jsonl", "r");
    int n = 0;

    if (!f) {
        printf("skipped: no ../shared/data/gsm8k\n");
        return;
    }
    while (fgets(line, sizeof line, f))
        for (char *at = line; (at = strstr(at, "<<")); n++) {
            char *sign = strchr(at += 2, '='), out[CALCULATOR_MAX_RESULT];

            ck_assert_ptr_nonnull(sign);
            ck_assert_msg(calculator_value(at, (size_t)(sign - at), out), "%.40s", at);
            ck_assert_msg(strtod(out, NULL) == strtod(sign + 1, NULL), "%.40s: %s", at, out);
        }
    ck_assert_int_eq(n, 23716);
    fclose(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("calculator");
    TCase *t = tcase_create("all");
    SRunner *run = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, values_are_exact_and_rounded_last, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(t, what_is_no_expression_or_too_long_has_no_value, 0,
                        sizeof bad / sizeof *bad);
    tcase_add_test(t, a_nul_and_a_long_text_have_no_value);
    tcase_add_test(t, sums_of_products_agree_with_arithmetic);
    tcase_add_test(t, random_texts_do_no_harm);
    tcase_add_test(t, the_rest_is_due_where_a_token_ends_behind_the_sign);
    tcase_add_test(t, an_endless_mark_is_given_up);
    tcase_add_test(t, all_marks_of_gsm8k_come_out_as_their_authors_wrote_them);
    suite_add_tcase(s, t);
    srunner_run_all(run, CK_NORMAL);
    failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed;
}
