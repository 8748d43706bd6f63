/* test_pull.c - ponder pull and ponder models as a user meets them: exit
 * codes, what goes to which stream, Ctrl-C. */
#include "cli/cli.h"

#include "base/file.h"       /* before check.h, which has a macro named fail */

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/hub_server.h"

static char home[64];
static bytes out, err_out;

static void setup(void)
{
    snprintf(home, sizeof home, "/tmp/test_pull.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
    setenv("PONDER_HOME", home, 1);
    setenv("PONDER_HUB", hub_server_url(), 1);
    unsetenv("PONDER_MODEL");
    unsetenv("HF_TOKEN");
    unsetenv("http_proxy");
}

static void teardown(void)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf %s", home);
    ck_assert_int_eq(system(command), 0);
    bytes_fini(&out);
    bytes_fini(&err_out);
}

static const char *in_home(const char *name)
{
    static char at[2][160];
    static int next;
    char *path = at[next++ & 1];

    snprintf(path, sizeof at[0], "%s/%s", home, name);
    return path;
}

/* Start a command in a process of its own with both streams in files. */
static pid_t start(int (*command)(int, char **), char **argv)
{
    int argc = 0;
    pid_t child;

    while (argv[argc]) argc++;
    fflush(NULL);
    child = fork();
    if (child == 0) {
        int code;

        if (!freopen(in_home("out"), "w", stdout) || !freopen(in_home("err"), "w", stderr))
            _exit(99);
        code = command(argc, argv);
        fflush(NULL);
        _exit(code);
    }
    return child;
}

static int finish(pid_t child)
{
    int code;

    ck_assert_int_eq(waitpid(child, &code, 0), child);
    ck_assert(WIFEXITED(code));
    bytes_clear(&out);
    bytes_clear(&err_out);
    ck_assert_int_eq(file_read(&out, in_home("out"), 1000000, NULL), OK);
    ck_assert_int_eq(file_read(&err_out, in_home("err"), 1000000, NULL), OK);
    ck_assert_ptr_null(strchr(err_out.data, '\033'));    /* no terminal here */
    ck_assert_ptr_null(strchr(err_out.data, '\r'));
    return WEXITSTATUS(code);
}

#define run(command, ...) finish(start(command, (char *[]){ __VA_ARGS__, NULL }))

START_TEST(pull_prints_the_path_and_nothing_else_on_stdout)
{
    char want[160];

    ck_assert_int_eq(run(cli_pull, "pull", "t/plain"), EXIT_FINE);
    snprintf(want, sizeof want, "%s/models/m-Q8_0.gguf\n", home);
    ck_assert_str_eq(out.data, want);
    ck_assert_str_eq(err_out.data, "t/plain: m-Q8_0.gguf (300.0 kB) as m-Q8_0\n"
                                   "m-Q8_0.gguf: 300.0 kB, done\n");
    ck_assert_int_eq(run(cli_pull, "pull", "-q", "t/plain"), EXIT_FINE);
    ck_assert_str_eq(out.data, want);
    ck_assert_str_eq(err_out.data, "");
}
END_TEST

START_TEST(pull_options_reach_the_library)
{
    ck_assert_int_eq(run(cli_pull, "pull", "--name", "mine", "t/plain"), EXIT_FINE);
    ck_assert_int_eq(run(cli_pull, "pull", "--name=mine", "t/cut"), EXIT_FINE);
    ck_assert_ptr_nonnull(strstr(err_out.data, "here already"));
    ck_assert_int_eq(run(cli_pull, "pull", "t/slow", "--name", "mine"), EXIT_TROUBLE);
    ck_assert_ptr_nonnull(strstr(err_out.data, "--force"));
    ck_assert_int_eq(run(cli_pull, "pull", "t/slow", "--name", "mine", "--force"), EXIT_FINE);
    ck_assert_int_eq(run(cli_pull, "pull", "t/plain", "--revision", "v9"), EXIT_FINE);
    ck_assert(hub_server_logged("/api/models/t/plain/tree/v9", ""));
    ck_assert_int_eq(run(cli_pull, "pull", "t/plain", "--hub", "ftp://x"), EXIT_TROUBLE);
}
END_TEST

START_TEST(pull_fails_with_one_line_and_code_1)
{
    ck_assert_int_eq(run(cli_pull, "pull", "t/nosuch"), EXIT_TROUBLE);
    ck_assert_str_eq(out.data, "");
    ck_assert_str_eq(err_out.data,
                     "ponder pull: t/nosuch: not found on the hub (404)\n");
    ck_assert_int_eq(run(cli_pull, "pull", "nosuchname"), EXIT_TROUBLE);
    ck_assert_ptr_nonnull(strstr(err_out.data, "ponder models lists them"));
}
END_TEST

START_TEST(pull_misused_says_so_with_code_2)
{
    ck_assert_int_eq(run(cli_pull, "pull"), EXIT_USAGE);
    ck_assert_int_eq(run(cli_pull, "pull", "a/b", "c/d"), EXIT_USAGE);
    ck_assert_int_eq(run(cli_pull, "pull", "--bogus", "a/b"), EXIT_USAGE);
    ck_assert_str_eq(err_out.data,
                     "ponder pull: --bogus: no such option (see ponder pull --help)\n");
    ck_assert_int_eq(run(cli_pull, "pull", "-x", "a/b"), EXIT_USAGE);
    ck_assert_str_eq(err_out.data, "ponder pull: -x: no such option (see ponder pull --help)\n");
    ck_assert_int_eq(run(cli_pull, "pull", "a/b", "--name"), EXIT_USAGE);
    ck_assert_str_eq(err_out.data, "ponder pull: --name needs a value\n");
    ck_assert_int_eq(run(cli_pull, "pull", "--help"), EXIT_FINE);
    ck_assert_ptr_nonnull(strstr(out.data, "usage: ponder pull"));
}
END_TEST

START_TEST(ctrl_c_keeps_the_part_and_says_how_to_go_on)
{
    pid_t child = start(cli_pull, (char *[]){ "pull", "t/slower", NULL });
    struct stat info;

    for (int i = 0; i < 1000; i++) {
        if (!stat(in_home("models/m-Q8_0.gguf.part"), &info) && info.st_size > 5000) break;
        usleep(10000);
    }
    kill(child, SIGINT);
    ck_assert_int_eq(finish(child), EXIT_TROUBLE);
    ck_assert_ptr_nonnull(strstr(err_out.data, "interrupted; "));
    ck_assert_ptr_nonnull(strstr(err_out.data, "the same command goes on from there\n"));
    ck_assert_str_eq(out.data, "");
    ck_assert_int_eq(stat(in_home("models/m-Q8_0.gguf.part"), &info), 0);
    ck_assert_int_eq(run(cli_pull, "pull", "t/slower"), EXIT_FINE);
    ck_assert_ptr_nonnull(strstr(err_out.data, "going on at "));
}
END_TEST

START_TEST(models_lists_what_is_here_and_what_is_known)
{
    ck_assert_int_eq(run(cli_models, "models"), EXIT_FINE);
    ck_assert_ptr_nonnull(strstr(out.data, "no model in "));
    ck_assert_ptr_nonnull(strstr(out.data, "qwen3-0.6b"));
    ck_assert_ptr_null(strstr(out.data, "(here)"));

    ck_assert_int_eq(run(cli_pull, "pull", "smollm2-135m"), EXIT_FINE);
    ck_assert_int_eq(run(cli_models, "models"), EXIT_FINE);
    ck_assert_ptr_nonnull(strstr(out.data, "SmolLM2-135M-Instruct  (here)"));
    ck_assert_ptr_nonnull(strstr(out.data, "301.4 kB"));
    ck_assert_ptr_nonnull(strstr(out.data, "/models/smollm2-135m/config.json: "));  /* junk */
    ck_assert_int_eq(run(cli_models, "models", "x"), EXIT_USAGE);
    ck_assert_int_eq(run(cli_models, "models", "--bogus"), EXIT_USAGE);
    ck_assert_int_eq(run(cli_models, "models", "--help"), EXIT_FINE);
}
END_TEST

START_TEST(models_in_json_can_be_read_back)
{
    json_t *root, *known, *here;
    size_t i, n_here = 0;

    ck_assert_int_eq(run(cli_pull, "pull", "smollm2-135m"), EXIT_FINE);
    ck_assert_int_eq(run(cli_models, "models", "--json"), EXIT_FINE);
    root = json_loadb(out.data, out.len, 0, NULL);
    ck_assert_ptr_nonnull(root);
    here = json_array_get(json_object_get(root, "models"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(here, "name")), "smollm2-135m");
    ck_assert_int_eq(json_integer_value(json_object_get(here, "bytes")), 301400);
    ck_assert_ptr_nonnull(json_string_value(json_object_get(here, "error")));
    json_array_foreach(json_object_get(root, "known"), i, known)
        n_here += json_is_true(json_object_get(known, "present"));
    ck_assert_uint_ge(i, 12);
    ck_assert_uint_eq(n_here, 1);
    json_decref(root);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pull");
    TCase *t = tcase_create("cli");
    SRunner *sr;
    int failed;

    if (!hub_server_start()) {
        puts("skipped: python3 cannot start tests/support/hub_server.py");
        puts("100%: Checks: 0, Failures: 0, Errors: 0");
        return 0;
    }
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, pull_prints_the_path_and_nothing_else_on_stdout);
    tcase_add_test(t, pull_options_reach_the_library);
    tcase_add_test(t, pull_fails_with_one_line_and_code_1);
    tcase_add_test(t, pull_misused_says_so_with_code_2);
    tcase_add_test(t, ctrl_c_keeps_the_part_and_says_how_to_go_on);
    tcase_add_test(t, models_lists_what_is_here_and_what_is_known);
    tcase_add_test(t, models_in_json_can_be_read_back);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    hub_server_stop();
    return failed;
}
