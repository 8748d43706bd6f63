/* server_internal.h - what server.c (requests) and server_door.c (connections)
 * share. */
#ifndef SERVE_SERVER_INTERNAL_H
#define SERVE_SERVER_INTERNAL_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "serve/http_internal.h"
#include "serve/server.h"

/* Where a connection is in the life of a request; each stage has its deadline. */
typedef enum peer_stage {
    PEER_HEAD,               /* the first head is to come: header_s */
    PEER_BODY,               /* the head was there, the body is to come: body_s */
    PEER_BUSY,               /* the handler and the reply: stall_s, by libmicrohttpd */
    PEER_IDLE,               /* the next head is to come, perhaps: idle_s */
    PEER_CUT,                /* ended by the door */
} peer_stage;

typedef struct peer {
    struct peer *prev, *next;
    int fd;
    peer_stage stage;
    double since_s;
    uint64_t n_body;
    exchange *now;           /* between head and end of reply */
} peer;

/* A connection refused at the door, kept a moment so that its client can read the
 * answer before the reset that closing with unread bytes would send. */
typedef struct leaving {
    int fd;
    double until_s;
} leaving;

#define MAX_LEAVING 64

struct server {
    server_options options;
    router *routes;
    keys *keys;
    limits *limits;
    meters *meters;
    logger *log;
    struct MHD_Daemon *daemon;
    int port;
    int listen_fd;
    int wake_fd;             /* written by server_stop */
    bool beyond_loopback;

    pthread_t door;
    bool door_runs;
    atomic_bool draining;
    bool hurry;              /* under lock: do not wait for requests to end */

    pthread_mutex_t lock;    /* of the peers and of drained */
    pthread_cond_t changed;
    peer *peers;
    int n_busy;              /* peers with a request */
    bool drained;
    atomic_int n_connection;
    _Atomic size_t held;     /* bytes of bodies */

    leaving leavings[MAX_LEAVING];
    int n_leaving;
};

/* server_door.c */
status door_open(server *s, errtext *err);       /* bind and listen */
status door_start(server *s, errtext *err);
void door_join(server *s);
void door_notify(void *arg, struct MHD_Connection *c, void **socket_context,
                 enum MHD_ConnectionNotificationCode code);
void peer_stage_set(server *s, peer *p, peer_stage stage, exchange *now);

/* Answer past libmicrohttpd, on a socket nothing has been sent on for this request:
 * the error with "connection: close". */
void raw_refuse(int fd, const char *request_id, const api_error *e);

#endif
