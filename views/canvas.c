#include "views/canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/attr.h"
#include "core/base/str.h"
#include "core/text/unicode.h"

#define MAX_SIDE 4096

oc_status oc_canvas_init(oc_canvas *c, int32_t cols, int32_t rows, oc_glyphs g, oc_colors k,
                         oc_err *err)
{
    if (cols < 1 || rows < 1 || cols > MAX_SIDE || rows > MAX_SIDE)
        return OC_FAIL(err, OC_RANGE, "a canvas of %d x %d cells: each side must be 1..%d",
                       (int)cols, (int)rows, MAX_SIDE);
    oc_cell *cell = oc_calloc((size_t)cols * (size_t)rows, sizeof *cell);
    if (!cell)
        return OC_FAIL(err, OC_NOMEM, "no memory for a canvas of %d x %d cells", (int)cols,
                       (int)rows);
    *c = (oc_canvas){.cols = cols, .rows = rows, .cell = cell, .glyphs = g, .colors = k};
    oc_canvas_clear(c);
    return OC_OK;
}

void oc_canvas_release(oc_canvas *c)
{
    oc_free(c->cell);
    *c = (oc_canvas){0};
}

static const oc_cell blank = {
    .glyph = ' ', .style = OC_STYLE_TEXT, .ramp_fg = OC_RAMP_NONE, .ramp_bg = OC_RAMP_NONE};

void oc_canvas_clear(oc_canvas *c)
{
    for (size_t i = 0; i < (size_t)c->cols * (size_t)c->rows; i++)
        c->cell[i] = blank;
}

oc_cell *oc_canvas_at(oc_canvas *c, int32_t x, int32_t y)
{
    if (!c->cell || x < 0 || y < 0 || x >= c->cols || y >= c->rows)
        return NULL;
    return &c->cell[(size_t)y * (size_t)c->cols + (size_t)x];
}

oc_rect oc_rect_inset(oc_rect r, int32_t dx, int32_t dy)
{
    oc_rect in = {r.x + dx, r.y + dy, r.w - 2 * dx, r.h - 2 * dy};
    in.w = OC_MAX(in.w, 0);
    in.h = OC_MAX(in.h, 0);
    return in;
}

/* The plain look of glyphs outside ASCII; pairs of code point and substitute. */
static const struct {
    uint32_t from;
    char to;
} ascii_of[] = {
    {0x2500, '-'}, {0x2501, '='}, {0x2502, '|'},  {0x2503, '|'}, {0x2506, ':'}, {0x250A, ':'},
    {0x2508, '.'}, {0x250C, '+'}, {0x250F, '+'},  {0x2510, '+'}, {0x2513, '+'}, {0x2514, '+'},
    {0x2517, '+'}, {0x2518, '+'}, {0x251B, '+'},  {0x251C, '+'}, {0x2524, '+'}, {0x252C, '+'},
    {0x2534, '+'}, {0x253C, '+'}, {0x256D, '+'},  {0x256E, '+'}, {0x256F, '+'}, {0x2570, '+'},
    {0x2026, '~'}, {0x00B7, '.'}, {0x2022, '*'},  {0x25CF, '*'}, {0x25CB, 'o'}, {0x25C6, '*'},
    {0x2713, '+'}, {0x2717, 'x'}, {0x00D7, 'x'},  {0x2192, '>'}, {0x2190, '<'}, {0x2191, '^'},
    {0x2193, 'v'}, {0x25B2, '^'}, {0x25BC, 'v'},  {0x25B8, '>'}, {0x25C2, '<'}, {0x2013, '-'},
    {0x2014, '-'}, {0x2212, '-'}, {0x00B1, '~'},  {0x2265, '>'}, {0x2264, '<'}, {0x2248, '~'},
    {0x0394, 'd'}, {0x00B2, '2'}, {0x2016, '='},  {0x2591, '.'}, {0x2592, ':'}, {0x2593, '%'},
    {0x2588, '#'}, {0x2589, '#'}, {0x258A, '#'},  {0x258B, '#'}, {0x258C, '#'}, {0x258D, '|'},
    {0x258E, '|'}, {0x258F, '|'}, {0x2580, '\''}, {0x2581, '_'}, {0x2582, '_'}, {0x2583, '.'},
    {0x2584, '.'}, {0x2585, ':'}, {0x2586, ':'},  {0x2587, '#'}, {0x221E, '8'}, {0x2605, '*'},
};

uint32_t oc_glyph_ascii(uint32_t glyph)
{
    if (glyph >= 0x20 && glyph < 0x7F)
        return glyph;
    for (int i = 0; i < OC_COUNT(ascii_of); i++)
        if (ascii_of[i].from == glyph)
            return (uint32_t)ascii_of[i].to;
    return '?';
}

static bool inside(const oc_canvas *c, oc_rect r, int32_t x, int32_t y)
{
    return x >= 0 && y >= 0 && x < r.w && y < r.h && r.x + x >= 0 && r.y + y >= 0 &&
           r.x + x < c->cols && r.y + y < c->rows;
}

/* Overwriting one half of a wide glyph blanks the other half. */
static void unpair(oc_canvas *c, int32_t x, int32_t y)
{
    oc_cell *at = oc_canvas_at(c, x, y);
    oc_cell *left = oc_canvas_at(c, x - 1, y), *right = oc_canvas_at(c, x + 1, y);
    if (at && at->glyph == 0 && left)
        left->glyph = ' ';
    if (at && at->glyph != 0 && right && right->glyph == 0)
        right->glyph = ' ';
}

void oc_put_ramp(oc_canvas *c, oc_rect r, int32_t x, int32_t y, uint32_t glyph, oc_style st,
                 int ramp_fg, int ramp_bg)
{
    if (!inside(c, r, x, y))
        return;
    int wide = glyph < 0x300 ? 1 : oc_u_width(glyph); // below U+0300 all printables take one column
    if (glyph < 0x20 || (glyph >= 0x7F && glyph < 0xA0)) {
        glyph = '?'; // control characters never reach a terminal
        wide = 1;
    }
    if (wide <= 0)
        return;
    if (wide == 2 && !inside(c, r, x + 1, y)) {
        glyph = ' ';
        wide = 1;
    }
    bool ascii = c->glyphs == OC_GLYPHS_ASCII;
    for (int i = 0; i < wide; i++) {
        unpair(c, r.x + x + i, r.y + y);
        oc_cell *cell = oc_canvas_at(c, r.x + x + i, r.y + y);
        cell->glyph = ascii ? oc_glyph_ascii(glyph) : i == 0 ? glyph : 0;
        cell->style = (uint8_t)st;
        cell->ramp_fg = (int8_t)ramp_fg;
        cell->ramp_bg = (int8_t)ramp_bg;
    }
}

void oc_put(oc_canvas *c, oc_rect r, int32_t x, int32_t y, uint32_t glyph, oc_style st)
{
    oc_put_ramp(c, r, x, y, glyph, st, OC_RAMP_NONE, OC_RAMP_NONE);
}

/* Columns of the code point at s[0..n); bytes it takes in *used. */
static int cp_at(const char *s, size_t n, uint32_t *cp, int *used)
{
    *used = oc_utf8_decode(s, n, cp);
    if (*cp < 0x20 || (*cp >= 0x7F && *cp < 0xA0))
        return 1;
    return *cp < 0x300 ? 1 : oc_u_width(*cp);
}

int32_t oc_text_width(const char *s)
{
    int32_t w = 0;
    for (size_t n = strlen(s); n > 0;) {
        uint32_t cp;
        int used;
        w += cp_at(s, n, &cp, &used);
        s += used;
        n -= (size_t)used;
    }
    return w;
}

int32_t oc_text(oc_canvas *c, oc_rect r, int32_t x, int32_t y, int32_t max, oc_style st,
                const char *s)
{
    int32_t room = r.w - x;
    if (max < 0 || max > room)
        max = room;
    if (max <= 0)
        return 0;
    bool cut = oc_text_width(s) > max;
    int32_t limit = cut ? max - 1 : max, at = 0;
    for (size_t n = strlen(s); n > 0;) {
        uint32_t cp;
        int used, w = cp_at(s, n, &cp, &used);
        if (at + w > limit)
            break;
        oc_put(c, r, x + at, y, cp, st);
        at += w;
        s += used;
        n -= (size_t)used;
    }
    if (cut)
        oc_put(c, r, x + at++, y, 0x2026, st);
    return at;
}

int32_t oc_textf(oc_canvas *c, oc_rect r, int32_t x, int32_t y, int32_t max, oc_style st,
                 const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0)
        return 0;
    if ((size_t)n >= sizeof line) { // the cut may have split a character
        char whole[sizeof line];
        oc_strlcpy(whole, line, sizeof line - 4);
        return oc_text(c, r, x, y, max, st, whole);
    }
    return oc_text(c, r, x, y, max, st, line);
}

void oc_fill(oc_canvas *c, oc_rect r, uint32_t glyph, oc_style st)
{
    int32_t y1 = OC_MIN(r.h, c->rows - r.y), x1 = OC_MIN(r.w, c->cols - r.x);
    for (int32_t y = 0; y < y1; y++)
        for (int32_t x = 0; x < x1; x++)
            oc_put(c, r, x, y, glyph, st);
}

/* Corners and sides: light and heavy. */
static const uint32_t frame[2][6] = {
    {0x250C, 0x2510, 0x2514, 0x2518, 0x2500, 0x2502},
    {0x250F, 0x2513, 0x2517, 0x251B, 0x2501, 0x2503},
};

oc_rect oc_box(oc_canvas *c, oc_rect r, const char *title, bool focused)
{
    if (r.w < 2 || r.h < 2)
        return (oc_rect){r.x, r.y, 0, 0};
    const uint32_t *f = frame[focused ? 1 : 0];
    oc_style st = focused ? OC_STYLE_FOCUS : OC_STYLE_BORDER;
    for (int32_t x = 1; x < r.w - 1; x++) {
        oc_put(c, r, x, 0, f[4], st);
        oc_put(c, r, x, r.h - 1, f[4], st);
    }
    for (int32_t y = 1; y < r.h - 1; y++) {
        oc_put(c, r, 0, y, f[5], st);
        oc_put(c, r, r.w - 1, y, f[5], st);
    }
    oc_put(c, r, 0, 0, f[0], st);
    oc_put(c, r, r.w - 1, 0, f[1], st);
    oc_put(c, r, 0, r.h - 1, f[2], st);
    oc_put(c, r, r.w - 1, r.h - 1, f[3], st);
    if (title && title[0] && r.w >= 8) {
        oc_put(c, r, 2, 0, ' ', st);
        int32_t w = oc_text(c, r, 3, 0, r.w - 7, focused ? OC_STYLE_FOCUS : OC_STYLE_TITLE, title);
        oc_put(c, r, 3 + w, 0, ' ', st);
    }
    return oc_rect_inset(r, 1, 1);
}
