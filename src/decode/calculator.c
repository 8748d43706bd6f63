/* calculator.c - expressions in exact fractions, and the marks around them. */
#include "decode/calculator.h"

#include <string.h>

#include "base/mem.h"

/* -------------------------------------------------------------- expressions */

typedef __int128 wide;

/* den > 0, and no factor in common. */
typedef struct fraction {
    wide num, den;
} fraction;

typedef struct reader {
    const char *at, *end;
    int depth;
} reader;

static wide size_of(wide a) { return a < 0 ? -a : a; }

/* False when it does not fit. The lowest number has no opposite: refused. */
static bool reduce(fraction *f)
{
    const wide lowest = (wide)1 << 126;
    wide a, b;

    if (f->den == 0 || f->num <= -lowest || f->num >= lowest || f->den <= -lowest ||
        f->den >= lowest)
        return false;
    a = size_of(f->num);
    b = size_of(f->den);
    while (b) {
        wide rest = a % b;

        a = b;
        b = rest;
    }
    if (f->den < 0) a = -a;
    f->num /= a;
    f->den /= a;
    return true;
}

static bool multiply(fraction *a, fraction b)
{
    return !__builtin_mul_overflow(a->num, b.num, &a->num) &&
           !__builtin_mul_overflow(a->den, b.den, &a->den) && reduce(a);
}

static bool divide(fraction *a, fraction b)
{
    return b.num != 0 && multiply(a, (fraction){ b.den, b.num });
}

static bool add(fraction *a, fraction b)
{
    wide left, right;

    return !__builtin_mul_overflow(a->num, b.den, &left) &&
           !__builtin_mul_overflow(b.num, a->den, &right) &&
           !__builtin_add_overflow(left, right, &a->num) &&
           !__builtin_mul_overflow(a->den, b.den, &a->den) && reduce(a);
}

static wide floor_of(fraction f)
{
    return f.num / f.den - (f.num % f.den < 0);
}

/* The next character that is no space, or NUL. */
static char peek(reader *r)
{
    while (r->at < r->end && *r->at == ' ') r->at++;
    return r->at < r->end ? *r->at : '\0';
}

static bool read_number(reader *r, fraction *out)
{
    int n_digit = 0;
    bool point = false;

    *out = (fraction){ 0, 1 };
    for (; r->at < r->end; r->at++) {
        const char c = *r->at;

        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9') break;
        n_digit++;
        if (__builtin_mul_overflow(out->num, (wide)10, &out->num) ||
            __builtin_add_overflow(out->num, (wide)(c - '0'), &out->num) ||
            (point && __builtin_mul_overflow(out->den, (wide)10, &out->den)))
            return false;
    }
    return n_digit > 0 && reduce(out);
}

static bool read_sum(reader *r, fraction *out);

static bool read_factor(reader *r, fraction *out)
{
    const char c = peek(r);
    bool good;

    if (c != '(' && c != '-' && c != '+') return read_number(r, out);
    if (r->depth == CALCULATOR_MAX_DEPTH) return false;
    r->depth++;
    r->at++;
    if (c != '(') {
        good = read_factor(r, out);
        if (c == '-') out->num = -out->num;
    } else {
        good = read_sum(r, out) && peek(r) == ')';
        if (good) r->at++;
    }
    r->depth--;
    return good;
}

static bool read_product(reader *r, fraction *out)
{
    if (!read_factor(r, out)) return false;
    for (;;) {
        const char c = peek(r);
        bool whole = false;
        fraction b;

        if (c != '*' && c != '/') return true;
        r->at++;
        if (c == '/' && r->at < r->end && *r->at == '/') {
            whole = true;
            r->at++;
        }
        if (!read_factor(r, &b) || !(c == '*' ? multiply(out, b) : divide(out, b)))
            return false;
        if (whole) *out = (fraction){ floor_of(*out), 1 };
    }
}

static bool read_sum(reader *r, fraction *out)
{
    if (!read_product(r, out)) return false;
    for (;;) {
        const char c = peek(r);
        fraction b;

        if (c != '+' && c != '-') return true;
        r->at++;
        if (!read_product(r, &b)) return false;
        if (c == '-') b.num = -b.num;
        if (!add(out, b)) return false;
    }
}

/* Decimal digits of a rounded value; 39 digits, sign, point and 6 places fit. */
static bool write_value(fraction f, char out[CALCULATOR_MAX_RESULT])
{
    char digits[CALCULATOR_MAX_RESULT];
    wide scale = 1, scaled, half;
    int n = 0, places = CALCULATOR_DECIMALS;

    for (int i = 0; i < CALCULATOR_DECIMALS; i++) scale *= 10;
    if (__builtin_mul_overflow(size_of(f.num), 2 * scale, &half) ||
        __builtin_add_overflow(half, f.den, &half))
        return false;
    scaled = half / f.den / 2;
    if (!scaled && f.num) return false;
    while (places > 0 && scaled % 10 == 0) {
        scaled /= 10;
        places--;
    }
    for (int i = 0; i < places; i++, scaled /= 10) digits[n++] = (char)('0' + (int)(scaled % 10));
    if (places) digits[n++] = '.';
    do digits[n++] = (char)('0' + (int)(scaled % 10));
    while ((scaled /= 10) != 0);
    if (f.num < 0) digits[n++] = '-';
    for (int i = 0; i < n; i++) out[i] = digits[n - 1 - i];
    out[n] = '\0';
    return true;
}

bool calculator_value(const char *text, size_t len, char out[CALCULATOR_MAX_RESULT])
{
    reader r = { text, text + len, 0 };
    fraction f;

    return len <= CALCULATOR_MAX_TEXT && read_sum(&r, &f) && peek(&r) == '\0' &&
           r.at == r.end && write_value(f, out);
}

/* -------------------------------------------------------------------- marks */

static void add_byte(calculator *c, char b)
{
    c->due = c->open && b == '=';
    if (!c->open) {
        c->open = b == '<' && c->last == '<';
        c->n = 0;
    } else if (b == '=' || b == '>' || b == '\n') {
        c->open = false;
    } else if (b == '<') {
        c->open = c->n == 0;     /* <<<: the mark begins anew */
    } else if (c->n == CALCULATOR_MAX_TEXT) {
        c->open = false;
    } else {
        c->text[c->n++] = b;
    }
    c->last = b;
}

void calculator_add(calculator *c, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) add_byte(c, text[i]);
}

bool calculator_rest(const calculator *c, char out[CALCULATOR_MAX_RESULT])
{
    if (!c->due || !calculator_value(c->text, (size_t)c->n, out)) return false;
    memcpy(out + strlen(out), ">>", 3);
    return true;
}

/* Whether the tokens print the text and nothing else. */
static bool prints(const tokenizer *t, const int32_t *ids, int n, const char *text)
{
    size_t at = 0, len = strlen(text);

    for (int i = 0; i < n; i++) {
        const token_text one = tokenizer_text(t, ids[i]);

        if (one.len > len - at || memcmp(text + at, one.data, one.len)) return false;
        at += one.len;
    }
    return at == len;
}

int calculator_ids(const tokenizer *t, const char *rest, int32_t ids[CALCULATOR_MAX_IDS])
{
    /* A first id keeps a beginning-of-text token away. */
    int32_t *list = mem_new(sizeof *list);
    segments s = { 0 };
    int n = 1;

    segments_plain(&s, rest, strlen(rest));
    if (tokenizer_encode(t, &s, CALCULATOR_MAX_IDS + 1, &list, &n, NULL) != OK ||
        !prints(t, list + 1, n - 1, rest))
        n = 1;
    memcpy(ids, list + 1, (size_t)(n - 1) * sizeof *ids);
    segments_fini(&s);
    mem_free(list);
    return n - 1;
}
