/*
 * tests/interop/test_interop.c - folders written by PyTorch in every form the field publishes,
 * loaded: the same weights to the bit, the same logits. Needs a python3 with torch.
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

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/io/checkpoint.h"
#include "core/io/safetensors.h"
#include "core/kernels/kernels.h"
#include "core/measure/verify.h"
#include "core/nn/bert.h"

#define LOGIT_TOL 1e-5 /* observed 1.1e-6: another order of additions */

static char folder[] = "/tmp/oc-interop-XXXXXX";
static bool made;

static int make_models(void **state)
{
    (void)state;
    static const char *const python[] = {"python3", "/usr/bin/python3"};
    char cmd[512];
    oc_err err = {0};
    if (oc_kernels_select(&err) != OC_OK || !mkdtemp(folder))
        return -1;
    for (int i = 0; i < 2 && !made; i++) {
        snprintf(cmd, sizeof cmd, "%s -c 'import torch' 2>/dev/null", python[i]);
        if (system(cmd) != 0)
            continue;
        snprintf(cmd, sizeof cmd, "%s -B tests/interop/make_models.py %s", python[i], folder);
        if (system(cmd) != 0)
            return -1;
        made = true;
    }
    return 0;
}

static int remove_models(void **state)
{
    (void)state;
    return oc_remove_tree(folder, NULL) == OC_OK ? 0 : -1;
}

static void assert_weights(const oc_checkpoint *c, const oc_st *want, const char *name)
{
    for (int32_t i = 0; i < c->model->layout.n; i++) {
        const oc_param *p = &c->model->layout.param[i];
        char key[128];
        snprintf(key, sizeof key, "w/%s", p->name);
        const oc_tensor *t = oc_st_find(want, key);
        assert_non_null(t);
        assert_int_equal(t->n, p->n);
        if (memcmp(t->data, c->model->w[i].f32, (size_t)p->n * sizeof(float)) != 0)
            fail_msg("%s: %s differs", name, p->name);
    }
}

static double logit_error(const oc_checkpoint *c, const oc_st *want)
{
    const oc_tensor *z = oc_st_find(want, "logits"), *start = oc_st_find(want, "start");
    oc_batch b = {.B = start->n - 1, .start = start->data, .ids = oc_st_find(want, "ids")->data};
    oc_limits lim = {.max_B = b.B, .max_N = b.start[b.B], .max_T = c->model->dims.P};
    oc_bert *bert;
    oc_err err = {0};
    float out[32];
    double worst = 0;
    b.N = b.start[b.B];
    assert_true(z->n <= 32 && z->n == b.B * c->model->dims.K);
    if (oc_bert_new(c->model, &lim, &bert, &err) != OC_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(oc_batch_check(&b, &c->model->dims, &lim, &err), OC_OK);
    oc_bert_forward(bert, &b, NULL, out);
    for (int64_t i = 0; i < z->n; i++)
        worst = fmax(worst, fabs((double)out[i] - (double)((const float *)z->data)[i]));
    oc_bert_free(bert);
    return worst;
}

static void need_torch(void)
{
    if (!made) {
        printf("skipped: there is no python3 with torch\n");
        skip();
    }
}

static void test_every_form(void **state)
{
    (void)state;
    need_torch();
    oc_strlist names = {0};
    oc_err err = {0};
    int n = 0;
    double worst = 0;
    assert_int_equal(oc_dir_list(folder, &names, &err), OC_OK);
    for (int64_t i = 0; i < names.n; i++) {
        char path[400], expected[512];
        oc_checkpoint *c;
        oc_st *want;
        if (strchr(names.item[i], '.'))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, names.item[i]);
        snprintf(expected, sizeof expected, "%s.expected", path);
        assert_int_equal(oc_st_open(expected, &want, &err), OC_OK);
        if (oc_checkpoint_load(path, 0, 1, &c, &err) != OC_OK)
            fail_msg("%s", err.msg);
        assert_int_equal(c->model->dims.arch == OC_ARCH_DISTILBERT,
                         oc_str_starts(names.item[i], "distil"));
        bool over = false;
        for (int64_t k = 0; k < c->remarks.n; k++)
            over = over || strstr(c->remarks.item[k], "passed over");
        assert_int_equal(over, strstr(names.item[i], "strays") != NULL);
        assert_weights(c, want, names.item[i]);
        double e = logit_error(c, want);
        if (!(e < LOGIT_TOL))
            fail_msg("%s: logits differ by %g", names.item[i], e);
        worst = fmax(worst, e);
        n++;
        oc_checkpoint_free(c);
        oc_st_close(want);
    }
    print_message("%d folders, largest difference of a logit %.1e\n", n, worst);
    assert_int_equal(n, 2 * (13 + 2));
    oc_strlist_release(&names);
}

static oc_verify verify(const oc_checkpoint *c, const char *name)
{
    char path[512];
    oc_reference r;
    oc_verify v = {0};
    oc_err err = {0};
    snprintf(path, sizeof path, "%s/%s.reference", folder, name);
    if (oc_reference_open(path, &c->model->dims, &r, &err) != OC_OK ||
        oc_verify_run(c->model, &r, NULL, &v, &err) != OC_OK)
        fail_msg("%s", err.msg);
    oc_reference_release(&r);
    return v;
}

/* PyTorch's hidden states: all within the default tolerance; a changed weight is found at its layer. */
static void test_every_layer(void **state)
{
    (void)state;
    need_torch();
    static const char *const name[] = {"bert-gelu-f32",       "bert-gelu_new-f32",
                                       "bert-relu-f32",       "bert-gelu-float16",
                                       "distilbert-gelu-f32", "distilbert-gelu-bin-zip"};
    oc_err err = {0};
    double worst = 0;
    for (int i = 0; i < OC_COUNT(name); i++) {
        char path[512];
        oc_checkpoint *c;
        snprintf(path, sizeof path, "%s/%s", folder, name[i]);
        assert_int_equal(oc_checkpoint_load(path, 0, 1, &c, &err), OC_OK);
        oc_verify v = verify(c, name[i]);
        assert_int_equal(v.n, c->model->dims.L + 3);
        assert_int_equal(v.notes, 3);
        for (int k = 0; k < v.n; k++)
            worst = fmax(worst, v.row[k].max_abs);
        if (oc_verify_beyond(&v, OC_VERIFY_TOL_F32))
            fail_msg("%s: %s differs", name[i], oc_verify_beyond(&v, OC_VERIFY_TOL_F32)->name);
        assert_int_equal(oc_checkpoint_own(c, &err), OC_OK);
        oc_model_edit(c->model, c->model->layout.index[1][OC_P_F2_B])[5] += 0.1f;
        v = verify(c, name[i]);
        assert_string_equal(oc_verify_beyond(&v, OC_VERIFY_TOL_F32)->name, "layer.1");
        oc_checkpoint_free(c);
    }
    print_message("%d folders, largest difference of any output %.1e\n", OC_COUNT(name), worst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_form),
                                       cmocka_unit_test(test_every_layer)};
    return cmocka_run_group_tests_name("interop", tests, make_models, remove_models);
}
