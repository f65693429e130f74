/*
 * core/compress/calibrate.h - the range of what goes into each linear layer, measured on notes: what
 * a graph with static quantization (core/io/export.h) needs.
 *
 * minmax keeps every value; percentile leaves the same small share out at both ends, so that a few
 * outliers do not cost all others their resolution. The network runs twice for it: first for the
 * extremes, then for a histogram between them.
 * Threads: the engine thread.
 * Source: Jacob et al. 2018; Wu et al. 2020 (percentile calibration).
 */
#ifndef OC_COMPRESS_CALIBRATE_H
#define OC_COMPRESS_CALIBRATE_H

#include <stdbool.h>

#include "core/base/err.h"
#include "core/compress/encode.h"
#include "core/engine/job.h"
#include "core/io/export.h"

typedef struct oc_calibrate_opts {
    bool by_percentile; /* false: minmax */
    double percentile;  /* 50..100: the share of values at or below hi, and at or above lo */
} oc_calibrate_opts;

/*
 *   job    in   progress; polled for every note; may be NULL
 *   e      in   the notes, at least one
 *   range  out  [m->layout.n], caller's; set for each matrix of a linear layer, else 0
 * Returns OC_OK, OC_NOMEM, OC_RANGE (no notes), OC_NUMERIC (an input is not finite), OC_CANCELLED.
 */
oc_status oc_calibrate(oc_job *job, const oc_model *m, const oc_encoded *e,
                       const oc_calibrate_opts *o, oc_input_range *range, oc_err *err) OC_NODISCARD;

#endif
