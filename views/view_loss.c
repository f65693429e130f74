/*
 * Curves of training runs: losses and their terms, validation, learning rate and gradient norms,
 * throughput; several runs over each other.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/str.h"
#include "views/chart.h"
#include "views/draw.h"
#include "views/views.h"

enum { SET_LOSS, SET_AUROC, SET_RATE, SET_SPEED, N_SETS };
static const char *const set_name[N_SETS] = {"losses", "validation", "rate and norms",
                                             "throughput"};

typedef struct who { /* a run and where it comes from */
    const oc_state *s;
    const oc_run *run;
    char prefix[40]; /* "" for the only run */
} who;

#define MAX_WHO 12

static int choose(const oc_state *s, const oc_view_ui *ui, who out[MAX_WHO])
{
    int n = 0;
    int64_t at = oc_run_index(s, ui->run);
    if (at < 0)
        return 0;
    out[n++] = (who){.s = s, .run = &s->run[at]};
    for (int32_t i = 0; i < ui->n_pinned && n < MAX_WHO; i++) {
        const oc_run *run = oc_state_run(s, ui->pinned[i]);
        if (run && run != out[0].run)
            out[n++] = (who){.s = s, .run = run};
    }
    const oc_run *base = ui->baseline[0] ? oc_state_run(s, ui->baseline) : NULL;
    bool there = !base;
    for (int i = 0; i < n; i++)
        there = there || out[i].run == base;
    if (!there && n < MAX_WHO)
        out[n++] = (who){.s = s, .run = base};
    for (int32_t i = 0; i < ui->n_compare && n < MAX_WHO; i++) {
        const oc_run *run = ui->compare[i] ? oc_state_run(ui->compare[i], out[0].run->name) : NULL;
        if (run)
            out[n++] = (who){.s = ui->compare[i], .run = run};
    }
    for (int i = 0; i < n && n > 1; i++) {
        const char *from = "";
        for (int32_t k = 0; k < ui->n_compare; k++)
            if (out[i].s == ui->compare[k] && out[i].s != s)
                from = ui->compare_name[k];
        snprintf(out[i].prefix, sizeof out[i].prefix, "%.20s%s%.18s ", from, from[0] ? ":" : "",
                 out[i].run->name);
    }
    return n;
}

/* The curves of a panel; with several runs only those that compare. */
static void panel_lines(oc_chart *ch, const who *w, int n, const oc_curve *curve, int n_curves,
                        const oc_view_ui *ui)
{
    *ch = (oc_chart){0};
    for (int k = 0; k < n_curves; k++)
        for (int i = 0; i < n; i++) {
            const oc_run *run = w[i].run;
            bool term = curve[k] == OC_CURVE_HARD || curve[k] == OC_CURVE_NORM_HARD;
            const oc_series *soft = &run->curve[OC_CURVE_SOFT];
            // without a distillation term the hard one is the loss itself
            if (term && (n > 1 || soft->n == 0 || soft->n_nonfinite >= soft->n))
                continue;
            if ((curve[k] == OC_CURVE_SOFT || curve[k] == OC_CURVE_NORM_SOFT) && n > 1)
                continue;
            char label[56];
            snprintf(label, sizeof label, "%s%s", w[i].prefix, oc_curve_name(curve[k]));
            oc_chart_add(ch, w[i].s, run, curve[k], label, ui->xaxis);
            if (ch->n && ui->baseline[0] && strcmp(run->name, ui->baseline) == 0 && !ch->base &&
                ch->line[ch->n - 1].run == run)
                ch->base = &ch->line[ch->n - 1];
        }
}

typedef struct panel {
    oc_curve curve[4];
    int n;
    bool share;
    const char *empty;
} panel;

static const panel panels[] = {
    {{OC_CURVE_LOSS, OC_CURVE_VALID_LOSS, OC_CURVE_HARD, OC_CURVE_SOFT}, 4, false, "no step yet"},
    {{OC_CURVE_VALID_AUROC, OC_CURVE_VALID_ACC}, 2, true, "no validation yet"},
    {{OC_CURVE_LR}, 1, false, "no step yet"},
    {{OC_CURVE_NORM, OC_CURVE_NORM_HARD, OC_CURVE_NORM_SOFT}, 3, false, "no step yet"},
    {{OC_CURVE_TOKENS_S}, 1, false, "no step yet"},
};

/* Which panels a height has room for, most wanted first; returns their number. */
static int pick_panels(int32_t set, int32_t h, int out[3])
{
    switch (set) {
    case SET_AUROC: out[0] = 1; return 1;
    case SET_RATE:
        out[0] = h >= 10 ? 2 : 3;
        out[1] = 3;
        return h >= 10 ? 2 : 1;
    case SET_SPEED: out[0] = 4; return 1;
    default:
        out[0] = 0;
        out[1] = 1;
        out[2] = 2;
        return h >= 32 ? 3 : h >= 16 ? 2 : 1;
    }
}

static void info_row(const oc_view_ui *ui, const who *w, oc_canvas *c, oc_rect r)
{
    char smooth[32], right[96] = "";
    const oc_run *run = w[0].run;
    oc_chart_smoothing(smooth, ui);
    int32_t x = oc_text(c, r, 0, 0, -1, OC_STYLE_BOLD, run->name);
    x += oc_textf(c, r, x, 0, -1, OC_STYLE_DIM, "  step %lld/%lld  epoch %.1f  %s",
                  (long long)run->step, (long long)run->steps, run->epoch, run->status);
    if (isfinite(run->best_auroc) && x + 20 < r.w)
        x += oc_textf(c, r, x, 0, -1, OC_STYLE_DIM, "  best %.4f @%lld", run->best_auroc,
                      (long long)run->best_step);
    // what changes the look of the curves matters more than the name of their set
    const char *parts[3] = {smooth, ui->x0 < ui->x1 ? "zoomed" : "", set_name[ui->curves % N_SETS]};
    for (int i = 0; i < 3; i++) {
        int32_t used = oc_text_width(right), wide = oc_text_width(parts[i]);
        if (wide && x + 2 + used + 3 * (used > 0) + wide <= r.w)
            snprintf(right + strlen(right), sizeof right - strlen(right), "%s%s", used ? " · " : "",
                     parts[i]);
    }
    oc_text_right(c, r, r.w, 0, OC_STYLE_DIM, right);
}

/* The marker under the inspect cursor, else the newest one of the run. */
static const oc_marker *marker_of(const oc_state *s, const oc_view_ui *ui, const oc_run *run)
{
    const oc_marker *best = NULL;
    double near = (double)INFINITY;
    for (int64_t i = 0; i < s->n_markers; i++) {
        if (strcmp(s->marker[i].run, run->name) != 0)
            continue;
        double d = ui->inspect ? fabs(s->marker[i].x - ui->inspect_x) : 0;
        if (d <= near) {
            near = d;
            best = &s->marker[i];
        }
    }
    return best;
}

static const char *no_run(const oc_state *s)
{
    return s->n_stages > 0 ? "it comes with the first training step"
                           : "type \"run\" to train, \"set run.stages\" to choose what runs";
}

void oc__loss_draw(const oc_state *s, const oc_view_ui *ui, oc_rect r, oc_canvas *c)
{
    who w[MAX_WHO];
    int n = choose(s, ui, w), pick[3];
    if (n == 0) {
        oc_draw_empty(c, r, "no training curve yet", no_run(s));
        return;
    }
    if (r.h >= 7) {
        info_row(ui, w, c, (oc_rect){r.x, r.y, r.w, 1});
        r = (oc_rect){r.x, r.y + 1, r.w, r.h - 1};
    }
    const oc_marker *m = r.h >= 9 ? marker_of(s, ui, w[0].run) : NULL;
    if (m) {
        r.h--;
        oc_rect row = {r.x, r.y + r.h, r.w, 1};
        int32_t x = oc_textf(c, row, 0, 0, -1, OC_STYLE_MARK, "%c", m->kind);
        oc_textf(c, row, x + 1, 0, -1, OC_STYLE_DIM, "@%.0f  %s", m->x, m->text);
    }
    int k = pick_panels(ui->curves % N_SETS, r.h, pick);
    int32_t y = 0;
    for (int i = 0; i < k; i++) {
        const panel *p = &panels[pick[i]];
        int32_t weight = k == 3 ? (i == 0 ? 2 : 1) : 1;
        int32_t h = i == k - 1     ? r.h - y
                    : k == 3       ? r.h * weight / 4
                    : pick[0] == 0 ? r.h * 3 / 5
                                   : r.h / 2;
        oc_rect part = {r.x, r.y + y, r.w, h};
        oc_chart ch;
        panel_lines(&ch, w, n, p->curve, p->n, ui);
        ch.share = p->share;
        if (ch.n)
            oc_chart_draw(&ch, s, ui, part, c);
        else
            oc_draw_empty(c, part, p->empty, p->share ? "it comes with the first validation" : "");
        y += h;
    }
}

/* --- keys ------------------------------------------------------------------------------------ */

/* The main curve of what is shown, for snapping. */
static const oc_series *main_series(const oc_state *s, const oc_view_ui *ui)
{
    static const oc_curve main_curve[N_SETS] = {OC_CURVE_LOSS, OC_CURVE_VALID_AUROC, OC_CURVE_NORM,
                                                OC_CURVE_TOKENS_S};
    int64_t at = oc_run_index(s, ui->run);
    return at < 0 ? NULL : &s->run[at].curve[main_curve[ui->curves % N_SETS]];
}

static void inspect_move(oc_view_ui *ui, const oc_series *y, int64_t by)
{
    if (y->n < 1)
        return;
    int64_t i = oc_series_lower(y, ui->inspect_x);
    if (by > 0 && i < y->n && y->x[i] > ui->inspect_x)
        by--; // between points: the next one is already a step
    i = OC_MIN(OC_MAX(i + by, 0), y->n - 1);
    ui->inspect_x = y->x[i];
}

/* The whole x axis as drawn, for zooming. */
static oc_axis whole_axis(const oc_state *s, const oc_view_ui *ui)
{
    who w[MAX_WHO];
    oc_chart ch;
    int n = choose(s, ui, w);
    const panel *p = &panels[0];
    panel_lines(&ch, w, n, p->curve, p->n, ui);
    return oc_chart_x_axis(&ch, ui);
}

static void zoom(oc_view_ui *ui, const oc_state *s, double factor, double shift)
{
    oc_axis all = whole_axis(s, ui);
    double lo = ui->x0 < ui->x1 ? ui->x0 : all.lo, hi = ui->x0 < ui->x1 ? ui->x1 : all.hi;
    double middle = (lo + hi) / 2, half = (hi - lo) / 2 * factor;
    int64_t at = oc_run_index(s, ui->run);
    if (ui->inspect && factor < 1 && at >= 0)
        middle = oc_chart_x_of(s, &s->run[at], ui->inspect_x, ui->xaxis);
    middle += shift * (hi - lo);
    half = OC_MAX(half, (all.hi - all.lo) * 1e-6);
    middle = OC_MAX(OC_MIN(middle, all.hi - half), all.lo + half);
    ui->x0 = middle - half;
    ui->x1 = middle + half;
    if (half * 2 >= (all.hi - all.lo) * 0.999)
        ui->x0 = ui->x1 = 0;
}

static void toggle_pin(oc_view_ui *ui, const char *run)
{
    for (int32_t i = 0; i < ui->n_pinned; i++)
        if (strcmp(ui->pinned[i], run) == 0) {
            memmove(ui->pinned[i], ui->pinned[i + 1],
                    (size_t)(ui->n_pinned - i - 1) * sizeof ui->pinned[0]);
            ui->n_pinned--;
            return;
        }
    if (ui->n_pinned < OC_COUNT(ui->pinned))
        oc_strlcpy(ui->pinned[ui->n_pinned++], run, sizeof ui->pinned[0]);
}

static void choose_run(oc_view_ui *ui, const oc_state *s, int64_t by)
{
    int64_t at = oc_run_index(s, ui->run);
    at = OC_MIN(OC_MAX(at + by, 0), s->n_runs - 1);
    // back on the newest one the choice is open again: it follows a new run
    oc_strlcpy(ui->run, at == oc_run_index(s, "") ? "" : s->run[at].name, sizeof ui->run);
    ui->x0 = ui->x1 = 0;
}

static void horizontal(oc_view_ui *ui, const oc_state *s, const oc_series *y, int dir, bool page)
{
    if (ui->inspect)
        inspect_move(ui, y, dir * (page ? OC_MAX(y->n / 20, 1) : 1));
    else if (ui->x0 < ui->x1)
        zoom(ui, s, 1, dir * (page ? 0.5 : 0.1));
}

static void look(oc_view_ui *ui, uint32_t key)
{
    static const double weight[] = {0, 0.6, 0.9, 0.97};
    int at = 0;
    switch (key) {
    case 's':
        while (at < 3 && weight[at] < ui->smooth - 1e-9)
            at++;
        ui->smooth = weight[(at + 1) % 4];
        break;
    case 'S': ui->smooth_kind = (ui->smooth_kind + 1) % OC_N_SMOOTH; break;
    case 'y': ui->log_y = !ui->log_y; break;
    case 'Y': ui->clip = !ui->clip; break;
    case 'X': ui->log_x = !ui->log_x; break;
    case 'x':
        ui->xaxis = (oc_xaxis)((ui->xaxis + 1) % OC_N_XAXES);
        ui->x0 = ui->x1 = 0;
        break;
    default: ui->curves = (ui->curves + 1) % N_SETS; break;
    }
}

static bool is_key(uint32_t key, const char *keys)
{
    return key > 0 && key < 0x7F && strchr(keys, (int)key);
}

static bool motion(oc_view_ui *ui, const oc_state *s, const oc_series *y, uint32_t key)
{
    if (key == OC_KEY_LEFT || key == 'h' || key == OC_KEY_PGUP)
        horizontal(ui, s, y, -1, key == OC_KEY_PGUP);
    else if (key == OC_KEY_RIGHT || key == 'l' || key == OC_KEY_PGDN)
        horizontal(ui, s, y, 1, key == OC_KEY_PGDN);
    else if (key == OC_KEY_UP || key == 'k')
        choose_run(ui, s, -1);
    else if (key == OC_KEY_DOWN || key == 'j')
        choose_run(ui, s, 1);
    else if ((key == OC_KEY_HOME || key == 'g') && y->n && ui->inspect)
        ui->inspect_x = y->x[0];
    else if ((key == OC_KEY_END || key == 'G') && y->n && ui->inspect)
        ui->inspect_x = y->x[y->n - 1];
    else if (key == OC_KEY_ESC && ui->inspect)
        ui->inspect = false;
    else
        return false;
    return true;
}

bool oc__loss_handle(oc_view_ui *ui, const oc_state *s, uint32_t key, oc_buf *command)
{
    if (is_key(key, "sSyYxXc")) {
        look(ui, key);
        return true;
    }
    const oc_series *y = main_series(s, ui);
    if (!y)
        return false;
    const char *run = s->run[oc_run_index(s, ui->run)].name;
    if (is_key(key, "+=-")) {
        zoom(ui, s, key == '-' ? 2 : 0.5, 0);
    } else if (key == '0') {
        ui->x0 = ui->x1 = 0;
    } else if (key == 'i') {
        ui->inspect = !ui->inspect;
        if (ui->inspect && y->n && !(ui->inspect_x > 0))
            ui->inspect_x = y->x[y->n - 1];
        inspect_move(ui, y, 0);
    } else if (key == 'p') {
        toggle_pin(ui, run);
    } else if (key == 'b') {
        oc_strlcpy(ui->baseline, strcmp(ui->baseline, run) == 0 ? "" : run, sizeof ui->baseline);
    } else if (key == 'm') {
        oc_buf_str(command, "=note ");
    } else {
        return motion(ui, s, y, key);
    }
    return true;
}

/* --- JSON ------------------------------------------------------------------------------------ */

static void json_curve(oc_jw *w, const who *from, oc_curve curve, const oc_view_ui *ui)
{
    oc_plot_src src = oc_chart_src(from->s, from->run, curve, ui->xaxis);
    if (src.s->n < 1)
        return;
    oc_jw_open(w, '{');
    oc_jw_kstr(w, "session", from->s->session.name);
    oc_jw_kstr(w, "run", from->run->name);
    oc_jw_kstr(w, "name", oc_curve_name(curve));
    oc_jw_key(w, "x");
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < src.s->n; i++)
        oc_jw_f64(w, oc_src_x(&src, i));
    oc_jw_close(w, ']');
    oc_jw_key(w, "y");
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < src.s->n; i++)
        oc_jw_f64(w, src.s->y[i]);
    oc_jw_close(w, ']');
    oc_jw_close(w, '}');
}

static void json_markers(oc_jw *w, const oc_state *s)
{
    oc_jw_key(w, "markers");
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < s->n_markers; i++) {
        char kind[2] = {s->marker[i].kind, 0};
        oc_jw_open(w, '{');
        oc_jw_kstr(w, "run", s->marker[i].run);
        oc_jw_kf64(w, "step", s->marker[i].x);
        oc_jw_kstr(w, "kind", kind);
        oc_jw_kstr(w, "text", s->marker[i].text);
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, ']');
}

void oc__loss_json(const oc_state *s, const oc_view_ui *ui, oc_buf *out)
{
    static const char *const axis[OC_N_XAXES] = {"step", "tokens", "seconds"};
    oc_jw w = oc_view_json(out);
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "view", "loss");
    oc_jw_kstr(&w, "x_axis", axis[ui->xaxis % OC_N_XAXES]);
    oc_jw_key(&w, "curves");
    oc_jw_open(&w, '[');
    // all runs of the session, whatever is chosen on the screen, then those of other sessions
    for (int64_t i = 0; i < s->n_runs; i++) {
        who own = {.s = s, .run = &s->run[i]};
        for (int k = 0; k < OC_N_CURVES; k++)
            json_curve(&w, &own, (oc_curve)k, ui);
    }
    for (int32_t i = 0; i < ui->n_compare; i++)
        for (int64_t r = 0; ui->compare[i] && r < ui->compare[i]->n_runs; r++) {
            who other = {.s = ui->compare[i], .run = &ui->compare[i]->run[r]};
            for (int k = 0; k < OC_N_CURVES; k++)
                json_curve(&w, &other, (oc_curve)k, ui);
        }
    oc_jw_close(&w, ']');
    json_markers(&w, s);
    oc_jw_close(&w, '}');
}
