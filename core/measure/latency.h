/*
 * core/measure/latency.h - time of a forward pass: median and p95 after warm-up.
 * Several models are timed interleaved, so that load on the machine falls on all alike.
 */
#ifndef OC_MEASURE_LATENCY_H
#define OC_MEASURE_LATENCY_H

#include <stdint.h>

#include "core/base/err.h"
#include "core/nn/bert.h"
#include "core/nn/model.h"

typedef struct oc_latency_case {
    const oc_model *const *models; /* in: run one after another and timed together (an ensemble) */
    int32_t n_models;
    int32_t threads, batch, length; /* in: length in tokens, all notes alike */
    double median_ms, p95_ms;       /* out */
    double p25_ms, p75_ms;          /* out: the middle half of the runs */
    int32_t n;                      /* out: timed runs */
} oc_latency_case;

/*
 * stop: polled between runs; non-zero ends with OC_CANCELLED. budget_ms: time for all cases, after
 * their models are packed. watch: told of packing; NULL: nobody asks.
 */
oc_status oc_latency_measure(oc_latency_case *cases, int32_t n, double budget_ms,
                             int (*stop)(void *), void *ctx, const oc_pack_watch *watch,
                             oc_err *err) OC_NODISCARD;

/* Middle half of the runs as a share of the median: on a quiet machine a few hundredths. */
double oc_latency_spread(const oc_latency_case *c);
#define OC_LATENCY_NOISY 0.10 /* spread beyond which a difference of a few percent means nothing */

double oc_median(double *x, int64_t n); /* sorts x */
double oc_quantile_sorted(const double *x, int64_t n, double q);

#endif
