/*
 * core/kernels/tile_f32_amx.c - f32 products of three bf16 parts a side on AMX (gemm_x6.h).
 *
 * Tiles 0..3 are the sums of two by two blocks of 16 x 16, tiles 4 and 5 rows of A, 6 and 7 columns
 * of B. A step of 32 k is 15 loads and 24 tile products of 16 cycles each, which hide the loads.
 * Parts of a step: [part][half of 16 rows or columns][16 lines of 64 bytes]; a line of A is a row, of
 * B a pair of k. Pair j of the sixteen is k = j and k = j + 16, on both sides: so neither needs a
 * shuffle.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_AMX

#    include <assert.h>
#    include <immintrin.h>
#    include <string.h>

#    include "core/kernels/gemm_x6.h"

enum { LINE = 32, HALF = 16 * LINE, PART = 2 * HALF }; /* in bf16 */

/* The nearest bf16, as f32. */
static inline __m512i nearest(__m512i x)
{
    __m512i up = _mm512_add_epi32(x, _mm512_set1_epi32(0x8000));
    return _mm512_and_si512(up, _mm512_set1_epi32((int)0xffff0000U));
}

/* The upper halves of x in the lower, of y in the upper halves of each 32 bits. */
static inline void store_pairs(uint16_t *to, __m512i x, __m512i y)
{
    const __mmask32 odd = 0xaaaaaaaaU;
    _mm512_storeu_si512(to, _mm512_mask_mov_epi16(_mm512_srli_epi32(x, 16), odd, y));
}

/* One line of each part: pairs of x and y. */
static inline void split_line(uint16_t *to, __m512 x, __m512 y)
{
    for (int part = 0; part < 2; part++, to += PART) {
        __m512i hx = nearest(_mm512_castps_si512(x)), hy = nearest(_mm512_castps_si512(y));
        store_pairs(to, hx, hy);
        x = _mm512_sub_ps(x, _mm512_castsi512_ps(hx));
        y = _mm512_sub_ps(y, _mm512_castsi512_ps(hy));
    }
    store_pairs(to, _mm512_castps_si512(x), _mm512_castps_si512(y));
}

/* The first n of sixteen. */
static inline __mmask16 first(int64_t n)
{
    return n >= 16 ? (__mmask16)0xffff : n <= 0 ? (__mmask16)0 : (__mmask16)((1U << n) - 1);
}

void oc_k_x6_split_rows_amx(const float *a, int64_t lda, int64_t K, int32_t m_used, uint16_t *dst)
{
    for (int64_t k = 0; k < K; k += OC_X6_STEP, dst += OC_X6_PARTS) {
        __mmask16 low = first(K - k), high = first(K - k - 16);
        for (int32_t m = 0; m < m_used; m++) {
            const float *from = a + m * lda + k;
            split_line(dst + m * LINE, _mm512_maskz_loadu_ps(low, from),
                       _mm512_maskz_loadu_ps(high, from + 16));
        }
    }
}

void oc_k_x6_split_columns_amx(const float *b, uint16_t *dst)
{
    for (int64_t i = 0; i < 16; i++)
        for (int64_t h = 0; h < 2; h++) {
            const float *from = b + i * OC_X6_TILE + h * 16;
            split_line(dst + h * HALF + i * LINE, _mm512_loadu_ps(from),
                       _mm512_loadu_ps(from + 16 * OC_X6_TILE));
        }
}

__attribute__((always_inline)) static inline void load_rows(const bool low, const uint16_t *a)
{
    _tile_loadd(4, a, 64);
    if (low)
        _tile_loadd(5, a + HALF, 64);
}

__attribute__((always_inline)) static inline void load_columns(const bool right, const uint16_t *b)
{
    _tile_loadd(6, b, 64);
    if (right)
        _tile_loadd(7, b + HALF, 64);
}

/* C += what is loaded of A times what is loaded of B. */
__attribute__((always_inline)) static inline void multiply(const bool low, const bool right)
{
    _tile_dpbf16ps(0, 4, 6);
    if (low)
        _tile_dpbf16ps(2, 5, 6);
    if (right)
        _tile_dpbf16ps(1, 4, 7);
    if (low && right)
        _tile_dpbf16ps(3, 5, 7);
}

/* One step: hh, hm, hl, mm, mh, lh. */
__attribute__((always_inline)) static inline void six(const bool low, const bool right,
                                                      const uint16_t *a, const uint16_t *b)
{
    load_rows(low, a);
    load_columns(right, b);
    multiply(low, right);
    load_columns(right, b + PART);
    multiply(low, right);
    load_columns(right, b + 2 * PART);
    multiply(low, right);
    load_rows(low, a + PART);
    load_columns(right, b + PART);
    multiply(low, right);
    load_columns(right, b);
    multiply(low, right);
    load_rows(low, a + 2 * PART);
    multiply(low, right);
}

/* Two by two tiles, or less: a second row of tiles if `low`, a second column if `right`. */
__attribute__((always_inline)) static inline void blocks(const bool low, const bool right,
                                                         const oc_x6_tile *t, float *C, int64_t ldc)
{
    const int64_t stride = ldc * (int64_t)sizeof *C;
    if (t->accumulate) {
        _tile_loadd(0, C, stride);
        if (right)
            _tile_loadd(1, C + 16, stride);
        if (low)
            _tile_loadd(2, C + 16 * ldc, stride);
        if (low && right)
            _tile_loadd(3, C + 16 * ldc + 16, stride);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    const char *ahead = t->ahead;
    for (int32_t s = 0; s < t->n_steps; s++) {
        int64_t at = (int64_t)t->step[s] * OC_X6_PARTS;
        for (int32_t i = 0; i < t->ahead_lines; i++, ahead += 64)
            _mm_prefetch(ahead, _MM_HINT_T1);
        six(low, right, t->a + at, t->b + at);
    }
    _tile_stored(0, C, stride);
    if (right)
        _tile_stored(1, C + 16, stride);
    if (low)
        _tile_stored(2, C + 16 * ldc, stride);
    if (low && right)
        _tile_stored(3, C + 16 * ldc + 16, stride);
}

static void copy(float *to, int64_t ld_to, const float *from, int64_t ld_from, int32_t m, int32_t n)
{
    for (int32_t i = 0; i < m; i++)
        memcpy(to + i * ld_to, from + i * ld_from, (size_t)n * sizeof *to);
}

void oc_k_x6_tile_amx(const oc_x6_tile *t)
{
    assert(t->m_used >= 1 && t->m_used <= 32 && t->n_used >= 1 && t->n_used <= 32);
    _Alignas(64) float edge[32 * 32];
    bool whole = t->m_used % 16 == 0 && t->n_used % 16 == 0;
    float *C = whole ? t->C : edge;
    int64_t ldc = whole ? t->ldc : 32;
    if (!whole && t->accumulate)
        copy(edge, 32, t->C, t->ldc, t->m_used, t->n_used);
    bool low = t->m_used > 16, right = t->n_used > 16;
    if (low && right)
        blocks(true, true, t, C, ldc);
    else if (low)
        blocks(true, false, t, C, ldc);
    else if (right)
        blocks(false, true, t, C, ldc);
    else
        blocks(false, false, t, C, ldc);
    if (!whole)
        copy(t->C, t->ldc, edge, 32, t->m_used, t->n_used);
}

#endif
