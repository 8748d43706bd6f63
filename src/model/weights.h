/* weights.h - a model on disk: GGUF file or Hugging Face folder.
 *
 * Tensors carry GGUF names ("blk.0.attn_q.weight") whatever the source.
 * Nothing is copied: a tensor's bytes are a borrowed view of a mapped file.
 * Every size was checked against the file before a view is handed out. */
#ifndef MODEL_WEIGHTS_H
#define MODEL_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/config.h"
#include "tensor/dtype.h"
#include "token/tokenizer.h"

typedef struct weights weights;

typedef struct weight {
    const char *name;            /* GGUF name */
    dtype type;
    int n_dim;                   /* 1 to 4 */
    int64_t dim[4];              /* dim[0] is contiguous: a row; rest 1 */
    const void *data;            /* borrowed until weights_close */
    size_t n_bytes;
} weight;

/* PATH is a .gguf file (also the first of a split set) or a folder holding
 * config.json. On OK *out is the caller's, released by weights_close. The
 * config has passed config_check and every tensor that config needs is there
 * with its shape. */
status weights_open(weights **out, const char *path, errtext *err);
void weights_close(weights *w);                  /* accepts NULL */

const config *weights_config(const weights *w);
int weights_count(const weights *w);
const weight *weights_at(const weights *w, int i);       /* file order */
const weight *weights_find(const weights *w, const char *name);  /* or NULL */

/* Let go of a tensor's resident pages once it has been packed elsewhere. */
void weights_release(const weights *w, const weight *t);

/* The tokenizer the files describe; the caller's, released by tokenizer_free. */
status weights_tokenizer(const weights *w, tokenizer **out, errtext *err);

/* Only the tokenizer of PATH: a GGUF file (its architecture may be one that we
 * do not run, and it may hold no tensors), a tokenizer.json, or a folder with
 * one. */
status weights_tokenizer_only(const char *path, tokenizer **out, errtext *err);

/* The chat template text, or NULL. Borrowed; used to recognise the family. */
const char *weights_chat_template(const weights *w);

/* Read every block scale (and every value of float tensors) and name the first
 * tensor with one that is not finite: E_FORMAT. weights_open looks at the small
 * tensors only, since this touches the whole file. */
status weights_check_finite(const weights *w, errtext *err);

/* E_IO when the file shrank under us while it was mapped. */
status weights_intact(const weights *w, errtext *err);

#endif
