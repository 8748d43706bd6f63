/* fetch.h - files over HTTP that survive a broken line.
 *
 * For hub_pull.c and the room's tests. Invariant: PATH appears only complete
 * and checked; until then the bytes are in PATH.part, and PATH.part.id says
 * which contents they belong to. */
#ifndef MODEL_FETCH_H
#define MODEL_FETCH_H

#include <signal.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "model/hub.h"

typedef struct fetch fetch;

/* All pointers are borrowed until fetch_close. */
typedef struct fetch_policy {
    const char *home;        /* URL; its scheme, host and port get the token */
    const char *token;       /* bearer token, or NULL */
    int n_retry;
    int wait_ms;
    const volatile sig_atomic_t *stop;
    hub_report *report;
    void *report_arg;
} fetch_policy;

/* E_ARG when home is not a plain http or https URL. */
status fetch_open(fetch **out, const fetch_policy *policy, errtext *err);
void fetch_close(fetch *f);                      /* accepts NULL */

/* Body of a small document appended to out; E_LIMIT above max_len bytes. next
 * is set to the URL of the following page (Link: <...>; rel="next"), which is
 * at home, or to nothing; it may be NULL. `name` opens every error. */
status fetch_text(fetch *f, const char *name, const char *url, size_t max_len, bytes *out,
                  bytes *next, errtext *err);

typedef struct fetch_target {
    const char *name;        /* for events and errors */
    const char *url;
    const char *path;        /* where it ends up */
    const char *identity;    /* a hash that changes with the contents */
    const char *sha256;      /* 64 lower-case hex digits, or NULL for none known */
    uint64_t size;
} fetch_target;

/* Download to t->path, going on from t->path.part where that belongs to the
 * same identity. Statuses as in hub_pull. */
status fetch_file(fetch *f, const fetch_target *t, errtext *err);

/* SHA-256 of a file in lower-case hex, with HUB_CHECK events under `name`. */
status fetch_hash(fetch *f, const char *name, const char *path, char hex[65],
                  errtext *err);

/* Bytes from outside made fit for one line of an error: printable ASCII, cut
 * to the room there is. */
void fetch_clean(char *out, size_t room, const char *text, size_t len);

#endif
