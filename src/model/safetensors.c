/* safetensors.c - reading and writing safetensors.
 *
 * Everything rests on check_layout: sorted by their start, the extents tile the
 * data exactly, so no two views share a byte and none leaves the file. */
#include "model/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/jsonfile.h"

#define MAX_TENSORS (1 << 18)
#define MAX_NAME 255
#define MAX_VALUES ((size_t)MAX_TENSORS * 12)   /* three objects and lists, ten commas */

static const struct { const char *name; int bits; } known[] = {
    { "BOOL", 8 }, { "F4", 4 }, { "F6_E2M3", 6 }, { "F6_E3M2", 6 }, { "U8", 8 }, { "I8", 8 },
    { "F8_E5M2", 8 }, { "F8_E4M3", 8 }, { "F8_E8M0", 8 }, { "F8_E4M3FNUZ", 8 },
    { "F8_E5M2FNUZ", 8 }, { "I16", 16 }, { "U16", 16 }, { "F16", 16 }, { "BF16", 16 },
    { "I32", 32 }, { "U32", 32 }, { "F32", 32 }, { "C64", 64 }, { "F64", 64 }, { "I64", 64 },
    { "U64", 64 },
};

/* Bits an element, 0 when the name is not known. */
static int dtype_bits(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name)) return known[i].bits;
    return 0;
}

static bool plain_name(const char *name, size_t len)
{
    if (len < 1 || len > MAX_NAME) return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7F) return false;
    return true;
}

static status read_dtype(safetensor *t, const json_t *entry, const char *where, errtext *err)
{
    const json_t *v = json_object_get(entry, "dtype");
    const char *text = json_string_value(v);

    if (!text) return fail(err, E_FORMAT, "%s: tensor %s: dtype is not a text", where, t->name);
    if (!plain_name(text, json_string_length(v)) || strlen(text) >= sizeof t->dtype)
        return fail(err, E_FORMAT, "%s: tensor %s: unknown dtype", where, t->name);
    strcpy(t->dtype, text);
    t->usable = true;
    if (!strcmp(text, "F32")) t->type = DTYPE_F32;
    else if (!strcmp(text, "F16")) t->type = DTYPE_F16;
    else if (!strcmp(text, "BF16")) t->type = DTYPE_BF16;
    else t->usable = false;
    return OK;
}

static status read_shape(safetensor *t, const json_t *entry, uint64_t *n_element,
                         const char *where, errtext *err)
{
    const json_t *shape = json_object_get(entry, "shape");
    uint64_t product = 1;
    bool empty = false;

    if (!json_is_array(shape))
        return fail(err, E_FORMAT, "%s: tensor %s: shape is not a list", where, t->name);
    if (json_array_size(shape) > SAFETENSORS_MAX_DIM)
        return fail(err, E_LIMIT, "%s: tensor %s: shape has more than %d dimensions", where,
                    t->name, SAFETENSORS_MAX_DIM);
    t->n_dim = (int)json_array_size(shape);
    for (int i = 0; i < t->n_dim; i++) {
        const json_t *v = json_array_get(shape, (size_t)i);

        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return fail(err, E_FORMAT, "%s: tensor %s: shape[%d] is not a whole number of at "
                        "least 0", where, t->name, i);
        t->dim[i] = json_integer_value(v);
        /* A zero does not excuse the others: their product is bounded too. */
        if (!t->dim[i]) empty = true;
        else if (__builtin_mul_overflow(product, (uint64_t)t->dim[i], &product) ||
                 product > INT64_MAX / 64)
            return fail(err, E_FORMAT, "%s: tensor %s: shape overflows at dimension %d", where,
                        t->name, i);
    }
    *n_element = empty ? 0 : product;
    return OK;
}

static status read_extent(safetensor *t, const json_t *entry, const uint8_t *data,
                          uint64_t n_data, const char *where, errtext *err)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    int64_t at[2];

    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        return fail(err, E_FORMAT, "%s: tensor %s: data_offsets is not a list of two numbers",
                    where, t->name);
    for (int i = 0; i < 2; i++) {
        const json_t *v = json_array_get(offsets, (size_t)i);

        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return fail(err, E_FORMAT, "%s: tensor %s: data_offsets[%d] is not a whole number "
                        "of at least 0", where, t->name, i);
        at[i] = json_integer_value(v);
    }
    if (at[0] > at[1])
        return fail(err, E_FORMAT, "%s: tensor %s: data_offsets run backwards, %lld to %lld",
                    where, t->name, (long long)at[0], (long long)at[1]);
    if ((uint64_t)at[1] > n_data)
        return fail(err, E_FORMAT, "%s: tensor %s: data_offsets end at %lld, past the %llu "
                    "bytes of data", where, t->name, (long long)at[1],
                    (unsigned long long)n_data);
    t->data = data + at[0];
    t->n_bytes = (uint64_t)(at[1] - at[0]);
    return OK;
}

static status read_entry(safetensor *t, const json_t *entry, const uint8_t *data,
                         uint64_t n_data, const char *where, errtext *err)
{
    uint64_t n_element = 0;
    int bits;
    status st;

    if (!json_is_object(entry))
        return fail(err, E_FORMAT, "%s: tensor %s: entry is not an object", where, t->name);
    if ((st = read_dtype(t, entry, where, err)) != OK) return st;
    if ((st = read_shape(t, entry, &n_element, where, err)) != OK) return st;
    if ((st = read_extent(t, entry, data, n_data, where, err)) != OK) return st;
    bits = dtype_bits(t->dtype);
    if (bits && (n_element * (uint64_t)bits) % 8)
        return fail(err, E_FORMAT, "%s: tensor %s: %s shape is not whole bytes", where, t->name,
                    t->dtype);
    if (bits && n_element * (uint64_t)bits / 8 != t->n_bytes)
        return fail(err, E_FORMAT, "%s: tensor %s: shape needs %llu bytes of %s, data_offsets "
                    "give %llu", where, t->name,
                    (unsigned long long)(n_element * (uint64_t)bits / 8), t->dtype,
                    (unsigned long long)t->n_bytes);
    return OK;
}

static int by_start(const void *a, const void *b)
{
    const safetensor *x = *(const safetensor *const *)a, *y = *(const safetensor *const *)b;

    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

/* The format allows neither hole nor overlap. An empty tensor in front of
 * another would share its start; that has no use and is refused as well. */
static status check_layout(const safetensors *s, const uint8_t *data, uint64_t n_data,
                           errtext *err)
{
    const safetensor **sorted = mem_array((size_t)s->n_item + 1, sizeof *sorted);
    const uint8_t *at = data;
    status st = OK;

    for (int i = 0; i < s->n_item; i++) sorted[i] = &s->items[i];
    qsort(sorted, (size_t)s->n_item, sizeof *sorted, by_start);
    for (int i = 0; i < s->n_item && st == OK; i++) {
        const safetensor *t = sorted[i];
        unsigned long long start = (unsigned long long)(t->data - data);

        if (i && t->data == sorted[i - 1]->data)
            st = fail(err, E_FORMAT, "%s: tensors %s and %s both start at data byte %llu",
                      s->path, sorted[i - 1]->name, t->name, start);
        else if (t->data < at)
            st = fail(err, E_FORMAT, "%s: tensor %s overlaps %s at data byte %llu", s->path,
                      t->name, sorted[i - 1]->name, start);
        else if (t->data > at)
            st = fail(err, E_FORMAT, "%s: hole of %llu bytes before tensor %s", s->path,
                      (unsigned long long)(t->data - at), t->name);
        at = t->data + t->n_bytes;
    }
    if (st == OK && at != data + n_data)
        st = fail(err, E_FORMAT, "%s: %llu bytes at the end belong to no tensor", s->path,
                  (unsigned long long)(data + n_data - at));
    mem_free(sorted);
    return st;
}

/* What the file is instead, for a reader who renamed it. */
static const char *other_format(const uint8_t *data, size_t len)
{
    static const struct { const char *magic; size_t len; const char *name; } other[] = {
        { "PK\3\4", 4, "a PyTorch zip archive, which may run code and is never read" },
        { "\x80\2", 2, "a Python pickle, which may run code and is never read" },
        { "\x80\3", 2, "a Python pickle, which may run code and is never read" },
        { "\x80\4", 2, "a Python pickle, which may run code and is never read" },
        { "\x80\5", 2, "a Python pickle, which may run code and is never read" },
        { "GGUF", 4, "a GGUF file" },
        { "\x89HDF", 4, "an HDF5 file" },
        { "version https://git-lfs", 23, "a Git LFS pointer; fetch the file itself" },
        { "<!DOCTYPE", 9, "a web page" },
        { "<html", 5, "a web page" },
    };

    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (len >= other[i].len && !memcmp(data, other[i].magic, other[i].len))
            return other[i].name;
    return NULL;
}

static status find_header(const char *path, const uint8_t *data, size_t len, uint64_t *n_header,
                          errtext *err)
{
    uint64_t n = 0;
    const char *other;

    for (size_t i = 0; i < 8 && i < len; i++) n |= (uint64_t)data[i] << 8 * i;
    if (len >= 9 && data[8] == '{' && n >= 2 && n <= len - 8 && n <= SAFETENSORS_MAX_HEADER) {
        *n_header = n;
        return OK;
    }
    if ((len < 9 || data[8] != '{') && (other = other_format(data, len)))
        return fail(err, E_FORMAT, "%s: wrong format: not safetensors but %s", path, other);
    if (len < 8)
        return fail(err, E_FORMAT, "%s: truncated: %zu bytes hold no header length", path, len);
    if (n < 2) return fail(err, E_FORMAT, "%s: header length %llu", path, (unsigned long long)n);
    if (n > SAFETENSORS_MAX_HEADER)
        return fail(err, E_LIMIT, "%s: header length %llu is above the limit of %d", path,
                    (unsigned long long)n, SAFETENSORS_MAX_HEADER);
    if (n > len - 8)
        return fail(err, E_FORMAT, "%s: truncated: header length %llu, %zu bytes left", path,
                    (unsigned long long)n, len - 8);
    return fail(err, E_FORMAT, "%s: byte 8: header does not start with {", path);
}

static status check_metadata(const json_t *metadata, const char *path, errtext *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(metadata))
        return fail(err, E_FORMAT, "%s: __metadata__ is not an object", path);
    json_object_foreach((json_t *)metadata, key, value)
        if (!json_is_string(value))
            return fail(err, E_FORMAT, "%s: __metadata__: a value is not a text", path);
    return OK;
}

static status read_items(safetensors *s, const json_t *header, const uint8_t *data,
                         uint64_t n_data, errtext *err)
{
    const char *name;
    json_t *entry;
    status st;

    if (json_object_size(header) > MAX_TENSORS)
        return fail(err, E_LIMIT, "%s: more than %d tensors", s->path, MAX_TENSORS);
    s->items = mem_array(json_object_size(header) + 1, sizeof *s->items);
    json_object_foreach((json_t *)header, name, entry) {
        safetensor *t = &s->items[s->n_item];

        if (!strcmp(name, "__metadata__")) {
            if ((st = check_metadata(entry, s->path, err)) != OK) return st;
            continue;
        }
        if (!plain_name(name, strlen(name)))
            return fail(err, E_FORMAT, "%s: tensor %d: name is empty, longer than %d bytes or "
                        "holds a control character", s->path, s->n_item, MAX_NAME);
        t->name = mem_string(name);
        s->n_item++;
        if ((st = read_entry(t, entry, data, n_data, s->path, err)) != OK) return st;
    }
    return check_layout(s, data, n_data, err);
}

status safetensors_init(safetensors *s, const char *path, const uint8_t *data, size_t len,
                        errtext *err)
{
    uint64_t n_header = 0;
    json_t *header = NULL;
    bytes where = { 0 };
    status st;

    *s = (safetensors){ .path = path };
    if ((st = find_header(path, data, len, &n_header, err)) != OK) return st;
    bytes_add_format(&where, "%s: header", path);
    st = jsonfile_parse(&header, (const char *)data + 8, n_header, MAX_VALUES, where.data, err);
    if (st == OK) st = read_items(s, header, data + 8 + n_header, len - 8 - n_header, err);
    if (st != OK) safetensors_fini(s);
    json_decref(header);
    bytes_fini(&where);
    return st;
}

void safetensors_fini(safetensors *s)
{
    for (int i = 0; i < s->n_item; i++) mem_free(s->items[i].name);
    mem_free(s->items);
    *s = (safetensors){ 0 };
}

/* ---- writing ---- */

struct safetensors_writer {
    json_t *header;
    uint64_t n_data;             /* bytes announced */
    uint64_t n_written;
    char *path;
    char *temp;
    FILE *file;                  /* open between begin and finish */
};

safetensors_writer *safetensors_writer_new(void)
{
    safetensors_writer *w = mem_new(sizeof *w);

    w->header = json_object();
    CHECK(w->header);
    CHECK(!json_object_set_new(w->header, "__metadata__", json_pack("{s:s}", "format", "pt")));
    return w;
}

void safetensors_writer_free(safetensors_writer *w)
{
    if (!w) return;
    if (w->file) {
        fclose(w->file);
        unlink(w->temp);
    }
    json_decref(w->header);
    mem_free(w->path);
    mem_free(w->temp);
    mem_free(w);
}

void safetensors_writer_add(safetensors_writer *w, const char *name, dtype type, int n_dim,
                            const int64_t *dim)
{
    json_t *shape = json_array();
    uint64_t n = type == DTYPE_F32 ? 4 : 2;

    CHECK(!w->file && (type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16));
    CHECK(!json_object_get(w->header, name));
    for (int i = 0; i < n_dim; i++) {
        CHECK(dim[i] > 0 && !__builtin_mul_overflow(n, (uint64_t)dim[i], &n));
        json_array_append_new(shape, json_integer(dim[i]));
    }
    CHECK(n <= INT64_MAX - w->n_data);
    CHECK(!json_object_set_new(w->header, name, json_pack("{s:s, s:o, s:[I, I]}",
        "dtype", dtype_name(type), "shape", shape,
        "data_offsets", (json_int_t)w->n_data, (json_int_t)(w->n_data + n))));
    w->n_data += n;
}

static status trouble(const safetensors_writer *w, errtext *err)
{
    return fail(err, E_IO, "%s: %s", w->temp, strerror(errno));
}

static status put(safetensors_writer *w, const void *data, size_t len, errtext *err)
{
    if (len && fwrite(data, 1, len, w->file) != len) return trouble(w, err);
    return OK;
}

status safetensors_writer_begin(safetensors_writer *w, const char *path, errtext *err)
{
    char *text = json_dumps(w->header, JSON_COMPACT);
    bytes temp = { 0 }, header = { 0 };
    uint8_t n[8];
    status st;
    int fd;

    CHECK(!w->file && text);
    bytes_add_string(&header, text);
    while (header.len % 8) bytes_add_char(&header, ' ');    /* data starts aligned */
    for (int i = 0; i < 8; i++) n[i] = (uint8_t)((uint64_t)header.len >> 8 * i);
    free(text);
    w->path = mem_string(path);
    bytes_add_format(&temp, "%s.tmp", path);
    w->temp = bytes_take(&temp);
    fd = open(w->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    w->file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!w->file) st = trouble(w, err);
    else if ((st = put(w, n, 8, err)) == OK) st = put(w, header.data, header.len, err);
    bytes_fini(&header);
    return st;
}

status safetensors_writer_write(safetensors_writer *w, const void *data, size_t len,
                                errtext *err)
{
    CHECK(w->file && len <= w->n_data - w->n_written);
    w->n_written += len;
    return put(w, data, len, err);
}

status safetensors_writer_finish(safetensors_writer *w, errtext *err)
{
    status st = OK;

    CHECK(w->file && w->n_written == w->n_data);
    if (fflush(w->file) || fsync(fileno(w->file))) st = trouble(w, err);
    if (fclose(w->file) && st == OK) st = trouble(w, err);
    w->file = NULL;
    if (st == OK && rename(w->temp, w->path))
        st = fail(err, E_IO, "%s: %s", w->path, strerror(errno));
    if (st != OK) unlink(w->temp);
    return st == OK ? file_sync_parent(w->path, err) : st;
}
