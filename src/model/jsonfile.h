/* jsonfile.h - JSON that came from a file, read with suspicion.
 *
 * Duplicate keys, invalid UTF-8, NUL in strings, NaN and trailing text are
 * refused, and the number of values is bounded before anything is built, so
 * memory stays in proportion to the text. For the rooms that include model/;
 * callers use jansson on the result. */
#ifndef MODEL_JSONFILE_H
#define MODEL_JSONFILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define JSONFILE_MAX_DEPTH 64

/* The value of a whole text, which must be an object. The caller owns *out
 * (json_decref); it is NULL unless OK. `where` (a path) and the byte offset
 * open every message; E_LIMIT above max_values values. */
status jsonfile_parse(json_t **out, const char *text, size_t len, size_t max_values,
                      const char *where, errtext *err);

/* jsonfile_parse of a file of at most max_len bytes. With any_number whole
 * numbers become reals, so that none is too large: tokenizer_config.json has
 * 10^30 for "no limit". */
status jsonfile_read(json_t **out, const char *path, size_t max_len, bool any_number,
                     errtext *err);

/* Typed fields of an object. A key that is absent or null leaves *out as it
 * was; another type is E_FORMAT, a number outside [low, high] E_LIMIT, both
 * naming `where` and the key. */
status jsonfile_int(const json_t *object, const char *key, int64_t low, int64_t high,
                    int *out, const char *where, errtext *err);
status jsonfile_float(const json_t *object, const char *key, double low, double high,
                      double *out, const char *where, errtext *err);
status jsonfile_bool(const json_t *object, const char *key, bool *out, const char *where,
                     errtext *err);
status jsonfile_text(const json_t *object, const char *key, const char **out,
                     const char *where, errtext *err);   /* borrowed from object */

/* True when the key is there and not null. */
bool jsonfile_has(const json_t *object, const char *key);

#endif
