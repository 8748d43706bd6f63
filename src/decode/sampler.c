/* sampler.c - filters as thresholds, one draw by inverse distribution.
 *
 * Tokens are ranked by (value, lower id first), a total order, so every filter
 * keeps the first m tokens of one ranking. The lane maxima of logits_scan give
 * a value that surely lies below the cut; the few tokens above it are gathered
 * and partitioned around it (quickselect by count or by mass). */
#include "decode/sampler.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/logits.h"

typedef struct candidate {
    uint64_t rank;               /* value bits in ascending order, then ~id */
    float mass;                  /* exp((x - max) * scale) */
} candidate;

struct sampler {
    int n_vocab;
    int n_block;
    cpu_level level;
    float *group_max;            /* [n_block * 16] of the row as it came */
    float *adjusted;             /* [n_vocab] after penalties, bias and mask */
    float *adjusted_max;         /* [n_block * 16] */
    float *scratch;              /* [n_block * 16] for selecting among maxima */
    double *block_sum;           /* [n_block] */
    candidate *candidates;
    int n_candidate;
    int cap_candidate;
};

/* A row and what is known about it. */
typedef struct row {
    const float *x;
    const float *group_max;
    float max;
    double sum;                  /* of exp((x - max) * scale); 0: not yet known */
} row;

sampler_options sampler_defaults(void)
{
    return (sampler_options){
        .temperature = 1, .top_p = 1, .repeat_penalty = 1, .repeat_window = -1,
    };
}

static status check_range(const char *field, double value, double low, double high,
                          errtext *err)
{
    if (value >= low && value <= high) return OK;     /* false for NaN, too */
    return fail(err, E_ARG, "%s is %g; it must be from %g to %g", field, value, low,
                high);
}

static status check_bias(const sampler_options *o, int n_vocab, errtext *err)
{
    if (o->n_bias < 0 || o->n_bias > SAMPLER_MAX_BIAS)
        return fail(err, E_LIMIT, "logit_bias has %d entries; at most %d are allowed",
                    o->n_bias, SAMPLER_MAX_BIAS);
    for (int i = 0; i < o->n_bias; i++) {
        int32_t id = o->bias[i].id;
        double bias = (double)o->bias[i].bias;

        if (id < 0 || id >= n_vocab)
            return fail(err, E_ARG, "logit_bias names token %d; ids run from 0 to %d",
                        (int)id, n_vocab - 1);
        if (!(bias >= -100 && bias <= 100))
            return fail(err, E_ARG, "logit_bias of token %d is %g; it must be from -100 "
                        "to 100", (int)id, bias);
    }
    return OK;
}

status sampler_check(const sampler_options *o, int n_vocab, errtext *err)
{
    status st;

    if ((st = check_range("temperature", (double)o->temperature, 0,
                          SAMPLER_MAX_TEMPERATURE, err)) != OK ||
        (st = check_range("top_k", o->top_k, 0, INT_MAX, err)) != OK ||
        (st = check_range("top_p", (double)o->top_p, 0, 1, err)) != OK ||
        (st = check_range("min_p", (double)o->min_p, 0, 1, err)) != OK ||
        (st = check_range("repeat_penalty", (double)o->repeat_penalty, 0.1, 10,
                          err)) != OK ||
        (st = check_range("repeat_window", o->repeat_window, -1, SAMPLER_MAX_WINDOW,
                          err)) != OK ||
        (st = check_range("presence_penalty", (double)o->presence_penalty, -2, 2,
                          err)) != OK ||
        (st = check_range("frequency_penalty", (double)o->frequency_penalty, -2, 2,
                          err)) != OK ||
        (st = check_range("top_logprobs", o->n_top, 0, SAMPLER_MAX_TOP, err)) != OK)
        return st;
    return check_bias(o, n_vocab, err);
}

bool sampler_wants_tally(const sampler_options *o)
{
    return (o->repeat_penalty != 1 && o->repeat_window != 0) ||
           o->presence_penalty != 0 || o->frequency_penalty != 0;
}

sampler *sampler_new(int n_vocab)
{
    sampler *s = mem_new(sizeof *s);
    size_t n_group;

    CHECK(n_vocab > 0);
    s->n_vocab = n_vocab;
    s->n_block = logits_blocks(n_vocab);
    s->level = cpu_detect();
    n_group = (size_t)s->n_block * LOGITS_LANES;
    s->group_max = mem_aligned(n_group * sizeof(float));
    s->adjusted = mem_aligned((size_t)n_vocab * sizeof(float));
    s->adjusted_max = mem_aligned(n_group * sizeof(float));
    s->scratch = mem_aligned(n_group * sizeof(float));
    s->block_sum = mem_array((size_t)s->n_block, sizeof *s->block_sum);
    return s;
}

void sampler_free(sampler *s)
{
    if (!s) return;
    mem_free(s->group_max);
    mem_free(s->adjusted);
    mem_free(s->adjusted_max);
    mem_free(s->scratch);
    mem_free(s->block_sum);
    mem_free(s->candidates);
    mem_free(s);
}

/* -------------------------------------------------------------------- rows */

static float largest(const float *x, int n)
{
    float max = x[0];

    for (int i = 1; i < n; i++)
        if (x[i] > max) max = x[i];
    return max;
}

static row row_view(const sampler *s, const float *x, const float *group_max)
{
    return (row){ x, group_max, largest(group_max, s->n_block * LOGITS_LANES), 0 };
}

static double row_sum(sampler *s, row *r, float scale)
{
    if (r->sum == 0)
        r->sum = logits_exp_sum(s->level, r->x, s->n_vocab, r->max, scale, s->block_sum);
    return r->sum;
}

static float clamp_finite(float x)
{
    return x > FLT_MAX ? FLT_MAX : x < -FLT_MAX ? -FLT_MAX : x;
}

static void apply_tally(const sampler *s, const sampler_options *o, const tally *t)
{
    for (int i = 0; i < t->n_entry; i++) {
        const tally_entry *e = &t->entries[i];
        float *x;

        CHECK(e->id >= 0 && e->id < s->n_vocab);
        x = &s->adjusted[e->id];
        if (e->n_window > 0)
            *x = clamp_finite(*x > 0 ? *x / o->repeat_penalty : *x * o->repeat_penalty);
        if (e->n_output > 0)
            *x = clamp_finite(*x - o->frequency_penalty * (float)e->n_output -
                        o->presence_penalty);
    }
}

/* Four bits of the mask at a time, without a branch: within a JSON string about
 * every word of the mask is mixed. */
static void apply_mask(const sampler *s, const uint64_t *allowed)
{
    typedef uint32_t quad __attribute__((vector_size(16)));
    const quad bit = { 1, 2, 4, 8 }, minus_infinity = (quad){ 0 } + 0xFF800000u;

    for (int at = 0; at < s->n_vocab; at += 64) {
        uint64_t word = allowed[at / 64];
        size_t bytes = (size_t)(s->n_vocab - at < 64 ? s->n_vocab - at : 64) * 4;
        quad x[16];

        if (word == UINT64_MAX) continue;
        memcpy(x, s->adjusted + at, bytes);
        for (int q = 0; q < 16; q++) {
            quad keep = (quad)((((quad){ 0 } + (uint32_t)(word >> 4 * q)) & bit) == bit);

            x[q] = (x[q] & keep) | (minus_infinity & ~keep);
        }
        memcpy(s->adjusted + at, x, bytes);
    }
}

static bool row_changes(const sampler_input *in)
{
    return in->allowed || in->n_banned || in->options->n_bias ||
           (in->tally && sampler_wants_tally(in->options));
}

/* Steps 1 to 4 on a copy of the row. */
static status adjust(sampler *s, const sampler_input *in, row *out, errtext *err)
{
    const sampler_options *o = in->options;

    memcpy(s->adjusted, in->logits, (size_t)s->n_vocab * sizeof *s->adjusted);
    if (in->tally && sampler_wants_tally(o)) apply_tally(s, o, in->tally);
    for (int i = 0; i < o->n_bias; i++) {
        float *x = &s->adjusted[o->bias[i].id];

        *x = clamp_finite(*x + o->bias[i].bias);
    }
    if (in->allowed) apply_mask(s, in->allowed);
    for (int i = 0; i < in->n_banned; i++) {
        CHECK(in->banned[i] >= 0 && in->banned[i] < s->n_vocab);
        s->adjusted[in->banned[i]] = -INFINITY;
    }
    logits_scan(s->level, s->adjusted, s->n_vocab, s->adjusted_max);
    *out = row_view(s, s->adjusted, s->adjusted_max);
    if (out->max == -INFINITY)
        return fail(err, E_ARG, "no token can follow: the mask and %d banned tokens "
                    "leave none of %d", in->n_banned, s->n_vocab);
    return OK;
}

/* ----------------------------------------------------------------- ranking */

static uint64_t rank_of(float x, int32_t id)
{
    union { float f; uint32_t u; } v = { x + 0.0f };     /* -0 ranks as 0 */
    uint32_t ascending = v.u ^ (v.u >> 31 ? 0xFFFFFFFFu : 0x80000000u);

    return (uint64_t)ascending << 32 | (uint32_t)~(uint32_t)id;
}

static int32_t rank_id(uint64_t rank)
{
    return (int32_t)~(uint32_t)rank;
}

/* The k-th largest of n floats, k from 1; reorders them (Hoare's FIND). */
static float kth_largest(float *v, int n, int k)
{
    int low = 0, high = n - 1, want = k - 1;

    while (low < high) {
        float pivot = v[low + (high - low) / 2];
        int i = low, j = high;

        while (i <= j) {
            while (v[i] > pivot) i++;
            while (v[j] < pivot) j--;
            if (i <= j) {
                float t = v[i];

                v[i++] = v[j];
                v[j--] = t;
            }
        }
        if (want <= j) high = j;
        else if (want >= i) low = i;
        else break;
    }
    return v[want];
}

/* A value that at least k tokens reach: the k-th largest of disjoint groups'
 * maxima. Blocks are few and quick to select from; lanes bound more closely. */
static float count_threshold(sampler *s, const float *group_max, int k)
{
    int n_group = s->n_block * LOGITS_LANES;

    if (k <= s->n_block / 2) {
        for (int b = 0; b < s->n_block; b++)
            s->scratch[b] = largest(group_max + b * LOGITS_LANES, LOGITS_LANES);
        return kth_largest(s->scratch, s->n_block, k);
    }
    if (k > n_group / 2) return -INFINITY;
    memcpy(s->scratch, group_max, (size_t)n_group * sizeof *s->scratch);
    return kth_largest(s->scratch, n_group, k);
}

/* Gather the tokens with a value of at least `threshold`; masses are left to
 * the caller. */
static void gather(sampler *s, const row *r, float threshold)
{
    s->n_candidate = 0;
    for (int g = 0; g < s->n_block * LOGITS_LANES; g++) {
        int id = g / LOGITS_LANES * LOGITS_BLOCK + g % LOGITS_LANES;
        int end = (g / LOGITS_LANES + 1) * LOGITS_BLOCK;

        if (r->group_max[g] < threshold || r->group_max[g] == -INFINITY) continue;
        if (end > s->n_vocab) end = s->n_vocab;
        if (s->cap_candidate - s->n_candidate < LOGITS_BLOCK / LOGITS_LANES) {
            s->cap_candidate = 2 * s->cap_candidate + LOGITS_BLOCK;
            s->candidates = mem_resize(s->candidates, (size_t)s->cap_candidate,
                                       sizeof *s->candidates);
        }
        for (; id < end; id += LOGITS_LANES)
            if (r->x[id] >= threshold && r->x[id] > -INFINITY)
                s->candidates[s->n_candidate++] = (candidate){ rank_of(r->x[id], id), 0 };
    }
}

static void swap(candidate *a, candidate *b)
{
    candidate t = *a;

    *a = *b;
    *b = t;
}

static uint64_t middle(uint64_t a, uint64_t b, uint64_t c)
{
    if (a > b) return b > c ? b : a > c ? c : a;
    return a > c ? a : b > c ? c : b;
}

/* Bring the shortest prefix of the ranking that holds max_count tokens or
 * reaches the mass to the front of a (unordered) and return its length; n when
 * neither is reached. Ranks are unique. */
static int select_prefix(candidate *a, int n, int max_count, double mass)
{
    int low = 0, high = n;       /* a[0..low) is in, a[high..n) is out */
    double before = 0;           /* mass of a[0..low) */

    while (low < high) {
        uint64_t pivot = middle(a[low].rank, a[low + (high - low) / 2].rank,
                                a[high - 1].rank);
        int split = low, at = low;
        double above = 0;

        for (int i = low; i < high; i++)
            if (a[i].rank > pivot) {
                above += (double)a[i].mass;
                swap(&a[i], &a[split++]);
            }
        if (split >= max_count || (split > low && before + above >= mass)) {
            high = split;
            continue;
        }
        for (at = split; a[at].rank != pivot; at++) continue;
        swap(&a[at], &a[split]);
        before += above + (double)a[split].mass;
        low = split + 1;
        if (low >= max_count || before >= mass) return low;
    }
    return low;
}

/* -------------------------------------------------------------------- draw */

static int32_t first_max(const sampler *s, const row *r)
{
    for (int b = 0; b < s->n_block; b++) {
        const float *x = r->x + (size_t)b * LOGITS_BLOCK;
        int i = 0;

        if (largest(r->group_max + b * LOGITS_LANES, LOGITS_LANES) != r->max) continue;
        while (x[i] != r->max) i++;
        return b * LOGITS_BLOCK + i;
    }
    return 0;                                /* not reached: some lane holds max */
}

/* The token at u of the whole distribution: find the block, then the token. */
static int32_t draw_whole(sampler *s, row *r, float scale, double u)
{
    double target = u * row_sum(s, r, scale), sum = 0;
    int b = 0, last = -1, start, end;

    for (; b < s->n_block - 1 && sum + s->block_sum[b] <= target; b++)
        sum += s->block_sum[b];
    /* Rounding may carry the target past the end of the last block. */
    while (b > 0 && s->block_sum[b] == 0) sum -= s->block_sum[--b];
    start = b * LOGITS_BLOCK;
    end = start + LOGITS_BLOCK < s->n_vocab ? start + LOGITS_BLOCK : s->n_vocab;
    for (int id = start; id < end; id++) {
        float mass = logits_exp((r->x[id] - r->max) * scale);

        if (mass == 0) continue;
        last = id;
        sum += (double)mass;
        if (sum > target) break;
    }
    return last;
}

/* The value whose mass is e, a little lowered so that rounding cannot leave
 * out a token of that mass. */
static float mass_threshold(const row *r, float scale, double e)
{
    double x;
    float t;

    if (!(e >= DBL_MIN)) return -INFINITY;
    x = (double)r->max + (logits_log(e) - 0.01) / (double)scale;
    t = (float)x;
    return (double)t > x ? nextafterf(t, -INFINITY) : t;
}

/* Gather with masses; returns the sum of the masses. */
static double gather_mass(sampler *s, const row *r, float scale, float threshold)
{
    double sum = 0;

    gather(s, r, threshold);
    for (int i = 0; i < s->n_candidate; i++) {
        candidate *c = &s->candidates[i];

        c->mass = logits_exp((r->x[rank_id(c->rank)] - r->max) * scale);
        sum += (double)c->mass;
    }
    return sum;
}

/* Gather enough tokens to reach the mass. Two guesses serve the usual peaked
 * rows; the last threshold always does, as all tokens below it together hold
 * less than half of what is cut away. */
static void gather_nucleus(sampler *s, row *r, float scale, double mass, float lowest)
{
    static const double guess[] = { 0x1p-6, 0x1p-12 };
    double least = 0.5 * (row_sum(s, r, scale) - mass) / (double)s->n_vocab;

    for (int i = 0; i <= 2; i++) {
        float t = mass_threshold(r, scale, i < 2 && guess[i] > least ? guess[i] : least);

        if (t < lowest) t = lowest;
        if (gather_mass(s, r, scale, t) >= mass || t == lowest) break;
    }
}

/* Steps 6 to 8: the tokens left stand at the front of s->candidates with their
 * masses; returns how many. */
static int keep_likely(sampler *s, row *r, const sampler_options *o, float scale)
{
    float lowest = -INFINITY;
    double mass = INFINITY;
    int n, kept = 0;

    if (o->min_p > 0) lowest = mass_threshold(r, scale, (double)o->min_p);
    if (o->top_k > 0 && o->top_k < s->n_vocab) {
        gather_mass(s, r, scale, count_threshold(s, r->group_max, o->top_k));
        n = select_prefix(s->candidates, s->n_candidate, o->top_k, INFINITY);
        if (o->top_p < 1) {
            mass = 0;
            for (int i = 0; i < n; i++) mass += (double)s->candidates[i].mass;
            mass *= (double)o->top_p;
        }
    } else if (o->top_p < 1) {
        mass = (double)o->top_p * row_sum(s, r, scale);
        gather_nucleus(s, r, scale, mass, lowest);
        n = s->n_candidate;
    } else {
        gather_mass(s, r, scale, lowest);
        n = s->n_candidate;
    }
    if (o->top_p < 1) n = select_prefix(s->candidates, n, INT_MAX, mass);
    for (int i = 0; i < n; i++)
        if (s->candidates[i].mass >= o->min_p) s->candidates[kept++] = s->candidates[i];
    return kept;
}

static int32_t draw_truncated(sampler *s, row *r, const sampler_options *o, float scale,
                              double u)
{
    int n = keep_likely(s, r, o, scale), last = 0;
    double total = 0, sum = 0;

    for (int i = 0; i < n; i++) total += (double)s->candidates[i].mass;
    for (int i = 0; i < n; i++) {
        if (s->candidates[i].mass == 0) continue;
        last = i;
        sum += (double)s->candidates[i].mass;
        if (sum > u * total) break;
    }
    return rank_id(s->candidates[last].rank);
}

static int32_t draw(sampler *s, row *r, const sampler_input *in)
{
    const sampler_options *o = in->options;
    float scale = logits_scale(o->temperature);
    double u;

    if (o->temperature == 0) return first_max(s, r);
    u = rng_uniform(o->seed, in->stream, in->counter);
    if ((o->top_k == 0 || o->top_k >= s->n_vocab) && o->top_p >= 1 && o->min_p <= 0)
        return draw_whole(s, r, scale, u);
    return draw_truncated(s, r, o, scale, u);
}

/* ------------------------------------------------------------------ report */

static void report_top(sampler *s, const row *raw, const logits_norm *norm, int n,
                       sample *out)
{
    if (n > s->n_vocab) n = s->n_vocab;
    gather(s, raw, count_threshold(s, raw->group_max, n));
    select_prefix(s->candidates, s->n_candidate, n, INFINITY);
    for (int i = 1; i < n; i++)
        for (int j = i; j && s->candidates[j].rank > s->candidates[j - 1].rank; j--)
            swap(&s->candidates[j], &s->candidates[j - 1]);
    for (int i = 0; i < n; i++) {
        int32_t id = rank_id(s->candidates[i].rank);

        out->top[i] = (token_prob){ id, logits_log_prob(norm, raw->x[id]) };
    }
    out->n_top = n;
}

status sampler_draw(sampler *s, const sampler_input *in, sample *out, errtext *err)
{
    const sampler_options *o = in->options;
    row raw, changed;
    sample got = { .id = in->forced };
    status st;

    CHECK(in->forced < s->n_vocab);
    if (!logits_scan(s->level, in->logits, s->n_vocab, s->group_max)) {
        int bad = logits_find_bad(in->logits, s->n_vocab);

        return fail(err, E_FORMAT, "the logit of token %d is %g", bad,
                    (double)in->logits[bad]);
    }
    raw = row_view(s, in->logits, s->group_max);
    if (in->forced < 0 && row_changes(in)) {
        if ((st = adjust(s, in, &changed, err)) != OK) return st;
        got.id = draw(s, &changed, in);
    } else if (in->forced < 0) {
        got.id = draw(s, &raw, in);
    }
    if (o->log_prob || o->n_top) {
        float scale = logits_scale(o->temperature);
        logits_norm norm = { raw.max, scale, logits_log(row_sum(s, &raw, scale)) };

        if (o->log_prob) got.log_prob = logits_log_prob(&norm, in->logits[got.id]);
        if (o->n_top) report_top(s, &raw, &norm, o->n_top, &got);
    }
    *out = got;
    return OK;
}
