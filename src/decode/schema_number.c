/* schema_number.c - automata over the digits of a number.
 *
 * All share the syntax, JSON's without exponents:
 *
 *   START - SIGN   START, SIGN - ZERO ("0") or WHOLE (1-9 ...)   . POINT   FRACTION
 *
 * and carry what they have to know about the digits so far. A number without
 * leading zeros is compared digit by digit from the left, once it is known how
 * many there are. */
#include "decode/schema_number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/regex.h"

#define MAX_STEP 4000            /* residues */

enum { START, SIGN, ZERO, WHOLE, POINT, FRACTION };

/* ---------------------------------------------------------------- decimals */

void decimal_of(decimal *d, const json_t *number)
{
    char text[64];
    const char *s = text;
    int exponent = 0, point = -1;

    *d = (decimal){ 0 };
    if (json_is_integer(number)) {
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(number));
    } else {
        double x = json_real_value(number);

        /* The shortest text that is this number again is the one meant. */
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*e", digits - 1, x);
            if (strtod(text, NULL) == x) break;
        }
    }
    if (*s == '-') d->negative = true, s++;
    for (; *s && *s != 'e'; s++) {
        if (*s == '.') point = d->n;
        else if (d->n < (int)sizeof d->digits) d->digits[d->n++] = (char)(*s - '0');
    }
    if (*s == 'e') exponent = atoi(s + 1);
    d->scale = (point < 0 ? 0 : d->n - point) - exponent;
    while (d->n && d->digits[d->n - 1] == 0) d->n--, d->scale--;
    while (d->n && d->digits[0] == 0) memmove(d->digits, d->digits + 1, (size_t)--d->n);
    if (d->n == 0) *d = (decimal){ 0 };
}

/* Digits before the point; may be negative (0.001). */
static int n_whole(const decimal *d)
{
    return d->n - d->scale;
}

/* The digit worth 10^(n_whole - 1 - i). */
static int digit_at(const decimal *d, int i)
{
    return i >= 0 && i < d->n ? d->digits[i] : 0;
}

static int compare_size(const decimal *a, const decimal *b)
{
    if (!a->n || !b->n) return a->n ? 1 : b->n ? -1 : 0;
    if (n_whole(a) != n_whole(b)) return n_whole(a) < n_whole(b) ? -1 : 1;
    for (int i = 0; i < a->n || i < b->n; i++)
        if (digit_at(a, i) != digit_at(b, i)) return digit_at(a, i) < digit_at(b, i) ? -1 : 1;
    return 0;
}

int decimal_compare(const decimal *a, const decimal *b)
{
    if (a->negative != b->negative) return a->negative ? -1 : 1;
    return a->negative ? -compare_size(a, b) : compare_size(a, b);
}

bool decimal_whole(const decimal *d)
{
    return d->scale <= 0;
}

void decimal_spell(const decimal *d, char *out)
{
    int whole = n_whole(d);

    if (d->negative) *out++ = '-';
    if (whole <= 0) *out++ = '0';
    for (int i = 0; i < whole; i++) *out++ = (char)('0' + digit_at(d, i));
    if (d->scale > 0) *out++ = '.';
    for (int i = whole; i < d->n; i++) *out++ = (char)('0' + digit_at(d, i));
    *out = 0;
}

bool decimal_divides(const decimal *step, const decimal *value)
{
    uint64_t m = 0, r = 0;
    int scale = step->scale > 0 ? step->scale : 0;

    if (!value->n) return true;
    if (value->scale > step->scale) return false;
    for (int i = 0; i < step->n + (scale - step->scale); i++) {
        if (m > UINT64_MAX / 100) return false;
        m = m * 10 + (uint64_t)digit_at(step, i);
    }
    if (m == 0 || m > UINT64_MAX / 20) return false;
    for (int i = 0; i < value->n + (scale - value->scale); i++)
        r = (r * 10 + (uint64_t)digit_at(value, i)) % m;
    return r == 0;
}

/* ------------------------------------------------------------------ syntax */

/* Where a character leads; -1: nowhere. */
static int syntax_next(int at, char c)
{
    bool digit = c >= '0' && c <= '9';

    switch (at) {
    case START:
        if (c == '-') return SIGN;
        return !digit ? -1 : c == '0' ? ZERO : WHOLE;
    case SIGN: return !digit ? -1 : c == '0' ? ZERO : WHOLE;
    case ZERO: return c == '.' ? POINT : -1;
    case WHOLE: return digit ? WHOLE : c == '.' ? POINT : -1;
    default: return digit ? FRACTION : -1;
    }
}

static bool syntax_final(int at)
{
    return at == ZERO || at == WHOLE || at == FRACTION;
}

/* What is known of the digits: advance(words, character) after syntax. */
typedef struct checker {
    void (*advance)(const void *arg, int32_t *words, int was, char c);
    bool (*accepts)(const void *arg, const int32_t *words);
    const void *arg;
    int n;                       /* words, the first is the place in the syntax */
} checker;

static bool expand_number(void *arg, dfa_builder *b, const int32_t *words, int n)
{
    const checker *k = arg;

    for (const char *c = "-.0123456789"; *c; c++) {
        int32_t next[8], to;
        int at = syntax_next(words[0], *c);

        if (at < 0) continue;
        memcpy(next, words, (size_t)n * sizeof *next);
        next[0] = at;
        k->advance(k->arg, next, words[0], *c);
        if ((to = dfa_builder_state(b, next, n)) < 0) return false;
        dfa_builder_edge(b, (uint8_t)*c, (uint8_t)*c, to);
    }
    return true;
}

static uint32_t label_number(void *arg, const int32_t *words, int n)
{
    const checker *k = arg;

    (void)n;
    return syntax_final(words[0]) && k->accepts(k->arg, words);
}

static status build(dfa **out, const checker *k, errtext *err)
{
    dfa_source source = { (void *)k, expand_number, label_number };
    const int32_t start[8] = { START };

    return dfa_build(out, &source, start, k->n, DFA_MAX_STATES, err);
}

/* -------------------------------------------------------------- comparison */

/* words: place; negative; digits read before the point (up to one more than the
 * bound has), then those behind it; comparison of what was read with the
 * bound's digits: -1, 0, 1; whether any digit was not zero. */
enum { W_PLACE, W_NEGATIVE, W_COUNT, W_ORDER, W_SOME };

typedef struct bound {
    decimal d;
    unsigned how;
} bound;

static int int_max(int a, int b) { return a > b ? a : b; }

static void advance_compare(const void *arg, int32_t *w, int was, char c)
{
    const decimal *d = &((const bound *)arg)->d;
    int whole = n_whole(d), digit = c - '0', i;

    if (c == '-') {
        w[W_NEGATIVE] = 1;
        return;
    }
    if (c == '.') {
        /* Fewer digits than the bound: smaller; more: larger. */
        int written = was == ZERO ? 0 : w[W_COUNT];

        if (written != int_max(whole, 0)) w[W_ORDER] = written < whole ? -1 : 1;
        w[W_COUNT] = 0;
        return;
    }
    if (digit) w[W_SOME] = 1;
    if (w[W_PLACE] == ZERO) return;
    if (w[W_PLACE] == WHOLE) {
        if (w[W_COUNT] <= int_max(whole, 0)) w[W_COUNT]++;
        i = w[W_COUNT] - 1;
        if (w[W_COUNT] > int_max(whole, 0)) {
            w[W_ORDER] = 0;              /* longer decides */
            return;
        }
    } else {
        i = whole + w[W_COUNT];
        if (w[W_COUNT] <= int_max(d->scale, 0)) w[W_COUNT]++;
    }
    if (w[W_ORDER] == 0 && digit != digit_at(d, i)) w[W_ORDER] = digit < digit_at(d, i) ? -1 : 1;
}

static bool accepts_compare(const void *arg, const int32_t *w)
{
    const bound *b = arg;
    int whole = n_whole(&b->d), order = w[W_ORDER];

    if (w[W_PLACE] != FRACTION) {
        int written = w[W_PLACE] == ZERO ? 0 : w[W_COUNT];

        if (written != int_max(whole, 0)) order = written < whole ? -1 : 1;
    }
    /* What the bound has more behind the point. */
    if (order == 0) {
        for (int i = whole + (w[W_PLACE] == FRACTION ? w[W_COUNT] : 0); i < b->d.n; i++)
            if (i >= 0 && b->d.digits[i]) order = -1;
    }
    if (!w[W_SOME]) order = b->d.n ? (b->d.negative ? 1 : -1) : 0;
    else if (!b->d.n) order = w[W_NEGATIVE] ? -1 : 1;
    else if (b->d.negative != (w[W_NEGATIVE] != 0)) order = w[W_NEGATIVE] ? -1 : 1;
    else if (w[W_NEGATIVE]) order = -order;
    return b->how & (order < 0 ? NUMBER_LESS : order > 0 ? NUMBER_MORE : NUMBER_EQUAL);
}

status number_compared(dfa **out, const decimal *d, unsigned how, errtext *err)
{
    bound b = { *d, how };
    checker k = { advance_compare, accepts_compare, &b, 5 };

    return build(out, &k, err);
}

/* ---------------------------------------------------------------- multiples */

/* The step as a whole number of units of 10^-scale; words: place, residue,
 * digits behind the point (up to scale), whether a later one was not zero. */
typedef struct step_of {
    int32_t units;
    int scale;
    bool invert;
} step_of;

static void advance_multiple(const void *arg, int32_t *w, int was, char c)
{
    const step_of *s = arg;

    (void)was;
    if (c == '-' || c == '.') return;
    if (w[0] == FRACTION) {
        if (w[2] == s->scale) {
            if (c != '0') w[3] = 1;
            return;
        }
        w[2]++;
    }
    w[1] = (int32_t)(((int64_t)w[1] * 10 + (c - '0')) % s->units);
}

static bool accepts_multiple(const void *arg, const int32_t *w)
{
    const step_of *s = arg;
    int64_t r = w[1];

    for (int i = w[2]; i < s->scale; i++) r = r * 10 % s->units;
    return (r == 0 && !w[3]) != s->invert;
}

status number_multiples(dfa **out, const decimal *step, bool invert, errtext *err)
{
    step_of s = { 0, step->scale > 0 ? step->scale : 0, invert };
    checker k = { advance_multiple, accepts_multiple, &s, 4 };
    int64_t units = 0;

    *out = NULL;
    for (int i = 0; i < step->n + (s.scale - step->scale); i++) {
        units = units * 10 + digit_at(step, i);
        if (units * (s.scale + 2) > MAX_STEP)
            return fail(err, E_LIMIT, "too complex: so large or fine a step is not supported");
    }
    s.units = (int32_t)units;
    return build(out, &k, err);
}

static void advance_whole(const void *arg, int32_t *w, int was, char c)
{
    (void)arg;
    (void)was;
    if (w[0] == FRACTION && c != '0') w[1] = 1;
}

static bool accepts_whole(const void *arg, const int32_t *w)
{
    return (w[1] == 0) != *(const bool *)arg;
}

status number_whole(dfa **out, bool invert, errtext *err)
{
    checker k = { advance_whole, accepts_whole, &invert, 2 };

    return build(out, &k, err);
}

status number_integer(dfa **out, errtext *err)
{
    static const char syntax[] = "-?(0|[1-9][0-9]*)";

    return regex_compile(out, syntax, sizeof syntax - 1, 0, err);
}

status number_any(dfa **out, errtext *err)
{
    static const char syntax[] =
        "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?";

    return regex_compile(out, syntax, sizeof syntax - 1, 0, err);
}
