/*
 * core/kernels/tile_s8_avx2.c - int8 kernels on AVX2: 2 rows x 24 columns.
 *
 * Panel: [Kp/4][24 columns][4 k], so one 32-byte register holds four k of eight columns and meets
 * four bytes of A broadcast. vpmaddubsw wants one unsigned side, |a|, so a's sign moves to b; and
 * because vpsignb competes with the multiplications for their ports, it moves as
 *   a b = |a| (b ^ s) - |a| s,   s = -1 (all ones) where a < 0, else 0:
 * an exclusive or, which any port does, and a sum over the row of A alone, with which the
 * accumulators start. |a|, s and the sums are made once per row tile and used for all its columns.
 * Range: |a| <= 127 and -128 <= b ^ s <= 127 for -127 <= b <= 127, so a pair sum lies within
 * 2*127*128 = 32512 < 32767 and never saturates. Sums of 32 bits may wrap on the way, and end exact
 * when the result fits (K <= 133,144).
 * The tile is small because what matters is that the four kinds of instruction spread evenly over
 * the ports: the columns of a row go through each kind together. Wider tiles measured slower.
 */
#include "core/kernels/tables.h"

#if OC__X86

#    include <assert.h>
#    include <string.h>

#    include "core/kernels/bytes_256.h"
#    include "core/kernels/pack_quads.h"
#    include "core/kernels/vec_avx2.h"

#    define QMR OC__AVX2_QMR
#    define QNR OC__AVX2_QNR

void oc_k_pack_s8_panel_avx2(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                             int8_t *dst)
{
    oc__pack_quads(q, N, K, Kp, panel, QNR, 0, dst);
}

/* Head: the sums per row. Then per four k and row: |a|, s. */
typedef struct row_quad {
    int8_t mag[4], sign[4];
} row_quad;

enum { HEAD = 64 };

void oc_k_prepare_s8_rows_avx2(const int8_t *a, int64_t lda, int64_t Kc, int32_t m_used,
                               int8_t *dst)
{
    assert(m_used >= 1 && m_used <= QMR && Kc % 32 == 0);
    const __m256i zero = _mm256_setzero_si256();
    for (int32_t m = 0; m < m_used; m++) {
        __m256i sum = zero;
        for (int64_t k = 0; k < Kc; k += 32) {
            __m256i v = oc__load_32(a + m * lda + k);
            __m256i mag = _mm256_abs_epi8(v), sign = _mm256_cmpgt_epi8(zero, v);
            sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_and_si256(mag, sign), zero));
            int64_t quads[8];
            __m256i lo = _mm256_unpacklo_epi32(mag, sign), hi = _mm256_unpackhi_epi32(mag, sign);
            oc__store_32(quads, _mm256_permute2x128_si256(lo, hi, 0x20));
            oc__store_32(quads + 4, _mm256_permute2x128_si256(lo, hi, 0x31));
            int8_t *to = dst + HEAD + (int64_t)sizeof(row_quad) * (k / 4 * QMR + m);
            for (int i = 0; i < 8; i++, to += sizeof(row_quad) * QMR)
                memcpy(to, &quads[i], sizeof quads[i]);
        }
        __m128i s = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        int32_t total = _mm_cvtsi128_si32(_mm_add_epi64(s, _mm_unpackhi_epi64(s, s)));
        memcpy(dst + (int64_t)sizeof total * m, &total, sizeof total);
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
        __m256i start = oc__broadcast_4(a + 4 * m);
        OC_UNROLL
        for (int v = 0; v < V; v++)
            c[m][v] =
                accumulate ? _mm256_add_epi32(start, oc__load_32(acc + m * ld_acc + 8 * v)) : start;
    }
    a += HEAD;
    for (int64_t k = 0; k < Kc; k += 4, a += sizeof(row_quad) * QMR, b += 4 * QNR) {
        OC_UNROLL
        for (int m = 0; m < R; m++) {
            const int8_t *quad = a + (int64_t)sizeof(row_quad) * m;
            __m256i mag = oc__broadcast_4(quad), sign = oc__broadcast_4(quad + 4), t[QNR / 8];
            OC_UNROLL
            for (int v = 0; v < V; v++)
                t[v] = _mm256_xor_si256(sign, oc__load_32(b + 32 * v));
            OC_UNROLL
            for (int v = 0; v < V; v++)
                t[v] = _mm256_maddubs_epi16(mag, t[v]);
            OC_UNROLL
            for (int v = 0; v < V; v++)
                t[v] = _mm256_madd_epi16(t[v], ones);
            OC_UNROLL
            for (int v = 0; v < V; v++)
                c[m][v] = _mm256_add_epi32(c[m][v], t[v]);
        }
    }
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < V; v++)
            oc__store_32(acc + m * ld_acc + 8 * v, c[m][v]);
    }
}

void oc_k_gemm_s8_tile_avx2(int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc,
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
