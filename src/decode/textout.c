/* textout.c - stop strings by one Knuth-Morris-Pratt automaton each, then UTF-8.
 *
 * The bytes held back for stop strings are a prefix of the string that is
 * matched furthest, so they need no buffer: the state is one number a string. */
#include "decode/textout.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

typedef struct stop {
    char *text;
    uint16_t *border;            /* longest proper border of each prefix */
    int len;
} stop;

struct stops {
    int n;
    bool starts[256];            /* bytes that a stop string begins with */
    stop items[STOPS_MAX];
};

static void stop_init(stop *s, const char *text, size_t len)
{
    int b = 0;

    s->text = mem_copy(text, len);
    s->border = mem_array(len, sizeof *s->border);
    s->len = (int)len;
    for (int i = 1; i < s->len; i++) {
        while (b > 0 && text[i] != text[b]) b = s->border[b - 1];
        if (text[i] == text[b]) b++;
        s->border[i] = (uint16_t)b;
    }
}

/* Matched bytes after one more; state is below len. */
static int stop_step(const stop *s, int state, char c)
{
    while (state > 0 && s->text[state] != c) state = s->border[state - 1];
    return s->text[state] == c ? state + 1 : 0;
}

status stops_new(stops **out, const char *const *texts, const size_t *lens, int n,
                 errtext *err)
{
    stops *s;

    *out = NULL;
    if (n < 0 || n > STOPS_MAX)
        return fail(err, E_LIMIT, "stop has %d strings; at most %d are allowed", n,
                    STOPS_MAX);
    for (int i = 0; i < n; i++) {
        if (lens[i] == 0) return fail(err, E_ARG, "stop[%d] is empty", i);
        if (lens[i] > STOPS_MAX_BYTES)
            return fail(err, E_LIMIT, "stop[%d] has %zu bytes; at most %d are allowed", i,
                        lens[i], STOPS_MAX_BYTES);
    }
    s = mem_new(sizeof *s);
    s->n = n;
    for (int i = 0; i < n; i++) {
        stop_init(&s->items[i], texts[i], lens[i]);
        s->starts[(uint8_t)texts[i][0]] = true;
    }
    *out = s;
    return OK;
}

void stops_free(stops *s)
{
    if (!s) return;
    for (int i = 0; i < s->n; i++) {
        mem_free(s->items[i].text);
        mem_free(s->items[i].border);
    }
    mem_free(s);
}

void textout_init(textout *t, const stops *s)
{
    *t = (textout){ .stops = s, .stopped_by = -1 };
}

/* ------------------------------------------------------------------- UTF-8 */

static void put_replacement(bytes *out)
{
    bytes_add(out, "\xEF\xBF\xBD", 3);
}

static void put_byte(textout *t, uint8_t c, bytes *out)
{
    const char *part = (const char *)t->part;
    size_t n;
    uint32_t code;

    t->part[t->n_part++] = c;
    n = (size_t)t->n_part;
    if (utf8_decode(part, n, &code) == t->n_part) {
        bytes_add(out, part, n);
        t->n_part = 0;
    } else if (utf8_incomplete_tail(part, n) != n) {
        /* c cannot go on from what came before: that part is lost, and c may
         * begin a character of its own. */
        put_replacement(out);
        t->n_part = 0;
        if (n > 1) put_byte(t, c, out);
    }
}

static void put(textout *t, const char *data, size_t len, bytes *out)
{
    size_t at = 0;

    while (at < len) {
        size_t whole = t->n_part ? 0 : utf8_valid_prefix(data + at, len - at);

        bytes_add(out, data + at, whole);
        at += whole;
        if (at < len) put_byte(t, (uint8_t)data[at++], out);
    }
}

static void put_end(textout *t, bytes *out)
{
    if (t->n_part) put_replacement(out);
    t->n_part = 0;
}

/* ------------------------------------------------------------ stop strings */

/* The stop string matched furthest; its matched prefix is what is held back. */
static int furthest(const textout *t)
{
    int best = 0;

    for (int i = 1; i < t->stops->n; i++)
        if (t->state[i] > t->state[best]) best = i;
    return best;
}

/* One byte through every automaton. Of the bytes held so far and c, all but
 * those still in question go out; on a match, all but the stop string. */
static bool stop_byte(textout *t, char c, bytes *out)
{
    const stops *s = t->stops;
    int was = furthest(t), n_held = t->state[was], keep = 0, met = -1, n_out;

    for (int i = 0; i < s->n; i++) {
        int state = stop_step(&s->items[i], t->state[i], c);

        if (state == s->items[i].len && (met < 0 || state > s->items[met].len)) met = i;
        t->state[i] = (uint16_t)state;
        if (state > keep) keep = state;
    }
    if (met >= 0) keep = s->items[met].len;
    n_out = n_held + 1 - keep;
    put(t, s->items[was].text, (size_t)(n_out < n_held ? n_out : n_held), out);
    if (n_out > n_held) put(t, &c, 1, out);
    if (met < 0) return false;
    memset(t->state, 0, sizeof t->state);
    t->stopped_by = met;
    return true;
}

bool textout_add(textout *t, const char *data, size_t len, bytes *out)
{
    size_t at = 0;

    if (t->stopped_by >= 0) return true;
    if (!t->stops || t->stops->n == 0) {
        put(t, data, len, out);
        return false;
    }
    while (at < len) {
        size_t plain = at;

        /* With nothing held back, bytes that begin no stop string pass. */
        if (t->state[furthest(t)] == 0)
            while (plain < len && !t->stops->starts[(uint8_t)data[plain]]) plain++;
        put(t, data + at, plain - at, out);
        at = plain;
        if (at < len && stop_byte(t, data[at++], out)) {
            put_end(t, out);
            return true;
        }
    }
    return false;
}

void textout_end(textout *t, bytes *out)
{
    if (t->stops && t->stops->n && t->stopped_by < 0) {
        int held = furthest(t);

        put(t, t->stops->items[held].text, t->state[held], out);
    }
    put_end(t, out);
    memset(t->state, 0, sizeof t->state);
}
