/*
 * From the outside in: cuts of k (the parts of their rows are made once and stay in L2), panels of B,
 * row tiles. A panel's cut comes from wherever it lies, once for all rows: the tiles of the one before
 * fetch it.
 */
#include "core/kernels/gemm_x6.h"

#include <assert.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/kernels/kernels.h"

enum { CUT_STEPS = 12 }; /* of k */

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t steps_of(int64_t K)
{
    return div_up(K, OC_X6_STEP);
}

int64_t oc__x6_panel_floats(int64_t K)
{
    return steps_of(K) * (OC_X6_PARTS / 2) + div_up(steps_of(K), 64) * 16;
}

static const uint8_t *marks_of(const float *panel, int64_t K)
{
    return (const uint8_t *)(panel + steps_of(K) * (OC_X6_PARTS / 2));
}

void oc__x6_pack_panel(const float *b, int64_t js, int64_t ks, int64_t K, int32_t used, float *dst)
{
    uint8_t *marks = (uint8_t *)dst + (marks_of(dst, K) - (const uint8_t *)dst);
    _Alignas(64) float step[OC_X6_STEP * OC_X6_TILE];
    for (int64_t k = 0; k < K; k += OC_X6_STEP, dst += OC_X6_PARTS / 2) {
        int64_t kc = OC_MIN(OC_X6_STEP, K - k);
        oc_k->pack_f32_panel(b + k * ks, js, ks, kc, used, OC_X6_TILE, step);
        memset(step + kc * OC_X6_TILE, 0, (size_t)((OC_X6_STEP - kc) * OC_X6_TILE) * sizeof *step);
        int64_t zeros = 0; // as a rule the first is none
        while (zeros < kc * OC_X6_TILE && step[zeros] == 0.0f)
            zeros++;
        *marks++ = zeros < kc * OC_X6_TILE;
        oc_k->x6_split_columns(step, (uint16_t *)(void *)dst);
    }
}

int64_t oc__x6_zero_steps(const float *panel, int64_t K)
{
    const uint8_t *marks = marks_of(panel, K);
    int64_t n = 0;
    for (int64_t s = 0; s < steps_of(K); s++)
        n += !marks[s];
    return n;
}

/* All rows, whose parts are at `rows`, x panel q x the n steps from s0 on; the same steps of the next
 * panel are fetched meanwhile. */
static void multiply_panel(const oc_x6_job *j, int64_t q, int64_t s0, int64_t n,
                           const uint16_t *rows)
{
    const float *panel = j->panels + q * oc__x6_panel_floats(j->K);
    bool last = (q + 1) * OC_X6_TILE >= j->N;
    const float *ahead = last ? panel : panel + oc__x6_panel_floats(j->K) + s0 * (OC_X6_PARTS / 2);
    const uint8_t *marks = marks_of(panel, j->K) + s0;
    int16_t step[CUT_STEPS];
    int32_t n_steps = 0;
    for (int64_t s = 0; s < n; s++)
        if (marks[s])
            step[n_steps++] = (int16_t)s;
    int64_t lines = n * OC_X6_PARTS * 2 / 64, calls = div_up(j->M, OC_X6_TILE) * n_steps;
    oc_x6_tile t = {.a = rows,
                    .b = (const uint16_t *)(const void *)panel + s0 * OC_X6_PARTS,
                    .step = step,
                    .n_steps = n_steps,
                    .n_used = (int32_t)OC_MIN(OC_X6_TILE, j->N - q * OC_X6_TILE),
                    .ahead_lines = !last && calls ? (int32_t)(lines / calls) : 0,
                    .ahead = (const char *)ahead,
                    .ldc = j->ldc,
                    .accumulate = j->accumulate || s0 > 0};
    for (int64_t m = 0; m < j->M; m += OC_X6_TILE) {
        t.C = j->C + m * j->ldc + q * OC_X6_TILE;
        t.m_used = (int32_t)OC_MIN(OC_X6_TILE, j->M - m);
        oc_k->x6_tile(&t);
        t.a += CUT_STEPS * OC_X6_PARTS;
        t.ahead += (int64_t)n_steps * t.ahead_lines * 64;
    }
}

void oc__gemm_x6(const oc_x6_job *j)
{
    _Alignas(64) uint16_t rows[OC_X6_ROWS / OC_X6_TILE * CUT_STEPS * OC_X6_PARTS];
    int64_t panels = div_up(j->N, OC_X6_TILE), steps = steps_of(j->K), s = 0;
    assert(j->M <= OC_X6_ROWS);
    if (oc_k->begin_tiles)
        oc_k->begin_tiles();
    do { // once even when K is 0: the product is then 0
        int64_t n = OC_MIN(CUT_STEPS, steps - s), k = s * OC_X6_STEP;
        for (int64_t m = 0; m < j->M; m += OC_X6_TILE)
            oc_k->x6_split_rows(j->A + m * j->lda + k, j->lda, OC_MIN(n * OC_X6_STEP, j->K - k),
                                (int32_t)OC_MIN(OC_X6_TILE, j->M - m),
                                rows + m / OC_X6_TILE * CUT_STEPS * OC_X6_PARTS);
        for (int64_t q = 0; q < panels; q++)
            multiply_panel(j, q, s, n, rows);
        s += CUT_STEPS;
    } while (s < steps);
    if (oc_k->end_tiles)
        oc_k->end_tiles();
}
