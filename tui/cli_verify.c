/*
 * tui/cli_verify.c - verify MODEL REFERENCE: our outputs against another implementation's.
 */
#include <math.h>
#include <stdio.h>

#include "core/base/json.h"
#include "core/io/checkpoint.h"
#include "core/measure/verify.h"
#include "tui/cli_ids.h"

typedef struct verdict {
    const char *model, *reference, *precision;
    double tolerance;
    oc_verify v;
} verdict;

static double relative(const oc_verify_row *r)
{
    return r->magnitude > 0 ? r->max_abs / r->magnitude : r->max_abs > 0 ? (double)NAN : 0.0;
}

static void put_json(const verdict *x, oc_buf *out)
{
    const oc_verify_row *beyond = oc_verify_beyond(&x->v, x->tolerance);
    oc_jw w = {.out = out};
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "model", x->model);
    oc_jw_kstr(&w, "reference", x->reference);
    oc_jw_kstr(&w, "precision", x->precision);
    oc_jw_ki64(&w, "notes", x->v.notes);
    oc_jw_ki64(&w, "tokens", x->v.tokens);
    oc_jw_kf64(&w, "tolerance", x->tolerance);
    oc_jw_kbool(&w, "within", !beyond);
    oc_jw_kstr(&w, "first_beyond", beyond ? beyond->name : NULL);
    oc_jw_key(&w, "outputs");
    oc_jw_open(&w, '[');
    for (int32_t i = 0; i < x->v.n; i++) {
        const oc_verify_row *r = &x->v.row[i];
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "name", r->name);
        oc_jw_kf64(&w, "max_abs", r->max_abs);
        oc_jw_kf64(&w, "max_rel", relative(r));
        oc_jw_kf64(&w, "magnitude", r->magnitude);
        oc_jw_ki64(&w, "note", r->note);
        oc_jw_key(&w, "token");
        r->token < 0 ? oc_jw_null(&w) : oc_jw_i64(&w, r->token);
        oc_jw_ki64(&w, "unit", r->unit);
        oc_jw_kbool(&w, "within", r->max_abs <= x->tolerance);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_close(&w, '}');
    oc_buf_ch(out, '\n');
}

static void put_text(const verdict *x, oc_buf *out)
{
    oc_buf_fmt(out, "%s (%s) against %s\n", x->model, x->precision, x->reference);
    oc_buf_fmt(out, "  %lld notes, %lld tokens; tolerance %g\n\n", (long long)x->v.notes,
               (long long)x->v.tokens, x->tolerance);
    oc_buf_str(out, "  output      difference  relative  largest     note  token   unit\n");
    for (int32_t i = 0; i < x->v.n; i++) {
        const oc_verify_row *r = &x->v.row[i];
        char token[24] = "-";
        if (r->token >= 0)
            snprintf(token, sizeof token, "%lld", (long long)r->token);
        oc_buf_fmt(out, "  %-12s %9.2e  %8.1e  %7.3g  %7lld  %5s  %5lld%s\n", r->name, r->max_abs,
                   relative(r), r->magnitude, (long long)r->note, token, (long long)r->unit,
                   r->max_abs <= x->tolerance ? "" : "  beyond");
    }
    if (!oc_verify_beyond(&x->v, x->tolerance))
        oc_buf_str(out, "\n  all within the tolerance\n");
}

static int tell(const oc_cli *c, const verdict *x)
{
    oc_buf out = {0};
    c->json ? put_json(x, &out) : put_text(x, &out);
    int rc = oc_cli_print(&out);
    oc_buf_release(&out);
    const oc_verify_row *beyond = oc_verify_beyond(&x->v, x->tolerance);
    if (rc != OC_EXIT_DONE || !beyond)
        return rc;
    fprintf(stderr, "optimclm: %s is the first output that differs by more than %g: by %.3g\n",
            beyond->name, x->tolerance, beyond->max_abs);
    return OC_EXIT_NOT_ACCEPTED;
}

int oc_cli_verify(oc_cli *c)
{
    if (c->arg.n != 3)
        return oc_cli_usage(
            "verify takes a model folder and a reference (safetensors: input_ids and outputs, as `predict --ids --hidden` writes)");
    oc_err err = {0};
    oc_checkpoint *k = NULL;
    oc_reference ref = {0};
    verdict x = {.model = c->arg.item[1], .reference = c->arg.item[2]};
    oc_cli_passes progress;
    oc_cli_passes_start(&progress);
    // Without a classifier, all but the logits can be compared.
    oc_status st = oc_cli_load(x.model, 2, &k, &err);
    if (st == OC_OK)
        st = oc_reference_open(x.reference, &k->model->dims, &ref, &err);
    if (st == OC_OK && k->head_missing && ref.x[OC_REFERENCE_LOGITS])
        st = OC_FAIL(&err, OC_STATE, "%s has logits, but %s has no trained classifier", x.reference,
                     x.model);
    if (st == OC_OK)
        st = oc_verify_run(k->model, &ref, &progress.watch, &x.v, &err);
    oc_cli_progress_end();
    int rc;
    if (st == OC_OK) {
        bool f32 = oc_model_is_f32(k->model);
        x.precision = f32 ? "f32" : "int8";
        x.tolerance = c->tolerance >= 0 ? c->tolerance
                      : f32             ? OC_VERIFY_TOL_F32
                                        : OC_VERIFY_TOL_INT8;
        rc = tell(c, &x);
    } else {
        rc = oc_cli_fail(&err);
    }
    oc_reference_release(&ref);
    oc_checkpoint_free(k);
    return rc;
}
