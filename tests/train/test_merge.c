/* An adapter worked into its base says what base and adapter say together. */
#include <math.h>

#include "base/mem.h"
#include "model/adapter.h"
#include "support/training.h"
#include "train/rollout.h"
#include "train/sequence.h"

#include <check.h>       /* last: it has a macro named fail */

/* Answers drawn from FOLDER/NAME, with the adapter FOLDER/run/model.gguf on it. */
static void answers(const char *name, bool adapted, rollout out[4])
{
    const rollout_options how = { .group = 4, .temperature = 1, .max_think = 16,
                                  .max_answer = 4, .seed = 3, .tenant = 1 };
    reasoner_options o = reasoner_defaults();
    rollout_prompt p = { .thinking = true, .effort = EFFORT_LOW };
    const char *warning;
    char path[160];
    chat c = { 0 };
    reasoner *r;
    errtext err;

    o.n_thread = 1;
    o.engine.n_ctx = 256;
    o.type = DTYPE_F32;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_msg(reasoner_open(&r, path, &o, &warning, &err) == OK, "%s", err.text);
    snprintf(path, sizeof path, "%s/run/model.gguf", folder);
    if (adapted)
        ck_assert_msg(adapter_load(reasoner_model_mutable(r), path, reasoner_pool(r), &err) == OK,
                      "%s", err.text);
    chat_of_prompt(&c, "Start with 3. Add 4. What is the result?");
    p.chat = &c;
    ck_assert_int_eq(rollout_run(r, &how, &p, 1, out, &err), OK);
    chat_fini(&c);
    reasoner_close(r);
}

static double distance(const rollout *a, const rollout *b)
{
    double most = 0;

    for (int g = 0; g < 4; g++) {
        if (a[g].n != b[g].n) return 1e9;
        for (int t = a[g].n_prompt; t < a[g].n; t++) {
            if (a[g].ids[t] != b[g].ids[t]) return 1e9;
            most = fmax(most, fabs((double)a[g].log_prob[t] - b[g].log_prob[t]));
        }
    }
    return most;
}

START_TEST(a_merged_model_is_base_and_adapter)
{
    char text[2000], base[40];
    rollout plain[4], adapted[4], merged[4];

    make_folder();
    base_model();
    snprintf(base, sizeof base, "base/model.gguf");
    snprintf(text, sizeof text,
             "{\"model\":\"%s/%s\",\"seed\":3,\"ponder\":{\"output\":\"%s/run\",\"stage\":\"sft\","
             "\"context\":256,\"max_rows\":512,\"dtype\":\"f32\",\"steps\":8,\"batch_tokens\":300,"
             "\"learning_rate\":0.02,\"warmup\":1,\"lora\":{\"rank\":8,\"alpha\":16},"
             "\"mixture\":[{\"task\":\"chain\",\"depth\":[1,2]}]}}", folder, base, folder);
    finish(start(text));
    answers(base, false, plain);
    answers(base, true, adapted);
    answers("run/merged.gguf", false, merged);
    ck_assert_double_lt(distance(adapted, merged), 1e-3);
    ck_assert_double_gt(distance(plain, merged), 1e-2);
    for (int g = 0; g < 4; g++) {
        rollout_fini(&plain[g]);
        rollout_fini(&adapted[g]);
        rollout_fini(&merged[g]);
    }
    remove_folder();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("merge");
    TCase *t = tcase_create("all");
    SRunner *run_all = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_merged_model_is_base_and_adapter);
    suite_add_tcase(s, t);
    srunner_run_all(run_all, CK_NORMAL);
    failed = srunner_ntests_failed(run_all);
    srunner_free(run_all);
    return failed;
}
