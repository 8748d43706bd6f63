/* schema_index.c - reading schema documents.
 *
 * Every keyword is looked up in one table: what it is called, what its value
 * must be, where schemas stand in it. A keyword that is not in the table is
 * refused here, before anything is built. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "decode/schema_internal.h"

bool schema_fail(schema_context *c, status st, int32_t path, const char *format, ...)
{
    char why[256];
    bytes where = { 0 };
    int32_t steps[SCHEMA_MAX_DEPTH * 4];
    int n = 0;
    va_list args;

    if (c->st != OK) return false;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    for (int32_t at = path; at > 0 && n < SCHEMA_MAX_DEPTH * 4; at = c->paths[at].parent)
        steps[n++] = at;
    bytes_add_char(&where, '#');
    while (n > 0) {
        const path_step *s = &c->paths[steps[--n]];

        bytes_add_char(&where, '/');
        if (!s->key) bytes_add_format(&where, "%d", (int)s->index);
        for (const char *k = s->key; k && *k; k++) {
            if (*k == '~') bytes_add_string(&where, "~0");
            else if (*k == '/') bytes_add_string(&where, "~1");
            else if ((unsigned char)*k >= 32) bytes_add_char(&where, *k);
        }
    }
    c->st = fail(c->err, st, "%.240s%s: %s", where.data, where.len > 240 ? "..." : "", why);
    bytes_fini(&where);
    return false;
}

static int32_t path_add(schema_context *c, int32_t parent, const char *key, int32_t index)
{
    CONTEXT_GROW(c, path);
    c->paths[c->n_path] = (path_step){ parent, key, index };
    return c->n_path++;
}

int32_t path_key(schema_context *c, int32_t parent, const char *key)
{
    return path_add(c, parent, key, 0);
}

int32_t path_index(schema_context *c, int32_t parent, int index)
{
    return path_add(c, parent, NULL, index);
}

/* --------------------------------------------------------------------- URIs */

typedef struct uri_part {
    const char *at;
    size_t len;
} uri_part;

/* RFC 3986, appendix B: scheme with colon, authority with slashes, path, query
 * with its mark. The fragment is cut off before. */
static void split_uri(const char *uri, size_t len, uri_part part[4])
{
    size_t at = 0, i = 0;

    memset(part, 0, 4 * sizeof *part);
    while (i < len && !strchr(":/?#", uri[i])) i++;
    if (i > 0 && i < len && uri[i] == ':') {
        part[0] = (uri_part){ uri, i + 1 };
        at = i + 1;
    }
    if (len - at >= 2 && uri[at] == '/' && uri[at + 1] == '/') {
        for (i = at + 2; i < len && !strchr("/?", uri[i]); i++) {}
        part[1] = (uri_part){ uri + at, i - at };
        at = i;
    }
    for (i = at; i < len && uri[i] != '?'; i++) {}
    part[2] = (uri_part){ uri + at, i - at };
    part[3] = (uri_part){ uri + i, len - i };
}

static void add_part(bytes *out, uri_part p)
{
    if (p.len) bytes_add(out, p.at, p.len);
}

/* Section 5.2.4: . and .. go. */
static void add_path(bytes *out, const char *path, size_t len)
{
    size_t floor = out->len;

    for (size_t i = 0; i < len;) {
        size_t end = i + (path[i] == '/');

        while (end < len && path[end] != '/') end++;
        {
            const char *name = path + i + (path[i] == '/');
            size_t n = end - i - (path[i] == '/');
            bool up = n == 2 && !memcmp(name, "..", 2), here = n == 1 && *name == '.';

            if (up) {
                while (out->len > floor && out->data[--out->len] != '/') {}
                if (end == len) bytes_add_char(out, '/');
            } else if (here) {
                if (end == len) bytes_add_char(out, '/');
            } else {
                bytes_add(out, path + i, end - i);
            }
        }
        i = end;
    }
}

/* Section 5.2.2, without fragments; the caller frees it. */
static char *resolve_uri(const char *base, const char *ref, size_t ref_len)
{
    uri_part b[4], r[4];
    bytes out = { 0 };

    split_uri(base, strlen(base), b);
    split_uri(ref, ref_len, r);
    bytes_add_string(&out, "");
    if (r[0].len) {
        for (int i = 0; i < 2; i++) add_part(&out, r[i]);
        add_path(&out, r[2].at, r[2].len);
        add_part(&out, r[3]);
    } else {
        add_part(&out, b[0]);
        add_part(&out, r[1].len ? r[1] : b[1]);
        if (r[1].len || (r[2].len && *r[2].at == '/')) {
            add_path(&out, r[2].at, r[2].len);
            add_part(&out, r[3]);
        } else if (r[2].len) {
            size_t keep = b[2].len;
            bytes joined = { 0 };

            while (keep > 0 && b[2].at[keep - 1] != '/') keep--;
            if (b[1].len && !b[2].len) bytes_add_char(&joined, '/');
            bytes_add(&joined, b[2].at, keep);
            bytes_add(&joined, r[2].at, r[2].len);
            add_path(&out, joined.data, joined.len);
            bytes_fini(&joined);
            add_part(&out, r[3]);
        } else {
            add_part(&out, b[2]);
            add_part(&out, r[3].len ? r[3] : b[3]);
        }
    }
    bytes_add_char(&out, 0);
    return bytes_take(&out);
}

/* ----------------------------------------------------------------- keywords */

typedef enum value_form {
    FORM_NOTE,                   /* says nothing about values */
    FORM_SCHEMA, FORM_SCHEMAS, FORM_SCHEMA_MAP,
    FORM_COUNT, FORM_NUMBER, FORM_STEP, FORM_BOOL,
    FORM_STRING, FORM_STRINGS, FORM_STRING_LISTS,
    FORM_TYPE, FORM_LIST, FORM_ANY,
} value_form;

static const struct {
    const char *name;
    value_form form;
} keywords[] = {
    { "$anchor", FORM_STRING }, { "$comment", FORM_NOTE }, { "$defs", FORM_SCHEMA_MAP },
    { "$dynamicAnchor", FORM_STRING }, { "$dynamicRef", FORM_STRING }, { "$id", FORM_STRING },
    { "$ref", FORM_STRING }, { "$schema", FORM_STRING }, { "$vocabulary", FORM_NOTE },
    { "additionalProperties", FORM_SCHEMA }, { "allOf", FORM_SCHEMAS },
    { "anyOf", FORM_SCHEMAS }, { "const", FORM_ANY }, { "contains", FORM_SCHEMA },
    { "contentEncoding", FORM_NOTE }, { "contentMediaType", FORM_NOTE },
    { "contentSchema", FORM_NOTE }, { "default", FORM_NOTE },
    { "definitions", FORM_SCHEMA_MAP }, { "dependentRequired", FORM_STRING_LISTS },
    { "dependentSchemas", FORM_SCHEMA_MAP }, { "deprecated", FORM_NOTE },
    { "description", FORM_NOTE }, { "else", FORM_SCHEMA }, { "enum", FORM_LIST },
    { "examples", FORM_NOTE }, { "exclusiveMaximum", FORM_NUMBER },
    { "exclusiveMinimum", FORM_NUMBER }, { "format", FORM_STRING }, { "if", FORM_SCHEMA },
    { "items", FORM_SCHEMA }, { "maxContains", FORM_COUNT }, { "maxItems", FORM_COUNT },
    { "maxLength", FORM_COUNT }, { "maxProperties", FORM_COUNT }, { "maximum", FORM_NUMBER },
    { "minContains", FORM_COUNT }, { "minItems", FORM_COUNT }, { "minLength", FORM_COUNT },
    { "minProperties", FORM_COUNT }, { "minimum", FORM_NUMBER }, { "multipleOf", FORM_STEP },
    { "not", FORM_SCHEMA }, { "oneOf", FORM_SCHEMAS }, { "pattern", FORM_STRING },
    { "patternProperties", FORM_SCHEMA_MAP }, { "prefixItems", FORM_SCHEMAS },
    { "properties", FORM_SCHEMA_MAP }, { "propertyNames", FORM_SCHEMA },
    { "readOnly", FORM_NOTE }, { "required", FORM_STRINGS }, { "then", FORM_SCHEMA },
    { "title", FORM_NOTE }, { "type", FORM_TYPE }, { "unevaluatedItems", FORM_SCHEMA },
    { "unevaluatedProperties", FORM_SCHEMA }, { "uniqueItems", FORM_BOOL },
    { "writeOnly", FORM_NOTE },
};

static bool find_keyword(const char *name, value_form *form)
{
    size_t low = 0, high = sizeof keywords / sizeof *keywords;

    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = strcmp(name, keywords[mid].name);

        if (order == 0) {
            *form = keywords[mid].form;
            return true;
        }
        if (order < 0) high = mid;
        else low = mid + 1;
    }
    /* What programs note for themselves, by the usual prefix. */
    *form = FORM_NOTE;
    return !strncmp(name, "x-", 2);
}

static bool is_type_name(const json_t *v)
{
    static const char *const names[] = { "null", "boolean", "number", "integer", "string",
                                         "array", "object" };

    for (size_t i = 0; json_is_string(v) && i < sizeof names / sizeof *names; i++)
        if (!strcmp(json_string_value(v), names[i])) return true;
    return false;
}

static bool are_strings(const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_is_string(json_array_get(v, i))) return false;
    return json_is_array(v);
}

/* Dialects whose keywords, as far as they are known here, mean the same. (Where
 * an older one gives a keyword another form, as `items` a list, the form is
 * refused.) */
static bool is_known_draft(const char *uri)
{
    static const char *const known[] = {
        "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema", "http://json-schema.org/draft-06/schema",
    };
    size_t len = strlen(uri);

    if (len && uri[len - 1] == '#') len--;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == len && !memcmp(known[i], uri, len)) return true;
    return false;
}

/* What the draft asks of a keyword's value; NULL: it is so. */
static const char *wrong_form(value_form form, const json_t *v)
{
    const char *key;
    json_t *item;

    switch (form) {
    case FORM_NOTE: case FORM_ANY: return NULL;
    case FORM_SCHEMA:
        return json_is_object(v) || json_is_boolean(v) ? NULL : "must be a schema";
    case FORM_SCHEMAS:
        return json_is_array(v) && json_array_size(v) ? NULL : "must be a list of schemas, not empty";
    case FORM_SCHEMA_MAP: return json_is_object(v) ? NULL : "must be an object of schemas";
    case FORM_COUNT:
        return (json_is_integer(v) && json_integer_value(v) >= 0) ||
               (json_is_real(v) && json_real_value(v) >= 0 && json_real_value(v) < 1e15 &&
                json_real_value(v) == (double)(long long)json_real_value(v))
                   ? NULL : "must be a whole number, not negative";
    case FORM_NUMBER: return json_is_number(v) ? NULL : "must be a number";
    case FORM_STEP:
        return json_is_number(v) && json_number_value(v) > 0 ? NULL : "must be a number above 0";
    case FORM_BOOL: return json_is_boolean(v) ? NULL : "must be true or false";
    case FORM_STRING: return json_is_string(v) ? NULL : "must be a string";
    case FORM_STRINGS: return are_strings(v) ? NULL : "must be a list of strings";
    case FORM_STRING_LISTS:
        if (!json_is_object(v)) return "must be an object of lists of strings";
        json_object_foreach((json_t *)v, key, item)
            if (!are_strings(item)) return "must be an object of lists of strings";
        return NULL;
    case FORM_TYPE:
        if (is_type_name(v)) return NULL;
        if (!json_is_array(v) || !json_array_size(v)) return "must name a type, or list some";
        for (size_t i = 0; i < json_array_size(v); i++)
            if (!is_type_name(json_array_get(v, i))) return "lists something that is no type";
        return NULL;
    case FORM_LIST: return json_is_array(v) ? NULL : "must be a list";
    }
    return NULL;
}

/* ------------------------------------------------------------------ reading */

int32_t schema_resource_of(const schema_context *c, const json_t *json, int32_t at)
{
    if (json_is_object(json) && json_object_get(json, "$id"))
        for (int i = c->n_resource - 1; i >= 0; i--)
            if (c->resources[i].root == json) return i;
    return at;
}

static int32_t add_resource(schema_context *c, char *uri, const json_t *root, int32_t path)
{
    CONTEXT_GROW(c, resource);
    c->resources[c->n_resource] = (resource){ uri, root, path };
    return c->n_resource++;
}

static void add_anchor(schema_context *c, const json_t *json, const char *keyword,
                       int32_t at, int32_t path)
{
    const json_t *name = json_object_get(json, keyword);

    if (!name) return;
    CONTEXT_GROW(c, anchor);
    c->anchors[c->n_anchor++] = (anchor){ json_string_value(name), json, at, path,
                                          !strcmp(keyword, "$dynamicAnchor") };
    if (c->anchors[c->n_anchor - 1].dynamic) c->dynamic = true;
}

static bool read_schema(schema_context *c, const json_t *s, int32_t at, int32_t path, int depth);

static bool read_keyword(schema_context *c, const char *key, const json_t *v, int32_t at,
                         int32_t path, int depth)
{
    value_form form;
    const char *wrong, *name;
    json_t *item;

    if (!find_keyword(key, &form))
        return schema_fail(c, E_UNSUPPORTED, path, "unknown keyword");
    if ((wrong = wrong_form(form, v))) return schema_fail(c, E_FORMAT, path, "%s", wrong);
    if (!strcmp(key, "$schema") && !is_known_draft(json_string_value(v)))
        return schema_fail(c, E_UNSUPPORTED, path, "\"%.120s\" is not a dialect known here; "
                           "draft 2020-12 is", json_string_value(v));
    if (form == FORM_SCHEMA) return read_schema(c, v, at, path, depth + 1);
    if (form == FORM_SCHEMAS)
        for (size_t i = 0; i < json_array_size(v); i++) {
            const json_t *one = json_array_get(v, i);
            int32_t where = path_index(c, path, (int)i);

            if ((wrong = wrong_form(FORM_SCHEMA, one)))
                return schema_fail(c, E_FORMAT, where, "%s", wrong);
            if (!read_schema(c, one, at, where, depth + 1)) return false;
        }
    if (form == FORM_SCHEMA_MAP)
        json_object_foreach((json_t *)v, name, item) {
            int32_t where = path_key(c, path, name);

            if ((wrong = wrong_form(FORM_SCHEMA, item)))
                return schema_fail(c, E_FORMAT, where, "%s", wrong);
            if (!read_schema(c, item, at, where, depth + 1)) return false;
        }
    return true;
}

static bool read_schema(schema_context *c, const json_t *s, int32_t at, int32_t path, int depth)
{
    const json_t *id;
    const char *key;
    json_t *v;

    if (json_is_boolean(s)) return true;
    if (depth > SCHEMA_MAX_DEPTH)
        return schema_fail(c, E_LIMIT, path, "schemas are nested more than %d deep",
                           SCHEMA_MAX_DEPTH);
    if (c->n_path > SCHEMA_MAX_SCHEMAS)
        return schema_fail(c, E_LIMIT, 0, "more than %d keywords", SCHEMA_MAX_SCHEMAS);
    if ((id = json_object_get(s, "$id"))) {
        const char *text = json_string_value(id), *hash;

        if (!text) return schema_fail(c, E_FORMAT, path_key(c, path, "$id"), "must be a string");
        hash = strchr(text, '#');
        at = add_resource(c, resolve_uri(c->resources[at].uri, text,
                                         hash ? (size_t)(hash - text) : strlen(text)), s, path);
    }
    json_object_foreach((json_t *)s, key, v)
        if (!read_keyword(c, key, v, at, path_key(c, path, key), depth)) return false;
    add_anchor(c, s, "$anchor", at, path);
    add_anchor(c, s, "$dynamicAnchor", at, path);
    return true;
}

bool schema_index(schema_context *c, const json_t *root)
{
    path_add(c, -1, NULL, 0);
    if (!json_is_object(root) && !json_is_boolean(root))
        return schema_fail(c, E_FORMAT, 0, "must be a schema: an object, true or false");
    add_resource(c, mem_string(""), root, 0);
    return read_schema(c, root, 0, 0, 0);
}

void schema_index_fini(schema_context *c)
{
    for (int i = 0; i < c->n_resource; i++) mem_free(c->resources[i].uri);
    mem_free(c->resources);
    mem_free(c->anchors);
    mem_free(c->paths);
}

/* --------------------------------------------------------------- references */

static int hex_value(char x)
{
    if (x >= '0' && x <= '9') return x - '0';
    if (x >= 'a' && x <= 'f') return x - 'a' + 10;
    return x >= 'A' && x <= 'F' ? x - 'A' + 10 : -1;
}

/* The next step of a pointer in a fragment: %XX, then ~0 and ~1. */
static char *take_step(const char **at)
{
    bytes raw = { 0 };
    size_t kept = 0;

    bytes_add_string(&raw, "");
    for (; **at && **at != '/'; ++*at) {
        if (**at == '%' && hex_value((*at)[1]) >= 0 && hex_value((*at)[2]) >= 0) {
            bytes_add_char(&raw, (char)(hex_value((*at)[1]) * 16 + hex_value((*at)[2])));
            *at += 2;
        } else {
            bytes_add_char(&raw, **at);
        }
    }
    for (size_t i = 0; i < raw.len; i++, kept++) {
        raw.data[kept] = raw.data[i];
        if (raw.data[i] == '~' && i + 1 < raw.len && (raw.data[i + 1] == '0' || raw.data[i + 1] == '1'))
            raw.data[kept] = raw.data[++i] == '0' ? '~' : '/';
    }
    raw.len = kept;
    bytes_add_char(&raw, 0);
    return bytes_take(&raw);
}

static bool follow_pointer(schema_context *c, schema_ref *out, const char *pointer, int32_t path)
{
    const char *at = pointer;

    while (*at == '/') {
        const json_t *next = NULL;
        char *step;

        at++;
        step = take_step(&at);
        if (json_is_object(out->json)) {
            next = json_object_get(out->json, step);
            /* The key as the document holds it outlives this call. */
            if (next) {
                void *iter = json_object_iter_at((json_t *)out->json, step);

                out->path = path_key(c, out->path, json_object_iter_key(iter));
            }
        } else if (json_is_array(out->json) && *step >= '0' && *step <= '9') {
            next = json_array_get(out->json, (size_t)strtoul(step, NULL, 10));
            out->path = path_index(c, out->path, atoi(step));
        }
        mem_free(step);
        if (!next) return schema_fail(c, E_FORMAT, path, "\"%s\" leads nowhere", pointer);
        out->json = next;
        out->resource = schema_resource_of(c, next, out->resource);
    }
    if (*at) return schema_fail(c, E_FORMAT, path, "\"%s\" is no JSON pointer", pointer);
    if (!json_is_object(out->json) && !json_is_boolean(out->json))
        return schema_fail(c, E_FORMAT, path, "\"%s\" leads to something that is no schema", pointer);
    return true;
}

static bool find_document(schema_context *c, const char *uri, int32_t path, int32_t *at)
{
    const json_t *json = NULL;

    for (int i = c->n_resource - 1; i >= 0; i--)
        if (!strcmp(c->resources[i].uri, uri)) {
            *at = i;
            return true;
        }
    if (c->o->document) json = c->o->document(c->o->arg, uri);
    if (!json)
        return schema_fail(c, E_UNSUPPORTED, path, "\"%.120s\" is not part of this schema; "
                           "nothing is fetched", uri);
    *at = add_resource(c, mem_string(uri), json, 0);
    return read_schema(c, json, *at, 0, 0);
}

static const anchor *find_anchor(const schema_context *c, int32_t at, const char *name,
                                 bool dynamic_only)
{
    for (int i = 0; i < c->n_anchor; i++)
        if (c->anchors[i].resource == at && !strcmp(c->anchors[i].name, name) &&
            (c->anchors[i].dynamic || !dynamic_only))
            return &c->anchors[i];
    return NULL;
}

bool schema_resolve(schema_context *c, const literal *from, const json_t *ref, int32_t path,
                    schema_ref *out)
{
    const char *text = json_string_value(ref), *hash = strchr(text, '#');
    const char *fragment = hash ? hash + 1 : "";
    char *uri = resolve_uri(c->resources[from->resource].uri, text,
                            hash ? (size_t)(hash - text) : strlen(text));
    const anchor *a;
    int32_t at = 0;
    bool found = find_document(c, uri, path, &at);

    mem_free(uri);
    if (!found) return false;
    *out = (schema_ref){ c->resources[at].root, at, c->resources[at].path };
    if (*fragment == 0 || *fragment == '/') {
        return follow_pointer(c, out, fragment, path);
    }
    if (!(a = find_anchor(c, at, fragment, false)))
        return schema_fail(c, E_FORMAT, path, "no anchor \"%.100s\"", fragment);
    *out = (schema_ref){ a->json, a->resource, a->path };
    return true;
}

bool schema_resolve_dynamic(schema_context *c, const literal *from, const json_t *ref,
                            int32_t path, schema_ref *out)
{
    const char *hash = strchr(json_string_value(ref), '#');
    const anchor *a;

    if (!schema_resolve(c, from, ref, path, out)) return false;
    /* Only from a dynamic anchor of that name does it go on to the outermost. */
    if (!hash || hash[1] == 0 || hash[1] == '/' || !find_anchor(c, out->resource, hash + 1, true))
        return true;
    a = find_anchor(c, out->resource, hash + 1, true);
    if (a->json != out->json) return true;
    for (int i = 0; i < c->scopes[from->scope].n; i++)
        if ((a = find_anchor(c, c->scopes[from->scope].ids[i], hash + 1, true))) {
            *out = (schema_ref){ a->json, a->resource, a->path };
            return true;
        }
    return true;
}
