/* matrix.h - weight matrices packed for the processor, and their products.
 *
 * Invariant 1 lives here: an element of a product is computed by the same
 * operations in the same order whatever the number of rows, their neighbours,
 * the number of threads and the kernel chosen at run time. Per type:
 *
 *   F32, F16      f32 fused multiply-adds, input index ascending
 *   BF16          inputs rounded to bf16; for each 32 inputs two chains of f32
 *                 fused multiply-adds (even, odd index), their sum added to the
 *                 result: what TDPBF16PS does (Intel SDM vol. 2), denormals
 *                 taken as and flushed to zero
 *   quantised     inputs rounded to 8 bits in blocks of 32 with an f32 scale
 *                 each; integer dot products, exact in any order; f32 fused
 *                 multiply-adds over blocks (or half blocks), ascending
 *
 * cpu/mul_scalar.c is the reference; the others must equal it bit for bit
 * (tests/tensor/test_matrix.c). */
#ifndef TENSOR_MATRIX_H
#define TENSOR_MATRIX_H

#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "tensor/dtype.h"

typedef struct matrix matrix;

/* A matrix of n_out rows of n_in elements, to be filled with matrix_set_rows.
 * n_in is a multiple of dtype_block(type). The caller owns it. */
matrix *matrix_new(dtype type, int n_out, int n_in);
void matrix_free(matrix *m);                    /* accepts NULL */

/* Store n_row rows in the file's layout of the matrix's type, starting at row.
 * Calls for rows of different groups of 16 may run at the same time. */
void matrix_set_rows(matrix *m, int row, int n_row, const void *src);

/* Row i decoded to f32, exactly as dtype_decode_row would from the file. */
void matrix_row(const matrix *m, int i, float *out);

dtype matrix_type(const matrix *m);
int matrix_n_out(const matrix *m);
int matrix_n_in(const matrix *m);
size_t matrix_bytes(const matrix *m);           /* packed size in memory */

/* Input rows in the form a type of matrix multiplies with. */
typedef enum input_kind { INPUT_F32, INPUT_BF16, INPUT_Q8 } input_kind;

input_kind matrix_input_kind(dtype type);

typedef struct matrix_input matrix_input;

matrix_input *matrix_input_new(input_kind kind, int max_row, int max_in);
void matrix_input_free(matrix_input *in);

/* Begin n_row rows of n_in elements (within the bounds of _new), then store
 * them; n_in is a multiple of 32 unless the kind is INPUT_F32. Calls that
 * store different rows may run at the same time. */
void matrix_input_begin(matrix_input *in, int n_row, int n_in);
void matrix_input_set(matrix_input *in, int row, const float *x);

/* out[r * ld_out + i] = sum over k of m[i][k] * in[r][k], f32.
 * The products of one call share the threads; they must not overlap in out. */
typedef struct product {
    const matrix *m;
    const matrix_input *in;
    float *out;
    int ld_out;                                  /* elements between rows */
} product;

void matrix_multiply(pool *threads, const product *products, int n);

#endif
