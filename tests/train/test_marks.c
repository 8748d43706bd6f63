/* Calculator marks in training: what the trainer reads is what the sampler wrote,
 * bit for bit, and what the calculator wrote is learnt by nobody. */
#include <stdlib.h>

#include "base/mem.h"
#include "model/backward.h"
#include "model/weights.h"
#include "support/parrot.h"
#include "support/training.h"
#include "train/pack.h"
#include "train/rollout.h"
#include "train/sequence.h"

#include <check.h>       /* last: it has a macro named fail */

static const parrot_word script[] = {
    { " and ", 2 }, { "<<48/2=", 0 }, { "</think>", 0 }, { "12", 0 }, { "<|im_end|>", 0 },
};

static reasoner *open_at(const char *path)
{
    reasoner_options o = reasoner_defaults();
    const char *warning;
    reasoner *r;
    errtext err;

    o.n_thread = 1;
    o.engine.n_ctx = 1024;
    o.engine.kv_bytes = 64 << 20;
    ck_assert_msg(reasoner_open(&r, path, &o, &warning, &err) == OK, "%s", err.text);
    return r;
}

static chat question(const char *text)
{
    chat c = { 0 };

    chat_of_prompt(&c, text);
    return c;
}

START_TEST(what_follows_a_forced_result_has_the_same_log_prob_on_the_tape)
{
    rollout_options o = { .group = 16, .temperature = 1, .max_think = 60, .max_answer = 8,
                          .calculator = true, .seed = 5, .tenant = 1 };
    const trainable_options all = { 0 };
    rollout_prompt p = { .thinking = true, .effort = EFFORT_MEDIUM };
    char path[64];
    rollout out[16];
    reasoner *r;
    weights *w;
    trainable *t;
    tape *tp;
    pack rows;
    float *log_prob = mem_array(4096, sizeof *log_prob);
    int n_after = 0, n_forced = 0;
    chat c = question("Hi");
    errtext err;

    snprintf(path, sizeof path, "/tmp/marks-%ld.gguf", (long)getpid());
    parrot_write(path, NULL, 512, script, 5);
    r = open_at(path);
    ck_assert_int_eq(weights_open(&w, path, &err), OK);
    ck_assert_msg(trainable_new(&t, reasoner_model_mutable(r), w, &all, &err) == OK, "%s",
                  err.text);
    trainable_publish(t, reasoner_pool(r));
    tp = tape_new(t, 4096);
    p.chat = &c;
    ck_assert_int_eq(rollout_run(r, &o, &p, 1, out, &err), OK);
    pack_init(&rows, 4096);
    ck_assert(pack_prompt(&rows, out[0].ids, out[0].n_prompt));
    for (int g = 0; g < 16; g++)
        ck_assert(pack_completion(&rows, out[g].ids, out[g].n_prompt, out[g].n, out[g].drawn, g));
    tape_forward(tp, reasoner_pool(r), &(tape_batch){ rows.n_row, rows.ids, rows.n_run, rows.runs });
    tape_log_probs(tp, reasoner_pool(r), rows.targets, rows.n_target, 1, log_prob, NULL);
    for (int i = 0; i < rows.n_target; i++) {
        const rollout *one = &out[rows.origin[i]];
        const int at = rows.place[i];

        ck_assert_msg(log_prob[i] == one->log_prob[at], "answer %d token %d: %g, sampled %g",
                      rows.origin[i], at, log_prob[i], one->log_prob[at]);
        n_after += at > one->n_prompt && !one->drawn[at - 1];
    }
    for (int g = 0; g < 16; g++) {
        int marks = 0, forced = 0;

        for (const char *at = out[g].think; (at = strstr(at, "<<48/2=24>>")); at++) marks++;
        for (int k = out[g].n_prompt; k < out[g].n; k++)
            if (!out[g].drawn[k]) {
                forced++;
                ck_assert(out[g].log_prob[k] == 0);
            }
        if (out[g].closed_by == CLOSE_MODEL) ck_assert_int_eq(forced, 4 * marks);
        n_forced += forced;
    }
    ck_assert_int_gt(n_forced, 40);
    ck_assert_int_gt(n_after, 10);               /* draws right behind a result */
    ck_assert_int_gt(rows.n_target, 60);
    for (int g = 0; g < 16; g++) rollout_fini(&out[g]);
    pack_fini(&rows);
    tape_free(tp);
    trainable_free(t);
    weights_close(w);
    chat_fini(&c);
    reasoner_close(r);
    unlink(path);
    mem_free(log_prob);
}
END_TEST

/* ---------------------------------------------------------------- sequences */

static void texts_of(reasoner *r, const sequence *q, char *all, char *given)
{
    *all = *given = '\0';
    for (int i = q->n_prompt; i < q->n; i++) {
        const token_text t = tokenizer_text(reasoner_tokenizer(r), q->ids[i]);

        strncat(all, t.data, t.len);
        if (q->given && q->given[i]) strncat(given, t.data, t.len);
    }
}

START_TEST(results_in_examples_are_the_calculators_and_no_targets)
{
    static const struct { const char *think, *whole, *given; } list[] = {
        { "48/2 = <<48/2=24>>24 clips.", "48/2 = <<48/2=24>>24 clips.", "24>>" },
        { "<<5*.2=1.00>>1 <<1/4=.25>>.25", "<<5*.2=1>>1 <<1/4=0.25>>.25", "1>>0.25>>" },
        { "<<1+1=2>><<2+2=4>>", "<<1+1=2>><<2+2=4>>", "2>>4>>" },
        { "<<x=2>> <<1+1=2", "<<x=2>> <<1+1=2", "" },
        { "<<1+1=2\n>> <<1+1=<<2+2=4>>", "<<1+1=2\n>> <<1+1=<<2+2=4>>", "4>>" },
        { "none", "none", "" },
    };
    reasoner *r = open_at("tests/fixtures/model/llama");
    chat c = question("Hi");
    errtext err;

    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char all[400], given[400];
        sequence q, plain;

        ck_assert_msg(sequence_encode_marks(r, &c, true, EFFORT_MEDIUM, list[i].think, "24", 1000,
                                            &q, &err) == OK, "%s", err.text);
        texts_of(r, &q, all, given);
        ck_assert_msg(!strncmp(all, list[i].whole, strlen(list[i].whole)), "%s", all);
        ck_assert_ptr_nonnull(strstr(all + strlen(list[i].whole), "</think>"));
        ck_assert_str_eq(given, list[i].given);
        ck_assert_int_eq(sequence_encode(r, &c, true, EFFORT_MEDIUM, list[i].think, "24", 1000,
                                         &plain, &err), OK);
        ck_assert_ptr_null(plain.given);
        ck_assert_int_eq(sequence_targets(&plain, plain.n_prompt), plain.n - plain.n_prompt);
        if (*given) {
            pack p;
            int n = sequence_targets(&q, q.n_prompt);

            ck_assert_int_lt(n, q.n - q.n_prompt);
            pack_init(&p, 1000);
            ck_assert(pack_add_less(&p, q.ids, q.n, q.n_prompt, q.given, 0));
            ck_assert_int_eq(p.n_target, n);
            for (int k = 0; k < n; k++) ck_assert_int_eq(q.given[p.place[k]], 0);
            ck_assert_int_eq(p.n_row, q.n - 1);
            pack_fini(&p);
        } else {
            ck_assert_int_eq(q.n, plain.n);
            ck_assert_mem_eq(q.ids, plain.ids, (size_t)q.n * sizeof *q.ids);
        }
        sequence_fini(&q);
        sequence_fini(&plain);
    }
    ck_assert_int_eq(sequence_targets(&(sequence){ .n = 5 }, 2), 3);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

START_TEST(a_mark_does_not_make_an_example_too_long_to_fit)
{
    reasoner *r = open_at("tests/fixtures/model/llama");
    chat c = question("Hi");
    sequence q, cut;
    errtext err;

    ck_assert_int_eq(sequence_encode_marks(r, &c, true, EFFORT_MEDIUM, "<<1+1=2>>", "2", 1000, &q,
                                           &err), OK);
    for (int most = q.n_prompt; most < q.n + 2; most++) {
        const status st = sequence_encode_marks(r, &c, true, EFFORT_MEDIUM, "<<1+1=2>>", "2",
                                                most, &cut, &err);

        ck_assert_int_eq(st, most < q.n ? E_LIMIT : OK);
        sequence_fini(&cut);
    }
    sequence_fini(&q);
    chat_fini(&c);
    reasoner_close(r);
}
END_TEST

/* --------------------------------------------------------------------- jobs */

START_TEST(a_job_with_marks_runs_from_examples_to_rewards)
{
    static const char rows[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"2\"},{\"role\":\"assistant\","
        "\"reasoning_content\":\"<<1+1=2>>\",\"content\":\"2\"}],\"answer\":\"2\"}\n";
    static const char asked[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"2\"}],\"answer\":\"2\"}\n";
    char text[1500], file[160];
    json_t *list;
    FILE *f;
    long long with, without;

    make_folder();
    base_model();
    for (int k = 0; k < 2; k++) {
        snprintf(file, sizeof file, "%s/%s.jsonl", folder, k ? "asked" : "rows");
        ck_assert_ptr_nonnull(f = fopen(file, "w"));
        fputs(k ? asked : rows, f);
        fclose(f);
    }
    for (int k = 0; k < 2; k++) {
        snprintf(text, sizeof text,
                 "{\"model\":\"%s/base/model.gguf\",\"training_file\":\"%s/rows.jsonl\","
                 "\"ponder\":{\"output\":\"%s/sft%d\",\"context\":256,\"max_rows\":512,"
                 "\"steps\":%d,\"learning_rate\":0.01,\"warmup\":2,\"calculator\":%s}}",
                 folder, folder, folder, k, k ? 1 : 40, k ? "false" : "true");
        finish(start(text));
        list = metrics_of(k ? "sft1" : "sft0");
        *(k ? &without : &with) = json_integer_value(
            json_object_get(json_array_get(list, 0), "targets"));
        json_decref(list);
    }
    ck_assert_int_eq(without - with, 32 * 3);        /* "2>>" of 32 rows */
    snprintf(text, sizeof text,
             "{\"model\":\"%s/sft0/model.gguf\",\"training_file\":\"%s/asked.jsonl\","
             "\"validation_file\":\"%s/asked.jsonl\",\"method\":{\"type\":\"reinforcement\","
             "\"reinforcement\":{\"grader\":{\"type\":\"equivalence\",\"name\":\"g\",\"input\":"
             "\"{{sample.output_text}}\",\"reference\":\"{{item.answer}}\"}}},"
             "\"ponder\":{\"output\":\"%s/rl\",\"context\":256,\"max_rows\":512,\"steps\":3,"
             "\"calculator\":true,\"log_rollouts\":-1,"
             "\"rl\":{\"groups\":2,\"group_size\":8,\"max_think\":24,\"max_answer\":8}}}",
             folder, folder, folder, folder);
    finish(start(text));
    list = metrics_of("rl");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *diff = json_object_get(json_array_get(list, i), "logprob_max_diff");

        if (diff) ck_assert_double_eq(json_number_value(diff), 0);
    }
    json_decref(list);
    snprintf(file, sizeof file, "grep -rq '=2>>' %s/rl", folder);
    ck_assert_int_eq(system(file), 0);
    remove_folder();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("marks");
    TCase *t = tcase_create("all");
    SRunner *run_all = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 300);
    tcase_add_test(t, what_follows_a_forced_result_has_the_same_log_prob_on_the_tape);
    tcase_add_test(t, results_in_examples_are_the_calculators_and_no_targets);
    tcase_add_test(t, a_mark_does_not_make_an_example_too_long_to_fit);
    tcase_add_test(t, a_job_with_marks_runs_from_examples_to_rewards);
    suite_add_tcase(s, t);
    srunner_run_all(run_all, CK_NORMAL);
    failed = srunner_ntests_failed(run_all);
    srunner_free(run_all);
    return failed;
}
