/* equiv_internal.h - values and parsed answers behind equiv.h. */
#ifndef TASKS_EQUIV_INTERNAL_H
#define TASKS_EQUIV_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- numbers (equiv_number.c) ----
 *
 * A value is a double, and as long as it is rational also its residue modulo a
 * prime of 61 bits: two rationals are equal when residues and doubles agree (a
 * chance of 2^-61 aside), however many digits they have. `small` ones also keep
 * their fraction in lowest terms, for roots and exponents. */
typedef struct number {
    double v;
    bool undefined;      /* 1/0, sqrt(-1): nothing equals it */
    bool infinite;       /* written as infinity, not overflowed; v has the sign */
    bool rational;
    uint64_t residue;
    bool small;
    int64_t n, d;        /* d > 0 */
} number;

number number_int(int64_t n);
number number_real(double v);
number number_infinity(void);
/* "12.50e3"; the text is digits, at most one point, at most one exponent. */
number number_decimal(const char *s, size_t len);
number number_add(number a, number b);
number number_negate(number a);
number number_multiply(number a, number b);
number number_divide(number a, number b);
number number_power(number a, number b);
number number_sqrt(number a);
number number_abs(number a);
number number_factorial(number a);
bool number_equal(number a, number b, double tolerance);

/* ---- parsed answers (equiv_parse.c) ---- */

#define EQUIV_MAX_NODES 1024
#define EQUIV_MAX_DEPTH 64
#define EQUIV_MAX_VARIABLES 16
#define EQUIV_MAX_ITEMS 128

typedef enum node_op {
    NODE_NUMBER, NODE_VARIABLE, NODE_PI, NODE_E,
    NODE_ADD, NODE_SUBTRACT, NODE_MULTIPLY, NODE_DIVIDE, NODE_POWER, NODE_NEGATE,
    NODE_PLUS_MINUS, NODE_FACTORIAL, NODE_ABS, NODE_SQRT, NODE_ROOT,
    NODE_SIN, NODE_COS, NODE_TAN, NODE_LN, NODE_LOG10, NODE_LOG, NODE_EXP,
} node_op;

/* Postfix: arguments come before. */
typedef struct node {
    node_op op;
    int variable;
    number value;
} node;

typedef enum item_kind {
    ITEM_SCALAR,
    ITEM_GROUP,          /* tuple or interval: brackets told apart, order counts */
    ITEM_SET,            /* order does not count */
    ITEM_UNION,          /* of intervals, in order */
} item_kind;

/* One answer; groups hold the n_child items that follow it directly. */
typedef struct item {
    item_kind kind;
    char open, close;            /* of a group: ( or [, ) or ] */
    int first_node, n_node;      /* of a scalar */
    bool plus_minus;             /* stands for two values */
    int n_child, n_below;        /* children, and all items below */
    char name[16];               /* "x" of "x = 5"; "" without */
    bool percent;
    char unit[40];               /* lower case, "" without */
    number scale;                /* to the base unit */
} item;

/* Names of variables, shared by the two sides. */
typedef struct variables {
    char names[EQUIV_MAX_VARIABLES][16];
    int n;
} variables;

typedef struct answer {
    node *nodes;
    int n_node;
    item *items;
    int n_item;
    int n_top;                   /* answers side by side */
} answer;

typedef enum parse_result { PARSE_OK, PARSE_NOT_MATH, PARSE_TOO_MUCH } parse_result;

/* Parse; letter_units: "5 m" is five metres, else five times m. Released by
 * answer_fini whatever the result. */
parse_result answer_parse(answer *a, const char *s, size_t len, variables *names,
                          bool letter_units);
void answer_fini(answer *a);

/* Append the canonical form of a lower-case word of a unit to a string of cap
 * bytes; where its size is known, *scale is that of its power (equiv_unit.c). */
void unit_canonical(const char *word, int power, char *out, size_t cap, number *scale);

/* The value of a scalar with variable i at points[i]; sign is that of +-. */
number answer_value(const answer *a, const item *it, const number *points, int sign);

#endif
