/* core/measure/layer_cost and what quant.where does with it. */
#include "tests/unit/compress_testing.h"

#include "core/compress/quantize.h"
#include "core/engine/pipeline.h"
#include "core/measure/layer_cost.h"
#include "core/measure/zeros.h"

static oc_dims dims_of(int32_t L)
{
    oc_dims d = small_dims(L, 32, 2, 64, 3);
    d.A[1] = 1; // a pruned layer
    d.F[1] = 40;
    return d;
}

static const oc_layer_cost *find(const oc_layer_costs *c, int32_t layer, const char *matrix)
{
    for (int32_t i = 0; i < c->n; i++)
        if (c->cost[i].layer == layer && !strcmp(c->cost[i].matrix, matrix))
            return &c->cost[i];
    fail_msg("no %s in layer %d", matrix, layer);
    return NULL;
}

static void is_shape(const oc_layer_cost *c, int64_t rows, int64_t out, int64_t in)
{
    assert_int_equal(c->rows, rows);
    assert_int_equal(c->out, out);
    assert_int_equal(c->in, in);
    assert_true(c->f32_ms > 0 && c->int8_ms > 0 && c->runs >= 5);
}

static void every_product_is_timed(void **state)
{
    (void)state;
    oc_dims d = dims_of(3);
    oc_cost_opts o = {.length = 20};
    oc_layer_costs c;
    oc_par_set_workers(2);
    OK(oc_layer_costs_measure(&d, &o, &c, &err));
    assert_int_equal(oc_par_workers(), 2); // as it was
    oc_par_set_workers(1);
    assert_int_equal(c.n, 4 + 4 + 5 + 2);
    is_shape(find(&c, 0, "qkv"), 20, 96, 32);
    is_shape(find(&c, 1, "qkv"), 20, 48, 32);
    is_shape(find(&c, 1, "attn.out"), 20, 32, 16);
    is_shape(find(&c, 1, "ffn.in"), 20, 40, 32);
    is_shape(find(&c, 1, "ffn.out"), 20, 32, 40);
    is_shape(find(&c, 2, "kv"), 20, 64, 32); // after the last attention [CLS] goes on alone
    is_shape(find(&c, 2, "query"), 1, 32, 32);
    is_shape(find(&c, 2, "ffn.in"), 1, 64, 32);
    is_shape(find(&c, -1, "pooler"), 1, 32, 32);
    is_shape(find(&c, -1, "classifier"), 1, 3, 32);
    // One shape, one time.
    assert_true(find(&c, 2, "query")->f32_ms == find(&c, -1, "pooler")->f32_ms);
    oc_layer_costs_release(&c);
}

static void more_work_takes_longer(void **state)
{
    (void)state;
    oc_dims d = small_dims(2, 256, 4, 1024, 2);
    oc_cost_opts o = {.length = 16, .budget_ms = 20};
    oc_layer_costs c, w;
    OK(oc_layer_costs_measure(&d, &o, &c, &err));
    assert_true(find(&c, 0, "ffn.in")->f32_ms > find(&c, 0, "attn.out")->f32_ms); // four times
    OK(oc_width_costs_measure(&d, &o, &w, &err));
    int32_t heads = 0, ffn = 0;
    for (int32_t i = 0; i < w.n; i++) {
        const oc_layer_cost *k = &w.cost[i];
        bool is_head = !strcmp(k->matrix, "heads");
        if (is_head)
            assert_int_equal(k->out, 4 - heads);
        heads += is_head;
        ffn += !is_head;
    }
    assert_int_equal(heads, 4);
    assert_int_equal(ffn, 8);
    assert_int_equal(w.cost[4].out, 1024);
    assert_in_range(w.cost[11].out, 128, 159);         // an eighth, in whole tiles of any ISA
    assert_true(w.cost[4].f32_ms > w.cost[11].f32_ms); // eight times
    oc_layer_costs_release(&c);
    oc_layer_costs_release(&w);
}

static void narrow_layers_have_few_widths(void **state)
{
    (void)state;
    oc_dims d = small_dims(1, 16, 1, 3, 2);
    oc_cost_opts o = {.length = 4};
    oc_layer_costs w;
    OK(oc_width_costs_measure(&d, &o, &w, &err));
    assert_int_equal(w.n, 2); // one head; three neurons are less than a tile
    assert_int_equal(w.cost[1].out, 3);
    oc_layer_costs_release(&w);
}

static int stop_after(void *ctx)
{
    return --*(int *)ctx < 0;
}

static void refusals(void **state)
{
    (void)state;
    oc_dims d = dims_of(2);
    oc_layer_costs c;
    oc_cost_opts o = {.length = d.P + 1};
    FAILS(OC_RANGE, "positions", oc_layer_costs_measure(&d, &o, &c, &err));
    o = (oc_cost_opts){.length = 8, .budget_ms = (double)NAN};
    FAILS(OC_RANGE, "milliseconds", oc_layer_costs_measure(&d, &o, &c, &err));
    for (int polls = 0; polls < 30; polls++) {
        int left = polls;
        o = (oc_cost_opts){.length = 8, .stop = stop_after, .ctx = &left};
        FAILS(OC_CANCELLED, "cancelled", oc_layer_costs_measure(&d, &o, &c, &err));
        assert_int_equal(left, -1);
    }
    o = (oc_cost_opts){.length = 8};
    oc_status rc = OC_NOMEM;
    for (int64_t i = 1; rc != OC_OK; i++) {
        oc_alloc_fail_at(i);
        rc = oc_layer_costs_measure(&d, &o, &c, NULL);
        oc_alloc_fail_at(0);
        assert_true(rc == OC_OK || rc == OC_NOMEM);
    }
    oc_layer_costs_release(&c);
}

/* A made table: what counts is that query, key and value are one question. */
static void the_choice(void **state)
{
    (void)state;
    oc_layer_cost made[] = {
        {.layer = 0, .matrix = "qkv", .f32_ms = 3, .int8_ms = 2},
        {.layer = 0, .matrix = "ffn.in", .f32_ms = 1, .int8_ms = 1},
        {.layer = 1, .matrix = "kv", .f32_ms = 3, .int8_ms = 2},
        {.layer = 1, .matrix = "query", .f32_ms = 1, .int8_ms = 5},
        {.layer = -1, .matrix = "pooler", .f32_ms = 2, .int8_ms = 1},
    };
    oc_layer_costs c = {made, OC_COUNT(made)};
    static const oc_kind qkv[] = {OC_P_Q_W, OC_P_K_W, OC_P_V_W};
    for (int i = 0; i < 3; i++) {
        assert_true(oc_int8_is_faster(&c, qkv[i], 0));
        assert_false(oc_int8_is_faster(&c, qkv[i], 1)); // 7 against 4 together
        assert_true(oc_layer_cost_of(&c, qkv[i], 1).int8_ms == 7);
    }
    assert_false(oc_int8_is_faster(&c, OC_P_F1_W, 0)); // no faster: not worth the error
    assert_true(oc_int8_is_faster(&c, OC_P_POOL_W, -1));
    assert_true(oc_layer_cost_of(&c, OC_P_WORD, -1).f32_ms == 0);
    oc_param p = {.kind = OC_P_V_W, .layer = 1};
    assert_true(oc_layer_cost_is_of(&made[2], &p));
    assert_false(oc_layer_cost_is_of(&made[3], &p));
    p.kind = OC_P_Q_W;
    assert_false(oc_layer_cost_is_of(&made[2], &p));
    assert_true(oc_layer_cost_is_of(&made[3], &p));
}

/* What is kept is kept, saved and loaded back, and the file grows by it. */
static void kept_matrices_stay_f32(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims d = small_dims(2, 32, 2, 64, 2);
    oc_checkpoint *c = checkpoint_new(&d, 5, 10), *back;
    bool *keep = calloc((size_t)c->model->layout.n, sizeof *keep);
    assert_non_null(keep);
    int32_t f1 = (int32_t)(oc_layout_at(&c->model->layout, OC_P_F1_W, 0) - c->model->layout.param);
    keep[f1] = true;
    oc_quant_opts o = {.clip = OC_CLIP_MAX, .embeddings = true, .head = true, .keep = keep};
    OK(oc_quantize_model(&r->job, c->model, &o, "q", &err));
    for (int32_t i = 0; i < c->model->layout.n; i++) {
        const oc_param *p = &c->model->layout.param[i];
        bool want = (oc_kind_is_matrix(p->kind) || oc_kind_is_embedding(p->kind)) && i != f1;
        assert_int_equal(c->model->w[i].q != NULL, want);
    }
    char path[OC_PATH_MAX];
    OK(oc_path_join(path, r->job.workdir, "q", &err));
    OK(oc_checkpoint_save(c, path, NULL, &err));
    OK(oc_checkpoint_load(path, 0, 0, &back, &err));
    assert_null(back->model->w[f1].q);
    assert_non_null(back->model->w[f1].f32);
    assert_non_null(oc_model_at(back->model, OC_P_F1_W, 1)->q);
    free(keep);
    oc_checkpoint_free(back);
    oc_checkpoint_free(c);
    recorder_free(r);
}

static void the_stage_says_what_it_kept(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims d = dims_of(2);
    oc_checkpoint *c = checkpoint_new(&d, 5, 10);
    oc_pipeline p = {.job = &r->job};
    bool *keep = (bool *)&p;
    OK(oc_pipeline_where(&p, c->model, "quantized", &keep, &err));
    assert_null(keep); // quant.where is all
    assert_int_equal(event_count(r, OC_EV_cost_T), 0);
    OK(oc_settings_set(&r->job.set, "quant.where", "faster", &err));
    OK(oc_settings_set(&r->job.set, "bench.length", "9,16", &err));
    OK(oc_pipeline_where(&p, c->model, "quantized", &keep, &err));
    assert_non_null(keep);
    assert_int_equal(event_count(r, OC_EV_cost_T), 4 + 5 + 2);
    size_t kept = 0;
    for (int32_t i = 0; i < c->model->layout.n; i++) {
        kept += keep[i];
        assert_true(!keep[i] || oc_kind_is_matrix(c->model->layout.param[i].kind));
    }
    assert_int_equal(event_count(r, OC_EV_log_T), OC_MAX(kept, 1));
    const oc_event *e;
    for (size_t i = 0; (e = event_at(r, OC_EV_cost_T, i)); i++) {
        const oc_ev_cost *v = &e->u.cost;
        assert_string_equal(v->model, "quantized");
        assert_true(v->rows == 9 || v->rows == 1);
        if (strcmp(v->matrix, "query") && strcmp(v->matrix, "kv")) // those are judged together
            assert_int_equal(v->int8, v->int8_ms < v->f32_ms);
    }
    oc_free(keep);
    oc_checkpoint_free(c);
    recorder_free(r);
}

/* Zeros among others are counted and left where they are; whole columns of a panel can be left out. */
static void zeros_that_buy_time(void **state)
{
    (void)state;
    oc_dims d = small_dims(1, 64, 2, 128, 3);
    oc_checkpoint *c = checkpoint_new(&d, 5, 20);
    oc_model *m = c->model;
    oc_zeros z;
    OK(oc_zeros_measure(m, &z, &err));
    assert_int_equal(z.weights, 4 * 64 * 64 + 2 * 64 * 128 + 64 * 64 + 3 * 64);
    assert_true(z.zero_frac < 0.001 && z.skip_frac == 0);
    const oc_param *p = oc_layout_at(&m->layout, OC_P_F1_W, 0);
    float *w = m->slab + p->offset;
    for (int64_t i = 0; i < p->n; i += 2)
        w[i] = 0;
    OK(oc_zeros_measure(m, &z, &err));
    NEAR(z.zero_frac, 64.0 * 64 / (double)z.weights, 1e-3);
    assert_true(z.skip_frac == 0);
    memset(w, 0, (size_t)p->n / 2 * sizeof *w); // the first 64 of 128 columns of W^T
    OK(oc_zeros_measure(m, &z, &err));
    NEAR(z.zero_frac, 1.5 * 64 * 64 / (double)z.weights, 1e-3);
    NEAR(z.skip_frac, 64.0 * 64 / (double)z.weights, 1e-3);
    static int8_t q[128 * 64]; // the same matrix in int8: whole panels of the 64, at least 40
    static float scale[128];
    for (int i = 0; i < 128 * 64; i++)
        q[i] = i < 64 * 64 ? 0 : 5;
    oc_model_borrow_q8(m, (int32_t)(p - m->layout.param), q, scale);
    OK(oc_zeros_measure(m, &z, &err));
    NEAR(z.zero_frac, 64.0 * 64 / (double)z.weights, 1e-3);
    assert_in_range((uintmax_t)(z.skip_frac * (double)z.weights + 0.5), 40 * 64, 64 * 64);
    oc_alloc_fail_at(1);
    assert_int_equal(oc_zeros_measure(m, &z, NULL), OC_NOMEM);
    oc_alloc_fail_at(2);
    assert_int_equal(oc_zeros_measure(m, &z, NULL), OC_NOMEM);
    oc_alloc_fail_at(0);
    oc_checkpoint_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_product_is_timed),
        cmocka_unit_test(more_work_takes_longer),
        cmocka_unit_test(narrow_layers_have_few_widths),
        cmocka_unit_test(refusals),
        cmocka_unit_test(zeros_that_buy_time),
        cmocka_unit_test(the_choice),
        cmocka_unit_test(kept_matrices_stay_f32),
        cmocka_unit_test(the_stage_says_what_it_kept),
    };
    return cmocka_run_group_tests(tests, select_kernels, NULL);
}
