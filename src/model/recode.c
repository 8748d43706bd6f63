/* recode.c - rows decoded, reordered, encoded and handed on. */
#include "model/recode.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

#define PIECE_BYTES ((size_t)4 << 20)
#define PIECE_ROWS 16384         /* tiny rows: bounds the loop's bookkeeping */

/* The largest magnitude that F16 holds; the scales of quantised blocks are
 * F16 too. */
#define F16_MAX 65504.0f
#define BF16_MAX 3.38953139e38f

typedef struct run {
    const recode *r;
    size_t out_bytes;            /* a row */
    int64_t start, n;            /* rows of this piece */
    int per_item;                /* rows an item of the loop */
    uint8_t *out;
    float *scratch;              /* one row a thread; unused when types agree */
    _Atomic int64_t bad;         /* first element at fault, INT64_MAX: none */
} run;

uint64_t recode_bytes(const recode *r)
{
    uint64_t n = dtype_row_bytes(r->type, r->dim[0]);

    for (int i = 1; i < r->n_dim; i++) n *= (uint64_t)r->dim[i];
    return n;
}

dtype recode_fitting(dtype want, int64_t n)
{
    if (n % dtype_block(want) == 0) return want;
    switch (want) {
    case DTYPE_Q4_K: want = DTYPE_Q5_0; break;
    case DTYPE_Q5_K: want = DTYPE_Q5_1; break;
    case DTYPE_Q6_K: want = DTYPE_Q8_0; break;
    default: break;
    }
    return n % dtype_block(want) == 0 ? want : DTYPE_F16;
}

static const uint8_t *source_row(const recode *r, int64_t row, dtype *type)
{
    const weight *t = r->parts[row / r->n_row];
    int64_t half = r->d_head / 2, at = row % r->n_row;

    if (r->order != ROWS_KEEP) {
        int64_t head = at / r->d_head, i = at % r->d_head;

        if (r->order == ROWS_INTERLEAVE) i = i % 2 * half + i / 2;
        else i = i % half * 2 + i / half;
        at = head * r->d_head + i;
    }
    *type = t->type;
    return (const uint8_t *)t->data +
           (size_t)(r->first_row + at) * dtype_row_bytes(t->type, t->dim[0]);
}

/* Index of the first element that the type cannot hold, -1 when it holds all. */
static int64_t first_unfit(const float *x, int64_t n, dtype type)
{
    float limit = type == DTYPE_F32 ? INFINITY : type == DTYPE_BF16 ? BF16_MAX : F16_MAX;

    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i]) || fabsf(x[i]) > limit) return i;
    return -1;
}

static void note_bad(run *u, int64_t at)
{
    int64_t seen = atomic_load(&u->bad);

    while (at < seen && !atomic_compare_exchange_weak(&u->bad, &seen, at)) { }
}

static void recode_rows(void *arg, int i_item, int i_thread)
{
    run *u = arg;
    const recode *r = u->r;
    int64_t n = r->dim[0], first = (int64_t)i_item * u->per_item;
    int64_t end = first + u->per_item < u->n ? first + u->per_item : u->n;
    float *x = u->scratch + (size_t)i_thread * (size_t)n;

    for (int64_t i = first; i < end; i++) {
        dtype from;
        const uint8_t *in = source_row(r, u->start + i, &from);
        uint8_t *out = u->out + (size_t)i * u->out_bytes;
        int64_t bad;

        if (from == r->type) {
            memcpy(out, in, u->out_bytes);
            continue;
        }
        dtype_decode_row(from, in, x, n);
        if ((bad = first_unfit(x, n, r->type)) >= 0) note_bad(u, (u->start + i) * n + bad);
        else dtype_encode_row(r->type, x, out, n);
    }
}

/* Rows as they are in their file: bytes from the map, without a copy. */
static status copy_part(const recode *r, const weight *t, recode_sink *sink, void *arg,
                        errtext *err)
{
    size_t row = dtype_row_bytes(t->type, t->dim[0]);
    const uint8_t *p = (const uint8_t *)t->data + (size_t)r->first_row * row;
    size_t left = (size_t)r->n_row * row;
    status st = OK;

    for (size_t n; left && st == OK; p += n, left -= n) {
        n = left < PIECE_BYTES ? left : PIECE_BYTES;
        st = sink(arg, p, n, err);
    }
    return st;
}

static status run_pieces(run *u, pool *p, recode_sink *sink, void *arg, errtext *err)
{
    const recode *r = u->r;
    int64_t n_row = r->n_row * r->n_part, most = (int64_t)(PIECE_BYTES / u->out_bytes);
    status st = OK;

    if (most > PIECE_ROWS) most = PIECE_ROWS;
    if (most < 1) most = 1;
    if (most > n_row) most = n_row;
    u->out = mem_resize(NULL, (size_t)most, u->out_bytes);
    u->scratch = mem_array((size_t)pool_threads(p), (size_t)r->dim[0] * sizeof *u->scratch);
    u->per_item = (int)(most / (4 * pool_threads(p))) + 1;
    for (; u->start < n_row && st == OK; u->start += u->n) {
        u->n = n_row - u->start < most ? n_row - u->start : most;
        pool_run(p, recode_rows, u, (int)((u->n + u->per_item - 1) / u->per_item));
        if (u->bad != INT64_MAX)
            st = fail(err, E_FORMAT, "tensor %s: element %lld is not finite or too large for %s",
                      r->name, (long long)u->bad, dtype_name(r->type));
        else st = sink(arg, u->out, (size_t)u->n * u->out_bytes, err);
    }
    mem_free(u->out);
    mem_free(u->scratch);
    return st;
}

status recode_run(const recode *r, pool *p, recode_sink *sink, void *arg, errtext *err)
{
    run u = { .r = r, .out_bytes = dtype_row_bytes(r->type, r->dim[0]), .bad = INT64_MAX };
    bool as_is = r->order == ROWS_KEEP;
    status st = OK;

    CHECK(r->n_part > 0 && r->n_row > 0);
    for (int i = 0; i < r->n_part; i++) {
        CHECK(r->parts[i]->dim[0] == r->dim[0]);
        as_is = as_is && r->parts[i]->type == r->type;
    }
    if (!as_is) return run_pieces(&u, p, sink, arg, err);
    for (int i = 0; i < r->n_part && st == OK; i++)
        st = copy_part(r, r->parts[i], sink, arg, err);
    return st;
}

bool recode_lossless(const weight *t, dtype type)
{
    enum { PIECE = 1024 };
    size_t size = (size_t)dtype_block_bytes(t->type);
    int64_t n = (int64_t)(t->n_bytes / size);
    float x[PIECE];

    CHECK(dtype_block(t->type) == 1 && dtype_block(type) == 1);
    for (int64_t at = 0; at < n; at += PIECE) {
        int m = n - at < PIECE ? (int)(n - at) : PIECE;

        dtype_decode_row(t->type, (const uint8_t *)t->data + (size_t)at * size, x, m);
        for (int i = 0; i < m; i++)
            if ((type == DTYPE_BF16 && bf16_to_f32(f32_to_bf16(x[i])) != x[i]) ||
                (type == DTYPE_F16 && f16_to_f32(f32_to_f16(x[i])) != x[i]))
                return false;
    }
    return true;
}
