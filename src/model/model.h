/* model.h - a loaded model and its one forward pass.
 *
 * The forward is a function of ids and positions, never of text. A row's
 * logits depend on the weights and on its own sequence alone: not on how many
 * rows go with it, how its prompt was cut, which pages hold its past, or the
 * number of threads (invariant 1; tests/model/test_forward.c). Sampling and
 * training call the same function. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"
#include "model/config.h"
#include "model/weights.h"
#include "tensor/attention.h"

typedef struct model model;

#define MODEL_KEEP_TYPES (-1)

/* Pack the weights of w for this processor, sharing the work among threads. w
 * may be closed afterwards; its pages are released while packing, so that no
 * more than one copy of the weights is resident. type is MODEL_KEEP_TYPES, or
 * a dtype that every matrix is converted to (where its rows allow, else F32).
 *
 * On OK *out is the caller's, to be released with model_free. */
status model_new(model **out, const weights *w, int type, pool *threads, errtext *err);
void model_free(model *m);                       /* accepts NULL */

const config *model_config(const model *m);
size_t model_bytes(const model *m);              /* packed weights in memory */

/* Bytes of weights that one token reads: all matrices once, for a mixture of
 * experts only those used, of the embedding nothing unless it is the output. */
size_t model_token_bytes(const model *m);

/* Multiply-adds of one token outside attention, output matrix included. */
double model_token_ops(const model *m);

/* A cache fit for this model: f32 when its matrices are, else f16. */
kv_cache *model_kv_new(const model *m, int n_page);

/* Working memory of a pass, for at most max_row rows and max_out logit rows. */
typedef struct workspace workspace;

workspace *workspace_new(const model *m, int max_row, int max_out);
void workspace_free(workspace *w);               /* accepts NULL */

/* Rows of one pass: runs of consecutive positions, each of one sequence. The
 * keys and values of all rows are stored before any is read. */
typedef struct forward_batch {
    int n_row;
    const int32_t *ids;      /* [n_row] in [0, n_vocab) */
    int n_run;
    const attend_run *runs;  /* cover rows 0 .. n_row-1 in order */
    int n_out;
    const int32_t *out;      /* [n_out] rows whose logits are wanted */
} forward_batch;

/* Compute logits [n_out][n_vocab], f32, borrowed from the workspace until its
 * next pass (NULL when n_out is 0), and store keys and values in kv. */
const float *model_forward(const model *m, workspace *ws, kv_cache *kv, pool *threads,
                           const forward_batch *batch);

#endif
