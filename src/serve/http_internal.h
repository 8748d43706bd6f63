/* http_internal.h - exchanges and replies as server.c sees them. */
#ifndef SERVE_HTTP_INTERNAL_H
#define SERVE_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>

#include "serve/http.h"

#define REQUEST_ID_MAX 40
#define MAX_QUERY 64
#define MAX_REPLY_HEADERS 16

/* --------------------------------------------------------------------- reply */

typedef enum reply_state { REPLY_OPEN, REPLY_BODY, REPLY_FILE, REPLY_STREAM } reply_state;

struct reply {
    pthread_mutex_t lock;
    pthread_cond_t gone_done;
    int refs;
    reply_state state;
    bool ended;                      /* nothing will be added */
    bool gone;                       /* the client went, or was dropped */
    bool dropped;                    /* ... for what it left unread */
    int http;
    const char *content_type;        /* of static life, or owned_type */
    char *owned_type;
    bytes body;                      /* the answer, or what of a stream waits */
    size_t taken;                    /* bytes of body given to the connection */
    size_t max_pending;
    int fd;
    int64_t fd_bytes;
    double retry_after_s;
    bool never_retry;
    struct { char *name, *value; } headers[MAX_REPLY_HEADERS];
    int n_header;
    int wake_fd;                     /* an eventfd once the connection waits */
    void (*on_gone)(void *arg);
    void *gone_arg;
    bool gone_running;
    pthread_t gone_thread;

    char id[REQUEST_ID_MAX];
    identity who;
    limits *limits;
};

reply *reply_new(const char *id, size_t max_pending, limits *shared);

/* On the connection's thread: wait until there is an answer or the client (at this
 * socket) is gone. Made a 500 when nobody is left to answer. */
void reply_wait(reply *r, int socket_fd);

/* The next bytes of a stream: their number, 0 at its end, -1 when it is broken off.
 * Waits; after keep_alive_s of silence gives a comment. */
ssize_t reply_read(reply *r, int socket_fd, char *out, size_t max, double keep_alive_s);

/* The connection is done with it; sent: everything was. Calls the gone callback
 * unless the answer was complete. */
void reply_finish(reply *r);
void reply_cancel(reply *r);         /* as if the client had gone */

/* ------------------------------------------------------------------ exchange */

typedef struct query_pair {
    char *name, *value;
} query_pair;

struct exchange {
    server *s;
    struct MHD_Connection *connection;
    int socket_fd;
    struct peer *peer;
    double start_s;
    char id[REQUEST_ID_MAX];
    char *method;
    char *path;
    query_pair query[MAX_QUERY];
    int n_query;
    bool bad_query;

    bool begun;                      /* the head has been looked at */
    api_error refusal;               /* found in the head: answered after the body */
    const route *to;                 /* NULL: none */
    route_args args;
    identity who;
    bool counted;                    /* limit_at holds */
    limit_state limit_at;
    const char *origin;              /* that CORS allows, or NULL; MHD's */

    bytes body;
    size_t max_body;
    uint64_t n_read;                 /* of the body */
    size_t held;                     /* counted into the server's bodies */
    struct MHD_PostProcessor *form;
    bool form_stopped;               /* by the handler */
    json_t *json;
    void *kept;
    void (*release)(void *data);

    bool handled;                    /* the handler ran */
    reply *to_client;
    int http_sent;
};

exchange *exchange_new(server *s, const char *uri, size_t max_pending, limits *shared);
void exchange_free(exchange *x);

/* server.c */
limits *server_limits(const server *s);

#endif
