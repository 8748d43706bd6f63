/* search_check.c - verdicts on answers and traces of number searches.
 *
 * Text here comes from a model: every loop is bounded by its length, every number
 * by three digits, and the numbers of an expression by those of the problem. */
#include "tasks/search_internal.h"

#include <string.h>

#include "base/mem.h"
#include "tasks/answer.h"

enum {
    ANSWER_MAX = 4096,       /* bytes, words around the answer included */
    DEEP_MAX = 200,          /* parentheses in parentheses */
    TRACE_NUMBER_MAX = 99999,
};

/* ---- answers ---- */

typedef struct reader {
    const char *s, *end;
    int left[SEARCH_MAX];    /* numbers not used so far */
    int n_left;
    int deep;
} reader;

typedef struct fraction {
    long long p, q;          /* q > 0 */
} fraction;

/* Any of six numbers of two digits are far from overflow: 99^6 < 2^40. */
static fraction reduce(long long p, long long q)
{
    long long a = p < 0 ? -p : p, b = q < 0 ? -q : q;

    while (b) {
        long long t = a % b;
        a = b;
        b = t;
    }
    if (q < 0) a = -a;
    return (fraction){ p / a, q / a };
}

static void skip_space(reader *r)
{
    while (r->s < r->end && (*r->s == ' ' || *r->s == '\t')) r->s++;
}

/* The sign at r, its typographic forms included, or 0; moves past it. */
static char read_sign(reader *r)
{
    static const struct { const char *text; char sign; } form[] = {
        { "+", '+' }, { "-", '-' }, { "*", '*' }, { "/", '/' },
        { "\xe2\x88\x92", '-' }, { "\xc3\x97", '*' }, { "\xc3\xb7", '/' },
    };

    skip_space(r);
    for (size_t i = 0; i < sizeof form / sizeof form[0]; i++) {
        size_t n = strlen(form[i].text);
        if ((size_t)(r->end - r->s) >= n && memcmp(r->s, form[i].text, n) == 0) {
            r->s += n;
            return form[i].sign;
        }
    }
    return 0;
}

static bool read_char(reader *r, char c)
{
    skip_space(r);
    if (r->s == r->end || *r->s != c) return false;
    r->s++;
    return true;
}

/* A whole number of at most 5 digits, without leading zeros. */
static bool read_number(reader *r, int *out)
{
    const char *start;

    skip_space(r);
    start = r->s;
    *out = 0;
    while (r->s < r->end && *r->s >= '0' && *r->s <= '9') {
        if (r->s - start == 5) return false;
        *out = *out * 10 + (*r->s++ - '0');
    }
    return r->s > start && (*start != '0' || r->s == start + 1);
}

static bool read_sum(reader *r, fraction *out);

static bool read_atom(reader *r, fraction *out)
{
    int v;

    if (read_char(r, '(')) {
        if (++r->deep > DEEP_MAX || !read_sum(r, out) || !read_char(r, ')')) return false;
        r->deep--;
        return true;
    }
    if (!read_number(r, &v) || !numbers_take(r->left, &r->n_left, v)) return false;
    *out = (fraction){ v, 1 };
    return true;
}

static bool read_product(reader *r, fraction *out)
{
    if (!read_atom(r, out)) return false;
    for (;;) {
        const char *back = r->s;
        char sign = read_sign(r);
        fraction b;
        if (sign != '*' && sign != '/') {
            r->s = back;
            return true;
        }
        if (!read_atom(r, &b) || (sign == '/' && b.p == 0)) return false;
        *out = sign == '*' ? reduce(out->p * b.p, out->q * b.q)
                           : reduce(out->p * b.q, out->q * b.p);
    }
}

static bool read_sum(reader *r, fraction *out)
{
    if (!read_product(r, out)) return false;
    for (;;) {
        const char *back = r->s;
        char sign = read_sign(r);
        fraction b;
        if (sign != '+' && sign != '-') {
            r->s = back;
            return true;
        }
        if (!read_product(r, &b)) return false;
        long long p = b.p * out->q;
        *out = reduce(out->p * b.q + (sign == '+' ? p : -p), out->q * b.q);
    }
}

static bool is_expression(reader r, int target)
{
    fraction value;
    int v;

    if (!read_sum(&r, &value)) return false;
    if (read_char(&r, '=') && (!read_number(&r, &v) || v != target)) return false;
    skip_space(&r);
    return r.s == r.end && r.n_left == 0 && value.q == 1 && value.p == target;
}

/* Whether a sign b = result is true among whole numbers that are not negative. */
static bool is_true(long long a, char sign, long long b, long long result)
{
    switch (sign) {
    case '+': return a + b == result;
    case '-': return a - b == result;
    case '*': return a * b == result;
    default: return b > 0 && result * b == a;
    }
}

static bool is_step_list(reader r, int target)
{
    int a, b, result = -1;

    for (;;) {
        if (!read_number(&r, &a)) return false;
        char sign = read_sign(&r);
        if (!sign || !read_number(&r, &b) || !read_char(&r, '=') || !read_number(&r, &result))
            return false;
        if (!numbers_take(r.left, &r.n_left, a) || !numbers_take(r.left, &r.n_left, b) ||
            !is_true(a, sign, b, result))
            return false;
        skip_space(&r);
        if (r.s == r.end) return r.n_left == 0 && result == target;
        if (r.n_left == 0 || (*r.s != ',' && *r.s != ';')) return false;
        r.s++;
        r.left[r.n_left++] = result;
    }
}

double search_grade(const char *key, const char *answer, size_t len)
{
    numbers x;

    if (len > ANSWER_MAX || !numbers_parse(&x, key)) return 0;
    char *text = answer_extract(answer, len);
    if (!text) return 0;
    reader r = { .s = text, .end = text + strlen(text), .n_left = x.n };
    memcpy(r.left, x.x, sizeof x.x);
    bool right = is_step_list(r, x.target) || is_expression(r, x.target);
    mem_free(text);
    return right;
}

/* ---- traces ---- */

/* A number as traces write it: digits only, no space before. */
static bool trace_number(const char **s, const char *end, int *out)
{
    const char *start = *s;

    *out = 0;
    while (*s < end && **s >= '0' && **s <= '9') {
        if (*out > TRACE_NUMBER_MAX / 10) return false;
        *out = *out * 10 + (*(*s)++ - '0');
    }
    return *s > start;
}

static bool trace_char(const char **s, const char *end, char c)
{
    if (*s == end || **s != c) return false;
    ++*s;
    return true;
}

static bool same_numbers(const int *x, int n, const int *y, int m)
{
    int z[SEARCH_MAX];

    if (n != m) return false;
    memcpy(z, x, (size_t)n * sizeof *x);
    for (int i = 0; i < m; i++)
        if (!numbers_take(z, &n, y[i])) return false;
    return true;
}

/* "3 8 2 7:24" */
static bool check_head(const char *s, const char *end, const numbers *x, trace_check *out)
{
    int y[SEARCH_MAX], n = 0, target;

    for (;;) {
        if (n == SEARCH_MAX || !trace_number(&s, end, &y[n])) return false;
        n++;
        if (!trace_char(&s, end, ' ')) break;
    }
    if (!trace_char(&s, end, ':') || !trace_number(&s, end, &target) || s != end) return false;
    out->n_step++;
    out->n_true += target == x->target && same_numbers(y, n, x->x, x->n);
    return true;
}

/* One attempt. Numbers count as left when the step before says so, so that a slip
 * is charged to the step that makes it. */
static bool check_attempt(const char *s, const char *end, const numbers *x, trace_check *out,
                          attempt *made, bool *hit)
{
    int left[SEARCH_MAX], n_left = x->n;

    memcpy(left, x->x, sizeof left);
    made->n = 0;
    *hit = false;
    for (;;) {
        int a, b, result, rest[SEARCH_MAX], n_rest = 0;
        if (made->n == x->n - 1 || !trace_number(&s, end, &a) || s == end) return false;
        char sign = *s++;
        if (sign != '+' && sign != '-' && sign != '*' && sign != '/') return false;
        if (!trace_number(&s, end, &b) || !trace_char(&s, end, '=') ||
            !trace_number(&s, end, &result))
            return false;
        while (trace_char(&s, end, ' ')) {
            if (n_rest == SEARCH_MAX - 1 || !trace_number(&s, end, &rest[n_rest])) return false;
            n_rest++;
        }
        made->op[made->n++] = (operation){ a, b, result, sign };
        bool good = is_true(a, sign, b, result) && numbers_take(left, &n_left, a) &&
                    numbers_take(left, &n_left, b) && same_numbers(left, n_left, rest, n_rest);
        bool last = made->n == x->n - 1;
        if (last) {
            int target;
            if (!trace_char(&s, end, ':') || !trace_number(&s, end, &target) || end - s != 1 ||
                (*s != '=' && *s != '-'))
                return false;
            *hit = *s == '=';
            good = good && target == x->target && *hit == (result == target);
        } else if (!trace_char(&s, end, ',')) {
            return false;
        }
        out->n_step++;
        out->n_true += good;
        if (last) break;
        left[0] = result;
        memcpy(left + 1, rest, (size_t)n_rest * sizeof *rest);
        n_left = n_rest + 1;
    }
    return true;
}

void search_check(const char *key, const char *think, size_t len, trace_check *out)
{
    const char *s = think, *end = think + len;
    numbers x;
    attempt *made = NULL;
    bool ended = false, head = false, good = true;

    *out = (trace_check){ 0 };
    if (!numbers_parse(&x, key)) return;
    while (end > s && end[-1] == '\n') end--;
    while (s < end) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        if (!stop) stop = end;
        if (ended) {
            good = false;            /* goes on after the end */
        } else if (!head) {
            head = true;
            good = check_head(s, stop, &x, out) && good;
        } else if (stop - s == 4 && memcmp(s, "none", 4) == 0) {
            ended = true;
        } else {
            made = mem_resize(made, (size_t)out->n_attempt + 1, sizeof *made);
            bool whole = check_attempt(s, stop, &x, out, &made[out->n_attempt], &ended);
            if (whole) {
                for (int i = 0; i < out->n_attempt; i++)
                    if (attempt_same(&made[i], &made[out->n_attempt])) {
                        out->n_repeat++;
                        break;
                    }
                out->n_attempt++;
            }
            good = good && whole;
        }
        s = stop < end ? stop + 1 : end;
    }
    mem_free(made);
    out->well_formed = good && ended;
}
