/* config.h - the shape of a model, whatever file it came from. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef enum family {
    FAMILY_LLAMA,        /* SmolLM2, Llama 2 and 3, R1-Distill-Llama */
    FAMILY_QWEN2,        /* biases on q, k, v */
    FAMILY_QWEN3,        /* q/k norm */
    FAMILY_QWEN3_MOE,    /* q/k norm, sparse experts */
    FAMILY_SMOLLM3,      /* some layers without position encoding */
} family;

#define CONFIG_MAX_LAYER 1024
#define CONFIG_MAX_CTX (1 << 24)

typedef struct config {
    family family;
    char name[128];              /* general.name or the folder's name */
    int n_layer;
    int d_model;
    int n_head;                  /* query heads; a multiple of n_head_kv */
    int n_head_kv;
    int d_head;                  /* even */
    int d_ff;                    /* hidden size of a dense feed-forward */
    int n_vocab;                 /* rows of the embedding */
    int n_ctx;                   /* longest context the model was made for */
    float norm_eps;
    float rope_base;
    float rope_factors[128];     /* [d_head/2] frequency divisors (llama3
                                  * scaling, rope_freqs.weight); 1 by default */
    bool rope_interleaved;       /* stored q and k rows pair channels 2i, 2i+1
                                  * (GGUF of llama and smollm3) instead of
                                  * i, i + d_head/2 (Hugging Face and ours) */
    uint8_t no_rope[CONFIG_MAX_LAYER];  /* 1: layer has no position encoding */
    bool tied;                   /* output matrix is the embedding */
    int n_expert;                /* 0: dense */
    int n_expert_used;           /* top k */
    int d_ff_expert;
    bool expert_norm;            /* router weights of the top k sum to 1 */
} config;

/* Every field within bounds and consistent, or E_FORMAT / E_LIMIT naming the
 * field and `where` (a path). Called once by every reader before use. */
status config_check(const config *c, const char *where, errtext *err);

/* 1 where the family's own pattern leaves a layer without position encoding:
 * smollm3, every fourth. The start of no_rope, which a file may override. */
uint8_t config_no_rope(family f, int i_layer);

const char *family_name(family f);               /* GGUF architecture string */
bool family_parse(const char *architecture, family *out);

#endif
