/* content.c - contents, written whole or not at all. */
#include "store/content.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "store/internal.h"

#define TEMP_PREFIX ".new-"          /* no id starts with a point */

struct store_upload {
    store *s;
    int fd;
    char path[4096];                 /* of the temporary file */
    int64_t bytes, max_bytes;
    bool failed;
    crypto_hash_sha256_state hash;
};

void content_path(const store *s, const char *id, char out[4096])
{
    snprintf(out, 4096, "%s/files/%s", store_dir(s), id);
}

static void hex_of(char out[65], const uint8_t hash[32])
{
    sodium_bin2hex(out, 65, hash, 32);
}

/* ------------------------------------------------------------------- writing */

status store_upload_begin(store_upload **out, store *s, int64_t max_bytes, errtext *err)
{
    store_upload *u = mem_new(sizeof *u);
    char name[STORE_MAX_ID];

    *out = NULL;
    u->s = s;
    u->max_bytes = max_bytes;
    store_new_id(name, TEMP_PREFIX);
    content_path(s, name, u->path);
    u->fd = open(u->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (u->fd < 0) {
        status st = fail(err, E_IO, "%s: %s", u->path, strerror(errno));

        mem_free(u);
        return st;
    }
    crypto_hash_sha256_init(&u->hash);
    *out = u;
    return OK;
}

status store_upload_write(store_upload *u, const void *data, size_t len, errtext *err)
{
    const char *p = data;
    size_t left = len;

    if (u->failed) return fail(err, E_IO, "%s: an earlier write failed", u->path);
    if ((uint64_t)len > (uint64_t)(u->max_bytes - u->bytes)) {
        u->failed = true;
        return fail(err, E_LIMIT, "the content is larger than %lld bytes",
                    (long long)u->max_bytes);
    }
    while (left) {
        ssize_t n = write(u->fd, p, left);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            u->failed = true;
            return fail(err, E_IO, "%s: %s", u->path, strerror(errno));
        }
        p += n;
        left -= (size_t)n;
    }
    crypto_hash_sha256_update(&u->hash, data, len);
    u->bytes += (int64_t)len;
    return OK;
}

int64_t store_upload_bytes(const store_upload *u)
{
    return u->bytes;
}

void store_upload_abort(store_upload *u)
{
    if (!u) return;
    if (u->fd >= 0) close(u->fd);
    if (*u->path) unlink(u->path);
    mem_free(u);
}

/* Move a synced content to its name and make its row. */
static status put_content(store_upload *u, conn *c, const store_object *o, errtext *err)
{
    uint8_t hash[32];
    char hex[65], path[4096];
    int64_t seq;
    status st = object_insert(c, o, NULL, &seq, err);

    if (st != OK) return st;
    crypto_hash_sha256_final(&u->hash, hash);
    hex_of(hex, hash);
    st = db_run(c, NULL, err, "INSERT INTO contents(object, bytes, sha256) VALUES(?,?,?)", "iit",
                seq, u->bytes, hex);
    if (st != OK) return st;
    content_path(u->s, o->id, path);
    if (rename(u->path, path)) return fail(err, E_IO, "%s: %s", path, strerror(errno));
    *u->path = 0;
    st = file_sync_parent(path, err);
    if (st != OK) unlink(path);
    return st;
}

status store_upload_commit(store_upload *u, const store_object *o, errtext *err)
{
    char path[4096];
    conn *c;
    status st = OK;
    int fd = u->fd;

    if (u->failed) st = fail(err, E_IO, "%s: an earlier write failed", u->path);
    u->fd = -1;
    if (fsync(fd) && st == OK) st = fail(err, E_IO, "%s: %s", u->path, strerror(errno));
    if (close(fd) && st == OK) st = fail(err, E_IO, "%s: %s", u->path, strerror(errno));
    if (st == OK && (st = write_begin(u->s, &c, err)) == OK) {
        st = write_end(u->s, put_content(u, c, o, err), err);
        if (st != OK && !*u->path) {
            content_path(u->s, o->id, path);
            unlink(path);
        }
    }
    store_upload_abort(u);
    return st;
}

/* ------------------------------------------------------------------- reading */

status store_content_open(store *s, const char *tenant, const char *id, store_content *out,
                          errtext *err)
{
    char path[4096];
    bool found = false;
    struct stat info;
    sqlite3_stmt *q;
    conn *c;
    status st = read_begin(s, &c, err);

    *out = (store_content){ .fd = -1 };
    if (st != OK) return st;
    st = db_query(c, &q, err, "SELECT c.bytes, c.sha256 FROM objects o JOIN contents c ON "
                  "c.object=o.seq WHERE o.id=? AND o.tenant=? AND (o.expires_at=0 OR "
                  "o.expires_at>?)", "tti", id, tenant, store_now());
    if (st == OK) {
        while (db_row(c, q, &st, err)) {
            out->bytes = sqlite3_column_int64(q, 0);
            snprintf(out->sha256, sizeof out->sha256, "%s", db_text(q, 1));
            found = true;
        }
    }
    read_end(s, c);
    if (st != OK || !found) return st;
    content_path(s, id, path);
    out->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (out->fd < 0 && errno == ENOENT) {
        /* Deleted since, or lost: the row tells which. */
        store_object o;

        for (store_kind k = 0; k < STORE_KIND_N; k++) {
            if ((st = store_get(s, k, tenant, id, &o, err)) != OK) return st;
            if (o.id) st = fail(err, E_IO, "%s: %s", path, strerror(ENOENT));
            store_object_fini(&o);
            if (st != OK) return st;
        }
        return OK;
    }
    if (out->fd < 0 || fstat(out->fd, &info)) {
        st = fail(err, E_IO, "%s: %s", path, strerror(errno));
    } else if (info.st_size != out->bytes) {
        st = fail(err, E_FORMAT, "%s: %lld bytes, stored were %lld", path,
                  (long long)info.st_size, (long long)out->bytes);
    }
    if (st != OK && out->fd >= 0) {
        close(out->fd);
        out->fd = -1;
    }
    return st;
}

status store_content_verify(store *s, const char *tenant, const char *id, errtext *err)
{
    crypto_hash_sha256_state hash;
    uint8_t sum[32];
    char hex[65], *block;
    store_content content;
    ssize_t n;
    status st = store_content_open(s, tenant, id, &content, err);

    if (st != OK) return st;
    if (content.fd < 0) return fail(err, E_ARG, "there is no content '%s'", id);
    block = mem_new(65536);
    crypto_hash_sha256_init(&hash);
    while ((n = read(content.fd, block, 65536)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0) crypto_hash_sha256_update(&hash, (uint8_t *)block, (size_t)n);
    if (n < 0) st = fail(err, E_IO, "content '%s': %s", id, strerror(errno));
    crypto_hash_sha256_final(&hash, sum);
    hex_of(hex, sum);
    if (st == OK && strcmp(hex, content.sha256))
        st = fail(err, E_FORMAT, "content '%s': SHA-256 is %s, stored was %s", id, hex,
                  content.sha256);
    mem_free(block);
    close(content.fd);
    return st;
}

/* Contents without a row are what a crash left between rename and commit, or
 * between commit and removal. */
status content_sweep(store *s, errtext *err)
{
    char path[4096];
    struct dirent *entry;
    DIR *dir;
    conn *c;
    status st;

    snprintf(path, sizeof path, "%s/files", store_dir(s));
    if (!(dir = opendir(path))) return fail(err, E_IO, "%s: %s", path, strerror(errno));
    if ((st = read_begin(s, &c, err)) != OK) {
        closedir(dir);
        return st;
    }
    while (st == OK && (entry = readdir(dir))) {
        bool known = false;
        sqlite3_stmt *q;

        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        st = db_query(c, &q, err, "SELECT 1 FROM objects o JOIN contents c ON c.object=o.seq "
                      "WHERE o.id=?", "t", entry->d_name);
        if (st == OK)
            while (db_row(c, q, &st, err)) known = true;
        if (st != OK || known) continue;
        if (strlen(entry->d_name) >= STORE_MAX_ID) continue;
        content_path(s, entry->d_name, path);
        unlink(path);
    }
    read_end(s, c);
    closedir(dir);
    return st;
}
