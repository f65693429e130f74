/*
 * core/io/export_hf.c - the stock Hugging Face layout: every layer H/D heads and one FFN width.
 */
#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/io/checkpoint_map.h"
#include "core/io/export_priv.h"
#include "core/io/safetensors.h"
#include "core/io/torchbin.h"
#include "core/nn/bert.h"

/* Largest |difference| of a logit, per unit of the largest |logit| (at least 1): observed on
 * TinyBERT-size networks 0 (F32, padded) and 9e-4 (F16). */
#define F32_BOUND 1e-4f
#define F16_BOUND 2e-2f
#define F16_MAX   65504.0f

oc_status oc__export_hf_dims(const oc_dims *d, oc_dims *out, oc_err *err)
{
    if (d->H % d->D != 0)
        return OC_FAIL(err, OC_UNSUPPORTED,
                       "head_size %d does not divide hidden_size %d, which stock BERT code asks "
                       "for; export it as onnx",
                       (int)d->D, (int)d->H);
    oc_dims p = *d;
    int32_t F = 0;
    for (int32_t l = 0; l < d->L; l++) {
        if (d->A[l] > d->H / d->D)
            return OC_FAIL(err, OC_UNSUPPORTED,
                           "layer %d has %d heads of %d, wider than hidden_size %d, which stock "
                           "BERT code cannot hold; export it as onnx",
                           (int)l, (int)d->A[l], (int)d->D, (int)d->H);
        p.A[l] = d->H / d->D;
        F = OC_MAX(F, d->F[l]);
    }
    for (int32_t l = 0; l < d->L; l++)
        p.F[l] = F;
    *out = p;
    return OC_OK;
}

/* --- weights ---------------------------------------------------------------------------------- */

/* Nearest half, ties to even; |x| <= F16_MAX. */
static uint16_t to_f16(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    float a = fabsf(x);
    if (a < 0x1p-14f) // subnormal: whole multiples of 2^-24
        return (uint16_t)(sign | (uint16_t)lrintf(a * 0x1p24f));
    u &= 0x7fffffff;
    u += 0xfff + (u >> 13 & 1);
    return (uint16_t)(sign | (u - (112u << 23)) >> 13);
}

/* Parameter i in its stock shape: f32 [to->rows, to->cols], zeros where it was smaller. */
static void pad(const oc_model *m, int32_t i, const oc_param *to, float *dst)
{
    const oc_param *p = &m->layout.param[i];
    oc__export_floats(m, i, dst);
    // Rows move outwards from the last, so that none is overwritten before it is moved.
    for (int64_t r = p->rows - 1; r >= 0 && to->cols > p->cols; r--) {
        memmove(dst + r * to->cols, dst + r * p->cols, (size_t)p->cols * sizeof *dst);
        memset(dst + r * to->cols + p->cols, 0, (size_t)(to->cols - p->cols) * sizeof *dst);
    }
    memset(dst + p->rows * to->cols, 0, (size_t)((to->rows - p->rows) * to->cols) * sizeof *dst);
}

/* Halves over the floats they come from. */
static oc_status halve(float *x, const oc_param *p, oc_err *err)
{
    for (int64_t k = 0; k < p->n; k++) {
        if (fabsf(x[k]) > F16_MAX)
            return OC_FAIL(err, OC_RANGE, "tensor %s holds %g, which F16 cannot; export it as f32",
                           p->name, (double)x[k]);
        uint16_t h = to_f16(x[k]);
        memcpy((unsigned char *)x + 2 * k, &h, sizeof h);
    }
    return OC_OK;
}

/* Tensors of a file: in the model, or made for it. */
typedef struct tensors {
    oc_layout lo; /* of the stock shape: names and sizes */
    oc_tensor *t; /* owned [lo.n] */
    float **own;  /* owned [lo.n], NULL: it lies in the model */
} tensors;

static void tensors_release(tensors *x)
{
    for (int32_t i = 0; x->own && i < x->lo.n; i++)
        oc_free(x->own[i]);
    oc_free(x->own);
    oc_free(x->t);
    oc_layout_release(&x->lo);
}

static oc_status fill(tensors *x, const oc_model *m, int32_t i, bool f16, oc_err *err)
{
    const oc_param *to = &x->lo.param[i];
    const float *data = m->w[i].f32;
    if (!data || f16 || to->n != m->layout.param[i].n) {
        float *own = x->own[i] = oc_calloc((size_t)to->n, sizeof *own);
        if (!own)
            return OC_FAIL(err, OC_NOMEM, "out of memory for tensor %s", to->name);
        pad(m, i, to, own);
        if (f16)
            OC_TRY(halve(own, to, err));
        data = own;
    }
    oc_dtype type = f16 ? OC_DT_F16 : OC_DT_F32;
    x->t[i] = (oc_tensor){.name = to->name,
                          .dtype = type,
                          .n_dims = oc_kind_decays(to->kind) ? 2 : 1,
                          .dim = {to->rows, to->cols},
                          .n = to->n,
                          .data = data,
                          .bytes = to->n * oc_dtype_bytes(type)};
    return OC_OK;
}

static oc_status tensors_init(tensors *x, const oc_model *m, bool f16, oc_err *err)
{
    oc_dims dims;
    OC_TRY(oc__export_hf_dims(&m->dims, &dims, err));
    OC_TRY(oc_layout_init(&x->lo, &dims, err));
    x->t = oc_calloc((size_t)x->lo.n, sizeof *x->t);
    x->own = oc_calloc((size_t)x->lo.n, sizeof *x->own);
    if (!x->t || !x->own)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    for (int32_t i = 0; i < x->lo.n; i++)
        OC_TRY(fill(x, m, i, f16, err));
    return OC_OK;
}

static oc_status write_safetensors(const tensors *x, const char *dir, int64_t *bytes, oc_err *err)
{
    oc_st_out *st;
    char path[OC_PATH_MAX];
    OC_TRY(oc_path_join(path, dir, OC__CKPT_WEIGHTS, err));
    OC_TRY(oc_st_out_new(&st, err));
    // Readers of the Hugging Face library ask for this.
    oc_status rc = oc_st_out_meta(st, "format", "pt", err);
    for (int32_t i = 0; i < x->lo.n && rc == OC_OK; i++) {
        const oc_tensor *t = &x->t[i];
        rc = oc_st_out_add(st, t->name, t->dtype, t->n_dims, t->dim, t->data, err);
    }
    if (rc == OC_OK)
        rc = oc_st_out_write(st, path, bytes, err);
    oc_st_out_free(st);
    return rc;
}

static oc_status write_torch(const tensors *x, const char *dir, int64_t *bytes, oc_err *err)
{
    char path[OC_PATH_MAX];
    OC_TRY(oc_path_join(path, dir, OC__EXPORT_TORCH, err));
    return oc_tb_write(path, x->t, x->lo.n, bytes, err);
}

oc_status oc__export_hf_weights(const oc_checkpoint *c, const oc_export_opts *o, const char *dir,
                                oc_export_report *r, oc_err *err)
{
    tensors x = {0};
    oc_status rc = tensors_init(&x, c->model, o->f16, err);
    if (rc == OC_OK)
        rc = o->format == OC_EXPORT_TORCH ? write_torch(&x, dir, &r->bytes, err)
                                          : write_safetensors(&x, dir, &r->bytes, err);
    r->padded = x.lo.n_floats - c->model->layout.n_floats;
    tensors_release(&x);
    return rc;
}

/* --- reading back ----------------------------------------------------------------------------- */

enum { NOTES = 4 };

/* Notes of random tokens, of several lengths, some of whose tokens are not attended to. */
typedef struct notes {
    int32_t start[NOTES + 1];
    int32_t *ids;  /* owned [N] */
    uint8_t *mask; /* owned [N] */
    int64_t max_T;
} notes;

static oc_status notes_init(notes *t, const oc_dims *d, oc_err *err)
{
    static const int32_t lengths[NOTES] = {2, 9, 31, 64};
    oc_rng r;
    *t = (notes){0};
    for (int i = 0; i < NOTES; i++) {
        t->start[i + 1] = t->start[i] + OC_MIN(lengths[i], d->P);
        t->max_T = OC_MAX(t->max_T, t->start[i + 1] - t->start[i]);
    }
    int64_t N = t->start[NOTES];
    t->ids = oc_calloc((size_t)N, sizeof *t->ids);
    t->mask = oc_calloc((size_t)N, sizeof *t->mask);
    if (!t->ids || !t->mask)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_rng_init(&r, 7, 0);
    for (int64_t i = 0; i < N; i++) {
        t->ids[i] = (int32_t)oc_rng_below(&r, (uint64_t)d->V);
        t->mask[i] = oc_rng_below(&r, 8) > 0;
    }
    for (int i = 0; i < NOTES; i++)
        t->mask[t->start[i]] = 1;
    return OC_OK;
}

static void notes_release(notes *t)
{
    oc_free(t->ids);
    oc_free(t->mask);
}

static oc_status run(const oc_model *m, const notes *t, float *logits, oc_err *err)
{
    oc_batch b = {
        .B = NOTES, .N = t->start[NOTES], .start = t->start, .ids = t->ids, .mask = t->mask};
    oc_limits lim = {.max_B = b.B, .max_N = b.N, .max_T = t->max_T};
    oc_bert *net;
    OC_TRY(oc_batch_check(&b, &m->dims, &lim, err));
    OC_TRY(oc_bert_new(m, &lim, &net, err));
    oc_bert_forward(net, &b, NULL, logits);
    oc_bert_free(net);
    return OC_OK;
}

/* The model with floats in place of INT8, also in attention: what the exported folder must compute. */
static oc_status run_as_floats(const oc_model *m, const notes *t, float *logits, oc_err *err)
{
    if (oc_model_is_f32(m) && !m->attn_s8)
        return run(m, t, logits, err);
    oc_model *f;
    OC_TRY(oc_model_new(&m->dims, &f, err));
    for (int32_t i = 0; i < m->layout.n; i++)
        oc__export_floats(m, i, f->slab + m->layout.param[i].offset);
    oc_status rc = run(f, t, logits, err);
    oc_model_free(f);
    return rc;
}

static oc_status compare(const float *want, const float *have, int64_t n, float bound,
                         oc_export_report *r, oc_err *err)
{
    float diff = 0, top = 0;
    for (int64_t i = 0; i < n; i++) {
        diff = fmaxf(diff, fabsf(want[i] - have[i]));
        top = fmaxf(top, fabsf(want[i]));
    }
    r->max_diff = diff;
    r->max_logit = top;
    if (diff <= bound * fmaxf(1, top))
        return OC_OK;
    return OC_FAIL(err, OC_NUMERIC,
                   "the export was written and read back, but its logits differ by %g; at most %g "
                   "was expected, nothing was kept",
                   (double)diff, (double)(bound * fmaxf(1, top)));
}

oc_status oc__export_hf_verify(const oc_checkpoint *c, const oc_export_opts *o, const char *dir,
                               oc_export_report *r, oc_err *err)
{
    int64_t n = (int64_t)NOTES * c->model->dims.K;
    oc_checkpoint *back = NULL;
    notes t = {0};
    float *want = oc_calloc((size_t)n, sizeof *want), *have = oc_calloc((size_t)n, sizeof *have);
    oc_status rc = want && have ? OC_OK : OC_FAIL(err, OC_NOMEM, "out of memory");
    if (rc == OC_OK)
        rc = notes_init(&t, &c->model->dims, err);
    if (rc == OC_OK)
        rc = run_as_floats(c->model, &t, want, err);
    if (rc == OC_OK)
        rc = oc_checkpoint_load(dir, 0, 0, &back, err);
    if (rc == OC_OK)
        rc = run(back->model, &t, have, err);
    if (rc == OC_OK)
        rc = compare(want, have, n, o->f16 ? F16_BOUND : F32_BOUND, r, err);
    notes_release(&t);
    oc_checkpoint_free(back);
    oc_free(want);
    oc_free(have);
    return rc;
}
