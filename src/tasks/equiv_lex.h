/* equiv_lex.h - an answer as tokens, LaTeX and plain text alike. */
#ifndef TASKS_EQUIV_LEX_H
#define TASKS_EQUIV_LEX_H

#include <stdbool.h>
#include <stddef.h>

#define EQUIV_MAX_TOKENS 1024

typedef enum token_kind {
    TOKEN_END,
    TOKEN_NUMBER,        /* text: digits with point, separators and exponent */
    TOKEN_NAME,          /* a letter, Greek command or x_1: a variable */
    TOKEN_WORD,          /* more letters, or \text{...}: a unit at best */
    TOKEN_FUNCTION,      /* text: "sin", "sqrt", "frac" */
    TOKEN_SIGN,          /* one of + - * / ^ ( ) [ ] { } | , ; = ! % _ and those below */
} token_kind;

/* Signs that are no character of their own. */
#define SIGN_PLUS_MINUS 'p'
#define SIGN_SET_OPEN 's'        /* \{ */
#define SIGN_SET_CLOSE 'e'       /* \} */
#define SIGN_UNION 'u'
#define SIGN_EMPTY_SET '0'
#define SIGN_INFINITY 'i'
#define SIGN_PI 'P'
#define SIGN_MONEY '$'           /* text: "dollar", "euro", ... */
#define SIGN_DEGREE 'd'
#define SIGN_OR 'o'              /* between answers: or, and */

typedef struct token {
    token_kind kind;
    char sign;
    const char *text;            /* into the answer, or a constant */
    size_t len;
    bool spaced;                 /* a space comes before */
    int depth;                   /* brackets open around it */
} token;

/* Cut an answer into tokens, TOKEN_END last: at most EQUIV_MAX_TOKENS. Number of
 * tokens before the end, -1 when there are too many, -2 at a character that has
 * no place in an answer. */
int equiv_lex(token *out, const char *s, size_t len);

/* Is this one of the units whose sizes are known: "cm"? (equiv_unit.c) */
bool equiv_is_unit(const char *word, size_t len);

#endif
