#include "core/io/export.h"

#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/io/checkpoint_map.h"
#include "core/io/export_onnx_pb.h"
#include "core/io/export_priv.h"
#include "core/io/folder.h"

#define RECORD "optimclm_export.json"
#define TOKENS "special_tokens_map.json"

static const char *const formats[] = {
    [OC_EXPORT_HF] = "hf", [OC_EXPORT_TORCH] = "torch", [OC_EXPORT_ONNX] = "onnx"};
static const char *const precisions[] = {
    [OC_ONNX_F32] = "f32", [OC_ONNX_DYNAMIC] = "int8-dynamic", [OC_ONNX_STATIC] = "int8-static"};

static int find(const char *const *words, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(words[i], name))
            return i;
    return -1;
}

bool oc_export_format_find(const char *name, oc_export_format *out)
{
    int i = find(formats, OC_COUNT(formats), name);
    if (i >= 0)
        *out = (oc_export_format)i;
    return i >= 0;
}

const char *oc_export_format_name(oc_export_format f)
{
    return formats[f];
}

bool oc_onnx_precision_find(const char *name, oc_onnx_precision *out)
{
    int i = find(precisions, OC_COUNT(precisions), name);
    if (i >= 0)
        *out = (oc_onnx_precision)i;
    return i >= 0;
}

const char *oc_onnx_precision_name(oc_onnx_precision p)
{
    return precisions[p];
}

void oc__export_floats(const oc_model *m, int32_t i, float *dst)
{
    const oc_param *p = &m->layout.param[i];
    const oc_weight *w = &m->w[i];
    if (!w->q) {
        memcpy(dst, w->f32, (size_t)p->n * sizeof *dst);
        return;
    }
    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t k = 0; k < p->cols; k++)
            dst[r * p->cols + k] = w->scale[r] * (float)w->q[r * p->cols + k];
}

bool oc__export_pool_relu(const oc_dims *d)
{
    return d->arch == OC_ARCH_DISTILBERT;
}

/* --- the files beside the weights ------------------------------------------------------------- */

static oc_status write_json(const char *dir, const char *name, oc_buf *b, oc_err *err)
{
    char path[OC_PATH_MAX];
    oc_buf_ch(b, '\n');
    OC_TRY(oc_buf_check(b, err));
    OC_TRY(oc_path_join(path, dir, name, err));
    return oc_file_write(path, b->data, b->len, err);
}

static oc_status write_tokens(const oc_vocab *v, const char *dir, oc_err *err)
{
    oc_buf b = {0};
    oc_jw w = {.out = &b, .indent = 2};
    oc_special_ids s = oc_vocab_special(v);
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "cls_token", oc_vocab_token(v, s.cls));
    if (s.mask >= 0)
        oc_jw_kstr(&w, "mask_token", oc_vocab_token(v, s.mask));
    oc_jw_kstr(&w, "pad_token", oc_vocab_token(v, s.pad));
    oc_jw_kstr(&w, "sep_token", oc_vocab_token(v, s.sep));
    oc_jw_kstr(&w, "unk_token", oc_vocab_token(v, s.unk));
    oc_jw_close(&w, '}');
    oc_status rc = write_json(dir, TOKENS, &b, err);
    oc_buf_release(&b);
    return rc;
}

static oc_status write_record(const oc_checkpoint *c, const oc_export_opts *o,
                              const oc_export_report *r, const char *dir, oc_err *err)
{
    oc_buf b = {0};
    oc_jw w = {.out = &b, .indent = 2};
    char key[33];
    oc_checkpoint_key(c, key);
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "optimclm", OC_VERSION);
    oc_jw_kstr(&w, "format", formats[o->format]);
    oc_jw_kstr(&w, "precision",
               o->format == OC_EXPORT_ONNX ? precisions[o->precision] : (o->f16 ? "f16" : "f32"));
    oc_jw_kstr(&w, "model_key", key);
    oc_jw_ki64(&w, "bytes_before", r->bytes_before);
    oc_jw_ki64(&w, "bytes", r->bytes);
    oc_jw_ki64(&w, "params", r->params);
    oc_jw_ki64(&w, "padded", r->padded);
    oc_jw_close(&w, '}');
    oc_status rc = write_json(dir, RECORD, &b, err);
    oc_buf_release(&b);
    return rc;
}

typedef struct exporting {
    const oc_checkpoint *c;
    const oc_export_opts *o;
    oc_export_report r;
} exporting;

/* The configuration of what is written: the padded, unquantized network of hf and torch. */
static oc_status write_config(const exporting *x, const char *dir, oc_err *err)
{
    char path[OC_PATH_MAX];
    oc_config f;
    OC_TRY(oc_path_join(path, dir, OC__CKPT_CONFIG, err));
    OC_TRY(oc_config_dup(&x->c->config, &f, err));
    oc_status rc = OC_OK;
    f.dims = x->c->model->dims;
    f.n_q8 = 0;
    f.attn_s8 = false;
    if (x->o->format != OC_EXPORT_ONNX)
        rc = oc__export_hf_dims(&x->c->model->dims, &f.dims, err);
    if (rc == OC_OK)
        rc = oc_config_write(&f, path, err);
    oc_config_release(&f);
    return rc;
}

static oc_status write_folder(void *ctx, const char *dir, oc_err *err)
{
    exporting *x = ctx;
    char path[OC_PATH_MAX];
    if (x->o->format != OC_EXPORT_ONNX) {
        OC_TRY(oc__export_hf_weights(x->c, x->o, dir, &x->r, err));
    } else {
        OC_TRY(oc_path_join(path, dir, OC__EXPORT_ONNX, err));
        OC_TRY(oc__export_onnx_write(x->c, x->o, path, &x->r.bytes, err));
    }
    OC_TRY(write_config(x, dir, err));
    OC_TRY(oc_path_join(path, dir, OC__CKPT_VOCAB, err));
    OC_TRY(oc_vocab_save(x->c->tok->vocab, path, err));
    OC_TRY(oc_path_join(path, dir, OC__CKPT_TOKENIZER, err));
    OC_TRY(oc__ckpt_write_tokenizer(x->c, path, err));
    OC_TRY(write_tokens(x->c->tok->vocab, dir, err));
    if (x->o->format != OC_EXPORT_ONNX)
        OC_TRY(oc__export_hf_verify(x->c, x->o, dir, &x->r, err));
    return write_record(x->c, x->o, &x->r, dir, err);
}

/* --- where it goes ---------------------------------------------------------------------------- */

static oc_folder folder_of(exporting *x)
{
    static const char *const names[] = {OC__CKPT_WEIGHTS, OC__EXPORT_TORCH, OC__EXPORT_ONNX,
                                        OC__CKPT_CONFIG,  OC__CKPT_VOCAB,   OC__CKPT_TOKENIZER,
                                        TOKENS,           RECORD,           NULL};
    return (oc_folder){
        .what = "an export", .names = names, .marker = RECORD, .write = write_folder, .ctx = x};
}

static bool one_file(const oc_export_opts *o, const char *out)
{
    return o->format == OC_EXPORT_ONNX && oc_str_ends(out, ".onnx");
}

static bool same_place(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static oc_status check_place(exporting *x, const char *out, oc_err *err)
{
    if (*x->c->path && same_place(x->c->path, out))
        return OC_FAIL(err, OC_STATE, "%s is the model itself; name another folder", out);
    if (one_file(x->o, out)) {
        if (!oc_path_exists(out) || oc__ox_is_ours(out))
            return OC_OK;
        return OC_FAIL(err, OC_STATE, "%s is there and is no export of ours; name another file",
                       out);
    }
    oc_folder f = folder_of(x);
    return oc_folder_check(out, &f, err);
}

static oc_status check_model(const oc_checkpoint *c, const oc_export_opts *o, oc_err *err)
{
    oc_dims padded;
    if (c->head_missing)
        return OC_FAIL(err, OC_UNSUPPORTED, "%s has no classifier; finetune it first", c->path);
    return o->format != OC_EXPORT_ONNX ? oc__export_hf_dims(&c->model->dims, &padded, err)
                                       : oc__export_onnx_check(c, o, err);
}

oc_status oc_export_check(const oc_checkpoint *c, const oc_export_opts *o, const char *out,
                          oc_err *err)
{
    exporting x = {.c = c, .o = o};
    OC_TRY(check_model(c, o, err));
    OC_TRY(oc_model_check(c->model, err)); // weights borrowed from a file were not looked at yet
    return check_place(&x, out, err);
}

oc_status oc_export(const oc_checkpoint *c, const oc_export_opts *o, const char *out,
                    oc_export_report *report, oc_err *err)
{
    exporting x = {
        .c = c, .o = o, .r = {.bytes_before = c->bytes, .params = oc_model_params(c->model)}};
    OC_TRY(oc_export_check(c, o, out, err));
    if (one_file(o, out)) {
        OC_TRY(oc__export_onnx_write(c, o, out, &x.r.bytes, err));
    } else {
        oc_folder f = folder_of(&x);
        OC_TRY(oc_folder_write(out, &f, err));
    }
    if (report)
        *report = x.r;
    return OC_OK;
}
