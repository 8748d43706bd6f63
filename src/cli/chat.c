/* chat.c - ponder chat: a conversation, line by line.
 *
 * Read from a terminal it is edited and remembered; read from a pipe it is a
 * script, each line a message or a command, and the exit code says whether all
 * of them worked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/line.h"
#include "cli/process.h"
#include "cli/settings.h"
#include "cli/transcript.h"

static const char command[] = "ponder chat";

static const char help[] =
    "usage: ponder chat [options]\n"
    "\n"
    "Talk with a model. /help lists what else can be typed. Ctrl-C stops an answer,\n"
    "Ctrl-D or /quit ends the program. Without a terminal each line of standard input\n"
    "is a message or a command.\n"
    "\n"
    "  -f, --file FILE      a file for the first message; may be given more than once\n";

typedef struct talk {
    settings s;
    text_list files;         /* of --file */
    reasoner *r;
    bytes path;              /* of the model */
    chat chat;               /* with a system message first, where there is one */
    chat attached;           /* one message that holds the files for the next */
    view view;
    line_reader *lines;
    bool quit;
    bool failed;             /* a message or command did not work */
} talk;

/* ------------------------------------------------------------------ speaking */

static void say_trouble(talk *t, const char *text)
{
    t->failed = true;
    fprintf(stderr, "%s: %s\n", command, text);
}

/* What a command did. */
static void say(talk *t, const char *format, const char *text)
{
    terminal_dim(&t->view.err, true);
    terminal_print(&t->view.err, format, text);
    terminal_dim(&t->view.err, false);
    terminal_print(&t->view.err, "\n");
    fflush(stderr);
}

static bool show_event(void *arg, const ask_event *e)
{
    view_event(arg, e);
    return true;
}

static bool has_system(const talk *t)
{
    return t->chat.n > 0 && t->chat.items[0].role == CHAT_SYSTEM;
}

/* The message as typed, behind the files attached to it. */
static void add_message(talk *t, const bytes *text)
{
    chat_message *m = chat_add(&t->chat, CHAT_USER);

    if (t->attached.n) {
        const chat_message *from = &t->attached.items[0];

        for (int i = 0; i < from->n_part; i++)
            chat_message_file(m, from->parts[i].name, from->parts[i].data, from->parts[i].len);
    }
    chat_message_text(m, text->data, text->len);
}

static void keep_answer(talk *t, const ask_sample *s)
{
    chat_message *m = chat_add(&t->chat, CHAT_ASSISTANT);

    chat_message_text(m, s->text, s->text_len);
    if (s->reasoning_len) chat_message_reasoning(m, s->reasoning, s->reasoning_len);
}

/* A message that could not be answered is taken back, so that the next try
 * does not find it there twice. Its files stay attached. */
static void send_message(talk *t, const bytes *text)
{
    double began_s = process_age_s();
    bytes why = { 0 };
    ask_request q;
    ask_answer a;
    errtext err;
    int n_before;

    if (!t->r) {
        say_trouble(t, "there is no model; /model NAME chooses one");
        return;
    }
    /* ponder-nano was taught single questions. */
    if (settings_is_nano(t->r) && !t->s.anyway) chat_truncate(&t->chat, has_system(t) ? 1 : 0);
    n_before = t->chat.n;
    add_message(t, text);
    if (!settings_in_scope(&t->s, t->r, &t->chat, &why)) {
        chat_truncate(&t->chat, n_before);
        view_note(&t->view, why.data);
        bytes_fini(&why);
        return;
    }
    q = settings_request(&t->s, t->r, &t->chat);
    q.cancel = &process_interrupted;
    view_begin(&t->view, q.samples);
    process_catch_interrupt();
    if (ask_run(t->r, &q, show_event, &t->view, &a, &err) != OK) {
        chat_truncate(&t->chat, n_before);
        say_trouble(t, err.text);
    } else {
        view_end(&t->view, &a);
        view_usage(&t->view, &a, a.first_token_s, process_age_s() - began_s);
        if (a.samples[a.chosen].finish == FINISH_ERROR) {
            chat_truncate(&t->chat, n_before);
            say_trouble(t, a.samples[a.chosen].error);
        } else {
            keep_answer(t, &a.samples[a.chosen]);
            chat_truncate(&t->attached, 0);
        }
        ask_answer_fini(&a);
    }
    if (line_reader_terminal(t->lines)) {
        process_ignore_interrupt();
    } else {
        process_release_interrupt();
        t->quit = process_interrupted;
    }
}

/* ----------------------------------------------------------------- commands */

/* Take the system message out, if there is one, and put the new one, if there
 * is one, in front. */
static void set_system(talk *t, const char *text)
{
    chat *c = &t->chat;
    chat_message first;

    if (has_system(t)) {
        first = c->items[0];
        memmove(c->items, c->items + 1, (size_t)(c->n - 1) * sizeof first);
        c->items[c->n - 1] = first;
        chat_truncate(c, c->n - 1);
    }
    if (!*text) return;
    chat_message_text(chat_add(c, CHAT_SYSTEM), text, strlen(text));
    first = c->items[c->n - 1];
    memmove(c->items + 1, c->items, (size_t)(c->n - 1) * sizeof first);
    c->items[0] = first;
}

/* The value of a setting, through the same checks as the command line. */
static bool set_option(talk *t, const char *name, const char *value)
{
    option_spec table[SETTINGS_MAX_OPTION];
    int n = settings_options(&t->s, table);
    char why[256];

    for (int i = 0; i < n; i++)
        if (!strcmp(table[i].name, name)) {
            if (option_set(&table[i], value, why)) return true;
            say_trouble(t, why + 2);         /* no dashes here */
        }
    return false;
}

static void do_effort(talk *t, const char *value)
{
    if (*value) {
        if (!set_option(t, "effort", value)) return;
        t->s.budget = ASK_BUDGET_BY_EFFORT;
        t->s.budget_given = false;
    }
    say(t, t->s.budget_given ? "effort: by budget" : "effort: %s", effort_name(t->s.effort));
}

static void do_budget(talk *t, const char *value)
{
    char text[64];

    if (*value && !set_option(t, "budget", value)) return;
    if (t->s.budget_given) snprintf(text, sizeof text, "%d tokens", t->s.budget);
    else snprintf(text, sizeof text, "%d tokens, by effort", effort_budget(t->s.effort));
    say(t, "budget: %s", text);
}

static void do_model(talk *t, const char *value)
{
    reasoner *r;
    bytes path = { 0 };
    errtext err;

    if (*value) {
        if (settings_open(&t->s, value, &r, &path, &err) != OK) {
            bytes_fini(&path);
            say_trouble(t, err.text);
            return;
        }
        reasoner_close(t->r);
        bytes_fini(&t->path);
        t->r = r;
        t->path = path;
    }
    say(t, "model: %s", t->path.len ? t->path.data : "none");
}

static bool attach(talk *t, const char *name)
{
    bytes text = { 0 };
    errtext err;
    status st = file_read(&text, name, INPUT_MAX_BYTES, &err);

    if (st == OK) {
        if (!t->attached.n) chat_add(&t->attached, CHAT_USER);
        chat_message_file(&t->attached.items[0], name, text.data ? text.data : "", text.len);
    } else {
        say_trouble(t, err.text);
    }
    bytes_fini(&text);
    return st == OK;
}

static void do_attach(talk *t, const char *value)
{
    if (!*value) say_trouble(t, "/attach needs a file");
    else if (attach(t, value)) say(t, "%s goes with the next message", value);
}

static void do_system(talk *t, const char *value)
{
    set_system(t, value);
    say(t, *value ? "system prompt set" : "system prompt removed", "");
}

static void do_reset(talk *t, const char *value)
{
    (void)value;
    chat_truncate(&t->chat, has_system(t) ? 1 : 0);
    chat_truncate(&t->attached, 0);
    say(t, "a new conversation", "");
}

static void do_save(talk *t, const char *value)
{
    bytes name = { 0 };
    errtext err;

    if (!*value) {
        say_trouble(t, "/save needs a file");
        return;
    }
    if (t->path.len) model_short_name(t->path.data, &name);
    if (transcript_write(value, name.data ? name.data : "", &t->chat, &err) == OK)
        say(t, "saved as %s", value);
    else say_trouble(t, err.text);
    bytes_fini(&name);
}

static void do_load(talk *t, const char *value)
{
    chat c = { 0 };
    errtext err;

    if (!*value) {
        say_trouble(t, "/load needs a file");
    } else if (transcript_read(value, &c, &err) != OK) {
        say_trouble(t, err.text);
    } else {
        chat_fini(&t->chat);
        t->chat = c;
        say(t, "going on with %s", value);
    }
}

static void do_quit(talk *t, const char *value)
{
    (void)value;
    t->quit = true;
}

static void do_help(talk *t, const char *value);

static const struct chat_command {
    const char *name, *argument, *summary;
    void (*run)(talk *t, const char *value);
} commands[] = {
    { "/effort", "LEVEL", "none, minimal, low, medium, high or xhigh", do_effort },
    { "/budget", "N", "tokens of thinking, instead of an effort", do_budget },
    { "/model", "NAME", "go on with another model", do_model },
    { "/attach", "FILE", "send a file with the next message", do_attach },
    { "/system", "TEXT", "system prompt; without text there is none", do_system },
    { "/reset", "", "forget the conversation", do_reset },
    { "/save", "FILE", "write the conversation as JSON", do_save },
    { "/load", "FILE", "go on with a saved conversation", do_load },
    { "/help", "", "this list", do_help },
    { "/quit", "", "end", do_quit },
};
#define N_COMMAND ((int)(sizeof commands / sizeof *commands))

static void do_help(talk *t, const char *value)
{
    (void)value;
    for (int i = 0; i < N_COMMAND; i++)
        terminal_print(&t->view.err, "  %-8s %-6s  %s\n", commands[i].name, commands[i].argument,
                       commands[i].summary);
    terminal_print(&t->view.err, "A line that ends with \\ goes on in the next one; a message that "
                   "begins with / is\nwritten with //.\n");
}

static void run_command(talk *t, const char *line)
{
    const char *names[N_COMMAND], *near;
    size_t len = strcspn(line, " \t");
    const char *value = line + len + strspn(line + len, " \t");
    char name[32], text[128];

    snprintf(name, sizeof name, "%.*s", (int)(len < 31 ? len : 31), line);
    for (int i = 0; i < N_COMMAND; i++) {
        names[i] = commands[i].name;
        if (!strcmp(name, names[i])) {
            commands[i].run(t, value);
            return;
        }
    }
    near = nearest_word(name, names, N_COMMAND);
    if (near) snprintf(text, sizeof text, "unknown command %s; did you mean %s?", name, near);
    else snprintf(text, sizeof text, "unknown command %s; /help lists them", name);
    say_trouble(t, text);
}

/* --------------------------------------------------------------------- loop */

/* A message of one or more lines. */
static line_end read_message(talk *t, bytes *text)
{
    bytes line = { 0 };
    line_end end;
    bool more;

    bytes_clear(text);
    do {
        end = line_read(t->lines, text->len ? "... " : "> ", &line);
        more = end == LINE_READ && line.len && line.data[line.len - 1] == '\\';
        if (end == LINE_READ) bytes_add(text, line.data, line.len - more);
        if (more) bytes_add_char(text, '\n');
    } while (more);
    bytes_fini(&line);
    return end == LINE_EOF && text->len ? LINE_READ : end;
}

static void converse(talk *t)
{
    bytes text = { 0 };
    line_end end;

    while (!t->quit && (end = read_message(t, &text)) != LINE_EOF) {
        size_t blank = text.len ? strspn(text.data, " \t\r\n") : 0;

        if (end == LINE_DROPPED || blank == text.len) continue;
        line_remember(t->lines, text.data);
        if (text.data[blank] == '/' && text.data[blank + 1] != '/') {
            while (strchr(" \t\r\n", text.data[text.len - 1])) text.data[--text.len] = 0;
            run_command(t, text.data + blank);
            continue;
        }
        if (text.data[blank] == '/') {
            text.len -= blank + 1;
            memmove(text.data, text.data + blank + 1, text.len + 1);
        }
        send_message(t, &text);
    }
    bytes_fini(&text);
}

static void history_path(bytes *path)
{
    const char *home = getenv("PONDER_HOME");

    if (home && *home) bytes_add_format(path, "%s/history", home);
    else if ((home = getenv("HOME")) && *home)
        bytes_add_format(path, "%s/.cache/ponder/history", home);
}

static int run(talk *t)
{
    bytes history = { 0 };
    errtext err;

    for (int i = 0; i < t->files.n; i++)
        if (!attach(t, t->files.items[i])) return EXIT_TROUBLE;
    if (settings_open(&t->s, t->s.model, &t->r, &t->path, &err) != OK) {
        say_trouble(t, err.text);
        return EXIT_TROUBLE;
    }
    if (t->s.system) set_system(t, t->s.system);
    history_path(&history);
    t->lines = line_reader_new(history.data);
    bytes_fini(&history);
    if (line_reader_terminal(t->lines)) {
        process_ignore_interrupt();
        say(t, "%s; /help lists the commands", t->path.data);
        converse(t);
        return EXIT_FINE;
    }
    converse(t);
    if (process_interrupted) return EXIT_INTERRUPTED;
    return t->failed || fflush(stdout) || ferror(stdout) ? EXIT_TROUBLE : EXIT_FINE;
}

int cli_chat(int argc, char **argv)
{
    talk t = { 0 };
    option_spec table[SETTINGS_MAX_OPTION + 1];
    options_end end;
    int n, code = EXIT_USAGE;

    settings_init(&t.s);
    n = settings_options(&t.s, table);
    table[n++] = (option_spec){ .name = "file", .letter = 'f', .kind = OPTION_TEXTS,
                                .to = &t.files };
    end = options_parse(command, table, n, argc, argv, NULL);
    if (end == OPTIONS_HELP) {
        fputs(help, stdout);
        fputs(settings_help, stdout);
        code = EXIT_FINE;
    } else if (end == OPTIONS_OK && settings_check(&t.s, command)) {
        view_init(&t.view, settings_thinking(&t.s), false);
        code = run(&t);
    }
    line_reader_free(t.lines);
    view_fini(&t.view);
    reasoner_close(t.r);
    chat_fini(&t.chat);
    chat_fini(&t.attached);
    bytes_fini(&t.path);
    text_list_fini(&t.files);
    settings_fini(&t.s);
    return code;
}
