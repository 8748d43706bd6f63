/* optimizer.h - from gradients to new values.
 *
 * AdamW (Kingma and Ba 2015; decoupled decay, Loshchilov and Hutter 2019), or
 * Muon for the matrices inside the blocks (Jordan et al. 2024, "Muon: an
 * optimizer for hidden layers in neural networks"). Work is cut into blocks
 * whose bounds do not depend on the number of threads, and every sum has one
 * order: a resumed run repeats itself bit for bit. */
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "model/backward.h"
#include "train/checkpoint.h"

typedef struct optimizer_options {
    float beta1, beta2;      /* AdamW's averages, each in [0, 1): 0.9 and 0.95 to 0.999 */
    float eps;               /* 0 counts as 1e-8 */
    float decay;             /* weight decay per unit of learning rate, on params with decay */
    float clip;              /* largest global norm of the gradients; 0: no clipping */
    bool muon;               /* Muon for params with decay && !embedding, AdamW for the rest */
    float muon_momentum;     /* 0 counts as 0.95 */
    float muon_rate;         /* Muon's learning rate per AdamW's; 0 counts as 1 */
    bool muon_bf16;          /* Muon's products on operands rounded to bf16, as its authors
                                run it, where the processor multiplies bf16; else f32 */
} optimizer_options;

/* What a step did. */
typedef struct optimizer_info {
    double norm;             /* of all gradients after `scale`, before clipping */
    double factor;           /* what they were multiplied with: scale, and less if clipped */
    bool skipped;            /* a gradient was not finite, or too large to be squared in
                                f32: neither a value nor a moment has changed */
    const char *bad;         /* name of the first param with one, or NULL; borrowed */
    int64_t step;            /* steps taken since the start, skipped ones not counted */
} optimizer_info;

typedef struct optimizer optimizer;

/* For n params, which stay the caller's and outlive the optimizer; names are
 * distinct. Moments start at zero. */
optimizer *optimizer_new(const optimizer_options *options, param **params, int n);
void optimizer_free(optimizer *o);               /* accepts NULL */

/* One update of every param at learning rate `rate`, its gradient being
 * scale * grad (scale: 1 / tokens of the batch, say). grad is left as it is.
 *
 *   AdamW  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *          w = w - rate decay w - rate mhat / (sqrt(vhat) + eps)
 *   Muon   m = mu m + g;  u = g + mu m (Nesterov);  o = u orthogonalised by five
 *          Newton-Schulz steps (muon.h)
 *          w = w - r decay w - r sqrt(max(1, n_out / n_in)) o,  r = rate muon_rate
 *
 * info may be NULL. */
void optimizer_step(optimizer *o, pool *threads, double rate, double scale,
                    optimizer_info *info);

/* Norm of all gradients, times scale: in double, in one fixed order. Not finite
 * when a gradient is not. */
double optimizer_norm(optimizer *o, pool *threads, double scale);

/* Steps taken so far; set after a checkpoint was loaded (bias correction). */
int64_t optimizer_steps(const optimizer *o);
void optimizer_set_steps(optimizer *o, int64_t steps);

/* Append what a checkpoint must hold: every value (file "weights.f32"), then
 * the moments "NAME.m" and, but for Muon, "NAME.v" (file "moments.f32"). */
void optimizer_list(const optimizer *o, checkpoint_list *list);

#endif
