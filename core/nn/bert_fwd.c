#include <string.h>

#include "core/base/par.h"
#include "core/nn/bert_internal.h"

/* --- linear layers ------------------------------------------------------------------------- */

/* The input of one or more linear layers: [n, K], quantized once if any of them needs it. */
typedef struct input {
    const float *x;
    int64_t n, K;
    bool quantized;
} input;

typedef struct quant_job {
    const float *x;
    int64_t K, Kp;
    int8_t *q;
    float *scale;
} quant_job;

static void quant_rows(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const quant_job *j = ctx;
    for (int64_t r = begin; r < end; r++)
        oc_k->quantize_row(j->x + r * j->K, j->K, j->Kp, j->q + r * j->Kp, j->scale + r);
}

/*
 * act_out = act(C = x W^T + b). With an activation C keeps the pre-activation when they differ
 * (f32 only: the integer path is never trained).
 */
static void apply(oc_bert *b, input *in, const oc__linear *lin, oc_epilogue act, float *C,
                  float *act_out)
{
    if (lin->wq) {
        if (!in->quantized) {
            quant_job j = {in->x, in->K, lin->s8.Kp, b->xq, b->xs};
            oc_par_for(in->n, OC__ROW_GRAIN, quant_rows, &j);
            in->quantized = true;
        }
        oc_gemm_qd8_qc8w_f32(in->n, b->xq, b->xs, &lin->s8, lin->bias, act, act_out, lin->O);
        return;
    }
    if (b->lim.train)
        oc_pack_f32((oc_mat){lin->w, 1, lin->I}, lin->I, lin->O, lin->f32.panel);
    oc_gemm_f32(in->n, lin->O, lin->I, (oc_mat){in->x, lin->I, 1}, &lin->f32, false, lin->bias, act,
                C, lin->O, act_out, b->gemm_scratch);
}

/* --- embeddings ---------------------------------------------------------------------------- */

typedef struct embed_job {
    oc_bert *b;
    const oc_batch *batch;
    const oc_weight *word, *pos, *type;
    oc__drop drop;
    int64_t words; /* of randomness per row */
} embed_job;

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
    const int8_t *q = w->q + i * H;
    float s = w->scale[i];
    for (int64_t h = 0; h < H; h++)
        y[h] = (first ? 0.0f : y[h]) + s * (float)q[h];
}

static void embed_row(const embed_job *j, int64_t r, int64_t p)
{
    oc_bert *b = j->b;
    int64_t H = b->m->dims.H;
    float *e = b->e + r * H, *x = b->layer[0].x + r * H;
    add_row(j->word, j->batch->ids[r], H, true, e);
    if (j->type)
        add_row(j->type, j->batch->types ? j->batch->types[r] : 0, H, false, e);
    add_row(j->pos, p, H, false, e);
    oc_k->layernorm_row(e, b->emb_g, b->emb_b, H, b->m->dims.eps, x, b->mean0 ? b->mean0 + r : NULL,
                        b->rstd0 ? b->rstd0 + r : NULL);
    if (j->drop.off)
        oc__drop_row(&j->drop, r * j->words, H, x, x);
}

/* Rows [begin, end), which may begin and end inside notes. */
static void embed_rows(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const embed_job *j = ctx;
    const int32_t *start = j->batch->start;
    int64_t a = 0, z = j->batch->B - 1; // the last note that starts at or before `begin`
    while (a < z) {
        int64_t mid = a + (z - a + 1) / 2;
        if (start[mid] <= begin)
            a = mid;
        else
            z = mid - 1;
    }
    for (int64_t r = begin; r < end; r++) {
        while (r >= start[a + 1])
            a++;
        embed_row(j, r, r - start[a]);
    }
}

static void embed(oc_bert *b, const oc_batch *batch, const oc_dropout *drop)
{
    const oc_model *m = b->m;
    embed_job j = {.b = b,
                   .batch = batch,
                   .word = oc_model_at(m, OC_P_WORD, -1),
                   .pos = oc_model_at(m, OC_P_POS, -1),
                   .type = oc_model_at(m, OC_P_TYPE, -1),
                   .drop = oc__drop_at(drop, m->dims.p_hidden, -1, OC__SITE_EMB),
                   .words = oc__drop_words(m->dims.H)};
    oc_par_for(batch->N, OC__ROW_GRAIN, embed_rows, &j);
}

/* --- residual and LayerNorm ---------------------------------------------------------------- */

/* s = x + Dropout(s);  y = LN(s), each row. */
typedef struct norm_job {
    float *s, *y, *mean, *rstd;
    const float *x, *g, *b;
    int64_t H, words;
    float eps;
    oc__drop drop;
    oc__rows rows;
} norm_job;

static void norm_rows(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const norm_job *j = ctx;
    for (int64_t r = begin; r < end; r++) {
        float *s = j->s + r * j->H;
        if (j->drop.off)
            oc__drop_row(&j->drop, oc__row_at(&j->rows, r) * j->words, j->H, s, s);
        oc_k->axpy(1.0f, j->x + r * j->H, s, j->H);
        oc_k->layernorm_row(s, j->g, j->b, j->H, j->eps, j->y + r * j->H,
                            j->mean ? j->mean + r : NULL, j->rstd ? j->rstd + r : NULL);
    }
}

static void add_norm(oc_bert *b, norm_job j)
{
    j.H = b->m->dims.H;
    j.eps = b->m->dims.eps;
    j.words = oc__drop_words(j.H);
    oc_par_for(j.rows.n, OC__ROW_GRAIN, norm_rows, &j);
}

/* --- layers -------------------------------------------------------------------------------- */

static void gather_rows(const float *x, const oc__rows *rows, int64_t H, float *out)
{
    for (int64_t i = 0; i < rows->n; i++)
        memcpy(out + i * H, x + oc__row_at(rows, i) * H, (size_t)H * sizeof *x);
}

static void attention(oc_bert *b, int32_t l, const oc_batch *batch, const oc_dropout *drop)
{
    oc__layer *y = &b->layer[l];
    const oc_dims *d = &b->m->dims;
    oc__rows rows = oc__rows_of(b, batch, l);
    input x = {.x = y->x, .n = batch->N, .K = d->H};
    apply(b, &x, &y->k, OC_EPI_NONE, y->kx, y->kx);
    apply(b, &x, &y->v, OC_EPI_NONE, y->vx, y->vx);
    if (rows.at) { // queries of the [CLS] rows only
        gather_rows(y->x, &rows, d->H, y->xr);
        x = (input){.x = y->xr, .n = rows.n, .K = d->H};
    }
    apply(b, &x, &y->q, OC_EPI_NONE, y->qx, y->qx);
    oc__attn_forward(b, l, batch, drop);
    input c = {.x = y->c, .n = rows.n, .K = y->AD};
    apply(b, &c, &y->o, OC_EPI_NONE, y->s1, y->s1);
    add_norm(b, (norm_job){.s = y->s1,
                           .y = y->y,
                           .mean = y->mean1,
                           .rstd = y->rstd1,
                           .x = y->xr,
                           .g = y->ln1_g,
                           .b = y->ln1_b,
                           .rows = rows,
                           .drop = oc__drop_at(drop, oc__p_attn_out(d), l, OC__SITE_ATTN_OUT)});
}

static void feed_forward(oc_bert *b, int32_t l, const oc_batch *batch, const oc_dropout *drop)
{
    oc__layer *y = &b->layer[l];
    const oc_dims *d = &b->m->dims;
    oc__rows rows = oc__rows_of(b, batch, l);
    input in = {.x = y->y, .n = rows.n, .K = d->H};
    apply(b, &in, &y->f1, b->act, y->u, y->g);
    input g = {.x = y->g, .n = rows.n, .K = y->F};
    apply(b, &g, &y->f2, OC_EPI_NONE, y->s2, y->s2);
    add_norm(b, (norm_job){.s = y->s2,
                           .y = y->out,
                           .mean = y->mean2,
                           .rstd = y->rstd2,
                           .x = y->y,
                           .g = y->ln2_g,
                           .b = y->ln2_b,
                           .rows = rows,
                           .drop = oc__drop_at(drop, d->p_hidden, l, OC__SITE_FFN_OUT)});
}

static void classify(oc_bert *b, const oc_batch *batch, const oc_dropout *drop, float *logits)
{
    const oc_dims *d = &b->m->dims;
    int64_t words = oc__drop_words(d->H);
    if (!b->cls_only) {
        oc__rows first = {batch->B, batch->start};
        gather_rows(b->layer[d->L - 1].out, &first, d->H, b->cls_rows);
    }
    input x = {.x = b->cls_rows, .n = batch->B, .K = d->H};
    apply(b, &x, &b->pool, b->pool_act, b->pooled, b->pooled);
    oc__drop mask = oc__drop_at(drop, d->p_cls, -1, OC__SITE_CLS);
    for (int64_t i = 0; b->lim.train && i < batch->B; i++) {
        const float *from = b->pooled + i * d->H;
        float *to = b->pooled_drop + i * d->H;
        if (mask.off)
            oc__drop_row(&mask, i * words, d->H, from, to);
        else
            memcpy(to, from, (size_t)d->H * sizeof *to);
    }
    input p = {.x = b->pooled_drop, .n = batch->B, .K = d->H};
    apply(b, &p, &b->cls, OC_EPI_NONE, logits, logits);
}

void oc_bert_forward(oc_bert *b, const oc_batch *batch, const oc_dropout *drop, float *logits)
{
    OC_CHECK(batch->B <= b->lim.max_B && batch->N <= b->lim.max_N);
    OC_CHECK(oc_par_workers() <= b->workers);
    if (!b->lim.train)
        drop = NULL;
    embed(b, batch, drop);
    for (int32_t l = 0; l < b->m->dims.L; l++) {
        attention(b, l, batch, drop);
        feed_forward(b, l, batch, drop);
    }
    classify(b, batch, drop, logits);
}
