/* equiv_parse.c - tokens become answers: numbers, expressions, tuples, sets.
 *
 * Recursive descent over a range of tokens with bounded depth; expressions come
 * out in postfix. Whatever does not parse as a whole is no mathematics. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/equiv_internal.h"
#include "tasks/equiv_lex.h"

typedef struct parser {
    const token *t;
    int at, end;         /* of the range being read */
    int depth;
    bool too_much, letter_units;
    answer *a;
    variables *names;
} parser;

static const token end_token = { .kind = TOKEN_END };

static const token *peek(const parser *p, int ahead)
{
    return p->at + ahead < p->end ? &p->t[p->at + ahead] : &end_token;
}

static bool is_sign(const token *t, char sign)
{
    return t->kind == TOKEN_SIGN && t->sign == sign;
}

static bool take(parser *p, char sign)
{
    if (!is_sign(peek(p, 0), sign)) return false;
    p->at++;
    return true;
}

static bool emit(parser *p, node_op op, int variable, number value)
{
    if (p->a->n_node == EQUIV_MAX_NODES) {
        p->too_much = true;
        return false;
    }
    p->a->nodes[p->a->n_node++] = (node){ op, variable, value };
    return true;
}

static bool emit_op(parser *p, node_op op)
{
    return emit(p, op, 0, (number){ 0 });
}

/* ---- expressions ---- */

static bool parse_sum(parser *p);
static bool parse_signed(parser *p);
static bool parse_atom(parser *p);

static bool is_whole(const token *t)
{
    return t->kind == TOKEN_NUMBER && !memchr(t->text, '.', t->len) &&
           !memchr(t->text, 'e', t->len) && !memchr(t->text, 'E', t->len);
}

static int variable_index(variables *v, const char *name, size_t len)
{
    if (len >= sizeof v->names[0]) return -1;
    for (int i = 0; i < v->n; i++)
        if (strlen(v->names[i]) == len && !memcmp(v->names[i], name, len)) return i;
    if (v->n == EQUIV_MAX_VARIABLES) return -1;
    memcpy(v->names[v->n], name, len);
    v->names[v->n][len] = 0;
    return v->n++;
}

/* One argument of \frac: a group, or a single digit. `rest` holds what is left
 * of the digits in "\frac12". */
static bool parse_frac_argument(parser *p, const char **rest, size_t *n_rest)
{
    const token *t = peek(p, 0);

    if (*n_rest) {
        bool ok = emit(p, NODE_NUMBER, 0, number_decimal(*rest, 1));

        ++*rest;
        --*n_rest;
        return ok;
    }
    if (is_sign(t, '{')) return parse_atom(p);
    if (is_whole(t)) {
        p->at++;
        *rest = t->text + 1;
        *n_rest = t->len - 1;
        return emit(p, NODE_NUMBER, 0, number_decimal(t->text, 1));
    }
    return t->kind == TOKEN_NAME || is_sign(t, SIGN_PI) ? parse_atom(p) : false;
}

static bool parse_frac(parser *p)
{
    const char *rest = NULL;
    size_t n_rest = 0;

    return parse_frac_argument(p, &rest, &n_rest) && parse_frac_argument(p, &rest, &n_rest) &&
           !n_rest && emit_op(p, NODE_DIVIDE);
}

static bool parse_function(parser *p)
{
    static const struct { const char *name; node_op op; } functions[] = {
        { "sin", NODE_SIN }, { "cos", NODE_COS }, { "tan", NODE_TAN }, { "ln", NODE_LN },
        { "log", NODE_LOG10 }, { "exp", NODE_EXP }, { "abs", NODE_ABS }, { "sqrt", NODE_SQRT },
    };
    const token *t = &p->t[p->at++];

    if (t->len == 4 && !memcmp(t->text, "frac", 4)) return parse_frac(p);
    for (size_t k = 0; k < sizeof functions / sizeof functions[0]; k++) {
        node_op op = functions[k].op;

        if (strlen(functions[k].name) != t->len || memcmp(functions[k].name, t->text, t->len))
            continue;
        if (op == NODE_SQRT && take(p, '[')) {
            if (!parse_sum(p) || !take(p, ']')) return false;
            op = NODE_ROOT;
        }
        if (op == NODE_LOG10 && take(p, '_')) {
            if (!parse_atom(p)) return false;
            op = NODE_LOG;
        }
        if (is_sign(peek(p, 0), '(') || is_sign(peek(p, 0), '{') || op == NODE_SQRT ||
            op == NODE_ROOT)
            return parse_atom(p) && emit_op(p, op);
        return parse_signed(p) && emit_op(p, op);
    }
    return false;
}

/* "1 1/2" and "1\frac{1}{2}" are one and a half. */
static bool parse_mixed(parser *p, const token *t)
{
    int before = p->a->n_node;

    if (is_whole(peek(p, 0)) && peek(p, 0)->spaced && is_sign(peek(p, 1), '/') &&
        is_whole(peek(p, 2))) {
        const token *top = peek(p, 0), *bottom = peek(p, 2);

        p->at += 3;
        return emit(p, NODE_NUMBER, 0, number_decimal(top->text, top->len)) &&
               emit(p, NODE_NUMBER, 0, number_decimal(bottom->text, bottom->len)) &&
               emit_op(p, NODE_DIVIDE) && emit_op(p, NODE_ADD);
    }
    if (is_whole(t) && peek(p, 0)->kind == TOKEN_FUNCTION && peek(p, 0)->len == 4 &&
        !memcmp(peek(p, 0)->text, "frac", 4)) {
        const node *n;

        if (!parse_function(p)) return false;
        n = p->a->nodes + before;
        return emit_op(p, p->a->n_node == before + 3 && n[0].op == NODE_NUMBER &&
                                  n[1].op == NODE_NUMBER
                              ? NODE_ADD
                              : NODE_MULTIPLY);
    }
    return true;
}

static bool parse_bracketed(parser *p, char close)
{
    p->at++;
    return parse_sum(p) && take(p, close);
}

static bool parse_atom(parser *p)
{
    const token *t = peek(p, 0);
    bool ok = false;

    if (++p->depth > EQUIV_MAX_DEPTH) {
        p->too_much = true;
        return false;
    }
    if (t->kind == TOKEN_NUMBER) {
        p->at++;
        ok = emit(p, NODE_NUMBER, 0, number_decimal(t->text, t->len)) &&
             (!is_whole(t) || parse_mixed(p, t));
    } else if (t->kind == TOKEN_NAME) {
        p->at++;
        if (t->len == 1 && *t->text == 'e') {
            ok = emit_op(p, NODE_E);
        } else {
            int v = variable_index(p->names, t->text, t->len);

            ok = v >= 0 && emit(p, NODE_VARIABLE, v, (number){ 0 });
        }
    } else if (t->kind == TOKEN_FUNCTION) {
        ok = parse_function(p);
    } else if (t->kind == TOKEN_SIGN) {
        switch (t->sign) {
        case '(': ok = parse_bracketed(p, ')'); break;
        case '[': ok = parse_bracketed(p, ']'); break;
        case '{': ok = parse_bracketed(p, '}'); break;
        case '|': ok = parse_bracketed(p, '|') && emit_op(p, NODE_ABS); break;
        case SIGN_PI: p->at++; ok = emit_op(p, NODE_PI); break;
        case SIGN_INFINITY: p->at++; ok = emit(p, NODE_NUMBER, 0, number_infinity()); break;
        default: break;
        }
    }
    p->depth--;
    return ok;
}

/* "90^\circ": the power sign belongs to the unit. */
static bool is_degree_power(const parser *p)
{
    return is_sign(peek(p, 1), SIGN_DEGREE) ||
           (is_sign(peek(p, 1), '{') && is_sign(peek(p, 2), SIGN_DEGREE));
}

static bool parse_power(parser *p)
{
    if (!parse_atom(p)) return false;
    while (take(p, '!'))
        if (!emit_op(p, NODE_FACTORIAL)) return false;
    if (!is_sign(peek(p, 0), '^') || is_degree_power(p)) return true;
    p->at++;
    return parse_signed(p) && emit_op(p, NODE_POWER);
}

static bool parse_signed(parser *p)
{
    bool ok;

    if (++p->depth > EQUIV_MAX_DEPTH) {
        p->too_much = true;
        return false;
    }
    if (take(p, '-')) ok = parse_signed(p) && emit_op(p, NODE_NEGATE);
    else if (take(p, '+')) ok = parse_signed(p);
    else ok = parse_power(p);
    p->depth--;
    return ok;
}

/* A letter that follows a number after a space may be a unit. */
static bool is_unit_letter(const parser *p, const token *t)
{
    return p->letter_units && t->kind == TOKEN_NAME && t->len == 1 && t->spaced && p->at > 0 &&
           p->t[p->at - 1].kind == TOKEN_NUMBER && strchr("msglLhAVWNJKCF", *t->text);
}

static bool starts_factor(const parser *p)
{
    const token *t = peek(p, 0);

    if (t->kind == TOKEN_NAME) return !is_unit_letter(p, t);
    return t->kind == TOKEN_FUNCTION || is_sign(t, '(') || is_sign(t, '{') || is_sign(t, SIGN_PI);
}

static bool parse_product(parser *p)
{
    if (!parse_signed(p)) return false;
    for (;;) {
        bool divide = is_sign(peek(p, 0), '/');

        if (divide || is_sign(peek(p, 0), '*')) {
            p->at++;
            if (!parse_signed(p)) return false;
        } else if (!starts_factor(p)) {
            return true;
        } else if (!parse_power(p)) {
            return false;
        }
        if (!emit_op(p, divide ? NODE_DIVIDE : NODE_MULTIPLY)) return false;
    }
}

static bool parse_sum(parser *p)
{
    bool lone = take(p, SIGN_PLUS_MINUS);

    if (lone) {
        if (!emit(p, NODE_NUMBER, 0, number_int(0)) || !parse_product(p) ||
            !emit_op(p, NODE_PLUS_MINUS))
            return false;
    } else if (!parse_product(p)) {
        return false;
    }
    for (;;) {
        node_op op = is_sign(peek(p, 0), '+')               ? NODE_ADD
                     : is_sign(peek(p, 0), '-')             ? NODE_SUBTRACT
                     : is_sign(peek(p, 0), SIGN_PLUS_MINUS) ? NODE_PLUS_MINUS
                                                            : NODE_NUMBER;

        if (op == NODE_NUMBER) return true;
        p->at++;
        if (!parse_product(p) || !emit_op(p, op)) return false;
    }
}

/* ---- units ---- */

/* The words of a unit as they are collected. */
typedef struct unit_words {
    char words[3][40];
    int n;
    int power;
    bool quotient;
} unit_words;

static bool add_unit_word(unit_words *u, const char *s, size_t len)
{
    char *w;

    if (u->n == 3 || len > 20) return false;
    w = u->words[u->n];
    for (size_t i = 0; i < len; i++) w[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + 32) : s[i];
    w[len] = 0;
    if (u->n == 0 && (!strcmp(w, "square") || !strcmp(w, "sq"))) u->power = 2;
    else if (u->n == 0 && !strcmp(w, "cubic")) u->power = 3;
    else if (!strcmp(w, "per")) u->quotient = true;
    else u->n++;
    return true;
}

static bool is_digit_token(const token *t)
{
    return t->kind == TOKEN_NUMBER && t->len == 1;
}

/* What follows "^": a degree sign, or a power of one digit; in braces or not. */
static bool take_unit_power(parser *p, unit_words *u)
{
    int braced = is_sign(peek(p, 0), '{');
    const token *t = peek(p, braced);

    if (braced && !is_sign(peek(p, 2), '}')) return false;
    p->at += braced ? 3 : 1;
    if (is_sign(t, SIGN_DEGREE)) return add_unit_word(u, "deg", 3);
    if (!is_digit_token(t) || u->n != 1) return false;
    u->power = t->text[0] - '0';
    return true;
}

/* "%", "cm^2", "square metres", "km/h", an amount of money. */
static bool collect_unit(parser *p, unit_words *u, bool *percent)
{
    while (p->at < p->end) {
        const token *t = &p->t[p->at++];
        bool ok = false;

        if (t->kind == TOKEN_WORD || t->kind == TOKEN_NAME) ok = add_unit_word(u, t->text, t->len);
        else if (is_digit_token(t) && u->n == 1 && !t->spaced) {
            u->power = t->text[0] - '0';       /* "cm2" */
            ok = true;
        } else if (is_sign(t, '/') && u->n) {
            ok = u->quotient = true;
        } else if (is_sign(t, '^')) {
            ok = take_unit_power(p, u);
        } else if (is_sign(t, SIGN_DEGREE)) {
            ok = add_unit_word(u, "deg", 3);
        } else if (is_sign(t, SIGN_MONEY) && !u->n) {
            ok = add_unit_word(u, t->text, t->len);
        } else if (is_sign(t, '%') && !u->n && p->at == p->end) {
            ok = *percent = true;
        }
        if (!ok) return false;
    }
    return true;
}

/* What is left behind a number. */
static bool parse_unit(parser *p, item *it)
{
    unit_words u = { .power = 1 };
    char text[64] = "";

    it->scale = number_int(1);
    if (!collect_unit(p, &u, &it->percent)) return false;
    if (!u.n) return true;
    if (u.n == 1 && !u.quotient) {
        unit_canonical(u.words[0], u.power, text, sizeof text - 3, &it->scale);
        if (u.power != 1) {
            char power[3] = { '^', (char)('0' + u.power), 0 };

            strcat(text, power);
        }
    } else {
        for (int i = 0; i < u.n; i++) {
            if (strlen(text) + strlen(u.words[i]) + 2 > sizeof it->unit) return false;
            if (i) strcat(text, u.quotient ? "/" : " ");
            strcat(text, u.words[i]);
        }
    }
    /* "$5 dollars" says it twice, "$5 million" is something else. */
    if (it->unit[0] && strcmp(it->unit, text)) return false;
    if (strlen(text) >= sizeof it->unit) return false;
    strcpy(it->unit, text);
    return true;
}

/* ---- answers ---- */

static bool is_open(const token *t)
{
    return t->kind == TOKEN_SIGN && strchr("([{s", t->sign);
}

static bool is_close(const token *t)
{
    return t->kind == TOKEN_SIGN && strchr(")]}e", t->sign);
}

/* The token that closes the bracket at i, or -1. */
static int closing(const parser *p, int i, int end)
{
    for (int k = i + 1; k < end; k++)
        if (is_close(&p->t[k]) && p->t[k].depth == p->t[i].depth) return k;
    return -1;
}

static bool is_separator(const token *t)
{
    return t->kind == TOKEN_SIGN && (t->sign == ',' || t->sign == ';' || t->sign == SIGN_OR);
}

static bool has_separator(const parser *p, int from, int end, int depth)
{
    for (int k = from; k < end; k++)
        if (is_separator(&p->t[k]) && p->t[k].depth == depth) return true;
    return false;
}

static bool parse_item(parser *p, int from, int end);

/* The items between separators; their number, or -1. */
static int parse_list(parser *p, int from, int end, int depth)
{
    int n = 0, start = from;

    for (int k = from; k <= end; k++) {
        if (k < end && !(is_separator(&p->t[k]) && p->t[k].depth == depth)) continue;
        /* ", and" is one separator. */
        if (k > start || k == end || !is_sign(&p->t[k], SIGN_OR) || k == from) {
            if (!parse_item(p, start, k)) return -1;
            n++;
        }
        start = k + 1;
    }
    return n;
}

static item *new_item(parser *p, item_kind kind)
{
    answer *a = p->a;

    if (a->n_item == EQUIV_MAX_ITEMS) {
        p->too_much = true;
        return NULL;
    }
    a->items[a->n_item] = (item){ .kind = kind, .scale = number_int(1) };
    return &a->items[a->n_item++];
}

static bool parse_group(parser *p, item_kind kind, int from, int end)
{
    int self = p->a->n_item, n;
    item *it = new_item(p, kind);

    if (!it) return false;
    it->open = p->t[from].sign;
    it->close = p->t[end - 1].sign;
    n = from + 2 == end ? 0 : parse_list(p, from + 1, end - 1, p->t[from].depth + 1);
    if (n < 0) return false;
    p->a->items[self].n_child = n;
    p->a->items[self].n_below = p->a->n_item - self - 1;
    return true;
}

static bool parse_union(parser *p, int from, int end, int depth)
{
    int self = p->a->n_item, n = 0, start = from;

    if (!new_item(p, ITEM_UNION)) return false;
    for (int k = from; k <= end; k++) {
        if (k < end && !(is_sign(&p->t[k], SIGN_UNION) && p->t[k].depth == depth)) continue;
        if (!parse_item(p, start, k)) return false;
        n++;
        start = k + 1;
    }
    p->a->items[self].n_child = n;
    p->a->items[self].n_below = p->a->n_item - self - 1;
    return true;
}

static bool parse_scalar(parser *p, int from, int end, const char *money)
{
    int self = p->a->n_item, first = p->a->n_node;
    parser inner = *p;
    item *it = new_item(p, ITEM_SCALAR);
    bool ok;

    if (!it) return false;
    inner.at = from;
    inner.end = end;
    ok = parse_sum(&inner);
    p->too_much |= inner.too_much;
    it = &p->a->items[self];
    if (money) strcpy(it->unit, money);
    if (!ok || !parse_unit(&inner, it)) return false;
    it->first_node = first;
    it->n_node = p->a->n_node - first;
    for (int i = first; i < p->a->n_node; i++)
        it->plus_minus |= p->a->nodes[i].op == NODE_PLUS_MINUS;
    return true;
}

static bool parse_value(parser *p, int from, int end)
{
    const token *t = &p->t[from];
    const char *money = NULL;

    if (from == end) return false;
    for (int k = from; k < end; k++)
        if (is_sign(&p->t[k], SIGN_UNION) && p->t[k].depth == t->depth)
            return parse_union(p, from, end, t->depth);
    if (is_sign(t, SIGN_EMPTY_SET)) return from + 1 == end && new_item(p, ITEM_SET);
    if (is_open(t) && closing(p, from, end) == end - 1) {
        bool several = has_separator(p, from + 1, end - 1, t->depth + 1);

        if (t->sign == SIGN_SET_OPEN || (t->sign == '{' && several))
            return parse_group(p, ITEM_SET, from, end);
        if (several) return parse_group(p, ITEM_GROUP, from, end);
    }
    if (t->sign == '-' && from + 1 < end && is_sign(t + 1, SIGN_MONEY)) {
        /* "-$5" is read as "$-5". */
        token *swap = (token *)t, first = swap[0];

        swap[0] = swap[1];
        swap[1] = first;
    }
    if (is_sign(t, SIGN_MONEY)) {
        money = t->text;
        from++;
    }
    return parse_scalar(p, from, end, money);
}

/* "x = 5", "f(x) = 5", "answer: no": a name before the value. */
static bool parse_item(parser *p, int from, int end)
{
    int self = p->a->n_item, value = from;
    char name[16] = "";

    if (++p->depth > EQUIV_MAX_DEPTH) {
        p->too_much = true;
        return false;
    }
    for (int k = from; k < end && k < from + 6; k++)
        if (is_sign(&p->t[k], '=') && k > from &&
            (p->t[from].kind == TOKEN_NAME || p->t[from].kind == TOKEN_WORD) &&
            (k == from + 1 || is_sign(&p->t[from + 1], '('))) {
            size_t n = p->t[from].len < 15 ? p->t[from].len : 15;

            memcpy(name, p->t[from].text, n);
            value = k + 1;
            break;
        }
    if (!parse_value(p, value, end)) return false;
    strcpy(p->a->items[self].name, name);
    p->depth--;
    return true;
}

parse_result answer_parse(answer *a, const char *s, size_t len, variables *names,
                          bool letter_units)
{
    token *t = mem_array(EQUIV_MAX_TOKENS, sizeof *t);
    parser p = { .t = t, .a = a, .names = names, .letter_units = letter_units };
    int n = equiv_lex(t, s, len);

    *a = (answer){ 0 };
    a->nodes = mem_array(EQUIV_MAX_NODES, sizeof *a->nodes);
    a->items = mem_array(EQUIV_MAX_ITEMS, sizeof *a->items);
    if (n > 0) a->n_top = parse_list(&p, 0, n, 0);
    mem_free(t);
    if (n == -1 || p.too_much) return PARSE_TOO_MUCH;
    return n > 0 && a->n_top > 0 ? PARSE_OK : PARSE_NOT_MATH;
}

void answer_fini(answer *a)
{
    mem_free(a->nodes);
    mem_free(a->items);
    *a = (answer){ 0 };
}

/* ---- values ---- */

static number root_of(number index, number a)
{
    if (index.small && index.d == 1 && index.n == 2) return number_sqrt(a);
    if (index.undefined || index.v == 0) return number_real(NAN);
    if (a.v < 0 && index.small && index.d == 1 && index.n % 2)
        return number_real(-pow(-a.v, 1 / index.v));
    return number_real(pow(a.v, 1 / index.v));
}

static number real_function(node_op op, number a)
{
    double v = a.v;

    if (a.undefined || a.infinite) return number_real(NAN);
    switch (op) {
    case NODE_SIN: v = sin(v); break;
    case NODE_COS: v = cos(v); break;
    case NODE_TAN: v = tan(v); break;
    case NODE_LN: v = v > 0 ? log(v) : NAN; break;
    case NODE_LOG10: v = v > 0 ? log10(v) : NAN; break;
    default: v = exp(v); break;
    }
    return number_real(v);
}

number answer_value(const answer *a, const item *it, const number *points, int sign)
{
    number *stack = mem_array((size_t)it->n_node + 1, sizeof *stack), r;
    int n = 0;

    for (int i = it->first_node; i < it->first_node + it->n_node; i++) {
        const node *x = &a->nodes[i];
        number *top = n > 0 ? &stack[n - 1] : NULL, *below = n > 1 ? &stack[n - 2] : NULL;

        switch (x->op) {
        case NODE_NUMBER: stack[n++] = x->value; break;
        case NODE_VARIABLE: stack[n++] = points[x->variable]; break;
        case NODE_PI: stack[n++] = number_real(M_PI); break;
        case NODE_E: stack[n++] = number_real(M_E); break;
        case NODE_ADD: *below = number_add(*below, *top); n--; break;
        case NODE_SUBTRACT: *below = number_add(*below, number_negate(*top)); n--; break;
        case NODE_PLUS_MINUS:
            *below = number_add(*below, sign < 0 ? number_negate(*top) : *top);
            n--;
            break;
        case NODE_MULTIPLY: *below = number_multiply(*below, *top); n--; break;
        case NODE_DIVIDE: *below = number_divide(*below, *top); n--; break;
        case NODE_POWER: *below = number_power(*below, *top); n--; break;
        case NODE_ROOT: *below = root_of(*below, *top); n--; break;
        case NODE_LOG:
            *below = number_divide(real_function(NODE_LN, *top), real_function(NODE_LN, *below));
            n--;
            break;
        case NODE_NEGATE: *top = number_negate(*top); break;
        case NODE_FACTORIAL: *top = number_factorial(*top); break;
        case NODE_ABS: *top = number_abs(*top); break;
        case NODE_SQRT: *top = number_sqrt(*top); break;
        default: *top = real_function(x->op, *top); break;
        }
    }
    r = stack[0];
    mem_free(stack);
    return r;
}
