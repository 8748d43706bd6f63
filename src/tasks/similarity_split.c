/* similarity_split.c - cutting text into the words a metric counts.
 *
 * Each tokenizer is a sequence of rewritings over the whole text, in the order
 * in which the original applies them; words are what is left between spaces.
 * NLTK's is the Treebank tokenizer of 3.9.1, 13a that of mteval-v13a. */
#include <string.h>

#include "base/mem.h"
#include "tasks/similarity_internal.h"

/* ---- words as numbers ---- */

typedef struct entry {
    size_t start, n;
    uint64_t hash;
} entry;

struct interner {
    runes pool;
    entry *entries;
    int n, cap;
    int *slots;          /* index into entries, or -1; n_slot is a power of two */
    size_t n_slot;
};

interner *interner_new(void)
{
    interner *t = mem_new(sizeof *t);

    t->n_slot = 64;
    t->slots = mem_array(t->n_slot, sizeof *t->slots);
    memset(t->slots, -1, t->n_slot * sizeof *t->slots);
    return t;
}

void interner_free(interner *t)
{
    if (!t) return;
    runes_fini(&t->pool);
    mem_free(t->entries);
    mem_free(t->slots);
    mem_free(t);
}

static void place(interner *t, int id)
{
    size_t s = t->entries[id].hash & (t->n_slot - 1);

    while (t->slots[s] >= 0) s = (s + 1) & (t->n_slot - 1);
    t->slots[s] = id;
}

int intern(interner *t, const uint32_t *at, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++) h = (h ^ at[i]) * 0x100000001b3u;
    h ^= h >> 29;
    for (size_t s = h & (t->n_slot - 1); t->slots[s] >= 0; s = (s + 1) & (t->n_slot - 1)) {
        const entry *e = &t->entries[t->slots[s]];

        if (e->hash == h && e->n == n && (!n || !memcmp(t->pool.at + e->start, at, n * sizeof *at)))
            return t->slots[s];
    }
    if (t->n == t->cap) {
        t->cap = t->cap * 2 + 32;
        t->entries = mem_resize(t->entries, (size_t)t->cap, sizeof *t->entries);
    }
    t->entries[t->n] = (entry){ t->pool.n, n, h };
    runes_add_range(&t->pool, at, n);
    if ((size_t)t->n * 2 >= t->n_slot) {
        t->n_slot *= 2;
        t->slots = mem_resize(t->slots, t->n_slot, sizeof *t->slots);
        memset(t->slots, -1, t->n_slot * sizeof *t->slots);
        for (int i = 0; i < t->n; i++) place(t, i);
    }
    place(t, t->n);
    return t->n++;
}

const uint32_t *interned(const interner *t, int id, size_t *n)
{
    *n = t->entries[id].n;
    return *n ? t->pool.at + t->entries[id].start : NULL;
}

void wordlist_add(wordlist *w, int id)
{
    if (w->n == w->cap) {
        w->cap = w->cap * 2 + 16;
        w->ids = mem_resize(w->ids, w->cap, sizeof *w->ids);
    }
    w->ids[w->n++] = id;
}

void wordlist_fini(wordlist *w)
{
    mem_free(w->ids);
    *w = (wordlist){ 0 };
}

/* ---- rewriting ---- */

/* A rule looks at the text from i on and, where it applies, appends what takes
 * the place of the characters it eats; their number is the result, 0 where it
 * does not apply. What an earlier match has eaten is not matched again. */
typedef size_t rule_fn(const runes *t, size_t i, runes *out);

static void rewrite(runes *t, rule_fn *rule)
{
    runes out = { 0 };

    for (size_t i = 0; i < t->n;) {
        size_t eaten = rule(t, i, &out);

        if (eaten) {
            i += eaten;
        } else {
            runes_add(&out, t->at[i++]);
        }
    }
    runes_fini(t);
    *t = out;
}

static uint32_t peek(const runes *t, size_t i)
{
    return i < t->n ? t->at[i] : 0;
}

static bool is_one_of(uint32_t c, const char *set)
{
    return c && c < 128 && strchr(set, (int)c);
}

static void spaced(runes *out, const runes *t, size_t i, size_t n)
{
    runes_add(out, ' ');
    runes_add_range(out, t->at + i, n);
    runes_add(out, ' ');
}

static bool letters_at(const runes *t, size_t i, const char *word)
{
    for (; *word; word++, i++) {
        uint32_t c = peek(t, i);

        if (c >= 'A' && c <= 'Z') c += 32;
        /* Case folding makes these two equal to ASCII letters. */
        if (c == 0x17f) c = 's';
        if (c == 0x212a) c = 'k';
        if (i >= t->n || c != (unsigned char)*word) return false;
    }
    return true;
}

/* \b between i-1 and i */
static bool is_edge(const runes *t, size_t i)
{
    bool before = i > 0 && rune_is_word(t->at[i - 1]), after = i < t->n && rune_is_word(t->at[i]);

    return before != after;
}

/* ---- NLTK ---- */

static size_t nltk_open_quote(const runes *t, size_t i, runes *out)
{
    uint32_t c = t->at[i];
    size_t n = 1;

    if (c == '`') {
        while (peek(t, i + n) == '`') n++;
    } else if (c != 0xab && c != 0x201c && c != 0x2018 && c != 0x201e) {
        return 0;
    }
    spaced(out, t, i, n);
    return n;
}

static size_t nltk_first_quote(const runes *t, size_t i, runes *out)
{
    if (i || t->at[i] != '"') return 0;
    runes_add_ascii(out, "``");
    return 1;
}

static size_t nltk_backticks(const runes *t, size_t i, runes *out)
{
    if (t->at[i] != '`' || peek(t, i + 1) != '`') return 0;
    spaced(out, t, i, 2);
    return 2;
}

static size_t nltk_quote_after_open(const runes *t, size_t i, runes *out)
{
    size_t n;

    if (!is_one_of(t->at[i], " ([{<")) return 0;
    n = peek(t, i + 1) == '"' ? 1 : peek(t, i + 1) == '\'' && peek(t, i + 2) == '\'' ? 2 : 0;
    if (!n) return 0;
    runes_add(out, t->at[i]);
    runes_add_ascii(out, " `` ");
    return 1 + n;
}

static size_t nltk_quoted_letter(const runes *t, size_t i, runes *out)
{
    static const char *const kept[] = { "re", "ve", "ll", "m", "t", "s", "d", "n" };

    if (t->at[i] != '\'' || i + 1 >= t->n || !rune_is_word(t->at[i + 1]) || !is_edge(t, i + 2))
        return 0;
    for (int k = 0; k < 8; k++)
        if (letters_at(t, i + 1, kept[k])) return 0;
    runes_add(out, '\'');
    runes_add(out, ' ');
    runes_add(out, t->at[i + 1]);
    return 2;
}

/* The full stop before closing marks at the very end. `all`: the first of the
 * two rules, which knows more closing marks and puts them apart. */
static size_t end_stop(const runes *t, size_t i, runes *out, bool all)
{
    size_t k = i + 2, marks;

    if (t->at[i] == '.' || peek(t, i + 1) != '.') return 0;
    while (k < t->n && (is_one_of(t->at[k], all ? "])}>\"' " : "])}>\"'") ||
                        (all && (t->at[k] == 0xbb || t->at[k] == 0x201d || t->at[k] == 0x2019))))
        k++;
    marks = k;
    while (k < t->n && rune_is_space(t->at[k])) k++;
    if (k < t->n) return 0;
    runes_add(out, t->at[i]);
    runes_add_ascii(out, " . ");
    runes_add_range(out, t->at + i + 2, marks - i - 2);
    runes_add(out, ' ');
    return t->n - i;
}

static size_t nltk_end_stop(const runes *t, size_t i, runes *out)
{
    return end_stop(t, i, out, true);
}

static size_t nltk_end_stop_again(const runes *t, size_t i, runes *out)
{
    return end_stop(t, i, out, false);
}

static size_t nltk_colon(const runes *t, size_t i, runes *out)
{
    if (!is_one_of(t->at[i], ":,") || i + 1 >= t->n || rune_is_digit(t->at[i + 1])) return 0;
    runes_add(out, ' ');
    runes_add(out, t->at[i]);
    runes_add(out, ' ');
    runes_add(out, t->at[i + 1]);
    return 2;
}

static size_t nltk_last_colon(const runes *t, size_t i, runes *out)
{
    /* $ also stands before a line feed that ends the text. */
    if (!is_one_of(t->at[i], ":,") || (i + 1 < t->n && (i + 2 < t->n || t->at[i + 1] != '\n')))
        return 0;
    spaced(out, t, i, 1);
    return 1;
}

static size_t nltk_dots(const runes *t, size_t i, runes *out)
{
    size_t n = 0;

    while (peek(t, i + n) == '.') n++;
    if (n < 2) return 0;
    spaced(out, t, i, n);
    return n;
}

static size_t single(const runes *t, size_t i, runes *out, const char *set)
{
    if (!is_one_of(t->at[i], set)) return 0;
    spaced(out, t, i, 1);
    return 1;
}

static size_t nltk_marks(const runes *t, size_t i, runes *out)
{
    return single(t, i, out, ";@#$%&");
}

static size_t nltk_question(const runes *t, size_t i, runes *out)
{
    return single(t, i, out, "?!");
}

static size_t nltk_apostrophe(const runes *t, size_t i, runes *out)
{
    if (t->at[i] == '\'' || peek(t, i + 1) != '\'' || peek(t, i + 2) != ' ') return 0;
    runes_add(out, t->at[i]);
    runes_add_ascii(out, " ' ");
    return 3;
}

static size_t nltk_star(const runes *t, size_t i, runes *out)
{
    return single(t, i, out, "*");
}

static size_t nltk_brackets(const runes *t, size_t i, runes *out)
{
    return single(t, i, out, "[](){}<>");
}

static size_t nltk_dashes(const runes *t, size_t i, runes *out)
{
    if (t->at[i] != '-' || peek(t, i + 1) != '-') return 0;
    spaced(out, t, i, 2);
    return 2;
}

static size_t nltk_close_quote(const runes *t, size_t i, runes *out)
{
    if (t->at[i] != 0xbb && t->at[i] != 0x201d && t->at[i] != 0x2019) return 0;
    spaced(out, t, i, 1);
    return 1;
}

static size_t nltk_two_apostrophes(const runes *t, size_t i, runes *out)
{
    if (t->at[i] != '\'' || peek(t, i + 1) != '\'') return 0;
    spaced(out, t, i, 2);
    return 2;
}

static size_t nltk_double_quote(const runes *t, size_t i, runes *out)
{
    if (t->at[i] != '"') return 0;
    runes_add_ascii(out, " '' ");
    return 1;
}

static size_t nltk_spaces(const runes *t, size_t i, runes *out)
{
    size_t n = 0;

    while (i + n < t->n && rune_is_space(t->at[i + n])) n++;
    if (n) runes_add(out, ' ');
    return n;
}

static size_t ending(const runes *t, size_t i, runes *out, const char *const *ends, int n_end)
{
    if (t->at[i] == '\'' || t->at[i] == ' ') return 0;
    for (int k = 0; k < n_end; k++) {
        size_t n = strlen(ends[k]), j = 0;

        while (j < n && peek(t, i + 1 + j) == (unsigned char)ends[k][j]) j++;
        if (j < n || peek(t, i + 1 + n) != ' ') continue;
        runes_add(out, t->at[i]);
        spaced(out, t, i + 1, n);
        return n + 2;
    }
    return 0;
}

static size_t nltk_short_ending(const runes *t, size_t i, runes *out)
{
    static const char *const ends[] = { "'s", "'S", "'m", "'M", "'d", "'D", "'" };

    return ending(t, i, out, ends, 7);
}

static size_t nltk_long_ending(const runes *t, size_t i, runes *out)
{
    static const char *const ends[] = { "'ll", "'LL", "'re", "'RE", "'ve", "'VE", "n't", "N'T" };

    return ending(t, i, out, ends, 8);
}

/* A word in two parts: the first n_first letters are put apart from the rest. */
typedef struct contraction {
    const char *word;
    size_t n_first;
} contraction;

static size_t nltk_contraction(const runes *t, size_t i, runes *out, const contraction *c)
{
    size_t n = strlen(c->word);

    if (!is_edge(t, i) || !letters_at(t, i, c->word)) return 0;
    if (!strcmp(c->word, "wanna") ? i + n >= t->n || !rune_is_space(t->at[i + n])
                                  : !is_edge(t, i + n))
        return 0;
    spaced(out, t, i, c->n_first);
    spaced(out, t, i + c->n_first, n - c->n_first);
    return n;
}

/* Each word is a rewriting of its own, one after the other. */
static const contraction contractions[] = { { "cannot", 3 }, { "d'ye", 1 },  { "gimme", 3 },
                                            { "gonna", 3 },  { "gotta", 3 }, { "lemme", 3 },
                                            { "more'n", 4 }, { "wanna", 3 } };

static void nltk_contractions(runes *t)
{
    for (size_t k = 0; k < sizeof contractions / sizeof contractions[0]; k++) {
        runes out = { 0 };

        for (size_t i = 0; i < t->n;) {
            size_t eaten = nltk_contraction(t, i, &out, &contractions[k]);

            if (eaten) i += eaten;
            else runes_add(&out, t->at[i++]);
        }
        runes_fini(t);
        *t = out;
    }
}

static size_t tis(const runes *t, size_t i, runes *out, const char *word)
{
    size_t n = 1 + strlen(word);

    if (t->at[i] != ' ' || !letters_at(t, i + 1, word) || !is_edge(t, i + n)) return 0;
    spaced(out, t, i + 1, 2);
    spaced(out, t, i + 3, n - 3);
    return n;
}

static size_t nltk_tis(const runes *t, size_t i, runes *out)
{
    return tis(t, i, out, "'tis");
}

static size_t nltk_twas(const runes *t, size_t i, runes *out)
{
    return tis(t, i, out, "'twas");
}

static void pad(runes *t)
{
    runes out = { 0 };

    runes_add(&out, ' ');
    runes_add_range(&out, t->at, t->n);
    runes_add(&out, ' ');
    runes_fini(t);
    *t = out;
}

static void nltk_rewrite(runes *t)
{
    static rule_fn *const before[] = {
        nltk_open_quote, nltk_first_quote, nltk_backticks, nltk_quote_after_open,
        nltk_quoted_letter, nltk_end_stop, nltk_colon, nltk_last_colon, nltk_dots, nltk_marks,
        nltk_end_stop_again, nltk_question, nltk_apostrophe, nltk_star, nltk_brackets, nltk_dashes,
    };
    static rule_fn *const after[] = { nltk_close_quote, nltk_two_apostrophes, nltk_double_quote,
                                      nltk_spaces, nltk_short_ending, nltk_long_ending };

    for (size_t k = 0; k < sizeof before / sizeof before[0]; k++) rewrite(t, before[k]);
    pad(t);
    for (size_t k = 0; k < sizeof after / sizeof after[0]; k++) rewrite(t, after[k]);
    nltk_contractions(t);
    rewrite(t, nltk_tis);
    rewrite(t, nltk_twas);
}

/* ---- 13a ---- */

static bool literal_at(const runes *t, size_t i, const char *s)
{
    size_t n = strlen(s), k = 0;

    while (k < n && peek(t, i + k) == (unsigned char)s[k]) k++;
    return k == n;
}

static void replace(runes *t, const char *what, const char *by)
{
    runes out = { 0 };
    size_t n = strlen(what);

    for (size_t i = 0; i < t->n;) {
        if (literal_at(t, i, what)) {
            runes_add_ascii(&out, by);
            i += n;
        } else {
            runes_add(&out, t->at[i++]);
        }
    }
    runes_fini(t);
    *t = out;
}

static size_t mteval_marks(const runes *t, size_t i, runes *out)
{
    uint32_t c = t->at[i];

    if (!((c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
          (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/'))
        return 0;
    spaced(out, t, i, 1);
    return 1;
}

static bool ascii_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

static size_t mteval_stop_after(const runes *t, size_t i, runes *out)
{
    if (ascii_digit(t->at[i]) || !is_one_of(peek(t, i + 1), ".,")) return 0;
    runes_add(out, t->at[i]);
    spaced(out, t, i + 1, 1);
    return 2;
}

static size_t mteval_stop_before(const runes *t, size_t i, runes *out)
{
    if (!is_one_of(t->at[i], ".,") || i + 1 >= t->n || ascii_digit(t->at[i + 1])) return 0;
    spaced(out, t, i, 1);
    runes_add(out, t->at[i + 1]);
    return 2;
}

static size_t mteval_dash(const runes *t, size_t i, runes *out)
{
    if (!ascii_digit(t->at[i]) || peek(t, i + 1) != '-') return 0;
    runes_add(out, t->at[i]);
    spaced(out, t, i + 1, 1);
    return 2;
}

static void mteval_rewrite(runes *t)
{
    replace(t, "<skipped>", "");
    replace(t, "-\n", "");
    replace(t, "\n", " ");
    replace(t, "&quot;", "\"");
    replace(t, "&amp;", "&");
    replace(t, "&lt;", "<");
    replace(t, "&gt;", ">");
    pad(t);
    rewrite(t, mteval_marks);
    rewrite(t, mteval_stop_after);
    rewrite(t, mteval_stop_before);
    rewrite(t, mteval_dash);
}

/* ---- rouge_score ---- */

static void rouge_rewrite(runes *t)
{
    runes low = { 0 };

    if (t->n) runes_lower(&low, t->at, t->n);
    for (size_t i = 0; i < low.n; i++)
        if (!(ascii_digit(low.at[i]) || (low.at[i] >= 'a' && low.at[i] <= 'z'))) low.at[i] = ' ';
    runes_fini(t);
    *t = low;
}

void split_words(wordlist *out, interner *t, splitter how, bool lower, const runes *text)
{
    runes r = { 0 }, low = { 0 };

    runes_add_range(&r, text->at, text->n);
    if (how == SPLIT_NLTK_WORD) nltk_rewrite(&r);
    if (how == SPLIT_13A) mteval_rewrite(&r);
    if (how == SPLIT_ROUGE_SCORE) rouge_rewrite(&r);
    for (size_t i = 0; i < r.n;) {
        size_t start;

        while (i < r.n && rune_is_space(r.at[i])) i++;
        start = i;
        while (i < r.n && !rune_is_space(r.at[i])) i++;
        if (i == start) break;
        if (lower) {
            low.n = 0;
            runes_lower(&low, r.at + start, i - start);
            wordlist_add(out, intern(t, low.at, low.n));
        } else {
            wordlist_add(out, intern(t, r.at + start, i - start));
        }
    }
    runes_fini(&r);
    runes_fini(&low);
}
