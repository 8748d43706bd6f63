/* api_server.h - a server of parrots, and a client that checks what it says.
 *
 * Definitions, for the files that include it: short names, kept out of all other
 * tests. */
#ifndef TESTS_API_SERVER_H
#define TESTS_API_SERVER_H

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "serve/completions.h"
#include "serve/responses.h"
#include "serve/server.h"
#include "support/parrot.h"

#include <check.h>       /* last: it has a macro named fail */

static errtext err;
static api the_api;
static server *srv;
static int port;

#define OKAY(call) ck_assert_msg((call) == OK, "%s: %s", #call, err.text)

/* -------------------------------------------------------------------- server */

static inline void add_parrot(const char *name, const parrot_word *words, int n)
{
    reasoner_options o = reasoner_defaults();
    const char *warning;
    char path[64];

    snprintf(path, sizeof path, "/tmp/api-parrot-%ld.gguf", (long)getpid());
    parrot_write(path, NULL, 1024, words, n);
    o.n_thread = 1;
    o.engine.kv_bytes = 64 << 20;
    OKAY(models_add(the_api.models, name, path, &o, &warning, &err));
    unlink(path);
}

static const parrot_word thinker[] = {
    { "Let me see.", 0 }, { "</think>", 0 }, { "The answer", 0 }, { " is 7.", 0 },
    { "<|im_end|>", 0 },
};
static const parrot_word dreamer[] = {
    { "hm ", PARROT_ANY }, { "so ", PARROT_ANY }, { "well ", PARROT_ANY }, { "then ", PARROT_ANY },
};
static const parrot_word caller[] = {
    { "I call.", 0 }, { "</think>", 0 }, { "<tool_call>", 0 },
    { "\n{\"name\": \"add\", \"arguments\": ", 0 }, { "{\"a\": 1, \"b\": 2}", 0 }, { "}\n", 0 },
    { "</tool_call>", 0 }, { "<|im_end|>", 0 },
};

#define COUNT(words) ((int)(sizeof(words) / sizeof *(words)))

static inline void begin_server(void)
{
    ck_assert_int_ge(sodium_init(), 0);
    the_api.models = models_new();
    add_parrot("parrot", thinker, COUNT(thinker));
}

static inline void start_server(server_options o)
{
    if (!o.log_fd) o.log_fd = -1;
    o.on_metrics = api_metrics;
    o.arg = &the_api;
    OKAY(server_new(&srv, &o, &err));
    completions_route(srv, &the_api);
    responses_route(srv, &the_api);
    OKAY(server_start(srv, &err));
    port = server_port(srv);
}

static inline void stop_server(void)
{
    server_stop(srv);
    server_wait(srv);
    models_stop(the_api.models);
    server_free(srv);
    models_free(the_api.models);
    store_close(the_api.store);
    memset(&the_api, 0, sizeof the_api);
}

/* -------------------------------------------------------------------- client */

typedef struct answer {
    int code;
    bytes head, body;
    json_t *json;            /* of the body; NULL when it is none */
} answer;

static inline void answer_fini(answer *a)
{
    bytes_fini(&a->head);
    bytes_fini(&a->body);
    json_decref(a->json);
}

static inline int dial(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline void send_request(int fd, const char *method, const char *path,
                                const char *headers, const char *body)
{
    bytes text = { 0 };

    bytes_add_format(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s", method,
                     path, headers);
    if (body)
        bytes_add_format(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                         strlen(body));
    bytes_add_string(&text, "\r\n");
    if (body) bytes_add_string(&text, body);
    ck_assert_int_eq(send(fd, text.data, text.len, MSG_NOSIGNAL), (ssize_t)text.len);
    bytes_fini(&text);
}

/* Up to the end of the connection, which the request asked for. */
static inline answer read_answer(int fd)
{
    bytes all = { 0 };
    char block[4096], *end, *at;
    answer a = { 0 };
    ssize_t n;

    for (;;) {
        struct pollfd on = { .fd = fd, .events = POLLIN };

        ck_assert_msg(poll(&on, 1, 60000) > 0, "a minute of silence");
        if ((n = recv(fd, block, sizeof block, 0)) <= 0) break;
        bytes_add(&all, block, (size_t)n);
    }
    ck_assert_msg(all.len > 0, "closed without an answer");
    end = strstr(all.data, "\r\n\r\n");
    ck_assert_ptr_nonnull(end);
    sscanf(all.data, "HTTP/1.%*d %d", &a.code);
    bytes_add(&a.head, all.data, (size_t)(end - all.data) + 2);
    at = end + 4;
    bytes_add(&a.body, "", 0);
    if (strcasestr(a.head.data, "transfer-encoding: chunked")) {
        unsigned long len;

        while ((len = strtoul(at, &at, 16)) > 0) {
            bytes_add(&a.body, at + 2, len);
            at += 2 + len + 2;
        }
    } else {
        bytes_add(&a.body, at, all.len - (size_t)(at - all.data));
    }
    bytes_fini(&all);
    a.json = json_loadb(a.body.data, a.body.len, JSON_ALLOW_NUL, NULL);
    return a;
}

static inline answer call(const char *method, const char *path, const char *headers,
                          const char *body)
{
    int fd = dial();
    answer a;

    send_request(fd, method, path, headers, body);
    a = read_answer(fd);
    close(fd);
    return a;
}

static inline answer get(const char *path) { return call("GET", path, "", NULL); }
static inline answer post(const char *path, const char *body)
{
    return call("POST", path, "", body);
}

/* A request of one user's message to a model, with more fields: ",\"n\":2" or "". */
static inline answer chat_with(const char *name, const char *more)
{
    bytes body = { 0 };
    answer a;

    bytes_add_format(&body, "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":"
                     "\"How many?\"}]%s}", name, more);
    a = post("/v1/chat/completions", body.data);
    bytes_fini(&body);
    return a;
}

/* -------------------------------------------------------------------- checks */

/* A value by its path: "choices.0.message.content". */
static inline json_t *at_path(json_t *o, const char *path)
{
    while (o && *path) {
        size_t n = strcspn(path, ".");
        char key[100];

        snprintf(key, sizeof key, "%.*s", (int)n, path);
        o = json_is_array(o) ? json_array_get(o, (size_t)atoi(key)) : json_object_get(o, key);
        path += n + (path[n] == '.');
    }
    return o;
}

static inline void is_text(json_t *o, const char *path, const char *want)
{
    const char *got = json_string_value(at_path(o, path));

    ck_assert_msg(got != NULL, "%s is no text", path);
    ck_assert_msg(!strcmp(got, want), "%s is \"%s\", not \"%s\"", path, got, want);
}

static inline void is_int(json_t *o, const char *path, int want)
{
    json_t *v = at_path(o, path);

    ck_assert_msg(json_is_integer(v), "%s is no whole number", path);
    ck_assert_msg(json_integer_value(v) == want, "%s is %d, not %d", path,
                  (int)json_integer_value(v), want);
}

static inline int int_of(json_t *o, const char *path)
{
    ck_assert_msg(json_is_integer(at_path(o, path)), "%s is no whole number", path);
    return (int)json_integer_value(at_path(o, path));
}

static inline void is_null(json_t *o, const char *path)
{
    ck_assert_msg(json_is_null(at_path(o, path)), "%s is not null", path);
}

static inline void is_absent(json_t *o, const char *path)
{
    ck_assert_msg(!at_path(o, path), "%s is there", path);
}

/* An error, whole: status, type, code and param ("" is null), a part of the message,
 * and no key beside the four. */
static inline void is_error(answer *a, int code, const char *type, const char *name,
                            const char *param, const char *part)
{
    json_t *e = json_object_get(a->json, "error");
    const char *got;

    ck_assert_msg(a->code == code, "status %d, not %d: %s", a->code, code, a->body.data);
    ck_assert_uint_eq(json_object_size(a->json), 1);
    ck_assert_uint_eq(json_object_size(e), 4);
    is_text(e, "type", type);
    got = json_string_value(json_object_get(e, "code"));
    ck_assert_msg(!strcmp(got ? got : "", name), "%s", a->body.data);
    got = json_string_value(json_object_get(e, "param"));
    ck_assert_msg(!strcmp(got ? got : "", param), "%s", a->body.data);
    got = json_string_value(json_object_get(e, "message"));
    ck_assert_msg(got && strstr(got, part), "%s", a->body.data);
}

/* The events of a stream: an array of {"event": name or null, "data": object}, and
 * whether [DONE] ended it. Comments are counted. */
typedef struct events {
    json_t *list;
    int n;
    bool done;
    int n_comment;
} events;

static inline events read_events(const answer *a)
{
    events ev = { .list = json_array() };
    char *copy = mem_string(a->body.data), *at = copy;

    while (*at) {
        char *end = strstr(at, "\n\n"), *data, *name = NULL;

        ck_assert_msg(end != NULL, "an event without an end: %s", at);
        *end = 0;
        if (*at == ':') {
            ev.n_comment++;
            at = end + 2;
            continue;
        }
        if (!strncmp(at, "event: ", 7)) {
            name = at + 7;
            at = strchr(at, '\n') + 1;
            at[-1] = 0;
        }
        ck_assert_msg(!strncmp(at, "data: ", 6), "no data: %s", at);
        data = at + 6;
        ck_assert(!ev.done);
        if (!strcmp(data, "[DONE]")) {
            ev.done = true;
        } else {
            json_t *o = json_loads(data, JSON_ALLOW_NUL, NULL);

            ck_assert_msg(o != NULL, "no JSON: %s", data);
            json_array_append_new(ev.list, json_pack("{s:s?, s:o}", "event", name, "data", o));
        }
        at = end + 2;
    }
    mem_free(copy);
    ev.n = (int)json_array_size(ev.list);
    return ev;
}

static inline json_t *event_at(const events *ev, int i)
{
    return json_object_get(json_array_get(ev->list, (size_t)i), "data");
}

/* The texts at a path of all events, joined. */
static inline char *joined(const events *ev, const char *path)
{
    bytes text = { 0 };

    bytes_add(&text, "", 0);
    for (int i = 0; i < ev->n; i++) {
        const char *piece = json_string_value(at_path(event_at(ev, i), path));

        if (piece) bytes_add_string(&text, piece);
    }
    return bytes_take(&text);
}

#endif
