/* Aligned columns of text. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "sessions/final_table.h"

/* Characters, not bytes; what tables hold is one column wide each. */
static int32_t width(const char *s)
{
    int32_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

void oc_grid_put(oc_grid *g, int32_t col, const char *fmt, ...)
{
    if (g->err.status != OC_OK)
        return;
    if (col == 0) {
        if (oc_grow(&g->cell, &g->cap, (size_t)g->n + 1, sizeof *g->cell, &g->err) != OC_OK)
            return;
        memset(&g->cell[g->n++], 0, sizeof *g->cell);
    }
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    oc_strlcpy(g->cell[g->n - 1][col], text, OC_GRID_CELL);
}

/* Cut to n characters. */
static void cut(char *s, int32_t n)
{
    int32_t seen = 0;
    for (; *s; s++) {
        if (((unsigned char)*s & 0xc0) != 0x80 && seen++ == n) {
            *s = 0;
            return;
        }
    }
}

static void write_row(const oc_grid *g, int64_t row, const int32_t *w, int32_t gap, oc_buf *out)
{
    size_t start = out->len;
    for (int32_t c = 0; c < g->n_cols; c++) {
        const char *text = g->cell[row][c];
        int32_t pad = w[c] - width(text);
        if (c >= g->n_left)
            oc_buf_fmt(out, "%*s", pad, "");
        oc_buf_str(out, text);
        if (c < g->n_left)
            oc_buf_fmt(out, "%*s", pad, "");
        if (c + 1 < g->n_cols)
            oc_buf_fmt(out, "%*s", gap, "");
    }
    while (out->len > start && out->data[out->len - 1] == ' ')
        out->data[--out->len] = 0;
    oc_buf_ch(out, '\n');
}

oc_status oc_grid_write(oc_grid *g, int32_t max_width, oc_buf *out, oc_err *err)
{
    int32_t w[OC_GRID_COLS] = {0}, sum = 0;
    for (int32_t c = 0; c < g->n_cols; c++) {
        for (int64_t i = 0; i < g->n; i++)
            w[c] = OC_MAX(w[c], width(g->cell[i][c]));
        sum += w[c];
    }
    int32_t gap = sum + 2 * (g->n_cols - 1) <= max_width ? 2 : 1;
    int32_t over = sum + gap * (g->n_cols - 1) - max_width;
    for (int32_t c = 0; c < g->n_left && over > 0; c++) { // words give way, numbers do not
        int32_t narrow = OC_MIN(w[c], OC_MAX(w[c] - over, 9));
        over -= w[c] - narrow;
        w[c] = narrow;
        for (int64_t i = 0; i < g->n; i++)
            cut(g->cell[i][c], w[c]);
    }
    for (int64_t i = 0; i < g->n; i++)
        write_row(g, i, w, gap, out);
    oc_status rc = g->err.status;
    if (rc != OC_OK && err && err->status == OC_OK)
        *err = g->err;
    oc_free(g->cell);
    *g = (oc_grid){0};
    return rc == OC_OK ? oc_buf_check(out, err) : rc;
}
