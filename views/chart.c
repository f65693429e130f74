#include "views/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/str.h"
#include "views/draw.h"

#define SAMPLES 512 /* values that percentiles and smallest positives are taken from */

/* Tokens of a step as planned: constant for a run, so that the axis does not move while it goes on. */
static double tokens_per_step(const oc_state *s, const oc_run *run)
{
    const oc_model_state *m = oc_state_model(s, run->name);
    double batch = (double)(s->set.train_batch * s->set.train_accumulate);
    if (m && m->has_info && m->info.mean_tokens > 0)
        return OC_MIN(m->info.mean_tokens, (double)s->set.train_max_len) * batch;
    return run->last.tokens > 0 ? (double)run->last.tokens : batch;
}

oc_plot_src oc_chart_src(const oc_state *s, const oc_run *run, oc_curve curve, oc_xaxis x)
{
    oc_plot_src src = {.s = &run->curve[curve], .x_scale = 1, .t0_ms = (double)run->first_ms};
    src.wall = x == OC_X_WALL;
    if (x == OC_X_TOKENS)
        src.x_scale = tokens_per_step(s, run);
    return src;
}

double oc_chart_x_of(const oc_state *s, const oc_run *run, double step, oc_xaxis x)
{
    oc_plot_src src = oc_chart_src(s, run, OC_CURVE_LOSS, x);
    if (!src.wall)
        return step * src.x_scale;
    int64_t i = oc_series_lower(src.s, step);
    i = OC_MIN(i, src.s->n - 1);
    return i >= 0 ? oc_src_x(&src, i) : 0;
}

void oc_chart_add(oc_chart *ch, const oc_state *s, const oc_run *run, oc_curve curve,
                  const char *label, oc_xaxis x)
{
    const oc_series *y = &run->curve[curve];
    if (ch->n >= OC_CHART_LINES || y->n < 1 || y->n_nonfinite >= y->n)
        return;
    oc_chart_line *l = &ch->line[ch->n];
    *l = (oc_chart_line){.run = run, .curve = curve, .letter = oc_letter(ch->n)};
    l->style = (oc_style)(OC_STYLE_S0 + ch->n % OC_SERIES_STYLES);
    l->sparse = curve >= OC_CURVE_VALID_LOSS;
    l->src = oc_chart_src(s, run, curve, x);
    oc_strlcpy(l->label, label, sizeof l->label);
    ch->n++;
}

oc_axis oc_chart_x_axis(const oc_chart *ch, const oc_view_ui *ui)
{
    double hi = 0, least = (double)INFINITY;
    for (int i = 0; i < ch->n; i++) {
        const oc_chart_line *l = &ch->line[i];
        const oc_series *y = l->src.s;
        double end = oc_src_x(&l->src, y->n - 1);
        if (!l->src.wall && strcmp(l->run->status, "running") == 0)
            end = OC_MAX(end, (double)l->run->steps * l->src.x_scale);
        hi = OC_MAX(hi, end);
        for (int64_t k = 0; k < OC_MIN(y->n, 2); k++)
            if (oc_src_x(&l->src, k) > 0)
                least = OC_MIN(least, oc_src_x(&l->src, k));
    }
    if (ui->log_x)
        return oc_axis_fit(isfinite(least) ? least : 1, OC_MAX(hi, 1), true, 0);
    return (oc_axis){0, hi > 0 ? hi : 1, false};
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Evenly spread finite values of all curves in view. */
static int sample_values(const oc_chart *ch, const oc_axis *x, double *v, bool positive)
{
    int n = 0, each = SAMPLES / OC_MAX(ch->n, 1);
    for (int i = 0; i < ch->n; i++) {
        const oc_series *s = ch->line[i].src.s;
        int64_t i0 = oc_src_lower(&ch->line[i].src, x->lo),
                i1 = oc_src_lower(&ch->line[i].src, x->hi);
        int64_t count = OC_MIN(i1 + 1, s->n) - i0, take = OC_MIN(count, each);
        for (int64_t k = 0; k < take; k++) {
            double y = s->y[i0 + count * k / take];
            if (isfinite(y) && (!positive || y > 0))
                v[n++] = y;
        }
    }
    qsort(v, (size_t)n, sizeof *v, by_value);
    return n;
}

static oc_axis y_axis(const oc_chart *ch, const oc_view_ui *ui, const oc_axis *x)
{
    double lo = (double)INFINITY, hi = -(double)INFINITY, v[SAMPLES];
    for (int i = 0; i < ch->n; i++) {
        const oc_plot_src *src = &ch->line[i].src;
        int64_t i0 = OC_MAX(oc_src_lower(src, x->lo) - 1, 0), i1 = oc_src_lower(src, x->hi);
        oc_range b = oc_series_range(src->s, i0, OC_MIN(i1 + 1, src->s->n));
        if (b.lo <= b.hi) {
            lo = OC_MIN(lo, (double)b.lo);
            hi = OC_MAX(hi, (double)b.hi);
        }
    }
    bool log = ui->log_y && !ch->share;
    int n = ui->clip || (log && !(lo > 0)) ? sample_values(ch, x, v, log) : 0;
    if (n > 0 && log && !(lo > 0))
        lo = v[0];
    if (n > 0 && ui->clip) {
        lo = v[(int)(0.01 * (n - 1))];
        hi = v[(int)ceil(0.99 * (n - 1))];
    }
    oc_axis a = oc_axis_fit(lo, hi, log, 0.04);
    if (ch->share && hi <= 1 && a.hi > 1)
        a.hi = 1;
    return a;
}

void oc_chart_smoothing(char out[32], const oc_view_ui *ui)
{
    static const char *const kind[OC_N_SMOOTH] = {"twema", "ema", "median"};
    int k = ui->smooth_kind >= 0 && ui->smooth_kind < OC_N_SMOOTH ? ui->smooth_kind : 0;
    out[0] = 0;
    if (ui->smooth > 0)
        snprintf(out, 32, "smooth %.2g %s", ui->smooth, kind[k]);
}

static oc_plot_pen pen_of(const oc_chart_line *l, int i, const oc_view_ui *ui, const oc_canvas *c)
{
    // without colour, dashes tell the lines apart; letters at the ends do so always
    return (oc_plot_pen){
        .style = l->style,
        .smooth = l->sparse || l->curve == OC_CURVE_LR ? 0 : ui->smooth,
        .kind = (oc_smooth)ui->smooth_kind,
        .dash = c->colors == OC_COLORS_NONE ? i % 3 * (c->glyphs == OC_GLYPHS_ASCII ? 1 : 2) : 0,
        .points = l->sparse,
        .sparing = c->colors == OC_COLORS_NONE};
}

/* --- legend ---------------------------------------------------------------------------------- */

static double line_value(const oc_chart_line *l, const oc_axis *x, const oc_plot_pen *pen,
                         double at)
{
    if (isfinite(at))
        return oc_src_smoothed(&l->src, x, pen, at);
    double v = oc_src_smoothed(&l->src, x, pen, oc_src_x(&l->src, l->src.s->n - 1));
    return isnan(v) ? oc_series_last(l->src.s) : v;
}

static int32_t legend_entry(const oc_chart *ch, int i, const oc_axis *x, const oc_plot_pen *pen,
                            double at, oc_canvas *c, oc_rect r, int32_t at_x)
{
    const oc_chart_line *l = &ch->line[i];
    char text[96], value[16], delta[24] = "";
    double v = line_value(l, x, pen, at);
    oc_num_short(value, v);
    if (ch->base && ch->base != l && ch->base->curve == l->curve) {
        oc_plot_pen plain = *pen;
        double d = v - line_value(ch->base, x, &plain, at);
        if (isfinite(d))
            snprintf(delta, sizeof delta, " (%+.4f)", d);
    }
    snprintf(text, sizeof text, "%s %s%s", l->label, value, delta);
    if (at_x + 2 + oc_text_width(text) > r.w && at_x > 0)
        return 0;
    char letter[2] = {l->letter, 0};
    oc_text(c, r, at_x, 0, -1, l->style, letter);
    int32_t name = oc_text(c, r, at_x + 2, 0, -1, OC_STYLE_TEXT, text);
    return 2 + name + 2;
}

static int32_t legend(const oc_chart *ch, const oc_view_ui *ui, const oc_axis *x, double at,
                      oc_canvas *c, oc_rect r)
{
    int32_t used = 0;
    if (isfinite(at)) {
        char where[16];
        oc_num_short(where, at);
        double whole = floor(at);
        if (whole == at && at < 1e7)
            snprintf(where, sizeof where, "%.0f", at);
        used = oc_textf(c, r, 0, 0, -1, OC_STYLE_FOCUS, "@%s", where) + 2;
    }
    for (int i = 0; i < ch->n; i++) {
        oc_plot_pen pen = pen_of(&ch->line[i], i, ui, c);
        int32_t w = legend_entry(ch, i, x, &pen, isfinite(at) ? at : (double)INFINITY, c, r, used);
        if (!w) { // say how many are left out rather than hide them
            oc_textf(c, r, OC_MAX(used - 1, 0), 0, -1, OC_STYLE_DIM, "+%d", ch->n - i);
            return r.w;
        }
        used += w;
    }
    return used;
}

/* --- drawing --------------------------------------------------------------------------------- */

/* The lines go under the curves, their letters over them. */
static void markers(oc_plot *p, const oc_chart *ch, const oc_state *s, const oc_view_ui *ui,
                    bool letters)
{
    const oc_run *run = ch->line[0].run;
    for (int64_t i = 0; i < s->n_markers; i++) {
        const oc_marker *m = &s->marker[i];
        int32_t px;
        if (strcmp(m->run, run->name) != 0 || m->x < 0)
            continue;
        double x = oc_chart_x_of(s, run, m->x, ui->xaxis);
        if (!letters)
            oc_plot_vline(p, x, 0x250A, OC_STYLE_MARK);
        else if (oc_plot_px(p, x, &px) && px >= 0 && px < p->pw)
            oc_put(p->c, p->area, px / p->sx, 0, (uint32_t)(unsigned char)m->kind, OC_STYLE_MARK);
    }
}

/* Letters in the column right of the plot, each at its line's end or the nearest free row. */
static void end_letters(const oc_chart *ch, const oc_plot *p, const int32_t *end_y, oc_canvas *c)
{
    oc_rect col = {p->area.x + p->area.w, p->area.y, 1, p->area.h};
    bool taken[512] = {false};
    int32_t rows = OC_MIN(col.h, OC_COUNT(taken));
    for (int i = 0; i < ch->n; i++) {
        if (end_y[i] < 0)
            continue;
        int32_t want = OC_MIN(OC_MAX(end_y[i] / p->sy, 0), rows - 1);
        for (int32_t d = 0; d < rows; d++) {
            int32_t row = want - d >= 0 && !taken[want - d] ? want - d : want + d;
            if (row >= rows || taken[row])
                continue;
            taken[row] = true;
            oc_put(c, col, 0, row, (uint32_t)(unsigned char)ch->line[i].letter, ch->line[i].style);
            break;
        }
    }
}

/* Top right corner: what is not drawn as it is. */
static void notes_at_top(oc_plot *p, int64_t bad, const oc_view_ui *ui)
{
    char note[48] = "";
    if (bad > 0)
        snprintf(note, sizeof note, "%d x NaN ", (int)OC_MIN(bad, 999999));
    if (p->y.log)
        strcat(note, "log y ");
    if (ui->clip)
        strcat(note, "clipped ");
    size_t n = strlen(note);
    if (n == 0 || p->area.w < 24)
        return;
    note[n - 1] = 0;
    oc_text_right(p->c, p->area, p->area.w - 1, 1 < p->area.h ? 1 : 0,
                  bad > 0 ? OC_STYLE_BAD : OC_STYLE_DIM, note);
}

int64_t oc_chart_draw(const oc_chart *ch, const oc_state *s, const oc_view_ui *ui, oc_rect r,
                      oc_canvas *c)
{
    static const char *const unit[OC_N_XAXES] = {"steps", "tokens", "s"};
    if (ch->n < 1 || r.w < 1 || r.h < 1)
        return 0;
    oc_axis x = oc_chart_x_axis(ch, ui);
    if (ui->x0 < ui->x1) {
        x.lo = x.log ? OC_MAX(ui->x0, x.lo) : ui->x0;
        x.hi = OC_MAX(ui->x1, x.lo + (x.hi - x.lo) * 1e-6);
    }
    double at = (double)NAN;
    if (ui->inspect)
        at = oc_chart_x_of(s, ch->line[0].run, ui->inspect_x, ui->xaxis);
    bool with_legend = r.h >= 3, letters = r.w >= 24 && r.h >= 3;
    if (with_legend) {
        legend(ch, ui, &x, at, c, (oc_rect){r.x, r.y, r.w, 1});
        r = (oc_rect){r.x, r.y + 1, r.w, r.h - 1};
    }
    oc_plot p;
    int32_t end_y[OC_CHART_LINES];
    int64_t bad = 0;
    r.w -= letters ? 1 : 0;
    oc_plot_begin(&p, c, r, x, y_axis(ch, ui, &x), unit[ui->xaxis % OC_N_XAXES]);
    markers(&p, ch, s, ui, false);
    if (isfinite(at))
        oc_plot_vline(&p, at, 0x2502, OC_STYLE_FOCUS);
    for (int i = ch->n - 1; i >= 0; i--) { // the first curve last: it is the one looked at
        oc_plot_pen pen = pen_of(&ch->line[i], i, ui, c);
        bad += oc_plot_curve(&p, &ch->line[i].src, &pen, &end_y[i]);
    }
    markers(&p, ch, s, ui, true);
    if (letters)
        end_letters(ch, &p, end_y, c);
    notes_at_top(&p, bad, ui);
    return p.reads;
}
