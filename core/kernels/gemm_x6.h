/*
 * core/kernels/gemm_x6.h - f32 products on matrix units that multiply bf16 and add in f32.
 *
 * A float of 24 significant bits is the sum of three of 8: x = h + m + l, exactly, where h is x
 * rounded to bf16, m the rest rounded, l what is left. So
 *   x y = hh + hm + hl + mh + mm + lh + (ml + lm + ll),
 * of which the last three are below 2^-24 |x y| together and left out: six products of bf16, each
 * exact in f32, for one of f32. A CPU whose bf16 unit is sixteen times as fast as its f32 one
 * (AMX) still gains up to 2.7 times. Sums over k are f32, as in any f32 product, and the error is
 * that of one: tests/kernels/test_gemm_x6.c measures both against double.
 *
 * Order, for every output alike: steps of 32 k in turn; in a step hh, hm, hl, mm, mh, lh (A's part
 * first), each added to the sum as the unit does: two chains, even and odd, over pairs (j, j + 16)
 * of the step's k, j = 0..15; the chains added; that added to the sum. No row knows of another.
 * Steps in which a panel of B holds only zeros are left out.
 * Not as in f32: |x| >= 2^128 (1 - 2^-9), infinities and NaN make NaN; parts below 2^-126 are 0.
 *
 * Packed B: panels of 32 columns; a panel is its steps' parts (6 KB each, so 1.5 times f32), then a
 * byte for every step, whether it holds anything but zeros. Parts of a step are private to the ISA.
 * Source: Henry, Tang, Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for
 * higher-precision computations" (2019); Intel SDM, TDPBF16PS.
 * Private to core/kernels.
 */
#ifndef OC_KERNELS_GEMM_X6_H
#define OC_KERNELS_GEMM_X6_H

#include <stdbool.h>
#include <stdint.h>

enum {
    OC_X6_TILE = 32,          /* rows and columns of an output tile */
    OC_X6_STEP = 32,          /* k of a step */
    OC_X6_ROWS = 128,         /* of one call, at most */
    OC_X6_PARTS = 3 * 32 * 32 /* bf16 of one side's three parts in a step */
};

/* One output tile, C[m_used, n_used] (+)= A B over some steps of k. */
typedef struct oc_x6_tile {
    const uint16_t *a, *b; /* step i of the tile at step[i] * OC_X6_PARTS */
    const int16_t *step;
    int32_t n_steps;
    int32_t m_used, n_used;
    int32_t ahead_lines; /* with every step so many lines of 64 bytes are fetched to L2 ... */
    const char *ahead;   /* ... from here on */
    float *C;
    int64_t ldc;
    bool accumulate; /* start from C, else from 0 */
} oc_x6_tile;

int64_t oc__x6_panel_floats(int64_t K);
/* 32 columns (or `used`; the rest zeros) of B, element (k, n) at b[k*ks + n*js], into a panel. */
void oc__x6_pack_panel(const float *b, int64_t js, int64_t ks, int64_t K, int32_t used, float *dst);
int64_t oc__x6_zero_steps(const float *panel, int64_t K); /* of ceil(K/32) */

/* C[M,N] (+)= A B, M <= OC_X6_ROWS: A f32 [M,K] rows lda apart, B ceil(N/32) packed panels. */
typedef struct oc_x6_job {
    int64_t M, N, K;
    const float *A, *panels;
    int64_t lda;
    bool accumulate;
    float *C;
    int64_t ldc;
} oc_x6_job;
/* By one worker, on its caller's stack (300 KB). */
void oc__gemm_x6(const oc_x6_job *j);

#endif
