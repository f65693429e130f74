/*
 * core/compress/train_step.c - one optimizer step: batches, losses, gradient, update.
 */
#include <math.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/base/str.h"
#include "core/compress/train_loop.h"
#include "core/nn/adamw.h"
#include "core/nn/loss.h"

#define POLL_NS 40000000 // longest time inside a step without listening

// Sums over the micro-batches of a step.
typedef struct step_sums {
    double hard, soft, sq_hard, sq_soft;
    int64_t tokens;
} step_sums;

oc_status oc__listen(oc__loop *t, oc_err *err)
{
    t->hooks.step = t->s.step;
    oc_status rc = oc_job_poll(t->job, &t->hooks, err);
    t->polled_ns = oc_now_ns();
    return rc;
}

static void make_order(oc__loop *t)
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
static double hard_weight(const oc__loop *t, const int64_t *note, int64_t n)
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
static void losses(oc__loop *t, const oc__step_settings *c, const int64_t *note, int64_t n,
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
 * accumulation gives the mean over all of them even when the last one is short. *stale: undo
 * or a new setting came in between, and nothing was done.
 */
static oc_status gradient(oc__loop *t, const oc__step_settings *c, int64_t rows, step_sums *sum,
                          bool *stale, oc_err *err)
{
    const int64_t *note = t->order + t->s.pos;
    int64_t generation = t->generation;
    double all_hard = hard_weight(t, note, rows);
    memset(t->grad, 0, (size_t)t->model->layout.n_floats * sizeof(float));
    for (int64_t done = 0, micro = 0; done < rows; done += c->batch, micro++) {
        if (oc_now_ns() - t->polled_ns > POLL_NS)
            OC_TRY(oc__listen(t, err));
        *stale = t->generation != generation;
        if (*stale)
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

oc_status oc__not_finite(const oc__loop *t, const oc__step_settings *c, double lr, const char *what,
                         oc_err *err)
{
    char path[512] = "";
    if (t->saved_step < 0 || oc_train_path(t->job, t->spec->run, path, NULL) != OC_OK)
        path[0] = '\0';
    return OC_FAIL(err, OC_NUMERIC,
                   "%s: %s is not a finite number at step %lld (lr %.3g, peak %.3g): try a lower "
                   "%s.lr, a longer train.warmup or a smaller train.clip%s%.200s",
                   t->spec->run, what, (long long)t->s.step, lr, c->lr,
                   oc__phase_name(t->spec->phase), path[0] ? "; the last good checkpoint is " : "",
                   path);
}

static void emit_step(oc__loop *t, const oc__step_settings *c, const step_sums *sum, double lr,
                      double norm, int64_t started_ns)
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

void oc__set_dropout(oc_dims *d, float p_hidden, float p_attn, float p_cls)
{
    d->p_hidden = p_hidden;
    d->p_attn = p_attn;
    d->p_cls = p_cls;
}

oc_status oc__run_step(oc__loop *t, const oc__step_settings *c, oc_err *err)
{
    int64_t started = oc_now_ns(), n_floats = t->model->layout.n_floats;
    int64_t rows = OC_MIN(c->batch * c->accumulate, t->n - t->s.pos);
    const oc_settings *set = &t->job->set;
    step_sums sum = {0};
    bool stale = false;
    OC_TRY(oc__fit_batch(t, c->batch, err));
    OC_TRY(oc__class_weights(t, err));
    make_order(t);
    oc__set_dropout(&t->model->dims, (float)c->p, (float)c->p, (float)c->p);
    OC_TRY(gradient(t, c, rows, &sum, &stale, err));
    if (stale)
        return OC_OK;
    double lr = c->lr * oc_lr_factor(t->s.step, c->warmup, c->total);
    double norm = oc_grad_norm(t->grad, n_floats);
    if (!isfinite(c->hard * sum.hard + c->soft * sum.soft))
        return oc__not_finite(t, c, lr, "the loss", err);
    if (!isfinite(norm))
        return oc__not_finite(t, c, lr, "the gradient", err);
    bool clip = set->train_clip > 0 && norm > set->train_clip;
    oc_adamw o = {.lr = lr,
                  .beta1 = 0.9,
                  .beta2 = 0.999,
                  .eps = 1e-8,
                  .weight_decay = set->train_weight_decay};
    oc_adamw_step(&o, t->s.step + 1, &t->model->layout, t->s.w, t->grad,
                  clip ? set->train_clip / (norm + 1e-6) : 1.0, t->s.m, t->s.v, t->s.keep);
    t->s.step++;
    t->s.pos += rows;
    if (t->s.pos >= t->n) {
        t->s.pos = 0;
        t->s.epoch++;
    }
    emit_step(t, c, &sum, lr, norm, started);
    return OC_OK;
}
