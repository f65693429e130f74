/* Accuracy of exp, erf (through GELU), tanh and the activations against libm in double. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernels/vec_ref.h"

#include "core/kernels/vec_math.h"
#include "tests/kernels/kernels_testing.h"

/* Observed values: the sweeps below; the reference and AVX2 give the same bits. */
#define EXP_ULP       2.0  /* observed 1.06 */
#define DENORM_ULP    1.0  /* in units of 2^-149; observed 0.51 */
#define TANH_ABS      2e-7 /* observed 7.6e-8 */
#define ERF_ABS       2e-7 /* observed 1.05e-7 */
#define TAIL_REL      3e-6 /* observed 1.4e-6 */
#define GELU_ABS      2e-7 /* per max(1, |x|); observed 6.8e-8, gelu_new 8.9e-8 */
#define GELU_GRAD_ABS 4e-7 /* observed 1.3e-7, gelu_new 2.0e-7 */

enum { STEPS = 200001, MAX_N = 4096 };

static const oc_kernels *tables[OC_N_ISAS];
static int n_tables;

static double phi_cdf(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0));
}
static double phi_pdf(double x)
{
    return exp(-0.5 * x * x) / sqrt(2.0 * acos(-1.0));
}
static double gelu(double x)
{
    return x * phi_cdf(x);
}
static double gelu_grad(double x)
{
    return phi_cdf(x) + x * phi_pdf(x);
}

static const double k_new = 0.79788456080286535588;
static double gelu_new(double x)
{
    return 0.5 * x * (1 + tanh(k_new * (x + 0.044715 * x * x * x)));
}
static double gelu_new_grad(double x)
{
    double t = tanh(k_new * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k_new * (1 + 3 * 0.044715 * x * x);
}

static float one_act(const oc_kernels *k, oc_epilogue act, float x)
{
    float y;
    k->act_row(act, &x, 1, &y);
    return y;
}

static float one_grad(const oc_kernels *k, oc_epilogue act, float x)
{
    float one = 1.0f, dx;
    k->act_bwd_row(act, &one, &x, 1, &dx);
    return dx;
}

static float one_exp(const oc_kernels *k, float x)
{
    (void)k;
    return v_exp(x);
}

/* Largest error of y = f(x) over evenly spaced x, each error divided by unit(x, exact). */
static double worst(void (*row)(const oc_kernels *, const float *, int64_t, float *),
                    const oc_kernels *k, double (*exact)(double), double (*unit)(double, double),
                    double from, double to)
{
    static float x[MAX_N], y[MAX_N];
    double top = 0;
    for (int64_t at = 0; at < STEPS; at += MAX_N) {
        int64_t n = OC_MIN((int64_t)MAX_N, STEPS - at);
        for (int64_t i = 0; i < n; i++)
            x[i] = (float)(from + (to - from) * (double)(at + i) / (STEPS - 1));
        row(k, x, n, y);
        for (int64_t i = 0; i < n; i++) {
            double want = exact((double)x[i]);
            double e = fabs((double)y[i] - want) / unit((double)x[i], want);
            top = e > top ? e : top;
        }
    }
    return top;
}

static double unit_one(double x, double want)
{
    (void)x;
    (void)want;
    return 1.0;
}
static double unit_x(double x, double want)
{
    (void)want;
    return fmax(1.0, fabs(x));
}
/* Distance to the next float (never below that of the normal numbers). */
static double unit_ulp(double x, double want)
{
    (void)x;
    int e;
    frexp(fmax(want, (double)FLT_MIN), &e);
    return ldexp(1.0, e - 24);
}

/* No table entry gives exp or erf alone: their one text, read here in its reference form. */
static void row_exp(const oc_kernels *k, const float *x, int64_t n, float *y)
{
    (void)k;
    for (int64_t i = 0; i < n; i++)
        y[i] = v_exp(x[i]);
}
static void row_tanh(const oc_kernels *k, const float *x, int64_t n, float *y)
{
    k->act_row(OC_EPI_TANH, x, n, y);
}
static void row_gelu(const oc_kernels *k, const float *x, int64_t n, float *y)
{
    k->act_row(OC_EPI_GELU, x, n, y);
}
/* The sum that turns the tail into erf would round again, so it is the tail that is held against
 * libm. */
static void row_tail(const oc_kernels *k, const float *x, int64_t n, float *y)
{
    (void)k;
    for (int64_t i = 0; i < n; i++)
        y[i] = v_normal_tail(x[i]);
}
static double normal_tail(double a)
{
    return phi_cdf(-a);
}
static double unit_relative(double x, double want)
{
    (void)x;
    return want;
}
static void row_gelu_new(const oc_kernels *k, const float *x, int64_t n, float *y)
{
    k->act_row(OC_EPI_GELU_NEW, x, n, y);
}
static void row_gelu_grad(const oc_kernels *k, const float *x, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = 1.0f;
    k->act_bwd_row(OC_EPI_GELU, y, x, n, y);
}
static void row_gelu_new_grad(const oc_kernels *k, const float *x, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = 1.0f;
    k->act_bwd_row(OC_EPI_GELU_NEW, y, x, n, y);
}

static void bound(const char *what, double e, double limit)
{
    print_message("%s: largest error %.3g (bound %.3g)\n", what, e, limit);
    if (!(e <= limit))
        fail_msg("%s: error %g is above %g", what, e, limit);
}

static void exp_is_accurate(void **state)
{
    (void)state;
    for (int i = 0; i < n_tables; i++) {
        bound("exp", worst(row_exp, tables[i], exp, unit_ulp, -87.3, 88.7), EXP_ULP);
        bound("exp near 0", worst(row_exp, tables[i], exp, unit_ulp, -1, 1), EXP_ULP);
        for (double x = -103.9; x < -87.4; x += 0.01) {
            double y = (double)one_exp(tables[i], (float)x), want = exp((double)(float)x);
            assert_true(fabs(y - want) <= DENORM_ULP * ldexp(1, -149));
        }
    }
}

static void exp_has_the_right_ends(void **state)
{
    (void)state;
    for (int i = 0; i < n_tables; i++) {
        const oc_kernels *k = tables[i];
        assert_true(one_exp(k, 0.0f) == 1.0f && one_exp(k, -0.0f) == 1.0f);
        assert_true(isinf(one_exp(k, INFINITY)) && isinf(one_exp(k, 88.73f)));
        assert_true(isinf(one_exp(k, 1e30f)));
        assert_true(isfinite(one_exp(k, 88.72f)));
        assert_true(one_exp(k, -INFINITY) == 0.0f && one_exp(k, -104.1f) == 0.0f);
        assert_true(one_exp(k, -FLT_MAX) == 0.0f && !signbit(one_exp(k, -FLT_MAX)));
        assert_true(one_exp(k, 1e-45f) == 1.0f);
        assert_true(isnan(one_exp(k, NAN)));
    }
}

static void tanh_and_erf_are_accurate(void **state)
{
    (void)state;
    bound("erf", 2 * worst(row_tail, tables[0], normal_tail, unit_one, 0, 8), ERF_ABS);
    bound("tail to 4", worst(row_tail, tables[0], normal_tail, unit_relative, 0, 4), TAIL_REL);
    for (int i = 0; i < n_tables; i++) {
        bound("tanh", worst(row_tanh, tables[i], tanh, unit_one, -12, 12), TANH_ABS);
        bound("tanh near 0", worst(row_tanh, tables[i], tanh, unit_one, -0.3, 0.3), TANH_ABS);
        float t = one_act(tables[i], OC_EPI_TANH, 1e-20f);
        assert_true(fabsf(t / 1e-20f - 1.0f) < 1e-6f); // relative near 0
    }
}

static void activations_are_accurate(void **state)
{
    (void)state;
    for (int i = 0; i < n_tables; i++) {
        const oc_kernels *k = tables[i];
        bound("gelu", worst(row_gelu, k, gelu, unit_x, -12, 12), GELU_ABS);
        bound("gelu_new", worst(row_gelu_new, k, gelu_new, unit_x, -12, 12), GELU_ABS);
        bound("gelu'", worst(row_gelu_grad, k, gelu_grad, unit_one, -20, 20), GELU_GRAD_ABS);
        bound("gelu_new'", worst(row_gelu_new_grad, k, gelu_new_grad, unit_one, -20, 20),
              GELU_GRAD_ABS);
    }
}

static void activations_have_the_right_ends(void **state)
{
    (void)state;
    static const oc_epilogue smooth[] = {OC_EPI_GELU, OC_EPI_GELU_NEW};
    for (int i = 0; i < n_tables; i++) {
        const oc_kernels *k = tables[i];
        for (int a = 0; a < 2; a++) {
            assert_true(fabsf(one_act(k, smooth[a], -INFINITY)) < 1e-14f);
            assert_true(fabsf(one_act(k, smooth[a], -1e30f)) < 1e-14f);
            assert_true(one_act(k, smooth[a], INFINITY) == INFINITY);
            assert_true(one_act(k, smooth[a], 1e30f) == 1e30f);
            assert_true(one_act(k, smooth[a], 100.0f) == 100.0f);
            assert_true(one_act(k, smooth[a], 0.0f) == 0.0f);
            assert_true(isnan(one_act(k, smooth[a], NAN)));
            assert_true(one_grad(k, smooth[a], INFINITY) == 1.0f);
            assert_true(fabsf(one_grad(k, smooth[a], -INFINITY)) < 1e-13f);
            assert_true(one_grad(k, smooth[a], 0.0f) == 0.5f);
            assert_true(isnan(one_grad(k, smooth[a], NAN)));
        }
        assert_true(one_act(k, OC_EPI_TANH, INFINITY) == 1.0f);
        assert_true(one_act(k, OC_EPI_TANH, -INFINITY) == -1.0f);
        assert_true(one_act(k, OC_EPI_TANH, -1e30f) == -1.0f);
        assert_true(isnan(one_act(k, OC_EPI_TANH, NAN)));
        assert_true(one_act(k, OC_EPI_RELU, -3.0f) == 0.0f &&
                    one_act(k, OC_EPI_RELU, 3.0f) == 3.0f);
        assert_true(isnan(one_act(k, OC_EPI_RELU, NAN)));
        assert_true(one_grad(k, OC_EPI_RELU, -3.0f) == 0.0f);
        assert_true(one_grad(k, OC_EPI_RELU, 0.0f) == 0.0f);
        assert_true(one_grad(k, OC_EPI_RELU, 1e-45f) == 1.0f);
        assert_true(one_grad(k, OC_EPI_TANH, 0.5f) == 0.75f); // of the output
        assert_true(one_act(k, OC_EPI_NONE, 0.3f) == 0.3f &&
                    one_grad(k, OC_EPI_NONE, 0.3f) == 1.0f);
    }
}

/* The saturated functions never leave [-1, 1], and exp never falls, over all exponents. */
static void results_stay_in_range(void **state)
{
    (void)state;
    for (int i = 0; i < n_tables; i++) {
        float last = 0.0f;
        for (float x = -20.0f; x <= 20.0f; x += 0.0007f) {
            float t = one_act(tables[i], OC_EPI_TANH, x), e = one_exp(tables[i], x);
            assert_true(t >= -1.0f && t <= 1.0f);
            assert_true(e >= last);
            last = e;
        }
    }
}

static int setup(void **state)
{
    (void)state;
    for (int isa = 0; isa < OC_N_ISAS; isa++)
        if (oc_kernels_for((oc_isa)isa))
            tables[n_tables++] = oc_kernels_for((oc_isa)isa);
    return n_tables > 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_accurate),
        cmocka_unit_test(exp_has_the_right_ends),
        cmocka_unit_test(tanh_and_erf_are_accurate),
        cmocka_unit_test(activations_are_accurate),
        cmocka_unit_test(activations_have_the_right_ends),
        cmocka_unit_test(results_stay_in_range),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
