/*
 * core/kernels/pack_quads_512.h - sixteen columns x 64 k of int8 weights at once: a transpose of sixteen
 * registers of sixteen quads (pack_quads.h). For *_avx512vnni.c and *_amx.c files.
 */
#ifndef OC_KERNELS_PACK_QUADS_512_H
#define OC_KERNELS_PACK_QUADS_512_H

#include "core/kernels/vec_avx512.h"

/*
 * Of q [N,K], columns n0..n0+15 (rows of q), k from k0 on, zeros past N and K; each byte xor `flip`.
 * Quad i of all columns goes to dst + i * step (bytes), i < n_quads <= 16.
 */
static inline void oc__pack_quads_512(const int8_t *q, int64_t N, int64_t K, int64_t n0, int64_t k0,
                                      int8_t flip, int8_t *dst, int64_t step, int n_quads)
{
    const oc_vi flips = _mm512_set1_epi8(flip);
    int64_t k = K - k0;
    __mmask64 have = k <= 0 ? 0 : k >= 64 ? ~(__mmask64)0 : ~(~(__mmask64)0 << k);
    oc_vf r[16];
    OC_UNROLL
    for (int j = 0; j < 16; j++) {
        oc_vi v = n0 + j < N ? _mm512_maskz_loadu_epi8(have, q + (n0 + j) * K + k0) : vi_set(0);
        r[j] = _mm512_castsi512_ps(_mm512_xor_si512(v, flips));
    }
    v_transpose(r);
    OC_UNROLL
    for (int i = 0; i < 16; i++)
        if (i < n_quads)
            _mm512_storeu_ps(dst + i * step, r[i]);
}

#endif
