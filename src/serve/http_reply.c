/* http_reply.c - an answer, from whichever thread it comes.
 *
 * The producer adds under the lock and wakes the connection; the connection takes
 * under the lock and waits without it, on its socket and an eventfd together, so
 * that it learns of a client that goes away while there is nothing to send. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/http_internal.h"

#define KEEP_ALIVE ": keep-alive\n\n"
#define NO_EVENTFD_MS 50             /* looks this often when no eventfd is left */

reply *reply_new(const char *id, size_t max_pending, limits *shared)
{
    reply *r = mem_new(sizeof *r);

    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->gone_done, NULL);
    r->refs = 1;
    r->fd = r->wake_fd = -1;
    r->max_pending = max_pending;
    r->limits = limits_share(shared);
    snprintf(r->id, sizeof r->id, "%s", id);
    return r;
}

static void reply_free(reply *r)
{
    for (int i = 0; i < r->n_header; i++) {
        mem_free(r->headers[i].name);
        mem_free(r->headers[i].value);
    }
    if (r->fd >= 0) close(r->fd);
    if (r->wake_fd >= 0) close(r->wake_fd);
    bytes_fini(&r->body);
    mem_free(r->owned_type);
    limits_free(r->limits);
    pthread_cond_destroy(&r->gone_done);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

/* Under the lock. */
static void wake(reply *r)
{
    if (r->wake_fd >= 0) eventfd_write(r->wake_fd, 1);
}

reply *reply_ref(reply *r)
{
    pthread_mutex_lock(&r->lock);
    r->refs++;
    pthread_mutex_unlock(&r->lock);
    return r;
}

void reply_unref(reply *r)
{
    int left;

    if (!r) return;
    pthread_mutex_lock(&r->lock);
    left = --r->refs;
    if (left == 1) wake(r);          /* the connection alone: it may wait in vain */
    pthread_mutex_unlock(&r->lock);
    if (left == 0) reply_free(r);
}

const char *reply_request_id(const reply *r) { return r->id; }
const identity *reply_identity(const reply *r) { return &r->who; }

/* ----------------------------------------------------------------- answering */

void reply_header(reply *r, const char *name, const char *value)
{
    pthread_mutex_lock(&r->lock);
    CHECK(r->n_header < MAX_REPLY_HEADERS);
    r->headers[r->n_header].name = mem_string(name);
    r->headers[r->n_header++].value = mem_string(value);
    pthread_mutex_unlock(&r->lock);
}

/* Under the lock: take the place of the one who answers. */
static bool answer(reply *r, reply_state state, int http, const char *content_type)
{
    if (r->state != REPLY_OPEN || r->gone) return false;
    r->state = state;
    r->http = http;
    r->content_type = content_type;
    r->ended = state != REPLY_STREAM;
    return true;
}

static bool answer_body(reply *r, int http, const char *content_type, const void *data,
                        size_t len)
{
    bool mine = answer(r, REPLY_BODY, http, content_type);

    if (mine) {
        bytes_add(&r->body, data, len);
        wake(r);
    }
    return mine;
}

bool reply_json(reply *r, int http, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENCODE_ANY);
    bool mine;

    json_decref(object);
    CHECK(text != NULL);
    pthread_mutex_lock(&r->lock);
    mine = answer_body(r, http, "application/json", text, strlen(text));
    pthread_mutex_unlock(&r->lock);
    free(text);
    return mine;
}

bool reply_body(reply *r, int http, const char *content_type, const void *data, size_t len)
{
    bool mine;

    pthread_mutex_lock(&r->lock);
    if (!r->owned_type) r->owned_type = mem_string(content_type);
    mine = answer_body(r, http, r->owned_type, data, len);
    pthread_mutex_unlock(&r->lock);
    return mine;
}

bool reply_error(reply *r, const api_error *e)
{
    bytes body = { 0 };
    bool mine;

    error_body(e, &body);
    pthread_mutex_lock(&r->lock);
    mine = answer_body(r, e->status, "application/json", body.data, body.len);
    if (mine) {
        r->retry_after_s = e->retry_after_s;
        r->never_retry = e->never_retry;
    }
    pthread_mutex_unlock(&r->lock);
    bytes_fini(&body);
    return mine;
}

bool reply_file(reply *r, int fd, int64_t len, const char *content_type)
{
    bool mine;

    pthread_mutex_lock(&r->lock);
    if (!r->owned_type) r->owned_type = mem_string(content_type);
    mine = answer(r, REPLY_FILE, 200, r->owned_type);
    if (mine) {
        r->fd = fd;
        r->fd_bytes = len;
        wake(r);
    }
    pthread_mutex_unlock(&r->lock);
    if (!mine) close(fd);
    return mine;
}

bool reply_stream(reply *r)
{
    bool mine;

    pthread_mutex_lock(&r->lock);
    mine = answer(r, REPLY_STREAM, 200, "text/event-stream; charset=utf-8");
    if (mine) wake(r);
    pthread_mutex_unlock(&r->lock);
    return mine;
}

bool reply_write(reply *r, const void *data, size_t len)
{
    bool open;

    pthread_mutex_lock(&r->lock);
    open = r->state == REPLY_STREAM && !r->ended && !r->gone;
    if (open && r->body.len - r->taken + len > r->max_pending) {
        r->gone = r->dropped = true;
        open = false;
        bytes_fini(&r->body);        /* nobody will read it: free it now */
        r->taken = 0;
        wake(r);
    }
    if (open) {
        bool was_empty = r->body.len == r->taken;

        bytes_add(&r->body, data, len);
        if (was_empty) wake(r);
    }
    pthread_mutex_unlock(&r->lock);
    return open;
}

bool reply_end(reply *r)
{
    bool open;

    pthread_mutex_lock(&r->lock);
    open = r->state == REPLY_STREAM && !r->ended && !r->gone;
    if (open) {
        r->ended = true;
        wake(r);
    }
    pthread_mutex_unlock(&r->lock);
    return open;
}

/* -------------------------------------------------------------------- asking */

size_t reply_pending(reply *r)
{
    size_t n;

    pthread_mutex_lock(&r->lock);
    n = r->state == REPLY_STREAM ? r->body.len - r->taken : 0;
    pthread_mutex_unlock(&r->lock);
    return n;
}

bool reply_gone(reply *r)
{
    bool gone;

    pthread_mutex_lock(&r->lock);
    gone = r->gone;
    pthread_mutex_unlock(&r->lock);
    return gone;
}

bool reply_answered(reply *r)
{
    bool answered;

    pthread_mutex_lock(&r->lock);
    answered = r->state != REPLY_OPEN;
    pthread_mutex_unlock(&r->lock);
    return answered;
}

void reply_charge(reply *r, int64_t tokens)
{
    if (r->who.rates.tokens > 0)
        limits_settle(r->limits, r->who.name, r->who.rates, tokens, clock_s());
}

/* ---------------------------------------------------------------------- gone */

/* Under the lock, which it lets go of meanwhile. */
static void call_gone(reply *r)
{
    void (*fn)(void *arg) = r->on_gone;

    if (!fn || r->ended) return;
    r->on_gone = NULL;
    r->gone_running = true;
    r->gone_thread = pthread_self();
    pthread_mutex_unlock(&r->lock);
    fn(r->gone_arg);
    pthread_mutex_lock(&r->lock);
    r->gone_running = false;
    pthread_cond_broadcast(&r->gone_done);
}

void reply_on_gone(reply *r, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&r->lock);
    while (r->gone_running && !pthread_equal(r->gone_thread, pthread_self()))
        pthread_cond_wait(&r->gone_done, &r->lock);
    r->on_gone = fn;
    r->gone_arg = arg;
    if (r->gone) call_gone(r);
    pthread_mutex_unlock(&r->lock);
}

static void mark_gone(reply *r)
{
    r->gone = true;
    wake(r);
    call_gone(r);
}

void reply_cancel(reply *r)
{
    pthread_mutex_lock(&r->lock);
    mark_gone(r);
    pthread_mutex_unlock(&r->lock);
}

void reply_finish(reply *r)
{
    reply_cancel(r);                 /* whoever still writes learns that nobody reads */
}

/* --------------------------------------------------- the connection's side */

/* Wait for the producer, the client's leaving, or the time. True: the client has
 * left. Without the lock. */
static bool wait_news(reply *r, int socket_fd, int wait_ms)
{
    struct pollfd on[2] = { { .fd = socket_fd, .events = POLLRDHUP }, { .fd = -1 } };
    eventfd_t drained;
    int n;

    pthread_mutex_lock(&r->lock);
    if (r->wake_fd < 0) {
        r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        wait_ms = 0;                 /* news from before it was there: look again */
    }
    on[1] = (struct pollfd){ .fd = r->wake_fd, .events = POLLIN };
    pthread_mutex_unlock(&r->lock);
    if (on[1].fd < 0) wait_ms = NO_EVENTFD_MS;
    n = poll(on, 2, wait_ms);
    if (n > 0 && on[1].revents) eventfd_read(on[1].fd, &drained);
    return n > 0 && (on[0].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

void reply_wait(reply *r, int socket_fd)
{
    pthread_mutex_lock(&r->lock);
    while (r->state == REPLY_OPEN && !r->gone) {
        bool left;

        if (r->refs == 1) {
            static const char body[] =
                "{\"error\":{\"message\":\"The server had an error while processing your "
                "request.\",\"type\":\"server_error\",\"param\":null,\"code\":null}}";

            answer_body(r, 500, "application/json", body, strlen(body));
            break;
        }
        pthread_mutex_unlock(&r->lock);
        left = wait_news(r, socket_fd, -1);
        pthread_mutex_lock(&r->lock);
        if (left) mark_gone(r);
    }
    pthread_mutex_unlock(&r->lock);
}

ssize_t reply_read(reply *r, int socket_fd, char *out, size_t max, double keep_alive_s)
{
    double until = clock_s() + keep_alive_s;
    ssize_t n = -1;

    pthread_mutex_lock(&r->lock);
    while (!r->gone) {
        size_t ready = r->body.len - r->taken;
        double left_s = until - clock_s();
        bool left;

        if (ready) {
            n = (ssize_t)(ready < max ? ready : max);
            memcpy(out, r->body.data + r->taken, (size_t)n);
            r->taken += (size_t)n;
            if (r->taken == r->body.len) {
                bytes_clear(&r->body);
                r->taken = 0;
            } else if (r->taken > 1 << 16 && r->taken > r->body.len / 2) {
                r->body.len -= r->taken;
                memmove(r->body.data, r->body.data + r->taken, r->body.len);
                r->taken = 0;
            }
            break;
        }
        if (r->ended) {
            n = 0;
            break;
        }
        if (r->refs == 1) break;     /* nobody is left to end it */
        if (left_s <= 0) {
            n = sizeof KEEP_ALIVE - 1;
            memcpy(out, KEEP_ALIVE, (size_t)n);
            break;
        }
        pthread_mutex_unlock(&r->lock);
        left = wait_news(r, socket_fd, (int)ceil(left_s * 1000));
        pthread_mutex_lock(&r->lock);
        if (left) mark_gone(r);
    }
    pthread_mutex_unlock(&r->lock);
    return n;
}
