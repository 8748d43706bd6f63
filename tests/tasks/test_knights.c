/* Knights and knaves. */
#include "family.h"

static double grade(const char *key, const char *answer)
{
    return family_grade(&task_knights, key, answer);
}

/* A says "B is a knave", B says "A and B are different kinds": A lies, B does not. */
static const char key[] = "A:B- B:A#B";
static const char good[] = "A:B- B:A#B\nA+B+;A+:B-n x\nA+B-;A+:B-y;B-:A#By x\n"
                           "A-B+;A-:B-n;B+:A#By ok\nso A-B+";

START_TEST(traces_are_true_and_answers_right)
{
    family_holds(&task_knights, 2000);
}
END_TEST

START_TEST(no_points_without_work)
{
    static const char *const extra[] = {
        "knight", "knave", "knight, knave", "A", "A B", "knights and knaves",
        "A knight, A knave, B knight, B knave, C knight, C knave, D knight, D knave", NULL,
    };

    family_no_free_points(&task_knights, 100, extra);
    for (int d = 2; d <= 4; d++)
        for (int i = 0; i < 100; i++) {
            /* every option listed, for the people of the problem */
            problem p;
            bytes b = { 0 };
            family_draw(&task_knights, 41, (uint64_t)i, d, TRACE_LOW, &p);
            for (const char *s = p.key; (s = strchr(s, ':')); s++)
                bytes_add_format(&b, "%s%c knight, %c knave", b.len ? ", " : "", s[-1], s[-1]);
            ck_assert(grade(p.key, b.data) == 0);
            bytes_fini(&b);
            family_drop(&p);
        }
}
END_TEST

START_TEST(same_stream_same_bytes)
{
    family_repeats(&task_knights);
}
END_TEST

START_TEST(a_changed_character_shows)
{
    family_slips_show(&task_knights, 300, "+-~#|:;ynxABCDEFGHJKLMNOPQRSTUVWXYZ ");
}
END_TEST

START_TEST(a_cut_trace_shows)
{
    family_cuts_show(&task_knights, 60);
}
END_TEST

/* Truth by the words of the prompt, apart from the code under test: exactly one of all
 * assignments fits, and it is the answer. */
START_TEST(prompts_have_exactly_the_answer_as_solution)
{
    for (int i = 0; i < 600; i++) {
        problem p;
        char name[4], sentence[4][80];
        int n = 0, n_fit = 0;
        family_draw(&task_knights, 42, (uint64_t)i, 2 + i % 3, TRACE_LOW, &p);
        for (const char *s = p.prompt; (s = strstr(s, " says ")); s++) {
            ck_assert_int_lt(n, 4);
            name[n] = s[-1];
            size_t len = strcspn(s + 6, ".");
            ck_assert_uint_lt(len, sizeof sentence[0]);
            memcpy(sentence[n], s + 6, len);
            sentence[n++][len] = 0;
        }
        ck_assert_int_eq(n, p.depth);
        for (int kinds = 0; kinds < 1 << n; kinds++) {
            bool fits = true, knight[128] = { 0 };
            for (int k = 0; k < n; k++) knight[(int)name[k]] = kinds >> k & 1;
            for (int k = 0; k < n; k++) {
                char x, y;
                int end = 0;
                bool truth = false;
                const char *t = sentence[k];
                if (sscanf(t, "%c is a knight%n", &x, &end) == 1 && end) truth = knight[(int)x];
                else if (sscanf(t, "%c is a knave%n", &x, &end) == 1 && end)
                    truth = !knight[(int)x];
                else if (sscanf(t, "%c and %c are the same kind%n", &x, &y, &end) == 2 && end)
                    truth = knight[(int)x] == knight[(int)y];
                else if (sscanf(t, "%c and %c are different kinds%n", &x, &y, &end) == 2 && end)
                    truth = knight[(int)x] != knight[(int)y];
                else if (sscanf(t, "at least one of %c and %c is a knave%n", &x, &y, &end) == 2 &&
                         end)
                    truth = !knight[(int)x] || !knight[(int)y];
                else ck_abort_msg("%s", t);
                fits = fits && truth == knight[(int)name[k]];
            }
            if (!fits) continue;
            n_fit++;
            bytes b = { 0 };
            for (int k = 0; k < n; k++)
                bytes_add_format(&b, "%s%c %s", k ? ", " : "", name[k],
                                 knight[(int)name[k]] ? "knight" : "knave");
            ck_assert_str_eq(b.data, p.answer);
            bytes_fini(&b);
        }
        ck_assert_int_eq(n_fit, 1);
        family_drop(&p);
    }
}
END_TEST

START_TEST(right_answers_in_many_forms)
{
    static const char *const right[] = {
        "A knave, B knight", "B knight, A knave", "A is a knave and B is a knight.",
        "B is a knight; A is a knave", "A: knave, B: knight", " A knave, B knight ",
        "Answer: B knight, A knave", NULL,
    };

    for (const char *const *a = right; *a; a++) ck_assert_msg(grade(key, *a) == 1, "%s", *a);
    /* A "B and C are the same kind", B "A is a knight", C "B is a knave" */
    ck_assert(grade("A:B~C B:A+ C:B-", "A and B are both knaves and C is a knight") == 1);
    ck_assert(grade("A:B~C B:A+ C:B-", "A and B are knaves, C knight") == 1);
    ck_assert(grade("A:B~C B:A+ C:B-", "A and B are knaves") == 0);
}
END_TEST

START_TEST(other_answers_earn_nothing)
{
    static const char *const wrong[] = {
        "A knight, B knave", "A knave", "B knight", "A knave, A knave", "A knave, B knave",
        "A knave, B knight, C knight",
        "A knave, B knight, A knave", "A is not a knight, B is not a knave", "knave, knight",
        "A knave or knight, B knight", "A knave, B knight or knave", "a knave, b knight",
        "A knaveB knight", "A B", "A knave, B", "knave A, knight B", "A-B+", NULL,
    };

    for (const char *const *a = wrong; *a; a++) ck_assert_msg(grade(key, *a) == 0, "%s", *a);
}
END_TEST

START_TEST(each_kind_of_slip_is_one_false_step)
{
    static const struct { const char *think; int n_step, n_true; } slip[] = {
        { "A:B- B:A~B\nA+B+;A+:B-n x\nA+B-;A+:B-y;B-:A#By x\nA-B+;A-:B-n;B+:A#By ok\nso A-B+",
          12, 11 },                                        /* a saying misquoted */
        { "A:B- B:A#B\nA+B-;A+:B-y;B-:A#By x\nA-B+;A-:B-n;B+:A#By ok\nso A-B+",
          9, 8 },                                          /* an assignment left out */
        { "A:B- B:A#B\nA+B+;A+:B-n x\nA+B-;A+:B-y;B-:A#By ok\nso A+B-", 9, 8 },   /* verdict */
        { "A:B- B:A#B\nA+B+;A+:B-n x\nA+B-;A+:B-y;B-:A#By x\nA-B+;A-:B-n;B+:A#By ok\nso A-B-",
          12, 11 },                                        /* conclusion */
        { "A:B- B:A#B\nA+B+;A+:B-n x\nA+B-;A+:B-y;B-:A#Bn ok\nso A+B-", 9, 8 },   /* truth */
        { "A:B- B:A#B\nA+B+;A+:B+y;B+:A#Bn x\nA+B-;A+:B-y;B-:A#By x\nA-B+;A-:B-n;B+:A#By ok\n"
          "so A-B+", 13, 12 },                             /* a saying not said */
    };

    trace_check c = family_check(&task_knights, key, good);
    ck_assert(c.well_formed && c.n_step == 13 && c.n_true == 13);
    for (size_t i = 0; i < sizeof slip / sizeof slip[0]; i++) {
        c = family_check(&task_knights, key, slip[i].think);
        ck_assert_msg(c.well_formed, "%s", slip[i].think);
        ck_assert_msg(c.n_step - c.n_true == 1, "%s: %d of %d", slip[i].think, c.n_true, c.n_step);
    }
}
END_TEST

START_TEST(broken_keys_earn_nothing)
{
    static const char *const bad[] = { "", "A", "A:", ":", "A:B-", "A:B- B:", "A:B- B:C-", "A:B- B:A!",
                                       "A:B- B:A-", "A:A+ B:B+ C:C+ D:D+ E:E+", "A:B- B:A#B ", NULL };

    for (const char *const *k = bad; *k; k++) {
        ck_assert_msg(grade(*k, "A knave, B knight") == 0, "%s", *k);
        ck_assert(!family_check(&task_knights, *k, good).well_formed);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("knights");
    TCase *c = tcase_create("knights");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, traces_are_true_and_answers_right);
    tcase_add_test(c, no_points_without_work);
    tcase_add_test(c, same_stream_same_bytes);
    tcase_add_test(c, a_changed_character_shows);
    tcase_add_test(c, a_cut_trace_shows);
    tcase_add_test(c, prompts_have_exactly_the_answer_as_solution);
    tcase_add_test(c, right_answers_in_many_forms);
    tcase_add_test(c, other_answers_earn_nothing);
    tcase_add_test(c, each_kind_of_slip_is_one_false_step);
    tcase_add_test(c, broken_keys_earn_nothing);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int n = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n;
}
