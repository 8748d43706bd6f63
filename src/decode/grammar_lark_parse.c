/* grammar_lark_parse.c - reading Lark's notation. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "decode/grammar_lark_internal.h"

#define MAX_REPEAT 10000

int lark_fail(lark *p, status st, int line, const char *format, ...)
{
    char why[256];
    va_list args;

    if (p->st != OK) return 0;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    p->st = fail(p->err, st, "line %d: %s", line, why);
    return 0;
}

int lark_node_new(lark *p, lark_kind kind, int a, int b)
{
    if (p->n_node >= LARK_MAX_NODES) {
        lark_fail(p, E_LIMIT, p->line, "the grammar is too large");
        return 0;
    }
    if (p->n_node == p->cap_node) {
        p->cap_node = p->cap_node * 2 + 64;
        p->nodes = mem_resize(p->nodes, (size_t)p->cap_node, sizeof *p->nodes);
    }
    p->nodes[p->n_node] = (lark_node){ .kind = kind, .a = a, .b = b, .line = p->line };
    return p->n_node++;
}

int lark_find(const lark *p, const char *name)
{
    for (int i = 0; i < p->n_definition; i++)
        if (!strcmp(p->definitions[i].name, name)) return i;
    return -1;
}

/* The usual terminals of Lark's own library. */
static const struct {
    const char *name, *regex;
} common[] = {
    { "DIGIT", "[0-9]" }, { "HEXDIGIT", "[0-9A-Fa-f]" }, { "INT", "[0-9]+" },
    { "SIGNED_INT", "[+-]?[0-9]+" }, { "DECIMAL", "[0-9]+\\.[0-9]*|\\.[0-9]+" },
    { "FLOAT", "[0-9]+[eE][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?" },
    { "SIGNED_FLOAT", "[+-]?([0-9]+[eE][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?)" },
    { "NUMBER", "[0-9]+([eE][+-]?[0-9]+)?|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?" },
    { "SIGNED_NUMBER",
      "[+-]?([0-9]+([eE][+-]?[0-9]+)?|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?)" },
    { "ESCAPED_STRING", "\"([^\"\\\\\\n]|\\\\[^\\n])*\"" }, { "LCASE_LETTER", "[a-z]" },
    { "UCASE_LETTER", "[A-Z]" }, { "LETTER", "[A-Za-z]" }, { "WORD", "[A-Za-z]+" },
    { "CNAME", "[A-Za-z_][A-Za-z0-9_]*" }, { "WS_INLINE", "[ \\t]+" }, { "WS", "[ \\t\\f\\r\\n]+" },
    { "CR", "\\r" }, { "LF", "\\n" }, { "NEWLINE", "(\\r?\\n)+" }, { "SH_COMMENT", "#[^\\n]*" },
    { "CPP_COMMENT", "//[^\\n]*" }, { "SQL_COMMENT", "--[^\\n]*" },
    { "C_COMMENT", "/\\*([^*]|\\*+[^*/])*\\*+/" },
};

/* ------------------------------------------------------------------- words */

static char peek(const lark *p) { return p->at < p->len ? p->s[p->at] : 0; }

static bool eat(lark *p, const char *text)
{
    size_t n = strlen(text);

    if (p->len - p->at < n || memcmp(p->s + p->at, text, n)) return false;
    p->at += n;
    return true;
}

static bool in_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* Blanks and comments within a line; with `lines`, line ends, too. */
static void skip(lark *p, bool lines)
{
    while (p->at < p->len) {
        char c = peek(p);

        if (c == '\n' && lines) p->line++, p->at++;
        else if (c == ' ' || c == '\t' || c == '\r' || c == '\f') p->at++;
        else if (c == '#' || (c == '/' && p->at + 1 < p->len && p->s[p->at + 1] == '/'))
            while (p->at < p->len && peek(p) != '\n') p->at++;
        else if (c == '\\' && p->at + 1 < p->len && p->s[p->at + 1] == '\n') p->at += 2, p->line++;
        else break;
    }
}

static char *take_name(lark *p)
{
    bytes name = { 0 };

    while (p->at < p->len && in_name(peek(p))) bytes_add_char(&name, p->s[p->at++]);
    if (!name.len) {
        lark_fail(p, E_FORMAT, p->line, "a name is missing before \"%.*s\"",
                  p->len - p->at < 8 ? (int)(p->len - p->at) : 8, p->s + p->at);
        return NULL;
    }
    return bytes_take(&name);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* After a backslash in a string. */
static void take_escape(lark *p, bytes *out)
{
    char c = peek(p), utf8[4];
    int n_digit = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t code = 0;

    p->at++;
    for (int i = 0; i < n_digit; i++) {
        int d = hex_value(peek(p));

        if (d < 0) {
            lark_fail(p, E_FORMAT, p->line, "a hexadecimal digit is missing");
            return;
        }
        code = code << 4 | (uint32_t)d;
        p->at++;
    }
    if (n_digit) {
        if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
            lark_fail(p, E_FORMAT, p->line, "no such character");
        else bytes_add(out, utf8, (size_t)utf8_encode(code, utf8));
        return;
    }
    switch (c) {
    case 'n': bytes_add_char(out, '\n'); break;
    case 't': bytes_add_char(out, '\t'); break;
    case 'r': bytes_add_char(out, '\r'); break;
    case 'f': bytes_add_char(out, '\f'); break;
    case 'v': bytes_add_char(out, '\v'); break;
    case '\\': case '"': case '\'': case '/': bytes_add_char(out, c); break;
    default: lark_fail(p, E_FORMAT, p->line, "no such escape: \\%c", c);
    }
}

static int take_string(lark *p)
{
    bytes text = { 0 };
    int at;

    p->at++;
    while (p->at < p->len && peek(p) != '"' && peek(p) != '\n' && p->st == OK) {
        if (eat(p, "\\")) take_escape(p, &text);
        else bytes_add_char(&text, p->s[p->at++]);
    }
    if (!eat(p, "\"")) lark_fail(p, E_FORMAT, p->line, "a string has no end");
    at = lark_node_new(p, LARK_TEXT, 0, 0);
    if (p->st != OK) {
        bytes_fini(&text);
        return 0;
    }
    p->nodes[at].len = text.len;
    bytes_add_char(&text, 0);
    p->nodes[at].text = bytes_take(&text);
    p->nodes[at].any_case = eat(p, "i");
    return at;
}

static int take_regex(lark *p)
{
    bytes text = { 0 };
    bool in_class = false;
    int at;

    p->at++;
    while (p->at < p->len && (peek(p) != '/' || in_class) && peek(p) != '\n') {
        char c = p->s[p->at++];

        if (c == '\\' && peek(p) == '/') c = p->s[p->at++];
        else if (c == '\\' && p->at < p->len) bytes_add_char(&text, c), c = p->s[p->at++];
        else if (c == '[') in_class = true;
        else if (c == ']') in_class = false;
        bytes_add_char(&text, c);
    }
    if (!eat(p, "/")) lark_fail(p, E_FORMAT, p->line, "a regular expression has no end");
    at = lark_node_new(p, LARK_REGEX, 0, 0);
    if (p->st != OK) {
        bytes_fini(&text);
        return 0;
    }
    p->nodes[at].len = text.len;
    bytes_add_char(&text, 0);
    p->nodes[at].text = bytes_take(&text);
    while (isalpha((unsigned char)peek(p))) {
        char c = p->s[p->at++];

        if (c == 'i') p->nodes[at].any_case = true;
        else if (c == 's') p->nodes[at].dot_all = true;
        else if (c != 'u')
            return lark_fail(p, E_UNSUPPORTED, p->line, "only the flags i, s and u are supported");
    }
    return at;
}

/* ------------------------------------------------------------- expressions */

static int parse_choice(lark *p);

static int parse_item(lark *p)
{
    char c = peek(p), *name;
    int at;

    if (c == '(' || c == '[') {
        if (++p->depth > LARK_MAX_DEPTH)
            return lark_fail(p, E_LIMIT, p->line, "groups are nested more than %d deep", LARK_MAX_DEPTH);
        p->at++;
        at = parse_choice(p);
        skip(p, true);
        if (!eat(p, c == '(' ? ")" : "]"))
            return lark_fail(p, E_FORMAT, p->line, "%c has no end", c);
        p->depth--;
        if (c == '(') return at;
        at = lark_node_new(p, LARK_REPEAT, at, 0);
        p->nodes[at].max = 1;
        return at;
    }
    if (c == '"') {
        at = take_string(p);
        if (p->st == OK && eat(p, "..")) {
            int to;

            if (peek(p) != '"') return lark_fail(p, E_FORMAT, p->line, "a range needs two strings");
            to = take_string(p);
            at = lark_node_new(p, LARK_RANGE, at, to);
        }
        return at;
    }
    if (c == '/') return take_regex(p);
    if (!(name = take_name(p))) return 0;
    at = lark_node_new(p, LARK_NAME, 0, 0);
    if (p->st != OK) mem_free(name);
    else p->nodes[at].text = name;
    if (p->st == OK && (peek(p) == '{' || peek(p) == '<'))
        return lark_fail(p, E_UNSUPPORTED, p->line, "templates are not supported");
    return at;
}

static int take_number(lark *p)
{
    int n = 0;

    skip(p, false);
    if (!isdigit((unsigned char)peek(p)))
        return lark_fail(p, E_FORMAT, p->line, "a number is missing");
    while (isdigit((unsigned char)peek(p)) && n <= MAX_REPEAT) n = n * 10 + (p->s[p->at++] - '0');
    if (n > MAX_REPEAT) lark_fail(p, E_LIMIT, p->line, "more than %d repetitions", MAX_REPEAT);
    return n;
}

static int parse_repeated(lark *p)
{
    int at = parse_item(p);

    while (p->st == OK) {
        int min, max;

        if (eat(p, "?")) min = 0, max = 1;
        else if (eat(p, "*")) min = 0, max = -1;
        else if (eat(p, "+")) min = 1, max = -1;
        else {
            size_t from = p->at;

            skip(p, false);
            if (!eat(p, "~")) {
                p->at = from;
                break;
            }
            min = max = take_number(p);
            if (eat(p, "..")) max = take_number(p);
            if (p->st == OK && max < min) lark_fail(p, E_FORMAT, p->line, "a repetition's bounds are out of order");
        }
        at = lark_node_new(p, LARK_REPEAT, at, 0);
        p->nodes[at].min = min;
        p->nodes[at].max = max;
    }
    return at;
}

static bool at_item(const lark *p)
{
    char c = peek(p);

    return c == '(' || c == '[' || c == '"' || c == '/' || in_name(c);
}

/* One more element of a sequence or choice. */
static void append(lark *p, lark_kind kind, int *all, int *last, int one)
{
    if (*all < 0) {
        *all = one;
    } else if (*last < 0) {
        *all = *last = lark_node_new(p, kind, *all, one);
    } else {
        int tail = lark_node_new(p, kind, p->nodes[*last].b, one);

        if (p->st == OK) p->nodes[*last].b = tail;
        *last = tail;
    }
}

static int parse_sequence(lark *p)
{
    int all = -1, last = -1;

    for (;;) {
        skip(p, p->depth > 0);
        if (p->st != OK || !at_item(p)) break;
        append(p, LARK_SEQUENCE, &all, &last, parse_repeated(p));
    }
    if (p->st == OK && eat(p, "->")) {           /* names a branch of the tree: no matter */
        skip(p, false);
        mem_free(take_name(p));
        skip(p, p->depth > 0);
    }
    return all < 0 ? lark_node_new(p, LARK_EMPTY, 0, 0) : all;
}

/* The next line may go on with a bar. */
static bool at_bar(lark *p)
{
    size_t from = p->at;
    int line = p->line;

    skip(p, true);
    if (eat(p, "|")) return true;
    p->at = from;
    p->line = line;
    return false;
}

static int parse_choice(lark *p)
{
    int all = parse_sequence(p), last = -1;

    while (p->st == OK && at_bar(p)) append(p, LARK_CHOICE, &all, &last, parse_sequence(p));
    return all;
}

/* -------------------------------------------------------------- statements */

static void define(lark *p, char *name, int node, int line)
{
    const char *first = name + strspn(name, "_");

    if (p->st == OK && lark_find(p, name) >= 0)
        lark_fail(p, E_FORMAT, line, "%s is defined twice", name);
    if (p->st == OK && p->n_definition >= LARK_MAX_DEFINITIONS)
        lark_fail(p, E_LIMIT, line, "more than %d definitions", LARK_MAX_DEFINITIONS);
    if (p->st != OK) {
        mem_free(name);
        return;
    }
    if (p->n_definition == p->cap_definition) {
        p->cap_definition = p->cap_definition * 2 + 16;
        p->definitions = mem_resize(p->definitions, (size_t)p->cap_definition,
                                    sizeof *p->definitions);
    }
    p->definitions[p->n_definition++] =
        (lark_definition){ name, isupper((unsigned char)*first), node, line, -1, 0 };
}

static void import_one(lark *p, const char *from, char *as)
{
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        int at;

        if (strcmp(common[i].name, from)) continue;
        if (lark_find(p, as) >= 0) {             /* twice the same is no harm */
            mem_free(as);
            return;
        }
        at = lark_node_new(p, LARK_REGEX, 0, 0);
        if (p->st == OK) {
            p->nodes[at].text = mem_string(common[i].regex);
            p->nodes[at].len = strlen(common[i].regex);
        }
        define(p, as, at, p->line);
        return;
    }
    mem_free(as);
    lark_fail(p, E_UNSUPPORTED, p->line, "%%import: common has no %s", from);
}

static void parse_import(lark *p)
{
    bool many;

    skip(p, false);
    if (!eat(p, "common")) {
        lark_fail(p, E_UNSUPPORTED, p->line, "%%import: only from common");
        return;
    }
    many = !eat(p, ".");
    skip(p, false);
    if (many && !eat(p, "(")) {
        lark_fail(p, E_FORMAT, p->line, "%%import: a name is missing");
        return;
    }
    do {
        char *name, *as;

        skip(p, many);
        if (!(name = take_name(p))) return;
        skip(p, many);
        as = mem_string(name);
        if (!many && eat(p, "->")) {
            skip(p, false);
            mem_free(as);
            as = take_name(p);
        }
        if (as) import_one(p, name, as);
        mem_free(name);
        skip(p, many);
    } while (p->st == OK && many && eat(p, ","));
    if (many && p->st == OK && !eat(p, ")")) lark_fail(p, E_FORMAT, p->line, "%%import: ( has no end");
}

static void parse_statement(lark *p)
{
    int line = p->line, node;
    char *name;

    if (eat(p, "%import")) {
        parse_import(p);
    } else if (eat(p, "%ignore")) {
        node = parse_choice(p);
        p->ignore = p->ignore < 0 ? node : lark_node_new(p, LARK_CHOICE, p->ignore, node);
    } else if (peek(p) == '%') {
        lark_fail(p, E_UNSUPPORTED, line, "only %%import and %%ignore are supported");
    } else {
        while (eat(p, "?") || eat(p, "!")) {}    /* about the tree, not the text */
        if (!(name = take_name(p))) return;
        if (eat(p, ".")) {                       /* a priority: all readings are followed */
            eat(p, "-");
            take_number(p);
        }
        skip(p, false);
        if (p->st == OK && !eat(p, ":"))
            lark_fail(p, E_FORMAT, line, "%s: a colon is missing", name);
        node = p->st == OK ? parse_choice(p) : 0;
        define(p, name, node, line);
    }
    skip(p, false);
    if (p->st == OK && p->at < p->len && peek(p) != '\n')
        lark_fail(p, E_FORMAT, p->line, "unexpected \"%.*s\"",
                  p->len - p->at < 12 ? (int)(p->len - p->at) : 12, p->s + p->at);
}

bool lark_parse(lark *p)
{
    p->line = 1;
    p->ignore = -1;
    for (;;) {
        skip(p, true);
        if (p->at >= p->len || p->st != OK) break;
        parse_statement(p);
    }
    return p->st == OK;
}

void lark_fini(lark *p)
{
    for (int i = 0; i < p->n_node; i++) mem_free(p->nodes[i].text);
    for (int i = 0; i < p->n_definition; i++) mem_free(p->definitions[i].name);
    mem_free(p->nodes);
    mem_free(p->definitions);
}
