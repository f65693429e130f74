/*
 * Where everything is, as a pure function of the size and of what is focused.
 *
 *   < 100 columns or < 24 rows    one view, tabs above it
 *   >= 100 x 24                   two tiles side by side, log strip
 *   >= 100 x 30                   loss over sparsity | run over quant, log strip
 *   >= 180 x 34                   run loss tradeoff over sparsity quant latency, log strip
 *
 * From the bottom up: REPL, footer, message, body; the header on top. Whatever does not fit is left
 * out in the order footer, message, header, so that the REPL stays to the end.
 */
#include <string.h>

#include "core/base/attr.h"
#include "views/view.h"

enum { RUN, LOSS, SPARSITY, QUANT, LATENCY, TRADEOFF, LOG, SETTINGS, HELP };

void oc_screen_ui_init(oc_screen_ui *ui)
{
    *ui =
        (oc_screen_ui){.split = 0.5, .message = "", .question = "", .replay = "", .repl_lines = 1};
    for (int i = 0; i < OC_N_VIEWS_MAX; i++)
        oc_view_ui_init(&ui->ui[i]);
}

static bool tiled(const oc_screen_ui *ui, int32_t cols, int32_t rows)
{
    return cols >= 100 && rows >= 24 && !ui->zoomed && !ui->help;
}

/* One row strips: REPL at the bottom, then footer and message, then the header on top. */
static oc_rect strips(const oc_screen_ui *ui, int32_t cols, int32_t rows, oc_screen_layout *out)
{
    int32_t top = 0, bottom = rows;
    bool small = cols < 40 || rows < 10;
    if (rows >= 2) {
        int32_t want = OC_MIN(OC_MAX(ui->repl_lines, 1), 8);
        int32_t most = small || rows < 20 ? 1 : rows < 30 ? 3 : 8;
        int32_t h = OC_MIN(want, most);
        bottom -= h;
        out->repl = (oc_rect){0, bottom, cols, h};
    }
    if (rows >= 3) {
        // tabs take a second row of the header where one view is shown
        int32_t h =
            !small && rows >= 14 && (!tiled(ui, cols, rows) || (cols >= 180 && rows >= 34)) ? 2 : 1;
        out->header = (oc_rect){0, 0, cols, h};
        top = h;
    }
    if (!small) {
        out->footer = (oc_rect){0, --bottom, cols, 1};
        // where the log is in view the row is only taken while there is something to say
        bool asked = ui->message[0] || ui->question[0];
        if (asked || (rows >= 20 && !tiled(ui, cols, rows)))
            out->message = (oc_rect){0, --bottom, cols, 1};
    } else if (bottom - top >= 2 && (ui->message[0] || ui->question[0])) {
        out->message = (oc_rect){0, --bottom, cols, 1};
    }
    return (oc_rect){0, top, cols, OC_MAX(bottom - top, 0)};
}

static oc_rect cut_rows(oc_rect *r, int32_t h)
{
    oc_rect top = {r->x, r->y, r->w, OC_MIN(h, r->h)};
    r->y += top.h;
    r->h -= top.h;
    return top;
}

/* A row of tiles between x positions; ids[i] < 0 leaves a gap to nobody. */
static void tile_row(oc_rect r, const int *ids, int n, const int32_t *width, oc_screen_layout *out)
{
    int32_t x = r.x;
    for (int i = 0; i < n; i++) {
        int32_t w = i == n - 1 ? r.x + r.w - x : width[i];
        out->tile[ids[i]] = (oc_rect){x, r.y, w, r.h};
        x += w;
    }
}

/* Rows of the log strip: it alone gives way to a message, so that tiles do not jump. */
static int32_t strip_rows(int32_t body_h, const oc_screen_layout *out)
{
    int32_t with_message = body_h - (out->message.h > 0 ? 0 : 1);
    return OC_MIN(OC_MAX(with_message / 6, 5), 12) + body_h - with_message;
}

static int32_t left_width(const oc_screen_ui *ui, int32_t w)
{
    double split = ui->split >= 0.2 && ui->split <= 0.8 ? ui->split : 0.5;
    return (int32_t)(w * split + 0.5);
}

/* Two tiles and a strip: the focused chart, the run beside it. */
static void arrange_low(const oc_screen_ui *ui, oc_rect body, oc_screen_layout *out)
{
    int left = ui->view == RUN || ui->view == LOG ? LOSS : ui->view;
    int ids[2] = {left, RUN};
    int32_t w[2] = {left_width(ui, body.w), 0};
    oc_rect top = cut_rows(&body, body.h - strip_rows(body.h, out));
    tile_row(top, ids, 2, w, out);
    out->tile[LOG] = body;
}

static void arrange_two(const oc_screen_ui *ui, oc_rect body, oc_screen_layout *out)
{
    int32_t w[2] = {left_width(ui, body.w), 0};
    oc_rect rest = body, tiles = cut_rows(&rest, body.h - strip_rows(body.h, out));
    out->tile[LOG] = rest;
    if (ui->view == SETTINGS || ui->view == HELP) { // long lists take the whole left column
        out->tile[ui->view] = (oc_rect){tiles.x, tiles.y, w[0], tiles.h};
        oc_rect right = {tiles.x + w[0], tiles.y, tiles.w - w[0], tiles.h};
        out->tile[RUN] = cut_rows(&right, tiles.h / 2);
        out->tile[QUANT] = right;
        return;
    }
    int lower = ui->view == LATENCY || ui->view == TRADEOFF ? ui->view : SPARSITY;
    oc_rect top = cut_rows(&tiles, (tiles.h + 1) / 2);
    tile_row(top, (const int[]){LOSS, RUN}, 2, w, out);
    tile_row(tiles, (const int[]){lower, QUANT}, 2, w, out);
}

static void arrange_three(const oc_screen_ui *ui, oc_rect body, oc_screen_layout *out)
{
    int32_t third = body.w / 3, w[3] = {third, (body.w - third) / 2, 0};
    oc_rect rest = body, tiles = cut_rows(&rest, body.h - strip_rows(body.h, out));
    out->tile[LOG] = rest;
    if (ui->view == SETTINGS || ui->view == HELP) {
        oc_rect right = {tiles.x + w[0] + w[1], tiles.y, tiles.w - w[0] - w[1], tiles.h};
        oc_rect left = {tiles.x, tiles.y, w[0] + w[1], tiles.h};
        out->tile[ui->view] = left;
        out->tile[RUN] = cut_rows(&right, tiles.h / 2);
        out->tile[LOSS] = right;
        return;
    }
    oc_rect top = cut_rows(&tiles, (tiles.h + 1) / 2);
    tile_row(top, (const int[]){RUN, LOSS, TRADEOFF}, 3, w, out);
    tile_row(tiles, (const int[]){SPARSITY, QUANT, LATENCY}, 3, w, out);
}

void oc_screen_arrange(const oc_screen_ui *ui, int32_t cols, int32_t rows, oc_screen_layout *out)
{
    memset(out, 0, sizeof *out);
    if (cols < 1 || rows < 1)
        return;
    int view = ui->view >= 0 && ui->view < oc_view_count() ? ui->view : RUN;
    oc_screen_ui chosen = *ui;
    chosen.view = view;
    chosen.message = ui->message ? ui->message : "";
    chosen.question = ui->question ? ui->question : "";
    oc_rect body = strips(&chosen, cols, rows, out);
    out->body = body;
    if (cols < 40 || rows < 10 || body.h < 1)
        return; // numbers only, drawn into the body
    if (ui->help)
        out->tile[HELP] = body;
    else if (!tiled(ui, cols, rows))
        out->tile[view] = body;
    else if (cols >= 180 && rows >= 34)
        arrange_three(&chosen, body, out);
    else if (rows >= 30)
        arrange_two(&chosen, body, out);
    else
        arrange_low(&chosen, body, out);
}
