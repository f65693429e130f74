/* A canvas as text, ANSI, HTML and as style letters. */
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "views/canvas.h"

static const oc_cell *row_of(const oc_canvas *c, int32_t y)
{
    return c->cell + (size_t)y * (size_t)c->cols;
}

static bool same_look(oc_look a, oc_look b)
{
    return a.fg == b.fg && a.bg == b.bg && a.bold == b.bold && a.dim == b.dim &&
           a.reverse == b.reverse && a.underline == b.underline;
}

/* Columns of a row up to its last cell that shows anything. */
static int32_t row_end(const oc_canvas *c, const oc_theme *t, int32_t y)
{
    const oc_cell *cell = row_of(c, y);
    int32_t n = c->cols;
    while (n > 0) {
        oc_look look = t ? oc_theme_look(t, c->colors, &cell[n - 1]) : (oc_look){.bg = -1};
        if (cell[n - 1].glyph != ' ' || look.bg >= 0 || look.reverse || look.underline)
            break;
        n--;
    }
    return n;
}

void oc_canvas_text(const oc_canvas *c, oc_buf *out)
{
    for (int32_t y = 0; y < c->rows; y++) {
        const oc_cell *cell = row_of(c, y);
        int32_t n = row_end(c, NULL, y);
        for (int32_t x = 0; x < n; x++)
            if (cell[x].glyph)
                oc_buf_utf8(out, cell[x].glyph);
        oc_buf_ch(out, '\n');
    }
}

static void sgr_color(oc_buf *out, int16_t color, bool is_bg, oc_colors k)
{
    if (color < 0)
        return;
    if (k == OC_COLORS_16)
        oc_buf_fmt(out, ";%d", color < 8 ? (is_bg ? 40 : 30) + color : (is_bg ? 92 : 82) + color);
    else
        oc_buf_fmt(out, ";%d;5;%d", is_bg ? 48 : 38, color);
}

static void sgr(oc_buf *out, oc_look l, oc_colors k)
{
    oc_buf_str(out, "\033[0");
    oc_buf_str(out, l.bold ? ";1" : "");
    oc_buf_str(out, l.dim ? ";2" : "");
    oc_buf_str(out, l.underline ? ";4" : "");
    oc_buf_str(out, l.reverse ? ";7" : "");
    sgr_color(out, l.fg, false, k);
    sgr_color(out, l.bg, true, k);
    oc_buf_ch(out, 'm');
}

void oc_canvas_ansi_as(const oc_canvas *c, const oc_theme *t, oc_buf *out)
{
    const oc_look plain = {.fg = -1, .bg = -1};
    if (!t)
        t = oc_theme_at(0);
    for (int32_t y = 0; y < c->rows; y++) {
        const oc_cell *cell = row_of(c, y);
        int32_t n = row_end(c, t, y);
        oc_look now = plain;
        for (int32_t x = 0; x < n; x++) {
            if (!cell[x].glyph)
                continue;
            oc_look look = oc_theme_look(t, c->colors, &cell[x]);
            if (!same_look(look, now))
                sgr(out, look, c->colors);
            now = look;
            oc_buf_utf8(out, cell[x].glyph);
        }
        oc_buf_str(out, same_look(now, plain) ? "\n" : "\033[0m\n");
    }
}

void oc_canvas_ansi(const oc_canvas *c, oc_buf *out)
{
    oc_canvas_ansi_as(c, NULL, out);
}

static void html_style(oc_buf *out, oc_look l, bool light)
{
    uint8_t fg[3] = {0xd0, 0xd3, 0xd8}, bg[3] = {0x14, 0x17, 0x1c};
    if (light) {
        memcpy(fg, (const uint8_t[]){0x1c, 0x1f, 0x24}, 3);
        memset(bg, 0xff, 3);
    }
    if (l.fg >= 0)
        oc_color_rgb(l.fg, fg);
    if (l.bg >= 0)
        oc_color_rgb(l.bg, bg);
    const uint8_t *ink = l.reverse ? bg : fg, *paper = l.reverse ? fg : bg;
    oc_buf_fmt(out, "color:#%02x%02x%02x", ink[0], ink[1], ink[2]);
    if (l.reverse || l.bg >= 0)
        oc_buf_fmt(out, ";background:#%02x%02x%02x", paper[0], paper[1], paper[2]);
    oc_buf_str(out, l.bold ? ";font-weight:bold" : "");
    oc_buf_str(out, l.dim ? ";opacity:.65" : "");
    oc_buf_str(out, l.underline ? ";text-decoration:underline" : "");
}

static void html_glyph(oc_buf *out, uint32_t glyph)
{
    if (glyph == '&')
        oc_buf_str(out, "&amp;");
    else if (glyph == '<')
        oc_buf_str(out, "&lt;");
    else if (glyph == '>')
        oc_buf_str(out, "&gt;");
    else
        oc_buf_utf8(out, glyph);
}

void oc_canvas_html_as(const oc_canvas *c, const oc_theme *t, oc_buf *out)
{
    const oc_look plain = {.fg = -1, .bg = -1};
    if (!t)
        t = oc_theme_at(0);
    bool light = strcmp(t->name, "light") == 0;
    oc_buf_fmt(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>optimclm</title>\n"
        "<style>body{margin:0;background:%s}pre{margin:1em;font:14px/1.2 'DejaVu Sans Mono',"
        "Menlo,Consolas,monospace;color:%s}</style></head>\n<body><pre>",
        light ? "#ffffff" : "#14171c", light ? "#1c1f24" : "#d0d3d8");
    for (int32_t y = 0; y < c->rows; y++) {
        const oc_cell *cell = row_of(c, y);
        int32_t n = row_end(c, t, y);
        oc_look now = plain;
        for (int32_t x = 0; x < n; x++) {
            if (!cell[x].glyph)
                continue;
            oc_look look = oc_theme_look(t, c->colors, &cell[x]);
            if (!same_look(look, now)) {
                oc_buf_str(out, same_look(now, plain) ? "" : "</span>");
                if (!same_look(look, plain)) {
                    oc_buf_str(out, "<span style=\"");
                    html_style(out, look, light);
                    oc_buf_str(out, "\">");
                }
            }
            now = look;
            html_glyph(out, cell[x].glyph);
        }
        oc_buf_str(out, same_look(now, plain) ? "\n" : "</span>\n");
    }
    oc_buf_str(out, "</pre></body></html>\n");
}

void oc_canvas_html(const oc_canvas *c, oc_buf *out)
{
    oc_canvas_html_as(c, NULL, out);
}

void oc_canvas_styles(const oc_canvas *c, oc_buf *out)
{
    static const char letter[] = ".DBTRFKGXWMCSH"
                                 "tuvwyzq"; // series letters keep clear of the digits a..f
    for (int32_t y = 0; y < c->rows; y++) {
        const oc_cell *cell = row_of(c, y);
        char line[4096];
        int32_t n = 0;
        for (int32_t x = 0; x < c->cols; x++) {
            int ramp = cell[x].ramp_bg >= 0 ? cell[x].ramp_bg : cell[x].ramp_fg;
            bool quiet = cell[x].glyph == ' ' && cell[x].style == OC_STYLE_TEXT;
            line[x] = ramp >= 0 ? "0123456789abcdef"[ramp & 15]
                      : quiet   ? ' '
                                : letter[cell[x].style < OC_N_STYLES ? cell[x].style : 0];
            if (line[x] != ' ')
                n = x + 1;
        }
        oc_buf_add(out, line, (size_t)n);
        oc_buf_ch(out, '\n');
    }
}
