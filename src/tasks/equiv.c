/* equiv.c - where the answer is, and whether it is the right one.
 *
 * Expressions with variables are compared by value at fixed points: rational
 * ones exactly (modulo a large prime), so that two polynomials of any sane size
 * agree at all of them only when they are equal. */
#include "tasks/equiv.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "tasks/equiv_internal.h"

#define N_POINT 6

/* ---- finding the answer ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void trim(const char **s, size_t *n)
{
    while (*n && is_space(**s)) ++*s, --*n;
    while (*n && is_space((*s)[*n - 1])) --*n;
}

bool equiv_boxed(const char **start, size_t *len, const char *text, size_t n)
{
    static const char mark[] = "\\boxed";
    /* Where each open brace stands; the lowest bit tells a box. */
    size_t *open = NULL, n_open = 0, cap = 0;
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        bool box = n - i >= 6 && !memcmp(text + i, mark, 6);

        if (box) {
            i += 6;
            while (i < n && is_space(text[i])) i++;
            if (i >= n || text[i] != '{') {
                i--;
                continue;
            }
        } else if (text[i] == '\\') {
            i++;
            continue;
        }
        if (text[i] == '{') {
            if (n_open == cap) {
                cap = cap * 2 + 16;
                open = mem_resize(open, cap, sizeof *open);
            }
            open[n_open++] = i << 1 | box;
        } else if (text[i] == '}' && n_open) {
            size_t o = open[--n_open];

            if (o & 1) {
                *start = text + (o >> 1) + 1;
                *len = i - (o >> 1) - 1;
                found = true;
            }
        }
    }
    mem_free(open);
    if (found) trim(start, len);
    return found;
}

/* Start of the last occurrence, case ignored; NULL when there is none. */
static const char *last_of(const char *text, size_t n, const char *lower)
{
    size_t m = strlen(lower);

    for (size_t i = n >= m ? n - m + 1 : 0; i-- > 0;) {
        size_t k = 0;

        while (k < m) {
            char c = text[i + k];

            if (c >= 'A' && c <= 'Z') c = (char)(c + 32);
            if (c != lower[k]) break;
            k++;
        }
        if (k == m) return text + i;
    }
    return NULL;
}

void equiv_answer(const char **start, size_t *len, const char *text, size_t n)
{
    static const char *const marks[] = { "answer is", "answer:", "answer**:", "answer =" };
    const char *end = text + n, *from = NULL;

    if (!n) {
        *start = text;
        *len = 0;
        return;
    }
    if (equiv_boxed(start, len, text, n)) return;
    if ((from = last_of(text, n, "####"))) {
        from += 4;
    } else {
        for (int k = 0; k < 4; k++) {
            const char *hit = last_of(text, n, marks[k]);

            if (hit && hit + strlen(marks[k]) > from) from = hit + strlen(marks[k]);
        }
        while (from && from < end && (is_space(*from) || *from == ':' || *from == '*')) from++;
        for (const char *s = from; s && s < end; s++)
            if (*s == '\n' || (*s == '.' && s + 1 < end && is_space(s[1]))) end = s;
    }
    *start = from ? from : text;
    *len = (size_t)(end - *start);
    trim(start, len);
}

/* ---- as text ---- */

static bool ends_with(const char *s, size_t n, const char *end)
{
    size_t m = strlen(end);

    return n >= m && !memcmp(s + n - m, end, m);
}

/* Take off what is around an answer and no part of it: marks of mathematics and
 * emphasis, a stop, a box. */
static void unwrap(const char **s, size_t *n)
{
    static const char *const around[][2] = { { "$$", "$$" }, { "$", "$" },     { "\\(", "\\)" },
                                             { "\\[", "\\]" }, { "**", "**" }, { "`", "`" },
                                             { "\"", "\"" },  { "\\boxed{", "}" } };
    bool again = true;

    while (again) {
        again = false;
        trim(s, n);
        while (*n && (*s)[*n - 1] == '.') --*n, again = true;
        for (size_t k = 0; k < sizeof around / sizeof around[0]; k++) {
            size_t a = strlen(around[k][0]), b = strlen(around[k][1]);

            if (*n < a + b || memcmp(*s, around[k][0], a) || !ends_with(*s, *n, around[k][1]))
                continue;
            /* "$5 or $" has a pair, "$a$ and $b$" are two. */
            if (memmem(*s + a, *n - a - b, around[k][1], b)) continue;
            *s += a;
            *n -= a + b;
            again = true;
        }
    }
}

/* Words without their type: \text{} opened, lower case, spaces only between two
 * words, brackets around a single letter gone. */
static void plain_text(bytes *out, const char *s, size_t n)
{
    static const char *const commands[] = { "\\textbf", "\\textit", "\\textrm", "\\text",
                                            "\\mathrm", "\\mathbf", "\\left", "\\right",
                                            "\\,", "\\!", "\\;", "\\ " };
    bool space = false;

    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i], last;
        size_t skip = 0;

        for (size_t k = 0; k < sizeof commands / sizeof commands[0] && !skip; k++) {
            size_t m = strlen(commands[k]);

            if (n - i >= m && !memcmp(s + i, commands[k], m)) skip = m;
        }
        if (skip || is_space((char)c) || c == '{' || c == '}' || c == '$') {
            space |= c != '{' && c != '}' && c != '$' && !(skip && c == '\\');
            i += skip ? skip : 1;
            continue;
        }
        if (c >= 'A' && c <= 'Z') c = (unsigned char)(c + 32);
        last = out->len ? (unsigned char)out->data[out->len - 1] : 0;
        if (space && last) {
            bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
            bool before = (last >= 'a' && last <= 'z') || (last >= '0' && last <= '9') ||
                          last >= 0x80;

            if (word && before) bytes_add_char(out, ' ');
        }
        space = false;
        bytes_add_char(out, (char)c);
        i++;
    }
    if (out->len == 3 && out->data[0] == '(' && out->data[2] == ')') {
        out->data[0] = out->data[1];
        out->len = 1;
        out->data[1] = 0;
    }
}

static bool same_text(const char *a, size_t n_a, const char *b, size_t n_b)
{
    bytes x = { 0 }, y = { 0 };
    bool same;

    plain_text(&x, a, n_a);
    plain_text(&y, b, n_b);
    same = x.len && x.len == y.len && !memcmp(x.data, y.data, x.len);
    bytes_fini(&x);
    bytes_fini(&y);
    return same;
}

/* ---- as mathematics ---- */

typedef struct comparison {
    const answer *a, *b;
    double tolerance;
    const number (*points)[EQUIV_MAX_VARIABLES];
    int n_variable;
} comparison;

/* A percent sign on one side alone may mean a hundredth or be left out. */
static bool values_equal(const comparison *c, const item *x, number a, const item *y, number b)
{
    number hundredth = number_divide(number_int(1), number_int(100));

    if (x->unit[0] && y->unit[0]) {
        a = number_multiply(a, x->scale);
        b = number_multiply(b, y->scale);
    }
    if (number_equal(a, b, c->tolerance)) return true;
    if (x->percent == y->percent) return false;
    if (x->percent) a = number_multiply(a, hundredth);
    else b = number_multiply(b, hundredth);
    return number_equal(a, b, c->tolerance);
}

static bool scalars_equal(const comparison *c, const item *x, const item *y)
{
    int n_defined = 0, n_point = c->n_variable ? N_POINT : 1;

    if (x->unit[0] && y->unit[0] && strcmp(x->unit, y->unit)) return false;
    if ((x->percent && y->unit[0]) || (y->percent && x->unit[0])) return false;
    if (x->plus_minus != y->plus_minus) return false;
    for (int k = 0; k < n_point; k++)
        for (int sign = 1; sign >= (x->plus_minus ? -1 : 1); sign -= 2) {
            number a = answer_value(c->a, x, c->points[k], sign);
            number b = answer_value(c->b, y, c->points[k], sign);

            if (a.undefined && b.undefined) continue;
            if (!values_equal(c, x, a, y, b)) return false;
            n_defined++;
        }
    /* Undefined almost everywhere says nothing. */
    return n_defined * 2 > n_point;
}

static bool items_equal(const comparison *c, const item *x, const item *y);

static const item *next_item(const item *x)
{
    return x + 1 + x->n_below;
}

static bool contains_item(const comparison *c, const item *set, const item *x, bool swapped)
{
    const item *y = set + 1;

    for (int i = 0; i < set->n_child; i++, y = next_item(y))
        if (swapped ? items_equal(c, y, x) : items_equal(c, x, y)) return true;
    return false;
}

static bool sets_equal(const comparison *c, const item *x, const item *y)
{
    const item *it = x + 1;

    for (int i = 0; i < x->n_child; i++, it = next_item(it))
        if (!contains_item(c, y, it, false)) return false;
    it = y + 1;
    for (int i = 0; i < y->n_child; i++, it = next_item(it))
        if (!contains_item(c, x, it, true)) return false;
    return true;
}

static bool items_equal(const comparison *c, const item *x, const item *y)
{
    if (x->name[0] && y->name[0] && strcmp(x->name, y->name)) return false;
    /* {5} is as good as 5. */
    if (x->kind == ITEM_SET && x->n_child == 1 && y->kind == ITEM_SCALAR)
        return items_equal(c, x + 1, y);
    if (y->kind == ITEM_SET && y->n_child == 1 && x->kind == ITEM_SCALAR)
        return items_equal(c, x, y + 1);
    if (x->kind != y->kind) return false;
    if (x->kind == ITEM_SCALAR) return scalars_equal(c, x, y);
    if (x->kind == ITEM_SET) return sets_equal(c, x, y);
    if (x->n_child != y->n_child || x->open != y->open || x->close != y->close) return false;
    {
        const item *i = x + 1, *j = y + 1;

        for (int k = 0; k < x->n_child; k++, i = next_item(i), j = next_item(j))
            if (!items_equal(c, i, j)) return false;
    }
    return true;
}

/* Fixed values for the variables: fractions that no one would write. */
static void set_points(number points[N_POINT][EQUIV_MAX_VARIABLES])
{
    static const int64_t tops[N_POINT] = { 1009, 2027, 3061, 4093, 5107, 6131 };

    for (int k = 0; k < N_POINT; k++)
        for (int v = 0; v < EQUIV_MAX_VARIABLES; v++)
            points[k][v] = number_divide(number_int(tops[k] + 977 * v), number_int(1999 + 12 * v));
}

static equiv_verdict compare_math(const char *s, size_t n_s, const char *r, size_t n_r,
                                  double tolerance, bool letter_units)
{
    number points[N_POINT][EQUIV_MAX_VARIABLES];
    variables names = { .n = 0 };
    answer a, b;
    parse_result x = answer_parse(&a, s, n_s, &names, letter_units);
    parse_result y = answer_parse(&b, r, n_r, &names, letter_units);
    equiv_verdict verdict = EQUIV_DIFFERENT;

    if (x == PARSE_OK && y == PARSE_OK && a.n_top == b.n_top) {
        comparison c = { &a, &b, tolerance, points, names.n };
        const item *i = a.items, *j = b.items;
        bool equal = true;

        set_points(points);
        for (int k = 0; k < a.n_top && equal; k++, i = next_item(i), j = next_item(j))
            equal = items_equal(&c, i, j);
        if (equal) verdict = EQUIV_EQUAL;
    } else if (x == PARSE_TOO_MUCH || y == PARSE_TOO_MUCH) {
        verdict = EQUIV_UNKNOWN;
    }
    answer_fini(&a);
    answer_fini(&b);
    return verdict;
}

equiv_verdict equiv_compare(const char *s, size_t n_s, const char *r, size_t n_r,
                            double tolerance)
{
    equiv_verdict verdict;

    unwrap(&s, &n_s);
    unwrap(&r, &n_r);
    if (!n_s || !n_r) return EQUIV_DIFFERENT;
    if (same_text(s, n_s, r, n_r)) return EQUIV_EQUAL;
    if (n_s > EQUIV_MAX_BYTES || n_r > EQUIV_MAX_BYTES) return EQUIV_UNKNOWN;
    verdict = compare_math(s, n_s, r, n_r, tolerance, true);
    return verdict == EQUIV_DIFFERENT ? compare_math(s, n_s, r, n_r, tolerance, false) : verdict;
}
