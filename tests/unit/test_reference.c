/*
 * tests/unit/test_reference.c - references of other implementations, read and compared: what is
 * wrong with one is named, and a changed weight is found at its layer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/io/reference.h"
#include "core/kernels/kernels.h"
#include "core/measure/verify.h"

enum { B = 2, T = 5, H = 8, K = 3, L = 2, N = B * T };
static const oc_dims dims = {.L = L,
                             .H = H,
                             .D = 4,
                             .V = 20,
                             .P = 6,
                             .S = 2,
                             .K = K,
                             .A = {2, 2},
                             .F = {12, 12},
                             .eps = 1e-12f};
static char path[] = "/tmp/oc-ref-XXXXXX";
static oc_err err;
static oc_model *model;
static oc_outputs truth; /* of the notes below */

static const int64_t ids[N] = {2, 5, 6, 7, 3, 2, 9, 3, 0, 0};
static const int64_t mask[N] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0};
static const int64_t types[N] = {0, 0, 1, 1, 1, 0, 0, 0, 0, 0};

static int64_t told;

static void tell(void *ctx, int64_t done, int64_t notes)
{
    (void)ctx;
    told = done == told + 1 && notes == 2 ? done : -100;
}

static int setup(void **state)
{
    (void)state;
    oc_id_notes t = {0};
    const oc_notes_watch watch = {.fn = tell};
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) != 0 || oc_kernels_select(&err) != OC_OK ||
        oc_model_new(&dims, &model, &err) != OC_OK)
        return -1;
    oc_model_init(model, 3);
    for (int32_t i = 0; i < model->layout.n; i++)
        for (int64_t k = 0; k < model->layout.param[i].n; k++)
            oc_model_edit(model, i)[k] *= 8;
    if (oc_id_notes_add(&t, &dims, 5, ids, types, mask, "a", &err) != OC_OK ||
        oc_id_notes_add(&t, &dims, 3, ids + T, types + T, mask + T, "b", &err) != OC_OK ||
        oc_outputs_compute(model, &t, true, &watch, &truth, &err) != OC_OK || told != 2)
        return -1;
    oc_id_notes_release(&t);
    return truth.T == T ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    oc_outputs_release(&truth);
    oc_model_free(model);
    return unlink(path);
}

/* A reference to be: every tensor can be changed, left out (n_dims 0) or added to. */
typedef struct file {
    int n;
    struct {
        const char *name;
        oc_dtype dtype;
        int32_t n_dims;
        int64_t dim[3];
        const void *data;
    } t[12];
} file;

static file whole(void)
{
    return (file){
        .n = 8,
        .t = {{"input_ids", OC_DT_I64, 2, {B, T}, ids},
              {"attention_mask", OC_DT_I64, 2, {B, T}, mask},
              {"token_type_ids", OC_DT_I64, 2, {B, T}, types},
              {"embeddings", OC_DT_F32, 3, {B, T, H}, truth.hidden},
              {"layer.0", OC_DT_F32, 3, {B, T, H}, truth.hidden + N * H},
              {"layer.1", OC_DT_F32, 3, {B, T, H}, truth.hidden + 2 * N * H},
              {"pooled", OC_DT_F32, 2, {B, H}, truth.pooled},
              {"logits", OC_DT_F32, 2, {B, K}, truth.logits}},
    };
}

static void put(const file *f)
{
    oc_st_out *o;
    assert_int_equal(oc_st_out_new(&o, &err), OC_OK);
    for (int i = 0; i < f->n; i++)
        if (f->t[i].n_dims > 0)
            assert_int_equal(oc_st_out_add(o, f->t[i].name, f->t[i].dtype, f->t[i].n_dims,
                                           f->t[i].dim, f->t[i].data, &err),
                             OC_OK);
    assert_int_equal(oc_st_out_write(o, path, NULL, &err), OC_OK);
    oc_st_out_free(o);
}

static oc_verify verify(const file *f)
{
    oc_reference r;
    oc_verify v = {0};
    err = (oc_err){0};
    put(f);
    if (oc_reference_open(path, &dims, &r, &err) != OC_OK ||
        oc_verify_run(model, &r, NULL, &v, &err) != OC_OK)
        fail_msg("%s", err.msg);
    oc_reference_release(&r);
    return v;
}

static void assert_refused(const file *f, const char *part)
{
    oc_reference r;
    err = (oc_err){0};
    put(f);
    oc_status rc = oc_reference_open(path, &dims, &r, &err);
    if (rc != OC_FORMAT || !strstr(err.msg, part) || !strstr(err.msg, path))
        fail_msg("expected \"%s\", got %d \"%s\"", part, rc, err.msg);
}

static void own_outputs(void **state)
{
    (void)state;
    file f = whole();
    oc_verify v = verify(&f);
    assert_int_equal(v.n, L + 3);
    assert_int_equal(v.notes, 2);
    assert_int_equal(v.tokens, 8);
    for (int i = 0; i < v.n; i++)
        assert_true(v.row[i].max_abs == 0 && v.row[i].magnitude > 0);
    assert_null(oc_verify_beyond(&v, 0));
    assert_string_equal(v.row[0].name, "embeddings");
    assert_string_equal(v.row[2].name, "layer.1");
    assert_string_equal(v.row[4].name, "logits");
}

/* As PyTorch has it: names of transformers, narrow types, numbers where the mask is 0. */
static void other_names_and_types(void **state)
{
    (void)state;
    file f = whole();
    int32_t narrow[N];
    uint8_t bits[N];
    double wide[N * H];
    float padded[N * H];
    for (int i = 0; i < N; i++) {
        narrow[i] = (int32_t)ids[i];
        bits[i] = mask[i] != 0;
    }
    memcpy(padded, truth.hidden + N * H, sizeof padded);
    for (int i = 8 * H; i < N * H; i++)
        padded[i] = i % 2 ? (float)NAN : 1e6f;
    for (int i = 0; i < N * H; i++)
        wide[i] = (double)truth.hidden[i];
    f.t[0].dtype = OC_DT_I32;
    f.t[0].data = narrow;
    f.t[1].dtype = OC_DT_BOOL;
    f.t[1].data = bits;
    f.t[3].name = "hidden_states.0";
    f.t[3].dtype = OC_DT_F64;
    f.t[3].data = wide;
    f.t[4].name = "hidden_states.1";
    f.t[4].data = padded;
    f.t[5].name = "hidden_states.2";
    f.t[6].name = "pooler_output";
    oc_verify v = verify(&f);
    assert_int_equal(v.n, L + 3);
    assert_null(oc_verify_beyond(&v, 0));
    // Any subset of outputs, as long as all layers or none are there.
    f = whole();
    f.t[3].n_dims = f.t[4].n_dims = f.t[5].n_dims = f.t[6].n_dims = 0;
    v = verify(&f);
    assert_int_equal(v.n, 1);
    assert_string_equal(v.row[0].name, "logits");
}

static void packed(void **state)
{
    (void)state;
    file f = whole();
    static const int64_t start[B + 1] = {0, 5, 8};
    // Padding is at the end, so that packed rows are the first 8.
    for (int i = 0; i < 6; i++) {
        f.t[i].n_dims--;
        f.t[i].dim[0] = 8;
        f.t[i].dim[1] = H;
    }
    f.t[1].n_dims = 0;
    f.t[f.n].name = "start";
    f.t[f.n].dtype = OC_DT_I64;
    f.t[f.n].n_dims = 1;
    f.t[f.n].dim[0] = B + 1;
    f.t[f.n++].data = start;
    oc_verify v = verify(&f);
    assert_int_equal(v.tokens, 8);
    assert_null(oc_verify_beyond(&v, 0));
    static const int64_t bad[3][B + 1] = {{0, 9, 8}, {1, 5, 8}, {0, INT64_MIN, 8}};
    for (int i = 0; i < 3; i++) {
        f.t[f.n - 1].data = bad[i];
        assert_refused(&f, "start must rise from 0 to the 8 rows");
    }
}

/* The first output that differs names the place, whatever comes after it. */
static void a_changed_weight_is_found(void **state)
{
    (void)state;
    file f = whole();
    static const struct {
        oc_kind kind;
        int32_t layer;
        const char *where;
    } change[] = {{OC_P_EMB_LN_B, -1, "embeddings"},
                  {OC_P_V_W, 0, "layer.0"},
                  {OC_P_F2_B, 1, "layer.1"},
                  {OC_P_POOL_W, -1, "pooled"},
                  {OC_P_CLS_B, -1, "logits"}};
    for (int i = 0; i < OC_COUNT(change); i++) {
        const oc_param *p = oc_layout_at(&model->layout, change[i].kind, change[i].layer);
        float *w = oc_model_edit(model, (int32_t)(p - model->layout.param));
        float was = w[1];
        w[1] += 0.5f;
        oc_verify v = verify(&f);
        w[1] = was;
        const oc_verify_row *r = oc_verify_beyond(&v, 1e-6);
        assert_non_null(r);
        assert_string_equal(r->name, change[i].where);
        assert_true(r->max_abs > 1e-6 && r->note >= 0 && r->unit >= 0);
    }
    // What we compute is no number: never within.
    float *w = oc_model_edit(model, model->layout.index[OC_MAX_LAYERS][OC_P_CLS_B]);
    float was = w[0];
    w[0] = (float)INFINITY;
    oc_verify v = verify(&f);
    w[0] = was;
    assert_true(isnan(v.row[v.n - 1].max_abs));
    assert_ptr_equal(oc_verify_beyond(&v, 1e300), &v.row[v.n - 1]);
}

static void the_place_of_the_largest(void **state)
{
    (void)state;
    file f = whole();
    float moved[N * H];
    memcpy(moved, truth.hidden + N * H, sizeof moved);
    moved[(T + 2) * H + 3] += 0.25f; // note 1, token 2
    moved[(T + 3) * H + 3] += 9;     // masked
    f.t[4].data = moved;
    oc_verify v = verify(&f);
    assert_true(fabs(v.row[1].max_abs - 0.25) < 1e-6);
    assert_int_equal(v.row[1].note, 1);
    assert_int_equal(v.row[1].token, 2);
    assert_int_equal(v.row[1].unit, 3);
}

static void bad_references(void **state)
{
    (void)state;
    int64_t x[N];
    float y[N * H];
    file f = whole();
    f.t[0].n_dims = 0;
    assert_refused(&f, "there is no input_ids");
    f = whole();
    for (int i = 3; i < 8; i++)
        f.t[i].n_dims = 0;
    assert_refused(&f, "no output to compare with");
    f = whole();
    f.t[0].n_dims = 1;
    f.t[0].dim[0] = N;
    assert_refused(&f, "input_ids has 1 dimensions");
    f = whole();
    f.t[0].dtype = OC_DT_F64;
    assert_refused(&f, "has the type F64");
    f = whole();
    f.t[0].dim[0] = 0;
    assert_refused(&f, "no notes");
    f = whole();
    f.t[1].dim[1] = T - 1;
    assert_refused(&f, "attention_mask has another shape");
    f = whole();
    memcpy(x, ids, sizeof x);
    x[3] = 20;
    f.t[0].data = x;
    assert_refused(&f, "note 0: \"input_ids\" entry 4 is 20");
    x[3] = -1;
    assert_refused(&f, "entry 4 is -1");
    f = whole();
    memset(x, 0, sizeof x);
    f.t[1].data = x;
    assert_refused(&f, "all 0");
    f = whole();
    f.t[5].n_dims = 0;
    assert_refused(&f, "hidden states of 1 layers, the last is 0; the model has 2");
    f = whole();
    f.t[5].name = "layer.2";
    assert_refused(&f, "the last is 2");
    f = whole();
    f.t[5].dim[2] = H - 1;
    assert_refused(&f, "tensor layer.1 has a shape that does not fit");
    f = whole();
    f.t[7].dim[1] = K - 1;
    assert_refused(&f, "[2, 3]");
    f = whole();
    f.t[3].dtype = OC_DT_I32;
    assert_refused(&f, "tensor embeddings has the type I32");
    f = whole();
    memcpy(y, truth.hidden, sizeof y);
    y[(T + 1) * H] = (float)NAN;
    f.t[3].data = y;
    assert_refused(&f, "tensor embeddings holds NaN or infinite numbers (note 1)");
    f = whole();
    memcpy(y, truth.logits, sizeof(float) * B * K);
    y[1] = (float)INFINITY;
    f.t[7].data = y;
    assert_refused(&f, "tensor logits holds NaN or infinite numbers (note 0)");
}

static void out_of_memory(void **state)
{
    (void)state;
    file f = whole();
    put(&f);
    for (int64_t fail_at = 1;; fail_at++) {
        oc_reference r;
        err = (oc_err){0};
        oc_alloc_fail_at(fail_at);
        oc_status rc = oc_reference_open(path, &dims, &r, &err);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            oc_reference_release(&r);
            assert_true(fail_at > 5);
            break;
        }
        assert_int_equal(rc, OC_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_outputs),
        cmocka_unit_test(other_names_and_types),
        cmocka_unit_test(packed),
        cmocka_unit_test(a_changed_weight_is_found),
        cmocka_unit_test(the_place_of_the_largest),
        cmocka_unit_test(bad_references),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
