/* adapter.c - pairs of low-rank matrices on a model's layers. */
#include "model/adapter.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/gguf.h"
#include "model/internal.h"
#include "model/layers.h"

lora *lora_new(int rank, float alpha, const matrix *m)
{
    lora *l = mem_new(sizeof *l);
    bool f32 = matrix_input_kind(matrix_type(m)) == INPUT_F32;
    int padded = f32 ? rank : (rank + 31) / 32 * 32;

    CHECK(rank > 0);
    l->rank = rank;
    l->scale = alpha / (float)rank;
    l->a = matrix_new(f32 ? DTYPE_F32 : DTYPE_BF16, rank, matrix_n_in(m));
    l->b = matrix_new(f32 ? DTYPE_F32 : DTYPE_BF16, matrix_n_out(m), padded);
    return l;
}

void lora_free(lora *l)
{
    if (!l) return;
    matrix_free(l->a);
    matrix_free(l->b);
    mem_free(l);
}

/* Rows of n values into a matrix whose rows may be longer: zeros add nothing
 * to a sum of products. */
static void set_rows(matrix *m, int row, int n_row, const float *values, int n)
{
    int n_in = matrix_n_in(m);
    float *wide = mem_array((size_t)n_in, sizeof *wide);
    void *coded = mem_new(dtype_row_bytes(matrix_type(m), n_in));

    for (int r = 0; r < n_row; r++) {
        memcpy(wide, values + (size_t)r * (size_t)n, (size_t)n * sizeof *wide);
        dtype_encode_row(matrix_type(m), wide, coded, n_in);
        matrix_set_rows(m, row + r, 1, coded);
    }
    mem_free(wide);
    mem_free(coded);
}

void lora_set_a(lora *l, int row, int n_row, const float *values)
{
    set_rows(l->a, row, n_row, values, matrix_n_in(l->a));
}

void lora_set_b(lora *l, int row, int n_row, const float *values)
{
    set_rows(l->b, row, n_row, values, l->rank);
}

void model_clear_lora(model *m)
{
    const config *c = &m->config;

    for (int i = 0; i < c->n_layer; i++) {
        layer *y = &m->layers[i];

        for (int s = 0; s < N_LINEAR; s++) {
            lora_free(y->lora[s]);
            y->lora[s] = NULL;
        }
        for (int e = 0; y->experts && e < c->n_expert; e++)
            for (int s = 0; s < N_EXPERT_SLOT; s++) {
                lora_free(y->experts[e].lora[s]);
                y->experts[e].lora[s] = NULL;
            }
    }
    m->lora_rank = 0;
}

int adapter_rank(const model *m) { return m->lora_rank; }

/* ---- files ---- */

/* A pair that the file may hold: for one matrix, or one an expert. */
typedef struct pair {
    lora **place;            /* of matrix or first expert */
    size_t stride;           /* bytes between the places of experts */
    int n;                   /* 1, or the number of experts */
    const matrix *m;         /* each has its shape */
    bool rotary;
    char name[64];
    const gguf_tensor *a, *b;    /* both NULL where there is none */
    int rank;
    lora **made;             /* [n] */
} pair;

typedef struct reading {
    model *m;
    const char *path;
    gguf g;
    bool *used;              /* [n_tensor] */
    float alpha;
    pair *pairs;
    int n_pair;
    _Atomic int bad;         /* a pair with a value that is not finite; -1: none */
    errtext *err;
} reading;

static const gguf_tensor *find_tensor(reading *x, const char *name, const char *suffix)
{
    char whole[96];
    size_t len = (size_t)snprintf(whole, sizeof whole, "%s%s", name, suffix);

    for (int i = 0; i < x->g.n_tensor; i++) {
        const gguf_tensor *t = &x->g.tensors[i];

        if (t->name.len != len || memcmp(t->name.data, whole, len)) continue;
        x->used[i] = true;
        return t;
    }
    return NULL;
}

static status check_shape(const reading *x, const pair *p, const gguf_tensor *t, int64_t n_in,
                          int64_t n_out)
{
    const int64_t n = p->stride ? p->n : 1;

    if (t->dim[0] == n_in && t->dim[1] == n_out && t->dim[2] == n && t->dim[3] == 1) return OK;
    return fail(x->err, E_FORMAT, "%s: tensor %.*s has shape [%lld, %lld, %lld], expected "
                "[%lld, %lld, %lld]", x->path, (int)t->name.len, t->name.data,
                (long long)t->dim[0], (long long)t->dim[1], (long long)t->dim[2], (long long)n_in,
                (long long)n_out, (long long)n);
}

static status find_pair(reading *x, pair p)
{
    status st;

    p.a = find_tensor(x, p.name, ".lora_a");
    p.b = find_tensor(x, p.name, ".lora_b");
    if (!p.a && !p.b) return OK;
    if (!p.a || !p.b)
        return fail(x->err, E_FORMAT, "%s: tensor %s.lora_%s has no partner", x->path, p.name,
                    p.a ? "a" : "b");
    if (p.a->dim[1] < 1 || p.a->dim[1] > ADAPTER_MAX_RANK)
        return fail(x->err, E_LIMIT, "%s: tensor %s.lora_a has rank %lld; at most %d are done",
                    x->path, p.name, (long long)p.a->dim[1], ADAPTER_MAX_RANK);
    p.rank = (int)p.a->dim[1];
    if ((st = check_shape(x, &p, p.a, matrix_n_in(p.m), p.rank)) != OK) return st;
    if ((st = check_shape(x, &p, p.b, p.rank, matrix_n_out(p.m))) != OK) return st;
    p.made = mem_array((size_t)p.n, sizeof *p.made);
    x->pairs[x->n_pair++] = p;
    return OK;
}

static status find_layer(reading *x, int i)
{
    layer *y = &x->m->layers[i];
    static const char *const names[N_LINEAR] = { "attn_q", "attn_k", "attn_v", "attn_output",
                                                 "ffn_gate", "ffn_up", "ffn_down" };
    static const char *const parts[N_EXPERT_SLOT] = { "gate", "up", "down" };
    const matrix *const m[N_LINEAR] = { y->q, y->k, y->v, y->o, y->gate, y->up, y->down };
    status st = OK;

    for (int s = 0; s < N_LINEAR && st == OK; s++) {
        pair p = { .place = &y->lora[s], .n = 1, .m = m[s], .rotary = s == SLOT_Q || s == SLOT_K };

        if (!m[s]) continue;
        snprintf(p.name, sizeof p.name, "blk.%d.%s.weight", i, names[s]);
        st = find_pair(x, p);
    }
    for (int s = 0; s < N_EXPERT_SLOT && st == OK && y->router; s++) {
        const matrix *const one[] = { y->experts->gate, y->experts->up, y->experts->down };
        pair p = { .place = &y->experts->lora[s], .stride = sizeof *y->experts,
                   .n = x->m->config.n_expert, .m = one[s] };

        snprintf(p.name, sizeof p.name, "blk.%d.ffn_%s_exps.weight", i, parts[s]);
        st = find_pair(x, p);
    }
    return st;
}

/* A key with the text that it must have. */
static status check_text(reading *x, const char *key, const char *want)
{
    char *text = NULL;
    status st = gguf_read_string(&x->g, key, 64, &text, x->err);

    if (st == OK && !text) st = fail(x->err, E_FORMAT, "%s: key %s is missing", x->path, key);
    else if (st == OK && strcmp(text, want))
        st = fail(x->err, E_UNSUPPORTED, "%s: %s is '%s', not '%s'", x->path, key, text, want);
    mem_free(text);
    return st;
}

static status check_keys(reading *x)
{
    status st = check_text(x, "general.type", "adapter");

    if (st == OK) st = check_text(x, "adapter.type", "lora");
    if (st == OK) st = check_text(x, "general.architecture", family_name(x->m->config.family));
    if (st == OK) st = gguf_read_float(&x->g, "adapter.lora.alpha", &x->alpha, x->err);
    if (st == OK && !(x->alpha > 0 && x->alpha <= 1e6f))
        st = fail(x->err, E_FORMAT, "%s: adapter.lora.alpha is %s", x->path,
                  x->alpha == 0 ? "missing or 0" : "not from above 0 to 1e6");
    return st;
}

static status find_pairs(reading *x)
{
    const config *c = &x->m->config;
    status st = OK;

    x->used = mem_array((size_t)x->g.n_tensor + 1, sizeof *x->used);
    x->pairs = mem_array((size_t)(c->n_layer * (N_LINEAR + N_EXPERT_SLOT)), sizeof *x->pairs);
    for (int i = 0; i < c->n_layer && st == OK; i++) st = find_layer(x, i);
    for (int i = 0; i < x->g.n_tensor && st == OK; i++) {
        const gguf_tensor *t = &x->g.tensors[i];
        char shown[NAME_SHOWN];

        if (!x->used[i])
            st = fail(x->err, E_FORMAT, "%s: tensor '%s' belongs to no attention or feed-forward "
                      "matrix of the model", x->path,
                      name_show(t->name.data, t->name.len, shown));
    }
    if (st == OK && !x->n_pair) st = fail(x->err, E_FORMAT, "%s: holds no tensors", x->path);
    return st;
}

/* Rows [first, first + n_row) of a tensor; false when one is not finite. */
static bool decode(const gguf_tensor *t, int64_t first, int n_row, int d_head, float *out)
{
    int64_t n = t->dim[0];
    float sum = 0;

    for (int r = 0; r < n_row; r++)
        dtype_decode_row(t->type, t->data + (size_t)(first + (d_head ? interleaved_row(r, d_head)
                                                                     : r)) *
                                      dtype_row_bytes(t->type, n),
                         out + (size_t)r * (size_t)n, n);
    for (size_t k = 0; k < (size_t)n_row * (size_t)n; k++) sum += out[k] * 0;
    return sum == 0;
}

static void make_pair(void *arg, int item, int thread)
{
    reading *x = arg;
    pair *p = &x->pairs[item];
    const config *c = &x->m->config;
    int n_out = matrix_n_out(p->m), n_in = matrix_n_in(p->m);
    int d_head = p->rotary && family_interleaves(c->family) ? c->d_head : 0;
    float *values = mem_array((size_t)p->rank * (size_t)(n_in > n_out ? n_in : n_out),
                              sizeof *values);
    bool finite = true;

    (void)thread;
    for (int e = 0; e < p->n; e++) {
        p->made[e] = lora_new(p->rank, x->alpha, p->m);
        finite &= decode(p->a, (int64_t)e * p->rank, p->rank, 0, values);
        lora_set_a(p->made[e], 0, p->rank, values);
        finite &= decode(p->b, (int64_t)e * n_out, n_out, d_head, values);
        lora_set_b(p->made[e], 0, n_out, values);
    }
    if (!finite) x->bad = item;
    mem_free(values);
}

/* From here on nothing fails. */
static void install(reading *x)
{
    model *m = x->m;

    model_clear_lora(m);
    for (int i = 0; i < x->n_pair; i++) {
        pair *p = &x->pairs[i];

        for (int e = 0; e < p->n; e++) {
            *(lora **)((char *)p->place + (size_t)e * p->stride) = p->made[e];
            p->made[e] = NULL;
        }
        if (p->rank > m->lora_rank) m->lora_rank = p->rank;
    }
}

status adapter_load(model *m, const char *path, pool *threads, errtext *err)
{
    reading x = { .m = m, .path = path, .bad = -1, .err = err };
    filemap map;
    status st;

    if (m->lora_lent) return fail(err, E_ARG, "%s: the model's adapter is in training", path);
    if ((st = filemap_open(&map, path, err)) != OK) return st;
    st = gguf_init(&x.g, path, map.data, map.len, err);
    if (st == OK) st = check_keys(&x);
    if (st == OK) st = find_pairs(&x);
    if (st == OK) pool_run(threads, make_pair, &x, x.n_pair);
    if (st == OK && filemap_damaged(&map))
        st = fail(err, E_IO, "%s: the file was cut short while it was read", path);
    if (st == OK && x.bad >= 0)
        st = fail(err, E_FORMAT, "%s: tensors %s.lora_a and .lora_b hold a value that is not finite",
                  path, x.pairs[x.bad].name);
    if (st == OK) install(&x);
    for (int i = 0; i < x.n_pair; i++) {
        for (int e = 0; e < x.pairs[i].n; e++) lora_free(x.pairs[i].made[e]);
        mem_free(x.pairs[i].made);
    }
    mem_free(x.pairs);
    mem_free(x.used);
    gguf_fini(&x.g);
    filemap_close(&map);
    return st;
}

void adapter_unload(model *m)
{
    CHECK(!m->lora_lent);
    model_clear_lora(m);
}
