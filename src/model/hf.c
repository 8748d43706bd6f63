/* hf.c - a Hugging Face folder as weights.
 *
 * config.json says what the model is, one or more safetensors files hold it.
 * Tensors get their GGUF names; rows stay as they are (rope_interleaved is
 * false). A tensor of an unknown name is refused: left out in silence it would
 * change the answers. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "model/hf.h"
#include "model/internal.h"
#include "model/jsonfile.h"
#include "model/safetensors.h"

#define MAX_CONFIG (4 << 20)
#define MAX_INDEX (64 << 20)
#define MAX_TOKENIZER_CONFIG (16 << 20)
#define MAX_TEMPLATE (1 << 20)

/* What outlives hf_load: copies of tensors that lie unaligned in their file
 * (headers written before the format asked for padding). */
typedef struct source {
    void **copies;
    int n_copy;
} source;

static void free_source(void *p)
{
    source *s = p;

    for (int i = 0; i < s->n_copy; i++) mem_free(s->copies[i]);
    mem_free(s->copies);
    mem_free(s);
}

static char *path_in(const char *dir, const char *name)
{
    bytes b = { 0 };

    bytes_add_format(&b, "%s/%s", dir, name);
    return bytes_take(&b);
}

/* ---- which files ---- */

static bool path_under(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return !strncmp(path, dir, n) && path[n] == '/';
}

/* True when PATH, symbolic links followed, lies in DIR or, where DIR is a
 * snapshot of the hub's cache (REPO/snapshots/REVISION), in REPO/blobs. */
static bool stays_inside(const char *path, const char *dir)
{
    char real[PATH_MAX], home[PATH_MAX];
    char *slash;

    if (!realpath(path, real) || !realpath(dir, home)) return true;   /* opening will tell */
    if (path_under(real, home)) return true;
    if (!(slash = strrchr(home, '/'))) return false;
    *slash = 0;
    if (!(slash = strrchr(home, '/')) || strcmp(slash, "/snapshots")) return false;
    if ((size_t)(slash - home) + sizeof "/blobs" > sizeof home) return false;
    strcpy(slash, "/blobs");
    return path_under(real, home);
}

/* Full path of a weight file that lies in the folder; caller frees *out. */
static status weight_path(char **out, const char *dir, const char *name, const char *where,
                          errtext *err)
{
    char shown[NAME_SHOWN];

    *out = NULL;
    name_show(name, strlen(name), shown);
    if (!*name || strlen(name) > 255 || strchr(name, '/') || !strcmp(name, ".") ||
        !strcmp(name, ".."))
        return fail(err, E_FORMAT, "%s: weight_map: '%s' is no name of a file in this folder",
                    where, shown);
    *out = path_in(dir, name);
    if (stays_inside(*out, dir)) return OK;
    mem_free(*out);
    *out = NULL;
    return fail(err, E_FORMAT, "%s: '%s' is a link that leads out of the folder", dir, shown);
}

/* ---- tensors ---- */

/* Data at the alignment of its type: a view, or a copy where the file has it
 * elsewhere. */
static const void *aligned(source *src, const safetensor *t)
{
    if ((uintptr_t)t->data % (t->type == DTYPE_F32 ? 4 : 2) == 0) return t->data;
    src->copies = mem_resize(src->copies, (size_t)src->n_copy + 1, sizeof *src->copies);
    src->copies[src->n_copy] = mem_copy(t->data, t->n_bytes);
    return src->copies[src->n_copy++];
}

/* Experts of a layer in one tensor (transformers 5): gate_up_proj is [expert,
 * gate rows then up rows, d_model], down_proj [expert, d_model, d_ff_expert].
 * Every expert's matrix is a run of whole rows, so a view serves. */
static status add_fused(weights *w, const safetensor *t, int layer, bool down, errtext *err)
{
    const config *c = &w->config;
    int64_t in = down ? c->d_ff_expert : c->d_model, out = down ? c->d_model : c->d_ff_expert;
    int64_t dim[2] = { in, out };
    int n_part = down ? 1 : 2;
    const uint8_t *p = aligned(w->source, t);
    uint64_t n_bytes;

    if (t->n_dim != 3 || t->dim[0] != c->n_expert || t->dim[1] != n_part * out || t->dim[2] != in)
        return fail(err, E_FORMAT, "%s: tensor %s: expected shape [%d, %lld, %lld]", w->path,
                    t->name, c->n_expert, (long long)(n_part * out), (long long)in);
    n_bytes = t->n_bytes / (uint64_t)(n_part * c->n_expert);
    for (int e = 0; e < c->n_expert; e++)
        for (int part = 0; part < n_part; part++, p += n_bytes) {
            char name[HF_MAX_NAME];
            status st;

            snprintf(name, sizeof name, "blk.%d.ffn_%s.%d.weight", layer,
                     down ? "down" : part ? "up" : "gate", e);
            if ((st = weights_add(w, name, t->type, 2, dim, p, n_bytes, err)) != OK) return st;
        }
    return OK;
}

static status add_tensor(weights *w, const safetensor *t, errtext *err)
{
    static const char *const ignored[] = {   /* computed again by every reader */
        "model.layers.#.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq",
    };
    char name[HF_MAX_NAME], shown[NAME_SHOWN];
    int64_t dim[4];
    int number[2];
    bool up, down;

    name_show(t->name, strlen(t->name), shown);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (hf_name_match(ignored[i], t->name, number)) return OK;
    up = hf_name_match("model.layers.#.mlp.experts.gate_up_proj", t->name, number);
    down = !up && hf_name_match("model.layers.#.mlp.experts.down_proj", t->name, number);
    if (!up && !down && !hf_name_to_gguf(name, t->name))
        return fail(err, E_UNSUPPORTED, "%s: tensor %s: no place for it in a %s model", w->path,
                    shown, family_name(w->config.family));
    if (!t->usable)
        return fail(err, E_UNSUPPORTED, "%s: tensor %s: dtype %s is not supported (F32, F16 and "
                    "BF16 are)", w->path, shown, t->dtype);
    if (up || down) return add_fused(w, t, number[0], down, err);
    if (t->n_dim < 1 || t->n_dim > 4)
        return fail(err, E_FORMAT, "%s: tensor %s: %d dimensions", w->path, shown, t->n_dim);
    for (int i = 0; i < t->n_dim; i++) dim[i] = t->dim[t->n_dim - 1 - i];
    return weights_add(w, name, t->type, t->n_dim, dim, aligned(w->source, t), t->n_bytes, err);
}

/* One file. Where there is an index, `map` says which file holds which tensor;
 * an entry that was found turns null. */
static status load_file(weights *w, const char *dir, const char *name, const char *where,
                        json_t *map, errtext *err)
{
    safetensors s = { 0 };
    filemap m;
    char *path;
    status st = weight_path(&path, dir, name, where, err);

    if (st == OK) st = weights_map(w, path, &m, err);
    if (st == OK) st = safetensors_init(&s, path, m.data, m.len, err);
    for (int i = 0; i < s.n_item && st == OK; i++) {
        const safetensor *t = &s.items[i];
        const json_t *listed = map ? json_object_get(map, t->name) : NULL;
        char shown[NAME_SHOWN];

        if (map && !listed) continue;
        if (map && (json_is_null(listed) || strcmp(json_string_value(listed), name)))
            st = fail(err, E_FORMAT, "%s: tensor %s is in %s, the index says elsewhere", where,
                      name_show(t->name, strlen(t->name), shown), name);
        else st = add_tensor(w, t, err);
        if (map && st == OK) json_object_set_new(map, t->name, json_null());
    }
    safetensors_fini(&s);
    mem_free(path);
    return st;
}

static status load_shards(weights *w, const char *dir, const char *index, errtext *err)
{
    json_t *json = NULL, *map, *files = json_object(), *value;
    const char *key;
    char shown[NAME_SHOWN];
    status st = jsonfile_read(&json, index, MAX_INDEX, false, err);

    map = json_object_get(json, "weight_map");
    if (st == OK && !json_is_object(map))
        st = fail(err, E_FORMAT, "%s: weight_map: expected an object", index);
    if (st == OK) json_object_foreach(map, key, value) {
        if (!json_is_string(value)) {
            st = fail(err, E_FORMAT, "%s: weight_map: %s: expected a file name", index,
                      name_show(key, strlen(key), shown));
            break;
        }
        json_object_set_new(files, json_string_value(value), json_true());
    }
    if (st == OK) json_object_foreach(files, key, value) {
        st = load_file(w, dir, key, index, map, err);
        if (st != OK) break;
    }
    if (st == OK) json_object_foreach(map, key, value) {
        if (json_is_null(value)) continue;
        st = fail(err, E_FORMAT, "%s: tensor %s is not in %s", index,
                  name_show(key, strlen(key), shown), json_string_value(value));
        break;
    }
    json_decref(files);
    json_decref(json);
    return st;
}

/* Both a tied configuration and an output matrix: transformers ties them only
 * when they hold the same values, and so do we. The matrix stays listed when
 * it is used. */
static status settle_output(weights *w, errtext *err)
{
    const weight *embd = weights_find(w, "token_embd.weight");
    const weight *out = weights_find(w, "output.weight");

    if (!out && !w->config.tied)
        return fail(err, E_FORMAT, "%s: lm_head.weight is missing and tie_word_embeddings is "
                    "false", w->path);
    if (out && w->config.tied)
        w->config.tied = embd && embd->type == out->type && embd->n_bytes == out->n_bytes &&
                         !memcmp(embd->data, out->data, out->n_bytes);
    return OK;
}

static status load_weights(weights *w, const char *dir, errtext *err)
{
    char *one = path_in(dir, "model.safetensors");
    char *index = path_in(dir, "model.safetensors.index.json");
    char *pickle = path_in(dir, "pytorch_model.bin");
    status st;

    if (file_exists(one)) st = load_file(w, dir, "model.safetensors", dir, NULL, err);
    else if (file_exists(index)) st = load_shards(w, dir, index, err);
    else if (file_exists(pickle))
        st = fail(err, E_UNSUPPORTED, "%s: pytorch_model.bin is a pickle, which may run code and "
                  "is never read; safetensors are needed", dir);
    else st = fail(err, E_IO, "%s: neither model.safetensors nor model.safetensors.index.json",
                   dir);
    if (st == OK) st = settle_output(w, err);
    mem_free(one);
    mem_free(index);
    mem_free(pickle);
    return st;
}

/* ---- the rest of the folder ---- */

/* The folder's own name, or "model" where it has none to show. */
static void set_name(config *c, const char *dir)
{
    char real[PATH_MAX];
    const char *base = realpath(dir, real) ? strrchr(real, '/') : NULL;

    snprintf(c->name, sizeof c->name, "%.*s", (int)sizeof c->name - 1,
             base && base[1] ? base + 1 : "model");
}

/* tokenizer_config.json holds one template, or a list of them by name of which
 * "default" counts. */
static status template_in_config(weights *w, const char *path, errtext *err)
{
    json_t *json, *found;
    size_t i;
    json_t *item;
    status st = jsonfile_read(&json, path, MAX_TOKENIZER_CONFIG, true, err);

    if (st != OK) return st;
    found = json_object_get(json, "chat_template");
    if (json_is_array(found)) {
        const json_t *list = found;

        found = NULL;
        json_array_foreach(list, i, item) {
            const char *name = json_string_value(json_object_get(item, "name"));

            if (!name || strcmp(name, "default")) continue;
            found = json_object_get(item, "template");
        }
    }
    if (json_is_string(found)) {
        if (json_string_length(found) > MAX_TEMPLATE)
            st = fail(err, E_LIMIT, "%s: chat_template: longer than %d bytes", path, MAX_TEMPLATE);
        else
            w->chat_template = mem_string(json_string_value(found));
    } else if (found && !json_is_null(found)) {
        st = fail(err, E_FORMAT, "%s: chat_template: expected a text", path);
    }
    json_decref(json);
    return st;
}

/* transformers 5 keeps the template in a file of its own, which goes first. */
static status load_template(weights *w, const char *dir, errtext *err)
{
    char *jinja = path_in(dir, "chat_template.jinja");
    char *settings = path_in(dir, "tokenizer_config.json");
    bytes text = { 0 };
    status st = OK;

    if (file_exists(jinja)) {
        st = file_read(&text, jinja, MAX_TEMPLATE, err);
        if (st == OK) w->chat_template = bytes_take(&text);
    } else if (file_exists(settings)) {
        st = template_in_config(w, settings, err);
    }
    bytes_fini(&text);
    mem_free(jinja);
    mem_free(settings);
    return st;
}

static status make_tokenizer(const weights *w, tokenizer **out, errtext *err)
{
    char *path = path_in(w->path, "tokenizer.json");
    status st = tokenizer_open(out, path, err);

    mem_free(path);
    return st;
}

status hf_load(weights *w, const char *dir, errtext *err)
{
    char *path = path_in(dir, "config.json");
    json_t *json;
    status st = jsonfile_read(&json, path, MAX_CONFIG, false, err);

    w->source = mem_new(sizeof(source));
    w->free_source = free_source;
    w->make_tokenizer = make_tokenizer;
    if (st == OK) st = hf_config_parse(&w->config, json, path, err);
    set_name(&w->config, dir);
    if (st == OK) st = config_check(&w->config, path, err);
    if (st == OK) st = load_weights(w, dir, err);
    if (st == OK) st = load_template(w, dir, err);
    json_decref(json);
    mem_free(path);
    return st;
}
