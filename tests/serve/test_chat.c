/* test_chat.c - POST /v1/chat/completions, field by field, over a socket. */
#include "serve/api_server.h"

static void setup(void)
{
    begin_server();
    add_parrot("dreamer", dreamer, COUNT(dreamer));
    add_parrot("caller", caller, COUNT(caller));
    OKAY(models_alias(the_api.models, "o1", "parrot", PROFILE_STRICT, &err));
    OKAY(models_alias(the_api.models, "o1-mini", "parrot", PROFILE_STRICT, &err));
    OKAY(models_alias(the_api.models, "o3-mini", "parrot", PROFILE_STRICT, &err));
    models_alias_known(the_api.models, PROFILE_PERMISSIVE);
    start_server((server_options){ 0 });
}

#define ADD "{\"type\":\"function\",\"function\":{\"name\":\"add\",\"description\":\"Adds.\"," \
            "\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":" \
            "\"integer\"},\"b\":{\"type\":\"integer\"}},\"required\":[\"a\",\"b\"]," \
            "\"additionalProperties\":false}}}"
#define SUB "{\"type\":\"function\",\"function\":{\"name\":\"sub\"}}"

/* ------------------------------------------------------------------- replies */

START_TEST(a_completion_has_every_field_and_hides_the_thought)
{
    answer a = chat_with("parrot", "");

    ck_assert_int_eq(a.code, 200);
    ck_assert_int_eq(strncmp(json_string_value(at_path(a.json, "id")), "chatcmpl-", 9), 0);
    is_text(a.json, "object", "chat.completion");
    ck_assert_int_gt(int_of(a.json, "created"), 1700000000);
    is_text(a.json, "model", "parrot");
    is_text(a.json, "service_tier", "default");
    ck_assert_int_eq(strncmp(json_string_value(at_path(a.json, "system_fingerprint")), "fp_", 3), 0);
    is_int(a.json, "choices.0.index", 0);
    is_text(a.json, "choices.0.message.role", "assistant");
    is_text(a.json, "choices.0.message.content", "The answer is 7.");
    is_null(a.json, "choices.0.message.refusal");
    is_null(a.json, "choices.0.logprobs");
    is_text(a.json, "choices.0.finish_reason", "stop");
    is_absent(a.json, "choices.0.message.reasoning_content");
    is_absent(a.json, "choices.0.message.reasoning");
    ck_assert_ptr_null(strstr(a.body.data, "Let me see"));
    ck_assert_ptr_nonnull(strcasestr(a.head.data, "x-request-id: req_"));
    answer_fini(&a);
}
END_TEST

START_TEST(usage_counts_every_token)
{
    answer a = chat_with("parrot", "");
    int prompt = int_of(a.json, "usage.prompt_tokens");

    /* "Let me see." and "</think>"; two words of the answer and the end of turn. The
     * prompt's tokens are bytes. */
    is_int(a.json, "usage.completion_tokens", 5);
    is_int(a.json, "usage.completion_tokens_details.reasoning_tokens", 2);
    is_int(a.json, "usage.total_tokens", prompt + 5);
    is_int(a.json, "usage.prompt_tokens_details.cached_tokens", 0);
    is_int(a.json, "usage.completion_tokens_details.accepted_prediction_tokens", 0);
    is_int(a.json, "usage.completion_tokens_details.rejected_prediction_tokens", 0);
    is_int(a.json, "usage.completion_tokens_details.audio_tokens", 0);
    ck_assert_int_gt(prompt, 9);
    answer_fini(&a);

    a = chat_with("parrot", "");     /* whole pages of 16 tokens are shared */
    is_int(a.json, "usage.prompt_tokens", prompt);
    is_int(a.json, "usage.prompt_tokens_details.cached_tokens", (prompt - 1) / 16 * 16);
    answer_fini(&a);
}
END_TEST

START_TEST(a_budget_used_up_by_thinking_gives_an_empty_answer_and_its_count)
{
    answer a = chat_with("dreamer", ",\"max_completion_tokens\":3");

    ck_assert_int_eq(a.code, 200);
    is_text(a.json, "choices.0.finish_reason", "length");
    is_text(a.json, "choices.0.message.content", "");
    is_int(a.json, "usage.completion_tokens", 3);
    is_int(a.json, "usage.completion_tokens_details.reasoning_tokens", 3);
    answer_fini(&a);
    a = chat_with("dreamer", ",\"max_tokens\":40,\"reasoning_effort\":\"none\"");
    is_text(a.json, "choices.0.finish_reason", "length");
    is_int(a.json, "usage.completion_tokens", 40);
    is_int(a.json, "usage.completion_tokens_details.reasoning_tokens", 0);
    answer_fini(&a);
}
END_TEST

START_TEST(reasoning_is_shown_where_the_operator_allows_it)
{
    answer a;
    events ev;
    char *text;

    a = chat_with("parrot", ",\"include_reasoning\":true");
    is_error(&a, 403, "invalid_request_error", "reasoning_hidden", "include_reasoning", "does not");
    answer_fini(&a);
    the_api.show_reasoning = true;
    a = chat_with("parrot", "");
    is_text(a.json, "choices.0.message.reasoning_content", "Let me see.");
    is_text(a.json, "choices.0.message.reasoning", "Let me see.");
    is_text(a.json, "choices.0.message.content", "The answer is 7.");
    answer_fini(&a);
    a = chat_with("parrot", ",\"include_reasoning\":false");
    is_absent(a.json, "choices.0.message.reasoning");
    answer_fini(&a);
    a = chat_with("parrot", ",\"stream\":true");
    ev = read_events(&a);
    text = joined(&ev, "choices.0.delta.reasoning_content");
    ck_assert_str_eq(text, "Let me see.");
    mem_free(text);
    json_decref(ev.list);
    answer_fini(&a);
}
END_TEST

START_TEST(each_choice_has_its_index)
{
    answer a = chat_with("parrot", ",\"n\":3");

    ck_assert_uint_eq(json_array_size(at_path(a.json, "choices")), 3);
    for (int i = 0; i < 3; i++) {
        char path[64];

        snprintf(path, sizeof path, "choices.%d.index", i);
        is_int(a.json, path, i);
        snprintf(path, sizeof path, "choices.%d.message.content", i);
        is_text(a.json, path, "The answer is 7.");
    }
    is_int(a.json, "usage.completion_tokens", 15);
    answer_fini(&a);
}
END_TEST

START_TEST(samples_are_put_to_a_vote_and_all_counted)
{
    answer a = chat_with("parrot", ",\"samples\":4");

    ck_assert_uint_eq(json_array_size(at_path(a.json, "choices")), 1);
    is_text(a.json, "choices.0.message.content", "The answer is 7.");
    is_text(a.json, "votes.0.final", "7");
    is_int(a.json, "votes.0.count", 4);
    is_int(a.json, "usage.completion_tokens", 20);
    answer_fini(&a);
}
END_TEST

START_TEST(stop_texts_end_the_answer_and_are_not_returned)
{
    answer a = chat_with("parrot", ",\"stop\":[\"zebra\",\" is\"]");

    is_text(a.json, "choices.0.message.content", "The answer");
    is_text(a.json, "choices.0.finish_reason", "stop");
    answer_fini(&a);
    a = chat_with("parrot", ",\"stop\":\"7\"");
    is_text(a.json, "choices.0.message.content", "The answer is ");
    answer_fini(&a);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_text)
{
    char text[2][400];

    for (int i = 0; i < 4; i++) {
        char more[120];
        answer a;

        snprintf(more, sizeof more, ",\"max_tokens\":60,\"reasoning_effort\":\"none\","
                 "\"temperature\":1,\"seed\":%d", i / 2);
        a = chat_with("dreamer", more);
        snprintf(text[i & 1], sizeof text[0], "%s",
                 json_string_value(at_path(a.json, "choices.0.message.content")));
        if (i & 1) ck_assert_str_eq(text[0], text[1]);
        answer_fini(&a);
    }
}
END_TEST

START_TEST(log_probs_are_those_of_the_visible_tokens)
{
    answer a = chat_with("parrot", ",\"logprobs\":true,\"top_logprobs\":2");

    ck_assert_msg(json_array_size(at_path(a.json, "choices.0.logprobs.content")) == 2, "%s",
                  a.body.data);
    is_text(a.json, "choices.0.logprobs.content.0.token", "The answer");
    is_text(a.json, "choices.0.logprobs.content.1.token", " is 7.");
    is_int(a.json, "choices.0.logprobs.content.0.bytes.0", 'T');
    ck_assert_uint_eq(json_array_size(at_path(a.json, "choices.0.logprobs.content.0.bytes")), 10);
    ck_assert(json_real_value(at_path(a.json, "choices.0.logprobs.content.0.logprob")) > -0.01);
    is_text(a.json, "choices.0.logprobs.content.0.top_logprobs.0.token", "The answer");
    ck_assert_uint_eq(json_array_size(at_path(a.json,
                      "choices.0.logprobs.content.0.top_logprobs")), 2);
    is_null(a.json, "choices.0.logprobs.refusal");
    answer_fini(&a);
}
END_TEST

START_TEST(logit_bias_changes_what_is_said)
{
    /* The dreamer's words come after 256 bytes and 5 control tokens; any of them may
     * follow "hm ". */
    for (int i = 0; i < 2; i++) {
        answer a = chat_with("dreamer", i ? ",\"logit_bias\":{\"263\":-100},\"max_tokens\":40,"
                                            "\"temperature\":2,\"reasoning_effort\":\"none\""
                                          : ",\"logit_bias\":{\"263\":100},\"max_tokens\":40,"
                                            "\"temperature\":2,\"reasoning_effort\":\"none\"");
        const char *text = json_string_value(at_path(a.json, "choices.0.message.content"));

        ck_assert_msg(text != NULL, "%s", a.body.data);
        ck_assert_msg((strstr(text, "well ") == NULL) == i, "%s", text);
        answer_fini(&a);
    }
}
END_TEST

/* -------------------------------------------------------------------- streams */

START_TEST(a_stream_has_a_first_role_deltas_a_finish_and_done)
{
    answer a = chat_with("parrot", ",\"stream\":true");
    events ev = read_events(&a);
    char *text = joined(&ev, "choices.0.delta.content");
    const char *id = json_string_value(at_path(event_at(&ev, 0), "id"));

    ck_assert_ptr_nonnull(strcasestr(a.head.data, "content-type: text/event-stream"));
    ck_assert_str_eq(text, "The answer is 7.");
    ck_assert(ev.done);
    is_text(event_at(&ev, 0), "choices.0.delta.role", "assistant");
    is_text(event_at(&ev, 0), "choices.0.delta.content", "");
    for (int i = 0; i < ev.n; i++) {
        json_t *o = event_at(&ev, i);

        is_text(o, "object", "chat.completion.chunk");
        is_text(o, "id", id);
        is_text(o, "model", "parrot");
        is_absent(o, "usage");
        if (i < ev.n - 1) is_null(o, "choices.0.finish_reason");
        ck_assert_ptr_null(strstr(a.body.data, "Let me see"));
    }
    is_text(event_at(&ev, ev.n - 1), "choices.0.finish_reason", "stop");
    ck_assert_uint_eq(json_object_size(at_path(event_at(&ev, ev.n - 1), "choices.0.delta")), 0);
    mem_free(text);
    json_decref(ev.list);
    answer_fini(&a);
}
END_TEST

START_TEST(include_usage_adds_one_chunk_without_choices)
{
    answer a = chat_with("parrot", ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    events ev = read_events(&a);

    for (int i = 0; i < ev.n - 1; i++) is_null(event_at(&ev, i), "usage");
    ck_assert_uint_eq(json_array_size(at_path(event_at(&ev, ev.n - 1), "choices")), 0);
    is_int(event_at(&ev, ev.n - 1), "usage.completion_tokens", 5);
    is_int(event_at(&ev, ev.n - 1), "usage.completion_tokens_details.reasoning_tokens", 2);
    json_decref(ev.list);
    answer_fini(&a);
}
END_TEST

START_TEST(a_stream_of_choices_and_log_probs_adds_up)
{
    answer a = chat_with("parrot", ",\"stream\":true,\"n\":2,\"logprobs\":true");
    events ev = read_events(&a);
    int n_token[2] = { 0 }, n_finish = 0;

    for (int i = 0; i < ev.n; i++) {
        json_t *o = event_at(&ev, i);

        n_token[int_of(o, "choices.0.index")] +=
            (int)json_array_size(at_path(o, "choices.0.logprobs.content"));
        n_finish += json_is_string(at_path(o, "choices.0.finish_reason"));
    }
    ck_assert_int_eq(n_token[0], 2);
    ck_assert_int_eq(n_token[1], 2);
    ck_assert_int_eq(n_finish, 2);
    json_decref(ev.list);
    answer_fini(&a);
}
END_TEST

START_TEST(comments_keep_a_silent_stream_alive)
{
    events ev;
    answer a;

    stop_server();
    begin_server();
    add_parrot("dreamer", dreamer, COUNT(dreamer));
    start_server((server_options){ .keep_alive_s = 0.001 });
    a = chat_with("dreamer", ",\"stream\":true,\"max_completion_tokens\":600");
    ev = read_events(&a);
    ck_assert_int_gt(ev.n_comment, 0);
    ck_assert(ev.done);
    json_decref(ev.list);
    answer_fini(&a);
}
END_TEST

START_TEST(a_client_that_goes_away_frees_its_place)
{
    const served_name *n = models_find(the_api.models, "dreamer");
    char block[64];
    int fd = dial();

    send_request(fd, "POST", "/v1/chat/completions", "",
                 "{\"model\":\"dreamer\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
                 "\"stream\":true,\"reasoning_effort\":\"none\",\"n\":8}");
    ck_assert_int_gt(recv(fd, block, sizeof block, 0), 0);
    while (!engine_thread_running(n->model->thread)) usleep(1000);
    close(fd);
    while (engine_thread_running(n->model->thread)) usleep(1000);
}
END_TEST

/* --------------------------------------------------------------------- tools */

START_TEST(a_call_is_parsed_and_its_turn_ends_so)
{
    answer a = chat_with("caller", ",\"tools\":[" ADD "," SUB "]");
    json_t *arguments;

    ck_assert_int_eq(a.code, 200);
    is_null(a.json, "choices.0.message.content");
    is_text(a.json, "choices.0.finish_reason", "tool_calls");
    is_text(a.json, "choices.0.message.tool_calls.0.type", "function");
    is_text(a.json, "choices.0.message.tool_calls.0.function.name", "add");
    is_text(a.json, "choices.0.message.tool_calls.0.function.arguments", "{\"a\": 1, \"b\": 2}");
    ck_assert_int_eq(strncmp(json_string_value(at_path(a.json,
                     "choices.0.message.tool_calls.0.id")), "call_", 5), 0);
    arguments = json_loads(json_string_value(at_path(a.json,
                           "choices.0.message.tool_calls.0.function.arguments")), 0, NULL);
    is_int(arguments, "b", 2);
    json_decref(arguments);
    answer_fini(&a);
}
END_TEST

START_TEST(a_streamed_call_has_its_name_once_and_then_its_arguments)
{
    answer a = chat_with("caller", ",\"stream\":true,\"tools\":[" ADD "]");
    events ev = read_events(&a);
    char *name = joined(&ev, "choices.0.delta.tool_calls.0.function.name");
    char *text = joined(&ev, "choices.0.delta.tool_calls.0.function.arguments");

    ck_assert_str_eq(name, "add");
    ck_assert_str_eq(text, "{\"a\": 1, \"b\": 2}");
    is_int(event_at(&ev, 1), "choices.0.delta.tool_calls.0.index", 0);
    is_text(event_at(&ev, ev.n - 1), "choices.0.finish_reason", "tool_calls");
    mem_free(name);
    mem_free(text);
    json_decref(ev.list);
    answer_fini(&a);
}
END_TEST

START_TEST(a_required_call_is_made_by_who_would_not)
{
    static const char *const choices[] = {
        "\"required\"", "{\"type\":\"function\",\"function\":{\"name\":\"add\"}}",
        "{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\",\"tools\":["
        "{\"type\":\"function\",\"function\":{\"name\":\"add\"}}]}}",
    };

    for (int i = 0; i < 6; i++) {
        char more[2000];
        const char *name, *text;
        json_t *arguments;
        answer a;

        snprintf(more, sizeof more, ",\"seed\":%d,\"tools\":[" ADD "%s],\"tool_choice\":%s", i,
                 i % 3 ? "," SUB : "", choices[i % 3]);
        a = chat_with("parrot", more);
        ck_assert_msg(a.code == 200, "%s", a.body.data);
        is_text(a.json, "choices.0.finish_reason", "tool_calls");
        name = json_string_value(at_path(a.json, "choices.0.message.tool_calls.0.function.name"));
        ck_assert_str_eq(name, "add");
        text = json_string_value(at_path(a.json,
                                 "choices.0.message.tool_calls.0.function.arguments"));
        arguments = json_loads(text, 0, NULL);
        ck_assert(json_is_integer(json_object_get(arguments, "a")));
        ck_assert(json_is_integer(json_object_get(arguments, "b")));
        ck_assert_uint_eq(json_object_size(arguments), 2);
        is_null(a.json, "choices.0.message.content");
        json_decref(arguments);
        answer_fini(&a);
    }
}
END_TEST

START_TEST(no_tool_is_called_when_none_is_wanted)
{
    answer a = chat_with("caller", ",\"tools\":[" ADD "],\"tool_choice\":\"none\"");

    is_absent(a.json, "choices.0.message.tool_calls");
    is_text(a.json, "choices.0.finish_reason", "stop");
    answer_fini(&a);
}
END_TEST

START_TEST(functions_of_old_are_called_as_of_old)
{
    answer a = chat_with("caller", ",\"functions\":[{\"name\":\"add\",\"parameters\":{\"type\":"
                         "\"object\",\"properties\":{}}}]");

    is_text(a.json, "choices.0.finish_reason", "function_call");
    is_text(a.json, "choices.0.message.function_call.name", "add");
    is_absent(a.json, "choices.0.message.tool_calls");
    answer_fini(&a);
}
END_TEST

START_TEST(a_custom_tool_is_called_with_a_text_of_its_form)
{
    answer a = chat_with("parrot", ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"dial\","
                         "\"format\":{\"type\":\"grammar\",\"grammar\":{\"syntax\":\"regex\","
                         "\"definition\":\"[0-9]{3}\"}}}}],\"tool_choice\":\"required\"");
    const char *text = json_string_value(at_path(a.json,
                                         "choices.0.message.tool_calls.0.custom.input"));

    ck_assert_msg(a.code == 200 && text, "%s", a.body.data);
    is_text(a.json, "choices.0.message.tool_calls.0.type", "custom");
    ck_assert_uint_eq(strlen(text), 3);
    ck_assert_uint_eq(strspn(text, "0123456789"), 3);
    answer_fini(&a);
}
END_TEST

START_TEST(results_of_tools_are_read_with_their_calls)
{
    answer a = post("/v1/chat/completions",
        "{\"model\":\"parrot\",\"messages\":[{\"role\":\"developer\",\"content\":\"Be brief.\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"1+2?\"},{\"type\":\"file\","
        "\"file\":{\"filename\":\"a.txt\",\"file_data\":\"data:text/plain;base64,aGVsbG8=\"}}]},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":"
        "\"function\",\"function\":{\"name\":\"add\",\"arguments\":\"{}\"}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":\"3\"}],\"tools\":[" ADD "]}");

    ck_assert_msg(a.code == 200, "%s", a.body.data);
    is_text(a.json, "choices.0.message.content", "The answer is 7.");
    answer_fini(&a);
}
END_TEST

/* ------------------------------------------------------------------- formats */

START_TEST(an_answer_has_the_form_that_was_asked_for)
{
    for (int i = 0; i < 4; i++) {
        char more[600];
        const char *text;
        json_t *o;
        answer a;

        snprintf(more, sizeof more, ",\"seed\":%d,\"stream\":false,\"response_format\":{\"type\":"
                 "\"json_schema\",\"json_schema\":{\"name\":\"check\",\"strict\":true,\"schema\":{"
                 "\"type\":\"object\",\"properties\":{\"is_valid\":{\"type\":\"boolean\"},\"issue\":"
                 "{\"enum\":[\"none\",\"age\"]}},\"required\":[\"is_valid\",\"issue\"],"
                 "\"additionalProperties\":false}}}", i);
        a = chat_with("parrot", more);
        ck_assert_msg(a.code == 200, "%s", a.body.data);
        is_text(a.json, "choices.0.finish_reason", "stop");
        text = json_string_value(at_path(a.json, "choices.0.message.content"));
        o = json_loads(text, 0, NULL);
        ck_assert_msg(json_is_boolean(json_object_get(o, "is_valid")), "%s", text);
        ck_assert(json_is_string(json_object_get(o, "issue")));
        is_int(a.json, "usage.completion_tokens_details.reasoning_tokens", 2);
        json_decref(o);
        answer_fini(&a);
    }
}
END_TEST

START_TEST(a_schema_that_cannot_be_kept_is_refused_by_path)
{
    answer a = chat_with("parrot", ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
                         "{\"name\":\"x\",\"schema\":{\"type\":\"object\",\"properties\":{\"a\":{"
                         "\"frobnicate\":1,\"$dynamicRef\":\"#x\"}}}}}");

    is_error(&a, 400, "invalid_request_error", "invalid_json_schema", "response_format",
             "#/properties/a");
    answer_fini(&a);
}
END_TEST

/* ------------------------------------------------------------------ refusals */

static const struct refusal {
    const char *more;        /* after the messages */
    const char *code, *param, *part;
} refusals[] = {
    { ",\"zebra\":1", "unknown_parameter", "zebra", "Unknown parameter: 'zebra'." },
    { ",\"n\":0", "integer_below_min_value", "n", ">= 1, but got 0" },
    { ",\"n\":1000000000", "integer_above_max_value", "n", "<= 128" },
    { ",\"n\":\"2\"", "invalid_type", "n", "expected an integer, but got a string" },
    { ",\"max_tokens\":0", "integer_below_min_value", "max_tokens", "" },
    { ",\"max_tokens\":-1", "integer_below_min_value", "max_tokens", "" },
    { ",\"max_tokens\":9223372036854775807", "integer_above_max_value", "max_tokens", "" },
    { ",\"max_tokens\":1.5", "invalid_type", "max_tokens", "got a decimal" },
    { ",\"max_tokens\":5,\"max_completion_tokens\":5", "invalid_value", "max_tokens", "same time" },
    { ",\"temperature\":-1", "decimal_below_min_value", "temperature", "" },
    { ",\"temperature\":2.5", "decimal_above_max_value", "temperature", "<= 2, but got 2.5" },
    { ",\"top_p\":2", "decimal_above_max_value", "top_p", "" },
    { ",\"presence_penalty\":3", "decimal_above_max_value", "presence_penalty", "" },
    { ",\"frequency_penalty\":-3", "decimal_below_min_value", "frequency_penalty", "" },
    { ",\"logit_bias\":{\"AI\":1}", "invalid_value", "logit_bias", "AI" },
    { ",\"logit_bias\":{\"100000\":1}", "invalid_value", "logit_bias", "100000" },
    { ",\"logit_bias\":{\"5\":101}", "decimal_above_max_value", "logit_bias.5", "" },
    { ",\"top_logprobs\":2", "invalid_value", "top_logprobs", "logprobs" },
    { ",\"logprobs\":true,\"top_logprobs\":21", "integer_above_max_value", "top_logprobs", "" },
    { ",\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]", "array_above_max_length", "stop", "length 5" },
    { ",\"stop\":\"\"", "invalid_value", "stop", "" },
    { ",\"stop\":[1]", "invalid_type", "stop[0]", "" },
    { ",\"seed\":1.5", "invalid_type", "seed", "" },
    { ",\"stream\":1", "invalid_type", "stream", "boolean" },
    { ",\"stream_options\":{\"include_usage\":true}", "", "stream_options", "only allowed" },
    { ",\"reasoning_effort\":\"huge\"", "invalid_value", "reasoning_effort", "'none', 'minimal'" },
    { ",\"verbosity\":\"loud\"", "invalid_value", "verbosity", "" },
    { ",\"service_tier\":\"gold\"", "invalid_value", "service_tier", "" },
    { ",\"modalities\":[\"text\",\"audio\"]", "unsupported_value", "modalities", "" },
    { ",\"audio\":{\"voice\":\"x\"}", "unsupported_parameter", "audio", "" },
    { ",\"web_search_options\":{}", "unsupported_parameter", "web_search_options", "" },
    { ",\"store\":true", "unsupported_value", "store", "not kept here" },
    { ",\"metadata\":{\"a\":1}", "invalid_type", "metadata.a", "" },
    { ",\"response_format\":{\"type\":\"xml\"}", "invalid_value", "response_format.type", "" },
    { ",\"response_format\":{\"type\":\"json_schema\"}", "missing_required_parameter",
      "response_format.json_schema", "" },
    { ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a b\",\"schema\":"
      "{}}}", "invalid_value", "response_format.json_schema.name", "pattern" },
    { ",\"tools\":[{\"type\":\"function\"}]", "missing_required_parameter", "tools[0].function",
      "" },
    { ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"\"}}]", "empty_string",
      "tools[0].function.name", "" },
    { ",\"tools\":[" ADD "," ADD "]", "invalid_value", "tools[1].function.name", "two tools" },
    { ",\"tools\":[{\"type\":\"retrieval\"}]", "invalid_value", "tools[0].type", "" },
    { ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true,"
      "\"parameters\":{\"type\":\"object\",\"$dynamicRef\":\"#a\"}}}]",
      "invalid_function_parameters", "tools[0].function.parameters", "function 'f'" },
    { ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"f\",\"format\":{\"type\":\"grammar\","
      "\"grammar\":{\"syntax\":\"lark\",\"definition\":\"start: A\"}}}}]", "unsupported_value",
      "tools[0].custom.format.grammar.syntax", "lark" },
    { ",\"tool_choice\":\"required\"", "invalid_value", "tool_choice", "only allowed when" },
    { ",\"tools\":[" ADD "],\"tool_choice\":\"maybe\"", "invalid_value", "tool_choice", "maybe" },
    { ",\"tools\":[" ADD "],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"x\"}}",
      "invalid_value", "tool_choice", "'x' not found" },
    { ",\"function_call\":\"auto\"", "invalid_value", "function_call", "" },
    { ",\"prediction\":{\"type\":\"audio\",\"content\":\"x\"}", "invalid_value", "prediction.type",
      "" },
};

START_TEST(every_bad_field_is_refused_by_name)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *r = &refusals[i];
        answer a = chat_with("parrot", r->more);

        is_error(&a, 400, "invalid_request_error", r->code, r->param, r->part);
        answer_fini(&a);
    }
}
END_TEST

static const struct refusal bad_messages[] = {
    { "[]", "empty_array", "messages", "" },
    { "\"hi\"", "invalid_type", "messages", "an array" },
    { "[1]", "invalid_type", "messages[0]", "" },
    { "[{\"role\":\"user\"}]", "invalid_type", "messages[0].content", "null" },
    { "[{\"role\":\"wizard\",\"content\":\"x\"}]", "invalid_value", "messages[0].role",
      "'wizard'. Supported values are: 'system', 'developer'" },
    { "[{\"content\":\"x\"}]", "missing_required_parameter", "messages[0].role", "" },
    { "[{\"role\":\"user\",\"content\":[]}]", "empty_array", "messages[0].content", "" },
    { "[{\"role\":\"user\",\"content\":\"x\",\"colour\":1}]", "unknown_parameter",
      "messages[0].colour", "" },
    { "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}}]}]", "",
      "messages[0].content[0].type", "image_url is only supported" },
    { "[{\"role\":\"system\",\"content\":[{\"type\":\"image_url\"}]}]", "invalid_value",
      "messages[0].content[0].type", "" },
    { "[{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":\"!!\"}}]}]",
      "invalid_value", "messages[0].content[0].file.file_data", "base64" },
    { "[{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":\"/////w==\"}}]}]",
      "unsupported_value", "messages[0].content[0].file.file_data", "UTF-8" },
    { "[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":"
      "\"x\"}]", "", "messages[1].role", "must be a response" },
    { "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{"
      "\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"user\",\"content\":\"x\"}]", "",
      "messages", "must be followed by tool messages" },
};

START_TEST(every_bad_message_is_refused_by_place)
{
    for (size_t i = 0; i < sizeof bad_messages / sizeof *bad_messages; i++) {
        const struct refusal *r = &bad_messages[i];
        char body[1000];
        answer a;

        snprintf(body, sizeof body, "{\"model\":\"parrot\",\"messages\":%s}", r->more);
        a = post("/v1/chat/completions", body);
        is_error(&a, 400, "invalid_request_error", r->code, r->param, r->part);
        answer_fini(&a);
    }
}
END_TEST

START_TEST(a_prompt_above_the_context_is_refused_with_both_numbers)
{
    bytes body = { 0 };
    answer a;

    bytes_add_string(&body, "{\"model\":\"parrot\",\"messages\":[{\"role\":\"user\",\"content\":\"");
    for (int i = 0; i < 2000; i++) bytes_add_char(&body, 'x');
    bytes_add_string(&body, "\"}],\"stream\":true}");
    a = post("/v1/chat/completions", body.data);
    is_error(&a, 400, "invalid_request_error", "context_length_exceeded", "messages",
             "This model's maximum context length is 1024 tokens. However, your messages resulted "
             "in 2");
    bytes_fini(&body);
    answer_fini(&a);
}
END_TEST

START_TEST(strict_aliases_refuse_what_the_hosted_models_refuse)
{
    static const struct strict {
        const char *model, *more, *code, *param, *part;
    } cases[] = {
        { "o1", ",\"max_tokens\":10", "unsupported_parameter", "max_tokens", "Unsupported "
          "parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
          "instead." },
        { "o1", ",\"temperature\":0", "unsupported_value", "temperature", "Unsupported value: "
          "'temperature' does not support 0 with this model. Only the default (1) value is "
          "supported." },
        { "o3-mini", ",\"temperature\":0", "unsupported_parameter", "temperature", "" },
        { "o1", ",\"logprobs\":true", "unsupported_parameter", "logprobs", "" },
        { "o1", ",\"logit_bias\":{\"5\":1}", "unsupported_parameter", "logit_bias", "" },
        { "o1", ",\"presence_penalty\":1", "unsupported_value", "presence_penalty", "" },
        { "o1", ",\"parallel_tool_calls\":true", "unsupported_parameter", "parallel_tool_calls",
          "" },
        { "o1", ",\"reasoning_effort\":\"minimal\"", "unsupported_value", "reasoning_effort",
          "'low', 'medium', and 'high'" },
        { "o1-mini", ",\"reasoning_effort\":\"low\"", "unsupported_parameter", "reasoning_effort",
          "" },
        { "o1-mini", ",\"tools\":[" ADD "]", "unsupported_parameter", "tools", "" },
        { "o1-mini", ",\"response_format\":{\"type\":\"json_object\"}", "unsupported_parameter",
          "response_format", "" },
        { "o1-mini", ",\"n\":2", "unsupported_value", "n", "" },
    };
    answer a;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        a = chat_with(cases[i].model, cases[i].more);
        is_error(&a, 400, "invalid_request_error", cases[i].code, cases[i].param, cases[i].part);
        answer_fini(&a);
    }
    a = post("/v1/chat/completions", "{\"model\":\"o1-mini\",\"messages\":[{\"role\":\"system\","
             "\"content\":\"x\"}]}");
    is_error(&a, 400, "invalid_request_error", "unsupported_value", "messages[0].role",
             "Unsupported value: 'messages[0].role' does not support 'system' with this model.");
    answer_fini(&a);
    a = chat_with("o1", ",\"temperature\":1,\"top_p\":1,\"n\":1,\"presence_penalty\":0,"
                  "\"reasoning_effort\":\"high\",\"max_completion_tokens\":100");
    ck_assert_msg(a.code == 200, "%s", a.body.data);
    is_text(a.json, "model", "o1-2024-12-17");
    answer_fini(&a);
    a = chat_with("o1-preview", ",\"temperature\":0,\"max_tokens\":100");
    ck_assert_msg(a.code == 200, "%s", a.body.data);
    is_text(a.json, "model", "o1-preview-2024-09-12");
    answer_fini(&a);
}
END_TEST

START_TEST(null_is_the_same_as_absent)
{
    static const char *const fields[] = {
        "reasoning_effort", "verbosity", "max_completion_tokens", "max_tokens", "temperature",
        "top_p", "presence_penalty", "frequency_penalty", "n", "seed", "logit_bias", "logprobs",
        "top_logprobs", "stop", "stream", "stream_options", "response_format", "tools",
        "tool_choice", "parallel_tool_calls", "functions", "function_call", "prediction", "store",
        "metadata", "service_tier", "safety_identifier", "prompt_cache_key",
        "prompt_cache_retention", "prompt_cache_options", "user", "modalities", "audio",
        "web_search_options", "moderation", "samples", "include_reasoning",
    };

    bytes more = { 0 };
    answer a;

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        bytes_add_format(&more, ",\"%s\":null", fields[i]);
    for (int i = 0; i < 2; i++) {
        a = chat_with(i ? "o1-mini" : "parrot", more.data);
        ck_assert_msg(a.code == 200, "%s", a.body.data);
        answer_fini(&a);
    }
    bytes_fini(&more);
}
END_TEST

START_TEST(hints_are_taken)
{
    answer a = chat_with("parrot", ",\"service_tier\":\"priority\",\"user\":\"u\","
                         "\"safety_identifier\":\"s\",\"prompt_cache_key\":\"k\","
                         "\"prompt_cache_retention\":\"24h\",\"metadata\":{\"a\":\"b\"},"
                         "\"store\":false,\"modalities\":[\"text\"],\"prediction\":{\"type\":"
                         "\"content\",\"content\":\"x\"},\"verbosity\":\"low\"");

    ck_assert_msg(a.code == 200, "%s", a.body.data);
    is_text(a.json, "service_tier", "default");
    answer_fini(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chat");
    TCase *tc = tcase_create("chat");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, stop_server);
    tcase_add_test(tc, a_completion_has_every_field_and_hides_the_thought);
    tcase_add_test(tc, usage_counts_every_token);
    tcase_add_test(tc, a_budget_used_up_by_thinking_gives_an_empty_answer_and_its_count);
    tcase_add_test(tc, reasoning_is_shown_where_the_operator_allows_it);
    tcase_add_test(tc, each_choice_has_its_index);
    tcase_add_test(tc, samples_are_put_to_a_vote_and_all_counted);
    tcase_add_test(tc, stop_texts_end_the_answer_and_are_not_returned);
    tcase_add_test(tc, the_same_seed_gives_the_same_text);
    tcase_add_test(tc, log_probs_are_those_of_the_visible_tokens);
    tcase_add_test(tc, logit_bias_changes_what_is_said);
    tcase_add_test(tc, a_stream_has_a_first_role_deltas_a_finish_and_done);
    tcase_add_test(tc, include_usage_adds_one_chunk_without_choices);
    tcase_add_test(tc, a_stream_of_choices_and_log_probs_adds_up);
    tcase_add_test(tc, comments_keep_a_silent_stream_alive);
    tcase_add_test(tc, a_client_that_goes_away_frees_its_place);
    tcase_add_test(tc, a_call_is_parsed_and_its_turn_ends_so);
    tcase_add_test(tc, a_streamed_call_has_its_name_once_and_then_its_arguments);
    tcase_add_test(tc, a_required_call_is_made_by_who_would_not);
    tcase_add_test(tc, no_tool_is_called_when_none_is_wanted);
    tcase_add_test(tc, functions_of_old_are_called_as_of_old);
    tcase_add_test(tc, a_custom_tool_is_called_with_a_text_of_its_form);
    tcase_add_test(tc, results_of_tools_are_read_with_their_calls);
    tcase_add_test(tc, an_answer_has_the_form_that_was_asked_for);
    tcase_add_test(tc, a_schema_that_cannot_be_kept_is_refused_by_path);
    tcase_add_test(tc, every_bad_field_is_refused_by_name);
    tcase_add_test(tc, every_bad_message_is_refused_by_place);
    tcase_add_test(tc, a_prompt_above_the_context_is_refused_with_both_numbers);
    tcase_add_test(tc, strict_aliases_refuse_what_the_hosted_models_refuse);
    tcase_add_test(tc, null_is_the_same_as_absent);
    tcase_add_test(tc, hints_are_taken);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
