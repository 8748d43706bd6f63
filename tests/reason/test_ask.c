/* test_ask.c - requests through loaded models: random ones of every family,
 * and parrots that follow a script. */
#include "reason/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "support/parrot.h"

#include <check.h>       /* last: it has a macro named fail */

#define FIXTURES "tests/fixtures/model/"

static const char *const families[] = { "llama", "llama3", "qwen2", "qwen3", "qwen3moe", "smollm3" };
#define N_FAMILY ((int)(sizeof families / sizeof *families))

/* ------------------------------------------------------------------- rigging */

/* The random models were made for short contexts; their numbers do not mind a
 * longer one. */
static reasoner *open_at(const char *path, int n_thread)
{
    reasoner_options o = reasoner_defaults();
    reasoner *r;
    const char *warning;
    errtext err;

    o.n_thread = n_thread;
    o.engine.n_ctx = 2048;
    o.engine.kv_bytes = 64 << 20;
    ck_assert_msg(reasoner_open(&r, path, &o, &warning, &err) == OK, "%s", err.text);
    return r;
}

static reasoner *open_family(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, FIXTURES "%s", name);
    return open_at(path, 2);
}

static reasoner *open_parrot(const char *chat_template, const parrot_word *words, int n)
{
    char path[64];
    reasoner *r;

    snprintf(path, sizeof path, "/tmp/parrot-%ld.gguf", (long)getpid());
    parrot_write(path, chat_template, 4096, words, n);
    r = open_at(path, 1);
    unlink(path);
    return r;
}

static chat question(const char *text)
{
    chat c = { 0 };

    chat_message_text(chat_add(&c, CHAT_USER), text, strlen(text));
    return c;
}

/* Keep a random model from closing its thoughts and ending its turn. */
static void never_end(const reasoner *r, ask_request *q, token_bias bias[16])
{
    const tokenizer *t = reasoner_tokenizer(r);

    for (int32_t id = 0; id < tokenizer_size(t); id++) {
        token_text text = tokenizer_text(t, id);
        bool closer = text.len == 8 && !memcmp(text.data, "</think>", 8);

        if (!closer && !tokenizer_is_end(t, id)) continue;
        ck_assert_int_lt(q->sampler.n_bias, 16);
        bias[q->sampler.n_bias++] = (token_bias){ id, -100 };
    }
    q->sampler.bias = bias;
    q->sampler.temperature = 1;
    q->sampler.top_p = 1;
}

static ask_answer run(reasoner *r, const ask_request *q, ask_fn *fn, void *arg)
{
    ask_answer a;
    errtext err;

    ck_assert_msg(ask_run(r, q, fn, arg, &a, &err) == OK, "%s", err.text);
    return a;
}

static void check_sums(const ask_answer *a)
{
    int reasoning = 0, answer = 0, completion = 0;

    for (int i = 0; i < a->n_sample; i++) {
        const ask_sample *s = &a->samples[i];

        ck_assert_int_eq(s->usage.completion, s->report.n_total);
        ck_assert_int_eq(s->usage.reasoning + s->usage.answer, s->usage.completion);
        ck_assert_int_eq(s->usage.prompt, a->usage.prompt);
        ck_assert_int_le(s->usage.cached, s->usage.prompt);
        ck_assert_int_eq(s->text[s->text_len], 0);
        reasoning += s->usage.reasoning;
        answer += s->usage.answer;
        completion += s->usage.completion;
    }
    ck_assert_int_eq(a->usage.reasoning, reasoning);
    ck_assert_int_eq(a->usage.answer, answer);
    ck_assert_int_eq(a->usage.completion, completion);
}

static void check_same(const ask_sample *a, const ask_sample *b)
{
    ck_assert_uint_eq(a->reasoning_len, b->reasoning_len);
    ck_assert_int_eq(memcmp(a->reasoning, b->reasoning, a->reasoning_len), 0);
    ck_assert_uint_eq(a->text_len, b->text_len);
    ck_assert_int_eq(memcmp(a->text, b->text, a->text_len), 0);
    ck_assert_int_eq(a->finish, b->finish);
    ck_assert_int_eq(a->usage.completion, b->usage.completion);
}

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

/* ------------------------------------------------------------------- events */

typedef struct heard {
    bytes reasoning, text;
    int n_token, n_call, n_end;
    int stop_after;              /* tokens; 0: never */
} heard;

static bool hear(void *arg, const ask_event *e)
{
    heard *h = arg;

    ck_assert_int_ge(e->n_token, h->n_token);
    h->n_token = e->n_token;
    if (e->kind == ASK_REASONING) bytes_add(&h->reasoning, e->text, e->len);
    if (e->kind == ASK_ANSWER) bytes_add(&h->text, e->text, e->len);
    if (e->kind == ASK_CALL) h->n_call++;
    if (e->kind == ASK_END) h->n_end++;
    return !h->stop_after || e->n_token < h->stop_after;
}

static void heard_fini(heard *h)
{
    bytes_fini(&h->reasoning);
    bytes_fini(&h->text);
}

START_TEST(events_say_what_the_answer_keeps)
{
    for (int f = 0; f < N_FAMILY; f++) {
        reasoner *r = open_family(families[f]);
        chat c = question("Hi");
        ask_request q = ask_defaults(r, &c);
        heard h = { 0 };
        ask_answer a;

        q.sampler.temperature = 1;
        q.budget = 100;
        q.max_tokens = 250;
        a = run(r, &q, hear, &h);
        ck_assert_uint_eq(h.reasoning.len, a.samples->reasoning_len);
        ck_assert_int_eq(memcmp(h.reasoning.data, a.samples->reasoning, h.reasoning.len), 0);
        ck_assert_uint_eq(h.text.len, a.samples->text_len);
        if (h.text.len) ck_assert_int_eq(memcmp(h.text.data, a.samples->text, h.text.len), 0);
        ck_assert_int_eq(h.n_token, a.usage.completion);
        ck_assert_int_eq(h.n_end, 1);
        heard_fini(&h);
        ask_answer_fini(&a);
        chat_fini(&c);
        reasoner_close(r);
    }
}
END_TEST

START_TEST(a_callback_can_stop_it)
{
    reasoner *r = open_family("qwen3");
    chat c = question("Hi");
    ask_request q = ask_defaults(r, &c);
    heard h = { .stop_after = 20 };
    token_bias bias[16];
    ask_answer a;

    never_end(r, &q, bias);
    a = run(r, &q, hear, &h);
    ck_assert_int_eq(a.samples->finish, FINISH_CANCELLED);
    ck_assert_int_eq(a.usage.completion, 20);
    ck_assert_int_gt(a.samples->reasoning_len, 0);
    ck_assert_int_eq(h.n_end, 1);
    heard_fini(&h);
    ask_answer_fini(&a);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

START_TEST(a_flag_can_stop_it_and_the_reasoner_goes_on)
{
    reasoner *r = open_family("qwen3");
    chat c = question("Hi");
    ask_request q = ask_defaults(r, &c);
    volatile sig_atomic_t flag = 1;
    ask_answer a;

    q.cancel = &flag;
    q.samples = 3;
    a = run(r, &q, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(a.samples[i].finish, FINISH_CANCELLED);
        ck_assert_int_le(a.samples[i].usage.completion, 2);
    }
    ask_answer_fini(&a);
    flag = 0;
    q.max_tokens = 30;
    a = run(r, &q, NULL, NULL);
    ck_assert_int_ne(a.samples[0].finish, FINISH_CANCELLED);
    ask_answer_fini(&a);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

START_TEST(jobs_run_side_by_side_as_they_do_alone)
{
    reasoner *r = open_family("llama");
    chat c[2] = { question("one"), question("two, a little longer") };
    ask_answer alone[2], beside[2];
    ask_job *job[2];
    ask_request q[2];
    errtext err;
    bool done;

    for (int i = 0; i < 2; i++) {
        q[i] = ask_defaults(r, &c[i]);
        q[i].sampler.temperature = 1;
        q[i].budget = 30;
        q[i].max_tokens = 80 + 30 * i;
        alone[i] = run(r, &q[i], NULL, NULL);
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(ask_start(&job[i], r, &q[i], NULL, NULL, &err), OK);
    do {
        engine_step(reasoner_engine(r));
        done = ask_poll(job[0]);
        done &= ask_poll(job[1]);
    } while (!done);
    for (int i = 0; i < 2; i++) {
        ask_take(job[i], &beside[i]);
        ask_free(job[i]);
        check_same(alone[i].samples, beside[i].samples);
        ask_answer_fini(&alone[i]);
        ask_answer_fini(&beside[i]);
        chat_fini(&c[i]);
    }
    reasoner_close(r);
}
END_TEST

/* -------------------------------------------------------------------- calls */

static const char adder[] =
    "{\"type\": \"function\", \"function\": {\"name\": \"add\", \"parameters\": {}}}";
static const char llama31[] = "<|start_header_id|> Cutting Knowledge Date";

static ask_answer ask_parrot(const char *chat_template, const parrot_word *words, int n,
                             bool tools, heard *h)
{
    reasoner *r = open_parrot(chat_template, words, n);
    chat c = question("Hi");
    ask_request q = ask_defaults(r, &c);
    ask_answer a;

    if (tools) chat_add_tool(&c, adder);
    q.effort = EFFORT_NONE;
    q.max_tokens = 50;
    a = run(r, &q, hear, h);
    chat_fini(&c);
    reasoner_close(r);
    return a;
}

START_TEST(a_tool_call_is_parsed)
{
    static const parrot_word words[] = {
        { "Let me add.", 0 }, { "\n<tool_", 0 }, { "call>\n{\"name\": \"add\", ", 0 },
        { "\"arguments\": {\"a\": 1, \"b\": 2}}\n</tool_call>", 0 }, { "<|im_end|>", 0 },
    };
    heard h = { 0 };
    ask_answer a = ask_parrot(NULL, words, 5, true, &h);
    const ask_sample *s = a.samples;

    ck_assert_int_eq(s->finish, FINISH_TOOL_CALLS);
    ck_assert_int_eq(s->n_call, 1);
    ck_assert_int_eq(h.n_call, 1);
    ck_assert_str_eq(s->calls[0].name, "add");
    ck_assert_str_eq(s->calls[0].arguments, "{\"a\": 1, \"b\": 2}");
    ck_assert_ptr_null(strstr(s->text, "tool_call"));
    ck_assert_int_eq(strncmp(s->text, "Let me add.", 11), 0);
    check_sums(&a);
    heard_fini(&h);
    ask_answer_fini(&a);

    /* Without tools on offer the same text is text. */
    h = (heard){ 0 };
    a = ask_parrot(NULL, words, 5, false, &h);
    ck_assert_int_eq(a.samples->finish, FINISH_STOP);
    ck_assert_int_eq(a.samples->n_call, 0);
    ck_assert_ptr_nonnull(strstr(a.samples->text, "<tool_call>\n{"));
    heard_fini(&h);
    ask_answer_fini(&a);
}
END_TEST

START_TEST(a_span_that_is_no_call_is_shown_as_written)
{
    static const parrot_word broken[] = {
        { "<tool_call>", 0 }, { "{\"name\": oops", 0 }, { "</tool_call>", 0 }, { "<|im_end|>", 0 },
    }, cut[] = {
        { "<tool_call>", 0 }, { "{\"name\": \"add\", \"arguments\": {", 0 }, { " ", 0 }, { "  ", 2 },
    };
    heard h = { 0 };
    ask_answer a = ask_parrot(NULL, broken, 4, true, &h);

    ck_assert_int_eq(a.samples->n_call, 0);
    ck_assert_int_eq(a.samples->finish, FINISH_STOP);
    ck_assert_str_eq(a.samples->text, "<tool_call>{\"name\": oops</tool_call>");
    ck_assert_uint_eq(h.text.len, a.samples->text_len);
    heard_fini(&h);
    ask_answer_fini(&a);

    h = (heard){ 0 };
    a = ask_parrot(NULL, cut, 4, true, &h);
    ck_assert_int_eq(a.samples->n_call, 0);
    ck_assert_int_eq(a.samples->finish, FINISH_LENGTH);
    ck_assert_int_eq(strncmp(a.samples->text, "<tool_call>{\"name\": \"add\"", 25), 0);
    heard_fini(&h);
    ask_answer_fini(&a);
}
END_TEST

START_TEST(a_bare_object_is_a_call_where_the_family_writes_them_so)
{
    static const parrot_word call[] = {
        { "{\"name\": \"add\", ", 0 }, { "\"parameters\": {\"a\": 1}}", 0 }, { "<|eot_id|>", 0 },
    }, text[] = {
        { "{\"nom\": ", 0 }, { "1}", 0 }, { "<|eot_id|>", 0 },
    };
    heard h = { 0 };
    ask_answer a = ask_parrot(llama31, call, 3, true, &h);

    ck_assert_int_eq(a.samples->n_call, 1);
    ck_assert_int_eq(a.samples->finish, FINISH_TOOL_CALLS);
    ck_assert_str_eq(a.samples->calls[0].arguments, "{\"a\": 1}");
    ck_assert_uint_eq(a.samples->text_len, 0);
    ck_assert_uint_eq(h.text.len, 0);
    heard_fini(&h);
    ask_answer_fini(&a);

    h = (heard){ 0 };
    a = ask_parrot(llama31, text, 3, true, &h);
    ck_assert_int_eq(a.samples->n_call, 0);
    ck_assert_int_eq(a.samples->finish, FINISH_STOP);
    ck_assert_str_eq(a.samples->text, "{\"nom\": 1}");
    ck_assert_uint_eq(h.text.len, a.samples->text_len);
    heard_fini(&h);
    ask_answer_fini(&a);
}
END_TEST

/* ------------------------------------------------------------------- refusals */

static status refused(reasoner *r, const ask_request *q, const char *word)
{
    ask_answer a;
    errtext err = { "" };
    status st = ask_run(r, q, NULL, NULL, &a, &err);

    ck_assert_int_ne(st, OK);
    ck_assert_msg(strstr(err.text, word) != NULL, "\"%s\" does not name %s", err.text, word);
    ck_assert_int_eq(a.n_sample, 0);
    return st;
}

START_TEST(values_out_of_range_are_refused_by_name)
{
    reasoner *r = open_family("qwen3");
    chat c = question("Hi"), none = { 0 };
    const ask_request good = ask_defaults(r, &c);
    static const char *const empty_stop[] = { "" };
    ask_request q;

#define REFUSED(field, value) \
    q = good; \
    q.field = value; \
    ck_assert_int_eq(refused(r, &q, #field), E_ARG);
    REFUSED(budget, -2)
    REFUSED(budget, ASK_MAX_TOKENS + 1)
    REFUSED(min_think, -1)
    REFUSED(max_wait, -1)
    REFUSED(max_wait, ASK_MAX_WAIT + 1)
    REFUSED(max_tokens, -1)
    REFUSED(samples, 0)
    REFUSED(samples, ASK_MAX_SAMPLES + 1)
#undef REFUSED
    q = good;
    q.budget = 10;
    q.min_think = 11;
    ck_assert_int_eq(refused(r, &q, "min_think"), E_ARG);
    q = good;
    q.sampler.temperature = -1;
    ck_assert_int_eq(refused(r, &q, "temperature"), E_ARG);
    q = good;
    q.stop = empty_stop;
    q.n_stop = 1;
    ck_assert_int_eq(refused(r, &q, "stop"), E_ARG);
    q = good;
    q.chat = &none;
    ck_assert_int_eq(refused(r, &q, "messages"), E_ARG);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

START_TEST(a_prompt_longer_than_the_context_is_refused_with_both_numbers)
{
    reasoner *r = open_family("qwen3");
    bytes text = { 0 };
    chat c;
    ask_request q;

    for (int i = 0; i < 3000; i++) bytes_add_string(&text, "word ");
    c = question(text.data);
    q = ask_defaults(r, &c);
    ck_assert_int_eq(refused(r, &q, "2048"), E_LIMIT);
    chat_fini(&c);
    bytes_fini(&text);
    reasoner_close(r);
}
END_TEST

START_TEST(a_model_that_cannot_be_loaded_says_why)
{
    reasoner_options o = reasoner_defaults();
    const char *warning;
    reasoner *r;
    errtext err;

    ck_assert_int_ne(reasoner_open(&r, "/nonexistent", &o, &warning, &err), OK);
    ck_assert_ptr_null(r);
    ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent"));
    o.n_thread = -1;
    ck_assert_int_eq(reasoner_open(&r, FIXTURES "qwen3", &o, &warning, &err), E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "threads"));
    o.n_thread = 1;
    o.engine.kv_bytes = 1;
    ck_assert_int_eq(reasoner_open(&r, FIXTURES "qwen3", &o, &warning, &err), E_LIMIT);
}
END_TEST

START_TEST(stop_strings_end_the_answer)
{
    static const parrot_word words[] = { { "one", 0 }, { " two", 0 }, { " three", 0 },
                                         { "<|im_end|>", 0 } };
    static const char *const stop[] = { "o t" };
    reasoner *r = open_parrot(NULL, words, 4);
    chat c = question("Hi");
    ask_request q = ask_defaults(r, &c);
    ask_answer a;

    q.effort = EFFORT_NONE;
    q.stop = stop;
    q.n_stop = 1;
    a = run(r, &q, NULL, NULL);
    ck_assert_str_eq(a.samples->text, "one tw");
    ck_assert_int_eq(a.samples->finish, FINISH_STOP);
    ask_answer_fini(&a);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

/* The prompt of the second turn begins as the first turn's did. */
START_TEST(a_conversation_reuses_its_past)
{
    static const parrot_word words[] = { { "fine", 0 }, { "<|im_end|>", 0 } };
    reasoner *r = open_parrot(NULL, words, 2);
    chat c = question("How are you today, and how were you yesterday?");
    ask_request q = ask_defaults(r, &c);
    ask_answer a;

    q.effort = EFFORT_NONE;
    a = run(r, &q, NULL, NULL);
    chat_message_text(chat_add(&c, CHAT_ASSISTANT), a.samples->text, a.samples->text_len);
    chat_message_text(chat_add(&c, CHAT_USER), "And tomorrow?", 13);
    ask_answer_fini(&a);
    a = run(r, &q, NULL, NULL);
    ck_assert_int_ge(a.usage.cached, 48);
    ck_assert_str_eq(a.samples->text, "fine");
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
    tcase_add_test(t, events_say_what_the_answer_keeps);
    tcase_add_test(t, a_callback_can_stop_it);
    tcase_add_test(t, a_flag_can_stop_it_and_the_reasoner_goes_on);
    tcase_add_test(t, jobs_run_side_by_side_as_they_do_alone);
    tcase_add_test(t, a_tool_call_is_parsed);
    tcase_add_test(t, a_span_that_is_no_call_is_shown_as_written);
    tcase_add_test(t, a_bare_object_is_a_call_where_the_family_writes_them_so);
    tcase_add_test(t, values_out_of_range_are_refused_by_name);
    tcase_add_test(t, a_prompt_longer_than_the_context_is_refused_with_both_numbers);
    tcase_add_test(t, a_model_that_cannot_be_loaded_says_why);
    tcase_add_test(t, stop_strings_end_the_answer);
    tcase_add_test(t, a_conversation_reuses_its_past);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
