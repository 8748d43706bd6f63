/* hf_config.c - config.json of transformers, read and written.
 *
 * Defaults are those of the configuration classes of transformers 5
 * (configuration_llama.py and so on). What would change the computation and is
 * not done here is refused by its field's name: silence would give wrong
 * answers, not an error. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/hf.h"
#include "model/jsonfile.h"

#define MAX_WIDTH (1 << 20)

static const struct kind {
    family family;
    const char *architecture, *model_type;
    double rope_theta;
    bool tied;
} kinds[] = {
    { FAMILY_LLAMA, "LlamaForCausalLM", "llama", 1e4, false },
    { FAMILY_QWEN2, "Qwen2ForCausalLM", "qwen2", 1e4, false },
    { FAMILY_QWEN3, "Qwen3ForCausalLM", "qwen3", 1e4, false },
    { FAMILY_QWEN3_MOE, "Qwen3MoeForCausalLM", "qwen3_moe", 1e4, false },
    { FAMILY_SMOLLM3, "SmolLM3ForCausalLM", "smollm3", 2e6, true },
};

#define N_KIND (sizeof kinds / sizeof *kinds)

static status find_kind(const struct kind **out, const json_t *json, const char *where,
                        errtext *err)
{
    const json_t *list = json_object_get(json, "architectures");
    const char *name = json_string_value(json_array_get(list, 0));

    *out = NULL;
    if (!name && jsonfile_has(json, "architectures"))
        return fail(err, E_FORMAT, "%s: architectures: expected a list of texts", where);
    if (!name) return fail(err, E_FORMAT, "%s: architectures: missing", where);
    for (size_t i = 0; i < N_KIND; i++)
        if (!strcmp(kinds[i].architecture, name)) *out = &kinds[i];
    if (*out) return OK;
    return fail(err, E_UNSUPPORTED, "%s: architectures: %.80s is not one of LlamaForCausalLM, "
                "Qwen2ForCausalLM, Qwen3ForCausalLM, Qwen3MoeForCausalLM, SmolLM3ForCausalLM",
                where, name);
}

/* A number of at least 1 that must be there. */
typedef struct needed {
    const char *key;
    int64_t high;
    int *out;
} needed;

static status need_ints(const json_t *json, const needed *list, size_t n, const char *where,
                        errtext *err)
{
    status st = OK;

    for (size_t i = 0; i < n && st == OK; i++) {
        if (!jsonfile_has(json, list[i].key))
            return fail(err, E_FORMAT, "%s: %s: missing", where, list[i].key);
        st = jsonfile_int(json, list[i].key, 1, list[i].high, list[i].out, where, err);
    }
    return st;
}

static status refuse_true(const json_t *json, const char *key, const char *where, errtext *err)
{
    bool value = false;
    status st = jsonfile_bool(json, key, &value, where, err);

    if (st != OK || !value) return st;
    return fail(err, E_UNSUPPORTED, "%s: %s: true is not supported", where, key);
}

/* Attention over a window is in use where layer_types says so or, in files
 * without it, where use_sliding_window does and some layer is above
 * max_window_layers (qwen2 and qwen3; the others know no such bound). */
static status refuse_window(const config *c, const json_t *json, const char *where,
                            errtext *err)
{
    const json_t *types = json_object_get(json, "layer_types");
    bool use = false;
    int first = 28;          /* max_window_layers, by default */
    status st;

    if (types && !json_is_null(types)) {
        if (!json_is_array(types))
            return fail(err, E_FORMAT, "%s: layer_types: expected a list", where);
        for (size_t i = 0; i < json_array_size(types); i++) {
            const char *type = json_string_value(json_array_get(types, i));

            if (!type)
                return fail(err, E_FORMAT, "%s: layer_types[%zu]: expected a text", where, i);
            if (strcmp(type, "full_attention"))
                return fail(err, E_UNSUPPORTED, "%s: layer_types[%zu]: %.40s is not supported",
                            where, i, type);
        }
        return OK;
    }
    if ((st = jsonfile_bool(json, "use_sliding_window", &use, where, err)) != OK) return st;
    if (!use || !jsonfile_has(json, "sliding_window")) return OK;
    if (c->family == FAMILY_QWEN2 || c->family == FAMILY_QWEN3)
        st = jsonfile_int(json, "max_window_layers", 0, INT32_MAX, &first, where, err);
    else first = 0;
    if (st != OK) return st;
    if (first >= c->n_layer) return OK;
    return fail(err, E_UNSUPPORTED, "%s: use_sliding_window: attention over a window is not "
                "supported", where);
}

static status refuse_extras(const config *c, const json_t *json, const char *where,
                            errtext *err)
{
    static const char *const biases[] = { "attention_bias", "mlp_bias" };
    const char *act = "silu";
    double rotary = 1;
    status st;

    if (jsonfile_has(json, "quantization_config") || jsonfile_has(json, "compression_config"))
        return fail(err, E_UNSUPPORTED, "%s: quantization_config: quantised weights in "
                    "safetensors are not supported", where);
    if ((st = jsonfile_text(json, "hidden_act", &act, where, err)) != OK) return st;
    if (strcmp(act, "silu"))
        return fail(err, E_UNSUPPORTED, "%s: hidden_act: %.40s is not supported", where, act);
    if ((st = jsonfile_float(json, "partial_rotary_factor", 0, 1, &rotary, where, err)) != OK)
        return st;
    if (rotary != 1)
        return fail(err, E_UNSUPPORTED, "%s: partial_rotary_factor: %g is not supported", where,
                    rotary);
    for (size_t i = 0; i < sizeof biases / sizeof *biases; i++)
        if ((st = refuse_true(json, biases[i], where, err)) != OK) return st;
    return refuse_window(c, json, where, err);
}

/* Frequency divisors of "llama3" scaling, by the formula published with Llama
 * 3.1: long wavelengths are divided by factor, short ones kept, those between
 * old/high and old/low blended. */
static float llama3_factor(int i, int d_head, double base, double factor, double low,
                           double high, double old)
{
    double wavelength = 2 * M_PI * pow(base, 2.0 * i / d_head);
    double smooth;

    if (wavelength < old / high) return 1;
    if (wavelength > old / low) return (float)factor;
    smooth = (old / wavelength - low) / (high - low);
    return (float)(1 / ((1 - smooth) / factor + smooth));
}

static status llama3_read(config *c, const json_t *rope, const char *where, errtext *err)
{
    double factor = 0, low = 0, high = 0, old = c->n_ctx;
    const struct { const char *key; double *value; double least; } fields[] = {
        { "factor", &factor, 1 }, { "low_freq_factor", &low, 1e-6 },
        { "high_freq_factor", &high, 1e-6 }, { "original_max_position_embeddings", &old, 1 },
    };

    for (int i = 0; i < 4; i++) {
        status st = jsonfile_float(rope, fields[i].key, fields[i].least, 1e9, fields[i].value,
                                   where, err);

        if (st != OK) return st;
        if (*fields[i].value == 0)
            return fail(err, E_FORMAT, "%s: %s: missing", where, fields[i].key);
    }
    if (high <= low)
        return fail(err, E_FORMAT, "%s: high_freq_factor: %g is not above low_freq_factor %g",
                    where, high, low);
    for (int i = 0; i < c->d_head / 2; i++)
        c->rope_factors[i] = llama3_factor(i, c->d_head, c->rope_base, factor, low, high, old);
    return OK;
}

static status read_rope(config *c, const json_t *json, const struct kind *k, const char *where,
                        errtext *err)
{
    const json_t *rope = json_object_get(json, "rope_parameters"), *value;
    const char *type = NULL, *key, *field = "rope_parameters";
    double base = k->rope_theta, rotary = 1, factor = 0;
    char at[400];
    status st;

    if (!rope || json_is_null(rope)) {
        rope = json_object_get(json, "rope_scaling");
        field = "rope_scaling";
    }
    snprintf(at, sizeof at, "%.360s: %s", where, field);
    if (rope && !json_is_null(rope) && !json_is_object(rope))
        return fail(err, E_FORMAT, "%s: expected an object", at);
    if ((st = jsonfile_float(json, "rope_theta", 1, 1e12, &base, where, err)) != OK) return st;
    if ((st = jsonfile_float(rope, "rope_theta", 1, 1e12, &base, at, err)) != OK) return st;
    c->rope_base = (float)base;
    for (int i = 0; i < c->d_head / 2; i++) c->rope_factors[i] = 1;
    json_object_foreach((json_t *)rope, key, value)
        if (json_is_object(value))
            return fail(err, E_UNSUPPORTED, "%s: %.40s: parameters by layer type are not "
                        "supported", at, key);
    if ((st = jsonfile_text(rope, "type", &type, at, err)) != OK) return st;
    if ((st = jsonfile_text(rope, "rope_type", &type, at, err)) != OK) return st;
    if ((st = jsonfile_float(rope, "partial_rotary_factor", 0, 1, &rotary, at, err)) != OK)
        return st;
    if (rotary != 1)
        return fail(err, E_UNSUPPORTED, "%s: partial_rotary_factor: %g is not supported", at,
                    rotary);
    if (!type || !strcmp(type, "default")) return OK;
    if (!strcmp(type, "llama3")) return llama3_read(c, rope, at, err);
    if (strcmp(type, "linear"))
        return fail(err, E_UNSUPPORTED, "%s: rope_type: %.40s is not supported (default, linear "
                    "and llama3 are)", at, type);
    if ((st = jsonfile_float(rope, "factor", 1e-3, 1e9, &factor, at, err)) != OK) return st;
    if (factor == 0) return fail(err, E_FORMAT, "%s: factor: missing", at);
    for (int i = 0; i < c->d_head / 2; i++) c->rope_factors[i] = (float)factor;
    return OK;
}

/* A 1 in no_rope_layers means that the layer does use position encoding
 * (modeling_smollm3.py: use_rope = no_rope_layers[i]). */
static status read_no_rope(config *c, const json_t *json, const char *where, errtext *err)
{
    const json_t *list = json_object_get(json, "no_rope_layers");
    int interval = 4;
    status st;

    if (c->family != FAMILY_SMOLLM3) return OK;
    st = jsonfile_int(json, "no_rope_layer_interval", 1, INT32_MAX, &interval, where, err);
    if (st != OK) return st;
    if (!list || json_is_null(list)) {
        for (int i = 0; i < c->n_layer; i++) c->no_rope[i] = (i + 1) % interval == 0;
        return OK;
    }
    if (!json_is_array(list))
        return fail(err, E_FORMAT, "%s: no_rope_layers: expected a list", where);
    if (json_array_size(list) < (size_t)c->n_layer)
        return fail(err, E_FORMAT, "%s: no_rope_layers: %zu entries for %d layers", where,
                    json_array_size(list), c->n_layer);
    for (int i = 0; i < c->n_layer; i++) {
        const json_t *v = json_array_get(list, (size_t)i);

        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1)
            return fail(err, E_FORMAT, "%s: no_rope_layers[%d]: expected 0 or 1", where, i);
        c->no_rope[i] = json_integer_value(v) == 0;
    }
    return OK;
}

static status read_experts(config *c, const json_t *json, const char *where, errtext *err)
{
    const json_t *dense = json_object_get(json, "mlp_only_layers");
    const char *count = jsonfile_has(json, "num_experts") ? "num_experts" : "num_local_experts";
    const needed list[] = {
        { count, 65536, &c->n_expert },
        { "num_experts_per_tok", 65536, &c->n_expert_used },
        { "moe_intermediate_size", MAX_WIDTH, &c->d_ff_expert },
    };
    int step = 1;
    status st;

    if (c->family != FAMILY_QWEN3_MOE) return OK;
    if ((st = need_ints(json, list, 3, where, err)) != OK ||
        (st = jsonfile_bool(json, "norm_topk_prob", &c->expert_norm, where, err)) != OK ||
        (st = jsonfile_int(json, "decoder_sparse_step", 1, INT32_MAX, &step, where, err)) != OK)
        return st;
    if (step != 1)
        return fail(err, E_UNSUPPORTED, "%s: decoder_sparse_step: %d is not supported (layers "
                    "without experts)", where, step);
    if (dense && !json_is_null(dense) && (!json_is_array(dense) || json_array_size(dense)))
        return fail(err, E_UNSUPPORTED, "%s: mlp_only_layers: layers without experts are not "
                    "supported", where);
    return OK;
}

static status read_sizes(config *c, const json_t *json, const struct kind *k, const char *where,
                         errtext *err)
{
    const needed always[] = {
        { "num_hidden_layers", CONFIG_MAX_LAYER, &c->n_layer },
        { "hidden_size", MAX_WIDTH, &c->d_model },
        { "num_attention_heads", 65536, &c->n_head },
        { "vocab_size", 1 << 24, &c->n_vocab },
        { "max_position_embeddings", CONFIG_MAX_CTX, &c->n_ctx },
    };
    const needed kv = { "num_key_value_heads", 65536, &c->n_head_kv };
    const needed ff = { "intermediate_size", MAX_WIDTH, &c->d_ff };
    const needed head = { "head_dim", 256, &c->d_head };
    double eps = 1e-6;
    status st;

    if ((st = need_ints(json, always, sizeof always / sizeof *always, where, err)) != OK ||
        (st = jsonfile_float(json, "rms_norm_eps", 0, 1, &eps, where, err)) != OK ||
        (st = jsonfile_bool(json, "tie_word_embeddings", &c->tied, where, err)) != OK)
        return st;
    c->norm_eps = (float)eps;

    c->n_head_kv = c->n_head;
    if (jsonfile_has(json, kv.key) || k->family != FAMILY_LLAMA)
        st = need_ints(json, &kv, 1, where, err);
    if (st == OK && (jsonfile_has(json, ff.key) || k->family != FAMILY_QWEN3_MOE))
        st = need_ints(json, &ff, 1, where, err);
    if (st != OK) return st;
    if (jsonfile_has(json, head.key)) {
        if ((st = need_ints(json, &head, 1, where, err)) != OK) return st;
    } else if (k->family == FAMILY_QWEN3) {
        c->d_head = 128;
    } else if (c->d_model % c->n_head) {
        return fail(err, E_FORMAT, "%s: hidden_size: %d is not a multiple of "
                    "num_attention_heads %d", where, c->d_model, c->n_head);
    } else {
        c->d_head = c->d_model / c->n_head;
    }
    if (c->d_head < 2 || c->d_head % 2 || c->d_head / 2 > 128)
        return fail(err, E_LIMIT, "%s: head_dim: %d is not an even number from 2 to 256", where,
                    c->d_head);
    return OK;
}

status hf_config_parse(config *c, const json_t *json, const char *where, errtext *err)
{
    const struct kind *k;
    status st;

    if ((st = find_kind(&k, json, where, err)) != OK) return st;
    c->family = k->family;
    c->tied = k->tied;
    if ((st = read_sizes(c, json, k, where, err)) != OK) return st;
    if ((st = refuse_extras(c, json, where, err)) != OK) return st;
    if ((st = read_rope(c, json, k, where, err)) != OK) return st;
    if ((st = read_no_rope(c, json, where, err)) != OK) return st;
    return read_experts(c, json, where, err);
}

/* ---- writing ---- */

/* The shortest decimal that reads back as the same float. */
static json_t *real(float f)
{
    char text[32];

    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (strtof(text, NULL) == f) break;
    }
    return json_real(strtod(text, NULL));
}

/* The scaling whose divisors are these: none, linear, or llama3 with its usual
 * low and high factors over a power of two. */
static status write_rope(json_t *json, const config *c, errtext *err)
{
    int n = c->d_head / 2;
    float last = c->rope_factors[n - 1];
    bool same = true;

    json_object_set_new(json, "rope_theta", real(c->rope_base));
    for (int i = 0; i < n; i++) same &= c->rope_factors[i] == last;
    if (same && last == 1) {
        json_object_set_new(json, "rope_scaling", json_null());
        return OK;
    }
    if (same) {
        json_object_set_new(json, "rope_scaling", json_pack("{s:s, s:s, s:o}", "rope_type",
                            "linear", "type", "linear", "factor", real(last)));
        return OK;
    }
    for (int old = 32; old <= 1 << 20; old *= 2) {
        bool fits = true;

        for (int i = 0; i < n && fits; i++) {
            float want = llama3_factor(i, c->d_head, c->rope_base, last, 1, 4, old);

            fits = fabsf(want - c->rope_factors[i]) <= 1e-5f * want;
        }
        if (!fits) continue;
        json_object_set_new(json, "rope_scaling", json_pack(
            "{s:s, s:o, s:f, s:f, s:i}", "rope_type", "llama3", "factor", real(last),
            "low_freq_factor", 1.0, "high_freq_factor", 4.0,
            "original_max_position_embeddings", old));
        return OK;
    }
    return fail(err, E_UNSUPPORTED, "rope_freqs.weight: its divisors follow no scaling that "
                "config.json can name");
}

status hf_config_write(json_t **out, const config *c, const char *torch_dtype, int bos,
                       int eos, int pad, errtext *err)
{
    const struct { const char *key; int value; } ids[] = {
        { "bos_token_id", bos }, { "eos_token_id", eos }, { "pad_token_id", pad },
    };
    const struct kind *k = NULL;
    json_t *json, *list;
    status st;

    for (size_t i = 0; i < N_KIND; i++)
        if (kinds[i].family == c->family) k = &kinds[i];
    CHECK(k);
    json = json_pack("{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:i, s:o, s:b, s:s,"
                     " s:b}", "architectures", k->architecture, "model_type", k->model_type,
                     "vocab_size", c->n_vocab, "hidden_size", c->d_model,
                     "intermediate_size", c->d_ff ? c->d_ff : c->d_ff_expert,
                     "num_hidden_layers", c->n_layer, "num_attention_heads", c->n_head,
                     "num_key_value_heads", c->n_head_kv, "head_dim", c->d_head,
                     "hidden_act", "silu", "max_position_embeddings", c->n_ctx,
                     "rms_norm_eps", real(c->norm_eps), "tie_word_embeddings", c->tied,
                     "torch_dtype", torch_dtype, "use_cache", 1);
    CHECK(json);
    for (int i = 0; i < 3; i++)
        json_object_set_new(json, ids[i].key,
                            ids[i].value < 0 ? json_null() : json_integer(ids[i].value));
    if (c->family != FAMILY_QWEN2)
        json_object_set_new(json, "attention_bias", json_false());
    if (c->family == FAMILY_LLAMA || c->family == FAMILY_SMOLLM3)
        json_object_set_new(json, "mlp_bias", json_false());
    if (c->family != FAMILY_LLAMA) {
        json_object_set_new(json, "use_sliding_window", json_false());
        json_object_set_new(json, "sliding_window", json_null());
    }
    if (c->family == FAMILY_SMOLLM3) {
        list = json_array();
        for (int i = 0; i < c->n_layer; i++)
            json_array_append_new(list, json_integer(!c->no_rope[i]));
        json_object_set_new(json, "no_rope_layers", list);
    }
    if (c->family == FAMILY_QWEN3_MOE) {
        json_object_set_new(json, "num_experts", json_integer(c->n_expert));
        json_object_set_new(json, "num_experts_per_tok", json_integer(c->n_expert_used));
        json_object_set_new(json, "moe_intermediate_size", json_integer(c->d_ff_expert));
        json_object_set_new(json, "norm_topk_prob", json_boolean(c->expert_norm));
        json_object_set_new(json, "decoder_sparse_step", json_integer(1));
        json_object_set_new(json, "mlp_only_layers", json_array());
    }
    st = write_rope(json, c, err);
    if (st != OK) {
        json_decref(json);
        json = NULL;
    }
    *out = json;
    return st;
}
