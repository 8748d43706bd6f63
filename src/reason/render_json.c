/* render_json.c - a recursive reader that writes as it goes.
 *
 * Nothing here depends on the locale: numbers go through strtod and printf
 * only in forms without a decimal point. */
#include "reason/render_json.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

typedef struct cursor {
    const char *text;
    size_t len;
    size_t at;
    int depth;
    json_style style;
    bytes *out;              /* NULL: only check */
    bytes scratch;           /* the string being decoded */
    const char *wrong;       /* what is not as it should be, at `at` */
    bool too_deep;
} cursor;

static bool value_walk(cursor *c);

static void bytes_cut(bytes *b, size_t len)
{
    b->len = len;
    if (b->data) b->data[len] = 0;
}

static bool refuse(cursor *c, const char *wrong)
{
    if (!c->wrong) c->wrong = wrong;
    return false;
}

static int peek(const cursor *c)
{
    return c->at < c->len ? (unsigned char)c->text[c->at] : -1;
}

static void skip_space(cursor *c)
{
    int b;

    while ((b = peek(c)) == ' ' || b == '\t' || b == '\n' || b == '\r') c->at++;
}

/* Strings. */

static bool hex4(cursor *c, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int b = peek(c);
        int digit = b >= '0' && b <= '9' ? b - '0' : b >= 'a' && b <= 'f' ? b - 'a' + 10
                  : b >= 'A' && b <= 'F' ? b - 'A' + 10 : -1;
        if (digit < 0) return refuse(c, "expected four hexadecimal digits");
        *out = *out * 16 + (uint32_t)digit;
        c->at++;
    }
    return true;
}

static bool escape_walk(cursor *c, bytes *text)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const int b = peek(c);
    const char *found = b > 0 ? strchr(from, b) : NULL;
    uint32_t code, low;
    char utf8[4];

    if (found) {
        c->at++;
        bytes_add_char(text, to[found - from]);
        return true;
    }
    if (b != 'u') return refuse(c, "unknown escape");
    c->at++;
    if (!hex4(c, &code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (c->at + 1 >= c->len || c->text[c->at] != '\\' || c->text[c->at + 1] != 'u')
            return refuse(c, "half of a surrogate pair");
        c->at += 2;
        if (!hex4(c, &low)) return false;
        if (low < 0xdc00 || low > 0xdfff) return refuse(c, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
        return refuse(c, "half of a surrogate pair");
    }
    bytes_add(text, utf8, (size_t)utf8_encode(code, utf8));
    return true;
}

/* Decode a string into c->scratch. */
static bool string_walk(cursor *c)
{
    bytes_clear(&c->scratch);
    c->at++;
    for (;;) {
        const int b = peek(c);
        uint32_t code;
        if (b < 0) return refuse(c, "string without an end");
        if (b == '"') break;
        if (b < 0x20) return refuse(c, "control character in a string");
        if (b == '\\') {
            c->at++;
            if (!escape_walk(c, &c->scratch)) return false;
            continue;
        }
        const int n = utf8_decode(c->text + c->at, c->len - c->at, &code);
        if (!n) return refuse(c, "not UTF-8");
        bytes_add(&c->scratch, c->text + c->at, (size_t)n);
        c->at += (size_t)n;
    }
    c->at++;
    return true;
}

void json_quote(bytes *out, const char *data, size_t len)
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";

    bytes_add_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        const unsigned char b = (unsigned char)data[i];
        const char *found = b ? strchr(from, b) : NULL;
        if (found) {
            bytes_add_char(out, '\\');
            bytes_add_char(out, to[found - from]);
        } else if (b < 0x20) {
            bytes_add_format(out, "\\u%04x", b);
        } else {
            bytes_add_char(out, (char)b);
        }
    }
    bytes_add_char(out, '"');
}

/* What repr() writes as an escape: separators but the space, controls, format
 * characters, surrogates and private use. Python also escapes code points its
 * Unicode version has not assigned; those are written as they are here. */
static bool python_hides(uint32_t u)
{
    static const uint32_t hidden[][2] = {
        { 0x00, 0x1f }, { 0x7f, 0xa0 }, { 0xad, 0xad }, { 0x600, 0x605 }, { 0x61c, 0x61c },
        { 0x6dd, 0x6dd }, { 0x70f, 0x70f }, { 0x890, 0x891 }, { 0x8e2, 0x8e2 },
        { 0x1680, 0x1680 }, { 0x180e, 0x180e }, { 0x2000, 0x200f }, { 0x2028, 0x202f },
        { 0x205f, 0x206f }, { 0x3000, 0x3000 }, { 0xd800, 0xf8ff }, { 0xfeff, 0xfeff },
        { 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd },
        { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
        { 0xe0000, 0xe00ff }, { 0xf0000, 0x10ffff },
    };

    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (u >= hidden[i][0] && u <= hidden[i][1]) return true;
    return false;
}

static void python_quote(bytes *out, const char *data, size_t len)
{
    const char quote = memchr(data, '\'', len) && !memchr(data, '"', len) ? '"' : '\'';

    bytes_add_char(out, quote);
    for (size_t i = 0; i < len; ) {
        uint32_t u;
        const int n = utf8_decode(data + i, len - i, &u);
        CHECK(n > 0);        /* string_walk passes UTF-8 only */
        if (u == '\\' || u == (unsigned char)quote) bytes_add_format(out, "\\%c", (int)u);
        else if (u == '\n') bytes_add_string(out, "\\n");
        else if (u == '\r') bytes_add_string(out, "\\r");
        else if (u == '\t') bytes_add_string(out, "\\t");
        else if (!python_hides(u)) bytes_add(out, data + i, (size_t)n);
        else if (u < 0x100) bytes_add_format(out, "\\x%02x", u);
        else if (u < 0x10000) bytes_add_format(out, "\\u%04x", u);
        else bytes_add_format(out, "\\U%08x", u);
        i += (size_t)n;
    }
    bytes_add_char(out, quote);
}

static void string_write(cursor *c)
{
    const char *data = c->scratch.data ? c->scratch.data : "";

    if (!c->out) return;
    if (c->style == JSON_PYTHON) python_quote(c->out, data, c->scratch.len);
    else json_quote(c->out, data, c->scratch.len);
}

/* Numbers. */

/* Value of DIGITS * 10^exponent; a form without a decimal point. */
static double digits_value(const char *digits, long exponent)
{
    char text[64];
    double v;
    bytes b = { 0 };

    if (strlen(digits) < 30) {
        snprintf(text, sizeof text, "%se%ld", digits, exponent);
        return strtod(text, NULL);
    }
    bytes_add_format(&b, "%se%ld", digits, exponent);
    v = strtod(b.data, NULL);
    bytes_fini(&b);
    return v;
}

/* The shortest digits that read back as v > 0, closest to v among those of
 * that length: v = 0.DIGITS * 10^*point. Rounding to n digits usually gives
 * them; next to a power of two, where the gap below is half the gap above, the
 * digits one up can read back while the rounded ones do not. */
static void shortest_digits(double v, char digits[24], int *point)
{
    for (int n = 1; n <= 17; n++) {
        char text[40];
        snprintf(text, sizeof text, "%.*e", n - 1, v);
        const int exponent = atoi(strchr(text, 'e') + 1);
        digits[0] = text[0];
        if (n > 1) memcpy(digits + 1, text + 2, (size_t)n - 1);
        digits[n] = 0;
        const unsigned long long whole = strtoull(digits, NULL, 10);
        for (int step = 0; step < 3; step++) {       /* as rounded, one up, one down */
            const unsigned long long near = step == 0 ? whole : step == 1 ? whole + 1
                                          : whole - 1;
            snprintf(digits, 24, "%llu", near);
            if (digits_value(digits, exponent - (n - 1)) != v) continue;
            *point = exponent + 1 + (int)strlen(digits) - n;
            for (int end = (int)strlen(digits); end > 1 && digits[end - 1] == '0'; )
                digits[--end] = 0;
            return;
        }
    }
    CHECK(!"17 digits tell every double apart");
}

void json_float(bytes *out, double v, json_style style)
{
    char digits[24];
    int point;

    if (isinf(v)) {
        bytes_add_string(out, v < 0 ? "-" : "");
        bytes_add_string(out, style == JSON_PYTHON ? "inf" : "Infinity");
        return;
    }
    if (signbit(v)) bytes_add_char(out, '-');
    if (v == 0) {
        bytes_add_string(out, "0.0");
        return;
    }
    shortest_digits(fabs(v), digits, &point);
    const int n = (int)strlen(digits);
    if (point <= -4 || point > 16) {
        bytes_add_char(out, digits[0]);
        if (n > 1) bytes_add_format(out, ".%s", digits + 1);
        bytes_add_format(out, "e%c%02d", point - 1 < 0 ? '-' : '+', abs(point - 1));
    } else if (point <= 0) {
        bytes_add_format(out, "0.%.*s%s", -point, "0000", digits);
    } else if (point >= n) {
        bytes_add_format(out, "%s%.*s.0", digits, point - n, "0000000000000000");
    } else {
        bytes_add_format(out, "%.*s.%s", point, digits, digits + point);
    }
}

static bool digits_walk(cursor *c)
{
    const size_t start = c->at;

    while (peek(c) >= '0' && peek(c) <= '9') c->at++;
    return c->at > start || refuse(c, "expected a digit");
}

static bool number_walk(cursor *c)
{
    const size_t start = c->at;
    bool whole = true;
    long exponent = 0;

    if (peek(c) == '-') c->at++;
    const size_t first = c->at;
    if (!digits_walk(c)) return false;
    if (c->text[first] == '0' && c->at > first + 1) return refuse(c, "number starts with 0");
    const size_t int_end = c->at;
    size_t point_end = int_end;
    if (peek(c) == '.') {
        whole = false;
        c->at++;
        if (!digits_walk(c)) return false;
        point_end = c->at;
    }
    if (peek(c) == 'e' || peek(c) == 'E') {
        whole = false;
        c->at++;
        const bool negative = peek(c) == '-';
        if (peek(c) == '-' || peek(c) == '+') c->at++;
        const size_t exponent_start = c->at;
        if (!digits_walk(c)) return false;
        for (size_t i = exponent_start; i < c->at && exponent < 100000000; i++)
            exponent = exponent * 10 + (c->text[i] - '0');
        if (negative) exponent = -exponent;
    }
    if (!c->out) return true;
    if (whole) {
        if (c->text[first] == '0') bytes_add_char(c->out, '0');      /* -0 is int 0 */
        else bytes_add(c->out, c->text + start, c->at - start);
        return true;
    }
    bytes digits = { 0 };
    bytes_add(&digits, c->text + first, int_end - first);
    if (point_end > int_end + 1) {
        bytes_add(&digits, c->text + int_end + 1, point_end - int_end - 1);
        exponent -= (long)(point_end - int_end - 1);
    }
    const double v = digits_value(digits.data, exponent);
    json_float(c->out, c->text[start] == '-' ? -v : v, c->style);
    bytes_fini(&digits);
    return true;
}

/* Arrays and objects. */

static void newline_write(cursor *c)
{
    bytes_add_char(c->out, '\n');
    for (int i = 0; i < c->depth; i++) bytes_add_string(c->out, "    ");
}

static void separator_write(cursor *c, bool first)
{
    if (c->style == JSON_INDENT) {
        if (!first) bytes_add_char(c->out, ',');
        newline_write(c);
    } else if (!first) {
        bytes_add_string(c->out, ", ");
    }
}

static bool enter(cursor *c)
{
    if (++c->depth <= JSON_MAX_DEPTH) return true;
    c->too_deep = true;
    return refuse(c, "nested too deeply");
}

static void close_write(cursor *c, bool empty, char bracket)
{
    c->depth--;
    if (!c->out) return;
    if (!empty && c->style == JSON_INDENT) newline_write(c);
    bytes_add_char(c->out, bracket);
}

static bool array_walk(cursor *c)
{
    bool first = true;

    if (!enter(c)) return false;
    c->at++;
    if (c->out) bytes_add_char(c->out, '[');
    for (skip_space(c); peek(c) != ']'; first = false) {
        if (!first) {
            if (peek(c) != ',') return refuse(c, "expected , or ]");
            c->at++;
            skip_space(c);
        }
        if (c->out) separator_write(c, first);
        if (!value_walk(c)) return false;
        skip_space(c);
    }
    c->at++;
    close_write(c, first, ']');
    return true;
}

/* The members written so far, by place in the output, to find repeated keys. */
typedef struct member {
    size_t start, key_end, end;      /* the whole member; its key ends inside */
} member;

typedef struct members {
    member *items;
    int n, cap;
    int *slots;                      /* open addressing; item + 1, 0 empty */
    int n_slot;
    bool repeated;
} members;

static int *slot_find(const members *m, const char *base, const char *key, size_t len)
{
    uint64_t hash = 14695981039346656037u;       /* FNV-1a */

    for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)key[i]) * 1099511628211u;
    for (uint64_t at = hash ^ hash >> 32; ; at++) {
        int *slot = &m->slots[at & (uint64_t)(m->n_slot - 1)];
        if (!*slot) return slot;
        const member *found = &m->items[*slot - 1];
        if (found->key_end - found->start == len && !memcmp(base + found->start, key, len))
            return slot;
    }
}

static void member_add(members *m, const char *base, member item)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 8;
        m->items = mem_resize(m->items, (size_t)m->cap, sizeof *m->items);
        mem_free(m->slots);
        m->n_slot = m->cap * 2;
        m->slots = mem_array((size_t)m->n_slot, sizeof *m->slots);
        for (int i = 0; i < m->n; i++)
            *slot_find(m, base, base + m->items[i].start,
                       m->items[i].key_end - m->items[i].start) = i + 1;
    }
    int *slot = slot_find(m, base, base + item.start, item.key_end - item.start);
    if (*slot) {
        m->items[*slot - 1] = item;
        m->repeated = true;
    } else {
        m->items[m->n++] = item;
        *slot = m->n;
    }
}

/* Write the members that count once more, from a copy of all of them. */
static void members_rewrite(cursor *c, const members *m, size_t start)
{
    const size_t len = c->out->len - start;
    char *copy = mem_copy(c->out->data + start, len);

    bytes_cut(c->out, start);
    for (int i = 0; i < m->n; i++) {
        separator_write(c, i == 0);
        bytes_add(c->out, copy + (m->items[i].start - start),
                  m->items[i].end - m->items[i].start);
    }
    mem_free(copy);
}

static bool member_walk(cursor *c, members *m, bool first)
{
    member item = { 0 };

    if (peek(c) != '"') return refuse(c, "expected a key");
    if (!string_walk(c)) return false;
    if (c->out) {
        separator_write(c, first);
        item.start = c->out->len;
        string_write(c);
        item.key_end = c->out->len;
        bytes_add_string(c->out, ": ");
    }
    skip_space(c);
    if (peek(c) != ':') return refuse(c, "expected :");
    c->at++;
    skip_space(c);
    if (!value_walk(c)) return false;
    if (c->out) {
        item.end = c->out->len;
        member_add(m, c->out->data, item);
    }
    return true;
}

static bool object_walk(cursor *c)
{
    members m = { 0 };
    bool first = true, ok = false;

    if (!enter(c)) return false;
    c->at++;
    if (c->out) bytes_add_char(c->out, '{');
    const size_t start = c->out ? c->out->len : 0;
    for (skip_space(c); peek(c) != '}'; first = false) {
        if (!first) {
            if (peek(c) != ',') {
                refuse(c, "expected , or }");
                goto done;
            }
            c->at++;
            skip_space(c);
        }
        if (!member_walk(c, &m, first)) goto done;
        skip_space(c);
    }
    c->at++;
    if (m.repeated) members_rewrite(c, &m, start);
    close_write(c, first, '}');
    ok = true;

done:
    mem_free(m.items);
    mem_free(m.slots);
    return ok;
}

static bool word_walk(cursor *c, const char *json, const char *python)
{
    const size_t len = strlen(json);

    if (c->len - c->at < len || memcmp(c->text + c->at, json, len))
        return refuse(c, "expected a value");
    c->at += len;
    if (c->out) bytes_add_string(c->out, c->style == JSON_PYTHON ? python : json);
    return true;
}

static bool value_walk(cursor *c)
{
    switch (peek(c)) {
    case '{': return object_walk(c);
    case '[': return array_walk(c);
    case 't': return word_walk(c, "true", "True");
    case 'f': return word_walk(c, "false", "False");
    case 'n': return word_walk(c, "null", "None");
    case '"':
        if (!string_walk(c)) return false;
        string_write(c);
        return true;
    default:
        if (peek(c) == '-' || (peek(c) >= '0' && peek(c) <= '9')) return number_walk(c);
        return refuse(c, "expected a value");
    }
}

status json_rewrite(bytes *out, const char *text, size_t len, json_style style,
                    errtext *err)
{
    cursor c = { .text = text, .len = len, .style = style, .out = out };
    const size_t before = out->len;
    status st = OK;

    skip_space(&c);
    bool ok = value_walk(&c);
    if (ok) {
        skip_space(&c);
        ok = c.at == len || refuse(&c, "text after the value");
    }
    if (!ok) {
        bytes_cut(out, before);
        st = fail(err, c.too_deep ? E_LIMIT : E_FORMAT, "offset %zu: %s", c.at, c.wrong);
    }
    bytes_fini(&c.scratch);
    return st;
}

size_t json_value_length(const char *text, size_t len)
{
    cursor c = { .text = text, .len = len };
    const bool ok = value_walk(&c);

    bytes_fini(&c.scratch);
    return ok ? c.at : 0;
}

bool json_next(const char *text, size_t len, size_t *at, bytes *key,
               const char **value, size_t *value_len)
{
    cursor c = { .text = text, .len = len, .at = *at ? *at : 1 };
    const bool object = text[0] == '{';
    bool found = false;

    skip_space(&c);
    if (peek(&c) == ',') c.at++;
    skip_space(&c);
    if (object) {
        if (peek(&c) != '"' || !string_walk(&c)) goto done;
        if (key) {
            bytes_clear(key);
            bytes_add(key, c.scratch.data ? c.scratch.data : "", c.scratch.len);
        }
        skip_space(&c);
        c.at++;
        skip_space(&c);
    }
    const size_t start = c.at;
    if (peek(&c) == ']' || !value_walk(&c)) goto done;
    *value = text + start;
    *value_len = c.at - start;
    *at = c.at;
    found = true;

done:
    bytes_fini(&c.scratch);
    return found;
}

bool json_unquote(bytes *out, const char *text, size_t len)
{
    cursor c = { .text = text, .len = len };
    const bool ok = peek(&c) == '"' && string_walk(&c) && c.at == len;

    if (ok) bytes_add(out, c.scratch.data ? c.scratch.data : "", c.scratch.len);
    bytes_fini(&c.scratch);
    return ok;
}
