/* The list of stages: announced by the run event, walked by stage and stage_end. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "sessions/fold.h"

static bool waiting(const oc_stage_state *g)
{
    return !strcmp(g->status, "waiting");
}
static bool running(const oc_stage_state *g)
{
    return !strcmp(g->status, "running");
}

static void set_status(oc_stage_state *g, const char *status)
{
    oc_strlcpy(g->status, status, sizeof g->status);
}

/* "a, b,,c" -> items; with out == NULL they are only counted. */
static int64_t split_stages(const char *list, oc_stage_state *out)
{
    int64_t n = 0;
    for (const char *p = list; *p;) {
        p += strspn(p, ", ");
        size_t len = strcspn(p, ", ");
        if (len && out) {
            out[n] = (oc_stage_state){0};
            snprintf(out[n].kind, sizeof out[n].kind, "%.*s",
                     (int)OC_MIN(len, sizeof out->kind - 1), p);
            set_status(&out[n], "waiting");
        }
        n += len > 0;
        p += len;
    }
    return n;
}

oc_status oc__fold_run(oc_state *s, const oc_ev_run *e, oc_err *err)
{
    int64_t n = split_stages(e->stages, NULL);
    OC_TRY(oc__grow_zeroed(&s->stage, &s->cap_stages, (size_t)n, sizeof *s->stage, err));
    s->n_stages = split_stages(e->stages, s->stage);
    s->i_stage = -1;
    oc_strlcpy(s->recipe, e->recipe, sizeof s->recipe);
    s->progress = (oc_ev_progress){0};
    return OC_OK;
}

/* A new stage behind the last one of its kind, else at the end. Room is reserved. */
static int64_t insert(oc_state *s, const char *kind, const char *run)
{
    int64_t at = s->n_stages;
    for (int64_t i = 0; i < s->n_stages; i++)
        if (!strcmp(s->stage[i].kind, kind))
            at = i + 1;
    memmove(&s->stage[at + 1], &s->stage[at], (size_t)(s->n_stages - at) * sizeof *s->stage);
    s->n_stages++;
    s->i_stage += s->i_stage >= at;
    s->stage[at] = (oc_stage_state){0};
    oc_strlcpy(s->stage[at].kind, kind, sizeof s->stage[at].kind);
    oc_strlcpy(s->stage[at].run, run, sizeof s->stage[at].run);
    set_status(&s->stage[at], "waiting");
    return at;
}

/*
 * Which entry an event means. The list names kinds once ("finetune"); the engine may run a kind
 * several times (one teacher after another), so its own index is only a hint.
 */
static int64_t match(oc_state *s, int64_t index, const char *kind, const char *run, bool ending)
{
    int64_t claimed = -1, free_slot = -1, ended = -1;
    for (int64_t i = 0; i < s->n_stages; i++) {
        const oc_stage_state *g = &s->stage[i];
        if (strcmp(g->kind, kind) != 0)
            continue;
        if (!strcmp(g->run, run) && running(g) && ending)
            return i;
        if (!strcmp(g->run, run) && (running(g) || (waiting(g) && *run)) && claimed < 0)
            claimed = i;
        else if (waiting(g) && !*g->run && (free_slot < 0 || i == index))
            free_slot = i;
        else if (!strcmp(g->run, run))
            ended = i;
    }
    return claimed >= 0     ? claimed
           : free_slot >= 0 ? free_slot
           : ended >= 0     ? ended
                            : insert(s, kind, run);
}

// "distill student", but "bench": measuring stages carry their own name as run.
static void stage_name(char *out, size_t n, const char *kind, const char *run)
{
    bool named = *run && strcmp(run, kind) != 0;
    snprintf(out, n, "%s%s%s", kind, named ? " " : "", named ? run : "");
}

oc_status oc__fold_stage(oc_state *s, const oc_ev_stage *e, int64_t t_ms, oc_err *err)
{
    static const char *const trained[] = {"finetune", "distill", "recover"};
    OC_TRY(
        oc__grow_zeroed(&s->stage, &s->cap_stages, (size_t)s->n_stages + 1, sizeof *s->stage, err));
    bool trains = e->steps > 0;
    for (int i = 0; i < OC_COUNT(trained); i++)
        trains |= !strcmp(e->kind, trained[i]);
    if (trains && *e->run)
        OC_TRY(oc__run_begin(s, e, t_ms, err));
    int64_t i = match(s, e->index, e->kind, e->run, false);
    oc_stage_state *g = &s->stage[i];
    oc_strlcpy(g->run, e->run, sizeof g->run);
    set_status(g, "running");
    g->message[0] = g->path[0] = 0;
    g->started_ms = t_ms;
    g->seconds = 0;
    s->i_stage = i;
    s->progress = (oc_ev_progress){0};
    char name[80];
    stage_name(name, sizeof name, e->kind, e->run);
    if (e->from_step > 0)
        oc__log(s, t_ms, "info", "%s goes on at step %lld", name, (long long)e->from_step);
    else
        oc__log(s, t_ms, "info", "%s begins", name);
    return OC_OK;
}

oc_status oc__fold_stage_end(oc_state *s, const oc_ev_stage_end *e, int64_t t_ms, oc_err *err)
{
    OC_TRY(
        oc__grow_zeroed(&s->stage, &s->cap_stages, (size_t)s->n_stages + 1, sizeof *s->stage, err));
    int64_t i = match(s, e->index, e->kind, e->run, true);
    oc_stage_state *g = &s->stage[i];
    oc_strlcpy(g->run, e->run, sizeof g->run);
    set_status(g, e->status);
    oc_strlcpy(g->message, e->message, sizeof g->message);
    oc_strlcpy(g->path, e->path, sizeof g->path);
    g->seconds = isfinite(e->seconds) ? e->seconds : 0;
    s->i_stage = i;
    s->progress = (oc_ev_progress){0};
    oc__run_end(s, e->run, e->status, t_ms);
    bool bad = !strcmp(e->status, "failed");
    char took[24] = "", name[80];
    stage_name(name, sizeof name, e->kind, e->run);
    if (g->seconds > 0)
        oc_fmt_duration(took, g->seconds);
    oc__log(s, t_ms, bad ? "error" : "info", "%s %s%s%s%s%s", name, e->status, *took ? " in " : "",
            took, *e->message ? ": " : "", e->message);
    return OC_OK;
}

void oc__interrupt(oc_state *s)
{
    for (int64_t i = 0; i < s->n_stages; i++) {
        oc_stage_state *g = &s->stage[i];
        if (!running(g))
            continue;
        const oc_run *r = oc_state_run(s, g->run);
        set_status(g, "stopped");
        if (r)
            snprintf(g->message, sizeof g->message,
                     "interrupted at step %lld; 'continue' takes it up", (long long)r->step);
        else
            oc_strlcpy(g->message, "interrupted; 'continue' takes it up", sizeof g->message);
    }
    for (int64_t i = 0; i < s->n_runs; i++)
        if (!strcmp(s->run[i].status, "running"))
            oc__run_end(s, s->run[i].name, "stopped", s->run[i].last_ms);
    if (!strcmp(s->job.state, "running") || !strcmp(s->job.state, "paused") ||
        !strcmp(s->job.state, "stopping"))
        oc_strlcpy(s->job.state, "stopped", sizeof s->job.state);
    s->progress = (oc_ev_progress){0};
}
