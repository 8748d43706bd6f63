/* ponder eval as a user runs it, on a parrot. */
#include "support/program.h"

static const parrot_word seven[] = {
    { "So.", 0 }, { "</think>", 0 }, { "7", 0 }, { "<|im_end|>", 0 },
};

static const parrot_word endless[] = {
    { "a", 0 }, { " b", 0 }, { " c", PARROT_ANY }, { " d", 0 }, { " e", PARROT_ANY }, { " f", 1 },
};

static void say(const parrot_word *words, int n)
{
    parrot_write(in_home("parrot.gguf"), CHATML, 4096, words, n);
}

static void rows_and_grader(void)
{
    write_file("rows.jsonl",
               "{\"messages\":[{\"role\":\"user\",\"content\":\"3+4?\"}],\"answer\":\"7\"}\n"
               "{\"messages\":[{\"role\":\"user\",\"content\":\"3+5?\"}],\"answer\":\"8\"}\n");
    write_file("grader.json",
               "{\"type\":\"string_check\",\"name\":\"same\",\"input\":"
               "\"{{sample.output_text}}\",\"reference\":\"{{item.answer}}\",\"operation\":"
               "\"eq\"}");
}

START_TEST(rows_with_a_grader_give_a_table)
{
    say(seven, 4);
    rows_and_grader();
    ck_assert_int_eq(sh("$P eval --data %s --grader %s -m $MODEL --group 4", in_home("rows.jsonl"),
                        in_home("grader.json")), EXIT_FINE);
    CHECK_SAYS(&out, "greedy              50.0 %");
    CHECK_SAYS(&out, "T=1                 50.0 %");
    CHECK_SAYS(&out, "cons@4              50.0 %");
    CHECK_SAYS(&out, "2 problems");
    ck_assert_uint_eq(err_out.len, 0);
}
END_TEST

START_TEST(json_is_one_object_on_standard_output)
{
    json_t *o, *cell;

    say(seven, 4);
    rows_and_grader();
    ck_assert_int_eq(sh("$P eval --json --data %s --grader %s -m $MODEL --measures greedy",
                        in_home("rows.jsonl"), in_home("grader.json")), EXIT_FINE);
    o = json_of_out();
    cell = json_object_get(json_object_get(
        json_array_get(json_object_get(o, "sections"), 0), "cells"), "data");
    ck_assert_double_eq(json_number_value(json_object_get(json_object_get(cell, "greedy"),
                                                          "right")), 0.5);
    ck_assert_ptr_null(json_object_get(cell, "direct"));
    ck_assert_ptr_nonnull(json_object_get(o, "machine"));
    json_decref(o);
}
END_TEST

START_TEST(options_win_over_the_suite)
{
    json_t *o, *settings;

    say(seven, 4);
    write_file("suite.json", "{\"problems\":50,\"sections\":[{\"name\":\"x\",\"seeds\":5,\"cells\":"
                             "[{\"task\":\"chain\",\"depth\":[1,2]}]}]}");
    ck_assert_int_eq(sh("$P eval %s --json -n 2 --seeds 2 --measures greedy -m $MODEL --split test "
                        "--output %s", in_home("suite.json"), in_home("out.d")), EXIT_FINE);
    o = json_of_out();
    settings = json_object_get(json_array_get(json_object_get(o, "sections"), 0), "settings");
    ck_assert_int_eq((int)json_integer_value(json_object_get(settings, "problems")), 2);
    ck_assert_int_eq((int)json_integer_value(json_object_get(settings, "seeds")), 2);
    ck_assert_str_eq(string(settings, "split"), "test");
    json_decref(o);
    ck_assert(file_exists(in_home("out.d/report.html")));
    ck_assert(file_exists(in_home("out.d/results.json")));
}
END_TEST

START_TEST(a_family_needs_no_file)
{
    say(seven, 4);
    ck_assert_int_eq(sh("$P eval --task chain --depth 1-2,4 -n 2 --seeds 1 --measures direct "
                        "-m $MODEL"), EXIT_FINE);
    CHECK_SAYS(&out, "chain 1\n");
    CHECK_SAYS(&out, "chain 2\n");
    CHECK_SAYS(&out, "chain 4\n");
    ck_assert(!says(&out, "greedy"));
}
END_TEST

START_TEST(problems_can_be_written_as_rows)
{
    bytes rows = { 0 };

    ck_assert_int_eq(sh("$P eval --task chain --depth 1,2 -n 3 --seeds 1 --rows %s",
                        in_home("rows.jsonl")), EXIT_FINE);
    ck_assert_int_eq(file_read(&rows, in_home("rows.jsonl"), 100000, NULL), OK);
    ck_assert_int_eq(n_lines(&rows), 6);
    CHECK_SAYS(&rows, "\"task\":\"chain\"");
    bytes_fini(&rows);
    ck_assert_int_eq(sh("$P eval --task chain --depth 1 --rows /nowhere/x"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "/nowhere/x");
}
END_TEST

START_TEST(what_makes_no_sense_is_told_in_one_line)
{
    static const struct { const char *line, *says; int code; } bad[] = {
        { "$P eval", "one of SUITE.json", EXIT_USAGE },
        { "$P eval --task chain", "--depth", EXIT_USAGE },
        { "$P eval --depth 3", "SUITE.json", EXIT_USAGE },
        { "$P eval --data x", "--grader", EXIT_USAGE },
        { "$P eval a.json b.json", "one suite file", EXIT_USAGE },
        { "$P eval --task chain --depth 1 --seeds 99", "--seeds", EXIT_USAGE },
        { "$P eval --task chain --depth one", "--depth one", EXIT_TROUBLE },
        { "$P eval --task chess --depth 1", "chess", EXIT_TROUBLE },
        { "$P eval --task chain --depth 1 --measures luck", "measures[0]", EXIT_TROUBLE },
        { "$P eval --task chain --depth 1 --budgets 4,x -m $MODEL", "--budgets", EXIT_TROUBLE },
        { "$P eval --task chain --depth 1 --run /nowhere -m $MODEL", "/nowhere", EXIT_TROUBLE },
        { "$P eval /nowhere.json", "/nowhere.json", EXIT_TROUBLE },
        { "$P eval --task chain --depth 1 -m /nowhere.gguf", "nowhere.gguf", EXIT_TROUBLE },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(sh("%s", bad[i].line) == bad[i].code, "%s: %s", bad[i].line, err_out.data);
        ck_assert_msg(says(&err_out, bad[i].says), "%s: %s", bad[i].line, err_out.data);
        ck_assert_msg(n_lines(&err_out) == 1, "%s: %s", bad[i].line, err_out.data);
        ck_assert_uint_eq(out.len, 0);
    }
}
END_TEST

START_TEST(ctrl_c_ends_it)
{
    say(endless, 6);
    ck_assert_int_eq(sh("timeout --preserve-status -s INT 4 $P eval --task chain --depth 1 "
                        "-n 2000 --max-think 3000 -m $MODEL"), EXIT_INTERRUPTED);
    CHECK_SAYS(&err_out, "interrupted");
}
END_TEST

START_TEST(help_names_every_option)
{
    static const char *const names[] = { "--model", "--output", "--task", "--depth", "--data",
                                         "--grader", "--measures", "--problems", "--seeds",
                                         "--seed ", "--split", "--group", "--budgets", "--effort",
                                         "--max-think", "--max-answer", "--run", "--rows", "--json",
                                         "--threads" };

    ck_assert_int_eq(sh("$P eval --help"), EXIT_FINE);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) CHECK_SAYS(&out, names[i]);
    ck_assert_int_eq(sh("$P --help"), EXIT_FINE);
    CHECK_SAYS(&out, "eval");
    CHECK_SAYS(&out, "train");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval");
    TCase *t = tcase_create("all");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, rows_with_a_grader_give_a_table);
    tcase_add_test(t, json_is_one_object_on_standard_output);
    tcase_add_test(t, options_win_over_the_suite);
    tcase_add_test(t, a_family_needs_no_file);
    tcase_add_test(t, problems_can_be_written_as_rows);
    tcase_add_test(t, what_makes_no_sense_is_told_in_one_line);
    tcase_add_test(t, ctrl_c_ends_it);
    tcase_add_test(t, help_names_every_option);
    sr = srunner_create(s);
    suite_add_tcase(s, t);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
