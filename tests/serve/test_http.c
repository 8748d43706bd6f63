/* test_http.c - a server driven with raw bytes. */
#include "raw_http.h"

static void setup(void)
{
    start_server((server_options){ .keep_alive_s = 0.2, .max_pending = 200000,
                                   .max_connections = 300, .linger_s = 0.1, .header_s = 100,
                                   .body_s = 100, .idle_s = 100 });
}

/* Deadlines that a test can wait for; too short for a machine under load to meet. */
static void be_impatient(void)
{
    stop_server();
    start_server((server_options){ .keep_alive_s = 0.2, .header_s = 0.5, .body_s = 0.5,
                                   .idle_s = 0.5, .stall_s = 1 });
}

static void teardown(void)
{
    stop_server();
}

/* Other clients are unharmed. */
static void check_alive(void)
{
    answer a = post(port, "/v1/echo", "{\"still\":\"here\"}");

    ck_assert_int_eq(a.code, 200);
    ck_assert_str_eq(a.body.data, "{\"still\":\"here\"}");
    answer_fini(&a);
}

/* -------------------------------------------------------------- plain requests */

START_TEST(reply_carries_the_headers_clients_read)
{
    char value[256];
    answer a = post(port, "/v1/echo", "{\"a\":1}");

    ck_assert_int_eq(a.code, 200);
    ck_assert_str_eq(a.body.data, "{\"a\":1}");
    ck_assert_str_eq(header(&a, "content-type", value), "application/json");
    ck_assert_int_eq(strncmp(header(&a, "x-request-id", value), "req_", 4), 0);
    ck_assert_uint_eq(strlen(value), 36);
    ck_assert_str_eq(header(&a, "openai-version", value), "2020-10-01");
    ck_assert_str_eq(header(&a, "openai-organization", value), "ponder");
    ck_assert_str_ne(header(&a, "openai-processing-ms", value), "");
    ck_assert_str_eq(header(&a, "access-control-allow-origin", value), "");
    ck_assert_str_eq(header(&a, "x-ratelimit-limit-requests", value), "");
    answer_fini(&a);
}
END_TEST

START_TEST(one_connection_serves_many_requests_also_pipelined)
{
    static const char two[] =
        "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
        "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\n{\"a\r\n4;x=y\r\n\":2}\r\n0\r\n\r\n";
    int fd = dial(port);

    for (int round = 0; round < 3; round++) {
        send_text(fd, two);
        for (int i = 0; i < 2; i++) {
            answer a = read_answer(fd);

            ck_assert_int_eq(a.code, 200);
            ck_assert_str_eq(a.body.data, i ? "{\"a\":2}" : "{\"a\":1}");
            answer_fini(&a);
        }
    }
    close(fd);
}
END_TEST

START_TEST(request_that_comes_byte_by_byte_is_understood)
{
    static const char text[] =
        "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    int fd = dial(port), on = 1;
    answer a;

    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    for (size_t i = 0; i < sizeof text - 1; i++) send_all(fd, text + i, 1);
    a = read_answer(fd);
    ck_assert_int_eq(a.code, 200);
    answer_fini(&a);
    close(fd);
}
END_TEST

START_TEST(paths_are_matched_by_segment_and_decoded)
{
    static const struct { const char *path; int code; const char *id; } cases[] = {
        { "/v1/things/a", 200, "a" },
        { "/v1/things/a%2Fb%20c", 200, "a/b c" },
        { "/v1/things/ft%3Ao1%3A%3A7", 200, "ft:o1::7" },
        { "/v1/things/a+b", 200, "a+b" },
        { "/v1/things/a/parts/7", 200, "a" },
        { "/v1/models/Qwen/Qwen3-0.6B", 200, "Qwen/Qwen3-0.6B" },
        { "/v1/models/ft:o1", 200, "ft:o1" },
        { "/v1/things/special", 500, NULL },     /* the literal route, which says nothing */
        { "/v1/things/", 404, NULL },
        { "/v1/things", 404, NULL },
        { "/v1/things/a/", 404, NULL },
        { "/v1//things/a", 404, NULL },
        { "/v1/things/a/b", 404, NULL },
        { "/", 404, NULL },
        { "/v1/things/%zz", 400, NULL },
        { "/v1/things/%00", 400, NULL },
        { "/v1/things/%4", 400, NULL },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answer a = get(port, cases[i].path);
        json_t *root = json_loadb(a.body.data, a.body.len, 0, NULL);

        ck_assert_msg(a.code == cases[i].code, "%s: %d", cases[i].path, a.code);
        if (cases[i].id)
            ck_assert_str_eq(json_string_value(json_object_get(root, "id")), cases[i].id);
        json_decref(root);
        answer_fini(&a);
    }
}
END_TEST

START_TEST(queries_are_decoded_and_numbers_checked)
{
    answer a = get(port, "/v1/things/x?metadata%5Bk%5D=a+b%26c&limit=7&empty=&flag");

    ck_assert_str_eq(a.body.data, "{\"id\":\"x\",\"limit\":7,\"query\":[[\"metadata[k]\",\"a b&c\"],"
                     "[\"limit\",\"7\"],[\"empty\",\"\"],[\"flag\",\"\"]]}");
    answer_fini(&a);
    for (int i = 0; i < 6; i++) {
        static const char *const bad[] = { "0", "101", "abc", "1.5", "", "99999999999999999999" };
        char path[64];

        snprintf(path, sizeof path, "/v1/things/x?limit=%s", bad[i]);
        a = get(port, path);
        check_error(&a, 400, "invalid_request_error", "invalid_value", "limit", "from 1 to 100");
        answer_fini(&a);
    }
    a = get(port, "/v1/things/x?a=%zz");
    check_error(&a, 400, "invalid_request_error", "", "", "percent escape");
    answer_fini(&a);
}
END_TEST

START_TEST(wrong_method_and_path_have_the_error_shape)
{
    char value[256];
    answer a = get(port, "/v1/echo");

    check_error(&a, 405, "invalid_request_error", "", "", "Not allowed to GET on /v1/echo");
    ck_assert_str_eq(header(&a, "allow", value), "POST");
    answer_fini(&a);
    a = post(port, "/v1/things/a", "{}");
    check_error(&a, 405, "invalid_request_error", "", "", "(allowed: GET, HEAD, DELETE)");
    answer_fini(&a);
    a = post(port, "/v1/no\"where", "{}");
    check_error(&a, 404, "invalid_request_error", "", "", "Invalid URL (POST /v1/no\"where)");
    answer_fini(&a);
    a = ask(port, "HEAD /health HTTP/1.0\r\n\r\n");
    ck_assert_int_eq(a.code, 200);
    answer_fini(&a);
}
END_TEST

START_TEST(file_is_sent_whole)
{
    answer a = get(port, "/v1/content");

    ck_assert_int_eq(a.code, 200);
    ck_assert_uint_eq(a.body.len, 200000);
    ck_assert(!memcmp(a.body.data, "begin", 5));
    answer_fini(&a);
}
END_TEST

/* ------------------------------------------------------------------- bad bodies */

START_TEST(bad_json_is_refused_with_its_place)
{
    static const struct { const char *body, *part; } cases[] = {
        { "", "no body" },
        { "{\"a\":1,}", "at byte 8 (line 1, column 8)" },
        { "{\n \"a\": tru\n}", "(line 2, column" },
        { "{\"a\":1} x", "at byte 9" },
        { "{\"a\":1,\"a\":2}", "duplicate object key" },
        { "{\"a\":1e999}", "real number overflow" },
        { "{\"a\":99999999999999999999}", "too big integer" },
        { "{\"a\":\"\\ud800\"}", "invalid Unicode" },
        { "{\"a\":\"\\u0000\"}", "\\u0000 is not allowed" },
        { "{\"a\":\"\xC0\xAF\"}", "unable to decode byte 0xc0" },
        { "{\"a\":\"\x01\"}", "control character 0x1" },
        { "{\"a\":NaN}", "invalid token" },
        { "[1]", "not a JSON object" },
        { "\"text\"", "'[' or '{' expected" },
        { "{\"a\":-}", "invalid token" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answer a = post(port, "/v1/echo", cases[i].body);

        check_error(&a, 400, "invalid_request_error", "", "", cases[i].part);
        answer_fini(&a);
    }
    check_alive();
}
END_TEST

START_TEST(json_nested_without_end_is_refused)
{
    for (int kind = 0; kind < 2; kind++) {
        bytes body = { 0 };
        answer a;

        bytes_add_string(&body, "{\"a\":");
        for (int i = 0; i < 100000; i++) bytes_add_string(&body, kind ? "[" : "{\"a\":");
        a = post(port, "/v1/echo", body.data);
        check_error(&a, 400, "invalid_request_error", "", "", "maximum parsing depth reached");
        answer_fini(&a);
        bytes_fini(&body);
    }
    check_alive();
}
END_TEST

START_TEST(body_above_the_limit_is_refused_however_it_is_sent)
{
    static const char declared[] =
        "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10737418240\r\n\r\n{\"a\":\"";
    static const char chunked[] =
        "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    char *block = mem_new(65537);
    answer a = ask(port, declared);
    int fd;

    check_error(&a, 413, "invalid_request_error", "request_too_large", "", "1048576 bytes");
    answer_fini(&a);
    memset(block, ' ', 65536);
    fd = dial(port);
    send_text(fd, chunked);
    for (int i = 0; i < 20; i++) {
        send_text(fd, "10000\r\n");
        send_all(fd, block, 65536);
        send_text(fd, "\r\n");
    }
    a = read_answer(fd);
    check_error(&a, 413, "invalid_request_error", "request_too_large", "", "1048576 bytes");
    answer_fini(&a);
    ck_assert(is_closed(fd));
    close(fd);
    mem_free(block);
    check_alive();
}
END_TEST

START_TEST(client_that_sends_all_of_a_refused_body_reads_the_answer)
{
    bytes text = { 0 };
    int fd = dial(port);
    answer a;

    bytes_add_string(&text, "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n"
                     "Content-Length: 8000000\r\n\r\n");
    for (int i = 0; i < 8000000; i++) bytes_add_char(&text, ' ');
    send_all(fd, text.data, text.len);
    a = read_answer(fd);
    check_error(&a, 413, "invalid_request_error", "request_too_large", "", "larger than");
    answer_fini(&a);
    bytes_fini(&text);
    close(fd);
}
END_TEST

START_TEST(expecting_client_is_told_to_go_on_or_not_to)
{
    answer a;
    char c[32] = "";
    int fd = dial(port);

    send_text(fd, "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n"
              "Expect: 100-continue\r\n\r\n");
    for (int i = 0; i < 12; i++) ck_assert(read_byte(fd, &c[i]));
    ck_assert_str_eq(c, "HTTP/1.1 100");
    send_text(fd, "{\"a\":1}");
    a = read_head(fd);
    answer_fini(&a);
    close(fd);
    a = ask(port, "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000000\r\n"
            "Expect: 100-continue\r\n\r\n");
    ck_assert_int_eq(a.code, 413);
    answer_fini(&a);
}
END_TEST

START_TEST(encoded_bodies_are_refused_not_inflated)
{
    answer a = post_with(port, "/v1/echo", "Content-Encoding: gzip\r\n", "\x1f\x8b\x08");

    check_error(&a, 415, "invalid_request_error", "unsupported_content_encoding", "", "'gzip'");
    answer_fini(&a);
    check_alive();
}
END_TEST

/* --------------------------------------------------------------------- framing */

START_TEST(requests_that_could_be_read_in_two_ways_are_refused_and_closed)
{
    static const struct { const char *text; int code; } cases[] = {
        { "Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}", 400 },
        { "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400 },
        { "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
        { "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400 },
        { "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400 },
        { "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400 },
        { "Content-Length: -5\r\n\r\n{}", 400 },
        { "Content-Length: +5\r\n\r\n{}", 400 },
        { "Content-Length: 0x5\r\n\r\n{}", 400 },
        { "Content-Length: 5 5\r\n\r\n{}", 400 },
        { "Content-Length: 99999999999999999999999999\r\n\r\n{}", 413 },
        { "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}\r\n", 413 },
        { "Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n", 400 },
        { "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", 400 },
        { "Host: elsewhere\r\nContent-Length: 2\r\n\r\n{}", 400 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes text = { 0 };
        int fd = dial(port);
        answer a;

        bytes_add_format(&text, "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n%s", cases[i].text);
        send_all(fd, text.data, text.len);
        a = read_answer(fd);
        ck_assert_msg(a.code == cases[i].code, "%s: %d", cases[i].text, a.code);
        check_error(&a, cases[i].code, "invalid_request_error", "", "", "");
        /* What follows is not taken for a request. */
        send_text(fd, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        ck_assert(is_closed(fd));
        answer_fini(&a);
        bytes_fini(&text);
        close(fd);
    }
    check_alive();
}
END_TEST

START_TEST(missing_host_and_bytes_that_are_no_http_are_refused)
{
    answer a = ask(port, "POST /v1/echo HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");

    check_error(&a, 400, "invalid_request_error", "", "", "0 Host headers");
    answer_fini(&a);
    for (int i = 0; i < 4; i++) {
        static const char *const noise[] = {
            "GARBAGE\r\n\r\n", "\x16\x03\x01\x02\x01\xfc\x03\x03\r\n\r\n",
            "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        };

        a = ask(port, noise[i]);
        ck_assert_msg(a.code == 0 || a.code >= 400, "%d", a.code);
        answer_fini(&a);
    }
    check_alive();
}
END_TEST

START_TEST(oversized_heads_are_refused_with_431)
{
    static const int sizes_kb[] = { 40, 90, 300, 1024 };

    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < sizeof sizes_kb / sizeof *sizes_kb; i++) {
            bytes text = { 0 };
            answer a;

            bytes_add_string(&text, "GET /health HTTP/1.1\r\nHost: localhost\r\n");
            for (int n = 0; n < sizes_kb[i] * 1024;) {
                size_t before = text.len;

                if (kind) bytes_add_format(&text, "X-%d: some value of no use\r\n", n);
                else bytes_add_string(&text, n ? "aaaaaaaaaaaaaaaa" : "X-Big: ");
                n += (int)(text.len - before);
            }
            bytes_add_string(&text, "\r\n\r\n");
            a = ask(port, text.data);
            check_error(&a, 431, "invalid_request_error", "", "", "The head is larger than");
            answer_fini(&a);
            bytes_fini(&text);
        }
    }
    check_alive();
}
END_TEST

START_TEST(very_long_path_is_refused)
{
    bytes path = { 0 };
    answer a;

    bytes_add_string(&path, "/v1/things/");
    for (int i = 0; i < 40000; i++) bytes_add_char(&path, 'a');
    a = get(port, path.data);
    ck_assert_msg(a.code == 431 || a.code == 414, "%d", a.code);
    answer_fini(&a);
    bytes_fini(&path);
    check_alive();
}
END_TEST

/* ----------------------------------------------------------- who takes too long */

START_TEST(slow_heads_get_408)
{
    double start;
    answer a;
    int fd;

    be_impatient();
    fd = dial(port);
    start = clock_s();
    send_text(fd, "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n");
    /* A byte now and then does not buy time. */
    while (clock_s() - start < 20) {
        send_text(fd, "X");
        usleep(100000);
        if (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) > 0) break;
    }
    a = read_answer(fd);
    check_error(&a, 408, "invalid_request_error", "request_timeout", "", "in time");
    answer_fini(&a);
    close(fd);
}
END_TEST

START_TEST(slow_bodies_get_408)
{
    double start;
    answer a;
    int fd;

    be_impatient();
    fd = dial(port);
    start = clock_s();
    send_text(fd, "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
    while (clock_s() - start < 20) {
        send_text(fd, " ");
        usleep(100000);
        if (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) > 0) break;
    }
    a = read_answer(fd);
    check_error(&a, 408, "invalid_request_error", "request_timeout", "", "in time");
    answer_fini(&a);
    close(fd);
}
END_TEST

START_TEST(idle_connections_are_closed)
{
    int quiet, used;
    answer a;

    be_impatient();
    quiet = dial(port);
    used = dial(port);
    send_text(used, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    a = read_answer(used);
    answer_fini(&a);
    ck_assert(is_closed(used));
    a = read_answer(quiet);          /* said nothing: told 408, and closed */
    ck_assert_int_eq(a.code, 408);
    answer_fini(&a);
    close(quiet);
    close(used);
}
END_TEST

START_TEST(long_work_is_not_taken_for_a_stall)
{
    answer a;

    be_impatient();
    a = post(port, "/v1/jobs", "{\"wait_ms\":2200}");
    ck_assert_int_eq(a.code, 200);
    ck_assert_str_eq(a.body.data, "{\"late\":true}");
    answer_fini(&a);
}
END_TEST

START_TEST(client_past_the_last_place_gets_503_and_places_come_back)
{
    int *fds = mem_array(300, sizeof *fds);
    char value[256];
    answer a;

    stop_server();
    start_server((server_options){ .max_connections = 20 });
    for (int i = 0; i < 20; i++) {
        fds[i] = dial(port);
        send_text(fds[i], "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        a = read_answer(fds[i]);
        ck_assert_int_eq(a.code, 200);
        answer_fini(&a);
    }
    for (int i = 20; i < 120; i++) {
        fds[i] = dial(port);
        send_text(fds[i], "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    a = read_answer(fds[119]);
    check_error(&a, 503, "server_error", "overloaded", "", "no place");
    ck_assert_str_eq(header(&a, "retry-after", value), "1");
    answer_fini(&a);
    send_text(fds[0], "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    a = read_answer(fds[0]);         /* those inside are served */
    ck_assert_int_eq(a.code, 200);
    answer_fini(&a);
    for (int i = 0; i < 120; i++) close(fds[i]);
    for (int tries = 0;; tries++) {
        a = get(port, "/health");
        if (a.code == 200) break;
        ck_assert_int_lt(tries, 200);
        answer_fini(&a);
        usleep(20000);
    }
    answer_fini(&a);
    mem_free(fds);
}
END_TEST

/* ------------------------------------------------------------- late and streamed */

START_TEST(reply_that_nobody_gives_becomes_a_500)
{
    answer a = post(port, "/v1/nothing", "{}");

    check_error(&a, 500, "server_error", "", "", "The server had an error");
    answer_fini(&a);
    a = post(port, "/v1/jobs", "{\"leave\":true,\"wait_ms\":50}");
    check_error(&a, 500, "server_error", "", "", "The server had an error");
    answer_fini(&a);
}
END_TEST

START_TEST(responses_stream_numbers_its_events)
{
    char value[256], want[256];
    const char *at;
    answer a = post(port, "/v1/jobs", "{\"stream\":true,\"n\":20,\"size\":3}");

    ck_assert_int_eq(a.code, 200);
    ck_assert_str_eq(header(&a, "content-type", value), "text/event-stream; charset=utf-8");
    ck_assert_str_eq(header(&a, "cache-control", value), "no-cache");
    at = a.body.data;
    for (int i = 0; i < 20; i++) {
        snprintf(want, sizeof want, "event: response.output_text.delta\ndata: {\"delta\":\"xxx\","
                 "\"type\":\"response.output_text.delta\",\"sequence_number\":%d}\n\n", i);
        ck_assert_int_eq(strncmp(at, want, strlen(want)), 0);
        at += strlen(want);
    }
    ck_assert_str_eq(at, "");
    answer_fini(&a);
}
END_TEST

START_TEST(chat_stream_ends_with_done_also_after_an_error)
{
    answer a = post(port, "/v1/jobs", "{\"stream\":true,\"chat\":true,\"n\":1,\"size\":1,"
                    "\"fail_late\":true}");

    ck_assert_str_eq(a.body.data, "data: {\"delta\":\"x\"}\n\n"
                     "data: {\"error\":{\"message\":\"broke \xEF\xBF\xBD off\",\"type\":"
                     "\"server_error\",\"param\":null,\"code\":\"late\"}}\n\ndata: [DONE]\n\n");
    answer_fini(&a);
    a = post(port, "/v1/jobs", "{\"stream\":true,\"n\":0,\"fail_late\":true}");
    ck_assert_str_eq(a.body.data, "event: error\ndata: {\"message\":\"broke \xEF\xBF\xBD off\","
                     "\"type\":\"error\",\"param\":null,\"code\":\"late\","
                     "\"sequence_number\":0}\n\n");
    answer_fini(&a);
}
END_TEST

static void send_job(int fd, const char *body)
{
    bytes text = { 0 };

    bytes_add_format(&text, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n"
                     "\r\n%s", strlen(body), body);
    send_all(fd, text.data, text.len);
    bytes_fini(&text);
}

START_TEST(head_of_a_stream_comes_before_its_first_event_and_comments_in_the_silence)
{
    int fd = dial(port);
    bytes chunk = { 0 };
    answer a;

    send_job(fd, "{\"stream\":true,\"n\":2,\"size\":1,\"wait_ms\":1500}");
    a = read_head(fd);
    ck_assert_int_eq(a.code, 200);
    ck_assert_int_gt(read_chunk(fd, &chunk), 0);
    ck_assert_int_eq(strncmp(chunk.data, "event: ", 7), 0);
    bytes_clear(&chunk);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_gt(read_chunk(fd, &chunk), 0);
        ck_assert_str_eq(chunk.data, ": keep-alive\n\n");
        bytes_clear(&chunk);
    }
    answer_fini(&a);
    bytes_fini(&chunk);
    close(fd);
}
END_TEST

static void wait_for(atomic_int *n, int want)
{
    for (int i = 0; i < 2000 && atomic_load(n) < want; i++) usleep(5000);
    ck_assert_int_ge(atomic_load(n), want);
}

START_TEST(client_that_vanishes_in_mid_stream_cancels_the_work)
{
    int fd = dial(port);
    bytes chunk = { 0 };
    answer a;

    send_job(fd, "{\"stream\":true,\"end_never\":true,\"size\":10,\"wait_ms\":20}");
    a = read_head(fd);
    ck_assert_int_gt(read_chunk(fd, &chunk), 0);
    close(fd);
    wait_for(&n_gone, 1);
    wait_for(&n_gone_later, 1);
    answer_fini(&a);
    bytes_fini(&chunk);
    check_alive();
}
END_TEST

START_TEST(client_that_vanishes_while_nothing_is_sent_cancels_the_work)
{
    for (int stream = 0; stream < 2; stream++) {
        int fd = dial(port);

        send_job(fd, stream ? "{\"stream\":true,\"n\":2,\"wait_ms\":60000}"
                            : "{\"wait_ms\":60000}");
        wait_for(&n_run, stream + 1);
        usleep(20000);
        close(fd);
        wait_for(&n_gone, stream + 1);
    }
}
END_TEST

START_TEST(client_that_never_reads_is_dropped_and_others_served)
{
    int fd = dial(port), small = 4096;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    send_job(fd, "{\"stream\":true,\"end_never\":true,\"size\":5000,\"wait_ms\":0}");
    wait_for(&n_run, 1);
    check_alive();
    wait_for(&n_gone_later, 1);      /* max_pending was reached: its work has ended */
    close(fd);
    check_alive();
}
END_TEST

START_TEST(client_that_reads_slowly_gets_everything)
{
    int fd = dial(port), small = 4096;
    bytes body = { 0 };
    answer a;
    long n;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    send_job(fd, "{\"stream\":true,\"n\":12,\"size\":5000}");
    a = read_head(fd);
    while ((n = read_chunk(fd, &body)) > 0) usleep(5000);
    ck_assert_int_eq(n, 0);
    ck_assert_ptr_nonnull(strstr(body.data, "\"sequence_number\":11}"));
    ck_assert_uint_gt(body.len, 12 * 5000);
    answer_fini(&a);
    bytes_fini(&body);
    close(fd);
}
END_TEST

typedef struct many {
    pthread_t thread;
    int i;
    bool ok;
    answer a;
} many;

static void *run_one(void *arg)
{
    many *m = arg;
    char want[64];
    int fd = dial(port);
    answer a;

    send_job(fd, m->i % 3 ? "{\"stream\":true,\"n\":25,\"size\":40,\"wait_ms\":20}"
                          : "{\"wait_ms\":300}");
    a = read_answer(fd);
    snprintf(want, sizeof want, "\"sequence_number\":%d}\n\n", 24);
    m->ok = a.code == 200 &&
            (m->i % 3 ? a.body.len > strlen(want) &&
                            !strcmp(a.body.data + a.body.len - strlen(want), want)
                      : !strcmp(a.body.data, "{\"late\":true}"));
    m->a = a;
    close(fd);
    return NULL;
}

START_TEST(two_hundred_connections_are_served_at_once)
{
    many *all = mem_array(200, sizeof *all);

    for (int i = 0; i < 200; i++) {
        all[i].i = i;
        ck_assert_int_eq(pthread_create(&all[i].thread, NULL, run_one, &all[i]), 0);
    }
    for (int i = 0; i < 200; i++) {
        pthread_join(all[i].thread, NULL);
        ck_assert_msg(all[i].ok, "client %d: %d, %zu bytes, ends in %.200s", i, all[i].a.code,
                      all[i].a.body.len, all[i].a.body.len > 200
                          ? all[i].a.body.data + all[i].a.body.len - 200 : all[i].a.body.data);
        answer_fini(&all[i].a);
    }
    ck_assert_int_eq(atomic_load(&n_run), 200);
    ck_assert_int_eq(atomic_load(&n_gone), 0);
    mem_free(all);
}
END_TEST

/* ----------------------------------------------------------------------- forms */

static answer post_form(const char *content_type, const char *body)
{
    bytes text = { 0 };
    answer a;

    bytes_add_format(&text, "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n"
                     "Content-Length: %zu\r\n\r\n%s", content_type, strlen(body), body);
    a = ask(port, text.data);
    bytes_fini(&text);
    return a;
}

#define FORM "multipart/form-data; boundary=BB"
#define PURPOSE "--BB\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
#define FILE_PART(CONTENT) "--BB\r\nContent-Disposition: form-data; name=\"file\"; " \
    "filename=\"a.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n" CONTENT "\r\n"

START_TEST(form_comes_in_pieces_field_by_field)
{
    answer a = post_form(FORM, PURPOSE FILE_PART("{\"x\":1}\r\n--not a border\r\n") "--BB--\r\n");

    ck_assert_int_eq(a.code, 200);
    ck_assert_str_eq(a.body.data, "[purpose -]batch[file a.jsonl]{\"x\":1}\r\n--not a border\r\n");
    answer_fini(&a);
}
END_TEST

START_TEST(forms_that_are_none_are_refused)
{
    answer a = post_form(FORM, PURPOSE FILE_PART("{\"x\":1}"));

    check_error(&a, 400, "invalid_request_error", "", "", "ends before its last boundary");
    answer_fini(&a);
    a = post_form("application/json", "{}");
    check_error(&a, 415, "invalid_request_error", "unsupported_content_type", "",
                "multipart/form-data is expected");
    answer_fini(&a);
    a = post_form("multipart/form-data", "{}");
    check_error(&a, 400, "invalid_request_error", "", "", "boundary");
    answer_fini(&a);
    a = post_form(FORM, "--BB\r\nContent-Disposition: form-data; name=\"bad\"\r\n\r\nx\r\n"
                  "--BB--\r\n");
    check_error(&a, 400, "invalid_request_error", "", "bad", "not this field");
    answer_fini(&a);
    a = post_with(port, "/v1/echo", "Content-Type: multipart/form-data; boundary=xx\r\n", "{}");
    check_error(&a, 415, "invalid_request_error", "unsupported_content_type", "",
                "application/json is expected");
    answer_fini(&a);
    check_alive();
}
END_TEST

/* ------------------------------------------------------------------- web pages */

START_TEST(web_pages_may_call_only_when_they_are_named)
{
    static const char *const pages[] = { "https://app.example" };
    char value[256];
    answer a = post_with(port, "/v1/echo", "Origin: https://evil.example\r\n", "{}");

    check_error(&a, 403, "invalid_request_error", "origin_not_allowed", "", "evil.example");
    ck_assert_str_eq(header(&a, "access-control-allow-origin", value), "");
    answer_fini(&a);
    stop_server();
    start_server((server_options){ .origins = pages, .n_origin = 1 });
    a = post_with(port, "/v1/echo", "Origin: https://app.example\r\n", "{}");
    ck_assert_int_eq(a.code, 200);
    ck_assert_str_eq(header(&a, "access-control-allow-origin", value), "https://app.example");
    ck_assert_ptr_nonnull(strstr(header(&a, "access-control-expose-headers", value),
                                 "X-Request-ID"));
    answer_fini(&a);
    a = ask(port, "OPTIONS /v1/echo HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n"
            "Access-Control-Request-Method: POST\r\n"
            "Access-Control-Request-Headers: authorization\r\n\r\n");
    ck_assert_int_eq(a.code, 204);
    ck_assert_str_eq(header(&a, "access-control-allow-methods", value), "GET, POST, DELETE");
    ck_assert_str_eq(header(&a, "access-control-allow-headers", value), "authorization");
    answer_fini(&a);
    a = post_with(port, "/v1/echo", "Origin: https://app.example.evil\r\n", "{}");
    ck_assert_int_eq(a.code, 403);
    answer_fini(&a);
}
END_TEST

START_TEST(names_rebound_to_this_machine_are_refused)
{
    answer a = ask(port, "GET /health HTTP/1.1\r\nHost: evil.example:80\r\n\r\n");

    check_error(&a, 403, "invalid_request_error", "host_not_allowed", "", "evil.example");
    answer_fini(&a);
    for (int i = 0; i < 4; i++) {
        static const char *const own[] = { "localhost:8080", "127.0.0.1", "[::1]:1",
                                           "x.localhost" };
        char text[128];

        snprintf(text, sizeof text, "GET /health HTTP/1.1\r\nHost: %s\r\n\r\n", own[i]);
        a = ask(port, text);
        ck_assert_int_eq(a.code, 200);
        answer_fini(&a);
    }
}
END_TEST

/* ----------------------------------------------------------------------- drain */

static void *wait_drained(void *arg)
{
    server_wait(srv);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

START_TEST(sigterm_lets_requests_end_and_takes_no_new_ones)
{
    int running = dial(port), idle = dial(port);
    atomic_bool over = false;
    pthread_t waiter;
    answer a;

    send_text(idle, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    a = read_answer(idle);
    answer_fini(&a);
    send_job(running, "{\"stream\":true,\"n\":10,\"size\":5,\"wait_ms\":100}");
    wait_for(&n_run, 1);
    server_stop_on_signals(srv);
    pthread_create(&waiter, NULL, wait_drained, &over);
    kill(getpid(), SIGTERM);
    ck_assert(is_closed(idle));
    ck_assert(server_draining(srv));
    ck_assert(!atomic_load(&over));
    a = read_answer(running);
    ck_assert_int_eq(a.code, 200);
    ck_assert_ptr_nonnull(strstr(a.body.data, "\"sequence_number\":9}"));
    answer_fini(&a);
    pthread_join(waiter, NULL);
    ck_assert_int_eq(atomic_load(&n_gone), 0);
    close(running);
    close(idle);
}
END_TEST

START_TEST(drain_that_takes_too_long_cancels_what_still_runs)
{
    int fd;
    answer a;

    stop_server();
    start_server((server_options){ .drain_s = 0.1 });
    fd = dial(port);
    send_job(fd, "{\"wait_ms\":60000}");
    wait_for(&n_run, 1);
    server_stop(srv);
    server_wait(srv);
    ck_assert_int_eq(atomic_load(&n_gone), 1);
    a = read_answer(fd);
    ck_assert_int_eq(a.code, 0);
    answer_fini(&a);
    close(fd);
}
END_TEST

START_TEST(server_freed_under_load_ends_cleanly)
{
    int fds[8];

    for (int i = 0; i < 8; i++) {
        fds[i] = dial(port);
        send_job(fds[i], i % 2 ? "{\"wait_ms\":60000}"
                               : "{\"stream\":true,\"end_never\":true,\"wait_ms\":10}");
    }
    wait_for(&n_run, 8);
    stop_server();
    ck_assert_int_eq(atomic_load(&n_gone), 8);
    start_server((server_options){ 0 });
    for (int i = 0; i < 8; i++) close(fds[i]);
}
END_TEST

START_TEST(port_that_is_taken_is_reported)
{
    server_options o = { .port = port, .log_fd = -1 };
    server *other;

    ck_assert_int_eq(server_new(&other, &o, &err), E_IO);
    ck_assert_ptr_null(other);
    o = (server_options){ .host = "not an address", .log_fd = -1 };
    ck_assert_int_eq(server_new(&other, &o, &err), E_ARG);
    o = (server_options){ .host = "0.0.0.0", .log_fd = -1 };
    ck_assert_int_eq(server_new(&other, &o, &err), E_ARG);
    ck_assert_str_eq(err.text, "0.0.0.0: beyond this machine only with keys");
    o.open = true;
    OKAY(server_new(&other, &o, &err));
    server_free(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *tc = tcase_create("http");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, reply_carries_the_headers_clients_read);
    tcase_add_test(tc, one_connection_serves_many_requests_also_pipelined);
    tcase_add_test(tc, request_that_comes_byte_by_byte_is_understood);
    tcase_add_test(tc, paths_are_matched_by_segment_and_decoded);
    tcase_add_test(tc, queries_are_decoded_and_numbers_checked);
    tcase_add_test(tc, wrong_method_and_path_have_the_error_shape);
    tcase_add_test(tc, file_is_sent_whole);
    tcase_add_test(tc, bad_json_is_refused_with_its_place);
    tcase_add_test(tc, json_nested_without_end_is_refused);
    tcase_add_test(tc, body_above_the_limit_is_refused_however_it_is_sent);
    tcase_add_test(tc, client_that_sends_all_of_a_refused_body_reads_the_answer);
    tcase_add_test(tc, expecting_client_is_told_to_go_on_or_not_to);
    tcase_add_test(tc, encoded_bodies_are_refused_not_inflated);
    tcase_add_test(tc, requests_that_could_be_read_in_two_ways_are_refused_and_closed);
    tcase_add_test(tc, missing_host_and_bytes_that_are_no_http_are_refused);
    tcase_add_test(tc, oversized_heads_are_refused_with_431);
    tcase_add_test(tc, very_long_path_is_refused);
    tcase_add_test(tc, slow_heads_get_408);
    tcase_add_test(tc, slow_bodies_get_408);
    tcase_add_test(tc, idle_connections_are_closed);
    tcase_add_test(tc, long_work_is_not_taken_for_a_stall);
    tcase_add_test(tc, client_past_the_last_place_gets_503_and_places_come_back);
    tcase_add_test(tc, reply_that_nobody_gives_becomes_a_500);
    tcase_add_test(tc, responses_stream_numbers_its_events);
    tcase_add_test(tc, chat_stream_ends_with_done_also_after_an_error);
    tcase_add_test(tc, head_of_a_stream_comes_before_its_first_event_and_comments_in_the_silence);
    tcase_add_test(tc, client_that_vanishes_in_mid_stream_cancels_the_work);
    tcase_add_test(tc, client_that_vanishes_while_nothing_is_sent_cancels_the_work);
    tcase_add_test(tc, client_that_never_reads_is_dropped_and_others_served);
    tcase_add_test(tc, client_that_reads_slowly_gets_everything);
    tcase_add_test(tc, two_hundred_connections_are_served_at_once);
    tcase_add_test(tc, form_comes_in_pieces_field_by_field);
    tcase_add_test(tc, forms_that_are_none_are_refused);
    tcase_add_test(tc, web_pages_may_call_only_when_they_are_named);
    tcase_add_test(tc, names_rebound_to_this_machine_are_refused);
    tcase_add_test(tc, sigterm_lets_requests_end_and_takes_no_new_ones);
    tcase_add_test(tc, drain_that_takes_too_long_cancels_what_still_runs);
    tcase_add_test(tc, server_freed_under_load_ends_cleanly);
    tcase_add_test(tc, port_that_is_taken_is_reported);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
