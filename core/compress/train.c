/*
 * core/compress/train.c - the training loop.
 *
 * Between two optimizer steps the state (oc_train_state) says everything: what is saved, restored
 * and resumed is that state, and order, dropout and schedule follow from it and the settings.
 */
#include "core/compress/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/rng.h"
#include "core/base/str.h"
#include "core/compress/encode.h"
#include "core/compress/prune.h"
#include "core/measure/metrics.h"
#include "core/nn/adamw.h"
#include "core/nn/loss.h"

#define POLL_NS 40000000 // longest time inside a step without listening

// Settings as one step uses them.
typedef struct step_settings {
    int64_t batch, accumulate, epochs, total, warmup;
    double lr, hard, soft, T, p;
} step_settings;

// Sums over the micro-batches of a step.
typedef struct step_sums {
    double hard, soft, sq_hard, sq_soft;
    int64_t tokens;
} step_sums;

typedef struct loop {
    oc_job *job;
    const oc_train_spec *spec;
    oc_model *model; // borrowed from spec->ckpt
    int64_t K, n, max_len;
    bool multi;
    char key[33];
    uint64_t seed;           // of dropout and order
    oc_encoded train, valid; // owned
    oc_train_state s;        // owned slabs except w
    float *grad;             // owned [n_floats]
    oc_limits lim;
    oc_bert *bert;                            // owned
    oc_batcher batcher;                       // owned
    float *logits, *dz_hard, *dz_soft, *soft; // owned [max_B, K]
    int32_t *y;                               // owned [max_B]
    uint8_t *yk;                              // owned [max_B, K]
    float *class_weight;                      // owned [K]; NULL: none
    char class_weights[OC_WORD_MAX];          // setting class_weight was made from
    float *z_valid, *dz_valid;                // owned [valid.n, K]
    int64_t *order;                           // owned [n], for epoch order_epoch
    int64_t order_epoch;
    oc_job_hooks hooks;
    int64_t generation; // counts restores
    int64_t saved_ns, polled_ns;
    int64_t saved_step, saved_eval; // what <run>.safetensors holds; -1: nothing of ours
} loop;

/* --- settings -------------------------------------------------------------------------------- */

static const char *phase_name(oc_phase p)
{
    static const char *const name[] = {"finetune", "distill", "recover"};
    return name[p];
}

// Steps from here to the end: what is left of this epoch, then whole ones.
static int64_t total_steps(const loop *t, const oc_settings *set, int64_t per_step, int64_t epochs)
{
    int64_t total = t->s.step;
    if (t->s.epoch < epochs) {
        total += (t->n - t->s.pos + per_step - 1) / per_step;
        total += (epochs - t->s.epoch - 1) * ((t->n + per_step - 1) / per_step);
    }
    if (set->train_max_steps > 0 && total > set->train_max_steps)
        total = OC_MAX(t->s.step, set->train_max_steps);
    return total;
}

static step_settings read_settings(const loop *t)
{
    const oc_settings *set = &t->job->set;
    step_settings c = {.batch = set->train_batch,
                       .accumulate = set->train_accumulate,
                       .p = set->train_dropout,
                       .T = set->distill_temperature,
                       .hard = 1};
    switch (t->spec->phase) {
    case OC_PHASE_FINETUNE:
        c.lr = set->finetune_lr;
        c.epochs = set->finetune_epochs;
        break;
    case OC_PHASE_DISTILL:
        c.lr = set->distill_lr;
        c.epochs = set->distill_epochs;
        break;
    case OC_PHASE_RECOVER:
        c.lr = set->recover_lr;
        c.epochs = set->recover_epochs;
        break;
    }
    if (t->spec->soft) {
        c.hard = set->distill_hard;
        c.soft = set->distill_soft;
    }
    c.total = total_steps(t, set, c.batch * c.accumulate, c.epochs);
    c.warmup = (int64_t)ceil(set->train_warmup * (double)c.total);
    return c;
}

// Single-label: n / (K * count). Multi-label: negatives / positives (pos_weight).
static oc_status make_class_weights(loop *t, oc_err *err)
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

/* --- checkpoints ----------------------------------------------------------------------------- */

static void emit_ckpt(loop *t, const char *path, int64_t bytes, const char *reason)
{
    oc_event e;
    oc_event_init(&e, OC_EV_ckpt_T);
    OC_EV_SET(e.u.ckpt.run, t->spec->run);
    e.u.ckpt.step = t->s.step;
    OC_EV_SET(e.u.ckpt.path, path);
    e.u.ckpt.bytes = bytes;
    OC_EV_SET(e.u.ckpt.reason, reason);
    oc_job_emit(t->job, &e);
}

// The file a kill would resume from becomes `path` itself (files are replaced, never rewritten).
static bool link_main(const char *path, const char *main_path)
{
    char tmp[520];
    snprintf(tmp, sizeof tmp, "%s.link", main_path);
    (void)unlink(tmp);
    bool ok = link(path, tmp) == 0 && rename(tmp, main_path) == 0;
    (void)unlink(tmp);
    return ok;
}

static oc_status write_state(loop *t, const char *path, int64_t *bytes, oc_err *err)
{
    char dir[OC_PATH_MAX];
    OC_TRY(oc_path_join(dir, t->job->workdir, "ckpt", err));
    OC_TRY(oc_mkdirs(dir, err));
    return oc_train_state_save(&t->s, &t->model->layout, t->spec->run, t->key, path, bytes, err);
}

static void mark_saved(loop *t)
{
    t->saved_step = t->s.step;
    t->saved_eval = t->s.eval_step;
    t->saved_ns = oc_now_ns();
}

static oc_status save_hook(void *ctx, const char *reason, char *path, oc_err *err)
{
    loop *t = ctx;
    char main_path[512], to[512];
    int64_t bytes = 0;
    bool undo = !strcmp(reason, "setting");
    OC_TRY(oc_train_path(t->job, t->spec->run, main_path, err));
    OC_TRY(oc_train_undo_path(t->job, t->spec->run, t->s.step, to, err));
    if (!undo)
        oc_strlcpy(to, main_path, sizeof to);
    OC_TRY(write_state(t, to, &bytes, err));
    if (undo) {
        oc_train_trim_undo(t->job, t->spec->run, t->s.step);
        // After a kill, the new value must not reach steps done with the old one.
        if (!link_main(to, main_path))
            OC_TRY(write_state(t, main_path, NULL, err));
    }
    mark_saved(t);
    emit_ckpt(t, to, bytes, reason);
    if (path)
        oc_strlcpy(path, to, 512);
    return OC_OK;
}

static oc_status restore_hook(void *ctx, const char *path, int64_t *step, oc_err *err)
{
    loop *t = ctx;
    char main_path[512];
    OC_TRY(oc_train_path(t->job, t->spec->run, main_path, err));
    OC_TRY(oc_train_state_load(&t->s, &t->model->layout, t->spec->run, t->key, path, err));
    if (strcmp(path, main_path) != 0 && !link_main(path, main_path))
        OC_TRY(write_state(t, main_path, NULL, err));
    mark_saved(t);
    t->generation++;
    t->order_epoch = -1;
    t->hooks.step = t->s.step;
    if (step)
        *step = t->s.step;
    return OC_OK;
}

// A cancelled run keeps what it has, wherever the cancel reached it.
static oc_status save_cancelled(loop *t, oc_err *err)
{
    oc_err inner = {0};
    if (t->saved_step == t->s.step && t->saved_eval == t->s.eval_step)
        return OC_CANCELLED;
    oc_status rc = save_hook(t, "cancel", NULL, &inner);
    if (rc == OC_OK)
        return OC_CANCELLED;
    if (err)
        *err = inner;
    return rc;
}

/* --- making and freeing ---------------------------------------------------------------------- */

static oc_status make_key(loop *t, oc_err *err)
{
    char part[33];
    oc_hash *h = oc_hash_new();
    if (!h)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a content key");
    oc_hash_str(h, t->spec->run);
    oc_hash_str(h, phase_name(t->spec->phase));
    oc_dataset_key(t->spec->train, part);
    oc_hash_str(h, part);
    if (t->spec->valid) {
        oc_dataset_key(t->spec->valid, part);
        oc_hash_str(h, part);
    }
    oc_tokenizer_key(t->spec->ckpt->tok, part);
    oc_hash_str(h, part);
    int64_t number[4] = {t->max_len, t->K, t->job->set.run_seed, t->spec->sparse};
    oc_hash_add(h, number, sizeof number);
    if (t->spec->soft)
        oc_hash_add(h, t->spec->soft, (size_t)(t->n * t->K) * sizeof(float));
    oc_hash_take(h, t->key);
    return OC_OK;
}

static void free_batch_buffers(loop *t)
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
static oc_status fit_batch(loop *t, int64_t batch, oc_err *err)
{
    batch = OC_MIN(batch, t->n);
    if (t->bert && batch <= t->lim.max_B)
        return OC_OK;
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
    return oc_bert_new(t->model, &t->lim, &t->bert, err);
}

static oc_status make_slabs(loop *t, oc_err *err)
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
static void keep_from_zeros(loop *t)
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

static oc_status check_spec(const loop *t, oc_err *err)
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

static oc_status loop_init(loop *t, oc_err *err)
{
    const oc_train_spec *spec = t->spec;
    OC_TRY(check_spec(t, err));
    OC_TRY(oc_encode_all(t->job, spec->train, spec->ckpt->tok, t->max_len, &t->train, err));
    if (spec->valid && spec->valid->n > 0)
        OC_TRY(oc_encode_all(t->job, spec->valid, spec->ckpt->tok, t->max_len, &t->valid, err));
    OC_TRY(make_slabs(t, err));
    OC_TRY(make_key(t, err));
    OC_TRY(make_class_weights(t, err));
    if (spec->sparse)
        keep_from_zeros(t);
    char path[512];
    OC_TRY(oc_train_path(t->job, spec->run, path, err));
    if (spec->resume && oc_path_exists(path)) {
        oc_status rc = oc_train_state_load(&t->s, &t->model->layout, spec->run, t->key, path, err);
        if (rc != OC_OK) {
            oc_err_note(err, "%s cannot go on from its checkpoint (remove the file to start over)",
                        spec->run);
            return rc;
        }
        mark_saved(t);
    }
    t->saved_ns = oc_now_ns();
    return OC_OK;
}

static void loop_release(loop *t)
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

/* --- one optimizer step ---------------------------------------------------------------------- */

static oc_status listen(loop *t, oc_err *err)
{
    t->hooks.step = t->s.step;
    oc_status rc = oc_job_poll(t->job, &t->hooks, err);
    t->polled_ns = oc_now_ns();
    return rc;
}

static void make_order(loop *t)
{
    if (t->order_epoch == t->s.epoch)
        return;
    oc_rng r;
    oc_rng_init(&r, t->seed, (uint64_t)t->s.epoch);
    for (int64_t i = 0; i < t->n; i++)
        t->order[i] = i;
    oc_rng_shuffle(&r, t->order, t->n);
    t->order_epoch = t->s.epoch;
}

// What the rows count for in the mean of the hard loss: their class weights, or their number.
static double hard_weight(const loop *t, const int64_t *note, int64_t n)
{
    if (t->multi || !t->class_weight)
        return (double)n;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)t->class_weight[t->spec->train->label[note[i]]];
    return sum;
}

static double sum_squares(const float *x, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++)
        s += (double)x[i] * (double)x[i];
    return s;
}

/*
 * Both terms of one micro-batch: unweighted losses into the sums (each times its share of the
 * step), weighted gradient into dz_hard (and, apart, into dz_soft, then added).
 */
static void losses(loop *t, const step_settings *c, const int64_t *note, int64_t n,
                   double hard_share, double soft_share, step_sums *sum)
{
    const oc_dataset *d = t->spec->train;
    int64_t K = t->K;
    memset(t->dz_hard, 0, (size_t)(n * K) * sizeof(float));
    memset(t->dz_soft, 0, (size_t)(n * K) * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        if (t->multi)
            memcpy(t->yk + i * K, d->labels + note[i] * K, (size_t)K);
        else
            t->y[i] = d->label[note[i]];
        if (t->spec->soft)
            memcpy(t->soft + i * K, t->spec->soft + note[i] * K, (size_t)K * sizeof(float));
    }
    double scale = c->hard * hard_share;
    double hard = t->multi ? oc_loss_bce(t->logits, t->yk, t->class_weight, n, K, scale, t->dz_hard)
                           : oc_loss_ce(t->logits, t->y, t->class_weight, n, K, scale, t->dz_hard);
    sum->hard += hard_share * hard;
    sum->sq_hard += sum_squares(t->dz_hard, n * K);
    if (!t->spec->soft)
        return;
    scale = c->soft * soft_share;
    double soft = t->multi ? oc_loss_kd_sigmoid(t->logits, t->soft, c->T, n, K, scale, t->dz_soft)
                           : oc_loss_kd(t->logits, t->soft, c->T, n, K, scale, t->dz_soft);
    sum->soft += soft_share * soft;
    sum->sq_soft += sum_squares(t->dz_soft, n * K);
    for (int64_t i = 0; i < n * K; i++)
        t->dz_hard[i] += t->dz_soft[i];
}

/*
 * Gradient of one step, micro-batch by micro-batch. Each counts by its share of the step's rows, so
 * accumulation gives the mean over all of them even when the last one is short. *restored: undo
 * came in between, nothing was done.
 */
static oc_status gradient(loop *t, const step_settings *c, int64_t rows, step_sums *sum,
                          bool *restored, oc_err *err)
{
    const int64_t *note = t->order + t->s.pos;
    int64_t generation = t->generation;
    double all_hard = hard_weight(t, note, rows);
    memset(t->grad, 0, (size_t)t->model->layout.n_floats * sizeof(float));
    for (int64_t done = 0, micro = 0; done < rows; done += c->batch, micro++) {
        if (oc_now_ns() - t->polled_ns > POLL_NS)
            OC_TRY(listen(t, err));
        *restored = t->generation != generation;
        if (*restored)
            return OC_OK;
        int64_t n = OC_MIN(c->batch, rows - done);
        OC_TRY(oc_batcher_fill(&t->batcher, &t->train, note + done, n, err));
        const oc_batch *b = &t->batcher.batch;
        OC_TRY(oc_batch_check(b, &t->model->dims, &t->lim, err));
        oc_dropout drop = {.seed = t->seed, .step = ((uint64_t)t->s.step << 10) + (uint64_t)micro};
        oc_bert_forward(t->bert, b, &drop, t->logits);
        losses(t, c, note + done, n, hard_weight(t, note + done, n) / all_hard,
               (double)n / (double)rows, sum);
        oc_bert_backward(t->bert, b, &drop, t->dz_hard, t->grad);
        sum->tokens += b->N;
    }
    return OC_OK;
}

static oc_status not_finite(const loop *t, const step_settings *c, double lr, const char *what,
                            oc_err *err)
{
    char path[512] = "";
    if (t->saved_step < 0 || oc_train_path(t->job, t->spec->run, path, NULL) != OC_OK)
        path[0] = '\0';
    return OC_FAIL(err, OC_NUMERIC,
                   "%s: %s is not a finite number at step %lld (lr %.3g, peak %.3g): try a lower "
                   "%s.lr, a longer train.warmup or a smaller train.clip%s%.200s",
                   t->spec->run, what, (long long)t->s.step, lr, c->lr, phase_name(t->spec->phase),
                   path[0] ? "; the last good checkpoint is " : "", path);
}

static void emit_step(loop *t, const step_settings *c, const step_sums *sum, double lr, double norm,
                      int64_t started_ns)
{
    oc_event e;
    oc_event_init(&e, OC_EV_step_T);
    oc_ev_step *v = &e.u.step;
    OC_EV_SET(v->run, t->spec->run);
    v->step = t->s.step;
    v->steps = c->total;
    v->epoch = (double)t->s.epoch + (double)t->s.pos / (double)t->n;
    v->lr = lr;
    v->loss = c->hard * sum->hard;
    v->hard = sum->hard;
    v->norm = norm;
    v->norm_hard = sqrt(sum->sq_hard);
    if (t->spec->soft) {
        v->loss += c->soft * sum->soft;
        v->soft = sum->soft;
        v->norm_soft = sqrt(sum->sq_soft);
    }
    v->tokens = sum->tokens;
    double s = (double)(oc_now_ns() - started_ns) * 1e-9;
    if (s > 0)
        v->tokens_s = (double)sum->tokens / s;
    oc_job_emit(t->job, &e);
}

static void set_dropout(oc_dims *d, float p_hidden, float p_attn, float p_cls)
{
    d->p_hidden = p_hidden;
    d->p_attn = p_attn;
    d->p_cls = p_cls;
}

static oc_status run_step(loop *t, const step_settings *c, oc_err *err)
{
    int64_t started = oc_now_ns(), n_floats = t->model->layout.n_floats;
    int64_t rows = OC_MIN(c->batch * c->accumulate, t->n - t->s.pos);
    const oc_settings *set = &t->job->set;
    step_sums sum = {0};
    bool restored = false;
    OC_TRY(fit_batch(t, c->batch, err));
    OC_TRY(make_class_weights(t, err));
    make_order(t);
    set_dropout(&t->model->dims, (float)c->p, (float)c->p, (float)c->p);
    OC_TRY(gradient(t, c, rows, &sum, &restored, err));
    if (restored)
        return OC_OK;
    double lr = c->lr * oc_lr_factor(t->s.step, c->warmup, c->total);
    double norm = oc_grad_norm(t->grad, n_floats);
    if (!isfinite(c->hard * sum.hard + c->soft * sum.soft))
        return not_finite(t, c, lr, "the loss", err);
    if (!isfinite(norm))
        return not_finite(t, c, lr, "the gradient", err);
    if (set->train_clip > 0 && norm > set->train_clip)
        oc_grad_scale(t->grad, n_floats, (float)(set->train_clip / (norm + 1e-6)));
    oc_adamw o = {.lr = lr,
                  .beta1 = 0.9,
                  .beta2 = 0.999,
                  .eps = 1e-8,
                  .weight_decay = set->train_weight_decay};
    oc_adamw_step(&o, t->s.step + 1, &t->model->layout, t->s.w, t->grad, t->s.m, t->s.v, t->s.keep);
    t->s.step++;
    t->s.pos += rows;
    if (t->s.pos >= t->n) {
        t->s.pos = 0;
        t->s.epoch++;
    }
    emit_step(t, c, &sum, lr, norm, started);
    return OC_OK;
}

/* --- validation ------------------------------------------------------------------------------ */

static bool eval_due(const loop *t, const step_settings *c)
{
    int64_t every = t->job->set.train_eval_every;
    if (t->valid.n == 0 || t->s.step == 0 || t->s.eval_step == t->s.step)
        return false;
    return t->s.step >= c->total || (every > 0 ? t->s.step % every == 0 : t->s.pos == 0);
}

static void emit_eval(loop *t, const oc_metrics *m, double loss, bool best)
{
    oc_event e;
    oc_event_init(&e, OC_EV_eval_T);
    oc_ev_eval *v = &e.u.eval;
    OC_EV_SET(v->run, t->spec->run);
    v->step = t->s.step;
    OC_EV_SET(v->split, "valid");
    v->loss = loss;
    v->auroc = m->auroc_macro;
    v->accuracy = m->accuracy;
    v->auprc = m->auprc_macro;
    v->f1 = m->f1_macro;
    v->best = best;
    oc_job_emit(t->job, &e);
}

// Early stop and best weights go by the score; the step is marked as validated either way.
static bool take_score(loop *t, const oc_metrics *m)
{
    bool is_auroc = isfinite(m->auroc_macro) != 0;
    double score = is_auroc ? m->auroc_macro : m->accuracy;
    bool best = t->s.best_step < 0 || score > t->s.best_auroc + t->job->set.train_min_delta;
    t->s.eval_step = t->s.step;
    t->s.bad_evals = best ? 0 : t->s.bad_evals + 1;
    if (best) {
        t->s.best_auroc = score;
        t->s.best_is_auroc = is_auroc;
        t->s.best_step = t->s.step;
        memcpy(t->s.best, t->s.w, (size_t)t->model->layout.n_floats * sizeof(float));
    }
    return best;
}

static oc_status validate(loop *t, const step_settings *c, oc_err *err)
{
    const oc_dataset *d = t->spec->valid;
    int64_t generation = t->generation, n = d->n, K = t->K;
    oc_metrics m;
    t->hooks.step = t->s.step;
    OC_TRY(oc_infer_hooked(t->job, &t->hooks, t->model, &t->valid, OC_INFER_TOKENS, NULL,
                           t->z_valid, err));
    if (t->generation != generation)
        return OC_OK; // undone while we looked: these logits are of other weights
    double loss = t->multi ? oc_loss_bce(t->z_valid, d->labels, NULL, n, K, 0, t->dz_valid)
                           : oc_loss_ce(t->z_valid, d->label, NULL, n, K, 0, t->dz_valid);
    if (!isfinite(loss))
        return not_finite(t, c, c->lr * oc_lr_factor(t->s.step, c->warmup, c->total),
                          "the validation loss", err);
    if (t->multi)
        oc_sigmoid_rows(t->z_valid, n, K, t->z_valid);
    else
        oc_softmax_rows(t->z_valid, n, K, t->z_valid);
    bool ovo = !strcmp(t->job->set.eval_auroc, "ovo");
    OC_TRY(oc_metrics_compute(d, t->z_valid, ovo ? OC_AUROC_OVO : OC_AUROC_OVR, 0, 0, &m, err));
    bool best = take_score(t, &m);
    emit_eval(t, &m, loss, best);
    return OC_OK;
}

/* --- the loop -------------------------------------------------------------------------------- */

// prune.sparsity moved: prune what there is now, and forget the best weights of the old sparsity.
static oc_status follow_sparsity(loop *t, oc_err *err)
{
    const oc_settings *set = &t->job->set;
    if (!t->spec->sparse || set->prune_sparsity == t->s.sparsity)
        return OC_OK;
    double sparsity = set->prune_sparsity;
    OC_TRY(oc_prune_magnitude(t->job, t->model, sparsity, !strcmp(set->prune_scope, "global"),
                              t->spec->run, t->s.keep, err));
    t->s.sparsity = sparsity;
    t->s.best_step = -1;
    t->s.best_auroc = (double)NAN;
    t->s.bad_evals = 0;
    t->saved_step = -1;
    return OC_OK;
}

static oc_status run_loop(loop *t, bool *stopped_early, oc_err *err)
{
    for (;;) {
        OC_TRY(listen(t, err));
        OC_TRY(follow_sparsity(t, err));
        step_settings c = read_settings(t);
        if (oc_now_ns() - t->saved_ns > (int64_t)(t->job->set.run_checkpoint_s * 1e9))
            OC_TRY(save_hook(t, "timer", NULL, err));
        if (eval_due(t, &c)) {
            OC_TRY(validate(t, &c, err));
            continue;
        }
        bool out_of_patience = t->s.bad_evals >= t->job->set.train_patience;
        if (out_of_patience || t->s.step >= c.total) {
            *stopped_early = t->s.step < c.total;
            return OC_OK;
        }
        OC_TRY(run_step(t, &c, err));
    }
}

static void emit_stage(loop *t)
{
    oc_event e;
    oc_event_init(&e, OC_EV_stage_T);
    step_settings c = read_settings(t);
    e.u.stage.index = t->spec->stage_index;
    OC_EV_SET(e.u.stage.kind, phase_name(t->spec->phase));
    OC_EV_SET(e.u.stage.run, t->spec->run);
    e.u.stage.steps = c.total;
    e.u.stage.epochs = c.epochs;
    e.u.stage.rows = t->n;
    if (t->train.max_T > 0)
        e.u.stage.plan_bytes = oc_train_plan(t->job, t->model, t->train.max_T);
    e.u.stage.from_step = t->s.step;
    oc_job_emit(t->job, &e);
}

static void finish(loop *t, bool stopped_early, oc_train_result *out)
{
    if (t->s.best_step >= 0)
        memcpy(t->s.w, t->s.best, (size_t)t->model->layout.n_floats * sizeof(float));
    t->spec->ckpt->head_missing = false;
    t->spec->ckpt->config.max_len = (int32_t)t->max_len;
    if (out)
        *out = (oc_train_result){.steps = t->s.step,
                                 .best_auroc = t->s.best_is_auroc ? t->s.best_auroc : (double)NAN,
                                 .best_step = t->s.best_step,
                                 .stopped_early = stopped_early};
}

oc_status oc_train(oc_job *job, const oc_train_spec *spec, oc_train_result *out, oc_err *err)
{
    oc_model *m = spec->ckpt->model;
    const oc_dims before = m->dims;
    bool stopped_early = false;
    loop *t = oc_calloc(1, sizeof *t);
    if (!t)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    *t = (loop){.job = job,
                .spec = spec,
                .model = m,
                .K = m->dims.K,
                .n = spec->train->n,
                .multi = spec->train->kind == OC_TASK_MULTI,
                .max_len = OC_MIN(job->set.train_max_len, m->dims.P)};
    t->seed = oc_rng_at((uint64_t)job->set.run_seed, oc_hash64(spec->run, strlen(spec->run)));
    t->hooks =
        (oc_job_hooks){.ctx = t, .run = spec->run, .save = save_hook, .restore = restore_hook};
    if (t->max_len < job->set.train_max_len)
        oc_job_alert(job, "warn", "%s reads at most %d tokens: train.max_len %lld is cut to that",
                     spec->run, m->dims.P, (long long)job->set.train_max_len);
    oc_status rc = loop_init(t, err);
    emit_stage(t); // also when it cannot begin: every stage that ends has begun
    if (rc == OC_OK) {
        rc = run_loop(t, &stopped_early, err);
        if (rc == OC_CANCELLED)
            rc = save_cancelled(t, err);
    }
    set_dropout(&m->dims, before.p_hidden, before.p_attn, before.p_cls);
    if (rc == OC_OK)
        finish(t, stopped_early, out);
    loop_release(t);
    oc_free(t);
    return rc;
}

int64_t oc_train_plan(const oc_job *job, const oc_model *m, int64_t max_T)
{
    int64_t B = job->set.train_batch;
    int64_t rows = OC_MAX(OC_INFER_TOKENS, max_T);
    oc_limits train = {.max_B = B, .max_N = B * max_T, .max_T = max_T, .train = true};
    oc_limits infer = {.max_B = rows / 3 + 1, .max_N = rows, .max_T = max_T};
    // weights, gradient, two moments, best weights
    int64_t slabs = 5 * m->layout.n_floats * (int64_t)sizeof(float);
    return slabs + (int64_t)oc_bert_plan(m, &train) + (int64_t)oc_bert_plan(m, &infer);
}
