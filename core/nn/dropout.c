/*
 * Masks from counters: four draws of 16 bits from each word of randomness, so a probability is met
 * to 1/65536 and a mask costs a quarter of a mix per element.
 */
#include <math.h>

#include "core/base/attr.h"
#include "core/base/rng.h"
#include "core/nn/bert_internal.h"

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

void oc__drop_mask(const oc__drop *d, int64_t word, int64_t n, float *m)
{
    oc_k->drop_row(d->key, (uint64_t)word, d->off, d->scale, n, NULL, m);
}

void oc__drop_row(const oc__drop *d, int64_t word, int64_t n, const float *x, float *y)
{
    oc_k->drop_row(d->key, (uint64_t)word, d->off, d->scale, n, x, y);
}
