#include "tasks/work.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "tasks/answer.h"

static cursor cursor_of(const bytes *b)
{
    return (cursor){ b->data, b->data + b->len };
}

static void *state_open(const work *w, const char *key)
{
    void *state = mem_new(w->state_bytes);

    if (w->open(state, key)) return state;
    mem_free(state);
    return NULL;
}

/* Go on with right lines from line i to the end; they are appended to out where it
 * is given. False when a state taken from a wrong trace has no right next line. */
static bool work_on(const work *w, void *state, int i, bytes *out)
{
    bytes line = { 0 };
    bool good = true;

    for (; i < w->lines(state) && good; i++) {
        bytes_clear(&line);
        w->line(state, i, &line);
        if (out) {
            bytes_add(out, line.data, line.len);
            bytes_add_char(out, '\n');
        }
        good = w->take(state, i, cursor_of(&line));
    }
    bytes_fini(&line);
    return good;
}

void work_header_key(const void *state, const char *key, bytes *out)
{
    (void)state;
    bytes_add_string(out, key);
}

/* Whether a line is the header. */
static bool is_header(const work *w, const void *state, const char *key, cursor line)
{
    bytes right = { 0 };

    w->header(state, key, &right);
    bool same = cursor_is(&line, right.data);
    bytes_fini(&right);
    return same;
}

void work_tell(const work *w, problem *p, const char *key, char *prompt, trace_effort effort)
{
    void *state = state_open(w, key);
    bytes think = { 0 }, answer = { 0 };

    CHECK(state != NULL);
    if (w->header) {
        w->header(state, key, &think);
        bytes_add_char(&think, '\n');
    }
    for (int pass = 0; pass < (effort == TRACE_HIGH ? 2 : 1); pass++) {
        if (pass == 1) bytes_add_string(&think, "check\n");
        w->start(state);
        bool good = work_on(w, state, 0, &think);
        CHECK(good);
    }
    w->answer(state, &answer);
    bytes_add_char(&think, '=');
    bytes_add(&think, answer.data, answer.len);
    p->depth = w->depth(state);
    p->prompt = prompt;
    p->think = bytes_take(&think);
    p->answer = bytes_take(&answer);
    p->solved = true;
    mem_free(state);
}

char *work_answer(const work *w, const char *key)
{
    void *state = state_open(w, key);
    bytes answer = { 0 };

    if (!state) return NULL;
    w->start(state);
    if (work_on(w, state, 0, NULL)) w->answer(state, &answer);
    mem_free(state);
    return bytes_take(&answer);
}

/* A trace being read, line by line. */
typedef struct reading {
    const work *w;
    void *state;
    int i;               /* the line of the pass that is due */
    int pass;
    bool ended;
    bool lost;           /* no right next line exists any more */
    bytes right;         /* scratch */
    trace_check *out;
} reading;

/* One step as it stands; false when it is not of the grammar. */
static bool read_step(reading *t, cursor line)
{
    t->out->n_step++;
    if (t->ended || t->lost || t->i >= t->w->lines(t->state)) return false;

    bytes_clear(&t->right);
    t->w->line(t->state, t->i, &t->right);
    bool same = cursor_is(&line, t->right.data);
    bool good = t->w->take(t->state, t->i, line);
    /* A line that cannot be read counts once: go on from the right one. */
    if (!good) t->lost = !t->w->take(t->state, t->i, cursor_of(&t->right));
    t->out->n_true += same && good;
    t->i++;
    return good;
}

static bool read_end(reading *t, cursor line)
{
    if (t->ended || t->lost || t->i != t->w->lines(t->state)) return false;
    t->ended = true;
    bytes_clear(&t->right);
    t->w->answer(t->state, &t->right);
    return cursor_char(&line, '=') && cursor_is(&line, t->right.data);
}

void work_check(const work *w, const char *key, const char *think, size_t len,
                trace_check *out)
{
    reading t = { .w = w, .state = state_open(w, key), .out = out };
    cursor text = { think, think + len }, line;
    bool good = true, head = w->header != NULL;

    *out = (trace_check){ 0 };
    if (!t.state) return;
    if (len > 0 && think[len - 1] == '\n') text.end--;
    w->start(t.state);
    while (cursor_line(&text, &line)) {
        if (head) {
            head = false;
            if (is_header(w, t.state, key, line)) continue;
            /* A header that is missing or miscopied: the line may be a step. */
            good = false;
            bool step = w->take(t.state, 0, line);
            w->start(t.state);
            if (!step) continue;
        }
        if (cursor_is(&line, "check")) {
            good = good && t.pass == 0 && !t.ended && !t.lost && t.i == w->lines(t.state);
            t.pass++;
            t.i = 0;
            w->start(t.state);
        } else if (line.s < line.end && *line.s == '=') {
            good = read_end(&t, line) && good;
        } else {
            good = read_step(&t, line) && good;
        }
    }
    out->well_formed = good && t.ended;
    bytes_fini(&t.right);
    mem_free(t.state);
}

/* Take lines 0 to i - 1 of the first pass as they stand; *rest is what comes after.
 * False when the trace does not get there, or reads otherwise. */
static bool work_seek(const work *w, void *state, int i, const char *key, cursor text,
                      cursor *rest)
{
    cursor line;

    w->start(state);
    if (w->header && (!cursor_line(&text, &line) || !is_header(w, state, key, line)))
        return false;
    for (int k = 0; k < i; k++)
        if (!cursor_line(&text, &line) || !w->take(state, k, line)) return false;
    *rest = text;
    return true;
}

/* Try an edit of line i. */
static bool edit_line(const work *w, void *state, int i, const char *key, cursor text, rng *r,
                      char **prefix, char **follows)
{
    bytes before = { 0 }, after = { 0 }, line = { 0 };
    cursor rest, old;
    size_t cut = 0;

    /* Where the trace leads from here as it stands, to tell the edit apart. */
    bool good = work_seek(w, state, i, key, text, &rest) && cursor_line(&rest, &old) &&
                w->take(state, i, old) && work_on(w, state, i + 1, NULL);
    if (good) {
        w->answer(state, &before);
        work_seek(w, state, i, key, text, &rest);
        cut = w->twist(state, i, r, &line);
        good = cut > 0 && w->take(state, i, cursor_of(&line)) &&
               work_on(w, state, i + 1, NULL);
    }
    if (good) {
        w->answer(state, &after);
        good = strcmp(before.data, after.data) != 0;
    }
    if (good) {
        bytes b = { 0 };
        bytes_add(&b, text.s, (size_t)(rest.s - text.s));
        bytes_add_string(&line, "\n");
        bytes_add(&b, line.data, cut + 1);
        *prefix = bytes_take(&b);
        *follows = bytes_take(&after);
    }
    bytes_fini(&before);
    bytes_fini(&after);
    bytes_fini(&line);
    return good;
}

bool work_edit(const work *w, const char *key, const char *think, size_t len, rng *r,
               char **prefix, char **follows)
{
    enum { MAX_TRIES = 16 };
    void *state = state_open(w, key);
    cursor text = { think, think + len };
    bool done = false;

    *prefix = *follows = NULL;
    if (!state) return false;
    /* The last line's result is the answer, no intermediate value. */
    uint64_t n = (uint64_t)w->lines(state) - 1;
    for (int k = 0; k < MAX_TRIES && n > 0 && !done; k++)
        done = edit_line(w, state, (int)rng_below(r, n), key, text, r, prefix, follows);
    mem_free(state);
    return done;
}

double work_grade_integer(const work *w, const char *key, const char *answer, size_t len)
{
    char *want = work_answer(w, key);
    int64_t value;
    double score = 0;

    if (want && answer_integer(want, &value)) score = answer_grade_integer(answer, len, value);
    mem_free(want);
    return score;
}

double work_grade_word(const work *w, const char *key, const char *answer, size_t len)
{
    char *want = work_answer(w, key);
    double score = want ? answer_grade_word(answer, len, want) : 0;

    mem_free(want);
    return score;
}

bool cursor_signed(cursor *c, int *out)
{
    cursor start = *c;
    bool minus = cursor_char(c, '-');

    if (!cursor_number(c, out)) {
        *c = start;
        return false;
    }
    if (minus) *out = -*out;
    return true;
}

int cursor_letters(cursor *c, char *out, int max)
{
    int n = 0;

    while (c->s < c->end && *c->s >= 'a' && *c->s <= 'z') {
        if (n == max) return 0;
        out[n++] = *c->s++;
    }
    out[n] = '\0';
    return n;
}
