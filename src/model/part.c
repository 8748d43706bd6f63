/* part.c - the files behind a resumable download. */
#include "model/part.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define MAX_ID_BYTES 512
#define HASH_STEP ((size_t)1 << 20)

static status disk_trouble(const part *p, errtext *err)
{
    return fail(err, E_IO, "%s: %s; %" PRIu64 " bytes are kept, the same command goes on from "
                "there", p->path, strerror(errno), p->at);
}

/* PATH.part.id holds the identity and the ETag, a line each. */
static status write_id(part *p, errtext *err)
{
    bytes text = { 0 };
    status st;

    bytes_add_format(&text, "%s\n%s\n", p->target->identity, p->etag);
    st = file_replace(p->id_path, text.data, text.len, err);
    bytes_fini(&text);
    return st;
}

/* True when the bytes in the part belong to the target; takes the ETag. */
static bool read_id(part *p)
{
    bytes text = { 0 };
    size_t n = strlen(p->target->identity);
    bool same = false;

    if (file_read(&text, p->id_path, MAX_ID_BYTES, NULL) == OK && text.len > n &&
        !memcmp(text.data, p->target->identity, n) && text.data[n] == '\n') {
        const char *etag = text.data + n + 1;
        size_t len = strcspn(etag, "\n");

        same = true;
        if (len < sizeof p->etag) snprintf(p->etag, sizeof p->etag, "%.*s", (int)len, etag);
    }
    bytes_fini(&text);
    return same;
}

status part_restart(part *p, errtext *err)
{
    p->at = 0;
    p->etag[0] = 0;
    crypto_hash_sha256_init(&p->hash);
    if (ftruncate(p->fd, 0) || lseek(p->fd, 0, SEEK_SET) < 0) return disk_trouble(p, err);
    return OK;
}

/* Hash the first `size` bytes of fd; fewer when it ends before. */
static status hash_fd(int fd, const char *path, uint64_t size, part_check *check, void *arg,
                      crypto_hash_sha256_state *hash, uint64_t *n_read, errtext *err)
{
    unsigned char *buffer = mem_new(HASH_STEP);
    status st = OK;

    *n_read = 0;
    while (*n_read < size) {
        uint64_t left = size - *n_read;
        ssize_t n = read(fd, buffer, left < HASH_STEP ? (size_t)left : HASH_STEP);

        if (n < 0 && errno != EINTR) st = fail(err, E_IO, "%s: %s", path, strerror(errno));
        if (n > 0) {
            crypto_hash_sha256_update(hash, buffer, (unsigned long long)n);
            *n_read += (uint64_t)n;
        }
        if (!check(arg, *n_read, size)) st = fail(err, E_INTERRUPTED, "%s: interrupted", path);
        if (n == 0 || st != OK) break;
    }
    mem_free(buffer);
    return st;
}

status part_open(part *p, const fetch_target *t, part_check *check, void *arg, errtext *err)
{
    bytes path = { 0 };
    struct stat info;
    status st = OK;

    *p = (part){ .target = t, .fd = -1 };
    bytes_add_format(&path, "%s.part", t->path);
    p->path = bytes_take(&path);
    bytes_add_format(&path, "%s.part.id", t->path);
    p->id_path = bytes_take(&path);
    crypto_hash_sha256_init(&p->hash);

    /* No link is followed: whoever may write here must not choose what grows. */
    p->fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (p->fd < 0 || fstat(p->fd, &info))
        return fail(err, E_IO, "%s: %s", p->path, strerror(errno));
    if (!S_ISREG(info.st_mode)) return fail(err, E_IO, "%s: not a regular file", p->path);
    if (info.st_size == 0 || (uint64_t)info.st_size > t->size || !read_id(p)) {
        st = part_restart(p, err);
        return st == OK ? write_id(p, err) : st;
    }
    st = hash_fd(p->fd, p->path, (uint64_t)info.st_size, check, arg, &p->hash, &p->at, err);
    if (st == OK && lseek(p->fd, (off_t)p->at, SEEK_SET) < 0) st = disk_trouble(p, err);
    return st;
}

void part_close(part *p)
{
    if (p->fd >= 0) close(p->fd);
    mem_free(p->path);
    mem_free(p->id_path);
    *p = (part){ .fd = -1 };
}

void part_remove(part *p)
{
    unlink(p->path);
    unlink(p->id_path);
}

status part_append(part *p, const void *data, size_t len, errtext *err)
{
    const unsigned char *at = data;

    while (len) {
        ssize_t n = write(p->fd, at, len);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return disk_trouble(p, err);
        crypto_hash_sha256_update(&p->hash, at, (unsigned long long)n);
        at += n;
        len -= (size_t)n;
        p->at += (uint64_t)n;
    }
    return OK;
}

status part_set_etag(part *p, const char *etag, errtext *err)
{
    if (!strcmp(p->etag, etag)) return OK;
    snprintf(p->etag, sizeof p->etag, "%s", etag);
    return write_id(p, err);
}

static void hash_hex(crypto_hash_sha256_state *hash, char hex[65])
{
    unsigned char sum[crypto_hash_sha256_BYTES];

    crypto_hash_sha256_final(hash, sum);
    sodium_bin2hex(hex, 65, sum, sizeof sum);
}

status part_finish(part *p, errtext *err)
{
    const fetch_target *t = p->target;
    char hex[65];

    CHECK(p->at == t->size);
    hash_hex(&p->hash, hex);
    if (t->sha256 && strcmp(hex, t->sha256)) {
        part_remove(p);
        return fail(err, E_FORMAT, "%s: its SHA-256 is %s, the hub lists %s; the download was "
                    "removed", t->name, hex, t->sha256);
    }
    if (fsync(p->fd)) return disk_trouble(p, err);
    if (rename(p->path, t->path)) return fail(err, E_IO, "%s: %s", t->path, strerror(errno));
    unlink(p->id_path);
    return file_sync_parent(t->path, err);
}

status part_hash_file(const char *path, part_check *check, void *arg, char hex[65],
                      errtext *err)
{
    crypto_hash_sha256_state hash;
    struct stat info;
    uint64_t n;
    status st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &info)) {
        st = fail(err, E_IO, "%s: %s", path, strerror(errno));
    } else {
        crypto_hash_sha256_init(&hash);
        st = hash_fd(fd, path, (uint64_t)info.st_size, check, arg, &hash, &n, err);
        hash_hex(&hash, hex);
    }
    if (fd >= 0) close(fd);
    return st;
}
