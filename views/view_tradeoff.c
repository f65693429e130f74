/*
 * Size or latency against AUROC: every candidate with its interval, the front of those that no
 * other beats, levels to compare with, candidates of other sessions.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/str.h"
#include "views/draw.h"
#include "views/plot.h"
#include "views/views.h"

#define MAX_POINTS 52 /* as many as there are letters */

typedef struct point {
    const oc_ev_candidate *c;
    const char *session; /* "" for the one shown */
    double x;            /* MB or ms; NaN when not measured */
    char letter;
    oc_style style;
    bool front;
} point;

typedef struct cloud {
    point p[MAX_POINTS];
    int n;
    bool latency;
    int base; /* index of the baseline, -1 none */
} cloud;

static bool placed(const point *p)
{
    return isfinite(p->x) && p->x > 0 && isfinite(p->c->auroc);
}

static void add_state(cloud *k, const oc_state *s, const char *session, oc_style style)
{
    for (int64_t i = 0; i < s->n_models && k->n < MAX_POINTS; i++) {
        const oc_ev_candidate *c = &s->model[i].cand;
        if (!s->model[i].has_cand)
            continue;
        point *p = &k->p[k->n];
        *p = (point){.c = c, .session = session, .letter = oc_letter(k->n), .style = style};
        p->x = k->latency ? c->median_ms : c->bytes > 0 ? (double)c->bytes / 1e6 : (double)NAN;
        if (!(p->x > 0))
            p->x = (double)NAN;
        k->n++;
    }
}

/* A point is on the front when no other is at least as small and as good, and better in one. */
static void find_front(cloud *k)
{
    for (int i = 0; i < k->n; i++) {
        point *p = &k->p[i];
        p->front = placed(p);
        for (int j = 0; j < k->n && p->front; j++) {
            const point *q = &k->p[j];
            if (j == i || !placed(q))
                continue;
            bool as_good = q->x <= p->x && q->c->auroc >= p->c->auroc;
            if (as_good && (q->x < p->x || q->c->auroc > p->c->auroc))
                p->front = false;
        }
    }
}

static void gather(const oc_state *s, const oc_view_ui *ui, cloud *k)
{
    const char *base = ui->baseline[0] ? ui->baseline : s->set.bench_baseline;
    *k = (cloud){.latency = ui->metric % 2 == 1, .base = -1};
    add_state(k, s, "", OC_STYLE_S0);
    for (int i = 0; i < k->n; i++)
        if (strcmp(k->p[i].c->model, base) == 0)
            k->base = i;
    for (int32_t i = 0; i < ui->n_compare; i++)
        if (ui->compare[i])
            add_state(k, ui->compare[i], ui->compare_name[i], (oc_style)(OC_STYLE_S1 + i));
    find_front(k);
}

static bool has_points(const cloud *k)
{
    for (int i = 0; i < k->n; i++)
        if (placed(&k->p[i]))
            return true;
    return false;
}

/* --- the picture ----------------------------------------------------------------------------- */

static void axes_of(const cloud *k, const oc_state *s, oc_axis *x, oc_axis *y)
{
    double x0 = (double)INFINITY, x1 = 0, y0 = 1, y1 = 0;
    for (int i = 0; i < k->n; i++) {
        const point *p = &k->p[i];
        if (!placed(p))
            continue;
        x0 = OC_MIN(x0, p->x);
        x1 = OC_MAX(x1, p->x);
        y0 = OC_MIN(y0, isfinite(p->c->auroc_lo) ? p->c->auroc_lo : p->c->auroc);
        y1 = OC_MAX(y1, isfinite(p->c->auroc_hi) ? p->c->auroc_hi : p->c->auroc);
    }
    // a level close to the points is drawn in; a far one would squeeze them
    for (int64_t i = 0; i < s->n_baselines; i++) {
        double level = s->baseline[i].auroc;
        if (isfinite(level) && level < y0 && y0 - level < 0.5 * (y1 - y0))
            y0 = level;
    }
    *x = oc_axis_fit(x0, x1, true, 0.08);
    *y = oc_axis_fit(y0, y1, false, 0.08);
    y->hi = y1 <= 1 ? OC_MIN(y->hi, 1) : y->hi;
}

static void front_line(oc_plot *pl, const cloud *k)
{
    // from small to large: at each point's x the best that size allows rises to it
    const point *at = NULL;
    for (;;) {
        const point *next = NULL;
        for (int i = 0; i < k->n; i++) {
            const point *p = &k->p[i];
            if (p->front && (!at || p->x > at->x) && (!next || p->x < next->x))
                next = p;
        }
        if (!next)
            return;
        int32_t x0, y0, x1, y1;
        if (at && oc_plot_px(pl, at->x, &x0) && oc_plot_py(pl, at->c->auroc, &y0) &&
            oc_plot_px(pl, next->x, &x1) && oc_plot_py(pl, next->c->auroc, &y1)) {
            oc_plot_line(pl, x0, y0, x1, y0, OC_STYLE_S2);
            oc_plot_line(pl, x1, y0, x1, y1, OC_STYLE_S2);
        }
        at = next;
    }
}

static void interval(oc_plot *pl, const point *p)
{
    int32_t cx, y0, y1, px;
    if (!isfinite(p->c->auroc_lo) || !isfinite(p->c->auroc_hi) || !oc_plot_px(pl, p->x, &px) ||
        !oc_plot_py(pl, p->c->auroc_lo, &y0) || !oc_plot_py(pl, p->c->auroc_hi, &y1))
        return;
    cx = px / pl->sx;
    y0 = OC_MIN(y0 / pl->sy, pl->area.h - 1);
    y1 = OC_MAX(y1 / pl->sy, 0);
    for (int32_t y = y1; y <= y0; y++)
        oc_put(pl->c, pl->area, cx, y,
               y1 == y0  ? ' '
               : y == y1 ? 0x252C
               : y == y0 ? 0x2534
                         : 0x2502,
               OC_STYLE_DIM);
}

static void levels(oc_plot *pl, const oc_state *s)
{
    for (int64_t i = 0; i < s->n_baselines; i++)
        oc_plot_hline(pl, s->baseline[i].auroc, OC_STYLE_DIM);
}

// After the intervals, which would cut a name in two.
static void level_names(oc_plot *pl, const oc_state *s)
{
    for (int64_t i = 0; i < s->n_baselines; i++) {
        int32_t py;
        if (oc_plot_py(pl, s->baseline[i].auroc, &py) && py >= 0 && py < pl->ph)
            oc_text_right(pl->c, pl->area, pl->area.w, py / pl->sy, OC_STYLE_DIM,
                          s->baseline[i].name);
    }
}

static void letters(oc_plot *pl, const cloud *k, int cursor)
{
    for (int i = k->n - 1; i >= 0; i--) { // own and early candidates win a shared cell
        const point *p = &k->p[i];
        int32_t cx, cy;
        if (!placed(p) || !oc_plot_cell(pl, p->x, p->c->auroc, &cx, &cy))
            continue;
        oc_put(pl->c, pl->area, cx, cy, (uint32_t)(unsigned char)p->letter,
               i == cursor ? OC_STYLE_CURSOR
               : p->front  ? OC_STYLE_GOOD
                           : p->style);
    }
    const point *p = cursor >= 0 ? &k->p[cursor] : NULL;
    int32_t cx, cy;
    if (p && placed(p) && oc_plot_cell(pl, p->x, p->c->auroc, &cx, &cy))
        oc_put(pl->c, pl->area, cx, cy, (uint32_t)(unsigned char)p->letter, OC_STYLE_CURSOR);
}

static void scatter(const cloud *k, const oc_state *s, int cursor, oc_canvas *c, oc_rect r)
{
    oc_axis x, y;
    oc_plot pl;
    axes_of(k, s, &x, &y);
    if (r.h >= 5 && r.w >= 30) {
        char right[64];
        const char *what = k->latency ? "latency" : "size";
        int32_t at = oc_text(c, r, 0, 0, -1, OC_STYLE_DIM, "macro AUROC");
        snprintf(right, sizeof right, "up left is better · ★ front · %s", what);
        oc_text_right(c, r, r.w, 0, OC_STYLE_DIM,
                      at + 1 + oc_text_width(right) <= r.w ? right : what);
        r = (oc_rect){r.x, r.y + 1, r.w, r.h - 1};
    }
    oc_plot_begin(&pl, c, r, x, y, k->latency ? "ms" : "MB");
    if (pl.area.w < 1)
        return;
    levels(&pl, s);
    for (int i = 0; i < k->n; i++)
        if (placed(&k->p[i]))
            interval(&pl, &k->p[i]);
    level_names(&pl, s);
    front_line(&pl, k);
    letters(&pl, k, cursor);
}

/* --- the table ------------------------------------------------------------------------------- */

/* Right ends of the columns; 0: left out. */
typedef struct cols {
    int32_t name, auroc, ci, bytes, bytes_x, ms, ms_x;
} cols;

static cols columns(int32_t w, int32_t name)
{
    cols k = {.name = OC_MIN(name, OC_MAX(w - 28, 6))};
    int32_t x = 3 + k.name;
    k.auroc = x += 6;
    if (w >= x + 14 + 10 + 7 + 9 + 7)
        k.ci = x += 14;
    k.bytes = x += 10;
    if (w >= x + 7 + 9 + 7)
        k.bytes_x = x += 7;
    if (w >= x + 8)
        k.ms = x += 8;
    if (w >= x + 7 && k.ms)
        k.ms_x = x += 7;
    return k;
}

static void table_head(const cols *k, oc_canvas *c, oc_rect r)
{
    oc_text(c, r, 2, 0, k->name, OC_STYLE_DIM, "candidate");
    oc_text_right(c, r, k->auroc, 0, OC_STYLE_DIM, "AUROC");
    if (k->ci)
        oc_text_right(c, r, k->ci, 0, OC_STYLE_DIM, "95 % interval");
    oc_text_right(c, r, k->bytes, 0, OC_STYLE_DIM, "size");
    if (k->bytes_x)
        oc_text_right(c, r, k->bytes_x, 0, OC_STYLE_DIM, "less");
    if (k->ms)
        oc_text_right(c, r, k->ms, 0, OC_STYLE_DIM, "ms");
    if (k->ms_x)
        oc_text_right(c, r, k->ms_x, 0, OC_STYLE_DIM, "faster");
}

static void table_row(const cloud *k, int i, bool cursor, const cols *col, oc_canvas *c, oc_rect r,
                      int32_t y)
{
    const point *p = &k->p[i];
    const oc_ev_candidate *e = p->c, *b = k->base >= 0 ? k->p[k->base].c : NULL;
    oc_style st = cursor ? OC_STYLE_SELECT : OC_STYLE_TEXT;
    char text[64], lo[16], hi[16];
    oc_put(c, r, 0, y, (uint32_t)(unsigned char)p->letter, p->front ? OC_STYLE_GOOD : p->style);
    if (p->front)
        oc_put(c, r, 1, y, 0x2605, OC_STYLE_GOOD);
    snprintf(text, sizeof text, "%.24s%s%.32s", p->session, p->session[0] ? ":" : "", e->model);
    oc_text(c, r, 3, y, col->name, st, text);
    oc_num_score(text, e->auroc);
    oc_text_right(c, r, col->auroc + 1, y, OC_STYLE_BOLD, text);
    if (col->ci && isfinite(e->auroc_lo)) {
        oc_num_score(lo, e->auroc_lo);
        oc_num_score(hi, e->auroc_hi);
        snprintf(text, sizeof text, "%s..%s", lo, hi);
        oc_text_right(c, r, col->ci, y, OC_STYLE_DIM, text);
    }
    oc_num_bytes(text, e->bytes);
    oc_text_right(c, r, col->bytes, y, OC_STYLE_TEXT, text);
    if (col->bytes_x && b) {
        oc_num_ratio(text, e->bytes > 0 ? (double)b->bytes / (double)e->bytes : (double)NAN);
        oc_text_right(c, r, col->bytes_x, y, OC_STYLE_DIM, b == e ? "base" : text);
    }
    if (col->ms) {
        oc_num_ms(text, e->median_ms);
        oc_text_right(c, r, col->ms, y, OC_STYLE_TEXT, text);
    }
    if (col->ms_x && b) {
        oc_num_ratio(text, e->median_ms > 0 ? b->median_ms / e->median_ms : (double)NAN);
        oc_text_right(c, r, col->ms_x, y, OC_STYLE_DIM, b == e ? "base" : text);
    }
}

static void table(const cloud *k, const oc_state *s, const oc_view_ui *ui, int cursor, oc_canvas *c,
                  oc_rect r)
{
    int32_t name = 9;
    for (int i = 0; i < k->n; i++)
        name = OC_MAX(name, oc_text_width(k->p[i].c->model) +
                                (k->p[i].session[0] ? 1 + oc_text_width(k->p[i].session) : 0));
    for (int64_t i = 0; i < s->n_baselines; i++)
        name = OC_MAX(name, oc_text_width(s->baseline[i].name));
    cols col = columns(r.w, name);
    if (r.h < 2 || r.w < 20)
        return;
    table_head(&col, c, r);
    int32_t rows = r.h - 1, y = 1;
    // without a cursor the newest are shown
    int32_t first =
        oc_scroll_to(cursor >= 0 ? ui->scroll : 0, cursor >= 0 ? cursor : k->n - 1, k->n, rows);
    for (int i = first; i < k->n && y < r.h; i++, y++)
        table_row(k, i, i == cursor, &col, c, r, y);
    for (int64_t i = 0; i < s->n_baselines && y < r.h; i++, y++) {
        char text[16];
        oc_text(c, r, 3, y, col.name, OC_STYLE_DIM, s->baseline[i].name);
        oc_num_score(text, s->baseline[i].auroc);
        oc_text_right(c, r, col.auroc + 1, y, OC_STYLE_DIM, text);
    }
    if (y < r.h)
        oc_text(c, r, 0, r.h - 1, -1, OC_STYLE_DIM,
                "★ on the front: no other is as small and as good");
}

int32_t oc__candidates_rows(const oc_state *s)
{
    int32_t n = 0;
    for (int64_t i = 0; i < s->n_models; i++)
        n += s->model[i].has_cand;
    return n ? n + 1 + (int32_t)s->n_baselines : 0;
}

void oc__candidates_draw(const oc_state *s, const oc_view_ui *ui, oc_canvas *c, oc_rect r)
{
    cloud k;
    gather(s, ui, &k);
    table(&k, s, ui, -1, c, r);
}

void oc__tradeoff_draw(const oc_state *s, const oc_view_ui *ui, oc_rect r, oc_canvas *c)
{
    cloud k;
    gather(s, ui, &k);
    if (k.n == 0) {
        oc_draw_empty(c, r, "no candidate yet",
                      "models come here as the evaluate and bench stages measure them");
        return;
    }
    int cursor = ui->focused ? OC_MAX(OC_MIN(ui->cursor, k.n - 1), 0) : -1;
    if (!has_points(&k)) {
        oc_rect top = {r.x, r.y, r.w, OC_MAX(r.h - k.n - 2, 0)};
        oc_draw_empty(c, top, "candidates, not measured yet",
                      k.latency ? "latency comes with the bench stage"
                                : "AUROC comes with the evaluate stage");
        table(&k, s, ui, cursor, c, (oc_rect){r.x, r.y + top.h, r.w, r.h - top.h});
        return;
    }
    oc_rect plot = r, list = {r.x, r.y, 0, 0};
    if (r.w >= 110) {
        plot.w = r.w - OC_MIN(r.w / 2, 74) - 2;
        list = (oc_rect){r.x + plot.w + 2, r.y, r.w - plot.w - 2, r.h};
    } else if (r.h >= 9) {
        int32_t rows = (int32_t)OC_MIN(k.n + 1 + s->n_baselines, r.h / 2 - 1);
        plot.h = r.h - rows;
        list = (oc_rect){r.x, r.y + plot.h, r.w, rows};
    }
    scatter(&k, s, cursor, c, plot);
    table(&k, s, ui, cursor, c, list);
}

bool oc__tradeoff_handle(oc_view_ui *ui, const oc_state *s, uint32_t key, oc_buf *command)
{
    cloud k;
    (void)command;
    if (key == 'm') {
        ui->metric = ui->metric % 2 ? 0 : 1;
        return true;
    }
    gather(s, ui, &k);
    if (k.n == 0)
        return false;
    if (key == 'b') {
        const point *p = &k.p[OC_MAX(OC_MIN(ui->cursor, k.n - 1), 0)];
        bool same = strcmp(ui->baseline, p->c->model) == 0;
        oc_strlcpy(ui->baseline, same || p->session[0] ? "" : p->c->model, sizeof ui->baseline);
        return true;
    }
    if (key == OC_KEY_LEFT || key == 'h')
        key = OC_KEY_UP;
    if (key == OC_KEY_RIGHT || key == 'l')
        key = OC_KEY_DOWN;
    return oc__list_key(&ui->cursor, k.n, 8, key);
}

void oc__tradeoff_json(const oc_state *s, const oc_view_ui *ui, oc_buf *out)
{
    cloud k;
    oc_jw w = oc_view_json(out);
    gather(s, ui, &k);
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "view", "tradeoff");
    oc_jw_kstr(&w, "x", k.latency ? "median_ms" : "bytes");
    oc_jw_kstr(&w, "baseline", k.base >= 0 ? k.p[k.base].c->model : "");
    oc_jw_key(&w, "candidates");
    oc_jw_open(&w, '[');
    for (int i = 0; i < k.n; i++) {
        const oc_ev_candidate *e = k.p[i].c;
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "session", k.p[i].session[0] ? k.p[i].session : s->session.name);
        oc_jw_kstr(&w, "model", e->model);
        oc_jw_kstr(&w, "stage", e->stage);
        oc_jw_kstr(&w, "precision", e->precision);
        oc_jw_ki64(&w, "bytes", e->bytes);
        oc_jw_ki64(&w, "params", e->params);
        oc_jw_kf64(&w, "auroc", e->auroc);
        oc_jw_kf64(&w, "auroc_lo", e->auroc_lo);
        oc_jw_kf64(&w, "auroc_hi", e->auroc_hi);
        oc_jw_kf64(&w, "accuracy", e->accuracy);
        oc_jw_kf64(&w, "median_ms", e->median_ms);
        oc_jw_kf64(&w, "p95_ms", e->p95_ms);
        oc_jw_kbool(&w, "front", k.p[i].front);
        oc_jw_kstr(&w, "path", e->path);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_key(&w, "levels");
    oc_jw_open(&w, '[');
    for (int64_t i = 0; i < s->n_baselines; i++) {
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "name", s->baseline[i].name);
        oc_jw_kf64(&w, "auroc", s->baseline[i].auroc);
        oc_jw_kf64(&w, "accuracy", s->baseline[i].accuracy);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_close(&w, '}');
}
