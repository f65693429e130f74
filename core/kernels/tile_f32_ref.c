/*
 * core/kernels/tile_f32_ref.c - reference of the f32 register tile: one fma chain per output.
 */
#include <assert.h>
#include <math.h>

#include "core/kernels/tables.h"

void oc_k_gemm_f32_tile_ref(int64_t K, const float *a, int64_t a_rs, int64_t a_cs, const float *b,
                            float *C, int64_t ldc, int32_t m_used, int32_t n_used, bool accumulate)
{
    assert(m_used <= OC__REF_MR && n_used <= OC__REF_NR);
    for (int32_t m = 0; m < m_used; m++) {
        for (int32_t n = 0; n < n_used; n++) {
            float acc = accumulate ? C[m * ldc + n] : 0.0f;
            for (int64_t k = 0; k < K; k++)
                acc = fmaf(a[m * a_rs + k * a_cs], b[k * OC__REF_NR + n], acc);
            C[m * ldc + n] = acc;
        }
    }
}

void oc_k_pack_f32_panel_ref(const float *p, int64_t js, int64_t ks, int64_t K, int32_t used,
                             int32_t width, float *dst)
{
    assert(used <= width);
    for (int64_t k = 0; k < K; k++)
        for (int32_t j = 0; j < width; j++)
            dst[k * width + j] = j < used ? p[j * js + k * ks] : 0.0f;
}
