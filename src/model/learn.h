/* learn.h - parameters by their place in the model, for trainable.c, tape.c
 * and backward*.c. */
#ifndef MODEL_LEARN_H
#define MODEL_LEARN_H

#include "model/backward.h"
#include "model/layers.h"
#include "model/pass.h"

/* Where a parameter's values go: exactly one of m, v and l is set. */
typedef struct binding {
    matrix *m;
    float *v;
    lora *l;
    bool is_b;               /* of l */
    bool rotary;             /* rows change places in files of interleaved families */
    int i_layer;             /* -1 outside of layers */
    int i_expert;            /* -1 outside of experts */
    const char *part;        /* name behind "blk.N."; of experts "ffn_gate" */
} binding;

/* A linear map: its weights, trained or frozen, and its adapter's. */
typedef struct linear_params {
    const matrix *m;         /* what the forward multiplied with */
    param *weight;           /* NULL: frozen */
    const lora *l;           /* NULL: none */
    param *a, *b;
} linear_params;

typedef struct layer_params {
    param *attn_norm, *ffn_norm;
    param *q_norm, *k_norm;
    param *q_bias, *k_bias, *v_bias;
    linear_params linear[N_LINEAR];
    linear_params router;
    linear_params *experts;  /* [n_expert][N_EXPERT_SLOT] */
} layer_params;

/* 16 rows of a matrix, or a vector: what one thread publishes at a time. */
typedef struct publish_item {
    int param;
    int row;
} publish_item;

struct trainable {
    model *m;
    trainable_options options;
    param *params;           /* [n_param] */
    binding *bindings;       /* [n_param] */
    int n_param;
    float *values, *grads;   /* all parameters one after the other, padded to 16 */
    size_t n_float;
    param *embedding;        /* NULL with adapters */
    param *output_norm;
    linear_params output;
    layer_params *layers;    /* [n_layer] */
    publish_item *items;
    int n_item;
    bool bf16;               /* matrices multiply in bf16 */
};

/* Rows [row, row + n) of n_in f32 each of a tensor of w, by our name (experts
 * apart, wherever the file keeps them), in our row order. */
status trainable_read(float *out, const weights *w, const binding *b, const char *name,
                      int n_out, int n_in, errtext *err);

struct tape {
    trainable *t;
    int max_row;
    int head_rows;           /* logit rows made at a time */
    workspace *ws;
    kv_cache *kv;
    gradient *g;

    /* The batch of the last forward. */
    int n_row;
    int32_t *ids;            /* [max_row] */
    gradient_run *runs;
    attend_run *attend;
    int n_run, cap_run;
    int32_t *pages;          /* page lists of all runs */
    size_t cap_pages;
    bool hidden_made;
    bool spent;              /* the rows were turned into gradients */
    float *hidden;           /* [max_row, d_model] normed last rows */

    /* Backward: the layer and the block of rows at work. */
    int i_layer;
    int row, n_block;
    float *dx;               /* [max_row, d_model] gradient of the residual stream */
    float *dnormed;          /* [max_row, d_model] of hidden; of a norm's result, its
                              * block in front */
    float *normed;           /* [max_row, d_model] a norm's result, made again, the
                              * block in front */
    float *dhidden;          /* [ROW_BLOCK, d_ff] */
    float *dq, *datt;        /* [max_row, n_head * d_head] */
    float *dk, *dv;          /* [max_row, n_head_kv * d_head] */
    float *low, *dlow;       /* [rows, rank] of adapters */
    float *frozen[N_LINEAR]; /* frozen matrices as f32, of layer frozen_of */
    int frozen_of[N_LINEAR]; /* -1: none yet */
    size_t cap_frozen[N_LINEAR];
    float *frozen_output;    /* likewise the output matrix, kept */
    float *frozen_expert;    /* and an expert's or a router */
    size_t cap_expert;
    int32_t *by_id, *first_of_id;    /* rows of each token id */
    float *head_rows_in, *head_rows_out;     /* [head_rows, d_model] */

    /* Sparse layers. */
    float *slot_rows, *slot_out;     /* [slots, d_model] by expert */
    float *slot_hidden, *slot_dhidden;   /* [slots, d_ff_expert] */
    float *dshare;           /* [slots] by row */
    float *dscores;          /* [max_row, n_expert] */
};

/* f32 weights of a linear map: its parameter's values, or the frozen matrix
 * decoded, which is good until another layer's is asked for. */
const float *linear_values(tape *p, pool *threads, const linear_params *l);

/* Gradients of y = W x with the adapter's share; low [n_row, rank] is A x. dx
 * may be NULL, else it is overwritten or added to. */
void linear_backward(tape *p, pool *threads, const linear_params *l, const float *dy,
                     const float *x, const float *low, int n_row, bool add, float *dx);

/* p->normed = norm of n_row rows x. */
void renorm(tape *p, pool *threads, const float *x, const float *scale, int n_row);

/* The feed-forward of a sparse layer: p->dx goes from its result's gradient to
 * its input's. */
void sparse_backward(tape *p, pool *threads, int i_layer);

/* p->dnormed = gradient of the normed last rows by the targets. */
void head_backward(tape *p, pool *threads, const tape_target *targets, int n,
                   float temperature, tape_slope *slope, void *arg, float *log_prob,
                   float *entropy);

#endif
