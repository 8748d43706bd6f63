/* Examples as ids, held against what the decoder is given and draws. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "train/examples.h"
#include "train/rollout.h"
#include "train/scratch.h"

#include <check.h>

static char path[64];
static reasoner *r;

static const char *const texts[] = {
    "What is the result when you start with many numbers? Add the result.",
    "What is the result of the swap? Start with the boxes and swap the boxes.",
};

static const scratch_shape shape = {
    .name = "tiny", .n_layer = 2, .d_model = 32, .n_head = 2, .n_head_kv = 2, .d_head = 16,
    .d_ff = 64, .n_ctx = 256, .n_vocab = 400,
};

static void open_model(void)
{
    reasoner_options o = reasoner_defaults();
    const char *warning;
    errtext err;
    int fd;

    snprintf(path, sizeof path, "/tmp/test_sequence_XXXXXX");
    ck_assert_int_ge(fd = mkstemp(path), 0);
    close(fd);
    ck_assert_int_eq(scratch_write(&shape, 4, texts, 2, path, &err), OK);
    o.n_thread = 1;
    o.engine.n_ctx = 256;
    ck_assert_int_eq(reasoner_open(&r, path, &o, &warning, &err), OK);
    ck_assert_ptr_null(warning);
}

static void close_model(void)
{
    reasoner_close(r);
    unlink(path);
}

static int n_ids(const char *text)
{
    segments s = { 0 };
    int32_t *ids = NULL;
    int n = 0;
    errtext err;

    segments_plain(&s, text, strlen(text));
    ck_assert_int_eq(tokenizer_encode(reasoner_tokenizer(r), &s, 1000, &ids, &n, &err), OK);
    segments_fini(&s);
    mem_free(ids);
    return n;
}

START_TEST(frequent_words_are_one_token_and_traces_one_a_character)
{
    ck_assert_int_eq(n_ids(" result"), 1);
    ck_assert_int_eq(n_ids("What"), 1);
    ck_assert_int_eq(n_ids("82*3=246,46"), 11);
    ck_assert_int_eq(n_ids("24:adcbe"), 8);
    ck_assert_int_eq(n_ids("f17:result=tluser"), 17);
}
END_TEST

START_TEST(the_same_seed_makes_the_same_model)
{
    char again[64] = "/tmp/test_sequence_XXXXXX", command[200];
    errtext err;

    close(mkstemp(again));
    ck_assert_int_eq(scratch_write(&shape, 4, texts, 2, again, &err), OK);
    snprintf(command, sizeof command, "cmp -s %s %s", path, again);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(scratch_write(&shape, 5, texts, 2, again, &err), OK);
    ck_assert_int_ne(system(command), 0);
    unlink(again);
}
END_TEST

START_TEST(shapes_that_cannot_be_are_refused)
{
    scratch_shape bad = shape;
    errtext err;

    bad.n_vocab = 10;
    ck_assert_int_eq(scratch_write(&bad, 4, texts, 2, path, &err), E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "vocabulary"));
    bad = shape;
    bad.n_head_kv = 3;
    ck_assert_int_ne(scratch_write(&bad, 4, texts, 2, path, &err), OK);
}
END_TEST

static void text_of(const int32_t *ids, int n, char *out)
{
    *out = '\0';
    for (int i = 0; i < n; i++) {
        token_text t = tokenizer_text(reasoner_tokenizer(r), ids[i]);

        strncat(out, t.data, t.len);
    }
}

START_TEST(a_completion_is_trace_closer_answer_and_end)
{
    sequence q;
    chat c = { 0 };
    errtext err;
    char text[400];

    chat_of_prompt(&c, "Add 1 and <|end|> 2.");
    ck_assert_int_eq(sequence_encode(r, &c, true, EFFORT_HIGH, "1+2=3", "3", 256, &q, &err), OK);
    text_of(q.ids, q.n_prompt, text);
    ck_assert_str_eq(text, "<|user|>Add 1 and <|end|> 2.<|end|><|assistant|><|high|><think>");
    text_of(q.ids + q.n_prompt, q.n - q.n_prompt, text);
    ck_assert_str_eq(text, "1+2=3</think>3<|end|>");
    /* The user's mark is text, the template's is one token. */
    ck_assert_int_eq(q.ids[q.n - 1], tokenizer_eos(reasoner_tokenizer(r)));
    for (int i = 1, ends = 0; i < q.n_prompt; i++) {
        ends += q.ids[i] == tokenizer_eos(reasoner_tokenizer(r));
        ck_assert_int_le(ends, 1);
    }
    sequence_fini(&q);
    ck_assert_int_eq(sequence_encode(r, &c, false, EFFORT_NONE, NULL, "3", 256, &q, &err), OK);
    text_of(q.ids + q.n_prompt, q.n - q.n_prompt, text);
    ck_assert_str_eq(text, "3<|end|>");
    text_of(q.ids, q.n_prompt, text);
    ck_assert_ptr_nonnull(strstr(text, "<|assistant|><think></think>"));
    sequence_fini(&q);
    ck_assert_int_eq(sequence_encode(r, &c, true, EFFORT_HIGH, "1+2=3", "3", 30, &q, &err),
                     E_LIMIT);
    chat_fini(&c);
}
END_TEST

START_TEST(a_prompt_is_what_the_decoder_is_given)
{
    static const effort efforts[] = { EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH };
    rollout_options o = { .group = 2, .temperature = 1, .max_think = 8, .max_answer = 4,
                          .seed = 3, .tenant = 1 };
    chat c = { 0 };
    errtext err;

    chat_of_prompt(&c, "What is the result?");
    for (int i = 0; i < 4; i++) {
        const bool thinking = i < 3;
        const rollout_prompt p = { &c, thinking, thinking ? efforts[i] : EFFORT_MEDIUM, false };
        rollout out[2];
        sequence q;

        ck_assert_int_eq(rollout_run(r, &o, &p, 1, out, &err), OK);
        ck_assert_int_eq(sequence_encode(r, &c, thinking, p.effort, "", "", 256, &q, &err), OK);
        for (int k = 0; k < 2; k++) {
            ck_assert_int_eq(out[k].n_prompt, q.n_prompt);
            ck_assert_mem_eq(out[k].ids, q.ids, (size_t)q.n_prompt * sizeof *q.ids);
            rollout_fini(&out[k]);
        }
        sequence_fini(&q);
    }
    chat_fini(&c);
}
END_TEST

START_TEST(forced_closers_are_not_the_policys)
{
    rollout_options o = { .group = 8, .temperature = 1, .max_think = 8, .max_answer = 4,
                          .seed = 3, .tenant = 1 };
    const int32_t closer = tokenizer_special(reasoner_tokenizer(r), "</think>");
    rollout out[8];
    rollout_prompt p = { .thinking = true, .effort = EFFORT_LOW };
    chat c = { 0 };
    errtext err;
    int forced = 0;

    chat_of_prompt(&c, "What is the result?");
    p.chat = &c;
    ck_assert_int_eq(rollout_run(r, &o, &p, 1, out, &err), OK);
    for (int k = 0; k < 8; k++) {
        for (int t = 0; t < out[k].n; t++) {
            ck_assert_int_eq(out[k].drawn[t] && t < out[k].n_prompt, 0);
            if (t >= out[k].n_prompt && !out[k].drawn[t]) {
                ck_assert_int_eq(out[k].ids[t], closer);
                ck_assert_int_eq(out[k].closed_by == CLOSE_BUDGET ||
                                 out[k].closed_by == CLOSE_LIMIT ||
                                 out[k].closed_by == CLOSE_END, 1);
                forced++;
            }
            if (out[k].drawn[t]) ck_assert_float_lt(out[k].log_prob[t], 0);
        }
        if (out[k].closed_by == CLOSE_BUDGET) ck_assert(!rollout_whole(&out[k]));
        rollout_fini(&out[k]);
    }
    ck_assert_int_gt(forced, 0);
    chat_fini(&c);
}
END_TEST

START_TEST(rows_of_a_file_teach_what_their_weights_say)
{
    static const char rows[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
        "{\"role\":\"assistant\",\"content\":\"no\",\"weight\":0},"
        "{\"role\":\"user\",\"content\":\"b\"},"
        "{\"role\":\"assistant\",\"content\":\"yes\",\"reasoning_content\":\"so\"}]}\n"
        "{\"messages\":[{\"role\":\"user\",\"content\":\"c\"},"
        "{\"role\":\"assistant\",\"content\":\"well\"}]}\n";
    char file[64] = "/tmp/test_sequence_XXXXXX", text[400];
    bool seen_yes = false, seen_well = false;
    examples *e;
    job j = { .training_file = file, .n_ctx = 256, .seed = 1 };
    int64_t cursor = 0;
    errtext err;
    int fd = mkstemp(file);

    ck_assert_int_eq(write(fd, rows, strlen(rows)), (int)strlen(rows));
    close(fd);
    ck_assert_int_eq(examples_open(&e, &j, &err), OK);
    ck_assert_int_eq((int)examples_count(e), 2);
    for (int i = 0; i < 2; i++) {
        sequence q;

        ck_assert_int_eq(examples_next(e, r, &cursor, &q, &err), OK);
        text_of(q.ids + q.n_prompt, q.n - q.n_prompt, text);
        seen_yes |= !strcmp(text, "so</think>yes<|end|>");
        seen_well |= !strcmp(text, "well<|end|>");
        sequence_fini(&q);
    }
    ck_assert(seen_yes && seen_well);
    examples_close(e);
    unlink(file);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sequence");
    TCase *t = tcase_create("all");
    SRunner *run = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, open_model, close_model);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, frequent_words_are_one_token_and_traces_one_a_character);
    tcase_add_test(t, the_same_seed_makes_the_same_model);
    tcase_add_test(t, shapes_that_cannot_be_are_refused);
    tcase_add_test(t, a_completion_is_trace_closer_answer_and_end);
    tcase_add_test(t, a_prompt_is_what_the_decoder_is_given);
    tcase_add_test(t, forced_closers_are_not_the_policys);
    tcase_add_test(t, rows_of_a_file_teach_what_their_weights_say);
    suite_add_tcase(s, t);
    srunner_run_all(run, CK_NORMAL);
    failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed;
}
