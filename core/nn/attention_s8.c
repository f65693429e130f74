/*
 * core/nn/attention_s8.c - attention of one head with both products in int8.
 *
 *   k' = k - mean of the note's k     S = q k'^T / sqrt(D)     P = softmax(S)     c = P v
 *
 * q and k' are quantized per row, v per column, P to 14 bits: its high and its low seven are rows of
 * one int8 product, 128 hi v + lo v. Seven bits would lose the small shares of many keys beside one
 * large share, which may weigh as much together. Shares are divided by their sum as rounded, so they
 * sum to 1. Taking its mean off k moves all scores of a query alike, which softmax does not see, and
 * leaves less to round.
 * Sums are exact for T <= 133,144 (core/kernels/kernels.h), so bits are the same on every ISA.
 * Source: Zhang et al. 2025 (SageAttention) for int8 scores and the mean of k.
 */
#include <string.h>

#include "core/base/attr.h"
#include "core/nn/bert_internal.h"

#define BLOCK_SCORES 16384 /* 64 KiB */
#define MIN_BLOCK    32    /* rows: tiles enough */
#define MAX_BLOCK    128

/* Where the parts of a worker's scratch lie. Rows of int8 are Dp or Tp long: padded to 32 by zeros. */
typedef struct parts {
    int64_t Dp, Tp, rows; /* rows of a block */
    oc_packed_s8 k, v;    /* k'^T [D,T], v [T,D] */
    float *ks, *vs;       /* [T], [D] their scales */
    int8_t *unpacked;     /* k' [T,Dp], then v^T [D,Tp] */
    float *less, *vt;     /* k' [T,D], then v^T [D,Tp] */
    float *panel;         /* [D,nr] some of its columns */
    float *mean;          /* [D] of k */
    int8_t *q;            /* [rows,Dp] */
    float *qs;            /* [rows] */
    float *s;             /* [rows,Tp] scores */
    int8_t *p;            /* [2 rows,Tp] of a block of n: n of hi, then n of lo */
    float *ps;            /* [2 rows] */
    float *c;             /* [2 rows,D] */
} parts;

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

static void lay_out(oc_arena *a, int64_t T, int64_t D, parts *p)
{
    int64_t Dp = round_up(D, 32), Tp = round_up(T, 32);
    int64_t rows = round_up(OC_MAX(MIN_BLOCK, OC_MIN(MAX_BLOCK, BLOCK_SCORES / T)), oc_k->qmr);
    *p = (parts){.Dp = Dp, .Tp = Tp, .rows = rows};
    p->ks = OC_PUSH(a, float, T);
    p->vs = OC_PUSH(a, float, D);
    p->k = (oc_packed_s8){.panel = OC_PUSH(a, int8_t, oc_pack_s8_bytes(Dp, T)),
                          .scale = p->ks,
                          .K = Dp,
                          .N = T,
                          .Kp = Dp};
    p->v = (oc_packed_s8){.panel = OC_PUSH(a, int8_t, oc_pack_s8_bytes(Tp, D)),
                          .scale = p->vs,
                          .K = Tp,
                          .N = D,
                          .Kp = Tp};
    p->unpacked = OC_PUSH(a, int8_t, OC_MAX(T * Dp, D * Tp));
    p->less = p->vt = OC_PUSH(a, float, D *Tp);
    p->panel = OC_PUSH(a, float, D * oc_k->nr);
    p->mean = OC_PUSH(a, float, D);
    p->q = OC_PUSH(a, int8_t, rows * Dp);
    p->qs = OC_PUSH(a, float, rows);
    p->s = OC_PUSH(a, float, rows *Tp);
    p->p = OC_PUSH(a, int8_t, 2 * rows * Tp);
    p->ps = OC_PUSH(a, float, 2 * rows);
    p->c = OC_PUSH(a, float, 2 * rows * D);
}

int64_t oc__attn_s8_floats(int64_t T, int64_t D)
{
    // Not monotone: a shorter note has more rows in a block.
    size_t most = 0;
    parts p;
    for (int64_t t = 1; t <= T; t++) {
        oc_arena plan = OC_ARENA_PLAN;
        lay_out(&plan, t, D, &p);
        most = OC_MAX(most, plan.used);
    }
    return round_up((int64_t)most, 64) / (int64_t)sizeof(float);
}

/* Mean of the keys that are on. */
static void average_keys(const oc__head *h, float *mean)
{
    int64_t T = h->T, D = h->D, on = T;
    memset(mean, 0, (size_t)D * sizeof *mean);
    if (!h->mask)
        oc_k->sum_rows(h->k, h->ld, T, D, mean);
    for (int64_t t = 0; h->mask && t < T; t++) {
        on -= !h->mask[t];
        if (h->mask[t])
            oc_k->axpy(1.0f, h->k + t * h->ld, mean, D);
    }
    for (int64_t d = 0; d < D; d++)
        mean[d] /= (float)on;
}

static void pack_keys(const oc__head *h, const parts *p)
{
    int64_t T = h->T, D = h->D;
    average_keys(h, p->mean);
    for (int64_t t = 0; t < T; t++) {
        memcpy(p->less + t * D, h->k + t * h->ld, (size_t)D * sizeof *p->less);
        oc_k->axpy(-1.0f, p->mean, p->less + t * D, D);
    }
    for (int64_t t = 0; t < T; t++)
        oc_k->quantize_row(p->less + t * D, D, p->Dp, p->unpacked + t * p->Dp, &p->ks[t]);
    oc_pack_s8(p->unpacked, p->Dp, T, false, p->k.panel);
}

/* Values of keys that are off are 0: they must not set a column's scale. */
static void pack_values(const oc__head *h, const parts *p)
{
    int64_t T = h->T, D = h->D, nr = oc_k->nr;
    for (int64_t t = 0; t < T; t += nr) {
        int64_t n = OC_MIN(nr, T - t);
        oc_k->pack_f32_panel(h->v + t * h->ld, h->ld, 1, D, (int32_t)n, (int32_t)nr, p->panel);
        for (int64_t d = 0; d < D; d++)
            memcpy(p->vt + d * p->Tp + t, p->panel + d * nr, (size_t)n * sizeof *p->vt);
    }
    for (int64_t t = 0; h->mask && t < T; t++)
        for (int64_t d = 0; !h->mask[t] && d < D; d++)
            p->vt[d * p->Tp + t] = 0.0f;
    for (int64_t d = 0; d < D; d++)
        oc_k->quantize_row(p->vt + d * p->Tp, T, p->Tp, p->unpacked + d * p->Tp, &p->vs[d]);
    oc_pack_s8(p->unpacked, p->Tp, D, false, p->v.panel);
}

/* Query rows [i0, i0 + n), a block. */
static void attend(const oc__head *h, const parts *p, int64_t i0, int64_t n)
{
    int64_t T = h->T, D = h->D, Tp = p->Tp;
    for (int64_t i = 0; i < n; i++) {
        oc_k->quantize_row(h->q + (i0 + i) * h->ld_q, D, p->Dp, p->q + i * p->Dp, &p->qs[i]);
        p->qs[i] *= h->scale;
    }
    oc_gemm_qd8_qc8w_f32(n, p->q, p->qs, &p->k, NULL, OC_EPI_NONE, p->s, Tp);
    for (int64_t i = 0; i < n; i++) {
        oc_k->softmax_s8_row(p->s + i * Tp, h->mask, T, Tp, p->p + i * Tp, p->p + (n + i) * Tp,
                             &p->ps[n + i]);
        p->ps[i] = 128.0f * p->ps[n + i];
    }
    oc_gemm_qd8_qc8w_f32(2 * n, p->p, p->ps, &p->v, NULL, OC_EPI_NONE, p->c, D);
    for (int64_t i = 0; i < n; i++)
        for (int64_t d = 0; d < D; d++)
            h->c[(i0 + i) * h->ld_c + d] = p->c[i * D + d] + p->c[(n + i) * D + d];
}

void oc__attn_s8_head(const oc__head *h, int64_t from, int64_t to)
{
    oc_arena scratch = h->scratch;
    parts p;
    lay_out(&scratch, h->T, h->D, &p);
    pack_keys(h, &p);
    pack_values(h, &p);
    for (int64_t i = from; i < to; i += p.rows)
        attend(h, &p, i, OC_MIN(p.rows, to - i));
}
