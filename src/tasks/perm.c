/* perm.c - five things in five boxes, and swaps.
 *
 * Depth counts the swaps. A key is "badce 24 31": what is in boxes 1 to 5, and the
 * two boxes of each swap as they are named. No pair is named twice in the same
 * order, so the next swap is always found by the one before it. The trace gives
 * the arrangement after every swap, each letter behind the number of its box, so
 * that what changes places is found by what it stands next to and not by counting:
 *
 *   1b2a3d4c5e 24 31
 *   24:1b2c3d4a5e
 *   31:1d2c3b4a5e
 *   =dcbae */
#include "tasks/work.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "tasks/answer.h"

enum { N_BOX = 5, MAX_SWAPS = 12 };

typedef struct perm {
    char first[N_BOX + 1];
    int n;
    int swap[MAX_SWAPS][2];      /* boxes, from 1 */
    char now[N_BOX + 1];
} perm;

static void swap_boxes(char *boxes, int i, int j)
{
    char t = boxes[i - 1];

    boxes[i - 1] = boxes[j - 1];
    boxes[j - 1] = t;
}

/* All five letters, each once. */
static bool all_there(const char *boxes)
{
    int seen = 0;

    for (int i = 0; i < N_BOX; i++)
        if (boxes[i] >= 'a' && boxes[i] < 'a' + N_BOX) seen |= 1 << (boxes[i] - 'a');
    return seen == (1 << N_BOX) - 1;
}

static bool read_box(cursor *c, int *box)
{
    if (c->s == c->end || *c->s < '1' || *c->s >= '1' + N_BOX) return false;
    *box = *c->s++ - '0';
    return true;
}

/* "1b2a3d4c5e" */
static void write_boxes(const char *boxes, bytes *out)
{
    for (int i = 0; i < N_BOX; i++) bytes_add_format(out, "%d%c", i + 1, boxes[i]);
}

static bool read_boxes(cursor *c, char *boxes)
{
    for (int i = 0; i < N_BOX; i++) {
        if (!cursor_char(c, (char)('1' + i)) || c->s == c->end || *c->s < 'a' || *c->s > 'z')
            return false;
        boxes[i] = *c->s++;
    }
    boxes[N_BOX] = '\0';
    return true;
}

static bool perm_open(void *state, const char *key)
{
    perm *p = state;
    cursor at = { key, key + strlen(key) };

    if (cursor_letters(&at, p->first, N_BOX) != N_BOX || !all_there(p->first)) return false;
    while (at.s < at.end) {
        if (p->n == MAX_SWAPS) return false;
        int *pair = p->swap[p->n++];
        if (!cursor_char(&at, ' ') || !read_box(&at, &pair[0]) || !read_box(&at, &pair[1]) ||
            pair[0] == pair[1])
            return false;
    }
    return p->n > 0;
}

static int perm_depth(const void *state)
{
    return ((const perm *)state)->n;
}

static void perm_start(void *state)
{
    perm *p = state;

    memcpy(p->now, p->first, sizeof p->now);
}

static void perm_header(const void *state, const char *key, bytes *out)
{
    write_boxes(((const perm *)state)->first, out);
    bytes_add_string(out, key + N_BOX);
}

static void perm_line(const void *state, int i, bytes *out)
{
    const perm *p = state;
    char next[N_BOX + 1];

    memcpy(next, p->now, sizeof next);
    swap_boxes(next, p->swap[i][0], p->swap[i][1]);
    bytes_add_format(out, "%d%d:", p->swap[i][0], p->swap[i][1]);
    write_boxes(next, out);
}

static bool perm_take(void *state, int i, cursor line)
{
    perm *p = state;
    char next[N_BOX + 1];
    int a, b;

    if (!read_box(&line, &a) || !read_box(&line, &b) || a != p->swap[i][0] ||
        b != p->swap[i][1] || !cursor_char(&line, ':') ||
        !read_boxes(&line, next) || line.s != line.end)
        return false;
    memcpy(p->now, next, sizeof next);
    return true;
}

static void perm_answer(const void *state, bytes *out)
{
    bytes_add_string(out, ((const perm *)state)->now);
}

/* Two things of the arrangement change places. */
static size_t perm_twist(const void *state, int i, rng *r, bytes *out)
{
    int a = rng_between(r, 1, N_BOX), b = rng_between(r, 1, N_BOX - 1);
    char *boxes, t;

    b += b >= a;
    perm_line(state, i, out);
    boxes = out->data + out->len - 2 * N_BOX;
    t = boxes[2 * a - 1];
    boxes[2 * a - 1] = boxes[2 * b - 1];
    boxes[2 * b - 1] = t;
    return out->len;
}

static const work perm_work = {
    .state_bytes = sizeof(perm),
    .header = perm_header,
    .open = perm_open,
    .depth = perm_depth,
    .lines = perm_depth,
    .start = perm_start,
    .line = perm_line,
    .take = perm_take,
    .answer = perm_answer,
    .twist = perm_twist,
};

static bool has_swap(const perm *p, int a, int b)
{
    for (int i = 0; i < p->n; i++)
        if (p->swap[i][0] == a && p->swap[i][1] == b) return true;
    return false;
}

static char *perm_draw(rng *r, int depth)
{
    perm p;

    CHECK(depth >= 1 && depth <= MAX_SWAPS);
    /* Neither the order one starts from nor that of the alphabet is an answer: both
     * could be given without any work. */
    do {
        int order[N_BOX];
        p = (perm){ 0 };
        for (int i = 0; i < N_BOX; i++) order[i] = i;
        rng_shuffle(r, order, N_BOX);
        for (int i = 0; i < N_BOX; i++) p.first[i] = (char)('a' + order[i]);
        memcpy(p.now, p.first, sizeof p.now);
        while (p.n < depth) {
            int a = rng_between(r, 1, N_BOX), b = rng_between(r, 1, N_BOX);
            if (a == b || has_swap(&p, a, b)) continue;
            swap_boxes(p.now, a, b);
            p.swap[p.n][0] = a;
            p.swap[p.n++][1] = b;
        }
    } while (strcmp(p.now, p.first) == 0 || strcmp(p.now, "abcde") == 0);

    bytes b = { 0 };
    bytes_add_string(&b, p.first);
    for (int i = 0; i < p.n; i++) bytes_add_format(&b, " %d%d", p.swap[i][0], p.swap[i][1]);
    return bytes_take(&b);
}

typedef struct phrasing {
    const char *before, *comma, *middle, *and, *between, *after;
} phrasing;

static const phrasing phrasings[] = {
    { "Boxes 1 to 5 hold ", ", ", ". Swap boxes ", " and ", ", then ", ". What is the order now?" },
    { "Five boxes hold ", ", ", " in this order. Swap ", " and ", ", ",
      ". What do they hold at the end?" },
    { "The order is ", " ", ". Exchange places ", " and ", ", then ", ". Give the final order." },
    { "Start from ", "", ". Swap ", "-", ", ", ". What is the final order?" },
    { "Letters ", "", " stand in places 1 to 5. Swap places ", " with ", ", then ",
      ". What is the order now?" },
};

static void perm_tell(problem *out, const char *key, rng *r, trace_effort effort)
{
    const phrasing *f = &phrasings[rng_below(r, sizeof phrasings / sizeof phrasings[0])];
    perm p = { 0 };
    bytes b = { 0 };

    CHECK(perm_open(&p, key));
    bytes_add_string(&b, f->before);
    for (int i = 0; i < N_BOX; i++)
        bytes_add_format(&b, "%s%c", i > 0 ? f->comma : "", p.first[i]);
    bytes_add_string(&b, f->middle);
    for (int i = 0; i < p.n; i++)
        bytes_add_format(&b, "%s%d%s%d", i > 0 ? f->between : "", p.swap[i][0], f->and,
                         p.swap[i][1]);
    bytes_add_string(&b, f->after);
    work_tell(&perm_work, out, key, bytes_take(&b), effort);
}

/* Letters may stand apart: "d, c, b, a, e". */
static double perm_grade(const char *key, const char *answer, size_t len)
{
    char *text = answer_extract(answer, len), *want = work_answer(&perm_work, key);
    char got[N_BOX + 1] = "";
    int n = 0;
    bool good = text && want;

    for (const char *s = text; good && *s; s++) {
        if (strchr(" ,-", *s)) continue;
        good = n < N_BOX;
        if (good) got[n++] = (char)tolower((unsigned char)*s);
    }
    good = good && strcmp(got, want) == 0;
    mem_free(text);
    mem_free(want);
    return good ? 1 : 0;
}

static void perm_check(const char *key, const char *think, size_t len, trace_check *out)
{
    work_check(&perm_work, key, think, len, out);
}

static bool perm_edit(const char *key, const char *think, size_t len, rng *r, char **prefix,
                      char **follows)
{
    return work_edit(&perm_work, key, think, len, r, prefix, follows);
}

const task task_perm = {
    .name = "perm",
    .about = "follow five things through swaps of their boxes",
    .min_depth = 1,
    .max_depth = MAX_SWAPS,
    .draw = perm_draw,
    .tell = perm_tell,
    .grade = perm_grade,
    .check = perm_check,
    .edit = perm_edit,
};
