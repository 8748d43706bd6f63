/* db.h - SQLite with prepared statements and one line a query. Internal to the
 * room. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* A connection and its statements, used by one thread at a time. */
typedef struct conn {
    sqlite3 *db;
    struct db_cached *cached;
    int n_cached;
    bool sync_failed;        /* an fsync did not succeed: the disk may have less
                              * than the page cache says */
} conn;

/* A writer creates the file, checks whose it is and brings its schema up to
 * date; a reader never checkpoints. */
status db_open_writer(conn *c, const char *path, errtext *err);
status db_open_reader(conn *c, const char *path, errtext *err);
void db_close(conn *c);                          /* accepts a zeroed connection */

/* A query, bound: one letter an argument, t text or NULL, i int64_t, b bytes and
 * int length. sql is a literal: statements are kept by its address. Texts are
 * borrowed until the query ends. On failure *out is NULL. */
status db_query(conn *c, sqlite3_stmt **out, errtext *err, const char *sql,
                const char *types, ...);

/* The next row: true when there is one. At the end, and on an error, which goes
 * to *st, the statement is reset. */
bool db_row(conn *c, sqlite3_stmt *q, status *st, errtext *err);

/* Leave a query before its end. */
void db_done(sqlite3_stmt *q);

/* Run a statement without rows; *n_changed, unless NULL, is how many it changed. */
status db_run(conn *c, int *n_changed, errtext *err, const char *sql, const char *types,
              ...);

/* A text column, "" for NULL; and NULL for NULL. Borrowed until the next row. */
const char *db_text(sqlite3_stmt *q, int column);
const char *db_text_or_null(sqlite3_stmt *q, int column);

status db_fail(conn *c, errtext *err);           /* the connection's last error */

#endif
