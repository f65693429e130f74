#include "core/measure/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/measure/latency.h"
#include "core/measure/rank.h"

#define MAX_COUNT_BYTES ((int64_t)64 << 20) /* of resample counts held at once */
#define MAX_BOOT        1000000

/* One area under a curve: class `pos` against class `neg`, or against all others (-1). */
typedef struct unit {
    int64_t pos, neg;
} unit;

typedef struct scorer {
    const oc_dataset *d;
    const float *probs;
    int64_t first, n_units; /* one column per unit, from `first`; or pairs of classes */
    bool pairs;
    oc_ranked *r; /* owned [2n]: the rows of a unit, and scratch to sort them */
} scorer;

static bool is_positive(const oc_dataset *d, int64_t row, int64_t k)
{
    return d->kind == OC_TASK_SINGLE ? d->label[row] == k : d->labels[row * d->K + k] != 0;
}

static unit unit_at(const scorer *s, int64_t i)
{
    if (!s->pairs)
        return (unit){s->first + i, -1};
    int64_t others = s->d->K - 1, neg = i % others;
    int64_t pos = i / others;
    return (unit){pos, neg < pos ? neg : neg + 1};
}

/* Sorted rows that take part in a unit; returns how many. */
static int64_t rank_unit(const scorer *s, unit u)
{
    const oc_dataset *d = s->d;
    int64_t n = 0;
    for (int64_t i = 0; i < d->n; i++) {
        bool pos = is_positive(d, i, u.pos);
        if (!pos && u.neg >= 0 && d->label[i] != u.neg)
            continue;
        s->r[n++] = (oc_ranked){s->probs[i * d->K + u.pos], (int32_t)i, pos};
    }
    oc_rank_sort(s->r, s->r + d->n, n);
    return n;
}

static void scorer_init(scorer *s, const oc_dataset *d, const float *probs, oc_auroc_kind kind)
{
    *s = (scorer){.d = d, .probs = probs, .n_units = d->K};
    if (d->kind == OC_TASK_SINGLE && d->K == 2) {
        s->first = 1;
        s->n_units = 1;
    } else if (d->kind == OC_TASK_SINGLE && kind == OC_AUROC_OVO) {
        s->pairs = true;
        s->n_units = d->K * (d->K - 1);
    }
}

/* --- one vector of scores ------------------------------------------------------------------ */

static oc_ranked *rank_scores(const float *score, const uint8_t *positive, int64_t n, oc_err *err)
{
    oc_ranked *r = oc_calloc((size_t)OC_MAX(n, 1), 2 * sizeof *r);
    if (!r) {
        (void)OC_FAIL(err, OC_NOMEM, "out of memory for %lld scores", (long long)n);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++) {
        if (isnan(score[i])) {
            (void)OC_FAIL(err, OC_NUMERIC, "score %lld is not a number", (long long)i);
            oc_free(r);
            return NULL;
        }
        r[i] = (oc_ranked){score[i], (int32_t)i, positive[i] != 0};
    }
    oc_rank_sort(r, r + n, n);
    return r;
}

double oc_auroc(const float *score, const uint8_t *positive, int64_t n, oc_err *err)
{
    oc_ranked *r = rank_scores(score, positive, n, err);
    double a = r ? oc_rank_auroc(r, n) : (double)NAN;
    oc_free(r);
    return a;
}

double oc_auprc(const float *score, const uint8_t *positive, int64_t n, oc_err *err)
{
    oc_ranked *r = rank_scores(score, positive, n, err);
    double a = r ? oc_rank_auprc(r, n) : (double)NAN;
    oc_free(r);
    return a;
}

/* --- accuracy and F1 ----------------------------------------------------------------------- */

static int64_t argmax(const float *p, int64_t K)
{
    int64_t best = 0;
    for (int64_t k = 1; k < K; k++)
        if (p[k] > p[best])
            best = k;
    return best;
}

typedef struct confusion {
    int64_t tp, fp, fn;
} confusion;

static double f1_of(confusion c)
{
    int64_t below = 2 * c.tp + c.fp + c.fn;
    return below ? 2.0 * (double)c.tp / (double)below : 0.0;
}

/* Returns the rows that are right as a whole. */
static int64_t count_single(const oc_dataset *d, const float *probs, confusion *c)
{
    int64_t right = 0;
    for (int64_t i = 0; i < d->n; i++) {
        int64_t said = argmax(probs + i * d->K, d->K), is = d->label[i];
        if (said == is) {
            c[is].tp++;
            right++;
        } else {
            c[said].fp++;
            c[is].fn++;
        }
    }
    return right;
}

static int64_t count_multi(const oc_dataset *d, const float *probs, confusion *c)
{
    int64_t right = 0;
    for (int64_t i = 0; i < d->n; i++) {
        bool same = true;
        for (int64_t k = 0; k < d->K; k++) {
            bool said = probs[i * d->K + k] >= 0.5f, is = d->labels[i * d->K + k] != 0;
            c[k].tp += said && is;
            c[k].fp += said && !is;
            c[k].fn += !said && is;
            same = same && said == is;
        }
        right += same;
    }
    return right;
}

/*
 * Single: mean over classes that are true or said somewhere. Multi: over all labels, 0 for one that
 * is neither, as scikit-learn has it.
 */
static oc_status hard_metrics(const oc_dataset *d, const float *probs, oc_metrics *m, oc_err *err)
{
    confusion *c = oc_calloc((size_t)d->K, sizeof *c);
    if (!c)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %lld classes", (long long)d->K);
    bool single = d->kind == OC_TASK_SINGLE;
    int64_t right = single ? count_single(d, probs, c) : count_multi(d, probs, c);
    confusion all = {0};
    double sum = 0;
    int64_t n = 0;
    for (int64_t k = 0; k < d->K; k++) {
        sum += f1_of(c[k]);
        n += !single || c[k].tp || c[k].fp || c[k].fn;
        all = (confusion){all.tp + c[k].tp, all.fp + c[k].fp, all.fn + c[k].fn};
    }
    oc_free(c);
    m->accuracy = (double)right / (double)d->n;
    m->f1_macro = sum / (double)n;
    m->f1_micro = f1_of(all);
    return OC_OK;
}

/* --- areas under curves -------------------------------------------------------------------- */

typedef struct mean {
    double sum;
    int64_t n;
} mean;

static void mean_add(mean *m, double x)
{
    if (isnan(x))
        return;
    m->sum += x;
    m->n++;
}

static double mean_take(const mean *m)
{
    return m->n ? m->sum / (double)m->n : (double)NAN;
}

/* Classes that were scored, when n ordered pairs of them were. */
static int64_t classes_of_pairs(int64_t n)
{
    int64_t c = 0;
    while (c * (c - 1) < n)
        c++;
    return c;
}

/* AUPRC is always a class against all others, so one sorted order serves both unless in pairs. */
static void point_metrics(const scorer *s, oc_metrics *m)
{
    mean auroc = {0}, auprc = {0};
    for (int64_t i = 0; i < s->n_units; i++) {
        int64_t rows = rank_unit(s, unit_at(s, i));
        mean_add(&auroc, oc_rank_auroc(s->r, rows));
        if (!s->pairs)
            mean_add(&auprc, oc_rank_auprc(s->r, rows));
    }
    for (int64_t k = 0; s->pairs && k < s->d->K; k++)
        mean_add(&auprc, oc_rank_auprc(s->r, rank_unit(s, (unit){k, -1})));
    m->auroc_macro = mean_take(&auroc);
    m->auprc_macro = mean_take(&auprc);
    m->n_scored_labels = s->pairs ? classes_of_pairs(auroc.n) : auroc.n;
}

/* Sums of unit areas per resample of a group; a unit without both classes is left out there. */
static void boot_group(const scorer *s, const oc_resamples *rs, double *sum, int32_t *n)
{
    for (int64_t i = 0; i < s->n_units; i++) {
        int64_t rows = rank_unit(s, unit_at(s, i));
        if (isnan(oc_rank_auroc(s->r, rows)))
            continue;
        for (int64_t b = 0; b < rs->blocks; b++) {
            double a[OC_LANES];
            oc_rank_auroc_block(s->r, rows, rs, b, a);
            for (int l = 0; l < OC_LANES; l++) {
                if (isnan(a[l]))
                    continue;
                sum[b * OC_LANES + l] += a[l];
                n[b * OC_LANES + l]++;
            }
        }
    }
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Percentile interval of the macro AUROC over resamples in which any unit could be scored. */
static void interval(double *sum, const int32_t *n, int64_t n_boot, oc_metrics *m)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n_boot; i++)
        if (n[i])
            sum[kept++] = sum[i] / n[i];
    if (!kept)
        return;
    qsort(sum, (size_t)kept, sizeof *sum, by_double);
    m->auroc_lo = oc_quantile_sorted(sum, kept, 0.025);
    m->auroc_hi = oc_quantile_sorted(sum, kept, 0.975);
}

/*
 * The rows of a unit are sorted once for all resamples; each resample is only a weight per row.
 * Weights of many rows would not fit at once, so they are made in groups of blocks.
 */
static oc_status bootstrap(const scorer *s, int64_t n_boot, uint64_t seed, oc_metrics *m,
                           oc_err *err)
{
    int64_t blocks = (n_boot + OC_LANES - 1) / OC_LANES;
    int64_t group = OC_MAX(1, MAX_COUNT_BYTES / (s->d->n * OC_LANES));
    double *sum = oc_calloc((size_t)blocks * OC_LANES, sizeof *sum);
    int32_t *n = oc_calloc((size_t)blocks * OC_LANES, sizeof *n);
    oc_status st =
        sum && n ? OC_OK
                 : OC_FAIL(err, OC_NOMEM, "out of memory for %lld resamples", (long long)n_boot);
    for (int64_t b = 0; b < blocks && st == OC_OK; b += group) {
        oc_resamples rs = {0};
        st = oc_resamples_init(&rs, s->d->n, b * OC_LANES, OC_MIN(group, blocks - b), seed, err);
        if (st == OC_OK)
            boot_group(s, &rs, sum + b * OC_LANES, n + b * OC_LANES);
        oc_resamples_release(&rs);
    }
    if (st == OC_OK)
        interval(sum, n, n_boot, m);
    oc_free(sum);
    oc_free(n);
    return st;
}

static oc_status check_input(const oc_dataset *d, const float *probs, int64_t n_boot, oc_err *err)
{
    if (d->n < 1)
        return OC_FAIL(err, OC_RANGE, "no rows to measure on");
    if (d->n > INT32_MAX / 2)
        return OC_FAIL(err, OC_RANGE, "%lld rows are too many to measure on", (long long)d->n);
    if (d->K < 1)
        return OC_FAIL(err, OC_RANGE, "no labels to measure");
    if (n_boot > MAX_BOOT)
        return OC_FAIL(err, OC_RANGE, "%lld resamples, at most %d", (long long)n_boot, MAX_BOOT);
    for (int64_t i = 0; i < d->n; i++) {
        if (d->kind == OC_TASK_SINGLE && (d->label[i] < 0 || d->label[i] >= d->K))
            return OC_FAIL(err, OC_STATE, "row %lld has no label to compare with",
                           (long long)i + 1);
        for (int64_t k = 0; k < d->K; k++)
            if (!isfinite(probs[i * d->K + k]))
                return OC_FAIL(err, OC_NUMERIC, "probability %lld of row %lld is not finite",
                               (long long)k, (long long)i + 1);
    }
    return OC_OK;
}

oc_status oc_metrics_compute(const oc_dataset *d, const float *probs, oc_auroc_kind kind,
                             int64_t n_boot, uint64_t seed, oc_metrics *out, oc_err *err)
{
    OC_TRY(check_input(d, probs, n_boot, err));
    oc_metrics m = {.n = d->n, .auroc_lo = (double)NAN, .auroc_hi = (double)NAN};
    OC_TRY(hard_metrics(d, probs, &m, err));
    scorer s;
    scorer_init(&s, d, probs, kind);
    s.r = oc_calloc((size_t)d->n, 2 * sizeof *s.r);
    if (!s.r)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %lld rows", (long long)d->n);
    point_metrics(&s, &m);
    oc_status st =
        n_boot > 0 && !isnan(m.auroc_macro) ? bootstrap(&s, n_boot, seed, &m, err) : OC_OK;
    oc_free(s.r);
    if (st == OC_OK)
        *out = m;
    return st;
}
