#include "sessions/final_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "sessions/session.h"

enum { WIDTH = 110 };

/* --- what is known of a model ------------------------------------------------------------------ */

/* First number of a list such as "1,2"; 0 when there is none. */
static int64_t first_of(const char *list)
{
    return strtoll(list, NULL, 10);
}

/* The case whose latencies are compared: the first of each bench list, or what was timed instead. */
static oc_ev_latency compared_case(const oc_state *s)
{
    oc_ev_latency want = {.threads = first_of(s->set.bench_threads),
                          .batch = first_of(s->set.bench_batch),
                          .length = first_of(s->set.bench_length)};
    const oc_ev_latency *near = NULL;
    for (int64_t i = 0; i < s->n_latency; i++) {
        const oc_ev_latency *l = &s->latency[i];
        if (l->threads != want.threads || l->batch != want.batch)
            continue;
        if (l->length == want.length)
            return want;
        near = near ? near : l;
    }
    return near ? *near : s->n_latency > 0 ? s->latency[0] : want;
}

static int64_t bytes_of(const oc_model_state *m)
{
    return m->has_cand && m->cand.bytes > 0 ? m->cand.bytes : m->has_info ? m->info.bytes : 0;
}

/* An ensemble is stored as its teachers. */
static int64_t bytes_of_teachers(const oc_state *s)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < s->n_models; i++) {
        const oc_model_state *m = &s->model[i];
        if (oc_str_starts(m->name, "teacher") || !strcmp(m->cand.stage, "finetune"))
            sum += bytes_of(m);
    }
    return sum;
}

oc_footprint oc_footprint_of(const oc_state *s, const char *model)
{
    oc_footprint f = {.median_ms = (double)NAN, .p95_ms = (double)NAN};
    const oc_model_state *m = oc_state_model(s, model);
    if (m) {
        f.bytes = bytes_of(m);
        f.median_ms = m->cand.median_ms;
        f.p95_ms = m->cand.p95_ms;
    }
    if (f.bytes <= 0 && oc_str_starts(model, "ensemble"))
        f.bytes = bytes_of_teachers(s);
    oc_ev_latency at = compared_case(s);
    for (int64_t i = 0; i < s->n_latency; i++) {
        const oc_ev_latency *l = &s->latency[i];
        if (!strcmp(l->model, model) && l->threads == at.threads && l->batch == at.batch &&
            l->length == at.length) {
            f.median_ms = l->median_ms;
            f.p95_ms = l->p95_ms;
        }
    }
    return f;
}

double oc_times_smaller(oc_footprint baseline, oc_footprint model)
{
    return baseline.bytes > 0 && model.bytes > 0 ? (double)baseline.bytes / (double)model.bytes
                                                 : (double)NAN;
}

double oc_times_faster(oc_footprint baseline, oc_footprint model)
{
    return baseline.median_ms > 0 && model.median_ms > 0 ? baseline.median_ms / model.median_ms
                                                         : (double)NAN;
}

/* --- as text ----------------------------------------------------------------------------------- */

static void put_real(oc_grid *g, int32_t col, const char *fmt_name, double v)
{
    if (!isfinite(v))
        oc_grid_put(g, col, "-");
    else if (!strcmp(fmt_name, "ms"))
        oc_grid_put(g, col, v < 10 ? "%.3f" : v < 1000 ? "%.2f" : "%.0f", v);
    else if (!strcmp(fmt_name, "x"))
        oc_grid_put(g, col, v < 100 ? "%.2fx" : "%.1fx", v);
    else
        oc_grid_put(g, col, "%.4f", v);
}

static void put_size(oc_grid *g, int32_t col, int64_t bytes)
{
    char size[24] = "-";
    if (bytes > 0)
        oc_fmt_bytes(size, bytes);
    oc_grid_put(g, col, "%s", size);
}

static void put_candidate(oc_grid *g, const oc_state *s, const oc_model_state *m, oc_footprint base)
{
    const oc_ev_candidate *c = &m->cand;
    oc_footprint f = oc_footprint_of(s, m->name);
    oc_grid_put(g, 0, "%s", m->name);
    oc_grid_put(g, 1, "%s", *c->stage ? c->stage : "-");
    oc_grid_put(g, 2, "%s", *c->precision ? c->precision : "-");
    put_real(g, 3, "", c->accuracy);
    if (isfinite(c->auroc) && isfinite(c->auroc_lo) && isfinite(c->auroc_hi))
        oc_grid_put(g, 4, "%.4f [%.3f-%.3f]", c->auroc, c->auroc_lo, c->auroc_hi);
    else
        put_real(g, 4, "", c->auroc);
    put_real(g, 5, "", c->auprc);
    put_real(g, 6, "", c->f1);
    put_size(g, 7, f.bytes);
    put_real(g, 8, "ms", f.median_ms);
    put_real(g, 9, "x", oc_times_smaller(base, f));
    put_real(g, 10, "x", oc_times_faster(base, f));
}

static void put_level(oc_grid *g, const oc_ev_baseline *b)
{
    oc_grid_put(g, 0, "%s", b->name);
    oc_grid_put(g, 1, "level");
    oc_grid_put(g, 2, "-");
    put_real(g, 3, "", b->accuracy);
    put_real(g, 4, "", b->auroc);
    put_real(g, 5, "", b->auprc);
    put_real(g, 6, "", b->f1);
    for (int32_t c = 7; c < 11; c++)
        oc_grid_put(g, c, "-");
}

static int64_t n_candidates(const oc_state *s)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->n_models; i++)
        n += s->model[i].has_cand;
    return n;
}

/* What the ratios are against, and how the data lay. */
static void footer(const oc_state *s, oc_footprint base, oc_buf *out)
{
    char size[24] = "size not known", ms[32] = "latency not measured";
    if (base.bytes > 0)
        oc_fmt_bytes(size, base.bytes);
    if (isfinite(base.median_ms))
        snprintf(ms, sizeof ms, "%.3f ms", base.median_ms);
    oc_buf_fmt(out, "\nratios: %s (%s, %s) divided by the model\n", s->set.bench_baseline, size,
               ms);
    oc_ev_latency at = compared_case(s);
    if (s->n_latency > 0)
        oc_buf_fmt(out, "latency: median at %lld thread%s, batch %lld, %lld tokens\n",
                   (long long)at.threads, at.threads == 1 ? "" : "s", (long long)at.batch,
                   (long long)at.length);
    oc_buf_str(out, "size: bytes on disk, decimal units\n");
    static const char *const split[] = {"train", "valid", "test"};
    const char *sep = "data: ";
    for (int i = 0; i < 3; i++) {
        if (s->data[i].rows <= 0)
            continue;
        oc_buf_fmt(out, "%s%lld %s", sep, (long long)s->data[i].rows, split[i]);
        sep = ", ";
    }
    if (*sep == ',')
        oc_buf_fmt(out, " notes, task %s (%s), %lld labels\n",
                   s->data[2].rows ? s->data[2].task : s->data[0].task,
                   s->data[2].rows ? s->data[2].kind : s->data[0].kind,
                   (long long)OC_MAX(s->data[0].labels, s->data[2].labels));
}

static oc_status as_text(const oc_state *s, oc_buf *out, oc_err *err)
{
    if (n_candidates(s) == 0 && s->n_baselines == 0) {
        oc_buf_str(out, "no candidates yet; 'run' makes them\n");
        return oc_buf_check(out, err);
    }
    static const char *const head[] = {"model",       "stage",   "precision", "accuracy",
                                       "macro AUROC", "AUPRC",   "F1",        "size",
                                       "ms",          "smaller", "faster"};
    oc_grid g = {.n_cols = OC_COUNT(head), .n_left = 3};
    for (int32_t c = 0; c < OC_COUNT(head); c++)
        oc_grid_put(&g, c, "%s", head[c]);
    oc_footprint base = oc_footprint_of(s, s->set.bench_baseline);
    for (int64_t i = 0; i < s->n_models; i++)
        if (s->model[i].has_cand)
            put_candidate(&g, s, &s->model[i], base);
    for (int64_t i = 0; i < s->n_baselines; i++)
        put_level(&g, &s->baseline[i]);
    OC_TRY(oc_grid_write(&g, WIDTH, out, err));
    footer(s, base, out);
    return oc_buf_check(out, err);
}

/* --- as JSON ----------------------------------------------------------------------------------- */

static void json_count(oc_jw *w, const char *key, int64_t v)
{
    oc_jw_key(w, key);
    if (v > 0)
        oc_jw_i64(w, v);
    else
        oc_jw_null(w);
}

static void json_candidate(oc_jw *w, const oc_state *s, const oc_model_state *m, oc_footprint base)
{
    const oc_ev_candidate *c = &m->cand;
    oc_footprint f = oc_footprint_of(s, m->name);
    oc_jw_open(w, '{');
    oc_jw_kstr(w, "stage", c->stage);
    oc_jw_kstr(w, "model", m->name);
    oc_jw_kstr(w, "precision", c->precision);
    oc_jw_kf64(w, "accuracy", c->accuracy);
    oc_jw_kf64(w, "auroc_macro", c->auroc);
    oc_jw_key(w, "auroc_macro_ci");
    oc_jw_open(w, '[');
    oc_jw_f64(w, c->auroc_lo);
    oc_jw_f64(w, c->auroc_hi);
    oc_jw_close(w, ']');
    oc_jw_kf64(w, "auprc_macro", c->auprc);
    oc_jw_kf64(w, "f1_macro", c->f1);
    json_count(w, "params", c->params);
    json_count(w, "bytes", f.bytes);
    oc_jw_kf64(w, "median_ms", f.median_ms);
    oc_jw_kf64(w, "p95_ms", f.p95_ms);
    oc_jw_kstr(w, "path", c->path);
    oc_jw_kf64(w, "smaller", oc_times_smaller(base, f));
    oc_jw_kf64(w, "faster", oc_times_faster(base, f));
    oc_jw_close(w, '}');
}

static oc_status as_json(const oc_state *s, oc_buf *out, oc_err *err)
{
    oc_footprint base = oc_footprint_of(s, s->set.bench_baseline);
    oc_jw w = {.out = out, .indent = 2};
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "session", s->session.name);
    oc_jw_kstr(&w, "task", s->set.task);
    oc_jw_key(&w, "candidates");
    oc_jw_open(&w, '[');
    for (int64_t i = 0; i < s->n_models; i++)
        if (s->model[i].has_cand)
            json_candidate(&w, s, &s->model[i], base);
    oc_jw_close(&w, ']');
    oc_jw_key(&w, "ratios_against");
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "model", s->set.bench_baseline);
    json_count(&w, "bytes", base.bytes);
    oc_jw_kf64(&w, "median_ms", base.median_ms);
    oc_jw_close(&w, '}');
    oc_jw_key(&w, "baselines");
    oc_jw_open(&w, '[');
    for (int64_t i = 0; i < s->n_baselines; i++) {
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "name", s->baseline[i].name);
        oc_jw_kf64(&w, "accuracy", s->baseline[i].accuracy);
        oc_jw_kf64(&w, "auroc_macro", s->baseline[i].auroc);
        oc_jw_kf64(&w, "f1_macro", s->baseline[i].f1);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_close(&w, '}');
    oc_buf_ch(out, '\n');
    return oc_buf_check(out, err);
}

oc_status oc_final_table(const oc_state *s, bool json, oc_buf *out, oc_err *err)
{
    return json ? as_json(s, out, err) : as_text(s, out, err);
}
