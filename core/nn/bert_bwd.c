/*
 * Backward of core/nn/bert_fwd.c, line by line in reverse; each step quotes the line it
 * differentiates. dx of a value x.
 *
 * Sums over rows (biases, LayerNorm gains, embedding rows) run in a fixed order: bias and embedding
 * gradients go through the rows in order, a strip of columns to a worker; LayerNorm gradients
 * are summed over fixed chunks of rows, then over the chunks in order.
 */
#include <string.h>

#include "core/base/par.h"
#include "core/kernels/gemm_tn.h"
#include "core/nn/bert_internal.h"

#define STRIP 32 /* columns of one piece of a sum over rows */

/* --- linear layers ------------------------------------------------------------------------- */

static float *grad_of(const oc_bert *b, float *grad, int32_t param)
{
    return grad + b->m->layout.param[param].offset;
}

/* y = x W^T + b for n rows:  dW += dy^T x,  db += sum of the rows of dy. */
static void weight_grad(oc_bert *b, const oc__linear *lin, const float *dy, const float *x,
                        int64_t n, float *grad)
{
    oc_gemm_tn_f32(n, lin->O, lin->I, dy, lin->O, x, lin->I, grad_of(b, grad, lin->param),
                   grad_of(b, grad, lin->param_bias), b->tn_scratch);
}

/* y = x W^T + b:  dx (+)= dy W. */
static void input_grad(oc_bert *b, const oc__linear *lin, const float *dy, int64_t n,
                       bool accumulate, float *dx)
{
    int64_t O = lin->O, I = lin->I;
    oc_packed_f32 W = {.panel = b->pack, .K = O, .N = I, .x6 = lin->f32.x6};
    oc_pack_f32((oc_mat){lin->w, I, 1}, &W);
    oc_gemm_f32(n, I, O, dy, O, &W, accumulate, NULL, OC_EPI_NONE, dx, I, NULL);
}

/* --- LayerNorm, dropout, activation -------------------------------------------------------- */

typedef struct norm_job {
    float *d;           /* in: dy, out: dx [n,H] */
    const float *x, *g; /* forward input, gain */
    const float *mean, *rstd;
    float *d_drop;          /* out: mask * dx, for the branch under a dropout; NULL: none */
    oc__drop before, after; /* mask applied to dy first; mask of d_drop */
    oc__rows rows;
    int64_t H, words;
    float *part; /* [chunks][2H] */
    float *dg, *db;
} norm_job;

static void norm_chunk(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const norm_job *j = ctx;
    int64_t H = j->H;
    float *part = j->part + begin / OC__ROW_GRAIN * 2 * H;
    memset(part, 0, (size_t)(2 * H) * sizeof *part);
    for (int64_t r = begin; r < end; r++) {
        float *d = j->d + r * H;
        int64_t word = oc__row_at(&j->rows, r) * j->words;
        if (j->before.off)
            oc__drop_row(&j->before, word, H, d, d);
        oc_k->layernorm_bwd_row(d, j->x + r * H, j->g, j->mean[r], j->rstd[r], H, d, part,
                                part + H);
        if (j->after.off)
            oc__drop_row(&j->after, word, H, d, j->d_drop + r * H);
    }
}

static void norm_sum(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const norm_job *j = ctx;
    int64_t chunks = (j->rows.n + OC__ROW_GRAIN - 1) / OC__ROW_GRAIN;
    for (int64_t c = 0; c < chunks; c++) {
        const float *part = j->part + c * 2 * j->H;
        oc_k->axpy(1.0f, part + begin, j->dg + begin, end - begin);
        oc_k->axpy(1.0f, part + j->H + begin, j->db + begin, end - begin);
    }
}

/* y = LN(x) over rows, in place in j.d; gain and bias are parameters `param` and `param` + 1. */
static void norm_backward(oc_bert *b, norm_job j, oc_kind gain, int32_t l, float *grad)
{
    j.H = b->m->dims.H;
    j.words = oc__drop_words(j.H);
    j.part = b->ln_part;
    j.dg = grad + oc_layout_at(&b->m->layout, gain, l)->offset;
    j.db = j.dg + j.H; // OC_KIND_LIST keeps a LayerNorm's bias behind its gain
    oc_par_for(j.rows.n, OC__ROW_GRAIN, norm_chunk, &j);
    oc_par_for(j.H, STRIP, norm_sum, &j);
}

typedef struct act_job {
    oc_epilogue act;
    float *d;
    const float *x;
    int64_t width;
} act_job;

static void act_rows(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const act_job *j = ctx;
    int64_t at = begin * j->width;
    oc_k->act_bwd_row(j->act, j->d + at, j->x + at, (end - begin) * j->width, j->d + at);
}

/* --- layers -------------------------------------------------------------------------------- */

/* d [R,H]: in the gradient of out, after: of y. */
static void feed_forward_backward(oc_bert *b, int32_t l, const oc__rows *rows,
                                  const oc_dropout *drop, float *d, float *grad)
{
    const oc__layer *y = &b->layer[l];
    int64_t R = rows->n;
    oc__drop mask = oc__drop_at(drop, b->m->dims.p_hidden, l, OC__SITE_FFN_OUT);
    float *dh = mask.off ? b->d_drop : d;

    // out = LN2(s2), s2 = y + Dropout(g W2^T + b2)
    norm_backward(b,
                  (norm_job){.d = d,
                             .x = y->s2,
                             .g = y->ln2_g,
                             .mean = y->mean2,
                             .rstd = y->rstd2,
                             .d_drop = dh,
                             .after = mask,
                             .rows = *rows},
                  OC_P_LN2_G, l, grad);
    weight_grad(b, &y->f2, dh, y->g, R, grad);
    input_grad(b, &y->f2, dh, R, false, b->d_wide);

    // g = act(u)
    act_job act = {b->act, b->d_wide, y->u, y->F};
    oc_par_for(R, OC__ROW_GRAIN, act_rows, &act);

    // u = y W1^T + b1; y also goes straight into s2, whose gradient d holds already
    weight_grad(b, &y->f1, b->d_wide, y->y, R, grad);
    input_grad(b, &y->f1, b->d_wide, R, true, d);
}

/* k = x Wk^T + bk, v likewise, q = xr Wq^T + bq;  dx of all N rows from d [R,H], that of s1. */
static void projections_backward(oc_bert *b, int32_t l, const oc_batch *batch, const oc__rows *rows,
                                 float *d, float *grad)
{
    const oc__layer *y = &b->layer[l];
    int64_t N = batch->N, H = b->m->dims.H;
    const float *dq = b->d_wide;
    weight_grad(b, &y->k, b->d_k, y->x, N, grad);
    weight_grad(b, &y->v, b->d_v, y->x, N, grad);
    weight_grad(b, &y->q, dq, y->xr, rows->n, grad);

    // x also goes straight into s1, whose gradient d holds already
    input_grad(b, &y->q, dq, rows->n, true, d);
    input_grad(b, &y->k, b->d_k, N, !rows->at, b->d);
    input_grad(b, &y->v, b->d_v, N, true, b->d);
    for (int64_t i = 0; rows->at && i < rows->n; i++)
        oc_k->axpy(1.0f, d + i * H, b->d + rows->at[i] * H, H);
}

/* d [R,H]: in the gradient of y; b->d [N,H]: out the gradient of x. */
static void attention_backward(oc_bert *b, int32_t l, const oc_batch *batch, const oc__rows *rows,
                               const oc_dropout *drop, float *d, float *grad)
{
    const oc__layer *y = &b->layer[l];
    oc__drop mask = oc__drop_at(drop, oc__p_attn_out(&b->m->dims), l, OC__SITE_ATTN_OUT);
    float *dh = mask.off ? b->d_drop : d;

    // y = LN1(s1), s1 = xr + Dropout(c Wo^T + bo)
    norm_backward(b,
                  (norm_job){.d = d,
                             .x = y->s1,
                             .g = y->ln1_g,
                             .mean = y->mean1,
                             .rstd = y->rstd1,
                             .d_drop = dh,
                             .after = mask,
                             .rows = *rows},
                  OC_P_LN1_G, l, grad);
    weight_grad(b, &y->o, dh, y->c, rows->n, grad);
    input_grad(b, &y->o, dh, rows->n, false, b->d_wide);

    // c = Dropout(softmax(q k^T / sqrt(D))) v
    oc__attn_backward(b, l, batch, drop, b->d_wide, b->d_k, b->d_v);
    projections_backward(b, l, batch, rows, d, grad);
}

/* --- both ends ----------------------------------------------------------------------------- */

/* Leaves the gradient of the pooler's rows in b->d_cls. */
static void classify_backward(oc_bert *b, const oc_batch *batch, const oc_dropout *drop,
                              const float *dlogits, float *grad)
{
    const oc_dims *d = &b->m->dims;
    int64_t B = batch->B, H = d->H, words = oc__drop_words(H);
    oc__drop mask = oc__drop_at(drop, d->p_cls, -1, OC__SITE_CLS);

    // logits = Dropout(pooled) Wc^T + bc
    weight_grad(b, &b->cls, dlogits, b->pooled_drop, B, grad);
    input_grad(b, &b->cls, dlogits, B, false, b->d_pool);
    for (int64_t i = 0; mask.off && i < B; i++)
        oc__drop_row(&mask, i * words, H, b->d_pool + i * H, b->d_pool + i * H);

    // pooled = tanh or relu(x_L[CLS] Wp^T + bp): either derivative follows from pooled
    oc_k->act_bwd_row(b->pool_act, b->d_pool, b->pooled, B * H, b->d_pool);
    weight_grad(b, &b->pool, b->d_pool, b->cls_rows, B, grad);
    input_grad(b, &b->pool, b->d_pool, B, false, b->d_cls);
}

typedef struct embed_job {
    const oc_batch *batch;
    const float *d;
    float *word, *pos, *type;
    int64_t H;
} embed_job;

/* e = word[id] + type[t] + pos[p]: each row of d goes into its three table rows, in row order. */
static void embed_strip(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const embed_job *j = ctx;
    const oc_batch *t = j->batch;
    int64_t H = j->H, n = end - begin;
    for (int64_t b = 0; b < t->B; b++) {
        for (int64_t r = t->start[b]; r < t->start[b + 1]; r++) {
            const float *d = j->d + r * H + begin;
            oc_k->axpy(1.0f, d, j->word + t->ids[r] * H + begin, n);
            oc_k->axpy(1.0f, d, j->pos + (r - t->start[b]) * H + begin, n);
            if (j->type)
                oc_k->axpy(1.0f, d, j->type + (t->types ? t->types[r] : 0) * H + begin, n);
        }
    }
}

static void embed_backward(oc_bert *b, const oc_batch *batch, const oc_dropout *drop, float *grad)
{
    const oc_layout *lo = &b->m->layout;
    const oc_param *type = oc_layout_at(lo, OC_P_TYPE, -1);
    // x0 = Dropout(LN(e))
    norm_backward(b,
                  (norm_job){.d = b->d,
                             .x = b->e,
                             .g = b->emb_g,
                             .mean = b->mean0,
                             .rstd = b->rstd0,
                             .rows = {batch->N, NULL},
                             .before = oc__drop_at(drop, b->m->dims.p_hidden, -1, OC__SITE_EMB)},
                  OC_P_EMB_LN_G, -1, grad);
    embed_job j = {.batch = batch,
                   .d = b->d,
                   .word = grad + oc_layout_at(lo, OC_P_WORD, -1)->offset,
                   .pos = grad + oc_layout_at(lo, OC_P_POS, -1)->offset,
                   .type = type ? grad + type->offset : NULL,
                   .H = b->m->dims.H};
    oc_par_for(j.H, STRIP, embed_strip, &j);
}

void oc_bert_backward(oc_bert *b, const oc_batch *batch, const oc_dropout *drop,
                      const float *dlogits, float *grad)
{
    OC_CHECK(b->lim.train && oc_par_workers() <= b->workers);
    int64_t H = b->m->dims.H;
    classify_backward(b, batch, drop, dlogits, grad);
    if (!b->cls_only) { // all rows went on, and only [CLS] rows were read
        memset(b->d, 0, (size_t)(batch->N * H) * sizeof *b->d);
        for (int64_t i = 0; i < batch->B; i++)
            memcpy(b->d + batch->start[i] * H, b->d_cls + i * H, (size_t)H * sizeof *b->d);
    }
    for (int32_t l = b->m->dims.L - 1; l >= 0; l--) {
        oc__rows rows = oc__rows_of(b, batch, l);
        float *d = rows.at ? b->d_cls : b->d;
        feed_forward_backward(b, l, &rows, drop, d, grad);
        attention_backward(b, l, batch, &rows, drop, d, grad);
    }
    embed_backward(b, batch, drop, grad);
}
