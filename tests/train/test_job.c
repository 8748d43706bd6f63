/* Jobs: what is read, and how each fault is named. */
#include <stdio.h>
#include <string.h>

#include "model/jsonfile.h"
#include "train/job.h"

#include <check.h>

static status parse(const char *text, job *j, errtext *err)
{
    json_t *json;
    status st = jsonfile_parse(&json, text, strlen(text), 10000, "job", err);

    ck_assert_int_eq(st, OK);
    return job_parse(j, json, "job.json", err);
}

#define MIX "\"mixture\":[{\"task\":\"chain\",\"depth\":[1,2]}]"

START_TEST(defaults_are_those_of_the_stage)
{
    errtext err;
    job j;

    ck_assert_int_eq(parse("{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5," MIX "}}",
                           &j, &err), OK);
    ck_assert_int_eq(j.stage, STAGE_SFT);
    ck_assert_int_eq(j.rate.kind, SCHEDULE_COSINE);
    ck_assert_int_eq(j.steps, 5);
    job_fini(&j);
    ck_assert_int_eq(parse("{\"model\":\"m\",\"method\":{\"type\":\"reinforcement\"},"
                           "\"ponder\":{\"output\":\"o\",\"steps\":5," MIX "}}", &j, &err), OK);
    ck_assert_int_eq(j.stage, STAGE_RL);
    ck_assert_int_eq(j.rate.kind, SCHEDULE_CONSTANT);
    ck_assert_int_eq(j.rl.advantage, ADVANTAGE_CENTER);
    ck_assert_double_eq(j.rl.kl, 0);
    ck_assert_double_eq(j.optimizer.decay, 0);
    job_fini(&j);
}
END_TEST

START_TEST(hosted_hyperparameters_are_honoured)
{
    errtext err;
    job j;

    ck_assert_int_eq(parse(
        "{\"model\":\"m\",\"training_file\":\"t.jsonl\",\"seed\":7,\"method\":{\"type\":\"dpo\","
        "\"dpo\":{\"hyperparameters\":{\"beta\":0.3,\"n_epochs\":4,\"batch_size\":\"auto\","
        "\"learning_rate_multiplier\":2}}},\"ponder\":{\"output\":\"o\",\"learning_rate\":0.01}}",
        &j, &err), OK);
    ck_assert_int_eq(j.stage, STAGE_DPO);
    ck_assert_double_eq(j.dpo_beta, 0.3);
    ck_assert_int_eq(j.n_epoch, 4);
    ck_assert_int_eq(j.batch_size, 32);
    ck_assert_double_eq_tol(j.rate.peak, 0.02, 1e-15);
    ck_assert_int_eq((int)j.seed, 7);
    job_fini(&j);
}
END_TEST

START_TEST(compute_multiplier_scales_the_group)
{
    errtext err;
    job j;

    ck_assert_int_eq(parse(
        "{\"model\":\"m\",\"method\":{\"type\":\"reinforcement\",\"reinforcement\":"
        "{\"hyperparameters\":{\"compute_multiplier\":2}}},"
        "\"ponder\":{\"output\":\"o\",\"steps\":5," MIX "}}", &j, &err), OK);
    ck_assert_int_eq(j.rl.group_size, 16);
    job_fini(&j);
}
END_TEST

static const struct { const char *text, *names; } bad[] = {
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5,\"learnig_rate\":1," MIX "}}",
      "ponder.learnig_rate" },
    { "{\"model\":\"m\",\"ponder\":{\"steps\":5," MIX "}}", "ponder.output" },
    { "{\"model\":\"m\"}", "ponder" },
    { "{\"ponder\":{\"output\":\"o\",\"steps\":5," MIX "}}", "model" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\"," MIX "}}", "ponder.steps" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5}}", "training_file" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":0," MIX "}}", "steps" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5,\"scratch\":{}," MIX "}}",
      "ponder.scratch" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5,\"schedule\":\"cosin\"," MIX "}}",
      "schedule" },
    { "{\"model\":\"m\",\"method\":{\"type\":\"sft\"},\"ponder\":{}}", "method.type" },
    { "{\"model\":\"m\",\"method\":{\"type\":\"dpo\"},\"ponder\":{\"output\":\"o\",\"steps\":5,"
      MIX "}}", "training_file" },
    { "{\"model\":\"m\",\"method\":{\"type\":\"dpo\",\"dpo\":{\"hyperparameters\":{\"beta\":3}}},"
      "\"ponder\":{}}", "beta" },
    { "{\"model\":\"m\",\"training_file\":\"t\",\"method\":{\"type\":\"reinforcement\"},"
      "\"ponder\":{\"output\":\"o\"}}", "grader" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5,\"mixture\":"
      "[{\"task\":\"chains\",\"depth\":1}]}}", "mixture[0].task" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5,\"mixture\":"
      "[{\"task\":\"chain\",\"depth\":99}]}}", "mixture[0].depth" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5,\"mixture\":"
      "[{\"task\":\"chain\",\"depth\":1,\"functions\":[1]}]}}", "mixture[0].functions" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5,\"mixture\":"
      "[{\"task\":\"chain\",\"depth\":1,\"share\":0}]}}", "share" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5,\"rl\":{\"replay\":0.1}," MIX
      "}}", "ponder.replay" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5,\"rl\":{\"advantage\":\"gae\","
      "\"ratio\":\"sequence\"}," MIX "}}", "ratio" },
    { "{\"model\":\"m\",\"integrations\":[{\"type\":\"wandb\"}],\"ponder\":{\"output\":\"o\","
      "\"steps\":5," MIX "}}", "integrations" },
    { "{\"model\":\"m\",\"method\":{\"type\":\"reinforcement\",\"reinforcement\":"
      "{\"hyperparameters\":{\"reasoning_effort\":\"huge\"}}},\"ponder\":{}}", "reasoning_effort" },
    { "{\"model\":\"m\",\"hyperparameters\":{\"n_epoch\":1},\"ponder\":{}}",
      "hyperparameters.n_epoch" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5,\"calculator\":1," MIX "}}",
      "ponder: calculator" },
    { "{\"model\":\"m\",\"training_file\":\"t\",\"method\":{\"type\":\"dpo\"},"
      "\"ponder\":{\"output\":\"o\",\"calculator\":true}}", "ponder.calculator" },
    { "{\"model\":\"m\",\"ponder\":{\"output\":\"o\",\"steps\":5,\"context\":4096,"
      "\"max_rows\":512," MIX "}}", "max_rows" },
};

START_TEST(every_fault_is_named)
{
    errtext err = { "" };
    job j;

    ck_assert_int_ne(parse(bad[_i].text, &j, &err), OK);
    ck_assert_msg(strstr(err.text, bad[_i].names), "%s does not name %s", err.text, bad[_i].names);
    ck_assert_ptr_null(j.json);
}
END_TEST

START_TEST(what_changes_no_bit_changes_no_hash)
{
    static const char form[] = "{\"model\":\"m\",\"seed\":%d,\"ponder\":{\"output\":\"%s\","
                               "\"steps\":5,\"keep\":%d," MIX "}}";
    char text[3][300], hash[3][CHECKPOINT_HASH];
    errtext err;

    snprintf(text[0], 300, form, 1, "a", 3);
    snprintf(text[1], 300, form, 1, "b", 9);
    snprintf(text[2], 300, form, 2, "a", 3);
    for (int i = 0; i < 3; i++) {
        job j;

        ck_assert_int_eq(parse(text[i], &j, &err), OK);
        memcpy(hash[i], j.hash, sizeof hash[i]);
        job_fini(&j);
    }
    ck_assert_str_eq(hash[0], hash[1]);
    ck_assert_str_ne(hash[0], hash[2]);
}
END_TEST

START_TEST(a_mixture_draws_by_its_shares_and_stays_in_its_split)
{
    errtext err;
    json_t *list = json_loads("[{\"task\":\"chain\",\"depth\":[1,3],\"share\":3,\"direct\":0.25},"
                              "{\"name\":\"held\",\"task\":\"strings\",\"depth\":2,"
                              "\"functions\":[1,3,5]}]", 0, NULL);
    mixture *m;
    int cells[3] = { 0 }, direct = 0;

    ck_assert_int_eq(mixture_parse(&m, list, "mix", &err), OK);
    json_decref(list);
    ck_assert_int_eq(mixture_cells(m), 3);
    ck_assert_str_eq(mixture_cell_name(m, 2), "held 2");
    for (uint64_t i = 0; i < 4000; i++) {
        drawn d;

        mixture_draw(m, NULL, i % 2 ? SPLIT_TEST : SPLIT_TRAIN, 5, i, &d);
        cells[d.cell]++;
        direct += d.direct;
        ck_assert_int_eq(key_split(d.task, d.problem.key), i % 2 ? SPLIT_TEST : SPLIT_TRAIN);
        if (d.cell == 2) {
            int f[8];

            ck_assert_int_eq(sscanf(d.problem.key, "f%d(f%d(", &f[0], &f[1]), 2);
            for (int k = 0; k < 2; k++) ck_assert(f[k] == 1 || f[k] == 3 || f[k] == 5);
        }
        problem_fini(&d.problem);
    }
    ck_assert_int_gt(cells[0], 1350);
    ck_assert_int_lt(cells[0], 1650);
    ck_assert_int_gt(cells[2], 880);
    ck_assert_int_lt(cells[2], 1120);
    ck_assert_int_gt(direct, 650);
    ck_assert_int_lt(direct, 850);
    mixture_free(m);
}
END_TEST

START_TEST(example_number_i_is_always_the_same)
{
    errtext err;
    json_t *list = json_loads("[{\"task\":\"chain\",\"depth\":[1,2]},{\"task\":\"perm\","
                              "\"depth\":2}]", 0, NULL);
    mixture *m;

    ck_assert_int_eq(mixture_parse(&m, list, "mix", &err), OK);
    json_decref(list);
    for (uint64_t i = 0; i < 50; i++) {
        drawn a, b, c;

        mixture_draw(m, NULL, SPLIT_TRAIN, 9, i, &a);
        mixture_draw(m, NULL, SPLIT_TRAIN, 9, i, &b);
        mixture_draw(m, NULL, SPLIT_TRAIN, 10, i, &c);
        ck_assert_str_eq(a.problem.prompt, b.problem.prompt);
        ck_assert_str_eq(a.problem.think, b.problem.think);
        ck_assert(strcmp(a.problem.key, c.problem.key));
        problem_fini(&a.problem);
        problem_fini(&b.problem);
        problem_fini(&c.problem);
    }
    mixture_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("job");
    TCase *t = tcase_create("all");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_are_those_of_the_stage);
    tcase_add_test(t, hosted_hyperparameters_are_honoured);
    tcase_add_test(t, compute_multiplier_scales_the_group);
    tcase_add_loop_test(t, every_fault_is_named, 0, (int)(sizeof bad / sizeof *bad));
    tcase_add_test(t, what_changes_no_bit_changes_no_hash);
    tcase_add_test(t, a_mixture_draws_by_its_shares_and_stays_in_its_split);
    tcase_add_test(t, example_number_i_is_always_the_same);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
