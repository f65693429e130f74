/*
 * views/plot.h - curves, points and axes on a part of a canvas.
 *
 * A plot has a grid of dots finer than cells (braille 2x4, block 2x2, ASCII 1x3). A curve is drawn
 * per dot column from the extremes of its points there, joined to its neighbours: cost grows with
 * columns, not with points, and no spike is lost. Nothing here allocates.
 */
#ifndef OC_VIEWS_PLOT_H
#define OC_VIEWS_PLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "sessions/state.h"
#include "views/canvas.h"

typedef struct oc_axis {
    double lo, hi; /* lo < hi; both > 0 when log */
    bool log;
} oc_axis;

/* A usable axis: widened when empty or a single value, padded a little (not below 0 if lo >= 0). */
oc_axis oc_axis_fit(double lo, double hi, bool log, double pad);
double oc_axis_frac(const oc_axis *a, double v); /* 0 at lo, 1 at hi; NaN when v has no place */
double oc_axis_value(const oc_axis *a, double frac);
/* Ticks at 1, 2, 5 x 10^k (decades when log), at most max (2..OC_TICKS); returns their number. */
#define OC_TICKS 24
int oc_axis_ticks(const oc_axis *a, int max, double tick[OC_TICKS]);
/* Label of a tick, as short as the distance between ticks allows: 0.25, 20k, 1e-5. */
void oc_tick_label(char out[16], const double *tick, int n, int i);

typedef struct oc_plot {
    oc_canvas *c;
    oc_rect area;   /* cells of the data, axes excluded */
    int32_t sx, sy; /* dots per cell */
    int32_t pw, ph; /* dots */
    oc_axis x, y;
    int64_t reads; /* points and ranges looked at: what a redraw costs */
} oc_plot;

/*
 * Draw axes and labels in r and set the plot up on what is left (area.w == 0 when r is too small
 * for a plot). x_unit is written at the right end of the x labels ("steps"). Rects under 16x4 have
 * no labels.
 */
void oc_plot_begin(oc_plot *p, oc_canvas *c, oc_rect r, oc_axis x, oc_axis y, const char *x_unit);
/* Dot coordinates, y down; false when v has no place on the axis. Far values are clamped outside. */
bool oc_plot_px(const oc_plot *p, double v, int32_t *px);
bool oc_plot_py(const oc_plot *p, double v, int32_t *py);
void oc_plot_dot(oc_plot *p, int32_t px, int32_t py, oc_style st);
void oc_plot_line(oc_plot *p, int32_t x0, int32_t y0, int32_t x1, int32_t y1, oc_style st);
/* dash 0: solid; n: n dots on, n off. */
void oc_plot_dashed(oc_plot *p, int32_t x0, int32_t y0, int32_t x1, int32_t y1, oc_style st,
                    int32_t dash);
/* Cell of a value, relative to area; false outside. */
bool oc_plot_cell(const oc_plot *p, double x, double y, int32_t *cx, int32_t *cy);
/* A dotted line over the whole height or width. */
void oc_plot_vline(oc_plot *p, double x, uint32_t glyph, oc_style st);
void oc_plot_hline(oc_plot *p, double y, oc_style st);

typedef enum { OC_SMOOTH_TWEMA, OC_SMOOTH_EMA, OC_SMOOTH_MEDIAN, OC_N_SMOOTH } oc_smooth;

/* A recorded curve and how its points map to the x axis. */
typedef struct oc_plot_src {
    const oc_series *s;
    bool wall;      /* x is seconds since t0_ms, else step * x_scale */
    double x_scale; /* 1 for steps, tokens per step for tokens */
    double t0_ms;
} oc_plot_src;
double oc_src_x(const oc_plot_src *src, int64_t i);
/* First point with x >= value (binary search). */
int64_t oc_src_lower(const oc_plot_src *src, double x);

typedef struct oc_plot_pen {
    oc_style style;
    double smooth; /* 0: raw only */
    oc_smooth kind;
    int32_t dash; /* 0 solid; n: n dots on, n off (line styles where there is no colour) */
    bool points;  /* few points: mark each */
    bool sparing; /* no colour to set raw values apart: only those far from the line */
} oc_plot_pen;

/*
 * Draw a curve: with smoothing the raw extremes dim and the smoothed line over them. Returns the
 * number of points in view that are no finite numbers; their columns carry an × at the top edge.
 *   end_y  out  dot row of the line's right end (for its letter), -1 when nothing was drawn
 */
int64_t oc_plot_curve(oc_plot *p, const oc_plot_src *src, const oc_plot_pen *pen, int32_t *end_y);

/* Smoothed value at the newest point up to `at`, computed as for the line; NaN when there is none. */
double oc_src_smoothed(const oc_plot_src *src, const oc_axis *x, const oc_plot_pen *pen, double at);

#endif
