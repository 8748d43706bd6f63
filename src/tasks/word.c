/* word.c - word problems: a story, a question, a number.
 *
 * Depth counts the operations, 1 to 5. A key is the program of the story: theme,
 * item and the two people, then one event after another, each a letter of the list
 * below with its numbers, the question last; "z" is an aside that does not matter.
 *
 *   0.1.4.7 g3,5 a4 z0,9 t2 b
 *
 * The trace writes one operation a line, under the name of what it gives, and ends
 * with what was asked for:
 *
 *   Sam: 3*5=15
 *   Sam: 15+4=19
 *   Lily: 19*2=38
 *   both: 19+38=57
 *   both stamps? 57 */
#include "tasks/families.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"
#include "tasks/answer.h"
#include "tasks/lines.h"
#include "tasks/story.h"

enum { MAX_STEP = 5, MAX_EVENT = 9, ASIDE = N_EVENT };

static const char event_letter[] = "hgalALHtmfqbdspcz";

typedef struct happening {
    int what;                /* an event, or ASIDE with n its number in the list */
    int n, k;
} happening;

/* Where a step takes a number from: a value of the story, or an earlier step. */
typedef struct operand {
    int value;
    int step;                /* -1 for a value */
} operand;

typedef struct step {
    char label[12];
    operand a, b;
    char sign;
    int result;
} step;

typedef struct program {
    int theme, item, who, other;
    happening event[MAX_EVENT];
    int n_event;
    step step[MAX_STEP];
    int n_step;
    const char *unit;        /* of the answer */
} program;

/* ---- from events to steps ---- */

static int n_numbers(int what)
{
    switch (what) {
    case EVENT_GROUPS: case EVENT_GAIN_GROUPS: case EVENT_LOSE_GROUPS: case EVENT_ASK_CHANGE:
    case ASIDE:
        return 2;
    case EVENT_HALF: case EVENT_ASK: case EVENT_ASK_BOTH: case EVENT_ASK_GAP: return 0;
    default: return 1;
    }
}

static bool is_question(int what)
{
    return what >= EVENT_ASK && what < N_EVENT;
}

static bool is_other(int what)
{
    return what == EVENT_TIMES || what == EVENT_MORE || what == EVENT_FEWER;
}

static bool operate(char sign, int a, int b, int *out)
{
    switch (sign) {
    case '+': *out = a + b; break;
    case '-': *out = a - b; break;
    case '*': *out = a * b; break;
    default:
        if (b == 0 || a % b != 0) return false;
        *out = a / b;
        break;
    }
    return *out >= 0;
}

/* Append a step; *out then names its result. False when it does not work out. */
static bool step_add(program *p, const char *label, operand a, char sign, operand b, operand *out)
{
    step *s = &p->step[p->n_step];

    if (p->n_step == MAX_STEP) return false;
    if (!operate(sign, a.value, b.value, &s->result)) return false;
    snprintf(s->label, sizeof s->label, "%s", label);
    s->a = a;
    s->b = b;
    s->sign = sign;
    *out = (operand){ s->result, p->n_step++ };
    return true;
}

/* Work the events out. False when they make no story: a theme without a sentence for
 * one, numbers that do not go, an order without sense. */
static bool program_plan(program *p)
{
    const theme *t = &story_theme[p->theme];
    operand v = { 0, -1 }, before = { 0, -1 };
    int who = p->who, other = p->other, n_other = 0;

    p->n_step = 0;
    p->unit = t->item[p->item];
    for (int i = 0; i < p->n_event; i++) {
        const happening *e = &p->event[i];
        const char *name = story_name[who];
        operand n = { e->n, -1 }, k = { e->k, -1 }, x;
        int last = i > 0 ? p->event[i - 1].what : -1;
        bool good = true, ends = i == p->n_event - 1;
        if (e->what == ASIDE) {
            if (i == 0 || ends || e->n >= N_ASIDE) return false;
            continue;
        }
        if (!t->say[e->what] || (i == 0) != (e->what == EVENT_HAS || e->what == EVENT_GROUPS) ||
            ends != is_question(e->what) || (is_other(e->what) && n_other++ > 0))
            return false;
        if (last == ASIDE) last = p->event[i - 2].what;
        switch (e->what) {
        case EVENT_HAS: v = k; break;
        case EVENT_GROUPS: good = step_add(p, name, n, '*', k, &v); break;
        case EVENT_GAIN: good = step_add(p, name, v, '+', k, &v); break;
        case EVENT_LOSE: good = step_add(p, name, v, '-', k, &v); break;
        case EVENT_GAIN_GROUPS:
        case EVENT_LOSE_GROUPS:
            good = step_add(p, t->aux, n, '*', k, &x) &&
                   step_add(p, name, v, e->what == EVENT_GAIN_GROUPS ? '+' : '-', x, &v);
            break;
        case EVENT_HALF: good = step_add(p, name, v, '/', (operand){ 2, -1 }, &v); break;
        case EVENT_TIMES:
        case EVENT_MORE:
        case EVENT_FEWER: {
            static const char sign[3] = { '*', '+', '-' };
            before = v;
            good = step_add(p, story_name[other], v, sign[e->what - EVENT_TIMES], k, &v);
            int swap = who;
            who = other;
            other = swap;
            break;
        }
        case EVENT_ASK: break;
        case EVENT_ASK_BOTH:
            good = is_other(last) && step_add(p, "both", before, '+', v, &v);
            break;
        case EVENT_ASK_GAP:
            good = last == EVENT_TIMES && step_add(p, "gap", v, '-', before, &v);
            break;
        case EVENT_ASK_EACH: good = step_add(p, "each", v, '/', k, &v); break;
        case EVENT_ASK_WORTH:
            good = step_add(p, "all", v, '*', k, &v);
            p->unit = "dollars";
            break;
        default:
            good = step_add(p, "cost", v, '*', k, &x) && step_add(p, "change", n, '-', x, &v);
            p->unit = "dollars";
            break;
        }
        if (!good || v.value < 1) return false;
    }
    return p->n_step >= 1;
}

/* ---- keys ---- */

static char *program_key(const program *p)
{
    bytes b = { 0 };

    bytes_add_format(&b, "%d.%d.%d.%d", p->theme, p->item, p->who, p->other);
    for (int i = 0; i < p->n_event; i++) {
        const happening *e = &p->event[i];
        bytes_add_format(&b, " %c", event_letter[e->what]);
        if (n_numbers(e->what) == 2) bytes_add_format(&b, "%d,%d", e->n, e->k);
        if (n_numbers(e->what) == 1) bytes_add_format(&b, "%d", e->k);
    }
    return bytes_take(&b);
}

static bool program_parse(program *p, const char *key)
{
    cursor c = { key, key + strlen(key) };

    *p = (program){ 0 };
    if (!cursor_number(&c, &p->theme) || !cursor_char(&c, '.') || !cursor_number(&c, &p->item) ||
        !cursor_char(&c, '.') || !cursor_number(&c, &p->who) || !cursor_char(&c, '.') ||
        !cursor_number(&c, &p->other))
        return false;
    if (p->theme >= N_THEME || p->item >= MAX_ITEM || !story_theme[p->theme].item[p->item] ||
        p->who >= N_NAME || p->other >= N_NAME)
        return false;
    while (cursor_char(&c, ' ')) {
        happening *e = &p->event[p->n_event];
        const char *letter = c.s < c.end ? strchr(event_letter, *c.s) : NULL;
        if (!letter || p->n_event == MAX_EVENT) return false;
        c.s++;
        p->n_event++;
        e->what = (int)(letter - event_letter);
        int n = n_numbers(e->what);
        if (n == 2 && (!cursor_number(&c, &e->n) || !cursor_char(&c, ','))) return false;
        if (n >= 1 && !cursor_number(&c, &e->k)) return false;
    }
    return c.s == c.end && program_plan(p);
}

/* ---- drawing ---- */

static void event_draw(program *p, rng *r, int what)
{
    happening *e = &p->event[p->n_event++];

    *e = (happening){ .what = what };
    switch (what) {
    case EVENT_HAS: e->k = rng_between(r, 5, 60); break;
    case EVENT_GROUPS: e->n = rng_between(r, 2, 9); e->k = rng_between(r, 2, 12); break;
    case EVENT_GAIN: case EVENT_LOSE: e->k = rng_between(r, 2, 30); break;
    case EVENT_GAIN_GROUPS: case EVENT_LOSE_GROUPS:
        e->n = rng_between(r, 2, 6);
        e->k = rng_between(r, 2, 9);
        break;
    case EVENT_TIMES: e->k = rng_between(r, 2, 5); break;
    case EVENT_MORE: case EVENT_FEWER: e->k = rng_between(r, 2, 25); break;
    case EVENT_ASK_EACH: e->k = rng_between(r, 2, 9); break;
    case EVENT_ASK_WORTH: e->k = rng_between(r, 2, 6); break;
    case EVENT_ASK_CHANGE: e->k = rng_between(r, 2, 5); e->n = 10 * rng_between(r, 2, 15); break;
    case ASIDE: e->n = (int)rng_below(r, N_ASIDE); e->k = rng_between(r, 2, 12); break;
    default: break;
    }
}

static bool is_small(const program *p)
{
    for (int i = 0; i < p->n_step; i++)
        if (p->step[i].result > story_theme[p->theme].max) return false;
    return true;
}

/* Draw events until a story of this depth comes out: each try is cheap, and rules
 * about what may follow what live in program_plan alone. */
static char *word_draw(rng *r, int depth)
{
    CHECK(depth >= 1 && depth <= MAX_STEP);
    for (;;) {
        program p = { .theme = (int)rng_below(r, N_THEME) };
        int n_item = 0;
        while (n_item < MAX_ITEM && story_theme[p.theme].item[n_item]) n_item++;
        p.item = (int)rng_below(r, (uint64_t)n_item);
        p.who = (int)rng_below(r, N_NAME);
        p.other = (p.who + 1 + (int)rng_below(r, N_NAME - 1)) % N_NAME;
        int n_middle = rng_between(r, depth > 3 ? 1 : 0, depth);
        int aside = -1;
        if (depth >= 2 && rng_below(r, 2)) aside = (int)rng_below(r, (uint64_t)n_middle + 1);
        event_draw(&p, r, rng_below(r, 2) ? EVENT_HAS : EVENT_GROUPS);
        for (int i = 0; i <= n_middle; i++) {
            if (i == aside) event_draw(&p, r, ASIDE);
            if (i < n_middle) event_draw(&p, r, rng_between(r, EVENT_GAIN, EVENT_FEWER));
        }
        event_draw(&p, r, rng_between(r, EVENT_ASK, N_EVENT - 1));
        if (!program_plan(&p) || p.n_step != depth || !is_small(&p)) continue;
        if (!answer_stock(p.step[depth - 1].result)) return program_key(&p);
    }
}

/* ---- telling ---- */

/* Take the next phrasing off a pattern; false at its end. */
static bool next_phrasing(const char **pattern, cursor *out)
{
    if (!**pattern) return false;
    *out = (cursor){ *pattern, *pattern + strcspn(*pattern, "|") };
    *pattern = out->end + (*out->end == '|');
    return true;
}

static bool names_person(cursor c)
{
    for (; c.end - c.s >= 2; c.s++)
        if (c.s[0] == '%' && c.s[1] == 'p') return true;
    return false;
}

/* One of the phrasings of a pattern, filled in; once two people are in the story, one
 * that says who is meant. */
static void say(bytes *out, const char *pattern, const program *p, int who, int other,
                const happening *e, rng *r)
{
    cursor form[8], c;
    int n = 0;

    while (n < 8 && next_phrasing(&pattern, &c))
        if (who == p->who || e->what >= ASIDE || names_person(c)) form[n++] = c;
    CHECK(n > 0);
    c = form[rng_below(r, (uint64_t)n)];
    if (out->len > 0) bytes_add_char(out, ' ');
    for (const char *s = c.s; s < c.end; s++) {
        if (*s != '%') {
            bytes_add_char(out, *s);
            continue;
        }
        switch (*++s) {
        case 'p': bytes_add_string(out, story_name[who]); break;
        case 'o': bytes_add_string(out, story_name[other]); break;
        case 'i': bytes_add_string(out, story_theme[p->theme].item[p->item]); break;
        case 'n': bytes_add_format(out, "%d", e->n); break;
        default: bytes_add_format(out, "%d", e->k); break;
        }
    }
}

static void word_tell(problem *out, const char *key, rng *r, trace_effort effort)
{
    program p;
    bytes prompt = { 0 }, pass = { 0 }, answer = { 0 };

    CHECK(program_parse(&p, key));
    int who = p.who, other = p.other;
    for (int i = 0; i < p.n_event; i++) {
        const happening *e = &p.event[i];
        if (e->what == EVENT_ASK_GAP || e->what == EVENT_ASK_BOTH) {
            /* asked from the first person's side */
            say(&prompt, story_theme[p.theme].say[e->what], &p, other, who, e, r);
            continue;
        }
        say(&prompt, e->what == ASIDE ? story_aside[e->n] : story_theme[p.theme].say[e->what], &p,
            who, other, e, r);
        if (is_other(e->what)) {
            int swap = who;
            who = other;
            other = swap;
        }
    }
    const step *last = &p.step[p.n_step - 1];
    for (int i = 0; i < p.n_step; i++) {
        const step *s = &p.step[i];
        bytes_add_format(&pass, "%s: %d%c%d=%d\n", s->label, s->a.value, s->sign, s->b.value,
                         s->result);
    }
    bytes_add_format(&pass, "%s %s? %d", last->label, p.unit, last->result);
    bytes_add_format(&answer, "%d", last->result);
    out->prompt = bytes_take(&prompt);
    out->think = passes_write(bytes_take(&pass), effort);
    out->answer = bytes_take(&answer);
    out->solved = true;
    out->depth = p.n_step;
}

static double word_grade(const char *key, const char *answer, size_t len)
{
    program p;

    if (!program_parse(&p, key)) return 0;
    return answer_grade_integer(answer, len, p.step[p.n_step - 1].result);
}

/* ---- checking ---- */

/* A line of the trace, "Sam: 15+4=19"; value holds where its result stands. */
typedef struct worked {
    cursor label, value;
    int a, b, result;
    char sign;
} worked;

static bool read_worked(cursor c, worked *w)
{
    const char *colon = memchr(c.s, ':', (size_t)(c.end - c.s));

    if (!colon) return false;
    w->label = (cursor){ c.s, colon };
    c.s = colon + 1;
    if (!cursor_char(&c, ' ') || !cursor_number(&c, &w->a) || c.s == c.end) return false;
    w->sign = *c.s++;
    if (!strchr("+-*/", w->sign) || !w->sign || !cursor_number(&c, &w->b) ||
        !cursor_char(&c, '='))
        return false;
    w->value = c;
    return cursor_number(&c, &w->result) && c.s == c.end;
}

typedef struct pass_state {
    const program *p;
    int result[MAX_STEP];    /* as the trace has them */
    int n;
} pass_state;

/* Numbers asked for are those the trace arrived at, so that a slip counts once. */
static int operand_value(const operand *o, const int *result)
{
    return o->step < 0 ? o->value : result[o->step];
}

static bool word_line(void *arg, int i_line, cursor line, trace_check *out, bool *end)
{
    pass_state *t = arg;
    const program *p = t->p;
    worked w;

    if (i_line == 0) t->n = 0;
    if (read_worked(line, &w)) {
        out->n_step++;
        if (t->n == p->n_step) return false;
        const step *s = &p->step[t->n];
        int a = operand_value(&s->a, t->result), b = operand_value(&s->b, t->result), v;
        bool same = (w.a == a && w.b == b) ||
                    ((w.sign == '+' || w.sign == '*') && w.a == b && w.b == a);
        out->n_true += cursor_is(&w.label, s->label) && w.sign == s->sign && same &&
                       operate(w.sign, w.a, w.b, &v) && v == w.result;
        t->result[t->n++] = w.result;
        return true;
    }
    const char *ask = memchr(line.s, '?', (size_t)(line.end - line.s));
    int v;
    if (!ask || t->n < p->n_step) return false;
    cursor number = { ask + 1, line.end };
    if (!cursor_char(&number, ' ') || !cursor_number(&number, &v) || number.s != number.end)
        return false;
    const char *label = p->step[p->n_step - 1].label;
    cursor c = { line.s, ask };
    out->n_step++;
    out->n_true += cursor_text(&c, label) && cursor_char(&c, ' ') && cursor_is(&c, p->unit) &&
                   v == t->result[p->n_step - 1];
    *end = true;
    return true;
}

static void word_check(const char *key, const char *think, size_t len, trace_check *out)
{
    program p;
    pass_state t = { .p = &p };

    *out = (trace_check){ 0 };
    if (program_parse(&p, key)) passes_check(think, len, word_line, &t, out);
}

/* The answer when step i is believed to give value; false when the rest then does
 * not work out. */
static bool follow(const program *p, const int *written, int i, int value, int *answer)
{
    int result[MAX_STEP];

    memcpy(result, written, sizeof result);
    result[i] = value;
    for (int j = i + 1; j < p->n_step; j++) {
        const step *s = &p->step[j];
        if (!operate(s->sign, operand_value(&s->a, result), operand_value(&s->b, result),
                     &result[j]))
            return false;
    }
    *answer = result[p->n_step - 1];
    return true;
}

static bool word_edit(const char *key, const char *think, size_t len, rng *r, char **prefix,
                      char **follows)
{
    program p;
    cursor text = { think, think + len }, line;
    int result[MAX_STEP] = { 0 }, at[MAX_STEP], n = 0;
    const char *value[MAX_STEP];

    if (!program_parse(&p, key)) return false;
    while (n < p.n_step && cursor_line(&text, &line)) {
        worked w;
        if (!read_worked(line, &w)) return false;
        value[n] = w.value.s;
        at[n] = n;
        result[n++] = w.result;
    }
    if (n < p.n_step) return false;
    rng_shuffle(r, at, n);
    for (int i = 0; i < n; i++) {
        int change[18], answer;
        for (int c = 0; c < 18; c++) change[c] = c < 9 ? c - 9 : c - 8;
        rng_shuffle(r, change, 18);
        for (int c = 0; c < 18; c++) {
            int v = result[at[i]] + change[c];
            if (v < 1 || !follow(&p, result, at[i], v, &answer)) continue;
            bytes b = { 0 }, f = { 0 };
            bytes_add(&b, think, (size_t)(value[at[i]] - think));
            bytes_add_format(&b, "%d", v);
            bytes_add_format(&f, "%d", answer);
            *prefix = bytes_take(&b);
            *follows = bytes_take(&f);
            return true;
        }
    }
    return false;
}

const task task_word = {
    .name = "word",
    .about = "word problems of one to five operations",
    .min_depth = 1,
    .max_depth = MAX_STEP,
    .draw = word_draw,
    .tell = word_tell,
    .grade = word_grade,
    .check = word_check,
    .edit = word_edit,
};
