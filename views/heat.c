#include "views/heat.h"

#include <math.h>
#include <stdio.h>

#include "core/base/attr.h"
#include "views/draw.h"

typedef struct grid {
    const oc_heat *h;
    oc_canvas *c;
    oc_rect r;                 /* cells, labels excluded */
    int32_t cell, high, first; /* columns and lines of a cell; first row shown */
} grid;

static double share(const oc_heat *h, double v)
{
    double t = (v - h->lo) / (h->hi - h->lo);
    return isnan(t) ? t : OC_MIN(OC_MAX(t, 0), 1);
}

static int ramp(double t)
{
    return OC_MIN((int)(t * OC_RAMP_STEPS), OC_RAMP_STEPS - 1);
}

/* Density: the more, the darker the cell. */
static uint32_t density(const oc_canvas *c, double t)
{
    static const uint32_t shade[] = {0x00B7, 0x2591, 0x2592, 0x2593, 0x2588};
    static const char text[] = ".:-=+*#%@";
    if (c->glyphs == OC_GLYPHS_ASCII)
        return (uint32_t)text[OC_MIN((int)(t * 9), 8)];
    return t <= 0 ? shade[0] : shade[OC_MIN((int)(t * 4), 3) + 1];
}

/* ".31", "1.0" in 3 columns; "0.31" from 5 on. */
static void cell_text(char out[16], double v, int32_t room)
{
    if (room >= 5)
        snprintf(out, 16, "%.2f", v);
    else if (v >= 0.995)
        snprintf(out, 16, v < 9.95 ? "%.1f" : "%.0f", v);
    else
        snprintf(out, 16, ".%02d", (int)(OC_MAX(v, 0) * 100 + 0.5));
}

static void draw_cell(const grid *g, int32_t row, int32_t col)
{
    const oc_heat *h = g->h;
    oc_rect in = {g->r.x + col * g->cell, g->r.y + (row - g->first) * g->high, g->cell, g->high};
    if (in.x + in.w > g->r.x + g->r.w)
        return;
    bool cursor = row == h->cur_row && col == h->cur_col, color = g->c->colors == OC_COLORS_256;
    oc_style st = cursor ? OC_STYLE_CURSOR : OC_STYLE_TEXT;
    double v = h->value(h->data, row, col), t = share(h, v);
    bool gone = h->removed && h->removed(h->data, row, col);
    int bg = color && !gone && !isnan(t) ? ramp(t) : OC_RAMP_NONE;
    int32_t mid = (g->high - 1) / 2, dense = color ? 0 : g->cell >= 4 ? 1 : g->cell;
    for (int32_t y = 0; y < g->high; y++)
        for (int32_t x = 0; x < g->cell; x++)
            oc_put_ramp(g->c, in, x, y, x < dense && !gone && !isnan(t) ? density(g->c, t) : ' ',
                        st, OC_RAMP_NONE, bg);
    if (gone || isnan(t)) {
        oc_put(g->c, in, g->cell / 2, mid, gone ? 0x00D7 : ' ', cursor ? st : OC_STYLE_BAD);
        return;
    }
    if (g->cell >= 4) {
        char text[16];
        cell_text(text, v, g->cell - dense);
        int32_t at = dense + (g->cell - dense - oc_text_width(text) + 1) / 2;
        for (const char *s = text; *s; s++, at++)
            oc_put_ramp(g->c, in, at, mid, (uint32_t)(unsigned char)*s, st, OC_RAMP_NONE, bg);
    } else if (cursor && color) {
        oc_put_ramp(g->c, in, g->cell / 2, mid, '+', st, OC_RAMP_NONE, bg);
    }
}

/* Two rows to a line: the upper half of a cell in one row's colour, the lower in the next one's. */
static void draw_half(const grid *g, int32_t line, int32_t col)
{
    const oc_heat *h = g->h;
    int32_t row = 2 * line;
    oc_rect in = {g->r.x + col * g->cell, g->r.y + line, g->cell, 1};
    if (in.x + in.w > g->r.x + g->r.w)
        return;
    double upper = share(h, h->value(h->data, row, col));
    double lower = row + 1 < h->n_rows ? share(h, h->value(h->data, row + 1, col)) : (double)NAN;
    bool cursor = col == h->cur_col && h->cur_row / 2 == line;
    for (int32_t x = 0; x < g->cell; x++)
        oc_put_ramp(g->c, in, x, 0,
                    cursor && x == g->cell / 2 ? '+'
                    : isnan(upper)             ? ' '
                                               : 0x2580,
                    cursor && x == g->cell / 2 ? OC_STYLE_CURSOR : OC_STYLE_TEXT,
                    isnan(upper) ? OC_RAMP_NONE : ramp(upper),
                    isnan(lower) ? OC_RAMP_NONE : ramp(lower));
}

static int32_t label_width(const oc_heat *h)
{
    int32_t w = 0;
    for (int32_t i = 0; i < h->n_rows; i++) {
        char label[OC_HEAT_LABEL];
        h->row_label(h->data, i, label);
        w = OC_MAX(w, oc_text_width(label));
    }
    return w;
}

static void labels(const grid *g, int32_t label_w, int32_t rows, bool half)
{
    oc_rect left = {g->r.x - label_w - 1, g->r.y, label_w, rows * g->high};
    for (int32_t i = 0; i < rows; i++) {
        char label[OC_HEAT_LABEL];
        int32_t row = half ? 2 * i : g->first + i;
        g->h->row_label(g->h->data, row, label);
        oc_text_right(g->c, left, label_w, i * g->high + (g->high - 1) / 2,
                      row == g->h->cur_row ? OC_STYLE_BOLD : OC_STYLE_DIM, label);
    }
    oc_rect top = {g->r.x, g->r.y - 1, g->r.w, 1};
    for (int32_t i = 0; i < g->h->n_cols && (i + 1) * g->cell <= g->r.w; i++) {
        char label[OC_HEAT_LABEL];
        int32_t room = g->cell > 2 ? g->cell - 1 : g->cell;
        g->h->col_label(g->h->data, i, room, label);
        int32_t w = oc_text_width(label);
        if (w <= room)
            oc_text(g->c, top, i * g->cell + (g->cell - w) / 2, 0, room,
                    i == g->h->cur_col ? OC_STYLE_BOLD : OC_STYLE_DIM, label);
    }
}

int32_t oc_heat_high(const oc_heat *h, int32_t rows)
{
    return h->n_rows > 0 && rows >= 2 * h->n_rows ? 2 : 1;
}

int32_t oc_heat_draw(const oc_heat *h, oc_canvas *c, oc_rect r)
{
    if (h->n_rows < 1 || h->n_cols < 1 || r.h < 2)
        return 0;
    int32_t label_w = label_width(h);
    if (label_w + 1 + h->n_cols > r.w)
        label_w = OC_MIN(label_w, 2);
    grid g = {.h = h, .c = c, .r = {r.x + label_w + 1, r.y + 1, r.w - label_w - 1, r.h - 1}};
    if (g.r.w < 1)
        return 0;
    g.cell = OC_MIN(OC_MAX(g.r.w / h->n_cols, 1), h->max_cell > 0 ? h->max_cell : 8);
    bool half = h->n_rows > g.r.h && h->n_rows <= 2 * g.r.h && c->colors == OC_COLORS_256 &&
                c->glyphs != OC_GLYPHS_ASCII;
    int32_t rows = half ? (h->n_rows + 1) / 2 : OC_MIN(h->n_rows, g.r.h);
    g.high = half ? 1 : oc_heat_high(h, g.r.h);
    g.first = half ? 0 : oc_scroll_to(0, OC_MAX(h->cur_row, 0), h->n_rows, rows);
    labels(&g, label_w, rows, half);
    for (int32_t i = 0; i < rows; i++)
        for (int32_t col = 0; col < h->n_cols; col++) {
            if (half)
                draw_half(&g, i, col);
            else
                draw_cell(&g, g.first + i, col);
        }
    return rows * g.high + 1;
}

int32_t oc_heat_scale(const oc_heat *h, oc_canvas *c, oc_rect r, int32_t x, int32_t y)
{
    char lo[16], hi[16];
    snprintf(lo, sizeof lo, "%g ", h->lo);
    snprintf(hi, sizeof hi, " %g", h->hi);
    int32_t from = x, steps = c->colors == OC_COLORS_256 ? OC_RAMP_STEPS : 9;
    x += oc_text(c, r, x, y, -1, OC_STYLE_DIM, lo);
    for (int32_t i = 0; i < steps; i++, x++) {
        double t = (i + 0.5) / steps;
        if (c->colors == OC_COLORS_256)
            oc_put_ramp(c, r, x, y, ' ', OC_STYLE_TEXT, OC_RAMP_NONE, i);
        else
            oc_put(c, r, x, y, density(c, i == 0 ? 0 : t), OC_STYLE_TEXT);
    }
    x += oc_text(c, r, x, y, -1, OC_STYLE_DIM, hi);
    return x - from;
}
