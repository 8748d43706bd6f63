/* test_models.c - names, aliases, and the routes of /v1/models. */
#include "serve/api_server.h"

static void setup(void)
{
    begin_server();
    add_parrot("ft:parrot:me::1", thinker, COUNT(thinker));
    OKAY(models_alias(the_api.models, "o1", "ft:parrot:me::1", PROFILE_STRICT, &err));
    models_alias_known(the_api.models, PROFILE_PERMISSIVE);
    start_server((server_options){ 0 });
}

START_TEST(models_are_listed_with_their_aliases)
{
    answer a = get("/v1/models");

    ck_assert_int_eq(a.code, 200);
    is_text(a.json, "object", "list");
    ck_assert_uint_eq(json_object_size(a.json), 2);
    ck_assert_uint_eq(json_array_size(at_path(a.json, "data")), 10);
    is_text(a.json, "data.0.id", "parrot");
    is_text(a.json, "data.0.object", "model");
    is_text(a.json, "data.0.owned_by", "ponder");
    is_null(a.json, "data.0.shutdown_date");
    ck_assert_int_gt(int_of(a.json, "data.0.created"), 1700000000);
    is_text(a.json, "data.2.id", "o1");
    answer_fini(&a);
}
END_TEST

START_TEST(a_model_is_found_by_a_name_with_colons)
{
    answer a = get("/v1/models/ft%3Aparrot%3Ame%3A%3A1");

    ck_assert_int_eq(a.code, 200);
    is_text(a.json, "id", "ft:parrot:me::1");
    answer_fini(&a);
    a = get("/v1/models/zebra");
    is_error(&a, 404, "invalid_request_error", "model_not_found", "",
             "The model `zebra` does not exist or you do not have access to it.");
    answer_fini(&a);
    a = call("DELETE", "/v1/models/parrot", "", NULL);
    is_error(&a, 403, "invalid_request_error", "model_not_deletable", "", "operator");
    answer_fini(&a);
    a = chat_with("zebra", "");
    is_error(&a, 404, "invalid_request_error", "model_not_found", "", "`zebra`");
    answer_fini(&a);
}
END_TEST

START_TEST(an_alias_given_away_is_not_taken_for_the_first_model)
{
    ck_assert_str_eq(models_find(the_api.models, "o1")->model->name, "ft:parrot:me::1");
    ck_assert_str_eq(models_find(the_api.models, "o1-mini")->model->name, "parrot");
    ck_assert_ptr_nonnull(models_find(the_api.models, "o1")->strict);
    ck_assert_ptr_null(models_find(the_api.models, "o3-mini")->strict);
    ck_assert_int_eq(models_alias(the_api.models, "o1", "parrot", PROFILE_STRICT, &err), E_ARG);
    ck_assert_int_eq(models_alias(the_api.models, "a", "zebra", PROFILE_STRICT, &err), E_ARG);
    ck_assert_int_eq(models_alias(the_api.models, "a b", "parrot", PROFILE_STRICT, &err), E_ARG);
}
END_TEST

START_TEST(several_models_answer_at_once)
{
    int fd[6];

    for (int i = 0; i < 6; i++) {
        char body[200];

        snprintf(body, sizeof body, "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":"
                 "\"x\"}]}", i & 1 ? "parrot" : "o1");
        fd[i] = dial();
        send_request(fd[i], "POST", "/v1/chat/completions", "", body);
    }
    for (int i = 0; i < 6; i++) {
        answer a = read_answer(fd[i]);

        is_text(a.json, "choices.0.message.content", "The answer is 7.");
        is_text(a.json, "model", i & 1 ? "parrot" : "o1-2024-12-17");
        answer_fini(&a);
        close(fd[i]);
    }
}
END_TEST

START_TEST(tokens_are_metered_by_model_and_kind)
{
    answer a = chat_with("parrot", "");

    answer_fini(&a);
    a = get("/metrics");
    ck_assert_msg(strstr(a.body.data, "ponder_tokens_total{model=\"parrot\",kind=\"reasoning\"} 2"),
                  "%s", a.body.data);
    ck_assert_ptr_nonnull(strstr(a.body.data, "ponder_samples_running{model=\"parrot\"} 0"));
    answer_fini(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("models");
    TCase *tc = tcase_create("models");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, stop_server);
    tcase_add_test(tc, models_are_listed_with_their_aliases);
    tcase_add_test(tc, a_model_is_found_by_a_name_with_colons);
    tcase_add_test(tc, an_alias_given_away_is_not_taken_for_the_first_model);
    tcase_add_test(tc, several_models_answer_at_once);
    tcase_add_test(tc, tokens_are_metered_by_model_and_kind);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
