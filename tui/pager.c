#include "tui/pager.h"

#include <stdio.h>
#include <string.h>

#include "core/base/str.h"

void oc_pager_release(oc_pager *p)
{
    oc_buf_release(&p->text);
    *p = (oc_pager){0};
}

void oc_pager_show(oc_pager *p, const char *title, const char *text, bool at_end)
{
    oc_buf_release(&p->text);
    oc_strlcpy(p->title, title, sizeof p->title);
    // Tabs become columns of eight here, so that drawing knows the width of every character.
    int32_t column = 0;
    for (; *text; text++) {
        if (*text == '\t') {
            do
                oc_buf_ch(&p->text, ' ');
            while (++column % 8);
            continue;
        }
        oc_buf_ch(&p->text, *text);
        column = *text == '\n' ? 0 : column + ((*text & 0xc0) != 0x80);
    }
    while (p->text.len > 0 && p->text.data[p->text.len - 1] == '\n')
        p->text.data[--p->text.len] = '\0';
    p->top = 0;
    p->at_end = at_end;
    p->open = !p->text.failed;
}

void oc_pager_key(oc_pager *p, uint32_t key)
{
    int32_t page = OC_MAX(1, p->page - 1);
    int32_t last = OC_MAX(0, p->total - p->page);
    switch (key) {
    case OC_KEY_ESC:
    case OC_KEY_ENTER:
    case 'q': p->open = false; break;
    case OC_KEY_UP:
    case 'k': p->top--; break;
    case OC_KEY_DOWN:
    case 'j': p->top++; break;
    case OC_KEY_PGUP:
    case 'b': p->top -= page; break;
    case OC_KEY_PGDN:
    case ' ': p->top += page; break;
    case OC_KEY_HOME:
    case 'g': p->top = 0; break;
    case OC_KEY_END:
    case 'G': p->top = last; break;
    default: break;
    }
    p->top = OC_MAX(0, OC_MIN(p->top, last));
}

bool oc_pager_fits(const oc_pager *p)
{
    return p->open && p->total <= p->page;
}

/* Bytes of s[0..n) that fit into w columns, at least one character; broken at a blank if possible. */
static size_t wrap(const char *s, size_t n, int32_t w)
{
    size_t at = 0, blank = 0;
    int32_t x = 0;
    while (at < n) {
        uint32_t cp;
        char one[5];
        int used = oc_utf8_decode(s + at, n - at, &cp);
        one[oc_utf8_encode(cp, one)] = '\0';
        x += oc_text_width(one);
        if (x > w && at > 0)
            return blank > at / 2 ? blank : at;
        at += (size_t)used;
        if (cp == ' ')
            blank = at;
    }
    return n;
}

/* Draw rows [top, top + h) of the wrapped text, or only count when c is NULL. */
static int32_t rows(const oc_pager *p, oc_canvas *c, oc_rect in)
{
    const char *s = oc_buf_cstr(&p->text);
    int32_t row = 0;
    do {
        size_t n = strcspn(s, "\n");
        do {
            size_t k = wrap(s, n, OC_MAX(1, in.w));
            if (c && row >= p->top && row - p->top < in.h) {
                oc_buf line = {0};
                oc_buf_add(&line, s, k);
                oc_text(c, in, 0, row - p->top, -1, OC_STYLE_TEXT, oc_buf_cstr(&line));
                oc_buf_release(&line);
            }
            row++;
            s += k;
            n -= k;
        } while (n > 0);
        s += *s == '\n';
    } while (*s);
    return row;
}

void oc_pager_draw(oc_pager *p, oc_canvas *c, oc_rect area)
{
    if (!p->open)
        return;
    oc_rect box = area.w >= 60 && area.h >= 16 ? oc_rect_inset(area, 2, 0) : area;
    p->total = rows(p, NULL, oc_rect_inset(box, 1, 1));
    int32_t spare =
        OC_MAX(0, box.h - 2 - p->total); // a short text leaves the rest of the screen alone
    box.y += spare;
    box.h -= spare;
    oc_fill(c, box, ' ', OC_STYLE_TEXT);
    oc_rect in = oc_box(c, box, p->title, true);
    p->page = OC_MAX(1, in.h);
    p->total = rows(p, NULL, in);
    if (p->at_end)
        p->top = p->total;
    p->at_end = false;
    p->top = OC_MAX(0, OC_MIN(p->top, p->total - p->page));
    rows(p, c, in);
    char where[64];
    snprintf(where, sizeof where, " %d-%d of %d  Esc closes ", (int)p->top + 1,
             (int)OC_MIN(p->top + p->page, p->total), (int)p->total);
    int32_t w = oc_text_width(where);
    if (box.h >= 2 && box.w > w + 2)
        oc_text(c, box, box.w - w - 1, box.h - 1, -1, OC_STYLE_DIM, where);
}
