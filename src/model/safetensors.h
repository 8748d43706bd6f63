/* safetensors.h - the safetensors container: named tensors in one file.
 *
 * Format: https://github.com/huggingface/safetensors (README, "Format"): a
 * little-endian u64 header length, a JSON header, the bytes of all tensors.
 * The reader keeps views into the mapped file and hands none out before the
 * whole header was held against the file: extents lie inside, follow each
 * other without hole or overlap, and agree with shape and element type. */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "tensor/dtype.h"

#define SAFETENSORS_MAX_HEADER 100000000    /* bytes, the format's own bound */
#define SAFETENSORS_MAX_DIM 8

/* ---- reading ---- */

typedef struct safetensor {
    char *name;                  /* owned by the table */
    char dtype[12];              /* as written: "BF16" */
    bool usable;                 /* F32, F16 or BF16, so that type is set */
    dtype type;
    int n_dim;                   /* 0 for a scalar */
    int64_t dim[SAFETENSORS_MAX_DIM];   /* outermost first, as written */
    const uint8_t *data;         /* in the file; may lack the type's alignment */
    uint64_t n_bytes;
} safetensor;

typedef struct safetensors {
    const char *path;            /* for messages; borrowed */
    safetensor *items;           /* header order */
    int n_item;
} safetensors;

/* Read the header of a file that is mapped (or held) at data. path and data are
 * borrowed for s's life. E_FORMAT names the tensor or the byte at fault,
 * E_LIMIT a header beyond its bound. Types that this program does not compute
 * with are fine here (usable is false). On failure s is empty. */
status safetensors_init(safetensors *s, const char *path, const uint8_t *data,
                        size_t len, errtext *err);
void safetensors_fini(safetensors *s);           /* accepts a zeroed s */

/* ---- writing ---- */

/* A file in the making: add tensors, begin, write their bytes in order, finish.
 * Until safetensors_writer_finish the bytes are in PATH.tmp, which
 * safetensors_writer_free removes. */
typedef struct safetensors_writer safetensors_writer;

safetensors_writer *safetensors_writer_new(void);
void safetensors_writer_free(safetensors_writer *w);     /* accepts NULL */

/* Announce the next tensor, before begin. type is F32, F16 or BF16, dim
 * outermost first, the name UTF-8 and new. */
void safetensors_writer_add(safetensors_writer *w, const char *name, dtype type,
                            int n_dim, const int64_t *dim);

/* Create PATH.tmp and write the header. E_IO when the disk says no. */
status safetensors_writer_begin(safetensors_writer *w, const char *path, errtext *err);

/* The next bytes of the tensors, in the order they were added. */
status safetensors_writer_write(safetensors_writer *w, const void *data, size_t len,
                                errtext *err);

/* After the last byte: fsync, rename over PATH, fsync the folder. */
status safetensors_writer_finish(safetensors_writer *w, errtext *err);

#endif
