#include "tasks/lines.h"

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

bool cursor_line(cursor *text, cursor *line)
{
    if (text->s == text->end) return false;
    const char *stop = memchr(text->s, '\n', (size_t)(text->end - text->s));
    *line = (cursor){ text->s, stop ? stop : text->end };
    text->s = stop ? stop + 1 : text->end;
    return true;
}

bool cursor_char(cursor *c, char ch)
{
    if (c->s == c->end || *c->s != ch) return false;
    c->s++;
    return true;
}

bool cursor_text(cursor *c, const char *text)
{
    size_t n = strlen(text);

    if ((size_t)(c->end - c->s) < n || memcmp(c->s, text, n) != 0) return false;
    c->s += n;
    return true;
}

bool cursor_number(cursor *c, int *out)
{
    const char *start = c->s;

    *out = 0;
    while (c->s < c->end && *c->s >= '0' && *c->s <= '9') {
        if (c->s - start == 6) return false;
        *out = *out * 10 + (*c->s++ - '0');
    }
    return c->s > start;
}

bool cursor_is(const cursor *c, const char *text)
{
    size_t n = strlen(text);

    return (size_t)(c->end - c->s) == n && memcmp(c->s, text, n) == 0;
}

void passes_check(const char *think, size_t len, line_fn *fn, void *arg, trace_check *out)
{
    cursor text = { think, think + len }, line;
    int n_pass = 1, i = 0;
    bool end = false, good = true;

    *out = (trace_check){ 0 };
    if (len > 0 && think[len - 1] == '\n') text.end--;
    while (cursor_line(&text, &line)) {
        if (end && n_pass == 1 && cursor_is(&line, "check")) {
            n_pass = 2;
            i = 0;
            end = false;
        } else if (end || !fn(arg, i++, line, out, &end)) {
            good = false;
        }
    }
    out->well_formed = good && end;
}

char *passes_write(char *pass, trace_effort effort)
{
    bytes b = { 0 };

    bytes_add_string(&b, pass);
    if (effort == TRACE_HIGH) bytes_add_format(&b, "\ncheck\n%s", pass);
    mem_free(pass);
    return bytes_take(&b);
}
