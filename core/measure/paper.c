#include "core/measure/paper.h"

#include <math.h>
#include <stdio.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/par.h"
#include "core/compress/quantize.h"
#include "core/measure/latency.h"
#include "core/nn/bert.h"

enum { MIN_ROUNDS = 3, FULL_RUNS = 5, V_BERT = 30522 };

/* --- the two networks -------------------------------------------------------------------------- */

static oc_status new_model(int32_t L, int32_t H, int32_t A, int32_t F, int32_t V, oc_model **out,
                           oc_err *err)
{
    oc_dims d = {.L = L,
                 .H = H,
                 .D = H / A,
                 .V = V,
                 .P = OC_PAPER_TOKENS,
                 .S = 2,
                 .K = 2,
                 .eps = 1e-12f,
                 .act = OC_ACT_GELU};
    for (int32_t l = 0; l < L; l++) {
        d.A[l] = A;
        d.F[l] = F;
    }
    OC_TRY(oc_model_new(&d, out, err));
    oc_model_init(*out, 11);
    return OC_OK;
}

oc_status oc_paper_student(int32_t V, oc_model **out, oc_err *err)
{
    oc_model *m;
    OC_TRY(new_model(4, 312, 12, 1200, V, &m, err));
    oc_quant_opts o = {.clip = OC_CLIP_MAX, .percentile = 100, .embeddings = true, .head = true};
    oc_status st = oc_quantize_model(NULL, m, &o, "student", err);
    if (st == OC_OK)
        *out = m;
    else
        oc_model_free(m);
    return st;
}

oc_status oc_paper_teacher(oc_model **out, oc_err *err)
{
    return new_model(12, 768, 12, 3072, V_BERT, out, err);
}

/* --- one turn of each -------------------------------------------------------------------------- */

typedef struct round_times {
    double ensemble[OC_PAPER_MAX_ROUNDS], own[OC_PAPER_MAX_ROUNDS], notes[OC_PAPER_MAX_ROUNDS],
        full[OC_PAPER_MAX_ROUNDS];
} round_times;

typedef struct race {
    oc_paper *p;
    oc_bert *model, *teacher; /* owned */
    int32_t *made;            /* owned [512] */
    float *logits;            /* owned [K] */
} race;

static oc_status poll_stop(const race *r, oc_err *err)
{
    if (r->p->stop && r->p->stop(r->p->ctx))
        return OC_FAIL(err, OC_CANCELLED, "timing was cancelled");
    return OC_OK;
}

static double forward(const race *r, oc_bert *b, const int32_t *ids, int64_t T)
{
    int32_t start[2] = {0, (int32_t)T};
    oc_batch one = {.B = 1, .N = T, .start = start, .ids = ids};
    int64_t from = oc_now_ns();
    oc_bert_forward(b, &one, NULL, r->logits);
    return (double)(oc_now_ns() - from) * 1e-6;
}

static oc_status run_notes(const race *r, double *ms, oc_err *err)
{
    const oc_encoded *e = r->p->notes;
    *ms = 0;
    for (int64_t i = 0; i < e->n; i++) {
        OC_TRY(poll_stop(r, err));
        *ms += forward(r, r->model, e->ids + e->start[i], e->start[i + 1] - e->start[i]);
    }
    *ms /= (double)e->n;
    return OC_OK;
}

static double run_full(const race *r)
{
    double ms[FULL_RUNS];
    for (int i = 0; i < FULL_RUNS; i++)
        ms[i] = forward(r, r->model, r->made, OC_PAPER_TOKENS);
    return oc_median(ms, FULL_RUNS);
}

static oc_status run_own(const race *r, double *ms, oc_err *err)
{
    *ms = 0;
    for (int i = 0; i < 2; i++) {
        OC_TRY(poll_stop(r, err));
        *ms += forward(r, r->teacher, r->made, OC_PAPER_TOKENS);
    }
    return OC_OK;
}

static oc_status run_peer(const race *r, double *ms, oc_err *err)
{
#define BERT_BASE "new:L12-H768-A12-F3072-V30522"
    char request[256];
    oc_peer_reply reply;
    snprintf(request, sizeof request, "infer eager " BERT_BASE "+" BERT_BASE " 1 1 fixed 1 1 %d",
             OC_PAPER_TOKENS);
    if (!oc_peer_ask(r->p->peer, request, &reply))
        return OC_FAIL(err, OC_STATE, "%s does not run the ensemble: %s", r->p->peer->name,
                       reply.reason);
    *ms = reply.ms[0];
    return OC_OK;
}

static oc_status run_round(const race *r, round_times *t, int32_t i, oc_err *err)
{
    OC_TRY(poll_stop(r, err));
    t->ensemble[i] = (double)NAN;
    if (r->p->peer)
        OC_TRY(run_peer(r, &t->ensemble[i], err));
    OC_TRY(run_own(r, &t->own[i], err));
    run_full(r); // caches and clock are its own again
    OC_TRY(run_notes(r, &t->notes[i], err));
    t->full[i] = run_full(r);
    return OC_OK;
}

/* --- the comparison ---------------------------------------------------------------------------- */

static oc_status open_race(race *r, oc_err *err)
{
    const oc_paper *p = r->p;
    oc_limits lim = {
        .max_B = 1, .max_N = OC_PAPER_TOKENS, .max_T = OC_PAPER_TOKENS, .watch = p->watch};
    OC_TRY(oc_bert_new(p->model, &lim, &r->model, err));
    OC_TRY(oc_bert_new(p->teacher, &lim, &r->teacher, err));
    int32_t K = OC_MAX(p->model->dims.K, p->teacher->dims.K);
    r->made = oc_calloc(OC_PAPER_TOKENS, sizeof *r->made);
    r->logits = oc_calloc((size_t)K, sizeof *r->logits);
    if (!r->made || !r->logits)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a note");
    int32_t V = OC_MIN(p->model->dims.V, p->teacher->dims.V);
    for (int32_t i = 0; i < OC_PAPER_TOKENS; i++)
        r->made[i] = i * 7919 % V;
    return OC_OK;
}

static oc_paper_time summary(double *ms, int32_t n)
{
    oc_paper_time t = {.ms = oc_median(ms, n)};
    t.p25 = oc_quantile_sorted(ms, n, 0.25);
    t.p75 = oc_quantile_sorted(ms, n, 0.75);
    return t;
}

static oc_status run_race(race *r, oc_err *err)
{
    oc_paper *p = r->p;
    round_times t;
    OC_TRY(open_race(r, err));
    OC_TRY(run_round(r, &t, 0, err)); // warm-up: loading and first touch
    int64_t from = oc_now_ns();
    int32_t n = 0;
    while (n < OC_PAPER_MAX_ROUNDS &&
           (n < MIN_ROUNDS || (double)(oc_now_ns() - from) * 1e-6 < p->budget_ms))
        OC_TRY(run_round(r, &t, n++, err));
    const double none = (double)NAN;
    p->ensemble = p->peer ? summary(t.ensemble, n) : (oc_paper_time){none, none, none};
    p->own = summary(t.own, n);
    p->on_notes = summary(t.notes, n);
    p->full = summary(t.full, n);
    p->rounds = n;
    return OC_OK;
}

static oc_status check(const oc_paper *p, oc_err *err)
{
    int32_t P = OC_MIN(p->model->dims.P, p->teacher->dims.P);
    if (P < OC_PAPER_TOKENS)
        return OC_FAIL(err, OC_SHAPE, "the model has %d positions; the comparison is at %d tokens",
                       P, OC_PAPER_TOKENS);
    if (p->notes->n < 1 || p->notes->max_T > OC_PAPER_TOKENS)
        return OC_FAIL(err, OC_SHAPE, "%lld notes of up to %lld tokens, expected some of up to %d",
                       (long long)p->notes->n, (long long)p->notes->max_T, OC_PAPER_TOKENS);
    return OC_OK;
}

oc_status oc_paper_measure(oc_paper *p, oc_err *err)
{
    OC_TRY(check(p, err));
    race r = {.p = p};
    int workers = oc_par_workers();
    oc_par_set_workers(1);
    oc_status st = run_race(&r, err);
    oc_par_set_workers(workers);
    oc_bert_free(r.model);
    oc_bert_free(r.teacher);
    oc_free(r.made);
    oc_free(r.logits);
    return st;
}

static double spread(oc_paper_time t)
{
    return t.ms > 0 ? (t.p75 - t.p25) / t.ms : 0;
}

double oc_paper_spread(const oc_paper *p)
{
    // fmax leaves out what is NaN.
    return fmax(fmax(spread(p->ensemble), spread(p->own)),
                fmax(spread(p->on_notes), spread(p->full)));
}
