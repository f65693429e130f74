/* int8 kernels: exact sums, quantization of rows, and the whole product. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/par.h"
#include "core/base/rng.h"
#include "tests/kernels/kernels_testing.h"

static int64_t padded(int64_t K)
{
    return (K + 31) / 32 * 32;
}

typedef struct s8_case {
    int64_t M, N, K, Kp;
    int8_t *a, *w; /* a [M,Kp], w [N,K] */
    float *xs, *ws, *bias;
} s8_case;

enum { FILL_RANDOM, FILL_PLUS, FILL_MINUS, FILL_MIXED, N_FILLS };
enum { BITS_7 = 8 }; /* beside a fill of weights: of 7 bits, -64..63 */

static int8_t value(int fill, int64_t i, uint64_t seed)
{
    switch (fill) {
    case BITS_7 | FILL_PLUS: return 63;
    case BITS_7 | FILL_MINUS: return -64;
    case BITS_7 | FILL_MIXED: return oc_rng_at(seed, (uint64_t)i) & 1 ? 63 : -64;
    case BITS_7 | FILL_RANDOM: return (int8_t)((int)(oc_rng_at(seed, (uint64_t)i) % 128) - 64);
    case FILL_PLUS: return 127;
    case FILL_MINUS: return -127;
    case FILL_MIXED: return oc_rng_at(seed, (uint64_t)i) & 1 ? 127 : -127;
    default: return (int8_t)((int)(oc_rng_at(seed, (uint64_t)i) % 255) - 127);
    }
}

static s8_case case_new(int64_t M, int64_t N, int64_t K, int a_fill, int w_fill)
{
    s8_case c = {.M = M, .N = N, .K = K, .Kp = padded(K)};
    c.a = oc_calloc((size_t)(M * c.Kp + 1), 1);
    c.w = oc_alloc((size_t)(N * K + 1));
    c.xs = oc_alloc((size_t)M * sizeof(float));
    c.ws = oc_alloc((size_t)N * sizeof(float));
    c.bias = oc_alloc((size_t)N * sizeof(float));
    for (int64_t m = 0; m < M; m++)
        for (int64_t k = 0; k < K; k++)
            c.a[m * c.Kp + k] = value(a_fill, m * K + k, 1);
    for (int64_t i = 0; i < N * K; i++)
        c.w[i] = value(w_fill, i, 2);
    kt_fill(c.xs, M, 3, 0.1f);
    kt_fill(c.ws, N, 4, 0.1f);
    kt_fill(c.bias, N, 5, 1.0f);
    return c;
}

static void case_free(s8_case *c)
{
    oc_free(c->a);
    oc_free(c->w);
    oc_free(c->xs);
    oc_free(c->ws);
    oc_free(c->bias);
}

static int32_t exact(const s8_case *c, int64_t m, int64_t n)
{
    int64_t s = 0;
    for (int64_t k = 0; k < c->K; k++)
        s += (int64_t)c->a[m * c->Kp + k] * c->w[n * c->K + k];
    assert_true(s <= INT32_MAX && s >= INT32_MIN);
    return (int32_t)s;
}

/* Product on table k; rows of y are N + 3 apart. */
static kt_buf product(const s8_case *c, const oc_kernels *k, bool bias, oc_epilogue act)
{
    oc_k = k;
    int8_t *panel = oc_alloc(oc_pack_s8_bytes(c->K, c->N));
    oc_packed_s8 W = {.panel = panel, .scale = c->ws, .K = c->K, .N = c->N, .Kp = c->Kp};
    W.bits7 = oc_s8_is_7_bits(c->w, c->N * c->K);
    oc_pack_s8(c->w, c->K, c->N, W.bits7, panel);
    kt_buf y = kt_buf_new(c->M * (c->N + 3), 1);
    for (int64_t i = 0; i < y.n; i++)
        y.p[i] = 77.0f;
    oc_gemm_qd8_qc8w_f32(c->M, c->a, c->xs, &W, bias ? c->bias : NULL, act, y.p, c->N + 3);
    for (int64_t m = 0; m < c->M; m++)
        for (int64_t i = 0; i < 3; i++)
            assert_true(y.p[m * (c->N + 3) + c->N + i] == 77.0f);
    oc_free(panel);
    return y;
}

static void check_case(const s8_case *c, oc_epilogue act, bool bias)
{
    kt_buf ref = product(c, oc_kernels_for(OC_ISA_REF), bias, act);
    for (int64_t m = 0; m < c->M; m++)
        for (int64_t n = 0; n < c->N; n++) {
            float want = fmaf((float)exact(c, m, n), c->xs[m] * c->ws[n], bias ? c->bias[n] : 0.0f);
            float y;
            oc_kernels_for(OC_ISA_REF)->act_row(act, &want, 1, &y);
            kt_same_bits(&y, &ref.p[m * (c->N + 3) + n], 1, "reference", c->K);
        }
    const oc_kernels *others[OC_N_ISAS];
    int n_others = kt_others(others);
    for (int i = 0; i < n_others; i++) {
        kt_buf y = product(c, others[i], bias, act);
        kt_same_bits(ref.p, y.p, ref.n, oc_isa_name(others[i]->isa), c->K);
        kt_buf_free(&y);
    }
    kt_buf_free(&ref);
}

static void products_are_exact(void **state)
{
    (void)state;
    static const int64_t Ms[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 33};
    static const int64_t Ns[] = {1, 4, 7, 8, 15, 16, 17, 31, 32, 33, 65};
    static const int64_t Ks[] = {1, 3, 4, 5, 31, 32, 33, 64, 65, 97, 200};
    for (int i = 0; i < OC_COUNT(Ms); i++)
        for (int j = 0; j < OC_COUNT(Ns); j++)
            for (int k = 0; k < OC_COUNT(Ks); k++) {
                s8_case c = case_new(Ms[i], Ns[j], Ks[k], FILL_RANDOM, FILL_RANDOM);
                check_case(&c, (oc_epilogue)((i + j + k) % 5), (i + j) & 1);
                case_free(&c);
            }
}

/* What makes a matrix one of 7 bits: all of it, and a table that has a product for such. */
static void seven_bits_are_seen(void **state)
{
    (void)state;
    int8_t q[100];
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        oc_k = oc_kernels_for((oc_isa)isa);
        if (!oc_k)
            continue;
        bool has = oc_k->gemm_s8_tile_7 != NULL;
        assert_true(has == (oc_k->prepare_s8_rows_7 != NULL) &&
                    has == (oc_k->pack_s8_panel_7 != NULL));
        for (int i = 0; i < 100; i++)
            q[i] = (int8_t)(i % 128 - 64);
        assert_true(oc_s8_is_7_bits(q, 100) == has);
        assert_true(oc_s8_is_7_bits(q, 0) == has);
        for (int i = 0; i < 100; i++) {
            int8_t was = q[i];
            q[i] = i & 1 ? 64 : -65;
            assert_false(oc_s8_is_7_bits(q, 100));
            q[i] = was;
        }
    }
}

static void products_of_seven_bits(void **state)
{
    (void)state;
    static const int64_t Ms[] = {1, 2, 3, 5, 17};
    static const int64_t Ns[] = {1, 7, 8, 9, 16, 23, 24, 25, 65};
    static const int64_t Ks[] = {1, 3, 5, 8, 31, 32, 33, 65, 200};
    for (int i = 0; i < OC_COUNT(Ms); i++)
        for (int j = 0; j < OC_COUNT(Ns); j++)
            for (int k = 0; k < OC_COUNT(Ks); k++) {
                s8_case c = case_new(Ms[i], Ns[j], Ks[k], FILL_RANDOM, BITS_7 | FILL_RANDOM);
                check_case(&c, (oc_epilogue)((i + j + k) % 5), (i + j) & 1);
                case_free(&c);
            }
}

/* Strips end at 384 columns, k is cut at 512 or 1024; on AMX eight tiles of 32 rows make a block,
 * row tiles stay up to 384 k, and are copied anew for each cut past 12288. */
static void products_past_every_block(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {
        {9, 400, 312},  {5, 70, 3072},  {3, 40, 5000},  {35, 33, 1060}, {70, 33, 65},
        {300, 70, 450}, {290, 40, 300}, {70, 66, 1100}, {20, 50, 3072}, {40, 40, 12350}};
    for (int i = 0; i < OC_COUNT(shapes); i++) {
        for (int bits = 0; bits <= BITS_7; bits += BITS_7) {
            s8_case c =
                case_new(shapes[i][0], shapes[i][1], shapes[i][2], FILL_RANDOM, bits | FILL_RANDOM);
            check_case(&c, OC_EPI_GELU, true);
            case_free(&c);
        }
    }
}

/* Every pair sum at its limit: +-32258 fits 16 bits, so nothing saturates; of 7 bits, sums of four
 * at theirs: +-32512. */
static void extremes_do_not_saturate(void **state)
{
    (void)state;
    for (int a = FILL_PLUS; a < N_FILLS; a++)
        for (int w = FILL_PLUS; w < N_FILLS; w++) {
            s8_case c = case_new(33, 49, 4100, a, w), seven = case_new(33, 49, 4100, a, BITS_7 | w);
            check_case(&c, OC_EPI_NONE, false);
            check_case(&seven, OC_EPI_NONE, false);
            case_free(&seven);
            if (a != FILL_MIXED && w != FILL_MIXED)
                assert_int_equal(exact(&c, 0, 0), (a == w ? 1 : -1) * 127 * 127 * 4100);
            case_free(&c);
        }
}

/* The longest K whose sums are sure to fit 32 bits. */
static void the_longest_sum_is_exact(void **state)
{
    (void)state;
    s8_case c = case_new(1, 2, 133144, FILL_PLUS, FILL_MINUS);
    assert_int_equal(exact(&c, 0, 0), -133144 * 16129);
    check_case(&c, OC_EPI_NONE, false);
    case_free(&c);
}

/* Zeros in every block of 64 k x 32 columns for which the dice say so, and in all past k_end. */
static void zero_blocks(s8_case *c, int percent, int64_t k_end)
{
    for (int64_t n = 0; n < c->N; n++)
        for (int64_t k = 0; k < c->K; k++)
            if (k >= k_end ||
                (int)(oc_rng_at(9, (uint64_t)(k / 64 * 1000 + n / 32)) % 100) < percent)
                c->w[n * c->K + k] = 0;
}

/* Share that each table leaves out: of none, of some, of all. */
static void check_share(const s8_case *c, int percent)
{
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        oc_k = oc_kernels_for((oc_isa)isa);
        if (!oc_k)
            continue;
        int8_t *panel = oc_alloc(oc_pack_s8_bytes(c->K, c->N));
        oc_pack_s8(c->w, c->K, c->N, oc_s8_is_7_bits(c->w, c->N * c->K), panel);
        oc_packed_s8 W = {.panel = panel, .scale = c->ws, .K = c->K, .N = c->N, .Kp = c->Kp};
        double share = oc_packed_s8_zero_share(&W);
        assert_true(percent == 0     ? share == 0
                    : percent == 100 ? share == 1
                    : percent >= 60  ? share > 0.1 && share < 1
                                     : share < 0.6);
        oc_free(panel);
    }
}

/* check_case compares with sums of all k, zeros too. */
static void zero_blocks_change_no_bit(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{1, 200, 400},  {2, 129, 777},   {13, 97, 801},
                                        {70, 70, 1400}, {40, 40, 12350}, {1, 33, 3300}};
    static const int percents[] = {0, 15, 60, 80, 100};
    for (int i = 0; i < OC_COUNT(shapes); i++)
        for (int p = 0; p < OC_COUNT(percents); p++) {
            int fill = i % 2 ? FILL_MIXED : BITS_7 | FILL_MIXED;
            s8_case c = case_new(shapes[i][0], shapes[i][1], shapes[i][2], FILL_RANDOM, fill);
            zero_blocks(&c, percents[p], c.K);
            check_share(&c, percents[p]);
            check_case(&c, OC_EPI_GELU, true);
            case_free(&c);
        }
}

/* Only the first or only the last block, which K fills in part, of every panel stays. */
static void one_block_of_many(void **state)
{
    (void)state;
    for (int last = 0; last < 2; last++) {
        s8_case c = case_new(35, 50, 801, FILL_RANDOM, FILL_MIXED);
        zero_blocks(&c, 0, last ? c.K : 1);
        for (int64_t i = 0; last && i < c.N * c.K; i++)
            if (i % c.K < 800)
                c.w[i] = 0;
        check_case(&c, OC_EPI_NONE, true);
        case_free(&c);
    }
}

static void check_workers(const s8_case *c, const oc_kernels *k)
{
    oc_par_set_workers(1);
    kt_buf one = product(c, k, true, OC_EPI_GELU);
    for (int workers = 2; workers <= 4; workers++) {
        oc_par_set_workers(workers);
        kt_buf y = product(c, k, true, OC_EPI_GELU);
        kt_same_bits(one.p, y.p, one.n, "workers", workers);
        kt_buf_free(&y);
    }
    oc_par_set_workers(0);
    kt_buf_free(&one);
}

static void workers_do_not_change_a_bit(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{128, 312, 312}, {2, 1200, 312}, {500, 4, 312}};
    for (int i = 0; i < OC_COUNT(shapes); i++) {
        s8_case c = case_new(shapes[i][0], shapes[i][1], shapes[i][2], FILL_RANDOM,
                             (i & 1 ? BITS_7 : 0) | FILL_RANDOM);
        for (int isa = 0; isa < OC_N_ISAS; isa++)
            if (oc_kernels_for((oc_isa)isa))
                check_workers(&c, oc_kernels_for((oc_isa)isa));
        case_free(&c);
    }
}

/* q and scale on every ISA, with a byte guard behind the row. */
static void quantize_all(const float *x, int64_t K, int8_t *q, float *scale)
{
    int64_t Kp = padded(K);
    oc_kernels_for(OC_ISA_REF)->quantize_row(x, K, Kp, q, scale);
    for (int64_t k = K; k < Kp; k++)
        assert_int_equal(q[k], 0);
    const oc_kernels *others[OC_N_ISAS];
    int n = kt_others(others);
    for (int i = 0; i < n; i++) {
        int8_t *r = oc_alloc((size_t)Kp + 1);
        float s = -1.0f;
        memset(r, 99, (size_t)Kp + 1);
        others[i]->quantize_row(x, K, Kp, r, &s);
        assert_memory_equal(q, r, (size_t)Kp);
        assert_int_equal(r[Kp], 99);
        kt_same_bits(scale, &s, 1, "scale", K);
        oc_free(r);
    }
}

static void rows_are_quantized_alike(void **state)
{
    (void)state;
    static const float sizes[] = {1.0f, 1e-3f, 1e30f, 1e-38f, 1e-42f};
    for (int s = 0; s < KT_N_SIZES; s++)
        for (int z = 0; z < OC_COUNT(sizes); z++)
            for (int64_t shift = 0; shift < 3; shift++) {
                int64_t K = kt_sizes[s];
                kt_buf x = kt_buf_new(K, shift);
                kt_fill(x.p, K, (uint64_t)(K + z), sizes[z]);
                int8_t q[320];
                float scale, top = 0;
                quantize_all(x.p, K, q, &scale);
                for (int64_t k = 0; k < K; k++)
                    top = fmaxf(top, fabsf(x.p[k]));
                float want = top / 127.0f == 0.0f ? 1.0f : top / 127.0f;
                assert_true(memcmp(&want, &scale, sizeof want) == 0);
                for (int64_t k = 0; k < K; k++) {
                    double v = nearbyint((double)(x.p[k] / scale));
                    assert_int_equal(q[k], (int)fmax(-127.0, fmin(127.0, v)));
                }
                kt_buf_free(&x);
            }
}

/* Quotients on and beside halves, where a product with the inverse could round the other way. */
static void quotients_near_halves(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        float x[200], scale, top = 0.7f + (float)(oc_rng_at(seed, 1000) >> 40) / 16777216.0f;
        int8_t q[224];
        x[0] = top;
        for (int i = 1; i < 200; i++) {
            float v = (float)((int)(oc_rng_at(seed, (uint64_t)i) % 254) - 127) + 0.5f;
            x[i] = v * (top / 127.0f);
            for (int step = i % 7 - 3; step != 0; step += step < 0 ? 1 : -1)
                x[i] = nextafterf(x[i], step < 0 ? -1e9f : 1e9f);
        }
        quantize_all(x, 200, q, &scale);
        for (int i = 0; i < 200; i++)
            assert_int_equal(q[i], (int)fmax(-127, fmin(127, nearbyint((double)(x[i] / scale)))));
    }
}

static void quantization_edges(void **state)
{
    (void)state;
    int8_t q[64];
    float scale, x[40] = {0};
    quantize_all(x, 40, q, &scale); // a zero row
    assert_true(scale == 1.0f);
    for (int i = 0; i < 64; i++)
        assert_int_equal(q[i], 0);

    /* Scale 1 exactly: halves go to the even neighbour, both signs. */
    static const float halves[] = {127.0f, 0.5f,  1.5f,        2.5f,    125.5f,  126.5f,     -0.5f,
                                   -1.5f,  -2.5f, 0.49999997f, -126.5f, -127.0f, 3.4999998f, -0.0f};
    static const int8_t want[] = {127, 0, 2, 2, 126, 126, 0, -2, -2, 0, -126, -127, 3, 0};
    quantize_all(halves, OC_COUNT(halves), q, &scale);
    assert_true(scale == 1.0f);
    for (int i = 0; i < OC_COUNT(halves); i++)
        assert_int_equal(q[i], want[i]);

    float tiny[3] = {1e-45f, -1e-45f, 0.0f}; // max/127 is 0 in float: counts as a zero row
    quantize_all(tiny, 3, q, &scale);
    assert_true(scale == 1.0f && q[0] == 0 && q[1] == 0 && q[2] == 0);

    float denormal[2] = {ldexpf(200.0f, -149), ldexpf(-100.0f, -149)}; // scale is 2 * 2^-149
    quantize_all(denormal, 2, q, &scale);
    assert_true(scale == ldexpf(2.0f, -149) && q[0] == 100 && q[1] == -50);
    float rounded_down[2] = {ldexpf(180.0f, -149), ldexpf(-179.0f, -149)}; // quotient 180: clamped
    quantize_all(rounded_down, 2, q, &scale);
    assert_true(scale == ldexpf(1.0f, -149) && q[0] == 127 && q[1] == -127);

    float big[3] = {FLT_MAX, -FLT_MAX, 1.0f};
    quantize_all(big, 3, q, &scale);
    assert_true(isfinite(scale) && q[0] == 127 && q[1] == -127 && q[2] == 0);
    float one[1] = {-3.0f};
    quantize_all(one, 1, q, &scale);
    assert_int_equal(q[0], -127);

    float odd[20] = {NAN, INFINITY, -INFINITY, 1.0f}; // no meaning, but in range and the same
    quantize_all(odd, 20, q, &scale);
    for (int i = 0; i < 20; i++)
        assert_true(q[i] >= -127);
}

static void dequantization_is_one_fma(void **state)
{
    (void)state;
    for (int s = 0; s < KT_N_SIZES; s++) {
        int64_t n = kt_sizes[s];
        int32_t *acc = oc_alloc((size_t)n * sizeof *acc);
        kt_buf ws = kt_buf_new(n, 1), bias = kt_buf_new(n, 2);
        kt_fill(ws.p, n, 1, 0.01f);
        kt_fill(bias.p, n, 2, 1.0f);
        for (int64_t i = 0; i < n; i++) // beyond 2^24 the conversion to float rounds
            acc[i] = (int32_t)(uint32_t)oc_rng_at(3, (uint64_t)i);
        for (int isa = 0; isa < OC_N_ISAS; isa++) {
            const oc_kernels *k = oc_kernels_for((oc_isa)isa);
            for (int b = 0; k && b < 2; b++) {
                kt_buf y = kt_buf_new(n, 3);
                k->dequant_row(acc, n, 0.03f, ws.p, b ? bias.p : NULL, y.p);
                for (int64_t i = 0; i < n; i++)
                    assert_true(y.p[i] ==
                                fmaf((float)acc[i], 0.03f * ws.p[i], b ? bias.p[i] : 0.0f));
                kt_buf_free(&y);
            }
        }
        kt_buf_free(&ws);
        kt_buf_free(&bias);
        oc_free(acc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_exact),          cmocka_unit_test(seven_bits_are_seen),
        cmocka_unit_test(products_of_seven_bits),      cmocka_unit_test(products_past_every_block),
        cmocka_unit_test(extremes_do_not_saturate),    cmocka_unit_test(the_longest_sum_is_exact),
        cmocka_unit_test(zero_blocks_change_no_bit),   cmocka_unit_test(one_block_of_many),
        cmocka_unit_test(workers_do_not_change_a_bit), cmocka_unit_test(rows_are_quantized_alike),
        cmocka_unit_test(quotients_near_halves),       cmocka_unit_test(quantization_edges),
        cmocka_unit_test(dequantization_is_one_fma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
