/* What a state holds as one number: values, never padding or capacities. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/str.h"
#include "sessions/state.h"

static void mix(uint64_t *h, const void *data, size_t n)
{
    uint64_t pair[2] = {*h, oc_hash64(data, n)};
    *h = oc_hash64(pair, sizeof pair);
}

static void mix_i64(uint64_t *h, int64_t v)
{
    mix(h, &v, sizeof v);
}
static void mix_str(uint64_t *h, const char *s)
{
    mix(h, s, strlen(s));
}

static void mix_f64(uint64_t *h, double v)
{
    // All NaNs are one value: the journal keeps only the word.
    double same = isnan(v) ? (double)NAN : v;
    mix(h, &same, sizeof same);
}

/* An event payload, field by field. */
static void mix_event(uint64_t *h, oc_event_type t, const void *payload)
{
    int n;
    const oc_event_field *f = oc_event_fields(t, &n);
    for (int i = 0; i < n; i++) {
        const char *at = (const char *)payload + ((size_t)f[i].offset - offsetof(oc_event, u));
        switch (f[i].kind) {
        case OC_FIELD_S: mix(h, at, strnlen(at, (size_t)f[i].capacity)); break;
        case OC_FIELD_I: mix(h, at, sizeof(int64_t)); break;
        case OC_FIELD_D: mix_f64(h, *(const double *)(const void *)at); break;
        case OC_FIELD_B: mix_i64(h, *(const bool *)(const void *)at); break;
        case OC_FIELD_V: {
            const char *count =
                (const char *)payload + ((size_t)f[i].n_offset - offsetof(oc_event, u));
            int64_t k = *(const int64_t *)(const void *)count;
            mix_i64(h, k);
            for (int64_t j = 0; j < k && j < f[i].capacity; j++)
                mix_f64(h, ((const double *)(const void *)at)[j]);
            break;
        }
        }
    }
}

static void mix_run(uint64_t *h, const oc_run *r)
{
    mix_str(h, r->name);
    mix_str(h, r->kind);
    mix_str(h, r->status);
    for (int c = 0; c < OC_N_CURVES; c++) {
        const oc_series *s = &r->curve[c];
        mix_i64(h, s->n);
        mix_i64(h, s->n_nonfinite);
        for (int64_t i = 0; i < s->n; i++) {
            double same = isnan(s->y[i]) ? (double)NAN : s->y[i];
            double point[3] = {s->x[i], same, s->t[i]};
            mix(h, point, sizeof point);
        }
    }
    int64_t whole[] = {r->step,       r->steps,    r->epochs,  r->rows,
                       r->plan_bytes, r->first_ms, r->last_ms, r->best_step};
    mix(h, whole, sizeof whole);
    mix_f64(h, r->epoch);
    mix_f64(h, r->best_auroc);
    mix_event(h, OC_EV_step_T, &r->last);
}

static void mix_model(uint64_t *h, const oc_model_state *m)
{
    mix_str(h, m->name);
    mix_i64(h, m->has_info);
    mix_event(h, OC_EV_model_T, &m->info);
    mix_i64(h, m->has_cand);
    mix_event(h, OC_EV_candidate_T, &m->cand);
#define ROWS(table, type)                      \
    mix_i64(h, m->n_##table);                  \
    for (int64_t i = 0; i < m->n_##table; i++) \
        mix_event(h, type, &m->table[i]);
    ROWS(sparsity, OC_EV_sparsity_T)
    ROWS(heads, OC_EV_heads_T)
    ROWS(ffn, OC_EV_ffn_T)
    ROWS(quant, OC_EV_quant_T)
    ROWS(drift, OC_EV_drift_T)
    ROWS(cost, OC_EV_cost_T)
#undef ROWS
}

static void mix_lists(uint64_t *h, const oc_state *s)
{
    mix_i64(h, s->n_stages);
    for (int64_t i = 0; i < s->n_stages; i++) {
        const oc_stage_state *g = &s->stage[i];
        const char *const text[] = {g->kind, g->run, g->status, g->message, g->path};
        for (int k = 0; k < OC_COUNT(text); k++)
            mix_str(h, text[k]);
        mix_i64(h, g->started_ms);
        mix_f64(h, g->seconds);
    }
    mix_i64(h, s->n_markers);
    for (int64_t i = 0; i < s->n_markers; i++) {
        const oc_marker *m = &s->marker[i];
        mix_str(h, m->run);
        mix_f64(h, m->x);
        mix_i64(h, m->t_ms);
        mix_i64(h, m->kind);
        mix_str(h, m->text);
    }
    mix_i64(h, s->n_log);
    for (int64_t i = 0; i < s->n_log; i++) {
        mix_i64(h, s->log[i].t_ms);
        mix_str(h, s->log[i].level);
        mix_str(h, s->log[i].text);
    }
    mix_i64(h, s->n_latency);
    for (int64_t i = 0; i < s->n_latency; i++)
        mix_event(h, OC_EV_latency_T, &s->latency[i]);
    mix_i64(h, s->n_baselines);
    for (int64_t i = 0; i < s->n_baselines; i++)
        mix_event(h, OC_EV_baseline_T, &s->baseline[i]);
    mix_i64(h, s->n_cache);
    for (int64_t i = 0; i < s->n_cache; i++)
        mix_event(h, OC_EV_cache_T, &s->cache[i]);
}

uint64_t oc_state_hash(const oc_state *s)
{
    uint64_t h = 1;
    mix_event(&h, OC_EV_session_T, &s->session);
    int64_t whole[] = {s->opened_ms, s->last_ms, s->last_seq, s->n_events, s->n_bad,
                       s->live,      s->i_stage, s->i_run,    s->n_alerts};
    mix(&h, whole, sizeof whole);
    for (int i = 0; i < oc_setting_count(); i++) {
        char value[OC_TEXT_MAX];
        oc_settings_get(&s->set, oc_setting_at(i), value);
        mix_str(&h, value);
    }
    mix_str(&h, s->recipe);
    mix_event(&h, OC_EV_job_T, &s->job);
    mix_event(&h, OC_EV_progress_T, &s->progress);
    mix_event(&h, OC_EV_ensemble_T, &s->ensemble);
    mix_event(&h, OC_EV_ckpt_T, &s->ckpt);
    for (int i = 0; i < 3; i++)
        mix_event(&h, OC_EV_data_T, &s->data[i]);
    mix_lists(&h, s);
    mix_i64(&h, s->n_runs);
    for (int64_t i = 0; i < s->n_runs; i++)
        mix_run(&h, &s->run[i]);
    mix_i64(&h, s->n_models);
    for (int64_t i = 0; i < s->n_models; i++)
        mix_model(&h, &s->model[i]);
    return h;
}
