/* utf8.c - UTF-8 by the letter of RFC 3629. */
#include "base/utf8.h"

/* Length announced by a lead byte, and the range its second byte must have
 * (table 3-7 of the Unicode standard); 0 for a byte that cannot lead. */
static int lead(unsigned char c, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (c < 0x80) return 1;
    if (c < 0xC2) return 0;
    if (c < 0xE0) return 2;
    if (c < 0xF0) {
        if (c == 0xE0) *low = 0xA0;
        if (c == 0xED) *high = 0x9F;
        return 3;
    }
    if (c > 0xF4) return 0;
    if (c == 0xF0) *low = 0x90;
    if (c == 0xF4) *high = 0x8F;
    return 4;
}

int utf8_decode(const char *s, size_t len, uint32_t *code)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char low, high;
    int n = lead(p[0], &low, &high);

    if (n == 0 || (size_t)n > len) return 0;
    if (n == 1) {
        *code = p[0];
        return 1;
    }
    if (p[1] < low || p[1] > high) return 0;
    *code = p[0] & (0x7Fu >> n);
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        *code = *code << 6 | (p[i] & 0x3Fu);
    }
    return n;
}

int utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

size_t utf8_valid_prefix(const char *s, size_t len)
{
    size_t at = 0;
    uint32_t code;

    while (at < len) {
        int n = utf8_decode(s + at, len - at, &code);

        if (n == 0) break;
        at += (size_t)n;
    }
    return at;
}

size_t utf8_incomplete_tail(const char *s, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        const unsigned char *p = (const unsigned char *)s + len - back;
        unsigned char low, high;
        int n;

        if ((p[0] & 0xC0) == 0x80) continue;
        n = lead(p[0], &low, &high);
        if (n <= (int)back) return 0;
        if (back > 1 && (p[1] < low || p[1] > high)) return 0;
        return back;
    }
    return 0;
}
