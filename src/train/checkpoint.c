/* checkpoint.c - folders that are whole or not there.
 *
 * A save never touches what lies under a final name: it fills step-N.tmp, puts
 * every file and then the folder on disk, and renames. Where step-N exists the
 * two folders change places in one call. A load reads each file once and hashes
 * the very bytes it stores. */
#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/jsonfile.h"

#define FORMAT "ponder-checkpoint"
#define VERSION 1
#define ALIGN 64                     /* bytes; where an array may begin */
#define CHUNK ((size_t)1 << 20)      /* bytes hashed and moved at once */
#define MAX_MANIFEST ((size_t)256 << 20)
#define MAX_VALUES ((size_t)32 << 20)
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

static void hex_of(crypto_hash_sha256_state *hash, char out[CHECKPOINT_HASH])
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
    hex_of(&hash, out);
    free(text);
}

static size_t array_bytes(const checkpoint_array *a)
{
    return (size_t)a->n_out * (size_t)a->n_in * sizeof(float);
}

static size_t aligned(size_t offset)
{
    return (offset + ALIGN - 1) / ALIGN * ALIGN;
}

/* Paths. */

#define MAX_NAME 64                  /* of a folder: step-N and what follows */

static void step_name(char out[MAX_NAME], int64_t step, const char *suffix)
{
    snprintf(out, MAX_NAME, "step-%08" PRId64 "%s", step, suffix);
}

static char *path_of(const char *dir, const char *name, const char *file)
{
    bytes b = { 0 };

    bytes_add_format(&b, file ? "%s/%s/%s" : "%s/%s", dir, name, file);
    return bytes_take(&b);
}

/* The step that a folder name stands for, or -1. */
static int64_t step_of(const char *name)
{
    char again[MAX_NAME];
    long long step;

    if (strncmp(name, "step-", 5) || name[5] < '0' || name[5] > '9') return -1;
    errno = 0;
    step = strtoll(name + 5, NULL, 10);
    if (errno) return -1;
    step_name(again, step, "");
    return strcmp(again, name) ? -1 : step;
}

static status io_error(errtext *err, const char *path)
{
    return fail(err, E_IO, "%s: %s", path, strerror(errno));
}

/* Remove a folder of plain files; one that is not there is fine. */
static status remove_folder(const char *path, errtext *err)
{
    DIR *d = opendir(path);
    status st = OK;

    if (!d) return errno == ENOENT ? OK : io_error(err, path);
    for (struct dirent *e; st == OK && (e = readdir(d));) {
        char *file;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        file = path_of(path, e->d_name, NULL);
        if (unlink(file)) st = io_error(err, file);
        mem_free(file);
    }
    closedir(d);
    if (st == OK && rmdir(path)) st = io_error(err, path);
    return st;
}

static status sync_folder(const char *path, errtext *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    status st = fd < 0 || fsync(fd) ? io_error(err, path) : OK;

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
    *w = (writer){ .path = path_of(dir, name, file) };
    crypto_hash_sha256_init(&w->hash);
    w->fd = open(w->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return w->fd < 0 ? io_error(err, w->path) : OK;
}

static status writer_add(writer *w, const void *data, size_t len, errtext *err)
{
    const unsigned char *p = data;

    while (len) {
        size_t want = len < CHUNK ? len : CHUNK;
        ssize_t n = write(w->fd, p, want);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_error(err, w->path);
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
    if (st == OK && fsync(w->fd)) st = io_error(err, w->path);
    if (w->fd >= 0 && close(w->fd) && st == OK) st = io_error(err, w->path);
    mem_free(w->path);
    return st;
}

/* One data file: the arrays that name it, in their order. Appends its entry to
 * `files`. */
static status save_file(const char *dir, const char *name, const checkpoint_list *list,
                        const char *file, json_t *files, errtext *err)
{
    static const char zeros[ALIGN];
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
        if (st == OK) st = writer_add(&w, a->data, array_bytes(a), err);
    }
    hex_of(&w.hash, hex);
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
    root = json_pack("{s:s, s:i, s:I, s:I, s:s, s:s, s:O, s:o}", "format", FORMAT, "version",
                     VERSION, "step", (json_int_t)head->step, "cursor",
                     (json_int_t)head->cursor, "seed", seed, "config", head->config, "files",
                     files, "state", state);
    if (root && (*text = json_dumps(root, JSON_COMPACT))) {
        free(*text);
        checkpoint_hash(root, hex);
        json_object_set_new(root, "check", json_string(hex));
        *text = json_dumps(root, JSON_INDENT(1));
        if (strlen(*text) > MAX_MANIFEST)
            fail(&why, E_LIMIT, "more than %zu bytes", MAX_MANIFEST);
        else
            st = jsonfile_parse(&again, *text, strlen(*text), MAX_VALUES, "manifest", &why);
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
    char *from = path_of(dir, temp, NULL), *to = path_of(dir, final, NULL);
    char *mark = path_of(dir, final, MARK);
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
        if (errno != EINVAL && errno != ENOSYS) st = io_error(err, to);
        if (st == OK) st = remove_folder(old, err);
        if (st == OK && (rename(to, old) || rename(from, to))) st = io_error(err, to);
        if (st == OK) st = remove_folder(old, err);
        mem_free(old);
    } else if (st == OK && !there && rename(from, to)) {
        st = io_error(err, to);
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
    char temp[MAX_NAME], final[MAX_NAME];
    json_t *files = json_array();
    char *path = NULL;
    status st;

    if ((st = check_arguments(head, list, err)) != OK) goto done;
    step_name(temp, head->step, ".tmp");
    step_name(final, head->step, "");
    path = path_of(dir, temp, NULL);
    if ((st = file_make_dir(dir, err)) != OK) goto done;
    if ((st = remove_folder(path, err)) != OK) goto done;
    if (mkdir(path, 0777)) {
        st = io_error(err, path);
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
    char name[MAX_NAME];
    char *path;
    status st;
    int fd;

    step_name(name, step, "");
    path = path_of(dir, name, MARK);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    st = fd < 0 ? io_error(err, path) : file_sync_parent(path, err);
    if (fd >= 0) close(fd);
    mem_free(path);
    return st;
}

status checkpoint_set_aside(const char *dir, int64_t step, errtext *err)
{
    char name[MAX_NAME], aside[MAX_NAME];
    char *from, *to;
    status st = OK;

    step_name(name, step, "");
    step_name(aside, step, ".aside");
    from = path_of(dir, name, NULL);
    to = path_of(dir, aside, NULL);
    for (int i = 2; file_exists(to); i++) {
        char suffix[24];

        mem_free(to);
        snprintf(suffix, sizeof suffix, ".aside%d", i);
        step_name(aside, step, suffix);
        to = path_of(dir, aside, NULL);
    }
    if (rename(from, to)) st = io_error(err, from);
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
    if (!d) return errno == ENOENT ? OK : io_error(err, dir);
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

    if (!d) return errno == ENOENT ? OK : io_error(err, dir);
    for (struct dirent *e; st == OK && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        char *path;

        if (strncmp(e->d_name, "step-", 5) || len < 9 || strcmp(e->d_name + len - 4, ".tmp"))
            continue;
        path = path_of(dir, e->d_name, NULL);
        st = remove_folder(path, err);
        mem_free(path);
    }
    closedir(d);
    return st;
}

/* Rename first: a folder half removed must not look like a damaged one. */
static status remove_step(const char *dir, int64_t step, errtext *err)
{
    char name[MAX_NAME], temp[MAX_NAME];
    char *from, *to;
    status st;

    step_name(name, step, "");
    step_name(temp, step, ".tmp");
    from = path_of(dir, name, NULL);
    to = path_of(dir, temp, NULL);
    st = rename(from, to) ? io_error(err, from) : remove_folder(to, err);
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
        char name[MAX_NAME];
        char *mark;

        step_name(name, steps[i], "");
        mark = path_of(dir, name, MARK);
        if (!file_exists(mark)) st = remove_step(dir, steps[i], err);
        mem_free(mark);
    }
    mem_free(steps);
    return st;
}

/* Loading. */

/* A manifest that verified; the fields point into root. */
typedef struct manifest {
    char *dir;                       /* of the checkpoint */
    char *path;
    json_t *root;
    checkpoint_head head;            /* state borrowed from root */
    const json_t *files;
} manifest;

static void manifest_close(manifest *m)
{
    json_decref(m->root);
    mem_free(m->dir);
    mem_free(m->path);
}

/* A field that must be there, or NULL with the error written. */
static const json_t *field(const manifest *m, const json_t *object, const char *key,
                           json_type type, errtext *err)
{
    const json_t *value = json_object_get(object, key);

    if (value && json_typeof(value) == type) return value;
    fail(err, E_FORMAT, "%s: field \"%s\" is missing or of another type", m->path, key);
    return NULL;
}

static status check_self(manifest *m, errtext *err)
{
    char hex[CHECKPOINT_HASH];
    const json_t *check = field(m, m->root, "check", JSON_STRING, err);
    status st = OK;

    if (!check) return E_FORMAT;
    json_incref((json_t *)check);
    json_object_del(m->root, "check");
    checkpoint_hash(m->root, hex);
    if (strcmp(hex, json_string_value(check)))
        st = fail(err, E_FORMAT, "%s: contents do not match field \"check\"", m->path);
    json_decref((json_t *)check);
    return st;
}

static status read_head(manifest *m, int64_t step, errtext *err)
{
    const json_t *format = field(m, m->root, "format", JSON_STRING, err);
    const json_t *version = field(m, m->root, "version", JSON_INTEGER, err);
    const json_t *done = field(m, m->root, "step", JSON_INTEGER, err);
    const json_t *cursor = field(m, m->root, "cursor", JSON_INTEGER, err);
    const json_t *seed = field(m, m->root, "seed", JSON_STRING, err);
    const json_t *config = field(m, m->root, "config", JSON_STRING, err);
    const json_t *state = field(m, m->root, "state", JSON_OBJECT, err);

    m->files = field(m, m->root, "files", JSON_ARRAY, err);
    if (!format || !version || !done || !cursor || !seed || !config || !state || !m->files)
        return E_FORMAT;
    if (strcmp(json_string_value(format), FORMAT))
        return fail(err, E_FORMAT, "%s: format is not \"%s\"", m->path, FORMAT);
    if (json_integer_value(version) != VERSION)
        return fail(err, E_UNSUPPORTED, "%s: version %lld, this program reads %d", m->path,
                    (long long)json_integer_value(version), VERSION);
    if (json_integer_value(done) != step)
        return fail(err, E_FORMAT, "%s: step %lld in the folder of step %" PRId64, m->path,
                    (long long)json_integer_value(done), step);
    if (strlen(json_string_value(config)) >= CHECKPOINT_HASH)
        return fail(err, E_FORMAT, "%s: field \"config\" is too long", m->path);
    m->head = (checkpoint_head){
        .step = step,
        .cursor = json_integer_value(cursor),
        .seed = strtoull(json_string_value(seed), NULL, 10),
        .state = (json_t *)state,
    };
    strcpy(m->head.config, json_string_value(config));
    return OK;
}

static status manifest_open(manifest *m, const char *dir, int64_t step, errtext *err)
{
    char name[MAX_NAME];
    bytes text = { 0 };
    status st;

    step_name(name, step, "");
    *m = (manifest){ .dir = path_of(dir, name, NULL),
                     .path = path_of(dir, name, "manifest.json") };
    st = file_read(&text, m->path, MAX_MANIFEST, err);
    /* Whatever is wrong with the text, a checkpoint is not readable: damaged. */
    if (st == OK && jsonfile_parse(&m->root, text.data, text.len, MAX_VALUES, m->path, err))
        st = E_FORMAT;
    if (st == OK) st = check_self(m, err);
    if (st == OK) st = read_head(m, step, err);
    bytes_fini(&text);
    if (st != OK) manifest_close(m);
    return st;
}

/* One data file being read. */
typedef struct reader {
    int fd;
    char *path;
    size_t len;                      /* read so far */
    crypto_hash_sha256_state hash;
} reader;

/* The next len bytes into out, hashed; past the end is E_FORMAT. */
static status reader_take(reader *r, void *out, size_t len, errtext *err)
{
    unsigned char *p = out;

    while (len) {
        ssize_t n = read(r->fd, p, len < CHUNK ? len : CHUNK);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_error(err, r->path);
        if (!n) return fail(err, E_FORMAT, "%s: ends at byte %zu", r->path, r->len);
        crypto_hash_sha256_update(&r->hash, p, (size_t)n);
        p += n;
        len -= (size_t)n;
        r->len += (size_t)n;
    }
    return OK;
}

/* The next len bytes, only hashed. */
static status reader_skip(reader *r, size_t len, unsigned char *room, errtext *err)
{
    status st = OK;

    while (st == OK && len) {
        size_t n = len < CHUNK ? len : CHUNK;

        st = reader_take(r, room, n, err);
        len -= n;
    }
    return st;
}

/* An entry of a file's "arrays": name, shape and offset, or E_FORMAT. */
typedef struct entry {
    const char *name;
    int64_t n_out, n_in, offset;
} entry;

static status read_entry(const manifest *m, const json_t *object, const char *file,
                         entry *out, errtext *err)
{
    const json_t *shape = json_object_get(object, "shape");
    const json_t *name = json_object_get(object, "name");
    const json_t *offset = json_object_get(object, "offset");
    const json_t *rows = json_array_get(shape, 0), *columns = json_array_get(shape, 1);

    if (!json_is_string(name) || json_array_size(shape) != 2 || !json_is_integer(rows) ||
        !json_is_integer(columns) || !json_is_integer(offset))
        return fail(err, E_FORMAT, "%s: file %s: an array without name, shape or offset",
                    m->path, file);
    *out = (entry){ json_string_value(name), json_integer_value(rows),
                    json_integer_value(columns), json_integer_value(offset) };
    if (out->n_out < 1 || out->n_in < 1 || out->n_out > INT32_MAX ||
        out->n_in > INT32_MAX || out->offset < 0 || out->offset % ALIGN)
        return fail(err, E_FORMAT, "%s: array %.95s: bad shape or offset", m->path, out->name);
    return OK;
}

typedef struct file_entry {
    const char *name, *sha256;
    int64_t bytes;
    const json_t *arrays;
} file_entry;

static status read_file_entry(const manifest *m, const json_t *object, file_entry *out,
                              errtext *err)
{
    const json_t *name = field(m, object, "name", JSON_STRING, err);
    const json_t *size = field(m, object, "bytes", JSON_INTEGER, err);
    const json_t *hash = field(m, object, "sha256", JSON_STRING, err);

    out->arrays = field(m, object, "arrays", JSON_ARRAY, err);
    if (!name || !size || !hash || !out->arrays) return E_FORMAT;
    out->name = json_string_value(name);
    out->sha256 = json_string_value(hash);
    out->bytes = json_integer_value(size);
    if (!*out->name || *out->name == '.' || strchr(out->name, '/'))
        return fail(err, E_FORMAT, "%s: \"%.80s\" is no name for a file", m->path, out->name);
    return OK;
}

/* The list by name. */
static json_t *index_list(const checkpoint_list *list)
{
    json_t *index = json_object();

    for (int i = 0; list && i < list->n; i++)
        json_object_set_new(index, list->arrays[i].name, json_integer(i));
    return index;
}

static const checkpoint_array *find_array(const checkpoint_list *list, const json_t *index,
                                          const char *name)
{
    const json_t *i = json_object_get(index, name);

    return i ? &list->arrays[json_integer_value(i)] : NULL;
}

/* Every array of the list is in the manifest, in its file and of its shape, and
 * no other. Nothing is read yet. */
static status match_list(const manifest *m, const checkpoint_list *list, const json_t *index,
                         errtext *err)
{
    json_t *missing = json_copy((json_t *)index);
    status st = OK;

    for (size_t i = 0; st == OK && i < json_array_size(m->files); i++) {
        file_entry f;

        st = read_file_entry(m, json_array_get(m->files, i), &f, err);
        for (size_t k = 0; st == OK && k < json_array_size(f.arrays); k++) {
            const checkpoint_array *a;
            entry e;

            if ((st = read_entry(m, json_array_get(f.arrays, k), f.name, &e, err)) != OK)
                break;
            a = find_array(list, index, e.name);
            if (!a)
                st = fail(err, E_ARG, "%s: array %.95s is not part of this run", m->path,
                          e.name);
            else if (a->n_out != e.n_out || a->n_in != e.n_in)
                st = fail(err, E_ARG,
                          "%s: array %s is %" PRId64 " x %" PRId64 ", this run's is %d x %d",
                          m->path, a->name, e.n_out, e.n_in, a->n_out, a->n_in);
            else if (json_object_del(missing, e.name))
                st = fail(err, E_FORMAT, "%s: array %s is there twice", m->path, a->name);
        }
    }
    for (int i = 0; st == OK && i < list->n; i++)
        if (json_object_get(missing, list->arrays[i].name))
            st = fail(err, E_ARG, "%s: array %s is missing", m->path, list->arrays[i].name);
    json_decref(missing);
    return st;
}

/* Read, hash and compare one file; its arrays go where the list says, or
 * nowhere when list is NULL. */
static status load_file(const manifest *m, const file_entry *f, const checkpoint_list *list,
                        const json_t *index, unsigned char *room, errtext *err)
{
    reader r = { .path = path_of(m->dir, f->name, NULL) };
    char hex[CHECKPOINT_HASH];
    struct stat info;
    status st = OK;

    crypto_hash_sha256_init(&r.hash);
    r.fd = open(r.path, O_RDONLY | O_CLOEXEC);
    if (r.fd < 0 || fstat(r.fd, &info)) {
        st = io_error(err, r.path);
    } else if (!S_ISREG(info.st_mode) || info.st_size != f->bytes) {
        st = fail(err, E_FORMAT, "%s: %lld bytes, the manifest says %" PRId64, r.path,
                  (long long)info.st_size, f->bytes);
    }
    for (size_t k = 0; st == OK && list && k < json_array_size(f->arrays); k++) {
        const checkpoint_array *a;
        entry e;

        if ((st = read_entry(m, json_array_get(f->arrays, k), f->name, &e, err)) != OK) break;
        a = find_array(list, index, e.name);
        if ((size_t)e.offset < r.len) {
            st = fail(err, E_FORMAT, "%s: array %s overlaps the one before", m->path, a->name);
            break;
        }
        st = reader_skip(&r, (size_t)e.offset - r.len, room, err);
        if (st == OK) st = reader_take(&r, a->data, array_bytes(a), err);
    }
    if (st == OK && (int64_t)r.len > f->bytes)
        st = fail(err, E_FORMAT, "%s: arrays go past its end", r.path);
    if (st == OK) st = reader_skip(&r, (size_t)f->bytes - r.len, room, err);
    hex_of(&r.hash, hex);
    if (st == OK && strcmp(hex, f->sha256))
        st = fail(err, E_FORMAT, "%s: contents do not match their SHA-256", r.path);
    if (r.fd >= 0) close(r.fd);
    mem_free(r.path);
    return st;
}

/* list NULL: verify only. */
static status load(const char *dir, int64_t step, const char *config,
                   const checkpoint_list *list, checkpoint_head *head, errtext *err)
{
    unsigned char *room = NULL;
    json_t *index = NULL;
    manifest m;
    status st = manifest_open(&m, dir, step, err);

    if (st != OK) return st;
    if (config && strcmp(config, m.head.config)) {
        st = fail(err, E_ARG,
                  "%s: written with another configuration (hash %.12s, this run's is %.12s)",
                  m.path, m.head.config, config);
        goto done;
    }
    index = index_list(list);
    if (list && (st = match_list(&m, list, index, err)) != OK) goto done;
    room = mem_new(CHUNK);
    for (size_t i = 0; st == OK && i < json_array_size(m.files); i++) {
        file_entry f;

        st = read_file_entry(&m, json_array_get(m.files, i), &f, err);
        if (st == OK) st = load_file(&m, &f, list, index, room, err);
    }
    if (st == OK && head) {
        *head = m.head;
        json_incref(head->state);
    }

done:
    mem_free(room);
    json_decref(index);
    manifest_close(&m);
    return st;
}

status checkpoint_verify(const char *dir, int64_t step, checkpoint_head *head, errtext *err)
{
    return load(dir, step, NULL, NULL, head, err);
}

status checkpoint_load(const char *dir, int64_t step, const char *config,
                       const checkpoint_list *list, checkpoint_head *head, errtext *err)
{
    return load(dir, step, config, list, head, err);
}

static void tell(checkpoint_warn *warn, void *arg, int64_t step, const errtext *why)
{
    char text[600];

    if (!warn) return;
    snprintf(text, sizeof text, "checkpoint of step %" PRId64 " is passed over: %s", step,
             why->text);
    warn(arg, text);
}

/* Damaged, as opposed to sound but not what was asked for. */
static bool is_damage(status st)
{
    return st == E_IO || st == E_FORMAT || st == E_LIMIT;
}

status checkpoint_latest(const char *dir, int64_t *step, checkpoint_warn *warn, void *arg,
                         errtext *err)
{
    int64_t *steps;
    int n;
    status st = checkpoint_steps(dir, &steps, &n, err);

    *step = -1;
    while (st == OK && *step < 0 && n--) {
        errtext why;
        status got = checkpoint_verify(dir, steps[n], NULL, &why);

        if (got == OK) *step = steps[n];
        else if (is_damage(got)) tell(warn, arg, steps[n], &why);
        else st = fail(err, got, "%s", why.text);
    }
    mem_free(steps);
    return st;
}

status checkpoint_resume(const char *dir, const char *config, const checkpoint_list *list,
                         checkpoint_head *head, checkpoint_warn *warn, void *arg,
                         errtext *err)
{
    int64_t *steps;
    int n, i;
    errtext why;
    status st = checkpoint_steps(dir, &steps, &n, err);

    *head = (checkpoint_head){ .step = -1 };
    if (st != OK || !n) goto done;
    for (i = n - 1; i >= 0; i--) {
        st = checkpoint_load(dir, steps[i], config, list, head, &why);
        if (!is_damage(st)) break;
        tell(warn, arg, steps[i], &why);
    }
    if (st == OK) {
        for (int k = i + 1; st == OK && k < n; k++) {
            st = checkpoint_set_aside(dir, steps[k], err);
        }
        if (st != OK) {
            json_decref(head->state);
            *head = (checkpoint_head){ .step = -1 };
        }
    } else if (is_damage(st)) {
        st = fail(err, E_FORMAT, "%s: none of %d checkpoints is sound; the oldest: %.300s", dir,
                  n, why.text);
    } else {
        fail(err, st, "%s", why.text);
    }

done:
    mem_free(steps);
    return st;
}
