/* Permutations: the trace against swaps done here, and steps that are wrong. */
#include "worked.h"

/* Swaps from number `skip` on, done to five letters. */
static char *work(const char *key, int skip, const char *from)
{
    char boxes[6] = "";

    memcpy(boxes, skip == 0 ? key : from, 5);
    for (const char *s = key + 6 + 3 * skip; s < key + strlen(key); s += 3) {
        char t = boxes[s[0] - '1'];
        boxes[s[0] - '1'] = boxes[s[1] - '1'];
        boxes[s[1] - '1'] = t;
    }
    return mem_string(boxes);
}

static char *own_answer(const char *key)
{
    return work(key, 0, NULL);
}

static char *own_follow(const char *key, const char *prefix)
{
    const char *boxes = prefix + strlen(prefix) - 10;
    char letters[6] = "";

    for (int i = 0; i < 5; i++) letters[i] = boxes[2 * i + 1];
    return work(key, worked_count(prefix, '\n'), letters);
}

START_TEST(traces_and_answers_are_right)
{
    worked_holds(&task_perm, own_answer, 41, 260);
}
END_TEST

START_TEST(high_effort_works_twice)
{
    worked_efforts(&task_perm);
}
END_TEST

START_TEST(every_character_counts)
{
    worked_slips(&task_perm, "abcde12345:= \n");
    worked_lines(&task_perm, true);
}
END_TEST

START_TEST(edits_lead_where_they_say)
{
    worked_edits(&task_perm, own_follow, 2);
}
END_TEST

START_TEST(no_work_no_points)
{
    bytes b = { 0 };

    for (int i = 0; i < 5 * 5 * 5 * 5 * 5; i++) {
        int digit[5], seen = 0;
        for (int k = 0, rest = i; k < 5; k++, rest /= 5) seen |= 1 << (digit[k] = rest % 5);
        if (seen != 31) continue;
        for (int k = 0; k < 5; k++) bytes_add_char(&b, (char)('a' + digit[k]));
        bytes_add_char(&b, ' ');
    }
    ck_assert_int_eq((int)b.len, 120 * 6);
    worked_no_free_points(&task_perm, b.data);
    bytes_fini(&b);
}
END_TEST

START_TEST(where_one_starts_is_no_answer)
{
    for (int i = 0; i < WORKED_N; i++) {
        rng r = { 39, (uint64_t)i, 0 };
        char *key = task_perm.draw(&r, 2 + 2 * (i % 6));
        ck_assert(task_perm.grade(key, key, 5) == 0);
        mem_free(key);
    }
}
END_TEST

START_TEST(fair_wordings_count)
{
    worked_fair(&task_perm);
    ck_assert(worked_grade(&task_perm, "abcde 24", "a, d, c, b, e") == 1);
    ck_assert(worked_grade(&task_perm, "abcde 24", "A D C B E.") == 1);
    ck_assert(worked_grade(&task_perm, "abcde 24", "adcb") == 0);
    ck_assert(worked_grade(&task_perm, "abcde 24", "adcbe adcbe") == 0);
    ck_assert(worked_grade(&task_perm, "abcde 24", "abcde") == 0);
}
END_TEST

START_TEST(a_slip_is_one_false_step)
{
    const char *key = "abcde 24 12 53";
    trace_check c = worked_check(&task_perm, key, "1a2b3c4d5e 24 12 53\n"
                     "24:1a2d3c4b5e\n12:1d2a3c4b5e\n53:1d2a3e4b5c\n"
                                 "=daebc");

    ck_assert(c.well_formed && c.n_step == 3 && c.n_true == 3);
    c = worked_check(&task_perm, key, "1a2b3c4d5e 24 12 53\n"
                     "24:1a2d3b4c5e\n12:1d2a3b4c5e\n53:1d2a3e4c5b\n=daecb");
    ck_assert(c.well_formed && c.n_step == 3 && c.n_true == 2);
    c = worked_check(&task_perm, key, "1a2b3c4d5e 24 12 53\n"
                     "24:1a2d3c4b5e\n53:1a2d3e4b5c\n12:1d2a3e4b5c\n=daebc");
    ck_assert(!c.well_formed && c.n_step == 3 && c.n_true == 1);
    c = worked_check(&task_perm, key, "1a2b3c4d5e 24 12 53\n"
                     "53:1d2a3e4b5c\n=daebc");
    ck_assert(!c.well_formed && c.n_true == 0);
    /* The other way round it is the same swap, but not the one that was named. */
    c = worked_check(&task_perm, key, "1a2b3c4d5e 24 12 53\n"
                     "42:1a2d3c4b5e\n12:1d2a3c4b5e\n53:1d2a3e4b5c\n=daebc");
    ck_assert(!c.well_formed && c.n_true == 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("perm");
    TCase *c = tcase_create("perm");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, traces_and_answers_are_right);
    tcase_add_test(c, high_effort_works_twice);
    tcase_add_test(c, every_character_counts);
    tcase_add_test(c, edits_lead_where_they_say);
    tcase_add_test(c, no_work_no_points);
    tcase_add_test(c, where_one_starts_is_no_answer);
    tcase_add_test(c, fair_wordings_count);
    tcase_add_test(c, a_slip_is_one_false_step);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
