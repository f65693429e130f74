/*
 * tests/unit/train_testing.h - a small training run that can be repeated, for the tests of the loop.
 */
#ifndef OC_TESTS_TRAIN_TESTING_H
#define OC_TESTS_TRAIN_TESTING_H

#include "tests/unit/compress_testing.h"

#include "core/compress/prune.h"
#include "core/compress/train.h"

/* --- a run --------------------------------------------------------------------------------- */

typedef struct setup {
    recorder *r;
    oc_dims dims;
    oc_dataset train, valid;
    float *soft; /* [train.n, K] or NULL */
    oc_phase phase;
    bool sparse, resume;
} setup;

static inline setup setup_new(oc_task_kind kind, int64_t K)
{
    setup s = {.r = recorder_new(), .dims = small_dims(1, 16, 2, 24, (int32_t)K)};
    oc_settings *set = &s.r->job.set;
    s.train = dataset_new(90, K, kind, 0.05, 11);
    s.valid = dataset_new(40, K, kind, 0.05, 12);
    set->finetune_lr = set->distill_lr = set->recover_lr = 5e-3;
    set->finetune_epochs = set->distill_epochs = set->recover_epochs = 4;
    set->train_batch = 8; // 12 steps an epoch, the last one short
    set->train_patience = 100;
    set->run_checkpoint_s = 1000;
    return s;
}

static inline void setup_free(setup *s)
{
    oc_dataset_release(&s->train);
    oc_dataset_release(&s->valid);
    free(s->soft);
    recorder_free(s->r);
}

/* Logits a teacher might give: sure of the true classes, with some noise. */
static inline void add_soft(setup *s, uint64_t seed)
{
    int64_t K = s->train.K;
    oc_rng r;
    oc_rng_init(&r, seed, 2);
    s->soft = malloc((size_t)(s->train.n * K) * sizeof(float));
    for (int64_t i = 0; i < s->train.n * K; i++) {
        bool yes =
            s->train.kind == OC_TASK_MULTI ? s->train.labels[i] : s->train.label[i / K] == i % K;
        s->soft[i] = (float)((yes ? 2.0 : -2.0) + 0.5 * oc_rng_normal(&r));
    }
}

static inline oc_train_spec spec_of(const setup *s, oc_checkpoint *c)
{
    return (oc_train_spec){.phase = s->phase,
                           .run = "student",
                           .stage_index = 3,
                           .ckpt = c,
                           .train = &s->train,
                           .valid = &s->valid,
                           .soft = s->soft,
                           .sparse = s->sparse,
                           .resume = s->resume};
}

static inline oc_checkpoint *start_model(const setup *s)
{
    oc_checkpoint *c = checkpoint_new(&s->dims, 5, 8);
    if (s->sparse)
        OK(oc_prune_magnitude(NULL, c->model, 0.5, true, "p", NULL, &err));
    return c;
}

/* From the same start each time; the trained checkpoint is the caller's. */
static inline oc_status run_status(setup *s, oc_checkpoint **c, oc_train_result *res)
{
    *c = start_model(s);
    oc_train_spec spec = spec_of(s, *c);
    err = (oc_err){0};
    return oc_train(&s->r->job, &spec, res, &err);
}

static inline oc_checkpoint *run(setup *s, oc_train_result *res)
{
    oc_checkpoint *c;
    oc_status rc = run_status(s, &c, res);
    if (rc != OC_OK)
        print_error("%s\n", err.msg);
    assert_int_equal(rc, OC_OK);
    return c;
}

static inline const oc_ev_step *step_at(const setup *s, size_t i)
{
    const oc_event *e = event_at(s->r, OC_EV_step_T, i);
    return e ? &e->u.step : NULL;
}

static inline const oc_ev_eval *eval_at(const setup *s, size_t i)
{
    const oc_event *e = event_at(s->r, OC_EV_eval_T, i);
    return e ? &e->u.eval : NULL;
}

static inline bool state_file_exists(const setup *s)
{
    char path[512];
    OK(oc_train_path(&s->r->job, "student", path, &err));
    return oc_path_exists(path);
}

static inline oc_status cancel_at_step(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    return hooks && hooks->step >= r->at ? OC_FAIL(e, OC_CANCELLED, "cancelled") : OC_OK;
}

/* What a kill leaves: a checkpoint of the step before, and no chance to save. */
static inline oc_status die_at_step(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    if (hooks && hooks->step == r->at - 1)
        return hooks->save(hooks->ctx, "timer", NULL, e);
    return hooks && hooks->step >= r->at ? OC_FAIL(e, OC_STATE, "killed") : OC_OK;
}

#endif
