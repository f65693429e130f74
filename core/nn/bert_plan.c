/*
 * Plan and place: place() carves every buffer from an arena; over an empty arena it only counts.
 */
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/par.h"
#include "core/nn/bert_internal.h"

#define MAX_BATCH_ROWS INT32_MAX /* start[] holds int32 */

/* What all layers share in inference, and the widest of each. */
typedef struct widths {
    int64_t AD, F, I; /* widest attention, FFN, input of any linear layer */
} widths;

static widths widest(const oc_dims *d)
{
    widths w = {.I = d->H};
    for (int32_t l = 0; l < d->L; l++) {
        w.AD = OC_MAX(w.AD, (int64_t)d->A[l] * d->D);
        w.F = OC_MAX(w.F, (int64_t)d->F[l]);
    }
    w.I = OC_MAX(w.I, OC_MAX(w.AD, w.F));
    return w;
}

static const float *norm_of(const oc_model *m, oc_kind k, int32_t l)
{
    return oc_model_at(m, k, l)->f32;
}

/* Weights of one linear layer; the packed copy comes from the arena unless training. */
static void place_linear(oc_bert *b, oc_arena *a, oc__linear *lin, oc_kind kind, int32_t l)
{
    const oc_param *p = oc_layout_at(&b->m->layout, kind, l);
    oc_kind bias = (oc_kind)(kind + 1); // OC_KIND_LIST keeps a bias behind its matrix
    const oc_weight *w = oc_model_at(b->m, kind, l);
    *lin = (oc__linear){.w = w->f32, .wq = w->q, .I = p->cols, .O = p->rows};
    lin->bias = oc_model_at(b->m, bias, l)->f32;
    lin->param = (int32_t)(p - b->m->layout.param);
    lin->param_bias = lin->param + 1;
    lin->f32 = (oc_packed_f32){.panel = b->pack, .K = p->cols, .N = p->rows};
    if (lin->wq)
        lin->s8 = (oc_packed_s8){.panel = OC_PUSH(a, int8_t, oc_pack_s8_bytes(p->cols, p->rows)),
                                 .scale = w->scale,
                                 .K = p->cols,
                                 .N = p->rows,
                                 .Kp = (p->cols + 31) / 32 * 32};
    else if (!b->lim.train)
        lin->f32.panel = OC_PUSH(a, float, oc_pack_f32_floats(p->cols, p->rows));
}

static void place_weights(oc_bert *b, oc_arena *a)
{
    for (int32_t l = 0; l < b->m->dims.L; l++) {
        oc__layer *y = &b->layer[l];
        place_linear(b, a, &y->q, OC_P_Q_W, l);
        place_linear(b, a, &y->k, OC_P_K_W, l);
        place_linear(b, a, &y->v, OC_P_V_W, l);
        place_linear(b, a, &y->o, OC_P_O_W, l);
        place_linear(b, a, &y->f1, OC_P_F1_W, l);
        place_linear(b, a, &y->f2, OC_P_F2_W, l);
        y->ln1_g = norm_of(b->m, OC_P_LN1_G, l);
        y->ln1_b = norm_of(b->m, OC_P_LN1_B, l);
        y->ln2_g = norm_of(b->m, OC_P_LN2_G, l);
        y->ln2_b = norm_of(b->m, OC_P_LN2_B, l);
    }
    place_linear(b, a, &b->pool, OC_P_POOL_W, -1);
    place_linear(b, a, &b->cls, OC_P_CLS_W, -1);
    b->emb_g = norm_of(b->m, OC_P_EMB_LN_G, -1);
    b->emb_b = norm_of(b->m, OC_P_EMB_LN_B, -1);
}

/* One layer's own buffers. */
static void place_layer(oc_bert *b, oc_arena *a, oc__layer *y, bool cls)
{
    int64_t N = b->lim.max_N, H = b->m->dims.H, R = cls ? b->lim.max_B : N;
    y->xr = cls ? OC_PUSH(a, float, R *H) : y->x;
    y->qx = OC_PUSH(a, float, R * y->AD);
    y->kx = OC_PUSH(a, float, N * y->AD);
    y->vx = OC_PUSH(a, float, N * y->AD);
    y->c = OC_PUSH(a, float, R * y->AD);
    y->lse = OC_PUSH(a, float, R * y->A);
    y->s1 = OC_PUSH(a, float, R *H);
    y->y = OC_PUSH(a, float, R *H);
    y->u = OC_PUSH(a, float, R * y->F);
    y->g = OC_PUSH(a, float, R * y->F);
    y->s2 = OC_PUSH(a, float, R *H);
    y->out = OC_PUSH(a, float, R *H);
    y->mean1 = OC_PUSH(a, float, R);
    y->rstd1 = OC_PUSH(a, float, R);
    y->mean2 = OC_PUSH(a, float, R);
    y->rstd2 = OC_PUSH(a, float, R);
}

static void place_training(oc_bert *b, oc_arena *a, widths w)
{
    const oc_dims *d = &b->m->dims;
    int64_t N = b->lim.max_N, H = d->H;
    float *x = OC_PUSH(a, float, N *H);
    for (int32_t l = 0; l < d->L; l++) {
        b->layer[l].x = x;
        place_layer(b, a, &b->layer[l], oc__is_cls(b, l));
        x = b->layer[l].out;
    }
    b->e = OC_PUSH(a, float, N *H);
    b->mean0 = OC_PUSH(a, float, N);
    b->rstd0 = OC_PUSH(a, float, N);
    b->d = OC_PUSH(a, float, N *H);
    b->d_cls = OC_PUSH(a, float, b->lim.max_B *H);
    b->d_drop = OC_PUSH(a, float, N *H);
    b->d_wide = OC_PUSH(a, float, N *OC_MAX(w.F, w.AD));
    b->d_k = OC_PUSH(a, float, N *w.AD);
    b->d_v = OC_PUSH(a, float, N *w.AD);
    b->d_pool = OC_PUSH(a, float, b->lim.max_B *H);
    b->ln_part = OC_PUSH(a, float, (N + OC__ROW_GRAIN - 1) / OC__ROW_GRAIN * 2 * H);
}

/* One set for all layers; with keep_hidden each layer's output stays. */
static void place_inference(oc_bert *b, oc_arena *a, widths w)
{
    const oc_dims *d = &b->m->dims;
    int64_t N = b->lim.max_N, H = d->H;
    oc__layer s = {.x = OC_PUSH(a, float, N *H)};
    s.xr = b->cls_only ? OC_PUSH(a, float, b->lim.max_B *H) : s.x;
    s.qx = s.c = OC_PUSH(a, float, N *w.AD);
    s.kx = OC_PUSH(a, float, N *w.AD);
    s.vx = OC_PUSH(a, float, N *w.AD);
    s.s1 = s.s2 = OC_PUSH(a, float, N *H);
    s.y = OC_PUSH(a, float, N *H);
    s.u = s.g = OC_PUSH(a, float, N *w.F);
    b->e = s.x;
    for (int32_t l = 0; l < d->L; l++) {
        oc__layer *y = &b->layer[l];
        y->x = l ? b->layer[l - 1].out : s.x;
        y->xr = oc__is_cls(b, l) ? s.xr : y->x;
        y->qx = s.qx;
        y->kx = s.kx;
        y->vx = s.vx;
        y->c = s.c;
        y->s1 = s.s1;
        y->s2 = s.s2;
        y->y = s.y;
        y->u = s.u;
        y->g = s.g;
        y->out = b->lim.keep_hidden ? OC_PUSH(a, float, N *H) : s.x;
    }
}

/* Scratch of one worker for any product of at most `most` terms. */
static int64_t gemm_floats(int64_t most)
{
    // Not monotone in K, but constant blocks of k take over long before this many terms.
    int64_t floats = 0;
    for (int64_t k = 1; k <= OC_MIN(most, 4096); k++)
        floats = OC_MAX(floats, oc_gemm_scratch_floats(k));
    return floats;
}

/* Largest matrix the shared pack buffer holds: a weight either way round, or a layer's rows. */
static int64_t pack_floats(const oc_dims *d, int64_t N, widths w)
{
    int64_t floats = OC_MAX(oc_pack_f32_floats(N, w.I), oc_pack_f32_floats(d->H, d->H));
    int64_t wide[3] = {w.AD, w.F, d->K};
    for (int i = 0; i < 3; i++) {
        floats = OC_MAX(floats, oc_pack_f32_floats(wide[i], d->H));
        floats = OC_MAX(floats, oc_pack_f32_floats(d->H, wide[i]));
    }
    return floats;
}

static void place(oc_bert *b, oc_arena *a)
{
    const oc_dims *d = &b->m->dims;
    int64_t N = b->lim.max_N, B = b->lim.max_B, H = d->H;
    widths w = widest(d);
    if (b->lim.train)
        b->pack = OC_PUSH(a, float, pack_floats(d, N, w));
    place_weights(b, a);
    for (int32_t l = 0; l < d->L; l++) {
        b->layer[l].A = d->A[l];
        b->layer[l].AD = (int64_t)d->A[l] * d->D;
        b->layer[l].F = d->F[l];
    }
    if (b->lim.train)
        place_training(b, a, w);
    else
        place_inference(b, a, w);
    b->cls_rows = b->cls_only ? b->layer[d->L - 1].out : OC_PUSH(a, float, B *H);
    b->pooled = OC_PUSH(a, float, B *H);
    b->pooled_drop = b->lim.train ? OC_PUSH(a, float, B *H) : b->pooled;
    if (!oc_model_is_f32(b->m)) {
        b->xq = OC_PUSH(a, int8_t, N * ((w.I + 31) / 32 * 32));
        b->xs = OC_PUSH(a, float, N);
    }
    b->gemm_floats = gemm_floats(OC_MAX(w.I, b->lim.train ? N : 0));
    b->gemm_scratch = OC_PUSH(a, float, b->workers * b->gemm_floats);
    b->attn_floats = oc__attn_floats(b->lim.max_T, d->D, b->lim.train);
    b->attn_scratch = OC_PUSH(a, float, b->workers * b->attn_floats);
}

static oc_bert describe(const oc_model *m, const oc_limits *lim)
{
    oc_bert b = {.m = m, .lim = *lim, .cls_only = !lim->keep_hidden};
    b.workers = OC_MAX(oc_par_workers(), oc_par_cores());
    b.act = m->dims.act == OC_ACT_RELU       ? OC_EPI_RELU
            : m->dims.act == OC_ACT_GELU_NEW ? OC_EPI_GELU_NEW
                                             : OC_EPI_GELU;
    b.pool_act = m->dims.arch == OC_ARCH_DISTILBERT ? OC_EPI_RELU : OC_EPI_TANH;
    return b;
}

static oc_status check_limits(const oc_model *m, const oc_limits *lim, oc_err *err)
{
    if (lim->max_B < 1 || lim->max_T < 1 || lim->max_N < lim->max_B)
        return OC_FAIL(err, OC_SHAPE,
                       "batch limits of %lld notes, %lld rows, %lld tokens a note make no batch",
                       (long long)lim->max_B, (long long)lim->max_N, (long long)lim->max_T);
    if (lim->max_N > MAX_BATCH_ROWS)
        return OC_FAIL(err, OC_SHAPE, "a batch of %lld rows is beyond %d", (long long)lim->max_N,
                       MAX_BATCH_ROWS);
    if (lim->max_T > m->dims.P)
        return OC_FAIL(err, OC_SHAPE,
                       "notes of %lld tokens are longer than the model's %d positions",
                       (long long)lim->max_T, m->dims.P);
    return OC_OK;
}

static oc_status check_weights(const oc_model *m, const oc_limits *lim, oc_err *err)
{
    OC_TRY(oc_model_check(m, err));
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        if (m->w[i].f32)
            continue;
        if (lim->train)
            return OC_FAIL(err, OC_UNSUPPORTED, "a quantized model cannot be trained (%s is int8)",
                           p->name);
        if (!oc_kind_is_matrix(p->kind) && !oc_kind_is_embedding(p->kind))
            return OC_FAIL(err, OC_UNSUPPORTED, "%s is int8; only matrices and embeddings may be",
                           p->name);
    }
    return OC_OK;
}

size_t oc_bert_plan(const oc_model *m, const oc_limits *lim)
{
    if (check_limits(m, lim, NULL) != OC_OK)
        return 0;
    oc_bert b = describe(m, lim);
    oc_arena a = OC_ARENA_PLAN;
    place(&b, &a);
    return a.used + sizeof b;
}

static void pack_linear(oc__linear *lin)
{
    if (lin->wq)
        oc_pack_s8(lin->wq, lin->I, lin->O, lin->s8.panel);
    else
        oc_pack_f32((oc_mat){lin->w, 1, lin->I}, lin->I, lin->O, lin->f32.panel);
}

static void pack_weights(oc_bert *b)
{
    for (int32_t l = 0; l < b->m->dims.L; l++) {
        oc__layer *y = &b->layer[l];
        oc__linear *lin[6] = {&y->q, &y->k, &y->v, &y->o, &y->f1, &y->f2};
        for (int i = 0; i < 6; i++)
            pack_linear(lin[i]);
    }
    pack_linear(&b->pool);
    pack_linear(&b->cls);
}

oc_status oc_bert_new(const oc_model *m, const oc_limits *lim, oc_bert **out, oc_err *err)
{
    OC_TRY(check_limits(m, lim, err));
    OC_TRY(check_weights(m, lim, err));
    oc_bert *b = oc_calloc(1, sizeof *b);
    if (!b)
        return OC_FAIL(err, OC_NOMEM, "out of memory: %zu bytes were needed", sizeof *b);
    *b = describe(m, lim);
    oc_arena plan = OC_ARENA_PLAN;
    place(b, &plan);
    if (oc_arena_init(&b->arena, plan.used, NULL) != OC_OK) {
        oc_free(b);
        return OC_FAIL(err, OC_NOMEM,
                       "out of memory: a batch of %lld rows, %lld tokens a note, needs %zu bytes",
                       (long long)lim->max_N, (long long)lim->max_T, plan.used + sizeof *b);
    }
    place(b, &b->arena);
    if (!lim->train)
        pack_weights(b);
    *out = b;
    return OC_OK;
}

void oc_bert_free(oc_bert *b)
{
    if (!b)
        return;
    oc_arena_release(&b->arena);
    oc_free(b);
}

const float *oc_bert_hidden(const oc_bert *b, int32_t i)
{
    OC_CHECK(b->lim.keep_hidden && i >= 0 && i <= b->m->dims.L);
    return i == 0 ? b->layer[0].x : b->layer[i - 1].out;
}

const float *oc_bert_pooled(const oc_bert *b)
{
    return b->pooled;
}

static oc_status check_note(const oc_batch *t, int64_t i, const oc_dims *d, const oc_limits *lim,
                            oc_err *err)
{
    int64_t r0 = t->start[i], T = t->start[i + 1] - r0;
    bool any = !t->mask;
    if (T < 1 || T > lim->max_T)
        return OC_FAIL(err, OC_SHAPE, "note %lld of the batch has %lld tokens, expected 1..%lld",
                       (long long)i, (long long)T, (long long)lim->max_T);
    for (int64_t r = r0; r < r0 + T; r++) {
        if (t->ids[r] < 0 || t->ids[r] >= d->V)
            return OC_FAIL(err, OC_RANGE, "note %lld, token %lld: id %d is outside 0..%d",
                           (long long)i, (long long)(r - r0), t->ids[r], d->V - 1);
        if (d->S && t->types && (t->types[r] < 0 || t->types[r] >= d->S))
            return OC_FAIL(err, OC_RANGE, "note %lld, token %lld: type %d is outside 0..%d",
                           (long long)i, (long long)(r - r0), t->types[r], d->S - 1);
        any = any || t->mask[r];
    }
    if (!any)
        return OC_FAIL(err, OC_RANGE, "note %lld of the batch masks all its %lld tokens",
                       (long long)i, (long long)T);
    return OC_OK;
}

oc_status oc_batch_check(const oc_batch *t, const oc_dims *d, const oc_limits *lim, oc_err *err)
{
    if (t->B < 1 || t->B > lim->max_B || t->N < 1 || t->N > lim->max_N)
        return OC_FAIL(
            err, OC_SHAPE, "a batch of %lld notes and %lld rows, expected at most %lld and %lld",
            (long long)t->B, (long long)t->N, (long long)lim->max_B, (long long)lim->max_N);
    if (t->start[0] != 0 || t->start[t->B] != t->N)
        return OC_FAIL(err, OC_SHAPE, "the notes of a batch span rows %d..%d, expected 0..%lld",
                       t->start[0], t->start[t->B], (long long)t->N);
    for (int64_t i = 0; i < t->B; i++) {
        // Starts are checked before rows are read: an earlier note ends inside the batch.
        if (t->start[i + 1] < t->start[i] || t->start[i + 1] > t->N)
            return OC_FAIL(err, OC_SHAPE, "note %lld of the batch ends at row %d of %lld",
                           (long long)i, t->start[i + 1], (long long)t->N);
        OC_TRY(check_note(t, i, d, lim, err));
    }
    return OC_OK;
}
