/* router.h - from a method and a path to a handler. */
#ifndef SERVE_ROUTER_H
#define SERVE_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

typedef struct exchange exchange;    /* http.h */

/* Answers a request, on the thread of its connection; http.h says how. */
typedef void route_fn(exchange *x, void *arg);

/* A piece of a multipart form: `at` is the place in the part's content. Pieces
 * of a part come in order; a part without content gives one with len 0. False
 * ends the request with what exchange_refuse said. */
typedef struct form_piece {
    const char *name;        /* of the field */
    const char *filename;    /* or NULL */
    const char *content_type;    /* or NULL */
    const char *data;
    size_t len;
    size_t at;
} form_piece;

typedef bool form_fn(exchange *x, void *arg, const form_piece *piece);

enum {
    ROUTE_OPEN = 1,          /* needs no key */
    ROUTE_COUNTED = 2,       /* takes from the key's requests a minute */
    ROUTE_ADMIN = 4,         /* needs a key of an admin, where there are keys */
};

/* A route. The pattern's segments are literal, or "{name}" for one segment, or, at
 * the end, "{name*}" for all that follows; where several routes match, the one
 * with a literal at the first difference wins. Strings are borrowed for ever. */
typedef struct route {
    const char *method;      /* "GET" (also answers HEAD), "POST", "DELETE", ... */
    const char *pattern;     /* "/v1/responses/{id}/cancel" */
    route_fn *fn;
    void *arg;
    unsigned flags;
    size_t max_body;         /* bytes; 0: the server's default. A larger one is
                              * refused with 413 */
    form_fn *on_form;        /* the body is multipart/form-data and comes in pieces
                              * before fn is called, not held in memory; or NULL */
} route;

#define ROUTE_MAX_ARGS 4

/* What stood for the {names}, in order, with percent escapes undone. */
typedef struct route_args {
    char *value[ROUTE_MAX_ARGS];
    int n;
} route_args;

typedef struct router router;

router *router_new(void);
void router_free(router *r);                     /* accepts NULL */
void router_add(router *r, const route *add);

typedef enum route_match {
    ROUTE_FOUND,
    ROUTE_NO_PATH,           /* 404 */
    ROUTE_NO_METHOD,         /* 405; allow has the methods: "GET, POST" */
    ROUTE_BAD_ESCAPE,        /* 400 */
} route_match;

/* path: as in the request line, without the query. On ROUTE_FOUND *out is
 * borrowed from the router and args is to be released with route_args_fini. */
route_match router_find(const router *r, const char *method, const char *path,
                        const route **out, route_args *args, bytes *allow);
void route_args_fini(route_args *a);

#endif
