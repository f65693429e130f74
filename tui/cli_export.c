/*
 * tui/cli_export.c - export: a session as a table or recipe, a model for other programs.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/json.h"
#include "core/base/par.h"
#include "core/compress/calibrate.h"
#include "core/data/task.h"
#include "core/io/export.h"
#include "sessions/session.h"
#include "tui/cli.h"

/* What --calibrate asks for: ranges of a model's inputs over a table of notes. */
static oc_status calibrate(const oc_cli *c, const oc_checkpoint *k, oc_input_range *range,
                           oc_err *err)
{
    oc_task task = {0};
    oc_dataset data = {0};
    oc_encoded e = {0};
    oc_job job = {.emit = oc_cli_progress};
    oc_calibrate_opts o = {.by_percentile = c->observer && !strcmp(c->observer, "percentile"),
                           .percentile = c->percentile};
    oc_settings_init(&job.set);
    int64_t max_len = c->max_len ? c->max_len : oc_max_len(&k->config, k->model->dims.P);
    oc_status st;
    OC_TRY_GOTO(out, st, oc_cli_task(c, k, &task, err));
    OC_TRY_GOTO(out, st, oc_data_load_file(c->calibrate, &task, false, false, &data, NULL, err));
    OC_TRY_GOTO(out, st, oc_encode_all(&job, &data, k->tok, max_len, &e, err));
    OC_TRY_GOTO(out, st, oc_calibrate(&job, k->model, &e, &o, range, err));
out:
    oc_cli_progress_end();
    oc_encoded_release(&e);
    oc_dataset_release(&data);
    oc_task_release(&task);
    return st;
}

/* Options that do not go together, before anything is read. */
static oc_status check_options(const oc_cli *c, oc_export_opts *o, oc_err *err)
{
    const char *name = oc_export_format_name(o->format);
    bool onnx = o->format == OC_EXPORT_ONNX;
    if (c->dtype && onnx)
        return OC_FAIL(err, OC_USAGE, "--dtype is for hf and torch; onnx takes --precision");
    o->f16 = c->dtype && !strcmp(c->dtype, "f16");
    if ((c->precision || c->calibrate) && !onnx)
        return OC_FAIL(err, OC_USAGE, "%s is for onnx, not for %s",
                       c->precision ? "--precision" : "--calibrate", name);
    if (c->precision)
        (void)oc_onnx_precision_find(c->precision, &o->precision); // words were checked
    bool is_static = onnx && c->precision && o->precision == OC_ONNX_STATIC;
    if (is_static && !c->calibrate)
        return OC_FAIL(
            err, OC_USAGE,
            "--precision int8-static needs --calibrate TABLE, notes to measure ranges on");
    if (!is_static && (c->calibrate || c->observer))
        return OC_FAIL(err, OC_USAGE, "%s is for --precision int8-static only",
                       c->calibrate ? "--calibrate" : "--observer");
    return OC_OK;
}

static void print_report(const oc_cli *c, const oc_export_opts *o, const char *out,
                         const oc_export_report *r, oc_buf *b)
{
    const char *precision = o->format == OC_EXPORT_ONNX ? oc_onnx_precision_name(o->precision)
                            : o->f16                    ? "f16"
                                                        : "f32";
    double share = (double)r->padded / (double)(r->params + r->padded);
    if (c->json) {
        oc_jw w = {.out = b};
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "format", oc_export_format_name(o->format));
        oc_jw_kstr(&w, "out", out);
        oc_jw_kstr(&w, "precision", precision);
        oc_jw_ki64(&w, "bytes_before", r->bytes_before);
        oc_jw_ki64(&w, "bytes", r->bytes);
        oc_jw_ki64(&w, "params", r->params);
        oc_jw_ki64(&w, "padded", r->padded);
        oc_jw_kf64(&w, "padded_share", share);
        if (o->format != OC_EXPORT_ONNX)
            oc_jw_kf64(&w, "max_logit_difference", (double)r->max_diff);
        oc_jw_close(&w, '}');
        oc_buf_ch(b, '\n');
        return;
    }
    char before[24], after[24];
    oc_fmt_bytes(before, r->bytes_before);
    oc_fmt_bytes(after, r->bytes);
    oc_buf_fmt(b, "%s: %s %s, %s (the model has %s)\n", out, oc_export_format_name(o->format),
               precision, after, before);
    if (r->padded > 0)
        oc_buf_fmt(b, "%lld of its %lld weights (%.1f %%) are zeros that fill the stock layout\n",
                   (long long)r->padded, (long long)(r->params + r->padded), 100 * share);
    if (o->format != OC_EXPORT_ONNX)
        oc_buf_fmt(b,
                   "read back and run on random notes: logits differ by at most %.2g (largest "
                   "logit %.3g)\n",
                   (double)r->max_diff, (double)r->max_logit);
}

static oc_status export_model(const oc_cli *c, const oc_export_opts *asked, oc_export_opts *o,
                              oc_export_report *r, oc_err *err)
{
    const char *out = c->arg.item[3];
    oc_checkpoint *k = NULL;
    oc_input_range *range = NULL;
    oc_status st;
    *o = *asked;
    OC_TRY(oc_cli_threads(c, err));
    OC_TRY_GOTO(out, st, oc_cli_load(c->arg.item[1], 0, &k, err));
    if (!c->precision && !oc_model_is_f32(k->model))
        o->precision = OC_ONNX_DYNAMIC;
    OC_TRY_GOTO(out, st, oc_export_check(k, o, out, err));
    if (o->precision == OC_ONNX_STATIC) {
        range = oc_calloc((size_t)k->model->layout.n, sizeof *range);
        st = range ? calibrate(c, k, range, err) : OC_FAIL(err, OC_NOMEM, "out of memory");
        o->range = range;
        if (st != OC_OK)
            goto out;
    }
    st = oc_export(k, o, out, r, err);
out:
    oc_free(range);
    oc_checkpoint_free(k);
    return st;
}

int oc_cli_export(oc_cli *c)
{
    oc_err err = {0};
    if (c->arg.n != 4)
        return oc_cli_usage("export takes a session or model, a format and what to write: "
                            "SESSION csv|jsonl|json|recipe FILE, or MODEL hf|torch|onnx FOLDER");
    oc_export_opts asked = {0}, o;
    if (!oc_export_format_find(c->arg.item[2], &asked.format)) {
        if (c->dtype || c->precision || c->calibrate || c->observer || c->json)
            return oc_cli_usage("options of export are for a model as hf, torch or onnx");
        oc_status st = oc_session_export(c->arg.item[1], c->arg.item[2], c->arg.item[3], &err);
        if (st == OC_USAGE)
            return oc_cli_usage("%s; a model's is hf, torch or onnx", err.msg);
        return st == OC_OK ? OC_EXIT_DONE : oc_cli_fail(&err);
    }
    oc_export_report r;
    oc_status st = check_options(c, &asked, &err);
    if (st == OC_OK)
        st = export_model(c, &asked, &o, &r, &err);
    if (st != OC_OK)
        return oc_cli_fail(&err);
    oc_buf b = {0};
    print_report(c, &o, c->arg.item[3], &r, &b);
    int rc = oc_cli_print(&b);
    oc_buf_release(&b);
    return rc;
}
