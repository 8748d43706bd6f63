/* arith.c - expressions of + - * and parentheses.
 *
 * Depth counts the operators. A key is "(3+4)*5-2". The trace does one operation a
 * line and rewrites what is left: inside the first innermost parentheses, products
 * first, then from left to right.
 *
 *   3+4=7:7*5-2
 *   7*5=35:35-2
 *   35-2=33:33
 *   =33
 *
 * A negative value stands where an operand stands ("5--4", "2*-3"). In drawn
 * problems a product has one factor of at most 9 and another of at most 99, as in
 * chains, and no value leaves +-9999. */
#include "tasks/work.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "tasks/answer.h"

enum { MAX_OPS = 10, MAX_TEXT = 160, MAX_DIGITS = 6, MAX_LITERAL = 20, MAX_VALUE = 9999 };

typedef struct arith {
    int n;
    char first[MAX_TEXT];
    char now[MAX_TEXT];
} arith;

/* One operation inside an expression. */
typedef struct spot {
    int left, right;     /* values */
    char op;
    size_t from, to;     /* what its result replaces, its own parentheses included */
} spot;

static bool operand_at(const char *s)
{
    return isdigit((unsigned char)*s) || (*s == '-' && isdigit((unsigned char)s[1]));
}

/* Recursive descent over  sum := factor { op factor },  factor := number | (sum);
 * counts the operators. False on anything else. */
static bool skip_sum(const char **s, int *n_op, int depth)
{
    for (;;) {
        if (**s == '(') {
            if (depth == MAX_OPS) return false;
            (*s)++;
            if (!skip_sum(s, n_op, depth + 1) || **s != ')') return false;
            (*s)++;
        } else {
            if (!operand_at(*s)) return false;
            if (**s == '-') (*s)++;
            size_t n = strspn(*s, "0123456789");
            if (n > MAX_DIGITS) return false;
            *s += n;
        }
        if (!**s || !strchr("+-*", **s)) return true;
        (*s)++;
        ++*n_op;
    }
}

/* How many operators an expression has; -1 when it is none. */
static int count_ops(const char *s)
{
    int n = 0;

    return skip_sum(&s, &n, 0) && !*s ? n : -1;
}

/* The operation that is due in a valid expression with at least one operator. */
static spot find_spot(const char *text)
{
    const char *close = strchr(text, ')');
    const char *start = text, *s;
    spot best = { 0 };
    bool found = false;

    if (close)
        for (start = close; start[-1] != '('; start--) { }
    size_t end = close ? (size_t)(close - text) : strlen(text);

    int n_op = 0;
    for (s = start; s < text + end; n_op++) {
        char *after, *last;
        int left = (int)strtol(s, &after, 10);
        if (after >= text + end) break;
        int right = (int)strtol(after + 1, &last, 10);
        if (!found || (best.op != '*' && *after == '*')) {
            best = (spot){ left, right, *after, (size_t)(s - text), (size_t)(last - text) };
            found = true;
        }
        s = after + 1;
    }
    if (close && n_op == 1) {
        best.from--;
        best.to++;
    }
    return best;
}

static int64_t spot_value(const spot *p)
{
    int64_t a = p->left, b = p->right;

    return p->op == '+' ? a + b : p->op == '-' ? a - b : a * b;
}

/* Every pair of parentheses holds an operation: without that one could write
 * "(5)", which no step ever takes off. */
static bool arith_open(void *state, const char *key)
{
    arith *a = state;

    if (strlen(key) >= MAX_TEXT / 2) return false;
    for (const char *s = key; (s = strchr(s, '(')); s++) {
        size_t sign = s[1] == '-';
        if (s[1 + sign + strspn(s + 1 + sign, "0123456789")] == ')') return false;
    }
    a->n = count_ops(key);
    strcpy(a->first, key);
    return a->n >= 1 && a->n <= MAX_OPS;
}

static int arith_depth(const void *state)
{
    return ((const arith *)state)->n;
}

static void arith_start(void *state)
{
    arith *a = state;

    strcpy(a->now, a->first);
}

/* "3+4=7:7*5-2" for a value that may be another; returns where the value ends. */
static size_t write_line(const char *text, const spot *p, int64_t value, bytes *out)
{
    bytes_add_format(out, "%d%c%d=%lld", p->left, p->op, p->right, (long long)value);
    size_t cut = out->len;
    bytes_add_char(out, ':');
    bytes_add(out, text, p->from);
    bytes_add_format(out, "%lld%s", (long long)value, text + p->to);
    return cut;
}

static void arith_line(const void *state, int i, bytes *out)
{
    const arith *a = state;
    spot p = find_spot(a->now);

    (void)i;
    write_line(a->now, &p, spot_value(&p), out);
}

static bool arith_take(void *state, int i, cursor line)
{
    arith *a = state;
    spot p = find_spot(a->now);
    int left, right, value;

    if (!cursor_signed(&line, &left) || left != p.left || !cursor_char(&line, p.op) ||
        !cursor_signed(&line, &right) || right != p.right || !cursor_char(&line, '=') ||
        !cursor_signed(&line, &value) || !cursor_char(&line, ':'))
        return false;
    size_t len = (size_t)(line.end - line.s);
    char rest[MAX_TEXT];
    if (len == 0 || len >= MAX_TEXT || memchr(line.s, '\0', len)) return false;
    memcpy(rest, line.s, len);
    rest[len] = '\0';
    arith probe = { 0 };
    if (count_ops(rest) != a->n - 1 - i) return false;
    if (i < a->n - 1 && !arith_open(&probe, rest)) return false;
    if (i == a->n - 1 && !operand_at(rest)) return false;
    strcpy(a->now, rest);
    return true;
}

static void arith_answer(const void *state, bytes *out)
{
    bytes_add_string(out, ((const arith *)state)->now);
}

static size_t arith_twist(const void *state, int i, rng *r, bytes *out)
{
    const arith *a = state;
    spot p = find_spot(a->now);
    int64_t value = spot_value(&p);
    int64_t by = rng_between(r, 1, 3) * (rng_below(r, 2) ? 10 : 1);

    (void)i;
    return write_line(a->now, &p, rng_below(r, 2) ? value + by : value - by, out);
}

static const work arith_work = {
    .state_bytes = sizeof(arith),
    .open = arith_open,
    .depth = arith_depth,
    .lines = arith_depth,
    .start = arith_start,
    .line = arith_line,
    .take = arith_take,
    .answer = arith_answer,
    .twist = arith_twist,
};

/* A random tree with n operators; parentheses only where they are needed. Level 0
 * is an operand of "+" or the whole, 1 stands right of "-", 2 in a product. Two
 * large factors hardly ever make a tame product, so they are not tried. */
static void draw_tree(rng *r, int n, int level, bytes *out)
{
    if (n == 0) {
        bytes_add_format(out, "%d", rng_between(r, 1, MAX_LITERAL));
        return;
    }
    int left = (int)rng_below(r, (uint64_t)n);
    bool factors = left == 0 || left == n - 1 || n <= 3;
    char op = "+-*"[rng_below(r, factors ? 3 : 2)];
    bool closed = level == 2 || (level == 1 && op != '*');

    if (closed) bytes_add_char(out, '(');
    draw_tree(r, left, op == '*' ? 2 : 0, out);
    bytes_add_char(out, op);
    draw_tree(r, n - 1 - left, op == '*' ? 2 : op == '-' ? 1 : 0, out);
    if (closed) bytes_add_char(out, ')');
}

/* Every operation on the way is one that can be done in the head. */
static bool tame(const char *key)
{
    arith a = { 0 };
    bytes line = { 0 };
    bool good = arith_open(&a, key);

    if (good) arith_start(&a);
    for (int i = 0; i < a.n && good; i++) {
        spot p = find_spot(a.now);
        int x = abs(p.left), y = abs(p.right);
        good = llabs(spot_value(&p)) <= MAX_VALUE &&
               (p.op != '*' || ((x <= 9 || y <= 9) && x <= 99 && y <= 99));
        bytes_clear(&line);
        arith_line(&a, i, &line);
        good = good && arith_take(&a, i, (cursor){ line.data, line.data + line.len });
    }
    bytes_fini(&line);
    return good && !answer_stock(strtol(a.now, NULL, 10));
}

static char *arith_draw(rng *r, int depth)
{
    bytes b = { 0 };

    CHECK(depth >= 1 && depth <= MAX_OPS);
    do {
        bytes_clear(&b);
        draw_tree(r, depth, 0, &b);
    } while (!tame(b.data));
    return bytes_take(&b);
}

static void arith_tell(problem *p, const char *key, rng *r, trace_effort effort)
{
    static const char *const phrasings[][2] = {
        { "What is ", "?" },         { "Compute ", "." },   { "Evaluate ", "." },
        { "Find the value of ", "." }, { "Work out ", "." }, { "How much is ", "?" },
    };
    const char *const *f = phrasings[rng_below(r, sizeof phrasings / sizeof phrasings[0])];
    bytes b = { 0 };

    bytes_add_format(&b, "%s%s%s", f[0], key, f[1]);
    work_tell(&arith_work, p, key, bytes_take(&b), effort);
}

static double arith_grade(const char *key, const char *answer, size_t len)
{
    return work_grade_integer(&arith_work, key, answer, len);
}

static void arith_check(const char *key, const char *think, size_t len, trace_check *out)
{
    work_check(&arith_work, key, think, len, out);
}

static bool arith_edit(const char *key, const char *think, size_t len, rng *r, char **prefix,
                       char **follows)
{
    return work_edit(&arith_work, key, think, len, r, prefix, follows);
}

const task task_arith = {
    .name = "arith",
    .about = "expressions of + - * and parentheses",
    .min_depth = 1,
    .max_depth = MAX_OPS,
    .draw = arith_draw,
    .tell = arith_tell,
    .grade = arith_grade,
    .check = arith_check,
    .edit = arith_edit,
};
