/* gguf_write.c - the GGUF writer.
 *
 * The header is built whole in memory (a vocabulary's worth of bytes); tensor
 * data passes through. Offsets are known from the shapes alone, so nothing is
 * written twice. */
#include "model/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "model/internal.h"

#define ALIGNMENT 32

typedef struct entry {
    char *key;
    bytes value;             /* type and payload, as in the file */
} entry;

typedef struct planned {
    char *name;
    dtype type;
    int n_dim;
    int64_t dim[4];
    uint64_t n_bytes, offset;
} planned;

struct gguf_writer {
    entry *entries;
    int n_entry, cap_entry;
    planned *tensors;
    int n_tensor, cap_tensor;
    uint64_t data_bytes;     /* of all tensors so far, padded */
    char *path, *temp;       /* set by begin */
    int fd;                  /* -1 when none is open */
    int i_tensor;            /* the one that the next byte belongs to */
    uint64_t done;           /* bytes of it that are written */
    bytes buffer;            /* gathers small pieces */
};

#define BUFFER_BYTES (1 << 20)

gguf_writer *gguf_writer_new(void)
{
    gguf_writer *w = mem_new(sizeof *w);

    w->fd = -1;
    return w;
}

void gguf_writer_free(gguf_writer *w)
{
    if (!w) return;
    if (w->fd >= 0) {
        close(w->fd);
        unlink(w->temp);
    }
    for (int i = 0; i < w->n_entry; i++) {
        mem_free(w->entries[i].key);
        bytes_fini(&w->entries[i].value);
    }
    for (int i = 0; i < w->n_tensor; i++) mem_free(w->tensors[i].name);
    mem_free(w->entries);
    mem_free(w->tensors);
    mem_free(w->path);
    mem_free(w->temp);
    bytes_fini(&w->buffer);
    mem_free(w);
}

/* ---- metadata ---- */

static void put_le(bytes *b, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) bytes_add_char(b, (char)(v >> 8 * i));
}

static void put_text(bytes *b, const char *text, size_t len)
{
    put_le(b, len, 8);
    bytes_add(b, text, len);
}

static void put_float(bytes *b, float v)
{
    uint32_t u;

    memcpy(&u, &v, 4);
    put_le(b, u, 4);
}

/* An empty value for the key, its type already there. */
static bytes *value_of(gguf_writer *w, token_text key, gguf_type type)
{
    entry *e = NULL;

    CHECK(w->fd < 0 && key.len > 0 && key.len <= 65535);
    for (int i = 0; i < w->n_entry && !e; i++)
        if (strlen(w->entries[i].key) == key.len && !memcmp(w->entries[i].key, key.data, key.len))
            e = &w->entries[i];
    if (!e) {
        if (w->n_entry == w->cap_entry) {
            w->cap_entry = w->cap_entry ? 2 * w->cap_entry : 32;
            w->entries = mem_resize(w->entries, (size_t)w->cap_entry, sizeof *w->entries);
        }
        e = &w->entries[w->n_entry++];
        *e = (entry){ .key = mem_new(key.len + 1) };
        memcpy(e->key, key.data, key.len);
    }
    bytes_clear(&e->value);
    put_le(&e->value, type, 4);
    return &e->value;
}

static bytes *value_named(gguf_writer *w, const char *key, gguf_type type)
{
    return value_of(w, (token_text){ key, strlen(key) }, type);
}

static bytes *array_named(gguf_writer *w, const char *key, gguf_type item, int n)
{
    bytes *b = value_named(w, key, GGUF_ARRAY);

    CHECK(n >= 0);
    put_le(b, item, 4);
    put_le(b, (uint64_t)n, 8);
    return b;
}

void gguf_writer_set_u8(gguf_writer *w, const char *key, uint8_t value)
{
    put_le(value_named(w, key, GGUF_U8), value, 1);
}

void gguf_writer_set_u16(gguf_writer *w, const char *key, uint16_t value)
{
    put_le(value_named(w, key, GGUF_U16), value, 2);
}

void gguf_writer_set_u32(gguf_writer *w, const char *key, uint32_t value)
{
    put_le(value_named(w, key, GGUF_U32), value, 4);
}

void gguf_writer_set_i32(gguf_writer *w, const char *key, int32_t value)
{
    put_le(value_named(w, key, GGUF_I32), (uint32_t)value, 4);
}

void gguf_writer_set_u64(gguf_writer *w, const char *key, uint64_t value)
{
    put_le(value_named(w, key, GGUF_U64), value, 8);
}

void gguf_writer_set_f32(gguf_writer *w, const char *key, float value)
{
    put_float(value_named(w, key, GGUF_F32), value);
}

void gguf_writer_set_bool(gguf_writer *w, const char *key, bool value)
{
    put_le(value_named(w, key, GGUF_BOOL), value, 1);
}

void gguf_writer_set_string(gguf_writer *w, const char *key, const char *text)
{
    put_text(value_named(w, key, GGUF_STRING), text, strlen(text));
}

void gguf_writer_set_array_u8(gguf_writer *w, const char *key, const uint8_t *v, int n)
{
    bytes_add(array_named(w, key, GGUF_U8, n), v, (size_t)n);
}

void gguf_writer_set_array_i32(gguf_writer *w, const char *key, const int32_t *v, int n)
{
    bytes *b = array_named(w, key, GGUF_I32, n);

    for (int i = 0; i < n; i++) put_le(b, (uint32_t)v[i], 4);
}

void gguf_writer_set_array_f32(gguf_writer *w, const char *key, const float *v, int n)
{
    bytes *b = array_named(w, key, GGUF_F32, n);

    for (int i = 0; i < n; i++) put_float(b, v[i]);
}

void gguf_writer_set_array_string(gguf_writer *w, const char *key, const token_text *v, int n)
{
    bytes *b = array_named(w, key, GGUF_STRING, n);

    for (int i = 0; i < n; i++) put_text(b, v[i].data, v[i].len);
}

void gguf_writer_set_value(gguf_writer *w, const gguf_value *v)
{
    bytes *b = value_of(w, v->key, v->type);

    if (v->type == GGUF_ARRAY) put_le(b, v->item, 4);
    if (v->type == GGUF_ARRAY || v->type == GGUF_STRING) put_le(b, v->n, 8);
    bytes_add(b, v->data, v->n_bytes);
}

/* ---- what a model's metadata says ---- */

static void set_arch_u32(gguf_writer *w, const char *arch, const char *field, int value)
{
    char key[96];

    snprintf(key, sizeof key, "%s.%s", arch, field);
    gguf_writer_set_u32(w, key, (uint32_t)value);
}

static void set_arch_f32(gguf_writer *w, const char *arch, const char *field, float value)
{
    char key[96];

    snprintf(key, sizeof key, "%s.%s", arch, field);
    gguf_writer_set_f32(w, key, value);
}

void gguf_writer_set_config(gguf_writer *w, const config *c)
{
    const char *arch = family_name(c->family);
    bool own = true;         /* the family's own layers without positions */

    gguf_writer_set_string(w, "general.architecture", arch);
    gguf_writer_set_string(w, "general.type", "model");
    gguf_writer_set_string(w, "general.name", c->name);
    set_arch_u32(w, arch, "block_count", c->n_layer);
    set_arch_u32(w, arch, "context_length", c->n_ctx);
    set_arch_u32(w, arch, "embedding_length", c->d_model);
    set_arch_u32(w, arch, "feed_forward_length", c->d_ff);
    set_arch_u32(w, arch, "attention.head_count", c->n_head);
    set_arch_u32(w, arch, "attention.head_count_kv", c->n_head_kv);
    set_arch_u32(w, arch, "attention.key_length", c->d_head);
    set_arch_u32(w, arch, "attention.value_length", c->d_head);
    set_arch_f32(w, arch, "attention.layer_norm_rms_epsilon", c->norm_eps);
    set_arch_u32(w, arch, "rope.dimension_count", c->d_head);
    set_arch_f32(w, arch, "rope.freq_base", c->rope_base);
    set_arch_u32(w, arch, "vocab_size", c->n_vocab);
    if (c->n_expert) {
        char key[96];

        set_arch_u32(w, arch, "expert_count", c->n_expert);
        set_arch_u32(w, arch, "expert_used_count", c->n_expert_used);
        set_arch_u32(w, arch, "expert_feed_forward_length", c->d_ff_expert);
        snprintf(key, sizeof key, "%s.expert_weights_norm", arch);
        gguf_writer_set_bool(w, key, c->expert_norm);
    }
    for (int i = 0; i < c->n_layer; i++)
        own = own && c->no_rope[i] == config_no_rope(c->family, i);
    if (!own) gguf_writer_set_array_u8(w, "ponder.no_rope", c->no_rope, c->n_layer);
}

void gguf_writer_set_vocab(gguf_writer *w, const vocab_spec *v)
{
    const struct { const char *key; int32_t id; } ids[] = {
        { "bos", v->bos }, { "eos", v->eos }, { "eot", v->eot }, { "unknown", v->unk },
        { "padding", v->pad },
    };

    gguf_writer_set_string(w, "tokenizer.ggml.model", v->model);
    if (v->pre) gguf_writer_set_string(w, "tokenizer.ggml.pre", v->pre);
    gguf_writer_set_array_string(w, "tokenizer.ggml.tokens", v->tokens, v->n_token);
    if (v->scores) gguf_writer_set_array_f32(w, "tokenizer.ggml.scores", v->scores, v->n_token);
    if (v->kinds) gguf_writer_set_array_i32(w, "tokenizer.ggml.token_type", v->kinds, v->n_token);
    if (v->n_merge)
        gguf_writer_set_array_string(w, "tokenizer.ggml.merges", v->merges, v->n_merge);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char key[64];

        if (ids[i].id < 0) continue;
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", ids[i].key);
        gguf_writer_set_u32(w, key, (uint32_t)ids[i].id);
    }
    gguf_writer_set_bool(w, "tokenizer.ggml.add_bos_token", v->add_bos);
    gguf_writer_set_bool(w, "tokenizer.ggml.add_space_prefix", v->add_space_prefix);
    if (v->ignore_merges != gguf_pre_ignores_merges(v->pre))
        gguf_writer_set_bool(w, "ponder.ignore_merges", v->ignore_merges);
}

/* ---- tensors ---- */

static uint64_t padded(uint64_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void gguf_writer_add_tensor(gguf_writer *w, const char *name, dtype type, int n_dim,
                            const int64_t *dim)
{
    planned t = { .type = type, .n_dim = n_dim, .dim = { 1, 1, 1, 1 } };

    CHECK(w->fd < 0 && n_dim >= 1 && n_dim <= 4 && strlen(name) >= 1 && strlen(name) <= 127);
    for (int i = 0; i < n_dim; i++) {
        CHECK(dim[i] >= 1);
        t.dim[i] = dim[i];
    }
    t.n_bytes = dtype_row_bytes(type, dim[0]);
    for (int i = 1; i < n_dim; i++)
        CHECK(!__builtin_mul_overflow(t.n_bytes, (uint64_t)dim[i], &t.n_bytes));
    t.name = mem_string(name);
    t.offset = w->data_bytes;
    w->data_bytes += padded(t.n_bytes);
    if (w->n_tensor == w->cap_tensor) {
        w->cap_tensor = w->cap_tensor ? 2 * w->cap_tensor : 64;
        w->tensors = mem_resize(w->tensors, (size_t)w->cap_tensor, sizeof *w->tensors);
    }
    w->tensors[w->n_tensor++] = t;
}

static status write_all(gguf_writer *w, const void *data, size_t len, errtext *err)
{
    const char *p = data;

    while (len) {
        ssize_t n = write(w->fd, p, len);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(err, E_IO, "%s: %s", w->temp, strerror(errno));
        p += n;
        len -= (size_t)n;
    }
    return OK;
}

static status flush(gguf_writer *w, errtext *err)
{
    status st = write_all(w, w->buffer.data, w->buffer.len, err);

    bytes_clear(&w->buffer);
    return st;
}

static status put_bytes(gguf_writer *w, const void *data, size_t len, errtext *err)
{
    status st;

    if (w->buffer.len + len > BUFFER_BYTES && (st = flush(w, err)) != OK) return st;
    if (len > BUFFER_BYTES) return write_all(w, data, len, err);
    bytes_add(&w->buffer, data, len);
    return OK;
}

static status pad(gguf_writer *w, uint64_t n_bytes, errtext *err)
{
    static const char zeros[ALIGNMENT];

    return put_bytes(w, zeros, (size_t)(padded(n_bytes) - n_bytes), err);
}

status gguf_writer_begin(gguf_writer *w, const char *path, errtext *err)
{
    bytes head = { 0 }, temp = { 0 };
    status st;

    CHECK(w->fd < 0 && !w->path);
    bytes_add_format(&temp, "%s.tmp", path);
    w->path = mem_string(path);
    w->temp = bytes_take(&temp);
    w->fd = open(w->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (w->fd < 0) return fail(err, E_IO, "%s: %s", w->temp, strerror(errno));

    bytes_add(&head, "GGUF", 4);
    put_le(&head, 3, 4);
    put_le(&head, (uint64_t)w->n_tensor, 8);
    put_le(&head, (uint64_t)w->n_entry, 8);
    for (int i = 0; i < w->n_entry; i++) {
        put_text(&head, w->entries[i].key, strlen(w->entries[i].key));
        bytes_add(&head, w->entries[i].value.data, w->entries[i].value.len);
    }
    for (int i = 0; i < w->n_tensor; i++) {
        const planned *t = &w->tensors[i];

        put_text(&head, t->name, strlen(t->name));
        put_le(&head, (uint64_t)t->n_dim, 4);
        for (int j = 0; j < t->n_dim; j++) put_le(&head, (uint64_t)t->dim[j], 8);
        put_le(&head, (uint64_t)t->type, 4);
        put_le(&head, t->offset, 8);
    }
    st = put_bytes(w, head.data, head.len, err);
    if (st == OK) st = pad(w, head.len, err);
    bytes_fini(&head);
    return st;
}

status gguf_writer_write(gguf_writer *w, const void *data, size_t len, errtext *err)
{
    const planned *t;
    status st;

    CHECK(w->fd >= 0);
    if (!len) return OK;
    CHECK(w->i_tensor < w->n_tensor);
    t = &w->tensors[w->i_tensor];
    CHECK(len <= t->n_bytes - w->done);
    if ((st = put_bytes(w, data, len, err)) != OK) return st;
    w->done += len;
    if (w->done < t->n_bytes) return OK;
    w->i_tensor++;
    w->done = 0;
    return pad(w, t->n_bytes, err);
}

status gguf_writer_finish(gguf_writer *w, errtext *err)
{
    status st;
    int fd = w->fd;

    CHECK(fd >= 0 && w->i_tensor == w->n_tensor);
    if ((st = flush(w, err)) != OK) return st;
    if (fsync(fd)) return fail(err, E_IO, "%s: %s", w->temp, strerror(errno));
    w->fd = -1;
    if (close(fd)) st = fail(err, E_IO, "%s: %s", w->temp, strerror(errno));
    else if (rename(w->temp, w->path)) st = fail(err, E_IO, "%s: %s", w->path, strerror(errno));
    if (st != OK) {
        unlink(w->temp);
        return st;
    }
    return file_sync_parent(w->path, err);
}
