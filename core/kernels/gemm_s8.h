/*
 * core/kernels/gemm_s8.h - an int8 product as those who work on a piece of it see it; private to
 * core/kernels.
 */
#ifndef OC_KERNELS_GEMM_S8_H
#define OC_KERNELS_GEMM_S8_H

#include "core/kernels/kernels.h"

/*
 * A panel leaves out what is zero in all its columns, in blocks of qkr of k (K rounded up to a
 * multiple): the others stand first, in order, and behind the room for all of them stands which they
 * are.
 */
typedef struct oc_s8_kept {
    int32_t n, all; /* blocks kept, and blocks there are */
    uint16_t at[];  /* [n] ascending; block i holds k from at[i] * qkr on */
} oc_s8_kept;

/* Depth of a panel: K rounded up to qkr, a power of two from 32 on. */
static inline int64_t oc__s8_depth(int64_t K)
{
    return (K + oc_k->qkr - 1) & -(int64_t)oc_k->qkr;
}

/* From one panel to the next; no division, since single rows ask often. */
static inline int64_t oc__s8_panel_bytes(int64_t K)
{
    int64_t depth = oc__s8_depth(K);
    int64_t kept = (int64_t)sizeof(oc_s8_kept) + depth / 32 * (int64_t)sizeof(uint16_t);
    return depth * oc_k->qnr + (kept + 63) / 64 * 64;
}

static inline const int8_t *oc__s8_panel(const oc_packed_s8 *W, int64_t q)
{
    return W->panel + q * oc__s8_panel_bytes(W->K);
}

static inline const oc_s8_kept *oc__s8_kept_of(const oc_packed_s8 *W, int64_t q)
{
    const void *at = oc__s8_panel(W, q) + oc__s8_depth(W->K) * oc_k->qnr;
    return at;
}

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
