/* fields.h - a request's fields, one by one, each honoured or refused by name.
 *
 * Every reader takes the object, the path that leads to it ("" or "messages[0]")
 * and the field's name. A field that is absent or null leaves *out as it was, so
 * the caller puts the default there first. False has filled e with the 400 that
 * the hosted API sends for such a value: its code, its param, its wording. */
#ifndef SERVE_FIELDS_H
#define SERVE_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "serve/errors.h"

/* The value, or NULL when it is absent or null. Borrowed. */
const json_t *field(const json_t *o, const char *name);

/* "messages[0].role"; name NULL gives the path alone. */
void field_path(char out[200], const char *at, const char *name);

/* "tools" and 3: "tools[3]". */
void field_item(char out[200], const char *at, const char *name, size_t i);

bool field_text(const json_t *o, const char *at, const char *name, const char **out,
                api_error *e);
bool field_text_max(const json_t *o, const char *at, const char *name, size_t max,
                    const char **out, api_error *e);     /* characters */
bool field_int(const json_t *o, const char *at, const char *name, int64_t low, int64_t high,
               int64_t *out, api_error *e);
bool field_real(const json_t *o, const char *at, const char *name, double low, double high,
                double *out, api_error *e);
bool field_bool(const json_t *o, const char *at, const char *name, bool *out, api_error *e);
bool field_object(const json_t *o, const char *at, const char *name, const json_t **out,
                  api_error *e);
bool field_array(const json_t *o, const char *at, const char *name, const json_t **out,
                 api_error *e);

/* One of the words of a list that NULL ends; *out is its number. */
bool field_word(const json_t *o, const char *at, const char *name, const char *const *words,
                int *out, api_error *e);

/* Absent and null are errors, too. */
bool field_needed(const json_t *o, const char *at, const char *name, api_error *e);

/* No names but these (a list that NULL ends). */
bool fields_known(const json_t *o, const char *at, const char *const *names, api_error *e);

/* metadata: at most 16 pairs of text, names up to 64 characters, values up to 512. */
bool field_metadata(const json_t *o, const json_t **out, api_error *e);

/* A name of a tool or a format: letters, digits, '_' and '-', at least one. */
bool field_is_name(const char *name, const char *path, api_error *e);

/* The refusals. type_expected: "a string". */
bool refuse_type(api_error *e, const char *path, const char *expected, const json_t *got);
bool refuse_parameter(api_error *e, const char *path, const char *why);
bool refuse_value(api_error *e, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
