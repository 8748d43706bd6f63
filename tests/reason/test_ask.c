/* test_ask.c - requests through loaded models: effort and budgets, seeds and
 * samples, votes. */
#include "support/asker.h"

/* The budget, or up to three tokens more to end a character: tokens of these
 * models are single bytes, and random ones. */
static void check_thought(const phase_report *r, int budget)
{
    ck_assert_int_ge(r->n_think, budget);
    ck_assert_int_le(r->n_think, budget ? budget + 3 : 0);
}

/* ------------------------------------------------------------ effort, budget */

START_TEST(efforts_have_names_and_rising_budgets)
{
    effort back;

    for (int e = 0; e < EFFORT_N; e++) {
        ck_assert(effort_parse(effort_name((effort)e), &back));
        ck_assert_int_eq(back, e);
        if (e) ck_assert_int_gt(effort_budget((effort)e), effort_budget((effort)(e - 1)));
    }
    ck_assert_int_eq(effort_budget(EFFORT_NONE), 0);
    ck_assert(!effort_parse("", &back));
    ck_assert(!effort_parse("Medium", &back));
    ck_assert(!effort_parse("mediumm", &back));
}
END_TEST

START_TEST(endless_thinking_ends_at_the_budget_and_an_answer_follows)
{
    for (int f = 0; f < N_FAMILY; f++) {
        reasoner *r = open_family(families[f]);
        chat c = question("Hi");
        ask_request q = ask_defaults(r, &c);
        token_bias bias[16];
        ask_answer a;
        const ask_sample *s;

        q.budget = 200;
        q.max_tokens = 300;
        never_end(r, &q, bias);
        a = run(r, &q, NULL, NULL);
        s = a.samples;
        check_thought(&s->report, 200);
        ck_assert_int_eq(s->report.closed_by, CLOSE_BUDGET);
        ck_assert_int_gt(s->report.n_marker, 0);
        ck_assert_int_le(s->report.n_marker, 16);
        ck_assert_int_eq(s->usage.reasoning, s->report.n_think + s->report.n_marker);
        ck_assert_int_gt(s->reasoning_len, 0);
        ck_assert_int_gt(s->text_len, 0);
        ck_assert_int_eq(s->usage.completion, 300);
        ck_assert_int_eq(s->finish, FINISH_LENGTH);
        ck_assert_ptr_null(strstr(s->reasoning, "</think>"));
        ck_assert_ptr_null(strstr(s->text, "</think>"));
        check_sums(&a);
        ask_answer_fini(&a);
        chat_fini(&c);
        reasoner_close(r);
    }
}
END_TEST

START_TEST(every_effort_has_its_effect_on_every_family)
{
    for (int f = 0; f < N_FAMILY; f++) {
        reasoner *r = open_family(families[f]);
        chat c = question("Hi");

        for (int e = EFFORT_NONE; e <= EFFORT_LOW; e++) {
            ask_request q = ask_defaults(r, &c);
            token_bias bias[16];
            ask_answer a;

            q.effort = (effort)e;
            q.max_tokens = 400;
            never_end(r, &q, bias);
            a = run(r, &q, NULL, NULL);
            check_thought(&a.samples->report, effort_budget((effort)e));
            if (e == EFFORT_NONE) ck_assert_int_eq(a.usage.reasoning, 0);
            if (e == EFFORT_NONE) ck_assert_uint_eq(a.samples->reasoning_len, 0);
            ck_assert_int_gt(a.samples->text_len, 0);
            ask_answer_fini(&a);
        }
        chat_fini(&c);
        reasoner_close(r);
    }
}
END_TEST

START_TEST(an_explicit_budget_wins_over_the_effort)
{
    reasoner *r = open_family("qwen3");
    chat c = question("Hi");
    ask_request q = ask_defaults(r, &c);
    token_bias bias[16];
    ask_answer a;

    never_end(r, &q, bias);
    q.max_tokens = 200;
    q.effort = EFFORT_NONE;
    q.budget = 50;
    a = run(r, &q, NULL, NULL);
    check_thought(&a.samples->report, 50);
    ask_answer_fini(&a);
    q.effort = EFFORT_HIGH;
    q.budget = 0;
    a = run(r, &q, NULL, NULL);
    ck_assert_int_eq(a.usage.reasoning, 0);
    ask_answer_fini(&a);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

START_TEST(a_quarter_of_the_tokens_is_kept_for_the_answer)
{
    reasoner *r = open_family("qwen3");
    chat c = question("Hi");
    ask_request q = ask_defaults(r, &c);
    token_bias bias[16];
    ask_answer a;

    never_end(r, &q, bias);
    q.effort = EFFORT_HIGH;
    q.max_tokens = 80;
    a = run(r, &q, NULL, NULL);
    ck_assert_int_eq(a.samples->report.closed_by, CLOSE_LIMIT);
    ck_assert_int_ge(a.usage.answer, 20);
    ck_assert_int_eq(a.usage.completion, 80);
    ck_assert(!a.samples->report.starved);
    ask_answer_fini(&a);

    /* The context is a limit like any other. */
    q.max_tokens = 0;
    q.effort = EFFORT_XHIGH;
    a = run(r, &q, NULL, NULL);
    ck_assert_int_eq(a.usage.prompt + a.usage.completion, 2048);
    ck_assert_int_gt(a.usage.answer, 400);
    ask_answer_fini(&a);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

START_TEST(a_minimum_of_thinking_is_kept)
{
    static const parrot_word words[] = { { "Easy.", 0 }, { "</think>", 0 }, { "7", 0 },
                                         { "<|im_end|>", 0 } };
    reasoner *r = open_parrot(NULL, words, 4);
    chat c = question("Hi");
    ask_request q = ask_defaults(r, &c);
    ask_answer a = run(r, &q, NULL, NULL);

    ck_assert_str_eq(a.samples->reasoning, "Easy.");
    ck_assert_int_eq(a.samples->report.n_think, 1);
    ck_assert_str_eq(a.samples->text, "7");
    ck_assert_int_eq(a.samples->finish, FINISH_STOP);
    ask_answer_fini(&a);

    /* The closer is banned: something else is drawn in its place. */
    q.min_think = 30;
    q.max_tokens = 200;
    a = run(r, &q, NULL, NULL);
    ck_assert_int_ge(a.samples->report.n_think, 30);
    ask_answer_fini(&a);

    q.min_think = 0;
    q.max_wait = 2;
    a = run(r, &q, NULL, NULL);
    ck_assert_int_eq(a.samples->report.n_wait, 2);
    ck_assert_str_eq(a.samples->reasoning, "Easy.WaitEasy.WaitEasy.");
    ck_assert_str_eq(a.samples->text, "7");
    check_sums(&a);
    ask_answer_fini(&a);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

/* ------------------------------------------------------------- randomness */

START_TEST(the_same_seed_gives_the_same_bytes)
{
    reasoner *one = open_at(FIXTURES "llama", 1), *two = open_at(FIXTURES "llama", 2);
    chat c = question("Count the sheep.");
    ask_request q = ask_defaults(one, &c);
    ask_answer fresh, cached, other, threads;

    q.sampler.temperature = 1;
    q.sampler.seed = 42;
    q.budget = 60;
    q.max_tokens = 150;
    fresh = run(one, &q, NULL, NULL);
    cached = run(one, &q, NULL, NULL);
    threads = run(two, &q, NULL, NULL);
    ck_assert_int_eq(fresh.usage.cached, 0);
    ck_assert_int_gt(cached.usage.cached, 0);
    check_same(fresh.samples, cached.samples);
    check_same(fresh.samples, threads.samples);
    q.sampler.seed = 43;
    other = run(one, &q, NULL, NULL);
    ck_assert_str_ne(fresh.samples->reasoning, other.samples->reasoning);
    ask_answer_fini(&fresh);
    ask_answer_fini(&cached);
    ask_answer_fini(&other);
    ask_answer_fini(&threads);
    chat_fini(&c);
    reasoner_close(one);
    reasoner_close(two);
}
END_TEST

START_TEST(samples_are_what_separate_runs_of_their_streams_are)
{
    enum { N = 7 };
    reasoner *r = open_family("qwen3");
    chat c = question("Say a number.");
    ask_request q = ask_defaults(r, &c);
    ask_answer all, one;

    q.sampler.temperature = 1;
    q.sampler.seed = 5;
    q.budget = 40;
    q.max_tokens = 100;
    q.samples = N;
    q.stream = 3;
    all = run(r, &q, NULL, NULL);
    ck_assert_int_eq(all.n_sample, N);
    check_sums(&all);
    ck_assert_str_ne(all.samples[0].reasoning, all.samples[1].reasoning);
    q.samples = 1;
    for (int i = 0; i < N; i++) {
        q.stream = 3 + (uint64_t)i;
        one = run(r, &q, NULL, NULL);
        check_same(&all.samples[i], one.samples);
        ask_answer_fini(&one);
    }
    ask_answer_fini(&all);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

START_TEST(samples_share_the_prompt_and_it_is_counted_once)
{
    reasoner *r = open_family("qwen3");
    chat c = question("A question that is long enough to fill several pages of tokens.");
    ask_request q = ask_defaults(r, &c);
    ask_answer a;

    q.budget = 0;
    q.max_tokens = 5;
    q.samples = 4;
    a = run(r, &q, NULL, NULL);
    ck_assert_int_eq(a.usage.cached, 0);
    for (int i = 1; i < 4; i++)
        ck_assert_int_ge(a.samples[i].usage.cached, a.usage.prompt - 16);
    check_sums(&a);
    ask_answer_fini(&a);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

/* -------------------------------------------------------------------- votes */

START_TEST(the_majority_of_the_final_answers_is_chosen)
{
    static const parrot_word words[] = {
        { "Hm.", 0 }, { "</think>", 5 },
        { "So", 0 }, { " the answer is 4.", 0 }, { "<|im_end|>", 0 },
        { "Clearly 5", 0 }, { " it is.", 4 },
    };
    reasoner *r = open_parrot(NULL, words, 7);
    chat c = question("Hi");
    ask_request q = ask_defaults(r, &c);
    int n4 = 0, n5 = 0;
    ask_answer a;

    q.samples = 31;
    a = run(r, &q, NULL, NULL);
    for (int i = 0; i < a.n_sample; i++) {
        n4 += !strcmp(a.samples[i].final, "4");
        n5 += !strcmp(a.samples[i].final, "5");
    }
    ck_assert_int_eq(n4 + n5, 31);
    ck_assert_int_gt(n4, 0);
    ck_assert_int_gt(n5, 0);
    ck_assert_int_eq(a.n_vote, 2);
    ck_assert_int_eq(a.votes[0].count, n4 > n5 ? n4 : n5);
    ck_assert_int_eq(a.votes[0].count + a.votes[1].count, 31);
    ck_assert_str_eq(a.votes[0].final, n4 > n5 ? "4" : "5");
    ck_assert_str_eq(a.samples[a.chosen].final, a.votes[0].final);
    ask_answer_fini(&a);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ask");
    TCase *t = tcase_create("ask");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 300);
    tcase_add_test(t, efforts_have_names_and_rising_budgets);
    tcase_add_test(t, endless_thinking_ends_at_the_budget_and_an_answer_follows);
    tcase_add_test(t, every_effort_has_its_effect_on_every_family);
    tcase_add_test(t, an_explicit_budget_wins_over_the_effort);
    tcase_add_test(t, a_quarter_of_the_tokens_is_kept_for_the_answer);
    tcase_add_test(t, a_minimum_of_thinking_is_kept);
    tcase_add_test(t, the_same_seed_gives_the_same_bytes);
    tcase_add_test(t, samples_are_what_separate_runs_of_their_streams_are);
    tcase_add_test(t, samples_share_the_prompt_and_it_is_counted_once);
    tcase_add_test(t, the_majority_of_the_final_answers_is_chosen);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
