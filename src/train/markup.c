/* markup.c - escaping, and nothing that could need it left over. */
#include "train/markup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define ELLIPSIS "\xe2\x80\xa6"

/* XML 1.0, section 2.2; surrogates are no UTF-8 in the first place. */
static bool allowed(uint32_t code)
{
    if (code < 0x20) return code == '\t' || code == '\n' || code == '\r';
    return code != 0xfffe && code != 0xffff;
}

static void add_character(bytes *out, const char *s, int n)
{
    switch (*s) {
    case '&': bytes_add_string(out, "&amp;"); break;
    case '<': bytes_add_string(out, "&lt;"); break;
    case '>': bytes_add_string(out, "&gt;"); break;
    case '"': bytes_add_string(out, "&quot;"); break;
    case '\'': bytes_add_string(out, "&#39;"); break;
    /* a bare one would reach the reader as a newline */
    case '\r': bytes_add_string(out, "&#13;"); break;
    default: bytes_add(out, s, (size_t)n);
    }
}

void markup_add_cut(bytes *out, const char *text, int max_chars)
{
    size_t len = text ? strlen(text) : 0, last = 0;

    for (size_t at = 0, n = 0; at < len; n++) {
        uint32_t code;
        int size = utf8_decode(text + at, len - at, &code);

        /* The last character gives way to the ellipsis when more follow. */
        if (n + 1 == (size_t)max_chars) last = out->len;
        if (n == (size_t)max_chars) {
            out->len = last;
            out->data[last] = 0;
            bytes_add_string(out, ELLIPSIS);
            return;
        }
        if (size && allowed(code)) add_character(out, text + at, size);
        else bytes_add_string(out, REPLACEMENT);
        at += size ? (size_t)size : 1;
    }
}

void markup_add(bytes *out, const char *text)
{
    markup_add_cut(out, text, INT_MAX);
}
