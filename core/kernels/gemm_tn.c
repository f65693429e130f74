#include "core/kernels/gemm_tn.h"

#include "core/base/attr.h"
#include "core/base/par.h"
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

int64_t oc_gemm_tn_floats(void)
{
    return (int64_t)BLOCK_K * (BLOCK_ROWS + WIDEST + PIECE_COLS + WIDEST);
}

typedef struct job {
    int64_t n, M, N, lda, ldb;
    const float *A, *B;
    float *C, *sums, *scratch;
    int64_t n_rows, n_cols; /* pieces of C along each side */
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

static void piece(void *ctx, int64_t begin, int64_t end, int worker)
{
    const job *j = ctx;
    int32_t mr = oc_k->mr, nr = oc_k->nr;
    float *b = j->scratch + worker * oc_gemm_tn_floats();
    float *a = b + (int64_t)BLOCK_K * (PIECE_COLS + WIDEST);
    int64_t m_tiles = div_up(j->M, mr), c_tiles = div_up(j->N, nr);
    int64_t block = OC_MAX(1, BLOCK_ROWS / mr) * mr;
    for (int64_t i = begin; i < end; i++) {
        int64_t r = i / j->n_cols, c = i % j->n_cols;
        int64_t m0 = m_tiles * r / j->n_rows * mr;
        int64_t m1 = OC_MIN(j->M, m_tiles * (r + 1) / j->n_rows * mr);
        int64_t c0 = c_tiles * c / j->n_cols * nr;
        int64_t c1 = OC_MIN(j->N, c_tiles * (c + 1) / j->n_cols * nr);
        for (int64_t k = 0; k < j->n; k += BLOCK_K) {
            int64_t kc = OC_MIN(BLOCK_K, j->n - k);
            pack(j->B + k * j->ldb, j->ldb, kc, c0, c1, nr, b);
            for (int64_t m = m0; m < m1; m += block) {
                int64_t to = OC_MIN(m1, m + block);
                pack(j->A + k * j->lda, j->lda, kc, m, to, mr, a);
                multiply(j, m, to, c0, c1, kc, a, b);
                if (c == 0)
                    oc_k->sum_rows(j->A + k * j->lda + m, j->lda, kc, to - m, j->sums + m);
            }
        }
    }
}

void oc_gemm_tn_f32(int64_t n, int64_t M, int64_t N, const float *A, int64_t lda, const float *B,
                    int64_t ldb, float *C, float *sums, float *scratch)
{
    OC_CHECK(oc_k->mr <= WIDEST && oc_k->nr <= WIDEST);
    if (M <= 0 || N <= 0)
        return;
    int64_t workers = oc_par_workers(), m_tiles = div_up(M, oc_k->mr);
    job j = {.n = n, .M = M, .N = N, .lda = lda, .ldb = ldb, .A = A, .B = B, .C = C};
    j.sums = sums;
    j.scratch = scratch;
    j.n_cols = div_up(N, PIECE_COLS);
    // Two pieces a worker: one that is held up loses at most half of its share.
    bool alone = workers <= 1 || (double)n * (double)M * (double)N < MIN_WORK;
    j.n_rows = alone ? 1 : OC_MIN(m_tiles, div_up(2 * workers, j.n_cols));
    oc_par_for(j.n_rows * j.n_cols, 1, piece, &j);
}
