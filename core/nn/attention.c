/*
 * One piece of work is one head of one note, or, where notes and heads are few, some of its
 * queries. Its keys and values are packed once; then blocks of query rows go through
 *
 *   S = (q / sqrt(D)) k^T    P = softmax(S)    P' = Dropout(P)    c = P' v
 *
 * with a block of S in the worker's scratch, small enough to stay in the nearest caches. Nothing
 * of size T x T outlives a block: backward makes P again as exp(S - lse), and P' from the counter.
 * Scratch rows have a stride that is a multiple of the tile, so tiles are always whole.
 */
#include <math.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/par.h"
#include "core/nn/bert_internal.h"

#define BLOCK_FLOATS 16384 /* of S: 64 KiB */
#define MAX_BLOCK    128   /* rows */

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

/* Scratch row stride for T keys. Backward reads columns: rows a power of two apart would share few
 * sets of the cache. */
static int64_t stride_of(int64_t T)
{
    return round_up(T, OC_MAX(OC_LANES, oc_k->nr)) + OC_LANES;
}

/* Query rows in a block. Every output is one chain over k: the block size changes no bit. */
static int64_t block_rows(int64_t T)
{
    int64_t rows = OC_MIN(OC_MIN(T, MAX_BLOCK), OC_MAX(1, BLOCK_FLOATS / stride_of(T)));
    return round_up(rows, oc_k->mr);
}

/* Where the parts of one worker's scratch lie. */
typedef struct parts {
    float *kt, *v_or_vt, *kn; /* packed k^T [D,T]; v [T,D] or v^T [D,T]; k [T,D] (backward) */
    float *q, *s, *ds, *mask; /* [block,D] scaled queries; [block,stride] twice; one row */
    float *c;                 /* [block, D in whole tiles] context (forward) */
    float *small;             /* packed [block,D] (backward) */
} parts;

static void lay_out(oc_arena *a, int64_t T, int64_t D, bool train, parts *p)
{
    int64_t rows = block_rows(T), ld = stride_of(T);
    int64_t kt = oc_pack_f32_floats(D, T, false), kn = oc_pack_f32_floats(T, D, false);
    *p = (parts){.kt = OC_PUSH(a, float, kt)};
    p->v_or_vt = OC_PUSH(a, float, OC_MAX(kt, kn));
    p->q = OC_PUSH(a, float, rows *D);
    p->s = OC_PUSH(a, float, rows *ld);
    p->c = OC_PUSH(a, float, rows *round_up(D, oc_k->nr));
    if (!train)
        return;
    p->kn = OC_PUSH(a, float, kn);
    p->ds = OC_PUSH(a, float, rows *ld);
    p->mask = OC_PUSH(a, float, ld);
    p->small = OC_PUSH(a, float, oc_pack_f32_floats(rows, D, false));
}

int64_t oc__attn_floats(int64_t T, int64_t D, bool train)
{
    // Not monotone: a shorter note has more rows in a block.
    size_t most = 0;
    parts p;
    for (int64_t t = 1; t <= T; t++) {
        oc_arena plan = OC_ARENA_PLAN;
        lay_out(&plan, t, D, train, &p);
        most = OC_MAX(most, plan.used);
    }
    return round_up((int64_t)most, 64) / (int64_t)sizeof(float);
}

/* Pack B [K,N] on this worker. */
static void pack(oc_mat B, int64_t K, int64_t N, float *dst)
{
    int64_t nr = oc_k->nr;
    for (int64_t n = 0; n < N; n += nr)
        oc_k->pack_f32_panel(B.p + n * B.cs, B.cs, B.rs, K, (int32_t)OC_MIN(nr, N - n), (int32_t)nr,
                             dst + n * K);
}

/* C[M,N] = A B (+ C), B packed. whole: C's rows have room for whole tiles, and are written so. */
static void multiply(int64_t M, int64_t N, int64_t K, oc_mat A, const float *B, bool whole,
                     bool accumulate, float *C, int64_t ldc)
{
    int64_t mr = oc_k->mr, nr = oc_k->nr;
    for (int64_t n = 0; n < N; n += nr) {
        int32_t n_used = (int32_t)(whole ? nr : OC_MIN(nr, N - n));
        for (int64_t m = 0; m < M; m += mr)
            oc_k->gemm_f32_tile(K, A.p + m * A.rs, A.rs, A.cs, B + n * K, C + m * ldc + n, ldc,
                                (int32_t)OC_MIN(mr, M - m), n_used, accumulate);
    }
}

typedef struct attn_job {
    oc_bert *b;
    const oc__layer *y;
    const oc_batch *batch;
    oc__drop drop;
    int64_t words;       /* of randomness per (row, head) */
    bool cls;            /* one query row per note */
    int64_t cuts;        /* pieces of one head */
    bool s8;             /* int8 products (forward) */
    float *dc, *dk, *dv; /* backward */
} attn_job;

static oc__head head_of(const attn_job *j, int64_t note, int64_t a, int worker)
{
    const oc__layer *y = j->y;
    int64_t D = j->b->m->dims.D;
    oc__head h = {.a = a,
                  .D = D,
                  .ld = y->ld,
                  .ld_q = y->ld_q,
                  .ld_c = y->ld_c,
                  .scale = 1.0f / sqrtf((float)D)};
    h.k0 = j->batch->start[note];
    h.T = j->batch->start[note + 1] - h.k0;
    h.q0 = j->cls ? note : h.k0;
    h.n_q = j->cls ? 1 : h.T;
    h.mask = j->batch->mask ? j->batch->mask + h.k0 : NULL;
    h.q = y->qx + h.q0 * y->ld_q + a * D;
    h.k = y->kx + h.k0 * y->ld + a * D;
    h.v = y->vx + h.k0 * y->ld + a * D;
    h.c = y->c + h.q0 * y->ld_c + a * D;
    h.scratch.base = (unsigned char *)(j->b->attn_scratch + worker * j->b->attn_floats);
    h.scratch.size = (size_t)j->b->attn_floats * sizeof(float);
    return h;
}

/* S = (q / sqrt(D)) k^T for query rows [i0, i0 + n) into p->s. */
static void scores(const oc__head *h, const parts *p, int64_t i0, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t d = 0; d < h->D; d++)
            p->q[i * h->D + d] = h->scale * h->q[(i0 + i) * h->ld_q + d];
    multiply(n, h->T, h->D, (oc_mat){p->q, h->D, 1}, p->kt, true, false, p->s, stride_of(h->T));
}

/* Randomness of query row i of this head. */
static int64_t first_word(const attn_job *j, const oc__head *h, int64_t i)
{
    return ((h->k0 + i) * j->y->A + h->a) * j->words;
}

/* Query rows [from, to). */
static void forward_head(const attn_job *j, const oc__head *h, int64_t from, int64_t to)
{
    int64_t T = h->T, D = h->D, ld = stride_of(T), rows = block_rows(T);
    int64_t ld_c = round_up(D, oc_k->nr);
    oc_arena scratch = h->scratch;
    parts part, *p = &part;
    lay_out(&scratch, T, D, j->b->lim.train, p);
    pack((oc_mat){h->k, 1, h->ld}, D, T, p->kt);
    pack((oc_mat){h->v, h->ld, 1}, T, D, p->v_or_vt);
    for (int64_t i0 = from; i0 < to; i0 += rows) {
        int64_t n = OC_MIN(rows, to - i0);
        scores(h, p, i0, n);
        for (int64_t i = 0; i < n; i++) {
            float *s = p->s + i * ld;
            float *lse = j->y->lse;
            oc_k->softmax_row(s, h->mask, T, lse ? lse + (h->q0 + i0 + i) * j->y->A + h->a : NULL);
            if (j->drop.off)
                oc__drop_row(&j->drop, first_word(j, h, i0 + i), T, s, s);
        }
        multiply(n, D, T, (oc_mat){p->s, ld, 1}, p->v_or_vt, true, false, p->c, ld_c);
        for (int64_t i = 0; i < n; i++)
            memcpy(h->c + (i0 + i) * h->ld_c, p->c + i * ld_c, (size_t)D * sizeof *h->c);
    }
}

static void forward_heads(void *ctx, int64_t begin, int64_t end, int worker)
{
    const attn_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t whole = i / j->cuts, cut = i % j->cuts;
        oc__head h = head_of(j, whole / j->y->A, whole % j->y->A, worker);
        int64_t from = h.n_q * cut / j->cuts, to = h.n_q * (cut + 1) / j->cuts;
        if (from < to && j->s8)
            oc__attn_s8_head(&h, from, to);
        else if (from < to)
            forward_head(j, &h, from, to);
    }
}

static attn_job job_of(oc_bert *b, int32_t l, const oc_batch *batch, const oc_dropout *drop)
{
    const oc_dims *d = &b->m->dims;
    return (attn_job){.b = b,
                      .y = &b->layer[l],
                      .batch = batch,
                      .drop = oc__drop_at(drop, d->p_attn, l, OC__SITE_ATTN),
                      .words = oc__drop_words(d->P),
                      .cls = oc__is_cls(b, l),
                      .s8 = oc_model_attn_is_s8(b->m, l) && !b->lim.train};
}

void oc__attn_forward(oc_bert *b, int32_t l, const oc_batch *batch, const oc_dropout *drop)
{
    attn_job j = job_of(b, l, batch, drop);
    int64_t heads = batch->B * b->layer[l].A, workers = oc_par_workers();
    // Enough pieces to end together; each packs the keys and values again, so no more than that.
    j.cuts = workers == 1 || j.cls ? 1 : (2 * workers + heads - 1) / heads;
    oc_par_for(heads * j.cuts, 1, forward_heads, &j);
}

/* --- backward ------------------------------------------------------------------------------ */

/*
 * One row, in place: s holds S, ds holds dP' = dc v^T.
 * Forward: P = exp(S - lse), P' = m P, c = P' v. With delta = sum_j dP'_j P'_j = dc . c:
 *   dP = m dP';  dS = P (dP - sum_j dP_j P_j) = P (m dP' - delta)
 * Leaves P' in s and dS / sqrt(D) in ds, so that dq = ds k and dk = ds^T q.
 */
static void backward_row(const attn_job *j, const oc__head *h, const parts *p, int64_t i, float lse,
                         float delta, float *s, float *ds)
{
    float *m = j->drop.off ? p->mask : NULL;
    if (m)
        oc__drop_mask(&j->drop, first_word(j, h, i), h->T, m);
    oc_k->softmax_bwd_row(s, ds, h->mask, m, h->T, lse, delta, h->scale);
}

/* Query rows [i0, i0 + n): dv += P'^T dc, dk += dS^T q, and dq over dc. */
static void backward_block(const attn_job *j, const oc__head *h, const parts *p, int64_t i0,
                           int64_t n, float *dk, float *dv)
{
    int64_t T = h->T, D = h->D, AD = j->y->AD, ld = stride_of(T);
    float *s = p->s, *ds = p->ds;
    float *dc = j->dc + (h->q0 + i0) * AD + h->a * D;
    const float *c = h->c + i0 * h->ld_c;
    scores(h, p, i0, n);
    multiply(n, T, D, (oc_mat){dc, AD, 1}, p->v_or_vt, true, false, ds, ld);
    for (int64_t i = 0; i < n; i++) {
        float lse = j->y->lse[(h->q0 + i0 + i) * j->y->A + h->a];
        float delta = oc_k->dot(dc + i * AD, c + i * h->ld_c, D);
        backward_row(j, h, p, i0 + i, lse, delta, s + i * ld, ds + i * ld);
    }
    pack((oc_mat){dc, AD, 1}, n, D, p->small);
    multiply(T, D, n, (oc_mat){s, 1, ld}, p->small, false, i0 > 0, dv, AD);
    pack((oc_mat){h->q + i0 * h->ld_q, h->ld_q, 1}, n, D, p->small);
    multiply(T, D, n, (oc_mat){ds, 1, ld}, p->small, false, i0 > 0, dk, AD);
    multiply(n, D, T, (oc_mat){ds, ld, 1}, p->kn, false, false, dc, AD);
}

static void backward_heads(void *ctx, int64_t begin, int64_t end, int worker)
{
    const attn_job *j = ctx;
    for (int64_t w = begin; w < end; w++) {
        oc__head h = head_of(j, w / j->y->A, w % j->y->A, worker);
        int64_t rows = block_rows(h.T), at = h.k0 * j->y->AD + h.a * h.D;
        parts p;
        lay_out(&h.scratch, h.T, h.D, true, &p);
        pack((oc_mat){h.k, 1, h.ld}, h.D, h.T, p.kt);
        pack((oc_mat){h.v, 1, h.ld}, h.D, h.T, p.v_or_vt);
        pack((oc_mat){h.k, h.ld, 1}, h.T, h.D, p.kn);
        for (int64_t i = 0; i < h.n_q; i += rows)
            backward_block(j, &h, &p, i, OC_MIN(rows, h.n_q - i), j->dk + at, j->dv + at);
    }
}

void oc__attn_backward(oc_bert *b, int32_t l, const oc_batch *batch, const oc_dropout *drop,
                       float *dc, float *dk, float *dv)
{
    attn_job j = job_of(b, l, batch, drop);
    j.dc = dc;
    j.dk = dk;
    j.dv = dv;
    oc_par_for(batch->B * b->layer[l].A, 1, backward_heads, &j);
}
