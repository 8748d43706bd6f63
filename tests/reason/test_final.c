/* test_final.c - final answers found in texts, and the spelling they are
 * compared in. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reason/ask_internal.h"

#include <check.h>       /* last: it has a macro named fail */

typedef struct row {
    const char *text;
    const char *final;           /* NULL: there is none */
} row;

static void check_rows(const row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *got = ask_extract_final(rows[i].text, strlen(rows[i].text));
        const char *want = rows[i].final;

        ck_assert_msg(want ? got && !strcmp(got, want) : !got, "\"%s\" gives %s, not %s",
                      rows[i].text, got ? got : "nothing", want ? want : "nothing");
        mem_free(got);
    }
}

#define CHECK_ROWS(...) \
    do { \
        static const row rows_[] = { __VA_ARGS__ }; \
        check_rows(rows_, sizeof rows_ / sizeof *rows_); \
    } while (0)

START_TEST(a_box_wins_over_everything_else)
{
    CHECK_ROWS({ "First \\boxed{3}, no: \\boxed{4}. The answer is 5.\n#### 6", "4" },
               { "\\boxed{\\frac{1}{2}}", "\\frac{1}{2}" },
               { "\\boxed{\\dfrac{1}{2}}", "\\frac{1}{2}" },
               { "\\boxed {x}", "x" },
               { "$\\boxed{1{,}000}$", "1000" },
               { "\\boxed{\\text{Paris}}", "paris" },
               { "\\boxed{\\boxed{7}}", "7" },
               { "\\boxed{\\{1, 2\\}}", "\\{1, 2\\}" },
               { "\\boxed{9} and then \\boxed{unclosed", "9" },
               { "\\boxed{unclosed \\boxed{8}", "8" },
               { "\\boxed{} The answer is 5", "5" },
               { "a } stray brace \\boxed{6}", "6" });
}
END_TEST

START_TEST(hashes_count_in_the_last_line)
{
    CHECK_ROWS({ "6 * 7 = 42\n#### 42", "42" },
               { "6 * 7 = 42\n#### 1,042\n\n", "1042" },
               { "#### Step 1\nAdd 3.\n#### Step 2\nThe answer is 9", "9" },
               { "#### 5", "5" });
}
END_TEST

START_TEST(what_is_announced_as_the_answer_counts)
{
    CHECK_ROWS({ "With 60 km in 45 min, the answer is 80 km/h.", "80 km/h" },
               { "The answer is 42. I hope this helps with your 7 tasks!", "42" },
               { "The answer is 3.50.", "3.5" },
               { "Answer: B", "b" },
               { "ANSWER: Paris\nbecause of reasons 1 and 2", "paris" },
               { "**Answer:** 42", "42" },
               { "**Final answer**: 42 apples", "42 apples" },
               { "The answer is **42**.", "42" },
               { "The answer is:\n\n**Blue**\n", "blue" },
               { "The answer is\n\\[\nx = 5\n\\]", "x = 5" },
               { "The answer is $x^2$.", "x^2" },
               { "First answer: 3. Better answer: 4.", "4" },
               { "I cannot answer this 3 times", "3" },
               { "The answer isn't 4 but 5", "5" },
               { "The answer is", "the answer is" });
}
END_TEST

START_TEST(the_last_number_stands_in)
{
    CHECK_ROWS({ "Adding 3 and 4 we get 7.\nThat is it.", "7" },
               { "It costs $1,234.50 in all", "1234.5" },
               { "so x = -3\nas wanted", "-3" },
               { "so x = \xe2\x88\x92" "3\nas wanted", "-3" },
               { "we have 7-3 left\nor so", "3" },
               { "about 50% of them\nare there", "50%" },
               { "in the year 2024, or v2, or H2O\nit ended", "2024" },
               { "of 1,23 and so on\n", "23" },
               { "1. one\n2. two\n", "2" });
}
END_TEST

START_TEST(one_short_line_is_its_own_answer)
{
    CHECK_ROWS({ "Paris.", "paris" }, { "  Yes!  ", "yes!" }, { "\"Blue\"", "blue" },
               { "two\nlines", NULL }, { "", NULL }, { " \n ", NULL }, { "...", "..." },
               { "\xc3\x84rger", "\xc3\xa4rger" }, { "a \t b", "a b" },
               { "this sentence goes on and on without any figure in it and is therefore no "
                 "answer at all", NULL });
}
END_TEST

START_TEST(equal_numbers_are_spelt_alike)
{
    CHECK_ROWS({ "007", "7" }, { "+5", "5" }, { "3.0", "3" }, { "3.10", "3.1" },
               { ".5", "0.5" }, { "0.50", "0.5" }, { "-0", "0" }, { "-0.0", "0" },
               { "1,234,567.00", "1234567" }, { "$18", "18" }, { "$18$", "18" },
               { "-$5", "-5" }, { "\\$5", "5" }, { "\xe2\x82\xac" "20", "20" },
               { "50\\%", "50%" }, { "50 %", "50%" }, { "0", "0" }, { "000", "0" },
               { "100", "100" }, { "`12`", "12" }, { "$$12$$", "12" }, { "12.", "12" },
               { "\\(12\\)", "12" });
}
END_TEST

START_TEST(different_answers_stay_different)
{
    CHECK_ROWS({ "\\boxed{5!}", "5!" }, { "\\boxed{(1, 2)}", "(1, 2)" }, { "\\boxed{a_1}", "a_1" },
               { "\\boxed{$a$ or $b$}", "$a$ or $b$" }, { "\\boxed{1/2}", "1/2" },
               { "\\boxed{1,2}", "1,2" }, { "\\boxed{1,2345}", "1,2345" },
               { "\\boxed{12 34}", "12 34" }, { "\\boxed{1.2.3}", "1.2.3" },
               { "\\boxed{x=5}", "x=5" });
}
END_TEST

/* Minutes, were a rule quadratic: the timeout of the suite would end it. */
START_TEST(texts_made_to_be_slow_are_not)
{
    static const char *const bits[] = { "\\boxed{", "{", "}", "answer is ", "#### ", "1,", "-",
                                        "$", "*", "\xff", ".", "\\" };

    for (size_t k = 0; k < sizeof bits / sizeof *bits; k++) {
        bytes text = { 0 };

        while (text.len < 1 << 20) bytes_add_string(&text, bits[k]);
        mem_free(ask_extract_final(text.data, text.len));
        bytes_fini(&text);
    }
}
END_TEST

START_TEST(a_cut_off_or_broken_text_does_no_harm)
{
    static const char *const texts[] = { "\\boxed{5", "answer", "answer is", "answer:", "####",
        "#### ", "-", "\xe2\x88", "3.", "1,23", "$", "\\", "**", "answer**", "%", "\xff\xfe" };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        /* A copy without the NUL, for the sanitizer to see a read past it. */
        size_t len = strlen(texts[i]);
        char *text = mem_copy(texts[i], len);

        mem_free(ask_extract_final(text, len));
        mem_free(text);
    }
}
END_TEST

static ask_answer answers(ask_sample *samples, int n, char **finals)
{
    for (int i = 0; i < n; i++) samples[i] = (ask_sample){ .final = finals[i] };
    return (ask_answer){ .samples = samples, .n_sample = n };
}

START_TEST(the_majority_wins_and_ties_go_to_the_lowest_sample)
{
    ask_sample s[6];
    char *major[] = { "a", NULL, "b", "c", "b", "c" }, *none[] = { NULL, NULL };
    ask_answer a = answers(s, 6, major);

    ask_count_votes(&a);
    ck_assert_int_eq(a.n_vote, 3);
    ck_assert_str_eq(a.votes[0].final, "b");
    ck_assert_int_eq(a.votes[0].count, 2);
    ck_assert_int_eq(a.votes[0].sample, 2);
    ck_assert_str_eq(a.votes[1].final, "c");
    ck_assert_str_eq(a.votes[2].final, "a");
    ck_assert_int_eq(a.votes[2].count, 1);
    ck_assert_int_eq(a.chosen, 2);
    mem_free(a.votes);

    a = answers(s, 2, none);
    ask_count_votes(&a);
    ck_assert_int_eq(a.n_vote, 0);
    ck_assert_int_eq(a.chosen, 0);
    mem_free(a.votes);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("final");
    TCase *t = tcase_create("final");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_box_wins_over_everything_else);
    tcase_add_test(t, hashes_count_in_the_last_line);
    tcase_add_test(t, what_is_announced_as_the_answer_counts);
    tcase_add_test(t, the_last_number_stands_in);
    tcase_add_test(t, one_short_line_is_its_own_answer);
    tcase_add_test(t, equal_numbers_are_spelt_alike);
    tcase_add_test(t, different_answers_stay_different);
    tcase_add_test(t, texts_made_to_be_slow_are_not);
    tcase_add_test(t, a_cut_off_or_broken_text_does_no_harm);
    tcase_add_test(t, the_majority_wins_and_ties_go_to_the_lowest_sample);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
