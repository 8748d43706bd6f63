/* db.c - one line a query.
 *
 * Statements are found by the address of their text: the literals of this room
 * are few, so a short list searched in order costs less than hashing them. */
#include "store/db.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "store/tables.h"

#define BUSY_MS 5000
#define CHECKPOINT_PAGES 1000

struct db_cached {
    const char *sql;
    sqlite3_stmt *stmt;
};

status db_fail(conn *c, errtext *err)
{
    int code = sqlite3_extended_errcode(c->db);
    const char *why = sqlite3_errmsg(c->db);

    if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC) c->sync_failed = true;
    switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return fail(err, E_FORMAT, "store: damaged: %s", why);
    case SQLITE_CONSTRAINT:
        return fail(err, E_ARG, "store: %s", why);
    case SQLITE_TOOBIG:
        return fail(err, E_LIMIT, "store: %s", why);
    default:
        return fail(err, E_IO, "store: %s (SQLite %d)", why, code);
    }
}

static status exec(conn *c, const char *sql, errtext *err)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? OK : db_fail(c, err);
}

static status open_file(conn *c, const char *path, int flags, errtext *err)
{
    status st = OK;

    *c = (conn){ 0 };
    if (sqlite3_open_v2(path, &c->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        st = fail(err, E_IO, "%s: %s", path,
                  c->db ? sqlite3_errmsg(c->db) : "out of memory");
    } else {
        sqlite3_extended_result_codes(c->db, 1);
        sqlite3_busy_timeout(c->db, BUSY_MS);
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        st = exec(c, "PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; PRAGMA cell_size_check=ON;",
                  err);
    }
    if (st != OK) db_close(c);
    return st;
}

status db_open_writer(conn *c, const char *path, errtext *err)
{
    status st = open_file(c, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);

    if (st != OK) return st;
    if ((st = tables_check(c, path, err)) == OK &&
        (st = exec(c, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", err)) == OK &&
        (st = tables_upgrade(c, path, err)) == OK)
        sqlite3_wal_autocheckpoint(c->db, CHECKPOINT_PAGES);
    if (st != OK) db_close(c);
    return st;
}

status db_open_reader(conn *c, const char *path, errtext *err)
{
    status st = open_file(c, path, SQLITE_OPEN_READWRITE, err);

    if (st != OK) return st;
    sqlite3_wal_autocheckpoint(c->db, 0);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    st = exec(c, "PRAGMA query_only=ON;", err);
    if (st != OK) db_close(c);
    return st;
}

void db_close(conn *c)
{
    for (int i = 0; i < c->n_cached; i++) sqlite3_finalize(c->cached[i].stmt);
    mem_free(c->cached);
    sqlite3_close(c->db);
    *c = (conn){ 0 };
}

static sqlite3_stmt *prepared(conn *c, const char *sql)
{
    sqlite3_stmt *stmt = NULL;

    for (int i = 0; i < c->n_cached; i++)
        if (c->cached[i].sql == sql) return c->cached[i].stmt;
    if (sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
        return NULL;
    c->cached = mem_resize(c->cached, (size_t)c->n_cached + 1, sizeof *c->cached);
    c->cached[c->n_cached++] = (struct db_cached){ sql, stmt };
    return stmt;
}

static status bind_all(conn *c, sqlite3_stmt **out, errtext *err, const char *sql,
                       const char *types, va_list args)
{
    sqlite3_stmt *q = prepared(c, sql);
    int code = SQLITE_OK;

    *out = NULL;
    if (!q) return db_fail(c, err);
    CHECK(!sqlite3_stmt_busy(q));
    CHECK(sqlite3_bind_parameter_count(q) == (int)strlen(types));
    for (int i = 1; types[i - 1] && code == SQLITE_OK; i++) {
        switch (types[i - 1]) {
        case 't': {
            const char *text = va_arg(args, const char *);

            code = text ? sqlite3_bind_text64(q, i, text, strlen(text), SQLITE_STATIC,
                                              SQLITE_UTF8)
                        : sqlite3_bind_null(q, i);
            break;
        }
        case 'i':
            code = sqlite3_bind_int64(q, i, va_arg(args, int64_t));
            break;
        case 'b': {
            const void *data = va_arg(args, const void *);
            int len = va_arg(args, int);

            code = sqlite3_bind_blob(q, i, data, len, SQLITE_STATIC);
            break;
        }
        default:
            CHECK(!"a type that db_query knows");
        }
    }
    if (code != SQLITE_OK) {
        status st = db_fail(c, err);

        db_done(q);
        return st;
    }
    *out = q;
    return OK;
}

status db_query(conn *c, sqlite3_stmt **out, errtext *err, const char *sql,
                const char *types, ...)
{
    va_list args;
    status st;

    va_start(args, types);
    st = bind_all(c, out, err, sql, types, args);
    va_end(args);
    return st;
}

bool db_row(conn *c, sqlite3_stmt *q, status *st, errtext *err)
{
    int code = sqlite3_step(q);

    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) *st = db_fail(c, err);
    db_done(q);
    return false;
}

void db_done(sqlite3_stmt *q)
{
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
}

status db_run(conn *c, int *n_changed, errtext *err, const char *sql, const char *types,
              ...)
{
    sqlite3_stmt *q;
    va_list args;
    status st;

    va_start(args, types);
    st = bind_all(c, &q, err, sql, types, args);
    va_end(args);
    if (st != OK) return st;
    while (db_row(c, q, &st, err)) { }
    if (n_changed) *n_changed = st == OK ? sqlite3_changes(c->db) : 0;
    return st;
}

const char *db_text_or_null(sqlite3_stmt *q, int column)
{
    return (const char *)sqlite3_column_text(q, column);
}

const char *db_text(sqlite3_stmt *q, int column)
{
    const char *text = db_text_or_null(q, column);

    return text ? text : "";
}
