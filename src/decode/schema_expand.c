/* schema_expand.c - conjunctions of schemas, without "or".
 *
 * A tableau: literals (schemas, some negated) are taken apart until only facts
 * about a value of one kind are left; each "or" forks the branch. What a
 * keyword says about values of other kinds is known at once, so most forks
 * never happen. Under a schema with unevaluated... every "or" is split into
 * what holds and what does not, because the annotations depend on it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "decode/schema_internal.h"

#define MAX_SCOPES 24            /* unevaluated... within unevaluated..., in place */
#define MAX_EXACT 8              /* branches of an anyOf under one */
#define MAX_PROBES 4
#define NO_SCOPE (-1)

/* ------------------------------------------------------------------- names */

static uint32_t hash_words(const void *words, size_t len)
{
    const uint32_t *w = words;
    uint64_t h = 0xA4093822299F31D0u + len;

    for (size_t i = 0; i < len / 4; i++) {
        h = (h ^ w[i]) * 0x9E3779B97F4A7C15u;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

static uint32_t hash_literal(const literal *l)
{
    uint32_t w[5] = { (uint32_t)(uintptr_t)l->json, (uint32_t)((uintptr_t)l->json >> 32),
                      (uint32_t)l->resource, (uint32_t)l->scope, 0 };

    w[4] = (uint32_t)l->value * 2 + (uint32_t)l->negative;
    return hash_words(w, sizeof w);
}

static bool same_literal(const literal *a, const literal *b)
{
    return a->json == b->json && a->resource == b->resource && a->scope == b->scope &&
           a->value == b->value && a->negative == b->negative;
}

int32_t literal_add(schema_context *c, const literal *l)
{
    uint32_t at;

    if ((uint32_t)c->n_literal * 2 >= c->literal_mask) {
        uint32_t size = c->literal_mask ? (c->literal_mask + 1) * 2 : 256;

        mem_free(c->literal_slots);
        c->literal_slots = mem_array(size, sizeof *c->literal_slots);
        c->literal_mask = size - 1;
        for (int i = 0; i < c->n_literal; i++) {
            at = hash_literal(&c->literals[i]) & c->literal_mask;
            while (c->literal_slots[at]) at = (at + 1) & c->literal_mask;
            c->literal_slots[at] = i + 1;
        }
    }
    for (at = hash_literal(l) & c->literal_mask; c->literal_slots[at];
         at = (at + 1) & c->literal_mask)
        if (same_literal(&c->literals[c->literal_slots[at] - 1], l))
            return c->literal_slots[at] - 1;
    CONTEXT_GROW(c, literal);
    c->literals[c->n_literal] = *l;
    c->literal_slots[at] = ++c->n_literal;
    return c->n_literal - 1;
}

static int by_id(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return x < y ? -1 : x > y;
}

/* What holds of every value says nothing. */
static bool is_trivial(const schema_context *c, int32_t id)
{
    const literal *l = &c->literals[id];

    if (l->value) return false;
    if (json_is_boolean(l->json)) return json_is_true(l->json) != l->negative;
    return !l->negative && json_object_size(l->json) == 0;
}

int32_t goal_add(schema_context *c, const int32_t *ids, int n)
{
    int32_t *own = mem_array((size_t)n + 1, sizeof *own);
    int kept = 0;
    uint32_t at;

    for (int i = 0; i < n; i++)
        if (!is_trivial(c, ids[i])) own[kept++] = ids[i];
    qsort(own, (size_t)kept, sizeof *own, by_id);
    n = kept;
    kept = 0;
    for (int i = 0; i < n; i++)
        if (kept == 0 || own[i] != own[kept - 1]) own[kept++] = own[i];
    n = kept;
    if ((uint32_t)c->g->n_goal * 2 >= c->goal_mask) {
        uint32_t size = c->goal_mask ? (c->goal_mask + 1) * 2 : 256;

        mem_free(c->goal_slots);
        c->goal_slots = mem_array(size, sizeof *c->goal_slots);
        c->goal_mask = size - 1;
        for (int i = 0; i < c->g->n_goal; i++) {
            const id_set *s = &c->works[i].of;

            if (s->n < 0) continue;
            at = hash_words(s->ids, (size_t)s->n * 4) & c->goal_mask;
            while (c->goal_slots[at]) at = (at + 1) & c->goal_mask;
            c->goal_slots[at] = i + 1;
        }
    }
    for (at = hash_words(own, (size_t)n * 4) & c->goal_mask; c->goal_slots[at];
         at = (at + 1) & c->goal_mask) {
        const id_set *s = &c->works[c->goal_slots[at] - 1].of;

        if (s->n == n && (n == 0 || !memcmp(s->ids, own, (size_t)n * sizeof *own))) {
            mem_free(own);
            return c->goal_slots[at] - 1;
        }
    }
    GRAMMAR_GROW(c->g, goal);
    if (c->g->n_goal >= c->cap_work) {
        c->cap_work = c->g->cap_goal;
        c->works = mem_resize(c->works, (size_t)c->cap_work, sizeof *c->works);
    }
    c->g->goals[c->g->n_goal] = (goal){ NULL, 0, -1 };
    c->works[c->g->n_goal] = (goal_work){ { own, n }, false, false };
    c->goal_slots[at] = ++c->g->n_goal;
    return c->g->n_goal - 1;
}

/* Dynamic scopes only matter where something is found through them. */
static int32_t enter_scope(schema_context *c, int32_t scope, int32_t resource_at)
{
    id_set *s = &c->scopes[scope];
    int32_t *ids;

    if (!c->dynamic) return scope;
    for (int i = 0; i < s->n; i++)
        if (s->ids[i] == resource_at) return scope;
    ids = mem_array((size_t)s->n + 1, sizeof *ids);
    if (s->n) memcpy(ids, s->ids, (size_t)s->n * sizeof *ids);
    ids[s->n] = resource_at;
    for (int i = 0; i < c->n_scope; i++)
        if (c->scopes[i].n == s->n + 1 &&
            !memcmp(c->scopes[i].ids, ids, (size_t)(s->n + 1) * sizeof *ids)) {
            mem_free(ids);
            return i;
        }
    {
        int n = s->n + 1;

        CONTEXT_GROW(c, scope);
        c->scopes[c->n_scope] = (id_set){ ids, n };
    }
    return c->n_scope++;
}

/* ---------------------------------------------------------------- branches */

typedef struct tableau {
    schema_context *c;
    value_kind kind;
    branch_fn *each;
    void *arg;
    int n_branch;
} tableau;

#define BRANCH_GROW(b, field, extra)                                                      \
    do {                                                                                  \
        if ((b)->n_##field + (extra) > (b)->cap_##field) {                                \
            (b)->cap_##field = ((b)->n_##field + (extra)) * 2 + 8;                        \
            (b)->field##s = mem_resize((b)->field##s, (size_t)(b)->cap_##field,           \
                                       sizeof *(b)->field##s);                            \
        }                                                                                 \
    } while (0)
static void branch_fini(branch *b)
{
    mem_free(b->facts);
    mem_free(b->dutys);
    mem_free(b->forks);
    mem_free(b->duty_dones);
    mem_free(b->scopes);
}

static branch branch_copy(const branch *b)
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
static void push(branch *b, int32_t id, int32_t scope)
{
    BRANCH_GROW(b, duty, 1);
    b->dutys[b->n_duty++] = (duty){ id, scope, PART_ALL, 0 };
}

/* One of several ways has to be taken, once all that needs no choice is known. */
static void push_fork(branch *b, int32_t id, int32_t scope, int part, int32_t index)
{
    BRANCH_GROW(b, fork, 1);
    b->forks[b->n_fork++] = (duty){ id, scope, part, index };
}

static fact *add_fact(branch *b, fact_kind kind)
{
    BRANCH_GROW(b, fact, 1);
    b->facts[b->n_fact] = (fact){ .kind = kind, .literal = -1, .scope = NO_SCOPE, .high = -1 };
    return &b->facts[b->n_fact++];
}

/* A schema of the literal's own, below or beside it. */
static int32_t sub(schema_context *c, const literal *l, const json_t *json, int32_t path,
                   bool negative)
{
    literal s = { .json = json, .resource = schema_resource_of(c, json, l->resource),
                  .path = path, .scope = l->scope, .negative = negative };

    s.scope = enter_scope(c, s.scope, s.resource);
    return literal_add(c, &s);
}

static int32_t sub_value(schema_context *c, const json_t *json, int32_t path, bool negative)
{
    literal s = { .json = json, .path = path, .value = true, .negative = negative };

    return literal_add(c, &s);
}

static int32_t key_path(schema_context *c, const literal *l, const char *key)
{
    return path_key(c, l->path, key);
}

/* ------------------------------------------------------------------ helpers */

static value_kind kind_of(const json_t *v)
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

static int32_t count_of(const json_t *v)
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

static int types_cover(const json_t *type, value_kind kind)
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
    fact *f = add_fact(b, FACT_EVALUATED);

    f->scope = scope;
    f->by = by;
    return f;
}

/* -------------------------------------------------------------------- values */

static bool run(tableau *t, branch *b);

/* One way to go on; uses d up. */
static void take_way(tableau *t, branch *d)
{
    run(t, d);
    branch_fini(d);
}

static void way_with(tableau *t, const branch *b, int32_t id, int32_t scope)
{
    branch d = branch_copy(b);

    push(&d, id, scope);
    take_way(t, &d);
}

typedef enum truth { FALSE_SURELY, TRUE_SURELY, DEPENDS } truth;

/* Whether the value is one of the list: DEPENDS when it is one of *n of this
 * kind. */
static truth among(const json_t *list, value_kind kind, int *n)
{
    *n = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        *n += kind_of(json_array_get(list, i)) == kind;
    if (*n == 0) return FALSE_SURELY;
    return kind <= KIND_FALSE ? TRUE_SURELY : DEPENDS;
}

static void add_in(branch *b, const json_t *list, bool negative, int32_t path)
{
    fact *f = add_fact(b, FACT_IN);

    f->json = list;
    f->negative = negative;
    f->path = path;
}

/* The values of enum, or the one of const, as a list that outlives the branch. */
static const json_t *values_of(schema_context *c, const json_t *s, const char **keyword)
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

static void add_length(branch *b, int32_t low, int32_t high)
{
    fact *f = add_fact(b, FACT_LENGTH);

    f->low = low;
    f->high = high;
}

static fact *add_named(branch *b, fact_kind kind, const char *name)
{
    fact *f = add_fact(b, kind);

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
        add_length(b, (int32_t)json_array_size(v), (int32_t)json_array_size(v));
        for (size_t i = 0; i < json_array_size(v); i++) {
            fact *f = add_fact(b, FACT_ITEM);

            f->n = (int32_t)i;
            f->literal = sub_value(t->c, json_array_get(v, i), path, false);
        }
        return;
    }
    add_length(b, (int32_t)json_object_size(v), (int32_t)json_object_size(v));
    json_object_foreach((json_t *)v, key, item) {
        add_named(b, FACT_PROPERTY, key)->literal = sub_value(t->c, item, path, false);
        add_named(b, FACT_REQUIRED, key);
    }
}

/* To be one that differs: in size, or in a part. */
static void differ_from(tableau *t, const branch *b, const json_t *v, int32_t path)
{
    int32_t n = (int32_t)(json_is_array(v) ? json_array_size(v) : json_object_size(v));
    const char *key;
    json_t *item;
    branch d = branch_copy(b);

    add_length(&d, n + 1, -1);
    take_way(t, &d);
    if (n > 0) {
        d = branch_copy(b);
        add_length(&d, 0, n - 1);
        take_way(t, &d);
    }
    for (int32_t i = 0; json_is_array(v) && i < n; i++) {
        fact *f;

        d = branch_copy(b);
        add_length(&d, n, n);
        f = add_fact(&d, FACT_ITEM);
        f->n = i;
        f->literal = sub_value(t->c, json_array_get(v, (size_t)i), path, true);
        take_way(t, &d);
    }
    if (json_is_array(v)) return;
    json_object_foreach((json_t *)v, key, item) {
        d = branch_copy(b);
        add_length(&d, n, n);
        add_named(&d, FACT_FORBIDDEN, key);
        take_way(t, &d);
        d = branch_copy(b);
        add_length(&d, n, n);
        add_named(&d, FACT_REQUIRED, key);
        add_named(&d, FACT_PROPERTY, key)->literal = sub_value(t->c, item, path, true);
        take_way(t, &d);
    }
}

/* A literal that is a set of one value; false: it cannot hold. */
static bool meet_value(tableau *t, branch *b, int32_t id, const literal *l)
{
    const json_t *list;
    const char *keyword;
    json_t *holder;

    if (kind_of(l->json) != t->kind) return l->negative;
    if (t->kind <= KIND_FALSE) return !l->negative;
    if (t->kind >= KIND_ARRAY) {
        if (l->negative) push_fork(b, id, NO_SCOPE, PART_ALL, 0);
        else equal_to(t, b, l->json, l->path);
        return true;
    }
    holder = json_object();
    json_object_set(holder, "const", (json_t *)l->json);
    list = values_of(t->c, holder, &keyword);
    json_decref(holder);
    add_in(b, list, l->negative, l->path);
    return true;
}

/* --------------------------------------------------------------- assertions */

/* Facts of the keywords that concern values of one kind. `of` is the schema;
 * positive facts are added to b. */
static void add_bound(branch *b, const json_t *v, unsigned how, int32_t path)
{
    fact *f = add_fact(b, FACT_BOUND);

    f->json = v;
    f->n = (int32_t)how;
    f->path = path;
}

typedef struct length_names {
    const char *min, *max;
} length_names;

static const length_names lengths_of[KIND_N] = {
    [KIND_STRING] = { "minLength", "maxLength" },
    [KIND_ARRAY] = { "minItems", "maxItems" },
    [KIND_OBJECT] = { "minProperties", "maxProperties" },
};

static const struct {
    const char *name;
    unsigned how;
} bounds[] = {
    { "minimum", NUMBER_EQUAL | NUMBER_MORE }, { "maximum", NUMBER_EQUAL | NUMBER_LESS },
    { "exclusiveMinimum", NUMBER_MORE }, { "exclusiveMaximum", NUMBER_LESS },
};

static void assert_simple(tableau *t, branch *b, const literal *l)
{
    const json_t *s = l->json, *v;

    if (t->kind == KIND_NUMBER) {
        for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
            if ((v = json_object_get(s, bounds[i].name)))
                add_bound(b, v, bounds[i].how, key_path(t->c, l, bounds[i].name));
        if ((v = json_object_get(s, "multipleOf"))) {
            fact *f = add_fact(b, FACT_MULTIPLE);

            f->json = v;
            f->path = key_path(t->c, l, "multipleOf");
        }
    }
    if (lengths_of[t->kind].min) {
        if ((v = json_object_get(s, lengths_of[t->kind].min))) add_length(b, count_of(v), -1);
        if ((v = json_object_get(s, lengths_of[t->kind].max))) add_length(b, 0, count_of(v));
    }
    if (t->kind == KIND_STRING) {
        if ((v = json_object_get(s, "pattern"))) {
            fact *f = add_fact(b, FACT_PATTERN);

            f->json = v;
            f->path = key_path(t->c, l, "pattern");
        }
        if ((v = json_object_get(s, "format")) && !t->c->o->format_is_note) {
            fact *f = add_fact(b, FACT_FORMAT);

            f->json = v;
            f->path = key_path(t->c, l, "format");
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

        f = add_fact(b, FACT_ITEM);
        f->n = (int32_t)i;
        f->literal = sub(c, l, one, path_index(c, key_path(c, l, "prefixItems"), (int)i), false);
    }
    if (n_prefix && scope != NO_SCOPE) note(b, scope, BY_PREFIX)->n = (int32_t)n_prefix;
    if ((v = json_object_get(s, "items"))) {
        f = add_fact(b, FACT_REST);
        f->n = (int32_t)n_prefix;
        f->literal = sub(c, l, v, key_path(c, l, "items"), false);
        if (scope != NO_SCOPE) note(b, scope, BY_ALL);
    }
    if ((v = json_object_get(s, "contains"))) {
        const json_t *min = json_object_get(s, "minContains");
        const json_t *max = json_object_get(s, "maxContains");
        int32_t id = sub(c, l, v, key_path(c, l, "contains"), false);

        if (max || !min || count_of(min) || scope != NO_SCOPE) {
            f = add_fact(b, FACT_CONTAINS);
            f->literal = id;
            f->low = min ? count_of(min) : 1;
            f->high = max ? count_of(max) : -1;
            f->path = key_path(c, l, "contains");
        }
        if (scope != NO_SCOPE) note(b, scope, BY_CONTAINS)->literal = id;
    }
    if (json_is_true(json_object_get(s, "uniqueItems"))) {
        f = add_fact(b, FACT_UNIQUE);
        f->path = key_path(c, l, "uniqueItems");
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
        path = key_path(c, l, "properties");
        json_object_foreach((json_t *)v, key, item)
            add_named(b, FACT_PROPERTY, key)->literal =
                sub(c, l, item, path_key(c, path, key), false);
        if (scope != NO_SCOPE) note(b, scope, BY_PROPERTIES)->json = v;
    }
    if ((v = json_object_get(s, "required")))
        for (size_t i = 0; i < json_array_size(v); i++)
            add_named(b, FACT_REQUIRED, json_string_value(json_array_get(v, i)));
    if ((v = json_object_get(s, "patternProperties"))) {
        path = key_path(c, l, "patternProperties");
        json_object_foreach((json_t *)v, key, item) {
            f = add_named(b, FACT_PATTERN_PROPERTY, key);
            f->path = path_key(c, path, key);
            f->literal = sub(c, l, item, f->path, false);
        }
        if (scope != NO_SCOPE) note(b, scope, BY_PATTERNS)->json = v;
    }
    if ((v = json_object_get(s, "additionalProperties"))) {
        f = add_fact(b, FACT_OTHERS);
        f->json = s;
        f->path = key_path(c, l, "additionalProperties");
        f->literal = sub(c, l, v, f->path, false);
        if (scope != NO_SCOPE) note(b, scope, BY_ALL);
    }
    if ((v = json_object_get(s, "propertyNames"))) {
        f = add_fact(b, FACT_NAMES);
        f->path = key_path(c, l, "propertyNames");
        f->literal = sub(c, l, v, f->path, false);
    }
}

/* ---------------------------------------------------------------- meeting */

static int32_t resolved(schema_context *c, const literal *l, const char *keyword, bool negative)
{
    const json_t *ref = json_object_get(l->json, keyword);
    int32_t path = key_path(c, l, keyword);
    schema_ref to;
    literal s = { .negative = negative };
    bool found = keyword[1] == 'd' ? schema_resolve_dynamic(c, l, ref, path, &to)
                                   : schema_resolve(c, l, ref, path, &to);

    if (!found) return -1;
    s.json = to.json;
    s.resource = to.resource;
    s.path = to.path;
    s.scope = enter_scope(c, l->scope, to.resource);
    return literal_add(c, &s);
}

static int32_t item_of(schema_context *c, const literal *l, const char *keyword, size_t i,
                       bool negative)
{
    const json_t *one = json_array_get(json_object_get(l->json, keyword), i);

    return sub(c, l, one, path_index(c, key_path(c, l, keyword), (int)i), negative);
}

static const char *unevaluated_of(value_kind kind)
{
    return kind == KIND_OBJECT ? "unevaluatedProperties"
           : kind == KIND_ARRAY ? "unevaluatedItems" : NULL;
}

/* A schema that has to hold; false: it cannot. `deny`: all of it but what it
 * says of the unevaluated, and that not. */
static bool meet(tableau *t, branch *b, int32_t id, int32_t scope, bool deny)
{
    schema_context *c = t->c;
    const literal l = c->literals[id];
    const json_t *s = l.json, *v;
    const char *unevaluated = unevaluated_of(t->kind), *keyword;
    const char *key;
    json_t *item;
    int n, i_key = 0;

    if (json_is_boolean(s)) return json_is_true(s);
    if ((v = json_object_get(s, "type"))) {
        int covers = types_cover(v, t->kind);

        if (covers == 0) return false;
        if (covers == 1) add_fact(b, FACT_INTEGER);
    }
    for (int which = 0; which < 2; which++) {
        keyword = which ? "const" : "enum";
        if (!json_object_get(s, keyword)) continue;
        if (which && json_object_get(s, "enum")) {
            push(b, sub_value(c, json_object_get(s, "const"), key_path(c, &l, "const"), false),
                 NO_SCOPE);
            continue;
        }
        v = values_of(c, s, &keyword);
        switch (among(v, t->kind, &n)) {
        case FALSE_SURELY: return false;
        case TRUE_SURELY: break;
        case DEPENDS:
            if (t->kind < KIND_ARRAY) add_in(b, v, false, key_path(c, &l, keyword));
            else push_fork(b, id, NO_SCOPE, PART_VALUES, 0);
        }
    }
    if (unevaluated && (v = json_object_get(s, unevaluated))) {
        fact *f;

        if (scope != NO_SCOPE) note(b, scope, BY_ALL);
        if (b->n_scope >= MAX_SCOPES)
            return schema_fail(c, E_LIMIT, key_path(c, &l, unevaluated), "too many in one place");
        BRANCH_GROW(b, scope, 1);
        b->scopes[b->n_scope] = scope;
        scope = b->n_scope++;
        f = add_fact(b, FACT_UNEVALUATED);
        f->scope = scope;
        f->negative = deny;
        f->path = key_path(c, &l, unevaluated);
        f->literal = sub(c, &l, v, f->path, deny);
    }
    assert_simple(t, b, &l);
    if (t->kind == KIND_ARRAY) assert_array(t, b, &l, scope);
    if (t->kind == KIND_OBJECT) assert_object(t, b, &l, scope);
    for (int which = 0; which < 2; which++) {
        int32_t to;

        if (!json_object_get(s, which ? "$dynamicRef" : "$ref")) continue;
        if ((to = resolved(c, &l, which ? "$dynamicRef" : "$ref", false)) < 0) return false;
        push(b, to, scope);
    }
    for (size_t i = 0; i < json_array_size(json_object_get(s, "allOf")); i++)
        push(b, item_of(c, &l, "allOf", i, false), scope);
    if ((v = json_object_get(s, "not"))) push(b, sub(c, &l, v, key_path(c, &l, "not"), true), NO_SCOPE);
    if (json_object_get(s, "anyOf")) push_fork(b, id, scope, PART_ANY, 0);
    if (json_object_get(s, "oneOf")) push_fork(b, id, scope, PART_ONE, 0);
    if (json_object_get(s, "if") &&
        (scope != NO_SCOPE || json_object_get(s, "then") || json_object_get(s, "else")))
        push_fork(b, id, scope, PART_IF, 0);
    if (t->kind != KIND_OBJECT) return true;
    json_object_foreach(json_object_get(s, "dependentRequired"), key, item)
        if (json_array_size(item)) push_fork(b, id, scope, PART_REQUIRED, i_key++);
        else i_key++;
    i_key = 0;
    json_object_foreach(json_object_get(s, "dependentSchemas"), key, item)
        push_fork(b, id, scope, PART_SCHEMA, i_key++);
    return true;
}

/* ------------------------------------------------------------------- forks */

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

            ids[i] = item_of(c, l, "anyOf", i, false);
            for (size_t k = 0; k < i && k < 64; k++) twice |= ids[k] == ids[i];
            if (!twice) way_with(t, b, ids[i], NO_SCOPE);
        }
        mem_free(ids);
        return;
    }
    if (n > MAX_EXACT) {
        schema_fail(c, E_LIMIT, key_path(c, l, "anyOf"), "too complex: more than %d schemas beside "
                    "unevaluated...", MAX_EXACT);
        return;
    }
    for (uint32_t holds = 1; holds < 1u << n && c->st == OK; holds++) {
        branch d = branch_copy(b);

        for (size_t i = 0; i < n; i++) {
            bool not = !(holds >> i & 1);

            push(&d, item_of(c, l, "anyOf", i, not), not ? NO_SCOPE : scope);
        }
        take_way(t, &d);
    }
}

static void fork_one(tableau *t, const branch *b, const literal *l, int32_t scope)
{
    schema_context *c = t->c;
    size_t n = json_array_size(json_object_get(l->json, "oneOf"));

    for (size_t i = 0; i < n && c->st == OK; i++) {
        int32_t one = item_of(c, l, "oneOf", i, false);
        branch d = branch_copy(b);

        push(&d, one, scope);
        for (size_t k = 0; k < n && c->st == OK; k++)
            if (k != i && !disjoint(t, one, item_of(c, l, "oneOf", k, false)))
                push(&d, item_of(c, l, "oneOf", k, true), NO_SCOPE);
        take_way(t, &d);
    }
}

static void fork_if(tableau *t, const branch *b, const literal *l, int32_t scope)
{
    schema_context *c = t->c;

    for (int holds = 0; holds < 2; holds++) {
        const char *then = holds ? "then" : "else";
        const json_t *v = json_object_get(l->json, then);
        branch d = branch_copy(b);

        push(&d, sub(c, l, json_object_get(l->json, "if"), key_path(c, l, "if"), !holds),
             holds ? scope : NO_SCOPE);
        if (v) push(&d, sub(c, l, v, key_path(c, l, then), false), scope);
        take_way(t, &d);
    }
}

static void fork_dependent(tableau *t, const branch *b, const literal *l, const duty *u)
{
    const char *keyword = u->part == PART_REQUIRED ? "dependentRequired" : "dependentSchemas";
    json_t *item;
    const char *key = key_at(json_object_get(l->json, keyword), u->index, &item);
    branch d = branch_copy(b);

    add_named(&d, FACT_FORBIDDEN, key);
    take_way(t, &d);
    d = branch_copy(b);
    add_named(&d, FACT_REQUIRED, key);
    if (u->part == PART_SCHEMA)
        push(&d, sub(t->c, l, item, path_key(t->c, key_path(t->c, l, keyword), key), false),
             u->scope);
    for (size_t i = 0; u->part == PART_REQUIRED && i < json_array_size(item); i++)
        add_named(&d, FACT_REQUIRED, json_string_value(json_array_get(item, i)));
    take_way(t, &d);
}

static void fork_values(tableau *t, const branch *b, const literal *l)
{
    const char *keyword;
    const json_t *list = values_of(t->c, l->json, &keyword);

    for (size_t i = 0; i < json_array_size(list) && t->c->st == OK; i++) {
        const json_t *v = json_array_get(list, i);

        if (kind_of(v) == t->kind)
            way_with(t, b, sub_value(t->c, v, key_path(t->c, l, keyword), false), NO_SCOPE);
    }
}

/* ----------------------------------------------------------------- denials */

/* One way in which a schema fails to hold, as a fact. */
static fact *deny_fact(branch *d, const branch *b, fact_kind kind, int32_t path)
{
    fact *f;

    *d = branch_copy(b);
    f = add_fact(d, kind);
    f->path = path;
    return f;
}

static void deny_scalars(tableau *t, const branch *b, const literal *l)
{
    schema_context *c = t->c;
    const json_t *s = l->json, *v;
    branch d;

    for (size_t i = 0; t->kind == KIND_NUMBER && i < sizeof bounds / sizeof *bounds; i++)
        if ((v = json_object_get(s, bounds[i].name))) {
            d = branch_copy(b);
            add_bound(&d, v, 7 ^ bounds[i].how, key_path(c, l, bounds[i].name));
            take_way(t, &d);
        }
    if (t->kind == KIND_NUMBER && (v = json_object_get(s, "multipleOf"))) {
        fact *f = deny_fact(&d, b, FACT_MULTIPLE, key_path(c, l, "multipleOf"));

        f->json = v;
        f->negative = true;
        take_way(t, &d);
    }
    if (lengths_of[t->kind].min && (v = json_object_get(s, lengths_of[t->kind].min)) &&
        count_of(v) > 0) {
        d = branch_copy(b);
        add_length(&d, 0, count_of(v) - 1);
        take_way(t, &d);
    }
    if (lengths_of[t->kind].max && (v = json_object_get(s, lengths_of[t->kind].max))) {
        d = branch_copy(b);
        add_length(&d, count_of(v) + 1, -1);
        take_way(t, &d);
    }
    if (t->kind != KIND_STRING) return;
    if ((v = json_object_get(s, "pattern"))) {
        fact *f = deny_fact(&d, b, FACT_PATTERN, key_path(c, l, "pattern"));

        f->json = v;
        f->negative = true;
        take_way(t, &d);
    }
    if (json_object_get(s, "format") && !c->o->format_is_note)
        schema_fail(c, E_UNSUPPORTED, key_path(c, l, "format"),
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
        add_length(&d, (int32_t)i + 1, -1);
        f = add_fact(&d, FACT_ITEM);
        f->n = (int32_t)i;
        f->literal = item_of(c, l, "prefixItems", i, true);
        take_way(t, &d);
    }
    if ((v = json_object_get(s, "items"))) {
        f = deny_fact(&d, b, FACT_CONTAINS, key_path(c, l, "items"));
        f->literal = sub(c, l, v, key_path(c, l, "items"), true);
        f->n = (int32_t)n_prefix;
        f->low = 1;
        take_way(t, &d);
    }
    if ((v = json_object_get(s, "contains"))) {
        const json_t *min = json_object_get(s, "minContains"), *max = json_object_get(s, "maxContains");
        int32_t path = key_path(c, l, "contains"), id = sub(c, l, v, path, false);

        if (!min || count_of(min) > 0) {
            f = deny_fact(&d, b, FACT_CONTAINS, path);
            f->literal = id;
            f->high = min ? count_of(min) - 1 : 0;
            take_way(t, &d);
        }
        if (max) {
            f = deny_fact(&d, b, FACT_CONTAINS, path);
            f->literal = id;
            f->low = count_of(max) + 1;
            take_way(t, &d);
        }
    }
    if (json_is_true(json_object_get(s, "uniqueItems")))
        schema_fail(c, E_UNSUPPORTED, key_path(c, l, "uniqueItems"),
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

    path = key_path(c, l, "properties");
    json_object_foreach(json_object_get(s, "properties"), key, item) {
        d = branch_copy(b);
        add_named(&d, FACT_REQUIRED, key);
        add_named(&d, FACT_PROPERTY, key)->literal = sub(c, l, item, path_key(c, path, key), true);
        take_way(t, &d);
    }
    v = json_object_get(s, "required");
    for (size_t i = 0; i < json_array_size(v); i++) {
        d = branch_copy(b);
        add_named(&d, FACT_FORBIDDEN, json_string_value(json_array_get(v, i)));
        take_way(t, &d);
    }
    path = key_path(c, l, "patternProperties");
    json_object_foreach(json_object_get(s, "patternProperties"), key, item) {
        f = deny_fact(&d, b, FACT_SOME, path_key(c, path, key));
        f->by = FACT_PATTERN_PROPERTY;
        f->name = key;
        f->name_len = strlen(key);
        f->literal = sub(c, l, item, path, true);
        take_way(t, &d);
    }
    for (int which = 0; which < 2; which++) {
        const char *keyword = which ? "propertyNames" : "additionalProperties";

        if (!(v = json_object_get(s, keyword))) continue;
        f = deny_fact(&d, b, FACT_SOME, key_path(c, l, keyword));
        f->by = which ? FACT_NAMES : FACT_OTHERS;
        f->json = s;
        f->literal = sub(c, l, v, f->path, true);
        take_way(t, &d);
    }
    json_object_foreach(json_object_get(s, "dependentRequired"), key, item)
        for (size_t i = 0; i < json_array_size(item); i++) {
            d = branch_copy(b);
            add_named(&d, FACT_REQUIRED, key);
            add_named(&d, FACT_FORBIDDEN, json_string_value(json_array_get(item, i)));
            take_way(t, &d);
        }
    path = key_path(c, l, "dependentSchemas");
    json_object_foreach(json_object_get(s, "dependentSchemas"), key, item) {
        d = branch_copy(b);
        add_named(&d, FACT_REQUIRED, key);
        push(&d, sub(c, l, item, path_key(c, path, key), true), NO_SCOPE);
        take_way(t, &d);
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
        if ((to = resolved(c, l, which ? "$dynamicRef" : "$ref", true)) < 0) return;
        way_with(t, b, to, NO_SCOPE);
    }
    n = json_array_size(json_object_get(s, "allOf"));
    for (size_t i = 0; i < n && c->st == OK; i++)
        way_with(t, b, item_of(c, l, "allOf", i, true), NO_SCOPE);
    if ((v = json_object_get(s, "not")))
        way_with(t, b, sub(c, l, v, key_path(c, l, "not"), false), NO_SCOPE);
    for (int which = 0; which < 2; which++) {
        const char *keyword = which ? "oneOf" : "anyOf";

        if (!(n = json_array_size(json_object_get(s, keyword)))) continue;
        d = branch_copy(b);
        for (size_t i = 0; i < n; i++) push(&d, item_of(c, l, keyword, i, true), NO_SCOPE);
        take_way(t, &d);
    }
    n = json_array_size(json_object_get(s, "oneOf"));
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n && c->st == OK; k++) {
            d = branch_copy(b);
            push(&d, item_of(c, l, "oneOf", i, false), NO_SCOPE);
            push(&d, item_of(c, l, "oneOf", k, false), NO_SCOPE);
            take_way(t, &d);
        }
    for (int holds = 0; json_object_get(s, "if") && holds < 2; holds++) {
        const char *then = holds ? "then" : "else";

        if (!(v = json_object_get(s, then))) continue;
        d = branch_copy(b);
        push(&d, sub(c, l, json_object_get(s, "if"), key_path(c, l, "if"), !holds), NO_SCOPE);
        push(&d, sub(c, l, v, key_path(c, l, then), true), NO_SCOPE);
        take_way(t, &d);
    }
}

/* A schema that must not hold: one of its keywords fails. */
static void deny(tableau *t, const branch *b, int32_t id, const literal *l)
{
    schema_context *c = t->c;
    const json_t *s = l->json, *v;
    const char *unevaluated = unevaluated_of(t->kind), *keyword;
    int n;
    branch d;

    if ((v = json_object_get(s, "type"))) {
        int covers = types_cover(v, t->kind);

        if (covers < 2) {
            d = branch_copy(b);
            if (covers == 1) add_fact(&d, FACT_INTEGER)->negative = true;
            take_way(t, &d);
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
            list = values_of(c, holder, &keyword);
            json_decref(holder);
        }
        switch (among(list, t->kind, &n)) {
        case TRUE_SURELY: break;
        case FALSE_SURELY:
            d = branch_copy(b);
            take_way(t, &d);
            return;
        case DEPENDS:
            d = branch_copy(b);
            if (t->kind < KIND_ARRAY) add_in(&d, list, true, key_path(c, l, keyword));
            for (size_t i = 0; t->kind >= KIND_ARRAY && i < json_array_size(list); i++)
                push(&d, sub_value(c, json_array_get(list, i), key_path(c, l, keyword), true),
                     NO_SCOPE);
            take_way(t, &d);
        }
    }
    deny_logic(t, b, l);
    deny_scalars(t, b, l);
    if (t->kind == KIND_ARRAY) deny_array(t, b, l);
    if (t->kind == KIND_OBJECT) deny_object(t, b, l);
    if (unevaluated && json_object_get(s, unevaluated)) {
        literal positive = *l;

        if (t->kind == KIND_ARRAY) {
            schema_fail(c, E_UNSUPPORTED, key_path(c, l, unevaluated),
                        "cannot be negated (it stands under not, if or oneOf)");
            return;
        }
        (void)id;
        positive.negative = false;
        d = branch_copy(b);
        BRANCH_GROW(&d, duty, 1);
        d.dutys[d.n_duty++] = (duty){ literal_add(c, &positive), NO_SCOPE, PART_DENY, 0 };
        take_way(t, &d);
    }
}

static void fork_duty(tableau *t, const branch *b, const duty *u)
{
    const literal l = t->c->literals[u->literal];

    switch (u->part) {
    case PART_ANY: fork_any(t, b, &l, u->scope); break;
    case PART_ONE: fork_one(t, b, &l, u->scope); break;
    case PART_IF: fork_if(t, b, &l, u->scope); break;
    case PART_REQUIRED: case PART_SCHEMA: fork_dependent(t, b, &l, u); break;
    case PART_VALUES: fork_values(t, b, &l); break;
    default:
        if (l.value) differ_from(t, b, l.json, l.path);
        else deny(t, b, u->literal, &l);
    }
}

/* ------------------------------------------------------------------ running */

/* 1: met already, -1: its opposite was, 0: neither. */
static int met_before(const schema_context *c, const branch *b, const duty *u)
{
    const literal *l = &c->literals[u->literal];

    for (int i = 0; i < b->n_duty_done; i++) {
        const duty *o = &b->duty_dones[i];
        literal other = c->literals[o->literal];

        if (o->literal == u->literal && o->scope == u->scope && o->part == u->part) return 1;
        if (o->part != PART_ALL || u->part != PART_ALL || other.negative == l->negative) continue;
        other.negative = l->negative;
        if (same_literal(&other, l)) return -1;
    }
    return 0;
}

static bool run(tableau *t, branch *b)
{
    schema_context *c = t->c;

    if (c->st != OK) return false;
    if ((c->work += 4 + b->n_fact + b->n_duty_done) > SCHEMA_MAX_WORK || c->n_path > 4000000)
        return schema_fail(c, E_LIMIT, 0, "too complex: more than %d steps", SCHEMA_MAX_WORK);
    while (b->n_duty > 0) {
        duty u = b->dutys[--b->n_duty];
        literal l = c->literals[u.literal];
        int before = met_before(c, b, &u);

        c->work += 4 + b->n_duty_done;
        if (before < 0) return true;
        if (before > 0) continue;
        BRANCH_GROW(b, duty_done, 1);
        b->duty_dones[b->n_duty_done++] = u;
        if (l.value) {
            if (!meet_value(t, b, u.literal, &l)) return true;
        } else if (!l.negative) {
            if (!meet(t, b, u.literal, u.scope, u.part == PART_DENY)) return c->st == OK;
        } else if (json_is_boolean(l.json)) {
            if (json_is_true(l.json)) return true;
        } else {
            push_fork(b, u.literal, NO_SCOPE, PART_ALL, 0);
        }
    }
    if (b->n_fork > 0) {
        duty u = b->forks[0];

        memmove(b->forks, b->forks + 1, (size_t)--b->n_fork * sizeof *b->forks);
        fork_duty(t, b, &u);
        return c->st == OK;
    }
    if (++t->n_branch > SCHEMA_MAX_BRANCHES)
        return schema_fail(c, E_LIMIT, c->literals[0].path, "too complex: more than %d cases",
                           SCHEMA_MAX_BRANCHES);
    t->each(t->arg, b);
    return c->st == OK;
}

bool schema_expand(schema_context *c, const id_set *of, value_kind kind, branch_fn *each, void *arg)
{
    tableau t = { c, kind, each, arg, 0 };
    branch b = { 0 };

    for (int i = of->n - 1; i >= 0; i--) push(&b, of->ids[i], NO_SCOPE);
    run(&t, &b);
    branch_fini(&b);
    return c->st == OK;
}

/* ------------------------------------------------------------------- goals */

typedef struct gathering {
    schema_context *c;
    int32_t at;
    value_kind kind;
} gathering;

static void build_branch(void *arg, const branch *b)
{
    const gathering *g = arg;
    schema_context *c = g->c;

    switch (g->kind) {
    case KIND_NULL: goal_add_shape(c, g->at, (shape){ SHAPE_LITERAL, c->shape_null }); break;
    case KIND_TRUE: goal_add_shape(c, g->at, (shape){ SHAPE_LITERAL, c->shape_true }); break;
    case KIND_FALSE: goal_add_shape(c, g->at, (shape){ SHAPE_LITERAL, c->shape_false }); break;
    case KIND_NUMBER: build_number(c, g->at, b); break;
    case KIND_STRING: build_string(c, g->at, b); break;
    case KIND_ARRAY: build_array(c, g->at, b); break;
    default: build_object(c, g->at, b);
    }
}

bool goal_expand(schema_context *c, int32_t at)
{
    gathering g = { c, at, KIND_NULL };

    if (c->works[at].expanded || c->works[at].expanding) return c->st == OK;
    if (c->g->n_goal > SCHEMA_MAX_GOALS)
        return schema_fail(c, E_LIMIT, 0, "too complex: more than %d kinds of values",
                           SCHEMA_MAX_GOALS);
    c->works[at].expanding = true;
    for (int k = 0; k < KIND_N && c->st == OK; k++) {
        id_set of = c->works[at].of;

        g.kind = (value_kind)k;
        schema_expand(c, &of, g.kind, build_branch, &g);
    }
    c->works[at].expanding = false;
    c->works[at].expanded = true;
    return c->st == OK;
}

bool goal_empty(schema_context *c, int32_t at, int depth)
{
    if (depth == 0 || c->works[at].expanding) return false;
    if (!goal_expand(c, at)) return false;
    for (int i = 0; i < c->g->goals[at].n; i++) {
        shape s = c->g->goals[at].shapes[i];
        bool empty = false;

        if (s.kind == SHAPE_OBJECT)
            for (int k = 0; k < c->g->objects[s.spec].n_name && !empty; k++)
                if (c->g->objects[s.spec].names[k].required)
                    empty = goal_empty(c, c->g->objects[s.spec].names[k].goal, depth - 1);
        if (s.kind == SHAPE_ARRAY && !c->g->arrays[s.spec].first)
            for (int k = 0; k < c->g->arrays[s.spec].n_prefix && k < c->g->arrays[s.spec].low &&
                            !empty; k++)
                empty = goal_empty(c, c->g->arrays[s.spec].prefix[k], depth - 1);
        if (!empty) return false;
    }
    return c->st == OK;
}
