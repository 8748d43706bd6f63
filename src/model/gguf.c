/* gguf.c - the GGUF reader.
 *
 * One cursor walks the header; every read asks it for room first, so no size
 * from the file is added to or multiplied before it was compared with what is
 * left. Counts are held against the smallest entry they could announce before
 * anything is allocated for them. */
#include "model/gguf.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/internal.h"

#define MAX_VALUES 4096              /* real files have under 100 */
#define MAX_TENSORS (1 << 18)
#define MAX_KEY 65535                /* of the format */
#define MAX_NAME 127
#define MAX_DEPTH 4                  /* arrays of arrays; real files have none */
#define MAX_ALIGNMENT (1 << 20)
#define MIN_VALUE_BYTES 14           /* length, one byte of key, type, one byte */
#define MIN_TENSOR_BYTES 33          /* length, one byte of name, one dimension */

typedef struct cursor {
    const char *path;
    const uint8_t *data;
    uint64_t len, at;
    char what[NAME_SHOWN + 16];      /* "key 'x'": whose bytes these are */
    errtext *err;
} cursor;

const char *gguf_type_name(gguf_type t)
{
    static const char *const names[] = { "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool",
                                         "string", "array", "u64", "i64", "f64" };

    return (unsigned)t <= GGUF_F64 ? names[t] : "?";
}

/* Bytes of a fixed-size type, 0 for strings and arrays. */
static int type_bytes(uint32_t t)
{
    static const uint8_t sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

    return t < sizeof sizes ? sizes[t] : 0;
}

/* Types of ggml that we do not compute with, for a helpful refusal. */
static const char *foreign_type(uint32_t t)
{
    static const char *const names[] = {
        [9] = "Q8_1", [10] = "Q2_K", [11] = "Q3_K", [15] = "Q8_K", [16] = "IQ2_XXS",
        [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S", [20] = "IQ4_NL", [21] = "IQ3_S",
        [22] = "IQ2_S", [23] = "IQ4_XS", [24] = "I8", [25] = "I16", [26] = "I32", [27] = "I64",
        [28] = "F64", [29] = "IQ1_M", [34] = "TQ1_0", [35] = "TQ2_0", [39] = "MXFP4",
    };

    return t < sizeof names / sizeof *names && names[t] ? names[t] : "unknown";
}

static uint64_t le(const uint8_t *p, int n)
{
    uint64_t v = 0;

    for (int i = 0; i < n; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* ---- the cursor ---- */

/* n more bytes at *p, and step over them. */
static status take(cursor *c, uint64_t n, const uint8_t **p)
{
    if (n > c->len - c->at)
        return fail(c->err, E_FORMAT, "%s: truncated at byte %llu: %s at byte %llu needs %llu "
                    "bytes and %llu are left", c->path, (unsigned long long)c->len, c->what,
                    (unsigned long long)c->at, (unsigned long long)n,
                    (unsigned long long)(c->len - c->at));
    *p = c->data + c->at;
    c->at += n;
    return OK;
}

static status take_uint(cursor *c, int n, uint64_t *v)
{
    const uint8_t *p;
    status st = take(c, (uint64_t)n, &p);

    if (st == OK) *v = le(p, n);
    return st;
}

static status take_text(cursor *c, token_text *out)
{
    const uint8_t *p = NULL;
    uint64_t len = 0;
    status st = take_uint(c, 8, &len);

    if (st == OK) st = take(c, len, &p);
    if (st == OK) *out = (token_text){ (const char *)p, (size_t)len };
    return st;
}

/* A number of things of at least min bytes each. */
static status take_count(cursor *c, uint64_t min, const char *things, uint64_t *n)
{
    uint64_t start = c->at;
    status st = take_uint(c, 8, n);

    if (st != OK || *n <= (c->len - c->at) / min) return st;
    return fail(c->err, E_FORMAT, "%s: truncated at byte %llu: %s at byte %llu announces %llu %s "
                "and %llu bytes are left", c->path, (unsigned long long)c->len, c->what,
                (unsigned long long)start, (unsigned long long)*n, things,
                (unsigned long long)(c->len - c->at));
}

static void name_things(cursor *c, const char *kind, token_text name)
{
    char shown[NAME_SHOWN];

    snprintf(c->what, sizeof c->what, "%s '%s'", kind, name_show(name.data, name.len, shown));
}

/* ---- metadata ---- */

/* Step over an array whose type word was read; depth counts arrays around it. */
static status skip_array(cursor *c, int depth, uint32_t *item_type, uint64_t *n_item,
                         const uint8_t **first)
{
    uint64_t start = c->at, type = 0, n = 0;
    const uint8_t *p;
    token_text text;
    status st;
    int size;

    if (depth >= MAX_DEPTH)
        return fail(c->err, E_LIMIT, "%s: %s at byte %llu: arrays nested more than %d deep",
                    c->path, c->what, (unsigned long long)start, MAX_DEPTH);
    if ((st = take_uint(c, 4, &type)) != OK) return st;
    if (type > GGUF_F64)
        return fail(c->err, E_FORMAT, "%s: %s at byte %llu: unknown type %llu of array items",
                    c->path, c->what, (unsigned long long)start, (unsigned long long)type);
    size = type_bytes((uint32_t)type);
    st = take_count(c, size ? (uint64_t)size : type == GGUF_STRING ? 8 : 12, "array items", &n);
    if (st != OK) return st;
    *item_type = (uint32_t)type;
    *n_item = n;
    *first = c->data + c->at;
    if (size) return take(c, n * (uint64_t)size, &p);
    for (uint64_t i = 0; i < n && st == OK; i++) {
        uint32_t inner_type;
        uint64_t inner_n;

        if (type == GGUF_STRING) st = take_text(c, &text);
        else st = skip_array(c, depth + 1, &inner_type, &inner_n, &p);
    }
    return st;
}

static status read_value(cursor *c, gguf_value *v)
{
    const uint8_t *p = NULL;
    uint64_t type = 0, n = 1;
    uint32_t item = 0;
    token_text text;
    status st;

    snprintf(c->what, sizeof c->what, "a key");
    v->offset = c->at;
    if ((st = take_text(c, &v->key)) != OK) return st;
    name_things(c, "key", v->key);
    if (v->key.len < 1 || v->key.len > MAX_KEY || memchr(v->key.data, 0, v->key.len))
        return fail(c->err, E_FORMAT, "%s: %s at byte %llu is empty, longer than %d bytes or "
                    "holds a NUL", c->path, c->what, (unsigned long long)v->offset, MAX_KEY);
    if ((st = take_uint(c, 4, &type)) != OK) return st;
    if (type > GGUF_F64)
        return fail(c->err, E_FORMAT, "%s: %s at byte %llu: unknown type %llu", c->path, c->what,
                    (unsigned long long)v->offset, (unsigned long long)type);
    if (type == GGUF_STRING) {
        if ((st = take_text(c, &text)) != OK) return st;
        p = (const uint8_t *)text.data;
        n = text.len;
    } else if (type == GGUF_ARRAY) {
        if ((st = skip_array(c, 0, &item, &n, &p)) != OK) return st;
    } else if ((st = take(c, (uint64_t)type_bytes((uint32_t)type), &p)) != OK) {
        return st;
    }
    v->type = (gguf_type)type;
    v->item = (gguf_type)item;
    v->n = n;
    v->data = p;
    v->n_bytes = (size_t)(c->data + c->at - p);
    return OK;
}

/* Slot of the index that holds the key, or the free one where it would go. */
static int32_t *slot_of(const gguf *g, const char *key, size_t len)
{
    uint64_t at = name_hash(key, len);

    for (;; at++) {
        int32_t *slot = &g->index[at & (uint64_t)(g->n_index - 1)];
        const gguf_value *v = *slot < 0 ? NULL : &g->values[*slot];

        if (!v || (v->key.len == len && !memcmp(v->key.data, key, len))) return slot;
    }
}

static status read_values(gguf *g, cursor *c, uint64_t n)
{
    if (n > MAX_VALUES)
        return fail(c->err, E_LIMIT, "%s: %llu metadata entries, limit %d", c->path,
                    (unsigned long long)n, MAX_VALUES);
    g->values = mem_array((size_t)n + 1, sizeof *g->values);
    for (g->n_index = 16; g->n_index < 2 * (int)n; g->n_index *= 2) continue;
    g->index = mem_array((size_t)g->n_index, sizeof *g->index);
    memset(g->index, 0xFF, (size_t)g->n_index * sizeof *g->index);
    for (int i = 0; i < (int)n; i++) {
        gguf_value *v = &g->values[i];
        status st = read_value(c, v);
        int32_t *slot;

        if (st != OK) return st;
        slot = slot_of(g, v->key.data, v->key.len);
        if (*slot >= 0)
            return fail(c->err, E_FORMAT, "%s: duplicate %s at byte %llu", c->path, c->what,
                        (unsigned long long)v->offset);
        *slot = i;
        g->n_value = i + 1;
    }
    return OK;
}

static status read_alignment(gguf *g, cursor *c)
{
    const gguf_value *v = gguf_find(g, "general.alignment");
    uint64_t a;

    g->alignment = 32;
    if (!v) return OK;
    if (v->type != GGUF_U32)
        return fail(c->err, E_FORMAT, "%s: bad alignment: key 'general.alignment' at byte %llu "
                    "is %s, u32 expected", c->path, (unsigned long long)v->offset,
                    gguf_type_name(v->type));
    a = le(v->data, 4);
    if (a < 8 || a > MAX_ALIGNMENT || (a & (a - 1)))
        return fail(c->err, E_FORMAT, "%s: bad alignment %llu at byte %llu: a power of two from 8 "
                    "to %d expected", c->path, (unsigned long long)a,
                    (unsigned long long)v->offset, MAX_ALIGNMENT);
    g->alignment = (uint32_t)a;
    return OK;
}

/* ---- tensors ---- */

/* Bytes of the shape, every product checked. */
static status tensor_size(cursor *c, gguf_tensor *t, const uint64_t *dim)
{
    uint64_t n_row = 1, row;

    for (int i = 0; i < 4; i++) t->dim[i] = 1;
    for (int i = 0; i < t->n_dim; i++) {
        if (dim[i] < 1 || dim[i] > INT64_MAX)
            return fail(c->err, E_FORMAT, "%s: %s at byte %llu: dimension %d is %lld", c->path,
                        c->what, (unsigned long long)t->offset, i, (long long)dim[i]);
        t->dim[i] = (int64_t)dim[i];
        if (i && __builtin_mul_overflow(n_row, dim[i], &n_row))
            return fail(c->err, E_FORMAT, "%s: %s at byte %llu: size overflow in dimension %d",
                        c->path, c->what, (unsigned long long)t->offset, i);
    }
    if (dim[0] % (uint64_t)dtype_block(t->type))
        return fail(c->err, E_FORMAT, "%s: %s at byte %llu: bad row size %llu, %s has blocks of "
                    "%d", c->path, c->what, (unsigned long long)t->offset,
                    (unsigned long long)dim[0], dtype_name(t->type), dtype_block(t->type));
    if (__builtin_mul_overflow(dim[0] / (uint64_t)dtype_block(t->type),
                               (uint64_t)dtype_block_bytes(t->type), &row) ||
        __builtin_mul_overflow(row, n_row, &t->n_bytes))
        return fail(c->err, E_FORMAT, "%s: %s at byte %llu: size overflow", c->path, c->what,
                    (unsigned long long)t->offset);
    return OK;
}

/* The entry; *start is where its data begins, after the header. */
static status read_tensor(gguf *g, cursor *c, gguf_tensor *t, uint64_t *start)
{
    uint64_t n_dim = 0, type = 0, dim[4];
    status st;

    snprintf(c->what, sizeof c->what, "a tensor entry");
    t->offset = c->at;
    if ((st = take_text(c, &t->name)) != OK) return st;
    name_things(c, "tensor", t->name);
    if (t->name.len < 1 || t->name.len > MAX_NAME || memchr(t->name.data, 0, t->name.len))
        return fail(c->err, E_FORMAT, "%s: %s at byte %llu: name is empty, longer than %d bytes "
                    "or holds a NUL", c->path, c->what, (unsigned long long)t->offset, MAX_NAME);
    if ((st = take_uint(c, 4, &n_dim)) != OK) return st;
    if (n_dim < 1 || n_dim > 4)
        return fail(c->err, E_FORMAT, "%s: %s at byte %llu has %llu dimensions, 1 to 4 expected",
                    c->path, c->what, (unsigned long long)t->offset, (unsigned long long)n_dim);
    for (uint64_t i = 0; i < n_dim; i++)
        if ((st = take_uint(c, 8, &dim[i])) != OK) return st;
    if ((st = take_uint(c, 4, &type)) != OK || (st = take_uint(c, 8, start)) != OK) return st;
    if (type > INT_MAX || !dtype_known((int)type))
        return fail(c->err, E_UNSUPPORTED, "%s: %s at byte %llu has type %d (%s), which is not "
                    "supported", c->path, c->what, (unsigned long long)t->offset,
                    (int)(uint32_t)type, foreign_type((uint32_t)type));
    t->type = (dtype)type;
    t->n_dim = (int)n_dim;
    if (*start % g->alignment)
        return fail(c->err, E_FORMAT, "%s: %s at byte %llu: data offset %llu is not a multiple of "
                    "the alignment %u", c->path, c->what, (unsigned long long)t->offset,
                    (unsigned long long)*start, g->alignment);
    return tensor_size(c, t, dim);
}

static int by_data(const void *a, const void *b)
{
    const gguf_tensor *x = *(const gguf_tensor *const *)a, *y = *(const gguf_tensor *const *)b;

    return (x->data > y->data) - (x->data < y->data);
}

static status check_overlap(const gguf *g, cursor *c)
{
    const gguf_tensor **order = mem_array((size_t)g->n_tensor + 1, sizeof *order);
    bool sorted = true;
    status st = OK;

    for (int i = 0; i < g->n_tensor; i++) {
        order[i] = &g->tensors[i];
        sorted = sorted && (!i || order[i - 1]->data < order[i]->data);
    }
    if (!sorted) qsort(order, (size_t)g->n_tensor, sizeof *order, by_data);
    for (int i = 1; i < g->n_tensor && st == OK; i++) {
        const gguf_tensor *a = order[i - 1], *b = order[i];
        char one[NAME_SHOWN], two[NAME_SHOWN];

        if (a->n_bytes <= (uint64_t)(b->data - a->data)) continue;
        st = fail(c->err, E_FORMAT, "%s: tensor '%s' at byte %llu overlaps tensor '%s' at byte "
                  "%llu", c->path, name_show(b->name.data, b->name.len, one),
                  (unsigned long long)b->offset, name_show(a->name.data, a->name.len, two),
                  (unsigned long long)a->offset);
    }
    mem_free(order);
    return st;
}

static status read_tensors(gguf *g, cursor *c, uint64_t n)
{
    uint64_t *starts;
    status st = OK;

    if (n > MAX_TENSORS)
        return fail(c->err, E_LIMIT, "%s: %llu tensors, limit %d", c->path,
                    (unsigned long long)n, MAX_TENSORS);
    g->tensors = mem_array((size_t)n + 1, sizeof *g->tensors);
    starts = mem_array((size_t)n + 1, sizeof *starts);
    for (uint64_t i = 0; i < n && st == OK; i++) st = read_tensor(g, c, &g->tensors[i], &starts[i]);
    /* at is below 2^63, being the length of a file. */
    g->data_start = (c->at + g->alignment - 1) / g->alignment * g->alignment;
    for (uint64_t i = 0; i < n && st == OK; i++) {
        gguf_tensor *t = &g->tensors[i];
        uint64_t room = c->len > g->data_start ? c->len - g->data_start : 0;

        name_things(c, "tensor", t->name);
        if (starts[i] > room || t->n_bytes > room - starts[i]) {
            st = fail(c->err, E_FORMAT, "%s: truncated at byte %llu: the data of %s (entry at "
                      "byte %llu) is %llu bytes from byte %llu + %llu", c->path,
                      (unsigned long long)c->len, c->what, (unsigned long long)t->offset,
                      (unsigned long long)t->n_bytes, (unsigned long long)g->data_start,
                      (unsigned long long)starts[i]);
            break;
        }
        t->data = c->data + g->data_start + starts[i];
    }
    mem_free(starts);
    if (st != OK) return st;
    g->n_tensor = (int)n;
    return check_overlap(g, c);
}

/* ---- the whole ---- */

static status read_all(gguf *g, cursor *c)
{
    uint64_t version = 0, n_tensor = 0, n_value = 0;
    const uint8_t *p;
    status st;

    if (memcmp(c->data ? c->data : (const uint8_t *)"", "GGUF", c->len < 4 ? c->len : 4))
        return fail(c->err, E_FORMAT, "%s: not a GGUF file: it does not start with \"GGUF\"",
                    c->path);
    snprintf(c->what, sizeof c->what, "the header");
    if ((st = take(c, 4, &p)) != OK || (st = take_uint(c, 4, &version)) != OK) return st;
    if (version && !(version & 0xFFFF))
        return fail(c->err, E_UNSUPPORTED, "%s: a big-endian GGUF file (version word %08llx)",
                    c->path, (unsigned long long)version);
    if (version < 2 || version > 3)
        return fail(c->err, E_UNSUPPORTED, "%s: unsupported GGUF version %llu, 2 or 3 expected",
                    c->path, (unsigned long long)version);
    g->version = (int)version;
    if ((st = take_count(c, MIN_TENSOR_BYTES, "tensors", &n_tensor)) != OK ||
        (st = take_count(c, MIN_VALUE_BYTES, "metadata entries", &n_value)) != OK ||
        (st = read_values(g, c, n_value)) != OK || (st = read_alignment(g, c)) != OK)
        return st;
    return read_tensors(g, c, n_tensor);
}

status gguf_init(gguf *g, const char *path, const uint8_t *data, size_t len, errtext *err)
{
    cursor c = { .path = path, .data = data, .len = len, .err = err };
    status st;

    *g = (gguf){ .path = path };
    st = read_all(g, &c);
    if (st != OK) gguf_fini(g);
    return st;
}

void gguf_fini(gguf *g)
{
    mem_free(g->values);
    mem_free(g->tensors);
    mem_free(g->index);
    *g = (gguf){ 0 };
}

/* ---- lookups ---- */

const gguf_value *gguf_find(const gguf *g, const char *key)
{
    int32_t i = g->n_index ? *slot_of(g, key, strlen(key)) : -1;

    return i < 0 ? NULL : &g->values[i];
}

static status wrong_type(const gguf *g, const gguf_value *v, const char *want, errtext *err)
{
    char shown[NAME_SHOWN];

    return fail(err, E_FORMAT, "%s: key '%s' at byte %llu is %s%s%s, %s expected", g->path,
                name_show(v->key.data, v->key.len, shown), (unsigned long long)v->offset,
                gguf_type_name(v->type), v->type == GGUF_ARRAY ? " of " : "",
                v->type == GGUF_ARRAY ? gguf_type_name(v->item) : "", want);
}

static bool is_integer(gguf_type t)
{
    return t <= GGUF_I32 || t == GGUF_U64 || t == GGUF_I64;
}

/* The number at p; an unsigned one above INT64_MAX gives INT64_MAX. */
static int64_t integer_at(gguf_type t, const uint8_t *p)
{
    uint64_t v = le(p, type_bytes(t));

    switch (t) {
    case GGUF_I8: return (int8_t)v;
    case GGUF_I16: return (int16_t)v;
    case GGUF_I32: return (int32_t)v;
    case GGUF_I64: return (int64_t)v;
    default: return v > INT64_MAX ? INT64_MAX : (int64_t)v;
    }
}

status gguf_read_int(const gguf *g, const char *key, int64_t low, int64_t high, int64_t *out,
                     errtext *err)
{
    const gguf_value *v = gguf_find(g, key);
    int64_t n;

    if (!v) return OK;
    if (!is_integer(v->type)) return wrong_type(g, v, "an integer", err);
    n = integer_at(v->type, v->data);
    if (n < low || n > high)
        return fail(err, E_LIMIT, "%s: key '%s' at byte %llu is %lld, outside %lld to %lld",
                    g->path, key, (unsigned long long)v->offset, (long long)n, (long long)low,
                    (long long)high);
    *out = n;
    return OK;
}

static float float_at(const uint8_t *p)
{
    uint32_t u = (uint32_t)le(p, 4);
    float f;

    memcpy(&f, &u, 4);
    return f;
}

status gguf_read_float(const gguf *g, const char *key, float *out, errtext *err)
{
    const gguf_value *v = gguf_find(g, key);
    uint64_t u;
    double d;

    if (!v) return OK;
    if (v->type == GGUF_F32) {
        *out = float_at(v->data);
        return OK;
    }
    if (v->type != GGUF_F64) return wrong_type(g, v, "a float", err);
    u = le(v->data, 8);
    memcpy(&d, &u, 8);
    *out = (float)d;
    return OK;
}

status gguf_read_bool(const gguf *g, const char *key, bool *out, errtext *err)
{
    const gguf_value *v = gguf_find(g, key);

    if (!v) return OK;
    if (v->type != GGUF_BOOL || v->data[0] > 1) return wrong_type(g, v, "a bool of 0 or 1", err);
    *out = v->data[0];
    return OK;
}

status gguf_read_string(const gguf *g, const char *key, size_t max_len, char **out, errtext *err)
{
    const gguf_value *v = gguf_find(g, key);
    char *s;

    if (!v) return OK;
    if (v->type != GGUF_STRING) return wrong_type(g, v, "a string", err);
    if (v->n > max_len)
        return fail(err, E_LIMIT, "%s: key '%s' at byte %llu holds %llu bytes, limit %zu", g->path,
                    key, (unsigned long long)v->offset, (unsigned long long)v->n, max_len);
    if (v->n && memchr(v->data, 0, v->n))
        return fail(err, E_FORMAT, "%s: key '%s' at byte %llu holds a NUL", g->path, key,
                    (unsigned long long)v->offset);
    s = mem_new((size_t)v->n + 1);
    if (v->n) memcpy(s, v->data, (size_t)v->n);
    *out = s;
    return OK;
}

/* An array of at most INT_MAX items. */
static status find_array(const gguf *g, const char *key, const gguf_value **out, errtext *err)
{
    const gguf_value *v = gguf_find(g, key);

    *out = NULL;
    if (!v) return OK;
    if (v->type != GGUF_ARRAY) return wrong_type(g, v, "an array", err);
    if (v->n > INT_MAX)
        return fail(err, E_LIMIT, "%s: key '%s' at byte %llu has %llu items", g->path, key,
                    (unsigned long long)v->offset, (unsigned long long)v->n);
    *out = v;
    return OK;
}

status gguf_read_texts(const gguf *g, const char *key, token_text **out, int *n, errtext *err)
{
    const gguf_value *v;
    token_text *items;
    status st = find_array(g, key, &v, err);
    cursor c = { .path = g->path, .err = err };

    if (st != OK || !v) return st;
    if (v->item != GGUF_STRING) return wrong_type(g, v, "an array of strings", err);
    /* Lengths are checked again: the file may have changed under the map. */
    c.data = v->data;
    c.len = v->n_bytes;
    name_things(&c, "key", v->key);
    items = mem_array((size_t)v->n + 1, sizeof *items);
    for (uint64_t i = 0; i < v->n && st == OK; i++) st = take_text(&c, &items[i]);
    if (st != OK) {
        mem_free(items);
        return st;
    }
    *out = items;
    *n = (int)v->n;
    return OK;
}

status gguf_read_i32s(const gguf *g, const char *key, int32_t **out, int *n, errtext *err)
{
    const gguf_value *v;
    int32_t *items;
    status st = find_array(g, key, &v, err);
    int size;

    if (st != OK || !v) return st;
    if (v->item > GGUF_I32 && v->item != GGUF_BOOL)
        return wrong_type(g, v, "an array of integers", err);
    size = type_bytes(v->item);
    items = mem_array((size_t)v->n + 1, sizeof *items);
    for (uint64_t i = 0; i < v->n; i++) {
        int64_t x = integer_at(v->item, v->data + i * (uint64_t)size);

        if (x > INT32_MAX) {
            mem_free(items);
            return fail(err, E_LIMIT, "%s: key '%s' at byte %llu: item %llu is %lld", g->path, key,
                        (unsigned long long)v->offset, (unsigned long long)i, (long long)x);
        }
        items[i] = (int32_t)x;
    }
    *out = items;
    *n = (int)v->n;
    return OK;
}

status gguf_read_f32s(const gguf *g, const char *key, float **out, int *n, errtext *err)
{
    const gguf_value *v;
    float *items;
    status st = find_array(g, key, &v, err);

    if (st != OK || !v) return st;
    if (v->item != GGUF_F32) return wrong_type(g, v, "an array of f32", err);
    items = mem_array((size_t)v->n + 1, sizeof *items);
    for (uint64_t i = 0; i < v->n; i++) items[i] = float_at(v->data + 4 * i);
    *out = items;
    *n = (int)v->n;
    return OK;
}
