/* muon.c - Newton-Schulz steps on whichever side of the matrix is shorter.
 *
 * With n_out above n_in the same polynomial acts from the right: X A' with
 * A' = X^T X. Either way the square products have the shorter side. */
#include "train/muon.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "tensor/gradient.h"

#define N_STEP 5
#define CHUNK 16384          /* elements an item of work */

static const float quintic[3] = { 3.4445f, -4.7750f, 2.0315f };

struct muon {
    gradient *products;
    int64_t max_elements;
    int max_side;
    float *next;             /* [max_elements] the next X */
    float *turned;           /* [max_elements] X transposed */
    float *gram;             /* [max_side, max_side] A */
    float *poly;             /* [max_side, max_side] b A + c A A */
};

muon *muon_new(int64_t max_elements, int max_side, bool bf16)
{
    muon *m = mem_new(sizeof *m);
    size_t side = (size_t)max_side;

    *m = (muon){
        .products = gradient_new(bf16),
        .max_elements = max_elements,
        .max_side = max_side,
        .next = mem_aligned((size_t)max_elements * sizeof(float)),
        .turned = mem_aligned((size_t)max_elements * sizeof(float)),
        .gram = mem_aligned(side * side * sizeof(float)),
        .poly = mem_aligned(side * side * sizeof(float)),
    };
    return m;
}

void muon_free(muon *m)
{
    if (!m) return;
    gradient_free(m->products);
    mem_free(m->next);
    mem_free(m->turned);
    mem_free(m->gram);
    mem_free(m->poly);
    mem_free(m);
}

/* y = a x + b y over n elements, in chunks. */
struct blend {
    const float *x;
    float *y;
    float a, b;
    int64_t n;
};

static void blend_chunk(void *arg, int i_item, int i_thread)
{
    const struct blend *t = arg;
    int64_t from = (int64_t)i_item * CHUNK;
    int64_t to = from + CHUNK < t->n ? from + CHUNK : t->n;

    (void)i_thread;
    for (int64_t i = from; i < to; i++)
        t->y[i] = t->b == 0 ? t->a * t->x[i] : t->a * t->x[i] + t->b * t->y[i];
}

static void blend(pool *threads, const float *x, float a, float *y, float b, int64_t n)
{
    struct blend t = { x, y, a, b, n };

    pool_run(threads, blend_chunk, &t, (int)((n + CHUNK - 1) / CHUNK));
}

struct turn {
    const float *x;
    float *out;
    int n_row, n_col;
};

/* Sixteen columns of x become sixteen rows of out. */
static void turn_chunk(void *arg, int i_item, int i_thread)
{
    const struct turn *t = arg;
    int from = i_item * 16, to = from + 16 < t->n_col ? from + 16 : t->n_col;

    (void)i_thread;
    for (int row = 0; row < t->n_row; row++)
        for (int col = from; col < to; col++)
            t->out[(size_t)col * (size_t)t->n_row + (size_t)row] =
                t->x[(size_t)row * (size_t)t->n_col + (size_t)col];
}

static void turn(pool *threads, const float *x, int n_row, int n_col, float *out)
{
    struct turn t = { x, out, n_row, n_col };

    pool_run(threads, turn_chunk, &t, (n_col + 15) / 16);
}

void muon_orthogonalise(muon *m, pool *threads, float *x, int n_out, int n_in,
                        double norm)
{
    int64_t n = (int64_t)n_out * n_in;
    bool wide = n_out <= n_in;
    int side = wide ? n_out : n_in, longer = wide ? n_in : n_out;
    int64_t square = (int64_t)side * side;
    float *now = x, *next = m->next;

    CHECK(n <= m->max_elements && side <= m->max_side);
    if (norm == 0) return;
    blend(threads, x, (float)(1 / norm), x, 0, n);
    for (int step = 0; step < N_STEP; step++) {
        const float *tall = now;
        float *old = now;

        if (wide) {
            turn(threads, now, n_out, n_in, m->turned);
            tall = m->turned;
        }
        memset(m->gram, 0, (size_t)square * sizeof(float));
        gradient_weight(m->products, threads, tall, tall, longer, side, side, m->gram);
        gradient_input(m->products, threads, m->gram, m->gram, side, side, side, false,
                       m->poly);
        blend(threads, m->gram, quintic[1], m->poly, quintic[2], square);
        blend(threads, now, quintic[0], next, 0, n);
        if (wide)
            gradient_input(m->products, threads, m->poly, now, side, side, n_in, true,
                           next);
        else
            gradient_input(m->products, threads, now, m->poly, n_out, side, side, true,
                           next);
        now = next;
        next = old;
    }
    if (now != x) memcpy(x, now, (size_t)n * sizeof(float));
}
