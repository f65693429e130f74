/*
 * core/kernels/kernels.h - flat-array arithmetic behind one table of function pointers.
 *
 * Kernels cannot fail and do not allocate; shapes were checked by core/nn. Every entry has a C
 * reference (<op>_ref); an ISA overrides what it does faster. The table is filled once, before
 * threads start (oc_kernels_select), and is read-only afterwards. OPTIMCLM_ISA=ref|avx2|avxvnni|
 * avx512vnni|amx|neon forces.
 *
 * One rule makes results equal on every ISA and for any thread count, bit for bit: the order of
 * floating-point operations is part of the contract.
 *   - matmul: each output is one chain acc = fma(a[m,k], b[n,k], acc), k = 0, 1, ..., from 0 (or
 *     from the value already in C when accumulating); bias is added once at the end. Eight k at a
 *     time may be left out where a packed B holds zeros for all columns of a panel: fma(a, 0, acc)
 *     is acc, except where a is infinite or NaN, or acc is -0. Only products that allow it (x6), on
 *     an ISA with a matrix unit for bf16, go another way, at least as exact (gemm_x6.h).
 *   - row reductions: OC_LANES partial sums, lane i takes elements i, i + OC_LANES, ...; lanes are
 *     combined in halves (i += i + 8, then 4, 2, 1).
 *   - exp, erf (as the normal distribution), tanh: our own polynomials, fma in a stated order.
 * So tests compare ISAs with memcmp. (Which NaN a NaN is, is left open.)
 *
 * Integer path, qd8 x qc8w: both sides lie in -127..127 and int32 sums are exact for K <= 133,144.
 * Nothing saturates: a u8*s8 pair sum of vpmaddubsw (with the sign moved from a to b;
 * tile_s8_avx2.c) is at most 2*127*128 = 32512 < 32767, and vpdpbusd, tdpbssd and sdot never do
 * (tile_s8_avxvnni.c, tile_s8_avx512vnni.c, gemm_s8_amx.c, tile_s8_neon.c). Of weights of 7 bits,
 * -64..63, four products fit 16 bits (tile_s7_avx2.c); which way a matrix goes is decided by what it
 * holds when it is packed.
 */
#ifndef OC_KERNELS_H
#define OC_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

#define OC_LANES 16

typedef enum {
    OC_ISA_REF,
    OC_ISA_AVX2,
    OC_ISA_AVXVNNI,
    OC_ISA_AVX512VNNI,
    OC_ISA_AMX,
    OC_ISA_NEON,
    OC_N_ISAS
} oc_isa;

/* What a matrix product does to each finished output element, in this order. */
typedef enum { OC_EPI_NONE, OC_EPI_GELU, OC_EPI_GELU_NEW, OC_EPI_RELU, OC_EPI_TANH } oc_epilogue;

struct oc_x6_tile;    /* gemm_x6.h */
struct oc_s8_product; /* gemm_s8.h */

typedef struct oc_kernels {
    oc_isa isa;
    int32_t mr, nr;   /* f32 register tile: rows x columns */
    int32_t few[4];   /* panels that gemm_f32_few takes for m rows; 0: none */
    int32_t qmr, qnr; /* int8 register tile */
    int32_t qkc, qkr; /* its longest cut of k; what panels and cuts are a multiple of */
    int32_t qbytes;   /* of an element of rows prepared */

    /*
     * C[m_used, n_used] (row stride ldc) = A x B over k, one register tile.
     *   a  f32, element (m, k) at a[m*a_rs + k*a_cs], as it lies or packed [K][mr]
     *   b  packed f32 [K][nr] (zero padded)
     *   accumulate: start from C, else from 0
     */
    void (*gemm_f32_tile)(int64_t K, const float *a, int64_t a_rs, int64_t a_cs, const float *b,
                          float *C, int64_t ldc, int32_t m_used, int32_t n_used, bool accumulate);
    /* The same for m_used < 4 rows and few[m_used] whole panels, `step` floats apart: as many chains
     * as keep the multipliers busy, where one tile has too few. */
    void (*gemm_f32_few)(int64_t K, const float *a, int64_t a_rs, int64_t a_cs, const float *b,
                         int64_t step, float *C, int64_t ldc, int32_t m_used, bool accumulate);
    /* dst[k*width + j] = p[j*js + k*ks] for j < used, 0 for used <= j < width. */
    void (*pack_f32_panel)(const float *p, int64_t js, int64_t ks, int64_t K, int32_t used,
                           int32_t width, float *dst);
    /*
     * acc s32 [m_used, n_used] = A x B over Kc of the k, one int8 register tile.
     *   a  prepared by prepare_s8_rows   b  from a panel of pack_s8_panel, at k * qnr
     *   accumulate: start from acc, else from 0.   Kc is a multiple of 32.
     * acc has room for qmr x qnr; what lies past m_used, n_used may be overwritten.
     */
    void (*gemm_s8_tile)(int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc, int64_t ld_acc,
                         int32_t m_used, int32_t n_used, bool accumulate);
    /* Rows of A s8 [m_used, Kc] (row stride lda) for the tile: 64 + qbytes * qmr * (Kc rounded up to
     * qkr) bytes into dst, layout private to the ISA. */
    void (*prepare_s8_rows)(const int8_t *a, int64_t lda, int64_t Kc, int32_t m_used, int8_t *dst);
    /* Panel p of the packed weights (columns p*qnr...) from q [N,K] row-major: Kp*qnr bytes for Kp =
     * K rounded up to qkr, cut anywhere at k % qkr == 0; the layout is private to the ISA. */
    void (*pack_s8_panel)(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                          int8_t *dst);
    /* The same three for weights of 7 bits, -64..63, where that is faster; else NULL. */
    void (*gemm_s8_tile_7)(int64_t Kc, const int8_t *a, const int8_t *b, int32_t *acc,
                           int64_t ld_acc, int32_t m_used, int32_t n_used, bool accumulate);
    void (*prepare_s8_rows_7)(const int8_t *a, int64_t lda, int64_t Kc, int32_t m_used,
                              int8_t *dst);
    void (*pack_s8_panel_7)(const int8_t *q, int64_t N, int64_t K, int64_t Kp, int64_t panel,
                            int8_t *dst);
    /* Rows [m0, m1) x panels [q0, q1) of a product of more than one row, finished, where tile after
     * tile is not the fastest way; tiles are then asked for single rows only. NULL: it is. */
    void (*gemm_s8_piece)(const struct oc_s8_product *p, int64_t m0, int64_t m1, int64_t q0,
                          int64_t q1);
    /* f32 products on a matrix unit (gemm_x6.h); NULL: there is none. Rows of A f32 [m_used, K], or a
     * step of B f32 [32, 32], into their parts; one output tile. */
    void (*x6_split_rows)(const float *a, int64_t lda, int64_t K, int32_t m_used, uint16_t *dst);
    void (*x6_split_columns)(const float *b, uint16_t *dst);
    void (*x6_tile)(const struct oc_x6_tile *t);
    /* A worker calls these around x6 tiles; NULL: nothing to do. */
    void (*begin_tiles)(void);
    void (*end_tiles)(void);

    /* Per row: scale = max|x| / 127 (1 when the row is 0), q = round-half-even(x / scale) clamped
     * to +-127. Row stride of q is Kp >= K, the tail zeroed. */
    void (*quantize_row)(const float *x, int64_t K, int64_t Kp, int8_t *q, float *scale);
    /* y[i] = fma((float)acc[i], xs * ws[i], bias[i]); bias NULL: 0. */
    void (*dequant_row)(const int32_t *acc, int64_t n, float xs, const float *ws, const float *bias,
                        float *y);

    /* y = (x - mean) * rstd * g + b; y may alias x; mean and rstd may be NULL. */
    void (*layernorm_row)(const float *x, const float *g, const float *b, int64_t H, float eps,
                          float *y, float *mean, float *rstd);
    /* dx of one row is overwritten (it may alias dy or x); dg, db accumulate. */
    void (*layernorm_bwd_row)(const float *dy, const float *x, const float *g, float mean,
                              float rstd, int64_t H, float *dx, float *dg, float *db);
    /* In place over s[n]: p = exp(s - max) * (1 / sum); keys with mask 0 get 0 (mask NULL: all 1).
     * lse = log-sum-exp = max + log(sum); NULL: not asked for. At least one key is on. */
    void (*softmax_row)(float *s, const uint8_t *mask, int64_t n, float *lse);
    /*
     * The same in integers: e = round-half-even(16383 exp(s - max)), 0 where mask is 0, so that
     * p = e scale with scale = 1 / sum of e: p sums to 1 however it was rounded. e = 128 hi + lo, both
     * 0..127; hi and lo are Kp >= n long, the tail zeroed. s is left as it is; NaN counts least.
     */
    void (*softmax_s8_row)(const float *s, const uint8_t *mask, int64_t n, int64_t Kp, int8_t *hi,
                           int8_t *lo, float *scale);
    void (*act_row)(oc_epilogue act, const float *x, int64_t n, float *y); /* may alias */
    /* dx = dy * act'(x), x = the pre-activation (for TANH: x = the output). May alias dy. */
    void (*act_bwd_row)(oc_epilogue act, const float *dy, const float *x, int64_t n, float *dx);
    float (*dot)(const float *a, const float *b, int64_t n);        /* lanes */
    void (*axpy)(float alpha, const float *x, float *y, int64_t n); /* y = fma(alpha, x, y) */
    /*
     * AdamW over n elements; see core/nn/adamw.h. g here is gs times what lies at g.
     *   c1 = lr/(1-b1^t), c2 = 1/sqrt(1-b2^t), decay = lr*wd (0: none)
     *   m = fma(1-b1, g-m, m);  v = fma((1-b2)*g, g, b2*v)
     *   w = fma(-c1, m / fma(sqrt(v), c2, eps), w*(1-decay)), then 0 where keep is 0
     */
    void (*adamw)(float *w, const float *g, float *m, float *v, int64_t n, float gs, float b1,
                  float b2, float eps, float c1, float c2, float decay, const uint8_t *keep);
    /* y[i] += x[r * ld + i], rows r = 0..n-1 in order, i < width. */
    void (*sum_rows)(const float *x, int64_t ld, int64_t n, int64_t width, float *y);
    /* Sum of squares in double: eight lanes, element i in lane i % 8, lanes added in order. */
    double (*sum_squares)(const float *x, int64_t n);
    /*
     * y[i] = m[i] * x[i], x NULL: y[i] = m[i]; may alias. m[i] is 0 where draw i is below off, else
     * scale; four 16-bit draws from the low end of each oc_rng_at(key, word), word + 1, ...
     */
    void (*drop_row)(uint64_t key, uint64_t word, uint32_t off, float scale, int64_t n,
                     const float *x, float *y);
    /*
     * Back through softmax and its dropout, in place: s holds scores, ds the gradient of P' = m P.
     *   P = exp(s - lse), 0 where mask is 0 (NULL: all 1);  m NULL: all 1
     *   ds = P (m ds - delta) scale,  s = m P
     * lse as softmax_row gave it for these scores.
     */
    void (*softmax_bwd_row)(float *s, float *ds, const uint8_t *mask, const float *m, int64_t n,
                            float lse, float delta, float scale);
    void (*add_s8)(float scale, const int8_t *q, int64_t n, float *y); /* y = y + scale * q */
} oc_kernels;

/* The table in use. Valid after oc_kernels_select(). */
extern const oc_kernels *oc_k;

/* Choose the best ISA of this CPU, or what OPTIMCLM_ISA says; OC_UNSUPPORTED if it cannot run. */
oc_status oc_kernels_select(oc_err *err) OC_NODISCARD;
/* A given ISA's table for tests; NULL when the CPU or the build lacks it. */
const oc_kernels *oc_kernels_for(oc_isa isa);
const char *oc_isa_name(oc_isa isa);
/* "AMD EPYC ... (avx2 fma avx512f avx512_vnni)" for the journal. */
void oc_cpu_describe(char *out, size_t n);

/*
 * Matrix products on top of the tiles (gemm.c, gemm_s8.c). A and B are strided views, so the
 * three products of a linear layer are one function:
 *   y[N,O] = x W^T + b          A = x,     B = W^T (rs 1, cs I)
 *   dx     = dy W               A = dy,    B = W
 *   dW    += dy^T x             A = dy^T,  B = x
 */
typedef struct oc_mat {
    const float *p;
    int64_t rs, cs; /* element (i, j) at p[i*rs + j*cs] */
} oc_mat;

/*
 * B packed once for many products: K x N. With x6, an ISA that has a matrix unit packs for it and
 * multiplies there: as exact, but not the chain of the contract (gemm_x6.h). Others ignore it.
 */
typedef struct oc_packed_f32 {
    float
        *panel; /* arena, oc_pack_f32_floats: [ceil(N/nr)] of [K][nr] and marks of zeros (gemm.c) */
    int64_t K, N;
    bool x6;
} oc_packed_f32;
int64_t oc_pack_f32_floats(int64_t K, int64_t N, bool x6);
void oc_pack_f32(oc_mat B, const oc_packed_f32 *to); /* fills to->panel; parallel */

/* Share of B's blocks (8 k x nr columns, with x6 32 x 32) that hold only zeros, which products leave out. */
double oc_packed_f32_zero_share(const oc_packed_f32 *B);

/*
 * C[M,N] (ldc) = A B (+ C when accumulate) (+ bias[N]), then act into `act_out` (same shape and
 * stride, may be NULL or C). A: M rows of K, lda apart. Parallel over tiles.
 * C keeps the pre-activation unless act_out == C. C and act_out overlap neither A nor B.
 */
void oc_gemm_f32(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda,
                 const oc_packed_f32 *B, bool accumulate, const float *bias, oc_epilogue act,
                 float *C, int64_t ldc, float *act_out);
/* The same for one worker, from inside a parallel loop; B unpacked, packed into scratch too.
 * Small products only (attention): scratch [oc_gemm_serial_floats(M,N,K)]. */
int64_t oc_gemm_serial_floats(int64_t M, int64_t N, int64_t K);
void oc_gemm_f32_serial(int64_t M, int64_t N, int64_t K, oc_mat A, oc_mat B, bool accumulate,
                        float *C, int64_t ldc, float *scratch);

/* INT8 weights packed once. */
typedef struct oc_packed_s8 {
    int8_t *panel;      /* arena, oc_pack_s8_bytes: blocks that are not zero (gemm_s8.h) */
    const float *scale; /* [N] borrowed from the model */
    int64_t K, N, Kp;   /* Kp = K rounded up to 32 */
    bool bits7;         /* packed for the product of weights of 7 bits */
} oc_packed_s8;
size_t oc_pack_s8_bytes(int64_t K, int64_t N);
/* Does the table have a faster product for weights of 7 bits, and are these n such? */
bool oc_s8_is_7_bits(const int8_t *q, int64_t n);
/* q [N,K] row-major. bits7 only where oc_s8_is_7_bits says so of all of it. */
void oc_pack_s8(const int8_t *q, int64_t K, int64_t N, bool bits7, int8_t *dst);

/* Share of W's blocks (qkr of k x qnr columns) that hold only zeros and are left out: all of a panel
 * that has enough of them to pay (gemm_s8.c). */
double oc_packed_s8_zero_share(const oc_packed_s8 *W);

/*
 * y f32 [M,N] = dequantized product: fma((float)acc, xs[m] * ws[n], bias[n]), then act.
 *   xq s8 [M,Kp], xs f32 [M] from quantize_row.
 */
void oc_gemm_qd8_qc8w_f32(int64_t M, const int8_t *xq, const float *xs, const oc_packed_s8 *W,
                          const float *bias, oc_epilogue act, float *y, int64_t ldy);

#endif
