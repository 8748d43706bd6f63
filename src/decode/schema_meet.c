/* schema_meet.c - what a schema says of a value of one kind.
 *
 * Keyword by keyword: facts, more schemas that have to hold (duties), and
 * choices, which wait until all that needs no choice is known. */
#include <string.h>

#include "base/mem.h"
#include "decode/schema_tableau.h"

#define MAX_SCOPES 24            /* unevaluated... within unevaluated..., in place */

/* ---------------------------------------------------------------- branches */

#define BRANCH_GROW(b, field, extra)                                                      \
    do {                                                                                  \
        if ((b)->n_##field + (extra) > (b)->cap_##field) {                                \
            (b)->cap_##field = ((b)->n_##field + (extra)) * 2 + 8;                        \
            (b)->field##s = mem_resize((b)->field##s, (size_t)(b)->cap_##field,           \
                                       sizeof *(b)->field##s);                            \
        }                                                                                 \
    } while (0)
void branch_fini(branch *b)
{
    mem_free(b->facts);
    mem_free(b->dutys);
    mem_free(b->forks);
    mem_free(b->duty_dones);
    mem_free(b->scopes);
}

branch branch_copy(const branch *b)
{
    branch d = *b;

    d.facts = mem_copy(b->facts, (size_t)b->n_fact * sizeof *b->facts);
    d.dutys = mem_copy(b->dutys, (size_t)b->n_duty * sizeof *b->dutys);
    d.forks = mem_copy(b->forks, (size_t)b->n_fork * sizeof *b->forks);
    d.duty_dones = mem_copy(b->duty_dones, (size_t)b->n_duty_done * sizeof *b->duty_dones);
    d.scopes = mem_copy(b->scopes, (size_t)b->n_scope * sizeof *b->scopes);
    d.cap_fact = b->n_fact;
    d.cap_duty = b->n_duty;
    d.cap_fork = b->n_fork;
    d.cap_duty_done = b->n_duty_done;
    d.cap_scope = b->n_scope;
    return d;
}

/* Something the value owes: a schema that has to hold. */
void branch_push(branch *b, int32_t id, int32_t scope)
{
    BRANCH_GROW(b, duty, 1);
    b->dutys[b->n_duty++] = (duty){ id, scope, PART_ALL, 0 };
}

/* One of several ways has to be taken, once all that needs no choice is known. */
void branch_push_fork(branch *b, int32_t id, int32_t scope, int part, int32_t index)
{
    BRANCH_GROW(b, fork, 1);
    b->forks[b->n_fork++] = (duty){ id, scope, part, index };
}

fact *branch_fact(branch *b, fact_kind kind)
{
    BRANCH_GROW(b, fact, 1);
    b->facts[b->n_fact] = (fact){ .kind = kind, .literal = -1, .scope = NO_SCOPE, .high = -1 };
    return &b->facts[b->n_fact++];
}

/* A schema of the literal's own, below or beside it. */
int32_t literal_sub(schema_context *c, const literal *l, const json_t *json, int32_t path,
                   bool negative)
{
    literal s = { .json = json, .resource = schema_resource_of(c, json, l->resource),
                  .path = path, .scope = l->scope, .negative = negative };

    s.scope = scope_enter(c, s.scope, s.resource);
    return literal_add(c, &s);
}

int32_t literal_value(schema_context *c, const json_t *json, int32_t path, bool negative)
{
    literal s = { .json = json, .path = path, .value = true, .negative = negative };

    return literal_add(c, &s);
}

int32_t literal_path(schema_context *c, const literal *l, const char *key)
{
    return path_key(c, l->path, key);
}

/* ------------------------------------------------------------------ helpers */

value_kind schema_kind_of(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_NULL: return KIND_NULL;
    case JSON_TRUE: return KIND_TRUE;
    case JSON_FALSE: return KIND_FALSE;
    case JSON_STRING: return KIND_STRING;
    case JSON_ARRAY: return KIND_ARRAY;
    case JSON_OBJECT: return KIND_OBJECT;
    default: return KIND_NUMBER;
    }
}

int32_t json_count(const json_t *v)
{
    double x = json_number_value(v);

    return x > 1e9 ? 1000000000 : (int32_t)x;
}

/* 2: the type covers the kind; 1: whole numbers of it; 0: not. */
static int type_covers(const char *name, value_kind kind)
{
    switch (kind) {
    case KIND_NULL: return strcmp(name, "null") ? 0 : 2;
    case KIND_TRUE: case KIND_FALSE: return strcmp(name, "boolean") ? 0 : 2;
    case KIND_NUMBER: return !strcmp(name, "number") ? 2 : !strcmp(name, "integer") ? 1 : 0;
    case KIND_STRING: return strcmp(name, "string") ? 0 : 2;
    case KIND_ARRAY: return strcmp(name, "array") ? 0 : 2;
    default: return strcmp(name, "object") ? 0 : 2;
    }
}

int types_cover_kind(const json_t *type, value_kind kind)
{
    int best = 0;

    if (json_is_string(type)) return type_covers(json_string_value(type), kind);
    for (size_t i = 0; i < json_array_size(type); i++) {
        int one = type_covers(json_string_value(json_array_get(type, i)), kind);

        if (one > best) best = one;
    }
    return best;
}

static fact *note(branch *b, int32_t scope, int by)
{
    fact *f = branch_fact(b, FACT_EVALUATED);

    f->scope = scope;
    f->by = by;
    return f;
}

/* -------------------------------------------------------------------- values */

/* Whether the value is one of the list: DEPENDS when it is one of *n of this
 * kind. */
truth json_among(const json_t *list, value_kind kind, int *n)
{
    *n = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        *n += schema_kind_of(json_array_get(list, i)) == kind;
    if (*n == 0) return FALSE_SURELY;
    return kind <= KIND_FALSE ? TRUE_SURELY : DEPENDS;
}

void branch_in(branch *b, const json_t *list, bool negative, int32_t path)
{
    fact *f = branch_fact(b, FACT_IN);

    f->json = list;
    f->negative = negative;
    f->path = path;
}

/* The values of enum, or the one of const, as a list that outlives the branch. */
const json_t *schema_values(schema_context *c, const json_t *s, const char **keyword)
{
    const json_t *v = json_object_get(s, *keyword = "enum");
    json_t *list;

    if (v || !(v = json_object_get(s, *keyword = "const"))) return v;
    for (size_t i = 0; i + 1 < json_array_size(c->held); i += 2)
        if (json_array_get(c->held, i) == v) return json_array_get(c->held, i + 1);
    list = json_array();
    json_array_append(list, (json_t *)v);
    json_array_append(c->held, (json_t *)v);
    json_array_append_new(c->held, list);
    return list;
}

void branch_length(branch *b, int32_t low, int32_t high)
{
    fact *f = branch_fact(b, FACT_LENGTH);

    f->low = low;
    f->high = high;
}

fact *branch_named(branch *b, fact_kind kind, const char *name)
{
    fact *f = branch_fact(b, kind);

    f->name = name;
    f->name_len = strlen(name);
    return f;
}

/* To be an array or object equal to v. */
static void equal_to(tableau *t, branch *b, const json_t *v, int32_t path)
{
    const char *key;
    json_t *item;

    if (json_is_array(v)) {
        branch_length(b, (int32_t)json_array_size(v), (int32_t)json_array_size(v));
        for (size_t i = 0; i < json_array_size(v); i++) {
            fact *f = branch_fact(b, FACT_ITEM);

            f->n = (int32_t)i;
            f->literal = literal_value(t->c, json_array_get(v, i), path, false);
        }
        return;
    }
    branch_length(b, (int32_t)json_object_size(v), (int32_t)json_object_size(v));
    json_object_foreach((json_t *)v, key, item) {
        branch_named(b, FACT_PROPERTY, key)->literal = literal_value(t->c, item, path, false);
        branch_named(b, FACT_REQUIRED, key);
    }
}

/* A literal that is a set of one value; false: it cannot hold. */
bool tableau_meet_value(tableau *t, branch *b, int32_t id, const literal *l)
{
    const json_t *list;
    const char *keyword;
    json_t *holder;

    if (schema_kind_of(l->json) != t->kind) return l->negative;
    if (t->kind <= KIND_FALSE) return !l->negative;
    if (t->kind >= KIND_ARRAY) {
        if (l->negative) branch_push_fork(b, id, NO_SCOPE, PART_ALL, 0);
        else equal_to(t, b, l->json, l->path);
        return true;
    }
    holder = json_object();
    json_object_set(holder, "const", (json_t *)l->json);
    list = schema_values(t->c, holder, &keyword);
    json_decref(holder);
    branch_in(b, list, l->negative, l->path);
    return true;
}

/* --------------------------------------------------------------- assertions */

/* Facts of the keywords that concern values of one kind. `of` is the schema;
 * positive facts are added to b. */
void branch_bound(branch *b, const json_t *v, unsigned how, int32_t path)
{
    fact *f = branch_fact(b, FACT_BOUND);

    f->json = v;
    f->n = (int32_t)how;
    f->path = path;
}

const length_names kind_lengths[KIND_N] = {
    [KIND_STRING] = { "minLength", "maxLength" },
    [KIND_ARRAY] = { "minItems", "maxItems" },
    [KIND_OBJECT] = { "minProperties", "maxProperties" },
};

const bound_name kind_bounds[N_BOUND] = {
    { "minimum", NUMBER_EQUAL | NUMBER_MORE }, { "maximum", NUMBER_EQUAL | NUMBER_LESS },
    { "exclusiveMinimum", NUMBER_MORE }, { "exclusiveMaximum", NUMBER_LESS },
};

static void assert_simple(tableau *t, branch *b, const literal *l)
{
    const json_t *s = l->json, *v;

    if (t->kind == KIND_NUMBER) {
        for (size_t i = 0; i < N_BOUND; i++)
            if ((v = json_object_get(s, kind_bounds[i].name)))
                branch_bound(b, v, kind_bounds[i].how, literal_path(t->c, l, kind_bounds[i].name));
        if ((v = json_object_get(s, "multipleOf"))) {
            fact *f = branch_fact(b, FACT_MULTIPLE);

            f->json = v;
            f->path = literal_path(t->c, l, "multipleOf");
        }
    }
    if (kind_lengths[t->kind].min) {
        if ((v = json_object_get(s, kind_lengths[t->kind].min))) branch_length(b,
            json_count(v), -1);
        if ((v = json_object_get(s, kind_lengths[t->kind].max))) branch_length(b, 0, json_count(v));
    }
    if (t->kind == KIND_STRING) {
        if ((v = json_object_get(s, "pattern"))) {
            fact *f = branch_fact(b, FACT_PATTERN);

            f->json = v;
            f->path = literal_path(t->c, l, "pattern");
        }
        if ((v = json_object_get(s, "format")) && !t->c->o->format_is_note) {
            fact *f = branch_fact(b, FACT_FORMAT);

            f->json = v;
            f->path = literal_path(t->c, l, "format");
        }
    }
}

static void assert_array(tableau *t, branch *b, const literal *l, int32_t scope)
{
    schema_context *c = t->c;
    const json_t *s = l->json, *v;
    size_t n_prefix = json_array_size(json_object_get(s, "prefixItems"));
    fact *f;

    for (size_t i = 0; i < n_prefix; i++) {
        const json_t *one = json_array_get(json_object_get(s, "prefixItems"), i);

        f = branch_fact(b, FACT_ITEM);
        f->n = (int32_t)i;
        f->literal = literal_sub(c, l, one, path_index(c, literal_path(c, l, "prefixItems"),
                                 (int)i), false);
    }
    if (n_prefix && scope != NO_SCOPE) note(b, scope, BY_PREFIX)->n = (int32_t)n_prefix;
    if ((v = json_object_get(s, "items"))) {
        f = branch_fact(b, FACT_REST);
        f->n = (int32_t)n_prefix;
        f->literal = literal_sub(c, l, v, literal_path(c, l, "items"), false);
        if (scope != NO_SCOPE) note(b, scope, BY_ALL);
    }
    if ((v = json_object_get(s, "contains"))) {
        const json_t *min = json_object_get(s, "minContains");
        const json_t *max = json_object_get(s, "maxContains");
        int32_t id = literal_sub(c, l, v, literal_path(c, l, "contains"), false);

        if (max || !min || json_count(min) || scope != NO_SCOPE) {
            f = branch_fact(b, FACT_CONTAINS);
            f->literal = id;
            f->low = min ? json_count(min) : 1;
            f->high = max ? json_count(max) : -1;
            f->path = literal_path(c, l, "contains");
        }
        if (scope != NO_SCOPE) note(b, scope, BY_CONTAINS)->literal = id;
    }
    if (json_is_true(json_object_get(s, "uniqueItems"))) {
        f = branch_fact(b, FACT_UNIQUE);
        f->path = literal_path(c, l, "uniqueItems");
    }
}

static void assert_object(tableau *t, branch *b, const literal *l, int32_t scope)
{
    schema_context *c = t->c;
    const json_t *s = l->json, *v;
    const char *key;
    json_t *item;
    fact *f;
    int32_t path;

    if ((v = json_object_get(s, "properties"))) {
        path = literal_path(c, l, "properties");
        json_object_foreach((json_t *)v, key, item)
            branch_named(b, FACT_PROPERTY, key)->literal =
                literal_sub(c, l, item, path_key(c, path, key), false);
        if (scope != NO_SCOPE) note(b, scope, BY_PROPERTIES)->json = v;
    }
    if ((v = json_object_get(s, "required")))
        for (size_t i = 0; i < json_array_size(v); i++)
            branch_named(b, FACT_REQUIRED, json_string_value(json_array_get(v, i)));
    if ((v = json_object_get(s, "patternProperties"))) {
        path = literal_path(c, l, "patternProperties");
        json_object_foreach((json_t *)v, key, item) {
            f = branch_named(b, FACT_PATTERN_PROPERTY, key);
            f->path = path_key(c, path, key);
            f->literal = literal_sub(c, l, item, f->path, false);
        }
        if (scope != NO_SCOPE) note(b, scope, BY_PATTERNS)->json = v;
    }
    if ((v = json_object_get(s, "additionalProperties"))) {
        f = branch_fact(b, FACT_OTHERS);
        f->json = s;
        f->path = literal_path(c, l, "additionalProperties");
        f->literal = literal_sub(c, l, v, f->path, false);
        if (scope != NO_SCOPE) note(b, scope, BY_ALL);
    }
    if ((v = json_object_get(s, "propertyNames"))) {
        f = branch_fact(b, FACT_NAMES);
        f->path = literal_path(c, l, "propertyNames");
        f->literal = literal_sub(c, l, v, f->path, false);
    }
}

/* ---------------------------------------------------------------- meeting */

int32_t literal_resolve(schema_context *c, const literal *l, const char *keyword, bool negative)
{
    const json_t *ref = json_object_get(l->json, keyword);
    int32_t path = literal_path(c, l, keyword);
    schema_ref to;
    literal s = { .negative = negative };
    bool found = keyword[1] == 'd' ? schema_resolve_dynamic(c, l, ref, path, &to)
                                   : schema_resolve(c, l, ref, path, &to);

    if (!found) return -1;
    s.json = to.json;
    s.resource = to.resource;
    s.path = to.path;
    s.scope = scope_enter(c, l->scope, to.resource);
    return literal_add(c, &s);
}

int32_t literal_item(schema_context *c, const literal *l, const char *keyword, size_t i,
                       bool negative)
{
    const json_t *one = json_array_get(json_object_get(l->json, keyword), i);

    return literal_sub(c, l, one, path_index(c, literal_path(c, l, keyword), (int)i), negative);
}

const char *kind_unevaluated(value_kind kind)
{
    return kind == KIND_OBJECT ? "unevaluatedProperties"
           : kind == KIND_ARRAY ? "unevaluatedItems" : NULL;
}

/* A schema that has to hold; false: it cannot. `deny`: all of it but what it
 * says of the unevaluated, and that not. */
bool tableau_meet(tableau *t, branch *b, int32_t id, int32_t scope, bool deny)
{
    schema_context *c = t->c;
    const literal l = c->literals[id];
    const json_t *s = l.json, *v;
    const char *unevaluated = kind_unevaluated(t->kind), *keyword;
    const char *key;
    json_t *item;
    int n, i_key = 0;

    if (json_is_boolean(s)) return json_is_true(s);
    if ((v = json_object_get(s, "type"))) {
        int covers = types_cover_kind(v, t->kind);

        if (covers == 0) return false;
        if (covers == 1) branch_fact(b, FACT_INTEGER);
    }
    for (int which = 0; which < 2; which++) {
        keyword = which ? "const" : "enum";
        if (!json_object_get(s, keyword)) continue;
        if (which && json_object_get(s, "enum")) {
            branch_push(b, literal_value(c, json_object_get(s, "const"), literal_path(c, &l,
                        "const"), false),
                 NO_SCOPE);
            continue;
        }
        v = schema_values(c, s, &keyword);
        switch (json_among(v, t->kind, &n)) {
        case FALSE_SURELY: return false;
        case TRUE_SURELY: break;
        case DEPENDS:
            if (t->kind < KIND_ARRAY) branch_in(b, v, false, literal_path(c, &l, keyword));
            else branch_push_fork(b, id, NO_SCOPE, PART_VALUES, 0);
        }
    }
    if (unevaluated && (v = json_object_get(s, unevaluated))) {
        fact *f;

        if (scope != NO_SCOPE) note(b, scope, BY_ALL);
        if (b->n_scope >= MAX_SCOPES)
            return schema_fail(c, E_LIMIT, literal_path(c, &l, unevaluated),
                               "too many in one place");
        BRANCH_GROW(b, scope, 1);
        b->scopes[b->n_scope] = scope;
        scope = b->n_scope++;
        f = branch_fact(b, FACT_UNEVALUATED);
        f->scope = scope;
        f->negative = deny;
        f->path = literal_path(c, &l, unevaluated);
        f->literal = literal_sub(c, &l, v, f->path, deny);
    }
    assert_simple(t, b, &l);
    if (t->kind == KIND_ARRAY) assert_array(t, b, &l, scope);
    if (t->kind == KIND_OBJECT) assert_object(t, b, &l, scope);
    for (int which = 0; which < 2; which++) {
        int32_t to;

        if (!json_object_get(s, which ? "$dynamicRef" : "$ref")) continue;
        if ((to = literal_resolve(c, &l, which ? "$dynamicRef" : "$ref", false)) < 0) return false;
        branch_push(b, to, scope);
    }
    for (size_t i = 0; i < json_array_size(json_object_get(s, "allOf")); i++)
        branch_push(b, literal_item(c, &l, "allOf", i, false), scope);
    if ((v = json_object_get(s, "not"))) branch_push(b, literal_sub(c, &l, v, literal_path(c,
        &l, "not"), true), NO_SCOPE);
    if (json_object_get(s, "anyOf")) branch_push_fork(b, id, scope, PART_ANY, 0);
    if (json_object_get(s, "oneOf")) branch_push_fork(b, id, scope, PART_ONE, 0);
    if (json_object_get(s, "if") &&
        (scope != NO_SCOPE || json_object_get(s, "then") || json_object_get(s, "else")))
        branch_push_fork(b, id, scope, PART_IF, 0);
    if (t->kind != KIND_OBJECT) return true;
    json_object_foreach(json_object_get(s, "dependentRequired"), key, item)
        if (json_array_size(item)) branch_push_fork(b, id, scope, PART_REQUIRED, i_key++);
        else i_key++;
    i_key = 0;
    json_object_foreach(json_object_get(s, "dependentSchemas"), key, item)
        branch_push_fork(b, id, scope, PART_SCHEMA, i_key++);
    return true;
}

