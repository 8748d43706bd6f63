/* hf_names.c - tensor names of Hugging Face folders and of GGUF files. */
#include <stdio.h>
#include <string.h>

#include "model/hf.h"

static const struct { const char *hf, *gguf; } names[] = {
    { "model.embed_tokens.weight", "token_embd.weight" },
    { "model.norm.weight", "output_norm.weight" },
    { "lm_head.weight", "output.weight" },
    { "model.layers.#.input_layernorm.weight", "blk.#.attn_norm.weight" },
    { "model.layers.#.self_attn.q_proj.weight", "blk.#.attn_q.weight" },
    { "model.layers.#.self_attn.k_proj.weight", "blk.#.attn_k.weight" },
    { "model.layers.#.self_attn.v_proj.weight", "blk.#.attn_v.weight" },
    { "model.layers.#.self_attn.q_proj.bias", "blk.#.attn_q.bias" },
    { "model.layers.#.self_attn.k_proj.bias", "blk.#.attn_k.bias" },
    { "model.layers.#.self_attn.v_proj.bias", "blk.#.attn_v.bias" },
    { "model.layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight" },
    { "model.layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight" },
    { "model.layers.#.self_attn.o_proj.weight", "blk.#.attn_output.weight" },
    { "model.layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight" },
    { "model.layers.#.mlp.gate_proj.weight", "blk.#.ffn_gate.weight" },
    { "model.layers.#.mlp.up_proj.weight", "blk.#.ffn_up.weight" },
    { "model.layers.#.mlp.down_proj.weight", "blk.#.ffn_down.weight" },
    { "model.layers.#.mlp.gate.weight", "blk.#.ffn_gate_inp.weight" },
    { "model.layers.#.mlp.experts.#.gate_proj.weight", "blk.#.ffn_gate.#.weight" },
    { "model.layers.#.mlp.experts.#.up_proj.weight", "blk.#.ffn_up.#.weight" },
    { "model.layers.#.mlp.experts.#.down_proj.weight", "blk.#.ffn_down.#.weight" },
};

bool hf_name_match(const char *pattern, const char *name, int number[2])
{
    int n = 0;

    for (; *pattern; pattern++) {
        int value = 0, digits = 0;

        if (*pattern != '#') {
            if (*name++ != *pattern) return false;
            continue;
        }
        while (name[digits] >= '0' && name[digits] <= '9' && digits < 7)
            value = value * 10 + (name[digits++] - '0');
        if (digits < 1 || digits > 6 || (digits > 1 && *name == '0') || n == 2) return false;
        number[n++] = value;
        name += digits;
    }
    return !*name;
}

static void fill(char out[HF_MAX_NAME], const char *pattern, const int number[2])
{
    size_t at = 0;

    for (int n = 0; *pattern; pattern++) {
        if (*pattern == '#')
            at += (size_t)snprintf(out + at, HF_MAX_NAME - at, "%d", number[n++]);
        else
            out[at++] = *pattern;
        CHECK(at < HF_MAX_NAME);
    }
    out[at] = 0;
}

bool hf_name_to_gguf(char out[HF_MAX_NAME], const char *hf)
{
    int number[2];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!hf_name_match(names[i].hf, hf, number)) continue;
        fill(out, names[i].gguf, number);
        return true;
    }
    return false;
}

bool hf_name_from_gguf(char out[HF_MAX_NAME], const char *gguf)
{
    int number[2];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!hf_name_match(names[i].gguf, gguf, number)) continue;
        fill(out, names[i].hf, number);
        return true;
    }
    return false;
}
