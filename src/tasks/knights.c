/* knights.c - who tells the truth: knights always do, knaves never.
 *
 * Depth counts the people, 2 to 4, named by capital letters; each says one thing.
 * A key lists who says what: "A:B- B:A~C C:A|B", where X+ is "X is a knight", X-
 * "X is a knave", X~Y the same kind, X#Y different kinds, X|Y "at least one is a
 * knave". Exactly one assignment fits. The trace restates the key, assumes one
 * assignment a line from all knights downwards and holds each saying against its
 * speaker until one clashes (x) or all fit (ok):
 *
 *   A:B- B:A#B
 *   A+B+;A+:B-n x
 *   A+B-;A+:B-y;B-:A#By x
 *   ...
 *   A-B+;A-:B-n;B+:A#By ok
 *   so A-B+ */
#include "tasks/families.h"

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"
#include "tasks/answer.h"
#include "tasks/lines.h"

enum { MAX_PEOPLE = 4, ANSWER_MAX = 4096 };

typedef struct saying {
    int x, y;                /* who it is about; y is -1 for '+' and '-' */
    char form;               /* one of + - ~ # | */
} saying;

typedef struct island {
    int n;
    char name[MAX_PEOPLE];
    saying said[MAX_PEOPLE];
} island;

/* Assignments are numbers: bit n-1-i is set when person i is a knave, so that
 * counting up goes through them in the order of the trace. */
static bool knave(const island *w, int kinds, int i)
{
    return kinds >> (w->n - 1 - i) & 1;
}

static bool holds(const island *w, int kinds, const saying *s)
{
    bool x = knave(w, kinds, s->x), y = s->y >= 0 && knave(w, kinds, s->y);

    switch (s->form) {
    case '+': return !x;
    case '-': return x;
    case '~': return x == y;
    case '#': return x != y;
    default: return x || y;
    }
}

/* The only assignment that fits, or -1. */
static int island_solve(const island *w)
{
    int found = -1;

    for (int kinds = 0; kinds < 1 << w->n; kinds++) {
        bool fits = true;
        for (int i = 0; i < w->n && fits; i++)
            fits = holds(w, kinds, &w->said[i]) != knave(w, kinds, i);
        if (!fits) continue;
        if (found >= 0) return -1;
        found = kinds;
    }
    return found;
}

static void add_saying(bytes *b, const island *w, const saying *s)
{
    bytes_add_char(b, w->name[s->x]);
    bytes_add_char(b, s->form);
    if (s->form != '+' && s->form != '-') bytes_add_char(b, w->name[s->y]);
}

static char *island_key(const island *w)
{
    bytes b = { 0 };

    for (int i = 0; i < w->n; i++) {
        bytes_add_format(&b, "%s%c:", i ? " " : "", w->name[i]);
        add_saying(&b, w, &w->said[i]);
    }
    return bytes_take(&b);
}

static int person(const island *w, char name)
{
    for (int i = 0; i < w->n; i++)
        if (w->name[i] == name) return i;
    return -1;
}

static bool read_saying(const island *w, cursor *c, saying *out)
{
    if (c->end - c->s < 2) return false;
    out->x = person(w, c->s[0]);
    out->form = c->s[1];
    out->y = -1;
    c->s += 2;
    if (out->x < 0) return false;
    if (out->form == '+' || out->form == '-') return true;
    if (out->form != '~' && out->form != '#' && out->form != '|') return false;
    if (c->s == c->end) return false;
    out->y = person(w, *c->s++);
    return out->y >= 0;
}

static bool island_parse(island *w, const char *key)
{
    cursor c = { key, key + strlen(key) };

    *w = (island){ 0 };
    for (const char *s = key; *s; s++)
        if (*s == ':' && s > key) {
            if (w->n == MAX_PEOPLE) return false;
            w->name[w->n++] = s[-1];
        }
    for (int i = 0; i < w->n; i++) {
        if (i > 0 && !cursor_char(&c, ' ')) return false;
        if (!cursor_char(&c, w->name[i]) || !cursor_char(&c, ':') ||
            !read_saying(w, &c, &w->said[i]))
            return false;
    }
    return c.s == c.end && w->n >= 2 && island_solve(w) >= 0;
}

static char *knights_draw(rng *r, int depth)
{
    static const char form[5] = { '+', '-', '~', '#', '|' };
    static const char letters[] = "ABCDEFGHJKLMNOPQRSTUVWXYZ";      /* I would mislead */
    island w = { .n = depth };

    CHECK(depth >= 2 && depth <= MAX_PEOPLE);
    int pick[sizeof letters - 1];
    for (int i = 0; i < (int)sizeof letters - 1; i++) pick[i] = i;
    rng_shuffle(r, pick, sizeof letters - 1);
    for (int i = 0; i < depth; i++) {
        int at = i;
        for (; at > 0 && w.name[at - 1] > letters[pick[i]]; at--) w.name[at] = w.name[at - 1];
        w.name[at] = letters[pick[i]];
    }
    do {
        for (int i = 0; i < depth; i++) {
            saying *s = &w.said[i];
            s->form = form[rng_below(r, 5)];
            if (s->form == '+' || s->form == '-') {
                s->y = -1;
                s->x = (i + 1 + (int)rng_below(r, (uint64_t)depth - 1)) % depth;
            } else {
                s->x = (int)rng_below(r, (uint64_t)depth);
                s->y = (s->x + 1 + (int)rng_below(r, (uint64_t)depth - 1)) % depth;
                if (s->x > s->y) {
                    int t = s->x;
                    s->x = s->y;
                    s->y = t;
                }
            }
        }
    } while (island_solve(&w) < 0);
    return island_key(&w);
}

static void say(bytes *b, const island *w, int speaker)
{
    const saying *s = &w->said[speaker];
    char x = w->name[s->x], y = s->y >= 0 ? w->name[s->y] : 0;

    bytes_add_format(b, " %c says ", w->name[speaker]);
    switch (s->form) {
    case '+': bytes_add_format(b, "%c is a knight.", x); break;
    case '-': bytes_add_format(b, "%c is a knave.", x); break;
    case '~': bytes_add_format(b, "%c and %c are the same kind.", x, y); break;
    case '#': bytes_add_format(b, "%c and %c are different kinds.", x, y); break;
    default: bytes_add_format(b, "at least one of %c and %c is a knave.", x, y); break;
    }
}

static void add_kinds(bytes *b, const island *w, int kinds)
{
    for (int i = 0; i < w->n; i++)
        bytes_add_format(b, "%c%c", w->name[i], knave(w, kinds, i) ? '-' : '+');
}

static void knights_tell(problem *p, const char *key, rng *r, trace_effort effort)
{
    island w;
    bytes prompt = { 0 }, pass = { 0 }, answer = { 0 };

    CHECK(island_parse(&w, key));
    int solution = island_solve(&w), phrasing = (int)rng_below(r, 4);
    static const char *const before[4] = {
        "Knights tell the truth, knaves lie.",
        "On an island knights always tell the truth and knaves always lie.",
        "A knight never lies; a knave always does.",
        "Knights and knaves:",
    };
    static const char *const after[4] = {
        " Who is what?", " Who is a knight and who is a knave?", " What is each of them?",
        " Tell who is who.",
    };
    bytes_add_string(&prompt, before[phrasing]);
    for (int i = 0; i < w.n; i++) say(&prompt, &w, i);
    bytes_add_string(&prompt, after[phrasing]);

    bytes_add_string(&pass, key);
    for (int kinds = 0; kinds <= solution; kinds++) {
        bool fits = true;
        bytes_add_char(&pass, '\n');
        add_kinds(&pass, &w, kinds);
        for (int i = 0; i < w.n && fits; i++) {
            bool yes = holds(&w, kinds, &w.said[i]), lies = knave(&w, kinds, i);
            bytes_add_format(&pass, ";%c%c:", w.name[i], lies ? '-' : '+');
            add_saying(&pass, &w, &w.said[i]);
            bytes_add_char(&pass, yes ? 'y' : 'n');
            fits = yes != lies;
        }
        bytes_add_string(&pass, fits ? " ok" : " x");
    }
    bytes_add_string(&pass, "\nso ");
    add_kinds(&pass, &w, solution);
    for (int i = 0; i < w.n; i++)
        bytes_add_format(&answer, "%s%c %s", i ? ", " : "", w.name[i],
                         knave(&w, solution, i) ? "knave" : "knight");
    p->prompt = bytes_take(&prompt);
    p->think = passes_write(bytes_take(&pass), effort);
    p->answer = bytes_take(&answer);
    p->solved = true;
    p->depth = w.n;
}

/* "A knight, B knave", "B is a knave and A is a knight", "A and C are knights ...":
 * names in capitals wait for the kind that follows them. Words that could turn the
 * meaning ("not", "or") are not among the fillers, so they make the answer wrong. */
static double island_grade(const island *w, cursor c)
{
    static const char *const filler[] = { "is", "are", "a", "and", "both", "all", "so" };
    bool named[MAX_PEOPLE] = { 0 };
    int waiting[MAX_PEOPLE], n_waiting = 0, n_named = 0;

    int solution = island_solve(w);
    while (c.s < c.end) {
        cursor word = { c.s, c.s };
        while (word.end < c.end && ((*word.end >= 'a' && *word.end <= 'z') ||
                                    (*word.end >= 'A' && *word.end <= 'Z')))
            word.end++;
        if (word.end == word.s) {
            if (!*c.s || !strchr(" ,;:.=\n", *c.s)) return 0;
            c.s++;
            continue;
        }
        c.s = word.end;
        int who = word.end - word.s == 1 ? person(w, *word.s) : -1;
        if (who >= 0) {
            if (named[who]) return 0;
            named[who] = true;
            n_named++;
            waiting[n_waiting++] = who;
            continue;
        }
        bool knight = cursor_is(&word, "knight") || cursor_is(&word, "knights");
        if (knight || cursor_is(&word, "knave") || cursor_is(&word, "knaves")) {
            if (n_waiting == 0) return 0;
            while (n_waiting > 0)
                if (knave(w, solution, waiting[--n_waiting]) == knight) return 0;
            continue;
        }
        bool known = false;
        for (size_t i = 0; i < sizeof filler / sizeof filler[0] && !known; i++)
            known = cursor_is(&word, filler[i]);
        if (!known) return 0;
    }
    return n_named == w->n && n_waiting == 0;
}

static double knights_grade(const char *key, const char *answer, size_t len)
{
    island w;

    if (len > ANSWER_MAX || !island_parse(&w, key)) return 0;
    char *text = answer_extract(answer, len);
    double score = text ? island_grade(&w, (cursor){ text, text + strlen(text) }) : 0;
    mem_free(text);
    return score;
}

/* ---- checking ---- */

typedef struct pass_state {
    const char *key;
    island w;
    int next;                /* assignment that comes next */
    int fits;                /* the one that the trace says fits, or -1 */
} pass_state;

/* "A+B-" as a number, or -1. */
static int read_kinds(const island *w, cursor *c)
{
    int kinds = 0;

    for (int i = 0; i < w->n; i++) {
        if (!cursor_char(c, w->name[i]) || c->s == c->end || (*c->s != '+' && *c->s != '-'))
            return -1;
        kinds = kinds * 2 + (*c->s++ == '-');
    }
    return kinds;
}

static bool saying_same(const saying *s, const saying *t)
{
    return s->x == t->x && s->form == t->form && s->y == t->y;
}

/* "A+B-;A+:B-y;B-:A#By x": the sayings are judged under the assignment written. */
static bool check_assumption(pass_state *t, cursor c, trace_check *out)
{
    const island *w = &t->w;
    int kinds = read_kinds(w, &c);
    bool clash = false;

    if (kinds < 0) return false;
    out->n_step++;
    out->n_true += kinds == t->next && t->fits < 0;
    t->next = kinds + 1;
    for (int i = 0; ; i++) {
        saying s;
        if (!cursor_char(&c, ';')) {
            if (i == 0) return false;
            bool ok = cursor_is(&c, " ok");
            if (!ok && !cursor_is(&c, " x")) return false;
            out->n_step++;
            out->n_true += ok ? i == w->n && !clash : clash;
            if (ok) t->fits = kinds;
            return true;
        }
        if (c.end - c.s < 3 || i == w->n) return false;
        char name = c.s[0], sign = c.s[1];
        bool lies = sign == '-';
        if ((!lies && sign != '+') || c.s[2] != ':') return false;
        c.s += 3;
        if (!read_saying(w, &c, &s) || c.s == c.end || (*c.s != 'y' && *c.s != 'n')) return false;
        bool yes = *c.s++ == 'y';
        out->n_step++;
        out->n_true += !clash && name == w->name[i] && lies == knave(w, kinds, i) &&
                       saying_same(&s, &w->said[i]) && yes == holds(w, kinds, &s);
        clash = clash || yes == lies;
    }
}

static bool knights_line(void *arg, int i_line, cursor line, trace_check *out, bool *end)
{
    pass_state *t = arg;

    if (i_line == 0) {
        t->next = 0;
        t->fits = -1;
        out->n_step++;
        out->n_true += cursor_is(&line, t->key);
        return memchr(line.s, ':', (size_t)(line.end - line.s)) != NULL;
    }
    if (!cursor_text(&line, "so ")) return check_assumption(t, line, out);
    int kinds = read_kinds(&t->w, &line);
    out->n_step++;
    out->n_true += kinds >= 0 && kinds == t->fits;
    *end = true;
    return kinds >= 0 && line.s == line.end;
}

static void knights_check(const char *key, const char *think, size_t len, trace_check *out)
{
    pass_state t = { .key = key };

    *out = (trace_check){ 0 };
    if (island_parse(&t.w, key)) passes_check(think, len, knights_line, &t, out);
}

const task task_knights = {
    .name = "knights",
    .about = "find out who tells the truth and who lies",
    .min_depth = 2,
    .max_depth = MAX_PEOPLE,
    .draw = knights_draw,
    .tell = knights_tell,
    .grade = knights_grade,
    .check = knights_check,
};
