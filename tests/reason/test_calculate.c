/* Marks calculated while a sequence is written: what is forced, what is counted,
 * and where nothing is. */
#include "support/asker.h"

/* " and " is followed by a mark or the closer, each half of the time; after a
 * forced result every script begins anew. */
static const parrot_word script[] = {
    { " and ", 2 }, { "<<48/2=", 0 }, { "</think>", 0 }, { "12", 0 }, { "<|im_end|>", 0 },
};

typedef struct tokens {
    int n_drawn;
    int n_event;
} tokens;

static bool count(void *arg, const ask_event *e)
{
    tokens *t = arg;

    t->n_drawn += e->token != NULL;
    t->n_event++;
    return true;
}

static ask_request asking(const reasoner *r, const chat *c)
{
    ask_request q = ask_defaults(r, c);

    q.sampler = sampler_defaults();
    q.sampler.temperature = 1;
    q.sampler.log_prob = true;
    q.calculator = true;
    return q;
}

static int count_text(const char *text, const char *what)
{
    int n = 0;

    for (; (text = strstr(text, what)); text += strlen(what)) n++;
    return n;
}

START_TEST(results_are_forced_and_every_token_is_counted)
{
    reasoner *r = open_parrot(NULL, script, 5);
    chat c = question("Hi");
    ask_request q = asking(r, &c);
    int marks = 0;

    for (int i = 0; i < 20; i++) {
        tokens t = { 0 };
        ask_answer a;
        int n;

        q.stream = (uint64_t)i;
        a = run(r, &q, count, &t);
        check_sums(&a);
        n = count_text(a.samples->reasoning, "<<48/2=");
        ck_assert_int_eq(count_text(a.samples->reasoning, "<<48/2=24>>"), n);
        ck_assert_int_eq(count_text(a.samples->reasoning, "24>>"), n);
        ck_assert_int_eq(a.samples->report.closed_by, CLOSE_MODEL);
        ck_assert_str_eq(a.samples->text, "12");
        /* Four bytes are four tokens here: none of them was drawn. */
        ck_assert_int_eq(a.samples->report.n_forced, 4 * n);
        ck_assert_int_eq(a.samples->report.n_think, 6 * n + 1);
        ck_assert_int_eq(t.n_drawn, a.usage.completion - 4 * n);
        ck_assert_int_eq(a.samples->report.n_refused, 0);
        marks += n;
        ask_answer_fini(&a);
    }
    ck_assert_int_gt(marks, 5);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

START_TEST(nothing_is_calculated_unasked)
{
    reasoner *r = open_parrot(NULL, script, 5);
    chat c = question("Hi");
    ask_request q = asking(r, &c);
    ask_answer a;

    q.calculator = false;
    q.samples = 20;
    a = run(r, &q, NULL, NULL);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(count_text(a.samples[i].reasoning, "24>>"), 0);
        ck_assert_int_eq(a.samples[i].report.n_forced, 0);
    }
    ask_answer_fini(&a);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

/* A script of its own after the prompt, up to the end of the turn. */
static ask_answer say(const parrot_word *words, int n, int budget, int max_tokens)
{
    reasoner *r = open_parrot(NULL, words, n);
    chat c = question("Hi");
    ask_request q = asking(r, &c);
    ask_answer a;

    q.budget = budget;
    q.max_tokens = max_tokens;
    a = run(r, &q, NULL, NULL);
    check_sums(&a);
    chat_fini(&c);
    reasoner_close(r);
    return a;
}

START_TEST(a_token_that_goes_on_behind_the_sign_stands)
{
    static const parrot_word words[] = {
        { "<<48/2=7", 0 }, { ">>", 0 }, { "<<x=", 0 }, { "<<1/0=", 0 }, { "<<", 0 },
        { "1+1=\n", 0 }, { "</think>", 0 }, { "<|im_end|>", 0 },
    };
    ask_answer a = say(words, 8, 1000, 0);

    ck_assert_str_eq(a.samples->reasoning, "<<48/2=7>><<x=<<1/0=<<1+1=\n");
    ck_assert_int_eq(a.samples->report.n_forced, 0);
    ask_answer_fini(&a);
}
END_TEST

START_TEST(a_mark_may_come_in_many_tokens_but_not_over_a_border)
{
    /* No word of one byte: its token would be the byte's own, which begins the
     * script anew. */
    static const parrot_word many[] = {
        { " <<", 0 }, { "48", 0 }, { "/2", 0 }, { " =", 0 },
    };
    static const parrot_word parted[] = {
        { "<<1+", 0 }, { "</think>", 0 }, { "1=", 0 }, { "<|im_end|>", 0 },
    };
    ask_answer a = say(many, 4, 20, 60);

    ck_assert_int_eq(strncmp(a.samples->reasoning, "<<48/2 =24>> <<48/2 =24>>", 25), 0);
    ask_answer_fini(&a);
    a = say(parted, 4, 100, 0);
    ck_assert_str_eq(a.samples->reasoning, "<<1+");
    ck_assert_str_eq(a.samples->text, "1=");
    ck_assert_int_eq(a.samples->report.n_forced, 0);
    ask_answer_fini(&a);
}
END_TEST

START_TEST(no_budget_is_overrun)
{
    static const parrot_word endless[] = { { " and ", 0 }, { "<<48/2=", 0 }, { "so", 0 } };

    for (int budget = 1; budget < 24; budget++) {
        ask_answer a = say(endless, 3, budget, 100);
        const char *left = a.samples->reasoning;

        ck_assert_int_le(a.samples->report.n_think, budget);
        ck_assert_int_eq(a.samples->report.closed_by, CLOSE_BUDGET);
        /* Only the last mark may lack its result, for want of room. */
        for (const char *at; (at = strstr(left, "<<48/2=")); left = at + 7)
            ck_assert(!strncmp(at + 7, "24>>", 4) || !strstr(at + 7, "<<"));
        ask_answer_fini(&a);
    }
    for (int most = 1; most < 24; most++) {
        ask_answer a = say(endless, 3, 0, most);

        ck_assert_int_eq(a.usage.completion, most);
        ck_assert_int_eq(a.samples->finish, FINISH_LENGTH);
        if (most == 23) ck_assert_int_ge(count_text(a.samples->text, "<<48/2=24>>"), 3);
        ask_answer_fini(&a);
    }
}
END_TEST

START_TEST(an_answer_with_a_grammar_keeps_to_it)
{
    static const char pattern[] = "<<48/2=so";
    static const parrot_word words[] = { { "<<48/2=", 0 }, { "so", 0 }, { "<|im_end|>", 0 } };
    reasoner *r = open_parrot(NULL, words, 3);
    chat c = question("Hi");
    ask_request q = asking(r, &c);
    grammar *g;
    ask_answer a;
    errtext err;

    ck_assert_msg(grammar_new_regex(&g, pattern, strlen(pattern), &err) == OK, "%s", err.text);
    q.answer_grammar = g;
    q.budget = 0;
    a = run(r, &q, NULL, NULL);
    ck_assert_str_eq(a.samples->text, pattern);
    ck_assert_int_eq(a.samples->finish, FINISH_STOP);
    ck_assert_int_eq(a.samples->report.n_forced, 0);
    ask_answer_fini(&a);
    grammar_free(g);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("calculate");
    TCase *t = tcase_create("all");
    SRunner *run_all = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, results_are_forced_and_every_token_is_counted);
    tcase_add_test(t, nothing_is_calculated_unasked);
    tcase_add_test(t, a_token_that_goes_on_behind_the_sign_stands);
    tcase_add_test(t, a_mark_may_come_in_many_tokens_but_not_over_a_border);
    tcase_add_test(t, no_budget_is_overrun);
    tcase_add_test(t, an_answer_with_a_grammar_keeps_to_it);
    suite_add_tcase(s, t);
    srunner_run_all(run_all, CK_NORMAL);
    failed = srunner_ntests_failed(run_all);
    srunner_free(run_all);
    return failed;
}
