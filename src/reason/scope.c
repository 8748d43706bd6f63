/* scope.c - what the prompts of a family have in common, and what fits it. */
#include "reason/scope.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    N_SAMPLE = 400,          /* prompts a family is learnt from */
    N_DEPTH = 4,             /* depths they are drawn at: deeper ones say no new words */
    MAX_WORD = 24,           /* bytes of a word that are looked at, with the NUL */
    MAX_QUESTION = 1 << 16,  /* bytes; what is longer is none of these problems */
    WORDS_A_SLIP = 12,       /* in so many words one that the family never uses is let by */
};

/* What of a prompt is counted. */
enum { COUNT_NUMBER, COUNT_SIGN, COUNT_FUNCTION, COUNT_WORD, COUNT_NEW, N_COUNT };

typedef struct word {
    char text[MAX_WORD];     /* lower case */
    int sample;              /* which prompt it stands in */
} word;

typedef struct words {
    word *items;
    int n, cap;
} words;

typedef struct profile {
    const task *task;
    words known;             /* sorted: words of two prompts or more */
    int low[N_COUNT], high[N_COUNT];
} profile;

struct scope {
    profile *families;       /* [tasks_count()] */
};

/* ------------------------------------------------------------------- reading */

static bool letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static bool digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* Count numbers, signs and functions ("f12", "f(") of a text and append its
 * words. Every letter beyond ASCII is a letter of a word that no family uses. */
static void read_text(const char *text, size_t len, int sample, int count[N_COUNT], words *out)
{
    memset(count, 0, N_COUNT * sizeof *count);
    for (size_t i = 0; i < len;) {
        const unsigned char c = (unsigned char)text[i];
        size_t from = i;

        if (digit(c)) {
            while (i < len && digit((unsigned char)text[i])) i++;
            count[COUNT_NUMBER]++;
        } else if (c == 'f' && i + 1 < len && digit((unsigned char)text[i + 1])) {
            for (i++; i < len && digit((unsigned char)text[i]);) i++;
            count[COUNT_FUNCTION]++;
        } else if (letter(c)) {
            word w = { .sample = sample };

            /* "don't" is one word. */
            while (i < len && (letter((unsigned char)text[i]) ||
                               (text[i] == '\'' && i > from && i + 1 < len &&
                                letter((unsigned char)text[i + 1])))) {
                unsigned char at = (unsigned char)text[i];

                if (i - from < MAX_WORD - 1)
                    w.text[i - from] = (char)(at >= 'A' && at <= 'Z' ? at + 32 : at);
                i++;
            }
            if (out->n == out->cap) {
                out->cap = out->cap ? 2 * out->cap : 64;
                out->items = mem_resize(out->items, (size_t)out->cap, sizeof *out->items);
            }
            out->items[out->n++] = w;
        } else {
            count[COUNT_SIGN] += c && strchr("+-*/=", c) != NULL;
            i++;
        }
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const word *)a)->text, ((const word *)b)->text);
}

static int by_text_and_sample(const void *a, const void *b)
{
    int order = by_text(a, b);

    return order ? order : ((const word *)a)->sample - ((const word *)b)->sample;
}

static void count_words(const profile *f, const words *w, int count[N_COUNT])
{
    count[COUNT_WORD] = count[COUNT_NEW] = 0;
    for (int i = 0; i < w->n; i++) {
        bool known = f->known.n && bsearch(&w->items[i], f->known.items, (size_t)f->known.n,
                                           sizeof *f->known.items, by_text);

        count[known ? COUNT_WORD : COUNT_NEW]++;
    }
}

/* ------------------------------------------------------------------ learning */

/* Keep each word once, if it stands in at least two prompts: the others are
 * letters that were drawn. */
static void keep_common(words *w)
{
    int n = 0;

    if (w->n) qsort(w->items, (size_t)w->n, sizeof *w->items, by_text_and_sample);
    for (int i = 0, end; i < w->n; i = end) {
        for (end = i + 1; end < w->n && !by_text(&w->items[i], &w->items[end]);) end++;
        if (w->items[end - 1].sample > w->items[i].sample) w->items[n++] = w->items[i];
    }
    w->n = n;
}

static void learn(profile *f, const task *t)
{
    int (*counts)[N_COUNT] = mem_array(N_SAMPLE, sizeof *counts);
    int n_depth = t->max_depth - t->min_depth + 1;
    words *each = mem_array(N_SAMPLE, sizeof *each);

    if (n_depth > N_DEPTH) n_depth = N_DEPTH;
    f->task = t;
    for (int i = 0; i < N_SAMPLE; i++) {
        problem p;

        problem_make(t, SPLIT_TRAIN, 0, (uint64_t)i, t->min_depth + i % n_depth, TRACE_LOW, &p);
        read_text(p.prompt, strlen(p.prompt), i, counts[i], &each[i]);
        for (int k = 0; k < each[i].n; k++) {
            if (f->known.n == f->known.cap) {
                f->known.cap = f->known.cap ? 2 * f->known.cap : 1024;
                f->known.items = mem_resize(f->known.items, (size_t)f->known.cap,
                                            sizeof *f->known.items);
            }
            f->known.items[f->known.n++] = each[i].items[k];
        }
        problem_fini(&p);
    }
    keep_common(&f->known);
    for (int i = 0; i < N_SAMPLE; i++) {
        count_words(f, &each[i], counts[i]);
        for (int k = 0; k < N_COUNT; k++) {
            if (!i || counts[i][k] < f->low[k]) f->low[k] = counts[i][k];
            if (!i || counts[i][k] > f->high[k]) f->high[k] = counts[i][k];
        }
        mem_free(each[i].items);
    }
    mem_free(each);
    mem_free(counts);
}

scope *scope_new(void)
{
    scope *s = mem_new(sizeof *s);

    s->families = mem_array((size_t)tasks_count(), sizeof *s->families);
    for (int i = 0; i < tasks_count(); i++) learn(&s->families[i], task_at(i));
    return s;
}

void scope_free(scope *s)
{
    if (!s) return;
    for (int i = 0; i < tasks_count(); i++) mem_free(s->families[i].known.items);
    mem_free(s->families);
    mem_free(s);
}

/* ------------------------------------------------------------------- judging */

/* At least what every prompt of the family holds; no more new words than any
 * has, but for a slip; no numbers, signs or functions where there are none. */
static bool fits(const profile *f, const words *w, const int text_count[N_COUNT])
{
    int count[N_COUNT];

    memcpy(count, text_count, sizeof count);
    count_words(f, w, count);
    for (int k = 0; k < N_COUNT; k++)
        if (count[k] < f->low[k] || (k < COUNT_WORD && count[k] && !f->high[k])) return false;
    return count[COUNT_NEW] <= f->high[COUNT_NEW] + w->n / WORDS_A_SLIP;
}

const task *scope_family(const scope *s, const char *text, size_t len)
{
    int count[N_COUNT];
    const task *found = NULL;
    words w = { 0 };

    if (len > MAX_QUESTION) return NULL;
    read_text(text, len, 0, count, &w);
    for (int i = 0; i < tasks_count() && !found; i++)
        if (fits(&s->families[i], &w, count)) found = s->families[i].task;
    mem_free(w.items);
    return found;
}

const task *scope_of_chat(const scope *s, const chat *c)
{
    const chat_message *m = NULL;
    const task *found;
    bytes text = { 0 };

    for (int i = 0; i < c->n; i++)
        if (c->items[i].role == CHAT_USER) m = &c->items[i];
    if (!m) return NULL;
    for (int i = 0; i < m->n_part; i++) {
        bytes_add(&text, m->parts[i].data, m->parts[i].len);
        bytes_add_char(&text, '\n');
    }
    found = text.len ? scope_family(s, text.data, text.len) : NULL;
    bytes_fini(&text);
    return found;
}

/* ------------------------------------------------------------------- telling */

void scope_explain(bytes *out, const char *model_name)
{
    static const struct { const char *task; int depth; } examples[] = {
        { "chain", 3 }, { "countdown", 3 }, { "word", 2 },
    };
    const int n = tasks_count(), n_example = (int)(sizeof examples / sizeof *examples);

    bytes_add_format(out, "%s is a tiny model that knows %d kinds of problems and nothing else: ",
                     model_name, n);
    for (int i = 0; i < n; i++)
        bytes_add_format(out, "%s%s", i ? "; " : "", task_at(i)->about);
    bytes_add_string(out, ". Ask, for example: ");
    for (int i = 0; i < n_example; i++) {
        const task *t = task_find(examples[i].task);
        problem p;

        CHECK(t != NULL);
        problem_make(t, SPLIT_TRAIN, 0, 0, examples[i].depth, TRACE_LOW, &p);
        bytes_add_format(out, "%s\"%s\"", i == 0 ? "" : i < n_example - 1 ? ", " : " or ",
                         p.prompt);
        problem_fini(&p);
    }
}
