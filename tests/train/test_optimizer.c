/* test_optimizer.c - AdamW against PyTorch, Muon against double precision, and
 * what neither may do: depend on threads, or step on a gradient that is no
 * number. */
#include "train/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "train/adamw_numbers.h"

#include <check.h>

#define MAX_PARAM 5

/* Params over storage of their own. */
typedef struct set {
    param params[MAX_PARAM];
    param *pointers[MAX_PARAM];
    int n;
} set;

static void set_add(set *s, const char *name, int n_out, int n_in, bool decay,
                    bool embedding)
{
    param *p = &s->params[s->n];
    size_t n = (size_t)n_out * (size_t)n_in;

    *p = (param){ .n_out = n_out, .n_in = n_in, .decay = decay, .embedding = embedding,
                  .value = mem_array(n, sizeof(float)), .grad = mem_array(n, sizeof(float)) };
    strcpy(p->name, name);
    s->pointers[s->n++] = p;
}

static void set_fini(set *s)
{
    for (int i = 0; i < s->n; i++) {
        mem_free(s->params[i].value);
        mem_free(s->params[i].grad);
    }
}

static size_t size_of(const param *p)
{
    return (size_t)p->n_out * (size_t)p->n_in;
}

/* Normal values of one (seed, step), the same whoever asks. */
static void fill(float *x, size_t n, uint64_t seed, uint64_t step, double scale)
{
    for (size_t i = 0; i < n; i++) x[i] = (float)(scale * rng_normal(seed, step, i));
}

static void set_values(set *s)
{
    for (int i = 0; i < s->n; i++)
        fill(s->params[i].value, size_of(&s->params[i]), 11, (uint64_t)i, 0.5);
}

static void set_grads(set *s, int step)
{
    for (int i = 0; i < s->n; i++)
        fill(s->params[i].grad, size_of(&s->params[i]), 12 + (uint64_t)i, (uint64_t)step, 0.1);
}

/* All kinds and awkward sizes: below a vector, over a block, tall and wide. */
static set mixed_set(void)
{
    set s = { 0 };

    set_add(&s, "norm", 1, 7, false, false);
    set_add(&s, "token_embd", 301, 60, true, true);
    set_add(&s, "wide", 33, 70, true, false);
    set_add(&s, "tall", 150, 121, true, false);
    set_add(&s, "square", 48, 48, true, false);
    return s;
}

/* Pointers into this copy, and first values. */
static void set_bind(set *s)
{
    for (int i = 0; i < s->n; i++) s->pointers[i] = &s->params[i];
    set_values(s);
}

static const optimizer_options adamw = {
    .beta1 = 0.9f, .beta2 = 0.95f, .decay = 0.1f, .clip = 1
};
static const optimizer_options with_muon = {
    .beta1 = 0.9f, .beta2 = 0.95f, .decay = 0.1f, .clip = 1, .muon = true, .muon_rate = 10
};

static int differing(const set *a, const set *b)
{
    int n = 0;

    for (int i = 0; i < a->n; i++)
        for (size_t k = 0; k < size_of(&a->params[i]); k++)
            n += memcmp(&a->params[i].value[k], &b->params[i].value[k], sizeof(float)) != 0;
    return n;
}

START_TEST(adamw_follows_pytorch)
{
    optimizer_options options = { .beta1 = 0.9f, .beta2 = 0.95f, .decay = 0.1f, .clip = 2 };
    pool *threads = pool_new(2);
    set s = { 0 };
    optimizer *o;

    set_add(&s, "matrix", 4, 5, true, false);
    set_add(&s, "vector", 1, 6, false, false);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < (int)size_of(&s.params[k]); i++)
            s.params[k].value[i] = (float)((i * 29 + k * 11) % 31 - 15) / 16;
    o = optimizer_new(&options, s.pointers, 2);
    for (int step = 0; step < 10; step++) {
        optimizer_info info;

        /* Twice the gradient at half the scale: `scale` is part of the figure. */
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < (int)size_of(&s.params[k]); i++)
                s.params[k].grad[i] = (float)((step * 37 + k * 17 + i * 23) % 41 - 20) / 32 *
                                      (float)(1 + step % 4);
        optimizer_step(o, threads, 0.002 * (step + 1), 0.5, &info);
        ck_assert_double_eq_tol(info.norm, adamw_norms[step], 1e-6);
        ck_assert_double_eq_tol(info.factor, info.norm > 2 ? 0.5 * 2 / info.norm : 0.5, 1e-12);
        ck_assert(!info.skipped && !info.bad);
        ck_assert_int_eq(info.step, step + 1);
        for (int k = 0, at = 0; k < 2; k++)
            for (size_t i = 0; i < size_of(&s.params[k]); i++, at++)
                ck_assert_double_eq_tol(s.params[k].value[i], adamw_values[step][at], 5e-7);
    }
    optimizer_free(o);
    set_fini(&s);
    pool_free(threads);
}
END_TEST

/* n_step steps of a mixed set with n_thread threads. */
static set run_steps(const optimizer_options *options, int n_thread, int n_step)
{
    pool *threads = pool_new(n_thread);
    set s = mixed_set();
    optimizer *o;

    set_bind(&s);
    o = optimizer_new(options, s.pointers, s.n);
    for (int step = 0; step < n_step; step++) {
        set_grads(&s, step);
        optimizer_step(o, threads, 0.01, 1, NULL);
    }
    optimizer_free(o);
    pool_free(threads);
    return s;
}

START_TEST(the_number_of_threads_does_not_change_a_bit)
{
    const optimizer_options *options = _i ? &with_muon : &adamw;
    set one = run_steps(options, 1, 4), start = run_steps(options, 1, 0);

    ck_assert_int_gt(differing(&one, &start), 40000);
    for (int n_thread = 2; n_thread <= 5; n_thread++) {
        set many = run_steps(options, n_thread, 4);

        ck_assert_int_eq(differing(&one, &many), 0);
        set_fini(&many);
    }
    set_fini(&one);
    set_fini(&start);
}
END_TEST

/* The level is chosen once a process: every level in a child of its own, which
 * sends back all values. */
START_TEST(every_level_of_processor_gives_the_same_bits)
{
    static const char *const levels[] = { "scalar", "avx2", "avx512" };
    float *first = NULL;
    size_t bytes = 0;

    for (int level = 0; level < 3; level++) {
        set s = mixed_set();
        int ends[2], result;
        float *got;
        size_t len = 0;
        pid_t child;

        bytes = 0;
        for (int i = 0; i < s.n; i++) bytes += size_of(&s.params[i]) * sizeof(float);
        ck_assert_int_eq(pipe(ends), 0);
        child = fork();
        ck_assert_int_ge(child, 0);
        if (!child) {
            set mine;

            setenv("PONDER_CPU", levels[level], 1);
            mine = run_steps(&adamw, 1, 3);
            for (int i = 0; i < mine.n; i++) {
                const char *p = (const char *)mine.params[i].value;
                size_t left = size_of(&mine.params[i]) * sizeof(float);

                while (left) {
                    ssize_t n = write(ends[1], p, left);

                    if (n <= 0) _exit(1);
                    p += n;
                    left -= (size_t)n;
                }
            }
            _exit(0);
        }
        close(ends[1]);
        got = mem_new(bytes);
        for (ssize_t n; (n = read(ends[0], (char *)got + len, bytes - len)) > 0;)
            len += (size_t)n;
        close(ends[0]);
        ck_assert_int_eq(waitpid(child, &result, 0), child);
        ck_assert_int_eq(result, 0);
        ck_assert_uint_eq(len, bytes);
        if (first) ck_assert_mem_eq(got, first, bytes);
        if (first) mem_free(got);
        else first = got;
        set_fini(&s);
    }
    mem_free(first);
}
END_TEST

/* out [n, n_col] = a [n, k] times b [k, n_col], in double. */
static void multiply(const double *a, const double *b, int n, int k, int n_col, double *out)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n_col; j++) {
            double sum = 0;

            for (int l = 0; l < k; l++) sum += a[i * k + l] * b[l * n_col + j];
            out[i * n_col + j] = sum;
        }
}

static void transpose(const double *x, int n, int n_col, double *out)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n_col; j++) out[j * n + i] = x[i * n_col + j];
}

/* The published method word for word: rows are the shorter side throughout. */
static void orthogonalise(double *x, int n, int n_col)
{
    size_t size = (size_t)n * (size_t)n_col, square = (size_t)n * (size_t)n;
    double *t = mem_array(size, sizeof *t), *gram = mem_array(square, sizeof *t);
    double *poly = mem_array(square, sizeof *t), *next = mem_array(size, sizeof *t);
    double norm = 0;

    for (size_t i = 0; i < size; i++) norm += x[i] * x[i];
    norm = sqrt(norm);
    for (size_t i = 0; i < size; i++) x[i] /= norm;
    for (int step = 0; step < 5; step++) {
        transpose(x, n, n_col, t);
        multiply(x, t, n, n_col, n, gram);
        multiply(gram, gram, n, n, n, poly);
        for (size_t i = 0; i < square; i++) poly[i] = -4.7750 * gram[i] + 2.0315 * poly[i];
        multiply(poly, x, n, n, n_col, next);
        for (size_t i = 0; i < size; i++) x[i] = 3.4445 * x[i] + next[i];
    }
    mem_free(t);
    mem_free(gram);
    mem_free(poly);
    mem_free(next);
}

/* Largest difference to Muon in double over some steps, as a share of the
 * largest change. */
static double muon_error(const optimizer_options *options, int n_out, int n_in)
{
    size_t n = (size_t)n_out * (size_t)n_in;
    double *w = mem_array(n, sizeof *w), *m = mem_array(n, sizeof *m);
    double *u = mem_array(n, sizeof *u), *t = mem_array(n, sizeof *t);
    double worst = 0, most = 0, rate = 0.02 * options->muon_rate;
    pool *threads = pool_new(2);
    set s = { 0 };
    optimizer *o;

    set_add(&s, "w", n_out, n_in, true, false);
    set_values(&s);
    for (size_t i = 0; i < n; i++) w[i] = s.params[0].value[i];
    o = optimizer_new(options, s.pointers, 1);
    for (int step = 0; step < 3; step++) {
        double scale = n_out > n_in ? sqrt((double)n_out / n_in) : 1;
        double norm = 0, factor = 1;

        set_grads(&s, step);
        for (size_t i = 0; i < n; i++) norm += pow(s.params[0].grad[i], 2);
        if (sqrt(norm) > options->clip) factor = options->clip / sqrt(norm);
        optimizer_step(o, threads, 0.02, 1, NULL);
        for (size_t i = 0; i < n; i++) {
            double g = factor * s.params[0].grad[i];

            m[i] = 0.95 * m[i] + g;
            u[i] = g + 0.95 * m[i];
        }
        if (n_out > n_in) {
            transpose(u, n_out, n_in, t);
            orthogonalise(t, n_in, n_out);
            transpose(t, n_in, n_out, u);
        } else {
            orthogonalise(u, n_out, n_in);
        }
        for (size_t i = 0; i < n; i++) {
            double old = w[i];

            w[i] = (1 - rate * options->decay) * w[i] - rate * scale * u[i];
            most = fmax(most, fabs(w[i] - old));
        }
    }
    for (size_t i = 0; i < n; i++) worst = fmax(worst, fabs(w[i] - s.params[0].value[i]));
    optimizer_free(o);
    set_fini(&s);
    pool_free(threads);
    mem_free(w);
    mem_free(m);
    mem_free(u);
    mem_free(t);
    return worst / most;
}

START_TEST(muon_follows_the_published_method_in_double)
{
    static const int shapes[][2] = { { 24, 80 }, { 80, 24 }, { 50, 50 }, { 1, 9 }, { 9, 1 } };
    optimizer_options options = with_muon;

    /* f32 through five steps of a polynomial that multiplies errors by up to
     * 3.4 each: a few 1e-7 become a few 1e-5. */
    ck_assert_double_lt(muon_error(&options, shapes[_i][0], shapes[_i][1]), 2e-4);
    /* 8 bits of mantissa where the processor has bf16 products, else f32. */
    options.muon_bf16 = true;
    ck_assert_double_lt(muon_error(&options, shapes[_i][0], shapes[_i][1]), 0.1);
}
END_TEST

START_TEST(muon_takes_only_matrices_inside_the_blocks)
{
    set s = mixed_set();
    checkpoint_list list = { 0 };
    int n_first = 0, n_second = 0;
    optimizer *o;

    set_bind(&s);
    o = optimizer_new(&with_muon, s.pointers, s.n);
    optimizer_list(o, &list);
    for (int i = 0; i < list.n; i++) {
        const char *name = list.arrays[i].name, *dot = strrchr(name, '.');

        if (dot && !strcmp(dot, ".m")) n_first++;
        if (dot && !strcmp(dot, ".v")) {
            n_second++;
            ck_assert(!strcmp(name, "norm.v") || !strcmp(name, "token_embd.v"));
        }
    }
    ck_assert_int_eq(n_first, 5);
    ck_assert_int_eq(n_second, 2);
    checkpoint_list_fini(&list);
    optimizer_free(o);
    set_fini(&s);
}
END_TEST

START_TEST(a_run_continued_from_its_list_repeats_every_bit)
{
    const optimizer_options *options = _i ? &with_muon : &adamw;
    set whole = run_steps(options, 2, 6), s = mixed_set();
    checkpoint_list old = { 0 }, new = { 0 };
    pool *threads = pool_new(2);
    optimizer *first, *second;

    set_bind(&s);
    first = optimizer_new(options, s.pointers, s.n);
    second = optimizer_new(options, s.pointers, s.n);
    for (int step = 0; step < 3; step++) {
        set_grads(&s, step);
        optimizer_step(first, threads, 0.01, 1, NULL);
    }
    optimizer_list(first, &old);
    optimizer_list(second, &new);
    ck_assert_int_eq(old.n, new.n);
    for (int i = 0; i < old.n; i++) {
        const checkpoint_array *a = &old.arrays[i], *b = &new.arrays[i];

        ck_assert_str_eq(a->name, b->name);
        ck_assert_str_eq(a->file, i < s.n ? "weights.f32" : "moments.f32");
        ck_assert(a->n_out == b->n_out && a->n_in == b->n_in);
        if (a->data != b->data)
            memcpy(b->data, a->data, (size_t)a->n_out * (size_t)a->n_in * sizeof(float));
    }
    optimizer_set_steps(second, optimizer_steps(first));
    optimizer_free(first);
    for (int step = 3; step < 6; step++) {
        set_grads(&s, step);
        optimizer_step(second, threads, 0.01, 1, NULL);
    }
    ck_assert_int_eq(differing(&whole, &s), 0);
    checkpoint_list_fini(&old);
    checkpoint_list_fini(&new);
    optimizer_free(second);
    set_fini(&whole);
    set_fini(&s);
    pool_free(threads);
}
END_TEST

/* A copy of everything a checkpoint would hold. */
static float *state_of(const optimizer *o, size_t *n)
{
    checkpoint_list list = { 0 };
    float *out = NULL;

    *n = 0;
    optimizer_list(o, &list);
    for (int i = 0; i < list.n; i++) {
        size_t len = (size_t)list.arrays[i].n_out * (size_t)list.arrays[i].n_in;

        out = mem_resize(out, *n + len, sizeof *out);
        memcpy(out + *n, list.arrays[i].data, len * sizeof *out);
        *n += len;
    }
    checkpoint_list_fini(&list);
    return out;
}

START_TEST(a_gradient_that_is_no_number_skips_the_step_and_is_named)
{
    static const double bad[] = { NAN, INFINITY, -INFINITY, 1e30 };
    optimizer_options options = _i % 2 ? with_muon : adamw;
    pool *threads = pool_new(2);
    set s = mixed_set();
    optimizer_info info;
    optimizer *o;
    float *before, *after;
    size_t n;

    options.clip = 0;
    set_bind(&s);
    o = optimizer_new(&options, s.pointers, s.n);
    set_grads(&s, 0);
    optimizer_step(o, threads, 0.01, 1, NULL);
    before = state_of(o, &n);
    s.params[3].grad[17000] = (float)bad[_i / 2];
    s.params[4].grad[3] = (float)bad[_i / 2];
    optimizer_step(o, threads, 0.01, 1, &info);
    after = state_of(o, &n);
    ck_assert(info.skipped);
    ck_assert_int_eq(info.step, 1);
    ck_assert_int_eq(optimizer_steps(o), 1);
    if (isfinite(bad[_i / 2])) ck_assert_ptr_null(info.bad);
    else ck_assert_str_eq(info.bad, "tall");
    ck_assert_mem_eq(before, after, n * sizeof(float));
    /* and the run goes on */
    set_grads(&s, 1);
    optimizer_step(o, threads, 0.01, 1, &info);
    ck_assert(!info.skipped);
    ck_assert_int_eq(info.step, 2);
    mem_free(before);
    mem_free(after);
    optimizer_free(o);
    set_fini(&s);
    pool_free(threads);
}
END_TEST

START_TEST(clipping_tames_a_gradient_whose_square_leaves_f32)
{
    pool *threads = pool_new(1);
    set s = mixed_set();
    optimizer_info info;
    optimizer *o;
    float *state;
    size_t n;

    set_bind(&s);
    o = optimizer_new(&with_muon, s.pointers, s.n);
    set_grads(&s, 0);
    for (size_t i = 0; i < size_of(&s.params[1]); i++) s.params[1].grad[i] = 1e30f;
    optimizer_step(o, threads, 0.01, 1, &info);
    ck_assert(!info.skipped);
    ck_assert_double_eq_tol(info.norm / (1e30 * sqrt(301 * 60)), 1, 1e-6);
    ck_assert_double_eq_tol(info.factor * info.norm, 1, 1e-6);
    state = state_of(o, &n);
    for (size_t i = 0; i < n; i++) ck_assert(isfinite(state[i]));
    mem_free(state);
    optimizer_free(o);
    set_fini(&s);
    pool_free(threads);
}
END_TEST

START_TEST(a_zero_gradient_leaves_only_decay_and_only_where_asked)
{
    optimizer_options options = _i ? with_muon : adamw;
    pool *threads = pool_new(1);
    set s = mixed_set(), start = mixed_set();
    optimizer_info info;
    optimizer *o;

    set_bind(&s);
    set_bind(&start);
    o = optimizer_new(&options, s.pointers, s.n);
    optimizer_step(o, threads, 0.01, 1, &info);
    ck_assert(!info.skipped && info.norm == 0);
    for (int i = 0; i < s.n; i++) {
        bool muon = _i && s.params[i].decay && !s.params[i].embedding;
        float keep = s.params[i].decay ? (float)(1 - 0.01 * (muon ? 10 : 1) * 0.1f) : 1;

        for (size_t k = 0; k < size_of(&s.params[i]); k++)
            ck_assert_double_eq_tol(s.params[i].value[k], keep * start.params[i].value[k],
                                    1e-7);
        if (!s.params[i].decay)
            ck_assert_mem_eq(s.params[i].value, start.params[i].value,
                             size_of(&s.params[i]) * sizeof(float));
    }
    optimizer_free(o);
    set_fini(&s);
    set_fini(&start);
    pool_free(threads);
}
END_TEST

START_TEST(the_norm_is_that_of_the_scaled_gradients_which_stay_as_they_are)
{
    pool *threads = pool_new(2);
    set s = mixed_set(), same = mixed_set();
    double sum = 0, norm;
    optimizer_info info;
    optimizer *o;

    set_bind(&s);
    set_bind(&same);
    set_grads(&s, 5);
    set_grads(&same, 5);
    for (int i = 0; i < s.n; i++)
        for (size_t k = 0; k < size_of(&s.params[i]); k++)
            sum += (double)s.params[i].grad[k] * s.params[i].grad[k];
    o = optimizer_new(&with_muon, s.pointers, s.n);
    norm = optimizer_norm(o, threads, 0.25);
    ck_assert_double_eq_tol(norm, 0.25 * sqrt(sum), 1e-10 * norm);
    optimizer_step(o, threads, 0.01, 0.25, &info);
    ck_assert(info.norm == norm);
    ck_assert_double_eq_tol(info.factor, 0.25 / norm, 1e-12);
    for (int i = 0; i < s.n; i++)
        ck_assert_mem_eq(s.params[i].grad, same.params[i].grad,
                         size_of(&s.params[i]) * sizeof(float));
    optimizer_free(o);
    set_fini(&s);
    set_fini(&same);
    pool_free(threads);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("optimizer");
    TCase *t = tcase_create("optimizer");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, adamw_follows_pytorch);
    tcase_add_loop_test(t, the_number_of_threads_does_not_change_a_bit, 0, 2);
    tcase_add_test(t, every_level_of_processor_gives_the_same_bits);
    tcase_add_loop_test(t, muon_follows_the_published_method_in_double, 0, 5);
    tcase_add_test(t, muon_takes_only_matrices_inside_the_blocks);
    tcase_add_loop_test(t, a_run_continued_from_its_list_repeats_every_bit, 0, 2);
    tcase_add_loop_test(t, a_gradient_that_is_no_number_skips_the_step_and_is_named, 0, 8);
    tcase_add_test(t, clipping_tames_a_gradient_whose_square_leaves_f32);
    tcase_add_loop_test(t, a_zero_gradient_leaves_only_decay_and_only_where_asked, 0, 2);
    tcase_add_test(t, the_norm_is_that_of_the_scaled_gradients_which_stay_as_they_are);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
