/* test_equiv.c - answers that say the same, and answers that only look like it. */
#include "tasks/equiv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"

#include <check.h>

static equiv_verdict compare(const char *a, const char *b)
{
    return equiv_compare(a, strlen(a), b, strlen(b), 0);
}

typedef struct pair {
    const char *a, *b;
} pair;

/* Both ways round: equality does not depend on which side is the reference. */
static void all_are(const pair *rows, size_t n, bool equal)
{
    for (size_t i = 0; i < n; i++) {
        bool ab = compare(rows[i].a, rows[i].b) == EQUIV_EQUAL;
        bool ba = compare(rows[i].b, rows[i].a) == EQUIV_EQUAL;

        ck_assert_msg(ab == equal && ba == equal, "\"%s\" and \"%s\": %s, %s", rows[i].a,
                      rows[i].b, ab ? "equal" : "different", ba ? "equal" : "different");
    }
}

#define ALL_ARE(rows, equal) all_are(rows, sizeof rows / sizeof rows[0], equal)

START_TEST(one_number_is_written_in_many_ways)
{
    static const pair rows[] = {
        { "1/2", "0.5" }, { "1/2", "\\frac{1}{2}" }, { "\\frac12", ".5" }, { "\\dfrac{1}{2}", "2/4" },
        { "\\tfrac 12", "0.50" }, { "\\frac{1}2", "0.5" }, { "-\\frac{1}{2}", "-0.5" },
        { "\\frac{-1}{2}", "-1/2" }, { "50%", "0.5" }, { "50\\%", "1/2" }, { "50 percent", "50%" },
        { "50%", "50" }, { "1,234", "1234" }, { "1,234,567.5", "1234567.5" }, { "1{,}234", "1234" },
        { "1\\,234", "1234" }, { "1,\\!234", "1234" }, { "$5", "5" }, { "\\$5.00", "5" },
        { "$1,200", "1200" }, { "-$5", "-5" }, { "5 dollars", "$5" }, { "\u20ac5", "5 euros" },
        { "1 1/2", "3/2" }, { "1\\frac{1}{2}", "1.5" }, { "-1 1/2", "-1.5" }, { "2\\frac34", "11/4" },
        { "(2+3)*4", "20" }, { "2^10", "1024" }, { "2**10", "1024" }, { "2^{10}", "1024" },
        { "sqrt(16)", "4" }, { "\\sqrt{16}", "4" }, { "\\sqrt 2", "2^{1/2}" }, { "\\sqrt[3]{8}", "2" },
        { "2\\sqrt{3}", "\\sqrt{12}" }, { "\u221a2", "\\sqrt{2}" }, { "2\\pi", "2*pi" }, { "2\u03c0", "2 \\pi" },
        { "\\frac{\\pi}{4}", "pi/4" }, { "1/\\sqrt{2}", "\\frac{\\sqrt{2}}{2}" }, { "1e3", "1000" },
        { "1.5 \\times 10^3", "1500" }, { "1.5\u00d710^{-2}", "0.015" }, { "3 \\cdot 4", "12" },
        { "\u22125", "-5" }, { "+5", "5" }, { "5.", "5" }, { "5.0", "5" }, { "005", "5" }, { "5!", "120" },
        { "|-3|", "3" }, { "\\left|-3\\right|", "3" }, { "\u00bd", "0.5" }, { "1\u00bd", "1.5" }, { "3\u00b2", "9" },
        { "$\\frac{1}{2}$", "1/2" }, { "\\(5\\)", "5" }, { "\\[5\\]", "5" }, { "**5**", "5" }, { "`5`", "5" },
        { "\\boxed{5}", "5" }, { "x = 5", "5" }, { "x=5", "x = 5" }, { "f(x) = 5", "5" }, { "{5}", "5" },
        { "ln(e)", "1" }, { "\\log_2 8", "3" }, { "\\log_{10}(100)", "2" }, { "\\sin(\\pi/6)", "1/2" },
        { "e^0", "1" }, { "\\infty", "inf" }, { "-\\infty", "-\u221e" }, { "10/4", "2.5" }, { "8/4/2", "1" },
        { "-2^2", "-4" }, { "2^3^2", "512" }, { "0.1+0.2", "0.3" }, { "\\text{5}", "5" }, { "5 ", " 5" },
        { "\\left( \\frac{1}{2} \\right)", "0.5" }, { "100!/99!", "100" },
    };

    ALL_ARE(rows, true);
}
END_TEST

START_TEST(numbers_that_differ_are_told_apart)
{
    static const pair rows[] = {
        { "5", "6" }, { "0.333", "1/3" }, { "3.14", "\\pi" }, { "1234", "1.234" }, { "5", "-5" },
        { "50%", "5" }, { "0.5%", "0.5%1" }, { "1/2", "1/3" }, { "2\\sqrt{3}", "3\\sqrt{2}" },
        { "12", "1 2" }, { "1 1/2", "11/2" }, { "\\frac{1}{2}", "12" }, { "", "" }, { "", "5" }, { " ", "5" },
        { "0", "" }, { "1/0", "1/0+1" }, { "1/0", "5" }, { "inf", "5" }, { "inf", "-inf" }, { "nan", "5" },
        { "0/0", "0" }, { "0", "1e-300" }, { "1e400", "1e401" }, { "2^100", "2^100+1" },
        { "123456789012345678901234567890", "123456789012345678901234567891" },
        { "10000000000000000", "10000000000000001" }, { "0.1", "0.10000000000000000000000001" },
        { "5\\%", "5\\$" }, { "3!", "3" }, { "log(100)", "ln(100)" }, { "2.50", "2.05" }, { "1,23", "123" },
    };

    ALL_ARE(rows, false);
}
END_TEST

START_TEST(a_unit_may_be_left_out_but_not_exchanged)
{
    static const pair same[] = {
        { "5 cm", "5" }, { "5\\text{ cm}", "5 cm" }, { "5 \\mathrm{cm}", "5cm" }, { "500 cm", "5 m" },
        { "1 hour", "60 minutes" }, { "2 kg", "2000 g" }, { "12 inches", "1 foot" }, { "90^\\circ", "90" },
        { "90\u00b0", "90 degrees" }, { "90^{\\circ}", "90 deg" }, { "10 cm^2", "10 square cm" },
        { "1 m^2", "10000 cm^2" }, { "5 cm\u00b2", "5" }, { "30 km/h", "30 km/h" }, { "5 apples", "5" },
        { "5 apples", "5 Apples" }, { "5 m", "5" }, { "5 \u20ac", "\u20ac5" }, { "5kg", "5" }, { "3 x", "3x" }, { "$5", "500 cents" },
        { "12 \\text{ square units}", "12" },
    };
    static const pair other[] = {
        { "5 cm", "5 m" }, { "5 apples", "5 oranges" }, { "5 kg", "5 m" }, { "$5", "5 euros" }, { "5 x", "5" }, { "$5 million", "$5" },
        { "5%", "5 cm" }, { "5 cm", "5 cm^2" }, { "1 m^2", "100 cm^2" }, { "5 cm 6", "5" },
        { "18 is wrong it is 19", "18" },
    };

    ALL_ARE(same, true);
    ALL_ARE(other, false);
}
END_TEST

START_TEST(expressions_are_compared_by_what_they_are_worth)
{
    static const pair same[] = {
        { "x^2+2x+1", "(x+1)^2" }, { "2(x+1)", "2x+2" }, { "x*y", "yx" }, { "2xy", "2*y*x" }, { "xyz", "xyz" }, { "\\frac{x}{2}", "0.5x" },
        { "\\sqrt{x^2}", "|x|" }, { "\\sin^2", "\\sin^2" }, { "a/b", "\\frac{a}{b}" }, { "x_1+x_2", "x_2 + x_1" },
        { "e^{x}", "exp(x)" }, { "2^{n+1}", "2*2^n" }, { "\\theta + 1", "1+\\theta" }, { "y = 2x+1", "2x + 1" },
        { "(x-1)(x+1)", "x^2-1" }, { "-x", "0-x" }, { "(A)", "A" }, { "\\text{(A)}", "A" }, { "\\text{A}", "A" },
    };
    static const pair other[] = {
        { "x^2+1", "(x+1)^2" }, { "x", "y" }, { "2x", "x+2" }, { "x = 5", "y = 5" }, { "x_1", "x_2" }, { "A", "B" },
        { "x^2", "x^3" }, { "x/x", "0" }, { "2xy", "2" }, { "2xy", "2x" }, { "ABC", "CAB" }, { "no", "on" }, { "cat", "act" },
    };

    ALL_ARE(same, true);
    ALL_ARE(other, false);
}
END_TEST

START_TEST(tuples_and_intervals_keep_their_order_and_brackets_sets_do_not)
{
    static const pair same[] = {
        { "(1, 2)", "(1,2)" }, { "(1/2, 3)", "(0.5, 3)" }, { "[0, 1)", "[0,1)" }, { "\\{1, 2\\}", "\\{2,1\\}" },
        { "{1,2,3}", "\\{3, 2, 1\\}" }, { "(-\\infty, 3]", "(-inf,3]" }, { "1, 2", "1,2" }, { "1 and 2", "1, 2" },
        { "x = 1 or x = 2", "1, 2" }, { "1, 2, and 3", "1,2,3" }, { "\\emptyset", "\\{\\}" },
        { "(-\\infty,0)\\cup(1,\\infty)", "(-\\infty, 0) \\cup (1, \\infty)" }, { "3 \\pm 1", "3\\pm1" },
        { "\\pm 2", "\u00b12" }, { "(1,(2,3))", "(1, (2, 3))" }, { "\\left(1,2\\right)", "(1,2)" },
        { "(1,234)", "(1, 234)" }, { "x \\in [0,1]", "[0,1]" }, { "\\{5\\}", "5" }, { "(2, \\frac{\\pi}{2})", "(2,pi/2)" },
    };
    static const pair other[] = {
        { "(1,2)", "(2,1)" }, { "(1,2)", "[1,2]" }, { "[0,1)", "[0,1]" }, { "(0,1]", "[0,1]" }, { "(1,2)", "(1,2,3)" },
        { "\\{1,2\\}", "\\{1,3\\}" }, { "\\{1,2\\}", "\\{1,2,3\\}" }, { "1, 2", "2, 1" }, { "(1,234)", "1234" },
        { "(0,1)\\cup(2,3)", "(0,1)" }, { "(1,2)", "\\{1,2\\}" }, { "3 \\pm 1", "4" }, { "\\emptyset", "0" },
        { "(1,2", "(1,2)" },
    };

    ALL_ARE(same, true);
    ALL_ARE(other, false);
}
END_TEST

START_TEST(several_answers_are_not_one_of_them)
{
    static const pair rows[] = {
        { "18, 19", "18" }, { "18 or 19", "18" }, { "18 and 19", "19" }, { "18 19", "18" }, { "18; 19", "19" },
        { "18\n19", "19" }, { "18/19", "18" }, { "{18, 19}", "18" }, { "18 (or 19)", "18" }, { "18 = 19", "18" },
        { "A or B", "A" }, { "A, B, C, D", "B" }, { "A B C D", "A" }, { "yes no", "yes" }, { "18,19", "18" },
        { "\\pm 2", "2" }, { "1 2 3 4 5", "3" }, { "x=18, y=19", "18" }, { "[18, 19]", "18" },
    };

    ALL_ARE(rows, false);
}
END_TEST

START_TEST(words_are_compared_without_case_space_and_stop)
{
    static const pair same[] = {
        { "Yes.", "yes" }, { "blue  car", "Blue Car" }, { "\\text{Monday}", "monday" }, { "\"Paris\"", "Paris" },
        { "x < 5", "x<5" }, { "\\textbf{no}", "No" }, { "$x$ and $y$", "x and y" },
    };
    static const pair other[] = {
        { "yes", "no" }, { "bluecar", "blue car" }, { "Paris, Texas", "Paris" }, { "not yes", "yes" }, { ".", "." },
        { "$", "$" },
    };

    ALL_ARE(same, true);
    ALL_ARE(other, false);
}
END_TEST

START_TEST(the_last_closed_box_is_the_answer)
{
    static const struct { const char *text, *want; } rows[] = {
        { "so \\boxed{5}", "5" }, { "\\boxed{5} no, \\boxed{6}", "6" }, { "\\boxed{5} then \\boxed{7", "5" },
        { "\\boxed{\\frac{1}{2}}", "\\frac{1}{2}" }, { "\\boxed{ {a}{b} }", "{a}{b}" }, { "\\boxed {7}", "7" },
        { "\\boxed{\\{1,2\\}}", "\\{1,2\\}" }, { "{ \\boxed{5} ", "5" }, { "\\boxed{1 \\boxed{2}", "2" },
        { "\\boxed{}", "" }, { "} } \\boxed{3}", "3" },
    };
    static const char *const none[] = { "", "5", "\\boxed", "\\boxed{", "\\boxed{5", "boxed{5}", "\\boxed 5",
                                        "\\\\boxed{5}", "\\boxed{{5}", "\\boxed{5\\}" };
    const char *s;
    size_t n;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(equiv_boxed(&s, &n, rows[i].text, strlen(rows[i].text)), "%s", rows[i].text);
        ck_assert_msg(n == strlen(rows[i].want) && !memcmp(s, rows[i].want, n), "%s: %.*s",
                      rows[i].text, (int)n, s);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        ck_assert_msg(!equiv_boxed(&s, &n, none[i], strlen(none[i])), "%s", none[i]);
}
END_TEST

START_TEST(without_a_box_the_answer_is_what_is_called_so)
{
    static const struct { const char *text, *want; } rows[] = {
        { "2+2\n#### 4", "4" }, { "The answer is 18.", "18." }, { "The answer is: 18. Good luck!", "18" },
        { "Answer: 3.5\nbye", "3.5" }, { "**Final Answer:** 7", "7" }, { "answer is 1. The answer is 2", "2" },
        { "  18 ", "18" }, { "17\n18", "17\n18" }, { "", "" }, { "answer is", "" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *s;
        size_t n;

        equiv_answer(&s, &n, rows[i].text, strlen(rows[i].text));
        ck_assert_msg(n == strlen(rows[i].want) && !memcmp(s, rows[i].want, n), "%s: %.*s",
                      rows[i].text, (int)n, s);
    }
}
END_TEST

START_TEST(monsters_get_no_credit_and_no_time)
{
    bytes open = { 0 }, chain = { 0 }, boxes = { 0 };
    const char *s;
    size_t n;

    ck_assert_int_ne(compare("9**9**9", "5"), EQUIV_EQUAL);
    ck_assert_int_eq(compare("9**9**9", "9^{9^9}"), EQUIV_EQUAL);
    ck_assert_int_ne(compare("9**9**9", "9^{9^9}+1"), EQUIV_EQUAL);
    ck_assert_int_ne(compare("9**9**9**9**9", "5"), EQUIV_EQUAL);
    ck_assert_int_ne(compare("1e999", "1e998"), EQUIV_EQUAL);
    ck_assert_int_eq(compare("1e999", "10^999"), EQUIV_EQUAL);
    ck_assert_int_ne(compare("1e999999999999", "5"), EQUIV_EQUAL);
    ck_assert_int_ne(compare("1000000!", "5"), EQUIV_EQUAL);
    ck_assert_int_ne(compare("170!!!", "5"), EQUIV_EQUAL);
    for (int i = 0; i < 10000; i++) bytes_add_char(&open, '(');
    bytes_add_char(&open, '5');
    for (int i = 0; i < 10000; i++) bytes_add_char(&open, ')');
    ck_assert_int_eq(compare(open.data, "5"), EQUIV_UNKNOWN);
    ck_assert_int_eq(equiv_compare(open.data + 9000, 2001, "5", 1, 0), EQUIV_UNKNOWN);
    for (int i = 0; i < 2000; i++) bytes_add_string(&chain, i ? "+1" : "1");
    ck_assert_int_eq(compare(chain.data, "2000"), EQUIV_UNKNOWN);
    for (int i = 0; i < 100000; i++) bytes_add_string(&boxes, "\\boxed{");
    ck_assert(!equiv_boxed(&s, &n, boxes.data, boxes.len));
    bytes_fini(&open);
    bytes_fini(&chain);
    bytes_fini(&boxes);
}
END_TEST

START_TEST(a_tolerance_is_relative)
{
    ck_assert_int_eq(equiv_compare("3.14", 4, "pi", 2, 1e-3), EQUIV_EQUAL);
    ck_assert_int_eq(equiv_compare("0.333", 5, "1/3", 3, 1e-2), EQUIV_EQUAL);
    ck_assert_int_eq(equiv_compare("0.333", 5, "1/3", 3, 1e-4), EQUIV_DIFFERENT);
}
END_TEST

/* Any bytes: no crash, and nothing random equals a number. */
START_TEST(noise_equals_nothing)
{
    static const char *const bits[] = { "\\frac", "{", "}", "(", ")", "1", "23", ".", ",", "x", "^", "\\sqrt", "[",
                                        "]", "+", "-", "*", "/", "\\cup", "\\{", "\\}", "|", "!", "%", "$", " ", "=",
                                        "\\pm", "cm", "sin", "_", "e", "\\text{", "\u221e", "\xff", "\\", "or", ";" };
    const int n_bit = sizeof bits / sizeof bits[0];
    rng r = { 7, 0, 0 };

    for (int round = 0; round < 20000; round++) {
        bytes b = { 0 };
        int n = rng_between(&r, 1, 12);

        for (int i = 0; i < n; i++) bytes_add_string(&b, bits[rng_between(&r, 0, n_bit - 1)]);
        ck_assert_msg(equiv_compare(b.data, b.len, "987654321", 9, 0) != EQUIV_EQUAL, "%s", b.data);
        equiv_compare(b.data, b.len, "(x, \\{1, 2\\})", 14, 0);
        bytes_fini(&b);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("equiv");
    TCase *t = tcase_create("equiv");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, one_number_is_written_in_many_ways);
    tcase_add_test(t, numbers_that_differ_are_told_apart);
    tcase_add_test(t, a_unit_may_be_left_out_but_not_exchanged);
    tcase_add_test(t, expressions_are_compared_by_what_they_are_worth);
    tcase_add_test(t, tuples_and_intervals_keep_their_order_and_brackets_sets_do_not);
    tcase_add_test(t, several_answers_are_not_one_of_them);
    tcase_add_test(t, words_are_compared_without_case_space_and_stop);
    tcase_add_test(t, the_last_closed_box_is_the_answer);
    tcase_add_test(t, without_a_box_the_answer_is_what_is_called_so);
    tcase_add_test(t, monsters_get_no_credit_and_no_time);
    tcase_add_test(t, a_tolerance_is_relative);
    tcase_add_test(t, noise_equals_nothing);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
