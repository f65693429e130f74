/*
 * core/kernels/tile_f32_avx2.c - f32 register tile on AVX2 and FMA, 6 rows x 16 columns.
 *
 * Twelve accumulators, two registers of B, one broadcast of A: fifteen of sixteen registers. Each
 * step of k costs 8 loads and 12 fused multiply-adds, so the multipliers stay the limit. The
 * accumulators are the fma chains of the contract.
 */
#include "core/kernels/tables.h"

#if OC__X86

#    include <assert.h>

#    include "core/kernels/vec_avx2.h"

#    define MR OC__AVX2_MR
#    define NR OC__AVX2_NR

/* Loops over registers must vanish at any -O level. */
#    if defined(__clang__)
#        define UNROLL _Pragma("clang loop unroll(full)")
#    else
#        define UNROLL _Pragma("GCC unroll 16")
#    endif

/* R rows x 8 V columns of a panel; R and V are constants where it is inlined. */
__attribute__((always_inline)) static inline void tile_rows(const int R, const int V, int64_t K,
                                                            const float *a, int64_t a_rs,
                                                            int64_t a_cs, const float *b, float *C,
                                                            int64_t ldc, bool accumulate)
{
    __m256 c[MR][2];
    UNROLL
    for (int m = 0; m < R; m++) {
        UNROLL
        for (int v = 0; v < V; v++)
            c[m][v] = accumulate ? _mm256_loadu_ps(C + m * ldc + 8 * v) : _mm256_setzero_ps();
        _mm_prefetch((const char *)(C + m * ldc), _MM_HINT_T0);
    }
    const float *a3 = a + 3 * a_rs; // two bases reach six rows by scaled indices
    for (int64_t k = 0; k < K; k++) {
        __m256 bv[2];
        UNROLL
        for (int v = 0; v < V; v++)
            bv[v] = _mm256_loadu_ps(b + 8 * v);
        UNROLL
        for (int m = 0; m < R; m++) {
            __m256 am = _mm256_broadcast_ss(m < 3 ? a + m * a_rs : a3 + (m - 3) * a_rs);
            UNROLL
            for (int v = 0; v < V; v++)
                c[m][v] = _mm256_fmadd_ps(am, bv[v], c[m][v]);
        }
        b += NR;
        a += a_cs;
        a3 += a_cs;
    }
    UNROLL
    for (int m = 0; m < R; m++) {
        UNROLL
        for (int v = 0; v < V; v++)
            _mm256_storeu_ps(C + m * ldc + 8 * v, c[m][v]);
    }
}

/* All shapes of a tile: 1..6 rows, one or two registers of columns. */
static void tile_any(int64_t K, const float *a, int64_t a_rs, int64_t a_cs, const float *b,
                     float *C, int64_t ldc, int32_t m_used, bool wide, bool accumulate)
{
    switch (m_used * 2 + (wide ? 1 : 0)) {
    case 6 * 2 + 1: tile_rows(6, 2, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    case 5 * 2 + 1: tile_rows(5, 2, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    case 4 * 2 + 1: tile_rows(4, 2, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    case 3 * 2 + 1: tile_rows(3, 2, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    case 2 * 2 + 1: tile_rows(2, 2, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    case 1 * 2 + 1: tile_rows(1, 2, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    case 6 * 2: tile_rows(6, 1, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    case 5 * 2: tile_rows(5, 1, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    case 4 * 2: tile_rows(4, 1, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    case 3 * 2: tile_rows(3, 1, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    case 2 * 2: tile_rows(2, 1, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    default: tile_rows(1, 1, K, a, a_rs, a_cs, b, C, ldc, accumulate); break;
    }
}

void oc_k_gemm_f32_tile_avx2(int64_t K, const float *a, int64_t a_rs, int64_t a_cs, const float *b,
                             float *C, int64_t ldc, int32_t m_used, int32_t n_used, bool accumulate)
{
    assert(m_used >= 1 && m_used <= MR && n_used >= 1 && n_used <= NR);
    bool wide = n_used > 8;
    if (n_used % 8 == 0) {
        tile_any(K, a, a_rs, a_cs, b, C, ldc, m_used, wide, accumulate);
        return;
    }
    float edge[MR * NR] = {0};
    for (int32_t m = 0; accumulate && m < m_used; m++)
        for (int32_t n = 0; n < n_used; n++)
            edge[m * NR + n] = C[m * ldc + n];
    tile_any(K, a, a_rs, a_cs, b, edge, NR, m_used, wide, accumulate);
    for (int32_t m = 0; m < m_used; m++)
        for (int32_t n = 0; n < n_used; n++)
            C[m * ldc + n] = edge[m * NR + n];
}

/* Rows j < used of eight floats (row stride js), zero rows below, to eight columns of a panel. */
static inline void transpose_8x8(const float *p, int64_t js, int32_t used, float *dst)
{
    __m256 r[8], t[8];
    UNROLL
    for (int j = 0; j < 8; j++)
        r[j] = j < used ? _mm256_loadu_ps(p + j * js) : _mm256_setzero_ps();
    UNROLL
    for (int j = 0; j < 8; j += 2) {
        t[j] = _mm256_unpacklo_ps(r[j], r[j + 1]);
        t[j + 1] = _mm256_unpackhi_ps(r[j], r[j + 1]);
    }
    UNROLL
    for (int j = 0; j < 8; j += 4) {
        r[j] = _mm256_shuffle_ps(t[j], t[j + 2], 0x44);
        r[j + 1] = _mm256_shuffle_ps(t[j], t[j + 2], 0xEE);
        r[j + 2] = _mm256_shuffle_ps(t[j + 1], t[j + 3], 0x44);
        r[j + 3] = _mm256_shuffle_ps(t[j + 1], t[j + 3], 0xEE);
    }
    UNROLL
    for (int j = 0; j < 4; j++) {
        _mm256_storeu_ps(dst + j * NR, _mm256_permute2f128_ps(r[j], r[j + 4], 0x20));
        _mm256_storeu_ps(dst + (j + 4) * NR, _mm256_permute2f128_ps(r[j], r[j + 4], 0x31));
    }
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
    __m256i m0 = vi_first(used), m1 = vi_first(used - 8);
    for (int64_t k = 0; k < K; k++, p += ks, dst += NR) {
        _mm256_storeu_ps(dst, used == NR ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, m0));
        _mm256_storeu_ps(dst + 8,
                         used == NR ? _mm256_loadu_ps(p + 8) : _mm256_maskload_ps(p + 8, m1));
    }
}

static void pack_copy_6(const float *p, int64_t ks, int64_t K, float *dst)
{
    for (int64_t k = 0; k < K; k++, p += ks, dst += MR) {
        _mm_storeu_ps(dst, _mm_loadu_ps(p));
        _mm_storel_pi((__m64 *)(void *)(dst + 4),
                      _mm_loadl_pi(_mm_setzero_ps(), (const __m64 *)(const void *)(p + 4)));
    }
}

void oc_k_pack_f32_panel_avx2(const float *p, int64_t js, int64_t ks, int64_t K, int32_t used,
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
