/*
 * core/compress/quantize.c - observers, INT8 weights, and what the rounding cost.
 */
#include "core/compress/quantize.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/par.h"
#include "core/base/str.h"

#define N_BINS    41 // of oc_ev_quant
#define SQNR_CAP  200.0
#define ROW_GRAIN 16 // rows a worker takes at a time

oc_status oc_quant_opts_from(const oc_settings *s, oc_quant_opts *out, oc_err *err)
{
    static const char *const word[] = {"max", "percentile", "mse"};
    for (int i = 0; i < OC_COUNT(word); i++) {
        if (strcmp(s->quant_clip, word[i]) != 0)
            continue;
        if (!(s->quant_percentile >= 50 && s->quant_percentile <= 100))
            return OC_FAIL(err, OC_USAGE, "quant.percentile is %g; it must lie between 50 and 100",
                           s->quant_percentile);
        *out = (oc_quant_opts){.clip = (oc_clip)i,
                               .percentile = s->quant_percentile,
                               .embeddings = s->quant_embeddings,
                               .bits7 = s->quant_bits == 7,
                               .attn_s8 = !strcmp(s->quant_attention, "int8"),
                               .head = s->quant_head};
        return OC_OK;
    }
    return OC_FAIL(err, OC_USAGE, "quant.clip '%.30s' is not known; it is max, percentile or mse",
                   s->quant_clip);
}

/* --- one channel ----------------------------------------------------------------------------- */

// Nearest whole number, halves to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no fraction bits.
static inline float round_even(float x)
{
    return (x + 12582912.0f) - 12582912.0f;
}

static inline float clamp_q(float x, float top)
{
    x = x > top ? top : x;
    return x < -top ? -top : x;
}

// Squared error of a range, in eight fixed lanes (so the compiler may use vectors).
static double range_error(const float *w, int64_t n, float range, float top)
{
    float scale = range / top, inv = top / range;
    double total = 0;
    for (int64_t i = 0; i < n; i += 256) {
        float lane[8] = {0};
        int64_t end = OC_MIN(n, i + 256), j = i;
        for (; j + 8 <= end; j += 8)
            for (int l = 0; l < 8; l++) {
                float e = w[j + l] - round_even(clamp_q(w[j + l] * inv, top)) * scale;
                lane[l] += e * e;
            }
        for (; j < end; j++) {
            float e = w[j] - round_even(clamp_q(w[j] * inv, top)) * scale;
            lane[0] += e * e;
        }
        for (int l = 0; l < 8; l++)
            total += (double)lane[l];
    }
    return total;
}

// Full range first, so the result is never worse than without clipping; coarse steps, then fine.
static float best_range(const float *w, int64_t n, float max, float top)
{
    double least = range_error(w, n, max, top);
    float best = max;
    for (int pass = 0; pass < 2; pass++) {
        float centre = best / max, width = pass == 0 ? 0.02f : 0.005f;
        int from = pass == 0 ? 1 : -3, to = pass == 0 ? 30 : 3;
        for (int i = from; i <= to; i++) {
            float ratio = pass == 0 ? 1.0f - (float)i * width : centre + (float)i * width;
            if (ratio <= 0 || ratio > 1)
                continue;
            double e = range_error(w, n, ratio * max, top);
            if (e < least) {
                least = e;
                best = ratio * max;
            }
        }
    }
    return best;
}

// Value at rank k (0-based) of x [n], which is rearranged. Hoare's selection.
static float select_rank(float *x, int64_t n, int64_t k)
{
    int64_t lo = 0, hi = n - 1;
    while (lo < hi) {
        float pivot = x[lo + (hi - lo) / 2];
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i <= j) {
                float t = x[i];
                x[i++] = x[j];
                x[j--] = t;
            }
        }
        if (k <= j)
            hi = j;
        else if (k >= i)
            lo = i;
        else
            break;
    }
    return x[k];
}

// Percentile of |w|, linear between ranks as numpy's default.
static float percentile_range(const float *w, int64_t n, double percentile, float *scratch)
{
    for (int64_t i = 0; i < n; i++)
        scratch[i] = fabsf(w[i]);
    double at = percentile / 100 * (double)(n - 1);
    int64_t k = (int64_t)floor(at);
    float a = select_rank(scratch, n, k), b = a;
    if (k + 1 < n) { // what follows rank k is now at or behind it
        b = scratch[k + 1];
        for (int64_t i = k + 2; i < n; i++)
            b = scratch[i] < b ? scratch[i] : b;
    }
    return (float)((double)a + (at - (double)k) * ((double)b - (double)a));
}

double oc_quantize_channel(const float *w, int64_t n, const oc_quant_opts *o, int8_t *q,
                           float *scale, float *scratch)
{
    // Of the smallest value of two's complement no use is made: the range is symmetric.
    const float top = o->bits7 ? 63 : 127;
    float max = 0, range;
    for (int64_t i = 0; i < n; i++)
        max = fabsf(w[i]) > max ? fabsf(w[i]) : max;
    range = max;
    if (o->clip == OC_CLIP_PERCENTILE && n > 0)
        range = percentile_range(w, n, o->percentile, scratch);
    if (o->clip == OC_CLIP_MSE && max > 0)
        range = best_range(w, n, max, top);
    // A mostly zero channel can have a percentile of 0: its few weights are all there is to keep.
    if (range < FLT_MIN * top)
        range = max;
    if (range < FLT_MIN * top) {
        memset(q, 0, (size_t)n);
        *scale = 1;
        return 0;
    }
    float inv = top / range;
    int64_t clipped = 0;
    for (int64_t i = 0; i < n; i++) {
        q[i] = (int8_t)round_even(clamp_q(w[i] * inv, top));
        clipped += fabsf(w[i]) > range;
    }
    *scale = range / top;
    return (double)clipped / (double)n;
}

/* --- one matrix ------------------------------------------------------------------------------ */

// What a row contributes to the event; rows are added up in order.
typedef struct row_cost {
    double sq_w, sq_err, clipped;
    float max_err, max_w;
    int64_t zeros;
} row_cost;

typedef struct matrix {
    const oc_quant_opts *o;
    const float *w; // [rows, cols]
    int64_t rows, cols;
    int8_t *q;      // [rows, cols]
    float *scale;   // [rows]
    row_cost *cost; // [rows]
    float *scratch; // [workers, cols]
    int64_t *bins;  // [workers, N_BINS]
    float max_err;  // of the whole matrix, for the bins
} matrix;

static void quantize_rows(void *ctx, int64_t begin, int64_t end, int worker)
{
    matrix *m = ctx;
    for (int64_t r = begin; r < end; r++) {
        const float *w = m->w + r * m->cols;
        int8_t *q = m->q + r * m->cols;
        row_cost c = {0};
        c.clipped =
            oc_quantize_channel(w, m->cols, m->o, q, &m->scale[r], m->scratch + worker * m->cols);
        for (int64_t i = 0; i < m->cols; i++) {
            float e = w[i] - m->scale[r] * (float)q[i];
            c.sq_w += (double)w[i] * (double)w[i];
            c.sq_err += (double)e * (double)e;
            c.max_err = fabsf(e) > c.max_err ? fabsf(e) : c.max_err;
            c.max_w = fabsf(w[i]) > c.max_w ? fabsf(w[i]) : c.max_w;
            c.zeros += q[i] == 0;
        }
        m->cost[r] = c;
    }
}

static void bin_rows(void *ctx, int64_t begin, int64_t end, int worker)
{
    matrix *m = ctx;
    int64_t *bins = m->bins + worker * N_BINS;
    double per = N_BINS / (2 * (double)m->max_err);
    for (int64_t r = begin; r < end; r++)
        for (int64_t i = r * m->cols; i < (r + 1) * m->cols; i++) {
            float e = m->w[i] - m->scale[r] * (float)m->q[i];
            int64_t b = (int64_t)(((double)e + (double)m->max_err) * per);
            bins[OC_MIN(OC_MAX(b, 0), N_BINS - 1)]++;
        }
}

static double sqnr_db(double sq_signal, double sq_err)
{
    if (sq_err <= 0)
        return SQNR_CAP;
    if (sq_signal <= 0)
        return 0;
    return OC_MIN(SQNR_CAP, 10 * log10(sq_signal / sq_err));
}

static void fill_costs(const matrix *m, oc_ev_quant *v)
{
    double sq_w = 0, sq_err = 0, clipped = 0;
    int64_t zeros = 0;
    v->scale_min = (double)INFINITY;
    v->scale_max = 0;
    for (int64_t r = 0; r < m->rows; r++) {
        const row_cost *c = &m->cost[r];
        sq_w += c->sq_w;
        sq_err += c->sq_err;
        clipped += c->clipped;
        zeros += c->zeros;
        if (c->max_w > 0) { // a row of zeros has no range
            v->scale_min = OC_MIN(v->scale_min, (double)m->scale[r]);
            v->scale_max = OC_MAX(v->scale_max, (double)m->scale[r]);
        }
    }
    v->scale_min = isinf(v->scale_min) ? 0 : v->scale_min;
    v->sqnr_db = sqnr_db(sq_w, sq_err);
    v->clipped = clipped / (double)m->rows;
    v->zeros = (double)zeros / (double)(m->rows * m->cols);
}

static void emit_quant(oc_job *job, matrix *m, const oc_param *p, const char *name)
{
    oc_event e;
    oc_event_init(&e, OC_EV_quant_T);
    oc_ev_quant *v = &e.u.quant;
    OC_EV_SET(v->model, name);
    v->layer = p->layer;
    OC_EV_SET(v->matrix, oc_kind_short(p->kind));
    v->bits = m->o->bits7 ? 7 : 8;
    fill_costs(m, v);
    m->max_err = 0;
    for (int64_t r = 0; r < m->rows; r++)
        m->max_err = OC_MAX(m->max_err, m->cost[r].max_err);
    v->max_err = (double)m->max_err;
    v->lo = -v->max_err;
    v->hi = v->max_err;
    v->n_bins = N_BINS;
    memset(v->bins, 0, sizeof v->bins);
    if (m->max_err > 0) {
        oc_par_for(m->rows, ROW_GRAIN, bin_rows, m);
        for (int w = 0; w < oc_par_workers(); w++)
            for (int b = 0; b < N_BINS; b++)
                v->bins[b] += (double)m->bins[w * N_BINS + b];
    } else {
        v->bins[N_BINS / 2] = (double)(m->rows * m->cols);
    }
    oc_job_emit(job, &e);
}

static bool finite_row(const float *w, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(w[i]))
            return false;
    return true;
}

// q and scale of parameter p, owned by the caller.
static oc_status quantize_param(oc_job *job, const oc_model *model, const oc_param *p,
                                const oc_quant_opts *o, const char *name, int8_t **q, float **scale,
                                oc_err *err)
{
    size_t workers = (size_t)oc_par_workers();
    oc_quant_opts here = *o;
    here.bits7 = o->bits7 && oc_kind_is_matrix(p->kind);
    matrix m = {
        .o = &here, .w = model->w[p - model->layout.param].f32, .rows = p->rows, .cols = p->cols};
    for (int64_t r = 0; r < p->rows; r++)
        if (!finite_row(m.w + r * p->cols, p->cols))
            return OC_FAIL(err, OC_NUMERIC,
                           "%s: %s has a value that is not a finite number (row %lld)", name,
                           p->name, (long long)r);
    m.q = oc_alloc((size_t)p->n);
    m.scale = oc_calloc((size_t)p->rows, sizeof(float));
    m.cost = oc_calloc((size_t)p->rows, sizeof(row_cost));
    m.scratch = oc_calloc(workers * (size_t)p->cols, sizeof(float));
    m.bins = oc_calloc(workers * N_BINS, sizeof(int64_t));
    bool ok = m.q && m.scale && m.cost && m.scratch && m.bins;
    if (ok) {
        oc_par_for(p->rows, ROW_GRAIN, quantize_rows, &m);
        if (job)
            emit_quant(job, &m, p, name);
    }
    oc_free(m.cost);
    oc_free(m.scratch);
    oc_free(m.bins);
    *q = m.q;
    *scale = m.scale;
    return ok ? OC_OK : OC_FAIL(err, OC_NOMEM, "out of memory while quantizing %s", p->name);
}

/* --- the model ------------------------------------------------------------------------------- */

static bool wanted(const oc_model *m, const oc_param *p, const oc_quant_opts *o)
{
    if (o->keep && o->keep[p - m->layout.param])
        return false;
    if (oc_kind_is_embedding(p->kind))
        return o->embeddings;
    if (p->kind == OC_P_POOL_W || p->kind == OC_P_CLS_W)
        return o->head;
    return oc_kind_is_matrix(p->kind);
}

static oc_status quantize_all(oc_job *job, const oc_model *m, const oc_quant_opts *o,
                              const char *name, int8_t **q, float **scale, oc_err *err)
{
    int64_t total = 0, done = 0;
    oc_meter meter;
    for (int32_t i = 0; i < m->layout.n; i++)
        total += wanted(m, &m->layout.param[i], o) ? m->layout.param[i].n : 0;
    oc_meter_start(&meter, job, "quantize", "weights", total);
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        if (!wanted(m, p, o))
            continue;
        OC_TRY(oc_job_poll(job, NULL, err));
        OC_TRY(quantize_param(job, m, p, o, name, &q[i], &scale[i], err));
        done += p->n;
        oc_meter_at(&meter, done);
    }
    return OC_OK;
}

oc_status oc_quantize_model(oc_job *job, oc_model *m, const oc_quant_opts *o, const char *name,
                            oc_err *err)
{
    if (!oc_model_is_f32(m))
        return OC_FAIL(err, OC_STATE, "%s is quantized already", name);
    size_t n = (size_t)m->layout.n;
    int8_t **q = oc_calloc(n, sizeof(int8_t *));
    float **scale = oc_calloc(n, sizeof(float *));
    oc_status rc = q && scale ? quantize_all(job, m, o, name, q, scale, err)
                              : OC_FAIL(err, OC_NOMEM, "out of memory while quantizing %s", name);
    // All or nothing: a model is never left half quantized.
    for (size_t i = 0; q && scale && i < n; i++) {
        if (rc == OC_OK && q[i]) {
            oc_model_set_q8(m, (int32_t)i, q[i], scale[i]);
            continue;
        }
        oc_free(q[i]);
        oc_free(scale[i]);
    }
    oc_free(q);
    oc_free(scale);
    m->bits7 = rc == OC_OK && o->bits7;
    m->attn_s8 = rc == OC_OK && o->attn_s8;
    return rc;
}

/* --- drift ----------------------------------------------------------------------------------- */

typedef struct drift {
    const oc_model *model[2]; // f32, quantized
    oc_bert *bert[2];         // owned
    float *logits[2];         // owned [max_B, K]
    int workers[2];
    oc_limits lim;
    oc_batcher batcher;            // owned
    double *sq, *sq_err, *max_err; // owned [L + 2]: embeddings, layers, logits
} drift;

#define DRIFT_BATCH 8

static void compare(drift *d, int32_t slot, const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double e = (double)a[i] - (double)b[i];
        d->sq[slot] += (double)a[i] * (double)a[i];
        d->sq_err[slot] += e * e;
        d->max_err[slot] = OC_MAX(d->max_err[slot], fabs(e));
    }
}

static oc_status drift_place(drift *d, const oc_encoded *e, oc_err *err)
{
    const oc_dims *dims = &d->model[0]->dims;
    size_t slots = (size_t)dims->L + 2, z = (size_t)DRIFT_BATCH * (size_t)dims->K;
    d->sq = oc_calloc(slots, sizeof(double));
    d->sq_err = oc_calloc(slots, sizeof(double));
    d->max_err = oc_calloc(slots, sizeof(double));
    d->lim = (oc_limits){.max_B = DRIFT_BATCH, .max_T = e->max_T, .keep_hidden = true};
    d->lim.max_N = DRIFT_BATCH * e->max_T;
    for (int i = 0; i < 2; i++) {
        d->logits[i] = oc_calloc(z, sizeof(float));
        if (!d->sq || !d->sq_err || !d->max_err || !d->logits[i])
            return OC_FAIL(err, OC_NOMEM, "out of memory for comparing layers");
    }
    return OC_OK;
}

static oc_status drift_batch(oc_job *job, drift *d, const oc_encoded *e, int64_t first, int64_t n,
                             oc_err *err)
{
    int64_t note[DRIFT_BATCH];
    const oc_dims *dims = &d->model[0]->dims;
    for (int64_t i = 0; i < n; i++)
        note[i] = first + i;
    OC_TRY(oc_batcher_fill(&d->batcher, e, note, n, err));
    const oc_batch *b = &d->batcher.batch;
    OC_TRY(oc_batch_check(b, dims, &d->lim, err));
    for (int i = 0; i < 2; i++) {
        OC_TRY(oc_bert_keep(job, d->model[i], &d->lim, &d->bert[i], &d->workers[i], err));
        oc_bert_forward(d->bert[i], b, NULL, d->logits[i]);
    }
    for (int32_t l = 0; l <= dims->L; l++)
        compare(d, l, oc_bert_hidden(d->bert[0], l), oc_bert_hidden(d->bert[1], l), b->N * dims->H);
    compare(d, dims->L + 1, d->logits[0], d->logits[1], n * dims->K);
    return OC_OK;
}

static oc_status drift_run(oc_job *job, drift *d, const oc_encoded *e, int64_t n_notes,
                           const char *name, oc_err *err)
{
    int64_t n = OC_MIN(n_notes, e->n);
    oc_meter meter;
    OC_TRY(drift_place(d, e, err));
    oc_meter_start(&meter, job, "compare layers", "notes", n);
    for (int64_t i = 0; i < n; i += DRIFT_BATCH) {
        OC_TRY(oc_job_poll(job, NULL, err));
        OC_TRY(drift_batch(job, d, e, i, OC_MIN(DRIFT_BATCH, n - i), err));
        oc_meter_at(&meter, OC_MIN(i + DRIFT_BATCH, n));
    }
    for (int32_t slot = 0; n > 0 && slot < d->model[0]->dims.L + 2; slot++) {
        oc_event ev;
        oc_event_init(&ev, OC_EV_drift_T);
        OC_EV_SET(ev.u.drift.model, name);
        ev.u.drift.layer = slot - 1;
        ev.u.drift.sqnr_db = sqnr_db(d->sq[slot], d->sq_err[slot]);
        ev.u.drift.max_err = d->max_err[slot];
        oc_job_emit(job, &ev);
    }
    return OC_OK;
}

oc_status oc_quantize_drift(oc_job *job, const oc_model *f32, const oc_model *q8,
                            const oc_encoded *e, int64_t n_notes, const char *name, oc_err *err)
{
    const oc_dims *a = &f32->dims, *b = &q8->dims;
    if (a->L != b->L || a->H != b->H || a->K != b->K || a->V != b->V)
        return OC_FAIL(
            err, OC_SHAPE,
            "%s: layers of networks of different shapes cannot be compared (L%d H%d V%d K%d "
            "and L%d H%d V%d K%d)",
            name, a->L, a->H, a->V, a->K, b->L, b->H, b->V, b->K);
    drift d = {.model = {f32, q8}};
    oc_status rc = drift_run(job, &d, e, n_notes, name, err);
    for (int i = 0; i < 2; i++) {
        oc_bert_free(d.bert[i]);
        oc_free(d.logits[i]);
    }
    oc_batcher_release(&d.batcher);
    oc_free(d.sq);
    oc_free(d.sq_err);
    oc_free(d.max_err);
    return rc;
}
