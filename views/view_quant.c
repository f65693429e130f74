/*
 * What rounding costs: a table of all quantized matrices, the error histogram of the one at the
 * cursor, and how far layer outputs drift.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "views/draw.h"
#include "views/hist.h"
#include "views/views.h"

static bool has(const oc_model_state *m)
{
    return m->n_quant > 0 || m->n_drift > 0;
}

static void place_name(char out[32], int64_t layer, const char *matrix)
{
    if (layer >= 0)
        snprintf(out, 32, "L%d %s", (int)layer, matrix);
    else
        snprintf(out, 32, "%s", matrix);
}

static void db(char out[16], double v)
{
    snprintf(out, 16, isinf(v) && v > 0 ? "exact" : isfinite(v) ? "%.1f" : "–", v);
}

/* Columns of the table by width: name, bits, SQNR, max, clipped; -1: left out. */
typedef struct cols {
    int32_t bits, sqnr, max, clip;
} cols;

static cols columns(int32_t w)
{
    if (w >= 42)
        return (cols){18, 26, 35, 42};
    if (w >= 35)
        return (cols){-1, 22, 31, -1};
    return (cols){-1, w, -1, -1};
}

static void table_head(oc_canvas *c, oc_rect r, const cols *k)
{
    oc_text(c, r, 0, 0, r.w - 8, OC_STYLE_DIM, "matrix");
    if (k->bits > 0)
        oc_text_right(c, r, k->bits, 0, OC_STYLE_DIM, "bits");
    oc_text_right(c, r, k->sqnr, 0, OC_STYLE_DIM, "SQNR dB");
    if (k->max > 0)
        oc_text_right(c, r, k->max, 0, OC_STYLE_DIM, "max err");
    if (k->clip > 0)
        oc_text_right(c, r, k->clip, 0, OC_STYLE_DIM, "clip %");
}

static void table_row(const oc_ev_quant *q, bool cursor, oc_canvas *c, oc_rect r, int32_t y,
                      const cols *k)
{
    char name[32], text[16];
    oc_style st = cursor ? OC_STYLE_SELECT : OC_STYLE_TEXT;
    if (cursor)
        for (int32_t x = 0; x < r.w; x++)
            oc_put(c, r, x, y, ' ', st);
    place_name(name, q->layer, q->matrix);
    oc_text(c, r, 0, y, OC_MAX(k->sqnr - 6, 4), st, name);
    if (k->bits > 0) {
        snprintf(text, sizeof text, "%d", (int)q->bits);
        oc_text_right(c, r, k->bits, y, st, text);
    }
    db(text, q->sqnr_db);
    oc_text_right(c, r, k->sqnr, y, st, text);
    if (k->max > 0) {
        oc_num_exp(text, q->max_err, 1);
        oc_text_right(c, r, k->max, y, st, text);
    }
    if (k->clip > 0) {
        snprintf(text, sizeof text, "%.3f", q->clipped * 100);
        oc_text_right(c, r, k->clip, y, st, text);
    }
}

static void table(const oc_model_state *m, const oc_view_ui *ui, int32_t cursor, oc_canvas *c,
                  oc_rect r)
{
    cols k = columns(r.w);
    if (r.h < 2)
        return;
    table_head(c, r, &k);
    int32_t rows = r.h - 1, first = oc_scroll_to(ui->scroll, cursor, (int32_t)m->n_quant, rows);
    for (int32_t i = 0; i < rows && first + i < m->n_quant; i++)
        table_row(&m->quant[first + i], first + i == cursor, c, r, i + 1, &k);
    if (first + rows < m->n_quant && r.w > 30)
        oc_textf(c, r, 7, 0, -1, OC_STYLE_DIM, "%d/%d", (int)cursor + 1, (int)m->n_quant);
}

/* Error of layer outputs, as bars of SQNR. */
static void drift(const oc_model_state *m, oc_canvas *c, oc_rect r)
{
    double top = 0;
    int64_t last = -1;
    for (int64_t i = 0; i < m->n_drift; i++) {
        top = isfinite(m->drift[i].sqnr_db) ? OC_MAX(top, m->drift[i].sqnr_db) : top;
        last = OC_MAX(last, m->drift[i].layer);
    }
    oc_text(c, r, 0, 0, -1, OC_STYLE_DIM, "drift of layer outputs, SQNR dB");
    int64_t skip =
        OC_MAX(m->n_drift - (r.h - 1), 0); // the later layers carry the sum of all before
    for (int64_t i = skip; i < m->n_drift; i++) {
        const oc_ev_drift *d = &m->drift[i];
        char name[16], text[16];
        int32_t y = (int32_t)(i - skip) + 1;
        snprintf(name, sizeof name,
                 d->layer < 0       ? "embed"
                 : d->layer == last ? "logits"
                                    : "L%d",
                 (int)d->layer);
        db(text, d->sqnr_db);
        oc_text(c, r, 0, y, -1, OC_STYLE_TEXT, name);
        oc_text_right(c, r, 13, y, OC_STYLE_TEXT, text);
        if (r.w > 18 && top > 0)
            oc_draw_bar(c, r, 14, y, r.w - 14, d->sqnr_db / top, OC_STYLE_S2, false);
    }
}

static void facts(const oc_ev_quant *q, const oc_hist *h, oc_canvas *c, oc_rect r)
{
    char p50[16], p99[16], max[16], lo[16], hi[16], clip[16], zero[16], line[160];
    oc_num_exp(p50, oc_hist_abs_quantile(h, 0.5), 1);
    oc_num_exp(p99, oc_hist_abs_quantile(h, 0.99), 1);
    oc_num_exp(max, q->max_err, 1);
    oc_num_exp(lo, q->scale_min, 1);
    oc_num_exp(hi, q->scale_max, 1);
    oc_num_percent(clip, q->clipped);
    oc_num_percent(zero, q->zeros);
    snprintf(line, sizeof line, "|error| p50 %s  p99 %s  max %s", p50, p99, max);
    oc_text(c, r, 0, 0, -1, OC_STYLE_TEXT, line);
    snprintf(line, sizeof line, "clipped %s  zeros %s", clip, zero);
    int32_t x = oc_text(c, r, 0, 1, -1, OC_STYLE_TEXT, line);
    snprintf(line, sizeof line, "  scale %s..%s", lo, hi);
    if (x + oc_text_width(line) <= r.w)
        oc_text(c, r, x, 1, -1, OC_STYLE_TEXT, line);
}

static void histogram(const oc_ev_quant *q, const oc_view_ui *ui, oc_canvas *c, oc_rect r)
{
    char name[32];
    double half[2] = {-q->scale_max / 2, q->scale_max / 2};
    oc_hist h = {.bins = q->bins,
                 .n = q->n_bins,
                 .lo = q->lo,
                 .hi = q->hi,
                 .log_count = ui->log_y,
                 .style = OC_STYLE_S0,
                 .mark = half,
                 .n_marks = 2};
    place_name(name, q->layer, q->matrix);
    if (r.h >= 6) {
        int32_t x = oc_text(c, r, 0, 0, -1, OC_STYLE_BOLD, name);
        oc_textf(c, r, x, 0, -1, OC_STYLE_DIM, "  error w - wq, INT%d  ▲ half a step",
                 (int)q->bits);
        r = (oc_rect){r.x, r.y + 1, r.w, r.h - 1};
    }
    if (r.h >= 8) {
        facts(q, &h, c, (oc_rect){r.x, r.y + r.h - 2, r.w, 2});
        r.h -= 2;
    }
    oc_hist_draw(&h, c, r);
}

static void body(const oc_model_state *m, const oc_view_ui *ui, oc_canvas *c, oc_rect r)
{
    int32_t cursor = (int32_t)OC_MAX(OC_MIN(ui->cursor, m->n_quant - 1), 0);
    bool beside = r.w >= 66;
    oc_rect left = r, right = r;
    if (beside) {
        left.w = OC_MIN(OC_MAX(r.w * 2 / 5, 36), 48);
        right = (oc_rect){r.x + left.w + 2, r.y, r.w - left.w - 2, r.h};
    } else if (m->n_quant > 0) {
        right.h = r.h >= 9 ? r.h * 3 / 5 : r.h >= 6 ? 0 : r.h;
        left = (oc_rect){r.x, r.y + right.h, r.w, r.h - right.h};
    }
    if (m->n_drift > 0 && left.h >= 10) {
        int32_t rows = (int32_t)OC_MIN(m->n_drift + 1, OC_MAX(left.h / 3, left.h - m->n_quant - 2));
        rows = OC_MIN(rows, left.h - 4);
        drift(m, c, (oc_rect){left.x, left.y + left.h - rows, left.w, rows});
        left.h -= rows + 1;
    }
    if (m->n_quant < 1)
        return;
    table(m, ui, cursor, c, left);
    histogram(&m->quant[cursor], ui, c, right);
}

void oc__quant_draw(const oc_state *s, const oc_view_ui *ui, oc_rect r, oc_canvas *c)
{
    int64_t at = oc_model_index(s, ui->model, has);
    if (at < 0) {
        oc_draw_empty(c, r, "no quantization error yet",
                      strstr(s->set.run_stages, "quantize")
                          ? "it comes with the quantize stage"
                          : "run.stages holds no quantize: add it with \"set run.stages\"");
        return;
    }
    const oc_model_state *m = &s->model[at];
    if (r.h >= 7) {
        double worst = (double)INFINITY;
        int64_t where = -1;
        for (int64_t i = 0; i < m->n_quant; i++)
            if (m->quant[i].sqnr_db < worst) {
                worst = m->quant[i].sqnr_db;
                where = i;
            }
        int32_t x = oc_model_tabs(s, at, has, c, r, 0, 0);
        if (where >= 0) {
            char name[32];
            place_name(name, m->quant[where].layer, m->quant[where].matrix);
            oc_textf(c, r, x + 1, 0, -1, OC_STYLE_DIM, "worst %s %.1f dB", name, worst);
        }
        r = (oc_rect){r.x, r.y + 1, r.w, r.h - 1};
    }
    body(m, ui, c, r);
}

bool oc__quant_handle(oc_view_ui *ui, const oc_state *s, uint32_t key, oc_buf *command)
{
    int64_t at = oc_model_index(s, ui->model, has);
    (void)command;
    if (at < 0)
        return false;
    if (key == 'y')
        ui->log_y = !ui->log_y;
    else if (key == 'n' || key == 'N')
        oc_model_step(s, ui->model, has, key == 'n' ? 1 : -1);
    else
        return oc__list_key(&ui->cursor, (int32_t)s->model[at].n_quant, 8, key);
    return true;
}

static void json_matrix(oc_jw *w, const oc_ev_quant *q)
{
    oc_jw_open(w, '{');
    oc_jw_ki64(w, "layer", q->layer);
    oc_jw_kstr(w, "matrix", q->matrix);
    oc_jw_ki64(w, "bits", q->bits);
    oc_jw_kf64(w, "max_err", q->max_err);
    oc_jw_kf64(w, "sqnr_db", q->sqnr_db);
    oc_jw_kf64(w, "clipped", q->clipped);
    oc_jw_kf64(w, "zeros", q->zeros);
    oc_jw_kf64(w, "scale_min", q->scale_min);
    oc_jw_kf64(w, "scale_max", q->scale_max);
    oc_jw_kf64(w, "lo", q->lo);
    oc_jw_kf64(w, "hi", q->hi);
    oc_jw_key(w, "bins");
    oc_jw_open(w, '[');
    for (int64_t k = 0; k < q->n_bins; k++)
        oc_jw_f64(w, q->bins[k]);
    oc_jw_close(w, ']');
    oc_jw_close(w, '}');
}

void oc__quant_json(const oc_state *s, const oc_view_ui *ui, oc_buf *out)
{
    oc_jw w = oc_view_json(out);
    (void)ui;
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "view", "quant");
    oc_jw_key(&w, "models");
    oc_jw_open(&w, '[');
    for (int64_t i = 0; i < s->n_models; i++) {
        const oc_model_state *m = &s->model[i];
        if (!has(m))
            continue;
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "model", m->name);
        oc_jw_key(&w, "matrices");
        oc_jw_open(&w, '[');
        for (int64_t k = 0; k < m->n_quant; k++)
            json_matrix(&w, &m->quant[k]);
        oc_jw_close(&w, ']');
        oc_jw_key(&w, "drift");
        oc_jw_open(&w, '[');
        for (int64_t k = 0; k < m->n_drift; k++) {
            oc_jw_open(&w, '{');
            oc_jw_ki64(&w, "layer", m->drift[k].layer);
            oc_jw_kf64(&w, "sqnr_db", m->drift[k].sqnr_db);
            oc_jw_kf64(&w, "max_err", m->drift[k].max_err);
            oc_jw_close(&w, '}');
        }
        oc_jw_close(&w, ']');
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_close(&w, '}');
}
