/*
 * core/kernels/vec_neon.h - eight floats in two registers: the NEON side of vec_math.h, rows_8.h
 * and tile_f32_8.h. Include only from *_neon.c files.
 *
 * Kernels on NEON were held against the reference under emulation (make test-arm64), which says
 * nothing about speed: tile sizes follow from the number of registers, none was measured.
 */
#ifndef OC_KERNELS_VEC_NEON_H
#define OC_KERNELS_VEC_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

typedef struct oc_vf {
    float32x4_t lo, hi;
} oc_vf;
typedef struct oc_vi {
    int32x4_t lo, hi;
} oc_vi;

/* Four lanes: min and max return the second operand when the comparison is false (see vec_ref.h),
 * which fmin and fmax of this ISA do not. */
/* clang-format off */
static inline float32x4_t min4(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline float32x4_t max4(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }

static inline oc_vf v_set(float a) { return (oc_vf){vdupq_n_f32(a), vdupq_n_f32(a)}; }
static inline oc_vf v_add(oc_vf a, oc_vf b) { return (oc_vf){vaddq_f32(a.lo, b.lo), vaddq_f32(a.hi, b.hi)}; }
static inline oc_vf v_sub(oc_vf a, oc_vf b) { return (oc_vf){vsubq_f32(a.lo, b.lo), vsubq_f32(a.hi, b.hi)}; }
static inline oc_vf v_mul(oc_vf a, oc_vf b) { return (oc_vf){vmulq_f32(a.lo, b.lo), vmulq_f32(a.hi, b.hi)}; }
static inline oc_vf v_div(oc_vf a, oc_vf b) { return (oc_vf){vdivq_f32(a.lo, b.lo), vdivq_f32(a.hi, b.hi)}; }
static inline oc_vf v_sqrt(oc_vf a) { return (oc_vf){vsqrtq_f32(a.lo), vsqrtq_f32(a.hi)}; }
static inline oc_vf v_fma(oc_vf a, oc_vf b, oc_vf c) { return (oc_vf){vfmaq_f32(c.lo, a.lo, b.lo), vfmaq_f32(c.hi, a.hi, b.hi)}; }
static inline oc_vf v_fnma(oc_vf a, oc_vf b, oc_vf c) { return (oc_vf){vfmsq_f32(c.lo, a.lo, b.lo), vfmsq_f32(c.hi, a.hi, b.hi)}; }
/* a from its lane, which costs nothing */
static inline oc_vf v_fma1(float a, oc_vf b, oc_vf c) { return (oc_vf){vfmaq_n_f32(c.lo, b.lo, a), vfmaq_n_f32(c.hi, b.hi, a)}; }
static inline oc_vf v_min(oc_vf a, oc_vf b) { return (oc_vf){min4(a.lo, b.lo), min4(a.hi, b.hi)}; }
static inline oc_vf v_max(oc_vf a, oc_vf b) { return (oc_vf){max4(a.lo, b.lo), max4(a.hi, b.hi)}; }
static inline oc_vf v_abs(oc_vf a) { return (oc_vf){vabsq_f32(a.lo), vabsq_f32(a.hi)}; }
/* clang-format on */

static inline oc_vf v_copysign(oc_vf mag, oc_vf sign)
{
    uint32x4_t s = vdupq_n_u32(0x80000000U);
    return (oc_vf){vbslq_f32(s, sign.lo, mag.lo), vbslq_f32(s, sign.hi, mag.hi)};
}

/* a >= b ? x : y */
static inline oc_vf v_sel_ge(oc_vf a, oc_vf b, oc_vf x, oc_vf y)
{
    return (oc_vf){vbslq_f32(vcgeq_f32(a.lo, b.lo), x.lo, y.lo),
                   vbslq_f32(vcgeq_f32(a.hi, b.hi), x.hi, y.hi)};
}

/* clang-format off */
static inline oc_vi v_bits(oc_vf a) { return (oc_vi){vreinterpretq_s32_f32(a.lo), vreinterpretq_s32_f32(a.hi)}; }
static inline oc_vf v_of_bits(oc_vi a) { return (oc_vf){vreinterpretq_f32_s32(a.lo), vreinterpretq_f32_s32(a.hi)}; }
static inline oc_vi vi_set(int32_t a) { return (oc_vi){vdupq_n_s32(a), vdupq_n_s32(a)}; }
static inline oc_vi vi_add(oc_vi a, oc_vi b) { return (oc_vi){vaddq_s32(a.lo, b.lo), vaddq_s32(a.hi, b.hi)}; }
static inline oc_vi vi_sub(oc_vi a, oc_vi b) { return (oc_vi){vsubq_s32(a.lo, b.lo), vsubq_s32(a.hi, b.hi)}; }
static inline oc_vi vi_half(oc_vi a) { return (oc_vi){vshrq_n_s32(a.lo, 1), vshrq_n_s32(a.hi, 1)}; } /* floor */
static inline oc_vi vi_to_exponent(oc_vi a) { return (oc_vi){vshlq_n_s32(a.lo, 23), vshlq_n_s32(a.hi, 23)}; }
/* clang-format on */

/* 2^n for n in -126..127. */
static inline oc_vf v_pow2(oc_vi n)
{
    return v_of_bits(vi_to_exponent(vi_add(n, vi_set(127))));
}

/* p * 2^n, n added to p's exponent; t holds n + 1.5 * 2^23 and the result is a normal number. */
static inline oc_vf v_scale_exponent(oc_vf p, oc_vf t)
{
    return v_of_bits(vi_add(v_bits(p), vi_to_exponent(v_bits(t))));
}

static inline oc_vf v_load(const float *p)
{
    return (oc_vf){vld1q_f32(p), vld1q_f32(p + 4)};
}
static inline void v_store(float *p, oc_vf v)
{
    vst1q_f32(p, v.lo);
    vst1q_f32(p + 4, v.hi);
}

/* All ones in lanes 0..n-1; n <= 0: none, n >= 8: all. */
static inline oc_vi vi_first(int64_t n)
{
    static const int32_t lane[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    int32x4_t k = vdupq_n_s32(n < 0 ? 0 : n > 8 ? 8 : (int32_t)n);
    return (oc_vi){vreinterpretq_s32_u32(vcgtq_s32(k, vld1q_s32(lane))),
                   vreinterpretq_s32_u32(vcgtq_s32(k, vld1q_s32(lane + 4)))};
}

/* p[0..n) and zeros; memory past p[n) is not touched. */
static inline oc_vf v_load_n(const float *p, int64_t n)
{
    if (n >= 8)
        return v_load(p);
    float t[8] = {0};
    if (n > 0)
        memcpy(t, p, (size_t)n * sizeof *p);
    return v_load(t);
}

/* The first n lanes, n >= 1. */
static inline void v_store_n(float *p, oc_vf v, int64_t n)
{
    if (n >= 8) {
        v_store(p, v);
        return;
    }
    float32x4_t x = v.lo;
    if (n & 4) {
        vst1q_f32(p, x);
        p += 4;
        x = v.hi;
    }
    float32x2_t y = vget_low_f32(x);
    if (n & 2) {
        vst1_f32(p, y);
        p += 2;
        y = vget_high_f32(x);
    }
    if (n & 1)
        vst1_lane_f32(p, y, 0);
}

/* yes where mask, else no */
static inline oc_vf v_blend(oc_vf no, oc_vf yes, oc_vi mask)
{
    return (oc_vf){vbslq_f32(vreinterpretq_u32_s32(mask.lo), yes.lo, no.lo),
                   vbslq_f32(vreinterpretq_u32_s32(mask.hi), yes.hi, no.hi)};
}

/* Eight bytes as a lane mask: all ones where the byte is not 0. */
static inline oc_vi vi_mask_from_bytes(const uint8_t *p)
{
    uint16x8_t w = vmovl_u8(vld1_u8(p));
    uint32x4_t lo = vmovl_u16(vget_low_u16(w)), hi = vmovl_u16(vget_high_u16(w));
    return (oc_vi){vreinterpretq_s32_u32(vtstq_u32(lo, lo)),
                   vreinterpretq_s32_u32(vtstq_u32(hi, hi))};
}

/* The sixteen lanes lo (0..7) and hi (8..15) combined in halves: i += i + 8, 4, 2, 1. */
static inline float v_sum16(oc_vf lo, oc_vf hi)
{
    oc_vf a = v_add(lo, hi);
    float32x4_t b = vaddq_f32(a.lo, a.hi);
    float32x2_t c = vadd_f32(vget_low_f32(b), vget_high_f32(b));
    return vget_lane_f32(c, 0) + vget_lane_f32(c, 1);
}

static inline float v_max16(oc_vf lo, oc_vf hi)
{
    oc_vf a = v_max(lo, hi);
    float32x4_t b = max4(a.lo, a.hi);
    b = max4(b, vextq_f32(b, b, 2));
    b = max4(b, vextq_f32(b, b, 1));
    return vgetq_lane_f32(b, 0);
}

/* Eight doubles. */
typedef struct oc_vd {
    float64x2_t v[4];
} oc_vd;

static inline oc_vd vd_zero(void)
{
    float64x2_t z = vdupq_n_f64(0.0);
    return (oc_vd){{z, z, z, z}};
}

/* s + a a, widened */
static inline oc_vd vd_add_squares(oc_vd s, oc_vf a)
{
    float64x2_t d0 = vcvt_f64_f32(vget_low_f32(a.lo)), d1 = vcvt_high_f64_f32(a.lo);
    float64x2_t d2 = vcvt_f64_f32(vget_low_f32(a.hi)), d3 = vcvt_high_f64_f32(a.hi);
    return (oc_vd){{vfmaq_f64(s.v[0], d0, d0), vfmaq_f64(s.v[1], d1, d1), vfmaq_f64(s.v[2], d2, d2),
                    vfmaq_f64(s.v[3], d3, d3)}};
}

static inline void vd_store(double *p, oc_vd s)
{
    for (int i = 0; i < 4; i++)
        vst1q_f64(p + 2 * i, s.v[i]);
}

/* Eight integers as floats. */
static inline oc_vf v_load_s8(const int8_t *p)
{
    int16x8_t w = vmovl_s8(vld1_s8(p));
    return (oc_vf){vcvtq_f32_s32(vmovl_s16(vget_low_s16(w))),
                   vcvtq_f32_s32(vmovl_s16(vget_high_s16(w)))};
}
static inline oc_vf v_load_s32(const int32_t *p)
{
    return (oc_vf){vcvtq_f32_s32(vld1q_s32(p)), vcvtq_f32_s32(vld1q_s32(p + 4))};
}
static inline oc_vf v_load_s32_n(const int32_t *p, int64_t n)
{
    int32_t t[8] = {0};
    memcpy(t, p, (size_t)(n < 8 ? n : 8) * sizeof *p);
    return v_load_s32(t);
}

/* Rounded, half to even; v lies in -128..127. */
static inline void v_store_s8(int8_t *p, oc_vf v)
{
    int16x4_t lo = vmovn_s32(vcvtnq_s32_f32(v.lo)), hi = vmovn_s32(vcvtnq_s32_f32(v.hi));
    vst1_s8(p, vmovn_s16(vcombine_s16(lo, hi)));
}

/* Lane j of r[i] becomes lane i of r[j], four registers of four. */
static inline void transpose4(float32x4_t r[4])
{
    float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r[0], r[1]));
    float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(r[0], r[1]));
    float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r[2], r[3]));
    float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(r[2], r[3]));
    r[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
    r[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
    r[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
    r[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

/* The same of eight: quarters are transposed where they lie, then two change places. */
static inline void v_transpose(oc_vf r[8])
{
    float32x4_t q[4][4];
    for (int i = 0; i < 4; i++) {
        q[0][i] = r[i].lo;
        q[1][i] = r[i + 4].lo;
        q[2][i] = r[i].hi;
        q[3][i] = r[i + 4].hi;
    }
    for (int i = 0; i < 4; i++)
        transpose4(q[i]);
    for (int i = 0; i < 4; i++) {
        r[i] = (oc_vf){q[0][i], q[1][i]};
        r[i + 4] = (oc_vf){q[2][i], q[3][i]};
    }
}

#endif
