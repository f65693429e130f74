/*
 * core/kernels/vec_ref.h - a "vector" of one float: the reference side of vec_math.h.
 *
 * Same names as vec_avx2.h. min and max return the second operand when the comparison is false,
 * as the x86 instructions do, so a NaN in the second operand passes through on every ISA.
 */
#ifndef OC_KERNELS_VEC_REF_H
#define OC_KERNELS_VEC_REF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef float oc_vf;
typedef int32_t oc_vi;

/* clang-format off */
static inline oc_vf v_set(float a) { return a; }
static inline oc_vf v_add(oc_vf a, oc_vf b) { return a + b; }
static inline oc_vf v_sub(oc_vf a, oc_vf b) { return a - b; }
static inline oc_vf v_mul(oc_vf a, oc_vf b) { return a * b; }
static inline oc_vf v_div(oc_vf a, oc_vf b) { return a / b; }
static inline oc_vf v_sqrt(oc_vf a) { return sqrtf(a); }
static inline oc_vf v_fma(oc_vf a, oc_vf b, oc_vf c) { return fmaf(a, b, c); }
static inline oc_vf v_fnma(oc_vf a, oc_vf b, oc_vf c) { return fmaf(-a, b, c); }
static inline oc_vf v_min(oc_vf a, oc_vf b) { return a < b ? a : b; }
static inline oc_vf v_max(oc_vf a, oc_vf b) { return a > b ? a : b; }
static inline oc_vf v_abs(oc_vf a) { return fabsf(a); }
static inline oc_vf v_copysign(oc_vf mag, oc_vf sign) { return copysignf(mag, sign); }
/* a >= b ? x : y */
static inline oc_vf v_sel_ge(oc_vf a, oc_vf b, oc_vf x, oc_vf y) { return a >= b ? x : y; }
/* clang-format on */

static inline oc_vi v_bits(oc_vf a)
{
    oc_vi i;
    memcpy(&i, &a, sizeof i);
    return i;
}

/* clang-format off */
static inline oc_vi vi_set(int32_t a) { return a; }
/* Wrap on overflow (a NaN's bits reach these), as the vector instructions do. */
static inline oc_vi vi_add(oc_vi a, oc_vi b) { return (oc_vi)((uint32_t)a + (uint32_t)b); }
static inline oc_vi vi_sub(oc_vi a, oc_vi b) { return (oc_vi)((uint32_t)a - (uint32_t)b); }
static inline oc_vi vi_half(oc_vi a) { return a >> 1; } /* floor */
/* clang-format on */

/* 2^n for n in -126..127. */
static inline oc_vf v_pow2(oc_vi n)
{
    uint32_t u = ((uint32_t)n + 127U) << 23;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* p * 2^n, n added to p's exponent; t holds n + 1.5 * 2^23 and the result is a normal number. */
static inline oc_vf v_scale_exponent(oc_vf p, oc_vf t)
{
    uint32_t u = (uint32_t)v_bits(p) + ((uint32_t)v_bits(t) << 23);
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

#endif
