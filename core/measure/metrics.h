/*
 * core/measure/metrics.h - how good a classifier is, with bootstrap intervals.
 * Source: Fawcett 2006 (AUROC by ranks, ties half); Hand and Till 2001 (one-vs-one macro);
 * scikit-learn roc_auc_score, average_precision_score, f1_score for the conventions.
 */
#ifndef OC_MEASURE_METRICS_H
#define OC_MEASURE_METRICS_H

#include <stdint.h>

#include "core/base/err.h"
#include "core/data/task.h"

typedef enum { OC_AUROC_OVR, OC_AUROC_OVO } oc_auroc_kind;

typedef struct oc_metrics {
    int64_t n;                 /* rows */
    double accuracy;           /* single: argmax; multi: exact subset match at 0.5 */
    double auroc_macro;        /* NaN when it cannot be computed */
    double auroc_lo, auroc_hi; /* 95 % percentile bootstrap; NaN when not asked */
    double auprc_macro;        /* binary: of class 1; else macro over labels with a positive */
    double f1_macro;           /* single: over classes present; multi: labels at 0.5 */
    double f1_micro;
    int64_t n_scored_labels; /* labels that entered the macro AUROC */
} oc_metrics;

/* AUROC of scores [n] for labels 0/1 [n]; NaN when one class is absent. */
double oc_auroc(const float *score, const uint8_t *positive, int64_t n, oc_err *err);
/* Average precision (step interpolation). */
double oc_auprc(const float *score, const uint8_t *positive, int64_t n, oc_err *err);

/*
 * All metrics of probs f32 [n,K] against a data set. Binary single: AUROC of class 1. More
 * classes: macro OVR or OVO over classes present. Multi: macro over labels with a positive and a
 * negative. n_boot 0: no interval; resampling is by row, deterministic by seed.
 */
oc_status oc_metrics_compute(const oc_dataset *d, const float *probs, oc_auroc_kind kind,
                             int64_t n_boot, uint64_t seed, oc_metrics *out,
                             oc_err *err) OC_NODISCARD;

/* Levels to beat: the majority class (or label frequencies), and multinomial naive Bayes on
 * lower-cased unigrams (runs of letters and digits, English function words left out) with add-one
 * smoothing, trained on train, scored on test; multi: one binary naive Bayes per label. */
oc_status oc_baseline_majority(const oc_dataset *train, const oc_dataset *test, oc_auroc_kind kind,
                               oc_metrics *out, oc_err *err) OC_NODISCARD;
oc_status oc_baseline_naive_bayes(const oc_dataset *train, const oc_dataset *test,
                                  oc_auroc_kind kind, oc_metrics *out, oc_err *err) OC_NODISCARD;

#endif
