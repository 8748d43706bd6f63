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
#include "decode/schema_tableau.h"

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

bool literal_same(const literal *a, const literal *b)
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
        if (literal_same(&c->literals[c->literal_slots[at] - 1], l))
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
int32_t scope_enter(schema_context *c, int32_t scope, int32_t resource_at)
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
        if (literal_same(&other, l)) return -1;
    }
    return 0;
}

bool tableau_run(tableau *t, branch *b)
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
            if (!tableau_meet_value(t, b, u.literal, &l)) return true;
        } else if (!l.negative) {
            if (!tableau_meet(t, b, u.literal, u.scope, u.part == PART_DENY)) return c->st == OK;
        } else if (json_is_boolean(l.json)) {
            if (json_is_true(l.json)) return true;
        } else {
            branch_push_fork(b, u.literal, NO_SCOPE, PART_ALL, 0);
        }
    }
    if (b->n_fork > 0) {
        duty u = b->forks[0];

        memmove(b->forks, b->forks + 1, (size_t)--b->n_fork * sizeof *b->forks);
        tableau_fork(t, b, &u);
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

    for (int i = of->n - 1; i >= 0; i--) branch_push(&b, of->ids[i], NO_SCOPE);
    tableau_run(&t, &b);
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
