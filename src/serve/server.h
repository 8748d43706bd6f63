/* server.h - the HTTP ground: connections, keys, limits, logs, metrics.
 *
 *   server_new(&s, &options, &err);
 *   server_route(s, &(route){ "POST", "/v1/responses", create_response, api });
 *   server_start(s, &err);
 *   server_stop_on_signals(s);
 *   server_wait(s);             until a signal and the drain after it
 *   server_free(s);
 *
 * A thread of our own, the door, accepts connections and watches their deadlines;
 * libmicrohttpd reads and writes them, each on a thread of its own, where handlers
 * run (http.h). The door answers past the last place with 503 instead of letting
 * clients hang, and ends connections that send their head or body too slowly with
 * 408.
 *
 * Every request gets an id, the API's error shape for whatever is wrong with it, a
 * line in the log and a place in the metrics. Two routes are there by themselves:
 * GET /health, open to all: {"status":"ok"}, or 503 "draining"; and GET /metrics,
 * for admins where there are keys. */
#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "serve/http.h"
#include "serve/limits.h"
#include "serve/log.h"
#include "serve/meters.h"
#include "serve/router.h"

typedef struct server_options {
    const char *host;            /* address to bind to; NULL: 127.0.0.1 */
    int port;                    /* 0: any free one, see server_port */
    const char *keys_path;       /* file of keys (keys.h); NULL: no keys */
    bool open;                   /* without keys, bind to more than loopback */
    const char *const *origins;  /* [n_origin] web pages that may call (CORS), such
                                  * as "https://app.example"; "*": all */
    int n_origin;
    const char *const *hosts;    /* [n_host] further names this server is called by
                                  * in Host; matters without keys, see server.c */
    int n_host;
    const char *organization;    /* openai-organization; NULL: "ponder" */
    int log_fd;                  /* 0: standard error; -1: no log */
    log_level log_level;

    /* Bounds; 0 takes the default. */
    int max_connections;         /* 1024, less if the process may not open so many */
    size_t max_body;             /* 64 MiB; routes may say otherwise */
    size_t max_bodies;           /* 1 GiB, of all requests together */
    size_t max_header;           /* 32 KiB, of one request */
    size_t max_pending;          /* 4 MiB of a stream unread by its client */
    double header_s;             /* 15: for a request's head to come */
    double body_s;               /* 30: for its body, and a second more for each */
    double body_bytes_s;         /* 16384 bytes */
    double idle_s;               /* 75: between two requests */
    double stall_s;              /* 60: for a client to take anything at all */
    double keep_alive_s;         /* 10: between comments of a silent stream */
    double drain_s;              /* 30: for requests to end after a stop */
    double linger_s;             /* 2: for a refused client to stop sending and read why */

    /* Called once, from the door, when the server stops taking requests. */
    void (*on_drain)(void *arg);
    /* Called before each GET /metrics, to bring gauges up to date. */
    void (*on_metrics)(void *arg);
    void *arg;
} server_options;

/* options is copied; its strings are borrowed for the server's life. On OK *out is
 * the caller's, to be released with server_free. E_IO and E_FORMAT about the keys;
 * E_ARG for a host that is no address, or one beyond loopback with neither keys nor
 * `open`. */
status server_new(server **out, const server_options *options, errtext *err);

/* Stops at once what still runs. Accepts NULL. */
void server_free(server *s);

void server_route(server *s, const route *r);    /* before server_start */

/* E_IO when the port is taken. */
status server_start(server *s, errtext *err);
int server_port(const server *s);

/* Ask for the drain: no new connections, 503 for new requests, those that run may
 * end. May be called from a signal handler, and again. */
void server_stop(server *s);
void server_stop_on_signals(server *s);          /* SIGTERM and SIGINT call it */

/* Until the drain is over: all requests have ended, or drain_s has passed and the
 * rest was told that their client is gone. */
void server_wait(server *s);
bool server_draining(const server *s);

/* Borrowed for the server's life. */
logger *server_log(const server *s);
meters *server_meters(const server *s);
keys *server_keys(const server *s);              /* NULL: no keys */

#endif
