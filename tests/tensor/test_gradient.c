/* test_gradient.c - the backward pass against sums in double and against finite
 * differences, at every level, and with the same bits on any number of threads. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tensor/gradient.h"
#include "tensor/internal.h"
#include "tensor/rows.h"

#define N_LEVEL 4

static float *random_floats(size_t n, uint64_t stream)
{
    float *x = mem_array(n, sizeof *x);

    for (size_t i = 0; i < n; i++) x[i] = (float)rng_normal(11, stream, i);
    return x;
}

/* At the level of this loop test; false where the machine lacks it. */
static bool at_level(int i)
{
    if (i > (int)cpu_detect()) return false;
    tensor_set_level((cpu_level)i);
    return true;
}

/* Products. */

typedef struct shape {
    int n_row, n_out, n_in;
} shape;

/* One row, edges in every direction, whole squares with and without an edge below,
 * more than one block of k and of rows, more than one slot. */
static const shape shapes[] = {
    { 1, 16, 32 },   { 17, 16, 40 },  { 33, 100, 17 },  { 130, 70, 45 },
    { 64, 1, 1 },    { 5, 600, 33 },  { 700, 33, 20 },  { 1100, 48, 35 },
    { 150, 530, 48 },
};
#define N_SHAPE ((int)(sizeof shapes / sizeof shapes[0]))

/* A sum of n products of numbers of size 1, taken in another order and, with
 * bf16, of operands each rounded by up to 2^-9 of its size: the error is a
 * random walk of n steps whose deviation is below sqrt(2) 2^-9; 6 of them bound
 * it. Few products need room for one of size 16, which is off by 2^-8 of that. */
static double product_tolerance(int n, bool bf16)
{
    return bf16 && tensor_level() == CPU_AMX ? 6 * sqrt(2.0 * n) / 512 + 0.06
                                               : 2e-6 * n + 1e-5;
}

static void check_products(shape s, bool bf16, pool *threads)
{
    size_t rows = (size_t)s.n_row, outs = (size_t)s.n_out, ins = (size_t)s.n_in;
    float *dy = random_floats(rows * outs, 1), *x = random_floats(rows * ins, 2);
    float *w = random_floats(outs * ins, 3), *dx = random_floats(rows * ins, 4);
    float *dw = random_floats(outs * ins, 5);
    float *before_x = mem_copy(dx, rows * ins * 4), *before_w = mem_copy(dw, outs * ins * 4);
    gradient *g = gradient_new(bf16);

    for (int add = 0; add < 2; add++) {
        memcpy(dx, before_x, rows * ins * 4);
        gradient_input(g, threads, dy, w, s.n_row, s.n_out, s.n_in, add, dx);
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < ins; i++) {
                double want = add ? before_x[r * ins + i] : 0;

                for (size_t o = 0; o < outs; o++)
                    want += (double)dy[r * outs + o] * w[o * ins + i];
                ck_assert_double_eq_tol(dx[r * ins + i], want,
                                        product_tolerance(s.n_out, bf16));
            }
    }
    gradient_weight(g, threads, dy, x, s.n_row, s.n_out, s.n_in, dw);
    for (size_t o = 0; o < outs; o++)
        for (size_t i = 0; i < ins; i++) {
            double want = before_w[o * ins + i];

            for (size_t r = 0; r < rows; r++)
                want += (double)dy[r * outs + o] * x[r * ins + i];
            ck_assert_double_eq_tol(dw[o * ins + i], want, product_tolerance(s.n_row, bf16));
        }
    gradient_free(g);
    mem_free(dy);
    mem_free(x);
    mem_free(w);
    mem_free(dx);
    mem_free(dw);
    mem_free(before_x);
    mem_free(before_w);
}

START_TEST(products_equal_sums_in_double)
{
    pool *threads = pool_new(2);

    for (int i = 0; at_level(_i) && i < N_SHAPE; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) check_products(shapes[i], bf16, threads);
    pool_free(threads);
}
END_TEST

/* Whole numbers up to 15 are exact in bf16, and their sums here in f32. */
START_TEST(products_of_small_integers_are_exact)
{
    shape s = { 530, 67, 49 };
    size_t rows = (size_t)s.n_row, outs = (size_t)s.n_out, ins = (size_t)s.n_in;
    float *dy = random_floats(rows * outs, 1), *x = random_floats(rows * ins, 2);
    float *w = random_floats(outs * ins, 3), *dx = mem_array(rows * ins, 4);
    float *dw = mem_array(outs * ins, 4);
    gradient *g = gradient_new(true);
    pool *threads = pool_new(2);

    for (size_t i = 0; i < rows * outs; i++) dy[i] = rintf(dy[i] * 3);
    for (size_t i = 0; i < rows * ins; i++) x[i] = rintf(x[i] * 3);
    for (size_t i = 0; i < outs * ins; i++) w[i] = rintf(w[i] * 3);
    if (at_level(_i)) {
        gradient_input(g, threads, dy, w, s.n_row, s.n_out, s.n_in, false, dx);
        gradient_weight(g, threads, dy, x, s.n_row, s.n_out, s.n_in, dw);
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < ins; i++) {
                float want = 0;

                for (size_t o = 0; o < outs; o++) want += dy[r * outs + o] * w[o * ins + i];
                ck_assert(dx[r * ins + i] == want);
            }
        for (size_t o = 0; o < outs; o++)
            for (size_t i = 0; i < ins; i++) {
                float want = 0;

                for (size_t r = 0; r < rows; r++) want += dy[r * outs + o] * x[r * ins + i];
                ck_assert(dw[o * ins + i] == want);
            }
    }
    pool_free(threads);
    gradient_free(g);
    mem_free(dy);
    mem_free(x);
    mem_free(w);
    mem_free(dx);
    mem_free(dw);
}
END_TEST

/* Rows. */

START_TEST(norm_equals_the_derivative_in_double)
{
    enum { N_ROW = 300, N = 37 };
    float *x = random_floats(N_ROW * N, 1), *w = random_floats(N, 2);
    float *dy = random_floats(N_ROW * N, 3), *dx = random_floats(N_ROW * N, 4);
    float *before = mem_copy(dx, N_ROW * N * 4), *apart = mem_copy(dx, N_ROW * N * 4);
    float dw[N] = { 1 };
    double want_dw[N] = { 1 };
    pool *threads = pool_new(2);

    for (int add = 0; at_level(_i) && add < 2; add++) {
        gradient_norm(threads, x, w, 1e-5f, dy, N_ROW, N, add, dx, add ? NULL : dw);
        for (int r = 0; r < N_ROW; r++) {
            double mean = 0, dot = 0, s;

            for (int i = 0; i < N; i++) {
                mean += (double)x[r * N + i] * x[r * N + i] / N;
                dot += (double)x[r * N + i] * w[i] * dy[r * N + i];
            }
            s = 1 / sqrt(mean + 1e-5);
            for (int i = 0; i < N; i++) {
                double want = s * w[i] * dy[r * N + i] - x[r * N + i] * s * s * s * dot / N;

                if (!add) want_dw[i] += (double)dy[r * N + i] * x[r * N + i] * s;
                ck_assert_double_eq_tol(dx[r * N + i], want + (add ? before[r * N + i] : 0),
                                        1e-5);
            }
        }
        for (int i = 0; i < N; i++) ck_assert_double_eq_tol(dw[i], want_dw[i], 1e-4);
        memcpy(dx, before, N_ROW * N * 4);
        gradient_norm(threads, x, w, 1e-5f, dx, N_ROW, N, false, dx, NULL);  /* in place */
        gradient_norm(threads, x, w, 1e-5f, before, N_ROW, N, false, apart, NULL);
        ck_assert(!memcmp(dx, apart, N_ROW * N * 4));
        memcpy(dx, before, N_ROW * N * 4);
    }
    pool_free(threads);
    mem_free(x);
    mem_free(w);
    mem_free(dy);
    mem_free(dx);
    mem_free(before);
    mem_free(apart);
}
END_TEST

/* sum of d * norm_rms(x) has the gradient that gradient_norm says. */
START_TEST(norm_agrees_with_finite_differences)
{
    enum { N = 24 };
    float *x = random_floats(N, 1), *w = random_floats(N, 2), *d = random_floats(N, 3);
    float dx[N], dw[N] = { 0 }, y[N];
    pool *threads = pool_new(1);

    if (at_level(_i)) {
        gradient_norm(threads, x, w, 1e-5f, d, 1, N, false, dx, dw);
        for (int i = 0; i < 2 * N; i++) {
            float *at = i < N ? &x[i] : &w[i - N], kept = *at, step = 1.0f / 64;
            double sum = 0;

            for (int sign = -1; sign <= 1; sign += 2) {
                *at = kept + (float)sign * step;
                norm_rms(x, w, 1e-5f, N, y);
                for (int j = 0; j < N; j++) sum += sign * (double)y[j] * d[j];
            }
            *at = kept;
            /* Third derivatives times step^2, and roundings of 1e-6 over step. */
            ck_assert_double_eq_tol(i < N ? dx[i] : dw[i - N], sum / (2.0 * step), 1e-3);
        }
    }
    pool_free(threads);
    mem_free(x);
    mem_free(w);
    mem_free(d);
}
END_TEST

START_TEST(rope_gradient_undoes_the_rotation)
{
    static const int sizes[] = { 64, 36, 2 };

    for (int i = 0; at_level(_i) && i < 3; i++) {
        int d = sizes[i];
        float *x = random_floats(3 * 64, 1), *kept = mem_copy(x, 3 * 64 * 4), c[32], s[32];
        float ones[32];

        for (int j = 0; j < 32; j++) ones[j] = 1;
        rope_angles(77, 1e4f, ones, d, c, s);
        rope_apply(x, c, s, 3, d);
        gradient_rope(x, c, s, 3, d);
        for (int j = 0; j < 3 * d; j++) ck_assert_float_eq_tol(x[j], kept[j], 1e-6f);
        mem_free(x);
        mem_free(kept);
    }
}
END_TEST

START_TEST(swiglu_equals_the_derivative_in_double)
{
    enum { N = 1003 };
    float *gate = random_floats(N, 1), *up = random_floats(N, 2), *dh = random_floats(N, 3);
    float *dg = mem_array(N, 4), *du = mem_array(N, 4);

    for (int i = 0; i < N; i++) gate[i] *= 6;
    gate[0] = -300, gate[1] = 300, gate[2] = 0;
    if (at_level(_i)) {
        gradient_swiglu(gate, up, dh, N, dg, du);
        for (int i = 0; i < N; i++) {
            double g = gate[i], s = 1 / (1 + exp(-g));

            ck_assert_double_eq_tol(dg[i], dh[i] * up[i] * s * (1 + g * (1 - s)), 2e-5);
            ck_assert_double_eq_tol(du[i], dh[i] * g * s, 1e-6 * fabs(g) + 1e-5);
        }
        gradient_swiglu(gate, up, dh, N, gate, up);      /* in place */
        ck_assert(!memcmp(gate, dg, N * 4) && !memcmp(up, du, N * 4));
    }
    mem_free(gate);
    mem_free(up);
    mem_free(dh);
    mem_free(dg);
    mem_free(du);
}
END_TEST

/* Attention. */

typedef struct attend_case {
    int n_run;
    gradient_run runs[8];
    int n_row;
    int n_head, n_head_kv, d_head;
} attend_case;

typedef struct attend_data {
    float *q, *k, *v, *out, *dout, *dq, *dk, *dv;
} attend_data;

static const attend_case cases[] = {
    /* a single row */
    { 1, { { 0, 1, 0, -1 } }, 1, 1, 1, 16 },
    /* separate sequences around multiples of 16, grouped heads */
    { 3, { { 0, 16, 0, -1 }, { 0, 17, 16, -1 }, { 0, 47, 33, -1 } }, 80, 4, 2, 32 },
    /* a prompt and three answers, one with a run of its own below it; rows out
     * of order, an empty run, a second tree */
    { 8,
      { { 0, 16, 70, -1 }, { 16, 21, 0, 0 }, { 0, 9, 110, -1 }, { 16, 32, 21, 0 },
        { 16, 5, 86, 0 }, { 48, 17, 53, 3 }, { 9, 19, 91, 2 }, { 9, 0, 0, 2 } },
      119, 6, 3, 20 },
    { 2, { { 0, 100, 0, -1 }, { 100, 90, 100, 0 } }, 190, 2, 1, 64 },
    /* an odd number of squares of channels */
    { 2, { { 0, 40, 0, -1 }, { 40, 33, 40, 0 } }, 73, 3, 1, 48 },
};
#define N_CASE ((int)(sizeof cases / sizeof cases[0]))

static size_t q_floats(const attend_case *c)
{
    return (size_t)c->n_row * (size_t)c->n_head * (size_t)c->d_head;
}

static size_t k_floats(const attend_case *c)
{
    return (size_t)c->n_row * (size_t)c->n_head_kv * (size_t)c->d_head;
}

/* Rows a query of run `run` at place r sees, in order of position. */
static int seen_rows(const attend_case *c, int run, int r, int *rows)
{
    int n = c->runs[run].first_pos + r + 1, at = n;

    for (int last = r; run >= 0; run = c->runs[run].parent) {
        while (last >= 0) rows[--at] = c->runs[run].row + last--;
        if (c->runs[run].parent >= 0) last = c->runs[c->runs[run].parent].n_row - 1;
    }
    ck_assert_int_eq(at, 0);
    return n;
}

/* Forward in double: out, and the loss sum of dout * out. */
static double attend_forward(const attend_case *c, const attend_data *a, float *out)
{
    int d = c->d_head, group = c->n_head / c->n_head_kv, rows[512];
    double loss = 0;

    for (int u = 0; u < c->n_run; u++)
        for (int r = 0; r < c->runs[u].n_row; r++) {
            int n = seen_rows(c, u, r, rows);

            for (int h = 0; h < c->n_head; h++) {
                size_t at = ((size_t)(c->runs[u].row + r) * (size_t)c->n_head + (size_t)h) *
                            (size_t)d;
                double p[512], most = -1e300, sum = 0;

                for (int j = 0; j < n; j++) {
                    const float *k = a->k + (rows[j] * c->n_head_kv + h / group) * d;

                    p[j] = 0;
                    for (int i = 0; i < d; i++) p[j] += (double)a->q[at + (size_t)i] * k[i];
                    p[j] /= sqrt(d);
                    most = p[j] > most ? p[j] : most;
                }
                for (int j = 0; j < n; j++) sum += p[j] = exp(p[j] - most);
                for (int i = 0; i < d; i++) {
                    double o = 0;

                    for (int j = 0; j < n; j++)
                        o += p[j] / sum * a->v[(rows[j] * c->n_head_kv + h / group) * d + i];
                    if (out) out[at + (size_t)i] = (float)o;
                    loss += o * a->dout[at + (size_t)i];
                }
            }
        }
    return loss;
}

/* Backward in double, from the definition. */
static void attend_backward(const attend_case *c, const attend_data *a, double *dq, double *dk,
                            double *dv)
{
    int d = c->d_head, group = c->n_head / c->n_head_kv, rows[512];

    for (int u = 0; u < c->n_run; u++)
        for (int r = 0; r < c->runs[u].n_row; r++) {
            int n = seen_rows(c, u, r, rows);

            for (int h = 0; h < c->n_head; h++) {
                int at = ((c->runs[u].row + r) * c->n_head + h) * d;
                double p[512], dp[512], most = -1e300, sum = 0, delta = 0;

                for (int j = 0; j < n; j++) {
                    int key = (rows[j] * c->n_head_kv + h / group) * d;

                    p[j] = dp[j] = 0;
                    for (int i = 0; i < d; i++) {
                        p[j] += (double)a->q[at + i] * a->k[key + i] / sqrt(d);
                        dp[j] += (double)a->dout[at + i] * a->v[key + i];
                    }
                    most = p[j] > most ? p[j] : most;
                }
                for (int j = 0; j < n; j++) sum += p[j] = exp(p[j] - most);
                for (int j = 0; j < n; j++) delta += (p[j] /= sum) * dp[j];
                for (int j = 0; j < n; j++) {
                    int key = (rows[j] * c->n_head_kv + h / group) * d;
                    double ds = p[j] * (dp[j] - delta) / sqrt(d);

                    for (int i = 0; i < d; i++) {
                        dq[at + i] += ds * a->k[key + i];
                        dk[key + i] += ds * a->q[at + i];
                        dv[key + i] += p[j] * a->dout[at + i];
                    }
                }
            }
        }
}

static attend_data attend_make(const attend_case *c)
{
    size_t nq = q_floats(c), nk = k_floats(c);
    attend_data a = {
        .q = random_floats(nq, 1), .k = random_floats(nk, 2), .v = random_floats(nk, 3),
        .dout = random_floats(nq, 4), .out = mem_array(nq, 4), .dq = random_floats(nq, 5),
        .dk = random_floats(nk, 6), .dv = random_floats(nk, 7),
    };

    attend_forward(c, &a, a.out);
    return a;
}

static void attend_drop(attend_data *a)
{
    mem_free(a->q);
    mem_free(a->k);
    mem_free(a->v);
    mem_free(a->out);
    mem_free(a->dout);
    mem_free(a->dq);
    mem_free(a->dk);
    mem_free(a->dv);
}

static void attend_run_gradient(const attend_case *c, attend_data *a, bool bf16, pool *threads)
{
    gradient *g = gradient_new(bf16);

    gradient_attention(g, threads, c->runs, c->n_run, c->n_row, c->n_head, c->n_head_kv,
                       c->d_head, a->q, a->k, a->v, a->out, a->dout, a->dq, a->dk, a->dv);
    gradient_free(g);
}

/* Error of got relative to the size of want: both as vectors. */
static double distance(const float *got, const double *want, size_t n)
{
    double error = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        error += (got[i] - want[i]) * (got[i] - want[i]);
        size += want[i] * want[i];
    }
    return size > 0 ? sqrt(error / size) : sqrt(error);
}

/* With bf16 each operand of dv, dk and dq is rounded by 2^-9 of its size and more
 * rarely by 2^-8, so that a result is off by some 0.4 % of its size; f32 leaves the
 * error of e^x and of sums. */
static double attend_tolerance(bool bf16)
{
    return bf16 && tensor_level() == CPU_AMX ? 1e-2 : 5e-6;
}

START_TEST(attention_equals_the_backward_pass_in_double)
{
    pool *threads = pool_new(2);

    for (int i = 0; at_level(_i) && i < N_CASE; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            const attend_case *c = &cases[i];
            size_t nq = q_floats(c), nk = k_floats(c);
            attend_data a = attend_make(c);
            double *dq = mem_array(nq, 8), *dk = mem_array(nk, 8), *dv = mem_array(nk, 8);

            attend_backward(c, &a, dq, dk, dv);
            attend_run_gradient(c, &a, bf16, threads);
            ck_assert_double_lt(distance(a.dq, dq, nq), attend_tolerance(bf16));
            ck_assert_double_lt(distance(a.dk, dk, nk), attend_tolerance(bf16));
            ck_assert_double_lt(distance(a.dv, dv, nk), attend_tolerance(bf16));
            attend_drop(&a);
            mem_free(dq);
            mem_free(dk);
            mem_free(dv);
        }
    pool_free(threads);
}
END_TEST

START_TEST(attention_agrees_with_finite_differences)
{
    static const attend_case c = {
        3, { { 0, 5, 0, -1 }, { 5, 3, 5, 0 }, { 5, 2, 8, 0 } }, 10, 2, 1, 8,
    };
    pool *threads = pool_new(1);
    attend_data a = attend_make(&c);
    float *values[3] = { a.q, a.k, a.v }, *slopes[3] = { a.dq, a.dk, a.dv };

    if (at_level(_i)) {
        attend_run_gradient(&c, &a, false, threads);
        for (int t = 0; t < 3; t++)
            for (size_t i = 0; i < (t ? k_floats(&c) : q_floats(&c)); i++) {
                float kept = values[t][i], step = 1.0f / 256;
                double up, down;

                values[t][i] = kept + step;
                up = attend_forward(&c, &a, NULL);
                values[t][i] = kept - step;
                down = attend_forward(&c, &a, NULL);
                values[t][i] = kept;
                /* Third derivatives times step^2 / 6; kept + step is rounded. */
                ck_assert_double_eq_tol(slopes[t][i], (up - down) / (2.0 * step), 2e-4);
            }
    }
    attend_drop(&a);
    pool_free(threads);
}
END_TEST

/* A group's prompt as one run: the sum of what each whole sequence would add. */
START_TEST(a_shared_prefix_adds_up_the_unshared_sequences)
{
    enum { P = 32, A = 19, B = 40, H = 4, KV = 2, D = 32 };
    static const attend_case shared = {
        3, { { 0, P, 0, -1 }, { P, A, P, 0 }, { P, B, P + A, 0 } }, P + A + B, H, KV, D,
    };
    static const attend_case whole = {
        2, { { 0, P + A, 0, -1 }, { 0, P + B, P + A, -1 } }, 2 * P + A + B, H, KV, D,
    };
    pool *threads = pool_new(2);
    attend_data a = attend_make(&shared), b = attend_make(&whole);

    if (at_level(_i)) {
        double tolerance;

        /* Row r of `whole` is row from[r] of `shared`; the second copy of the
         * prompt has no queries of its own. */
        for (int r = 0; r < whole.n_row; r++) {
            int copy = r >= P + A && r < 2 * P + A;
            int from = r < P + A ? r : copy ? r - P - A : r - P;

            memcpy(b.q + r * H * D, a.q + from * H * D, H * D * 4);
            memcpy(b.dout + r * H * D, a.dout + from * H * D, H * D * 4);
            memcpy(b.out + r * H * D, a.out + from * H * D, H * D * 4);
            memcpy(b.k + r * KV * D, a.k + from * KV * D, KV * D * 4);
            memcpy(b.v + r * KV * D, a.v + from * KV * D, KV * D * 4);
            if (copy) memset(b.dout + r * H * D, 0, H * D * 4);
        }
        for (int bf16 = 0; bf16 < 2; bf16++) {
            attend_run_gradient(&shared, &a, bf16, threads);
            attend_run_gradient(&whole, &b, bf16, threads);
            tolerance = bf16 && tensor_level() == CPU_AMX ? 0.1 : 2e-5;
            for (int i = 0; i < (P + A) * H * D; i++)
                ck_assert_double_eq_tol(a.dq[i], b.dq[i], tolerance);
            for (int i = 0; i < B * H * D; i++)
                ck_assert_double_eq_tol(a.dq[(P + A) * H * D + i],
                                        b.dq[(2 * P + A) * H * D + i], tolerance);
            for (int i = 0; i < P * KV * D; i++) {
                int j = (P + A) * KV * D + i;

                ck_assert_double_eq_tol(a.dk[i], b.dk[i] + b.dk[j], tolerance);
                ck_assert_double_eq_tol(a.dv[i], b.dv[i] + b.dv[j], tolerance);
            }
            for (int i = P * KV * D; i < (P + A) * KV * D; i++) {
                ck_assert_double_eq_tol(a.dk[i], b.dk[i], tolerance);
                ck_assert_double_eq_tol(a.dv[i], b.dv[i], tolerance);
            }
        }
    }
    attend_drop(&a);
    attend_drop(&b);
    pool_free(threads);
}
END_TEST

/* Threads. */

/* Everything on n_thread threads, one result after the other. */
static float *all_results(int n_thread, bool bf16, size_t *n_float)
{
    enum { ROWS = 1300, OUT = 150, IN = 80 };
    const attend_case *c = &cases[2];
    pool *threads = pool_new(n_thread);
    gradient *g = gradient_new(bf16);
    float *dy = random_floats(ROWS * OUT, 1), *x = random_floats(ROWS * IN, 2);
    float *w = random_floats(OUT * IN, 3);
    attend_data a = attend_make(c);
    size_t nq = q_floats(c), nk = k_floats(c), n = 2 * ROWS * IN + OUT * IN + IN;
    float *all = mem_array(n + nq + 2 * nk, sizeof *all);
    float *dx = all, *dn = dx + ROWS * IN, *dw = dn + ROWS * IN, *dweight = dw + OUT * IN;

    gradient_input(g, threads, dy, w, ROWS, OUT, IN, false, dx);
    gradient_weight(g, threads, dy, x, ROWS, OUT, IN, dw);
    gradient_norm(threads, x, w, 1e-5f, dx, ROWS, IN, false, dn, dweight);
    gradient_attention(g, threads, c->runs, c->n_run, c->n_row, c->n_head, c->n_head_kv,
                       c->d_head, a.q, a.k, a.v, a.out, a.dout, all + n, all + n + nq,
                       all + n + nq + nk);
    *n_float = n + nq + 2 * nk;
    attend_drop(&a);
    mem_free(dy);
    mem_free(x);
    mem_free(w);
    gradient_free(g);
    pool_free(threads);
    return all;
}

START_TEST(results_do_not_depend_on_the_number_of_threads)
{
    for (int bf16 = 0; at_level(_i) && bf16 < 2; bf16++) {
        size_t n;
        float *one = all_results(1, bf16, &n), *three = all_results(3, bf16, &n);

        ck_assert(!memcmp(one, three, n * sizeof *one));
        mem_free(one);
        mem_free(three);
    }
}
END_TEST

START_TEST(no_rows_are_no_work)
{
    pool *threads = pool_new(1);
    gradient *g = gradient_new(true);
    float w[4] = { 1, 2, 3, 4 }, dw[4] = { 5, 6, 7, 8 };

    gradient_input(g, threads, NULL, w, 0, 2, 2, false, NULL);
    gradient_weight(g, threads, NULL, NULL, 0, 2, 2, dw);
    gradient_norm(threads, NULL, w, 1e-5f, NULL, 0, 4, false, NULL, dw);
    gradient_attention(g, threads, NULL, 0, 0, 1, 1, 16, NULL, NULL, NULL, NULL, NULL, NULL,
                       NULL, NULL);
    ck_assert(dw[0] == 5 && dw[3] == 8);
    gradient_free(g);
    gradient_free(NULL);
    pool_free(threads);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradient");
    TCase *tc = tcase_create("all");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, products_equal_sums_in_double, 0, N_LEVEL);
    tcase_add_loop_test(tc, products_of_small_integers_are_exact, 0, N_LEVEL);
    tcase_add_loop_test(tc, norm_equals_the_derivative_in_double, 0, N_LEVEL);
    tcase_add_loop_test(tc, norm_agrees_with_finite_differences, 0, N_LEVEL);
    tcase_add_loop_test(tc, rope_gradient_undoes_the_rotation, 0, N_LEVEL);
    tcase_add_loop_test(tc, swiglu_equals_the_derivative_in_double, 0, N_LEVEL);
    tcase_add_loop_test(tc, attention_equals_the_backward_pass_in_double, 0, N_LEVEL);
    tcase_add_loop_test(tc, attention_agrees_with_finite_differences, 0, N_LEVEL);
    tcase_add_loop_test(tc, a_shared_prefix_adds_up_the_unshared_sequences, 0, N_LEVEL);
    tcase_add_loop_test(tc, results_do_not_depend_on_the_number_of_threads, 0, N_LEVEL);
    tcase_add_test(tc, no_rows_are_no_work);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
