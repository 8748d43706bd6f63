/* logits_width.h - the loops of logits.c over vectors of WIDTH floats.
 *
 * Included once per width, with WIDTH (4, 8 or 16), TARGET (an attribute) and
 * NAME(x) (x with a suffix) defined. The 16 lanes of a block are walked in
 * 16 / WIDTH columns; a lane sees the same operations at every width. The
 * vectors are GCC's and clang's generic ones, of a width the target has in
 * hardware, since wider ones fall apart into scalars. */

typedef float NAME(lanes) __attribute__((vector_size(4 * WIDTH)));
typedef int32_t NAME(lanes_int) __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t NAME(lanes_bits) __attribute__((vector_size(4 * WIDTH)));

/* v - v has all bits clear, but for NaN and infinities, where it is a NaN. */
INLINE void NAME(scan_vector)(const float *x, NAME(lanes) *max, NAME(lanes_bits) *bad)
{
    NAME(lanes) v;
    NAME(lanes_int) more;

    memcpy(&v, x, sizeof v);
    more = v > *max;
    *max = (NAME(lanes))(((NAME(lanes_int))v & more) | ((NAME(lanes_int))*max & ~more));
    *bad |= (NAME(lanes_bits))(v - v);
}

/* Maxima and non-finite bits are exact in any order, so two chains run side by
 * side. */
TARGET static bool NAME(scan)(const float *x, int n_block, float *group_max)
{
    NAME(lanes_bits) bad = { 0 };

    for (int b = 0; b < n_block; b++, x += LOGITS_BLOCK, group_max += LOGITS_LANES)
        for (int column = 0; column < LOGITS_LANES; column += WIDTH) {
            NAME(lanes) even = (NAME(lanes)){ 0 } - INFINITY, odd = even;
            NAME(lanes_int) more;

            for (int j = column; j < LOGITS_BLOCK; j += 2 * LOGITS_LANES) {
                NAME(scan_vector)(x + j, &even, &bad);
                NAME(scan_vector)(x + j + LOGITS_LANES, &odd, &bad);
            }
            more = odd > even;
            even = (NAME(lanes))(((NAME(lanes_int))odd & more) |
                                 ((NAME(lanes_int))even & ~more));
            memcpy(group_max + column, &even, sizeof even);
        }
    for (int l = 0; l < WIDTH; l++)
        if (bad[l]) return false;
    return true;
}

/* The operations of logits_exp, in its order. */
TARGET INLINE NAME(lanes) NAME(exp_vector)(NAME(lanes) v)
{
    NAME(lanes) t, n, r, p;
    NAME(lanes_bits) bits;

    t = v * LOG2_E + ROUNDER;
    n = t - ROUNDER;
    r = v - n * LN2_HIGH;
    r = r - n * LN2_LOW;
    p = EXP_POLYNOMIAL(r);
    bits = (NAME(lanes_bits))p + (((NAME(lanes_bits))t - ROUNDER_BITS) << 23);
    bits &= (NAME(lanes_bits))(v >= EXP_LOWEST);
    return (NAME(lanes))bits;
}

/* A block's sum: down each lane in f32, then lane 0 to 15 in f64. A lane adds
 * 64 values, so the f32 rounding stays near 1e-6 of the sum. */
TARGET static double NAME(exp_sum)(const float *x, int n_block, float max, float scale,
                                   double *block_sum)
{
    double row_sum = 0;

    for (int b = 0; b < n_block; b++, x += LOGITS_BLOCK) {
        double total = 0;

        for (int column = 0; column < LOGITS_LANES; column += WIDTH) {
            NAME(lanes) sum = { 0 };

            for (int j = column; j < LOGITS_BLOCK; j += LOGITS_LANES) {
                NAME(lanes) v;

                memcpy(&v, x + j, sizeof v);
                sum += NAME(exp_vector)((v - max) * scale);
            }
            for (int l = 0; l < WIDTH; l++) total += (double)sum[l];
        }
        if (block_sum) block_sum[b] = total;
        row_sum += total;
    }
    return row_sum;
}

/* n_vector runs of 16: x = factor * exp((x - max) * scale). */
TARGET static void NAME(weigh)(float *x, int n_vector, float max, float scale, float factor)
{
    for (int j = 0; j < n_vector * LOGITS_LANES; j += WIDTH) {
        NAME(lanes) v;

        memcpy(&v, x + j, sizeof v);
        v = NAME(exp_vector)((v - max) * scale) * factor;
        memcpy(x + j, &v, sizeof v);
    }
}

/* Sum of v * exp(v), v = (x - max) * scale, over at most a block. Terms too
 * small for exp count as 0, also that of -inf. */
TARGET static double NAME(mean_sum)(const float *x, int n_vector, float max, float scale)
{
    double total = 0;

    for (int column = 0; column < LOGITS_LANES; column += WIDTH) {
        NAME(lanes) sum = { 0 };

        for (int j = column; j < n_vector * LOGITS_LANES; j += LOGITS_LANES) {
            NAME(lanes) v;

            memcpy(&v, x + j, sizeof v);
            v = (v - max) * scale;
            v = (NAME(lanes))((NAME(lanes_bits))v & (NAME(lanes_bits))(v >= EXP_LOWEST));
            sum += v * NAME(exp_vector)(v);
        }
        for (int l = 0; l < WIDTH; l++) total += (double)sum[l];
    }
    return total;
}

#undef WIDTH
#undef TARGET
#undef NAME
