/*
 * core/kernels/gemm_s8.h - an int8 product as those who work on a piece of it see it; private to
 * core/kernels.
 */
#ifndef OC_KERNELS_GEMM_S8_H
#define OC_KERNELS_GEMM_S8_H

#include "core/kernels/kernels.h"

/* The arguments of oc_gemm_qd8_qc8w_f32. */
typedef struct oc_s8_product {
    int64_t M;
    const int8_t *xq; /* [M, W->Kp] */
    const float *xs;  /* [M] */
    const oc_packed_s8 *W;
    const float *bias; /* [W->N] or NULL */
    oc_epilogue act;
    float *y; /* [M, W->N], rows ldy apart */
    int64_t ldy;
} oc_s8_product;

#endif
