/* final.c - the final answer inside a text, and the vote over many.
 *
 * Voting compares strings, so all care goes into giving answers that mean the
 * same the same spelling, without ever joining two that differ. Every rule is
 * one pass over the text. */
#include <string.h>
#include <utf8proc.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "reason/ask_internal.h"

#define MAX_FINAL 256            /* bytes of a final answer; more is an essay */
#define MAX_WHOLE 80             /* bytes of a text that is its own final answer */

/* A piece of the text under search. */
typedef struct span {
    const char *at;
    size_t len;
} span;

static bool is_white(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool begins(span s, const char *mark)
{
    size_t n = strlen(mark);

    return s.len >= n && !memcmp(s.at, mark, n);
}

static bool ends(span s, const char *mark)
{
    size_t n = strlen(mark);

    return s.len >= n && !memcmp(s.at + s.len - n, mark, n);
}

static span skip(span s, size_t n)
{
    return (span){ s.at + n, s.len - n };
}

static span trim(span s)
{
    while (s.len && is_white(s.at[0])) s = skip(s, 1);
    while (s.len && is_white(s.at[s.len - 1])) s.len--;
    return s;
}

/* ------------------------------------------------------------------- numbers */

static const char *const minus_signs[] = { "-", "\xe2\x88\x92", NULL };
static const char *const currencies[] = {
    "$", "\\$", "\xe2\x82\xac", "\xc2\xa3", "\xc2\xa5", NULL
};

/* Length of the first of a list's strings that begins s; 0: none does. */
static size_t any_begins(span s, const char *const *marks)
{
    for (; *marks; marks++)
        if (begins(s, *marks)) return strlen(*marks);
    return 0;
}

/* ",000" and no fourth digit. */
static bool group_at(span s, size_t i)
{
    return i + 4 <= s.len && s.at[i] == ',' && is_digit(s.at[i + 1]) &&
           is_digit(s.at[i + 2]) && is_digit(s.at[i + 3]) &&
           !(i + 4 < s.len && is_digit(s.at[i + 4]));
}

/* Length of the digits at the start of s, thousands separators and decimals
 * with them; "1,234.50" and ".5" are numbers, of "1,23" only the 1 is. */
static size_t digits_length(span s)
{
    size_t n = 0;

    while (n < s.len && is_digit(s.at[n])) n++;
    if (n <= 3 && n > 0)
        while (group_at(s, n)) n += 4;
    if (n + 1 < s.len && s.at[n] == '.' && is_digit(s.at[n + 1]))
        for (n++; n < s.len && is_digit(s.at[n]);) n++;
    return n;
}

/* A number without sign as everybody would write it. */
static void add_digits(bytes *out, span s)
{
    size_t start = out->len, whole = 0, end;
    bool point = false;

    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == ',') continue;
        if (s.at[i] == '.') {
            point = true;
            if (!whole) bytes_add_char(out, '0');
        } else if (!point) {
            if (s.at[i] == '0' && !whole) continue;
            whole++;
        }
        bytes_add_char(out, s.at[i]);
    }
    if (!whole && !point) bytes_add_char(out, '0');
    if (!point) return;
    for (end = out->len; end > start && out->data[end - 1] == '0';) end--;
    if (out->data[end - 1] == '.') end--;
    out->len = end;
    out->data[end] = 0;
}

/* Append a text that is one number, perhaps of money or in percent, in one
 * spelling; false and nothing when it is something else. */
static bool add_number(bytes *out, span s)
{
    bool negative = false, percent = false;
    size_t n, start = out->len;

    if ((n = any_begins(s, minus_signs))) negative = true, s = skip(s, n);
    else if (begins(s, "+")) s = skip(s, 1);
    s = trim(skip(s, any_begins(s, currencies)));
    if (!negative && (n = any_begins(s, minus_signs))) negative = true, s = skip(s, n);
    if (ends(s, "%")) {
        percent = true;
        s.len -= ends(s, "\\%") ? 2 : 1;
        s = trim(s);
    }
    if (!s.len || digits_length(s) != s.len) return false;
    if (negative) bytes_add_char(out, '-');
    add_digits(out, s);
    if (negative && !strcmp(out->data + start, "-0")) {
        out->len = start;
        bytes_add_char(out, '0');
    }
    if (percent) bytes_add_char(out, '%');
    return true;
}

/* -------------------------------------------------------------- normalising */

static const struct pair { const char *open, *close; } pairs[] = {
    { "$", "$" }, { "\\(", "\\)" }, { "\\[", "\\]" }, { "\\boxed{", "}" },
    { "\\text{", "}" }, { "\\textbf{", "}" }, { "\\mathrm{", "}" }, { "\\mathbf{", "}" },
    { "'", "'" }, { "\xe2\x80\x9c", "\xe2\x80\x9d" },
};

/* Whether s is one thing between the pair, not two things with one each. */
static bool enclosed(span s, const struct pair *p)
{
    size_t n_open = strlen(p->open), n_close = strlen(p->close);
    int depth = 0;

    if (s.len < n_open + n_close || !begins(s, p->open) || !ends(s, p->close)) return false;
    if (p->close[0] != '}')
        return !memmem(s.at + n_open, s.len - n_open - n_close, p->close, n_close);
    for (size_t i = n_open - 1; i < s.len; i++) {
        if (s.at[i] == '\\') i++;
        else if (s.at[i] == '{') depth++;
        else if (s.at[i] == '}' && --depth == 0) return i == s.len - 1;
    }
    return false;
}

/* Without what may stand around an answer and belongs to the sentence or its
 * emphasis. */
static span strip(span s)
{
    static const char around[] = "*`\"";
    span before;

    do {
        before = s = trim(s);
        while (s.len && strchr(around, s.at[0])) s = skip(s, 1);
        while (s.len && strchr(around, s.at[s.len - 1])) s.len--;
        if (s.len && (s.at[0] == ':' || s.at[0] == '=')) s = skip(s, 1);
        if (s.len && strchr(".,;:", s.at[s.len - 1]) && !ends(s, "..")) s.len--;
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
            if (enclosed(s, &pairs[i])) {
                s = skip(s, strlen(pairs[i].open));
                s.len -= strlen(pairs[i].close);
            }
    } while (s.len != before.len);
    return s;
}

/* Spellings of LaTeX that change nothing. */
static span plainer(span s, bytes *store)
{
    static const struct { const char *from, *to; } same[] = {
        { "\\,", "" }, { "\\!", "" }, { "\\;", " " }, { "\\:", " " }, { "\\ ", " " },
        { "~", " " }, { "{,}", "," }, { "\\dfrac", "\\frac" }, { "\\tfrac", "\\frac" },
        { "\\left", "" }, { "\\right", "" }, { "\\%", "%" }, { "\\$", "$" },
        { "^{\\circ}", "\xc2\xb0" }, { "^\\circ", "\xc2\xb0" },
    };
    size_t n_same = sizeof same / sizeof *same;

    for (size_t i = 0, k; i < s.len;) {
        span rest = skip(s, i);

        for (k = 0; k < n_same && !begins(rest, same[k].from);) k++;
        if (k < n_same) {
            bytes_add_string(store, same[k].to);
            i += strlen(same[k].from);
        } else {
            bytes_add_char(store, s.at[i++]);
        }
    }
    return (span){ store->data ? store->data : "", store->len };
}

/* Lower case, with single spaces. */
static void add_lower(bytes *out, span s)
{
    for (size_t i = 0; i < s.len;) {
        uint32_t code;
        int n = utf8_decode(s.at + i, s.len - i, &code);
        char lower[4];

        if (n == 0) {
            bytes_add_char(out, s.at[i++]);
        } else if (is_white(s.at[i])) {
            if (i == 0 || !is_white(s.at[i - 1])) bytes_add_char(out, ' ');
            i++;
        } else {
            bytes_add(out, lower, (size_t)utf8_encode(
                                      (uint32_t)utf8proc_tolower((utf8proc_int32_t)code), lower));
            i += (size_t)n;
        }
    }
}

/* NULL when nothing is left or it is too long to be a final answer. */
static char *normalise(span s)
{
    bytes plain = { 0 }, out = { 0 };

    s = strip(s);
    if (s.len && s.len <= MAX_FINAL) {
        s = strip(plainer(s, &plain));
        if (s.len && !add_number(&out, s)) add_lower(&out, s);
    }
    bytes_fini(&plain);
    return out.len ? bytes_take(&out) : NULL;
}

/* -------------------------------------------------------------------- rules */

/* The last \boxed{...} to be closed. One pass with a stack of open braces, so
 * that a text of nothing but "\boxed{" costs no more than any other. */
static span find_boxed(span s)
{
    static const char mark[] = "\\boxed";
    size_t *open = NULL, cap = 0, n = 0;
    span found = { NULL, 0 };
    bool boxed = false;          /* the next brace belongs to a mark */

    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];

        if (begins(skip(s, i), mark)) {
            i += sizeof mark - 2;
            boxed = true;
        } else if (c == '\\') {
            i++;
            boxed = false;
        } else if (c == '{') {
            if (n == cap) {
                cap = cap * 2 + 16;
                open = mem_resize(open, cap, sizeof *open);
            }
            open[n++] = boxed ? i + 1 : 0;
            boxed = false;
        } else if (c == '}' && n > 0) {
            n--;
            if (open[n]) found = (span){ s.at + open[n], i - open[n] };
        } else if (!is_white(c)) {
            boxed = false;
        }
    }
    mem_free(open);
    return found;
}

/* "#### 42" as the last line, the form of grade-school data sets. Elsewhere
 * it is a heading. */
static span find_hashes(span s)
{
    size_t line;

    s = trim(s);
    for (line = s.len; line > 0 && s.at[line - 1] != '\n';) line--;
    s = skip(s, line);
    return begins(s, "#### ") ? skip(s, 5) : (span){ NULL, 0 };
}

static bool word_at(span s, const char *word)
{
    size_t n = strlen(word);

    if (s.len < n) return false;
    for (size_t i = 0; i < n; i++)
        if ((s.at[i] | 0x20) != word[i]) return false;
    return true;
}

/* Bytes of "answer is" or "answer:" at the start of s, emphasis in between
 * allowed; 0 when it is not there. */
static size_t announced(span s)
{
    size_t i = 6;

    if (!word_at(s, "answer")) return 0;
    while (i < s.len && s.at[i] == '*') i++;
    if (i < s.len && s.at[i] == ':') return i + 1;
    if (i >= s.len || s.at[i] != ' ') return 0;
    i++;
    if (!word_at(skip(s, i), "is")) return 0;
    i += 2;
    return i == s.len || !is_letter(s.at[i]) ? i : 0;
}

/* What follows, to the end of its sentence or line. */
static span find_announced(span s)
{
    static const char *const displays[] = { "\\[", "\\(", "$$", "**", ":", NULL };
    span found = { NULL, 0 };
    size_t n, end;

    for (size_t i = 0; i < s.len; i++)
        if ((n = announced(skip(s, i))) > 0) found = skip(s, i + n);
    if (!found.at) return found;
    do {
        found = trim(found);
        n = any_begins(found, displays);
        found = skip(found, n);
    } while (n);
    for (end = 0; end < found.len && found.at[end] != '\n'; end++)
        if (strchr(".!?", found.at[end]) && end + 1 < found.len && is_white(found.at[end + 1]))
            break;
    found.len = end;
    return found;
}

static const char *const percents[] = { "%", "\\%", " %", " \\%", NULL };

/* Length of the string that ends before `at`; 0: none does. */
static size_t any_ends(span s, size_t at, const char *const *marks)
{
    for (; *marks; marks++)
        if (ends((span){ s.at, at }, *marks)) return strlen(*marks);
    return 0;
}

static span find_number(span s)
{
    span found = { NULL, 0 };

    for (size_t i = 0, n; i < s.len; i += n) {
        size_t start = i;

        n = digits_length(skip(s, i));
        if (!n) {
            n = 1;
            continue;
        }
        if (i > 0 && (is_letter(s.at[i - 1]) || is_digit(s.at[i - 1]) || s.at[i - 1] == '_'))
            continue;
        start -= any_ends(s, start, currencies);
        start -= any_ends(s, start, minus_signs);
        /* The dash of "7-3" or "x-3" is no sign. */
        if (start < i && start > 0 && !is_white(s.at[start - 1]) &&
            !strchr("($=:*{[", s.at[start - 1]))
            start = i;
        found = (span){ s.at + start, i + n - start };
        found.len += any_begins(skip(s, i + n), percents);
    }
    return found;
}

static span find_whole(span s)
{
    s = trim(s);
    if (s.len > MAX_WHOLE || memchr(s.at, '\n', s.len)) return (span){ NULL, 0 };
    return s;
}

char *ask_extract_final(const char *text, size_t len)
{
    static span (*const rules[])(span) = {
        find_boxed, find_hashes, find_announced, find_number, find_whole,
    };

    if (!len) return NULL;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        span found = rules[i]((span){ text, len });
        char *final = found.at ? normalise(found) : NULL;

        if (final) return final;
    }
    return NULL;
}

/* --------------------------------------------------------------------- vote */

void ask_count_votes(ask_answer *a)
{
    a->votes = mem_array((size_t)a->n_sample, sizeof *a->votes);
    for (int i = 0; i < a->n_sample; i++) {
        const char *final = a->samples[i].final;
        int k = 0;

        if (!final) continue;
        while (k < a->n_vote && strcmp(a->votes[k].final, final)) k++;
        if (k == a->n_vote) a->votes[a->n_vote++] = (ask_vote){ final, 0, i };
        a->votes[k].count++;
    }
    /* Stable, so that of two answers with equal votes the earlier stays first. */
    for (int i = 1; i < a->n_vote; i++) {
        ask_vote v = a->votes[i];
        int k = i;

        for (; k > 0 && a->votes[k - 1].count < v.count; k--) a->votes[k] = a->votes[k - 1];
        a->votes[k] = v;
    }
    a->chosen = a->n_vote ? a->votes[0].sample : 0;
}
