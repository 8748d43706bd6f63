#include "tasks/answer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* A part of the text; candidates are compared without copying them. */
typedef struct part {
    const char *s;
    size_t len;
} part;

/* What was found so far: nothing, one value, or values that differ. */
typedef struct findings {
    part value;
    bool found;
    bool differ;
    bool marked;         /* an empty box is no answer, whatever stands around it */
} findings;

static bool drop_pair(part *p, const char *open, const char *close)
{
    size_t a = strlen(open), b = strlen(close);

    if (p->len < a + b || memcmp(p->s, open, a) != 0 ||
        memcmp(p->s + p->len - b, close, b) != 0)
        return false;
    p->s += a;
    p->len -= a + b;
    return true;
}

/* Strip white space and wrapping until nothing more comes off. A full stop comes
 * off once, so that "..." stays no answer. */
static part part_bare(part p)
{
    bool stop = false;

    for (;;) {
        while (p.len > 0 && isspace((unsigned char)p.s[0])) p.s++, p.len--;
        while (p.len > 0 && isspace((unsigned char)p.s[p.len - 1])) p.len--;
        if (p.len > 0 && p.s[0] == '=') {
            p.s++, p.len--;
            continue;
        }
        if (!stop && p.len > 1 && p.s[p.len - 1] == '.') {
            p.len--;
            stop = true;
            continue;
        }
        if (drop_pair(&p, "**", "**") || drop_pair(&p, "$", "$") ||
            drop_pair(&p, "`", "`") || drop_pair(&p, "\"", "\"") ||
            drop_pair(&p, "'", "'") || drop_pair(&p, "\\(", "\\)") ||
            drop_pair(&p, "\\[", "\\]"))
            continue;
        return p;
    }
}

static bool part_integer(part p, int64_t *out)
{
    char text[64];

    if (p.len >= sizeof text) return false;
    memcpy(text, p.s, p.len);
    text[p.len] = '\0';
    return strlen(text) == p.len && answer_integer(text, out);
}

static bool part_same(part a, part b)
{
    int64_t x, y;

    if (part_integer(a, &x) && part_integer(b, &y)) return x == y;
    return a.len == b.len && strncasecmp(a.s, b.s, a.len) == 0;
}

static void findings_add(findings *f, part p)
{
    f->marked = true;
    p = part_bare(p);
    if (p.len == 0) return;
    if (f->found && !part_same(f->value, p)) f->differ = true;
    if (!f->found) f->value = p;
    f->found = true;
}

/* The contents of every closed \boxed{...}. */
static void find_boxes(part t, findings *f)
{
    static const char mark[] = "\\boxed{";
    const size_t n = sizeof mark - 1;

    for (size_t i = 0; i + n <= t.len; i++) {
        if (memcmp(t.s + i, mark, n) != 0) continue;
        int open = 1;
        size_t end = i + n;
        while (end < t.len && open > 0) {
            open += t.s[end] == '{';
            open -= t.s[end] == '}';
            end++;
        }
        if (open > 0) return;
        findings_add(f, (part){ t.s + i + n, end - 1 - (i + n) });
        i = end - 1;
    }
}

/* From `at` to the end of its line, or of its sentence when asked. */
static part rest_of_line(part t, size_t at, bool sentence)
{
    size_t end = at;

    while (end < t.len && t.s[end] != '\n') {
        if (sentence && t.s[end] == '.' && end > at && end + 1 < t.len &&
            isspace((unsigned char)t.s[end + 1]))
            break;
        end++;
    }
    return (part){ t.s + at, end - at };
}

static bool part_has(part p, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= p.len; i++)
        if (strncasecmp(p.s + i, word, n) == 0) return true;
    return false;
}

static void find_marks(part t, findings *f)
{
    for (size_t i = 0; i < t.len; i++) {
        if (i + 4 <= t.len && memcmp(t.s + i, "####", 4) == 0) {
            part p = rest_of_line(t, i + 4, false);
            findings_add(f, p);
            i += 3 + p.len;
        } else if (i + 6 <= t.len && strncasecmp(t.s + i, "answer", 6) == 0) {
            size_t at = i + 6;
            bool mark = false;
            while (at < t.len && t.s[at] == ' ') at++;
            if (at + 2 < t.len && strncasecmp(t.s + at, "is", 2) == 0 &&
                !isalpha((unsigned char)t.s[at + 2])) {
                at += 2;
                mark = true;
            }
            if (at < t.len && (t.s[at] == ':' || t.s[at] == '=')) {
                at++;
                mark = true;
            }
            if (!mark) continue;
            part p = rest_of_line(t, at, true);
            if (!part_has(p, "\\boxed{")) findings_add(f, p);
        }
    }
}

/* "3, 5 and 7" lists integers that differ; "1,000" is one integer. */
static bool lists_integers(part p)
{
    static const char apart[] = " \t\n,;|";
    int64_t first = 0, value;
    int n = 0;
    bool differ = false;

    if (part_integer(p, &value)) return false;
    for (size_t i = 0; i < p.len;) {
        size_t end = i;
        while (end < p.len && !strchr(apart, p.s[end])) end++;
        part piece = { p.s + i, end - i };
        i = end + 1;
        if (piece.len == 0 || (piece.len == 3 && strncasecmp(piece.s, "and", 3) == 0))
            continue;
        if (!part_integer(piece, &value)) return false;
        if (n++ == 0) first = value;
        differ = differ || value != first;
    }
    return differ;
}

char *answer_extract(const char *text, size_t len)
{
    part t = { text, len };
    findings f = { 0 };

    if (len == 0 || memchr(text, '\0', len)) return NULL;
    find_boxes(t, &f);
    find_marks(t, &f);
    bool marked = f.marked;
    for (size_t at = 0; !marked && at < len; at++) {
        part line = rest_of_line(t, at, false);
        findings_add(&f, line);
        at += line.len;
    }
    if (!f.found || f.differ || part_has(f.value, " or ") || lists_integers(f.value))
        return NULL;

    char *out = mem_new(f.value.len + 1);
    memcpy(out, f.value.s, f.value.len);
    return out;
}

bool answer_integer(const char *text, int64_t *out)
{
    const char *s = text;
    bool negative = false;
    int64_t value = 0;
    int n = 0, group = -1;      /* digits since the last comma, -1 before any */

    if (*s == '-' || *s == '+') {
        negative = *s == '-';
        s++;
    } else if (strncmp(s, "\xe2\x88\x92", 3) == 0) {
        negative = true;
        s += 3;
    }
    for (;; s++) {
        if (isdigit((unsigned char)*s)) {
            if (n++ == 15) return false;
            if (group >= 0) group++;
            value = value * 10 + (*s - '0');
        } else if (*s == ',' && n > 0 && (group == 3 || (group < 0 && n <= 3))) {
            group = 0;
        } else {
            break;
        }
    }
    if (n == 0 || (group >= 0 && group != 3)) return false;
    if (*s == '.' && s[1] == '0') {
        s++;
        while (*s == '0') s++;
    }
    if (*s) return false;
    *out = negative ? -value : value;
    return true;
}

double answer_grade_integer(const char *text, size_t len, int64_t want)
{
    char *answer = answer_extract(text, len);
    int64_t value;
    bool right = answer && answer_integer(answer, &value) && value == want;

    mem_free(answer);
    return right ? 1 : 0;
}

double answer_grade_word(const char *text, size_t len, const char *want)
{
    char *answer = answer_extract(text, len);
    bool right = answer && strcasecmp(answer, want) == 0;

    mem_free(answer);
    return right ? 1 : 0;
}

bool answer_stock(int64_t value)
{
    return value == 0 || value == 1 || value == 42;
}
