/*
 * Plan and place: place() carves every buffer from an arena; over an empty arena it only counts.
 */
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/par.h"
#include "core/kernels/gemm_tn.h"
#include "core/nn/bert_internal.h"

#define MAX_BATCH_ROWS INT32_MAX           /* start[] holds int32 */
#define FAR_BYTES      ((size_t)256 << 20) /* weights that no cache holds */

/* The widest of all layers. */
typedef struct widths {
    int64_t AD, F, I; /* attention, FFN, input of any linear layer */
    int64_t W;        /* q, k or v with their padding */
} widths;

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

/* Columns of q, k or v: whole tiles of the product that makes them. */
static int64_t padded(const oc_model *m, int32_t l)
{
    int64_t AD = (int64_t)m->dims.A[l] * m->dims.D;
    return round_up(AD, oc_model_at(m, OC_P_Q_W, l)->q ? oc_k->qnr : oc_k->nr);
}

static widths widest(const oc_model *m)
{
    const oc_dims *d = &m->dims;
    widths w = {.I = d->H};
    for (int32_t l = 0; l < d->L; l++) {
        w.AD = OC_MAX(w.AD, (int64_t)d->A[l] * d->D);
        w.F = OC_MAX(w.F, (int64_t)d->F[l]);
        w.W = OC_MAX(w.W, padded(m, l));
    }
    w.I = OC_MAX(w.I, OC_MAX(w.AD, w.F));
    return w;
}

static const float *norm_of(const oc_model *m, oc_kind k, int32_t l)
{
    return oc_model_at(m, k, l)->f32;
}

bool oc_bert_on_unit(const oc_dims *d, oc_kind kind, int32_t layer)
{
    return layer >= 0 && (layer < d->L - 1 || kind == OC_P_K_W || kind == OC_P_V_W);
}

/* Weights of one linear layer, packed at `panel` or, with own, in a place of its own. */
static void place_linear(oc_bert *b, oc_arena *a, oc__linear *lin, oc_kind kind, int32_t l,
                         bool own, void *panel)
{
    const oc_param *p = oc_layout_at(&b->m->layout, kind, l);
    oc_kind bias = (oc_kind)(kind + 1); // OC_KIND_LIST keeps a bias behind its matrix
    const oc_weight *w = oc_model_at(b->m, kind, l);
    *lin = (oc__linear){.w = w->f32, .wq = w->q, .I = p->cols, .O = p->rows};
    lin->bias = oc_model_at(b->m, bias, l)->f32;
    lin->param = (int32_t)(p - b->m->layout.param);
    lin->param_bias = lin->param + 1;
    bool x6 = oc_bert_on_unit(&b->m->dims, kind, l);
    if (lin->wq)
        lin->s8 = (oc_packed_s8){
            .panel = own ? OC_PUSH(a, int8_t, oc_pack_s8_bytes(p->cols, p->rows)) : panel,
            .scale = w->scale,
            .K = p->cols,
            .N = p->rows,
            .Kp = round_up(p->cols, 32)};
    else
        lin->f32 = (oc_packed_f32){
            .panel = own ? OC_PUSH(a, float, oc_pack_f32_floats(p->cols, p->rows, x6)) : panel,
            .K = p->cols,
            .N = p->rows,
            .x6 = x6};
}

/* `n` neighbours among q, k, v, the first of which is `first`, as one product. */
static oc__linear join(const oc__layer *y, const oc__linear *first, int n, int64_t at)
{
    oc__linear all = *first;
    all.w = NULL;
    all.wq = NULL;
    all.O = n * y->W;
    all.bias = y->bias3 ? y->bias3 + at : NULL;
    all.f32.N = all.s8.N = all.O;
    all.s8.scale = y->scale3 ? y->scale3 + at : NULL;
    return all;
}

static size_t packed_bytes(const oc_bert *b, oc_kind kind, int32_t l)
{
    const oc_param *p = oc_layout_at(&b->m->layout, kind, l);
    if (oc_model_at(b->m, kind, l)->q)
        return oc_pack_s8_bytes(p->cols, p->rows);
    return (size_t)oc_pack_f32_floats(p->cols, p->rows, oc_bert_on_unit(&b->m->dims, kind, l)) *
           sizeof(float);
}

/* Bytes a forward pass reads of its layers' packed weights. */
static size_t layer_bytes(const oc_bert *b)
{
    size_t bytes = 0;
    for (int32_t l = 0; l < b->m->dims.L; l++)
        for (int32_t i = 0; i < b->m->layout.n; i++) {
            const oc_param *p = &b->m->layout.param[i];
            if (p->layer == l && oc_kind_is_matrix(p->kind))
                bytes += packed_bytes(b, p->kind, l);
        }
    return bytes;
}

/* Room for n matrices from `first` on (their biases lie between them) of any layer. */
static char *place_widest(const oc_bert *b, oc_arena *a, oc_kind first, int n)
{
    size_t most = 0;
    for (int32_t l = 0; l < b->m->dims.L; l++) {
        size_t bytes = 0;
        for (int i = 0; i < n; i++)
            bytes += packed_bytes(b, (oc_kind)(first + 2 * i), l);
        most = OC_MAX(most, bytes);
    }
    return OC_PUSH(a, char, most);
}

static void place_qkv(oc_bert *b, oc_arena *a, int32_t l)
{
    oc__layer *y = &b->layer[l];
    const oc_weight *w[3] = {oc_model_at(b->m, OC_P_Q_W, l), oc_model_at(b->m, OC_P_K_W, l),
                             oc_model_at(b->m, OC_P_V_W, l)};
    bool s8 = w[0]->q != NULL;
    // queries of [CLS] rows are a product of their own; others must lie as keys and values do
    y->together = s8 == (w[1]->q != NULL) && s8 == (w[2]->q != NULL) &&
                  (s8 || oc__is_cls(b, l) || oc_bert_on_unit(&b->m->dims, OC_P_Q_W, l));
    const oc_kind kinds[3] = {OC_P_Q_W, OC_P_K_W, OC_P_V_W};
    oc__linear *each[3] = {&y->q, &y->k, &y->v};
    size_t bytes[4] = {0};
    for (int i = 0; i < 3; i++)
        bytes[i + 1] = bytes[i] + packed_bytes(b, kinds[i], l);
    char *at = b->pack_qkv;
    if (!b->when_met && y->together)
        at = OC_PUSH(a, char, bytes[3]);
    for (int i = 0; i < 3; i++)
        place_linear(b, a, each[i], kinds[i], l, !y->together, at ? at + bytes[i] : NULL);
    y->bias3 = OC_PUSH(a, float, 3 * y->W);
    y->scale3 = s8 ? OC_PUSH(a, float, 3 * y->W) : NULL;
    y->qkv = join(y, &y->q, 3, 0);
    y->kv = join(y, &y->k, 2, y->W);
}

static void place_weights(oc_bert *b, oc_arena *a)
{
    bool own = !b->when_met;
    if (b->when_met) {
        b->pack_qkv = place_widest(b, a, OC_P_Q_W, 3);
        b->pack_o = place_widest(b, a, OC_P_O_W, 1);
        b->pack_f1 = place_widest(b, a, OC_P_F1_W, 1);
        b->pack_f2 = place_widest(b, a, OC_P_F2_W, 1);
    }
    for (int32_t l = 0; l < b->m->dims.L; l++) {
        oc__layer *y = &b->layer[l];
        place_qkv(b, a, l);
        place_linear(b, a, &y->o, OC_P_O_W, l, own, b->pack_o);
        place_linear(b, a, &y->f1, OC_P_F1_W, l, own, b->pack_f1);
        place_linear(b, a, &y->f2, OC_P_F2_W, l, own, b->pack_f2);
        y->ln1_g = norm_of(b->m, OC_P_LN1_G, l);
        y->ln1_b = norm_of(b->m, OC_P_LN1_B, l);
        y->ln2_g = norm_of(b->m, OC_P_LN2_G, l);
        y->ln2_b = norm_of(b->m, OC_P_LN2_B, l);
    }
    place_linear(b, a, &b->pool, OC_P_POOL_W, -1, true, NULL);
    place_linear(b, a, &b->cls, OC_P_CLS_W, -1, true, NULL);
    b->emb_g = norm_of(b->m, OC_P_EMB_LN_G, -1);
    b->emb_b = norm_of(b->m, OC_P_EMB_LN_B, -1);
}

/* Queries, keys and values of a layer lie in qkv [N,3W]; queries apart where those are [CLS] rows. */
static void point_qkv(oc__layer *y, float *qkv, float *cls_q)
{
    y->qx = cls_q ? cls_q : qkv;
    y->kx = qkv ? qkv + y->W : NULL;
    y->vx = qkv ? qkv + 2 * y->W : NULL;
    y->ld_q = cls_q ? y->W : y->ld;
}

/* One layer's own buffers. */
static void place_layer(oc_bert *b, oc_arena *a, oc__layer *y, bool cls)
{
    int64_t N = b->lim.max_N, H = b->m->dims.H, R = cls ? b->lim.max_B : N;
    y->xr = cls ? OC_PUSH(a, float, R *H) : y->x;
    float *qkv = OC_PUSH(a, float, N * y->ld);
    point_qkv(y, qkv, cls ? OC_PUSH(a, float, R * y->W) : NULL);
    y->c = OC_PUSH(a, float, R * y->AD);
    y->ld_c = y->AD;
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

/* Largest matrix backward packs. */
static int64_t pack_floats(const oc_dims *d, widths w)
{
    int64_t floats = 0, wide[4] = {d->H, w.AD, w.F, d->K};
    for (int i = 0; i < 4; i++) {
        floats = OC_MAX(floats, oc_pack_f32_floats(wide[i], d->H, true));
        floats = OC_MAX(floats, oc_pack_f32_floats(d->H, wide[i], true));
    }
    return floats;
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
    b->pack = OC_PUSH(a, float, pack_floats(d, w));
    b->tn_scratch = OC_PUSH(a, float, b->workers *oc_gemm_tn_floats());
    b->ln_part = OC_PUSH(a, float, (N + OC__ROW_GRAIN - 1) / OC__ROW_GRAIN * 2 * H);
}

/* One set for all layers; with keep_hidden each layer's output stays. */
static void place_inference(oc_bert *b, oc_arena *a, widths w)
{
    const oc_dims *d = &b->m->dims;
    int64_t N = b->lim.max_N, B = b->lim.max_B, H = d->H;
    float *x = OC_PUSH(a, float, N *H), *qkv = OC_PUSH(a, float, N * 3 * w.W);
    float *cls_x = b->cls_only ? OC_PUSH(a, float, B *H) : NULL;
    float *cls_q = b->cls_only ? OC_PUSH(a, float, B *w.W) : NULL;
    b->e = x;
    for (int32_t l = 0; l < d->L; l++) {
        oc__layer *y = &b->layer[l];
        bool cls = oc__is_cls(b, l);
        y->x = l ? b->layer[l - 1].out : x;
        y->xr = cls ? cls_x : y->x;
        point_qkv(y, qkv, cls ? cls_q : NULL);
        y->c = y->qx;
        y->ld_c = y->ld_q;
        y->out = b->lim.keep_hidden ? OC_PUSH(a, float, N *H) : x;
    }
}

/* What each worker keeps of a block of rows. */
static void place_blocks(oc_bert *b, oc_arena *a, widths w)
{
    int64_t R = OC__BLOCK_ROWS, H = b->m->dims.H;
    b->block = OC_PUSH(a, oc__block, b->workers);
    for (int i = 0; i < b->workers && !b->lim.train; i++) {
        oc__block k = {.s = OC_PUSH(a, float, R *H),
                       .y = OC_PUSH(a, float, R *H),
                       .g = OC_PUSH(a, float, R *w.F)};
        if (!oc_model_is_f32(b->m)) {
            k.xq = OC_PUSH(a, int8_t, R * round_up(w.I, 32));
            k.xs = OC_PUSH(a, float, R);
        }
        if (b->block)
            b->block[i] = k;
    }
}

static void place(oc_bert *b, oc_arena *a)
{
    const oc_dims *d = &b->m->dims;
    int64_t B = b->lim.max_B, H = d->H;
    widths w = widest(b->m);
    for (int32_t l = 0; l < d->L; l++) {
        b->layer[l].A = d->A[l];
        b->layer[l].AD = (int64_t)d->A[l] * d->D;
        b->layer[l].F = d->F[l];
        b->layer[l].W = padded(b->m, l);
        // The same rows for all layers that share qkv: a block's new keys lie where its own old
        // ones lay, not on another block's context.
        b->layer[l].ld = 3 * (b->lim.train ? b->layer[l].W : w.W);
    }
    place_weights(b, a);
    if (b->lim.train)
        place_training(b, a, w);
    else
        place_inference(b, a, w);
    b->cls_rows = b->cls_only ? b->layer[d->L - 1].out : OC_PUSH(a, float, B *H);
    b->pooled = OC_PUSH(a, float, B *H);
    b->pooled_drop = b->lim.train ? OC_PUSH(a, float, B *H) : b->pooled;
    place_blocks(b, a, w);
    b->attn_floats = oc__attn_floats(b->lim.max_T, d->D, b->lim.train);
    if (oc_model_attn_is_s8(b->m, 0) && !b->lim.train)
        b->attn_floats = OC_MAX(b->attn_floats, oc__attn_s8_floats(b->lim.max_T, d->D));
    b->attn_scratch = OC_PUSH(a, float, b->workers * b->attn_floats);
}

static oc_bert describe(const oc_model *m, const oc_limits *lim, bool when_met)
{
    oc_bert b = {.m = m, .lim = *lim, .cls_only = !lim->keep_hidden, .when_met = when_met};
    b.far = layer_bytes(&b) > FAR_BYTES;
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

/* What they are; what they hold is looked at when they are packed. */
static oc_status check_weights(const oc_model *m, const oc_limits *lim, oc_err *err)
{
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
    oc_bert b = describe(m, lim, lim->train);
    oc_arena a = OC_ARENA_PLAN;
    place(&b, &a);
    return a.used + sizeof b;
}

/* Planned and placed, not packed. */
static oc_status make(const oc_model *m, const oc_limits *lim, bool when_met, oc_bert **out,
                      oc_err *err)
{
    OC_TRY(check_limits(m, lim, err));
    OC_TRY(check_weights(m, lim, err));
    oc_bert *b = oc_calloc(1, sizeof *b);
    if (!b)
        return OC_FAIL(err, OC_NOMEM, "out of memory: %zu bytes were needed", sizeof *b);
    *b = describe(m, lim, when_met);
    oc_arena plan = OC_ARENA_PLAN;
    place(b, &plan);
    if (oc_arena_init(&b->arena, plan.used, NULL) != OC_OK) {
        oc_free(b);
        return OC_FAIL(err, OC_NOMEM,
                       "out of memory: a batch of %lld rows, %lld tokens a note, needs %zu bytes",
                       (long long)lim->max_N, (long long)lim->max_T, plan.used + sizeof *b);
    }
    place(b, &b->arena);
    *out = b;
    return OC_OK;
}

/* Which weight it was that packing found to be no number. */
static oc_status refuse_weights(const oc_model *m, oc_err *err)
{
    OC_TRY(oc_model_check(m, err));
    return OC_FAIL(err, OC_IO, "%s changed while it was read", m->from ? m->from : "the model");
}

oc_status oc_bert_new(const oc_model *m, const oc_limits *lim, oc_bert **out, oc_err *err)
{
    oc_bert *b;
    OC_TRY(make(m, lim, lim->train, &b, err));
    bool sound = oc__look_at_rest(m);
    for (int32_t l = -1; !lim->train && sound && l < m->dims.L; l++)
        sound = oc__pack_layer(b, l);
    // What is trained owns its weights, which were looked at when it took them.
    if (!sound || (lim->train && oc_model_check(m, NULL) != OC_OK)) {
        oc_bert_free(b);
        return refuse_weights(m, err);
    }
    b->lim.watch = NULL;
    *out = b;
    return OC_OK;
}

oc_status oc_bert_once(const oc_model *m, const oc_batch *batch, const oc_pack_watch *watch,
                       float *logits, oc_err *err)
{
    oc_limits lim = {.max_B = batch->B, .max_N = batch->N, .watch = watch};
    for (int64_t i = 0; i < batch->B; i++)
        lim.max_T = OC_MAX(lim.max_T, batch->start[i + 1] - batch->start[i]);
    oc_bert *b;
    OC_TRY(make(m, &lim, true, &b, err));
    oc_status st = oc_batch_check(batch, &m->dims, &lim, err);
    if (st == OC_OK && !(oc__look_at_rest(m) && oc__forward(b, batch, NULL, logits)))
        st = refuse_weights(m, err);
    oc_bert_free(b);
    return st;
}

void oc_bert_observe(oc_bert *b, oc_bert_observer fn, void *ctx)
{
    b->observe = fn;
    b->observe_ctx = ctx;
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
