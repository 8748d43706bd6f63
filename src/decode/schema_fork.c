/* schema_fork.c - choices: anyOf, oneOf, if, dependents, lists of containers. */
#include <string.h>

#include "base/mem.h"
#include "decode/schema_tableau.h"

#define MAX_EXACT 8              /* branches of an anyOf beside unevaluated... */
#define MAX_PROBES 4

/* One way to go on; uses d up. */
void tableau_take(tableau *t, branch *d)
{
    tableau_run(t, d);
    branch_fini(d);
}

void tableau_take_with(tableau *t, const branch *b, int32_t id, int32_t scope)
{
    branch d = branch_copy(b);

    branch_push(&d, id, scope);
    tableau_take(t, &d);
}

/* To be one that differs: in size, or in a part. */
void tableau_differ(tableau *t, const branch *b, const json_t *v, int32_t path)
{
    int32_t n = (int32_t)(json_is_array(v) ? json_array_size(v) : json_object_size(v));
    const char *key;
    json_t *item;
    branch d = branch_copy(b);

    branch_length(&d, n + 1, -1);
    tableau_take(t, &d);
    if (n > 0) {
        d = branch_copy(b);
        branch_length(&d, 0, n - 1);
        tableau_take(t, &d);
    }
    for (int32_t i = 0; json_is_array(v) && i < n; i++) {
        fact *f;

        d = branch_copy(b);
        branch_length(&d, n, n);
        f = branch_fact(&d, FACT_ITEM);
        f->n = i;
        f->literal = literal_value(t->c, json_array_get(v, (size_t)i), path, true);
        tableau_take(t, &d);
    }
    if (json_is_array(v)) return;
    json_object_foreach((json_t *)v, key, item) {
        d = branch_copy(b);
        branch_length(&d, n, n);
        branch_named(&d, FACT_FORBIDDEN, key);
        tableau_take(t, &d);
        d = branch_copy(b);
        branch_length(&d, n, n);
        branch_named(&d, FACT_REQUIRED, key);
        branch_named(&d, FACT_PROPERTY, key)->literal = literal_value(t->c, item, path, true);
        tableau_take(t, &d);
    }
}

static const char *key_at(const json_t *object, int32_t index, json_t **item)
{
    void *iter = json_object_iter((json_t *)object);

    while (index-- > 0) iter = json_object_iter_next((json_t *)object, iter);
    *item = json_object_iter_value(iter);
    return json_object_iter_key(iter);
}

/* Whether no value at all satisfies both: then "exactly one" is "any". */
static bool disjoint(tableau *t, int32_t a, int32_t b)
{
    const int32_t both[2] = { a, b };
    bool empty = false;

    if (t->c->probing >= MAX_PROBES) return false;
    t->c->probing++;
    empty = goal_empty(t->c, goal_add(t->c, both, 2), 3);
    t->c->probing--;
    return empty;
}

static void fork_any(tableau *t, const branch *b, const literal *l, int32_t scope)
{
    schema_context *c = t->c;
    size_t n = json_array_size(json_object_get(l->json, "anyOf"));

    if (scope == NO_SCOPE) {
        int32_t *ids = mem_array(n, sizeof *ids);

        for (size_t i = 0; i < n && c->st == OK; i++) {
            bool twice = false;

            ids[i] = literal_item(c, l, "anyOf", i, false);
            for (size_t k = 0; k < i && k < 64; k++) twice |= ids[k] == ids[i];
            if (!twice) tableau_take_with(t, b, ids[i], NO_SCOPE);
        }
        mem_free(ids);
        return;
    }
    if (n > MAX_EXACT) {
        schema_fail(c, E_LIMIT, literal_path(c, l, "anyOf"),
                    "too complex: more than %d schemas beside "
                    "unevaluated...", MAX_EXACT);
        return;
    }
    for (uint32_t holds = 1; holds < 1u << n && c->st == OK; holds++) {
        branch d = branch_copy(b);

        for (size_t i = 0; i < n; i++) {
            bool not = !(holds >> i & 1);

            branch_push(&d, literal_item(c, l, "anyOf", i, not), not ? NO_SCOPE : scope);
        }
        tableau_take(t, &d);
    }
}

static void fork_one(tableau *t, const branch *b, const literal *l, int32_t scope)
{
    schema_context *c = t->c;
    size_t n = json_array_size(json_object_get(l->json, "oneOf"));

    for (size_t i = 0; i < n && c->st == OK; i++) {
        int32_t one = literal_item(c, l, "oneOf", i, false);
        branch d = branch_copy(b);

        branch_push(&d, one, scope);
        for (size_t k = 0; k < n && c->st == OK; k++)
            if (k != i && !disjoint(t, one, literal_item(c, l, "oneOf", k, false)))
                branch_push(&d, literal_item(c, l, "oneOf", k, true), NO_SCOPE);
        tableau_take(t, &d);
    }
}

static void fork_if(tableau *t, const branch *b, const literal *l, int32_t scope)
{
    schema_context *c = t->c;

    for (int holds = 0; holds < 2; holds++) {
        const char *then = holds ? "then" : "else";
        const json_t *v = json_object_get(l->json, then);
        branch d = branch_copy(b);

        branch_push(&d, literal_sub(c, l, json_object_get(l->json, "if"), literal_path(c, l,
                    "if"), !holds),
             holds ? scope : NO_SCOPE);
        if (v) branch_push(&d, literal_sub(c, l, v, literal_path(c, l, then), false), scope);
        tableau_take(t, &d);
    }
}

static void fork_dependent(tableau *t, const branch *b, const literal *l, const duty *u)
{
    const char *keyword = u->part == PART_REQUIRED ? "dependentRequired" : "dependentSchemas";
    json_t *item;
    const char *key = key_at(json_object_get(l->json, keyword), u->index, &item);
    branch d = branch_copy(b);

    branch_named(&d, FACT_FORBIDDEN, key);
    tableau_take(t, &d);
    d = branch_copy(b);
    branch_named(&d, FACT_REQUIRED, key);
    if (u->part == PART_SCHEMA)
        branch_push(&d, literal_sub(t->c, l, item, path_key(t->c, literal_path(t->c, l,
                    keyword), key), false),
             u->scope);
    for (size_t i = 0; u->part == PART_REQUIRED && i < json_array_size(item); i++)
        branch_named(&d, FACT_REQUIRED, json_string_value(json_array_get(item, i)));
    tableau_take(t, &d);
}

static void fork_values(tableau *t, const branch *b, const literal *l)
{
    const char *keyword;
    const json_t *list = schema_values(t->c, l->json, &keyword);

    for (size_t i = 0; i < json_array_size(list) && t->c->st == OK; i++) {
        const json_t *v = json_array_get(list, i);

        if (schema_kind_of(v) == t->kind)
            tableau_take_with(t, b, literal_value(t->c, v, literal_path(t->c, l, keyword),
                              false), NO_SCOPE);
    }
}

void tableau_fork(tableau *t, const branch *b, const duty *u)
{
    const literal l = t->c->literals[u->literal];

    switch (u->part) {
    case PART_ANY: fork_any(t, b, &l, u->scope); break;
    case PART_ONE: fork_one(t, b, &l, u->scope); break;
    case PART_IF: fork_if(t, b, &l, u->scope); break;
    case PART_REQUIRED: case PART_SCHEMA: fork_dependent(t, b, &l, u); break;
    case PART_VALUES: fork_values(t, b, &l); break;
    default:
        if (l.value) tableau_differ(t, b, l.json, l.path);
        else tableau_deny(t, b, u->literal, &l);
    }
}

