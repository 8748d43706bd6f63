/* strings.c - composition of string functions that are learnt, not told.
 *
 * Depth counts the functions. A key is "f3(f17(hello))". The trace restates it in
 * the order of work and applies one function a line, its input written out:
 *
 *   f17,f3:hello
 *   f17:hello=helloh
 *   f3:helloh=ellohh
 *   =ellohh
 *
 * Every function works on letters by their place or their value alone. */
#include "tasks/strings.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "tasks/answer.h"
#include "tasks/work.h"

enum { MIN_LEN = 2, MIN_WORD = 3, MAX_WORD = 6, MAX_STATED = 31 };

typedef struct call {
    int n;
    int f[STRINGS_MAX_DEPTH];            /* innermost first */
    char word[MAX_STATED + 1];
    char now[STRINGS_OUT];
} call;

static bool vowel(char c)
{
    return strchr("aeiou", c) != NULL;
}

static char next_vowel(char c)
{
    static const char vowels[] = "aeioua";

    return vowel(c) ? strchr(vowels, c)[1] : c;
}

static void swap_letters(char *s, int i, int j)
{
    char t = s[i];

    s[i] = s[j];
    s[j] = t;
}

void strings_apply(int f, const char *in, char *out)
{
    int n = (int)strlen(in), m = 0;

    CHECK(f >= 0 && f < STRINGS_N && n >= 1 && n <= MAX_STATED);
    switch (f) {
    case 1:             /* an x behind */
    case 4:             /* without the last letter */
    case 6:             /* every vowel becomes o */
    case 7:             /* first and last change places */
    case 11:            /* the last letter twice */
    case 13:            /* neighbours change places */
    case 17:            /* the first letter once more, behind */
    case 19:            /* the first letter becomes q */
    case 21:            /* the first two change places */
    case 22:            /* the last letter becomes w */
    case 24:            /* the last two change places */
        memcpy(out, in, (size_t)n);
        m = n;
        if (f == 1) out[m++] = 'x';
        if (f == 4) m--;
        if (f == 7) swap_letters(out, 0, n - 1);
        if (f == 11) out[m++] = in[n - 1];
        if (f == 17) out[m++] = in[0];
        if (f == 19) out[0] = 'q';
        if (f == 22) out[n - 1] = 'w';
        if (f == 21 && n > 1) swap_letters(out, 0, 1);
        if (f == 24 && n > 1) swap_letters(out, n - 2, n - 1);
        for (int i = 0; f == 6 && i < n; i++) out[i] = vowel(in[i]) ? 'o' : in[i];
        for (int i = 0; f == 13 && i + 1 < n; i += 2) swap_letters(out, i, i + 1);
        break;
    case 5:             /* the first letter twice */
    case 8:             /* a z in front */
    case 18:            /* the last letter once more, in front */
        out[0] = f == 5 ? in[0] : f == 8 ? 'z' : in[n - 1];
        memcpy(out + 1, in, (size_t)n);
        m = n + 1;
        break;
    case 3:             /* the first letter goes behind */
    case 14:            /* without the first letter */
        memcpy(out, in + 1, (size_t)n - 1);
        m = n - 1;
        if (f == 3) out[m++] = in[0];
        break;
    case 12:            /* the last letter goes in front */
        out[0] = in[n - 1];
        memcpy(out + 1, in, (size_t)n - 1);
        m = n;
        break;
    case 23:            /* an m after the first letter */
        out[0] = in[0];
        out[1] = 'm';
        memcpy(out + 2, in + 1, (size_t)n - 1);
        m = n + 1;
        break;
    default:
        for (int i = 0; i < n; i++) {
            char c = in[i];
            if (f == 0) out[m++] = in[n - 1 - i];                  /* backwards */
            if (f == 2) out[m++] = c == 'z' ? 'a' : (char)(c + 1); /* next in the alphabet */
            if (f == 9) out[m++] = c == 'a' ? 'z' : (char)(c - 1); /* the one before */
            if (f == 10 && i % 2 == 0) out[m++] = c;               /* every other one */
            if (f == 15) out[m++] = c, out[m++] = c;               /* every letter twice */
            if (f == 16) out[m++] = next_vowel(c);                 /* a e i o u a */
            if (f == 20) {                                         /* every vowel twice */
                out[m++] = c;
                if (vowel(c)) out[m++] = c;
            }
        }
    }
    out[m] = '\0';
}

bool strings_held_out(int f)
{
    static const int list[] = { 1, 3, 5, 6, 9, 10, 13, 14, 18, 19, 22, 24 };

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        if (list[i] == f) return true;
    return false;
}

bool strings_never(int f)
{
    return f == 5 || f == 9 || f == 14 || f == 24;
}

/* "f17", 0 to 24 without leading zeros. */
static bool read_function(cursor *c, int *f)
{
    if (!cursor_char(c, 'f') || c->s == c->end) return false;
    const char *digits = c->s;
    return cursor_number(c, f) && *f < STRINGS_N && (c->s - digits) == (*f < 10 ? 1 : 2);
}

static bool strings_open(void *state, const char *key)
{
    call *c = state;
    cursor at = { key, key + strlen(key) };
    int outer[STRINGS_MAX_DEPTH];

    for (;;) {
        cursor here = at;
        if (!read_function(&at, &outer[c->n]) || !cursor_char(&at, '(')) {
            at = here;
            break;
        }
        if (++c->n == STRINGS_MAX_DEPTH) break;
    }
    for (int i = 0; i < c->n; i++) c->f[i] = outer[c->n - 1 - i];
    if (c->n == 0 || cursor_letters(&at, c->word, STRINGS_MAX_LEN) == 0) return false;
    for (int i = 0; i < c->n; i++)
        if (!cursor_char(&at, ')')) return false;
    if (at.s != at.end) return false;

    /* No value on the way may be empty or longer than a line can hold. */
    char value[STRINGS_OUT], next[STRINGS_OUT];
    strcpy(value, c->word);
    for (int i = 0; i < c->n; i++) {
        strings_apply(c->f[i], value, next);
        if (!*next || strlen(next) > STRINGS_MAX_LEN) return false;
        strcpy(value, next);
    }
    return true;
}

int strings_functions(const char *key, int *f)
{
    call c = { 0 };

    if (!strings_open(&c, key)) return 0;
    memcpy(f, c.f, (size_t)c.n * sizeof *f);
    return c.n;
}

static int strings_depth(const void *state)
{
    return ((const call *)state)->n;
}

static void strings_header(const void *state, const char *key, bytes *out)
{
    const call *c = state;

    (void)key;
    for (int i = 0; i < c->n; i++) bytes_add_format(out, "%sf%d", i > 0 ? "," : "", c->f[i]);
    bytes_add_format(out, ":%s", c->word);
}

static void strings_start(void *state)
{
    call *c = state;

    strcpy(c->now, c->word);
}

static void strings_line(const void *state, int i, bytes *out)
{
    const call *c = state;
    char next[STRINGS_OUT];

    strings_apply(c->f[i], c->now, next);
    bytes_add_format(out, "f%d:%s=%s", c->f[i], c->now, next);
}

static bool strings_take(void *state, int i, cursor line)
{
    call *c = state;
    char in[MAX_STATED + 1], next[MAX_STATED + 1];
    int f;

    if (!read_function(&line, &f) || f != c->f[i] || !cursor_char(&line, ':') ||
        !cursor_letters(&line, in, MAX_STATED) || !cursor_char(&line, '=') ||
        !cursor_letters(&line, next, MAX_STATED) || line.s != line.end)
        return false;
    strcpy(c->now, next);
    return true;
}

static void strings_answer(const void *state, bytes *out)
{
    bytes_add_string(out, ((const call *)state)->now);
}

/* One letter becomes another. */
static size_t strings_twist(const void *state, int i, rng *r, bytes *out)
{
    strings_line(state, i, out);
    const char *word = strchr(out->data, '=') + 1;
    size_t at = (size_t)(word - out->data) + rng_below(r, strlen(word));
    int letter = out->data[at] - 'a';
    out->data[at] = (char)('a' + (letter + rng_between(r, 1, 25)) % 26);
    return out->len;
}

static const work strings_work = {
    .state_bytes = sizeof(call),
    .header = strings_header,
    .open = strings_open,
    .depth = strings_depth,
    .lines = strings_depth,
    .start = strings_start,
    .line = strings_line,
    .take = strings_take,
    .answer = strings_answer,
    .twist = strings_twist,
};

/* Letters with more vowels than chance, so that functions of vowels show. */
static char draw_letter(rng *r)
{
    return rng_below(r, 3) == 0 ? "aeiou"[rng_below(r, 5)] : (char)('a' + rng_below(r, 26));
}

char *strings_draw_from(rng *r, int depth, const int *functions, int n)
{
    call c;
    bool good;

    CHECK(depth >= 1 && depth <= STRINGS_MAX_DEPTH && n >= 1);
    do {
        int len = rng_between(r, MIN_WORD, MAX_WORD), used = 0;
        char next[STRINGS_OUT];
        c = (call){ 0 };
        for (int i = 0; i < len; i++) c.word[i] = draw_letter(r);
        strcpy(c.now, c.word);
        good = true;
        while (c.n < depth && good) {
            int f = functions[rng_below(r, (uint64_t)n)];
            if ((used >> f & 1) && n >= depth) continue;
            used |= 1 << f;
            c.f[c.n++] = f;
            strings_apply(f, c.now, next);
            good = strlen(next) >= MIN_LEN && strlen(next) <= STRINGS_MAX_LEN;
            strcpy(c.now, next);
        }
        /* A word that comes back unchanged could be answered by copying it. */
        good = good && strcmp(c.now, c.word) != 0;
    } while (!good);

    bytes b = { 0 };
    for (int i = depth - 1; i >= 0; i--) bytes_add_format(&b, "f%d(", c.f[i]);
    bytes_add_string(&b, c.word);
    for (int i = 0; i < depth; i++) bytes_add_char(&b, ')');
    return bytes_take(&b);
}

static char *strings_draw(rng *r, int depth)
{
    int list[STRINGS_N], n = 0;

    for (int f = 0; f < STRINGS_N; f++)
        if (depth == 1 || !strings_held_out(f)) list[n++] = f;
    return strings_draw_from(r, depth, list, n);
}

static void strings_tell(problem *p, const char *key, rng *r, trace_effort effort)
{
    static const char *const nested[] = {
        "What is %s?", "Compute %s.", "Evaluate %s.", "Give the value of %s.",
    };
    enum { N_NESTED = sizeof nested / sizeof nested[0], N_TOLD = 2 };
    int form = (int)rng_below(r, N_NESTED + N_TOLD);
    call c = { 0 };
    bytes b = { 0 };

    CHECK(strings_open(&c, key));
    if (form < N_NESTED) {
        const char *f = nested[form], *slot = strchr(f, '%');
        bytes_add(&b, f, (size_t)(slot - f));
        bytes_add_string(&b, key);
        bytes_add_string(&b, slot + 2);
    } else if (form == N_NESTED) {
        bytes_add_string(&b, "Apply ");
        for (int i = 0; i < c.n; i++) bytes_add_format(&b, "%sf%d", i > 0 ? ", then " : "", c.f[i]);
        bytes_add_format(&b, " to %s.", c.word);
    } else {
        bytes_add_format(&b, "Take %s and apply ", c.word);
        for (int i = 0; i < c.n; i++) bytes_add_format(&b, "%sf%d", i > 0 ? ", then " : "", c.f[i]);
        bytes_add_string(&b, ". What do you get?");
    }
    work_tell(&strings_work, p, key, bytes_take(&b), effort);
}

static double strings_grade(const char *key, const char *answer, size_t len)
{
    return work_grade_word(&strings_work, key, answer, len);
}

static void strings_check(const char *key, const char *think, size_t len, trace_check *out)
{
    work_check(&strings_work, key, think, len, out);
}

static bool strings_edit(const char *key, const char *think, size_t len, rng *r, char **prefix,
                         char **follows)
{
    return work_edit(&strings_work, key, think, len, r, prefix, follows);
}

const task task_strings = {
    .name = "strings",
    .about = "apply learnt string functions, one to the result of another",
    .min_depth = 1,
    .max_depth = STRINGS_MAX_DEPTH,
    .draw = strings_draw,
    .tell = strings_tell,
    .grade = strings_grade,
    .check = strings_check,
    .edit = strings_edit,
};
