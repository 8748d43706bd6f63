/* multiply.c - long multiplication, digit by digit.
 *
 * Depth 1 to 5 stands for factors of 2x1, 2x2, 3x2, 3x3 and 4x3 digits; the second
 * has no zeros. A key is "347*26". One row a digit of the second factor, from its
 * end. A row starts from the total of the rows before: its last digits are settled,
 * the rest is what this row adds to. Each step multiplies the last digit that is
 * left, adds the last digit of the old total and the carry, and writes down what is
 * left, so that the next step needs this line alone:
 *
 *   347*26
 *   347*6+0+0:               left * digit + old total + carry : settled
 *   7*6+0+0=42,34*6+0+4:2
 *   4*6+0+4=28,3*6+0+2:82
 *   3*6+0+2=20,2082          the total so far
 *   347*2+208+0:2
 *   ...
 *   =9022 */
#include "tasks/work.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "tasks/answer.h"

enum { MAX_DEPTH = 5, MAX_LEFT = 4, MAX_RIGHT = 3, MAX_TOTAL = 15 };

static const int n_digits[MAX_DEPTH][2] = { { 2, 1 }, { 2, 2 }, { 3, 2 }, { 3, 3 }, { 4, 3 } };

typedef struct product {
    char left[MAX_LEFT + 1], right[MAX_RIGHT + 1];
    int n_left, n_right, depth;
    /* What the last line left: old is still to be added to, total is settled. */
    char old[MAX_TOTAL + 1], total[MAX_TOTAL + 1];
    int carry;
} product;

/* Digits, at least one and at most max, with a NUL behind; the length or 0. */
static int read_digits(cursor *c, char *out, int max)
{
    int n = 0;

    while (c->s < c->end && *c->s >= '0' && *c->s <= '9') {
        if (n == max) return 0;
        out[n++] = *c->s++;
    }
    out[n] = '\0';
    return n;
}

static bool multiply_open(void *state, const char *key)
{
    product *p = state;
    cursor at = { key, key + strlen(key) };

    p->n_left = read_digits(&at, p->left, MAX_LEFT);
    if (!cursor_char(&at, '*')) return false;
    p->n_right = read_digits(&at, p->right, MAX_RIGHT);
    if (at.s != at.end || p->left[0] == '0' || strchr(p->right, '0')) return false;
    for (int d = 0; d < MAX_DEPTH; d++)
        if (n_digits[d][0] == p->n_left && n_digits[d][1] == p->n_right) p->depth = d + 1;
    return p->depth > 0;
}

static int multiply_depth(const void *state)
{
    return ((const product *)state)->depth;
}

static int multiply_lines(const void *state)
{
    const product *p = state;

    return p->n_right * (1 + p->n_left);
}

static void multiply_start(void *state)
{
    product *p = state;

    strcpy(p->old, "0");
    p->total[0] = '\0';
    p->carry = 0;
}

/* Where line i is: its digit of the right factor, and how many digits of the left
 * are done before it; -1 for the line that opens a row. */
typedef struct place {
    int row, done;
    char digit;
} place;

static place place_of(const product *p, int i)
{
    int row = i / (1 + p->n_left);

    return (place){ row, i % (1 + p->n_left) - 1, p->right[p->n_right - 1 - row] };
}

/* Split the total of the rows before: the last `row` digits are settled. */
static void open_row(const product *p, int row, product *out)
{
    int n = (int)strlen(p->total), settled = row < n ? row : n;

    *out = *p;
    out->carry = 0;
    memcpy(out->old, p->total, (size_t)(n - settled));
    out->old[n - settled] = '\0';
    if (n == settled) strcpy(out->old, "0");
    strcpy(out->total, p->total + n - settled);
}

/* Write a digit's line for the product, or another value; returns where it ends. */
static size_t write_digit(const product *p, place at, int change, bytes *out)
{
    int n_old = (int)strlen(p->old), n_rest = p->n_left - 1 - at.done;
    char a = p->left[n_rest], b = p->old[n_old - 1];
    int value = (a - '0') * (at.digit - '0') + (b - '0') + p->carry + change;

    bytes_add_format(out, "%c*%c+%c+%d=%d", a, at.digit, b, p->carry, value);
    size_t cut = out->len;
    if (n_rest == 0)
        bytes_add_format(out, ",%d%s", value, p->total);
    else
        bytes_add_format(out, ",%.*s*%c+%.*s+%d:%d%s", n_rest, p->left, at.digit,
                         n_old > 1 ? n_old - 1 : 1, n_old > 1 ? p->old : "0", value / 10,
                         value % 10, p->total);
    return cut;
}

static void multiply_line(const void *state, int i, bytes *out)
{
    const product *p = state;
    place at = place_of(p, i);

    if (at.done >= 0) {
        write_digit(p, at, 0, out);
    } else {
        product row;
        open_row(p, at.row, &row);
        bytes_add_format(out, "%s*%c+%s+0:%s", p->left, at.digit, row.old, row.total);
    }
}

/* "34*6+0+4:2", the first n_left digits being right. */
static bool take_rest(product *p, int n_left, char digit, cursor *line)
{
    char left[MAX_LEFT + 1], old[MAX_TOTAL + 1], total[MAX_TOTAL + 1];
    int carry;

    if (read_digits(line, left, MAX_LEFT) != n_left ||
        memcmp(left, p->left, (size_t)n_left) != 0 || !cursor_char(line, '*') ||
        !cursor_char(line, digit) || !cursor_char(line, '+') ||
        !read_digits(line, old, MAX_TOTAL) || !cursor_char(line, '+') ||
        !cursor_number(line, &carry) || !cursor_char(line, ':'))
        return false;
    total[0] = '\0';            /* nothing is settled at first */
    if (line->s < line->end && !read_digits(line, total, MAX_TOTAL)) return false;
    if (line->s != line->end) return false;
    strcpy(p->old, old);
    strcpy(p->total, total);
    p->carry = carry;
    return true;
}

static bool multiply_take(void *state, int i, cursor line)
{
    product *p = state;
    place at = place_of(p, i);
    char digits[2], total[MAX_TOTAL + 1];
    int carry, value;

    if (at.done < 0) return take_rest(p, p->n_left, at.digit, &line);
    if (read_digits(&line, digits, 1) != 1 || !cursor_char(&line, '*') ||
        !cursor_char(&line, at.digit) || !cursor_char(&line, '+') ||
        read_digits(&line, digits, 1) != 1 || !cursor_char(&line, '+') ||
        !cursor_number(&line, &carry) || !cursor_char(&line, '=') ||
        !cursor_number(&line, &value) || !cursor_char(&line, ','))
        return false;
    if (at.done < p->n_left - 1)
        return take_rest(p, p->n_left - 1 - at.done, at.digit, &line);
    if (!read_digits(&line, total, MAX_TOTAL) || line.s != line.end) return false;
    strcpy(p->total, total);
    return true;
}

static void multiply_answer(const void *state, bytes *out)
{
    bytes_add_format(out, "%lld", atoll(((const product *)state)->total));
}

/* Another ones or tens digit of a product. */
static size_t multiply_twist(const void *state, int i, rng *r, bytes *out)
{
    const product *p = state;
    place at = place_of(p, i);
    bytes right = { 0 };

    if (at.done < 0) return 0;
    size_t cut = write_digit(p, at, 0, &right);
    size_t first = (size_t)(strchr(right.data, '=') + 1 - right.data), n = cut - first;
    int tens = n == 2 && rng_below(r, 2), digit = right.data[cut - 1 - (size_t)tens] - '0';
    bytes_fini(&right);
    if (n > 2) return 0;
    int other = tens ? 1 + (digit - 1 + rng_between(r, 1, 8)) % 9
                     : (digit + rng_between(r, 1, 9)) % 10;
    return write_digit(p, at, (other - digit) * (tens ? 10 : 1), out);
}

static const work multiply_work = {
    .state_bytes = sizeof(product),
    .header = work_header_key,
    .open = multiply_open,
    .depth = multiply_depth,
    .lines = multiply_lines,
    .start = multiply_start,
    .line = multiply_line,
    .take = multiply_take,
    .answer = multiply_answer,
    .twist = multiply_twist,
};

static char *multiply_draw(rng *r, int depth)
{
    char text[MAX_LEFT + MAX_RIGHT + 2];
    int n = 0, left, right;

    CHECK(depth >= 1 && depth <= MAX_DEPTH);
    do {
        n = left = right = 0;
        for (int i = 0; i < n_digits[depth - 1][0]; i++) {
            int digit = rng_between(r, i == 0, 9);
            left = left * 10 + digit;
            text[n++] = (char)('0' + digit);
        }
        text[n++] = '*';
        for (int i = 0; i < n_digits[depth - 1][1]; i++) {
            int digit = rng_between(r, depth == 1 ? 2 : 1, 9);
            right = right * 10 + digit;
            text[n++] = (char)('0' + digit);
        }
    } while (answer_stock((int64_t)left * right));
    text[n] = '\0';
    return mem_string(text);
}

/* In words: with a sign it would be an expression, which is worked otherwise. */
static void multiply_tell(problem *p, const char *key, rng *r, trace_effort effort)
{
    static const char *const phrasings[][3] = {
        { "What is ", " times ", "?" },
        { "Multiply ", " by ", "." },
        { "Find the product of ", " and ", "." },
        { "How much is ", " times ", "?" },
        { "Compute ", " multiplied by ", "." },
    };
    const char *const *f = phrasings[rng_below(r, sizeof phrasings / sizeof phrasings[0])];
    product m = { 0 };
    bytes b = { 0 };

    CHECK(multiply_open(&m, key));
    bytes_add_format(&b, "%s%s%s%s%s", f[0], m.left, f[1], m.right, f[2]);
    work_tell(&multiply_work, p, key, bytes_take(&b), effort);
}

static double multiply_grade(const char *key, const char *answer, size_t len)
{
    return work_grade_integer(&multiply_work, key, answer, len);
}

static void multiply_check(const char *key, const char *think, size_t len, trace_check *out)
{
    work_check(&multiply_work, key, think, len, out);
}

static bool multiply_edit(const char *key, const char *think, size_t len, rng *r,
                          char **prefix, char **follows)
{
    return work_edit(&multiply_work, key, think, len, r, prefix, follows);
}

const task task_multiply = {
    .name = "multiply",
    .about = "long multiplication",
    .min_depth = 1,
    .max_depth = MAX_DEPTH,
    .draw = multiply_draw,
    .tell = multiply_tell,
    .grade = multiply_grade,
    .check = multiply_check,
    .edit = multiply_edit,
};
