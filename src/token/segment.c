/* segment.c - a prompt as a list of trusted and plain pieces. */
#include "token/segment.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"

/* Joining equal neighbours is what makes the ids independent of how a renderer
 * cuts its text: a special token written by two calls is still found whole. */
static void add(segments *s, const char *text, size_t len, bool trusted)
{
    segment *last = s->n ? &s->items[s->n - 1] : NULL;

    if (len == 0) return;
    if (!last || last->trusted != trusted) {
        if (s->n == s->cap) {
            s->cap = s->cap ? 2 * s->cap : 8;
            s->items = mem_resize(s->items, (size_t)s->cap, sizeof *s->items);
        }
        last = &s->items[s->n++];
        *last = (segment){ .trusted = trusted };
    }
    CHECK(len < SIZE_MAX - last->len);
    last->text = mem_resize(last->text, last->len + len + 1, 1);
    memcpy(last->text + last->len, text, len);
    last->len += len;
    last->text[last->len] = 0;
}

void segments_trusted(segments *s, const char *text)
{
    add(s, text, strlen(text), true);
}

void segments_trusted_bytes(segments *s, const char *text, size_t len)
{
    add(s, text, len, true);
}

void segments_plain(segments *s, const char *text, size_t len)
{
    add(s, text, len, false);
}

void segments_fini(segments *s)
{
    for (int i = 0; i < s->n; i++) mem_free(s->items[i].text);
    mem_free(s->items);
    *s = (segments){ 0 };
}
