/* The workbench's picture: header, tiles, message, footer; the REPL's rows are left to the caller. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/str.h"
#include "views/draw.h"
#include "views/view.h"

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* --- header ---------------------------------------------------------------------------------- */

typedef struct status {
    uint32_t mark;
    const char *word;
    oc_style style;
} status;

static status status_of(const oc_state *s)
{
    bool failed = false, cancelled = false, done = s->n_stages > 0;
    for (int64_t i = 0; i < s->n_stages; i++) {
        failed = failed || is(s->stage[i].status, "failed");
        cancelled = cancelled || is(s->stage[i].status, "cancelled");
        done = done && (is(s->stage[i].status, "done") || is(s->stage[i].status, "kept"));
    }
    if (is(s->job.state, "running"))
        return (status){0x25CF, "RUN", OC_STYLE_GOOD};
    if (is(s->job.state, "paused"))
        return (status){0x2016, "PAUSED", OC_STYLE_WARN};
    if (is(s->job.state, "stopping"))
        return (status){0x2016, "STOPPING", OC_STYLE_WARN};
    if (failed)
        return (status){0x2717, "FAILED", OC_STYLE_BAD};
    if (done)
        return (status){0x2713, "DONE", OC_STYLE_GOOD};
    if (cancelled)
        return (status){0x2016, "CANCELLED", OC_STYLE_WARN};
    return (status){0x25CB, "IDLE", OC_STYLE_DIM};
}

static const oc_stage_state *current_stage(const oc_state *s)
{
    for (int64_t i = s->n_stages - 1; i >= 0; i--)
        if (is(s->stage[i].status, "running"))
            return &s->stage[i];
    return NULL;
}

/* A part of the header: text, style, and how soon it goes when there is no room (high: first). */
typedef struct part {
    char text[96];
    oc_style style;
    int rank;
} part;
#define MAX_PARTS 10

static void add(part *p, int *n, oc_style st, int rank, const char *text)
{
    if (!text[0] || *n >= MAX_PARTS)
        return;
    p[*n] = (part){.style = st, .rank = rank};
    oc_strlcpy(p[*n].text, text, sizeof p->text);
    (*n)++;
}

static void add_progress(part *p, int *n, const oc_state *s)
{
    char text[96], eta[24];
    const oc_stage_state *g = current_stage(s);
    if (!g)
        return;
    snprintf(text, sizeof text, is(g->kind, g->run) ? "%s" : "%s %s", g->kind, g->run);
    add(p, n, OC_STYLE_BOLD, 3, text);
    const oc_run *run = oc_state_run(s, g->run);
    double left = (double)NAN;
    text[0] = 0;
    if (run && is(run->status, "running")) {
        snprintf(text, sizeof text, "step %lld/%lld", (long long)run->step, (long long)run->steps);
        left = oc_run_eta(s, run);
    } else if (s->progress.total > 0) {
        snprintf(text, sizeof text, "%lld/%lld %s", (long long)s->progress.done,
                 (long long)s->progress.total, s->progress.unit);
        left = s->progress.eta_s;
    }
    add(p, n, OC_STYLE_TEXT, 2, text);
    if (isfinite(left)) {
        oc_fmt_duration(eta, left);
        snprintf(text, sizeof text, "eta %s", eta);
        add(p, n, OC_STYLE_TEXT, 4, text);
    }
}

static int32_t parts_width(const part *p, int n)
{
    int32_t w = 0;
    for (int i = 0; i < n; i++)
        w += oc_text_width(p[i].text) + (i ? 2 : 0);
    return w;
}

static void header_line(const oc_state *s, const oc_screen_ui *ui, oc_canvas *c, oc_rect r)
{
    part p[MAX_PARTS];
    int n = 0;
    char text[96], mark[5] = "";
    status st = status_of(s);
    mark[oc_utf8_encode(st.mark, mark)] = 0;
    add(p, &n, OC_STYLE_STATUS, 5, "optimclm");
    add(p, &n, OC_STYLE_TEXT, 6, s->session.name);
    snprintf(text, sizeof text, "%.90s", s->recipe);
    add(p, &n, OC_STYLE_DIM, 8, text);
    snprintf(text, sizeof text, "%s %s", mark, st.word);
    add(p, &n, st.style, 0, text);
    add(p, &n, OC_STYLE_WARN, 1, ui->replay);
    add(p, &n, OC_STYLE_WARN, 1, ui->frozen ? "FROZEN" : "");
    add_progress(p, &n, s);
    int64_t threads = s->set.run_threads > 0 ? s->set.run_threads : s->session.threads;
    if (threads > 0) {
        snprintf(text, sizeof text, "%lld thread%s", (long long)threads, threads == 1 ? "" : "s");
        add(p, &n, OC_STYLE_DIM, 9, text);
    }
    while (n > 1 && parts_width(p, n) > r.w) { // the least needed part goes first
        int worst = 0;
        for (int i = 1; i < n; i++)
            worst = p[i].rank > p[worst].rank ? i : worst;
        memmove(&p[worst], &p[worst + 1], (size_t)(n - worst - 1) * sizeof *p);
        n--;
    }
    int32_t x = 0;
    for (int i = 0; i < n; i++)
        x += oc_text(c, r, x, 0, -1, p[i].style, p[i].text) + 2;
}

/* "1 Run  2 Loss ..." with the chosen one marked; numbers alone where names do not fit. */
static void tabs(const oc_screen_ui *ui, oc_canvas *c, oc_rect r)
{
    int32_t full = 0, x = 0;
    for (int i = 0; i < oc_view_count(); i++)
        full += 3 + oc_text_width(oc_view_at(i)->title);
    for (int i = 0; i < oc_view_count(); i++) {
        const oc_view *v = oc_view_at(i);
        bool on = i == ui->view && !ui->help;
        char text[32];
        snprintf(text, sizeof text, on ? "%c[%s]" : full <= r.w ? "%c %s" : "%c", v->key, v->title);
        x += oc_text(c, r, x, 0, -1, on ? OC_STYLE_FOCUS : OC_STYLE_DIM, text) + 1;
    }
}

/* The strip of key numbers under the header of the widest layout, with differences. */
static void kpi(oc_canvas *c, oc_rect r, int32_t *x, const char *label, const char *value,
                const char *delta, oc_style delta_st)
{
    int32_t w =
        oc_text_width(label) + 1 + oc_text_width(value) + (delta[0] ? 1 + oc_text_width(delta) : 0);
    if (*x + w > r.w)
        return;
    *x += oc_text(c, r, *x, 0, -1, OC_STYLE_DIM, label) + 1;
    *x += oc_text(c, r, *x, 0, -1, OC_STYLE_BOLD, value);
    if (delta[0])
        *x += 1 + oc_text(c, r, *x + 1, 0, -1, delta_st, delta);
    *x += 3;
}

/* Newest validation AUROC and how far it is from the one before. */
static void kpi_auroc(oc_canvas *c, oc_rect r, int32_t *x, const oc_run *run)
{
    const oc_series *y = &run->curve[OC_CURVE_VALID_AUROC];
    char value[16], delta[24] = "";
    if (y->n < 1)
        return;
    double now = y->y[y->n - 1], d = y->n > 1 ? now - y->y[y->n - 2] : (double)NAN;
    snprintf(value, sizeof value, "%.4f", now);
    if (isfinite(d))
        snprintf(delta, sizeof delta, "%s%+.4f", d < 0 ? "▼" : "▲", d);
    kpi(c, r, x, "valid AUROC", value, delta, d < 0 ? OC_STYLE_BAD : OC_STYLE_GOOD);
}

/* The newest candidate that was measured, against the baseline. */
static void kpi_candidate(oc_canvas *c, oc_rect r, int32_t *x, const oc_state *s)
{
    const oc_model_state *base = oc_state_model(s, s->set.bench_baseline);
    const oc_ev_candidate *e = NULL;
    char value[24], ratio[16], delta[32] = "";
    for (int64_t i = 0; i < s->n_models; i++)
        if (s->model[i].has_cand && isfinite(s->model[i].cand.auroc))
            e = &s->model[i].cand;
    if (!e)
        return;
    bool other = base && base->has_cand && &base->cand != e;
    double d = other ? e->auroc - base->cand.auroc : (double)NAN;
    snprintf(value, sizeof value, "%.4f", e->auroc);
    if (isfinite(d))
        snprintf(delta, sizeof delta, "%s%+.4f", d < 0 ? "▼" : "▲", d);
    char label[48];
    snprintf(label, sizeof label, "%s AUROC", e->model);
    kpi(c, r, x, label, value, delta, d < 0 ? OC_STYLE_BAD : OC_STYLE_GOOD);
    oc_num_bytes(value, e->bytes);
    if (other && e->bytes > 0) {
        oc_num_ratio(ratio, (double)base->cand.bytes / (double)e->bytes);
        snprintf(delta, sizeof delta, "%s smaller", ratio);
    }
    kpi(c, r, x, "size", value, other ? delta : "", OC_STYLE_GOOD);
    if (!(e->median_ms > 0))
        return;
    oc_num_ms(ratio, e->median_ms);
    snprintf(value, sizeof value, "%s ms", ratio);
    if (other && base->cand.median_ms > 0) {
        oc_num_ratio(ratio, base->cand.median_ms / e->median_ms);
        snprintf(delta, sizeof delta, "%s faster", ratio);
    }
    kpi(c, r, x, "latency", value, other && base->cand.median_ms > 0 ? delta : "", OC_STYLE_GOOD);
}

static void kpi_strip(const oc_state *s, oc_canvas *c, oc_rect r)
{
    int64_t at = oc_run_index(s, "");
    const oc_run *run = at >= 0 ? &s->run[at] : NULL;
    char value[24];
    int32_t x = 0;
    if (run) {
        oc_num_short(value, run->last.loss);
        kpi(c, r, &x, "loss", value, "", OC_STYLE_TEXT);
        kpi_auroc(c, r, &x, run);
        oc_num_short(value, run->last.lr);
        kpi(c, r, &x, "lr", value, "", OC_STYLE_TEXT);
        if (isfinite(run->last.tokens_s)) {
            oc_num_count(value, (int64_t)run->last.tokens_s);
            kpi(c, r, &x, "tokens/s", value, "", OC_STYLE_TEXT);
        }
    }
    kpi_candidate(c, r, &x, s);
    if (s->n_alerts > 0) {
        snprintf(value, sizeof value, "%lld", (long long)s->n_alerts);
        kpi(c, r, &x, "alerts", value, "", OC_STYLE_WARN);
    }
}

/* --- the rest -------------------------------------------------------------------------------- */

static void message_line(const oc_state *s, const oc_screen_ui *ui, oc_canvas *c, oc_rect r)
{
    if (ui->question[0]) {
        int32_t x = oc_text(c, r, 0, 0, r.w - 8, OC_STYLE_WARN, ui->question);
        oc_text(c, r, x + 1, 0, -1, OC_STYLE_KEY, "y / n");
    } else if (ui->message[0]) {
        oc_text(c, r, 0, 0, -1, OC_STYLE_BOLD, ui->message);
    } else if (s->n_log > 0) { // nothing to say: the newest line of the log
        const oc_line *l = &s->log[s->n_log - 1];
        char clock[16];
        bool alert = is(l->level, "warn") || is(l->level, "error");
        oc_num_clock(clock, l->t_ms, ui->ui[ui->view].tz_s);
        int32_t x = oc_text(c, r, 0, 0, -1, OC_STYLE_DIM, clock);
        oc_text(c, r, x + 1, 0, -1, alert ? OC_STYLE_WARN : OC_STYLE_DIM, l->text);
    }
}

static void footer(const oc_screen_ui *ui, oc_canvas *c, oc_rect r)
{
    const oc_view *v = oc_view_at(ui->help ? oc_view_index("help") : ui->view);
    const char *always = r.w >= 100 ? "? help  : command  q quit" : "? help  : cmd";
    int32_t width = oc_text_width(always);
    oc_text_keys(c, (oc_rect){r.x + r.w - width, r.y, width, 1}, 0, 0, always);
    oc_rect left = {r.x, r.y, r.w - width - 2, 1};
    if (ui->repl_focused)
        oc_text_keys(c, left, 0, 0,
                     "Enter run  Tab complete  up history  Ctrl-R search  Ctrl-C drop  Esc leave");
    else if (v)
        oc_text_keys(c, left, 0, 0, v->keys);
}

/* Numbers alone, for screens too small for any picture. */
static void numbers(const oc_state *s, oc_canvas *c, oc_rect r, int32_t cols, int32_t rows)
{
    int64_t at = oc_run_index(s, "");
    const oc_run *run = at >= 0 ? &s->run[at] : NULL;
    char value[16];
    int32_t y = 0;
    if (run && r.h > 1) {
        oc_textf(c, r, 0, y++, -1, OC_STYLE_TEXT, "%s %lld/%lld", run->name, (long long)run->step,
                 (long long)run->steps);
        oc_num_short(value, run->last.loss);
        if (y < r.h - 1)
            oc_textf(c, r, 0, y++, -1, OC_STYLE_TEXT, "loss %s", value);
        if (y < r.h - 1 && isfinite(run->best_auroc))
            oc_textf(c, r, 0, y++, -1, OC_STYLE_TEXT, "AUROC %.4f", run->best_auroc);
    }
    char need[48];
    snprintf(need, sizeof need, "need 40x10, have %dx%d", (int)cols, (int)rows);
    if (y > 0 && y + oc_text_rows(need, r.w) > r.h)
        y = OC_MAX(r.h - oc_text_rows(need, r.w), 0); // the reason is worth more than a number
    for (int32_t row = y; row < r.h; row++)
        oc_fill(c, (oc_rect){r.x, r.y + row, r.w, 1}, ' ', OC_STYLE_TEXT);
    oc_text_wrapped(c, r, y, OC_STYLE_WARN, need);
}

static void draw_tile(const oc_state *s, const oc_screen_ui *ui, int i, bool boxed, oc_canvas *c,
                      oc_rect r)
{
    const oc_view *v = oc_view_at(i);
    oc_view_ui mine = ui->ui[i];
    bool focused = (ui->help ? is(v->name, "help") : i == ui->view) && !ui->repl_focused;
    mine.focused = i == ui->view || ui->help;
    if (is(v->name, "help"))
        mine.metric = is(oc_view_at(ui->view)->name, "help") ? mine.metric : ui->view;
    if (boxed) {
        char title[40];
        snprintf(title, sizeof title, "%c %s", v->key, v->title);
        r = oc_box(c, r, title, focused);
    }
    v->draw(s, &mine, r, c);
}

void oc_screen_draw(const oc_state *s, const oc_screen_ui *given, oc_canvas *c,
                    oc_screen_layout *out)
{
    oc_screen_ui chosen = *given, *ui = &chosen;
    oc_screen_layout l;
    ui->view = ui->view >= 0 && ui->view < oc_view_count() ? ui->view : 0;
    ui->message = ui->message ? ui->message : "";
    ui->question = ui->question ? ui->question : "";
    ui->replay = ui->replay ? ui->replay : "";
    oc_screen_arrange(ui, c->cols, c->rows, &l);
    if (out)
        *out = l;
    header_line(s, ui, c, (oc_rect){l.header.x, l.header.y, l.header.w, OC_MIN(l.header.h, 1)});
    if (l.message.h > 0)
        message_line(s, ui, c, l.message);
    if (l.footer.h > 0)
        footer(ui, c, l.footer);
    int shown = 0;
    for (int i = 0; i < oc_view_count(); i++)
        shown += l.tile[i].w > 0;
    if (l.header.h > 1) {
        oc_rect second = {0, 1, l.header.w, 1};
        if (shown > 1)
            kpi_strip(s, c, second);
        else
            tabs(ui, c, second);
    }
    if (shown == 0)
        numbers(s, c, l.body, c->cols, c->rows);
    for (int i = 0; i < oc_view_count(); i++)
        if (l.tile[i].w > 0)
            draw_tile(s, ui, i, shown > 1, c, l.tile[i]);
}
