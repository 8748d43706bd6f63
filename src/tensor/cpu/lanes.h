/* lanes.h - what a row operation is written in: sixteen f32 lanes.
 *
 * rows_body.h is compiled once for each level, after one of lanes_scalar.h,
 * lanes_avx2.h and lanes_avx512.h. All three offer the same operations with
 * the same rounding, and the reductions below have one order, so that every
 * level gives the same bits.
 *
 *   lanes_fma(a, b, c)     a * b + c, rounded once
 *   lanes_max(a, b)        a > b ? a : b
 *   lanes_scale2(a, n)     a * 2^n by the exponent field; n integral, the
 *                          result a normal number
 */

/* Sum of the lanes: halves are folded, 8, 4, 2, 1. */
LANES float lanes_sum(lanes a)
{
    float v[16];

    lanes_store(v, a);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) v[i] = v[i] + v[i + half];
    return v[0];
}

LANES float lanes_most(lanes a)
{
    float v[16];

    lanes_store(v, a);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) v[i] = v[i] > v[i + half] ? v[i] : v[i + half];
    return v[0];
}

/* e^x for x at most 88; below -87 the result is e^-87, about 1e-38. Cody-Waite
 * reduction and a polynomial of degree 6: within 2 units in the last place. */
LANES lanes lanes_exp(lanes x)
{
    lanes n, r, p;

    x = lanes_max(x, lanes_set(-87.0f));
    n = lanes_round(lanes_mul(x, lanes_set(1.44269504f)));
    r = lanes_fma(n, lanes_set(-0.693359375f), x);
    r = lanes_fma(n, lanes_set(2.12194440e-4f), r);
    p = lanes_set(1.0f / 720);
    p = lanes_fma(p, r, lanes_set(1.0f / 120));
    p = lanes_fma(p, r, lanes_set(1.0f / 24));
    p = lanes_fma(p, r, lanes_set(1.0f / 6));
    p = lanes_fma(p, r, lanes_set(0.5f));
    p = lanes_fma(p, r, lanes_set(1.0f));
    p = lanes_fma(p, r, lanes_set(1.0f));
    return lanes_scale2(p, n);
}
