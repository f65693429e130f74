/*
 * tests/unit/test_teachers.c - models from specifications, students, cached logits, ensembles.
 */
#include "tests/unit/compress_testing.h"

#include "core/compress/encode.h"
#include "core/compress/quantize.h"
#include "core/compress/teachers.h"
#include "core/io/safetensors.h"
#include "core/nn/loss.h"

/* --- specifications ------------------------------------------------------------------------ */

static void test_bad_specs(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *says;
    } bad[] = {
        {"new:", "''"},
        {"new:L2", "H (hidden size) is missing"},
        {"new:L2-H16-A2", "F (FFN width) is missing"},
        {"new:H16-A2-F8", "L (layers) is missing"},
        {"new:L2-H16-F8", "A (attention heads) is missing"},
        {"new:L2-H16-A3-F8", "H 16 cannot be divided by A 3"},
        {"new:L2-L3-H16-A2-F8", "L is given twice"},
        {"new:L0-H16-A2-F8", "L with a number from 1 to 48"},
        {"new:L49-H16-A2-F8", "L with a number from 1 to 48"},
        {"new:L2-H16-A65-F8", "A with a number from 1 to 64"},
        {"new:L2-H16x-A2-F8", "'H16x'"},
        {"new:L2-H+16-A2-F8", "'H+16'"},
        {"new:L2-H-A2-F8", "'H'"},
        {"new:L2--H16-A2-F8", "''"},
        {"new:L2-H16-A2-F8-", "''"},
        {"new:L2-H16-A2-F8-Cased", "'Cased'"},
        {"new:L2-H16-A2-F8-cased-uncased", "casing is given twice"},
        {"new:L2-H16-A2-F8-V10", "V with a number from 64"},
        {"new:L2-H16-A2-F8-Z3", "'Z3' is not understood"},
        {"new:L2-H99999999999999999999-A2-F8", "H with a number"},
    };
    recorder *r = recorder_new();
    oc_task task;
    oc_dataset d = dataset_new(20, 2, OC_TASK_SINGLE, 0, 3);
    oc_checkpoint *c = NULL;
    task_init(&task, 2, OC_TASK_SINGLE);
    for (int i = 0; i < OC_COUNT(bad); i++) {
        FAILS(OC_USAGE, bad[i].says, oc_make_model(&r->job, bad[i].spec, &task, &d, 1, &c, &err));
        assert_non_null(strstr(err.msg, bad[i].spec)); // names what was said, and the form
        assert_non_null(strstr(err.msg, "new:L4-H128-A4-F512"));
        assert_null(c);
    }
    oc_task_release(&task);
    oc_dataset_release(&d);
    recorder_free(r);
}

static void test_new_model(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_task task;
    oc_dataset d = dataset_new(60, 3, OC_TASK_MULTI, 0, 3);
    oc_checkpoint *a, *b;
    task_init(&task, 3, OC_TASK_MULTI);
    r->job.set.train_max_len = 70;
    OK(oc_make_model(&r->job, "new:L2-H32-A4-F48-V90", &task, &d, 7, &a, &err));
    const oc_dims *m = &a->model->dims;
    assert_true(m->L == 2 && m->H == 32 && m->A[1] == 4 && m->D == 8 && m->F[0] == 48 && m->K == 3);
    assert_int_equal(m->P, 128); // 70 in whole 64s
    assert_int_equal(m->V, oc_vocab_size(a->tok->vocab));
    assert_true(m->V <= 90 && m->V > 30);
    assert_true(a->tok->lowercase);
    assert_true(a->config.multi_label);
    assert_string_equal(a->config.task, "toy");
    assert_string_equal(a->config.text_column, "text");
    assert_string_equal(a->config.label_column, "y");
    assert_int_equal(a->config.max_len, 70);
    assert_int_equal(a->config.labels.n, 3);
    assert_string_equal(a->config.labels.item[2], "c2");
    assert_memory_equal(&a->config.dims, m, sizeof *m);
    OK(oc_make_model(&r->job, "new:F48-A4-L2-uncased-H32-V90", &task, &d, 7, &b, &err));
    assert_same_weights(a->model, b->model);
    oc_checkpoint_free(b);
    OK(oc_make_model(&r->job, "new:L2-H32-A4-F48-V90", &task, &d, 8, &b, &err));
    assert_memory_not_equal(a->model->slab, b->model->slab, (size_t)a->model->layout.n_floats * 4);
    oc_checkpoint_free(b);
    OK(oc_make_model(&r->job, "new:L2-H32-A4-F48-cased", &task, &d, 7, &b, &err));
    assert_false(b->tok->lowercase);
    oc_checkpoint_free(a);
    oc_checkpoint_free(b);
    oc_task_release(&task);
    oc_dataset_release(&d);
    recorder_free(r);
}

static char *folder(const recorder *r, const char *name)
{
    static char path[OC_PATH_MAX];
    OK(oc_path_join(path, r->job.workdir, name, &err));
    return path;
}

static const oc_event *last_alert(const recorder *r)
{
    size_t n = event_count(r, OC_EV_alert_T);
    return n ? event_at(r, OC_EV_alert_T, n - 1) : NULL;
}

static void test_folder(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_task task, other, renamed;
    oc_dataset d = dataset_new(60, 3, OC_TASK_SINGLE, 0, 3);
    oc_checkpoint *a, *b = NULL;
    task_init(&task, 3, OC_TASK_SINGLE);
    task_init(&other, 4, OC_TASK_SINGLE);
    task_init(&renamed, 3, OC_TASK_SINGLE);
    OK(oc_make_model(&r->job, "new:L1-H16-A2-F16-V80", &task, &d, 7, &a, &err));
    char *dir = folder(r, "teacher");
    OK(oc_checkpoint_save(a, dir, NULL, &err));
    OK(oc_make_model(&r->job, dir, &task, &d, 1, &b, &err));
    assert_same_weights(a->model, b->model);
    assert_false(b->head_missing);
    assert_null(last_alert(r));
    oc_checkpoint_free(b);
    b = NULL;
    // Another number of labels: both numbers, and the folder.
    FAILS(OC_SHAPE, "has 3 labels", oc_make_model(&r->job, dir, &other, &d, 1, &b, &err));
    assert_non_null(strstr(err.msg, "has 4"));
    assert_non_null(strstr(err.msg, dir));
    assert_null(b);
    // The same number, other names: allowed, and said.
    oc_free(renamed.labels.item[1]);
    renamed.labels.item[1] = oc_strdup("other");
    OK(oc_make_model(&r->job, dir, &renamed, &d, 1, &b, &err));
    assert_string_equal(last_alert(r)->u.alert.level, "warn");
    assert_non_null(strstr(last_alert(r)->u.alert.text, "label 1 is 'c1', the task's is 'other'"));
    assert_string_equal(b->config.labels.item[1], "other");
    oc_checkpoint_free(b);
    b = NULL;
    FAILS(OC_IO, "nowhere", oc_make_model(&r->job, folder(r, "nowhere"), &task, &d, 1, &b, &err));
    oc_checkpoint_free(a);
    oc_task_release(&task);
    oc_task_release(&other);
    oc_task_release(&renamed);
    oc_dataset_release(&d);
    recorder_free(r);
}

/* The same folder without its classifier: an encoder, as published. */
static void drop_classifier(const char *dir)
{
    char path[OC_PATH_MAX], out[OC_PATH_MAX];
    oc_st *st;
    oc_st_out *o;
    OK(oc_path_join(path, dir, "model.safetensors", &err));
    OK(oc_path_join(out, dir, "without", &err));
    OK(oc_st_open(path, &st, &err));
    OK(oc_st_out_new(&o, &err));
    for (int32_t i = 0; i < oc_st_count(st); i++) {
        const oc_tensor *t = oc_st_at(st, i);
        if (!oc_str_starts(t->name, "classifier."))
            OK(oc_st_out_add(o, t->name, t->dtype, t->n_dims, t->dim, t->data, &err));
    }
    OK(oc_st_out_write(o, out, NULL, &err));
    oc_st_out_free(o);
    oc_st_close(st);
    OK(oc_rename(out, path, &err));
}

static void test_folder_without_classifier(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_task three, four;
    oc_dataset d = dataset_new(60, 4, OC_TASK_SINGLE, 0, 3);
    oc_checkpoint *a, *b;
    float z[240];
    task_init(&three, 3, OC_TASK_SINGLE);
    task_init(&four, 4, OC_TASK_SINGLE);
    OK(oc_make_model(&r->job, "new:L1-H16-A2-F16-V80", &three, &d, 7, &a, &err));
    char *dir = folder(r, "encoder");
    OK(oc_checkpoint_save(a, dir, NULL, &err));
    drop_classifier(dir);
    OK(oc_make_model(&r->job, dir, &four, &d, 1, &b, &err));
    assert_true(b->head_missing);
    assert_int_equal(b->model->dims.K, 4);
    assert_int_equal(b->config.labels.n, 4);
    assert_string_equal(b->config.labels.item[3], "c3");
    assert_null(last_alert(r));
    // Its answers would be random: refused until it is trained.
    FAILS(OC_STATE, dir, oc_cached_logits(&r->job, "t", b, OC_SPLIT_TRAIN, &d, false, z, &err));
    oc_checkpoint_free(a);
    oc_checkpoint_free(b);
    oc_task_release(&three);
    oc_task_release(&four);
    oc_dataset_release(&d);
    recorder_free(r);
}

static void test_make_model_out_of_memory(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_task task;
    oc_dataset d = dataset_new(6, 2, OC_TASK_SINGLE, 0, 3);
    task_init(&task, 2, OC_TASK_SINGLE);
    oc_status rc = OC_NOMEM;
    for (int64_t i = 1; rc != OC_OK; i++) {
        oc_checkpoint *c = NULL;
        err = (oc_err){0};
        oc_alloc_fail_at(i);
        rc = oc_make_model(&r->job, "new:L1-H8-A1-F8-V64", &task, &d, 1, &c, &err);
        oc_alloc_fail_at(0);
        assert_true(rc == OC_OK || (rc == OC_NOMEM && !c));
        oc_checkpoint_free(c);
    }
    oc_task_release(&task);
    oc_dataset_release(&d);
    recorder_free(r);
}

/* --- students ------------------------------------------------------------------------------ */

static void assert_layer_from(const oc_model *s, int32_t l, const oc_model *t, int32_t from)
{
    static const oc_kind kinds[] = {OC_P_Q_W,  OC_P_V_B,  OC_P_O_W,  OC_P_LN1_G,
                                    OC_P_F1_W, OC_P_F2_B, OC_P_LN2_B};
    for (int i = 0; i < OC_COUNT(kinds); i++) {
        const oc_param *p = oc_layout_at(&s->layout, kinds[i], l),
                       *q = oc_layout_at(&t->layout, kinds[i], from);
        assert_int_equal(p->n, q->n);
        assert_memory_equal(s->slab + p->offset, t->slab + q->offset, (size_t)p->n * sizeof(float));
    }
}

static void test_student(void **state)
{
    oc_dims dims = small_dims(6, 16, 2, 24, 2);
    follow_arch(&dims, state);
    dims.F[3] = 16; // layers of a pruned teacher differ
    dims.A[5] = 1;
    oc_checkpoint *t = checkpoint_new(&dims, 5, 8), *s;
    OK(oc_make_student(t, 3, true, &s, &err));
    static const int32_t every[] = {1, 3, 5};
    for (int32_t l = 0; l < 3; l++)
        assert_layer_from(s->model, l, t->model, every[l]);
    assert_true(s->model->dims.F[1] == 16 && s->model->dims.A[2] == 1);
    assert_memory_equal(&s->config.dims, &s->model->dims, sizeof(oc_dims));
    static const oc_kind shared[] = {OC_P_WORD,   OC_P_POS,   OC_P_EMB_LN_G,
                                     OC_P_POOL_W, OC_P_CLS_W, OC_P_CLS_B};
    for (int i = 0; i < OC_COUNT(shared); i++) {
        const oc_param *p = oc_layout_at(&s->model->layout, shared[i], -1);
        const oc_param *q = oc_layout_at(&t->model->layout, shared[i], -1);
        assert_memory_equal(s->model->slab + p->offset, t->model->slab + q->offset,
                            (size_t)p->n * sizeof(float));
    }
    oc_checkpoint_free(s);
    OK(oc_make_student(t, 2, false, &s, &err));
    assert_layer_from(s->model, 0, t->model, 0);
    assert_layer_from(s->model, 1, t->model, 1);
    assert_string_equal(s->path, "");
    oc_checkpoint_free(s);
    OK(oc_make_student(t, 4, true, &s, &err)); // 6 layers in 4: the last one is in it
    static const int32_t four[] = {0, 2, 3, 5};
    for (int32_t l = 0; l < 4; l++)
        assert_layer_from(s->model, l, t->model, four[l]);
    oc_checkpoint_free(s);
    OK(oc_make_student(t, 6, true, &s, &err));
    assert_same_weights(s->model, t->model);
    oc_checkpoint_free(s);
    s = NULL;
    FAILS(OC_RANGE, "7 layers cannot be cut from a teacher of 6",
          oc_make_student(t, 7, true, &s, &err));
    FAILS(OC_RANGE, "0 layers", oc_make_student(t, 0, true, &s, &err));
    assert_null(s);
    oc_checkpoint_free(t);
}

/* --- the cache ----------------------------------------------------------------------------- */

static void logits_at(recorder *r, const oc_checkpoint *c, const oc_dataset *d, bool int8, float *z,
                      bool hit)
{
    recorder_clear(r);
    OK(oc_cached_logits(&r->job, "teacher-1", c, OC_SPLIT_TRAIN, d, int8, z, &err));
    const oc_ev_cache *v = &event_at(r, OC_EV_cache_T, 0)->u.cache;
    assert_int_equal(event_count(r, OC_EV_cache_T), 1);
    assert_int_equal(event_count(r, OC_EV_quant_T), 0);
    assert_string_equal(v->precision, int8 ? "int8" : "f32");
    assert_string_equal(v->model, "teacher-1");
    assert_string_equal(v->split, "train");
    assert_int_equal(v->hits, hit ? d->n : 0);
    assert_int_equal(v->misses, hit ? 0 : d->n);
    assert_int_equal(v->bytes, oc_dir_bytes(folder(r, "cache")));
}

static void logits_of(recorder *r, const oc_checkpoint *c, const oc_dataset *d, float *z, bool hit)
{
    logits_at(r, c, d, false, z, hit);
}

static void test_cache(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims dims = small_dims(1, 16, 2, 16, 3);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 8);
    oc_dataset d = dataset_new(30, 3, OC_TASK_SINGLE, 0, 3),
               other = dataset_new(30, 3, OC_TASK_SINGLE, 0, 4);
    float first[90], again[90], z[90];
    logits_of(r, c, &d, first, false);
    memset(again, 0, sizeof again);
    logits_of(r, c, &d, again, true);
    assert_memory_equal(first, again, sizeof first);
    oc_encoded e;
    OK(oc_encode_all(NULL, &d, c->tok, 24, &e, &err));
    OK(oc_infer_all(NULL, c->model, &e, 100, "read", z, &err));
    assert_memory_equal(first, z, sizeof z);
    oc_encoded_release(&e);
    // Another data set, another length, other weights: each its own entry, and the first is still there.
    logits_of(r, c, &other, z, false);
    c->config.max_len = 10;
    logits_of(r, c, &d, z, false);
    c->config.max_len = 24;
    edit_at(c->model, OC_P_CLS_B, -1)[1] += 0.5f;
    logits_of(r, c, &d, z, false);
    for (int i = 0; i < 90; i++)
        NEAR(z[i] - first[i], i % 3 == 1 ? 0.5 : 0, 1e-5);
    edit_at(c->model, OC_P_CLS_B, -1)[1] -= 0.5f;
    logits_of(r, c, &d, again, true);
    assert_memory_equal(first, again, sizeof first);
    oc_strlist names = {0};
    OK(oc_dir_list(folder(r, "cache"), &names, &err));
    assert_int_equal(names.n, 4);
    oc_strlist_release(&names);
    oc_dataset_release(&d);
    oc_dataset_release(&other);
    oc_checkpoint_free(c);
    recorder_free(r);
}

/* What a quantized copy says: its own entry, close to the model's, and what the saved INT8 model says. */
static void test_int8_outputs(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims dims = small_dims(2, 16, 2, 32, 3);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 8);
    oc_dataset d = dataset_new(30, 3, OC_TASK_SINGLE, 0, 3);
    const oc_quant_opts encoder = {.clip = OC_CLIP_MAX};
    float f32[90], int8[90], z[90];
    double worst = 0;
    logits_of(r, c, &d, f32, false);
    logits_at(r, c, &d, true, int8, false);
    logits_at(r, c, &d, true, z, true);
    assert_memory_equal(int8, z, sizeof z);
    logits_of(r, c, &d, z, true);
    assert_memory_equal(f32, z, sizeof z);
    assert_true(oc_model_is_f32(c->model));
    for (int i = 0; i < 90; i++)
        worst = fmax(worst, fabs((double)int8[i] - (double)f32[i]));
    assert_true(worst > 0 && worst < 0.01); // 1.6e-3 of logits up to 0.3
    OK(oc_quantize_model(NULL, c->model, &encoder, "t", &err));
    logits_at(r, c, &d, true, z, false); // a quantized model is what it is, whatever is asked
    assert_memory_equal(int8, z, sizeof z);
    oc_dataset_release(&d);
    oc_checkpoint_free(c);
    recorder_free(r);
}

static void test_int8_out_of_memory(void **state)
{
    (void)state;
    oc_dims dims = small_dims(1, 8, 1, 8, 2);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 8);
    oc_dataset d = dataset_new(4, 2, OC_TASK_SINGLE, 0, 3);
    float z[8];
    oc_status rc = OC_NOMEM;
    for (int64_t i = 1; rc != OC_OK; i++) {
        err = (oc_err){0};
        oc_alloc_fail_at(i);
        rc = oc_cached_logits(NULL, "t", c, OC_SPLIT_TRAIN, &d, true, z, &err);
        oc_alloc_fail_at(0);
        assert_true(rc == OC_OK || rc == OC_NOMEM);
    }
    oc_dataset_release(&d);
    oc_checkpoint_free(c);
}

/* A damaged file is computed again and replaced. */
static void test_damaged_cache(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims dims = small_dims(1, 8, 1, 8, 2);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 8);
    oc_dataset d = dataset_new(10, 2, OC_TASK_SINGLE, 0, 3);
    float first[20], z[20];
    logits_of(r, c, &d, first, false);
    oc_strlist names = {0};
    OK(oc_dir_list(folder(r, "cache"), &names, &err));
    char path[OC_PATH_MAX], *data;
    size_t n;
    OK(oc_path_join(path, folder(r, "cache"), names.item[0], &err));
    OK(oc_file_read(path, 1 << 20, &data, &n, &err));
    const size_t cuts[] = {0, 1, 8, n / 2, n - 1};
    for (int i = 0; i < OC_COUNT(cuts); i++) {
        OK(oc_file_write(path, data, cuts[i], &err));
        memset(z, 0, sizeof z);
        logits_of(r, c, &d, z, false);
        assert_memory_equal(first, z, sizeof z);
        logits_of(r, c, &d, z, true);
    }
    // Not a number inside: as good as not there.
    float nan_value = NAN;
    memcpy(data + n - sizeof nan_value, &nan_value, sizeof nan_value);
    OK(oc_file_write(path, data, n, &err));
    logits_of(r, c, &d, z, false);
    assert_memory_equal(first, z, sizeof z);
    oc_free(data);
    oc_strlist_release(&names);
    oc_dataset_release(&d);
    oc_checkpoint_free(c);
    recorder_free(r);
}

static void test_cache_that_cannot_be_written(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims dims = small_dims(1, 8, 1, 8, 2);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 8);
    oc_dataset d = dataset_new(10, 2, OC_TASK_SINGLE, 0, 3),
               three = dataset_new(9, 3, OC_TASK_SINGLE, 0, 3);
    float z[27];
    OK(oc_file_write(folder(r, "cache"), "in the way", 10, &err));
    OK(oc_cached_logits(&r->job, "t", c, OC_SPLIT_TEST, &d, false, z, &err));
    assert_non_null(strstr(last_alert(r)->u.alert.text, "not cached"));
    // Without a job: computed, kept nowhere.
    float same[27];
    OK(oc_cached_logits(NULL, "t", c, OC_SPLIT_TEST, &d, false, same, &err));
    assert_memory_equal(z, same, 20 * sizeof(float));
    FAILS(OC_SHAPE, "2 labels, but the notes have 3",
          oc_cached_logits(NULL, "t", c, OC_SPLIT_TEST, &three, false, z, &err));
    c->head_missing = true;
    FAILS(OC_STATE, "no trained classifier",
          oc_cached_logits(NULL, "t", c, OC_SPLIT_TEST, &d, false, z, &err));
    c->head_missing = false;
    edit_at(c->model, OC_P_CLS_B, -1)[0] = INFINITY;
    FAILS(OC_NUMERIC, "note 0", oc_cached_logits(NULL, "t", c, OC_SPLIT_TEST, &d, false, z, &err));
    oc_dataset_release(&d);
    oc_dataset_release(&three);
    oc_checkpoint_free(c);
    recorder_free(r);
}

/* --- ensembles ----------------------------------------------------------------------------- */

static void test_rules(void **state)
{
    (void)state;
    oc_rule rule;
    OK(oc_rule_parse("mean_logits", &rule, &err));
    assert_int_equal(rule, OC_RULE_MEAN_LOGITS);
    OK(oc_rule_parse("mean_probs", &rule, &err));
    assert_int_equal(rule, OC_RULE_MEAN_PROBS);
    OK(oc_rule_parse("weights", &rule, &err));
    assert_int_equal(rule, OC_RULE_WEIGHTS);
    OK(oc_rule_parse("auroc", &rule, &err));
    assert_int_equal(rule, OC_RULE_AUROC);
    FAILS(OC_USAGE, "'vote'", oc_rule_parse("vote", &rule, &err));
}

static void test_weights(void **state)
{
    (void)state;
    double w[64];
    const double auroc[] = {0.9, 0.6, 0.4, (double)NAN}, low[] = {0.5, 0.3};
    OK(oc_ensemble_weights(OC_RULE_MEAN_LOGITS, "", NULL, 4, w, &err));
    for (int i = 0; i < 4; i++)
        NEAR(w[i], 0.25, 1e-12);
    OK(oc_ensemble_weights(OC_RULE_WEIGHTS, " 0.7, 0.3", NULL, 2, w, &err));
    NEAR(w[0], 0.7, 1e-12);
    OK(oc_ensemble_weights(OC_RULE_WEIGHTS, "3,1,0", NULL, 3, w, &err));
    NEAR(w[0], 0.75, 1e-12);
    NEAR(w[2], 0, 0);
    OK(oc_ensemble_weights(OC_RULE_AUROC, "", auroc, 4, w, &err));
    NEAR(w[0], 0.8, 1e-12);
    NEAR(w[1], 0.2, 1e-12);
    NEAR(w[2] + w[3], 0, 0);
    OK(oc_ensemble_weights(OC_RULE_AUROC, "", low, 2, w, &err));
    NEAR(w[1], 0.5, 1e-12);
    FAILS(OC_USAGE, "2 numbers, but there are 3",
          oc_ensemble_weights(OC_RULE_WEIGHTS, "1,2", NULL, 3, w, &err));
    FAILS(OC_USAGE, "'x'", oc_ensemble_weights(OC_RULE_WEIGHTS, "1,x", NULL, 2, w, &err));
    FAILS(OC_USAGE, "'-1'", oc_ensemble_weights(OC_RULE_WEIGHTS, "-1,2", NULL, 2, w, &err));
    FAILS(OC_USAGE, "sum above 0", oc_ensemble_weights(OC_RULE_WEIGHTS, "0,0", NULL, 2, w, &err));
    FAILS(OC_USAGE, "at most 64", oc_ensemble_weights(OC_RULE_MEAN_LOGITS, "", NULL, 65, w, &err));
    FAILS(OC_USAGE, "at least one", oc_ensemble_weights(OC_RULE_MEAN_LOGITS, "", NULL, 0, w, &err));
}

static void test_combine(void **state)
{
    (void)state;
    const float a[] = {1, -1, 0, 2, 2, 2}, b[] = {3, 0, -2, -1, 0, 1};
    const float *const z[] = {a, b};
    const double half[] = {0.5, 0.5}, w[] = {0.75, 0.25}, one[] = {0, 1};
    float out[6], pa[6], pb[6], p[6];
    oc_ensemble_combine(OC_RULE_MEAN_LOGITS, half, z, 2, 2, 3, OC_TASK_SINGLE, out);
    static const double mean[] = {2, -0.5, -1, 0.5, 1, 1.5};
    for (int i = 0; i < 6; i++)
        NEAR(out[i], mean[i], 1e-6);
    oc_ensemble_combine(OC_RULE_WEIGHTS, w, z, 2, 2, 3, OC_TASK_SINGLE, out);
    NEAR(out[0], 1.5, 1e-6);
    NEAR(out[5], 1.75, 1e-6);
    // mean_probs: softmax (sigmoid) of the result is the mean of theirs.
    oc_softmax_rows(a, 2, 3, pa);
    oc_softmax_rows(b, 2, 3, pb);
    oc_ensemble_combine(OC_RULE_MEAN_PROBS, half, z, 2, 2, 3, OC_TASK_SINGLE, out);
    oc_softmax_rows(out, 2, 3, p);
    for (int i = 0; i < 6; i++) {
        NEAR(p[i], ((double)pa[i] + (double)pb[i]) / 2, 1e-6);
        NEAR(out[i], log(((double)pa[i] + (double)pb[i]) / 2), 1e-6);
    }
    oc_sigmoid_rows(a, 2, 3, pa);
    oc_sigmoid_rows(b, 2, 3, pb);
    oc_ensemble_combine(OC_RULE_MEAN_PROBS, w, z, 2, 2, 3, OC_TASK_MULTI, out);
    oc_sigmoid_rows(out, 2, 3, p);
    for (int i = 0; i < 6; i++)
        NEAR(p[i], 0.75 * (double)pa[i] + 0.25 * (double)pb[i], 1e-6);
    oc_ensemble_combine(OC_RULE_MEAN_PROBS, one, z, 2, 2, 3, OC_TASK_MULTI, out);
    for (int i = 0; i < 6; i++)
        NEAR(out[i], b[i], 1e-6);
}

/* Logits so far apart that probabilities underflow: still finite, still in order. */
static void test_combine_extremes(void **state)
{
    (void)state;
    const float a[] = {0, -300}, b[] = {0, -400};
    const float *const z[] = {a, b};
    const double half[] = {0.5, 0.5};
    float out[2];
    oc_ensemble_combine(OC_RULE_MEAN_PROBS, half, z, 2, 1, 2, OC_TASK_SINGLE, out);
    NEAR(out[0], 0, 1e-6);
    NEAR(out[1], -300 - log(2.0), 1e-4);
    const float c[] = {300}, d[] = {400};
    const float *const y[] = {c, d};
    oc_ensemble_combine(OC_RULE_MEAN_PROBS, half, y, 2, 1, 1, OC_TASK_MULTI, out);
    NEAR(out[0], 300 + log(2.0), 1e-4); // the less sure one decides
}

static void test_many_teachers(void **state)
{
    (void)state;
    enum { N = 64 };
    float z[N];
    const float *p[N];
    double w[N];
    double mean = 0;
    for (int i = 0; i < N; i++) {
        z[i] = (float)(i % 7) - 3;
        p[i] = &z[i];
        mean += 1 / (1 + exp(-(double)z[i])) / N;
    }
    float out;
    OK(oc_ensemble_weights(OC_RULE_MEAN_PROBS, "", NULL, N, w, &err));
    oc_ensemble_combine(OC_RULE_MEAN_PROBS, w, p, N, 1, 1, OC_TASK_MULTI, &out);
    NEAR(out, log(mean / (1 - mean)), 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_new_model),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_folder_without_classifier),
        cmocka_unit_test(test_make_model_out_of_memory),
        cmocka_unit_test(test_student),
        cmocka_unit_test_prestate(test_student, &as_distilbert),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_int8_outputs),
        cmocka_unit_test(test_int8_out_of_memory),
        cmocka_unit_test(test_damaged_cache),
        cmocka_unit_test(test_cache_that_cannot_be_written),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_combine),
        cmocka_unit_test(test_combine_extremes),
        cmocka_unit_test(test_many_teachers),
    };
    return cmocka_run_group_tests(tests, select_kernels, NULL);
}
