/* queue.c - claims, and whose owner lives.
 *
 * An owner is a process with the store open. It holds a lock on a file of its
 * own, which the kernel lets go of the moment the process dies, whatever kills
 * it; so a dead owner is known at once and for sure. One that lives but hangs
 * is known by its beat, in the kernel's boot time: wall clocks jump. */
#include "store/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/internal.h"

static int64_t boot_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void boot_id(char out[64])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, 63) : 0;

    if (fd >= 0) close(fd);
    out[n > 0 ? n : 0] = 0;
    out[strcspn(out, "\n")] = 0;
}

static void lock_path(const store *s, const char *owner, char out[4096])
{
    snprintf(out, 4096, "%s/owners/%s", store_dir(s), owner);
}

/* -------------------------------------------------------------------- owners */

status owner_join(store *s, int *fd, errtext *err)
{
    char path[4096], boot[64];
    conn *c;
    status st;

    /* The lock is held before the row is there, so nobody takes a new owner for
     * a dead one. */
    lock_path(s, store_owner(s), path);
    *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*fd < 0 || flock(*fd, LOCK_EX | LOCK_NB))
        return fail(err, E_IO, "%s: %s", path, strerror(errno));
    if ((st = write_begin(s, &c, err)) != OK) return st;
    boot_id(boot);
    st = db_run(c, NULL, err, "INSERT INTO owners(id, boot, beat_ms, lease_ms) VALUES(?,?,?,?)",
                "ttii", store_owner(s), boot, boot_ms(), (int64_t)store_lease_ms(s));
    return write_end(s, st, err);
}

static status owner_remove(store *s, conn *c, const char *owner, int *n_back, errtext *err)
{
    char path[4096];
    status st = db_run(c, n_back, err, "UPDATE work SET owner=NULL WHERE owner=?", "t", owner);

    if (st == OK) st = db_run(c, NULL, err, "DELETE FROM owners WHERE id=?", "t", owner);
    lock_path(s, owner, path);
    if (st == OK) unlink(path);
    return st;
}

void owner_leave(store *s)
{
    conn *c;
    int n;

    if (write_begin(s, &c, NULL) != OK) return;
    write_end(s, owner_remove(s, c, store_owner(s), &n, NULL), NULL);
}

status store_beat(store *s, errtext *err)
{
    char boot[64];
    conn *c;
    status st;

    boot_id(boot);
    if ((st = write_begin_at(s, STORE_WRITTEN, &c, err)) != OK) return st;
    st = db_run(c, NULL, err, "INSERT INTO owners(id, boot, beat_ms, lease_ms) VALUES(?,?,?,?) "
                "ON CONFLICT(id) DO UPDATE SET beat_ms=excluded.beat_ms", "ttii",
                store_owner(s), boot, boot_ms(), (int64_t)store_lease_ms(s));
    return write_end(s, st, err);
}

static bool owner_is_dead(const store *s, const char *owner)
{
    char path[4096];
    bool dead = true;
    int fd;

    lock_path(s, owner, path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT;
    if (flock(fd, LOCK_EX | LOCK_NB)) dead = false;
    close(fd);
    return dead;
}

typedef struct lost_owner {
    char id[STORE_MAX_ID];
} lost_owner;

static status find_lost(store *s, conn *c, lost_owner **lost, int *n, errtext *err)
{
    int64_t now = boot_ms();
    char boot[64];
    sqlite3_stmt *q;
    status st = db_query(c, &q, err, "SELECT id, boot, beat_ms, lease_ms FROM owners", "");

    boot_id(boot);
    if (st != OK) return st;
    while (db_row(c, q, &st, err)) {
        const char *id = db_text(q, 0);
        bool late = strcmp(db_text(q, 1), boot) != 0 ||
                    now - sqlite3_column_int64(q, 2) > sqlite3_column_int64(q, 3);

        if (!strcmp(id, store_owner(s)) || !(late || owner_is_dead(s, id))) continue;
        *lost = mem_resize(*lost, (size_t)*n + 1, sizeof **lost);
        snprintf((*lost)[(*n)++].id, STORE_MAX_ID, "%s", id);
    }
    return st;
}

status store_recover(store *s, int *n_back, errtext *err)
{
    lost_owner *lost = NULL;
    int n_lost = 0;
    conn *c;
    status st = write_begin(s, &c, err);

    *n_back = 0;
    if (st != OK) return st;
    st = find_lost(s, c, &lost, &n_lost, err);
    for (int i = 0; i < n_lost && st == OK; i++) {
        int n = 0;

        st = owner_remove(s, c, lost[i].id, &n, err);
        *n_back += n;
    }
    mem_free(lost);
    st = write_end(s, st, err);
    if (st != OK) *n_back = 0;
    return st;
}

/* -------------------------------------------------------------------- claims */

status store_enqueue(store *s, const char *tenant, const char *id, const char *queue,
                     int priority, bool *queued, errtext *err)
{
    int n = 0;
    conn *c;
    status st = write_begin(s, &c, err);

    *queued = false;
    if (st != OK) return st;
    st = db_run(c, &n, err, "INSERT INTO work(object, queue, tenant, priority) "
                "SELECT seq, ?, tenant, ? FROM objects WHERE id=? AND tenant=? AND final=0 "
                "ON CONFLICT DO NOTHING", "titt", queue, (int64_t)priority, id, tenant);
    st = write_end(s, st, err);
    *queued = st == OK && n > 0;
    return st;
}

static status claim_one(store *s, conn *c, const char *queue, store_claim *out, bool *found,
                        errtext *err)
{
    sqlite3_stmt *q;
    status st = db_query(c, &q, err,
        "UPDATE work SET owner=?1, attempt=attempt+1 WHERE object=(SELECT object FROM work w "
        "WHERE queue=?2 AND owner IS NULL ORDER BY priority DESC, (SELECT count(*) FROM work r "
        "WHERE r.queue=?2 AND r.owner IS NOT NULL AND r.tenant=w.tenant), object LIMIT 1) "
        "RETURNING attempt, (SELECT id FROM objects WHERE seq=object), tenant",
        "tt", store_owner(s), queue);

    if (st != OK) return st;
    while (db_row(c, q, &st, err)) {
        out->attempt = sqlite3_column_int(q, 0);
        snprintf(out->id, sizeof out->id, "%s", db_text(q, 1));
        snprintf(out->tenant, sizeof out->tenant, "%s", db_text(q, 2));
        *found = true;
    }
    return st;
}

status store_claim_next(store *s, const char *queue, store_claim *out, bool *found,
                        errtext *err)
{
    int n_waiting, n_claimed;
    conn *c;
    status st;

    *found = false;
    *out = (store_claim){ 0 };
    /* An empty queue, the usual case of a poll, costs a read and no write. */
    if ((st = store_queue_length(s, queue, &n_waiting, &n_claimed, err)) != OK) return st;
    if (!n_waiting) return OK;
    if ((st = write_begin(s, &c, err)) != OK) return st;
    st = write_end(s, claim_one(s, c, queue, out, found, err), err);
    if (st != OK) *found = false;
    return st;
}

status store_claim_holds(store *s, const store_claim *claim, bool *holds, errtext *err)
{
    int64_t seq, n_event;
    bool final;
    conn *c;
    status st = read_begin(s, &c, err);

    *holds = false;
    if (st != OK) return st;
    st = object_seq(c, claim->tenant, claim->id, &seq, &final, &n_event, err);
    if (st == OK && seq) {
        st = claim_check(s, c, claim, seq, err);
        *holds = st == OK;
        if (st == E_INTERRUPTED) st = OK;
    }
    read_end(s, c);
    return st;
}

status store_claim_release(store *s, const store_claim *claim, errtext *err)
{
    conn *c;
    status st = write_begin(s, &c, err);

    if (st != OK) return st;
    st = db_run(c, NULL, err, "UPDATE work SET owner=NULL WHERE owner=? AND attempt=? AND "
                "object=(SELECT seq FROM objects WHERE id=? AND tenant=?)", "titt",
                store_owner(s), (int64_t)claim->attempt, claim->id, claim->tenant);
    return write_end(s, st, err);
}

status store_queue_length(store *s, const char *queue, int *n_waiting, int *n_claimed,
                          errtext *err)
{
    sqlite3_stmt *q;
    conn *c;
    status st = read_begin(s, &c, err);

    *n_waiting = *n_claimed = 0;
    if (st != OK) return st;
    st = db_query(c, &q, err, "SELECT (SELECT count(*) FROM work WHERE queue=?1 AND owner IS "
                  "NULL), (SELECT count(*) FROM work WHERE queue=?1 AND owner IS NOT NULL)",
                  "t", queue);
    if (st == OK) {
        while (db_row(c, q, &st, err)) {
            *n_waiting = sqlite3_column_int(q, 0);
            *n_claimed = sqlite3_column_int(q, 1);
        }
    }
    read_end(s, c);
    return st;
}
