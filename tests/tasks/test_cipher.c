/* The letter-pair cipher. */
#include "family.h"

static const char key[] = "oyfjdnisdr acxz";     /* "think by" */
static const char good[] =
    "oy fj dn is dr / ac xz\n"
    "oy:15+25=40/2=20=t\nfj:6+10=16/2=8=h\ndn:4+14=18/2=9=i\nis:9+19=28/2=14=n\n"
    "dr:4+18=22/2=11=k\n=think\n"
    "ac:1+3=4/2=2=b\nxz:24+26=50/2=25=y\n=by\n"
    "oyfjdnisdr acxz=think by";

START_TEST(traces_are_true_and_answers_right)
{
    family_holds(&task_cipher, 2000);
}
END_TEST

START_TEST(no_points_without_work)
{
    static const char *const extra[] = { "sun", "oyfjdnisdr", "think step by step",
                                         "sun map red box cat dog hat key ice oak", NULL };

    for (int d = 2; d <= 4; d++)
        for (int i = 0; i < 100; i++) {
            problem p;
            family_draw(&task_cipher, 31, (uint64_t)i, d, TRACE_LOW, &p);
            for (const char *const *e = extra; *e; e++)
                ck_assert(family_grade(&task_cipher, p.key, *e) == 0);
            family_drop(&p);
        }
    family_no_free_points(&task_cipher, 100, extra + 2);
}
END_TEST

START_TEST(same_stream_same_bytes)
{
    family_repeats(&task_cipher);
}
END_TEST

START_TEST(a_changed_character_shows)
{
    family_slips_show(&task_cipher, 200, "0123456789abcdefghijklmnopqrstuvwxyz=/ ");
}
END_TEST

START_TEST(a_cut_trace_shows)
{
    family_cuts_show(&task_cipher, 60);
}
END_TEST

START_TEST(an_edit_changes_one_letter_of_the_answer)
{
    family_edits(&task_cipher, 200);
    for (int i = 0; i < 200; i++) {
        rng r = { 32, (uint64_t)i, 0 };
        char *prefix, *follows;
        int n_diff = 0;
        ck_assert(task_cipher.edit(key, good, strlen(good), &r, &prefix, &follows));
        ck_assert_uint_eq(strlen(follows), strlen("think by"));
        for (int k = 0; follows[k]; k++) n_diff += follows[k] != "think by"[k];
        ck_assert_int_eq(n_diff, 1);
        ck_assert(strchr(follows, prefix[strlen(prefix) - 1]));
        mem_free(prefix);
        mem_free(follows);
    }
}
END_TEST

START_TEST(the_prompt_shows_the_code_and_another_word)
{
    for (int i = 0; i < 500; i++) {
        problem p;
        family_draw(&task_cipher, 33, (uint64_t)i, 1 + i % 4, TRACE_LOW, &p);
        ck_assert(strstr(p.prompt, p.key));
        ck_assert_msg(!strstr(p.prompt, p.answer), "%s", p.prompt);
        family_drop(&p);
    }
}
END_TEST

START_TEST(the_published_example_decodes)
{
    static const char phrase[] = "oyfjdnisdr rtqwainr acxz mynzbhhx";

    ck_assert(family_grade(&task_cipher, phrase, "think step by step") == 1);
    ck_assert(family_grade(&task_cipher, phrase, " Think step by step.\n") == 1);
    ck_assert(family_grade(&task_cipher, phrase, "think step by") == 0);
    ck_assert(family_grade(&task_cipher, phrase, "think step by steps") == 0);
    ck_assert(family_grade(&task_cipher, phrase, "thinkstepbystep") == 0);
}
END_TEST

START_TEST(each_kind_of_slip_is_one_false_step)
{
    static const struct { const char *old, *new; } slip[] = {
        { "oy fj", "oy jf" },                     /* split wrongly */
        { "oy:15", "yo:15" },                     /* another pair */
        { "oy:15+25", "yo:25+15" },               /* the pair turned round */
        { "15+25=40", "14+26=40" },               /* letters looked up wrongly */
        { "6+10=16/2", "6+10=18/2" },             /* sum */
        { "18/2=9", "18/2=8" },                   /* half */
        { "\n=think\n", "\n=thing\n" },           /* word; the last line then differs too */
        { "=14=n\n", "=14=m\n" },                 /* letter; the word below then differs too */
        { "10=16/2=8=h", "10=18/2=9=i" },         /* a wrong sum carried on; likewise */
        { "\noyfjdnisdr acxz=", "\noyfjdnisdr acx=" },
        { "=think by", "=think bye" },
    };

    trace_check c = family_check(&task_cipher, key, good);
    ck_assert(c.well_formed && c.n_step == 11 && c.n_true == 11);
    for (size_t i = 0; i < sizeof slip / sizeof slip[0]; i++) {
        bytes b = { 0 };
        const char *at = strstr(good, slip[i].old);
        ck_assert(at);
        bytes_add(&b, good, (size_t)(at - good));
        bytes_add_string(&b, slip[i].new);
        bytes_add_string(&b, at + strlen(slip[i].old));
        c = family_check(&task_cipher, key, b.data);
        ck_assert_msg(c.well_formed && c.n_step == 11, "%s", b.data);
        ck_assert_int_eq(c.n_true, i >= 6 && i <= 8 ? 9 : 10);
        bytes_fini(&b);
    }
}
END_TEST

START_TEST(broken_keys_earn_nothing)
{
    static const char *const bad[] = { "", " ", "a", "ab", "oyf", "oy  oy", "oy ", " oy", "OY", "o1",
                                       "oyoyoyoyoyoyoy", "oy oy oy oy oy", NULL };

    for (const char *const *k = bad; *k; k++) {
        ck_assert_msg(family_grade(&task_cipher, *k, "t") == 0, "%s", *k);
        ck_assert(family_check(&task_cipher, *k, good).n_true < 11);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cipher");
    TCase *c = tcase_create("cipher");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, traces_are_true_and_answers_right);
    tcase_add_test(c, no_points_without_work);
    tcase_add_test(c, same_stream_same_bytes);
    tcase_add_test(c, a_changed_character_shows);
    tcase_add_test(c, a_cut_trace_shows);
    tcase_add_test(c, an_edit_changes_one_letter_of_the_answer);
    tcase_add_test(c, the_prompt_shows_the_code_and_another_word);
    tcase_add_test(c, the_published_example_decodes);
    tcase_add_test(c, each_kind_of_slip_is_one_false_step);
    tcase_add_test(c, broken_keys_earn_nothing);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int n = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n;
}
