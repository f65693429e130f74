#include "core/compress/calibrate.h"

#include <math.h>

#include "core/base/alloc.h"

#define BINS 4096

typedef struct ranges {
    oc_input_range *r; /* [layout.n], caller's */
    int64_t *count;    /* owned [layout.n][BINS]; NULL while the extremes are sought */
    bool not_finite;   /* some input was */
} ranges;

static void see_extremes(void *ctx, int32_t i, const float *x, int64_t ld, int64_t n, int64_t I)
{
    ranges *s = ctx;
    oc_input_range r = s->r[i];
    float probe = 0; // NaN as soon as one input is not finite
    for (int64_t k = 0; k < n * I; k++) {
        float v = x[k / I * ld + k % I];
        r.lo = fminf(r.lo, v);
        r.hi = fmaxf(r.hi, v);
        probe += v * 0.0f;
    }
    s->r[i] = r;
    s->not_finite = s->not_finite || isnan(probe);
}

static void see_histogram(void *ctx, int32_t i, const float *x, int64_t ld, int64_t n, int64_t I)
{
    ranges *s = ctx;
    const oc_input_range r = s->r[i];
    float width = r.hi - r.lo;
    int64_t *count = s->count + (int64_t)i * BINS;
    for (int64_t k = 0; k < n * I && width > 0; k++)
        count[OC_MIN((int)((x[k / I * ld + k % I] - r.lo) / width * BINS), BINS - 1)]++;
}

/* Notes one by one: calibration sets are small, and no note's rows wait for another's. */
static oc_status run(oc_job *job, const oc_model *m, const oc_encoded *e, oc_bert *net,
                     const oc_limits *lim, const char *what, oc_err *err)
{
    oc_batcher b = {0};
    oc_meter meter;
    oc_status rc = OC_OK;
    float *logits = oc_calloc((size_t)m->dims.K, sizeof *logits);
    if (!logits)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_meter_start(&meter, job, what, "notes", e->n);
    for (int64_t i = 0; i < e->n && rc == OC_OK; i++) {
        rc = oc_job_poll(job, NULL, err);
        if (rc == OC_OK)
            rc = oc_batcher_fill(&b, e, &i, 1, err);
        if (rc == OC_OK)
            rc = oc_batch_check(&b.batch, &m->dims, lim, err);
        if (rc == OC_OK)
            oc_bert_forward(net, &b.batch, NULL, logits);
        oc_meter_at(&meter, i + 1);
    }
    oc_batcher_release(&b);
    oc_free(logits);
    return rc;
}

/* Shrink r to what lies between the percentiles, in whole bins. */
static oc_input_range cut(oc_input_range r, const int64_t *count, double percentile)
{
    int64_t total = 0, below = 0, above = 0;
    int lo = 0, hi = BINS - 1;
    for (int k = 0; k < BINS; k++)
        total += count[k];
    double out = (double)total * (100.0 - percentile) / 100.0; // may be left out at each end
    while (lo < hi && (double)(below + count[lo]) <= out)
        below += count[lo++];
    while (hi > lo && (double)(above + count[hi]) <= out)
        above += count[hi--];
    float bin = (r.hi - r.lo) / BINS;
    return (oc_input_range){r.lo + bin * (float)lo, r.lo + bin * (float)(hi + 1)};
}

oc_status oc_calibrate(oc_job *job, const oc_model *m, const oc_encoded *e,
                       const oc_calibrate_opts *o, oc_input_range *range, oc_err *err)
{
    ranges s = {.r = range};
    oc_limits lim = {.max_B = 1, .max_N = e->max_T, .max_T = e->max_T};
    oc_bert *net = NULL;
    int workers = 0;
    if (e->n == 0)
        return OC_FAIL(err, OC_RANGE, "there are no notes to measure ranges on");
    for (int32_t i = 0; i < m->layout.n; i++)
        range[i] = (oc_input_range){0, 0};
    OC_TRY(oc_bert_keep(job, m, &lim, &net, &workers, err));
    oc_bert_observe(net, see_extremes, &s);
    oc_status rc = run(job, m, e, net, &lim, "ranges", err);
    if (rc == OC_OK && s.not_finite)
        rc = OC_FAIL(err, OC_NUMERIC, "the network computes numbers that are not finite");
    if (rc == OC_OK && o->by_percentile) {
        s.count = oc_calloc((size_t)m->layout.n * BINS, sizeof *s.count);
        rc = s.count ? OC_OK : OC_FAIL(err, OC_NOMEM, "out of memory for histograms");
        oc_bert_observe(net, see_histogram, &s);
        if (rc == OC_OK)
            rc = run(job, m, e, net, &lim, "histograms", err);
        for (int32_t i = 0; i < m->layout.n && rc == OC_OK; i++)
            if (oc_kind_is_matrix(m->layout.param[i].kind))
                range[i] = cut(range[i], s.count + (int64_t)i * BINS, o->percentile);
        oc_free(s.count);
    }
    oc_bert_free(net);
    return rc;
}
