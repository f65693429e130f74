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

/* The first n < 8 lanes. Masked stores are slow on some CPUs, copies of a size known late on all. */
static inline void store_some(float *p, __m256 v, int32_t n)
{
    __m128 x = _mm256_castps256_ps128(v);
    if (n & 4) {
        _mm_storeu_ps(p, x);
        p += 4;
        x = _mm256_extractf128_ps(v, 1);
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)(void *)p, x);
        p += 2;
        x = _mm_movehl_ps(x, x);
    }
    if (n & 1)
        _mm_store_ss(p, x);
}

/* R rows x V registers of columns of a panel, of the last of which `last` columns count; R and V are
 * constants where it is inlined. */
__attribute__((always_inline)) static inline void
tile_rows(const int R, const int V, int64_t K, const float *a, int64_t a_rs, int64_t a_cs,
          const float *b, float *C, int64_t ldc, int32_t last, bool accumulate)
{
    __m256 c[MR][2];
    UNROLL
    for (int m = 0; m < R; m++) {
        float *p = C + m * ldc;
        UNROLL
        for (int v = 0; v < V; v++)
            c[m][v] = !accumulate              ? _mm256_setzero_ps()
                      : v < V - 1 || last == 8 ? _mm256_loadu_ps(p + 8 * v)
                                               : v_load_n(p + 8 * v, last);
        _mm_prefetch((const char *)p, _MM_HINT_T0);
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
        float *p = C + m * ldc;
        UNROLL
        for (int v = 0; v < V - 1; v++)
            _mm256_storeu_ps(p + 8 * v, c[m][v]);
        if (last == 8)
            _mm256_storeu_ps(p + 8 * (V - 1), c[m][V - 1]);
        else
            store_some(p + 8 * (V - 1), c[m][V - 1], last);
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

void oc_k_gemm_f32_tile_avx2(int64_t K, const float *a, int64_t a_rs, int64_t a_cs, const float *b,
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
    __m256 c[3][8];
    UNROLL
    for (int m = 0; m < R; m++) {
        UNROLL
        for (int v = 0; v < 2 * P; v++)
            c[m][v] = accumulate ? _mm256_loadu_ps(C + m * ldc + 8 * v) : _mm256_setzero_ps();
    }
    for (int64_t k = 0; k < K; k++, a += a_cs, b += NR) {
        __m256 am[3];
        UNROLL
        for (int m = 0; m < R; m++)
            am[m] = _mm256_broadcast_ss(&a[m * a_rs]);
        UNROLL
        for (int v = 0; v < 2 * P; v++) {
            __m256 bv = _mm256_loadu_ps(b + v / 2 * step + 8 * (v % 2));
            UNROLL
            for (int m = 0; m < R; m++)
                c[m][v] = _mm256_fmadd_ps(am[m], bv, c[m][v]);
        }
    }
    UNROLL
    for (int m = 0; m < R; m++) {
        UNROLL
        for (int v = 0; v < 2 * P; v++)
            _mm256_storeu_ps(C + m * ldc + 8 * v, c[m][v]);
    }
}

void oc_k_gemm_f32_few_avx2(int64_t K, const float *a, int64_t a_rs, int64_t a_cs, const float *b,
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
