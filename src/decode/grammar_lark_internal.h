/* grammar_lark_internal.h - a Lark-style grammar as a tree. */
#ifndef DECODE_GRAMMAR_LARK_INTERNAL_H
#define DECODE_GRAMMAR_LARK_INTERNAL_H

#include "decode/grammar_internal.h"

#define LARK_MAX_DEFINITIONS 1000
#define LARK_MAX_NODES 100000
#define LARK_MAX_DEPTH 100       /* groups within groups */
#define LARK_MAX_SYMBOLS 200000

typedef enum lark_kind {
    LARK_EMPTY,
    LARK_TEXT,                   /* "..." without quotes, escapes undone */
    LARK_REGEX,                  /* between the slashes */
    LARK_RANGE,                  /* "a".."z" */
    LARK_NAME,
    LARK_SEQUENCE,               /* a then b, which may be another: long ones lean to */
    LARK_CHOICE,                 /* the right, so that loops walk them; a or b */
    LARK_REPEAT,                 /* a, min to max times; max -1: no bound */
} lark_kind;

typedef struct lark_node {
    lark_kind kind;
    int a, b;
    int min, max;
    bool any_case, dot_all;
    char *text;                  /* owned */
    size_t len;
    int line;
} lark_node;

typedef struct lark_definition {
    char *name;                  /* owned */
    bool terminal;               /* upper case */
    int node, line;
    int32_t rule;                /* of the grammar, -1: not used yet */
    int busy;                    /* while a terminal is written out */
} lark_definition;

typedef struct lark {
    const char *s;
    size_t len, at;
    int line, depth;
    lark_node *nodes;
    int n_node, cap_node;
    lark_definition *definitions;
    int n_definition, cap_definition;
    int ignore;                  /* node: a choice of what may stand between, or -1 */
    errtext *err;
    status st;
} lark;

/* "line 3: why". Returns 0. */
int lark_fail(lark *p, status st, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int lark_node_new(lark *p, lark_kind kind, int a, int b);
int lark_find(const lark *p, const char *name);      /* a definition or -1 */

/* grammar_lark_parse.c: the text into definitions. */
bool lark_parse(lark *p);
void lark_fini(lark *p);

#endif
