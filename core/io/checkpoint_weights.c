/*
 * core/io/checkpoint_weights.c - a checkpoint's model from its open weights: borrowed where the file
 * holds what the network computes with, converted elsewhere.
 */
#include <stdint.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/io/checkpoint.h"
#include "core/io/checkpoint_map.h"

/* K, and whether a head has to be made. */
static void settle_head(oc_checkpoint *c, int32_t n_labels)
{
    oc_dims *d = &c->config.dims;
    const oc_tensor *w = oc__ckpt_find(c->weights, d->arch, "classifier.weight");
    const oc_tensor *b = oc__ckpt_find(c->weights, d->arch, "classifier.bias");
    c->head_missing = !w && !b && n_labels > 0;
    if (c->head_missing) {
        if (c->config.labels.n != n_labels)
            oc_strlist_release(&c->config.labels);
        d->K = n_labels;
    } else if (d->K == 0 && w && w->n_dims == 2 && w->dim[0] >= 1 && w->dim[0] <= 65536) {
        d->K = (int32_t)w->dim[0];
    }
    if (d->K == 0 && !w)
        d->K = 1; // some number: what is missing is told next
}

static bool aligned(const void *p)
{
    return (uintptr_t)p % sizeof(float) == 0;
}

static oc_status take_q8(oc_model *m, int32_t i, const oc__ckpt_source *src, const char *what,
                         oc_err *err)
{
    const oc_param *p = &m->layout.param[i];
    if (aligned(src->scale->data)) {
        oc_model_borrow_q8(m, i, src->w->data, src->scale->data);
        return OC_OK;
    }
    int8_t *q = oc_alloc((size_t)p->n);
    float *scale = oc_calloc((size_t)p->rows, sizeof *scale);
    if (!q || !scale) {
        oc_free(q);
        oc_free(scale);
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what);
    }
    memcpy(q, src->w->data, (size_t)p->n);
    memcpy(scale, src->scale->data, (size_t)p->rows * sizeof *scale);
    oc_model_set_q8(m, i, q, scale);
    return OC_OK;
}

static oc_status take_f32(oc_model *m, int32_t i, const oc_tensor *t, const char *what, oc_err *err)
{
    const oc_param *p = &m->layout.param[i];
    if (t->dtype == OC_DT_F32 && aligned(t->data)) {
        oc_model_borrow_f32(m, i, t->data);
        return OC_OK;
    }
    float *w = oc_calloc((size_t)p->n, sizeof *w);
    if (!w)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s (tensor %s)", what, p->name);
    oc_model_set_f32(m, i, w);
    return oc_tensor_read_f32(t, w, err);
}

static oc_status take_new(oc_model *m, int32_t i, oc_err *err)
{
    float *w = oc_calloc((size_t)m->layout.param[i].n, sizeof *w);
    if (!w)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a new classifier");
    oc_model_set_f32(m, i, w);
    return OC_OK;
}

/* That the model needs the open file no more: then it need not stay in memory. */
static bool borrows_nothing(const oc_model *m)
{
    for (int32_t i = 0; i < m->layout.n; i++)
        if (!m->w[i].own)
            return false;
    return true;
}

static oc_status make_model(oc_checkpoint *c, const oc__ckpt_map *map, uint64_t seed, oc_err *err)
{
    const char *what = oc_weights_path(c->weights);
    OC_TRY(oc_model_new_bare(&c->config.dims, &c->model, err));
    oc_model *m = c->model;
    m->from = what;
    m->bits7 = c->config.bits7;
    m->attn_s8 = c->config.attn_s8;
    c->config.n_q8 = 0;
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc__ckpt_source *s = &map->src[i];
        OC_TRY(s->scale ? take_q8(m, i, s, what, err)
               : s->w   ? take_f32(m, i, s->w, what, err)
                        : take_new(m, i, err));
        c->config.n_q8 += s->scale != NULL;
    }
    if (c->head_missing)
        oc_model_init_head(m, map->pooler_missing, seed);
    if (!borrows_nothing(m))
        return OC_OK;
    OC_TRY(oc_model_check(m, err));
    m->from = NULL;
    oc_weights_close(c->weights);
    c->weights = NULL;
    return OC_OK;
}

oc_status oc__ckpt_read_weights(oc_checkpoint *c, int32_t n_labels, uint64_t seed, oc_err *err)
{
    // Map and check before memory is taken: what a config asks for may be absurd.
    oc_layout lo;
    oc__ckpt_map map;
    settle_head(c, n_labels);
    OC_TRY(oc_layout_init(&lo, &c->config.dims, err));
    oc_status rc =
        oc__ckpt_map_make(c->weights, &lo, c->config.dims.arch, !c->head_missing, &map, err);
    if (rc == OC_OK) {
        rc = oc__ckpt_remarks(&map, &lo, c->head_missing, &c->remarks, err);
        if (rc == OC_OK)
            rc = make_model(c, &map, seed, err);
        oc__ckpt_map_release(&map);
    }
    oc_layout_release(&lo);
    return rc;
}
