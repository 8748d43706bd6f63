/* Evaluations read from JSON, run, and written as files. */
#include "base/file.h"
#include "support/asker.h"
#include "train/suite.h"
#include "wellformed.h"


#include <check.h>       /* last: it has a macro named fail */

static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/test_suite_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    char text[128];

    snprintf(text, sizeof text, "rm -r '%s'", folder);
    ck_assert_int_eq(system(text), 0);
}

static status parse(suite *s, const char *text, errtext *err)
{
    json_error_t why;
    json_t *j = json_loads(text, 0, &why);
    status st;

    ck_assert_msg(j != NULL, "%s: %s", why.text, text);
    st = suite_parse(s, j, "suite", err);
    json_decref(j);
    return st;
}

START_TEST(a_section_takes_what_it_lacks_from_the_suite)
{
    suite s;
    errtext err;

    ck_assert_msg(parse(&s, "{\"name\":\"two\",\"problems\":7,\"seeds\":2,\"split\":\"test\","
                            "\"measures\":[\"t1\"],\"budgets\":[3,9],\"sections\":["
                            "{\"name\":\"a\",\"cells\":[{\"task\":\"chain\",\"depth\":[1,2]}]},"
                            "{\"name\":\"b\",\"cells\":[{\"task\":\"perm\",\"depth\":1}],"
                            "\"problems\":9,\"measures\":[\"greedy\",\"cons\"],\"split\":"
                            "\"valid\",\"effort\":\"high\"}]}", &err) == OK, "%s", err.text);
    ck_assert_str_eq(s.name, "two");
    ck_assert_int_eq(s.n, 2);
    ck_assert_int_eq(s.sections[0].options.problems, 7);
    ck_assert_int_eq(s.sections[0].options.seeds, 2);
    ck_assert_int_eq(s.sections[0].options.split, SPLIT_TEST);
    ck_assert_uint_eq(s.sections[0].options.measures, EVAL_T1);
    ck_assert_int_eq(s.sections[0].options.effort, EFFORT_MEDIUM);
    ck_assert_int_eq(s.sections[0].options.n_budget, 2);
    ck_assert_int_eq(s.sections[0].budgets[1], 9);
    ck_assert_int_eq(s.sections[1].options.problems, 9);
    ck_assert_int_eq(s.sections[1].options.seeds, 2);
    ck_assert_int_eq(s.sections[1].options.split, SPLIT_VALID);
    ck_assert_uint_eq(s.sections[1].options.measures, EVAL_GREEDY | EVAL_T1);
    ck_assert_int_eq(s.sections[1].options.effort, EFFORT_HIGH);
    suite_fini(&s);
    ck_assert_int_eq(s.n, 0);
}
END_TEST

START_TEST(a_suite_may_be_its_own_section)
{
    suite s;
    errtext err;

    ck_assert_msg(parse(&s, "{\"cells\":[{\"task\":\"chain\",\"depth\":1}]}", &err) == OK, "%s",
                  err.text);
    ck_assert_int_eq(s.n, 1);
    ck_assert_int_eq(s.sections[0].options.split, SPLIT_VALID);
    ck_assert_int_eq(s.sections[0].options.seeds, 3);
    suite_fini(&s);
}
END_TEST

START_TEST(faults_are_named_by_their_path)
{
#define CHAIN "\"cells\":[{\"task\":\"chain\",\"depth\":1}]"
    static const struct { const char *text, *path; } bad[] = {
        { "{}", "suite: one of cells and data" },
        { "{" CHAIN ",\"data\":\"x\"}", "one of cells and data" },
        { "{" CHAIN ",\"problem\":3}", "suite.problem" },
        { "{" CHAIN ",\"problems\":0}", "problems" },
        { "{" CHAIN ",\"problems\":\"many\"}", "problems" },
        { "{" CHAIN ",\"seeds\":17}", "seeds" },
        { "{" CHAIN ",\"group\":2000}", "group" },
        { "{" CHAIN ",\"measures\":[]}", "suite.measures" },
        { "{" CHAIN ",\"measures\":[\"greedy\",\"luck\"]}", "suite.measures[1]" },
        { "{" CHAIN ",\"measures\":\"greedy\"}", "suite.measures" },
        { "{" CHAIN ",\"budgets\":[8,8]}", "suite.budgets[1]" },
        { "{" CHAIN ",\"budgets\":[0]}", "suite.budgets[0]" },
        { "{" CHAIN ",\"split\":\"half\"}", "suite.split" },
        { "{" CHAIN ",\"effort\":\"much\"}", "suite.effort" },
        { "{" CHAIN ",\"effort\":\"none\"}", "suite.effort" },
        { "{" CHAIN ",\"name\":\"../up\"}", "suite.name" },
        { "{" CHAIN ",\"grader\":{}}", "suite.grader" },
        { "{\"data\":\"x.jsonl\"}", "suite.grader" },
        { "{\"cells\":[{\"task\":\"chain\",\"depth\":99}]}", "suite.cells[0].depth" },
        { "{\"cells\":[{\"task\":\"chess\",\"depth\":1}]}", "suite.cells[0].task" },
        { "{\"cells\":[{\"task\":\"chain\",\"depth\":[1,1]}]}", "two cells are named chain 1" },
        { "{\"sections\":[]}", "suite.sections" },
        { "{\"sections\":[3]}", "suite.sections[0]" },
        { "{" CHAIN ",\"sections\":[{" CHAIN "}]}", "cells and data go into" },
        { "{\"sections\":[{" CHAIN ",\"seed\":-1}]}", "suite.sections[0]" },
        { "{\"sections\":[{\"name\":\"a\"," CHAIN "},{\"name\":\"a\"," CHAIN "}]}",
          "sections[1].name" },
        { "{\"sections\":[{" CHAIN ",\"sections\":[]}]}", "suite.sections[0].sections" },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        suite s;
        errtext err = { "" };

        ck_assert_msg(parse(&s, bad[i].text, &err) != OK, "%s", bad[i].text);
        ck_assert_msg(strstr(err.text, bad[i].path) != NULL, "%s: %s", bad[i].text, err.text);
        ck_assert_int_eq(s.n, 0);
    }
}
END_TEST

/* The rows, read back, are problems whose answer earns the reward. */
START_TEST(problems_become_rows_that_a_grader_can_use)
{
    json_t *spec = json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "ponder_task", "name", "it",
                             "task", "{{item.task}}", "key", "{{item.key}}", "input",
                             "{{sample.output_text}}");
    bytes rows = { 0 };
    dataset *d;
    grader *g;
    suite s;
    errtext err;

    ck_assert_msg(parse(&s, "{\"problems\":3,\"seeds\":2,\"split\":\"train\",\"cells\":[{\"task\":"
                            "\"chain\",\"depth\":[1,2]},{\"task\":\"perm\",\"depth\":1}]}",
                        &err) == OK, "%s", err.text);
    suite_problems(&s, &rows);
    ck_assert_msg(dataset_parse(&d, rows.data, rows.len, "rows", DATASET_RFT, 0, &err) == OK,
                  "%s", err.text);
    ck_assert_int_eq(dataset_rows(d), 18);
    ck_assert_int_eq(dataset_duplicates(d), 0);
    ck_assert_int_eq(grader_new(&g, spec, NULL, &err), OK);
    for (int i = 0; i < 18; i++) {
        const json_t *row = dataset_row(d, i);
        const char *answer = json_string_value(json_object_get(row, "answer"));
        const char *key = json_string_value(json_object_get(row, "key"));
        const task *t = task_find(json_string_value(json_object_get(row, "task")));
        json_t *said = grader_sample(answer, strlen(answer), NULL);
        grade of;

        ck_assert_ptr_nonnull(t);
        ck_assert_int_eq(key_split(t, key), SPLIT_TRAIN);
        grader_run(g, row, said, &of);
        ck_assert_double_eq(of.reward, 1);
        grade_fini(&of);
        json_decref(said);
    }
    grader_free(g);
    json_decref(spec);
    dataset_close(d);
    bytes_fini(&rows);
    suite_fini(&s);
}
END_TEST

static bytes file_text(const char *name)
{
    char path[200];
    bytes b = { 0 };
    errtext err;

    snprintf(path, sizeof path, "%s/out/%s", folder, name);
    ck_assert_msg(file_read(&b, path, 1 << 24, &err) == OK, "%s", err.text);
    ck_assert_uint_gt(b.len, 0);
    return b;
}

START_TEST(results_become_files_that_hold_the_figures)
{
    static const parrot_word words[] = { { "7", 0 }, { "<|im_end|>", 0 } };
    static const char *const curves[] = {
        "all-countdown-3-budget.svg", "all-countdown-3-attempts.svg",
        "all-countdown-3-samples.svg", "all-countdown-3-effort.svg", "all-countdown-3-early.svg",
        "all-chain-depth.svg", "all-chain-2-samples.svg", "run-compute.svg",
    };
    const eval_options hooks = { 0 };
    reasoner *r = open_parrot(NULL, words, 2);
    json_t *results, *back, *rows = json_array();
    char dir[100];
    suite s;
    bytes b;
    errtext err;

    ck_assert_msg(parse(&s, "{\"name\":\"a <b>\",\"problems\":2,\"seeds\":1,\"group\":4,\"budgets\":"
                            "[2,4],\"measures\":[\"all\"],\"sections\":[{\"name\":\"all\","
                            "\"about\":\"1 < 2 & so\",\"cells\":[{\"task\":\"chain\",\"depth\":"
                            "[1,2]},{\"task\":\"countdown\",\"depth\":3}]}]}", &err) == OK, "%s",
                  err.text);
    ck_assert_msg(suite_run(&s, r, &hooks, &results, &err) == OK, "%s", err.text);
    for (int i = 0; i < 6; i++)
        json_array_append_new(rows, json_pack(
            "{s:i, s:f, s:{s:{s:{s:f}, s:{s:f}}}}", "step", i, "tokens", (double)(1000 << i),
            "eval", "chain 5", "t1", "right", 0.1 * i, "greedy", "right", 0.12 * i));
    snprintf(dir, sizeof dir, "%s/out", folder);
    ck_assert_msg(suite_write(results, rows, dir, &err) == OK, "%s", err.text);
    b = file_text("results.json");
    ck_assert_ptr_nonnull(back = json_loadb(b.data, b.len, 0, NULL));
    ck_assert_uint_eq(json_array_size(json_object_get(back, "sections")), 1);
    bytes_fini(&b);
    json_decref(back);
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
        b = file_text(curves[i]);
        ck_assert_msg(markup_fault(&b) < 0, "%s", curves[i]);
        bytes_fini(&b);
    }
    b = file_text("run-compute.svg");
    /* The line through the run's points, with its numbers. */
    ck_assert(strstr(b.data, "log\xe2\x82\x82") && strstr(b.data, "= 1.000"));
    bytes_fini(&b);
    b = file_text("report.html");
    ck_assert_ptr_nonnull(strstr(b.data, "1 &lt; 2 &amp; so"));
    ck_assert_ptr_nonnull(strstr(b.data, "countdown 3"));
    bytes_fini(&b);
    json_decref(results);
    json_decref(rows);
    suite_fini(&s);
    reasoner_close(r);
}
END_TEST

START_TEST(a_folder_that_cannot_be_made_is_named)
{
    json_t *results = json_pack("{s:s, s:[]}", "suite", "x", "sections");
    errtext err;

    ck_assert_int_eq(suite_write(results, NULL, "/proc/no/such", &err), E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "/proc/no"));
    json_decref(results);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("suite");
    TCase *t = tcase_create("all");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_add_test(t, a_section_takes_what_it_lacks_from_the_suite);
    tcase_add_test(t, a_suite_may_be_its_own_section);
    tcase_add_test(t, faults_are_named_by_their_path);
    tcase_add_test(t, problems_become_rows_that_a_grader_can_use);
    tcase_add_test(t, results_become_files_that_hold_the_figures);
    tcase_add_test(t, a_folder_that_cannot_be_made_is_named);
    sr = srunner_create(s);
    suite_add_tcase(s, t);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
