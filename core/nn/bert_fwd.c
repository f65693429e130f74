#include <string.h>

#include "core/base/par.h"
#include "core/nn/bert_internal.h"

/* --- linear layers ------------------------------------------------------------------------- */

/* The input of linear layers: n rows of K floats, or the same quantized. */
typedef struct input {
    const float *x;
    int64_t ld, n;
    const oc__block *q; /* holds it quantized when a layer needs that */
} input;

static input input_of(const float *x, int64_t ld, int64_t n, const oc__block *q)
{
    return (input){x, ld, n, q};
}

/* Quantize row i of a block. */
static void quantize(const oc__block *q, int64_t i, const float *x, const oc__linear *lin)
{
    oc_k->quantize_row(x, lin->I, lin->s8.Kp, q->xq + i * lin->s8.Kp, q->xs + i);
}

static void quantize_rows(const input *in, const oc__linear *lin)
{
    for (int64_t i = 0; lin->s8.panel && i < in->n; i++)
        quantize(in->q, i, in->x + i * in->ld, lin);
}

/*
 * act_out = act(C = x W^T + b), rows of both ldc apart. With an activation C keeps the
 * pre-activation when they differ (f32 only: the integer path is never trained). Inputs of the
 * integer path are quantized already.
 */
static void apply(const input *in, const oc__linear *lin, oc_epilogue act, float *C, int64_t ldc,
                  float *act_out)
{
    if (lin->s8.panel)
        oc_gemm_qd8_qc8w_f32(in->n, in->q->xq, in->q->xs, &lin->s8, lin->bias, act, act_out, ldc);
    else
        oc_gemm_f32(in->n, lin->O, lin->I, in->x, in->ld, &lin->f32, false, lin->bias, act, C, ldc,
                    act_out);
}

static void show(const oc_bert *b, const input *in, const oc__linear *lin)
{
    if (b->observe)
        b->observe(b->observe_ctx, lin->param, in->x, in->ld, in->n, lin->I);
}

/* --- blocks of rows -------------------------------------------------------------------------- */

/* What the pieces of one loop over rows know. */
typedef struct chain {
    oc_bert *b;
    int32_t l; /* the layer whose attention is done; -1: the embeddings */
    const oc_batch *batch;
    const oc_dropout *drop;
    oc__rows rows;
    float *logits;
} chain;

/*
 * Run fn over n rows. Workers with a block each; blocks of a worker follow each other so that all
 * end together. So few rows that blocks would be thin stay together, and their products deal columns:
 * already those of one block, where weights come from beyond all caches and would come once for each
 * worker (BERT-base, f32 on AMX, 128 tokens, two threads: 107 -> 71 ms; what L3 holds gains
 * nothing).
 */
static void run_rows(chain *j, int64_t n, oc_par_fn fn)
{
    int64_t workers = oc_par_workers();
    if (j->b->observe) { // who looks is not called by several workers at once
        for (int64_t i = 0; i < n; i += OC__BLOCK_ROWS)
            fn(j, i, OC_MIN(i + OC__BLOCK_ROWS, n), 0);
        return;
    }
    if (n <= OC__BLOCK_ROWS && (n < 8 * workers || j->b->far)) {
        fn(j, 0, n, 0);
        return;
    }
    int64_t blocks = (n + workers * OC__BLOCK_ROWS - 1) / (workers * OC__BLOCK_ROWS) * workers;
    int64_t whole = oc_k->qmr >= 16 ? 16 : 4; // rows that a tile wastes none of
    int64_t grain = ((n + blocks - 1) / blocks + whole - 1) / whole * whole;
    oc_par_for(n, OC_MIN(grain, OC__BLOCK_ROWS), fn, j);
}

/* --- embeddings ---------------------------------------------------------------------------- */

/* y (+)= row i of an embedding table. */
static void add_row(const oc_weight *w, int64_t i, int64_t H, bool first, float *y)
{
    if (w->f32) {
        if (first)
            memcpy(y, w->f32 + i * H, (size_t)H * sizeof *y);
        else
            oc_k->axpy(1.0f, w->f32 + i * H, y, H);
        return;
    }
    if (first)
        memset(y, 0, (size_t)H * sizeof *y);
    oc_k->add_s8(w->scale[i], w->q + i * H, H, y);
}

/* The note that row r belongs to. */
static int64_t note_of(const oc_batch *batch, int64_t r)
{
    int64_t a = 0, z = batch->B - 1; // the last note that starts at or before r
    while (a < z) {
        int64_t mid = a + (z - a + 1) / 2;
        if (batch->start[mid] <= r)
            a = mid;
        else
            z = mid - 1;
    }
    return a;
}

/* Rows [begin, end), which may begin and end inside notes. */
static void embed(const chain *j, int64_t begin, int64_t end)
{
    oc_bert *b = j->b;
    const oc_model *m = b->m;
    const oc_weight *word = oc_model_at(m, OC_P_WORD, -1), *pos = oc_model_at(m, OC_P_POS, -1);
    const oc_weight *type = oc_model_at(m, OC_P_TYPE, -1);
    const int32_t *start = j->batch->start, *types = j->batch->types;
    int64_t H = m->dims.H, words = oc__drop_words(H), note = note_of(j->batch, begin);
    oc__drop drop = oc__drop_at(j->drop, m->dims.p_hidden, -1, OC__SITE_EMB);
    for (int64_t r = begin; r < end; r++) {
        while (r >= start[note + 1])
            note++;
        float *e = b->e + r * H, *x = b->layer[0].x + r * H;
        add_row(word, j->batch->ids[r], H, true, e);
        if (type)
            add_row(type, types ? types[r] : 0, H, false, e);
        add_row(pos, r - start[note], H, false, e);
        oc_k->layernorm_row(e, b->emb_g, b->emb_b, H, m->dims.eps, x,
                            b->mean0 ? b->mean0 + r : NULL, b->rstd0 ? b->rstd0 + r : NULL);
        if (drop.off)
            oc__drop_row(&drop, r * words, H, x, x);
    }
}

/* --- residual and LayerNorm ---------------------------------------------------------------- */

/* s = x + Dropout(s);  y = LN(s), each row of a block that begins at row r0. */
typedef struct norm {
    float *s, *y, *mean, *rstd; /* mean, rstd: NULL in inference */
    const float *x, *g, *b;
    oc__drop drop;
    const oc__linear *next; /* y is quantized for it, if it is s8 */
} norm;

static void add_norm(const chain *j, const oc__block *k, int64_t r0, int64_t n, norm a)
{
    const oc_dims *d = &j->b->m->dims;
    int64_t H = d->H, words = oc__drop_words(H);
    for (int64_t i = 0; i < n; i++) {
        float *s = a.s + i * H, *y = a.y + i * H;
        if (a.drop.off)
            oc__drop_row(&a.drop, oc__row_at(&j->rows, r0 + i) * words, H, s, s);
        oc_k->axpy(1.0f, a.x + i * H, s, H);
        oc_k->layernorm_row(s, a.g, a.b, H, d->eps, y, a.mean ? a.mean + r0 + i : NULL,
                            a.rstd ? a.rstd + r0 + i : NULL);
        if (a.next && a.next->s8.panel)
            quantize(k, i, y, a.next);
    }
}

/* --- layers -------------------------------------------------------------------------------- */

static void gather_rows(const float *x, const oc__rows *rows, int64_t H, float *out)
{
    for (int64_t i = 0; i < rows->n; i++)
        memcpy(out + i * H, x + oc__row_at(rows, i) * H, (size_t)H * sizeof *x);
}

/* Queries, keys and values of rows [begin, end) of x; where only [CLS] rows go on, without their
 * queries. */
static void project(oc_bert *b, int32_t l, const oc__block *k, int64_t begin, int64_t end)
{
    const oc__layer *y = &b->layer[l];
    bool cls = oc__is_cls(b, l);
    int64_t H = b->m->dims.H, at = begin * y->ld;
    input x = input_of(y->x + begin * H, H, end - begin, k);
    const oc__linear *each[3] = {&y->q, &y->k, &y->v}, *all = cls ? &y->kv : &y->qkv;
    float *to[3] = {y->qx, y->kx, y->vx};
    for (int i = cls; i < 3; i++)
        show(b, &x, each[i]);
    if (y->together) {
        quantize_rows(&x, all);
        apply(&x, all, OC_EPI_NONE, to[cls] + at, y->ld, to[cls] + at);
        return;
    }
    for (int i = cls; i < 3; i++) {
        quantize_rows(&x, each[i]);
        apply(&x, each[i], OC_EPI_NONE, to[i] + at, y->ld, to[i] + at);
    }
}

static void begin_rows(void *ctx, int64_t begin, int64_t end, int worker)
{
    const chain *j = ctx;
    embed(j, begin, end);
    project(j->b, 0, &j->b->block[worker], begin, end);
}

/* From the context of layer l to its output, and on to q, k and v of the next. */
static void layer_rows(void *ctx, int64_t begin, int64_t end, int worker)
{
    const chain *j = ctx;
    oc_bert *b = j->b;
    const oc__layer *y = &b->layer[j->l];
    const oc__block *k = &b->block[worker];
    const oc_dims *d = &b->m->dims;
    int64_t n = end - begin, H = d->H, at = begin * H;
    bool train = b->lim.train;
    float *s1 = train ? y->s1 + at : k->s, *yy = train ? y->y + at : k->y;
    float *s2 = train ? y->s2 + at : k->s;
    float *g = train ? y->g + begin * y->F : k->g, *u = train ? y->u + begin * y->F : k->g;

    input c = input_of(y->c + begin * y->ld_c, y->ld_c, n, k);
    show(b, &c, &y->o);
    quantize_rows(&c, &y->o);
    apply(&c, &y->o, OC_EPI_NONE, s1, H, s1);
    add_norm(j, k, begin, n,
             (norm){.s = s1,
                    .y = yy,
                    .mean = y->mean1,
                    .rstd = y->rstd1,
                    .x = y->xr + at,
                    .g = y->ln1_g,
                    .b = y->ln1_b,
                    .next = &y->f1,
                    .drop = oc__drop_at(j->drop, oc__p_attn_out(d), j->l, OC__SITE_ATTN_OUT)});
    input in = input_of(yy, H, n, k);
    show(b, &in, &y->f1);
    apply(&in, &y->f1, b->act, u, y->F, g);
    input wide = input_of(g, y->F, n, k);
    show(b, &wide, &y->f2);
    quantize_rows(&wide, &y->f2);
    apply(&wide, &y->f2, OC_EPI_NONE, s2, H, s2);
    add_norm(j, k, begin, n,
             (norm){.s = s2,
                    .y = y->out + at,
                    .mean = y->mean2,
                    .rstd = y->rstd2,
                    .x = yy,
                    .g = y->ln2_g,
                    .b = y->ln2_b,
                    .drop = oc__drop_at(j->drop, d->p_hidden, j->l, OC__SITE_FFN_OUT)});
    if (j->l + 1 < d->L)
        project(b, j->l + 1, k, begin, end);
}

/* [CLS] rows of the last layer's input and their queries. */
static void cls_rows(void *ctx, int64_t begin, int64_t end, int worker)
{
    const chain *j = ctx;
    const oc__layer *y = &j->b->layer[j->l];
    int64_t H = j->b->m->dims.H;
    oc__rows rows = {end - begin, j->batch->start + begin};
    gather_rows(y->x, &rows, H, y->xr + begin * H);
    input x = input_of(y->xr + begin * H, H, end - begin, &j->b->block[worker]);
    show(j->b, &x, &y->q);
    quantize_rows(&x, &y->q);
    apply(&x, &y->q, OC_EPI_NONE, y->qx + begin * y->ld_q, y->ld_q, y->qx + begin * y->ld_q);
}

static void classify_rows(void *ctx, int64_t begin, int64_t end, int worker)
{
    const chain *j = ctx;
    oc_bert *b = j->b;
    const oc_dims *d = &b->m->dims;
    int64_t H = d->H, words = oc__drop_words(H), n = end - begin;
    float *pooled = b->pooled + begin * H, *dropped = b->pooled_drop + begin * H;
    float *logits = j->logits + begin * d->K;
    oc__rows first = {n, j->batch->start + begin};
    if (!b->cls_only)
        gather_rows(b->layer[d->L - 1].out, &first, H, b->cls_rows + begin * H);
    input x = input_of(b->cls_rows + begin * H, H, n, &b->block[worker]);
    show(b, &x, &b->pool);
    quantize_rows(&x, &b->pool);
    apply(&x, &b->pool, b->pool_act, pooled, H, pooled);
    oc__drop mask = oc__drop_at(j->drop, d->p_cls, -1, OC__SITE_CLS);
    for (int64_t i = 0; b->lim.train && i < n; i++) {
        if (mask.off)
            oc__drop_row(&mask, (begin + i) * words, H, pooled + i * H, dropped + i * H);
        else
            memcpy(dropped + i * H, pooled + i * H, (size_t)H * sizeof *dropped);
    }
    input p = input_of(dropped, H, n, &b->block[worker]);
    show(b, &p, &b->cls);
    quantize_rows(&p, &b->cls);
    apply(&p, &b->cls, OC_EPI_NONE, logits, d->K, logits);
}

bool oc__forward(oc_bert *b, const oc_batch *batch, const oc_dropout *drop, float *logits)
{
    OC_CHECK(batch->B <= b->lim.max_B && batch->N <= b->lim.max_N);
    OC_CHECK(oc_par_workers() <= b->workers);
    chain j = {.b = b, .batch = batch, .drop = b->lim.train ? drop : NULL, .logits = logits};
    if (b->when_met && !oc__pack_layer(b, -1))
        return false;
    run_rows(&j, batch->N, begin_rows);
    for (j.l = 0; j.l < b->m->dims.L; j.l++) {
        j.rows = oc__rows_of(b, batch, j.l);
        if (j.rows.at)
            run_rows(&j, batch->B, cls_rows);
        oc__attn_forward(b, j.l, batch, j.drop);
        if (b->when_met && !oc__pack_layer(b, j.l))
            return false;
        run_rows(&j, j.rows.n, layer_rows);
    }
    run_rows(&j, batch->B, classify_rows);
    return true;
}

void oc_bert_forward(oc_bert *b, const oc_batch *batch, const oc_dropout *drop, float *logits)
{
    OC_CHECK(oc__forward(b, batch, drop, logits));
}
