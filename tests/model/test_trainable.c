/* test_trainable.c - parameters: their names, their files, their errors. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "model/convert.h"
#include "model/learner.h"

static const char *temp_path(const char *name)
{
    static char path[2][96];
    static int next;
    char *p = path[next++ & 1];

    snprintf(p, sizeof path[0], "/tmp/trainable-%ld-%s", (long)getpid(), name);
    return p;
}

/* Log-probs of the model at PATH, its matrices of a type. */
static void of_file(const char *path, int type, const sample_batch *s, float *log_prob)
{
    rig r = { .threads = pool_new(2) };
    errtext err;

    ck_assert_msg(weights_open(&r.w, path, &err) == OK, "%s", err.text);
    ck_assert_msg(weights_check_finite(r.w, &err) == OK, "%s", err.text);
    ck_assert_msg(model_new(&r.m, r.w, type, r.threads, &err) == OK, "%s", err.text);
    sampled(&r, s, 1, log_prob);
    rig_free(&r);
}

START_TEST(a_written_model_says_what_the_trained_one_says)
{
    rig r = rig_moved(_i, DTYPE_BF16, 2);
    const char *path = temp_path("written.gguf");
    sample_batch s;
    float want[256], got[256];
    errtext err;

    sample_make(&s, r.m, true);
    sampled(&r, &s, 1, want);
    for (int i = 0; i < 2; i++) {            /* the second over the first */
        dtype type = i ? DTYPE_BF16 : DTYPE_F32;

        ck_assert_msg(trainable_write(r.t, r.w, type, path, &err) == OK, "%s", err.text);
        of_file(path, DTYPE_BF16, &s, got);
        ck_assert_int_eq(memcmp(want, got, (size_t)s.n_target * sizeof *got), 0);
    }
    unlink(path);
    rig_free(&r);
}
END_TEST

/* F16 and Q8_0 round as a conversion would. */
START_TEST(a_model_is_written_in_the_types_of_conversions)
{
    const dtype type = _i % 2 ? DTYPE_F16 : DTYPE_Q8_0;
    const char *path = temp_path("typed.gguf");
    rig r = rig_new(_i / 2, DTYPE_F32, 2, (trainable_options){ 0 });
    char source[128];
    sample_batch s;
    float want[256], got[256];
    errtext err;

    sample_make(&s, r.m, true);
    snprintf(source, sizeof source, FIXTURES "%s", families[_i / 2]);
    of_file(source, type, &s, want);
    ck_assert_msg(trainable_write(r.t, r.w, type, path, &err) == OK, "%s", err.text);
    of_file(path, MODEL_KEEP_TYPES, &s, got);
    ck_assert_int_eq(memcmp(want, got, (size_t)s.n_target * sizeof *got), 0);
    unlink(path);
    rig_free(&r);
}
END_TEST

/* A model read from GGUF trains on and is written again, with its own keys. */
START_TEST(a_gguf_model_goes_round)
{
    const char *first = temp_path("first.gguf"), *second = temp_path("second.gguf");
    convert_options o = { .n_thread = 1 };
    char source[128];
    sample_batch s;
    float want[256], got[256];
    errtext err;
    tokenizer *tok;
    rig r;

    snprintf(source, sizeof source, FIXTURES "%s", families[_i]);
    ck_assert_msg(convert_model(source, first, &o, &err) == OK, "%s", err.text);
    r = rig_open(first, DTYPE_F32, 2, (trainable_options){ 0 });
    sample_make(&s, r.m, true);
    sampled(&r, &s, 1, want);
    trainable_publish(r.t, r.threads);       /* masters are in the order of the matrices */
    sampled(&r, &s, 1, got);
    ck_assert_int_eq(memcmp(want, got, (size_t)s.n_target * sizeof *got), 0);
    for (int i = 0; i < trainable_count(r.t); i++)
        trainable_param(r.t, i)->value[1] += 0.5f;
    trainable_publish(r.t, r.threads);
    sampled(&r, &s, 1, want);
    ck_assert_msg(trainable_write(r.t, r.w, DTYPE_F32, second, &err) == OK, "%s", err.text);
    of_file(second, DTYPE_F32, &s, got);
    ck_assert_int_eq(memcmp(want, got, (size_t)s.n_target * sizeof *got), 0);
    ck_assert_msg(weights_tokenizer_only(second, &tok, &err) == OK, "%s", err.text);
    tokenizer_free(tok);
    unlink(first);
    unlink(second);
    rig_free(&r);
}
END_TEST

START_TEST(masters_are_the_values_of_the_file)
{
    rig r = rig_new(_i, DTYPE_BF16, 1, (trainable_options){ 0 });
    int64_t n = 0;

    for (int i = 0; i < trainable_count(r.t); i++) {
        const param *p = trainable_param(r.t, i);
        const weight *t = weights_find(r.w, p->name);
        float *row = mem_array((size_t)p->n_in, sizeof *row);

        ck_assert_msg(t != NULL, "%s", p->name);
        ck_assert(p->decay == (t->n_dim == 2));
        ck_assert(p->embedding == (!strcmp(p->name, "token_embd.weight") ||
                                   !strcmp(p->name, "output.weight")));
        for (int k = 0; k < p->n_out; k++) {
            dtype_decode_row(t->type, (const uint8_t *)t->data + (size_t)k *
                                          dtype_row_bytes(t->type, p->n_in), row, p->n_in);
            ck_assert_int_eq(memcmp(row, p->value + (size_t)k * (size_t)p->n_in,
                                    (size_t)p->n_in * sizeof *row), 0);
        }
        n += (int64_t)p->n_out * p->n_in;
        mem_free(row);
    }
    ck_assert_int_eq(n, trainable_elements(r.t));
    ck_assert_int_eq(trainable_count(r.t), weights_count(r.w));
    rig_free(&r);
}
END_TEST

START_TEST(adapters_start_without_effect)
{
    rig r = rig_new(_i, DTYPE_Q8_0, 1, (trainable_options){ .lora_rank = 4, .lora_alpha = 32 });
    int slots = 7 * model_config(r.m)->n_layer;
    sample_batch s;
    float with[256], without[256];
    char path[128];

    if (model_config(r.m)->n_expert)
        slots = (4 + 3 * model_config(r.m)->n_expert) * model_config(r.m)->n_layer;
    ck_assert_int_eq(trainable_count(r.t), 2 * slots);
    for (int i = 0; i < trainable_count(r.t); i++) {
        const param *p = trainable_param(r.t, i);
        bool b = strstr(p->name, ".lora_b") != NULL;

        ck_assert_int_eq(b ? p->n_in : p->n_out, 4);
        ck_assert(p->decay && !p->embedding);
        for (int k = 0; k < p->n_out * p->n_in; k++)
            ck_assert(b ? p->value[k] == 0
                        : fabsf(p->value[k]) <= 1 / sqrtf((float)p->n_in));
        if (!b) ck_assert(p->value[0] != p->value[1]);
    }
    sample_make(&s, r.m, true);
    sampled(&r, &s, 1, with);
    snprintf(path, sizeof path, FIXTURES "%s", families[_i]);
    of_file(path, DTYPE_Q8_0, &s, without);
    ck_assert_int_eq(memcmp(with, without, (size_t)s.n_target * sizeof *with), 0);
    rig_free(&r);
}
END_TEST

START_TEST(the_seed_draws_the_adapters)
{
    const uint64_t seeds[3] = { 4, 4, 5 };
    float *a[3];
    size_t n = 0;

    for (int i = 0; i < 3; i++) {
        rig r = rig_new(0, DTYPE_F32, 1, (trainable_options){ .lora_rank = 3, .lora_alpha = 1,
                                                              .seed = seeds[i] });

        n = r.t->n_float * sizeof(float);
        a[i] = mem_copy(r.t->values, n);
        rig_free(&r);
    }
    ck_assert_int_eq(memcmp(a[0], a[1], n), 0);
    ck_assert_int_ne(memcmp(a[0], a[2], n), 0);
    for (int i = 0; i < 3; i++) mem_free(a[i]);
}
END_TEST

/* Adapters leave with their trainer. */
START_TEST(a_model_is_itself_again_after_the_trainer)
{
    rig r = rig_moved(3, DTYPE_Q4_0, 1);
    sample_batch s;
    float with[256], after[256], base[256];

    sample_make(&s, r.m, true);
    sampled(&r, &s, 1, with);
    tape_free(r.p);
    trainable_free(r.t);
    r.p = NULL;
    r.t = NULL;
    sampled(&r, &s, 1, after);
    of_file(FIXTURES "qwen3", DTYPE_Q4_0, &s, base);
    ck_assert_int_ne(memcmp(with, after, (size_t)s.n_target * sizeof *with), 0);
    ck_assert_int_eq(memcmp(base, after, (size_t)s.n_target * sizeof *with), 0);
    rig_free(&r);
}
END_TEST

static void check_refused(model *m, const weights *w, trainable_options o, status want,
                          const char *says)
{
    trainable *t = (trainable *)1;
    errtext err;

    ck_assert_int_eq(trainable_new(&t, m, w, &o, &err), want);
    ck_assert_msg(strstr(err.text, says) != NULL, "%s", err.text);
    ck_assert_ptr_null(t);
}

START_TEST(options_out_of_range_are_refused)
{
    rig r = { .threads = pool_new(1) };
    errtext err;

    ck_assert_int_eq(weights_open(&r.w, FIXTURES "llama", &err), OK);
    ck_assert_int_eq(model_new(&r.m, r.w, DTYPE_F32, r.threads, &err), OK);
    check_refused(r.m, r.w, (trainable_options){ .lora_rank = -1 }, E_ARG, "lora_rank is -1");
    check_refused(r.m, r.w, (trainable_options){ .lora_rank = 5000, .lora_alpha = 1 }, E_ARG,
                  "lora_rank is 5000");
    check_refused(r.m, r.w, (trainable_options){ .lora_rank = 4 }, E_ARG, "lora_alpha is 0");
    check_refused(r.m, r.w, (trainable_options){ .lora_rank = 4, .lora_alpha = NAN }, E_ARG,
                  "lora_alpha is");
    check_refused(r.m, r.w, (trainable_options){ .router_balance = -1 }, E_ARG,
                  "router_balance is -1");
    check_refused(r.m, r.w, (trainable_options){ .router_balance = NAN }, E_ARG,
                  "router_balance is");
    rig_free(&r);
}
END_TEST

START_TEST(quantised_weights_are_named_as_what_cannot_train)
{
    rig r = { .threads = pool_new(1) };
    const int cannot[] = { DTYPE_Q8_0, DTYPE_Q4_0, DTYPE_F16 };
    errtext err;

    ck_assert_int_eq(weights_open(&r.w, FIXTURES "qwen3moe", &err), OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(model_new(&r.m, r.w, cannot[i], r.threads, &err), OK);
        check_refused(r.m, r.w, (trainable_options){ 0 }, E_UNSUPPORTED,
                      "token_embd.weight is ");
        model_free(r.m);
    }
    r.m = NULL;
    rig_free(&r);
}
END_TEST

START_TEST(weights_of_another_model_are_refused)
{
    rig r = { .threads = pool_new(1) };
    weights *other;
    errtext err;

    ck_assert_int_eq(weights_open(&r.w, FIXTURES "llama", &err), OK);
    ck_assert_int_eq(model_new(&r.m, r.w, DTYPE_F32, r.threads, &err), OK);
    ck_assert_int_eq(weights_open(&other, FIXTURES "qwen3", &err), OK);
    check_refused(r.m, other, (trainable_options){ 0 }, E_FORMAT, "token_embd.weight");
    weights_close(other);
    ck_assert_int_eq(weights_open(&other, FIXTURES "smollm3", &err), OK);
    check_refused(r.m, other, (trainable_options){ 0 }, E_FORMAT, "another shape");
    weights_close(other);
    rig_free(&r);
}
END_TEST

/* The masters are read from a mapped file, which another program may cut. */
START_TEST(weights_cut_short_in_use_are_an_error)
{
    rig r = { .threads = pool_new(1) };
    const char *path = temp_path("cut.gguf");
    convert_options o = { .n_thread = 1 };
    errtext err;

    ck_assert_int_eq(convert_model(FIXTURES "llama", path, &o, &err), OK);
    ck_assert_int_eq(weights_open(&r.w, path, &err), OK);
    ck_assert_int_eq(model_new(&r.m, r.w, DTYPE_F32, r.threads, &err), OK);
    ck_assert_int_eq(truncate(path, 4096), 0);
    check_refused(r.m, r.w, (trainable_options){ 0 }, E_IO, "cut short");
    unlink(path);
    rig_free(&r);
}
END_TEST

START_TEST(a_value_that_is_not_finite_is_not_written)
{
    rig r = rig_new(1, DTYPE_F32, 1, (trainable_options){ 0 });
    const char *path = temp_path("nan.gguf");
    errtext err;

    trainable_param(r.t, 4)->value[7] = INFINITY;
    ck_assert_int_eq(trainable_write(r.t, r.w, DTYPE_F32, path, &err), E_FORMAT);
    ck_assert_msg(strstr(err.text, trainable_param(r.t, 4)->name) && strstr(err.text, "element 7"),
                  "%s", err.text);
    trainable_param(r.t, 4)->value[7] = 70000;
    ck_assert_int_eq(trainable_write(r.t, r.w, DTYPE_F16, path, &err), E_FORMAT);
    ck_assert_msg(strstr(err.text, trainable_param(r.t, 4)->name) != NULL, "%s", err.text);
    ck_assert(!file_exists(path));
    rig_free(&r);
}
END_TEST

START_TEST(a_place_that_cannot_be_written_is_an_error)
{
    rig r = rig_new(0, DTYPE_F32, 1, (trainable_options){ 0 });
    errtext err;

    ck_assert_int_eq(trainable_write(r.t, r.w, DTYPE_F32, "/nowhere/x.gguf", &err), E_IO);
    ck_assert_msg(strstr(err.text, "/nowhere/x.gguf") != NULL, "%s", err.text);
    ck_assert_int_eq(trainable_write(r.t, r.w, DTYPE_Q4_K, "/tmp/x.gguf", &err), E_ARG);
    ck_assert_msg(strstr(err.text, "Q4_K") != NULL, "%s", err.text);
    rig_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trainable");
    TCase *tc = tcase_create("trainable");
    SRunner *sr;
    int n_failed;

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, a_written_model_says_what_the_trained_one_says, 0, N_FAMILY);
    tcase_add_loop_test(tc, a_model_is_written_in_the_types_of_conversions, 0, 2 * N_FAMILY);
    tcase_add_loop_test(tc, a_gguf_model_goes_round, 0, N_FAMILY);
    tcase_add_loop_test(tc, masters_are_the_values_of_the_file, 0, N_FAMILY);
    tcase_add_loop_test(tc, adapters_start_without_effect, 0, N_FAMILY);
    tcase_add_test(tc, the_seed_draws_the_adapters);
    tcase_add_test(tc, a_model_is_itself_again_after_the_trainer);
    tcase_add_test(tc, options_out_of_range_are_refused);
    tcase_add_test(tc, quantised_weights_are_named_as_what_cannot_train);
    tcase_add_test(tc, weights_of_another_model_are_refused);
    tcase_add_test(tc, weights_cut_short_in_use_are_an_error);
    tcase_add_test(tc, a_value_that_is_not_finite_is_not_written);
    tcase_add_test(tc, a_place_that_cannot_be_written_is_an_error);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
