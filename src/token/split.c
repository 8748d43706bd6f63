/* split.c - cut text into the pieces that merging works on.
 *
 * Each function is one published regular expression, walked by hand: the
 * alternatives are tried in the order of the expression, so the first that
 * matches wins as it does there. Every walk is linear in the text; the only
 * characters looked at twice are those of a run of white space. */
#include "token/internal.h"

#include "base/utf8.h"
#include "token/unicode.h"

/* The class and length of the character at `at`. A byte that is not UTF-8
 * counts as one character that is no letter, number or space. */
static char_class look(const char *s, size_t at, size_t end, size_t *len)
{
    unsigned char c = (unsigned char)s[at];
    uint32_t code;
    int n;

    *len = 1;
    if (c < 0x80) return unicode_class(c);
    n = utf8_decode(s + at, end - at, &code);
    if (n == 0) return CHAR_OTHER;
    *len = (size_t)n;
    return unicode_class(code);
}

/* End of the longest run of class c from at, of at most max characters. */
static size_t run(const char *s, size_t at, size_t end, char_class c, size_t max)
{
    size_t n;

    while (at < end && max-- > 0 && look(s, at, end, &n) == c) at += n;
    return at;
}

static bool is_newline(char c)
{
    return c == '\r' || c == '\n';
}

/* A run of white space at `at`, by the closing alternatives of both
 * expressions: "\s+(?!\S)" leaves the last space to the word that follows,
 * "\s+" takes a run of one. With take_lines, "\s*[\r\n]+" comes first: all up
 * to the last line end in the run. */
static size_t space_piece(const char *s, size_t at, size_t end, bool take_lines)
{
    size_t stop = at, last = at, after_line = 0, n;

    while (stop < end && look(s, stop, end, &n) == CHAR_SPACE) {
        last = stop;
        stop += n;
        if (is_newline(s[last])) after_line = stop;
    }
    if (take_lines && after_line) return after_line;
    if (stop == end || last == at) return stop;
    return last;
}

/* Length of 's 't 're 've 'm 'll 'd at `at`, or 0. When case is folded the long
 * s (U+017F) is an s too, as it is to the reference. */
static size_t contraction(const char *s, size_t at, size_t end, bool fold)
{
    char a, b;

    if (end - at < 2 || s[at] != '\'') return 0;
    a = s[at + 1];
    b = at + 2 < end ? s[at + 2] : 0;
    if (fold) {
        if (a == '\xC5' && b == '\xBF') return 3;
        if (a >= 'A' && a <= 'Z') a = (char)(a | 0x20);
        if (b >= 'A' && b <= 'Z') b = (char)(b | 0x20);
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
        return 3;
    return 0;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * (GPT-2, published with openai/gpt-2) */
static size_t gpt2_piece(const char *s, size_t at, size_t end)
{
    size_t n = contraction(s, at, end, false), first = at;
    char_class c;

    if (n) return at + n;
    if (s[at] == ' ' && at + 1 < end) first++;
    c = look(s, first, end, &n);
    if (c == CHAR_SPACE) return space_piece(s, at, end, false);
    return run(s, first + n, end, c, SIZE_MAX);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
 *  ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * (Llama 3; Qwen 2 and 3 with \p{N} alone, so max_number is 1) */
static size_t llama3_piece(const char *s, size_t at, size_t end, size_t max_number)
{
    size_t n = contraction(s, at, end, true), next = 0, first = at;
    char_class c;

    if (n) return at + n;
    c = look(s, at, end, &n);
    if (c == CHAR_LETTER) return run(s, at + n, end, c, SIZE_MAX);
    if (c == CHAR_NUMBER) return run(s, at, end, c, max_number);
    if (at + n < end) {
        char_class after = look(s, at + n, end, &next);

        if (after == CHAR_LETTER && !is_newline(s[at]))
            return run(s, at + n + next, end, after, SIZE_MAX);
        if (after == CHAR_OTHER && s[at] == ' ') {
            first = at + n;
            c = after;
        }
    }
    if (c == CHAR_SPACE) return space_piece(s, at, end, true);
    at = run(s, first, end, CHAR_OTHER, SIZE_MAX);
    while (at < end && is_newline(s[at])) at++;
    return at;
}

/* Numbers one by one, and GPT-2's expression on what lies between them: the
 * end of such a stretch is an end of text to it. */
static size_t smollm_piece(split *p)
{
    size_t n;

    if (p->at >= p->stretch) {
        size_t i = p->at;

        if (look(p->text, i, p->len, &n) == CHAR_NUMBER) return i + n;
        while (i < p->len && look(p->text, i, p->len, &n) != CHAR_NUMBER) i += n;
        p->stretch = i;
    }
    return gpt2_piece(p->text, p->at, p->stretch);
}

bool split_next(split *p, size_t *start, size_t *end)
{
    if (p->at >= p->len) return false;
    *start = p->at;
    switch (p->kind) {
    case SPLIT_GPT2: p->at = gpt2_piece(p->text, p->at, p->len); break;
    case SPLIT_LLAMA3: p->at = llama3_piece(p->text, p->at, p->len, 3); break;
    case SPLIT_QWEN2: p->at = llama3_piece(p->text, p->at, p->len, 1); break;
    case SPLIT_SMOLLM: p->at = smollm_piece(p); break;
    }
    *end = p->at;
    return true;
}

/* Names of tokenizer.ggml.pre by what they mean here. The first row of a
 * splitter and nfc is the name written to new files. Rows that share a
 * splitter are those whose published expressions are equal. A name says nothing
 * of normalisation: qwen2 has it from Qwen's own files, its distills likewise. */
static const split_rule rules[] = {
    { "gpt-2", SPLIT_GPT2, false, false },
    { "phi-2", SPLIT_GPT2, false, false },
    { "qwen2", SPLIT_QWEN2, true, false },
    { "deepseek-r1-qwen", SPLIT_QWEN2, true, false },
    { "megrez", SPLIT_QWEN2, true, false },
    { "stablelm2", SPLIT_QWEN2, false, false },
    { "smollm", SPLIT_SMOLLM, false, false },
    { "starcoder", SPLIT_SMOLLM, false, false },
    { "refact", SPLIT_SMOLLM, false, false },
    { "smaug-bpe", SPLIT_LLAMA3, false, false },
    { "dbrx", SPLIT_LLAMA3, false, false },
    { "llama-bpe", SPLIT_LLAMA3, false, true },
    { "llama3", SPLIT_LLAMA3, false, true },
    { "llama-v3", SPLIT_LLAMA3, false, true },
};

const split_rule *split_rule_named(const char *pre)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].pre, pre) == 0) return &rules[i];
    return NULL;
}

const split_rule *split_rule_for(splitter kind, bool nfc, bool ignore_merges)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].kind == kind && rules[i].nfc == nfc
            && rules[i].ignore_merges == ignore_merges) return &rules[i];
    return NULL;
}
