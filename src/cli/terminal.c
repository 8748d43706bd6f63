/* terminal.c - a stream that may be a terminal. */
#include "cli/terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REPLACEMENT "\xef\xbf\xbd"       /* U+FFFD */

void terminal_init(terminal *t, FILE *file)
{
    const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");

    *t = (terminal){ .file = file };
    t->tty = isatty(fileno(file)) && !(kind && !strcmp(kind, "dumb"));
    t->colour = t->tty && !(no_colour && *no_colour);
}

int terminal_width(const terminal *t)
{
    struct winsize size;

    return ioctl(fileno(t->file), TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

/* Length of the control character at s: C0 but for tab and newline, DEL, and
 * C1 in UTF-8. 0: it is none. */
static size_t control_length(const char *s, size_t len)
{
    unsigned char c = (unsigned char)s[0];

    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) return 1;
    if (c == 0xc2 && len > 1 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0)
        return 2;
    return 0;
}

void terminal_text(terminal *t, const char *text, size_t len)
{
    size_t from = 0;

    if (!len) return;
    terminal_live_end(t);
    for (size_t i = 0; t->tty && i < len;) {
        size_t n = control_length(text + i, len - i);

        if (n) {
            fwrite(text + from, 1, i - from, t->file);
            fputs(REPLACEMENT, t->file);
            from = i + n;
        }
        i += n ? n : 1;
    }
    fwrite(text + from, 1, len - from, t->file);
    t->mid_line = text[len - 1] != '\n';
    fflush(t->file);
}

void terminal_print(terminal *t, const char *format, ...)
{
    size_t len = strlen(format);
    va_list args;

    terminal_live_end(t);
    va_start(args, format);
    vfprintf(t->file, format, args);
    va_end(args);
    if (len) t->mid_line = format[len - 1] != '\n';
}

void terminal_dim(terminal *t, bool on)
{
    if (!t->colour || t->dim == on) return;
    fputs(on ? "\033[2m" : "\033[0m", t->file);
    t->dim = on;
}

void terminal_end_line(terminal *t)
{
    if (!t->mid_line) return;
    fputc('\n', t->file);
    fflush(t->file);
    t->mid_line = false;
}

void terminal_live(terminal *t, const char *format, ...)
{
    char line[256];
    int width = terminal_width(t);
    va_list args;

    if (!t->tty) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(t->file, t->colour ? "\r\033[K\033[2m%.*s\033[0m" : "\r\033[K%.*s", width - 1, line);
    fflush(t->file);
    t->live = true;
}

void terminal_live_end(terminal *t)
{
    if (!t->live) return;
    fputs("\r\033[K", t->file);
    t->live = false;
}
