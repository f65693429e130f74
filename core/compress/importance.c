/*
 * core/compress/importance.c - first-order importance of attention heads and FFN neurons.
 *
 * Taking unit u out multiplies its weights w in the matrix that reads it (columns of O_W or F2_W)
 * by 0; to first order the loss moves by -sum w * dL/dw. Its size, summed over small batches so
 * that notes pulling in opposite directions do not cancel, is the unit's importance.
 */
#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "core/compress/encode.h"
#include "core/compress/prune.h"
#include "core/nn/loss.h"

#define IMPORTANCE_BATCH 8

static int64_t ffn_total(const oc_dims *d)
{
    int64_t n = 0;
    for (int32_t l = 0; l < d->L; l++)
        n += d->F[l];
    return n;
}

void oc_importance_release(oc_importance *im)
{
    oc_free(im->head);
    oc_free(im->ffn);
    *im = (oc_importance){0};
}

typedef struct measure {
    oc_job *job;
    const oc_model *m;
    oc_dataset d;  // view: texts and labels borrowed, arrays owned
    oc_encoded e;  // owned
    oc_bert *bert; // owned
    int workers;
    oc_limits lim;
    oc_batcher batcher;   // owned
    float *grad, *z, *dz; // owned
    double *column;       // owned [max cols]
    oc_importance im;     // owned until handed over
} measure;

static void release(measure *t)
{
    oc_bert_free(t->bert);
    oc_batcher_release(&t->batcher);
    oc_encoded_release(&t->e);
    oc_free(t->d.text);
    oc_free(t->d.label);
    oc_free(t->d.labels);
    oc_free(t->grad);
    oc_free(t->z);
    oc_free(t->dz);
    oc_free(t->column);
    oc_importance_release(&t->im);
}

// n notes drawn at random (tables are often sorted by class), always the same for a seed.
static oc_status draw_notes(measure *t, const oc_dataset *d, int64_t n, oc_err *err)
{
    int64_t *order = oc_calloc((size_t)d->n, sizeof(int64_t));
    size_t rows = (size_t)n, K = (size_t)d->K;
    t->d = (oc_dataset){.n = n, .K = d->K, .kind = d->kind};
    t->d.text = oc_calloc(rows, sizeof(char *));
    t->d.label = oc_calloc(rows, sizeof(int32_t));
    t->d.labels = oc_calloc(rows * K, 1);
    if (!order || !t->d.text || !t->d.label || !t->d.labels) {
        oc_free(order);
        return OC_FAIL(err, OC_NOMEM, "out of memory for %lld notes", (long long)n);
    }
    oc_rng r;
    oc_rng_init(&r, t->job ? (uint64_t)t->job->set.run_seed : 1, 0x696d706f72u);
    for (int64_t i = 0; i < d->n; i++)
        order[i] = i;
    oc_rng_shuffle(&r, order, d->n);
    for (int64_t i = 0; i < n; i++) {
        t->d.text[i] = d->text[order[i]];
        if (d->kind == OC_TASK_MULTI)
            memcpy(t->d.labels + i * d->K, d->labels + order[i] * d->K, K);
        else
            t->d.label[i] = d->label[order[i]];
    }
    oc_free(order);
    return OC_OK;
}

static oc_status place(measure *t, oc_err *err)
{
    const oc_dims *d = &t->m->dims;
    size_t widest = (size_t)d->H, B = IMPORTANCE_BATCH;
    for (int32_t l = 0; l < d->L; l++)
        widest = OC_MAX(widest, (size_t)OC_MAX(d->F[l], d->A[l] * d->D));
    t->grad = oc_calloc((size_t)t->m->layout.n_floats, sizeof(float));
    t->z = oc_calloc(B * (size_t)d->K, sizeof(float));
    t->dz = oc_calloc(B * (size_t)d->K, sizeof(float));
    t->column = oc_calloc(widest, sizeof(double));
    t->im.head = oc_calloc((size_t)d->L * OC_MAX_HEADS, sizeof(double));
    t->im.ffn = oc_calloc((size_t)ffn_total(d), sizeof(double));
    if (!t->grad || !t->z || !t->dz || !t->column || !t->im.head || !t->im.ffn)
        return OC_FAIL(err, OC_NOMEM, "out of memory for importance");
    t->lim = (oc_limits){.max_B = IMPORTANCE_BATCH, .max_T = t->e.max_T, .train = true};
    t->lim.max_N = t->lim.max_B * t->lim.max_T;
    return OC_OK;
}

// column[c] = sum over rows of w * dw.
static void column_sums(const measure *t, oc_kind k, int32_t layer)
{
    const oc_param *p = oc_layout_at(&t->m->layout, k, layer);
    const float *weight = oc_model_at(t->m, k, layer)->f32;
    memset(t->column, 0, (size_t)p->cols * sizeof(double));
    for (int64_t r = 0; r < p->rows; r++) {
        const float *w = weight + r * p->cols;
        const float *dw = t->grad + p->offset + r * p->cols;
        for (int64_t c = 0; c < p->cols; c++)
            t->column[c] += (double)w[c] * (double)dw[c];
    }
}

static void add_importance(measure *t)
{
    const oc_dims *d = &t->m->dims;
    double *ffn = t->im.ffn;
    for (int32_t l = 0; l < d->L; l++) {
        column_sums(t, OC_P_O_W, l);
        for (int32_t h = 0; h < d->A[l]; h++) {
            double s = 0;
            for (int32_t c = h * d->D; c < (h + 1) * d->D; c++)
                s += t->column[c];
            t->im.head[l * OC_MAX_HEADS + h] += fabs(s);
        }
        column_sums(t, OC_P_F2_W, l);
        for (int32_t j = 0; j < d->F[l]; j++)
            ffn[j] += fabs(t->column[j]);
        ffn += d->F[l];
    }
}

static oc_status one_batch(measure *t, int64_t first, int64_t n, oc_err *err)
{
    int64_t note[IMPORTANCE_BATCH], K = t->m->dims.K;
    for (int64_t i = 0; i < n; i++)
        note[i] = first + i;
    OC_TRY(oc_batcher_fill(&t->batcher, &t->e, note, n, err));
    OC_TRY(oc_batch_check(&t->batcher.batch, &t->m->dims, &t->lim, err));
    memset(t->grad, 0, (size_t)t->m->layout.n_floats * sizeof(float));
    memset(t->dz, 0, (size_t)(n * K) * sizeof(float));
    oc_bert_forward(t->bert, &t->batcher.batch, NULL, t->z);
    double loss = t->d.kind == OC_TASK_MULTI
                      ? oc_loss_bce(t->z, t->d.labels + first * K, NULL, n, K, 1, t->dz)
                      : oc_loss_ce(t->z, t->d.label + first, NULL, n, K, 1, t->dz);
    if (!isfinite(loss))
        return OC_FAIL(err, OC_NUMERIC,
                       "the loss is not a finite number while measuring importance");
    oc_bert_backward(t->bert, &t->batcher.batch, NULL, t->dz, t->grad);
    add_importance(t);
    return OC_OK;
}

static oc_status measure_all(measure *t, const oc_checkpoint *c, const oc_dataset *d,
                             int64_t n_notes, oc_err *err)
{
    int64_t n = OC_MIN(n_notes, d->n),
            otherwise = t->job ? t->job->set.train_max_len : c->config.dims.P;
    oc_meter meter;
    OC_TRY(draw_notes(t, d, n, err));
    OC_TRY(oc_encode_all(t->job, &t->d, c->tok, oc_max_len(&c->config, otherwise), &t->e, err));
    OC_TRY(place(t, err));
    oc_meter_start(&meter, t->job, "importance", "notes", n);
    for (int64_t i = 0; i < n; i += IMPORTANCE_BATCH) {
        OC_TRY(oc_job_poll(t->job, NULL, err));
        OC_TRY(oc_bert_keep(t->job, t->m, &t->lim, &t->bert, &t->workers, err));
        OC_TRY(one_batch(t, i, OC_MIN(IMPORTANCE_BATCH, n - i), err));
        oc_meter_at(&meter, OC_MIN(i + IMPORTANCE_BATCH, n));
    }
    return OC_OK;
}

oc_status oc_importance_measure(oc_job *job, const oc_checkpoint *c, const oc_dataset *d,
                                int64_t n_notes, oc_importance *out, oc_err *err)
{
    if (!oc_model_is_f32(c->model))
        return OC_FAIL(err, OC_UNSUPPORTED,
                       "a quantized model has no gradients to rank its heads by");
    if (d->n == 0 || n_notes < 1)
        return OC_FAIL(err, OC_FORMAT, "there are no notes to measure importance on");
    if (d->K != c->model->dims.K)
        return OC_FAIL(err, OC_SHAPE, "the model has %d labels, but the notes have %lld",
                       c->model->dims.K, (long long)d->K);
    measure t = {.job = job, .m = c->model};
    oc_status rc = measure_all(&t, c, d, n_notes, err);
    if (rc == OC_OK) {
        *out = t.im;
        t.im = (oc_importance){0};
    }
    release(&t);
    return rc;
}
