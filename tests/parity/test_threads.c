/*
 * Same bits whatever the number of workers, the company a note has in its batch, and (integer path)
 * the instruction set.
 */
#include "tests/grad/tiny.h"

#include <math.h>
#include <string.h>

#include "core/base/par.h"
#include "core/nn/adamw.h"
#include "core/nn/loss.h"

#define MAX_WORKERS 3
#define NOTES       5
#define ROWS        331
#define LONGEST     120

/* Large enough that products, attention and row loops are cut into pieces; odd in every letter. */
static oc_dims wide_dims(void)
{
    return (oc_dims){.L = 3,
                     .H = 72,
                     .D = 26,
                     .V = 90,
                     .P = 130,
                     .S = 2,
                     .K = 3,
                     .A = {3, 1, 2},
                     .F = {100, 47, 160},
                     .eps = 1e-12f,
                     .act = OC_ACT_GELU,
                     .p_hidden = 0.1f,
                     .p_attn = 0.1f,
                     .p_cls = 0.1f};
}

typedef struct notes {
    oc_batch batch;
    int32_t start[NOTES + 1], ids[ROWS], types[ROWS];
    uint8_t mask[ROWS];
} notes;

static void make_notes(notes *n)
{
    static const int32_t start[NOTES + 1] = {0, 120, 121, 201, 228, ROWS};
    memcpy(n->start, start, sizeof start);
    for (int b = 0; b < NOTES; b++) {
        for (int32_t r = start[b]; r < start[b + 1]; r++) {
            uint64_t u = oc_rng_at(3, (uint64_t)r);
            n->ids[r] = (int32_t)(u % 90);
            n->types[r] = (int32_t)(u >> 20 & 1);
            n->mask[r] = r == start[b] || (u >> 30 & 7) != 0;
        }
    }
    n->batch = (oc_batch){.B = NOTES,
                          .N = ROWS,
                          .start = n->start,
                          .ids = n->ids,
                          .types = n->types,
                          .mask = n->mask};
}

static oc_bert *new_bert(const oc_model *m, bool train, bool keep_hidden)
{
    oc_limits lim = {.max_B = NOTES,
                     .max_N = ROWS,
                     .max_T = LONGEST,
                     .train = train,
                     .keep_hidden = keep_hidden};
    oc_bert *b;
    oc_err err = {0};
    if (oc_bert_new(m, &lim, &b, &err) != OC_OK)
        fail_msg("%s", err.msg);
    return b;
}

/* All hidden states, pooled and logits of one forward, in one array. */
static int64_t forward_floats(const oc_dims *d)
{
    return (int64_t)(d->L + 1) * ROWS * d->H + (int64_t)NOTES * d->H + (int64_t)NOTES * d->K;
}

static void forward_all(const oc_model *m, const oc_batch *batch, float *out)
{
    int64_t NH = batch->N * m->dims.H, BH = batch->B * m->dims.H;
    oc_bert *b = new_bert(m, false, true);
    oc_bert_forward(b, batch, NULL, out + (m->dims.L + 1) * NH + BH);
    for (int32_t i = 0; i <= m->dims.L; i++)
        memcpy(out + i * NH, oc_bert_hidden(b, i), (size_t)NH * sizeof *out);
    memcpy(out + (m->dims.L + 1) * NH, oc_bert_pooled(b), (size_t)BH * sizeof *out);
    oc_bert_free(b);
}

static void quantize_all(oc_model *m)
{
    for (int32_t i = 0; i < m->layout.n; i++)
        if (oc_kind_decays(m->layout.param[i].kind))
            tiny_quantize(m, i);
}

/* Every second matrix, so that f32 and int8 meet in every order. */
static void quantize_some(oc_model *m)
{
    int32_t seen = 0;
    for (int32_t i = 0; i < m->layout.n; i++)
        if (oc_kind_decays(m->layout.param[i].kind) && seen++ % 2)
            tiny_quantize(m, i);
}

static void check_forward(oc_model *m)
{
    notes n;
    int64_t floats = forward_floats(&m->dims);
    float *one = oc_alloc((size_t)floats * sizeof *one);
    float *more = oc_alloc((size_t)floats * sizeof *more);
    assert_true(one && more);
    make_notes(&n);
    for (int w = 1; w <= MAX_WORKERS; w++) {
        oc_par_set_workers(w);
        forward_all(m, &n.batch, w == 1 ? one : more);
        if (w > 1)
            assert_memory_equal(one, more, (size_t)floats * sizeof *one);
    }
    oc_par_set_workers(0);
    oc_free(one);
    oc_free(more);
}

static void test_forward(void **state)
{
    (void)state;
    oc_dims d = wide_dims();
    oc_model *m = tiny_model(&d, 1), *some;
    oc_err err = {0};
    assert_int_equal(oc_model_dup(m, &some, &err), OC_OK);
    check_forward(m);
    quantize_some(some);
    check_forward(some);
    quantize_all(m);
    check_forward(m);
    m->attn_s8 = some->attn_s8 = true;
    check_forward(m);
    check_forward(some);
    oc_model_free(some);
    oc_model_free(m);
}

/* Three steps from the same weights; gradients of the last step, weights and logits into out. */
static void train(float *out)
{
    oc_dims d = wide_dims();
    oc_model *m = tiny_model(&d, 2);
    notes n;
    make_notes(&n);
    int64_t floats = m->layout.n_floats;
    float *moments = oc_calloc((size_t)(2 * floats), sizeof *moments), z[NOTES * 3];
    assert_non_null(moments);
    static const int32_t y[NOTES] = {0, 2, 1, 1, 0};
    const oc_adamw o = {
        .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};
    oc_bert *b = new_bert(m, true, false);
    for (int64_t s = 0; s < 3; s++) {
        oc_dropout drop = {.seed = 11, .step = (uint64_t)s};
        float dz[NOTES * 3] = {0};
        oc_bert_forward(b, &n.batch, &drop, z);
        oc_loss_ce(z, y, NULL, NOTES, 3, 1.0, dz);
        memset(out, 0, (size_t)floats * sizeof *out);
        oc_bert_backward(b, &n.batch, &drop, dz, out);
        double norm = oc_grad_norm(out, floats);
        oc_adamw_step(&o, s + 1, &m->layout, m->slab, out, 1.0 / norm, moments, moments + floats,
                      NULL);
    }
    memcpy(out + floats, m->slab, (size_t)floats * sizeof *out);
    memcpy(out + 2 * floats, z, sizeof z);
    oc_bert_free(b);
    oc_free(moments);
    oc_model_free(m);
}

static void test_training(void **state)
{
    (void)state;
    oc_dims d = wide_dims();
    oc_layout lo;
    oc_err err = {0};
    assert_int_equal(oc_layout_init(&lo, &d, &err), OC_OK);
    size_t floats = (size_t)(2 * lo.n_floats + NOTES * 3);
    float *one = oc_alloc(floats * sizeof *one), *more = oc_alloc(floats * sizeof *more);
    assert_true(one && more);
    for (int w = 1; w <= MAX_WORKERS; w++) {
        oc_par_set_workers(w);
        train(w == 1 ? one : more);
        if (w > 1)
            assert_memory_equal(one, more, floats * sizeof *one);
    }
    oc_par_set_workers(0);
    oc_free(one);
    oc_free(more);
    oc_layout_release(&lo);
}

/* A note gets the same logits and hidden states alone as in company. */
static void check_alone(const oc_model *m)
{
    notes n;
    int64_t H = m->dims.H, K = m->dims.K;
    float z[NOTES * 3], z1[3];
    make_notes(&n);
    oc_bert *all = new_bert(m, false, true), *one = new_bert(m, false, true);
    oc_bert *quick = new_bert(m, false, false);
    oc_bert_forward(all, &n.batch, NULL, z);
    for (int b = 0; b < NOTES; b++) {
        int32_t r0 = n.start[b], len = n.start[b + 1] - r0;
        const int32_t start[2] = {0, len};
        oc_batch alone = {.B = 1,
                          .N = len,
                          .start = start,
                          .ids = n.ids + r0,
                          .types = n.types + r0,
                          .mask = n.mask + r0};
        oc_bert_forward(one, &alone, NULL, z1);
        assert_memory_equal(z1, z + b * K, (size_t)K * sizeof *z);
        for (int32_t i = 0; i <= m->dims.L; i++)
            assert_memory_equal(oc_bert_hidden(one, i), oc_bert_hidden(all, i) + r0 * H,
                                (size_t)(len * H) * sizeof *z);
        oc_bert_forward(quick, &alone, NULL, z1);
        assert_memory_equal(z1, z + b * K, (size_t)K * sizeof *z);
    }
    float z2[NOTES * 3]; // and in company, over the [CLS] rows only
    oc_bert_forward(quick, &n.batch, NULL, z2);
    assert_memory_equal(z, z2, sizeof z);
    oc_err err = {0}; // layers packed in each other's place
    memset(z2, 0xff, sizeof z2);
    assert_int_equal(oc_bert_once(m, &n.batch, NULL, z2, &err), OC_OK);
    assert_memory_equal(z, z2, sizeof z);
    oc_bert_free(all);
    oc_bert_free(one);
    oc_bert_free(quick);
}

static void test_alone(void **state)
{
    (void)state;
    oc_dims d = wide_dims();
    oc_model *m = tiny_model(&d, 3), *some;
    assert_int_equal(oc_model_dup(m, &some, NULL), OC_OK);
    check_alone(m);
    quantize_some(some);
    check_alone(some);
    quantize_all(m);
    check_alone(m);
    m->attn_s8 = some->attn_s8 = true;
    check_alone(m);
    check_alone(some);
    oc_model_free(some);
    oc_model_free(m);
}

static void count_layers(void *ctx, int32_t done, int32_t layers)
{
    int32_t *next = ctx;
    assert_int_equal(done, *next);
    assert_int_equal(layers, 3);
    ++*next;
}

/* Whoever asks is told each layer, in order, and that all are done. */
static void test_packing_is_told(void **state)
{
    (void)state;
    oc_dims d = wide_dims();
    oc_model *m = tiny_model(&d, 3);
    notes n;
    make_notes(&n);
    int32_t next = 0;
    const oc_pack_watch watch = {count_layers, &next};
    oc_limits lim = {.max_B = 1, .max_N = 9, .max_T = 9, .watch = &watch};
    oc_bert *b;
    assert_int_equal(oc_bert_new(m, &lim, &b, NULL), OC_OK);
    assert_int_equal(next, 4);
    oc_bert_free(b);
    float z[NOTES * 3];
    next = 0;
    assert_int_equal(oc_bert_once(m, &n.batch, &watch, z, NULL), OC_OK);
    assert_int_equal(next, 4);
    oc_model_free(m);
}

/* What a masked key holds cannot be seen by any other row. */
static void check_masked_keys(const oc_model *m)
{
    notes n;
    float z[NOTES * 3], z2[NOTES * 3];
    make_notes(&n);
    oc_bert *b = new_bert(m, false, false);
    oc_bert_forward(b, &n.batch, NULL, z);
    int changed = 0;
    for (int32_t r = 0; r < ROWS; r++) {
        if (!n.mask[r]) {
            n.ids[r] = (n.ids[r] + 1) % 90;
            changed++;
        }
    }
    assert_true(changed > 10);
    oc_bert_forward(b, &n.batch, NULL, z2);
    assert_memory_equal(z, z2, sizeof z);
    n.batch.mask = NULL; // all keys on: seen
    oc_bert_forward(b, &n.batch, NULL, z2);
    assert_memory_not_equal(z, z2, sizeof z);
    oc_bert_free(b);
}

static void test_masked_keys(void **state)
{
    (void)state;
    oc_dims d = wide_dims();
    oc_model *m = tiny_model(&d, 4);
    check_masked_keys(m);
    quantize_all(m);
    m->attn_s8 = true;
    check_masked_keys(m);
    oc_model_free(m);
}

/* Largest difference. */
static double apart(const float *a, const float *b, int64_t n)
{
    double most = 0.0;
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* The tables of all instruction sets give the same bits, f32 and integer; but f32 layers on a matrix
 * unit come as near as f32 allows. */
static void check_isas(const oc_model *m)
{
    const oc_kernels *used = oc_k;
    notes n;
    int64_t floats = forward_floats(&m->dims);
    float *ref = oc_alloc((size_t)floats * sizeof *ref);
    float *simd = oc_alloc((size_t)floats * sizeof *simd);
    assert_true(ref && simd);
    make_notes(&n);
    oc_k = oc_kernels_for(OC_ISA_REF);
    forward_all(m, &n.batch, ref);
    for (int isa = OC_ISA_REF + 1; isa < OC_N_ISAS; isa++) {
        oc_k = oc_kernels_for((oc_isa)isa);
        if (!oc_k) {
            print_message("no %s here\n", oc_isa_name((oc_isa)isa));
            continue;
        }
        forward_all(m, &n.batch, simd);
        if (oc_k->x6_tile && oc_model_is_f32(m)) {
            double most = apart(ref, simd, floats);
            print_message("%s: f32 within %.1e\n", oc_isa_name((oc_isa)isa), most);
            assert_true(most < 1e-4); // observed 3.2e-5: softmax over scores of size 10 magnifies
            continue;
        }
        assert_memory_equal(ref, simd, (size_t)floats * sizeof *ref);
    }
    oc_k = used;
    oc_free(ref);
    oc_free(simd);
}

static void test_isas(void **state)
{
    (void)state;
    oc_dims d = wide_dims();
    oc_model *m = tiny_model(&d, 5);
    check_isas(m);
    quantize_all(m);
    check_isas(m);
    m->attn_s8 = true;
    check_isas(m);
    m->attn_s8 = false;
    for (int32_t i = 0; i < m->layout.n; i++) // all of 7 bits
        for (int64_t k = 0; m->w[i].q && k < m->layout.param[i].n; k++)
            ((int8_t *)m->w[i].own)[k] /= 2;
    check_isas(m);
    const oc_param *key = oc_layout_at(&m->layout, OC_P_K_W, 1); // all but a third of one product
    ((int8_t *)m->w[key - m->layout.param].own)[5] = -127;
    check_isas(m);
    oc_model_free(m);
}

/*
 * Quantizing every weight moves the logits, but not far: with matrices of a trained network's size
 * (softmax over scores of size 1, not 10) by about one part in a hundred.
 */
static void test_int8_is_near_f32(void **state)
{
    (void)state;
    oc_dims d = wide_dims();
    oc_model *m = tiny_model(&d, 6);
    notes n;
    float z[NOTES * 3], z8[NOTES * 3];
    make_notes(&n);
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        for (int64_t k = 0; oc_kind_is_matrix(p->kind) && k < p->n; k++)
            oc_model_edit(m, i)[k] *= 0.3f;
    }
    oc_bert *b = new_bert(m, false, false);
    oc_bert_forward(b, &n.batch, NULL, z);
    oc_bert_free(b);
    double largest = 0.0;
    for (int i = 0; i < NOTES * 3; i++)
        largest = fmax(largest, fabs((double)z[i]));
    for (int attn_s8 = 0; attn_s8 < 3; attn_s8++) {
        m->attn_s8 = attn_s8 != 1;
        if (attn_s8 == 1)
            quantize_all(m);
        b = new_bert(m, false, false);
        oc_bert_forward(b, &n.batch, NULL, z8);
        oc_bert_free(b);
        double worst = apart(z, z8, NOTES * 3);
        print_message("%s, %s attention: logits up to %.2f, moved by at most %.4f\n",
                      attn_s8 ? "int8" : "f32", m->attn_s8 ? "int8" : "f32", largest, worst);
        assert_true(worst > 0.0 && worst < (attn_s8 ? 0.05 : 0.01) * largest);
    }
    oc_model_free(m);
}

int main(void)
{
    oc_err err = {0};
    if (oc_kernels_select(&err) != OC_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_training),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_packing_is_told),
        cmocka_unit_test(test_masked_keys),
        cmocka_unit_test(test_isas),
        cmocka_unit_test(test_int8_is_near_f32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
