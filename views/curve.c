/*
 * A recorded curve on a plot, one dot column at a time.
 *
 *   points of a column  ->  extremes (from the pyramid)  ->  vertical run lo..hi
 *                       ->  first and last value         ->  joined to the neighbour columns
 *                       ->  at most SAMPLES points       ->  smoothed value
 */
#include <math.h>
#include <string.h>

#include "core/base/attr.h"
#include "views/plot.h"

#define SAMPLES    16   /* points of a column that go into a time-weighted mean */
#define VIEWPORT   1000 /* the x axis is this long in the time-weighted mean's unit */
#define EMA_MEMORY 192
#define MEDIAN_MAX 45

double oc_src_x(const oc_plot_src *src, int64_t i)
{
    return src->wall ? (src->s->t[i] - src->t0_ms) / 1000 : src->s->x[i] * src->x_scale;
}

int64_t oc_src_lower(const oc_plot_src *src, double x)
{
    if (!src->wall)
        return oc_series_lower(src->s, x / (src->x_scale > 0 ? src->x_scale : 1));
    int64_t lo = 0, hi = src->s->n;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (oc_src_x(src, mid) < x)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* --- smoothing ------------------------------------------------------------------------------- */

/*
 * Time-weighted exponential mean with debiasing: each value enters with weight 1 and all earlier
 * ones fade by w^d, d being the distance on the x axis in thousandths of its length, so that curves
 * logged at different rates come out equally smooth. The plain exponential mean fades by point.
 */
typedef struct smoother {
    oc_smooth kind;
    double w, unit; /* fading per unit of x; length of that unit */
    double sum, weight, last_x;
} smoother;

static smoother smoother_of(const oc_axis *x, const oc_plot_pen *pen)
{
    smoother m = {.kind = pen->kind, .w = pen->smooth, .last_x = (double)NAN};
    if (pen->kind == OC_SMOOTH_TWEMA)
        m.w = OC_MIN(sqrt(pen->smooth), 0.999);
    m.unit = (x->hi - x->lo) / VIEWPORT;
    return m;
}

static void smoother_add(smoother *m, double x, double y)
{
    if (!isfinite(y))
        return;
    double fade = m->w;
    if (m->kind == OC_SMOOTH_TWEMA)
        fade =
            isnan(m->last_x) || !(m->unit > 0) ? 0 : pow(m->w, OC_MAX(x - m->last_x, 0) / m->unit);
    m->sum = m->sum * fade + y;
    m->weight = m->weight * fade + 1;
    m->last_x = x;
}

/* Median of the last points before i1; insertion sort of at most MEDIAN_MAX values. */
static double window_median(const oc_series *s, int64_t i1, double smooth)
{
    int64_t want = smooth > 0.95 ? MEDIAN_MAX : smooth > 0.75 ? 15 : 5;
    double v[MEDIAN_MAX];
    int n = 0;
    for (int64_t i = OC_MAX(i1 - want, 0); i < i1; i++) {
        int at = n;
        if (!isfinite(s->y[i]))
            continue;
        while (at > 0 && v[at - 1] > s->y[i]) {
            v[at] = v[at - 1];
            at--;
        }
        v[at] = s->y[i];
        n++;
    }
    return n ? (v[(n - 1) / 2] + v[n / 2]) / 2 : (double)NAN;
}

/* Take points [i0, i1) in; the smoothed value after them. */
static double smoother_run(smoother *m, const oc_plot_src *src, int64_t i0, int64_t i1,
                           double smooth, int64_t *reads)
{
    const oc_series *s = src->s;
    int64_t n = i1 - i0;
    if (m->kind == OC_SMOOTH_MEDIAN) {
        *reads += MEDIAN_MAX;
        return window_median(s, i1, smooth);
    }
    int64_t take = m->kind == OC_SMOOTH_EMA ? OC_MIN(n, EMA_MEMORY) : OC_MIN(n, SAMPLES);
    for (int64_t k = 1; k <= take; k++) {
        int64_t i = m->kind == OC_SMOOTH_EMA ? i1 - take + k - 1 : i0 + n * k / take - 1;
        smoother_add(m, oc_src_x(src, i), s->y[i]);
    }
    *reads += take;
    return m->weight > 0 ? m->sum / m->weight : (double)NAN;
}

/* What lies left of the view counts too: start a fifth of its length before it. */
static void smoother_warm(smoother *m, const oc_plot_src *src, const oc_axis *x, int64_t i0,
                          double smooth, int64_t *reads)
{
    double from = x->lo - (x->hi - x->lo) * 0.2;
    int64_t start = oc_src_lower(src, from);
    for (int k = 0; k < 8 && m->kind != OC_SMOOTH_MEDIAN; k++) {
        int64_t a = start + (i0 - start) * k / 8, b = start + (i0 - start) * (k + 1) / 8;
        if (b > a)
            smoother_run(m, src, a, b, smooth, reads);
    }
}

double oc_src_smoothed(const oc_plot_src *src, const oc_axis *x, const oc_plot_pen *pen, double at)
{
    int64_t reads = 0, i1 = oc_src_lower(src, at);
    if (i1 < src->s->n && oc_src_x(src, i1) <= at)
        i1++;
    if (i1 < 1)
        return (double)NAN;
    if (!(pen->smooth > 0))
        return src->s->y[i1 - 1];
    oc_axis before = {at - (x->hi - x->lo), at, false};
    smoother m = smoother_of(&before, pen);
    int64_t start = oc_src_lower(src, at - (before.hi - before.lo) * 0.2);
    double v = (double)NAN;
    for (int k = 0; k < 32; k++) {
        int64_t a = start + (i1 - start) * k / 32, b = start + (i1 - start) * (k + 1) / 32;
        if (b > a)
            v = smoother_run(&m, src, a, b, pen->smooth, &reads);
    }
    return v;
}

/* --- drawing --------------------------------------------------------------------------------- */

typedef struct trace { /* the end of a line so far */
    bool on;
    int32_t x, y;
} trace;

static void trace_to(oc_plot *p, trace *t, int32_t x, int32_t y, oc_style st, int32_t dash)
{
    if (t->on)
        oc_plot_dashed(p, t->x, t->y, x, y, st, dash);
    else
        oc_plot_dot(p, x, y, st);
    *t = (trace){true, x, y};
}

/* Points [i0, i1) that are no numbers; looked for only in curves that have some. */
static int64_t nonfinite_in(const oc_series *s, int64_t i0, int64_t i1)
{
    int64_t n = 0;
    for (int64_t i = i0; i < i1 && s->n_nonfinite > 0; i++)
        n += !isfinite(s->y[i]);
    return n;
}

static void mark_point(oc_plot *p, int32_t x, int32_t y, oc_style st)
{
    if (p->c->glyphs == OC_GLYPHS_ASCII) {
        if (x >= 0 && y >= 0 && x < p->pw && y < p->ph)
            oc_put(p->c, p->area, x / p->sx, y / p->sy, 'o', st);
        return;
    }
    for (int32_t d = -1; d <= 1; d++) {
        oc_plot_dot(p, x + d, y, st);
        if (p->c->glyphs == OC_GLYPHS_BRAILLE)
            oc_plot_dot(p, x, y + d, st);
    }
}

/* One column of the raw curve: join to the last column, then the run between the extremes. */
static void raw_column(oc_plot *p, const oc_plot_src *src, int64_t i0, int64_t i1, int32_t px,
                       trace *t, oc_style st, const oc_plot_pen *pen)
{
    const oc_series *s = src->s;
    oc_range b = oc_series_range(s, i0, i1);
    int32_t first, last, lo, hi;
    p->reads += 3;
    if (b.lo > b.hi || !oc_plot_py(p, (double)b.hi, &hi)) {
        t->on = false;
        return;
    }
    if (!oc_plot_py(p, (double)b.lo, &lo))
        lo = p->ph - 1; // below a log axis
    if (!oc_plot_py(p, s->y[i0], &first))
        first = lo;
    if (!oc_plot_py(p, s->y[i1 - 1], &last))
        last = hi;
    trace_to(p, t, px, first, st, pen->dash);
    if (pen->dash == 0 || (px / pen->dash) % 2 == 0)
        oc_plot_line(p, px, lo, px, hi, st);
    t->y = last;
}

/* Columns px whose points are [i0, i1): calls back per non-empty one. */
typedef struct column_walk {
    const oc_plot *p;
    const oc_plot_src *src;
    int32_t px;
    int64_t i0, i1;
} column_walk;

static bool next_column(column_walk *w)
{
    while (++w->px < w->p->pw && w->i1 < w->src->s->n) {
        double edge = oc_axis_value(&w->p->x, (w->px + 0.5) / OC_MAX(w->p->pw - 1, 1));
        w->i0 = w->i1;
        w->i1 = oc_src_lower(w->src, edge);
        if (w->i1 > w->i0)
            return true;
    }
    return false;
}

static column_walk walk(const oc_plot *p, const oc_plot_src *src)
{
    double left = oc_axis_value(&p->x, -0.5 / OC_MAX(p->pw - 1, 1));
    int64_t i = oc_src_lower(src, left);
    return (column_walk){.p = p, .src = src, .px = -1, .i0 = i, .i1 = i};
}

/* A line that comes from or goes to a point outside the view. */
static void join_outside(oc_plot *p, const oc_plot_src *src, int64_t i, trace *t,
                         const oc_plot_pen *pen, oc_style st)
{
    int32_t px, py;
    if (i < 0 || i >= src->s->n || !oc_plot_px(p, oc_src_x(src, i), &px) ||
        !oc_plot_py(p, src->s->y[i], &py))
        return;
    if (t->on)
        trace_to(p, t, px, py, st, pen->dash);
    else
        *t = (trace){true, px, py};
}

static void draw_raw(oc_plot *p, const oc_plot_src *src, const oc_plot_pen *pen, oc_style st,
                     int32_t *end_y)
{
    column_walk w = walk(p, src);
    trace t = {false, 0, 0};
    join_outside(p, src, w.i0 - 1, &t, pen, st);
    while (next_column(&w)) {
        raw_column(p, src, w.i0, w.i1, w.px, &t, st, pen);
        if (t.on && end_y)
            *end_y = t.y;
    }
    if (t.on && w.i1 < src->s->n)
        join_outside(p, src, w.i1, &t, pen, st);
    // marks come last, so that lines do not run over them
    w = walk(p, src);
    while (pen->points && src->s->n <= p->area.w && next_column(&w))
        for (int64_t i = w.i0; i < w.i1; i++) {
            int32_t py;
            if (oc_plot_py(p, src->s->y[i], &py))
                mark_point(p, w.px, py, st);
        }
}

/* Raw extremes far from the smoothed line, as strokes from the line: spikes stay visible. */
static void far_strokes(oc_plot *p, oc_range b, int32_t px, int32_t line_y)
{
    int32_t lo, hi, far = OC_MAX(p->ph / 8, p->sy);
    if (oc_plot_py(p, (double)b.hi, &hi) && line_y - hi > far)
        oc_plot_line(p, px, hi, px, line_y - p->sy, OC_STYLE_DIM);
    if (oc_plot_py(p, (double)b.lo, &lo) && lo - line_y > far)
        oc_plot_line(p, px, line_y + p->sy, px, lo, OC_STYLE_DIM);
}

static void draw_smooth(oc_plot *p, const oc_plot_src *src, const oc_plot_pen *pen, int32_t *end_y)
{
    column_walk w = walk(p, src);
    smoother m = smoother_of(&p->x, pen);
    trace t = {false, 0, 0};
    smoother_warm(&m, src, &p->x, w.i0, pen->smooth, &p->reads);
    while (next_column(&w)) {
        oc_range b = oc_series_range(src->s, w.i0, w.i1);
        double v = smoother_run(&m, src, w.i0, w.i1, pen->smooth, &p->reads);
        int32_t py;
        if (b.lo > b.hi || !oc_plot_py(p, v, &py)) {
            t.on = false;
            continue;
        }
        if (pen->sparing)
            far_strokes(p, b, w.px, py);
        trace_to(p, &t, w.px, py, pen->style, pen->dash);
        *end_y = py;
    }
}

/* × on the top edge of every column that holds a value that is no finite number. */
static int64_t mark_nonfinite(oc_plot *p, const oc_plot_src *src)
{
    column_walk w = walk(p, src);
    int64_t all = 0;
    while (src->s->n_nonfinite > 0 && next_column(&w)) {
        int64_t n = nonfinite_in(src->s, w.i0, w.i1);
        if (n > 0)
            oc_put(p->c, p->area, w.px / p->sx, 0, 0x00D7, OC_STYLE_BAD);
        all += n;
    }
    return all;
}

int64_t oc_plot_curve(oc_plot *p, const oc_plot_src *src, const oc_plot_pen *pen, int32_t *end_y)
{
    *end_y = -1;
    if (p->pw < 1 || p->ph < 1 || src->s->n < 1)
        return 0;
    bool smooth = pen->smooth > 0 && src->s->n > 2;
    oc_plot_pen raw = *pen;
    if (smooth)
        raw.dash = 0;
    if (!smooth || !pen->sparing)
        draw_raw(p, src, &raw, smooth ? OC_STYLE_DIM : pen->style, end_y);
    if (smooth)
        draw_smooth(p, src, pen, end_y);
    return mark_nonfinite(p, src);
}
