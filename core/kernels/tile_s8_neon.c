/*
 * core/kernels/tile_s8_neon.c - int8 kernels on NEON with dot products, 8 rows x 12 columns.
 *
 * Panel: [Kp/4][12 columns][4 k], so one register holds four k of four columns. sdot multiplies it
 * by four bytes of A, one lane of another register, and adds the four products to each column's sum.
 * Both sides are signed: no offset is needed. Rows of A are interleaved by four bytes, so a step of k
 * uses registers of A lane by lane: 24 sums, three registers of B and two of A, 29 of 32. Fewer rows
 * take several quads of k a step, each in sums of its own, to keep the multipliers busy.
 * Range: sdot adds four products, each within +-127*127, to 32 bits without saturating anywhere;
 * 32-bit sums are exact when the result fits: K * 127 * 127 <= 2^31 - 1 for K <= 133,144. They may
 * wrap on the way. -127..127 is asked of A and w by the contract; this tile would bear -128.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_NEON

#    include <arm_neon.h>
#    include <assert.h>
#    include <string.h>

#    include "core/base/attr.h"
#    include "core/kernels/pack_quads.h"

#    define QMR OC__NEON_QMR
#    define QNR OC__NEON_QNR
#    define QNV (QNR / 4)

void oc_k_pack_s8_panel_neon(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                             int8_t *dst)
{
    oc__pack_quads(q, N, K, Kp, panel, QNR, 0, dst);
}

/* Rows of the next block of a tile of which `left` remain: what the compiler has code for. */
static inline int32_t block_rows(int32_t left)
{
    return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

/* Blocks one after the other, each [Kc/4][rows][4 k]. */
void oc_k_prepare_s8_rows_neon(const int8_t *a, int64_t lda, int64_t Kc, int32_t m_used,
                               int8_t *dst)
{
    assert(m_used >= 1 && m_used <= QMR && Kc % 32 == 0);
    for (int32_t rows; m_used > 0; m_used -= rows, a += rows * lda) {
        rows = block_rows(m_used);
        for (int64_t k = 0; k < Kc; k += 4)
            for (int32_t m = 0; m < rows; m++, dst += 4)
                memcpy(dst, a + m * lda + k, 4);
    }
}

/* The lane must be a constant of the language; a known one leaves one instruction. */
__attribute__((always_inline)) static inline int32x4_t dot4(int32x4_t c, int8x16_t b, int8x16_t a,
                                                            int lane)
{
    switch (lane) {
    case 0: return vdotq_laneq_s32(c, b, a, 0);
    case 1: return vdotq_laneq_s32(c, b, a, 1);
    case 2: return vdotq_laneq_s32(c, b, a, 2);
    default: return vdotq_laneq_s32(c, b, a, 3);
    }
}

/* A block of R rows x a panel, S quads of k a step; R and S are constants where it is inlined, R S
 * is 4 or 8 and Kc a multiple of 4 S. */
__attribute__((always_inline)) static inline void tile_rows(const int R, const int S, int64_t Kc,
                                                            const int8_t *a, const int8_t *b,
                                                            int32_t *acc, int64_t ld_acc,
                                                            bool accumulate)
{
    int32x4_t c[QMR][QNV]; // sum s of row m: [s * R + m]
    OC_UNROLL
    for (int i = 0; i < R * S; i++) {
        OC_UNROLL
        for (int v = 0; v < QNV; v++)
            c[i][v] = accumulate && i < R ? vld1q_s32(acc + i * ld_acc + 4 * v) : vdupq_n_s32(0);
    }
    for (int64_t k = 0; k < Kc; k += 4 * S, a += 4 * R * S, b += 4 * S * QNR) {
        int8x16_t av[2];
        av[0] = vld1q_s8(a);
        av[1] = R * S > 4 ? vld1q_s8(a + 16) : av[0];
        OC_UNROLL
        for (int s = 0; s < S; s++) {
            OC_UNROLL
            for (int v = 0; v < QNV; v++) {
                int8x16_t bv = vld1q_s8(b + 4 * s * QNR + 16 * v);
                OC_UNROLL
                for (int i = s * R; i < s * R + R; i++)
                    c[i][v] = dot4(c[i][v], bv, av[i / 4], i % 4);
            }
        }
    }
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < QNV; v++) {
            OC_UNROLL
            for (int s = 1; s < S; s++)
                c[m][v] = vaddq_s32(c[m][v], c[s * R + m][v]);
            vst1q_s32(acc + m * ld_acc + 4 * v, c[m][v]);
        }
    }
}

void oc_k_gemm_s8_tile_neon(int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc,
                            int64_t ld_acc, int32_t m_used, int32_t n_used, bool accumulate)
{
    assert(m_used >= 1 && m_used <= QMR && n_used >= 1 && n_used <= QNR && Kc % 32 == 0);
    (void)n_used; // whole panels: there is room, and few are partial
    for (int32_t rows; m_used > 0; m_used -= rows, a += rows * Kc, acc += rows * ld_acc) {
        rows = block_rows(m_used);
        switch (rows) {
        case 8: tile_rows(8, 1, Kc, a, b, acc, ld_acc, accumulate); break;
        case 4: tile_rows(4, 2, Kc, a, b, acc, ld_acc, accumulate); break;
        case 2: tile_rows(2, 4, Kc, a, b, acc, ld_acc, accumulate); break;
        default: tile_rows(1, 4, Kc, a, b, acc, ld_acc, accumulate); break;
        }
    }
}

#endif
