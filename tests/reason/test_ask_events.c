/* test_ask_events.c - what a request tells while it runs, tool calls, ends
 * from outside, and requests that are refused. */
#include "support/asker.h"

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
    Suite *s = suite_create("ask events");
    TCase *t = tcase_create("ask events");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 300);
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
