/* server_door.c - who comes in, and who is shown out.
 *
 * libmicrohttpd knows one deadline, for silence; a client that sends a byte now
 * and then never meets it. The door keeps a deadline for each stage of a request
 * and ends connections by shutting their sockets down, which libmicrohttpd then
 * notices. It never closes them: a descriptor's number may be another's by then. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/http_text.h"
#include "serve/server_internal.h"

#define TICK_MS 200
#define LEAVE_S 1.0
#define FD_RESERVE 128               /* for files, the store, the model */
#define FDS_EACH 3                   /* a socket, an eventfd, a file */
#define FORCED_S 10.0                /* for handlers to notice that they are alone */

void raw_refuse(int fd, const char *request_id, const api_error *e)
{
    bytes body = { 0 }, all = { 0 };
    ssize_t sent;

    error_body(e, &body);
    bytes_add_format(&all, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\nConnection: close\r\n", e->status,
                     text_reason(e->status), body.len);
    if (request_id) bytes_add_format(&all, "x-request-id: %s\r\n", request_id);
    if (e->retry_after_s > 0)
        bytes_add_format(&all, "retry-after: %d\r\n", (int)(e->retry_after_s + 0.999));
    bytes_add_string(&all, "\r\n");
    bytes_add(&all, body.data, body.len);
    sent = send(fd, all.data, all.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;                      /* a client that cannot take a line gets none */
    shutdown(fd, SHUT_WR);
    bytes_fini(&all);
    bytes_fini(&body);
}

/* -------------------------------------------------------------------- binding */

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static status bind_to(server *s, const struct addrinfo *a, errtext *err)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    int on = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) return fail(err, E_IO, "socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)&bound, &len)) {
        int code = errno;

        close(fd);
        return fail(err, E_IO, "%s port %d: %s", s->options.host, s->options.port,
                    strerror(code));
    }
    s->listen_fd = fd;
    s->port = ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                               : ((struct sockaddr_in6 *)&bound)->sin6_port);
    return OK;
}

/* As many connections as descriptors allow, with some left for all else. */
static void fit_descriptors(server *s)
{
    struct rlimit limit;
    rlim_t want = (rlim_t)s->options.max_connections * FDS_EACH + FD_RESERVE;

    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    if (limit.rlim_cur < want) {
        limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < want) {
        int fits = limit.rlim_cur > FD_RESERVE ? (int)((limit.rlim_cur - FD_RESERVE) / FDS_EACH)
                                               : 1;

        s->options.max_connections = fits > 0 ? fits : 1;
        LOG(s->log, LOG_WARN, "fewer connections than asked for: too few descriptors",
            log_int("max_connections", s->options.max_connections));
    }
}

status door_open(server *s, errtext *err)
{
    struct addrinfo want = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM };
    const char *host = !strcmp(s->options.host, "localhost") ? "127.0.0.1" : s->options.host;
    struct addrinfo *found;
    char port[16];
    status st;

    snprintf(port, sizeof port, "%d", s->options.port);
    if (getaddrinfo(host, port, &want, &found))
        return fail(err, E_ARG, "host '%.80s' is not an address", host);
    s->beyond_loopback = !is_loopback(found->ai_addr);
    if (s->beyond_loopback && !s->keys && !s->options.open)
        st = fail(err, E_ARG, "%s: beyond this machine only with keys", host);
    else
        st = bind_to(s, found, err);
    freeaddrinfo(found);
    if (st == OK) fit_descriptors(s);
    return st;
}

/* ---------------------------------------------------------------------- peers */

void door_notify(void *arg, struct MHD_Connection *c, void **socket_context,
                 enum MHD_ConnectionNotificationCode code)
{
    server *s = arg;
    peer *p;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        p = mem_new(sizeof *p);
        p->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        p->since_s = clock_s();
        pthread_mutex_lock(&s->lock);
        p->next = s->peers;
        if (s->peers) s->peers->prev = p;
        s->peers = p;
        pthread_mutex_unlock(&s->lock);
        *socket_context = p;
        return;
    }
    p = *socket_context;
    pthread_mutex_lock(&s->lock);
    if (p->prev) p->prev->next = p->next;
    else s->peers = p->next;
    if (p->next) p->next->prev = p->prev;
    pthread_mutex_unlock(&s->lock);
    mem_free(p);
    atomic_fetch_sub(&s->n_connection, 1);
    *socket_context = NULL;
}

void peer_stage_set(server *s, peer *p, peer_stage stage, exchange *now)
{
    pthread_mutex_lock(&s->lock);
    if (p->stage != PEER_CUT) p->stage = stage;
    p->since_s = clock_s();
    s->n_busy += (now != NULL) - (p->now != NULL);
    p->now = now;
    if (stage != PEER_BODY) p->n_body = 0;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void cut(server *s, peer *p, bool tell)
{
    api_error e;

    if (tell) {
        error_set(&e, 408, ERROR_INVALID, "request_timeout", NULL,
                  "The request did not arrive in time.");
        raw_refuse(p->fd, p->now ? p->now->id : NULL, &e);
        meters_add(s->meters, "ponder_http_refused_total", "reason=\"slow\"", 1);
        LOG(s->log, LOG_NOTE, "connection cut", log_text("reason", "slow"));
    }
    shutdown(p->fd, SHUT_RDWR);
    p->stage = PEER_CUT;
}

/* Under the lock. */
static void watch(server *s, peer *p, double now_s)
{
    const server_options *o = &s->options;
    double waited_s = now_s - p->since_s;
    bool draining = atomic_load(&s->draining);

    switch (p->stage) {
    case PEER_HEAD:
        if (waited_s > o->header_s) cut(s, p, true);
        break;
    case PEER_BODY:
        if (waited_s > o->body_s + (double)p->n_body / o->body_bytes_s) cut(s, p, true);
        break;
    case PEER_IDLE:
        if (waited_s > o->idle_s || draining) cut(s, p, false);
        break;
    case PEER_BUSY: {
        reply *r = p->now ? p->now->to_client : NULL;
        bool dropped = false;

        if (r) {
            pthread_mutex_lock(&r->lock);
            dropped = r->dropped;
            pthread_mutex_unlock(&r->lock);
        }
        if (dropped) cut(s, p, false);
        break;
    }
    case PEER_CUT:
        break;
    }
}

/* ------------------------------------------------------------------- the door */

static void drop_leavings(server *s, bool all)
{
    double now_s = clock_s();
    int kept = 0;

    for (int i = 0; i < s->n_leaving; i++) {
        char sink[4096];
        ssize_t n = recv(s->leavings[i].fd, sink, sizeof sink, MSG_DONTWAIT);
        bool waits = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));

        if (!all && waits && now_s < s->leavings[i].until_s)
            s->leavings[kept++] = s->leavings[i];
        else
            close(s->leavings[i].fd);
    }
    s->n_leaving = kept;
}

static void refuse_at_door(server *s, int fd)
{
    api_error e;

    error_set(&e, 503, ERROR_SERVER, "overloaded", NULL,
              "The server has no place for another connection. Please try again.");
    e.retry_after_s = 1;
    raw_refuse(fd, NULL, &e);
    meters_add(s->meters, "ponder_http_refused_total", "reason=\"connections\"", 1);
    if (s->n_leaving == MAX_LEAVING) {
        close(s->leavings[0].fd);
        memmove(s->leavings, s->leavings + 1, (MAX_LEAVING - 1) * sizeof *s->leavings);
        s->n_leaving--;
    }
    s->leavings[s->n_leaving++] = (leaving){ fd, clock_s() + LEAVE_S };
}

static void accept_all(server *s)
{
    for (;;) {
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        int fd = accept4(s->listen_fd, (struct sockaddr *)&from, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) return;
        if (atomic_load(&s->n_connection) >= s->options.max_connections) {
            refuse_at_door(s, fd);
            continue;
        }
        atomic_fetch_add(&s->n_connection, 1);
        if (MHD_add_connection(s->daemon, fd, (struct sockaddr *)&from, len) != MHD_YES)
            atomic_fetch_sub(&s->n_connection, 1);
    }
}

static void begin_drain(server *s)
{
    if (s->listen_fd < 0) return;
    close(s->listen_fd);
    s->listen_fd = -1;
    LOG(s->log, LOG_NOTE, "draining", log_int("connections", atomic_load(&s->n_connection)));
    if (s->options.on_drain) s->options.on_drain(s->options.arg);
}

/* Tell whoever still answers that nobody waits. References are taken under the
 * lock and the callbacks called without it: they may take locks of their own. */
static void cancel_all(server *s)
{
    reply **all = NULL;
    int n = 0;

    pthread_mutex_lock(&s->lock);
    for (peer *p = s->peers; p; p = p->next) {
        if (p->now) {
            all = mem_resize(all, (size_t)n + 1, sizeof *all);
            all[n++] = reply_ref(p->now->to_client);
        }
        if (p->stage != PEER_CUT) cut(s, p, false);
    }
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < n; i++) {
        reply_cancel(all[i]);
        reply_unref(all[i]);
    }
    mem_free(all);
}

static void *run_door(void *arg)
{
    server *s = arg;
    double stop_s = 0, cancelled_s = 0;
    bool over = false;

    while (!over) {
        struct pollfd on[2] = { { .fd = s->wake_fd, .events = POLLIN },
                                { .fd = s->listen_fd, .events = POLLIN } };
        bool idle, hurry;
        double now_s;
        eventfd_t woken;

        poll(on, 2, TICK_MS);
        now_s = clock_s();
        if (on[0].revents && !eventfd_read(s->wake_fd, &woken)) {
            atomic_store(&s->draining, true);
            if (!stop_s) stop_s = now_s;
        }
        if (atomic_load(&s->draining)) begin_drain(s);
        else accept_all(s);
        drop_leavings(s, false);
        pthread_mutex_lock(&s->lock);
        for (peer *p = s->peers; p; p = p->next) watch(s, p, now_s);
        idle = s->n_busy == 0;
        hurry = s->hurry;
        pthread_mutex_unlock(&s->lock);
        if (!stop_s) continue;
        if (!idle && !cancelled_s && (hurry || now_s - stop_s > s->options.drain_s)) {
            cancel_all(s);
            cancelled_s = now_s;
        }
        over = idle || (cancelled_s && now_s - cancelled_s > FORCED_S);
    }
    drop_leavings(s, true);
    LOG(s->log, LOG_NOTE, "drained", log_bool("forced", cancelled_s > 0));
    pthread_mutex_lock(&s->lock);
    s->drained = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

status door_start(server *s, errtext *err)
{
    sigset_t all, before;
    int code;

    /* Signals are for the program's own threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    code = pthread_create(&s->door, NULL, run_door, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code) return fail(err, E_IO, "cannot start a thread: %s", strerror(code));
    s->door_runs = true;
    return OK;
}

void door_join(server *s)
{
    if (!s->door_runs) return;
    pthread_mutex_lock(&s->lock);
    s->hurry = true;
    pthread_mutex_unlock(&s->lock);
    server_stop(s);
    pthread_join(s->door, NULL);
    s->door_runs = false;
}
