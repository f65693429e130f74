#include "core/measure/layer_cost.h"

#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/par.h"
#include "core/base/str.h"
#include "core/kernels/kernels.h"
#include "core/measure/latency.h"

enum { MIN_ROUNDS = 5, MAX_ROUNDS = 200, MAX_REPEATS = 64, STEPS = 8 };
#define SAMPLE_MS 0.1 /* short products are repeated up to this */

/* y [M, parts * N] = x [M, K] W^T, each part of W padded to the tile. */
typedef struct product {
    int64_t M, N, parts, K;
    oc_packed_f32 f32; /* panel owned */
    oc_packed_s8 s8;   /* panel owned, scale borrowed from the bench */
    int repeats[2];    /* of f32 and int8 in a sample */
    double *ms[2];     /* owned [MAX_ROUNDS] */
    double median[2];
} product;

/* An entry of the answer is the sum of a few products. */
enum { MAX_SUM = 2 };
typedef struct entry {
    oc_layer_cost cost;
    int32_t product[MAX_SUM];
    int n;
} entry;

typedef struct bench {
    product *p; /* owned [n_products] */
    int32_t n_products;
    size_t cap_products;
    entry *e; /* owned [n] */
    int32_t n;
    size_t cap;
    float *x, *y, *scale, *bias, *xs; /* owned: input, output, of the widest product */
    int8_t *w, *xq;                   /* owned: weights to be packed; quantized input */
    float *wf;                        /* owned */
    int32_t rounds;
    const oc_cost_opts *o;
} bench;

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

static int64_t columns(const product *p, int64_t tile)
{
    return p->parts == 1 ? p->N : p->parts * round_up(p->N, tile);
}

/* --- what to time ------------------------------------------------------------------------------ */

static oc_status find_product(bench *b, int64_t M, int64_t N, int64_t parts, int64_t K,
                              int32_t *out, oc_err *err)
{
    int32_t i = 0;
    for (; i < b->n_products; i++) {
        const product *p = &b->p[i];
        if (p->M == M && p->N == N && p->parts == parts && p->K == K)
            break;
    }
    if (i == b->n_products) {
        OC_TRY(oc_grow(&b->p, &b->cap_products, (size_t)i + 1, sizeof *b->p, err));
        b->p[b->n_products++] = (product){.M = M, .N = N, .parts = parts, .K = K};
    }
    *out = i;
    return OC_OK;
}

static oc_status add_entry(bench *b, int32_t layer, const char *matrix, int64_t M, int64_t N,
                           int64_t parts, int64_t K, oc_err *err)
{
    OC_TRY(oc_grow(&b->e, &b->cap, (size_t)b->n + 1, sizeof *b->e, err));
    entry *e = &b->e[b->n];
    *e = (entry){.cost = {.layer = layer, .rows = M, .out = parts * N, .in = K}, .n = 1};
    oc_strlcpy(e->cost.matrix, matrix, sizeof e->cost.matrix);
    OC_TRY(find_product(b, M, N, parts, K, &e->product[0], err));
    b->n++;
    return OC_OK;
}

static oc_status plan_layers(bench *b, const oc_dims *d, oc_err *err)
{
    int64_t H = d->H;
    for (int32_t l = 0; l < d->L; l++) {
        int64_t AD = (int64_t)d->A[l] * d->D, T = b->o->length, R = l + 1 < d->L ? T : 1;
        if (R == T) {
            OC_TRY(add_entry(b, l, "qkv", T, AD, 3, H, err));
        } else {
            OC_TRY(add_entry(b, l, "kv", T, AD, 2, H, err));
            OC_TRY(add_entry(b, l, oc_kind_short(OC_P_Q_W), R, AD, 1, H, err));
        }
        OC_TRY(add_entry(b, l, oc_kind_short(OC_P_O_W), R, H, 1, AD, err));
        OC_TRY(add_entry(b, l, oc_kind_short(OC_P_F1_W), R, d->F[l], 1, H, err));
        OC_TRY(add_entry(b, l, oc_kind_short(OC_P_F2_W), R, H, 1, d->F[l], err));
    }
    OC_TRY(add_entry(b, -1, oc_kind_short(OC_P_POOL_W), 1, H, 1, H, err));
    return add_entry(b, -1, oc_kind_short(OC_P_CLS_W), 1, d->K, 1, H, err);
}

/* Two products of one width, as one entry. */
static oc_status add_width(bench *b, const char *what, int32_t width, int64_t N, int64_t parts,
                           int64_t H, oc_err *err)
{
    int64_t T = b->o->length;
    OC_TRY(add_entry(b, -1, what, T, N, parts, H, err));
    entry *e = &b->e[b->n - 1];
    e->cost.out = width;
    OC_TRY(find_product(b, T, H, 1, N, &e->product[1], err));
    e->n = 2;
    return OC_OK;
}

static oc_status plan_widths(bench *b, const oc_dims *d, oc_err *err)
{
    int32_t A = 1, F = 1;
    for (int32_t l = 0; l < d->L; l++) {
        A = OC_MAX(A, d->A[l]);
        F = OC_MAX(F, d->F[l]);
    }
    int32_t heads = OC_MIN(A, STEPS), steps = OC_MIN(F, STEPS);
    for (int32_t i = heads; i >= 1; i--) {
        int32_t a = (int32_t)((int64_t)A * i / heads);
        OC_TRY(add_width(b, "heads", a, (int64_t)a * d->D, 3, d->H, err));
    }
    // Whole tiles: what is left of one costs as much as all of it.
    int64_t tile = OC_MAX(oc_k->nr, oc_k->qnr);
    int32_t last = 0;
    for (int32_t i = steps; i >= 1; i--) {
        int32_t f = (int32_t)OC_MIN(F, round_up((int64_t)F * i / steps, tile));
        if (f != last)
            OC_TRY(add_width(b, "ffn", f, f, 1, d->H, err));
        last = f;
    }
    return OC_OK;
}

/* --- room -------------------------------------------------------------------------------------- */

static oc_status place_shared(bench *b, oc_err *err)
{
    int64_t M = 1, N = 1, K = 1, w = 1, out = 1;
    for (int32_t i = 0; i < b->n_products; i++) {
        const product *p = &b->p[i];
        int64_t n = OC_MAX(columns(p, oc_k->nr), columns(p, oc_k->qnr));
        M = OC_MAX(M, p->M);
        N = OC_MAX(N, n);
        K = OC_MAX(K, round_up(p->K, 32));
        w = OC_MAX(w, n * p->K);
        out = OC_MAX(out, p->M * n);
    }
    b->x = oc_calloc((size_t)(M * K), sizeof *b->x);
    b->y = oc_calloc((size_t)out, sizeof *b->y);
    b->scale = oc_calloc((size_t)N, sizeof *b->scale);
    b->bias = oc_calloc((size_t)N, sizeof *b->bias);
    b->xs = oc_calloc((size_t)M, sizeof *b->xs);
    b->xq = oc_calloc((size_t)(M * K), 1);
    b->w = oc_calloc((size_t)w, 1);
    b->wf = oc_calloc((size_t)w, sizeof *b->wf);
    if (!b->x || !b->y || !b->scale || !b->bias || !b->xs || !b->xq || !b->w || !b->wf)
        return OC_FAIL(err, OC_NOMEM, "out of memory for timing products");
    for (int64_t i = 0; i < M * K; i++)
        b->x[i] = (float)(i * 7919 % 2001 - 1000) * 1e-3f;
    int top = b->o->bits7 ? 63 : 127;
    for (int64_t i = 0; i < w; i++) {
        b->w[i] = (int8_t)(i * 7919 % (2 * top + 1) - top);
        b->wf[i] = (float)b->w[i] * 1e-3f;
    }
    for (int64_t i = 0; i < N; i++)
        b->scale[i] = 1e-3f;
    return OC_OK;
}

static oc_status place_product(bench *b, product *p, oc_err *err)
{
    int64_t n = columns(p, oc_k->nr), qn = columns(p, oc_k->qnr);
    p->f32 = (oc_packed_f32){.K = p->K, .N = n, .x6 = p->M > 1}; // [CLS] rows are not
    p->s8 = (oc_packed_s8){.scale = b->scale, .K = p->K, .N = qn, .Kp = round_up(p->K, 32)};
    p->f32.panel = oc_calloc((size_t)oc_pack_f32_floats(p->K, n, p->f32.x6), sizeof(float));
    p->s8.panel = oc_calloc(oc_pack_s8_bytes(p->K, qn), 1);
    for (int i = 0; i < 2; i++)
        p->ms[i] = oc_calloc(MAX_ROUNDS, sizeof(double));
    if (!p->f32.panel || !p->s8.panel || !p->ms[0] || !p->ms[1])
        return OC_FAIL(err, OC_NOMEM, "out of memory for timing products");
    oc_pack_f32((oc_mat){b->wf, 1, p->K}, &p->f32);
    p->s8.bits7 = oc_s8_is_7_bits(b->w, qn * p->K);
    oc_pack_s8(b->w, p->K, qn, p->s8.bits7, p->s8.panel);
    return OC_OK;
}

static void release(bench *b)
{
    for (int32_t i = 0; i < b->n_products; i++) {
        oc_free(b->p[i].f32.panel);
        oc_free(b->p[i].s8.panel);
        oc_free(b->p[i].ms[0]);
        oc_free(b->p[i].ms[1]);
    }
    oc_free(b->p);
    oc_free(b->e);
    oc_free(b->x);
    oc_free(b->y);
    oc_free(b->scale);
    oc_free(b->bias);
    oc_free(b->xs);
    oc_free(b->xq);
    oc_free(b->w);
    oc_free(b->wf);
}

/* --- timing ------------------------------------------------------------------------------------ */

static void run_f32(const bench *b, const product *p)
{
    int64_t n = p->f32.N;
    oc_gemm_f32(p->M, n, p->K, b->x, p->K, &p->f32, false, b->bias, OC_EPI_NONE, b->y, n, b->y);
}

static void run_int8(const bench *b, const product *p)
{
    for (int64_t i = 0; i < p->M; i++)
        oc_k->quantize_row(b->x + i * p->K, p->K, p->s8.Kp, b->xq + i * p->s8.Kp, b->xs + i);
    oc_gemm_qd8_qc8w_f32(p->M, b->xq, b->xs, &p->s8, b->bias, OC_EPI_NONE, b->y, p->s8.N);
}

static double sample(const bench *b, const product *p, int which)
{
    int64_t from = oc_now_ns();
    for (int i = 0; i < p->repeats[which]; i++) {
        if (which == 0)
            run_f32(b, p);
        else
            run_int8(b, p);
    }
    return (double)(oc_now_ns() - from) * 1e-6 / p->repeats[which];
}

static oc_status warm_up(bench *b, oc_err *err)
{
    for (int32_t i = 0; i < b->n_products; i++) {
        product *p = &b->p[i];
        for (int k = 0; k < 2; k++) {
            p->repeats[k] = 1;
            sample(b, p, k);
            double ms = OC_MAX(sample(b, p, k), 1e-4);
            p->repeats[k] = (int)OC_MAX(1, OC_MIN(MAX_REPEATS, SAMPLE_MS / ms));
        }
        if (b->o->stop && b->o->stop(b->o->ctx))
            return OC_FAIL(err, OC_CANCELLED, "timing was cancelled");
    }
    return OC_OK;
}

static oc_status timed_rounds(bench *b, oc_err *err)
{
    int64_t from = oc_now_ns();
    while (b->rounds < MAX_ROUNDS &&
           (b->rounds < MIN_ROUNDS || (double)(oc_now_ns() - from) * 1e-6 < b->o->budget_ms)) {
        for (int32_t i = 0; i < b->n_products; i++) {
            if (b->o->stop && b->o->stop(b->o->ctx))
                return OC_FAIL(err, OC_CANCELLED, "timing was cancelled");
            for (int k = 0; k < 2; k++) {
                int which = b->rounds % 2 ? 1 - k : k; // none always follows the other
                b->p[i].ms[which][b->rounds] = sample(b, &b->p[i], which);
            }
        }
        b->rounds++;
    }
    for (int32_t i = 0; i < b->n_products; i++)
        for (int k = 0; k < 2; k++)
            b->p[i].median[k] = oc_median(b->p[i].ms[k], b->rounds);
    return OC_OK;
}

static oc_status answer(const bench *b, oc_layer_costs *out, oc_err *err)
{
    oc_layer_cost *cost = oc_calloc((size_t)b->n, sizeof *cost);
    if (!cost)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %d timings", b->n);
    for (int32_t i = 0; i < b->n; i++) {
        const entry *e = &b->e[i];
        cost[i] = e->cost;
        cost[i].runs = b->rounds;
        for (int k = 0; k < e->n; k++) {
            cost[i].f32_ms += b->p[e->product[k]].median[0];
            cost[i].int8_ms += b->p[e->product[k]].median[1];
        }
    }
    *out = (oc_layer_costs){.cost = cost, .n = b->n};
    return OC_OK;
}

typedef oc_status (*plan_fn)(bench *b, const oc_dims *d, oc_err *err);

static oc_status run(bench *b, const oc_dims *d, plan_fn plan, oc_layer_costs *out, oc_err *err)
{
    OC_TRY(plan(b, d, err));
    OC_TRY(place_shared(b, err));
    for (int32_t i = 0; i < b->n_products; i++)
        OC_TRY(place_product(b, &b->p[i], err));
    OC_TRY(warm_up(b, err));
    OC_TRY(timed_rounds(b, err));
    return answer(b, out, err);
}

static oc_status measure(const oc_dims *d, const oc_cost_opts *o, plan_fn plan, oc_layer_costs *out,
                         oc_err *err)
{
    if (o->length < 1 || o->length > d->P)
        return OC_FAIL(err, OC_RANGE,
                       "products cannot be timed at %d tokens: the model has %d positions",
                       o->length, d->P);
    if (!(o->budget_ms >= 0) || isinf(o->budget_ms))
        return OC_FAIL(err, OC_RANGE, "the time for timing is not a number of milliseconds");
    bench b = {.o = o};
    int workers = oc_par_workers();
    oc_par_set_workers(1);
    oc_status st = run(&b, d, plan, out, err);
    oc_par_set_workers(workers);
    release(&b);
    return st;
}

oc_status oc_layer_costs_measure(const oc_dims *d, const oc_cost_opts *o, oc_layer_costs *out,
                                 oc_err *err)
{
    return measure(d, o, plan_layers, out, err);
}

oc_status oc_width_costs_measure(const oc_dims *d, const oc_cost_opts *o, oc_layer_costs *out,
                                 oc_err *err)
{
    return measure(d, o, plan_widths, out, err);
}

void oc_layer_costs_release(oc_layer_costs *c)
{
    oc_free(c->cost);
    *c = (oc_layer_costs){0};
}

/* --- the choice -------------------------------------------------------------------------------- */

static bool is_of(const oc_layer_cost *c, oc_kind k, int32_t layer)
{
    bool q = k == OC_P_Q_W, kv = k == OC_P_K_W || k == OC_P_V_W;
    return c->layer == layer &&
           (!strcmp(c->matrix, oc_kind_short(k)) || ((q || kv) && !strcmp(c->matrix, "qkv")) ||
            (kv && !strcmp(c->matrix, "kv")));
}

bool oc_layer_cost_is_of(const oc_layer_cost *c, const oc_param *p)
{
    return is_of(c, p->kind, p->layer);
}

oc_cost_pair oc_layer_cost_of(const oc_layer_costs *c, oc_kind k, int32_t layer)
{
    oc_cost_pair sum = {0};
    bool qkv = k == OC_P_Q_W || k == OC_P_K_W || k == OC_P_V_W;
    for (int32_t i = 0; i < c->n; i++) {
        const oc_layer_cost *t = &c->cost[i];
        if (is_of(t, k, layer) ||
            (qkv && (is_of(t, OC_P_Q_W, layer) || is_of(t, OC_P_K_W, layer)))) {
            sum.f32_ms += t->f32_ms;
            sum.int8_ms += t->int8_ms;
        }
    }
    return sum;
}

bool oc_int8_is_faster(const oc_layer_costs *c, oc_kind k, int32_t layer)
{
    oc_cost_pair t = oc_layer_cost_of(c, k, layer);
    return t.int8_ms < t.f32_ms;
}
