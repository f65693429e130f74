/*
 * core/kernels/bytes_256.h - what the int8 tiles of 256 bits share; private to core/kernels.
 *
 * For files compiled with AVX2.
 */
#ifndef OC_KERNELS_BYTES_256_H
#define OC_KERNELS_BYTES_256_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "core/base/attr.h"

/* Four bytes in every lane. */
static inline __m256i oc__broadcast_4(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}

static inline __m256i oc__load_32(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline void oc__store_32(void *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

#endif
