/* wordnet.c - synonyms out of the WordNet 3.0 database files, wndb(5WN).
 *
 * index.POS is sorted by lemma and gives byte offsets of senses in data.POS,
 * whose lines name their words; POS.exc lists irregular forms. Files are mapped
 * and searched, nothing is loaded. Other forms are brought to their base form by
 * the rules of morphy(7WN), applied once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "tasks/similarity_internal.h"

#define N_POS 4
#define MAX_FORM 128

struct wordnet {
    filemap index[N_POS], data[N_POS], irregular[N_POS];
};

static const char *const pos_names[N_POS] = { "noun", "verb", "adj", "adv" };

typedef struct ending {
    const char *old, *by;
} ending;

static const ending noun_endings[] = {
    { "s", "" },     { "ses", "s" },   { "ves", "f" },   { "xes", "x" }, { "zes", "z" },
    { "ches", "ch" }, { "shes", "sh" }, { "men", "man" }, { "ies", "y" }, { NULL, NULL },
};
static const ending verb_endings[] = {
    { "s", "" },   { "ies", "y" }, { "es", "e" },  { "es", "" },   { "ed", "e" },
    { "ed", "" },  { "ing", "e" }, { "ing", "" },  { NULL, NULL },
};
static const ending adj_endings[] = {
    { "er", "" }, { "est", "" }, { "er", "e" }, { "est", "e" }, { NULL, NULL },
};
static const ending adv_endings[] = { { NULL, NULL } };
static const ending *const endings[N_POS] = {
    noun_endings, verb_endings, adj_endings, adv_endings,
};

wordnet *wordnet_open(const char *folder)
{
    wordnet *w = mem_new(sizeof *w);

    for (int p = 0; p < N_POS; p++) {
        char path[3][1024];

        snprintf(path[0], sizeof path[0], "%s/index.%s", folder, pos_names[p]);
        snprintf(path[1], sizeof path[1], "%s/data.%s", folder, pos_names[p]);
        snprintf(path[2], sizeof path[2], "%s/%s.exc", folder, pos_names[p]);
        if (filemap_open(&w->index[p], path[0], NULL) != OK ||
            filemap_open(&w->data[p], path[1], NULL) != OK ||
            filemap_open(&w->irregular[p], path[2], NULL) != OK) {
            wordnet_close(w);
            return NULL;
        }
    }
    return w;
}

void wordnet_close(wordnet *w)
{
    if (!w) return;
    for (int p = 0; p < N_POS; p++) {
        filemap_close(&w->index[p]);
        filemap_close(&w->data[p]);
        filemap_close(&w->irregular[p]);
    }
    mem_free(w);
}

/* A text that is read field by field; never past end. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static bool field(cursor *c, const char **start, size_t *len)
{
    while (c->at < c->end && *c->at == ' ') c->at++;
    *start = c->at;
    while (c->at < c->end && *c->at != ' ' && *c->at != '\n') c->at++;
    *len = (size_t)(c->at - *start);
    return *len > 0;
}

static bool number(cursor *c, int base, size_t *out)
{
    const char *s;
    size_t len, v = 0;

    if (!field(c, &s, &len) || len > 8) return false;
    for (size_t i = 0; i < len; i++) {
        int d = s[i] >= '0' && s[i] <= '9'   ? s[i] - '0'
                : s[i] >= 'a' && s[i] <= 'f' ? s[i] - 'a' + 10
                                             : 99;

        if (d >= base) return false;
        v = v * (size_t)base + (size_t)d;
    }
    *out = v;
    return true;
}

/* The rest of the line after a sorted key; false when there is no such line. */
static bool find_line(const filemap *m, const char *key, size_t len, cursor *out)
{
    const char *text = (const char *)m->data;
    size_t low = 0, high = m->len;

    while (low < high) {
        size_t start = low + (high - low) / 2, end, n, common;
        int order;

        while (start > low && text[start - 1] != '\n') start--;
        for (end = start; end < m->len && text[end] != '\n'; end++) {
        }
        for (n = start; n < end && text[n] != ' '; n++) {
        }
        n -= start;
        common = n < len ? n : len;
        order = common ? memcmp(text + start, key, common) : 0;
        if (order == 0) order = n < len ? -1 : n > len;
        if (order == 0) {
            *out = (cursor){ text + start + n, text + end };
            return true;
        }
        if (order < 0) low = end + 1;
        else high = start;
    }
    return false;
}

/* The words of the sense at an offset. */
static void tell_sense(const wordnet *w, int p, size_t offset, wordnet_fn *fn, void *arg)
{
    const filemap *m = &w->data[p];
    cursor c = { (const char *)m->data + offset, (const char *)m->data + m->len };
    size_t n_word, skip;

    if (offset >= m->len) return;
    for (size_t i = 0; i < 3; i++) {
        const char *s;

        if (!field(&c, &s, &skip)) return;
    }
    if (!number(&c, 16, &n_word)) return;
    for (size_t i = 0; i < n_word; i++) {
        const char *s, *mark;
        size_t len;

        if (!field(&c, &s, &len) || !number(&c, 16, &skip)) return;
        /* "galore(ip)": where an adjective may stand. */
        mark = memchr(s, '(', len);
        if (mark) len = (size_t)(mark - s);
        if (!memchr(s, '_', len)) fn(arg, s, len);
    }
}

static void tell_lemma(const wordnet *w, int p, const char *lemma, size_t len, wordnet_fn *fn,
                       void *arg)
{
    cursor c;
    const char *s;
    size_t n, n_sense, n_pointer, skip;

    if (!len || !find_line(&w->index[p], lemma, len, &c)) return;
    if (!field(&c, &s, &n) || !number(&c, 10, &n_sense) || !number(&c, 10, &n_pointer)) return;
    for (size_t i = 0; i < n_pointer; i++)
        if (!field(&c, &s, &n)) return;
    if (!number(&c, 10, &skip) || !number(&c, 10, &skip)) return;
    for (size_t i = 0; i < n_sense; i++) {
        size_t offset;

        if (!number(&c, 10, &offset)) return;
        tell_sense(w, p, offset, fn, arg);
    }
}

void wordnet_synonyms(wordnet *w, const char *word, size_t len, wordnet_fn *fn, void *arg)
{
    if (!len || len > MAX_FORM) return;
    for (int p = 0; p < N_POS; p++) {
        cursor c;

        tell_lemma(w, p, word, len, fn, arg);
        if (find_line(&w->irregular[p], word, len, &c)) {
            const char *s;
            size_t n;

            while (field(&c, &s, &n)) tell_lemma(w, p, s, n, fn, arg);
            continue;
        }
        for (const ending *e = endings[p]; e->old; e++) {
            size_t n_old = strlen(e->old);
            char form[MAX_FORM + 8];

            if (len < n_old || memcmp(word + len - n_old, e->old, n_old)) continue;
            memcpy(form, word, len - n_old);
            strcpy(form + len - n_old, e->by);
            tell_lemma(w, p, form, len - n_old + strlen(e->by), fn, arg);
        }
    }
}
