/* core/measure/metrics: against pairs counted one by one, worked cases and scikit-learn's results. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/measure/latency.h"
#include "core/measure/metrics.h"

#define NEAR 1e-9

static void assert_near(double got, double want, double tolerance)
{
    if (isnan(want) ? !isnan(got) : !(fabs(got - want) <= tolerance))
        fail_msg("%.12g is not %.12g", got, want);
}

static oc_dataset single(int64_t K, int64_t n, const int32_t *label)
{
    oc_dataset d = {.K = K, .kind = OC_TASK_SINGLE};
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(oc_dataset_add(&d, "i", "t", &label[i], 1, NULL), OC_OK);
    return d;
}

static oc_dataset multi(int64_t K, int64_t n, const uint8_t *labels)
{
    oc_dataset d = {.K = K, .kind = OC_TASK_MULTI};
    for (int64_t i = 0; i < n; i++) {
        int32_t c[16];
        int64_t m = 0;
        for (int64_t k = 0; k < K; k++)
            if (labels[i * K + k])
                c[m++] = (int32_t)k;
        assert_int_equal(oc_dataset_add(&d, "i", "t", c, m, NULL), OC_OK);
    }
    return d;
}

static oc_metrics compute(const oc_dataset *d, const float *probs, oc_auroc_kind kind)
{
    oc_metrics m = {0};
    oc_err e = {0};
    if (oc_metrics_compute(d, probs, kind, 0, 0, &m, &e) != OC_OK)
        fail_msg("%s", e.msg);
    return m;
}

/* --- one vector of scores ------------------------------------------------------------------ */

/* Every pair of a positive and a negative, ties half. */
static double pairs_auroc(const float *s, const uint8_t *y, const int32_t *weight, int64_t n)
{
    double right = 0, all = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            if (!y[i] || y[j])
                continue;
            double w = weight ? (double)weight[i] * weight[j] : 1;
            right += w * (s[i] > s[j] ? 1 : s[i] == s[j] ? 0.5 : 0);
            all += w;
        }
    return all > 0 ? right / all : (double)NAN;
}

static void auroc_of_known_cases(void **state)
{
    (void)state;
    // scikit-learn: roc_auc_score([0,0,1,1], [.1,.4,.35,.8]) = 0.75, average_precision_score = 0.8333
    const float s[] = {0.1f, 0.4f, 0.35f, 0.8f};
    const uint8_t y[] = {0, 0, 1, 1};
    assert_near(oc_auroc(s, y, 4, NULL), 0.75, NEAR);
    assert_near(oc_auprc(s, y, 4, NULL), 5.0 / 6, NEAR);
    const float same[] = {0.5f, 0.5f, 0.5f, 0.5f};
    assert_near(oc_auroc(same, y, 4, NULL), 0.5, NEAR);
    assert_near(oc_auprc(same, y, 4, NULL), 0.5, NEAR); // precision at the one threshold
    const uint8_t none[] = {0, 0, 0, 0}, all[] = {1, 1, 1, 1};
    assert_near(oc_auroc(s, none, 4, NULL), (double)NAN, 0);
    assert_near(oc_auroc(s, all, 4, NULL), (double)NAN, 0);
    assert_near(oc_auprc(s, none, 4, NULL), (double)NAN, 0);
    assert_near(oc_auprc(s, all, 4, NULL), 1, NEAR);
    assert_near(oc_auroc(s, y, 0, NULL), (double)NAN, 0);
    // ties across classes: thresholds .8 (1 of 1), .4 (2 of 4): (1*1 + 1*.5) / 2
    const float tied[] = {0.4f, 0.4f, 0.4f, 0.8f};
    assert_near(oc_auroc(tied, y, 4, NULL), 0.75, NEAR);
    assert_near(oc_auprc(tied, y, 4, NULL), 0.75, NEAR);
    const float huge[] = {-INFINITY, 0, 0, INFINITY};
    assert_near(oc_auroc(huge, y, 4, NULL), 0.875, NEAR);
    const float bad[] = {0.1f, NAN, 0.2f, 0.3f};
    oc_err e = {0};
    assert_true(isnan(oc_auroc(bad, y, 4, &e)));
    assert_int_equal(e.status, OC_NUMERIC);
}

static void auroc_equals_counted_pairs(void **state)
{
    (void)state;
    oc_rng r;
    oc_rng_init(&r, 5, 0);
    for (int trial = 0; trial < 200; trial++) {
        float s[64];
        uint8_t y[64];
        int64_t n = 1 + (int64_t)oc_rng_below(&r, 64);
        for (int64_t i = 0; i < n; i++) {
            s[i] = (float)oc_rng_below(&r, trial % 3 ? 1000 : 5) / 7.0f;
            y[i] = (uint8_t)oc_rng_below(&r, 2);
        }
        assert_near(oc_auroc(s, y, n, NULL), pairs_auroc(s, y, NULL, n), NEAR);
    }
}

/* --- data sets ----------------------------------------------------------------------------- */

static void binary(void **state)
{
    (void)state;
    const int32_t y[] = {0, 0, 1, 1};
    const float p[] = {0.9f, 0.1f, 0.6f, 0.4f, 0.65f, 0.35f, 0.2f, 0.8f};
    oc_dataset d = single(2, 4, y);
    for (int kind = 0; kind < 2; kind++) {
        oc_metrics m = compute(&d, p, (oc_auroc_kind)kind);
        assert_int_equal(m.n, 4);
        assert_near(m.accuracy, 0.75, NEAR);
        assert_near(m.auroc_macro, 0.75, NEAR);
        assert_near(m.auprc_macro, 5.0 / 6, NEAR);
        assert_near(m.f1_macro, (0.8 + 2.0 / 3) / 2, NEAR);
        assert_near(m.f1_micro, 0.75, NEAR);
        assert_int_equal(m.n_scored_labels, 1);
        assert_true(isnan(m.auroc_lo) && isnan(m.auroc_hi));
    }
    oc_dataset_release(&d);
}

static void f1_of_known_case(void **state)
{
    (void)state;
    // scikit-learn: f1_score([0,1,2,0,1,2], [0,2,1,0,0,1]): macro 0.2667, micro 0.3333
    const int32_t y[] = {0, 1, 2, 0, 1, 2}, said[] = {0, 2, 1, 0, 0, 1};
    float p[18];
    for (int i = 0; i < 18; i++)
        p[i] = i % 3 == said[i / 3] ? 0.8f : 0.1f;
    oc_dataset d = single(3, 6, y);
    oc_metrics m = compute(&d, p, OC_AUROC_OVR);
    assert_near(m.f1_macro, 0.8 / 3, NEAR);
    assert_near(m.f1_micro, 1.0 / 3, NEAR);
    assert_near(m.accuracy, 1.0 / 3, NEAR);
    oc_dataset_release(&d);
    // a fourth class that nobody has and nobody says does not count
    float q[24];
    for (int i = 0; i < 24; i++)
        q[i] = i % 4 == said[i / 4] ? 0.8f : 0.1f;
    d = single(4, 6, y);
    m = compute(&d, q, OC_AUROC_OVR);
    assert_near(m.f1_macro, 0.8 / 3, NEAR);
    assert_int_equal(m.n_scored_labels, 3);
    q[3] = 0.9f; // said once, never true: F1 0 enters the mean; class 0 drops from .8 to 2/4
    m = compute(&d, q, OC_AUROC_OVR);
    assert_near(m.f1_macro, 0.5 / 4, NEAR);
    oc_dataset_release(&d);
}

/* Six rows, three classes, worked by hand. */
static void three_classes(void **state)
{
    (void)state;
    const int32_t y[] = {0, 0, 1, 1, 2, 2};
    const float p[] = {0.6f, 0.3f, 0.1f, 0.3f, 0.5f, 0.2f, 0.4f, 0.4f, 0.2f,
                       0.2f, 0.7f, 0.1f, 0.1f, 0.1f, 0.8f, 0.5f, 0.3f, 0.2f};
    oc_dataset d = single(3, 6, y);
    oc_metrics m = compute(&d, p, OC_AUROC_OVR);
    // class 0: .6 beats 4 of 4, .3 beats .2 and .1: 6/8. class 1: .4 beats .3 .1 .3, .7 all: 7/8.
    // class 2: .8 beats 4, .2 beats .1 .1 and ties twice: 4 + 3 of 8.
    assert_near(m.auroc_macro, (6.0 / 8 + 7.0 / 8 + 7.0 / 8) / 3, NEAR);
    assert_int_equal(m.n_scored_labels, 3);
    m = compute(&d, p, OC_AUROC_OVO);
    // 0|1: 3/4, 1|0: 3/4; 0|2: .6 beats both, .3 one: 3/4, 2|0: .8 both, .2 beats .1, ties .2: 3.5/4;
    // 1|2: .4 beats both, .7 both: 1, 2|1: .8 both, .2 ties one, beats one: 3.5/4
    assert_near(m.auroc_macro, ((0.75 + 0.75) / 2 + (0.75 + 0.875) / 2 + (1 + 0.875) / 2) / 3,
                NEAR);
    assert_int_equal(m.n_scored_labels, 3);
    oc_dataset_release(&d);
    // only two of the three classes are there: what is left is scored
    d = single(3, 4, y);
    m = compute(&d, p, OC_AUROC_OVO);
    assert_near(m.auroc_macro, 0.75, NEAR);
    assert_int_equal(m.n_scored_labels, 2);
    oc_dataset_release(&d);
    d = single(3, 2, y);
    m = compute(&d, p, OC_AUROC_OVO);
    assert_near(m.auroc_macro, (double)NAN, 0);
    m = compute(&d, p, OC_AUROC_OVR);
    assert_near(m.auroc_macro, (double)NAN, 0);
    assert_int_equal(m.n_scored_labels, 0);
    oc_dataset_release(&d);
}

static void argmax_takes_the_first(void **state)
{
    (void)state;
    const int32_t y[] = {0, 1};
    const float p[] = {0.5f, 0.5f, 0.5f, 0.5f};
    oc_dataset d = single(2, 2, y);
    assert_near(compute(&d, p, OC_AUROC_OVR).accuracy, 0.5, NEAR);
    oc_dataset_release(&d);
}

static void multi_label(void **state)
{
    (void)state;
    // label 2 nobody has, label 3 everybody has: neither enters the AUROC
    const uint8_t y[] = {1, 0, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1};
    const float p[] = {0.9f, 0.2f, 0.1f, 0.5f, 0.3f, 0.8f, 0.2f, 0.9f,
                       0.4f, 0.6f, 0.7f, 0.9f, 0.6f, 0.7f, 0.1f, 0.4f};
    oc_dataset d = multi(4, 4, y);
    oc_metrics m = compute(&d, p, OC_AUROC_OVO);
    // label 0: positives .9 .4, negatives .3 .6: 3/4. label 1: positives .8 .6, negatives .2 .7: 3/4
    assert_near(m.auroc_macro, 0.75, NEAR);
    assert_int_equal(m.n_scored_labels, 2);
    // AP: label 0: 1, then 2/3; label 1: 1, then 2/3; label 3: 1; label 2 has no positive
    assert_near(m.auprc_macro, (5.0 / 6 + 5.0 / 6 + 1) / 3, NEAR);
    // at 0.5: label 0 tp 1 fp 1 fn 1; label 1 tp 2 fp 1; label 2 fp 1; label 3 tp 3 fn 1
    assert_near(m.f1_macro, (0.5 + 0.8 + 0 + 6.0 / 7) / 4, NEAR);
    assert_near(m.f1_micro, 12.0 / (12 + 3 + 2), NEAR);
    assert_near(m.accuracy, 0.5, NEAR); // the first two rows, 0.5 itself counts as yes
    oc_dataset_release(&d);
}

static void refuses_what_it_cannot_measure(void **state)
{
    (void)state;
    const int32_t y[] = {0, 1};
    float p[] = {0.5f, NAN, 0.5f, 0.5f};
    oc_dataset d = single(2, 2, y);
    oc_metrics m;
    oc_err e = {0};
    assert_int_equal(oc_metrics_compute(&d, p, OC_AUROC_OVR, 0, 0, &m, &e), OC_NUMERIC);
    assert_non_null(strstr(e.msg, "row 1"));
    p[1] = 0.5f;
    d.label[1] = -1;
    e = (oc_err){0};
    assert_int_equal(oc_metrics_compute(&d, p, OC_AUROC_OVR, 0, 0, &m, &e), OC_STATE);
    assert_non_null(strstr(e.msg, "row 2"));
    oc_dataset_release(&d);
    d = (oc_dataset){.K = 2};
    assert_int_equal(oc_metrics_compute(&d, p, OC_AUROC_OVR, 0, 0, &m, NULL), OC_RANGE);
}

/* --- bootstrap ----------------------------------------------------------------------------- */

static oc_dataset noisy(int64_t n, int64_t K, float *probs, double signal)
{
    oc_rng r;
    oc_rng_init(&r, 11, 0);
    oc_dataset d = {.K = K, .kind = OC_TASK_SINGLE};
    for (int64_t i = 0; i < n; i++) {
        int32_t c = (int32_t)oc_rng_below(&r, (uint64_t)K);
        assert_int_equal(oc_dataset_add(&d, "", "", &c, 1, NULL), OC_OK);
        for (int64_t k = 0; k < K; k++)
            probs[i * K + k] = (float)(oc_rng_normal(&r) + (k == c ? signal : 0));
    }
    return d;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The same resamples, but each scored by counting its weighted pairs. */
static void interval_equals_the_slow_one(void **state)
{
    (void)state;
    enum { N = 40, BOOT = 100 };
    float p[N * 2];
    oc_dataset d = noisy(N, 2, p, 1.0);
    for (int i = 0; i < N; i++)
        p[i * 2 + 1] = roundf(p[i * 2 + 1] * 4) / 4; // some ties
    oc_metrics m;
    assert_int_equal(oc_metrics_compute(&d, p, OC_AUROC_OVR, BOOT, 9, &m, NULL), OC_OK);
    double a[BOOT];
    for (int b = 0; b < BOOT; b++) {
        int32_t w[N] = {0};
        float s[N];
        uint8_t y[N];
        oc_rng r;
        oc_rng_init(&r, 9, (uint64_t)b);
        for (int i = 0; i < N; i++)
            w[oc_rng_below(&r, N)]++;
        for (int i = 0; i < N; i++) {
            s[i] = p[i * 2 + 1];
            y[i] = d.label[i] == 1;
        }
        a[b] = pairs_auroc(s, y, w, N);
    }
    qsort(a, BOOT, sizeof *a, by_double);
    assert_near(m.auroc_lo, a[2] + 0.475 * (a[3] - a[2]), 1e-7);
    assert_near(m.auroc_hi, a[96] + 0.525 * (a[97] - a[96]), 1e-7);
    assert_true(m.auroc_lo < m.auroc_macro && m.auroc_macro < m.auroc_hi);
    oc_dataset_release(&d);
}

static void interval_is_deterministic_and_about_right(void **state)
{
    (void)state;
    enum { N = 2000 };
    float *p = oc_calloc(N * 4, sizeof *p);
    oc_dataset d = noisy(N, 4, p, 1.0);
    for (int kind = 0; kind < 2; kind++) {
        oc_metrics a, b, c;
        assert_int_equal(oc_metrics_compute(&d, p, (oc_auroc_kind)kind, 500, 1, &a, NULL), OC_OK);
        assert_int_equal(oc_metrics_compute(&d, p, (oc_auroc_kind)kind, 500, 1, &b, NULL), OC_OK);
        assert_int_equal(oc_metrics_compute(&d, p, (oc_auroc_kind)kind, 500, 2, &c, NULL), OC_OK);
        assert_memory_equal(&a.auroc_lo, &b.auroc_lo, sizeof a.auroc_lo);
        assert_memory_equal(&a.auroc_hi, &b.auroc_hi, sizeof a.auroc_hi);
        assert_true(a.auroc_lo != c.auroc_lo);
        // one class of 500 against 1500 has a standard error of about 0.013; four of them, 0.007
        assert_in_range((int64_t)(1e4 * (a.auroc_hi - a.auroc_lo)), 120, 450);
        assert_near(a.auroc_macro, 0.76, 0.03); // P(N(1,1) > N(0,1))
        assert_true(a.auroc_lo < a.auroc_macro && a.auroc_macro < a.auroc_hi);
    }
    oc_dataset_release(&d);
    oc_free(p);
}

/* With three positives many resamples lose them all: those are left out, not counted as NaN. */
static void rare_classes_in_resamples(void **state)
{
    (void)state;
    uint8_t y[200] = {0};
    float p[200];
    y[2] = y[50] = 1; // label 0: two of 100 rows; label 1: one
    y[7] = 1;
    for (int i = 0; i < 200; i++)
        p[i] = (float)(i * 37 % 101) / 101.0f;
    oc_dataset d = multi(2, 100, y);
    oc_metrics m;
    assert_int_equal(oc_metrics_compute(&d, p, OC_AUROC_OVR, 300, 3, &m, NULL), OC_OK);
    assert_false(isnan(m.auroc_lo) || isnan(m.auroc_hi));
    assert_true(m.auroc_lo >= 0 && m.auroc_lo <= m.auroc_macro && m.auroc_macro <= m.auroc_hi &&
                m.auroc_hi <= 1);
    assert_int_equal(m.n_scored_labels, 2);
    oc_dataset_release(&d);
    const int32_t one[] = {1, 1, 1};
    d = single(2, 3, one);
    assert_int_equal(oc_metrics_compute(&d, p, OC_AUROC_OVR, 50, 3, &m, NULL), OC_OK);
    assert_true(isnan(m.auroc_macro) && isnan(m.auroc_lo));
    oc_dataset_release(&d);
}

static void interval_of_many_rows_is_quick(void **state)
{
    (void)state;
    enum { N = 10000 };
    float *p = oc_calloc(N * 4, sizeof *p);
    oc_dataset d = noisy(N, 4, p, 0.7);
    oc_metrics m;
    int64_t from = oc_now_ns();
    assert_int_equal(oc_metrics_compute(&d, p, OC_AUROC_OVO, 1000, 1, &m, NULL), OC_OK);
    double s = (double)(oc_now_ns() - from) * 1e-9;
    print_message("10,000 rows, 4 classes one-vs-one, 1,000 resamples: %.2f s\n", s);
    assert_true(s < 20); // about 0.3 s; the bound only catches another order of growth
    assert_true(m.auroc_hi - m.auroc_lo < 0.02);
    oc_dataset_release(&d);
    oc_free(p);
}

static void quantiles(void **state)
{
    (void)state;
    double x[] = {4, 1, 3, 2};
    assert_near(oc_median(x, 4), 2.5, 0);
    assert_near(x[0], 1, 0);
    assert_near(oc_quantile_sorted(x, 4, 0), 1, 0);
    assert_near(oc_quantile_sorted(x, 4, 1), 4, 0);
    assert_near(oc_quantile_sorted(x, 4, 0.95), 3.85, 1e-12); // numpy.quantile
    assert_near(oc_median(x, 3), 2, 0);
    assert_near(oc_median(x, 1), 1, 0);
    assert_near(oc_median(x, 0), (double)NAN, 0);
}

/* --- baselines ----------------------------------------------------------------------------- */

static void put(oc_dataset *d, const char *text, int32_t c)
{
    assert_int_equal(oc_dataset_add(d, "", text, &c, c >= 0, NULL), OC_OK);
}

static void naive_bayes_by_hand(void **state)
{
    (void)state;
    oc_dataset train = {.K = 2}, test = {.K = 2};
    put(&train, "Fever FEVER, cough", 0);
    put(&train, "cough. The and of", 0);
    put(&train, "pain", 1);
    // words: fever cough pain (function words are none). class 0: 2/3, fever (2+1)/(4+3) cough 3/7 pain 1/7;
    // class 1: 1/3, pain 2/4, others 1/4
    put(&test, "pain", 1);             // 2/3 * 1/7 = .095 < 1/3 * 1/2
    put(&test, "cough unseen", 0);     // 2/3 * 3/7 > 1/3 * 1/4
    put(&test, "pain cough", 1);       // 2/3 * 1/7 * 3/7 = .0408 < 1/3 * 1/2 * 1/4 = .0417
    put(&test, "pain cough fever", 0); // now class 0
    put(&test, "the of", 0);           // the prior alone
    oc_metrics m;
    assert_int_equal(oc_baseline_naive_bayes(&train, &test, OC_AUROC_OVR, &m, NULL), OC_OK);
    assert_near(m.accuracy, 1, 0);
    assert_near(m.auroc_macro, 1, 0);
    assert_int_equal(oc_baseline_majority(&train, &test, OC_AUROC_OVR, &m, NULL), OC_OK);
    assert_near(m.accuracy, 0.6, NEAR);
    assert_near(m.auroc_macro, 0.5, 0);
    oc_dataset other = {.K = 3};
    assert_int_equal(oc_baseline_naive_bayes(&other, &test, OC_AUROC_OVR, &m, NULL), OC_SHAPE);
    oc_dataset empty = {.K = 2};
    assert_int_equal(oc_baseline_majority(&empty, &test, OC_AUROC_OVR, &m, NULL), OC_RANGE);
    oc_dataset_release(&train);
    oc_dataset_release(&test);
}

/* Notes of thousands of words drive posteriors to 0 and 1; their order must survive. */
static void naive_bayes_keeps_ranks_of_long_notes(void **state)
{
    (void)state;
    oc_dataset train = {.K = 3}, test = {.K = 3};
    put(&train, "a1 a1 a1 b1", 0);
    put(&train, "b1 b1 b1 a1", 1);
    put(&train, "c1 c1 c1", 2);
    for (int i = 0; i < 40; i++) {
        oc_buf b = {0};
        int a = i < 20 ? 2200 + 10 * i : 1800 - 10 * i;
        for (int k = 0; k < 4000; k++)
            oc_buf_str(&b, k < a ? "a1 " : "b1 ");
        put(&test, b.data, i < 20 ? 0 : 1);
        oc_buf_release(&b);
    }
    // one note that says class 0 only just less than the weakest of class 0, and is of class 1
    oc_buf b = {0};
    for (int k = 0; k < 4000; k++)
        oc_buf_str(&b, k < 2195 ? "a1 " : "b1 ");
    put(&test, b.data, 1);
    oc_buf_release(&b);
    oc_metrics m;
    assert_int_equal(oc_baseline_naive_bayes(&train, &test, OC_AUROC_OVO, &m, NULL), OC_OK);
    assert_near(m.auroc_macro, 1, 0);
    assert_near(m.accuracy, 40.0 / 41, NEAR);
    oc_dataset_release(&train);
    oc_dataset_release(&test);
}

static void naive_bayes_for_labels(void **state)
{
    (void)state;
    oc_dataset train = {.K = 3, .kind = OC_TASK_MULTI}, test = {.K = 3, .kind = OC_TASK_MULTI};
    const int32_t a[] = {0}, b[] = {1}, ab[] = {0, 1};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(oc_dataset_add(&train, "", "fever cough", a, 1, NULL), OC_OK);
        assert_int_equal(oc_dataset_add(&train, "", "pain swelling", b, 1, NULL), OC_OK);
        assert_int_equal(oc_dataset_add(&train, "", "fever pain cough swelling", ab, 2, NULL),
                         OC_OK);
        assert_int_equal(oc_dataset_add(&train, "", "rash", NULL, 0, NULL), OC_OK);
    }
    assert_int_equal(oc_dataset_add(&test, "", "cough fever rash", a, 1, NULL), OC_OK);
    assert_int_equal(oc_dataset_add(&test, "", "swelling pain", b, 1, NULL), OC_OK);
    assert_int_equal(oc_dataset_add(&test, "", "rash rash", NULL, 0, NULL), OC_OK);
    oc_metrics m;
    assert_int_equal(oc_baseline_naive_bayes(&train, &test, OC_AUROC_OVR, &m, NULL), OC_OK);
    assert_near(m.auroc_macro, 1, 0);
    assert_int_equal(m.n_scored_labels, 2);
    assert_near(m.accuracy, 1, 0);
    assert_int_equal(oc_baseline_majority(&train, &test, OC_AUROC_OVR, &m, NULL), OC_OK);
    assert_near(m.auroc_macro, 0.5, 0);
    oc_dataset_release(&train);
    oc_dataset_release(&test);
}

static void memory_running_out(void **state)
{
    (void)state;
    float p[60];
    oc_dataset d = noisy(20, 3, p, 1), t = {.K = 3};
    for (int i = 0; i < 6; i++)
        put(&t, i % 2 ? "fever and cough" : "pain 7 of 10", i % 3);
    for (int what = 0; what < 3; what++) {
        int at = 1;
        for (;; at++) {
            oc_metrics m;
            oc_err e = {0};
            oc_alloc_fail_at(at);
            oc_status st = what == 0   ? oc_metrics_compute(&d, p, OC_AUROC_OVO, 40, 1, &m, &e)
                           : what == 1 ? oc_baseline_naive_bayes(&t, &t, OC_AUROC_OVR, &m, &e)
                                       : oc_baseline_majority(&t, &t, OC_AUROC_OVR, &m, &e);
            oc_alloc_fail_at(0);
            if (st == OC_OK)
                break;
            assert_int_equal(st, OC_NOMEM);
            assert_int_equal(e.status, OC_NOMEM);
        }
        assert_true(at > 4);
    }
    oc_dataset_release(&d);
    oc_dataset_release(&t);
}

static void levels_of_published_tables(void **state)
{
    (void)state;
    const char *base = getenv("OC_SHARED_DATA");
    base = base ? base : "../shared/data";
    if (!oc_path_is_dir(base)) {
        print_message("skipped: %s is not there\n", base);
        skip();
    }
    char where[OC_PATH_MAX];
    oc_task t = {.kind = OC_TASK_SINGLE, .text_column = "text", .label_column = "label"};
    oc_data d;
    oc_metrics m;
    snprintf(where, sizeof where, "%s/mtsamples", base);
    oc_data_source src = {.dir = where,
                          .file = "mtsamples_12_single_label.csv",
                          .split_column = "split",
                          .need_labels = true};
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_int_equal(oc_baseline_naive_bayes(&d.split[0], &d.split[2], OC_AUROC_OVR, &m, NULL),
                     OC_OK);
    assert_near(m.accuracy, 0.780, 0.001); // published beside the data: 0.780, macro-F1 0.651
    assert_near(m.f1_macro, 0.651, 0.005);
    assert_int_equal(oc_baseline_majority(&d.split[0], &d.split[2], OC_AUROC_OVR, &m, NULL), OC_OK);
    assert_near(m.accuracy, 0.195, 0.0005);
    oc_data_release(&d);
    oc_task_release(&t);

    t = (oc_task){.kind = OC_TASK_SINGLE,
                  .text_column = "medical_abstract",
                  .label_column = "condition_label"};
    snprintf(where, sizeof where, "%s/medical-abstracts-tc", base);
    oc_data_source abstracts = {
        .dir = where, .file = "medical_tc_test.csv", .test_every = 5, .need_labels = true};
    assert_int_equal(oc_data_load(&abstracts, &t, &d, NULL), OC_OK);
    assert_int_equal(oc_baseline_naive_bayes(&d.split[0], &d.split[2], OC_AUROC_OVR, &m, NULL),
                     OC_OK);
    assert_near(m.accuracy, 0.553, 0.015); // published beside the data: 0.541; here 0.565
    assert_int_equal(oc_baseline_majority(&d.split[0], &d.split[2], OC_AUROC_OVR, &m, NULL), OC_OK);
    assert_near(m.accuracy, 0.326, 0.0005);
    oc_data_release(&d);
    oc_task_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auroc_of_known_cases),
        cmocka_unit_test(auroc_equals_counted_pairs),
        cmocka_unit_test(binary),
        cmocka_unit_test(f1_of_known_case),
        cmocka_unit_test(three_classes),
        cmocka_unit_test(argmax_takes_the_first),
        cmocka_unit_test(multi_label),
        cmocka_unit_test(refuses_what_it_cannot_measure),
        cmocka_unit_test(interval_equals_the_slow_one),
        cmocka_unit_test(interval_is_deterministic_and_about_right),
        cmocka_unit_test(rare_classes_in_resamples),
        cmocka_unit_test(interval_of_many_rows_is_quick),
        cmocka_unit_test(quantiles),
        cmocka_unit_test(naive_bayes_by_hand),
        cmocka_unit_test(naive_bayes_keeps_ranks_of_long_notes),
        cmocka_unit_test(naive_bayes_for_labels),
        cmocka_unit_test(memory_running_out),
        cmocka_unit_test(levels_of_published_tables),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
