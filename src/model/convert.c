/* convert.c - plan the target's tensors, then stream them.
 *
 * Everything that can be refused is refused while planning, before a byte is
 * written. Source rows keep their order except q and k between the two rotary
 * conventions (config.h, rope_interleaved). */
#include "model/convert.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "model/gguf.h"
#include "model/hf.h"
#include "model/internal.h"
#include "model/llama2c.h"
#include "model/metadata.h"
#include "model/recode.h"
#include "model/safetensors.h"

typedef enum source_kind { FROM_GGUF, FROM_FOLDER, FROM_LLAMA2C } source_kind;

typedef struct convert {
    const convert_options *o;
    weights *w;
    source_kind kind;
    bool to_folder;
    dtype matrix_type;           /* of the target's matrices, for file_type */
    recode *items;
    int n_item, cap_item;
    weight factors;              /* rope_freqs.weight where the source has none */
    pool *pool;
    gguf_writer *gguf;
    safetensors_writer *folder;
    const char *now;             /* tensor on its way */
    uint64_t done, total;        /* bytes */
    struct { dtype want, got; int n; const char *first; } fallback[4];
} convert;

static void note(const convert *c, const char *line)
{
    if (c->o->note) c->o->note(c->o->arg, line);
}

/* ---- the plan ---- */

static bool is_expert(const char *name, const char **part, int number[2])
{
    static const char *const parts[] = { "gate", "up", "down" };
    char pattern[64];

    for (int i = 0; i < 3; i++) {
        snprintf(pattern, sizeof pattern, "blk.#.ffn_%s.#.weight", parts[i]);
        *part = parts[i];
        if (hf_name_match(pattern, name, number)) return true;
    }
    return false;
}

static bool is_stack(const char *name, const char **part, int number[2])
{
    static const char *const parts[] = { "gate", "up", "down" };
    char pattern[64];

    for (int i = 0; i < 3; i++) {
        snprintf(pattern, sizeof pattern, "blk.#.ffn_%s_exps.weight", parts[i]);
        *part = parts[i];
        if (hf_name_match(pattern, name, number)) return true;
    }
    return false;
}

static bool is_router(const char *name)
{
    int number[2];

    return hf_name_match("blk.#.ffn_gate_inp.weight", name, number);
}

/* Add an empty item; the name is copied. */
static recode *plan_item(convert *c, const char *name, int n_part)
{
    recode *r;

    if (c->n_item == c->cap_item) {
        c->cap_item = c->cap_item ? 2 * c->cap_item : 256;
        c->items = mem_resize(c->items, (size_t)c->cap_item, sizeof *c->items);
    }
    r = &c->items[c->n_item++];
    *r = (recode){ .name = mem_string(name), .n_part = n_part, .dim = { 1, 1, 1, 1 } };
    r->parts = mem_array((size_t)n_part, sizeof *r->parts);
    return r;
}

static int64_t rows_of(const weight *t)
{
    return t->dim[1] * t->dim[2] * t->dim[3];
}

/* Rows of q and k change places between the conventions. */
static void plan_order(const convert *c, recode *r, const char *name)
{
    const config *g = &c->w->config;
    bool interleave = !c->to_folder && !g->rope_interleaved &&
                      (g->family == FAMILY_LLAMA || g->family == FAMILY_SMOLLM3);
    bool part = c->to_folder && g->rope_interleaved;
    int number[2];

    if (!interleave && !part) return;
    if (!hf_name_match("blk.#.attn_q.weight", name, number) &&
        !hf_name_match("blk.#.attn_k.weight", name, number))
        return;
    r->order = interleave ? ROWS_INTERLEAVE : ROWS_DEINTERLEAVE;
    r->d_head = g->d_head;
}

/* A matrix type that was asked for but does not fit is replaced, and that is
 * said aloud once for each pair of types. */
static dtype fitting(convert *c, const char *name, int64_t n)
{
    dtype want = c->o->type, got = recode_fitting(want, n);

    for (int i = 0; got != want && i < 4; i++) {
        if (c->fallback[i].n && c->fallback[i].got != got) continue;
        if (!c->fallback[i].n++) {
            c->fallback[i].first = name;
            c->fallback[i].want = want;
            c->fallback[i].got = got;
        }
        break;
    }
    return got;
}

static bool is_quantised(dtype t)
{
    return dtype_block(t) > 1;
}

/* The type of a tensor in the target. */
static dtype target_type(convert *c, const weight *t)
{
    bool small = t->n_dim == 1 || is_router(t->name);

    if (!c->to_folder) {
        if (small) return c->kind == FROM_GGUF ? t->type : DTYPE_F32;
        return c->o->retype ? fitting(c, t->name, t->dim[0]) : t->type;
    }
    if (c->o->retype) return c->o->type;
    if (is_quantised(t->type)) return DTYPE_F32;
    /* F32 norms of a 16-bit model go back to its type where that loses
     * nothing, as they were 16-bit before they came to GGUF. */
    if (small && t->type == DTYPE_F32 && c->matrix_type != DTYPE_F32 &&
        recode_lossless(t, c->matrix_type))
        return c->matrix_type;
    return t->type;
}

static void plan_one(convert *c, const weight *t, const char *name)
{
    recode *r = plan_item(c, name, 1);

    r->parts[0] = t;
    r->type = target_type(c, t);
    r->n_dim = t->n_dim;
    memcpy(r->dim, t->dim, sizeof r->dim);
    r->n_row = rows_of(t);
    plan_order(c, r, t->name);
}

/* All experts of a layer's projection into one tensor. */
static void plan_stack(convert *c, const weight *first, const char *part, int layer)
{
    int n = c->w->config.n_expert;
    char name[HF_MAX_NAME];
    recode *r;

    snprintf(name, sizeof name, "blk.%d.ffn_%s_exps.weight", layer, part);
    r = plan_item(c, name, n);
    r->type = target_type(c, first);
    for (int e = 0; e < n; e++) {
        snprintf(name, sizeof name, "blk.%d.ffn_%s.%d.weight", layer, part, e);
        r->parts[e] = weights_find(c->w, name);
        CHECK(r->parts[e]);
        if (!c->o->retype && r->parts[e]->type != r->type) r->type = DTYPE_F32;
    }
    r->n_dim = 3;
    r->dim[0] = first->dim[0];
    r->dim[1] = r->n_row = first->dim[1];
    r->dim[2] = n;
}

static status hf_name(const convert *c, char out[HF_MAX_NAME], const char *name, errtext *err)
{
    const char *dot = strrchr(name, '.');
    bool bias = dot && !strcmp(dot, ".bias");

    if (hf_name_from_gguf(out, name) && (!bias || c->w->config.family == FAMILY_QWEN2))
        return OK;
    return fail(err, E_UNSUPPORTED, "%s: tensor %s has no place in a folder of a %s model",
                c->w->path, name, family_name(c->w->config.family));
}

/* One tensor into one an expert. */
static status plan_experts(convert *c, const weight *t, const char *part, int layer,
                           errtext *err)
{
    for (int e = 0; e < (int)t->dim[2]; e++) {
        char name[HF_MAX_NAME], hf[HF_MAX_NAME];
        recode *r;
        status st;

        snprintf(name, sizeof name, "blk.%d.ffn_%s.%d.weight", layer, part, e);
        if ((st = hf_name(c, hf, name, err)) != OK) return st;
        r = plan_item(c, hf, 1);
        r->parts[0] = t;
        r->type = target_type(c, t);
        r->n_dim = 2;
        r->dim[0] = t->dim[0];
        r->dim[1] = r->n_row = t->dim[1];
        r->first_row = e * t->dim[1];
    }
    return OK;
}

/* Llama 3's divisors are a tensor in GGUF. */
static void plan_factors(convert *c)
{
    const config *g = &c->w->config;

    if (c->kind == FROM_GGUF || metadata_one_factor(g)) return;
    c->factors = (weight){ .name = "rope_freqs.weight", .type = DTYPE_F32, .n_dim = 1,
                           .dim = { g->d_head / 2, 1, 1, 1 }, .data = g->rope_factors,
                           .n_bytes = (size_t)g->d_head / 2 * 4 };
    plan_one(c, &c->factors, "rope_freqs.weight");
    if (g->family != FAMILY_LLAMA)
        note(c, "llama.cpp reads rope_freqs.weight in llama models only");
}

static status plan(convert *c, errtext *err)
{
    const weight *embd = weights_find(c->w, "token_embd.weight");
    status st = OK;

    CHECK(embd);
    c->matrix_type = c->o->retype ? c->o->type : embd->type;
    if (c->to_folder && is_quantised(c->matrix_type)) c->matrix_type = DTYPE_F32;
    for (int i = 0; i < weights_count(c->w) && st == OK; i++) {
        const weight *t = weights_at(c->w, i);
        const char *part;
        char name[HF_MAX_NAME];
        int number[2];

        if (c->w->config.tied && !strcmp(t->name, "output.weight")) continue;
        if (!c->to_folder) {
            if (!is_expert(t->name, &part, number)) plan_one(c, t, t->name);
            else if (number[1] == 0) plan_stack(c, t, part, number[0]);
        } else if (is_stack(t->name, &part, number)) {
            st = plan_experts(c, t, part, number[0], err);
        } else if (strcmp(t->name, "rope_freqs.weight")) {
            if ((st = hf_name(c, name, t->name, err)) == OK) plan_one(c, t, name);
        }
    }
    if (!c->to_folder) plan_factors(c);
    for (int i = 0; i < c->n_item; i++) c->total += recode_bytes(&c->items[i]);
    return st;
}

static void say_fallbacks(const convert *c)
{
    for (int i = 0; i < 4 && c->fallback[i].n; i++) {
        char line[256];

        snprintf(line, sizeof line, "%d tensors (first %s) have rows that are not whole blocks of "
                 "%s and become %s", c->fallback[i].n, c->fallback[i].first,
                 dtype_name(c->fallback[i].want), dtype_name(c->fallback[i].got));
        note(c, line);
    }
}

static void say_losses(const convert *c)
{
    const weight *t = weights_find(c->w, "blk.0.attn_v.weight");

    if (!is_quantised(t->type)) return;
    if (c->o->retype && c->o->type != t->type && is_quantised(c->o->type))
        note(c, "the source is quantised already; quantising it again adds to its error");
    if (c->to_folder && !c->o->retype)
        note(c, "quantised tensors become F32; --type BF16 or F16 halves the folder");
}

/* ---- the stream ---- */

static status take_bytes(void *arg, const void *data, size_t len, errtext *err)
{
    convert *c = arg;

    if (c->o->progress && !c->o->progress(c->o->arg, c->now, c->done, c->total))
        return fail(err, E_INTERRUPTED, "stopped at tensor %s", c->now);
    c->done += len;
    return c->gguf ? gguf_writer_write(c->gguf, data, len, err)
                   : safetensors_writer_write(c->folder, data, len, err);
}

static status stream(convert *c, errtext *err)
{
    status st = OK;

    for (int i = 0; i < c->n_item && st == OK; i++) {
        const recode *r = &c->items[i];
        errtext inner = { "" };

        c->now = r->name;
        st = recode_run(r, c->pool, take_bytes, c, &inner);
        if (st == E_FORMAT) fail(err, st, "%s: %s", c->w->path, inner.text);
        else if (st != OK) fail(err, st, "%s", inner.text);
        for (int k = 0; k < r->n_part; k++) weights_release(c->w, r->parts[k]);
    }
    if (st == OK && c->o->progress && !c->o->progress(c->o->arg, "", c->done, c->total))
        st = fail(err, E_INTERRUPTED, "stopped at the end");
    return st == OK ? weights_intact(c->w, err) : st;
}

/* ---- into GGUF ---- */

static status write_gguf(convert *c, const char *dst, errtext *err)
{
    status st;

    c->gguf = gguf_writer_new();
    st = metadata_write(c->gguf, c->w, c->matrix_type, c->kind == FROM_GGUF && !c->o->retype, err);
    for (int i = 0; i < c->n_item; i++)
        gguf_writer_add_tensor(c->gguf, c->items[i].name, c->items[i].type, c->items[i].n_dim,
                               c->items[i].dim);
    if (st == OK) st = gguf_writer_begin(c->gguf, dst, err);
    if (st == OK) st = stream(c, err);
    if (st == OK) st = gguf_writer_finish(c->gguf, err);
    gguf_writer_free(c->gguf);
    c->gguf = NULL;
    return st;
}

/* ---- into a folder ---- */

static const char *const folder_files[] = {
    "config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json",
    "special_tokens_map.json", "chat_template.jinja", "model.safetensors",
};

#define N_FOLDER_FILE ((int)(sizeof folder_files / sizeof *folder_files))

static void remove_folder(const char *dir)
{
    for (int i = 0; i < N_FOLDER_FILE; i++) {
        bytes path = { 0 };

        bytes_add_format(&path, "%s/%s", dir, folder_files[i]);
        unlink(path.data);
        bytes_add_string(&path, ".tmp");
        unlink(path.data);
        bytes_fini(&path);
    }
    rmdir(dir);
}

static status put_json(const char *dir, const char *name, json_t *json, errtext *err)
{
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    bytes path = { 0 };
    status st;

    CHECK(text);
    bytes_add_format(&path, "%s/%s", dir, name);
    st = file_replace(path.data, text, strlen(text), err);
    free(text);
    json_decref(json);
    bytes_fini(&path);
    return st;
}

/* The type that transformers computes in: that of all tensors, or the widest. */
static const char *torch_dtype(const convert *c)
{
    dtype t = c->items[0].type;

    for (int i = 1; i < c->n_item; i++)
        if (c->items[i].type != t) t = DTYPE_F32;
    return t == DTYPE_BF16 ? "bfloat16" : t == DTYPE_F16 ? "float16" : "float32";
}

static status put_tokenizer(const convert *c, const vocab_spec *v, const char *dir, errtext *err)
{
    const char *chat = c->w->chat_template;
    size_t n_chat = chat ? strlen(chat) : 0, n_good = chat ? utf8_valid_prefix(chat, n_chat) : 0;
    json_t *json, *ends;
    status st;

    if (n_good < n_chat)
        return fail(err, E_FORMAT, "%s: chat template: byte %zu is not UTF-8", c->w->path,
                    n_good);
    st = hf_tokenizer_write(&json, v, c->w->path, err);

    if (st == OK) st = put_json(dir, "tokenizer.json", json, err);
    if (st == OK) {
        json = hf_tokenizer_config(v, c->w->config.n_ctx, chat);
        st = put_json(dir, "tokenizer_config.json", json, err);
    }
    if (st != OK || v->eos < 0) return st;
    ends = json_pack("[i]", v->eos);
    if (v->eot >= 0 && v->eot != v->eos) json_array_append_new(ends, json_integer(v->eot));
    return put_json(dir, "generation_config.json", json_pack("{s:o}", "eos_token_id", ends), err);
}

/* From a folder the tokenizer's files come along as they are. */
static status copy_tokenizer(const convert *c, const char *dir, errtext *err)
{
    status st = OK;

    for (int i = 1; i < N_FOLDER_FILE - 1 && st == OK; i++) {
        bytes from = { 0 }, to = { 0 }, data = { 0 };

        bytes_add_format(&from, "%s/%s", c->w->path, folder_files[i]);
        bytes_add_format(&to, "%s/%s", dir, folder_files[i]);
        if (file_exists(from.data)) {
            st = file_read(&data, from.data, (size_t)1 << 28, err);
            if (st == OK) st = file_replace(to.data, data.data, data.len, err);
        }
        bytes_fini(&from);
        bytes_fini(&to);
        bytes_fini(&data);
    }
    return st;
}

static status put_descriptions(const convert *c, const char *dir, errtext *err)
{
    tokenizer *tok;
    const vocab_spec *v;
    json_t *json;
    errtext inner = { "" };
    status st = weights_tokenizer(c->w, &tok, err);

    if (st != OK) return st;
    v = tokenizer_spec(tok);
    if (v->n_token > c->w->config.n_vocab)
        st = fail(err, E_FORMAT, "%s: the tokenizer has %d tokens, the embedding %d rows",
                  c->w->path, v->n_token, c->w->config.n_vocab);
    if (st == OK) {
        st = hf_config_write(&json, &c->w->config, torch_dtype(c), v->bos, v->eos, v->pad,
                             &inner);
        if (st != OK) fail(err, st, "%s: %s", c->w->path, inner.text);
    }
    if (st == OK) st = put_json(dir, "config.json", json, err);
    if (st == OK)
        st = c->kind == FROM_FOLDER ? copy_tokenizer(c, dir, err) : put_tokenizer(c, v, dir, err);
    tokenizer_free(tok);
    return st;
}

static status put_weights(convert *c, const char *dir, errtext *err)
{
    bytes path = { 0 };
    status st;

    bytes_add_format(&path, "%s/model.safetensors", dir);
    c->folder = safetensors_writer_new();
    for (int i = 0; i < c->n_item; i++) {
        const recode *r = &c->items[i];
        int64_t dim[4];

        for (int k = 0; k < r->n_dim; k++) dim[k] = r->dim[r->n_dim - 1 - k];
        safetensors_writer_add(c->folder, r->name, r->type, r->n_dim, dim);
    }
    st = safetensors_writer_begin(c->folder, path.data, err);
    if (st == OK) st = stream(c, err);
    if (st == OK) st = safetensors_writer_finish(c->folder, err);
    safetensors_writer_free(c->folder);
    c->folder = NULL;
    bytes_fini(&path);
    return st;
}

/* Built beside its place under another name, then moved: a folder is whole or
 * not there. */
static status write_folder(convert *c, const char *dst, errtext *err)
{
    bytes dir = { 0 }, temp = { 0 };
    status st;

    bytes_add_string(&dir, dst);
    while (dir.len > 1 && dir.data[dir.len - 1] == '/') dir.data[--dir.len] = 0;
    bytes_add_format(&temp, "%s.tmp", dir.data);
    if (file_exists(dir.data)) {
        st = fail(err, E_ARG, "%s: is there already", dir.data);
    } else {
        remove_folder(temp.data);        /* of a run that was killed */
        st = mkdir(temp.data, 0777) ? fail(err, E_IO, "%s: %s", temp.data, strerror(errno)) : OK;
        if (st == OK) {
            st = put_descriptions(c, temp.data, err);
            if (st == OK) st = put_weights(c, temp.data, err);
            if (st == OK && rename(temp.data, dir.data))
                st = fail(err, E_IO, "%s: %s", dir.data, strerror(errno));
            if (st != OK) remove_folder(temp.data);
        }
        if (st == OK) st = file_sync_parent(dir.data, err);
    }
    bytes_fini(&dir);
    bytes_fini(&temp);
    return st;
}

/* ---- all of it ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

static status open_source(convert *c, const char *src, errtext *err)
{
    struct stat info;

    if (c->o->llama2c_tokenizer) {
        c->kind = FROM_LLAMA2C;
        return llama2c_open(&c->w, src, c->o->llama2c_tokenizer, err);
    }
    if (!stat(src, &info) && S_ISDIR(info.st_mode)) c->kind = FROM_FOLDER;
    else if (ends_with(src, ".bin"))
        return fail(err, E_ARG, "%s: a llama2.c checkpoint needs its tokenizer file (--tokenizer)",
                    src);
    return weights_open(&c->w, src, err);
}

status convert_model(const char *src, const char *dst, const convert_options *o, errtext *err)
{
    convert c = { .o = o, .to_folder = !ends_with(dst, ".gguf") };
    status st;

    if (c.to_folder && o->retype && is_quantised(o->type))
        return fail(err, E_ARG, "type %s: a folder holds F32, F16 or BF16", dtype_name(o->type));
    st = open_source(&c, src, err);
    if (st == OK) st = plan(&c, err);
    if (st == OK) {
        say_fallbacks(&c);
        say_losses(&c);
        c.pool = pool_new(o->n_thread > 0 ? o->n_thread : cpu_count());
        st = c.to_folder ? write_folder(&c, dst, err) : write_gguf(&c, dst, err);
        pool_free(c.pool);
    }
    for (int i = 0; i < c.n_item; i++) {
        mem_free((char *)c.items[i].name);
        mem_free(c.items[i].parts);
    }
    mem_free(c.items);
    weights_close(c.w);
    return st;
}
