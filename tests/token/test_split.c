/* test_split.c - how text is cut before merging. The reference's ids say the
 * same over thousands of strings (test_reference.c); these say why. */
#include "token/internal.h"

#include <stdio.h>

#include "support/random_text.h"

#include <check.h>       /* last: it has a macro named fail */

/* The pieces of text, joined by "|". */
static const char *cut(splitter kind, const char *text)
{
    static char out[512];
    split p = { .kind = kind, .text = text, .len = strlen(text) };
    size_t start, end, n = 0;

    while (split_next(&p, &start, &end)) {
        ck_assert_uint_lt(n + end - start + 2, sizeof out);
        if (n) out[n++] = '|';
        memcpy(out + n, text + start, end - start);
        n += end - start;
    }
    out[n] = 0;
    return out;
}

#define CUT(kind, text, want) ck_assert_str_eq(cut(kind, text), want)

START_TEST(gpt2_takes_one_space_with_the_word_that_follows)
{
    CUT(SPLIT_GPT2, "Hello  world 42!", "Hello| | world| 42|!");
    CUT(SPLIT_GPT2, "a\tb", "a|\t|b");
    CUT(SPLIT_GPT2, "a \n b", "a| \n| b");
}
END_TEST

START_TEST(trailing_space_stays_in_one_piece)
{
    CUT(SPLIT_GPT2, "a   ", "a|   ");
    CUT(SPLIT_LLAMA3, "a   ", "a|   ");
    CUT(SPLIT_QWEN2, "a \t ", "a| \t ");
    CUT(SPLIT_GPT2, " ", " ");
}
END_TEST

START_TEST(gpt2_contractions_are_lower_case_only)
{
    CUT(SPLIT_GPT2, "don't we'll I'M", "don|'t| we|'ll| I|'|M");
    CUT(SPLIT_GPT2, "'re've'd'm'x", "'re|'ve|'d|'m|'|x");
}
END_TEST

START_TEST(llama3_contractions_fold_case_and_know_the_long_s)
{
    CUT(SPLIT_LLAMA3, "DON'T we'Ll", "DON|'T| we|'Ll");
    CUT(SPLIT_LLAMA3, "it'\xC5\xBFx", "it|'\xC5\xBF|x");
    CUT(SPLIT_LLAMA3, "it'\xC5\xBEx", "it|'\xC5\xBEx");
}
END_TEST

START_TEST(numbers_are_cut_by_family)
{
    CUT(SPLIT_GPT2, "x 12345", "x| 12345");
    CUT(SPLIT_LLAMA3, "x 12345", "x| |123|45");
    CUT(SPLIT_QWEN2, "x 12345", "x| |1|2|3|4|5");
    CUT(SPLIT_SMOLLM, "x 123", "x| |1|2|3");
}
END_TEST

START_TEST(letters_and_numbers_of_any_script_count)
{
    /* Roman numeral twelve (Nl), one half (No), Arabic-Indic three (Nd). */
    CUT(SPLIT_QWEN2, "a\xE2\x85\xAB\xC2\xBD\xD9\xA3", "a|\xE2\x85\xAB|\xC2\xBD|\xD9\xA3");
    CUT(SPLIT_GPT2, "\xE4\xB8\x96\xE7\x95\x8C!", "\xE4\xB8\x96\xE7\x95\x8C|!");
    /* A combining mark is neither: it parts a word of gpt2, and leads one of
     * llama3. */
    CUT(SPLIT_GPT2, "e\xCC\x81t", "e|\xCC\x81|t");
    CUT(SPLIT_LLAMA3, "e\xCC\x81t", "e|\xCC\x81t");
}
END_TEST

START_TEST(smollm_cuts_at_numbers_before_all_else)
{
    /* The space before a number ends its stretch, so it stays whole. */
    CUT(SPLIT_SMOLLM, "a   1b", "a|   |1|b");
    CUT(SPLIT_GPT2, "a   1b", "a|  | 1|b");
    CUT(SPLIT_SMOLLM, "11 a", "1|1| a");
}
END_TEST

START_TEST(llama3_line_ends_go_with_what_precedes_them)
{
    CUT(SPLIT_LLAMA3, "a!\n\nb", "a|!\n\n|b");
    CUT(SPLIT_LLAMA3, "a \n \n  b", "a| \n \n| | b");
    CUT(SPLIT_LLAMA3, "a\r\nb", "a|\r\n|b");
    CUT(SPLIT_LLAMA3, "\tif (x)", "\tif| (|x|)");
    CUT(SPLIT_LLAMA3, " !a", " !|a");
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_one_character_each)
{
    CUT(SPLIT_GPT2, "a\xFF\xC3z", "a|\xFF\xC3|z");
    CUT(SPLIT_LLAMA3, "a\xFFz", "a|\xFFz");
    CUT(SPLIT_QWEN2, "\xE4\xB8", "\xE4\xB8");
}
END_TEST

START_TEST(pieces_cover_any_text_without_gaps)
{
    bytes text = { 0 };

    for (int i = 0; i < 1000; i++) {
        random_state r = { (uint64_t)i };

        random_text(&text, 7, (uint64_t)i);
        for (int k = 0; k < 5; k++)          /* break it, too */
            text.data[random_pick(&r, (uint32_t)text.len)] = (char)random_pick(&r, 256);
        for (int kind = SPLIT_GPT2; kind <= SPLIT_SMOLLM; kind++) {
            split p = { .kind = (splitter)kind, .text = text.data, .len = text.len };
            size_t start, end, at = 0;

            while (split_next(&p, &start, &end)) {
                ck_assert_uint_eq(start, at);
                ck_assert_uint_gt(end, start);
                at = end;
            }
            ck_assert_uint_eq(at, text.len);
        }
    }
    bytes_fini(&text);
}
END_TEST

START_TEST(names_of_splitters_lead_back_to_themselves)
{
    static const char *const written[] = { "gpt-2", "qwen2", "smollm", "smaug-bpe",
                                           "llama-bpe", "stablelm2" };

    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        const split_rule *r = split_rule_named(written[i]);

        ck_assert_ptr_nonnull(r);
        ck_assert_ptr_eq(split_rule_for(r->kind, r->nfc, r->ignore_merges), r);
    }
    ck_assert(split_rule_named("deepseek-r1-qwen")->kind == SPLIT_QWEN2);
    ck_assert_ptr_null(split_rule_named("qwen35"));
    ck_assert_ptr_null(split_rule_for(SPLIT_GPT2, true, false));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("split");
    TCase *c = tcase_create("split");
    SRunner *r;
    int failed;

    tcase_set_timeout(c, 120);
    tcase_add_test(c, gpt2_takes_one_space_with_the_word_that_follows);
    tcase_add_test(c, trailing_space_stays_in_one_piece);
    tcase_add_test(c, gpt2_contractions_are_lower_case_only);
    tcase_add_test(c, llama3_contractions_fold_case_and_know_the_long_s);
    tcase_add_test(c, numbers_are_cut_by_family);
    tcase_add_test(c, letters_and_numbers_of_any_script_count);
    tcase_add_test(c, smollm_cuts_at_numbers_before_all_else);
    tcase_add_test(c, llama3_line_ends_go_with_what_precedes_them);
    tcase_add_test(c, bytes_that_are_no_utf8_are_one_character_each);
    tcase_add_test(c, pieces_cover_any_text_without_gaps);
    tcase_add_test(c, names_of_splitters_lead_back_to_themselves);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
