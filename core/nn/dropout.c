/*
 * Masks from counters: four draws of 16 bits from each word of randomness, so a probability is met
 * to 1/65536 and a mask costs a quarter of a mix per element. Draws are laid down first and
 * compared afterwards, in a loop without branches: one in ten drops is what no predictor learns.
 */
#include <math.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/rng.h"
#include "core/nn/bert_internal.h"

#define CHUNK 256 /* draws at a time */

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

/* n <= CHUNK */
static void mask_chunk(const oc__drop *d, uint64_t word, int64_t n, float *m)
{
    uint16_t draw[CHUNK];
    for (int64_t i = 0; i < n; i += 4, word++) {
        uint64_t bits = oc_rng_at(d->key, word);
        memcpy(draw + i, &bits, sizeof bits);
    }
    const int32_t off = (int32_t)d->off; // copies: for all the compiler knows, m lies over *d
    const float scale = d->scale;
    for (int64_t i = 0; i < n; i++)
        m[i] = draw[i] >= off ? scale : 0.0f;
}

void oc__drop_mask(const oc__drop *d, int64_t word, int64_t n, float *m)
{
    for (int64_t i = 0; i < n; i += CHUNK, word += CHUNK / 4)
        mask_chunk(d, (uint64_t)word, OC_MIN(CHUNK, n - i), m + i);
}

void oc__drop_row(const oc__drop *d, int64_t word, int64_t n, const float *x, float *y)
{
    float m[CHUNK];
    for (int64_t i = 0; i < n; i += CHUNK, word += CHUNK / 4) {
        int64_t used = OC_MIN(CHUNK, n - i);
        mask_chunk(d, (uint64_t)word, used, m);
        for (int64_t j = 0; j < used; j++)
            y[i + j] = m[j] * x[i + j];
    }
}
