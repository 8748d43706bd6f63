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

/* Scores of n_q queries (at most 8, a constant) against 16 keys. */
LANES void score_page(const float *keys, int d_head, const float *const *q, int n_q,
                      lanes scale, float *out, size_t ld)
{
    lanes acc[8];

    UNROLL
    for (int i = 0; i < n_q; i++) acc[i] = lanes_set(0);
    for (int c = 0; c < d_head; c++) {
        lanes k = lanes_load(keys + c * KV_PAGE);

        UNROLL
        for (int i = 0; i < n_q; i++) acc[i] = lanes_fma(k, lanes_set(q[i][c]), acc[i]);
    }
    UNROLL
    for (int i = 0; i < n_q; i++) lanes_store(out + (size_t)i * ld, lanes_mul(acc[i], scale));
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

/* acc[i] += sum over n keys of w[i][key] * v[key], n_q queries by n_l vectors
 * of channels, both constants with n_q * n_l at most 16. */
LANES void value_page(const float *values, int ld_v, int n_key, const float *w, size_t ld_w,
                      int n_q, int n_l, float *acc, int ld_acc)
{
    lanes a[16];

    UNROLL
    for (int i = 0; i < n_q * n_l; i++)
        a[i] = lanes_load(acc + (i / n_l) * ld_acc + i % n_l * 16);
    for (int j = 0; j < n_key; j++) {
        lanes v[4];

        UNROLL
        for (int l = 0; l < n_l; l++) v[l] = lanes_load(values + j * ld_v + l * 16);
        UNROLL
        for (int i = 0; i < n_q * n_l; i++)
            a[i] = lanes_fma(lanes_set(w[(size_t)(i / n_l) * ld_w + (size_t)j]), v[i % n_l],
                             a[i]);
    }
    UNROLL
    for (int i = 0; i < n_q * n_l; i++)
        lanes_store(acc + (i / n_l) * ld_acc + i % n_l * 16, a[i]);
}

LANES void values_by_channels(const float *values, int d_pad, int n_key, const float *w,
                              size_t ld_w, int n_q, float *acc)
{
    for (int c = 0; c < d_pad;) {
        int left = (d_pad - c) / 16;

        if (left >= 4) {
            value_page(values + c, d_pad, n_key, w, ld_w, n_q, 4, acc + c, d_pad);
            c += 64;
        } else if (left >= 2) {
            value_page(values + c, d_pad, n_key, w, ld_w, n_q, 2, acc + c, d_pad);
            c += 32;
        } else {
            value_page(values + c, d_pad, n_key, w, ld_w, n_q, 1, acc + c, d_pad);
            c += 16;
        }
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
    for (int p = 0; p < n_page; p++) {
        page_floats(kv_keys(it->kv, it->layer, it->pages[p], it->head_kv), it->kv->type,
                    d * KV_PAGE, page);
        for (int i = 0; i < n_q;) {
            float *out = scores + (size_t)i * ld + (size_t)p * KV_PAGE;
            int left = n_q - i;

            if (left >= 8) score_page(page, d, q + i, 8, scale, out, ld), i += 8;
            else if (left >= 4) score_page(page, d, q + i, 4, scale, out, ld), i += 4;
            else if (left == 3) score_page(page, d, q + i, 3, scale, out, ld), i += 3;
            else if (left == 2) score_page(page, d, q + i, 2, scale, out, ld), i += 2;
            else score_page(page, d, q + i, 1, scale, out, ld), i += 1;
        }
    }
    for (int i = 0; i < n_q; i++)
        it->inverse[i] = softmax_weights(scores + (size_t)i * ld, it->pos + i / group + 1,
                                         (int)ld);
    memset(acc, 0, (size_t)(n_q * d_pad) * sizeof *acc);
    for (int p = 0; p < n_page; p++) {
        int n_key = it->pos + it->n_row - p * KV_PAGE;

        if (n_key > KV_PAGE) n_key = KV_PAGE;
        page_floats(kv_values(it->kv, it->layer, it->pages[p], it->head_kv), it->kv->type,
                    n_key * d_pad, page);
        for (int i = 0; i < n_q;) {
            const float *w = scores + (size_t)i * ld + (size_t)p * KV_PAGE;
            float *a = acc + i * d_pad;
            int left = n_q - i;

            if (left >= 4) values_by_channels(page, d_pad, n_key, w, ld, 4, a), i += 4;
            else if (left == 3) values_by_channels(page, d_pad, n_key, w, ld, 3, a), i += 3;
            else if (left == 2) values_by_channels(page, d_pad, n_key, w, ld, 2, a), i += 2;
            else values_by_channels(page, d_pad, n_key, w, ld, 1, a), i += 1;
        }
    }
    for (int i = 0; i < n_q; i++) {
        float *out = it->out + (size_t)(i / group) * it->ld +
                     (it->head_kv * group + i % group) * d;

        for (int c = 0; c < d; c++) out[c] = acc[i * d_pad + c] * it->inverse[i];
    }
}

#undef LANES
#undef LANES_LEVEL
#undef LANES_NAME
