/* json_text.h - JSON values as text in every order of their names.
 *
 * Definitions, for the tests of schemas that include it. */
#ifndef TESTS_JSON_TEXT_H
#define TESTS_JSON_TEXT_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* A number as JSON Schema sees it: 1.0 is 1. */
static inline void json_real_text(bytes *out, double x)
{
    char text[512];

    if (x > -1e15 && x < 1e15 && x == (double)(long long)x) {
        snprintf(text, sizeof text, "%lld", (long long)x);
    } else {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, x);
            if (strtod(text, NULL) == x) break;
        }
    }
    bytes_add_string(out, text);
}

/* *order picks a permutation for each object met, and is what is left of it: not
 * 0 afterwards when all permutations have been seen. */
static inline void json_text(bytes *out, const json_t *v, unsigned *order)
{
    const char *names[64], *key;
    json_t *items[64], *item;
    int n = 0;

    if (json_is_array(v)) {
        bytes_add_char(out, '[');
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (i) bytes_add_char(out, ',');
            json_text(out, json_array_get(v, i), order);
        }
        bytes_add_char(out, ']');
    } else if (json_is_object(v)) {
        json_object_foreach((json_t *)v, key, item) {
            if (n == 64) abort();
            names[n] = key;
            items[n++] = item;
        }
        bytes_add_char(out, '{');
        for (int i = 0; i < n; i++) {
            int pick = i + (int)(*order % (unsigned)(n - i));
            const char *name = names[pick];
            json_t *value = items[pick], *spelt = json_string(name);
            char *text = json_dumps(spelt, JSON_ENCODE_ANY);

            *order /= (unsigned)(n - i);
            names[pick] = names[i];
            items[pick] = items[i];
            if (i) bytes_add_char(out, ',');
            bytes_add_string(out, text);
            bytes_add_char(out, ':');
            json_text(out, value, order);
            free(text);
            json_decref(spelt);
        }
        bytes_add_char(out, '}');
    } else if (json_is_real(v)) {
        json_real_text(out, json_real_value(v));
    } else {
        char *text = json_dumps(v, JSON_ENCODE_ANY);

        bytes_add_string(out, text);
        free(text);
    }
}

#endif
