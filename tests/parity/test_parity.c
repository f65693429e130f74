/*
 * The network, its losses, gradients and training steps against what PyTorch 1.13 computed in
 * float64 (make_fixture.py). The fixture's weights are float32 values, so every difference is ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/io/safetensors.h"
#include "core/kernels/kernels.h"
#include "core/nn/adamw.h"
#include "core/nn/bert.h"
#include "core/nn/loss.h"

/* Bounds on the largest |difference| / (1 + |expected|); observed values behind them. */
#define HIDDEN_TOL 3e-6 /* 7.0e-7 */
#define LOGITS_TOL 2e-6 /* 4.1e-7 */
#define LOSS_TOL   2e-7 /* 2.8e-8 */
#define GRAD_TOL   2e-6 /* 2.8e-7 */
#define STEP_TOL   3e-6 /* 7.5e-7: losses, gradient norms of ten steps (PyTorch in f32: 7.1e-7) */
#define FINAL_TOL  6e-6 /* 1.3e-6: weights after them */

/* The mixed loss and the optimizer of make_fixture.py. */
#define TEMPERATURE 2.5
#define HARD        0.3
#define SOFT        0.7
#define STEPS       10
#define WARMUP      3
#define CLIP        1.0
#define LR          2e-3
#define DECAY       0.01

#define MAX_B 4
#define MAX_T 12
#define MAX_K 4

#ifndef OC_PARITY_DIR
#    define OC_PARITY_DIR "tests/parity"
#endif

typedef struct fixture {
    oc_st *st;
    const char *name;
    bool multi;
    oc_dims dims;
    oc_model *m;
    oc_bert *b;
    oc_batch batch;
    int32_t start[MAX_B + 1], ids[MAX_B * MAX_T], types[MAX_B * MAX_T], label[MAX_B];
    uint8_t mask[MAX_B * MAX_T], labels[MAX_B * MAX_K];
    float weight[MAX_K], teacher[MAX_B * MAX_K];
} fixture;

static const oc_tensor *tensor(const fixture *f, const char *what, const char *name)
{
    char key[160];
    snprintf(key, sizeof key, "%s/%s%s", f->name, what, name);
    const oc_tensor *t = oc_st_find(f->st, key);
    if (!t)
        fail_msg("the fixture has no tensor %s", key);
    return t;
}

static void copy(const fixture *f, const char *name, int64_t bytes, void *dst)
{
    const oc_tensor *t = tensor(f, name, "");
    assert_int_equal(t->bytes, bytes);
    memcpy(dst, t->data, (size_t)bytes);
}

static double f64_at(const oc_tensor *t, int64_t i)
{
    double x;
    assert_true(t->dtype == OC_DT_F64 && i < t->n);
    memcpy(&x, (const char *)t->data + i * 8, sizeof x);
    return x;
}

static double f32_at(const oc_tensor *t, int64_t i)
{
    float x;
    assert_true(t->dtype == OC_DT_F32 && i < t->n);
    memcpy(&x, (const char *)t->data + i * 4, sizeof x);
    return (double)x;
}

static double error_of(double got, double want)
{
    return fabs(got - want) / (1.0 + fabs(want));
}

/* Strip the padding: packed rows of the padded batch. */
static void load_batch(fixture *f)
{
    int32_t len[MAX_B], ids[MAX_B * MAX_T], types[MAX_B * MAX_T], n = 0;
    uint8_t mask[MAX_B * MAX_T];
    copy(f, "lengths", sizeof len, len);
    copy(f, "ids", sizeof ids, ids);
    copy(f, "types", sizeof types, types);
    copy(f, "mask", sizeof mask, mask);
    for (int b = 0; b < MAX_B; b++) {
        f->start[b] = n;
        for (int t = 0; t < len[b]; t++, n++) {
            f->ids[n] = ids[b * MAX_T + t];
            f->types[n] = types[b * MAX_T + t];
            f->mask[n] = mask[b * MAX_T + t];
        }
    }
    f->start[MAX_B] = n;
    f->batch = (oc_batch){
        .B = MAX_B, .N = n, .start = f->start, .ids = f->ids, .types = f->types, .mask = f->mask};
}

static void load_model(fixture *f, bool train, bool keep_hidden)
{
    oc_err err = {0};
    oc_limits lim = {.max_B = MAX_B,
                     .max_N = f->batch.N,
                     .max_T = MAX_T,
                     .train = train,
                     .keep_hidden = keep_hidden};
    assert_int_equal(oc_model_new(&f->dims, &f->m, &err), OC_OK);
    for (int32_t i = 0; i < f->m->layout.n; i++) {
        const oc_param *p = &f->m->layout.param[i];
        const oc_tensor *t = tensor(f, "w/", p->name);
        assert_int_equal(t->n, p->n);
        assert_int_equal(t->dim[0], p->rows);
        memcpy(oc_model_edit(f->m, i), t->data, (size_t)t->bytes);
    }
    assert_int_equal(oc_batch_check(&f->batch, &f->dims, &lim, &err), OC_OK);
    assert_int_equal(oc_bert_new(f->m, &lim, &f->b, &err), OC_OK);
}

static void open_fixture(fixture *f, bool multi, bool train, bool keep_hidden)
{
    oc_err err = {0};
    *f = (fixture){.name = multi ? "multi" : "single", .multi = multi};
    f->dims = (oc_dims){.L = 2,
                        .H = 24,
                        .D = 8,
                        .V = 60,
                        .P = 12,
                        .S = 2,
                        .K = 3,
                        .A = {3, 3},
                        .F = {40, 40},
                        .eps = 1e-12f,
                        .act = OC_ACT_GELU};
    if (multi)
        f->dims = (oc_dims){.L = 2,
                            .H = 20,
                            .D = 7,
                            .V = 40,
                            .P = 12,
                            .S = 2,
                            .K = 4,
                            .A = {3, 1},
                            .F = {33, 18},
                            .eps = 1e-12f,
                            .act = OC_ACT_GELU};
    if (oc_st_open(OC_PARITY_DIR "/bert_tiny.safetensors", &f->st, &err) != OC_OK)
        fail_msg("%s (tests run from the root of the tree)", err.msg);
    int64_t K = f->dims.K;
    load_batch(f);
    copy(f, "label", MAX_B * 4, f->label);
    copy(f, "labels", MAX_B * K, f->labels);
    copy(f, "weight", K * 4, f->weight);
    copy(f, "teacher", MAX_B * K * 4, f->teacher);
    load_model(f, train, keep_hidden);
}

static void close_fixture(fixture *f)
{
    oc_bert_free(f->b);
    oc_model_free(f->m);
    oc_st_close(f->st);
}

static void expect_f32(const fixture *f, const char *what, const char *name, const float *got,
                       int64_t n, double tol, double *worst)
{
    const oc_tensor *t = tensor(f, what, name);
    assert_int_equal(t->n, n);
    for (int64_t i = 0; i < n; i++) {
        double e = error_of((double)got[i], f32_at(t, i));
        if (!(e <= tol))
            fail_msg("%s/%s%s[%lld]: %.9g, expected %.9g", f->name, what, name, (long long)i,
                     (double)got[i], f32_at(t, i));
        *worst = fmax(*worst, e);
    }
}

/* Row by row: the fixture has padding rows, which nothing reads. */
static void expect_hidden(const fixture *f, int32_t i, double *worst)
{
    char name[24];
    snprintf(name, sizeof name, "hidden.%d", i);
    const oc_tensor *t = tensor(f, name, "");
    int64_t H = f->dims.H;
    for (int64_t b = 0; b < MAX_B; b++) {
        for (int64_t r = f->start[b]; r < f->start[b + 1]; r++) {
            for (int64_t h = 0; h < H; h++) {
                double got = (double)oc_bert_hidden(f->b, i)[r * H + h];
                double want = f32_at(t, (b * MAX_T + r - f->start[b]) * H + h);
                if (!(error_of(got, want) <= HIDDEN_TOL))
                    fail_msg("%s/%s, note %lld, row %lld, unit %lld: %.9g, expected %.9g", f->name,
                             name, (long long)b, (long long)(r - f->start[b]), (long long)h, got,
                             want);
                *worst = fmax(*worst, error_of(got, want));
            }
        }
    }
}

static double hard_loss(const fixture *f, const float *z, double scale, float *dz)
{
    int64_t K = f->dims.K;
    if (f->multi)
        return oc_loss_bce(z, f->labels, f->weight, MAX_B, K, scale, dz);
    return oc_loss_ce(z, f->label, f->weight, MAX_B, K, scale, dz);
}

static double soft_loss(const fixture *f, const float *z, double scale, float *dz)
{
    int64_t K = f->dims.K;
    if (f->multi)
        return oc_loss_kd_sigmoid(z, f->teacher, TEMPERATURE, MAX_B, K, scale, dz);
    return oc_loss_kd(z, f->teacher, TEMPERATURE, MAX_B, K, scale, dz);
}

static void check_forward(bool multi, bool train)
{
    fixture f;
    float z[MAX_B * MAX_K], z_cls[MAX_B * MAX_K];
    double hidden = 0.0, ends = 0.0;
    open_fixture(&f, multi, train, false);
    oc_bert_forward(f.b, &f.batch, NULL, z_cls);
    close_fixture(&f);
    open_fixture(&f, multi, train, true);
    oc_bert_forward(f.b, &f.batch, NULL, z);
    for (int32_t i = 0; i <= f.dims.L; i++)
        expect_hidden(&f, i, &hidden);
    expect_f32(&f, "pooled", "", oc_bert_pooled(f.b), MAX_B * f.dims.H, LOGITS_TOL, &ends);
    expect_f32(&f, "logits", "", z, MAX_B * f.dims.K, LOGITS_TOL, &ends);
    assert_memory_equal(z, z_cls, (size_t)(MAX_B * f.dims.K) * sizeof *z);
    print_message("%s: hidden states within %.1e, pooled and logits within %.1e\n", f.name, hidden,
                  ends);
    close_fixture(&f);
}

static void test_forward(void **state)
{
    (void)state;
    check_forward(false, false);
    check_forward(true, false);
    check_forward(false, true);
    check_forward(true, true);
}

static void check_gradients(bool multi)
{
    fixture f;
    float z[MAX_B * MAX_K], dz[MAX_B * MAX_K] = {0};
    double worst = 0.0;
    open_fixture(&f, multi, true, false);
    float *grad = oc_calloc((size_t)f.m->layout.n_floats, sizeof *grad);
    assert_non_null(grad);
    oc_bert_forward(f.b, &f.batch, NULL, z);
    double loss = hard_loss(&f, z, 1.0, dz);
    double off = error_of(loss, f64_at(tensor(&f, "loss", ""), 0));
    assert_true(off <= LOSS_TOL);
    oc_bert_backward(f.b, &f.batch, NULL, dz, grad);
    for (int32_t i = 0; i < f.m->layout.n; i++) {
        const oc_param *p = &f.m->layout.param[i];
        expect_f32(&f, "g/", p->name, grad + p->offset, p->n, GRAD_TOL, &worst);
    }
    print_message("%s: loss within %.1e, gradients within %.1e\n", f.name, off, worst);
    oc_free(grad);
    close_fixture(&f);
}

static void test_gradients(void **state)
{
    (void)state;
    check_gradients(false);
    check_gradients(true);
}

static void check_distillation(bool multi)
{
    fixture f;
    float z[MAX_B * MAX_K], dz[MAX_B * MAX_K] = {0};
    double worst = 0.0;
    open_fixture(&f, multi, false, false);
    oc_bert_forward(f.b, &f.batch, NULL, z);
    double loss = soft_loss(&f, z, 1.0, dz);
    double off = error_of(loss, f64_at(tensor(&f, "kd.loss", ""), 0));
    assert_true(off <= LOSS_TOL);
    expect_f32(&f, "kd.dlogits", "", dz, MAX_B * f.dims.K, LOGITS_TOL, &worst);
    print_message("%s: distillation loss within %.1e, its gradient within %.1e\n", f.name, off,
                  worst);
    close_fixture(&f);
}

static void test_distillation(void **state)
{
    (void)state;
    check_distillation(false);
    check_distillation(true);
}

/* One step as the training loop makes it. Returns the loss; *norm before clipping. */
static double train_step(fixture *f, int64_t step, float *g, float *m, float *v, double *norm)
{
    const oc_layout *lo = &f->m->layout;
    float z[MAX_B * MAX_K], dz[MAX_B * MAX_K] = {0};
    oc_adamw o = {.lr = LR * oc_lr_factor(step, WARMUP, STEPS),
                  .beta1 = 0.9,
                  .beta2 = 0.999,
                  .eps = 1e-8,
                  .weight_decay = DECAY};
    oc_bert_forward(f->b, &f->batch, NULL, z);
    double loss = HARD * hard_loss(f, z, HARD, dz) + SOFT * soft_loss(f, z, SOFT, dz);
    memset(g, 0, (size_t)lo->n_floats * sizeof *g);
    oc_bert_backward(f->b, &f->batch, NULL, dz, g);
    *norm = oc_grad_norm(g, lo->n_floats);
    double scale = *norm > CLIP ? CLIP / (*norm + 1e-6) : 1.0;
    oc_adamw_step(&o, step + 1, lo, f->m->slab, g, scale, m, v, NULL);
    return loss;
}

static void check_training(bool multi)
{
    fixture f;
    double worst = 0.0, final = 0.0, norm;
    open_fixture(&f, multi, true, false);
    int64_t n = f.m->layout.n_floats;
    float *slab = oc_calloc((size_t)(3 * n), sizeof *slab);
    assert_non_null(slab);
    const oc_tensor *losses = tensor(&f, "steps.loss", "");
    const oc_tensor *norms = tensor(&f, "steps.norm", "");
    for (int64_t s = 0; s < STEPS; s++) {
        double loss = train_step(&f, s, slab, slab + n, slab + 2 * n, &norm);
        double e = fmax(error_of(loss, f64_at(losses, s)), error_of(norm, f64_at(norms, s)));
        if (!(e <= STEP_TOL))
            fail_msg("%s, step %lld: loss %.9g (expected %.9g), norm %.9g (expected %.9g)", f.name,
                     (long long)s, loss, f64_at(losses, s), norm, f64_at(norms, s));
        worst = fmax(worst, e);
    }
    for (int32_t i = 0; i < f.m->layout.n; i++) {
        const oc_param *p = &f.m->layout.param[i];
        // The gradient of a key's bias is 0 but for rounding, and AdamW turns any size of gradient
        // into a step: where it goes is noise, and softmax does not see it.
        if (p->kind != OC_P_K_B)
            expect_f32(&f, "final/", p->name, f.m->w[i].f32, p->n, FINAL_TOL, &final);
    }
    print_message("%s: ten steps within %.1e, final weights within %.1e\n", f.name, worst, final);
    oc_free(slab);
    close_fixture(&f);
}

static void test_training(void **state)
{
    (void)state;
    check_training(false);
    check_training(true);
}

int main(void)
{
    oc_err err = {0};
    if (oc_kernels_select(&err) != OC_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_distillation),
        cmocka_unit_test(test_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
