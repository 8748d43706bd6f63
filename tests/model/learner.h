/* learner.h - a model that learns and something for it to learn, for tests.
 *
 * Definitions, for the files that include it: short names, kept out of all
 * other tests. */
#ifndef TESTS_LEARNER_H
#define TESTS_LEARNER_H

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/backward.h"
#include "model/learn.h"
#include "tensor/logits.h"

#include <check.h>          /* last: it defines fail() as a macro */

#define FIXTURES "tests/fixtures/model/"
static const char *const families[] = { "llama", "llama3", "qwen2", "qwen3", "qwen3moe",
                                        "smollm3" };
#define N_FAMILY ((int)(sizeof families / sizeof families[0]))

/* A model that learns. */
typedef struct rig {
    pool *threads;
    weights *w;
    model *m;
    trainable *t;
    tape *p;
} rig;

static inline rig rig_open(const char *path, int type, int n_thread, trainable_options o)
{
    rig r = { .threads = pool_new(n_thread) };
    errtext err;

    ck_assert_msg(weights_open(&r.w, path, &err) == OK, "%s", err.text);
    ck_assert_msg(model_new(&r.m, r.w, type, r.threads, &err) == OK, "%s", err.text);
    ck_assert_msg(trainable_new(&r.t, r.m, r.w, &o, &err) == OK, "%s", err.text);
    r.p = tape_new(r.t, 256);
    return r;
}

static inline rig rig_new(int i_family, int type, int n_thread, trainable_options o)
{
    char path[128];

    snprintf(path, sizeof path, FIXTURES "%s", families[i_family]);
    return rig_open(path, type, n_thread, o);
}

static inline void rig_free(rig *r)
{
    tape_free(r->p);
    trainable_free(r->t);
    model_free(r->m);
    weights_close(r->w);
    pool_free(r->threads);
}

/* Three sequences of 40 to 61 tokens whose first 32 are the same: shared, a
 * run of 16 and one of 16 more, then three branches; or every one by itself. */
#define N_BRANCH 3
#define PREFIX 32

typedef struct sample_batch {
    tape_batch b;
    int32_t ids[256];
    gradient_run runs[8];
    tape_target targets[256];
    float weight[256];
    int n_target;
} sample_batch;

static inline int branch_len(int branch)
{
    return 9 + 10 * branch;
}

static inline int32_t id_at(const model *m, int branch, int pos)
{
    uint64_t stream = pos < PREFIX ? 77 : (uint64_t)branch;

    return (int32_t)(rng_u64(3, stream, (uint64_t)pos) % (uint64_t)model_config(m)->n_vocab);
}

static inline void add_target(sample_batch *s, const model *m, int branch, int pos, int row)
{
    s->targets[s->n_target] = (tape_target){ row, id_at(m, branch, pos + 1) };
    s->weight[s->n_target++] = 0.1f * (float)(pos % 7 + branch) - 0.25f;
}

static inline void sample_make(sample_batch *s, const model *m, bool shared)
{
    memset(s, 0, sizeof *s);
    s->b.ids = s->ids;
    s->b.runs = s->runs;
    for (int k = 0; shared && k < 2; k++) {
        s->runs[s->b.n_run++] = (gradient_run){ 16 * k, 16, 16 * k, k - 1 };
        for (int i = 0; i < 16; i++) s->ids[s->b.n_row++] = id_at(m, 0, 16 * k + i);
    }
    for (int branch = 0; branch < N_BRANCH; branch++) {
        int from = shared ? PREFIX : 0, n = PREFIX + branch_len(branch) - from;

        s->runs[s->b.n_run++] = (gradient_run){ from, n, s->b.n_row, shared ? 1 : -1 };
        for (int i = 0; i < n; i++) s->ids[s->b.n_row++] = id_at(m, branch, from + i);
        for (int pos = PREFIX - 5; pos < PREFIX + branch_len(branch); pos++)
            add_target(s, m, branch, pos,
                       pos < from ? pos : s->runs[s->b.n_run - 1].row + pos - from);
    }
}

static inline float weight_of(void *arg, int i, float log_prob)
{
    ck_assert(log_prob <= 0);
    return ((const float *)arg)[i];
}

/* The types a model trains in, and two that only adapters train over. */
static const int types[] = { DTYPE_F32, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0 };
#define N_TYPE ((int)(sizeof types / sizeof types[0]))
#define TRAINS(type) ((type) == DTYPE_F32 || (type) == DTYPE_BF16)

/* A model whose adapters, where it has them, are not zero. */
static inline rig rig_moved(int i_family, int type, int n_thread)
{
    rig r = rig_new(i_family, type, n_thread,
                    (trainable_options){ .lora_rank = TRAINS(type) ? 0 : 5, .lora_alpha = 8 });

    for (int i = 0; i < trainable_count(r.t); i++) {
        param *p = trainable_param(r.t, i);

        for (int k = 0; k < p->n_out * p->n_in; k++)
            p->value[k] += (float)(0.05 * rng_normal(9, (uint64_t)i, (uint64_t)k));
    }
    trainable_publish(r.t, r.threads);
    return r;
}

/* Log-probs of the targets as a sampler meets them: each sequence by itself, in
 * odd pieces, one token at a time towards its end. */
static inline void sampled(const rig *r, const sample_batch *s, float temperature, float *log_prob)
{
    workspace *ws = workspace_new(r->m, 64, 64);
    kv_cache *kv = model_kv_new(r->m, 16);
    int n_vocab = model_config(r->m)->n_vocab, n = 0;
    int32_t pages[8] = { 3, 9, 1, 7, 5, 11, 2, 4 }, ids[64], out[64];

    for (int branch = 0; branch < N_BRANCH; branch++) {
        int len = PREFIX + branch_len(branch), at = 0;

        while (at < len) {
            int piece = at < 19 ? 19 : at < 36 ? 7 : 1, wanted = PREFIX - 5;
            attend_run run = { pages, at, piece < len - at ? piece : len - at, 0 };
            forward_batch b = { run.n_row, ids, 1, &run, run.n_row, out };
            const float *logits;

            for (int i = 0; i < run.n_row; i++) {
                ids[i] = id_at(r->m, branch, at + i);
                out[i] = i;
            }
            logits = model_forward(r->m, ws, kv, r->threads, &b);
            for (int i = 0; i < run.n_row; i++, at++) {
                const float *x = logits + (size_t)i * (size_t)n_vocab;
                logits_norm norm;

                if (at < wanted) continue;
                norm = logits_normalise(CPU_SCALAR, x, n_vocab, temperature);
                log_prob[n] = logits_log_prob(&norm, x[s->targets[n].id]);
                n++;
            }
        }
    }
    ck_assert_int_eq(n, s->n_target);
    workspace_free(ws);
    kv_free(kv);
}

#endif
