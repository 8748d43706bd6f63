/* object.h - the API's objects, their items and their event logs.
 *
 *   kind                 status                     items            label
 *   STORE_RESPONSE       queued, in_progress, ...   input, output    -
 *   STORE_CONVERSATION   ""                         item             -
 *   STORE_COMPLETION     completed                  message          -
 *   STORE_FILE           processed, ...             -                purpose
 *   STORE_UPLOAD         pending, ...               part             purpose
 *   STORE_BATCH          validating, ...            -                endpoint
 *   STORE_JOB            queued, running, ...       checkpoint       -
 *   STORE_EVAL, _RUN     queued, ...                item             -
 *
 * The lines of a batch are in batch_lines.h. Statuses, labels and bodies are the
 * caller's: the store reads none of them. Bodies are JSON text. Every look-up names
 * a tenant, and an object of another tenant is not there. */
#ifndef STORE_OBJECT_H
#define STORE_OBJECT_H

#include "store/queue.h"
#include "store/store.h"

typedef enum store_kind {
    STORE_RESPONSE,
    STORE_CONVERSATION,
    STORE_COMPLETION,
    STORE_FILE,
    STORE_UPLOAD,
    STORE_BATCH,
    STORE_JOB,
    STORE_EVAL,
    STORE_EVAL_RUN,
} store_kind;

#define STORE_KIND_N (STORE_EVAL_RUN + 1)

typedef struct store_object {
    store_kind kind;
    const char *id;
    const char *tenant;
    const char *status;      /* NULL is "" */
    const char *body;        /* JSON, what the API shows; NULL is "{}" */
    const char *hidden;      /* JSON kept for the server, such as the request; or NULL */
    const char *metadata;    /* JSON object of strings, for filters; or NULL */
    const char *parent;      /* id of the object it belongs to; or NULL. Goes
                              * with it when that is deleted */
    const char *label;       /* or NULL */
    const char *model;       /* or NULL */
    int64_t created_at;      /* 0 at creation: now */
    int64_t expires_at;      /* 0: never */
    /* Set by the store. */
    int64_t seq;             /* order of creation, unique in the store */
    int64_t n_event;         /* events logged: the next sequence number */
    bool final;              /* has reached its end state, which never changes */
    void *owned;             /* storage of the strings above, if loaded */
} store_object;

void store_object_fini(store_object *o);         /* accepts a zeroed object */

typedef struct store_item {
    const char *id;          /* or NULL */
    const char *body;        /* JSON */
    int64_t position;        /* set by the store, rising */
} store_item;

typedef struct store_event {
    const char *type;
    const char *body;        /* JSON, as it is sent */
    int64_t sequence;        /* set by the store: 0, 1, 2 ... without a gap */
    int64_t created_at;      /* set by the store */
} store_event;

/* What a new object starts with, and how work on it is queued. */
typedef struct store_start {
    const char *list;        /* of the items: "input", "item", ... */
    const store_item *items;
    int n_item;
    const char *queue;       /* a queue to put it into, or NULL */
    int priority;            /* higher goes first */
} store_start;

/* Create an object, its first items and its place in a queue, all at once. start
 * may be NULL. E_ARG when the id is taken, too long or has other characters than
 * letters, digits, '-', '_', '.' and ':'. */
status store_create(store *s, const store_object *o, const store_start *start,
                    errtext *err);

/* *out has a NULL id when there is no such object of the tenant, or it has
 * expired; otherwise it is the caller's, released with store_object_fini. */
status store_get(store *s, store_kind kind, const char *tenant, const char *id,
                 store_object *out, errtext *err);

/* Replace what is not NULL of status, body, hidden, metadata and label; also
 * expires_at where it is not negative (0: never). *found tells whether there is
 * such an object. Status and label of a final object stay as they are. */
typedef struct store_change {
    const char *status, *body, *hidden, *metadata, *label;
    int64_t expires_at;
    const store_claim *claim;    /* NULL, or: only while this claim holds */
} store_change;

status store_update(store *s, store_kind kind, const char *tenant, const char *id,
                    const store_change *change, bool *found, errtext *err);

/* Delete an object with its items, events, lines, contents, children and place
 * in a queue. */
status store_delete(store *s, store_kind kind, const char *tenant, const char *id,
                    bool *found, errtext *err);

/* Delete up to `most` expired objects that nobody works on; *n tells how many. */
status store_expire(store *s, int64_t now, int most, int *n, errtext *err);

/* --------------------------------------------------------------------- lists */

/* A page of a list: at most `limit` after the one with id `after`. */
typedef struct store_page {
    const char *after;       /* NULL: from the start */
    int limit;               /* at least 1 */
    bool descending;         /* newest first */
} store_page;

/* Which objects; NULL fields do not filter. */
typedef struct store_filter {
    const char *parent, *label, *status, *model;
    const char *metadata;    /* JSON object: all its pairs are in the object's */
} store_filter;

typedef struct store_objects {
    store_object *at;
    int n;
    bool has_more;
    bool lost;               /* `after` names nothing; the list is empty */
} store_objects;

status store_list(store *s, store_kind kind, const char *tenant, const store_filter *filter,
                  const store_page *page, store_objects *out, errtext *err);
void store_objects_fini(store_objects *l);

/* --------------------------------------------------------------------- items */

typedef struct store_items {
    store_item *at;
    int n;
    bool has_more;
    bool lost;               /* as in store_objects */
    void *owned;
} store_items;

void store_items_fini(store_items *l);

/* Items of one of an object's lists. An object that is not there has none. */
status store_items_list(store *s, const char *tenant, const char *id, const char *list,
                        const store_page *page, store_items *out, errtext *err);

/* Add at the end of a list. *found is false when there is no such object. */
status store_items_append(store *s, const char *tenant, const char *id, const char *list,
                          const store_item *items, int n, bool *found, errtext *err);

/* Put one at a position of the caller's (a checkpoint at its step), replacing
 * what was there. */
status store_item_put(store *s, const char *tenant, const char *id, const char *list,
                      int64_t position, const store_item *item, bool *found, errtext *err);

/* One item of an object's list, or, with id and list NULL, of any of the
 * tenant's objects that still exists (the newest). At most one, in *out. */
status store_item_find(store *s, const char *tenant, const char *id, const char *list,
                       const char *item_id, store_items *out, errtext *err);
status store_item_delete(store *s, const char *tenant, const char *id, const char *list,
                         const char *item_id, bool *found, errtext *err);

/* -------------------------------------------------------------------- events */

typedef struct store_events {
    store_event *at;
    int n;
    int64_t n_event;         /* of the object: more than the last one here when
                              * the page is full */
    bool found;              /* there is such an object */
    bool final;              /* no event will follow the n_event ones */
    void *owned;
} store_events;

void store_events_fini(store_events *l);

/* Append n events as numbers first, first + 1, ... Those whose number is taken
 * are left as they are: a worker that does the work again after a crash, and
 * makes the same events, may append them all, and clients see each once. E_ARG
 * when `first` would leave a gap; E_INTERRUPTED when the claim is lost or the
 * object is final. */
status store_events_append(store *s, const store_claim *claim, const char *tenant,
                           const char *id, int64_t first, const store_event *events,
                           int n, errtext *err);

/* Forget the events from number n_keep on: for a worker that starts again and
 * will make others. Not after the end. */
status store_events_cut(store *s, const store_claim *claim, const char *tenant,
                        const char *id, int64_t n_keep, errtext *err);

/* Up to `limit` events with numbers above `after` (-1: from the first). */
status store_events_list(store *s, const char *tenant, const char *id, int64_t after,
                         int limit, store_events *out, errtext *err);

/* ----------------------------------------------------------------- the end */

/* How an object ends: status, body, output items and last events become visible
 * at once, the work leaves its queue, and, with a conversation, the object's
 * "input" items and the output are added to its list "item". */
typedef struct store_end {
    const char *status;
    const char *body;
    const char *hidden;          /* NULL: as it is */
    const char *list;            /* of the items; NULL is "output" */
    const store_item *items;
    int n_item;
    int64_t first_event;         /* as in store_events_append */
    const store_event *events;
    int n_event;
    const char *conversation;    /* id, or NULL; one that is gone is passed over */
    int64_t expires_at;          /* -1: as it is */
} store_end;

/* The one way into an end state, taken once: *ended is false, and nothing
 * changes, when the object is not there, is final already, or the claim is lost
 * (another worker has it). claim NULL ends it whoever works on it: for a cancel,
 * whose worker then learns from its next append that it lost the claim, and for
 * objects in no queue. */
status store_finish(store *s, const store_claim *claim, const char *tenant, const char *id,
                    const store_end *end, bool *ended, errtext *err);

#endif
