#include "tui/cli_ids.h"

#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/io/checkpoint.h"
#include "core/io/predict_ids.h"
#include "core/io/safetensors.h"
#include "core/nn/bert.h"

/* Everything the network computes for the notes, padded to the longest. */
typedef struct outputs {
    int64_t B, T;
    int32_t L, H, K;
    float *hidden; /* owned [L+1][B,T,H]; NULL when not asked for */
    float *pooled; /* owned [B,H] */
    float *logits; /* owned [B,K] */
    int64_t *mask; /* owned [B,T] */
} outputs;

static void outputs_release(outputs *o)
{
    oc_free(o->hidden);
    oc_free(o->pooled);
    oc_free(o->logits);
    oc_free(o->mask);
}

static oc_status outputs_init(outputs *o, const oc_dims *d, const oc_id_notes *t, bool hidden,
                              oc_err *err)
{
    *o = (outputs){.B = t->n, .T = t->max_T, .L = d->L, .H = d->H, .K = d->K};
    size_t bt = (size_t)(o->B * o->T), floats = 0;
    if (oc_size_mul(bt, (size_t)d->H * (size_t)(d->L + 1), &floats) != OC_OK)
        floats = SIZE_MAX / 8;
    o->hidden = hidden ? oc_calloc(floats, sizeof(float)) : NULL;
    o->pooled = oc_calloc((size_t)(o->B * d->H), sizeof(float));
    o->logits = oc_calloc((size_t)(o->B * d->K), sizeof(float));
    o->mask = oc_calloc(bt, sizeof(int64_t));
    if ((hidden && !o->hidden) || !o->pooled || !o->logits || !o->mask)
        return OC_FAIL(
            err, OC_NOMEM,
            "out of memory: the hidden states of %lld notes take %zu bytes; give fewer at once",
            (long long)o->B, floats * 4);
    return OC_OK;
}

/* One note at a time: comparing wants exactness and little memory, not speed. */
static oc_status compute(const oc_model *m, const oc_id_notes *t, outputs *o, oc_err *err)
{
    oc_limits lim = {
        .max_B = 1, .max_N = t->max_T, .max_T = t->max_T, .keep_hidden = o->hidden != NULL};
    oc_bert *b;
    OC_TRY(oc_bert_new(m, &lim, &b, err));
    oc_status st = OC_OK;
    for (int64_t i = 0; i < t->n && st == OC_OK; i++) {
        int64_t at = t->start[i], n = t->start[i + 1] - at;
        const int32_t start[2] = {0, (int32_t)n};
        oc_batch batch = {.B = 1,
                          .N = n,
                          .start = start,
                          .ids = t->ids + at,
                          .types = t->types + at,
                          .mask = t->mask + at};
        st = oc_batch_check(&batch, &m->dims, &lim, err);
        if (st != OC_OK)
            break;
        oc_bert_forward(b, &batch, NULL, o->logits + i * o->K);
        memcpy(o->pooled + i * o->H, oc_bert_pooled(b), (size_t)o->H * sizeof(float));
        for (int64_t k = 0; k < n; k++)
            o->mask[i * o->T + k] = t->mask[at + k];
        for (int32_t l = 0; o->hidden && l <= o->L; l++)
            memcpy(o->hidden + ((l * o->B + i) * o->T) * o->H, oc_bert_hidden(b, l),
                   (size_t)(n * o->H) * sizeof(float));
    }
    oc_bert_free(b);
    return st;
}

static oc_status add_all(oc_st_out *f, const outputs *o, oc_err *err)
{
    const int64_t bth[3] = {o->B, o->T, o->H}, bh[2] = {o->B, o->H}, bk[2] = {o->B, o->K},
                  bt[2] = {o->B, o->T};
    for (int32_t l = 0; l <= o->L; l++) {
        char name[32];
        snprintf(name, sizeof name, "layer.%d", l - 1);
        OC_TRY(oc_st_out_add(f, l == 0 ? "embeddings" : name, OC_DT_F32, 3, bth,
                             o->hidden + l * o->B * o->T * o->H, err));
    }
    OC_TRY(oc_st_out_add(f, "pooled", OC_DT_F32, 2, bh, o->pooled, err));
    OC_TRY(oc_st_out_add(f, "logits", OC_DT_F32, 2, bk, o->logits, err));
    return oc_st_out_add(f, "attention_mask", OC_DT_I64, 2, bt, o->mask, err);
}

static oc_status write_hidden(const outputs *o, const char *path, oc_err *err)
{
    oc_st_out *f;
    OC_TRY(oc_st_out_new(&f, err));
    int64_t bytes;
    oc_status st = add_all(f, o, err);
    if (st == OC_OK)
        st = oc_st_out_write(f, path, &bytes, err);
    oc_st_out_free(f);
    return st;
}

int oc_cli_predict_ids(oc_cli *c)
{
    oc_err err = {0};
    oc_checkpoint *k = NULL;
    oc_id_notes notes = {0};
    outputs o = {0};
    int rc = OC_EXIT_DONE;
    oc_status st = oc_cli_load(c->arg.item[1], 0, &k, &err);
    if (st == OC_OK)
        st = oc_id_notes_read(c->ids, &k->model->dims, &notes, &err);
    if (st == OC_OK)
        st = outputs_init(&o, &k->model->dims, &notes, c->hidden != NULL, &err);
    if (st == OC_OK)
        st = compute(k->model, &notes, &o, &err);
    if (st == OC_OK && c->hidden)
        st = write_hidden(&o, c->hidden, &err);
    if (st == OC_OK) {
        oc_predictions p = {.n = o.B,
                            .K = o.K,
                            .id = (const char *const *)notes.id.item,
                            .logits = o.logits,
                            .multi = k->config.multi_label,
                            .labels = &k->config.labels};
        rc = oc_cli_write_rows(c, &p);
    } else {
        rc = oc_cli_fail(&err);
    }
    outputs_release(&o);
    oc_id_notes_release(&notes);
    oc_checkpoint_free(k);
    return rc;
}
