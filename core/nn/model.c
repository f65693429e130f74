#include "core/nn/model.h"

#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/rng.h"

#define INIT_STD 0.02 /* initializer_range of every published BERT */

oc_status oc_model_new_bare(const oc_dims *d, oc_model **out, oc_err *err)
{
    oc_status st;
    oc_model *m = oc_calloc(1, sizeof *m);
    if (!m)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a model");
    m->dims = *d;
    OC_TRY_GOTO(fail, st, oc_layout_init(&m->layout, d, err));
    m->w = oc_calloc((size_t)m->layout.n, sizeof *m->w);
    if (!m->w) {
        st = OC_FAIL(err, OC_NOMEM, "out of memory for a model of %d tensors", m->layout.n);
        goto fail;
    }
    *out = m;
    return OC_OK;
fail:
    oc_model_free(m);
    return st;
}

static oc_status new_slab(const oc_model *m, float **out, oc_err *err)
{
    *out = oc_calloc((size_t)m->layout.n_floats, sizeof **out);
    return *out ? OC_OK
                : OC_FAIL(err, OC_NOMEM, "out of memory: the model's weights need %lld bytes",
                          (long long)m->layout.n_floats * (long long)sizeof **out);
}

oc_status oc_model_new(const oc_dims *d, oc_model **out, oc_err *err)
{
    oc_model *m;
    OC_TRY(oc_model_new_bare(d, &m, err));
    oc_status st = new_slab(m, &m->slab, err);
    if (st != OC_OK) {
        oc_model_free(m);
        return st;
    }
    for (int32_t i = 0; i < m->layout.n; i++)
        m->w[i].f32 = m->slab + m->layout.param[i].offset;
    *out = m;
    return OC_OK;
}

static void forget(oc_weight *w)
{
    oc_free(w->own);
    oc_free(w->own_scale);
    *w = (oc_weight){0};
}

void oc_model_free(oc_model *m)
{
    if (!m)
        return;
    for (int32_t i = 0; m->w && i < m->layout.n; i++)
        forget(&m->w[i]);
    oc_free(m->w);
    oc_free(m->slab);
    oc_layout_release(&m->layout);
    oc_free(m);
}

/* --- whose memory ----------------------------------------------------------------------------- */

void oc_model_set_f32(oc_model *m, int32_t i, float *w)
{
    forget(&m->w[i]);
    m->w[i] = (oc_weight){.f32 = w, .own = w};
}

void oc_model_borrow_f32(oc_model *m, int32_t i, const float *w)
{
    forget(&m->w[i]);
    m->w[i] = (oc_weight){.f32 = w};
}

void oc_model_set_q8(oc_model *m, int32_t i, int8_t *q, float *scale)
{
    forget(&m->w[i]);
    m->w[i] = (oc_weight){.q = q, .scale = scale, .own = q, .own_scale = scale};
}

void oc_model_borrow_q8(oc_model *m, int32_t i, const int8_t *q, const float *scale)
{
    forget(&m->w[i]);
    m->w[i] = (oc_weight){.q = q, .scale = scale};
}

float *oc_model_edit(oc_model *m, int32_t i)
{
    if (!m->w[i].f32)
        return NULL;
    return m->slab ? m->slab + m->layout.param[i].offset : m->w[i].own;
}

static oc_status copy_q8(oc_model *d, int32_t i, const oc_weight *w, oc_err *err)
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

oc_status oc_model_own(oc_model *m, oc_err *err)
{
    float *slab;
    if (m->slab)
        return OC_OK;
    OC_TRY(oc_model_check(m, err));
    for (int32_t i = 0; i < m->layout.n; i++)
        if (m->w[i].q && !m->w[i].own)
            OC_TRY(copy_q8(m, i, &(oc_weight){.q = m->w[i].q, .scale = m->w[i].scale}, err));
    OC_TRY(new_slab(m, &slab, err));
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        if (!m->w[i].f32)
            continue;
        memcpy(slab + p->offset, m->w[i].f32, (size_t)p->n * sizeof *slab);
        oc_model_borrow_f32(m, i, slab + p->offset);
    }
    m->slab = slab;
    m->from = NULL;
    return OC_OK;
}

oc_status oc_model_share(const oc_model *m, oc_model **out, oc_err *err)
{
    oc_model *d;
    OC_TRY(oc_model_new_bare(&m->dims, &d, err));
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_weight *w = &m->w[i];
        if (w->q)
            oc_model_borrow_q8(d, i, w->q, w->scale);
        else
            oc_model_borrow_f32(d, i, w->f32);
    }
    d->from = m->from;
    d->bits7 = m->bits7;
    d->attn_s8 = m->attn_s8;
    *out = d;
    return OC_OK;
}

oc_status oc_model_dup(const oc_model *m, oc_model **out, oc_err *err)
{
    oc_model *d;
    OC_TRY(oc_model_share(m, &d, err));
    oc_status st = oc_model_own(d, err);
    if (st != OC_OK) {
        oc_model_free(d);
        return st;
    }
    *out = d;
    return OC_OK;
}

/* --- what they hold --------------------------------------------------------------------------- */

/* First entry that is NaN or infinite; -1: none. x * 0 is NaN for those and 0 for all others. */
static int64_t first_not_finite(const float *w, int64_t n)
{
    enum { LANES = 16, AHEAD = 1024 }; // from memory: a seventh faster than without the hint
    float sum[LANES] = {0};
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        __builtin_prefetch(w + j + AHEAD, 0, 2);
        for (int k = 0; k < LANES; k++)
            sum[k] += w[j + k] * 0.0f;
    }
    for (; j < n; j++)
        sum[0] += w[j] * 0.0f;
    for (int k = 1; k < LANES; k++)
        sum[0] += sum[k];
    for (j = 0; isnan(sum[0]) && j < n; j++)
        if (!isfinite(w[j]))
            return j;
    return -1;
}

/* First entry that is not in -top..top; -1: none. Blocks of one length, so that they are vectors. */
static int64_t first_beyond(const int8_t *q, int64_t n, int top)
{
    enum { BLOCK = 1024 };
    int64_t i = 0;
    for (uint8_t most = 0; i + BLOCK <= n; i += BLOCK) {
        for (int j = 0; j < BLOCK; j++) {
            uint8_t x = (uint8_t)(q[i + j] + top);
            most = OC_MAX(most, x);
        }
        if (most > 2 * top)
            break;
    }
    for (; i < n; i++)
        if (q[i] < -top || q[i] > top)
            return i;
    return -1;
}

/* First scale of rows [r0, r0 + n) that is none; -1: all are. */
static int64_t first_no_scale(const float *scale, int64_t r0, int64_t n)
{
    for (int64_t r = r0; r < r0 + n; r++)
        if (!isfinite(scale[r]) || scale[r] < 0)
            return r;
    return -1;
}

/* The largest magnitude that int8 entries may have. */
static int top_of(const oc_model *m, const oc_param *p)
{
    return m->bits7 && oc_kind_is_matrix(p->kind) ? 63 : 127;
}

bool oc_model_sound(const oc_model *m, int32_t i, int64_t r0, int64_t n)
{
    const oc_param *p = &m->layout.param[i];
    const oc_weight *w = &m->w[i];
    if (w->q)
        return first_beyond(w->q + r0 * p->cols, n * p->cols, top_of(m, p)) < 0 &&
               first_no_scale(w->scale, r0, n) < 0;
    return first_not_finite(w->f32 + r0 * p->cols, n * p->cols) < 0;
}

static oc_status check_q8(const oc_model *m, const oc_param *p, const oc_weight *w,
                          const char *from, oc_err *err)
{
    int top = top_of(m, p);
    int64_t at = first_beyond(w->q, p->n, top);
    if (at < 0)
        return OC_OK;
    return OC_FAIL(err, OC_FORMAT, "%s: tensor %s holds %d (entry %lld); -%d to %d was expected%s",
                   from, p->name, (int)w->q[at], (long long)at, top, top,
                   top == 63 ? ", since the config says 7 bits" : "");
}

static oc_status check_param(const oc_model *m, int32_t i, oc_err *err)
{
    const oc_param *p = &m->layout.param[i];
    const oc_weight *w = &m->w[i];
    const char *from = m->from ? m->from : "the model", *part = "";
    int64_t at = -1;
    if (w->q) {
        OC_TRY(check_q8(m, p, w, from, err));
        part = "_scale";
        at = first_no_scale(w->scale, 0, p->rows);
    } else {
        at = first_not_finite(w->f32, p->n);
    }
    if (at < 0)
        return OC_OK;
    return OC_FAIL(err, OC_FORMAT, "%s: tensor %s%s holds NaN or infinite numbers%s (entry %lld)",
                   from, p->name, part, w->q ? " or one below 0" : "", (long long)at);
}

oc_status oc_model_check(const oc_model *m, oc_err *err)
{
    for (int32_t i = 0; !m->slab && i < m->layout.n; i++)
        OC_TRY(check_param(m, i, err));
    return OC_OK;
}

/* --- how they start --------------------------------------------------------------------------- */

/* One stream per parameter: what one gets does not depend on the size of the others. */
static void init_param(oc_model *m, int32_t i, uint64_t seed)
{
    const oc_param *p = &m->layout.param[i];
    float *w = oc_model_edit(m, i);
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

bool oc_model_attn_is_s8(const oc_model *m, int32_t layer)
{
    return m->attn_s8 && layer < m->dims.L - 1;
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

int64_t oc_model_zeros(const oc_model *m, int32_t i)
{
    const oc_weight *w = &m->w[i];
    enum { BLOCK = 1 << 16 }; // 32-bit counts inside one: vectors of them, at the speed of memory
    int64_t n = m->layout.param[i].n, zeros = 0;
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t end = OC_MIN(n, at + BLOCK);
        int32_t z = 0;
        if (w->q)
            for (int64_t j = at; j < end; j++)
                z += w->q[j] == 0;
        else
            for (int64_t j = at; j < end; j++)
                z += w->f32[j] == 0.0f;
        zeros += z;
    }
    return zeros;
}
