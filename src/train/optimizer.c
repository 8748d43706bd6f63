/* optimizer.c - AdamW, and what surrounds either method: norm, clip, step.
 *
 * All params are cut into blocks of BLOCK elements, numbered once. The three
 * loops over a block are plain C on sixteen elements at a time, compiled for
 * each level of processor: additions, products, quotients and roots are
 * rounded alike everywhere, so every level gives the same bits. */
#include "train/optimizer.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "train/muon.h"

#define BLOCK 16384          /* elements of a block: all its arrays stay in L2 */
#define LANE 16

/* Above this the square of a gradient leaves f32 and v stays infinite. */
#define MAX_NORM 1e18

/* One param and its moments. */
struct slot {
    param *p;
    int64_t n;
    bool muon;
    float *m;                /* [n] first moment, or Muon's momentum */
    float *v;                /* [n] second moment; NULL under Muon */
    int first_block;
    int n_block;
};

struct block {
    int slot;
    int64_t start;           /* element */
    int n;
};

/* The numbers of one step. */
struct step {
    float factor;            /* of the gradient */
    float beta1, beta2;
    float keep1, keep2;      /* 1 - beta */
    float root2;             /* 1 / sqrt(1 - beta2^t) */
    float eps;
    float rate;              /* rate / (1 - beta1^t) */
    float shrink;            /* 1 - rate * decay */
    float momentum;
};

struct optimizer {
    optimizer_options options;
    struct slot *slots;
    int n_slot;
    struct block *blocks;
    int n_block;
    double *sums;            /* [n_block] squares */
    int *adam_blocks;        /* indices of blocks under AdamW */
    int n_adam;
    int64_t n_step;
    muon *muon;              /* NULL when no param is under Muon */
    float *update;           /* [largest] Muon's direction for the param at work */
};

static bool uses_muon(const optimizer_options *options, const param *p)
{
    return options->muon && p->decay && !p->embedding;
}

static void cut_blocks(optimizer *o)
{
    int n = 0;

    for (int i = 0; i < o->n_slot; i++) {
        struct slot *s = &o->slots[i];

        s->first_block = n;
        s->n_block = (int)((s->n + BLOCK - 1) / BLOCK);
        n += s->n_block;
    }
    o->n_block = n;
    o->blocks = mem_array((size_t)n, sizeof *o->blocks);
    o->sums = mem_array((size_t)n, sizeof *o->sums);
    o->adam_blocks = mem_array((size_t)n, sizeof *o->adam_blocks);
    for (int i = 0; i < o->n_slot; i++) {
        const struct slot *s = &o->slots[i];

        for (int k = 0; k < s->n_block; k++) {
            int64_t start = (int64_t)k * BLOCK;
            int index = s->first_block + k;

            o->blocks[index] = (struct block){
                i, start, (int)(s->n - start < BLOCK ? s->n - start : BLOCK)
            };
            if (!s->muon) o->adam_blocks[o->n_adam++] = index;
        }
    }
}

optimizer *optimizer_new(const optimizer_options *options, param **params, int n)
{
    optimizer *o = mem_new(sizeof *o);
    int64_t largest = 0;
    int side = 0;

    CHECK(n > 0);
    CHECK(options->beta1 >= 0 && options->beta1 < 1);
    CHECK(options->beta2 >= 0 && options->beta2 < 1);
    CHECK(options->eps >= 0 && options->decay >= 0 && options->clip >= 0);
    o->options = *options;
    if (o->options.eps == 0) o->options.eps = 1e-8f;
    if (o->options.muon_momentum == 0) o->options.muon_momentum = 0.95f;
    if (o->options.muon_rate == 0) o->options.muon_rate = 1;
    o->slots = mem_array((size_t)n, sizeof *o->slots);
    o->n_slot = n;
    for (int i = 0; i < n; i++) {
        struct slot *s = &o->slots[i];

        s->p = params[i];
        s->n = (int64_t)s->p->n_out * s->p->n_in;
        s->muon = uses_muon(options, s->p);
        s->m = mem_array((size_t)s->n, sizeof(float));
        if (!s->muon) {
            s->v = mem_array((size_t)s->n, sizeof(float));
        } else {
            int least = s->p->n_out < s->p->n_in ? s->p->n_out : s->p->n_in;

            if (s->n > largest) largest = s->n;
            if (least > side) side = least;
        }
    }
    cut_blocks(o);
    if (largest) {
        o->muon = muon_new(largest, side, options->muon_bf16);
        o->update = mem_aligned((size_t)largest * sizeof(float));
    }
    return o;
}

void optimizer_free(optimizer *o)
{
    if (!o) return;
    for (int i = 0; i < o->n_slot; i++) {
        mem_free(o->slots[i].m);
        mem_free(o->slots[i].v);
    }
    mem_free(o->slots);
    mem_free(o->blocks);
    mem_free(o->sums);
    mem_free(o->adam_blocks);
    muon_free(o->muon);
    mem_free(o->update);
    mem_free(o);
}

/* The loops, once for each level. */

#define INLINE static inline __attribute__((always_inline))

INLINE double squares_body(const float *restrict x, int n)
{
    double sum[LANE] = { 0 };
    int i = 0;

    for (; i + LANE <= n; i += LANE)
        for (int j = 0; j < LANE; j++) sum[j] += (double)x[i + j] * (double)x[i + j];
    for (int j = 0; i + j < n; j++) sum[j] += (double)x[i + j] * (double)x[i + j];
    for (int half = LANE / 2; half; half /= 2)
        for (int j = 0; j < half; j++) sum[j] += sum[j + half];
    return sum[0];
}

INLINE void adam_lane(const struct step *t, float g, float *w, float *m, float *v)
{
    float x = g * t->factor;

    *m = t->beta1 * *m + t->keep1 * x;
    *v = t->beta2 * *v + t->keep2 * (x * x);
    *w = t->shrink * *w - t->rate * (*m / (sqrtf(*v) * t->root2 + t->eps));
}

INLINE void adam_body(const struct step *step, const float *restrict g, float *restrict w,
                      float *restrict m, float *restrict v, int n)
{
    const struct step t = *step;
    int i = 0;

    for (; i + LANE <= n; i += LANE)
        for (int j = 0; j < LANE; j++)
            adam_lane(&t, g[i + j], &w[i + j], &m[i + j], &v[i + j]);
    for (; i < n; i++) adam_lane(&t, g[i], &w[i], &m[i], &v[i]);
}

INLINE void momentum_lane(const struct step *t, float g, float *m, float *u)
{
    float x = g * t->factor;

    *m = t->momentum * *m + x;
    *u = x + t->momentum * *m;
}

INLINE void momentum_body(const struct step *step, const float *restrict g,
                          float *restrict m, float *restrict u, int n)
{
    const struct step t = *step;
    int i = 0;

    for (; i + LANE <= n; i += LANE)
        for (int j = 0; j < LANE; j++) momentum_lane(&t, g[i + j], &m[i + j], &u[i + j]);
    for (; i < n; i++) momentum_lane(&t, g[i], &m[i], &u[i]);
}

INLINE void apply_body(const struct step *step, const float *restrict u, float *restrict w,
                       int n)
{
    const struct step t = *step;
    int i = 0;

    for (; i + LANE <= n; i += LANE)
        for (int j = 0; j < LANE; j++)
            w[i + j] = t.shrink * w[i + j] - t.rate * u[i + j];
    for (; i < n; i++) w[i] = t.shrink * w[i] - t.rate * u[i];
}

struct kernels {
    double (*squares)(const float *x, int n);
    void (*adam)(const struct step *t, const float *g, float *w, float *m, float *v, int n);
    void (*momentum)(const struct step *t, const float *g, float *m, float *u, int n);
    void (*apply)(const struct step *t, const float *u, float *w, int n);
};

#define LEVEL(name, target)                                                              \
    target static double squares_##name(const float *x, int n)                           \
    {                                                                                    \
        return squares_body(x, n);                                                       \
    }                                                                                    \
    target static void adam_##name(const struct step *t, const float *g, float *w,       \
                                   float *m, float *v, int n)                            \
    {                                                                                    \
        adam_body(t, g, w, m, v, n);                                                     \
    }                                                                                    \
    target static void momentum_##name(const struct step *t, const float *g, float *m,   \
                                       float *u, int n)                                  \
    {                                                                                    \
        momentum_body(t, g, m, u, n);                                                    \
    }                                                                                    \
    target static void apply_##name(const struct step *t, const float *u, float *w,      \
                                    int n)                                               \
    {                                                                                    \
        apply_body(t, u, w, n);                                                          \
    }                                                                                    \
    static const struct kernels kernels_##name = {                                       \
        squares_##name, adam_##name, momentum_##name, apply_##name                       \
    }

LEVEL(plain, );
#if defined(__x86_64__)
LEVEL(avx2, __attribute__((target("avx2"))));
#if defined(__clang__)
LEVEL(avx512, __attribute__((target("avx512f"))));
#else
LEVEL(avx512, __attribute__((target("avx512f,prefer-vector-width=512"))));
#endif
#endif

static const struct kernels *kernels_now(void)
{
#if defined(__x86_64__)
    cpu_level level = cpu_detect();

    if (level >= CPU_AVX512) return &kernels_avx512;
    if (level >= CPU_AVX2) return &kernels_avx2;
#endif
    return &kernels_plain;
}

/* What an item of work is told. */
struct work {
    optimizer *o;
    const struct kernels *k;
    const struct step *step;
    const float *x;          /* what squares are taken of; NULL: the gradients */
    int first_block;
};

static void squares_item(void *arg, int i_item, int i_thread)
{
    const struct work *w = arg;
    int index = w->first_block + i_item;
    const struct block *b = &w->o->blocks[index];
    const float *x = w->x ? w->x : w->o->slots[b->slot].p->grad;

    (void)i_thread;
    w->o->sums[index] = w->k->squares(x + b->start, b->n);
}

static void adam_item(void *arg, int i_item, int i_thread)
{
    const struct work *w = arg;
    const struct block *b = &w->o->blocks[w->o->adam_blocks[i_item]];
    const struct slot *s = &w->o->slots[b->slot];
    struct step t = *w->step;

    (void)i_thread;
    if (!s->p->decay) t.shrink = 1;
    w->k->adam(&t, s->p->grad + b->start, s->p->value + b->start, s->m + b->start,
               s->v + b->start, b->n);
}

static void momentum_item(void *arg, int i_item, int i_thread)
{
    const struct work *w = arg;
    const struct block *b = &w->o->blocks[w->first_block + i_item];
    const struct slot *s = &w->o->slots[b->slot];

    (void)i_thread;
    w->k->momentum(w->step, s->p->grad + b->start, s->m + b->start,
                   w->o->update + b->start, b->n);
}

static void apply_item(void *arg, int i_item, int i_thread)
{
    const struct work *w = arg;
    const struct block *b = &w->o->blocks[w->first_block + i_item];

    (void)i_thread;
    w->k->apply(w->step, w->o->update + b->start,
                w->o->slots[b->slot].p->value + b->start, b->n);
}

/* Sum of the squares of all gradients, block after block; *bad (NULL: not
 * wanted) is the first param with one that is not finite. In double no sum of
 * f32 squares overflows, so it is finite exactly when the gradients are. */
static double gradient_squares(optimizer *o, pool *threads, const char **bad)
{
    struct work w = { .o = o, .k = kernels_now() };
    double sum = 0;

    pool_run(threads, squares_item, &w, o->n_block);
    for (int i = 0; i < o->n_block; i++) {
        if (bad && !*bad && !isfinite(o->sums[i])) *bad = o->slots[o->blocks[i].slot].p->name;
        sum += o->sums[i];
    }
    return sum;
}

double optimizer_norm(optimizer *o, pool *threads, double scale)
{
    return sqrt(gradient_squares(o, threads, NULL)) * fabs(scale);
}

/* One param under Muon: r is the rate before the factor of its shape. */
static void muon_update(optimizer *o, pool *threads, const struct slot *s, float factor,
                        double r)
{
    double tall = s->p->n_out > s->p->n_in ? (double)s->p->n_out / s->p->n_in : 1;
    struct step t = {
        .factor = factor,
        .momentum = o->options.muon_momentum,
        .rate = (float)(r * sqrt(tall)),
        .shrink = (float)(1 - r * o->options.decay),
    };
    struct work w = {
        .o = o, .k = kernels_now(), .step = &t, .x = o->update, .first_block = s->first_block
    };
    double sum = 0;

    pool_run(threads, momentum_item, &w, s->n_block);
    pool_run(threads, squares_item, &w, s->n_block);
    for (int i = 0; i < s->n_block; i++) sum += o->sums[s->first_block + i];
    muon_orthogonalise(o->muon, threads, o->update, s->p->n_out, s->p->n_in, sqrt(sum));
    pool_run(threads, apply_item, &w, s->n_block);
}

void optimizer_step(optimizer *o, pool *threads, double rate, double scale,
                    optimizer_info *info)
{
    const optimizer_options *p = &o->options;
    optimizer_info result = { .factor = scale };

    result.norm = sqrt(gradient_squares(o, threads, &result.bad)) * fabs(scale);
    if (p->clip > 0 && result.norm > p->clip) result.factor *= p->clip / result.norm;
    result.skipped = !isfinite(result.norm) || !isfinite(rate) ||
                     !(fmin(result.norm, p->clip > 0 ? p->clip : INFINITY) < MAX_NORM);
    if (!result.skipped) {
        double steps = (double)++o->n_step;
        struct step t = {
            .factor = (float)result.factor,
            .beta1 = p->beta1,
            .beta2 = p->beta2,
            .keep1 = 1 - p->beta1,
            .keep2 = 1 - p->beta2,
            .root2 = (float)(1 / sqrt(1 - pow(p->beta2, steps))),
            .eps = p->eps,
            .rate = (float)(rate / (1 - pow(p->beta1, steps))),
            .shrink = (float)(1 - rate * p->decay),
        };
        struct work w = { .o = o, .k = kernels_now(), .step = &t };

        pool_run(threads, adam_item, &w, o->n_adam);
        for (int i = 0; i < o->n_slot; i++)
            if (o->slots[i].muon)
                muon_update(o, threads, &o->slots[i], t.factor, rate * p->muon_rate);
    }
    result.step = o->n_step;
    if (info) *info = result;
}

int64_t optimizer_steps(const optimizer *o)
{
    return o->n_step;
}

void optimizer_set_steps(optimizer *o, int64_t steps)
{
    CHECK(steps >= 0);
    o->n_step = steps;
}

void optimizer_list(const optimizer *o, checkpoint_list *list)
{
    for (int i = 0; i < o->n_slot; i++) {
        param *p = o->slots[i].p;

        checkpoint_list_add(list, "weights.f32", p->name, p->n_out, p->n_in, p->value);
    }
    for (int i = 0; i < o->n_slot; i++) {
        const struct slot *s = &o->slots[i];
        char name[sizeof s->p->name + 4];

        snprintf(name, sizeof name, "%s.m", s->p->name);
        checkpoint_list_add(list, "moments.f32", name, s->p->n_out, s->p->n_in, s->m);
        if (!s->v) continue;
        snprintf(name, sizeof name, "%s.v", s->p->name);
        checkpoint_list_add(list, "moments.f32", name, s->p->n_out, s->p->n_in, s->v);
    }
}
