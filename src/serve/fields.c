/* fields.c - a request's fields, one by one. */
#include "serve/fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const json_t *field(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);

    return json_is_null(v) ? NULL : v;
}

void field_path(char out[200], const char *at, const char *name)
{
    snprintf(out, 200, "%s%s%s", at, *at && name ? "." : "", name ? name : "");
}

void field_item(char out[200], const char *at, const char *name, size_t i)
{
    snprintf(out, 200, "%s%s%s[%zu]", at, *at ? "." : "", name, i);
}

/* ----------------------------------------------------------------- refusals */

static const char *kind_of(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a decimal";
    case JSON_NULL: return "null";
    default: return "a boolean";
    }
}

bool refuse_type(api_error *e, const char *path, const char *expected, const json_t *got)
{
    return error_bad_code(e, "invalid_type", path,
                          "Invalid type for '%s': expected %s, but got %s instead.", path,
                          expected, kind_of(got));
}

bool refuse_parameter(api_error *e, const char *path, const char *why)
{
    return error_bad_code(e, "unsupported_parameter", path,
                          "Unsupported parameter: '%s' is not supported with this model.%s%s", path,
                          why ? " " : "", why ? why : "");
}

bool refuse_value(api_error *e, const char *path, const char *format, ...)
{
    char text[1000];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_bad_code(e, "invalid_value", path, "%s", text);
}

/* ------------------------------------------------------------------ readers */

/* The value, when there is one; `is` says whether it has the type. */
#define READ(o, at, name, is, expected) \
    const json_t *v = field(o, name); \
    char path[200]; \
    if (!v) return true; \
    field_path(path, at, name); \
    if (!is(v)) return refuse_type(e, path, expected, v)

bool field_text(const json_t *o, const char *at, const char *name, const char **out,
                api_error *e)
{
    READ(o, at, name, json_is_string, "a string");
    *out = json_string_value(v);
    return true;
}

static size_t n_character(const char *s)
{
    size_t n = 0;

    for (; *s; s++) n += (*s & 0xC0) != 0x80;
    return n;
}

bool field_text_max(const json_t *o, const char *at, const char *name, size_t max,
                    const char **out, api_error *e)
{
    size_t n;

    READ(o, at, name, json_is_string, "a string");
    n = n_character(json_string_value(v));
    if (n > max)
        return error_bad_code(e, "string_above_max_length", path,
                              "Invalid '%s': string too long. Expected a string with maximum "
                              "length %zu, but got a string with length %zu instead.", path, max,
                              n);
    *out = json_string_value(v);
    return true;
}

bool field_int(const json_t *o, const char *at, const char *name, int64_t low, int64_t high,
               int64_t *out, api_error *e)
{
    int64_t x;

    READ(o, at, name, json_is_integer, "an integer");
    x = json_integer_value(v);
    if (x < low)
        return error_bad_code(e, "integer_below_min_value", path,
                              "Invalid '%s': integer below minimum value. Expected a value >= "
                              "%lld, but got %lld instead.", path, (long long)low, (long long)x);
    if (x > high)
        return error_bad_code(e, "integer_above_max_value", path,
                              "Invalid '%s': integer above maximum value. Expected a value <= "
                              "%lld, but got %lld instead.", path, (long long)high, (long long)x);
    *out = x;
    return true;
}

bool field_real(const json_t *o, const char *at, const char *name, double low, double high,
                double *out, api_error *e)
{
    double x;

    READ(o, at, name, json_is_number, "a decimal");
    x = json_number_value(v);
    if (!(x >= low))
        return error_bad_code(e, "decimal_below_min_value", path,
                              "Invalid '%s': decimal below minimum value. Expected a value >= %g, "
                              "but got %g instead.", path, low, x);
    if (!(x <= high))
        return error_bad_code(e, "decimal_above_max_value", path,
                              "Invalid '%s': decimal above maximum value. Expected a value <= %g, "
                              "but got %g instead.", path, high, x);
    *out = x;
    return true;
}

bool field_bool(const json_t *o, const char *at, const char *name, bool *out, api_error *e)
{
    READ(o, at, name, json_is_boolean, "a boolean");
    *out = json_is_true(v);
    return true;
}

bool field_object(const json_t *o, const char *at, const char *name, const json_t **out,
                  api_error *e)
{
    READ(o, at, name, json_is_object, "an object");
    *out = v;
    return true;
}

bool field_array(const json_t *o, const char *at, const char *name, const json_t **out,
                 api_error *e)
{
    READ(o, at, name, json_is_array, "an array");
    *out = v;
    return true;
}

bool field_word(const json_t *o, const char *at, const char *name, const char *const *words,
                int *out, api_error *e)
{
    char list[400] = "";
    int n = 0;

    READ(o, at, name, json_is_string, "a string");
    for (int i = 0; words[i]; i++)
        if (!strcmp(words[i], json_string_value(v))) {
            *out = i;
            return true;
        }
    for (int i = 0; words[i] && n < (int)sizeof list - 1; i++)
        n += snprintf(list + n, sizeof list - (size_t)n, "%s'%s'",
                      !i ? "" : words[i + 1] ? ", " : i > 1 ? ", and " : " and ", words[i]);
    return refuse_value(e, path, "Invalid value: '%.100s'. Supported values are: %s.",
                        json_string_value(v), list);
}

bool field_needed(const json_t *o, const char *at, const char *name, api_error *e)
{
    char path[200];

    if (field(o, name)) return true;
    field_path(path, at, name);
    return error_bad_code(e, "missing_required_parameter", path,
                          "Missing required parameter: '%s'.", path);
}

bool fields_known(const json_t *o, const char *at, const char *const *names, api_error *e)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)o, key, value) {
        char path[200];
        int i = 0;

        while (names[i] && strcmp(names[i], key)) i++;
        if (names[i]) continue;
        field_path(path, at, key);
        return error_bad_code(e, "unknown_parameter", path, "Unknown parameter: '%s'.", path);
    }
    return true;
}

bool field_is_name(const char *name, const char *path, api_error *e)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    if (!*name)
        return error_bad_code(e, "empty_string", path, "Invalid '%s': empty string. Expected a "
                              "string with minimum length 1, but got an empty string instead.",
                              path);
    if (!name[strspn(name, letters)]) return true;
    return refuse_value(e, path, "Invalid '%s': string does not match pattern. Expected a string "
                        "that matches the pattern '^[a-zA-Z0-9_-]+$'.", path);
}

bool field_metadata(const json_t *o, const json_t **out, api_error *e)
{
    const json_t *pairs = NULL;
    const char *key;
    json_t *value;

    if (!field_object(o, "", "metadata", &pairs, e)) return false;
    if (!pairs) return true;
    if (json_object_size(pairs) > 16)
        return error_bad_code(e, "object_above_max_properties", "metadata",
                              "Invalid 'metadata': too many properties. Expected an object with "
                              "at most 16 properties, but got an object with %zu properties "
                              "instead.", json_object_size(pairs));
    json_object_foreach((json_t *)pairs, key, value) {
        const char *text;
        char path[200];

        if (n_character(key) > 64)
            return error_bad_code(e, "string_above_max_length", "metadata",
                                  "Invalid property name in 'metadata': string too long. Expected "
                                  "a string with maximum length 64, but got a string with length "
                                  "%zu instead.", n_character(key));
        field_path(path, "metadata", key);
        if (json_is_null(value)) return refuse_type(e, path, "a string", value);
        if (!field_text_max(pairs, "metadata", key, 512, &text, e)) return false;
    }
    *out = pairs;
    return true;
}
