/* chain.c - operations one after another, modulo 100.
 *
 * Depth counts the operations. A key is "37+45*3-18": worked from left to right, as
 * written, and after every operation the last two digits are kept. No operation
 * with its operand comes twice in a key, so the next one is always found by the
 * one before it. The trace:
 *
 *   37+45*3-18
 *   37+45=82
 *   82*3=246,46
 *   46-18=28
 *   =28 */
#include "tasks/work.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "tasks/answer.h"

enum { MAX_OPS = 12, MODULUS = 100 };

typedef struct chain {
    int first, n;
    char op[MAX_OPS];
    int arg[MAX_OPS];
    int value;
} chain;

static int apply(int value, char op, int arg)
{
    return op == '+' ? value + arg : op == '-' ? value - arg : value * arg;
}

static int wrap(int value)
{
    return (value % MODULUS + MODULUS) % MODULUS;
}

static bool chain_open(void *state, const char *key)
{
    chain *c = state;
    cursor at = { key, key + strlen(key) };

    if (!cursor_number(&at, &c->first) || c->first >= MODULUS) return false;
    while (at.s < at.end) {
        char op = *at.s++;
        if (c->n == MAX_OPS || !strchr("+-*", op) || !cursor_number(&at, &c->arg[c->n]) ||
            c->arg[c->n] >= MODULUS)
            return false;
        c->op[c->n++] = op;
    }
    return c->n > 0;
}

static int chain_depth(const void *state)
{
    return ((const chain *)state)->n;
}

static void chain_start(void *state)
{
    chain *c = state;

    c->value = c->first;
}

/* "82*3=246,46"; full is the result before the last two digits are kept. */
static void write_line(const chain *c, int i, int full, bytes *out)
{
    bytes_add_format(out, "%d%c%d=%d", c->value, c->op[i], c->arg[i], full);
    if (full != wrap(full)) bytes_add_format(out, ",%d", wrap(full));
}

static void chain_line(const void *state, int i, bytes *out)
{
    const chain *c = state;

    write_line(c, i, apply(c->value, c->op[i], c->arg[i]), out);
}

static bool chain_take(void *state, int i, cursor line)
{
    chain *c = state;
    int left, arg, value;

    if (!cursor_signed(&line, &left) || !cursor_char(&line, c->op[i]) ||
        !cursor_number(&line, &arg) || arg != c->arg[i] || !cursor_char(&line, '=') ||
        !cursor_signed(&line, &value))
        return false;
    if (cursor_char(&line, ',') && !cursor_signed(&line, &value)) return false;
    if (line.s != line.end) return false;
    c->value = value;
    return true;
}

static void chain_answer(const void *state, bytes *out)
{
    bytes_add_format(out, "%d", ((const chain *)state)->value);
}

/* Another value of the ones or of the tens, before and after the cut alike. */
static size_t chain_twist(const void *state, int i, rng *r, bytes *out)
{
    const chain *c = state;
    int full = apply(c->value, c->op[i], c->arg[i]), kept = wrap(full);
    int place = rng_below(r, 2) ? 10 : 1, digit = kept / place % 10;
    int other = (digit + rng_between(r, 1, 9)) % 10;

    write_line(c, i, full + (other - digit) * place, out);
    return out->len;
}

static const work chain_work = {
    .state_bytes = sizeof(chain),
    .header = work_header_key,
    .open = chain_open,
    .depth = chain_depth,
    .lines = chain_depth,
    .start = chain_start,
    .line = chain_line,
    .take = chain_take,
    .answer = chain_answer,
    .twist = chain_twist,
};

static bool has_op(const chain *c, char op, int arg)
{
    for (int i = 0; i < c->n; i++)
        if (c->op[i] == op && c->arg[i] == arg) return true;
    return false;
}

static char *chain_draw(rng *r, int depth)
{
    chain c;

    CHECK(depth >= 1 && depth <= MAX_OPS);
    do {
        c = (chain){ .first = rng_between(r, 0, MODULUS - 1) };
        c.value = c.first;
        while (c.n < depth) {
            char op = "+-*"[rng_below(r, 3)];
            int arg = rng_between(r, 2, op == '*' ? 9 : MODULUS - 1);
            if (has_op(&c, op, arg)) continue;
            c.value = wrap(apply(c.value, op, arg));
            c.op[c.n] = op;
            c.arg[c.n++] = arg;
        }
    } while (answer_stock(c.value));

    bytes b = { 0 };
    bytes_add_format(&b, "%d", c.first);
    for (int i = 0; i < c.n; i++) bytes_add_format(&b, "%c%d", c.op[i], c.arg[i]);
    return bytes_take(&b);
}

/* How a prompt names the three operations and what stands between two. */
typedef struct phrasing {
    const char *before, *add, *subtract, *multiply, *between, *after;
} phrasing;

static const phrasing phrasings[] = {
    { "Start with %d. ", "add %d", "subtract %d", "multiply by %d", ", ",
      ". Keep only the last two digits each time. What is the result?" },
    { "Take %d, ", "plus %d", "minus %d", "times %d", ", ",
      ", modulo 100 after every step. What do you get?" },
    { "Work modulo 100. Begin at %d, then ", "add %d", "take away %d", "multiply by %d",
      ", then ", ". What number is left?" },
    { "What is %d ", "plus %d", "minus %d", "times %d", " ",
      ", from left to right and modulo 100?" },
    { "From %d: ", "add %d", "subtract %d", "times %d", "; ",
      ". Only the last two digits count. Where do you end?" },
    { "From left to right, modulo 100: %d ", "+%d", "-%d", "*%d", " ", ". What is the result?" },
};

static void chain_tell(problem *p, const char *key, rng *r, trace_effort effort)
{
    const phrasing *f = &phrasings[rng_below(r, sizeof phrasings / sizeof phrasings[0])];
    chain c = { 0 };
    bytes b = { 0 };

    CHECK(chain_open(&c, key));
    /* The formats come from the table above, each with one %d. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    bytes_add_format(&b, f->before, c.first);
    for (int i = 0; i < c.n; i++) {
        const char *name = c.op[i] == '+' ? f->add : c.op[i] == '-' ? f->subtract : f->multiply;
        if (i > 0) bytes_add_string(&b, f->between);
        size_t at = b.len;
        bytes_add_format(&b, name, c.arg[i]);
        /* After a full stop the first word is a sentence's. */
        if (i == 0 && at > 1 && b.data[at - 2] == '.' && b.data[at] >= 'a')
            b.data[at] = (char)(b.data[at] - 'a' + 'A');
    }
#pragma GCC diagnostic pop
    bytes_add_string(&b, f->after);
    work_tell(&chain_work, p, key, bytes_take(&b), effort);
}

static double chain_grade(const char *key, const char *answer, size_t len)
{
    return work_grade_integer(&chain_work, key, answer, len);
}

static void chain_check(const char *key, const char *think, size_t len, trace_check *out)
{
    work_check(&chain_work, key, think, len, out);
}

static bool chain_edit(const char *key, const char *think, size_t len, rng *r, char **prefix,
                       char **follows)
{
    return work_edit(&chain_work, key, think, len, r, prefix, follows);
}

const task task_chain = {
    .name = "chain",
    .about = "operations one after another, modulo 100",
    .min_depth = 1,
    .max_depth = MAX_OPS,
    .draw = chain_draw,
    .tell = chain_tell,
    .grade = chain_grade,
    .check = chain_check,
    .edit = chain_edit,
};
