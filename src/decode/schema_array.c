/* schema_array.c - branches about arrays.
 *
 * Most arrays only count their items. Where items have to be told apart (some
 * contain this, none but one contains that, all differ), an automaton over
 * items is written out. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "decode/schema_internal.h"

#define MAX_NODES 2048
#define MAX_CONTAINS 6
#define MAX_ITEM_LITERALS 256
#define MAX_PREFIX 4096

typedef struct items {
    schema_context *c;
    const branch *b;
    int32_t low, high;
    int n_prefix;
    const fact *contains[MAX_CONTAINS];
    int n_contains;
} items;

static bool scope_sees(const branch *b, int32_t scope, int32_t noted)
{
    for (; noted >= 0; noted = b->scopes[noted])
        if (noted == scope) return true;
    return false;
}

/* What item i has to satisfy, when it contains what `holds` says. */
static int32_t item_goal(items *x, int i, uint32_t holds)
{
    schema_context *c = x->c;
    int32_t ids[MAX_ITEM_LITERALS];
    int n = 0;

    for (int k = 0; k < x->b->n_fact && n < MAX_ITEM_LITERALS - MAX_CONTAINS; k++) {
        const fact *f = &x->b->facts[k];
        bool covered = false;

        if (f->kind == FACT_ITEM && f->n == i) ids[n++] = f->literal;
        if (f->kind == FACT_REST && f->n <= i) ids[n++] = f->literal;
        if (f->kind != FACT_UNEVALUATED) continue;
        for (int m = 0; m < x->b->n_fact && !covered; m++) {
            const fact *e = &x->b->facts[m];

            if (e->kind != FACT_EVALUATED || !scope_sees(x->b, f->scope, e->scope)) continue;
            covered = e->by == BY_ALL || (e->by == BY_PREFIX && i < e->n);
            for (int k2 = 0; e->by == BY_CONTAINS && k2 < x->n_contains; k2++)
                covered |= (holds >> k2 & 1) && x->contains[k2]->literal == e->literal;
        }
        if (!covered) ids[n++] = f->literal;
    }
    if (n >= MAX_ITEM_LITERALS - MAX_CONTAINS) {
        schema_fail(c, E_LIMIT, 0, "too complex: more than %d conditions on one item", n);
        return -1;
    }
    for (int k = 0; k < x->n_contains; k++) {
        literal l = c->literals[x->contains[k]->literal];

        if (i < x->contains[k]->n) continue;
        if (!(holds >> k & 1)) l.negative = !l.negative;
        ids[n++] = literal_add(c, &l);
    }
    return goal_add(c, ids, n);
}

static int32_t add_array(schema_context *c, const array_spec *a)
{
    GRAMMAR_GROW(c->g, array);
    c->g->arrays[c->g->n_array] = *a;
    return c->g->n_array++;
}

static bool build_counted(items *x, int32_t at)
{
    schema_context *c = x->c;
    array_spec a = { .low = x->low, .high = x->high, .n_prefix = x->n_prefix };

    if (a.high >= 0 && a.n_prefix > a.high) a.n_prefix = a.high;
    a.prefix = mem_array((size_t)a.n_prefix + 1, sizeof *a.prefix);
    for (int i = 0; i < a.n_prefix; i++) a.prefix[i] = item_goal(x, i, 0);
    a.rest = item_goal(x, x->n_prefix, 0);
    a.clamp = a.high >= 0 ? a.high : a.low > a.n_prefix ? a.low : a.n_prefix;
    goal_add_shape(c, at, (shape){ SHAPE_ARRAY, add_array(c, &a) });
    return c->st == OK;
}

/* ---------------------------------------------------------------- automata */

/* A node: how many items, and how many that contain each thing. */
typedef struct item_node {
    int32_t i, count[MAX_CONTAINS];
} item_node;

typedef struct item_graph {
    item_node nodes[MAX_NODES];
    int n_node;
    array_edge *edges;
    int n_edge, cap_edge;
} item_graph;

static int32_t node_of(item_graph *g, const item_node *x)
{
    for (int i = 0; i < g->n_node; i++)
        if (!memcmp(&g->nodes[i], x, sizeof *x)) return i;
    if (g->n_node == MAX_NODES) return -1;
    g->nodes[g->n_node] = *x;
    return g->n_node++;
}

static void add_edge(item_graph *g, int32_t goal_at, int32_t to)
{
    if (g->n_edge == g->cap_edge) {
        g->cap_edge = g->cap_edge * 2 + 64;
        g->edges = mem_resize(g->edges, (size_t)g->cap_edge, sizeof *g->edges);
    }
    g->edges[g->n_edge++] = (array_edge){ goal_at, to };
}

static bool node_final(const items *x, const item_node *n)
{
    if (n->i < x->low) return false;
    for (int k = 0; k < x->n_contains; k++)
        if (n->count[k] < x->contains[k]->low) return false;
    return true;
}

/* The node after one more item; false: too many of something. */
static bool next_node(const items *x, int clamp, item_node *n, uint32_t holds)
{
    for (int k = 0; k < x->n_contains; k++) {
        const fact *f = x->contains[k];

        if (!(holds >> k & 1)) continue;
        if (n->i < f->n) return false;
        if (f->high >= 0 && n->count[k] >= f->high) return false;
        if (f->high >= 0 || n->count[k] < f->low) n->count[k]++;
    }
    if (n->i < clamp) n->i++;
    return true;
}

static void keep_graph(items *x, int32_t at, item_graph *g, int32_t *first)
{
    array_spec a = { .n_node = g->n_node, .first = first, .edges = g->edges, .high = -1 };

    first[g->n_node] = g->n_edge;
    a.final = mem_array((size_t)g->n_node, sizeof *a.final);
    for (int i = 0; i < g->n_node; i++) a.final[i] = node_final(x, &g->nodes[i]);
    a.need = mem_array((size_t)g->n_node, sizeof *a.need);
    goal_add_shape(x->c, at, (shape){ SHAPE_ARRAY, add_array(x->c, &a) });
}

static bool build_graph(items *x, int32_t at, int32_t path)
{
    schema_context *c = x->c;
    item_graph *g = mem_new(sizeof *g);
    item_node start = { 0 };
    int32_t *first = NULL;
    int clamp = x->high >= 0 ? x->high : x->low > x->n_prefix ? x->low : x->n_prefix;
    bool good = true;

    node_of(g, &start);
    for (int at_node = 0; at_node < g->n_node && good; at_node++) {
        first = mem_resize(first, (size_t)at_node + 2, sizeof *first);
        first[at_node] = g->n_edge;
        if (x->high >= 0 && g->nodes[at_node].i >= x->high) continue;
        for (uint32_t holds = 0; holds < 1u << x->n_contains && good; holds++) {
            item_node next = g->nodes[at_node];
            int i = next.i < x->n_prefix ? next.i : x->n_prefix;
            int32_t to;

            if (!next_node(x, clamp, &next, holds)) continue;
            if ((to = node_of(g, &next)) < 0)
                good = schema_fail(c, E_LIMIT, path, "too complex: needs more than %d states",
                                   MAX_NODES);
            else
                add_edge(g, item_goal(x, i, holds), to);
            good = good && c->st == OK;
        }
    }
    if (good) {
        keep_graph(x, at, g, first);
    } else {
        mem_free(first);
        mem_free(g->edges);
    }
    mem_free(g);
    return good;
}

/* ------------------------------------------------------------------ unique */

typedef struct few {
    bytes texts[SCHEMA_MAX_UNIQUE];
    int n;
    bool many;
} few;

static void add_few(few *v, const char *text, size_t len)
{
    for (int i = 0; i < v->n; i++)
        if (v->texts[i].len == len && !memcmp(v->texts[i].data, text, len)) return;
    if (v->n == SCHEMA_MAX_UNIQUE) {
        v->many = true;
        return;
    }
    bytes_add(&v->texts[v->n++], text, len);
}

static void list_texts(few *v, const dfa *d, int32_t q, bytes *so_far, bool quoted)
{
    size_t len = so_far->len;

    if (d->n_string[q] > SCHEMA_MAX_UNIQUE) {
        v->many = true;
        return;
    }
    if (d->accept[q]) {
        bytes text = { 0 };

        if (quoted) {
            bytes_add_char(&text, '"');
            grammar_spell(&text, so_far->data, so_far->len);
            bytes_add_char(&text, '"');
        } else {
            bytes_add(&text, so_far->data, so_far->len);
        }
        add_few(v, text.data, text.len);
        bytes_fini(&text);
    }
    for (int32_t e = d->first[q]; e < d->first[q + 1]; e++)
        for (uint32_t code = d->edges[e].low; code <= d->edges[e].high; code++) {
            char utf8[4];

            bytes_add(so_far, utf8, (size_t)utf8_encode(code, utf8));
            list_texts(v, d, d->edges[e].to, so_far, quoted);
            so_far->len = len;
        }
}

/* The spellings of a goal's values, when they are few and no containers. */
static void list_goal(schema_context *c, few *v, int32_t at)
{
    bytes text = { 0 };

    if (!goal_expand(c, at)) return;
    for (int i = 0; i < c->g->goals[at].n && !v->many; i++) {
        shape s = c->g->goals[at].shapes[i];
        const literal_spec *l;

        text.len = 0;
        switch (s.kind) {
        case SHAPE_LITERAL:
            l = &c->g->literals[s.spec];
            add_few(v, c->g->text.data + l->from, l->len);
            break;
        case SHAPE_NUMBER:
            list_texts(v, c->g->numbers[s.spec].lex, 0, &text, false);
            break;
        case SHAPE_STRING:
            if (c->g->strings[s.spec].lex)
                list_texts(v, c->g->strings[s.spec].lex, 0, &text, true);
            else
                v->many = true;
            break;
        default:
            v->many = true;
        }
    }
    bytes_fini(&text);
}

/* Which of the values an item may be, as bits. */
static uint32_t values_at(items *x, few *v, int i)
{
    few here = { .n = 0 };
    uint32_t bits = 0;

    list_goal(x->c, &here, item_goal(x, i, 0));
    v->many |= here.many;
    for (int k = 0; k < here.n; k++) {
        add_few(v, here.texts[k].data, here.texts[k].len);
        for (int m = 0; m < v->n; m++)
            if (v->texts[m].len == here.texts[k].len &&
                !memcmp(v->texts[m].data, here.texts[k].data, here.texts[k].len))
                bits |= 1u << m;
        bytes_fini(&here.texts[k]);
    }
    return bits;
}

/* A goal that is one spelling, made without a schema. */
static int32_t text_goal(schema_context *c, const bytes *text)
{
    json_t *v = json_loadb(text->data, text->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    literal l = { .json = v, .value = true };
    int32_t id;

    CHECK(v);
    json_array_append_new(c->held, json_null());
    json_array_append_new(c->held, v);
    id = literal_add(c, &l);
    return goal_add(c, &id, 1);
}

static bool build_unique(items *x, int32_t at, int32_t path)
{
    schema_context *c = x->c;
    few v = { .n = 0 };
    uint32_t allowed[64];
    int n_place = x->high >= 0 && x->high < x->n_prefix + 1 ? x->high : x->n_prefix + 1;
    int32_t goals[SCHEMA_MAX_UNIQUE], *first = NULL;
    item_graph *g;
    bool good;

    if (x->n_contains || x->n_prefix >= 63)
        return schema_fail(c, E_UNSUPPORTED, path, "not together with contains, unevaluatedItems "
                           "or so many prefixItems");
    for (int i = 0; i < n_place && c->st == OK && !v.many; i++) allowed[i] = values_at(x, &v, i);
    for (int k = 0; k < v.n; k++) {
        goals[k] = v.many || c->st != OK ? -1 : text_goal(c, &v.texts[k]);
        bytes_fini(&v.texts[k]);
    }
    if (c->st != OK) return false;
    if (v.many)
        return schema_fail(c, E_UNSUPPORTED, path, "only where the items are at most %d given "
                           "values, or maxItems is 1", SCHEMA_MAX_UNIQUE);
    g = mem_new(sizeof *g);
    node_of(g, &(item_node){ 0 });
    good = true;
    for (int n = 0; n < g->n_node && good; n++) {
        first = mem_resize(first, (size_t)n + 2, sizeof *first);
        first[n] = g->n_edge;
        if (x->high >= 0 && g->nodes[n].i >= x->high) continue;
        for (int k = 0; k < v.n && good; k++) {
            item_node next = g->nodes[n];
            int i = next.i < x->n_prefix ? next.i : x->n_prefix;
            int32_t to;

            if (!(allowed[i] >> k & 1) || (next.count[0] >> k & 1)) continue;
            next.count[0] |= 1 << k;
            next.i++;
            if ((to = node_of(g, &next)) < 0)
                good = schema_fail(c, E_LIMIT, path, "too complex: needs more than %d states",
                                   MAX_NODES);
            else
                add_edge(g, goals[k], to);
        }
    }
    if (good) {
        keep_graph(x, at, g, first);
    } else {
        mem_free(first);
        mem_free(g->edges);
    }
    mem_free(g);
    return good;
}

bool build_array(schema_context *c, int32_t at, const branch *b)
{
    items x = { .c = c, .b = b, .high = -1 };
    int32_t path = 0, unique = -1;
    bool counts = true;

    for (int i = 0; i < b->n_fact; i++) {
        const fact *f = &b->facts[i];
        int reach = 0;

        switch (f->kind) {
        case FACT_LENGTH:
            if (f->low > x.low) x.low = f->low;
            if (f->high >= 0 && (x.high < 0 || f->high < x.high)) x.high = f->high;
            break;
        case FACT_ITEM: reach = f->n + 1; break;
        case FACT_REST: reach = f->n; break;
        case FACT_UNIQUE: unique = f->path; break;
        case FACT_EVALUATED:
            if (f->by == BY_PREFIX) reach = f->n;
            break;
        case FACT_CONTAINS:
            reach = f->n;
            counts = false;
            path = f->path;
            if (f->high >= 0 && f->low > f->high) return true;
            if (x.n_contains == MAX_CONTAINS)
                return schema_fail(c, E_LIMIT, path, "too complex: more than %d conditions on "
                                   "the items", MAX_CONTAINS);
            x.contains[x.n_contains++] = f;
            break;
        default: break;
        }
        if (reach > x.n_prefix) x.n_prefix = reach;
    }
    if (x.n_prefix > MAX_PREFIX)
        return schema_fail(c, E_LIMIT, path, "more than %d items of their own", MAX_PREFIX);
    if (x.high >= 0 && x.low > x.high) return true;
    if (unique >= 0 && (x.high < 0 || x.high > 1)) return build_unique(&x, at, unique);
    return counts ? build_counted(&x, at) : build_graph(&x, at, path);
}
