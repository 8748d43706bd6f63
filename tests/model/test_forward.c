/* test_forward.c - logits against Hugging Face transformers, and invariant 1:
 * a token's logits have the same bits whatever goes with it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"
#include "tensor/internal.h"

#include <check.h>          /* last: it defines fail() as a macro */

#define FIXTURES "tests/fixtures/model/"
static const char *const families[] = { "llama", "llama3", "qwen2", "qwen3", "qwen3moe",
                                        "smollm3" };
#define N_FAMILY ((int)(sizeof families / sizeof families[0]))

static const int types[] = { DTYPE_F32, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0 };
#define N_TYPE ((int)(sizeof types / sizeof types[0]))

static model *open_fixture(const char *name, int type, pool *threads)
{
    char path[128];
    weights *w;
    model *m;
    errtext err;

    snprintf(path, sizeof path, FIXTURES "%s", name);
    ck_assert_msg(weights_open(&w, path, &err) == OK, "%s", err.text);
    ck_assert_msg(model_new(&m, w, type, threads, &err) == OK, "%s", err.text);
    weights_close(w);
    return m;
}

/* A set-up to run passes with. */
typedef struct rig {
    pool *threads;
    const model *m;
    kv_cache *kv;
    workspace *ws;
    int32_t pages[64][16];   /* of up to 64 sequences of up to 256 positions */
} rig;

static rig rig_new(const model *m, int n_thread)
{
    rig r = { .threads = pool_new(n_thread), .m = m };

    r.kv = model_kv_new(m, 64 * 16);
    r.ws = workspace_new(m, 512, 512);
    for (int s = 0; s < 64; s++)
        for (int i = 0; i < 16; i++) r.pages[s][i] = (s * 16 + i) * 7 % 1024;
    return r;
}

static void rig_fini(rig *r)
{
    workspace_free(r->ws);
    kv_free(r->kv);
    pool_free(r->threads);
}

/* Logits of all rows of one run. */
static const float *run_rows(rig *r, int seq, int first_pos, const int32_t *ids, int n)
{
    attend_run run = { r->pages[seq], first_pos, n, 0 };
    int32_t out[512];
    forward_batch b = { n, ids, 1, &run, n, out };

    for (int i = 0; i < n; i++) out[i] = i;
    return model_forward(r->m, r->ws, r->kv, r->threads, &b);
}

static const uint8_t *take(const uint8_t **at, size_t n)
{
    const uint8_t *p = *at;

    *at += n;
    return p;
}

START_TEST(logits_are_those_of_transformers)
{
    const char *name = families[_i % N_FAMILY];
    const cpu_level level = (cpu_level)(_i / N_FAMILY);
    char path[128];
    bytes file = { 0 };
    pool *threads = pool_new(1);
    model *m;
    const uint8_t *at;
    int32_t n_seq, n_vocab;
    double worst = 0;
    rig r;

    tensor_set_level(level);
    m = open_fixture(name, DTYPE_F32, threads);
    r = rig_new(m, 2);
    snprintf(path, sizeof path, FIXTURES "%s/logits.bin", name);
    ck_assert_int_eq(file_read(&file, path, 1 << 24, NULL), OK);
    at = (const uint8_t *)file.data;
    ck_assert(!memcmp(take(&at, 4), "PLG1", 4));
    memcpy(&n_seq, take(&at, 4), 4);
    memcpy(&n_vocab, take(&at, 4), 4);
    ck_assert_int_eq(n_vocab, model_config(m)->n_vocab);
    for (int s = 0; s < n_seq; s++) {
        int32_t n, ids[256];
        const float *got;

        memcpy(&n, take(&at, 4), 4);
        memcpy(ids, take(&at, 4 * (size_t)n), 4 * (size_t)n);
        got = run_rows(&r, s, 0, ids, n);
        for (int i = 0; i < n * n_vocab; i++) {
            float want;

            memcpy(&want, take(&at, 4), 4);
            worst = fmax(worst, fabs((double)want - (double)got[i]));
        }
    }
    ck_assert_msg(worst < 2e-3, "%s: logits differ by %g", name, worst);
    bytes_fini(&file);
    rig_fini(&r);
    model_free(m);
    pool_free(threads);
}
END_TEST

/* 40 ids of sequence s. */
static void some_ids(const model *m, int s, int32_t *ids, int n)
{
    for (int i = 0; i < n; i++)
        ids[i] = (int32_t)(rng_u64(11, (uint64_t)s, (uint64_t)i) %
                           (uint64_t)model_config(m)->n_vocab);
}

static int differing(const float *a, const float *b, size_t n)
{
    int count = 0;

    for (size_t i = 0; i < n; i++) count += memcmp(&a[i], &b[i], 4) != 0;
    return count;
}

#define LENGTH 40

/* Sequence s alone, position by position, on one thread: the reference. */
static float *one_by_one(const model *m, int s)
{
    rig r = rig_new(m, 1);
    size_t v = (size_t)model_config(m)->n_vocab;
    float *all = mem_array(LENGTH * v, sizeof *all);
    int32_t ids[LENGTH];

    some_ids(m, s, ids, LENGTH);
    for (int i = 0; i < LENGTH; i++)
        memcpy(all + (size_t)i * v, run_rows(&r, 0, i, ids + i, 1), v * 4);
    rig_fini(&r);
    return all;
}

START_TEST(chunks_and_threads_do_not_change_a_bit)
{
    pool *one = pool_new(1);
    model *m = open_fixture(families[_i % N_FAMILY], types[_i / N_FAMILY], one);
    size_t v = (size_t)model_config(m)->n_vocab;
    float *want = one_by_one(m, 5);
    const int cuts[][4] = { { 40, 0 }, { 1, 39, 0 }, { 17, 16, 7, 0 }, { 33, 7, 0 } };
    int32_t ids[LENGTH];

    some_ids(m, 5, ids, LENGTH);
    for (int n_thread = 1; n_thread <= 3; n_thread++)
        for (size_t c = 0; c < sizeof cuts / sizeof cuts[0]; c++) {
            rig r = rig_new(m, n_thread);

            for (int k = 0, at = 0; cuts[c][k]; at += cuts[c][k++]) {
                const float *got = run_rows(&r, 3, at, ids + at, cuts[c][k]);

                ck_assert_int_eq(differing(got, want + (size_t)at * v,
                                           (size_t)cuts[c][k] * v), 0);
            }
            rig_fini(&r);
        }
    mem_free(want);
    model_free(m);
    pool_free(one);
}
END_TEST

/* n sequences side by side, decoded in lock-step after prompts of unequal
 * length that went in together; sequence s must not notice. */
START_TEST(neighbours_do_not_change_a_bit)
{
    pool *one = pool_new(1);
    model *m = open_fixture(families[_i % N_FAMILY], types[_i / N_FAMILY], one);
    size_t v = (size_t)model_config(m)->n_vocab;
    const int batch[] = { 7, 64 };

    for (int b = 0; b < 2; b++) {
        int n = batch[b], watch = n - 2;
        float *want = one_by_one(m, watch);
        rig r = rig_new(m, 2);
        int32_t ids[64][LENGTH], flat[512], out[512];
        attend_run runs[64];
        int n_row = 0;

        for (int s = 0; s < n; s++) some_ids(m, s, ids[s], LENGTH);
        for (int s = 0; s < n; s++) {
            int prompt = 1 + s % 7;

            runs[s] = (attend_run){ r.pages[s], 0, prompt, n_row };
            memcpy(flat + n_row, ids[s], (size_t)prompt * sizeof flat[0]);
            n_row += prompt;
        }
        for (int i = 0; i < n_row; i++) out[i] = i;
        for (int step = 0; step < 20; step++) {
            forward_batch fb = { n_row, flat, n, runs, n_row, out };
            const float *got = model_forward(m, r.ws, r.kv, r.threads, &fb);

            ck_assert_int_eq(differing(got + (size_t)runs[watch].row * v,
                                       want + (size_t)runs[watch].first_pos * v,
                                       (size_t)runs[watch].n_row * v), 0);
            n_row = n;
            for (int s = 0; s < n; s++) {
                int next = runs[s].first_pos + runs[s].n_row;

                runs[s] = (attend_run){ r.pages[s], next, 1, s };
                flat[s] = ids[s][next];
            }
        }
        mem_free(want);
        rig_fini(&r);
    }
    model_free(m);
    pool_free(one);
}
END_TEST

/* Angles are made as positions come; those of earlier ones must stay. */
START_TEST(a_far_position_leaves_the_near_ones_as_they_are)
{
    pool *one = pool_new(1);
    model *m = open_fixture(families[_i], DTYPE_F32, one);
    size_t v = (size_t)model_config(m)->n_vocab;
    float *want = one_by_one(m, 5);
    rig r = rig_new(m, 2);
    int32_t ids[LENGTH], far[64], out = 0;

    some_ids(m, 5, ids, LENGTH);
    for (int i = 0; i < 64; i++) far[i] = 1000 + i % 24;
    for (int pos = 0; pos < 1024; pos += 300) {
        attend_run run = { far, pos, 1, 0 };
        forward_batch b = { 1, ids, 1, &run, 1, &out };
        const float *got = run_rows(&r, 3, 0, ids, LENGTH);

        ck_assert_int_eq(differing(got, want, LENGTH * v), 0);
        ck_assert_ptr_nonnull(model_forward(m, r.ws, r.kv, r.threads, &b));
    }
    mem_free(want);
    rig_fini(&r);
    model_free(m);
    pool_free(one);
}
END_TEST

START_TEST(a_shared_prefix_page_gives_the_bits_of_a_fresh_one)
{
    pool *one = pool_new(1);
    model *m = open_fixture(families[_i % N_FAMILY], types[_i / N_FAMILY], one);
    size_t v = (size_t)model_config(m)->n_vocab;
    float *want = one_by_one(m, 1);
    rig r = rig_new(m, 2);
    int32_t ids[LENGTH];
    const float *got;

    some_ids(m, 1, ids, LENGTH);
    run_rows(&r, 0, 0, ids, 32);
    r.pages[1][0] = r.pages[0][0];           /* two whole pages shared */
    r.pages[1][1] = r.pages[0][1];
    got = run_rows(&r, 1, 32, ids + 32, 8);
    ck_assert_int_eq(differing(got, want + 32 * v, 8 * v), 0);
    mem_free(want);
    rig_fini(&r);
    model_free(m);
    pool_free(one);
}
END_TEST

START_TEST(levels_agree_bit_for_bit)
{
    pool *one = pool_new(1);
    model *m = open_fixture("qwen3", types[_i], one);
    size_t v = (size_t)model_config(m)->n_vocab;
    float *want;

    tensor_set_level(CPU_SCALAR);
    want = one_by_one(m, 2);
    for (int l = CPU_AVX2; l <= CPU_AMX; l++) {
        float *got;

        tensor_set_level((cpu_level)l);
        got = one_by_one(m, 2);
        ck_assert_int_eq(differing(got, want, LENGTH * v), 0);
        mem_free(got);
    }
    mem_free(want);
    model_free(m);
    pool_free(one);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("forward");
    TCase *t = tcase_create("forward");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 600);
    tcase_add_loop_test(t, logits_are_those_of_transformers, 0, N_FAMILY * 4);
    tcase_add_loop_test(t, chunks_and_threads_do_not_change_a_bit, 0, N_FAMILY * N_TYPE);
    tcase_add_loop_test(t, neighbours_do_not_change_a_bit, 0, N_FAMILY * N_TYPE);
    tcase_add_loop_test(t, a_far_position_leaves_the_near_ones_as_they_are, 0, N_FAMILY);
    tcase_add_loop_test(t, a_shared_prefix_page_gives_the_bits_of_a_fresh_one, 0,
                        N_FAMILY * N_TYPE);
    tcase_add_loop_test(t, levels_agree_bit_for_bit, 0, N_TYPE);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
