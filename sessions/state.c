#include "sessions/state.h"

#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "sessions/series.h"

const char *oc_curve_name(oc_curve c)
{
    static const char *const name[OC_N_CURVES] = {
        [OC_CURVE_LOSS] = "loss",
        [OC_CURVE_HARD] = "hard",
        [OC_CURVE_SOFT] = "soft",
        [OC_CURVE_LR] = "lr",
        [OC_CURVE_NORM] = "norm",
        [OC_CURVE_NORM_HARD] = "norm hard",
        [OC_CURVE_NORM_SOFT] = "norm soft",
        [OC_CURVE_TOKENS_S] = "tokens/s",
        [OC_CURVE_VALID_LOSS] = "valid loss",
        [OC_CURVE_VALID_AUROC] = "valid auroc",
        [OC_CURVE_VALID_ACC] = "valid accuracy",
    };
    return (int)c >= 0 && c < OC_N_CURVES ? name[c] : "?";
}

oc_status oc_state_new(oc_state **out, oc_err *err)
{
    oc_state *s = oc_calloc(1, sizeof *s);
    if (!s)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_settings_init(&s->set);
    s->i_stage = s->i_run = -1;
    s->ckpt.step = -1;
    *out = s;
    return OC_OK;
}

void oc_state_free(oc_state *s)
{
    if (!s)
        return;
    // Slots past the counts may already hold memory: reserved for an event that was refused.
    for (size_t i = 0; i < s->cap_runs; i++)
        for (int c = 0; c < OC_N_CURVES; c++)
            oc_series_release(&s->run[i].curve[c]);
    for (size_t i = 0; i < s->cap_models; i++) {
        oc_model_state *m = &s->model[i];
        oc_free(m->sparsity);
        oc_free(m->heads);
        oc_free(m->ffn);
        oc_free(m->quant);
        oc_free(m->drift);
        oc_free(m->cost);
    }
    oc_free(s->stage);
    oc_free(s->run);
    oc_free(s->marker);
    oc_free(s->model);
    oc_free(s->latency);
    oc_free(s->baseline);
    oc_free(s->cache);
    oc_free(s->log);
    oc_free(s);
}

const oc_run *oc_state_run(const oc_state *s, const char *name)
{
    for (int64_t i = 0; i < s->n_runs; i++)
        if (!strcmp(s->run[i].name, name))
            return &s->run[i];
    return NULL;
}

const oc_model_state *oc_state_model(const oc_state *s, const char *name)
{
    for (int64_t i = 0; i < s->n_models; i++)
        if (!strcmp(s->model[i].name, name))
            return &s->model[i];
    return NULL;
}
