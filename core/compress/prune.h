/*
 * core/compress/prune.h - fewer heads, neurons and weights.
 *
 * Structured: heads and FFN neurons are ranked by first-order importance, the sum over small
 * batches of |sum w * dL/dw| over the output columns they feed (Michel et al. 2019; Molchanov et al.
 * 2017), and physically removed: the result is a smaller ordinary model.
 * Unstructured: linear weights of least magnitude become 0, per layer matrix or globally.
 * What was asked and reached is an event per matrix, per layer's heads, per FFN.
 */
#ifndef OC_COMPRESS_PRUNE_H
#define OC_COMPRESS_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/data/task.h"
#include "core/engine/job.h"
#include "core/io/checkpoint.h"

/* heads: f64 [L * OC_MAX_HEADS], ffn: f64 [sum F], owned. */
typedef struct oc_importance {
    double *head; /* [L][OC_MAX_HEADS] */
    double *ffn;  /* layer after layer */
} oc_importance;
oc_status oc_importance_measure(oc_job *job, const oc_checkpoint *c, const oc_dataset *d,
                                int64_t n_notes, oc_importance *out, oc_err *err) OC_NODISCARD;
void oc_importance_release(oc_importance *im);

/*
 * Remove shares of heads and FFN neurons of least importance (global: importance normalized by
 * each layer's l2 norm, then ranked together). Every layer keeps one head; FFN widths stay
 * multiples of 8 where they were (and at least 8, or the old width when that is less).
 *   tiles  layers wide enough (OC_PRUNE_TILED neurons) become multiples of OC_PRUNE_TILE instead, or
 *          stay as they are: what is asked is met with widths of which no kernel wastes a part
 *   c      inout  its model is replaced by the smaller one
 */
oc_status oc_prune_structured(oc_job *job, oc_checkpoint *c, const oc_importance *im, double heads,
                              double ffn, bool global, bool tiles, const char *name,
                              oc_err *err) OC_NODISCARD;
/*
 * Whole tiles of f32 (16 columns in AVX2, 32 in AVX-512 and AMX) and of int8 (32; AVX2's 24 alone do
 * not divide it, its inputs' 32 do), and so narrow that a width moves by a 32nd at most. A number of
 * the recipe, not of the machine: the same recipe gives the same model everywhere.
 */
enum { OC_PRUNE_TILE = 32, OC_PRUNE_TILED = 512 };

/* Linear weights that magnitude pruning may zero: of the encoder and the pooler. */
bool oc_prunable(oc_kind k);

/* Zero the smallest `sparsity` of the linear weights of the encoder, pooler (not the classifier,
 * not embeddings); emits sparsity events. keep out u8 [n_floats] or NULL. */
oc_status oc_prune_magnitude(oc_job *job, oc_model *m, double sparsity, bool global,
                             const char *name, uint8_t *keep, oc_err *err) OC_NODISCARD;

/* Sparsity events of a model as it is (after recovery, after quantization). asked: NaN if none. */
void oc_report_sparsity(oc_job *job, const oc_model *m, double asked, const char *name);

#endif
