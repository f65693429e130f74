#include "core/nn/model.h"

#include <string.h>

#include "core/base/alloc.h"
#include "core/base/rng.h"

#define INIT_STD 0.02 /* initializer_range of every published BERT */

oc_status oc_model_new(const oc_dims *d, oc_model **out, oc_err *err)
{
    oc_status st;
    oc_model *m = oc_calloc(1, sizeof *m);
    if (!m)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a model");
    m->dims = *d;
    OC_TRY_GOTO(fail, st, oc_layout_init(&m->layout, d, err));
    m->w = oc_calloc((size_t)m->layout.n, sizeof *m->w);
    m->slab = oc_calloc((size_t)m->layout.n_floats, sizeof *m->slab);
    if (!m->w || !m->slab) {
        st = OC_FAIL(err, OC_NOMEM, "out of memory: the model's weights need %lld bytes",
                     (long long)m->layout.n_floats * (long long)sizeof *m->slab);
        goto fail;
    }
    for (int32_t i = 0; i < m->layout.n; i++)
        m->w[i].f32 = m->slab + m->layout.param[i].offset;
    *out = m;
    return OC_OK;
fail:
    oc_model_free(m);
    return st;
}

void oc_model_free(oc_model *m)
{
    if (!m)
        return;
    for (int32_t i = 0; m->w && i < m->layout.n; i++) {
        oc_free(m->w[i].q);
        oc_free(m->w[i].scale);
    }
    oc_free(m->w);
    oc_free(m->slab);
    oc_layout_release(&m->layout);
    oc_free(m);
}

static oc_status dup_q8(oc_model *d, int32_t i, const oc_weight *w, oc_err *err)
{
    const oc_param *p = &d->layout.param[i];
    int8_t *q = oc_alloc((size_t)p->n);
    float *scale = oc_calloc((size_t)p->rows, sizeof *scale);
    if (!q || !scale) {
        oc_free(q);
        oc_free(scale);
        return OC_FAIL(err, OC_NOMEM, "out of memory copying %s (%lld bytes)", p->name,
                       (long long)p->n);
    }
    memcpy(q, w->q, (size_t)p->n);
    memcpy(scale, w->scale, (size_t)p->rows * sizeof *scale);
    oc_model_set_q8(d, i, q, scale);
    return OC_OK;
}

oc_status oc_model_dup(const oc_model *m, oc_model **out, oc_err *err)
{
    oc_model *d;
    OC_TRY(oc_model_new(&m->dims, &d, err));
    memcpy(d->slab, m->slab, (size_t)m->layout.n_floats * sizeof *m->slab);
    for (int32_t i = 0; i < m->layout.n; i++) {
        oc_status st = m->w[i].q ? dup_q8(d, i, &m->w[i], err) : OC_OK;
        if (st != OC_OK) {
            oc_model_free(d);
            return st;
        }
    }
    *out = d;
    return OC_OK;
}

/* One stream per parameter: what one gets does not depend on the size of the others. */
static void init_param(oc_model *m, int32_t i, uint64_t seed)
{
    const oc_param *p = &m->layout.param[i];
    float *w = m->w[i].f32;
    if (!w)
        return;
    bool gain = p->kind == OC_P_EMB_LN_G || p->kind == OC_P_LN1_G || p->kind == OC_P_LN2_G;
    if (!oc_kind_decays(p->kind)) {
        for (int64_t j = 0; j < p->n; j++)
            w[j] = gain ? 1.0f : 0.0f;
        return;
    }
    oc_rng r;
    oc_rng_init(&r, seed, ((uint64_t)p->kind << 32) | (uint32_t)(p->layer + 1));
    for (int64_t j = 0; j < p->n; j++)
        w[j] = (float)(INIT_STD * oc_rng_normal(&r));
    if (p->kind == OC_P_WORD)
        memset(w, 0, (size_t)p->cols * sizeof *w); // [PAD]
}

void oc_model_init(oc_model *m, uint64_t seed)
{
    for (int32_t i = 0; i < m->layout.n; i++)
        init_param(m, i, seed);
}

void oc_model_init_head(oc_model *m, bool pooler, uint64_t seed)
{
    for (int32_t i = 0; i < m->layout.n; i++) {
        oc_kind k = m->layout.param[i].kind;
        if (k == OC_P_CLS_W || k == OC_P_CLS_B ||
            (pooler && (k == OC_P_POOL_W || k == OC_P_POOL_B)))
            init_param(m, i, seed);
    }
}

const oc_weight *oc_model_at(const oc_model *m, oc_kind k, int32_t layer)
{
    const oc_param *p = oc_layout_at(&m->layout, k, layer);
    return p ? &m->w[p - m->layout.param] : NULL;
}

bool oc_model_is_f32(const oc_model *m)
{
    for (int32_t i = 0; i < m->layout.n; i++)
        if (!m->w[i].f32)
            return false;
    return true;
}

int64_t oc_model_params(const oc_model *m)
{
    return m->layout.n_floats;
}

void oc_model_set_q8(oc_model *m, int32_t i, int8_t *q, float *scale)
{
    oc_weight *w = &m->w[i];
    oc_free(w->q);
    oc_free(w->scale);
    *w = (oc_weight){.q = q, .scale = scale};
}

int64_t oc_model_zeros(const oc_model *m, int32_t i)
{
    const oc_weight *w = &m->w[i];
    int64_t n = m->layout.param[i].n, zeros = 0;
    for (int64_t j = 0; j < n; j++)
        zeros += w->q ? w->q[j] == 0 : w->f32[j] == 0.0f;
    return zeros;
}
