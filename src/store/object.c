/* object.c - objects, from creation to their end.
 *
 * Every statement that finds an object names its tenant, so that no caller can
 * forget to. An end state is set by one statement, which asks for one that is
 * not final yet: whoever comes second changes nothing. */
#include "store/object.h"

#include <string.h>

#include "base/mem.h"
#include "store/internal.h"

#define COLUMNS "seq, id, tenant, status, final, body, hidden, metadata, parent, label, " \
                "model, created_at, expires_at, n_event, kind"

void store_object_fini(store_object *o)
{
    strings_free(o->owned);
    *o = (store_object){ 0 };
}

void store_objects_fini(store_objects *l)
{
    for (int i = 0; i < l->n; i++) store_object_fini(&l->at[i]);
    mem_free(l->at);
    *l = (store_objects){ 0 };
}

static store_object read_object(sqlite3_stmt *q)
{
    strings text = { 0 };
    store_object o = {
        .seq = sqlite3_column_int64(q, 0),
        .id = strings_add(&text, db_text(q, 1)),
        .tenant = strings_add(&text, db_text(q, 2)),
        .status = strings_add(&text, db_text(q, 3)),
        .final = sqlite3_column_int(q, 4) != 0,
        .body = strings_add(&text, db_text(q, 5)),
        .hidden = strings_add(&text, db_text_or_null(q, 6)),
        .metadata = strings_add(&text, db_text_or_null(q, 7)),
        .parent = strings_add(&text, db_text_or_null(q, 8)),
        .label = strings_add(&text, db_text_or_null(q, 9)),
        .model = strings_add(&text, db_text_or_null(q, 10)),
        .created_at = sqlite3_column_int64(q, 11),
        .expires_at = sqlite3_column_int64(q, 12),
        .n_event = sqlite3_column_int64(q, 13),
        .kind = (store_kind)sqlite3_column_int(q, 14),
    };

    o.owned = strings_take(&text);
    return o;
}

status object_seq(conn *c, const char *tenant, const char *id, int64_t *seq, bool *final,
                  int64_t *n_event, errtext *err)
{
    sqlite3_stmt *q;
    status st = db_query(c, &q, err, "SELECT seq, final, n_event FROM objects "
                         "WHERE id=? AND tenant=?", "tt", id, tenant);

    *seq = *n_event = 0;
    *final = false;
    if (st != OK) return st;
    while (db_row(c, q, &st, err)) {
        *seq = sqlite3_column_int64(q, 0);
        *final = sqlite3_column_int(q, 1) != 0;
        *n_event = sqlite3_column_int64(q, 2);
    }
    return st;
}

/* ------------------------------------------------------------------ creation */

status object_insert(conn *c, const store_object *o, const store_start *start, int64_t *seq,
                     errtext *err)
{
    status st;

    if (!id_is_valid(o->id)) return fail(err, E_ARG, "id '%.80s' is not a valid one", o->id);
    if (strlen(o->tenant) >= STORE_MAX_ID)
        return fail(err, E_ARG, "tenant '%.80s' is longer than %d bytes", o->tenant,
                    STORE_MAX_ID - 1);
    CHECK((int)o->kind >= 0 && o->kind < STORE_KIND_N);
    st = db_run(c, NULL, err,
                "INSERT INTO objects(id, kind, tenant, status, body, hidden, metadata, parent, "
                "label, model, created_at, expires_at) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
                "tittttttttii", o->id, (int64_t)o->kind, o->tenant, o->status ? o->status : "",
                o->body ? o->body : "{}", o->hidden, o->metadata, o->parent, o->label, o->model,
                o->created_at ? o->created_at : store_now(), o->expires_at);
    if (st == E_ARG) return fail(err, E_ARG, "id '%s' is taken", o->id);
    if (st != OK) return st;
    *seq = sqlite3_last_insert_rowid(c->db);
    if (start && start->n_item)
        st = items_put(c, *seq, start->list, start->items, start->n_item, err);
    if (st == OK && start && start->queue)
        st = db_run(c, NULL, err, "INSERT INTO work(object, queue, tenant, priority) "
                    "VALUES(?,?,?,?)", "itti", *seq, start->queue, o->tenant,
                    (int64_t)start->priority);
    return st;
}

status store_create(store *s, const store_object *o, const store_start *start, errtext *err)
{
    int64_t seq;
    conn *c;
    status st = write_begin(s, &c, err);

    if (st != OK) return st;
    return write_end(s, object_insert(c, o, start, &seq, err), err);
}

/* ------------------------------------------------------------------- reading */

status store_get(store *s, store_kind kind, const char *tenant, const char *id,
                 store_object *out, errtext *err)
{
    sqlite3_stmt *q;
    conn *c;
    status st = read_begin(s, &c, err);

    *out = (store_object){ 0 };
    if (st != OK) return st;
    st = db_query(c, &q, err, "SELECT " COLUMNS " FROM objects WHERE id=? AND tenant=? AND "
                  "kind=? AND (expires_at=0 OR expires_at>?)", "ttii", id, tenant,
                  (int64_t)kind, store_now());
    if (st == OK)
        while (db_row(c, q, &st, err)) *out = read_object(q);
    read_end(s, c);
    return st;
}

/* Where a page starts: after this seq. */
static status page_start(conn *c, store_kind kind, const char *tenant, const store_page *page,
                         int64_t *seq, bool *lost, errtext *err)
{
    sqlite3_stmt *q;
    status st;

    *seq = page->descending ? INT64_MAX : 0;
    *lost = page->after != NULL;
    if (!page->after) return OK;
    st = db_query(c, &q, err, "SELECT seq FROM objects WHERE id=? AND tenant=? AND kind=?",
                  "tti", page->after, tenant, (int64_t)kind);
    if (st != OK) return st;
    while (db_row(c, q, &st, err)) {
        *seq = sqlite3_column_int64(q, 0);
        *lost = false;
    }
    return st;
}

/* All pairs of the filter are among the object's: no pair of it is missing. */
#define LIST(ORDER, COMPARE)                                                             \
    "SELECT " COLUMNS " FROM objects o WHERE tenant=?1 AND kind=?2 AND seq" COMPARE "?3" \
    " AND (?4 IS NULL OR parent=?4) AND (?5 IS NULL OR label=?5)"                        \
    " AND (?6 IS NULL OR status=?6) AND (?7 IS NULL OR model=?7)"                        \
    " AND (?8 IS NULL OR NOT EXISTS (SELECT 1 FROM json_each(?8) f WHERE NOT EXISTS"     \
    " (SELECT 1 FROM json_each(coalesce(o.metadata, '{}')) m"                            \
    " WHERE m.key=f.key AND m.value=f.value)))"                                          \
    " AND (expires_at=0 OR expires_at>?9) ORDER BY seq " ORDER " LIMIT ?10"

status store_list(store *s, store_kind kind, const char *tenant, const store_filter *filter,
                  const store_page *page, store_objects *out, errtext *err)
{
    static const char up[] = LIST("ASC", ">"), down[] = LIST("DESC", "<");
    store_filter f = filter ? *filter : (store_filter){ 0 };
    sqlite3_stmt *q;
    int64_t start;
    conn *c;
    status st = read_begin(s, &c, err);

    *out = (store_objects){ 0 };
    if (st != OK) return st;
    CHECK(page->limit >= 1);
    st = page_start(c, kind, tenant, page, &start, &out->lost, err);
    if (st == OK && !out->lost)
        st = db_query(c, &q, err, page->descending ? down : up, "tiitttttii", tenant,
                      (int64_t)kind, start, f.parent, f.label, f.status, f.model, f.metadata,
                      store_now(), (int64_t)page->limit + 1);
    if (st == OK && !out->lost) {
        while (db_row(c, q, &st, err)) {
            if (out->n == page->limit) {
                out->has_more = true;
                db_done(q);
                break;
            }
            if ((out->n & (out->n - 1)) == 0)
                out->at = mem_resize(out->at, out->n ? (size_t)out->n * 2 : 1, sizeof *out->at);
            out->at[out->n++] = read_object(q);
        }
    }
    read_end(s, c);
    if (st != OK) store_objects_fini(out);
    return st;
}

/* -------------------------------------------------------------------- change */

status claim_check(store *s, conn *c, const store_claim *claim, int64_t seq, errtext *err)
{
    sqlite3_stmt *q;
    bool holds = false;
    status st;

    if (!claim) return OK;
    st = db_query(c, &q, err, "SELECT 1 FROM work WHERE object=? AND owner=? AND attempt=?",
                  "iti", seq, store_owner(s), (int64_t)claim->attempt);
    if (st != OK) return st;
    while (db_row(c, q, &st, err)) holds = true;
    if (st == OK && !holds)
        return fail(err, E_INTERRUPTED, "the claim on '%s' is lost", claim->id);
    return st;
}

status store_update(store *s, store_kind kind, const char *tenant, const char *id,
                    const store_change *change, bool *found, errtext *err)
{
    int64_t seq, n_event;
    bool final;
    int n = 0;
    conn *c;
    status st = write_begin(s, &c, err);

    *found = false;
    if (st != OK) return st;
    st = object_seq(c, tenant, id, &seq, &final, &n_event, err);
    if (st == OK && seq) st = claim_check(s, c, change->claim, seq, err);
    if (st == OK && seq)
        st = db_run(c, &n, err,
                    "UPDATE objects SET status=CASE final WHEN 0 THEN coalesce(?,status) "
                    "ELSE status END, label=CASE final WHEN 0 THEN coalesce(?,label) "
                    "ELSE label END, body=coalesce(?,body), hidden=coalesce(?,hidden), "
                    "metadata=coalesce(?,metadata), "
                    "expires_at=CASE WHEN ?6<0 THEN expires_at ELSE ?6 END "
                    "WHERE seq=? AND kind=? AND (expires_at=0 OR expires_at>?)",
                    "tttttiiii", change->status, change->label, change->body, change->hidden,
                    change->metadata, change->expires_at, seq, (int64_t)kind, store_now());
    st = write_end(s, st, err);
    *found = st == OK && n > 0;
    return st;
}

/* An object and all that hangs on it: rows of other tables go by themselves. */
static status remove_tree(store *s, conn *c, int64_t seq, const char *id, int depth,
                          errtext *err)
{
    store_object *children = NULL;
    sqlite3_stmt *q;
    int n = 0;
    status st;

    if (depth > 8) return fail(err, E_FORMAT, "store: objects nested deeper than 8");
    st = db_query(c, &q, err, "SELECT " COLUMNS " FROM objects WHERE parent=?", "t", id);
    if (st == OK) {
        while (db_row(c, q, &st, err)) {
            children = mem_resize(children, (size_t)n + 1, sizeof *children);
            children[n++] = read_object(q);
        }
    }
    for (int i = 0; i < n; i++) {
        if (st == OK && children[i].seq != seq)
            st = remove_tree(s, c, children[i].seq, children[i].id, depth + 1, err);
        store_object_fini(&children[i]);
    }
    mem_free(children);
    if (st == OK) st = db_query(c, &q, err, "SELECT 1 FROM contents WHERE object=?", "i", seq);
    if (st == OK)
        while (db_row(c, q, &st, err)) write_unlink_later(s, id);
    if (st == OK) st = db_run(c, NULL, err, "DELETE FROM objects WHERE seq=?", "i", seq);
    return st;
}

status store_delete(store *s, store_kind kind, const char *tenant, const char *id,
                    bool *found, errtext *err)
{
    sqlite3_stmt *q;
    int64_t seq = 0;
    conn *c;
    status st = write_begin(s, &c, err);

    *found = false;
    if (st != OK) return st;
    st = db_query(c, &q, err, "SELECT seq FROM objects WHERE id=? AND tenant=? AND kind=? "
                  "AND (expires_at=0 OR expires_at>?)", "ttii", id, tenant, (int64_t)kind,
                  store_now());
    if (st == OK)
        while (db_row(c, q, &st, err)) seq = sqlite3_column_int64(q, 0);
    if (st == OK && seq) st = remove_tree(s, c, seq, id, 0, err);
    st = write_end(s, st, err);
    *found = st == OK && seq;
    return st;
}

status store_expire(store *s, int64_t now, int most, int *n, errtext *err)
{
    store_object *gone = NULL;
    sqlite3_stmt *q;
    int n_gone = 0;
    conn *c;
    status st = write_begin(s, &c, err);

    *n = 0;
    if (st != OK) return st;
    st = db_query(c, &q, err, "SELECT " COLUMNS " FROM objects o WHERE expires_at>0 AND "
                  "expires_at<=? AND NOT EXISTS (SELECT 1 FROM work WHERE object=o.seq) "
                  "ORDER BY expires_at LIMIT ?", "ii", now, (int64_t)most);
    if (st == OK) {
        while (db_row(c, q, &st, err)) {
            gone = mem_resize(gone, (size_t)n_gone + 1, sizeof *gone);
            gone[n_gone++] = read_object(q);
        }
    }
    for (int i = 0; i < n_gone; i++) {
        if (st == OK) st = remove_tree(s, c, gone[i].seq, gone[i].id, 0, err);
        store_object_fini(&gone[i]);
    }
    mem_free(gone);
    st = write_end(s, st, err);
    *n = st == OK ? n_gone : 0;
    return st;
}

/* ------------------------------------------------------------------- the end */

/* Add what an object was asked and what it answered to a conversation. */
static status join_conversation(conn *c, const char *tenant, const char *conversation,
                                int64_t seq, const char *list, errtext *err)
{
    int64_t to, n_event;
    bool final;
    status st = object_seq(c, tenant, conversation, &to, &final, &n_event, err);

    if (st != OK || !to) return st;
    return db_run(c, NULL, err,
                  "INSERT INTO items(object, list, position, id, body) "
                  "SELECT ?1, 'item', (SELECT coalesce(max(position), -1) FROM items WHERE "
                  "object=?1 AND list='item') + row_number() OVER (ORDER BY list=?2, position), "
                  "id, body FROM items WHERE object=?3 AND (list='input' OR list=?2) "
                  "ORDER BY list=?2, position", "iti", to, list, seq);
}

static status end_object(store *s, conn *c, const store_claim *claim, int64_t seq,
                         int64_t n_event, const char *tenant, const store_end *end, int *n,
                         errtext *err)
{
    const char *list = end->list ? end->list : "output";
    status st = claim_check(s, c, claim, seq, err);

    if (st == OK && end->n_event)
        st = events_put(c, seq, n_event, end->first_event, end->events, end->n_event, err);
    if (st == OK)
        st = db_run(c, n, err, "UPDATE objects SET final=1, status=?, body=coalesce(?,body), "
                    "hidden=coalesce(?,hidden), expires_at=CASE WHEN ?4<0 THEN expires_at "
                    "ELSE ?4 END WHERE seq=? AND final=0", "tttii", end->status, end->body,
                    end->hidden, end->expires_at, seq);
    if (st == OK && *n)
        st = db_run(c, NULL, err, "DELETE FROM items WHERE object=? AND list=?", "it", seq, list);
    if (st == OK && *n) st = items_put(c, seq, list, end->items, end->n_item, err);
    if (st == OK && *n && end->conversation)
        st = join_conversation(c, tenant, end->conversation, seq, list, err);
    if (st == OK && *n) st = db_run(c, NULL, err, "DELETE FROM work WHERE object=?", "i", seq);
    return st;
}

status store_finish(store *s, const store_claim *claim, const char *tenant, const char *id,
                    const store_end *end, bool *ended, errtext *err)
{
    int64_t seq, n_event;
    bool final;
    int n = 0;
    conn *c;
    status st = write_begin(s, &c, err);

    *ended = false;
    if (st != OK) return st;
    st = object_seq(c, tenant, id, &seq, &final, &n_event, err);
    if (st == OK && seq && !final)
        st = end_object(s, c, claim, seq, n_event, tenant, end, &n, err);
    if (st == E_INTERRUPTED) {
        write_end(s, st, NULL);
        return OK;
    }
    st = write_end(s, st, err);
    *ended = st == OK && n > 0;
    return st;
}
