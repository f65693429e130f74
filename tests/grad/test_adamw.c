/*
 * AdamW against its definition in double, the gradient norm, and the schedule.
 */
#include "tests/grad/tiny.h"

#include <math.h>
#include <string.h>

#include "core/base/par.h"
#include "core/nn/adamw.h"

#define STEPS 60
#define W_TOL 6e-6 /* |difference| after 60 steps of 0.01; observed 1.6e-6 */

typedef struct slabs {
    oc_model *m;
    int64_t n;
    float *g, *m1, *m2;
    uint8_t *keep;
} slabs;

static slabs new_slabs(const oc_dims *d, uint64_t seed)
{
    slabs s = {.m = tiny_model(d, seed)};
    s.n = s.m->layout.n_floats;
    s.g = oc_calloc((size_t)s.n, sizeof *s.g);
    s.m1 = oc_calloc((size_t)s.n, sizeof *s.m1);
    s.m2 = oc_calloc((size_t)s.n, sizeof *s.m2);
    s.keep = oc_calloc((size_t)s.n, 1);
    assert_true(s.g && s.m1 && s.m2 && s.keep);
    return s;
}

static void free_slabs(slabs *s)
{
    oc_model_free(s->m);
    oc_free(s->g);
    oc_free(s->m1);
    oc_free(s->m2);
    oc_free(s->keep);
}

/* A gradient for float i at step t: any size from 1e-6 to 1, sometimes 0, sign changing. */
static float gradient(int64_t i, int64_t t)
{
    double u = (double)(oc_rng_at((uint64_t)t, (uint64_t)i) >> 11) * 0x1p-53;
    if (i % 13 == 5)
        return 0.0f;
    return (float)((u - 0.3) * pow(10.0, -(double)(i % 7)));
}

/* torch.optim.AdamW, one float in double. */
static void reference(const oc_adamw *o, int64_t t, bool decays, double g, double *w, double *m,
                      double *v)
{
    *w -= decays ? o->lr * o->weight_decay * *w : 0.0;
    *m = o->beta1 * *m + (1.0 - o->beta1) * g;
    *v = o->beta2 * *v + (1.0 - o->beta2) * g * g;
    double fix1 = 1.0 - pow(o->beta1, (double)t), fix2 = 1.0 - pow(o->beta2, (double)t);
    *w -= o->lr / fix1 * *m / (sqrt(*v) / sqrt(fix2) + o->eps);
}

static bool float_decays(const oc_layout *lo, int64_t i)
{
    for (int32_t p = 0; p < lo->n; p++)
        if (i < lo->param[p].offset + lo->param[p].n)
            return oc_kind_decays(lo->param[p].kind);
    return false;
}

static void test_against_definition(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    slabs s = new_slabs(&d, 1);
    const oc_adamw o = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1};
    double *ref = oc_calloc((size_t)(3 * s.n), sizeof *ref);
    assert_non_null(ref);
    for (int64_t i = 0; i < s.n; i++)
        ref[3 * i] = (double)s.m->slab[i];
    for (int64_t t = 1; t <= STEPS; t++) {
        for (int64_t i = 0; i < s.n; i++) {
            s.g[i] = gradient(i, t);
            reference(&o, t, float_decays(&s.m->layout, i), (double)s.g[i], ref + 3 * i,
                      ref + 3 * i + 1, ref + 3 * i + 2);
        }
        for (int64_t i = 0; i < s.n; i++)
            s.g[i] *= 4.0f; // undone by the scale, exactly
        oc_adamw_step(&o, t, &s.m->layout, s.m->slab, s.g, 0.25, s.m1, s.m2, NULL);
    }
    double worst = 0.0;
    for (int64_t i = 0; i < s.n; i++)
        worst = fmax(worst, fabs((double)s.m->slab[i] - ref[3 * i]));
    print_message("largest difference %.2e\n", worst);
    assert_true(worst <= W_TOL);
    oc_free(ref);
    free_slabs(&s);
}

/* With no gradient only decay moves a weight: matrices and embeddings, nothing else. */
static void test_what_decays(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    slabs s = new_slabs(&d, 2);
    const oc_adamw o = {.lr = 0.5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.5};
    for (int64_t i = 0; i < s.n; i++)
        s.m->slab[i] = 1.0f;
    oc_adamw_step(&o, 1, &s.m->layout, s.m->slab, s.g, 1.0, s.m1, s.m2, NULL);
    int32_t n_decayed = 0;
    for (int32_t p = 0; p < s.m->layout.n; p++) {
        const oc_param *q = &s.m->layout.param[p];
        bool matrix = q->cols > 1; // no matrix here has one column
        n_decayed += matrix;
        for (int64_t i = 0; i < q->n; i++)
            assert_true(s.m->w[p].f32[i] == (matrix ? 0.75f : 1.0f));
    }
    assert_int_equal(n_decayed, 3 + 6 * d.L + 2);
    free_slabs(&s);
}

static void test_keep(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    slabs s = new_slabs(&d, 3);
    const oc_adamw o = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.0};
    for (int64_t i = 0; i < s.n; i++) {
        s.keep[i] = i % 3 != 0;
        s.g[i] = 1.0f;
    }
    float before = s.m->slab[1];
    oc_adamw_step(&o, 1, &s.m->layout, s.m->slab, s.g, 1.0, s.m1, s.m2, s.keep);
    for (int64_t i = 0; i < s.n; i++)
        assert_true((s.m->slab[i] == 0.0f) == (i % 3 == 0));
    // The first step is lr times the gradient's sign.
    assert_true(fabs((double)s.m->slab[1] - ((double)before - 0.01)) < 1e-6);
    free_slabs(&s);
}

/* A slab of several pieces: same bits for any number of workers. */
static void test_threads(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    d.V = 30000;
    const oc_adamw o = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1};
    float *first = NULL;
    double norm = 0.0;
    for (int workers = 1; workers <= 3; workers++) {
        oc_par_set_workers(workers);
        slabs s = new_slabs(&d, 4);
        for (int64_t t = 1; t <= 3; t++) {
            for (int64_t i = 0; i < s.n; i++)
                s.g[i] = gradient(i, t);
            oc_adamw_step(&o, t, &s.m->layout, s.m->slab, s.g, 1.0, s.m1, s.m2, NULL);
        }
        if (workers == 1) {
            first = oc_alloc((size_t)s.n * sizeof *first);
            assert_non_null(first);
            memcpy(first, s.m->slab, (size_t)s.n * sizeof *first);
            norm = oc_grad_norm(s.g, s.n);
        }
        assert_memory_equal(first, s.m->slab, (size_t)s.n * sizeof *first);
        assert_true(norm == oc_grad_norm(s.g, s.n));
        free_slabs(&s);
    }
    oc_par_set_workers(0);
    oc_free(first);
}

static void test_norm(void **state)
{
    (void)state;
    float g[5] = {3.0f, -4.0f, 0.0f, 12.0f, 0.0f};
    assert_true(oc_grad_norm(g, 5) == 13.0);
    assert_true(oc_grad_norm(g, 0) == 0.0);
    float big[3] = {2e38f, 2e38f, 1e38f}; // squares overflow f32
    assert_true(fabs(oc_grad_norm(big, 3) / 3e38 - 1.0) < 1e-7);
    int64_t n = 100001;
    float *ones = oc_alloc((size_t)n * sizeof *ones);
    assert_non_null(ones);
    for (int64_t i = 0; i < n; i++)
        ones[i] = 1.0f;
    assert_true(oc_grad_norm(ones, n) == sqrt((double)n));
    ones[n - 1] = NAN;
    assert_true(isnan(oc_grad_norm(ones, n)));
    oc_free(ones);
}

static void test_schedule(void **state)
{
    (void)state;
    assert_true(oc_lr_factor(0, 4, 20) == 0.0);
    assert_true(oc_lr_factor(1, 4, 20) == 0.25);
    assert_true(oc_lr_factor(4, 4, 20) == 1.0);
    assert_true(oc_lr_factor(12, 4, 20) == 0.5);
    assert_true(oc_lr_factor(20, 4, 20) == 0.0);
    assert_true(oc_lr_factor(99, 4, 20) == 0.0);
    assert_true(oc_lr_factor(0, 0, 10) == 1.0);
    assert_true(oc_lr_factor(3, 5, 5) == 0.6);
    assert_true(oc_lr_factor(0, 0, 0) == 0.0);
}

int main(void)
{
    oc_err err = {0};
    if (oc_kernels_select(&err) != OC_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_definition),
        cmocka_unit_test(test_what_decays),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
