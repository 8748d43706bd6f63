/* weights.c - the door to a model on disk, whatever its format.
 *
 * The readers only add tensors and fill the config; that both agree is checked
 * here, once, so that the code behind the door may trust every shape. */
#include "model/weights.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "model/internal.h"

#define MAX_TENSORS (1 << 18)
#define MAX_NAME 127

/* ---- names ---- */

/* Drawn by whoever comes first; never 0. */
static uint64_t hash_key(void)
{
    static _Atomic uint64_t key;
    uint64_t k = atomic_load(&key), none = 0;

    if (k) return k;
    if (getrandom(&k, sizeof k, 0) != sizeof k) k = (uintptr_t)&key;
    k |= 1;
    return atomic_compare_exchange_strong(&key, &none, k) ? k : none;
}

/* Both halves of the 128-bit product: every input bit reaches every output
 * bit, and without the key nobody knows which inputs collide. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 p = (unsigned __int128)a * b;

    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t name_hash(const void *name, size_t len)
{
    const uint8_t *p = name;
    uint64_t key = hash_key(), h = key ^ len, word;

    for (; len >= 8; p += 8, len -= 8) {
        memcpy(&word, p, 8);
        h = fold(h ^ word, key ^ 0x9E3779B97F4A7C15u);
    }
    word = 0;
    if (len) memcpy(&word, p, len);
    h = fold(h ^ word, key ^ 0x9E3779B97F4A7C15u);
    return fold(h ^ key, 0xD6E8FEB86659FD93u);
}

const char *name_show(const char *name, size_t len, char out[NAME_SHOWN])
{
    size_t n = len < NAME_SHOWN ? len : NAME_SHOWN - 1;

    for (size_t i = 0; i < n; i++) out[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
    if (n < len) memcpy(out + n - 3, "...", 3);
    out[n] = 0;
    return out;
}

/* ---- tensors ---- */

/* Slot that holds the name, or the free one where it would go. n_index is a
 * power of two of at least twice the items. */
static int32_t *slot_of(const weights *w, const char *name)
{
    uint64_t at = name_hash(name, strlen(name));

    for (;; at++) {
        int32_t *slot = &w->index[at & (uint64_t)(w->n_index - 1)];

        if (*slot < 0 || !strcmp(w->items[*slot].name, name)) return slot;
    }
}

static void grow(weights *w)
{
    w->cap_item = w->cap_item ? 2 * w->cap_item : 64;
    w->items = mem_resize(w->items, (size_t)w->cap_item, sizeof *w->items);
    w->n_index = 2 * w->cap_item;
    w->index = mem_resize(w->index, (size_t)w->n_index, sizeof *w->index);
    memset(w->index, 0xFF, (size_t)w->n_index * sizeof *w->index);
    for (int i = 0; i < w->n_item; i++) *slot_of(w, w->items[i].name) = i;
}

status weights_add(weights *w, const char *name, dtype type, int n_dim, const int64_t *dim,
                   const void *data, uint64_t n_bytes, errtext *err)
{
    char shown[NAME_SHOWN];
    uint64_t n_row = 1, row_bytes, want;
    weight t = { .type = type, .n_dim = n_dim, .dim = { 1, 1, 1, 1 }, .data = data };
    int32_t *slot;

    name_show(name, strlen(name), shown);
    if (!*name || strlen(name) > MAX_NAME)
        return fail(err, E_FORMAT, "%s: tensor name '%s' is empty or longer than %d bytes",
                    w->path, shown, MAX_NAME);
    if (w->n_item >= MAX_TENSORS)
        return fail(err, E_LIMIT, "%s: more than %d tensors", w->path, MAX_TENSORS);
    if (!dtype_known((int)type))
        return fail(err, E_UNSUPPORTED, "%s: tensor '%s' has type %d, which is not supported",
                    w->path, shown, (int)type);
    if (n_dim < 1 || n_dim > 4)
        return fail(err, E_FORMAT, "%s: tensor '%s' has %d dimensions, 1 to 4 expected", w->path,
                    shown, n_dim);
    for (int i = 0; i < n_dim; i++) {
        if (dim[i] < 1)
            return fail(err, E_FORMAT, "%s: tensor '%s': dimension %d is %lld", w->path, shown, i,
                        (long long)dim[i]);
        t.dim[i] = dim[i];
        if (i && __builtin_mul_overflow(n_row, (uint64_t)dim[i], &n_row))
            return fail(err, E_FORMAT, "%s: tensor '%s': size overflow in dimension %d", w->path,
                        shown, i);
    }
    if (dim[0] % dtype_block(type))
        return fail(err, E_FORMAT, "%s: tensor '%s': bad row size %lld, %s has blocks of %d",
                    w->path, shown, (long long)dim[0], dtype_name(type), dtype_block(type));
    if (__builtin_mul_overflow((uint64_t)(dim[0] / dtype_block(type)),
                               (uint64_t)dtype_block_bytes(type), &row_bytes) ||
        __builtin_mul_overflow(row_bytes, n_row, &want) || want > INT64_MAX)
        return fail(err, E_FORMAT, "%s: tensor '%s': size overflow", w->path, shown);
    if (n_bytes != want)
        return fail(err, E_FORMAT, "%s: tensor '%s' takes %llu bytes, its shape needs %llu",
                    w->path, shown, (unsigned long long)n_bytes, (unsigned long long)want);
    if (w->n_item == w->cap_item) grow(w);
    slot = slot_of(w, name);
    if (*slot >= 0)
        return fail(err, E_FORMAT, "%s: duplicate tensor name '%s'", w->path, shown);
    t.name = mem_string(name);
    t.n_bytes = (size_t)n_bytes;
    *slot = w->n_item;
    w->items[w->n_item++] = t;
    return OK;
}

status weights_map(weights *w, const char *path, filemap *out, errtext *err)
{
    filemap m;
    status st = filemap_open(&m, path, err);

    *out = m;
    if (st != OK) return st;
    w->maps = mem_resize(w->maps, (size_t)w->n_map + 1, sizeof *w->maps);
    w->maps[w->n_map++] = m;
    return OK;
}

const weight *weights_find(const weights *w, const char *name)
{
    int32_t i = w->n_index ? *slot_of(w, name) : -1;

    return i < 0 ? NULL : &w->items[i];
}

const config *weights_config(const weights *w)
{
    return &w->config;
}

int weights_count(const weights *w)
{
    return w->n_item;
}

const weight *weights_at(const weights *w, int i)
{
    CHECK(i >= 0 && i < w->n_item);
    return &w->items[i];
}

const char *weights_chat_template(const weights *w)
{
    return w->chat_template;
}

void weights_release(const weights *w, const weight *t)
{
    const uint8_t *p = t->data;

    for (int i = 0; i < w->n_map; i++) {
        const filemap *m = &w->maps[i];

        if ((uintptr_t)p < (uintptr_t)m->data || (uintptr_t)p - (uintptr_t)m->data >= m->len)
            continue;
        filemap_release(m, p, t->n_bytes);
        return;
    }
}

status weights_intact(const weights *w, errtext *err)
{
    for (int i = 0; i < w->n_map; i++)
        if (filemap_damaged(&w->maps[i]))
            return fail(err, E_IO, "%s: the file was cut short while it was in use", w->path);
    return OK;
}

/* ---- does the file hold what the config needs? ---- */

typedef struct needs {
    const weights *w;
    uint8_t *used;               /* [n_item] */
    errtext *err;
} needs;

static void shape_text(char out[64], int n_dim, const int64_t *dim)
{
    int at = 0;

    for (int i = 0; i < n_dim; i++)
        at += snprintf(out + at, (size_t)(64 - at), "%s%lld", i ? ", " : "", (long long)dim[i]);
}

static bool is_float(dtype t)
{
    return t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16;
}

/* A tensor of this name and shape, vectors of floats. *found (may be NULL)
 * says whether an optional one is there. */
static status need(needs *k, bool required, bool *found, const char *name, int n_dim, int d0,
                   int d1, int d2)
{
    const weights *w = k->w;
    const weight *t = weights_find(w, name);
    const int64_t want[3] = { d0, d1, d2 };

    if (found) *found = t != NULL;
    if (!t && !required) return OK;
    if (!t) return fail(k->err, E_FORMAT, "%s: tensor '%s' is missing", w->path, name);
    if (t->n_dim != n_dim || memcmp(t->dim, want, (size_t)n_dim * sizeof *want)) {
        char is[64], wants[64];

        shape_text(is, t->n_dim, t->dim);
        shape_text(wants, n_dim, want);
        return fail(k->err, E_FORMAT, "%s: tensor '%s' has shape [%s], expected [%s]", w->path,
                    name, is, wants);
    }
    if (n_dim == 1 && !is_float(t->type))
        return fail(k->err, E_FORMAT, "%s: tensor '%s' has type %s, a float type expected",
                    w->path, name, dtype_name(t->type));
    k->used[t - w->items] = 1;
    return OK;
}

static status need_in_layer(needs *k, bool required, bool *found, int i_layer, const char *part,
                            int n_dim, int d0, int d1, int d2)
{
    char name[64];

    snprintf(name, sizeof name, "blk.%d.%s", i_layer, part);
    return need(k, required, found, name, n_dim, d0, d1, d2);
}

/* One stacked tensor a projection, or (Hugging Face) one tensor an expert. */
static status need_experts(needs *k, const config *c, int i_layer)
{
    static const char *const parts[] = { "gate", "up", "down" };
    status st = OK;

    for (int p = 0; p < 3 && st == OK; p++) {
        int in = p == 2 ? c->d_ff_expert : c->d_model, out = p == 2 ? c->d_model : c->d_ff_expert;
        char part[48];
        bool stacked, single;

        snprintf(part, sizeof part, "ffn_%s_exps.weight", parts[p]);
        st = need_in_layer(k, false, &stacked, i_layer, part, 3, in, out, c->n_expert);
        if (st != OK || stacked) continue;
        for (int e = 0; e < c->n_expert && st == OK; e++) {
            snprintf(part, sizeof part, "ffn_%s.%d.weight", parts[p], e);
            st = need_in_layer(k, e > 0, &single, i_layer, part, 2, in, out, 1);
            if (st == OK && !single)
                return fail(k->err, E_FORMAT, "%s: tensor 'blk.%d.ffn_%s_exps.weight' is missing",
                            k->w->path, i_layer, parts[p]);
        }
    }
    return st;
}

static status need_layer(needs *k, const config *c, int i)
{
    bool bias = c->family == FAMILY_QWEN2, experts = false;
    bool qk_norm = c->family == FAMILY_QWEN3 || c->family == FAMILY_QWEN3_MOE;
    int d = c->d_model, q = c->n_head * c->d_head, kv = c->n_head_kv * c->d_head;
    const struct { bool required; const char *part; int n_dim, d0, d1; } list[] = {
        { true, "attn_norm.weight", 1, d, 1 },
        { true, "attn_q.weight", 2, d, q },
        { true, "attn_k.weight", 2, d, kv },
        { true, "attn_v.weight", 2, d, kv },
        { true, "attn_output.weight", 2, q, d },
        { true, "ffn_norm.weight", 1, d, 1 },
        { bias, "attn_q.bias", 1, q, 1 },
        { bias, "attn_k.bias", 1, kv, 1 },
        { bias, "attn_v.bias", 1, kv, 1 },
    };
    const struct { const char *part; int d0; } norms[] = {
        { "attn_q_norm.weight", c->d_head }, { "attn_k_norm.weight", c->d_head },
    };
    const struct { const char *part; int d0, d1; } dense[] = {
        { "ffn_gate.weight", d, c->d_ff }, { "ffn_up.weight", d, c->d_ff },
        { "ffn_down.weight", c->d_ff, d },
    };
    status st = OK;

    for (size_t j = 0; j < sizeof list / sizeof *list && st == OK; j++)
        st = need_in_layer(k, list[j].required, NULL, i, list[j].part, list[j].n_dim, list[j].d0,
                           list[j].d1, 1);
    for (size_t j = 0; j < 2 && qk_norm && st == OK; j++)
        st = need_in_layer(k, true, NULL, i, norms[j].part, 1, norms[j].d0, 1, 1);
    if (c->n_expert && st == OK)
        st = need_in_layer(k, false, &experts, i, "ffn_gate_inp.weight", 2, d, c->n_expert, 1);
    if (experts && st == OK) return need_experts(k, c, i);
    for (size_t j = 0; j < 3 && st == OK; j++)
        st = need_in_layer(k, true, NULL, i, dense[j].part, 2, dense[j].d0, dense[j].d1, 1);
    return st;
}

/* A tensor that no rule above asks for would change the numbers (a bias, a
 * sink, one layer too many): better refused than left out. */
static status check_tensors(const weights *w, errtext *err)
{
    const config *c = &w->config;
    needs k = { .w = w, .used = mem_new((size_t)w->n_item + 1), .err = err };
    status st = need(&k, true, NULL, "token_embd.weight", 2, c->d_model, c->n_vocab, 1);

    if (st == OK) st = need(&k, true, NULL, "output_norm.weight", 1, c->d_model, 1, 1);
    if (st == OK) st = need(&k, !c->tied, NULL, "output.weight", 2, c->d_model, c->n_vocab, 1);
    if (st == OK) st = need(&k, false, NULL, "rope_freqs.weight", 1, c->d_head / 2, 1, 1);
    for (int i = 0; i < c->n_layer && st == OK; i++) st = need_layer(&k, c, i);
    for (int i = 0; i < w->n_item && st == OK; i++)
        if (!k.used[i]) {
            char shown[NAME_SHOWN];

            st = fail(err, E_UNSUPPORTED, "%s: tensor '%s' has no place in a %s model of %d layers",
                      w->path, name_show(w->items[i].name, strlen(w->items[i].name), shown),
                      family_name(c->family), c->n_layer);
        }
    mem_free(k.used);
    return st;
}

/* ---- finite numbers ---- */

/* Index of the first element that is not finite, -1 when all are. */
static int64_t first_not_finite(const weight *t)
{
    enum { PIECE = 4096 };
    const uint8_t *p = t->data;
    int64_t n = (int64_t)(t->n_bytes / (size_t)dtype_block_bytes(t->type));
    float x[PIECE];

    for (int64_t i = 0; i < n; i += PIECE) {
        int m = n - i < PIECE ? (int)(n - i) : PIECE;
        float sum = 0;

        dtype_decode_row(t->type, p + (size_t)i * (size_t)dtype_block_bytes(t->type), x, m);
        for (int j = 0; j < m; j++) sum += x[j] * 0;     /* 0, or NaN once one is not */
        if (sum == 0) continue;
        for (int j = 0; j < m; j++)
            if (!isfinite(x[j])) return i + j;
    }
    return -1;
}

/* Same for the half-precision scales of quantised blocks. */
static int64_t first_bad_scale(const weight *t)
{
    bool two = t->type == DTYPE_Q4_1 || t->type == DTYPE_Q5_1 || t->type == DTYPE_Q4_K ||
               t->type == DTYPE_Q5_K;
    size_t step = (size_t)dtype_block_bytes(t->type), n = t->n_bytes / step;
    const uint8_t *p = (const uint8_t *)t->data + (t->type == DTYPE_Q6_K ? 208 : 0);

    /* A half is finite unless all exponent bits are set: byte 1, bits 2 to 6. */
    for (size_t i = 0; i < n; i++, p += step)
        if ((p[1] & 0x7C) == 0x7C || (two && (p[3] & 0x7C) == 0x7C))
            return (int64_t)i * dtype_block(t->type);
    return -1;
}

static status check_finite(const weights *w, const weight *t, errtext *err)
{
    int64_t at = is_float(t->type) ? first_not_finite(t) : first_bad_scale(t);

    if (at < 0) return OK;
    return fail(err, E_FORMAT, "%s: tensor '%s' has a %s that is not finite at element %lld",
                w->path, t->name, is_float(t->type) ? "value" : "block scale", (long long)at);
}

status weights_check_finite(const weights *w, errtext *err)
{
    status st = OK;

    for (int i = 0; i < w->n_item && st == OK; i++) st = check_finite(w, &w->items[i], err);
    return st == OK ? weights_intact(w, err) : st;
}

/* ---- open and close ---- */

status weights_open(weights **out, const char *path, errtext *err)
{
    struct stat info;
    weights *w;
    status st;

    *out = NULL;
    if (stat(path, &info)) return fail(err, E_IO, "%s: %s", path, strerror(errno));
    w = mem_new(sizeof *w);
    w->path = mem_string(path);
    st = S_ISDIR(info.st_mode) ? hf_load(w, path, err) : gguf_load(w, path, err);
    if (st == OK) st = config_check(&w->config, path, err);
    if (st == OK) st = check_tensors(w, err);
    for (int i = 0; i < w->n_item && st == OK; i++)
        if (w->items[i].n_dim == 1) st = check_finite(w, &w->items[i], err);
    /* Zeros read from beyond the end of a file that shrank explain any of the
     * errors above. */
    if (weights_intact(w, NULL) != OK) st = weights_intact(w, err);
    if (st == OK) *out = w;
    else weights_close(w);
    return st;
}

void weights_close(weights *w)
{
    if (!w) return;
    if (w->free_source) w->free_source(w->source);
    for (int i = 0; i < w->n_item; i++) mem_free((void *)w->items[i].name);
    for (int i = 0; i < w->n_map; i++) filemap_close(&w->maps[i]);
    mem_free(w->items);
    mem_free(w->index);
    mem_free(w->maps);
    mem_free(w->chat_template);
    mem_free(w->path);
    mem_free(w);
}

status weights_tokenizer(const weights *w, tokenizer **out, errtext *err)
{
    status st;

    *out = NULL;
    if (!w->make_tokenizer) return fail(err, E_FORMAT, "%s: describes no tokenizer", w->path);
    st = w->make_tokenizer(w, out, err);
    if (weights_intact(w, NULL) != OK) {
        tokenizer_free(*out);
        *out = NULL;
        st = weights_intact(w, err);
    }
    return st;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

status weights_tokenizer_only(const char *path, tokenizer **out, errtext *err)
{
    struct stat info;

    *out = NULL;
    if (stat(path, &info)) return fail(err, E_IO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) {
        bytes file = { 0 };
        status st;

        bytes_add_format(&file, "%s/tokenizer.json", path);
        st = tokenizer_open(out, file.data, err);
        bytes_fini(&file);
        return st;
    }
    if (ends_with(path, ".json")) return tokenizer_open(out, path, err);
    return gguf_tokenizer_only(path, out, err);
}
