/* normalize.c - Unicode normalisation form C.
 *
 * Decompose, sort each run of combining marks, compose (UAX #15). The
 * properties and the composition come from utf8proc; the sort is ours, because
 * the library's swaps neighbours and needs the square of the time when a
 * megabyte of marks arrives in the wrong order. */
#include "token/internal.h"

#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"

/* Whether a character can be changed by normalisation, on its own or beside
 * others: it decomposes, or it is a mark or a conjoining jamo. */
static bool is_fragile(uint32_t code)
{
    const utf8proc_property_t *p;

    if (code < 0xC0) return false;
    if (code >= 0x1100 && code <= 0x11FF) return true;
    /* Ideographs and Hangul syllables are most of the text that gets here. */
    if ((code >= 0x3400 && code <= 0x9FFF) || (code >= 0xAC00 && code <= 0xD7A3))
        return false;
    p = utf8proc_get_property((utf8proc_int32_t)code);
    return p->decomp_seqindex != UINT16_MAX || p->combining_class
           || p->category == UTF8PROC_CATEGORY_MN || p->category == UTF8PROC_CATEGORY_MC;
}

/* Latin letters with accents decompose but are stable unless a mark follows,
 * so they alone do not start the work. */
static bool needs_work(const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        uint32_t code;
        int n;

        if ((unsigned char)text[at] < 0xCC) {        /* below U+0300 */
            at++;
            continue;
        }
        n = utf8_decode(text + at, len - at, &code);
        if (n && is_fragile(code)) return true;
        at += n ? (size_t)n : 1;
    }
    return false;
}

/* Stable sort by combining class; every class of the run is above 0. */
static void sort_marks(utf8proc_int32_t *marks, size_t n, utf8proc_int32_t *spare)
{
    size_t count[257] = { 0 };

    for (size_t i = 0; i < n; i++)
        count[utf8proc_get_property(marks[i])->combining_class + 1]++;
    for (int c = 0; c < 256; c++) count[c + 1] += count[c];
    for (size_t i = 0; i < n; i++)
        spare[count[utf8proc_get_property(marks[i])->combining_class]++] = marks[i];
    memcpy(marks, spare, n * sizeof *marks);
}

/* NFC of len bytes of valid UTF-8. */
static void compose(bytes *out, const char *text, size_t len)
{
    utf8proc_int32_t *codes = NULL, *spare;
    size_t n = 0, cap = 0, run_start;
    utf8proc_ssize_t n_out;

    for (size_t at = 0; at < len;) {
        utf8proc_ssize_t n_part;
        int boundary = 0;
        uint32_t code;

        at += (size_t)utf8_decode(text + at, len - at, &code);
        if (cap - n < 32) {                  /* the longest decomposition is 18 */
            cap = cap ? 2 * cap : len - at + 64;
            codes = mem_resize(codes, cap, sizeof *codes);
        }
        n_part = utf8proc_decompose_char((utf8proc_int32_t)code, codes + n, 32,
                                         UTF8PROC_DECOMPOSE, &boundary);
        CHECK(n_part > 0 && n_part <= 32);
        n += (size_t)n_part;
    }
    spare = mem_array(n, sizeof *spare);
    run_start = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && utf8proc_get_property(codes[i])->combining_class) continue;
        if (i - run_start > 1) sort_marks(codes + run_start, i - run_start, spare);
        run_start = i + 1;
    }
    mem_free(spare);
    n_out = utf8proc_normalize_utf32(codes, (utf8proc_ssize_t)n,
                                     UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    CHECK(n_out >= 0);
    bytes_reserve(out, len);
    for (utf8proc_ssize_t i = 0; i < n_out; i++) {
        char c[4];

        bytes_add(out, c, (size_t)utf8_encode((uint32_t)codes[i], c));
    }
    mem_free(codes);
}

bool normalize_nfc(bytes *out, const char *text, size_t len)
{
    if (!needs_work(text, len)) return false;
    for (size_t at = 0; at < len;) {
        size_t valid = utf8_valid_prefix(text + at, len - at);

        if (valid) compose(out, text + at, valid);
        at += valid;
        if (at < len) bytes_add_char(out, text[at++]);
    }
    return true;
}
