/*
 * core/measure/rank.h - areas under curves from one sorted order, point value and resamples alike.
 * Private to core/measure. Threads: one at a time.
 */
#ifndef OC_MEASURE_RANK_H
#define OC_MEASURE_RANK_H

#include <stdint.h>

#include "core/base/err.h"

typedef struct oc_ranked {
    float score;
    int32_t row; /* row of the data set */
    uint8_t positive;
} oc_ranked;

/* By rising score; rows of one score stay in the order they came. No NaN. scratch: [n]. */
void oc_rank_sort(oc_ranked *r, oc_ranked *scratch, int64_t n);

/* r sorted. NaN when one class is absent (auroc) or no row is positive (auprc). */
double oc_rank_auroc(const oc_ranked *r, int64_t n);
double oc_rank_auprc(const oc_ranked *r, int64_t n);

/*
 * Bootstrap resamples of rows, as how often each row is drawn. They lie in blocks of OC_LANES:
 * count[(block * n + row) * OC_LANES + lane], so one pass over a sorted order serves a block.
 */
#define OC_LANES 32
typedef struct oc_resamples {
    int64_t n; /* rows */
    int64_t blocks;
    uint8_t *count; /* owned */
} oc_resamples;

/* Resamples first .. first + blocks * OC_LANES of the sequence given by seed. OC_NOMEM, OC_RANGE. */
oc_status oc_resamples_init(oc_resamples *s, int64_t n, int64_t first, int64_t blocks,
                            uint64_t seed, oc_err *err) OC_NODISCARD;
void oc_resamples_release(oc_resamples *s);

/* AUROC of each resample of one block; NaN where a class is absent. */
void oc_rank_auroc_block(const oc_ranked *r, int64_t n, const oc_resamples *s, int64_t block,
                         double out[OC_LANES]);

#endif
