/* convert.h - models from one file format into another.
 *
 * Sources: everything weights_open reads, and llama2.c checkpoints. Targets: a
 * GGUF file, with the keys, names, row order and stacked experts that llama.cpp
 * expects, or a folder that transformers and we ourselves read. Tensors pass
 * through one at a time; the target appears whole or not at all. */
#ifndef MODEL_CONVERT_H
#define MODEL_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "tensor/dtype.h"

typedef struct convert_options {
    bool retype;                 /* false: types stay (in a folder, quantised
                                  * tensors become F32) */
    dtype type;                  /* of matrices; norms, biases and the router
                                  * stay F32 in GGUF */
    const char *llama2c_tokenizer;   /* set: the source is a llama2.c checkpoint */
    int n_thread;                /* 0: one a processor */

    /* Before every piece of a few MB: bytes done and in all. False stops. */
    bool (*progress)(void *arg, const char *tensor, uint64_t done, uint64_t total);
    void (*note)(void *arg, const char *line);   /* what a user should know */
    void *arg;
} convert_options;

/* Write SRC's model to DST: a GGUF file when the name ends in ".gguf" (an
 * existing one is replaced), else a folder, which must not be there yet. On
 * failure nothing of the target is left: E_INTERRUPTED when progress said so,
 * E_UNSUPPORTED when the target format cannot express the model. */
status convert_model(const char *src, const char *dst, const convert_options *o, errtext *err);

#endif
