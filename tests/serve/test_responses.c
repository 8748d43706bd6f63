/* test_responses.c - the Responses API, over a socket. */
#include "serve/api_server.h"

static char folder[64];

static void setup(void)
{
    begin_server();
    add_parrot("dreamer", dreamer, COUNT(dreamer));
    add_parrot("caller", caller, COUNT(caller));
    snprintf(folder, sizeof folder, "/tmp/test-responses-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    OKAY(store_open(&the_api.store, folder, NULL, &err));
    start_server((server_options){ 0 });
}

static void teardown(void)
{
    char command[100];

    stop_server();
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

#define ADD "{\"type\":\"function\",\"name\":\"add\",\"strict\":true,\"parameters\":{\"type\":" \
            "\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"integer\"}}," \
            "\"required\":[\"a\",\"b\"],\"additionalProperties\":false}}"

static answer respond(const char *name, const char *more)
{
    char body[3000];

    snprintf(body, sizeof body, "{\"model\":\"%s\"%s}", name, more);
    return post("/v1/responses", body);
}

START_TEST(a_response_has_its_items_in_order_and_hides_the_thought)
{
    answer a = respond("parrot", ",\"input\":\"How many?\",\"metadata\":{\"k\":\"v\"}");

    ck_assert_msg(a.code == 200, "%s", a.body.data);
    is_text(a.json, "object", "response");
    is_text(a.json, "status", "completed");
    is_text(a.json, "model", "parrot");
    is_null(a.json, "error");
    is_null(a.json, "incomplete_details");
    is_text(a.json, "metadata.k", "v");
    is_text(a.json, "output.0.type", "reasoning");
    ck_assert_uint_eq(json_array_size(at_path(a.json, "output.0.summary")), 0);
    is_text(a.json, "output.1.type", "message");
    is_text(a.json, "output.1.status", "completed");
    is_text(a.json, "output.1.content.0.type", "output_text");
    is_text(a.json, "output.1.content.0.text", "The answer is 7.");
    is_int(a.json, "usage.output_tokens", 5);
    is_int(a.json, "usage.output_tokens_details.reasoning_tokens", 2);
    is_int(a.json, "usage.total_tokens", int_of(a.json, "usage.input_tokens") + 5);
    ck_assert_ptr_null(strstr(a.body.data, "Let me see"));
    answer_fini(&a);
}
END_TEST

START_TEST(events_come_in_order_with_numbers_that_rise_by_one)
{
    static const char *const want[] = {
        "response.created", "response.in_progress", "response.output_item.added",
        "response.output_item.done", "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.delta", "response.output_text.done",
        "response.content_part.done", "response.output_item.done", "response.completed",
    };
    answer a = respond("parrot", ",\"input\":\"x\",\"stream\":true");
    events ev = read_events(&a);
    char *text = joined(&ev, "delta");

    ck_assert_int_eq(ev.n, COUNT(want));
    ck_assert(!ev.done);
    for (int i = 0; i < ev.n; i++) {
        json_t *e = json_array_get(ev.list, (size_t)i);

        is_text(e, "event", want[i]);
        is_text(e, "data.type", want[i]);
        is_int(e, "data.sequence_number", i);
    }
    ck_assert_str_eq(text, "The answer is 7.");
    is_text(event_at(&ev, 8), "text", text);
    is_int(event_at(&ev, 8), "output_index", 1);
    is_text(event_at(&ev, ev.n - 1), "response.status", "completed");
    is_text(event_at(&ev, ev.n - 1), "response.output.1.content.0.text", text);
    mem_free(text);
    json_decref(ev.list);
    answer_fini(&a);
}
END_TEST

START_TEST(a_response_cut_off_is_incomplete)
{
    answer a = respond("dreamer", ",\"input\":\"x\",\"max_output_tokens\":16");

    is_text(a.json, "status", "incomplete");
    is_text(a.json, "incomplete_details.reason", "max_output_tokens");
    is_int(a.json, "usage.output_tokens", 16);
    answer_fini(&a);
}
END_TEST

START_TEST(a_call_is_an_item_and_its_result_goes_back)
{
    answer a = respond("caller", ",\"input\":\"1+2?\",\"tools\":[" ADD "]"), b;
    char more[1000];

    is_text(a.json, "output.1.type", "function_call");
    is_text(a.json, "output.1.name", "add");
    is_text(a.json, "output.1.arguments", "{\"a\": 1, \"b\": 2}");
    snprintf(more, sizeof more, ",\"previous_response_id\":\"%s\",\"input\":[{\"type\":"
             "\"function_call_output\",\"call_id\":\"%s\",\"output\":\"3\"}]",
             json_string_value(at_path(a.json, "id")),
             json_string_value(at_path(a.json, "output.1.call_id")));
    b = respond("parrot", more);
    ck_assert_msg(b.code == 200, "%s", b.body.data);
    ck_assert_int_gt(int_of(b.json, "usage.input_tokens"), 60);
    answer_fini(&b);
    b = respond("parrot", ",\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c\","
                "\"output\":\"3\"}]");
    is_error(&b, 400, "invalid_request_error", "", "input", "No tool call found");
    answer_fini(&b);
    answer_fini(&a);
}
END_TEST

START_TEST(a_kept_response_is_read_listed_and_deleted)
{
    answer a = respond("parrot", ",\"input\":\"How many?\""), b;
    const char *id = json_string_value(at_path(a.json, "id"));
    char path[200];

    snprintf(path, sizeof path, "/v1/responses/%s", id);
    b = get(path);
    ck_assert(json_equal(a.json, b.json));
    answer_fini(&b);
    snprintf(path, sizeof path, "/v1/responses/%s/input_items", id);
    b = get(path);
    is_text(b.json, "object", "list");
    is_text(b.json, "data.0.content.0.text", "How many?");
    is_text(b.json, "data.0.role", "user");
    answer_fini(&b);
    snprintf(path, sizeof path, "/v1/responses/%s/cancel", id);
    b = post(path, "{}");
    is_error(&b, 400, "invalid_request_error", "", "", "synchronous");
    answer_fini(&b);
    snprintf(path, sizeof path, "/v1/responses/%s", id);
    b = call("DELETE", path, "", NULL);
    ck_assert(json_is_true(at_path(b.json, "deleted")));
    answer_fini(&b);
    b = get(path);
    is_error(&b, 404, "invalid_request_error", "", "", "not found.");
    answer_fini(&b);
    answer_fini(&a);
}
END_TEST

START_TEST(a_sealed_thought_comes_back_and_a_changed_one_is_refused)
{
    answer a = respond("parrot", ",\"input\":\"x\",\"store\":false,\"include\":["
                       "\"reasoning.encrypted_content\"]"), b;
    const char *sealed = json_string_value(at_path(a.json, "output.0.encrypted_content"));
    char more[1000], *changed;

    ck_assert_ptr_nonnull(sealed);
    for (int i = 0; i < 2; i++) {
        changed = mem_string(sealed);
        if (i) changed[40] = changed[40] == 'A' ? 'B' : 'A';
        snprintf(more, sizeof more, ",\"input\":[{\"role\":\"user\",\"content\":\"x\"},{\"type\":"
                 "\"reasoning\",\"id\":\"rs_1\",\"summary\":[],\"encrypted_content\":\"%s\"},"
                 "{\"role\":\"assistant\",\"content\":\"7\"},{\"role\":\"user\",\"content\":\"y\"}]",
                 changed);
        b = respond("parrot", more);
        if (i) is_error(&b, 400, "invalid_request_error", "invalid_encrypted_content",
                        "input[1].encrypted_content", "could not be verified");
        else ck_assert_msg(b.code == 200, "%s", b.body.data);
        answer_fini(&b);
        mem_free(changed);
    }
    answer_fini(&a);
}
END_TEST

START_TEST(input_tokens_are_those_that_are_charged)
{
    answer a = post("/v1/responses/input_tokens", "{\"model\":\"parrot\",\"input\":\"How many?\"}");
    answer b = respond("parrot", ",\"input\":\"How many?\"");

    is_text(a.json, "object", "response.input_tokens");
    is_int(a.json, "input_tokens", int_of(b.json, "usage.input_tokens"));
    answer_fini(&a);
    answer_fini(&b);
}
END_TEST

START_TEST(what_is_not_done_is_refused_by_name)
{
    static const struct { const char *more, *code, *param; } cases[] = {
        { "", "missing_required_parameter", "input" },
        { ",\"input\":\"x\",\"zebra\":1", "unknown_parameter", "zebra" },
        { ",\"input\":\"x\",\"background\":true", "unsupported_value", "background" },
        { ",\"input\":\"x\",\"truncation\":\"auto\"", "unsupported_value", "truncation" },
        { ",\"input\":\"x\",\"conversation\":\"conv_1\"", "unsupported_parameter", "conversation" },
        { ",\"input\":\"x\",\"max_output_tokens\":15", "integer_below_min_value",
          "max_output_tokens" },
        { ",\"input\":\"x\",\"previous_response_id\":\"resp_0\"", "previous_response_not_found",
          "previous_response_id" },
        { ",\"input\":\"x\",\"tools\":[{\"type\":\"web_search\"}]", "invalid_value",
          "tools[0].type" },
        { ",\"input\":[{\"type\":\"zebra\"}]", "invalid_value", "input[0].type" },
        { ",\"input\":\"x\",\"include\":[\"zebra\"]", "invalid_value", "include" },
        { ",\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"x\","
          "\"schema\":{\"$dynamicRef\":\"#a\"}}}", "invalid_json_schema", "text.format.schema" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answer a = respond("parrot", cases[i].more);

        is_error(&a, 400, "invalid_request_error", cases[i].code, cases[i].param, "");
        answer_fini(&a);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("responses");
    TCase *tc = tcase_create("responses");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_response_has_its_items_in_order_and_hides_the_thought);
    tcase_add_test(tc, events_come_in_order_with_numbers_that_rise_by_one);
    tcase_add_test(tc, a_response_cut_off_is_incomplete);
    tcase_add_test(tc, a_call_is_an_item_and_its_result_goes_back);
    tcase_add_test(tc, a_kept_response_is_read_listed_and_deleted);
    tcase_add_test(tc, a_sealed_thought_comes_back_and_a_changed_one_is_refused);
    tcase_add_test(tc, input_tokens_are_those_that_are_charged);
    tcase_add_test(tc, what_is_not_done_is_refused_by_name);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
