/* store.c - the folder, its connections and transactions. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/internal.h"

#define DEFAULT_READERS 8
#define DEFAULT_LEASE_MS 30000
#define LOCK_WAIT_S 10.0
#define MAX_PATH 4096

typedef struct reader {
    conn c;
    bool open, busy;
} reader;

struct store {
    char *dir;
    char *db_path;
    char owner[STORE_MAX_ID];
    int lease_ms;
    int exclusive_fd;                /* the server's lock, or -1 */
    int owner_fd;                    /* this process's lock, held while it lives */
    int write_fd;                    /* taken for each transaction */

    pthread_mutex_t write_lock;      /* recursive: held from begin to end */
    _Atomic uintptr_t holder;        /* thread that holds it, 0 when free */
    conn writer;
    int depth;
    bool synced;                     /* what PRAGMA synchronous stands at */
    bool doomed;                     /* SQLite has undone the whole transaction */
    char (*unlink)[STORE_MAX_ID];    /* contents to remove after the commit */
    int n_unlink;

    pthread_mutex_t read_lock;
    pthread_cond_t read_free;
    reader *readers;
    int n_reader;

    pthread_mutex_t news_lock;
    pthread_cond_t news;
    uint64_t version;
};

const char *store_dir(const store *s) { return s->dir; }
const char *store_owner(const store *s) { return s->owner; }
int store_lease_ms(const store *s) { return s->lease_ms; }

int64_t store_now(void)
{
    return (int64_t)time(NULL);
}

void store_new_id(char out[STORE_MAX_ID], const char *prefix)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t n = strlen(prefix);

    CHECK(n + 32 < STORE_MAX_ID);
    memcpy(out, prefix, n);
    for (int i = 0; i < 32; i++) out[n + (size_t)i] = letters[randombytes_uniform(62)];
    out[n + 32] = 0;
}

bool id_is_valid(const char *id)
{
    size_t n = strlen(id);

    if (n == 0 || n >= STORE_MAX_ID || id[0] == '.') return false;
    return strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:") == n;
}

/* ------------------------------------------------------------------- strings */

struct strings_block {
    struct strings_block *next;
    char text[];
};

const char *strings_add(strings *s, const char *text)
{
    size_t n = text ? strlen(text) + 1 : 0;
    struct strings_block *block;

    if (!text) return NULL;
    block = mem_new(sizeof *block + n);
    memcpy(block->text, text, n);
    block->next = s->last;
    s->last = block;
    return block->text;
}

void *strings_take(strings *s)
{
    void *taken = s->last;

    s->last = NULL;
    return taken;
}

void strings_free(void *taken)
{
    struct strings_block *block = taken;

    while (block) {
        struct strings_block *next = block->next;

        mem_free(block);
        block = next;
    }
}

/* ------------------------------------------------------------------- reading */

static bool is_holder(store *s)
{
    return atomic_load(&s->holder) == (uintptr_t)pthread_self();
}

status read_begin(store *s, conn **out, errtext *err)
{
    reader *r = NULL;
    status st = OK;

    if (is_holder(s)) {
        *out = &s->writer;
        return OK;
    }
    pthread_mutex_lock(&s->read_lock);
    while (!r) {
        for (int i = 0; i < s->n_reader && !r; i++)
            if (!s->readers[i].busy) r = &s->readers[i];
        if (!r) pthread_cond_wait(&s->read_free, &s->read_lock);
    }
    r->busy = true;
    pthread_mutex_unlock(&s->read_lock);
    if (!r->open) {
        st = db_open_reader(&r->c, s->db_path, err);
        r->open = st == OK;
    }
    *out = &r->c;
    if (st != OK) read_end(s, &r->c);
    return st;
}

void read_end(store *s, conn *c)
{
    if (c == &s->writer) return;
    pthread_mutex_lock(&s->read_lock);
    for (int i = 0; i < s->n_reader; i++)
        if (&s->readers[i].c == c) s->readers[i].busy = false;
    pthread_cond_signal(&s->read_free);
    pthread_mutex_unlock(&s->read_lock);
}

/* ------------------------------------------------------------------- writing */

/* Another process's transactions are as short as ours, so asking again every
 * millisecond costs little and needs no second kind of lock. */
static status lock_other_processes(store *s, errtext *err)
{
    double start = clock_s();

    while (flock(s->write_fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail(err, E_IO, "%s/write.lock: %s", s->dir, strerror(errno));
        if (clock_s() - start > LOCK_WAIT_S)
            return fail(err, E_IO, "%s/write.lock: another process has been writing for %.0f s",
                        s->dir, LOCK_WAIT_S);
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return OK;
}

static status set_synced(store *s, bool synced, errtext *err)
{
    status st = OK;

    if (s->synced == synced) return OK;
    if (sqlite3_exec(s->writer.db, synced ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                     NULL, NULL, NULL) != SQLITE_OK)
        st = db_fail(&s->writer, err);
    else
        s->synced = synced;
    return st;
}

static status outer_begin(store *s, bool synced, errtext *err)
{
    status st;

    if (s->writer.sync_failed)
        return fail(err, E_IO, "store: an earlier sync to disk failed, so nothing more can be "
                               "promised; restart once the disk is well");
    if ((st = lock_other_processes(s, err)) != OK) return st;
    s->doomed = false;
    if ((st = set_synced(s, synced, err)) == OK &&
        sqlite3_exec(s->writer.db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        st = db_fail(&s->writer, err);
    if (st != OK) flock(s->write_fd, LOCK_UN);
    return st;
}

static void unlink_all(store *s)
{
    for (int i = 0; i < s->n_unlink; i++) {
        char path[MAX_PATH];

        content_path(s, s->unlink[i], path);
        unlink(path);       /* one that stays is swept at the next start */
    }
}

static void announce(store *s)
{
    pthread_mutex_lock(&s->news_lock);
    s->version++;
    pthread_cond_broadcast(&s->news);
    pthread_mutex_unlock(&s->news_lock);
}

static status outer_end(store *s, status st, errtext *err)
{
    if (st == OK && s->doomed)
        st = fail(err, E_IO, "store: the transaction was undone by an earlier error");
    if (st == OK && sqlite3_exec(s->writer.db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        st = db_fail(&s->writer, err);
    if (st == OK)
        unlink_all(s);
    else if (!sqlite3_get_autocommit(s->writer.db))
        sqlite3_exec(s->writer.db, "ROLLBACK", NULL, NULL, NULL);
    s->n_unlink = 0;
    flock(s->write_fd, LOCK_UN);
    if (st == OK) announce(s);
    return st;
}

static void enter(store *s)
{
    pthread_mutex_lock(&s->write_lock);
    atomic_store(&s->holder, (uintptr_t)pthread_self());
    s->depth++;
}

static void leave(store *s)
{
    if (--s->depth == 0) atomic_store(&s->holder, 0);
    pthread_mutex_unlock(&s->write_lock);
}

status write_begin(store *s, conn **out, errtext *err)
{
    return write_begin_at(s, STORE_SYNCED, out, err);
}

status write_begin_at(store *s, store_durability durability, conn **out, errtext *err)
{
    status st;

    enter(s);
    *out = &s->writer;
    if (s->depth == 1) {
        st = outer_begin(s, durability == STORE_SYNCED, err);
    } else if (s->doomed) {
        st = fail(err, E_IO, "store: the transaction was undone by an earlier error");
    } else {
        st = sqlite3_exec(s->writer.db, "SAVEPOINT call", NULL, NULL, NULL) == SQLITE_OK
                 ? OK : db_fail(&s->writer, err);
    }
    if (st != OK) leave(s);
    return st;
}

status write_end(store *s, status st, errtext *err)
{
    if (s->depth == 1) {
        st = outer_end(s, st, err);
    } else if (sqlite3_get_autocommit(s->writer.db)) {
        s->doomed = true;            /* a full disk undoes more than the savepoint */
    } else {
        const char *sql = st == OK ? "RELEASE call" : "ROLLBACK TO call; RELEASE call";

        if (sqlite3_exec(s->writer.db, sql, NULL, NULL, NULL) != SQLITE_OK) {
            if (st == OK) st = db_fail(&s->writer, err);
            s->doomed = true;
        }
    }
    leave(s);
    return st;
}

void write_unlink_later(store *s, const char *id)
{
    s->unlink = mem_resize(s->unlink, (size_t)s->n_unlink + 1, sizeof *s->unlink);
    snprintf(s->unlink[s->n_unlink++], STORE_MAX_ID, "%s", id);
}

status store_begin(store *s, store_durability durability, errtext *err)
{
    status st;

    enter(s);
    CHECK(s->depth == 1);            /* groups do not nest */
    st = outer_begin(s, durability == STORE_SYNCED, err);
    if (st != OK) leave(s);
    return st;
}

status store_commit(store *s, errtext *err)
{
    status st;

    CHECK(is_holder(s) && s->depth == 1);
    st = outer_end(s, OK, err);
    leave(s);
    return st;
}

void store_rollback(store *s)
{
    CHECK(is_holder(s) && s->depth == 1);
    outer_end(s, E_INTERRUPTED, NULL);
    leave(s);
}

/* ------------------------------------------------------------------- waiting */

uint64_t store_version(store *s)
{
    uint64_t version;

    pthread_mutex_lock(&s->news_lock);
    version = s->version;
    pthread_mutex_unlock(&s->news_lock);
    return version;
}

void store_wait(store *s, uint64_t seen, double wait_s)
{
    struct timespec until;
    int64_t wait_ns = (int64_t)(wait_s * 1e9);

    clock_gettime(CLOCK_MONOTONIC, &until);
    wait_ns += until.tv_nsec;
    until.tv_sec += wait_ns / 1000000000;
    until.tv_nsec = wait_ns % 1000000000;
    pthread_mutex_lock(&s->news_lock);
    while (s->version == seen)
        if (pthread_cond_timedwait(&s->news, &s->news_lock, &until) == ETIMEDOUT) break;
    pthread_mutex_unlock(&s->news_lock);
}

/* ------------------------------------------------------------------ settings */

status store_secret(store *s, const char *name, uint8_t out[32], errtext *err)
{
    uint8_t fresh[32];
    sqlite3_stmt *q;
    conn *c;
    status st = write_begin(s, &c, err);

    if (st != OK) return st;
    randombytes_buf(fresh, sizeof fresh);
    st = db_run(c, NULL, err, "INSERT INTO settings(name, value) VALUES(?, ?) "
                "ON CONFLICT DO NOTHING", "tb", name, fresh, (int)sizeof fresh);
    if (st == OK) st = db_query(c, &q, err, "SELECT value FROM settings WHERE name=?", "t", name);
    if (st == OK) {
        while (db_row(c, q, &st, err)) {
            if (sqlite3_column_bytes(q, 0) != 32)
                st = fail(err, E_FORMAT, "store: secret '%s' has not 32 bytes", name);
            else
                memcpy(out, sqlite3_column_blob(q, 0), 32);
        }
    }
    sodium_memzero(fresh, sizeof fresh);
    return write_end(s, st, err);
}

status store_idempotency(store *s, const char *tenant, const char *key,
                         const uint8_t hash[32], char id[STORE_MAX_ID], int64_t keep_s,
                         bool *known, bool *same, errtext *err)
{
    int64_t now = store_now();
    sqlite3_stmt *q;
    int n = 0;
    conn *c;
    status st = write_begin(s, &c, err);

    *known = *same = false;
    if (st != OK) return st;
    st = db_run(c, NULL, err, "DELETE FROM idempotency WHERE tenant=? AND until<=?", "ti",
                tenant, now);
    if (st == OK)
        st = db_run(c, &n, err, "INSERT INTO idempotency(tenant, key, hash, object, until) "
                    "VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", "ttbti", tenant, key, hash,
                    32, id, now + keep_s);
    if (st == OK && n == 0)
        st = db_query(c, &q, err, "SELECT hash, object FROM idempotency WHERE tenant=? AND key=?",
                      "tt", tenant, key);
    if (st == OK && n == 0) {
        while (db_row(c, q, &st, err)) {
            *known = true;
            *same = sqlite3_column_bytes(q, 0) == 32 &&
                    !memcmp(sqlite3_column_blob(q, 0), hash, 32);
            snprintf(id, STORE_MAX_ID, "%s", db_text(q, 1));
        }
    }
    return write_end(s, st, err);
}

/* ------------------------------------------------------------ open and close */

/* Locks and shared memory do not hold between machines. */
static status refuse_network(const char *dir, errtext *err)
{
    struct statfs info;

    if (statfs(dir, &info)) return fail(err, E_IO, "%s: %s", dir, strerror(errno));
    switch ((unsigned long)info.f_type & 0xFFFFFFFFul) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case 0xFF534D42ul:               /* CIFS */
    case 0xFE534D42ul:               /* SMB2 */
    case CODA_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
        return fail(err, E_IO, "%s: lies on a network filesystem, where locks do not hold", dir);
    default:
        return OK;
    }
}

static status lock_open(const store *s, const char *name, int *fd, errtext *err)
{
    char path[MAX_PATH];

    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return *fd >= 0 ? OK : fail(err, E_IO, "%s: %s", path, strerror(errno));
}

static status lock_server(store *s, errtext *err)
{
    char pid[32] = "";
    int n;
    status st = lock_open(s, "server.lock", &s->exclusive_fd, err);

    if (st != OK) return st;
    if (flock(s->exclusive_fd, LOCK_EX | LOCK_NB)) {
        ssize_t got = pread(s->exclusive_fd, pid, sizeof pid - 1, 0);

        pid[got > 0 ? got : 0] = 0;
        pid[strspn(pid, "0123456789")] = 0;
        return fail(err, E_IO, "%s: another server has this folder open (process %s)", s->dir,
                    *pid ? pid : "unknown");
    }
    n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(s->exclusive_fd, 0) || pwrite(s->exclusive_fd, pid, (size_t)n, 0) != n)
        return fail(err, E_IO, "%s/server.lock: %s", s->dir, strerror(errno));
    return OK;
}

static void locks_init(store *s)
{
    pthread_mutexattr_t recursive;
    pthread_condattr_t monotonic;

    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&s->write_lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_mutex_init(&s->read_lock, NULL);
    pthread_cond_init(&s->read_free, NULL);
    pthread_mutex_init(&s->news_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static status open_files(store *s, bool exclusive, errtext *err)
{
    char path[MAX_PATH];
    status st;
    int fd;

    if (strlen(s->dir) > MAX_PATH - 2 * STORE_MAX_ID)
        return fail(err, E_ARG, "%s: too long a path", s->dir);
    if ((st = file_make_dir(s->dir, err)) != OK) return st;
    if ((st = refuse_network(s->dir, err)) != OK) return st;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", s->dir, i ? "files" : "owners");
        if ((st = file_make_dir(path, err)) != OK) return st;
        chmod(path, 0700);
    }
    if (exclusive && (st = lock_server(s, err)) != OK) return st;
    if ((st = lock_open(s, "write.lock", &s->write_fd, err)) != OK) return st;
    if ((st = lock_other_processes(s, err)) != OK) return st;
    /* Made here so that SQLite, which copies its mode to the WAL, finds a file
     * nobody else can read. Never opened again: closing a descriptor of it would
     * drop the locks that SQLite holds in this process. */
    fd = open(s->db_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    st = db_open_writer(&s->writer, s->db_path, err);
    s->synced = true;
    flock(s->write_fd, LOCK_UN);
    return st;
}

status store_open(store **out, const char *dir, const store_options *options, errtext *err)
{
    store *s = mem_new(sizeof *s);
    bool exclusive = options && options->exclusive;
    status st;

    *out = NULL;
    s->dir = mem_string(dir);
    s->db_path = mem_new(strlen(dir) + 16);
    sprintf(s->db_path, "%s/store.db", dir);
    s->exclusive_fd = s->owner_fd = s->write_fd = -1;
    s->lease_ms = options && options->lease_ms > 0 ? options->lease_ms : DEFAULT_LEASE_MS;
    s->n_reader = options && options->n_reader > 0 ? options->n_reader : DEFAULT_READERS;
    s->readers = mem_array((size_t)s->n_reader, sizeof *s->readers);
    locks_init(s);
    if (sodium_init() < 0)
        st = fail(err, E_IO, "no source of random numbers");
    else
        st = open_files(s, exclusive, err);
    if (st == OK) {
        store_new_id(s->owner, "owner_");
        st = owner_join(s, &s->owner_fd, err);
    }
    if (st == OK && exclusive) st = content_sweep(s, err);
    if (st != OK) {
        store_close(s);
        return st;
    }
    *out = s;
    return OK;
}

void store_close(store *s)
{
    if (!s) return;
    for (int i = 0; i < s->n_reader; i++) db_close(&s->readers[i].c);
    if (s->owner_fd >= 0) owner_leave(s);
    if (s->writer.db) {
        /* The last connection checkpoints as it closes. */
        lock_other_processes(s, NULL);
        db_close(&s->writer);
        flock(s->write_fd, LOCK_UN);
    }
    if (s->owner_fd >= 0) close(s->owner_fd);
    if (s->write_fd >= 0) close(s->write_fd);
    if (s->exclusive_fd >= 0) close(s->exclusive_fd);
    pthread_mutex_destroy(&s->write_lock);
    pthread_mutex_destroy(&s->read_lock);
    pthread_cond_destroy(&s->read_free);
    pthread_mutex_destroy(&s->news_lock);
    pthread_cond_destroy(&s->news);
    mem_free(s->unlink);
    mem_free(s->readers);
    mem_free(s->db_path);
    mem_free(s->dir);
    mem_free(s);
}
