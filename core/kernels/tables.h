/*
 * core/kernels/tables.h - the one list of kernels; private to core/kernels.
 *
 * Each ISA defines every function of OC__KERNEL_DECLS with its own suffix; select.c builds its
 * table with OC__KERNEL_TABLE; an ISA may name the functions of another there.
 */
#ifndef OC_KERNELS_TABLES_H
#define OC_KERNELS_TABLES_H

#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#    define OC__X86 1
#else
#    define OC__X86 0
#endif

/* Register tiles. */
#define OC__REF_MR         4
#define OC__REF_NR         8
#define OC__REF_QMR        4
#define OC__REF_QNR        8
#define OC__REF_QKC        512
#define OC__REF_QKR        32
#define OC__REF_QEB        1
#define OC__AVX2_MR        6
#define OC__AVX2_NR        16
#define OC__AVX2_QMR       2
#define OC__AVX2_QNR       24
#define OC__AVX2_QKC       512
#define OC__AVX2_QKR       32
#define OC__AVX2_QEB       2
#define OC__AVXVNNI_QMR    6
#define OC__AVXVNNI_QNR    16
#define OC__AVXVNNI_QKC    1024
#define OC__AVXVNNI_QKR    32
#define OC__AVXVNNI_QEB    1
#define OC__AVX512VNNI_MR  12
#define OC__AVX512VNNI_NR  32
#define OC__AVX512VNNI_QMR 12
#define OC__AVX512VNNI_QNR 32
#define OC__AVX512VNNI_QKC 1024
#define OC__AVX512VNNI_QKR 32
#define OC__AVX512VNNI_QEB 1
#define OC__AMX_QMR        32
#define OC__AMX_QNR        32
#define OC__AMX_QKC        1024
#define OC__AMX_QKR        64
#define OC__AMX_QEB        1
#define OC__NEON_MR        6
#define OC__NEON_NR        16
#define OC__NEON_QMR       8
#define OC__NEON_QNR       12
#define OC__NEON_QKC       1024
#define OC__NEON_QKR       32
#define OC__NEON_QEB       1

/* clang-format off */
#define OC__KERNEL_DECL_FEW(isa)                                                                   \
    void oc_k_gemm_f32_few_##isa(int64_t K, const float *a, int64_t a_rs, int64_t a_cs,            \
                                 const float *b, int64_t step, float *C, int64_t ldc,              \
                                 int32_t m_used, bool accumulate)

#define OC__KERNEL_DECLS_S8(isa)                                                                   \
    void oc_k_gemm_s8_tile_##isa(int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc,       \
                                 int64_t ld_acc, int32_t m_used, int32_t n_used, bool accumulate); \
    void oc_k_prepare_s8_rows_##isa(const int8_t *a, int64_t lda, int64_t Kc, int32_t m_used,      \
                                    int8_t *dst);                                                  \
    void oc_k_pack_s8_panel_##isa(const int8_t *q, int64_t N, int64_t K, int64_t Kp,               \
                                  int64_t panel, int8_t *dst)

#define OC__KERNEL_DECLS(isa)                                                                      \
    void oc_k_gemm_f32_tile_##isa(int64_t K, const float *a, int64_t a_rs, int64_t a_cs,           \
                                  const float *b, float *C, int64_t ldc, int32_t m_used,           \
                                  int32_t n_used, bool accumulate);                                \
    void oc_k_pack_f32_panel_##isa(const float *p, int64_t js, int64_t ks, int64_t K,              \
                                   int32_t used, int32_t width, float *dst);                       \
    OC__KERNEL_DECLS_S8(isa);                                                                      \
    void oc_k_quantize_row_##isa(const float *x, int64_t K, int64_t Kp, int8_t *q, float *scale);  \
    void oc_k_dequant_row_##isa(const int32_t *acc, int64_t n, float xs, const float *ws,          \
                                const float *bias, float *y);                                      \
    void oc_k_layernorm_row_##isa(const float *x, const float *g, const float *b, int64_t H,       \
                                  float eps, float *y, float *mean, float *rstd);                  \
    void oc_k_layernorm_bwd_row_##isa(const float *dy, const float *x, const float *g, float mean, \
                                      float rstd, int64_t H, float *dx, float *dg, float *db);     \
    void oc_k_softmax_row_##isa(float *s, const uint8_t *mask, int64_t n, float *lse);             \
    void oc_k_softmax_s8_row_##isa(const float *s, const uint8_t *mask, int64_t n, int64_t Kp,      \
                                   int8_t *hi, int8_t *lo, float *scale);                          \
    void oc_k_act_row_##isa(oc_epilogue act, const float *x, int64_t n, float *y);                 \
    void oc_k_act_bwd_row_##isa(oc_epilogue act, const float *dy, const float *x, int64_t n,       \
                                float *dx);                                                        \
    float oc_k_dot_##isa(const float *a, const float *b, int64_t n);                               \
    void oc_k_axpy_##isa(float alpha, const float *x, float *y, int64_t n);                        \
    void oc_k_adamw_##isa(float *w, const float *g, float *m, float *v, int64_t n, float gs,       \
                          float b1, float b2, float eps, float c1, float c2, float decay,          \
                          const uint8_t *keep);                                                    \
    void oc_k_sum_rows_##isa(const float *x, int64_t ld, int64_t n, int64_t width, float *y);      \
    double oc_k_sum_squares_##isa(const float *x, int64_t n);                                      \
    void oc_k_drop_row_##isa(uint64_t key, uint64_t word, uint32_t off, float scale, int64_t n,    \
                             const float *x, float *y);                                            \
    void oc_k_softmax_bwd_row_##isa(float *s, float *ds, const uint8_t *mask, const float *m,      \
                                    int64_t n, float lse, float delta, float scale);               \
    void oc_k_add_s8_##isa(float scale, const int8_t *q, int64_t n, float *y)

/* What every ISA has, and what only some have. */
#define OC__KERNEL_TABLE(lower, UPPER, ...)                                                        \
    {                                                                                              \
        .isa = OC_ISA_##UPPER,                                                                     \
        OC__KERNEL_ROWS(lower, UPPER),                                                             \
        OC__KERNEL_S8(lower, UPPER),                                                               \
        __VA_ARGS__                                                                                \
    }

/* f32 and rows */
#define OC__KERNEL_ROWS(lower, UPPER)                                                              \
    .mr = OC__##UPPER##_MR, .nr = OC__##UPPER##_NR,                                                \
    .gemm_f32_tile = oc_k_gemm_f32_tile_##lower,                                                   \
    .pack_f32_panel = oc_k_pack_f32_panel_##lower,                                                 \
    .quantize_row = oc_k_quantize_row_##lower,                                                     \
    .dequant_row = oc_k_dequant_row_##lower,                                                       \
    .layernorm_row = oc_k_layernorm_row_##lower,                                                   \
    .layernorm_bwd_row = oc_k_layernorm_bwd_row_##lower,                                           \
    .softmax_row = oc_k_softmax_row_##lower,                                                       \
    .softmax_s8_row = oc_k_softmax_s8_row_##lower,                                                 \
    .act_row = oc_k_act_row_##lower,                                                               \
    .act_bwd_row = oc_k_act_bwd_row_##lower,                                                       \
    .dot = oc_k_dot_##lower,                                                                       \
    .axpy = oc_k_axpy_##lower,                                                                     \
    .adamw = oc_k_adamw_##lower,                                                                   \
    .sum_rows = oc_k_sum_rows_##lower,                                                             \
    .sum_squares = oc_k_sum_squares_##lower,                                                       \
    .drop_row = oc_k_drop_row_##lower,                                                             \
    .softmax_bwd_row = oc_k_softmax_bwd_row_##lower,                                               \
    .add_s8 = oc_k_add_s8_##lower

/* f32 products of few rows: 1 row x 4 panels, 2 x 2, 3 x 2 */
#define OC__KERNEL_FEW(lower) .few = {0, 4, 2, 2}, .gemm_f32_few = oc_k_gemm_f32_few_##lower

/* int8 products */
#define OC__KERNEL_S8(lower, UPPER)                                                                \
    .qmr = OC__##UPPER##_QMR, .qnr = OC__##UPPER##_QNR,                                            \
    .qkc = OC__##UPPER##_QKC, .qkr = OC__##UPPER##_QKR,                                            \
    .qbytes = OC__##UPPER##_QEB,                                                                \
    .gemm_s8_tile = oc_k_gemm_s8_tile_##lower,                                                     \
    .prepare_s8_rows = oc_k_prepare_s8_rows_##lower,                                               \
    .pack_s8_panel = oc_k_pack_s8_panel_##lower

/* int8 products of weights of 7 bits */
#define OC__KERNEL_S8_7(lower)                                                                     \
    .gemm_s8_tile_7 = oc_k_gemm_s8_tile_7_##lower,                                                 \
    .prepare_s8_rows_7 = oc_k_prepare_s8_rows_7_##lower,                                           \
    .pack_s8_panel_7 = oc_k_pack_s8_panel_7_##lower

/* int8 products of its own, the rest of another ISA's; what follows as above */
#define OC__KERNEL_TABLE_S8(lower, UPPER, base, BASE, ...)                                         \
    {                                                                                              \
        .isa = OC_ISA_##UPPER,                                                                     \
        OC__KERNEL_ROWS(base, BASE),                                                               \
        OC__KERNEL_S8(lower, UPPER),                                                               \
        __VA_ARGS__                                                                                \
    }
/* clang-format on */

OC__KERNEL_DECLS(ref);
#if OC__X86
OC__KERNEL_DECLS(avx2);
OC__KERNEL_DECL_FEW(avx2);
OC__KERNEL_DECLS_S8(7_avx2);
#endif
#ifdef OC_HAVE_AVXVNNI /* int8 products alone; the rest is avx2's */
OC__KERNEL_DECLS_S8(avxvnni);
#endif
#ifdef OC_HAVE_AVX512VNNI /* by the Makefile: the compiler knows it */
OC__KERNEL_DECLS(avx512vnni);
OC__KERNEL_DECL_FEW(avx512vnni);
#endif
#ifdef OC_HAVE_AMX /* products alone; the rest is avx512vnni's */
void oc_k_x6_split_rows_amx(const float *a, int64_t lda, int64_t K, int32_t m_used, uint16_t *dst);
void oc_k_x6_split_columns_amx(const float *b, uint16_t *dst);
void oc_k_x6_tile_amx(const struct oc_x6_tile *t);
void oc_k_gemm_s8_piece_amx(const struct oc_s8_product *p, int64_t m0, int64_t m1, int64_t q0,
                            int64_t q1);
void oc_k_begin_tiles_amx(void);
void oc_k_end_tiles_amx(void);
OC__KERNEL_DECLS_S8(amx);
#endif
#ifdef OC_HAVE_NEON
OC__KERNEL_DECLS(neon);
OC__KERNEL_DECL_FEW(neon);
#endif

#endif
