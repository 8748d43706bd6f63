/* http.h - a request, and the reply to it.
 *
 * A handler (route_fn) runs on its connection's thread when the whole body is
 * there. It reads the request from the exchange, which lives until the reply has
 * been sent, and answers in one of three ways:
 *
 * 1. At once:       reply_json(exchange_reply(x), 200, object);   or
 *                   exchange_refuse(x, &error);
 * 2. Later:         it keeps a reference, hands it to another thread, returns:
 *                       job->to = reply_ref(exchange_reply(x));
 *                       reply_on_gone(job->to, job_cancel, job);
 *                       work_post(queue, WORK_NOW, &task);
 *                   and that thread answers as in 1 or 3, then reply_unref.
 * 3. As a stream:   reply_stream(to), then any number of reply_write (or of
 *                   sse_send, sse.h), then reply_end.
 *
 * A reply whose last reference is dropped without an answer becomes a 500, so a
 * client never waits for what will not come. All reply_ functions may be called
 * from any thread and never block: what is written waits in a buffer of bounded
 * size until the client reads it, and a client that does not is dropped. When the
 * client goes away before the end, the gone callback is called, once. */
#ifndef SERVE_HTTP_H
#define SERVE_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "serve/errors.h"
#include "serve/keys.h"
#include "serve/router.h"

typedef struct reply reply;
typedef struct server server;        /* server.h */

/* ------------------------------------------------------------------- request */

/* All borrowed for the exchange's life. */
server *exchange_server(const exchange *x);
const char *exchange_id(const exchange *x);      /* "req_...", sent as x-request-id */
const identity *exchange_identity(const exchange *x);
const char *exchange_method(const exchange *x);
const char *exchange_path(const exchange *x);    /* as sent, without the query */

/* What stood for the i-th {name} of the pattern. */
const char *exchange_arg(const exchange *x, int i);

/* A header, by any case of its name; NULL when absent. */
const char *exchange_header(const exchange *x, const char *name);

/* A parameter of the query, NULL when absent; the first of several. And all of
 * them in order, for lists such as metadata[k]=v: false past the last. */
const char *exchange_query(const exchange *x, const char *name);
bool exchange_query_at(const exchange *x, int i, const char **name, const char **value);

/* A whole number from the query in low .. high; absent gives `absent`. False
 * has answered with 400. */
bool exchange_query_int(exchange *x, const char *name, int64_t low, int64_t high,
                        int64_t absent, int64_t *out);

/* The body, followed by a NUL that len does not count. */
const char *exchange_body(const exchange *x, size_t *len);

/* The body as a JSON object, which the exchange owns. NULL has answered with 400:
 * what is wrong, at which byte, line and column. Names given twice, bytes after
 * the end, numbers out of range, lone surrogates, NUL and invalid UTF-8 are
 * errors; so is a depth above 2048. */
json_t *exchange_json(exchange *x);

/* Answer with an error; for the on_form callback too. */
void exchange_refuse(exchange *x, const api_error *e);

/* Room for the handler, such as a form's state: released with the exchange. */
void exchange_keep(exchange *x, void *data, void (*release)(void *data));
void *exchange_kept(const exchange *x);

/* Take tokens from the key's minute before the work; false has answered with 429.
 * reply_charge settles the difference later. */
bool exchange_take_tokens(exchange *x, int64_t tokens);

reply *exchange_reply(const exchange *x);        /* borrowed: reply_ref to keep */

/* --------------------------------------------------------------------- reply */

reply *reply_ref(reply *r);                      /* returns r */
void reply_unref(reply *r);                      /* accepts NULL */

const char *reply_request_id(const reply *r);
const identity *reply_identity(const reply *r);

/* A header of the reply, before it is answered. Copied. */
void reply_header(reply *r, const char *name, const char *value);

/* The functions that answer return false, and do nothing, when the reply has been
 * answered already or the client is gone. */

/* Take an object (its reference), or a body. */
bool reply_json(reply *r, int http, json_t *object);
bool reply_body(reply *r, int http, const char *content_type, const void *data, size_t len);
bool reply_error(reply *r, const api_error *e);

/* Send `len` bytes of a file from its start; takes fd. */
bool reply_file(reply *r, int fd, int64_t len, const char *content_type);

/* Start a 200 text/event-stream. While nothing is written for the server's
 * keep_alive_s, a comment is sent. */
bool reply_stream(reply *r);

/* Add to a stream, whole events at a time. False when the client is gone, or has
 * left so much unread that it is dropped now. */
bool reply_write(reply *r, const void *data, size_t len);
bool reply_end(reply *r);                        /* the stream is complete */

size_t reply_pending(reply *r);                  /* bytes of a stream not yet taken */
bool reply_gone(reply *r);                       /* the client is, or has been dropped */
bool reply_answered(reply *r);                   /* with one body, or a stream begun */

/* Call fn(arg) when the client goes away, or the server ends, before the answer is
 * complete: once, from a thread of the server, holding no lock; at once, from this
 * thread, when it has gone already. fn NULL takes a callback back: when that
 * returns, fn is not running and will not be called. */
void reply_on_gone(reply *r, void (*fn)(void *arg), void *arg);

/* Take tokens from the key's minute (below zero: give back). */
void reply_charge(reply *r, int64_t tokens);

#endif
