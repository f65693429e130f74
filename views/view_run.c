/*
 * Where the run stands: stages with progress and time left, the numbers of now, data and models,
 * candidates so far. Sections come in the order of what is asked first, as many as fit.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/str.h"
#include "views/chart.h"
#include "views/draw.h"
#include "views/views.h"

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* --- stages ---------------------------------------------------------------------------------- */

static uint32_t stage_mark(const oc_stage_state *g, oc_style *st)
{
    static const struct {
        const char *status;
        uint32_t glyph;
        oc_style st;
    } of[] = {{"waiting", 0x25CB, OC_STYLE_DIM}, {"running", 0x25CF, OC_STYLE_FOCUS},
              {"done", 0x2713, OC_STYLE_GOOD},   {"kept", 0x2713, OC_STYLE_DIM},
              {"failed", 0x2717, OC_STYLE_BAD},  {"cancelled", 0x2016, OC_STYLE_WARN}};
    for (int i = 0; i < OC_COUNT(of); i++)
        if (is(of[i].status, g->status)) {
            *st = of[i].st;
            return of[i].glyph;
        }
    *st = OC_STYLE_DIM;
    return '?';
}

/* Progress of the running stage: share done and a text; false when nothing is known. */
static bool stage_progress(const oc_state *s, const oc_stage_state *g, double *share, char text[96])
{
    const oc_run *run = oc_state_run(s, g->run);
    char eta[24], count[40];
    double left = (double)NAN;
    const oc_ev_progress *p = &s->progress;
    if (run && is(run->status, "running") && run->steps > 0) {
        *share = (double)run->step / (double)run->steps;
        left = oc_run_eta(s, run);
        snprintf(count, sizeof count, "%lld/%lld", (long long)run->step, (long long)run->steps);
    } else if (p->total > 0) {
        *share = (double)p->done / (double)p->total;
        left = p->eta_s;
        snprintf(count, sizeof count, "%lld/%lld %.12s", (long long)p->done, (long long)p->total,
                 p->unit);
    } else {
        return false;
    }
    oc_fmt_duration(eta, left);
    snprintf(text, 96, "%3.0f %%  %s%s%s", *share * 100, count, isfinite(left) ? "  eta " : "",
             isfinite(left) ? eta : "");
    return true;
}

static void stage_row(const oc_state *s, const oc_stage_state *g, oc_canvas *c, oc_rect r,
                      int32_t y)
{
    oc_style st;
    char text[96], took[24];
    double share;
    uint32_t mark = stage_mark(g, &st);
    bool running = is(g->status, "running");
    int32_t name_w = r.w >= 56 ? 12 : r.w >= 40 ? 10 : 0, x = 13 + name_w;
    oc_put(c, r, 0, y, mark, st);
    oc_text(c, r, 2, y, 10, running ? OC_STYLE_BOLD : OC_STYLE_TEXT, g->kind);
    if (name_w)
        oc_text(c, r, 13, y, name_w - 1, OC_STYLE_DIM, g->run);
    if (running && stage_progress(s, g, &share, text)) {
        int32_t text_w = oc_text_width(text), bar_w = OC_MIN(r.w - x - text_w - 1, 40);
        if (bar_w >= 4) {
            oc_draw_bar(c, r, x, y, bar_w, share, OC_STYLE_S0, true);
            x += bar_w + 1;
        }
        oc_text(c, r, x, y, -1, OC_STYLE_TEXT, text);
        return;
    }
    oc_fmt_duration(took, running ? (double)(s->last_ms - g->started_ms) / 1000 : g->seconds);
    x += oc_text(c, r, x, y, 9, st, g->status);
    if ((running || is(g->status, "done") || g->seconds > 0) && !is(g->status, "waiting"))
        x += 2 + oc_text(c, r, x + 2, y, -1, OC_STYLE_DIM, took);
    if (g->message[0])
        oc_text(c, r, x + 2, y, -1, is(g->status, "failed") ? OC_STYLE_BAD : OC_STYLE_DIM,
                g->message);
}

/* All stages, or those around the running one; returns rows used. */
static int32_t stages(const oc_state *s, const oc_view_ui *ui, oc_canvas *c, oc_rect r)
{
    int32_t n = (int32_t)OC_MIN(s->n_stages, 4096), rows = OC_MIN(n, r.h);
    int32_t at = (int32_t)OC_MAX(s->i_stage, 0);
    for (int32_t i = 0; i < n; i++)
        if (is(s->stage[i].status, "running"))
            at = i;
    int32_t first = OC_MIN(OC_MAX(at - rows / 2, 0), n - rows);
    if (ui->scroll)
        first = OC_MIN(OC_MAX(first + ui->scroll, 0), n - rows);
    char more[48] = "";
    if (rows < n && r.w > 30)
        snprintf(more, sizeof more, "%d-%d of %d", (int)first + 1, (int)(first + rows), (int)n);
    int32_t more_w = oc_text_width(more);
    for (int32_t i = 0; i < rows; i++) {
        bool last = i == rows - 1 && more_w > 0;
        stage_row(s, &s->stage[first + i], c,
                  (oc_rect){r.x, r.y, last ? r.w - more_w - 1 : r.w, r.h}, i);
    }
    oc_text_right(c, r, r.w, rows - 1, OC_STYLE_DIM, more);
    return rows;
}

/* --- now ------------------------------------------------------------------------------------- */

typedef struct pair {
    const char *label;
    char value[24];
} pair;

static int now_pairs(const oc_run *run, pair out[10])
{
    const oc_ev_step *e = &run->last;
    const struct {
        const char *label;
        double v;
    } real[] = {{"loss", e->loss}, {"valid", oc_series_last(&run->curve[OC_CURVE_VALID_LOSS])},
                {"hard", e->hard}, {"soft", e->soft},
                {"lr", e->lr},     {"grad", e->norm}};
    int n = 0;
    bool terms = isfinite(e->soft);
    for (int i = 0; i < OC_COUNT(real); i++) {
        if ((i == 2 || i == 3) && !terms)
            continue;
        if (!isfinite(real[i].v) && i != 0)
            continue;
        out[n].label = real[i].label;
        oc_num_short(out[n++].value, real[i].v);
    }
    double auroc = oc_series_last(&run->curve[OC_CURVE_VALID_AUROC]);
    if (isfinite(auroc)) {
        out[n].label = "AUROC";
        snprintf(out[n++].value, sizeof out->value, "%.4f", auroc);
    }
    if (isfinite(run->best_auroc)) {
        out[n].label = "best";
        snprintf(out[n++].value, sizeof out->value, "%.4f @%lld", run->best_auroc,
                 (long long)run->best_step);
    }
    if (isfinite(e->tokens_s)) {
        out[n].label = "tokens/s";
        oc_num_count(out[n++].value, (int64_t)e->tokens_s);
    }
    return n;
}

/* Label and value pairs over as many rows as they need, at most `max`; returns rows used. */
static int32_t flow(const pair *p, int n, int32_t max, oc_canvas *c, oc_rect r)
{
    int32_t x = 0, y = 0;
    for (int i = 0; i < n; i++) {
        int32_t w = oc_text_width(p[i].label) + 1 + oc_text_width(p[i].value);
        if (x > 0 && x + w > r.w) {
            x = 0;
            y++;
        }
        if (y >= max)
            return max;
        int32_t k = oc_text(c, r, x, y, -1, OC_STYLE_DIM, p[i].label);
        oc_text(c, r, x + k + 1, y, -1, OC_STYLE_BOLD, p[i].value);
        x += w + 2;
    }
    return n ? y + 1 : 0;
}

static int32_t now_rows(const oc_state *s, const oc_run *run, int32_t max, oc_canvas *c, oc_rect r)
{
    pair p[10];
    char head[96];
    (void)s;
    if (!run || max < 1)
        return 0;
    snprintf(head, sizeof head, "%s  step %lld/%lld  epoch %.1f/%lld", run->name,
             (long long)run->step, (long long)run->steps, run->epoch, (long long)run->epochs);
    oc_text(c, r, 0, 0, -1, OC_STYLE_TITLE, head);
    if (run->plan_bytes > 0 && oc_text_width(head) + 20 <= r.w) {
        char bytes[24], plan[40];
        oc_num_bytes(bytes, run->plan_bytes);
        snprintf(plan, sizeof plan, "memory %s", bytes);
        oc_text_right(c, r, r.w, 0, OC_STYLE_DIM, plan);
    }
    int32_t used =
        1 + flow(p, now_pairs(run, p), max - 1, c, (oc_rect){r.x, r.y + 1, r.w, r.h - 1});
    if (used < max && r.w >= 24) {
        oc_text(c, r, 0, used, -1, OC_STYLE_DIM, "loss");
        int32_t w = r.w - 5, half = (w - 8) / 2;
        const oc_series *auroc = &run->curve[OC_CURVE_VALID_AUROC];
        if (auroc->n >= 2 && half >= 10) {
            oc_draw_spark(c, r, 5, used, half, &run->curve[OC_CURVE_LOSS], OC_STYLE_S0);
            oc_text(c, r, 5 + half + 2, used, -1, OC_STYLE_DIM, "AUROC");
            oc_draw_spark(c, r, 5 + half + 8, used, half, auroc, OC_STYLE_S1);
        } else {
            oc_draw_spark(c, r, 5, used, w, &run->curve[OC_CURVE_LOSS], OC_STYLE_S0);
        }
        used++;
    }
    return used;
}

/* --- data and models ------------------------------------------------------------------------- */

static int32_t data_rows(const oc_state *s, int32_t max, oc_canvas *c, oc_rect r)
{
    const oc_ev_data *any = NULL;
    char line[256], pos[16];
    size_t n = 0;
    int64_t bad = 0;
    for (int i = 0; i < 3; i++) {
        if (s->data[i].rows < 1)
            continue;
        any = any ? any : &s->data[i];
        bad += s->data[i].bad_rows;
        n += (size_t)snprintf(line + n, sizeof line - n, "%s%s %lld", n ? "  " : "",
                              s->data[i].split, (long long)s->data[i].rows);
    }
    if (!any || max < 1)
        return 0;
    int32_t x = oc_text(c, r, 0, 0, -1, OC_STYLE_TITLE, any->task);
    x += oc_textf(c, r, x, 0, -1, OC_STYLE_DIM, " %s, %lld label%s  ", any->kind,
                  (long long)any->labels, any->labels == 1 ? "" : "s");
    x += oc_text(c, r, x, 0, -1, OC_STYLE_TEXT, line);
    if (isfinite(any->positive_frac)) {
        oc_num_percent(pos, any->positive_frac);
        x += oc_textf(c, r, x, 0, -1, OC_STYLE_DIM, "  %s positive", pos);
    }
    if (isfinite(any->mean_words) && x + 18 <= r.w)
        x += oc_textf(c, r, x, 0, -1, OC_STYLE_DIM, "  %.0f words a note", any->mean_words);
    if (bad > 0)
        oc_textf(c, r, x, 0, -1, OC_STYLE_WARN, "  %lld bad rows skipped", (long long)bad);
    return 1;
}

/* One row a model: what it is and what is cached of it. */
static void model_row(const oc_state *s, const oc_model_state *m, int32_t name_w, oc_canvas *c,
                      oc_rect r, int32_t y)
{
    char params[16], bytes[24], cut[16];
    const oc_ev_model *e = &m->info;
    oc_num_count(params, e->params);
    oc_num_bytes(bytes, e->bytes);
    oc_text(c, r, 0, y, name_w, OC_STYLE_TEXT, m->name);
    int32_t x = name_w + 1;
    x += oc_textf(c, r, x, y, -1, OC_STYLE_DIM, "L%lld H%lld  %s params  %s", (long long)e->layers,
                  (long long)e->hidden, params, bytes);
    if (e->casing[0])
        x += oc_textf(c, r, x, y, -1, OC_STYLE_DIM, "  %s", e->casing);
    if (isfinite(e->cut_frac) && e->cut_frac > 0 && x + 16 <= r.w) {
        oc_num_percent(cut, e->cut_frac);
        x += oc_textf(c, r, x, y, -1, OC_STYLE_DIM, "  %s notes cut", cut);
    }
    int64_t hits = 0, misses = 0, size = 0;
    for (int64_t i = 0; i < s->n_cache; i++)
        if (is(s->cache[i].model, m->name)) {
            hits += s->cache[i].hits;
            misses += s->cache[i].misses;
            size = OC_MAX(size, s->cache[i].bytes); // of the folder, at each event
        }
    if (hits + misses > 0 && x + 30 <= r.w) {
        oc_num_bytes(bytes, size);
        oc_textf(c, r, x, y, -1, OC_STYLE_DIM, "  cache %lld hits %lld new %s", (long long)hits,
                 (long long)misses, bytes);
    }
}

static bool int8_targets(const oc_state *s)
{
    for (int64_t i = 0; i < s->n_cache; i++)
        if (is(s->cache[i].split, "train") && is(s->cache[i].precision, "int8"))
            return true;
    return false;
}

static int32_t model_rows(const oc_state *s, int32_t max, oc_canvas *c, oc_rect r)
{
    int32_t y = 0, name_w = 6;
    for (int64_t i = 0; i < s->n_models; i++)
        if (s->model[i].has_info)
            name_w = OC_MAX(name_w, oc_text_width(s->model[i].name));
    for (int64_t i = 0; i < s->n_models && y < max; i++)
        if (s->model[i].has_info)
            model_row(s, &s->model[i], name_w, c, r, y++);
    if (s->ensemble.teachers > 0 && y < max) {
        int32_t x = oc_textf(c, r, 0, y, -1, OC_STYLE_DIM, "ensemble of %lld, %s",
                             (long long)s->ensemble.teachers, s->ensemble.rule);
        for (int64_t i = 0; i < s->ensemble.n_weights && x + 6 < r.w; i++)
            x += oc_textf(c, r, x, y, -1, OC_STYLE_DIM, "%s %.2f", i ? "" : ":",
                          s->ensemble.weights[i]);
        if (int8_targets(s) && x + 14 <= r.w)
            oc_text(c, r, x, y, -1, OC_STYLE_DIM, "  INT8 targets");
        y++;
    }
    return y;
}

/* --- putting it together --------------------------------------------------------------------- */

static oc_rect below(oc_rect r, int32_t rows)
{
    rows = OC_MIN(rows, r.h);
    return (oc_rect){r.x, r.y + rows, r.w, r.h - rows};
}

/* What is left over at the bottom: the loss curve. */
static void rest(const oc_state *s, const oc_view_ui *ui, const oc_run *run, oc_canvas *c,
                 oc_rect r)
{
    oc_chart ch = {0};
    if (!run || r.h < 6 || r.w < 24)
        return;
    oc_chart_add(&ch, s, run, OC_CURVE_LOSS, "loss", OC_X_STEP);
    oc_chart_add(&ch, s, run, OC_CURVE_VALID_LOSS, "valid loss", OC_X_STEP);
    oc_view_ui plain;
    oc_view_ui_init(&plain);
    plain.smooth = ui->smooth;
    oc_chart_draw(&ch, s, &plain, r, c);
}

static int32_t info_block(const oc_state *s, oc_canvas *c, oc_rect r)
{
    int32_t used = data_rows(s, r.h, c, r);
    return used + model_rows(s, r.h - used, c, below(r, used));
}

static int32_t info_wanted(const oc_state *s)
{
    int32_t n = s->data[0].rows > 0 || s->data[1].rows > 0 || s->data[2].rows > 0;
    for (int64_t i = 0; i < s->n_models; i++)
        n += s->model[i].has_info;
    return n + (s->ensemble.teachers > 0);
}

static void draw_narrow(const oc_state *s, const oc_view_ui *ui, const oc_run *run, oc_canvas *c,
                        oc_rect r)
{
    int32_t cand = oc__candidates_rows(s), info = info_wanted(s);
    // stages give way first: around the running one three rows tell enough
    int32_t stages_h = OC_MIN((int32_t)s->n_stages,
                              OC_MAX(r.h - (run ? 4 : 0) - (cand ? cand + 1 : 0), OC_MIN(3, r.h)));
    int32_t used = stages(s, ui, c, (oc_rect){r.x, r.y, r.w, stages_h});
    bool airy = r.h - used - 3 - cand - info >= 3;
    r = below(r, used + (airy ? 1 : 0));
    used = now_rows(s, run, OC_MIN(r.h, 4), c, r);
    r = below(r, used + (airy ? 1 : 0));
    if (cand && r.h >= 2) {
        used = OC_MIN(cand, r.h);
        oc__candidates_draw(s, ui, c, (oc_rect){r.x, r.y, r.w, used});
        r = below(r, used + (airy ? 1 : 0));
    }
    used = info_block(s, c, r);
    rest(s, ui, run, c, below(r, used + 1));
}

static void draw_wide(const oc_state *s, const oc_view_ui *ui, const oc_run *run, oc_canvas *c,
                      oc_rect r)
{
    int32_t left_w = r.w / 2 - 1;
    oc_rect left = {r.x, r.y, left_w, r.h}, right = {r.x + left_w + 2, r.y, r.w - left_w - 2, r.h};
    int32_t stages_h = OC_MIN((int32_t)s->n_stages, OC_MAX(r.h - 5, 3));
    int32_t used = stages(s, ui, c, (oc_rect){left.x, left.y, left.w, stages_h});
    left = below(left, used + 1);
    used = now_rows(s, run, OC_MIN(left.h, 3), c, left);
    rest(s, ui, run, c, below(left, used + 1));
    int32_t cand = OC_MIN(oc__candidates_rows(s), right.h);
    if (cand) {
        oc__candidates_draw(s, ui, c, (oc_rect){right.x, right.y, right.w, cand});
        right = below(right, cand + 1);
    }
    info_block(s, c, right);
}

void oc__run_draw(const oc_state *s, const oc_view_ui *ui, oc_rect r, oc_canvas *c)
{
    int64_t at = oc_run_index(s, ui->run);
    const oc_run *run = at >= 0 ? &s->run[at] : NULL;
    if (s->n_stages == 0 && !run && s->n_models == 0) {
        oc_draw_empty(
            c, r, "nothing has run yet",
            "type \"run\" to start the pipeline, \"set KEY VALUE\" to change a setting, \"help\" for all commands");
        return;
    }
    if (r.w >= 120 && r.h >= 10)
        draw_wide(s, ui, run, c, r);
    else
        draw_narrow(s, ui, run, c, r);
}

bool oc__run_handle(oc_view_ui *ui, const oc_state *s, uint32_t key, oc_buf *command)
{
    (void)command;
    int32_t n = (int32_t)OC_MIN(s->n_stages, 4096);
    if (key == OC_KEY_UP || key == 'k')
        ui->scroll = OC_MAX(ui->scroll - 1, -n);
    else if (key == OC_KEY_DOWN || key == 'j')
        ui->scroll = OC_MIN(ui->scroll + 1, n);
    else if (key == OC_KEY_HOME || key == 'g')
        ui->scroll = -n;
    else if (key == OC_KEY_END || key == 'G')
        ui->scroll = n;
    else if (key == '0')
        ui->scroll = 0;
    else
        return false;
    return true;
}

static void json_stages(oc_jw *w, const oc_state *s)
{
    oc_jw_key(w, "stages");
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < s->n_stages; i++) {
        const oc_stage_state *g = &s->stage[i];
        oc_jw_open(w, '{');
        oc_jw_kstr(w, "stage", g->kind);
        oc_jw_kstr(w, "run", g->run);
        oc_jw_kstr(w, "status", g->status);
        oc_jw_kf64(w, "seconds", g->seconds);
        oc_jw_kstr(w, "message", g->message);
        oc_jw_kstr(w, "path", g->path);
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, ']');
}

static void json_runs(oc_jw *w, const oc_state *s)
{
    oc_jw_key(w, "runs");
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < s->n_runs; i++) {
        const oc_run *run = &s->run[i];
        oc_jw_open(w, '{');
        oc_jw_kstr(w, "run", run->name);
        oc_jw_kstr(w, "status", run->status);
        oc_jw_ki64(w, "step", run->step);
        oc_jw_ki64(w, "steps", run->steps);
        oc_jw_kf64(w, "epoch", run->epoch);
        oc_jw_kf64(w, "loss", oc_series_last(&run->curve[OC_CURVE_LOSS]));
        oc_jw_kf64(w, "best_auroc", run->best_auroc);
        oc_jw_ki64(w, "best_step", run->best_step);
        oc_jw_kf64(w, "tokens_s", oc_series_last(&run->curve[OC_CURVE_TOKENS_S]));
        oc_jw_ki64(w, "plan_bytes", run->plan_bytes);
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, ']');
}

static void json_data(oc_jw *w, const oc_state *s)
{
    oc_jw_key(w, "data");
    oc_jw_open(w, '[');
    for (int i = 0; i < 3; i++) {
        const oc_ev_data *d = &s->data[i];
        if (d->rows < 1)
            continue;
        oc_jw_open(w, '{');
        oc_jw_kstr(w, "task", d->task);
        oc_jw_kstr(w, "split", d->split);
        oc_jw_ki64(w, "rows", d->rows);
        oc_jw_ki64(w, "labels", d->labels);
        oc_jw_ki64(w, "bad_rows", d->bad_rows);
        oc_jw_kf64(w, "positive_frac", d->positive_frac);
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, ']');
}

static void json_models(oc_jw *w, const oc_state *s)
{
    oc_jw_key(w, "models");
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < s->n_models; i++) {
        const oc_model_state *m = &s->model[i];
        oc_jw_open(w, '{');
        oc_jw_kstr(w, "model", m->name);
        if (m->has_info) {
            oc_jw_ki64(w, "params", m->info.params);
            oc_jw_ki64(w, "bytes", m->info.bytes);
            oc_jw_kstr(w, "path", m->info.path);
        }
        if (m->has_cand) {
            oc_jw_kstr(w, "stage", m->cand.stage);
            oc_jw_kf64(w, "auroc", m->cand.auroc);
            oc_jw_kf64(w, "accuracy", m->cand.accuracy);
            oc_jw_ki64(w, "file_bytes", m->cand.bytes);
            oc_jw_kf64(w, "median_ms", m->cand.median_ms);
        }
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, ']');
}

void oc__run_json(const oc_state *s, const oc_view_ui *ui, oc_buf *out)
{
    oc_jw w = oc_view_json(out);
    (void)ui;
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "view", "run");
    oc_jw_kstr(&w, "session", s->session.name);
    oc_jw_kstr(&w, "recipe", s->recipe);
    oc_jw_kstr(&w, "job", s->job.state);
    json_stages(&w, s);
    json_runs(&w, s);
    json_data(&w, s);
    json_models(&w, s);
    oc_jw_close(&w, '}');
}
