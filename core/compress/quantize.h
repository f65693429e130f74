/*
 * core/compress/quantize.h - INT8 weights: one scale per output channel, values -127..127 or, of
 * 7 bits, -63..63.
 *
 * Symmetric, so zeros stay zeros and pruning survives. The range of a channel is set by an
 * observer: max |w|, a percentile of |w|, or the range of least squared error (mse). Activations
 * are quantized per row at run time (core/nn). Embeddings: one scale per row of the table.
 * Source: Jacob et al. 2018; Zafrir et al. 2019 (Q8BERT); Krishnamoorthi 2018 (per-channel).
 */
#ifndef OC_COMPRESS_QUANTIZE_H
#define OC_COMPRESS_QUANTIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/compress/encode.h"
#include "core/engine/job.h"
#include "core/io/checkpoint.h"

typedef enum { OC_CLIP_MAX, OC_CLIP_PERCENTILE, OC_CLIP_MSE } oc_clip;
typedef struct oc_quant_opts {
    oc_clip clip;
    double percentile; /* 50..100 */
    bool embeddings, head;
    bool attn_s8;     /* attention multiplies int8 too (core/nn/attention_s8.c) */
    bool bits7;       /* matrices of 7 bits; embeddings, which nothing multiplies, keep 8 */
    const bool *keep; /* [layout.n] borrowed: parameters that stay f32 all the same; NULL: none */
} oc_quant_opts;
oc_status oc_quant_opts_from(const oc_settings *s, oc_quant_opts *out, oc_err *err) OC_NODISCARD;

/* One row of a matrix: w f32 [n] -> q, scale. Returns the share of clipped entries. */
double oc_quantize_channel(const float *w, int64_t n, const oc_quant_opts *o, int8_t *q,
                           float *scale, float *scratch);

/* Quantize in place; one quant event per matrix with the error histogram (job NULL: none). */
oc_status oc_quantize_model(oc_job *job, oc_model *m, const oc_quant_opts *o, const char *name,
                            oc_err *err) OC_NODISCARD;

/* Compare hidden states and logits of two models of the same shape on notes: drift events. */
oc_status oc_quantize_drift(oc_job *job, const oc_model *f32, const oc_model *q8,
                            const oc_encoded *e, int64_t n_notes, const char *name,
                            oc_err *err) OC_NODISCARD;

#endif
