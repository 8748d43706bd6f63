/* internal.h - what the readers of model/ share. For the room and its tests. */
#ifndef MODEL_INTERNAL_H
#define MODEL_INTERNAL_H

#include "base/file.h"
#include "model/weights.h"

/* Filled by gguf_load (gguf.c) or hf_load (hf.c), then checked and sealed by
 * weights_open. Item names are owned; data points into the maps. */
struct weights {
    char *path;
    config config;
    weight *items;
    int n_item;
    int cap_item;
    int32_t *index;              /* open-addressing hash of names to items */
    int n_index;                 /* a power of two */
    filemap *maps;
    int n_map;
    char *chat_template;         /* owned, or NULL */
    void *source;                /* the reader's own state */
    void (*free_source)(void *source);
    status (*make_tokenizer)(const weights *w, tokenizer **out, errtext *err);
};

/* Add a tensor; the name is copied. E_FORMAT on a duplicate name, a dimension
 * below 1, a row that is not whole blocks, or n_bytes that is not the exact
 * size of the shape (all products overflow-checked). */
status weights_add(weights *w, const char *name, dtype type, int n_dim,
                   const int64_t *dim, const void *data, uint64_t n_bytes,
                   errtext *err);

/* Map one more file; the map lives as long as w. */
status weights_map(weights *w, const char *path, filemap *out, errtext *err);

/* The readers. w is zeroed but for path; on failure the caller closes it. */
status gguf_load(weights *w, const char *path, errtext *err);
status hf_load(weights *w, const char *dir, errtext *err);

#endif
