/* grad_body.h - the backward pass in lanes; compiled once a level after one of
 * lanes_*.h. ROWS_AT_ONCE rows of a square have sums that fit in registers;
 * LANES_SUM adds up lanes in any order. */
#include <string.h>

#include "tensor/cpu/grad.h"
#include "tensor/cpu/lanes.h"

LANES lanes load_some(const float *p, int n)
{
    float v[16] = { 0 };

    if (n >= 16) return lanes_load(p);
    for (int i = 0; i < n; i++) v[i] = p[i];
    return lanes_load(v);
}

LANES void store_some(float *p, lanes a, int n)
{
    float v[16];

    if (n >= 16) {
        lanes_store(p, a);
        return;
    }
    lanes_store(v, a);
    for (int i = 0; i < n; i++) p[i] = v[i];
}

/* Products. */

/* c[16][16] (+)= sum over k of a[i * step_i + k * step_k] * b[k * ld_b + lane].
 * The steps of a are constants. */
LANES void square(const float *a, int step_i, int step_k, const float *b, size_t ld_b,
                  int n_k, bool add, float *c, size_t ld_c)
{
    for (int i = 0; i < SQUARE; i += ROWS_AT_ONCE, a += ROWS_AT_ONCE * step_i) {
        lanes sum[ROWS_AT_ONCE];

        UNROLL
        for (int r = 0; r < ROWS_AT_ONCE; r++)
            sum[r] = add ? lanes_load(c + (size_t)(i + r) * ld_c) : lanes_set(0);
        for (int k = 0; k < n_k; k++) {
            lanes v = lanes_load(b + (size_t)k * ld_b);

            UNROLL
            for (int r = 0; r < ROWS_AT_ONCE; r++)
                sum[r] = lanes_fma(lanes_set(a[r * step_i + k * step_k]), v, sum[r]);
        }
        UNROLL
        for (int r = 0; r < ROWS_AT_ONCE; r++)
            lanes_store(c + (size_t)(i + r) * ld_c, sum[r]);
    }
}

LANES_LEVEL static void pack_cols(const float *src, size_t ld, int n_lane, int n_k, void *panels)
{
    for (int k = 0; k < n_k; k++, src += ld) {
        float *out = (float *)panels + (size_t)k * SQUARE;

        for (int c = 0; c < n_lane; c += SQUARE, out += (size_t)n_k * SQUARE)
            lanes_store(out, load_some(src + c, n_lane - c));
    }
}

LANES_LEVEL static void pack_rows(const float *src, size_t ld, int n_lane, int n_k, void *panels)
{
    float *out = panels;

    for (int r = 0; r < n_lane; r += SQUARE, src += SQUARE * ld)
        for (int k = 0; k < n_k; k++, out += SQUARE)
            for (int i = 0; i < SQUARE; i++)
                out[i] = r + i < n_lane ? src[(size_t)i * ld + (size_t)k] : 0;
}

LANES_LEVEL static void multiply(const void *a, int n_a, const void *b, int n_b, int n_k,
                                 bool add, grad_place c)
{
    size_t panel = (size_t)n_k * SQUARE;

    for (int j = 0; j < n_b; j++)
        for (int i = 0; i < n_a; i++)
            square((const float *)a + (size_t)i * panel, 1, SQUARE,
                   (const float *)b + (size_t)j * panel, SQUARE, n_k, add,
                   c.p + (size_t)i * c.down + (size_t)j * c.right, c.ld);
}

const grad_product LANES_NAME(grad_product) = {
    .k_step = 1, .k_block = 256, .item = 4, .a_rows = pack_rows, .a_cols = pack_cols,
    .b_cols = pack_cols, .multiply = multiply,
};

/* Rows 0 .. n_row - 1 of n_c products in squares, summed in their order, into
 * out [n_row, n_col]; `step` floats lie between products. */
LANES_LEVEL void LANES_NAME(grad_sum)(const float *c, size_t step, int n_c, int n_row,
                                      int n_col, bool add, float *out)
{
    int n_b = (n_col + SQUARE - 1) / SQUARE;

    for (int r = 0; r < n_row; r++, out += n_col)
        for (int j = 0; j < n_b; j++) {
            const float *from = c + ((size_t)(r / SQUARE * n_b + j) * SQUARE +
                                     (size_t)(r % SQUARE)) * SQUARE;
            int n = n_col - j * SQUARE;
            lanes sum = lanes_load(from);

            for (int i = 1; i < n_c; i++)
                sum = lanes_add(sum, lanes_load(from + (size_t)i * step));
            if (add) sum = lanes_add(load_some(out + j * SQUARE, n), sum);
            store_some(out + j * SQUARE, sum, n);
        }
}

/* Rows. */

/* With s = 1 / sqrt(mean(x^2) + eps) and y = x s w:
 * dx = s w dy - x s^3 / n * sum(x w dy), dw = dy x s. */
LANES_LEVEL void LANES_NAME(grad_norm)(const float *x, const float *weight, float eps,
                                       const float *dy, int n_row, int n, bool add,
                                       float *dx, float *dweight)
{
    for (int r = 0; r < n_row; r++, x += n, dy += n, dx += n) {
        lanes square_sum = lanes_set(0), dot = lanes_set(0), s, back;
        float scale;

        for (int at = 0; at < n; at += 16) {
            lanes v = load_some(x + at, n - at);
            lanes g = lanes_mul(load_some(weight + at, n - at), load_some(dy + at, n - at));

            square_sum = lanes_fma(v, v, square_sum);
            dot = lanes_fma(v, g, dot);
        }
        scale = 1.0f / sqrtf(LANES_SUM(square_sum) / (float)n + eps);
        s = lanes_set(scale);
        back = lanes_set(-scale * scale * (LANES_SUM(dot) / (float)n));
        for (int at = 0; at < n; at += 16) {
            lanes v = load_some(x + at, n - at), d = load_some(dy + at, n - at);
            lanes g = lanes_mul(load_some(weight + at, n - at), d);
            lanes sum = lanes_mul(lanes_fma(v, back, g), s);

            if (dweight)
                store_some(dweight + at, lanes_fma(lanes_mul(v, s), d,
                                                   load_some(dweight + at, n - at)), n - at);
            if (add) sum = lanes_add(load_some(dx + at, n - at), sum);
            store_some(dx + at, sum, n - at);
        }
    }
}

LANES_LEVEL void LANES_NAME(grad_rope)(float *dx, const float *cosine, const float *sine,
                                       int n_head, int d_head)
{
    int half = d_head / 2;

    for (int h = 0; h < n_head; h++, dx += d_head)
        for (int at = 0; at < half; at += 16) {
            int n = half - at;
            lanes c = load_some(cosine + at, n), s = load_some(sine + at, n);
            lanes a = load_some(dx + at, n), b = load_some(dx + half + at, n);

            store_some(dx + at, lanes_add(lanes_mul(a, c), lanes_mul(b, s)), n);
            store_some(dx + half + at, lanes_sub(lanes_mul(b, c), lanes_mul(a, s)), n);
        }
}

/* With s = 1 / (1 + e^-g): d(g s)/dg = s (1 + g (1 - s)). */
LANES_LEVEL void LANES_NAME(grad_swiglu)(const float *gate, const float *up, const float *dh,
                                         int n, float *dgate, float *dup)
{
    lanes one = lanes_set(1);

    for (int at = 0; at < n; at += 16) {
        lanes g = lanes_max(load_some(gate + at, n - at), lanes_set(-80.0f));
        lanes u = load_some(up + at, n - at), d = load_some(dh + at, n - at);
        lanes s = lanes_div(one, lanes_add(one, lanes_exp(lanes_sub(lanes_set(0), g))));
        lanes slope = lanes_mul(s, lanes_fma(g, lanes_sub(one, s), one));

        store_some(dgate + at, lanes_mul(lanes_mul(d, u), slope), n - at);
        store_some(dup + at, lanes_mul(d, lanes_mul(g, s)), n - at);
    }
}

/* Attention. Scores are kept transposed, [key][query lane], so that maxima and
 * sums over keys need no shuffles. */

/* Rows of heads into [n_row up to 16][d_pad], and transposed into [d][16]. */
LANES void pack_heads(const float *src, size_t ld, int n_row, int d, int d_pad, float scale,
                      float *rows, float *transposed)
{
    memset(rows, 0, (size_t)SQUARE * (size_t)d_pad * 4);
    for (int r = 0; r < n_row; r++)
        for (int c = 0; c < d; c++)
            rows[r * d_pad + c] = src[(size_t)r * ld + (size_t)c] * scale;
    for (int c = 0; c < d; c++) {
        float v[16];

        for (int r = 0; r < SQUARE; r++) v[r] = rows[r * d_pad + c];
        memcpy(transposed + c * SQUARE, v, sizeof v);
    }
}

typedef struct attend_space {
    int d_pad;
    float *key, *key_t, *value_t, *dkey, *dvalue;    /* [tile][16 d_pad] */
    float *prob;                                     /* [seen tile][16][16] */
    int *seen;                                       /* [seen tile] */
    float *query, *query_t, *dout, *dout_t, *dquery; /* [16 d_pad] */
    float *dscore;                                   /* [16][16] */
} attend_space;

/* Keys of seen tile i that exist, and whether it is the queries' own tile. */
LANES int tile_keys(const gradient_run *run, int tile0, int tile)
{
    int left = run->n_row - (tile - tile0) * SQUARE;

    return left < SQUARE ? left : SQUARE;
}

/* Probabilities of 16 queries, from scores in place: e^(s - most) / sum. Lane i
 * of the last tile sees keys up to i. */
LANES void soften(float *prob, const uint8_t *n_key, int n_seen, lanes scale)
{
    lanes most = lanes_set(-3e38f), sum = lanes_set(0), inverse;
    float mask[SQUARE * SQUARE];

    for (int i = 0; i < SQUARE * SQUARE; i++)
        mask[i] = i % SQUARE >= i / SQUARE ? 0 : -3e38f;
    for (int t = 0; t < n_seen; t++)
        for (int i = 0; i < n_key[t]; i++) {
            float *p = prob + (t * SQUARE + i) * SQUARE;
            lanes s = lanes_mul(lanes_load(p), scale);

            if (t == n_seen - 1) s = lanes_add(s, lanes_load(mask + i * SQUARE));
            lanes_store(p, s);
            most = lanes_max(most, s);
        }
    for (int i = 0; i < SQUARE * SQUARE; i++) mask[i] = i % SQUARE >= i / SQUARE;
    for (int t = 0; t < n_seen; t++)
        for (int i = 0; i < SQUARE; i++) {
            float *p = prob + (t * SQUARE + i) * SQUARE;
            lanes e = lanes_set(0);

            if (i < n_key[t]) e = lanes_exp(lanes_sub(lanes_load(p), most));
            if (t == n_seen - 1) e = lanes_mul(e, lanes_load(mask + i * SQUARE));
            sum = lanes_add(sum, e);
            lanes_store(p, e);
        }
    inverse = lanes_div(lanes_set(1), sum);
    for (int i = 0; i < n_seen * SQUARE; i++)
        lanes_store(prob + i * SQUARE, lanes_mul(lanes_load(prob + i * SQUARE), inverse));
}

/* 16 queries of head h from row `first` of a run. */
LANES void attend_queries(const grad_attend *it, const attend_space *s,
                          const gradient_run *run, int first, int h, int n_seen,
                          const uint8_t *n_key)
{
    int d = it->d_head, d_pad = s->d_pad;
    int n = run->n_row - first < SQUARE ? run->n_row - first : SQUARE;
    size_t ld = (size_t)it->n_head * (size_t)d, tile = (size_t)SQUARE * (size_t)d_pad;
    size_t at = (size_t)(run->row + first) * ld + (size_t)h * (size_t)d;
    float scale = 1.0f / sqrtf((float)d), delta[SQUARE] = { 0 };

    pack_heads(it->q + at, ld, n, d, d_pad, 1, s->query, s->query_t);
    pack_heads(it->dout + at, ld, n, d, d_pad, 1, s->dout, s->dout_t);
    for (int r = 0; r < n; r++)
        for (int c = 0; c < d; c++)
            delta[r] += s->dout[r * d_pad + c] * it->out[at + (size_t)r * ld + (size_t)c];
    for (int t = 0; t < n_seen; t++)
        square(s->key_t + (size_t)s->seen[t] * tile, 1, SQUARE, s->query_t, SQUARE, d, false,
               s->prob + t * SQUARE * SQUARE, SQUARE);
    soften(s->prob, n_key, n_seen, lanes_set(scale));
    for (int t = 0; t < n_seen; t++) {
        const float *p = s->prob + t * SQUARE * SQUARE;
        size_t o = (size_t)s->seen[t] * tile;

        square(s->value_t + o, 1, SQUARE, s->dout_t, SQUARE, d, false, s->dscore, SQUARE);
        for (int i = 0; i < SQUARE * SQUARE; i += SQUARE)
            lanes_store(s->dscore + i,
                        lanes_mul(lanes_load(p + i),
                                  lanes_mul(lanes_sub(lanes_load(s->dscore + i),
                                                      lanes_load(delta)), lanes_set(scale))));
        for (int c = 0; c < d; c += SQUARE) {
            square(p, SQUARE, 1, s->dout + c, (size_t)d_pad, SQUARE, true,
                   s->dvalue + o + c, (size_t)d_pad);
            square(s->dscore, SQUARE, 1, s->query + c, (size_t)d_pad, SQUARE, true,
                   s->dkey + o + c, (size_t)d_pad);
            square(s->dscore, 1, SQUARE, s->key + o + c, (size_t)d_pad, SQUARE, t > 0,
                   s->dquery + c, (size_t)d_pad);
        }
    }
    for (int r = 0; r < n; r++)
        memcpy(it->dq + at + (size_t)r * ld, s->dquery + r * d_pad, (size_t)d * 4);
}

LANES_LEVEL void LANES_NAME(grad_attend)(const grad_attend *it)
{
    int d = it->d_head, d_pad = (d + 15) / 16 * 16, group = it->n_head / it->n_head_kv;
    int n_tile = it->tile[it->n_tree];
    size_t tile = (size_t)SQUARE * (size_t)d_pad, ld = (size_t)it->n_head_kv * (size_t)d;
    size_t head = (size_t)it->head_kv * (size_t)d;
    float *w = it->work;
    attend_space s = { .d_pad = d_pad };
    uint8_t *n_key;

#define TAKE(field, floats) s.field = w, w += (floats)
    TAKE(key, (size_t)n_tile * tile);
    TAKE(key_t, (size_t)n_tile * tile);
    TAKE(value_t, (size_t)n_tile * tile);
    TAKE(dkey, (size_t)n_tile * tile);
    TAKE(dvalue, (size_t)n_tile * tile);
    TAKE(query, tile);
    TAKE(query_t, tile);
    TAKE(dout, tile);
    TAKE(dout_t, tile);
    TAKE(dquery, tile);
    TAKE(dscore, SQUARE * SQUARE);
    TAKE(prob, (size_t)it->n_seen * SQUARE * SQUARE);
#undef TAKE
    s.seen = (int *)w;
    n_key = (uint8_t *)(s.seen + it->n_seen);
    memset(s.dkey, 0, 2 * (size_t)n_tile * tile * 4);
    for (int i = 0; i < it->n_tree; i++) {
        const gradient_run *run = &it->runs[it->tree[i]];

        for (int r = 0, t = it->tile[i]; r < run->n_row; r += SQUARE, t++) {
            int n = run->n_row - r < SQUARE ? run->n_row - r : SQUARE;
            size_t at = (size_t)(run->row + r) * ld + head, o = (size_t)t * tile;

            /* Only the transposed values are read: their rows are overwritten
             * by the keys'. */
            pack_heads(it->v + at, ld, n, d, d_pad, 1, s.key + o, s.value_t + o);
            pack_heads(it->k + at, ld, n, d, d_pad, 1, s.key + o, s.key_t + o);
        }
    }
    for (int i = 0; i < it->n_tree; i++) {
        const gradient_run *run = &it->runs[it->tree[i]];
        int n_before = 0;

        for (int p = run->parent; p >= 0; p = it->runs[p].parent) {
            int tile0 = it->tile[it->at[p]];

            for (int t = tile0; t < it->tile[it->at[p] + 1]; t++) {
                n_key[n_before] = (uint8_t)tile_keys(&it->runs[p], tile0, t);
                s.seen[n_before++] = t;
            }
        }
        for (int r = 0; r < run->n_row; r += SQUARE) {
            int t = it->tile[i] + r / SQUARE;

            n_key[n_before] = (uint8_t)tile_keys(run, it->tile[i], t);
            s.seen[n_before++] = t;
            for (int h = it->head_kv * group; h < (it->head_kv + 1) * group; h++)
                attend_queries(it, &s, run, r, h, n_before, n_key);
        }
    }
    for (int i = 0; i < it->n_tree; i++) {
        const gradient_run *run = &it->runs[it->tree[i]];

        for (int r = 0; r < run->n_row; r++) {
            size_t at = (size_t)(run->row + r) * ld + head;
            size_t o = (size_t)it->tile[i] * tile + (size_t)r * (size_t)d_pad;

            memcpy(it->dk + at, s.dkey + o, (size_t)d * 4);
            memcpy(it->dv + at, s.dvalue + o, (size_t)d * 4);
        }
    }
}
