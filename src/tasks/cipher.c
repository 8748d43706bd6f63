/* cipher.c - a code that writes each letter as two.
 *
 * The places in the alphabet of a pair average to the place of its letter: "oy" is
 * (15 + 25) / 2 = 20, "t". The prompt shows one word with its code and asks for
 * another text. Depth counts the words, of 3 to 6 letters each. A key is the coded
 * text, "oyfjdnisdr acxz". The trace splits it into pairs, works one pair a line,
 * puts each word together and restates the code with its meaning:
 *
 *   oy fj dn is dr
 *   oy:15+25=40/2=20=t
 *   ...
 *   =think
 *   oyfjdnisdr=think */
#include "tasks/families.h"

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"
#include "tasks/answer.h"
#include "tasks/lines.h"

enum { MAX_WORDS = 4, MAX_LETTERS = 6, MAX_TEXT = MAX_WORDS * (MAX_LETTERS + 1) };

static const char *const word_list[] = {
    "sun",    "map",    "red",    "box",    "cat",    "dog",    "hat",    "key",    "ice",
    "oak",    "pen",    "sea",    "tea",    "van",    "web",    "zoo",    "jam",    "bus",
    "leg",    "fox",    "moon",   "star",   "tree",   "fish",   "bird",   "book",   "cake",
    "desk",   "door",   "farm",   "gold",   "hill",   "jump",   "kite",   "lamp",   "milk",
    "nest",   "open",   "park",   "quiz",   "rain",   "ship",   "time",   "unit",   "vote",
    "wind",   "year",   "zero",   "blue",   "cold",   "apple",  "beach",  "chair",  "dance",
    "earth",  "field",  "green",  "house",  "image",  "juice",  "knife",  "light",  "music",
    "night",  "ocean",  "piano",  "queen",  "river",  "stone",  "table",  "uncle",  "video",
    "water",  "young",  "bread",  "cloud",  "dream",  "flour",  "grape",  "horse",  "animal",
    "bridge", "candle", "dinner", "engine", "forest", "garden", "hammer", "island", "jacket",
    "kitten", "ladder", "market", "needle", "orange", "pencil", "rabbit", "silver", "temple",
    "valley", "window", "yellow", "button", "castle", "doctor", "flower", "ginger", "honest",
};
enum { N_WORD = sizeof word_list / sizeof word_list[0] };

static void encode(bytes *out, const char *word, rng *r)
{
    for (; *word; word++) {
        int place = *word - 'a', room = place < 25 - place ? place : 25 - place;
        int gap = rng_between(r, -room, room);
        bytes_add_char(out, (char)('a' + place + gap));
        bytes_add_char(out, (char)('a' + place - gap));
    }
}

/* The meaning of a coded text, 0-terminated; false when it is not code. */
static bool decode(const char *key, char plain[MAX_TEXT + 1])
{
    int n = 0, n_word = 1, n_letter = 0;

    for (const char *s = key; *s; ) {
        if (*s == ' ') {
            if (n_letter == 0 || ++n_word > MAX_WORDS) return false;
            n_letter = 0;
            plain[n++] = *s++;
            continue;
        }
        if (s[0] < 'a' || s[0] > 'z' || s[1] < 'a' || s[1] > 'z') return false;
        if ((s[0] + s[1]) % 2 != 0 || ++n_letter > MAX_LETTERS) return false;
        plain[n++] = (char)((s[0] + s[1]) / 2);
        s += 2;
    }
    plain[n] = 0;
    return n_letter > 0;
}

static char *cipher_draw(rng *r, int depth)
{
    bytes b = { 0 };

    CHECK(depth >= 1 && depth <= MAX_WORDS);
    for (int i = 0; i < depth; i++) {
        if (i > 0) bytes_add_char(&b, ' ');
        encode(&b, word_list[rng_below(r, N_WORD)], r);
    }
    return bytes_take(&b);
}

static void cipher_tell(problem *p, const char *key, rng *r, trace_effort effort)
{
    char plain[MAX_TEXT + 1];
    const char *example;
    bytes code = { 0 }, prompt = { 0 }, pass = { 0 };

    CHECK(decode(key, plain));
    do example = word_list[rng_below(r, N_WORD)];
    while (strstr(plain, example));
    encode(&code, example, r);
    switch (rng_below(r, 5)) {
    case 0: bytes_add_format(&prompt, "If %s means %s, what does %s mean?", code.data, example,
                             key); break;
    case 1: bytes_add_format(&prompt, "Each letter is coded by two letters whose places in the "
                             "alphabet average to it, so %s is %s. Decode %s.", code.data,
                             example, key); break;
    case 2: bytes_add_format(&prompt, "%s -> %s. Use this example to decode %s.", code.data,
                             example, key); break;
    case 3: bytes_add_format(&prompt, "Decode %s. In the same code, %s is %s.", key, code.data,
                             example); break;
    default: bytes_add_format(&prompt, "In a secret code %s stands for %s. What is %s?",
                              code.data, example, key); break;
    }
    for (const char *s = key; *s; s += *s == ' ' ? 1 : 2) {
        if (*s == ' ') {
            bytes_add_string(&pass, " /");
            continue;
        }
        bytes_add_format(&pass, "%s%.2s", s == key ? "" : " ", s);
    }
    const char *word = plain;
    for (const char *s = key; ; ) {
        if (*s && *s != ' ') {
            int a = s[0] - 'a' + 1, b = s[1] - 'a' + 1;
            bytes_add_format(&pass, "\n%.2s:%d+%d=%d/2=%d=%c", s, a, b, a + b, (a + b) / 2,
                             'a' + (a + b) / 2 - 1);
            s += 2;
            continue;
        }
        size_t n = strcspn(word, " ");
        bytes_add_format(&pass, "\n=%.*s", (int)n, word);
        word += n + 1;
        if (!*s++) break;
    }
    bytes_add_format(&pass, "\n%s=%s", key, plain);
    bytes_fini(&code);
    p->prompt = bytes_take(&prompt);
    p->think = passes_write(bytes_take(&pass), effort);
    p->answer = mem_string(plain);
    p->solved = true;
    p->depth = 1;
    for (const char *s = key; *s; s++) p->depth += *s == ' ';
}

static double cipher_grade(const char *key, const char *answer, size_t len)
{
    char plain[MAX_TEXT + 1];

    return decode(key, plain) ? answer_grade_word(answer, len, plain) : 0;
}

/* ---- checking ---- */

/* What a pass has written so far. A line is judged by the lines before it as they
 * stand, so that a slip is charged to the line that makes it. */
typedef struct pass_state {
    const char *key;
    const char *next;            /* the pair or word end that comes next */
    char plain[MAX_TEXT + 1];    /* words as put together */
    int n_plain;
    char word[MAX_LETTERS + 1];  /* letters since the last word end */
    int n_word;
    bool done;                   /* all words put together */
} pass_state;

static bool check_split(const pass_state *t, cursor line, trace_check *out)
{
    bytes want = { 0 };

    for (const char *s = line.s; s < line.end; s++)
        if (*s != ' ' && *s != '/' && (*s < 'a' || *s > 'z')) return false;
    for (const char *s = t->key; *s; s += *s == ' ' ? 1 : 2) {
        if (*s == ' ') bytes_add_string(&want, " /");
        else bytes_add_format(&want, "%s%.2s", s == t->key ? "" : " ", s);
    }
    out->n_step++;
    out->n_true += cursor_is(&line, want.data);
    bytes_fini(&want);
    return true;
}

/* "oy:15+25=40/2=20=t" */
static bool check_pair(pass_state *t, cursor c, trace_check *out)
{
    int a, b, sum, place;
    const char *pair = c.s;

    if (c.end - c.s < 3 || c.s[2] != ':') return false;
    c.s += 3;
    if (!cursor_number(&c, &a) || !cursor_char(&c, '+') || !cursor_number(&c, &b) ||
        !cursor_char(&c, '=') || !cursor_number(&c, &sum) || !cursor_text(&c, "/2=") ||
        !cursor_number(&c, &place) || !cursor_char(&c, '=') || c.end - c.s != 1 || *c.s < 'a' ||
        *c.s > 'z')
        return false;
    bool asked = !t->done && *t->next && *t->next != ' ';
    bool good = asked && memcmp(pair, t->next, 2) == 0 && a == pair[0] - 'a' + 1 &&
                b == pair[1] - 'a' + 1 && a + b == sum && sum == 2 * place &&
                *c.s == 'a' + place - 1;
    out->n_step++;
    out->n_true += good;
    if (!asked || t->n_word == MAX_LETTERS) return false;
    t->word[t->n_word++] = *c.s;
    t->next += 2;
    return true;
}

/* "=think" */
static bool check_word(pass_state *t, cursor c, trace_check *out)
{
    int n = (int)(c.end - c.s) - 1;

    out->n_step++;
    if (t->done || (*t->next && *t->next != ' ') || n < 1 || n > MAX_LETTERS) return false;
    out->n_true += n == t->n_word && memcmp(c.s + 1, t->word, (size_t)n) == 0;
    if (t->n_plain > 0) t->plain[t->n_plain++] = ' ';
    memcpy(t->plain + t->n_plain, c.s + 1, (size_t)n);
    t->n_plain += n;
    t->plain[t->n_plain] = 0;
    t->n_word = 0;
    t->done = !*t->next;
    t->next += !t->done;
    return true;
}

static bool cipher_line(void *arg, int i_line, cursor line, trace_check *out, bool *end)
{
    pass_state *t = arg;

    if (i_line == 0) {
        *t = (pass_state){ .key = t->key, .next = t->key };
        return check_split(t, line, out);
    }
    if (line.s == line.end) return false;
    if (*line.s == '=') return check_word(t, line, out);
    if (!t->done) return check_pair(t, line, out);
    const char *equals = memchr(line.s, '=', (size_t)(line.end - line.s));
    if (!equals) return false;
    cursor code = { line.s, equals }, plain = { equals + 1, line.end };
    out->n_step++;
    out->n_true += cursor_is(&code, t->key) && cursor_is(&plain, t->plain);
    *end = true;
    return true;
}

static void cipher_check(const char *key, const char *think, size_t len, trace_check *out)
{
    char plain[MAX_TEXT + 1];
    pass_state t = { .key = key };

    *out = (trace_check){ 0 };
    if (decode(key, plain)) passes_check(think, len, cipher_line, &t, out);
}

/* Another letter for one of the pairs, in the first pass. */
static bool cipher_edit(const char *key, const char *think, size_t len, rng *r, char **prefix,
                        char **follows)
{
    char plain[MAX_TEXT + 1];
    int place[MAX_TEXT], n = 0;

    if (!decode(key, plain)) return false;
    for (int i = 0; plain[i]; i++)
        if (plain[i] != ' ') place[n++] = i;
    int pick = (int)rng_below(r, (uint64_t)n), seen = 0;
    cursor text = { think, think + len }, line;
    while (cursor_line(&text, &line)) {
        if (line.end - line.s < 4 || line.s[2] != ':') continue;
        if (seen++ < pick) {
            plain[place[seen - 1]] = line.end[-1];
            continue;
        }
        char old = line.end[-1], new = (char)('a' + rng_below(r, 25));
        if (old < 'a' || old > 'z') return false;
        new += new >= old;
        bytes b = { 0 };
        bytes_add(&b, think, (size_t)(line.end - 1 - think));
        bytes_add_char(&b, new);
        plain[place[pick]] = new;
        *prefix = bytes_take(&b);
        *follows = mem_string(plain);
        return true;
    }
    return false;
}

const task task_cipher = {
    .name = "cipher",
    .about = "decode words written two letters for one",
    .min_depth = 1,
    .max_depth = MAX_WORDS,
    .draw = cipher_draw,
    .tell = cipher_tell,
    .grade = cipher_grade,
    .check = cipher_check,
    .edit = cipher_edit,
};
