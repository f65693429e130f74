/*
 * core/measure/zeros.h - what the zeros of a pruned model are worth to the kernels of this machine.
 *
 * Products leave out blocks of weights that are all zero, in the shape their packing has here
 * (core/kernels/gemm.c, gemm_s8.c); zeros strewn among others are multiplied like any number.
 * Threads: the engine thread.
 */
#ifndef OC_MEASURE_ZEROS_H
#define OC_MEASURE_ZEROS_H

#include <stdint.h>

#include "core/base/err.h"
#include "core/nn/model.h"

typedef struct oc_zeros {
    int64_t weights;  /* entries of the matrices of linear layers */
    double zero_frac; /* of them are 0 */
    double skip_frac; /* of them lie in blocks that products leave out */
} oc_zeros;

/* Below this share of blocks left out, products take as long as dense ones (gemm.c). */
#define OC_ZEROS_PAY 0.1

/* Counts, and packs each matrix that has zeros. OC_NOMEM. */
oc_status oc_zeros_measure(const oc_model *m, oc_zeros *out, oc_err *err) OC_NODISCARD;

#endif
