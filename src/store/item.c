/* item.c - items and events of objects. */
#include "base/mem.h"
#include "store/internal.h"

/* Room for one more in an array that doubles. */
#define GROW(l) do {                                                                        \
        if (((l)->n & ((l)->n - 1)) == 0)                                                   \
            (l)->at = mem_resize((l)->at, (l)->n ? (size_t)(l)->n * 2 : 1, sizeof *(l)->at); \
    } while (0)

void store_items_fini(store_items *l)
{
    strings_free(l->owned);
    mem_free(l->at);
    *l = (store_items){ 0 };
}

void store_events_fini(store_events *l)
{
    strings_free(l->owned);
    mem_free(l->at);
    *l = (store_events){ 0 };
}

/* --------------------------------------------------------------------- items */

status items_put(conn *c, int64_t seq, const char *list, const store_item *items, int n,
                 errtext *err)
{
    status st = OK;

    for (int i = 0; i < n && st == OK; i++)
        st = db_run(c, NULL, err,
                    "INSERT INTO items(object, list, position, id, body) VALUES(?1, ?2, "
                    "(SELECT coalesce(max(position), -1) + 1 FROM items WHERE object=?1 AND "
                    "list=?2), ?3, ?4)", "ittt", seq, list, items[i].id, items[i].body);
    return st;
}

status store_items_append(store *s, const char *tenant, const char *id, const char *list,
                          const store_item *items, int n, bool *found, errtext *err)
{
    int64_t seq, n_event;
    bool final;
    conn *c;
    status st = write_begin(s, &c, err);

    *found = false;
    if (st != OK) return st;
    st = object_seq(c, tenant, id, &seq, &final, &n_event, err);
    if (st == OK && seq) st = items_put(c, seq, list, items, n, err);
    st = write_end(s, st, err);
    *found = st == OK && seq;
    return st;
}

status store_item_put(store *s, const char *tenant, const char *id, const char *list,
                      int64_t position, const store_item *item, bool *found, errtext *err)
{
    int64_t seq, n_event;
    bool final;
    conn *c;
    status st = write_begin(s, &c, err);

    *found = false;
    if (st != OK) return st;
    st = object_seq(c, tenant, id, &seq, &final, &n_event, err);
    if (st == OK && seq)
        st = db_run(c, NULL, err, "INSERT OR REPLACE INTO items(object, list, position, id, "
                    "body) VALUES(?,?,?,?,?)", "ititt", seq, list, position, item->id,
                    item->body);
    st = write_end(s, st, err);
    *found = st == OK && seq;
    return st;
}

static void read_items(conn *c, sqlite3_stmt *q, int limit, store_items *out, status *st,
                       errtext *err)
{
    strings text = { 0 };

    while (db_row(c, q, st, err)) {
        if (out->n == limit) {
            out->has_more = true;
            db_done(q);
            break;
        }
        GROW(out);
        out->at[out->n++] = (store_item){
            .position = sqlite3_column_int64(q, 0),
            .id = strings_add(&text, db_text_or_null(q, 1)),
            .body = strings_add(&text, db_text(q, 2)),
        };
    }
    out->owned = strings_take(&text);
    if (*st != OK) store_items_fini(out);
}

static status items_start(conn *c, int64_t seq, const char *list, const store_page *page,
                          int64_t *start, bool *lost, errtext *err)
{
    sqlite3_stmt *q;
    status st;

    *start = page->descending ? INT64_MAX : INT64_MIN;
    *lost = page->after != NULL;
    if (!page->after) return OK;
    st = db_query(c, &q, err, "SELECT position FROM items WHERE object=? AND list=? AND id=?",
                  "itt", seq, list, page->after);
    if (st != OK) return st;
    while (db_row(c, q, &st, err)) {
        *start = sqlite3_column_int64(q, 0);
        *lost = false;
    }
    return st;
}

status store_items_list(store *s, const char *tenant, const char *id, const char *list,
                        const store_page *page, store_items *out, errtext *err)
{
    static const char up[] =
        "SELECT position, id, body FROM items WHERE object=? AND list=? AND position>? "
        "ORDER BY position ASC LIMIT ?";
    static const char down[] =
        "SELECT position, id, body FROM items WHERE object=? AND list=? AND position<? "
        "ORDER BY position DESC LIMIT ?";
    int64_t seq, n_event, start = 0;
    sqlite3_stmt *q;
    bool final;
    conn *c;
    status st = read_begin(s, &c, err);

    *out = (store_items){ 0 };
    if (st != OK) return st;
    CHECK(page->limit >= 1);
    st = object_seq(c, tenant, id, &seq, &final, &n_event, err);
    if (st == OK && seq) st = items_start(c, seq, list, page, &start, &out->lost, err);
    if (st == OK && seq && !out->lost) {
        st = db_query(c, &q, err, page->descending ? down : up, "itii", seq, list, start,
                      (int64_t)page->limit + 1);
        if (st == OK) read_items(c, q, page->limit, out, &st, err);
    }
    read_end(s, c);
    return st;
}

status store_item_find(store *s, const char *tenant, const char *id, const char *list,
                       const char *item_id, store_items *out, errtext *err)
{
    sqlite3_stmt *q;
    conn *c;
    status st = read_begin(s, &c, err);

    *out = (store_items){ 0 };
    if (st != OK) return st;
    st = db_query(c, &q, err,
                  "SELECT i.position, i.id, i.body FROM items i JOIN objects o ON o.seq=i.object "
                  "WHERE i.id=?1 AND o.tenant=?2 AND (?3 IS NULL OR o.id=?3) AND "
                  "(?4 IS NULL OR i.list=?4) AND (o.expires_at=0 OR o.expires_at>?5) "
                  "ORDER BY o.seq DESC LIMIT 1", "tttti", item_id, tenant, id, list,
                  store_now());
    if (st == OK) read_items(c, q, 1, out, &st, err);
    read_end(s, c);
    return st;
}

status store_item_delete(store *s, const char *tenant, const char *id, const char *list,
                         const char *item_id, bool *found, errtext *err)
{
    int64_t seq, n_event;
    bool final;
    int n = 0;
    conn *c;
    status st = write_begin(s, &c, err);

    *found = false;
    if (st != OK) return st;
    st = object_seq(c, tenant, id, &seq, &final, &n_event, err);
    if (st == OK && seq)
        st = db_run(c, &n, err, "DELETE FROM items WHERE object=? AND list=? AND id=?", "itt",
                    seq, list, item_id);
    st = write_end(s, st, err);
    *found = st == OK && n > 0;
    return st;
}

/* -------------------------------------------------------------------- events */

status events_put(conn *c, int64_t seq, int64_t n_event, int64_t first,
                  const store_event *events, int n, errtext *err)
{
    int64_t now = store_now();
    status st = OK;

    if (first < 0 || first > n_event)
        return fail(err, E_ARG, "event %lld would leave a gap: the next is %lld",
                    (long long)first, (long long)n_event);
    for (int i = 0; i < n && st == OK; i++) {
        if (first + i < n_event) continue;
        st = db_run(c, NULL, err, "INSERT INTO events(object, sequence, type, body, created_at) "
                    "VALUES(?,?,?,?,?)", "iitti", seq, first + i, events[i].type,
                    events[i].body, now);
    }
    if (st == OK && first + n > n_event)
        st = db_run(c, NULL, err, "UPDATE objects SET n_event=? WHERE seq=?", "ii", first + n,
                    seq);
    return st;
}

/* The object of a worker's write: there, not final, and still its own. */
static status find_open(store *s, conn *c, const store_claim *claim, const char *tenant,
                        const char *id, int64_t *seq, int64_t *n_event, errtext *err)
{
    bool final;
    status st = object_seq(c, tenant, id, seq, &final, n_event, err);

    if (st != OK) return st;
    if (!*seq || final)
        return fail(err, E_INTERRUPTED, "'%s' is %s", id, final ? "at its end" : "deleted");
    return claim_check(s, c, claim, *seq, err);
}

status store_events_append(store *s, const store_claim *claim, const char *tenant,
                           const char *id, int64_t first, const store_event *events,
                           int n, errtext *err)
{
    int64_t seq, n_event;
    conn *c;
    status st = write_begin(s, &c, err);

    if (st != OK) return st;
    st = find_open(s, c, claim, tenant, id, &seq, &n_event, err);
    if (st == OK) st = events_put(c, seq, n_event, first, events, n, err);
    return write_end(s, st, err);
}

status store_events_cut(store *s, const store_claim *claim, const char *tenant,
                        const char *id, int64_t n_keep, errtext *err)
{
    int64_t seq, n_event;
    conn *c;
    status st = write_begin(s, &c, err);

    if (st != OK) return st;
    st = find_open(s, c, claim, tenant, id, &seq, &n_event, err);
    if (st == OK && n_keep < n_event) {
        st = db_run(c, NULL, err, "DELETE FROM events WHERE object=? AND sequence>=?", "ii", seq,
                    n_keep);
        if (st == OK)
            st = db_run(c, NULL, err, "UPDATE objects SET n_event=? WHERE seq=?", "ii", n_keep,
                        seq);
    }
    return write_end(s, st, err);
}

/* The events and the object's state come from one snapshot: were they read one
 * after the other, an end that came between them would look like a log without
 * its last events. */
static status read_events(conn *c, const char *tenant, const char *id, int64_t after,
                          int limit, store_events *out, errtext *err)
{
    strings text = { 0 };
    sqlite3_stmt *q;
    int64_t seq;
    status st = object_seq(c, tenant, id, &seq, &out->final, &out->n_event, err);

    out->found = seq != 0;
    if (st != OK || !seq) return st;
    st = db_query(c, &q, err, "SELECT sequence, type, body, created_at FROM events WHERE "
                  "object=? AND sequence>? ORDER BY sequence LIMIT ?", "iii", seq, after,
                  (int64_t)limit);
    if (st != OK) return st;
    while (db_row(c, q, &st, err)) {
        GROW(out);
        out->at[out->n++] = (store_event){
            .sequence = sqlite3_column_int64(q, 0),
            .type = strings_add(&text, db_text(q, 1)),
            .body = strings_add(&text, db_text(q, 2)),
            .created_at = sqlite3_column_int64(q, 3),
        };
    }
    out->owned = strings_take(&text);
    return st;
}

status store_events_list(store *s, const char *tenant, const char *id, int64_t after,
                         int limit, store_events *out, errtext *err)
{
    bool own;
    conn *c;
    status st = read_begin(s, &c, err);

    *out = (store_events){ 0 };
    if (st != OK) return st;
    own = sqlite3_get_autocommit(c->db);
    if (own) st = db_run(c, NULL, err, "BEGIN", "");
    if (st == OK) st = read_events(c, tenant, id, after, limit, out, err);
    if (own && !sqlite3_get_autocommit(c->db)) {
        status closed = db_run(c, NULL, err, "COMMIT", "");

        if (st == OK) st = closed;
    }
    read_end(s, c);
    if (st != OK) store_events_fini(out);
    return st;
}
