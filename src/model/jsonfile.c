/* jsonfile.c - bounded parsing and typed fields. */
#include "model/jsonfile.h"

#include <string.h>

#include "base/bytes.h"
#include "base/file.h"

/* Bytes of the smallest jansson value come to some forty times the text of
 * "[],[],[]", so values are counted before any is made. */
static status count_values(const char *text, size_t len, size_t max_values,
                           const char *where, errtext *err)
{
    size_t n = 0, depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (quoted) {
            if (c == '\\') i++;
            else if (c == '"') quoted = false;
            continue;
        }
        if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            n++;
            if (++depth > JSONFILE_MAX_DEPTH)
                return fail(err, E_LIMIT, "%s: byte %zu: nested deeper than %d", where, i,
                            JSONFILE_MAX_DEPTH);
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else if (c == ',') {
            n++;
        }
        if (n > max_values)
            return fail(err, E_LIMIT, "%s: byte %zu: more than %zu values", where, i, max_values);
    }
    return OK;
}

static status parse(json_t **out, const char *text, size_t len, size_t max_values,
                    size_t flags, const char *where, errtext *err)
{
    json_error_t trouble;
    status st = count_values(text, len, max_values, where, err);

    *out = NULL;
    if (st != OK) return st;
    *out = json_loadb(text, len, JSON_REJECT_DUPLICATES | flags, &trouble);
    if (!*out) {
        /* What follows "near" is a piece of the file and may hold anything. */
        char *near = strstr(trouble.text, " near ");

        if (near) *near = 0;
        return fail(err, E_FORMAT, "%s: byte %d: %s", where, trouble.position, trouble.text);
    }
    if (!json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        return fail(err, E_FORMAT, "%s: expected an object", where);
    }
    return OK;
}

status jsonfile_parse(json_t **out, const char *text, size_t len, size_t max_values,
                      const char *where, errtext *err)
{
    return parse(out, text, len, max_values, 0, where, err);
}

status jsonfile_read(json_t **out, const char *path, size_t max_len, bool any_number,
                     errtext *err)
{
    size_t flags = any_number ? JSON_DECODE_INT_AS_REAL : 0;
    bytes text = { 0 };
    status st = file_read(&text, path, max_len, err);

    *out = NULL;
    if (st == OK) st = parse(out, text.data, text.len, max_len / 8 + 1024, flags, path, err);
    bytes_fini(&text);
    return st;
}

bool jsonfile_has(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return v && !json_is_null(v);
}

status jsonfile_int(const json_t *object, const char *key, int64_t low, int64_t high,
                    int *out, const char *where, errtext *err)
{
    const json_t *v = json_object_get(object, key);
    int64_t value;

    if (!v || json_is_null(v)) return OK;
    if (!json_is_integer(v))
        return fail(err, E_FORMAT, "%s: %s: expected a whole number", where, key);
    value = json_integer_value(v);
    if (value < low || value > high)
        return fail(err, E_LIMIT, "%s: %s: %lld is outside %lld to %lld", where, key,
                    (long long)value, (long long)low, (long long)high);
    *out = (int)value;
    return OK;
}

status jsonfile_float(const json_t *object, const char *key, double low, double high,
                      double *out, const char *where, errtext *err)
{
    const json_t *v = json_object_get(object, key);
    double value;

    if (!v || json_is_null(v)) return OK;
    if (!json_is_number(v)) return fail(err, E_FORMAT, "%s: %s: expected a number", where, key);
    value = json_number_value(v);
    if (!(value >= low && value <= high))
        return fail(err, E_LIMIT, "%s: %s: %g is outside %g to %g", where, key, value, low, high);
    *out = value;
    return OK;
}

status jsonfile_bool(const json_t *object, const char *key, bool *out, const char *where,
                     errtext *err)
{
    const json_t *v = json_object_get(object, key);

    if (!v || json_is_null(v)) return OK;
    if (!json_is_boolean(v))
        return fail(err, E_FORMAT, "%s: %s: expected true or false", where, key);
    *out = json_is_true(v);
    return OK;
}

status jsonfile_text(const json_t *object, const char *key, const char **out,
                     const char *where, errtext *err)
{
    const json_t *v = json_object_get(object, key);

    if (!v || json_is_null(v)) return OK;
    if (!json_is_string(v)) return fail(err, E_FORMAT, "%s: %s: expected a text", where, key);
    *out = json_string_value(v);
    return OK;
}
