/* The codecs against the gguf package and ggml (dtype.bin, made by
 * tools/make_dtype_fixtures.py), and their behaviour at the edges. */
#include "tensor/dtype.h"

#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"

#include <check.h>       /* last: it has a macro named fail */

#define N_INPUT 4096

static const dtype quantised[] = { DTYPE_Q4_0, DTYPE_Q4_1, DTYPE_Q5_0, DTYPE_Q5_1, DTYPE_Q8_0,
                                   DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K };
#define N_QUANTISED ((int)(sizeof quantised / sizeof *quantised))

typedef struct section {
    dtype type;
    uint32_t n_coded, n_raw, n_value;
    const uint8_t *coded, *raw, *value;
    double rmse;
} section;

static bytes file;
static float input[N_INPUT];
static section sections[16];
static int n_section;

static const uint8_t *take(size_t *at, size_t n)
{
    const uint8_t *p = (const uint8_t *)file.data + *at;

    ck_assert(n <= file.len && *at <= file.len - n);
    *at += n;
    return p;
}

static void load_fixtures(void)
{
    errtext err;
    size_t at = 0;

    ck_assert_msg(file_read(&file, "tests/tensor/dtype.bin", 1 << 20, &err) == OK, "%s", err.text);
    memcpy(input, take(&at, sizeof input), sizeof input);
    while (at < file.len) {
        section *s = &sections[n_section++];
        uint32_t type;

        memcpy(&type, take(&at, 4), 4);
        s->type = (dtype)type;
        memcpy(&s->n_coded, take(&at, 4), 4);
        s->coded = take(&at, s->n_coded);
        memcpy(&s->rmse, take(&at, 8), 8);
        memcpy(&s->n_raw, take(&at, 4), 4);
        s->raw = take(&at, s->n_raw);
        memcpy(&s->n_value, take(&at, 4), 4);
        s->value = take(&at, (size_t)s->n_value * 4);
    }
    ck_assert_int_eq(n_section, 10);
}

static float random_float(uint64_t i)
{
    return (float)rng_normal(7, 1, i) * expf((float)rng_normal(7, 2, i / 32));
}

START_TEST(decoding_gives_the_bits_of_the_gguf_package)
{
    for (int i = 0; i < n_section; i++) {
        const section *s = &sections[i];
        float *got = mem_array(s->n_value, 4);

        ck_assert_uint_eq(dtype_row_bytes(s->type, s->n_value), s->n_raw);
        dtype_decode_row(s->type, s->raw, got, s->n_value);
        ck_assert_msg(!memcmp(got, s->value, (size_t)s->n_value * 4), "%s", dtype_name(s->type));
        mem_free(got);
    }
}
END_TEST

START_TEST(encoding_gives_the_bytes_of_ggml)
{
    int n = 0;

    for (int i = 0; i < n_section; i++) {
        const section *s = &sections[i];
        uint8_t got[N_INPUT * 4];

        if (!s->n_coded) continue;
        ck_assert_uint_eq(dtype_row_bytes(s->type, N_INPUT), s->n_coded);
        dtype_encode_row(s->type, input, got, N_INPUT);
        for (uint32_t j = 0; j < s->n_coded; j++)
            ck_assert_msg(got[j] == s->coded[j], "%s: byte %u is %d, ggml writes %d",
                          dtype_name(s->type), j, got[j], s->coded[j]);
        n++;
    }
    ck_assert_int_eq(n, 7);
}
END_TEST

START_TEST(k_quants_err_no_more_than_ggml)
{
    int n = 0;

    for (int i = 0; i < n_section; i++) {
        const section *s = &sections[i];
        uint8_t coded[N_INPUT * 4];
        float back[N_INPUT];
        double sum = 0;

        if (s->n_coded) continue;
        dtype_encode_row(s->type, input, coded, N_INPUT);
        dtype_decode_row(s->type, coded, back, N_INPUT);
        for (int j = 0; j < N_INPUT; j++)
            sum += ((double)back[j] - input[j]) * ((double)back[j] - input[j]);
        /* Summing in another order moves it by under 0.1%. */
        ck_assert_msg(sqrt(sum / N_INPUT) <= 1.002 * s->rmse, "%s: rmse %g, ggml %g",
                      dtype_name(s->type), sqrt(sum / N_INPUT), s->rmse);
        n++;
    }
    ck_assert_int_eq(n, 3);
}
END_TEST

START_TEST(every_half_survives_the_round_trip)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = f16_to_f32((uint16_t)h);

        if ((h & 0x7C00) == 0x7C00 && (h & 0x3FF)) {
            ck_assert(isnan(f) && f32_to_f16(f) == (h | 0x200));
        } else {
            int exponent = (int)(h >> 10 & 31), fraction = (int)(h & 0x3FF);
            double want = exponent == 31 ? INFINITY
                        : exponent ? ldexp(1024 + fraction, exponent - 25)
                                   : ldexp(fraction, -24);

            ck_assert(f == (h & 0x8000 ? -want : want));
            ck_assert_uint_eq(f32_to_f16(f), h);
        }
    }
}
END_TEST

START_TEST(floats_round_to_the_nearest_half_and_ties_to_even)
{
    for (uint32_t h = 0; h < 0x7BFF; h++) {
        float a = f16_to_f32((uint16_t)h), b = f16_to_f32((uint16_t)(h + 1));
        float mid = (float)(((double)a + b) / 2);

        ck_assert_uint_eq(f32_to_f16(mid), h & 1 ? h + 1 : h);
        ck_assert_uint_eq(f32_to_f16(nextafterf(mid, 0)), h);
        ck_assert_uint_eq(f32_to_f16(nextafterf(mid, INFINITY)), h + 1);
        ck_assert_uint_eq(f32_to_f16(-mid), (h & 1 ? h + 1 : h) | 0x8000);
    }
    ck_assert_uint_eq(f32_to_f16(65519.996f), 0x7BFF);
    ck_assert_uint_eq(f32_to_f16(65520.0f), 0x7C00);
    ck_assert_uint_eq(f32_to_f16(-FLT_MAX), 0xFC00);
    ck_assert_uint_eq(f32_to_f16(FLT_TRUE_MIN), 0);
}
END_TEST

START_TEST(rows_of_halves_equal_single_halves)
{
    static uint16_t halves[65536], back[65536];
    static float floats[65536];

    for (int i = 0; i < 65536; i++) halves[i] = (uint16_t)i;
    dtype_decode_row(DTYPE_F16, halves, floats, 65536);
    for (int i = 0; i < 65536; i++) {
        float want = f16_to_f32((uint16_t)i);

        ck_assert_msg(!memcmp(&floats[i], &want, 4), "half %04x", i);
    }
    for (int i = 0; i < 65536; i++) {
        uint32_t u = (uint32_t)rng_u64(3, 0, (uint64_t)i);

        /* All exponents, and more of those a half can hold. */
        if (i & 1) u = (u & 0x87FFFFFFu) | (uint32_t)(96 + i % 64) << 23;
        memcpy(&floats[i], &u, 4);
    }
    dtype_encode_row(DTYPE_F16, floats, back, 65531);
    for (int i = 0; i < 65531; i++)
        ck_assert_msg(back[i] == f32_to_f16(floats[i]), "float %a", floats[i]);
}
END_TEST

START_TEST(bfloats_round_to_even_and_keep_nans)
{
    ck_assert_uint_eq(f32_to_bf16(1.0f), 0x3F80);
    ck_assert_uint_eq(f32_to_bf16(1.00390625f), 0x3F80);         /* half way down */
    ck_assert_uint_eq(f32_to_bf16(1.01171875f), 0x3F82);         /* half way up */
    ck_assert_uint_eq(f32_to_bf16(nextafterf(1.00390625f, 2)), 0x3F81);
    ck_assert_uint_eq(f32_to_bf16(FLT_MAX), 0x7F80);
    ck_assert(isnan(bf16_to_f32(f32_to_bf16(NAN))));
    ck_assert(bf16_to_f32(0xC000) == -2.0f);
}
END_TEST

/* Hash of all encodings of one random input at a processor level; in a child,
 * because the level is asked once a process. */
static uint64_t hash_at_level(const char *level)
{
    static float x[4096];
    static uint8_t coded[4096 * 4];
    uint64_t hash = 14695981039346656037u;
    int ends[2], code;
    pid_t pid;

    ck_assert(!pipe(ends));
    pid = fork();
    if (!pid) {
        setenv("PONDER_CPU", level, 1);
        for (int i = 0; i < 4096; i++) x[i] = random_float((uint64_t)i);
        for (int i = 0; i <= N_QUANTISED; i++) {
            dtype t = i < N_QUANTISED ? quantised[i] : DTYPE_F16;

            dtype_encode_row(t, x, coded, 4096);
            for (size_t j = 0; j < dtype_row_bytes(t, 4096); j++)
                hash = (hash ^ coded[j]) * 1099511628211u;
        }
        _exit(write(ends[1], &hash, sizeof hash) != sizeof hash);
    }
    ck_assert(read(ends[0], &hash, sizeof hash) == sizeof hash);
    ck_assert(waitpid(pid, &code, 0) == pid && code == 0);
    close(ends[0]);
    close(ends[1]);
    return hash;
}

START_TEST(bytes_do_not_depend_on_the_processor)
{
    ck_assert(hash_at_level("scalar") == hash_at_level("amx"));
}
END_TEST

START_TEST(a_block_with_a_value_that_is_not_finite_gets_a_nan_scale)
{
    const float bad[3] = { NAN, INFINITY, -INFINITY };

    for (int i = 0; i < N_QUANTISED; i++) {
        for (int k = 0; k < 3; k++) {
            float x[512], y[512];
            uint8_t coded[1024];

            for (int j = 0; j < 512; j++) x[j] = random_float((uint64_t)j);
            x[256 + 17] = bad[k];
            dtype_encode_row(quantised[i], x, coded, 512);
            dtype_decode_row(quantised[i], coded, y, 512);
            ck_assert(isfinite(y[0]) && isfinite(y[255]));
            ck_assert(isnan(y[256 + 17]));
        }
    }
}
END_TEST

START_TEST(huge_and_tiny_values_encode_without_undefined_steps)
{
    const float sizes[] = { FLT_MAX, 1e30f, 1e19f, 70000, 1e-8f, 1e-20f, 1e-39f, FLT_TRUE_MIN };

    for (int i = 0; i < N_QUANTISED; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            float x[256], y[256];
            uint8_t coded[1024];

            for (int j = 0; j < 256; j++) x[j] = j % 3 == 1 ? -sizes[k] : sizes[k] * (j % 3) / 2;
            dtype_encode_row(quantised[i], x, coded, 256);
            dtype_decode_row(quantised[i], coded, y, 256);
            for (int j = 0; j < 256 && sizes[k] < 1e-19f; j++) ck_assert(y[j] == 0);
        }
    }
}
END_TEST

START_TEST(zeros_decode_to_zeros)
{
    for (int i = 0; i < N_QUANTISED; i++) {
        float x[256] = { 0 }, y[256];
        uint8_t coded[1024];

        dtype_encode_row(quantised[i], x, coded, 256);
        dtype_decode_row(quantised[i], coded, y, 256);
        for (int j = 0; j < 256; j++) ck_assert(y[j] == 0);
    }
}
END_TEST

START_TEST(errors_stay_within_the_grid)
{
    for (int i = 0; i < N_QUANTISED; i++) {
        dtype t = quantised[i];
        float x[256], y[256], low = 0, high = 0;
        uint8_t coded[1024];
        int levels = t == DTYPE_Q8_0 ? 255 : t == DTYPE_Q6_K ? 63
                   : t == DTYPE_Q5_0 || t == DTYPE_Q5_1 || t == DTYPE_Q5_K ? 31 : 15;

        for (int j = 0; j < 256; j++) {
            x[j] = (float)rng_uniform(5, 0, (uint64_t)j) * 2 - 1;
            low = fminf(low, x[j]);
            high = fmaxf(high, x[j]);
        }
        dtype_encode_row(t, x, coded, 256);
        dtype_decode_row(t, coded, y, 256);
        for (int j = 0; j < 256; j++)
            ck_assert_msg(fabsf(x[j] - y[j]) <= 1.2f * (high - low) / (float)levels,
                          "%s: %g came back as %g", dtype_name(t), x[j], y[j]);
    }
}
END_TEST

START_TEST(q8_0_rounds_halves_away_from_zero)
{
    float x[32] = { 127, 0.5f, -0.5f, 1.5f, -2.5f, 0.49999997f, -126.5f };
    const int8_t want[7] = { 127, 1, -1, 2, -3, 0, -127 };
    uint8_t coded[34];

    dtype_encode_row(DTYPE_Q8_0, x, coded, 32);
    for (int j = 0; j < 7; j++) ck_assert_int_eq((int8_t)coded[2 + j], want[j]);
}
END_TEST

START_TEST(rows_of_floats_are_copied)
{
    float x[5] = { 0, -1, NAN, INFINITY, 3 }, y[5];
    uint8_t coded[20];

    dtype_encode_row(DTYPE_F32, x, coded, 5);
    dtype_decode_row(DTYPE_F32, coded, y, 5);
    ck_assert(!memcmp(x, y, sizeof x));
    dtype_encode_row(DTYPE_F32, NULL, NULL, 0);
}
END_TEST

START_TEST(names_and_sizes_are_those_of_the_format)
{
    dtype t;

    ck_assert(dtype_known(12) && !dtype_known(4) && !dtype_known(-1) && !dtype_known(31));
    ck_assert_str_eq(dtype_name(DTYPE_Q6_K), "Q6_K");
    ck_assert(dtype_parse("q4_k", &t) && t == DTYPE_Q4_K);
    ck_assert(dtype_parse("BF16", &t) && t == DTYPE_BF16);
    ck_assert(!dtype_parse("Q2_K", &t) && !dtype_parse("", &t));
    ck_assert_int_eq(dtype_block(DTYPE_Q5_K), 256);
    ck_assert_int_eq(dtype_block_bytes(DTYPE_Q5_1), 24);
    ck_assert_uint_eq(dtype_row_bytes(DTYPE_Q4_K, 512), 288);
    ck_assert_uint_eq(dtype_row_bytes(DTYPE_F16, 3), 6);
}
END_TEST

START_TEST(a_row_that_is_not_whole_blocks_aborts)
{
    float x[33] = { 0 };
    uint8_t coded[64];

    dtype_encode_row(DTYPE_Q8_0, x, coded, 33);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dtype");
    TCase *c = tcase_create("dtype");
    SRunner *sr;
    int failed;

    tcase_set_timeout(c, 120);
    tcase_add_unchecked_fixture(c, load_fixtures, NULL);
    tcase_add_test(c, decoding_gives_the_bits_of_the_gguf_package);
    tcase_add_test(c, encoding_gives_the_bytes_of_ggml);
    tcase_add_test(c, k_quants_err_no_more_than_ggml);
    tcase_add_test(c, every_half_survives_the_round_trip);
    tcase_add_test(c, floats_round_to_the_nearest_half_and_ties_to_even);
    tcase_add_test(c, rows_of_halves_equal_single_halves);
    tcase_add_test(c, bfloats_round_to_even_and_keep_nans);
    tcase_add_test(c, bytes_do_not_depend_on_the_processor);
    tcase_add_test(c, a_block_with_a_value_that_is_not_finite_gets_a_nan_scale);
    tcase_add_test(c, huge_and_tiny_values_encode_without_undefined_steps);
    tcase_add_test(c, zeros_decode_to_zeros);
    tcase_add_test(c, errors_stay_within_the_grid);
    tcase_add_test(c, q8_0_rounds_halves_away_from_zero);
    tcase_add_test(c, rows_of_floats_are_copied);
    tcase_add_test(c, names_and_sizes_are_those_of_the_format);
    tcase_add_test_raise_signal(c, a_row_that_is_not_whole_blocks_aborts, SIGABRT);
    suite_add_tcase(s, c);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
