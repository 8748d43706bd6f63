/* http.c - requests, as handlers see them. */
#include "serve/http.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/http_internal.h"
#include "serve/http_text.h"

static void make_id(char out[REQUEST_ID_MAX])
{
    uint8_t random[16];

    randombytes_buf(random, sizeof random);
    memcpy(out, "req_", 4);
    sodium_bin2hex(out + 4, REQUEST_ID_MAX - 4, random, sizeof random);
}

/* ----------------------------------------------------------------- the request */

static void add_pair(exchange *x, const char *s, size_t len)
{
    const char *equals = memchr(s, '=', len);
    size_t n = equals ? (size_t)(equals - s) : len;
    query_pair *p;

    if (!len) return;
    if (x->n_query == MAX_QUERY) {
        x->bad_query = true;
        return;
    }
    p = &x->query[x->n_query];
    *p = (query_pair){ 0 };
    if (!text_percent_decode(&p->name, s, n, true) ||
        !text_percent_decode(&p->value, equals ? equals + 1 : s, equals ? len - n - 1 : 0, true)) {
        mem_free(p->name);
        x->bad_query = true;
        return;
    }
    x->n_query++;
}

exchange *exchange_new(server *s, const char *uri, size_t max_pending, limits *shared)
{
    exchange *x = mem_new(sizeof *x);
    size_t n = strcspn(uri, "?#");

    x->s = s;
    x->start_s = clock_s();
    make_id(x->id);
    x->path = mem_new(n + 1);
    memcpy(x->path, uri, n);
    if (uri[n] == '?') {
        for (const char *at = uri + n + 1; *at && *at != '#';) {
            size_t len = strcspn(at, "&#");

            add_pair(x, at, len);
            at += len;
            if (*at == '&') at++;
        }
    }
    x->to_client = reply_new(x->id, max_pending, shared);
    return x;
}

void exchange_free(exchange *x)
{
    if (!x) return;
    if (x->form) MHD_destroy_post_processor(x->form);
    if (x->release) x->release(x->kept);
    for (int i = 0; i < x->n_query; i++) {
        mem_free(x->query[i].name);
        mem_free(x->query[i].value);
    }
    route_args_fini(&x->args);
    json_decref(x->json);
    bytes_fini(&x->body);
    reply_unref(x->to_client);
    mem_free(x->method);
    mem_free(x->path);
    mem_free(x);
}

server *exchange_server(const exchange *x) { return x->s; }
const char *exchange_id(const exchange *x) { return x->id; }
const identity *exchange_identity(const exchange *x) { return &x->who; }
const char *exchange_method(const exchange *x) { return x->method; }
const char *exchange_path(const exchange *x) { return x->path; }
reply *exchange_reply(const exchange *x) { return x->to_client; }
void *exchange_kept(const exchange *x) { return x->kept; }

const char *exchange_arg(const exchange *x, int i)
{
    CHECK(i >= 0 && i < x->args.n);
    return x->args.value[i];
}

const char *exchange_header(const exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

const char *exchange_query(const exchange *x, const char *name)
{
    for (int i = 0; i < x->n_query; i++)
        if (!strcmp(x->query[i].name, name)) return x->query[i].value;
    return NULL;
}

bool exchange_query_at(const exchange *x, int i, const char **name, const char **value)
{
    if (i < 0 || i >= x->n_query) return false;
    *name = x->query[i].name;
    *value = x->query[i].value;
    return true;
}

bool exchange_query_int(exchange *x, const char *name, int64_t low, int64_t high,
                        int64_t absent, int64_t *out)
{
    const char *text = exchange_query(x, name);
    char *end;
    api_error e;

    *out = absent;
    if (!text) return true;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (*text && strchr("-0123456789", *text) && !*end && !errno && *out >= low && *out <= high)
        return true;
    error_bad_code(&e, "invalid_value", name,
                   "Invalid '%s': '%.80s' is not a whole number from %lld to %lld.", name, text,
                   (long long)low, (long long)high);
    exchange_refuse(x, &e);
    return false;
}

const char *exchange_body(const exchange *x, size_t *len)
{
    *len = x->body.len;
    return x->body.data ? x->body.data : "";
}

void exchange_refuse(exchange *x, const api_error *e)
{
    reply_error(x->to_client, e);
}

void exchange_keep(exchange *x, void *data, void (*release)(void *data))
{
    if (x->release && x->kept != data) x->release(x->kept);
    x->kept = data;
    x->release = release;
}

json_t *exchange_json(exchange *x)
{
    json_error_t why;
    api_error e;

    if (x->json) return x->json;
    if (!x->body.len) {
        error_bad(&e, NULL, "The request has no body; a JSON object is expected.");
        exchange_refuse(x, &e);
        return NULL;
    }
    x->json = json_loadb(x->body.data, x->body.len, JSON_REJECT_DUPLICATES, &why);
    if (!x->json) {
        error_bad(&e, NULL, "The body is not valid JSON: %s, at byte %d (line %d, column %d).",
                  why.text, why.position, why.line, why.column);
        exchange_refuse(x, &e);
    } else if (!json_is_object(x->json)) {
        json_decref(x->json);
        x->json = NULL;
        error_bad(&e, NULL, "The body is not a JSON object.");
        exchange_refuse(x, &e);
    }
    return x->json;
}

bool exchange_take_tokens(exchange *x, int64_t tokens)
{
    api_error e;

    if (x->who.rates.tokens <= 0) return true;
    x->counted = true;
    if (limits_take_tokens(server_limits(x->s), x->who.name, x->who.rates, tokens, clock_s(),
                           &x->limit_at, &e))
        return true;
    exchange_refuse(x, &e);
    return false;
}
