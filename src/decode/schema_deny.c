/* schema_deny.c - a schema that must not hold: one of its keywords fails. */
#include <string.h>

#include "base/mem.h"
#include "decode/schema_tableau.h"

/* One way in which a schema fails to hold, as a fact. */
static fact *deny_fact(branch *d, const branch *b, fact_kind kind, int32_t path)
{
    fact *f;

    *d = branch_copy(b);
    f = branch_fact(d, kind);
    f->path = path;
    return f;
}

static void deny_scalars(tableau *t, const branch *b, const literal *l)
{
    schema_context *c = t->c;
    const json_t *s = l->json, *v;
    branch d;

    for (size_t i = 0; t->kind == KIND_NUMBER && i < N_BOUND; i++)
        if ((v = json_object_get(s, kind_bounds[i].name))) {
            d = branch_copy(b);
            branch_bound(&d, v, 7 ^ kind_bounds[i].how, literal_path(c, l, kind_bounds[i].name));
            tableau_take(t, &d);
        }
    if (t->kind == KIND_NUMBER && (v = json_object_get(s, "multipleOf"))) {
        fact *f = deny_fact(&d, b, FACT_MULTIPLE, literal_path(c, l, "multipleOf"));

        f->json = v;
        f->negative = true;
        tableau_take(t, &d);
    }
    if (kind_lengths[t->kind].min && (v = json_object_get(s, kind_lengths[t->kind].min)) &&
        json_count(v) > 0) {
        d = branch_copy(b);
        branch_length(&d, 0, json_count(v) - 1);
        tableau_take(t, &d);
    }
    if (kind_lengths[t->kind].max && (v = json_object_get(s, kind_lengths[t->kind].max))) {
        d = branch_copy(b);
        branch_length(&d, json_count(v) + 1, -1);
        tableau_take(t, &d);
    }
    if (t->kind != KIND_STRING) return;
    if ((v = json_object_get(s, "pattern"))) {
        fact *f = deny_fact(&d, b, FACT_PATTERN, literal_path(c, l, "pattern"));

        f->json = v;
        f->negative = true;
        tableau_take(t, &d);
    }
    if (json_object_get(s, "format") && !c->o->format_is_note)
        schema_fail(c, E_UNSUPPORTED, literal_path(c, l, "format"),
                    "a format cannot be negated (it stands under not, if or oneOf)");
}

static void deny_array(tableau *t, const branch *b, const literal *l)
{
    schema_context *c = t->c;
    const json_t *s = l->json, *v;
    size_t n_prefix = json_array_size(json_object_get(s, "prefixItems"));
    branch d;
    fact *f;

    for (size_t i = 0; i < n_prefix && c->st == OK; i++) {
        d = branch_copy(b);
        branch_length(&d, (int32_t)i + 1, -1);
        f = branch_fact(&d, FACT_ITEM);
        f->n = (int32_t)i;
        f->literal = literal_item(c, l, "prefixItems", i, true);
        tableau_take(t, &d);
    }
    if ((v = json_object_get(s, "items"))) {
        f = deny_fact(&d, b, FACT_CONTAINS, literal_path(c, l, "items"));
        f->literal = literal_sub(c, l, v, literal_path(c, l, "items"), true);
        f->n = (int32_t)n_prefix;
        f->low = 1;
        tableau_take(t, &d);
    }
    if ((v = json_object_get(s, "contains"))) {
        const json_t *min = json_object_get(s, "minContains"), *max = json_object_get(s,
                                            "maxContains");
        int32_t path = literal_path(c, l, "contains"), id = literal_sub(c, l, v, path, false);

        if (!min || json_count(min) > 0) {
            f = deny_fact(&d, b, FACT_CONTAINS, path);
            f->literal = id;
            f->high = min ? json_count(min) - 1 : 0;
            tableau_take(t, &d);
        }
        if (max) {
            f = deny_fact(&d, b, FACT_CONTAINS, path);
            f->literal = id;
            f->low = json_count(max) + 1;
            tableau_take(t, &d);
        }
    }
    if (json_is_true(json_object_get(s, "uniqueItems")))
        schema_fail(c, E_UNSUPPORTED, literal_path(c, l, "uniqueItems"),
                    "cannot be negated (it stands under not, if or oneOf)");
}

static void deny_object(tableau *t, const branch *b, const literal *l)
{
    schema_context *c = t->c;
    const json_t *s = l->json, *v;
    const char *key;
    json_t *item;
    int32_t path;
    branch d;
    fact *f;

    path = literal_path(c, l, "properties");
    json_object_foreach(json_object_get(s, "properties"), key, item) {
        d = branch_copy(b);
        branch_named(&d, FACT_REQUIRED, key);
        branch_named(&d, FACT_PROPERTY, key)->literal = literal_sub(c, l, item, path_key(c,
                     path, key), true);
        tableau_take(t, &d);
    }
    v = json_object_get(s, "required");
    for (size_t i = 0; i < json_array_size(v); i++) {
        d = branch_copy(b);
        branch_named(&d, FACT_FORBIDDEN, json_string_value(json_array_get(v, i)));
        tableau_take(t, &d);
    }
    path = literal_path(c, l, "patternProperties");
    json_object_foreach(json_object_get(s, "patternProperties"), key, item) {
        f = deny_fact(&d, b, FACT_SOME, path_key(c, path, key));
        f->by = FACT_PATTERN_PROPERTY;
        f->name = key;
        f->name_len = strlen(key);
        f->literal = literal_sub(c, l, item, path, true);
        tableau_take(t, &d);
    }
    for (int which = 0; which < 2; which++) {
        const char *keyword = which ? "propertyNames" : "additionalProperties";

        if (!(v = json_object_get(s, keyword))) continue;
        f = deny_fact(&d, b, FACT_SOME, literal_path(c, l, keyword));
        f->by = which ? FACT_NAMES : FACT_OTHERS;
        f->json = s;
        f->literal = literal_sub(c, l, v, f->path, true);
        tableau_take(t, &d);
    }
    json_object_foreach(json_object_get(s, "dependentRequired"), key, item)
        for (size_t i = 0; i < json_array_size(item); i++) {
            d = branch_copy(b);
            branch_named(&d, FACT_REQUIRED, key);
            branch_named(&d, FACT_FORBIDDEN, json_string_value(json_array_get(item, i)));
            tableau_take(t, &d);
        }
    path = literal_path(c, l, "dependentSchemas");
    json_object_foreach(json_object_get(s, "dependentSchemas"), key, item) {
        d = branch_copy(b);
        branch_named(&d, FACT_REQUIRED, key);
        branch_push(&d, literal_sub(c, l, item, path_key(c, path, key), true), NO_SCOPE);
        tableau_take(t, &d);
    }
}

static void deny_logic(tableau *t, const branch *b, const literal *l)
{
    schema_context *c = t->c;
    const json_t *s = l->json, *v;
    size_t n;
    branch d;

    for (int which = 0; which < 2; which++) {
        int32_t to;

        if (!json_object_get(s, which ? "$dynamicRef" : "$ref")) continue;
        if ((to = literal_resolve(c, l, which ? "$dynamicRef" : "$ref", true)) < 0) return;
        tableau_take_with(t, b, to, NO_SCOPE);
    }
    n = json_array_size(json_object_get(s, "allOf"));
    for (size_t i = 0; i < n && c->st == OK; i++)
        tableau_take_with(t, b, literal_item(c, l, "allOf", i, true), NO_SCOPE);
    if ((v = json_object_get(s, "not")))
        tableau_take_with(t, b, literal_sub(c, l, v, literal_path(c, l, "not"), false), NO_SCOPE);
    for (int which = 0; which < 2; which++) {
        const char *keyword = which ? "oneOf" : "anyOf";

        if (!(n = json_array_size(json_object_get(s, keyword)))) continue;
        d = branch_copy(b);
        for (size_t i = 0; i < n; i++) branch_push(&d, literal_item(c, l, keyword, i, true),
             NO_SCOPE);
        tableau_take(t, &d);
    }
    n = json_array_size(json_object_get(s, "oneOf"));
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n && c->st == OK; k++) {
            d = branch_copy(b);
            branch_push(&d, literal_item(c, l, "oneOf", i, false), NO_SCOPE);
            branch_push(&d, literal_item(c, l, "oneOf", k, false), NO_SCOPE);
            tableau_take(t, &d);
        }
    for (int holds = 0; json_object_get(s, "if") && holds < 2; holds++) {
        const char *then = holds ? "then" : "else";

        if (!(v = json_object_get(s, then))) continue;
        d = branch_copy(b);
        branch_push(&d, literal_sub(c, l, json_object_get(s, "if"), literal_path(c, l, "if"),
                    !holds), NO_SCOPE);
        branch_push(&d, literal_sub(c, l, v, literal_path(c, l, then), true), NO_SCOPE);
        tableau_take(t, &d);
    }
}

/* A schema that must not hold: one of its keywords fails. */
void tableau_deny(tableau *t, const branch *b, int32_t id, const literal *l)
{
    schema_context *c = t->c;
    const json_t *s = l->json, *v;
    const char *unevaluated = kind_unevaluated(t->kind), *keyword;
    int n;
    branch d;

    if ((v = json_object_get(s, "type"))) {
        int covers = types_cover_kind(v, t->kind);

        if (covers < 2) {
            d = branch_copy(b);
            if (covers == 1) branch_fact(&d, FACT_INTEGER)->negative = true;
            tableau_take(t, &d);
        }
        if (covers == 0) return;
    }
    for (int which = 0; which < 2; which++) {
        const json_t *list;

        keyword = which ? "const" : "enum";
        if (!(v = json_object_get(s, keyword))) continue;
        list = v;
        if (which) {
            json_t *holder = json_object();

            json_object_set(holder, "const", (json_t *)v);
            list = schema_values(c, holder, &keyword);
            json_decref(holder);
        }
        switch (json_among(list, t->kind, &n)) {
        case TRUE_SURELY: break;
        case FALSE_SURELY:
            d = branch_copy(b);
            tableau_take(t, &d);
            return;
        case DEPENDS:
            d = branch_copy(b);
            if (t->kind < KIND_ARRAY) branch_in(&d, list, true, literal_path(c, l, keyword));
            for (size_t i = 0; t->kind >= KIND_ARRAY && i < json_array_size(list); i++)
                branch_push(&d, literal_value(c, json_array_get(list, i), literal_path(c, l,
                            keyword), true),
                     NO_SCOPE);
            tableau_take(t, &d);
        }
    }
    deny_logic(t, b, l);
    deny_scalars(t, b, l);
    if (t->kind == KIND_ARRAY) deny_array(t, b, l);
    if (t->kind == KIND_OBJECT) deny_object(t, b, l);
    if (unevaluated && json_object_get(s, unevaluated)) {
        literal positive = *l;

        if (t->kind == KIND_ARRAY) {
            schema_fail(c, E_UNSUPPORTED, literal_path(c, l, unevaluated),
                        "cannot be negated (it stands under not, if or oneOf)");
            return;
        }
        (void)id;
        positive.negative = false;
        d = branch_copy(b);
        BRANCH_GROW(&d, duty, 1);
        d.dutys[d.n_duty++] = (duty){ literal_add(c, &positive), NO_SCOPE, PART_DENY, 0 };
        tableau_take(t, &d);
    }
}

