/* equiv_lex.c - tokens of an answer. What only arranges type on a page (\left,
 * thin spaces, \displaystyle, dollar signs in pairs) is gone after this. */
#include "tasks/equiv_lex.h"

#include <string.h>

typedef struct lexer {
    const char *s;
    size_t len, at;
    token *out;
    int n, depth;
    bool spaced;
} lexer;

static bool add(lexer *l, token_kind kind, char sign, const char *text, size_t len)
{
    if (l->n + 1 >= EQUIV_MAX_TOKENS) return false;
    l->out[l->n++] = (token){ kind, sign, text, len, l->spaced, l->depth };
    l->spaced = false;
    return true;
}

static bool add_sign(lexer *l, char sign)
{
    bool ok;

    if (strchr(")]}e", sign) && l->depth > 0) l->depth--;
    ok = add(l, TOKEN_SIGN, sign, "", 0);
    if (strchr("([{s", sign)) l->depth++;
    return ok;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool starts(const lexer *l, const char *with)
{
    size_t n = strlen(with);

    return l->len - l->at >= n && !memcmp(l->s + l->at, with, n);
}

static bool word_is(const char *s, size_t len, const char *word)
{
    size_t i = 0;

    for (; i < len && word[i]; i++) {
        char c = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + 32) : s[i];

        if (c != word[i]) return false;
    }
    return i == len && !word[i];
}

/* A mark between groups of three digits: its length, 0 for none. A bare comma
 * counts outside brackets alone, where it cannot part a tuple. */
static size_t thousands_mark(const lexer *l, size_t at)
{
    static const char *const marks[] = { "{,}", "\\,", "\\!", ",\\!", "," };

    for (size_t k = 0; k < 5; k++) {
        size_t n = strlen(marks[k]), i;

        if (l->len - at < n || memcmp(l->s + at, marks[k], n)) continue;
        if (k == 4 && l->depth) continue;
        for (i = at + n; i < l->len && is_digit(l->s[i]); i++) {
        }
        if (i == at + n + 3) return n;
    }
    return 0;
}

static bool lex_number(lexer *l)
{
    size_t from = l->at, i = from, mark;

    while (i < l->len && is_digit(l->s[i])) i++;
    /* "1,234" but neither "12345,678" nor "0,123". */
    if (i > from && i - from <= 3 && l->s[from] != '0')
        while ((mark = thousands_mark(l, i)) > 0) i += mark + 3;
    if (i + 1 < l->len && l->s[i] == '.' && is_digit(l->s[i + 1]))
        for (i++; i < l->len && is_digit(l->s[i]);) i++;
    else if (i > from && i < l->len && l->s[i] == '.' &&
             (i + 1 == l->len || !is_letter(l->s[i + 1])))
        i++;
    if (i < l->len && (l->s[i] == 'e' || l->s[i] == 'E')) {
        size_t k = i + 1;

        if (k < l->len && (l->s[k] == '+' || l->s[k] == '-')) k++;
        if (k < l->len && is_digit(l->s[k])) {
            while (k < l->len && is_digit(l->s[k])) k++;
            i = k;
        }
    }
    l->at = i;
    return add(l, TOKEN_NUMBER, 0, l->s + from, i - from);
}

static const char *const functions[] = { "sqrt", "sin", "cos", "tan", "ln", "log", "exp", "abs" };

/* x_1, x_{10}, x_n: the subscript belongs to the name. */
static size_t subscript(const lexer *l, size_t at)
{
    size_t i = at + 1;

    if (at >= l->len || l->s[at] != '_' || i >= l->len) return 0;
    if (l->s[i] == '{') {
        for (i++; i < l->len && (is_digit(l->s[i]) || is_letter(l->s[i])); i++) {
        }
        return i < l->len && l->s[i] == '}' && i > at + 2 ? i + 1 - at : 0;
    }
    if (is_digit(l->s[i])) {
        while (i < l->len && is_digit(l->s[i])) i++;
        return i - at;
    }
    return is_letter(l->s[i]) ? 2 : 0;
}

/* "xy" and the letters of "2xyz" are a product; "5cm" and "no" are not. */
static bool is_product(const lexer *l, const char *s, size_t n)
{
    const token *before = l->n && !l->spaced ? &l->out[l->n - 1] : NULL;
    bool attached = before && (before->kind == TOKEN_NUMBER || before->sign == ')' ||
                               before->sign == '}');

    if (n > 3 || equiv_is_unit(s, n)) return false;
    if (attached) return true;
    for (size_t i = 0; i < n; i++)
        if (!strchr("abcdkmnpqrstuvwxyz", s[i])) return false;
    return n == 2;
}

static bool lex_word(lexer *l)
{
    size_t from = l->at, n;
    const char *s = l->s + from;

    while (l->at < l->len && is_letter(l->s[l->at])) l->at++;
    n = l->at - from;
    for (size_t k = 0; k < sizeof functions / sizeof functions[0]; k++)
        if (word_is(s, n, functions[k]))
            return add(l, TOKEN_FUNCTION, 0, functions[k], strlen(functions[k]));
    if (word_is(s, n, "pi")) return add_sign(l, SIGN_PI);
    if (word_is(s, n, "inf") || word_is(s, n, "infinity") || word_is(s, n, "oo"))
        return add_sign(l, SIGN_INFINITY);
    if (word_is(s, n, "or") || word_is(s, n, "and")) return add_sign(l, SIGN_OR);
    if (word_is(s, n, "union") || (n == 1 && *s == 'U' && l->n && l->out[l->n - 1].sign &&
                                   strchr(")]", l->out[l->n - 1].sign)))
        return add_sign(l, SIGN_UNION);
    if (word_is(s, n, "percent")) return add_sign(l, '%');
    if (word_is(s, n, "degrees") || word_is(s, n, "degree")) return add_sign(l, SIGN_DEGREE);
    if (n == 1) {
        l->at += subscript(l, l->at);
        return add(l, TOKEN_NAME, 0, s, l->at - from);
    }
    if (is_product(l, s, n)) {
        for (size_t i = 0; i + 1 < n; i++)
            if (!add(l, TOKEN_NAME, 0, s + i, 1)) return false;
        l->at += subscript(l, l->at);
        return add(l, TOKEN_NAME, 0, s + n - 1, (size_t)(l->s + l->at - (s + n - 1)));
    }
    return add(l, TOKEN_WORD, 0, s, n);
}

/* Commands that mean a sign. '\0': they mean nothing. */
static const struct {
    const char *name;
    char sign;
} commands[] = {
    { "cdot", '*' }, { "times", '*' }, { "ast", '*' }, { "div", '/' }, { "pi", SIGN_PI },
    { "infty", SIGN_INFINITY }, { "pm", SIGN_PLUS_MINUS }, { "cup", SIGN_UNION },
    { "emptyset", SIGN_EMPTY_SET }, { "varnothing", SIGN_EMPTY_SET }, { "lbrace", SIGN_SET_OPEN },
    { "rbrace", SIGN_SET_CLOSE }, { "lvert", '|' }, { "rvert", '|' }, { "vert", '|' },
    { "in", '=' }, { "degree", SIGN_DEGREE }, { "circ", SIGN_DEGREE }, { "pounds", SIGN_MONEY },
    { "left", 0 }, { "right", 0 }, { "big", 0 }, { "Big", 0 }, { "bigl", 0 }, { "bigr", 0 },
    { "displaystyle", 0 }, { "quad", 0 }, { "qquad", 0 }, { "limits", 0 }, { "hfill", 0 },
};

static const char *const text_commands[] = { "text", "mathrm", "textrm", "mbox", "textbf",
                                             "mathbf", "textit", "operatorname" };
static const char *const greek[] = { "alpha", "beta", "gamma", "delta", "epsilon", "theta",
                                     "lambda", "mu", "phi", "rho", "sigma", "tau", "omega",
                                     "Delta", "Omega", "Phi", "xi", "eta", "kappa", "psi" };

static bool is_one_of(const char *s, size_t n, const char *const *list, size_t n_list)
{
    for (size_t k = 0; k < n_list; k++)
        if (strlen(list[k]) == n && !memcmp(s, list[k], n)) return true;
    return false;
}

/* \text{ cm }: its words; "and" and "or" part answers here too. */
static bool lex_text(lexer *l)
{
    const char *end;

    while (l->at < l->len && l->s[l->at] == ' ') l->at++;
    if (l->at >= l->len || l->s[l->at] != '{') return true;
    end = memchr(l->s + l->at, '}', l->len - l->at);
    if (!end) return true;
    l->at++;
    l->spaced = true;
    while (l->s + l->at < end) {
        size_t from = l->at;

        while (l->s + l->at < end && is_letter(l->s[l->at])) l->at++;
        if (l->at == from) {
            char c = l->s[l->at++];

            if (c == ' ' || c == '.' || c == '\\' || c == ',') continue;
            if (c == '^' || c == '/' || c == '%') {
                if (!add_sign(l, c)) return false;
            } else if (is_digit(c)) {
                if (!add(l, TOKEN_NUMBER, 0, l->s + l->at - 1, 1)) return false;
            } else {
                return false;
            }
        } else if (word_is(l->s + from, l->at - from, "or") ||
                   word_is(l->s + from, l->at - from, "and")) {
            if (!add_sign(l, SIGN_OR)) return false;
        } else if (!add(l, TOKEN_WORD, 0, l->s + from, l->at - from)) {
            return false;
        }
    }
    l->at++;
    return true;
}

static bool lex_command(lexer *l)
{
    size_t from = ++l->at, n;
    const char *s = l->s + from;

    if (l->at >= l->len) return false;
    if (!is_letter(*s)) {
        l->at++;
        switch (*s) {
        case '{': return add_sign(l, SIGN_SET_OPEN);
        case '}': return add_sign(l, SIGN_SET_CLOSE);
        case '%': return add_sign(l, '%');
        case '$': return add(l, TOKEN_SIGN, SIGN_MONEY, "dollar", 6);
        case '|': return add_sign(l, '|');
        case ',':
        case '!':
        case ';':
        case ':':
        case ' ':
        case '(':
        case ')':
        case '[':
        case ']':
        case '\\': l->spaced = true; return true;
        default: return false;
        }
    }
    while (l->at < l->len && is_letter(l->s[l->at])) l->at++;
    n = l->at - from;
    if (is_one_of(s, n, functions, sizeof functions / sizeof functions[0]))
        return add(l, TOKEN_FUNCTION, 0, s, n);
    if (n >= 4 && n <= 5 && !memcmp(s + n - 4, "frac", 4) && (n == 4 || strchr("dtc", *s)))
        return add(l, TOKEN_FUNCTION, 0, "frac", 4);
    if (is_one_of(s, n, text_commands, sizeof text_commands / sizeof text_commands[0]))
        return lex_text(l);
    if (is_one_of(s, n, greek, sizeof greek / sizeof greek[0])) {
        l->at += subscript(l, l->at);
        return add(l, TOKEN_NAME, 0, s, (size_t)(l->s + l->at - s));
    }
    if (n == 5 && !memcmp(s, "boxed", 5)) return true;
    for (size_t k = 0; k < sizeof commands / sizeof commands[0]; k++) {
        if (strlen(commands[k].name) != n || memcmp(commands[k].name, s, n)) continue;
        if (!commands[k].sign) {
            l->spaced = true;
            return true;
        }
        if (commands[k].sign == SIGN_MONEY) return add(l, TOKEN_SIGN, SIGN_MONEY, "pound", 5);
        return add_sign(l, commands[k].sign);
    }
    return false;
}

/* Characters beyond ASCII that answers are written with. */
static const struct {
    const char *utf8;
    char sign;
    const char *text;
} symbols[] = {
    { "\u2212", '-', "" }, { "\u2013", '-', "" }, { "\u00d7", '*', "" },
    { "\u22c5", '*', "" }, { "\u00b7", '*', "" }, { "\u00f7", '/', "" },
    { "\u2044", '/', "" }, { "\u03c0", SIGN_PI, "" }, { "\u221e", SIGN_INFINITY, "" },
    { "\u00b1", SIGN_PLUS_MINUS, "" }, { "\u222a", SIGN_UNION, "" },
    { "\u2205", SIGN_EMPTY_SET, "" },
    { "\u00b0", SIGN_DEGREE, "" }, { "\u20ac", SIGN_MONEY, "euro" },
    { "\u00a3", SIGN_MONEY, "pound" },
    { "\u00a5", SIGN_MONEY, "yen" },
};
static const char *const superscripts[] = { "\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                            "\u2075", "\u2076", "\u2077", "\u2078", "\u2079" };
static const struct {
    const char *utf8, *top, *bottom;
} fractions[] = {
    { "\u00bd", "1", "2" }, { "\u2153", "1", "3" }, { "\u2154", "2", "3" },
    { "\u00bc", "1", "4" }, { "\u00be", "3", "4" }, { "\u2155", "1", "5" },
};

static bool lex_symbol(lexer *l)
{
    for (size_t k = 0; k < sizeof symbols / sizeof symbols[0]; k++)
        if (starts(l, symbols[k].utf8)) {
            l->at += strlen(symbols[k].utf8);
            if (symbols[k].sign == SIGN_MONEY)
                return add(l, TOKEN_SIGN, SIGN_MONEY, symbols[k].text, strlen(symbols[k].text));
            return add_sign(l, symbols[k].sign);
        }
    if (starts(l, "\u221a")) {
        l->at += strlen("\u221a");
        return add(l, TOKEN_FUNCTION, 0, "sqrt", 4);
    }
    for (size_t k = 0; k < 10; k++)
        if (starts(l, superscripts[k])) {
            l->at += strlen(superscripts[k]);
            return add_sign(l, '^') && add(l, TOKEN_NUMBER, 0, &"0123456789"[k], 1);
        }
    for (size_t k = 0; k < sizeof fractions / sizeof fractions[0]; k++)
        if (starts(l, fractions[k].utf8)) {
            l->at += strlen(fractions[k].utf8);
            return add(l, TOKEN_FUNCTION, 0, "frac", 4) && add_sign(l, '{') &&
                   add(l, TOKEN_NUMBER, 0, fractions[k].top, 1) && add_sign(l, '}') &&
                   add_sign(l, '{') && add(l, TOKEN_NUMBER, 0, fractions[k].bottom, 1) &&
                   add_sign(l, '}');
        }
    if (starts(l, "\u00a0") || starts(l, "\u2009") || starts(l, "\u202f")) {
        l->at += (unsigned char)l->s[l->at] == 0xc2 ? 2 : 3;
        l->spaced = true;
        return true;
    }
    return false;
}

/* Dollar signs in pairs are mathematics, an odd one is money. */
static bool dollars_paired(const char *s, size_t len)
{
    int n = 0;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\\') i++;
        else n += s[i] == '$';
    }
    return n % 2 == 0;
}

int equiv_lex(token *out, const char *s, size_t len)
{
    lexer l = { s, len, 0, out, 0, 0, false };
    bool paired = dollars_paired(s, len);

    while (l.at < len) {
        char c = s[l.at];
        bool ok;

        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '~' || (c == '$' && paired)) {
            l.at++;
            l.spaced = true;
            continue;
        }
        if (is_digit(c) || (c == '.' && l.at + 1 < len && is_digit(s[l.at + 1]))) {
            ok = lex_number(&l);
        } else if (is_letter(c)) {
            ok = lex_word(&l);
        } else if (c == '\\') {
            ok = lex_command(&l);
        } else if (c == '*' && l.at + 1 < len && s[l.at + 1] == '*') {
            l.at += 2;
            ok = add_sign(&l, '^');
        } else if (c == '$') {
            l.at++;
            ok = add(&l, TOKEN_SIGN, SIGN_MONEY, "dollar", 6);
        } else if (c && strchr("+-*/^()[]{}|,;=!%_", c)) {
            l.at++;
            ok = add_sign(&l, c);
        } else {
            ok = (unsigned char)c >= 0x80 && lex_symbol(&l);
        }
        if (!ok) return l.n + 1 >= EQUIV_MAX_TOKENS ? -1 : -2;
    }
    out[l.n] = (token){ .kind = TOKEN_END, .depth = l.depth };
    return l.n;
}
