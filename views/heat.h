/*
 * views/heat.h - a grid of values as heat: ramp colours, numbers where there is room, density
 * characters where there is no colour. Rows keep their order; the scale is fixed, so that pictures
 * of different models compare.
 */
#ifndef OC_VIEWS_HEAT_H
#define OC_VIEWS_HEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "views/canvas.h"

#define OC_HEAT_LABEL 24
typedef struct oc_heat {
    int32_t n_rows, n_cols;
    const void *data;
    double (*value)(const void *data, int32_t row, int32_t col); /* NaN: nothing there */
    bool (*removed)(const void *data, int32_t row, int32_t col); /* drawn as ×; NULL: never */
    void (*row_label)(const void *data, int32_t row, char out[OC_HEAT_LABEL]);
    /* A label of at most `width` columns. */
    void (*col_label)(const void *data, int32_t col, int32_t width, char out[OC_HEAT_LABEL]);
    double lo, hi;            /* scale */
    int32_t cur_row, cur_col; /* cursor; -1 none */
    int32_t max_cell;         /* widest cell, columns */
} oc_heat;

/* Draws column labels and rows; scrolls so that the cursor's row is in view. Returns rows used. */
int32_t oc_heat_draw(const oc_heat *h, oc_canvas *c, oc_rect r);
/* Lines each row takes when `rows` lines are there for all: 2 when they fit, else 1. */
int32_t oc_heat_high(const oc_heat *h, int32_t rows);
/* "0 .:-=+*#%@ 1": the scale; returns columns. */
int32_t oc_heat_scale(const oc_heat *h, oc_canvas *c, oc_rect r, int32_t x, int32_t y);

#endif
