/*
 * core/engine/job.h - what a stage sees of the engine: live settings, a place for events, and the
 * point where it listens.
 *
 * A stage calls oc_job_poll once per step (at least every 50 ms of work). There requests are
 * obeyed: pause blocks inside it, cancel returns OC_CANCELLED, a changed setting is applied after
 * hooks->save, undo goes through hooks->restore. Threads: the engine thread only.
 */
#ifndef OC_ENGINE_JOB_H
#define OC_ENGINE_JOB_H

#include <stdint.h>

#include "core/base/err.h"
#include "core/engine/event.h"
#include "core/engine/settings.h"

struct oc_job_hooks;

typedef struct oc_job {
    oc_settings set;        /* live: changes only inside oc_job_poll */
    char workdir[2048];     /* models/, ckpt/, cache/ lie below */
    struct oc_shelf *shelf; /* tokenized notes the stages share (encode.h); borrowed, NULL: none */
    void *ctx;
    void (*emit)(void *ctx, const oc_event *e);
    oc_status (*poll)(void *ctx, struct oc_job *job, const struct oc_job_hooks *hooks, oc_err *err);
} oc_job;

/* What a training stage offers; NULL for stages without a state worth saving. */
typedef struct oc_job_hooks {
    void *ctx;
    const char *run; /* name of the curve */
    int64_t step;    /* steps done */
    /* Write a training checkpoint; path [512] out. */
    oc_status (*save)(void *ctx, const char *reason, char *path, oc_err *err);
    /* Go back to a checkpoint written by save; *step out. */
    oc_status (*restore)(void *ctx, const char *path, int64_t *step, oc_err *err);
} oc_job_hooks;

static inline void oc_job_emit(oc_job *job, const oc_event *e)
{
    if (job && job->emit)
        job->emit(job->ctx, e);
}

/* job may be NULL (a command without an engine): then OC_OK. */
static inline oc_status oc_job_poll(oc_job *job, const oc_job_hooks *hooks, oc_err *err)
{
    return job && job->poll ? job->poll(job->ctx, job, hooks, err) : OC_OK;
}

/* For what asks by a callback whether to stop (a measurement): a cancel is noticed inside it, and its
 * reason must survive it. */
typedef struct oc_job_stop {
    oc_job *job;
    oc_err err;
} oc_job_stop;
int oc_job_stopped(void *job_stop); /* non-zero: yes */

/* Progress of long work, at most ten events a second plus the last one. */
typedef struct oc_meter {
    oc_job *job;
    char what[96], unit[16];
    int64_t total, started_ns, last_ns;
    int64_t quiet_ns; /* work shorter than this is not told of; 0 unless set after the start */
} oc_meter;
void oc_meter_start(oc_meter *m, oc_job *job, const char *what, const char *unit, int64_t total);
void oc_meter_at(oc_meter *m, int64_t done);

void oc_job_log(oc_job *job, const char *level, const char *fmt, ...) OC_PRINTF(3, 4);
void oc_job_alert(oc_job *job, const char *level, const char *fmt, ...) OC_PRINTF(3, 4);

#endif
