/* String functions: each against examples, compositions, and what is held out. */
#include "tasks/strings.h"

#include "worked.h"

/* Functions from number `skip` on, innermost first. */
static char *work(const char *key, int skip, const char *from)
{
    int f[STRINGS_MAX_DEPTH], n = 0;
    char value[STRINGS_OUT], next[STRINGS_OUT];
    const char *s = key;

    for (; *s == 'f' && s[1] >= '0' && s[1] <= '9'; s = strchr(s, '(') + 1)
        f[n++] = atoi(s + 1);
    if (skip == 0) snprintf(value, sizeof value, "%.*s", (int)strcspn(s, ")"), s);
    else snprintf(value, sizeof value, "%s", from);
    for (int i = n - 1 - skip; i >= 0; i--) {
        strings_apply(f[i], value, next);
        strcpy(value, next);
    }
    return mem_string(value);
}

static char *own_answer(const char *key)
{
    return work(key, 0, NULL);
}

static char *own_follow(const char *key, const char *prefix)
{
    return work(key, worked_count(prefix, '\n'), worked_last(prefix, "="));
}

START_TEST(traces_and_answers_are_right)
{
    worked_holds(&task_strings, own_answer, 60, 160);
}
END_TEST

START_TEST(high_effort_works_twice)
{
    worked_efforts(&task_strings);
}
END_TEST

START_TEST(every_character_counts)
{
    worked_slips(&task_strings, "abcdefghijklmnopqrstuvwxyz0123456789:=,\n");
    worked_lines(&task_strings, true);
}
END_TEST

START_TEST(edits_lead_where_they_say)
{
    worked_edits(&task_strings, own_follow, 2);
}
END_TEST

START_TEST(functions_do_what_they_do)
{
    static const char *const want[STRINGS_N][2] = {
        { "ebuc", "a" },     { "cubex", "ax" },  { "dvcf", "b" },     { "ubec", "a" },
        { "cub", "" },       { "ccube", "aa" },  { "cobo", "o" },     { "eubc", "a" },
        { "zcube", "za" },   { "btad", "z" },    { "cb", "a" },       { "cubee", "aa" },
        { "ecub", "a" },     { "uceb", "a" },    { "ube", "" },       { "ccuubbee", "aa" },
        { "cabi", "e" },     { "cubec", "aa" },  { "ecube", "aa" },   { "qube", "q" },
        { "cuubee", "aa" },  { "ucbe", "a" },    { "cubw", "w" },     { "cmube", "am" },
        { "cueb", "a" },
    };
    char out[STRINGS_OUT];

    for (int f = 0; f < STRINGS_N; f++) {
        strings_apply(f, "cube", out);
        ck_assert_msg(strcmp(out, want[f][0]) == 0, "f%d: %s", f, out);
        strings_apply(f, "a", out);
        ck_assert_msg(strcmp(out, want[f][1]) == 0, "f%d: %s", f, out);
    }
    strings_apply(2, "xyz", out);
    ck_assert_str_eq(out, "yza");
    strings_apply(16, "aeiouk", out);
    ck_assert_str_eq(out, "eiouak");
    strings_apply(13, "abcde", out);
    ck_assert_str_eq(out, "badce");
    strings_apply(10, "abcde", out);
    ck_assert_str_eq(out, "ace");
    strings_apply(15, "abcdefghijabcdefghijabcdefghijk", out);
    ck_assert_int_eq((int)strlen(out), 62);
}
END_TEST

START_TEST(functions_differ)
{
    for (int f = 0; f < STRINGS_N; f++)
        for (int g = 0; g < f; g++) {
            char a[STRINGS_OUT], b[STRINGS_OUT];
            strings_apply(f, "cubes", a);
            strings_apply(g, "cubes", b);
            ck_assert_msg(strcmp(a, b) != 0, "f%d and f%d", f, g);
        }
}
END_TEST

START_TEST(twelve_are_held_out_and_four_never_composed)
{
    int n_out = 0, n_never = 0;

    for (int f = 0; f < STRINGS_N; f++) {
        n_out += strings_held_out(f);
        n_never += strings_never(f);
        ck_assert(!strings_never(f) || strings_held_out(f));
    }
    ck_assert_int_eq(n_out, 12);
    ck_assert_int_eq(n_never, 4);
    for (int d = 1; d <= STRINGS_MAX_DEPTH; d++) {
        int seen = 0;
        for (int i = 0; i < 400; i++) {
            rng r = { 41, (uint64_t)i, 0 };
            int f[STRINGS_MAX_DEPTH];
            char *key = task_strings.draw(&r, d);
            ck_assert_int_eq(strings_functions(key, f), d);
            for (int k = 0; k < d; k++) {
                seen |= 1 << f[k];
                ck_assert(d == 1 || !strings_held_out(f[k]));
            }
            mem_free(key);
        }
        for (int f = 0; f < STRINGS_N; f++)
            ck_assert((seen >> f & 1) == (d == 1 || !strings_held_out(f)));
    }
}
END_TEST

START_TEST(keys_come_from_the_functions_given)
{
    static const int given[] = { 5, 9, 14, 24 };

    for (int d = 1; d <= 6; d++)
        for (int i = 0; i < 100; i++) {
            rng r = { 42, (uint64_t)i, 0 };
            problem p;
            int f[STRINGS_MAX_DEPTH], seen = 0;
            char *key = strings_draw_from(&r, d, given, 4);
            ck_assert_int_eq(strings_functions(key, f), d);
            for (int k = 0; k < d; k++) {
                ck_assert(strings_never(f[k]));
                ck_assert(d > 4 || !(seen >> f[k] & 1));
                seen |= 1 << f[k];
            }
            problem_tell(&task_strings, key, d, &r, TRACE_HIGH, &p);
            trace_check c = worked_check(&task_strings, p.key, p.think);
            ck_assert(c.well_formed && c.n_step == 2 * d && c.n_true == c.n_step);
            char *answer = own_answer(key);
            ck_assert_str_eq(p.answer, answer);
            ck_assert(strlen(answer) >= 2 && strlen(answer) <= STRINGS_MAX_LEN);
            mem_free(answer);
            problem_fini(&p);
            mem_free(key);
        }
}
END_TEST

START_TEST(no_work_no_points)
{
    worked_no_free_points(&task_strings, "cube ebuc cubex dvcf ubec cub ccube cobo eubc zcube");
    ck_assert(worked_grade(&task_strings, "f0(cube)", "cube") == 0);
    ck_assert(worked_grade(&task_strings, "f0(cube)", "cube ebuc") == 0);
    ck_assert(worked_grade(&task_strings, "f0(cube)", "f0(cube)=ebuc") == 0);
}
END_TEST

START_TEST(the_word_itself_is_no_answer)
{
    for (int i = 0; i < WORKED_N; i++) {
        rng r = { 44, (uint64_t)i, 0 };
        char *key = task_strings.draw(&r, 1 + i % STRINGS_MAX_DEPTH);
        const char *word = worked_last(key, "(");
        ck_assert(task_strings.grade(key, word, strcspn(word, ")")) == 0);
        mem_free(key);
    }
}
END_TEST

START_TEST(fair_wordings_count)
{
    worked_fair(&task_strings);
    ck_assert(worked_grade(&task_strings, "f0(cube)", "\"ebuc\"") == 1);
}
END_TEST

START_TEST(a_slip_is_one_false_step)
{
    const char *key = "f3(f0(cube))";
    trace_check c = worked_check(&task_strings, key, "f0,f3:cube\nf0:cube=ebuc\nf3:ebuc=buce\n=buce");

    ck_assert(c.well_formed && c.n_step == 2 && c.n_true == 2);
    c = worked_check(&task_strings, key, "f0,f3:cube\nf0:cube=ecub\nf3:ecub=cube\n=cube");
    ck_assert(c.well_formed && c.n_step == 2 && c.n_true == 1);
    /* Both functions guessed in one line. */
    c = worked_check(&task_strings, key, "f0,f3:cube\nf0:cube=buce\nf3:buce=buce\n=buce");
    ck_assert(c.well_formed && c.n_true == 0);
    c = worked_check(&task_strings, key, "f0,f3:cube\nf3:cube=buce\n=buce");
    ck_assert(!c.well_formed && c.n_true == 0);
    c = worked_check(&task_strings, key, "f3,f0:cube\nf3:cube=ubec\nf0:ubec=cebu\n=cebu");
    ck_assert(!c.well_formed && c.n_true == 0);
}
END_TEST

START_TEST(what_is_no_key_is_refused)
{
    static const char *const bad[] = {
        "", "hello", "f25(abc)", "f1(abc", "f1(abc))", "f1()", "f01(abc)", "f1(Abc)", "f(abc)",
        "f14(f14(ab))", "f1(abcdefghijk)", "f15(f15(abcdef))",
        "f0(f0(f0(f0(f0(f0(f0(f0(f0(abc)))))))))",
    };
    int f[STRINGS_MAX_DEPTH];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(strings_functions(bad[i], f) == 0, "%s", bad[i]);
        ck_assert(worked_grade(&task_strings, bad[i], "abc") == 0);
        ck_assert(!worked_check(&task_strings, bad[i], "=abc").well_formed);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("strings");
    TCase *c = tcase_create("strings");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, traces_and_answers_are_right);
    tcase_add_test(c, high_effort_works_twice);
    tcase_add_test(c, every_character_counts);
    tcase_add_test(c, edits_lead_where_they_say);
    tcase_add_test(c, functions_do_what_they_do);
    tcase_add_test(c, functions_differ);
    tcase_add_test(c, twelve_are_held_out_and_four_never_composed);
    tcase_add_test(c, keys_come_from_the_functions_given);
    tcase_add_test(c, no_work_no_points);
    tcase_add_test(c, the_word_itself_is_no_answer);
    tcase_add_test(c, fair_wordings_count);
    tcase_add_test(c, a_slip_is_one_false_step);
    tcase_add_test(c, what_is_no_key_is_refused);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
