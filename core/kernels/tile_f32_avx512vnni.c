/*
 * core/kernels/tile_f32_avx512vnni.c - f32 register tile on AVX-512, 12 rows x 32 columns.
 *
 * Twenty-four accumulators, two registers of B, one broadcast of A: 27 of 32 registers. Each step
 * of k costs 14 loads and 24 fused multiply-adds, so the multipliers stay the limit. The
 * accumulators are the fma chains of the contract.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_AVX512VNNI

#    include <assert.h>

#    include "core/base/attr.h"
#    include "core/kernels/vec_avx512.h"

#    define MR OC__AVX512VNNI_MR
#    define NR OC__AVX512VNNI_NR
#    define NV (NR / 16)

/* R rows x V registers of columns, of the last of which `last` count; R and V are constants where
 * it is inlined. */
__attribute__((always_inline)) static inline void
tile_rows(const int R, const int V, int64_t K, const float *a, int64_t a_rs, int64_t a_cs,
          const float *b, float *C, int64_t ldc, oc_vm last, bool accumulate)
{
    __m512 c[MR][NV];
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < V; v++) {
            const float *p = C + m * ldc + 16 * v;
            c[m][v] = !accumulate ? v_set(0.0f) : v < V - 1 ? v_load(p) : v_load_m(last, p);
            _mm_prefetch((const char *)p, _MM_HINT_T0);
        }
    }
    const float *a4 = a + 4 * a_rs, *a8 = a + 8 * a_rs;
    for (int64_t k = 0; k < K; k++) {
        __m512 bv[NV];
        OC_UNROLL
        for (int v = 0; v < V; v++)
            bv[v] = v_load(b + 16 * v);
        OC_UNROLL
        for (int m = 0; m < R; m++) {
            const float *from = m < 4   ? a + m * a_rs
                                : m < 8 ? a4 + (m - 4) * a_rs
                                        : a8 + (m - 8) * a_rs;
            __m512 am = v_set(*from);
            OC_UNROLL
            for (int v = 0; v < V; v++)
                c[m][v] = v_fma(am, bv[v], c[m][v]);
        }
        b += NR;
        a += a_cs;
        a4 += a_cs;
        a8 += a_cs;
    }
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < V - 1; v++)
            v_store(C + m * ldc + 16 * v, c[m][v]);
        v_store_m(last, C + m * ldc + 16 * (V - 1), c[m][V - 1]);
    }
}

/* Any height of a tile of V registers, in steps the compiler has code for. */
__attribute__((always_inline)) static inline void
tile_any(const int V, int64_t K, const float *a, int64_t a_rs, int64_t a_cs, const float *b,
         float *C, int64_t ldc, int32_t m_used, oc_vm last, bool accumulate)
{
    for (int32_t rows; m_used > 0; m_used -= rows, a += rows * a_rs, C += rows * ldc) {
        rows = m_used >= 12 ? 12 : m_used >= 8 ? 8 : m_used >= 4 ? 4 : m_used >= 2 ? 2 : 1;
        switch (rows) {
        case 12: tile_rows(12, V, K, a, a_rs, a_cs, b, C, ldc, last, accumulate); break;
        case 8: tile_rows(8, V, K, a, a_rs, a_cs, b, C, ldc, last, accumulate); break;
        case 4: tile_rows(4, V, K, a, a_rs, a_cs, b, C, ldc, last, accumulate); break;
        case 2: tile_rows(2, V, K, a, a_rs, a_cs, b, C, ldc, last, accumulate); break;
        default: tile_rows(1, V, K, a, a_rs, a_cs, b, C, ldc, last, accumulate); break;
        }
    }
}

void oc_k_gemm_f32_tile_avx512vnni(int64_t K, const float *a, int64_t a_rs, int64_t a_cs,
                                   const float *b, float *C, int64_t ldc, int32_t m_used,
                                   int32_t n_used, bool accumulate)
{
    assert(m_used >= 1 && m_used <= MR && n_used >= 1 && n_used <= NR);
    if (n_used > 16)
        tile_any(2, K, a, a_rs, a_cs, b, C, ldc, m_used, vm_first(n_used - 16), accumulate);
    else
        tile_any(1, K, a, a_rs, a_cs, b, C, ldc, m_used, vm_first(n_used), accumulate);
}

/* R rows x P whole panels, `step` apart; R and P are constants where it is inlined. */
__attribute__((always_inline)) static inline void
few_rows(const int R, const int P, int64_t K, const float *a, int64_t a_rs, int64_t a_cs,
         const float *b, int64_t step, float *C, int64_t ldc, bool accumulate)
{
    __m512 c[3][8];
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < 2 * P; v++)
            c[m][v] = accumulate ? v_load(C + m * ldc + 16 * v) : v_set(0.0f);
    }
    for (int64_t k = 0; k < K; k++, a += a_cs, b += NR) {
        __m512 am[3];
        OC_UNROLL
        for (int m = 0; m < R; m++)
            am[m] = v_set(a[m * a_rs]);
        OC_UNROLL
        for (int v = 0; v < 2 * P; v++) {
            __m512 bv = v_load(b + v / 2 * step + 16 * (v % 2));
            OC_UNROLL
            for (int m = 0; m < R; m++)
                c[m][v] = v_fma(am[m], bv, c[m][v]);
        }
    }
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < 2 * P; v++)
            v_store(C + m * ldc + 16 * v, c[m][v]);
    }
}

void oc_k_gemm_f32_few_avx512vnni(int64_t K, const float *a, int64_t a_rs, int64_t a_cs,
                                  const float *b, int64_t step, float *C, int64_t ldc,
                                  int32_t m_used, bool accumulate)
{
    assert(m_used >= 1 && m_used <= 3);
    switch (m_used) {
    case 3: few_rows(3, 2, K, a, a_rs, a_cs, b, step, C, ldc, accumulate); break;
    case 2: few_rows(2, 2, K, a, a_rs, a_cs, b, step, C, ldc, accumulate); break;
    default: few_rows(1, 4, K, a, a_rs, a_cs, b, step, C, ldc, accumulate); break;
    }
}

/* Rows j < used of sixteen floats (row stride js; `have` of them lie in memory), zero rows below,
 * to sixteen columns of a panel `width` wide, the first `have` rows of it, of which the columns of
 * `keep` are written. */
static void transpose_16x16(const float *p, int64_t js, int32_t used, oc_vm have, float *dst,
                            int64_t width, int32_t n_k, oc_vm keep)
{
    oc_vf r[16];
    OC_UNROLL
    for (int j = 0; j < 16; j++)
        r[j] = j < used ? v_load_m(have, p + j * js) : v_set(0.0f);
    v_transpose(r);
    OC_UNROLL
    for (int k = 0; k < 16; k++)
        if (k < n_k)
            v_store_m(keep, dst + k * width, r[k]);
}

/* Elements along k lie together. */
static void pack_transposed(const float *p, int64_t js, int64_t K, int32_t used, int32_t width,
                            float *dst)
{
    for (int32_t j = 0; j < width; j += 16) {
        oc_vm keep = vm_first(width - j);
        for (int64_t k = 0; k < K; k += 16)
            transpose_16x16(p + (j < used ? j * js : 0) + k, js, used - j, vm_first(K - k),
                            dst + k * width + j, width, (int32_t)(K - k < 16 ? K - k : 16), keep);
    }
}

/* Elements along j lie together: `used` of them and zeros to a row of the panel. */
static void pack_copy(const float *p, int64_t ks, int64_t K, int32_t used, int32_t width,
                      float *dst)
{
    for (int32_t j = 0; j < width; j += 16) {
        oc_vm have = vm_first(used - j), keep = vm_first(width - j);
        for (int64_t k = 0; k < K; k++)
            v_store_m(keep, dst + k * width + j, v_load_m(have, p + k * ks + j));
    }
}

void oc_k_pack_f32_panel_avx512vnni(const float *p, int64_t js, int64_t ks, int64_t K, int32_t used,
                                    int32_t width, float *dst)
{
    assert(used <= width && (width == MR || width == NR));
    if (js == 1) {
        pack_copy(p, ks, K, used, width, dst);
    } else if (ks == 1) {
        pack_transposed(p, js, K, used, width, dst);
    } else {
        for (int64_t k = 0; k < K; k++)
            for (int32_t j = 0; j < width; j++)
                dst[k * width + j] = j < used ? p[j * js + k * ks] : 0.0f;
    }
}

#endif
