/* test_matrix.c - every kernel equals the scalar reference, bit for bit, and a
 * row of a product does not depend on the rows beside it. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/internal.h"
#include "tensor/matrix.h"

static const dtype types[] = {
    DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0, DTYPE_Q4_1,
    DTYPE_Q5_0, DTYPE_Q5_1, DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K,
};
#define N_TYPES ((int)(sizeof types / sizeof types[0]))

static float *random_floats(size_t n, uint64_t stream)
{
    float *x = mem_array(n, sizeof *x);

    for (size_t i = 0; i < n; i++) x[i] = (float)rng_normal(7, stream, i);
    return x;
}

/* A matrix of random weights and, if asked, its rows decoded from the file. */
static matrix *random_matrix(dtype t, int n_out, int n_in, float **decoded)
{
    matrix *m = matrix_new(t, n_out, n_in);
    size_t row_bytes = dtype_row_bytes(t, n_in);
    uint8_t *rows = mem_new(row_bytes * (size_t)n_out);
    float *x = random_floats((size_t)n_out * (size_t)n_in, (uint64_t)t);

    for (int r = 0; r < n_out; r++)
        dtype_encode_row(t, x + (size_t)r * (size_t)n_in, rows + (size_t)r * row_bytes, n_in);
    matrix_set_rows(m, 0, n_out, rows);
    for (int r = 0; decoded && r < n_out; r++)
        dtype_decode_row(t, rows + (size_t)r * row_bytes, x + (size_t)r * (size_t)n_in, n_in);
    if (decoded) *decoded = x;
    else mem_free(x);
    mem_free(rows);
    return m;
}

/* Product at a level; the caller frees. */
static float *multiply(const matrix *m, const float *x, int n_row, cpu_level level,
                       pool *threads)
{
    int n_in = matrix_n_in(m), n_out = matrix_n_out(m);
    float *out = mem_array((size_t)n_row * (size_t)n_out, sizeof *out);
    matrix_input *in = matrix_input_new(matrix_input_kind(matrix_type(m)), n_row, n_in);
    product p = { m, in, out, n_out };

    tensor_set_level(level);
    matrix_input_begin(in, n_row, n_in);
    for (int r = 0; r < n_row; r++) matrix_input_set(in, r, x + (size_t)r * (size_t)n_in);
    matrix_multiply(threads, &p, 1);
    matrix_input_free(in);
    return out;
}

static int differing(const float *a, const float *b, size_t n)
{
    int count = 0;

    for (size_t i = 0; i < n; i++) count += memcmp(&a[i], &b[i], 4) != 0;
    return count;
}

START_TEST(packed_rows_decode_to_the_file_s_values)
{
    dtype t = types[_i];
    int n_in = t >= DTYPE_Q4_K && t <= DTYPE_Q6_K ? 512 : 96;
    float *want, *got = mem_array((size_t)n_in, sizeof *got);
    matrix *m = random_matrix(t, 37, n_in, &want);

    for (int r = 0; r < 37; r++) {
        matrix_row(m, r, got);
        ck_assert_msg(!differing(got, want + (size_t)r * (size_t)n_in, (size_t)n_in),
                      "%s row %d", dtype_name(t), r);
    }
    matrix_free(m);
    mem_free(want);
    mem_free(got);
}
END_TEST

START_TEST(every_level_gives_the_bits_of_the_scalar_reference)
{
    dtype t = types[_i];
    int wide = t >= DTYPE_Q4_K && t <= DTYPE_Q6_K;
    int n_in = wide ? 512 : 96 * 3, n_out = 75;
    const int rows[] = { 1, 2, 3, 5, 7, 8, 9, 16, 17, 33, 64 };
    matrix *m = random_matrix(t, n_out, n_in, NULL);
    float *x = random_floats(64 * (size_t)n_in, 99);
    pool *one = pool_new(1);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = (size_t)rows[i] * (size_t)n_out;
        float *want = multiply(m, x, rows[i], CPU_SCALAR, one);

        for (int l = CPU_AVX2; l <= CPU_AMX; l++) {
            float *got = multiply(m, x, rows[i], (cpu_level)l, one);

            ck_assert_msg(!differing(got, want, n), "%s, %d rows, level %s: %d of %zu differ",
                          dtype_name(t), rows[i], cpu_level_name(tensor_level()),
                          differing(got, want, n), n);
            mem_free(got);
        }
        mem_free(want);
    }
    pool_free(one);
    matrix_free(m);
    mem_free(x);
}
END_TEST

START_TEST(a_row_does_not_depend_on_its_neighbours_or_on_threads)
{
    dtype t = types[_i];
    int wide = t >= DTYPE_Q4_K && t <= DTYPE_Q6_K;
    int n_in = wide ? 768 : 576, n_out = 1000;
    matrix *m = random_matrix(t, n_out, n_in, NULL);
    float *x = random_floats(64 * (size_t)n_in, 98);
    pool *one = pool_new(1), *three = pool_new(3);
    float *all = multiply(m, x, 64, CPU_AMX, three);
    const int place[] = { 0, 5, 15, 16, 63 };

    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++) {
        float *alone = multiply(m, x + (size_t)place[i] * (size_t)n_in, 1, CPU_AMX, one);

        ck_assert_msg(!differing(alone, all + (size_t)place[i] * (size_t)n_out, (size_t)n_out),
                      "%s, row %d", dtype_name(t), place[i]);
        mem_free(alone);
    }
    mem_free(all);
    pool_free(one);
    pool_free(three);
    matrix_free(m);
    mem_free(x);
}
END_TEST

START_TEST(products_are_close_to_double_precision)
{
    dtype t = types[_i];
    int n_in = 768, n_out = 40, n_row = 20;
    float *w, *x = random_floats((size_t)n_row * (size_t)n_in, 97);
    matrix *m = random_matrix(t, n_out, n_in, &w);
    pool *one = pool_new(1);
    float *got = multiply(m, x, n_row, CPU_AMX, one);
    double sum2 = 0, err2 = 0;
    double bound = t == DTYPE_F32 || t == DTYPE_F16 ? 1e-6 : t == DTYPE_BF16 ? 4e-3 : 1e-2;

    for (int r = 0; r < n_row; r++)
        for (int o = 0; o < n_out; o++) {
            double want = 0;

            for (int k = 0; k < n_in; k++)
                want += (double)w[o * n_in + k] * (double)x[r * n_in + k];
            sum2 += want * want;
            err2 += pow(want - (double)got[r * n_out + o], 2);
        }
    ck_assert_msg(sqrt(err2 / sum2) < bound, "%s: relative error %g", dtype_name(t),
                  sqrt(err2 / sum2));
    mem_free(got);
    mem_free(w);
    mem_free(x);
    pool_free(one);
    matrix_free(m);
}
END_TEST

START_TEST(bf16_denormals_agree_with_the_tiles)
{
    matrix *m = matrix_new(DTYPE_BF16, 16, 64);
    uint16_t rows[16 * 64];
    float x[16 * 64];
    pool *one = pool_new(1);
    float *want, *got;

    /* Products and inputs around the smallest normal number, 2^-126. */
    for (int i = 0; i < 16 * 64; i++) {
        rows[i] = (uint16_t)((rng_u64(3, 0, (uint64_t)i) & 0x807F) |
                             (rng_u64(3, 1, (uint64_t)i) % 70) << 7);
        x[i] = bf16_to_f32((uint16_t)((rng_u64(3, 2, (uint64_t)i) & 0x807F) |
                                      (rng_u64(3, 3, (uint64_t)i) % 70) << 7));
    }
    matrix_set_rows(m, 0, 16, rows);
    want = multiply(m, x, 16, CPU_SCALAR, one);
    for (int l = CPU_AVX2; l <= CPU_AMX; l++) {
        got = multiply(m, x, 16, (cpu_level)l, one);
        ck_assert_int_eq(differing(got, want, 256), 0);
        mem_free(got);
    }
    mem_free(want);
    pool_free(one);
    matrix_free(m);
}
END_TEST

/* Every high half, and the low halves around a tie. */
START_TEST(bf16_rounding_is_one_at_every_level)
{
    static const uint32_t low[] = { 0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF };
    float x[32];
    uint16_t got[32];

    for (uint32_t high = 0; high < 0x10000; high += 32)
        for (size_t l = 0; l < sizeof low / sizeof *low; l++)
            for (int level = CPU_SCALAR; level <= (int)cpu_detect(); level++) {
                for (uint32_t i = 0; i < 32; i++) {
                    uint32_t u = (high + i) << 16 | low[l];

                    memcpy(&x[i], &u, 4);
                }
                tensor_set_level((cpu_level)level);
                round_bf16(x, got);
                for (int i = 0; i < 32; i++) ck_assert_uint_eq(got[i], f32_to_bf16(x[i]));
            }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("matrix");
    TCase *t = tcase_create("matrix");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, packed_rows_decode_to_the_file_s_values, 0, N_TYPES);
    tcase_add_loop_test(t, every_level_gives_the_bits_of_the_scalar_reference, 0, N_TYPES);
    tcase_add_loop_test(t, a_row_does_not_depend_on_its_neighbours_or_on_threads, 0, N_TYPES);
    tcase_add_loop_test(t, products_are_close_to_double_precision, 0, N_TYPES);
    tcase_add_test(t, bf16_denormals_agree_with_the_tiles);
    tcase_add_test(t, bf16_rounding_is_one_at_every_level);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
