/*
 * tests/unit/test_checkpoint.c - model folders: what is read, what is refused, what is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/io/checkpoint.h"
#include "core/io/safetensors.h"
#include "core/kernels/kernels.h"
#include "core/nn/bert.h"
#include "tests/unit/folder_testing.h"

static oc_err err;

static void write_text(const char *path, const char *text)
{
    assert_int_equal(oc_file_write(path, text, strlen(text), &err), OC_OK);
}

#define VOCAB "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nc\n,\nd\n##e\nff\n"
#define CASED "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\n##b\nC\n,\nd\n##e\nff\n"

/* A pruned network: uneven layers, heads * head size is nowhere the hidden size. */
static const oc_dims uneven = {.L = 2,
                               .H = 8,
                               .D = 3,
                               .V = 12,
                               .P = 16,
                               .S = 2,
                               .K = 3,
                               .A = {1, 3},
                               .F = {5, 7},
                               .eps = 1e-12f,
                               .act = OC_ACT_GELU,
                               .p_hidden = 0.1f,
                               .p_attn = 0.1f,
                               .p_cls = 0.1f};

static oc_checkpoint *make(const oc_dims *d, const char *vocab, bool lowercase, uint64_t seed)
{
    oc_model *m;
    oc_vocab *v;
    oc_tokenizer *t;
    oc_checkpoint *c;
    err = (oc_err){0};
    assert_int_equal(oc_model_new(d, &m, &err), OC_OK);
    oc_model_init(m, seed);
    assert_int_equal(oc_vocab_parse(vocab, strlen(vocab), "vocab", &v, &err), OC_OK);
    assert_int_equal(oc_tokenizer_new(v, lowercase, &t, &err), OC_OK);
    assert_int_equal(oc_checkpoint_new(m, t, &c, &err), OC_OK);
    return c;
}

static void add_labels(oc_checkpoint *c, const char *list)
{
    assert_int_equal(oc_strlist_split(&c->config.labels, list, ',', &err), OC_OK);
}

static void quantize(oc_model *m, oc_kind k, int32_t layer)
{
    const oc_param *p = oc_layout_at(&m->layout, k, layer);
    int8_t *q = oc_alloc((size_t)p->n);
    float *scale = oc_alloc((size_t)p->rows * sizeof *scale);
    for (int64_t i = 0; i < p->n; i++)
        q[i] = (int8_t)(i * 37 % 255 - 127);
    for (int64_t i = 0; i < p->rows; i++)
        scale[i] = 0.001f * (float)(i + 1);
    oc_model_set_q8(m, (int32_t)(p - m->layout.param), q, scale);
}

static void save(oc_checkpoint *c, const char *dir)
{
    err = (oc_err){0};
    if (oc_checkpoint_save(c, dir, NULL, &err) != OC_OK)
        fail_msg("%s", err.msg);
}

static oc_checkpoint *load(const char *path, int32_t n_labels)
{
    oc_checkpoint *c = NULL;
    err = (oc_err){0};
    if (oc_checkpoint_load(path, n_labels, 1, &c, &err) != OC_OK)
        fail_msg("%s", err.msg);
    return c;
}

static void assert_not_loaded(const char *path, int32_t n_labels, oc_status want, const char *part)
{
    oc_checkpoint *c = NULL;
    err = (oc_err){0};
    oc_status rc = oc_checkpoint_load(path, n_labels, 1, &c, &err);
    if (rc != want || !strstr(err.msg, part))
        fail_msg("expected %d with \"%s\", got %d \"%s\"", want, part, rc, err.msg);
    assert_null(c);
}

static void assert_same_model(const oc_model *a, const oc_model *b)
{
    assert_int_equal(a->layout.n, b->layout.n);
    for (int32_t i = 0; i < a->layout.n; i++) {
        const oc_param *p = &a->layout.param[i];
        assert_int_equal(p->n, b->layout.param[i].n);
        assert_int_equal(a->w[i].q == NULL, b->w[i].q == NULL);
        if (a->w[i].q) {
            assert_memory_equal(a->w[i].q, b->w[i].q, (size_t)p->n);
            assert_memory_equal(a->w[i].scale, b->w[i].scale, (size_t)p->rows * 4);
        } else {
            assert_memory_equal(a->w[i].f32, b->w[i].f32, (size_t)p->n * 4);
        }
    }
}

static void assert_same_file(const char *a, const char *b)
{
    char *x, *y;
    size_t n, m;
    assert_int_equal(oc_file_read(a, 1 << 24, &x, &n, &err), OC_OK);
    assert_int_equal(oc_file_read(b, 1 << 24, &y, &m, &err), OC_OK);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    oc_free(x);
    oc_free(y);
}

/* --- there and back --------------------------------------------------------------------------- */

static void round_trip(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, CASED, false, 3);
    add_labels(c, "low,mid,high");
    c->config.max_len = 12;
    oc_strlcpy(c->config.task, "los", sizeof c->config.task);
    int64_t bytes = 0;
    assert_string_equal(c->path, "");
    assert_int_equal(c->bytes, 0);
    assert_int_equal(oc_checkpoint_save(c, in_folder("rt//"), &bytes, &err), OC_OK);
    assert_string_equal(c->path, in_folder("rt"));
    assert_int_equal(bytes, oc_file_bytes(in_folder("rt/model.safetensors")));
    assert_int_equal(c->bytes, bytes);
    assert_false(oc_path_exists(in_folder("rt.saving")));

    oc_checkpoint *b = load(in_folder("rt/"), 0);
    assert_same_model(c->model, b->model);
    assert_int_equal(b->config.dims.A[1], 3);
    assert_int_equal(b->config.dims.F[0], 5);
    assert_int_equal(b->config.dims.D, 3);
    assert_int_equal(b->config.labels.n, 3);
    assert_string_equal(b->config.labels.item[2], "high");
    assert_int_equal(b->config.max_len, 12);
    assert_string_equal(b->config.task, "los");
    assert_false(b->tok->lowercase);
    assert_int_equal(b->casing_from, OC_CASING_TOKENIZER_CONFIG);
    assert_false(b->head_missing);
    assert_string_equal(b->path, in_folder("rt"));
    assert_int_equal(b->bytes, bytes);
    char kc[33], kb[33];
    oc_checkpoint_key(c, kc);
    oc_checkpoint_key(b, kb);
    assert_string_equal(kc, kb);

    // The same model gives the same bytes, by a path of another length too, and after a load.
    save(b, in_folder("a/longer/path"));
    static const char *const files[] = {"model.safetensors", "vocab.txt", "config.json",
                                        "tokenizer_config.json"};
    for (int i = 0; i < OC_COUNT(files); i++) {
        char x[4096], y[4096];
        snprintf(x, sizeof x, "%s/%s", in_folder("rt"), files[i]);
        snprintf(y, sizeof y, "%s/%s", in_folder("a/longer/path"), files[i]);
        assert_same_file(x, y);
    }
    oc_checkpoint_free(b);
    // The file itself names the model as well.
    b = load(in_folder("rt/model.safetensors"), 0);
    assert_same_model(c->model, b->model);
    assert_string_equal(b->path, in_folder("rt"));
    oc_checkpoint_free(b);
    oc_checkpoint_free(c);
    oc_checkpoint_free(NULL);
}

static void tokenizer_config(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 3);
    save(c, in_folder("tc"));
    oc_json *j;
    assert_int_equal(oc_json_read_file(in_folder("tc/tokenizer_config.json"), 10000, &j, &err),
                     OC_OK);
    assert_true(oc_json_bool(oc_json_get(j, "do_lower_case"), false));
    assert_true(oc_json_num(oc_json_get(j, "model_max_length"), 0) == 16);
    assert_string_equal(oc_json_str(oc_json_get(j, "cls_token"), ""), "[CLS]");
    oc_json_free(j);
    oc_checkpoint_free(c);
}

static void quantized(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 3), *b, *d;
    save(c, in_folder("q"));
    int64_t f32_bytes = c->bytes;
    char k32[33], k8[33], kb[33];
    oc_checkpoint_key(c, k32);
    quantize(c->model, OC_P_WORD, -1);
    quantize(c->model, OC_P_Q_W, 0);
    quantize(c->model, OC_P_F2_W, 1);
    quantize(c->model, OC_P_CLS_W, -1);
    save(c, in_folder("q"));
    assert_true(c->bytes < f32_bytes);
    assert_int_equal(c->config.n_q8, 4);
    b = load(in_folder("q"), 0);
    assert_same_model(c->model, b->model);
    assert_int_equal(b->config.n_q8, 4);
    oc_checkpoint_key(c, k8);
    oc_checkpoint_key(b, kb);
    assert_string_equal(k8, kb);
    assert_string_not_equal(k8, k32);
    oc_model *m;
    assert_int_equal(oc_model_dup(b->model, &m, &err), OC_OK);
    assert_int_equal(oc_checkpoint_with(b, m, &d, &err), OC_OK);
    assert_same_model(c->model, d->model);
    oc_checkpoint_key(d, kb);
    assert_string_equal(k8, kb);
    assert_string_equal(d->path, "");
    assert_int_equal(d->bytes, 0);

    oc_st *st;
    assert_int_equal(oc_st_open(in_folder("q/model.safetensors"), &st, &err), OC_OK);
    const oc_tensor *q = oc_st_find(st, "bert.encoder.layer.0.attention.self.query.weight");
    const oc_tensor *s = oc_st_find(st, "bert.encoder.layer.0.attention.self.query.weight_scale");
    assert_int_equal(q->dtype, OC_DT_I8);
    assert_int_equal(q->dim[0], 3);
    assert_int_equal(q->dim[1], 8);
    assert_int_equal(s->dtype, OC_DT_F32);
    assert_int_equal(s->n_dims, 1);
    assert_int_equal(s->dim[0], 3);
    oc_st_close(st);
    oc_checkpoint_free(b);
    oc_checkpoint_free(c);
    oc_checkpoint_free(d);
}

static void keys_differ(void **state)
{
    (void)state;
    oc_dims other = uneven;
    other.eps = 1e-5f;
    oc_checkpoint *c[] = {make(&uneven, VOCAB, true, 3), make(&uneven, VOCAB, false, 3),
                          make(&uneven, CASED, true, 3), make(&uneven, VOCAB, true, 4),
                          make(&other, VOCAB, true, 3),  make(&uneven, VOCAB, true, 3)};
    char k[6][33];
    c[5]->model->slab[c[5]->model->layout.n_floats - 1] += 1e-7f;
    for (int i = 0; i < 6; i++) {
        oc_checkpoint_key(c[i], k[i]);
        assert_int_equal(strlen(k[i]), 32);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(k[i], k[j]);
    }
    for (int i = 0; i < 6; i++)
        oc_checkpoint_free(c[i]);
}

/* --- what others write ------------------------------------------------------------------------ */

/* How a weights file departs from ours. */
typedef struct variant {
    bool no_prefix, old_norms, strays, f16;
    const char *skip, *skip2;     // tensors to leave out (by part of the name)
    const char *extra;            // one more tensor
    const char *reshape, *as_int; // tensor with one row too many; tensor as I8 without scale
    const char *poison;           // tensor with a NaN
} variant;

static bool is(const char *name, const char *part)
{
    return part && strstr(name, part) != NULL;
}

static void variant_name(const variant *v, const char *name, char out[128])
{
    const char *from = v->no_prefix && oc_str_starts(name, "bert.") ? name + 5 : name;
    snprintf(out, 128, "%s", from);
    char *w = strstr(out, "LayerNorm.weight"), *b = strstr(out, "LayerNorm.bias");
    if (v->old_norms && w)
        strcpy(w, "LayerNorm.gamma");
    if (v->old_norms && b)
        strcpy(b, "LayerNorm.beta");
}

static uint16_t to_f16(float f)
{
    // Good for what the test puts in: a multiple of 1/64 below 2.
    int i = (int)(f * 64.0f), s = i < 0;
    i = s ? -i : i;
    if (i == 0)
        return (uint16_t)(s << 15);
    int e = 0;
    while ((i >> (e + 1)) != 0)
        e++;
    return (uint16_t)(s << 15 | (e - 6 + 15) << 10 | ((i << (10 - e)) & 0x3ff));
}

static void write_variant(const oc_checkpoint *c, const char *path, const variant *v)
{
    static uint16_t half[64][256];
    static float bad[256];
    static const int64_t ids[16] = {0};
    const oc_layout *lo = &c->model->layout;
    oc_st_out *o;
    assert_int_equal(oc_st_out_new(&o, &err), OC_OK);
    for (int32_t i = 0; i < lo->n; i++) {
        const oc_param *p = &lo->param[i];
        int64_t dim[2] = {p->rows, p->cols};
        int32_t n_dims = oc_kind_is_matrix(p->kind) || oc_kind_is_embedding(p->kind) ? 2 : 1;
        char name[128];
        const void *data = c->model->w[i].f32;
        oc_dtype type = OC_DT_F32;
        if (is(p->name, v->skip) || is(p->name, v->skip2))
            continue;
        variant_name(v, p->name, name);
        assert_true(p->n <= 256 && i < 64);
        if (is(p->name, v->reshape))
            dim[0]--;
        if (is(p->name, v->as_int))
            type = OC_DT_I8;
        if (is(p->name, v->poison)) {
            memcpy(bad, data, (size_t)p->n * sizeof *bad);
            bad[p->n - 1] = NAN;
            data = bad;
        }
        if (v->f16) {
            for (int64_t k = 0; k < p->n; k++)
                half[i][k] = to_f16(c->model->w[i].f32[k]);
            data = half[i];
            type = OC_DT_F16;
        }
        assert_int_equal(oc_st_out_add(o, name, type, n_dims, dim, data, &err), OC_OK);
    }
    if (v->strays) {
        int64_t n = 16;
        assert_int_equal(
            oc_st_out_add(o, "bert.embeddings.position_ids", OC_DT_I64, 1, &n, ids, &err), OC_OK);
        assert_int_equal(oc_st_out_add(o, "cls.predictions.bias", OC_DT_F32, 1, &n, ids, &err),
                         OC_OK);
        assert_int_equal(
            oc_st_out_add(o, "cls.seq_relationship.weight", OC_DT_F32, 1, &n, ids, &err), OC_OK);
    }
    if (v->extra)
        assert_int_equal(oc_st_out_add(o, v->extra, OC_DT_F32, 1, (int64_t[]){2}, ids, &err),
                         OC_OK);
    assert_int_equal(oc_st_out_write(o, path, NULL, &err), OC_OK);
    oc_st_out_free(o);
}

static void names_and_types(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 5), *b;
    for (int64_t i = 0; i < c->model->layout.n_floats; i++)
        c->model->slab[i] = (float)(i % 97 - 48) / 64.0f; // exact in F16 too
    save(c, in_folder("nt"));
    static const variant v[] = {{.no_prefix = true},
                                {.old_norms = true},
                                {.no_prefix = true, .old_norms = true},
                                {.strays = true},
                                {.f16 = true}};
    for (int i = 0; i < OC_COUNT(v); i++) {
        write_variant(c, in_folder("nt/model.safetensors"), &v[i]);
        b = load(in_folder("nt"), 0);
        assert_same_model(c->model, b->model);
        oc_checkpoint_free(b);
    }
    oc_checkpoint_free(c);
}

static void bad_weights(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 5);
    save(c, in_folder("bw"));
    static const struct {
        variant v;
        const char *part;
    } bad[] = {
        {{.skip = "word_embeddings"}, "tensor bert.embeddings.word_embeddings.weight is missing"},
        {{.skip = "layer.1.output.dense.bias"},
         "tensor bert.encoder.layer.1.output.dense.bias is missing"},
        {{.skip = "classifier.weight"}, "tensor classifier.weight is missing"},
        {{.skip = "classifier"}, "tensor classifier.weight is missing"},
        {{.extra = "bert.encoder.layer.2.output.dense.bias"},
         "layer.2.output.dense.bias belongs to no part"},
        {{.extra = "embeddings.LayerNorm.beta"}, "embeddings.LayerNorm.beta are both bert."},
        {{.skip = "embeddings"},
         "tensor bert.embeddings.word_embeddings.weight is missing, and 4 more"},
        {{.extra = "classifier.weight_scale"}, "classifier.weight_scale belongs to no part"},
        {{.reshape = "layer.0.intermediate.dense.weight"},
         "has the shape [4, 8]; the config asks for [5, 8]"},
        {{.reshape = "layer.1.attention.self.key.bias"},
         "has the shape [8]; the config asks for [9]"},
        {{.as_int = "layer.0.attention.self.key.weight"}, "self.key.weight_scale is missing"},
        {{.as_int = "pooler.dense.bias"}, "has the type I8; F32, F16, BF16 or F64 was expected"},
    };
    for (int i = 0; i < OC_COUNT(bad); i++) {
        write_variant(c, in_folder("bw/model.safetensors"), &bad[i].v);
        assert_not_loaded(in_folder("bw"), 0, OC_FORMAT, bad[i].part);
        assert_non_null(strstr(err.msg, "bw/model.safetensors"));
    }
    write_text(in_folder("bw/model.safetensors"), "version https://git-lfs.github.com/spec/v1\n");
    assert_not_loaded(in_folder("bw"), 0, OC_FORMAT, "Git LFS pointer");
    oc_checkpoint_free(c);
}

/* Numbers are looked at when they are first used; the message is as good as at loading. */
static void assert_not_usable(const char *path, const char *part)
{
    oc_checkpoint *c = load(path, 0);
    oc_model *d = NULL;
    oc_bert *b = NULL;
    oc_limits lim = {.max_B = 1, .max_N = 8, .max_T = 8};
    const int32_t start[2] = {0, 2}, ids[2] = {0, 1};
    const oc_batch note = {.B = 1, .N = 2, .start = start, .ids = ids};
    float z[8];
    const char *file = strrchr(path, '/') + 1;
    assert_null(c->model->slab);
    assert_true(c->model->dims.K <= OC_COUNT(z));
    for (int i = 0; i < 4; i++) {
        err = (oc_err){0};
        oc_status rc = i == 0   ? oc_bert_new(c->model, &lim, &b, &err)
                       : i == 1 ? oc_bert_once(c->model, &note, NULL, z, &err)
                       : i == 2 ? oc_model_dup(c->model, &d, &err)
                                : oc_checkpoint_own(c, &err);
        if (rc != OC_FORMAT || !strstr(err.msg, part) || !strstr(err.msg, file))
            fail_msg("expected \"%s\", got %d \"%s\"", part, rc, err.msg);
    }
    assert_true(!b && !d && !c->model->slab && c->weights);
    oc_checkpoint_free(c);
}

static void bad_numbers(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 5);
    save(c, in_folder("bn"));
    write_variant(c, in_folder("bn/model.safetensors"),
                  &(variant){.poison = "layer.0.attention.output.dense.weight"});
    assert_not_usable(in_folder("bn"),
                      "tensor bert.encoder.layer.0.attention.output.dense.weight holds NaN");
    // A matrix of the last layer, the classifier, and what is looked at and not packed.
    static const char *const poison[] = {"layer.1.output.dense.weight", "classifier.weight",
                                         "layer.1.output.LayerNorm.bias", "position_embeddings"};
    for (int i = 0; i < OC_COUNT(poison); i++) {
        write_variant(c, in_folder("bn/model.safetensors"), &(variant){.poison = poison[i]});
        assert_not_usable(in_folder("bn"), poison[i]);
    }
    write_variant(c, in_folder("bn/model.safetensors"), &(variant){.poison = "word_embeddings"});
    assert_not_usable(in_folder("bn"), "word_embeddings.weight holds NaN");
    oc_checkpoint_free(c);
}

/* A model that is only looked at borrows its file; one that is to be changed lets it go. */
static void borrowing(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 5), *b;
    quantize(c->model, OC_P_K_W, 1);
    save(c, in_folder("bo"));
    b = load(in_folder("bo"), 0);
    assert_true(!b->model->slab && b->weights);
    for (int32_t i = 0; i < b->model->layout.n; i++) {
        assert_true(!b->model->w[i].own && !b->model->w[i].own_scale);
        assert_null(oc_model_edit(b->model, i));
    }
    assert_int_equal(oc_checkpoint_own(b, &err), OC_OK);
    assert_true(b->model->slab && !b->weights);
    assert_same_model(c->model, b->model);
    for (int32_t i = 0; i < b->model->layout.n; i++)
        assert_int_equal(oc_model_edit(b->model, i) != NULL, b->model->w[i].q == NULL);
    oc_checkpoint_free(b);
    // Saved over the folder it is borrowed from.
    b = load(in_folder("bo"), 0);
    save(b, in_folder("bo"));
    assert_same_model(c->model, b->model);
    oc_checkpoint_free(b);
    oc_checkpoint_free(c);
}

static void distilbert(void **state)
{
    (void)state;
    oc_dims d = uneven;
    d.arch = OC_ARCH_DISTILBERT;
    d.S = 0;
    oc_checkpoint *c = make(&d, VOCAB, true, 5), *b;
    quantize(c->model, OC_P_POOL_W, -1);
    save(c, in_folder("di"));
    b = load(in_folder("di"), 0);
    assert_int_equal(b->model->dims.arch, OC_ARCH_DISTILBERT);
    assert_same_model(c->model, b->model);
    save(b, in_folder("di2"));
    assert_same_file(in_folder("di/model.safetensors"), in_folder("di2/model.safetensors"));
    assert_same_file(in_folder("di/config.json"), in_folder("di2/config.json"));
    oc_checkpoint_free(b);
    oc_checkpoint_free(c);
    // BERT's tensors under DistilBERT's config.
    c = make(&uneven, VOCAB, true, 5);
    write_variant(c, in_folder("di/model.safetensors"), &(variant){0});
    assert_not_loaded(in_folder("di"), 0, OC_FORMAT,
                      "its tensors are named as BERT's, but the config describes DistilBERT");
    oc_checkpoint_free(c);
}

static void remarks(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 5), *b;
    save(c, in_folder("rk"));
    write_variant(c, in_folder("rk/model.safetensors"),
                  &(variant){.strays = true, .extra = "fit_denses.0.bias", .skip = "classifier"});
    b = load(in_folder("rk"), 2);
    assert_int_equal(b->remarks.n, 2);
    assert_string_equal(b->remarks.item[0],
                        "classifier.weight and classifier.bias are not in the file: the classifier "
                        "is new and must be trained");
    assert_string_equal(b->remarks.item[1],
                        "passed over: cls.* (2 tensors, heads of pretraining), fit_dense* (1 "
                        "tensor, TinyBERT's projections), *position_ids (1 tensor, no weights)");
    oc_checkpoint_free(b);
    write_variant(c, in_folder("rk/model.safetensors"), &(variant){.extra = "fit_dense.bias"});
    b = load(in_folder("rk"), 2);
    assert_non_null(strstr(b->remarks.item[0], "ReLU between pooler and classifier"));
    oc_checkpoint_free(b);
    write_variant(c, in_folder("rk/model.safetensors"),
                  &(variant){.skip = "layer.1", .extra = "roberta.embeddings.x"});
    assert_not_loaded(
        in_folder("rk"), 2, OC_UNSUPPORTED,
        "its tensors are those of a RoBERTa model; BERT and DistilBERT are supported");
    unlink(in_folder("rk/config.json"));
    assert_not_loaded(in_folder("rk"), 2, OC_IO,
                      "has weights (model.safetensors) but no config.json");
    oc_checkpoint_free(c);
}

static void bad_int8(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 5);
    quantize(c->model, OC_P_K_W, 1);
    const oc_param *p = oc_layout_at(&c->model->layout, OC_P_K_W, 1);
    oc_weight *w = &c->model->w[p - c->model->layout.param];
    int8_t *q = w->own;
    float *scale = w->own_scale;
    q[7] = -128;
    save(c, in_folder("b8"));
    assert_not_usable(in_folder("b8"), "layer.1.attention.self.key.weight holds -128");
    q[7] = -127;
    c->model->bits7 = true; // and of 7 bits, as its config now says, it is not
    save(c, in_folder("b7"));
    assert_not_usable(in_folder("b7"), "b7/model.safetensors: tensor "
                                       "bert.encoder.layer.1.attention.self.key.weight holds -127 "
                                       "(entry 0); -63 to 63 was expected");
    for (int64_t i = 0; i < p->n; i++)
        q[i] = (int8_t)(i * 37 % 127 - 63);
    q[p->n - 1] = 64;
    save(c, in_folder("b7"));
    assert_not_usable(in_folder("b7"), "since the config says 7 bits");
    q[p->n - 1] = 63;
    save(c, in_folder("b7"));
    oc_checkpoint *good = load(in_folder("b7"), 0);
    assert_int_equal(oc_model_check(good->model, &err), OC_OK);
    oc_checkpoint_free(good);
    c->model->bits7 = false;
    static const float bad[] = {-1.0f, NAN, INFINITY};
    for (int i = 0; i < 3; i++) {
        scale[2] = bad[i];
        save(c, in_folder("b8"));
        assert_not_usable(in_folder("b8"), "key.weight_scale holds NaN or infinite");
    }
    scale[2] = 0.0f;
    save(c, in_folder("b8"));
    oc_checkpoint_free(load(in_folder("b8"), 0));
    oc_checkpoint_free(c);
}

static void heads(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 5), *b, *b2;
    add_labels(c, "x,y,z");
    save(c, in_folder("hd"));
    // A head that is there stays, whatever is asked for.
    b = load(in_folder("hd"), 7);
    assert_int_equal(b->model->dims.K, 3);
    assert_false(b->head_missing);
    oc_checkpoint_free(b);
    // No classifier: made as asked, from the seed; the labels of another size are forgotten.
    write_variant(c, in_folder("hd/model.safetensors"), &(variant){.skip = "classifier"});
    b = load(in_folder("hd"), 7);
    assert_true(b->head_missing);
    assert_int_equal(b->model->dims.K, 7);
    assert_int_equal(b->config.dims.K, 7);
    assert_int_equal(b->config.labels.n, 0);
    const oc_param *pool = oc_layout_at(&b->model->layout, OC_P_POOL_W, -1);
    assert_memory_equal(oc_model_at(b->model, OC_P_POOL_W, -1)->f32,
                        oc_model_at(c->model, OC_P_POOL_W, -1)->f32, (size_t)pool->n * 4);
    const float *w = oc_model_at(b->model, OC_P_CLS_W, -1)->f32;
    assert_true(w[0] != 0.0f && w[55] != 0.0f);
    b2 = load(in_folder("hd"), 7);
    assert_same_model(b->model, b2->model);
    oc_checkpoint_free(b);
    oc_checkpoint_free(b2);
    b = load(in_folder("hd"), 3);
    assert_int_equal(b->config.labels.n, 3);
    oc_checkpoint_free(b);
    // A pretraining checkpoint: no pooler either.
    write_variant(c, in_folder("hd/model.safetensors"),
                  &(variant){.skip = "classifier", .skip2 = "pooler", .strays = true});
    b = load(in_folder("hd"), 2);
    assert_true(oc_model_at(b->model, OC_P_POOL_W, -1)->f32[3] != 0.0f);
    oc_checkpoint_free(b);
    assert_not_loaded(in_folder("hd"), 0, OC_FORMAT, "tensor bert.pooler.dense.weight is missing");
    // With a classifier the pooler must be there.
    write_variant(c, in_folder("hd/model.safetensors"), &(variant){.skip = "pooler"});
    assert_not_loaded(in_folder("hd"), 2, OC_FORMAT, "tensor bert.pooler.dense.weight is missing");
    oc_checkpoint_free(c);
}

#define HF                                                                                                 \
    "\"hidden_size\": 8, \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 5, " \
    "\"vocab_size\": 12, \"max_position_embeddings\": 16"

static const oc_dims even = {.L = 1,
                             .H = 8,
                             .D = 4,
                             .V = 12,
                             .P = 16,
                             .S = 2,
                             .K = 3,
                             .A = {2},
                             .F = {5},
                             .eps = 1e-12f,
                             .act = OC_ACT_GELU,
                             .p_hidden = 0.1f,
                             .p_attn = 0.1f,
                             .p_cls = 0.1f};

static void plain_config(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&even, VOCAB, true, 5), *b;
    save(c, in_folder("pc"));
    // K is not said: it is the classifier's.
    write_text(in_folder("pc/config.json"), "{" HF "}");
    b = load(in_folder("pc"), 0);
    assert_same_model(c->model, b->model);
    assert_int_equal(b->config.dims.K, 3);
    oc_checkpoint_free(b);
    write_text(in_folder("pc/config.json"), "{" HF ", \"num_labels\": 2}");
    assert_not_loaded(in_folder("pc"), 0, OC_FORMAT,
                      "classifier.weight has the shape [3, 8]; the config asks for [2, 8]");
    write_text(in_folder("pc/config.json"), "{" HF "}");
    write_variant(c, in_folder("pc/model.safetensors"), &(variant){.skip = "classifier"});
    assert_not_loaded(in_folder("pc"), 0, OC_FORMAT, "classifier.weight is missing");
    // What a config asks for may be absurd: refused before memory is taken.
    write_text(in_folder("pc/config.json"),
               "{\"hidden_size\": 65536, \"num_hidden_layers\": 48, \"num_attention_heads\": 64, "
               "\"intermediate_size\": 131072, \"vocab_size\": 16777216, \"num_labels\": 3}");
    assert_not_loaded(in_folder("pc"), 0, OC_FORMAT,
                      "word_embeddings.weight has the shape [12, 8]");
    oc_checkpoint_free(c);
}

static void casing(void **state)
{
    (void)state;
    static const struct {
        const char *vocab, *tokenizer, *config; // tokenizer_config.json, optimclm part
        bool lower;
        oc_casing_from from;
    } t[] = {
        {VOCAB, "{\"do_lower_case\": false}", "\"do_lower_case\": true", false,
         OC_CASING_TOKENIZER_CONFIG},
        {CASED, "{\"do_lower_case\": true}", NULL, true, OC_CASING_TOKENIZER_CONFIG},
        {CASED, "{\"model_max_length\": 10}", "\"do_lower_case\": true", true, OC_CASING_CONFIG},
        {VOCAB, NULL, "\"do_lower_case\": false", false, OC_CASING_CONFIG},
        {VOCAB, "{\"do_lower_case\": null, \"model_max_length\": 1e30}", NULL, true,
         OC_CASING_GUESSED},
        {CASED, NULL, NULL, false, OC_CASING_GUESSED},
    };
    oc_checkpoint *c = make(&even, VOCAB, true, 5);
    save(c, in_folder("cs"));
    for (int i = 0; i < OC_COUNT(t); i++) {
        char config[1024];
        snprintf(config, sizeof config, "{" HF "%s%s%s}",
                 t[i].config ? ", \"optimclm\": {\"format\": 1, " : "",
                 t[i].config ? t[i].config : "", t[i].config ? "}" : "");
        write_text(in_folder("cs/config.json"), config);
        write_text(in_folder("cs/vocab.txt"), t[i].vocab);
        unlink(in_folder("cs/tokenizer_config.json"));
        if (t[i].tokenizer)
            write_text(in_folder("cs/tokenizer_config.json"), t[i].tokenizer);
        oc_checkpoint *b = load(in_folder("cs"), 0);
        assert_int_equal(b->tok->lowercase, t[i].lower);
        assert_int_equal(b->casing_from, t[i].from);
        assert_int_equal(b->config.max_len, i == 2 ? 10 : 0);
        oc_checkpoint_free(b);
    }
    write_text(in_folder("cs/tokenizer_config.json"), "{\"do_lower_case\": \"no\"}");
    assert_not_loaded(in_folder("cs"), 0, OC_FORMAT, "do_lower_case must be true or false");
    write_text(in_folder("cs/tokenizer_config.json"), "[]");
    assert_not_loaded(in_folder("cs"), 0, OC_FORMAT, "tokenizer_config.json");
    write_text(in_folder("cs/tokenizer_config.json"), "{");
    assert_not_loaded(in_folder("cs"), 0, OC_FORMAT, "tokenizer_config.json");
    unlink(in_folder("cs/tokenizer_config.json"));
    write_text(in_folder("cs/vocab.txt"), VOCAB "more\n");
    assert_not_loaded(in_folder("cs"), 0, OC_FORMAT,
                      "has 13 entries, but the model's vocab_size is 12");
    unlink(in_folder("cs/vocab.txt"));
    assert_not_loaded(in_folder("cs"), 0, OC_IO, "vocab.txt");
    assert_string_equal(oc_casing_from_text(OC_CASING_TOKENIZER_CONFIG), "tokenizer_config.json");
    assert_string_equal(oc_casing_from_text(OC_CASING_GUESSED), "guessed from the vocabulary");
    oc_checkpoint_free(c);
}

static void places(void **state)
{
    (void)state;
    assert_not_loaded(in_folder("nowhere"), 0, OC_IO, "there is no model at");
    assert_int_equal(oc_mkdirs(in_folder("pl"), &err), OC_OK);
    assert_not_loaded(in_folder("pl"), 0, OC_IO, "has no weights: looked for model.safetensors");
    write_text(in_folder("pl/pytorch_model.bin"), "x");
    assert_not_loaded(in_folder("pl"), 0, OC_FORMAT, "pytorch_model.bin");
    write_text(in_folder("pl/model.safetensors"), "x");
    assert_not_loaded(in_folder("pl"), 0, OC_FORMAT, "pl/model.safetensors");
    char path[6000];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = 0;
    assert_not_loaded(path, 0, OC_RANGE, "too long");
}

static void partial_checkpoint(void **state)
{
    (void)state;
    char weights[4096], text[8192], real[4096];
    snprintf(weights, sizeof weights, "%s", shared("bert-tiny-sst2-partial/model.safetensors"));
    assert_non_null(realpath(weights, real));
    assert_int_equal(oc_mkdirs(in_folder("sst"), &err), OC_OK);
    assert_int_equal(symlink(real, in_folder("sst/model.safetensors")), 0);
    snprintf(
        text, sizeof text,
        "{\"model_type\": \"bert\", \"hidden_size\": 128, \"num_hidden_layers\": 2, "
        "\"num_attention_heads\": 2, \"intermediate_size\": 512, \"vocab_size\": 30522, \"num_labels\": 2}");
    write_text(in_folder("sst/config.json"), text);
    write_text(in_folder("sst/vocab.txt"), VOCAB);
    assert_not_loaded(in_folder("sst"), 0, OC_FORMAT, "bert.embeddings.word_embeddings.weight");
    assert_not_loaded(in_folder("sst"), 2, OC_FORMAT,
                      "tensor bert.embeddings.word_embeddings.weight is missing");
    assert_null(strstr(err.msg, "more")); // nothing else is
}

/* Anything at all in place of config.json: a sentence that names it. */
static void any_config(void **state)
{
    (void)state;
    char dir[4096];
    snprintf(dir, sizeof dir, "%s", shared("json-test-suite/test_parsing"));
    oc_checkpoint *c = make(&even, VOCAB, true, 5);
    oc_strlist names = {0};
    save(c, in_folder("ac"));
    assert_int_equal(oc_dir_list(dir, &names, &err), OC_OK);
    assert_true(names.n > 300);
    for (int64_t i = 0; i < names.n; i++) {
        char path[8200], *text;
        size_t n;
        snprintf(path, sizeof path, "%s/%s", dir, names.item[i]);
        assert_int_equal(oc_file_read(path, 1 << 24, &text, &n, &err), OC_OK);
        assert_int_equal(oc_file_write(in_folder("ac/config.json"), text, n, &err), OC_OK);
        oc_free(text);
        assert_not_loaded(in_folder("ac"), 2, OC_FORMAT, "ac/config.json");
    }
    oc_strlist_release(&names);
    oc_checkpoint_free(c);
}

/* --- saving ----------------------------------------------------------------------------------- */

static void replacing(void **state)
{
    (void)state;
    oc_checkpoint *a = make(&uneven, VOCAB, true, 1), *c = make(&uneven, VOCAB, true, 2), *d;
    save(a, in_folder("rp"));
    save(c, in_folder("rp"));
    d = load(in_folder("rp"), 0);
    assert_same_model(c->model, d->model);
    oc_checkpoint_free(d);
    assert_false(oc_path_exists(in_folder("rp.saving")));
    assert_false(oc_path_exists(in_folder("rp.replaced")));
    // Killed between the two renames: the old model answers, and the next save tidies up.
    assert_int_equal(rename(in_folder("rp"), in_folder("rp.replaced")), 0);
    d = load(in_folder("rp"), 0);
    assert_same_model(c->model, d->model);
    oc_checkpoint_free(d);
    assert_int_equal(oc_mkdirs(in_folder("rp.saving"), &err), OC_OK);
    write_text(in_folder("rp.saving/model.safetensors.tmp-12-3"), "half");
    save(a, in_folder("rp"));
    assert_false(oc_path_exists(in_folder("rp.saving")));
    assert_false(oc_path_exists(in_folder("rp.replaced")));
    d = load(in_folder("rp"), 0);
    assert_same_model(a->model, d->model);
    oc_checkpoint_free(d);
    // An empty folder may be taken; one with anything else in it may not.
    assert_int_equal(oc_mkdirs(in_folder("empty"), &err), OC_OK);
    save(a, in_folder("empty"));
    write_text(in_folder("empty/thesis.tex"), "x");
    err = (oc_err){0};
    assert_int_equal(oc_checkpoint_save(c, in_folder("empty"), NULL, &err), OC_STATE);
    assert_non_null(strstr(err.msg, "thesis.tex"));
    assert_true(oc_path_exists(in_folder("empty/thesis.tex")));
    write_text(in_folder("file"), "x");
    err = (oc_err){0};
    assert_int_equal(oc_checkpoint_save(c, in_folder("file"), NULL, &err), OC_STATE);
    err = (oc_err){0};
    assert_int_equal(oc_checkpoint_save(c, in_folder("file/below"), NULL, &err), OC_IO);
    assert_non_null(strstr(err.msg, "file/below"));
    err = (oc_err){0};
    assert_int_equal(oc_checkpoint_save(c, "", NULL, &err), OC_RANGE);
    assert_string_equal(c->path, in_folder("rp")); // as after the last save that worked
    oc_checkpoint_free(a);
    oc_checkpoint_free(c);
}

static void full_disk(void **state)
{
    (void)state;
    oc_checkpoint *a = make(&uneven, VOCAB, true, 1), *c = make(&uneven, VOCAB, true, 2), *d;
    save(a, in_folder("fd"));
    struct rlimit old, small = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    err = (oc_err){0};
    oc_status rc = oc_checkpoint_save(c, in_folder("fd"), NULL, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, OC_IO);
    assert_non_null(strstr(err.msg, "model.safetensors"));
    assert_false(oc_path_exists(in_folder("fd.saving")));
    d = load(in_folder("fd"), 0);
    assert_same_model(a->model, d->model);
    oc_checkpoint_free(d);
    oc_checkpoint_free(a);
    oc_checkpoint_free(c);
}

static void unfit_parts(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 1), *d = NULL;
    add_labels(c, "only,two");
    err = (oc_err){0};
    assert_int_equal(oc_checkpoint_save(c, in_folder("uf"), NULL, &err), OC_SHAPE);
    assert_non_null(strstr(err.msg, "2 labels, but the model has 3 classes"));
    assert_false(oc_path_exists(in_folder("uf")));
    oc_dims wide = uneven;
    oc_model *m;
    wide.V = 13;
    assert_int_equal(oc_model_new(&wide, &m, NULL), OC_OK);
    err = (oc_err){0};
    assert_int_equal(oc_checkpoint_new(m, c->tok, &d, &err), OC_SHAPE);
    assert_non_null(strstr(err.msg, "12 entries, but the model's vocab_size is 13"));
    assert_null(d);
    oc_model_free(m); // not taken
    oc_checkpoint_free(c);
}

/* --- describing ------------------------------------------------------------------------------- */

static void describe(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 1);
    add_labels(c, "a,b,c");
    for (int k = 0; k < 6; k++)
        oc_model_edit(c->model, c->model->layout.index[1][OC_P_F1_W])[k] = 0.0f;
    quantize(c->model, OC_P_WORD, -1);
    quantize(c->model, OC_P_Q_W, 1);
    save(c, in_folder("ds"));
    oc_buf b = {0};
    assert_int_equal(oc_checkpoint_describe(c, &b, &err), OC_OK);
    oc_json *j;
    assert_int_equal(oc_json_parse(b.data, b.len, "describe", &j, &err), OC_OK);
    assert_true(oc_json_num(oc_json_get(j, "params"), 0) == (double)oc_model_params(c->model));
    assert_true(oc_json_num(oc_json_get(j, "bytes"), 0) ==
                (double)oc_file_bytes(in_folder("ds/model.safetensors")));
    assert_true(oc_json_num(oc_json_get(j, "hidden"), 0) == 8);
    assert_true(oc_json_num(oc_json_get(j, "vocab"), 0) == 12);
    assert_string_equal(oc_json_str(oc_json_get(j, "casing"), ""), "uncased");
    assert_string_equal(oc_json_str(oc_json_get(j, "casing_from"), ""), "made with the model");
    assert_int_equal(oc_json_count(oc_json_get(j, "labels")), 3);
    const oc_json *l0 = oc_json_first(oc_json_get(j, "layers")), *l1 = oc_json_next(l0);
    assert_null(oc_json_next(l1));
    assert_true(oc_json_num(oc_json_get(l0, "heads"), 0) == 1);
    assert_true(oc_json_num(oc_json_get(l0, "ffn"), 0) == 5);
    assert_true(oc_json_num(oc_json_get(l0, "bits"), 0) == 32);
    assert_true(oc_json_num(oc_json_get(l0, "sparsity"), 1) == 0);
    // Layer 1: four matrices of 9x8, two of 7x8 = 400 weights; query has 8 bits.
    assert_true(oc_json_num(oc_json_get(l1, "bits"), 0) == (72 * 8 + 328 * 32) / 400.0);
    int64_t zeros = 6;
    for (int k = 0; k < 72; k++)
        zeros += oc_model_at(c->model, OC_P_Q_W, 1)->q[k] == 0;
    assert_true(zeros == 6 + 0 || zeros == 6 + 1);
    assert_true(oc_json_num(oc_json_get(l1, "sparsity"), 0) == (double)zeros / 400.0);
    double params = 0, bytes = 0, t_bytes = 0;
    for (const oc_json *k = oc_json_first(oc_json_get(j, "blocks")); k; k = oc_json_next(k)) {
        params += oc_json_num(oc_json_get(k, "params"), 0);
        bytes += oc_json_num(oc_json_get(k, "bytes"), 0);
    }
    assert_true(params == (double)oc_model_params(c->model));
    const oc_json *emb = oc_json_get(oc_json_get(j, "blocks"), "embeddings");
    assert_true(oc_json_num(oc_json_get(emb, "params"), 0) == 12 * 8 + 16 * 8 + 2 * 8 + 16);
    assert_true(oc_json_num(oc_json_get(emb, "bytes"), 0) ==
                12 * 8 + 12 * 4 + (16 * 8 + 2 * 8 + 16) * 4);
    oc_st *st;
    assert_int_equal(oc_st_open(in_folder("ds/model.safetensors"), &st, &err), OC_OK);
    assert_int_equal(oc_json_count(oc_json_get(j, "tensors")), oc_st_count(st));
    for (const oc_json *t = oc_json_first(oc_json_get(j, "tensors")); t; t = oc_json_next(t)) {
        const oc_tensor *f = oc_st_find(st, oc_json_str(oc_json_get(t, "name"), ""));
        assert_non_null(f);
        assert_string_equal(oc_json_str(oc_json_get(t, "dtype"), ""), oc_dtype_name(f->dtype));
        assert_true(oc_json_num(oc_json_get(t, "bytes"), -1) == (double)f->bytes);
        assert_int_equal(oc_json_count(oc_json_get(t, "shape")), f->n_dims);
        t_bytes += (double)f->bytes;
    }
    assert_true(bytes == t_bytes);
    oc_st_close(st);
    oc_json_free(j);
    oc_buf_release(&b);
    oc_checkpoint_free(c);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void out_of_memory(void **state)
{
    (void)state;
    oc_checkpoint *c = make(&uneven, VOCAB, true, 1);
    quantize(c->model, OC_P_Q_W, 1);
    add_labels(c, "a,b,c");
    save(c, in_folder("om"));
    int64_t k = 1;
    for (;; k++) {
        oc_checkpoint *d = NULL, *e = NULL;
        oc_model *m = NULL;
        oc_err x = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_checkpoint_load(in_folder("om"), 0, 1, &d, &x);
        if (rc == OC_OK)
            rc = oc_model_dup(d->model, &m, &x);
        if (rc == OC_OK)
            rc = oc_checkpoint_with(d, m, &e, &x);
        oc_alloc_fail_at(0);
        if (!e)
            oc_model_free(m);
        oc_checkpoint_free(d);
        oc_checkpoint_free(e);
        if (rc == OC_OK)
            break;
        assert_int_equal(rc, OC_NOMEM);
        assert_int_equal(x.status, OC_NOMEM);
    }
    assert_true(k > 100);
    for (k = 1;; k++) {
        oc_err x = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_checkpoint_save(c, in_folder("om"), NULL, &x);
        oc_alloc_fail_at(0);
        assert_false(oc_path_exists(in_folder("om.saving")) && rc == OC_OK);
        if (k % 16 == 0 || rc == OC_OK) // whatever failed, there is a whole model
            oc_checkpoint_free(load(in_folder("om"), 0));
        if (rc == OC_OK)
            break;
        assert_int_equal(rc, OC_NOMEM);
    }
    oc_checkpoint_free(c);
}

int main(void)
{
    if (oc_kernels_select(NULL) != OC_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),      cmocka_unit_test(tokenizer_config),
        cmocka_unit_test(quantized),       cmocka_unit_test(keys_differ),
        cmocka_unit_test(names_and_types), cmocka_unit_test(bad_weights),
        cmocka_unit_test(bad_int8),        cmocka_unit_test(bad_numbers),
        cmocka_unit_test(borrowing),       cmocka_unit_test(distilbert),
        cmocka_unit_test(remarks),         cmocka_unit_test(heads),
        cmocka_unit_test(plain_config),    cmocka_unit_test(casing),
        cmocka_unit_test(places),          cmocka_unit_test(partial_checkpoint),
        cmocka_unit_test(any_config),      cmocka_unit_test(replacing),
        cmocka_unit_test(full_disk),       cmocka_unit_test(unfit_parts),
        cmocka_unit_test(describe),        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, make_folder, remove_folder);
}
