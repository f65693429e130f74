/*
 * tests/unit/test_train.c - the training loop: it learns, repeats itself to the bit, distils, keeps
 * zeros, stops early, and says what is wrong.
 */
#include "tests/unit/train_testing.h"

/* --- it learns ----------------------------------------------------------------------------- */

static double mean_loss(const setup *s, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += step_at(s, i)->loss;
    return sum / (double)(to - from);
}

static void test_learns(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_train_result res;
    oc_checkpoint *c = start_model(&s);
    oc_train_spec spec = spec_of(&s, c);
    c->head_missing = true;
    c->model->dims.p_hidden = c->config.dims.p_hidden = 0.25f;
    s.r->job.set.finetune_epochs = 6;
    OK(oc_train(&s.r->job, &spec, &res, &err));
    assert_int_equal(event_count(s.r, OC_EV_stage_T), 1);
    const oc_ev_stage *st = &event_at(s.r, OC_EV_stage_T, 0)->u.stage;
    assert_string_equal(st->kind, "finetune");
    assert_string_equal(st->run, "student");
    assert_true(st->index == 3 && st->steps == 72 && st->epochs == 6 && st->rows == 90 &&
                st->from_step == 0);
    assert_true(st->plan_bytes > 5 * c->model->layout.n_floats * 4);
    assert_int_equal(res.steps, 72);
    assert_int_equal(event_count(s.r, OC_EV_step_T), 72);
    assert_int_equal(event_count(s.r, OC_EV_eval_T), 6);
    assert_true(mean_loss(&s, 60, 72) < 0.5 * mean_loss(&s, 0, 12));
    assert_true(res.best_auroc > 0.95);
    double best = 0;
    int64_t best_step = -1;
    for (size_t i = 0; i < 6; i++) {
        const oc_ev_eval *e = eval_at(&s, i);
        assert_int_equal(e->step, 12 * ((int)i + 1));
        assert_string_equal(e->split, "valid");
        assert_true(isfinite(e->loss) && isfinite(e->accuracy) && isfinite(e->auprc) &&
                    isfinite(e->f1));
        assert_int_equal(e->best, i == 0 || e->auroc > best + s.r->job.set.train_min_delta);
        if (e->best) {
            best = e->auroc;
            best_step = e->step;
        }
    }
    assert_true(res.best_auroc == best && res.best_step == best_step && !res.stopped_early);
    assert_false(c->head_missing);
    assert_int_equal(c->config.max_len, 24);
    assert_true(c->model->dims.p_hidden == 0.25f); // dropout of the run is not the model's
    oc_checkpoint_free(c);
    setup_free(&s);
}

static void test_step_events(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 3);
    oc_checkpoint *c = run(&s, NULL);
    int64_t warmup = (int64_t)ceil(0.1 * 48);
    for (size_t i = 0; i < 48; i++) {
        const oc_ev_step *v = step_at(&s, i);
        assert_string_equal(v->run, "student");
        assert_true(v->step == (int64_t)i + 1 && v->steps == 48);
        double done = (double)(i / 12) + ((i + 1) % 12 ? (double)((i + 1) % 12) * 8 / 90 : 1);
        NEAR(v->epoch, done, 1e-9);
        double f = i < (size_t)warmup ? (double)i / (double)warmup
                                      : (48.0 - (double)i) / (48.0 - (double)warmup);
        NEAR(v->lr, 5e-3 * f, 1e-12);
        assert_true(v->loss == v->hard && isnan(v->soft) && isnan(v->norm_soft));
        assert_true(v->norm > 0 && v->norm_hard > 0 && v->norm_hard < 2);
        assert_true(v->tokens > 8 && v->tokens_s > 0);
    }
    oc_checkpoint_free(c);
    setup_free(&s);
}

static void test_multi_label(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_MULTI, 4);
    oc_train_result res;
    oc_strlcpy(s.r->job.set.train_class_weights, "balanced", OC_WORD_MAX);
    s.r->job.set.finetune_epochs = 12;
    s.r->job.set.finetune_lr = 4e-3;
    s.r->job.set.train_dropout = 0;
    oc_dataset_release(&s.train);
    s.train = dataset_new(300, 4, OC_TASK_MULTI, 0, 11);
    oc_checkpoint *c = run(&s, &res);
    size_t n = (size_t)res.steps;
    assert_int_equal(n, 12 * 38);
    assert_true(res.best_auroc > 0.95);
    assert_true(mean_loss(&s, n - 12, n) < 0.5 * mean_loss(&s, 0, 12));
    oc_checkpoint_free(c);
    setup_free(&s);
}

/* --- the same bits ------------------------------------------------------------------------- */

static void test_same_bits(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_checkpoint *a = run(&s, NULL), *b = run(&s, NULL);
    assert_same_weights(a->model, b->model);
    oc_checkpoint_free(b);
    for (int workers = 1; workers <= 2; workers++) {
        oc_par_set_workers(workers);
        b = run(&s, NULL);
        assert_same_weights(a->model, b->model);
        oc_checkpoint_free(b);
    }
    oc_par_set_workers(1);
    s.r->job.set.run_seed = 2;
    b = run(&s, NULL);
    assert_memory_not_equal(a->model->slab, b->model->slab, (size_t)a->model->layout.n_floats * 4);
    oc_checkpoint_free(a);
    oc_checkpoint_free(b);
    setup_free(&s);
}

/* Small batches, accumulated, are the large batch: class weights, short last step and all. */
static void check_accumulation(oc_task_kind kind, bool soft)
{
    setup s = setup_new(kind, 3);
    if (soft) {
        add_soft(&s, 1);
        s.phase = OC_PHASE_DISTILL;
    }
    oc_settings *set = &s.r->job.set;
    oc_strlcpy(set->train_class_weights, "balanced", OC_WORD_MAX);
    set->train_dropout = 0; // masks differ by micro-batch
    set->train_max_steps = 8;
    set->train_batch = 15;
    oc_checkpoint *a = run(&s, NULL);
    oc_ev_step one = *step_at(&s, 5);
    recorder_clear(s.r);
    set->train_batch = 4;
    set->train_accumulate = 4; // 16 is not 15: one note more, so the two must differ ...
    oc_checkpoint *b = run(&s, NULL);
    assert_true(fabs(step_at(&s, 5)->loss - one.loss) > 1e-6);
    oc_checkpoint_free(b);
    recorder_clear(s.r);
    set->train_batch = 5;
    set->train_accumulate = 3; // ... and 15 is
    b = run(&s, NULL);
    const oc_ev_step *v = step_at(&s, 5);
    assert_int_equal(v->tokens, one.tokens);
    NEAR(v->loss, one.loss, 1e-5);
    NEAR(v->hard, one.hard, 1e-5);
    NEAR(v->norm_hard, one.norm_hard, 1e-5);
    NEAR(v->norm, one.norm, 1e-4);
    if (soft) {
        NEAR(v->soft, one.soft, 1e-5);
        NEAR(v->norm_soft, one.norm_soft, 1e-5);
    }
    oc_checkpoint_free(a);
    oc_checkpoint_free(b);
    setup_free(&s);
}

static void test_accumulation(void **state)
{
    (void)state;
    check_accumulation(OC_TASK_SINGLE, false);
    check_accumulation(OC_TASK_SINGLE, true);
    check_accumulation(OC_TASK_MULTI, true);
}

/* --- distillation -------------------------------------------------------------------------- */

static void test_distill(void **state)
{
    setup s = setup_new(OC_TASK_SINGLE, 3);
    follow_arch(&s.dims, state);
    oc_train_result res;
    s.phase = OC_PHASE_DISTILL;
    oc_dataset_release(&s.train);
    s.train = dataset_new(300, 3, OC_TASK_SINGLE, 0.05, 11);
    add_soft(&s, 1);
    s.r->job.set.distill_soft = 0.7;
    s.r->job.set.distill_hard = 0.3;
    s.r->job.set.distill_epochs = 6;
    oc_checkpoint *c = run(&s, &res);
    assert_string_equal(event_at(s.r, OC_EV_stage_T, 0)->u.stage.kind, "distill");
    double first = 0, last = 0;
    size_t n = (size_t)res.steps;
    for (size_t i = 0; i < n; i++) {
        const oc_ev_step *v = step_at(&s, i);
        NEAR(v->loss, 0.3 * v->hard + 0.7 * v->soft, 1e-9);
        assert_true(v->norm_soft > 0 && v->norm_hard > 0);
        first += i < 12 ? v->soft / 12 : 0;
        last += i >= n - 12 ? v->soft / 12 : 0;
    }
    assert_int_equal(n, 6 * 38);
    assert_true(last < 0.3 * first);
    assert_true(res.best_auroc > 0.9);
    oc_checkpoint_free(c);
    setup_free(&s);
}

/* Labels are noise, the teacher is not: with hard = 0 the student follows the teacher. */
static void test_soft_only(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_train_result res;
    s.phase = OC_PHASE_DISTILL;
    add_soft(&s, 1);
    for (int64_t i = 0; i < s.train.n; i++)
        s.train.label[i] = (int32_t)(oc_rng_at(5, (uint64_t)i) & 1);
    s.r->job.set.distill_hard = 0;
    s.r->job.set.distill_epochs = 6;
    oc_checkpoint *c = run(&s, &res);
    assert_true(res.best_auroc > 0.95);
    assert_true(step_at(&s, 3)->norm_hard == 0.0);
    NEAR(step_at(&s, 3)->loss, step_at(&s, 3)->soft, 1e-12);
    oc_checkpoint_free(c);
    setup_free(&s);
}

static oc_status change_temperature(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    (void)e;
    if (hooks && hooks->step == 6)
        r->job.set.distill_temperature = 8;
    if (hooks && hooks->step == 7)
        r->job.set.distill_soft = 0;
    return OC_OK;
}

static void test_temperature_and_weight_change(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    s.phase = OC_PHASE_DISTILL;
    add_soft(&s, 1);
    s.r->job.set.train_max_steps = 9;
    oc_checkpoint *c = run(&s, NULL);
    oc_ev_step before[9];
    for (size_t i = 0; i < 9; i++)
        before[i] = *step_at(&s, i);
    recorder_clear(s.r);
    s.r->act = change_temperature;
    oc_checkpoint *d = run(&s, NULL);
    assert_true(step_at(&s, 5)->soft == before[5].soft);
    assert_true(step_at(&s, 6)->hard == before[6].hard && step_at(&s, 6)->soft != before[6].soft);
    assert_true(step_at(&s, 7)->norm_soft == 0.0 && step_at(&s, 7)->loss == step_at(&s, 7)->hard);
    assert_true(step_at(&s, 7)->soft > 0); // still measured
    oc_checkpoint_free(c);
    oc_checkpoint_free(d);
    setup_free(&s);
}

/* --- sparse recovery ----------------------------------------------------------------------- */

static double zero_share(const oc_model *m)
{
    int64_t zeros = 0, n = 0;
    for (int32_t i = 0; i < m->layout.n; i++)
        if (oc_prunable(m->layout.param[i].kind)) {
            zeros += oc_model_zeros(m, i);
            n += m->layout.param[i].n;
        }
    return (double)zeros / (double)n;
}

static void test_zeros_stay_zero(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    s.phase = OC_PHASE_RECOVER;
    s.sparse = true;
    s.r->job.set.prune_sparsity = 0.5;
    oc_checkpoint *start = start_model(&s), *c = run(&s, NULL);
    int64_t moved = 0;
    for (int32_t i = 0; i < c->model->layout.n; i++) {
        const oc_param *p = &c->model->layout.param[i];
        for (int64_t j = p->offset; j < p->offset + p->n; j++) {
            if (oc_prunable(p->kind) && start->model->slab[j] == 0.0f)
                assert_true(c->model->slab[j] == 0.0f);
            moved += start->model->slab[j] != c->model->slab[j];
        }
    }
    assert_true(moved > 500);
    NEAR(zero_share(c->model), 0.5, 1e-3);
    assert_int_equal(event_count(s.r, OC_EV_sparsity_T), 0);
    oc_checkpoint_free(start);
    oc_checkpoint_free(c);
    setup_free(&s);
}

static oc_status more_sparsity(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    if (!hooks || hooks->step != 16 || r->at)
        return OC_OK;
    r->at = 1;
    OC_TRY(hooks->save(hooks->ctx, "setting", r->path, e));
    r->job.set.prune_sparsity = 0.8;
    return OC_OK;
}

static void test_sparsity_change(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_train_result res;
    s.phase = OC_PHASE_RECOVER;
    s.sparse = true;
    s.r->job.set.prune_sparsity = 0.5;
    s.r->act = more_sparsity;
    oc_checkpoint *c = run(&s, &res), *again;
    NEAR(zero_share(c->model), 0.8, 2e-3);
    assert_int_equal(event_count(s.r, OC_EV_sparsity_T), 7);
    const oc_ev_sparsity *v = &event_at(s.r, OC_EV_sparsity_T, 0)->u.sparsity;
    assert_string_equal(v->model, "student");
    assert_true(v->asked == 0.8);
    assert_true(res.best_step >= 24); // the best weights of before had other zeros
    assert_true(eval_at(&s, 1)->best);
    // killed after it and resumed: the same bits
    recorder_clear(s.r);
    s.r->act = die_at_step;
    s.r->at = 30;
    s.resume = true;
    oc_strlcpy(s.r->path, "", sizeof s.r->path);
    assert_int_equal(run_status(&s, &again, NULL), OC_STATE);
    oc_checkpoint_free(again);
    recorder_clear(s.r);
    again = run(&s, NULL);
    assert_int_equal(event_at(s.r, OC_EV_stage_T, 0)->u.stage.from_step, 29);
    assert_same_weights(c->model, again->model);
    oc_checkpoint_free(again);
    oc_checkpoint_free(c);
    setup_free(&s);
}

/* --- validation ---------------------------------------------------------------------------- */

static void test_early_stop_and_best(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_train_result res;
    s.r->job.set.train_min_delta = 1; // nothing after the first counts as a gain
    s.r->job.set.train_patience = 2;
    s.r->job.set.train_eval_every = 5;
    oc_checkpoint *c = run(&s, &res);
    assert_true(res.stopped_early);
    assert_int_equal(res.steps, 15);
    assert_int_equal(res.best_step, 5);
    assert_true(eval_at(&s, 0)->best && !eval_at(&s, 1)->best && !eval_at(&s, 2)->best);
    // The weights are those of step 5: a run of the same schedule, cut there, has them.
    recorder_clear(s.r);
    s.r->act = cancel_at_step;
    s.r->at = 5;
    oc_checkpoint *five;
    assert_int_equal(run_status(&s, &five, NULL), OC_CANCELLED);
    assert_same_weights(c->model, five->model);
    oc_checkpoint_free(five);
    oc_checkpoint_free(c);
    setup_free(&s);
}

static void test_no_validation(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_train_result res;
    oc_dataset_release(&s.valid);
    s.valid.K = 2;
    oc_checkpoint *c = run(&s, &res);
    assert_int_equal(res.steps, 48);
    assert_int_equal(res.best_step, -1);
    assert_true(isnan(res.best_auroc));
    assert_int_equal(event_count(s.r, OC_EV_eval_T), 0);
    oc_checkpoint_free(c);
    setup_free(&s);
}

/* One class only: AUROC cannot be computed, accuracy decides. */
static void test_accuracy_decides(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_train_result res;
    for (int64_t i = 0; i < s.valid.n; i++)
        s.valid.label[i] = 1;
    s.r->job.set.train_patience = 1;
    oc_checkpoint *c = run(&s, &res);
    double best = -1;
    const oc_ev_eval *e;
    for (size_t i = 0; (e = eval_at(&s, i)); i++) {
        assert_true(isnan(e->auroc));
        if (e->best)
            best = e->accuracy;
        assert_true(e->accuracy <= best + 1e-3);
    }
    assert_true(isnan(res.best_auroc) && res.best_step > 0);
    oc_checkpoint_free(c);
    setup_free(&s);
}

/* --- what goes wrong ----------------------------------------------------------------------- */

static void test_not_a_number(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_checkpoint *c;
    s.r->job.set.finetune_lr = 1e30;
    s.r->job.set.run_checkpoint_s = 0;
    assert_int_equal(run_status(&s, &c, NULL), OC_NUMERIC);
    assert_non_null(strstr(err.msg, "student:"));
    assert_non_null(strstr(err.msg, "not a finite number at step"));
    assert_non_null(strstr(err.msg, "finetune.lr"));
    assert_non_null(strstr(err.msg, "/ckpt/student.safetensors"));
    assert_true(state_file_exists(&s));
    oc_checkpoint_free(c);
    // Poisoned from the start: step 0, and no checkpoint to name.
    oc_train_forget(&s.r->job, "student");
    s.r->job.set.finetune_lr = 1e-3;
    s.r->job.set.run_checkpoint_s = 1000;
    c = start_model(&s);
    edit_at(c->model, OC_P_CLS_B, -1)[0] = NAN;
    oc_train_spec spec = spec_of(&s, c);
    FAILS(OC_NUMERIC, "the loss is not a finite number at step 0",
          oc_train(&s.r->job, &spec, NULL, &err));
    assert_null(strstr(err.msg, "checkpoint is"));
    assert_false(state_file_exists(&s));
    oc_checkpoint_free(c);
    setup_free(&s);
}

static void test_bad_specs(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_checkpoint *c = start_model(&s);
    oc_train_spec spec = spec_of(&s, c);
    oc_dataset none = {.K = 2}, three = dataset_new(12, 3, OC_TASK_SINGLE, 0, 1);
    spec.train = &none;
    FAILS(OC_FORMAT, "no training notes", oc_train(&s.r->job, &spec, NULL, &err));
    spec.train = &three;
    FAILS(OC_SHAPE, "the model has 2 labels, but the notes have 3",
          oc_train(&s.r->job, &spec, NULL, &err));
    // Notes longer than the model reads: cut, and said.
    spec.train = &s.train;
    s.r->job.set.train_max_len = 100;
    s.r->job.set.train_max_steps = 1;
    recorder_clear(s.r);
    OK(oc_train(&s.r->job, &spec, NULL, &err));
    assert_non_null(strstr(event_at(s.r, OC_EV_alert_T, 0)->u.alert.text, "at most 32 tokens"));
    assert_int_equal(c->config.max_len, 32);
    oc_dataset_release(&three);
    oc_checkpoint_free(c);
    setup_free(&s);
}

static void test_unwritable_folder(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    char blocked[OC_PATH_MAX];
    oc_checkpoint *c;
    OK(oc_path_join(blocked, s.r->job.workdir, "ckpt", &err));
    OK(oc_file_write(blocked, "a file where the folder should be", 5, &err));
    s.r->act = cancel_at_step;
    s.r->at = 3;
    assert_int_equal(run_status(&s, &c, NULL), OC_IO); // not "cancelled": nothing was kept
    assert_non_null(strstr(err.msg, "ckpt"));
    oc_checkpoint_free(c);
    setup_free(&s);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    s.r->job.set.train_max_steps = 1;
    oc_status rc = OC_NOMEM;
    for (int64_t i = 1; rc != OC_OK; i++) {
        oc_checkpoint *c = start_model(&s);
        oc_train_spec spec = spec_of(&s, c);
        err = (oc_err){0};
        oc_alloc_fail_at(i);
        rc = oc_train(&s.r->job, &spec, NULL, &err);
        oc_alloc_fail_at(0);
        assert_true(rc == OC_OK || (rc == OC_NOMEM && err.msg[0]));
        oc_checkpoint_free(c);
        assert_true(i < 5000);
    }
    setup_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_step_events),
        cmocka_unit_test(test_multi_label),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_accumulation),
        cmocka_unit_test(test_distill),
        cmocka_unit_test_prestate(test_distill, &as_distilbert),
        cmocka_unit_test(test_soft_only),
        cmocka_unit_test(test_temperature_and_weight_change),
        cmocka_unit_test(test_zeros_stay_zero),
        cmocka_unit_test(test_sparsity_change),
        cmocka_unit_test(test_early_stop_and_best),
        cmocka_unit_test(test_no_validation),
        cmocka_unit_test(test_accuracy_decides),
        cmocka_unit_test(test_not_a_number),
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_unwritable_folder),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, select_kernels, NULL);
}
