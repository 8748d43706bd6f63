/* search.c - the teacher: attempts that look one operation ahead.
 *
 * What a small network can see from the text close by decides every choice. With
 * two numbers left the operation that hits the target is taken, else the one that
 * comes nearest. With three left, a result that meets a remaining number at the
 * target is preferred; with more, a result that could be a factor or a summand of
 * the target. Chance keeps attempts apart, and none is made twice. */
#include "tasks/search_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"

enum {
    VALUE_MAX = 4095,        /* of search_reach */
    TEACH_MAX = 199,         /* the teacher writes no larger intermediate result */
    N_SEARCH = 4,            /* searches tried for a trace */
    N_REDRAW = 200,          /* draws before a search counts as exhausted */
    ATTEMPT_MAX = 32,
    BOOST = 14,              /* weight of a result that hits with the last number;
                              * at 40 three numbers fall at once and no trace shows a
                              * miss, at 8 the search is little better than chance */
};

/* ---- numbers ---- */

bool numbers_parse(numbers *p, const char *key)
{
    const char *s = key;

    *p = (numbers){ 0 };
    for (;;) {
        char *end;
        if (*s < '0' || *s > '9' || p->n == SEARCH_MAX) return false;
        long v = strtol(s, &end, 10);
        if (v < 1 || v > 99) return false;
        p->x[p->n++] = (int)v;
        s = end;
        if (*s != ' ') break;
        s++;
    }
    if (*s != '=' || s[1] < '0' || s[1] > '9' || p->n < 2) return false;
    char *end;
    long v = strtol(s + 1, &end, 10);
    if (v > SEARCH_TARGET_MAX || *end) return false;
    p->target = (int)v;
    return true;
}

static int int_order(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

char *numbers_key(const numbers *p)
{
    numbers q = *p;
    bytes b = { 0 };

    qsort(q.x, (size_t)q.n, sizeof q.x[0], int_order);
    for (int i = 0; i < q.n; i++) bytes_add_format(&b, "%s%d", i ? " " : "", q.x[i]);
    bytes_add_format(&b, "=%d", q.target);
    return bytes_take(&b);
}

char *numbers_text(const int *x, int n, const char *last)
{
    bytes b = { 0 };

    for (int i = 0; i < n; i++) {
        if (i > 0 && i == n - 1 && last) bytes_add_format(&b, " %s ", last);
        else if (i > 0) bytes_add_string(&b, last ? ", " : " ");
        bytes_add_format(&b, "%d", x[i]);
    }
    return bytes_take(&b);
}

bool numbers_take(int *x, int *n, int value)
{
    for (int i = 0; i < *n; i++)
        if (x[i] == value) {
            memmove(x + i, x + i + 1, (size_t)(*n - i - 1) * sizeof *x);
            --*n;
            return true;
        }
    return false;
}

/* ---- what can be reached ---- */

typedef struct valueset {
    uint64_t bit[(VALUE_MAX + 1) / 64];
    int n;
    short value[VALUE_MAX + 1];
} valueset;

static void valueset_add(valueset *s, int v)
{
    if (v > VALUE_MAX) return;
    if (s->bit[v / 64] >> (v % 64) & 1) return;
    s->bit[v / 64] |= 1ull << (v % 64);
    s->value[s->n++] = (short)v;
}

void search_reach(const int *x, int n, bool reach[SEARCH_TARGET_MAX + 1])
{
    int n_set = 1 << n;
    valueset *set = mem_array((size_t)n_set, sizeof *set);

    /* Sets of numbers are bit masks; the parts of a mask are smaller than it. */
    for (int m = 1; m < n_set; m++) {
        for (int i = 0; i < n; i++)
            if (m == 1 << i) valueset_add(&set[m], x[i]);
        for (int p = (m - 1) & m; p > (m ^ p); p = (p - 1) & m) {
            const valueset *s = &set[p], *t = &set[m ^ p];
            for (int i = 0; i < s->n; i++)
                for (int j = 0; j < t->n; j++) {
                    int a = s->value[i], b = t->value[j];
                    int high = a > b ? a : b, low = a > b ? b : a;
                    valueset_add(&set[m], high + low);
                    valueset_add(&set[m], high - low);
                    valueset_add(&set[m], high * low);
                    if (low > 0 && high % low == 0) valueset_add(&set[m], high / low);
                }
        }
    }
    const valueset *all = &set[n_set - 1];
    for (int t = 0; t <= SEARCH_TARGET_MAX; t++) reach[t] = all->bit[t / 64] >> (t % 64) & 1;
    mem_free(set);
}

typedef struct ratio {
    long long p, q;          /* q is not 0; never reduced: 4 numbers stay small */
} ratio;

static bool ratio_reach(const ratio *x, int n, int target)
{
    if (n == 1) return x[0].p == target * x[0].q;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            if (i == j) continue;
            ratio a = x[i], b = x[j], rest[SEARCH_MAX];
            int n_rest = 0;
            for (int k = 0; k < n; k++)
                if (k != i && k != j) rest[n_rest++] = x[k];
            const ratio result[4] = {
                { a.p * b.q + b.p * a.q, a.q * b.q },
                { a.p * b.q - b.p * a.q, a.q * b.q },
                { a.p * b.p, a.q * b.q },
                { a.p * b.q, a.q * b.p },
            };
            for (int o = 0; o < 4; o++) {
                if (result[o].q == 0 || (i > j && (o == 0 || o == 2))) continue;
                rest[n_rest] = result[o];
                if (ratio_reach(rest, n_rest + 1, target)) return true;
            }
        }
    return false;
}

bool search_solvable(const numbers *p)
{
    ratio x[4];

    CHECK(p->n <= 4);
    for (int i = 0; i < p->n; i++) x[i] = (ratio){ p->x[i], 1 };
    return ratio_reach(x, p->n, p->target);
}

/* ---- attempts ---- */

/* The larger number stands first, so that a pair and a sign name one operation. */
static bool operate(operation *o, char sign, int x, int y)
{
    int a = x > y ? x : y, b = x > y ? y : x;

    *o = (operation){ a, b, 0, sign };
    switch (sign) {
    case '+': o->result = a + b; return true;
    case '-': o->result = a - b; return true;
    case '*': o->result = a * b; return true;
    default:
        if (b == 0 || a % b != 0) return false;
        o->result = a / b;
        return true;
    }
}

static void replace(int *x, int *n, int i, int j, int result)
{
    int y[SEARCH_MAX], m = 0;

    y[m++] = result;
    for (int k = 0; k < *n; k++)
        if (k != i && k != j) y[m++] = x[k];
    memcpy(x, y, (size_t)m * sizeof *x);
    *n = m;
}

static bool meets(int a, int b, int target)
{
    int high = a > b ? a : b, low = a > b ? b : a;

    return a + b == target || high - low == target || a * b == target ||
           (low > 0 && high == target * low);
}

/* How promising a result is beside the numbers that remain. */
static int weigh(const operation *o, const int *rest, int n_rest, int target)
{
    int v = o->result;

    if (v > TEACH_MAX) return 0;
    if (n_rest == 1) return meets(v, rest[0], target) ? BOOST : v > 3 * target ? 1 : 2;
    int w = 2;
    if (v > 1 && v < target && target % v == 0) w += 3;
    if (v == 1 || v == target) w += 2;
    for (int i = 0; i < n_rest; i++)
        if (meets(v, rest[i], target)) w += 4;
    if (v == 0 || v > 2 * target) w = 1;
    return w;
}

static void attempt_draw(attempt *t, const numbers *start, rng *r)
{
    static const char sign[4] = { '+', '-', '*', '/' };
    int x[SEARCH_MAX], n = start->n;

    memcpy(x, start->x, sizeof x);
    t->n = 0;
    while (n > 2) {
        struct { operation op; int i, j, weight; } choice[15 * 4];
        int n_choice = 0, total = 0;
        for (int i = 0; i < n; i++)
            for (int j = i + 1; j < n; j++) {
                int rest[SEARCH_MAX], n_rest = 0;
                for (int k = 0; k < n; k++)
                    if (k != i && k != j) rest[n_rest++] = x[k];
                for (int s = 0; s < 4; s++) {
                    operation o;
                    if (!operate(&o, sign[s], x[i], x[j])) continue;
                    int w = weigh(&o, rest, n_rest, start->target);
                    if (w == 0) continue;
                    choice[n_choice].op = o;
                    choice[n_choice].i = i;
                    choice[n_choice].j = j;
                    choice[n_choice++].weight = w;
                    total += w;
                }
            }
        int at = (int)rng_below(r, (uint64_t)total), c = 0;
        while (at >= choice[c].weight) at -= choice[c++].weight;
        t->op[t->n++] = choice[c].op;
        replace(x, &n, choice[c].i, choice[c].j, choice[c].op.result);
    }
    operation best = { 0 };
    int best_gap = -1;
    for (int s = 0; s < 4; s++) {
        operation o;
        if (!operate(&o, sign[s], x[0], x[1])) continue;
        int gap = abs(o.result - start->target);
        if (best_gap < 0 || gap < best_gap) {
            best = o;
            best_gap = gap;
        }
    }
    t->op[t->n++] = best;
}

static int operation_order(const void *a, const void *b)
{
    const operation *x = a, *y = b;

    if (x->a != y->a) return x->a < y->a ? -1 : 1;
    if (x->b != y->b) return x->b < y->b ? -1 : 1;
    return (x->sign > y->sign) - (x->sign < y->sign);
}

/* One of the forms that say the same: larger numbers first, operations sorted. */
static void attempt_sort(attempt *t)
{
    for (int i = 0; i < t->n; i++) {
        operation *o = &t->op[i];
        if ((o->sign == '+' || o->sign == '*') && o->a < o->b) {
            int swap = o->a;
            o->a = o->b;
            o->b = swap;
        }
    }
    qsort(t->op, (size_t)t->n, sizeof t->op[0], operation_order);
}

bool attempt_same(const attempt *s, const attempt *t)
{
    attempt u = *s, v = *t;

    if (u.n != v.n) return false;
    attempt_sort(&u);
    attempt_sort(&v);
    for (int i = 0; i < u.n; i++)
        if (operation_order(&u.op[i], &v.op[i]) != 0) return false;
    return true;
}

/* Attempts until one hits, as many as allowed, or all that the draws find.
 * Returns their number; *hit tells whether the last one hits. */
static int search_run(attempt *made, const numbers *x, rng *r, int allowed, bool *hit)
{
    int n = 0;

    *hit = false;
    while (n < allowed && !*hit) {
        bool known = true;
        for (int draw = 0; draw < N_REDRAW && known; draw++) {
            attempt_draw(&made[n], x, r);
            known = false;
            for (int i = 0; i < n && !known; i++) known = attempt_same(&made[i], &made[n]);
        }
        if (known) break;
        *hit = made[n].op[made[n].n - 1].result == x->target;
        n++;
    }
    return n;
}

static void attempt_write(bytes *out, const attempt *t, const numbers *start)
{
    int x[SEARCH_MAX], n = start->n;

    memcpy(x, start->x, sizeof x);
    for (int i = 0; i < t->n; i++) {
        const operation *o = &t->op[i];
        numbers_take(x, &n, o->a);
        numbers_take(x, &n, o->b);
        bytes_add_format(out, "%s%d%c%d=%d", i ? "," : "", o->a, o->sign, o->b, o->result);
        for (int k = 0; k < n; k++) bytes_add_format(out, " %d", x[k]);
        memmove(x + 1, x, (size_t)n * sizeof *x);
        x[0] = o->result;
        n++;
    }
    bool hit = t->op[t->n - 1].result == start->target;
    bytes_add_format(out, ":%d%c", start->target, hit ? '=' : '-');
}

void search_tell(problem *p, const numbers *x, rng *r, trace_effort effort)
{
    static const int allowed[3] = { 4, 12, 32 };
    attempt made[ATTEMPT_MAX];
    int n_made = 0;
    bool solved = false;

    /* The first search that hits, not the shortest: a learner has to see attempts
     * that miss to learn the verdict and to go on. */
    for (int i = 0; i < N_SEARCH && !solved; i++)
        n_made = search_run(made, x, r, allowed[effort], &solved);
    bytes think = { 0 }, answer = { 0 };
    for (int i = 0; i < x->n; i++) bytes_add_format(&think, "%s%d", i ? " " : "", x->x[i]);
    bytes_add_format(&think, ":%d", x->target);
    for (int i = 0; i < n_made; i++) {
        bytes_add_char(&think, '\n');
        attempt_write(&think, &made[i], x);
    }
    if (solved) {
        const attempt *t = &made[n_made - 1];
        for (int i = 0; i < t->n; i++)
            bytes_add_format(&answer, "%s%d%c%d=%d", i ? "," : "", t->op[i].a, t->op[i].sign,
                             t->op[i].b, t->op[i].result);
    } else {
        bytes_add_string(&think, "\nnone");
        bytes_add_string(&answer, "none");
    }
    p->think = bytes_take(&think);
    p->answer = bytes_take(&answer);
    p->solved = solved;
    p->depth = x->n;
}

double countdown_teacher_search(const char *key, rng *r, int attempts)
{
    numbers x;
    bool hit;

    CHECK(numbers_parse(&x, key));
    attempt *made = mem_array((size_t)attempts + 1, sizeof *made);
    rng_shuffle(r, x.x, x.n);
    search_run(made, &x, r, attempts, &hit);
    mem_free(made);
    return hit;
}

double countdown_random_search(const char *key, rng *r, int attempts)
{
    numbers start;

    CHECK(numbers_parse(&start, key));
    for (int t = 0; t < attempts; t++) {
        int x[SEARCH_MAX], n = start.n;
        memcpy(x, start.x, sizeof x);
        while (n > 1) {
            int i = (int)rng_below(r, (uint64_t)n), j = (int)rng_below(r, (uint64_t)n - 1);
            if (j >= i) j++;
            int a = x[i], b = x[j], value[4], n_value = 0;
            value[n_value++] = a + b;
            /* A product past any use is not valid, so that ints hold every value. */
            if (a <= 100000 / (b + 1)) value[n_value++] = a * b;
            if (a >= b) value[n_value++] = a - b;
            if (b > 0 && a % b == 0) value[n_value++] = a / b;
            replace(x, &n, i, j, value[rng_below(r, (uint64_t)n_value)]);
        }
        if (x[0] == start.target) return 1;
    }
    return 0;
}
