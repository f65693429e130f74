#include "core/nn/loss.h"

#include <math.h>

/* Everything in double: logits are few, and sums of exponentials of extreme logits stay finite. */

/* log(sum_k exp(z_k / T)); Entries of minus infinity have probability 0. */
static double log_sum_exp(const float *z, int64_t K, double T)
{
    double top = -HUGE_VAL, sum = 0.0;
    for (int64_t k = 0; k < K; k++) // fmax would do, but gcc 12 dies of it on 64-bit ARM
        top = (double)z[k] / T > top ? (double)z[k] / T : top;
    for (int64_t k = 0; k < K; k++)
        sum += exp((double)z[k] / T - top);
    // cppcheck-suppress invalidFunctionArg ; the largest logit contributes 1
    return top + log(sum);
}

/* log(1 + e^x) without overflow. */
static double softplus(double x)
{
    return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

static double sigmoid(double x)
{
    double e = exp(-fabs(x));
    return (x >= 0.0 ? 1.0 : e) / (1.0 + e);
}

double oc_loss_ce(const float *z, const int32_t *y, const float *class_weight, int64_t B, int64_t K,
                  double scale, float *dz)
{
    double total_w = 0.0, loss = 0.0;
    for (int64_t b = 0; b < B; b++)
        total_w += class_weight ? (double)class_weight[y[b]] : 1.0;
    if (total_w <= 0.0)
        return 0.0; // every row weighs nothing
    for (int64_t b = 0; b < B; b++) {
        const float *zb = z + b * K;
        float *db = dz + b * K;
        double w = (class_weight ? (double)class_weight[y[b]] : 1.0) / total_w;
        double lse = log_sum_exp(zb, K, 1.0);
        loss += w * (lse - (double)zb[y[b]]);
        for (int64_t k = 0; k < K; k++) {
            double p = exp((double)zb[k] - lse);
            db[k] += (float)(scale * w * (p - (k == y[b] ? 1.0 : 0.0)));
        }
    }
    return loss;
}

double oc_loss_bce(const float *z, const uint8_t *y, const float *pos_weight, int64_t B, int64_t K,
                   double scale, float *dz)
{
    double loss = 0.0, each = 1.0 / (double)(B * K);
    for (int64_t i = 0; i < B * K; i++) {
        double x = (double)z[i];
        double w = pos_weight ? (double)pos_weight[i % K] : 1.0;
        // -w log sigmoid(x) for a label, -log(1 - sigmoid(x)) else
        loss += each * (y[i] ? w * softplus(-x) : softplus(x));
        double d = y[i] ? -w * sigmoid(-x) : sigmoid(x);
        dz[i] += (float)(scale * each * d);
    }
    return loss;
}

double oc_loss_kd(const float *z, const float *t, double T, int64_t B, int64_t K, double scale,
                  float *dz)
{
    double loss = 0.0;
    for (int64_t b = 0; b < B; b++) {
        const float *zb = z + b * K, *tb = t + b * K;
        double lse_s = log_sum_exp(zb, K, T), lse_t = log_sum_exp(tb, K, T);
        for (int64_t k = 0; k < K; k++) {
            double log_s = (double)zb[k] / T - lse_s, log_t = (double)tb[k] / T - lse_t;
            double ps = exp(log_s), pt = exp(log_t);
            if (pt > 0.0) // the limit of p log p is 0
                loss += pt * (log_t - log_s);
            // d/dz of T^2 KL / B is T^2 (ps - pt) / T / B
            dz[b * K + k] += (float)(scale * T * (ps - pt) / (double)B);
        }
    }
    return T * T * loss / (double)B;
}

double oc_loss_kd_sigmoid(const float *z, const float *t, double T, int64_t B, int64_t K,
                          double scale, float *dz)
{
    double loss = 0.0, each = 1.0 / (double)(B * K);
    for (int64_t i = 0; i < B * K; i++) {
        double xs = (double)z[i] / T, xt = (double)t[i] / T;
        double ps = sigmoid(xs), pt = sigmoid(xt), qt = sigmoid(-xt);
        // log sigmoid(x) = -softplus(-x), log(1 - sigmoid(x)) = -softplus(x)
        if (pt > 0.0)
            loss += each * pt * (softplus(-xs) - softplus(-xt));
        if (qt > 0.0)
            loss += each * qt * (softplus(xs) - softplus(xt));
        dz[i] += (float)(scale * each * T * (ps - pt));
    }
    return T * T * loss;
}

void oc_softmax_rows(const float *z, int64_t B, int64_t K, float *probs)
{
    for (int64_t b = 0; b < B; b++) {
        double lse = log_sum_exp(z + b * K, K, 1.0);
        for (int64_t k = 0; k < K; k++)
            probs[b * K + k] = (float)exp((double)z[b * K + k] - lse);
    }
}

void oc_sigmoid_rows(const float *z, int64_t B, int64_t K, float *probs)
{
    for (int64_t i = 0; i < B * K; i++)
        probs[i] = (float)sigmoid((double)z[i]);
}
