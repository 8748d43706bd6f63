/* adapter.c - pairs of low-rank matrices on a model's layers. */
#include "model/adapter.h"

#include <string.h>

#include "base/mem.h"
#include "model/layers.h"

lora *lora_new(int rank, float alpha, int n_out, int n_in, bool bf16)
{
    lora *l = mem_new(sizeof *l);
    int padded = bf16 ? (rank + 31) / 32 * 32 : rank;

    CHECK(rank > 0 && (!bf16 || n_in % 32 == 0));
    l->rank = rank;
    l->scale = alpha / (float)rank;
    l->a = matrix_new(bf16 ? DTYPE_BF16 : DTYPE_F32, rank, n_in);
    l->b = matrix_new(bf16 ? DTYPE_BF16 : DTYPE_F32, n_out, padded);
    return l;
}

void lora_free(lora *l)
{
    if (!l) return;
    matrix_free(l->a);
    matrix_free(l->b);
    mem_free(l);
}

/* Rows of n values into a matrix whose rows may be longer: zeros add nothing
 * to a sum of products. */
static void set_rows(matrix *m, int row, int n_row, const float *values, int n)
{
    int n_in = matrix_n_in(m);
    float *wide = mem_array((size_t)n_in, sizeof *wide);
    void *coded = mem_new(dtype_row_bytes(matrix_type(m), n_in));

    for (int r = 0; r < n_row; r++) {
        memcpy(wide, values + (size_t)r * (size_t)n, (size_t)n * sizeof *wide);
        dtype_encode_row(matrix_type(m), wide, coded, n_in);
        matrix_set_rows(m, row + r, 1, coded);
    }
    mem_free(wide);
    mem_free(coded);
}

void lora_set_a(lora *l, int row, int n_row, const float *values)
{
    set_rows(l->a, row, n_row, values, matrix_n_in(l->a));
}

void lora_set_b(lora *l, int row, int n_row, const float *values)
{
    set_rows(l->b, row, n_row, values, l->rank);
}

void model_clear_lora(model *m)
{
    const config *c = &m->config;

    for (int i = 0; i < c->n_layer; i++) {
        layer *y = &m->layers[i];

        for (int s = 0; s < N_LINEAR; s++) {
            lora_free(y->lora[s]);
            y->lora[s] = NULL;
        }
        for (int e = 0; y->experts && e < c->n_expert; e++)
            for (int s = 0; s < N_EXPERT_SLOT; s++) {
                lora_free(y->experts[e].lora[s]);
                y->experts[e].lora[s] = NULL;
            }
    }
    m->lora_rank = 0;
}

int adapter_rank(const model *m) { return m->lora_rank; }
