/* fetch.c - HTTP by libcurl: redirects, retries, ranges and checksums.
 *
 * Redirects are followed here and not by libcurl, so that one place decides
 * who sees the token and each hop's headers can be looked at. Every number
 * that a server names is checked against what the listing promised before it
 * is believed. */
#include "model/fetch.h"

#include <ctype.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "model/part.h"

#define MAX_HOPS 8
#define MAX_HEADER_BYTES 65536       /* of one response */
#define MAX_UNWANTED_BYTES 65536     /* body of a redirect or an error */
#define MAX_PAUSE_MS 30000
#define STALL_S 30                   /* no byte for so long: the line is dead */
#define HOST_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"
#define PROGRESS_BYTES (1 << 20)     /* so much new data makes up for a failure */

struct fetch {
    fetch_policy policy;
    CURL *curl;
};

/* One request with its redirects. The callbacks cannot return a status, so it
 * is left here. */
typedef struct exchange {
    fetch *f;
    part *part;                      /* where the body goes: a file, */
    bytes *text;                     /* or memory, up to text_max */
    size_t text_max;
    bytes *next;
    const char *name;                /* for errors */
    errtext *err;
    status st;                       /* decided inside a callback */
    bool refused;                    /* st ends the matter, no retry */
    bool spoiled;                    /* what the part holds is of no use */
    long code;                       /* of the last response */
    uint64_t asked;                  /* offset of the range asked for */
    char linked_etag[128];           /* said by home, kept over hops */
    char host[256];                  /* who answers */
    bool at_home;
    bool with_token;
    /* the response being read */
    int header_bytes;
    int unwanted_bytes;
    bool begun;
    char etag[128];
    bool has_range;
    uint64_t range_start;
    uint64_t range_total;            /* UINT64_MAX: not said */
    int retry_after_s;
    char reason[160];                /* start of an error's body */
} exchange;

void fetch_clean(char *out, size_t room, const char *text, size_t len)
{
    size_t n = 0;

    CHECK(room > 0);
    for (size_t i = 0; i < len && n + 1 < room; i++)
        out[n++] = text[i] >= 0x20 && text[i] < 0x7F ? text[i] : '?';
    out[n] = 0;
}

static void tell(fetch *f, hub_event_kind kind, const char *file, uint64_t done,
                 uint64_t total, const char *text)
{
    hub_event event = { kind, file, done, total, text };

    if (f->policy.report) f->policy.report(f->policy.report_arg, &event);
}

static bool stopped(const fetch *f)
{
    return f->policy.stop && *f->policy.stop;
}

/* ---- who may see what ---- */

typedef struct origin {
    bool https;
    char host[256];
    char port[8];
} origin;

/* Scheme, host and port of a URL; false for anything but http and https. */
static bool origin_parse(origin *out, const char *url)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    bool ok = u && !curl_url_set(u, CURLUPART_URL, url, 0) &&
              !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
              !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
              !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) &&
              (!strcasecmp(scheme, "https") || !strcasecmp(scheme, "http")) &&
              strlen(host) < sizeof out->host && strlen(port) < sizeof out->port &&
              strspn(host, HOST_CHARS) == strlen(host);

    if (ok) {
        out->https = !strcasecmp(scheme, "https");
        snprintf(out->host, sizeof out->host, "%s", host);
        snprintf(out->port, sizeof out->port, "%s", port);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return ok;
}

static bool origin_equal(const origin *a, const origin *b)
{
    return a->https == b->https && !strcasecmp(a->host, b->host) &&
           !strcmp(a->port, b->port);
}

static bool origin_local(const origin *o)
{
    return !strcmp(o->host, "127.0.0.1") || !strcmp(o->host, "[::1]") ||
           !strcasecmp(o->host, "localhost");
}

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

status fetch_open(fetch **out, const fetch_policy *policy, errtext *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    origin home;
    fetch *f;

    *out = NULL;
    pthread_once(&once, start_curl);
    if (!origin_parse(&home, policy->home)) {
        char clean[200];

        fetch_clean(clean, sizeof clean, policy->home, strlen(policy->home));
        return fail(err, E_ARG, "hub address %s: not an http or https URL", clean);
    }
    f = mem_new(sizeof *f);
    f->policy = *policy;
    f->curl = curl_easy_init();
    CHECK(f->curl);
    *out = f;
    return OK;
}

void fetch_close(fetch *f)
{
    if (!f) return;
    curl_easy_cleanup(f->curl);
    mem_free(f);
}

/* ---- response headers ---- */

static bool header_is(const char *line, size_t len, const char *name, const char **value,
                      size_t *value_len)
{
    size_t n = strlen(name);

    if (len <= n || line[n] != ':' || strncasecmp(line, name, n)) return false;
    line += n + 1;
    len -= n + 1;
    while (len && (*line == ' ' || *line == '\t')) line++, len--;
    while (len && isspace((unsigned char)line[len - 1])) len--;
    *value = line;
    *value_len = len;
    return true;
}

/* Decimal digits from *at on; false when there are none or too many. */
static bool read_number(const char **at, const char *end, uint64_t *out)
{
    const char *p = *at;

    *out = 0;
    while (p < end && *p >= '0' && *p <= '9' && p - *at < 18)
        *out = *out * 10 + (uint64_t)(*p++ - '0');
    if (p == *at || (p < end && *p >= '0' && *p <= '9')) return false;
    *at = p;
    return true;
}

/* "bytes 100-199/200" or "bytes 100-199/\*" */
static bool read_range(const char *v, size_t len, uint64_t *start, uint64_t *total)
{
    const char *end = v + len;
    uint64_t last;

    if (len < 6 || strncasecmp(v, "bytes ", 6)) return false;
    v += 6;
    if (!read_number(&v, end, start) || v == end || *v++ != '-') return false;
    if (!read_number(&v, end, &last) || v == end || *v++ != '/') return false;
    *total = UINT64_MAX;
    if (end - v == 1 && *v == '*') return true;
    return read_number(&v, end, total) && v == end;
}

/* Keep an ETag that is short and plain; it goes back out in a header. */
static void keep_etag(char out[128], const char *v, size_t len)
{
    out[0] = 0;
    if (len >= 128) return;
    for (size_t i = 0; i < len; i++)
        if (v[i] <= 0x20 || v[i] >= 0x7F) return;
    memcpy(out, v, len);
    out[len] = 0;
}

/* The target of rel="next" in a Link header; the hub's only use of it. */
static void keep_next(bytes *next, const char *v, size_t len)
{
    const char *open = memchr(v, '<', len);
    const char *close = open ? memchr(open, '>', len - (size_t)(open - v)) : NULL;

    if (!close) return;
    if (!memmem(close, len - (size_t)(close - v), "rel=\"next\"", 10)) return;
    bytes_clear(next);
    bytes_add(next, open + 1, (size_t)(close - open) - 1);
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    exchange *x = arg;
    size_t len = size * n, v_len;
    const char *v;
    uint64_t number;

    if (len >= 5 && !strncmp(line, "HTTP/", 5)) {       /* a new response */
        x->etag[0] = 0;
        x->has_range = false;
        x->retry_after_s = 0;
    }
    x->header_bytes += (int)len;
    if (x->header_bytes > MAX_HEADER_BYTES) {
        x->st = fail(x->err, E_LIMIT, "%s: more than %d bytes of headers", x->name,
                     MAX_HEADER_BYTES);
        x->refused = true;
        return 0;
    }
    if (header_is(line, len, "etag", &v, &v_len)) {
        keep_etag(x->etag, v, v_len);
    } else if (header_is(line, len, "x-linked-etag", &v, &v_len)) {
        if (x->at_home) keep_etag(x->linked_etag, v, v_len);
    } else if (header_is(line, len, "content-range", &v, &v_len)) {
        x->has_range = read_range(v, v_len, &x->range_start, &x->range_total);
    } else if (header_is(line, len, "retry-after", &v, &v_len)) {
        if (read_number(&v, v + v_len, &number) && number <= 3600)
            x->retry_after_s = (int)number;
    } else if (x->next && header_is(line, len, "link", &v, &v_len)) {
        keep_next(x->next, v, v_len);
    }
    return len;
}

/* ---- response bodies ---- */

static size_t refuse(exchange *x, status st)     /* from a callback */
{
    x->st = st;
    x->refused = true;
    return 0;
}

static status announced(const exchange *x, uint64_t size)
{
    return fail(x->err, E_FORMAT, "%s: the server has %" PRIu64 " bytes, the hub lists %"
                PRIu64, x->name, size, x->part->target->size);
}

/* A hub whose answer names other contents than its listing did has changed in
 * between. */
static bool linked_differs(const exchange *x)
{
    const char *want = x->part->target->sha256;
    const char *tag = x->linked_etag;
    size_t len = strlen(tag);

    if (*tag == '"' && len >= 2) tag++, len -= 2;
    return want && len == 64 && strncasecmp(tag, want, 64) != 0;
}

/* Where does this body belong? Called once before its first byte. */
static status body_begin(exchange *x)
{
    part *p = x->part;
    bool ranged = x->code == 206;
    uint64_t start = ranged ? x->range_start : 0;
    curl_off_t length = -1;

    curl_easy_getinfo(x->f->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    x->refused = true;
    if (linked_differs(x))
        return fail(x->err, E_FORMAT, "%s: changed on the hub since it was listed; start "
                    "again", x->name);
    if (ranged && !x->has_range)
        return fail(x->err, E_FORMAT, "%s: the server sends a part and does not say which",
                    x->name);
    if (ranged && x->range_total != UINT64_MAX && x->range_total != p->target->size)
        return announced(x, x->range_total);
    if (!ranged && length >= 0 && (uint64_t)length != p->target->size)
        return announced(x, (uint64_t)length);

    /* A server that knows Range but not If-Range must not mix two contents. */
    if (start != p->at || (p->at && p->etag[0] && strcmp(p->etag, x->etag))) {
        if (part_restart(p, x->err) != OK) return E_IO;
        if (start != 0) {
            x->refused = false;
            return fail(x->err, E_IO, "%s: the file changed, or another part came than was "
                        "asked for", x->name);
        }
    }
    if (part_set_etag(p, x->etag, x->err) != OK) return E_IO;
    x->refused = false;
    return OK;
}

static size_t body_to_part(exchange *x, const char *data, size_t len)
{
    part *p = x->part;
    status st;

    if (!x->begun) {
        x->begun = true;
        if ((x->st = body_begin(x)) != OK) return 0;
        tell(x->f, HUB_START, x->name, p->at, p->target->size, NULL);
    }
    if (len > p->target->size - p->at) {
        x->spoiled = true;
        return refuse(x, fail(x->err, E_FORMAT, "%s: the server sends more than the %" PRIu64
                              " bytes that the hub lists; the download was removed", x->name,
                              p->target->size));
    }
    st = part_append(p, data, len, x->err);
    if (st != OK) return refuse(x, st);
    tell(x->f, HUB_BYTES, x->name, p->at, p->target->size, NULL);
    return len;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    exchange *x = arg;
    size_t len = size * n;

    curl_easy_getinfo(x->f->curl, CURLINFO_RESPONSE_CODE, &x->code);
    if (x->code != 200 && x->code != 206) {
        if (!x->reason[0]) fetch_clean(x->reason, sizeof x->reason, data, len);
        x->unwanted_bytes += (int)len;
        return x->unwanted_bytes > MAX_UNWANTED_BYTES ? 0 : len;
    }
    if (x->part) return body_to_part(x, data, len);
    if (len > x->text_max - x->text->len)
        return refuse(x, fail(x->err, E_LIMIT, "%s: larger than %zu bytes", x->name,
                              x->text_max));
    bytes_add(x->text, data, len);
    return len;
}

static int on_progress(void *arg, curl_off_t dl_total, curl_off_t dl_now, curl_off_t ul_total,
                       curl_off_t ul_now)
{
    (void)dl_total, (void)dl_now, (void)ul_total, (void)ul_now;
    return stopped(arg);
}

/* ---- one request ---- */

static struct curl_slist *headers_for(const exchange *x)
{
    struct curl_slist *list = NULL;
    bytes line = { 0 };

    if (x->with_token) {
        bytes_add_format(&line, "Authorization: Bearer %s", x->f->policy.token);
        list = curl_slist_append(list, line.data);
        sodium_memzero(line.data, line.len);
        bytes_clear(&line);
    }
    if (x->asked) {
        bytes_add_format(&line, "Range: bytes=%" PRIu64 "-", x->asked);
        list = curl_slist_append(list, line.data);
        bytes_clear(&line);
        /* A weak tag (W/) promises likeness, not the same bytes: RFC 9110,
         * 13.1.5 forbids it here. */
        if (x->part->etag[0] == '"') {
            bytes_add_format(&line, "If-Range: %s", x->part->etag);
            list = curl_slist_append(list, line.data);
        }
    }
    bytes_fini(&line);
    return list;
}

static CURLcode one_request(exchange *x, const char *url)
{
    CURL *c = x->f->curl;
    struct curl_slist *headers = headers_for(x);
    CURLcode rc;

    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "ponder");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
    if (x->text) curl_easy_setopt(c, CURLOPT_TIMEOUT, 120L);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 262144L);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, x->f);

    x->header_bytes = 0;
    x->unwanted_bytes = 0;
    x->begun = false;
    x->reason[0] = 0;
    x->code = 0;
    rc = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &x->code);
    for (struct curl_slist *h = headers; h; h = h->next)
        sodium_memzero(h->data, strlen(h->data));
    curl_slist_free_all(headers);
    return rc;
}

static bool is_redirect(long code)
{
    return code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
}

/* Explain an answer that is neither data nor a redirect. */
static status http_trouble(exchange *x)
{
    long code = x->code;
    char more[sizeof x->reason + 4] = "";
    const char *why = "it does not exist or is not public; a token in HF_TOKEN opens what your "
                      "account may read";

    if (x->with_token)
        why = "the token in HF_TOKEN may not read it (is the name right, and was its licence "
              "accepted on the hub?)";
    else if (x->f->policy.token)
        why = "HF_TOKEN is not sent over plain http";
    x->refused = true;
    if (x->at_home && (code == 401 || code == 403))
        return fail(x->err, E_IO, "%s: the hub answers %ld: %s", x->name, code, why);
    if (x->at_home && code == 404)
        return fail(x->err, E_IO, "%s: not found on the hub (404)", x->name);
    if (code == 408 || code == 425 || code == 429 || code >= 500) x->refused = false;
    if (x->reason[0] && x->reason[0] != '<') snprintf(more, sizeof more, ": %s", x->reason);
    return fail(x->err, E_IO, "%s: %s answers %ld%s", x->name, x->host, code, more);
}

/* Trying again helps against a broken line, not against a wrong certificate. */
static bool is_lasting(CURLcode rc)
{
    return rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CACERT_BADFILE ||
           rc == CURLE_UNSUPPORTED_PROTOCOL || rc == CURLE_URL_MALFORMAT;
}

static status refused(exchange *x, status st)
{
    x->refused = true;
    return st;
}

/* One hop: ask, and leave in `to` where it leads, or nothing when it ended. */
static status hop(exchange *x, const char *url, bool from_https, bytes *to, errtext *err)
{
    origin home, here;
    const char *next = NULL;
    CURLcode rc;

    CHECK(origin_parse(&home, x->f->policy.home));
    if (!origin_parse(&here, url)) {
        char clean[200];

        fetch_clean(clean, sizeof clean, url, strlen(url));
        return refused(x, fail(err, E_FORMAT, "%s: leads to %s, which is not http or https",
                               x->name, clean));
    }
    if (from_https && !here.https)
        return refused(x, fail(err, E_FORMAT, "%s: redirected from https to plain http on %s",
                               x->name, here.host));
    snprintf(x->host, sizeof x->host, "%s", here.host);
    x->at_home = origin_equal(&here, &home);
    x->with_token = x->f->policy.token && x->at_home && (here.https || origin_local(&here));
    rc = one_request(x, url);
    if (x->st != OK) return x->st;
    if (stopped(x->f)) return refused(x, fail(err, E_INTERRUPTED, "%s: interrupted", x->name));
    if (rc != CURLE_OK && !(x->code >= 300 && rc == CURLE_WRITE_ERROR)) {
        x->refused = is_lasting(rc);
        return fail(err, E_IO, "%s: %s: %s", x->name, here.host, curl_easy_strerror(rc));
    }
    if (x->code == 200 || x->code == 206) return OK;
    if (!is_redirect(x->code)) return http_trouble(x);
    curl_easy_getinfo(x->f->curl, CURLINFO_REDIRECT_URL, &next);
    if (!next)
        return refused(x, fail(err, E_FORMAT, "%s: a redirect that leads nowhere", x->name));
    bytes_add_string(to, next);      /* it lives in the handle, which is reused */
    return OK;
}

/* Follow one request to its end. OK when a body of 200 or 206 came in whole
 * (as far as HTTP can tell); otherwise x->refused says whether trying again
 * makes sense. */
static status request(exchange *x, const char *start)
{
    bytes url = { 0 }, to = { 0 };
    bool from_https = false;
    status st = OK;

    bytes_add_string(&url, start);
    x->st = OK;
    x->refused = x->spoiled = false;
    x->linked_etag[0] = 0;
    for (int i = 0;; i++) {
        bytes swap = url;

        bytes_clear(&to);
        st = hop(x, url.data, from_https, &to, x->err);
        if (st != OK || !to.len) break;
        if (i == MAX_HOPS) {
            st = refused(x, fail(x->err, E_FORMAT, "%s: more than %d redirects", x->name,
                                 MAX_HOPS));
            break;
        }
        from_https = !strncasecmp(url.data, "https:", 6);
        url = to;
        to = swap;
    }
    bytes_fini(&url);
    bytes_fini(&to);
    return st;
}

/* ---- trying again ---- */

/* Wait before attempt number `tries`; false when stopped meanwhile. */
static bool pause_before(fetch *f, const exchange *x, int tries, const char *why)
{
    int64_t wait = f->policy.wait_ms;
    char text[sizeof(errtext) + 64];

    for (int i = 1; i < tries && wait < MAX_PAUSE_MS; i++) wait *= 2;
    if (wait < x->retry_after_s * 1000LL) wait = x->retry_after_s * 1000LL;
    if (wait > MAX_PAUSE_MS) wait = MAX_PAUSE_MS;
    snprintf(text, sizeof text, "%s; trying again in %.1f s (%d of %d)", why,
             (double)wait / 1000, tries, f->policy.n_retry);
    tell(f, HUB_RETRY, x->name, 0, 0, text);
    while (wait > 0 && !stopped(f)) {
        struct timespec slice = { 0, (wait < 50 ? wait : 50) * 1000000L };

        nanosleep(&slice, NULL);
        wait -= 50;
    }
    return !stopped(f);
}

status fetch_text(fetch *f, const char *name, const char *url, size_t max_len, bytes *out,
                  bytes *next, errtext *err)
{
    size_t start = out->len;
    errtext why = { 0 };
    exchange x = { .f = f, .text = out, .text_max = start + max_len, .next = next,
                   .name = name, .err = &why };
    origin home, there;
    status st;

    for (int tries = 1;; tries++) {
        out->len = start;
        if (next) bytes_clear(next);
        st = request(&x, url);
        if (st == OK || x.refused || tries > f->policy.n_retry) break;
        if (!pause_before(f, &x, tries, why.text)) {
            st = fail(&why, E_INTERRUPTED, "%s: interrupted", name);
            break;
        }
    }
    bytes_reserve(out, 0);
    if (st == OK && next && next->len &&
        (!origin_parse(&home, f->policy.home) || !origin_parse(&there, next->data) ||
         !origin_equal(&home, &there)))
        st = fail(&why, E_FORMAT, "%s: the next page of its listing is not on the hub", name);
    if (st != OK) {
        out->len = start;
        out->data[start] = 0;
        if (err) *err = why;
    }
    return st;
}

/* Attempts until the part is whole. Progress makes up for failures, so a bad
 * line ends a large download no sooner than a small one. Only getting further
 * than ever before counts as progress, so even a server that changes the file
 * again and again gets a bounded number of attempts. */
static status part_fill(part *p, fetch *f, errtext *err)
{
    const fetch_target *t = p->target;
    exchange x = { .f = f, .part = p, .name = t->name, .err = err };
    uint64_t best = p->at;
    int tries = 0;

    while (p->at < t->size) {
        status st;

        x.asked = p->at;
        st = request(&x, t->url);
        if (x.spoiled) part_remove(p);
        if (st == OK && p->at == t->size) break;
        if (st == OK) {
            st = fail(err, E_IO, "%s: the connection closed after %" PRIu64 " of %" PRIu64
                      " bytes", t->name, p->at, t->size);
        } else if (x.code == 416) {
            /* The range is past the end there: what is here is of no use. */
            if (part_restart(p, err) != OK) return E_IO;
            st = fail(err, E_IO, "%s: the server has less than what is here", t->name);
        } else if (x.refused) {
            return st;
        }
        tries++;
        if (p->at >= best + PROGRESS_BYTES) {
            best = p->at;
            tries = 1;
        }
        if (tries > f->policy.n_retry) return st;
        if (!pause_before(f, &x, tries, err->text))
            return fail(err, E_INTERRUPTED, "%s: interrupted", t->name);
    }
    return OK;
}

static bool checking(void *arg, uint64_t done, uint64_t total)
{
    const exchange *x = arg;

    tell(x->f, HUB_CHECK, x->name, done, total, NULL);
    return !stopped(x->f);
}

status fetch_file(fetch *f, const fetch_target *t, errtext *err)
{
    errtext why = { 0 };
    exchange x = { .f = f, .name = t->name };
    part p;
    status st = part_open(&p, t, checking, &x, &why);

    if (st == OK) st = part_fill(&p, f, &why);
    if (st == OK) st = part_finish(&p, &why);
    if (st == OK) tell(f, HUB_DONE, t->name, t->size, t->size, NULL);
    if (st == E_INTERRUPTED)
        fail(&why, st, "interrupted; %" PRIu64 " of %" PRIu64 " bytes of %s are kept in %s",
             p.at, t->size, t->name, p.path);
    part_close(&p);
    if (st != OK && err) *err = why;
    return st;
}

status fetch_hash(fetch *f, const char *name, const char *path, char hex[65], errtext *err)
{
    exchange x = { .f = f, .name = name };

    return part_hash_file(path, checking, &x, hex, err);
}
