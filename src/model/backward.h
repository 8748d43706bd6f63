/* backward.h - a model that learns: parameters, the taped forward, gradients.
 *
 * The taped forward is model_forward with its intermediate rows kept, so the
 * log-probs it yields have the bits of those the sampler reported (invariant
 * 1; tensor/logits.h gives the normaliser to both). Master values are f32;
 * trainable_publish writes them into the packed weights that the sampler
 * reads: there is no second model. Keys and values in a cache are those of the
 * weights they were computed with: after publishing, prompts are read anew.
 *
 * Adapters: Hu et al. 2021. Load balance: Fedus et al. 2021. */
#ifndef MODEL_BACKWARD_H
#define MODEL_BACKWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "tensor/gradient.h"

typedef struct param {
    char name[80];           /* GGUF name; experts "blk.0.ffn_up.3.weight", adapters
                              * NAME.lora_a [rank, n_in] and NAME.lora_b [n_out, rank] */
    int n_out, n_in;         /* a vector has n_out 1 */
    float *value;            /* [n_out, n_in] f32 master; rows of q and k so that
                              * channels i and i + d_head/2 rotate together */
    float *grad;             /* [n_out, n_in] */
    bool decay;              /* a matrix: weight decay and Muon apply */
    bool embedding;          /* token embedding or output matrix: AdamW also under Muon */
} param;

typedef struct trainable trainable;

typedef struct trainable_options {
    int lora_rank;           /* 0: all weights; else adapters on all linear layers */
    float lora_alpha;        /* 32 is usual */
    uint64_t seed;           /* of the adapters' first values */
    float router_balance;    /* weight of the load-balance loss of sparse layers */
} trainable_options;

/* Make the parameters of m trainable. w holds the values m was made from: the
 * masters start there, not from rounded copies; it may be closed afterwards. m
 * is borrowed, and changed by trainable_publish alone. With LoRA a matrix may
 * be of any type and stays frozen, and the adapters are on m, without effect at
 * first, until trainable_free takes them off. With full weights every matrix
 * must be F32 or BF16 (E_UNSUPPORTED names the first that is not). E_ARG names
 * an option out of range, or says that m has an adapter loaded; E_FORMAT a
 * tensor of w that does not fit m. On OK *out is the caller's. */
status trainable_new(trainable **out, model *m, const weights *w,
                     const trainable_options *options, errtext *err);
void trainable_free(trainable *t);               /* accepts NULL */

int trainable_count(const trainable *t);
param *trainable_param(trainable *t, int i);     /* borrowed */
int64_t trainable_elements(const trainable *t);
void trainable_zero(trainable *t, pool *threads);            /* grad = 0 */
void trainable_publish(trainable *t, pool *threads);         /* value -> packed weights */

/* Write a GGUF: for full weights the whole model, its matrices in `type` (F32,
 * BF16, F16, Q8_0; else E_ARG), metadata and tokenizer those of w; for LoRA an
 * adapter file (adapter.h). E_FORMAT names a value that is not finite or too
 * large for the type, E_IO says what the disk did; nothing is left then. */
status trainable_write(const trainable *t, const weights *w, dtype type, const char *path,
                       errtext *err);

/* A batch of rows. Runs whose parent is not -1 share its keys and values: a
 * group's prompt is a run of its own. first_pos of a child is a multiple of
 * KV_PAGE and the end of its parent. */
typedef struct tape_batch {
    int n_row;
    const int32_t *ids;
    int n_run;
    const gradient_run *runs;
} tape_batch;

typedef struct tape tape;

/* For batches of at most max_row rows. The tape has pages of its own. Memory is
 * resident as rows are used: about tape_row_bytes for each. */
tape *tape_new(trainable *t, int max_row);
size_t tape_row_bytes(const trainable *t);
void tape_free(tape *p);                         /* accepts NULL */

/* Run the forward and keep what backward needs, until the next call. The batch
 * is copied. */
void tape_forward(tape *p, pool *threads, const tape_batch *b);

/* Targets: after row `row` comes token `id`. */
typedef struct tape_target {
    int32_t row;
    int32_t id;
} tape_target;

/* Log-probs of the targets at a temperature (0 counts as 1), [n], and the
 * entropy of each distribution where asked for (NULL: no), logits made and
 * dropped in chunks. */
void tape_log_probs(tape *p, pool *threads, const tape_target *targets, int n,
                    float temperature, float *log_prob, float *entropy);

/* d loss / d log_prob of target i, told its log-prob; called once a target, in
 * any order, from any thread. */
typedef float tape_slope(void *arg, int i, float log_prob);

/* Head and body backward, at most once a forward: the kept rows are used up.
 * Gradients are added to the parameters, that of router_balance times the
 * balance loss of this batch included. log_prob [n] and entropy [n] (NULL: no)
 * get what tape_log_probs would say. value_grad [n_row, d_model] or NULL is
 * added to the gradient of the normed last hidden rows (a value head's share). */
void tape_backward(tape *p, pool *threads, const tape_target *targets, int n,
                   float temperature, tape_slope *slope, void *arg, float *log_prob,
                   float *entropy, const float *value_grad);

/* Normed last hidden rows [n_row, d_model], what the output matrix sees; for a
 * value head. Borrowed until the next tape_forward. */
const float *tape_hidden(tape *p, pool *threads);

/* Router load-balance loss of the last forward (0 for dense models): the mean
 * over sparse layers of n_expert * sum over e of f(e) * P(e), f the share of
 * rows that chose e (they sum to n_expert_used), P its mean probability. */
double tape_balance_loss(const tape *p);

#endif
