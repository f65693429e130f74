#include "core/io/checkpoint_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/io/other_archs.h"

#define MAX_NAME 256

/* --- names ------------------------------------------------------------------------------------ */

static const char *without(const char *name, const char *prefix)
{
    return oc_str_starts(name, prefix) ? name + strlen(prefix) : name;
}

/* A tensor's name as parameters are found by (see the header); longer ones are no parameter's. */
static void plain_name(const char *name, oc_arch arch, char out[MAX_NAME])
{
    name = without(without(name, "module."), oc_arch_base(arch));
    size_t n = strlen(name);
    bool gamma = oc_str_ends(name, ".gamma"), beta = oc_str_ends(name, ".beta");
    if (gamma || beta)
        n -= strlen(gamma ? "gamma" : "beta");
    snprintf(out, MAX_NAME, "%.*s%s", (int)OC_MIN(n, MAX_NAME), name,
             gamma  ? "weight"
             : beta ? "bias"
                    : "");
}

const oc_tensor *oc__ckpt_find(const oc_weights *ws, oc_arch arch, const char *name)
{
    char plain[MAX_NAME];
    for (int32_t i = 0; i < oc_weights_count(ws); i++) {
        plain_name(oc_weights_at(ws, i)->name, arch, plain);
        if (!strcmp(plain, name))
            return oc_weights_at(ws, i);
    }
    return NULL;
}

void oc__ckpt_scale_name(const oc_param *p, char out[96])
{
    snprintf(out, 96, "%s_scale", p->name);
}

/* Buffers, and what other training tasks leave behind. */
static const struct {
    const char *pattern; /* one * at either end */
    const char *what;
} strays[OC__N_STRAYS] = {
    {"cls.*", "heads of pretraining"},        {"vocab_*", "the head of pretraining"},
    {"qa_outputs.*", "a head for questions"}, {"fit_dense*", "TinyBERT's projections"},
    {"lm_head.*", "a language model's head"}, {"*position_ids", "no weights"},
    {"*token_type_ids", "no weights"},
};
enum { STRAY_FIT_DENSE = 3 };

static int stray_of(const char *plain)
{
    for (int k = 0; k < OC__N_STRAYS; k++) {
        char part[32];
        const char *p = strays[k].pattern;
        snprintf(part, sizeof part, "%.*s", (int)strlen(p) - 1, *p == '*' ? p + 1 : p);
        if (*p == '*' ? oc_str_ends(plain, part) : oc_str_starts(plain, part))
            return k;
    }
    return -1;
}

/* --- shapes and types ------------------------------------------------------------------------- */

static void shape_text(const int64_t *dim, int32_t n, char out[64])
{
    size_t at = 0;
    out[0] = 0;
    for (int32_t i = 0; i < n && at < 40; i++)
        at += (size_t)snprintf(out + at, 64 - at, "%s%lld", i ? ", " : "", (long long)dim[i]);
}

static bool has_shape(const oc_tensor *t, int32_t n_dims, const int64_t *dim)
{
    bool same = t->n_dims == n_dims;
    for (int32_t i = 0; i < n_dims && same; i++)
        same = t->dim[i] == dim[i];
    return same;
}

static oc_status check_shape(const oc_tensor *t, const char *what, int32_t n_dims,
                             const int64_t *dim, oc_err *err)
{
    if (has_shape(t, n_dims, dim))
        return OC_OK;
    char have[64], want[64];
    shape_text(t->dim, t->n_dims, have);
    shape_text(dim, n_dims, want);
    return OC_FAIL(err, OC_FORMAT, "%s: tensor %.100s has the shape [%s]; the config asks for [%s]",
                   what, t->name, have, want);
}

static oc_status check_source(const char *what, const oc_param *p, const oc__ckpt_source *src,
                              oc_err *err)
{
    bool may_be_int8 = oc_kind_is_matrix(p->kind) || oc_kind_is_embedding(p->kind);
    int64_t dim[2] = {p->rows, p->cols};
    OC_TRY(check_shape(src->w, what, may_be_int8 ? 2 : 1, dim, err));
    if (oc_dtype_is_float(src->w->dtype)) {
        if (src->scale)
            return OC_FAIL(err, OC_FORMAT,
                           "%s: tensor %.100s belongs to no part of the model: %.100s is no int8",
                           what, src->scale->name, src->w->name);
        return OC_OK;
    }
    if (!may_be_int8 || src->w->dtype != OC_DT_I8)
        return OC_FAIL(err, OC_FORMAT, "%s: tensor %.100s has the type %s; %s was expected", what,
                       src->w->name, oc_dtype_name(src->w->dtype),
                       may_be_int8 ? "F32, F16, BF16, F64 or I8" : "F32, F16, BF16 or F64");
    char name[96];
    oc__ckpt_scale_name(p, name);
    if (!src->scale)
        return OC_FAIL(err, OC_FORMAT, "%s: tensor %s is missing; %s is int8", what, name,
                       src->w->name);
    OC_TRY(check_shape(src->scale, what, 1, dim, err));
    if (src->scale->dtype != OC_DT_F32)
        return OC_FAIL(err, OC_FORMAT, "%s: tensor %s has the type %s; F32 was expected", what,
                       name, oc_dtype_name(src->scale->dtype));
    return OC_OK;
}

/* --- the map ---------------------------------------------------------------------------------- */

/* Parameters by name. */
typedef struct entry {
    char name[96];
    int32_t i;
} entry;

typedef struct mapper {
    const oc_weights *ws;
    const char *what; /* file, in messages */
    const oc_layout *lo;
    oc_arch arch;
    entry *by_name;      /* owned [lo->n], sorted */
    oc__ckpt_map *m;     /* what is being made */
    const char *surplus; /* first tensor that is nothing */
    const char *other;   /* another architecture that some tensor's name gives away */
    const char *sibling; /* the same of BERT and DistilBERT, when the config describes the other */
} mapper;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static oc_status list_names(mapper *p, oc_err *err)
{
    p->by_name = oc_calloc((size_t)p->lo->n, sizeof *p->by_name);
    p->m->src = oc_calloc((size_t)p->lo->n, sizeof *p->m->src);
    if (!p->by_name || !p->m->src)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", p->what);
    for (int32_t i = 0; i < p->lo->n; i++) {
        p->by_name[i].i = i;
        oc_strlcpy(p->by_name[i].name, without(p->lo->param[i].name, oc_arch_base(p->arch)),
                   sizeof p->by_name[i].name);
    }
    qsort(p->by_name, (size_t)p->lo->n, sizeof *p->by_name, by_name);
    return OC_OK;
}

/* Index of the parameter; -1: none. */
static int32_t param_of(const mapper *p, const char *plain)
{
    entry key = {.i = -1};
    if (strlen(plain) >= sizeof key.name)
        return -1;
    strcpy(key.name, plain);
    const entry *e = bsearch(&key, p->by_name, (size_t)p->lo->n, sizeof key, by_name);
    return e ? e->i : -1;
}

static oc_status place_tensor(mapper *p, const oc_tensor *t, oc_err *err)
{
    char plain[MAX_NAME];
    plain_name(t->name, p->arch, plain);
    int32_t i = param_of(p, plain);
    const oc_tensor **slot = i >= 0 ? &p->m->src[i].w : NULL;
    if (!slot && oc_str_ends(plain, ".weight_scale")) {
        plain[strlen(plain) - strlen("_scale")] = 0;
        i = param_of(p, plain);
        slot = i >= 0 ? &p->m->src[i].scale : NULL;
    }
    if (slot) {
        if (*slot)
            return OC_FAIL(err, OC_FORMAT, "%s: tensors %.80s and %.80s are both %s", p->what,
                           (*slot)->name, t->name, p->lo->param[i].name);
        *slot = t;
        return OC_OK;
    }
    if (!p->other)
        p->other = oc__other_arch_tensor(without(t->name, "module."));
    oc_arch sibling = p->arch == OC_ARCH_BERT ? OC_ARCH_DISTILBERT : OC_ARCH_BERT;
    if (oc_str_starts(without(t->name, "module."), oc_arch_base(sibling)))
        p->sibling = oc_arch_title(sibling);
    int stray = stray_of(plain);
    if (stray >= 0)
        p->m->strays[stray]++;
    else if (!p->surplus)
        p->surplus = t->name;
    return OC_OK;
}

/*
 * Word embeddings are also the decoder of masked language models: a file that keeps shared tensors
 * once may keep them under that name.
 */
static void use_tied(mapper *p)
{
    static const char *const decoder[OC_N_ARCHS] = {
        [OC_ARCH_BERT] = "cls.predictions.decoder.weight",
        [OC_ARCH_DISTILBERT] = "vocab_projector.weight",
    };
    const oc_param *word = oc_layout_at(p->lo, OC_P_WORD, -1);
    oc__ckpt_source *s = &p->m->src[word - p->lo->param];
    const oc_tensor *t = s->w ? NULL : oc__ckpt_find(p->ws, p->arch, decoder[p->arch]);
    if (t && oc_dtype_is_float(t->dtype) && has_shape(t, 2, (int64_t[]){word->rows, word->cols})) {
        s->w = t;
        p->m->tied = t->name;
    }
}

static bool may_be_missing(const mapper *p, oc_kind k)
{
    if (k == OC_P_POOL_W || k == OC_P_POOL_B)
        return p->m->pooler_missing;
    return k == OC_P_CLS_W || k == OC_P_CLS_B;
}

static oc_status check_missing(const mapper *p, bool need_head, oc_err *err)
{
    int32_t n = 0, first = -1;
    for (int32_t i = 0; i < p->lo->n; i++) {
        if (p->m->src[i].w || (!need_head && may_be_missing(p, p->lo->param[i].kind)))
            continue;
        first = n++ ? first : i;
    }
    if (n == 0)
        return OC_OK;
    if (p->other)
        return OC_FAIL(err, OC_UNSUPPORTED,
                       "%s: its tensors are those of %s model; BERT and DistilBERT are supported",
                       p->what, p->other);
    if (p->sibling)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: its tensors are named as %s's, but the config describes %s", p->what,
                       p->sibling, oc_arch_title(p->arch));
    char more[32] = "";
    if (n > 1)
        snprintf(more, sizeof more, ", and %d more", n - 1);
    return OC_FAIL(err, OC_FORMAT, "%s: tensor %s is missing%s", p->what, p->lo->param[first].name,
                   more);
}

static oc_status make_map(mapper *p, bool need_head, oc_err *err)
{
    OC_TRY(list_names(p, err));
    for (int32_t i = 0; i < oc_weights_count(p->ws); i++)
        OC_TRY(place_tensor(p, oc_weights_at(p->ws, i), err));
    use_tied(p);
    const int32_t *head = p->lo->index[OC_MAX_LAYERS];
    p->m->pooler_missing =
        !need_head && !p->m->src[head[OC_P_POOL_W]].w && !p->m->src[head[OC_P_POOL_B]].w;
    for (int32_t i = 0; i < p->lo->n; i++)
        if (p->m->src[i].w)
            OC_TRY(check_source(p->what, &p->lo->param[i], &p->m->src[i], err));
    OC_TRY(check_missing(p, need_head, err));
    if (p->surplus)
        return OC_FAIL(
            err, OC_FORMAT,
            "%s: tensor %.100s belongs to no part of the model that the config describes", p->what,
            p->surplus);
    return OC_OK;
}

oc_status oc__ckpt_map_make(const oc_weights *ws, const oc_layout *lo, oc_arch arch, bool need_head,
                            oc__ckpt_map *out, oc_err *err)
{
    oc__ckpt_map m = {0};
    mapper p = {.ws = ws, .what = oc_weights_path(ws), .lo = lo, .arch = arch, .m = &m};
    oc_status rc = make_map(&p, need_head, err);
    oc_free(p.by_name);
    if (rc == OC_OK)
        *out = m;
    else
        oc__ckpt_map_release(&m);
    return rc;
}

void oc__ckpt_map_release(oc__ckpt_map *m)
{
    oc_free(m->src);
    m->src = NULL;
}

/* --- what there is to say --------------------------------------------------------------------- */

static oc_status add_remark(oc_strlist *out, oc_buf *b, oc_err *err)
{
    oc_status rc = oc_buf_check(b, err);
    if (rc == OC_OK)
        rc = oc_strlist_add(out, b->data, b->len, err);
    oc_buf_release(b);
    return rc;
}

static oc_status remark_strays(const oc__ckpt_map *m, oc_strlist *out, oc_err *err)
{
    oc_buf b = {0};
    for (int k = 0; k < OC__N_STRAYS; k++)
        if (m->strays[k])
            oc_buf_fmt(&b, "%s%s (%d tensor%s, %s)",
                       b.len ? ", " : "passed over: ", strays[k].pattern, m->strays[k],
                       m->strays[k] > 1 ? "s" : "", strays[k].what);
    return b.len || b.failed ? add_remark(out, &b, err) : OC_OK;
}

oc_status oc__ckpt_remarks(const oc__ckpt_map *m, const oc_layout *lo, bool head_missing,
                           oc_strlist *out, oc_err *err)
{
    oc_buf b = {0};
    if (m->tied) {
        oc_buf_fmt(&b, "%s is not in the file: %s, which is tied to it, takes its place",
                   oc_layout_at(lo, OC_P_WORD, -1)->name, m->tied);
        OC_TRY(add_remark(out, &b, err));
    }
    if (head_missing && m->pooler_missing) {
        oc_buf_fmt(&b,
                   "%s, %s, classifier.weight and classifier.bias are not in the file: pooler and "
                   "classifier are new and must be trained",
                   oc_layout_at(lo, OC_P_POOL_W, -1)->name,
                   oc_layout_at(lo, OC_P_POOL_B, -1)->name);
        OC_TRY(add_remark(out, &b, err));
    } else if (head_missing) {
        oc_buf_str(&b, "classifier.weight and classifier.bias are not in the file: the classifier "
                       "is new and must be trained");
        OC_TRY(add_remark(out, &b, err));
    } else if (m->strays[STRAY_FIT_DENSE]) {
        oc_buf_str(&b, "fit_dense* is of TinyBERT's own code, which puts a ReLU between pooler and "
                       "classifier: this program does not, so outputs of a model that it "
                       "fine-tuned differ");
        OC_TRY(add_remark(out, &b, err));
    }
    return remark_strays(m, out, err);
}
