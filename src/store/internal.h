/* internal.h - connections and transactions, for the files of this room. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "store/content.h"
#include "store/db.h"
#include "store/object.h"

/* The connection to read with: the writer's inside a group of this thread, so
 * that it sees its own writes, else one of the readers'. */
status read_begin(store *s, conn **out, errtext *err);
void read_end(store *s, conn *c);

/* One call's writes: a transaction, or a savepoint of this thread's group.
 * write_end keeps them when st is OK and undoes them otherwise; it returns st,
 * or why they could not be kept. */
status write_begin(store *s, conn **out, errtext *err);
status write_begin_at(store *s, store_durability durability, conn **out, errtext *err);
status write_end(store *s, status st, errtext *err);

/* Remove the content of an object once the transaction is kept. */
void write_unlink_later(store *s, const char *id);

const char *store_owner(const store *s);
int store_lease_ms(const store *s);

/* Seq of an object: *seq is 0 when the tenant has none with this id. */
status object_seq(conn *c, const char *tenant, const char *id, int64_t *seq, bool *final,
                  int64_t *n_event, errtext *err);

/* E_INTERRUPTED unless the claim (NULL: always) still holds for this object. */
status claim_check(store *s, conn *c, const store_claim *claim, int64_t seq, errtext *err);

status events_put(conn *c, int64_t seq, int64_t n_event, int64_t first,
                  const store_event *events, int n, errtext *err);
status items_put(conn *c, int64_t seq, const char *list, const store_item *items, int n,
                 errtext *err);
status object_insert(conn *c, const store_object *o, const store_start *start, int64_t *seq,
                     errtext *err);

bool id_is_valid(const char *id);

/* queue.c */
status owner_join(store *s, int *fd, errtext *err);  /* take this process's lock and row */
void owner_leave(store *s);

/* content.c */
void content_path(const store *s, const char *id, char out[4096]);
status content_sweep(store *s, errtext *err);

/* Strings that live as long as one list. */
typedef struct strings {
    struct strings_block *last;
} strings;

const char *strings_add(strings *s, const char *text);     /* NULL gives NULL */
void *strings_take(strings *s);
void strings_free(void *taken);

#endif
