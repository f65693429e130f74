/*
 * core/kernels/rows_avx512vnni.c - row kernels on AVX-512, same bits as rows_ref.c.
 *
 * A register is one group of sixteen lanes. The last, partial group goes through the same
 * operations under a mask: lanes without an element are neither read, nor summed, nor written.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_AVX512VNNI

#    include <math.h>

#    include "core/base/attr.h"
#    include "core/base/rng.h"

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

static float max_of_row(const float *s, const uint8_t *mask, int64_t n)
{
    int64_t full = n & ~(int64_t)15;
    oc_vm tail = vm_first(n - full);
    oc_vf top = v_set(-INFINITY);
    for (int64_t i = 0; i < full; i += 16)
        top = max_of_keys(ALL, s, mask, i, top);
    if (tail)
        top = max_of_keys(tail, s, mask, full, top);
    return v_max16(top);
}

void oc_k_softmax_row_avx512vnni(float *s, const uint8_t *mask, int64_t n, float *lse)
{
    int64_t full = n & ~(int64_t)15;
    oc_vm tail = vm_first(n - full);
    float max = max_of_row(s, mask, n);
    oc_vf vmax = v_set(max), sum = v_set(0.0f);
    for (int64_t i = 0; i < full; i += 16)
        sum = v_add(sum, exp_of_keys(ALL, s, mask, i, vmax));
    if (tail)
        sum = v_add(sum, exp_of_keys(tail, s, mask, full, vmax));
    float total = v_sum16(sum);
    oc_vf inv = v_set(1.0f / total);
    for (int64_t i = 0; i < full; i += 16)
        v_store(s + i, v_mul(v_load(s + i), inv));
    v_store_m(tail, s + full, v_mul(v_load_m(tail, s + full), inv));
    if (lse)
        *lse = max + logf(total);
}

/* Shares of the 64 keys from i on, or of the first n with zeros behind, into hi and lo; their sum in
 * order is added to. One store for four registers. */
INLINE void share_64(const float *s, const uint8_t *mask, int64_t i, int64_t n, oc_vf max,
                     int8_t *hi, int8_t *lo, oc_vf *sum)
{
    const oc_vi in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    oc_vi e[4];
    OC_UNROLL
    for (int v = 0; v < 4; v++) {
        bool whole = n >= 64;
        oc_vm m = whole ? ALL : vm_first(n - 16 * v);
        const float *at = s + i + 16 * v;
        e[v] = _mm512_cvtps_epi32(v_share(v_sub(whole ? v_load(at) : v_load_m(m, at), max)));
        if (!whole || mask)
            e[v] = _mm512_maskz_mov_epi32(keys_on(m, mask, i + 16 * v), e[v]);
        *sum = v_add(*sum, _mm512_cvtepi32_ps(e[v]));
    }
    oc_vi a = _mm512_packs_epi32(e[0], e[1]), b = _mm512_packs_epi32(e[2], e[3]);
    oc_vi h = _mm512_packs_epi16(_mm512_srli_epi16(a, 7), _mm512_srli_epi16(b, 7));
    oc_vi seven = _mm512_set1_epi16(127);
    oc_vi l = _mm512_packs_epi16(_mm512_and_si512(a, seven), _mm512_and_si512(b, seven));
    __mmask64 m = n >= 64 ? ~(__mmask64)0 : ~(~(__mmask64)0 << n);
    _mm512_mask_storeu_epi8(hi + i, m, _mm512_permutexvar_epi32(in_order, h));
    _mm512_mask_storeu_epi8(lo + i, m, _mm512_permutexvar_epi32(in_order, l));
}

void oc_k_softmax_s8_row_avx512vnni(const float *s, const uint8_t *mask, int64_t n, int64_t Kp,
                                    int8_t *hi, int8_t *lo, float *scale)
{
    int64_t full = n & ~(int64_t)63;
    oc_vf max = v_set(max_of_row(s, mask, n)), sum = v_set(0.0f);
    for (int64_t i = 0; i < full; i += 64)
        share_64(s, mask, i, 64, max, hi, lo, &sum);
    if (n > full)
        share_64(s, mask, full, n - full, max, hi, lo, &sum);
    memset(hi + n, 0, (size_t)(Kp - n));
    memset(lo + n, 0, (size_t)(Kp - n));
    *scale = 1.0f / v_sum16(sum);
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

typedef struct adamw_consts {
    oc_vf gs, a1, a2, b2, eps, c1, c2, shrink;
} adamw_consts;

INLINE void adamw_lanes(oc_vm lanes, const adamw_consts *c, float *w, const float *g, float *m,
                        float *v, oc_vm keep)
{
    oc_vf vg = v_mul(v_load_m(lanes, g), c->gs), vm = v_load_m(lanes, m), vv = v_load_m(lanes, v);
    vm = v_fma(c->a1, v_sub(vg, vm), vm);
    vv = v_fma(v_mul(c->a2, vg), vg, v_mul(c->b2, vv));
    oc_vf step = v_div(vm, v_fma(v_sqrt(vv), c->c2, c->eps));
    oc_vf moved = v_fnma(c->c1, step, v_mul(v_load_m(lanes, w), c->shrink));
    v_store_m(lanes, m, vm);
    v_store_m(lanes, v, vv);
    v_store_m(lanes, w, _mm512_maskz_mov_ps(keep, moved));
}

void oc_k_adamw_avx512vnni(float *w, const float *g, float *m, float *v, int64_t n, float gs,
                           float b1, float b2, float eps, float c1, float c2, float decay,
                           const uint8_t *keep)
{
    adamw_consts c = {.gs = v_set(gs),
                      .a1 = v_set(1.0f - b1),
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

void oc_k_sum_rows_avx512vnni(const float *x, int64_t ld, int64_t n, int64_t width, float *y)
{
    int64_t i = 0;
    for (; i + 64 <= width; i += 64) {
        oc_vf a = v_load(y + i), b = v_load(y + i + 16);
        oc_vf c = v_load(y + i + 32), d = v_load(y + i + 48);
        const float *p = x + i;
        for (int64_t r = 0; r < n; r++, p += ld) {
            a = v_add(a, v_load(p));
            b = v_add(b, v_load(p + 16));
            c = v_add(c, v_load(p + 32));
            d = v_add(d, v_load(p + 48));
        }
        v_store(y + i, a);
        v_store(y + i + 16, b);
        v_store(y + i + 32, c);
        v_store(y + i + 48, d);
    }
    for (; i < width; i += 16) {
        oc_vm m = vm_first(width - i);
        oc_vf s = v_load_m(m, y + i);
        for (int64_t r = 0; r < n; r++)
            s = v_add(s, v_load_m(m, x + r * ld + i));
        v_store_m(m, y + i, s);
    }
}

double oc_k_sum_squares_avx512vnni(const float *x, int64_t n)
{
    double lane[8], sum = 0.0;
    __m512d s = _mm512_setzero_pd();
    for (int64_t i = 0; i < n; i += 8) {
        __mmask8 m = (__mmask8)vm_first(OC_MIN(8, n - i)); // 0 adds nothing
        __m512d a = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(m, x + i));
        s = _mm512_fmadd_pd(a, a, s);
    }
    _mm512_storeu_pd(lane, s);
    for (int i = 0; i < 8; i++)
        sum += lane[i];
    return sum;
}

/* oc_mix64 of eight counters. */
INLINE __m512i mix64(__m512i z)
{
    z = _mm512_add_epi64(z, _mm512_set1_epi64((int64_t)0x9e3779b97f4a7c15u));
    z = _mm512_xor_si512(z, _mm512_srli_epi64(z, 30));
    z = _mm512_mullo_epi64(z, _mm512_set1_epi64((int64_t)0xbf58476d1ce4e5b9u));
    z = _mm512_xor_si512(z, _mm512_srli_epi64(z, 27));
    z = _mm512_mullo_epi64(z, _mm512_set1_epi64((int64_t)0x94d049bb133111ebu));
    return _mm512_xor_si512(z, _mm512_srli_epi64(z, 31));
}

void oc_k_drop_row_avx512vnni(uint64_t key, uint64_t word, uint32_t off, float scale, int64_t n,
                              const float *x, float *y)
{
    const uint64_t step = 0xd1342543de82ef95u; // of oc_rng_at
    __m512i seed = _mm512_set1_epi64((int64_t)oc_mix64(key)), at, eight;
    at = _mm512_add_epi64(_mm512_set1_epi64((int64_t)word),
                          _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
    at = _mm512_mullo_epi64(at, _mm512_set1_epi64((int64_t)step));
    eight = _mm512_set1_epi64((int64_t)(8 * step));
    __m512i least = _mm512_set1_epi16((int16_t)off);
    oc_vf s = v_set(scale);
    for (int64_t i = 0; i < n; i += 32, at = _mm512_add_epi64(at, eight)) {
        __mmask32 on = _mm512_cmpge_epu16_mask(mix64(_mm512_xor_si512(seed, at)), least);
        oc_vf a = _mm512_maskz_mov_ps((oc_vm)on, s), b = _mm512_maskz_mov_ps((oc_vm)(on >> 16), s);
        oc_vm lo = vm_first(n - i), hi = vm_first(n - i - 16);
        if (x) {
            a = v_mul(a, v_load_m(lo, x + i));
            b = v_mul(b, v_load_m(hi, x + i + 16));
        }
        v_store_m(lo, y + i, a);
        v_store_m(hi, y + i + 16, b);
    }
}

typedef struct softmax_consts {
    oc_vf lse, delta, scale;
} softmax_consts;

INLINE void softmax_bwd(oc_vm lanes, const softmax_consts *c, float *s, float *ds, oc_vm on,
                        oc_vf m)
{
    oc_vf p = _mm512_maskz_mov_ps(on, v_exp_neg(v_sub(v_load_m(lanes, s), c->lse)));
    oc_vf d = v_sub(v_mul(m, v_load_m(lanes, ds)), c->delta);
    v_store_m(lanes, ds, v_mul(v_mul(p, d), c->scale));
    v_store_m(lanes, s, v_mul(m, p));
}

void oc_k_softmax_bwd_row_avx512vnni(float *s, float *ds, const uint8_t *mask, const float *m,
                                     int64_t n, float lse, float delta, float scale)
{
    softmax_consts c = {v_set(lse), v_set(delta), v_set(scale)};
    int64_t full = n & ~(int64_t)15;
    oc_vm tail = vm_first(n - full);
    oc_vf one = v_set(1.0f);
    for (int64_t i = 0; i < full; i += 16)
        softmax_bwd(ALL, &c, s + i, ds + i, keys_on(ALL, mask, i), m ? v_load(m + i) : one);
    if (tail)
        softmax_bwd(tail, &c, s + full, ds + full, keys_on(tail, mask, full),
                    m ? v_load_m(tail, m + full) : one);
}

void oc_k_add_s8_avx512vnni(float scale, const int8_t *q, int64_t n, float *y)
{
    oc_vf s = v_set(scale);
    for (int64_t i = 0; i < n; i += 16) {
        oc_vm m = vm_first(n - i);
        oc_vi b = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(m, q + i));
        v_store_m(m, y + i, v_add(v_load_m(m, y + i), v_mul(s, _mm512_cvtepi32_ps(b))));
    }
}

#endif
