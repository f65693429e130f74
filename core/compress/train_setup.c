/*
 * core/compress/train_setup.c - what a training run needs before its first step.
 */
#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/rng.h"
#include "core/base/str.h"
#include "core/compress/prune.h"
#include "core/compress/train_loop.h"

// Single-label: n / (K * count). Multi-label: negatives / positives (pos_weight).
oc_status oc__class_weights(oc__loop *t, oc_err *err)
{
    const char *want = t->job->set.train_class_weights;
    if (!strcmp(want, t->class_weights))
        return OC_OK;
    oc_free(t->class_weight);
    t->class_weight = NULL;
    if (!strcmp(want, "balanced")) {
        int64_t *count = oc_calloc((size_t)t->K, sizeof(int64_t));
        t->class_weight = oc_calloc((size_t)t->K, sizeof(float));
        if (!count || !t->class_weight) {
            oc_free(count);
            return OC_FAIL(err, OC_NOMEM, "out of memory for class weights");
        }
        oc_dataset_counts(t->spec->train, count);
        for (int64_t k = 0; k < t->K; k++) {
            double n = (double)t->n, c = (double)OC_MAX(count[k], 1);
            t->class_weight[k] = (float)(t->multi ? OC_MAX(n - c, 1) / c : n / ((double)t->K * c));
        }
        oc_free(count);
    }
    oc_strlcpy(t->class_weights, want, sizeof t->class_weights);
    return OC_OK;
}

static oc_status make_key(oc__loop *t, oc_err *err)
{
    char part[33];
    oc_hash *h = oc_hash_new();
    if (!h)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a content key");
    oc_hash_str(h, t->spec->run);
    oc_hash_str(h, oc__phase_name(t->spec->phase));
    oc_dataset_key(t->spec->train, part);
    oc_hash_str(h, part);
    if (t->spec->valid) {
        oc_dataset_key(t->spec->valid, part);
        oc_hash_str(h, part);
    }
    oc_tokenizer_key(t->spec->ckpt->tok, part);
    oc_hash_str(h, part);
    int64_t number[2] = {t->K, t->spec->sparse};
    oc_hash_add(h, number, sizeof number);
    if (t->spec->soft)
        oc_hash_add(h, t->spec->soft, (size_t)(t->n * t->K) * sizeof(float));
    oc_hash_take(h, t->key);
    return OC_OK;
}

static void free_batch_buffers(oc__loop *t)
{
    oc_bert_free(t->bert);
    oc_free(t->logits);
    oc_free(t->dz_hard);
    oc_free(t->dz_soft);
    oc_free(t->soft);
    oc_free(t->y);
    oc_free(t->yk);
    t->bert = NULL;
    t->logits = t->dz_hard = t->dz_soft = t->soft = NULL;
    t->y = NULL;
    t->yk = NULL;
}

// (Re)make what is as large as a batch; the setting may have grown.
oc_status oc__fit_batch(oc__loop *t, int64_t batch, oc_err *err)
{
    batch = OC_MIN(batch, t->n);
    if (t->bert && batch <= t->lim.max_B)
        return oc_bert_keep(t->job, t->model, &t->lim, &t->bert, &t->workers, err);
    free_batch_buffers(t);
    t->lim = (oc_limits){.max_B = batch, .max_T = t->train.max_T, .train = true};
    t->lim.max_N = batch * t->train.max_T;
    size_t n = (size_t)(batch * t->K);
    t->logits = oc_calloc(n, sizeof(float));
    t->dz_hard = oc_calloc(n, sizeof(float));
    t->dz_soft = oc_calloc(n, sizeof(float));
    t->soft = oc_calloc(n, sizeof(float));
    t->y = oc_calloc((size_t)batch, sizeof(int32_t));
    t->yk = oc_calloc(n, 1);
    if (!t->logits || !t->dz_hard || !t->dz_soft || !t->soft || !t->y || !t->yk)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a batch of %lld notes", (long long)batch);
    return oc_bert_keep(t->job, t->model, &t->lim, &t->bert, &t->workers, err);
}

static oc_status make_slabs(oc__loop *t, oc_err *err)
{
    size_t n = (size_t)t->model->layout.n_floats;
    size_t zn = (size_t)(t->valid.n * t->K);
    t->s.w = t->model->slab;
    t->s.m = oc_calloc(n, sizeof(float));
    t->s.v = oc_calloc(n, sizeof(float));
    t->s.best = oc_calloc(n, sizeof(float));
    t->s.keep = t->spec->sparse ? oc_alloc(n) : NULL;
    t->grad = oc_calloc(n, sizeof(float));
    t->order = oc_calloc((size_t)t->n, sizeof(int64_t));
    t->z_valid = oc_calloc(zn, sizeof(float));
    t->dz_valid = oc_calloc(zn, sizeof(float));
    if (!t->s.m || !t->s.v || !t->s.best || !t->grad || !t->order || !t->z_valid || !t->dz_valid ||
        (t->spec->sparse && !t->s.keep))
        return OC_FAIL(err, OC_NOMEM, "out of memory for training %s (%lld parameters)",
                       t->spec->run, (long long)oc_model_params(t->model));
    t->s.best_step = t->s.eval_step = -1;
    t->s.best_auroc = (double)NAN;
    t->s.sparsity = t->job->set.prune_sparsity;
    t->order_epoch = t->saved_step = t->saved_eval = -1;
    return OC_OK;
}

// Where a prunable matrix is zero at the start, it stays zero.
static void keep_from_zeros(oc__loop *t)
{
    const oc_layout *lo = &t->model->layout;
    memset(t->s.keep, 1, (size_t)lo->n_floats);
    for (int32_t i = 0; i < lo->n; i++) {
        const oc_param *p = &lo->param[i];
        if (!oc_prunable(p->kind))
            continue;
        for (int64_t j = p->offset; j < p->offset + p->n; j++)
            t->s.keep[j] = t->s.w[j] != 0.0f;
    }
}

static oc_status check_spec(const oc__loop *t, oc_err *err)
{
    const oc_train_spec *s = t->spec;
    if (s->train->n == 0)
        return OC_FAIL(err, OC_FORMAT, "%s: there are no training notes", s->run);
    if (s->train->K != t->K)
        return OC_FAIL(err, OC_SHAPE, "%s: the model has %lld labels, but the notes have %lld",
                       s->run, (long long)t->K, (long long)s->train->K);
    if (!oc_model_is_f32(t->model))
        return OC_FAIL(err, OC_UNSUPPORTED, "%s: a quantized model cannot be trained", s->run);
    return OC_OK;
}

// A run goes on with the length and the seed it began with, whatever the settings say by now.
static oc_status adopt(oc__loop *t, const char *path, oc_err *err)
{
    OC_TRY(oc_train_state_peek(t->spec->run, path, &t->s.max_len, &t->s.seed, err));
    if (t->s.max_len > t->model->dims.P)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: its notes are cut at %lld tokens, but the model reads %d", path,
                       (long long)t->s.max_len, t->model->dims.P);
    return OC_OK;
}

static oc_status encode_notes(oc__loop *t, oc_err *err)
{
    const oc_train_spec *spec = t->spec;
    OC_TRY(oc_encode_all(t->job, spec->train, spec->ckpt->tok, t->s.max_len, &t->train, err));
    if (spec->valid && spec->valid->n > 0)
        OC_TRY(oc_encode_all(t->job, spec->valid, spec->ckpt->tok, t->s.max_len, &t->valid, err));
    return OC_OK;
}

static oc_status no_resume(const oc__loop *t, oc_status rc, oc_err *err)
{
    oc_err_note(err, "%s cannot go on from its checkpoint (remove the file to start over)",
                t->spec->run);
    return rc;
}

oc_status oc__loop_init(oc__loop *t, oc_err *err)
{
    const oc_train_spec *spec = t->spec;
    char path[512];
    OC_TRY(check_spec(t, err));
    OC_TRY(oc_train_path(t->job, spec->run, path, err));
    bool resume = spec->resume && oc_path_exists(path);
    oc_status rc = resume ? adopt(t, path, err) : OC_OK;
    if (rc != OC_OK)
        return no_resume(t, rc, err);
    if (!spec->resume)
        oc_train_forget_undo(t->job, spec->run); // of an earlier run of that name
    t->seed = oc_rng_at((uint64_t)t->s.seed, oc_hash64(spec->run, strlen(spec->run)));
    OC_TRY(encode_notes(t, err));
    OC_TRY(oc_checkpoint_own(spec->ckpt, err));
    OC_TRY(make_slabs(t, err));
    OC_TRY(make_key(t, err));
    OC_TRY(oc__class_weights(t, err));
    if (spec->sparse)
        keep_from_zeros(t);
    if (resume) {
        rc = oc_train_state_load(&t->s, &t->model->layout, spec->run, t->key, path, err);
        if (rc != OC_OK)
            return no_resume(t, rc, err);
        oc__mark_saved(t);
    }
    t->saved_ns = oc_now_ns();
    return OC_OK;
}

void oc__loop_release(oc__loop *t)
{
    free_batch_buffers(t);
    oc_batcher_release(&t->batcher);
    oc_encoded_release(&t->train);
    oc_encoded_release(&t->valid);
    oc_free(t->class_weight);
    oc_free(t->order);
    oc_free(t->z_valid);
    oc_free(t->dz_valid);
    oc_free(t->grad);
    oc_free(t->s.m);
    oc_free(t->s.v);
    oc_free(t->s.best);
    oc_free(t->s.keep);
}
