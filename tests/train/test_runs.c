/* Runs on files: rows with a grader, preference pairs, adapters, validation. */
#include "support/training.h"

#include "base/file.h"

#include <check.h>

static void write_file(const char *name, const char *text)
{
    char path[160];
    errtext err;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(file_replace(path, text, strlen(text), &err), OK);
}

/* First and last value of a field of the rows that have it; how many there are. */
static int ends_of(const char *name, const char *field, double *first, double *last)
{
    json_t *rows = metrics_of(name);
    int n = 0;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *v = json_object_get(json_array_get(rows, i), field);

        if (!v) continue;
        *last = json_number_value(v);
        if (n++ == 0) *first = *last;
    }
    json_decref(rows);
    return n;
}

START_TEST(supervised_rows_are_learnt_and_validated)
{
    char job_text[1000];
    double first, last;

    base_model();
    write_file("rows.jsonl",
               "{\"messages\":[{\"role\":\"user\",\"content\":\"one\"},{\"role\":\"assistant\","
               "\"content\":\"1\",\"reasoning_content\":\"uno\"}]}\n"
               "{\"messages\":[{\"role\":\"user\",\"content\":\"two\"},{\"role\":\"assistant\","
               "\"content\":\"2\"}]}\n");
    snprintf(job_text, sizeof job_text,
             "{\"model\":\"%s/base/model.gguf\",\"training_file\":\"%s/rows.jsonl\","
             "\"validation_file\":\"%s/rows.jsonl\",\"method\":{\"type\":\"supervised\","
             "\"supervised\":{\"hyperparameters\":{\"n_epochs\":20,\"batch_size\":2}}},"
             "\"ponder\":{\"output\":\"%s/run\",\"context\":256,\"max_rows\":512,\"warmup\":0,"
             "\"learning_rate\":0.01,\"eval_every\":10}}", folder, folder, folder, folder);
    finish(start(job_text));
    ck_assert_int_eq(ends_of("run", "loss", &first, &last), 20);
    ck_assert_double_lt(last, first / 4);
    ck_assert_int_eq(ends_of("run", "valid_loss", &first, &last), 3);
    ck_assert_double_lt(last, first / 4);
}
END_TEST

/* 150 steps over a mixture, from a model to FOLDER/OUTPUT. */
static void train_on(const char *from, const char *output, const char *extra, const char *mix)
{
    char text[1200];

    snprintf(text, sizeof text,
             "{\"model\":\"%s/%s/model.gguf\",\"ponder\":{\"output\":\"%s/%s\","
             "\"stage\":\"sft\",\"context\":256,\"max_rows\":512,\"steps\":150,"
             "\"batch_tokens\":300,\"warmup\":0,\"learning_rate\":0.01,%s\"eval_problems\":1,"
             "\"mixture\":[%s]}}", folder, from, folder, output, extra, mix);
    finish(start(text));
}

START_TEST(an_adapter_learns_and_leaves_the_base_alone)
{
    char command[300];
    double first, last;

    base_model();
    train_on("base", "taught", "", "{\"task\":\"chain\",\"depth\":[1,2]},"
                                   "{\"task\":\"perm\",\"depth\":1}");
    snprintf(command, sizeof command, "cp %s/taught/model.gguf %s/before.gguf", folder, folder);
    ck_assert_int_eq(system(command), 0);
    train_on("taught", "run", "\"lora\":{\"rank\":8,\"alpha\":16},",
             "{\"task\":\"perm\",\"depth\":2}");
    ck_assert_int_eq(ends_of("run", "loss", &first, &last), 150);
    ck_assert_double_lt(last, 0.9 * first);
    snprintf(command, sizeof command, "cmp -s %s/taught/model.gguf %s/before.gguf", folder, folder);
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof command, "test $(stat -c %%s %s/run/model.gguf) -lt "
             "$(stat -c %%s %s/taught/model.gguf)", folder, folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(preferences_move_the_policy_to_the_preferred_answer)
{
    char job_text[1000];
    double first, last;

    base_model();
    write_file("pairs.jsonl",
               "{\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]},"
               "\"preferred_output\":[{\"role\":\"assistant\",\"content\":\"yes\"}],"
               "\"non_preferred_output\":[{\"role\":\"assistant\",\"content\":\"no\"}]}\n"
               "{\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"ho\"}]},"
               "\"preferred_output\":[{\"role\":\"assistant\",\"content\":\"maybe\"}],"
               "\"non_preferred_output\":[{\"role\":\"assistant\",\"content\":\"never\"}]}\n");
    snprintf(job_text, sizeof job_text,
             "{\"model\":\"%s/base/model.gguf\",\"training_file\":\"%s/pairs.jsonl\","
             "\"method\":{\"type\":\"dpo\",\"dpo\":{\"hyperparameters\":{\"n_epochs\":15,"
             "\"batch_size\":2,\"beta\":0.5}}},\"ponder\":{\"output\":\"%s/run\",\"context\":256,"
             "\"max_rows\":512,\"warmup\":0,\"learning_rate\":0.003}}", folder, folder, folder);
    finish(start(job_text));
    ck_assert_int_eq(ends_of("run", "loss", &first, &last), 15);
    ck_assert_double_eq_tol(first, 0.693147, 1e-5);  /* policy and reference are one */
    ck_assert_double_lt(last, 0.3);
    ck_assert_int_eq(ends_of("run", "preferred", &first, &last), 15);
    ck_assert_double_eq(last, 1);
}
END_TEST

static const char graded[] =
    "{\"model\":\"%s/base/model.gguf\",\"training_file\":\"%s/rows.jsonl\","
    "\"validation_file\":\"%s/rows.jsonl\",\"method\":{\"type\":\"reinforcement\","
    "\"reinforcement\":{\"grader\":{\"type\":\"string_check\",\"name\":\"g\",\"operation\":\"like\","
    "\"input\":\"{{sample.output_text}}\",\"reference\":\"{{item.%s}}\"}}},"
    "\"ponder\":{\"output\":\"%s/run\",\"context\":256,\"max_rows\":512,\"steps\":6,"
    "\"eval_every\":3,\"rl\":{\"groups\":2,\"group_size\":4,\"max_think\":8,\"max_answer\":8}}}";

START_TEST(rows_with_a_grader_give_rewards)
{
    char job_text[1200];
    double first, last;

    base_model();
    write_file("rows.jsonl",
               "{\"messages\":[{\"role\":\"user\",\"content\":\"2\"}],\"want\":\"2\"}\n"
               "{\"messages\":[{\"role\":\"user\",\"content\":\"3\"}],\"want\":\"3\"}\n");
    snprintf(job_text, sizeof job_text, graded, folder, folder, folder, "want", folder);
    finish(start(job_text));
    ck_assert_int_eq(ends_of("run", "reward", &first, &last), 6);
    ck_assert_int_eq(ends_of("run", "valid_reward", &first, &last), 3);
    ck_assert_int_eq(ends_of("run", "logprob_max_diff", &first, &last), 6);
    ck_assert_double_eq(last, 0);
}
END_TEST

START_TEST(a_template_that_leads_nowhere_ends_the_job_before_it_begins)
{
    char job_text[1200];
    int how;

    base_model();
    write_file("rows.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"2\"}],\"want\":\"2\"}\n");
    snprintf(job_text, sizeof job_text, graded, folder, folder, folder, "wanted", folder);
    waitpid(start(job_text), &how, 0);
    ck_assert(WIFEXITED(how));
    ck_assert_int_eq(WEXITSTATUS(how), E_ARG);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runs");
    TCase *t = tcase_create("all");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, supervised_rows_are_learnt_and_validated);
    tcase_add_test(t, an_adapter_learns_and_leaves_the_base_alone);
    tcase_add_test(t, preferences_move_the_policy_to_the_preferred_answer);
    tcase_add_test(t, rows_with_a_grader_give_rewards);
    tcase_add_test(t, a_template_that_leads_nowhere_ends_the_job_before_it_begins);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
