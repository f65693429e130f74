/*
 * f32 products of bf16 parts (core/kernels/gemm_x6.h): the order of the header written down in C, the
 * CPU's matrix unit against it bit for bit, and its error against double beside that of the chain.
 * Without such a unit the driver is still tested, over the C.
 */
#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/attr.h"
#include "core/base/par.h"
#include "core/base/rng.h"
#include "core/kernels/gemm_x6.h"
#include "tests/kernels/kernels_testing.h"

/* --- the header's order, in C ------------------------------------------------------------------ */

static uint16_t upper(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (uint16_t)(u >> 16);
}

static float from_bf16(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static float nearest(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    u = (u + 0x8000U) & 0xffff0000U;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void split(float x, uint16_t part[3])
{
    float h = nearest(x), m = nearest(x - h);
    part[0] = upper(h);
    part[1] = upper(m);
    part[2] = upper(x - h - m);
}

/* Parts here: [part][32 rows or columns][32 k]. */
static void split_rows_c(const float *a, int64_t lda, int64_t K, int32_t m_used, uint16_t *dst)
{
    uint16_t part[3];
    for (int64_t k = 0; k < (K + 31) / 32 * 32; k++)
        for (int32_t m = 0; m < m_used; m++) {
            split(k < K ? a[m * lda + k] : 0.0f, part);
            for (int i = 0; i < 3; i++)
                dst[k / 32 * OC_X6_PARTS + i * 1024 + m * 32 + k % 32] = part[i];
        }
}

static void split_columns_c(const float *b, uint16_t *dst)
{
    uint16_t part[3];
    for (int k = 0; k < 32; k++)
        for (int n = 0; n < 32; n++) {
            split(b[k * 32 + n], part);
            for (int i = 0; i < 3; i++)
                dst[i * 1024 + n * 32 + k] = part[i];
        }
}

/* One part of 32 k of a row and of a column; the order of the header. */
static float add_part(float sum, const uint16_t *a, const uint16_t *b)
{
    float even = 0.0f, odd = 0.0f;
    for (int j = 0; j < 16; j++) {
        even = fmaf(from_bf16(a[j]), from_bf16(b[j]), even);
        odd = fmaf(from_bf16(a[j + 16]), from_bf16(b[j + 16]), odd);
    }
    return sum + (even + odd);
}

static void tile_c(const oc_x6_tile *t)
{
    static const int order[6][2] = {{0, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 0}, {2, 0}};
    for (int32_t m = 0; m < t->m_used; m++)
        for (int32_t n = 0; n < t->n_used; n++) {
            float sum = t->accumulate ? t->C[m * t->ldc + n] : 0.0f;
            for (int32_t s = 0; s < t->n_steps; s++) {
                const uint16_t *a = t->a + t->step[s] * OC_X6_PARTS + m * 32;
                const uint16_t *b = t->b + t->step[s] * OC_X6_PARTS + n * 32;
                for (int i = 0; i < 6; i++)
                    sum = add_part(sum, a + order[i][0] * 1024, b + order[i][1] * 1024);
            }
            t->C[m * t->ldc + n] = sum;
        }
}

static oc_kernels in_c;

static int setup(void **state)
{
    (void)state;
    in_c = *oc_kernels_for(OC_ISA_REF);
    in_c.x6_split_rows = split_rows_c;
    in_c.x6_split_columns = split_columns_c;
    in_c.x6_tile = tile_c;
    return 0;
}

/* --- products ---------------------------------------------------------------------------------- */

typedef struct problem {
    int64_t M, N, K;
    int percent; /* of B's blocks of 32 x 32 that are zero */
    bool accumulate;
} problem;

static void fill_b(float *b, const problem *p)
{
    kt_fill(b, p->K * p->N, 2, 1.0f);
    for (int64_t k = 0; k < p->K; k++)
        for (int64_t n = 0; n < p->N; n++)
            if ((int)(oc_rng_at(9, (uint64_t)(k / 32 * 1000 + n / 32)) % 100) < p->percent)
                b[k * p->N + n] = 0.0f;
}

/* C [M,N], rows 3 apart more, which must keep what they hold. */
static kt_buf run(const oc_kernels *isa, const problem *p, bool x6)
{
    oc_k = isa;
    int64_t M = p->M, N = p->N, K = p->K, ldc = N + 3;
    kt_buf a = kt_buf_new(M * (K + 1), 1), b = kt_buf_new(K * N, 3), c = kt_buf_new(M * ldc, 5);
    kt_buf bias = kt_buf_new(N, 1), panel = kt_buf_new(oc_pack_f32_floats(K, N, x6), 0);
    kt_fill(a.p, a.n, 1, 1.0f);
    fill_b(b.p, p);
    kt_fill(c.p, c.n, 3, 1.0f);
    kt_fill(bias.p, N, 4, 1.0f);
    kt_buf was = kt_buf_new(c.n, 0);
    memcpy(was.p, c.p, (size_t)c.n * sizeof *c.p);
    oc_packed_f32 B = {.panel = panel.p, .K = K, .N = N, .x6 = x6};
    oc_pack_f32((oc_mat){b.p, N, 1}, &B);
    double zero = oc_packed_f32_zero_share(&B);
    assert_true(p->percent == 0 ? zero == 0 : p->percent == 100 ? zero == 1 : zero > 0);
    oc_gemm_f32(M, N, K, a.p, K + 1, &B, p->accumulate, bias.p, OC_EPI_GELU, c.p, ldc, c.p);
    for (int64_t m = 0; m < M; m++)
        assert_memory_equal(c.p + m * ldc + N, was.p + m * ldc + N, 3 * sizeof(float));
    kt_buf *done[] = {&a, &b, &bias, &panel, &was};
    kt_buf_check(&c);
    for (int i = 0; i < OC_COUNT(done); i++) {
        kt_buf_check(done[i]);
        kt_buf_free(done[i]);
    }
    return c;
}

static const problem problems[] = {
    {1, 1, 1, 0, false},       {1, 33, 31, 0, true},     {5, 32, 32, 0, false},
    {16, 48, 33, 0, false},    {17, 16, 64, 0, true},    {31, 70, 26, 0, false},
    {33, 312, 312, 0, false},  {129, 97, 401, 0, true},  {140, 40, 800, 0, false},
    {40, 129, 777, 40, false}, {40, 129, 777, 80, true}, {3, 200, 400, 100, true},
    {2, 64, 96, 100, false},
};

/* The unit does what the header says it does. */
static void unit_equals_the_order_in_c(void **state)
{
    (void)state;
    const oc_kernels *unit = NULL;
    for (int isa = 0; isa < OC_N_ISAS; isa++)
        if (oc_kernels_for((oc_isa)isa) && oc_kernels_for((oc_isa)isa)->x6_tile)
            unit = oc_kernels_for((oc_isa)isa);
    if (!unit) {
        print_message("skipped: this CPU has no matrix unit for bf16\n");
        skip();
    }
    for (int i = 0; i < OC_COUNT(problems); i++) {
        kt_buf want = run(&in_c, &problems[i], true), got = run(unit, &problems[i], true);
        // the epilogue is each ISA's own, equal by its own contract
        kt_same_bits(want.p, got.p, want.n, oc_isa_name(unit->isa), i);
        kt_buf_free(&want);
        kt_buf_free(&got);
    }
}

/* Largest and mean |error| / sum |a||b| of C = A B against double. */
static void errors(const oc_kernels *isa, bool x6, int64_t K, float tiny, double *largest,
                   double *mean)
{
    enum { M = 24, N = 40 };
    oc_k = isa;
    kt_buf a = kt_buf_new(M * K, 0), b = kt_buf_new(K * N, 0), c = kt_buf_new(M * N, 0);
    kt_buf panel = kt_buf_new(oc_pack_f32_floats(K, N, x6), 0);
    kt_fill(a.p, a.n, 11, 1.0f);
    kt_fill(b.p, b.n, 12, tiny);
    oc_packed_f32 B = {.panel = panel.p, .K = K, .N = N, .x6 = x6};
    oc_pack_f32((oc_mat){b.p, N, 1}, &B);
    oc_gemm_f32(M, N, K, a.p, K, &B, false, NULL, OC_EPI_NONE, c.p, N, NULL);
    *largest = *mean = 0;
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = 0; n < N; n++) {
            double exact = 0, size = 0;
            for (int64_t k = 0; k < K; k++) {
                double x = (double)a.p[m * K + k] * (double)b.p[k * N + n];
                exact += x;
                size += fabs(x);
            }
            double e = fabs((double)c.p[m * N + n] - exact) / size;
            *largest = fmax(*largest, e);
            *mean += e / (M * N);
        }
    kt_buf_free(&a);
    kt_buf_free(&b);
    kt_buf_free(&c);
    kt_buf_free(&panel);
}

/* No further from the true product than the chain of fmas is. */
static void as_exact_as_f32(void **state)
{
    (void)state;
    static const int64_t depths[] = {1, 26, 64, 312, 768, 3072};
    for (int i = 0; i < OC_COUNT(depths); i++)
        for (int t = 0; t < 2; t++) {
            double chain[2], parts[2];
            float size = t ? 1e-20f : 1.0f;
            errors(oc_kernels_for(OC_ISA_REF), false, depths[i], size, &chain[0], &chain[1]);
            errors(&in_c, true, depths[i], size, &parts[0], &parts[1]);
            print_message(
                "K %4lld: error of f32 %.1e (mean %.1e), of six bf16 products %.1e (%.1e)\n",
                (long long)depths[i], chain[0], chain[1], parts[0], parts[1]);
            assert_true(parts[0] <= 0x1p-22);
            assert_true(depths[i] < 64 || (parts[0] <= chain[0] && parts[1] <= chain[1]));
        }
}

static void workers_and_rows_do_not_change_a_bit(void **state)
{
    (void)state;
    problem p = {150, 100, 420, 20, false};
    oc_par_set_workers(1);
    kt_buf want = run(&in_c, &p, true);
    for (int w = 2; w <= 4; w++) {
        oc_par_set_workers(w);
        kt_buf got = run(&in_c, &p, true);
        kt_same_bits(want.p, got.p, want.n, "workers", w);
        kt_buf_free(&got);
    }
    oc_par_set_workers(0);
    p.M = 7; // the first rows, alone
    kt_buf few = run(&in_c, &p, true);
    for (int64_t m = 0; m < p.M; m++)
        kt_same_bits(want.p + m * (p.N + 3), few.p + m * (p.N + 3), p.N, "rows", m);
    kt_buf_free(&few);
    kt_buf_free(&want);
}

/* What is no number, and what is past the largest bf16, makes no number; the other rows stay. */
static void not_numbers(void **state)
{
    (void)state;
    enum { M = 3, N = 2, K = 40 };
    const float bad[] = {NAN, INFINITY, -INFINITY, 3.4e38f};
    for (int isa = 0; isa <= OC_N_ISAS; isa++)
        for (int i = 0; i < OC_COUNT(bad); i++) {
            oc_k = isa < OC_N_ISAS ? oc_kernels_for((oc_isa)isa) : &in_c;
            if (!oc_k || !oc_k->x6_tile)
                continue;
            float a[M * K], b[K * N], c[M * N];
            kt_fill(a, M * K, 1, 1.0f);
            kt_fill(b, K * N, 2, 1.0f);
            a[K + 35] = bad[i];
            kt_buf panel = kt_buf_new(oc_pack_f32_floats(K, N, true), 0);
            oc_packed_f32 B = {.panel = panel.p, .K = K, .N = N, .x6 = true};
            oc_pack_f32((oc_mat){b, N, 1}, &B);
            oc_gemm_f32(M, N, K, a, K, &B, false, NULL, OC_EPI_NONE, c, N, NULL);
            for (int j = 0; j < M * N; j++)
                assert_true(isnan(c[j]) == (j / N == 1));
            kt_buf_free(&panel);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unit_equals_the_order_in_c),
        cmocka_unit_test(as_exact_as_f32),
        cmocka_unit_test(workers_and_rows_do_not_change_a_bit),
        cmocka_unit_test(not_numbers),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
