/* llama2c.h - checkpoints of the llama2.c project, version 0.
 *
 * Layouts: https://github.com/karpathy/llama2.c, run.c (memory_map_weights and
 * build_tokenizer) and export.py (legacy_export). Seven int32 (dim, hidden_dim,
 * n_layers, n_heads, n_kv_heads, vocab_size, seq_len), then f32 matrices; a
 * negative vocab_size says that the output matrix is not the embedding. The
 * tokenizer file beside it has an int32 maximum length and, a token, an f32
 * score, an int32 length and that many bytes. */
#ifndef MODEL_LLAMA2C_H
#define MODEL_LLAMA2C_H

#include "model/weights.h"

/* Open a checkpoint as weights of the llama family; channels of q and k are
 * paired as in GGUF. On OK *out is the caller's, released by weights_close.
 * E_FORMAT names the field or tensor at fault. */
status llama2c_open(weights **out, const char *path, const char *tokenizer_path,
                    errtext *err);

#endif
