/*
 * What happened, newest at the bottom: log, alerts, notes, commands. The view follows the newest
 * line until it is scrolled; ui->scroll counts matching lines up from there.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "views/draw.h"
#include "views/views.h"

enum { KIND_ALL, KIND_ALERTS, KIND_NOTES, KIND_COMMANDS, N_KINDS };
static const char *const kind_name[N_KINDS] = {"all", "alerts", "notes", "commands"};

static bool is_alert(const oc_line *l)
{
    return strcmp(l->level, "warn") == 0 || strcmp(l->level, "error") == 0;
}

static bool shown(const oc_line *l, const oc_view_ui *ui)
{
    int kind = ui->metric % N_KINDS;
    if ((kind == KIND_ALERTS && !is_alert(l)) ||
        (kind == KIND_NOTES && strcmp(l->level, "note") != 0) ||
        (kind == KIND_COMMANDS && strcmp(l->level, "cmd") != 0))
        return false;
    if (!ui->filter[0])
        return true;
    char line[512];
    snprintf(line, sizeof line, "%s %s", l->level, l->text);
    return oc_filter_match(ui->filter, line);
}

static oc_style style_of(const oc_line *l)
{
    static const struct {
        const char *level;
        oc_style st;
    } of[] = {{"warn", OC_STYLE_WARN},
              {"error", OC_STYLE_BAD},
              {"note", OC_STYLE_MARK},
              {"cmd", OC_STYLE_KEY}};
    for (int i = 0; i < OC_COUNT(of); i++)
        if (strcmp(of[i].level, l->level) == 0)
            return of[i].st;
    return OC_STYLE_DIM;
}

static int32_t count_shown(const oc_state *s, const oc_view_ui *ui)
{
    int32_t n = 0;
    for (int64_t i = 0; i < s->n_log; i++)
        n += shown(&s->log[i], ui);
    return n;
}

/* Time and level in front, the text wrapped behind them; returns rows used. */
static int32_t text_column(int32_t w)
{
    return w >= 60 ? 15 : w >= 34 ? 12 : 6;
}

static void draw_line(const oc_line *l, const oc_view_ui *ui, oc_canvas *c, oc_rect r, int32_t y,
                      int32_t rows)
{
    char clock[16];
    int32_t x = text_column(r.w);
    oc_num_clock(clock, l->t_ms, ui->tz_s);
    if (x < 15)
        clock[5] = 0; // hours and minutes
    if (x >= 12)
        oc_text(c, r, 0, y, -1, OC_STYLE_DIM, clock);
    oc_text(c, r, x - 6, y, 5, style_of(l), l->level);
    oc_rect in = {r.x + x, r.y + y, r.w - x, rows};
    oc_style st = is_alert(l) ? style_of(l) : OC_STYLE_TEXT;
    if (rows == 1)
        oc_text(c, in, 0, 0, -1, st, l->text);
    else
        oc_text_wrapped(c, in, 0, st, l->text);
}

static void heading(const oc_state *s, const oc_view_ui *ui, int32_t n, oc_canvas *c, oc_rect r)
{
    int32_t x = 0;
    for (int i = 0; i < N_KINDS; i++) {
        bool on = i == ui->metric % N_KINDS;
        x += oc_textf(c, r, x, 0, -1, on ? OC_STYLE_BOLD : OC_STYLE_DIM, on ? "[%s]" : " %s ",
                      kind_name[i]);
    }
    x += 1 + oc__filter_text(ui, c, r, x + 1, 0);
    char right[64];
    snprintf(right, sizeof right, "%d of %d lines%s", (int)n, (int)s->n_log,
             ui->tz_s == 0 ? " · UTC" : "");
    if (x + 2 + oc_text_width(right) <= r.w)
        oc_text_right(c, r, r.w, 0, OC_STYLE_DIM, right);
}

static int32_t rows_of(const oc_line *l, oc_rect r)
{
    return r.h >= 8 ? OC_MAX(oc_text_rows(l->text, r.w - text_column(r.w)), 1) : 1;
}

/* Lines from the bottom up, `skip` newest ones left out; few lines stand at the top. */
static void lines_up(const oc_state *s, const oc_view_ui *ui, int32_t skip, oc_canvas *c, oc_rect r)
{
    int32_t used = 0, left = skip;
    for (int64_t i = s->n_log - 1; i >= 0 && used < r.h; i--)
        if (shown(&s->log[i], ui) && left-- <= 0)
            used += rows_of(&s->log[i], r);
    int32_t y = OC_MIN(used, r.h);
    for (int64_t i = s->n_log - 1; i >= 0 && y > 0; i--) {
        if (!shown(&s->log[i], ui) || skip-- > 0)
            continue;
        int32_t rows = rows_of(&s->log[i], r);
        y -= rows;
        if (y >= 0)
            draw_line(&s->log[i], ui, c, (oc_rect){r.x, r.y + y, r.w, rows}, 0, rows);
    }
}

void oc__log_draw(const oc_state *s, const oc_view_ui *ui, oc_rect r, oc_canvas *c)
{
    int32_t n = count_shown(s, ui);
    if (r.h >= 6) {
        heading(s, ui, n, c, (oc_rect){r.x, r.y, r.w, 1});
        r = (oc_rect){r.x, r.y + 1, r.w, r.h - 1};
    }
    if (n == 0) {
        oc_draw_empty(c, r, s->n_log ? "nothing matches" : "nothing has happened yet",
                      s->n_log ? "Esc empties the filter, m shows other kinds"
                               : "type \"run\" to start, \"help\" for help");
        return;
    }
    lines_up(s, ui, OC_MIN(OC_MAX(ui->scroll, 0), n - 1), c, r);
}

bool oc__log_handle(oc_view_ui *ui, const oc_state *s, uint32_t key, oc_buf *command)
{
    (void)command;
    if (oc__filter_key(ui, key))
        return true;
    if (key == 'm') {
        ui->metric = (ui->metric + 1) % N_KINDS;
        ui->scroll = 0;
        return true;
    }
    int32_t n = count_shown(s, ui),
            from_top = n - 1 - OC_MIN(OC_MAX(ui->scroll, 0), OC_MAX(n - 1, 0));
    if (n < 1 || !oc__list_key(&from_top, n, 10, key))
        return false;
    ui->scroll = n - 1 - from_top;
    return true;
}

void oc__log_json(const oc_state *s, const oc_view_ui *ui, oc_buf *out)
{
    oc_jw w = oc_view_json(out);
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "view", "log");
    oc_jw_ki64(&w, "alerts", s->n_alerts);
    oc_jw_key(&w, "lines");
    oc_jw_open(&w, '[');
    for (int64_t i = 0; i < s->n_log; i++) {
        if (!shown(&s->log[i], ui))
            continue;
        oc_jw_open(&w, '{');
        oc_jw_ki64(&w, "t_ms", s->log[i].t_ms);
        oc_jw_kstr(&w, "level", s->log[i].level);
        oc_jw_kstr(&w, "text", s->log[i].text);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_close(&w, '}');
}
