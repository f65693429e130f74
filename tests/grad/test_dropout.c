/*
 * Dropout masks: the share asked, the mean kept, and nothing but (seed, step, layer, site, element)
 * behind them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/nn/bert_internal.h"

#define N    65536
#define LONG 530 /* past two chunks of drop_any.h */

static float m[N], m2[N];

static void test_share(void **state)
{
    (void)state;
    const float p[5] = {0.05f, 0.1f, 0.5f, 0.9f, 0.99999f};
    for (int i = 0; i < 5; i++) {
        oc_dropout at = {.seed = 3, .step = 4};
        oc__drop d = oc__drop_at(&at, p[i], 1, OC__SITE_ATTN);
        double exact = (double)d.off / 65536.0, dropped = 0.0, sum = 0.0;
        assert_true(fabs(exact - (double)p[i]) <= 1.0 / 65536.0);
        oc__drop_mask(&d, 0, N, m);
        for (int j = 0; j < N; j++) {
            assert_true(m[j] == 0.0f || m[j] == d.scale);
            dropped += m[j] == 0.0f;
            sum += (double)m[j];
        }
        double sigma = sqrt(exact * (1.0 - exact) * N);
        assert_true(fabs(dropped - exact * N) < 4.0 * sigma);
        assert_true(fabs((double)d.scale * (1.0 - exact) - 1.0) < 1e-6); // the mean stays
        assert_true(fabs(sum - N) < 4.0 * sigma * (double)d.scale);
    }
}

static void test_off(void **state)
{
    (void)state;
    oc_dropout at = {.seed = 3, .step = 4};
    assert_int_equal(oc__drop_at(NULL, 0.5f, 0, OC__SITE_EMB).off, 0);
    assert_int_equal(oc__drop_at(&at, 0.0f, 0, OC__SITE_EMB).off, 0);
}

/* Neighbours in every coordinate share no more ones than chance. */
static void test_independence(void **state)
{
    (void)state;
    oc_dropout at = {.seed = 3, .step = 4};
    oc_dropout step = {.seed = 3, .step = 5}, seed = {.seed = 4, .step = 4};
    oc__drop other[5] = {
        oc__drop_at(&step, 0.5f, 1, OC__SITE_ATTN), oc__drop_at(&seed, 0.5f, 1, OC__SITE_ATTN),
        oc__drop_at(&at, 0.5f, 2, OC__SITE_ATTN), oc__drop_at(&at, 0.5f, 1, OC__SITE_ATTN_OUT),
        oc__drop_at(&at, 0.5f, 0, OC__SITE_CLS)};
    oc__drop d = oc__drop_at(&at, 0.5f, 1, OC__SITE_ATTN);
    oc__drop_mask(&d, 0, N, m);
    for (int i = 0; i < 5; i++) {
        int same = 0;
        oc__drop_mask(&other[i], 0, N, m2);
        for (int j = 0; j < N; j++)
            same += m[j] == m2[j];
        assert_true(abs(same - N / 2) < 4 * 128); // four sigma, sqrt(N) / 2 each
    }
    int same = 0;
    for (int j = 0; j + 1 < N; j++)
        same += m[j] == m[j + 1];
    assert_true(abs(same - N / 2) < 4 * 128);
}

/* A row is its mask times its values, and a shorter one begins like a longer one. */
static void test_rows(void **state)
{
    (void)state;
    oc_dropout at = {.seed = 9, .step = 0};
    oc__drop d = oc__drop_at(&at, 0.3f, -1, OC__SITE_CLS);
    static float x[LONG], y[LONG];
    oc__drop_mask(&d, 40, LONG, m);
    for (int i = 0; i < LONG; i++)
        x[i] = (float)i + 1.0f;
    for (int n = 0; n <= LONG; n++) {
        for (int i = 0; i < LONG; i++)
            y[i] = m2[i] = -1.0f;
        oc__drop_mask(&d, 40, n, m2);
        oc__drop_row(&d, 40, n, x, y);
        for (int i = 0; i < LONG; i++) {
            assert_true(m2[i] == (i < n ? m[i] : -1.0f));
            assert_true(y[i] == (i < n ? m[i] * x[i] : -1.0f));
        }
    }
    oc__drop_row(&d, 40, LONG, x, x); // in place
    assert_memory_equal(x, y, sizeof x);
    assert_int_equal(oc__drop_words(70), 18);
}

int main(void)
{
    oc_err err = {0};
    if (oc_kernels_select(&err) != OC_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_independence),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
