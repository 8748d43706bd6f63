/* runes.c - code points and Python's idea of their classes. */
#include "tasks/runes.h"

#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"

static void reserve(runes *r, size_t extra)
{
    if (r->cap - r->n >= extra) return;
    r->cap = r->n + extra + r->cap / 2 + 16;
    r->at = mem_resize(r->at, r->cap, sizeof *r->at);
}

void runes_add(runes *r, uint32_t code)
{
    reserve(r, 1);
    r->at[r->n++] = code;
}

void runes_add_range(runes *r, const uint32_t *at, size_t n)
{
    if (!n) return;
    reserve(r, n);
    memcpy(r->at + r->n, at, n * sizeof *at);
    r->n += n;
}

void runes_add_ascii(runes *r, const char *s)
{
    for (; *s; s++) runes_add(r, (unsigned char)*s);
}

void runes_from_utf8(runes *r, const char *s, size_t len)
{
    reserve(r, len);
    for (size_t i = 0; i < len;) {
        uint32_t code;
        int k = utf8_decode(s + i, len - i, &code);

        runes_add(r, k ? code : 0xfffd);
        i += k ? (size_t)k : 1;
    }
}

void runes_to_utf8(bytes *out, const uint32_t *at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c[4];

        bytes_add(out, c, (size_t)utf8_encode(at[i], c));
    }
}

void runes_fini(runes *r)
{
    mem_free(r->at);
    *r = (runes){ 0 };
}

int runes_compare(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b)
{
    for (size_t i = 0; i < n_a && i < n_b; i++)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return n_a < n_b ? -1 : n_a > n_b;
}

bool rune_is_space(uint32_t c)
{
    if (c < 128) return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool rune_is_word(uint32_t c)
{
    if (c < 128)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return true;
    default: return false;
    }
}

bool rune_is_digit(uint32_t c)
{
    if (c < 128) return c >= '0' && c <= '9';
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND;
}

/* The Unicode properties Cased and Case_Ignorable, as far as general category
 * and case mapping tell them; enough to see where a word ends. */
static bool is_cased(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);

    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

static bool is_case_ignorable(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);

    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
           k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' ||
           c == ':' || c == 0xb7 || c == 0x2018 || c == 0x2019;
}

static bool is_final_sigma(const uint32_t *at, size_t n, size_t i)
{
    size_t k = i;

    while (k > 0 && is_case_ignorable(at[k - 1])) k--;
    if (k == 0 || !is_cased(at[k - 1])) return false;
    for (k = i + 1; k < n && is_case_ignorable(at[k]); k++) {
    }
    return k == n || !is_cased(at[k]);
}

void runes_lower(runes *out, const uint32_t *at, size_t n)
{
    reserve(out, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t c = at[i];

        if (c < 128) {
            runes_add(out, c >= 'A' && c <= 'Z' ? c + 32 : c);
        } else if (c == 0x130) {
            runes_add(out, 'i');
            runes_add(out, 0x307);
        } else if (c == 0x3a3) {
            runes_add(out, is_final_sigma(at, n, i) ? 0x3c2 : 0x3c3);
        } else {
            runes_add(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
        }
    }
}

void text_lower(bytes *out, const char *s, size_t len)
{
    runes r = { 0 }, low = { 0 };

    runes_from_utf8(&r, s, len);
    runes_lower(&low, r.at, r.n);
    runes_to_utf8(out, low.at, low.n);
    runes_fini(&r);
    runes_fini(&low);
}
