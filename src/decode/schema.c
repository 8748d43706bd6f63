/* schema.c - all goals, and which of them can be satisfied.
 *
 * Goals are expanded from the root until no new one turns up. Then a fixed
 * point says for each how deep its smallest value is nested; goals without one
 * are cut out of everything that mentions them, so that what is left never
 * promises what cannot be kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "decode/schema_internal.h"

#define NONE (-1)

/* ----------------------------------------------------------------- heights */

/* All are -1 until known; known ones only fall. */
static int height_of(const grammar *g, int32_t at)
{
    return at < 0 ? NONE : g->goals[at].height;
}

static int array_height(const grammar *g, array_spec *a)
{
    int height = 0;
    bool changed = true;

    if (!a->first) {
        for (int i = 0; i < a->low; i++) {
            int h = height_of(g, i < a->n_prefix ? a->prefix[i] : a->rest);

            if (h == NONE) return NONE;
            if (h > height) height = h;
            if (i > a->n_prefix) break;
        }
        return height + 1;
    }
    /* The least height with which each node comes to an end. */
    for (int n = 0; n < a->n_node; n++) a->need[n] = a->final[n] ? 0 : NONE;
    while (changed) {
        changed = false;
        for (int n = a->n_node - 1; n >= 0; n--)
            for (int32_t e = a->first[n]; e < a->first[n + 1]; e++) {
                int h = height_of(g, a->edges[e].goal), rest = a->need[a->edges[e].to];

                if (h == NONE || rest == NONE) continue;
                if (rest > h) h = rest;
                if (a->need[n] != NONE && a->need[n] <= h) continue;
                a->need[n] = h;
                changed = true;
            }
    }
    return a->need[0] == NONE ? NONE : a->need[0] + 1;
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Height of the names beyond the known ones, as far as values are known for
 * them; NONE: there are none. */
static int extra_height(const grammar *g, const object_extra *x)
{
    int height = NONE;

    if (!x->lex || !x->lex->n_state) return NONE;
    for (int i = 1; i < x->n_goal; i++)
        if (height_of(g, x->goals[i]) > height) height = height_of(g, x->goals[i]);
    return height;
}

/* Fewest names beyond the known ones that meet each set of demands. */
static void set_demand_costs(const grammar *g, object_spec *o)
{
    for (uint32_t all = 1; all < 1u << o->n_demand; all++) {
        o->demand_cost[all] = 1 << 20;
        for (uint32_t s = all; s; s = (s - 1) & all)
            if (extra_height(g, &o->extras[s]) != NONE &&
                o->demand_cost[all & ~s] + 1 < o->demand_cost[all])
                o->demand_cost[all] = o->demand_cost[all & ~s] + 1;
    }
}

static int object_height(const grammar *g, object_spec *o)
{
    int height = 0, n_required = 0, n_optional = 0, cost, missing;
    int *optional = mem_array((size_t)o->n_name + 1, sizeof *optional);

    for (int i = 0; i < o->n_name; i++) {
        int h = height_of(g, o->names[i].goal);

        if (o->names[i].required) {
            n_required++;
            if (h == NONE) {
                mem_free(optional);
                return NONE;
            }
            if (h > height) height = h;
        } else if (h != NONE) {
            optional[n_optional++] = h;
        }
    }
    set_demand_costs(g, o);
    cost = o->demand_cost[(1u << o->n_demand) - 1];
    for (uint32_t s = 1; s < 1u << o->n_demand; s++)
        if (extra_height(g, &o->extras[s]) > height) height = extra_height(g, &o->extras[s]);
    missing = o->low - n_required - cost;
    qsort(optional, (size_t)n_optional, sizeof *optional, by_number);
    if (missing > 0) {
        int h = extra_height(g, &o->extras[0]), n = n_optional;

        if (h != NONE && o->extras[0].lex->n_string[0] < DFA_INFINITE &&
            (int64_t)o->extras[0].lex->n_string[0] < missing) {
            /* Few other names: all of them, and known ones for the rest. */
            missing -= (int)o->extras[0].lex->n_string[0];
            if (h > height) height = h;
            h = NONE;
        }
        if (missing <= n && (h == NONE || optional[missing - 1] < h)) h = optional[missing - 1];
        if (h == NONE) height = NONE;
        else if (h > height) height = h;
    }
    if (o->high >= 0 && n_required + cost > o->high) height = NONE;
    if (cost >= 1 << 20) height = NONE;
    mem_free(optional);
    return height == NONE ? NONE : height + 1;
}

static int shape_height(grammar *g, const shape *s)
{
    int height;

    switch (s->kind) {
    case SHAPE_ARRAY: height = array_height(g, &g->arrays[s->spec]); break;
    case SHAPE_OBJECT: height = object_height(g, &g->objects[s->spec]); break;
    default: return 0;
    }
    if (height > GRAMMAR_MAX_DEPTH) height = NONE;
    if (s->kind == SHAPE_ARRAY) g->arrays[s->spec].height = height;
    else g->objects[s->spec].height = height;
    return height;
}

static void find_heights(grammar *g)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (int i = g->n_goal - 1; i >= 0; i--) {
            goal *v = &g->goals[i];

            for (int k = 0; k < v->n && v->height != 0; k++) {
                int h = shape_height(g, &v->shapes[k]);

                if (h == NONE || (v->height != NONE && v->height <= h)) continue;
                v->height = h;
                changed = true;
            }
        }
    }
}

/* ------------------------------------------------------------------- cutting */

static uint32_t decide_possible(void *arg, const uint32_t *labels)
{
    return ((const bool *)arg)[labels[0]] ? labels[0] : 0;
}

/* Names whose value nothing satisfies are no names. */
static bool cut_extra(schema_context *c, object_extra *x)
{
    bool *possible = mem_array((size_t)x->n_goal + 1, sizeof *possible), all = true;
    dfa *d = NULL;
    errtext why;

    for (int i = 1; x->lex && i < x->n_goal; i++) {
        possible[i] = height_of(c->g, x->goals[i]) != NONE;
        if (!possible[i]) {
            all &= x->goals[i] < 0;
            x->goals[i] = NONE;
        }
    }
    if (x->lex && !all) {
        schema_take(c, dfa_product(&d, &x->lex, 1, decide_possible, possible, DFA_MAX_STATES,
                                   &why), 0, &why);
        x->lex = schema_keep(c, d);
    }
    if (x->lex && !x->lex->n_state) x->lex = NULL;
    mem_free(possible);
    return c->st == OK;
}

typedef struct sorting {
    const grammar *g;
    const object_spec *o;
} sorting;

static int by_spelling(const void *a, const void *b, void *arg)
{
    const sorting *s = arg;
    const object_name *x = &s->o->names[*(const int32_t *)a];
    const object_name *y = &s->o->names[*(const int32_t *)b];
    size_t n = x->len < y->len ? x->len : y->len;
    int order = memcmp(s->g->text.data + x->from, s->g->text.data + y->from, n);

    return order ? order : (int)x->len - (int)y->len;
}

void grammar_finish_object(grammar *g, object_spec *o)
{
    size_t n = (size_t)o->n_name + 1;
    sorting s = { g, o };

    o->sorted = mem_array(n, sizeof *o->sorted);
    o->next_required = mem_array(n, sizeof *o->next_required);
    o->left_required = mem_array(n, sizeof *o->left_required);
    o->left_optional = mem_array(n, sizeof *o->left_optional);
    for (int i = 0; i < o->n_name; i++) o->sorted[i] = i;
    qsort_r(o->sorted, (size_t)o->n_name, sizeof *o->sorted, by_spelling, &s);
    o->next_required[o->n_name] = o->n_name;
    for (int i = o->n_name - 1; i >= 0; i--) {
        const object_name *x = &o->names[i];

        o->next_required[i] = x->required ? i : o->next_required[i + 1];
        o->left_required[i] = o->left_required[i + 1] + x->required;
        o->left_optional[i] = o->left_optional[i + 1] + (!x->required && x->goal >= 0);
    }
}

static bool cut(schema_context *c, int from_object)
{
    grammar *g = c->g;

    for (int i = 0; i < g->n_goal; i++) {
        goal *v = &g->goals[i];
        int kept = 0;

        for (int k = 0; k < v->n; k++)
            if (shape_height(g, &v->shapes[k]) != NONE) v->shapes[kept++] = v->shapes[k];
        v->n = kept;
    }
    for (int i = from_object; i < g->n_object; i++) {
        object_spec *o = &g->objects[i];

        if (o->height == NONE) continue;
        for (int k = 0; k < o->n_name; k++)
            if (height_of(g, o->names[k].goal) == NONE) o->names[k].goal = NONE;
        for (uint32_t s = 0; s < 1u << o->n_demand; s++)
            if (!cut_extra(c, &o->extras[s])) return false;
        grammar_finish_object(g, o);
    }
    return true;
}

/* ---------------------------------------------------------------- compiling */

typedef struct reach {
    int32_t *todo;
    bool *seen;
    int n_todo, n_seen;
} reach;

static void reach_goal(reach *r, int32_t at)
{
    if (at < 0) return;
    if (at >= r->n_seen) {
        int n = at * 2 + 64;

        r->seen = mem_resize(r->seen, (size_t)n, sizeof *r->seen);
        r->todo = mem_resize(r->todo, (size_t)n, sizeof *r->todo);
        memset(r->seen + r->n_seen, 0, (size_t)(n - r->n_seen) * sizeof *r->seen);
        r->n_seen = n;
    }
    if (r->seen[at]) return;
    r->seen[at] = true;
    r->todo[r->n_todo++] = at;
}

static void reach_shape(const grammar *g, reach *r, const shape *s)
{
    if (s->kind == SHAPE_ARRAY) {
        const array_spec *a = &g->arrays[s->spec];

        for (int i = 0; !a->first && i < a->n_prefix; i++) reach_goal(r, a->prefix[i]);
        if (!a->first) reach_goal(r, a->rest);
        for (int32_t i = 0; a->first && i < a->first[a->n_node]; i++)
            reach_goal(r, a->edges[i].goal);
    } else if (s->kind == SHAPE_OBJECT) {
        const object_spec *o = &g->objects[s->spec];

        for (int i = 0; i < o->n_name; i++) reach_goal(r, o->names[i].goal);
        for (uint32_t e = 0; e < 1u << o->n_demand; e++)
            for (int i = 1; o->extras[e].lex && i < o->extras[e].n_goal; i++)
                reach_goal(r, o->extras[e].goals[i]);
    }
}

/* Every goal that the root leads to. */
static void expand_all(schema_context *c, int32_t root)
{
    reach r = { 0 };

    reach_goal(&r, root);
    while (r.n_todo > 0 && c->st == OK) {
        int32_t at = r.todo[--r.n_todo];

        goal_expand(c, at);
        for (int i = 0; i < c->g->goals[at].n; i++) {
            shape s = c->g->goals[at].shapes[i];

            reach_shape(c->g, &r, &s);
        }
    }
    mem_free(r.todo);
    mem_free(r.seen);
}

static void context_fini(schema_context *c)
{
    for (int i = 0; i < c->n_scope; i++) mem_free(c->scopes[i].ids);
    for (int i = 0; i < c->g->n_goal; i++) mem_free(c->works[i].of.ids);
    for (int i = 0; i < c->n_pattern; i++) mem_free((char *)c->patterns[i].text);
    mem_free(c->scopes);
    mem_free(c->works);
    mem_free(c->literals);
    mem_free(c->literal_slots);
    mem_free(c->goal_slots);
    mem_free(c->patterns);
    json_decref(c->held);
    schema_index_fini(c);
}

static int32_t spell_literal(grammar *g, const char *text)
{
    return grammar_add_literal(g, text, strlen(text));
}

/* The goal of a schema in g, its tables complete. */
static status compile(grammar *g, const json_t *schema, const schema_options *options,
                      int32_t *root, errtext *err)
{
    static const schema_options defaults;
    schema_context c = { .g = g, .o = options ? options : &defaults, .err = err,
                         .number_any = -1, .number_integer = -1, .held = json_array() };
    literal whole = { .json = schema };
    int n_object = g->n_object;

    /* Goals of schemas compiled before have no names here. */
    c.works = mem_array((size_t)g->n_goal + 1, sizeof *c.works);
    c.cap_work = g->n_goal;
    for (int i = 0; i < g->n_goal; i++) c.works[i] = (goal_work){ { NULL, -1 }, true, false };
    CONTEXT_GROW(&c, scope);
    c.scopes[c.n_scope++] = (id_set){ NULL, 0 };
    c.shape_null = spell_literal(g, "null");
    c.shape_true = spell_literal(g, "true");
    c.shape_false = spell_literal(g, "false");
    if (schema_index(&c, schema)) {
        int32_t id;

        whole.resource = schema_resource_of(&c, schema, 0);
        if (c.dynamic) {
            int32_t *first = mem_new(sizeof *first);

            *first = whole.resource;
            CONTEXT_GROW(&c, scope);
            c.scopes[c.n_scope] = (id_set){ first, 1 };
            whole.scope = c.n_scope++;
        }
        id = literal_add(&c, &whole);
        *root = goal_add(&c, &id, 1);
        expand_all(&c, *root);
    }
    if (c.st == OK) find_heights(g);
    if (c.st == OK) cut(&c, n_object);
    if (c.st == OK && g->goals[*root].height == NONE)
        schema_fail(&c, E_FORMAT, 0, "no value satisfies this schema");
    context_fini(&c);
    return c.st;
}

static status check_size(const json_t *schema, errtext *err)
{
    size_t size = json_dumpb(schema, NULL, 0, JSON_ENCODE_ANY | JSON_COMPACT);

    if (size == 0) return fail(err, E_FORMAT, "#: must be a schema");
    if (size > GRAMMAR_MAX_BYTES)
        return fail(err, E_LIMIT, "#: the schema has %zu bytes; at most %d are allowed", size,
                    GRAMMAR_MAX_BYTES);
    return OK;
}

status grammar_new_sequences(grammar **out, const grammar_sequence *alternatives, int n,
                             const schema_options *options, errtext *err)
{
    grammar *g = grammar_alloc();
    status st = OK;
    int32_t *starts = mem_array((size_t)n, sizeof *starts);
    int32_t *specs;
    int total = 0, at = 0;

    *out = NULL;
    g->compact = options && options->compact;
    for (int i = 0; i < n; i++) total += alternatives[i].n;
    specs = mem_array((size_t)total + 1, sizeof *specs);
    for (int i = 0; i < n && st == OK; i++)
        for (int k = 0; k < alternatives[i].n && st == OK; k++, at++) {
            const grammar_piece *p = &alternatives[i].pieces[k];

            if (p->text) {
                specs[at] = grammar_add_literal(g, p->text, p->len);
            } else {
                if ((st = check_size(p->schema, err)) == OK)
                    st = compile(g, p->schema, options, &specs[at], err);
            }
        }
    at = 0;
    for (int i = 0; i < n && st == OK; i++) {
        starts[i] = g->n_symbol;
        for (int k = 0; k < alternatives[i].n; k++, at++)
            grammar_add_symbol(g, alternatives[i].pieces[k].text ? SYMBOL_TEXT : SYMBOL_GOAL,
                               specs[at]);
        grammar_add_symbol(g, SYMBOL_END, 0);
    }
    mem_free(specs);
    if (st != OK) {
        mem_free(starts);
        grammar_free(g);
        return st;
    }
    GRAMMAR_GROW(g, rule);
    g->rules[g->n_rule] = (rule){ starts, n };
    g->root_symbol = grammar_add_symbol(g, SYMBOL_RULE, g->n_rule++);
    grammar_add_symbol(g, SYMBOL_END, 0);
    *out = g;
    return OK;
}

status grammar_new_schema(grammar **out, const json_t *schema, const schema_options *options,
                          errtext *err)
{
    const grammar_piece piece = { NULL, 0, schema };
    const grammar_sequence all = { &piece, 1 };

    return grammar_new_sequences(out, &all, 1, options, err);
}

status grammar_new_json_object(grammar **out, errtext *err)
{
    json_t *schema = json_pack("{s:s}", "type", "object");
    status st = grammar_new_schema(out, schema, NULL, err);

    json_decref(schema);
    return st;
}
