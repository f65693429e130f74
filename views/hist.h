/*
 * views/hist.h - a histogram with vertical bars, a labelled x axis and marked places.
 */
#ifndef OC_VIEWS_HIST_H
#define OC_VIEWS_HIST_H

#include <stdbool.h>
#include <stdint.h>

#include "views/canvas.h"

typedef struct oc_hist {
    const double *bins; /* [n] counts */
    int64_t n;
    double lo, hi; /* range of the bins */
    bool log_count;
    oc_style style;
    const double *mark; /* places marked under the axis with ^ */
    int n_marks;
} oc_hist;

void oc_hist_draw(const oc_hist *h, oc_canvas *c, oc_rect r);
/* Value below which a share q of |value| lies, from the bins. */
double oc_hist_abs_quantile(const oc_hist *h, double q);
double oc_hist_total(const oc_hist *h);

#endif
