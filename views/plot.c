#include "views/plot.h"

#include <math.h>
#include <string.h>

#include "core/base/attr.h"
#include "views/draw.h"

/* Dots of a cell as bits, by glyph set. Braille: its own bit order by column and row. */
static const uint8_t braille_bit[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
static const uint32_t quadrant[16] = {' ',    0x2598, 0x259D, 0x2580, 0x2596, 0x258C,
                                      0x259E, 0x259B, 0x2597, 0x259A, 0x2590, 0x259C,
                                      0x2584, 0x2599, 0x259F, 0x2588};
static const char ascii_dots[8] = {' ', '\'', '-', '"', '.', ':', ',', '|'};

static uint32_t dots_glyph(oc_glyphs g, uint32_t bits)
{
    if (g == OC_GLYPHS_BRAILLE)
        return 0x2800 + bits;
    return g == OC_GLYPHS_BLOCK ? quadrant[bits & 15] : (uint32_t)ascii_dots[bits & 7];
}

static uint32_t glyph_dots(oc_glyphs g, uint32_t glyph)
{
    if (g == OC_GLYPHS_BRAILLE)
        return glyph >= 0x2800 && glyph <= 0x28FF ? glyph - 0x2800 : 0;
    for (uint32_t i = 1; i < (g == OC_GLYPHS_BLOCK ? 16u : 8u); i++)
        if (dots_glyph(g, i) == glyph)
            return i;
    return 0;
}

static uint32_t dot_bit(oc_glyphs g, int32_t x, int32_t y)
{
    if (g == OC_GLYPHS_BRAILLE)
        return braille_bit[y][x];
    return g == OC_GLYPHS_BLOCK ? 1u << (2 * y + x) : 1u << y;
}

static bool is_series(int st)
{
    return st >= OC_STYLE_S0 && st < OC_STYLE_S0 + OC_SERIES_STYLES;
}

void oc_plot_dot(oc_plot *p, int32_t px, int32_t py, oc_style st)
{
    if (px < 0 || py < 0 || px >= p->pw || py >= p->ph)
        return;
    int32_t x = px / p->sx, y = py / p->sy;
    oc_cell *cell = oc_canvas_at(p->c, p->area.x + x, p->area.y + y);
    if (!cell)
        return;
    // dots of an earlier curve stay; dim ones (raw values) give way, so the line over them is clean
    uint32_t bits =
        is_series(cell->style) || cell->style == st ? glyph_dots(p->c->glyphs, cell->glyph) : 0;
    if (st == OC_STYLE_DIM && is_series(cell->style) && bits)
        return;
    bits |= dot_bit(p->c->glyphs, px % p->sx, py % p->sy);
    oc_put(p->c, p->area, x, y, dots_glyph(p->c->glyphs, bits), st);
}

void oc_plot_dashed(oc_plot *p, int32_t x0, int32_t y0, int32_t x1, int32_t y1, oc_style st,
                    int32_t dash)
{
    double dx = (double)x1 - x0, dy = (double)y1 - y0;
    bool steep = fabs(dy) > fabs(dx);
    double from = steep ? OC_MIN(y0, y1) : OC_MIN(x0, x1),
           to = steep ? OC_MAX(y0, y1) : OC_MAX(x0, x1);
    int32_t k0 = (int32_t)OC_MAX(from, 0), k1 = (int32_t)OC_MIN(to, (steep ? p->ph : p->pw) - 1);
    for (int32_t k = k0; k <= k1; k++) {
        double x = steep ? x0 + (dy != 0 ? dx * (k - y0) / dy : 0) : k;
        double y = steep ? k : y0 + (dx != 0 ? dy * (k - x0) / dx : 0);
        if (fabs(x) > 1e6 || fabs(y) > 1e6)
            continue;
        int32_t px = (int32_t)floor(x + 0.5), py = (int32_t)floor(y + 0.5);
        if (dash == 0 || (px / dash) % 2 == 0)
            oc_plot_dot(p, px, py, st);
    }
}

void oc_plot_line(oc_plot *p, int32_t x0, int32_t y0, int32_t x1, int32_t y1, oc_style st)
{
    oc_plot_dashed(p, x0, y0, x1, y1, st, 0);
}

static bool place(const oc_axis *a, double v, int32_t dots, int32_t *out)
{
    double f = oc_axis_frac(a, v) * (dots - 1);
    if (isnan(f))
        return false;
    *out = (int32_t)floor(OC_MIN(OC_MAX(f, -1e6), 1e6) + 0.5);
    return true;
}

bool oc_plot_px(const oc_plot *p, double v, int32_t *px)
{
    return place(&p->x, v, p->pw, px);
}

bool oc_plot_py(const oc_plot *p, double v, int32_t *py)
{
    if (!place(&p->y, v, p->ph, py))
        return false;
    *py = p->ph - 1 - *py;
    return true;
}

bool oc_plot_cell(const oc_plot *p, double x, double y, int32_t *cx, int32_t *cy)
{
    int32_t px, py;
    if (!oc_plot_px(p, x, &px) || !oc_plot_py(p, y, &py))
        return false;
    *cx = px / p->sx;
    *cy = py / p->sy;
    return px >= 0 && py >= 0 && px < p->pw && py < p->ph;
}

void oc_plot_vline(oc_plot *p, double x, uint32_t glyph, oc_style st)
{
    int32_t px;
    if (!oc_plot_px(p, x, &px) || px < 0 || px >= p->pw)
        return;
    for (int32_t y = 0; y < p->area.h; y++)
        oc_put(p->c, p->area, px / p->sx, y, glyph, st);
}

void oc_plot_hline(oc_plot *p, double y, oc_style st)
{
    int32_t py;
    if (!oc_plot_py(p, y, &py) || py < 0 || py >= p->ph)
        return;
    for (int32_t x = 0; x < p->area.w; x += 2)
        oc_put(p->c, p->area, x, py / p->sy, 0x00B7, st);
}

/* --- axes ---------------------------------------------------------------------------------- */

static void set_area(oc_plot *p, oc_rect area)
{
    p->area = area;
    p->sx = p->c->glyphs == OC_GLYPHS_ASCII ? 1 : 2;
    p->sy = p->c->glyphs == OC_GLYPHS_BRAILLE ? 4 : p->c->glyphs == OC_GLYPHS_BLOCK ? 2 : 3;
    p->pw = area.w * p->sx;
    p->ph = area.h * p->sy;
}

static void y_labels(oc_plot *p, const double *tick, int n, int32_t label_w)
{
    oc_rect left = {p->area.x - label_w - 1, p->area.y, label_w + 1, p->area.h};
    for (int32_t y = 0; y < left.h; y++)
        oc_put(p->c, left, label_w, y, 0x2502, OC_STYLE_BORDER);
    for (int i = 0; i < n; i++) {
        char label[16];
        int32_t py;
        oc_tick_label(label, tick, n, i);
        if (!oc_plot_py(p, tick[i], &py) || py < 0 || py >= p->ph)
            continue;
        oc_text_right(p->c, left, label_w, py / p->sy, OC_STYLE_DIM, label);
        oc_put(p->c, left, label_w, py / p->sy, 0x2524, OC_STYLE_BORDER);
    }
}

/* One row: labels inside the line; two rows: line with ticks, labels under it. */
static void x_labels(oc_plot *p, bool two_rows, const char *unit)
{
    double tick[OC_TICKS];
    oc_rect row = {p->area.x - 1, p->area.y + p->area.h, p->area.w + 1, two_rows ? 2 : 1};
    int32_t unit_w = unit[0] ? oc_text_width(unit) + 1 : 0, free_to = row.w - unit_w, last_end = 0;
    int n = oc_axis_ticks(&p->x, OC_MAX(p->area.w / 10, 2), tick);
    oc_put(p->c, row, 0, 0, 0x2514, OC_STYLE_BORDER);
    for (int32_t x = 1; x < row.w; x++)
        oc_put(p->c, row, x, 0, 0x2500, OC_STYLE_BORDER);
    for (int i = 0; i < n; i++) {
        char label[16];
        int32_t px;
        oc_tick_label(label, tick, n, i);
        if (!oc_plot_px(p, tick[i], &px) || px < 0 || px >= p->pw)
            continue;
        int32_t w = oc_text_width(label), at = OC_MAX(1 + px / p->sx - w / 2, two_rows ? 0 : 1);
        if (two_rows)
            oc_put(p->c, row, 1 + px / p->sx, 0, 0x252C, OC_STYLE_BORDER);
        if (at < last_end || at + w > free_to)
            continue;
        oc_text(p->c, row, at, two_rows ? 1 : 0, -1, OC_STYLE_DIM, label);
        last_end = at + w + 1;
    }
    if (unit_w && unit_w < row.w)
        oc_text_right(p->c, row, row.w, two_rows ? 1 : 0, OC_STYLE_DIM, unit);
}

void oc_plot_begin(oc_plot *p, oc_canvas *c, oc_rect r, oc_axis x, oc_axis y, const char *x_unit)
{
    *p = (oc_plot){.c = c, .x = x, .y = y};
    if (r.w < 2 || r.h < 1)
        return;
    if (r.w < 16 || r.h < 4) {
        set_area(p, r);
        return;
    }
    bool two_rows = r.h >= 10;
    // labels of one width, where there is room, put the axes of stacked plots under each other
    int32_t below = two_rows ? 2 : 1, label_w = r.w >= 56 ? 4 : 0;
    double tick[OC_TICKS];
    int32_t plot_h = r.h - below;
    int n = oc_axis_ticks(&p->y, plot_h < 16 ? plot_h / 3 + 1 : plot_h / 5 + 3, tick);
    for (int i = 0; i < n; i++) {
        char label[16];
        oc_tick_label(label, tick, n, i);
        label_w = OC_MAX(label_w, oc_text_width(label));
    }
    label_w = OC_MIN(label_w, r.w / 3);
    set_area(p, (oc_rect){r.x + label_w + 1, r.y, r.w - label_w - 1, r.h - below});
    y_labels(p, tick, n, label_w);
    x_labels(p, two_rows, x_unit);
}
