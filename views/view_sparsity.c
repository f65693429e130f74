/*
 * What pruning left: share of zeros per layer and matrix, or heads per layer with their importance;
 * FFN widths beside; asked and reached at the cursor.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/str.h"
#include "views/draw.h"
#include "views/heat.h"
#include "views/views.h"

#define MAX_COLS 16

typedef struct map {
    const oc_model_state *m;
    bool heads;
    char col[MAX_COLS][16]; /* matrix names, network order */
    int32_t n_cols, n_layers;
    double top; /* largest importance */
} map;

static bool has(const oc_model_state *m)
{
    return m->n_sparsity > 0 || m->n_heads > 0 || m->n_ffn > 0;
}

static void add_col(map *t, const char *matrix)
{
    int32_t at = 0;
    for (int32_t i = 0; i < t->n_cols; i++)
        if (strcmp(t->col[i], matrix) == 0)
            return;
    if (t->n_cols >= MAX_COLS)
        return;
    while (at < t->n_cols && oc_matrix_order(t->col[at]) <= oc_matrix_order(matrix))
        at++;
    memmove(t->col[at + 1], t->col[at], (size_t)(t->n_cols - at) * sizeof t->col[0]);
    oc_strlcpy(t->col[at], matrix, sizeof t->col[0]);
    t->n_cols++;
}

static bool make_map(const oc_state *s, const oc_view_ui *ui, map *t)
{
    int64_t at = oc_model_index(s, ui->model, has);
    if (at < 0)
        return false;
    const oc_model_state *m = &s->model[at];
    *t = (map){.m = m, .heads = (ui->metric % 2 == 1 && m->n_heads > 0) || m->n_sparsity == 0};
    int64_t layers = 0;
    for (int64_t i = 0; i < m->n_sparsity; i++) {
        layers = OC_MAX(layers, m->sparsity[i].layer + 1);
        if (!t->heads && m->sparsity[i].layer >= 0)
            add_col(t, m->sparsity[i].matrix);
    }
    for (int64_t i = 0; i < m->n_heads; i++) {
        const oc_ev_heads *h = &m->heads[i];
        layers = OC_MAX(layers, h->layer + 1);
        if (t->heads)
            t->n_cols = (int32_t)OC_MAX(t->n_cols, h->n_kept);
        for (int64_t k = 0; k < h->n_importance; k++)
            if (isfinite(h->importance[k]))
                t->top = OC_MAX(t->top, h->importance[k]);
    }
    for (int64_t i = 0; i < m->n_ffn; i++)
        layers = OC_MAX(layers, m->ffn[i].layer + 1);
    t->n_layers = (int32_t)OC_MIN(layers, 4096);
    return true;
}

static const oc_ev_sparsity *cell_at(const map *t, int32_t layer, const char *matrix)
{
    for (int64_t i = 0; i < t->m->n_sparsity; i++)
        if (t->m->sparsity[i].layer == layer && strcmp(t->m->sparsity[i].matrix, matrix) == 0)
            return &t->m->sparsity[i];
    return NULL;
}

static const oc_ev_heads *heads_at(const map *t, int32_t layer)
{
    for (int64_t i = 0; i < t->m->n_heads; i++)
        if (t->m->heads[i].layer == layer)
            return &t->m->heads[i];
    return NULL;
}

static const oc_ev_ffn *ffn_at(const map *t, int32_t layer)
{
    for (int64_t i = 0; i < t->m->n_ffn; i++)
        if (t->m->ffn[i].layer == layer)
            return &t->m->ffn[i];
    return NULL;
}

static double value(const void *data, int32_t row, int32_t col)
{
    const map *t = data;
    if (t->heads) {
        const oc_ev_heads *h = heads_at(t, row);
        if (!h || col >= h->n_kept)
            return (double)NAN;
        double v = col < h->n_importance ? h->importance[col] : (double)NAN;
        return isfinite(v) && t->top > 0 ? v / t->top : 0;
    }
    const oc_ev_sparsity *e = cell_at(t, row, t->col[col]);
    return e ? e->reached : (double)NAN;
}

static bool removed(const void *data, int32_t row, int32_t col)
{
    const map *t = data;
    const oc_ev_heads *h = t->heads ? heads_at(t, row) : NULL;
    return h && col < h->n_kept && !(h->kept[col] > 0);
}

static void row_label(const void *data, int32_t row, char out[OC_HEAT_LABEL])
{
    (void)data;
    snprintf(out, OC_HEAT_LABEL, "L%d", (int)row);
}

static void col_label(const void *data, int32_t col, int32_t width, char out[OC_HEAT_LABEL])
{
    static const char *const brief[][3] = {{"query", "qry", "q"},  {"key", "key", "k"},
                                           {"value", "val", "v"},  {"attn.out", "att", "o"},
                                           {"ffn.in", "fin", "i"}, {"ffn.out", "fou", "f"}};
    const map *t = data;
    if (t->heads) {
        snprintf(out, OC_HEAT_LABEL, width >= 3 ? "h%d" : "%d", (int)col);
        return;
    }
    oc_strlcpy(out, t->col[col], OC_HEAT_LABEL);
    for (int i = 0; i < OC_COUNT(brief) && oc_text_width(out) > width; i++)
        if (strcmp(brief[i][0], t->col[col]) == 0)
            oc_strlcpy(out, brief[i][width >= 3 ? 1 : 2], OC_HEAT_LABEL);
    if (oc_text_width(out) > width)
        oc_strlcpy(out, t->col[col], (size_t)width + 1);
}

static oc_heat heat_of(const map *t, const oc_view_ui *ui)
{
    return (oc_heat){.n_rows = t->n_layers,
                     .n_cols = t->n_cols,
                     .data = t,
                     .value = value,
                     .removed = removed,
                     .row_label = row_label,
                     .col_label = col_label,
                     .lo = 0,
                     .hi = 1,
                     .cur_row = OC_MIN(OC_MAX(ui->cursor, 0), t->n_layers - 1),
                     .cur_col = OC_MIN(OC_MAX(ui->cursor_x, 0), t->n_cols - 1),
                     .max_cell = t->heads ? 6 : 9};
}

/* Share of zeros over all matrices listed, by weights. */
static double overall(const map *t)
{
    double zeros = 0, all = 0;
    for (int64_t i = 0; i < t->m->n_sparsity; i++) {
        const oc_ev_sparsity *e = &t->m->sparsity[i];
        double n = (double)e->rows * (double)e->cols;
        zeros += isfinite(e->reached) ? n * e->reached : 0;
        all += n;
    }
    return all > 0 ? zeros / all : (double)NAN;
}

/* "heads 4>3  ffn 512>256 bar" of each layer, right of the heat. */
static void side(const map *t, int32_t high, oc_canvas *c, oc_rect r)
{
    oc_text(c, r, 0, 0, 12, OC_STYLE_DIM, "heads");
    oc_text(c, r, 8, 0, 14, OC_STYLE_DIM, "ffn width");
    for (int32_t i = 0; i < t->n_layers && i * high + 1 < r.h; i++) {
        int32_t y = i * high + 1;
        const oc_ev_heads *h = heads_at(t, i);
        const oc_ev_ffn *f = ffn_at(t, i);
        if (h)
            oc_textf(c, r, 0, y, 7, OC_STYLE_TEXT, "%lld→%lld", (long long)h->before,
                     (long long)h->after);
        if (!f)
            continue;
        oc_textf(c, r, 8, y, 11, OC_STYLE_TEXT, "%lld→%lld", (long long)f->before,
                 (long long)f->after);
        if (f->before > 0 && r.w > 26)
            oc_draw_bar(c, r, 20, y, OC_MIN(r.w - 20, 24), (double)f->after / (double)f->before,
                        OC_STYLE_S1, true);
    }
}

static void cursor_text(const map *t, const oc_heat *h, char out[192])
{
    char asked[16], reached[16];
    if (t->heads) {
        const oc_ev_heads *e = heads_at(t, h->cur_row);
        int32_t k = h->cur_col;
        if (!e || k < 0 || k >= e->n_kept)
            snprintf(out, 192, "layer %d: no such head", (int)h->cur_row);
        else
            snprintf(out, 192,
                     "layer %d head %d: %s, importance %.3g; the layer keeps %lld of %lld heads",
                     (int)h->cur_row, (int)k, e->kept[k] > 0 ? "kept" : "removed",
                     k < e->n_importance ? e->importance[k] : (double)NAN, (long long)e->after,
                     (long long)e->before);
        return;
    }
    const oc_ev_sparsity *e = h->cur_col >= 0 ? cell_at(t, h->cur_row, t->col[h->cur_col]) : NULL;
    if (!e) {
        snprintf(out, 192, "nothing at layer %d", (int)h->cur_row);
        return;
    }
    oc_num_percent(asked, e->asked);
    oc_num_percent(reached, e->reached);
    snprintf(out, 192, "layer %d %s  asked %s  reached %s  %lldx%lld", (int)h->cur_row, e->matrix,
             asked, reached, (long long)e->rows, (long long)e->cols);
}

/* Matrices outside the layers: "outside: pooler 30 %  classifier 0 %". */
static bool outside_text(const map *t, char out[192])
{
    size_t n = 0;
    out[0] = 0;
    for (int64_t i = 0; i < t->m->n_sparsity; i++) {
        char share[16];
        const oc_ev_sparsity *e = &t->m->sparsity[i];
        if (e->layer >= 0 || n > 150)
            continue;
        oc_num_percent(share, e->reached);
        n +=
            (size_t)snprintf(out + n, 192 - n, "%s%s %s", n ? "  " : "outside: ", e->matrix, share);
    }
    return n > 0;
}

static void head_row(const oc_state *s, const map *t, const oc_heat *h, oc_canvas *c, oc_rect r)
{
    char total[16];
    int64_t at = t->m - s->model;
    int32_t x = oc_model_tabs(s, at, has, c, r, 0, 0) + 1;
    oc_num_percent(total, overall(t));
    if (isfinite(overall(t)) && x + 18 < r.w)
        x += oc_textf(c, r, x, 0, -1, OC_STYLE_TEXT, "zeros in all %s", total) + 2;
    const char *what = t->heads ? "importance" : "zeros";
    int32_t need = oc_text_width(what) + 1 + 20;
    if (x + need <= r.w) {
        oc_text(c, r, r.w - need, 0, -1, OC_STYLE_DIM, what);
        oc_heat_scale(h, c, r, r.w - 20, 0);
    }
}

void oc__sparsity_draw(const oc_state *s, const oc_view_ui *ui, oc_rect r, oc_canvas *c)
{
    map t;
    char line[192];
    if (!make_map(s, ui, &t)) {
        oc_draw_empty(c, r, "no sparsity yet",
                      strstr(s->set.run_stages, "prune")
                          ? "it comes with the prune stage"
                          : "run.stages holds no prune: add it with \"set run.stages\"");
        return;
    }
    oc_heat h = heat_of(&t, ui);
    if (r.h >= 5) {
        head_row(s, &t, &h, c, (oc_rect){r.x, r.y, r.w, 1});
        r = (oc_rect){r.x, r.y + 1, r.w, r.h - 1};
    }
    if (r.h >= 4) {
        cursor_text(&t, &h, line);
        oc_text(c, r, 0, r.h - 1, -1, ui->focused ? OC_STYLE_BOLD : OC_STYLE_TEXT, line);
        r.h--;
    }
    bool outside = !t.heads && r.h >= t.n_layers + 2 && outside_text(&t, line);
    r.h -= outside;
    int32_t least = 4 + t.n_cols * 5, wide = 4 + t.n_cols * h.max_cell;
    bool beside =
        (t.m->n_heads > 0 || t.m->n_ffn > 0) && r.w >= least + 22 && t.n_layers + 1 <= r.h;
    int32_t heat_w = beside ? OC_MIN(wide, r.w - 22) : r.w;
    int32_t used = t.n_cols > 0 ? oc_heat_draw(&h, c, (oc_rect){r.x, r.y, heat_w, r.h}) : 0;
    if (outside)
        oc_text(c, (oc_rect){r.x, r.y, r.w, r.h + 1}, 0, OC_MIN(used + (used + 1 < r.h), r.h), -1,
                OC_STYLE_DIM, line);
    if (beside)
        side(&t, oc_heat_high(&h, r.h - 1), c,
             (oc_rect){r.x + heat_w + 2, r.y, r.w - heat_w - 2, r.h});
}

bool oc__sparsity_handle(oc_view_ui *ui, const oc_state *s, uint32_t key, oc_buf *command)
{
    map t;
    (void)command;
    if (!make_map(s, ui, &t))
        return false;
    if (key == 'm') {
        ui->metric = t.heads ? 0 : 1;
        ui->cursor_x = 0;
    } else if (key == 'n' || key == 'N') {
        oc_model_step(s, ui->model, has, key == 'n' ? 1 : -1);
    } else if (key == OC_KEY_LEFT || key == 'h') {
        ui->cursor_x = OC_MAX(OC_MIN(ui->cursor_x, t.n_cols - 1) - 1, 0);
    } else if (key == OC_KEY_RIGHT || key == 'l') {
        ui->cursor_x = OC_MAX(OC_MIN(ui->cursor_x + 1, t.n_cols - 1), 0);
    } else {
        return oc__list_key(&ui->cursor, t.n_layers, 8, key);
    }
    return true;
}

static void json_lists(oc_jw *w, const oc_model_state *m)
{
    oc_jw_key(w, "sparsity");
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < m->n_sparsity; i++) {
        const oc_ev_sparsity *e = &m->sparsity[i];
        oc_jw_open(w, '{');
        oc_jw_ki64(w, "layer", e->layer);
        oc_jw_kstr(w, "matrix", e->matrix);
        oc_jw_ki64(w, "rows", e->rows);
        oc_jw_ki64(w, "cols", e->cols);
        oc_jw_kf64(w, "asked", e->asked);
        oc_jw_kf64(w, "reached", e->reached);
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, ']');
    oc_jw_key(w, "heads");
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < m->n_heads; i++) {
        const oc_ev_heads *e = &m->heads[i];
        oc_jw_open(w, '{');
        oc_jw_ki64(w, "layer", e->layer);
        oc_jw_ki64(w, "before", e->before);
        oc_jw_ki64(w, "after", e->after);
        oc_jw_key(w, "kept");
        oc_jw_open(w, '[');
        for (int64_t k = 0; k < e->n_kept; k++)
            oc_jw_bool(w, e->kept[k] > 0);
        oc_jw_close(w, ']');
        oc_jw_key(w, "importance");
        oc_jw_open(w, '[');
        for (int64_t k = 0; k < e->n_importance; k++)
            oc_jw_f64(w, e->importance[k]);
        oc_jw_close(w, ']');
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, ']');
}

static void json_ffn(oc_jw *w, const oc_model_state *m)
{
    oc_jw_key(w, "ffn");
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < m->n_ffn; i++) {
        oc_jw_open(w, '{');
        oc_jw_ki64(w, "layer", m->ffn[i].layer);
        oc_jw_ki64(w, "before", m->ffn[i].before);
        oc_jw_ki64(w, "after", m->ffn[i].after);
        oc_jw_kf64(w, "asked", m->ffn[i].asked);
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, ']');
}

void oc__sparsity_json(const oc_state *s, const oc_view_ui *ui, oc_buf *out)
{
    oc_jw w = oc_view_json(out);
    (void)ui;
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "view", "sparsity");
    oc_jw_key(&w, "models");
    oc_jw_open(&w, '[');
    for (int64_t i = 0; i < s->n_models; i++) {
        if (!has(&s->model[i]))
            continue;
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "model", s->model[i].name);
        json_lists(&w, &s->model[i]);
        json_ffn(&w, &s->model[i]);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_close(&w, '}');
}
