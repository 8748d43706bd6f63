/* schema_object.c - branches about objects.
 *
 * Names that some keyword mentions are known: they are written first, in the
 * order of the schema. What other names may be, and what their values, depends
 * on nothing but which patterns they match, so one automaton over names, with
 * the set of matched patterns as its label, settles both. Something that some
 * property must show (additionalProperties under not) is a demand: a known name
 * meets it, one fork each, or another name does. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "decode/schema_internal.h"

#define MAX_PATTERNS 24
#define MAX_DEMANDS 4
#define MAX_LITERALS 256         /* conditions on one property */
#define MAX_NAMES 6000
#define MAX_LABELS 256
#define MAX_LISTED 16            /* names of a pattern that are written out */

typedef struct known_name {
    const char *name;
    size_t len;
    bool required, forbidden;
} known_name;

typedef struct properties {
    schema_context *c;
    const branch *b;
    known_name *names;
    int n_name, cap_name;
    json_t *index;               /* name to place */
    const char *patterns[MAX_PATTERNS];
    const dfa *lexes[MAX_PATTERNS];
    int n_pattern;
    const dfa *languages[MAX_PATTERNS];      /* of propertyNames */
    int n_language;
    const fact *demands[MAX_DEMANDS];
    const dfa *demand_languages[MAX_DEMANDS];    /* of those about names */
    int n_demand;
    int32_t by_name[MAX_DEMANDS];    /* the known name that meets it, or -1 */
    int32_t low, high;
    int32_t path;
    int n_shape;
} properties;

/* ------------------------------------------------------------------- names */

static known_name *add_name(properties *p, const char *name, size_t len)
{
    json_t *at = json_object_getn(p->index, name, len);

    if (at) return &p->names[json_integer_value(at)];
    if (p->n_name == MAX_NAMES) {
        schema_fail(p->c, E_LIMIT, p->path, "more than %d properties", MAX_NAMES);
        return &p->names[0];
    }
    if (p->n_name == p->cap_name) {
        p->cap_name = p->cap_name * 2 + 16;
        p->names = mem_resize(p->names, (size_t)p->cap_name, sizeof *p->names);
    }
    json_object_setn_new(p->index, name, len, json_integer(p->n_name));
    p->names[p->n_name] = (known_name){ name, len, false, false };
    return &p->names[p->n_name++];
}

/* A pattern that few names match is those names. */
static void list_names(properties *p, const dfa *d, int32_t q, bytes *so_far)
{
    size_t len = so_far->len;

    if (d->accept[q]) {
        json_t *name = json_stringn(so_far->data ? so_far->data : "", so_far->len);

        json_array_append_new(p->c->held, json_null());
        json_array_append_new(p->c->held, name);
        add_name(p, json_string_value(name), json_string_length(name));
    }
    for (int32_t e = d->first[q]; e < d->first[q + 1]; e++)
        for (uint32_t code = d->edges[e].low; code <= d->edges[e].high; code++) {
            char utf8[4];

            bytes_add(so_far, utf8, (size_t)utf8_encode(code, utf8));
            list_names(p, d, d->edges[e].to, so_far);
            so_far->len = len;
        }
}

static int add_pattern(properties *p, const char *pattern, int32_t path)
{
    json_t *text;
    const dfa *d;

    for (int i = 0; i < p->n_pattern; i++)
        if (!strcmp(p->patterns[i], pattern)) return i;
    if (p->n_pattern == MAX_PATTERNS) {
        schema_fail(p->c, E_LIMIT, path, "too complex: more than %d patterns together", MAX_PATTERNS);
        return -1;
    }
    text = json_string(pattern);
    d = schema_pattern(p->c, text, path);
    json_decref(text);
    if (!d) return -1;
    p->patterns[p->n_pattern] = pattern;
    p->lexes[p->n_pattern] = d;
    if (d->n_state && d->n_string[0] <= MAX_LISTED) {
        bytes so_far = { 0 };

        list_names(p, d, 0, &so_far);
        bytes_fini(&so_far);
    }
    return p->n_pattern++;
}

static void add_patterns(properties *p, const json_t *map, int32_t path)
{
    const char *key;
    json_t *item;

    json_object_foreach((json_t *)map, key, item)
        if (add_pattern(p, key, path) < 0) return;
}

/* ------------------------------------------------------------------ coverage */

/* A property: a known name, or the patterns that another one matches. */
typedef struct property {
    const known_name *name;
    uint32_t bits;
} property;

static bool matches(const properties *p, const property *x, const char *pattern)
{
    for (int i = 0; i < p->n_pattern; i++)
        if (!strcmp(p->patterns[i], pattern))
            return x->name ? dfa_match(p->lexes[i], x->name->name, x->name->len) != 0
                           : (x->bits >> i & 1);
    return false;
}

static bool in_patterns(const properties *p, const property *x, const json_t *map)
{
    const char *key;
    json_t *item;

    json_object_foreach((json_t *)map, key, item)
        if (matches(p, x, key)) return true;
    return false;
}

static bool in_names(const property *x, const json_t *map)
{
    return x->name && json_object_getn(map, x->name->name, x->name->len);
}

static bool sees(const branch *b, int32_t scope, int32_t noted)
{
    for (; noted >= 0; noted = b->scopes[noted])
        if (noted == scope) return true;
    return false;
}

static bool evaluated(const properties *p, const property *x, int32_t scope)
{
    for (int i = 0; i < p->b->n_fact; i++) {
        const fact *e = &p->b->facts[i];

        if (e->kind != FACT_EVALUATED || !sees(p->b, scope, e->scope)) continue;
        if (e->by == BY_ALL || (e->by == BY_PROPERTIES && in_names(x, e->json)) ||
            (e->by == BY_PATTERNS && in_patterns(p, x, e->json)))
            return true;
    }
    return false;
}

static bool is_other(const properties *p, const property *x, const json_t *schema)
{
    return !in_names(x, json_object_get(schema, "properties")) &&
           !in_patterns(p, x, json_object_get(schema, "patternProperties"));
}

/* Whether a property can be the one that meets a demand. */
static bool can_meet(const properties *p, const property *x, int demand)
{
    const fact *f = p->demands[demand];

    if (f->kind == FACT_UNEVALUATED) return !evaluated(p, x, f->scope);
    if (f->by == FACT_OTHERS) return is_other(p, x, f->json);
    if (f->by == FACT_PATTERN_PROPERTY) return matches(p, x, f->name);
    if (x->name)
        return dfa_match(p->demand_languages[demand], x->name->name, x->name->len) != 0;
    return x->bits >> (p->n_pattern + demand) & 1;
}

static bool is_false(const schema_context *c, int32_t id)
{
    const literal *l = &c->literals[id];

    return !l->value && json_is_boolean(l->json) && json_is_true(l->json) == l->negative;
}

/* What the property's value has to satisfy; -1: nothing can. */
static int32_t value_goal(properties *p, const property *x, uint32_t meets)
{
    schema_context *c = p->c;
    int32_t ids[MAX_LITERALS];
    int n = 0;

    for (int i = 0; i < p->b->n_fact; i++) {
        const fact *f = &p->b->facts[i];
        bool holds = false;

        switch (f->kind) {
        case FACT_PROPERTY:
            holds = x->name && x->name->len == f->name_len &&
                    !memcmp(x->name->name, f->name, f->name_len);
            break;
        case FACT_PATTERN_PROPERTY: holds = matches(p, x, f->name); break;
        case FACT_OTHERS: holds = is_other(p, x, f->json); break;
        case FACT_UNEVALUATED: holds = !f->negative && !evaluated(p, x, f->scope); break;
        default: break;
        }
        if (!holds) continue;
        if (is_false(c, f->literal)) return -1;
        if (n == MAX_LITERALS - MAX_DEMANDS) {
            schema_fail(c, E_LIMIT, f->path, "too complex: more than %d conditions on a property", n);
            return -1;
        }
        ids[n++] = f->literal;
    }
    for (int d = 0; d < p->n_demand; d++) {
        bool here = meets >> d & 1;

        if (x->name) here = p->by_name[d] >= 0 && &p->names[p->by_name[d]] == x->name;
        if (!here || p->demands[d]->by == FACT_NAMES) continue;
        if (is_false(c, p->demands[d]->literal)) return -1;
        ids[n++] = p->demands[d]->literal;
    }
    return goal_add(c, ids, n);
}

/* ------------------------------------------------------------- other names */

typedef struct labelling {
    properties *p;
    uint32_t meets;
    object_extra *x;
    uint32_t vectors[MAX_LABELS];
} labelling;

/* Inputs: the known names, the languages of names, the patterns, the languages
 * of demands. */
static uint32_t decide_label(void *arg, const uint32_t *labels)
{
    labelling *l = arg;
    properties *p = l->p;
    property x = { 0 };
    int at = 1;

    if (labels[0]) return 0;
    for (int i = 0; i < p->n_language; i++)
        if (!labels[at++]) return 0;
    for (int i = 0; i < p->n_pattern; i++) x.bits |= (uint32_t)(labels[at++] != 0) << i;
    for (int d = 0; d < p->n_demand; d++)
        if (p->demand_languages[d]) x.bits |= (uint32_t)(labels[at++] != 0) << (p->n_pattern + d);
    for (int d = 0; d < p->n_demand; d++)
        if (l->meets >> d & 1 && !can_meet(p, &x, d)) return 0;
    for (int i = 1; i < l->x->n_goal; i++)
        if (l->vectors[i] == x.bits) return l->x->goals[i] < 0 ? 0 : (uint32_t)i;
    if (l->x->n_goal == MAX_LABELS) {
        schema_fail(p->c, E_LIMIT, p->path, "too complex: patterns overlap in more than %d ways",
                    MAX_LABELS);
        return 0;
    }
    l->vectors[l->x->n_goal] = x.bits;
    l->x->goals[l->x->n_goal] = value_goal(p, &x, l->meets);
    l->x->n_goal++;
    return l->x->goals[l->x->n_goal - 1] < 0 ? 0 : (uint32_t)l->x->n_goal - 1;
}

static bool build_extra(properties *p, object_extra *x, uint32_t meets)
{
    schema_context *c = p->c;
    labelling l = { .p = p, .meets = meets, .x = x };
    const dfa *in[2 * MAX_PATTERNS + MAX_DEMANDS + 1];
    dfa_text *texts;
    dfa *names = NULL, *out = NULL;
    errtext why;
    property none = { 0 };
    int n = 1;

    x->n_goal = 1;
    if (p->n_pattern == 0 && !meets && value_goal(p, &none, 0) < 0) return c->st == OK;
    texts = mem_array((size_t)p->n_name + 1, sizeof *texts);
    for (int i = 0; i < p->n_name; i++)
        texts[i] = (dfa_text){ p->names[i].name, p->names[i].len };
    schema_take(c, dfa_of_texts(&names, texts, p->n_name, &why), p->path, &why);
    mem_free(texts);
    if (!names) return false;
    in[0] = names;
    for (int i = 0; i < p->n_language; i++) in[n++] = p->languages[i];
    for (int i = 0; i < p->n_pattern; i++) in[n++] = p->lexes[i];
    for (int d = 0; d < p->n_demand; d++)
        if (p->demand_languages[d]) in[n++] = p->demand_languages[d];
    x->goals = mem_array(MAX_LABELS, sizeof *x->goals);
    schema_take(c, dfa_product(&out, in, n, decide_label, &l, DFA_MAX_STATES, &why), p->path, &why);
    dfa_free(names);
    if (!out) return false;
    schema_work(c, out, n + p->n_name);
    x->lex = schema_keep(c, out);
    return c->st == OK;
}

/* ------------------------------------------------------------------ shapes */

static bool known_allowed(const properties *p, const known_name *k)
{
    if (k->forbidden) return false;
    for (int i = 0; i < p->n_language; i++)
        if (!dfa_match(p->languages[i], k->name, k->len)) return false;
    return true;
}

/* One shape, with each demand given to a known name or to others. */
static bool build_shape(properties *p, int32_t at)
{
    schema_context *c = p->c;
    object_spec o = { .low = p->low, .high = p->high, .n_name = p->n_name };
    uint32_t others = 0;
    int n_extra_demand = 0, demand_at[MAX_DEMANDS];

    if (++p->n_shape > 64)
        return schema_fail(c, E_LIMIT, p->path, "too complex: demands on too many properties");
    o.names = mem_array((size_t)o.n_name + 1, sizeof *o.names);
    for (int d = 0; d < p->n_demand; d++)
        if (p->by_name[d] < 0) demand_at[n_extra_demand++] = d;
    for (int i = 0; i < p->n_name; i++) {
        const property x = { &p->names[i], 0 };
        object_name *name = &o.names[i];

        name->required = p->names[i].required;
        for (int d = 0; d < p->n_demand; d++) name->required |= p->by_name[d] == i;
        name->goal = known_allowed(p, &p->names[i]) ? value_goal(p, &x, 0) : -1;
        if (name->goal < 0 && name->required) {
            mem_free(o.names);
            return c->st == OK;
        }
        name->from = (uint32_t)c->g->text.len;
        grammar_spell(&c->g->text, p->names[i].name, p->names[i].len);
        bytes_add_char(&c->g->text, '"');
        name->len = (uint32_t)c->g->text.len - name->from;
    }
    o.n_demand = n_extra_demand;
    o.extras = mem_array((size_t)1 << n_extra_demand, sizeof *o.extras);
    for (uint32_t s = 0; s < 1u << n_extra_demand && c->st == OK; s++) {
        others = 0;
        for (int k = 0; k < n_extra_demand; k++)
            if (s >> k & 1) others |= 1u << demand_at[k];
        build_extra(p, &o.extras[s], others);
    }
    GRAMMAR_GROW(c->g, object);
    c->g->objects[c->g->n_object] = o;
    goal_add_shape(c, at, (shape){ SHAPE_OBJECT, c->g->n_object++ });
    return c->st == OK;
}

static bool assign_demands(properties *p, int32_t at, int d)
{
    if (d == p->n_demand) return build_shape(p, at);
    p->by_name[d] = -1;
    if (!assign_demands(p, at, d + 1)) return false;
    for (int i = 0; i < p->n_name; i++) {
        const property x = { &p->names[i], 0 };

        if (!known_allowed(p, &p->names[i]) || !can_meet(p, &x, d)) continue;
        p->by_name[d] = i;
        if (!assign_demands(p, at, d + 1)) return false;
    }
    p->by_name[d] = -1;
    return true;
}

/* What the branch says of names, into p; false: nothing satisfies it. */
static bool gather(properties *p)
{
    schema_context *c = p->c;

    for (int i = 0; i < p->b->n_fact && c->st == OK; i++) {
        const fact *f = &p->b->facts[i];
        const dfa *language;

        p->path = f->path ? f->path : p->path;
        switch (f->kind) {
        case FACT_LENGTH:
            if (f->low > p->low) p->low = f->low;
            if (f->high >= 0 && (p->high < 0 || f->high < p->high)) p->high = f->high;
            break;
        case FACT_PROPERTY: add_name(p, f->name, f->name_len); break;
        case FACT_REQUIRED: add_name(p, f->name, f->name_len)->required = true; break;
        case FACT_FORBIDDEN: add_name(p, f->name, f->name_len)->forbidden = true; break;
        case FACT_PATTERN_PROPERTY: add_pattern(p, f->name, f->path); break;
        case FACT_OTHERS:
            add_patterns(p, json_object_get(f->json, "patternProperties"), f->path);
            break;
        case FACT_EVALUATED:
            if (f->by == BY_PATTERNS) add_patterns(p, f->json, f->path);
            break;
        case FACT_NAMES:
            if (!(language = goal_strings(c, goal_add(c, &f->literal, 1)))) break;
            if (p->n_language == MAX_PATTERNS)
                return schema_fail(c, E_LIMIT, f->path, "too complex: too many propertyNames");
            p->languages[p->n_language++] = language;
            break;
        case FACT_UNEVALUATED:
            if (!f->negative) break;
            /* fall through */
        case FACT_SOME:
            if (p->n_demand == MAX_DEMANDS)
                return schema_fail(c, E_LIMIT, f->path, "too complex: more than %d negated "
                                   "conditions on some property", MAX_DEMANDS);
            p->demands[p->n_demand++] = f;
            if (f->kind == FACT_SOME && f->by == FACT_NAMES)
                p->demand_languages[p->n_demand - 1] = goal_strings(c, goal_add(c, &f->literal, 1));
            if (f->kind == FACT_SOME && f->by == FACT_PATTERN_PROPERTY)
                add_pattern(p, f->name, f->path);
            if (f->kind == FACT_SOME && f->by == FACT_OTHERS)
                add_patterns(p, json_object_get(f->json, "patternProperties"), f->path);
            break;
        default: break;
        }
    }
    for (int i = 0; i < p->n_name; i++)
        if (p->names[i].required && p->names[i].forbidden) return false;
    return c->st == OK && (p->high < 0 || p->low <= p->high);
}

bool build_object(schema_context *c, int32_t at, const branch *b)
{
    properties p = { .c = c, .b = b, .high = -1, .index = json_object() };

    if (gather(&p)) assign_demands(&p, at, 0);
    mem_free(p.names);
    json_decref(p.index);
    return c->st == OK;
}
