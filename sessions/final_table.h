/*
 * sessions/final_table.h - the measured candidates of a state with their ratios to the baseline.
 */
#ifndef OC_SESSIONS_FINAL_TABLE_H
#define OC_SESSIONS_FINAL_TABLE_H

#include "sessions/state.h"

/* Size and speed of one model; 0 and NaN when not known. */
typedef struct oc_footprint {
    int64_t bytes;
    double median_ms, p95_ms; /* at the first setting of the bench */
} oc_footprint;
oc_footprint oc_footprint_of(const oc_state *s, const char *model);
/* baseline / model; NaN when either is not known. */
double oc_times_smaller(oc_footprint baseline, oc_footprint model);
double oc_times_faster(oc_footprint baseline, oc_footprint model);

/* A table of text cells, columns as wide as their content: first `n_left` columns to the left. */
#define OC_GRID_COLS 12
#define OC_GRID_CELL 64
typedef struct oc_grid {
    char (*cell)[OC_GRID_COLS][OC_GRID_CELL]; /* owned [n] rows */
    int64_t n;
    size_t cap;
    int32_t n_cols, n_left;
    oc_err err; /* first failure */
} oc_grid;
/* Text of the next row's cell; a new row begins with column 0. */
void oc_grid_put(oc_grid *g, int32_t col, const char *fmt, ...) OC_PRINTF(3, 4);
/* Write all rows, at most max_width columns wide, and release the grid. */
oc_status oc_grid_write(oc_grid *g, int32_t max_width, oc_buf *out, oc_err *err) OC_NODISCARD;

#endif
