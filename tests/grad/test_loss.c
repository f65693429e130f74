/*
 * Values and gradients of the losses: worked by hand, and by central differences in double.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/nn/loss.h"

#define B         3
#define K         4
#define VALUE_TOL 1e-12 /* losses are sums in double */
#define FD_TOL    2e-7  /* observed 2.7e-8: dz is f32 */

static const float z0[B * K] = {0.5f, -1.25f, 2.0f,  0.0f,  -3.0f, 1.0f,
                                1.0f, 4.0f,   0.25f, 0.25f, 0.25f, 0.25f};
static const float t0[B * K] = {1.0f, 0.5f, -2.0f, 3.0f, -1.0f, 2.0f,
                                0.0f, 0.0f, -4.0f, 4.0f, 1.0f,  0.5f};
static const int32_t label[B] = {2, 0, 3};
static const uint8_t labels[B * K] = {1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1};
static const float weight[K] = {0.25f, 1.0f, 2.0f, 4.0f};

typedef double (*loss_fn)(const float *z, double scale, float *dz);

static double ce(const float *z, double s, float *dz)
{
    return oc_loss_ce(z, label, NULL, B, K, s, dz);
}
static double ce_weighted(const float *z, double s, float *dz)
{
    return oc_loss_ce(z, label, weight, B, K, s, dz);
}
static double bce(const float *z, double s, float *dz)
{
    return oc_loss_bce(z, labels, NULL, B, K, s, dz);
}
static double bce_weighted(const float *z, double s, float *dz)
{
    return oc_loss_bce(z, labels, weight, B, K, s, dz);
}
static double kd(const float *z, double s, float *dz)
{
    return oc_loss_kd(z, t0, 2.5, B, K, s, dz);
}
static double kd_sigmoid(const float *z, double s, float *dz)
{
    return oc_loss_kd_sigmoid(z, t0, 2.5, B, K, s, dz);
}

/* dz accumulates scale * gradient on top of what is there; the value returned is not scaled. */
static void check_gradient(loss_fn f, const char *name)
{
    float z[B * K], dz[B * K], unused[B * K];
    for (int i = 0; i < B * K; i++)
        dz[i] = 0.5f;
    memcpy(z, z0, sizeof z);
    double value = f(z, 3.0, dz);
    assert_true(value == f(z, 1.0, unused));
    for (int i = 0; i < B * K; i++) {
        const float h = 0.0078125f; // exact in every logit above
        z[i] = z0[i] + h;
        double up = f(z, 1.0, unused);
        z[i] = z0[i] - h;
        double down = f(z, 1.0, unused);
        z[i] = z0[i] + 2 * h;
        double up2 = f(z, 1.0, unused);
        z[i] = z0[i] - 2 * h;
        double down2 = f(z, 1.0, unused);
        z[i] = z0[i];
        double numeric = (8 * (up - down) - (up2 - down2)) / (12 * (double)h);
        double analytic = ((double)dz[i] - 0.5) / 3.0;
        if (!(fabs(numeric - analytic) <= FD_TOL))
            fail_msg("%s, logit %d: analytic %.9g, numeric %.9g", name, i, analytic, numeric);
    }
}

static void test_gradients(void **state)
{
    (void)state;
    check_gradient(ce, "ce");
    check_gradient(ce_weighted, "ce with class weights");
    check_gradient(bce, "bce");
    check_gradient(bce_weighted, "bce with pos_weight");
    check_gradient(kd, "kd");
    check_gradient(kd_sigmoid, "kd sigmoid");
}

/* -log softmax(z)[y] and log(1 + e^x), straight from their definitions. */
static double nll(const float *z, int y, double T)
{
    double sum = 0.0;
    for (int k = 0; k < K; k++)
        sum += exp((double)z[k] / T);
    return log(sum) - (double)z[y] / T;
}

static void test_ce_values(void **state)
{
    (void)state;
    float dz[B * K] = {0};
    double n[B], plain = 0.0, weighted = 0.0, total = 0.0;
    for (int b = 0; b < B; b++) {
        double w = (double)weight[label[b]];
        n[b] = nll(z0 + b * K, label[b], 1.0);
        plain += n[b] / B;
        weighted += w * n[b];
        total += w;
    }
    assert_true(fabs(n[2] - log(4.0)) < VALUE_TOL); // equal logits
    assert_true(fabs(ce(z0, 1.0, dz) - plain) < VALUE_TOL);
    assert_true(fabs(ce_weighted(z0, 1.0, dz) - weighted / total) < VALUE_TOL);
}

static void test_ce_rows_without_weight(void **state)
{
    (void)state;
    const float zero[K] = {0};
    float dz[B * K] = {0}, expected[B * K] = {0};
    assert_true(oc_loss_ce(z0, label, zero, B, K, 1.0, dz) == 0.0);
    assert_memory_equal(dz, expected, sizeof dz);
}

static void test_bce_values(void **state)
{
    (void)state;
    float dz[B * K] = {0};
    double plain = 0.0, weighted = 0.0;
    for (int i = 0; i < B * K; i++) {
        double p = 1.0 / (1.0 + exp(-(double)z0[i]));
        double e = labels[i] ? -log(p) : -log(1.0 - p);
        plain += e / (B * K);
        weighted += e * (labels[i] ? (double)weight[i % K] : 1.0) / (B * K);
    }
    assert_true(fabs(bce(z0, 1.0, dz) - plain) < VALUE_TOL);
    assert_true(fabs(bce_weighted(z0, 1.0, dz) - weighted) < VALUE_TOL);
}

static void test_kd_values(void **state)
{
    (void)state;
    const double T = 2.5;
    float dz[B * K] = {0};
    double single = 0.0, multi = 0.0;
    for (int b = 0; b < B; b++) {
        for (int k = 0; k < K; k++) {
            int i = b * K + k;
            double log_t = -nll(t0 + b * K, k, T), log_s = -nll(z0 + b * K, k, T);
            single += T * T * exp(log_t) * (log_t - log_s) / B;
            double pt = 1.0 / (1.0 + exp(-(double)t0[i] / T));
            double ps = 1.0 / (1.0 + exp(-(double)z0[i] / T));
            multi += T * T * (pt * log(pt / ps) + (1 - pt) * log((1 - pt) / (1 - ps))) / (B * K);
        }
    }
    assert_true(fabs(kd(z0, 1.0, dz) - single) < VALUE_TOL);
    assert_true(fabs(kd_sigmoid(z0, 1.0, dz) - multi) < VALUE_TOL);
}

/* A student that agrees with its teacher loses nothing and is not moved. */
static void test_kd_of_itself(void **state)
{
    (void)state;
    float dz[B * K] = {0};
    assert_true(fabs(oc_loss_kd(t0, t0, 4.0, B, K, 1.0, dz)) < VALUE_TOL);
    assert_true(fabs(oc_loss_kd_sigmoid(t0, t0, 4.0, B, K, 1.0, dz)) < VALUE_TOL);
    for (int i = 0; i < B * K; i++)
        assert_true(fabs((double)dz[i]) < 1e-9);
}

/* Shifting all logits of a row changes no softmax. */
static void test_shift(void **state)
{
    (void)state;
    float z[B * K], dz[B * K] = {0};
    for (int i = 0; i < B * K; i++)
        z[i] = z0[i] + 1024.0f * (float)(i / K);
    assert_true(fabs(ce(z, 1.0, dz) - ce(z0, 1.0, dz)) < 1e-10);
    assert_true(fabs(kd(z, 1.0, dz) - kd(z0, 1.0, dz)) < 1e-10);
}

/*
 * batchmean: the mean is over rows, never over classes. Classes that neither network believes in
 * change neither the loss nor the gradient; a mean over classes would halve both here.
 */
static void test_batchmean(void **state)
{
    (void)state;
    float z[B * 2 * K], t[B * 2 * K], dz[B * K] = {0}, dz2[B * 2 * K] = {0};
    const float nothing[2] = {-INFINITY, -10000.0f};
    for (int b = 0; b < B; b++) {
        for (int k = 0; k < 2 * K; k++) {
            z[b * 2 * K + k] = k < K ? z0[b * K + k] : nothing[k % 2];
            t[b * 2 * K + k] = k < K ? t0[b * K + k] : nothing[k % 2];
        }
    }
    double one = oc_loss_kd(z0, t0, 2.0, B, K, 1.0, dz);
    double two = oc_loss_kd(z, t, 2.0, B, 2 * K, 1.0, dz2);
    assert_true(one == two && one > 0.1);
    assert_true(oc_loss_ce(z0, label, NULL, B, K, 1.0, dz) ==
                oc_loss_ce(z, label, NULL, B, 2 * K, 1.0, dz2));
    for (int b = 0; b < B; b++) {
        assert_memory_equal(dz + b * K, dz2 + b * 2 * K, K * sizeof *dz);
        for (int k = K; k < 2 * K; k++)
            assert_true(dz2[b * 2 * K + k] == 0.0f);
    }
}

/* The same rows twice: means stay, gradients halve. */
static void test_more_rows(void **state)
{
    (void)state;
    float z[2 * B * K], t[2 * B * K], dz[2 * B * K] = {0}, half[B * K] = {0};
    int32_t y[2 * B];
    uint8_t ys[2 * B * K];
    for (int i = 0; i < 2 * B * K; i++) {
        z[i] = z0[i % (B * K)];
        t[i] = t0[i % (B * K)];
        ys[i] = labels[i % (B * K)];
        y[i / K] = label[i / K % B];
    }
    double twice[4] = {
        oc_loss_ce(z, y, weight, 2 * B, K, 1.0, dz), oc_loss_bce(z, ys, weight, 2 * B, K, 1.0, dz),
        oc_loss_kd(z, t, 2.5, 2 * B, K, 1.0, dz), oc_loss_kd_sigmoid(z, t, 2.5, 2 * B, K, 1.0, dz)};
    double once[4] = {ce_weighted(z0, 0.5, half), bce_weighted(z0, 0.5, half), kd(z0, 0.5, half),
                      kd_sigmoid(z0, 0.5, half)};
    for (int i = 0; i < 4; i++)
        assert_true(fabs(twice[i] - once[i]) < VALUE_TOL);
    for (int i = 0; i < 2 * B * K; i++)
        assert_true(fabs((double)dz[i] - (double)half[i % (B * K)]) < 1e-6);
}

static void test_extreme_logits(void **state)
{
    (void)state;
    const float z[4] = {3e38f, -3e38f, 0.0f, 88.0f}, t[4] = {-3e38f, 3e38f, 100.0f, -100.0f};
    const int32_t y[1] = {1};
    const uint8_t ys[4] = {0, 1, 1, 0};
    float dz[4] = {0};
    double v[4];
    v[0] = oc_loss_ce(z, y, NULL, 1, 4, 1.0, dz);
    v[1] = oc_loss_bce(z, ys, NULL, 1, 4, 1.0, dz);
    v[2] = oc_loss_kd(z, t, 1.0, 1, 4, 1.0, dz);
    v[3] = oc_loss_kd_sigmoid(z, t, 1.0, 1, 4, 1.0, dz);
    for (int i = 0; i < 4; i++) {
        assert_true(isfinite(v[i]) && v[i] > 1e37);
        assert_true(isfinite(dz[i]));
    }
    float p[4];
    oc_softmax_rows(z, 1, 4, p);
    assert_true(p[0] == 1.0f && p[1] == 0.0f && p[2] == 0.0f && p[3] == 0.0f);
    oc_sigmoid_rows(z, 1, 4, p);
    assert_true(p[0] == 1.0f && p[1] == 0.0f && p[2] == 0.5f && p[3] == 1.0f);
}

static void test_probabilities(void **state)
{
    (void)state;
    float p[B * K];
    memcpy(p, z0, sizeof p);
    oc_softmax_rows(p, B, K, p); // in place
    for (int b = 0; b < B; b++) {
        double sum = 0.0;
        for (int k = 0; k < K; k++) {
            assert_true(fabs((double)p[b * K + k] - exp(-nll(z0 + b * K, k, 1.0))) < 1e-7);
            sum += (double)p[b * K + k];
        }
        assert_true(fabs(sum - 1.0) < 2e-7);
    }
    oc_sigmoid_rows(z0, B, K, p);
    assert_true(p[3] == 0.5f && fabs((double)p[2] - 0.8807970779778823) < 1e-7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_ce_values),
        cmocka_unit_test(test_ce_rows_without_weight),
        cmocka_unit_test(test_bce_values),
        cmocka_unit_test(test_kd_values),
        cmocka_unit_test(test_kd_of_itself),
        cmocka_unit_test(test_shift),
        cmocka_unit_test(test_batchmean),
        cmocka_unit_test(test_more_rows),
        cmocka_unit_test(test_extreme_logits),
        cmocka_unit_test(test_probabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
