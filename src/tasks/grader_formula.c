/* grader_formula.c - formulas in postfix, so that evaluation needs no nesting. */
#include "tasks/grader_formula.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

typedef enum op {
    OP_NUMBER, OP_VARIABLE,
    OP_ADD, OP_SUBTRACT, OP_MULTIPLY, OP_DIVIDE, OP_POWER, OP_NEGATE,
    OP_MIN, OP_MAX, OP_ABS, OP_FLOOR, OP_CEIL, OP_EXP, OP_SQRT, OP_LOG,
} op;

typedef struct step {
    op what;
    int n;               /* variable, or number of arguments of min and max */
    double number;
} step;

struct formula {
    step *steps;
    int n_step, cap_step;
};

typedef struct parser {
    const char *text;
    size_t len, at;
    int depth;
    formula *f;
    formula_variable *variable;
    void *arg;
    bytes unknown;       /* names that are no variables, for the message */
    errtext *err;
} parser;

static void emit(parser *p, op what, int n, double number)
{
    formula *f = p->f;

    if (f->n_step == f->cap_step) {
        f->cap_step = f->cap_step * 2 + 8;
        f->steps = mem_resize(f->steps, (size_t)f->cap_step, sizeof *f->steps);
    }
    f->steps[f->n_step++] = (step){ what, n, number };
}

static int peek(parser *p)
{
    while (p->at < p->len && strchr(" \t\r\n", p->text[p->at]) && p->text[p->at]) p->at++;
    return p->at < p->len ? (unsigned char)p->text[p->at] : -1;
}

static bool take(parser *p, char c)
{
    if (peek(p) != c) return false;
    p->at++;
    return true;
}

static status syntax(parser *p, const char *expected)
{
    int c = peek(p);

    if (c < 0)
        return fail(p->err, E_ARG, "ends at offset %zu where %s is expected", p->at, expected);
    return fail(p->err, E_ARG, "\"%.*s\" at offset %zu where %s is expected",
                (int)(p->len - p->at > 12 ? 12 : p->len - p->at), p->text + p->at, p->at, expected);
}

static status parse_sum(parser *p);
static status parse_sign(parser *p);

static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static status parse_number(parser *p)
{
    char digits[64];
    size_t n = 0;
    char *end;
    double v;

    while (p->at + n < p->len && n + 1 < sizeof digits) {
        char c = p->text[p->at + n];
        bool sign = (c == '+' || c == '-') && n && strchr("eE", digits[n - 1]);

        if (!(c >= '0' && c <= '9') && c != '.' && c != 'e' && c != 'E' && !sign) break;
        digits[n++] = c;
    }
    digits[n] = 0;
    v = strtod(digits, &end);
    if (end == digits || !isfinite(v)) return syntax(p, "a number");
    p->at += (size_t)(end - digits);
    emit(p, OP_NUMBER, 0, v);
    return OK;
}

static status parse_call(parser *p, const char *name, size_t n)
{
    static const struct { const char *name; op what; } functions[] = {
        { "min", OP_MIN }, { "max", OP_MAX }, { "abs", OP_ABS }, { "floor", OP_FLOOR },
        { "ceil", OP_CEIL }, { "exp", OP_EXP }, { "sqrt", OP_SQRT }, { "log", OP_LOG },
    };
    size_t start = p->at;
    int n_arg = 0;
    status st;

    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strlen(functions[i].name) != n || memcmp(functions[i].name, name, n)) continue;
        p->at++;         /* the bracket */
        do {
            if ((st = parse_sum(p)) != OK) return st;
            n_arg++;
        } while (take(p, ','));
        if (!take(p, ')')) return syntax(p, "\",\" or \")\"");
        if (n_arg != 1 && functions[i].what != OP_MIN && functions[i].what != OP_MAX)
            return fail(p->err, E_ARG, "%s at offset %zu takes one argument, not %d",
                        functions[i].name, start - n, n_arg);
        emit(p, functions[i].what, n_arg, 0);
        return OK;
    }
    return fail(p->err, E_ARG,
                "\"%.*s\" at offset %zu is no function; there are min max abs floor ceil exp sqrt "
                "log", (int)n, name, start - n);
}

static status parse_atom(parser *p)
{
    int c = peek(p);
    size_t from = p->at, n = 0;
    status st;

    if ((c >= '0' && c <= '9') || c == '.') return parse_number(p);
    if (c == '(') {
        p->at++;
        if ((st = parse_sum(p)) != OK) return st;
        return take(p, ')') ? OK : syntax(p, "\")\"");
    }
    if (!is_letter(c)) return syntax(p, "a number, a name or \"(\"");
    while (from + n < p->len &&
           (is_letter((unsigned char)p->text[from + n]) ||
            (p->text[from + n] >= '0' && p->text[from + n] <= '9')))
        n++;
    p->at = from + n;
    if (p->at < p->len && p->text[p->at] == '(') return parse_call(p, p->text + from, n);
    c = p->variable(p->arg, p->text + from, n);
    if (c < 0) bytes_add_format(&p->unknown, " \"%.*s\"", (int)(n > 60 ? 60 : n), p->text + from);
    emit(p, OP_VARIABLE, c, 0);
    return OK;
}

static status parse_power(parser *p)
{
    status st = parse_atom(p);

    if (st != OK || peek(p) != '^') return st;
    p->at++;
    if ((st = parse_sign(p)) != OK) return st;
    emit(p, OP_POWER, 2, 0);
    return OK;
}

/* Every way to nest goes through here. */
static status parse_sign(parser *p)
{
    status st;

    if (++p->depth > FORMULA_MAX_DEPTH)
        return fail(p->err, E_ARG, "is nested deeper than %d at offset %zu", FORMULA_MAX_DEPTH,
                    p->at);
    if (take(p, '-')) {
        if ((st = parse_sign(p)) == OK) emit(p, OP_NEGATE, 1, 0);
    } else if (take(p, '+')) {
        st = parse_sign(p);
    } else {
        st = parse_power(p);
    }
    p->depth--;
    return st;
}

static status parse_product(parser *p)
{
    status st = parse_sign(p);

    while (st == OK && (peek(p) == '*' || peek(p) == '/')) {
        op what = p->text[p->at++] == '*' ? OP_MULTIPLY : OP_DIVIDE;

        if ((st = parse_sign(p)) == OK) emit(p, what, 2, 0);
    }
    return st;
}

static status parse_sum(parser *p)
{
    status st = parse_product(p);

    while (st == OK && (peek(p) == '+' || peek(p) == '-')) {
        op what = p->text[p->at++] == '+' ? OP_ADD : OP_SUBTRACT;

        if ((st = parse_product(p)) == OK) emit(p, what, 2, 0);
    }
    return st;
}

status formula_new(formula **out, const char *text, size_t len, formula_variable *variable,
                   void *arg, errtext *err)
{
    parser p = { text, len, 0, 0, mem_new(sizeof(formula)), variable, arg, { 0 }, err };
    status st;

    *out = NULL;
    if (len > FORMULA_MAX_BYTES) {
        st = fail(err, E_ARG, "has %zu bytes, at most %d are read", len, FORMULA_MAX_BYTES);
    } else {
        st = parse_sum(&p);
        if (st == OK && peek(&p) >= 0) st = syntax(&p, "an operator");
        if (p.unknown.len) {
            errtext first = { { 0 } };

            if (st != OK && err) first = *err;
            st = fail(err, E_ARG, "names no grader:%.200s%s%.200s", p.unknown.data,
                      st != OK ? "; " : "", first.text);
        }
    }
    bytes_fini(&p.unknown);
    if (st != OK) {
        formula_free(p.f);
        return st;
    }
    *out = p.f;
    return OK;
}

void formula_free(formula *f)
{
    if (!f) return;
    mem_free(f->steps);
    mem_free(f);
}

bool formula_reads(const formula *f, int i)
{
    for (int k = 0; k < f->n_step; k++)
        if (f->steps[k].what == OP_VARIABLE && f->steps[k].n == i) return true;
    return false;
}

static double least(const double *x, int n, bool most)
{
    double r = x[0];

    for (int i = 0; i < n; i++) {
        if (isnan(x[i])) return NAN;
        if (most ? x[i] > r : x[i] < r) r = x[i];
    }
    return r;
}

double formula_value(const formula *f, const double *variables)
{
    /* A step adds at most one value, so there are never more than steps. */
    double *stack = mem_array((size_t)f->n_step + 1, sizeof *stack), r;
    int n = 0;

    for (int k = 0; k < f->n_step; k++) {
        const step *s = &f->steps[k];

        switch (s->what) {
        case OP_NUMBER: stack[n++] = s->number; break;
        case OP_VARIABLE: stack[n++] = variables[s->n]; break;
        case OP_ADD: n--; stack[n - 1] += stack[n]; break;
        case OP_SUBTRACT: n--; stack[n - 1] -= stack[n]; break;
        case OP_MULTIPLY: n--; stack[n - 1] *= stack[n]; break;
        case OP_DIVIDE: n--; stack[n - 1] /= stack[n]; break;
        case OP_POWER: n--; stack[n - 1] = pow(stack[n - 1], stack[n]); break;
        case OP_NEGATE: stack[n - 1] = -stack[n - 1]; break;
        case OP_MIN:
        case OP_MAX:
            n -= s->n;
            stack[n] = least(stack + n, s->n, s->what == OP_MAX);
            n++;
            break;
        case OP_ABS: stack[n - 1] = fabs(stack[n - 1]); break;
        case OP_FLOOR: stack[n - 1] = floor(stack[n - 1]); break;
        case OP_CEIL: stack[n - 1] = ceil(stack[n - 1]); break;
        case OP_EXP: stack[n - 1] = exp(stack[n - 1]); break;
        case OP_SQRT: stack[n - 1] = sqrt(stack[n - 1]); break;
        case OP_LOG: stack[n - 1] = log(stack[n - 1]); break;
        }
    }
    r = stack[0];
    mem_free(stack);
    return r;
}
