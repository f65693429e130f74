/* Which matrices are worth quantizing on this machine. */
#include <string.h>

#include "core/base/alloc.h"
#include "core/engine/pipeline.h"
#include "core/measure/layer_cost.h"

#define BUDGET_MS 2000

static void emit_costs(oc_pipeline *p, const oc_layer_costs *c, const oc_model *m, const bool *keep,
                       const char *name)
{
    for (int32_t i = 0; i < c->n; i++) {
        const oc_layer_cost *k = &c->cost[i];
        oc_event e;
        oc_event_init(&e, OC_EV_cost_T);
        oc_ev_cost *v = &e.u.cost;
        OC_EV_SET(v->model, name);
        OC_EV_SET(v->matrix, k->matrix);
        v->layer = k->layer;
        v->rows = k->rows;
        v->out = k->out;
        v->in = k->in;
        v->f32_ms = k->f32_ms;
        v->int8_ms = k->int8_ms;
        v->runs = k->runs;
        for (int32_t j = 0; j < m->layout.n; j++)
            v->int8 |= !keep[j] && oc_layer_cost_is_of(k, &m->layout.param[j]);
        oc_job_emit(p->job, &e);
    }
}

static void log_kept(oc_pipeline *p, const oc_layer_costs *c, const oc_model *m, const bool *keep,
                     int32_t length)
{
    int n = 0;
    for (int32_t j = 0; j < m->layout.n; j++) {
        const oc_param *w = &m->layout.param[j];
        if (!keep[j])
            continue;
        oc_cost_pair t = oc_layer_cost_of(c, w->kind, w->layer);
        oc_job_log(p->job, "info",
                   "%s stays f32: int8 takes %.4f ms at %d tokens, f32 %.4f (quant.where)", w->name,
                   t.int8_ms, length, t.f32_ms);
        n++;
    }
    if (n == 0)
        oc_job_log(p->job, "info", "int8 is faster for every matrix at %d tokens (quant.where)",
                   length);
}

static int32_t first_length(const oc_settings *s, const oc_model *m)
{
    oc_strlist l = {0};
    int64_t n = 128;
    if (oc_strlist_split(&l, s->bench_length, ',', NULL) != OC_OK || l.n < 1 ||
        !oc_parse_i64(l.item[0], &n) || n < 1)
        n = 128;
    oc_strlist_release(&l);
    return (int32_t)OC_MIN(n, m->dims.P);
}

oc_status oc_pipeline_where(oc_pipeline *p, const oc_model *m, const char *name, bool **keep,
                            oc_err *err)
{
    *keep = NULL;
    if (strcmp(p->job->set.quant_where, "faster") != 0)
        return OC_OK;
    oc_job_stop s = {.job = p->job};
    oc_cost_opts o = {.length = first_length(&p->job->set, m),
                      .bits7 = p->job->set.quant_bits == 7,
                      .budget_ms = BUDGET_MS,
                      .stop = oc_job_stopped,
                      .ctx = &s};
    oc_layer_costs costs;
    oc_status rc = oc_layer_costs_measure(&m->dims, &o, &costs, err);
    if (s.err.status != OC_OK && err)
        *err = s.err;
    OC_TRY(rc);
    bool *k = oc_calloc((size_t)m->layout.n, sizeof *k);
    for (int32_t j = 0; k && j < m->layout.n; j++) {
        const oc_param *w = &m->layout.param[j];
        k[j] = oc_kind_is_matrix(w->kind) && !oc_int8_is_faster(&costs, w->kind, w->layer);
    }
    if (k) {
        emit_costs(p, &costs, m, k, name);
        log_kept(p, &costs, m, k, o.length);
    }
    oc_layer_costs_release(&costs);
    *keep = k;
    return k ? OC_OK : OC_FAIL(err, OC_NOMEM, "out of memory");
}
