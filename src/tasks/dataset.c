/* dataset.c - JSONL: an index of lines over one copy of the text. */
#include "tasks/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"

typedef struct row {
    size_t start;
    uint32_t len;
    int line;
    uint64_t hash[2];    /* of the content in canonical form */
    int first;           /* first row of the same content */
} row;

struct dataset {
    char *name;
    bytes text;
    dataset_kind kind;
    row *rows;
    int n_row, cap_row;
    int n_duplicate;
    int *by_hash;        /* row numbers in the order of hashes, then of rows */
    int cached;          /* which row is parsed, -1 none */
    json_t *value;
};

/* ---- faults ---- */

/* Where a fault is, for messages. */
typedef struct place {
    const char *name;
    int line;
    size_t offset;
    errtext *err;
} place;

static status fault(const place *p, const char *what)
{
    return fail(p->err, E_FORMAT, "%.200s: line %d (byte %zu): %s", p->name, p->line, p->offset,
                what);
}

/* ---- the shape of a row ---- */

static bool is_role(const char *role)
{
    static const char *const roles[] = { "system", "developer", "user", "assistant", "tool",
                                         "function" };

    for (size_t i = 0; role && i < sizeof roles / sizeof roles[0]; i++)
        if (!strcmp(role, roles[i])) return true;
    return false;
}

/* Text, or an array of parts that have a type. */
static bool is_content(const json_t *c)
{
    if (json_is_string(c)) return true;
    if (!json_is_array(c)) return false;
    for (size_t i = 0; i < json_array_size(c); i++)
        if (!json_is_string(json_object_get(json_array_get(c, i), "type"))) return false;
    return true;
}

static status check_message(const place *p, const char *key, size_t i, const json_t *m)
{
    const char *role = json_string_value(json_object_get(m, "role"));
    const json_t *content = json_object_get(m, "content");
    char what[200];

    if (!json_is_object(m)) {
        snprintf(what, sizeof what, "%s[%zu] is not an object", key, i);
        return fault(p, what);
    }
    if (!is_role(role)) {
        snprintf(what, sizeof what,
                 "%s[%zu].role is %s%.40s%s; roles are system, developer, user, assistant and tool",
                 key, i, role ? "\"" : "", role ? role : "not there", role ? "\"" : "");
        return fault(p, what);
    }
    /* A call of tools stands in place of content. */
    if (!is_content(content) && !(role[0] == 'a' && (!content || json_is_null(content)) &&
                                  (json_object_get(m, "tool_calls") ||
                                   json_object_get(m, "function_call") ||
                                   json_object_get(m, "refusal")))) {
        snprintf(what, sizeof what, "%s[%zu].content is neither text nor a list of parts", key, i);
        return fault(p, what);
    }
    return OK;
}

static status check_messages(const place *p, const char *key, const json_t *all)
{
    char what[120];
    status st;

    if (!json_array_size(all)) {
        snprintf(what, sizeof what, "%s is %s", key,
                 !all ? "not there" : json_is_array(all) ? "empty" : "not an array");
        return fault(p, what);
    }
    for (size_t i = 0; i < json_array_size(all); i++)
        if ((st = check_message(p, key, i, json_array_get(all, i))) != OK) return st;
    return OK;
}

static const char *last_role(const json_t *messages)
{
    return json_string_value(json_object_get(
        json_array_get(messages, json_array_size(messages) - 1), "role"));
}

static bool has_role(const json_t *messages, const char *role)
{
    for (size_t i = 0; i < json_array_size(messages); i++)
        if (!strcmp(json_string_value(json_object_get(json_array_get(messages, i), "role")), role))
            return true;
    return false;
}

static status check_shape(const place *p, dataset_kind kind, const json_t *value)
{
    const json_t *messages = json_object_get(value, "messages"), *input;
    status st;

    switch (kind) {
    case DATASET_ANY: return OK;
    case DATASET_RFT:
        if (!messages && json_object_get(value, "item"))
            return fault(p, "the row is wrapped in \"item\" as for evals; training rows have "
                            "\"messages\" and grader data side by side");
        if ((st = check_messages(p, "messages", messages)) != OK) return st;
        if (strcmp(last_role(messages), "user"))
            return fault(p, "the last message is not from the user");
        return OK;
    case DATASET_SFT:
        if ((st = check_messages(p, "messages", messages)) != OK) return st;
        return has_role(messages, "assistant")
                   ? OK
                   : fault(p, "no message is from the assistant, so there is nothing to learn");
    case DATASET_DPO:
        input = json_object_get(value, "input");
        if ((st = check_messages(p, "input.messages", json_object_get(input, "messages"))) != OK)
            return st;
        for (int k = 0; k < 2; k++) {
            const char *key = k ? "non_preferred_output" : "preferred_output";
            const json_t *all = json_object_get(value, key);

            /* An older spelling. */
            if (!all)
                all = json_object_get(value,
                                      k ? "non_preferred_completion" : "preferred_completion");
            if ((st = check_messages(p, key, all)) != OK) return st;
        }
        return OK;
    case DATASET_EVAL:
        return json_is_object(json_object_get(value, "item"))
                   ? OK
                   : fault(p, "there is no object \"item\"");
    }
    return OK;
}

/* ---- reading ---- */

/* Two 64-bit sums of the row with sorted keys and no spaces. */
static void hash_row(const json_t *value, uint64_t hash[2])
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    uint64_t a = 0xcbf29ce484222325u, b = 0x9e3779b97f4a7c15u;

    for (const char *s = text ? text : ""; *s; s++) {
        a = (a ^ (unsigned char)*s) * 0x100000001b3u;
        b = (b ^ (unsigned char)*s) * 0xff51afd7ed558ccdu;
        b ^= b >> 32;
    }
    free(text);
    hash[0] = a;
    hash[1] = b;
}

static json_t *parse_row(const char *s, size_t len, json_error_t *e)
{
    return json_loadb(s, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, e);
}

static status read_row(dataset *d, size_t start, size_t len, int line, errtext *err)
{
    place p = { d->name, line, start, err };
    const char *s = d->text.data + start;
    size_t valid;
    json_error_t e;
    json_t *value;
    char what[300];
    status st;
    row *r;

    if (len > DATASET_MAX_ROW_BYTES)
        return fail(err, E_LIMIT, "%.200s: line %d (byte %zu): %zu bytes, at most %zu are read",
                    d->name, line, start, len, DATASET_MAX_ROW_BYTES);
    if ((valid = utf8_valid_prefix(s, len)) < len) {
        p.offset = start + valid;
        return fault(&p, "not UTF-8");
    }
    if (!(value = parse_row(s, len, &e))) {
        p.offset = start + (size_t)(e.position > 0 ? e.position : 0);
        snprintf(what, sizeof what, "not a JSON object: %.160s", e.text);
        return fault(&p, what);
    }
    if (!json_is_object(value)) st = fault(&p, "not a JSON object");
    else st = check_shape(&p, d->kind, value);
    if (st == OK) {
        if (d->n_row == d->cap_row) {
            d->cap_row = d->cap_row * 2 + 64;
            d->rows = mem_resize(d->rows, (size_t)d->cap_row, sizeof *d->rows);
        }
        r = &d->rows[d->n_row++];
        *r = (row){ .start = start, .len = (uint32_t)len, .line = line };
        hash_row(value, r->hash);
    }
    json_decref(value);
    return st;
}

static bool is_blank(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r') return false;
    return true;
}

static int compare_rows(const void *a, const void *b, void *arg)
{
    const row *rows = arg, *x = &rows[*(const int *)a], *y = &rows[*(const int *)b];

    for (int k = 0; k < 2; k++)
        if (x->hash[k] != y->hash[k]) return x->hash[k] < y->hash[k] ? -1 : 1;
    return x < y ? -1 : x > y;
}

static bool same_hash(const row *x, const row *y)
{
    return x->hash[0] == y->hash[0] && x->hash[1] == y->hash[1];
}

static void find_duplicates(dataset *d)
{
    d->by_hash = mem_array((size_t)d->n_row + 1, sizeof *d->by_hash);
    for (int i = 0; i < d->n_row; i++) d->by_hash[i] = i;
    qsort_r(d->by_hash, (size_t)d->n_row, sizeof *d->by_hash, compare_rows, d->rows);
    for (int k = 0; k < d->n_row; k++) {
        row *r = &d->rows[d->by_hash[k]];
        const row *before = k ? &d->rows[d->by_hash[k - 1]] : NULL;

        r->first = before && same_hash(r, before) ? before->first : d->by_hash[k];
        d->n_duplicate += r->first != d->by_hash[k];
    }
}

/* Takes d->text as it is. */
static status index_text(dataset *d, int max_rows, errtext *err)
{
    size_t at = d->text.len >= 3 && !memcmp(d->text.data, "\xef\xbb\xbf", 3) ? 3 : 0;
    status st;

    if (max_rows <= 0 || max_rows > DATASET_MAX_ROWS) max_rows = DATASET_MAX_ROWS;
    for (int line = 1; at < d->text.len; line++) {
        const char *s = d->text.data + at, *end = memchr(s, '\n', d->text.len - at);
        size_t len = end ? (size_t)(end - s) : d->text.len - at, next = at + len + (end != NULL);

        if (len && s[len - 1] == '\r') len--;
        if (!is_blank(s, len)) {
            if (d->n_row == max_rows)
                return fail(err, E_LIMIT, "%.200s: line %d: more than %d rows", d->name, line,
                            max_rows);
            if ((st = read_row(d, at, len, line, err)) != OK) return st;
        }
        at = next;
    }
    if (!d->n_row) return fail(err, E_FORMAT, "%.200s: no rows", d->name);
    find_duplicates(d);
    return OK;
}

static dataset *dataset_new(const char *name, dataset_kind kind)
{
    dataset *d = mem_new(sizeof *d);

    d->name = mem_string(name);
    d->kind = kind;
    d->cached = -1;
    return d;
}

status dataset_parse(dataset **out, const char *text, size_t len, const char *name,
                     dataset_kind kind, int max_rows, errtext *err)
{
    dataset *d = dataset_new(name, kind);
    status st;

    *out = NULL;
    if (len > DATASET_MAX_BYTES) {
        st = fail(err, E_LIMIT, "%.200s: %zu bytes, at most %zu are read", name, len,
                  DATASET_MAX_BYTES);
    } else {
        if (len) bytes_add(&d->text, text, len);
        st = index_text(d, max_rows, err);
    }
    if (st == OK) *out = d;
    else dataset_close(d);
    return st;
}

status dataset_open(dataset **out, const char *path, dataset_kind kind, int max_rows, errtext *err)
{
    dataset *d = dataset_new(path, kind);
    status st = file_read(&d->text, path, DATASET_MAX_BYTES, err);

    *out = NULL;
    if (st == OK) st = index_text(d, max_rows, err);
    if (st == OK) *out = d;
    else dataset_close(d);
    return st;
}

void dataset_close(dataset *d)
{
    if (!d) return;
    json_decref(d->value);
    mem_free(d->by_hash);
    mem_free(d->rows);
    bytes_fini(&d->text);
    mem_free(d->name);
    mem_free(d);
}

/* ---- rows ---- */

int dataset_rows(const dataset *d)
{
    return d->n_row;
}

const json_t *dataset_row(dataset *d, int i)
{
    CHECK(i >= 0 && i < d->n_row);
    if (d->cached != i) {
        json_decref(d->value);
        d->value = parse_row(d->text.data + d->rows[i].start, d->rows[i].len, NULL);
        /* It was parsed before, from the same bytes. */
        CHECK(d->value != NULL);
        d->cached = i;
    }
    return d->value;
}

const json_t *dataset_item(dataset *d, int i)
{
    const json_t *v = dataset_row(d, i);

    return d->kind == DATASET_EVAL ? json_object_get(v, "item") : v;
}

const char *dataset_text(const dataset *d, int i, size_t *len)
{
    CHECK(i >= 0 && i < d->n_row);
    *len = d->rows[i].len;
    return d->text.data + d->rows[i].start;
}

int dataset_line(const dataset *d, int i)
{
    CHECK(i >= 0 && i < d->n_row);
    return d->rows[i].line;
}

int dataset_first_equal(const dataset *d, int i)
{
    CHECK(i >= 0 && i < d->n_row);
    return d->rows[i].first;
}

int dataset_duplicates(const dataset *d)
{
    return d->n_duplicate;
}

/* Is there a row of this content? */
static bool has_row(const dataset *d, const row *r)
{
    int low = 0, high = d->n_row;

    while (low < high) {
        int middle = low + (high - low) / 2;
        const row *m = &d->rows[d->by_hash[middle]];

        if (same_hash(m, r)) return true;
        if (m->hash[0] < r->hash[0] || (m->hash[0] == r->hash[0] && m->hash[1] < r->hash[1]))
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

int dataset_overlap(const dataset *a, const dataset *b, int *example)
{
    int n = 0;

    for (int i = 0; i < a->n_row; i++)
        if (has_row(b, &a->rows[i]) && n++ == 0 && example) *example = i;
    return n;
}
