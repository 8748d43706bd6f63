/* preference.c - direct preference optimisation.
 *
 * A row holds a conversation and two answers, the first preferred. With d the
 * difference of the two answers' log-ratios to the starting policy,
 *
 *   loss = -log sigmoid(beta d),   d = (lp_w - ref_w) - (lp_l - ref_l)
 *
 * (Rafailov et al. 2023). Pairs are packed whole, so both sums are known before
 * the gradient is taken. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "train/pairs.h"
#include "train/reference.h"
#include "train/run.h"

typedef struct preference {
    run *x;
    pairs *pairs;
    reference *ref;
    float *log_prob, *ref_log_prob;      /* [max_rows] */
    double *slope;                       /* [2 * batch_size] of a sequence's targets */
    double *margin;                      /* [2 * batch_size] its log-ratio */
    double loss, right, margins;
    int n_pair;
    int64_t n_row;
} preference;

static float slope_of(void *arg, int i, float log_prob)
{
    const preference *p = arg;

    (void)log_prob;
    return (float)p->slope[p->x->pack.origin[i]];
}

static void flush(preference *p)
{
    run *x = p->x;
    const pack *pk = &x->pack;
    const int n_seq = 2 * x->job->batch_size;
    tape_batch b = pack_batch(pk);

    if (!b.n_row) return;
    reference_log_probs(p->ref, x->threads, pk, 1, p->ref_log_prob);
    tape_forward(x->tape, x->threads, &b);
    tape_log_probs(x->tape, x->threads, pk->targets, pk->n_target, 1, p->log_prob, NULL);
    for (int i = 0; i < n_seq; i++) p->margin[i] = 0;
    for (int i = 0; i < pk->n_target; i++)
        p->margin[pk->origin[i]] += (double)p->log_prob[i] - p->ref_log_prob[i];
    for (int i = 0; i < pk->n_target; i++) {
        const int pair = pk->origin[i] / 2;
        const double d = x->job->dpo_beta * (p->margin[2 * pair] - p->margin[2 * pair + 1]);
        const double push = x->job->dpo_beta / (1 + exp(d)) / x->job->batch_size;

        p->slope[pk->origin[i]] = pk->origin[i] % 2 ? push : -push;
        if (i && pk->origin[i - 1] / 2 == pair) continue;
        p->loss += d > 0 ? log1p(exp(-d)) : -d + log1p(exp(d));
        p->right += d > 0;
        p->margins += d;
        p->n_pair++;
    }
    tape_backward(x->tape, x->threads, pk->targets, pk->n_target, 1, slope_of, p, p->log_prob,
                  NULL, NULL);
    x->tokens += b.n_row;
    p->n_row += b.n_row;
    pack_clear(&x->pack);
}

/* Both answers of a pair in one pass. */
static status add_pair(preference *p, int i, errtext *err)
{
    run *x = p->x;
    sequence both[2];
    status st = pairs_next(p->pairs, x->r, &x->cursor, both, err);

    if (st != OK) return st;
    if (both[0].n + both[1].n - 2 > x->job->max_rows) {
        st = fail(err, E_LIMIT, "a pair of %d and %d tokens exceeds ponder.max_rows (%d)",
                  both[0].n, both[1].n, x->job->max_rows);
    } else {
        if (x->pack.n_row + both[0].n + both[1].n - 2 > x->job->max_rows) flush(p);
        for (int k = 0; k < 2; k++)
            CHECK(pack_add(&x->pack, both[k].ids, both[k].n, both[k].n_prompt, 2 * i + k));
    }
    sequence_fini(&both[0]);
    sequence_fini(&both[1]);
    return st;
}

static status one_step(preference *p, errtext *err)
{
    run *x = p->x;
    const double from_s = clock_s();
    optimizer_info info;
    char brief[160];
    status st = OK;
    double took;

    p->loss = p->right = p->margins = 0;
    p->n_pair = 0;
    p->n_row = 0;
    for (int i = 0; i < x->job->batch_size && st == OK; i++) st = add_pair(p, i, err);
    if (st != OK) return st;
    flush(p);
    if ((st = run_update(x, 1, &info, err)) != OK) return st;
    x->step++;
    took = clock_s() - from_s;
    snprintf(brief, sizeof brief, "loss %.4f  preferred %.1f %%  margin %.3f  %.0f tok/s",
             p->loss / p->n_pair, 100 * p->right / p->n_pair, p->margins / p->n_pair,
             (double)p->n_row / took);
    return run_report(x, json_pack("{s:f, s:f, s:f, s:f, s:f}", "loss", p->loss / p->n_pair,
                                   "preferred", p->right / p->n_pair, "margin",
                                   p->margins / p->n_pair, "norm", info.norm, "tok_s",
                                   (double)p->n_row / took), brief, err);
}

status train_preference(const job *j, const volatile sig_atomic_t *stop, run_tell *tell,
                        void *arg, errtext *err)
{
    const size_t n = 2 * (size_t)j->batch_size;
    run x;
    preference p = { .x = &x, .log_prob = mem_array((size_t)j->max_rows, sizeof(float)),
                     .ref_log_prob = mem_array((size_t)j->max_rows, sizeof(float)),
                     .slope = mem_array(n, sizeof(double)),
                     .margin = mem_array(n, sizeof(double)) };
    bool go = true;
    status st = run_open(&x, j, stop, tell, arg, err);

    if (st == OK) st = pairs_open(&p.pairs, j, err);
    if (st == OK) run_set_length(&x, pairs_count(p.pairs), j->batch_size);
    if (st == OK)
        st = reference_open(&p.ref, x.w, j->lora_rank ? MODEL_KEEP_TYPES : j->dtype, x.threads,
                            j->max_rows, err);
    if (st == OK) st = run_resume(&x, err);
    if (st == OK && x.step >= x.steps) go = false;
    while (st == OK && go) {
        st = one_step(&p, err);
        if (st == OK) st = run_after_step(&x, &go, err);
    }
    if (st == OK) st = run_finish(&x, err);
    reference_close(p.ref);
    pairs_close(p.pairs);
    run_close(&x);
    mem_free(p.log_prob);
    mem_free(p.ref_log_prob);
    mem_free(p.slope);
    mem_free(p.margin);
    return st;
}
