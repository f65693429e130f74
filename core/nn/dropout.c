/*
 * Masks from counters: sixteen draws of 16 bits at a time, so a probability is met to 1/65536 and
 * a mask costs a quarter of a mix per element.
 */
#include <math.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/rng.h"
#include "core/nn/bert_internal.h"

#define GROUP 16 /* elements of four words */

oc__drop oc__drop_at(const oc_dropout *d, float p, int32_t layer, oc__site site)
{
    oc__drop out = {.off = 0, .scale = 1.0f};
    if (!d || p <= 0.0f)
        return out;
    uint64_t where = (uint64_t)(layer + 1) * OC__N_SITES + (uint64_t)site;
    out.key = oc_rng_at(oc_rng_at(d->seed, d->step), where);
    out.off = (uint32_t)OC_MIN(65535.0, rint((double)p * 65536.0));
    out.scale = 65536.0f / (float)(65536 - out.off);
    return out;
}

static inline void mask_group(const oc__drop *d, uint64_t word, float *m)
{
    uint64_t bits[GROUP / 4];
    uint16_t draw[GROUP];
    for (uint64_t w = 0; w < GROUP / 4; w++)
        bits[w] = oc_rng_at(d->key, word + w);
    memcpy(draw, bits, sizeof draw);
    const int32_t off = (int32_t)d->off; // copies: a store to m might change *d
    const float scale = d->scale;
    for (int i = 0; i < GROUP; i++)
        m[i] = draw[i] >= off ? scale : 0.0f;
}

void oc__drop_mask(const oc__drop *d, int64_t word, int64_t n, float *m)
{
    int64_t i = 0;
    for (; i + GROUP <= n; i += GROUP, word += GROUP / 4)
        mask_group(d, (uint64_t)word, m + i);
    if (i < n) {
        float tail[GROUP];
        mask_group(d, (uint64_t)word, tail);
        memcpy(m + i, tail, (size_t)(n - i) * sizeof *m);
    }
}

void oc__drop_row(const oc__drop *d, int64_t word, int64_t n, const float *x, float *y)
{
    float m[GROUP];
    int64_t i = 0;
    for (; i + GROUP <= n; i += GROUP, word += GROUP / 4) {
        mask_group(d, (uint64_t)word, m);
        for (int j = 0; j < GROUP; j++)
            y[i + j] = m[j] * x[i + j];
    }
    if (i < n) {
        mask_group(d, (uint64_t)word, m);
        for (int j = 0; i + j < n; j++)
            y[i + j] = m[j] * x[i + j];
    }
}
