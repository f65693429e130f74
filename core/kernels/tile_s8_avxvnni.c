/*
 * core/kernels/tile_s8_avxvnni.c - int8 products on AVX-VNNI: 6 rows x 16 columns.
 *
 * For CPUs with vpdpbusd on 256 bits and no AVX-512. As tile_s8_avx512vnni.c, with registers of half
 * the width: panels hold w + 128, unsigned, and
 *   sum a w = sum a (w + 128) - 128 sum a,
 * a sum over the row of A alone, with which the accumulators start. The range is as there: nothing
 * saturates, and sums of 32 bits may wrap on the way.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_AVXVNNI

#    include <assert.h>

#    include "core/kernels/bytes_256.h"
#    include "core/kernels/pack_quads.h"

#    define QMR OC__AVXVNNI_QMR
#    define QNR OC__AVXVNNI_QNR

void oc_k_pack_s8_panel_avxvnni(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                                int8_t *dst)
{
    oc__pack_quads(q, N, K, Kp, panel, QNR, 128, dst);
}

enum { HEAD = 64 }; /* -128 sum a of each row; then the rows */

void oc_k_prepare_s8_rows_avxvnni(const int8_t *a, int64_t lda, int64_t Kc, int32_t m_used,
                                  int8_t *dst)
{
    assert(m_used >= 1 && m_used <= QMR && Kc % 32 == 0);
    const __m256i offset = _mm256_set1_epi8(-128); // 128, unsigned
    for (int32_t m = 0; m < m_used; m++) {
        __m256i sum = _mm256_setzero_si256();
        for (int64_t k = 0; k < Kc; k += 32) {
            __m256i v = oc__load_32(a + m * lda + k);
            oc__store_32(dst + HEAD + m * Kc + k, v);
            sum = _mm256_dpbusd_avx_epi32(sum, offset, v);
        }
        __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
        int32_t start = -_mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
        memcpy(dst + (int64_t)sizeof start * m, &start, sizeof start);
    }
}

/* R rows x 8 V columns of a panel, k in S interleaved sums so that few rows keep the multipliers
 * busy too; R, V and S are constants where it is inlined. Kc is a multiple of 4 S. */
__attribute__((always_inline)) static inline void tile_rows(const int R, const int V, const int S,
                                                            int64_t Kc, const int8_t *a,
                                                            const int8_t *b, int32_t *acc,
                                                            int64_t ld_acc, bool accumulate)
{
    __m256i c[4][QMR][QNR / 8];
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        __m256i start = oc__broadcast_4(a + 4 * m);
        OC_UNROLL
        for (int v = 0; v < V; v++) {
            c[0][m][v] =
                accumulate ? _mm256_add_epi32(start, oc__load_32(acc + m * ld_acc + 8 * v)) : start;
            OC_UNROLL
            for (int s = 1; s < S; s++)
                c[s][m][v] = _mm256_setzero_si256();
        }
    }
    const int8_t *row = a + HEAD, *r3 = row + 3 * Kc;
    for (int64_t k = 0; k < Kc; k += 4 * S) {
        OC_UNROLL
        for (int s = 0; s < S; s++, row += 4, r3 += 4, b += 4 * QNR) {
            __m256i bv[QNR / 8];
            OC_UNROLL
            for (int v = 0; v < V; v++)
                bv[v] = oc__load_32(b + 32 * v);
            OC_UNROLL
            for (int m = 0; m < R; m++) {
                __m256i am = oc__broadcast_4(m < 3 ? row + m * Kc : r3 + (m - 3) * Kc);
                OC_UNROLL
                for (int v = 0; v < V; v++)
                    c[s][m][v] = _mm256_dpbusd_avx_epi32(c[s][m][v], bv[v], am);
            }
        }
    }
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < V; v++) {
            OC_UNROLL
            for (int s = 1; s < S; s++)
                c[0][m][v] = _mm256_add_epi32(c[0][m][v], c[s][m][v]);
            oc__store_32(acc + m * ld_acc + 8 * v, c[0][m][v]);
        }
    }
}

__attribute__((always_inline)) static inline void tile_any(const int V, int64_t Kc, const int8_t *a,
                                                           const int8_t *b, int32_t *acc,
                                                           int64_t ld_acc, int32_t m_used,
                                                           bool accumulate)
{
    switch (m_used) {
    case 6: tile_rows(6, V, 1, Kc, a, b, acc, ld_acc, accumulate); break;
    case 5: tile_rows(5, V, 1, Kc, a, b, acc, ld_acc, accumulate); break;
    case 4: tile_rows(4, V, 1, Kc, a, b, acc, ld_acc, accumulate); break;
    case 3: tile_rows(3, V, 2, Kc, a, b, acc, ld_acc, accumulate); break;
    case 2: tile_rows(2, V, 2, Kc, a, b, acc, ld_acc, accumulate); break;
    default: tile_rows(1, V, 4, Kc, a, b, acc, ld_acc, accumulate); break;
    }
}

void oc_k_gemm_s8_tile_avxvnni(int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc,
                               int64_t ld_acc, int32_t m_used, int32_t n_used, bool accumulate)
{
    assert(m_used >= 1 && m_used <= QMR && n_used >= 1 && n_used <= QNR && Kc % 32 == 0);
    if (n_used > 8)
        tile_any(2, Kc, a, b, acc, ld_acc, m_used, accumulate);
    else
        tile_any(1, Kc, a, b, acc, ld_acc, m_used, accumulate);
}

#endif
