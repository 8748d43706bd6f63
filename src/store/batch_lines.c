/* batch_lines.c - the lines of batches. */
#include "store/batch_lines.h"

#include <string.h>

#include "base/mem.h"
#include "store/internal.h"

void store_lines_fini(store_lines *l)
{
    strings_free(l->owned);
    mem_free(l->at);
    *l = (store_lines){ 0 };
}

static status find_open(store *s, conn *c, const store_claim *claim, const char *tenant,
                        const char *id, int64_t *seq, errtext *err)
{
    int64_t n_event;
    bool final;
    status st = object_seq(c, tenant, id, seq, &final, &n_event, err);

    if (st != OK) return st;
    if (!*seq || final)
        return fail(err, E_INTERRUPTED, "'%s' is %s", id, final ? "at its end" : "deleted");
    return claim_check(s, c, claim, *seq, err);
}

static status add_line(conn *c, int64_t seq, const store_line *l, int64_t *n_added, errtext *err)
{
    int n = 0;
    status st = db_run(c, &n, err, "INSERT INTO lines(object, line, custom_id, offset, bytes) "
                       "VALUES(?,?,?,?,?) ON CONFLICT(object, line) DO NOTHING", "iitii", seq,
                       l->line, l->custom_id, l->offset, l->bytes);

    if (st == E_ARG)
        return fail(err, E_ARG, "line %lld: custom_id '%.200s' is another line's",
                    (long long)l->line, l->custom_id);
    *n_added += n;
    return st;
}

status store_lines_add(store *s, const store_claim *claim, const char *tenant, const char *id,
                       const store_line *lines, int n, errtext *err)
{
    int64_t seq, n_added = 0;
    conn *c;
    status st = write_begin(s, &c, err);

    if (st != OK) return st;
    st = find_open(s, c, claim, tenant, id, &seq, err);
    for (int i = 0; i < n && st == OK; i++) st = add_line(c, seq, &lines[i], &n_added, err);
    if (st == OK)
        st = db_run(c, NULL, err, "UPDATE objects SET n_line=n_line+? WHERE seq=?", "ii",
                    n_added, seq);
    return write_end(s, st, err);
}

static status line_is_there(conn *c, int64_t seq, int64_t line, errtext *err)
{
    sqlite3_stmt *q;
    bool there = false;
    status st = db_query(c, &q, err, "SELECT 1 FROM lines WHERE object=? AND line=?", "ii", seq,
                         line);

    if (st != OK) return st;
    while (db_row(c, q, &st, err)) there = true;
    if (st == OK && !there)
        return fail(err, E_ARG, "the batch has no line %lld", (long long)line);
    return st;
}

status store_line_finish(store *s, const store_claim *claim, const char *tenant,
                         const char *id, int64_t line, store_line_state state,
                         const char *result, bool *changed, errtext *err)
{
    int64_t seq;
    int n = 0;
    conn *c;
    status st = write_begin(s, &c, err);

    *changed = false;
    if (st != OK) return st;
    CHECK(state == STORE_LINE_DONE || state == STORE_LINE_FAILED);
    st = find_open(s, c, claim, tenant, id, &seq, err);
    if (st == OK)
        st = db_run(c, &n, err, "UPDATE lines SET state=?, result=? WHERE object=? AND line=? "
                    "AND state=0", "itii", (int64_t)state, result, seq, line);
    if (st == OK && n)
        st = db_run(c, NULL, err, "UPDATE objects SET n_line_done=n_line_done+?, "
                    "n_line_failed=n_line_failed+? WHERE seq=?", "iii",
                    (int64_t)(state == STORE_LINE_DONE), (int64_t)(state == STORE_LINE_FAILED),
                    seq);
    if (st == OK && !n) st = line_is_there(c, seq, line, err);
    st = write_end(s, st, err);
    *changed = st == OK && n > 0;
    return st;
}

status store_lines_list(store *s, const char *tenant, const char *id, store_line_state state,
                        int64_t after, int limit, store_lines *out, errtext *err)
{
    strings text = { 0 };
    sqlite3_stmt *q;
    conn *c;
    status st = read_begin(s, &c, err);

    *out = (store_lines){ 0 };
    if (st != OK) return st;
    st = db_query(c, &q, err, "SELECT l.line, l.custom_id, l.offset, l.bytes, l.state, l.result "
                  "FROM objects o JOIN lines l ON l.object=o.seq WHERE o.id=? AND o.tenant=? AND "
                  "l.state=? AND l.line>? ORDER BY l.line LIMIT ?", "ttiii", id, tenant,
                  (int64_t)state, after, (int64_t)limit);
    if (st == OK) {
        while (db_row(c, q, &st, err)) {
            if ((out->n & (out->n - 1)) == 0)
                out->at = mem_resize(out->at, out->n ? (size_t)out->n * 2 : 1, sizeof *out->at);
            out->at[out->n++] = (store_line){
                .line = sqlite3_column_int64(q, 0),
                .custom_id = strings_add(&text, db_text(q, 1)),
                .offset = sqlite3_column_int64(q, 2),
                .bytes = sqlite3_column_int64(q, 3),
                .state = (store_line_state)sqlite3_column_int(q, 4),
                .result = strings_add(&text, db_text_or_null(q, 5)),
            };
        }
    }
    out->owned = strings_take(&text);
    read_end(s, c);
    if (st != OK) store_lines_fini(out);
    return st;
}

status store_lines_count(store *s, const char *tenant, const char *id,
                         store_line_counts *out, errtext *err)
{
    sqlite3_stmt *q;
    conn *c;
    status st = read_begin(s, &c, err);

    *out = (store_line_counts){ 0 };
    if (st != OK) return st;
    st = db_query(c, &q, err, "SELECT n_line, n_line_done, n_line_failed FROM objects WHERE id=? "
                  "AND tenant=?", "tt", id, tenant);
    if (st == OK) {
        while (db_row(c, q, &st, err)) {
            out->total = sqlite3_column_int64(q, 0);
            out->done = sqlite3_column_int64(q, 1);
            out->failed = sqlite3_column_int64(q, 2);
        }
    }
    read_end(s, c);
    return st;
}
