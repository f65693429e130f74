/*
 * Every entry of every parameter against central differences of the loss.
 */
#include "tests/grad/tiny.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/nn/loss.h"

/*
 * Bound on |numeric - analytic| / (1 + |analytic|). Observed at most 6.1e-5: rounding of the f32
 * forward, about 1e-6, over the step, plus what is left of the truncation error.
 */
#define FD_TOL  1e-4
#define FD_STEP 0.01

typedef struct problem {
    oc_model *m;
    oc_bert *b;
    oc_batch batch;
    const oc_dropout *drop;
    bool multi;
} problem;

static const int32_t label[TINY_B] = {2, 0, 1, 2};
static const uint8_t labels[TINY_B * 3] = {1, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0};
static const float class_weight[3] = {0.5f, 1.5f, 2.0f};

static double loss_of(problem *p, float *dz)
{
    float z[TINY_B * 3], unused[TINY_B * 3] = {0};
    oc_bert_forward(p->b, &p->batch, p->drop, z);
    float *out = dz ? dz : unused;
    if (p->multi)
        return oc_loss_bce(z, labels, class_weight, TINY_B, 3, 1.0, out);
    return oc_loss_ce(z, label, class_weight, TINY_B, 3, 1.0, out);
}

static double loss_at(problem *p, float *w, float old, double step)
{
    *w = (float)((double)old + step);
    double f = loss_of(p, NULL);
    *w = old;
    return f;
}

/* Fourth-order central difference. */
static double numeric_grad(problem *p, float *w)
{
    float old = *w;
    double h = FD_STEP;
    double near = loss_at(p, w, old, h) - loss_at(p, w, old, -h);
    double far = loss_at(p, w, old, 2 * h) - loss_at(p, w, old, -2 * h);
    return (8.0 * near - far) / (12.0 * h);
}

/* Returns the largest error over all parameters; each kind must move the loss somewhere. */
static double check_all(problem *p)
{
    const oc_layout *lo = &p->m->layout;
    float *grad = oc_calloc((size_t)lo->n_floats, sizeof *grad);
    float dz[TINY_B * 3] = {0};
    double worst = 0.0;
    assert_non_null(grad);
    loss_of(p, dz);
    oc_bert_backward(p->b, &p->batch, p->drop, dz, grad);
    for (int32_t i = 0; i < lo->n; i++) {
        double largest = 0.0;
        for (int64_t k = 0; k < lo->param[i].n; k++) {
            double a = (double)grad[lo->param[i].offset + k];
            double n = numeric_grad(p, oc_model_edit(p->m, i) + k);
            double e = fabs(n - a) / (1.0 + fabs(a));
            if (e > FD_TOL)
                fail_msg("%s[%lld]: analytic %.6g, numeric %.6g", lo->param[i].name, (long long)k,
                         a, n);
            worst = fmax(worst, e);
            largest = fmax(largest, fabs(a));
        }
        // A bias on all keys shifts every score of a row alike: softmax does not see it.
        if (lo->param[i].kind != OC_P_K_B && largest < 1e-4)
            fail_msg("%s has no gradient to check (largest %.3g)", lo->param[i].name, largest);
    }
    oc_free(grad);
    return worst;
}

static void run_case(const oc_dims *d, uint64_t seed, const oc_dropout *drop, bool multi,
                     bool keep_hidden, const char *name)
{
    problem p = {.m = tiny_model(d, seed), .batch = tiny_batch(), .drop = drop, .multi = multi};
    oc_limits lim = tiny_limits(true);
    oc_err err = {0};
    lim.keep_hidden = keep_hidden;
    assert_int_equal(oc_batch_check(&p.batch, d, &lim, &err), OC_OK);
    assert_int_equal(oc_bert_new(p.m, &lim, &p.b, &err), OC_OK);
    print_message("%s: largest error %.2e\n", name, check_all(&p));
    oc_bert_free(p.b);
    oc_model_free(p.m);
}

static void test_single_label(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    run_case(&d, 1, NULL, false, false, "single label");
}

static void test_multi_label_dropout(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    oc_dropout drop = {.seed = 7, .step = 3};
    d.p_hidden = 0.2f;
    d.p_attn = 0.25f;
    d.p_cls = 0.3f;
    run_case(&d, 2, &drop, true, false, "multi label, dropout");
}

static void test_all_rows_dropout(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    oc_dropout drop = {.seed = 8, .step = 0};
    d.p_hidden = d.p_attn = d.p_cls = 0.1f;
    d.act = OC_ACT_GELU_NEW;
    run_case(&d, 3, &drop, false, true, "gelu_new, hidden states kept, dropout");
}

/* ReLU has no derivative at 0, so the biases keep every neuron on its side. */
static void test_relu(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    d.act = OC_ACT_RELU;
    problem p = {.m = tiny_model(&d, 4), .batch = tiny_batch()};
    oc_limits lim = tiny_limits(true);
    oc_err err = {0};
    for (int32_t l = 0; l < d.L; l++) {
        float *bias = edit_at(p.m, OC_P_F1_B, l);
        for (int32_t f = 0; f < d.F[l]; f++)
            bias[f] = f % 3 ? 5.0f : -5.0f;
    }
    assert_int_equal(oc_bert_new(p.m, &lim, &p.b, &err), OC_OK);
    print_message("relu: largest error %.2e\n", check_all(&p));
    oc_bert_free(p.b);
    oc_model_free(p.m);
}

/*
 * DistilBERT, whose pooler has ReLU: its biases keep every unit on its side of 0. The batch's token
 * types must not matter, and dropout around the attention's output must not be there.
 */
static void test_distilbert(void **state)
{
    (void)state;
    oc_dims d = tiny_distil_dims();
    oc_dropout drop = {.seed = 5, .step = 1};
    d.p_hidden = d.p_attn = d.p_cls = 0.2f;
    problem p = {.m = tiny_model(&d, 14), .batch = tiny_batch(), .drop = &drop};
    oc_limits lim = tiny_limits(true);
    oc_err err = {0};
    float *bias = edit_at(p.m, OC_P_POOL_B, -1);
    for (int32_t h = 0; h < d.H; h++)
        bias[h] = h % 3 ? 6.0f : -6.0f;
    assert_null(oc_model_at(p.m, OC_P_TYPE, -1));
    assert_int_equal(oc_batch_check(&p.batch, &d, &lim, &err), OC_OK);
    assert_int_equal(oc_bert_new(p.m, &lim, &p.b, &err), OC_OK);
    print_message("distilbert: largest error %.2e\n", check_all(&p));
    float with[TINY_B * 3], without[TINY_B * 3];
    oc_bert_forward(p.b, &p.batch, &drop, with);
    p.batch.types = NULL;
    oc_bert_forward(p.b, &p.batch, &drop, without);
    assert_memory_equal(with, without, sizeof with);
    oc_bert_free(p.b);
    oc_model_free(p.m);
}

static void grads_of(const oc_model *m, bool keep_hidden, const oc_dropout *drop, float start,
                     float *z, float *grad)
{
    oc_limits lim = tiny_limits(true);
    oc_batch batch = tiny_batch();
    oc_bert *b;
    oc_err err = {0};
    float dz[TINY_B * 3] = {0};
    lim.keep_hidden = keep_hidden;
    assert_int_equal(oc_bert_new(m, &lim, &b, &err), OC_OK);
    oc_bert_forward(b, &batch, drop, z);
    oc_loss_ce(z, label, NULL, TINY_B, 3, 1.0, dz);
    for (int64_t i = 0; i < m->layout.n_floats; i++)
        grad[i] = start;
    oc_bert_backward(b, &batch, drop, dz, grad);
    oc_bert_free(b);
}

/*
 * With hidden states kept the last layer runs over all rows, without over the [CLS] rows: the same
 * logits to the bit, and the same gradients up to the order of sums over rows. Gradients are added
 * to what is there.
 */
static void test_cls_rows_are_enough(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    d.p_hidden = d.p_attn = d.p_cls = 0.15f;
    oc_model *m = tiny_model(&d, 5);
    oc_dropout drop = {.seed = 1, .step = 9};
    int64_t n = m->layout.n_floats;
    float *a = oc_calloc((size_t)n, sizeof *a), *b = oc_calloc((size_t)n, sizeof *b);
    float za[TINY_B * 3], zb[TINY_B * 3];
    grads_of(m, false, &drop, 0.0f, za, a);
    grads_of(m, true, &drop, 0.5f, zb, b);
    assert_memory_equal(za, zb, sizeof za);
    for (int64_t i = 0; i < n; i++)
        if (fabs((double)a[i] + 0.5 - (double)b[i]) > 1e-6) // observed 2.0e-7
            fail_msg("float %lld: %.8g, %.8g", (long long)i, (double)a[i], (double)b[i] - 0.5);
    oc_free(a);
    oc_free(b);
    oc_model_free(m);
}

/* Masks depend on seed and step alone, and without a dropout there are none. */
static void test_dropout_changes_with_the_step(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    d.p_hidden = d.p_attn = d.p_cls = 0.3f;
    oc_model *m = tiny_model(&d, 6);
    oc_limits lim = tiny_limits(true);
    oc_batch batch = tiny_batch();
    oc_bert *b;
    oc_err err = {0};
    float z[5][TINY_B * 3];
    assert_int_equal(oc_bert_new(m, &lim, &b, &err), OC_OK);
    oc_bert_forward(b, &batch, &(oc_dropout){1, 1}, z[0]);
    oc_bert_forward(b, &batch, &(oc_dropout){1, 2}, z[1]);
    oc_bert_forward(b, &batch, &(oc_dropout){2, 1}, z[2]);
    oc_bert_forward(b, &batch, &(oc_dropout){1, 1}, z[3]);
    oc_bert_forward(b, &batch, NULL, z[4]);
    assert_memory_equal(z[0], z[3], sizeof z[0]);
    for (int i = 1; i < 5; i++)
        if (i != 3)
            assert_memory_not_equal(z[0], z[i], sizeof z[0]);
    oc_bert_free(b);
    oc_model_free(m);
}

int main(void)
{
    oc_err err = {0};
    if (oc_kernels_select(&err) != OC_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_label),
        cmocka_unit_test(test_multi_label_dropout),
        cmocka_unit_test(test_all_rows_dropout),
        cmocka_unit_test(test_relu),
        cmocka_unit_test(test_distilbert),
        cmocka_unit_test(test_cls_rows_are_enough),
        cmocka_unit_test(test_dropout_changes_with_the_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
