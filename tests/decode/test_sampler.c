/* test_sampler.c - draws against a sorted, double-precision oracle. */
#include "decode/sampler.h"

#include <check.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tensor/logits.h"

#define MAX_VOCAB 5000

static float *make_row(int n, uint64_t seed, double spread)
{
    float *x = mem_array((size_t)n, sizeof *x);

    for (int i = 0; i < n; i++)
        x[i] = (float)(spread * rng_normal(seed, 2, (uint64_t)i));
    return x;
}

static sampler_input input(const float *x, const sampler_options *o, uint64_t counter)
{
    return (sampler_input){ .logits = x, .options = o, .forced = -1, .counter = counter };
}

static sample draw(sampler *s, const sampler_input *in)
{
    sample out;
    errtext err;

    ck_assert_msg(sampler_draw(s, in, &out, &err) == OK, "%s", err.text);
    return out;
}

/* ------------------------------------------------------------------ oracle */

typedef struct ranked {
    double x, p;
    int32_t id;
} ranked;

static int by_rank(const void *a, const void *b)
{
    const ranked *p = a, *q = b;

    if (p->x != q->x) return p->x < q->x ? 1 : -1;
    return p->id - q->id;
}

/* The steps of sampler.h, literally. Fills probability[n] (0 for tokens cut)
 * and returns how near the closest cut was to falling otherwise. */
static double oracle(const float *x, int n, const sampler_options *o,
                     const uint64_t *allowed, double *probability)
{
    static ranked r[MAX_VOCAB];
    double total = 0, sum = 0, margin = 1, t = (double)o->temperature;
    int m = 0, kept;

    for (int i = 0; i < n; i++)
        if (!allowed || (allowed[i / 64] >> i % 64 & 1))
            r[m++] = (ranked){ (double)x[i], 0, i };
    qsort(r, (size_t)m, sizeof *r, by_rank);
    for (int i = 0; i < m; i++) r[i].p = exp((r[i].x - r[0].x) / t);
    if (o->top_k && o->top_k < m) m = o->top_k;
    for (int i = 0; i < m; i++) total += r[i].p;
    for (kept = 0; kept < m && (kept == 0 || o->top_p == 1 ||
                                sum < (double)o->top_p * total); kept++) {
        sum += r[kept].p;
        if (o->top_p < 1) margin = fmin(margin, fabs(sum / total - (double)o->top_p));
    }
    for (int i = 0; i < kept; i++) {
        if (o->min_p > 0) margin = fmin(margin, fabs(r[i].p / (double)o->min_p - 1));
        if (r[i].p < (double)o->min_p) kept = i;
    }
    total = 0;
    for (int i = 0; i < kept; i++) total += r[i].p;
    memset(probability, 0, (size_t)n * sizeof *probability);
    for (int i = 0; i < kept; i++) probability[r[i].id] = r[i].p / total;
    return margin;
}

/* Draw n_draw times and compare every token's count with its expectation, at
 * six standard deviations, and that of all rare tokens together; tokens cut
 * off must never come (where f32 masses decide the same as the oracle). */
static void check_distribution(const float *x, int n, const sampler_options *o,
                               const uint64_t *allowed, int n_draw)
{
    static double want[MAX_VOCAB];
    static int count[MAX_VOCAB];
    sampler *s = sampler_new(n);
    double margin = oracle(x, n, o, allowed, want), rare = 0, n_rare = 0;

    memset(count, 0, sizeof count);
    for (int i = 0; i < n_draw; i++) {
        sampler_input in = input(x, o, (uint64_t)i);

        in.allowed = allowed;
        count[draw(s, &in).id]++;
    }
    for (int i = 0; i < n; i++) {
        double mean = n_draw * want[i], sd = sqrt(mean * (1 - want[i]));

        if (want[i] == 0 && margin > 1e-6)
            ck_assert_msg(count[i] == 0, "token %d was cut", i);
        ck_assert_msg(fabs(count[i] - mean) <= 6 * sd + 3, "token %d: %d, want %g", i,
                      count[i], mean);
        if (mean < 1) rare += want[i], n_rare += count[i];
    }
    ck_assert_double_le(fabs(n_rare - n_draw * rare), 6 * sqrt(n_draw * rare) + 1);
    sampler_free(s);
}

/* ------------------------------------------------------------------ greedy */

START_TEST(greedy_takes_the_first_of_the_largest)
{
    static const int sizes[] = { 1, 5, 16, 1000, 1024, 1025, 49152 };
    sampler_options o = sampler_defaults();

    o.temperature = 0;
    for (int k = 0; k < 7; k++)
        for (int round = 0; round < 20; round++) {
            int n = sizes[k];
            float *x = make_row(n, (uint64_t)(k * 100 + round), 2);
            sampler *s = sampler_new(n);
            sampler_input in = input(x, &o, 0);
            int a = (int)(rng_u64(1, 2, (uint64_t)round) % (uint64_t)n);
            int b = (int)(rng_u64(1, 3, (uint64_t)round) % (uint64_t)n);

            x[a] = x[b] = 50;
            ck_assert_int_eq(draw(s, &in).id, a < b ? a : b);
            sampler_free(s);
            mem_free(x);
        }
}
END_TEST

START_TEST(zero_and_minus_zero_are_equal)
{
    sampler_options o = sampler_defaults();
    const float x[4] = { -1, -0.0f, 0.0f, -0.0f };
    sampler *s = sampler_new(4);
    sampler_input in = input(x, &o, 0);

    o.temperature = 0;
    ck_assert_int_eq(draw(s, &in).id, 1);
    o.temperature = 1;
    o.top_k = 1;
    for (int i = 0; i < 100; i++) {
        in.counter = (uint64_t)i;
        ck_assert_int_eq(draw(s, &in).id, 1);
    }
    sampler_free(s);
}
END_TEST

/* ---------------------------------------------------------------- sampling */

START_TEST(plain_sampling_follows_the_softmax)
{
    sampler_options o = sampler_defaults();
    static const float temperatures[] = { 0.5f, 1, 1.7f };
    float *x = make_row(300, 4, 1.5), *big = make_row(3000, 5, 0.5);

    for (int k = 0; k < 3; k++) {
        o.temperature = temperatures[k];
        o.seed = (uint64_t)k;
        check_distribution(x, 300, &o, NULL, 30000);
    }
    check_distribution(big, 3000, &o, NULL, 30000);
    mem_free(x);
    mem_free(big);
}
END_TEST

START_TEST(truncated_sampling_follows_the_sorted_oracle)
{
    static const struct { int n, k; float p, min_p, t; double spread; } cases[] = {
        { 50, 5, 1, 0, 1, 1 },          { 50, 0, 0.8f, 0, 1, 1 },
        { 50, 0, 1, 0.2f, 1, 1 },       { 50, 10, 0.7f, 0.15f, 0.8f, 1 },
        { 3000, 40, 1, 0, 1, 1 },       { 3000, 40, 0.95f, 0, 0.6f, 2 },
        { 3000, 0, 0.9f, 0, 1, 2 },     { 3000, 0, 0.5f, 0, 2, 1 },
        { 3000, 0, 0.999f, 0, 1.5f, 1 }, { 3000, 0, 1, 0.05f, 1, 2 },
        { 3000, 1, 1, 0, 1, 1 },        { 3000, 2000, 0.99f, 0.001f, 1, 1 },
        { 3000, 0, 0.95f, 0.01f, 1, 2 }, { 3000, 100, 1, 0.02f, 1, 1 },
        { 4999, 4999, 1, 0, 1, 3 },     { 4999, 4998, 1, 0, 1, 3 },
        { 3000, 0, 0.9999f, 0, 1, 3 },   { 3000, 0, 0.9999f, 1e-6f, 1, 3 },
        { 3000, 0, 1e-9f, 0, 1, 1 },    { 3000, 0, 1, 0.9f, 1, 0.1 },
    };

    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        sampler_options o = sampler_defaults();
        float *x = make_row(cases[k].n, 40 + k, cases[k].spread);

        o.top_k = cases[k].k;
        o.top_p = cases[k].p;
        o.min_p = cases[k].min_p;
        o.temperature = cases[k].t;
        o.seed = k;
        check_distribution(x, cases[k].n, &o, NULL, cases[k].n > 1000 ? 10000 : 30000);
        mem_free(x);
    }
}
END_TEST

/* Every filter off but one, with settings that cut everything else away. */
START_TEST(the_tightest_filters_leave_the_best_token)
{
    float *x = make_row(2000, 8, 2);
    sampler *s = sampler_new(2000);
    sampler_options greedy = sampler_defaults();
    sampler_input in = input(x, &greedy, 0);
    int32_t best;

    greedy.temperature = 0;
    best = draw(s, &in).id;
    for (int k = 0; k < 4; k++) {
        sampler_options o = sampler_defaults();

        if (k == 0) o.top_k = 1;
        if (k == 1) o.top_p = 0;
        if (k == 2) o.min_p = 1;
        if (k == 3) o.temperature = FLT_TRUE_MIN;
        for (int i = 0; i < 200; i++) {
            in = input(x, &o, (uint64_t)i);
            ck_assert_int_eq(draw(s, &in).id, best);
        }
    }
    sampler_free(s);
    mem_free(x);
}
END_TEST

START_TEST(equal_logits_are_cut_by_lowest_id)
{
    static const float x[100] = { 0 };
    static const struct { int k; float p; int want; } cases[] = {
        { 7, 1, 7 }, { 0, 0.25f, 25 }, { 40, 0.5f, 20 }, { 99, 1, 99 },
    };
    sampler *s = sampler_new(100);

    for (int c = 0; c < 4; c++) {
        sampler_options o = sampler_defaults();
        bool seen[100] = { false };

        o.top_k = cases[c].k;
        o.top_p = cases[c].p;
        for (int i = 0; i < 2000; i++) {
            sampler_input in = input(x, &o, (uint64_t)i);

            seen[draw(s, &in).id] = true;
        }
        for (int i = 0; i < 100; i++) ck_assert_int_eq(seen[i], i < cases[c].want);
    }
    sampler_free(s);
}
END_TEST

START_TEST(a_mask_removes_tokens_before_any_filter)
{
    uint64_t allowed[(MAX_VOCAB + 63) / 64];
    float *x = make_row(3000, 21, 1);
    sampler_options o = sampler_defaults();

    for (size_t w = 0; w < sizeof allowed / sizeof *allowed; w++)
        allowed[w] = w % 3 == 0 ? 0 : w % 3 == 1 ? UINT64_MAX : rng_u64(5, 5, w);
    check_distribution(x, 3000, &o, allowed, 8000);
    o.top_k = 30;
    check_distribution(x, 3000, &o, allowed, 8000);
    o.top_k = 0;
    o.top_p = 0.3f;
    check_distribution(x, 3000, &o, allowed, 8000);
    mem_free(x);
}
END_TEST

START_TEST(a_mask_of_one_token_forces_it)
{
    float *x = make_row(2500, 22, 3);
    sampler *s = sampler_new(2500);

    for (int id = 0; id < 2500; id += 83)
        for (int k = 0; k < 4; k++) {
            sampler_options o = sampler_defaults();
            uint64_t allowed[40] = { 0 };
            sampler_input in = input(x, &o, (uint64_t)id);

            allowed[id / 64] = 1ull << id % 64;
            in.allowed = allowed;
            o.temperature = k ? 1 : 0;
            o.top_k = k == 1 ? 10 : 0;
            o.top_p = k == 2 ? 0.5f : 1;
            ck_assert_int_eq(draw(s, &in).id, id);
        }
    sampler_free(s);
    mem_free(x);
}
END_TEST

START_TEST(banned_tokens_never_come)
{
    const float x[4] = { 9, 8, 7, 6 };
    const int32_t banned[2] = { 0, 2 };
    sampler *s = sampler_new(4);
    sampler_options o = sampler_defaults();
    sampler_input in = input(x, &o, 0);
    int n_one = 0;

    in.banned = banned;
    in.n_banned = 2;
    for (int i = 0; i < 2000; i++) {
        int32_t id;

        in.counter = (uint64_t)i;
        id = draw(s, &in).id;
        ck_assert(id == 1 || id == 3);
        n_one += id == 1;
    }
    ck_assert_int_gt(n_one, 1600);                   /* e^8 : e^6 is 88 % */
    ck_assert_int_lt(n_one, 1900);
    o.temperature = 0;
    ck_assert_int_eq(draw(s, &in).id, 1);
    sampler_free(s);
}
END_TEST

/* --------------------------------------------------------------- penalties */

START_TEST(penalties_and_bias_change_logits_as_stated)
{
    const float x[6] = { 2, -2, 1, 1, 1, 0.5f };
    const token_bias bias[2] = { { 4, 0.75f }, { 4, 0.5f } };
    sampler_options o = sampler_defaults();
    float changed[6];
    tally t;

    tally_init(&t, 4);
    tally_prompt(&t, (const int32_t[]){ 3, 3, 1, 5 }, 4);
    tally_add(&t, 0);
    tally_add(&t, 2);
    tally_add(&t, 2);                /* window: 5 0 2 2; output: 0 2 2 */
    o.repeat_penalty = 2;
    o.repeat_window = 4;
    o.frequency_penalty = 0.25f;
    o.presence_penalty = 0.1f;
    o.bias = bias;
    o.n_bias = 2;
    changed[0] = 2 / 2.0f - 0.25f - 0.1f;
    changed[1] = -2;
    changed[2] = 1 / 2.0f - 0.5f - 0.1f;
    changed[3] = 1;
    changed[4] = 1 + 0.75f + 0.5f;
    changed[5] = 0.5f / 2;
    {
        double want[6];
        int count[6] = { 0 };
        sampler *s = sampler_new(6);
        sampler_options plain = sampler_defaults();

        oracle(changed, 6, &plain, NULL, want);
        for (int i = 0; i < 60000; i++) {
            sampler_input in = input(x, &o, (uint64_t)i);

            in.tally = &t;
            count[draw(s, &in).id]++;
        }
        for (int i = 0; i < 6; i++)
            ck_assert_double_le(fabs(count[i] - 60000 * want[i]),
                                6 * sqrt(60000 * want[i] * (1 - want[i])));
        sampler_free(s);
    }
    tally_fini(&t);
}
END_TEST

START_TEST(a_repeated_negative_logit_falls_further)
{
    const float x[2] = { -1, -1.5f };
    sampler_options o = sampler_defaults();
    sampler *s = sampler_new(2);
    sampler_input in = input(x, &o, 0);
    tally t;

    tally_init(&t, -1);
    tally_prompt(&t, (const int32_t[]){ 0 }, 1);
    o.temperature = 0;
    o.repeat_penalty = 2;
    in.tally = &t;
    ck_assert(sampler_wants_tally(&o));
    ck_assert_int_eq(draw(s, &in).id, 1);
    o.repeat_penalty = 1;
    ck_assert(!sampler_wants_tally(&o));
    ck_assert_int_eq(draw(s, &in).id, 0);
    tally_fini(&t);
    sampler_free(s);
}
END_TEST

START_TEST(huge_logits_stay_finite_under_penalties)
{
    const float x[3] = { FLT_MAX, -FLT_MAX, 0 };
    sampler_options o = sampler_defaults();
    sampler *s = sampler_new(3);
    sampler_input in = input(x, &o, 0);
    tally t;

    tally_init(&t, -1);
    tally_prompt(&t, (const int32_t[]){ 0, 1 }, 2);
    o.repeat_penalty = 0.1f;
    in.tally = &t;
    ck_assert_int_eq(draw(s, &in).id, 0);
    o.repeat_penalty = 10;
    ck_assert_int_eq(draw(s, &in).id, 0);
    tally_fini(&t);
    sampler_free(s);
}
END_TEST

/* --------------------------------------------------------------- log-probs */

START_TEST(log_prob_is_the_models_whatever_the_filters)
{
    float *x = make_row(3000, 31, 2);
    sampler *s = sampler_new(3000);
    const int32_t banned[1] = { 17 };
    const token_bias bias[1] = { { 40, 5 } };

    for (int k = 0; k < 40; k++) {
        sampler_options o = sampler_defaults();
        sampler_input in = input(x, &o, (uint64_t)k);
        logits_norm norm;
        sample got;

        o.temperature = k % 4 == 0 ? 0 : 0.5f * (float)(k % 4);
        o.top_k = k % 3 == 1 ? 20 : 0;
        o.top_p = k % 3 == 2 ? 0.9f : 1;
        o.log_prob = true;
        if (k % 5 == 0) in.banned = banned, in.n_banned = 1;
        if (k % 7 == 0) o.bias = bias, o.n_bias = 1;
        got = draw(s, &in);
        norm = logits_normalise(cpu_detect(), x, 3000, o.temperature);
        ck_assert(got.log_prob == logits_log_prob(&norm, x[got.id]));
    }
    sampler_free(s);
    mem_free(x);
}
END_TEST

START_TEST(top_log_probs_are_the_most_probable_in_order)
{
    static const int sizes[] = { 3, 20, 500, 30000 };

    for (int k = 0; k < 4; k++) {
        int n = sizes[k];
        float *x = make_row(n, (uint64_t)(50 + k), 2);
        sampler *s = sampler_new(n);
        sampler_options o = sampler_defaults();
        sampler_input in = input(x, &o, 5);
        logits_norm norm = logits_normalise(cpu_detect(), x, n, 1);
        sample got;
        bool taken[30000] = { false };

        x[n / 2] = x[1];                             /* one pair of equals */
        norm = logits_normalise(cpu_detect(), x, n, 1);
        o.n_top = SAMPLER_MAX_TOP;
        got = draw(s, &in);
        ck_assert_int_eq(got.n_top, n < SAMPLER_MAX_TOP ? n : SAMPLER_MAX_TOP);
        for (int i = 0; i < got.n_top; i++) {
            int best = -1;

            for (int id = 0; id < n; id++)
                if (!taken[id] && (best < 0 || x[id] > x[best])) best = id;
            taken[best] = true;
            ck_assert_int_eq(got.top[i].id, best);
            ck_assert(got.top[i].log_prob == logits_log_prob(&norm, x[best]));
        }
        sampler_free(s);
        mem_free(x);
    }
}
END_TEST

START_TEST(a_forced_token_is_reported_like_a_drawn_one)
{
    float *x = make_row(1000, 61, 2);
    sampler *s = sampler_new(1000);
    sampler_options o = sampler_defaults();
    sampler_input in = input(x, &o, 0);
    logits_norm norm = logits_normalise(cpu_detect(), x, 1000, 1);
    sample got;

    o.log_prob = true;
    o.n_top = 2;
    in.forced = 321;
    got = draw(s, &in);
    ck_assert_int_eq(got.id, 321);
    ck_assert(got.log_prob == logits_log_prob(&norm, x[321]));
    ck_assert_int_eq(got.n_top, 2);
    sampler_free(s);
    mem_free(x);
}
END_TEST

/* ------------------------------------------------------------- determinism */

START_TEST(every_vector_width_draws_the_same)
{
    enum { N = 151936, N_DRAW = 60 };
    float *x = make_row(N, 71, 2.5);
    static sample want[N_DRAW];
    uint64_t *allowed = mem_array((N + 63) / 64, sizeof *allowed);
    static const char *const levels[] = { "scalar", "avx2", "avx512", "amx" };

    for (int w = 0; w < (N + 63) / 64; w++) allowed[w] = rng_u64(9, 9, (uint64_t)w);
    for (int level = 0; level < 4; level++) {
        sampler *s;

        setenv("PONDER_CPU", levels[level], 1);
        s = sampler_new(N);
        for (int i = 0; i < N_DRAW; i++) {
            sampler_options o = sampler_defaults();
            sampler_input in = input(x, &o, (uint64_t)i);
            sample got;

            o.temperature = i % 6 == 0 ? 0 : 0.9f;
            o.top_k = i % 6 == 1 ? 40 : i % 6 == 2 ? 30000 : 0;
            o.top_p = i % 6 == 3 ? 0.95f : 1;
            o.min_p = i % 6 == 4 ? 0.01f : 0;
            o.log_prob = true;
            o.n_top = 5;
            in.allowed = i % 2 ? allowed : NULL;
            got = draw(s, &in);
            if (level == 0) want[i] = got;
            ck_assert_int_eq(got.id, want[i].id);
            ck_assert(got.log_prob == want[i].log_prob);
            for (int j = 0; j < 5; j++) {
                ck_assert_int_eq(got.top[j].id, want[i].top[j].id);
                ck_assert(got.top[j].log_prob == want[i].top[j].log_prob);
            }
        }
        sampler_free(s);
    }
    mem_free(allowed);
    mem_free(x);
}
END_TEST

START_TEST(a_draw_does_not_depend_on_earlier_draws_and_keeps_the_row)
{
    float *a = make_row(4000, 81, 2), *b = make_row(4000, 82, 0.1);
    float *kept = mem_copy(a, 4000 * sizeof *a);
    sampler *fresh, *used = sampler_new(4000);

    for (int i = 0; i < 100; i++) {
        sampler_options o = sampler_defaults(), other = sampler_defaults();
        const int32_t banned[1] = { i };
        sampler_input in = input(a, &o, (uint64_t)i), noise = input(b, &other, 0);
        sample want, got;

        o.top_p = i % 2 ? 0.9f : 1;
        o.n_top = 3;
        in.stream = 3;
        in.banned = banned;
        in.n_banned = 1;
        other.top_k = 1 + 39 * i;
        draw(used, &noise);
        fresh = sampler_new(4000);
        want = draw(fresh, &in);
        got = draw(used, &in);
        ck_assert_int_eq(got.id, want.id);
        ck_assert_mem_eq(got.top, want.top, 3 * sizeof *got.top);
        ck_assert_mem_eq(a, kept, 4000 * sizeof *a);
        sampler_free(fresh);
    }
    sampler_free(used);
    mem_free(kept);
    mem_free(a);
    mem_free(b);
}
END_TEST

START_TEST(seed_stream_and_counter_each_change_the_draws)
{
    float *x = make_row(5000, 91, 0.1);
    sampler *s = sampler_new(5000);
    sampler_options o = sampler_defaults();
    int n_same[3] = { 0 };

    for (int i = 0; i < 200; i++) {
        sampler_input in = input(x, &o, (uint64_t)i);
        int32_t base = draw(s, &in).id;

        ck_assert_int_eq(draw(s, &in).id, base);
        o.seed = 1;
        n_same[0] += draw(s, &in).id == base;
        o.seed = 0;
        in.stream = 1;
        n_same[1] += draw(s, &in).id == base;
        in.stream = 0;
        in.counter = (uint64_t)(i + 1000);
        n_same[2] += draw(s, &in).id == base;
    }
    for (int k = 0; k < 3; k++) ck_assert_int_lt(n_same[k], 5);
    sampler_free(s);
    mem_free(x);
}
END_TEST

/* ------------------------------------------------------------------ errors */

START_TEST(logits_that_are_not_finite_are_named)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    float *x = make_row(1500, 95, 2);
    sampler *s = sampler_new(1500);
    sampler_options o = sampler_defaults();
    sampler_input in = input(x, &o, 0);

    for (int k = 0; k < 3; k++)
        for (int t = 0; t < 2; t++) {
            float was = x[1303];
            sample out = { .id = -7 };
            errtext err;

            o.temperature = (float)t;
            x[1303] = bad[k];
            ck_assert_int_eq(sampler_draw(s, &in, &out, &err), E_FORMAT);
            ck_assert_ptr_nonnull(strstr(err.text, "token 1303"));
            ck_assert_int_eq(out.id, -7);
            x[1303] = was;
            ck_assert_int_eq(sampler_draw(s, &in, &out, &err), OK);
        }
    sampler_free(s);
    mem_free(x);
}
END_TEST

START_TEST(a_mask_without_tokens_is_an_error)
{
    const float x[3] = { 1, 2, 3 };
    const uint64_t allowed[1] = { 4 };
    const int32_t banned[1] = { 2 };
    sampler *s = sampler_new(3);
    sampler_options o = sampler_defaults();
    sampler_input in = input(x, &o, 0);
    sample out;
    errtext err;

    in.allowed = allowed;
    ck_assert_int_eq(draw(s, &in).id, 2);
    in.banned = banned;
    in.n_banned = 1;
    ck_assert_int_eq(sampler_draw(s, &in, &out, &err), E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "no token can follow"));
    sampler_free(s);
}
END_TEST

static void refuses(const sampler_options *o, status want, const char *text)
{
    errtext err = { "" };

    ck_assert_int_eq(sampler_check(o, 1000, &err), want);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" lacks \"%s\"", err.text, text);
}

START_TEST(options_out_of_range_are_named_with_their_range)
{
    static const float temperatures[] = { NAN, -1, 1e38f, INFINITY, -0.001f, 100.01f };
    static const token_bias bad_id[] = { { -1, 0 }, { 1000, 0 }, { INT32_MAX, 0 } };
    static const token_bias bad_bias[] = { { 1, NAN }, { 1, 101 }, { 1, -INFINITY } };
    sampler_options o = sampler_defaults();

#define REFUSE(field, value, text) \
    do { \
        o = sampler_defaults(); \
        o.field = value; \
        refuses(&o, E_ARG, text); \
    } while (0)
    ck_assert_int_eq(sampler_check(&o, 1000, NULL), OK);
    for (int i = 0; i < 6; i++)
        REFUSE(temperature, temperatures[i], "must be from 0 to 100");
    REFUSE(top_p, 2, "top_p is 2; it must be from 0 to 1");
    REFUSE(top_p, NAN, "top_p");
    REFUSE(top_p, -0.1f, "top_p");
    REFUSE(top_k, -5, "top_k is -5");
    REFUSE(min_p, 1.5f, "min_p");
    REFUSE(repeat_penalty, 0, "repeat_penalty");
    REFUSE(repeat_penalty, 11, "repeat_penalty");
    REFUSE(repeat_window, -2, "repeat_window");
    REFUSE(repeat_window, INT_MAX, "repeat_window");
    REFUSE(presence_penalty, 2.5f, "presence_penalty");
    REFUSE(frequency_penalty, -3, "frequency_penalty");
    REFUSE(n_top, 1000000, "top_logprobs is 1e+06; it must be from 0 to 20");
    REFUSE(n_top, -1, "top_logprobs");
#undef REFUSE
    o = sampler_defaults();
    o.n_bias = 1;
    for (int i = 0; i < 3; i++) {
        o.bias = &bad_id[i];
        refuses(&o, E_ARG, "ids run from 0 to 999");
        o.bias = &bad_bias[i];
        refuses(&o, E_ARG, "logit_bias of token 1");
    }
    o.n_bias = 1000000;
    refuses(&o, E_LIMIT, "1000000 entries");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sampler");
    TCase *tc = tcase_create("sampler");
    SRunner *sr = srunner_create(suite);
    int n_failed;

    tcase_set_timeout(tc, 180);
    tcase_add_test(tc, greedy_takes_the_first_of_the_largest);
    tcase_add_test(tc, zero_and_minus_zero_are_equal);
    tcase_add_test(tc, plain_sampling_follows_the_softmax);
    tcase_add_test(tc, truncated_sampling_follows_the_sorted_oracle);
    tcase_add_test(tc, the_tightest_filters_leave_the_best_token);
    tcase_add_test(tc, equal_logits_are_cut_by_lowest_id);
    tcase_add_test(tc, a_mask_removes_tokens_before_any_filter);
    tcase_add_test(tc, a_mask_of_one_token_forces_it);
    tcase_add_test(tc, banned_tokens_never_come);
    tcase_add_test(tc, penalties_and_bias_change_logits_as_stated);
    tcase_add_test(tc, a_repeated_negative_logit_falls_further);
    tcase_add_test(tc, huge_logits_stay_finite_under_penalties);
    tcase_add_test(tc, log_prob_is_the_models_whatever_the_filters);
    tcase_add_test(tc, top_log_probs_are_the_most_probable_in_order);
    tcase_add_test(tc, a_forced_token_is_reported_like_a_drawn_one);
    tcase_add_test(tc, every_vector_width_draws_the_same);
    tcase_add_test(tc, a_draw_does_not_depend_on_earlier_draws_and_keeps_the_row);
    tcase_add_test(tc, seed_stream_and_counter_each_change_the_draws);
    tcase_add_test(tc, logits_that_are_not_finite_are_named);
    tcase_add_test(tc, a_mask_without_tokens_is_an_error);
    tcase_add_test(tc, options_out_of_range_are_named_with_their_range);
    suite_add_tcase(suite, tc);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
