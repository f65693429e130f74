/*
 * tests/unit/test_prune.c - importance, removal that keeps the function, magnitude pruning.
 */
#include "tests/unit/compress_testing.h"

#include "core/compress/encode.h"
#include "core/compress/prune.h"
#include "core/nn/loss.h"

static float *infer(const oc_model *m, const oc_encoded *e)
{
    float *z = calloc((size_t)(e->n * m->dims.K), sizeof(float));
    assert_non_null(z);
    OK(oc_infer_all(NULL, m, e, 500, "read", z, &err));
    return z;
}

/* Importance given by hand. */
static oc_importance importance_new(const oc_dims *d)
{
    size_t n = 0;
    for (int32_t l = 0; l < d->L; l++)
        n += (size_t)d->F[l];
    oc_importance im = {.head = oc_calloc((size_t)d->L * OC_MAX_HEADS, sizeof(double)),
                        .ffn = oc_calloc(n, sizeof(double))};
    assert_true(im.head && im.ffn);
    return im;
}

/* Shapes of everything a head or a neuron touches. */
static void check_shapes(const oc_model *m)
{
    for (int32_t l = 0; l < m->dims.L; l++) {
        int64_t AD = (int64_t)m->dims.A[l] * m->dims.D, F = m->dims.F[l];
        assert_int_equal(oc_layout_at(&m->layout, OC_P_Q_W, l)->rows, AD);
        assert_int_equal(oc_layout_at(&m->layout, OC_P_V_B, l)->rows, AD);
        assert_int_equal(oc_layout_at(&m->layout, OC_P_O_W, l)->cols, AD);
        assert_int_equal(oc_layout_at(&m->layout, OC_P_F1_W, l)->rows, F);
        assert_int_equal(oc_layout_at(&m->layout, OC_P_F1_B, l)->rows, F);
        assert_int_equal(oc_layout_at(&m->layout, OC_P_F2_W, l)->cols, F);
    }
}

/* --- importance ---------------------------------------------------------------------------- */

/* Head 1 of layer 0 and neurons 8..15 of layer 1 reach nothing: their importance is 0, others' is not. */
static void mute(oc_model *m)
{
    float *o = edit_at(m, OC_P_O_W, 0), *f2 = edit_at(m, OC_P_F2_W, 1);
    const oc_param *po = oc_layout_at(&m->layout, OC_P_O_W, 0);
    const oc_param *p2 = oc_layout_at(&m->layout, OC_P_F2_W, 1);
    for (int64_t r = 0; r < po->rows; r++)
        for (int64_t c = m->dims.D; c < 2 * m->dims.D; c++)
            o[r * po->cols + c] = 0;
    for (int64_t r = 0; r < p2->rows; r++)
        for (int64_t c = 8; c < 16; c++)
            f2[r * p2->cols + c] = 0;
}

static void test_importance_of_muted_units(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims dims = small_dims(2, 16, 4, 32, 3);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 10);
    oc_dataset d = dataset_new(60, 3, OC_TASK_SINGLE, 0.1, 4);
    oc_importance im, again;
    mute(c->model);
    OK(oc_importance_measure(&r->job, c, &d, 50, &im, &err));
    for (int h = 0; h < 4; h++)
        assert_int_equal(im.head[h] > 0, h != 1);
    for (int h = 0; h < 4; h++)
        assert_true(im.head[OC_MAX_HEADS + h] > 0);
    assert_true(im.head[4] == 0.0);
    for (int j = 0; j < 64; j++)
        assert_int_equal(im.ffn[j] > 0, j < 40 || j >= 48);
    oc_par_set_workers(2);
    OK(oc_importance_measure(&r->job, c, &d, 50, &again, &err));
    oc_par_set_workers(1);
    assert_memory_equal(im.head, again.head, 2 * OC_MAX_HEADS * sizeof(double));
    assert_memory_equal(im.ffn, again.ffn, 64 * sizeof(double));
    const oc_event *e = event_at(r, OC_EV_progress_T, event_count(r, OC_EV_progress_T) - 1);
    assert_string_equal(e->u.progress.what, "importance");
    assert_int_equal(e->u.progress.done, 50);
    oc_importance_release(&im);
    oc_importance_release(&again);
    oc_dataset_release(&d);
    oc_checkpoint_free(c);
    recorder_free(r);
}

/* First order: importance on one batch is the slope of the loss when a unit is faded out. */
static double loss_of(const oc_model *m, const oc_encoded *e, const oc_dataset *d)
{
    float *z = infer(m, e), *dz = calloc((size_t)(d->n * d->K), sizeof(float));
    double loss = d->kind == OC_TASK_MULTI ? oc_loss_bce(z, d->labels, NULL, d->n, d->K, 0, dz)
                                           : oc_loss_ce(z, d->label, NULL, d->n, d->K, 0, dz);
    free(z);
    free(dz);
    return loss;
}

static double slope(oc_model *m, oc_kind k, int32_t l, int64_t c0, int64_t c1, const oc_encoded *e,
                    const oc_dataset *d)
{
    const oc_param *p = oc_layout_at(&m->layout, k, l);
    double loss[2];
    oc_model *copy;
    for (int side = 0; side < 2; side++) {
        OK(oc_model_dup(m, &copy, &err));
        for (int64_t r = 0; r < p->rows; r++)
            for (int64_t c = c0; c < c1; c++)
                copy->slab[p->offset + r * p->cols + c] *= side ? 1.01f : 0.99f;
        loss[side] = loss_of(copy, e, d);
        oc_model_free(copy);
    }
    return (loss[1] - loss[0]) / 0.02;
}

static void check_first_order(oc_task_kind kind)
{
    oc_dims dims = small_dims(2, 16, 4, 16, 3);
    oc_checkpoint *c = checkpoint_new(&dims, 6, 15);
    oc_dataset d = dataset_new(8, 3, kind, 0, 9); // one batch: |sum| is over it alone
    oc_importance im;
    oc_encoded e;
    OK(oc_importance_measure(NULL, c, &d, 8, &im, &err));
    OK(oc_encode_all(NULL, &d, c->tok, 24, &e, &err));
    double top = 0;
    for (int l = 0; l < 2; l++)
        for (int h = 0; h < 4; h++)
            top = fmax(top, im.head[l * OC_MAX_HEADS + h]);
    for (int l = 0; l < 2; l++)
        for (int h = 0; h < 4; h++)
            NEAR(im.head[l * OC_MAX_HEADS + h],
                 fabs(slope(c->model, OC_P_O_W, l, h * 4, h * 4 + 4, &e, &d)), top * 0.02);
    top = 0;
    for (int j = 0; j < 32; j++)
        top = fmax(top, im.ffn[j]);
    for (int j = 0; j < 32; j += 5)
        NEAR(im.ffn[j], fabs(slope(c->model, OC_P_F2_W, j / 16, j % 16, j % 16 + 1, &e, &d)),
             top * 0.02);
    oc_encoded_release(&e);
    oc_importance_release(&im);
    oc_dataset_release(&d);
    oc_checkpoint_free(c);
}

static void test_importance_is_first_order(void **state)
{
    (void)state;
    check_first_order(OC_TASK_SINGLE);
    check_first_order(OC_TASK_MULTI);
}

static void test_importance_errors(void **state)
{
    (void)state;
    oc_dims dims = small_dims(1, 8, 1, 8, 2);
    oc_checkpoint *c = checkpoint_new(&dims, 6, 1);
    oc_dataset none = {.K = 2}, d = dataset_new(12, 3, OC_TASK_SINGLE, 0, 9);
    oc_dataset two = dataset_new(12, 2, OC_TASK_SINGLE, 0, 9);
    oc_importance im;
    FAILS(OC_FORMAT, "no notes", oc_importance_measure(NULL, c, &none, 8, &im, &err));
    FAILS(OC_SHAPE, "2 labels, but the notes have 3",
          oc_importance_measure(NULL, c, &d, 8, &im, &err));
    oc_status rc = OC_NOMEM;
    for (int64_t i = 1; rc != OC_OK; i++) {
        err = (oc_err){0};
        oc_alloc_fail_at(i);
        rc = oc_importance_measure(NULL, c, &two, 12, &im, &err);
        oc_alloc_fail_at(0);
        assert_true(rc == OC_OK || rc == OC_NOMEM);
    }
    oc_importance_release(&im);
    oc_dataset_release(&d);
    oc_dataset_release(&two);
    oc_checkpoint_free(c);
}

/* --- structured ---------------------------------------------------------------------------- */

/* Units that reach nothing can go without changing an output. */
static void test_removal_keeps_the_function(void **state)
{
    recorder *r = recorder_new();
    oc_dims dims = small_dims(2, 16, 4, 32, 3);
    follow_arch(&dims, state);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 10);
    oc_dataset d = dataset_new(40, 3, OC_TASK_SINGLE, 0.1, 4);
    oc_importance im;
    oc_encoded e;
    mute(c->model);
    OK(oc_encode_all(NULL, &d, c->tok, 24, &e, &err));
    float *before = infer(c->model, &e);
    OK(oc_importance_measure(NULL, c, &d, 40, &im, &err));
    // 1 of 8 heads and 8 of 64 neurons: exactly the muted ones.
    OK(oc_prune_structured(&r->job, c, &im, 0.125, 0.125, true, true, "pruned", &err));
    assert_int_equal(c->model->dims.A[0], 3);
    assert_int_equal(c->model->dims.A[1], 4);
    assert_int_equal(c->model->dims.F[0], 32);
    assert_int_equal(c->model->dims.F[1], 24);
    assert_memory_equal(&c->config.dims, &c->model->dims, sizeof(oc_dims));
    check_shapes(c->model);
    float *after = infer(c->model, &e);
    for (int64_t i = 0; i < d.n * 3; i++)
        NEAR(after[i], before[i], 1e-5); // other order of additions; 2e-7 seen
    const oc_ev_heads *h = &event_at(r, OC_EV_heads_T, 0)->u.heads;
    assert_string_equal(h->model, "pruned");
    assert_true(h->before == 4 && h->after == 3 && h->n_kept == 4 && h->n_importance == 4);
    assert_true(h->kept[0] == 1.0 && h->kept[1] == 0.0 && h->kept[2] == 1.0 && h->kept[3] == 1.0);
    assert_true(h->importance[1] == 0.0 && h->importance[0] > 0);
    const oc_ev_ffn *f = &event_at(r, OC_EV_ffn_T, 1)->u.ffn;
    assert_true(f->layer == 1 && f->before == 32 && f->after == 24 && f->asked == 0.125);
    free(before);
    free(after);
    oc_encoded_release(&e);
    oc_importance_release(&im);
    oc_dataset_release(&d);
    oc_checkpoint_free(c);
    recorder_free(r);
}

static oc_checkpoint *prune_by_hand(const oc_dims *dims, const oc_importance *im, double heads,
                                    double ffn, bool global)
{
    oc_checkpoint *c = checkpoint_new(dims, 5, 10);
    OK(oc_prune_structured(NULL, c, im, heads, ffn, global, true, "p", &err));
    check_shapes(c->model);
    return c;
}

/* Layer 1 matters less in proportion: globally it pays, per layer both pay alike. */
static void test_global_and_layer(void **state)
{
    (void)state;
    oc_dims dims = small_dims(2, 32, 4, 64, 2);
    oc_importance im = importance_new(&dims);
    for (int h = 0; h < 4; h++) {
        im.head[h] = 1;
        im.head[OC_MAX_HEADS + h] = h == 3 ? 1000 : 0.001 * (h + 1); // one head holds the layer
    }
    for (int j = 0; j < 64; j++) {
        im.ffn[j] = 1 + 0.001 * j;
        im.ffn[64 + j] = j < 32 ? 0.001 * (j + 1) : 5;
    }
    oc_checkpoint *g = prune_by_hand(&dims, &im, 0.25, 0.25, true);
    assert_int_equal(g->model->dims.A[0], 4);
    assert_int_equal(g->model->dims.A[1], 2);
    assert_int_equal(g->model->dims.F[0], 64);
    assert_int_equal(g->model->dims.F[1], 32);
    oc_checkpoint *l = prune_by_hand(&dims, &im, 0.25, 0.25, false);
    assert_int_equal(l->model->dims.A[0], 3);
    assert_int_equal(l->model->dims.A[1], 3);
    assert_int_equal(l->model->dims.F[0], 48);
    assert_int_equal(l->model->dims.F[1], 48);
    // The least ones went: of equals, the first; rows of what stays are as they were.
    oc_checkpoint *old = checkpoint_new(&dims, 5, 10);
    const oc_param *p = oc_layout_at(&old->model->layout, OC_P_Q_W, 1);
    assert_memory_equal(oc_model_at(l->model, OC_P_Q_W, 1)->f32,
                        old->model->slab + p->offset + 8 * p->cols,
                        (size_t)(24 * p->cols) * sizeof(float));
    const float *f1 = oc_model_at(old->model, OC_P_F1_W, 0)->f32;
    assert_memory_equal(oc_model_at(l->model, OC_P_F1_W, 0)->f32, f1 + 16 * 32,
                        48 * 32 * sizeof(float));
    const float *f2 = oc_model_at(old->model, OC_P_F2_W, 0)->f32,
                *nf2 = oc_model_at(l->model, OC_P_F2_W, 0)->f32;
    for (int r = 0; r < 32; r++)
        assert_memory_equal(nf2 + r * 48, f2 + r * 64 + 16, 48 * sizeof(float));
    oc_checkpoint_free(g);
    oc_checkpoint_free(l);
    oc_checkpoint_free(old);
    oc_importance_release(&im);
}

static int64_t sum_of(const int32_t *x, int32_t n)
{
    int64_t s = 0;
    for (int32_t i = 0; i < n; i++)
        s += x[i];
    return s;
}

/* Shares are met as nearly as whole heads and widths in eights allow, and nothing is emptied. */
static void test_shares(void **state)
{
    (void)state;
    oc_dims dims = small_dims(3, 32, 4, 64, 2);
    dims.F[1] = 40;
    dims.F[2] = 20; // not a multiple of 8: any width will do
    oc_importance im = importance_new(&dims);
    oc_rng r;
    oc_rng_init(&r, 1, 1);
    for (int i = 0; i < 3 * OC_MAX_HEADS; i++)
        im.head[i] = oc_rng_f64(&r);
    for (int i = 0; i < 124; i++)
        im.ffn[i] = oc_rng_f64(&r);
    for (int global = 0; global < 2; global++)
        for (double share = 0; share < 0.995; share += 0.055) {
            oc_checkpoint *c = prune_by_hand(&dims, &im, share, share, global);
            const oc_dims *d = &c->model->dims;
            for (int l = 0; l < 3; l++) {
                assert_true(d->A[l] >= 1 && d->F[l] >= 8);
                assert_true(l == 2 || d->F[l] % 8 == 0);
                if (!global) {
                    assert_int_equal(d->A[l], OC_MAX(1, (int)lround(4 * (1 - share))));
                    assert_true(fabs(d->F[l] - dims.F[l] * (1 - share)) <= 4.0 || d->F[l] == 8);
                }
            }
            if (global) {
                assert_int_equal(sum_of(d->A, 3), OC_MAX(3, 12 - llround(12 * share)));
                assert_true(llabs(sum_of(d->F, 3) - (124 - llround(124 * share))) <= 4 ||
                            sum_of(d->F, 3) == 24);
            }
            oc_checkpoint_free(c);
        }
    oc_importance_release(&im);
}

/* Wide layers in whole tiles, or as they are; what was asked is met as nearly as before. */
static void test_tiles(void **state)
{
    (void)state;
    oc_dims dims = small_dims(4, 8, 1, 640, 2);
    dims.F[1] = 1200; // no whole tiles
    dims.F[2] = 512;
    dims.F[3] = 504; // too narrow for tiles
    const int32_t total = 640 + 1200 + 512 + 504;
    oc_importance im = importance_new(&dims);
    oc_rng r;
    oc_rng_init(&r, 2, 1);
    for (int i = 0; i < total; i++)
        im.ffn[i] = oc_rng_f64(&r);
    for (int global = 0; global < 2; global++)
        for (double share = 0; share < 0.995; share += 0.11) {
            oc_checkpoint *c = checkpoint_new(&dims, 5, 10);
            OK(oc_prune_structured(NULL, c, &im, 0, share, global, true, "p", &err));
            check_shapes(c->model);
            const int32_t *F = c->model->dims.F;
            for (int l = 0; l < 4; l++) {
                assert_true(F[l] % (l < 3 ? OC_PRUNE_TILE : 8) == 0 || F[l] == dims.F[l]);
                if (!global)
                    assert_true(fabs(F[l] - dims.F[l] * (1 - share)) <= OC_PRUNE_TILE / 2 ||
                                F[l] == OC_PRUNE_TILE);
            }
            if (share == 0)
                assert_memory_equal(F, dims.F, 4 * sizeof *F);
            if (global)
                assert_true(llabs(sum_of(F, 4) - (total - llround(total * share))) <=
                                OC_PRUNE_TILE / 2 ||
                            sum_of(F, 4) == 3 * OC_PRUNE_TILE + 8); // the least there may be
            oc_checkpoint_free(c);
        }
    oc_checkpoint *c = checkpoint_new(&dims, 5, 10);
    OK(oc_prune_structured(NULL, c, &im, 0, 0.4, false, false, "p", &err));
    assert_int_equal(c->model->dims.F[1], 720); // 22.5 tiles
    oc_checkpoint_free(c);
    oc_importance_release(&im);
}

static void test_nothing_asked_changes_nothing(void **state)
{
    (void)state;
    oc_dims dims = small_dims(2, 16, 2, 12, 2);
    dims.F[1] = 4; // narrower than eight
    oc_importance im = importance_new(&dims);
    oc_checkpoint *old = checkpoint_new(&dims, 5, 10);
    oc_checkpoint *c = prune_by_hand(&dims, &im, 0, 0, true);
    assert_same_weights(c->model, old->model);
    oc_checkpoint_free(c);
    c = prune_by_hand(&dims, &im, 0.95, 0.99, true);
    assert_true(c->model->dims.A[0] == 1 && c->model->dims.A[1] == 1);
    assert_true(c->model->dims.F[0] == 8 && c->model->dims.F[1] == 4);
    FAILS(OC_RANGE, "FFN neurons", oc_prune_structured(NULL, c, &im, 0, 1, true, true, "p", &err));
    FAILS(OC_RANGE, "heads", oc_prune_structured(NULL, c, &im, -0.1, 0, true, true, "p", &err));
    oc_checkpoint_free(c);
    oc_checkpoint_free(old);
    oc_importance_release(&im);
}

/* --- magnitude ----------------------------------------------------------------------------- */

static double reached(const recorder *r, double *least, double *most)
{
    double zeros = 0, all = 0;
    const oc_event *e;
    *least = 1;
    *most = 0;
    for (size_t i = 0; (e = event_at(r, OC_EV_sparsity_T, i)); i++) {
        const oc_ev_sparsity *v = &e->u.sparsity;
        zeros += v->reached * (double)(v->rows * v->cols);
        all += (double)(v->rows * v->cols);
        *least = fmin(*least, v->reached);
        *most = fmax(*most, v->reached);
    }
    return zeros / all;
}

/* What went is no larger than what stayed, and the count is exact. */
static void test_magnitude(void **state)
{
    for (int global = 0; global < 2; global++)
        for (double share = 0; share < 1; share += 0.33) {
            recorder *r = recorder_new();
            oc_dims dims = small_dims(2, 24, 3, 40, 3);
            follow_arch(&dims, state);
            oc_checkpoint *c = checkpoint_new(&dims, 5, 10), *old = checkpoint_new(&dims, 5, 10);
            uint8_t *keep = malloc((size_t)c->model->layout.n_floats);
            double least, most;
            // layer 1's FFN is larger: globally it loses less
            for (int i = 0; i < 24 * 40; i++)
                edit_at(c->model, OC_P_F1_W, 1)[i] *= 4, edit_at(old->model, OC_P_F1_W, 1)[i] *= 4;
            OK(oc_prune_magnitude(&r->job, c->model, share, global, "pruned", keep, &err));
            assert_int_equal(event_count(r, OC_EV_sparsity_T), 2 * 6 + 1);
            double got = reached(r, &least, &most);
            NEAR(got, share, 2e-3);
            if (!global)
                assert_true(least > share - 2e-3 && most < share + 2e-3);
            else if (share > 0)
                assert_true(most > least + 0.05);
            double out = 0, in = (double)INFINITY;
            for (int32_t i = 0; i < c->model->layout.n; i++) {
                const oc_param *p = &c->model->layout.param[i];
                for (int64_t j = p->offset; j < p->offset + p->n; j++) {
                    bool zeroed = c->model->slab[j] == 0.0f && old->model->slab[j] != 0.0f;
                    assert_int_equal(keep[j], !zeroed);
                    if (!oc_prunable(p->kind))
                        assert_true(c->model->slab[j] == old->model->slab[j]);
                    else if (zeroed)
                        out = fmax(out, fabs((double)old->model->slab[j]));
                    else
                        in = fmin(in, fabs((double)old->model->slab[j]));
                }
                if (!global) { // compare inside one matrix
                    assert_true(out <= in);
                    out = 0;
                    in = (double)INFINITY;
                }
            }
            assert_true(out <= in);
            free(keep);
            oc_checkpoint_free(c);
            oc_checkpoint_free(old);
            recorder_free(r);
        }
}

/* Equal magnitudes: as many as asked, the first ones; signs and -0 do not matter. */
static void test_ties(void **state)
{
    (void)state;
    oc_dims dims = small_dims(1, 8, 1, 8, 2);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 10);
    const oc_param *p = oc_layout_at(&c->model->layout, OC_P_Q_W, 0);
    float *w = c->model->slab + p->offset;
    for (int64_t i = 0; i < p->n; i++)
        w[i] = i % 2 ? 0.5f : -0.5f;
    OK(oc_prune_magnitude(NULL, c->model, 0.25, false, "p", NULL, &err));
    for (int64_t i = 0; i < p->n; i++)
        assert_int_equal(w[i] == 0.0f, i < 16);
    // Asking for less than there is frees nothing that is zero, and takes no more.
    uint8_t *keep = malloc((size_t)c->model->layout.n_floats);
    OK(oc_prune_magnitude(NULL, c->model, 0.125, false, "p", keep, &err));
    int64_t zeros = 0, held = 0;
    for (int64_t i = 0; i < p->n; i++) {
        zeros += w[i] == 0.0f;
        held += keep[p->offset + i] == 0;
    }
    assert_int_equal(zeros, 16);
    assert_int_equal(held, 8);
    free(keep);
    oc_checkpoint_free(c);
}

static oc_status cancel_later(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    (void)hooks;
    return r->polls > r->at ? OC_FAIL(e, OC_CANCELLED, "cancelled") : OC_OK;
}

/* Cancelled anywhere, the model is as it was. */
static void test_cancel_leaves_the_model(void **state)
{
    (void)state;
    oc_dims dims = small_dims(1, 8, 1, 8, 2);
    oc_status rc = OC_CANCELLED;
    for (int64_t at = 0; rc != OC_OK; at++) {
        recorder *r = recorder_new();
        oc_checkpoint *c = checkpoint_new(&dims, 5, 10), *old = checkpoint_new(&dims, 5, 10);
        r->act = cancel_later;
        r->at = at;
        err = (oc_err){0};
        rc = oc_prune_magnitude(&r->job, c->model, 0.5, true, "p", NULL, &err);
        assert_true(rc == OC_OK || rc == OC_CANCELLED);
        if (rc != OC_OK)
            assert_same_weights(c->model, old->model);
        oc_checkpoint_free(c);
        oc_checkpoint_free(old);
        recorder_free(r);
    }
}

static void test_range_and_memory(void **state)
{
    (void)state;
    oc_dims dims = small_dims(1, 8, 1, 8, 2);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 10);
    FAILS(OC_RANGE, "weights", oc_prune_magnitude(NULL, c->model, 1.0, true, "p", NULL, &err));
    oc_status rc = OC_NOMEM;
    for (int64_t i = 1; rc != OC_OK; i++) {
        err = (oc_err){0};
        oc_alloc_fail_at(i);
        rc = oc_prune_magnitude(NULL, c->model, 0.5, true, "p", NULL, &err);
        oc_alloc_fail_at(0);
    }
    oc_importance im = importance_new(&dims);
    rc = OC_NOMEM;
    for (int64_t i = 1; rc != OC_OK; i++) {
        err = (oc_err){0};
        oc_alloc_fail_at(i);
        rc = oc_prune_structured(NULL, c, &im, 0, 0, true, true, "p", &err);
        oc_alloc_fail_at(0);
        assert_true(rc == OC_OK || rc == OC_NOMEM);
    }
    oc_importance_release(&im);
    oc_checkpoint_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_importance_of_muted_units),
        cmocka_unit_test(test_importance_is_first_order),
        cmocka_unit_test(test_importance_errors),
        cmocka_unit_test(test_removal_keeps_the_function),
        cmocka_unit_test_prestate(test_removal_keeps_the_function, &as_distilbert),
        cmocka_unit_test(test_global_and_layer),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_nothing_asked_changes_nothing),
        cmocka_unit_test(test_magnitude),
        cmocka_unit_test_prestate(test_magnitude, &as_distilbert),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_cancel_leaves_the_model),
        cmocka_unit_test(test_range_and_memory),
    };
    return cmocka_run_group_tests(tests, select_kernels, NULL);
}
