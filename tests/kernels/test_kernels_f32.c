/* f32 row kernels: every ISA against the reference bit for bit, and against double. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "tests/kernels/kernels_testing.h"

/* Largest |error| / max(1, |exact|) against double, over all sizes; inputs in (-3, 3). */
#define LAYERNORM_ABS     1e-6 /* observed 1.7e-7 */
#define LAYERNORM_BWD_ABS 1e-6 /* observed 1.3e-7 */
#define SOFTMAX_ABS       4e-7 /* absolute; observed 8.3e-8 */
#define LSE_ABS           4e-7 /* observed 6.0e-8 */
#define DOT_ABS           4e-7 /* relative to sum |a b|; observed 5.7e-8 */
#define ADAMW_ABS         1e-7 /* weights of 0.05; observed 1.3e-8 */
/* Backward against central differences of the forward in double. */
#define FINITE_DIFF_ABS 1e-6 /* observed 1.8e-7 */

enum { BIG = 313, N_IN = 6, N_OUT = 4 };

/* One call of a kernel: inputs by row, outputs by row (prefilled), n elements. */
typedef struct call {
    const oc_kernels *k;
    float *in[N_IN];
    float *out[N_OUT];
    uint8_t mask[BIG];
    bool use_mask;
    oc_epilogue act;
    int64_t n;
    float extra[4]; /* scalars out */
} call;

typedef void (*kernel_fn)(call *c);

static void do_layernorm(call *c)
{
    c->k->layernorm_row(c->in[0], c->in[1], c->in[2], c->n, 1e-12f, c->out[0], &c->extra[0],
                        &c->extra[1]);
}
static void do_layernorm_in_place(call *c)
{
    if (c->n)
        memcpy(c->out[0], c->in[0], (size_t)c->n * sizeof(float));
    c->k->layernorm_row(c->out[0], c->in[1], c->in[2], c->n, 1e-5f, c->out[0], NULL, NULL);
}
static void do_layernorm_bwd(call *c)
{
    c->k->layernorm_bwd_row(c->in[0], c->in[1], c->in[2], 0.25f, 0.7f, c->n, c->out[0], c->out[1],
                            c->out[2]);
}
static void do_layernorm_bwd_in_place(call *c) /* dx aliases dy */
{
    if (c->n)
        memcpy(c->out[0], c->in[0], (size_t)c->n * sizeof(float));
    c->k->layernorm_bwd_row(c->out[0], c->in[1], c->in[2], 0.25f, 0.7f, c->n, c->out[0], c->out[1],
                            c->out[2]);
}
static void do_softmax(call *c)
{
    c->k->softmax_row(c->out[0], c->use_mask ? c->mask : NULL, c->n, &c->extra[0]);
}
static void do_softmax_s8(call *c) /* bytes into rows of floats */
{
    c->k->softmax_s8_row(c->in[0], c->use_mask ? c->mask : NULL, c->n, c->n + c->n / 2,
                         (int8_t *)c->out[0], (int8_t *)c->out[1], &c->extra[0]);
}
static void do_act(call *c)
{
    c->k->act_row(c->act, c->in[0], c->n, c->out[0]);
}
static void do_act_in_place(call *c)
{
    c->k->act_row(c->act, c->out[0], c->n, c->out[0]);
}
static void do_act_bwd(call *c)
{
    c->k->act_bwd_row(c->act, c->in[0], c->in[1], c->n, c->out[0]);
}
static void do_act_bwd_in_place(call *c)
{
    c->k->act_bwd_row(c->act, c->out[0], c->in[1], c->n, c->out[0]);
}
static void do_dot(call *c)
{
    c->extra[0] = c->k->dot(c->in[0], c->in[1], c->n);
}
static void do_axpy(call *c)
{
    c->k->axpy(-0.37f, c->in[0], c->out[0], c->n);
}
static void do_adamw(call *c)
{
    for (int64_t i = 0; i < c->n; i++)
        c->out[2][i] = fabsf(c->out[2][i]); // second moments are not negative
    c->k->adamw(c->out[0], c->in[0], c->out[1], c->out[2], c->n, 0.7f, 0.9f, 0.999f, 1e-8f, 3e-3f,
                1.7f, 1e-4f, c->use_mask ? c->mask : NULL);
}

static void
do_sum_rows(call *c) // the columns of n rows of one float, of half of n, and of the rest
{
    int64_t half = c->n / 2;
    c->k->sum_rows(c->in[0], 1, c->n, c->n > 0, c->out[0]);
    c->k->sum_rows(c->in[1], half, 2, half, c->out[1]);
    c->k->sum_rows(c->in[2], 0, 3, c->n, c->out[2]);
}
static void do_sum_squares(call *c)
{
    double s = c->k->sum_squares(c->in[0], c->n);
    memcpy(c->extra, &s, sizeof s);
}
static void do_drop(call *c)
{
    c->k->drop_row(99, 12345678901, 6554, 1.1f, c->n, c->in[0], c->out[0]);
    c->k->drop_row(7, 3, 65535, 65536.0f, c->n, c->out[1], c->out[1]);
}
static void do_drop_mask(call *c)
{
    c->k->drop_row(UINT64_MAX, UINT64_MAX - 2, 32768, 2.0f, c->n, NULL, c->out[0]);
}

static void do_add_s8(call *c)
{
    c->k->add_s8(0.0173f, (const int8_t *)c->in[0], c->n, c->out[0]);
}
static void do_softmax_bwd(call *c)
{
    const uint8_t *mask = c->use_mask ? c->mask : NULL;
    c->k->softmax_bwd_row(c->out[0], c->out[1], mask, NULL, c->n, 1.3f, 0.2f, 0.125f);
}
static void do_softmax_bwd_drop(call *c)
{
    const uint8_t *mask = c->use_mask ? c->mask : NULL;
    c->k->softmax_bwd_row(c->out[0], c->out[1], mask, c->in[0], c->n, 1.3f, 0.2f, 0.125f);
}

/* Run on fresh buffers `shift` floats off alignment; results are copied to flat[N_OUT][BIG]. */
static void run(kernel_fn fn, const oc_kernels *k, int64_t n, int64_t shift, float scale,
                uint64_t seed, bool use_mask, oc_epilogue act, float *flat, float extra[4])
{
    kt_buf in[N_IN], out[N_OUT];
    call c = {.k = k, .n = n, .use_mask = use_mask, .act = act};
    for (int i = 0; i < N_IN; i++) {
        in[i] = kt_buf_new(n, (shift + i) % 8);
        kt_fill(in[i].p, n, seed + (uint64_t)i, scale);
        c.in[i] = in[i].p;
    }
    for (int i = 0; i < N_OUT; i++) {
        out[i] = kt_buf_new(n, (shift + 3 * i) % 8);
        kt_fill(out[i].p, n, seed + 100 + (uint64_t)i, scale);
        c.out[i] = out[i].p;
    }
    for (int64_t i = 0; i < n; i++)
        c.mask[i] = oc_rng_at(seed + 7, (uint64_t)i) % 3 != 0;
    if (n > 0)
        c.mask[(int64_t)(seed % (uint64_t)n)] = 1; // some key is on
    fn(&c);
    for (int i = 0; i < N_OUT; i++) {
        if (n)
            memcpy(flat + i * BIG, c.out[i], (size_t)n * sizeof(float));
        kt_buf_free(&out[i]);
    }
    for (int i = 0; i < N_IN; i++)
        kt_buf_free(&in[i]);
    memcpy(extra, c.extra, sizeof c.extra);
}

static void hold_against_ref(kernel_fn fn, const char *what, bool use_mask, oc_epilogue act)
{
    const oc_kernels *others[OC_N_ISAS], *ref = oc_kernels_for(OC_ISA_REF);
    int n_others = kt_others(others);
    static float want[N_OUT * BIG], got[N_OUT * BIG];
    static const float scales[] = {1.0f, 3.0f, 30.0f, 1e-30f, 1e15f};
    for (int o = 0; o < n_others; o++)
        for (int s = 0; s < KT_N_SIZES; s++)
            for (int z = 0; z < OC_COUNT(scales); z++)
                for (int64_t shift = 0; shift < 3; shift++) {
                    int64_t n = kt_sizes[s];
                    float we[4], ge[4];
                    uint64_t seed = (uint64_t)(n * 100 + z * 10 + shift);
                    memset(want, 0, sizeof want);
                    memset(got, 0, sizeof got);
                    run(fn, ref, n, shift, scales[z], seed, use_mask, act, want, we);
                    run(fn, others[o], n, shift + 1, scales[z], seed, use_mask, act, got, ge);
                    if (n == 0)
                        continue; // nothing is written; scalars of an empty row mean nothing
                    kt_same_bits(want, got, N_OUT * BIG, what, n);
                    kt_same_bits(we, ge, 4, what, n);
                }
}

static void isas_agree_bit_for_bit(void **state)
{
    (void)state;
    hold_against_ref(do_layernorm, "layernorm", false, OC_EPI_NONE);
    hold_against_ref(do_layernorm_in_place, "layernorm in place", false, OC_EPI_NONE);
    hold_against_ref(do_layernorm_bwd, "layernorm backward", false, OC_EPI_NONE);
    hold_against_ref(do_layernorm_bwd_in_place, "layernorm backward in place", false, OC_EPI_NONE);
    hold_against_ref(do_softmax, "softmax", false, OC_EPI_NONE);
    hold_against_ref(do_softmax, "softmax with mask", true, OC_EPI_NONE);
    hold_against_ref(do_softmax_s8, "int8 softmax", false, OC_EPI_NONE);
    hold_against_ref(do_softmax_s8, "int8 softmax with mask", true, OC_EPI_NONE);
    for (int a = OC_EPI_NONE; a <= OC_EPI_TANH; a++) {
        hold_against_ref(do_act, "activation", false, (oc_epilogue)a);
        hold_against_ref(do_act_in_place, "activation in place", false, (oc_epilogue)a);
        hold_against_ref(do_act_bwd, "activation backward", false, (oc_epilogue)a);
        hold_against_ref(do_act_bwd_in_place, "activation backward in place", false,
                         (oc_epilogue)a);
    }
    hold_against_ref(do_dot, "dot", false, OC_EPI_NONE);
    hold_against_ref(do_axpy, "axpy", false, OC_EPI_NONE);
    hold_against_ref(do_adamw, "adamw", false, OC_EPI_NONE);
    hold_against_ref(do_adamw, "adamw with keep", true, OC_EPI_NONE);
    hold_against_ref(do_sum_rows, "sum of rows", false, OC_EPI_NONE);
    hold_against_ref(do_sum_squares, "sum of squares", false, OC_EPI_NONE);
    hold_against_ref(do_drop, "dropout", false, OC_EPI_NONE);
    hold_against_ref(do_drop_mask, "dropout mask", false, OC_EPI_NONE);
    hold_against_ref(do_add_s8, "add int8", false, OC_EPI_NONE);
    hold_against_ref(do_softmax_bwd, "softmax backward", false, OC_EPI_NONE);
    hold_against_ref(do_softmax_bwd, "softmax backward with mask", true, OC_EPI_NONE);
    hold_against_ref(do_softmax_bwd_drop, "softmax and dropout backward", true, OC_EPI_NONE);
}

/* In place and out of place are the same computation. */
static void aliasing_changes_nothing(void **state)
{
    (void)state;
    static float a[N_OUT * BIG], b[N_OUT * BIG];
    float ea[4], eb[4];
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        for (int s = 0; k && s < KT_N_SIZES; s++) {
            run(do_layernorm_bwd, k, kt_sizes[s], 0, 1, 5, false, OC_EPI_NONE, a, ea);
            run(do_layernorm_bwd_in_place, k, kt_sizes[s], 0, 1, 5, false, OC_EPI_NONE, b, eb);
            kt_same_bits(a, b, kt_sizes[s], "dx", kt_sizes[s]);
        }
    }
}

/* Special values in each position of a row: the same class of result on every ISA. */
static void special_values_agree(void **state)
{
    (void)state;
    static const float special[] = {0.0f,    -0.0f,    INFINITY, -INFINITY, NAN,
                                    FLT_MAX, -FLT_MAX, FLT_MIN,  1e-45f,    -1e-45f,
                                    88.8f,   -103.9f,  8.0f,     -8.0f,     0.625f};
    const oc_kernels *others[OC_N_ISAS], *ref = oc_kernels_for(OC_ISA_REF);
    int n_others = kt_others(others);
    for (int o = 0; o < n_others; o++)
        for (int a = OC_EPI_NONE; a <= OC_EPI_TANH; a++)
            for (int v = 0; v < OC_COUNT(special); v++)
                for (int64_t at = 0; at < 19; at++) {
                    float x[19], dy[19], want[2][19], got[2][19];
                    kt_fill(x, 19, 3, 1.0f);
                    kt_fill(dy, 19, 4, 1.0f);
                    x[at] = special[v];
                    const oc_kernels *ks[2] = {ref, others[o]};
                    for (int i = 0; i < 2; i++) {
                        float *y = i ? got[0] : want[0], *dx = i ? got[1] : want[1];
                        ks[i]->act_row((oc_epilogue)a, x, 19, y);
                        ks[i]->act_bwd_row((oc_epilogue)a, dy, x, 19, dx);
                    }
                    for (int r = 0; r < 2; r++)
                        for (int i = 0; i < 19; i++) // a NaN's bits may differ, that it is one not
                            assert_true((isnan(want[r][i]) && isnan(got[r][i])) ||
                                        memcmp(&want[r][i], &got[r][i], sizeof(float)) == 0);
                }
}

static double rel(double got, double want)
{
    return fabs(got - want) / fmax(1.0, fabs(want));
}

static void bound(const char *what, double e, double limit)
{
    print_message("%s: largest error %.3g (bound %.3g)\n", what, e, limit);
    if (!(e <= limit))
        fail_msg("%s: error %g is above %g", what, e, limit);
}

static void layernorm_d(const double *x, const float *g, const float *b, int64_t n, double *y)
{
    double mean = 0, var = 0;
    for (int64_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        var += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) / sqrt(var + 1e-12) * (double)g[i] + (b ? (double)b[i] : 0.0);
}

static void layernorm_is_accurate(void **state)
{
    (void)state;
    double top = 0;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        for (int s = 2; k && s < KT_N_SIZES; s++) {
            float x[BIG], g[BIG], b[BIG], y[BIG], mean, rstd;
            double xd[BIG], yd[BIG];
            int64_t n = kt_sizes[s];
            kt_fill(x, n, (uint64_t)n, 3.0f);
            kt_fill(g, n, 1, 1.0f);
            kt_fill(b, n, 2, 1.0f);
            for (int64_t i = 0; i < n; i++)
                xd[i] = (double)(x[i] += 1.0f);
            k->layernorm_row(x, g, b, n, 1e-12f, y, &mean, &rstd);
            layernorm_d(xd, g, b, n, yd);
            for (int64_t i = 0; i < n; i++)
                top = fmax(top, rel((double)y[i], yd[i]));
        }
    }
    bound("layernorm", top, LAYERNORM_ABS);
    /* A constant row has variance 0: the result is b, finite thanks to eps. */
    float x[20], one[20], b[20], y[20], rstd;
    for (int i = 0; i < 20; i++)
        x[i] = 2.5f, one[i] = 1.0f, b[i] = (float)i;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        if (!k)
            continue;
        k->layernorm_row(x, one, b, 20, 1e-12f, y, NULL, &rstd);
        for (int i = 0; i < 20; i++)
            assert_true(y[i] == (float)i);
        assert_true(fabsf(rstd - 1e6f) < 1.0f);
    }
}

/* dL/dx of L = sum dy y by central differences. */
static void layernorm_backward_is_the_derivative(void **state)
{
    (void)state;
    double top = 0, top_exact = 0;
    static const int64_t ns[] = {2, 3, 7, 16, 17, 65, 312};
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        for (int s = 0; k && s < OC_COUNT(ns); s++) {
            int64_t n = ns[s];
            float x[BIG], g[BIG], b[BIG], dy[BIG], y[BIG], dx[BIG], dg[BIG], db[BIG], mean, rstd;
            double xd[BIG], yp[BIG], ym[BIG];
            kt_fill(x, n, (uint64_t)n, 2.0f);
            kt_fill(g, n, 1, 1.0f);
            kt_fill(b, n, 2, 1.0f);
            kt_fill(dy, n, 3, 1.0f);
            for (int64_t i = 0; i < n; i++)
                xd[i] = (double)x[i], dg[i] = 0.5f, db[i] = -0.25f, dx[i] = 99.0f;
            k->layernorm_row(x, g, b, n, 1e-12f, y, &mean, &rstd);
            k->layernorm_bwd_row(dy, x, g, mean, rstd, n, dx, dg, db);
            for (int64_t i = 0; i < n; i++) {
                const double h = 1e-5;
                double was = xd[i], want = 0;
                xd[i] = was + h;
                layernorm_d(xd, g, NULL, n, yp);
                xd[i] = was - h;
                layernorm_d(xd, g, NULL, n, ym);
                xd[i] = was;
                for (int64_t j = 0; j < n; j++)
                    want += (double)dy[j] * (yp[j] - ym[j]) / (2 * h);
                if (n > 2) // with two elements the derivative is 0 and eps decides
                    top = fmax(top, rel((double)dx[i], want));
            }
            layernorm_d(xd, g, NULL, n, yp);
            for (int64_t i = 0; i < n; i++) {
                double xh = yp[i] / (double)g[i];
                top_exact = fmax(top_exact, rel((double)dg[i], 0.5 + (double)dy[i] * xh));
                top_exact = fmax(top_exact, rel((double)db[i], -0.25 + (double)dy[i]));
            }
        }
    }
    bound("layernorm dx", top, FINITE_DIFF_ABS);
    bound("layernorm dg, db", top_exact, LAYERNORM_BWD_ABS);
}

static void softmax_is_accurate(void **state)
{
    (void)state;
    double top = 0, top_lse = 0;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        for (int s = 1; k && s < KT_N_SIZES; s++)
            for (int masked = 0; masked < 2; masked++) {
                int64_t n = kt_sizes[s];
                float x[BIG], p[BIG];
                uint8_t mask[BIG];
                kt_fill(x, n, (uint64_t)n, 8.0f);
                memcpy(p, x, sizeof p);
                double sum = 0, max = -1e300;
                for (int64_t i = 0; i < n; i++) {
                    mask[i] = !masked || oc_rng_at(9, (uint64_t)i) % 4 != 0 || i == n - 1;
                    if (!mask[i])
                        p[i] = x[i] = i % 2 ? NAN : 1e30f; // what is masked away is never looked at
                    else
                        max = fmax(max, (double)x[i]);
                }
                for (int64_t i = 0; i < n; i++)
                    sum += mask[i] ? exp((double)x[i] - max) : 0.0;
                float lse;
                k->softmax_row(p, masked ? mask : NULL, n, &lse);
                top_lse = fmax(top_lse, rel((double)lse, max + log(sum)));
                for (int64_t i = 0; i < n; i++) {
                    double want = mask[i] ? exp((double)x[i] - max) / sum : 0.0;
                    assert_true(mask[i] || p[i] == 0.0f);
                    top = fmax(top, fabs((double)p[i] - want));
                }
            }
    }
    bound("softmax", top, SOFTMAX_ABS);
    bound("log-sum-exp", top_lse, LSE_ABS);
}

/* Shares in 14 bits: half a unit from the exact ones, and of their own sum. */
static void int8_softmax_is_accurate(void **state)
{
    (void)state;
    double top = 0;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        for (int s = 1; k && s < KT_N_SIZES; s++)
            for (int masked = 0; masked < 2; masked++) {
                int64_t n = kt_sizes[s], whole = 0;
                float x[BIG], scale;
                int8_t hi[BIG + 7], lo[BIG + 7];
                uint8_t mask[BIG];
                double max = -1e300;
                kt_fill(x, n, (uint64_t)n, 8.0f);
                for (int64_t i = 0; i < n; i++) {
                    mask[i] = !masked || oc_rng_at(9, (uint64_t)i) % 4 != 0 || i == n - 1;
                    if (!mask[i])
                        x[i] = i % 2 ? NAN : 1e30f;
                    else
                        max = fmax(max, (double)x[i]);
                }
                k->softmax_s8_row(x, masked ? mask : NULL, n, n + 7, hi, lo, &scale);
                for (int64_t i = 0; i < n + 7; i++) {
                    int e = 128 * hi[i] + lo[i];
                    double want = i < n && mask[i] ? 16383 * exp((double)x[i] - max) : 0.0;
                    assert_true(hi[i] >= 0 && lo[i] >= 0);
                    assert_true(want > 0 || e == 0);
                    top = fmax(top, fabs(e - want));
                    whole += e;
                }
                assert_true(fabs((double)scale * (double)whole - 1.0) < 1e-6);
            }
    }
    bound("int8 softmax, units of 1/16383", top, 0.56); // observed 0.53
}

/* Scores of any size and kind: the largest gets all 14 bits; a score that is no number counts least. */
static void int8_softmax_survives_large_scores(void **state)
{
    (void)state;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        if (!k)
            continue;
        const float s[6] = {3e38f, NAN, -3e38f, 3e38f, -INFINITY, 0.0f};
        int8_t hi[6], lo[6];
        float scale;
        k->softmax_s8_row(s, NULL, 6, 6, hi, lo, &scale);
        for (int i = 0; i < 6; i++)
            assert_int_equal(128 * hi[i] + lo[i], i % 3 == 0 ? 16383 : 0);
        assert_true(scale == 1.0f / 32766.0f);
    }
}

static void softmax_survives_large_scores(void **state)
{
    (void)state;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        if (!k)
            continue;
        float s[5] = {3e38f, -3e38f, 3e38f, 0.0f, -INFINITY};
        float lse;
        k->softmax_row(s, NULL, 5, &lse);
        assert_true(s[0] == 0.5f && s[2] == 0.5f && s[1] == 0.0f && s[3] == 0.0f && s[4] == 0.0f);
        assert_true(lse == 3e38f);
        float one[1] = {-1e20f};
        k->softmax_row(one, NULL, 1, &lse);
        assert_true(lse == -1e20f && one[0] == 1.0f);
        float bad[17];
        for (int i = 0; i < 17; i++)
            bad[i] = (float)i;
        bad[4] = NAN;
        k->softmax_row(bad, NULL, 17, NULL);
        for (int i = 0; i < 17; i++)
            assert_true(isnan(bad[i])); // a NaN score is not hidden
    }
}

static double act_d(oc_epilogue act, double x)
{
    const double c = 0.79788456080286535588;
    switch (act) {
    case OC_EPI_NONE: return x;
    case OC_EPI_GELU: return 0.5 * x * erfc(-x / sqrt(2.0));
    case OC_EPI_GELU_NEW: return 0.5 * x * (1 + tanh(c * (x + 0.044715 * x * x * x)));
    case OC_EPI_RELU: return x > 0 ? x : 0;
    case OC_EPI_TANH: return tanh(x);
    }
    return (double)NAN;
}

static void activation_backward_is_the_derivative(void **state)
{
    (void)state;
    double top = 0;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        for (int a = OC_EPI_NONE; k && a <= OC_EPI_TANH; a++) {
            float x[BIG], dy[BIG], dx[BIG], arg[BIG];
            kt_fill(x, BIG, 6, 5.0f);
            kt_fill(dy, BIG, 7, 1.0f);
            for (int i = 0; i < BIG; i++) // TANH takes its output
                arg[i] = a == OC_EPI_TANH ? (float)tanh((double)x[i]) : x[i];
            k->act_bwd_row((oc_epilogue)a, dy, arg, BIG, dx);
            for (int i = 0; i < BIG; i++) {
                const double h = 1e-5;
                double xi = (double)x[i];
                double d =
                    (act_d((oc_epilogue)a, xi + h) - act_d((oc_epilogue)a, xi - h)) / (2 * h);
                top = fmax(top, rel((double)dx[i], (double)dy[i] * d));
            }
        }
    }
    bound("activation backward", top, FINITE_DIFF_ABS);
}

static void dot_and_axpy_are_accurate(void **state)
{
    (void)state;
    double top = 0;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        for (int s = 0; k && s < KT_N_SIZES; s++) {
            float a[BIG], b[BIG], y[BIG];
            int64_t n = kt_sizes[s];
            kt_fill(a, n, 1, 1.0f);
            kt_fill(b, n, 2, 1.0f);
            double want = 0, size = 1e-30;
            for (int64_t i = 0; i < n; i++) {
                want += (double)a[i] * (double)b[i];
                size += fabs((double)a[i] * (double)b[i]);
                y[i] = b[i];
            }
            top = fmax(top, fabs((double)k->dot(a, b, n) - want) / size);
            k->axpy(0.3f, a, y, n);
            for (int64_t i = 0; i < n; i++)
                assert_true(y[i] == fmaf(0.3f, a[i], b[i]));
        }
    }
    bound("dot", top, DOT_ABS);
}

static void adamw_follows_its_formula(void **state)
{
    (void)state;
    double top = 0;
    const float b1 = 0.9f, b2 = 0.999f, eps = 1e-8f, lr = 1e-3f, wd = 0.01f;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        if (!k)
            continue;
        enum { N = 37 };
        float w[N], g[N], m[N] = {0}, v[N] = {0};
        double wd_[N], md[N] = {0}, vd[N] = {0};
        uint8_t keep[N];
        kt_fill(w, N, 1, 0.05f);
        for (int i = 0; i < N; i++) {
            keep[i] = i % 5 != 3;
            wd_[i] = (double)w[i];
        }
        for (int t = 1; t <= 10; t++) {
            kt_fill(g, N, (uint64_t)(50 + t), 0.1f);
            double c1 = (double)lr / (1 - pow((double)b1, t)),
                   c2 = 1 / sqrt(1 - pow((double)b2, t));
            k->adamw(w, g, m, v, N, 1.0f, b1, b2, eps, (float)c1, (float)c2, lr * wd, keep);
            for (int i = 0; i < N; i++) {
                double gi = (double)g[i];
                md[i] = (double)b1 * md[i] + (1 - (double)b1) * gi;
                vd[i] = (double)b2 * vd[i] + (1 - (double)b2) * gi * gi;
                wd_[i] -= (double)(lr * wd) * wd_[i];
                wd_[i] -= c1 * md[i] / (sqrt(vd[i]) * c2 + (double)eps);
                if (!keep[i])
                    wd_[i] = 0;
                top = fmax(top, fabs((double)w[i] - wd_[i]));
                assert_true(keep[i] || w[i] == 0.0f);
            }
        }
    }
    bound("adamw, ten steps", top, ADAMW_ABS);
}

/* The choice of ISA. */
static void selection_obeys_the_environment(void **state)
{
    (void)state;
    oc_err err = {0};
    assert_int_equal(setenv("OPTIMCLM_ISA", "ref", 1), 0);
    assert_int_equal(oc_kernels_select(&err), OC_OK);
    assert_int_equal(oc_k->isa, OC_ISA_REF);
    setenv("OPTIMCLM_ISA", "z80", 1);
    assert_int_equal(oc_kernels_select(&err), OC_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "z80"));
    assert_int_equal(oc_k->isa, OC_ISA_REF); // unchanged by the failure
    assert_int_equal(oc_kernels_select(NULL), OC_UNSUPPORTED);
    oc_isa best = OC_ISA_REF;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        oc_err other = {0};
        setenv("OPTIMCLM_ISA", oc_isa_name((oc_isa)isa), 1);
        assert_int_equal(oc_kernels_select(&other), k ? OC_OK : OC_UNSUPPORTED);
        assert_true(!k || (k == oc_k && k->isa == (oc_isa)isa));
        assert_non_null(strstr(err.msg, oc_isa_name((oc_isa)isa)));
        if (k)
            best = (oc_isa)isa;
    }
    setenv("OPTIMCLM_ISA", "", 1);
    assert_int_equal(oc_kernels_select(NULL), OC_OK);
    unsetenv("OPTIMCLM_ISA");
    assert_int_equal(oc_kernels_select(NULL), OC_OK);
    assert_int_equal(oc_k->isa, best);
    assert_string_equal(oc_isa_name(OC_ISA_REF), "ref");
    assert_string_equal(oc_isa_name(OC_ISA_AVX2), "avx2");
    assert_string_equal(oc_isa_name((oc_isa)99), "?");
    char text[200], tiny[4];
    oc_cpu_describe(text, sizeof text);
    assert_true(strlen(text) > 5 && strchr(text, '(') && strchr(text, ')'));
    oc_cpu_describe(tiny, sizeof tiny);
    assert_int_equal(strlen(tiny), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(isas_agree_bit_for_bit),
        cmocka_unit_test(aliasing_changes_nothing),
        cmocka_unit_test(special_values_agree),
        cmocka_unit_test(layernorm_is_accurate),
        cmocka_unit_test(layernorm_backward_is_the_derivative),
        cmocka_unit_test(softmax_is_accurate),
        cmocka_unit_test(softmax_survives_large_scores),
        cmocka_unit_test(int8_softmax_is_accurate),
        cmocka_unit_test(int8_softmax_survives_large_scores),
        cmocka_unit_test(activation_backward_is_the_derivative),
        cmocka_unit_test(dot_and_axpy_are_accurate),
        cmocka_unit_test(adamw_follows_its_formula),
        cmocka_unit_test(selection_obeys_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
