/* schema_internal.h - from a schema to the tables of a grammar.
 *
 *   schema_index.c    reads the documents: every keyword known and well formed,
 *                     identifiers and anchors found
 *   schema_expand.c   a goal (a conjunction of schemas and negated schemas)
 *                     becomes, type by type, a list of branches without "or"
 *   schema_value.c, schema_array.c, schema_object.c
 *                     a branch becomes a shape
 *   schema.c          all goals that can be reached; which of them some value
 *                     satisfies; what cannot be satisfied is cut off
 *
 * The logic is exact, negation included: a keyword is done right or refused. */
#ifndef DECODE_SCHEMA_INTERNAL_H
#define DECODE_SCHEMA_INTERNAL_H

#include <jansson.h>

#include "decode/grammar_internal.h"
#include "decode/schema_number.h"

#define SCHEMA_MAX_DEPTH 256     /* schemas within schemas */
#define SCHEMA_MAX_SCHEMAS 50000
#define SCHEMA_MAX_GOALS 20000
#define SCHEMA_MAX_WORK 20000000 /* steps of expansion */
#define SCHEMA_MAX_BRANCHES 2048 /* of one goal and type */
#define SCHEMA_MAX_UNIQUE 12     /* values of an array without repetition */

/* --------------------------------------------------------------- documents */

/* A part of a document with a URI of its own. */
typedef struct resource {
    char *uri;                   /* absolute or "", without fragment */
    const json_t *root;
    int32_t path;
} resource;

typedef struct anchor {
    const char *name;
    const json_t *json;
    int32_t resource, path;
    bool dynamic;
} anchor;

/* A JSON pointer, shared by prefix. */
typedef struct path_step {
    int32_t parent;              /* -1: the root */
    const char *key;             /* borrowed from the schema, or NULL */
    int32_t index;
} path_step;

/* A schema in its place. */
typedef struct schema_ref {
    const json_t *json;
    int32_t resource, path;
} schema_ref;

/* -------------------------------------------------------------------- goals */

/* A schema, or the set of values equal to one (`value`), perhaps negated. */
typedef struct literal {
    const json_t *json;
    int32_t resource, path;
    int32_t scope;               /* dynamic scope: outermost resources first */
    bool value, negative;
} literal;

typedef struct id_set {
    int32_t *ids;                /* ascending */
    int n;
} id_set;

/* Kinds of values: each is expanded for itself, so that what does not concern
 * it falls away at once. */
typedef enum value_kind {
    KIND_NULL, KIND_TRUE, KIND_FALSE, KIND_NUMBER, KIND_STRING, KIND_ARRAY, KIND_OBJECT,
    KIND_N,
} value_kind;

typedef enum fact_kind {
    FACT_INTEGER,                /* sign */
    FACT_BOUND,                  /* json, n: NUMBER_... */
    FACT_MULTIPLE,               /* json, sign */
    FACT_IN,                     /* json: array of values; sign. Numbers, strings */
    FACT_LENGTH,                 /* low, high: characters, items or properties */
    FACT_PATTERN,                /* json, sign */
    FACT_FORMAT,                 /* json */
    FACT_ITEM,                   /* n: index; literal */
    FACT_REST,                   /* n: from; literal */
    FACT_CONTAINS,               /* literal, low, high; n: from which item on */
    FACT_UNIQUE,
    FACT_PROPERTY,               /* name, literal: if it is there */
    FACT_REQUIRED,               /* name */
    FACT_FORBIDDEN,              /* name */
    FACT_PATTERN_PROPERTY,       /* json: the pattern, literal */
    FACT_OTHERS,                 /* json: a schema whose properties and
                                  * patternProperties are not meant; literal */
    FACT_NAMES,                  /* literal */
    FACT_SOME,                   /* some property shows it: as the three above, `by`
                                  * says which; literal */
    FACT_EVALUATED,              /* in `scope`: by says what, json or n */
    FACT_UNEVALUATED,            /* of `scope`, literal; sign -: some is not so */
} fact_kind;

/* by, of FACT_EVALUATED */
enum { BY_PROPERTIES, BY_PATTERNS, BY_ALL, BY_PREFIX, BY_CONTAINS };

typedef struct fact {
    fact_kind kind;
    int32_t literal;
    int32_t scope;               /* of unevaluated...; -1: none */
    int32_t low, high, n;
    int by;
    bool negative;
    const char *name;
    size_t name_len;
    const json_t *json;
    int32_t path;
} fact;

/* A literal to be met, or a part of it that offers a choice. */
enum { PART_ALL, PART_DENY, PART_ANY, PART_ONE, PART_IF, PART_REQUIRED, PART_SCHEMA, PART_VALUES };

typedef struct duty {
    int32_t literal, scope;
    int part;
    int32_t index;
} duty;

/* A conjunction of facts about a value of one kind. */
typedef struct branch {
    fact *facts;
    int n_fact, cap_fact;
    duty *dutys;                 /* still to be looked into */
    int n_duty, cap_duty;
    duty *forks;                 /* choices still to be made */
    int n_fork, cap_fork;
    duty *duty_dones;            /* what has been met */
    int n_duty_done, cap_duty_done;
    int32_t *scopes;             /* parent of each */
    int n_scope, cap_scope;
} branch;

typedef struct pattern_entry {
    const char *text;
    dfa *lex;
} pattern_entry;

typedef struct goal_work {
    id_set of;
    bool expanded, expanding;
} goal_work;

typedef struct schema_context {
    grammar *g;
    const schema_options *o;
    errtext *err;
    status st;                   /* the first failure */
    int64_t work;
    int probing;                 /* nested tests for disjointness */

    resource *resources;
    int n_resource, cap_resource;
    anchor *anchors;
    int n_anchor, cap_anchor;
    path_step *paths;
    int n_path, cap_path;
    bool dynamic;                /* some $dynamicAnchor exists */

    literal *literals;
    int n_literal, cap_literal;
    int32_t *literal_slots;
    uint32_t literal_mask;
    id_set *scopes;              /* dynamic scopes, in order (not sorted) */
    int n_scope, cap_scope;
    goal_work *works;            /* beside g->goals */
    int cap_work;
    int32_t *goal_slots;
    uint32_t goal_mask;

    pattern_entry *patterns;
    int n_pattern, cap_pattern;
    int32_t shape_null, shape_true, shape_false;     /* literals of the grammar */
    int32_t number_any, number_integer;              /* specs, or -1 */
    dfa *base_integer;                               /* owned by the grammar */
    json_t *held;                                    /* values made on the way */
} schema_context;

#define CONTEXT_GROW(c, field)                                                            \
    do {                                                                                  \
        if ((c)->n_##field == (c)->cap_##field) {                                         \
            (c)->cap_##field = (c)->cap_##field * 2 + 16;                                 \
            (c)->field##s = mem_resize((c)->field##s, (size_t)(c)->cap_##field,           \
                                       sizeof *(c)->field##s);                            \
        }                                                                                 \
    } while (0)

/* Record the first failure: "#/pointer: why". Returns false. */
bool schema_fail(schema_context *c, status st, int32_t path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int32_t path_key(schema_context *c, int32_t parent, const char *key);
int32_t path_index(schema_context *c, int32_t parent, int index);

/* schema_index.c */
bool schema_index(schema_context *c, const json_t *root);
bool schema_resolve(schema_context *c, const literal *from, const json_t *ref, int32_t path,
                    schema_ref *out);
bool schema_resolve_dynamic(schema_context *c, const literal *from, const json_t *ref,
                            int32_t path, schema_ref *out);
/* The resource that a schema belongs to, when it is entered from `resource`. */
int32_t schema_resource_of(const schema_context *c, const json_t *json, int32_t resource);
void schema_index_fini(schema_context *c);

/* schema_expand.c */
int32_t literal_add(schema_context *c, const literal *l);
int32_t goal_add(schema_context *c, const int32_t *ids, int n);   /* sorts a copy */
typedef void branch_fn(void *arg, const branch *b);
bool schema_expand(schema_context *c, const id_set *of, value_kind kind, branch_fn *each,
                   void *arg);
bool goal_expand(schema_context *c, int32_t at);
/* Surely no value satisfies it; false: who knows. */
bool goal_empty(schema_context *c, int32_t at, int depth);

/* schema_value.c, schema_array.c, schema_object.c: add shapes to goal `at` */
void goal_add_shape(schema_context *c, int32_t at, shape s);
bool build_number(schema_context *c, int32_t at, const branch *b);
bool build_string(schema_context *c, int32_t at, const branch *b);
bool build_array(schema_context *c, int32_t at, const branch *b);
bool build_object(schema_context *c, int32_t at, const branch *b);
const dfa *schema_pattern(schema_context *c, const json_t *pattern, int32_t path);
/* Count a product of n automata; fails when all of them together cost too much. */
void schema_work(schema_context *c, const dfa *d, int n);
/* The strings that satisfy a goal, owned by the grammar; NULL on failure. */
const dfa *goal_strings(schema_context *c, int32_t at);
const dfa *schema_keep(schema_context *c, dfa *d);
/* "too complex" and the like, from a product at path */
bool schema_take(schema_context *c, status st, int32_t path, const errtext *why);

/* schema_format.c */
const char *format_pattern(const char *name);        /* NULL: not known */

/* schema.c */
bool json_same(const json_t *a, const json_t *b);    /* as JSON Schema compares */

#endif
