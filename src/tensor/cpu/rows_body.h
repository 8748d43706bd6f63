/* rows_body.h - row operations and attention in lanes; compiled once a level. */

#include "tensor/cpu/lanes.h"

/* The last, partial vector of a row: padded with zeros. */
LANES lanes load_tail(const float *p, int n)
{
    float v[16] = { 0 };

    for (int i = 0; i < n; i++) v[i] = p[i];
    return lanes_load(v);
}

LANES void store_tail(float *p, lanes a, int n)
{
    float v[16];

    lanes_store(v, a);
    for (int i = 0; i < n; i++) p[i] = v[i];
}

LANES_LEVEL void LANES_NAME(norm_rms)(const float *x, const float *weight, float eps,
                                      int n, float *out)
{
    lanes sum = lanes_set(0), scale;
    int at;

    for (at = 0; at + 16 <= n; at += 16) {
        lanes v = lanes_load(x + at);

        sum = lanes_fma(v, v, sum);
    }
    if (at < n) {
        lanes v = load_tail(x + at, n - at);

        sum = lanes_fma(v, v, sum);
    }
    scale = lanes_set(1.0f / sqrtf(lanes_sum(sum) / (float)n + eps));
    for (at = 0; at + 16 <= n; at += 16)
        lanes_store(out + at, lanes_mul(lanes_mul(lanes_load(x + at), scale),
                                        lanes_load(weight + at)));
    if (at < n)
        store_tail(out + at, lanes_mul(lanes_mul(load_tail(x + at, n - at), scale),
                                       load_tail(weight + at, n - at)), n - at);
}

LANES_LEVEL void LANES_NAME(rope_apply)(float *x, const float *cosine, const float *sine,
                                        int n_head, int d_head)
{
    int half = d_head / 2;

    for (int h = 0; h < n_head; h++, x += d_head)
        for (int at = 0; at < half; at += 16) {
            int n = half - at;
            int whole = n >= 16;
            lanes c = whole ? lanes_load(cosine + at) : load_tail(cosine + at, n);
            lanes s = whole ? lanes_load(sine + at) : load_tail(sine + at, n);
            lanes a = whole ? lanes_load(x + at) : load_tail(x + at, n);
            lanes b = whole ? lanes_load(x + half + at) : load_tail(x + half + at, n);
            lanes low = lanes_sub(lanes_mul(a, c), lanes_mul(b, s));
            lanes high = lanes_add(lanes_mul(b, c), lanes_mul(a, s));

            if (whole) {
                lanes_store(x + at, low);
                lanes_store(x + half + at, high);
            } else {
                store_tail(x + at, low, n);
                store_tail(x + half + at, high, n);
            }
        }
}

LANES lanes swiglu_lanes(lanes g, lanes u)
{
    lanes e = lanes_exp(lanes_sub(lanes_set(0), lanes_max(g, lanes_set(-80.0f))));

    return lanes_mul(lanes_div(g, lanes_add(lanes_set(1), e)), u);
}

LANES_LEVEL void LANES_NAME(swiglu)(float *gate, const float *up, int n)
{
    int at;

    for (at = 0; at + 16 <= n; at += 16)
        lanes_store(gate + at, swiglu_lanes(lanes_load(gate + at), lanes_load(up + at)));
    if (at < n)
        store_tail(gate + at, swiglu_lanes(load_tail(gate + at, n - at),
                                           load_tail(up + at, n - at)), n - at);
}

LANES_LEVEL void LANES_NAME(row_add_scaled)(float *x, const float *y, float a, int n)
{
    lanes s = lanes_set(a);
    int at;

    for (at = 0; at + 16 <= n; at += 16)
        lanes_store(x + at, lanes_fma(lanes_load(y + at), s, lanes_load(x + at)));
    if (at < n)
        store_tail(x + at, lanes_fma(load_tail(y + at, n - at), s,
                                     load_tail(x + at, n - at)), n - at);
}

/* Attention. */

/* One page's keys or values as f32: n floats. */
LANES void page_floats(const void *page, kv_type type, int n, float *out)
{
    for (int i = 0; i < n; i += 16)
        lanes_store(out + i, type == KV_F16 ? lanes_load_half((const uint16_t *)page + i)
                                            : lanes_load((const float *)page + i));
}

/* Element vector i of keys or values, stored as f16 or f32. */
LANES lanes kv_load(const void *p, int half, int i)
{
    return half ? lanes_load_half((const uint16_t *)p + i) : lanes_load((const float *)p + i);
}

/* Scores of n_q queries against the keys of n_p pages, out[i][0 .. 16 n_p).
 * half, n_q and n_p are constants with n_q * n_p at most 8: each score is one
 * chain of multiply-adds, and several must be under way to hide their delay. */
LANES void score_pages(const void *const *keys, int half, int n_p, int d_head,
                       const float *const *q, int n_q, lanes scale, float *out, size_t ld)
{
    lanes acc[16];

    UNROLL
    for (int i = 0; i < n_q * n_p; i++) acc[i] = lanes_set(0);
    for (int c = 0; c < d_head; c++) {
        UNROLL
        for (int p = 0; p < n_p; p++) {
            lanes k = kv_load(keys[p], half, c * KV_PAGE);

            UNROLL
            for (int i = 0; i < n_q; i++)
                acc[p * n_q + i] = lanes_fma(k, lanes_set(q[i][c]), acc[p * n_q + i]);
        }
    }
    UNROLL
    for (int p = 0; p < n_p; p++) {
        UNROLL
        for (int i = 0; i < n_q; i++)
            lanes_store(out + (size_t)i * ld + p * KV_PAGE,
                        lanes_mul(acc[p * n_q + i], scale));
    }
}

/* Scores to weights e^(s - max), and 1 / sum; the rest of [n, n_pad) is 0. */
LANES float softmax_weights(float *s, int n, int n_pad)
{
    lanes most, sum = lanes_set(0), top;
    int whole = (n + 15) / 16 * 16;

    for (int i = n; i < whole; i++) s[i] = -INFINITY;
    most = lanes_load(s);
    for (int i = 16; i < whole; i += 16) most = lanes_max(lanes_load(s + i), most);
    top = lanes_set(lanes_most(most));
    for (int i = 0; i < whole; i += 16) {
        lanes e = lanes_exp(lanes_sub(lanes_load(s + i), top));

        if (i + 16 > n) {
            float v[16];

            lanes_store(v, e);
            for (int j = n - i; j < 16; j++) v[j] = 0;
            e = lanes_load(v);
        }
        lanes_store(s + i, e);
        sum = lanes_add(sum, e);
    }
    for (int i = whole; i < n_pad; i += 16) lanes_store(s + i, lanes_set(0));
    return 1.0f / lanes_sum(sum);
}

/* acc[i] += sum over n_key keys of w[i][key] * values[key], n_q queries by n_l
 * vectors of channels, constants with n_q * n_l at most 16. */
LANES void value_page(const void *values, int half, int at, int d_pad, int n_key,
                      const float *w, size_t ld_w, int n_q, int n_l, float *acc)
{
    lanes a[16];

    UNROLL
    for (int i = 0; i < n_q * n_l; i++)
        a[i] = lanes_load(acc + (i / n_l) * d_pad + at + i % n_l * 16);
    for (int j = 0; j < n_key; j++) {
        lanes v[4];

        UNROLL
        for (int l = 0; l < n_l; l++) v[l] = kv_load(values, half, j * d_pad + at + l * 16);
        UNROLL
        for (int i = 0; i < n_q * n_l; i++)
            a[i] = lanes_fma(lanes_set(w[(size_t)(i / n_l) * ld_w + (size_t)j]), v[i % n_l],
                             a[i]);
    }
    UNROLL
    for (int i = 0; i < n_q * n_l; i++)
        lanes_store(acc + (i / n_l) * d_pad + at + i % n_l * 16, a[i]);
}

LANES void value_channels(const void *values, int half, int d_pad, int n_key, const float *w,
                          size_t ld_w, int n_q, float *acc)
{
    for (int c = 0; c < d_pad;) {
        int left = (d_pad - c) / 16;

        if (left >= 4) value_page(values, half, c, d_pad, n_key, w, ld_w, n_q, 4, acc), c += 64;
        else if (left >= 2) value_page(values, half, c, d_pad, n_key, w, ld_w, n_q, 2, acc), c += 32;
        else value_page(values, half, c, d_pad, n_key, w, ld_w, n_q, 1, acc), c += 16;
    }
}

/* Scores of at most 4 queries (a constant) against all pages, read in place. */
LANES void score_few(const attend_item *it, int half, const float *const *q, int n_q,
                     int n_page, lanes scale, float *out, size_t ld)
{
    const void *keys[2];
    int p = 0;

    for (; p + 2 <= n_page; p += 2) {
        keys[0] = kv_keys(it->kv, it->layer, it->pages[p], it->head_kv);
        keys[1] = kv_keys(it->kv, it->layer, it->pages[p + 1], it->head_kv);
        score_pages(keys, half, 2, it->kv->d_head, q, n_q, scale, out + p * KV_PAGE, ld);
    }
    if (p < n_page) {
        keys[0] = kv_keys(it->kv, it->layer, it->pages[p], it->head_kv);
        score_pages(keys, half, 1, it->kv->d_head, q, n_q, scale, out + p * KV_PAGE, ld);
    }
}

/* CALL(count) for the queries from i on, 4 or fewer at a time, as constants. */
#define BY_QUERIES(i, n, CALL)                                                 \
    for (int i = 0; i < (n);) {                                                \
        if ((n) - i >= 4) { CALL(4); i += 4; }                                 \
        else if ((n) - i == 3) { CALL(3); i += 3; }                            \
        else if ((n) - i == 2) { CALL(2); i += 2; }                            \
        else { CALL(1); i += 1; }                                              \
    }

/* Whole scores of n_q queries, one page after another turned to f32 first. */
LANES void score_many(const attend_item *it, const float *const *q, int n_q, int n_page,
                      lanes scale, float *page, float *out, size_t ld)
{
    int d = it->kv->d_head, i;

    for (int p = 0; p < n_page; p++) {
        const void *keys = page;

        page_floats(kv_keys(it->kv, it->layer, it->pages[p], it->head_kv), it->kv->type,
                    d * KV_PAGE, page);
        for (i = 0; i + 8 <= n_q; i += 8)
            score_pages(&keys, 0, 1, d, q + i, 8, scale,
                        out + (size_t)i * ld + (size_t)p * KV_PAGE, ld);
        for (; i < n_q; i++)
            score_pages(&keys, 0, 1, d, q + i, 1, scale,
                        out + (size_t)i * ld + (size_t)p * KV_PAGE, ld);
    }
}

LANES_LEVEL void LANES_NAME(attend)(const attend_item *it)
{
    int group = it->n_head / it->kv->n_head_kv, d = it->kv->d_head, d_pad = it->kv->d_pad;
    int n_q = it->n_row * group;
    int n_page = (it->pos + it->n_row - 1) / KV_PAGE + 1;
    size_t ld = (size_t)n_page * KV_PAGE;
    float *scores = it->work, *acc = scores + (size_t)n_q * ld, *page = acc + n_q * d_pad;
    lanes scale = lanes_set(1.0f / sqrtf((float)d));
    const float *q[ATTEND_ROWS * 64];

    for (int i = 0; i < n_q; i++)
        q[i] = it->q + (size_t)(i / group) * it->ld + (it->head_kv * group + i % group) * d;
    if (n_q > FEW_QUERIES) {
        score_many(it, q, n_q, n_page, scale, page, scores, ld);
    } else {
#define SCORE(N) score_few(it, half, q + i, N, n_page, scale, scores + (size_t)i * ld, ld)
        if (it->kv->type == KV_F16) {
            enum { half = 1 };
            BY_QUERIES(i, n_q, SCORE)
        } else {
            enum { half = 0 };
            BY_QUERIES(i, n_q, SCORE)
        }
#undef SCORE
    }
    for (int i = 0; i < n_q; i++)
        it->inverse[i] = softmax_weights(scores + (size_t)i * ld, it->pos + i / group + 1,
                                         (int)ld);
    memset(acc, 0, (size_t)(n_q * d_pad) * sizeof *acc);
    for (int p = 0; p < n_page; p++) {
        int n_key = it->pos + it->n_row - p * KV_PAGE;

        const void *values = kv_values(it->kv, it->layer, it->pages[p], it->head_kv);
        int in_place = n_q <= FEW_QUERIES && it->kv->type == KV_F16;

        if (n_key > KV_PAGE) n_key = KV_PAGE;
        if (!in_place) page_floats(values, it->kv->type, n_key * d_pad, page);
#define VALUES(N)                                                              \
    value_channels(source, half, d_pad, n_key, scores + (size_t)i * ld + (size_t)p * KV_PAGE, \
                   ld, N, acc + i * d_pad)
        if (in_place) {
            enum { half = 1 };
            const void *source = values;
            BY_QUERIES(i, n_q, VALUES)
        } else {
            enum { half = 0 };
            const void *source = page;
            BY_QUERIES(i, n_q, VALUES)
        }
#undef VALUES
    }
    for (int i = 0; i < n_q; i++) {
        float *out = it->out + (size_t)(i / group) * it->ld +
                     (it->head_kv * group + i % group) * d;

        for (int c = 0; c < d; c++) out[c] = acc[i * d_pad + c] * it->inverse[i];
    }
}

#undef BY_QUERIES
#undef LANES
#undef LANES_LEVEL
#undef LANES_NAME
