/* recode.h - a tensor on its way into another file.
 *
 * One output tensor is made of one or more source tensors (experts stacked) or
 * of a slice of one (experts taken apart), with its rows reordered and its
 * elements in another type. Bytes leave in pieces of a few MB, so memory does
 * not grow with the model. */
#ifndef MODEL_RECODE_H
#define MODEL_RECODE_H

#include "base/pool.h"
#include "model/weights.h"

/* Rows of q and k: channel 2i and 2i + 1 of a head rotate together in GGUF
 * files of llama and smollm3, channel i and i + d_head/2 elsewhere. */
typedef enum row_order {
    ROWS_KEEP,
    ROWS_INTERLEAVE,     /* to the order of GGUF */
    ROWS_DEINTERLEAVE,   /* back */
} row_order;

typedef struct recode {
    const char *name;            /* in the output; owned by whoever plans */
    dtype type;
    int n_dim;
    int64_t dim[4];              /* dim[0] contiguous */
    const weight **parts;        /* [n_part], stacked one after the other */
    int n_part;
    int64_t first_row, n_row;    /* which rows of every part */
    row_order order;
    int d_head;                  /* rows of a head; for the orders but KEEP */
} recode;

/* Takes the next bytes of the tensor. */
typedef status recode_sink(void *arg, const void *data, size_t len, errtext *err);

/* Hand all bytes of r to sink, in order; its own status ends the run. E_FORMAT
 * names the tensor and element that is not finite or too large for the type:
 * values are looked at wherever the type changes. */
status recode_run(const recode *r, pool *p, recode_sink *sink, void *arg, errtext *err);

uint64_t recode_bytes(const recode *r);

/* The type for a matrix with rows of n elements when `want` was asked for:
 * itself, or, where the row is not whole blocks, what llama.cpp falls back to
 * (llama-quant.cpp: Q4_K to Q5_0, Q5_K to Q5_1, Q6_K to Q8_0, then F16). */
dtype recode_fitting(dtype want, int64_t n);

/* True when every element of a float tensor keeps its value in the type. */
bool recode_lossless(const weight *t, dtype type);

#endif
