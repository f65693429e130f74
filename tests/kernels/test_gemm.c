/* f32 matrix products: against double and against the reference bit for bit; views, epilogues and
 * numbers of workers. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/par.h"
#include "core/base/rng.h"
#include "tests/kernels/kernels_testing.h"

/* |error| / (sum |a||b| + |c| + |bias|) against double, K up to 800; observed 2.2e-7. */
#define GEMM_REL 1e-6

enum { A_ROWS, A_COLS, A_ODD, N_LAYOUTS }; /* row-major, transposed, every second element */

typedef struct problem {
    int64_t M, N, K;
    int a_layout, b_layout;
    bool accumulate, bias, serial;
    oc_epilogue act;
    int out; /* 0: no act_out, 1: act_out == C, 2: another matrix */
} problem;

typedef struct result {
    kt_buf C, act;
    int64_t ldc;
} result;

static const int64_t shift = 3; // everything off its alignment

static oc_mat view(float *p, int64_t rows, int64_t cols, int layout)
{
    switch (layout) {
    case A_ROWS: return (oc_mat){p, cols + 1, 1};
    case A_COLS: return (oc_mat){p, 1, rows + 2};
    default: return (oc_mat){p, 2 * cols + 1, 2};
    }
}

static int64_t view_floats(int64_t rows, int64_t cols)
{
    return (rows + 2) * (2 * cols + 2) + 8;
}

static void result_free(result *r)
{
    kt_buf_free(&r->C);
    kt_buf_free(&r->act);
}

/* Gaps between rows of C must keep what they held. */
static void check_gaps(const kt_buf *b, int64_t M, int64_t N, int64_t ld, float was)
{
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = N; n < ld; n++)
            if (memcmp(&b->p[m * ld + n], &was, sizeof was) != 0)
                fail_msg("written past column %lld of row %lld", (long long)N, (long long)m);
}

/* The parallel product reads rows: A as such, one float apart. */
static kt_buf rows_of(oc_mat A, int64_t M, int64_t K)
{
    kt_buf rows = kt_buf_new(M * (K + 1), 5);
    for (int64_t m = 0; m < M; m++)
        for (int64_t k = 0; k < K; k++)
            rows.p[m * (K + 1) + k] = A.p[m * A.rs + k * A.cs];
    return rows;
}

static result run(const problem *p, const oc_kernels *k, const float *a, const float *b)
{
    oc_k = k;
    int64_t M = p->M, N = p->N, K = p->K, ldc = N + 5, size = M * ldc;
    result r = {.C = kt_buf_new(size, shift), .act = kt_buf_new(size, 1), .ldc = ldc};
    const float gap = 1234.5f;
    kt_buf bias = kt_buf_new(N, 1);
    kt_fill(bias.p, N, 33, 1.0f);
    for (int64_t i = 0; i < size; i++)
        r.C.p[i] = r.act.p[i] = gap;
    for (int64_t m = 0; m < M; m++)
        kt_fill(r.C.p + m * ldc, N, 44 + (uint64_t)m, 1.0f);
    float *bcopy = oc_alloc((size_t)view_floats(K, N) * sizeof *bcopy);
    float *acopy = oc_alloc((size_t)view_floats(M, K) * sizeof *acopy);
    memcpy(bcopy, b, (size_t)view_floats(K, N) * sizeof *bcopy);
    memcpy(acopy, a, (size_t)view_floats(M, K) * sizeof *acopy);
    oc_mat A = view(acopy, M, K, p->a_layout), B = view(bcopy, K, N, p->b_layout);
    if (p->serial) {
        kt_buf scratch = kt_buf_new(oc_gemm_serial_floats(M, N, K), 5);
        oc_gemm_f32_serial(M, N, K, A, B, p->accumulate, r.C.p, ldc, scratch.p);
        kt_buf_free(&scratch);
    } else {
        kt_buf rows = rows_of(A, M, K);
        kt_buf panel = kt_buf_new(oc_pack_f32_floats(K, N, false), 1);
        oc_packed_f32 packed = {.panel = panel.p, .K = K, .N = N};
        oc_pack_f32(B, &packed);
        float *out = p->out == 0 ? NULL : p->out == 1 ? r.C.p : r.act.p;
        oc_gemm_f32(M, N, K, rows.p, K + 1, &packed, p->accumulate, p->bias ? bias.p : NULL, p->act,
                    r.C.p, ldc, out);
        kt_buf_free(&panel);
        kt_buf_free(&rows);
    }
    check_gaps(&r.C, M, N, ldc, gap);
    check_gaps(&r.act, M, N, ldc, gap);
    oc_free(acopy);
    oc_free(bcopy);
    kt_buf_free(&bias);
    return r;
}

static double act_of(oc_epilogue act, double x)
{
    const double c = 0.79788456080286535588;
    switch (act) {
    case OC_EPI_NONE: return x;
    case OC_EPI_GELU: return 0.5 * x * erfc(-x / sqrt(2.0));
    case OC_EPI_GELU_NEW: return 0.5 * x * (1 + tanh(c * (x + 0.044715 * x * x * x)));
    case OC_EPI_RELU: return x > 0 ? x : 0;
    case OC_EPI_TANH: return tanh(x);
    }
    return (double)NAN;
}

static double worst_seen;

/* One result against double. */
static void check_against_double(const problem *p, const result *r, const float *a, const float *b)
{
    float *ap = oc_alloc((size_t)view_floats(p->M, p->K) * sizeof *ap);
    float *bp = oc_alloc((size_t)view_floats(p->K, p->N) * sizeof *bp);
    memcpy(ap, a, (size_t)view_floats(p->M, p->K) * sizeof *ap);
    memcpy(bp, b, (size_t)view_floats(p->K, p->N) * sizeof *bp);
    oc_mat A = view(ap, p->M, p->K, p->a_layout), B = view(bp, p->K, p->N, p->b_layout);
    float *bias = oc_alloc((size_t)p->N * sizeof *bias),
          *start = oc_alloc((size_t)p->N * sizeof *start);
    kt_fill(bias, p->N, 33, 1.0f);
    for (int64_t m = 0; m < p->M; m++) {
        kt_fill(start, p->N, 44 + (uint64_t)m, 1.0f);
        for (int64_t n = 0; n < p->N; n++) {
            double want = p->accumulate ? (double)start[n] : 0.0, size = fabs(want) + 1e-30;
            for (int64_t k = 0; k < p->K; k++) {
                double t = (double)A.p[m * A.rs + k * A.cs] * (double)B.p[k * B.rs + n * B.cs];
                want += t;
                size += fabs(t);
            }
            if (p->bias && !p->serial) {
                want += (double)bias[n];
                size += fabs((double)bias[n]);
            }
            bool only_act = !p->serial && p->out == 1;
            double c = (double)r->C.p[m * r->ldc + n];
            double e = fabs(c - (only_act ? act_of(p->act, want) : want)) / size;
            if (!p->serial && p->out == 2)
                e = fmax(e, fabs((double)r->act.p[m * r->ldc + n] - act_of(p->act, want)) / size);
            worst_seen = fmax(worst_seen, e);
            if (!(e <= GEMM_REL))
                fail_msg("%lldx%lldx%lld, row %lld column %lld: error %g", (long long)p->M,
                         (long long)p->N, (long long)p->K, (long long)m, (long long)n, e);
        }
    }
    oc_free(start);
    oc_free(bias);
    oc_free(bp);
    oc_free(ap);
}

static void check_problem(const problem *p)
{
    float *a = oc_alloc((size_t)view_floats(p->M, p->K) * sizeof *a);
    float *b = oc_alloc((size_t)view_floats(p->K, p->N) * sizeof *b);
    kt_fill(a, view_floats(p->M, p->K), 11, 1.0f);
    kt_fill(b, view_floats(p->K, p->N), 22, 1.0f);
    result ref = run(p, oc_kernels_for(OC_ISA_REF), a, b);
    check_against_double(p, &ref, a, b);
    const oc_kernels *others[OC_N_ISAS];
    int n = kt_others(others);
    for (int i = 0; i < n; i++) {
        result r = run(p, others[i], a, b);
        kt_same_bits(ref.C.p, r.C.p, ref.C.n, "C", p->M * 1000000 + p->N * 1000 + p->K);
        kt_same_bits(ref.act.p, r.act.p, ref.act.n, "act", p->M * 1000000 + p->N * 1000 + p->K);
        result_free(&r);
    }
    result_free(&ref);
    oc_free(a);
    oc_free(b);
}

static void small_shapes_all_layouts(void **state)
{
    (void)state;
    static const int64_t Ms[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 25},
                         Ns[] = {1, 4, 7, 8, 9, 15, 16, 17, 26, 31, 32, 33, 49};
    static const int64_t Ks[] = {1, 2, 7, 8, 9, 17, 26};
    for (int i = 0; i < OC_COUNT(Ms); i++)
        for (int j = 0; j < OC_COUNT(Ns); j++)
            for (int k = 0; k < OC_COUNT(Ks); k++)
                for (int v = 0; v < N_LAYOUTS * N_LAYOUTS; v++) {
                    problem p = {.M = Ms[i],
                                 .N = Ns[j],
                                 .K = Ks[k],
                                 .a_layout = v % N_LAYOUTS,
                                 .b_layout = v / N_LAYOUTS,
                                 .accumulate = (i + j + k + v) & 1,
                                 .bias = (i + v) & 1,
                                 .serial = (i + j + k) % 3 == 0,
                                 .act = (oc_epilogue)((i + j + k + v) % 5),
                                 .out = (i + k + v) % 3};
                    check_problem(&p);
                }
}

/* Shapes that cross every block boundary: rows, columns, and k cut in two and three. */
static void shapes_past_every_block(void **state)
{
    (void)state;
    static const problem ps[] = {
        {.M = 101, .N = 40, .K = 391, .a_layout = A_ROWS, .b_layout = A_COLS, .bias = true},
        {.M = 100, .N = 33, .K = 391, .a_layout = A_COLS, .b_layout = A_ROWS, .accumulate = true},
        {.M = 97,
         .N = 17,
         .K = 800,
         .a_layout = A_ODD,
         .b_layout = A_ODD,
         .bias = true,
         .act = OC_EPI_GELU,
         .out = 2},
        {.M = 7,
         .N = 401,
         .K = 64,
         .a_layout = A_ROWS,
         .b_layout = A_COLS,
         .bias = true,
         .act = OC_EPI_RELU,
         .out = 1},
        {.M = 7,
         .N = 401,
         .K = 769,
         .a_layout = A_COLS,
         .b_layout = A_ROWS,
         .accumulate = true,
         .bias = true,
         .act = OC_EPI_TANH,
         .out = 2},
        {.M = 128, .N = 312, .K = 32, .a_layout = A_ROWS, .b_layout = A_COLS, .bias = true},
        {.M = 128, .N = 128, .K = 26, .a_layout = A_ROWS, .b_layout = A_COLS, .serial = true},
        {.M = 65,
         .N = 26,
         .K = 391,
         .a_layout = A_COLS,
         .b_layout = A_ROWS,
         .serial = true,
         .accumulate = true},
        {.M = 8, .N = 4, .K = 312, .a_layout = A_ROWS, .b_layout = A_COLS, .bias = true},
    };
    for (int i = 0; i < OC_COUNT(ps); i++)
        check_problem(&ps[i]);
    print_message("largest error relative to the sum of magnitudes: %.3g\n", worst_seen);
}

/* K = 0 is a product of zeros: C is 0 (or kept), then bias and activation. */
static void empty_sums(void **state)
{
    (void)state;
    problem p = {.M = 7, .N = 19, .K = 0, .bias = true, .act = OC_EPI_GELU, .out = 2};
    check_problem(&p);
    p.accumulate = true;
    check_problem(&p);
    p.serial = true;
    check_problem(&p);
    p = (problem){.M = 0, .N = 19, .K = 5, .bias = true};
    check_problem(&p);
}

static void check_workers(const problem *p, const oc_kernels *k)
{
    float *a = oc_alloc((size_t)view_floats(p->M, p->K) * sizeof *a);
    float *b = oc_alloc((size_t)view_floats(p->K, p->N) * sizeof *b);
    kt_fill(a, view_floats(p->M, p->K), 1, 1.0f);
    kt_fill(b, view_floats(p->K, p->N), 2, 1.0f);
    oc_par_set_workers(1);
    result one = run(p, k, a, b);
    for (int workers = 2; workers <= 5; workers++) {
        oc_par_set_workers(workers);
        result r = run(p, k, a, b);
        kt_same_bits(one.C.p, r.C.p, one.C.n, "C", workers);
        kt_same_bits(one.act.p, r.act.p, one.act.n, "act", workers);
        result_free(&r);
    }
    oc_par_set_workers(0);
    result_free(&one);
    oc_free(a);
    oc_free(b);
}

static void workers_do_not_change_a_bit(void **state)
{
    (void)state;
    static const problem ps[] = {
        {.M = 128,
         .N = 312,
         .K = 312,
         .b_layout = A_COLS,
         .bias = true,
         .act = OC_EPI_GELU,
         .out = 2},
        {.M = 312, .N = 100, .K = 400, .a_layout = A_COLS, .accumulate = true},
        {.M = 3, .N = 1200, .K = 312, .b_layout = A_COLS, .bias = true, .out = 1},
        {.M = 1000, .N = 4, .K = 312, .b_layout = A_COLS},
    };
    for (int isa = 0; isa < OC_N_ISAS; isa++)
        for (int i = 0; oc_kernels_for((oc_isa)isa) && i < OC_COUNT(ps); i++)
            check_workers(&ps[i], oc_kernels_for((oc_isa)isa));
}

/* Serial and parallel are the same chain. */
static void serial_equals_parallel(void **state)
{
    (void)state;
    problem p = {.M = 50, .N = 70, .K = 500, .a_layout = A_COLS, .accumulate = true};
    float *a = oc_alloc((size_t)view_floats(p.M, p.K) * sizeof *a);
    float *b = oc_alloc((size_t)view_floats(p.K, p.N) * sizeof *b);
    kt_fill(a, view_floats(p.M, p.K), 1, 1.0f);
    kt_fill(b, view_floats(p.K, p.N), 2, 1.0f);
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        if (!oc_kernels_for((oc_isa)isa))
            continue;
        result x = run(&p, oc_kernels_for((oc_isa)isa), a, b);
        p.serial = true;
        result y = run(&p, oc_kernels_for((oc_isa)isa), a, b);
        p.serial = false;
        kt_same_bits(x.C.p, y.C.p, x.C.n, "serial", 0);
        result_free(&x);
        result_free(&y);
    }
    oc_free(a);
    oc_free(b);
}

/* Infinities and NaN travel only along their row; tiny products keep their denormal bits. */
static void extreme_values(void **state)
{
    (void)state;
    enum { M = 14, N = 49, K = 9 };
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        oc_k = oc_kernels_for((oc_isa)isa);
        if (!oc_k)
            continue;
        float a[M * K], b[K * N], c[M * N], scratch[4096];
        assert_true(oc_gemm_serial_floats(M, N, K) <= 4096);
        for (int i = 0; i < M * K; i++)
            a[i] = 1e-20f;
        for (int i = 0; i < K * N; i++)
            b[i] = 1e-22f;
        a[0] = INFINITY;
        a[K] = NAN;
        a[2 * K] = FLT_MAX;
        oc_gemm_f32_serial(M, N, K, (oc_mat){a, K, 1}, (oc_mat){b, N, 1}, false, c, N, scratch);
        for (int n = 0; n < N; n++) {
            assert_true(isinf(c[n]));
            assert_true(isnan(c[N + n]));
            assert_true(fabs((double)c[2 * N + n] - (double)FLT_MAX * 1e-22) < 1e10);
            for (int m = 3; m < M; m++) // 9e-42, a denormal: each of nine sums rounds to 2^-149
                assert_true(fabs((double)c[m * N + n] - 9e-42) <= 9 * ldexp(1, -150));
        }
    }
}

static void packing_pads_with_zeros(void **state)
{
    (void)state;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        oc_k = oc_kernels_for((oc_isa)isa);
        if (!oc_k)
            continue;
        for (int layout = 0; layout < N_LAYOUTS; layout++) {
            int64_t K = 19, N = 37, nr = oc_k->nr;
            kt_buf raw = kt_buf_new(view_floats(K, N), 1);
            kt_buf panel = kt_buf_new(oc_pack_f32_floats(K, N, false), 1);
            kt_fill(raw.p, raw.n, 3, 1.0f);
            oc_mat B = view(raw.p, K, N, layout);
            oc_pack_f32(B, &(oc_packed_f32){.panel = panel.p, .K = K, .N = N});
            for (int64_t n = 0; n < (N + nr - 1) / nr * nr; n++)
                for (int64_t k = 0; k < K; k++) {
                    int64_t step = oc_pack_f32_floats(K, nr, false); // one panel
                    float got = panel.p[n / nr * step + k * nr + n % nr];
                    float want = n < N ? B.p[k * B.rs + n * B.cs] : 0.0f;
                    assert_true(memcmp(&got, &want, sizeof got) == 0);
                }
            kt_buf_free(&panel);
            kt_buf_free(&raw);
        }
    }
}

/* B [K][N] with zeros (of both signs) in every block of 32 k x 32 columns for which the dice say so;
 */
static void zero_blocks(float *b, int64_t K, int64_t N, int percent)
{
    for (int64_t k = 0; k < K; k++)
        for (int64_t n = 0; n < N; n++)
            if ((int)(oc_rng_at(9, (uint64_t)(k / 32 * 1000 + n / 32)) % 100) < percent)
                b[k * N + n] = (k + n) & 1 ? 0.0f : -0.0f;
}

/* What a product without the skipping gives: the chain of the contract. */
static float chain(const float *a, const float *b, int64_t K, int64_t N)
{
    float acc = 0.0f;
    for (int64_t k = 0; k < K; k++)
        acc = fmaf(a[k], b[k * N], acc);
    return acc;
}

static void check_zero_blocks(int64_t M, int64_t N, int64_t K, int percent, oc_isa isa)
{
    oc_k = oc_kernels_for(isa);
    kt_buf a = kt_buf_new(M * K, 1), b = kt_buf_new(K * N, 2), c = kt_buf_new(M * N, 3);
    kt_buf panel = kt_buf_new(oc_pack_f32_floats(K, N, false), 0);
    kt_fill(a.p, M * K, 1, 1.0f);
    kt_fill(b.p, K * N, 2, 1.0f);
    zero_blocks(b.p, K, N, percent);
    oc_packed_f32 B = {.panel = panel.p, .K = K, .N = N};
    oc_pack_f32((oc_mat){b.p, N, 1}, &B);
    double share = oc_packed_f32_zero_share(&B);
    assert_true(percent == 0 ? share == 0 : percent == 100 ? share == 1 : share > 0 && share < 1);
    oc_gemm_f32(M, N, K, a.p, K, &B, false, NULL, OC_EPI_NONE, c.p, N, NULL);
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = 0; n < N; n++) {
            float want = chain(a.p + m * K, b.p + n, K, N);
            kt_same_bits(&want, &c.p[m * N + n], 1, oc_isa_name(isa), m * 10000 + n);
        }
    kt_buf_free(&a);
    kt_buf_free(&b);
    kt_buf_free(&c);
    kt_buf_free(&panel);
}

static void zero_blocks_change_no_bit(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{1, 200, 400}, {2, 129, 777}, {3, 70, 96}, {13, 97, 801}};
    static const int percents[] = {0, 40, 80, 100};
    for (int isa = 0; isa < OC_N_ISAS; isa++)
        for (int i = 0; oc_kernels_for((oc_isa)isa) && i < OC_COUNT(shapes); i++)
            for (int p = 0; p < OC_COUNT(percents); p++)
                check_zero_blocks(shapes[i][0], shapes[i][1], shapes[i][2], percents[p],
                                  (oc_isa)isa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_shapes_all_layouts),
        cmocka_unit_test(shapes_past_every_block),
        cmocka_unit_test(empty_sums),
        cmocka_unit_test(workers_do_not_change_a_bit),
        cmocka_unit_test(serial_equals_parallel),
        cmocka_unit_test(extreme_values),
        cmocka_unit_test(packing_pads_with_zeros),
        cmocka_unit_test(zero_blocks_change_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
