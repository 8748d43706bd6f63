/* checkpoint.c - folders that are whole or not there.
 *
 * A save never touches what lies under a final name: it fills step-N.tmp, puts
 * every file and then the folder on disk, and renames. Where step-N exists the
 * two folders change places in one call. */
#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/jsonfile.h"
#include "train/checkpoint_internal.h"

#define MARK "marked"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files hold little-endian f32");

/* Lists and hashes. */

void checkpoint_list_add(checkpoint_list *list, const char *file, const char *name,
                         int n_out, int n_in, float *data)
{
    checkpoint_array *a;

    CHECK(strlen(name) < sizeof a->name);
    if (list->n == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 64;
        list->arrays = mem_resize(list->arrays, (size_t)list->cap, sizeof *list->arrays);
    }
    a = &list->arrays[list->n++];
    *a = (checkpoint_array){ .file = file, .n_out = n_out, .n_in = n_in, .data = data };
    strcpy(a->name, name);
}

void checkpoint_list_fini(checkpoint_list *list)
{
    mem_free(list->arrays);
    *list = (checkpoint_list){ 0 };
}

void checkpoint_hex(crypto_hash_sha256_state *hash, char out[CHECKPOINT_HASH])
{
    unsigned char sum[crypto_hash_sha256_BYTES];

    crypto_hash_sha256_final(hash, sum);
    sodium_bin2hex(out, CHECKPOINT_HASH, sum, sizeof sum);
}

void checkpoint_hash(const json_t *config, char out[CHECKPOINT_HASH])
{
    char *text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    crypto_hash_sha256_state hash;

    CHECK(text);
    crypto_hash_sha256_init(&hash);
    crypto_hash_sha256_update(&hash, (const unsigned char *)text, strlen(text));
    checkpoint_hex(&hash, out);
    free(text);
}

size_t checkpoint_array_bytes(const checkpoint_array *a)
{
    return (size_t)a->n_out * (size_t)a->n_in * sizeof(float);
}

static size_t aligned(size_t offset)
{
    return (offset + CHECKPOINT_ALIGN - 1) / CHECKPOINT_ALIGN * CHECKPOINT_ALIGN;
}

/* Paths. */

void checkpoint_step_name(char out[CHECKPOINT_NAME], int64_t step, const char *suffix)
{
    snprintf(out, CHECKPOINT_NAME, "step-%08" PRId64 "%s", step, suffix);
}

char *checkpoint_path(const char *dir, const char *name, const char *file)
{
    bytes b = { 0 };

    bytes_add_format(&b, file ? "%s/%s/%s" : "%s/%s", dir, name, file);
    return bytes_take(&b);
}

/* The step that a folder name stands for, or -1. */
static int64_t step_of(const char *name)
{
    char again[CHECKPOINT_NAME];
    long long step;

    if (strncmp(name, "step-", 5) || name[5] < '0' || name[5] > '9') return -1;
    errno = 0;
    step = strtoll(name + 5, NULL, 10);
    if (errno) return -1;
    checkpoint_step_name(again, step, "");
    return strcmp(again, name) ? -1 : step;
}

status checkpoint_io_error(errtext *err, const char *path)
{
    return fail(err, E_IO, "%s: %s", path, strerror(errno));
}

/* Remove a folder of plain files; one that is not there is fine. */
static status remove_folder(const char *path, errtext *err)
{
    DIR *d = opendir(path);
    status st = OK;

    if (!d) return errno == ENOENT ? OK : checkpoint_io_error(err, path);
    for (struct dirent *e; st == OK && (e = readdir(d));) {
        char *file;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        file = checkpoint_path(path, e->d_name, NULL);
        if (unlink(file)) st = checkpoint_io_error(err, file);
        mem_free(file);
    }
    closedir(d);
    if (st == OK && rmdir(path)) st = checkpoint_io_error(err, path);
    return st;
}

static status sync_folder(const char *path, errtext *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    status st = fd < 0 || fsync(fd) ? checkpoint_io_error(err, path) : OK;

    if (fd >= 0) close(fd);
    return st;
}

/* Saving. */

typedef struct writer {
    int fd;
    char *path;
    size_t len;
    crypto_hash_sha256_state hash;
} writer;

static status writer_open(writer *w, const char *dir, const char *name, const char *file,
                          errtext *err)
{
    *w = (writer){ .path = checkpoint_path(dir, name, file) };
    crypto_hash_sha256_init(&w->hash);
    w->fd = open(w->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return w->fd < 0 ? checkpoint_io_error(err, w->path) : OK;
}

static status writer_add(writer *w, const void *data, size_t len, errtext *err)
{
    const unsigned char *p = data;

    while (len) {
        size_t want = len < CHECKPOINT_CHUNK ? len : CHECKPOINT_CHUNK;
        ssize_t n = write(w->fd, p, want);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return checkpoint_io_error(err, w->path);
        crypto_hash_sha256_update(&w->hash, p, (size_t)n);
        p += n;
        len -= (size_t)n;
        w->len += (size_t)n;
    }
    return OK;
}

/* On disk, or an error: a failed fsync is never tried again, since the pages it
 * could not write may count as clean by then. */
static status writer_close(writer *w, status st, errtext *err)
{
    if (st == OK && fsync(w->fd)) st = checkpoint_io_error(err, w->path);
    if (w->fd >= 0 && close(w->fd) && st == OK) st = checkpoint_io_error(err, w->path);
    mem_free(w->path);
    return st;
}

/* One data file: the arrays that name it, in their order. Appends its entry to
 * `files`. */
static status save_file(const char *dir, const char *name, const checkpoint_list *list,
                        const char *file, json_t *files, errtext *err)
{
    static const char zeros[CHECKPOINT_ALIGN];
    json_t *arrays = json_array();
    char hex[CHECKPOINT_HASH];
    size_t len;
    writer w;
    status st = writer_open(&w, dir, name, file, err);

    for (int i = 0; st == OK && i < list->n; i++) {
        const checkpoint_array *a = &list->arrays[i];

        if (strcmp(a->file, file)) continue;
        st = writer_add(&w, zeros, aligned(w.len) - w.len, err);
        json_array_append_new(arrays, json_pack("{s:s, s:[i, i], s:I}", "name", a->name,
                                                "shape", a->n_out, a->n_in, "offset",
                                                (json_int_t)w.len));
        if (st == OK) st = writer_add(&w, a->data, checkpoint_array_bytes(a), err);
    }
    checkpoint_hex(&w.hash, hex);
    len = w.len;
    st = writer_close(&w, st, err);
    json_array_append_new(files, json_pack("{s:s, s:I, s:s, s:o}", "name", file, "bytes",
                                           (json_int_t)len, "sha256", hex, "arrays", arrays));
    return st;
}

/* The manifest's text, read again to be sure that it can be: state is the
 * trainer's and may hold what the reader refuses. *text is freed by the caller. */
static status manifest_text(char **text, const checkpoint_head *head, json_t *files,
                            errtext *err)
{
    json_t *state = head->state ? json_incref(head->state) : json_object();
    json_t *root, *again = NULL;
    char seed[24], hex[CHECKPOINT_HASH];
    errtext why = { "text that is not UTF-8" };
    status st = E_ARG;

    *text = NULL;
    snprintf(seed, sizeof seed, "%" PRIu64, head->seed);
    root = json_pack("{s:s, s:i, s:I, s:I, s:s, s:s, s:O, s:o}", "format", CHECKPOINT_FORMAT,
                     "version", CHECKPOINT_VERSION, "step", (json_int_t)head->step, "cursor",
                     (json_int_t)head->cursor, "seed", seed, "config", head->config, "files",
                     files, "state", state);
    if (root && (*text = json_dumps(root, JSON_COMPACT))) {
        free(*text);
        checkpoint_hash(root, hex);
        json_object_set_new(root, "check", json_string(hex));
        *text = json_dumps(root, JSON_INDENT(1));
        if (strlen(*text) > CHECKPOINT_MAX_MANIFEST)
            fail(&why, E_LIMIT, "more than %zu bytes", CHECKPOINT_MAX_MANIFEST);
        else
            st = jsonfile_parse(&again, *text, strlen(*text), CHECKPOINT_MAX_VALUES,
                                "manifest", &why);
    }
    json_decref(again);
    json_decref(root);
    if (st == OK) return OK;
    return fail(err, E_ARG, "checkpoint: state cannot be kept as JSON: %.400s", why.text);
}

static status save_manifest(const char *dir, const char *name, const checkpoint_head *head,
                            json_t *files, errtext *err)
{
    char *text;
    status st = manifest_text(&text, head, files, err);

    if (st == OK) {
        writer w;

        st = writer_open(&w, dir, name, "manifest.json", err);
        if (st == OK) st = writer_add(&w, text, strlen(text), err);
        st = writer_close(&w, st, err);
    }
    free(text);
    return st;
}

/* True when no earlier array names this one's file. */
static bool first_of_file(const checkpoint_list *list, int i)
{
    for (int k = 0; k < i; k++)
        if (!strcmp(list->arrays[k].file, list->arrays[i].file)) return false;
    return true;
}

static status check_arguments(const checkpoint_head *head, const checkpoint_list *list,
                              errtext *err)
{
    json_t *seen = json_object();
    status st = OK;

    if (head->step < 0)
        st = fail(err, E_ARG, "checkpoint: step %" PRId64 " is negative", head->step);
    else if (head->state && !json_is_object(head->state))
        st = fail(err, E_ARG, "checkpoint: state is not an object");
    for (int i = 0; st == OK && i < list->n; i++) {
        const checkpoint_array *a = &list->arrays[i];

        if (!*a->file || *a->file == '.' || strchr(a->file, '/') ||
            !strcmp(a->file, "manifest.json") || !strcmp(a->file, MARK))
            st = fail(err, E_ARG, "checkpoint: array %s: \"%.80s\" is no name for its file",
                      a->name, a->file);
        else if (!*a->name || a->n_out < 1 || a->n_in < 1)
            st = fail(err, E_ARG, "checkpoint: array \"%s\" of shape %d x %d", a->name,
                      a->n_out, a->n_in);
        else if (json_object_get(seen, a->name))
            st = fail(err, E_ARG, "checkpoint: two arrays are called %s", a->name);
        else if (json_object_set_new(seen, a->name, json_true()))
            st = fail(err, E_ARG, "checkpoint: the name of array %d is not UTF-8", i);
    }
    json_decref(seen);
    return st;
}

/* Give the folder its final name. The mark of a folder that is replaced moves on. */
static status put_in_place(const char *dir, const char *temp, const char *final, errtext *err)
{
    char *from = checkpoint_path(dir, temp, NULL), *to = checkpoint_path(dir, final, NULL);
    char *mark = checkpoint_path(dir, final, MARK);
    bool there = file_exists(to);
    status st = OK;

    if (there && file_exists(mark)) {
        writer w;

        st = writer_open(&w, dir, temp, MARK, err);
        st = writer_close(&w, st, err);
    }
    if (st == OK) st = sync_folder(from, err);
    if (st == OK && there && renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE)) {
        /* A file system that cannot exchange: there is a moment without step N,
         * but what was there can be found under .old.tmp until the next save. */
        char *old;
        bytes b = { 0 };

        bytes_add_format(&b, "%s.old.tmp", to);
        old = bytes_take(&b);
        if (errno != EINVAL && errno != ENOSYS) st = checkpoint_io_error(err, to);
        if (st == OK) st = remove_folder(old, err);
        if (st == OK && (rename(to, old) || rename(from, to)))
            st = checkpoint_io_error(err, to);
        if (st == OK) st = remove_folder(old, err);
        mem_free(old);
    } else if (st == OK && !there && rename(from, to)) {
        st = checkpoint_io_error(err, to);
    }
    if (st == OK) st = file_sync_parent(to, err);
    if (st == OK && there) st = remove_folder(from, err);   /* what was replaced */
    mem_free(from);
    mem_free(to);
    mem_free(mark);
    return st;
}

status checkpoint_save(const char *dir, const checkpoint_head *head,
                       const checkpoint_list *list, errtext *err)
{
    char temp[CHECKPOINT_NAME], final[CHECKPOINT_NAME];
    json_t *files = json_array();
    char *path = NULL;
    status st;

    if ((st = check_arguments(head, list, err)) != OK) goto done;
    checkpoint_step_name(temp, head->step, ".tmp");
    checkpoint_step_name(final, head->step, "");
    path = checkpoint_path(dir, temp, NULL);
    if ((st = file_make_dir(dir, err)) != OK) goto done;
    if ((st = remove_folder(path, err)) != OK) goto done;
    if (mkdir(path, 0777)) {
        st = checkpoint_io_error(err, path);
        goto done;
    }
    for (int i = 0; st == OK && i < list->n; i++)
        if (first_of_file(list, i))
            st = save_file(dir, temp, list, list->arrays[i].file, files, err);
    if (st == OK) st = save_manifest(dir, temp, head, files, err);
    if (st == OK) st = put_in_place(dir, temp, final, err);
    if (st != OK) remove_folder(path, NULL);

done:
    json_decref(files);
    mem_free(path);
    return st;
}

/* Housekeeping. */

status checkpoint_mark(const char *dir, int64_t step, errtext *err)
{
    char name[CHECKPOINT_NAME];
    char *path;
    status st;
    int fd;

    checkpoint_step_name(name, step, "");
    path = checkpoint_path(dir, name, MARK);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    st = fd < 0 ? checkpoint_io_error(err, path) : file_sync_parent(path, err);
    if (fd >= 0) close(fd);
    mem_free(path);
    return st;
}

status checkpoint_set_aside(const char *dir, int64_t step, errtext *err)
{
    char name[CHECKPOINT_NAME], aside[CHECKPOINT_NAME];
    char *from, *to;
    status st = OK;

    checkpoint_step_name(name, step, "");
    checkpoint_step_name(aside, step, ".aside");
    from = checkpoint_path(dir, name, NULL);
    to = checkpoint_path(dir, aside, NULL);
    for (int i = 2; file_exists(to); i++) {
        char suffix[24];

        mem_free(to);
        snprintf(suffix, sizeof suffix, ".aside%d", i);
        checkpoint_step_name(aside, step, suffix);
        to = checkpoint_path(dir, aside, NULL);
    }
    if (rename(from, to)) st = checkpoint_io_error(err, from);
    else st = file_sync_parent(to, err);
    mem_free(from);
    mem_free(to);
    return st;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

status checkpoint_steps(const char *dir, int64_t **steps, int *n, errtext *err)
{
    DIR *d = opendir(dir);
    int cap = 0;

    *steps = NULL;
    *n = 0;
    if (!d) return errno == ENOENT ? OK : checkpoint_io_error(err, dir);
    for (struct dirent *e; (e = readdir(d));) {
        int64_t step = step_of(e->d_name);

        if (step < 0) continue;
        if (*n == cap) {
            cap = cap ? 2 * cap : 16;
            *steps = mem_resize(*steps, (size_t)cap, sizeof **steps);
        }
        (*steps)[(*n)++] = step;
    }
    closedir(d);
    if (*n) qsort(*steps, (size_t)*n, sizeof **steps, by_value);
    return OK;
}

/* Remove what a save or a prune left unfinished. */
static status sweep(const char *dir, errtext *err)
{
    DIR *d = opendir(dir);
    status st = OK;

    if (!d) return errno == ENOENT ? OK : checkpoint_io_error(err, dir);
    for (struct dirent *e; st == OK && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        char *path;

        if (strncmp(e->d_name, "step-", 5) || len < 9 || strcmp(e->d_name + len - 4, ".tmp"))
            continue;
        path = checkpoint_path(dir, e->d_name, NULL);
        st = remove_folder(path, err);
        mem_free(path);
    }
    closedir(d);
    return st;
}

/* Rename first: a folder half removed must not look like a damaged one. */
static status remove_step(const char *dir, int64_t step, errtext *err)
{
    char name[CHECKPOINT_NAME], temp[CHECKPOINT_NAME];
    char *from, *to;
    status st;

    checkpoint_step_name(name, step, "");
    checkpoint_step_name(temp, step, ".tmp");
    from = checkpoint_path(dir, name, NULL);
    to = checkpoint_path(dir, temp, NULL);
    st = rename(from, to) ? checkpoint_io_error(err, from) : remove_folder(to, err);
    mem_free(from);
    mem_free(to);
    return st;
}

status checkpoint_prune(const char *dir, int keep, errtext *err)
{
    int64_t *steps;
    int n;
    status st = sweep(dir, err);

    if (st != OK || (st = checkpoint_steps(dir, &steps, &n, err)) != OK) return st;
    for (int i = 0; st == OK && i < n - (keep > 2 ? keep : 2); i++) {
        char name[CHECKPOINT_NAME];
        char *mark;

        checkpoint_step_name(name, steps[i], "");
        mark = checkpoint_path(dir, name, MARK);
        if (!file_exists(mark)) st = remove_step(dir, steps[i], err);
        mem_free(mark);
    }
    mem_free(steps);
    return st;
}

