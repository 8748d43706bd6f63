/* Any bytes as a Hugging Face folder. The first byte says what follows:
 *
 *   0   a safetensors file alone: parsed, every view read
 *   1   a config.json alone: parsed; what is accepted can be written and reads
 *       back as the same model
 *   2   u16 length, config.json of that length, model.safetensors: opened as a
 *       folder, every tensor read
 *
 * The mutator starts from a tiny valid model, changes the JSON texts and keeps
 * the header length right, so that mutations get past the first checks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/hf.h"
#include "model/jsonfile.h"
#include "model/safetensors.h"
#include "model/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

volatile unsigned sink;      /* keeps the reads from being optimised away */

#define SIZES "\"hidden_size\":4,\"num_hidden_layers\":1,\"num_attention_heads\":1," \
    "\"num_key_value_heads\":1,\"vocab_size\":2,\"intermediate_size\":2," \
    "\"max_position_embeddings\":8,\"tie_word_embeddings\":true,"

static const char *const seed_configs[] = {
    "{\"architectures\":[\"LlamaForCausalLM\"]," SIZES
    "\"rope_theta\":10000.0,\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,"
    "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
    "\"original_max_position_embeddings\":64}}",
    "{\"architectures\":[\"Qwen3MoeForCausalLM\"]," SIZES "\"num_experts\":2,"
    "\"num_experts_per_tok\":1,\"moe_intermediate_size\":2,\"head_dim\":4,"
    "\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":10000}}",
};

/* Which of the two seeds has the tensor: bits 1 and 2. */
static const struct { const char *name; int which, n_dim, dim[3]; } seed_tensors[] = {
    { "model.embed_tokens.weight", 3, 2, { 2, 4 } },
    { "model.norm.weight", 3, 1, { 4 } },
    { "model.layers.0.input_layernorm.weight", 3, 1, { 4 } },
    { "model.layers.0.self_attn.q_proj.weight", 3, 2, { 4, 4 } },
    { "model.layers.0.self_attn.k_proj.weight", 3, 2, { 4, 4 } },
    { "model.layers.0.self_attn.v_proj.weight", 3, 2, { 4, 4 } },
    { "model.layers.0.self_attn.o_proj.weight", 3, 2, { 4, 4 } },
    { "model.layers.0.self_attn.q_norm.weight", 2, 1, { 4 } },
    { "model.layers.0.self_attn.k_norm.weight", 2, 1, { 4 } },
    { "model.layers.0.post_attention_layernorm.weight", 3, 1, { 4 } },
    { "model.layers.0.mlp.gate_proj.weight", 1, 2, { 2, 4 } },
    { "model.layers.0.mlp.up_proj.weight", 1, 2, { 2, 4 } },
    { "model.layers.0.mlp.down_proj.weight", 1, 2, { 4, 2 } },
    { "model.layers.0.mlp.gate.weight", 2, 2, { 2, 4 } },
    { "model.layers.0.mlp.experts.gate_up_proj", 2, 3, { 2, 4, 4 } },
    { "model.layers.0.mlp.experts.down_proj", 2, 3, { 2, 4, 2 } },
};

#define N_SEED ((int)(sizeof seed_tensors / sizeof *seed_tensors))

/* Pieces that random bytes would hardly hit upon. */
static const char *const words[] = {
    "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Qwen3MoeForCausalLM", "SmolLM3ForCausalLM",
    "\"num_experts\":2,", "\"num_experts_per_tok\":1,", "\"moe_intermediate_size\":2,",
    "\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":5},", "\"head_dim\":4,",
    "\"no_rope_layers\":[0],", "\"no_rope_layer_interval\":2,", "\"layer_types\":[\"x\"],",
    "\"use_sliding_window\":true,\"sliding_window\":4,", "linear", "yarn", "null", "1e300",
    "9223372036854775807", "-1", "0", "[]", "{}", "\"F32\"", "\"BF16\"", "\"F4\"", "\"I64\"",
    "model.layers.0.mlp.experts.gate_up_proj", "lm_head.weight", "__metadata__", "[0,0]",
    "[4294967296,4294967296]", ".bias", "q_norm",
};

static const char *const numbers[] = {
    "0", "1", "2", "3", "4", "6", "8", "16", "32", "64", "100", "256", "258", "1000", "1024",
    "65536", "1048576", "16777216", "2147483647", "2147483648", "4294967296", "1e9", "0.5",
    "9223372036854775807", "-1",
};

/* ---- what runs ---- */

static void try_file(const uint8_t *data, size_t size)
{
    uint8_t *copy = mem_resize(NULL, size + 1, 1);
    safetensors s;
    errtext err = { "" };

    memcpy(copy, data, size);
    if (safetensors_init(&s, "fuzz", copy, size, &err) == OK) {
        for (int i = 0; i < s.n_item; i++)
            for (uint64_t k = 0; k < s.items[i].n_bytes; k++) sink += s.items[i].data[k];
    } else if (s.n_item || !err.text[0]) {
        abort();
    }
    safetensors_fini(&s);
    mem_free(copy);
}

static void try_config(const uint8_t *data, size_t size)
{
    config *c = mem_new(sizeof *c), *back = mem_new(sizeof *back);
    json_t *json, *again = NULL;
    errtext err = { "" };

    if (jsonfile_parse(&json, (const char *)data, size, 10000, "fuzz", &err) == OK &&
        hf_config_parse(c, json, "fuzz", &err) == OK && config_check(c, "fuzz", &err) == OK &&
        hf_config_write(&again, c, "float32", 1, 2, -1, &err) == OK) {
        if (hf_config_parse(back, again, "again", &err) != OK) {
            fprintf(stderr, "%s\n", err.text);
            abort();
        }
        /* Recognised divisors may differ in the last bits. */
        memcpy(back->rope_factors, c->rope_factors, sizeof c->rope_factors);
        if (!c->d_ff) back->d_ff = 0;
        if (memcmp(c, back, sizeof *c)) abort();
    } else if (!err.text[0]) {
        abort();
    }
    json_decref(json);
    json_decref(again);
    mem_free(c);
    mem_free(back);
}

static char folder[64];

static void put(const char *name, const uint8_t *data, size_t size)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f)) abort();
}

static void remove_folder(void)
{
    char path[128];

    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    rmdir(folder);
}

static void try_folder(const uint8_t *data, size_t size)
{
    size_t n = size < 2 ? 0 : (size_t)(data[0] | data[1] << 8);
    weights *w;
    errtext err = { "" };

    if (size < 2 || n > size - 2) return;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%s/fuzz_safetensors_%d",
                 file_exists("/dev/shm") ? "/dev/shm" : "/tmp", (int)getpid());
        if (file_make_dir(folder, &err) != OK) abort();
        atexit(remove_folder);
    }
    put("config.json", data + 2, n);
    put("model.safetensors", data + 2 + n, size - 2 - n);
    if (weights_open(&w, folder, &err) != OK) {
        if (w || !err.text[0]) abort();
        return;
    }
    for (int i = 0; i < weights_count(w); i++) {
        const weight *t = weights_at(w, i);

        for (size_t k = 0; k < t->n_bytes; k++) sink += ((const uint8_t *)t->data)[k];
    }
    weights_check_finite(w, &err);
    weights_close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    if (data[0] == 0) try_file(data + 1, size - 1);
    else if (data[0] == 1) try_config(data + 1, size - 1);
    else if (data[0] == 2) try_folder(data + 1, size - 1);
    return 0;
}

/* ---- mutation ---- */

/* A case taken apart; header and data are those of the safetensors part. */
typedef struct parts {
    int mode;
    bytes config, header, data;
} parts;

static void seed_parts(parts *p, int mode, int which)
{
    int at = 0;

    p->mode = mode;
    bytes_add_string(&p->config, seed_configs[which]);
    bytes_add_char(&p->header, '{');
    for (int i = 0; i < N_SEED; i++) {
        int n = 2;

        if (!(seed_tensors[i].which >> which & 1)) continue;
        bytes_add_format(&p->header, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[", at ? "," : "",
                         seed_tensors[i].name);
        for (int k = 0; k < seed_tensors[i].n_dim; k++) {
            bytes_add_format(&p->header, "%s%d", k ? "," : "", seed_tensors[i].dim[k]);
            n *= seed_tensors[i].dim[k];
        }
        bytes_add_format(&p->header, "],\"data_offsets\":[%d,%d]}", at, at + n);
        at += n;
    }
    bytes_add_char(&p->header, '}');
    for (int i = 0; i < at; i++) bytes_add_char(&p->data, i % 2 ? 0x3F : 0);
}

static void parts_fini(parts *p)
{
    bytes_fini(&p->config);
    bytes_fini(&p->header);
    bytes_fini(&p->data);
}

static bool take_apart(parts *p, const uint8_t *data, size_t size)
{
    uint64_t n = 0;

    if (!size || data[0] > 2) return false;
    p->mode = data[0];
    data++, size--;
    if (p->mode == 1) {
        bytes_add(&p->config, data, size);
        return true;
    }
    if (p->mode == 2) {
        size_t len;

        if (size < 2 || (len = (size_t)(data[0] | data[1] << 8)) > size - 2) return false;
        bytes_add(&p->config, data + 2, len);
        data += 2 + len;
        size -= 2 + len;
    }
    if (size < 8) return false;
    for (int i = 0; i < 8; i++) n |= (uint64_t)data[i] << 8 * i;
    if (n > size - 8) return false;
    bytes_add(&p->header, data + 8, n);
    bytes_add(&p->data, data + 8 + n, size - 8 - n);
    return true;
}

static void put_together(const parts *p, bytes *out)
{
    bytes_add_char(out, (char)p->mode);
    if (p->mode == 2) {
        bytes_add_char(out, (char)p->config.len);
        bytes_add_char(out, (char)(p->config.len >> 8));
    }
    if (p->mode) bytes_add(out, p->config.data, p->config.len);
    if (p->mode == 1) return;
    for (int i = 0; i < 8; i++) bytes_add_char(out, (char)((uint64_t)p->header.len >> 8 * i));
    bytes_add(out, p->header.data, p->header.len);
    bytes_add(out, p->data.data, p->data.len);
}

static unsigned draw(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* text[at .. at + skip] gives way to a word. */
static void replace(bytes *b, size_t at, size_t skip, const char *word)
{
    bytes out = { 0 };

    bytes_add(&out, b->data, at);
    bytes_add_string(&out, word);
    bytes_add(&out, b->data + at + skip, b->len - at - skip);
    bytes_fini(b);
    *b = out;
}

/* A word into the text, over something or between. */
static void insert_word(bytes *b, unsigned *state)
{
    const char *word = words[draw(state) % (sizeof words / sizeof *words)];
    size_t at = b->len ? draw(state) % b->len : 0, skip = draw(state) % 3 * 8;

    if (draw(state) % 4 == 0 && b->len) at = 1;      /* right behind the brace */
    if (at == 1) skip = 0;
    replace(b, at, skip > b->len - at ? b->len - at : skip, word);
}

/* Another number for one that is there. */
static void change_number(bytes *b, unsigned *state)
{
    size_t at = b->len ? draw(state) % b->len : 0, skip = 0;

    while (at < b->len && (b->data[at] < '0' || b->data[at] > '9')) at++;
    while (at + skip < b->len && b->data[at + skip] >= '0' && b->data[at + skip] <= '9') skip++;
    replace(b, at, skip, numbers[draw(state) % (sizeof numbers / sizeof *numbers)]);
}

static void mutate_text(bytes *b, unsigned *state)
{
    switch (draw(state) % 3) {
    case 0:
        insert_word(b, state);
        return;
    case 1:
        change_number(b, state);
        return;
    default:
        bytes_reserve(b, 64);
        b->len = LLVMFuzzerMutate((uint8_t *)b->data, b->len, b->len + 64);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    parts p = { 0 };
    bytes out = { 0 };
    unsigned state = seed;
    size_t n;

    if (!take_apart(&p, data, size)) {
        parts_fini(&p);
        if (draw(&state) % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
        seed_parts(&p, (int)(draw(&state) % 3), (int)(draw(&state) % 2));
    }
    switch (p.mode == 1 ? 0 : draw(&state) % (p.mode == 2 ? 4 : 3)) {
    case 0: mutate_text(p.mode ? &p.config : &p.header, &state); break;
    case 1: mutate_text(&p.header, &state); break;
    case 2: mutate_text(&p.data, &state); break;
    default: mutate_text(&p.config, &state); break;
    }
    if (p.config.len > 65535) p.config.len = 65535;
    put_together(&p, &out);
    if (draw(&state) % 16 == 0) {                    /* lengths that lie, too */
        n = out.len < max_size ? out.len : max_size;
        memcpy(data, out.data, n);
        n = LLVMFuzzerMutate(data, n, max_size);
    } else if (out.len <= max_size) {
        n = out.len;
        memcpy(data, out.data, n);
    } else {
        n = LLVMFuzzerMutate(data, size, max_size);
    }
    parts_fini(&p);
    bytes_fini(&out);
    return n;
}
