#include "core/measure/rank.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/rng.h"

/* Bits of a float that compare as whole numbers the way the floats do. */
static uint32_t key_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

enum { DIGIT = 11, RADIX = 1 << DIGIT };

/* One stable pass of a radix sort; returns false when all rows have the same digit. */
static bool sort_digit(const oc_ranked *from, oc_ranked *to, int64_t n, int shift)
{
    int64_t at[RADIX] = {0};
    for (int64_t i = 0; i < n; i++)
        at[key_of(from[i].score) >> shift & (RADIX - 1)]++;
    int64_t sum = 0;
    for (int k = 0; k < RADIX; k++) {
        int64_t c = at[k];
        if (c == n)
            return false;
        at[k] = sum;
        sum += c;
    }
    for (int64_t i = 0; i < n; i++)
        to[at[key_of(from[i].score) >> shift & (RADIX - 1)]++] = from[i];
    return true;
}

static void insertion_sort(oc_ranked *r, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        oc_ranked x = r[i];
        int64_t j = i;
        for (; j > 0 && r[j - 1].score > x.score; j--)
            r[j] = r[j - 1];
        r[j] = x;
    }
}

void oc_rank_sort(oc_ranked *r, oc_ranked *scratch, int64_t n)
{
    if (n <= 64) {
        insertion_sort(r, n);
        return;
    }
    oc_ranked *from = r, *to = scratch;
    for (int shift = 0; shift < 32; shift += DIGIT) {
        if (!sort_digit(from, to, n, shift))
            continue;
        oc_ranked *was = from;
        from = to;
        to = was;
    }
    if (from != r)
        memcpy(r, from, (size_t)n * sizeof *r);
}

/* End of the run of equal scores that starts at i. */
static int64_t run_end(const oc_ranked *r, int64_t n, int64_t i)
{
    int64_t j = i + 1;
    while (j < n && r[j].score == r[i].score)
        j++;
    return j;
}

/*
 * AUROC = U / (P N) with U the pairs (positive, negative) in the right order, ties half. Counting
 * 2U keeps it in whole numbers: a positive is worth two for each negative below and one for each
 * beside it.
 */
double oc_rank_auroc(const oc_ranked *r, int64_t n)
{
    int64_t below = 0, P = 0, u2 = 0;
    for (int64_t i = 0, j; i < n; i = j) {
        j = run_end(r, n, i);
        int64_t pos = 0;
        for (int64_t k = i; k < j; k++)
            pos += r[k].positive;
        int64_t neg = j - i - pos;
        u2 += pos * (2 * below + neg);
        below += neg;
        P += pos;
    }
    return P && below ? (double)u2 / (2.0 * (double)P * (double)below) : (double)NAN;
}

/* Sum over distinct thresholds, from the highest, of (recall gained) x (precision there). */
double oc_rank_auprc(const oc_ranked *r, int64_t n)
{
    int64_t P = 0;
    for (int64_t i = 0; i < n; i++)
        P += r[i].positive;
    if (!P)
        return (double)NAN;
    double sum = 0;
    int64_t found = 0;
    for (int64_t j = n, i; j > 0; j = i) {
        int64_t pos = 0;
        for (i = j; i > 0 && r[i - 1].score == r[j - 1].score; i--)
            pos += r[i - 1].positive;
        found += pos;
        sum += (double)pos * (double)found / (double)(n - i);
    }
    return sum / (double)P;
}

oc_status oc_resamples_init(oc_resamples *s, int64_t n, int64_t first, int64_t blocks,
                            uint64_t seed, oc_err *err)
{
    size_t per_block, total;
    if (oc_size_mul((size_t)n, OC_LANES, &per_block) != OC_OK ||
        oc_size_mul(per_block, (size_t)blocks, &total) != OC_OK)
        return OC_FAIL(err, OC_RANGE, "too many resamples of %lld rows", (long long)n);
    uint8_t *count = oc_calloc(total, 1);
    if (!count)
        return OC_FAIL(err, OC_NOMEM, "out of memory for resamples (%zu bytes)", total);
    for (int64_t b = 0; b < blocks; b++) {
        uint8_t *block = count + (size_t)b * per_block;
        for (int lane = 0; lane < OC_LANES; lane++) {
            oc_rng rng;
            oc_rng_init(&rng, seed, (uint64_t)(first + b * OC_LANES + lane));
            for (int64_t i = 0; i < n; i++) {
                uint8_t *c = &block[(size_t)oc_rng_below(&rng, (uint64_t)n) * OC_LANES + lane];
                *c += *c < UINT8_MAX; // a row is never drawn that often
            }
        }
    }
    *s = (oc_resamples){.n = n, .blocks = blocks, .count = count};
    return OC_OK;
}

void oc_resamples_release(oc_resamples *s)
{
    oc_free(s->count);
    *s = (oc_resamples){0};
}

typedef struct lanes {
    int32_t below[OC_LANES], P[OC_LANES];
    int64_t u2[OC_LANES];
} lanes;

static void add_positive(lanes *s, const uint8_t *restrict w)
{
#pragma omp simd
    for (int l = 0; l < OC_LANES; l++) {
        s->u2[l] += (int64_t)w[l] * (2 * (int64_t)s->below[l]);
        s->P[l] += w[l];
    }
}

static void add_negative(lanes *s, const uint8_t *restrict w)
{
#pragma omp simd
    for (int l = 0; l < OC_LANES; l++)
        s->below[l] += w[l];
}

/* Rows r[0..n) have one score: their pairs count half. */
static void add_run(lanes *s, const oc_ranked *r, int64_t n, const uint8_t *block)
{
    int32_t pos[OC_LANES] = {0}, neg[OC_LANES] = {0};
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *w = block + (size_t)r[i].row * OC_LANES;
        int32_t *side = r[i].positive ? pos : neg;
        for (int l = 0; l < OC_LANES; l++)
            side[l] += w[l];
    }
    for (int l = 0; l < OC_LANES; l++) {
        s->u2[l] += (int64_t)pos[l] * (2 * (int64_t)s->below[l] + neg[l]);
        s->below[l] += neg[l];
        s->P[l] += pos[l];
    }
}

void oc_rank_auroc_block(const oc_ranked *r, int64_t n, const oc_resamples *s, int64_t block,
                         double out[OC_LANES])
{
    const uint8_t *counts = s->count + (size_t)block * (size_t)s->n * OC_LANES;
    lanes sum;
    memset(&sum, 0, sizeof sum);
    for (int64_t i = 0, j; i < n; i = j) {
        j = run_end(r, n, i);
        const uint8_t *w = counts + (size_t)r[i].row * OC_LANES;
        if (j > i + 1)
            add_run(&sum, r + i, j - i, counts);
        else if (r[i].positive)
            add_positive(&sum, w);
        else
            add_negative(&sum, w);
    }
    for (int l = 0; l < OC_LANES; l++) {
        double pairs = 2.0 * sum.P[l] * sum.below[l];
        out[l] = pairs > 0 ? (double)sum.u2[l] / pairs : (double)NAN;
    }
}
