/* The reducer: one case per event type, and nothing else writes a state. */
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "sessions/fold.h"

static void fold_session(oc_state *s, const oc_ev_session *e, int64_t t_ms)
{
    if (s->live || e->reopened)
        oc__interrupt(s);
    s->session = *e;
    s->live = true;
    oc__log(s, t_ms, "info", "session %s by optimclm %s (%s, %lld threads, pid %lld)",
            e->reopened ? "reopened" : "opened", e->version, e->isa, (long long)e->threads,
            (long long)e->pid);
}

static void fold_exit(oc_state *s, const oc_ev_exit *e, int64_t t_ms)
{
    oc__interrupt(s);
    s->live = false;
    oc__log(s, t_ms, "info", "session left: %s (status %lld)", e->reason, (long long)e->status);
}

static void fold_setting(oc_state *s, const oc_ev_setting *e, int64_t t_ms)
{
    oc_err why = {0};
    if (oc_settings_set(&s->set, e->key, e->value, &why) != OC_OK)
        oc__log(s, t_ms, "warn", "a setting of the journal was not taken: %s", why.msg);
    else if (strcmp(e->why, "recipe") != 0)
        oc__log(s, t_ms, "info", "%s %s -> %s%s", e->key, e->old, e->value,
                !strcmp(e->why, "undo") ? " (undo)" : "");
    // An undo has its own mark.
    if (*e->run && !strcmp(e->why, "set"))
        oc__mark(s, t_ms, 's', e->run, (double)e->step, "%s %.40s -> %.40s", e->key, e->old,
                 e->value);
}

static void fold_job(oc_state *s, const oc_ev_job *e, int64_t t_ms)
{
    bool resumed = !strcmp(s->job.state, "paused") && !strcmp(e->state, "running");
    s->job = *e;
    if (resumed && e->step >= 0 && oc__run_cut(s, e->what, e->step))
        oc__mark(s, t_ms, 'r', e->what, (double)e->step, "resumed at step %lld",
                 (long long)e->step);
    if (strcmp(e->state, "running") != 0 && strcmp(e->state, "paused") != 0)
        s->progress = (oc_ev_progress){0};
    if (e->step >= 0)
        oc__log(s, t_ms, "info", "%s %s at step %lld", e->what, e->state, (long long)e->step);
    else if (*e->state)
        oc__log(s, t_ms, "info", "run %s%s%s", e->state, *e->what ? ": " : "", e->what);
}

static void fold_data(oc_state *s, const oc_ev_data *e)
{
    static const char *const split[] = {"train", "valid", "test"};
    for (int i = 0; i < OC_COUNT(split); i++)
        if (!strcmp(e->split, split[i]))
            s->data[i] = *e;
}

static void fold_ckpt(oc_state *s, const oc_ev_ckpt *e, int64_t t_ms)
{
    s->ckpt = *e;
    if (strcmp(e->reason, "save") != 0)
        return; // the timer's would drown the log
    oc__mark(s, t_ms, 'c', e->run, (double)e->step, "checkpoint");
    oc__log(s, t_ms, "info", "checkpoint of %s at step %lld: %s", e->run, (long long)e->step,
            e->path);
}

static void fold_undo(oc_state *s, const oc_ev_undo *e, int64_t t_ms)
{
    if (e->to_step >= 0 && *e->run) {
        oc__run_cut(s, e->run, e->to_step);
        oc__mark(s, t_ms, 'u', e->run, (double)e->to_step, "undo %s", e->what);
        oc__log(s, t_ms, "info", "undo %s: %s went back to step %lld", e->what, e->run,
                (long long)e->to_step);
    } else {
        oc__log(s, t_ms, "info", "undo %s", e->what);
    }
}

static void fold_note(oc_state *s, const oc_ev_note *e, int64_t t_ms)
{
    oc__log(s, t_ms, "note", "%s", e->text);
    if (*e->run && e->step >= 0)
        oc__mark(s, t_ms, 'n', e->run, (double)e->step, "%s", e->text);
}

static bool same_latency(const oc_ev_latency *a, const oc_ev_latency *b)
{
    return !strcmp(a->model, b->model) && !strcmp(a->precision, b->precision) &&
           a->threads == b->threads && a->batch == b->batch && a->length == b->length;
}
static bool same_cache(const oc_ev_cache *a, const oc_ev_cache *b)
{
    return !strcmp(a->model, b->model) && !strcmp(a->split, b->split);
}
static bool same_baseline(const oc_ev_baseline *a, const oc_ev_baseline *b)
{
    return !strcmp(a->name, b->name);
}

/* A table of the state: replace the row that is about the same thing, else append. */
#define OC_TABLE(type, table, n_rows, cap)                                                 \
    static oc_status fold_##type(oc_state *s, const oc_ev_##type *e, oc_err *err)          \
    {                                                                                      \
        OC_TRY(oc_grow(&s->table, &s->cap, (size_t)s->n_rows + 1, sizeof *s->table, err)); \
        int64_t i = 0;                                                                     \
        while (i < s->n_rows && !same_##type(&s->table[i], e))                             \
            i++;                                                                           \
        s->n_rows += i == s->n_rows;                                                       \
        s->table[i] = *e;                                                                  \
        return OC_OK;                                                                      \
    }
OC_TABLE(latency, latency, n_latency, cap_latency)
OC_TABLE(cache, cache, n_cache, cap_cache)
OC_TABLE(baseline, baseline, n_baselines, cap_baselines)

static void fold_alert(oc_state *s, const oc_ev_alert *e, int64_t t_ms)
{
    s->n_alerts++;
    oc__log(s, t_ms, *e->level ? e->level : "warn", "%s", e->text);
}

static oc_status fold_one(oc_state *s, const oc_event *e, oc_err *err)
{
    int64_t t = e->t_ms;
    switch (e->type) {
    case OC_EV_session_T: fold_session(s, &e->u.session, t); return OC_OK;
    case OC_EV_exit_T: fold_exit(s, &e->u.exit, t); return OC_OK;
    case OC_EV_command_T: oc__log(s, t, "cmd", "%s", e->u.command.text); return OC_OK;
    case OC_EV_setting_T: fold_setting(s, &e->u.setting, t); return OC_OK;
    case OC_EV_run_T: return oc__fold_run(s, &e->u.run, err);
    case OC_EV_stage_T: return oc__fold_stage(s, &e->u.stage, t, err);
    case OC_EV_stage_end_T: return oc__fold_stage_end(s, &e->u.stage_end, t, err);
    case OC_EV_job_T: fold_job(s, &e->u.job, t); return OC_OK;
    case OC_EV_progress_T: s->progress = e->u.progress; return OC_OK;
    case OC_EV_data_T: fold_data(s, &e->u.data); return OC_OK;
    case OC_EV_model_T: return oc__fold_model(s, &e->u.model, err);
    case OC_EV_step_T: return oc__fold_step(s, &e->u.step, t, err);
    case OC_EV_eval_T: return oc__fold_eval(s, &e->u.eval, t, err);
    case OC_EV_ckpt_T: fold_ckpt(s, &e->u.ckpt, t); return OC_OK;
    case OC_EV_cache_T: return fold_cache(s, &e->u.cache, err);
    case OC_EV_ensemble_T: s->ensemble = e->u.ensemble; return OC_OK;
    case OC_EV_sparsity_T: return oc__fold_sparsity(s, &e->u.sparsity, err);
    case OC_EV_heads_T: return oc__fold_heads(s, &e->u.heads, err);
    case OC_EV_ffn_T: return oc__fold_ffn(s, &e->u.ffn, err);
    case OC_EV_quant_T: return oc__fold_quant(s, &e->u.quant, err);
    case OC_EV_drift_T: return oc__fold_drift(s, &e->u.drift, err);
    case OC_EV_cost_T: return oc__fold_cost(s, &e->u.cost, err);
    case OC_EV_latency_T: return fold_latency(s, &e->u.latency, err);
    case OC_EV_baseline_T: return fold_baseline(s, &e->u.baseline, err);
    case OC_EV_candidate_T: return oc__fold_candidate(s, &e->u.candidate, err);
    case OC_EV_undo_T: fold_undo(s, &e->u.undo, t); return OC_OK;
    case OC_EV_alert_T: fold_alert(s, &e->u.alert, t); return OC_OK;
    case OC_EV_note_T: fold_note(s, &e->u.note, t); return OC_OK;
    case OC_EV_log_T: oc__log(s, t, e->u.log.level, "%s", e->u.log.text); return OC_OK;
    case OC_N_EVENTS: break;
    }
    return OC_FAIL(err, OC_FORMAT, "unknown event type %d", (int)e->type);
}

oc_status oc_state_fold(oc_state *s, const oc_event *e, oc_err *err)
{
    OC_TRY(oc__log_reserve(s, err));
    OC_TRY(fold_one(s, e, err));
    if (s->n_events++ == 0)
        s->opened_ms = e->t_ms;
    s->last_ms = OC_MAX(s->last_ms, e->t_ms);
    s->last_seq = e->seq;
    return OC_OK;
}
