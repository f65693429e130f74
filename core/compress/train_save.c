/*
 * core/compress/train_save.c - when and where a training run is saved and restored.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "core/compress/prune.h"
#include "core/compress/train_loop.h"

static void emit_ckpt(oc__loop *t, const char *path, int64_t bytes, const char *reason)
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

static oc_status write_state(oc__loop *t, const char *path, int64_t *bytes, oc_err *err)
{
    char dir[OC_PATH_MAX];
    OC_TRY(oc_path_join(dir, t->job->workdir, "ckpt", err));
    OC_TRY(oc_mkdirs(dir, err));
    return oc_train_state_save(&t->s, &t->model->layout, t->spec->run, t->key, path, bytes, err);
}

void oc__mark_saved(oc__loop *t)
{
    t->saved_step = t->s.step;
    t->saved_eval = t->s.eval_step;
    t->saved_ns = oc_now_ns();
}

oc_status oc__loop_save(void *ctx, const char *reason, char *path, oc_err *err)
{
    oc__loop *t = ctx;
    char main_path[512], to[512];
    int64_t bytes = 0;
    bool undo = !strcmp(reason, "setting");
    OC_TRY(oc_train_path(t->job, t->spec->run, main_path, err));
    OC_TRY(oc_train_undo_path(t->job, t->spec->run, t->s.step, to, err));
    if (!undo)
        oc_strlcpy(to, main_path, sizeof to);
    OC_TRY(write_state(t, to, &bytes, err));
    if (undo) {
        t->generation++; // what is half done with the old value is done again with the new one
        oc_train_trim_undo(t->job, t->spec->run, t->s.step);
        // After a kill, the new value must not reach steps done with the old one.
        if (!link_main(to, main_path))
            OC_TRY(write_state(t, main_path, NULL, err));
    }
    oc__mark_saved(t);
    emit_ckpt(t, to, bytes, reason);
    if (path)
        oc_strlcpy(path, to, 512);
    return OC_OK;
}

oc_status oc__loop_restore(void *ctx, const char *path, int64_t *step, oc_err *err)
{
    oc__loop *t = ctx;
    char main_path[512];
    int64_t max_len, seed;
    double sparsity = t->s.sparsity;
    OC_TRY(oc_train_path(t->job, t->spec->run, main_path, err));
    OC_TRY(oc_train_state_peek(t->spec->run, path, &max_len, &seed, err));
    if (max_len != t->s.max_len || seed != t->s.seed)
        return OC_FAIL(err, OC_FORMAT, "%s is of a run with another train.max_len or run.seed",
                       path);
    OC_TRY(oc_train_state_load(&t->s, &t->model->layout, t->spec->run, t->key, path, err));
    if (strcmp(path, main_path) != 0 && !link_main(path, main_path))
        OC_TRY(write_state(t, main_path, NULL, err));
    oc__mark_saved(t);
    t->generation++;
    t->order_epoch = -1;
    t->hooks.step = t->s.step;
    if (t->spec->sparse && t->s.sparsity != sparsity)
        oc_report_sparsity(t->job, t->model, t->s.sparsity, t->spec->run);
    if (step)
        *step = t->s.step;
    return OC_OK;
}

// A cancelled run keeps what it has, wherever the cancel reached it.
oc_status oc__loop_cancelled(oc__loop *t, oc_err *err)
{
    oc_err inner = {0};
    if (t->saved_step == t->s.step && t->saved_eval == t->s.eval_step)
        return OC_CANCELLED;
    oc_status rc = oc__loop_save(t, "cancel", NULL, &inner);
    if (rc == OC_OK)
        return OC_CANCELLED;
    if (err)
        *err = inner;
    return rc;
}
