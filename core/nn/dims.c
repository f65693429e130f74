#include "core/nn/dims.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"

/*
 * Upper bounds of the letters. Far above any published BERT, and low enough that every product of
 * two of them, times 2^31 rows, fits in int64; widths stay below the 133,144 up to which the
 * integer path is exact (core/kernels/kernels.h).
 */
#define MAX_H 65536
#define MAX_D 1024
#define MAX_F 131072
#define MAX_V (1 << 24)
#define MAX_P (1 << 20)
#define MAX_S (1 << 16)
#define MAX_K (1 << 16)

static oc_status check_range(const char *what, int32_t layer, int64_t v, int64_t max, oc_err *err)
{
    if (v >= 1 && v <= max)
        return OC_OK;
    if (layer >= 0)
        return OC_FAIL(err, OC_SHAPE, "layer %d: %s is %lld, expected 1..%lld", layer, what,
                       (long long)v, (long long)max);
    return OC_FAIL(err, OC_SHAPE, "%s is %lld, expected 1..%lld", what, (long long)v,
                   (long long)max);
}

static oc_status check_prob(const char *what, float p, oc_err *err)
{
    if (p >= 0.0f && p < 1.0f)
        return OC_OK;
    return OC_FAIL(err, OC_SHAPE, "%s is %g, expected 0 <= p < 1", what, (double)p);
}

oc_status oc_dims_check(const oc_dims *d, oc_err *err)
{
    if (d->arch != OC_ARCH_BERT && d->arch != OC_ARCH_DISTILBERT)
        return OC_FAIL(err, OC_SHAPE, "architecture %d is none of BERT, DistilBERT", (int)d->arch);
    OC_TRY(check_range("number of layers (L)", -1, d->L, OC_MAX_LAYERS, err));
    OC_TRY(check_range("hidden size (H)", -1, d->H, MAX_H, err));
    OC_TRY(check_range("head size (D)", -1, d->D, MAX_D, err));
    OC_TRY(check_range("vocabulary size (V)", -1, d->V, MAX_V, err));
    OC_TRY(check_range("number of positions (P)", -1, d->P, MAX_P, err));
    if (d->arch == OC_ARCH_BERT)
        OC_TRY(check_range("number of token types (S)", -1, d->S, MAX_S, err));
    else if (d->S != 0)
        return OC_FAIL(err, OC_SHAPE, "number of token types (S) is %d, but DistilBERT has none",
                       d->S);
    OC_TRY(check_range("number of classes (K)", -1, d->K, MAX_K, err));
    for (int32_t l = 0; l < d->L; l++) {
        OC_TRY(check_range("number of heads (A)", l, d->A[l], OC_MAX_HEADS, err));
        OC_TRY(check_range("FFN width (F)", l, d->F[l], MAX_F, err));
    }
    if (!(d->eps > 0.0f && d->eps < 1.0f))
        return OC_FAIL(err, OC_SHAPE, "LayerNorm eps is %g, expected 0 < eps < 1", (double)d->eps);
    if (d->act != OC_ACT_GELU && d->act != OC_ACT_GELU_NEW && d->act != OC_ACT_RELU)
        return OC_FAIL(err, OC_SHAPE, "activation %d is none of gelu, gelu_new, relu", (int)d->act);
    OC_TRY(check_prob("hidden dropout", d->p_hidden, err));
    OC_TRY(check_prob("attention dropout", d->p_attn, err));
    return check_prob("classifier dropout", d->p_cls, err);
}

/* --- architectures and kinds ------------------------------------------------------------------ */

typedef struct arch_row {
    const char *title, *class_name, *base, *layers;
} arch_row;

static const arch_row archs[OC_N_ARCHS] = {
    [OC_ARCH_BERT] = {"BERT", "BertForSequenceClassification", "bert.", "bert.encoder.layer."},
    [OC_ARCH_DISTILBERT] = {"DistilBERT", "DistilBertForSequenceClassification", "distilbert.",
                            "distilbert.transformer.layer."},
};

const char *oc_arch_title(oc_arch a)
{
    return archs[a].title;
}

const char *oc_arch_class(oc_arch a)
{
    return archs[a].class_name;
}

const char *oc_arch_base(oc_arch a)
{
    return archs[a].base;
}

typedef struct kind_row {
    const char *name[OC_N_ARCHS], *brief;
    bool per_layer;
} kind_row;

static const kind_row kinds[OC_N_KINDS] = {
#define OC_X(id, bert, distilbert, brief, per_layer) {{bert, distilbert}, brief, (per_layer) != 0},
    OC_KIND_LIST(OC_X)
#undef OC_X
};

bool oc_kind_per_layer(oc_kind k)
{
    return kinds[k].per_layer;
}

const char *oc_kind_short(oc_kind k)
{
    return kinds[k].brief;
}

bool oc_kind_is_embedding(oc_kind k)
{
    return k == OC_P_WORD || k == OC_P_POS || k == OC_P_TYPE;
}

bool oc_kind_is_matrix(oc_kind k)
{
    return k == OC_P_Q_W || k == OC_P_K_W || k == OC_P_V_W || k == OC_P_O_W || k == OC_P_F1_W ||
           k == OC_P_F2_W || k == OC_P_POOL_W || k == OC_P_CLS_W;
}

bool oc_kind_decays(oc_kind k)
{
    return oc_kind_is_matrix(k) || oc_kind_is_embedding(k);
}

/* Rows of a kind; columns are in kind_cols. */
static int64_t kind_rows(const oc_dims *d, oc_kind k, int32_t l)
{
    int64_t AD = l >= 0 ? (int64_t)d->A[l] * d->D : 0;
    int64_t F = l >= 0 ? d->F[l] : 0;
    // clang-format off
    switch (k) {
    case OC_P_WORD: return d->V;
    case OC_P_POS: return d->P;
    case OC_P_TYPE: return d->S;
    case OC_P_Q_W: case OC_P_Q_B: case OC_P_K_W: case OC_P_K_B: case OC_P_V_W: case OC_P_V_B:
        return AD;
    case OC_P_F1_W: case OC_P_F1_B:
        return F;
    case OC_P_CLS_W: case OC_P_CLS_B:
        return d->K;
    case OC_P_EMB_LN_G: case OC_P_EMB_LN_B: case OC_P_O_W: case OC_P_O_B: case OC_P_LN1_G:
    case OC_P_LN1_B: case OC_P_F2_W: case OC_P_F2_B: case OC_P_LN2_G: case OC_P_LN2_B:
    case OC_P_POOL_W: case OC_P_POOL_B: case OC_N_KINDS:
        return d->H;
    }
    // clang-format on
    return 0;
}

static int64_t kind_cols(const oc_dims *d, oc_kind k, int32_t l)
{
    if (k == OC_P_O_W)
        return (int64_t)d->A[l] * d->D;
    if (k == OC_P_F2_W)
        return d->F[l];
    return oc_kind_decays(k) ? d->H : 1;
}

static void add_param(oc_layout *lo, const oc_dims *d, oc_kind k, int32_t layer)
{
    const char *name = kinds[k].name[d->arch];
    if (!name)
        return;
    oc_param *p = &lo->param[lo->n];
    p->kind = k;
    p->layer = layer;
    p->rows = kind_rows(d, k, layer);
    p->cols = kind_cols(d, k, layer);
    p->n = p->rows * p->cols;
    p->offset = lo->n_floats;
    if (layer >= 0)
        snprintf(p->name, sizeof p->name, "%s%d.%s", archs[d->arch].layers, layer, name);
    else
        snprintf(p->name, sizeof p->name, "%s", name);
    lo->index[layer >= 0 ? layer : OC_MAX_LAYERS][k] = lo->n++;
    lo->n_floats += p->n; // bounded by the letters' ranges: cannot overflow
}

oc_status oc_layout_init(oc_layout *lo, const oc_dims *d, oc_err *err)
{
    OC_TRY(oc_dims_check(d, err));
    oc_layout out = {0};
    int32_t n = 0;
    for (int k = 0; k < OC_N_KINDS; k++)
        if (kinds[k].name[d->arch])
            n += kinds[k].per_layer ? d->L : 1;
    out.param = oc_calloc((size_t)n, sizeof *out.param);
    if (!out.param)
        return OC_FAIL(err, OC_NOMEM, "out of memory for the list of %d parameters", n);
    memset(out.index, -1, sizeof out.index);
    for (int k = OC_P_WORD; k <= OC_P_EMB_LN_B; k++)
        add_param(&out, d, (oc_kind)k, -1);
    for (int32_t l = 0; l < d->L; l++)
        for (int k = OC_P_Q_W; k <= OC_P_LN2_B; k++)
            add_param(&out, d, (oc_kind)k, l);
    for (int k = OC_P_POOL_W; k <= OC_P_CLS_B; k++)
        add_param(&out, d, (oc_kind)k, -1);
    OC_CHECK(out.n == n);
    *lo = out;
    return OC_OK;
}

void oc_layout_release(oc_layout *lo)
{
    oc_free(lo->param);
    lo->param = NULL;
    lo->n = 0;
    lo->n_floats = 0;
}

const oc_param *oc_layout_at(const oc_layout *lo, oc_kind k, int32_t layer)
{
    int32_t row = kinds[k].per_layer ? layer : OC_MAX_LAYERS;
    if (row < 0 || row > OC_MAX_LAYERS || lo->index[row][k] < 0)
        return NULL;
    return &lo->param[lo->index[row][k]];
}
