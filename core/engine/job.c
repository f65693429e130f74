#include "core/engine/job.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/str.h"

enum { METER_NS = 100000000 };

void oc_meter_start(oc_meter *m, oc_job *job, const char *what, const char *unit, int64_t total)
{
    *m = (oc_meter){.job = job, .total = total, .started_ns = oc_now_ns()};
    oc_strlcpy(m->what, what, sizeof m->what);
    oc_strlcpy(m->unit, unit, sizeof m->unit);
}

void oc_meter_at(oc_meter *m, int64_t done)
{
    if (!m->job)
        return;
    int64_t now = oc_now_ns();
    if (now - m->started_ns < m->quiet_ns || (done < m->total && now - m->last_ns < METER_NS))
        return;
    m->last_ns = now;
    oc_event e;
    oc_event_init(&e, OC_EV_progress_T);
    OC_EV_SET(e.u.progress.what, m->what);
    OC_EV_SET(e.u.progress.unit, m->unit);
    e.u.progress.done = done;
    e.u.progress.total = m->total;
    double s = (double)(now - m->started_ns) * 1e-9;
    if (done > 0 && s > 0) {
        e.u.progress.rate = (double)done / s;
        e.u.progress.eta_s = (double)(m->total - done) / e.u.progress.rate;
    }
    oc_job_emit(m->job, &e);
}

int oc_job_stopped(void *job_stop)
{
    oc_job_stop *s = job_stop;
    return oc_job_poll(s->job, NULL, &s->err) != OC_OK;
}

void oc_job_log(oc_job *job, const char *level, const char *fmt, ...)
{
    oc_event e;
    oc_event_init(&e, OC_EV_log_T);
    OC_EV_SET(e.u.log.level, level);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e.u.log.text, sizeof e.u.log.text, fmt, ap);
    va_end(ap);
    oc_job_emit(job, &e);
}

void oc_job_alert(oc_job *job, const char *level, const char *fmt, ...)
{
    oc_event e;
    oc_event_init(&e, OC_EV_alert_T);
    OC_EV_SET(e.u.alert.level, level);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e.u.alert.text, sizeof e.u.alert.text, fmt, ap);
    va_end(ap);
    oc_job_emit(job, &e);
}
