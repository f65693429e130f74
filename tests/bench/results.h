/*
 * tests/bench/results.h - rows of the model benchmark: kept as lines of JSON, printed as one table.
 *
 * A row is one model, precision, workload and number of threads, with the times of everyone who ran
 * it. Its ratio is the median of the best peer over our median, so above 1 ours is faster; the best
 * peer is the one of least median.
 */
#ifndef OC_BENCH_RESULTS_H
#define OC_BENCH_RESULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"

enum { RESULT_MAX_TIMES = 16, RESULT_MAX_PEERS = 4 };
#define RESULT_NOISY 0.10 /* spread of ours or of the best peer beyond which a row is marked */

typedef struct result_time {
    char who[80], variant[32]; /* "PyTorch 1.13.0", "eager" */
    double median, p25, p75;   /* ms */
    int64_t runs;
} result_time;

typedef struct result {
    char part[16], model[64], precision[8];
    int64_t threads, batch, length, notes;
    result_time t[RESULT_MAX_TIMES]; /* ours first */
    int n;
    char disturbed[168]; /* what else the machine did meanwhile; "" = nothing */
    char cpu[160];
} result;

bool result_same(const result *a, const result *b);   /* rows about the same thing */
const result_time *result_best_peer(const result *r); /* NULL when there is none */
double result_ratio(const result *r);                 /* NaN without a peer */
/* The wider middle half of ours and of the best peer, as a share of its median. */
double result_spread(const result *r);

/* One line of JSON, with its newline. */
void result_write(const result *r, oc_buf *out);
/* OC_FORMAT names `what` and the line. */
oc_status result_parse(const char *line, size_t n, const char *what, result *out,
                       oc_err *err) OC_NODISCARD;

typedef struct results {
    result *r; /* owned [n] */
    int64_t n;
    size_t cap;
} results;
/* A row takes the place of an earlier one about the same thing. */
oc_status results_add(results *all, const result *r, oc_err *err) OC_NODISCARD;
oc_status results_read(const char *path, results *out, oc_err *err) OC_NODISCARD;
void results_release(results *all);

/*
 * Geometric mean of the ratios of a precision, training or inference; NaN and n = 0 where there are
 * none.
 */
double results_mean(const results *all, const char *precision, bool training, int64_t *n);

/* Who ran, columns, a row, and what there is to say of all rows. */
void results_head(const results *all, oc_buf *out);
void results_row(const results *all, const result *r, oc_buf *out);
void results_summary(const results *all, oc_buf *out);
void results_print(const results *all, oc_buf *out);

#endif
