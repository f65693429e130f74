/*
 * core/kernels/rows_ref.c - reference of the row kernels: the order of operations every ISA keeps.
 */
#include <assert.h>
#include <math.h>

#include "core/kernels/drop_any.h"
#include "core/kernels/tables.h"
#include "core/kernels/vec_ref.h"

#include "core/kernels/vec_math.h"

/* OC_LANES partial results; element i belongs to lane i % OC_LANES. */
typedef struct lanes {
    float v[OC_LANES];
} lanes;

static float lanes_sum(lanes *l)
{
    for (int half = OC_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            l->v[i] = l->v[i] + l->v[i + half];
    return l->v[0];
}

static float lanes_max(lanes *l)
{
    for (int half = OC_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            l->v[i] = v_max(l->v[i], l->v[i + half]);
    return l->v[0];
}

void oc_k_layernorm_row_ref(const float *x, const float *g, const float *b, int64_t H, float eps,
                            float *y, float *mean, float *rstd)
{
    assert(H >= 0);
    lanes s = {{0}}, q = {{0}};
    for (int64_t i = 0; i < H; i++)
        s.v[i % OC_LANES] += x[i];
    float mu = lanes_sum(&s) / (float)H;
    for (int64_t i = 0; i < H; i++) {
        float d = x[i] - mu;
        q.v[i % OC_LANES] = fmaf(d, d, q.v[i % OC_LANES]);
    }
    float rs = 1.0f / sqrtf(lanes_sum(&q) / (float)H + eps);
    for (int64_t i = 0; i < H; i++)
        y[i] = fmaf((x[i] - mu) * rs, g[i], b[i]);
    if (mean)
        *mean = mu;
    if (rstd)
        *rstd = rs;
}

/*
 * Forward: xh = (x - mean) rstd, y = xh g + b. With e = dy g:
 *   dx = rstd (e - avg(e) - xh avg(e xh)),  dg += dy xh,  db += dy
 */
void oc_k_layernorm_bwd_row_ref(const float *dy, const float *x, const float *g, float mean,
                                float rstd, int64_t H, float *dx, float *dg, float *db)
{
    assert(H >= 0);
    lanes s = {{0}}, q = {{0}};
    for (int64_t i = 0; i < H; i++) {
        float xh = (x[i] - mean) * rstd;
        float e = dy[i] * g[i];
        s.v[i % OC_LANES] += e;
        q.v[i % OC_LANES] = fmaf(e, xh, q.v[i % OC_LANES]);
    }
    float avg_e = lanes_sum(&s) / (float)H;
    float avg_ex = lanes_sum(&q) / (float)H;
    for (int64_t i = 0; i < H; i++) {
        float xh = (x[i] - mean) * rstd;
        float e = dy[i] * g[i];
        dg[i] = fmaf(dy[i], xh, dg[i]);
        db[i] = db[i] + dy[i];
        dx[i] = rstd * fmaf(-xh, avg_ex, e - avg_e);
    }
}

static float max_of_keys(const float *s, const uint8_t *mask, int64_t n)
{
    lanes top;
    for (int i = 0; i < OC_LANES; i++)
        top.v[i] = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (!mask || mask[i])
            top.v[i % OC_LANES] = v_max(top.v[i % OC_LANES], s[i]);
    return lanes_max(&top);
}

void oc_k_softmax_row_ref(float *s, const uint8_t *mask, int64_t n, float *lse)
{
    lanes sum = {{0}};
    float max = max_of_keys(s, mask, n);
    for (int64_t i = 0; i < n; i++) {
        s[i] = !mask || mask[i] ? v_exp_neg(s[i] - max) : 0.0f;
        sum.v[i % OC_LANES] += s[i];
    }
    float total = lanes_sum(&sum);
    float inv = 1.0f / total;
    for (int64_t i = 0; i < n; i++)
        s[i] = s[i] * inv;
    if (lse)
        *lse = max + logf(total);
}

void oc_k_softmax_s8_row_ref(const float *s, const uint8_t *mask, int64_t n, int64_t Kp, int8_t *hi,
                             int8_t *lo, float *scale)
{
    lanes sum = {{0}};
    float max = max_of_keys(s, mask, n);
    for (int64_t i = 0; i < n; i++) {
        float e = !mask || mask[i] ? v_whole(v_share(v_sub(s[i], max))) : 0.0f, h = v_share_hi(e);
        sum.v[i % OC_LANES] += e;
        hi[i] = (int8_t)h;
        lo[i] = (int8_t)v_fnma(128.0f, h, e);
    }
    memset(hi + n, 0, (size_t)(Kp - n));
    memset(lo + n, 0, (size_t)(Kp - n));
    *scale = 1.0f / lanes_sum(&sum);
}

void oc_k_act_row_ref(oc_epilogue act, const float *x, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i++) {
        switch (act) {
        case OC_EPI_NONE: y[i] = x[i]; break;
        case OC_EPI_GELU: y[i] = v_gelu(x[i]); break;
        case OC_EPI_GELU_NEW: y[i] = v_gelu_new(x[i]); break;
        case OC_EPI_RELU: y[i] = v_relu(x[i]); break;
        case OC_EPI_TANH: y[i] = v_tanh(x[i]); break;
        }
    }
}

void oc_k_act_bwd_row_ref(oc_epilogue act, const float *dy, const float *x, int64_t n, float *dx)
{
    for (int64_t i = 0; i < n; i++) {
        switch (act) {
        case OC_EPI_NONE: dx[i] = dy[i]; break;
        case OC_EPI_GELU: dx[i] = dy[i] * v_gelu_grad(x[i]); break;
        case OC_EPI_GELU_NEW: dx[i] = dy[i] * v_gelu_new_grad(x[i]); break;
        case OC_EPI_RELU: dx[i] = dy[i] * v_relu_grad(x[i]); break;
        case OC_EPI_TANH: dx[i] = dy[i] * v_tanh_grad(x[i]); break;
        }
    }
}

float oc_k_dot_ref(const float *a, const float *b, int64_t n)
{
    lanes s = {{0}};
    for (int64_t i = 0; i < n; i++)
        s.v[i % OC_LANES] = fmaf(a[i], b[i], s.v[i % OC_LANES]);
    return lanes_sum(&s);
}

void oc_k_axpy_ref(float alpha, const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = fmaf(alpha, x[i], y[i]);
}

void oc_k_adamw_ref(float *w, const float *g, float *m, float *v, int64_t n, float gs, float b1,
                    float b2, float eps, float c1, float c2, float decay, const uint8_t *keep)
{
    float a1 = 1.0f - b1, a2 = 1.0f - b2, shrink = 1.0f - decay;
    for (int64_t i = 0; i < n; i++) {
        float d = g[i] * gs;
        m[i] = fmaf(a1, d - m[i], m[i]);
        v[i] = fmaf(a2 * d, d, b2 * v[i]);
        float step = m[i] / fmaf(sqrtf(v[i]), c2, eps);
        float moved = fmaf(-c1, step, w[i] * shrink);
        w[i] = !keep || keep[i] ? moved : 0.0f;
    }
}

void oc_k_sum_rows_ref(const float *x, int64_t ld, int64_t n, int64_t width, float *y)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < width; i++)
            y[i] += x[r * ld + i];
}

double oc_k_sum_squares_ref(const float *x, int64_t n)
{
    double lane[8] = {0}, sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        lane[i % 8] += (double)x[i] * (double)x[i]; // the product is exact: fma gives the same
    for (int i = 0; i < 8; i++)
        sum += lane[i];
    return sum;
}

void oc_k_drop_row_ref(uint64_t key, uint64_t word, uint32_t off, float scale, int64_t n,
                       const float *x, float *y)
{
    oc__drop_any(key, word, off, scale, n, x, y);
}

void oc_k_softmax_bwd_row_ref(float *s, float *ds, const uint8_t *mask, const float *m, int64_t n,
                              float lse, float delta, float scale)
{
    for (int64_t i = 0; i < n; i++) {
        float p = !mask || mask[i] ? v_exp_neg(s[i] - lse) : 0.0f, on = m ? m[i] : 1.0f;
        ds[i] = p * (on * ds[i] - delta) * scale;
        s[i] = on * p;
    }
}

void oc_k_add_s8_ref(float scale, const int8_t *q, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = y[i] + scale * (float)q[i];
}
