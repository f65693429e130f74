/*
 * core/kernels/tile_s8_avx512vnni.c - int8 kernels on AVX-512 VNNI, 12 rows x 32 columns.
 *
 * Panel: [Kp/4][32 columns][4 k] of w + 128, so one register holds four k of sixteen columns,
 * unsigned as vpdpbusd wants one side, and meets four signed bytes of A broadcast:
 *   sum a w = sum a (w + 128) - 128 sum a,
 * a sum over the row of A alone, with which the accumulators start. Zeros past K in A silence what
 * the panel holds there.
 * Range: vpdpbusd (not vpdpbusds) adds four products, each within +-255*127, to 32 bits without
 * saturating anywhere; 32-bit sums may wrap on the way, and end exact when the result fits
 * (K <= 133,144). -127..127 is asked of A and w by the contract; this tile would bear -128.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_AVX512VNNI

#    include <assert.h>

#    include "core/base/attr.h"
#    include "core/kernels/pack_quads_512.h"
#    include "core/kernels/vec_avx512.h"

#    define QMR OC__AVX512VNNI_QMR
#    define QNR OC__AVX512VNNI_QNR
#    define QNV (QNR / 16)

void oc_k_pack_s8_panel_avx512vnni(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                                   int8_t *dst)
{
    for (int64_t k = 0; k < Kp; k += 64)
        for (int64_t n = 0; n < QNR; n += 16)
            oc__pack_quads_512(q, N, K, panel * QNR + n, k, -128, dst + k * QNR + 4 * n, 4 * QNR,
                               (int)OC_MIN(16, (Kp - k) / 4));
}

enum { HEAD = 64 }; /* -128 sum a of each row */

static inline __m512i load_64(const void *p)
{
    return _mm512_loadu_si512(p);
}

void oc_k_prepare_s8_rows_avx512vnni(const int8_t *a, int64_t lda, int64_t Kc, int32_t m_used,
                                     int8_t *dst)
{
    assert(m_used >= 1 && m_used <= QMR && Kc % 32 == 0);
    const __m512i offset = _mm512_set1_epi8(-128); // 128, unsigned
    for (int32_t m = 0; m < m_used; m++) {
        const int8_t *from = a + m * lda;
        int8_t *to = dst + HEAD + m * Kc;
        __m512i sum = _mm512_setzero_si512();
        for (int64_t k = 0; k < Kc; k += 64) {
            __mmask64 have = Kc - k >= 64 ? ~(__mmask64)0 : 0xffffffffU;
            __m512i v = _mm512_maskz_loadu_epi8(have, from + k);
            _mm512_mask_storeu_epi8(to + k, have, v);
            sum = _mm512_dpbusd_epi32(sum, offset, v);
        }
        int32_t start = -_mm512_reduce_add_epi32(sum);
        memcpy(dst + (int64_t)sizeof start * m, &start, sizeof start);
    }
}

static inline __m512i broadcast_4(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

/* R rows x V registers of columns of a panel, k in S interleaved sums so that few rows keep the
 * multipliers busy too; R, V and S are constants where it is inlined. Kc is a multiple of 4 S. */
__attribute__((always_inline)) static inline void
tile_rows(const int R, const int V, const int S, int64_t Kc, const int8_t *starts,
          const int8_t *row, const int8_t *b, int32_t *acc, int64_t ld_acc, bool accumulate)
{
    __m512i c[4][QMR][QNV];
    const int8_t *r4 = row + 4 * Kc, *r8 = row + 8 * Kc;
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        __m512i start = broadcast_4(starts + 4 * m);
        OC_UNROLL
        for (int v = 0; v < V; v++) {
            c[0][m][v] =
                accumulate ? _mm512_add_epi32(start, load_64(acc + m * ld_acc + 16 * v)) : start;
            OC_UNROLL
            for (int s = 1; s < S; s++)
                c[s][m][v] = _mm512_setzero_si512();
        }
    }
    for (int64_t k = 0; k < Kc; k += 4 * S) {
        OC_UNROLL
        for (int s = 0; s < S; s++) {
            __m512i bv[QNV];
            OC_UNROLL
            for (int v = 0; v < V; v++)
                bv[v] = load_64(b + 64 * v);
            OC_UNROLL
            for (int m = 0; m < R; m++) {
                __m512i am = broadcast_4(m < 4   ? row + m * Kc
                                         : m < 8 ? r4 + (m - 4) * Kc
                                                 : r8 + (m - 8) * Kc);
                OC_UNROLL
                for (int v = 0; v < V; v++)
                    c[s][m][v] = _mm512_dpbusd_epi32(c[s][m][v], bv[v], am);
            }
            row += 4;
            r4 += 4;
            r8 += 4;
            b += 4 * QNR;
        }
    }
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < V; v++) {
            OC_UNROLL
            for (int s = 1; s < S; s++)
                c[0][m][v] = _mm512_add_epi32(c[0][m][v], c[s][m][v]);
            _mm512_storeu_si512(acc + m * ld_acc + 16 * v, c[0][m][v]);
        }
    }
}

/* Any height of a tile of V registers, in steps the compiler has code for. */
__attribute__((always_inline)) static inline void tile_any(const int V, int64_t Kc, const int8_t *a,
                                                           const int8_t *b, int32_t *acc,
                                                           int64_t ld_acc, int32_t m_used,
                                                           bool accumulate)
{
    const int8_t *row = a + HEAD;
    for (int32_t rows; m_used > 0; m_used -= rows) {
        rows = m_used >= 12 ? 12 : m_used >= 8 ? 8 : m_used >= 4 ? 4 : 1;
        switch (rows) {
        case 12: tile_rows(12, V, 1, Kc, a, row, b, acc, ld_acc, accumulate); break;
        case 8: tile_rows(8, V, 1, Kc, a, row, b, acc, ld_acc, accumulate); break;
        case 4: tile_rows(4, V, 2, Kc, a, row, b, acc, ld_acc, accumulate); break;
        default: tile_rows(1, V, 4, Kc, a, row, b, acc, ld_acc, accumulate); break;
        }
        a += (int64_t)sizeof(int32_t) * rows;
        row += rows * Kc;
        acc += rows * ld_acc;
    }
}

void oc_k_gemm_s8_tile_avx512vnni(int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc,
                                  int64_t ld_acc, int32_t m_used, int32_t n_used, bool accumulate)
{
    assert(m_used >= 1 && m_used <= QMR && n_used >= 1 && n_used <= QNR && Kc % 32 == 0);
    if (n_used > 16)
        tile_any(2, Kc, a, b, acc, ld_acc, m_used, accumulate);
    else
        tile_any(1, Kc, a, b, acc, ld_acc, m_used, accumulate);
}

/*
 * round(x / s), half to even, without dividing: x (1/s) is within 127 * 2^-22 < 2^-15 of the
 * quotient, so both round alike unless they lie that near to a half; only then the division is made.
 * The larger of it and -127 turns a NaN into -127 on both ways; a product never exceeds 127.5, a
 * quotient may.
 */
static inline unsigned near_half(oc_vf r)
{
    oc_vf off = v_abs(_mm512_reduce_ps(r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    return _mm512_cmp_ps_mask(off, v_set(0.5f - 0x1p-14f), _CMP_GT_OQ);
}

static inline oc_vf divided(oc_vf x, oc_vf s)
{
    return v_min(v_max(v_div(x, s), v_set(-127.0f)), v_set(127.0f));
}

static inline __m512i rounded(oc_vf r)
{
    return _mm512_cvtps_epi32(v_max(r, v_set(-127.0f)));
}

/* Up to 64 of them, n < 64 with zeros behind: one question and one store for four registers. */
__attribute__((always_inline)) static inline __m512i quantize_64(const float *x, int64_t n, oc_vf s,
                                                                 oc_vf inv, bool plain)
{
    const __m512i in_order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    oc_vf r[4];
    unsigned near = 0;
    OC_UNROLL
    for (int i = 0; i < 4; i++) {
        r[i] = v_mul(v_load_m(vm_first(n - 16 * i), x + 16 * i), inv);
        near |= near_half(r[i]);
    }
    if (__builtin_expect(near || !plain, 0))
        for (int i = 0; i < 4; i++)
            r[i] = divided(v_load_m(vm_first(n - 16 * i), x + 16 * i), s);
    __m512i low = _mm512_packs_epi32(rounded(r[0]), rounded(r[1]));
    __m512i high = _mm512_packs_epi32(rounded(r[2]), rounded(r[3]));
    return _mm512_permutexvar_epi32(in_order, _mm512_packs_epi16(low, high));
}

/* The larger of top and |x|, n of 64; zeros behind have no effect. */
__attribute__((always_inline)) static inline void largest_64(const float *x, int64_t n,
                                                             oc_vf top[4])
{
    OC_UNROLL
    for (int v = 0; v < 4; v++)
        top[v] = v_max(v_abs(v_load_m(vm_first(n - 16 * v), x + 16 * v)), top[v]);
}

static float largest(const float *x, int64_t K)
{
    oc_vf top[4] = {v_set(0.0f), v_set(0.0f), v_set(0.0f), v_set(0.0f)};
    int64_t full = K & ~(int64_t)63;
    for (int64_t i = 0; i < full; i += 64)
        largest_64(x + i, 64, top);
    largest_64(x + full, K - full, top);
    return v_max16(v_max(v_max(top[0], top[1]), v_max(top[2], top[3])));
}

void oc_k_quantize_row_avx512vnni(const float *x, int64_t K, int64_t Kp, int8_t *q, float *scale)
{
    float s = largest(x, K) / 127.0f;
    if (s == 0.0f)
        s = 1.0f;
    bool plain = s > 0x1p-100f && s < 0x1p100f; // its inverse is a normal number
    oc_vf vs = v_set(s), inv = v_set(1.0f / s);
    int64_t full = K & ~(int64_t)63, rest = OC_MIN(64, Kp - full);
    for (int64_t i = 0; i < full; i += 64)
        _mm512_storeu_si512(q + i, quantize_64(x + i, 64, vs, inv, plain));
    if (rest > 0) {
        __mmask64 m = ~(__mmask64)0 >> (64 - rest);
        _mm512_mask_storeu_epi8(q + full, m, quantize_64(x + full, K - full, vs, inv, plain));
    }
    if (Kp > full + 64)
        memset(q + full + 64, 0, (size_t)(Kp - full - 64));
    *scale = s;
}

static inline oc_vf dequant(oc_vm m, const int32_t *acc, oc_vf xs, const float *ws, oc_vf bias)
{
    oc_vf v = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(m, acc));
    return v_fma(v, v_mul(xs, v_load_m(m, ws)), bias);
}

void oc_k_dequant_row_avx512vnni(const int32_t *acc, int64_t n, float xs, const float *ws,
                                 const float *bias, float *y)
{
    const oc_vm all = (oc_vm)0xffff;
    oc_vf vx = v_set(xs), zero = v_set(0.0f);
    int64_t full = n & ~(int64_t)15;
    oc_vm tail = vm_first(n - full);
    for (int64_t i = 0; i < full; i += 16)
        v_store(y + i, dequant(all, acc + i, vx, ws + i, bias ? v_load(bias + i) : zero));
    if (tail)
        v_store_m(
            tail, y + full,
            dequant(tail, acc + full, vx, ws + full, bias ? v_load_m(tail, bias + full) : zero));
}

#endif
