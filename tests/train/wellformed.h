/* wellformed.h - is a text well-formed XML of the plain kind that charts and
 * reports are written in?
 *
 * Stricter than XML where that helps: attributes in double quotes, only the
 * entities that markup.c writes, no comments or CDATA. */
#ifndef TESTS_TRAIN_WELLFORMED_H
#define TESTS_TRAIN_WELLFORMED_H

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf8.h"

static inline int markup_name(const char *s)
{
    int n = 0;

    while (isalnum((unsigned char)s[n]) || (n && strchr("-:_", s[n]) && s[n])) n++;
    return n;
}

/* Length of one character of text, or 0 when it may not stand there. */
static inline int markup_character(const char *s, const char *end)
{
    static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;",
                                            "&#13;" };
    uint32_t code;
    int n = utf8_decode(s, (size_t)(end - s), &code);

    if (*s == '&') {
        for (int i = 0; i < 6; i++)
            if (!strncmp(s, entities[i], strlen(entities[i]))) return (int)strlen(entities[i]);
        return 0;
    }
    if (*s == '<' || *s == '>') return 0;
    if (n && code < 0x20 && code != '\n' && code != '\t') return 0;
    return n && code != 0xfffe && code != 0xffff ? n : 0;
}

/* Offset of the first fault, or -1. */
static inline long markup_fault(const bytes *b)
{
    const char *p = b->data, *end = b->data + b->len;
    char stack[64][16];
    int depth = 0, n_root = 0;

    if (strlen(p) != b->len) return (long)strlen(p);
    if (!strncmp(p, "<?xml ", 6)) p = strstr(p, "?>") + 2;
    if (!strncmp(p, "<!DOCTYPE html>", 15)) p += 15;
    while (p < end) {
        const char *tag = p;
        int n, closing;

        if (*p != '<') {
            n = markup_character(p, end);
            if (!n || (!depth && !isspace((unsigned char)*p))) return p - b->data;
            p += n;
            continue;
        }
        closing = p[1] == '/';
        p += 1 + closing;
        n = markup_name(p);
        if (!n || n > 15 || depth == 64) return tag - b->data;
        if (closing) {
            if (!depth || strncmp(stack[depth - 1], p, (size_t)n) || stack[depth - 1][n] ||
                p[n] != '>')
                return tag - b->data;
            depth--;
            p += n + 1;
            continue;
        }
        if (!depth && n_root++) return tag - b->data;
        memcpy(stack[depth], p, (size_t)n);
        stack[depth++][n] = 0;
        p += n;
        while (*p == ' ') {
            n = markup_name(++p);
            if (!n || strncmp(p + n, "=\"", 2)) return p - b->data;
            for (p += n + 2; *p != '"';) {
                n = markup_character(p, end);
                if (!n) return p - b->data;
                p += n;
            }
            p++;
        }
        if (!strncmp(p, "/>", 2)) depth--, p++;
        if (*p != '>') return p - b->data;
        p++;
    }
    return depth || n_root != 1 ? (long)b->len : -1;
}

static inline int count_of(const char *text, const char *part)
{
    int n = 0;

    while ((text = strstr(text, part))) n++, text += strlen(part);
    return n;
}

/* Say where, since offsets tell little. */
#define ck_assert_well_formed(b)                                                           \
    do {                                                                                   \
        long fault_ = markup_fault(b);                                                     \
        ck_assert_msg(fault_ < 0, "at %ld: %.80s", fault_,                                 \
                      (b)->data + (fault_ < 0 ? 0 : fault_));                              \
    } while (0)

#endif
