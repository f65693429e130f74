/*
 * core/kernels/gemm_s8.c - int8 matrix product with f32 results (qd8 x qc8w) over the tiles.
 *
 * A few rows, prepared once, meet a strip of weight panels; each panel stays in L1 while the row
 * tiles pass over it. The exact int32 sums lie on the stack until they are scaled, shifted and
 * activated, so y is written once, as f32. k is cut so that everything on the stack fits L1 too;
 * integer sums do not care.
 */
#include <assert.h>

#include "core/base/attr.h"
#include "core/base/par.h"
#include "core/kernels/kernels.h"
#include "core/kernels/split.h"

#define BLOCK_ROWS  8 /* or one tile, where that is taller */
#define MAX_ROWS    32
#define MAX_K       1024
#define STRIP_COLS  384
#define FINISH_COLS 128

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

typedef struct pack_job {
    const int8_t *q;
    int64_t K, N;
    int8_t *dst;
} pack_job;

static void pack_panels(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const pack_job *j = ctx;
    int64_t Kp = panel_k(j->K);
    for (int64_t p = begin; p < end; p++)
        oc_k->pack_s8_panel(j->q, j->N, j->K, Kp, p, j->dst + p * oc_k->qnr * Kp);
}

void oc_pack_s8(const int8_t *q, int64_t K, int64_t N, int8_t *dst)
{
    pack_job j = {.q = q, .K = K, .N = N, .dst = dst};
    int64_t panels = div_up(N, oc_k->qnr);
    int64_t pieces = K * N < 32768 ? 1 : 2 * oc_par_workers();
    oc_par_for(panels, OC_MAX(1, div_up(panels, pieces)), pack_panels, &j);
}

/* Rows worked on at a time: whole tiles. */
static int64_t block_rows(void)
{
    return OC_MAX(1, BLOCK_ROWS / oc_k->qmr) * oc_k->qmr;
}

/* Length of the blocks of k: as few as the ISA's limit allows, all about equal. */
static int64_t block_k(int64_t Kp)
{
    return panel_k(div_up(Kp, OC_MAX(1, div_up(Kp, oc_k->qkc))));
}

typedef struct gemm_job {
    int64_t M;
    const int8_t *xq;
    const float *xs;
    const oc_packed_s8 *W;
    const float *bias;
    oc_epilogue act;
    float *y;
    int64_t ldy;
    oc_split split;
} gemm_job;

/* What one worker works on: sums of a block of rows x a strip, and the rows prepared. */
typedef struct workspace {
    _Alignas(64) int8_t rows[OC_S8_ROWS_BYTES(MAX_ROWS, MAX_K) + 64 * BLOCK_ROWS];
    int32_t acc[MAX_ROWS * STRIP_COLS];
} workspace;

/* Rows [m0, m1) x columns of panels [q0, q1), whose sums are whole, to y; the sums' first column is
 * that of panel `strip`. */
static void finish(const gemm_job *j, int64_t m0, int64_t m1, int64_t q0, int64_t q1, int64_t strip,
                   const workspace *ws)
{
    const oc_packed_s8 *W = j->W;
    int64_t qnr = oc_k->qnr, n0 = q0 * qnr, n = OC_MIN(q1 * qnr, W->N) - n0;
    for (int64_t m = m0; m < m1; m++) {
        float *y = j->y + m * j->ldy + n0;
        oc_k->dequant_row(ws->acc + (m - m0) * STRIP_COLS + (q0 - strip) * qnr, n, j->xs[m],
                          W->scale + n0, j->bias ? j->bias + n0 : NULL, y);
        if (j->act != OC_EPI_NONE)
            oc_k->act_row(j->act, y, n, y);
    }
}

/* Rows [m0, m1) x panels [q0, q1), at most a block x STRIP_COLS. A few panels are finished at a
 * time, while their sums are in L1. */
static void multiply_strip(const gemm_job *j, int64_t m0, int64_t m1, int64_t q0, int64_t q1,
                           workspace *ws)
{
    const oc_packed_s8 *W = j->W;
    int64_t qmr = oc_k->qmr, qnr = oc_k->qnr, depth = panel_k(W->K), cut = block_k(W->Kp);
    int64_t group = OC_MAX(1, FINISH_COLS / qnr);
    for (int64_t k = 0; k < W->Kp; k += cut) {
        int64_t kc = OC_MIN(cut, W->Kp - k), tile_bytes = OC_S8_ROWS_BYTES(qmr, kc);
        bool last = k + cut >= W->Kp;
        for (int64_t m = m0; m < m1; m += qmr)
            oc_k->prepare_s8_rows(j->xq + m * W->Kp + k, W->Kp, kc, (int32_t)OC_MIN(qmr, m1 - m),
                                  ws->rows + (m - m0) / qmr * tile_bytes);
        for (int64_t q = q0, from = q0; q < q1; q++) {
            const int8_t *b = W->panel + q * qnr * depth + k * qnr;
            for (int64_t m = m0; m < m1; m += qmr)
                oc_k->gemm_s8_tile(kc, ws->rows + (m - m0) / qmr * tile_bytes, b,
                                   ws->acc + (m - m0) * STRIP_COLS + (q - q0) * qnr, STRIP_COLS,
                                   (int32_t)OC_MIN(qmr, m1 - m),
                                   (int32_t)OC_MIN(qnr, W->N - q * qnr), k > 0);
            if (last && (q + 1 == q1 || q + 1 - from == group)) {
                finish(j, m0, m1, from, q + 1, q0, ws);
                from = q + 1;
            }
        }
    }
}

static void multiply_pieces(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const gemm_job *j = ctx;
    const oc_split *s = &j->split;
    int64_t strip = STRIP_COLS / oc_k->qnr, qmr = oc_k->qmr, rows = block_rows();
    workspace ws;
    bool set_up = oc_k->begin_s8 && j->M > 1;
    if (set_up)
        oc_k->begin_s8();
    for (int64_t i = begin; i < end; i++) {
        int64_t r = i / s->n_cols, c = i % s->n_cols;
        int64_t m_end = OC_MIN(j->M, oc__split_at(s->rows, r + 1, s->n_rows) * qmr);
        int64_t q_end = oc__split_at(s->cols, c + 1, s->n_cols);
        for (int64_t q = oc__split_at(s->cols, c, s->n_cols); q < q_end; q += strip)
            for (int64_t m = oc__split_at(s->rows, r, s->n_rows) * qmr; m < m_end; m += rows)
                multiply_strip(j, m, OC_MIN(m_end, m + rows), q, OC_MIN(q_end, q + strip), &ws);
    }
    if (set_up)
        oc_k->end_s8();
}

void oc_gemm_qd8_qc8w_f32(int64_t M, const int8_t *xq, const float *xs, const oc_packed_s8 *W,
                          const float *bias, oc_epilogue act, float *y, int64_t ldy)
{
    assert(block_rows() <= MAX_ROWS && oc_k->qkc <= MAX_K && STRIP_COLS % oc_k->qnr == 0 &&
           W->K > 0 && W->Kp == padded_k(W->K));
    if (M <= 0 || W->N <= 0)
        return;
    gemm_job j = {.M = M, .xq = xq, .xs = xs, .W = W, .bias = bias, .act = act, .y = y, .ldy = ldy};
    j.split = oc__split_plan(div_up(M, oc_k->qmr), div_up(W->N, oc_k->qnr),
                             (double)M * (double)W->N * (double)W->K * 0.5);
    oc_par_for(j.split.n_rows * j.split.n_cols, 1, multiply_pieces, &j);
}
