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

/* The tokenizer of a GGUF file that need not hold a model. */
status gguf_tokenizer_only(const char *path, tokenizer **out, errtext *err);

/* Vocabularies of this splitter keep a whole split that is a token (a fact of
 * the splitter in GGUF, where no key says so). pre may be NULL. */
bool gguf_pre_ignores_merges(const char *pre);

/* Hash of a name, keyed by a number drawn at start, so that a file cannot be
 * made whose names all collide. */
uint64_t name_hash(const void *name, size_t len);

/* A name from a file as it may stand in a message: cut to fit, bytes that are
 * not printable ASCII as '?'. Returns out. */
#define NAME_SHOWN 80
const char *name_show(const char *name, size_t len, char out[NAME_SHOWN]);

#endif
