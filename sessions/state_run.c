/* Curves of training runs: growing, going back, ending. */
#include <math.h>
#include <string.h>

#include "core/base/str.h"
#include "sessions/fold.h"
#include "sessions/series.h"

/* Index of the run, or n_runs: a zeroed slot is then ready there, not yet counted. */
static oc_status find_or_reserve(oc_state *s, const char *name, int64_t *out, oc_err *err)
{
    int64_t i = 0;
    while (i < s->n_runs && strcmp(s->run[i].name, name) != 0)
        i++;
    if (i == s->n_runs)
        OC_TRY(oc__grow_zeroed(&s->run, &s->cap_runs, (size_t)s->n_runs + 1, sizeof *s->run, err));
    *out = i;
    return OC_OK;
}

static void forget_last(oc_run *r)
{
    oc__blank(OC_EV_step_T, &r->last, sizeof r->last);
}

/* The run at index i, counted from now on; it becomes the newest. */
static oc_run *take(oc_state *s, int64_t i, const char *name, int64_t t_ms)
{
    oc_run *r = &s->run[i];
    if (i == s->n_runs) {
        s->n_runs++;
        oc_strlcpy(r->name, name, sizeof r->name);
        oc_strlcpy(r->status, "running", sizeof r->status);
        r->first_ms = t_ms;
        r->best_auroc = (double)NAN;
        r->best_step = -1;
        forget_last(r);
    }
    s->i_run = i;
    r->last_ms = t_ms;
    return r;
}

static double last_of(const oc_series *s)
{
    return s->n ? s->y[s->n - 1] : (double)NAN;
}

/* Best validation from what is left of the curve. */
static void find_best(oc_run *r)
{
    const oc_series *v = &r->curve[OC_CURVE_VALID_AUROC];
    r->best_auroc = (double)NAN;
    r->best_step = -1;
    for (int64_t i = 0; i < v->n; i++) {
        if (isfinite(v->y[i]) && !(v->y[i] <= r->best_auroc)) {
            r->best_auroc = v->y[i];
            r->best_step = (int64_t)v->x[i];
        }
    }
}

/* Latest step as the curves still tell it. */
static void find_last(oc_run *r)
{
    const oc_series *loss = &r->curve[OC_CURVE_LOSS];
    oc_ev_step old = r->last;
    forget_last(r);
    if (!loss->n)
        return;
    oc_ev_step *l = &r->last;
    memcpy(l->run, old.run, sizeof l->run);
    l->step = (int64_t)loss->x[loss->n - 1];
    l->steps = old.steps;
    l->loss = last_of(loss);
    l->hard = last_of(&r->curve[OC_CURVE_HARD]);
    l->soft = last_of(&r->curve[OC_CURVE_SOFT]);
    l->lr = last_of(&r->curve[OC_CURVE_LR]);
    l->norm = last_of(&r->curve[OC_CURVE_NORM]);
    l->norm_hard = last_of(&r->curve[OC_CURVE_NORM_HARD]);
    l->norm_soft = last_of(&r->curve[OC_CURVE_NORM_SOFT]);
    l->tokens_s = last_of(&r->curve[OC_CURVE_TOKENS_S]);
    l->epoch = old.step > 0 ? old.epoch * (double)l->step / (double)old.step : (double)NAN;
}

static void drop_marks(oc_state *s, const char *run, double beyond)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < s->n_markers; i++)
        if (strcmp(s->marker[i].run, run) != 0 || s->marker[i].x <= beyond)
            s->marker[kept++] = s->marker[i];
    s->n_markers = kept;
}

bool oc__run_cut(oc_state *s, const char *name, int64_t step)
{
    for (int64_t i = 0; i < s->n_runs; i++) {
        oc_run *r = &s->run[i];
        if (strcmp(r->name, name) != 0)
            continue;
        // A run that starts over keeps nothing, not even what lies at step 0.
        double last = step > 0 ? (double)step : -(double)INFINITY;
        bool beyond = r->step > step;
        for (int c = 0; c < OC_N_CURVES; c++) {
            beyond |= r->curve[c].n > 0 && r->curve[c].x[r->curve[c].n - 1] > last;
            oc_series_cut(&r->curve[c], last);
        }
        drop_marks(s, name, last);
        if (beyond) {
            r->step = OC_MAX(step, 0);
            find_best(r);
            find_last(r);
            r->epoch = r->step ? r->last.epoch : 0;
        }
        return true;
    }
    return false;
}

oc_status oc__run_begin(oc_state *s, const oc_ev_stage *e, int64_t t_ms, oc_err *err)
{
    int64_t i;
    OC_TRY(find_or_reserve(s, e->run, &i, err));
    bool known = i < s->n_runs;
    oc_run *r = take(s, i, e->run, t_ms);
    if (known)
        oc__run_cut(s, e->run, e->from_step);
    if (known && e->from_step <= 0)
        r->first_ms = t_ms;
    oc_strlcpy(r->kind, e->kind, sizeof r->kind);
    oc_strlcpy(r->status, "running", sizeof r->status);
    r->step = OC_MAX(e->from_step, 0);
    r->steps = e->steps;
    r->epochs = e->epochs;
    r->rows = e->rows;
    r->plan_bytes = e->plan_bytes;
    if (e->from_step > 0)
        oc__mark(s, t_ms, 'r', e->run, (double)e->from_step, "resumed at step %lld",
                 (long long)e->from_step);
    return OC_OK;
}

void oc__run_end(oc_state *s, const char *name, const char *status, int64_t t_ms)
{
    for (int64_t i = 0; i < s->n_runs; i++) {
        oc_run *r = &s->run[i];
        if (strcmp(r->name, name) != 0)
            continue;
        // "kept": an earlier process ended it, its curves are whole.
        oc_strlcpy(r->status, !strcmp(status, "kept") ? "done" : status, sizeof r->status);
        if (strcmp(status, "kept") != 0)
            r->last_ms = t_ms;
    }
}

oc_status oc__fold_step(oc_state *s, const oc_ev_step *e, int64_t t_ms, oc_err *err)
{
    const struct {
        oc_curve curve;
        double y;
    } part[] = {
        {OC_CURVE_LOSS, e->loss},           {OC_CURVE_HARD, e->hard},
        {OC_CURVE_SOFT, e->soft},           {OC_CURVE_LR, e->lr},
        {OC_CURVE_NORM, e->norm},           {OC_CURVE_NORM_HARD, e->norm_hard},
        {OC_CURVE_NORM_SOFT, e->norm_soft}, {OC_CURVE_TOKENS_S, e->tokens_s},
    };
    int64_t i;
    OC_TRY(find_or_reserve(s, e->run, &i, err));
    for (int k = 0; k < OC_COUNT(part); k++)
        OC_TRY(oc_series_reserve(&s->run[i].curve[part[k].curve], err));
    oc_run *r = take(s, i, e->run, t_ms);
    const oc_series *loss = &r->curve[OC_CURVE_LOSS];
    if (loss->n && loss->x[loss->n - 1] >= (double)e->step)
        oc__run_cut(s, e->run, e->step - 1);
    for (int k = 0; k < OC_COUNT(part); k++) {
        oc_series *c = &r->curve[part[k].curve];
        // NaN from the start: this run has no such term. NaN later on is news.
        if (part[k].curve == OC_CURVE_LOSS || c->n > 0 || !isnan(part[k].y))
            oc_series_push(c, (double)e->step, part[k].y, (double)t_ms);
    }
    r->step = e->step;
    r->steps = e->steps;
    r->epoch = e->epoch;
    r->last = *e;
    return OC_OK;
}

oc_status oc__fold_eval(oc_state *s, const oc_ev_eval *e, int64_t t_ms, oc_err *err)
{
    static const oc_curve curve[] = {OC_CURVE_VALID_LOSS, OC_CURVE_VALID_AUROC, OC_CURVE_VALID_ACC};
    if (strcmp(e->split, "valid") != 0)
        return OC_OK;
    int64_t i;
    OC_TRY(find_or_reserve(s, e->run, &i, err));
    for (int k = 0; k < OC_COUNT(curve); k++)
        OC_TRY(oc_series_reserve(&s->run[i].curve[curve[k]], err));
    oc_run *r = take(s, i, e->run, t_ms);
    const double y[] = {e->loss, e->auroc, e->accuracy};
    for (int k = 0; k < OC_COUNT(curve); k++) {
        // The same step measured again replaces the earlier value.
        oc_series_cut(&r->curve[curve[k]], (double)(e->step - 1));
        oc_series_push(&r->curve[curve[k]], (double)e->step, y[k], (double)t_ms);
    }
    if (e->best || (isfinite(e->auroc) && !(e->auroc <= r->best_auroc))) {
        r->best_auroc = e->auroc;
        r->best_step = e->step;
    }
    oc__log(s, t_ms, "info", "%s step %lld: validation loss %.4f, AUROC %.4f, accuracy %.4f%s",
            e->run, (long long)e->step, e->loss, e->auroc, e->accuracy, e->best ? " (best)" : "");
    return OC_OK;
}
