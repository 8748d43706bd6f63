/* router.c - routes, tried one after the other: there are some dozens. */
#include "serve/router.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "serve/http_text.h"

struct router {
    route *routes;
    int n_route;
};

router *router_new(void)
{
    return mem_new(sizeof(router));
}

void router_free(router *r)
{
    if (!r) return;
    mem_free(r->routes);
    mem_free(r);
}

void router_add(router *r, const route *add)
{
    CHECK(add->pattern[0] == '/' && add->fn);
    r->routes = mem_resize(r->routes, (size_t)r->n_route + 1, sizeof *r->routes);
    r->routes[r->n_route++] = *add;
}

void route_args_fini(route_args *a)
{
    for (int i = 0; i < a->n; i++) mem_free(a->value[i]);
    *a = (route_args){ 0 };
}

/* How well a pattern fits: a bit for each segment, 1 where it is literal, the
 * first on top. 0 when it does not; spans gets what the names stand for. */
typedef struct span {
    const char *at;
    size_t len;
} span;

static unsigned fit(const char *pattern, const char *path, span spans[ROUTE_MAX_ARGS], int *n)
{
    unsigned score = 1u << 31, bit = 1u << 30;

    *n = 0;
    for (; *pattern == '/' && *path == '/'; bit >>= 1) {
        size_t want = strcspn(++pattern, "/"), got = strcspn(++path, "/");

        if (pattern[0] == '{') {
            bool rest = pattern[want - 2] == '*';

            if (rest) got = strlen(path);
            if (!got || *n == ROUTE_MAX_ARGS) return 0;
            spans[(*n)++] = (span){ path, got };
        } else if (want == got && !memcmp(pattern, path, got)) {
            score |= bit;
        } else {
            return 0;
        }
        pattern += want;
        path += got;
    }
    return *pattern || *path ? 0 : score;
}

static void add_method(bytes *allow, const char *method)
{
    if (allow->len) bytes_add_string(allow, ", ");
    bytes_add_string(allow, method);
    if (!strcmp(method, "GET")) bytes_add_string(allow, ", HEAD");
}

route_match router_find(const router *r, const char *method, const char *path,
                        const route **out, route_args *args, bytes *allow)
{
    const char *want = !strcmp(method, "HEAD") ? "GET" : method;
    span best_spans[ROUTE_MAX_ARGS];
    unsigned best = 0;
    int n_best = 0;

    *out = NULL;
    *args = (route_args){ 0 };
    for (int i = 0; i < r->n_route; i++) {
        span spans[ROUTE_MAX_ARGS];
        int n;
        unsigned score = fit(r->routes[i].pattern, path, spans, &n);

        if (!score) continue;
        if (strcmp(r->routes[i].method, want)) {
            add_method(allow, r->routes[i].method);
        } else if (score > best) {
            best = score;
            *out = &r->routes[i];
            memcpy(best_spans, spans, sizeof spans);
            n_best = n;
        }
    }
    if (!*out) return allow->len ? ROUTE_NO_METHOD : ROUTE_NO_PATH;
    for (; args->n < n_best; args->n++) {
        if (!text_percent_decode(&args->value[args->n], best_spans[args->n].at,
                                 best_spans[args->n].len, false)) {
            route_args_fini(args);
            return ROUTE_BAD_ESCAPE;
        }
    }
    return ROUTE_FOUND;
}
