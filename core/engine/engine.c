#include "core/engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/par.h"
#include "core/base/str.h"
#include "core/engine/job.h"
#include "core/engine/pipeline.h"

/* A changed setting, and where training stood before it. */
typedef struct change {
    char key[48];
    char old[OC_TEXT_MAX];
    char value[OC_TEXT_MAX];
    char run[32];
    int64_t step;
    char path[512]; /* checkpoint before the change; "" when nothing was training */
} change;

struct oc_engine {
    pthread_t thread;
    bool started;
    int pipe[2]; /* one byte while events wait */

    /* Requests: taken first when both locks are needed. */
    pthread_mutex_t req_mu;
    pthread_cond_t req_cv;
    oc_request *req; /* owned queue [n_req] */
    size_t cap_req;
    int64_t n_req;
    oc_settings accepted; /* settings with every accepted request applied */
    bool busy, paused, stopping;
    int64_t n_undo; /* changes that can be undone, queued ones counted */

    pthread_mutex_t ev_mu;
    oc_event *ev; /* owned queue: [first, n_ev) wait */
    size_t cap_ev;
    int64_t first_ev, n_ev;

    /* The engine thread's own. */
    oc_job job;
    change *undo; /* owned [n_changes] */
    size_t cap_undo;
    int64_t n_changes;
};

static void emit(void *ctx, const oc_event *e)
{
    oc_engine *en = ctx;
    pthread_mutex_lock(&en->ev_mu);
    if (en->first_ev > 0 && (size_t)en->n_ev == en->cap_ev) {
        memmove(en->ev, en->ev + en->first_ev, (size_t)(en->n_ev - en->first_ev) * sizeof *en->ev);
        en->n_ev -= en->first_ev;
        en->first_ev = 0;
    }
    // Out of memory: an event is lost rather than the training run.
    if (oc_grow(&en->ev, &en->cap_ev, (size_t)en->n_ev + 1, sizeof *en->ev, NULL) == OC_OK)
        en->ev[en->n_ev++] = *e;
    bool first = en->n_ev - en->first_ev == 1;
    pthread_mutex_unlock(&en->ev_mu);
    if (first) {
        ssize_t k;
        do
            k = write(en->pipe[1], "e", 1);
        while (k < 0 && errno == EINTR);
    }
}

bool oc_engine_take(oc_engine *e, oc_event *out)
{
    pthread_mutex_lock(&e->ev_mu);
    bool got = e->first_ev < e->n_ev;
    if (got)
        *out = e->ev[e->first_ev++];
    if (e->first_ev == e->n_ev) {
        e->first_ev = e->n_ev = 0;
        char drain[64];
        while (read(e->pipe[0], drain, sizeof drain) > 0)
            ;
    }
    pthread_mutex_unlock(&e->ev_mu);
    return got;
}

static void emit_job(oc_engine *e, const char *state, const char *what, int64_t step)
{
    oc_event ev;
    oc_event_init(&ev, OC_EV_job_T);
    OC_EV_SET(ev.u.job.state, state);
    OC_EV_SET(ev.u.job.what, what);
    ev.u.job.step = step;
    emit(e, &ev);
}

static void emit_setting(oc_engine *e, const change *c, const char *why)
{
    oc_event ev;
    oc_event_init(&ev, OC_EV_setting_T);
    OC_EV_SET(ev.u.setting.key, c->key);
    OC_EV_SET(ev.u.setting.value, c->value);
    OC_EV_SET(ev.u.setting.old, c->old);
    OC_EV_SET(ev.u.setting.why, why);
    OC_EV_SET(ev.u.setting.run, c->run);
    ev.u.setting.step = c->step;
    emit(e, &ev);
}

/* --- requests, on the engine thread ------------------------------------------------------------ */

static oc_status apply_set(oc_engine *e, const oc_request *r, const oc_job_hooks *hooks,
                           oc_err *err)
{
    change c = {.step = -1};
    oc_strlcpy(c.key, r->key, sizeof c.key);
    const oc_setting *d = oc_setting_find(r->key);
    oc_settings_get(&e->job.set, d, c.old);
    if (hooks) {
        oc_strlcpy(c.run, hooks->run, sizeof c.run);
        c.step = hooks->step;
        OC_TRY(hooks->save(hooks->ctx, "setting", c.path, err));
    }
    OC_TRY(oc_settings_set(&e->job.set, r->key, r->text, err));
    oc_settings_get(&e->job.set, d, c.value);
    OC_TRY(oc_grow(&e->undo, &e->cap_undo, (size_t)e->n_changes + 1, sizeof *e->undo, err));
    e->undo[e->n_changes++] = c;
    if (!strcmp(r->key, "run.threads"))
        oc_par_set_workers((int)e->job.set.run_threads);
    emit_setting(e, &c, "set");
    return OC_OK;
}

static oc_status apply_undo(oc_engine *e, const oc_job_hooks *hooks, oc_err *err)
{
    if (e->n_changes == 0)
        return OC_OK;
    change c = e->undo[e->n_changes - 1];
    int64_t to_step = -1;
    // Training goes back only in the run the change was made in; later stages just take the value.
    if (hooks && c.path[0] && !strcmp(hooks->run, c.run) && oc_path_exists(c.path))
        OC_TRY(hooks->restore(hooks->ctx, c.path, &to_step, err));
    OC_TRY(oc_settings_set(&e->job.set, c.key, c.old, err));
    e->n_changes--;
    oc_event ev;
    oc_event_init(&ev, OC_EV_undo_T);
    snprintf(ev.u.undo.what, sizeof ev.u.undo.what, "%.40s %.36s -> %.36s", c.key, c.value, c.old);
    OC_EV_SET(ev.u.undo.run, to_step >= 0 ? c.run : "");
    ev.u.undo.to_step = to_step;
    OC_EV_SET(ev.u.undo.path, to_step >= 0 ? c.path : "");
    emit(e, &ev);
    change back = c;
    oc_strlcpy(back.value, c.old, sizeof back.value);
    oc_strlcpy(back.old, c.value, sizeof back.old);
    if (hooks)
        back.step = to_step >= 0 ? to_step : hooks->step;
    emit_setting(e, &back, "undo");
    pthread_mutex_lock(&e->req_mu);
    // A newer request for the same key that still waits in the queue will win when it is applied.
    oc_status rc = oc_settings_set(&e->accepted, c.key, c.old, err);
    pthread_mutex_unlock(&e->req_mu);
    return rc;
}

static void apply_note(oc_engine *e, const oc_request *r, const oc_job_hooks *hooks)
{
    oc_event ev;
    oc_event_init(&ev, OC_EV_note_T);
    OC_EV_SET(ev.u.note.text, r->text);
    OC_EV_SET(ev.u.note.run, hooks ? hooks->run : "");
    ev.u.note.step = hooks ? hooks->step : -1;
    emit(e, &ev);
}

/* What a request that failed leaves behind: the reason, and the settings as they really are. */
static void report(oc_engine *e, const oc_err *err)
{
    oc_job_alert(&e->job, "error", "%s", err->msg);
    pthread_mutex_lock(&e->req_mu);
    e->accepted = e->job.set;
    e->n_undo = e->n_changes;
    pthread_mutex_unlock(&e->req_mu);
}

static bool pop(oc_engine *e, oc_request *r)
{
    if (e->n_req == 0)
        return false;
    *r = e->req[0];
    memmove(e->req, e->req + 1, (size_t)--e->n_req * sizeof *e->req);
    return true;
}

/* The next request; while `wait`, blocks until there is one or the engine is told to stop. */
static bool next_request(oc_engine *e, bool wait, oc_request *r, bool *stopping)
{
    pthread_mutex_lock(&e->req_mu);
    while (wait && e->n_req == 0 && !e->stopping)
        pthread_cond_wait(&e->req_cv, &e->req_mu);
    *stopping = e->stopping;
    bool got = pop(e, r);
    pthread_mutex_unlock(&e->req_mu);
    return got;
}

static void set_paused(oc_engine *e, bool on)
{
    pthread_mutex_lock(&e->req_mu);
    e->paused = on;
    pthread_mutex_unlock(&e->req_mu);
}

static void try_save(oc_engine *e, const oc_job_hooks *hooks, const char *reason)
{
    char path[512] = "";
    oc_err err = {0};
    if (hooks && hooks->save(hooks->ctx, reason, path, &err) != OC_OK)
        oc_job_alert(&e->job, "error", "the checkpoint could not be written: %s", err.msg);
}

/* oc_job.poll: obey what was asked since the last step. */
static oc_status poll_requests(void *ctx, oc_job *job, const oc_job_hooks *hooks, oc_err *err)
{
    oc_engine *e = ctx;
    bool paused = false;
    for (;;) {
        oc_request r;
        bool stopping;
        bool got = next_request(e, paused, &r, &stopping);
        if (stopping) {
            try_save(e, hooks, "stop");
            return OC_FAIL(err, OC_CANCELLED, "stopped; 'continue' takes it up");
        }
        if (!got)
            return OC_OK;
        oc_err inner = {0};
        oc_status rc = OC_OK;
        switch (r.kind) {
        case OC_REQ_SET: rc = apply_set(e, &r, hooks, &inner); break;
        case OC_REQ_UNDO: rc = apply_undo(e, hooks, &inner); break;
        case OC_REQ_NOTE: apply_note(e, &r, hooks); break;
        case OC_REQ_SAVE:
            if (hooks)
                try_save(e, hooks, "save");
            else
                oc_job_log(job, "info", "nothing to save in this stage: its input is on disk");
            break;
        case OC_REQ_PAUSE:
            paused = true;
            try_save(e, hooks, "pause");
            emit_job(e, "paused", hooks ? hooks->run : "", hooks ? hooks->step : -1);
            break;
        case OC_REQ_RESUME:
            paused = false;
            set_paused(e, false);
            emit_job(e, "running", hooks ? hooks->run : "", hooks ? hooks->step : -1);
            break;
        case OC_REQ_CANCEL:
            set_paused(e, false);
            try_save(e, hooks, "cancel");
            return OC_FAIL(err, OC_CANCELLED, "cancelled");
        case OC_REQ_RUN:
        case OC_REQ_CONTINUE: break; // refused when asked
        }
        if (rc != OC_OK)
            report(e, &inner);
    }
}

static void run(oc_engine *e, const oc_request *r)
{
    oc_par_set_workers((int)e->job.set.run_threads);
    emit_job(e, "running", r->text, -1);
    oc_err err = {0};
    oc_status rc = oc_pipeline_run(&e->job, r->text, r->kind == OC_REQ_CONTINUE, &err);
    pthread_mutex_lock(&e->req_mu);
    bool stopping = e->stopping;
    pthread_mutex_unlock(&e->req_mu);
    if (rc != OC_OK && rc != OC_CANCELLED)
        oc_job_alert(&e->job, "error", "%s", err.msg);
    emit_job(e,
             rc == OC_OK          ? "done"
             : stopping           ? "stopped"
             : rc == OC_CANCELLED ? "cancelled"
                                  : "failed",
             rc == OC_OK ? r->text : err.msg, -1);
    pthread_mutex_lock(&e->req_mu);
    e->busy = e->paused = false;
    // Requests that only make sense during a run and came too late.
    int64_t kept = 0;
    for (int64_t i = 0; i < e->n_req; i++)
        if (e->req[i].kind != OC_REQ_PAUSE && e->req[i].kind != OC_REQ_RESUME &&
            e->req[i].kind != OC_REQ_CANCEL && e->req[i].kind != OC_REQ_SAVE)
            e->req[kept++] = e->req[i];
    e->n_req = kept;
    pthread_mutex_unlock(&e->req_mu);
}

static void serve(void *arg)
{
    oc_engine *e = arg;
    for (;;) {
        oc_request r;
        bool stopping;
        bool got = next_request(e, true, &r, &stopping);
        if (stopping)
            return;
        if (!got)
            continue;
        oc_err err = {0};
        oc_status rc = OC_OK;
        if (r.kind == OC_REQ_RUN || r.kind == OC_REQ_CONTINUE)
            run(e, &r);
        else if (r.kind == OC_REQ_SET)
            rc = apply_set(e, &r, NULL, &err);
        else if (r.kind == OC_REQ_UNDO)
            rc = apply_undo(e, NULL, &err);
        else if (r.kind == OC_REQ_NOTE)
            apply_note(e, &r, NULL);
        if (rc != OC_OK)
            report(e, &err);
    }
}

static void *engine_main(void *arg)
{
    oc_par_team(serve, arg);
    return NULL;
}

/* --- the door ---------------------------------------------------------------------------------- */

oc_status oc_engine_new(const char *workdir, const oc_settings *set, oc_engine **out, oc_err *err)
{
    oc_engine *e = oc_calloc(1, sizeof *e);
    if (!e)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    pthread_mutex_init(&e->req_mu, NULL);
    pthread_cond_init(&e->req_cv, NULL);
    pthread_mutex_init(&e->ev_mu, NULL);
    e->accepted = e->job.set = *set;
    oc_strlcpy(e->job.workdir, workdir, sizeof e->job.workdir);
    e->job.ctx = e;
    e->job.emit = emit;
    e->job.poll = poll_requests;
    e->pipe[0] = e->pipe[1] = -1;
    oc_status rc = OC_OK;
    if (pipe(e->pipe) != 0) {
        rc = OC_FAIL_SYS(err, OC_IO, "cannot make a pipe: %s", strerror(errno));
        goto out;
    }
    for (int i = 0; i < 2; i++) {
        fcntl(e->pipe[i], F_SETFD, FD_CLOEXEC);
        fcntl(e->pipe[i], F_SETFL, O_NONBLOCK);
    }
    // Worker threads inherit this mask: signals belong to the thread that owns the terminal.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, (size_t)8 << 20);
    int k = pthread_create(&e->thread, &attr, engine_main, e);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (k != 0) {
        rc = OC_FAIL(err, OC_IO, "cannot start the engine thread: %s", strerror(k));
        goto out;
    }
    e->started = true;
    *out = e;
out:
    if (rc != OC_OK)
        oc_engine_free(e);
    return rc;
}

void oc_engine_stop(oc_engine *e)
{
    if (!e->started)
        return;
    pthread_mutex_lock(&e->req_mu);
    e->stopping = true;
    pthread_cond_broadcast(&e->req_cv);
    pthread_mutex_unlock(&e->req_mu);
    pthread_join(e->thread, NULL);
    e->started = false;
}

void oc_engine_free(oc_engine *e)
{
    if (!e)
        return;
    oc_engine_stop(e);
    for (int i = 0; i < 2; i++)
        if (e->pipe[i] >= 0)
            close(e->pipe[i]);
    oc_free(e->req);
    oc_free(e->ev);
    oc_free(e->undo);
    pthread_mutex_destroy(&e->req_mu);
    pthread_mutex_destroy(&e->ev_mu);
    pthread_cond_destroy(&e->req_cv);
    oc_free(e);
}

/* Is the request possible as things stand? Updates what later requests are checked against. */
static oc_status admit(oc_engine *e, const oc_request *r, oc_err *err)
{
    if (e->stopping)
        return OC_FAIL(err, OC_STATE, "the session is closing");
    switch (r->kind) {
    case OC_REQ_RUN:
    case OC_REQ_CONTINUE:
        if (e->busy)
            return OC_FAIL(err, OC_STATE, "a run is going on; 'cancel' it first");
        OC_TRY(oc_settings_check_run(&e->accepted, err));
        e->busy = true;
        return OC_OK;
    case OC_REQ_PAUSE:
        if (!e->busy)
            return OC_FAIL(err, OC_STATE, "nothing is running; start with 'run'");
        if (e->paused)
            return OC_FAIL(err, OC_STATE, "the run is paused already; 'resume' goes on");
        e->paused = true;
        return OC_OK;
    case OC_REQ_RESUME:
        if (!e->paused)
            return OC_FAIL(err, OC_STATE,
                           e->busy ? "the run is not paused"
                                   : "nothing is running; start with 'run' or 'continue'");
        return OC_OK;
    case OC_REQ_CANCEL:
    case OC_REQ_SAVE:
        if (!e->busy)
            return OC_FAIL(err, OC_STATE, "nothing is running; start with 'run'");
        return OC_OK;
    case OC_REQ_SET:
        OC_TRY(oc_settings_set(&e->accepted, r->key, r->text, err));
        e->n_undo++;
        return OC_OK;
    case OC_REQ_UNDO:
        if (e->n_undo == 0)
            return OC_FAIL(err, OC_STATE,
                           "nothing to undo: no setting was changed in this process");
        e->n_undo--;
        return OC_OK;
    case OC_REQ_NOTE: return OC_OK;
    }
    return OC_OK;
}

oc_status oc_engine_request(oc_engine *e, const oc_request *r, oc_err *err)
{
    pthread_mutex_lock(&e->req_mu);
    oc_status rc = oc_grow(&e->req, &e->cap_req, (size_t)e->n_req + 1, sizeof *e->req, err);
    if (rc == OC_OK)
        rc = admit(e, r, err);
    if (rc == OC_OK) {
        e->req[e->n_req++] = *r;
        pthread_cond_signal(&e->req_cv);
    }
    pthread_mutex_unlock(&e->req_mu);
    return rc;
}

int oc_engine_fd(const oc_engine *e)
{
    return e->pipe[0];
}

bool oc_engine_busy(const oc_engine *e)
{
    oc_engine *m = (oc_engine *)(uintptr_t)e;
    pthread_mutex_lock(&m->req_mu);
    bool busy = e->busy;
    pthread_mutex_unlock(&m->req_mu);
    return busy;
}

void oc_engine_settings(const oc_engine *e, oc_settings *out)
{
    oc_engine *m = (oc_engine *)(uintptr_t)e;
    pthread_mutex_lock(&m->req_mu);
    *out = e->accepted;
    pthread_mutex_unlock(&m->req_mu);
}
