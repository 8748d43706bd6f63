/* template.c - templates as a list of pieces, literal or path. */
#include "tasks/template.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MAX_SEGMENTS 64

/* One step of a path. */
typedef struct segment {
    char *name;          /* NULL: index alone */
    long index;          /* -1: not a number */
} segment;

typedef struct path {
    char *text;
    segment *steps;      /* the first is the root */
    int n_step;
} path;

typedef struct piece {
    size_t start, len;   /* of the literal text */
    int path;            /* or -1 */
} piece;

struct template {
    char *text;
    piece *pieces;
    int n_piece, cap_piece;
    path *paths;
    int n_path, cap_path;
};

/* ---- parsing ---- */

static bool is_name_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-' || c == '$' || c >= 0x80;
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char *cut(const char *s, size_t n)
{
    char *r = mem_new(n + 1);

    memcpy(r, s, n);
    return r;
}

/* Digits alone, as an index; -1 otherwise. */
static long index_of(const char *s, size_t n)
{
    long v = 0;

    if (!n || n > 9) return -1;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return -1;
        v = v * 10 + (s[i] - '0');
    }
    return v;
}

static void path_fini(path *p)
{
    for (int i = 0; i < p->n_step; i++) mem_free(p->steps[i].name);
    mem_free(p->steps);
    mem_free(p->text);
    *p = (path){ 0 };
}

static bool add_step(path *p, const char *s, size_t n, bool named)
{
    if (p->n_step == MAX_SEGMENTS) return false;
    p->steps = mem_resize(p->steps, (size_t)p->n_step + 1, sizeof *p->steps);
    p->steps[p->n_step++] = (segment){ named ? cut(s, n) : NULL, index_of(s, n) };
    return true;
}

/* Parse root and steps at s; bytes read, or 0 when it is no path. */
static size_t parse_path(path *p, const char *s, size_t len)
{
    size_t i = 0, from;

    while (i < len && is_name_byte((unsigned char)s[i])) i++;
    if (i == 0 || (s[0] >= '0' && s[0] <= '9') || s[0] == '-') return 0;
    add_step(p, s, i, true);
    while (i < len) {
        if (s[i] == '.') {
            from = ++i;
            while (i < len && is_name_byte((unsigned char)s[i])) i++;
            if (i == from || !add_step(p, s + from, i - from, true)) return 0;
        } else if (s[i] == '[' && i + 1 < len && (s[i + 1] == '"' || s[i + 1] == '\'')) {
            const char *quote = memchr(s + i + 2, s[i + 1], len - i - 2);
            size_t n;

            if (!quote) return 0;
            n = (size_t)(quote - (s + i + 2));
            /* A name in quotes is never an index. */
            if (memchr(s + i + 2, 0, n) || !add_step(p, s + i + 2, n, true)) return 0;
            p->steps[p->n_step - 1].index = -1;
            i += n + 3;
            if (i >= len || s[i] != ']') return 0;
            i++;
        } else if (s[i] == '[') {
            from = ++i;
            while (i < len && s[i] >= '0' && s[i] <= '9') i++;
            if (i >= len || s[i] != ']' || index_of(s + from, i - from) < 0) return 0;
            if (!add_step(p, s + from, i - from, false)) return 0;
            i++;
        } else {
            break;
        }
    }
    p->text = cut(s, i);
    return i;
}

static bool starts_with_root(const char *s, size_t len)
{
    size_t n = len >= 4 && !memcmp(s, "item", 4) ? 4 : len >= 6 && !memcmp(s, "sample", 6) ? 6 : 0;

    return n && (n == len || !is_name_byte((unsigned char)s[n]));
}

static void add_piece(template *t, piece p)
{
    if (p.path < 0 && !p.len) return;
    if (t->n_piece == t->cap_piece) {
        t->cap_piece = t->cap_piece * 2 + 4;
        t->pieces = mem_resize(t->pieces, (size_t)t->cap_piece, sizeof *t->pieces);
    }
    t->pieces[t->n_piece++] = p;
}

static void add_path(template *t, path p)
{
    if (t->n_path == t->cap_path) {
        t->cap_path = t->cap_path * 2 + 4;
        t->paths = mem_resize(t->paths, (size_t)t->cap_path, sizeof *t->paths);
    }
    t->paths[t->n_path++] = p;
}

/* The place that opens at s[0..1] = "{{": its length, 0 when it is none. */
static status parse_place(path *p, size_t *n, const char *s, size_t len, size_t offset,
                          errtext *err)
{
    size_t i = 2, from;
    bool known;

    *n = 0;
    while (i < len && is_blank((unsigned char)s[i])) i++;
    from = i;
    known = starts_with_root(s + i, len - i);
    i += parse_path(p, s + i, len - i);
    if (i > from) {
        while (i < len && is_blank((unsigned char)s[i])) i++;
        if (i + 1 < len && s[i] == '}' && s[i + 1] == '}') {
            *n = i + 2;
            return OK;
        }
    }
    path_fini(p);
    if (!known) return OK;
    return fail(err, E_FORMAT,
                "template at offset %zu: \"%.*s\" is not a path such as {{ item.name }} or "
                "{{ sample.output_json.list[0] }}", offset,
                (int)(len - from > 40 ? 40 : len - from), s + from);
}

status template_new(template **out, const char *text, size_t len, errtext *err)
{
    template *t = mem_new(sizeof *t);
    size_t start = 0, i = 0;

    *out = NULL;
    if (len > TEMPLATE_MAX_BYTES) {
        mem_free(t);
        return fail(err, E_LIMIT, "template of %zu bytes is longer than %zu", len,
                    TEMPLATE_MAX_BYTES);
    }
    t->text = cut(text, len);
    while (i + 1 < len) {
        path p = { 0 };
        size_t n;
        status st;

        if (text[i] != '{' || text[i + 1] != '{') {
            i++;
            continue;
        }
        if ((st = parse_place(&p, &n, text + i, len - i, i, err)) != OK) {
            template_free(t);
            return st;
        }
        if (!n) {
            i++;
            continue;
        }
        add_piece(t, (piece){ start, i - start, -1 });
        add_piece(t, (piece){ i, n, t->n_path });
        add_path(t, p);
        start = i += n;
    }
    add_piece(t, (piece){ start, len - start, -1 });
    *out = t;
    return OK;
}

void template_free(template *t)
{
    if (!t) return;
    for (int i = 0; i < t->n_path; i++) path_fini(&t->paths[i]);
    mem_free(t->paths);
    mem_free(t->pieces);
    mem_free(t->text);
    mem_free(t);
}

/* ---- looking up ---- */

int template_paths(const template *t)
{
    return t->n_path;
}

const char *template_path(const template *t, int i)
{
    return t->paths[i].text;
}

bool template_path_under(const template *t, int i, const char *prefix)
{
    const path *p = &t->paths[i];
    int k = 0;

    for (; *prefix; k++) {
        size_t n = strcspn(prefix, ".");

        if (k == p->n_step || !p->steps[k].name || strlen(p->steps[k].name) != n ||
            memcmp(p->steps[k].name, prefix, n))
            return false;
        prefix += n + (prefix[n] == '.');
    }
    return true;
}

/* Follow a path; *n_found is how many steps led somewhere. */
static const json_t *follow(const path *p, const json_t *item, const json_t *sample, int *n_found)
{
    const json_t *at = !strcmp(p->steps[0].name, "item")     ? item
                       : !strcmp(p->steps[0].name, "sample") ? sample
                                                             : NULL;
    int k = 0;

    while (at && ++k < p->n_step) {
        const segment *s = &p->steps[k];

        if (json_is_array(at) && s->index >= 0) at = json_array_get(at, (size_t)s->index);
        else if (json_is_object(at) && s->name) at = json_object_get(at, s->name);
        else at = NULL;
    }
    *n_found = k;
    return at;
}

const json_t *template_value(const template *t, int i, const json_t *item, const json_t *sample)
{
    int n;

    return follow(&t->paths[i], item, sample, &n);
}

static status not_there(const path *p, int n_found, errtext *err)
{
    const segment *s = &p->steps[n_found];

    if (strcmp(p->steps[0].name, "item") && strcmp(p->steps[0].name, "sample"))
        return fail(err, E_ARG, "{{%.120s}}: a path starts with item or sample", p->text);
    if (s->name) return fail(err, E_ARG, "{{%.120s}}: no \"%.60s\" there", p->text, s->name);
    return fail(err, E_ARG, "{{%.120s}}: no element %ld there", p->text, s->index);
}

status template_render(bytes *out, const template *t, const json_t *item, const json_t *sample,
                       int *missing, errtext *err)
{
    size_t before = out->len;

    for (int i = 0; i < t->n_piece; i++) {
        const piece *p = &t->pieces[i];
        const json_t *value;
        int n_found;

        if (p->path < 0) {
            bytes_add(out, t->text + p->start, p->len);
        } else {
            value = follow(&t->paths[p->path], item, sample, &n_found);
            if (!value) {
                if (missing) *missing = p->path;
                return not_there(&t->paths[p->path], n_found, err);
            }
            template_value_text(out, value);
        }
        if (out->len - before > TEMPLATE_MAX_BYTES)
            return fail(err, E_LIMIT, "the filled-in template is longer than %zu bytes",
                        TEMPLATE_MAX_BYTES);
    }
    return OK;
}

/* ---- values as text ---- */

/* Python's repr of a float: the shortest digits that read back, with an exponent
 * below 1e-4 and from 1e16 on. */
static void real_text(bytes *out, double v)
{
    char text[40], digits[24];
    int exponent, n = 0;

    if (isnan(v) || isinf(v)) {
        bytes_add_string(out, isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity");
        return;
    }
    for (int p = 0; p <= 16; p++) {
        snprintf(text, sizeof text, "%.*e", p, v);
        if (strtod(text, NULL) == v) break;
    }
    for (const char *s = text; *s != 'e'; s++)
        if (*s >= '0' && *s <= '9') digits[n++] = *s;
    exponent = atoi(strchr(text, 'e') + 1);
    if (text[0] == '-') bytes_add_char(out, '-');
    if (exponent < -4 || exponent >= 16) {
        bytes_add_char(out, digits[0]);
        if (n > 1) {
            bytes_add_char(out, '.');
            bytes_add(out, digits + 1, (size_t)n - 1);
        }
        bytes_add_format(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        bytes_add_string(out, "0.");
        for (int i = -1; i > exponent; i--) bytes_add_char(out, '0');
        bytes_add(out, digits, (size_t)n);
    } else {
        for (int i = 0; i <= exponent || i < n; i++) {
            if (i == exponent + 1) bytes_add_char(out, '.');
            bytes_add_char(out, i < n ? digits[i] : '0');
        }
        if (n <= exponent + 1) bytes_add_string(out, ".0");
    }
}

static void string_json(bytes *out, const char *s, size_t n)
{
    bytes_add_char(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        switch (c) {
        case '"': bytes_add_string(out, "\\\""); break;
        case '\\': bytes_add_string(out, "\\\\"); break;
        case '\n': bytes_add_string(out, "\\n"); break;
        case '\r': bytes_add_string(out, "\\r"); break;
        case '\t': bytes_add_string(out, "\\t"); break;
        case '\b': bytes_add_string(out, "\\b"); break;
        case '\f': bytes_add_string(out, "\\f"); break;
        default:
            if (c < 32) bytes_add_format(out, "\\u%04x", c);
            else bytes_add_char(out, (char)c);
        }
    }
    bytes_add_char(out, '"');
}

void template_value_json(bytes *out, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        string_json(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        bytes_add_format(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL: real_text(out, json_real_value(value)); break;
    case JSON_TRUE: bytes_add_string(out, "true"); break;
    case JSON_FALSE: bytes_add_string(out, "false"); break;
    case JSON_NULL: bytes_add_string(out, "null"); break;
    case JSON_ARRAY:
        bytes_add_char(out, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (i) bytes_add_string(out, ", ");
            template_value_json(out, json_array_get(value, i));
        }
        bytes_add_char(out, ']');
        break;
    case JSON_OBJECT: {
        const char *sep = "", *key;
        json_t *v;

        bytes_add_char(out, '{');
        json_object_foreach((json_t *)value, key, v) {
            bytes_add_string(out, sep);
            string_json(out, key, strlen(key));
            bytes_add_string(out, ": ");
            template_value_json(out, v);
            sep = ", ";
        }
        bytes_add_char(out, '}');
        break;
    }
    }
}

void template_value_text(bytes *out, const json_t *value)
{
    if (json_is_string(value)) bytes_add(out, json_string_value(value), json_string_length(value));
    else template_value_json(out, value);
}
