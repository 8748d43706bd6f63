/* render_json.h - JSON text rewritten the way Python prints it.
 *
 * Chat templates write tool definitions and arguments with Python's json.dumps
 * (ensure_ascii off) or with the repr() of a dict; a model has seen exactly those
 * spaces, escapes and floats. Rewriting works on text, not on a tree of values,
 * so key order and integers of any size survive. Of a repeated key the last
 * value counts, in the first one's place, as in a Python dict. */
#ifndef REASON_RENDER_JSON_H
#define REASON_RENDER_JSON_H

#include "base/bytes.h"
#include "base/status.h"

typedef enum json_style {
    JSON_LINE,           /* json.dumps(x): {"a": 1, "b": [true, null]} */
    JSON_INDENT,         /* json.dumps(x, indent=4) */
    JSON_PYTHON,         /* repr(x): {'a': 1, 'b': [True, None]} */
} json_style;

#define JSON_MAX_DEPTH 200

/* Append the rewritten value. The text holds one value and white space; E_FORMAT
 * names the byte offset of what is not JSON (RFC 8259), E_LIMIT deeper nesting
 * than JSON_MAX_DEPTH. On failure out is as before. */
status json_rewrite(bytes *out, const char *text, size_t len, json_style style,
                    errtext *err);

/* A string value from raw bytes. Bytes that are not UTF-8 pass unchanged. */
void json_quote(bytes *out, const char *data, size_t len);

/* Length of the JSON value at the start of text (which begins with no white
 * space), or 0 when there is no valid one. */
size_t json_value_length(const char *text, size_t len);

/* Walk the members of an object or the items of an array. `text` starts at the
 * bracket and holds a valid value. Start with *at = 0; returns false after the
 * last. key (may be NULL) takes the decoded name and is cleared first. */
bool json_next(const char *text, size_t len, size_t *at, bytes *key,
               const char **value, size_t *value_len);

/* Decode the string value (with its quotes) that text holds. */
bool json_unquote(bytes *out, const char *text, size_t len);

/* repr() of a float: the shortest digits that read back as the same value. */
void json_float(bytes *out, double value, json_style style);

#endif
