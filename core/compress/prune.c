/*
 * core/compress/prune.c - choosing what goes, taking it out, and saying so.
 */
#include "core/compress/prune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"

#define FFN_UNIT 8 // widths stay multiples of this where they were: what one vector register holds

/* --- structured: what to keep ---------------------------------------------------------------- */

typedef struct unit {
    double score;
    int32_t layer, index;
} unit;

static int least_first(const void *a, const void *b)
{
    const unit *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

// What structured pruning decides. Heads and neurons are treated alike: units of layers.
typedef struct choice {
    int32_t L;
    int32_t n[OC_MAX_LAYERS];     // units there are
    int32_t least[OC_MAX_LAYERS]; // units that stay in any case
    int32_t step[OC_MAX_LAYERS];  // kept units are a multiple of this, or all
    int32_t kept[OC_MAX_LAYERS];
    int64_t first[OC_MAX_LAYERS]; // of the layer's units in keep and score
    int64_t total;
    uint8_t *keep; // owned [total]
    double *score; // owned [total] what the ranking went by
    unit *rank;    // owned [total]
} choice;

static void choice_release(choice *c)
{
    oc_free(c->keep);
    oc_free(c->score);
    oc_free(c->rank);
}

// importance of layer l starts at importance[l * stride], or (stride 0) after the layers before it.
static oc_status choice_init(choice *c, const double *importance, int64_t stride, bool global,
                             oc_err *err)
{
    for (int32_t l = 0; l < c->L; l++) {
        c->first[l] = c->total;
        c->total += c->n[l];
    }
    c->keep = oc_calloc((size_t)c->total, 1);
    c->score = oc_calloc((size_t)c->total, sizeof(double));
    c->rank = oc_calloc((size_t)c->total, sizeof(unit));
    if (!c->keep || !c->score || !c->rank)
        return OC_FAIL(err, OC_NOMEM, "out of memory for the ranking of %lld units",
                       (long long)c->total);
    for (int32_t l = 0; l < c->L; l++) {
        const double *from = importance + (stride ? l * stride : c->first[l]);
        double sq = 0;
        for (int32_t i = 0; i < c->n[l]; i++)
            sq += from[i] * from[i];
        // Gradients differ in size from layer to layer; only inside a layer do they compare as they are.
        double norm = global && sq > 0 ? sqrt(sq) : 1;
        for (int32_t i = 0; i < c->n[l]; i++) {
            c->score[c->first[l] + i] = from[i] / norm;
            c->rank[c->first[l] + i] = (unit){.score = from[i] / norm, .layer = l, .index = i};
        }
    }
    return OC_OK;
}

// The next count that layer l may have, more (sign 1) or less (-1).
static int32_t next_count(const choice *c, int32_t l, int32_t sign)
{
    int32_t kept = c->kept[l], step = c->step[l];
    return sign > 0 ? OC_MIN(c->n[l], (kept / step + 1) * step) : (kept - 1) / step * step;
}

/*
 * Round kept counts to multiples of their steps so that their sum comes as near to `target` as it
 * can: all down first, then up where most was lost (largest remainder), then down again where the
 * least allowed per layer pushed the sum over the target.
 */
static void round_kept(choice *c, int64_t target)
{
    int32_t want[OC_MAX_LAYERS];
    int64_t sum = 0;
    for (int32_t l = 0; l < c->L; l++) {
        want[l] = c->kept[l];
        if (want[l] < c->n[l])
            c->kept[l] = OC_MAX(c->least[l], want[l] / c->step[l] * c->step[l]);
        sum += c->kept[l];
    }
    for (;;) {
        int32_t best = -1, sign = target >= sum ? 1 : -1;
        int64_t gap = (target - sum) * sign;
        for (int32_t l = 0; l < c->L; l++) {
            int32_t to = next_count(c, l, sign), by = sign * (to - c->kept[l]);
            if (to < c->least[l] || by == 0 || 2 * gap <= by)
                continue;
            if (best < 0 || sign * (want[l] - c->kept[l]) > sign * (want[best] - c->kept[best]))
                best = l;
        }
        if (best < 0)
            return;
        int32_t to = next_count(c, best, sign);
        sum += to - c->kept[best];
        c->kept[best] = to;
    }
}

static void count_global(choice *c, double share)
{
    int64_t target = c->total - llround(share * (double)c->total);
    int64_t left = c->total;
    memcpy(c->kept, c->n, sizeof c->kept);
    for (int64_t i = 0; i < c->total && left > target; i++) {
        int32_t l = c->rank[i].layer;
        if (c->kept[l] > c->least[l]) {
            c->kept[l]--;
            left--;
        }
    }
    round_kept(c, target);
}

static void count_layer(choice *c, double share)
{
    for (int32_t l = 0; l < c->L; l++) {
        double want = (1 - share) * c->n[l] / c->step[l];
        int64_t kept = llround(want) * c->step[l];
        c->kept[l] = (int32_t)OC_MIN(OC_MAX(kept, c->least[l]), c->n[l]);
    }
}

// How many stay in each layer, then which: the most important ones (the first of equals).
static void choose(choice *c, double share, bool global)
{
    int32_t gone[OC_MAX_LAYERS] = {0};
    qsort(c->rank, (size_t)c->total, sizeof(unit), least_first);
    if (global)
        count_global(c, share);
    else
        count_layer(c, share);
    memset(c->keep, 1, (size_t)c->total);
    for (int64_t i = 0; i < c->total; i++) {
        int32_t l = c->rank[i].layer;
        if (gone[l] < c->n[l] - c->kept[l]) {
            c->keep[c->first[l] + c->rank[i].index] = 0;
            gone[l]++;
        }
    }
}

static oc_status choose_heads(const oc_dims *d, const oc_importance *im, double share, bool global,
                              choice *c, oc_err *err)
{
    c->L = d->L;
    for (int32_t l = 0; l < d->L; l++) {
        c->n[l] = d->A[l];
        c->least[l] = c->step[l] = 1;
    }
    OC_TRY(choice_init(c, im->head, OC_MAX_HEADS, global, err));
    choose(c, share, global);
    return OC_OK;
}

static oc_status choose_neurons(const oc_dims *d, const oc_importance *im, double share,
                                bool global, bool tiles, choice *c, oc_err *err)
{
    c->L = d->L;
    for (int32_t l = 0; l < d->L; l++) {
        bool tiled = tiles && d->F[l] >= OC_PRUNE_TILED;
        c->n[l] = d->F[l];
        c->least[l] = OC_MIN(tiled ? OC_PRUNE_TILE : FFN_UNIT, d->F[l]);
        c->step[l] = tiled ? OC_PRUNE_TILE : d->F[l] % FFN_UNIT == 0 ? FFN_UNIT : 1;
    }
    OC_TRY(choice_init(c, im->ffn, 0, global, err));
    choose(c, share, global);
    return OC_OK;
}

/* --- structured: the smaller model ----------------------------------------------------------- */

// Copy the kept rows and columns; NULL keeps all. A unit of `block` rows or columns has one flag.
static void copy_kept(float *to, const float *from, const oc_param *p, const uint8_t *rows,
                      const uint8_t *cols, int32_t block)
{
    for (int64_t r = 0; r < p->rows; r++) {
        if (rows && !rows[r / block])
            continue;
        const float *row = from + r * p->cols;
        if (!cols) {
            memcpy(to, row, (size_t)p->cols * sizeof(float));
            to += p->cols;
            continue;
        }
        for (int64_t c = 0; c < p->cols; c++)
            if (cols[c / block])
                *to++ = row[c];
    }
}

static void copy_param(oc_model *to, const oc_model *from, const oc_param *p, const choice *heads,
                       const choice *ffn)
{
    const uint8_t *rows = NULL, *cols = NULL;
    int32_t block = 1;
    if (p->kind == OC_P_Q_W || p->kind == OC_P_Q_B || p->kind == OC_P_K_W || p->kind == OC_P_K_B ||
        p->kind == OC_P_V_W || p->kind == OC_P_V_B) {
        rows = heads->keep + heads->first[p->layer];
        block = from->dims.D;
    } else if (p->kind == OC_P_O_W) {
        cols = heads->keep + heads->first[p->layer];
        block = from->dims.D;
    } else if (p->kind == OC_P_F1_W || p->kind == OC_P_F1_B) {
        rows = ffn->keep + ffn->first[p->layer];
    } else if (p->kind == OC_P_F2_W) {
        cols = ffn->keep + ffn->first[p->layer];
    }
    const oc_param *q = oc_layout_at(&to->layout, p->kind, p->layer);
    copy_kept(to->slab + q->offset, from->w[p - from->layout.param].f32, p, rows, cols, block);
}

static void emit_structure(oc_job *job, const choice *heads, const choice *ffn, double asked_ffn,
                           const char *name)
{
    oc_event e;
    for (int32_t l = 0; l < heads->L; l++) {
        oc_event_init(&e, OC_EV_heads_T);
        OC_EV_SET(e.u.heads.model, name);
        e.u.heads.layer = l;
        e.u.heads.before = e.u.heads.n_kept = e.u.heads.n_importance = heads->n[l];
        e.u.heads.after = heads->kept[l];
        for (int32_t h = 0; h < heads->n[l]; h++) {
            e.u.heads.kept[h] = heads->keep[heads->first[l] + h];
            e.u.heads.importance[h] = heads->score[heads->first[l] + h];
        }
        oc_job_emit(job, &e);
        oc_event_init(&e, OC_EV_ffn_T);
        OC_EV_SET(e.u.ffn.model, name);
        e.u.ffn.layer = l;
        e.u.ffn.before = ffn->n[l];
        e.u.ffn.after = ffn->kept[l];
        e.u.ffn.asked = asked_ffn;
        oc_job_emit(job, &e);
    }
}

static oc_status rebuild(oc_checkpoint *c, const choice *heads, const choice *ffn, oc_err *err)
{
    const oc_model *old = c->model;
    oc_dims d = old->dims;
    oc_model *m = NULL;
    for (int32_t l = 0; l < d.L; l++) {
        d.A[l] = heads->kept[l];
        d.F[l] = ffn->kept[l];
    }
    OC_TRY(oc_model_check(old, err));
    OC_TRY(oc_model_new(&d, &m, err));
    for (int32_t i = 0; i < old->layout.n; i++)
        copy_param(m, old, &old->layout.param[i], heads, ffn);
    oc_model_free(c->model);
    c->model = m;
    c->config.dims = d;
    return OC_OK;
}

static oc_status check_share(const char *what, double share, oc_err *err)
{
    if (!(share >= 0 && share < 1))
        return OC_FAIL(err, OC_RANGE,
                       "the share of %s to remove is %g; it must be at least 0 and below 1", what,
                       share);
    return OC_OK;
}

oc_status oc_prune_structured(oc_job *job, oc_checkpoint *c, const oc_importance *im, double heads,
                              double ffn, bool global, bool tiles, const char *name, oc_err *err)
{
    OC_TRY(check_share("attention heads", heads, err));
    OC_TRY(check_share("FFN neurons", ffn, err));
    if (!oc_model_is_f32(c->model))
        return OC_FAIL(err, OC_UNSUPPORTED, "%s is quantized: prune it before that", name);
    OC_TRY(oc_job_poll(job, NULL, err));
    choice h = {0}, f = {0};
    oc_status rc = choose_heads(&c->model->dims, im, heads, global, &h, err);
    if (rc == OC_OK)
        rc = choose_neurons(&c->model->dims, im, ffn, global, tiles, &f, err);
    if (rc == OC_OK)
        rc = rebuild(c, &h, &f, err);
    if (rc == OC_OK)
        emit_structure(job, &h, &f, ffn, name);
    choice_release(&h);
    choice_release(&f);
    return rc;
}

/* --- unstructured ---------------------------------------------------------------------------- */

bool oc_prunable(oc_kind k)
{
    return oc_kind_is_matrix(k) && !oc_kind_is_embedding(k) && k != OC_P_CLS_W;
}

#define HIGH_BITS 15
#define LOW_BITS  16

// Bits of |w|: as whole numbers they are ordered as the magnitudes are.
static uint32_t magnitude_bits(float w)
{
    uint32_t b;
    memcpy(&b, &w, sizeof b);
    return b & 0x7fffffffu;
}

// Count the magnitudes of one matrix by their high bits, or by the low ones under one high part.
static void count_bits(const float *w, int64_t n, int64_t high, int64_t *count)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t b = magnitude_bits(w[i]);
        if (high < 0)
            count[b >> LOW_BITS]++;
        else if (b >> LOW_BITS == (uint32_t)high)
            count[b & ((1u << LOW_BITS) - 1)]++;
    }
}

// First bucket in which the k-th smallest lies; *k becomes its rank inside.
static int64_t find_bucket(const int64_t *count, int64_t n, int64_t *k)
{
    for (int64_t i = 0; i < n; i++) {
        if (*k <= count[i])
            return i;
        *k -= count[i];
    }
    return n - 1;
}

// The matrices that are ranked together.
typedef struct group {
    const oc_layout *lo;
    float *slab;
    int32_t first, end; // parameters; only prunable ones count
    int64_t *count;     // owned elsewhere [1 << LOW_BITS]
} group;

static oc_status count_group(oc_job *job, const group *g, int64_t high, oc_err *err)
{
    memset(g->count, 0, sizeof(int64_t) << LOW_BITS);
    for (int32_t i = g->first; i < g->end; i++) {
        const oc_param *p = &g->lo->param[i];
        if (!oc_prunable(p->kind))
            continue;
        OC_TRY(oc_job_poll(job, NULL, err));
        count_bits(g->slab + p->offset, p->n, high, g->count);
    }
    return OC_OK;
}

/*
 * Magnitude of the k-th smallest weight (two counting passes, no copy, no sort) and how many of
 * those equal to it go: the first ones in slab order.
 */
static oc_status find_threshold(oc_job *job, const group *g, int64_t k, uint32_t *bits,
                                int64_t *ties, oc_err *err)
{
    OC_TRY(count_group(job, g, -1, err));
    int64_t high = find_bucket(g->count, INT64_C(1) << HIGH_BITS, &k);
    OC_TRY(count_group(job, g, high, err));
    int64_t low = find_bucket(g->count, INT64_C(1) << LOW_BITS, &k);
    *bits = (uint32_t)high << LOW_BITS | (uint32_t)low;
    *ties = k;
    return OC_OK;
}

static void zero_group(const group *g, uint32_t bits, int64_t ties, uint8_t *keep)
{
    for (int32_t i = g->first; i < g->end; i++) {
        const oc_param *p = &g->lo->param[i];
        if (!oc_prunable(p->kind))
            continue;
        for (int64_t j = p->offset; j < p->offset + p->n; j++) {
            uint32_t b = magnitude_bits(g->slab[j]);
            if (b > bits || (b == bits && ties-- <= 0))
                continue;
            g->slab[j] = 0;
            if (keep)
                keep[j] = 0;
        }
    }
}

static int64_t group_weights(const group *g)
{
    int64_t n = 0;
    for (int32_t i = g->first; i < g->end; i++)
        n += oc_prunable(g->lo->param[i].kind) ? g->lo->param[i].n : 0;
    return n;
}

// All thresholds first (that is where it listens), then the zeros: never half a pruning.
static oc_status prune_groups(oc_job *job, oc_model *m, double sparsity, bool global,
                              int64_t *count, uint32_t *bits, int64_t *ties, uint8_t *keep,
                              oc_err *err)
{
    int32_t n_groups = global ? 1 : m->layout.n, width = global ? m->layout.n : 1;
    group g = {.lo = &m->layout, .slab = m->slab, .count = count};
    for (g.first = 0; g.first < n_groups; g.first++) {
        g.end = g.first + width;
        int64_t k = llround(sparsity * (double)group_weights(&g));
        if (k > 0)
            OC_TRY(find_threshold(job, &g, k, &bits[g.first], &ties[g.first], err));
    }
    if (keep)
        memset(keep, 1, (size_t)m->layout.n_floats);
    for (g.first = 0; g.first < n_groups; g.first++) {
        g.end = g.first + width;
        if (ties[g.first] > 0)
            zero_group(&g, bits[g.first], ties[g.first], keep);
    }
    return OC_OK;
}

oc_status oc_prune_magnitude(oc_job *job, oc_model *m, double sparsity, bool global,
                             const char *name, uint8_t *keep, oc_err *err)
{
    OC_TRY(check_share("weights", sparsity, err));
    if (!oc_model_is_f32(m))
        return OC_FAIL(err, OC_UNSUPPORTED, "%s is quantized: prune it before that", name);
    OC_TRY(oc_model_own(m, err));
    size_t n = (size_t)m->layout.n;
    int64_t *count = oc_calloc((size_t)1 << LOW_BITS, sizeof(int64_t));
    uint32_t *bits = oc_calloc(n, sizeof(uint32_t));
    int64_t *ties = oc_calloc(n, sizeof(int64_t));
    oc_status rc;
    if (!count || !bits || !ties)
        rc = OC_FAIL(err, OC_NOMEM, "out of memory for pruning %s", name);
    else
        rc = oc_job_poll(job, NULL, err);
    if (rc == OC_OK)
        rc = prune_groups(job, m, sparsity, global, count, bits, ties, keep, err);
    if (rc == OC_OK)
        oc_report_sparsity(job, m, sparsity, name);
    oc_free(count);
    oc_free(bits);
    oc_free(ties);
    return rc;
}

void oc_report_sparsity(oc_job *job, const oc_model *m, double asked, const char *name)
{
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        if (!oc_prunable(p->kind))
            continue;
        oc_event e;
        oc_event_init(&e, OC_EV_sparsity_T);
        OC_EV_SET(e.u.sparsity.model, name);
        e.u.sparsity.layer = p->layer;
        OC_EV_SET(e.u.sparsity.matrix, oc_kind_short(p->kind));
        e.u.sparsity.rows = p->rows;
        e.u.sparsity.cols = p->cols;
        e.u.sparsity.asked = asked;
        e.u.sparsity.reached = (double)oc_model_zeros(m, i) / (double)p->n;
        oc_job_emit(job, &e);
    }
}
