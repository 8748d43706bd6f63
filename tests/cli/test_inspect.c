/* ponder inspect as a user sees it: output and exit code. */
#include "cli/cli.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "support/tiny_model.h"

#include <check.h>       /* last: it has a macro named fail */

static char dir[] = "/tmp/test_inspect_XXXXXX";
static char model[64], out_path[64], err_path[64];
static bytes out, err_out;

static void make_dir(void)
{
    ck_assert(mkdtemp(dir) != NULL);
    snprintf(model, sizeof model, "%s/m.gguf", dir);
    snprintf(out_path, sizeof out_path, "%s/out", dir);
    snprintf(err_path, sizeof err_path, "%s/err", dir);
}

static void remove_dir(void)
{
    char command[256];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert(system(command) == 0);
    bytes_fini(&out);
    bytes_fini(&err_out);
}

static void write_model(family f, float embedding)
{
    tiny_model m;
    errtext err;

    tiny_init(&m, f);
    gguf_writer_set_string(m.w, "general.name", "ti\x1bny \xC3\xA9");
    gguf_writer_set_string(m.w, "tokenizer.chat_template", "{{ x }}");
    tiny_find(&m, "token_embd.weight")->first = embedding;
    ck_assert_msg(tiny_write(&m, model, &err) == OK, "%s", err.text);
}

/* Run in a child, with its output in files. */
static int run(int argc, char **argv)
{
    errtext err;
    int code;
    pid_t pid = fork();

    if (!pid) {
        if (!freopen(out_path, "w", stdout) || !freopen(err_path, "w", stderr)) _exit(99);
        code = cli_inspect(argc, argv);
        fflush(stdout);
        fflush(stderr);
        _exit(code);
    }
    ck_assert(waitpid(pid, &code, 0) == pid && WIFEXITED(code));
    bytes_clear(&out);
    bytes_clear(&err_out);
    ck_assert(file_read(&out, out_path, 1 << 20, &err) == OK);
    ck_assert(file_read(&err_out, err_path, 1 << 20, &err) == OK);
    return WEXITSTATUS(code);
}

#define RUN(...) run((int)(sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)), \
                     (char *[]){ __VA_ARGS__, NULL })

START_TEST(the_text_shows_family_sizes_and_tensors)
{
    write_model(FAMILY_LLAMA, 1);
    ck_assert_int_eq(RUN("inspect", model), 0);
    ck_assert(strstr(out.data, "family      llama\n"));
    ck_assert(strstr(out.data, "name        ti?ny \xC3\xA9\n"));
    ck_assert(strstr(out.data, "width       4, 2 heads of 4, 1 for keys and values\n"));
    ck_assert(strstr(out.data, "parameters  228\n"));
    ck_assert(strstr(out.data, "bytes       912 (32.00 bits a parameter)\n"));
    ck_assert(strstr(out.data, "types       F32 11 (0.0 MB)\n"));
    ck_assert(strstr(out.data, "tokenizer   gpt2 (gpt-2), 12 tokens, 1 merges, eos 11\n"));
    ck_assert(strstr(out.data, "template    7 bytes\n"));
    ck_assert(strstr(out.data, "  blk.0.ffn_down.weight "));
    ck_assert(strstr(out.data, "[6, 4]\n"));
    ck_assert(!err_out.len);
}
END_TEST

START_TEST(the_json_holds_the_same)
{
    json_t *j, *tensors;

    write_model(FAMILY_QWEN3_MOE, 1);
    ck_assert_int_eq(RUN("inspect", "--json", model), 0);
    j = json_loads(out.data, 0, NULL);
    ck_assert(j != NULL);
    ck_assert_str_eq(json_string_value(json_object_get(j, "family")), "qwen3moe");
    ck_assert_str_eq(json_string_value(json_object_get(j, "name")), "ti?ny \xC3\xA9");
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(j, "config"), "experts")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(j, "tokenizer"), "bos")), -1);
    ck_assert(json_is_true(json_object_get(j, "chat_template")));
    tensors = json_object_get(j, "tensors");
    ck_assert_uint_eq(json_array_size(tensors), 14);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(tensors, 0), "name")),
                     "token_embd.weight");
    json_decref(j);
}
END_TEST

START_TEST(check_passes_a_sound_file_and_fails_one_with_nan)
{
    write_model(FAMILY_LLAMA, 1);
    ck_assert_int_eq(RUN("inspect", model, "--check"), 0);
    ck_assert(strstr(out.data, "check       all numbers finite"));
    write_model(FAMILY_LLAMA, NAN);
    ck_assert_int_eq(RUN("inspect", model), 0);
    ck_assert_int_eq(RUN("inspect", model, "--check"), 1);
    ck_assert(strstr(err_out.data, "token_embd.weight"));
}
END_TEST

START_TEST(files_that_do_not_open_give_exit_code_1)
{
    ck_assert_int_eq(RUN("inspect", "/nowhere/m.gguf"), 1);
    ck_assert(strstr(err_out.data, "ponder inspect: /nowhere/m.gguf"));
    ck_assert(!out.len);
}
END_TEST

START_TEST(usage_errors_give_exit_code_2)
{
    ck_assert_int_eq(RUN("inspect"), 2);
    ck_assert_int_eq(RUN("inspect", "a", "b"), 2);
    ck_assert_int_eq(RUN("inspect", "--fast", "a"), 2);
    ck_assert(strstr(err_out.data, "--fast") && strstr(err_out.data, "usage:"));
    ck_assert_int_eq(RUN("inspect", "--help"), 0);
    ck_assert(strstr(out.data, "usage: ponder inspect FILE"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("inspect");
    TCase *c = tcase_create("inspect");
    SRunner *sr;
    int failed;

    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_dir, remove_dir);
    tcase_add_test(c, the_text_shows_family_sizes_and_tensors);
    tcase_add_test(c, the_json_holds_the_same);
    tcase_add_test(c, check_passes_a_sound_file_and_fails_one_with_nan);
    tcase_add_test(c, files_that_do_not_open_give_exit_code_1);
    tcase_add_test(c, usage_errors_give_exit_code_2);
    suite_add_tcase(s, c);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
