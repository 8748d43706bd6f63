/* test_ground.c - the small parts under the server: texts, errors, events, log,
 * metrics, the queue to the engine. */
#include "raw_http.h"
#include "serve/http_text.h"

#include <math.h>

START_TEST(json_strings_are_valid_whatever_they_are_made_of)
{
    static const struct { const char *in; size_t len; const char *want; } cases[] = {
        { "plain", 5, "\"plain\"" },
        { "a\"b\\c\n\r\t\x01\x7f", 10, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f\"" },
        { "\xC3\xA9\xF0\x9F\x98\x80", 6, "\"\xC3\xA9\xF0\x9F\x98\x80\"" },
        { "\xC3", 1, "\"\xEF\xBF\xBD\"" },
        { "a\xFF\xFE" "b", 4, "\"a\xEF\xBF\xBD\xEF\xBF\xBD" "b\"" },
        { "\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" },
        { "x\0y", 3, "\"x\\u0000y\"" },
        { "", 0, "\"\"" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes out = { 0 };

        text_add_json(&out, cases[i].in, cases[i].len);
        ck_assert_str_eq(out.data, cases[i].want);
        bytes_fini(&out);
    }
}
END_TEST

START_TEST(durations_are_written_as_go_writes_them)
{
    static const struct { double s; const char *want; } cases[] = {
        { 0, "0s" }, { -1, "0s" }, { 0.0001, "1ms" }, { 0.12, "120ms" }, { 1, "1s" },
        { 1.5, "1.5s" }, { 1.001, "1.001s" }, { 59.9999, "1m0s" }, { 360, "6m0s" },
        { 61.25, "1m1.25s" }, { 3723, "1h2m3s" }, { 86400, "24h0m0s" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[32];

        text_duration(out, cases[i].s);
        ck_assert_str_eq(out, cases[i].want);
    }
}
END_TEST

START_TEST(what_looks_like_a_key_is_taken_out)
{
    static const struct { const char *in, *want; } cases[] = {
        { "key sk-abc123_-x here", "key sk-*** here" },
        { "Authorization: Bearer abc.def", "Authorization: Bearer ***" },
        { "bearer of news", "bearer *** news" },
        { "task-force sk-ab", "task-force sk-ab" },
        { "disk-12345 a=sk-12345", "disk-12345 a=sk-***" },
        { "nothing", "nothing" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes out = { 0 };

        text_add_redacted(&out, cases[i].in, strlen(cases[i].in));
        ck_assert_str_eq(out.data, cases[i].want);
        bytes_fini(&out);
    }
}
END_TEST

START_TEST(error_body_has_all_four_keys)
{
    bytes body = { 0 };
    api_error e;

    ck_assert(!error_bad_code(&e, "unsupported_parameter", "max_tokens",
                              "Unsupported parameter: 'max_tokens' is not supported with this "
                              "model. Use 'max_completion_tokens' instead."));
    error_body(&e, &body);
    ck_assert_str_eq(body.data, "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is "
                     "not supported with this model. Use 'max_completion_tokens' instead.\","
                     "\"type\":\"invalid_request_error\",\"param\":\"max_tokens\",\"code\":"
                     "\"unsupported_parameter\"}}");
    bytes_clear(&body);
    error_not_found(&e, "Response with id '%s' not found.", "resp_1");
    error_body(&e, &body);
    ck_assert_int_eq(e.status, 404);
    ck_assert_str_eq(body.data, "{\"error\":{\"message\":\"Response with id 'resp_1' not found.\","
                     "\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}");
    bytes_fini(&body);
}
END_TEST

START_TEST(faults_of_the_server_are_not_told_to_clients)
{
    errtext why = { "/secret/path: No space left on device" };
    api_error e;

    error_from_status(&e, E_IO, &why);
    ck_assert_int_eq(e.status, 500);
    ck_assert_ptr_null(strstr(e.message, "secret"));
    error_from_status(&e, E_ARG, &why);
    ck_assert_int_eq(e.status, 400);
}
END_TEST

START_TEST(no_line_break_ends_an_event_early)
{
    bytes out = { 0 };

    sse_format(&out, "t", "{\"a\":1}", 7);
    sse_format(&out, NULL, "one\ntwo\r\nthree\r", 15);
    ck_assert_str_eq(out.data, "event: t\ndata: {\"a\":1}\n\ndata: one\ndata: two\ndata: three\n"
                     "data: \n\n");
    bytes_fini(&out);
}
END_TEST

/* --------------------------------------------------------------------- meters */

START_TEST(metrics_are_written_in_the_prometheus_format)
{
    static const double bounds[] = { 0.5, 2 };
    char labels[METERS_MAX_LABELS];
    meters *m = meters_new();
    bytes out = { 0 };

    meters_declare(m, "tokens_total", "Tokens.", METER_COUNTER, NULL, 0);
    meters_declare(m, "wait_seconds", "Wait.", METER_HISTOGRAM, bounds, 2);
    meters_declare(m, "slots", "Slots.", METER_GAUGE, NULL, 0);
    meters_labels(labels, "model", "o\"1\n", "kind", "a\\b", NULL);
    meters_add(m, "tokens_total", labels, 3);
    meters_add(m, "tokens_total", labels, 4);
    meters_observe(m, "wait_seconds", "", 0.25);
    meters_observe(m, "wait_seconds", "", 1);
    meters_observe(m, "wait_seconds", "", 10);
    meters_set(m, "slots", "", 2.5);
    meters_set(m, "slots", "", INFINITY);
    meters_write(m, &out);
    ck_assert_str_eq(out.data,
        "# HELP tokens_total Tokens.\n# TYPE tokens_total counter\n"
        "tokens_total{model=\"o\\\"1\\n\",kind=\"a\\\\b\"} 7\n"
        "# HELP wait_seconds Wait.\n# TYPE wait_seconds histogram\n"
        "wait_seconds_bucket{le=\"0.5\"} 1\nwait_seconds_bucket{le=\"2\"} 2\n"
        "wait_seconds_bucket{le=\"+Inf\"} 3\nwait_seconds_sum 11.25\nwait_seconds_count 3\n"
        "# HELP slots Slots.\n# TYPE slots gauge\nslots +Inf\n");
    bytes_fini(&out);
    meters_free(m);
}
END_TEST

START_TEST(series_are_bounded_in_number)
{
    meters *m = meters_new();
    bytes out = { 0 };

    meters_declare(m, "n", "N.", METER_COUNTER, NULL, 0);
    for (int i = 0; i < METERS_MAX_SERIES + 100; i++) {
        char value[16], labels[METERS_MAX_LABELS];

        snprintf(value, sizeof value, "%d", i);
        meters_labels(labels, "i", value, NULL);
        meters_add(m, "n", labels, 1);
    }
    meters_write(m, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "ponder_metrics_dropped_total 100\n"));
    bytes_fini(&out);
    meters_free(m);
}
END_TEST

START_TEST(labels_too_long_are_left_out_whole)
{
    char labels[METERS_MAX_LABELS], big[400];

    memset(big, '"', sizeof big - 1);
    big[sizeof big - 1] = 0;
    meters_labels(labels, "a", "1", "big", big, "b", "2", NULL);
    ck_assert_str_eq(labels, "a=\"1\",b=\"2\"");
}
END_TEST

/* ------------------------------------------------------------------------ work */

static atomic_int order, sum, dropped;

static void run_task(void *arg) { atomic_store(&order, atomic_load(&order) * 10 + *(int *)arg); }
static void drop_task(void *arg) { atomic_fetch_add(&dropped, *(int *)arg); }

START_TEST(batch_work_waits_until_there_is_no_other)
{
    int n[4] = { 1, 2, 3, 4 };
    work_queue *q = work_new(2);
    task t;

    for (int i = 0; i < 4; i++) {
        t = (task){ run_task, drop_task, &n[i] };
        ck_assert(work_post(q, i < 2 ? WORK_BATCH : WORK_NOW, &t));
    }
    ck_assert(!work_post(q, WORK_NOW, &t));          /* full */
    ck_assert(work_post_urgent(q, &(task){ run_task, NULL, &n[0] }));
    ck_assert_int_eq(work_length(q, WORK_NOW), 3);
    while (work_take(q, &t, 0)) t.run(t.arg);
    ck_assert_int_eq(atomic_load(&order), 34112);
    work_free(q);
}
END_TEST

START_TEST(closed_queue_gives_what_it_has_and_takes_no_more)
{
    int n = 5;
    work_queue *q = work_new(2);
    task t = { run_task, drop_task, &n };

    ck_assert(work_post(q, WORK_NOW, &t));
    ck_assert(work_post(q, WORK_BATCH, &t));
    work_close(q);
    ck_assert(!work_post(q, WORK_NOW, &t));
    ck_assert(!work_post_urgent(q, &t));
    ck_assert(work_take(q, &t, -1));
    ck_assert(!work_closed(q));
    work_free(q);
    ck_assert_int_eq(atomic_load(&dropped), 5);
}
END_TEST

static void add_task(void *arg) { atomic_fetch_add(&sum, *(int *)arg); }

static void *post_many(void *arg)
{
    static int one = 1;
    task t = { add_task, NULL, &one };

    for (int i = 0; i < 2000; i++)
        while (!work_post(arg, i % 2 ? WORK_NOW : WORK_BATCH, &t)) usleep(100);
    return NULL;
}

START_TEST(tasks_of_many_threads_are_run_once_each)
{
    work_queue *q = work_new(64);
    pthread_t threads[8];
    task t;

    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, post_many, q);
    while (atomic_load(&sum) < 16000)
        if (work_take(q, &t, -1)) t.run(t.arg);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    ck_assert(!work_take(q, &t, 0));
    ck_assert_int_eq(atomic_load(&sum), 16000);
    work_wake(q);
    ck_assert(!work_take(q, &t, -1));                /* woken before it slept */
    ck_assert(!work_take(q, &t, 0.001));
    work_free(q);
}
END_TEST

/* ----------------------------------------------------------------------- reply */

START_TEST(reply_is_answered_once_and_gone_is_told_once)
{
    answer a;
    int fd;

    start_server((server_options){ 0 });
    a = post(port, "/v1/jobs", "{\"wait_ms\":1}");
    ck_assert_int_eq(a.code, 200);
    ck_assert_int_eq(atomic_load(&n_gone), 0);
    answer_fini(&a);
    fd = dial(port);
    send_text(fd, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17\r\n\r\n"
              "{\"wait_ms\":60000}");
    while (!atomic_load(&n_run)) usleep(1000);
    close(fd);
    while (!atomic_load(&n_gone)) usleep(1000);
    stop_server();
    ck_assert_int_eq(atomic_load(&n_gone), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ground");
    TCase *tc = tcase_create("ground");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, json_strings_are_valid_whatever_they_are_made_of);
    tcase_add_test(tc, durations_are_written_as_go_writes_them);
    tcase_add_test(tc, what_looks_like_a_key_is_taken_out);
    tcase_add_test(tc, error_body_has_all_four_keys);
    tcase_add_test(tc, faults_of_the_server_are_not_told_to_clients);
    tcase_add_test(tc, no_line_break_ends_an_event_early);
    tcase_add_test(tc, metrics_are_written_in_the_prometheus_format);
    tcase_add_test(tc, series_are_bounded_in_number);
    tcase_add_test(tc, labels_too_long_are_left_out_whole);
    tcase_add_test(tc, batch_work_waits_until_there_is_no_other);
    tcase_add_test(tc, closed_queue_gives_what_it_has_and_takes_no_more);
    tcase_add_test(tc, tasks_of_many_threads_are_run_once_each);
    tcase_add_test(tc, reply_is_answered_once_and_gone_is_told_once);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
