/* part.h - a download while it grows.
 *
 * PATH.part holds the bytes so far and PATH.part.id what they belong to: the
 * identity that the listing gave and the ETag of the server that sent them.
 * Invariant: a part's bytes have all been hashed, so finishing needs no second
 * read, and PATH appears by one rename after the hash agreed. For fetch.c. */
#ifndef MODEL_PART_H
#define MODEL_PART_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/fetch.h"

typedef struct part {
    const fetch_target *target;      /* borrowed */
    char *path;
    char *id_path;
    int fd;                          /* -1: not open */
    uint64_t at;                     /* bytes in the file */
    char etag[128];                  /* as sent, "" when there is none */
    crypto_hash_sha256_state hash;
} part;

/* Called while existing bytes are hashed; false stops with E_INTERRUPTED. */
typedef bool part_check(void *arg, uint64_t done, uint64_t total);

/* Open or begin the part of a target; bytes of another identity, and more than
 * the target has, are dropped. Close it whatever comes back. */
status part_open(part *p, const fetch_target *t, part_check *check, void *arg, errtext *err);
void part_close(part *p);

status part_append(part *p, const void *data, size_t len, errtext *err);
status part_restart(part *p, errtext *err);      /* empty again, no ETag */
status part_set_etag(part *p, const char *etag, errtext *err);
void part_remove(part *p);

/* Compare the checksum, fsync, rename to the target's path, fsync the folder.
 * On a wrong checksum the part is removed: E_FORMAT with both sums. */
status part_finish(part *p, errtext *err);

/* SHA-256 of any file in lower-case hex. */
status part_hash_file(const char *path, part_check *check, void *arg, char hex[65],
                      errtext *err);

#endif
