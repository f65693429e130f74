/*
 * core/kernels/vec_avx2.h - eight floats in a register: the AVX2 side of vec_math.h, rows_8.h and
 * tile_f32_8.h. Include only from *_avx2.c files.
 */
#ifndef OC_KERNELS_VEC_AVX2_H
#define OC_KERNELS_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#include "core/base/attr.h"

typedef __m256 oc_vf;
typedef __m256i oc_vi;

/* clang-format off */
static inline oc_vf v_set(float a) { return _mm256_set1_ps(a); }
static inline oc_vf v_add(oc_vf a, oc_vf b) { return _mm256_add_ps(a, b); }
static inline oc_vf v_sub(oc_vf a, oc_vf b) { return _mm256_sub_ps(a, b); }
static inline oc_vf v_mul(oc_vf a, oc_vf b) { return _mm256_mul_ps(a, b); }
static inline oc_vf v_div(oc_vf a, oc_vf b) { return _mm256_div_ps(a, b); }
static inline oc_vf v_sqrt(oc_vf a) { return _mm256_sqrt_ps(a); }
static inline oc_vf v_fma(oc_vf a, oc_vf b, oc_vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline oc_vf v_fnma(oc_vf a, oc_vf b, oc_vf c) { return _mm256_fnmadd_ps(a, b, c); }
static inline oc_vf v_fma1(float a, oc_vf b, oc_vf c) { return v_fma(v_set(a), b, c); }
static inline oc_vf v_min(oc_vf a, oc_vf b) { return _mm256_min_ps(a, b); }
static inline oc_vf v_max(oc_vf a, oc_vf b) { return _mm256_max_ps(a, b); }
static inline oc_vf v_abs(oc_vf a) { return _mm256_andnot_ps(v_set(-0.0f), a); }
/* clang-format on */

static inline oc_vf v_copysign(oc_vf mag, oc_vf sign)
{
    oc_vf s = v_set(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(s, mag), _mm256_and_ps(s, sign));
}

/* a >= b ? x : y */
static inline oc_vf v_sel_ge(oc_vf a, oc_vf b, oc_vf x, oc_vf y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GE_OQ));
}

/* clang-format off */
static inline oc_vi v_bits(oc_vf a) { return _mm256_castps_si256(a); }
static inline oc_vi vi_set(int32_t a) { return _mm256_set1_epi32(a); }
static inline oc_vi vi_add(oc_vi a, oc_vi b) { return _mm256_add_epi32(a, b); }
static inline oc_vi vi_sub(oc_vi a, oc_vi b) { return _mm256_sub_epi32(a, b); }
static inline oc_vi vi_half(oc_vi a) { return _mm256_srai_epi32(a, 1); } /* floor */
/* clang-format on */

/* 2^n for n in -126..127. */
static inline oc_vf v_pow2(oc_vi n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(vi_add(n, vi_set(127)), 23));
}

/* p * 2^n, n added to p's exponent; t holds n + 1.5 * 2^23 and the result is a normal number. */
static inline oc_vf v_scale_exponent(oc_vf p, oc_vf t)
{
    return _mm256_castsi256_ps(vi_add(v_bits(p), _mm256_slli_epi32(v_bits(t), 23)));
}

static inline oc_vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, oc_vf v)
{
    _mm256_storeu_ps(p, v);
}

/* All ones in lanes 0..n-1; n <= 0: none, n >= 8: all. */
static inline oc_vi vi_first(int64_t n)
{
    int32_t k = n < 0 ? 0 : n > 8 ? 8 : (int32_t)n;
    return _mm256_cmpgt_epi32(vi_set(k), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* p[0..n) and zeros; memory past p[n) is not touched. */
static inline oc_vf v_load_n(const float *p, int64_t n)
{
    return _mm256_maskload_ps(p, vi_first(n));
}

/* The first n lanes, n >= 1. Masked stores are slow on some CPUs, copies of a size known late on
 * all. */
static inline void v_store_n(float *p, oc_vf v, int64_t n)
{
    if (n >= 8) {
        v_store(p, v);
        return;
    }
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

/* yes where mask, else no */
static inline oc_vf v_blend(oc_vf no, oc_vf yes, oc_vi mask)
{
    return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(mask));
}

/* Eight bytes as a lane mask: all ones where the byte is not 0. */
static inline oc_vi vi_mask_from_bytes(const uint8_t *p)
{
    oc_vi b = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
    return _mm256_cmpgt_epi32(b, _mm256_setzero_si256());
}

/* The sixteen lanes lo (0..7) and hi (8..15) combined in halves: i += i + 8, 4, 2, 1. */
static inline float v_sum16(oc_vf lo, oc_vf hi)
{
    oc_vf a = v_add(lo, hi);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    b = _mm_add_ss(b, _mm_shuffle_ps(b, b, 1));
    return _mm_cvtss_f32(b);
}

static inline float v_max16(oc_vf lo, oc_vf hi)
{
    oc_vf a = v_max(lo, hi);
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    b = _mm_max_ss(b, _mm_shuffle_ps(b, b, 1));
    return _mm_cvtss_f32(b);
}

/* Eight doubles. */
typedef struct oc_vd {
    __m256d lo, hi;
} oc_vd;

static inline oc_vd vd_zero(void)
{
    return (oc_vd){_mm256_setzero_pd(), _mm256_setzero_pd()};
}

/* s + a a, widened */
static inline oc_vd vd_add_squares(oc_vd s, oc_vf a)
{
    __m256d lo = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
    __m256d hi = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    return (oc_vd){_mm256_fmadd_pd(lo, lo, s.lo), _mm256_fmadd_pd(hi, hi, s.hi)};
}

static inline void vd_store(double *p, oc_vd v)
{
    _mm256_storeu_pd(p, v.lo);
    _mm256_storeu_pd(p + 4, v.hi);
}

/* Eight integers as floats. */
static inline oc_vf v_load_s8(const int8_t *p)
{
    __m128i b = _mm_loadl_epi64((const __m128i *)(const void *)p);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(b));
}
static inline oc_vf v_load_s32(const int32_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
static inline oc_vf v_load_s32_n(const int32_t *p, int64_t n)
{
    return _mm256_cvtepi32_ps(_mm256_maskload_epi32(p, vi_first(n)));
}

/* Rounded, half to even; v lies in -128..127. */
static inline void v_store_s8(int8_t *p, oc_vf v)
{
    __m256i i = _mm256_cvtps_epi32(v);
    __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(w, w));
}

/* Lane j of r[i] becomes lane i of r[j]. */
static inline void v_transpose(oc_vf r[8])
{
    oc_vf t[8];
    OC_UNROLL
    for (int j = 0; j < 8; j += 2) {
        t[j] = _mm256_unpacklo_ps(r[j], r[j + 1]);
        t[j + 1] = _mm256_unpackhi_ps(r[j], r[j + 1]);
    }
    OC_UNROLL
    for (int j = 0; j < 8; j += 4) {
        r[j] = _mm256_shuffle_ps(t[j], t[j + 2], 0x44);
        r[j + 1] = _mm256_shuffle_ps(t[j], t[j + 2], 0xEE);
        r[j + 2] = _mm256_shuffle_ps(t[j + 1], t[j + 3], 0x44);
        r[j + 3] = _mm256_shuffle_ps(t[j + 1], t[j + 3], 0xEE);
    }
    OC_UNROLL
    for (int j = 0; j < 4; j++) {
        t[j] = _mm256_permute2f128_ps(r[j], r[j + 4], 0x20);
        t[j + 4] = _mm256_permute2f128_ps(r[j], r[j + 4], 0x31);
    }
    OC_UNROLL
    for (int j = 0; j < 8; j++)
        r[j] = t[j];
}

#endif
