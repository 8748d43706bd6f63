/* keys.h - who may call, and whose data they see.
 *
 * A JSON file names the keys:
 *
 *   {"keys": [
 *     {"name": "alice", "tenant": "acme", "key": "sk-...",
 *      "requests_per_minute": 60, "tokens_per_minute": 100000},
 *     {"name": "ops", "sha256": "<64 hexadecimal digits of the key's SHA-256>",
 *      "admin": true, "reasoning": true}]}
 *
 * Only name and one of key and sha256 are needed; the tenant of a key without one
 * is its name. The file is read again when it changes. While it cannot be read or
 * holds a mistake, the keys of before stay and the log says so.
 *
 * A presented key is hashed and compared with every stored hash in full, so the
 * time taken tells nothing about how much of it was right. */
#ifndef SERVE_KEYS_H
#define SERVE_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "serve/limits.h"
#include "serve/log.h"

#define IDENTITY_MAX 64

/* Who a request is from. A copy: it outlives a reload of the file. */
typedef struct identity {
    char name[IDENTITY_MAX];         /* of the key, for logs and limits */
    char tenant[IDENTITY_MAX];       /* whose files, responses and prefixes */
    uint64_t tenant_id;              /* the tenant as a number, for the engine */
    limit_rates rates;
    bool admin;                      /* may read /metrics and all models */
    bool reasoning;                  /* may see raw thoughts */
} identity;

typedef struct keys keys;

/* On OK *out is the caller's, to be released with keys_close. E_IO when the file
 * cannot be read; E_FORMAT names the entry and field at fault. log may be NULL. */
status keys_open(keys **out, const char *path, logger *log, errtext *err);
void keys_close(keys *k);                        /* accepts NULL */

/* Find a key. Looks at most once a second whether the file has changed. From any
 * thread. */
bool keys_find(keys *k, const char *key, identity *out);

/* Read the file again now; the keys stay as they were unless OK. */
status keys_reload(keys *k, errtext *err);

/* The caller when there are no keys: tenant "default", no limits, not admin. */
identity identity_anonymous(void);

uint64_t tenant_number(const char *tenant);

#endif
