/*
 * core/kernels/split.h - how a product's grid of register tiles is dealt to the workers.
 *
 * Every output is computed whole inside one piece, so the split never changes a bit; it only has
 * to keep the workers equally busy and pieces large.
 */
#ifndef OC_KERNELS_SPLIT_H
#define OC_KERNELS_SPLIT_H

#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/par.h"

typedef struct oc_split {
    int64_t rows, cols;     /* tiles */
    int64_t n_rows, n_cols; /* pieces along each side; piece i = (i / n_cols, i % n_cols) */
} oc_split;

/* Below this many multiply-adds waking the workers costs more than it saves. */
#define OC__SPLIT_MIN_WORK 100000

/* Two pieces per worker: a worker that is held up loses at most half of its share. Rows are cut
 * first, since pieces that share rows would each prepare them. */
static inline oc_split oc__split_plan(int64_t rows, int64_t cols, double mul_adds)
{
    oc_split s = {.rows = rows, .cols = cols, .n_rows = 1, .n_cols = 1};
    int64_t workers = oc_par_workers();
    if (workers <= 1 || mul_adds < OC__SPLIT_MIN_WORK)
        return s;
    int64_t want = 2 * workers;
    if (rows >= 2 * want || rows >= cols)
        s.n_rows = OC_MIN(rows, want);
    else
        s.n_cols = OC_MIN(cols, want);
    return s;
}

/* First tile of piece i of n over `tiles`. */
static inline int64_t oc__split_at(int64_t tiles, int64_t i, int64_t n)
{
    return tiles * i / n;
}

#endif
