/*
 * core/kernels/tile_s8_amx.c - int8 kernels on AMX tiles: 32 rows x 32 columns, 64 k a step.
 *
 * Tiles 0..3 are the sums of two by two blocks of 16 x 16, tiles 4 and 5 rows of A, 6 and 7 columns
 * of B: four loads feed four products of 16*16*64. Rows prepared: [Kc/64][32 rows][64 k]; panel:
 * [Kp/64][2][16 fours of k][16 columns][4 k], Kp rounded up to 64, so that a tile is 1 KB in one
 * piece. Rows past those used hold anything: they reach no other row.
 * One row would idle most of a tile; vpdpbusd takes it, as in tile_s8_avx512vnni.c but for w + 128,
 * made of the same panels on the way.
 * Range: neither adds with saturation: sums are exact for K <= 133,144. Tiles are configured when a
 * worker begins a piece and released at its end (begin_s8, end_s8), so no thread keeps their 8 KB of
 * state alive.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_AMX

#    include <assert.h>
#    include <immintrin.h>
#    include <string.h>

#    define QMR OC__AMX_QMR
#    define QNR OC__AMX_QNR

#    if defined(__clang__)
#        define UNROLL _Pragma("clang loop unroll(full)")
#    else
#        define UNROLL _Pragma("GCC unroll 16")
#    endif

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

void oc_k_begin_s8_amx(void)
{
    _tile_loadconfig(&config);
}

void oc_k_end_s8_amx(void)
{
    _tile_release();
}

void oc_k_pack_s8_panel_amx(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                            int8_t *dst)
{
    assert(Kp % STEP == 0);
    for (int64_t k0 = 0; k0 < Kp; k0 += STEP)
        for (int64_t n0 = panel * QNR; n0 < (panel + 1) * QNR; n0 += 16)
            for (int64_t k = k0; k < k0 + STEP; k += 4)
                for (int64_t n = n0; n < n0 + 16; n++, dst += 4)
                    for (int64_t i = 0; i < 4; i++)
                        dst[i] = n < N && k + i < K ? q[n * K + k + i] : 0;
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
    UNROLL
    for (int v = 0; v < V; v++) {
        c[v][0] = _mm512_set1_epi32(start);
        if (accumulate)
            c[v][0] = _mm512_add_epi32(c[v][0], _mm512_loadu_si512(acc + 16 * v));
        c[v][1] = c[v][2] = c[v][3] = _mm512_setzero_si512();
    }
    for (int64_t k = 0; k < Kc; k += 32) { // half of two tiles
        UNROLL
        for (int v = 0; v < V; v++) {
            UNROLL
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
    UNROLL
    for (int v = 0; v < V; v++) {
        __m512i low = _mm512_add_epi32(c[v][0], c[v][1]), high = _mm512_add_epi32(c[v][2], c[v][3]);
        _mm512_storeu_si512(acc + 16 * v, _mm512_add_epi32(low, high));
    }
}

void oc_k_prepare_s8_rows_amx(const int8_t *a, int64_t lda, int64_t Kc, int32_t m_used, int8_t *dst)
{
    assert(m_used >= 1 && m_used <= QMR && Kc % 32 == 0);
    if (m_used == 1) {
        oc_k_prepare_s8_rows_avx512vnni(a, lda, Kc, 1, dst);
        return;
    }
    for (int64_t k = 0; k < Kc; k += STEP, dst += QMR * STEP) {
        __mmask64 have = Kc - k >= STEP ? ~(__mmask64)0 : 0xffffffffU;
        for (int32_t m = 0; m < m_used; m++)
            _mm512_storeu_si512(dst + m * STEP, _mm512_maskz_loadu_epi8(have, a + m * lda + k));
    }
}

/* Two by two tiles, or less: a second row of tiles if `low`, a second column if `right`. */
__attribute__((always_inline)) static inline void blocks(const bool low, const bool right,
                                                         int64_t Kc, const int8_t *a,
                                                         const int8_t *b, int32_t *acc,
                                                         int64_t ld_acc, bool accumulate)
{
    const int64_t stride = ld_acc * (int64_t)sizeof *acc;
    if (accumulate) {
        _tile_loadd(0, acc, stride);
        if (right)
            _tile_loadd(1, acc + 16, stride);
        if (low)
            _tile_loadd(2, acc + 16 * ld_acc, stride);
        if (low && right)
            _tile_loadd(3, acc + 16 * ld_acc + 16, stride);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t k = 0; k < Kc; k += STEP, a += 2 * TILE, b += 2 * TILE) {
        _tile_loadd(4, a, LINE);
        _tile_loadd(6, b, LINE);
        _tile_dpbssd(0, 4, 6);
        if (right) {
            _tile_loadd(7, b + TILE, LINE);
            _tile_dpbssd(1, 4, 7);
        }
        if (low) {
            _tile_loadd(5, a + TILE, LINE);
            _tile_dpbssd(2, 5, 6);
        }
        if (low && right)
            _tile_dpbssd(3, 5, 7);
    }
    _tile_stored(0, acc, stride);
    if (right)
        _tile_stored(1, acc + 16, stride);
    if (low)
        _tile_stored(2, acc + 16 * ld_acc, stride);
    if (low && right)
        _tile_stored(3, acc + 16 * ld_acc + 16, stride);
}

void oc_k_gemm_s8_tile_amx(int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc,
                           int64_t ld_acc, int32_t m_used, int32_t n_used, bool accumulate)
{
    assert(m_used >= 1 && m_used <= QMR && n_used >= 1 && n_used <= QNR && Kc % 32 == 0);
    if (m_used == 1) {
        if (n_used > 16)
            one_row(2, Kc, a, b, acc, accumulate);
        else
            one_row(1, Kc, a, b, acc, accumulate);
    } else if (m_used > 16) {
        if (n_used > 16)
            blocks(true, true, Kc, a, b, acc, ld_acc, accumulate);
        else
            blocks(true, false, Kc, a, b, acc, ld_acc, accumulate);
    } else if (n_used > 16) {
        blocks(false, true, Kc, a, b, acc, ld_acc, accumulate);
    } else {
        blocks(false, false, Kc, a, b, acc, ld_acc, accumulate);
    }
}

#endif
