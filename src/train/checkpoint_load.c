/* checkpoint_load.c - reading checkpoints back, with suspicion.
 *
 * The manifest's own hash is compared first, so that what it says may be
 * believed; then each file is read once, and the bytes that are hashed are the
 * bytes that are stored. */
#include "train/checkpoint.h"

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
    if (strcmp(json_string_value(format), CHECKPOINT_FORMAT))
        return fail(err, E_FORMAT, "%s: format is not \"%s\"", m->path, CHECKPOINT_FORMAT);
    if (json_integer_value(version) != CHECKPOINT_VERSION)
        return fail(err, E_UNSUPPORTED, "%s: version %lld, this program reads %d", m->path,
                    (long long)json_integer_value(version), CHECKPOINT_VERSION);
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
    char name[CHECKPOINT_NAME];
    bytes text = { 0 };
    status st;

    checkpoint_step_name(name, step, "");
    *m = (manifest){ .dir = checkpoint_path(dir, name, NULL),
                     .path = checkpoint_path(dir, name, "manifest.json") };
    st = file_read(&text, m->path, CHECKPOINT_MAX_MANIFEST, err);
    /* Whatever is wrong with the text, a checkpoint is not readable: damaged. */
    if (st == OK && jsonfile_parse(&m->root, text.data, text.len, CHECKPOINT_MAX_VALUES,
                                   m->path, err))
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
        ssize_t n = read(r->fd, p, len < CHECKPOINT_CHUNK ? len : CHECKPOINT_CHUNK);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return checkpoint_io_error(err, r->path);
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
        size_t n = len < CHECKPOINT_CHUNK ? len : CHECKPOINT_CHUNK;

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
        out->n_in > INT32_MAX || out->offset < 0 || out->offset % CHECKPOINT_ALIGN)
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
    reader r = { .path = checkpoint_path(m->dir, f->name, NULL) };
    char hex[CHECKPOINT_HASH];
    struct stat info;
    status st = OK;

    crypto_hash_sha256_init(&r.hash);
    r.fd = open(r.path, O_RDONLY | O_CLOEXEC);
    if (r.fd < 0 || fstat(r.fd, &info)) {
        st = checkpoint_io_error(err, r.path);
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
        if (st == OK) st = reader_take(&r, a->data, checkpoint_array_bytes(a), err);
    }
    if (st == OK && (int64_t)r.len > f->bytes)
        st = fail(err, E_FORMAT, "%s: arrays go past its end", r.path);
    if (st == OK) st = reader_skip(&r, (size_t)f->bytes - r.len, room, err);
    checkpoint_hex(&r.hash, hex);
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
    room = mem_new(CHECKPOINT_CHUNK);
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
