/* options.c - command lines by table. */
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MAX_OPTION 64
#define MAX_WORD 32

void text_list_add(text_list *l, const char *text)
{
    if (l->n == l->cap) {
        l->cap = l->cap * 2 + 8;
        l->items = mem_resize(l->items, (size_t)l->cap, sizeof *l->items);
    }
    l->items[l->n++] = text;
}

void text_list_fini(text_list *l)
{
    mem_free(l->items);
    *l = (text_list){ 0 };
}

/* ------------------------------------------------------------------- values */

static bool set_int(const option_spec *o, const char *value, char *why)
{
    char *end;
    long v;

    errno = 0;
    v = strtol(value, &end, 10);
    if (end == value || *end || errno || (double)v < o->low || (double)v > o->high) {
        snprintf(why, 256, "--%s %.80s: a whole number from %.0f to %.0f is expected", o->name,
                 value, o->low, o->high);
        return false;
    }
    *(int *)o->to = (int)v;
    return true;
}

static bool set_real(const option_spec *o, const char *value, char *why)
{
    char *end;
    double v = strtod(value, &end);

    if (end == value || *end || !isfinite(v) || v < o->low || v > o->high) {
        snprintf(why, 256, "--%s %.80s: a number from %g to %g is expected", o->name, value,
                 o->low, o->high);
        return false;
    }
    *(float *)o->to = (float)v;
    return true;
}

static bool set_seed(const option_spec *o, const char *value, char *why)
{
    char *end;
    long long v;

    errno = 0;
    v = strtoll(value, &end, 10);
    if (end == value || *end || errno || v < 0) {
        snprintf(why, 256, "--%s %.80s: a whole number from 0 to 9223372036854775807 is expected",
                 o->name, value);
        return false;
    }
    *(uint64_t *)o->to = (uint64_t)v;
    return true;
}

bool option_set(const option_spec *o, const char *value, char *why)
{
    bool ok = true;

    switch (o->kind) {
    case OPTION_FLAG: *(bool *)o->to = true; break;
    case OPTION_TEXT: *(const char **)o->to = value; break;
    case OPTION_TEXTS: text_list_add(o->to, value); break;
    case OPTION_INT: ok = set_int(o, value, why); break;
    case OPTION_REAL: ok = set_real(o, value, why); break;
    case OPTION_SEED: ok = set_seed(o, value, why); break;
    case OPTION_WORD:
        ok = o->parse(value, o->to);
        if (!ok)
            snprintf(why, 256, "--%s %.80s: %s is expected", o->name, value, o->expected);
        break;
    }
    if (ok && o->given) *o->given = true;
    return ok;
}

/* ------------------------------------------------------------------ parsing */

static options_end bad(const char *command, const char *text)
{
    fprintf(stderr, "%s: %s (see %s --help)\n", command, text, command);
    return OPTIONS_BAD;
}

static options_end unknown(const char *command, const option_spec *table, int n,
                           const char *word)
{
    const char *names[MAX_OPTION + 1], *near;
    size_t len = strcspn(word, "=");
    char name[MAX_WORD + 1] = "", text[256];

    for (int i = 0; i < n && i < MAX_OPTION; i++) names[i] = table[i].name;
    if (len > 2 && len - 2 <= MAX_WORD) snprintf(name, sizeof name, "%.*s", (int)len - 2, word + 2);
    near = nearest_word(name, names, n < MAX_OPTION ? n : MAX_OPTION);
    if (near) snprintf(text, sizeof text, "unknown option %.80s; did you mean --%s?", word, near);
    else snprintf(text, sizeof text, "unknown option %.80s", word);
    return bad(command, text);
}

static const option_spec *find_option(const option_spec *table, int n, const char *word)
{
    for (int i = 0; i < n; i++) {
        size_t len = strlen(table[i].name);

        if (word[1] == '-' && !strncmp(word + 2, table[i].name, len) &&
            (word[2 + len] == 0 || word[2 + len] == '='))
            return &table[i];
        if (word[1] != '-' && table[i].letter && word[1] == table[i].letter)
            return &table[i];
    }
    return NULL;
}

/* The value written into the option's own word: after "=", or behind a
 * letter ("-fnotes.txt"). NULL when it has none. */
static const char *own_value(const option_spec *o, const char *word)
{
    if (word[1] != '-') return word[2] ? word + 2 : NULL;
    word += 2 + strlen(o->name);
    return *word == '=' ? word + 1 : NULL;
}

options_end options_parse(const char *command, const option_spec *table, int n, int argc,
                          char **argv, text_list *rest)
{
    bool open = true;
    char why[256];

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value;
        const option_spec *o;

        if (!open || word[0] != '-' || !word[1]) {
            if (!rest) {
                snprintf(why, sizeof why, "%.80s is one argument too many", word);
                return bad(command, why);
            }
            text_list_add(rest, word);
            continue;
        }
        if (!strcmp(word, "--")) {
            open = false;
            continue;
        }
        if (!strcmp(word, "--help") || !strcmp(word, "-h")) return OPTIONS_HELP;
        if (!(o = find_option(table, n, word))) return unknown(command, table, n, word);
        value = own_value(o, word);
        if (o->kind == OPTION_FLAG && value) {
            snprintf(why, sizeof why, "%.80s: --%s takes no value", word, o->name);
            return bad(command, why);
        }
        if (o->kind != OPTION_FLAG && !value) {
            if (i + 1 == argc) {
                snprintf(why, sizeof why, "%.80s needs a value", word);
                return bad(command, why);
            }
            value = argv[++i];
        }
        if (!option_set(o, value, why)) return bad(command, why);
    }
    return OPTIONS_OK;
}

/* ---------------------------------------------------------------- suggestions */

/* Edits (insert, delete, replace, swap neighbours) from a to b: optimal string
 * alignment distance. Both are at most MAX_WORD long. */
static int edits(const char *a, const char *b)
{
    int rows[MAX_WORD + 1][MAX_WORD + 1];
    int na = (int)strlen(a), nb = (int)strlen(b);

    for (int i = 0; i <= na; i++) rows[i][0] = i;
    for (int k = 0; k <= nb; k++) rows[0][k] = k;
    for (int i = 1; i <= na; i++)
        for (int k = 1; k <= nb; k++) {
            int best = rows[i - 1][k - 1] + (a[i - 1] != b[k - 1]);

            if (rows[i - 1][k] + 1 < best) best = rows[i - 1][k] + 1;
            if (rows[i][k - 1] + 1 < best) best = rows[i][k - 1] + 1;
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
                rows[i - 2][k - 2] + 1 < best)
                best = rows[i - 2][k - 2] + 1;
            rows[i][k] = best;
        }
    return rows[na][nb];
}

const char *nearest_word(const char *word, const char *const *candidates, int n)
{
    const char *best = NULL;
    size_t len = strlen(word);
    int least = 3;

    if (len < 2 || len > MAX_WORD) return NULL;
    for (int i = 0; i < n; i++) {
        int d;

        if (strlen(candidates[i]) > MAX_WORD) continue;
        d = edits(word, candidates[i]);
        /* Two edits turn a short word into anything. */
        if (d < least && d * 2 <= (int)len) {
            least = d;
            best = candidates[i];
        }
        /* Half a word is worth a guess, too. */
        if (!best && len >= 3 && !strncmp(word, candidates[i], len)) best = candidates[i];
    }
    return best;
}
