/* scratch.h - a model from nothing: vocabulary, shape and first weights.
 *
 * The vocabulary is byte-level BPE made for the problems it will see: every
 * byte, the marks of turns and thoughts, and the most frequent words of sample
 * texts together with the space before them. Merges only ever extend a word
 * from its start, so that a string without a space or capital before it (the
 * letters and digits of a trace) stays one token a character. */
#ifndef TRAIN_SCRATCH_H
#define TRAIN_SCRATCH_H

#include <stdint.h>

#include "base/status.h"
#include "model/config.h"

typedef struct scratch_shape {
    char name[64];
    int n_layer, d_model, n_head, n_head_kv, d_head, d_ff, n_ctx;
    int n_vocab;             /* at least SCRATCH_MIN_VOCAB; fewer if words run out */
    const int *rope_layers;  /* [n_rope] layers with position encoding; the rest
                              * have none */
    int n_rope;
} scratch_shape;

#define SCRATCH_MIN_VOCAB 272

/* Write a GGUF (F32, qwen3 architecture: q/k norm) at path. Matrices are normal
 * with deviation 1/sqrt(n_in), those that write to the residual stream also
 * divided by sqrt(2 n_layer), the tied embedding 0.05; norms are 1. The bytes
 * depend on shape, seed and sample alone.
 *
 *   sample   text of the kind to be read, split at will; words are counted
 *
 * E_ARG names a shape that config_check refuses; E_IO. */
status scratch_write(const scratch_shape *shape, uint64_t seed, const char *const *sample,
                     int n_sample, const char *path, errtext *err);

#endif
