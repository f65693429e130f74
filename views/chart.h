/*
 * views/chart.h - a panel of curves: legend with letters and values, axes, markers, the inspect
 * cursor, letters at the right ends. The loss view and the run overview are made of these.
 */
#ifndef OC_VIEWS_CHART_H
#define OC_VIEWS_CHART_H

#include "sessions/state.h"
#include "views/plot.h"
#include "views/view.h"

typedef struct oc_chart_line {
    const oc_run *run; /* borrowed from a state */
    oc_curve curve;
    oc_style style;
    char letter;
    char label[56];
    oc_plot_src src;
    bool sparse; /* validation: few points, each marked; like the learning rate never smoothed */
} oc_chart_line;

#define OC_CHART_LINES 24
typedef struct oc_chart {
    oc_chart_line line[OC_CHART_LINES];
    int n;
    bool share;                /* values are shares: the axis does not pass 1 */
    const oc_chart_line *base; /* the baseline run's line; NULL none */
} oc_chart;

/* Add a curve of a run unless it holds no finite value. `s` is the run's state. */
void oc_chart_add(oc_chart *ch, const oc_state *s, const oc_run *run, oc_curve curve,
                  const char *label, oc_xaxis x);
/* How the points of a run's curve map to an x axis. */
oc_plot_src oc_chart_src(const oc_state *s, const oc_run *run, oc_curve curve, oc_xaxis x);
/* Where a step of a run lies on an x axis. */
double oc_chart_x_of(const oc_state *s, const oc_run *run, double step, oc_xaxis x);
/* The whole x axis of a chart: from 0 to the planned end while a run goes on, else to the last point. */
oc_axis oc_chart_x_axis(const oc_chart *ch, const oc_view_ui *ui);
/* Draw; returns points and ranges looked at. `s` holds the markers of line[0]'s run. */
int64_t oc_chart_draw(const oc_chart *ch, const oc_state *s, const oc_view_ui *ui, oc_rect r,
                      oc_canvas *c);
/* "smooth .6 twema", "" without smoothing. */
void oc_chart_smoothing(char out[32], const oc_view_ui *ui);

#endif
