#include "core/kernels/gemm_tn.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/par.h"
#include "core/kernels/gemm_x6.h"
#include "core/kernels/kernels.h"

/* A panel of B (256 x 32 floats) and one of A fit L1; both packed blocks and C's piece fit L2. */
#define BLOCK_K    256
#define BLOCK_ROWS 192 /* of C, columns of A */
#define PIECE_COLS 384 /* of C, at most */
#define WIDEST     64  /* tiles have no more rows or columns */
#define STRIP      32  /* rows packed together */

/* Below this many multiply-adds waking the workers costs more than it saves. */
#define MIN_WORK 100000

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Rows enough for the matrix unit? Fewer, the [CLS] rows of a batch, are the chain anywhere. */
static bool on_x6(int64_t n)
{
    return oc_k->x6_tile && n >= 4 * OC_X6_STEP;
}

/* Six bytes for a float on the matrix unit, else four. */
int64_t oc_gemm_tn_floats(void)
{
    int64_t floats = (int64_t)BLOCK_K * (BLOCK_ROWS + WIDEST + PIECE_COLS + WIDEST);
    return oc_k->x6_tile ? floats / 2 * 3 : floats;
}

typedef struct job {
    int64_t n, M, N, lda, ldb;
    const float *A, *B;
    float *C, *sums, *scratch;
    int64_t n_rows, n_cols; /* pieces of C along each side */
    int32_t mr, nr;         /* tile */
    bool x6;
} job;

/* Columns [c0, c1) of `rows` rows of x, as panels. A strip of rows at a time: panel by panel over
 * all of them, each row would be fetched again, a page apart from the last one, for each panel. */
static void pack(const float *x, int64_t ld, int64_t rows, int64_t c0, int64_t c1, int32_t width,
                 float *dst)
{
    for (int64_t k = 0; k < rows; k += STRIP) {
        float *d = dst + k * width;
        for (int64_t c = c0; c < c1; c += width, d += width * rows)
            oc_k->pack_f32_panel(x + k * ld + c, 1, ld, OC_MIN(STRIP, rows - k),
                                 (int32_t)OC_MIN(width, c1 - c), width, d);
    }
}

/* Rows [m0, m1) x columns [c0, c1) of C, over kc rows of A and B from k0 on; a, b packed. */
static void multiply(const job *j, int64_t m0, int64_t m1, int64_t c0, int64_t c1, int64_t kc,
                     const float *a, const float *b)
{
    int32_t mr = oc_k->mr, nr = oc_k->nr;
    for (int64_t c = c0; c < c1; c += nr, b += nr * kc)
        for (int64_t m = m0; m < m1; m += mr)
            oc_k->gemm_f32_tile(kc, a + (m - m0) * kc, 1, mr, b, j->C + m * j->N + c, j->N,
                                (int32_t)OC_MIN(mr, m1 - m), (int32_t)OC_MIN(nr, c1 - c), true);
}

/* The same on the matrix unit: parts of [c0, c1), a tile of columns after the other, each its steps
 * of 32 rows. Of A columns become rows. */
static void split(const float *x, int64_t ld, int64_t rows, int64_t c0, int64_t c1, bool turn,
                  uint16_t *dst)
{
    float step[OC_X6_STEP * OC_X6_TILE];
    int64_t steps = div_up(rows, OC_X6_STEP);
    for (int64_t s = 0; s < steps; s++) {
        const float *from = x + s * OC_X6_STEP * ld;
        int32_t k = (int32_t)OC_MIN(OC_X6_STEP, rows - s * OC_X6_STEP);
        for (int64_t c = c0, t = 0; c < c1; c += OC_X6_TILE, t++) {
            uint16_t *to = dst + (t * steps + s) * OC_X6_PARTS;
            int32_t used = (int32_t)OC_MIN(OC_X6_TILE, c1 - c);
            if (turn) {
                oc_k->pack_f32_panel(from + c, ld, 1, used, k, OC_X6_STEP, step);
                oc_k->x6_split_rows(step, OC_X6_STEP, OC_X6_STEP, used, to);
                continue;
            }
            oc_k->pack_f32_panel(from + c, 1, ld, k, used, OC_X6_TILE, step);
            memset(step + k * OC_X6_TILE, 0,
                   (size_t)((OC_X6_STEP - k) * OC_X6_TILE) * sizeof *step);
            oc_k->x6_split_columns(step, to);
        }
    }
}

static void multiply_x6(const job *j, int64_t m0, int64_t m1, int64_t c0, int64_t c1, int64_t kc,
                        const uint16_t *a, const uint16_t *b)
{
    int16_t step[BLOCK_K / OC_X6_STEP];
    int32_t steps = (int32_t)div_up(kc, OC_X6_STEP);
    for (int16_t s = 0; s < steps; s++)
        step[s] = s;
    oc_x6_tile t = {.step = step, .n_steps = steps, .b = b, .ldc = j->N, .accumulate = true};
    for (int64_t c = c0; c < c1; c += OC_X6_TILE, t.b += steps * OC_X6_PARTS) {
        t.n_used = (int32_t)OC_MIN(OC_X6_TILE, c1 - c);
        t.a = a;
        for (int64_t m = m0; m < m1; m += OC_X6_TILE, t.a += steps * OC_X6_PARTS) {
            t.m_used = (int32_t)OC_MIN(OC_X6_TILE, m1 - m);
            t.C = j->C + m * j->N + c;
            oc_k->x6_tile(&t);
        }
    }
}

/* Rows [m0, m1) x columns [c0, c1) of C over all rows of A and B. a and b: the worker's scratch. */
static void multiply_all(const job *j, int64_t m0, int64_t m1, int64_t c0, int64_t c1, float *a,
                         float *b)
{
    int64_t block = OC_MAX(1, BLOCK_ROWS / j->mr) * j->mr;
    for (int64_t k = 0; k < j->n; k += BLOCK_K) {
        int64_t kc = OC_MIN(BLOCK_K, j->n - k);
        const float *A = j->A + k * j->lda, *B = j->B + k * j->ldb;
        uint16_t *a6 = (uint16_t *)(void *)a, *b6 = (uint16_t *)(void *)b;
        if (j->x6)
            split(B, j->ldb, kc, c0, c1, false, b6);
        else
            pack(B, j->ldb, kc, c0, c1, j->nr, b);
        for (int64_t m = m0; m < m1; m += block) {
            int64_t to = OC_MIN(m1, m + block);
            if (j->x6) {
                split(A, j->lda, kc, m, to, true, a6);
                multiply_x6(j, m, to, c0, c1, kc, a6, b6);
            } else {
                pack(A, j->lda, kc, m, to, j->mr, a);
                multiply(j, m, to, c0, c1, kc, a, b);
            }
            if (c0 == 0)
                oc_k->sum_rows(A + m, j->lda, kc, to - m, j->sums + m);
        }
    }
}

static void piece(void *ctx, int64_t begin, int64_t end, int worker)
{
    const job *j = ctx;
    float *b = j->scratch + worker * oc_gemm_tn_floats();
    float *a =
        b + oc_gemm_tn_floats() / (PIECE_COLS + BLOCK_ROWS + 2 * WIDEST) * (PIECE_COLS + WIDEST);
    int64_t m_tiles = div_up(j->M, j->mr), c_tiles = div_up(j->N, j->nr);
    if (j->x6 && oc_k->begin_tiles)
        oc_k->begin_tiles();
    for (int64_t i = begin; i < end; i++) {
        int64_t r = i / j->n_cols, c = i % j->n_cols;
        multiply_all(j, m_tiles * r / j->n_rows * j->mr,
                     OC_MIN(j->M, m_tiles * (r + 1) / j->n_rows * j->mr),
                     c_tiles * c / j->n_cols * j->nr,
                     OC_MIN(j->N, c_tiles * (c + 1) / j->n_cols * j->nr), a, b);
    }
    if (j->x6 && oc_k->end_tiles)
        oc_k->end_tiles();
}

void oc_gemm_tn_f32(int64_t n, int64_t M, int64_t N, const float *A, int64_t lda, const float *B,
                    int64_t ldb, float *C, float *sums, float *scratch)
{
    OC_CHECK(oc_k->mr <= WIDEST && oc_k->nr <= WIDEST);
    if (M <= 0 || N <= 0)
        return;
    job j = {.n = n, .M = M, .N = N, .lda = lda, .ldb = ldb, .A = A, .B = B, .C = C};
    j.x6 = on_x6(n);
    j.mr = j.x6 ? OC_X6_TILE : oc_k->mr;
    j.nr = j.x6 ? OC_X6_TILE : oc_k->nr;
    int64_t workers = oc_par_workers(), m_tiles = div_up(M, j.mr);
    j.sums = sums;
    j.scratch = scratch;
    j.n_cols = div_up(N, PIECE_COLS);
    // Two pieces a worker: one that is held up loses at most half of its share.
    bool alone = workers <= 1 || (double)n * (double)M * (double)N < MIN_WORK;
    j.n_rows = alone ? 1 : OC_MIN(m_tiles, div_up(2 * workers, j.n_cols));
    oc_par_for(j.n_rows * j.n_cols, 1, piece, &j);
}
