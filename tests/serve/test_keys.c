/* test_keys.c - who may call. */
#include <sodium.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "raw_http.h"

static char path[64];

/* A file with another time than the one before: what a reload looks at. */
static void write_keys(const char *text)
{
    static int n;
    struct timespec times[2] = { { .tv_sec = 1000000 + ++n }, { .tv_sec = 1000000 + n } };
    FILE *f = fopen(path, "w");

    fputs(text, f);
    fclose(f);
    utimensat(AT_FDCWD, path, times, 0);
}

static void setup(void)
{
    snprintf(path, sizeof path, "/tmp/test-keys-XXXXXX");
    close(mkstemp(path));
}

static void teardown(void)
{
    unlink(path);
}

#define ALICE "{\"name\":\"alice\",\"key\":\"sk-alice-0001\",\"tenant\":\"acme\"}"
#define BOB "{\"name\":\"bob\",\"key\":\"sk-bob-000001\",\"admin\":true,\"reasoning\":true," \
            "\"requests_per_minute\":60,\"tokens_per_minute\":1000}"

static keys *open_keys(void)
{
    keys *k;

    OKAY(keys_open(&k, path, NULL, &err));
    return k;
}

START_TEST(key_gives_its_identity_and_others_none)
{
    identity who;
    keys *k;

    write_keys("{\"keys\":[" ALICE "," BOB "]}");
    k = open_keys();
    ck_assert(keys_find(k, "sk-alice-0001", &who));
    ck_assert_str_eq(who.name, "alice");
    ck_assert_str_eq(who.tenant, "acme");
    ck_assert(who.tenant_id == tenant_number("acme"));
    ck_assert(!who.admin && !who.reasoning && !who.rates.requests);
    ck_assert(keys_find(k, "sk-bob-000001", &who));
    ck_assert_str_eq(who.tenant, "bob");
    ck_assert(who.admin && who.reasoning);
    ck_assert_int_eq(who.rates.requests, 60);
    ck_assert_int_eq(who.rates.tokens, 1000);
    for (int i = 0; i < 5; i++) {
        static const char *const wrong[] = { "", "sk-alice-000", "sk-alice-00011", "SK-ALICE-0001",
                                             "alice" };

        ck_assert(!keys_find(k, wrong[i], &who));
    }
    keys_close(k);
}
END_TEST

START_TEST(key_may_be_stored_as_its_hash)
{
    uint8_t hash[32];
    char hex[65], text[256];
    identity who;
    keys *k;

    crypto_hash_sha256(hash, (const uint8_t *)"sk-secret", 9);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    snprintf(text, sizeof text, "{\"keys\":[{\"name\":\"carol\",\"sha256\":\"%s\"}]}", hex);
    write_keys(text);
    k = open_keys();
    ck_assert(keys_find(k, "sk-secret", &who));
    ck_assert(!keys_find(k, hex, &who));         /* the hash itself opens nothing */
    keys_close(k);
}
END_TEST

START_TEST(mistakes_in_the_file_are_named)
{
    static const struct { const char *text, *part; } cases[] = {
        { "{\"keys\":[", "line 1, column" },
        { "[]", "one field, \"keys\"" },
        { "{\"keys\":{}}", "one field, \"keys\"" },
        { "{\"keys\":[],\"more\":1}", "one field, \"keys\"" },
        { "{\"keys\":[1]}", "keys[0]: must be an object" },
        { "{\"keys\":[{\"key\":\"sk-00000001\"}]}", "keys[0].name: is missing" },
        { "{\"keys\":[{\"name\":\"a\"}]}", "keys[0]: needs one of key and sha256" },
        { "{\"keys\":[" ALICE ",{\"name\":\"a\",\"key\":\"short\"}]}", "keys[1].key: must be" },
        { "{\"keys\":[{\"name\":\"a\",\"sha256\":\"12\"}]}", "keys[0].sha256: must be" },
        { "{\"keys\":[{\"name\":\"a b\",\"key\":\"sk-00000001\"}]}", "keys[0].name: must be" },
        { "{\"keys\":[{\"name\":\"a\",\"key\":\"sk-00000001\",\"rpm\":1}]}", "keys[0].rpm" },
        { "{\"keys\":[{\"name\":\"a\",\"key\":\"sk-00000001\",\"requests_per_minute\":0}]}",
          "keys[0].requests_per_minute: must be" },
        { "{\"keys\":[{\"name\":\"a\",\"key\":\"sk-00000001\",\"admin\":1}]}",
          "keys[0].admin: must be" },
        { "{\"keys\":[" ALICE "," ALICE "]}", "keys[1].name: is that of keys[0]" },
        { "{\"keys\":[" ALICE ",{\"name\":\"eve\",\"key\":\"sk-alice-0001\"}]}",
          "keys[1]: has the key of keys[0]" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        keys *k;

        write_keys(cases[i].text);
        ck_assert_msg(keys_open(&k, path, NULL, &err) == E_FORMAT, "%s", cases[i].text);
        ck_assert_ptr_null(k);
        ck_assert_msg(strstr(err.text, cases[i].part) != NULL, "%s", err.text);
        ck_assert_ptr_null(strstr(err.text, "sk-"));     /* no key in an error */
    }
}
END_TEST

START_TEST(missing_file_is_reported)
{
    keys *k;

    ck_assert_int_eq(keys_open(&k, "/nowhere/keys.json", NULL, &err), E_IO);
    ck_assert_ptr_null(k);
}
END_TEST

START_TEST(reload_takes_new_keys_and_a_bad_file_keeps_the_old)
{
    identity who;
    keys *k;

    write_keys("{\"keys\":[" ALICE "]}");
    k = open_keys();
    write_keys("{\"keys\":[" BOB "]}");
    OKAY(keys_reload(k, &err));
    ck_assert(!keys_find(k, "sk-alice-0001", &who));
    ck_assert(keys_find(k, "sk-bob-000001", &who));
    write_keys("{\"keys\":[");
    ck_assert_int_eq(keys_reload(k, &err), E_FORMAT);
    ck_assert(keys_find(k, "sk-bob-000001", &who));
    unlink(path);
    ck_assert_int_eq(keys_reload(k, &err), E_IO);
    ck_assert(keys_find(k, "sk-bob-000001", &who));
    keys_close(k);
}
END_TEST

START_TEST(changed_file_is_noticed_by_itself)
{
    identity who;
    keys *k;

    write_keys("{\"keys\":[" ALICE "]}");
    k = open_keys();
    write_keys("{\"keys\":[" BOB "]}");
    for (int i = 0; i < 400 && !keys_find(k, "sk-bob-000001", &who); i++) usleep(10000);
    ck_assert(keys_find(k, "sk-bob-000001", &who));
    ck_assert(!keys_find(k, "sk-alice-0001", &who));
    keys_close(k);
}
END_TEST

/* ------------------------------------------------------------------- over HTTP */

START_TEST(requests_without_a_right_key_get_401)
{
    static const char *const wrong[] = {
        "", "Authorization: Bearer \r\n", "Authorization: Bearer sk-wrong\r\n",
        "Authorization: sk-alice-0001\r\n", "Authorization: Basic c2stYWxpY2UtMDAwMQ==\r\n",
        "Authorization: Bearer sk-alice-0001x\r\n",
    };
    answer a;

    write_keys("{\"keys\":[" ALICE "," BOB "]}");
    start_server((server_options){ .keys_path = path, .linger_s = 0.1 });
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        a = get_with(port, "/v1/who", wrong[i]);
        check_error(&a, 401, "invalid_request_error", "invalid_api_key", "", "API key");
        ck_assert_ptr_null(strstr(a.body.data, "sk-"));
        answer_fini(&a);
    }
    a = get_with(port, "/v1/who", "Authorization: Bearer sk-alice-0001\r\n");
    ck_assert_str_eq(a.body.data, "{\"key\":\"alice\",\"tenant\":\"acme\"}");
    answer_fini(&a);
    a = get_with(port, "/v1/who", "authorization: bearer  sk-bob-000001\r\n");
    ck_assert_str_eq(a.body.data, "{\"key\":\"bob\",\"tenant\":\"bob\"}");
    answer_fini(&a);
    stop_server();
}
END_TEST

START_TEST(large_body_without_a_key_is_not_read)
{
    bytes text = { 0 };
    answer a;

    write_keys("{\"keys\":[" ALICE "]}");
    start_server((server_options){ .keys_path = path, .linger_s = 0.1 });
    a = ask(port, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n\r\n{");
    check_error(&a, 401, "invalid_request_error", "invalid_api_key", "", "provide an API key");
    answer_fini(&a);
    a = post(port, "/v1/echo", "{\"small\":\"bodies are read, then refused\"}");
    check_error(&a, 401, "invalid_request_error", "invalid_api_key", "", "provide an API key");
    answer_fini(&a);
    bytes_fini(&text);
    stop_server();
}
END_TEST

START_TEST(health_is_open_and_metrics_are_for_admins)
{
    answer a;

    write_keys("{\"keys\":[" ALICE "," BOB "]}");
    start_server((server_options){ .keys_path = path });
    a = get(port, "/health");
    ck_assert_str_eq(a.body.data, "{\"status\":\"ok\"}");
    answer_fini(&a);
    a = get(port, "/metrics");
    ck_assert_int_eq(a.code, 401);
    answer_fini(&a);
    a = get_with(port, "/metrics", "Authorization: Bearer sk-alice-0001\r\n");
    check_error(&a, 403, "invalid_request_error", "not_permitted", "", "'alice'");
    answer_fini(&a);
    /* A request is counted once its answer is out: just after the client has it. */
    for (int tries = 0;; tries++) {
        a = get_with(port, "/metrics", "Authorization: Bearer sk-bob-000001\r\n");
        ck_assert_int_eq(a.code, 200);
        if (strstr(a.body.data, "ponder_http_requests_total{method=\"GET\","
                                "route=\"/metrics\",code=\"403\"} 1\n")) break;
        ck_assert_int_lt(tries, 200);
        answer_fini(&a);
        usleep(20000);
    }
    ck_assert_ptr_null(strstr(a.body.data, "sk-"));
    answer_fini(&a);
    stop_server();
}
END_TEST

START_TEST(log_has_a_line_a_request_and_no_secret)
{
    char log_path[] = "/tmp/test-log-XXXXXX";
    int fd = mkstemp(log_path), n_request = 0;
    char line[4096];
    FILE *log;
    answer a;

    write_keys("{\"keys\":[" ALICE "]}");
    start_server((server_options){ .keys_path = path, .log_fd = fd });
    a = get_with(port, "/v1/who?api_key=sk-alice-0001", "Authorization: Bearer sk-alice-0001\r\n");
    answer_fini(&a);
    a = get_with(port, "/v1/things/sk-alice-0001", "Authorization: Bearer sk-alice-0001\r\n");
    answer_fini(&a);
    a = get_with(port, "/v1/who", "Authorization: Bearer sk-wrong-wrong\r\n");
    answer_fini(&a);
    stop_server();
    log = fopen(log_path, "r");
    while (fgets(line, sizeof line, log)) {
        json_t *root = json_loads(line, 0, NULL);
        const char *event = json_string_value(json_object_get(root, "event"));

        ck_assert_ptr_nonnull(root);
        ck_assert_ptr_null(strstr(line, "alice-0001"));
        ck_assert_ptr_null(strstr(line, "wrong-wrong"));
        ck_assert(json_is_string(json_object_get(root, "time")));
        if (!strcmp(event, "request")) {
            n_request++;
            ck_assert(json_is_integer(json_object_get(root, "status")));
            ck_assert(json_is_string(json_object_get(root, "id")));
        }
        json_decref(root);
    }
    ck_assert_int_eq(n_request, 3);
    fclose(log);
    close(fd);
    unlink(log_path);
}
END_TEST

START_TEST(preflight_of_a_named_page_needs_no_key)
{
    static const char *const pages[] = { "*" };
    answer a;

    write_keys("{\"keys\":[" ALICE "]}");
    start_server((server_options){ .keys_path = path, .origins = pages, .n_origin = 1 });
    a = ask(port, "OPTIONS /v1/echo HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n"
            "Access-Control-Request-Method: POST\r\n\r\n");
    ck_assert_int_eq(a.code, 204);
    answer_fini(&a);
    a = post_with(port, "/v1/echo", "Origin: https://a.example\r\n", "{}");
    check_error(&a, 401, "invalid_request_error", "invalid_api_key", "", "API key");
    answer_fini(&a);
    stop_server();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keys");
    TCase *tc = tcase_create("keys");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, key_gives_its_identity_and_others_none);
    tcase_add_test(tc, key_may_be_stored_as_its_hash);
    tcase_add_test(tc, mistakes_in_the_file_are_named);
    tcase_add_test(tc, missing_file_is_reported);
    tcase_add_test(tc, reload_takes_new_keys_and_a_bad_file_keeps_the_old);
    tcase_add_test(tc, changed_file_is_noticed_by_itself);
    tcase_add_test(tc, requests_without_a_right_key_get_401);
    tcase_add_test(tc, large_body_without_a_key_is_not_read);
    tcase_add_test(tc, health_is_open_and_metrics_are_for_admins);
    tcase_add_test(tc, log_has_a_line_a_request_and_no_secret);
    tcase_add_test(tc, preflight_of_a_named_page_needs_no_key);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
