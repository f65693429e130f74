/*
 * core/kernels/gemm.c - f32 matrix products over the register tiles.
 *
 * Blocks, from the outside in: rows (BLOCK_ROWS, A stays in L2), columns (BLOCK_COLS, the finished
 * block of C is still near when bias and activation run over it), k (BLOCK_K, one panel of B stays
 * in L1), then panels of B, then register tiles. Cutting k keeps the chain of the contract: a tile
 * stores its sums and the next block starts from them.
 * A is read as it lies.
 *
 * Behind each panel of a packed B stands a byte for every eight k: whether they hold anything but
 * zeros. A tile then runs over the stretches of k that do, one call for each. Blocks of 8 x nr pay
 * from a tenth of them on, at 40 % zeros x1.3 (avx512vnni) to x1.4 (avx2), at 80 % x3 to x4; wider
 * ones come close to the ideal. Dense panels are one stretch.
 */
#include <assert.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/par.h"
#include "core/kernels/gemm_x6.h"
#include "core/kernels/kernels.h"
#include "core/kernels/split.h"

#define BLOCK_ROWS 96
#define BLOCK_COLS 384
#define BLOCK_K    384
#define EIGHT      8 /* k that share a mark */

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Row panels in a block of A. */
static int64_t block_panels(void)
{
    return OC_MAX(1, BLOCK_ROWS / oc_k->mr);
}

/* Length of the blocks of k: as few blocks as BLOCK_K allows, all about equal. */
static int64_t block_k(int64_t K)
{
    int64_t n = OC_MAX(1, div_up(K, BLOCK_K));
    return div_up(div_up(K, n), 8) * 8;
}

/* Floats from one panel of a packed B to the next: its values, then its marks. */
static int64_t panel_floats(int64_t K)
{
    return oc_k->nr * K + div_up(div_up(K, EIGHT), 64) * 16;
}

static uint8_t *marks_of(float *panel, int64_t K)
{
    return (uint8_t *)(panel + oc_k->nr * K);
}

/* Does this B lie as the matrix unit wants it? */
static bool on_x6(bool x6)
{
    return x6 && oc_k->x6_tile;
}

int64_t oc_pack_f32_floats(int64_t K, int64_t N, bool x6)
{
    return on_x6(x6) ? div_up(N, OC_X6_TILE) * oc__x6_panel_floats(K)
                     : div_up(N, oc_k->nr) * panel_floats(K);
}

typedef struct pack_job {
    oc_mat B;
    int64_t K, N;
    float *dst;
    int64_t step; /* floats from panel to panel; with room for marks, they are made */
} pack_job;

static bool all_zero(const float *p, int64_t n)
{
    int64_t i = 0;
    while (i < n && p[i] == 0.0f)
        i++;
    return i == n;
}

static void mark(float *panel, int64_t K)
{
    int64_t nr = oc_k->nr;
    uint8_t *marks = marks_of(panel, K);
    for (int64_t k = 0; k < K; k += EIGHT)
        marks[k / EIGHT] = !all_zero(panel + k * nr, OC_MIN(EIGHT, K - k) * nr);
}

double oc_packed_f32_zero_share(const oc_packed_f32 *B)
{
    bool x6 = on_x6(B->x6);
    int64_t panels = div_up(B->N, x6 ? OC_X6_TILE : oc_k->nr), zero = 0;
    int64_t blocks = div_up(B->K, x6 ? OC_X6_STEP : EIGHT);
    for (int64_t q = 0; x6 && q < panels; q++)
        zero += oc__x6_zero_steps(B->panel + q * oc__x6_panel_floats(B->K), B->K);
    for (int64_t q = 0; !x6 && q < panels; q++)
        for (int64_t i = 0; i < blocks; i++)
            zero += !marks_of(B->panel + q * panel_floats(B->K), B->K)[i];
    return panels * blocks > 0 ? (double)zero / (double)(panels * blocks) : 0.0;
}

static void pack_panels(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const pack_job *j = ctx;
    int64_t nr = oc_k->nr;
    for (int64_t p = begin; p < end; p++) {
        int32_t used = (int32_t)OC_MIN(nr, j->N - p * nr);
        float *panel = j->dst + p * j->step;
        oc_k->pack_f32_panel(j->B.p + p * nr * j->B.cs, j->B.cs, j->B.rs, j->K, used, (int32_t)nr,
                             panel);
        if (j->step > nr * j->K)
            mark(panel, j->K);
    }
}

static void pack_panels_x6(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const pack_job *j = ctx;
    for (int64_t p = begin; p < end; p++)
        oc__x6_pack_panel(j->B.p + p * OC_X6_TILE * j->B.cs, j->B.cs, j->B.rs, j->K,
                          (int32_t)OC_MIN(OC_X6_TILE, j->N - p * OC_X6_TILE),
                          j->dst + p * oc__x6_panel_floats(j->K));
}

void oc_pack_f32(oc_mat B, const oc_packed_f32 *to)
{
    bool x6 = on_x6(to->x6);
    pack_job j = {.B = B, .K = to->K, .N = to->N, .dst = to->panel, .step = panel_floats(to->K)};
    int64_t panels = div_up(to->N, x6 ? OC_X6_TILE : oc_k->nr);
    int64_t pieces = to->K * to->N < 32768 ? 1 : 2 * oc_par_workers();
    oc_par_for(panels, OC_MAX(1, div_up(panels, pieces)), x6 ? pack_panels_x6 : pack_panels, &j);
}

typedef struct gemm_job {
    int64_t M, N, K;
    const float *A;
    int64_t lda;
    const oc_packed_f32 *B;
    bool accumulate;
    const float *bias;
    oc_epilogue act;
    float *C, *act_out;
    int64_t ldc;
    oc_split split;
} gemm_job;

/* A panel of rows for the tile kernel: where it starts and how to step. */
typedef struct a_panel {
    const float *p;
    int64_t rs, cs;
} a_panel;

/* Stretches of k, from the start of a block, that hold anything but zeros. */
typedef struct stretches {
    int64_t n, at[BLOCK_K / EIGHT / 2 + 2], len[BLOCK_K / EIGHT / 2 + 2];
} stretches;

/* Whether n_q panels from q have no zeros to leave out in [k0, k0 + kc). */
static bool dense(const oc_packed_f32 *B, int64_t q, int64_t n_q, int64_t k0, int64_t kc)
{
    for (int64_t i = q; i < q + n_q; i++)
        if (memchr(marks_of(B->panel + i * panel_floats(B->K), B->K) + k0 / EIGHT, 0,
                   (size_t)div_up(kc, EIGHT)))
            return false;
    return true;
}

/* Those of panel q in [k0, k0 + kc); an empty one where there are none. */
static void find_stretches(const oc_packed_f32 *B, int64_t q, int64_t k0, int64_t kc, stretches *s)
{
    s->n = 1;
    s->at[0] = 0;
    s->len[0] = kc;
    if (dense(B, q, 1, k0, kc))
        return;
    const uint8_t *marks = marks_of(B->panel + q * panel_floats(B->K), B->K) + k0 / EIGHT;
    int64_t n = div_up(kc, EIGHT), found = 0;
    s->len[0] = 0;
    for (int64_t i = 0; i < n;) {
        int64_t from = i;
        while (i < n && marks[i] == marks[from])
            i++;
        if (marks[from]) {
            s->at[found] = from * EIGHT;
            s->len[found++] = OC_MIN(i * EIGHT, kc) - from * EIGHT;
        }
    }
    s->n = OC_MAX(1, found);
}

/* Row panels [p0, p1), which begin at a, x column panel q. */
static void multiply_panel(const gemm_job *j, int64_t p0, int64_t p1, const float *a, int64_t q,
                           int64_t k0, int64_t kc)
{
    int64_t mr = oc_k->mr, nr = oc_k->nr;
    const float *b = j->B->panel + q * panel_floats(j->K) + k0 * nr;
    int32_t n_used = (int32_t)OC_MIN(nr, j->N - q * nr);
    stretches s;
    find_stretches(j->B, q, k0, kc, &s);
    for (int64_t p = p0; p < p1; p++, a += mr * j->lda)
        for (int64_t i = 0; i < s.n; i++)
            oc_k->gemm_f32_tile(s.len[i], a + s.at[i], j->lda, 1, b + s.at[i] * nr,
                                j->C + p * mr * j->ldc + q * nr, j->ldc,
                                (int32_t)OC_MIN(mr, j->M - p * mr), n_used,
                                j->accumulate || k0 > 0 || i > 0);
}

/* Row panels [p0, p1) x column panels [q0, q1) x k [k0, k0 + kc). */
static void multiply_block(const gemm_job *j, int64_t p0, int64_t p1, int64_t q0, int64_t q1,
                           int64_t k0, int64_t kc)
{
    int64_t mr = oc_k->mr, nr = oc_k->nr, few = j->M < 4 ? oc_k->few[j->M] : 0;
    const float *a = j->A + p0 * mr * j->lda + k0;
    for (int64_t q = q0; q < q1;) {
        if (few && q + few <= q1 && (q + few) * nr <= j->N && dense(j->B, q, few, k0, kc)) {
            oc_k->gemm_f32_few(kc, a, j->lda, 1, j->B->panel + q * panel_floats(j->K) + k0 * nr,
                               panel_floats(j->K), j->C + q * nr, j->ldc, (int32_t)j->M,
                               j->accumulate || k0 > 0);
            q += few;
        } else {
            multiply_panel(j, p0, p1, a, q, k0, kc);
            q++;
        }
    }
}

/* Bias and activation over finished rows [m0, m1) x columns [n0, n1). */
static void finish_block(const gemm_job *j, int64_t m0, int64_t m1, int64_t n0, int64_t n1)
{
    bool copies = j->act != OC_EPI_NONE || j->act_out != j->C;
    for (int64_t m = m0; m < m1; m++) {
        float *c = j->C + m * j->ldc + n0;
        if (j->bias)
            oc_k->axpy(1.0f, j->bias + n0, c, n1 - n0);
        if (j->act_out && copies)
            oc_k->act_row(j->act, c, n1 - n0, j->act_out + m * j->ldc + n0);
    }
}

/* Rows [m0, m1) x column panels [q0, q1) on the matrix unit, finished. */
static void multiply_x6(const gemm_job *j, int64_t m0, int64_t m1, int64_t q0, int64_t q1)
{
    int64_t n0 = q0 * OC_X6_TILE, n1 = OC_MIN(q1 * OC_X6_TILE, j->N);
    for (int64_t m = m0; m < m1; m += OC_X6_ROWS) {
        int64_t end = OC_MIN(m + OC_X6_ROWS, m1);
        oc_x6_job x = {.M = end - m,
                       .N = n1 - n0,
                       .K = j->K,
                       .A = j->A + m * j->lda,
                       .lda = j->lda,
                       .panels = j->B->panel + q0 * oc__x6_panel_floats(j->K),
                       .accumulate = j->accumulate,
                       .C = j->C + m * j->ldc + n0,
                       .ldc = j->ldc};
        oc__gemm_x6(&x);
        finish_block(j, m, end, n0, n1);
    }
}

/* Row panels [p0, p1) x column panels [q0, q1), all of k, finished. */
static void multiply_piece(const gemm_job *j, int64_t p0, int64_t p1, int64_t q0, int64_t q1)
{
    int64_t mr = oc_k->mr, nr = oc_k->nr;
    int64_t bp = block_panels(), bq = OC_MAX(1, BLOCK_COLS / nr), bk = block_k(j->K);
    for (int64_t p = p0; p < p1; p += bp) {
        int64_t pe = OC_MIN(p1, p + bp);
        for (int64_t q = q0; q < q1; q += bq) {
            int64_t qe = OC_MIN(q1, q + bq), k = 0;
            do { // once even when K is 0: the product is then 0
                multiply_block(j, p, pe, q, qe, k, OC_MIN(bk, j->K - k));
                k += bk;
            } while (k < j->K);
            finish_block(j, p * mr, OC_MIN(pe * mr, j->M), q * nr, OC_MIN(qe * nr, j->N));
        }
    }
}

static void multiply_pieces(void *ctx, int64_t begin, int64_t end, int worker)
{
    const gemm_job *j = ctx;
    const oc_split *s = &j->split;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t r = i / s->n_cols, c = i % s->n_cols;
        int64_t p0 = oc__split_at(s->rows, r, s->n_rows), q0 = oc__split_at(s->cols, c, s->n_cols);
        int64_t p1 = oc__split_at(s->rows, r + 1, s->n_rows);
        int64_t q1 = oc__split_at(s->cols, c + 1, s->n_cols);
        if (on_x6(j->B->x6))
            multiply_x6(j, p0 * OC_X6_TILE, OC_MIN(p1 * OC_X6_TILE, j->M), q0, q1);
        else
            multiply_piece(j, p0, p1, q0, q1);
    }
}

void oc_gemm_f32(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda,
                 const oc_packed_f32 *B, bool accumulate, const float *bias, oc_epilogue act,
                 float *C, int64_t ldc, float *act_out)
{
    bool x6 = on_x6(B->x6);
    assert(B->K == K && B->N == N);
    if (M <= 0 || N <= 0)
        return;
    gemm_job j = {.M = M,
                  .N = N,
                  .K = K,
                  .A = A,
                  .lda = lda,
                  .B = B,
                  .accumulate = accumulate,
                  .bias = bias,
                  .act = act,
                  .C = C,
                  .ldc = ldc,
                  .act_out = act_out};
    j.split =
        oc__split_plan(div_up(M, x6 ? OC_X6_TILE : oc_k->mr), div_up(N, x6 ? OC_X6_TILE : oc_k->nr),
                       (double)M * (double)N * (double)K);
    oc_par_for(j.split.n_rows * j.split.n_cols, 1, multiply_pieces, &j);
}

int64_t oc_gemm_serial_floats(int64_t M, int64_t N, int64_t K)
{
    (void)M;
    return div_up(oc_pack_f32_floats(K, N, false) + oc_k->mr * K + 1, 16) * 16;
}

/* B is packed whole and stays in L2; each panel of A passes over it once. So few columns share a
 * panel of A that reading a transposed one as it lies costs less than packing it. */
void oc_gemm_f32_serial(int64_t M, int64_t N, int64_t K, oc_mat A, oc_mat B, bool accumulate,
                        float *C, int64_t ldc, float *scratch)
{
    int64_t mr = oc_k->mr, nr = oc_k->nr, panels = div_up(N, nr);
    pack_job pack = {.B = B, .K = K, .N = N, .dst = scratch, .step = nr * K};
    pack_panels(&pack, 0, panels, 0);
    float *rows = scratch + panels * nr * K;
    for (int64_t m = 0; m < M; m += mr) {
        int32_t m_used = (int32_t)OC_MIN(mr, M - m);
        a_panel a = {A.p + m * A.rs, A.rs, A.cs};
        if (A.cs != 1 && A.rs != 1) {
            oc_k->pack_f32_panel(a.p, A.rs, A.cs, K, m_used, (int32_t)mr, rows);
            a = (a_panel){rows, 1, mr};
        }
        for (int64_t q = 0; q < panels; q++)
            oc_k->gemm_f32_tile(K, a.p, a.rs, a.cs, scratch + q * nr * K, C + m * ldc + q * nr, ldc,
                                m_used, (int32_t)OC_MIN(nr, N - q * nr), accumulate);
    }
}
