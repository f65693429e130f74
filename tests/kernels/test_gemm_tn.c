/* Gradients of weights: each output the chain of the contract, on every ISA and for any workers. */
#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/par.h"
#include "core/kernels/gemm_tn.h"
#include "tests/kernels/kernels_testing.h"

typedef struct shape {
    int64_t n, M, N, lda, ldb;
} shape;

/* C += A^T B and sums += rows of A, term by term. */
static void chain(const shape *s, const float *A, const float *B, float *C, float *sums)
{
    for (int64_t k = 0; k < s->n; k++)
        for (int64_t m = 0; m < s->M; m++) {
            float a = A[k * s->lda + m];
            sums[m] += a;
            for (int64_t c = 0; c < s->N; c++)
                C[m * s->N + c] = fmaf(a, B[k * s->ldb + c], C[m * s->N + c]);
        }
}

/* On a matrix unit: as near as two f32 sums of n products of numbers below 1 may be. */
static void check_near(const shape *s, const float *want, const float *got)
{
    for (int64_t i = 0; i < s->M * s->N; i++)
        if (!(fabsf(want[i] - got[i]) <= 1e-7f * (float)(s->n + 10)))
            fail_msg("n %lld, entry %lld: %.9g, expected about %.9g", (long long)s->n, (long long)i,
                     (double)got[i], (double)want[i]);
}

static void check(const shape *s, const oc_kernels *k)
{
    oc_k = k;
    kt_buf A = kt_buf_new(s->n * s->lda, 1), B = kt_buf_new(s->n * s->ldb, 3);
    kt_buf C = kt_buf_new(s->M * s->N, 2), sums = kt_buf_new(s->M, 1);
    kt_buf want = kt_buf_new(s->M * s->N, 0), want_sums = kt_buf_new(s->M, 0);
    kt_buf scratch = kt_buf_new(oc_par_workers() * oc_gemm_tn_floats(), 5);
    kt_fill(A.p, A.n, 1, 1.0f);
    kt_fill(B.p, B.n, 2, 1.0f);
    kt_fill(C.p, C.n, 3, 1.0f);
    kt_fill(sums.p, sums.n, 4, 1.0f);
    memcpy(want.p, C.p, (size_t)C.n * sizeof(float));
    memcpy(want_sums.p, sums.p, (size_t)sums.n * sizeof(float));
    chain(s, A.p, B.p, want.p, want_sums.p);
    oc_gemm_tn_f32(s->n, s->M, s->N, A.p, s->lda, B.p, s->ldb, C.p, sums.p, scratch.p);
    if (k->x6_tile && s->n >= 128)
        check_near(s, want.p, C.p);
    else
        kt_same_bits(want.p, C.p, C.n, "C", s->M * 1000000 + s->N * 1000 + s->n);
    kt_same_bits(want_sums.p, sums.p, sums.n, "sums", s->M * 1000000 + s->n);
    kt_buf *all[7] = {&A, &B, &C, &sums, &want, &want_sums, &scratch};
    for (int i = 0; i < 7; i++)
        kt_buf_free(all[i]);
}

static void every_isa_and_number_of_workers(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {1, 1, 1, 1, 1},           {3, 2, 5, 4, 7},         {255, 13, 33, 13, 40},
        {256, 12, 32, 12, 32},     {257, 25, 65, 31, 65},   {600, 192, 20, 200, 20},
        {300, 193, 385, 193, 400}, {7, 400, 769, 400, 769}, {520, 100, 384, 312, 384},
    };
    for (int workers = 1; workers <= 3; workers++) {
        oc_par_set_workers(workers);
        for (int i = 0; i < OC_COUNT(shapes); i++)
            for (int isa = 0; isa < OC_N_ISAS; isa++)
                if (oc_kernels_for((oc_isa)isa))
                    check(&shapes[i], oc_kernels_for((oc_isa)isa));
    }
    oc_par_set_workers(0);
}

/* Nor on a matrix unit, where the chain does not tell. */
static void workers_do_not_change_a_bit(void **state)
{
    (void)state;
    enum { n = 700, M = 190, N = 770 };
    kt_buf A = kt_buf_new(n * M, 0), B = kt_buf_new(n * N, 0), C[4], sums = kt_buf_new(M, 0);
    kt_fill(A.p, A.n, 1, 1.0f);
    kt_fill(B.p, B.n, 2, 1.0f);
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        oc_k = oc_kernels_for((oc_isa)isa);
        for (int w = 0; oc_k && w < 4; w++) {
            oc_par_set_workers(w + 1);
            kt_buf scratch = kt_buf_new(oc_par_workers() * oc_gemm_tn_floats(), 0);
            C[w] = kt_buf_new(M * N, 0);
            kt_fill(C[w].p, M * N, 3, 1.0f);
            oc_gemm_tn_f32(n, M, N, A.p, M, B.p, N, C[w].p, sums.p, scratch.p);
            kt_same_bits(C[0].p, C[w].p, M * N, oc_isa_name((oc_isa)isa), w);
            kt_buf_free(&scratch);
        }
        for (int w = 0; oc_k && w < 4; w++)
            kt_buf_free(&C[w]);
    }
    oc_par_set_workers(0);
    kt_buf_free(&A);
    kt_buf_free(&B);
    kt_buf_free(&sums);
}

static void nothing_to_add(void **state)
{
    (void)state;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        if (!oc_kernels_for((oc_isa)isa))
            continue;
        check(&(shape){0, 5, 9, 5, 9}, oc_kernels_for((oc_isa)isa));
        check(&(shape){4, 0, 9, 0, 9}, oc_kernels_for((oc_isa)isa));
    }
}

int main(void)
{
    oc_err err = {0};
    if (oc_kernels_select(&err) != OC_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_isa_and_number_of_workers),
        cmocka_unit_test(workers_do_not_change_a_bit),
        cmocka_unit_test(nothing_to_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
