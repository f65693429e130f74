/*
 * core/nn/model.h - a network's weights: f32, or INT8 where quantized.
 *
 * They lie in one of two ways:
 *   slab      all f32 parameters in one array in layout order, so that gradients, AdamW moments and
 *             masks are arrays of the same shape. What is trained or pruned lies so.
 *   borrowed  (slab NULL) each where it was loaded from: in a file's map, which costs memory only
 *             where it is touched, or in memory of its own where the file's type had to be converted.
 * A quantized parameter has q and scale instead, and no f32 copy.
 *
 * Borrowed weights have been read by nobody yet and may hold anything: oc_model_check looks. It is
 * called before they are used: by oc_bert_new, oc_model_own, oc_model_dup, pruning and cutting.
 * Threads: any, one at a time for what changes a model.
 */
#ifndef OC_NN_MODEL_H
#define OC_NN_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/nn/dims.h"

typedef struct oc_weight {
    const float *f32;   /* [rows, cols]; NULL when quantized */
    const int8_t *q;    /* [rows, cols] values -127..127 (see bits7); NULL when f32 */
    const float *scale; /* [rows] w ~ scale[row] * q; NULL when f32 */
    void *own;       /* f32 or q where it is memory of this weight alone; NULL: slab or borrowed */
    void *own_scale; /* scale, likewise */
} oc_weight;

typedef struct oc_model {
    oc_dims dims;
    oc_layout layout;
    float *slab;      /* owned [layout.n_floats]; ranges of quantized parameters are not used */
    oc_weight *w;     /* owned [layout.n], same order as layout.param */
    bool bits7;       /* quantized matrices are of 7 bits, -63..63; embeddings are not */
    bool attn_s8;     /* attention multiplies int8 too, see oc_model_attn_is_s8 */
    const char *from; /* borrowed as the weights are: the file they lie in, for messages; or NULL */
} oc_model;

/* Zeroed f32 model with a slab. */
oc_status oc_model_new(const oc_dims *d, oc_model **out, oc_err *err) OC_NODISCARD;
/* Without weights: each parameter is then given by one of the four below. */
oc_status oc_model_new_bare(const oc_dims *d, oc_model **out, oc_err *err) OC_NODISCARD;
void oc_model_free(oc_model *m);
/* Every weight borrowed from m, which must stay as it is meanwhile. OC_NOMEM. */
oc_status oc_model_share(const oc_model *m, oc_model **out, oc_err *err) OC_NODISCARD;
/* Slab, and memory of its own for what is quantized. OC_NOMEM, or as oc_model_check. */
oc_status oc_model_dup(const oc_model *m, oc_model **out, oc_err *err) OC_NODISCARD;

/* Parameter i is now this; its memory outside the slab is freed. */
void oc_model_set_f32(oc_model *m, int32_t i, float *w);               /* taken */
void oc_model_set_q8(oc_model *m, int32_t i, int8_t *q, float *scale); /* taken */
void oc_model_borrow_f32(oc_model *m, int32_t i, const float *w);
void oc_model_borrow_q8(oc_model *m, int32_t i, const int8_t *q, const float *scale);

/*
 * Slab for all that is f32, own memory for all that is not: nothing is borrowed afterwards. Whatever
 * changes weights calls this first. Nothing happens where there is a slab.
 * OC_NOMEM, or as oc_model_check; the model is then as it was.
 */
oc_status oc_model_own(oc_model *m, oc_err *err) OC_NODISCARD;
/* f32 weights of parameter i to be changed; NULL when they are borrowed or quantized. */
float *oc_model_edit(oc_model *m, int32_t i);
/*
 * That weights which came from a file are finite, and int8 ones in range. With a slab this has been
 * seen to. OC_FORMAT names file, tensor and entry.
 */
oc_status oc_model_check(const oc_model *m, oc_err *err) OC_NODISCARD;
/* The same of n rows of parameter i from row r0, for those who read them anyway. */
bool oc_model_sound(const oc_model *m, int32_t i, int64_t r0, int64_t n);

/* Random weights (of what oc_model_edit gives) as BERT starts: normal(0, 0.02), biases 0, LayerNorm 1/0, [PAD] row 0. */
void oc_model_init(oc_model *m, uint64_t seed);
/* Only pooler (if asked) and classifier. */
void oc_model_init_head(oc_model *m, bool pooler, uint64_t seed);

/*
 * Does this layer multiply int8 in its attention (core/nn/attention_s8.c), in inference? The last one
 * of a model never does: as a rule one query a note goes on there, too few to pay for packing keys
 * and values. Nor where more go on (keep_hidden), so that logits are the same bits.
 */
bool oc_model_attn_is_s8(const oc_model *m, int32_t layer);
const oc_weight *oc_model_at(const oc_model *m, oc_kind k, int32_t layer);
bool oc_model_is_f32(const oc_model *m);
int64_t oc_model_params(const oc_model *m);
/* Zeros among the entries of parameter i (f32 0.0 or q 0). */
int64_t oc_model_zeros(const oc_model *m, int32_t i);

#endif
