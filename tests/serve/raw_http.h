/* raw_http.h - an HTTP client of raw bytes, and a small server to send them to.
 *
 * Definitions, for the files that include it. */
#ifndef TESTS_RAW_HTTP_H
#define TESTS_RAW_HTTP_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "serve/server.h"
#include "serve/sse.h"
#include "serve/work.h"

#include <check.h>       /* last: it has a macro named fail */

static errtext err;

#define OKAY(call) ck_assert_msg((call) == OK, "%s: %s", #call, err.text)

/* -------------------------------------------------------------------- client */

static inline int dial(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* What the other side no longer reads is no failure of the test. */
static inline void send_all(int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        p += n;
        len -= (size_t)n;
    }
}

static inline void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

/* A reply: head and body as one text each, the status, and the connection's rest. */
typedef struct answer {
    int code;                /* of HTTP; 0: closed without one */
    bytes head, body;
    bool closed;             /* by the server, after it */
} answer;

static inline void answer_fini(answer *a)
{
    bytes_fini(&a->head);
    bytes_fini(&a->body);
}

/* One byte more, or false at the end, or after a minute of silence. */
static inline bool read_byte(int fd, char *c)
{
    struct pollfd on = { .fd = fd, .events = POLLIN };

    if (poll(&on, 1, 60000) <= 0) return false;
    return recv(fd, c, 1, 0) == 1;
}

static inline bool read_line(int fd, bytes *out)
{
    size_t start = out->len;
    char c;

    while (read_byte(fd, &c)) {
        bytes_add_char(out, c);
        if (c == '\n') return out->len - start > 0;
    }
    return false;
}

/* The value of a header, in a buffer of the caller's; "" when absent. */
static inline const char *header(const answer *a, const char *name, char out[256])
{
    const char *at = a->head.data;

    out[0] = 0;
    while (at && (at = strchr(at, '\n'))) {
        at++;
        if (!strncasecmp(at, name, strlen(name)) && at[strlen(name)] == ':') {
            at += strlen(name) + 1;
            at += strspn(at, " ");
            snprintf(out, 256, "%.*s", (int)strcspn(at, "\r\n"), at);
            return out;
        }
    }
    return out;
}

static inline void read_bytes(int fd, bytes *out, size_t n)
{
    char block[4096];

    while (n) {
        struct pollfd on = { .fd = fd, .events = POLLIN };
        ssize_t got;

        if (poll(&on, 1, 60000) <= 0) return;
        got = recv(fd, block, n < sizeof block ? n : sizeof block, 0);
        if (got <= 0) return;
        bytes_add(out, block, (size_t)got);
        n -= (size_t)got;
    }
}

/* The next chunk of a chunked body; 0 at its end, -1 when it is broken off. */
static inline long read_chunk(int fd, bytes *out)
{
    bytes line = { 0 };
    long n;

    if (!read_line(fd, &line)) {
        bytes_fini(&line);
        return -1;
    }
    n = strtol(line.data, NULL, 16);
    read_bytes(fd, out, (size_t)n);
    bytes_clear(&line);
    read_line(fd, &line);
    bytes_fini(&line);
    return n;
}

static inline answer read_head(int fd)
{
    answer a = { 0 };

    do {
        bytes_clear(&a.head);
        while (read_line(fd, &a.head))
            if (a.head.len >= 4 && !memcmp(a.head.data + a.head.len - 4, "\r\n\r\n", 4)) break;
        if (a.head.len) sscanf(a.head.data, "HTTP/1.%*d %d", &a.code);
    } while (a.code == 100);
    return a;
}

static inline answer read_answer(int fd)
{
    char value[256];
    answer a = read_head(fd);
    char c;

    bytes_add(&a.body, "", 0);
    if (!a.code) {
        a.closed = true;
    } else if (*header(&a, "content-length", value)) {
        read_bytes(fd, &a.body, (size_t)atol(value));
    } else if (!strcasecmp(header(&a, "transfer-encoding", value), "chunked")) {
        while (read_chunk(fd, &a.body) > 0) { }
    } else if (a.code != 204) {
        while (read_byte(fd, &c)) bytes_add_char(&a.body, c);
        a.closed = true;
    }
    return a;
}

/* Whether the server closes the connection, within a minute. */
static inline bool is_closed(int fd)
{
    char c;

    return !read_byte(fd, &c);
}

static inline answer ask(int port, const char *request)
{
    int fd = dial(port);
    answer a;

    send_text(fd, request);
    a = read_answer(fd);
    close(fd);
    return a;
}

static inline answer post_with(int port, const char *path, const char *headers, const char *body)
{
    bytes text = { 0 };
    int fd = dial(port);
    answer a;

    bytes_add_format(&text, "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n"
                     "Content-Type: application/json\r\n\r\n%s", path, headers, strlen(body),
                     body);
    send_all(fd, text.data, text.len);
    bytes_fini(&text);
    a = read_answer(fd);
    close(fd);
    return a;
}

static inline answer post(int port, const char *path, const char *body)
{
    return post_with(port, path, "", body);
}

static inline answer get_with(int port, const char *path, const char *headers)
{
    bytes text = { 0 };
    answer a;

    bytes_add_format(&text, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, headers);
    a = ask(port, text.data);
    bytes_fini(&text);
    return a;
}

static inline answer get(int port, const char *path)
{
    return get_with(port, path, "");
}

/* The whole of an error: status, type, code and param ("" is null), and a part of
 * the message; and that the body has the four keys and no more. */
static inline void check_error(const answer *a, int code, const char *type, const char *name,
                               const char *param, const char *part)
{
    json_t *root = a->body.len ? json_loadb(a->body.data, a->body.len, 0, NULL) : NULL;
    json_t *e = json_object_get(root, "error");
    const char *got_code, *got_param;

    ck_assert_msg(a->code == code, "status %d, expected %d: %s", a->code, code,
                  a->body.data ? a->body.data : "");
    ck_assert_msg(e != NULL, "no error object: %s", a->body.data ? a->body.data : "");
    ck_assert_uint_eq(json_object_size(root), 1);
    ck_assert_uint_eq(json_object_size(e), 4);
    ck_assert_str_eq(json_string_value(json_object_get(e, "type")), type);
    got_code = json_string_value(json_object_get(e, "code"));
    got_param = json_string_value(json_object_get(e, "param"));
    ck_assert(got_code || json_is_null(json_object_get(e, "code")));
    ck_assert(got_param || json_is_null(json_object_get(e, "param")));
    ck_assert_str_eq(got_code ? got_code : "", name);
    ck_assert_str_eq(got_param ? got_param : "", param);
    ck_assert_msg(strstr(json_string_value(json_object_get(e, "message")), part) != NULL,
                  "message: %s", json_string_value(json_object_get(e, "message")));
    json_decref(root);
}

/* -------------------------------------------------------------------- server */

static server *srv;
static int port;
static work_queue *queue;
static pthread_t engine;
static atomic_int n_gone, n_gone_later, n_run, n_dropped;

/* What a stream or a late answer is asked to do. */
typedef struct job {
    reply *to;
    int n, size, wait_ms;
    bool stream, chat, leave, fail_late, end_never;
    atomic_bool cancelled;
} job;

static void job_gone(void *arg)
{
    job *j = arg;

    atomic_store(&j->cancelled, true);
    atomic_fetch_add(&n_gone, 1);
}

static void job_free(job *j)
{
    reply_on_gone(j->to, NULL, NULL);
    reply_unref(j->to);
    mem_free(j);
}

static void job_sleep(job *j)
{
    for (int ms = 0; ms < j->wait_ms && !atomic_load(&j->cancelled); ms += 5) usleep(5000);
}

static void *job_run_thread(void *arg)
{
    job *j = arg;
    sse s;

    job_sleep(j);
    if (j->leave) {
        job_free(j);
        return NULL;
    }
    if (!j->stream) {
        reply_json(j->to, 200, json_pack("{s:b}", "late", 1));
        job_free(j);
        return NULL;
    }
    sse_begin(&s, j->to, j->chat ? SSE_CHAT : SSE_RESPONSES, 0);
    for (int i = 0; i < j->n || j->end_never; i++) {
        char *text = mem_new((size_t)j->size + 1);
        bool sent;

        memset(text, 'x', (size_t)j->size);
        sent = sse_send(&s, "response.output_text.delta", json_pack("{s:s}", "delta", text));
        mem_free(text);
        if (!sent || atomic_load(&j->cancelled)) break;
        job_sleep(j);
    }
    if (j->fail_late) {
        api_error e;

        error_set(&e, 500, ERROR_SERVER, "late", NULL, "broke \xFF off");
        sse_error(&s, &e);
    }
    if (reply_gone(j->to)) atomic_fetch_add(&n_gone_later, 1);
    sse_end(&s);
    job_free(j);
    return NULL;
}

/* Each job has a thread of its own here; a real engine steps through them. */
static void job_run(void *arg)
{
    pthread_t thread;

    atomic_fetch_add(&n_run, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, job_run_thread, arg), 0);
    pthread_detach(thread);
}

static void job_drop(void *arg)
{
    atomic_fetch_add(&n_dropped, 1);
    job_free(arg);
}

static void *run_engine(void *arg)
{
    (void)arg;
    while (!work_closed(queue)) {
        task t;

        if (work_take(queue, &t, -1)) t.run(t.arg);
    }
    return NULL;
}

static void on_job(exchange *x, void *arg)
{
    json_t *body = exchange_json(x);
    job *j;
    task t;

    (void)arg;
    if (!body) return;
    j = mem_new(sizeof *j);
    j->n = (int)json_integer_value(json_object_get(body, "n"));
    j->size = (int)json_integer_value(json_object_get(body, "size"));
    j->wait_ms = (int)json_integer_value(json_object_get(body, "wait_ms"));
    j->stream = json_is_true(json_object_get(body, "stream"));
    j->chat = json_is_true(json_object_get(body, "chat"));
    j->leave = json_is_true(json_object_get(body, "leave"));
    j->fail_late = json_is_true(json_object_get(body, "fail_late"));
    j->end_never = json_is_true(json_object_get(body, "end_never"));
    j->to = reply_ref(exchange_reply(x));
    reply_on_gone(j->to, job_gone, j);
    t = (task){ job_run, job_drop, j };
    if (!work_post(queue, WORK_NOW, &t)) job_drop(j);
}

static void on_echo(exchange *x, void *arg)
{
    json_t *body = exchange_json(x);

    (void)arg;
    if (body) reply_json(exchange_reply(x), 200, json_incref(body));
}

static void on_thing(exchange *x, void *arg)
{
    const char *name, *value;
    int64_t limit;
    json_t *pairs;

    (void)arg;
    if (!exchange_query_int(x, "limit", 1, 100, 20, &limit)) return;
    pairs = json_array();
    for (int i = 0; exchange_query_at(x, i, &name, &value); i++)
        json_array_append_new(pairs, json_pack("[s, s]", name, value));
    reply_json(exchange_reply(x), 200,
               json_pack("{s:s, s:I, s:o}", "id", exchange_arg(x, 0), "limit",
                         (json_int_t)limit, "query", pairs));
}

static void on_nothing(exchange *x, void *arg)
{
    (void)x;
    (void)arg;
}

static void on_who(exchange *x, void *arg)
{
    const identity *who = exchange_identity(x);

    (void)arg;
    reply_json(exchange_reply(x), 200, json_pack("{s:s, s:s}", "key", who->name, "tenant",
                                                 who->tenant));
}

static void on_spend(exchange *x, void *arg)
{
    json_t *body = exchange_json(x);

    (void)arg;
    if (!body || !exchange_take_tokens(x, json_integer_value(json_object_get(body, "tokens"))))
        return;
    reply_charge(exchange_reply(x), json_integer_value(json_object_get(body, "more")));
    reply_json(exchange_reply(x), 200, json_object());
}

static void free_bytes(void *data)
{
    bytes_fini(data);
    mem_free(data);
}

static bool on_piece(exchange *x, void *arg, const form_piece *p)
{
    bytes *seen = exchange_kept(x);

    (void)arg;
    if (!seen) {
        seen = mem_new(sizeof *seen);
        exchange_keep(x, seen, free_bytes);
    }
    if (!strcmp(p->name, "bad")) {
        api_error e;

        error_bad(&e, "bad", "not this field");
        exchange_refuse(x, &e);
        return false;
    }
    if (p->at == 0) bytes_add_format(seen, "[%s %s]", p->name, p->filename ? p->filename : "-");
    bytes_add(seen, p->data, p->len);
    return true;
}

static void on_form(exchange *x, void *arg)
{
    bytes *seen = exchange_kept(x);

    (void)arg;
    reply_body(exchange_reply(x), 200, "text/plain", seen ? seen->data : "",
               seen ? seen->len : 0);
}

static void on_file(exchange *x, void *arg)
{
    char path[] = "/tmp/test-http-XXXXXX";
    int fd = mkstemp(path);

    (void)arg;
    unlink(path);
    ck_assert_int_eq(ftruncate(fd, 200000), 0);
    ck_assert_int_eq(pwrite(fd, "begin", 5, 0), 5);
    reply_file(exchange_reply(x), fd, 200000, "application/octet-stream");
}

static void start_server(server_options o)
{
    static const route routes[] = {
        { .method = "POST", .pattern = "/v1/echo", .fn = on_echo, .max_body = 1 << 20 },
        { .method = "POST", .pattern = "/v1/jobs", .fn = on_job },
        { .method = "GET", .pattern = "/v1/things/{id}", .fn = on_thing },
        { .method = "DELETE", .pattern = "/v1/things/{id}", .fn = on_thing },
        { .method = "GET", .pattern = "/v1/things/special", .fn = on_nothing },
        { .method = "GET", .pattern = "/v1/things/{id}/parts/{part}", .fn = on_thing },
        { .method = "GET", .pattern = "/v1/models/{id*}", .fn = on_thing },
        { .method = "POST", .pattern = "/v1/nothing", .fn = on_nothing },
        { .method = "GET", .pattern = "/v1/who", .fn = on_who, .flags = ROUTE_COUNTED },
        { .method = "POST", .pattern = "/v1/spend", .fn = on_spend },
        { .method = "POST", .pattern = "/v1/files", .fn = on_form, .on_form = on_piece, .max_body = 1 << 20 },
        { .method = "GET", .pattern = "/v1/content", .fn = on_file },
    };

    if (!o.log_fd) o.log_fd = -1;
    OKAY(server_new(&srv, &o, &err));
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) server_route(srv, &routes[i]);
    queue = work_new(1000);
    ck_assert_int_eq(pthread_create(&engine, NULL, run_engine, NULL), 0);
    OKAY(server_start(srv, &err));
    port = server_port(srv);
}

static void stop_server(void)
{
    server_free(srv);
    work_close(queue);
    pthread_join(engine, NULL);
    work_free(queue);
}

#endif
