/* gguf.h - the GGUF container: metadata and tensors in one file.
 *
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions
 * 2 and 3, little-endian. The reader keeps views into the mapped file and
 * trusts no count, size or offset before it was held against the file; errors
 * name the key or tensor and the byte offset. What the metadata means for a
 * model is gguf_load.c's business; weights.h is the door for callers who want
 * a model. */
#ifndef MODEL_GGUF_H
#define MODEL_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/status.h"
#include "model/config.h"
#include "tensor/dtype.h"
#include "token/tokenizer.h"

typedef enum gguf_type {
    GGUF_U8 = 0,
    GGUF_I8 = 1,
    GGUF_U16 = 2,
    GGUF_I16 = 3,
    GGUF_U32 = 4,
    GGUF_I32 = 5,
    GGUF_F32 = 6,
    GGUF_BOOL = 7,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_U64 = 10,
    GGUF_I64 = 11,
    GGUF_F64 = 12,
} gguf_type;

const char *gguf_type_name(gguf_type t);         /* "u32" */

/* ---- reading ---- */

/* One metadata entry. All pointers are views into the file. */
typedef struct gguf_value {
    token_text key;
    gguf_type type;
    gguf_type item;          /* arrays: type of the items */
    uint64_t n;              /* arrays: items; strings: bytes; else 1 */
    const uint8_t *data;     /* unaligned, little-endian; of a string its text,
                              * of an array its first item */
    size_t n_bytes;          /* of data */
    uint64_t offset;         /* of the entry in the file, for messages */
} gguf_value;

typedef struct gguf_tensor {
    token_text name;         /* 1 to 127 bytes, no NUL */
    dtype type;
    int n_dim;
    int64_t dim[4];          /* dim[0] contiguous; rest 1 */
    const uint8_t *data;     /* inside the file; overlaps no other tensor */
    uint64_t n_bytes;
    uint64_t offset;         /* of the entry in the file, for messages */
} gguf_tensor;

typedef struct gguf {
    const char *path;        /* for messages; borrowed */
    int version;
    uint32_t alignment;
    uint64_t data_start;     /* file offset of the tensor data */
    gguf_value *values;      /* file order */
    int n_value;
    gguf_tensor *tensors;    /* file order */
    int n_tensor;
    int32_t *index;          /* hash of keys to values */
    int n_index;
} gguf;

/* Read the tables of a file that is mapped (or held) at data; time is linear
 * in its header. Both path and data are borrowed for g's life. E_FORMAT names
 * the trouble and its byte offset, E_UNSUPPORTED a version or tensor type this
 * program does not do, E_LIMIT a count beyond reason. On failure g is empty. */
status gguf_init(gguf *g, const char *path, const uint8_t *data, size_t len,
                 errtext *err);
void gguf_fini(gguf *g);                         /* accepts a zeroed g */

const gguf_value *gguf_find(const gguf *g, const char *key);     /* or NULL */

/* Typed lookups. An absent key leaves *out as it was and is fine; a key of the
 * wrong type is E_FORMAT, a number outside [low, high] is E_LIMIT, both by
 * name. Any integer type serves gguf_read_int, f32 and f64 gguf_read_float. */
status gguf_read_int(const gguf *g, const char *key, int64_t low, int64_t high,
                     int64_t *out, errtext *err);
status gguf_read_float(const gguf *g, const char *key, float *out, errtext *err);
status gguf_read_bool(const gguf *g, const char *key, bool *out, errtext *err);

/* A copy with a NUL behind it, for mem_free; a NUL inside the text or more
 * than max_len bytes are refused. */
status gguf_read_string(const gguf *g, const char *key, size_t max_len, char **out,
                        errtext *err);

/* Arrays. *out is for mem_free and has *n items; both stay as they were when
 * the key is absent. The texts are views into the file. */
status gguf_read_texts(const gguf *g, const char *key, token_text **out, int *n,
                       errtext *err);
status gguf_read_i32s(const gguf *g, const char *key, int32_t **out, int *n,
                      errtext *err);    /* u8, i8, u16, i16, i32, bool; u32 < 2^31 */
status gguf_read_f32s(const gguf *g, const char *key, float **out, int *n,
                      errtext *err);    /* f32 only */

/* ---- writing ---- */

/* A file in the making: set metadata, add tensors, begin, write their bytes in
 * order, finish. Nothing is held but the header. Until gguf_writer_finish the
 * bytes are in PATH.tmp, which gguf_writer_free removes. */
typedef struct gguf_writer gguf_writer;

gguf_writer *gguf_writer_new(void);
void gguf_writer_free(gguf_writer *w);           /* accepts NULL */

/* Metadata, before begin. Keys and texts are copied; a key set again is
 * replaced in its place. */
void gguf_writer_set_u8(gguf_writer *w, const char *key, uint8_t value);
void gguf_writer_set_u16(gguf_writer *w, const char *key, uint16_t value);
void gguf_writer_set_u32(gguf_writer *w, const char *key, uint32_t value);
void gguf_writer_set_i32(gguf_writer *w, const char *key, int32_t value);
void gguf_writer_set_u64(gguf_writer *w, const char *key, uint64_t value);
void gguf_writer_set_f32(gguf_writer *w, const char *key, float value);
void gguf_writer_set_bool(gguf_writer *w, const char *key, bool value);
void gguf_writer_set_string(gguf_writer *w, const char *key, const char *text);
void gguf_writer_set_array_u8(gguf_writer *w, const char *key, const uint8_t *v, int n);
void gguf_writer_set_array_i32(gguf_writer *w, const char *key, const int32_t *v, int n);
void gguf_writer_set_array_f32(gguf_writer *w, const char *key, const float *v, int n);
void gguf_writer_set_array_string(gguf_writer *w, const char *key, const token_text *v,
                                  int n);

/* Copy an entry of another file as it is, under its own key. */
void gguf_writer_set_value(gguf_writer *w, const gguf_value *v);

/* All keys that gguf_load reads a config from: general.architecture and name,
 * <architecture>.*, and ponder.no_rope where the layers without position
 * encoding are not the family's own. rope_factors are no key: where one is not
 * 1 the caller adds the tensor rope_freqs.weight, f32 [d_head/2]. A llama or
 * smollm3 file holds q and k rows in interleaved order (config.h), so the
 * caller permutes them where c->rope_interleaved is false. */
void gguf_writer_set_config(gguf_writer *w, const config *c);

/* tokenizer.ggml.* from a spec (tokenizer_spec gives one back), and
 * ponder.ignore_merges where it is not what the splitter implies. */
void gguf_writer_set_vocab(gguf_writer *w, const vocab_spec *v);

/* Announce the next tensor, before begin; the row is whole blocks. */
void gguf_writer_add_tensor(gguf_writer *w, const char *name, dtype type, int n_dim,
                            const int64_t *dim);

/* Create PATH.tmp and write the header. E_IO when the disk says no. */
status gguf_writer_begin(gguf_writer *w, const char *path, errtext *err);

/* The next bytes of the tensors, in the order they were added and in pieces of
 * any size that do not reach into the next tensor; padding is the writer's. */
status gguf_writer_write(gguf_writer *w, const void *data, size_t len, errtext *err);

/* After the last byte: fsync, rename over PATH, fsync the folder. */
status gguf_writer_finish(gguf_writer *w, errtext *err);

#endif
