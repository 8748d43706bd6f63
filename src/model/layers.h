/* layers.h - the parts of a loaded model, for the forward and its kin. */
#ifndef MODEL_LAYERS_H
#define MODEL_LAYERS_H

#include "model/model.h"
#include "tensor/matrix.h"

/* What an adapter adds to a matrix: scale * B (A x) (Hu et al. 2021). A and B
 * are F32, or BF16 with the rank padded by zeros to whole blocks of 32. */
typedef struct lora {
    int rank;
    float scale;             /* alpha / rank */
    matrix *a;               /* [rank, n_in] */
    matrix *b;               /* [n_out, rank, padded] */
} lora;

/* The matrices of a layer that adapters go on. */
typedef enum linear_slot {
    SLOT_Q, SLOT_K, SLOT_V, SLOT_O, SLOT_GATE, SLOT_UP, SLOT_DOWN,
    N_LINEAR
} linear_slot;

typedef enum expert_slot { EXPERT_GATE, EXPERT_UP, EXPERT_DOWN, N_EXPERT_SLOT } expert_slot;

typedef struct expert {
    matrix *gate, *up;       /* [d_ff_expert, d_model] */
    matrix *down;            /* [d_model, d_ff_expert] */
    lora *lora[N_EXPERT_SLOT];   /* NULL without an adapter; the model's */
} expert;

typedef struct layer {
    float *attn_norm;        /* [d_model] */
    matrix *q, *k, *v, *o;
    float *q_bias, *k_bias, *v_bias;         /* NULL where there is none */
    float *q_norm, *k_norm;  /* [d_head] or NULL */
    float *ffn_norm;         /* [d_model] */
    matrix *gate, *up, *down;                /* NULL in a sparse layer */
    matrix *router;          /* [n_expert, d_model] f32; NULL in a dense layer */
    expert *experts;         /* [n_expert] */
    lora *lora[N_LINEAR];    /* NULL without an adapter; the model's */
} layer;

struct model {
    config config;
    matrix *embedding;       /* [n_vocab, d_model] */
    matrix *output;          /* == embedding when tied */
    float *output_norm;
    layer *layers;           /* [n_layer] */
    kv_type kv;
    int lora_rank;           /* the largest of its adapters; 0: none */
    bool lora_lent;          /* a trainer put them there */
};

/* Rows that trade places while packing: GGUF files of llama and smollm3 store
 * the rows of q and k so that channels 2i and 2i+1 rotate together; ours are i
 * and i + d_head/2. Row r of ours comes from this row of such a file. */
static inline int interleaved_row(int r, int d_head)
{
    int head = r / d_head * d_head, c = r % d_head, half = d_head / 2;

    return head + (c < half ? 2 * c : 2 * (c - half) + 1);
}

/* GGUF files of these families have q and k in that order. */
static inline bool family_interleaves(family f)
{
    return f == FAMILY_LLAMA || f == FAMILY_SMOLLM3;
}

/* A pair for m, its values to be set: in bf16 unless m multiplies in f32. */
lora *lora_new(int rank, float alpha, const matrix *m);
void lora_free(lora *l);                         /* accepts NULL */

/* Rows of A ([rank, n_in]) or B ([n_out, rank]) from f32. */
void lora_set_a(lora *l, int row, int n_row, const float *values);
void lora_set_b(lora *l, int row, int n_row, const float *values);

/* Take all adapters off. */
void model_clear_lora(model *m);


#endif
