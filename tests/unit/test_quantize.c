/*
 * tests/unit/test_quantize.c - INT8 weights: scales, observers, errors, and what survives.
 */
#include "tests/unit/compress_testing.h"

#include "core/compress/prune.h"
#include "core/compress/quantize.h"

static const oc_quant_opts MAX = {
    .clip = OC_CLIP_MAX, .percentile = 99, .embeddings = true, .head = true};

static void test_channel_by_hand(void **state)
{
    (void)state;
    // max 2.54: one step is 0.02.
    const float w[] = {2.54f, -2.54f, 0.0f, 0.02f, -0.031f, 1.0f, -0.009f};
    int8_t q[7];
    float scale, scratch[7];
    assert_true(oc_quantize_channel(w, 7, &MAX, q, &scale, scratch) == 0.0);
    NEAR(scale, 0.02, 1e-8);
    static const int8_t want[] = {127, -127, 0, 1, -2, 50, 0};
    assert_memory_equal(q, want, sizeof want);
}

static void test_channel_of_7_bits(void **state)
{
    (void)state;
    // max 1.26: one step is 0.02.
    const float w[] = {1.26f, -1.26f, 0.0f, 0.02f, -0.031f, 1.0f, -0.009f};
    oc_quant_opts o = {.clip = OC_CLIP_MAX, .bits7 = true};
    int8_t q[7];
    float scale, scratch[7];
    assert_true(oc_quantize_channel(w, 7, &o, q, &scale, scratch) == 0.0);
    NEAR(scale, 0.02, 1e-8);
    static const int8_t want[] = {63, -63, 0, 1, -2, 50, 0};
    assert_memory_equal(q, want, sizeof want);
    o.clip = OC_CLIP_PERCENTILE; // the range ends where the second largest is: 1.0
    o.percentile = 100.0 * 4 / 6;
    NEAR(oc_quantize_channel(w, 7, &o, q, &scale, scratch), 2.0 / 7, 1e-12);
    NEAR(scale * 63, 1.0, 1e-6);
    assert_true(q[0] == 63 && q[1] == -63 && q[5] == 63);
    o.clip = OC_CLIP_MSE;
    oc_quantize_channel(w, 7, &o, q, &scale, scratch);
    for (int i = 0; i < 7; i++)
        assert_in_range(q[i] + 63, 0, 126);
}

static void test_channel_of_zeros(void **state)
{
    (void)state;
    const float w[5] = {0}, tiny[3] = {1e-42f, -1e-42f, 0};
    int8_t q[5] = {1, 2, 3, 4, 5};
    float scale = 0, scratch[5];
    static const oc_clip clips[] = {OC_CLIP_MAX, OC_CLIP_PERCENTILE, OC_CLIP_MSE};
    for (int i = 0; i < 3; i++) {
        oc_quant_opts o = {.clip = clips[i], .percentile = 90};
        assert_true(oc_quantize_channel(w, 5, &o, q, &scale, scratch) == 0.0);
        assert_true(scale > 0 && isfinite(scale));
        for (int j = 0; j < 5; j++)
            assert_int_equal(q[j], 0);
        assert_true(oc_quantize_channel(tiny, 3, &o, q, &scale, scratch) == 0.0);
        assert_true(scale > 0 && isfinite(scale));
    }
}

static void fill_normal(float *w, int64_t n, uint64_t seed)
{
    oc_rng r;
    oc_rng_init(&r, seed, 1);
    for (int64_t i = 0; i < n; i++)
        w[i] = (float)(0.05 * oc_rng_normal(&r));
}

static double channel_error(const float *w, int64_t n, const int8_t *q, float scale)
{
    double e = 0;
    for (int64_t i = 0; i < n; i++)
        e += pow((double)w[i] - (double)scale * (double)q[i], 2);
    return e;
}

static int up(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* Percentiles against sorting; the share clipped is what lies beyond. */
static void test_percentile(void **state)
{
    (void)state;
    static const double percentiles[] = {50, 90, 99, 99.9, 100};
    enum { N = 1001 };
    static float w[N], sorted[N], scratch[N];
    int8_t q[N];
    float scale;
    fill_normal(w, N, 3);
    for (int i = 0; i < N; i++)
        sorted[i] = fabsf(w[i]);
    qsort(sorted, N, sizeof(float), up);
    for (int p = 0; p < OC_COUNT(percentiles); p++) {
        oc_quant_opts o = {.clip = OC_CLIP_PERCENTILE, .percentile = percentiles[p]};
        double clipped = oc_quantize_channel(w, N, &o, q, &scale, scratch);
        double at = percentiles[p] / 100 * (N - 1);
        int k = (int)floor(at + 1e-9), next = OC_MIN(k + 1, N - 1);
        double range = (double)sorted[k] + (at - k) * ((double)sorted[next] - (double)sorted[k]);
        NEAR(scale * 127, range, 1e-6);
        int beyond = 0;
        for (int i = 0; i < N; i++) {
            beyond += (double)fabsf(w[i]) > range * (1 + 1e-6);
            if ((double)fabsf(w[i]) > range)
                assert_int_equal(abs(q[i]), 127);
        }
        assert_true(fabs(clipped * N - beyond) <= 1);
    }
}

/* Mostly zeros: the percentile is 0, and the few weights must survive. */
static void test_percentile_of_a_sparse_channel(void **state)
{
    (void)state;
    float w[100] = {0}, scratch[100], scale;
    int8_t q[100];
    w[17] = 0.5f;
    oc_quant_opts o = {.clip = OC_CLIP_PERCENTILE, .percentile = 90};
    assert_true(oc_quantize_channel(w, 100, &o, q, &scale, scratch) == 0.0);
    assert_int_equal(q[17], 127);
    NEAR(scale * 127, 0.5, 1e-6);
}

static void test_mse_is_no_worse_than_max(void **state)
{
    (void)state;
    enum { N = 768 };
    static float w[N], scratch[N];
    int8_t q[N];
    float scale;
    for (uint64_t seed = 0; seed < 20; seed++) {
        fill_normal(w, N - (int)seed, seed); // tails of the eight lanes too
        int64_t n = N - (int64_t)seed;
        w[seed * 7] = 0.5f; // ten standard deviations out
        oc_quant_opts mse = {.clip = OC_CLIP_MSE};
        oc_quantize_channel(w, n, &MAX, q, &scale, scratch);
        double with_max = channel_error(w, n, q, scale);
        oc_quantize_channel(w, n, &mse, q, &scale, scratch);
        double with_mse = channel_error(w, n, q, scale);
        assert_true(with_mse <= with_max * (1 + 1e-5));
        // Without an outlier there is nothing a grid of 1000 ratios would find and this does not.
        fill_normal(w, n, seed + 100);
        oc_quantize_channel(w, n, &mse, q, &scale, scratch);
        double found = channel_error(w, n, q, scale), least = found, max = 0;
        for (int64_t i = 0; i < n; i++)
            max = fmax(max, fabs((double)w[i]));
        for (int r = 400; r <= 1000; r++) {
            double e = 0, s = max * r / 1000 / 127;
            for (int64_t i = 0; i < n; i++)
                e += pow((double)w[i] - s * fmax(-127, fmin(127, nearbyint((double)w[i] / s))), 2);
            least = fmin(least, e);
        }
        assert_true(found <= least * 1.05); // 1.02 seen
    }
}

/* A long row with one weight far out: clipping it pays. */
static void test_mse_clips_an_outlier(void **state)
{
    (void)state;
    enum { N = 20000 };
    static float w[N], scratch[N];
    static int8_t q[N];
    float scale;
    const oc_quant_opts mse = {.clip = OC_CLIP_MSE};
    fill_normal(w, N, 5);
    w[77] = -1.0f;
    assert_true(oc_quantize_channel(w, N, &MAX, q, &scale, scratch) == 0.0);
    double with_max = channel_error(w, N, q, scale);
    double clipped = oc_quantize_channel(w, N, &mse, q, &scale, scratch);
    assert_true(channel_error(w, N, q, scale) <
                0.95 * with_max); // 0.91 by d = n / 193548 off the range
    NEAR(clipped, 1.0 / N, 1e-12);
    NEAR(scale * 127, 1 - N / 193548.0, 0.01);
    assert_int_equal(q[77], -127);
}

/* --- models -------------------------------------------------------------------------------- */

static const oc_event *quant_event(const recorder *r, int32_t layer, const char *matrix)
{
    const oc_event *e;
    for (size_t i = 0; (e = event_at(r, OC_EV_quant_T, i)); i++)
        if (e->u.quant.layer == layer && !strcmp(e->u.quant.matrix, matrix))
            return e;
    return NULL;
}

/* What an event says about one matrix, worked out again from w, q and scale. */
static void check_event(const oc_event *e, const float *w, const oc_weight *q, const oc_param *p,
                        int bits)
{
    int top = bits == 7 ? 63 : 127, most = 0;
    double sq = 0, sq_err = 0, max_err = 0, lo = (double)INFINITY, hi = 0;
    int64_t zeros = 0;
    for (int64_t r = 0; r < p->rows; r++) {
        lo = fmin(lo, (double)q->scale[r]);
        hi = fmax(hi, (double)q->scale[r]);
        for (int64_t c = 0; c < p->cols; c++) {
            double x = (double)w[r * p->cols + c], y = (double)q->scale[r] * q->q[r * p->cols + c];
            most = OC_MAX(most, abs(q->q[r * p->cols + c]));
            assert_true(fabs(x - y) <= (double)q->scale[r] * 0.5 * 1.001);
            sq += x * x;
            sq_err += (x - y) * (x - y);
            max_err = fmax(max_err, fabs(x - y));
            zeros += q->q[r * p->cols + c] == 0;
        }
    }
    const oc_ev_quant *v = &e->u.quant;
    assert_int_equal(v->bits, bits);
    assert_int_equal(most, top);
    NEAR(v->sqnr_db, 10 * log10(sq / sq_err), 1e-3);
    NEAR(v->max_err, max_err, 1e-7);
    NEAR(v->zeros, (double)zeros / (double)p->n, 1e-12);
    NEAR(v->scale_min, lo, 1e-12);
    NEAR(v->scale_max, hi, 1e-12);
    assert_true(v->clipped == 0.0);
    assert_true(v->lo == -v->max_err && v->hi == v->max_err);
    double sum = 0;
    for (int64_t b = 0; b < v->n_bins; b++)
        sum += v->bins[b];
    assert_int_equal(v->n_bins, 41);
    assert_true(sum == (double)p->n);
    assert_true(v->bins[0] > 0 || v->bins[40] > 0); // the largest error is in an outer bin
}

static void check_model(const oc_dims *dims, bool bits7)
{
    recorder *r = recorder_new();
    oc_checkpoint *c = checkpoint_new(dims, 5, 10);
    oc_quant_opts o = MAX;
    oc_model *m;
    o.bits7 = bits7;
    OK(oc_model_dup(c->model, &m, &err));
    OK(oc_quantize_model(&r->job, m, &o, "quantized", &err));
    assert_int_equal(m->bits7, bits7);
    size_t n = 0;
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        bool quantized = oc_kind_is_matrix(p->kind) || oc_kind_is_embedding(p->kind);
        assert_int_equal(m->w[i].q != NULL, quantized);
        if (!quantized)
            continue;
        n++;
        const oc_event *e = quant_event(r, p->layer, oc_kind_short(p->kind));
        assert_non_null(e);
        assert_string_equal(e->u.quant.model, "quantized");
        if (p->kind != OC_P_WORD) // row 0 is zeros: its scale is no scale
            check_event(e, c->model->slab + p->offset, &m->w[i], p,
                        bits7 && oc_kind_is_matrix(p->kind) ? 7 : 8);
    }
    assert_int_equal(event_count(r, OC_EV_quant_T), n);
    FAILS(OC_STATE, "quantized already", oc_quantize_model(&r->job, m, &MAX, "quantized", &err));
    oc_model_free(m);
    oc_checkpoint_free(c);
    recorder_free(r);
}

static void test_model(void **state)
{
    oc_dims dims = small_dims(2, 24, 3, 40, 3);
    follow_arch(&dims, state);
    check_model(&dims, false);
    check_model(&dims, true);
}

/* Of 7 bits and with int8 attention: saved and loaded back it is what it was, and computes the same
 * logits on every ISA. */
static void test_choices_on_disk(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims dims = small_dims(2, 32, 2, 64, 3);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 10), *back;
    oc_dataset d = dataset_new(20, 3, OC_TASK_SINGLE, 0, 4);
    oc_encoded e;
    oc_quant_opts o = MAX;
    char path[OC_PATH_MAX];
    o.bits7 = o.attn_s8 = true;
    OK(oc_quantize_model(NULL, c->model, &o, "q", &err));
    OK(oc_path_join(path, r->job.workdir, "seven", &err));
    OK(oc_checkpoint_save(c, path, NULL, &err));
    assert_true(c->config.bits7 && c->config.attn_s8);
    OK(oc_checkpoint_load(path, 0, 0, &back, &err));
    assert_true(back->config.bits7 && back->model->bits7 && back->model->attn_s8);
    oc_buf told = {0};
    OK(oc_checkpoint_describe(back, &told, &err));
    assert_non_null(strstr(told.data, "\"bits\": 7,"));
    assert_non_null(strstr(told.data, "\"attention\": \"int8\"}, {"));
    assert_non_null(strstr(told.data, "\"attention\": \"f32\"}]"));
    oc_buf_release(&told);
    OK(oc_encode_all(NULL, &d, c->tok, 24, &e, &err));
    float ref[20 * 3], logits[20 * 3];
    const oc_kernels *used = oc_k;
    oc_k = oc_kernels_for(OC_ISA_REF);
    OK(oc_infer_all(NULL, c->model, &e, OC_INFER_TOKENS, NULL, ref, &err));
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        oc_k = oc_kernels_for((oc_isa)isa);
        if (!oc_k)
            continue;
        memset(logits, 0, sizeof logits);
        OK(oc_infer_all(NULL, back->model, &e, OC_INFER_TOKENS, NULL, logits, &err));
        assert_memory_equal(ref, logits, sizeof ref);
    }
    oc_k = used;
    oc_encoded_release(&e);
    oc_dataset_release(&d);
    oc_checkpoint_free(back);
    oc_checkpoint_free(c);
    recorder_free(r);
}

static void test_what_is_quantized(void **state)
{
    (void)state;
    oc_dims dims = small_dims(1, 16, 2, 16, 2);
    oc_quant_opts o = {.clip = OC_CLIP_MAX};
    oc_checkpoint *c = checkpoint_new(&dims, 5, 10);
    OK(oc_quantize_model(NULL, c->model, &o, "q", &err));
    assert_non_null(oc_model_at(c->model, OC_P_Q_W, 0)->q);
    assert_non_null(oc_model_at(c->model, OC_P_F2_W, 0)->q);
    assert_null(oc_model_at(c->model, OC_P_POOL_W, -1)->q);
    assert_null(oc_model_at(c->model, OC_P_CLS_W, -1)->q);
    assert_null(oc_model_at(c->model, OC_P_WORD, -1)->q);
    assert_null(oc_model_at(c->model, OC_P_LN1_G, 0)->q);
    oc_checkpoint_free(c);
}

/* Zeros stay zeros, whatever the observer: pruning survives. */
static void test_zeros_survive(void **state)
{
    (void)state;
    static const oc_clip clips[] = {OC_CLIP_MAX, OC_CLIP_PERCENTILE, OC_CLIP_MSE};
    for (int k = 0; k < 3; k++) {
        recorder *r = recorder_new();
        oc_dims dims = small_dims(2, 16, 2, 32, 2);
        oc_checkpoint *c = checkpoint_new(&dims, 5, 10);
        oc_quant_opts o = {.clip = clips[k], .percentile = 99, .embeddings = true, .head = true};
        oc_model *f32;
        OK(oc_prune_magnitude(NULL, c->model, 0.6, true, "p", NULL, &err));
        OK(oc_model_dup(c->model, &f32, &err));
        OK(oc_quantize_model(&r->job, c->model, &o, "q", &err));
        for (int32_t i = 0; i < f32->layout.n; i++)
            for (int64_t j = 0; c->model->w[i].q && j < f32->layout.param[i].n; j++)
                if (f32->w[i].f32[j] == 0.0f)
                    assert_int_equal(c->model->w[i].q[j], 0);
        oc_report_sparsity(&r->job, c->model, 0.6, "q");
        double zeros = 0, all = 0;
        const oc_event *e;
        for (size_t i = 0; (e = event_at(r, OC_EV_sparsity_T, i)); i++) {
            zeros += e->u.sparsity.reached * (double)(e->u.sparsity.rows * e->u.sparsity.cols);
            all += (double)(e->u.sparsity.rows * e->u.sparsity.cols);
        }
        assert_true(zeros / all >= 0.6 - 1e-3);
        oc_model_free(f32);
        oc_checkpoint_free(c);
        recorder_free(r);
    }
}

static void test_same_for_any_threads(void **state)
{
    (void)state;
    oc_dims dims = small_dims(1, 32, 2, 64, 2);
    oc_quant_opts o = {.clip = OC_CLIP_MSE, .embeddings = true, .head = true};
    oc_checkpoint *a = checkpoint_new(&dims, 5, 10), *b = checkpoint_new(&dims, 5, 10);
    recorder *ra = recorder_new(), *rb = recorder_new();
    oc_par_set_workers(1);
    OK(oc_quantize_model(&ra->job, a->model, &o, "q", &err));
    oc_par_set_workers(2);
    OK(oc_quantize_model(&rb->job, b->model, &o, "q", &err));
    oc_par_set_workers(1);
    for (int32_t i = 0; i < a->model->layout.n; i++) {
        const oc_param *p = &a->model->layout.param[i];
        if (!a->model->w[i].q)
            continue;
        assert_memory_equal(a->model->w[i].q, b->model->w[i].q, (size_t)p->n);
        assert_memory_equal(a->model->w[i].scale, b->model->w[i].scale, (size_t)p->rows * 4);
    }
    for (size_t i = 0; i < event_count(ra, OC_EV_quant_T); i++)
        assert_memory_equal(&event_at(ra, OC_EV_quant_T, i)->u.quant,
                            &event_at(rb, OC_EV_quant_T, i)->u.quant, sizeof(oc_ev_quant));
    oc_checkpoint_free(a);
    oc_checkpoint_free(b);
    recorder_free(ra);
    recorder_free(rb);
}

static void test_nan_and_memory(void **state)
{
    (void)state;
    oc_dims dims = small_dims(1, 16, 2, 16, 2);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 10);
    float *w = edit_at(c->model, OC_P_F1_W, 0);
    float keep = w[16 * 3 + 2];
    w[16 * 3 + 2] = NAN;
    FAILS(OC_NUMERIC, "intermediate.dense.weight",
          oc_quantize_model(NULL, c->model, &MAX, "q", &err));
    assert_true(oc_model_is_f32(c->model)); // all or nothing
    w[16 * 3 + 2] = keep;
    oc_status rc = OC_NOMEM;
    for (int64_t i = 1; rc != OC_OK; i++) {
        assert_true(oc_model_is_f32(c->model));
        err = (oc_err){0};
        oc_alloc_fail_at(i);
        rc = oc_quantize_model(NULL, c->model, &MAX, "q", &err);
        oc_alloc_fail_at(0);
        assert_true(rc == OC_OK || rc == OC_NOMEM);
    }
    oc_checkpoint_free(c);
}

static void test_drift(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims dims = small_dims(2, 32, 2, 64, 3);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 10);
    oc_dataset d = dataset_new(20, 3, OC_TASK_SINGLE, 0, 4);
    oc_encoded e;
    oc_model *q;
    OK(oc_encode_all(NULL, &d, c->tok, 24, &e, &err));
    OK(oc_model_dup(c->model, &q, &err));
    OK(oc_quantize_drift(&r->job, c->model, q, &e, 20, "same", &err));
    assert_int_equal(event_count(r, OC_EV_drift_T), 4); // embeddings, two layers, logits
    for (size_t i = 0; i < 4; i++) {
        const oc_ev_drift *v = &event_at(r, OC_EV_drift_T, i)->u.drift;
        assert_int_equal(v->layer, (int)i - 1);
        assert_true(v->max_err == 0.0 && v->sqnr_db == 200.0);
    }
    OK(oc_quantize_model(NULL, q, &MAX, "q", &err));
    recorder_clear(r);
    OK(oc_quantize_drift(&r->job, c->model, q, &e, 1000, "quantized", &err));
    for (size_t i = 0; i < 4; i++) {
        const oc_ev_drift *v = &event_at(r, OC_EV_drift_T, i)->u.drift;
        assert_true(v->max_err > 0 && v->sqnr_db > 15 && v->sqnr_db < 60);
    }
    // What 7 bits cost is seen, in the layers and not in the embeddings.
    oc_model *seven;
    oc_quant_opts o7 = MAX;
    o7.bits7 = true;
    OK(oc_model_dup(c->model, &seven, &err));
    OK(oc_quantize_model(NULL, seven, &o7, "q", &err));
    OK(oc_quantize_drift(&r->job, c->model, seven, &e, 1000, "seven", &err));
    for (size_t i = 0; i < 4; i++) {
        double of8 = event_at(r, OC_EV_drift_T, i)->u.drift.sqnr_db;
        double of7 = event_at(r, OC_EV_drift_T, 4 + i)->u.drift.sqnr_db;
        assert_true(i == 0 ? of7 == of8 : of7 < of8 - 0.5);
    }
    oc_model_free(seven);
    // And of int8 attention, in all layers but the last.
    oc_quant_opts with = MAX;
    with.attn_s8 = true;
    OK(oc_model_dup(c->model, &seven, &err));
    OK(oc_quantize_model(NULL, seven, &with, "q", &err));
    OK(oc_quantize_drift(&r->job, c->model, seven, &e, 1000, "attention", &err));
    for (size_t i = 0; i < 4; i++) {
        double without = event_at(r, OC_EV_drift_T, i)->u.drift.sqnr_db;
        double now = event_at(r, OC_EV_drift_T, 8 + i)->u.drift.sqnr_db;
        assert_true(i == 0 ? now == without : now != without && now > without - 3.0);
    }
    oc_model_free(seven);
    // Embeddings are only rounded weights; later layers add the rounding of activations.
    assert_true(event_at(r, OC_EV_drift_T, 0)->u.drift.sqnr_db >
                event_at(r, OC_EV_drift_T, 2)->u.drift.sqnr_db);
    oc_dims other = small_dims(1, 32, 2, 64, 3);
    oc_checkpoint *o = checkpoint_new(&other, 5, 10);
    FAILS(OC_SHAPE, "L2", oc_quantize_drift(&r->job, c->model, o->model, &e, 5, "x", &err));
    oc_checkpoint_free(o);
    oc_model_free(q);
    oc_encoded_release(&e);
    oc_dataset_release(&d);
    oc_checkpoint_free(c);
    recorder_free(r);
}

static void test_options(void **state)
{
    (void)state;
    oc_settings s;
    oc_quant_opts o;
    oc_settings_init(&s);
    OK(oc_quant_opts_from(&s, &o, &err));
    assert_int_equal(o.clip, OC_CLIP_MAX);
    assert_true(o.embeddings && o.head);
    assert_false(o.bits7);
    assert_false(o.attn_s8);
    OK(oc_settings_set(&s, "quant.attention", "int8", &err));
    OK(oc_settings_set(&s, "quant.bits", "7", &err));
    FAILS(OC_USAGE, "quant.bits", oc_settings_set(&s, "quant.bits", "6", &err));
    FAILS(OC_USAGE, "quant.bits", oc_settings_set(&s, "quant.bits", "9", &err));
    OK(oc_settings_set(&s, "quant.clip", "mse", &err));
    OK(oc_settings_set(&s, "quant.embeddings", "off", &err));
    OK(oc_quant_opts_from(&s, &o, &err));
    assert_int_equal(o.clip, OC_CLIP_MSE);
    assert_true(o.bits7 && o.attn_s8);
    assert_false(o.embeddings);
    oc_strlcpy(s.quant_clip, "entropy", sizeof s.quant_clip);
    FAILS(OC_USAGE, "entropy", oc_quant_opts_from(&s, &o, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channel_by_hand),
        cmocka_unit_test(test_channel_of_7_bits),
        cmocka_unit_test(test_channel_of_zeros),
        cmocka_unit_test(test_percentile),
        cmocka_unit_test(test_percentile_of_a_sparse_channel),
        cmocka_unit_test(test_mse_is_no_worse_than_max),
        cmocka_unit_test(test_mse_clips_an_outlier),
        cmocka_unit_test(test_model),
        cmocka_unit_test_prestate(test_model, &as_distilbert),
        cmocka_unit_test(test_choices_on_disk),
        cmocka_unit_test(test_what_is_quantized),
        cmocka_unit_test(test_zeros_survive),
        cmocka_unit_test(test_same_for_any_threads),
        cmocka_unit_test(test_nan_and_memory),
        cmocka_unit_test(test_drift),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, select_kernels, NULL);
}
