/*
 * core/nn/adamw.h - AdamW with decoupled weight decay, and the gradient norm.
 * Source: Loshchilov and Hutter 2019; torch.optim.AdamW (same order of operations).
 */
#ifndef OC_NN_ADAMW_H
#define OC_NN_ADAMW_H

#include <stdint.h>

#include "core/nn/dims.h"

typedef struct oc_adamw {
    double lr, beta1, beta2, eps, weight_decay;
} oc_adamw;

/*
 * One step, t = 1, 2, ...: w -= lr*wd*w (where oc_kind_decays), then the bias-corrected update.
 *   w, m, v  inout f32 [n_floats]   g  in f32 [n_floats]
 *   grad_scale  what g is multiplied by first: 1, or less to clip its norm
 *   keep     in u8 [n_floats] or NULL: where 0, w stays 0 (pruned)
 */
void oc_adamw_step(const oc_adamw *o, int64_t t, const oc_layout *lo, float *w, const float *g,
                   double grad_scale, float *m, float *v, const uint8_t *keep);

/* Euclidean norm in double, fixed chunks. */
double oc_grad_norm(const float *g, int64_t n);

/* Linear warm-up from 0 to 1 over `warmup` steps, then linear decay to 0 at `total`; step counts
 * from 0. As transformers' get_linear_schedule_with_warmup. */
double oc_lr_factor(int64_t step, int64_t warmup, int64_t total);

#endif
