/*
 * core/kernels/tile_f32_8.h - f32 register tile over registers of eight floats, 6 rows x 16 columns.
 *
 * Text for an ISA's tile_f32_<isa>.c, which names the kernels, OC__K(op), and includes its
 * vec_<isa>.h first. Twelve accumulators, the fma chains of the contract; each step of k costs 8
 * loads and 12 fused multiply-adds, so the multipliers stay the limit.
 */
#ifndef OC_KERNELS_TILE_F32_8_H
#define OC_KERNELS_TILE_F32_8_H

#include <assert.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/kernels/tables.h"

enum { MR = 6, NR = 16 };

/* R rows x V registers of columns of a panel, of the last of which `last` columns count; R and V are
 * constants where it is inlined. */
__attribute__((always_inline)) static inline void
tile_rows(const int R, const int V, int64_t K, const float *a, int64_t a_rs, int64_t a_cs,
          const float *b, float *C, int64_t ldc, int32_t last, bool accumulate)
{
    oc_vf c[MR][2];
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        float *p = C + m * ldc;
        OC_UNROLL
        for (int v = 0; v < V; v++)
            c[m][v] = !accumulate              ? v_set(0.0f)
                      : v < V - 1 || last == 8 ? v_load(p + 8 * v)
                                               : v_load_n(p + 8 * v, last);
        __builtin_prefetch(p);
    }
    const float *a3 = a + 3 * a_rs; // two bases reach six rows by scaled indices
    for (int64_t k = 0; k < K; k++) {
        oc_vf bv[2];
        OC_UNROLL
        for (int v = 0; v < V; v++)
            bv[v] = v_load(b + 8 * v);
        OC_UNROLL
        for (int m = 0; m < R; m++) {
            float am = m < 3 ? a[m * a_rs] : a3[(m - 3) * a_rs];
            OC_UNROLL
            for (int v = 0; v < V; v++)
                c[m][v] = v_fma1(am, bv[v], c[m][v]);
        }
        b += NR;
        a += a_cs;
        a3 += a_cs;
    }
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        float *p = C + m * ldc;
        OC_UNROLL
        for (int v = 0; v < V; v++)
            v_store_n(p + 8 * v, c[m][v], v < V - 1 ? 8 : last);
    }
}

/* Any height of a tile of V registers. */
__attribute__((always_inline)) static inline void
tile_any(const int V, int64_t K, const float *a, int64_t a_rs, int64_t a_cs, const float *b,
         float *C, int64_t ldc, int32_t m_used, int32_t last, bool accumulate)
{
    switch (m_used) {
    case 6: tile_rows(6, V, K, a, a_rs, a_cs, b, C, ldc, last, accumulate); break;
    case 5: tile_rows(5, V, K, a, a_rs, a_cs, b, C, ldc, last, accumulate); break;
    case 4: tile_rows(4, V, K, a, a_rs, a_cs, b, C, ldc, last, accumulate); break;
    case 3: tile_rows(3, V, K, a, a_rs, a_cs, b, C, ldc, last, accumulate); break;
    case 2: tile_rows(2, V, K, a, a_rs, a_cs, b, C, ldc, last, accumulate); break;
    default: tile_rows(1, V, K, a, a_rs, a_cs, b, C, ldc, last, accumulate); break;
    }
}

void OC__K(gemm_f32_tile)(int64_t K, const float *a, int64_t a_rs, int64_t a_cs, const float *b,
                          float *C, int64_t ldc, int32_t m_used, int32_t n_used, bool accumulate)
{
    assert(m_used >= 1 && m_used <= MR && n_used >= 1 && n_used <= NR);
    if (n_used > 8)
        tile_any(2, K, a, a_rs, a_cs, b, C, ldc, m_used, n_used - 8, accumulate);
    else
        tile_any(1, K, a, a_rs, a_cs, b, C, ldc, m_used, n_used, accumulate);
}

/* R rows x P whole panels, `step` apart; R and P are constants where it is inlined. */
__attribute__((always_inline)) static inline void
few_rows(const int R, const int P, int64_t K, const float *a, int64_t a_rs, int64_t a_cs,
         const float *b, int64_t step, float *C, int64_t ldc, bool accumulate)
{
    oc_vf c[3][8];
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < 2 * P; v++)
            c[m][v] = accumulate ? v_load(C + m * ldc + 8 * v) : v_set(0.0f);
    }
    for (int64_t k = 0; k < K; k++, a += a_cs, b += NR) {
        float am[3];
        OC_UNROLL
        for (int m = 0; m < R; m++)
            am[m] = a[m * a_rs];
        OC_UNROLL
        for (int v = 0; v < 2 * P; v++) {
            oc_vf bv = v_load(b + v / 2 * step + 8 * (v % 2));
            OC_UNROLL
            for (int m = 0; m < R; m++)
                c[m][v] = v_fma1(am[m], bv, c[m][v]);
        }
    }
    OC_UNROLL
    for (int m = 0; m < R; m++) {
        OC_UNROLL
        for (int v = 0; v < 2 * P; v++)
            v_store(C + m * ldc + 8 * v, c[m][v]);
    }
}

void OC__K(gemm_f32_few)(int64_t K, const float *a, int64_t a_rs, int64_t a_cs, const float *b,
                         int64_t step, float *C, int64_t ldc, int32_t m_used, bool accumulate)
{
    assert(m_used >= 1 && m_used <= 3);
    switch (m_used) {
    case 3: few_rows(3, 2, K, a, a_rs, a_cs, b, step, C, ldc, accumulate); break;
    case 2: few_rows(2, 2, K, a, a_rs, a_cs, b, step, C, ldc, accumulate); break;
    default: few_rows(1, 4, K, a, a_rs, a_cs, b, step, C, ldc, accumulate); break;
    }
}

/* Rows j < used of eight floats (row stride js), zero rows below, to eight columns of a panel. */
static inline void transpose_8x8(const float *p, int64_t js, int32_t used, float *dst)
{
    oc_vf r[8];
    OC_UNROLL
    for (int j = 0; j < 8; j++)
        r[j] = j < used ? v_load(p + j * js) : v_set(0.0f);
    v_transpose(r);
    OC_UNROLL
    for (int j = 0; j < 8; j++)
        v_store(dst + j * NR, r[j]);
}

static void pack_plain(const float *p, int64_t js, int64_t ks, int64_t K, int32_t used,
                       int32_t width, float *dst)
{
    for (int64_t k = 0; k < K; k++) {
        for (int32_t j = 0; j < used; j++)
            dst[k * width + j] = p[j * js + k * ks];
        for (int32_t j = used; j < width; j++)
            dst[k * width + j] = 0.0f;
    }
}

/* Elements along j lie together: sixteen (or fewer, then zeros) to a row of the panel. */
static void pack_copy_16(const float *p, int64_t ks, int64_t K, int32_t used, float *dst)
{
    for (int64_t k = 0; k < K; k++, p += ks, dst += NR) {
        v_store(dst, used == NR ? v_load(p) : v_load_n(p, used));
        v_store(dst + 8, used == NR ? v_load(p + 8) : v_load_n(p + 8, used - 8));
    }
}

static void pack_copy_6(const float *p, int64_t ks, int64_t K, float *dst)
{
    for (int64_t k = 0; k < K; k++, p += ks, dst += MR)
        memcpy(dst, p, MR * sizeof *dst);
}

void OC__K(pack_f32_panel)(const float *p, int64_t js, int64_t ks, int64_t K, int32_t used,
                           int32_t width, float *dst)
{
    assert(used <= width && (width == MR || width == NR));
    if (width == NR && js == 1) {
        pack_copy_16(p, ks, K, used, dst);
    } else if (width == NR && ks == 1) {
        int64_t k = 0;
        for (; k + 8 <= K; k += 8) {
            transpose_8x8(p + k, js, used, dst + k * NR);
            transpose_8x8(p + 8 * js + k, js, used - 8, dst + k * NR + 8);
        }
        pack_plain(p + k, js, 1, K - k, used, NR, dst + k * NR);
    } else if (used == MR && width == MR && js == 1) {
        pack_copy_6(p, ks, K, dst);
    } else {
        pack_plain(p, js, ks, K, used, width, dst);
    }
}

#endif
