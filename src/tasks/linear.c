/* linear.c - equations with one unknown and an integer solution.
 *
 * Depth is the form: 1 is x+a=b, 2 is px+a=b, 3 is px+a=qx+b, 4 is p(x+a)=qx+b. A key
 * is the equation, "3(x+4)=2x+19". The trace keeps the equation balanced line by
 * line and puts the solution into both sides:
 *
 *   3x+12=2x+19           depth 4
 *   3x-2x=19-12           depth 3 and 4
 *   1x=19-12=7
 *   x=7/1=7               depth 2 to 4
 *   check 3*(7+4)=3*11=33
 *   check 2*7+19=14+19=33
 *   =7 */
#include "tasks/work.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "tasks/answer.h"

typedef struct linear {
    int depth;
    int p, a, q, b;      /* q is 0 at depths 1 and 2 */
    /* As the lines stand: constants left and right, k x = m, x. */
    int left, right, k, m, x;
} linear;

typedef enum line_kind { EXPAND, MOVE, SUM, DIVIDE, CHECK_LEFT, CHECK_RIGHT } line_kind;

static const line_kind kinds[4][6] = {
    { SUM, CHECK_LEFT },
    { SUM, DIVIDE, CHECK_LEFT },
    { MOVE, SUM, DIVIDE, CHECK_LEFT, CHECK_RIGHT },
    { EXPAND, MOVE, SUM, DIVIDE, CHECK_LEFT, CHECK_RIGHT },
};

/* "+5" or "-5", not zero. */
static bool read_term(cursor *c, int *out)
{
    bool minus = cursor_char(c, '-');

    if (!minus && !cursor_char(c, '+')) return false;
    if (!cursor_number(c, out) || *out == 0) return false;
    if (minus) *out = -*out;
    return true;
}

/* A coefficient from 2 to 9 and what follows it. */
static bool read_factor(cursor *c, int *out, const char *then)
{
    return cursor_number(c, out) && *out >= 2 && *out <= 9 && cursor_text(c, then);
}

static bool linear_open(void *state, const char *key)
{
    enum { MAX_CONSTANT = 999 };
    linear *e = state;
    cursor at = { key, key + strlen(key) }, whole = at;

    e->p = 1;
    if (cursor_char(&at, 'x')) {
        e->depth = 1;
    } else if (read_factor(&at, &e->p, "x")) {
        e->depth = 2;
    } else {
        at = whole;
        if (!read_factor(&at, &e->p, "(x")) return false;
        e->depth = 4;
    }
    if (!read_term(&at, &e->a)) return false;
    if (e->depth == 4 && !cursor_char(&at, ')')) return false;
    if (!cursor_char(&at, '=')) return false;
    cursor side = at;
    if (e->depth > 1 && read_factor(&at, &e->q, "x")) {
        if (e->depth == 2) e->depth = 3;
        if (!read_term(&at, &e->b) || e->q == e->p) return false;
    } else {
        at = side;
        e->q = 0;
        if (e->depth == 4 || !cursor_signed(&at, &e->b)) return false;
    }
    if (abs(e->a) > MAX_CONSTANT || abs(e->b) > MAX_CONSTANT) return false;
    int constant = e->depth == 4 ? e->p * e->a : e->a;
    return at.s == at.end && (e->b - constant) % (e->p - e->q) == 0;
}

static int linear_depth(const void *state)
{
    return ((const linear *)state)->depth;
}

static int linear_lines(const void *state)
{
    static const int n[] = { 2, 3, 5, 6 };

    return n[((const linear *)state)->depth - 1];
}

static void linear_start(void *state)
{
    linear *e = state;

    e->left = e->depth == 4 ? e->p * e->a : e->a;
    e->right = e->b;
    e->k = e->p;
    e->m = e->x = 0;
}

/* "19-12": the constant of the left side taken from the right one. */
static void write_difference(const linear *e, bytes *out)
{
    bytes_add_format(out, "%d%+d", e->right, -e->left);
}

/* A line for the right value, or for one that is off by `change` (EXPAND and SUM);
 * returns where the value ends. */
static size_t write_line(const linear *e, int i, int change, bytes *out)
{
    int inner, total;

    switch (kinds[e->depth - 1][i]) {
    case EXPAND:
        bytes_add_format(out, "%dx%+d", e->p, e->p * e->a + change);
        inner = (int)out->len;
        bytes_add_format(out, "=%dx%+d", e->q, e->b);
        return (size_t)inner;
    case MOVE:
        bytes_add_format(out, "%dx-%dx=", e->p, e->q);
        write_difference(e, out);
        break;
    case SUM:
        if (e->depth > 1) bytes_add_format(out, "%d", e->p - e->q);
        bytes_add_string(out, "x=");
        write_difference(e, out);
        bytes_add_format(out, "=%d", e->right - e->left + change);
        break;
    case DIVIDE:
        bytes_add_format(out, "x=%d/%d=", e->m, e->k);
        /* After a slip there may be no right line; "?" is none that can be read. */
        if (e->k == 0 || e->m % e->k != 0) bytes_add_char(out, '?');
        else bytes_add_format(out, "%d", e->m / e->k);
        break;
    case CHECK_LEFT:
        if (e->depth == 1) {
            bytes_add_format(out, "check %d%+d=%d", e->x, e->a, e->x + e->a);
        } else if (e->depth == 4) {
            inner = e->x + e->a;
            bytes_add_format(out, "check %d*(%d%+d)=%d*%d=%lld", e->p, e->x, e->a, e->p, inner,
                             (long long)e->p * inner);
        } else {
            total = e->p * e->x;
            bytes_add_format(out, "check %d*%d%+d=%d%+d=%d", e->p, e->x, e->a, total, e->a,
                             total + e->a);
        }
        break;
    case CHECK_RIGHT:
        total = e->q * e->x;
        bytes_add_format(out, "check %d*%d%+d=%d%+d=%d", e->q, e->x, e->b, total, e->b,
                         total + e->b);
        break;
    }
    return out->len;
}

static void linear_line(const void *state, int i, bytes *out)
{
    write_line(state, i, 0, out);
}

/* "+5", "-5" or "+0", as a line may state it. */
static bool cursor_term(cursor *c, int *out)
{
    if (c->s < c->end && *c->s == '+') {
        c->s++;
        return cursor_number(c, out);
    }
    return c->s < c->end && *c->s == '-' && cursor_signed(c, out);
}

static bool take_factor(cursor *c, int want, const char *then)
{
    int factor;

    return cursor_number(c, &factor) && factor == want && cursor_text(c, then);
}

static bool linear_take(void *state, int i, cursor line)
{
    linear *e = state, next = *e;
    int value;

    switch (kinds[e->depth - 1][i]) {
    case EXPAND:
        if (!take_factor(&line, e->p, "x") || !cursor_term(&line, &next.left) ||
            !cursor_char(&line, '=') || !take_factor(&line, e->q, "x") ||
            !cursor_term(&line, &next.right))
            return false;
        break;
    case MOVE:
        if (!take_factor(&line, e->p, "x-") || !take_factor(&line, e->q, "x=") ||
            !cursor_signed(&line, &next.right) || !cursor_term(&line, &value))
            return false;
        next.left = -value;
        break;
    case SUM:
        next.k = 1;
        if (e->depth > 1 && !cursor_signed(&line, &next.k)) return false;
        if (!cursor_text(&line, "x=") || !cursor_signed(&line, &value) ||
            !cursor_term(&line, &value) || !cursor_char(&line, '=') ||
            !cursor_signed(&line, &next.m))
            return false;
        next.x = next.m;
        break;
    case DIVIDE:
        if (!cursor_text(&line, "x=") || !cursor_signed(&line, &value) ||
            !cursor_char(&line, '/') || !cursor_signed(&line, &value) ||
            !cursor_char(&line, '=') || !cursor_signed(&line, &next.x))
            return false;
        break;
    case CHECK_LEFT:
    case CHECK_RIGHT:
        if (!cursor_text(&line, "check ")) return false;
        line.s = line.end;
        break;
    }
    if (line.s != line.end) return false;
    *e = next;
    return true;
}

static void linear_answer(const void *state, bytes *out)
{
    bytes_add_format(out, "%d", ((const linear *)state)->x);
}

/* Off by a multiple of the coefficient, so that what follows is an integer too. At
 * depth 1 the sum is the answer, and a quotient always is. */
static size_t linear_twist(const void *state, int i, rng *r, bytes *out)
{
    const linear *e = state;
    line_kind kind = kinds[e->depth - 1][i];
    int by = rng_between(r, 1, 4) * (rng_below(r, 2) ? 1 : -1);

    if (e->depth == 1 || (kind != SUM && kind != EXPAND)) return 0;
    return write_line(e, i, by * (e->p - e->q), out);
}

static const work linear_work = {
    .state_bytes = sizeof(linear),
    .open = linear_open,
    .depth = linear_depth,
    .lines = linear_lines,
    .start = linear_start,
    .line = linear_line,
    .take = linear_take,
    .answer = linear_answer,
    .twist = linear_twist,
};

static int draw_signed(rng *r, int low, int high)
{
    int value = rng_between(r, low, high);

    return rng_below(r, 2) ? value : -value;
}

static char *linear_draw(rng *r, int depth)
{
    int x, p, a, q, b;
    bytes out = { 0 };

    CHECK(depth >= 1 && depth <= 4);
    do {
        x = depth == 1 ? rng_between(r, -20, 79) : rng_between(r, -12, 12);
        p = rng_between(r, 2, 9);
        q = rng_between(r, 2, 9);
        a = draw_signed(r, 1, depth == 1 ? 99 : depth == 4 ? 9 : 30);
        b = depth == 1 ? x + a : depth == 2 ? p * x + a
          : depth == 3 ? (p - q) * x + a : (p - q) * x + p * a;
    } while (answer_stock(x) || (depth > 2 && (p == q || b == 0)));
    if (depth == 1) bytes_add_format(&out, "x%+d=%d", a, b);
    if (depth == 2) bytes_add_format(&out, "%dx%+d=%d", p, a, b);
    if (depth == 3) bytes_add_format(&out, "%dx%+d=%dx%+d", p, a, q, b);
    if (depth == 4) bytes_add_format(&out, "%d(x%+d)=%dx%+d", p, a, q, b);
    return bytes_take(&out);
}

static void linear_tell(problem *p, const char *key, rng *r, trace_effort effort)
{
    static const char *const phrasings[][2] = {
        { "Solve ", "." },
        { "Solve for x: ", "" },
        { "Find x if ", "." },
        { "What is x when ", "?" },
        { "If ", ", what is x?" },
        { "Which x satisfies ", "?" },
    };
    const char *const *f = phrasings[rng_below(r, sizeof phrasings / sizeof phrasings[0])];
    bytes b = { 0 };

    bytes_add_format(&b, "%s%s%s", f[0], key, f[1]);
    work_tell(&linear_work, p, key, bytes_take(&b), effort);
}

/* "x = 5" is an answer too. */
static double linear_grade(const char *key, const char *answer, size_t len)
{
    char *text = answer_extract(answer, len), *want = work_answer(&linear_work, key);
    int64_t value, right;
    const char *s = text;

    if (s && *s == 'x') {
        s += 1 + strspn(s + 1, " ");
        s = *s == '=' ? s + 1 + strspn(s + 1, " ") : text;
    }
    bool good = s && want && answer_integer(s, &value) && answer_integer(want, &right) &&
                value == right;
    mem_free(text);
    mem_free(want);
    return good ? 1 : 0;
}

static void linear_check(const char *key, const char *think, size_t len, trace_check *out)
{
    work_check(&linear_work, key, think, len, out);
}

static bool linear_edit(const char *key, const char *think, size_t len, rng *r, char **prefix,
                        char **follows)
{
    return work_edit(&linear_work, key, think, len, r, prefix, follows);
}

const task task_linear = {
    .name = "linear",
    .about = "equations with one unknown",
    .min_depth = 1,
    .max_depth = 4,
    .draw = linear_draw,
    .tell = linear_tell,
    .grade = linear_grade,
    .check = linear_check,
    .edit = linear_edit,
};
