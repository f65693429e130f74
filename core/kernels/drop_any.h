/*
 * core/kernels/drop_any.h - dropout masks for ISAs without a 64-bit vector product. Draws are laid
 * down first and compared afterwards, in a loop without branches: one in ten drops is what no
 * predictor learns.
 */
#ifndef OC_KERNELS_DROP_ANY_H
#define OC_KERNELS_DROP_ANY_H

#include <string.h>

#include "core/base/attr.h"
#include "core/base/rng.h"

static inline void oc__drop_any(uint64_t key, uint64_t word, uint32_t off, float scale, int64_t n,
                                const float *x, float *y)
{
    enum { CHUNK = 256 };
    uint16_t draw[CHUNK];
    for (int64_t at = 0; at < n; at += CHUNK) {
        int64_t used = OC_MIN(CHUNK, n - at);
        for (int64_t i = 0; i < used; i += 4, word++) {
            uint64_t bits = oc_rng_at(key, word);
            memcpy(draw + i, &bits, sizeof bits);
        }
        if (x)
            for (int64_t i = 0; i < used; i++)
                y[at + i] = (draw[i] >= (int32_t)off ? scale : 0.0f) * x[at + i];
        else
            for (int64_t i = 0; i < used; i++)
                y[at + i] = draw[i] >= (int32_t)off ? scale : 0.0f;
    }
}

#endif
