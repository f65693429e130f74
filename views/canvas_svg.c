/*
 * A canvas as SVG. Braille dots, block elements and lines are drawn as shapes on the cell grid, so
 * the picture is the same with any font; all other glyphs are text, one element per run of cells
 * that look the same.
 *
 *   cell  8.4 x 18 units      braille dot at (col*2+1)/4, (row*2+1)/8 of the cell
 */
#include <string.h>

#include "core/base/attr.h"
#include "views/canvas.h"

#define CELL_W 8.4
#define CELL_H 18.0
#define PAD    10.0

typedef struct pen {
    const oc_canvas *c;
    const oc_theme *t;
    oc_buf *out;
    char fg[8], bg[8];
} pen;

static void hex(char out[8], int index, const char *otherwise)
{
    static const char digit[] = "0123456789abcdef";
    if (index < 0) {
        memcpy(out, otherwise, 8);
        return;
    }
    uint8_t c[3];
    oc_color_rgb(index, c);
    out[0] = '#';
    for (int i = 0; i < 3; i++) {
        out[1 + 2 * i] = digit[c[i] >> 4];
        out[2 + 2 * i] = digit[c[i] & 15];
    }
    out[7] = 0;
}

/* Ink and paper of a cell, reverse video resolved; paper "" when it is the background's. */
static oc_look cell_look(const pen *p, const oc_cell *cell, char ink[8], char paper[8])
{
    oc_look l = oc_theme_look(p->t, p->c->colors, cell);
    hex(l.reverse ? paper : ink, l.fg, p->fg);
    hex(l.reverse ? ink : paper, l.bg, p->bg);
    if (!l.reverse && l.bg < 0)
        paper[0] = 0;
    return l;
}

static double cx(int32_t x)
{
    return PAD + x * CELL_W;
}

static double cy(int32_t y)
{
    return PAD + y * CELL_H;
}

static void rect(const pen *p, double x, double y, double w, double h, const char *fill, bool dim)
{
    oc_buf_fmt(p->out,
               "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"%s/>\n", x, y,
               w, h, fill, dim ? " opacity=\".65\"" : "");
}

static void backgrounds(const pen *p, int32_t y)
{
    const oc_cell *cell = p->c->cell + (size_t)y * (size_t)p->c->cols;
    for (int32_t x = 0; x < p->c->cols;) {
        char ink[8], paper[8], next_ink[8], next[8];
        cell_look(p, &cell[x], ink, paper);
        int32_t end = x + 1;
        while (end < p->c->cols) {
            cell_look(p, &cell[end], next_ink, next);
            if (strcmp(next, paper) != 0)
                break;
            end++;
        }
        if (paper[0])
            rect(p, cx(x), cy(y), (end - x) * CELL_W, CELL_H, paper, false);
        x = end;
    }
}

/* Parts of a block element as rectangles in eighths of the cell: x, y, w, h. */
static int block_parts(uint32_t g, uint8_t part[2][4])
{
    static const uint8_t quadrants[10] = {4, 8,  1, 13, 9,
                                          7, 11, 2, 6,  14}; /* U+2596.., bits UL UR LL LR */
    if (g == 0x2580)
        return memcpy(part[0], (const uint8_t[]){0, 0, 8, 4}, 4), 1;
    if (g >= 0x2581 && g <= 0x2588) {
        uint8_t n = (uint8_t)(g - 0x2580);
        return memcpy(part[0], (const uint8_t[]){0, (uint8_t)(8 - n), 8, n}, 4), 1;
    }
    if (g >= 0x2589 && g <= 0x258F)
        return memcpy(part[0], (const uint8_t[]){0, 0, (uint8_t)(0x2590 - g), 8}, 4), 1;
    if (g == 0x2590)
        return memcpy(part[0], (const uint8_t[]){4, 0, 4, 8}, 4), 1;
    if (g < 0x2596 || g > 0x259F)
        return 0;
    uint8_t bits = quadrants[g - 0x2596];
    int n = 0;
    for (uint8_t half = 0; half < 2; half++) {
        uint8_t b = (uint8_t)(bits >> (2 * half) & 3);
        if (b) {
            const uint8_t is[4] = {(uint8_t)(b == 2 ? 4 : 0), (uint8_t)(4 * half),
                                   (uint8_t)(b == 3 ? 8 : 4), 4};
            memcpy(part[n++], is, 4);
        }
    }
    return n;
}

/* Sides a line glyph reaches: 1 left, 2 right, 4 up, 8 down; 16 heavy. */
static int line_sides(uint32_t g)
{
    static const struct {
        uint16_t glyph, sides;
    } of[] = {
        {0x2500, 3},  {0x2501, 19}, {0x2502, 12}, {0x2503, 28}, {0x250C, 10}, {0x250F, 26},
        {0x2510, 9},  {0x2513, 25}, {0x2514, 6},  {0x2517, 22}, {0x2518, 5},  {0x251B, 21},
        {0x251C, 14}, {0x2524, 13}, {0x252C, 11}, {0x2534, 7},  {0x253C, 15},
    };
    for (int i = 0; i < OC_COUNT(of); i++)
        if (of[i].glyph == g)
            return of[i].sides;
    return 0;
}

static void line_glyph(const pen *p, int32_t x, int32_t y, int sides, const char *ink)
{
    double mx = cx(x) + CELL_W / 2, my = cy(y) + CELL_H / 2;
    oc_buf_fmt(p->out, "<path d=\"");
    if (sides & 3)
        oc_buf_fmt(p->out, "M%.2f %.2fH%.2f", sides & 1 ? cx(x) : mx, my,
                   sides & 2 ? cx(x + 1) : mx);
    if (sides & 12)
        oc_buf_fmt(p->out, "M%.2f %.2fV%.2f", mx, sides & 4 ? cy(y) : my,
                   sides & 8 ? cy(y + 1) : my);
    oc_buf_fmt(p->out, "\" stroke=\"%s\" stroke-width=\"%s\" fill=\"none\"/>\n", ink,
               sides & 16 ? "2" : "1");
}

static void braille_glyph(const pen *p, int32_t x, int32_t y, uint32_t bits, const char *ink)
{
    static const uint8_t col[8] = {0, 0, 0, 1, 1, 1, 0, 1}, row[8] = {0, 1, 2, 0, 1, 2, 3, 3};
    oc_buf_str(p->out, "<path d=\"");
    for (int i = 0; i < 8; i++)
        if (bits >> i & 1)
            oc_buf_fmt(p->out, "M%.2f %.2fh2.4v2.4h-2.4z",
                       cx(x) + CELL_W * (col[i] * 2 + 1) / 4 - 1.2,
                       cy(y) + CELL_H * (row[i] * 2 + 1) / 8 - 1.2);
    oc_buf_fmt(p->out, "\" fill=\"%s\"/>\n", ink);
}

/* True when the cell was drawn as a shape. */
static bool shape(const pen *p, int32_t x, int32_t y, const oc_cell *cell)
{
    char ink[8], paper[8];
    uint8_t part[2][4];
    uint32_t g = cell->glyph;
    if (g < 0x2500 || g > 0x28FF)
        return false;
    oc_look l = cell_look(p, cell, ink, paper);
    int sides = line_sides(g), n = block_parts(g, part);
    for (int i = 0; i < n; i++)
        rect(p, cx(x) + part[i][0] * CELL_W / 8, cy(y) + part[i][1] * CELL_H / 8,
             part[i][2] * CELL_W / 8, part[i][3] * CELL_H / 8, ink, l.dim);
    if (sides)
        line_glyph(p, x, y, sides, ink);
    if (g > 0x2800)
        braille_glyph(p, x, y, g - 0x2800, ink);
    return n > 0 || sides || g >= 0x2800;
}

static void glyph_xml(oc_buf *out, uint32_t g)
{
    if (g == '<')
        oc_buf_str(out, "&lt;");
    else if (g == '>')
        oc_buf_str(out, "&gt;");
    else if (g == '&')
        oc_buf_str(out, "&amp;");
    else
        oc_buf_utf8(out, g);
}

/* Text from x to the next change of look, shape or pair of blanks; returns where it ended. */
static int32_t text_run(const pen *p, int32_t x, int32_t y)
{
    const oc_cell *cell = p->c->cell + (size_t)y * (size_t)p->c->cols;
    char ink[8], paper[8], ink2[8], paper2[8];
    oc_look l = cell_look(p, &cell[x], ink, paper);
    int32_t end = x;
    while (end < p->c->cols) {
        oc_look m = cell_look(p, &cell[end], ink2, paper2);
        uint32_t g = cell[end].glyph;
        if (strcmp(ink, ink2) != 0 || m.bold != l.bold || m.dim != l.dim ||
            m.underline != l.underline || (g >= 0x2500 && g <= 0x28FF) ||
            (g == ' ' && (end + 1 >= p->c->cols || cell[end + 1].glyph == ' ')))
            break;
        end++;
    }
    end = OC_MAX(end, x + 1);
    oc_buf_fmt(
        p->out,
        "<text x=\"%.2f\" y=\"%.2f\" textLength=\"%.2f\" lengthAdjust=\"spacingAndGlyphs\" fill=\"%s\"%s%s%s>",
        cx(x), cy(y) + 13.2, (end - x) * CELL_W, ink, l.bold ? " font-weight=\"bold\"" : "",
        l.dim ? " opacity=\".65\"" : "", l.underline ? " text-decoration=\"underline\"" : "");
    for (int32_t i = x; i < end; i++)
        if (cell[i].glyph)
            glyph_xml(p->out, cell[i].glyph);
    oc_buf_str(p->out, "</text>\n");
    return end;
}

void oc_canvas_svg_as(const oc_canvas *c, const oc_theme *t, oc_buf *out)
{
    pen p = {.c = c, .t = t ? t : oc_theme_at(0), .out = out};
    bool light = strcmp(p.t->name, "light") == 0;
    memcpy(p.fg, light ? "#1c1f24" : "#d0d3d8", 8);
    memcpy(p.bg, light ? "#ffffff" : "#14171c", 8);
    double w = 2 * PAD + c->cols * CELL_W, h = 2 * PAD + c->rows * CELL_H;
    oc_buf_fmt(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.2f "
        "%.2f\" font-family=\"'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"14\" "
        "xml:space=\"preserve\">\n<rect width=\"100%%\" height=\"100%%\" rx=\"6\" fill=\"%s\"/>\n",
        w, h, w, h, p.bg);
    for (int32_t y = 0; y < c->rows; y++) {
        backgrounds(&p, y);
        for (int32_t x = 0; x < c->cols;) {
            const oc_cell *cell = &c->cell[(size_t)y * (size_t)c->cols + (size_t)x];
            if (cell->glyph == ' ' || cell->glyph == 0 || shape(&p, x, y, cell))
                x++;
            else
                x = text_run(&p, x, y);
        }
    }
    oc_buf_str(out, "</svg>\n");
}

void oc_canvas_svg(const oc_canvas *c, oc_buf *out)
{
    oc_canvas_svg_as(c, NULL, out);
}
