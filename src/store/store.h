/* store.h - what was acknowledged is on disk (invariant 4).
 *
 * One folder holds one SQLite database (WAL, synchronous=FULL) and the contents
 * of uploaded files. Everything the API names - a response, a conversation, a
 * file, a batch, a stored chat completion, a job - is an object (object.h) of
 * one tenant, with items, events and lines of its own; background work is a row
 * in a queue (queue.h) that a process claims; contents are in content.h, the
 * lines of batches in batch_lines.h.
 *
 * A call that returned OK has its data on disk. A call that did not has changed
 * nothing. All calls may come from any thread. Writes go through one connection
 * of the process, one at a time, and processes take turns by a lock file: SQLite
 * before 3.51.3 can damage a WAL that two connections write or checkpoint at
 * once (sqlite.org/wal.html#walresetbug), and Debian 12 has 3.40.1. Reads have
 * connections of their own, used by one thread at a time, and never wait for a
 * write. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct store store;

typedef struct store_options {
    bool exclusive;          /* be the one server of this folder, and sweep what
                              * a crash left of half-written contents */
    int n_reader;            /* read connections kept; 0: 8 */
    int lease_ms;            /* a claim is lost when its owner has not called
                              * store_beat for so long; 0: 30000. A process that
                              * has died loses it at once */
} store_options;

#define STORE_MAX_ID 64          /* bytes of an id or tenant, the NUL included */

/* Open a folder, which is made when it is not there. options may be NULL. On OK
 * *out is the caller's, to be released with store_close. E_IO when it cannot be
 * read or written, lies on a network filesystem or, for exclusive, another
 * process serves it; E_FORMAT when the file is no store or is damaged;
 * E_UNSUPPORTED when a newer version wrote it. */
status store_open(store **out, const char *dir, const store_options *options,
                  errtext *err);
void store_close(store *s);      /* accepts NULL; no call may be running */

const char *store_dir(const store *s);

/* Unix time in seconds, the created_at of new objects. Order never depends on
 * it: objects are in the order of their seq. */
int64_t store_now(void);

/* A new id: the prefix and 32 random letters and digits, together less than
 * STORE_MAX_ID bytes. */
void store_new_id(char out[STORE_MAX_ID], const char *prefix);

/* -------------------------------------------------------------------- groups */

/* How much a commit waits for. */
typedef enum store_durability {
    STORE_SYNCED,            /* until the disk has it: for what is acknowledged */
    STORE_WRITTEN,           /* survives the end of the process, perhaps not a
                              * power cut: for progress that can be made again.
                              * The next STORE_SYNCED commit makes it durable */
} store_durability;

/* Make the writes of this thread until store_commit one transaction: all or
 * none are kept, and one sync pays for all. Calls in it see each other's writes;
 * one that fails undoes itself alone. Other threads' writes wait, so a group is
 * short. Without a group every call is one of its own, STORE_SYNCED. */
status store_begin(store *s, store_durability durability, errtext *err);
status store_commit(store *s, errtext *err);     /* when it fails, none is kept */
void store_rollback(store *s);

/* ------------------------------------------------------------------- waiting */

/* A number that rises with each commit of this process, to wait for news
 * without asking the disk: read it, look, and wait for it to change. */
uint64_t store_version(store *s);
void store_wait(store *s, uint64_t seen, double wait_s);

/* ------------------------------------------------------------------ settings */

/* A secret of this store, made from random bytes at the first call with this
 * name and the same ever after. */
status store_secret(store *s, const char *name, uint8_t out[32], errtext *err);

/* Remember that an idempotency key of a tenant stands for a request with this
 * hash and the object `id` it makes; forgotten after keep_s seconds. When the
 * key is known, id is overwritten by the first request's, and *same says whether
 * the hashes agree (if not, the answer is 409). */
status store_idempotency(store *s, const char *tenant, const char *key,
                         const uint8_t hash[32], char id[STORE_MAX_ID], int64_t keep_s,
                         bool *known, bool *same, errtext *err);

#endif
