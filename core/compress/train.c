/*
 * core/compress/train.c - the training loop: settings, validation, and what follows what.
 */
#include "core/compress/train.h"

#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/compress/prune.h"
#include "core/compress/train_loop.h"
#include "core/measure/metrics.h"
#include "core/nn/adamw.h"
#include "core/nn/loss.h"

/* --- settings -------------------------------------------------------------------------------- */

const char *oc__phase_name(oc_phase p)
{
    static const char *const name[] = {"finetune", "distill", "recover"};
    return name[p];
}

// Steps from here to the end: what is left of this epoch, then whole ones.
static int64_t total_steps(const oc__loop *t, const oc_settings *set, int64_t per_step,
                           int64_t epochs)
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

static oc__step_settings read_settings(const oc__loop *t)
{
    const oc_settings *set = &t->job->set;
    oc__step_settings c = {.batch = set->train_batch,
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

/* --- validation ------------------------------------------------------------------------------ */

static bool eval_due(const oc__loop *t, const oc__step_settings *c)
{
    int64_t every = t->job->set.train_eval_every;
    if (t->valid.n == 0 || t->s.step == 0 || t->s.eval_step == t->s.step)
        return false;
    return t->s.step >= c->total || (every > 0 ? t->s.step % every == 0 : t->s.pos == 0);
}

static void emit_eval(oc__loop *t, const oc_metrics *m, double loss, bool best)
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
static bool take_score(oc__loop *t, const oc_metrics *m)
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

static oc_status validate(oc__loop *t, const oc__step_settings *c, oc_err *err)
{
    const oc_dataset *d = t->spec->valid;
    int64_t generation = t->generation, n = d->n, K = t->K;
    oc_metrics m;
    t->hooks.step = t->s.step;
    OC_TRY(oc_infer_hooked(t->job, &t->hooks, t->model, &t->valid, OC_INFER_TOKENS, NULL,
                           t->z_valid, err));
    if (t->generation != generation)
        return OC_OK; // undone or changed while we looked: look again
    double loss = t->multi ? oc_loss_bce(t->z_valid, d->labels, NULL, n, K, 0, t->dz_valid)
                           : oc_loss_ce(t->z_valid, d->label, NULL, n, K, 0, t->dz_valid);
    if (!isfinite(loss))
        return oc__not_finite(t, c, c->lr * oc_lr_factor(t->s.step, c->warmup, c->total),
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
static oc_status follow_sparsity(oc__loop *t, oc_err *err)
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

static oc_status run_loop(oc__loop *t, bool *stopped_early, oc_err *err)
{
    for (;;) {
        OC_TRY(oc__listen(t, err));
        OC_TRY(follow_sparsity(t, err));
        oc__step_settings c = read_settings(t);
        if (oc_now_ns() - t->saved_ns > (int64_t)(t->job->set.run_checkpoint_s * 1e9))
            OC_TRY(oc__loop_save(t, "timer", NULL, err));
        if (eval_due(t, &c)) {
            OC_TRY(validate(t, &c, err));
            continue;
        }
        bool out_of_patience = t->s.bad_evals >= t->job->set.train_patience;
        if (out_of_patience || t->s.step >= c.total) {
            *stopped_early = t->s.step < c.total;
            return OC_OK;
        }
        OC_TRY(oc__run_step(t, &c, err));
    }
}

static void emit_stage(oc__loop *t)
{
    oc_event e;
    oc_event_init(&e, OC_EV_stage_T);
    oc__step_settings c = read_settings(t);
    e.u.stage.index = t->spec->stage_index;
    OC_EV_SET(e.u.stage.kind, oc__phase_name(t->spec->phase));
    OC_EV_SET(e.u.stage.run, t->spec->run);
    e.u.stage.steps = c.total;
    e.u.stage.epochs = c.epochs;
    e.u.stage.rows = t->n;
    if (t->train.max_T > 0)
        e.u.stage.plan_bytes = oc_train_plan(t->job, t->model, t->train.max_T);
    e.u.stage.from_step = t->s.step;
    oc_job_emit(t->job, &e);
}

static void finish(oc__loop *t, bool stopped_early, oc_train_result *out)
{
    if (t->s.best_step >= 0)
        memcpy(t->s.w, t->s.best, (size_t)t->model->layout.n_floats * sizeof(float));
    t->spec->ckpt->head_missing = false;
    t->spec->ckpt->config.max_len = (int32_t)t->s.max_len;
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
    oc__loop *t = oc_calloc(1, sizeof *t);
    if (!t)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    *t = (oc__loop){.job = job,
                    .spec = spec,
                    .model = m,
                    .K = m->dims.K,
                    .n = spec->train->n,
                    .multi = spec->train->kind == OC_TASK_MULTI};
    t->s.max_len = OC_MIN(job->set.train_max_len, m->dims.P);
    t->s.seed = job->set.run_seed;
    t->hooks = (oc_job_hooks){
        .ctx = t, .run = spec->run, .save = oc__loop_save, .restore = oc__loop_restore};
    if (m->dims.P < job->set.train_max_len)
        oc_job_alert(job, "warn", "%s reads at most %d tokens: train.max_len %lld is cut to that",
                     spec->run, m->dims.P, (long long)job->set.train_max_len);
    oc_status rc = oc__loop_init(t, err);
    emit_stage(t); // also when it cannot begin: every stage that ends has begun
    if (rc == OC_OK) {
        rc = run_loop(t, &stopped_early, err);
        if (rc == OC_CANCELLED)
            rc = oc__loop_cancelled(t, err);
    }
    oc__set_dropout(&m->dims, before.p_hidden, before.p_attn, before.p_cls);
    if (rc == OC_OK)
        finish(t, stopped_early, out);
    oc__loop_release(t);
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
