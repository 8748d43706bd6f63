/* line.c - lines from a person, by libedit.
 *
 * libedit's own signal handling would end the program on Ctrl-C, so bytes are
 * read here, where an interrupted read can be told from the end of input. */
#include "cli/line.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "base/file.h"
#include "base/mem.h"

#define HISTORY_LINES 1000

struct line_reader {
    bool terminal;
    EditLine *edit;          /* on a terminal */
    History *history;
    char *history_path;
    const char *prompt;
    bool dropped;            /* Ctrl-C while a line was typed */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

/* One character for libedit. Ctrl-C gives up the line; other signals (the
 * window was resized) do not. */
static int read_char(EditLine *edit, wchar_t *out)
{
    mbstate_t state = { 0 };
    line_reader *r;

    el_get(edit, EL_CLIENTDATA, &r);
    for (;;) {
        char c;
        ssize_t n = read(STDIN_FILENO, &c, 1);
        size_t used;

        if (n == 0) return 0;
        if (n < 0 && errno == EINTR && !interrupted) continue;
        if (n < 0) {
            r->dropped = interrupted;
            return interrupted ? -1 : 0;
        }
        used = mbrtowc(out, &c, 1, &state);
        if (used == (size_t)-2) continue;
        if (used == (size_t)-1) {            /* not a character of this locale */
            memset(&state, 0, sizeof state);
            *out = L'?';
        }
        return 1;
    }
}

static char *show_prompt(EditLine *edit)
{
    line_reader *r;

    el_get(edit, EL_CLIENTDATA, &r);
    return (char *)(uintptr_t)r->prompt;
}

line_reader *line_reader_new(const char *history_path)
{
    line_reader *r = mem_new(sizeof *r);
    HistEvent event;

    r->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (!r->terminal) return r;
    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) setlocale(LC_CTYPE, "C.UTF-8");
    r->edit = el_init("ponder", stdin, stdout, stderr);
    r->history = history_init();
    if (!r->edit || !r->history) {
        r->terminal = false;
        return r;
    }
    el_set(r->edit, EL_CLIENTDATA, r);
    el_set(r->edit, EL_SIGNAL, 0);
    el_set(r->edit, EL_EDITOR, "emacs");
    el_set(r->edit, EL_PROMPT, show_prompt);
    el_set(r->edit, EL_GETCFN, read_char);
    history(r->history, &event, H_SETSIZE, HISTORY_LINES);
    history(r->history, &event, H_SETUNIQUE, 1);
    el_set(r->edit, EL_HIST, history, r->history);
    el_source(r->edit, NULL);
    r->history_path = mem_string(history_path);
    if (history_path) history(r->history, &event, H_LOAD, history_path);
    return r;
}

void line_reader_free(line_reader *r)
{
    if (!r) return;
    if (r->edit) el_end(r->edit);
    if (r->history) history_end(r->history);
    mem_free(r->history_path);
    mem_free(r);
}

bool line_reader_terminal(const line_reader *r)
{
    return r->terminal;
}

static line_end read_plain(bytes *out)
{
    int c;

    while ((c = getchar()) != EOF && c != '\n') bytes_add_char(out, (char)c);
    return c == EOF && !out->len ? LINE_EOF : LINE_READ;
}

line_end line_read(line_reader *r, const char *prompt, bytes *out)
{
    struct sigaction action = { .sa_handler = on_interrupt }, before;
    const char *text;
    int n = 0;

    bytes_clear(out);
    if (!r->terminal) return read_plain(out);
    r->prompt = prompt;
    r->dropped = false;
    interrupted = 0;
    sigaction(SIGINT, &action, &before);
    text = el_gets(r->edit, &n);
    sigaction(SIGINT, &before, NULL);
    if (r->dropped) {
        el_reset(r->edit);
        putchar('\n');
        return LINE_DROPPED;
    }
    if (!text || n <= 0) return LINE_EOF;
    bytes_add(out, text, (size_t)n);
    while (out->len && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == '\r'))
        out->data[--out->len] = 0;
    return LINE_READ;
}

/* What was asked is nobody else's business: the file is its owner's alone. */
static void save_history(line_reader *r)
{
    mode_t before = umask(077);
    char *dir = mem_string(r->history_path), *slash = strrchr(dir, '/');
    HistEvent event;

    if (slash && slash > dir) {
        *slash = 0;
        file_make_dir(dir, NULL);
    }
    mem_free(dir);
    history(r->history, &event, H_SAVE, r->history_path);
    umask(before);
}

void line_remember(line_reader *r, const char *text)
{
    HistEvent event;

    if (!r->terminal || !*text) return;
    history(r->history, &event, H_ENTER, text);
    if (r->history_path) save_history(r);
}
