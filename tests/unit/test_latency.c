/* core/measure/latency: what is timed, that it is timed alike, and that it can be stopped. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/par.h"
#include "core/kernels/kernels.h"
#include "core/measure/latency.h"

static oc_model *small_model(int32_t L, int32_t H)
{
    oc_dims d = {.L = L, .H = H, .D = 16, .V = 200, .P = 64, .S = 2, .K = 2, .eps = 1e-12f};
    for (int32_t l = 0; l < L; l++) {
        d.A[l] = H / 16;
        d.F[l] = 4 * H;
    }
    oc_model *m = NULL;
    oc_err e = {0};
    if (oc_model_new(&d, &m, &e) != OC_OK)
        fail_msg("%s", e.msg);
    oc_model_init(m, 1);
    return m;
}

static void measures_every_case(void **state)
{
    (void)state;
    oc_model *a = small_model(1, 32), *b = small_model(4, 64), *b2 = small_model(4, 64);
    const oc_model *const one[] = {a}, *const other[] = {b}, *const both[] = {b, b2};
    int workers = oc_par_workers();
    oc_latency_case c[] = {
        {.models = one, .n_models = 1, .threads = 1, .batch = 1, .length = 16},
        {.models = other, .n_models = 1, .threads = 1, .batch = 1, .length = 16},
        {.models = both, .n_models = 2, .threads = 1, .batch = 1, .length = 16},
        {.models = other, .n_models = 1, .threads = 1, .batch = 8, .length = 64},
        {.models = other, .n_models = 1, .threads = 2, .batch = 3, .length = 5},
    };
    oc_err e = {0};
    int64_t from = oc_now_ns();
    if (oc_latency_measure(c, OC_COUNT(c), 300, NULL, NULL, NULL, &e) != OC_OK)
        fail_msg("%s", e.msg);
    double took = (double)(oc_now_ns() - from) * 1e-6;
    assert_true(took >= 300 || c[0].n == 4000); // the time given is used, unless the rounds run out
    assert_int_equal(oc_par_workers(), workers); // as it was before
    for (int i = 0; i < OC_COUNT(c); i++) {
        assert_true(c[i].n >= 5 && c[i].n == c[0].n); // interleaved: all alike
        assert_true(c[i].median_ms > 0 && isfinite(c[i].p95_ms));
        assert_true(c[i].p95_ms >= c[i].median_ms);
    }
    assert_true(c[1].median_ms > 1.5 * c[0].median_ms); // sixteen times the work
    assert_true(c[2].median_ms > 1.3 * c[1].median_ms); // two of one size: twice the time
    assert_true(c[3].median_ms > 4 * c[1].median_ms);   // 512 tokens against 16
    oc_model_free(a);
    oc_model_free(b);
    oc_model_free(b2);
}

static void even_without_time_there_are_some_runs(void **state)
{
    (void)state;
    oc_model *a = small_model(1, 32);
    const oc_model *const one[] = {a};
    oc_latency_case c = {.models = one, .n_models = 1, .threads = 1, .batch = 1, .length = 64};
    assert_int_equal(oc_latency_measure(&c, 1, 0, NULL, NULL, NULL, NULL), OC_OK);
    assert_int_equal(c.n, 5);
    oc_model_free(a);
}

static int stop_after(void *ctx)
{
    return --*(int *)ctx < 0;
}

static void can_be_stopped(void **state)
{
    (void)state;
    oc_model *a = small_model(1, 32);
    const oc_model *const one[] = {a};
    int workers = oc_par_workers();
    for (int polls = 0; polls < 12; polls++) {
        oc_latency_case c = {.models = one, .n_models = 1, .threads = 2, .batch = 1, .length = 8};
        int left = polls;
        oc_err e = {0};
        assert_int_equal(oc_latency_measure(&c, 1, 1e9, stop_after, &left, NULL, &e), OC_CANCELLED);
        assert_int_equal(left, -1); // not polled again
        assert_int_equal(c.n, 0);   // nothing is reported
        assert_int_equal(oc_par_workers(), workers);
    }
    oc_model_free(a);
}

static void refuses_what_makes_no_sense(void **state)
{
    (void)state;
    oc_model *a = small_model(1, 32);
    const oc_model *const one[] = {a};
    const oc_latency_case good = {
        .models = one, .n_models = 1, .threads = 1, .batch = 1, .length = 8};
    oc_latency_case c = good;
    oc_err e = {0};
    assert_int_equal(oc_latency_measure(&c, 0, 1, NULL, NULL, NULL, NULL), OC_RANGE);
    assert_int_equal(oc_latency_measure(&c, 1, (double)NAN, NULL, NULL, NULL, NULL), OC_RANGE);
    assert_int_equal(oc_latency_measure(&c, 1, -1, NULL, NULL, NULL, NULL), OC_RANGE);
    c.length = 65;
    assert_int_equal(oc_latency_measure(&c, 1, 1, NULL, NULL, NULL, &e), OC_SHAPE);
    assert_non_null(strstr(e.msg, "length 65"));
    assert_non_null(strstr(e.msg, "64 positions"));
    c = good;
    c.threads = 0;
    assert_int_equal(oc_latency_measure(&c, 1, 1, NULL, NULL, NULL, NULL), OC_RANGE);
    c = good;
    c.batch = 0;
    assert_int_equal(oc_latency_measure(&c, 1, 1, NULL, NULL, NULL, NULL), OC_RANGE);
    c = good;
    c.n_models = 0;
    assert_int_equal(oc_latency_measure(&c, 1, 1, NULL, NULL, NULL, NULL), OC_RANGE);
    oc_model_free(a);
}

static void memory_running_out(void **state)
{
    (void)state;
    oc_model *a = small_model(1, 32), *b = small_model(1, 16);
    const oc_model *const both[] = {a, b};
    int workers = oc_par_workers();
    for (int at = 1;; at++) {
        oc_latency_case c = {.models = both, .n_models = 2, .threads = 1, .batch = 2, .length = 8};
        oc_alloc_fail_at(at);
        oc_status st = oc_latency_measure(&c, 1, 0, NULL, NULL, NULL, NULL);
        oc_alloc_fail_at(0);
        assert_int_equal(oc_par_workers(), workers);
        if (st == OC_OK) {
            assert_true(at > 5);
            break;
        }
        assert_int_equal(st, OC_NOMEM);
    }
    oc_model_free(a);
    oc_model_free(b);
}

static int select_kernels(void **state)
{
    (void)state;
    return oc_kernels_select(NULL) == OC_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_every_case),
        cmocka_unit_test(even_without_time_there_are_some_runs),
        cmocka_unit_test(can_be_stopped),
        cmocka_unit_test(refuses_what_makes_no_sense),
        cmocka_unit_test(memory_running_out),
    };
    return cmocka_run_group_tests_name("latency", tests, select_kernels, NULL);
}
