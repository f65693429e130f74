/*
 * core/kernels/pack_quads.h - panels of int8 weights for dot products of four: [Kp/4][qnr columns]
 * [4 k], of which one register holds four k of some columns.
 */
#ifndef OC_KERNELS_PACK_QUADS_H
#define OC_KERNELS_PACK_QUADS_H

#include <stdint.h>

/* pack_s8_panel for a layout of quads; offset is added to every byte, also of the padding. */
static inline void oc__pack_quads(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                                  int64_t qnr, int offset, int8_t *dst)
{
    for (int64_t k = 0; k < Kp; k += 4) {
        for (int64_t j = 0; j < qnr; j++, dst += 4) {
            int64_t n = panel * qnr + j;
            for (int64_t i = 0; i < 4; i++)
                dst[i] = (int8_t)(offset + (n < N && k + i < K ? q[n * K + k + i] : 0));
        }
    }
}

#endif
