/*
 * core/kernels/gemm_s8.c - int8 matrix product with f32 results (qd8 x qc8w) over the tiles.
 *
 * Blocks, from the outside in: strips of columns whose panels stay in L2, rows prepared once per
 * strip, groups of panels, cuts of k (one panel's cut stays in L1 while the row tiles pass over it).
 * The exact int32 sums of a group lie on the stack until they are scaled, shifted and activated, so
 * y is written once, as f32. How k is cut is nothing to integer sums.
 */
#include <assert.h>

#include "core/base/attr.h"
#include "core/base/par.h"
#include "core/kernels/gemm_s8.h"
#include "core/kernels/kernels.h"
#include "core/kernels/split.h"

#define BLOCK_ROWS  8 /* or one tile, where that is taller */
#define MAX_ROWS    32
#define ROWS_BYTES  (128 * 1024)  /* of rows prepared */
#define STRIP_BYTES (1024 * 1024) /* of panels */
#define STRIP_COLS  384           /* at least */
#define GROUP_COLS  128

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t padded_k(int64_t K)
{
    return div_up(K, 32) * 32;
}

/* Depth of a panel: at least Kp. */
static int64_t panel_k(int64_t K)
{
    return div_up(K, oc_k->qkr) * oc_k->qkr;
}

size_t oc_pack_s8_bytes(int64_t K, int64_t N)
{
    return (size_t)(div_up(N, oc_k->qnr) * oc_k->qnr) * (size_t)panel_k(K);
}

bool oc_s8_is_7_bits(const int8_t *q, int64_t n)
{
    uint8_t any = oc_k->gemm_s8_tile_7 ? 0 : 128;
    for (int64_t i = 0; any < 128 && i < n; i += 4096)
        for (int64_t j = i; j < OC_MIN(n, i + 4096); j++)
            any |= (uint8_t)(q[j] + 64);
    return any < 128;
}

typedef struct pack_job {
    const int8_t *q;
    int64_t K, N;
    bool bits7;
    int8_t *dst;
} pack_job;

static void pack_panels(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const pack_job *j = ctx;
    int64_t Kp = panel_k(j->K);
    for (int64_t p = begin; p < end; p++)
        (j->bits7 ? oc_k->pack_s8_panel_7 : oc_k->pack_s8_panel)(j->q, j->N, j->K, Kp, p,
                                                                 j->dst + p * oc_k->qnr * Kp);
}

void oc_pack_s8(const int8_t *q, int64_t K, int64_t N, bool bits7, int8_t *dst)
{
    pack_job j = {.q = q, .K = K, .N = N, .bits7 = bits7, .dst = dst};
    int64_t panels = div_up(N, oc_k->qnr);
    int64_t pieces = K * N < 32768 ? 1 : 2 * oc_par_workers();
    oc_par_for(panels, OC_MAX(1, div_up(panels, pieces)), pack_panels, &j);
}

/* Length of the blocks of k: as few as the ISA's limit allows, all about equal. */
static int64_t block_k(int64_t Kp)
{
    return panel_k(div_up(Kp, OC_MAX(1, div_up(Kp, oc_k->qkc))));
}

typedef struct gemm_job {
    oc_s8_product p;
    oc_split split;
} gemm_job;

/* What one worker works on. */
typedef struct workspace {
    _Alignas(64) int8_t rows[ROWS_BYTES];
    _Alignas(64) int32_t acc[MAX_ROWS * GROUP_COLS];
} workspace;

/* Bytes of one row tile prepared for a cut of kc. */
static int64_t tile_bytes(int64_t kc)
{
    return 64 + oc_k->qbytes * oc_k->qmr * panel_k(kc);
}

/* Row tiles in a block, and whether all cuts of them have room when prepared. */
static int64_t block_tiles(int64_t Kp, bool *whole)
{
    int64_t cut = block_k(Kp), one = div_up(Kp, cut) * tile_bytes(cut);
    *whole = one <= ROWS_BYTES;
    return OC_MAX(1, OC_MIN(BLOCK_ROWS / oc_k->qmr, ROWS_BYTES / one));
}

/* Rows [m0, m1) of the cut at k, a tile after the other. */
static void prepare(const oc_s8_product *p, int64_t m0, int64_t m1, int64_t k, int64_t kc,
                    int8_t *dst)
{
    int64_t qmr = oc_k->qmr, Kp = p->W->Kp;
    for (int64_t m = m0; m < m1; m += qmr, dst += tile_bytes(kc))
        (p->W->bits7 ? oc_k->prepare_s8_rows_7 : oc_k->prepare_s8_rows)(
            p->xq + m * Kp + k, Kp, kc, (int32_t)OC_MIN(qmr, m1 - m), dst);
}

/* Rows [m0, m1) x columns of panels [q0, q1), whose sums are whole, to y. */
static void finish(const oc_s8_product *p, int64_t m0, int64_t m1, int64_t q0, int64_t q1,
                   const workspace *ws)
{
    const oc_packed_s8 *W = p->W;
    int64_t qnr = oc_k->qnr, n0 = q0 * qnr, n = OC_MIN(q1 * qnr, W->N) - n0;
    for (int64_t m = m0; m < m1; m++) {
        float *y = p->y + m * p->ldy + n0;
        oc_k->dequant_row(ws->acc + (m - m0) * GROUP_COLS, n, p->xs[m], W->scale + n0,
                          p->bias ? p->bias + n0 : NULL, y);
        if (p->act != OC_EPI_NONE)
            oc_k->act_row(p->act, y, n, y);
    }
}

/* Rows [m0, m1) x panels [q0, q1) x the cut at k: their sums, from 0 or added to. */
static void multiply_cut(const oc_s8_product *p, int64_t m0, int64_t m1, int64_t q0, int64_t q1,
                         int64_t k, int64_t kc, const int8_t *rows, int32_t *acc)
{
    const oc_packed_s8 *W = p->W;
    int64_t qmr = oc_k->qmr, qnr = oc_k->qnr, depth = panel_k(W->K);
    for (int64_t q = q0; q < q1; q++) {
        const int8_t *b = W->panel + q * qnr * depth + k * qnr, *a = rows;
        for (int64_t m = m0; m < m1; m += qmr, a += tile_bytes(kc))
            (W->bits7 ? oc_k->gemm_s8_tile_7 : oc_k->gemm_s8_tile)(
                kc, a, b, acc + (m - m0) * GROUP_COLS + (q - q0) * qnr, GROUP_COLS,
                (int32_t)OC_MIN(qmr, m1 - m), (int32_t)OC_MIN(qnr, W->N - q * qnr), k > 0);
    }
}

/* A block of rows [m0, m1) x panels [q0, q1), finished. Rows whose cuts do not all have room are
 * prepared again for each group. */
static void multiply_strip(const oc_s8_product *p, int64_t m0, int64_t m1, int64_t q0, int64_t q1,
                           bool whole, workspace *ws)
{
    int64_t Kp = p->W->Kp, cut = block_k(Kp), group = GROUP_COLS / oc_k->qnr;
    int64_t cut_bytes = div_up(m1 - m0, oc_k->qmr) * tile_bytes(cut);
    for (int64_t k = 0; whole && k < Kp; k += cut)
        prepare(p, m0, m1, k, OC_MIN(cut, Kp - k), ws->rows + k / cut * cut_bytes);
    for (int64_t q = q0; q < q1; q += group) {
        int64_t qe = OC_MIN(q1, q + group);
        for (int64_t k = 0; k < Kp; k += cut) {
            int64_t kc = OC_MIN(cut, Kp - k);
            if (!whole)
                prepare(p, m0, m1, k, kc, ws->rows);
            multiply_cut(p, m0, m1, q, qe, k, kc, ws->rows + (whole ? k / cut * cut_bytes : 0),
                         ws->acc);
        }
        finish(p, m0, m1, q, qe, ws);
    }
}

/* Rows [m0, m1) x panels [q0, q1). */
static void multiply_piece(const oc_s8_product *p, int64_t m0, int64_t m1, int64_t q0, int64_t q1)
{
    bool whole;
    int64_t group = GROUP_COLS / oc_k->qnr;
    int64_t strip = OC_MAX(STRIP_COLS, STRIP_BYTES / p->W->Kp) / (group * oc_k->qnr) * group;
    int64_t rows = block_tiles(p->W->Kp, &whole) * oc_k->qmr;
    workspace ws;
    for (int64_t q = q0; q < q1; q += strip)
        for (int64_t m = m0; m < m1; m += rows)
            multiply_strip(p, m, OC_MIN(m1, m + rows), q, OC_MIN(q1, q + strip), whole, &ws);
}

static void multiply_pieces(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const gemm_job *j = ctx;
    const oc_s8_product *p = &j->p;
    const oc_split *s = &j->split;
    bool own = oc_k->gemm_s8_piece && p->M > 1;
    for (int64_t i = begin; i < end; i++) {
        int64_t r = i / s->n_cols, c = i % s->n_cols;
        int64_t m0 = oc__split_at(s->rows, r, s->n_rows) * oc_k->qmr;
        int64_t m1 = OC_MIN(p->M, oc__split_at(s->rows, r + 1, s->n_rows) * oc_k->qmr);
        int64_t q0 = oc__split_at(s->cols, c, s->n_cols);
        int64_t q1 = oc__split_at(s->cols, c + 1, s->n_cols);
        (own ? oc_k->gemm_s8_piece : multiply_piece)(p, m0, m1, q0, q1);
    }
}

void oc_gemm_qd8_qc8w_f32(int64_t M, const int8_t *xq, const float *xs, const oc_packed_s8 *W,
                          const float *bias, oc_epilogue act, float *y, int64_t ldy)
{
    assert(oc_k->qmr <= MAX_ROWS && tile_bytes(oc_k->qkc) <= ROWS_BYTES &&
           oc_k->qnr <= GROUP_COLS && W->K > 0 && W->Kp == padded_k(W->K));
    if (M <= 0 || W->N <= 0)
        return;
    gemm_job j = {.p = {M, xq, xs, W, bias, act, y, ldy}};
    j.split = oc__split_plan(div_up(M, oc_k->qmr), div_up(W->N, oc_k->qnr),
                             (double)M * (double)W->N * (double)W->K * 0.5);
    oc_par_for(j.split.n_rows * j.split.n_cols, 1, multiply_pieces, &j);
}
