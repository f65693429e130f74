#include "core/io/checkpoint_map.h"

#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"

/* LayerNorm's names in checkpoints converted from TensorFlow. */
static bool old_name(const char *name, char out[96])
{
    const char *w = strstr(name, "LayerNorm.weight"), *b = strstr(name, "LayerNorm.bias");
    if (!w && !b)
        return false;
    int n = (int)((w ? w : b) - name);
    snprintf(out, 96, "%.*s%s", n, name, w ? "LayerNorm.gamma" : "LayerNorm.beta");
    return true;
}

const oc_tensor *oc__ckpt_find(const oc_st *st, const char *name)
{
    char old[96];
    const char *names[2] = {name, old_name(name, old) ? old : NULL};
    for (int i = 0; i < 2 && names[i]; i++) {
        const oc_tensor *t = oc_st_find(st, names[i]);
        for (int a = 0; !t && a < OC_N_ARCHS; a++)
            if (oc_str_starts(name, oc_arch_base((oc_arch)a)))
                t = oc_st_find(st, names[i] + strlen(oc_arch_base((oc_arch)a)));
        if (t)
            return t;
    }
    return NULL;
}

void oc__ckpt_scale_name(const oc_param *p, char out[96])
{
    snprintf(out, 96, "%s_scale", p->name);
}

static void shape_text(const int64_t *dim, int32_t n, char out[64])
{
    size_t at = 0;
    out[0] = 0;
    for (int32_t i = 0; i < n && at < 40; i++)
        at += (size_t)snprintf(out + at, 64 - at, "%s%lld", i ? ", " : "", (long long)dim[i]);
}

static oc_status check_shape(const oc_tensor *t, const char *what, int32_t n_dims,
                             const int64_t *dim, oc_err *err)
{
    bool same = t->n_dims == n_dims;
    for (int32_t i = 0; i < n_dims && same; i++)
        same = t->dim[i] == dim[i];
    if (same)
        return OC_OK;
    char have[64], want[64];
    shape_text(t->dim, t->n_dims, have);
    shape_text(dim, n_dims, want);
    return OC_FAIL(err, OC_FORMAT, "%s: tensor %.100s has the shape [%s]; the config asks for [%s]",
                   what, t->name, have, want);
}

static bool is_float(const oc_tensor *t)
{
    return t->dtype == OC_DT_F32 || t->dtype == OC_DT_F16 || t->dtype == OC_DT_BF16 ||
           t->dtype == OC_DT_F64;
}

static oc_status map_one(const oc_st *st, const char *what, const oc_param *p, oc__ckpt_source *src,
                         oc_err *err)
{
    bool may_be_int8 = oc_kind_is_matrix(p->kind) || oc_kind_is_embedding(p->kind);
    int64_t dim[2] = {p->rows, p->cols};
    OC_TRY(check_shape(src->w, what, may_be_int8 ? 2 : 1, dim, err));
    if (is_float(src->w))
        return OC_OK;
    if (!may_be_int8 || src->w->dtype != OC_DT_I8)
        return OC_FAIL(err, OC_FORMAT, "%s: tensor %.100s has the type %s; %s was expected", what,
                       src->w->name, oc_dtype_name(src->w->dtype),
                       may_be_int8 ? "F32, F16, BF16, F64 or I8" : "F32, F16, BF16 or F64");
    char name[96];
    oc__ckpt_scale_name(p, name);
    src->scale = oc__ckpt_find(st, name);
    if (!src->scale)
        return OC_FAIL(err, OC_FORMAT, "%s: tensor %s is missing; %s is int8", what, name,
                       src->w->name);
    OC_TRY(check_shape(src->scale, what, 1, dim, err));
    if (src->scale->dtype != OC_DT_F32)
        return OC_FAIL(err, OC_FORMAT, "%s: tensor %s has the type %s; F32 was expected", what,
                       name, oc_dtype_name(src->scale->dtype));
    return OC_OK;
}

/* Buffers and pretraining heads that have no part in classification. */
static bool passed_over(const char *name)
{
    return oc_str_starts(name, "cls.") || oc_str_ends(name, "embeddings.position_ids") ||
           oc_str_ends(name, "embeddings.token_type_ids");
}

static oc_status check_surplus(const oc_st *st, const char *what, const bool *used, oc_err *err)
{
    for (int32_t i = 0; i < oc_st_count(st); i++) {
        const char *name = oc_st_at(st, i)->name;
        if (!used[i] && !passed_over(name))
            return OC_FAIL(err, OC_FORMAT,
                           "%s: tensor %.100s belongs to no part of the model that the config "
                           "describes",
                           what, name);
    }
    return OC_OK;
}

static bool in_head(oc_kind k)
{
    return k == OC_P_POOL_W || k == OC_P_POOL_B || k == OC_P_CLS_W || k == OC_P_CLS_B;
}

oc_status oc__ckpt_map(const oc_st *st, const char *what, const oc_layout *lo, bool need_head,
                       oc__ckpt_source *src, oc_err *err)
{
    bool *used = oc_calloc((size_t)oc_st_count(st), sizeof *used);
    if (!used)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what);
    oc_status rc = OC_OK;
    for (int32_t i = 0; i < lo->n && rc == OC_OK; i++) {
        const oc_param *p = &lo->param[i];
        src[i] = (oc__ckpt_source){.w = oc__ckpt_find(st, p->name)};
        if (src[i].w) {
            rc = map_one(st, what, p, &src[i], err);
            used[src[i].w - oc_st_at(st, 0)] = true;
            if (src[i].scale)
                used[src[i].scale - oc_st_at(st, 0)] = true;
        } else if (need_head || !in_head(p->kind)) {
            rc = OC_FAIL(err, OC_FORMAT, "%s: tensor %s is missing", what, p->name);
        }
    }
    if (rc == OC_OK)
        rc = check_surplus(st, what, used, err);
    oc_free(used);
    return rc;
}
