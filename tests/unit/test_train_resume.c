/*
 * tests/unit/test_train_resume.c - the training loop stopped, resumed, changed and undone; its file.
 */
#include "tests/unit/train_testing.h"

/* --- stopped and resumed ------------------------------------------------------------------- */

static void check_resume(setup *s, bool killed)
{
    static const int64_t stops[] = {0, 1, 11, 12, 13, 30, 48};
    oc_train_result whole_res, res;
    oc_checkpoint *whole = run(s, &whole_res), *c;
    oc_train_forget(&s->r->job, "student");
    for (int i = 0; i < OC_COUNT(stops); i++) {
        recorder_clear(s->r);
        s->r->act = killed ? die_at_step : cancel_at_step;
        s->r->at = stops[i];
        assert_int_equal(run_status(s, &c, &res), killed ? OC_STATE : OC_CANCELLED);
        oc_checkpoint_free(c);
        assert_int_equal(state_file_exists(s), !killed || stops[i] > 0);
        if (!killed)
            assert_string_equal(event_at(s->r, OC_EV_ckpt_T, 0)->u.ckpt.reason, "cancel");
        recorder_clear(s->r);
        s->resume = true;
        c = run(s, &res);
        s->resume = false;
        int64_t from = event_at(s->r, OC_EV_stage_T, 0)->u.stage.from_step;
        assert_true(killed ? from == OC_MAX(stops[i] - 1, 0) : from == stops[i]);
        assert_int_equal(event_at(s->r, OC_EV_stage_T, 0)->u.stage.steps, 48);
        assert_same_weights(c->model, whole->model);
        assert_true(res.best_auroc == whole_res.best_auroc && res.best_step == whole_res.best_step);
        assert_int_equal(res.steps, whole_res.steps);
        oc_checkpoint_free(c);
        oc_train_forget(&s->r->job, "student");
    }
    oc_checkpoint_free(whole);
}

static void test_cancel_and_resume(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    check_resume(&s, false);
    check_resume(&s, true);
    setup_free(&s);
}

static void test_resume_of_sparse_distillation(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    add_soft(&s, 1);
    s.phase = OC_PHASE_RECOVER;
    s.sparse = true;
    s.r->job.set.prune_sparsity = 0.5;
    check_resume(&s, false);
    check_resume(&s, true);
    setup_free(&s);
}

static oc_status cancel_when_validating(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    // Polls come once a step; a second one at the same step is the validation's.
    if (!hooks || hooks->step != 12)
        return OC_OK;
    return ++r->at == 2 ? OC_FAIL(e, OC_CANCELLED, "cancelled") : OC_OK;
}

static void test_cancel_while_validating(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_checkpoint *whole = run(&s, NULL), *c;
    recorder_clear(s.r);
    s.r->act = cancel_when_validating;
    assert_int_equal(run_status(&s, &c, NULL), OC_CANCELLED);
    oc_checkpoint_free(c);
    assert_int_equal(event_count(s.r, OC_EV_eval_T), 0);
    assert_int_equal(event_at(s.r, OC_EV_ckpt_T, 0)->u.ckpt.step, 12);
    recorder_clear(s.r);
    s.resume = true;
    c = run(&s, NULL);
    assert_int_equal(event_count(s.r, OC_EV_eval_T), 4); // step 12's too
    assert_same_weights(c->model, whole->model);
    oc_checkpoint_free(c);
    oc_checkpoint_free(whole);
    setup_free(&s);
}

static void test_resume_refuses_other_data(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_checkpoint *c;
    s.r->act = cancel_at_step;
    s.r->at = 5;
    assert_int_equal(run_status(&s, &c, NULL), OC_CANCELLED);
    oc_checkpoint_free(c);
    recorder_clear(s.r);
    oc_dataset_release(&s.train);
    s.train = dataset_new(90, 2, OC_TASK_SINGLE, 0.05, 99);
    s.resume = true;
    assert_int_equal(run_status(&s, &c, NULL), OC_FORMAT);
    assert_non_null(strstr(err.msg, "other data"));
    assert_non_null(strstr(err.msg, "student.safetensors"));
    assert_int_equal(event_count(s.r, OC_EV_stage_T), 1); // begun, so that it can end
    oc_checkpoint_free(c);
    s.resume = false; // without resume it starts over
    c = run(&s, NULL);
    oc_checkpoint_free(c);
    setup_free(&s);
}

/* --- changed while it runs ----------------------------------------------------------------- */

static oc_status change_lr(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    if (!hooks || hooks->step != 20 || r->at)
        return OC_OK;
    r->at = 1;
    OC_TRY(hooks->save(hooks->ctx, "setting", r->path, e));
    r->job.set.finetune_lr = 1e-3;
    return OC_OK;
}

static void test_setting_at_the_next_step(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    s.r->act = change_lr;
    oc_checkpoint *c = run(&s, NULL);
    NEAR(step_at(&s, 19)->lr / ((48.0 - 19) / (48 - 5)), 5e-3, 1e-9);
    NEAR(step_at(&s, 20)->lr / ((48.0 - 20) / (48 - 5)), 1e-3, 1e-9);
    const oc_ev_ckpt *k = &event_at(s.r, OC_EV_ckpt_T, 0)->u.ckpt;
    assert_string_equal(k->reason, "setting");
    assert_string_equal(k->run, "student");
    assert_int_equal(k->step, 20);
    assert_string_equal(k->path, s.r->path);
    assert_int_equal(k->bytes, oc_file_bytes(s.r->path));
    assert_non_null(strstr(s.r->path, "/ckpt/student-step20.safetensors"));
    assert_true(state_file_exists(&s)); // a kill now resumes after the change, not before
    oc_checkpoint_free(c);
    setup_free(&s);
}

/* Killed right after a change: resumed with the new value, the bits are those of the whole run. */
static oc_status change_then_die(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    OC_TRY(change_lr(r, hooks, e));
    return hooks && hooks->step == 23 ? OC_FAIL(e, OC_STATE, "killed") : OC_OK;
}

static void test_kill_after_a_change(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_checkpoint *c;
    s.r->act = change_lr;
    oc_checkpoint *whole = run(&s, NULL);
    recorder_clear(s.r);
    s.r->job.set.finetune_lr = 5e-3;
    s.r->at = 0;
    s.r->act = change_then_die;
    assert_int_equal(run_status(&s, &c, NULL), OC_STATE);
    oc_checkpoint_free(c);
    recorder_clear(s.r);
    s.resume = true;
    c = run(&s, NULL);
    assert_int_equal(event_at(s.r, OC_EV_stage_T, 0)->u.stage.from_step, 20);
    assert_same_weights(c->model, whole->model);
    oc_checkpoint_free(c);
    oc_checkpoint_free(whole);
    setup_free(&s);
}

/* The length and the seed of a run are those it began with; what says otherwise is for the next. */
static oc_status change_the_beginning(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    if (hooks && hooks->step == 5) {
        r->job.set.run_seed = 77;
        r->job.set.train_max_len = 10;
    }
    return hooks && hooks->step == 20 ? OC_FAIL(e, OC_CANCELLED, "cancelled") : OC_OK;
}

static void test_resume_keeps_length_and_seed(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_checkpoint *whole = run(&s, NULL), *c;
    recorder_clear(s.r);
    s.r->act = change_the_beginning;
    assert_int_equal(run_status(&s, &c, NULL), OC_CANCELLED);
    oc_checkpoint_free(c);
    recorder_clear(s.r);
    s.resume = true;
    c = run(&s, NULL);
    assert_same_weights(c->model, whole->model);
    assert_int_equal(c->config.max_len, 24);
    oc_checkpoint_free(c);
    oc_checkpoint_free(whole);
    setup_free(&s);
}

/* A step so long that it listens in its middle: a change there restarts it, as if it came before. */
static oc_status change_inside_a_step(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    if (!hooks || hooks->step != 1 || ++r->at != 2)
        return OC_OK;
    OC_TRY(hooks->save(hooks->ctx, "setting", r->path, e));
    r->job.set.finetune_lr = 1e-3;
    r->job.set.train_clip = 0.01;
    return OC_OK;
}

static void test_change_inside_a_step(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_train_result res;
    oc_checkpoint *c, *whole;
    oc_dataset_release(&s.train);
    s.train = dataset_new(1500, 2, OC_TASK_SINGLE, 0.05, 11);
    s.dims = small_dims(2, 64, 2, 256, 2);
    s.r->job.set.train_batch = 1;
    s.r->job.set.train_accumulate = 700;
    s.r->job.set.train_max_steps = 2;
    s.r->act = change_inside_a_step;
    whole = run(&s, &res);
    if (s.r->at < 2) {
        print_message("a step was too quick to be interrupted\n");
        oc_checkpoint_free(whole);
        setup_free(&s);
        skip();
    }
    assert_int_equal(event_count(s.r, OC_EV_step_T), 2);
    assert_true(step_at(&s, 1)->lr <= 1e-3);
    assert_int_equal(event_at(s.r, OC_EV_ckpt_T, 0)->u.ckpt.step, 1);
    // Resumed from there with the new values: the same bits.
    recorder_clear(s.r);
    s.resume = true;
    c = run(&s, NULL);
    assert_int_equal(event_at(s.r, OC_EV_stage_T, 0)->u.stage.from_step, 1);
    assert_same_weights(c->model, whole->model);
    oc_checkpoint_free(c);
    oc_checkpoint_free(whole);
    setup_free(&s);
}

static oc_status change_many(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    oc_settings *set = &r->job.set;
    (void)e;
    if (hooks && hooks->step >= 1) // more threads than there are cores, from a step on
        oc_par_set_workers(oc_par_cores() + 2);
    if (hooks && hooks->step == 10)
        set->train_batch = 20; // more than was planned for; 10 of an epoch's 90 notes are left
    if (hooks && hooks->step == 14)
        set->finetune_epochs = 2;
    if (hooks && hooks->step == 15)
        oc_strlcpy(set->train_class_weights, "balanced", OC_WORD_MAX);
    return OC_OK;
}

static void test_batch_and_epochs_change(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_train_result res;
    s.r->act = change_many;
    oc_checkpoint *c = run(&s, &res);
    assert_int_equal(step_at(&s, 9)->steps, 48);
    assert_int_equal(step_at(&s, 10)->steps, 10 + 1 + 3 * 5); // 10 notes, then 3 epochs of 5 steps
    NEAR(step_at(&s, 10)->epoch, 1, 1e-9);
    assert_int_equal(step_at(&s, 14)->steps, 16);
    assert_int_equal(res.steps, 16);
    assert_int_equal(eval_at(&s, 0)->step, 11);
    assert_int_equal(eval_at(&s, 1)->step, 16);
    assert_null(eval_at(&s, 2));
    oc_par_set_workers(1);
    oc_checkpoint_free(c);
    setup_free(&s);
}

static oc_status change_and_undo(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    int64_t to = -1;
    if (!hooks)
        return OC_OK;
    if (hooks->step == 14 && r->at == 0) {
        r->at = 1;
        OC_TRY(hooks->save(hooks->ctx, "setting", r->path, e));
        r->job.set.finetune_lr = 2e-2;
    } else if (hooks->step == 27 && r->at == 1) {
        r->at = 2;
        OC_TRY(hooks->restore(hooks->ctx, r->path, &to, e));
        assert_int_equal(to, 14);
        assert_int_equal(hooks->step, 14);
        r->job.set.finetune_lr = 5e-3;
    }
    return OC_OK;
}

static void test_undo(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_train_result whole_res, res;
    oc_checkpoint *whole = run(&s, &whole_res);
    recorder_clear(s.r);
    s.r->act = change_and_undo;
    s.r->at = 0;
    oc_checkpoint *c = run(&s, &res);
    assert_int_equal(step_at(&s, 26)->step, 27);
    assert_int_equal(step_at(&s, 27)->step, 15); // back, and on
    assert_int_equal(event_count(s.r, OC_EV_step_T), 48 + 13);
    assert_same_weights(c->model, whole->model);
    assert_true(res.best_auroc == whole_res.best_auroc && res.best_step == whole_res.best_step);
    oc_checkpoint_free(c);
    oc_checkpoint_free(whole);
    setup_free(&s);
}

static oc_status prune_and_undo(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    int64_t to = -1;
    if (hooks && hooks->step == 14 && r->at == 0) {
        r->at = 1;
        OC_TRY(hooks->save(hooks->ctx, "setting", r->path, e));
        r->job.set.prune_sparsity = 0.8;
    } else if (hooks && hooks->step == 20 && r->at == 1) {
        r->at = 2;
        OC_TRY(hooks->restore(hooks->ctx, r->path, &to, e));
        r->job.set.prune_sparsity = 0.5;
    }
    return OC_OK;
}

/* The zeros that an undo took away are told of, not only those that a change made. */
static void test_undo_of_sparsity(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    s.phase = OC_PHASE_RECOVER;
    s.sparse = true;
    s.r->job.set.prune_sparsity = 0.5;
    s.r->act = prune_and_undo;
    oc_checkpoint *c = run(&s, NULL);
    int64_t n = event_count(s.r, OC_EV_sparsity_T);
    assert_int_equal(n, 2 * 7); // the matrices of one layer and the pooler
    double zeros = 0, all = 0;
    for (int64_t i = 7; i < n; i++) {
        const oc_ev_sparsity *v = &event_at(s.r, OC_EV_sparsity_T, i)->u.sparsity;
        assert_true(v->asked == 0.5);
        zeros += v->reached * (double)(v->rows * v->cols);
        all += (double)(v->rows * v->cols);
    }
    NEAR(zeros / all, 0.5, 2e-3);
    oc_checkpoint_free(c);
    setup_free(&s);
}

static oc_status undo_when_validating(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    int64_t to;
    if (!hooks)
        return OC_OK;
    if (hooks->step == 5 && r->at == 0) {
        r->at = 1;
        return hooks->save(hooks->ctx, "setting", r->path, e);
    }
    if (hooks->step == 12 && r->at >= 1 && ++r->at == 3)
        return hooks->restore(hooks->ctx, r->path, &to, e);
    return OC_OK;
}

static void test_undo_while_validating(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    oc_checkpoint *whole = run(&s, NULL);
    recorder_clear(s.r);
    s.r->at = 0;
    s.r->act = undo_when_validating;
    oc_checkpoint *c = run(&s, NULL);
    assert_int_equal(event_count(s.r, OC_EV_step_T), 48 + 7);
    assert_int_equal(event_count(s.r, OC_EV_eval_T), 4);
    assert_same_weights(c->model, whole->model);
    oc_checkpoint_free(c);
    oc_checkpoint_free(whole);
    setup_free(&s);
}

static oc_status save_every_step(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    (void)r;
    return hooks && hooks->step < 12 ? hooks->save(hooks->ctx, "setting", NULL, e) : OC_OK;
}

static int64_t ckpt_files(const setup *s)
{
    char dir[OC_PATH_MAX];
    oc_strlist names = {0};
    OK(oc_path_join(dir, s->r->job.workdir, "ckpt", &err));
    OK(oc_dir_list(dir, &names, &err));
    int64_t n = names.n;
    oc_strlist_release(&names);
    return n;
}

static void test_undo_files(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    char path[512];
    s.r->act = save_every_step;
    s.r->job.set.train_max_steps = 12;
    oc_checkpoint *c = run(&s, NULL);
    assert_int_equal(ckpt_files(&s), OC_TRAIN_UNDOS + 1);
    for (int step = 0; step < 12; step++) {
        OK(oc_train_undo_path(&s.r->job, "student", step, path, &err));
        assert_int_equal(oc_path_exists(path), step >= 4);
    }
    // Steps beyond the present one were undone: they go first.
    OK(oc_train_undo_path(&s.r->job, "student", 6, path, &err));
    char ninth[512], other[512];
    OK(oc_train_undo_path(&s.r->job, "student", 100, ninth, &err));
    assert_int_equal(rename(path, ninth), 0);
    OK(oc_train_undo_path(&s.r->job, "student", 2, path, &err));
    OK(oc_file_write(path, "x", 1, &err));
    OK(oc_train_path(&s.r->job, "student-2", other, &err)); // another run, not an undo of this one
    OK(oc_file_write(other, "x", 1, &err));
    oc_train_trim_undo(&s.r->job, "student", 50);
    assert_false(oc_path_exists(ninth));
    assert_true(oc_path_exists(path));
    oc_train_forget(&s.r->job, "student");
    assert_int_equal(ckpt_files(&s), 1);
    assert_true(oc_path_exists(other));
    oc_checkpoint_free(c);
    setup_free(&s);
}

static void test_timer(void **state)
{
    (void)state;
    setup s = setup_new(OC_TASK_SINGLE, 2);
    s.r->job.set.run_checkpoint_s = 0;
    s.r->job.set.train_max_steps = 5;
    oc_checkpoint *c = run(&s, NULL);
    size_t n = event_count(s.r, OC_EV_ckpt_T);
    assert_true(n >= 5 && n <= 8);
    assert_string_equal(event_at(s.r, OC_EV_ckpt_T, 2)->u.ckpt.reason, "timer");
    assert_int_equal(ckpt_files(&s), 1);
    oc_checkpoint_free(c);
    setup_free(&s);
}

/* --- the state file ------------------------------------------------------------------------ */

static void state_new(oc_train_state *t, int64_t n, float fill)
{
    *t = (oc_train_state){.step = 7,
                          .epoch = 1,
                          .pos = 16,
                          .best_auroc = 0.75,
                          .best_is_auroc = true,
                          .best_step = 5,
                          .bad_evals = 2,
                          .eval_step = 6,
                          .sparsity = 0.3};
    t->w = calloc((size_t)n, sizeof(float));
    t->m = calloc((size_t)n, sizeof(float));
    t->v = calloc((size_t)n, sizeof(float));
    t->best = calloc((size_t)n, sizeof(float));
    t->max_len = 24;
    t->seed = 9;
    t->keep = malloc((size_t)n);
    for (int64_t i = 0; i < n; i++) {
        t->w[i] = fill + (float)i;
        t->m[i] = fill * 2;
        t->v[i] = fill * 3;
        t->best[i] = fill * 4;
        t->keep[i] = i % 3 != 0;
    }
}

static void state_free(oc_train_state *t)
{
    free(t->w);
    free(t->m);
    free(t->v);
    free(t->best);
    free(t->keep);
}

static void test_state_file(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims dims = small_dims(1, 8, 1, 8, 2), wide = small_dims(1, 8, 1, 16, 2);
    oc_layout lo, other;
    OK(oc_layout_init(&lo, &dims, &err));
    OK(oc_layout_init(&other, &wide, &err));
    oc_train_state a, b, big;
    state_new(&a, lo.n_floats, 1.5f);
    state_new(&b, lo.n_floats, -9);
    state_new(&big, other.n_floats, 0);
    char path[OC_PATH_MAX];
    int64_t bytes = 0;
    OK(oc_path_join(path, r->job.workdir, "t.safetensors", &err));
    OK(oc_train_state_save(&a, &lo, "student", "key-1", path, &bytes, &err));
    assert_int_equal(bytes, oc_file_bytes(path));
    b.step = 1;
    FAILS(OC_FORMAT, "another run", oc_train_state_load(&b, &lo, "teacher-1", "key-1", path, &err));
    FAILS(OC_FORMAT, "other data or settings",
          oc_train_state_load(&b, &lo, "student", "key-2", path, &err));
    FAILS(OC_FORMAT, "another shape",
          oc_train_state_load(&big, &other, "student", "key-1", path, &err));
    assert_true(b.step == 1 && b.w[3] == -6.0f);
    OK(oc_train_state_load(&b, &lo, "student", "key-1", path, &err));
    assert_true(b.step == 7 && b.epoch == 1 && b.pos == 16 && b.best_auroc == 0.75 &&
                b.best_is_auroc);
    assert_true(b.best_step == 5 && b.bad_evals == 2 && b.eval_step == 6 && b.sparsity == 0.3);
    size_t n = (size_t)lo.n_floats * sizeof(float);
    assert_true(b.max_len == 24 && b.seed == 9);
    int64_t max_len = 0, seed = 0;
    OK(oc_train_state_peek("student", path, &max_len, &seed, &err));
    assert_true(max_len == 24 && seed == 9);
    FAILS(OC_FORMAT, "another run", oc_train_state_peek("x", path, &max_len, &seed, &err));
    assert_memory_equal(a.w, b.w, n);
    assert_memory_equal(a.m, b.m, n);
    assert_memory_equal(a.v, b.v, n);
    assert_memory_equal(a.best, b.best, n);
    assert_memory_equal(a.keep, b.keep, (size_t)lo.n_floats);
    // A file cut short anywhere is refused and changes nothing.
    char *data;
    size_t size;
    OK(oc_file_read(path, 1 << 24, &data, &size, &err));
    b.step = 99;
    b.w[0] = 42;
    for (size_t cut = 0; cut < size; cut += 811) {
        OK(oc_file_write(path, data, cut, &err));
        err = (oc_err){0};
        assert_int_equal(oc_train_state_load(&b, &lo, "student", "key-1", path, &err), OC_FORMAT);
        assert_non_null(strstr(err.msg, "t.safetensors"));
        assert_true(b.step == 99 && b.w[0] == 42.0f);
    }
    oc_free(data);
    state_free(&a);
    state_free(&b);
    state_free(&big);
    oc_layout_release(&lo);
    oc_layout_release(&other);
    recorder_free(r);
}

/* Nothing validated yet: NaN and "none" survive the file. */
static void test_state_without_best(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims dims = small_dims(1, 8, 1, 8, 2);
    oc_layout lo;
    OK(oc_layout_init(&lo, &dims, &err));
    oc_train_state a, b;
    state_new(&a, lo.n_floats, 1.5f);
    state_new(&b, lo.n_floats, 2);
    free(a.keep);
    a.keep = NULL;
    a.best_step = a.eval_step = -1;
    a.best_auroc = (double)NAN;
    char path[OC_PATH_MAX];
    OK(oc_path_join(path, r->job.workdir, "t.safetensors", &err));
    OK(oc_train_state_save(&a, &lo, "x", "k", path, NULL, &err));
    FAILS(OC_FORMAT, "'keep' is missing", oc_train_state_load(&b, &lo, "x", "k", path, &err));
    uint8_t *keep = b.keep;
    b.keep = NULL;
    OK(oc_train_state_load(&b, &lo, "x", "k", path, &err));
    b.keep = keep;
    assert_true(b.best_step == -1 && b.eval_step == -1 && isnan(b.best_auroc));
    assert_true(b.best[0] == 8.0f); // not in the file: untouched
    state_free(&a);
    state_free(&b);
    oc_layout_release(&lo);
    recorder_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel_and_resume),
        cmocka_unit_test(test_resume_of_sparse_distillation),
        cmocka_unit_test(test_cancel_while_validating),
        cmocka_unit_test(test_resume_refuses_other_data),
        cmocka_unit_test(test_setting_at_the_next_step),
        cmocka_unit_test(test_kill_after_a_change),
        cmocka_unit_test(test_resume_keeps_length_and_seed),
        cmocka_unit_test(test_change_inside_a_step),
        cmocka_unit_test(test_batch_and_epochs_change),
        cmocka_unit_test(test_undo),
        cmocka_unit_test(test_undo_of_sparsity),
        cmocka_unit_test(test_undo_while_validating),
        cmocka_unit_test(test_undo_files),
        cmocka_unit_test(test_timer),
        cmocka_unit_test(test_state_file),
        cmocka_unit_test(test_state_without_best),
    };
    return cmocka_run_group_tests(tests, select_kernels, NULL);
}
