/* similarity.c - the names of the metrics, and what each puts together. */
#include "tasks/similarity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/similarity_internal.h"

/* Elementary steps of some ns each. */
#define BUDGET 1e9
/* Twice this many bytes are compared at most. */
#define MAX_TEXT ((size_t)4 << 20)
#define WORDNET_FOLDER "/usr/share/wordnet"      /* Debian's wordnet-base */

typedef enum family { FUZZ, BLEU, GLEU, METEOR, ROUGE_SET, ROUGE_COUNT } family;

struct similarity {
    char name[64];
    family kind;
    fuzzy ratio;
    bool process;
    smoothing smooth;
    splitter split;
    int order;           /* rouge: 0 is l */
    rouge_part part;
    wordnet *words;      /* meteor; NULL where there is none */
};

static wordnet *find_wordnet(void)
{
    const char *folder = getenv("PONDER_WORDNET");

    return wordnet_open(folder ? folder : WORDNET_FOLDER);
}

static const char *const fuzzy_names[] = {
    "ratio",      "partial_ratio",   "token_sort_ratio",
    "token_set_ratio", "token_ratio", "partial_token_sort_ratio",
    "partial_token_set_ratio", "partial_token_ratio", "QRatio", "WRatio",
};

/* Index of a name in a list, or -1. */
static int name_index(const char *name, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(name, names[i])) return i;
    return -1;
}

static bool parse_fuzz(similarity *s, char *rest)
{
    char *plus = strchr(rest, '+');
    int i;

    s->process = plus != NULL;
    if (plus && strcmp(plus, "+default_process")) return false;
    if (plus) *plus = 0;
    i = name_index(rest, fuzzy_names, sizeof fuzzy_names / sizeof fuzzy_names[0]);
    if (i < 0) return false;
    s->ratio = (fuzzy)i;
    return true;
}

static bool parse_split(similarity *s, const char *rest)
{
    static const char *const names[] = { "ws", "nltk_word", "13a" };
    int i = name_index(rest, names, 3);

    s->split = (splitter)i;
    return i >= 0;
}

static bool parse_bleu(similarity *s, char *rest)
{
    static const char *const names[] = { "none", "method1", "method4" };
    char *dot = strchr(rest, '.');
    int i;

    if (!dot) return false;
    *dot = 0;
    i = name_index(rest, names, 3);
    s->smooth = (smoothing)i;
    return i >= 0 && parse_split(s, dot + 1);
}

static bool parse_rouge_set(similarity *s, const char *rest)
{
    static const char *const orders[] = { "l", "1", "2", "3", "4", "5" };
    static const char *const parts[] = { ".f", ".p", ".r" };
    char order[2] = { 0 };
    int part;

    if (strncmp(rest, "rouge-", 6) || strlen(rest) != 9) return false;
    order[0] = rest[6];
    s->order = name_index(order, orders, 6);
    part = name_index(rest + 7, parts, 3);
    s->part = (rouge_part)part;
    return s->order >= 0 && part >= 0;
}

static bool parse_rouge_count(similarity *s, const char *rest)
{
    static const char *const names[] = { "rougeL.f", "rouge1.f", "rouge2.f",
                                         "rouge3.f", "rouge4.f", "rouge5.f" };

    s->order = name_index(rest, names, 6);
    return s->order >= 0;
}

static bool parse(similarity *s)
{
    static const char *const families[] = { "fuzz",   "bleu",      "gleu",
                                            "meteor", "rouge_pkg", "rouge_score" };
    char text[sizeof s->name], *dot;
    int i;

    snprintf(text, sizeof text, "%s", s->name);
    if (!(dot = strchr(text, '.'))) return false;
    *dot = 0;
    i = name_index(text, families, 6);
    s->kind = (family)i;
    switch (i) {
    case FUZZ: return parse_fuzz(s, dot + 1);
    case BLEU: return parse_bleu(s, dot + 1);
    case GLEU:
    case METEOR: return parse_split(s, dot + 1);
    case ROUGE_SET: return parse_rouge_set(s, dot + 1);
    case ROUGE_COUNT: return parse_rouge_count(s, dot + 1);
    default: return false;
    }
}

status similarity_new(similarity **out, const char *name, errtext *err)
{
    static const char *const defaults[][2] = {
        { "fuzzy_match", "fuzz.WRatio+default_process" },
        { "bleu", "bleu.method4.nltk_word" },
        { "gleu", "gleu.nltk_word" },
        { "meteor", "meteor.nltk_word" },
        { "rouge_1", "rouge_pkg.rouge-1.f" },
        { "rouge_2", "rouge_pkg.rouge-2.f" },
        { "rouge_3", "rouge_pkg.rouge-3.f" },
        { "rouge_4", "rouge_pkg.rouge-4.f" },
        { "rouge_5", "rouge_pkg.rouge-5.f" },
        { "rouge_l", "rouge_pkg.rouge-l.f" },
    };
    similarity *s = mem_new(sizeof *s);
    const char *full = name;

    *out = NULL;
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        if (!strcmp(name, defaults[i][0])) full = defaults[i][1];
    snprintf(s->name, sizeof s->name, "%s", full);
    if (strlen(full) >= sizeof s->name || !parse(s)) {
        mem_free(s);
        return fail(err, E_ARG,
                    "metric \"%.60s\" is not known; there are fuzzy_match, bleu, gleu, meteor, "
                    "rouge_1 to rouge_5, rouge_l and cosine", name);
    }
    if (s->kind == METEOR) s->words = find_wordnet();
    *out = s;
    return OK;
}

void similarity_free(similarity *s)
{
    if (!s) return;
    wordnet_close(s->words);
    mem_free(s);
}

const char *similarity_name(const similarity *s)
{
    return s->name;
}

bool similarity_lacks_synonyms(const similarity *s)
{
    return s->kind == METEOR && !s->words;
}

static double fuzz_of(const similarity *s, const runes *a, const runes *b, budget *left)
{
    runes x = { 0 }, y = { 0 };
    double r;

    if (!s->process) {
        r = fuzzy_score(s->ratio, a, b, left);
    } else {
        fuzzy_process(&x, a);
        fuzzy_process(&y, b);
        r = fuzzy_score(s->ratio, &x, &y, left);
        runes_fini(&x);
        runes_fini(&y);
    }
    return r < 0 ? -1 : r / 100;
}

static double words_of(const similarity *s, const runes *a, const runes *b, budget *left)
{
    interner *t = interner_new();
    wordlist x = { 0 }, y = { 0 };
    splitter how = s->kind == ROUGE_COUNT ? SPLIT_ROUGE_SCORE : s->split;
    bool lower = s->kind == METEOR;
    double r = -1;

    split_words(&x, t, how, lower, a);
    split_words(&y, t, how, lower, b);
    if (s->kind == BLEU) r = bleu_score(&x, &y, s->smooth, left);
    if (s->kind == GLEU) r = gleu_score(&x, &y, left);
    if (s->kind == METEOR) r = meteor_score(t, &x, &y, s->words, left);
    if (s->kind == ROUGE_COUNT) r = rouge_count_score(&x, &y, s->order, left);
    wordlist_fini(&x);
    wordlist_fini(&y);
    interner_free(t);
    return r;
}

status similarity_score(double *out, const similarity *s, const char *output, size_t n_output,
                        const char *reference, size_t n_reference, errtext *err)
{
    runes a = { 0 }, b = { 0 };
    budget left = { BUDGET };
    double r;

    *out = 0;
    if (n_output > MAX_TEXT || n_reference > MAX_TEXT)
        return fail(err, E_LIMIT, "%s: a text of %zu bytes is longer than %zu", s->name,
                    n_output > n_reference ? n_output : n_reference, MAX_TEXT);
    runes_from_utf8(&a, output, n_output);
    runes_from_utf8(&b, reference, n_reference);
    if (s->kind == FUZZ) r = fuzz_of(s, &a, &b, &left);
    else if (s->kind == ROUGE_SET) r = rouge_set_score(&a, &b, s->order, s->part, &left);
    else r = words_of(s, &a, &b, &left);
    runes_fini(&a);
    runes_fini(&b);
    if (isnan(r)) return fail(err, E_ARG, "%s: a text has no sentence", s->name);
    if (r < 0)
        return fail(err, E_LIMIT, "%s: texts of %zu and %zu bytes take too long to compare",
                    s->name, n_output, n_reference);
    *out = r;
    return OK;
}
