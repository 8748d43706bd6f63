/* test_cli.c - the program as a user meets it: ask, chat, and the door to all
 * subcommands. Runs the binary PONDER_BIN (default build/ponder) on parrots,
 * which say what they are told to, and on SmolLM2-135M where it can be had. */
#include "base/bytes.h"
#include "base/file.h"
#include "cli/cli.h"
#include "support/parrot.h"

#include <check.h>       /* after ours: it has a macro named fail */
#include <jansson.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHATML "{% for m in messages %}<|im_start|>{{ m.role }}{% endfor %}"

static char home[64], ponder[4096];
static bytes out, err_out;

/* ------------------------------------------------------------------- rigging */

static const char *in_home(const char *name)
{
    static char at[4][128];
    static int next;
    char *path = at[next++ & 3];

    snprintf(path, sizeof at[0], "%s/%s", home, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    ck_assert_int_eq(file_replace(in_home(name), text, strlen(text), NULL), OK);
}

static const parrot_word thinker[] = {
    { "Let me see.", 0 }, { "</think>", 0 }, { "The answer", 0 }, { " is 7.", 0 },
    { "<|im_end|>", 0 },
};

static void setup(void)
{
    const char *bin = getenv("PONDER_BIN");

    ck_assert_ptr_nonnull(realpath(bin ? bin : "build/ponder", ponder));
    snprintf(home, sizeof home, "/tmp/test_cli.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
    setenv("PONDER_HOME", home, 1);
    setenv("PONDER_BIN", ponder, 1);
    setenv("MODEL", in_home("parrot.gguf"), 1);
    setenv("TERM", "xterm", 1);
    unsetenv("PONDER_MODEL");
    unsetenv("NO_COLOR");
    parrot_write(in_home("parrot.gguf"), CHATML, 1024, thinker, 5);
}

static void teardown(void)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf %s", home);
    ck_assert_int_eq(system(command), 0);
    bytes_fini(&out);
    bytes_fini(&err_out);
}

static void read_outputs(void)
{
    bytes_clear(&out);
    bytes_clear(&err_out);
    ck_assert_int_eq(file_read(&out, in_home("out"), 10000000, NULL), OK);
    ck_assert_int_eq(file_read(&err_out, in_home("err"), 10000000, NULL), OK);
}

/* Run a shell command line in which $P is the program; standard input is empty
 * unless the line says otherwise. Returns the exit code; what was written is
 * in out and err_out. */
static int sh(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int sh(const char *format, ...)
{
    char line[8192];
    int n, code;
    va_list args;

    n = snprintf(line, sizeof line, "P=\"$PONDER_BIN\"; exec >%s/out 2>%s/err </dev/null; ", home,
                 home);
    va_start(args, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    code = system(line);
    ck_assert_msg(WIFEXITED(code), "%s", line);
    read_outputs();
    return WEXITSTATUS(code);
}

static bool says(const bytes *b, const char *text)
{
    return b->data && strstr(b->data, text) != NULL;
}

#define CHECK_SAYS(b, text) ck_assert_msg(says(b, text), "\"%s\" is not in: %s", text, (b)->data)

static int n_lines(const bytes *b)
{
    int n = 0;

    for (size_t i = 0; i < b->len; i++) n += b->data[i] == '\n';
    return n;
}

static json_t *json_of_out(void)
{
    json_error_t why;
    json_t *o = json_loadb(out.data, out.len, 0, &why);

    ck_assert_msg(o != NULL, "%s: %s", why.text, out.data);
    return o;
}

static int number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(json_object_get(o, "usage"), key);

    ck_assert_msg(json_is_integer(v), "%s", key);
    return (int)json_integer_value(v);
}

static const char *string(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    ck_assert_msg(s != NULL, "%s", key);
    return s;
}

/* Tokens of the prompt that a command line makes: the parrot's tokens are
 * bytes, so this weighs what went in. */
static int prompt_tokens(const char *line)
{
    json_t *o;
    int n;

    ck_assert_int_eq(sh("%s", line), EXIT_FINE);
    o = json_of_out();
    n = number(o, "prompt_tokens");
    json_decref(o);
    return n;
}

/* ------------------------------------------------------------------ the door */

START_TEST(help_is_everywhere)
{
    static const char *const subs[] = { "ask", "chat", "models", "pull", "inspect", "convert",
                                        "bench" };

    ck_assert_int_eq(sh("$P --help"), EXIT_FINE);
    for (size_t i = 0; i < sizeof subs / sizeof *subs; i++) CHECK_SAYS(&out, subs[i]);
    for (size_t i = 0; i < sizeof subs / sizeof *subs; i++) {
        char want[64];

        snprintf(want, sizeof want, "usage: ponder %s", subs[i]);
        ck_assert_int_eq(sh("$P %s --help", subs[i]), EXIT_FINE);
        ck_assert_ptr_eq(strstr(out.data, want), out.data);
        ck_assert_uint_eq(err_out.len, 0);
        ck_assert_int_eq(sh("$P help %s", subs[i]), EXIT_FINE);
        ck_assert_ptr_eq(strstr(out.data, want), out.data);
    }
    ck_assert_int_eq(sh("$P --version"), EXIT_FINE);
    ck_assert_str_eq(out.data, "ponder " PONDER_VERSION "\n");
}
END_TEST

START_TEST(an_unknown_command_gets_a_suggestion)
{
    ck_assert_int_eq(sh("$P aks what"), EXIT_USAGE);
    ck_assert_str_eq(err_out.data,
                     "ponder: unknown command aks; did you mean ask? (see ponder --help)\n");
    ck_assert_int_eq(sh("$P xyzzy"), EXIT_USAGE);
    ck_assert(!says(&err_out, "did you mean"));
    ck_assert_int_eq(n_lines(&err_out), 1);
    ck_assert_int_eq(sh("$P help aks"), EXIT_USAGE);
    ck_assert_int_eq(sh("$P"), EXIT_USAGE);
    CHECK_SAYS(&err_out, "usage:");
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* ---------------------------------------------------------------------- ask */

START_TEST(the_answer_stands_alone_on_stdout)
{
    ck_assert_int_eq(sh("$P ask -m $MODEL What is it?"), EXIT_FINE);
    ck_assert_str_eq(out.data, "The answer is 7.\n");
    CHECK_SAYS(&err_out, "Let me see.");
    CHECK_SAYS(&err_out, "tokens/s");
    CHECK_SAYS(&err_out, "prompt (0 cached)");
    ck_assert(!says(&err_out, "The answer"));
    ck_assert(!strchr(err_out.data, '\033') && !strchr(err_out.data, '\r'));
}
END_TEST

START_TEST(thinking_is_shown_folded_or_hidden)
{
    ck_assert_int_eq(sh("$P ask -m $MODEL --show-thinking q"), EXIT_FINE);
    CHECK_SAYS(&err_out, "--- thinking ---\nLet me see.\n--- answer ---\n");
    ck_assert_int_eq(sh("$P ask -m $MODEL --fold q"), EXIT_FINE);
    ck_assert(!says(&err_out, "Let me see."));
    CHECK_SAYS(&err_out, "thought for 2 tokens\n");
    ck_assert_int_eq(sh("$P ask -m $MODEL --hide-thinking q"), EXIT_FINE);
    ck_assert(!says(&err_out, "Let me see.") && !says(&err_out, "thought"));
    ck_assert_str_eq(out.data, "The answer is 7.\n");
}
END_TEST

START_TEST(json_is_one_object_with_all_figures)
{
    static const char *const reals[] = { "load_s", "first_token_s", "total_s", "tokens_per_s" };
    json_t *o;

    ck_assert_int_eq(sh("$P ask -m $MODEL --json --seed 77 What is it?"), EXIT_FINE);
    ck_assert_uint_eq(err_out.len, 0);
    o = json_of_out();
    ck_assert_str_eq(string(o, "model"), "parrot");
    ck_assert_str_eq(string(o, "path"), getenv("MODEL"));
    ck_assert_str_eq(string(o, "answer"), "The answer is 7.");
    ck_assert_str_eq(string(o, "reasoning"), "Let me see.");
    ck_assert_str_eq(string(o, "final"), "7");
    ck_assert_str_eq(string(o, "finish"), "stop");
    ck_assert_int_eq(number(o, "reasoning_tokens"), 2);
    ck_assert_int_eq(number(o, "answer_tokens"), 3);
    ck_assert_int_eq(number(o, "completion_tokens"), 5);
    ck_assert_int_eq(number(o, "cached_tokens"), 0);
    ck_assert_int_gt(number(o, "prompt_tokens"), 50);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "seed")), 77);
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        const json_t *v = json_object_get(o, reals[i]);

        ck_assert_msg(json_is_real(v) && json_real_value(v) >= 0, "%s", reals[i]);
    }
    ck_assert(json_real_value(json_object_get(o, "first_token_s")) >=
              json_real_value(json_object_get(o, "load_s")));
    ck_assert(json_real_value(json_object_get(o, "total_s")) >=
              json_real_value(json_object_get(o, "first_token_s")));
    ck_assert_uint_eq(json_array_size(json_object_get(o, "samples")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "votes")), 1);
    json_decref(o);
}
END_TEST

START_TEST(effort_and_budget_reach_the_model)
{
    json_t *o;

    /* With thinking off nothing opens a thought, and a closer is just text. */
    ck_assert_int_eq(sh("$P ask -m $MODEL --json --effort none q"), EXIT_FINE);
    o = json_of_out();
    ck_assert_int_eq(number(o, "reasoning_tokens"), 0);
    CHECK_SAYS(&out, "Let me see.");
    json_decref(o);
    ck_assert_int_eq(sh("$P ask -m $MODEL --json --budget 0 q"), EXIT_FINE);
    o = json_of_out();
    ck_assert_int_eq(number(o, "reasoning_tokens"), 0);
    json_decref(o);
    ck_assert_int_eq(sh("$P ask -m $MODEL --json --wait 2 --effort low q"), EXIT_FINE);
    o = json_of_out();
    ck_assert_str_eq(string(o, "reasoning"), "Let me see.WaitLet me see.WaitLet me see.");
    ck_assert_str_eq(string(o, "answer"), "The answer is 7.");
    json_decref(o);
}
END_TEST

START_TEST(endless_thinking_ends_at_the_budget)
{
    enum { N = 200 };
    static char text[N][8];
    static parrot_word words[N];
    json_t *o;
    int n;

    for (int i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "w%d ", i);
        words[i] = (parrot_word){ text[i], PARROT_ANY };
    }
    parrot_write(in_home("parrot.gguf"), CHATML, 2048, words, N);
    ck_assert_int_eq(sh("$P ask -m $MODEL --json --budget 200 --max-tokens 400 q"), EXIT_FINE);
    o = json_of_out();
    n = number(o, "reasoning_tokens");
    ck_assert_int_ge(n, 201);                /* and the tokens of the closer */
    ck_assert_int_le(n, 200 + (int)strlen("\n</think>\n\n"));
    ck_assert_int_eq(number(o, "completion_tokens"), 400);
    ck_assert_int_gt(strlen(string(o, "answer")), 100);
    ck_assert_str_eq(string(o, "finish"), "length");
    ck_assert(json_is_null(json_object_get(o, "final")));
    json_decref(o);
    ck_assert_int_eq(sh("$P ask -m $MODEL --budget 200 --max-tokens 400 q"), EXIT_FINE);
    CHECK_SAYS(&err_out, "; cut off at the limit\n");
}
END_TEST

START_TEST(files_stand_apart_in_the_prompt)
{
    const int frame = (int)strlen("--- file:  ---\n") + (int)strlen("\n--- end of file ---\n\n");
    int bare = prompt_tokens("$P ask -m $MODEL --json q"), more;
    char line[256];

    write_file("notes.txt", "0123456789");
    snprintf(line, sizeof line, "$P ask -m $MODEL --json -f %s q", in_home("notes.txt"));
    more = bare + frame + (int)strlen(in_home("notes.txt")) + 10;
    ck_assert_int_eq(prompt_tokens(line), more);
    snprintf(line, sizeof line, "$P ask q -m $MODEL --json --file=%s -f%s", in_home("notes.txt"),
             in_home("notes.txt"));
    ck_assert_int_eq(prompt_tokens(line), 2 * more - bare);

    more = bare + frame + (int)strlen("standard input") + 10;
    ck_assert_int_eq(prompt_tokens("printf 0123456789 | $P ask -m $MODEL --json q"), more);
    ck_assert_int_eq(prompt_tokens("printf 0123456789 | $P ask -m $MODEL --json -f - q"), more);
    snprintf(line, sizeof line, "$P ask -m $MODEL --json q <%s", in_home("notes.txt"));
    ck_assert_int_eq(prompt_tokens(line), more);
    /* Whole, and with whatever bytes it holds. */
    ck_assert_int_eq(prompt_tokens("printf '\\0\\377<|im_end|>' | $P ask -m $MODEL --json q"),
                     more - 10 + 12);
}
END_TEST

START_TEST(stdin_is_the_question_where_none_is_given)
{
    int given = prompt_tokens("$P ask -m $MODEL --json What is it?");

    ck_assert_int_eq(prompt_tokens("echo What is it? | $P ask -m $MODEL --json"), given);
    ck_assert_int_eq(prompt_tokens("printf 'What is it?' | $P ask -m $MODEL --json"), given);
    ck_assert_int_eq(prompt_tokens("$P ask -m $MODEL --json -- What is 'it?'"), given);
    ck_assert_int_eq(sh("$P ask -m $MODEL"), EXIT_USAGE);
    CHECK_SAYS(&err_out, "no question");
    ck_assert_int_eq(sh("echo | $P ask -m $MODEL"), EXIT_USAGE);
}
END_TEST

START_TEST(a_pipe_nobody_writes_to_does_not_block_a_question)
{
    int ends[2], code;
    pid_t child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        if (!freopen(in_home("out"), "w", stdout) || !freopen(in_home("err"), "w", stderr) ||
            dup2(ends[0], STDIN_FILENO) < 0)
            _exit(99);
        execl(ponder, "ponder", "ask", "-m", getenv("MODEL"), "q", NULL);
        _exit(99);
    }
    ck_assert_int_eq(waitpid(child, &code, 0), child);
    close(ends[0]);
    close(ends[1]);
    ck_assert(WIFEXITED(code) && WEXITSTATUS(code) == EXIT_FINE);
    read_outputs();
    ck_assert_str_eq(out.data, "The answer is 7.\n");
    CHECK_SAYS(&err_out, "silent");
}
END_TEST

START_TEST(a_system_prompt_and_stop_strings_are_heard)
{
    int bare = prompt_tokens("$P ask -m $MODEL --json --effort none q");
    int more = prompt_tokens("$P ask -m $MODEL --json --effort none --system 0123456789 q");

    ck_assert_int_eq(more - bare, 2 + (int)strlen("system\n" "0123456789" "\n"));
    ck_assert_int_eq(sh("$P ask -m $MODEL --stop ' is' --stop zzz q"), EXIT_FINE);
    ck_assert_str_eq(out.data, "The answer\n");
}
END_TEST

START_TEST(values_out_of_range_name_the_option_and_exit_2)
{
    static const struct { const char *options, *says; } rows[] = {
        { "--temperature 101", "--temperature 101: a number from 0 to 100" },
        { "--temperature=-1", "--temperature" }, { "--temperature warm", "--temperature warm" },
        { "--temperature nan", "--temperature nan" }, { "--top-p 1.5", "--top-p 1.5" },
        { "--top-k -1", "--top-k -1" }, { "--min-p 2", "--min-p" }, { "--seed -1", "--seed -1" },
        { "--seed 1x", "--seed" }, { "--budget -1", "--budget -1: a whole number from 0" },
        { "--budget 99999999999999999999", "--budget" }, { "--min-think x", "--min-think" },
        { "--wait 1001", "--wait" }, { "--samples 0", "--samples 0: a whole number from 1 to 1024" },
        { "--samples 1025", "--samples" }, { "--max-tokens 0", "--max-tokens" },
        { "--threads 0", "--threads" }, { "--threads 9999", "--threads" },
        { "--effort huge", "none, minimal, low, medium, high, xhigh" },
        { "--effort ''", "--effort" }, { "--budgte 5", "did you mean --budget?" },
        { "--bogus", "unknown option --bogus" }, { "-x", "unknown option -x" },
        { "--json=yes", "--json takes no value" }, { "--budget", "--budget needs a value" },
        { "--budget 5 --effort low", "--effort and --budget" },
        { "--budget 5 --min-think 6", "--min-think is above --budget" },
        { "--effort none --min-think 6", "--min-think" }, { "--fold --hide-thinking", "--fold" },
        { "-f - -f -", "standard input is given more than once" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(sh("$P ask -m $MODEL q %s", rows[i].options) == EXIT_USAGE, "%s: %s",
                      rows[i].options, err_out.data);
        CHECK_SAYS(&err_out, rows[i].says);
        ck_assert_int_eq(n_lines(&err_out), 1);
        ck_assert_uint_eq(out.len, 0);
    }
}
END_TEST

START_TEST(what_cannot_be_done_says_why_and_exits_1)
{
    ck_assert_int_eq(sh("$P ask q"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "ponder pull");
    CHECK_SAYS(&err_out, "make demo");
    ck_assert_int_eq(sh("$P ask -m nosuch q"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "nosuch");
    ck_assert_int_eq(sh("$P ask -m $MODEL -f /nonexistent q"), EXIT_TROUBLE);
    ck_assert_str_eq(err_out.data, "ponder ask: /nonexistent: No such file or directory\n");
    ck_assert_int_eq(sh("$P ask -m $MODEL -f %s q", home), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, home);
    ck_assert_int_eq(sh("head -c 2000 $P | tr -c a-z x | $P ask -m $MODEL q"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "1024");
    ck_assert_int_eq(n_lines(&err_out), 1);
    ck_assert_int_eq(sh("head -c 17000000 /dev/zero | $P ask -m $MODEL q"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "larger than");
    write_file("bad.gguf", "GGUF but no more");
    ck_assert_int_eq(sh("$P ask -m %s q", in_home("bad.gguf")), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "bad.gguf");
    ck_assert_int_eq(sh("$P ask -m $MODEL q >/dev/full"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "cannot write");
}
END_TEST

START_TEST(the_default_model_is_found)
{
    ck_assert_int_eq(sh("PONDER_MODEL=$MODEL $P ask q"), EXIT_FINE);
    ck_assert_str_eq(out.data, "The answer is 7.\n");
    ck_assert_int_eq(sh("mkdir %s && mv $MODEL %s/polly.gguf && $P ask q", in_home("models"),
                        in_home("models")), EXIT_FINE);
    ck_assert_int_eq(sh("$P ask --json -m polly q"), EXIT_FINE);
    CHECK_SAYS(&out, "\"model\": \"polly\"");
}
END_TEST

START_TEST(samples_are_put_to_the_vote)
{
    static const parrot_word words[] = {
        { "Hm.", 0 }, { "</think>", 5 }, { "So", 0 }, { " the answer is 4.", 0 },
        { "<|im_end|>", 0 }, { "Clearly 5", 0 }, { " it is.", 4 },
    };
    const json_t *votes;
    json_t *o;
    int n = 0;

    parrot_write(in_home("parrot.gguf"), CHATML, 1024, words, 7);
    ck_assert_int_eq(sh("$P ask -m $MODEL --json --samples 21 --seed 3 q"), EXIT_FINE);
    o = json_of_out();
    votes = json_object_get(o, "votes");
    ck_assert_uint_eq(json_array_size(json_object_get(o, "samples")), 21);
    ck_assert_uint_eq(json_array_size(votes), 2);
    for (size_t i = 0; i < 2; i++)
        n += (int)json_integer_value(json_object_get(json_array_get(votes, i), "count"));
    ck_assert_int_eq(n, 21);
    ck_assert_str_eq(string(json_array_get(votes, 0), "final"), string(o, "final"));
    ck_assert_int_eq(number(o, "reasoning_tokens"), 21 * 2);

    ck_assert_int_eq(sh("$P ask -m $MODEL --samples 21 --seed 3 q"), EXIT_FINE);
    CHECK_SAYS(&err_out, "votes of 21 samples\n");
    CHECK_SAYS(&err_out, "  4     ");
    CHECK_SAYS(&err_out, "  5     ");
    CHECK_SAYS(&err_out, "####");
    ck_assert_int_eq(n_lines(&out), 1);
    CHECK_SAYS(&out, strcmp(string(o, "final"), "4") ? "Clearly 5 it is." : "the answer is 4.");
    json_decref(o);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_bytes)
{
    static const char line[] = "$P ask -m tests/fixtures/model/qwen3 --temperature 1 --seed %d "
                               "--budget 60 --max-tokens 120 q";
    bytes first = { 0 };

    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(sh(line, 5 + round / 2), EXIT_FINE);
        if (round == 0) bytes_add(&first, out.data, out.len);
        if (round == 1) ck_assert_str_eq(first.data, out.data);
        if (round == 2) ck_assert_str_ne(first.data, out.data);
    }
    bytes_fini(&first);
}
END_TEST

/* ------------------------------------------------------------------ terminals */

/* A program on a terminal of its own. */
typedef struct seat {
    pid_t child;
    int fd;
    bytes seen;
    size_t from;             /* what is waited for comes after this */
} seat;

static seat sit_down(char *const argv[])
{
    seat s = { 0 };
    struct winsize size = { .ws_row = 25, .ws_col = 80 };

    s.child = forkpty(&s.fd, NULL, NULL, &size);
    if (s.child == 0) {
        execv(ponder, argv);
        _exit(99);
    }
    ck_assert_int_gt(s.child, 0);
    return s;
}

static bool take(seat *s, int wait_ms)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };
    char data[4096];
    ssize_t n;

    if (poll(&p, 1, wait_ms) <= 0) return false;
    n = read(s->fd, data, sizeof data);
    if (n > 0) bytes_add(&s->seen, data, (size_t)n);
    return n > 0;
}

static void wait_for(seat *s, const char *text)
{
    const char *at;

    bytes_reserve(&s->seen, 1);
    while (!(at = strstr(s->seen.data + s->from, text)))
        ck_assert_msg(take(s, 60000), "\"%s\" did not come after: %s", text,
                      s->seen.data + s->from);
    s->from = (size_t)(at - s->seen.data) + strlen(text);
}

static void type(seat *s, const char *text)
{
    ck_assert_int_eq(write(s->fd, text, strlen(text)), (ssize_t)strlen(text));
}

static int stand_up(seat *s)
{
    int code;

    while (take(s, 60000)) continue;
    ck_assert_int_eq(waitpid(s->child, &code, 0), s->child);
    close(s->fd);
    ck_assert(WIFEXITED(code));
    return WEXITSTATUS(code);
}

START_TEST(a_terminal_sees_thinking_dimmed)
{
    seat s = sit_down((char *[]){ "ponder", "ask", "-m", getenv("MODEL"), "q", NULL });

    ck_assert_int_eq(stand_up(&s), EXIT_FINE);
    CHECK_SAYS(&s.seen, "\033[2mLet me see.");
    CHECK_SAYS(&s.seen, "\033[0m\r\nThe answer is 7.\r\n");
    bytes_fini(&s.seen);
    setenv("NO_COLOR", "1", 1);
    s = sit_down((char *[]){ "ponder", "ask", "-m", getenv("MODEL"), "q", NULL });
    ck_assert_int_eq(stand_up(&s), EXIT_FINE);
    ck_assert(!says(&s.seen, "\033[2m"));
    bytes_fini(&s.seen);
}
END_TEST

START_TEST(a_model_cannot_send_escapes_to_a_terminal)
{
    static const parrot_word words[] = {
        { "a\033[31mb\007", 0 }, { "</think>", 0 }, { "c\033]0;title\007d\ttab", 0 },
        { "\xc2\x9b" "31m", 0 }, { "<|im_end|>", 0 },
    };
    seat s;

    parrot_write(in_home("parrot.gguf"), CHATML, 1024, words, 5);
    s = sit_down((char *[]){ "ponder", "ask", "-m", getenv("MODEL"), "q", NULL });
    ck_assert_int_eq(stand_up(&s), EXIT_FINE);
    CHECK_SAYS(&s.seen, "a\xef\xbf\xbd[31mb\xef\xbf\xbd");
    CHECK_SAYS(&s.seen, "c\xef\xbf\xbd]0;title\xef\xbf\xbd" "d\ttab");
    ck_assert(!says(&s.seen, "\033[31m") && !strchr(s.seen.data, '\007'));
    ck_assert(!says(&s.seen, "\xc2\x9b"));
    bytes_fini(&s.seen);
}
END_TEST

/* A parrot that never stops and never repeats itself. */
static void write_babbler(void)
{
    enum { N = 200 };
    static char text[N][8];
    static parrot_word words[N];

    for (int i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "w%d ", i);
        words[i] = (parrot_word){ text[i], PARROT_ANY };
    }
    parrot_write(in_home("parrot.gguf"), CHATML, 4000000, words, N);
}

START_TEST(interrupting_ask_prints_what_there_is)
{
    seat s;

    write_babbler();
    s = sit_down((char *[]){ "ponder", "ask", "-m", getenv("MODEL"), "-e", "none", "--max-tokens",
                             "4000000", "q", NULL });
    wait_for(&s, "w17 ");
    type(&s, "\003");
    ck_assert_int_eq(stand_up(&s), EXIT_INTERRUPTED);
    CHECK_SAYS(&s.seen, "interrupted");
    CHECK_SAYS(&s.seen, "tokens/s");
    bytes_fini(&s.seen);
}
END_TEST

START_TEST(interrupting_json_leaves_a_whole_object)
{
    json_t *o;
    pid_t child;
    int code;

    write_babbler();
    child = fork();
    if (child == 0) {
        if (!freopen(in_home("out"), "w", stdout) || !freopen(in_home("err"), "w", stderr))
            _exit(99);
        execl(ponder, "ponder", "ask", "--json", "-m", getenv("MODEL"), "--max-tokens", "4000000",
              "q", "-f", "/dev/null", NULL);
        _exit(99);
    }
    /* The flag is watched from the first pass on; before that it would just end. */
    sleep(1);
    ck_assert_int_eq(kill(child, SIGINT), 0);
    ck_assert_int_eq(waitpid(child, &code, 0), child);
    ck_assert(WIFEXITED(code));
    ck_assert_int_eq(WEXITSTATUS(code), EXIT_INTERRUPTED);
    read_outputs();
    o = json_of_out();
    ck_assert_str_eq(string(o, "finish"), "cancelled");
    json_decref(o);
}
END_TEST

/* --------------------------------------------------------------------- chat */

START_TEST(chat_follows_a_script)
{
    ck_assert_int_eq(sh("printf 'How are you?\\n\\nAnd now?\\n/quit\\nnot read\\n' | "
                        "$P chat -m $MODEL --hide-thinking"), EXIT_FINE);
    ck_assert_str_eq(out.data, "The answer is 7.\nThe answer is 7.\n");
    CHECK_SAYS(&err_out, "(0 cached)");
    /* The second turn finds the first one's pages. */
    ck_assert_ptr_null(strstr(strstr(err_out.data, "(0 cached)") + 1, "(0 cached)"));
    ck_assert_int_eq(sh("$P chat -m $MODEL </dev/null"), EXIT_FINE);
    ck_assert_int_eq(sh("printf 'no newline at the end' | $P chat -m $MODEL"), EXIT_FINE);
    ck_assert_str_eq(out.data, "The answer is 7.\n");
    ck_assert_int_eq(sh("$P chat -m $MODEL extra"), EXIT_USAGE);
    ck_assert_int_eq(sh("$P chat"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "ponder pull");
}
END_TEST

START_TEST(chat_commands_do_what_they_say)
{
    json_t *o;
    const json_t *list;

    write_file("notes.txt", "remember the milk");
    ck_assert_int_eq(sh("printf '%%s\\n' '/effort none' '/system Be brief.' '/attach %s' "
                        "'first \\' 'line' '/save %s' '/effort low' '//slash' '/save %s' "
                        "'/budget 30' '/model' '/help' | $P chat -m $MODEL", in_home("notes.txt"),
                        in_home("one.json"), in_home("two.json")), EXIT_FINE);
    CHECK_SAYS(&err_out, "effort: none");
    CHECK_SAYS(&err_out, "effort: low");
    CHECK_SAYS(&err_out, "budget: 30 tokens\n");
    CHECK_SAYS(&err_out, "model: ");
    CHECK_SAYS(&err_out, "/attach");

    o = json_load_file(in_home("one.json"), 0, NULL);
    ck_assert_ptr_nonnull(o);
    list = json_object_get(o, "messages");
    ck_assert_uint_eq(json_array_size(list), 3);
    ck_assert_str_eq(string(json_array_get(list, 0), "role"), "system");
    ck_assert_str_eq(string(json_array_get(list, 0), "content"), "Be brief.");
    ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(list, 1), "content")), 2);
    json_decref(o);

    /* The file went with one message only; thoughts are kept. */
    o = json_load_file(in_home("two.json"), 0, NULL);
    list = json_object_get(o, "messages");
    ck_assert_uint_eq(json_array_size(list), 5);
    ck_assert_str_eq(string(json_array_get(list, 3), "content"), "/slash");
    ck_assert_str_eq(string(json_array_get(list, 4), "reasoning_content"), "Let me see.");
    json_decref(o);

    ck_assert_int_eq(sh("printf '%%s\\n' '/load %s' more '/save %s' /reset '/save %s' | "
                        "$P chat -m $MODEL", in_home("two.json"), in_home("three.json"),
                        in_home("four.json")), EXIT_FINE);
    o = json_load_file(in_home("three.json"), 0, NULL);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "messages")), 7);
    json_decref(o);
    o = json_load_file(in_home("four.json"), 0, NULL);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "messages")), 1);
    json_decref(o);
}
END_TEST

START_TEST(chat_survives_what_goes_wrong_and_says_so)
{
    static const struct { const char *line, *says; } rows[] = {
        { "/efort low", "unknown command /efort; did you mean /effort?" },
        { "/xyzzy", "unknown command /xyzzy" }, { "/effort huge", "effort huge: one of" },
        { "/budget x", "budget x: a whole number" }, { "/attach /nonexistent", "/nonexistent: No" },
        { "/attach", "needs a file" }, { "/model nosuch", "nosuch" },
        { "/save /nonexistent/x", "/nonexistent/x" }, { "/load /nonexistent", "/nonexistent" },
        { "/load Makefile", "Makefile" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(sh("printf '%%s\\n' '%s' q | $P chat -m $MODEL", rows[i].line),
                         EXIT_TROUBLE);
        CHECK_SAYS(&err_out, rows[i].says);
        ck_assert_str_eq(out.data, "The answer is 7.\n");
    }
    /* A message that is too long is taken back. */
    ck_assert_int_eq(sh("{ head -c 3000 /dev/zero | tr '\\0' x; echo; echo q; } | "
                        "$P chat -m $MODEL"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "1024");
    ck_assert_str_eq(out.data, "The answer is 7.\n");
}
END_TEST

START_TEST(chat_on_a_terminal_edits_remembers_and_outlives_ctrl_c)
{
    char *argv[] = { "ponder", "chat", "-m", getenv("MODEL"), "-e", "none", "--max-tokens",
                     "4000000", NULL };
    bytes history = { 0 };
    struct stat facts;
    seat s;

    write_babbler();
    s = sit_down(argv);
    wait_for(&s, "> ");
    type(&s, "half a line");
    wait_for(&s, "half a line");
    type(&s, "\003");
    wait_for(&s, "\n> ");
    type(&s, "/efort low\x01\x06\x06\x06" "f\x05\x1b[D\x1b[D\x1b[D\x08 \n");   /* made /effort low */
    wait_for(&s, "effort: low");
    type(&s, "/effort none\n");
    wait_for(&s, "effort: none");
    wait_for(&s, "> ");
    type(&s, "tell me\n");
    wait_for(&s, "w17 ");
    type(&s, "\003");
    wait_for(&s, "interrupted");
    wait_for(&s, "> ");
    type(&s, "\x1b[A");                      /* up: the message again */
    wait_for(&s, "tell me");
    type(&s, "\n");
    wait_for(&s, "w17 ");
    type(&s, "\003");
    wait_for(&s, "interrupted");
    wait_for(&s, "> ");
    type(&s, "\x04");
    ck_assert_int_eq(stand_up(&s), EXIT_FINE);
    bytes_fini(&s.seen);

    ck_assert_int_eq(stat(in_home("history"), &facts), 0);
    ck_assert_int_eq(facts.st_mode & 0777, 0600);
    ck_assert_int_eq(file_read(&history, in_home("history"), 10000, NULL), OK);
    CHECK_SAYS(&history, "tell\\040me");
    bytes_fini(&history);

    s = sit_down(argv);
    wait_for(&s, "> ");
    type(&s, "\x1b[A");
    wait_for(&s, "tell me");
    type(&s, "\x15/quit\n");
    ck_assert_int_eq(stand_up(&s), EXIT_FINE);
    bytes_fini(&s.seen);
}
END_TEST

/* --------------------------------------------------------------- a real model */

/* The path of SmolLM2-135M-Instruct, fetched or cached; false aloud when it
 * cannot be had. */
static bool real_model(char path[512])
{
    FILE *f;
    bool ok;

    unsetenv("PONDER_HOME");
    f = popen("tools/fetch_smollm2.sh 2>/dev/null", "r");
    setenv("PONDER_HOME", home, 1);
    ok = f && fgets(path, 512, f);
    ok &= f && pclose(f) == 0;
    if (!ok) {
        printf("skipped: SmolLM2-135M-Instruct cannot be fetched here\n");
        fflush(stdout);
        return false;
    }
    path[strcspn(path, "\n")] = 0;
    setenv("MODEL", path, 1);
    return true;
}

START_TEST(a_real_model_answers_a_real_question)
{
    char path[512];
    json_t *o;

    if (!real_model(path)) return;
    ck_assert_int_eq(sh("$P ask -m $MODEL -t 0 -e none --max-tokens 40 "
                        "'What colour is the sky on a clear day?'"), EXIT_FINE);
    CHECK_SAYS(&out, "blue");
    ck_assert_int_eq(sh("$P ask --json -m $MODEL -t 0 --budget 40 --min-think 40 "
                        "--max-tokens 100 'What is the capital of France?'"), EXIT_FINE);
    o = json_of_out();
    ck_assert_int_ge(number(o, "reasoning_tokens"), 41);
    ck_assert_int_le(number(o, "reasoning_tokens"), 55);
    ck_assert_int_gt(strlen(string(o, "reasoning")), 40);
    ck_assert_int_gt(strlen(string(o, "answer")), 0);
    json_decref(o);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cli");
    TCase *t = tcase_create("cli");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, help_is_everywhere);
    tcase_add_test(t, an_unknown_command_gets_a_suggestion);
    tcase_add_test(t, the_answer_stands_alone_on_stdout);
    tcase_add_test(t, thinking_is_shown_folded_or_hidden);
    tcase_add_test(t, json_is_one_object_with_all_figures);
    tcase_add_test(t, effort_and_budget_reach_the_model);
    tcase_add_test(t, endless_thinking_ends_at_the_budget);
    tcase_add_test(t, files_stand_apart_in_the_prompt);
    tcase_add_test(t, stdin_is_the_question_where_none_is_given);
    tcase_add_test(t, a_pipe_nobody_writes_to_does_not_block_a_question);
    tcase_add_test(t, a_system_prompt_and_stop_strings_are_heard);
    tcase_add_test(t, values_out_of_range_name_the_option_and_exit_2);
    tcase_add_test(t, what_cannot_be_done_says_why_and_exits_1);
    tcase_add_test(t, the_default_model_is_found);
    tcase_add_test(t, samples_are_put_to_the_vote);
    tcase_add_test(t, the_same_seed_gives_the_same_bytes);
    tcase_add_test(t, a_terminal_sees_thinking_dimmed);
    tcase_add_test(t, a_model_cannot_send_escapes_to_a_terminal);
    tcase_add_test(t, interrupting_ask_prints_what_there_is);
    tcase_add_test(t, interrupting_json_leaves_a_whole_object);
    tcase_add_test(t, chat_follows_a_script);
    tcase_add_test(t, chat_commands_do_what_they_say);
    tcase_add_test(t, chat_survives_what_goes_wrong_and_says_so);
    tcase_add_test(t, chat_on_a_terminal_edits_remembers_and_outlives_ctrl_c);
    tcase_add_test(t, a_real_model_answers_a_real_question);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
