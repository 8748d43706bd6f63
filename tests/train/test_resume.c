/* A run that dies and goes on ends with the bits of one that never died. */
#include "base/bytes.h"
#include "base/file.h"
#include "support/training.h"

#include <check.h>

static const char reinforced[] =
    "{\"seed\":3,\"ponder\":{\"output\":\"%s/%s\",\"stage\":\"rl\",%s,\"steps\":12,"
    "\"batch_tokens\":300,\"learning_rate\":0.01,%s"
    "\"rl\":{\"groups\":4,\"group_size\":4,\"max_think\":12,\"max_answer\":6,"
    "\"curriculum\":true,\"process\":0.5%s},"
    "\"mixture\":[{\"task\":\"chain\",\"depth\":[1,2]}]}}";

/* SHA-256 of the last checkpoint's weights and moments, from its manifest. */
static char *hashes(const char *name, int step)
{
    char path[160];
    bytes text = { 0 };
    errtext err;
    json_t *manifest;
    char *files;

    snprintf(path, sizeof path, "%s/%s/checkpoints/step-%08d/manifest.json", folder, name, step);
    ck_assert_int_eq(file_read(&text, path, 1 << 20, &err), OK);
    ck_assert_int_eq(jsonfile_parse(&manifest, text.data, text.len, 100000, path, &err), OK);
    files = json_dumps(json_object_get(manifest, "files"), JSON_SORT_KEYS | JSON_COMPACT);
    ck_assert_ptr_nonnull(files);
    ck_assert_ptr_nonnull(strstr(files, "weights.f32"));
    ck_assert_ptr_nonnull(strstr(files, "moments.f32"));
    json_decref(manifest);
    bytes_fini(&text);
    return files;
}

static int metrics_steps(const char *name)
{
    json_t *rows = metrics_of(name);
    int n = 0;

    for (size_t i = 0; i < json_array_size(rows); i++)
        n += json_object_get(json_array_get(rows, i), "rate") != NULL;
    json_decref(rows);
    return n;
}

static void compare(const char *whole, const char *broken, const char *name, int steps,
                    const int at[2])
{
    char *a, *b, *c;

    finish(start(whole));
    kill_at(broken, at[0]);
    kill_at(broken, at[1]);
    finish(start(broken));
    a = hashes("whole", steps);
    b = hashes(name, steps);
    ck_assert_str_eq(a, b);
    ck_assert_int_eq(metrics_steps(name), steps);
    finish(start(broken));       /* already at its end: nothing changes */
    c = hashes(name, steps);
    ck_assert_str_eq(a, c);
    free(a);
    free(b);
    free(c);
}

START_TEST(supervised_run_killed_twice_ends_with_the_same_bits)
{
    char whole[2000], broken[2000];

    snprintf(whole, sizeof whole, supervised, folder, "whole", shape);
    snprintf(broken, sizeof broken, supervised, folder, "broken", shape);
    compare(whole, broken, "broken", 20, (const int[2]){ 10, 15 });
}
END_TEST

static void rl_job(char out[2400], const char *name, const char *extra)
{
    char text[2400], *brace;

    /* The same shape, but from the base model instead of from nothing. */
    snprintf(text, sizeof text, reinforced, folder, name,
             "\"context\":256,\"max_rows\":512,\"checkpoint_every\":4,\"eval_problems\":2,"
             "\"eval\":[{\"task\":\"chain\",\"depth\":1}]", "", extra);
    brace = strchr(text, '{');
    snprintf(out, 2400, "{\"model\":\"%s/base/model.gguf\",%s", folder, brace + 1);
}

static void compare_rl(const char *extra)
{
    char whole[2400], broken[2400];

    base_model();
    rl_job(whole, "whole", extra);
    rl_job(broken, "broken", extra);
    compare(whole, broken, "broken", 12, (const int[2]){ 5, 10 });
}

START_TEST(reinforced_run_killed_twice_ends_with_the_same_bits)
{
    compare_rl("");
}
END_TEST

START_TEST(ppo_with_its_value_head_resumes_to_the_same_bits)
{
    compare_rl(",\"advantage\":\"gae\",\"updates\":2,\"kl\":0.01");
}
END_TEST

START_TEST(gspo_with_refills_resumes_to_the_same_bits)
{
    compare_rl(",\"ratio\":\"sequence\",\"updates\":2,\"max_refill\":2,\"advantage\":\"zscore\"");
}
END_TEST

/* Every step of a run says how far sampler and trainer are apart. */
START_TEST(sampler_and_trainer_agree_in_every_bit)
{
    char text[2400], path[160];
    json_t *rows;
    errtext err;
    int n = 0;

    base_model();
    rl_job(text, "rl", "");
    finish(start(text));
    snprintf(path, sizeof path, "%s/rl/metrics.jsonl", folder);
    ck_assert_int_eq(metrics_read(&rows, path, &err), OK);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *diff = json_object_get(json_array_get(rows, i), "logprob_max_diff");

        if (!diff) continue;
        ck_assert_double_eq(json_number_value(diff), 0);
        n++;
    }
    ck_assert_int_eq(n, 12);
    json_decref(rows);
}
END_TEST

/* Rewards of every step are on disk, once. */
START_TEST(rewards_are_written_once_a_step)
{
    char text[2400], path[160];
    json_t *rows;
    errtext err;

    base_model();
    rl_job(text, "rl", ",\"max_refill\":0");
    kill_at(text, 6);
    finish(start(text));
    snprintf(path, sizeof path, "%s/rl/rollouts.jsonl", folder);
    ck_assert_int_eq(metrics_read(&rows, path, &err), OK);
    ck_assert_int_eq((int)json_array_size(rows), 12 * 4);
    for (size_t i = 0; i < json_array_size(rows); i++)
        ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(rows, i), "step")),
                         (int)i / 4 + 1);
    json_decref(rows);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("resume");
    TCase *t = tcase_create("all");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, supervised_run_killed_twice_ends_with_the_same_bits);
    tcase_add_test(t, reinforced_run_killed_twice_ends_with_the_same_bits);
    tcase_add_test(t, ppo_with_its_value_head_resumes_to_the_same_bits);
    tcase_add_test(t, gspo_with_refills_resumes_to_the_same_bits);
    tcase_add_test(t, sampler_and_trainer_agree_in_every_bit);
    tcase_add_test(t, rewards_are_written_once_a_step);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
