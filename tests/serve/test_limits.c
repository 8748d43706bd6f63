/* test_limits.c - buckets by a clock of our own, and their headers over HTTP. */
#include "raw_http.h"

static limits *l;
static limit_state at;
static api_error e;

static void setup(void)
{
    l = limits_new();
}

static void teardown(void)
{
    limits_free(l);
}

static const limit_rates few = { .requests = 3, .tokens = 600 };

START_TEST(requests_run_out_and_come_back_with_time)
{
    for (int i = 0; i < 3; i++) {
        ck_assert(limits_take(l, "a", few, 0, 100, &at, &e));
        ck_assert_int_eq(at.remaining_requests, 2 - i);
    }
    ck_assert(!limits_take(l, "a", few, 0, 100, &at, &e));
    ck_assert_int_eq(e.status, 429);
    ck_assert_str_eq(e.type, "requests");
    ck_assert_str_eq(e.code, "rate_limit_exceeded");
    ck_assert_str_eq(e.message, "Rate limit reached on requests per min: Limit 3, Used 3, "
                     "Requested 1. Please try again in 20s.");
    ck_assert(e.retry_after_s > 19.99 && e.retry_after_s < 20.01);
    ck_assert(!limits_take(l, "a", few, 0, 119.9, &at, &e));
    ck_assert(limits_take(l, "a", few, 0, 120, &at, &e));
    ck_assert(!limits_take(l, "a", few, 0, 120, &at, &e));
    ck_assert(limits_take(l, "a", few, 0, 100000, &at, &e));
    ck_assert_int_eq(at.remaining_requests, 2);      /* never more than full */
}
END_TEST

START_TEST(keys_do_not_share_limits)
{
    for (int i = 0; i < 3; i++) ck_assert(limits_take(l, "a", few, 0, 0, &at, &e));
    ck_assert(!limits_take(l, "a", few, 0, 0, &at, &e));
    ck_assert(limits_take(l, "b", few, 0, 0, &at, &e));
}
END_TEST

START_TEST(tokens_are_taken_and_settled)
{
    ck_assert(limits_take(l, "a", few, 500, 0, &at, &e));
    ck_assert_int_eq(at.remaining_tokens, 100);
    ck_assert(at.reset_tokens_s > 49.99 && at.reset_tokens_s < 50.01);
    ck_assert(!limits_take(l, "a", few, 101, 0, &at, &e));
    ck_assert_str_eq(e.type, "tokens");
    ck_assert_int_eq(at.remaining_requests, 2);      /* the refused one took nothing */
    limits_settle(l, "a", few, -400, 0);             /* used 100 of the 500 */
    ck_assert(limits_take_tokens(l, "a", few, 101, 0, &at, &e));
    ck_assert_int_eq(at.remaining_tokens, 399);
    limits_settle(l, "a", few, 1000, 0);             /* used far more: waits it out */
    ck_assert(!limits_take(l, "a", few, 0, 60, &at, &e));
    ck_assert(limits_take(l, "a", few, 0, 61, &at, &e));
}
END_TEST

START_TEST(request_larger_than_any_minute_is_told_not_to_come_again)
{
    ck_assert(!limits_take(l, "a", few, 601, 0, &at, &e));
    ck_assert_int_eq(e.status, 429);
    ck_assert(e.never_retry);
    ck_assert_ptr_nonnull(strstr(e.message, "Request too large: Limit 600"));
}
END_TEST

START_TEST(no_limit_refuses_nothing)
{
    limit_rates none = { 0 };

    for (int i = 0; i < 10000; i++) ck_assert(limits_take(l, "a", none, 1000000, 0, &at, &e));
}
END_TEST

START_TEST(changed_limits_keep_what_was_used)
{
    limit_rates more = { .requests = 5, .tokens = 600 };

    for (int i = 0; i < 3; i++) ck_assert(limits_take(l, "a", few, 0, 0, &at, &e));
    ck_assert(limits_take(l, "a", more, 0, 0, &at, &e));
    ck_assert(limits_take(l, "a", more, 0, 0, &at, &e));
    ck_assert(!limits_take(l, "a", more, 0, 0, &at, &e));
}
END_TEST

START_TEST(clock_that_stands_or_goes_back_gives_nothing)
{
    for (int i = 0; i < 3; i++) ck_assert(limits_take(l, "a", few, 0, 100, &at, &e));
    ck_assert(!limits_take(l, "a", few, 0, 50, &at, &e));
    ck_assert(!limits_take(l, "a", few, 0, 100, &at, &e));
}
END_TEST

/* ------------------------------------------------------------------- over HTTP */

static void start_limited(void)
{
    char path[] = "/tmp/test-limits-XXXXXX";
    static const char text[] =
        "{\"keys\":[{\"name\":\"a\",\"key\":\"sk-aaaaaaaa\",\"requests_per_minute\":2,"
        "\"tokens_per_minute\":6000},{\"name\":\"b\",\"key\":\"sk-bbbbbbbb\"}]}";
    int fd = mkstemp(path);

    ck_assert_int_eq(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    start_server((server_options){ .keys_path = path });
    unlink(path);
}

#define AS_A "Authorization: Bearer sk-aaaaaaaa\r\n"
#define AS_B "Authorization: Bearer sk-bbbbbbbb\r\n"

START_TEST(counted_requests_carry_the_headers_and_then_429)
{
    char value[256];
    answer a;

    start_limited();
    a = get_with(port, "/v1/who", AS_A);
    ck_assert_int_eq(a.code, 200);
    ck_assert_str_eq(header(&a, "x-ratelimit-limit-requests", value), "2");
    ck_assert_str_eq(header(&a, "x-ratelimit-remaining-requests", value), "1");
    ck_assert_str_eq(header(&a, "x-ratelimit-reset-requests", value), "30s");
    ck_assert_str_eq(header(&a, "x-ratelimit-limit-tokens", value), "6000");
    ck_assert_str_eq(header(&a, "x-ratelimit-remaining-tokens", value), "6000");
    ck_assert_str_eq(header(&a, "x-ratelimit-reset-tokens", value), "0s");
    answer_fini(&a);
    a = get_with(port, "/v1/who", AS_A);
    answer_fini(&a);
    a = get_with(port, "/v1/who", AS_A);
    check_error(&a, 429, "requests", "rate_limit_exceeded", "", "Limit 2, Used ");
    ck_assert_str_ne(header(&a, "retry-after", value), "");
    ck_assert_int_le(atoi(value), 30);
    ck_assert_str_ne(header(&a, "retry-after-ms", value), "");
    ck_assert_str_eq(header(&a, "x-ratelimit-remaining-requests", value), "0");
    answer_fini(&a);
    a = get_with(port, "/v1/who", AS_B);             /* no limits: no headers */
    ck_assert_int_eq(a.code, 200);
    ck_assert_str_eq(header(&a, "x-ratelimit-limit-requests", value), "");
    answer_fini(&a);
    a = post_with(port, "/v1/echo", AS_A, "{}");     /* a route that does not count */
    ck_assert_int_eq(a.code, 200);
    answer_fini(&a);
    stop_server();
}
END_TEST

START_TEST(handlers_take_and_settle_tokens)
{
    char value[256];
    answer a;

    start_limited();
    a = post_with(port, "/v1/spend", AS_A, "{\"tokens\":1000,\"more\":4900}");
    ck_assert_int_eq(a.code, 200);
    ck_assert_str_eq(header(&a, "x-ratelimit-remaining-tokens", value), "5000");
    answer_fini(&a);
    a = post_with(port, "/v1/spend", AS_A, "{\"tokens\":5000}");
    check_error(&a, 429, "tokens", "rate_limit_exceeded", "", "tokens per min");
    ck_assert_str_ne(header(&a, "retry-after", value), "");
    answer_fini(&a);
    a = post_with(port, "/v1/spend", AS_A, "{\"tokens\":6001}");
    check_error(&a, 429, "tokens", "rate_limit_exceeded", "", "Request too large");
    ck_assert_str_eq(header(&a, "x-should-retry", value), "false");
    answer_fini(&a);
    stop_server();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tc = tcase_create("limits");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, requests_run_out_and_come_back_with_time);
    tcase_add_test(tc, keys_do_not_share_limits);
    tcase_add_test(tc, tokens_are_taken_and_settled);
    tcase_add_test(tc, request_larger_than_any_minute_is_told_not_to_come_again);
    tcase_add_test(tc, no_limit_refuses_nothing);
    tcase_add_test(tc, changed_limits_keep_what_was_used);
    tcase_add_test(tc, clock_that_stands_or_goes_back_gives_nothing);
    tcase_add_test(tc, counted_requests_carry_the_headers_and_then_429);
    tcase_add_test(tc, handlers_take_and_settle_tokens);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
