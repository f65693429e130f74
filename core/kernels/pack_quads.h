/*
 * core/kernels/pack_quads.h - panels of int8 weights for dot products of four: [Kp/4][qnr columns]
 * [4 k], of which one register holds four k of some columns.
 */
#ifndef OC_KERNELS_PACK_QUADS_H
#define OC_KERNELS_PACK_QUADS_H

#include <stdint.h>
#include <string.h>

/* Four k of column n, those there are; offset is added to each byte, also of the padding. */
static inline void oc__pack_quad(const int8_t *q, int64_t N, int64_t K, int64_t n, int64_t k,
                                 uint8_t offset, int8_t *dst)
{
    const uint32_t add = offset * 0x01010101U, low = 0x7f7f7f7fU;
    uint32_t x = 0;
    if (n < N && k < K)
        memcpy(&x, q + n * K + k, k + 4 <= K ? 4 : (size_t)(K - k));
    x = ((x & low) + (add & low)) ^ ((x ^ add) & ~low); // byte by byte: nothing is carried
    memcpy(dst, &x, sizeof x);
}

/* pack_s8_panel for a layout of quads. */
static inline void oc__pack_quads(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                                  int64_t qnr, uint8_t offset, int8_t *dst)
{
    for (int64_t k = 0; k < Kp; k += 4)
        for (int64_t j = 0; j < qnr; j++, dst += 4)
            oc__pack_quad(q, N, K, panel * qnr + j, k, offset, dst);
}

#endif
