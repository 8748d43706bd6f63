/* file.c - reading, mapping and replacing files.
 *
 * Maps are registered so that the SIGBUS handler can tell a truncated weight
 * file (replace the page by zeros, remember it) from a real bug (die). */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define MAX_MAPS 64

struct map_slot {
    _Atomic uintptr_t start;
    _Atomic size_t len;
    _Atomic int damaged;
};

static struct map_slot slots[MAX_MAPS];
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;

static struct map_slot *slot_of(uintptr_t at)
{
    for (int i = 0; i < MAX_MAPS; i++) {
        uintptr_t start = atomic_load(&slots[i].start);

        if (start && at >= start && at - start < atomic_load(&slots[i].len))
            return &slots[i];
    }
    return NULL;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    struct map_slot *slot = slot_of(at);

    (void)context;
    if (slot) {
        void *hole = mmap((void *)(at & ~(page - 1)), page, PROT_READ,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

        atomic_store(&slot->damaged, 1);
        if (hole != MAP_FAILED) return;
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

static status slot_take(uintptr_t start, size_t len, const char *path, errtext *err)
{
    static bool installed;
    status st = fail(err, E_LIMIT, "%s: more than %d files mapped at once", path, MAX_MAPS);

    pthread_mutex_lock(&slots_lock);
    if (!installed) {
        struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

        sigaction(SIGBUS, &action, NULL);
        installed = true;
    }
    for (int i = 0; i < MAX_MAPS; i++) {
        if (atomic_load(&slots[i].start)) continue;
        atomic_store(&slots[i].damaged, 0);
        atomic_store(&slots[i].len, len);
        atomic_store(&slots[i].start, start);
        st = OK;
        break;
    }
    pthread_mutex_unlock(&slots_lock);
    return st;
}

status filemap_open(filemap *m, const char *path, errtext *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    status st = OK;

    *m = (filemap){ 0 };
    if (fd < 0) return fail(err, E_IO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &info)) {
        st = fail(err, E_IO, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        st = fail(err, E_IO, "%s: not a regular file", path);
    } else if (info.st_size > 0) {
        void *p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

        if (p == MAP_FAILED) {
            st = fail(err, E_IO, "%s: cannot map: %s", path, strerror(errno));
        } else if ((st = slot_take((uintptr_t)p, (size_t)info.st_size, path, err)) != OK) {
            munmap(p, (size_t)info.st_size);
        } else {
            m->data = p;
            m->len = (size_t)info.st_size;
        }
    }
    close(fd);
    return st;
}

void filemap_close(filemap *m)
{
    struct map_slot *slot = m->data ? slot_of((uintptr_t)m->data) : NULL;

    if (slot) atomic_store(&slot->start, 0);
    if (m->data) munmap((void *)m->data, m->len);
    *m = (filemap){ 0 };
}

bool filemap_damaged(const filemap *m)
{
    struct map_slot *slot = m->data ? slot_of((uintptr_t)m->data) : NULL;

    return slot && atomic_load(&slot->damaged);
}

void filemap_release(const filemap *m, const void *start, size_t len)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)start + page - 1) & ~(page - 1);
    uintptr_t to = ((uintptr_t)start + len) & ~(page - 1);

    CHECK((const uint8_t *)start >= m->data &&
          len <= m->len - (size_t)((const uint8_t *)start - m->data));
    if (from < to) madvise((void *)from, to - from, MADV_DONTNEED);
}

status file_read(bytes *out, const char *path, size_t max_len, errtext *err)
{
    bool std = !strcmp(path, "-");
    int fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    size_t start = out->len;
    status st = OK;

    if (fd < 0) return fail(err, E_IO, "%s: %s", path, strerror(errno));
    for (;;) {
        ssize_t n;

        bytes_reserve(out, 65536);
        n = read(fd, out->data + out->len, 65536);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) st = fail(err, E_IO, "%s: %s", path, strerror(errno));
        if (n <= 0) break;
        out->len += (size_t)n;
        if (out->len - start > max_len) {
            st = fail(err, E_LIMIT, "%s: larger than %zu bytes", path, max_len);
            break;
        }
    }
    if (st != OK) out->len = start;
    out->data[out->len] = 0;
    if (!std) close(fd);
    return st;
}

status file_sync_parent(const char *path, errtext *err)
{
    char *dir = mem_string(path);
    char *slash = strrchr(dir, '/');
    const char *parent = !slash ? "." : slash == dir ? "/" : dir;
    status st = OK;
    int fd;

    if (slash) *(slash == dir ? slash + 1 : slash) = 0;
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd)) st = fail(err, E_IO, "%s: %s", parent, strerror(errno));
    if (fd >= 0) close(fd);
    mem_free(dir);
    return st;
}

status file_replace(const char *path, const void *data, size_t len, errtext *err)
{
    bytes temp = { 0 };
    const char *p = data;
    size_t left = len;
    status st = OK;
    int fd;

    bytes_add_format(&temp, "%s.tmp", path);
    fd = open(temp.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    while (fd >= 0 && left) {
        ssize_t n = write(fd, p, left);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        p += n;
        left -= (size_t)n;
    }
    if (fd < 0 || left || fsync(fd))
        st = fail(err, E_IO, "%s: %s", temp.data, strerror(errno));
    if (fd >= 0 && close(fd) && st == OK)
        st = fail(err, E_IO, "%s: %s", temp.data, strerror(errno));
    if (st == OK && rename(temp.data, path))
        st = fail(err, E_IO, "%s: %s", path, strerror(errno));
    if (st == OK) st = file_sync_parent(path, err);
    else if (fd >= 0) unlink(temp.data);
    bytes_fini(&temp);
    return st;
}

status file_make_dir(const char *path, errtext *err)
{
    char *copy = mem_string(path);
    status st = OK;

    for (char *p = copy + 1; st == OK; p++) {
        char c = *p;

        if (c && c != '/') continue;
        *p = 0;
        if (mkdir(copy, 0777) && errno != EEXIST)
            st = fail(err, E_IO, "%s: %s", copy, strerror(errno));
        *p = c;
        if (!c) break;
    }
    mem_free(copy);
    return st;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
