/* muon.h - the nearest semi-orthogonal matrix, roughly.
 *
 * Five steps of the quintic iteration X <- a X + (b A + c A A) X with A = X X^T
 * and (a, b, c) = (3.4445, -4.7750, 2.0315), after X was divided by its
 * Frobenius norm (Jordan et al. 2024, "Muon: an optimizer for hidden layers in
 * neural networks"). The coefficients trade accuracy for speed: singular values
 * land between about 0.7 and 1.2, not at 1, and those below about 0.001 of the
 * norm stay small. */
#ifndef TRAIN_MUON_H
#define TRAIN_MUON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"

typedef struct muon muon;

/* For matrices of at most max_elements elements whose shorter side is at most
 * max_side; bf16 as gradient_new of tensor/gradient.h has it. */
muon *muon_new(int64_t max_elements, int max_side, bool bf16);
void muon_free(muon *m);                         /* accepts NULL */

/* Orthogonalise x [n_out, n_in] in place, told its Frobenius norm. Zero stays
 * zero. */
void muon_orthogonalise(muon *m, pool *threads, float *x, int n_out, int n_in,
                        double norm);

#endif
