/* gguf_load.c - what a GGUF file says about a model.
 *
 * Keys are those llama.cpp writes (gguf.md and gguf-py's constants). A key that
 * would change the numbers in a way the forward does not compute is refused by
 * name: a wrong answer is worse than none. */
#include "model/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "model/gguf.h"

#define MAX_TEXT 4096                /* names and types */
#define MAX_TEMPLATE (1 << 20)
#define MAX_TOKENS (1 << 24)
#define MAX_PARTS 9999

/* The tables of the first file; the others only lend their tensors. */
typedef struct source {
    gguf g;
} source;

static void source_free(void *p)
{
    source *s = p;

    gguf_fini(&s->g);
    mem_free(s);
}

/* ---- config ---- */

/* Metadata under the architecture's name: "llama." and a field. */
typedef struct fields {
    const gguf *g;
    char *arch;
    char key[MAX_TEXT + 64];         /* of the last lookup */
    errtext *err;
} fields;

static const char *key_of(fields *f, const char *field)
{
    snprintf(f->key, sizeof f->key, "%s.%s", f->arch, field);
    return f->key;
}

static status missing(fields *f)
{
    return fail(f->err, E_FORMAT, "%s: key '%s' is missing", f->g->path, f->key);
}

static status get_int(fields *f, const char *field, bool required, int high, int *out)
{
    int64_t v = *out;
    status st;

    if (!gguf_find(f->g, key_of(f, field))) return required ? missing(f) : OK;
    st = gguf_read_int(f->g, f->key, 0, high, &v, f->err);
    *out = (int)v;
    return st;
}

static status get_float(fields *f, const char *field, bool required, float *out)
{
    if (!gguf_find(f->g, key_of(f, field))) return required ? missing(f) : OK;
    return gguf_read_float(f->g, f->key, out, f->err);
}

static status unsupported(fields *f, const char *why)
{
    return fail(f->err, E_UNSUPPORTED, "%s: key '%s' at byte %llu: %s", f->g->path, f->key,
                (unsigned long long)gguf_find(f->g, f->key)->offset, why);
}

/* Fields of other models of these architectures that change the computation,
 * with the values (up to two) that leave it alone. */
static status refuse_extras(fields *f)
{
    static const struct { const char *field; double fine, fine_too; } numbers[] = {
        { "attention.clamp_kqv", 0, 0 },      { "attention.max_alibi_bias", 0, 0 },
        { "attn_logit_softcapping", 0, 0 },   { "final_logit_softcapping", 0, 0 },
        { "logit_scale", 0, 1 },              { "residual_scale", 0, 1 },
        { "embedding_scale", 0, 1 },          { "expert_weights_scale", 0, 1 },
        { "expert_shared_count", 0, 0 },      { "expert_gating_func", 0, 1 },
        { "expert_group_count", 0, 1 },       { "nextn_predict_layers", 0, 0 },
        { "expert_shared_feed_forward_length", 0, 0 },
        { "attention.temperature_scale", 0, 1 },
    };
    static const struct { const char *field; bool fine; } flags[] = {
        { "use_parallel_residual", false }, { "attention.causal", true },
    };
    status st = OK;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && st == OK; i++) {
        const gguf_value *v = gguf_find(f->g, key_of(f, numbers[i].field));
        float x = 0;
        int64_t n = 0;

        if (!v) continue;
        if (v->type == GGUF_F32 || v->type == GGUF_F64) {
            st = gguf_read_float(f->g, f->key, &x, f->err);
        } else {
            st = gguf_read_int(f->g, f->key, INT64_MIN, INT64_MAX, &n, f->err);
            x = (float)n;
        }
        if (st == OK && (double)x != numbers[i].fine && (double)x != numbers[i].fine_too)
            return unsupported(f, "this is not computed");
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags && st == OK; i++) {
        bool b = flags[i].fine;

        st = gguf_read_bool(f->g, key_of(f, flags[i].field), &b, f->err);
        if (st == OK && b != flags[i].fine) return unsupported(f, "this is not computed");
    }
    return st;
}

/* A window as long as the context sees everything anyway. */
static status check_window(fields *f, const config *c)
{
    int window = 0;
    status st = get_int(f, "attention.sliding_window", false, INT32_MAX, &window);

    if (st == OK && window > 0 && window < c->n_ctx)
        return unsupported(f, "sliding window attention");
    return st;
}

static status check_scale(fields *f, const config *c)
{
    float scale = 0, own = 1 / sqrtf((float)c->d_head);
    status st = get_float(f, "attention.scale", false, &scale);

    if (st == OK && scale != 0 && !(fabsf(scale - own) <= 1e-5f * own))
        return unsupported(f, "a scale other than 1/sqrt(d_head)");
    return st;
}

/* Frequency divisors: the tensor that Llama 3's scaling comes as, times the
 * factor of linear scaling. */
static status read_factors(weights *w, fields *f, config *c)
{
    const weight *t = weights_find(w, "rope_freqs.weight");
    char *type = NULL;
    float factor = 0;
    status st;
    int n = c->d_head / 2;

    for (int i = 0; i < 128; i++) c->rope_factors[i] = 1;
    if (t) {
        if (t->n_dim != 1 || t->dim[0] != n || dtype_block(t->type) != 1 || n > 128)
            return fail(f->err, E_FORMAT, "%s: tensor 'rope_freqs.weight' has %d dimensions of "
                        "%lld %s, %d floats expected", w->path, t->n_dim, (long long)t->dim[0],
                        dtype_name(t->type), n);
        dtype_decode_row(t->type, t->data, c->rope_factors, n);
    }
    if ((st = get_float(f, "rope.scale_linear", false, &factor)) != OK ||
        (st = get_float(f, "rope.scaling.factor", false, &factor)) != OK ||
        (st = gguf_read_string(f->g, key_of(f, "rope.scaling.type"), MAX_TEXT, &type,
                               f->err)) != OK)
        return st;
    if (!isfinite(factor) || factor < 0) {
        key_of(f, "rope.scaling.factor");
        st = fail(f->err, E_FORMAT, "%s: key '%s' is %g, a positive number expected", w->path,
                  f->key, (double)factor);
    } else if (type && strcmp(type, "none") && strcmp(type, "linear") && factor > 1) {
        key_of(f, "rope.scaling.type");
        st = unsupported(f, !strcmp(type, "yarn") ? "yarn scaling" : "this scaling is unknown");
    } else if (factor > 0 && (!type || !strcmp(type, "linear"))) {
        for (int i = 0; i < n && i < 128; i++) c->rope_factors[i] *= factor;
    }
    mem_free(type);
    return st;
}

static status read_no_rope(fields *f, config *c)
{
    static const char key[] = "ponder.no_rope";
    const gguf_value *v = gguf_find(f->g, key);
    int32_t *flags = NULL;
    int n = 0;
    status st;

    for (int i = 0; i < c->n_layer; i++) c->no_rope[i] = config_no_rope(c->family, i);
    if (!v) return OK;
    if ((st = gguf_read_i32s(f->g, key, &flags, &n, f->err)) != OK) return st;
    if (n != c->n_layer)
        st = fail(f->err, E_FORMAT, "%s: key '%s' at byte %llu has %d items for %d layers",
                  f->g->path, key, (unsigned long long)v->offset, n, c->n_layer);
    for (int i = 0; i < n && st == OK; i++) {
        if (flags[i] < 0 || flags[i] > 1)
            st = fail(f->err, E_FORMAT, "%s: key '%s' at byte %llu: item %d is %d, 0 or 1 "
                      "expected", f->g->path, key, (unsigned long long)v->offset, i, flags[i]);
        else c->no_rope[i] = (uint8_t)flags[i];
    }
    mem_free(flags);
    return st;
}

static status read_experts(fields *f, config *c)
{
    bool norm = c->family == FAMILY_QWEN3_MOE;
    status st = get_int(f, "expert_count", c->family == FAMILY_QWEN3_MOE, INT32_MAX, &c->n_expert);

    if (st != OK || !c->n_expert) return st;
    if (c->family != FAMILY_QWEN3_MOE) return unsupported(f, "experts in this architecture");
    if ((st = get_int(f, "expert_used_count", true, INT32_MAX, &c->n_expert_used)) != OK ||
        (st = get_int(f, "expert_feed_forward_length", true, INT32_MAX, &c->d_ff_expert)) != OK ||
        (st = gguf_read_bool(f->g, key_of(f, "expert_weights_norm"), &norm, f->err)) != OK)
        return st;
    c->expert_norm = norm;
    return OK;
}

/* d_head, where the key is missing the embedding divided among the heads;
 * rotation and values must be as wide. */
static status read_heads(fields *f, config *c)
{
    static const char *const same[] = { "attention.value_length", "rope.dimension_count" };
    status st;

    c->n_head_kv = 0;
    if ((st = get_int(f, "attention.head_count", true, INT32_MAX, &c->n_head)) != OK) return st;
    c->n_head_kv = c->n_head;
    if ((st = get_int(f, "attention.head_count_kv", false, INT32_MAX, &c->n_head_kv)) != OK ||
        (st = get_int(f, "attention.key_length", false, INT32_MAX, &c->d_head)) != OK)
        return st;
    if (c->n_head < 1)
        return fail(f->err, E_FORMAT, "%s: key '%s.attention.head_count' is 0", f->g->path,
                    f->arch);
    if (!c->d_head && c->d_model % c->n_head)
        return fail(f->err, E_FORMAT, "%s: key '%s.embedding_length' %d is not a multiple of %d "
                    "heads", f->g->path, f->arch, c->d_model, c->n_head);
    if (!c->d_head) c->d_head = c->d_model / c->n_head;
    for (int i = 0; i < 2; i++) {
        int v = c->d_head;

        if ((st = get_int(f, same[i], false, INT32_MAX, &v)) != OK) return st;
        if (v != c->d_head)
            return fail(f->err, E_UNSUPPORTED, "%s: key '%s' is %d, not the head size %d",
                        f->g->path, f->key, v, c->d_head);
    }
    return OK;
}

/* The last part of the path without ".gguf" when the file has no name, cut at
 * a character's border. */
static void set_name(config *c, const char *path, char *name)
{
    const char *slash = strrchr(path, '/'), *from = name && *name ? name : slash ? slash + 1 : path;
    size_t len = strlen(from), cap = sizeof c->name - 1;

    if (from != name && len > 5 && !strcmp(from + len - 5, ".gguf")) len -= 5;
    if (len > cap) len = cap - utf8_incomplete_tail(from, cap);
    memcpy(c->name, from, len);
    c->name[len] = 0;
}

static status read_config(weights *w, fields *f)
{
    config *c = &w->config;
    const weight *embedding = weights_find(w, "token_embd.weight");
    char *name = NULL;
    status st;

    if (!family_parse(f->arch, &c->family)) {
        char shown[NAME_SHOWN];

        return fail(f->err, E_UNSUPPORTED, "%s: architecture '%s' is not supported", w->path,
                    name_show(f->arch, strlen(f->arch), shown));
    }
    if (!embedding)
        return fail(f->err, E_FORMAT, "%s: tensor 'token_embd.weight' is missing", w->path);
    if (embedding->dim[1] > MAX_TOKENS)
        return fail(f->err, E_LIMIT, "%s: tensor 'token_embd.weight' has %lld rows, limit %d",
                    w->path, (long long)embedding->dim[1], MAX_TOKENS);
    c->n_vocab = (int)embedding->dim[1];
    c->tied = !weights_find(w, "output.weight");
    c->rope_interleaved = c->family == FAMILY_LLAMA || c->family == FAMILY_SMOLLM3;
    c->rope_base = 10000;
    if ((st = gguf_read_string(f->g, "general.name", MAX_TEXT, &name, f->err)) != OK) return st;
    set_name(c, w->path, name);
    mem_free(name);
    if ((st = get_int(f, "block_count", true, CONFIG_MAX_LAYER, &c->n_layer)) != OK ||
        (st = get_int(f, "context_length", true, CONFIG_MAX_CTX, &c->n_ctx)) != OK ||
        (st = get_int(f, "embedding_length", true, INT32_MAX, &c->d_model)) != OK ||
        (st = read_heads(f, c)) != OK || (st = read_experts(f, c)) != OK ||
        (st = get_int(f, "feed_forward_length", !c->n_expert, INT32_MAX, &c->d_ff)) != OK ||
        (st = get_float(f, "attention.layer_norm_rms_epsilon", true, &c->norm_eps)) != OK ||
        (st = get_float(f, "rope.freq_base", false, &c->rope_base)) != OK ||
        (st = read_factors(w, f, c)) != OK || (st = read_no_rope(f, c)) != OK ||
        (st = check_window(f, c)) != OK || (st = check_scale(f, c)) != OK)
        return st;
    return refuse_extras(f);
}

/* ---- vocabulary ---- */

bool gguf_pre_ignores_merges(const char *pre)
{
    static const char *const names[] = { "llama-bpe", "llama3", "llama-v3" };

    for (size_t i = 0; pre && i < sizeof names / sizeof *names; i++)
        if (!strcmp(pre, names[i])) return true;
    return false;
}

static status mismatch(const gguf *g, const char *key, const char *want, errtext *err)
{
    const gguf_value *v = gguf_find(g, key);

    return fail(err, E_FORMAT, "%s: key '%s' at byte %llu is %s of %llu %s, %s expected", g->path,
                key, (unsigned long long)v->offset, gguf_type_name(v->type),
                (unsigned long long)v->n, v->type == GGUF_ARRAY ? gguf_type_name(v->item) : "items",
                want);
}

/* Types and lengths of the arrays, and ids within the vocabulary: what can be
 * said without walking the texts. n_vocab 0 sets no bound. */
static status check_vocab(const gguf *g, int n_vocab, int *n_token, errtext *err)
{
    static const struct { const char *key; gguf_type item; } aligned[] = {
        { "tokenizer.ggml.scores", GGUF_F32 }, { "tokenizer.ggml.token_type", GGUF_I32 },
    };
    const gguf_value *tokens = gguf_find(g, "tokenizer.ggml.tokens"), *v;

    if (!tokens)
        return fail(err, E_FORMAT, "%s: key 'tokenizer.ggml.tokens' is missing", g->path);
    if (tokens->type != GGUF_ARRAY || tokens->item != GGUF_STRING)
        return mismatch(g, "tokenizer.ggml.tokens", "an array of strings", err);
    if (tokens->n < 1 || tokens->n > MAX_TOKENS)
        return fail(err, E_LIMIT, "%s: key 'tokenizer.ggml.tokens' at byte %llu has %llu items, 1 "
                    "to %d expected", g->path, (unsigned long long)tokens->offset,
                    (unsigned long long)tokens->n, MAX_TOKENS);
    if (n_vocab && tokens->n > (uint64_t)n_vocab)
        return fail(err, E_FORMAT, "%s: key 'tokenizer.ggml.tokens' at byte %llu has %llu items, "
                    "but tensor 'token_embd.weight' has %d rows", g->path,
                    (unsigned long long)tokens->offset, (unsigned long long)tokens->n, n_vocab);
    *n_token = (int)tokens->n;
    for (int i = 0; i < 2; i++) {
        char want[64];

        if (!(v = gguf_find(g, aligned[i].key))) continue;
        snprintf(want, sizeof want, "array of %d %s", *n_token, gguf_type_name(aligned[i].item));
        if (v->type != GGUF_ARRAY || v->item != aligned[i].item || v->n != tokens->n)
            return mismatch(g, aligned[i].key, want, err);
    }
    v = gguf_find(g, "tokenizer.ggml.merges");
    if (v && (v->type != GGUF_ARRAY || v->item != GGUF_STRING))
        return mismatch(g, "tokenizer.ggml.merges", "an array of strings", err);
    return OK;
}

static status read_id(const gguf *g, const char *key, int n_token, int32_t *id, errtext *err)
{
    const gguf_value *v = gguf_find(g, key);
    int64_t n = -1;
    status st = gguf_read_int(g, key, INT64_MIN, INT64_MAX, &n, err);

    *id = -1;
    if (st != OK || !v) return st;
    if (n < 0 || n >= n_token)
        return fail(err, E_FORMAT, "%s: key '%s' at byte %llu is %lld, out of range for %d tokens",
                    g->path, key, (unsigned long long)v->offset, (long long)n, n_token);
    *id = (int32_t)n;
    return OK;
}

/* Everything of the spec that is not an array. The texts are owned. */
static status read_facts(const gguf *g, int n_token, vocab_spec *v, char **model, char **pre,
                         errtext *err)
{
    const struct { const char *key; int32_t *id; } ids[] = {
        { "tokenizer.ggml.bos_token_id", &v->bos }, { "tokenizer.ggml.eos_token_id", &v->eos },
        { "tokenizer.ggml.eot_token_id", &v->eot }, { "tokenizer.ggml.unknown_token_id", &v->unk },
        { "tokenizer.ggml.padding_token_id", &v->pad },
    };
    status st;
    bool spm;

    if ((st = gguf_read_string(g, "tokenizer.ggml.model", MAX_TEXT, model, err)) != OK ||
        (st = gguf_read_string(g, "tokenizer.ggml.pre", MAX_TEXT, pre, err)) != OK)
        return st;
    if (!*model) return fail(err, E_FORMAT, "%s: key 'tokenizer.ggml.model' is missing", g->path);
    if (!*pre) *pre = mem_string("default");
    v->model = *model;
    v->pre = *pre;
    v->n_token = n_token;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if ((st = read_id(g, ids[i].key, n_token, ids[i].id, err)) != OK) return st;
    /* What llama.cpp takes for granted where no key says so. */
    spm = !strcmp(*model, "llama");
    v->ignore_merges = gguf_pre_ignores_merges(*pre);
    v->add_bos = spm || v->ignore_merges;
    v->add_space_prefix = spm;
    if ((st = gguf_read_bool(g, "tokenizer.ggml.add_bos_token", &v->add_bos, err)) != OK ||
        (st = gguf_read_bool(g, "tokenizer.ggml.add_space_prefix", &v->add_space_prefix,
                             err)) != OK)
        return st;
    return gguf_read_bool(g, "ponder.ignore_merges", &v->ignore_merges, err);
}

static status make_tokenizer(const gguf *g, tokenizer **out, errtext *err)
{
    vocab_spec v = { 0 };
    token_text *tokens = NULL, *merges = NULL;
    float *scores = NULL;
    int32_t *kinds = NULL;
    char *model = NULL, *pre = NULL;
    int n_token = 0, n = 0;
    status st;

    *out = NULL;
    if ((st = check_vocab(g, 0, &n_token, err)) == OK &&
        (st = read_facts(g, n_token, &v, &model, &pre, err)) == OK &&
        (st = gguf_read_texts(g, "tokenizer.ggml.tokens", &tokens, &n, err)) == OK &&
        (st = gguf_read_texts(g, "tokenizer.ggml.merges", &merges, &v.n_merge, err)) == OK &&
        (st = gguf_read_f32s(g, "tokenizer.ggml.scores", &scores, &n, err)) == OK &&
        (st = gguf_read_i32s(g, "tokenizer.ggml.token_type", &kinds, &n, err)) == OK) {
        v.tokens = tokens;
        v.merges = merges;
        v.scores = scores;
        v.kinds = kinds;
        /* The tokenizer knows tokens, not files. */
        errtext inner = { { 0 } };

        st = tokenizer_new(out, &v, &inner);
        if (st != OK) fail(err, st, "%s: %s", g->path, inner.text);
    }
    mem_free(tokens);
    mem_free(merges);
    mem_free(scores);
    mem_free(kinds);
    mem_free(model);
    mem_free(pre);
    return st;
}

static status weights_make_tokenizer(const weights *w, tokenizer **out, errtext *err)
{
    const source *s = w->source;

    return make_tokenizer(&s->g, out, err);
}

status gguf_tokenizer_only(const char *path, tokenizer **out, errtext *err)
{
    filemap m;
    gguf g;
    status st;

    *out = NULL;
    if ((st = filemap_open(&m, path, err)) != OK) return st;
    if ((st = gguf_init(&g, path, m.data, m.len, err)) == OK) {
        st = make_tokenizer(&g, out, err);
        gguf_fini(&g);
    }
    if (filemap_damaged(&m)) {
        tokenizer_free(*out);
        *out = NULL;
        st = fail(err, E_IO, "%s: the file was cut short while it was read", path);
    }
    filemap_close(&m);
    return st;
}

/* A file without a tokenizer is fine until somebody asks for one; a broken one
 * is not. */
static status check_tokenizer(const weights *w, const gguf *g, errtext *err)
{
    vocab_spec v = { 0 };
    char *model = NULL, *pre = NULL;
    int n_token;
    status st;

    if (!gguf_find(g, "tokenizer.ggml.model")) return OK;
    if ((st = check_vocab(g, w->config.n_vocab, &n_token, err)) == OK)
        st = read_facts(g, n_token, &v, &model, &pre, err);
    mem_free(model);
    mem_free(pre);
    return st;
}

/* ---- tensors, from one file or a split set ---- */

static status add_tensors(weights *w, const gguf *g, errtext *err)
{
    status st = OK;

    for (int i = 0; i < g->n_tensor && st == OK; i++) {
        const gguf_tensor *t = &g->tensors[i];
        char name[256];

        CHECK(t->name.len < sizeof name);
        memcpy(name, t->name.data, t->name.len);
        name[t->name.len] = 0;
        st = weights_add(w, name, t->type, t->n_dim, t->dim, t->data, t->n_bytes, err);
    }
    return st;
}

/* split.no and split.count of a part must be what its name says. */
static status check_part(const gguf *g, int i_part, int n_part, errtext *err)
{
    int64_t no = -1, count = -1;
    status st;

    if ((st = gguf_read_int(g, "split.no", 0, MAX_PARTS, &no, err)) != OK ||
        (st = gguf_read_int(g, "split.count", 0, MAX_PARTS, &count, err)) != OK)
        return st;
    if (no == i_part && count == n_part) return OK;
    return fail(err, E_FORMAT, "%s: part %d of %d expected, but the file's split.no is %lld and "
                "split.count %lld", g->path, i_part + 1, n_part, (long long)no, (long long)count);
}

static status add_part(weights *w, const char *path, int i_part, int n_part, errtext *err)
{
    filemap m;
    gguf g;
    status st;

    if (!file_exists(path))
        return fail(err, E_IO, "%s: part %d of %d is missing", path, i_part + 1, n_part);
    if ((st = weights_map(w, path, &m, err)) != OK) return st;
    if ((st = gguf_init(&g, path, m.data, m.len, err)) != OK) return st;
    if ((st = check_part(&g, i_part, n_part, err)) == OK) st = add_tensors(w, &g, err);
    gguf_fini(&g);
    return st;
}

/* The other files of "NAME-00001-of-00003.gguf". */
static status add_parts(weights *w, const gguf *first, errtext *err)
{
    int64_t count = 0, total = -1;
    size_t len = strlen(w->path), n_tail;
    char tail[32];
    status st;

    if ((st = gguf_read_int(first, "split.count", 0, MAX_PARTS, &count, err)) != OK) return st;
    if (count < 2) return OK;
    if ((st = gguf_read_int(first, "split.tensors.count", 0, INT32_MAX, &total, err)) != OK)
        return st;
    snprintf(tail, sizeof tail, "-00001-of-%05d.gguf", (int)count);
    n_tail = strlen(tail);
    if (len <= n_tail || strcmp(w->path + len - n_tail, tail))
        return fail(err, E_ARG, "%s: one of %d parts; give the first, whose name ends in %s",
                    w->path, (int)count, tail);
    if ((st = check_part(first, 0, (int)count, err)) != OK) return st;
    for (int i = 1; i < (int)count && st == OK; i++) {
        bytes path = { 0 };

        bytes_add(&path, w->path, len - n_tail);
        bytes_add_format(&path, "-%05d-of-%05d.gguf", i + 1, (int)count);
        st = add_part(w, path.data, i, (int)count, err);
        bytes_fini(&path);
    }
    if (st == OK && total >= 0 && total != w->n_item)
        return fail(err, E_FORMAT, "%s: the parts hold %d tensors, split.tensors.count says %lld",
                    w->path, w->n_item, (long long)total);
    return st;
}

status gguf_load(weights *w, const char *path, errtext *err)
{
    source *s = mem_new(sizeof *s);
    fields f = { .g = &s->g, .err = err };
    filemap m;
    status st;

    w->source = s;
    w->free_source = source_free;
    if ((st = weights_map(w, path, &m, err)) != OK ||
        (st = gguf_init(&s->g, w->path, m.data, m.len, err)) != OK)
        return st;
    w->make_tokenizer = weights_make_tokenizer;
    if ((st = add_tensors(w, &s->g, err)) != OK || (st = add_parts(w, &s->g, err)) != OK ||
        (st = gguf_read_string(&s->g, "general.architecture", MAX_TEXT, &f.arch, err)) != OK)
        return st;
    if (!f.arch) return fail(err, E_FORMAT, "%s: key 'general.architecture' is missing", path);
    if ((st = read_config(w, &f)) == OK && (st = check_tokenizer(w, &s->g, err)) == OK)
        st = gguf_read_string(&s->g, "tokenizer.chat_template", MAX_TEMPLATE, &w->chat_template,
                              err);
    mem_free(f.arch);
    return st;
}
