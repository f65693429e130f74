/*
 * core/kernels/rows_avx512vnni.c - row kernels on AVX-512, same bits as rows_ref.c.
 *
 * A register is one group of sixteen lanes. The last, partial group goes through the same
 * operations under a mask: lanes without an element are neither read, nor summed, nor written.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_AVX512VNNI

#    include <math.h>

#    include "core/kernels/vec_avx512.h"

#    include "core/kernels/vec_math.h"

#    define ALL ((oc_vm)0xffff)

/* A known mask of all lanes becomes no mask where these are inlined. */
#    define INLINE __attribute__((always_inline)) static inline

INLINE oc_vf add_m(oc_vm m, oc_vf sum, oc_vf x)
{
    return _mm512_mask_add_ps(sum, m, sum, x);
}

/* sum + a b in the lanes of m */
INLINE oc_vf fma_m(oc_vm m, oc_vf a, oc_vf b, oc_vf sum)
{
    return _mm512_mask3_fmadd_ps(a, b, sum, m);
}

typedef struct norm {
    oc_vf mu, rs;
} norm;

INLINE oc_vf square_of_centred(oc_vm m, const float *x, oc_vf mu, oc_vf sum)
{
    oc_vf d = v_sub(v_load_m(m, x), mu);
    return fma_m(m, d, d, sum);
}

INLINE void normalize(oc_vm m, const norm *c, const float *x, const float *g, const float *b,
                      float *y)
{
    oc_vf xh = v_mul(v_sub(v_load_m(m, x), c->mu), c->rs);
    v_store_m(m, y, v_fma(xh, v_load_m(m, g), v_load_m(m, b)));
}

void oc_k_layernorm_row_avx512vnni(const float *x, const float *g, const float *b, int64_t H,
                                   float eps, float *y, float *mean, float *rstd)
{
    int64_t full = H & ~(int64_t)15;
    oc_vm tail = vm_first(H - full);
    oc_vf s = v_set(0.0f), q = s;
    for (int64_t i = 0; i < full; i += 16)
        s = v_add(s, v_load(x + i));
    s = add_m(tail, s, v_load_m(tail, x + full));
    float mu = v_sum16(s) / (float)H;
    norm c = {.mu = v_set(mu)};
    for (int64_t i = 0; i < full; i += 16)
        q = square_of_centred(ALL, x + i, c.mu, q);
    q = square_of_centred(tail, x + full, c.mu, q);
    float rs = 1.0f / sqrtf(v_sum16(q) / (float)H + eps);
    c.rs = v_set(rs);
    for (int64_t i = 0; i < full; i += 16)
        normalize(ALL, &c, x + i, g + i, b + i, y + i);
    normalize(tail, &c, x + full, g + full, b + full, y + full);
    if (mean)
        *mean = mu;
    if (rstd)
        *rstd = rs;
}

INLINE void sum_e(oc_vm m, const norm *c, const float *dy, const float *x, const float *g, oc_vf *s,
                  oc_vf *q)
{
    oc_vf xh = v_mul(v_sub(v_load_m(m, x), c->mu), c->rs);
    oc_vf e = v_mul(v_load_m(m, dy), v_load_m(m, g));
    *s = add_m(m, *s, e);
    *q = fma_m(m, e, xh, *q);
}

typedef struct averages {
    oc_vf e, ex;
} averages;

INLINE void give_back(oc_vm m, const norm *c, const averages *avg, const float *dy, const float *x,
                      const float *g, float *dx, float *dg, float *db)
{
    oc_vf xh = v_mul(v_sub(v_load_m(m, x), c->mu), c->rs), d = v_load_m(m, dy);
    oc_vf e = v_mul(d, v_load_m(m, g));
    v_store_m(m, dg, v_fma(d, xh, v_load_m(m, dg)));
    v_store_m(m, db, v_add(v_load_m(m, db), d));
    v_store_m(m, dx, v_mul(c->rs, v_fnma(xh, avg->ex, v_sub(e, avg->e))));
}

void oc_k_layernorm_bwd_row_avx512vnni(const float *dy, const float *x, const float *g, float mean,
                                       float rstd, int64_t H, float *dx, float *dg, float *db)
{
    int64_t full = H & ~(int64_t)15;
    oc_vm tail = vm_first(H - full);
    norm c = {.mu = v_set(mean), .rs = v_set(rstd)};
    oc_vf s = v_set(0.0f), q = s;
    for (int64_t i = 0; i < full; i += 16)
        sum_e(ALL, &c, dy + i, x + i, g + i, &s, &q);
    sum_e(tail, &c, dy + full, x + full, g + full, &s, &q);
    averages avg = {v_set(v_sum16(s) / (float)H), v_set(v_sum16(q) / (float)H)};
    for (int64_t i = 0; i < full; i += 16)
        give_back(ALL, &c, &avg, dy + i, x + i, g + i, dx + i, dg + i, db + i);
    give_back(tail, &c, &avg, dy + full, x + full, g + full, dx + full, dg + full, db + full);
}

/* Of the lanes m of the group at `mask`, those that are on. */
INLINE oc_vm keys_on(oc_vm m, const uint8_t *mask, int64_t i)
{
    return mask ? vm_from_bytes(m, mask + i) : m;
}

INLINE oc_vf max_of_keys(oc_vm m, const float *s, const uint8_t *mask, int64_t i, oc_vf top)
{
    return _mm512_mask_max_ps(top, keys_on(m, mask, i), top, v_load_m(m, s + i));
}

/* e^(s - max) of the keys at i into s; returns it. Keys that are off get 0, which changes no sum:
 * a sum of exponentials is never -0. */
INLINE oc_vf exp_of_keys(oc_vm m, float *s, const uint8_t *mask, int64_t i, oc_vf max)
{
    oc_vf e = v_exp_neg(v_sub(v_load_m(m, s + i), max));
    e = _mm512_maskz_mov_ps(keys_on(m, mask, i), e);
    v_store_m(m, s + i, e);
    return e;
}

float oc_k_softmax_row_avx512vnni(float *s, const uint8_t *mask, int64_t n)
{
    int64_t full = n & ~(int64_t)15;
    oc_vm tail = vm_first(n - full);
    oc_vf top = v_set(-INFINITY), sum = v_set(0.0f);
    for (int64_t i = 0; i < full; i += 16)
        top = max_of_keys(ALL, s, mask, i, top);
    if (tail)
        top = max_of_keys(tail, s, mask, full, top);
    float max = v_max16(top);
    oc_vf vmax = v_set(max);
    for (int64_t i = 0; i < full; i += 16)
        sum = v_add(sum, exp_of_keys(ALL, s, mask, i, vmax));
    if (tail)
        sum = v_add(sum, exp_of_keys(tail, s, mask, full, vmax));
    float total = v_sum16(sum);
    oc_vf inv = v_set(1.0f / total);
    for (int64_t i = 0; i < full; i += 16)
        v_store(s + i, v_mul(v_load(s + i), inv));
    v_store_m(tail, s + full, v_mul(v_load_m(tail, s + full), inv));
    return max + logf(total);
}

/* Inlined with a known f, so the loop body is f's body. */
INLINE void map_row(oc_vf (*f)(oc_vf), const float *x, int64_t n, float *y)
{
    int64_t full = n & ~(int64_t)15;
    oc_vm tail = vm_first(n - full);
    for (int64_t i = 0; i < full; i += 16)
        v_store(y + i, f(v_load(x + i)));
    if (tail)
        v_store_m(tail, y + full, f(v_load_m(tail, x + full)));
}

/* dx = dy f(x) */
INLINE void scale_row(oc_vf (*f)(oc_vf), const float *dy, const float *x, int64_t n, float *dx)
{
    int64_t full = n & ~(int64_t)15;
    oc_vm tail = vm_first(n - full);
    for (int64_t i = 0; i < full; i += 16)
        v_store(dx + i, v_mul(v_load(dy + i), f(v_load(x + i))));
    if (tail)
        v_store_m(tail, dx + full, v_mul(v_load_m(tail, dy + full), f(v_load_m(tail, x + full))));
}

void oc_k_act_row_avx512vnni(oc_epilogue act, const float *x, int64_t n, float *y)
{
    switch (act) {
    case OC_EPI_NONE: memmove(y, x, (size_t)n * sizeof *y); break;
    case OC_EPI_GELU: map_row(v_gelu, x, n, y); break;
    case OC_EPI_GELU_NEW: map_row(v_gelu_new, x, n, y); break;
    case OC_EPI_RELU: map_row(v_relu, x, n, y); break;
    case OC_EPI_TANH: map_row(v_tanh, x, n, y); break;
    }
}

void oc_k_act_bwd_row_avx512vnni(oc_epilogue act, const float *dy, const float *x, int64_t n,
                                 float *dx)
{
    switch (act) {
    case OC_EPI_NONE: memmove(dx, dy, (size_t)n * sizeof *dx); break;
    case OC_EPI_GELU: scale_row(v_gelu_grad, dy, x, n, dx); break;
    case OC_EPI_GELU_NEW: scale_row(v_gelu_new_grad, dy, x, n, dx); break;
    case OC_EPI_RELU: scale_row(v_relu_grad, dy, x, n, dx); break;
    case OC_EPI_TANH: scale_row(v_tanh_grad, dy, x, n, dx); break;
    }
}

float oc_k_dot_avx512vnni(const float *a, const float *b, int64_t n)
{
    int64_t full = n & ~(int64_t)15;
    oc_vm tail = vm_first(n - full);
    oc_vf s = v_set(0.0f);
    for (int64_t i = 0; i < full; i += 16)
        s = v_fma(v_load(a + i), v_load(b + i), s);
    return v_sum16(fma_m(tail, v_load_m(tail, a + full), v_load_m(tail, b + full), s));
}

void oc_k_axpy_avx512vnni(float alpha, const float *x, float *y, int64_t n)
{
    int64_t full = n & ~(int64_t)15;
    oc_vm tail = vm_first(n - full);
    oc_vf a = v_set(alpha);
    for (int64_t i = 0; i < full; i += 16)
        v_store(y + i, v_fma(a, v_load(x + i), v_load(y + i)));
    v_store_m(tail, y + full, v_fma(a, v_load_m(tail, x + full), v_load_m(tail, y + full)));
}

void oc_k_exp_row_avx512vnni(const float *x, int64_t n, float *y)
{
    map_row(v_exp, x, n, y);
}

typedef struct adamw_consts {
    oc_vf a1, a2, b2, eps, c1, c2, shrink;
} adamw_consts;

INLINE void adamw_lanes(oc_vm lanes, const adamw_consts *c, float *w, const float *g, float *m,
                        float *v, oc_vm keep)
{
    oc_vf vg = v_load_m(lanes, g), vm = v_load_m(lanes, m), vv = v_load_m(lanes, v);
    vm = v_fma(c->a1, v_sub(vg, vm), vm);
    vv = v_fma(v_mul(c->a2, vg), vg, v_mul(c->b2, vv));
    oc_vf step = v_div(vm, v_fma(v_sqrt(vv), c->c2, c->eps));
    oc_vf moved = v_fnma(c->c1, step, v_mul(v_load_m(lanes, w), c->shrink));
    v_store_m(lanes, m, vm);
    v_store_m(lanes, v, vv);
    v_store_m(lanes, w, _mm512_maskz_mov_ps(keep, moved));
}

void oc_k_adamw_avx512vnni(float *w, const float *g, float *m, float *v, int64_t n, float b1,
                           float b2, float eps, float c1, float c2, float decay,
                           const uint8_t *keep)
{
    adamw_consts c = {.a1 = v_set(1.0f - b1),
                      .a2 = v_set(1.0f - b2),
                      .b2 = v_set(b2),
                      .eps = v_set(eps),
                      .c1 = v_set(c1),
                      .c2 = v_set(c2),
                      .shrink = v_set(1.0f - decay)};
    int64_t full = n & ~(int64_t)15;
    oc_vm tail = vm_first(n - full);
    for (int64_t i = 0; i < full; i += 16)
        adamw_lanes(ALL, &c, w + i, g + i, m + i, v + i, keys_on(ALL, keep, i));
    if (tail)
        adamw_lanes(tail, &c, w + full, g + full, m + full, v + full, keys_on(tail, keep, full));
}

#endif
