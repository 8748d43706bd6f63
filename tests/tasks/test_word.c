/* Word problems. */
#include <ctype.h>
#include <stdlib.h>

#include "tasks/story.h"
#include "family.h"

static double grade(const char *key, const char *answer)
{
    return family_grade(&task_word, key, answer);
}

/* Sam has 3 boxes of 5 stamps, gets 4, Lily has twice as many; both? */
static const char key[] = "0.1.4.7 g3,5 a4 z0,9 t2 b";
static const char good[] = "Sam: 3*5=15\nSam: 15+4=19\nLily: 19*2=38\nboth: 19+38=57\n"
                           "both stamps? 57";

START_TEST(traces_are_true_and_answers_right)
{
    family_holds(&task_word, 2000);
}
END_TEST

START_TEST(no_points_without_work)
{
    static const char *const extra[] = { "dollars", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "-1",
                                         "5 or 6", "0x10", "1e1", "999999999999", NULL };

    family_no_free_points(&task_word, 100, extra);
}
END_TEST

START_TEST(same_stream_same_bytes)
{
    family_repeats(&task_word);
}
END_TEST

START_TEST(a_changed_character_shows)
{
    family_slips_show(&task_word, 300, "0123456789+-*/:=? abcST");
}
END_TEST

START_TEST(a_cut_trace_shows)
{
    family_cuts_show(&task_word, 60);
}
END_TEST

START_TEST(an_edit_leads_to_the_answer_it_implies)
{
    family_edits(&task_word, 200);
    for (int i = 0; i < 200; i++) {
        rng r = { 52, (uint64_t)i, 0 };
        char *prefix, *follows;
        ck_assert(task_word.edit(key, good, strlen(good), &r, &prefix, &follows));
        int n_line = 0, v = atoi(strrchr(prefix, '=') + 1), f = atoi(follows);
        for (const char *s = prefix; *s; s++) n_line += *s == '\n';
        int want[4] = { (v + 4) * 3, v * 3, 19 + v, v };
        ck_assert_int_eq(f, want[n_line]);
        mem_free(prefix);
        mem_free(follows);
    }
}
END_TEST

START_TEST(a_prompt_has_at_most_sixty_words_and_no_marks_left)
{
    for (int d = 1; d <= 5; d++)
        for (int i = 0; i < 2000; i++) {
            problem p;
            int n_word = 1;
            family_draw(&task_word, 53, (uint64_t)i, d, TRACE_LOW, &p);
            for (const char *s = p.prompt; *s; s++) {
                n_word += *s == ' ';
                ck_assert_msg(*s != '%' && *s != '|', "%s", p.prompt);
            }
            ck_assert_msg(n_word <= 60, "%d words: %s", n_word, p.prompt);
            ck_assert_msg(p.prompt[strlen(p.prompt) - 1] == '?' || strstr(p.prompt, "? ") == NULL,
                          "%s", p.prompt);
            family_drop(&p);
        }
}
END_TEST

/* Every number that the steps need, and that no step before gives, stands in the prompt
 * (but for the 2 of "half"). */
START_TEST(the_prompt_tells_every_number)
{
    for (int i = 0; i < 1000; i++) {
        problem p;
        bool known[1000] = { 0 };
        family_draw(&task_word, 54, (uint64_t)i, 1 + i % 5, TRACE_LOW, &p);
        known[2] = true;
        for (const char *s = p.prompt; *s; ) {
            if (!isdigit((unsigned char)*s)) {
                s++;
                continue;
            }
            int v = (int)strtol(s, (char **)&s, 10);
            ck_assert(v < 1000);
            known[v] = true;
        }
        for (const char *line = p.think; line; line = strchr(line, '\n')) {
            if (*line == '\n') line++;
            int a, b, v;
            char sign;
            if (sscanf(line, "%*[^:\n]: %d%c%d=%d", &a, &sign, &b, &v) != 4) break;
            ck_assert_msg(known[a] && known[b], "%s\n%s", p.prompt, p.think);
            known[v] = true;
        }
        family_drop(&p);
    }
}
END_TEST

START_TEST(every_event_has_a_sentence_that_names_the_person)
{
    for (int t = 0; t < N_THEME; t++) {
        const theme *h = &story_theme[t];
        ck_assert(h->item[0] && h->aux && h->say[EVENT_ASK]);
        for (int e = 0; e < N_EVENT; e++) {
            if (!h->say[e]) continue;
            bool needs = (e >= EVENT_GAIN && e <= EVENT_HALF) ||
                         (e >= EVENT_ASK_EACH && e < N_EVENT) || e == EVENT_ASK;
            int n_form = 1;
            for (const char *s = h->say[e]; *s; s++) n_form += *s == '|';
            ck_assert_int_le(n_form, 8);
            /* reading has no second person */
            if (needs && h->say[EVENT_MORE])
                ck_assert_msg(strstr(h->say[e], "%p") != NULL, "theme %d event %d", t, e);
        }
    }
}
END_TEST

START_TEST(every_theme_and_question_is_drawn)
{
    int n_theme[N_THEME] = { 0 }, n_letter[128] = { 0 };

    for (int i = 0; i < 3000; i++) {
        rng r = { 55, (uint64_t)i, 0 };
        char *k = task_word.draw(&r, 1 + i % 5);
        n_theme[atoi(k)]++;
        for (const char *s = k; (s = strchr(s, ' ')); s++) n_letter[(int)s[1]]++;
        mem_free(k);
    }
    for (int t = 0; t < N_THEME; t++) ck_assert_int_gt(n_theme[t], 20);
    for (const char *s = "hgalALHtmfqbdspcz"; *s; s++)
        ck_assert_msg(n_letter[(int)*s] > 20, "%c %d", *s, n_letter[(int)*s]);
}
END_TEST

START_TEST(the_number_alone_is_the_answer)
{
    ck_assert(grade(key, "57") == 1);
    ck_assert(grade(key, " 57.\n") == 1);
    ck_assert(grade(key, "The answer is 57.") == 1);
    static const char *const wrong[] = { "56", "57 57", "57 dollars", "$57", "57stamps", "5 7", "57=57",
                                         "19+38", "57,58", "-57", "57 or 58", "both stamps? 57", NULL };
    for (const char *const *a = wrong; *a; a++) ck_assert_msg(grade(key, *a) == 0, "%s", *a);
}
END_TEST

START_TEST(each_kind_of_slip_is_one_false_step)
{
    static const char *const slip[] = {
        "Sam: 3*5=14\nSam: 14+4=18\nLily: 18*2=36\nboth: 18+36=54\nboth stamps? 54",
        "Ben: 3*5=15\nSam: 15+4=19\nLily: 19*2=38\nboth: 19+38=57\nboth stamps? 57",
        "Sam: 3*5=15\nSam: 15+9=24\nLily: 24*2=48\nboth: 24+48=72\nboth stamps? 72",
        "Sam: 3*5=15\nSam: 15-4=11\nLily: 11*2=22\nboth: 11+22=33\nboth stamps? 33",
        "Sam: 3*5=15\nSam: 15+4=19\nLily: 19*2=38\nboth: 19+38=57\nboth stamps? 38",
        "Sam: 3*5=15\nSam: 15+4=19\nLily: 19*2=38\nboth: 19+38=57\nboth shells? 57",
        "Sam: 3*5=15\nSam: 15+4=19\nLily: 19*2=38\nboth: 15+38=53\nboth stamps? 53",
    };

    trace_check c = family_check(&task_word, key, good);
    ck_assert(c.well_formed && c.n_step == 5 && c.n_true == 5);
    for (size_t i = 0; i < sizeof slip / sizeof slip[0]; i++) {
        c = family_check(&task_word, key, slip[i]);
        ck_assert_msg(c.well_formed && c.n_step == 5 && c.n_true == 4, "%s: %d", slip[i], c.n_true);
    }
    ck_assert(!family_check(&task_word, key, "Sam: 3*5=15\nboth stamps? 57").well_formed);
    ck_assert(!family_check(&task_word, key, "both stamps? 57").well_formed);
}
END_TEST

START_TEST(broken_keys_earn_nothing)
{
    static const char *const bad[] = { "", "0", "0.0.0.1", "0.0.0.1 ", "0.0.0.1 g3,5", "9.0.0.1 g3,5 q",
                                       "0.4.0.1 g3,5 q", "0.0.12.1 g3,5 q", "0.0.0.1 g3 q",
                                       "0.0.0.1 y3,5 q", "0.0.0.1 q g3,5", "0.0.0.1 h3 l5 q",
                                       "0.0.0.1 h3 H q", "0.0.0.1 g3,5 z9,9 q", "5.0.0.1 h9 a3 q",
                                       "0.0.0.1 g3,5 b", "0.0.0.1 h1 t2 m2 q", "0.0.0.1 z0,1 q",
                                       "0.0.0.1 h9 a1 a1 a1 a1 a1 a1 q", NULL };

    for (const char *const *k = bad; *k; k++)
        for (int v = 0; v < 20; v++) {
            char text[12];
            snprintf(text, sizeof text, "%d", v);
            ck_assert_msg(grade(*k, text) == 0, "%s", *k);
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("word");
    TCase *c = tcase_create("word");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, traces_are_true_and_answers_right);
    tcase_add_test(c, no_points_without_work);
    tcase_add_test(c, same_stream_same_bytes);
    tcase_add_test(c, a_changed_character_shows);
    tcase_add_test(c, a_cut_trace_shows);
    tcase_add_test(c, an_edit_leads_to_the_answer_it_implies);
    tcase_add_test(c, a_prompt_has_at_most_sixty_words_and_no_marks_left);
    tcase_add_test(c, the_prompt_tells_every_number);
    tcase_add_test(c, every_event_has_a_sentence_that_names_the_person);
    tcase_add_test(c, every_theme_and_question_is_drawn);
    tcase_add_test(c, the_number_alone_is_the_answer);
    tcase_add_test(c, each_kind_of_slip_is_one_false_step);
    tcase_add_test(c, broken_keys_earn_nothing);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int n = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n;
}
