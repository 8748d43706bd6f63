/* How often the question "is this one of our problems?" is answered wrongly, both
 * ways, on problems that the rule has not seen and on what people ask. */
#include "reason/scope.h"

#include <stdio.h>
#include <string.h>

#include "everyday.h"

#include <check.h>       /* after ours: it has a macro named fail */

static scope *all;

static void setup(void) { all = scope_new(); }
static void teardown(void) { scope_free(all); }

static const task *family(const char *text)
{
    return scope_family(all, text, strlen(text));
}

/* Every family at every depth, from splits and seeds that nothing is learnt from. */
START_TEST(fewer_than_one_problem_in_200_is_sent_away)
{
    int n = 0, n_wrong = 0;

    for (int i = 0; i < tasks_count(); i++) {
        const task *t = task_at(i);
        int n_family = 0, wrong = 0;

        for (int d = t->min_depth; d <= t->max_depth; d++)
            for (int k = 0; k < 300 / (t->max_depth - t->min_depth + 1) + 1; k++) {
                problem p;

                problem_make(t, k % 2 ? SPLIT_VALID : SPLIT_TEST, 77, (uint64_t)k, d, TRACE_LOW,
                             &p);
                n_family++;
                if (!family(p.prompt)) {
                    if (!wrong++) printf("sent away: %s\n", p.prompt);
                }
                problem_fini(&p);
            }
        printf("%s: %d of %d sent away\n", t->name, wrong, n_family);
        n += n_family;
        n_wrong += wrong;
    }
    printf("false alarms: %d of %d problems\n", n_wrong, n);
    fflush(stdout);
    ck_assert_int_ge(n, 2000);
    ck_assert_int_lt(200 * n_wrong, n);
}
END_TEST

START_TEST(fewer_than_one_everyday_question_in_20_is_let_through)
{
    int n_wrong = 0;

    for (int i = 0; i < N_EVERYDAY; i++) {
        const task *t = family(everyday[i]);

        if (!t) continue;
        printf("taken for %s: %s\n", t->name, everyday[i]);
        n_wrong++;
    }
    printf("misses: %d of %d everyday questions\n", n_wrong, N_EVERYDAY);
    fflush(stdout);
    ck_assert_int_ge(N_EVERYDAY, 200);
    ck_assert_int_lt(20 * n_wrong, N_EVERYDAY);
}
END_TEST

/* What a person types who has seen an example or two. */
START_TEST(a_problem_in_ones_own_numbers_is_let_through)
{
    static const char *const typed[] = {
        "What is 12+7*3?", "what is 12 + 7 * 3", "What is 37 times 12?", "compute 3*(4+5)",
        "Solve 3x+4=19", "find x if 2x-7=9", "Use 3, 5, 7 and 2 once each to make 24.",
        "Game of 24: 4 7 8 8", "make 24 from 4, 7, 8 and 8", "What is f3(f7(hello))?",
        "Apply f2, then f9 to banana.", "Start from abcde. Swap 1-2, 3-4. What is the final order?",
        "Take 5, plus 6, times 7, modulo 100 after every step. What do you get?",
        "Tom has 3 boxes of 4 apples. Tom eats 5. How many apples does Tom have now?",
        "Knights tell the truth, knaves lie. A says B is a knave. B says A and B are different "
        "kinds. Who is what?",
    };

    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++)
        ck_assert_msg(family(typed[i]) != NULL, "%s", typed[i]);
}
END_TEST

START_TEST(any_bytes_of_any_length_are_answered)
{
    static char text[200000];

    ck_assert_ptr_null(scope_family(all, "", 0));
    ck_assert_ptr_null(scope_family(all, "\0\0\0", 3));
    memset(text, 'a', sizeof text);
    ck_assert_ptr_null(scope_family(all, text, 60000));
    ck_assert_ptr_null(scope_family(all, text, sizeof text));
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 2654435761u >> 13);
    ck_assert_ptr_null(scope_family(all, text, 60000));
    for (size_t n = 0; n < 300; n++) (void)scope_family(all, text + n, n);
    for (size_t i = 0; i + 1 < sizeof text; i += 2) memcpy(text + i, "7 ", 2);
    ck_assert_ptr_null(scope_family(all, text, sizeof text));
}
END_TEST

START_TEST(of_a_chat_the_last_question_counts_with_its_files)
{
    static const char ours[] = "What is 12+7*3?", theirs[] = "Who wrote Hamlet?";
    chat c = { 0 };
    chat_message *m;

    ck_assert_ptr_null(scope_of_chat(all, &c));
    chat_message_text(chat_add(&c, CHAT_SYSTEM), theirs, strlen(theirs));
    ck_assert_ptr_null(scope_of_chat(all, &c));
    chat_message_text(chat_add(&c, CHAT_USER), ours, strlen(ours));
    ck_assert_ptr_nonnull(scope_of_chat(all, &c));
    chat_message_text(chat_add(&c, CHAT_USER), theirs, strlen(theirs));
    ck_assert_ptr_null(scope_of_chat(all, &c));
    m = chat_add(&c, CHAT_USER);
    chat_message_file(m, "hamlet.txt", theirs, strlen(theirs));
    chat_message_text(m, ours, strlen(ours));
    ck_assert_ptr_null(scope_of_chat(all, &c));
    chat_message_text(chat_add(&c, CHAT_USER), ours, strlen(ours));
    chat_message_text(chat_add(&c, CHAT_ASSISTANT), theirs, strlen(theirs));
    ck_assert_ptr_nonnull(scope_of_chat(all, &c));
    chat_fini(&c);
}
END_TEST

START_TEST(what_it_says_it_can_do_it_lets_through)
{
    bytes text = { 0 };
    int n = 0;

    scope_explain(&text, "ponder-nano");
    ck_assert_ptr_eq(strstr(text.data, "ponder-nano "), text.data);
    for (int i = 0; i < tasks_count(); i++)
        ck_assert_msg(strstr(text.data, task_at(i)->about) != NULL, "%s", task_at(i)->name);
    for (char *from = strchr(text.data, '"'), *to; from; from = strchr(to + 1, '"')) {
        to = strchr(from + 1, '"');
        ck_assert_ptr_nonnull(to);
        ck_assert_msg(scope_family(all, from + 1, (size_t)(to - from - 1)) != NULL, "%s", from);
        n++;
    }
    ck_assert_int_eq(n, 3);
    ck_assert_ptr_null(strchr(text.data, '\n'));
    bytes_fini(&text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scope");
    TCase *t = tcase_create("scope");
    SRunner *sr = srunner_create(s);
    int failed;

    suite_add_tcase(s, t);
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_add_test(t, fewer_than_one_problem_in_200_is_sent_away);
    tcase_add_test(t, fewer_than_one_everyday_question_in_20_is_let_through);
    tcase_add_test(t, a_problem_in_ones_own_numbers_is_let_through);
    tcase_add_test(t, any_bytes_of_any_length_are_answered);
    tcase_add_test(t, of_a_chat_the_last_question_counts_with_its_files);
    tcase_add_test(t, what_it_says_it_can_do_it_lets_through);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
