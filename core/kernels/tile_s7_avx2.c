/*
 * core/kernels/tile_s7_avx2.c - int8 products of weights of 7 bits on AVX2: 2 rows x 24 columns.
 *
 * Panel: [Kp/4][24 columns][4 k] of u = w + 64, 0..127 and so the unsigned side that vpmaddubsw
 * wants: A needs no sign trick, and a pair sum lies within 2*127*127 = 32258 < 32767. Two of them
 * are added before vpmaddwd widens, and what the offset put into them is taken off in 16 bits too:
 *   sum a w = sum a u - 64 sum a   over four k, 64 sum a once per row for all columns.
 * The left sum may wrap; the difference is the sum of four a w, within 4*127*64 = 32512 < 32767 for
 * -64 <= w <= 63, and so exact. Six instructions for eight k where 8 bits need eight (tile_s8_avx2.c).
 * Sums of 32 bits as there.
 */
#include "core/kernels/tables.h"

#if OC__X86

#    include <assert.h>

#    include "core/kernels/bytes_256.h"
#    include "core/kernels/pack_quads.h"

#    define QMR OC__AVX2_QMR
#    define QNR OC__AVX2_QNR

void oc_k_pack_s8_panel_7_avx2(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                               int8_t *dst)
{
    oc__pack_quads(q, N, K, Kp, panel, QNR, 64, dst);
}

/* Eight k of a row, and 64 times the sums of those that meet in one 16-bit lane. */
typedef struct row_oct {
    int8_t a[8];
    int16_t offset[2];
} row_oct;

static_assert(sizeof(row_oct) <= 8 * OC__AVX2_QEB, "room as kernels.h says");

void oc_k_prepare_s8_rows_7_avx2(const int8_t *a, int64_t lda, int64_t Kc, int32_t m_used,
                                 int8_t *dst)
{
    assert(m_used >= 1 && m_used <= QMR && Kc % 32 == 0);
    const __m256i u64 = _mm256_set1_epi8(64);
    for (int32_t m = 0; m < m_used; m++) {
        int8_t *to = dst + (int64_t)sizeof(row_oct) * m;
        for (int64_t k = 0; k < Kc; k += 32) {
            __m256i v = oc__load_32(a + m * lda + k);
            // 64 (a0 + a1), 64 (a2 + a3), ...; then quads added in twos
            __m256i pairs = _mm256_maddubs_epi16(u64, v);
            __m256i sums = _mm256_add_epi16(pairs, _mm256_srli_epi64(pairs, 32));
            uint64_t a8[4], s8[4];
            oc__store_32(a8, v);
            oc__store_32(s8, sums);
            for (int i = 0; i < 4; i++, to += sizeof(row_oct) * QMR) {
                memcpy(to, &a8[i], 8);
                memcpy(to + 8, &s8[i], 4);
            }
        }
    }
}

/* R rows x 8 V columns of a panel; R and V are constants where it is inlined. */
__attribute__((always_inline)) static inline void tile_rows(const int R, const int V, int64_t Kc,
                                                            const int8_t *a, const int8_t *b,
                                                            int32_t *acc, int64_t ld_acc,
                                                            bool accumulate)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i c[QMR][QNR / 8];
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < V; v++)
            c[m][v] = accumulate ? oc__load_32(acc + m * ld_acc + 8 * v) : _mm256_setzero_si256();
    }
    for (int64_t k = 0; k < Kc; k += 8, a += sizeof(row_oct) * QMR, b += 8 * QNR) {
        OC_UNROLL
        for (int m = 0; m < R; m++) {
            const int8_t *oct = a + (int64_t)sizeof(row_oct) * m;
            __m256i a0 = oc__broadcast_4(oct), a1 = oc__broadcast_4(oct + 4),
                    off = oc__broadcast_4(oct + 8);
            __m256i t[QNR / 8], u[QNR / 8];
            OC_UNROLL
            for (int v = 0; v < V; v++)
                t[v] = _mm256_maddubs_epi16(oc__load_32(b + 32 * v), a0);
            OC_UNROLL
            for (int v = 0; v < V; v++)
                u[v] = _mm256_maddubs_epi16(oc__load_32(b + 4 * QNR + 32 * v), a1);
            OC_UNROLL
            for (int v = 0; v < V; v++)
                t[v] = _mm256_sub_epi16(_mm256_add_epi16(t[v], u[v]), off);
            OC_UNROLL
            for (int v = 0; v < V; v++)
                c[m][v] = _mm256_add_epi32(c[m][v], _mm256_madd_epi16(t[v], ones));
        }
    }
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < V; v++)
            oc__store_32(acc + m * ld_acc + 8 * v, c[m][v]);
    }
}

void oc_k_gemm_s8_tile_7_avx2(int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc,
                              int64_t ld_acc, int32_t m_used, int32_t n_used, bool accumulate)
{
    assert(m_used >= 1 && m_used <= QMR && n_used >= 1 && n_used <= QNR && Kc % 32 == 0);
    switch (m_used * 4 + (n_used + 7) / 8) {
    case 2 * 4 + 3: tile_rows(2, 3, Kc, a, b, acc, ld_acc, accumulate); break;
    case 2 * 4 + 2: tile_rows(2, 2, Kc, a, b, acc, ld_acc, accumulate); break;
    case 2 * 4 + 1: tile_rows(2, 1, Kc, a, b, acc, ld_acc, accumulate); break;
    case 1 * 4 + 3: tile_rows(1, 3, Kc, a, b, acc, ld_acc, accumulate); break;
    case 1 * 4 + 2: tile_rows(1, 2, Kc, a, b, acc, ld_acc, accumulate); break;
    default: tile_rows(1, 1, Kc, a, b, acc, ld_acc, accumulate); break;
    }
}

#endif
