/* grad_attend_amx.c - attention's backward pass by bf16 tile products.
 *
 * Scores are kept transposed, keys by queries: maxima and sums over keys then
 * run down the lanes, and probabilities are the operands of the products as
 * they come. Per block of queries Q and keys K, with e the unnormalised
 * probabilities and 1/sum folded into dO:
 *
 *   S' = K Q'    e = 2^(S' - max)    P' = V dO'    D' = e * (P' - delta)
 *   dV += e dO    dK += D' Q    dQ' = K' D'
 *
 * delta, 1/sum times the sum over keys of e P', is rowsum(dO * O) / sum but for
 * rounding; made from the rounded P' it lets the slopes of a query add up to
 * nothing, and spares reading O. Q carries log2(e) / sqrt(d), made good in dK and dQ. */
#include "tensor/cpu/grad_tile.h"

#if defined(__x86_64__)
#include <math.h>
#include <string.h>

#define UNIT GRAD_ATTEND_UNIT    /* keys of a unit: one step of k of dQ */
#define QUADS 2                  /* most groups of 32 queries in a block */
#define LOG2_E 1.44269504f
#define LN_2 0.69314718f

typedef struct attend_space {
    int d16, d32;            /* squares and steps of channels */
    int ld;                  /* floats between rows */
    uint16_t *key, *value;   /* [unit][2][d32] tiles, keys as lanes */
    uint16_t *key_t;         /* [unit][d16] tiles, channels as lanes */
    float *dkey, *dvalue;    /* [unit][2][d16] squares */
    float *score;            /* [seen][2 of keys][2 of queries] squares: S', then P' */
    uint16_t *prob;          /* [seen][QUADS][2] tiles of e, keys as lanes */
    uint16_t *slope_a;       /* the same for D' */
    uint16_t *slope_b;       /* [seen][QUADS][2] tiles, queries as lanes */
    uint16_t *query_t;       /* [2 QUADS][d32] tiles, queries as lanes */
    uint16_t *dout_t;
    uint16_t *query;         /* [d16][groups in the block] tiles, channels as lanes */
    uint16_t *dout;
    float *rows;             /* [32 QUADS][ld] of queries or dO */
    float *inverse;          /* [32 QUADS] 1 / sum of e */
    float *dquery;           /* [d16][2] squares, channels by queries */
    int *seen;               /* units a block sees, in order of position */
    int *n_key;              /* keys of each that exist */
} attend_space;

/* Place everything from p on, or nowhere when NULL; gives the bytes. */
static size_t space_make(attend_space *s, uint8_t *p, int n_unit, int n_seen, int d)
{
    size_t at = 0, u = (size_t)n_unit, seen = (size_t)n_seen, d16, d32;

    s->d16 = (d + 15) / 16;
    s->d32 = (d + 31) / 32;
    s->ld = s->d32 * 32;
    d16 = (size_t)s->d16;
    d32 = (size_t)s->d32;
#define TAKE(field, count) \
    s->field = p ? (void *)(p + at) : NULL, at += ((count) * sizeof *s->field + 63) / 64 * 64
    TAKE(key, u * 2 * d32 * TILE);
    TAKE(value, u * 2 * d32 * TILE);
    TAKE(key_t, u * d16 * TILE);
    TAKE(dkey, u * 2 * d16 * SUMS);
    TAKE(dvalue, u * 2 * d16 * SUMS);
    TAKE(score, seen * 4 * SUMS);
    TAKE(prob, seen * QUADS * 2 * TILE);
    TAKE(slope_a, seen * QUADS * 2 * TILE);
    TAKE(slope_b, seen * QUADS * 2 * TILE);
    TAKE(query_t, 2 * QUADS * d32 * TILE);
    TAKE(dout_t, 2 * QUADS * d32 * TILE);
    TAKE(query, d16 * QUADS * TILE);
    TAKE(dout, d16 * QUADS * TILE);
    TAKE(rows, 32 * QUADS * d32 * 32);
    TAKE(inverse, (size_t)32 * QUADS);
    TAKE(dquery, d16 * 2 * SUMS);
    TAKE(seen, seen);
    TAKE(n_key, seen);
#undef TAKE
    return at;
}

size_t grad_attend_amx_bytes(int n_unit, int n_seen, int d_head)
{
    attend_space s;

    return space_make(&s, NULL, n_unit, n_seen, d_head);
}

/* Rows of 16 lanes and their channels as pairs: a b operand of [d32] tiles. */
LEVEL_AVX512 static void pack_lanes(const float *rows, int ld, int d32, uint16_t *out)
{
    for (int c = 0; c < d32; c++, out += TILE) {
        __m512i v[16];

        UNROLL
        for (int i = 0; i < 16; i++) v[i] = load_row(rows + i * ld + c * 32, 32);
        transpose(v);
        UNROLL
        for (int i = 0; i < 16; i++) _mm512_store_si512(out + i * 32, v[i]);
    }
}

/* src[i] * scale[i] for n rows, zeros up to the next 32; both forms. Where
 * queries are summed over, i and i + 16 of a group are neighbours: tiles of e and
 * D' are then made of two vectors without a shuffle. */
LEVEL_AVX512 static void pack_block(const attend_space *s, const float *src, size_t ld, int n,
                                    int d, const float *scale, uint16_t *lanes,
                                    uint16_t *channels)
{
    int n_quad = (n + 31) / 32;

    for (int i = 0; i < n_quad * 32; i++) {
        float *row = s->rows + (i / 32 * 32 + i % 16 * 2 + i / 16 % 2) * s->ld;

        for (int c = 0; c < s->ld; c += 16) {
            __m512 v = _mm512_setzero_ps();

            if (i < n)
                v = _mm512_mul_ps(_mm512_maskz_loadu_ps(first_lanes(d - c),
                                                        src + (size_t)i * ld + c),
                                  _mm512_set1_ps(scale[i]));
            _mm512_store_ps(row + c, v);
        }
    }
    for (int i = 0; i < 2 * n_quad; i++)
        pack_lanes(s->rows + (i / 2 * 32 + i % 2) * s->ld, 2 * s->ld, s->d32,
                   lanes + i * s->d32 * TILE);
    grad_product_amx.b_cols(s->rows, (size_t)s->ld, d, n_quad * 32, channels);
}

/* Scores that do not count become very low: keys that do not exist, and in the
 * queries' own unit keys after the query. */
LEVEL_AVX512 static void mask_scores(float *p, int n_key, bool own)
{
    __m512 low = _mm512_set1_ps(-3e38f);

    for (int i = 0; own && i < 16; i++) {
        __mmask16 before = (__mmask16)((1 << i) - 1);

        _mm512_mask_storeu_ps(p + i * 16, before, low);
        _mm512_store_ps(p + 2 * SUMS + i * 16, low);
        _mm512_mask_storeu_ps(p + 3 * SUMS + i * 16, before, low);
    }
    for (int i = n_key; i < UNIT; i++) {
        _mm512_store_ps(p + i / 16 * 2 * SUMS + i % 16 * 16, low);
        _mm512_store_ps(p + i / 16 * 2 * SUMS + SUMS + i % 16 * 16, low);
    }
}

/* 2^x for x <= 0, within 3e-6 of its size; 0 below -126. */
INLINE_AVX512 __m512 exp2_lanes(__m512 x)
{
    __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_sub_ps(x, n);
    __m512 p = _mm512_set1_ps(0.009570101276f);

    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.05591785908f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.2402474433f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.6931217909f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.9999992847f));
    return _mm512_maskz_scalef_ps(
        _mm512_cmp_ps_mask(x, _mm512_set1_ps(-126), _CMP_GE_OQ), p, n);
}

/* e of 32 queries from their scores of n_seen units, as tiles. */
LEVEL_AVX512 static void soften(const float *score, uint16_t *prob, int n_seen, float *inverse)
{
    __m512 m[4], sum0 = _mm512_setzero_ps(), sum1 = sum0;
    const float *p = score;

    UNROLL
    for (int i = 0; i < 4; i++) m[i] = _mm512_set1_ps(-3e38f);
    for (int t = 0; t < 2 * n_seen; t++, p += 2 * SUMS)
        for (int i = 0; i < SUMS; i += 32) {
            UNROLL
            for (int j = 0; j < 4; j++)
                m[j] = _mm512_max_ps(m[j], _mm512_load_ps(p + j % 2 * SUMS + j / 2 * 16 + i));
        }
    m[0] = _mm512_max_ps(m[0], m[2]);
    m[1] = _mm512_max_ps(m[1], m[3]);
    p = score;
    for (int t = 0; t < n_seen; t++, prob += (QUADS - 1) * 2 * TILE)
        for (int half = 0; half < 2; half++, p += 2 * SUMS, prob += TILE)
            for (int i = 0; i < 16; i++) {
                __m512 a = exp2_lanes(_mm512_sub_ps(_mm512_load_ps(p + i * 16), m[0]));
                __m512 b = exp2_lanes(_mm512_sub_ps(_mm512_load_ps(p + SUMS + i * 16), m[1]));

                sum0 = _mm512_add_ps(sum0, a);
                sum1 = _mm512_add_ps(sum1, b);
                _mm512_store_si512(prob + i * 32, in_pairs(rounded(a), rounded(b)));
            }
    _mm512_store_ps(inverse, _mm512_div_ps(_mm512_set1_ps(1), sum0));
    _mm512_store_ps(inverse + 16, _mm512_div_ps(_mm512_set1_ps(1), sum1));
}

INLINE_AVX512 __m512 even_of(__m512i pairs)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}

INLINE_AVX512 __m512 odd_of(__m512i pairs)
{
    return _mm512_castsi512_ps(
        _mm512_and_si512(pairs, _mm512_set1_epi32((int)0xFFFF0000)));
}

/* Delta of 32 queries over the keys of n_seen units. */
LEVEL_AVX512 static void sum_delta(const uint16_t *prob, const float *dprob, int n_seen,
                                   const float *inverse, __m512 delta[2])
{
    __m512 sum[4];

    UNROLL
    for (int i = 0; i < 4; i++) sum[i] = _mm512_setzero_ps();
    for (int t = 0; t < n_seen; t++, prob += (QUADS - 1) * 2 * TILE)
        for (int half = 0; half < 2; half++, prob += TILE, dprob += 2 * SUMS)
            for (int i = 0; i < 16; i += 2) {
                UNROLL
                for (int j = 0; j < 2; j++) {
                    __m512i e = _mm512_load_si512(prob + (i + j) * 32);
                    const float *p = dprob + (i + j) * 16;

                    sum[j] = _mm512_fmadd_ps(even_of(e), _mm512_load_ps(p), sum[j]);
                    sum[2 + j] = _mm512_fmadd_ps(odd_of(e), _mm512_load_ps(p + SUMS),
                                                 sum[2 + j]);
                }
            }
    delta[0] = _mm512_mul_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_load_ps(inverse));
    delta[1] = _mm512_mul_ps(_mm512_add_ps(sum[2], sum[3]), _mm512_load_ps(inverse + 16));
}

/* D' of one unit and 32 queries, as both kinds of tile. */
LEVEL_AVX512 static void make_slopes(const uint16_t *prob, const float *dprob,
                                     const __m512 delta[2], uint16_t *a, uint16_t *b)
{
    for (int half = 0; half < 2; half++, prob += TILE, dprob += 2 * SUMS, a += TILE)
        for (int i = 0; i < 16; i += 2) {
            __m512i v[4];

            UNROLL
            for (int j = 0; j < 2; j++) {
                __m512i e = _mm512_load_si512(prob + (i + j) * 32);
                const float *p = dprob + (i + j) * 16;

                v[j] = rounded(_mm512_mul_ps(
                    even_of(e), _mm512_sub_ps(_mm512_load_ps(p), delta[0])));
                v[2 + j] = rounded(_mm512_mul_ps(
                    odd_of(e), _mm512_sub_ps(_mm512_load_ps(p + SUMS), delta[1])));
                _mm512_store_si512(a + (i + j) * 32, in_pairs(v[j], v[2 + j]));
            }
            _mm512_store_si512(b + (half * 8 + i / 2) * 32, in_pairs(v[0], v[1]));
            _mm512_store_si512(b + TILE + (half * 8 + i / 2) * 32, in_pairs(v[2], v[3]));
        }
}

/* Rows of a head lie apart, which the processor's own prefetch does not see. */
static inline void fetch_rows(const float *p, size_t ld, int n, int d)
{
    for (int i = 0; i < n; i++)
        for (int c = 0; c < d; c += 16)
            _mm_prefetch((const char *)(p + (size_t)i * ld + c), _MM_HINT_T0);
}

/* Sums of keys by channels for every unit seen: a holds e or D'. */
LEVEL_AVX512 static void add_key_sums(const attend_space *s, const uint16_t *a,
                                      const uint16_t *b, int n_seen, int n_before, int n_quad,
                                      float *sums)
{
    const size_t c_row = (size_t)s->d16 * SUMS;

    for (int t = 0; t < n_seen; t++) {
        /* Earlier groups of queries do not see the later units. */
        int skip = t > n_before ? t - n_before : 0;
        tile_side pa = { a + (size_t)(t * QUADS + skip) * 2 * TILE, TILE, 2 * TILE };
        grad_place c = { sums + (size_t)s->seen[t] * 2 * c_row, c_row, SUMS, SQUARE };

        for (int p = 0; p < s->d16; p += 2, c.p += 2 * SUMS) {
            tile_side pb = { b + (size_t)(p * n_quad + skip) * TILE, (size_t)n_quad * TILE, TILE };

            if (p + 1 < s->d16)
                squares(pa, pb, n_quad - skip, 1, 1, 1, c);
            else
                squares(pa, pb, n_quad - skip, 1, 0, 1, c);
        }
    }
}

/* dQ of one group of 32 queries: channels by queries over the units seen. */
LEVEL_AVX512 static void sum_queries(const attend_space *s, int quad, int n_seen)
{
    for (int t = 0, n; t < n_seen; t += n) {
        tile_side b = { s->slope_b + (size_t)(t * QUADS + quad) * 2 * TILE, TILE,
                        QUADS * 2 * TILE };
        const uint16_t *key = s->key_t + (size_t)s->seen[t] * (size_t)s->d16 * TILE;

        for (n = 1; t + n < n_seen && s->seen[t + n] == s->seen[t] + n; n++) {}
        for (int p = 0; p < s->d16; p += 2) {
            tile_side a = { key + p * TILE, TILE, (size_t)s->d16 * TILE };
            grad_place c = { s->dquery + p * 2 * SUMS, 2 * SUMS, SUMS, SQUARE };
            int two = p + 1 < s->d16;

            if (two && t) squares(a, b, n, 1, 1, 1, c);
            else if (two) squares(a, b, n, 1, 1, 0, c);
            else if (t) squares(a, b, n, 0, 1, 1, c);
            else squares(a, b, n, 0, 1, 0, c);
        }
    }
}

/* Up to 32 rows of dQ from squares of channels by queries. */
LEVEL_AVX512 static void store_queries(const attend_space *s, float *dq, size_t ld, int n,
                                       int d, float scale)
{
    for (int p = 0; p < s->d16; p++)
        for (int half = 0; half * 16 < n; half++) {
            const float *from = s->dquery + (p * 2 + half) * SUMS;
            __m512i v[16];

            UNROLL
            for (int i = 0; i < 16; i++) v[i] = _mm512_load_si512(from + i * 16);
            transpose(v);
            UNROLL
            for (int i = 0; i < 16; i++)
                if (half * 16 + i < n)
                    _mm512_mask_storeu_ps(dq + (size_t)(half * 16 + i) * ld + p * 16,
                                          first_lanes(d - p * 16),
                                          _mm512_mul_ps(_mm512_castsi512_ps(v[i]),
                                                        _mm512_set1_ps(scale)));
        }
}

static inline grad_place place_of(float *score, int t)
{
    return (grad_place){ score + (size_t)t * 4 * SUMS, 2 * SUMS, SUMS, SQUARE };
}

/* n rows from `first` of a run, by head h. Group j of 32 sees the n_before units
 * before its block and its own up to j. */
LEVEL_AVX512 static void attend_block(const grad_attend *it, const attend_space *s,
                                      const gradient_run *run, int first, int n, int h,
                                      int n_before)
{
    int d = it->d_head, n_quad = (n + 31) / 32, n_seen = n_before + n_quad;
    size_t ld = (size_t)it->n_head * (size_t)d;
    size_t at = (size_t)(run->row + first) * ld + (size_t)h * (size_t)d;
    size_t unit = (size_t)2 * (size_t)s->d32 * TILE, half = (size_t)s->d32 * TILE;
    float scale = 1.0f / sqrtf((float)d);

    fetch_rows(it->dout + at, ld, n, d);
    for (int i = 0; i < n; i++) s->inverse[i] = scale * LOG2_E;
    pack_block(s, it->q + at, ld, n, d, s->inverse, s->query_t, s->query);
    for (int j = 0; j < n_quad; j++) {
        for (int t = 0; t <= n_before + j; t++) {
            tile_side a = { s->key + (size_t)s->seen[t] * unit, half, TILE };
            tile_side b = { s->query_t + (size_t)j * unit, half, TILE };

            squares(a, b, s->d32, 1, 1, 0, place_of(s->score, t));
        }
        for (int t = 0; t <= n_before + j; t++)
            if (s->n_key[t] < UNIT || t == n_before + j)
                mask_scores(s->score + (size_t)t * 4 * SUMS, s->n_key[t], t == n_before + j);
        soften(s->score, s->prob + (size_t)j * 2 * TILE, n_before + j + 1, s->inverse + j * 32);
    }
    pack_block(s, it->dout + at, ld, n, d, s->inverse, s->dout_t, s->dout);
    for (int j = 0; j < n_quad; j++) {
        __m512 delta[2];

        for (int t = 0; t <= n_before + j; t++) {
            tile_side a = { s->value + (size_t)s->seen[t] * unit, half, TILE };
            tile_side b = { s->dout_t + (size_t)j * unit, half, TILE };

            squares(a, b, s->d32, 1, 1, 0, place_of(s->score, t));
        }
        sum_delta(s->prob + (size_t)j * 2 * TILE, s->score, n_before + j + 1,
                  s->inverse + j * 32, delta);
        for (int t = 0; t <= n_before + j; t++) {
            size_t o = (size_t)(t * QUADS + j);

            make_slopes(s->prob + o * 2 * TILE, s->score + (size_t)t * 4 * SUMS, delta,
                        s->slope_a + o * 2 * TILE, s->slope_b + o * 2 * TILE);
        }
    }
    add_key_sums(s, s->prob, s->dout, n_seen, n_before, n_quad, s->dvalue);
    add_key_sums(s, s->slope_a, s->query, n_seen, n_before, n_quad, s->dkey);
    for (int j = 0; j < n_quad; j++) {
        sum_queries(s, j, n_before + j + 1);
        store_queries(s, it->dq + at + (size_t)j * 32 * ld, ld,
                      n - j * 32 < 32 ? n - j * 32 : 32, d, scale);
    }
}

/* Keys and values of a run, from unit `unit` on. */
static void pack_keys(const grad_attend *it, const attend_space *s, const gradient_run *run,
                      int unit)
{
    int d = it->d_head;
    size_t ld = (size_t)it->n_head_kv * (size_t)d, half = (size_t)s->d32 * TILE;

    for (int r = 0; r < run->n_row; r += UNIT, unit++) {
        int n = run->n_row - r < UNIT ? run->n_row - r : UNIT;
        size_t at = (size_t)(run->row + r) * ld + (size_t)it->head_kv * (size_t)d;
        uint16_t *key = s->key + (size_t)unit * 2 * half;
        uint16_t *value = s->value + (size_t)unit * 2 * half;

        if (n <= 16) {
            memset(key + half, 0, half * sizeof *key);
            memset(value + half, 0, half * sizeof *value);
        }
        grad_product_amx.a_rows(it->k + at, ld, n, d, key);
        grad_product_amx.a_rows(it->v + at, ld, n, d, value);
        grad_product_amx.a_cols(it->k + at, ld, d, n,
                                s->key_t + (size_t)(unit * s->d16) * TILE);
    }
}

/* A run's rows of dK or dV. */
LEVEL_AVX512 static void store_keys(const grad_attend *it, const attend_space *s,
                                    const gradient_run *run, int unit, const float *sums,
                                    float scale, float *out)
{
    int d = it->d_head;
    size_t ld = (size_t)it->n_head_kv * (size_t)d;

    for (int r = 0; r < run->n_row; r++) {
        const float *from = sums + ((size_t)(unit * 2 + r / 16) * (size_t)s->d16 * SUMS) +
                            r % 16 * 16;
        float *to = out + (size_t)(run->row + r) * ld + (size_t)it->head_kv * (size_t)d;

        for (int c = 0; c < d; c += 16)
            _mm512_mask_storeu_ps(to + c, first_lanes(d - c),
                                  _mm512_mul_ps(_mm512_load_ps(from + c / 16 * SUMS),
                                                _mm512_set1_ps(scale)));
    }
}

void grad_attend_amx(const grad_attend *it)
{
    int group = it->n_head / it->n_head_kv, n_unit = it->tile[it->n_tree];
    attend_space s;

    space_make(&s, (uint8_t *)it->work, n_unit, it->n_seen, it->d_head);
    memset(s.dkey, 0, (size_t)n_unit * 2 * (size_t)s.d16 * SUMS * sizeof *s.dkey);
    memset(s.dvalue, 0, (size_t)n_unit * 2 * (size_t)s.d16 * SUMS * sizeof *s.dvalue);
    tiles_begin(64, 16);
    for (int i = 0; i < it->n_tree; i++) {
        const gradient_run *run = &it->runs[it->tree[i]];
        int n = 0;

        pack_keys(it, &s, run, it->tile[i]);
        for (int p = run->parent; p >= 0; p = it->runs[p].parent) {
            int unit = it->tile[it->at[p]];

            for (int r = 0; r < it->runs[p].n_row; r += UNIT) {
                int left = it->runs[p].n_row - r;

                s.n_key[n] = left < UNIT ? left : UNIT;
                s.seen[n++] = unit++;
            }
        }
        for (int r = 0; r < run->n_row; r += 32 * QUADS) {
            int left = run->n_row - r < 32 * QUADS ? run->n_row - r : 32 * QUADS;
            int n_before = n;

            for (int j = 0; j < left; j += UNIT) {
                s.n_key[n] = left - j < UNIT ? left - j : UNIT;
                s.seen[n++] = it->tile[i] + (r + j) / UNIT;
            }
            for (int h = it->head_kv * group; h < (it->head_kv + 1) * group; h++)
                attend_block(it, &s, run, r, left, h, n_before);
        }
    }
    tiles_end();
    for (int i = 0; i < it->n_tree; i++) {
        const gradient_run *run = &it->runs[it->tree[i]];

        store_keys(it, &s, run, it->tile[i], s.dkey, LN_2, it->dk);
        store_keys(it, &s, run, it->tile[i], s.dvalue, 1, it->dv);
    }
}
#endif
