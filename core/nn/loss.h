/*
 * core/nn/loss.h - what training minimizes, each with its gradient on the logits.
 *
 * Means are over the B rows (batchmean): KL sums over classes, divides by rows, never by classes.
 * Source: Hinton et al. 2015 (T^2 scaling); PyTorch cross_entropy, kl_div(batchmean),
 * binary_cross_entropy_with_logits.
 */
#ifndef OC_NN_LOSS_H
#define OC_NN_LOSS_H

#include <stdint.h>

/*
 * Single-label cross entropy: mean over rows of class_weight[y] * -log softmax(z)[y], divided by
 * the sum of the class weights of the rows (PyTorch's rule; class_weight NULL = ones).
 *   z in f32 [B,K], y in [B], dz inout f32 [B,K] += scale * dloss/dz;  returns the loss (unscaled)
 */
double oc_loss_ce(const float *z, const int32_t *y, const float *class_weight, int64_t B, int64_t K,
                  double scale, float *dz);
/* Multi-label: mean over B*K of BCE-with-logits, pos_weight [K] or NULL. y in u8 [B,K]. */
double oc_loss_bce(const float *z, const uint8_t *y, const float *pos_weight, int64_t B, int64_t K,
                   double scale, float *dz);
/* T^2 * mean over rows of sum_k p_t (log p_t - log p_s), p = softmax(z / T). t: teacher's logits,
 * of which -INFINITY is a class without probability. */
double oc_loss_kd(const float *z, const float *t, double T, int64_t B, int64_t K, double scale,
                  float *dz);
/* Sigmoid form: T^2 * mean over B*K of the binary KL between sigmoid(t/T) and sigmoid(z/T). */
double oc_loss_kd_sigmoid(const float *z, const float *t, double T, int64_t B, int64_t K,
                          double scale, float *dz);

/* probs out f32 [B,K]: softmax or sigmoid of z. May alias. */
void oc_softmax_rows(const float *z, int64_t B, int64_t K, float *probs);
void oc_sigmoid_rows(const float *z, int64_t B, int64_t K, float *probs);

#endif
