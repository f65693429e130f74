/*
 * core/kernels/tile_s8_amx.c - what products on AMX share, and int8 products of single rows.
 *
 * Panel: [Kp/64][2][16 fours of k][16 columns][4 k], Kp rounded up to 64: 1 KB in one piece is what
 * a tile register holds of B (gemm_s8_amx.c). One row would idle most of a tile: vpdpbusd takes it,
 * as in tile_s8_avx512vnni.c but for w + 128, made of the same panels on the way.
 * Range: as there.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_AMX

#    include <assert.h>
#    include <immintrin.h>
#    include <string.h>

#    include "core/base/attr.h"
#    include "core/kernels/pack_quads_512.h"

#    define QNR OC__AMX_QNR

enum { STEP = 64, TILE = 1024, LINE = 64, HEAD = 64 };

/* In memory of its own: compilers take _tile_loadconfig to read eight bytes only. */
static const struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} config = {.palette = 1,
            .row_bytes = {LINE, LINE, LINE, LINE, LINE, LINE, LINE, LINE},
            .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
static_assert(sizeof config == 64, "as the CPU reads it");

void oc_k_begin_tiles_amx(void)
{
    _tile_loadconfig(&config);
}

void oc_k_end_tiles_amx(void)
{
    _tile_release();
}

void oc_k_pack_s8_panel_amx(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                            int8_t *dst)
{
    assert(Kp % STEP == 0);
    for (int64_t k = 0; k < Kp; k += STEP)
        for (int64_t n = panel * QNR; n < (panel + 1) * QNR; n += 16, dst += TILE)
            oc__pack_quads_512(q, N, K, n, k, 0, dst, LINE, 16);
}

/* One row x V sixteens of columns; V is a constant where it is inlined. */
__attribute__((always_inline)) static inline void
one_row(const int V, int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc, bool accumulate)
{
    const __m512i offset = _mm512_set1_epi8(-128); // 128, unsigned
    __m512i c[2][4];                               // four sums: chains enough
    int32_t start;
    memcpy(&start, a, sizeof start);
    a += HEAD;
    OC_UNROLL
    for (int v = 0; v < V; v++) {
        c[v][0] = _mm512_set1_epi32(start);
        if (accumulate)
            c[v][0] = _mm512_add_epi32(c[v][0], _mm512_loadu_si512(acc + 16 * v));
        c[v][1] = c[v][2] = c[v][3] = _mm512_setzero_si512();
    }
    for (int64_t k = 0; k < Kc; k += 32) { // half of two tiles
        OC_UNROLL
        for (int v = 0; v < V; v++) {
            OC_UNROLL
            for (int i = 0; i < 8; i++) {
                int32_t four;
                memcpy(&four, a + 4 * i, sizeof four);
                __m512i w = _mm512_loadu_si512(b + TILE * v + LINE * i);
                c[v][i % 4] = _mm512_dpbusd_epi32(c[v][i % 4], _mm512_xor_si512(offset, w),
                                                  _mm512_set1_epi32(four));
            }
        }
        a += 32;
        b += k % STEP == 0 ? TILE / 2 : 2 * TILE - TILE / 2;
    }
    OC_UNROLL
    for (int v = 0; v < V; v++) {
        __m512i low = _mm512_add_epi32(c[v][0], c[v][1]), high = _mm512_add_epi32(c[v][2], c[v][3]);
        _mm512_storeu_si512(acc + 16 * v, _mm512_add_epi32(low, high));
    }
}

void oc_k_prepare_s8_rows_amx(const int8_t *a, int64_t lda, int64_t Kc, int32_t m_used, int8_t *dst)
{
    assert(m_used == 1);
    oc_k_prepare_s8_rows_avx512vnni(a, lda, Kc, m_used, dst);
}

void oc_k_gemm_s8_tile_amx(int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc,
                           int64_t ld_acc, int32_t m_used, int32_t n_used, bool accumulate)
{
    (void)ld_acc;
    assert(m_used == 1 && n_used >= 1 && n_used <= QNR && Kc % 32 == 0);
    if (n_used > 16)
        one_row(2, Kc, a, b, acc, accumulate);
    else
        one_row(1, Kc, a, b, acc, accumulate);
}

#endif
