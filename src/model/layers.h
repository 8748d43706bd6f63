/* layers.h - the parts of a loaded model, for the forward and its kin. */
#ifndef MODEL_LAYERS_H
#define MODEL_LAYERS_H

#include "model/model.h"
#include "tensor/matrix.h"

typedef struct expert {
    matrix *gate, *up;       /* [d_ff_expert, d_model] */
    matrix *down;            /* [d_model, d_ff_expert] */
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
} layer;

struct model {
    config config;
    matrix *embedding;       /* [n_vocab, d_model] */
    matrix *output;          /* == embedding when tied */
    float *output_norm;
    layer *layers;           /* [n_layer] */
    kv_type kv;
};

#endif
