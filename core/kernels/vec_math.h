/*
 * core/kernels/vec_math.h - exp, the normal distribution (erf), tanh and the activations, once for
 * every ISA.
 *
 * Written over the names of vec_ref.h or vec_avx2.h (include one of them first), so each element
 * goes through the same operations in the same order everywhere and gets the same bits.
 * NaN gives NaN; no input gives anything undefined.
 *
 * Polynomials are split into pairs and combined by powers: half the latency of one long chain.
 * Coefficients: weighted minimax fits (Lawson's iteration on Chebyshev nodes, 40 digits) made for
 * this file; the errors stated are those of the formulas before rounding.
 */
#ifndef OC_KERNELS_VEC_MATH_H
#define OC_KERNELS_VEC_MATH_H

/* Adding 1.5 * 2^23 rounds a small float to an integer, which the low bits of the sum then hold. */
static inline oc_vf v_magic(void)
{
    return v_set(12582912.0f);
}

/*
 * x = n ln 2 + r with n = round(x / ln 2), |r| <= ln(2)/2. Returns e^r, a polynomial of degree 6
 * with relative error 2.0e-9, and n + magic in *t.
 */
static inline oc_vf v_exp_reduced(oc_vf x, oc_vf *t)
{
    *t = v_fma(x, v_set(1.44269504e+0f), v_magic());
    oc_vf n = v_sub(*t, v_magic());
    oc_vf r = v_fnma(n, v_set(6.93147182e-1f), x); // ln 2, rounded to float
    r = v_fnma(n, v_set(-1.90465421e-9f), r);      // and what was lost
    oc_vf r2 = v_mul(r, r);
    oc_vf low = v_fma(v_set(4.99999942008e-1f), r, v_set(1.00000003224e+0f));
    oc_vf mid = v_fma(v_set(4.16680023469e-2f), r, v_set(1.66664308691e-1f));
    oc_vf top = v_fma(v_set(1.38437451976e-3f), r, v_set(8.37419107072e-3f));
    oc_vf p = v_fma(v_fma(top, r2, mid), r2, low);
    return v_fma(p, r, v_set(1.0f));
}

/*
 * e^x, all x. 2^n is applied in two factors, so results below 2^-126 are rounded once and those
 * above the range become infinite.
 */
static inline oc_vf v_exp(oc_vf x)
{
    oc_vf t, p = v_exp_reduced(v_min(v_set(89.0f), v_max(v_set(-104.0f), x)), &t);
    oc_vi n = vi_sub(v_bits(t), v_bits(v_magic()));
    oc_vi n1 = vi_half(n);
    return v_mul(v_mul(p, v_pow2(n1)), v_pow2(vi_sub(n, n1)));
}

/* e^x for x <= 0, and 0 for x <= -87: n goes straight into the exponent. */
static inline oc_vf v_exp_neg(oc_vf x)
{
    oc_vf t, p = v_exp_reduced(v_max(v_set(-87.0f), x), &t);
    return v_sel_ge(v_set(-87.0f), x, v_set(0.0f), v_scale_exponent(p, t));
}

/*
 * 16383 e^x for x <= 0, of which 14 bits are wanted: 2^(n + f) with n + f = x / ln 2 + log2 16383,
 * |f| <= 1/2, 2^f of degree 4 with relative error 2.6e-6. Where it is below 1/4, and for NaN: 1/4.
 */
static inline oc_vf v_share(oc_vf x)
{
    oc_vf y = v_fma(x, v_set(1.44269504e+0f), v_set(1.39999119e+1f));
    y = v_max(y, v_set(-2.0f));
    oc_vf t = v_add(y, v_magic());
    oc_vf f = v_sub(y, v_sub(t, v_magic()));
    oc_vf p = v_fma(v_set(9.57010190905e-3f), f, v_set(5.59178603192e-2f));
    p = v_fma(p, f, v_set(2.40247448279e-1f));
    p = v_fma(p, f, v_set(6.93121814737e-1f));
    p = v_fma(p, f, v_set(9.99999261446e-1f));
    return v_scale_exponent(p, t);
}

/* Half to even. */
static inline oc_vf v_whole(oc_vf a)
{
    return v_sub(v_add(a, v_magic()), v_magic());
}

/* e / 128 without its remainder, e a whole number, 0..16383. */
static inline oc_vf v_share_hi(oc_vf e)
{
    return v_whole(v_fma(e, v_set(1.0f / 128.0f), v_set(-63.5f / 128.0f))); // a sum without error
}

/*
 * Phi(-a), the normal distribution's tail = erfc(a / sqrt 2) / 2, for 0 <= a <= 8: 2^-g with
 * g = 1 + a P(a) of degree 10, so the error is relative to the tail near 0 and shrinks with it:
 * absolute error 5.7e-9, relative 3e-4 at 6 and 0.15 at 8, where the tail is 6e-16.
 * 2^-g = 2^n 2^-h with n = round(-g), h = g + n; 2^-h of degree 6, relative error 2.0e-9.
 */
static inline oc_vf v_normal_tail(oc_vf a)
{
    oc_vf a2 = v_mul(a, a), a4 = v_mul(a2, a2);
    oc_vf c12 = v_fma(v_set(4.59216046783e-1f), a, v_set(1.15110476511e+0f));
    oc_vf c34 = v_fma(v_set(-6.95861897043e-3f), a, v_set(5.24533081016e-2f));
    oc_vf c56 = v_fma(v_set(2.82041135426e-4f), a, v_set(3.00417013011e-6f));
    oc_vf c78 = v_fma(v_set(1.15330178085e-5f), a, v_set(-7.84015155958e-5f));
    oc_vf c9a = v_fma(v_set(3.26632775983e-8f), a, v_set(-9.34136673704e-7f));
    oc_vf high = v_fma(c9a, a4, v_fma(c78, a2, c56));
    oc_vf g = v_fma(v_fma(high, a4, v_fma(c34, a2, c12)), a, v_set(1.0f));
    oc_vf t = v_sub(v_magic(), g);
    oc_vf h = v_add(g, v_sub(t, v_magic()));
    oc_vf h2 = v_mul(h, h);
    oc_vf low = v_fma(v_set(2.40226479177e-1f), h, v_set(-6.93147202844e-1f));
    oc_vf mid = v_fma(v_set(9.61843683729e-3f), h, v_set(-5.55033248782e-2f));
    oc_vf top = v_fma(v_set(1.53535125847e-4f), h, v_set(-1.33988697194e-3f));
    oc_vf p = v_fma(v_fma(v_fma(top, h2, mid), h2, low), h, v_set(1.0f));
    return v_scale_exponent(p, t);
}

/* x + x^3 P(x^2) for |x| < 0.625, relative error 4.4e-9; beyond, 1 - 2 / (e^2|x| + 1) with x's
 * sign. */
static inline oc_vf v_tanh(oc_vf x)
{
    oc_vf a = v_abs(x);
    oc_vf t = v_mul(a, a);
    oc_vf p = v_fma(v_set(-5.7048502543e-3f), t, v_set(2.06389695577e-2f));
    p = v_fma(p, t, v_set(-5.37396810977e-2f));
    p = v_fma(p, t, v_set(1.33314417762e-1f));
    p = v_fma(p, t, v_set(-3.33332819054e-1f));
    oc_vf low = v_fma(v_mul(p, t), a, a);
    oc_vf e = v_add(v_exp(v_add(a, a)), v_set(1.0f));
    oc_vf high = v_sub(v_set(1.0f), v_div(v_set(2.0f), e));
    return v_copysign(v_sel_ge(a, v_set(0.625f), high, low), x);
}

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|). Below -8 it stays at -8 Phi(-8), about -6e-15. */
static inline oc_vf v_gelu(oc_vf x)
{
    oc_vf a = v_min(v_set(8.0f), v_abs(x));
    return v_fnma(a, v_normal_tail(a), v_max(v_set(0.0f), x));
}

/* d/dx x Phi(x) = Phi(x) + x phi(x); beyond |x| = 8 as at 8, 4e-14 from 0 or 1. */
static inline oc_vf v_gelu_grad(oc_vf x)
{
    oc_vf a = v_min(v_set(8.0f), v_abs(x));
    oc_vf tail = v_normal_tail(a);
    oc_vf cdf = v_sel_ge(x, v_set(0.0f), v_sub(v_set(1.0f), tail), tail);
    oc_vf pdf = v_mul(v_set(3.98942280e-1f), v_exp_neg(v_mul(v_mul(v_set(-0.5f), a), a)));
    return v_fma(v_copysign(a, x), pdf, cdf);
}

/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
static inline oc_vf v_gelu_new(oc_vf x)
{
    oc_vf c = v_max(v_set(-64.0f), x);
    oc_vf h = v_mul(v_set(0.5f), c);
    oc_vf s = v_mul(v_set(7.97884561e-1f), c);
    oc_vf u = v_mul(s, v_fma(v_mul(v_set(0.044715f), c), c, v_set(1.0f)));
    return v_fma(h, v_tanh(u), h);
}

/*
 * (1 + t)/2 + x/2 (1 - t^2) u' with t = tanh u, u' = sqrt(2/pi) (1 + 3 * 0.044715 x^2). In terms of
 * e = exp(-2|u|), d = 1 / (1 + e): (1 - t^2)/4 = e d^2 and (1 + t)/2 is d or, for u < 0, e d. So no
 * difference of nearly equal numbers is taken.
 */
static inline oc_vf v_gelu_new_grad(oc_vf x)
{
    oc_vf c = v_min(v_set(16.0f), v_max(v_set(-16.0f), x));
    oc_vf k = v_set(7.97884561e-1f);
    oc_vf u = v_mul(v_mul(k, c), v_fma(v_mul(v_set(0.044715f), c), c, v_set(1.0f)));
    oc_vf du = v_mul(k, v_fma(v_mul(v_set(0.134145f), c), c, v_set(1.0f)));
    oc_vf e = v_exp_neg(v_mul(v_set(-2.0f), v_abs(u)));
    oc_vf d = v_div(v_set(1.0f), v_add(v_set(1.0f), e));
    oc_vf ed = v_mul(e, d);
    oc_vf half = v_sel_ge(u, v_set(0.0f), d, ed);
    return v_fma(v_mul(v_mul(v_set(2.0f), c), v_mul(ed, d)), du, half);
}

static inline oc_vf v_relu(oc_vf x)
{
    return v_max(v_set(0.0f), x);
}

/* 1 for x > 0 (and NaN), 0 for x <= 0 */
static inline oc_vf v_relu_grad(oc_vf x)
{
    return v_sel_ge(v_set(0.0f), x, v_set(0.0f), v_set(1.0f));
}

/* of the output y */
static inline oc_vf v_tanh_grad(oc_vf y)
{
    return v_fnma(y, y, v_set(1.0f));
}

#endif
