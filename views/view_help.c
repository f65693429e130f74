/*
 * Help: keys of the view one came from, keys that work everywhere, all views, all commands, all
 * settings. ui->metric is the index of that view. The commands come from the command table.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "sessions/workbench.h"
#include "views/draw.h"
#include "views/views.h"

typedef struct entry {
    const char *of; /* a view's name; "" everywhere */
    const char *key, *text;
} entry;

/* clang-format off */
static const entry keys[] = {
    {"run", "up down", "scroll the stages; 0 goes back to the running one"},
    {"loss", "c", "which curves: losses, validation, rate and norms, throughput"},
    {"loss", "s S", "smoothing 0, .6, .9, .97; kind: time-weighted mean, exponential mean, median"},
    {"loss", "y Y", "logarithmic y axis; clip outliers (1st to 99th percentile)"},
    {"loss", "x X", "x axis: steps, tokens, seconds; logarithmic x axis"},
    {"loss", "i", "inspect: a cursor that snaps to logged points, moved with left and right"},
    {"loss", "+ - 0", "zoom in and out about the cursor; all again; left and right move the part"},
    {"loss", "up down", "another run"},
    {"loss", "p b", "pin this run (drawn with others); make it the baseline of differences"},
    {"loss", "m", "write a note at this step"},
    {"sparsity", "m", "share of zeros per matrix, or heads with their importance (x: removed)"},
    {"sparsity", "n N", "next and previous model"},
    {"sparsity", "arrows", "move the cell whose numbers are shown below"},
    {"quant", "up down", "matrix whose error histogram is shown"},
    {"quant", "y", "logarithmic counts"},
    {"quant", "n N", "next and previous model"},
    {"latency", "b", "ratios against the model at the cursor (again: against bench.baseline)"},
    {"latency", "o", "order: as measured, slowest first"},
    {"latency", "y", "logarithmic bars"},
    {"tradeoff", "m", "x axis: size or latency"},
    {"tradeoff", "b", "ratios against the candidate at the cursor"},
    {"tradeoff", "arrows", "next and previous candidate"},
    {"log", "m", "all lines, alerts, notes, commands"},
    {"log", "/", "filter: words that all must match; !word must not; ^ $ . * as in patterns; Esc ends"},
    {"log", "g G", "oldest and newest line"},
    {"settings", "Enter", "change the setting at the cursor: starts a set command"},
    {"settings", "/", "filter by key, value, stage or help"},
    {"settings", "m", "only those that differ from their default"},
    {"help", "/", "filter this page"},
    {"", "1 .. 9", "views: run loss sparsity quant latency tradeoff log settings help"},
    {"", "Tab S-Tab", "next and previous tile"},
    {"", "Enter", "the focused tile alone, and back"},
    {"", ":", "type a command; Esc leaves"},
    {"", "?", "this help over the screen; also F1"},
    {"", "P", "pause and resume the job"},
    {"", "Ctrl-C", "twice: stop the job; in a command: drop the line"},
    {"", "Z", "freeze the display; the job goes on"},
    {"", "t T", "theme; glyphs: braille, blocks, ASCII"},
    {"", "@", "alerts"},
    {"", "[ ] { } , .", "replay: one event back and on, one mark back and on, slower and faster"},
    {"", "Space", "replay: play and stop"},
    {"", "Ctrl-L Ctrl-Z", "draw anew; suspend"},
    {"", "q", "quit (asks while a job runs)"},
};
/* clang-format on */

typedef struct page {
    const oc_view_ui *ui;
    oc_canvas *c; /* NULL: only count */
    oc_rect r;
    int32_t left;        /* width of the left column */
    int32_t first, line; /* first line shown, lines so far */
    int32_t y, rows;     /* row of the next line drawn; rows so far, wrapped */
    int32_t last_first;  /* first line of the last page, when `total` rows are known */
    int32_t total;
    const char *section; /* heading that waits for its first line */
} page;

/* Draw one line, wrapped, if it is in view; headings only appear with a line that passed. */
static void emit_row(page *p, oc_style st, const char *left, const char *right)
{
    int32_t at = OC_MAX(p->left, OC_MIN(oc_text_width(left), p->left - 1) + 1), rows = 1;
    oc_rect in = {p->r.x + at, p->r.y, OC_MAX(p->r.w - at, 0), p->r.h};
    if (p->left > 0)
        rows = OC_MAX(oc_text_rows(right, in.w), 1);
    if (p->last_first < 0 && p->total - p->rows <= p->r.h)
        p->last_first = p->line;
    p->rows += rows;
    if (p->line++ < p->first || !p->c || p->y >= p->r.h)
        return;
    oc_text(p->c, p->r, 0, p->y, right[0] ? p->left - 1 : -1, st, left);
    oc_text_wrapped(p->c, in, p->y, OC_STYLE_TEXT, right);
    p->y += rows;
}

static void emit(page *p, const char *left, const char *right)
{
    char both[512];
    snprintf(both, sizeof both, "%s %s", left, right);
    if (!oc_filter_match(p->ui->filter, both))
        return;
    if (p->section) {
        if (p->line > 0)
            emit_row(p, OC_STYLE_TEXT, "", "");
        emit_row(p, OC_STYLE_TITLE, p->section, "");
        p->section = NULL;
    }
    emit_row(p, OC_STYLE_KEY, left, right);
}

static void all_keys(page *p)
{
    char title[64];
    const oc_view *v = oc_view_at(p->ui->metric);
    v = v ? v : oc_view_at(0);
    snprintf(title, sizeof title, "Keys of %s", v->title);
    p->section = title;
    for (int i = 0; i < OC_COUNT(keys); i++)
        if (strcmp(keys[i].of, v->name) == 0)
            emit(p, keys[i].key, keys[i].text);
    p->section = "Keys everywhere";
    for (int i = 0; i < OC_COUNT(keys); i++)
        if (!keys[i].of[0])
            emit(p, keys[i].key, keys[i].text);
    for (int k = 0; k < oc_view_count(); k++) {
        const oc_view *other = oc_view_at(k);
        if (other == v)
            continue;
        snprintf(title, sizeof title, "Keys of %s", other->title);
        p->section = title;
        for (int i = 0; i < OC_COUNT(keys); i++)
            if (strcmp(keys[i].of, other->name) == 0)
                emit(p, keys[i].key, keys[i].text);
    }
}

static void all_lines(page *p)
{
    char left[96];
    all_keys(p);
    p->section = "Commands";
    for (int i = 0; i < oc_command_count(); i++) {
        const oc_command *cmd = oc_command_at(i);
        snprintf(left, sizeof left, "%s%s%s", cmd->name, cmd->args[0] ? " " : "", cmd->args);
        emit(p, left, cmd->help);
    }
    p->section = "Settings";
    for (int i = 0; i < oc_setting_count(); i++)
        emit(p, oc_setting_at(i)->key, oc_setting_at(i)->help);
    p->section = NULL;
}

static int32_t count_lines(const oc_view_ui *ui)
{
    page p = {.ui = ui};
    all_lines(&p);
    return p.line;
}

void oc__help_draw(const oc_state *s, const oc_view_ui *ui, oc_rect r, oc_canvas *c)
{
    int32_t total = count_lines(ui);
    (void)s;
    if (r.h >= 4) {
        int32_t x = ui->filter[0] || ui->filtering
                        ? oc__filter_text(ui, c, r, 0, 0)
                        : oc_text(c, r, 0, 0, -1, OC_STYLE_DIM, "type / to filter");
        char where[32];
        snprintf(where, sizeof where, "%d lines", (int)total);
        if (x + 12 < r.w)
            oc_text_right(c, r, r.w, 0, OC_STYLE_DIM, where);
        r = (oc_rect){r.x, r.y + 1, r.w, r.h - 1};
    }
    if (total == 0) {
        oc_draw_empty(c, r, "nothing matches", "Esc empties the filter");
        return;
    }
    page p = {.ui = ui, .r = r, .left = r.w >= 90 ? 30 : r.w >= 60 ? 22 : OC_MAX(r.w / 3, 8)};
    page rows = p, last = p, shown = p;
    all_lines(&rows);
    last.total = rows.rows;
    last.last_first = -1;
    all_lines(&last);
    shown.c = c;
    shown.first = OC_MAX(OC_MIN(ui->scroll, last.last_first), 0);
    all_lines(&shown);
}

bool oc__help_handle(oc_view_ui *ui, const oc_state *s, uint32_t key, oc_buf *command)
{
    (void)s;
    (void)command;
    if (oc__filter_key(ui, key))
        return true;
    return oc__list_key(&ui->scroll, count_lines(ui), 10, key);
}

void oc__help_json(const oc_state *s, const oc_view_ui *ui, oc_buf *out)
{
    oc_jw w = oc_view_json(out);
    (void)s;
    (void)ui;
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "view", "help");
    oc_jw_key(&w, "keys");
    oc_jw_open(&w, '[');
    for (int i = 0; i < OC_COUNT(keys); i++) {
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "view", keys[i].of);
        oc_jw_kstr(&w, "key", keys[i].key);
        oc_jw_kstr(&w, "help", keys[i].text);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_key(&w, "commands");
    oc_jw_open(&w, '[');
    for (int i = 0; i < oc_command_count(); i++) {
        const oc_command *cmd = oc_command_at(i);
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "name", cmd->name);
        oc_jw_kstr(&w, "args", cmd->args);
        oc_jw_kstr(&w, "help", cmd->help);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_close(&w, '}');
}
