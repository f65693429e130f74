/*
 * core/nn/model.h - a network's weights: f32, or INT8 where quantized.
 *
 * All f32 parameters lie in one slab in layout order, so gradients, AdamW moments and masks are
 * slabs of the same shape. A quantized parameter has q and scale instead, and no f32 copy.
 */
#ifndef OC_NN_MODEL_H
#define OC_NN_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/nn/dims.h"

typedef struct oc_weight {
    float *f32;   /* [rows, cols] borrowed from the slab; NULL when quantized */
    int8_t *q;    /* [rows, cols] owned; values -127..127; NULL when f32 */
    float *scale; /* [rows] owned; w ~ scale[row] * q */
} oc_weight;

typedef struct oc_model {
    oc_dims dims;
    oc_layout layout;
    float *slab;  /* owned [layout.n_floats]; ranges of quantized parameters are not used */
    oc_weight *w; /* owned [layout.n], same order as layout.param */
} oc_model;

/* Zeroed f32 model. */
oc_status oc_model_new(const oc_dims *d, oc_model **out, oc_err *err) OC_NODISCARD;
void oc_model_free(oc_model *m);
oc_status oc_model_dup(const oc_model *m, oc_model **out, oc_err *err) OC_NODISCARD;

/* Random weights as BERT starts: normal(0, 0.02), biases 0, LayerNorm 1/0, [PAD] row 0. */
void oc_model_init(oc_model *m, uint64_t seed);
/* Only pooler (if asked) and classifier. */
void oc_model_init_head(oc_model *m, bool pooler, uint64_t seed);

const oc_weight *oc_model_at(const oc_model *m, oc_kind k, int32_t layer);
bool oc_model_is_f32(const oc_model *m);
int64_t oc_model_params(const oc_model *m);
/* Replace parameter i by q, scale (taken); frees nothing of the slab. */
void oc_model_set_q8(oc_model *m, int32_t i, int8_t *q, float *scale);
/* Zeros among the entries of parameter i (f32 0.0 or q 0). */
int64_t oc_model_zeros(const oc_model *m, int32_t i);

#endif
