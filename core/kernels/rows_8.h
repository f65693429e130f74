/*
 * core/kernels/rows_8.h - row kernels over registers of eight floats, same bits as rows_ref.c.
 *
 * Text for an ISA's rows_<isa>.c, which names the kernels, OC__K(op), and includes its vec_<isa>.h
 * first. Two registers hold the sixteen lanes of a reduction. In the last, partial group of sixteen
 * only the lanes that have an element are updated (v_blend), as in the reference.
 */
#ifndef OC_KERNELS_ROWS_8_H
#define OC_KERNELS_ROWS_8_H

#include <math.h>
#include <string.h>

#include "core/kernels/drop_any.h"
#include "core/kernels/tables.h"

#include "core/kernels/vec_math.h"

void OC__K(layernorm_row)(const float *x, const float *g, const float *b, int64_t H, float eps,
                          float *y, float *mean, float *rstd)
{
    int64_t full = H & ~(int64_t)15, left = H - full;
    oc_vi m0 = vi_first(left), m1 = vi_first(left - 8);
    oc_vf s0 = v_set(0.0f), s1 = s0;
    for (int64_t i = 0; i < full; i += 16) {
        s0 = v_add(s0, v_load(x + i));
        s1 = v_add(s1, v_load(x + i + 8));
    }
    if (left) {
        s0 = v_blend(s0, v_add(s0, v_load_n(x + full, left)), m0);
        s1 = v_blend(s1, v_add(s1, v_load_n(x + full + 8, left - 8)), m1);
    }
    float mu = v_sum16(s0, s1) / (float)H;
    oc_vf vmu = v_set(mu), q0 = v_set(0.0f), q1 = q0;
    for (int64_t i = 0; i < full; i += 16) {
        oc_vf d0 = v_sub(v_load(x + i), vmu), d1 = v_sub(v_load(x + i + 8), vmu);
        q0 = v_fma(d0, d0, q0);
        q1 = v_fma(d1, d1, q1);
    }
    if (left) {
        oc_vf d0 = v_sub(v_load_n(x + full, left), vmu);
        oc_vf d1 = v_sub(v_load_n(x + full + 8, left - 8), vmu);
        q0 = v_blend(q0, v_fma(d0, d0, q0), m0);
        q1 = v_blend(q1, v_fma(d1, d1, q1), m1);
    }
    float rs = 1.0f / sqrtf(v_sum16(q0, q1) / (float)H + eps);
    oc_vf vrs = v_set(rs);
    int64_t i = 0;
    for (; i + 8 <= H; i += 8) {
        oc_vf xh = v_mul(v_sub(v_load(x + i), vmu), vrs);
        v_store(y + i, v_fma(xh, v_load(g + i), v_load(b + i)));
    }
    if (i < H) {
        oc_vf xh = v_mul(v_sub(v_load_n(x + i, H - i), vmu), vrs);
        v_store_n(y + i, v_fma(xh, v_load_n(g + i, H - i), v_load_n(b + i, H - i)), H - i);
    }
    if (mean)
        *mean = mu;
    if (rstd)
        *rstd = rs;
}

void OC__K(layernorm_bwd_row)(const float *dy, const float *x, const float *g, float mean,
                              float rstd, int64_t H, float *dx, float *dg, float *db)
{
    int64_t full = H & ~(int64_t)15, left = H - full;
    oc_vf mu = v_set(mean), rs = v_set(rstd);
    oc_vf s0 = v_set(0.0f), s1 = s0, q0 = s0, q1 = s0;
    for (int64_t i = 0; i < full; i += 16) {
        oc_vf xh0 = v_mul(v_sub(v_load(x + i), mu), rs);
        oc_vf xh1 = v_mul(v_sub(v_load(x + i + 8), mu), rs);
        oc_vf e0 = v_mul(v_load(dy + i), v_load(g + i));
        oc_vf e1 = v_mul(v_load(dy + i + 8), v_load(g + i + 8));
        s0 = v_add(s0, e0);
        s1 = v_add(s1, e1);
        q0 = v_fma(e0, xh0, q0);
        q1 = v_fma(e1, xh1, q1);
    }
    for (int half = 0; half < 2 && left > 8 * half; half++) {
        int64_t at = full + 8 * half, n = left - 8 * half;
        oc_vf xh = v_mul(v_sub(v_load_n(x + at, n), mu), rs);
        oc_vf e = v_mul(v_load_n(dy + at, n), v_load_n(g + at, n));
        oc_vf *s = half ? &s1 : &s0, *q = half ? &q1 : &q0;
        *s = v_blend(*s, v_add(*s, e), vi_first(n));
        *q = v_blend(*q, v_fma(e, xh, *q), vi_first(n));
    }
    oc_vf avg_e = v_set(v_sum16(s0, s1) / (float)H), avg_ex = v_set(v_sum16(q0, q1) / (float)H);
    int64_t i = 0;
    for (; i + 8 <= H; i += 8) {
        oc_vf xh = v_mul(v_sub(v_load(x + i), mu), rs), d = v_load(dy + i);
        oc_vf e = v_mul(d, v_load(g + i));
        v_store(dg + i, v_fma(d, xh, v_load(dg + i)));
        v_store(db + i, v_add(v_load(db + i), d));
        v_store(dx + i, v_mul(rs, v_fnma(xh, avg_ex, v_sub(e, avg_e))));
    }
    if (i < H) {
        int64_t n = H - i;
        oc_vf xh = v_mul(v_sub(v_load_n(x + i, n), mu), rs), d = v_load_n(dy + i, n);
        oc_vf e = v_mul(d, v_load_n(g + i, n));
        v_store_n(dg + i, v_fma(d, xh, v_load_n(dg + i, n)), n);
        v_store_n(db + i, v_add(v_load_n(db + i, n), d), n);
        v_store_n(dx + i, v_mul(rs, v_fnma(xh, avg_ex, v_sub(e, avg_e))), n);
    }
}

/* Lanes of the group of eight at `i` that count: inside the row and not masked away. */
static inline oc_vi keys_on(const uint8_t *mask, int64_t i, int64_t n)
{
    if (!mask)
        return vi_first(n - i);
    if (i + 8 <= n)
        return vi_mask_from_bytes(mask + i);
    uint8_t t[8] = {0};
    for (int64_t j = i; j < n; j++)
        t[j - i] = mask[j];
    return vi_mask_from_bytes(t);
}

static float max_of_keys(const float *s, const uint8_t *mask, int64_t n)
{
    oc_vf t0 = v_set(-INFINITY), t1 = t0;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        oc_vf m0 = v_max(t0, v_load(s + i)), m1 = v_max(t1, v_load(s + i + 8));
        t0 = mask ? v_blend(t0, m0, vi_mask_from_bytes(mask + i)) : m0;
        t1 = mask ? v_blend(t1, m1, vi_mask_from_bytes(mask + i + 8)) : m1;
    }
    if (i < n)
        t0 = v_blend(t0, v_max(t0, v_load_n(s + i, n - i)), keys_on(mask, i, n));
    if (i + 8 < n)
        t1 = v_blend(t1, v_max(t1, v_load_n(s + i + 8, n - i - 8)), keys_on(mask, i + 8, n));
    return v_max16(t0, t1);
}

/* e^(s - max) of the eight keys at i into s; returns it. Keys that are off get 0, which changes no
 * sum: a sum of exponentials is never -0. */
static inline oc_vf exp_of_keys(float *s, const uint8_t *mask, int64_t i, int64_t n, oc_vf max)
{
    if (i + 8 <= n) {
        oc_vf e = v_exp_neg(v_sub(v_load(s + i), max));
        if (mask)
            e = v_blend(v_set(0.0f), e, vi_mask_from_bytes(mask + i));
        v_store(s + i, e);
        return e;
    }
    oc_vf e = v_exp_neg(v_sub(v_load_n(s + i, n - i), max));
    e = v_blend(v_set(0.0f), e, keys_on(mask, i, n));
    v_store_n(s + i, e, n - i);
    return e;
}

void OC__K(softmax_row)(float *s, const uint8_t *mask, int64_t n, float *lse)
{
    float max = max_of_keys(s, mask, n);
    oc_vf vmax = v_set(max), s0 = v_set(0.0f), s1 = s0;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        s0 = v_add(s0, exp_of_keys(s, mask, i, n, vmax));
        s1 = v_add(s1, exp_of_keys(s, mask, i + 8, n, vmax));
    }
    if (i < n)
        s0 = v_add(s0, exp_of_keys(s, mask, i, n, vmax));
    if (i + 8 < n)
        s1 = v_add(s1, exp_of_keys(s, mask, i + 8, n, vmax));
    float total = v_sum16(s0, s1);
    oc_vf inv = v_set(1.0f / total);
    for (i = 0; i + 8 <= n; i += 8)
        v_store(s + i, v_mul(v_load(s + i), inv));
    if (i < n)
        v_store_n(s + i, v_mul(v_load_n(s + i, n - i), inv), n - i);
    if (lse)
        *lse = max + logf(total);
}

/* 16383 e^(s - max) of the eight keys at i, rounded, 0 for those that are off, into hi and lo; returns
 * it. */
static inline oc_vf share_of_keys(const float *s, const uint8_t *mask, int64_t i, int64_t n,
                                  oc_vf max, int8_t *hi, int8_t *lo)
{
    bool whole = i + 8 <= n;
    oc_vf e = v_whole(v_share(v_sub(whole ? v_load(s + i) : v_load_n(s + i, n - i), max)));
    if (!whole || mask)
        e = v_blend(v_set(0.0f), e, keys_on(mask, i, n));
    oc_vf h = v_share_hi(e), l = v_fnma(v_set(128.0f), h, e);
    if (whole) {
        v_store_s8(hi + i, h);
        v_store_s8(lo + i, l);
        return e;
    }
    int8_t t[2][8];
    v_store_s8(t[0], h);
    v_store_s8(t[1], l);
    memcpy(hi + i, t[0], (size_t)(n - i));
    memcpy(lo + i, t[1], (size_t)(n - i));
    return e;
}

void OC__K(softmax_s8_row)(const float *s, const uint8_t *mask, int64_t n, int64_t Kp, int8_t *hi,
                           int8_t *lo, float *scale)
{
    oc_vf max = v_set(max_of_keys(s, mask, n)), s0 = v_set(0.0f), s1 = s0;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        s0 = v_add(s0, share_of_keys(s, mask, i, n, max, hi, lo));
        s1 = v_add(s1, share_of_keys(s, mask, i + 8, n, max, hi, lo));
    }
    if (i < n)
        s0 = v_add(s0, share_of_keys(s, mask, i, n, max, hi, lo));
    if (i + 8 < n)
        s1 = v_add(s1, share_of_keys(s, mask, i + 8, n, max, hi, lo));
    memset(hi + n, 0, (size_t)(Kp - n));
    memset(lo + n, 0, (size_t)(Kp - n));
    *scale = 1.0f / v_sum16(s0, s1);
}

/* Inlined with a known f, so the loop body is f's body. */
__attribute__((always_inline)) static inline void map_row(oc_vf (*f)(oc_vf), const float *x,
                                                          int64_t n, float *y)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        v_store(y + i, f(v_load(x + i)));
    if (i < n)
        v_store_n(y + i, f(v_load_n(x + i, n - i)), n - i);
}

/* dx = dy f(x) */
__attribute__((always_inline)) static inline void scale_row(oc_vf (*f)(oc_vf), const float *dy,
                                                            const float *x, int64_t n, float *dx)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        v_store(dx + i, v_mul(v_load(dy + i), f(v_load(x + i))));
    if (i < n)
        v_store_n(dx + i, v_mul(v_load_n(dy + i, n - i), f(v_load_n(x + i, n - i))), n - i);
}

void OC__K(act_row)(oc_epilogue act, const float *x, int64_t n, float *y)
{
    switch (act) {
    case OC_EPI_NONE: memmove(y, x, (size_t)n * sizeof *y); break;
    case OC_EPI_GELU: map_row(v_gelu, x, n, y); break;
    case OC_EPI_GELU_NEW: map_row(v_gelu_new, x, n, y); break;
    case OC_EPI_RELU: map_row(v_relu, x, n, y); break;
    case OC_EPI_TANH: map_row(v_tanh, x, n, y); break;
    }
}

void OC__K(act_bwd_row)(oc_epilogue act, const float *dy, const float *x, int64_t n, float *dx)
{
    switch (act) {
    case OC_EPI_NONE: memmove(dx, dy, (size_t)n * sizeof *dx); break;
    case OC_EPI_GELU: scale_row(v_gelu_grad, dy, x, n, dx); break;
    case OC_EPI_GELU_NEW: scale_row(v_gelu_new_grad, dy, x, n, dx); break;
    case OC_EPI_RELU: scale_row(v_relu_grad, dy, x, n, dx); break;
    case OC_EPI_TANH: scale_row(v_tanh_grad, dy, x, n, dx); break;
    }
}

float OC__K(dot)(const float *a, const float *b, int64_t n)
{
    int64_t full = n & ~(int64_t)15, left = n - full;
    oc_vf s0 = v_set(0.0f), s1 = s0;
    for (int64_t i = 0; i < full; i += 16) {
        s0 = v_fma(v_load(a + i), v_load(b + i), s0);
        s1 = v_fma(v_load(a + i + 8), v_load(b + i + 8), s1);
    }
    if (left) {
        oc_vf t0 = v_fma(v_load_n(a + full, left), v_load_n(b + full, left), s0);
        oc_vf t1 = v_fma(v_load_n(a + full + 8, left - 8), v_load_n(b + full + 8, left - 8), s1);
        s0 = v_blend(s0, t0, vi_first(left));
        s1 = v_blend(s1, t1, vi_first(left - 8));
    }
    return v_sum16(s0, s1);
}

void OC__K(axpy)(float alpha, const float *x, float *y, int64_t n)
{
    oc_vf a = v_set(alpha);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        v_store(y + i, v_fma(a, v_load(x + i), v_load(y + i)));
    if (i < n)
        v_store_n(y + i, v_fma(a, v_load_n(x + i, n - i), v_load_n(y + i, n - i)), n - i);
}

typedef struct adamw_consts {
    oc_vf gs, a1, a2, b2, eps, c1, c2, shrink;
} adamw_consts;

static inline oc_vf adamw_lanes(const adamw_consts *c, oc_vf w, oc_vf g, oc_vf *m, oc_vf *v)
{
    g = v_mul(g, c->gs);
    *m = v_fma(c->a1, v_sub(g, *m), *m);
    *v = v_fma(v_mul(c->a2, g), g, v_mul(c->b2, *v));
    oc_vf step = v_div(*m, v_fma(v_sqrt(*v), c->c2, c->eps));
    return v_fnma(c->c1, step, v_mul(w, c->shrink));
}

void OC__K(adamw)(float *w, const float *g, float *m, float *v, int64_t n, float gs, float b1,
                  float b2, float eps, float c1, float c2, float decay, const uint8_t *keep)
{
    adamw_consts c = {.gs = v_set(gs),
                      .a1 = v_set(1.0f - b1),
                      .a2 = v_set(1.0f - b2),
                      .b2 = v_set(b2),
                      .eps = v_set(eps),
                      .c1 = v_set(c1),
                      .c2 = v_set(c2),
                      .shrink = v_set(1.0f - decay)};
    for (int64_t i = 0; i < n; i += 8) {
        int64_t k = n - i;
        bool whole = k >= 8;
        oc_vf vm = whole ? v_load(m + i) : v_load_n(m + i, k);
        oc_vf vv = whole ? v_load(v + i) : v_load_n(v + i, k);
        oc_vf vw = whole ? v_load(w + i) : v_load_n(w + i, k);
        vw = adamw_lanes(&c, vw, whole ? v_load(g + i) : v_load_n(g + i, k), &vm, &vv);
        if (keep)
            vw = v_blend(v_set(0.0f), vw, keys_on(keep, i, n));
        v_store_n(m + i, vm, k);
        v_store_n(v + i, vv, k);
        v_store_n(w + i, vw, k);
    }
}

/* y[0..8) += the same columns of n rows, k of them. */
static void sum_strip(const float *x, int64_t ld, int64_t n, int64_t k, float *y)
{
    oc_vf s = v_load_n(y, k);
    for (int64_t r = 0; r < n; r++)
        s = v_add(s, v_load_n(x + r * ld, k));
    v_store_n(y, s, k);
}

void OC__K(sum_rows)(const float *x, int64_t ld, int64_t n, int64_t width, float *y)
{
    int64_t i = 0;
    for (; i + 32 <= width; i += 32) {
        oc_vf s[4];
        for (int v = 0; v < 4; v++)
            s[v] = v_load(y + i + 8 * v);
        for (int64_t r = 0; r < n; r++)
            for (int v = 0; v < 4; v++)
                s[v] = v_add(s[v], v_load(x + r * ld + i + 8 * v));
        for (int v = 0; v < 4; v++)
            v_store(y + i + 8 * v, s[v]);
    }
    for (; i < width; i += 8)
        sum_strip(x + i, ld, n, width - i, y + i);
}

double OC__K(sum_squares)(const float *x, int64_t n)
{
    double lane[8], sum = 0.0;
    oc_vd s = vd_zero();
    for (int64_t i = 0; i < n; i += 8) // zeros past n add nothing
        s = vd_add_squares(s, i + 8 <= n ? v_load(x + i) : v_load_n(x + i, n - i));
    vd_store(lane, s);
    for (int i = 0; i < 8; i++)
        sum += lane[i];
    return sum;
}

void OC__K(drop_row)(uint64_t key, uint64_t word, uint32_t off, float scale, int64_t n,
                     const float *x, float *y)
{
    oc__drop_any(key, word, off, scale, n, x, y);
}

/* softmax_bwd_row of eight lanes, already loaded; on: all ones where the key counts. */
static inline void softmax_bwd(oc_vf *s, oc_vf *ds, oc_vi on, oc_vf m, oc_vf lse, oc_vf delta,
                               oc_vf scale)
{
    oc_vf p = v_blend(v_set(0.0f), v_exp_neg(v_sub(*s, lse)), on);
    *ds = v_mul(v_mul(p, v_sub(v_mul(m, *ds), delta)), scale);
    *s = v_mul(m, p);
}

void OC__K(softmax_bwd_row)(float *s, float *ds, const uint8_t *mask, const float *m, int64_t n,
                            float lse, float delta, float scale)
{
    oc_vf vl = v_set(lse), vd = v_set(delta), vs = v_set(scale), one = v_set(1.0f);
    for (int64_t i = 0; i < n; i += 8) {
        int64_t k = n - i;
        bool whole = k >= 8;
        oc_vi on = mask ? keys_on(mask, i, n) : vi_first(8);
        oc_vf a = whole ? v_load(s + i) : v_load_n(s + i, k);
        oc_vf d = whole ? v_load(ds + i) : v_load_n(ds + i, k);
        oc_vf f = !m ? one : whole ? v_load(m + i) : v_load_n(m + i, k);
        softmax_bwd(&a, &d, on, f, vl, vd, vs);
        v_store_n(s + i, a, k);
        v_store_n(ds + i, d, k);
    }
}

void OC__K(add_s8)(float scale, const int8_t *q, int64_t n, float *y)
{
    oc_vf s = v_set(scale);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        v_store(y + i, v_add(v_load(y + i), v_mul(s, v_load_s8(q + i))));
    for (; i < n; i++)
        y[i] = y[i] + scale * (float)q[i];
}

static inline void quantize_8(oc_vf x, oc_vf s, int8_t *q)
{
    v_store_s8(q, v_min(v_max(v_div(x, s), v_set(-127.0f)), v_set(127.0f)));
}

void OC__K(quantize_row)(const float *x, int64_t K, int64_t Kp, int8_t *q, float *scale)
{
    oc_vf t0 = v_set(0.0f), t1 = t0;
    int64_t i = 0;
    for (; i + 16 <= K; i += 16) {
        t0 = v_max(v_abs(v_load(x + i)), t0);
        t1 = v_max(v_abs(v_load(x + i + 8)), t1);
    }
    t0 = v_max(v_abs(v_load_n(x + i, K - i)), t0); // zeros elsewhere: no effect on a maximum
    t1 = v_max(v_abs(v_load_n(x + i + 8, K - i - 8)), t1);
    float s = v_max16(t0, t1) / 127.0f;
    if (s == 0.0f)
        s = 1.0f;
    oc_vf vs = v_set(s);
    for (i = 0; i + 8 <= K; i += 8)
        quantize_8(v_load(x + i), vs, q + i);
    if (i < K) {
        int8_t t[8];
        quantize_8(v_load_n(x + i, K - i), vs, t);
        memcpy(q + i, t, (size_t)(K - i));
    }
    memset(q + K, 0, (size_t)(Kp - K));
    *scale = s;
}

void OC__K(dequant_row)(const int32_t *acc, int64_t n, float xs, const float *ws, const float *bias,
                        float *y)
{
    oc_vf vx = v_set(xs), zero = v_set(0.0f);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        oc_vf vb = bias ? v_load(bias + i) : zero;
        v_store(y + i, v_fma(v_load_s32(acc + i), v_mul(vx, v_load(ws + i)), vb));
    }
    if (i < n) {
        int64_t k = n - i;
        oc_vf vb = bias ? v_load_n(bias + i, k) : zero;
        v_store_n(y + i, v_fma(v_load_s32_n(acc + i, k), v_mul(vx, v_load_n(ws + i, k)), vb), k);
    }
}

#endif
