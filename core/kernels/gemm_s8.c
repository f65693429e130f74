/*
 * core/kernels/gemm_s8.c - int8 matrix product with f32 results (qd8 x qc8w) over the tiles.
 *
 * Blocks, from the outside in: strips of columns whose panels stay in L2, rows prepared once per
 * strip, groups of panels, cuts of k (one panel's cut stays in L1 while the row tiles pass over it).
 * The exact int32 sums of a group lie on the stack until they are scaled, shifted and activated, so
 * y is written once, as f32. How k is cut is nothing to integer sums.
 *
 * Weights with blocks of zeros: a panel of which at least PAY_TILE percent are blocks (qkr of k x
 * qnr columns) of zeros leaves them out, and rows are gathered and prepared for each such panel. That
 * costs a third of a dense product, so 35 % of zeros break even; 40 % give x1.1, 60 % x1.4 to x1.6,
 * 80 % x2.2 to x3 (avx2 and avx512vnni alike). A driver that reads rows where they lie
 * (gemm_s8_piece) pays nothing: on AMX 20 % give x1.1, 40 % x1.4, 60 % x1.6 to x1.75, 80 % x2.2 to
 * x3.4. Other panels are dense, and nothing is asked of them.
 */
#include <assert.h>
#include <string.h>

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
#define KEPT_BYTES  (16 * 1024) /* of rows gathered */
#define PAY_TILE    35          /* percent of a panel's blocks from which leaving them out pays */
#define PAY_PIECE   10          /* where gemm_s8_piece does it */

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t padded_k(int64_t K)
{
    return div_up(K, 32) * 32;
}

size_t oc_pack_s8_bytes(int64_t K, int64_t N)
{
    return (size_t)div_up(N, oc_k->qnr) * (size_t)oc__s8_panel_bytes(K);
}

double oc_packed_s8_zero_share(const oc_packed_s8 *W)
{
    int64_t panels = div_up(W->N, oc_k->qnr), all = 0, kept = 0;
    for (int64_t q = 0; q < panels; q++) {
        kept += oc__s8_kept_of(W, q)->n;
        all += oc__s8_kept_of(W, q)->all;
    }
    return all > 0 ? (double)(all - kept) / (double)all : 0.0;
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

static bool all_zero(const int8_t *p, int64_t n)
{
    int64_t i = 0;
    while (i < n && p[i] == 0)
        i++;
    return i == n;
}

/* Whether columns [n0, n1) of block i of k hold nothing else. */
static bool zero_block(const pack_job *j, int64_t n0, int64_t n1, int64_t i)
{
    int64_t k = i * oc_k->qkr;
    for (int64_t n = n0; n < n1; n++)
        if (!all_zero(j->q + n * j->K + k, OC_MIN(oc_k->qkr, j->K - k)))
            return false;
    return true;
}

/* Move a packed panel's blocks together over those of zeros, where these are enough to pay. */
static void keep_blocks(const pack_job *j, int64_t q, int8_t *panel, oc_s8_kept *kept)
{
    int64_t n0 = q * oc_k->qnr, n1 = OC_MIN(j->N, n0 + oc_k->qnr), block = oc_k->qkr * oc_k->qnr;
    int64_t n = oc__s8_depth(j->K) / oc_k->qkr, pay = oc_k->gemm_s8_piece ? PAY_PIECE : PAY_TILE;
    kept->n = 0;
    kept->all = (int32_t)n;
    assert(n <= UINT16_MAX);
    for (int64_t i = 0; i < n; i++)
        if (!zero_block(j, n0, n1, i))
            kept->at[kept->n++] = (uint16_t)i;
    if ((n - kept->n) * 100 < n * pay) {
        for (kept->n = 0; kept->n < n; kept->n++)
            kept->at[kept->n] = (uint16_t)kept->n;
        return;
    }
    for (int64_t i = 0; i < kept->n; i++)
        if (kept->at[i] > i)
            memcpy(panel + i * block, panel + kept->at[i] * block, (size_t)block);
}

static void pack_panels(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const pack_job *j = ctx;
    int64_t Kp = oc__s8_depth(j->K);
    for (int64_t p = begin; p < end; p++) {
        int8_t *panel = j->dst + p * oc__s8_panel_bytes(j->K);
        void *kept = panel + Kp * oc_k->qnr;
        (j->bits7 ? oc_k->pack_s8_panel_7 : oc_k->pack_s8_panel)(j->q, j->N, j->K, Kp, p, panel);
        keep_blocks(j, p, panel, kept);
    }
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
    return oc__s8_depth(div_up(Kp, OC_MAX(1, div_up(Kp, oc_k->qkc))));
}

typedef struct gemm_job {
    oc_s8_product p;
    oc_split split;
} gemm_job;

/* What one worker works on. */
typedef struct workspace {
    _Alignas(64) int8_t rows[ROWS_BYTES];
    _Alignas(64) int32_t acc[MAX_ROWS * GROUP_COLS];
    _Alignas(64) int8_t kept[KEPT_BYTES]; /* of a row tile: k that a panel keeps, as they lie */
    _Alignas(64) int8_t kept_rows[KEPT_BYTES]; /* and prepared */
} workspace;

/* Bytes of one row tile prepared for a cut of kc. */
static int64_t tile_bytes(int64_t kc)
{
    return 64 + oc_k->qbytes * oc_k->qmr * oc__s8_depth(kc);
}

/* Row tiles in a block, and whether all cuts of them have room when prepared. */
static int64_t block_tiles(int64_t Kp, bool *whole)
{
    int64_t cut = block_k(Kp), one = div_up(Kp, cut) * tile_bytes(cut);
    *whole = one <= ROWS_BYTES;
    return OC_MAX(1, OC_MIN(BLOCK_ROWS / oc_k->qmr, ROWS_BYTES / one));
}

static void prepare_rows(const oc_packed_s8 *W, const int8_t *x, int64_t ldx, int64_t kc,
                         int32_t rows, int8_t *dst)
{
    (W->bits7 ? oc_k->prepare_s8_rows_7 : oc_k->prepare_s8_rows)(x, ldx, kc, rows, dst);
}

/* One register tile of panel q, whose values from the cut on lie at b. */
static void multiply_tile(const oc_packed_s8 *W, int64_t q, int64_t kc, const int8_t *a,
                          const int8_t *b, int32_t *acc, int32_t rows, bool accumulate)
{
    int32_t cols = (int32_t)OC_MIN(oc_k->qnr, W->N - q * oc_k->qnr);
    (W->bits7 ? oc_k->gemm_s8_tile_7 : oc_k->gemm_s8_tile)(kc, a, b, acc, GROUP_COLS, rows, cols,
                                                           accumulate);
}

/* Rows [m0, m1) of the cut at k, a tile after the other. */
static void prepare(const oc_s8_product *p, int64_t m0, int64_t m1, int64_t k, int64_t kc,
                    int8_t *dst)
{
    int64_t qmr = oc_k->qmr, Kp = p->W->Kp;
    for (int64_t m = m0; m < m1; m += qmr, dst += tile_bytes(kc))
        prepare_rows(p->W, p->xq + m * Kp + k, Kp, kc, (int32_t)OC_MIN(qmr, m1 - m), dst);
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

/* Blocks at[0..n) of k of rows [m, m + rows), one after the other. */
static void gather(const oc_s8_product *p, int64_t m, int64_t rows, const uint16_t *at, int64_t n,
                   int8_t *dst)
{
    int64_t Kp = p->W->Kp, qkr = oc_k->qkr;
    const int8_t *x = p->xq + m * Kp;
    for (int64_t r = 0; r < rows; r++, x += Kp)
        for (int64_t i = 0; i < n; i++, dst += qkr) {
            int64_t k = at[i] * qkr;
            memcpy(dst, x + k, 32);
            if (qkr == 32)
                continue;
            if (k + 32 < Kp)
                memcpy(dst + 32, x + k + 32, 32);
            else
                memset(dst + 32, 0, 32);
        }
}

/* Rows [m0, m1) x panel q, which leaves out some of k: all the rest. */
static void multiply_kept(const oc_s8_product *p, int64_t m0, int64_t m1, int64_t q, workspace *ws,
                          int32_t *acc)
{
    const oc_packed_s8 *W = p->W;
    const oc_s8_kept *kept = oc__s8_kept_of(W, q);
    int64_t qmr = oc_k->qmr, qkr = oc_k->qkr, qnr = oc_k->qnr;
    int64_t cut = OC_MIN(oc_k->qkc / qkr, KEPT_BYTES / (OC_MAX(qmr * qkr, tile_bytes(qkr))));
    for (int64_t m = m0; m < m1; m += qmr, acc += qmr * GROUP_COLS) {
        int32_t rows = (int32_t)OC_MIN(qmr, m1 - m);
        for (int64_t r = 0; kept->n == 0 && r < rows; r++)
            memset(acc + r * GROUP_COLS, 0, (size_t)qnr * sizeof *acc);
        for (int64_t i = 0; i < kept->n; i += cut) {
            int64_t n = OC_MIN(cut, kept->n - i);
            gather(p, m, rows, kept->at + i, n, ws->kept);
            prepare_rows(W, ws->kept, n * qkr, n * qkr, rows, ws->kept_rows);
            multiply_tile(W, q, n * qkr, ws->kept_rows, oc__s8_panel(W, q) + i * qkr * qnr, acc,
                          rows, i > 0);
        }
    }
}

/* Rows [m0, m1) x panels [q0, q1) x the cut at k: their sums, from 0 or added to. Panels that leave
 * out some of k are done at the first cut. */
static void multiply_cut(const oc_s8_product *p, int64_t m0, int64_t m1, int64_t q0, int64_t q1,
                         int64_t k, int64_t kc, const int8_t *rows, workspace *ws)
{
    const oc_packed_s8 *W = p->W;
    int64_t qmr = oc_k->qmr, qnr = oc_k->qnr;
    for (int64_t q = q0; q < q1; q++) {
        const oc_s8_kept *kept = oc__s8_kept_of(W, q);
        int32_t *acc = ws->acc + (q - q0) * qnr;
        if (kept->n < kept->all) {
            if (k == 0)
                multiply_kept(p, m0, m1, q, ws, acc);
            continue;
        }
        const int8_t *b = oc__s8_panel(W, q) + k * qnr, *a = rows;
        for (int64_t m = m0; m < m1; m += qmr, a += tile_bytes(kc), acc += qmr * GROUP_COLS)
            multiply_tile(W, q, kc, a, b, acc, (int32_t)OC_MIN(qmr, m1 - m), k > 0);
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
            multiply_cut(p, m0, m1, q, qe, k, kc, ws->rows + (whole ? k / cut * cut_bytes : 0), ws);
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
    // An eighth of the work of f32: fewer multiply-adds than that are done before a worker has woken.
    j.split = oc__split_plan(div_up(M, oc_k->qmr), div_up(W->N, oc_k->qnr),
                             (double)M * (double)W->N * (double)W->K * 0.125);
    oc_par_for(j.split.n_rows * j.split.n_cols, 1, multiply_pieces, &j);
}
