/* test_backward.c - the trainer's forward has the sampler's bits, and its
 * gradients are slopes. */
#include <math.h>
#include <stdlib.h>

#include "model/learner.h"

/* Sum of weighted log-probs, plus what a value head would say of the hidden
 * rows, from a fresh forward. */
static double value_of(rig *r, const sample_batch *s, float temperature, float balance)
{
    float log_prob[256];
    const float *hidden;
    double sum = 0;

    tape_forward(r->p, r->threads, &s->b);
    tape_log_probs(r->p, r->threads, s->targets, s->n_target, temperature, log_prob, NULL);
    for (int i = 0; i < s->n_target; i++) sum += (double)s->weight[i] * (double)log_prob[i];
    hidden = tape_hidden(r->p, r->threads);
    for (int k = 0; k < s->b.n_row * model_config(r->m)->d_model; k += 101)
        sum += 0.01 * (double)hidden[k];
    return sum + (double)balance * tape_balance_loss(r->p);
}

static void gradients_of(rig *r, const sample_batch *s, float temperature, float *log_prob,
                         float *entropy)
{
    size_t n = (size_t)s->b.n_row * (size_t)model_config(r->m)->d_model;
    float *value_grad = mem_array(n, sizeof *value_grad);

    for (size_t k = 0; k < n; k += 101) value_grad[k] = 0.01f;
    tape_forward(r->p, r->threads, &s->b);
    trainable_zero(r->t, r->threads);
    tape_backward(r->p, r->threads, s->targets, s->n_target, temperature, weight_of,
                  (void *)s->weight, log_prob, entropy, value_grad);
    mem_free(value_grad);
}

/* Experts that the last forward chose. A slope across a change of them is none. */
static uint64_t routes(const rig *r)
{
    const config *c = model_config(r->m);
    uint64_t h = 1;

    for (int i = 0; i < c->n_layer; i++)
        for (int k = 0; r->m->layers[i].router && k < r->p->n_row * c->n_expert_used; k++)
            h = (h ^ (uint64_t)r->p->ws->kept[i].chosen[k]) * 0x9E3779B97F4A7C15u;
    return h;
}

/* Change of the value when a parameter moves along its random direction by
 * step either way, by the length of the way; NaN where routes change. */
static double slope_of(rig *r, const sample_batch *s, int i, const float *way, double step,
                       float temperature, float balance)
{
    param *p = trainable_param(r->t, i);
    size_t n = (size_t)p->n_out * (size_t)p->n_in;
    float *first = mem_copy(p->value, n * sizeof(float));
    double value[2];
    uint64_t route[2];

    for (int sign = 0; sign < 2; sign++) {
        for (size_t k = 0; k < n; k++)
            p->value[k] = first[k] + (float)((sign ? -step : step) * (double)way[k]);
        trainable_publish(r->t, r->threads);
        value[sign] = value_of(r, s, temperature, balance);
        route[sign] = routes(r);
    }
    memcpy(p->value, first, n * sizeof(float));
    mem_free(first);
    return route[0] == route[1] ? (value[0] - value[1]) / (2 * step) : (double)NAN;
}

/* Every parameter's gradient foretells the change along a random direction. */
static void check_slopes(rig *r, const sample_batch *s, float temperature, float balance)
{
    gradients_of(r, s, temperature, NULL, NULL);
    for (int i = 0; i < trainable_count(r->t); i++) {
        param *p = trainable_param(r->t, i);
        size_t n = (size_t)p->n_out * (size_t)p->n_in;
        double want = 0, norm = 0, step, got = NAN;
        float *way = mem_array(n, sizeof *way);

        for (size_t k = 0; k < n; k++) {
            way[k] = (float)rng_normal(5, (uint64_t)i, k);
            norm += (double)p->value[k] * (double)p->value[k];
            want += (double)p->grad[k] * (double)way[k];
        }
        step = 2e-3 * (sqrt(norm / (double)n) + 0.02);
        for (int tries = 0; tries < 5 && isnan(got); tries++, step /= 4)
            got = slope_of(r, s, i, way, step, temperature, balance);
        step *= 4;
        ck_assert_msg(fabs(got - want) <= 0.01 * fabs(want) + 2e-6 / step,
                      "%s: slope %g, gradient says %g (step %g)", p->name, got, want, step);
        mem_free(way);
    }
    trainable_publish(r->t, r->threads);
}

#define MOE 4                /* among the families */

START_TEST(gradients_are_slopes)
{
    rig r = rig_new(_i, DTYPE_F32, 2, (trainable_options){ 0 });
    sample_batch s;

    sample_make(&s, r.m, true);
    check_slopes(&r, &s, 0.8f, 0);
    rig_free(&r);
}
END_TEST

START_TEST(the_balance_loss_has_its_slopes)
{
    rig r = rig_new(MOE, DTYPE_F32, 2, (trainable_options){ .router_balance = 0.3f });
    sample_batch s;

    sample_make(&s, r.m, true);
    for (int i = 0; i < s.n_target; i++) s.weight[i] *= 0.01f;
    check_slopes(&r, &s, 1, 0.3f);
    rig_free(&r);
}
END_TEST

START_TEST(experts_without_renormalised_shares_have_slopes)
{
    rig r = rig_new(MOE, DTYPE_F32, 2, (trainable_options){ 0 });
    sample_batch s;

    r.m->config.expert_norm = false;
    sample_make(&s, r.m, false);
    check_slopes(&r, &s, 0, 0);
    rig_free(&r);
}
END_TEST

START_TEST(gradients_of_adapters_are_slopes)
{
    rig r = rig_new(_i, DTYPE_F32, 2, (trainable_options){ .lora_rank = 5, .lora_alpha = 8,
                                                           .seed = 1 });
    sample_batch s;

    sample_make(&s, r.m, true);
    for (int i = 0; i < trainable_count(r.t); i++) {
        param *p = trainable_param(r.t, i);

        for (int k = 0; k < p->n_out * p->n_in; k++)
            p->value[k] = (float)(0.1 * rng_normal(8, (uint64_t)i, (uint64_t)k));
    }
    trainable_publish(r.t, r.threads);
    check_slopes(&r, &s, 1.3f, 0);
    rig_free(&r);
}
END_TEST

/* Weights and inputs rounded to 8 bits bring a gradient off its way by a tenth
 * or so, in models as small as these; experts may be chosen otherwise. */
START_TEST(adapters_learn_through_quantised_weights)
{
    const trainable_options o = { .lora_rank = 5, .lora_alpha = 8, .seed = 2 };
    rig exact = rig_new(_i, DTYPE_F32, 2, o), coarse = rig_new(_i, DTYPE_Q8_0, 2, o);
    rig *both[] = { &exact, &coarse };
    sample_batch s;

    for (int k = 0; k < 2 && _i != MOE; k++) {
        for (int i = 0; i < trainable_count(exact.t); i++) {
            param *p = trainable_param(both[k]->t, i);

            for (int j = 0; j < p->n_out * p->n_in; j++)
                p->value[j] += (float)(0.05 * rng_normal(9, (uint64_t)i, (uint64_t)j));
        }
        trainable_publish(both[k]->t, both[k]->threads);
        sample_make(&s, both[k]->m, true);
        gradients_of(both[k], &s, 1, NULL, NULL);
    }
    for (int i = 0; i < trainable_count(exact.t) && _i != MOE; i++) {
        const param *a = trainable_param(exact.t, i), *b = trainable_param(coarse.t, i);
        double off = 0, all = 0;

        for (int j = 0; j < a->n_out * a->n_in; j++) {
            off += pow((double)a->grad[j] - (double)b->grad[j], 2);
            all += pow((double)a->grad[j], 2);
        }
        ck_assert_msg(all > 0 && off < 0.06 * all, "%s: off by %g of %g", a->name, sqrt(off),
                      sqrt(all));
    }
    rig_free(&exact);
    rig_free(&coarse);
}
END_TEST

/* The batch of tools/make_grad_fixtures.py. */
static void fixture_batch(sample_batch *s, const model *m)
{
    int n_vocab = model_config(m)->n_vocab;

    memset(s, 0, sizeof *s);
    s->b.ids = s->ids;
    s->b.runs = s->runs;
    for (int q = 0; q < 2; q++) {
        int n = q ? 20 : 37, row = s->b.n_row;

        s->runs[s->b.n_run++] = (gradient_run){ 0, n, row, -1 };
        for (int i = 0; i < n; i++)
            s->ids[s->b.n_row++] = (i * i * 7 + 31 * i + 57 * q + 3) % n_vocab;
        for (int i = 0; i + 1 < n; i++) {
            s->targets[s->n_target] = (tape_target){ row + i, s->ids[row + i + 1] };
            s->weight[s->n_target++] = (float)((5 * i + 3 * q) % 11 - 5) / 20;
        }
    }
}

static const param *param_named(const rig *r, const char *name)
{
    for (int i = 0; i < trainable_count(r->t); i++)
        if (!strcmp(trainable_param(r->t, i)->name, name)) return trainable_param(r->t, i);
    ck_abort_msg("no parameter %s", name);
    return NULL;
}

/* In f32 to rounding; in bf16 to what its 8 bits allow a sum of products. Not
 * so for experts, where a near tie of scores may turn out otherwise. */
START_TEST(gradients_are_those_of_transformers)
{
    const int type = _i < N_FAMILY ? DTYPE_F32 : DTYPE_BF16;
    const double tolerance = type == DTYPE_F32 ? 2e-4 : 0.04;
    rig r = rig_new(_i % N_FAMILY, type, 2, (trainable_options){ .router_balance = 0.05f });
    sample_batch s;
    float log_prob[256];
    char path[128], name[96];
    double dot, norm, loss = 0;
    int n = 0;
    FILE *f;

    if (type == DTYPE_BF16 && _i % N_FAMILY == MOE) {
        rig_free(&r);
        return;
    }
    fixture_batch(&s, r.m);
    tape_forward(r.p, r.threads, &s.b);
    tape_backward(r.p, r.threads, s.targets, s.n_target, 0.8f, weight_of, s.weight, log_prob, NULL,
                  NULL);
    for (int i = 0; i < s.n_target; i++) loss += (double)s.weight[i] * (double)log_prob[i];
    snprintf(path, sizeof path, "tests/fixtures/grad/%s.txt", families[_i % N_FAMILY]);
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    for (; fscanf(f, "%95s %lf %lf", name, &dot, &norm) == 3; n++) {
        double got = 0, length = 0;
        const param *p;

        if (n < 2) {
            got = n ? tape_balance_loss(r.p) : loss;
            ck_assert_msg(fabs(got - dot) <= tolerance * (1 + fabs(dot)), "%s is %g, not %g", name,
                          got, dot);
            continue;
        }
        p = param_named(&r, name);
        for (uint32_t k = 0; k < (uint32_t)(p->n_out * p->n_in); k++) {
            double g = (double)p->grad[k];

            got += g * ((double)(k * 2654435761u) / 4294967296.0 - 0.5);
            length += g * g;
        }
        ck_assert_msg(fabs(got - dot) <= tolerance * norm &&
                      fabs(sqrt(length) - norm) <= tolerance * norm,
                      "%s: %g, length %g; PyTorch has %g, length %g", name, got, sqrt(length), dot,
                      norm);
    }
    ck_assert_int_eq(n, trainable_count(r.t) + 2);
    fclose(f);
    rig_free(&r);
}
END_TEST

START_TEST(log_probs_have_the_samplers_bits)
{
    rig r = rig_moved(_i % N_FAMILY, types[_i / N_FAMILY], 2);
    sample_batch s;
    float want[256], got[256], again[256], entropy[256], same[256];
    int n_kv = model_config(r.m)->n_head_kv * model_config(r.m)->d_head;

    sample_make(&s, r.m, true);
    sampled(&r, &s, 0.7f, want);
    tape_forward(r.p, r.threads, &s.b);
    tape_log_probs(r.p, r.threads, s.targets, s.n_target, 0.7f, got, entropy);
    ck_assert_int_eq(memcmp(want, got, (size_t)s.n_target * sizeof *got), 0);
    gradients_of(&r, &s, 0.7f, again, same);
    ck_assert_int_eq(memcmp(want, again, (size_t)s.n_target * sizeof *got), 0);
    ck_assert_int_eq(memcmp(entropy, same, (size_t)s.n_target * sizeof *got), 0);
    for (int i = 0; i < s.n_target; i++)
        ck_assert(entropy[i] > 0 && entropy[i] < logf((float)model_config(r.m)->n_vocab));
    for (int i = 0; i < s.b.n_row * n_kv && r.m->kv == KV_F16; i++) {
        float k = r.p->ws->kept[0].k[i], v = r.p->ws->kept[0].v[i];

        ck_assert(k == f16_to_f32(f32_to_f16(k)) && v == f16_to_f32(f32_to_f16(v)));
    }
    rig_free(&r);
}
END_TEST

/* All gradients, one after the other. */
static float *copy_gradients(const rig *r)
{
    return mem_copy(r->t->grads, r->t->n_float * sizeof(float));
}

START_TEST(threads_do_not_change_a_bit_of_a_gradient)
{
    int type = types[_i / N_FAMILY];
    float *want = NULL;

    for (int n_thread = 1; n_thread <= 3; n_thread++) {
        rig r = rig_moved(_i % N_FAMILY, type, n_thread);
        sample_batch s;
        float *got;

        sample_make(&s, r.m, true);
        gradients_of(&r, &s, 1, NULL, NULL);
        got = copy_gradients(&r);
        if (want) ck_assert_int_eq(memcmp(want, got, r.t->n_float * sizeof *got), 0);
        mem_free(want);
        want = got;
        rig_free(&r);
    }
    mem_free(want);
}
END_TEST

START_TEST(a_shared_prefix_gives_the_gradient_of_unshared_rows)
{
    rig r = rig_moved(_i, DTYPE_F32, 2);
    sample_batch s;
    float *want, *got;
    size_t n = 0;
    double off = 0, all = 0;

    sample_make(&s, r.m, false);
    tape_forward(r.p, r.threads, &s.b);
    trainable_zero(r.t, r.threads);
    tape_backward(r.p, r.threads, s.targets, s.n_target, 1, weight_of, s.weight, NULL, NULL, NULL);
    want = copy_gradients(&r);
    sample_make(&s, r.m, true);
    tape_forward(r.p, r.threads, &s.b);
    trainable_zero(r.t, r.threads);
    tape_backward(r.p, r.threads, s.targets, s.n_target, 1, weight_of, s.weight, NULL, NULL, NULL);
    got = copy_gradients(&r);
    for (n = 0; n < r.t->n_float; n++) {
        off += pow((double)got[n] - (double)want[n], 2);
        all += pow((double)want[n], 2);
    }
    ck_assert(all > 0);
    ck_assert_msg(off <= 1e-12 * all, "off by %g of %g", sqrt(off), sqrt(all));
    mem_free(want);
    mem_free(got);
    rig_free(&r);
}
END_TEST

/* More rows than go through a block's steps at a time, more targets than have
 * their logits at once, a row with several: the sum over parts is the whole. */
START_TEST(a_large_batch_is_the_sum_of_its_parts)
{
    enum { SEQ = 33, LEN = 37, ROWS = SEQ * LEN };
    rig r = rig_moved(_i % N_FAMILY, _i < N_FAMILY ? DTYPE_F32 : DTYPE_Q8_0, 2);
    tape *large = tape_new(r.t, ROWS);
    static int32_t ids[ROWS];
    static tape_target targets[2 * ROWS];
    static float slope[2 * ROWS], log_prob[2 * ROWS], entropy[2 * ROWS];
    static float again[2 * ROWS], as_well[2 * ROWS];
    gradient_run runs[SEQ];
    tape_batch b = { ROWS, ids, SEQ, runs };
    float *want;
    double off = 0, all = 0;

    for (int i = 0; i < ROWS; i++) {
        ids[i] = id_at(r.m, i / LEN, PREFIX + i % LEN);
        for (int k = 0; k < 2; k++) {
            targets[2 * i + k] = (tape_target){ i, id_at(r.m, i / LEN + k, PREFIX + i % LEN + 1) };
            slope[2 * i + k] = (float)(0.01 * rng_normal(4, (uint64_t)k, (uint64_t)i));
        }
    }
    for (int i = 0; i < SEQ; i++) {
        gradient_run one = { 0, LEN, 0, -1 };
        tape_target here[2 * LEN];
        tape_batch part = { LEN, ids + i * LEN, 1, &one };
        int first = 2 * i * LEN;

        for (int k = 0; k < 2 * LEN; k++)
            here[k] = (tape_target){ targets[first + k].row - i * LEN, targets[first + k].id };
        tape_forward(r.p, r.threads, &part);
        tape_backward(r.p, r.threads, here, 2 * LEN, 1, weight_of, slope + first,
                      log_prob + first, entropy + first, NULL);
        runs[i] = (gradient_run){ 0, LEN, i * LEN, -1 };
    }
    want = copy_gradients(&r);
    trainable_zero(r.t, r.threads);
    tape_forward(large, r.threads, &b);
    tape_log_probs(large, r.threads, targets, 2 * ROWS, 1, again, as_well);
    ck_assert_int_eq(memcmp(log_prob, again, sizeof again), 0);
    ck_assert_int_eq(memcmp(entropy, as_well, sizeof as_well), 0);
    tape_backward(large, r.threads, targets, 2 * ROWS, 1, weight_of, slope, NULL, NULL, NULL);
    for (size_t n = 0; n < r.t->n_float; n++) {
        off += pow((double)r.t->grads[n] - (double)want[n], 2);
        all += pow((double)want[n], 2);
    }
    /* With bf16 products, where rows fall in a tile may round a sum otherwise. */
    ck_assert_msg(all > 0 && off <= (_i < N_FAMILY ? 1e-10 : 4e-6) * all, "off by %g of %g",
                  sqrt(off), sqrt(all));
    mem_free(want);
    tape_free(large);
    rig_free(&r);
}
END_TEST

START_TEST(gradients_add_up_until_zeroed)
{
    rig r = rig_moved(0, DTYPE_BF16, 2);
    sample_batch s;
    float *once;

    sample_make(&s, r.m, true);
    gradients_of(&r, &s, 1, NULL, NULL);
    once = copy_gradients(&r);
    tape_forward(r.p, r.threads, &s.b);
    tape_backward(r.p, r.threads, s.targets, s.n_target, 1, weight_of, s.weight, NULL, NULL, NULL);
    ck_assert_int_ne(memcmp(once, r.t->grads, r.t->n_float * sizeof *once), 0);
    gradients_of(&r, &s, 1, NULL, NULL);
    ck_assert_int_eq(memcmp(once, r.t->grads, r.t->n_float * sizeof *once), 0);
    trainable_zero(r.t, r.threads);
    for (size_t k = 0; k < r.t->n_float; k++) ck_assert(r.t->grads[k] == 0);
    mem_free(once);
    rig_free(&r);
}
END_TEST

START_TEST(what_is_published_is_what_the_sampler_reads)
{
    rig r = rig_new(_i, DTYPE_BF16, 2, (trainable_options){ 0 });
    sample_batch s;
    float before[256], after[256];

    sample_make(&s, r.m, true);
    sampled(&r, &s, 1, before);
    trainable_publish(r.t, r.threads);       /* nothing has changed */
    sampled(&r, &s, 1, after);
    ck_assert_int_eq(memcmp(before, after, (size_t)s.n_target * sizeof *after), 0);
    for (int i = 0; i < trainable_count(r.t); i++) {
        param *p = trainable_param(r.t, i);
        float old = p->value[0];

        p->value[0] += 3;
        trainable_publish(r.t, r.threads);
        p->value[0] = old;
        sampled(&r, &s, 1, after);
        /* Not every id and expert is met. */
        if (p != r.t->embedding && r.t->bindings[i].i_expert < 0)
            ck_assert_msg(memcmp(before, after, (size_t)s.n_target * sizeof *after) != 0,
                          "%s: nobody saw it change", p->name);
    }
    trainable_publish(r.t, r.threads);
    sampled(&r, &s, 1, after);
    ck_assert_int_eq(memcmp(before, after, (size_t)s.n_target * sizeof *after), 0);
    rig_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backward");
    TCase *tc = tcase_create("backward");
    SRunner *sr;
    int n_failed;

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, gradients_are_slopes, 0, N_FAMILY);
    tcase_add_test(tc, the_balance_loss_has_its_slopes);
    tcase_add_test(tc, experts_without_renormalised_shares_have_slopes);
    tcase_add_loop_test(tc, gradients_of_adapters_are_slopes, 0, N_FAMILY);
    tcase_add_loop_test(tc, adapters_learn_through_quantised_weights, 0, N_FAMILY);
    tcase_add_loop_test(tc, gradients_are_those_of_transformers, 0, 2 * N_FAMILY);
    tcase_add_loop_test(tc, log_probs_have_the_samplers_bits, 0, N_FAMILY * N_TYPE);
    tcase_add_loop_test(tc, threads_do_not_change_a_bit_of_a_gradient, 0, N_FAMILY * N_TYPE);
    tcase_add_loop_test(tc, a_shared_prefix_gives_the_gradient_of_unshared_rows, 0, N_FAMILY);
    tcase_add_loop_test(tc, a_large_batch_is_the_sum_of_its_parts, 0, 2 * N_FAMILY);
    tcase_add_test(tc, gradients_add_up_until_zeroed);
    tcase_add_loop_test(tc, what_is_published_is_what_the_sampler_reads, 0, N_FAMILY);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
