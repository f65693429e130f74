/*
 * core/kernels/tile_s8_ref.c - reference of the int8 kernels: exact sums, stated rounding.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/kernels/tables.h"
#include "core/kernels/vec_ref.h"

/* Panel: [Kp][qnr columns]. */
void oc_k_pack_s8_panel_ref(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                            int8_t *dst)
{
    for (int64_t k = 0; k < Kp; k++) {
        for (int64_t j = 0; j < OC__REF_QNR; j++) {
            int64_t n = panel * OC__REF_QNR + j;
            dst[k * OC__REF_QNR + j] = n < N && k < K ? q[n * K + k] : 0;
        }
    }
}

/* As they lie: [m_used][Kc]. */
void oc_k_prepare_s8_rows_ref(const int8_t *a, int64_t lda, int64_t Kc, int32_t m_used, int8_t *dst)
{
    for (int32_t m = 0; m < m_used; m++)
        memcpy(dst + m * Kc, a + m * lda, (size_t)Kc);
}

void oc_k_gemm_s8_tile_ref(int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc,
                           int64_t ld_acc, int32_t m_used, int32_t n_used, bool accumulate)
{
    assert(m_used <= OC__REF_QMR && n_used <= OC__REF_QNR);
    for (int32_t m = 0; m < m_used; m++) {
        int32_t s[OC__REF_QNR] = {0};
        for (int64_t k = 0; k < Kc; k++)
            for (int32_t n = 0; n < OC__REF_QNR; n++)
                s[n] += (int32_t)a[m * Kc + k] * (int32_t)b[k * OC__REF_QNR + n];
        for (int32_t n = 0; n < n_used; n++)
            acc[m * ld_acc + n] = (accumulate ? acc[m * ld_acc + n] : 0) + s[n];
    }
}

/* A row so small that max/127 underflows to 0 counts as a zero row. Infinite or NaN values have no
 * meaning here (a checked network has none) but give some value in range. */
void oc_k_quantize_row_ref(const float *x, int64_t K, int64_t Kp, int8_t *q, float *scale)
{
    float top = 0.0f;
    for (int64_t i = 0; i < K; i++)
        top = v_max(v_abs(x[i]), top);
    float s = top / 127.0f;
    if (s == 0.0f)
        s = 1.0f;
    for (int64_t i = 0; i < K; i++)
        q[i] = (int8_t)rintf(v_min(v_max(x[i] / s, -127.0f), 127.0f));
    memset(q + K, 0, (size_t)(Kp - K));
    *scale = s;
}

void oc_k_dequant_row_ref(const int32_t *acc, int64_t n, float xs, const float *ws,
                          const float *bias, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = fmaf((float)acc[i], xs * ws[i], bias ? bias[i] : 0.0f);
}
