/* tables.c - the tables.
 *
 * user_version counts the steps applied. A step once released never changes; a
 * change of the tables is one more step at the end. */
#include "store/tables.h"

#include <stddef.h>

#define APPLICATION_ID 0x506F6E64        /* "Pond" */

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE objects ("
    "  seq INTEGER PRIMARY KEY AUTOINCREMENT,"      /* never given twice: cursors hold */
    "  id TEXT NOT NULL UNIQUE,"
    "  kind INTEGER NOT NULL,"
    "  tenant TEXT NOT NULL,"
    "  status TEXT NOT NULL,"
    "  final INTEGER NOT NULL DEFAULT 0,"
    "  body TEXT NOT NULL,"
    "  hidden TEXT,"
    "  metadata TEXT,"
    "  parent TEXT,"
    "  label TEXT,"
    "  model TEXT,"
    "  created_at INTEGER NOT NULL,"
    "  expires_at INTEGER NOT NULL DEFAULT 0,"
    "  n_event INTEGER NOT NULL DEFAULT 0,"
    "  n_line INTEGER NOT NULL DEFAULT 0,"
    "  n_line_done INTEGER NOT NULL DEFAULT 0,"
    "  n_line_failed INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX objects_listed ON objects(tenant, kind, seq);"
    "CREATE INDEX objects_child ON objects(parent) WHERE parent IS NOT NULL;"
    "CREATE INDEX objects_expiring ON objects(expires_at) WHERE expires_at > 0;"

    "CREATE TABLE items ("
    "  object INTEGER NOT NULL REFERENCES objects(seq) ON DELETE CASCADE,"
    "  list TEXT NOT NULL,"
    "  position INTEGER NOT NULL,"
    "  id TEXT,"
    "  body TEXT NOT NULL,"
    "  PRIMARY KEY (object, list, position)) WITHOUT ROWID;"
    "CREATE INDEX items_named ON items(id) WHERE id IS NOT NULL;"

    "CREATE TABLE events ("
    "  object INTEGER NOT NULL REFERENCES objects(seq) ON DELETE CASCADE,"
    "  sequence INTEGER NOT NULL,"
    "  type TEXT NOT NULL,"
    "  body TEXT NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  PRIMARY KEY (object, sequence)) WITHOUT ROWID;"

    "CREATE TABLE lines ("
    "  object INTEGER NOT NULL REFERENCES objects(seq) ON DELETE CASCADE,"
    "  line INTEGER NOT NULL,"
    "  custom_id TEXT NOT NULL,"
    "  offset INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL,"
    "  state INTEGER NOT NULL DEFAULT 0,"
    "  result TEXT,"
    "  PRIMARY KEY (object, line)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX lines_named ON lines(object, custom_id);"
    "CREATE INDEX lines_by_state ON lines(object, state, line);"

    "CREATE TABLE contents ("
    "  object INTEGER PRIMARY KEY REFERENCES objects(seq) ON DELETE CASCADE,"
    "  bytes INTEGER NOT NULL,"
    "  sha256 TEXT NOT NULL);"

    "CREATE TABLE owners ("
    "  id TEXT PRIMARY KEY,"
    "  boot TEXT NOT NULL,"         /* of the kernel whose clock beat counts by */
    "  beat_ms INTEGER NOT NULL,"
    "  lease_ms INTEGER NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE work ("
    "  object INTEGER PRIMARY KEY REFERENCES objects(seq) ON DELETE CASCADE,"
    "  queue TEXT NOT NULL,"
    "  tenant TEXT NOT NULL,"
    "  priority INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL DEFAULT 0,"
    "  owner TEXT);"                /* NULL: waits */
    "CREATE INDEX work_waiting ON work(queue, priority DESC, object) WHERE owner IS NULL;"
    "CREATE INDEX work_claimed ON work(queue, tenant) WHERE owner IS NOT NULL;"
    "CREATE INDEX work_owned ON work(owner) WHERE owner IS NOT NULL;"

    "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE idempotency ("
    "  tenant TEXT NOT NULL,"
    "  key TEXT NOT NULL,"
    "  hash BLOB NOT NULL,"
    "  object TEXT NOT NULL,"
    "  until INTEGER NOT NULL,"
    "  PRIMARY KEY (tenant, key)) WITHOUT ROWID;",
};

#define N_STEP ((int)(sizeof steps / sizeof *steps))

int tables_version(void)
{
    return N_STEP;
}

static status read_number(conn *c, int64_t *out, const char *sql, errtext *err)
{
    sqlite3_stmt *q;
    status st = db_query(c, &q, err, sql, "");

    *out = 0;
    if (st != OK) return st;
    while (db_row(c, q, &st, err)) *out = sqlite3_column_int64(q, 0);
    return st;
}

status tables_check(conn *c, const char *path, errtext *err)
{
    int64_t application, version, n_table;
    status st;

    if ((st = read_number(c, &application, "PRAGMA application_id", err)) != OK ||
        (st = read_number(c, &version, "PRAGMA user_version", err)) != OK ||
        (st = read_number(c, &n_table, "SELECT count(*) FROM sqlite_schema", err)) != OK)
        return st;
    if (application != APPLICATION_ID && (application || version || n_table))
        return fail(err, E_FORMAT, "%s: a database of another program", path);
    if (version < 0 || version > N_STEP)
        return fail(err, E_UNSUPPORTED, "%s: of version %lld, this program knows %d", path,
                    (long long)version, N_STEP);
    return OK;
}

static status apply(conn *c, int i_step, const char *path, errtext *err)
{
    char *sql = sqlite3_mprintf("BEGIN IMMEDIATE; %s PRAGMA application_id=%d;"
                                "PRAGMA user_version=%d; COMMIT;",
                                steps[i_step], APPLICATION_ID, i_step + 1);
    char *why = NULL;
    status st = OK;

    if (!sql || sqlite3_exec(c->db, sql, NULL, NULL, &why) != SQLITE_OK) {
        st = fail(err, E_IO, "%s: cannot bring it to version %d: %s", path, i_step + 1,
                  why ? why : "out of memory");
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    }
    sqlite3_free(why);
    sqlite3_free(sql);
    return st;
}

status tables_upgrade(conn *c, const char *path, errtext *err)
{
    int64_t version;
    status st = read_number(c, &version, "PRAGMA user_version", err);

    for (int i = (int)version; st == OK && i < N_STEP; i++) st = apply(c, i, path, err);
    return st;
}
