/*
 * Shapes, names, weights and plans: what must hold before any arithmetic starts.
 */
#include "tests/grad/tiny.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/par.h"

/* A call that must fail with `st` and say `text`. */
#define EXPECT_FAIL(call, st, text)                                 \
    do {                                                            \
        oc_err e_ = {0};                                            \
        oc_err *err = &e_;                                          \
        assert_int_equal((call), (st));                             \
        assert_int_equal(e_.status, (st));                          \
        if (!strstr(e_.msg, (text)))                                \
            fail_msg("\"%s\" does not say \"%s\"", e_.msg, (text)); \
    } while (0)

static void test_dims_check(void **state)
{
    (void)state;
    const oc_dims good = tiny_dims();
    assert_int_equal(oc_dims_check(&good, NULL), OC_OK);
    const struct {
        size_t at;
        const char *text;
    } field[] = {
        {offsetof(oc_dims, L), "layers (L)"},
        {offsetof(oc_dims, H), "hidden size (H)"},
        {offsetof(oc_dims, D), "head size (D)"},
        {offsetof(oc_dims, V), "vocabulary"},
        {offsetof(oc_dims, P), "positions (P)"},
        {offsetof(oc_dims, S), "token types (S)"},
        {offsetof(oc_dims, K), "classes (K)"},
        {offsetof(oc_dims, A) + 4, "layer 1: number of heads"},
        {offsetof(oc_dims, F) + 4, "layer 1: FFN width"},
    };
    const int32_t bad[3] = {0, -1, INT32_MAX};
    for (int i = 0; i < OC_COUNT(field); i++) {
        for (int j = 0; j < 3; j++) {
            oc_dims d = good;
            memcpy((char *)&d + field[i].at, &bad[j], sizeof bad[j]);
            EXPECT_FAIL(oc_dims_check(&d, err), OC_SHAPE, field[i].text);
        }
    }
    oc_dims d = good;
    d.eps = NAN;
    EXPECT_FAIL(oc_dims_check(&d, err), OC_SHAPE, "eps is nan");
    d = good;
    d.p_attn = 1.0f;
    EXPECT_FAIL(oc_dims_check(&d, err), OC_SHAPE, "attention dropout is 1");
    d = good;
    d.p_hidden = -0.5f;
    EXPECT_FAIL(oc_dims_check(&d, err), OC_SHAPE, "hidden dropout is -0.5");
    d = good;
    d.p_cls = NAN;
    EXPECT_FAIL(oc_dims_check(&d, err), OC_SHAPE, "classifier dropout");
}

/* BERT-base: the published number of parameters, and names as the checkpoints have them. */
static void test_layout_of_bert_base(void **state)
{
    (void)state;
    oc_dims d = {.L = 12, .H = 768, .D = 64, .V = 30522, .P = 512, .S = 2, .K = 2, .eps = 1e-12f};
    for (int l = 0; l < 12; l++) {
        d.A[l] = 12;
        d.F[l] = 3072;
    }
    oc_layout lo;
    assert_int_equal(oc_layout_init(&lo, &d, NULL), OC_OK);
    assert_int_equal(lo.n, 5 + 12 * 16 + 4);
    assert_int_equal(lo.n_floats, 109482240 + 2 * 768 + 2);
    int64_t at = 0;
    for (int32_t i = 0; i < lo.n; i++) {
        assert_int_equal(lo.param[i].offset, at);
        assert_int_equal(lo.param[i].n, lo.param[i].rows * lo.param[i].cols);
        at += lo.param[i].n;
    }
    assert_int_equal(at, lo.n_floats);
    assert_string_equal(lo.param[0].name, "bert.embeddings.word_embeddings.weight");
    assert_string_equal(oc_layout_at(&lo, OC_P_Q_B, 11)->name,
                        "bert.encoder.layer.11.attention.self.query.bias");
    assert_string_equal(oc_layout_at(&lo, OC_P_F2_W, 0)->name,
                        "bert.encoder.layer.0.output.dense.weight");
    assert_int_equal(oc_layout_at(&lo, OC_P_F2_W, 0)->cols, 3072);
    assert_int_equal(oc_layout_at(&lo, OC_P_F1_W, 5)->rows, 3072);
    assert_string_equal(lo.param[lo.n - 1].name, "classifier.bias");
    assert_ptr_equal(oc_layout_at(&lo, OC_P_POOL_W, 7), oc_layout_at(&lo, OC_P_POOL_W, -1));
    assert_null(oc_layout_at(&lo, OC_P_Q_W, 12));
    assert_null(oc_layout_at(&lo, OC_P_Q_W, -1));
    oc_layout_release(&lo);
}

/* DistilBERT: distilbert-base-uncased's number of parameters (its head with 2 labels) and names. */
static void test_layout_of_distilbert_base(void **state)
{
    (void)state;
    oc_dims d = {.arch = OC_ARCH_DISTILBERT,
                 .L = 6,
                 .H = 768,
                 .D = 64,
                 .V = 30522,
                 .P = 512,
                 .K = 2,
                 .eps = 1e-12f};
    for (int l = 0; l < d.L; l++) {
        d.A[l] = 12;
        d.F[l] = 3072;
    }
    oc_layout lo;
    assert_int_equal(oc_layout_init(&lo, &d, NULL), OC_OK);
    assert_int_equal(lo.n, 4 + 6 * 16 + 4);
    assert_int_equal(lo.n_floats, 66955010); // transformers: num_parameters()
    assert_null(oc_layout_at(&lo, OC_P_TYPE, -1));
    assert_string_equal(oc_layout_at(&lo, OC_P_Q_W, 5)->name,
                        "distilbert.transformer.layer.5.attention.q_lin.weight");
    assert_string_equal(oc_layout_at(&lo, OC_P_LN1_G, 0)->name,
                        "distilbert.transformer.layer.0.sa_layer_norm.weight");
    assert_string_equal(oc_layout_at(&lo, OC_P_POOL_B, -1)->name, "pre_classifier.bias");
    assert_int_equal(lo.index[OC_MAX_LAYERS][OC_P_EMB_LN_B],
                     lo.index[OC_MAX_LAYERS][OC_P_EMB_LN_G] + 1);
    oc_layout_release(&lo);
    d.S = 2;
    EXPECT_FAIL(oc_layout_init(&lo, &d, err), OC_SHAPE, "DistilBERT has none");
    d.arch = OC_N_ARCHS;
    EXPECT_FAIL(oc_layout_init(&lo, &d, err), OC_SHAPE, "architecture 2");
}

static void test_kinds(void **state)
{
    (void)state;
    int matrices = 0, embeddings = 0, decaying = 0;
    for (int k = 0; k < OC_N_KINDS; k++) {
        matrices += oc_kind_is_matrix((oc_kind)k);
        embeddings += oc_kind_is_embedding((oc_kind)k);
        decaying += oc_kind_decays((oc_kind)k);
        assert_true(strlen(oc_kind_short((oc_kind)k)) > 0);
    }
    assert_int_equal(matrices, 8);
    assert_int_equal(embeddings, 3);
    assert_int_equal(decaying, 11);
    assert_true(oc_kind_per_layer(OC_P_LN2_B) && !oc_kind_per_layer(OC_P_POOL_W));
    assert_string_equal(oc_kind_short(OC_P_F1_W), "ffn.in");
}

static void test_init(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    d.V = 2000;
    oc_model *m, *n;
    assert_int_equal(oc_model_new(&d, &m, NULL), OC_OK);
    assert_int_equal(oc_model_new(&d, &n, NULL), OC_OK);
    for (int64_t i = 0; i < m->layout.n_floats; i++)
        assert_true(m->slab[i] == 0.0f);
    oc_model_init(m, 5);
    oc_model_init(n, 5);
    assert_memory_equal(m->slab, n->slab, (size_t)m->layout.n_floats * sizeof *m->slab);
    const oc_weight *word = oc_model_at(m, OC_P_WORD, -1);
    double sum = 0.0, square = 0.0, count = 1999.0 * d.H;
    for (int64_t i = 0; i < 2000 * d.H; i++) {
        assert_true(i >= d.H || word->f32[i] == 0.0f); // [PAD]
        sum += (double)word->f32[i];
        square += (double)word->f32[i] * (double)word->f32[i];
    }
    assert_true(fabs(sum / count) < 0.0005 && fabs(sqrt(square / count) - 0.02) < 0.0005);
    assert_true(oc_model_at(m, OC_P_LN2_G, 1)->f32[3] == 1.0f);
    assert_true(oc_model_at(m, OC_P_LN2_B, 1)->f32[3] == 0.0f);
    assert_true(oc_model_at(m, OC_P_F1_B, 0)->f32[0] == 0.0f);
    // Layers are not copies of each other.
    assert_true(oc_model_at(m, OC_P_K_W, 0)->f32[0] != oc_model_at(m, OC_P_K_W, 1)->f32[0]);

    oc_model_init_head(n, false, 6);
    int64_t head = oc_layout_at(&m->layout, OC_P_CLS_W, -1)->offset;
    assert_memory_equal(m->slab, n->slab, (size_t)head * sizeof *m->slab);
    assert_true(m->slab[head] != n->slab[head]);
    float pooler = oc_model_at(n, OC_P_POOL_W, -1)->f32[0];
    oc_model_init_head(n, true, 6);
    assert_true(pooler != oc_model_at(n, OC_P_POOL_W, -1)->f32[0]);
    oc_model_free(m);
    oc_model_free(n);
}

static void test_dup_and_quantized(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    oc_model *m = tiny_model(&d, 1), *c;
    int32_t i = m->layout.index[1][OC_P_F1_W];
    const oc_param *p = &m->layout.param[i];
    oc_model_edit(m, i)[7] = 0.0f;
    assert_int_equal(oc_model_zeros(m, i), 1);
    assert_true(oc_model_is_f32(m));
    assert_int_equal(oc_model_params(m), m->layout.n_floats);
    tiny_quantize(m, i);
    assert_false(oc_model_is_f32(m));
    assert_true(oc_model_zeros(m, i) >= 1);
    assert_int_equal(oc_model_dup(m, &c, NULL), OC_OK);
    assert_true(c->w[i].q && c->w[i].q != m->w[i].q && !c->w[i].f32);
    assert_memory_equal(c->w[i].q, m->w[i].q, (size_t)p->n);
    assert_memory_equal(c->w[i].scale, m->w[i].scale, (size_t)p->rows * sizeof(float));
    assert_memory_equal(c->w[0].f32, m->w[0].f32, (size_t)m->layout.param[0].n * sizeof(float));
    assert_ptr_not_equal(c->w[0].f32, m->w[0].f32);
    int8_t *q = oc_calloc((size_t)p->n, 1); // replacing int8 by int8 frees the old
    float *scale = oc_calloc((size_t)p->rows, sizeof *scale);
    assert_true(q && scale);
    oc_model_set_q8(c, i, q, scale);
    assert_int_equal(oc_model_zeros(c, i), p->n);
    oc_model_free(c);
    oc_model_free(m);
    oc_model_free(NULL);
}

static void test_limits(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    oc_model *m = tiny_model(&d, 1);
    oc_bert *b = NULL;
    oc_limits lim = tiny_limits(false);
    lim.max_T = d.P + 1;
    EXPECT_FAIL(oc_bert_new(m, &lim, &b, err), OC_SHAPE, "10 tokens are longer than the model's 9");
    assert_int_equal(oc_bert_plan(m, &lim), 0);
    lim = tiny_limits(false);
    lim.max_B = 0;
    EXPECT_FAIL(oc_bert_new(m, &lim, &b, err), OC_SHAPE, "0 notes");
    lim = tiny_limits(false);
    lim.max_N = 3;
    EXPECT_FAIL(oc_bert_new(m, &lim, &b, err), OC_SHAPE, "4 notes, 3 rows");
    lim.max_N = (int64_t)1 << 31;
    EXPECT_FAIL(oc_bert_new(m, &lim, &b, err), OC_SHAPE, "2147483648 rows");
    assert_null(b);
    oc_model_free(m);
}

/* The largest plan there can be: refused with its size, in bytes that did not wrap. */
static void test_huge_plan(void **state)
{
    (void)state;
    oc_dims d = {.L = OC_MAX_LAYERS,
                 .H = 64,
                 .D = 1024,
                 .V = 10,
                 .P = 1 << 20,
                 .S = 1,
                 .K = 2,
                 .eps = 1e-12f};
    for (int l = 0; l < d.L; l++) {
        d.A[l] = 1;
        d.F[l] = 64;
    }
    oc_model *m;
    oc_bert *b = NULL;
    assert_int_equal(oc_model_new(&d, &m, NULL), OC_OK);
    oc_limits lim = {.max_B = INT32_MAX, .max_N = INT32_MAX, .max_T = 4096, .train = true};
    size_t bytes = oc_bert_plan(m, &lim);
    // Four [N,AD] buffers a layer alone.
    assert_true(bytes > (size_t)47 * 4 * INT32_MAX * 1024 * sizeof(float));
    char text[32];
    snprintf(text, sizeof text, "%zu bytes", bytes);
    EXPECT_FAIL(oc_bert_new(m, &lim, &b, err), OC_NOMEM, text);
    assert_null(b);
    oc_model_free(m);
}

static void test_quantized_limits(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    oc_model *m = tiny_model(&d, 1);
    oc_bert *b = NULL;
    oc_limits lim = tiny_limits(true);
    tiny_quantize(m, m->layout.index[0][OC_P_O_W]);
    EXPECT_FAIL(oc_bert_new(m, &lim, &b, err), OC_UNSUPPORTED,
                "bert.encoder.layer.0.attention.output.dense.weight is int8");
    lim.train = false;
    tiny_quantize(m, m->layout.index[1][OC_P_LN1_G]);
    EXPECT_FAIL(oc_bert_new(m, &lim, &b, err), OC_UNSUPPORTED,
                "bert.encoder.layer.1.attention.output.LayerNorm.weight is int8");
    assert_null(b);
    oc_model_free(m);
}

static void expect_batch(const oc_batch *batch, oc_status st, const char *text)
{
    oc_dims d = tiny_dims();
    oc_limits lim = tiny_limits(false);
    if (st == OC_OK)
        assert_int_equal(oc_batch_check(batch, &d, &lim, NULL), OC_OK);
    else
        EXPECT_FAIL(oc_batch_check(batch, &d, &lim, err), st, text);
}

static void test_batch_check(void **state)
{
    (void)state;
    const oc_batch good = tiny_batch();
    int32_t start[TINY_B + 1], ids[TINY_N], types[TINY_N];
    uint8_t mask[TINY_N];
    memcpy(start, good.start, sizeof start);
    memcpy(ids, good.ids, sizeof ids);
    memcpy(types, good.types, sizeof types);
    memcpy(mask, good.mask, sizeof mask);
    oc_batch b = {
        .B = TINY_B, .N = TINY_N, .start = start, .ids = ids, .types = types, .mask = mask};
    expect_batch(&b, OC_OK, "");
    ids[12] = 20;
    expect_batch(&b, OC_RANGE, "note 2, token 2: id 20 is outside 0..19");
    ids[12] = -1;
    expect_batch(&b, OC_RANGE, "note 2, token 2: id -1");
    ids[12] = 0;
    types[21] = 2;
    expect_batch(&b, OC_RANGE, "note 3, token 6: type 2 is outside 0..1");
    b.types = NULL;
    expect_batch(&b, OC_OK, "");
    mask[9] = 0;
    expect_batch(&b, OC_RANGE, "note 1 of the batch masks all its 1 tokens");
    b.mask = NULL;
    expect_batch(&b, OC_OK, "");
    start[1] = 10; // note 0: ten tokens; note 1: none
    expect_batch(&b, OC_SHAPE, "note 0 of the batch has 10 tokens, expected 1..9");
    start[1] = 9;
    start[2] = 9;
    expect_batch(&b, OC_SHAPE, "note 1 of the batch has 0 tokens");
    start[2] = 1000;
    expect_batch(&b, OC_SHAPE, "note 1 of the batch ends at row 1000 of 22");
    start[2] = -4;
    expect_batch(&b, OC_SHAPE, "note 1 of the batch ends at row -4");
    start[2] = 10;
    start[4] = 21;
    expect_batch(&b, OC_SHAPE, "span rows 0..21, expected 0..22");
    start[4] = 22;
    start[0] = 1;
    expect_batch(&b, OC_SHAPE, "span rows 1..22");
    start[0] = 0;
    b.B = 5;
    expect_batch(&b, OC_SHAPE, "5 notes");
    b.B = 0;
    expect_batch(&b, OC_SHAPE, "0 notes");
}

/* Fail the first, second, ... allocation until the calls succeed; nothing may leak (ASan). */
static void test_out_of_memory(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    oc_limits lim = tiny_limits(true), quick = tiny_limits(false);
    oc_batch batch = tiny_batch();
    float z[TINY_B * 3];
    oc_model *m, *c;
    oc_bert *b;
    int failures = 0;
    oc_model *source = tiny_model(&d, 1);
    for (int32_t i = 0; i < source->layout.n; i += 7)
        tiny_quantize(source, i);
    for (int64_t n = 1;; n++) {
        oc_err err = {0};
        m = c = NULL;
        b = NULL;
        oc_alloc_fail_at(n);
        oc_status st = oc_model_new(&d, &m, &err);
        if (st == OC_OK)
            st = oc_bert_new(m, n % 2 ? &lim : &quick, &b, &err);
        if (st == OC_OK)
            st = oc_bert_once(m, &batch, NULL, z, &err);
        if (st == OC_OK)
            st = oc_model_dup(source, &c, &err);
        oc_alloc_fail_at(0);
        if (st != OC_OK) {
            assert_int_equal(st, OC_NOMEM);
            assert_non_null(strstr(err.msg, "out of memory"));
            failures++;
        }
        oc_bert_free(b);
        oc_model_free(m);
        oc_model_free(c);
        if (st == OC_OK)
            break;
    }
    assert_true(failures > 10);
    oc_model_free(source);
    oc_bert_free(NULL);
}

/* The handle and one slab, then nothing. */
static void test_no_allocation_after_the_plan(void **state)
{
    (void)state;
    oc_dims d = tiny_dims();
    oc_model *m = tiny_model(&d, 1);
    oc_limits lim = tiny_limits(true);
    oc_batch batch = tiny_batch();
    oc_bert *b;
    float z[TINY_B * 3], dz[TINY_B * 3] = {1.0f};
    float *grad = oc_calloc((size_t)m->layout.n_floats, sizeof *grad);
    assert_non_null(grad);
    oc_alloc_fail_at(0);
    assert_int_equal(oc_bert_new(m, &lim, &b, NULL), OC_OK);
    assert_int_equal(oc_alloc_count(), 2);
    oc_bert_forward(b, &batch, NULL, z);
    oc_bert_backward(b, &batch, NULL, dz, grad);
    assert_int_equal(oc_alloc_count(), 2);
    oc_bert_free(b);
    oc_free(grad);
    oc_model_free(m);
}

int main(void)
{
    oc_err err = {0};
    if (oc_kernels_select(&err) != OC_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dims_check),
        cmocka_unit_test(test_layout_of_bert_base),
        cmocka_unit_test(test_layout_of_distilbert_base),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_dup_and_quantized),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_huge_plan),
        cmocka_unit_test(test_quantized_limits),
        cmocka_unit_test(test_batch_check),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_no_allocation_after_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
