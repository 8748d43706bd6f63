/* queue.h - background work, claimed by one process at a time.
 *
 * An object with a queue (store_start) waits there until a worker claims it.
 * The claim holds until the object is finished or deleted, the worker releases
 * it, or its process dies or stops beating: then store_recover puts the work
 * back, once. Each claim of the same work has a higher attempt number, and what
 * a lost claim still tries to write changes nothing. Work may run twice; its
 * result becomes visible once. */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "store/store.h"

typedef struct store_claim {
    char id[STORE_MAX_ID];           /* of the object */
    char tenant[STORE_MAX_ID];
    int attempt;                     /* 1 for the first */
} store_claim;

/* Put an existing object into a queue (store_create does so by itself). *queued
 * is false when it is gone, final, or in a queue already. */
status store_enqueue(store *s, const char *tenant, const char *id, const char *queue,
                     int priority, bool *queued, errtext *err);

/* Claim the next of a queue: the highest priority, then the tenant with the
 * fewest claims, then the oldest. *found is false when none waits. */
status store_claim_next(store *s, const char *queue, store_claim *out, bool *found,
                        errtext *err);

/* Whether the claim still holds. */
status store_claim_holds(store *s, const store_claim *claim, bool *holds, errtext *err);

/* Give work back to its queue, not done (a server that shuts down). */
status store_claim_release(store *s, const store_claim *claim, errtext *err);

/* Say that this process lives; at least every lease_ms / 3. */
status store_beat(store *s, errtext *err);

/* Put back the work of owners that have died or stopped beating; call at start
 * and now and then. Never touches this process's own. *n_back tells how many. */
status store_recover(store *s, int *n_back, errtext *err);

/* How many wait and how many are claimed. */
status store_queue_length(store *s, const char *queue, int *n_waiting, int *n_claimed,
                          errtext *err);

#endif
