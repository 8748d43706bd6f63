/* schema_tableau.h - branches as they grow, for the files that take schemas apart. */
#ifndef DECODE_SCHEMA_TABLEAU_H
#define DECODE_SCHEMA_TABLEAU_H

#include "decode/schema_internal.h"

#define NO_SCOPE (-1)

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

typedef enum truth { FALSE_SURELY, TRUE_SURELY, DEPENDS } truth;

typedef struct length_names {
    const char *min, *max;
} length_names;

typedef struct bound_name {
    const char *name;
    unsigned how;
} bound_name;

#define N_BOUND 4

extern const length_names kind_lengths[KIND_N];
extern const bound_name kind_bounds[N_BOUND];

/* schema_expand.c: the machinery of branches. */
bool tableau_run(tableau *t, branch *b);
int32_t scope_enter(schema_context *c, int32_t scope, int32_t resource_at);
bool literal_same(const literal *a, const literal *b);

/* schema_meet.c: what a schema says, as facts, duties and forks. tableau_meet: false when it
 * cannot hold; deny: all of it but what it says of the unevaluated, and that not. */
void branch_fini(branch *b);
branch branch_copy(const branch *b);
void branch_push(branch *b, int32_t id, int32_t scope);
void branch_push_fork(branch *b, int32_t id, int32_t scope, int part, int32_t index);
fact *branch_fact(branch *b, fact_kind kind);
fact *branch_named(branch *b, fact_kind kind, const char *name);
void branch_length(branch *b, int32_t low, int32_t high);
void branch_in(branch *b, const json_t *list, bool negative, int32_t path);
void branch_bound(branch *b, const json_t *v, unsigned how, int32_t path);
int32_t literal_sub(schema_context *c, const literal *l, const json_t *json, int32_t path,
                   bool negative);
int32_t literal_value(schema_context *c, const json_t *json, int32_t path, bool negative);
int32_t literal_path(schema_context *c, const literal *l, const char *key);
int32_t literal_item(schema_context *c, const literal *l, const char *keyword, size_t i,
                       bool negative);
int32_t literal_resolve(schema_context *c, const literal *l, const char *keyword, bool negative);
value_kind schema_kind_of(const json_t *v);
int32_t json_count(const json_t *v);
int types_cover_kind(const json_t *type, value_kind kind);
const char *kind_unevaluated(value_kind kind);
truth json_among(const json_t *list, value_kind kind, int *n);
const json_t *schema_values(schema_context *c, const json_t *s, const char **keyword);
bool tableau_meet_value(tableau *t, branch *b, int32_t id, const literal *l);
bool tableau_meet(tableau *t, branch *b, int32_t id, int32_t scope, bool deny);

/* schema_fork.c: the ways a choice leaves. tableau_take uses its branch up. */
void tableau_take(tableau *t, branch *d);
void tableau_take_with(tableau *t, const branch *b, int32_t id, int32_t scope);
void tableau_differ(tableau *t, const branch *b, const json_t *v, int32_t path);
void tableau_fork(tableau *t, const branch *b, const duty *u);

/* schema_deny.c: the ways in which a schema fails. */
void tableau_deny(tableau *t, const branch *b, int32_t id, const literal *l);

#endif
