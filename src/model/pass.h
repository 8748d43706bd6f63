/* pass.h - what a forward pass works in, and what a trainer keeps of it.
 *
 * There is one forward: a trainer's workspace keeps the rows of every layer by
 * pointing the buffers of each layer at memory of their own, and the steps are
 * those of everybody else. For forward*.c, workspace.c and the trainer. */
#ifndef MODEL_PASS_H
#define MODEL_PASS_H

#include "model/layers.h"

#define ROW_CHUNK 16
#define ROW_BLOCK 512        /* rows that go from step to step while they are in the
                              * cache: 3.4 times as fast as 8192 (d_model 192) */
#define N_KIND 3             /* input kinds: one rounded copy each, if needed */
#define EXPERT_WAVE 8        /* experts whose products share the threads */
#define MAX_LINEAR (2 * EXPERT_WAVE)     /* products of one step */

/* Rows of one layer, as the backward reads them. */
typedef struct kept_layer {
    float *x;                /* [max_row, d_model] what came in */
    float *mid;              /* [max_row, d_model] after attention */
    float *q_raw, *k_raw;    /* before the head norm; NULL where there is none */
    float *q;                /* [max_row, n_head * d_head] as attention reads it */
    float *k, *v;            /* [max_row, n_head_kv * d_head] rounded to the cache's type */
    float *att;              /* [max_row, n_head * d_head] */
    float *gate, *up;        /* [max_row, d_ff] before the gate; NULL if sparse */
    float *low[N_LINEAR];    /* [max_row, rank] A x of adapters, or NULL */

    /* Sparse layers only. */
    float *scores;           /* [max_row, n_expert] router */
    int32_t *chosen;         /* [max_row, n_expert_used] experts by rank */
    float *share;            /* [max_row, n_expert_used] */
    int32_t *rows;           /* [max_row * n_expert_used] row-slots by expert */
    int32_t *first;          /* [n_expert + 1] where an expert's slots start */
    int32_t *place;          /* [max_row * n_expert_used] row-slot to its place */
    float *expert_gate, *expert_up;  /* [max_row * n_expert_used, d_ff_expert] */
    float *expert_low[3];    /* [max_row * n_expert_used, rank], or NULL */
} kept_layer;

struct workspace {
    int max_row;
    int max_out;
    kept_layer at;           /* of the layer at work: x, mid, ... */
    kept_layer *kept;        /* [n_layer + 1], of the last only x; NULL: rows are
                              * overwritten by the next layer */
    float *hidden;           /* [ROW_BLOCK, d_ff] gated rows; in place unless kept */
    float *expert_hidden;    /* [max_row * n_expert_used, d_ff_expert] gated rows;
                              * at.expert_gate unless kept */
    float *angles;           /* [n_angle, d_head] of positions: cos, then sin */
    int n_angle;
    int32_t *pos;            /* [max_row] */
    int32_t *page;           /* [max_row] page that holds the row's key */
    float *logits;           /* [max_out, n_vocab] */
    matrix_input *in[N_KIND];
    float *expert_out;       /* [max_row * n_expert_used, d_model] by expert */
    matrix_input *expert_in[EXPERT_WAVE][N_KIND];

    /* Adapters only, made when the first one is met. */
    int max_rank;
    float *delta;            /* rows that adapters add, of all products of a step */
    matrix_input *low_in[MAX_LINEAR][N_KIND];
};

/* One that keeps the rows of all layers until the next pass. */
workspace *workspace_new_kept(const model *m, int max_row, int max_out);

/* Room for the model's adapters, which may have come since the last pass. */
void workspace_grow(workspace *w, const model *m);

/* One pass: what its steps share. */
typedef struct pass {
    const model *m;
    workspace *ws;
    kv_cache *kv;
    pool *threads;
    const forward_batch *batch;
    const layer *layer;
    int i_layer;
    int row, n_row;          /* the block at work */
    const float *norm;       /* weight of the norm a step applies */
    unsigned kinds;          /* input kinds a step has to fill, a bit each */
    const int32_t *out;      /* [n_out] rows whose logits are wanted */
    int n_out;
    int first_angle;         /* position that a step of angles starts from */
} pass;

/* A product of a step, and what an adapter adds to it. */
typedef struct linear {
    product base;
    int n_row;
    const lora *lora;        /* NULL: none */
    product low;             /* A x; in NULL without an adapter */
} linear;

#define FOR_ROWS(r, item, n)                                                   \
    for (int r = (item) * ROW_CHUNK,                                           \
             r##_end = (item) * ROW_CHUNK + ROW_CHUNK < (n)                    \
                           ? (item) * ROW_CHUNK + ROW_CHUNK : (n);             \
         r < r##_end; r++)

/* Run a step over rows in chunks. */
static inline void over_rows(pass *p, pool_fn *step, int n_row)
{
    pool_run(p->threads, step, p, (n_row + ROW_CHUNK - 1) / ROW_CHUNK);
}

/* Where the rows of the block start in an array of rows of n floats. */
static inline float *block_rows(const pass *p, float *rows, int n)
{
    return rows + (size_t)p->row * (size_t)n;
}

static inline void inputs_set(matrix_input *const in[N_KIND], unsigned kinds, int row,
                              const float *x)
{
    for (int i = 0; i < N_KIND; i++)
        if (kinds & 1u << i) matrix_input_set(in[i], row, x);
}

static inline void inputs_begin(matrix_input *const in[N_KIND], unsigned kinds, int n_row,
                                int n_in)
{
    for (int i = 0; i < N_KIND; i++)
        if (kinds & 1u << i) matrix_input_begin(in[i], n_row, n_in);
}

/* Input kinds of a matrix and its adapter. */
static inline unsigned kinds_of(const matrix *m, const lora *l)
{
    return (m ? 1u << matrix_input_kind(matrix_type(m)) : 0) |
           (l ? 1u << matrix_input_kind(matrix_type(l->a)) : 0);
}

/* out = m x for the rows in `in`, with the adapter's share; low [n_row, rank]
 * keeps A x. */
linear linear_of(matrix_input *const in[N_KIND], int n_row, const matrix *m, const lora *l,
                 float *low, float *out);
void linear_multiply(pass *p, const linear *list, int n);

/* The feed-forward of a sparse layer: at.x to at.mid and on. */
void sparse_block(pass *p);

/* Softmax over a row's scores, its best experts and their shares. */
void choose_experts(const config *c, const float *scores, int32_t *chosen, float *share);

/* Logits of the given rows of the last pass, as model_forward gives them. */
const float *forward_logits(const model *m, workspace *ws, pool *threads, const int32_t *rows,
                            int n);

#endif
