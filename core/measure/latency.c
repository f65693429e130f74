#include "core/measure/latency.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/par.h"
#include "core/base/rng.h"
#include "core/nn/bert.h"

enum { MIN_WARM = 3, MAX_WARM = 12, MIN_ROUNDS = 5, MAX_ROUNDS = 4000 };
#define WARM_SHARE  0.25 /* of the budget, at most, before timing starts */
#define STABLE_FRAC 0.10 /* warm when the last three runs are this near to each other */

/* A model that occurs in any of the cases: packed once, however many cases run it. */
typedef struct engine {
    const oc_model *model;
    oc_limits lim;
    oc_bert *bert; /* owned */
} engine;

typedef struct bench {
    oc_latency_case *cases;
    int32_t n;
    engine *engine; /* owned [n_engines] */
    int32_t n_engines;
    int32_t *ids, *start; /* owned: scratch of one batch */
    float *logits;        /* owned */
    double *ms;           /* owned [n * MAX_ROUNDS] */
    int32_t rounds;
    int64_t began_ns;
    double budget_ms;
    int (*stop)(void *);
    void *ctx;
} bench;

static oc_status check_case(const oc_latency_case *c, int32_t i, oc_err *err)
{
    if (c->n_models < 1 || c->threads < 1 || c->batch < 1 || c->length < 1)
        return OC_FAIL(
            err, OC_RANGE,
            "timing %d: %d models, %d threads, batch %d, length %d: each must be 1 or more", i + 1,
            c->n_models, c->threads, c->batch, c->length);
    for (int32_t m = 0; m < c->n_models; m++)
        if (c->length > c->models[m]->dims.P)
            return OC_FAIL(err, OC_SHAPE, "timing %d: length %d, but the model has %d positions",
                           i + 1, c->length, c->models[m]->dims.P);
    return OC_OK;
}

static engine *find_engine(const bench *b, const oc_model *m)
{
    for (int32_t i = 0; i < b->n_engines; i++)
        if (b->engine[i].model == m)
            return &b->engine[i];
    return NULL;
}

/* Each model once, with room for the largest batch any case asks of it. */
static oc_status collect_engines(bench *b, oc_err *err)
{
    size_t cap = 0;
    for (int32_t i = 0; i < b->n; i++) {
        const oc_latency_case *c = &b->cases[i];
        for (int32_t m = 0; m < c->n_models; m++) {
            engine *e = find_engine(b, c->models[m]);
            if (!e) {
                OC_TRY(oc_grow(&b->engine, &cap, (size_t)b->n_engines + 1, sizeof *b->engine, err));
                e = &b->engine[b->n_engines++];
                *e = (engine){.model = c->models[m]};
            }
            e->lim.max_B = OC_MAX(e->lim.max_B, c->batch);
            e->lim.max_T = OC_MAX(e->lim.max_T, c->length);
            e->lim.max_N = OC_MAX(e->lim.max_N, (int64_t)c->batch * c->length);
        }
    }
    return OC_OK;
}

/* A network may keep scratch per worker: make it while the most there will be are allowed. */
static oc_status open_engines(bench *b, const oc_pack_watch *watch, oc_err *err)
{
    int32_t threads = 1;
    for (int32_t i = 0; i < b->n; i++)
        threads = OC_MAX(threads, b->cases[i].threads);
    oc_par_set_workers(threads);
    for (int32_t i = 0; i < b->n_engines; i++) {
        b->engine[i].lim.watch = watch;
        OC_TRY(oc_bert_new(b->engine[i].model, &b->engine[i].lim, &b->engine[i].bert, err));
    }
    return OC_OK;
}

static oc_status make_scratch(bench *b, oc_err *err)
{
    int64_t B = 1, N = 1, K = 1;
    for (int32_t i = 0; i < b->n_engines; i++) {
        B = OC_MAX(B, b->engine[i].lim.max_B);
        N = OC_MAX(N, b->engine[i].lim.max_N);
        K = OC_MAX(K, b->engine[i].model->dims.K);
    }
    b->ids = oc_calloc((size_t)N, sizeof *b->ids);
    b->start = oc_calloc((size_t)B + 1, sizeof *b->start);
    b->logits = oc_calloc((size_t)B * (size_t)K, sizeof *b->logits);
    b->ms = oc_calloc((size_t)b->n * MAX_ROUNDS, sizeof *b->ms);
    if (!b->ids || !b->start || !b->logits || !b->ms)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a batch of %lld tokens", (long long)N);
    return OC_OK;
}

/* What the tokens are does not change how long they take; these touch the whole word table. */
static void fill_batch(bench *b, const oc_latency_case *c, const oc_model *m)
{
    int64_t N = (int64_t)c->batch * c->length;
    for (int64_t i = 0; i < N; i++)
        b->ids[i] = (int32_t)(oc_rng_at(17, (uint64_t)i) % (uint64_t)m->dims.V);
    for (int32_t i = 0; i <= c->batch; i++)
        b->start[i] = i * c->length;
}

/* One run of all models of a case, in ms of their forward passes together. */
static double run_case(bench *b, const oc_latency_case *c)
{
    double ms = 0;
    oc_par_set_workers(c->threads);
    for (int32_t m = 0; m < c->n_models; m++) {
        engine *e = find_engine(b, c->models[m]);
        fill_batch(b, c, e->model);
        oc_batch batch = {
            .B = c->batch, .N = (int64_t)c->batch * c->length, .start = b->start, .ids = b->ids};
        int64_t from = oc_now_ns();
        oc_bert_forward(e->bert, &batch, NULL, b->logits);
        ms += (double)(oc_now_ns() - from) * 1e-6;
    }
    return ms;
}

static double spent_ms(const bench *b)
{
    return (double)(oc_now_ns() - b->began_ns) * 1e-6;
}

static oc_status poll_stop(const bench *b, oc_err *err)
{
    if (b->stop && b->stop(b->ctx))
        return OC_FAIL(err, OC_CANCELLED, "timing was cancelled");
    return OC_OK;
}

static bool stable(const double last[3])
{
    double lo = fmin(last[0], fmin(last[1], last[2])), hi = fmax(last[0], fmax(last[1], last[2]));
    return hi - lo <= STABLE_FRAC * hi;
}

/* Until three runs agree, or the case's share of the warm-up time is gone. */
static oc_status warm_up(bench *b, oc_err *err)
{
    for (int32_t i = 0; i < b->n; i++) {
        double last[3] = {0}, ms = 0, share = WARM_SHARE * b->budget_ms / b->n;
        for (int k = 0; k < MAX_WARM; k++) {
            OC_TRY(poll_stop(b, err));
            last[k % 3] = run_case(b, &b->cases[i]);
            ms += last[k % 3];
            if (k + 1 >= MIN_WARM && (ms > share || stable(last)))
                break;
        }
    }
    return OC_OK;
}

/* Every other round goes through the cases backwards, so none always follows the same one. */
static oc_status timed_rounds(bench *b, oc_err *err)
{
    while (b->rounds < MAX_ROUNDS && (b->rounds < MIN_ROUNDS || spent_ms(b) < b->budget_ms)) {
        for (int32_t k = 0; k < b->n; k++) {
            int32_t i = b->rounds % 2 ? b->n - 1 - k : k;
            OC_TRY(poll_stop(b, err));
            b->ms[(int64_t)i * MAX_ROUNDS + b->rounds] = run_case(b, &b->cases[i]);
        }
        b->rounds++;
    }
    return OC_OK;
}

static void summarize(bench *b)
{
    for (int32_t i = 0; i < b->n; i++) {
        double *ms = b->ms + (int64_t)i * MAX_ROUNDS;
        b->cases[i].median_ms = oc_median(ms, b->rounds);
        b->cases[i].p25_ms = oc_quantile_sorted(ms, b->rounds, 0.25);
        b->cases[i].p75_ms = oc_quantile_sorted(ms, b->rounds, 0.75);
        b->cases[i].p95_ms = oc_quantile_sorted(ms, b->rounds, 0.95);
        b->cases[i].n = b->rounds;
    }
}

double oc_latency_spread(const oc_latency_case *c)
{
    return c->median_ms > 0 ? (c->p75_ms - c->p25_ms) / c->median_ms : 0;
}

static void bench_release(bench *b)
{
    for (int32_t i = 0; i < b->n_engines; i++)
        oc_bert_free(b->engine[i].bert);
    oc_free(b->engine);
    oc_free(b->ids);
    oc_free(b->start);
    oc_free(b->logits);
    oc_free(b->ms);
}

static oc_status measure(bench *b, const oc_pack_watch *watch, oc_err *err)
{
    OC_TRY(collect_engines(b, err));
    OC_TRY(open_engines(b, watch, err));
    OC_TRY(make_scratch(b, err));
    b->began_ns = oc_now_ns();
    OC_TRY(warm_up(b, err));
    OC_TRY(timed_rounds(b, err));
    summarize(b);
    return OC_OK;
}

oc_status oc_latency_measure(oc_latency_case *cases, int32_t n, double budget_ms,
                             int (*stop)(void *), void *ctx, const oc_pack_watch *watch,
                             oc_err *err)
{
    if (n < 1)
        return OC_FAIL(err, OC_RANGE, "nothing to time");
    if (!(budget_ms >= 0) || isinf(budget_ms))
        return OC_FAIL(err, OC_RANGE, "the time for timing is not a number of milliseconds");
    for (int32_t i = 0; i < n; i++)
        OC_TRY(check_case(&cases[i], i, err));
    bench b = {.cases = cases, .n = n, .budget_ms = budget_ms, .stop = stop, .ctx = ctx};
    int workers = oc_par_workers();
    oc_status st = measure(&b, watch, err);
    oc_par_set_workers(workers);
    bench_release(&b);
    return st;
}
