/*
 * core/measure/verify.h - a model against what another implementation computed with it, layer by
 * layer: the first layer that differs is where to look.
 */
#ifndef OC_MEASURE_VERIFY_H
#define OC_MEASURE_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/io/reference.h"
#include "core/nn/model.h"

/* Largest differences of an output that are taken for rounding, where nothing is said. */
#define OC_VERIFY_TOL_F32 \
    1e-4 /* another order of additions; with PyTorch: 1.3e-5 at L = 12, H = 768 */
#define OC_VERIFY_TOL_INT8 \
    0.1 /* inputs of each product rounded to 8 bits, which floats do not do */

typedef struct oc_verify_row {
    char name[32];             /* "embeddings", "layer.0", ..., "pooled", "logits" */
    double max_abs;            /* largest difference; NaN when we computed no number */
    double magnitude;          /* largest |x| of the reference */
    int64_t note, token, unit; /* where the largest difference is; token -1 in pooled and logits */
} oc_verify_row;

typedef struct oc_verify {
    int64_t notes, tokens; /* tokens: those compared (mask 1) */
    int32_t n;
    oc_verify_row row[OC_REFERENCE_OUTPUTS]; /* of what the reference holds, in order */
} oc_verify;

/* Recompute and compare, one note at a time; watch NULL: nobody asks. OC_OK, and as oc_id_notes_run.
 * Threads: the engine thread. */
oc_status oc_verify_run(const oc_model *m, const oc_reference *ref, const oc_notes_watch *watch,
                        oc_verify *out, oc_err *err) OC_NODISCARD;
/* First output beyond the tolerance (absolute); NULL: all are within. */
const oc_verify_row *oc_verify_beyond(const oc_verify *v, double tolerance);

#endif
