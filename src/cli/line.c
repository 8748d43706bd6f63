/* line.c - lines from a person, by libedit.
 *
 * libedit's own signal handling would end the program on Ctrl-C, so bytes are
 * read here. */
#include "cli/line.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
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

/* Ctrl-C comes through a pipe: the signal may be handled on any thread and at
 * any moment, and only a descriptor cannot be missed between looking and
 * waiting. */
static int bell[2] = { -1, -1 };

static void on_interrupt(int sig)
{
    int kept = errno;

    (void)sig;
    if (write(bell[1], "", 1) < 0) errno = kept;     /* full: it rings already */
    errno = kept;
}

static bool bell_rings(void)
{
    char c[64];
    bool rings = false;

    while (read(bell[0], c, sizeof c) > 0) rings = true;
    return rings;
}

/* One character for libedit. */
static int read_char(EditLine *edit, wchar_t *out)
{
    mbstate_t state = { 0 };
    line_reader *r;

    el_get(edit, EL_CLIENTDATA, &r);
    for (;;) {
        struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
                               { .fd = bell[0], .events = POLLIN } };
        char c;
        ssize_t n;
        size_t used;

        if (poll(p, 2, -1) < 0) continue;    /* another signal */
        if (p[1].revents && bell_rings()) {
            r->dropped = true;
            return -1;
        }
        if (!p[0].revents) continue;
        n = read(STDIN_FILENO, &c, 1);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0;
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
    if (!r->terminal || (bell[0] < 0 && pipe2(bell, O_CLOEXEC | O_NONBLOCK))) {
        r->terminal = false;
        return r;
    }
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
    struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART }, before;
    const char *text;
    int n = 0;

    bytes_clear(out);
    if (!r->terminal) return read_plain(out);
    r->prompt = prompt;
    r->dropped = false;
    bell_rings();                    /* what rang between two lines is over */
    sigaction(SIGINT, &action, &before);
    /* Before the prompt is shown, not after: what is typed at its sight must not
     * meet a terminal that still cooks. */
    el_set(r->edit, EL_PREP_TERM, 1);
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
