/* grammar_text.c - UTF-8 and JSON's escapes, never into a dead end: each byte is
 * checked against what the characters it can still become are allowed to be. */
#include "decode/grammar_text.h"

static bool may_be(const lexer *x, uint32_t low, uint32_t high)
{
    if (x->d) return dfa_meets(x->d, x->q, low, high);
    return !(x->no_nul && high == 0) && !(low >= 0xD800 && high <= 0xDFFF);
}

static const char short_escapes[] = "btnvfr";        /* 8 to 13; \v is not JSON's */

static bool has_short_escape(uint32_t c)
{
    return c >= 8 && c <= 13 && c != 11;
}

/* Some control character in range that is spelt \u00XX. */
static bool may_be_long(const lexer *x, uint32_t low, uint32_t high)
{
    for (uint32_t c = low; c <= high && c < 32; c++)
        if (!has_short_escape(c) && may_be(x, c, c)) return true;
    return false;
}

static bool may_escape(const lexer *x)
{
    if (!x->plain) return may_be(x, 0, 0x10FFFF);
    return may_be(x, 0, 31) || may_be(x, '"', '"') || may_be(x, '\\', '\\');
}

/* Characters that four digits with this beginning spell. */
static bool may_be_units(const lexer *x, uint32_t low, uint32_t high)
{
    if (x->plain) return may_be_long(x, low, high);
    if (low < 0xD800 && may_be(x, low, high < 0xD7FF ? high : 0xD7FF)) return true;
    if (high > 0xDFFF && may_be(x, low > 0xE000 ? low : 0xE000, high)) return true;
    if (low > 0xDBFF || high < 0xD800) return false;
    if (low < 0xD800) low = 0xD800;
    if (high > 0xDBFF) high = 0xDBFF;
    return may_be(x, 0x10000 + ((low - 0xD800) << 10), 0x10000 + ((high - 0xD800) << 10) + 0x3FF);
}

static int hex_digit(uint8_t b)
{
    if (b >= '0' && b <= '9') return b - '0';
    if (b >= 'a' && b <= 'f') return b - 'a' + 10;
    return b >= 'A' && b <= 'F' ? b - 'A' + 10 : -1;
}

static took take_code(const lexer *x, uint8_t *dec, uint32_t *part, uint32_t code)
{
    if (!may_be(x, code, code)) return TOOK_NO;
    *dec = AT_CHAR;
    *part = code;
    return TOOK_CHAR;
}

/* UTF-8 by RFC 3629; dec AT_TAIL + n: n more bytes. */
took take_utf8(const lexer *x, uint8_t *dec, uint32_t *part, uint8_t b)
{
    uint32_t code;
    int left;

    if (*dec == AT_CHAR) {
        if (b < 0x80) return take_code(x, dec, part, b);
        if (b < 0xC2 || b > 0xF4) return TOOK_NO;
        left = b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
        code = b & (0x3Fu >> left);
    } else {
        left = *dec - AT_TAIL;
        if ((b & 0xC0) != 0x80) return TOOK_NO;
        if (left == 2 && *part == 0 && b < 0xA0) return TOOK_NO;     /* overlong */
        if (left == 2 && *part == 0xD && b > 0x9F) return TOOK_NO;   /* surrogates */
        if (left == 3 && *part == 0 && b < 0x90) return TOOK_NO;
        if (left == 3 && *part == 4 && b > 0x8F) return TOOK_NO;
        code = *part << 6 | (b & 0x3Fu);
        if (--left == 0) return take_code(x, dec, part, code);
    }
    /* With so little written the lowest codes would be overlong. */
    {
        uint32_t low = code << 6 * left, high = low | ((1u << 6 * left) - 1);

        if (low == 0) low = left == 2 ? 0x800 : 0x10000;
        if (high > 0x10FFFF) high = 0x10FFFF;
        if (!may_be(x, low, high)) return TOOK_NO;
    }
    *dec = (uint8_t)(AT_TAIL + left);
    *part = code;
    return TOOK_PART;
}

static took take_hex(const lexer *x, uint8_t *dec, uint32_t *part, uint8_t b)
{
    int d = hex_digit(b), n = *dec - AT_HEX, left = 3 - n;
    uint32_t code = *part << 4 | (uint32_t)d;

    if (d < 0 || (x->plain && b < 'a' && d > 9)) return TOOK_NO;
    if (left > 0) {
        uint32_t low = code << 4 * left, high = low | ((1u << 4 * left) - 1);

        if (!may_be_units(x, low, high)) return TOOK_NO;
        *part = code;
        ++*dec;
        return TOOK_PART;
    }
    if (!may_be_units(x, code, code)) return TOOK_NO;
    if (code >= 0xD800 && code <= 0xDBFF) {
        *part = code;
        *dec = AT_PAIR;
        return TOOK_PART;
    }
    return take_code(x, dec, part, code);
}

/* The second half of a pair: part is the first half over what is written. */
static took take_low(const lexer *x, uint8_t *dec, uint32_t *part, uint8_t b)
{
    int d = hex_digit(b), left = 2 - (*dec - AT_LOW);
    uint32_t base = 0x10000 + (((*part >> 16) - 0xD800) << 10);
    uint32_t code = (*part & 0xFFFF) << 4 | (uint32_t)d, low, high;

    /* The first digit, D, is checked in take_json: three are left. */
    if (d < 0) return TOOK_NO;
    low = code << 4 * left;
    high = low | ((1u << 4 * left) - 1);
    if (low < 0xDC00 || high > 0xDFFF) return TOOK_NO;
    if (left == 0) return take_code(x, dec, part, base + (code - 0xDC00));
    if (!may_be(x, base + (low - 0xDC00), base + (high - 0xDC00))) return TOOK_NO;
    *part = (*part & 0xFFFF0000u) | code;
    ++*dec;
    return TOOK_PART;
}

/* A byte inside a JSON string, the closing quote excluded. */
took take_json(const lexer *x, uint8_t *dec, uint32_t *part, uint8_t b)
{
    if (*dec > AT_TAIL) return take_utf8(x, dec, part, b);
    switch (*dec) {
    case AT_CHAR:
        if (b < 0x20 || b == '"') return TOOK_NO;
        if (b != '\\') return take_utf8(x, dec, part, b);
        if (!may_escape(x)) return TOOK_NO;
        *dec = AT_ESCAPE;
        return TOOK_PART;
    case AT_ESCAPE:
        if (b == '"' || b == '\\' || (b == '/' && !x->plain)) return take_code(x, dec, part, b);
        if (b == 'u') {
            if (!may_be_units(x, 0, 0xFFFF)) return TOOK_NO;
            *dec = AT_HEX;
            *part = 0;
            return TOOK_PART;
        }
        for (uint32_t c = 8; c <= 13; c++)
            if (has_short_escape(c) && b == (uint8_t)short_escapes[c - 8])
                return take_code(x, dec, part, c);
        return TOOK_NO;
    case AT_PAIR:
        *dec = AT_PAIR_U;
        return b == '\\' ? TOOK_PART : TOOK_NO;
    case AT_PAIR_U:
        *dec = AT_LOW - 0;
        *part <<= 16;
        return b == 'u' ? TOOK_PART : TOOK_NO;
    case AT_LOW:
        if (b != 'd' && b != 'D') return TOOK_NO;
        *part |= 0xD;
        *dec = AT_LOW + 1;
        return TOOK_PART;
    default:
        if (*dec > AT_LOW) {
            uint8_t three = (uint8_t)(*dec - 1);
            took r = take_low(x, &three, part, b);

            *dec = r == TOOK_PART ? (uint8_t)(three + 1) : three;
            if (r == TOOK_CHAR) *dec = AT_CHAR;
            return r;
        }
        return take_hex(x, dec, part, b);
    }
}

int json_scan(const char *s, size_t len, int *n_char)
{
    const lexer any = { .no_nul = true };
    uint8_t dec = AT_CHAR;
    uint32_t part = 0;

    *n_char = 0;
    for (size_t i = 0; i < len; i++) {
        if (dec == AT_CHAR && s[i] == '"') return (int)i;
        if (dec == AT_CHAR) ++*n_char;
        if (take_json(&any, &dec, &part, (uint8_t)s[i]) == TOOK_NO) return -1;
    }
    return (int)len;
}
