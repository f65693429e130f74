/*
 * views/canvas.h - a grid of cells that views draw on; the terminal, text, ANSI, SVG and HTML are
 * ways to show it. Nothing here knows curses, files or clocks.
 *
 * Style elements, not colours: what a thing means is drawn, the theme says how it looks. Ramps
 * (heatmaps) are the one exception: a cell may carry a foreground and background ramp value.
 */
#ifndef OC_VIEWS_CANVAS_H
#define OC_VIEWS_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"

typedef enum {
    OC_STYLE_TEXT,
    OC_STYLE_DIM,
    OC_STYLE_BOLD,
    OC_STYLE_TITLE,
    OC_STYLE_BORDER,
    OC_STYLE_FOCUS,
    OC_STYLE_KEY,
    OC_STYLE_GOOD,
    OC_STYLE_BAD,
    OC_STYLE_WARN,
    OC_STYLE_MARK,
    OC_STYLE_CURSOR,
    OC_STYLE_SELECT,
    OC_STYLE_STATUS,
    OC_STYLE_S0,
    OC_STYLE_S1,
    OC_STYLE_S2,
    OC_STYLE_S3,
    OC_STYLE_S4,
    OC_STYLE_S5,
    OC_STYLE_S6, /* series */
    OC_N_STYLES
} oc_style;
#define OC_SERIES_STYLES 7

typedef enum { OC_GLYPHS_BRAILLE, OC_GLYPHS_BLOCK, OC_GLYPHS_ASCII } oc_glyphs;
typedef enum { OC_COLORS_NONE, OC_COLORS_16, OC_COLORS_256 } oc_colors;

#define OC_RAMP_STEPS \
    16 /* 0..15, strictly increasing lightness; OC_RAMP_NONE: the style's colour */
#define OC_RAMP_NONE (-1)

typedef struct oc_cell {
    uint32_t glyph; /* code point; 0 = second half of a wide glyph */
    uint8_t style;  /* oc_style */
    int8_t ramp_fg, ramp_bg;
} oc_cell;

typedef struct oc_canvas {
    int32_t cols, rows;
    oc_cell *cell; /* owned [rows*cols] */
    oc_glyphs glyphs;
    oc_colors colors;
} oc_canvas;

typedef struct oc_rect {
    int32_t x, y, w, h; /* w, h may be 0: then nothing is drawn */
} oc_rect;

oc_status oc_canvas_init(oc_canvas *c, int32_t cols, int32_t rows, oc_glyphs g, oc_colors k,
                         oc_err *err) OC_NODISCARD;
void oc_canvas_release(oc_canvas *c);
void oc_canvas_clear(oc_canvas *c);
oc_cell *oc_canvas_at(oc_canvas *c, int32_t x, int32_t y); /* NULL outside */

/* All drawing is clipped to r (and to the canvas); coordinates are relative to r. */
oc_rect oc_rect_inset(oc_rect r, int32_t dx, int32_t dy);
void oc_put(oc_canvas *c, oc_rect r, int32_t x, int32_t y, uint32_t glyph, oc_style st);
/* UTF-8 text, cut with "…" (or "~") when wider than max (max < 0: to the edge). Returns columns. */
int32_t oc_text(oc_canvas *c, oc_rect r, int32_t x, int32_t y, int32_t max, oc_style st,
                const char *s);
int32_t oc_textf(oc_canvas *c, oc_rect r, int32_t x, int32_t y, int32_t max, oc_style st,
                 const char *fmt, ...) OC_PRINTF(7, 8);
int32_t oc_text_width(const char *s);
void oc_fill(oc_canvas *c, oc_rect r, uint32_t glyph, oc_style st);
/* As oc_put with ramp values (0..15 or OC_RAMP_NONE) in place of the style's colours. */
void oc_put_ramp(oc_canvas *c, oc_rect r, int32_t x, int32_t y, uint32_t glyph, oc_style st,
                 int ramp_fg, int ramp_bg);
/* What the ASCII glyph set shows for a code point (every drawing goes through it). */
uint32_t oc_glyph_ascii(uint32_t glyph);
/* Border with a title; returns the inside. A focused one is heavy, its title between marks. */
oc_rect oc_box(oc_canvas *c, oc_rect r, const char *title, bool focused);

/* Whole canvas as text (trailing blanks cut), ANSI (256/16/none as in c->colors), SVG, HTML. */
void oc_canvas_text(const oc_canvas *c, oc_buf *out);
void oc_canvas_ansi(const oc_canvas *c, oc_buf *out);
void oc_canvas_svg(const oc_canvas *c, oc_buf *out);
void oc_canvas_html(const oc_canvas *c, oc_buf *out);
/* One letter per style, ramp cells as their hexadecimal digit, for goldens of attributes. */
void oc_canvas_styles(const oc_canvas *c, oc_buf *out);

/* Themes: terminal colours of a style and of ramp steps. Index 0..255, or -1 = terminal default. */
typedef struct oc_look {
    int16_t fg, bg;
    bool bold, dim, reverse, underline;
} oc_look;
typedef struct oc_theme {
    const char *name, *help;
    oc_look look16[OC_N_STYLES]; /* the 16 ANSI colours */
    oc_look look256[OC_N_STYLES];
    uint8_t ramp[OC_RAMP_STEPS]; /* 256-colour */
} oc_theme;
int oc_theme_count(void);
const oc_theme *oc_theme_at(int i);
const oc_theme *oc_theme_find(const char *name); /* NULL when unknown */
/* How a cell looks under a theme and a number of colours (mono: attributes only). */
oc_look oc_theme_look(const oc_theme *t, oc_colors k, const oc_cell *cell);

/* As above with a theme (NULL: default). The SVG draws braille, blocks and lines as shapes, so that
 * it looks the same with every font. */
void oc_canvas_ansi_as(const oc_canvas *c, const oc_theme *t, oc_buf *out);
void oc_canvas_svg_as(const oc_canvas *c, const oc_theme *t, oc_buf *out);
void oc_canvas_html_as(const oc_canvas *c, const oc_theme *t, oc_buf *out);
/* Red, green, blue of an xterm colour 0..255. */
void oc_color_rgb(int index, uint8_t rgb[3]);

#endif
