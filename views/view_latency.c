/*
 * Measured latency: median as a bar, p95 as its whisker, grouped by threads, batch and length, with
 * the ratio to the baseline of the same group.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/str.h"
#include "views/draw.h"
#include "views/views.h"

#define MAX_ROWS 512

typedef struct order {
    const oc_ev_latency *row[MAX_ROWS];
    int32_t n;
} order;

static bool same_case(const oc_ev_latency *a, const oc_ev_latency *b)
{
    return a->threads == b->threads && a->batch == b->batch && a->length == b->length;
}

static int by_case(const void *pa, const void *pb)
{
    const oc_ev_latency *a = *(const oc_ev_latency *const *)pa,
                        *b = *(const oc_ev_latency *const *)pb;
    const int64_t key[4][2] = {
        {a->threads, b->threads}, {a->batch, b->batch}, {a->length, b->length}};
    for (int i = 0; i < 3; i++)
        if (key[i][0] != key[i][1])
            return key[i][0] < key[i][1] ? -1 : 1;
    return a < b ? -1 : a > b; // as measured
}

static int by_speed(const void *pa, const void *pb)
{
    const oc_ev_latency *a = *(const oc_ev_latency *const *)pa,
                        *b = *(const oc_ev_latency *const *)pb;
    if (!same_case(a, b))
        return by_case(pa, pb);
    if (a->median_ms != b->median_ms)
        return a->median_ms > b->median_ms ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* metric 0: within a group as measured; 1: slowest first. */
static void sorted(const oc_state *s, const oc_view_ui *ui, order *o)
{
    o->n = (int32_t)OC_MIN(s->n_latency, MAX_ROWS);
    for (int32_t i = 0; i < o->n; i++)
        o->row[i] = &s->latency[s->n_latency - o->n + i];
    qsort(o->row, (size_t)o->n, sizeof o->row[0], ui->metric % 2 ? by_speed : by_case);
}

static const char *baseline_name(const oc_state *s, const oc_view_ui *ui)
{
    return ui->baseline[0] ? ui->baseline : s->set.bench_baseline;
}

/* Baseline of the same case; several precisions of it: the first measured. NULL when none. */
static const oc_ev_latency *baseline_of(const oc_state *s, const oc_view_ui *ui,
                                        const oc_ev_latency *e)
{
    const char *name = baseline_name(s, ui);
    for (int64_t i = 0; i < s->n_latency; i++)
        if (strcmp(s->latency[i].model, name) == 0 && same_case(&s->latency[i], e))
            return &s->latency[i];
    return NULL;
}

typedef struct scale {
    double hi, lo;
    bool log;
} scale;

static scale scale_of(const order *o, const oc_view_ui *ui)
{
    scale k = {.hi = 0, .lo = (double)INFINITY, .log = ui->log_y};
    for (int32_t i = 0; i < o->n; i++) {
        const oc_ev_latency *e = o->row[i];
        if (isfinite(e->p95_ms))
            k.hi = OC_MAX(k.hi, e->p95_ms);
        if (isfinite(e->median_ms))
            k.hi = OC_MAX(k.hi, e->median_ms);
        if (e->median_ms > 0)
            k.lo = OC_MIN(k.lo, e->median_ms);
    }
    return k;
}

static double share(const scale *k, double ms)
{
    if (!(ms > 0) || !(k->hi > 0))
        return 0;
    if (k->log && k->hi > k->lo)
        return 0.05 + 0.95 * log(OC_MAX(ms, k->lo) / k->lo) / log(k->hi / k->lo);
    return ms / k->hi;
}

/* Bar to the median, a line from there to p95 with an end stroke. */
static void bar(const oc_ev_latency *e, const scale *k, oc_style st, oc_canvas *c, oc_rect r,
                int32_t x, int32_t y, int32_t w)
{
    double median = share(k, e->median_ms), p95 = share(k, e->p95_ms);
    int32_t from = (int32_t)(median * w + 0.5), to = (int32_t)(p95 * w + 0.5) - 1;
    for (int32_t i = OC_MAX(from, 1); i <= to && i < w; i++)
        oc_put(c, r, x + i, y, i == to ? 0x2524 : 0x2500, OC_STYLE_DIM);
    oc_draw_bar(c, r, x, y, OC_MIN(OC_MAX((int32_t)ceil(median * w), 1), w),
                median * w / OC_MAX(ceil(median * w), 1), st, false);
}

/* Same model, same colour, in every group. */
static oc_style style_of(const oc_state *s, const char *model)
{
    int n = 0;
    for (int64_t i = 0; i < s->n_latency; i++) {
        bool seen = false;
        if (strcmp(s->latency[i].model, model) == 0)
            return (oc_style)(OC_STYLE_S0 + n % OC_SERIES_STYLES);
        for (int64_t k = 0; k < i && !seen; k++)
            seen = strcmp(s->latency[k].model, s->latency[i].model) == 0;
        n += !seen;
    }
    return OC_STYLE_S0;
}

typedef struct plan { /* where columns are */
    int32_t name, bar, bar_w, ms, ratio;
} plan;

static plan columns(const order *o, int32_t w)
{
    int32_t name = 5;
    for (int32_t i = 0; i < o->n; i++)
        name =
            OC_MAX(name, oc_text_width(o->row[i]->model) + 2 + oc_text_width(o->row[i]->precision));
    plan p = {.name = OC_MIN(name, OC_MAX(w / 3, 10))};
    int32_t ms = w >= 46 ? 13 : 6, ratio = w >= 34 ? 7 : 0;
    p.bar = p.name + 1;
    p.bar_w = OC_MAX(w - p.bar - ms - ratio - 1, 0);
    p.ms = w - ratio;
    p.ratio = ratio ? w : 0;
    return p;
}

static void measured_row(const oc_state *s, const oc_view_ui *ui, const oc_ev_latency *e,
                         bool cursor, const plan *p, const scale *k, oc_canvas *c, oc_rect r,
                         int32_t y)
{
    char med[16], p95[16], text[40], ratio[16];
    const oc_ev_latency *base = baseline_of(s, ui, e);
    oc_style st = cursor ? OC_STYLE_SELECT : OC_STYLE_TEXT;
    int32_t gap = oc_text_width(e->precision) + 1;
    oc_text(c, r, 0, y, p->name - gap, st, e->model);
    oc_text_right(c, r, p->name, y, cursor ? st : OC_STYLE_DIM, e->precision);
    bar(e, k, style_of(s, e->model), c, r, p->bar, y, p->bar_w);
    oc_num_ms(med, e->median_ms);
    oc_num_ms(p95, e->p95_ms);
    snprintf(text, sizeof text, r.w >= 46 ? "%s / %s" : "%s", med, p95);
    oc_text_right(c, r, p->ms, y, OC_STYLE_TEXT, text);
    if (!p->ratio)
        return;
    oc_num_ratio(ratio, base && e->median_ms > 0 ? base->median_ms / e->median_ms : (double)NAN);
    if (base == e)
        oc_text_right(c, r, p->ratio, y, OC_STYLE_DIM, "base");
    else
        oc_text_right(c, r, p->ratio, y,
                      base && base->median_ms < e->median_ms ? OC_STYLE_BAD : OC_STYLE_GOOD, ratio);
}

static void group_row(const oc_ev_latency *e, oc_canvas *c, oc_rect r, int32_t y)
{
    oc_textf(c, r, 0, y, -1, OC_STYLE_BOLD, "%d thread%s · batch %d · %d tokens", (int)e->threads,
             e->threads == 1 ? "" : "s", (int)e->batch, (int)e->length);
}

static void heading(const oc_state *s, const oc_view_ui *ui, const plan *p, oc_canvas *c, oc_rect r)
{
    char right[64];
    snprintf(right, sizeof right, r.w >= 46 ? "median / p95 ms" : "ms");
    oc_text_right(c, r, p->ms, 0, OC_STYLE_DIM, right);
    if (p->ratio)
        oc_text_right(c, r, p->ratio, 0, OC_STYLE_DIM, "ratio");
    int32_t room = p->ms - oc_text_width(right) - 1;
    oc_textf(c, r, 0, 0, room, OC_STYLE_DIM, "ratio = %s / model%s", baseline_name(s, ui),
             ui->log_y ? " · log bars" : "");
}

/* Screen lines: a line per group and per row; the cursor's row stays in view. */
static void lines(const oc_state *s, const oc_view_ui *ui, const order *o, oc_canvas *c, oc_rect r)
{
    plan p = columns(o, r.w);
    scale k = scale_of(o, ui);
    int32_t cursor = OC_MAX(OC_MIN(ui->cursor, o->n - 1), 0), line = 0, at = 0, total = 0;
    for (int32_t i = 0; i < o->n; i++) {
        total += 1 + (i == 0 || !same_case(o->row[i], o->row[i - 1]));
        if (i == cursor)
            at = total - 1;
    }
    int32_t first = oc_scroll_to(ui->scroll, at, total, r.h);
    for (int32_t i = 0; i < o->n; i++) {
        if (i == 0 || !same_case(o->row[i], o->row[i - 1])) {
            if (line >= first)
                group_row(o->row[i], c, r, line - first);
            line++;
        }
        if (line >= first && line - first < r.h)
            measured_row(s, ui, o->row[i], ui->focused && i == cursor, &p, &k, c, r, line - first);
        line++;
    }
}

void oc__latency_draw(const oc_state *s, const oc_view_ui *ui, oc_rect r, oc_canvas *c)
{
    order o;
    sorted(s, ui, &o);
    if (o.n == 0) {
        oc_draw_empty(c, r, "no latency yet",
                      strstr(s->set.run_stages, "bench")
                          ? "it comes with the bench stage"
                          : "run.stages holds no bench: add it with \"set run.stages\"");
        return;
    }
    if (r.h >= 4) {
        plan p = columns(&o, r.w);
        heading(s, ui, &p, c, (oc_rect){r.x, r.y, r.w, 1});
        r = (oc_rect){r.x, r.y + 1, r.w, r.h - 1};
    }
    lines(s, ui, &o, c, r);
}

bool oc__latency_handle(oc_view_ui *ui, const oc_state *s, uint32_t key, oc_buf *command)
{
    order o;
    (void)command;
    sorted(s, ui, &o);
    if (o.n == 0)
        return false;
    if (key == 'b') {
        const char *model = o.row[OC_MAX(OC_MIN(ui->cursor, o.n - 1), 0)]->model;
        oc_strlcpy(ui->baseline, strcmp(ui->baseline, model) == 0 ? "" : model,
                   sizeof ui->baseline);
    } else if (key == 'y') {
        ui->log_y = !ui->log_y;
    } else if (key == 'o') {
        ui->metric = ui->metric % 2 ? 0 : 1;
    } else {
        return oc__list_key(&ui->cursor, o.n, 8, key);
    }
    return true;
}

void oc__latency_json(const oc_state *s, const oc_view_ui *ui, oc_buf *out)
{
    oc_jw w = oc_view_json(out);
    order o;
    sorted(s, ui, &o);
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "view", "latency");
    oc_jw_kstr(&w, "baseline", baseline_name(s, ui));
    oc_jw_key(&w, "rows");
    oc_jw_open(&w, '[');
    for (int32_t i = 0; i < o.n; i++) {
        const oc_ev_latency *e = o.row[i], *base = baseline_of(s, ui, e);
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "model", e->model);
        oc_jw_kstr(&w, "precision", e->precision);
        oc_jw_ki64(&w, "threads", e->threads);
        oc_jw_ki64(&w, "batch", e->batch);
        oc_jw_ki64(&w, "length", e->length);
        oc_jw_kf64(&w, "median_ms", e->median_ms);
        oc_jw_kf64(&w, "p95_ms", e->p95_ms);
        oc_jw_ki64(&w, "runs", e->runs);
        oc_jw_kf64(&w, "ratio", base ? base->median_ms / e->median_ms : (double)NAN);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_close(&w, '}');
}
