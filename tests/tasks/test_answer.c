/* Finding the one final answer in a text. */
#include "tasks/answer.h"

#include <string.h>

#include "base/mem.h"

#include <check.h>

static void gives(const char *text, const char *want)
{
    char *got = answer_extract(text, strlen(text));

    if (want) ck_assert_msg(got && strcmp(got, want) == 0, "%s: %s", text, got ? got : "none");
    else ck_assert_msg(!got, "%s: %s", text, got);
    mem_free(got);
}

START_TEST(a_bare_answer_is_itself)
{
    gives("28", "28");
    gives("  28 \n", "28");
    gives("28.", "28");
    gives("= 28", "28");
    gives("**28**", "28");
    gives("**28**.", "28");
    gives("$28$", "28");
    gives("\\(28\\)", "28");
    gives("`cabed`", "cabed");
    gives("\"Cabed\"", "Cabed");
    gives("1/2", "1/2");
    gives("3.5", "3.5");
    gives("-4", "-4");
    gives("12,000", "12,000");
    gives("a knight, b knave", "a knight, b knave");
}
END_TEST

START_TEST(marked_answers_go_first)
{
    gives("The answer is 28.", "28");
    gives("the ANSWER is: 28", "28");
    gives("Answer: 28", "28");
    gives("We add 3 and 4. The answer is 7. Good luck.", "7");
    gives("3+4=7\n#### 7", "7");
    gives("so \\boxed{7} it is", "7");
    gives("The answer is \\boxed{7}.", "7");
    gives("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}");
    gives("The answer is 3.5.", "3.5");
    gives("The answer is **7**.\n#### 7.0", "7");
    gives("\\boxed{7} and once more \\boxed{ 7 }", "7");
    gives("\\boxed{8 is cut off, #### 7", "7");
    gives("The answer island is 5", "The answer island is 5");
}
END_TEST

START_TEST(different_answers_are_none)
{
    gives("5 or 6", NULL);
    gives("5\n6", NULL);
    gives("5, 6, 7", NULL);
    gives("5 6 7", NULL);
    gives("5 and 6", NULL);
    gives("\\boxed{5} \\boxed{6}", NULL);
    gives("The answer is 5. The answer is 6.", NULL);
    gives("The answer is 5\n#### 6", NULL);
    gives("#### 5\n#### 6", NULL);
    gives("The answer is 6. \\boxed{5}", NULL);
    gives("\\boxed{5, 6}", NULL);
    gives("The answer is 5, 6 and 7", NULL);
    gives("1,000, 2,000", NULL);
}
END_TEST

START_TEST(nothing_is_no_answer)
{
    static const char nul[] = { '5', '\0', '6' };

    gives("", NULL);
    gives(" \n\t", NULL);
    gives("=", NULL);
    gives("\\boxed{}", NULL);
    gives("####", NULL);
    gives("$$", NULL);
    ck_assert(!answer_extract(nul, sizeof nul));
}
END_TEST

START_TEST(integers_are_read_by_value)
{
    static const char *const bad[] = { "", "-", "x", "5x", "5 ", "1.5", "5.", "1,00", ",100", "1,0000",
                                       "1234,000", "1,000,", "--5", "1e3", "0x10", "1234567890123456" };
    int64_t v;

    ck_assert(answer_integer("28", &v) && v == 28);
    ck_assert(answer_integer("-28", &v) && v == -28);
    ck_assert(answer_integer("+28", &v) && v == 28);
    ck_assert(answer_integer("\xe2\x88\x92" "28", &v) && v == -28);
    ck_assert(answer_integer("028", &v) && v == 28);
    ck_assert(answer_integer("28.00", &v) && v == 28);
    ck_assert(answer_integer("1,234,567", &v) && v == 1234567);
    ck_assert(answer_integer("123456789012345", &v) && v == 123456789012345);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!answer_integer(bad[i], &v), "%s", bad[i]);
}
END_TEST

START_TEST(grades_are_by_value_or_by_word)
{
    ck_assert(answer_grade_integer("The answer is 1,000.", 20, 1000) == 1);
    ck_assert(answer_grade_integer("100", 3, 1000) == 0);
    ck_assert(answer_grade_integer("", 0, 0) == 0);
    ck_assert(answer_grade_word("Cabed.", 6, "cabed") == 1);
    ck_assert(answer_grade_word("cabe", 4, "cabed") == 0);
    ck_assert(answer_stock(42) && answer_stock(0) && answer_stock(1) && !answer_stock(2));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("answer");
    TCase *c = tcase_create("answer");

    tcase_add_test(c, a_bare_answer_is_itself);
    tcase_add_test(c, marked_answers_go_first);
    tcase_add_test(c, different_answers_are_none);
    tcase_add_test(c, nothing_is_no_answer);
    tcase_add_test(c, integers_are_read_by_value);
    tcase_add_test(c, grades_are_by_value_or_by_word);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
