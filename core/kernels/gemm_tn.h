/*
 * core/kernels/gemm_tn.h - the gradient of a linear layer's weights, summed over many rows.
 *
 * Here k, the rows of a batch, is long and the result small: the other way round than in gemm.c.
 * So blocks of k are outermost; both sides of a block are packed into the worker's scratch, meet
 * there, and a piece of the result waits in L2. Nothing is packed whole, and no packed matrix is
 * read from beyond L2 again.
 */
#ifndef OC_KERNELS_GEMM_TN_H
#define OC_KERNELS_GEMM_TN_H

#include <stdint.h>

/* Scratch floats of one worker, for any shape. */
int64_t oc_gemm_tn_floats(void);

/*
 * C += A^T B,  sums += rows of A:  each output one chain over the rows in order, as in kernels.h; but
 * C of 128 rows or more on an ISA with a matrix unit as in gemm_x6.h, blocks of 256 rows in turn.
 *   n        rows
 *   A        f32 [n,M] rows lda apart      B  f32 [n,N] rows ldb apart
 *   C        inout f32 [M,N] rows N apart  sums  inout f32 [M]
 *   scratch  [workers][oc_gemm_tn_floats()]
 * Parallel over pieces of C. Threads: the engine thread.
 */
void oc_gemm_tn_f32(int64_t n, int64_t M, int64_t N, const float *A, int64_t lda, const float *B,
                    int64_t ldb, float *C, float *sums, float *scratch);

#endif
