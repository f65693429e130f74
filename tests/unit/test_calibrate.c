/*
 * Ranges of what goes into the linear layers: the extremes are those of the hidden states, and
 * percentiles leave out what they should.
 */
#include "core/compress/calibrate.h"
#include "tests/unit/compress_testing.h"

typedef struct fixture {
    oc_checkpoint *c;
    oc_dataset data;
    oc_encoded e;
    oc_input_range *range;
} fixture;

static fixture fixture_new(void)
{
    fixture f = {0};
    oc_dims d = small_dims(2, 16, 2, 24, 3);
    f.c = checkpoint_new(&d, 5, 6.0f);
    f.data = dataset_new(40, 3, OC_TASK_SINGLE, 0, 4);
    OK(oc_encode_all(NULL, &f.data, f.c->tok, 24, &f.e, &err));
    f.range = oc_calloc((size_t)f.c->model->layout.n, sizeof *f.range);
    return f;
}

static void fixture_free(fixture *f)
{
    oc_free(f->range);
    oc_encoded_release(&f->e);
    oc_dataset_release(&f->data);
    oc_checkpoint_free(f->c);
}

static oc_input_range at(const fixture *f, oc_kind k, int32_t l)
{
    const oc_layout *lo = &f->c->model->layout;
    return f->range[oc_layout_at(lo, k, l) - lo->param];
}

static void extremes_are_those_of_the_hidden_states(void **state)
{
    (void)state;
    fixture f = fixture_new();
    const oc_calibrate_opts o = {.by_percentile = false};
    OK(oc_calibrate(NULL, f.c->model, &f.e, &o, f.range, &err));
    oc_limits lim = {.max_B = 1, .max_N = f.e.max_T, .max_T = f.e.max_T, .keep_hidden = true};
    oc_bert *net;
    oc_batcher b = {0};
    float logits[3], lo[2] = {0, 0}, hi[2] = {0, 0}, top = 0;
    OK(oc_bert_new(f.c->model, &lim, &net, &err));
    for (int64_t i = 0; i < f.e.n; i++) {
        OK(oc_batcher_fill(&b, &f.e, &i, 1, &err));
        oc_bert_forward(net, &b.batch, NULL, logits);
        for (int32_t l = 0; l < 2; l++)
            for (int64_t k = 0; k < b.batch.N * 16; k++) {
                lo[l] = fminf(lo[l], oc_bert_hidden(net, l)[k]);
                hi[l] = fmaxf(hi[l], oc_bert_hidden(net, l)[k]);
            }
        for (int k = 0; k < 16; k++)
            top = fmaxf(top, oc_bert_pooled(net)[k]);
    }
    for (int32_t l = 0; l < 2; l++) {
        NEAR(at(&f, OC_P_K_W, l).lo, lo[l], 1e-5);
        NEAR(at(&f, OC_P_V_W, l).hi, hi[l], 1e-5);
    }
    NEAR(at(&f, OC_P_CLS_W, -1).hi, top, 1e-5);
    assert_true(at(&f, OC_P_F2_W, 1).lo > -0.2f); // gelu's least value is -0.17
    assert_true(at(&f, OC_P_LN1_G, 0).hi == 0);   // goes into no product
    oc_bert_free(net);
    oc_batcher_release(&b);
    fixture_free(&f);
}

static void percentiles_leave_the_ends_out(void **state)
{
    (void)state;
    fixture f = fixture_new();
    oc_calibrate_opts o = {.by_percentile = false};
    OK(oc_calibrate(NULL, f.c->model, &f.e, &o, f.range, &err));
    oc_input_range all = at(&f, OC_P_F1_W, 0);
    o = (oc_calibrate_opts){.by_percentile = true, .percentile = 100};
    OK(oc_calibrate(NULL, f.c->model, &f.e, &o, f.range, &err));
    NEAR(at(&f, OC_P_F1_W, 0).lo, all.lo, 1e-5);
    NEAR(at(&f, OC_P_F1_W, 0).hi, all.hi, 1e-5);
    o.percentile = 75;
    OK(oc_calibrate(NULL, f.c->model, &f.e, &o, f.range, &err));
    oc_input_range half = at(&f, OC_P_F1_W, 0);
    // LayerNorm's output: a quarter of the values lies beyond each, near 0.67 of its deviation.
    assert_true(half.lo > 0.7f * all.lo && half.hi < 0.7f * all.hi);
    assert_true(half.lo < -0.4f && half.lo > -1.0f && half.hi > 0.4f && half.hi < 1.0f);
    f.e.n = 0;
    FAILS(OC_RANGE, "no notes", oc_calibrate(NULL, f.c->model, &f.e, &o, f.range, &err));
    fixture_free(&f);
}

static void numbers_that_are_not_finite(void **state)
{
    (void)state;
    fixture f = fixture_new();
    const oc_layout *lo = &f.c->model->layout;
    f.c->model->slab[oc_layout_at(lo, OC_P_F1_B, 0)->offset] = INFINITY;
    FAILS(OC_NUMERIC, "not finite",
          oc_calibrate(NULL, f.c->model, &f.e, &(oc_calibrate_opts){0}, f.range, &err));
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extremes_are_those_of_the_hidden_states),
        cmocka_unit_test(percentiles_leave_the_ends_out),
        cmocka_unit_test(numbers_that_are_not_finite),
    };
    return cmocka_run_group_tests(tests, select_kernels, NULL);
}
