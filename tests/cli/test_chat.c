/* test_chat.c - ponder ask on a terminal, Ctrl-C, and ponder chat, scripted
 * and typed. */
#include "support/program.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>

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
    /* Away from the model that comes with the program. */
    ck_assert_int_eq(sh("mkdir -p %s && cp $P %s && %s chat", in_home("a/b"), in_home("a/b"),
                        in_home("a/b/ponder")), EXIT_TROUBLE);
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

int main(void)
{
    Suite *s = suite_create("chat");
    TCase *t = tcase_create("chat");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_terminal_sees_thinking_dimmed);
    tcase_add_test(t, a_model_cannot_send_escapes_to_a_terminal);
    tcase_add_test(t, interrupting_ask_prints_what_there_is);
    tcase_add_test(t, interrupting_json_leaves_a_whole_object);
    tcase_add_test(t, chat_follows_a_script);
    tcase_add_test(t, chat_commands_do_what_they_say);
    tcase_add_test(t, chat_survives_what_goes_wrong_and_says_so);
    tcase_add_test(t, chat_on_a_terminal_edits_remembers_and_outlives_ctrl_c);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
