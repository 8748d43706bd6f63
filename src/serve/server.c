/* server.c - from the bytes of a request to its handler, and back.
 *
 * What is wrong with a head is found when the head is there, but told when the body
 * has been read (and thrown away): a client that is still sending would not read
 * the answer. Bodies too long to wait for are refused past libmicrohttpd, which
 * cannot answer in the middle of one.
 *
 * A server without keys trusts whoever can reach it. A web page can, through its
 * visitor's browser: so an Origin must be allowed, and, against names that are
 * rebound to 127.0.0.1, Host must be an address, localhost or a name it is told. */
#include "serve/server.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/http_text.h"
#include "serve/server_internal.h"

#define SWALLOW_BYTES (64 << 10)     /* a refused body that is still read */
#define LINGER_BYTES (64 << 20)
#define MAX_HEADERS 100
#define STREAM_BLOCK (16 << 10)
#define THREAD_STACK (1 << 20)

logger *server_log(const server *s) { return s->log; }
meters *server_meters(const server *s) { return s->meters; }
keys *server_keys(const server *s) { return s->keys; }
limits *server_limits(const server *s) { return s->limits; }
int server_port(const server *s) { return s->port; }
bool server_draining(const server *s) { return atomic_load(&((server *)s)->draining); }

/* ---------------------------------------------------------- looking at a head */

typedef struct head {
    size_t n_bytes;
    int n_header, n_length, n_host, n_coding;
    const char *length, *host, *coding;
} head;

static enum MHD_Result read_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    head *h = arg;

    (void)kind;
    h->n_header++;
    h->n_bytes += strlen(name) + (value ? strlen(value) : 0) + 4;
    if (!strcasecmp(name, "content-length")) {
        h->n_length++;
        h->length = value;
    } else if (!strcasecmp(name, "host")) {
        h->n_host++;
        h->host = value;
    } else if (!strcasecmp(name, "transfer-encoding")) {
        h->n_coding++;
        h->coding = value;
    }
    return MHD_YES;
}

/* Whatever two readers could read in two ways is refused: else the proxy in front
 * and this server may disagree where a request ends (RFC 9112, 11.2). */
static bool check_framing(const head *h, const char *version, api_error *e)
{
    if (h->n_length > 1)
        return error_bad(e, NULL, "The request has %d Content-Length headers.", h->n_length);
    if (h->n_length && (!*h->length || strspn(h->length, "0123456789") != strlen(h->length)))
        return error_bad(e, NULL, "Content-Length is not a number.");
    if (h->n_length && strlen(h->length) > 18)
        return error_set(e, 413, ERROR_INVALID, NULL, NULL, "Content-Length is too large.");
    if (h->n_coding && h->n_length)
        return error_bad(e, NULL, "The request has both Content-Length and Transfer-Encoding.");
    if (h->n_coding > 1 || (h->n_coding && strcasecmp(h->coding, "chunked")))
        return error_bad(e, NULL, "The only Transfer-Encoding understood is chunked.");
    if (h->n_coding && strcmp(version, "HTTP/1.1"))
        return error_bad(e, NULL, "Transfer-Encoding needs HTTP/1.1.");
    if (h->n_host > 1 || (!h->n_host && !strcmp(version, "HTTP/1.1")))
        return error_bad(e, NULL, "The request has %d Host headers instead of one.", h->n_host);
    return true;
}

/* The name in a Host header, without the port. */
static size_t host_name_length(const char *host)
{
    const char *end = *host == '[' ? strchr(host, ']') : NULL;

    return end ? (size_t)(end - host) + 1 : strcspn(host, ":");
}

static bool host_is_own(const server *s, const char *host)
{
    size_t n = host_name_length(host);
    struct in_addr address;
    char name[256];

    if (n == 0 || n >= sizeof name) return false;
    memcpy(name, host, n);
    name[n] = 0;
    if (*name == '[' || inet_pton(AF_INET, name, &address) == 1) return true;
    if (!strcasecmp(name, "localhost")) return true;
    if (n > 10 && !strcasecmp(name + n - 10, ".localhost")) return true;
    for (int i = 0; i < s->options.n_host; i++)
        if (!strcasecmp(name, s->options.hosts[i])) return true;
    return false;
}

static bool origin_is_allowed(const server *s, const char *origin, const char *host)
{
    const char *at = strstr(origin, "://");

    for (int i = 0; i < s->options.n_origin; i++)
        if (!strcmp(s->options.origins[i], "*") || !strcmp(s->options.origins[i], origin))
            return true;
    return at && host && !strcasecmp(at + 3, host);      /* this server's own pages */
}

static bool check_origin(exchange *x, const head *h, api_error *e)
{
    const char *origin = exchange_header(x, "origin");

    if (!x->s->keys && !x->s->beyond_loopback && h->host && !host_is_own(x->s, h->host))
        return error_set(e, 403, ERROR_INVALID, "host_not_allowed", NULL,
                         "This server is not called '%.200s'.", h->host);
    if (!origin) return true;
    if (!origin_is_allowed(x->s, origin, h->host))
        return error_set(e, 403, ERROR_INVALID, "origin_not_allowed", NULL,
                         "Web pages of '%.200s' may not call this server.", origin);
    x->origin = origin;
    return true;
}

static bool check_key(exchange *x, api_error *e)
{
    const char *header = exchange_header(x, "authorization");
    const char *key = header;

    x->who = identity_anonymous();
    if (!x->s->keys || (x->to && (x->to->flags & ROUTE_OPEN))) return true;
    if (key && !strncasecmp(key, "bearer ", 7)) key += 7 + strspn(key + 7, " ");
    else key = NULL;
    if (!key || !*key)
        return error_set(e, 401, ERROR_INVALID, "invalid_api_key", NULL,
                         "You didn't provide an API key. Send it in an Authorization header, "
                         "as 'Bearer YOUR_KEY'.");
    if (!keys_find(x->s->keys, key, &x->who))
        return error_set(e, 401, ERROR_INVALID, "invalid_api_key", NULL,
                         "Incorrect API key provided.");
    if (x->to && (x->to->flags & ROUTE_ADMIN) && !x->who.admin)
        return error_set(e, 403, ERROR_INVALID, "not_permitted", NULL,
                         "The key '%s' may not do this.", x->who.name);
    return true;
}

static bool check_route(exchange *x, api_error *e)
{
    bytes allow = { 0 };
    route_match match = router_find(x->s->routes, x->method, x->path, &x->to, &x->args, &allow);

    if (match == ROUTE_NO_METHOD) {
        reply_header(x->to_client, "allow", allow.data);
        error_set(e, 405, ERROR_INVALID, NULL, NULL,
                  "Not allowed to %.20s on %.300s (allowed: %s)", x->method, x->path, allow.data);
    } else if (match == ROUTE_NO_PATH) {
        error_set(e, 404, ERROR_INVALID, NULL, NULL, "Invalid URL (%.20s %.300s)", x->method,
                  x->path);
    } else if (match == ROUTE_BAD_ESCAPE) {
        error_bad(e, NULL, "The path holds a percent escape that is not one.");
    } else if (x->bad_query) {
        error_bad(e, NULL, "The query holds a percent escape that is not one, or more than %d "
                  "parameters.", MAX_QUERY);
        match = ROUTE_BAD_ESCAPE;
    }
    bytes_fini(&allow);
    return match == ROUTE_FOUND;
}

static bool check_media(exchange *x, api_error *e)
{
    const char *coding = exchange_header(x, "content-encoding");
    const char *type = exchange_header(x, "content-type");
    bool form = type && !strncasecmp(type, "multipart/form-data", 19);

    if (coding && strcasecmp(coding, "identity"))
        return error_set(e, 415, ERROR_INVALID, "unsupported_content_encoding", NULL,
                         "Content-Encoding '%.60s' is not supported; send the body as it is.",
                         coding);
    if (x->to->on_form && !form)
        return error_set(e, 415, ERROR_INVALID, "unsupported_content_type", NULL,
                         "Content-Type is '%.100s'; multipart/form-data is expected.",
                         type ? type : "");
    if (!x->to->on_form && form)
        return error_set(e, 415, ERROR_INVALID, "unsupported_content_type", NULL,
                         "Content-Type is multipart/form-data; application/json is expected.");
    return true;
}

static bool check_limits(exchange *x, api_error *e)
{
    if (!(x->to->flags & ROUTE_COUNTED) || !(x->who.rates.requests || x->who.rates.tokens))
        return true;
    x->counted = true;
    if (limits_take(x->s->limits, x->who.name, x->who.rates, 0, clock_s(), &x->limit_at, e))
        return true;
    meters_add(x->s->meters, "ponder_http_refused_total", "reason=\"rate\"", 1);
    return false;
}

/* CORS asks before it sends: no key comes with that question. */
static bool is_preflight(const exchange *x)
{
    return !strcmp(x->method, "OPTIONS") && x->origin &&
           exchange_header(x, "access-control-request-method");
}

static bool too_large(const exchange *x, api_error *e)
{
    return !error_set(e, 413, ERROR_INVALID, "request_too_large", NULL,
                      "The body is larger than %zu bytes, the most this endpoint takes.",
                      x->max_body);
}

/* Refuse without reading on, and give the client a moment to stop sending and read
 * the answer. MHD_NO then closes the connection. */
static enum MHD_Result refuse_now(exchange *x, const api_error *e)
{
    double until = clock_s() + x->s->options.linger_s;
    size_t left = LINGER_BYTES;
    char *sink = mem_new(65536);

    raw_refuse(x->socket_fd, x->id, e);
    x->http_sent = e->status;
    while (left) {
        struct pollfd on = { .fd = x->socket_fd, .events = POLLIN };
        int wait_ms = (int)ceil((until - clock_s()) * 1000);
        ssize_t n;

        if (wait_ms <= 0 || poll(&on, 1, wait_ms) <= 0) break;
        n = recv(x->socket_fd, sink, left < 65536 ? left : 65536, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) break;
        if (n > 0) left -= (size_t)n;
    }
    mem_free(sink);
    return MHD_NO;
}

static enum MHD_Result on_form(void *arg, enum MHD_ValueKind kind, const char *key,
                               const char *filename, const char *content_type,
                               const char *coding, const char *data, uint64_t at, size_t len)
{
    exchange *x = arg;
    form_piece piece = { key, filename, content_type, data ? data : "", len, (size_t)at };

    (void)kind;
    (void)coding;
    if (!x->form_stopped && !x->to->on_form(x, x->to->arg, &piece)) x->form_stopped = true;
    return x->form_stopped ? MHD_NO : MHD_YES;
}

/* The first call for a request: the head is there. */
static enum MHD_Result begin(exchange *x, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    api_error *e = &x->refusal;
    head h = { 0 };
    uint64_t length;

    x->begun = true;
    x->peer = info->socket_context;
    x->method = mem_string(method);
    peer_stage_set(x->s, x->peer, PEER_BODY, x);
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, read_header, &h);
    if (!check_framing(&h, version, e)) return refuse_now(x, e);
    if (h.n_bytes + strlen(x->path) > x->s->options.max_header || h.n_header > MAX_HEADERS) {
        error_set(e, 431, ERROR_INVALID, NULL, NULL,
                  "The head is larger than %zu bytes, or has more than %d headers.",
                  x->s->options.max_header, MAX_HEADERS);
        return refuse_now(x, e);
    }
    if (check_origin(x, &h, e) && !is_preflight(x) && check_route(x, e) && check_key(x, e) &&
        check_media(x, e) && check_limits(x, e) && server_draining(x->s) &&
        !(x->to->flags & ROUTE_OPEN)) {
        error_set(e, 503, ERROR_SERVER, "shutting_down", NULL,
                  "The server is shutting down. Please try again.");
        e->retry_after_s = 2;
    }
    x->to_client->who = x->who;
    x->max_body = x->to && x->to->max_body ? x->to->max_body : x->s->options.max_body;
    length = h.n_length ? strtoull(h.length, NULL, 10) : 0;
    if (length > x->max_body && (!e->status || e->status == 413)) {
        too_large(x, e);
        return refuse_now(x, e);
    }
    if (e->status && (length > SWALLOW_BYTES || h.n_coding)) return refuse_now(x, e);
    if (!e->status && x->to && x->to->on_form) {
        x->form = MHD_create_post_processor(x->connection, STREAM_BLOCK, on_form, x);
        if (!x->form) error_bad(e, NULL, "The form has no usable boundary.");
    }
    return MHD_YES;
}

/* A piece of the body. */
static enum MHD_Result add_body(exchange *x, const char *data, size_t len)
{
    api_error e;

    x->n_read += len;
    pthread_mutex_lock(&x->s->lock);
    x->peer->n_body = x->n_read;
    pthread_mutex_unlock(&x->s->lock);
    if (x->refusal.status) return x->n_read > SWALLOW_BYTES ? refuse_now(x, &x->refusal) : MHD_YES;
    if (x->n_read > x->max_body) {
        too_large(x, &e);
        return refuse_now(x, &e);
    }
    if (x->form) {
        if (!x->form_stopped && MHD_post_process(x->form, data, len) != MHD_YES &&
            !x->form_stopped)
            error_bad(&x->refusal, NULL, "The form is not valid multipart/form-data, at or "
                      "before byte %llu.", (unsigned long long)x->n_read);
        return MHD_YES;
    }
    if (x->to && x->to->on_form) return MHD_YES;
    if (atomic_fetch_add(&x->s->held, len) + len > x->s->options.max_bodies) {
        atomic_fetch_sub(&x->s->held, len);
        error_set(&e, 503, ERROR_SERVER, "overloaded", NULL,
                  "The server holds too many request bodies. Please try again.");
        e.retry_after_s = 1;
        return refuse_now(x, &e);
    }
    x->held += len;
    bytes_add(&x->body, data, len);
    return MHD_YES;
}

/* ------------------------------------------------------------------ answering */

static void add_header(struct MHD_Response *m, const char *name, const char *value)
{
    MHD_add_response_header(m, name, value);
}

static void add_number(struct MHD_Response *m, const char *name, int64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)value);
    add_header(m, name, text);
}

static void add_duration(struct MHD_Response *m, const char *name, double seconds)
{
    char text[32];

    text_duration(text, seconds);
    add_header(m, name, text);
}

static void add_limits(struct MHD_Response *m, const limit_state *l)
{
    if (l->rates.requests) {
        add_number(m, "x-ratelimit-limit-requests", l->rates.requests);
        add_number(m, "x-ratelimit-remaining-requests", l->remaining_requests);
        add_duration(m, "x-ratelimit-reset-requests", l->reset_requests_s);
    }
    if (l->rates.tokens) {
        add_number(m, "x-ratelimit-limit-tokens", l->rates.tokens);
        add_number(m, "x-ratelimit-remaining-tokens", l->remaining_tokens);
        add_duration(m, "x-ratelimit-reset-tokens", l->reset_tokens_s);
    }
}

static void add_cors(const exchange *x, struct MHD_Response *m)
{
    const char *asked = exchange_header(x, "access-control-request-headers");

    if (!x->origin) return;
    add_header(m, "access-control-allow-origin", x->origin);
    add_header(m, "vary", "Origin");
    add_header(m, "access-control-expose-headers",
               "X-Request-ID, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "
               "x-ratelimit-reset-requests, x-ratelimit-limit-tokens, "
               "x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, retry-after");
    if (!is_preflight(x)) return;
    add_header(m, "access-control-allow-methods", "GET, POST, DELETE");
    if (asked && strlen(asked) < 1024) add_header(m, "access-control-allow-headers", asked);
    add_header(m, "access-control-max-age", "600");
}

static void add_headers(const exchange *x, struct MHD_Response *m)
{
    const reply *r = x->to_client;

    if (r->content_type) add_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, r->content_type);
    add_header(m, "x-request-id", x->id);
    add_header(m, "openai-version", "2020-10-01");
    add_header(m, "openai-organization", x->s->options.organization);
    add_number(m, "openai-processing-ms", (int64_t)((clock_s() - x->start_s) * 1000));
    if (x->counted) add_limits(m, &x->limit_at);
    add_cors(x, m);
    if (r->state == REPLY_STREAM) {
        add_header(m, "cache-control", "no-cache");
        add_header(m, "x-accel-buffering", "no");        /* for nginx in front */
    }
    if (r->retry_after_s > 0) {
        add_number(m, "retry-after", (int64_t)ceil(r->retry_after_s));
        add_number(m, "retry-after-ms", (int64_t)ceil(r->retry_after_s * 1000));
    }
    if (r->never_retry) add_header(m, "x-should-retry", "false");
    if (server_draining(x->s)) add_header(m, "connection", "close");
    for (int i = 0; i < r->n_header; i++)
        MHD_add_response_header(m, r->headers[i].name, r->headers[i].value);
}

static ssize_t read_stream(void *arg, uint64_t at, char *out, size_t max)
{
    exchange *x = arg;
    ssize_t n = reply_read(x->to_client, x->socket_fd, out, max, x->s->options.keep_alive_s);

    (void)at;
    if (n > 0) return n;
    return n == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static enum MHD_Result send_reply(exchange *x)
{
    reply *r = x->to_client;
    struct MHD_Response *m = NULL;
    enum MHD_Result sent;

    /* Nobody changes an answer once it is given; a stream has its own lock. */
    pthread_mutex_lock(&r->lock);
    switch (r->gone && r->state == REPLY_OPEN ? REPLY_OPEN : r->state) {
    case REPLY_OPEN:
        break;
    case REPLY_BODY:
        m = MHD_create_response_from_buffer(r->body.len, r->body.data ? r->body.data : "",
                                            MHD_RESPMEM_PERSISTENT);
        break;
    case REPLY_FILE:
        m = MHD_create_response_from_fd64((uint64_t)r->fd_bytes, r->fd);
        if (m) r->fd = -1;
        break;
    case REPLY_STREAM:
        m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, x,
                                              NULL);
        break;
    }
    if (m) add_headers(x, m);
    pthread_mutex_unlock(&r->lock);
    if (!m) {
        x->http_sent = 499;          /* what logs call a client that has left */
        return MHD_NO;
    }
    x->http_sent = r->http;
    sent = MHD_queue_response(x->connection, (unsigned)r->http, m);
    MHD_destroy_response(m);
    return sent;
}

/* The head and the whole body are there. */
static enum MHD_Result respond(exchange *x)
{
    unsigned stall = (unsigned)ceil(x->s->options.stall_s);

    x->handled = true;
    if (x->form) {
        bool whole = MHD_destroy_post_processor(x->form) == MHD_YES;

        x->form = NULL;
        if (!whole && !x->form_stopped && !x->refusal.status)
            error_bad(&x->refusal, NULL, "The form ends before its last boundary.");
    }
    peer_stage_set(x->s, x->peer, PEER_BUSY, x);
    /* While the handler works, silence is no fault of the client's. Setting the time
     * again afterwards restarts it. */
    MHD_set_connection_option(x->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    if (x->refusal.status) exchange_refuse(x, &x->refusal);
    else if (is_preflight(x)) reply_body(x->to_client, 204, "text/plain", "", 0);
    else if (!x->form_stopped) x->to->fn(x, x->to->arg);
    reply_wait(x->to_client, x->socket_fd);
    MHD_set_connection_option(x->connection, MHD_CONNECTION_OPTION_TIMEOUT, stall);
    return send_reply(x);
}

/* ---------------------------------------------------------- libmicrohttpd's calls */

static _Thread_local exchange *at_hand;  /* of this connection's thread */

static void *on_request_line(void *arg, const char *uri, struct MHD_Connection *c)
{
    server *s = arg;
    exchange *x = exchange_new(s, uri, s->options.max_pending, s->limits);

    x->connection = c;
    x->socket_fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    at_hand = x;
    return x;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *n_data, void **context)
{
    exchange *x = *context;
    size_t n = *n_data;

    (void)arg;
    (void)c;
    (void)url;
    if (!x->begun) return begin(x, method, version);
    *n_data = 0;
    if (n) return add_body(x, data, n);
    return x->handled ? MHD_YES : respond(x);
}

static void log_request(const exchange *x, bool sent)
{
    char labels[METERS_MAX_LABELS], code[16];
    double taken_s = clock_s() - x->start_s;
    const char *pattern = x->to ? x->to->pattern : "none";
    const char *method = !x->method ? "none" : x->to ? x->method : "other";

    snprintf(code, sizeof code, "%d", x->http_sent);
    meters_labels(labels, "method", method, "route", pattern, "code", code,
                   NULL);
    meters_add(x->s->meters, "ponder_http_requests_total", labels, 1);
    meters_labels(labels, "route", pattern, NULL);
    meters_observe(x->s->meters, "ponder_http_request_seconds", labels, taken_s);
    LOG(x->s->log, LOG_NOTE, "request", log_text("id", x->id), log_text("method", x->method),
        log_text("path", x->path), log_int("status", x->http_sent),
        log_real("ms", taken_s * 1000), log_int("body_bytes", (int64_t)x->n_read),
        log_text("key", *x->who.name ? x->who.name : NULL),
        log_text("tenant", *x->who.tenant ? x->who.tenant : NULL),
        log_bool("stream", x->to_client->state == REPLY_STREAM), log_bool("complete", sent));
}

static void on_completed(void *arg, struct MHD_Connection *c, void **context,
                         enum MHD_RequestTerminationCode code)
{
    server *s = arg;
    exchange *x = *context;

    (void)c;
    at_hand = NULL;
    if (!x) return;
    log_request(x, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    if (x->begun) peer_stage_set(s, x->peer, PEER_IDLE, NULL);
    reply_finish(x->to_client);
    atomic_fetch_sub(&s->held, x->held);
    exchange_free(x);
    *context = NULL;
}

/* Paths and queries are decoded by the router and by http.c: a "%2F" must not
 * become a border between segments. */
static size_t leave_escapes(void *arg, struct MHD_Connection *c, char *text)
{
    (void)arg;
    (void)c;
    return strlen(text);
}

/* What libmicrohttpd refuses by itself (a head beyond its memory, a length that is no
 * number, chunks that are none) it would answer with a page of HTML. It logs the
 * refusal first, on the connection's thread: there the API's error goes out instead,
 * and closing our side for writing keeps the page from following it. */
static bool refuse_for_daemon(const char *format, va_list args)
{
    static const char start[] = "Error processing request (HTTP response code is %u";
    exchange *x = at_hand;
    api_error e;
    va_list copy;
    int http;

    if (!x || x->http_sent || strncmp(format, start, sizeof start - 1)) return false;
    va_copy(copy, args);
    http = (int)va_arg(copy, unsigned);
    va_end(copy);
    if (http < 400 || http > 599) return false;
    error_set(&e, http, ERROR_INVALID, NULL, NULL, "%s",
              http == 431 ? "The head is larger than this server reads."
              : http == 413 ? "A chunk is larger than this server reads."
                            : "The request is not valid HTTP.");
    refuse_now(x, &e);
    return true;
}

static void on_daemon_log(void *arg, const char *format, va_list args)
{
    server *s = arg;
    char text[512];

    if (refuse_for_daemon(format, args)) return;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = 0;
    LOG(s->log, LOG_DEBUGGING, "libmicrohttpd", log_text("message", text));
}

/* -------------------------------------------------------------- its own routes */

static void show_health(exchange *x, void *arg)
{
    server *s = arg;
    bool draining = server_draining(s);

    reply_json(exchange_reply(x), draining ? 503 : 200,
               json_pack("{s:s}", "status", draining ? "draining" : "ok"));
}

static void show_metrics(exchange *x, void *arg)
{
    server *s = arg;
    bytes text = { 0 };
    int busy;

    pthread_mutex_lock(&s->lock);
    busy = s->n_busy;
    pthread_mutex_unlock(&s->lock);
    meters_set(s->meters, "ponder_http_requests_running", "", busy);
    meters_set(s->meters, "ponder_http_connections", "", atomic_load(&s->n_connection));
    if (s->options.on_metrics) s->options.on_metrics(s->options.arg);
    meters_write(s->meters, &text);
    reply_body(exchange_reply(x), 200, "text/plain; version=0.0.4; charset=utf-8", text.data,
               text.len);
    bytes_fini(&text);
}

static void declare_meters(meters *m)
{
    static const double seconds[] = { 0.001, 0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
                                      300, 600, 1800 };

    meters_declare(m, "ponder_http_requests_total", "Requests answered.", METER_COUNTER, NULL,
                    0);
    meters_declare(m, "ponder_http_request_seconds", "Time from request line to end of reply.",
                    METER_HISTOGRAM, seconds, sizeof seconds / sizeof *seconds);
    meters_declare(m, "ponder_http_requests_running", "Requests being answered now.",
                    METER_GAUGE, NULL, 0);
    meters_declare(m, "ponder_http_connections", "Open connections.", METER_GAUGE, NULL, 0);
    meters_declare(m, "ponder_http_refused_total", "Refused before a handler saw them.",
                    METER_COUNTER, NULL, 0);
}

/* ----------------------------------------------------------------- life of it */

#define DEFAULT(field, value) if (!(o->field)) o->field = (value)

static void fill_defaults(server_options *o)
{
    DEFAULT(host, "127.0.0.1");
    DEFAULT(organization, "ponder");
    DEFAULT(log_fd, STDERR_FILENO);
    DEFAULT(max_connections, 1024);
    DEFAULT(max_body, (size_t)64 << 20);
    DEFAULT(max_bodies, (size_t)1 << 30);
    DEFAULT(max_header, (size_t)32 << 10);
    DEFAULT(max_pending, (size_t)4 << 20);
    DEFAULT(header_s, 15);
    DEFAULT(body_s, 30);
    DEFAULT(body_bytes_s, 16384);
    DEFAULT(idle_s, 75);
    DEFAULT(stall_s, 60);
    DEFAULT(keep_alive_s, 10);
    DEFAULT(drain_s, 30);
    DEFAULT(linger_s, 2);
    /* A comment must come before libmicrohttpd takes the silence for a stall. */
    if (o->stall_s < 2 * o->keep_alive_s) o->stall_s = 2 * o->keep_alive_s;
}

status server_new(server **out, const server_options *options, errtext *err)
{
    server *s = mem_new(sizeof *s);
    status st = OK;

    *out = NULL;
    s->options = *options;
    fill_defaults(&s->options);
    s->listen_fd = -1;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->log = s->options.log_fd < 0 ? NULL : log_new(s->options.log_fd, s->options.log_level);
    s->meters = meters_new();
    s->limits = limits_new();
    s->routes = router_new();
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    declare_meters(s->meters);
    server_route(s, &(route){ "GET", "/health", show_health, s, .flags = ROUTE_OPEN });
    server_route(s, &(route){ "GET", "/metrics", show_metrics, s, .flags = ROUTE_ADMIN });
    signal(SIGPIPE, SIG_IGN);
    if (s->wake_fd < 0) st = fail(err, E_IO, "eventfd: %s", strerror(errno));
    if (st == OK && options->keys_path)
        st = keys_open(&s->keys, options->keys_path, s->log, err);
    if (st == OK) st = door_open(s, err);
    if (st != OK) {
        server_free(s);
        return st;
    }
    *out = s;
    return OK;
}

void server_route(server *s, const route *r)
{
    CHECK(!s->daemon);
    router_add(s->routes, r);
}

status server_start(server *s, errtext *err)
{
    const server_options *o = &s->options;

    s->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
            MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_request, s,
        MHD_OPTION_EXTERNAL_LOGGER, on_daemon_log, s,
        MHD_OPTION_NOTIFY_CONNECTION, door_notify, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_URI_LOG_CALLBACK, on_request_line, s,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, s,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)(o->max_connections + 16),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ceil(o->stall_s),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, o->max_header + ((size_t)64 << 10),
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK,
        MHD_OPTION_END);
    if (!s->daemon) return fail(err, E_IO, "the HTTP server does not start");
    return door_start(s, err);
}

static _Atomic(int) signal_fd = -1;

static void on_signal(int number)
{
    int code = errno, fd = atomic_load(&signal_fd);

    (void)number;
    if (fd >= 0) eventfd_write(fd, 1);
    errno = code;
}

void server_stop(server *s)
{
    eventfd_write(s->wake_fd, 1);
}

void server_stop_on_signals(server *s)
{
    struct sigaction action = { .sa_handler = on_signal };

    atomic_store(&signal_fd, s->wake_fd);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

void server_wait(server *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->drained) pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

void server_free(server *s)
{
    int mine;

    if (!s) return;
    mine = s->wake_fd;
    if (mine >= 0) atomic_compare_exchange_strong(&signal_fd, &mine, -1);
    door_join(s);
    if (s->daemon) MHD_stop_daemon(s->daemon);
    if (s->listen_fd >= 0) close(s->listen_fd);
    if (s->wake_fd >= 0) close(s->wake_fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    keys_close(s->keys);
    limits_free(s->limits);
    router_free(s->routes);
    meters_free(s->meters);
    log_free(s->log);
    mem_free(s);
}
