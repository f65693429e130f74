/*
 * core/kernels/vec_avx512.h - sixteen floats in a register: the AVX-512 side of vec_math.h, and the
 * masked loads and stores of a row's tail. One register holds all OC_LANES of a reduction. Include
 * only from *_avx512vnni.c and *_amx.c files.
 */
#ifndef OC_KERNELS_VEC_AVX512_H
#define OC_KERNELS_VEC_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "core/base/attr.h"

typedef __m512 oc_vf;
typedef __m512i oc_vi;
typedef __mmask16 oc_vm; /* bit i: lane i counts */

/* clang-format off */
static inline oc_vf v_set(float a) { return _mm512_set1_ps(a); }
static inline oc_vf v_add(oc_vf a, oc_vf b) { return _mm512_add_ps(a, b); }
static inline oc_vf v_sub(oc_vf a, oc_vf b) { return _mm512_sub_ps(a, b); }
static inline oc_vf v_mul(oc_vf a, oc_vf b) { return _mm512_mul_ps(a, b); }
static inline oc_vf v_div(oc_vf a, oc_vf b) { return _mm512_div_ps(a, b); }
static inline oc_vf v_sqrt(oc_vf a) { return _mm512_sqrt_ps(a); }
static inline oc_vf v_fma(oc_vf a, oc_vf b, oc_vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline oc_vf v_fnma(oc_vf a, oc_vf b, oc_vf c) { return _mm512_fnmadd_ps(a, b, c); }
static inline oc_vf v_min(oc_vf a, oc_vf b) { return _mm512_min_ps(a, b); }
static inline oc_vf v_max(oc_vf a, oc_vf b) { return _mm512_max_ps(a, b); }
static inline oc_vf v_abs(oc_vf a) { return _mm512_andnot_ps(v_set(-0.0f), a); }
/* clang-format on */

static inline oc_vf v_copysign(oc_vf mag, oc_vf sign)
{
    oc_vf s = v_set(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(s, mag), _mm512_and_ps(s, sign));
}

/* a >= b ? x : y */
static inline oc_vf v_sel_ge(oc_vf a, oc_vf b, oc_vf x, oc_vf y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GE_OQ), y, x);
}

/* clang-format off */
static inline oc_vi v_bits(oc_vf a) { return _mm512_castps_si512(a); }
static inline oc_vi vi_set(int32_t a) { return _mm512_set1_epi32(a); }
static inline oc_vi vi_add(oc_vi a, oc_vi b) { return _mm512_add_epi32(a, b); }
static inline oc_vi vi_sub(oc_vi a, oc_vi b) { return _mm512_sub_epi32(a, b); }
static inline oc_vi vi_half(oc_vi a) { return _mm512_srai_epi32(a, 1); } /* floor */
/* clang-format on */

/* 2^n for n in -126..127. */
static inline oc_vf v_pow2(oc_vi n)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(vi_add(n, vi_set(127)), 23));
}

/* p * 2^n, n added to p's exponent; t holds n + 1.5 * 2^23 and the result is a normal number. */
static inline oc_vf v_scale_exponent(oc_vf p, oc_vf t)
{
    return _mm512_castsi512_ps(vi_add(v_bits(p), _mm512_slli_epi32(v_bits(t), 23)));
}

static inline oc_vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, oc_vf v)
{
    _mm512_storeu_ps(p, v);
}

/* Lanes 0..n-1; n <= 0: none, n >= 16: all. */
static inline oc_vm vm_first(int64_t n)
{
    return (oc_vm)(n <= 0 ? 0U : n >= 16 ? 0xffffU : (1U << n) - 1U);
}

/* The lanes of m, zeros elsewhere; memory of other lanes is not touched. */
static inline oc_vf v_load_m(oc_vm m, const float *p)
{
    return _mm512_maskz_loadu_ps(m, p);
}
static inline void v_store_m(oc_vm m, float *p, oc_vf v)
{
    _mm512_mask_storeu_ps(p, m, v);
}

/* yes where m, else no */
static inline oc_vf v_blend(oc_vf no, oc_vf yes, oc_vm m)
{
    return _mm512_mask_blend_ps(m, no, yes);
}

/* The lanes of m whose byte is not 0. */
static inline oc_vm vm_from_bytes(oc_vm m, const uint8_t *p)
{
    __m128i b = _mm_maskz_loadu_epi8(m, p);
    return _mm_test_epi8_mask(b, b);
}

/* The sixteen lanes combined in halves: i += i + 8, 4, 2, 1. */
static inline float v_sum16(oc_vf v)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    b = _mm_add_ss(b, _mm_shuffle_ps(b, b, 1));
    return _mm_cvtss_f32(b);
}

static inline float v_max16(oc_vf v)
{
    __m256 a = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    b = _mm_max_ss(b, _mm_shuffle_ps(b, b, 1));
    return _mm_cvtss_f32(b);
}

/* Lane j of r[i] becomes lane i of r[j]. */
static inline void v_transpose(oc_vf r[16])
{
    oc_vf t[16], u[16];
    OC_UNROLL
    for (int j = 0; j < 16; j += 2) {
        t[j] = _mm512_unpacklo_ps(r[j], r[j + 1]);
        t[j + 1] = _mm512_unpackhi_ps(r[j], r[j + 1]);
    }
    /* u[4 g + i], block b: column 4 b + i of rows 4 g .. 4 g + 3. */
    OC_UNROLL
    for (int j = 0; j < 16; j += 4) {
        u[j] = _mm512_shuffle_ps(t[j], t[j + 2], 0x44);
        u[j + 1] = _mm512_shuffle_ps(t[j], t[j + 2], 0xEE);
        u[j + 2] = _mm512_shuffle_ps(t[j + 1], t[j + 3], 0x44);
        u[j + 3] = _mm512_shuffle_ps(t[j + 1], t[j + 3], 0xEE);
    }
    /* Then 4 x 4 blocks of four floats. */
    OC_UNROLL
    for (int i = 0; i < 4; i++) {
        oc_vf lo = _mm512_shuffle_f32x4(u[i], u[4 + i], 0x44);
        oc_vf lo2 = _mm512_shuffle_f32x4(u[8 + i], u[12 + i], 0x44);
        oc_vf hi = _mm512_shuffle_f32x4(u[i], u[4 + i], 0xEE);
        oc_vf hi2 = _mm512_shuffle_f32x4(u[8 + i], u[12 + i], 0xEE);
        r[i] = _mm512_shuffle_f32x4(lo, lo2, 0x88);
        r[4 + i] = _mm512_shuffle_f32x4(lo, lo2, 0xDD);
        r[8 + i] = _mm512_shuffle_f32x4(hi, hi2, 0x88);
        r[12 + i] = _mm512_shuffle_f32x4(hi, hi2, 0xDD);
    }
}

#endif
