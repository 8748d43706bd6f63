/* gradient_internal.h - the scratch memory that gradient*.c share. */
#ifndef TENSOR_GRADIENT_INTERNAL_H
#define TENSOR_GRADIENT_INTERNAL_H

#include <stddef.h>

#include "tensor/gradient.h"

typedef struct grad_space {
    void *p;
    size_t bytes;
} grad_space;

struct gradient {
    bool bf16;
    grad_space shared;       /* packed weights, or partial sums */
    grad_space *work;        /* [n_work] of the threads */
    int n_work;
};

/* At least `bytes` for each of n_thread threads; contents are lost. */
void gradient_grow_work(gradient *g, int n_thread, size_t bytes);

#endif
