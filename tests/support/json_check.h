/* json_check.h - a validator of JSON Schema that shares nothing with ours: it
 * reads a finished value, keyword by keyword, as the draft's text goes.
 *
 * Definitions, for the tests that include it. Knows what these tests use: the
 * applicators without unevaluated..., and $ref into $defs. */
#ifndef TESTS_JSON_CHECK_H
#define TESTS_JSON_CHECK_H

#include <jansson.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

static bool json_valid(const json_t *root, const json_t *s, const json_t *v);

static bool check_type(const char *t, const json_t *v)
{
    if (!strcmp(t, "null")) return json_is_null(v);
    if (!strcmp(t, "boolean")) return json_is_boolean(v);
    if (!strcmp(t, "string")) return json_is_string(v);
    if (!strcmp(t, "array")) return json_is_array(v);
    if (!strcmp(t, "object")) return json_is_object(v);
    if (!strcmp(t, "number")) return json_is_number(v);
    return json_is_integer(v) || (json_is_real(v) && floor(json_real_value(v)) == json_real_value(v));
}

static bool check_types(const json_t *type, const json_t *v)
{
    if (json_is_string(type)) return check_type(json_string_value(type), v);
    for (size_t i = 0; i < json_array_size(type); i++)
        if (check_type(json_string_value(json_array_get(type, i)), v)) return true;
    return false;
}

static bool check_same(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

static bool check_pattern(const char *pattern, const char *text)
{
    regex_t r;
    bool found;

    if (regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB)) {
        printf("the test's pattern %s is not POSIX\n", pattern);
        return false;
    }
    found = regexec(&r, text, 0, NULL, 0) == 0;
    regfree(&r);
    return found;
}

static int check_length(const char *s)
{
    int n = 0;

    for (; *s; s++) n += (*s & 0xC0) != 0x80;
    return n;
}

static bool at_least(const json_t *s, const char *key, double x)
{
    const json_t *v = json_object_get(s, key);

    return !v || x >= json_number_value(v);
}

static bool at_most(const json_t *s, const char *key, double x)
{
    const json_t *v = json_object_get(s, key);

    return !v || x <= json_number_value(v);
}

static bool check_number(const json_t *s, const json_t *number)
{
    const json_t *v;
    double x = json_number_value(number);

    if (!at_least(s, "minimum", x) || !at_most(s, "maximum", x)) return false;
    if ((v = json_object_get(s, "exclusiveMinimum")) && x <= json_number_value(v)) return false;
    if ((v = json_object_get(s, "exclusiveMaximum")) && x >= json_number_value(v)) return false;
    if ((v = json_object_get(s, "multipleOf"))) {
        double q = x / json_number_value(v);

        if (json_is_integer(v) && json_is_integer(number))
            return json_integer_value(number) % json_integer_value(v) == 0;
        if (fabs(q - round(q)) > 1e-6) return false;
    }
    return true;
}

static bool check_array(const json_t *root, const json_t *s, const json_t *v)
{
    size_t n = json_array_size(v), n_prefix = json_array_size(json_object_get(s, "prefixItems"));
    const json_t *c = json_object_get(s, "contains");
    double found = 0;

    if (!at_least(s, "minItems", (double)n) || !at_most(s, "maxItems", (double)n)) return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = i < n_prefix ? json_array_get(json_object_get(s, "prefixItems"), i)
                                          : json_object_get(s, "items");

        if (item && !json_valid(root, item, json_array_get(v, i))) return false;
        if (c) found += json_valid(root, c, json_array_get(v, i));
        for (size_t k = 0; json_is_true(json_object_get(s, "uniqueItems")) && k < i; k++)
            if (check_same(json_array_get(v, i), json_array_get(v, k))) return false;
    }
    if (!c) return true;
    if (!json_object_get(s, "minContains") && found < 1) return false;
    return at_least(s, "minContains", found) && at_most(s, "maxContains", found);
}

static bool check_object(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *r = json_object_get(s, "required"), *names = json_object_get(s, "propertyNames");
    const char *key, *pattern;
    json_t *item, *of;
    double n = (double)json_object_size(v);

    if (!at_least(s, "minProperties", n) || !at_most(s, "maxProperties", n)) return false;
    for (size_t i = 0; i < json_array_size(r); i++)
        if (!json_object_get(v, json_string_value(json_array_get(r, i)))) return false;
    json_object_foreach(json_object_get(s, "dependentRequired"), key, of)
        for (size_t i = 0; json_object_get(v, key) && i < json_array_size(of); i++)
            if (!json_object_get(v, json_string_value(json_array_get(of, i)))) return false;
    json_object_foreach((json_t *)v, key, item) {
        const json_t *own = json_object_get(json_object_get(s, "properties"), key);
        bool known = own != NULL;

        if (own && !json_valid(root, own, item)) return false;
        json_object_foreach(json_object_get(s, "patternProperties"), pattern, of) {
            if (!check_pattern(pattern, key)) continue;
            known = true;
            if (!json_valid(root, of, item)) return false;
        }
        if (!known && json_object_get(s, "additionalProperties") &&
            !json_valid(root, json_object_get(s, "additionalProperties"), item))
            return false;
        if (names) {
            json_t *name = json_string(key);
            bool good = json_valid(root, names, name);

            json_decref(name);
            if (!good) return false;
        }
    }
    return true;
}

static int check_count(const json_t *root, const json_t *list, const json_t *v)
{
    int n = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        n += json_valid(root, json_array_get(list, i), v);
    return n;
}

static bool json_valid(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *x;

    if (json_is_boolean(s)) return json_is_true(s);
    if ((x = json_object_get(s, "$ref"))) {
        const char *ref = json_string_value(x);

        if (!json_valid(root, strcmp(ref, "#") ? json_object_get(json_object_get(root, "$defs"), ref + 8)
                                               : root, v))
            return false;
    }
    if ((x = json_object_get(s, "type")) && !check_types(x, v)) return false;
    if ((x = json_object_get(s, "const")) && !check_same(x, v)) return false;
    if ((x = json_object_get(s, "enum"))) {
        bool found = false;

        for (size_t i = 0; i < json_array_size(x); i++) found |= check_same(json_array_get(x, i), v);
        if (!found) return false;
    }
    if ((x = json_object_get(s, "allOf")) && check_count(root, x, v) != (int)json_array_size(x)) return false;
    if ((x = json_object_get(s, "anyOf")) && check_count(root, x, v) == 0) return false;
    if ((x = json_object_get(s, "oneOf")) && check_count(root, x, v) != 1) return false;
    if ((x = json_object_get(s, "not")) && json_valid(root, x, v)) return false;
    if ((x = json_object_get(s, "if"))) {
        x = json_object_get(s, json_valid(root, x, v) ? "then" : "else");
        if (x && !json_valid(root, x, v)) return false;
    }
    if (json_is_number(v) && !check_number(s, v)) return false;
    if (json_is_string(v)) {
        double n = check_length(json_string_value(v));

        if (!at_least(s, "minLength", n) || !at_most(s, "maxLength", n)) return false;
        if ((x = json_object_get(s, "pattern")) && !check_pattern(json_string_value(x), json_string_value(v)))
            return false;
    }
    if (json_is_array(v) && !check_array(root, s, v)) return false;
    return !json_is_object(v) || check_object(root, s, v);
}

#endif
