/* porter.c - M. F. Porter, "An algorithm for suffix stripping", 1980, with the
 * changes NLTK makes by default: a few irregular words, short words kept, -ies
 * and -ied of four letters, y after a consonant only, -alli before the rest of
 * step 2, and three more of its suffixes. */
#include <string.h>

#include "tasks/similarity_internal.h"

typedef struct suffix_rule {
    const char *suffix, *by;
} suffix_rule;

static bool is_consonant(const runes *w, size_t i)
{
    uint32_t c = w->at[i];
    bool y_is = true;

    if (c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u') return false;
    if (c != 'y') return true;
    /* In a run of y they alternate. */
    while (i > 0 && w->at[i - 1] == 'y') {
        i--;
        y_is = !y_is;
    }
    if (i == 0) return y_is;
    c = w->at[i - 1];
    return (c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u') ? y_is : !y_is;
}

/* The number of VC in [C](VC)^m[V], of the first n letters. */
static int measure(const runes *w, size_t n)
{
    int m = 0;
    bool vowel = false;

    for (size_t i = 0; i < n; i++) {
        bool c = w->at[i] == 'y' ? i == 0 || vowel : is_consonant(w, i);

        if (c && vowel) m++;
        vowel = !c;
    }
    return m;
}

static bool has_vowel(const runes *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_consonant(w, i)) return true;
    return false;
}

static bool ends_cvc(const runes *w, size_t n)
{
    if (n >= 3) {
        uint32_t c = w->at[n - 1];

        if (is_consonant(w, n - 3) && !is_consonant(w, n - 2) && is_consonant(w, n - 1) &&
            c != 'w' && c != 'x' && c != 'y')
            return true;
    }
    return n == 2 && !is_consonant(w, 0) && is_consonant(w, 1);
}

/* Letters before the suffix, or -1. */
static long before(const runes *w, const char *suffix)
{
    size_t n = strlen(suffix);

    if (w->n < n) return -1;
    for (size_t i = 0; i < n; i++)
        if (w->at[w->n - n + i] != (unsigned char)suffix[i]) return -1;
    return (long)(w->n - n);
}

static void set_ending(runes *w, long keep, const char *by)
{
    w->n = (size_t)keep;
    runes_add_ascii(w, by);
}

/* The first suffix that is there decides; it is replaced when what comes before
 * it has a measure above least. */
static void apply(runes *w, const suffix_rule *rules, int n_rule, int least)
{
    for (int k = 0; k < n_rule; k++) {
        long n = before(w, rules[k].suffix);

        if (n < 0) continue;
        if (measure(w, (size_t)n) > least) set_ending(w, n, rules[k].by);
        return;
    }
}

static void step1a(runes *w)
{
    long n;

    if ((n = before(w, "ies")) == 1) set_ending(w, n, "ie");
    else if ((n = before(w, "sses")) >= 0) set_ending(w, n, "ss");
    else if ((n = before(w, "ies")) >= 0) set_ending(w, n, "i");
    else if (before(w, "ss") >= 0) return;
    else if ((n = before(w, "s")) >= 0) w->n = (size_t)n;
}

static void step1b(runes *w)
{
    uint32_t last;
    long n;

    if ((n = before(w, "ied")) >= 0) {
        set_ending(w, n, n == 1 ? "ie" : "i");
        return;
    }
    if ((n = before(w, "eed")) >= 0) {
        if (measure(w, (size_t)n) > 0) set_ending(w, n, "ee");
        return;
    }
    n = before(w, "ed");
    if (n < 0 || !has_vowel(w, (size_t)n)) n = before(w, "ing");
    if (n < 0 || !has_vowel(w, (size_t)n)) return;
    w->n = (size_t)n;
    last = w->at[w->n - 1];
    if ((n = before(w, "at")) >= 0) {
        set_ending(w, n, "ate");
    } else if ((n = before(w, "bl")) >= 0) {
        set_ending(w, n, "ble");
    } else if ((n = before(w, "iz")) >= 0) {
        set_ending(w, n, "ize");
    } else if (w->n >= 2 && w->at[w->n - 2] == last && is_consonant(w, w->n - 1)) {
        if (last != 'l' && last != 's' && last != 'z') w->n--;
    } else if (measure(w, w->n) == 1 && ends_cvc(w, w->n)) {
        runes_add(w, 'e');
    }
}

static void step1c(runes *w)
{
    if (w->n > 2 && w->at[w->n - 1] == 'y' && is_consonant(w, w->n - 2)) w->at[w->n - 1] = 'i';
}

static void step2(runes *w)
{
    static const suffix_rule rules[] = {
        { "ational", "ate" }, { "tional", "tion" }, { "enci", "ence" },   { "anci", "ance" },
        { "izer", "ize" },    { "bli", "ble" },     { "alli", "al" },     { "entli", "ent" },
        { "eli", "e" },       { "ousli", "ous" },   { "ization", "ize" }, { "ation", "ate" },
        { "ator", "ate" },    { "alism", "al" },    { "iveness", "ive" }, { "fulness", "ful" },
        { "ousness", "ous" }, { "aliti", "al" },    { "iviti", "ive" },   { "biliti", "ble" },
        { "fulli", "ful" },
    };
    const int n_rule = sizeof rules / sizeof rules[0];
    long n;

    while ((n = before(w, "alli")) >= 0 && measure(w, (size_t)n) > 0) set_ending(w, n, "al");
    for (int k = 0; k < n_rule; k++)
        if (before(w, rules[k].suffix) >= 0) {
            apply(w, rules, n_rule, 0);
            return;
        }
    /* The l belongs to the stem, so that geology has one. */
    if (before(w, "logi") >= 0 && measure(w, w->n - 3) > 0) w->n--;
}

static void step3(runes *w)
{
    static const suffix_rule rules[] = {
        { "icate", "ic" }, { "ative", "" }, { "alize", "al" }, { "iciti", "ic" },
        { "ical", "ic" },  { "ful", "" },   { "ness", "" },
    };

    apply(w, rules, sizeof rules / sizeof rules[0], 0);
}

static void step4(runes *w)
{
    static const suffix_rule rules[] = {
        { "al", "" },    { "ance", "" }, { "ence", "" }, { "er", "" },  { "ic", "" },
        { "able", "" },  { "ible", "" }, { "ant", "" },  { "ement", "" }, { "ment", "" },
        { "ent", "" },   { "ion", "" },  { "ou", "" },   { "ism", "" }, { "ate", "" },
        { "iti", "" },   { "ous", "" },  { "ive", "" },  { "ize", "" },
    };
    long n = before(w, "ion");

    if (n >= 0) {
        if (measure(w, (size_t)n) > 1 && (w->at[n - 1] == 's' || w->at[n - 1] == 't'))
            w->n = (size_t)n;
        return;
    }
    apply(w, rules, sizeof rules / sizeof rules[0], 1);
}

static void step5(runes *w)
{
    long n = before(w, "e");
    int m;

    if (n >= 0) {
        m = measure(w, (size_t)n);
        if (m > 1 || (m == 1 && !ends_cvc(w, (size_t)n))) w->n = (size_t)n;
    }
    if (before(w, "ll") >= 0 && measure(w, w->n - 1) > 1) w->n--;
}

static bool is_word(const runes *w, const char *s)
{
    return w->n == strlen(s) && before(w, s) == 0;
}

void porter_stem(runes *w)
{
    static const suffix_rule irregular[] = {
        { "sky", "sky" },         { "skies", "sky" },      { "dying", "die" },
        { "lying", "lie" },       { "tying", "tie" },      { "news", "news" },
        { "innings", "inning" },  { "inning", "inning" },  { "outings", "outing" },
        { "outing", "outing" },   { "cannings", "canning" }, { "canning", "canning" },
        { "howe", "howe" },       { "proceed", "proceed" }, { "exceed", "exceed" },
        { "succeed", "succeed" },
    };

    for (size_t k = 0; k < sizeof irregular / sizeof irregular[0]; k++)
        if (is_word(w, irregular[k].suffix)) {
            set_ending(w, 0, irregular[k].by);
            return;
        }
    if (w->n <= 2) return;
    step1a(w);
    step1b(w);
    step1c(w);
    step2(w);
    step3(w);
    step4(w);
    step5(w);
}
