/* Models: facts, measurements and per-layer rows; the newest for a place wins. */
#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "sessions/fold.h"

/* Index of the model, or n_models: a zeroed slot is then ready there, not yet counted. */
static oc_status find_or_reserve(oc_state *s, const char *name, int64_t *out, oc_err *err)
{
    int64_t i = 0;
    while (i < s->n_models && strcmp(s->model[i].name, name) != 0)
        i++;
    if (i == s->n_models)
        OC_TRY(oc__grow_zeroed(&s->model, &s->cap_models, (size_t)s->n_models + 1, sizeof *s->model,
                               err));
    *out = i;
    return OC_OK;
}

static oc_model_state *take(oc_state *s, int64_t i, const char *name)
{
    oc_model_state *m = &s->model[i];
    if (i == s->n_models) {
        s->n_models++;
        oc_strlcpy(m->name, name, sizeof m->name);
        oc__blank(OC_EV_model_T, &m->info, sizeof m->info);
        oc__blank(OC_EV_candidate_T, &m->cand, sizeof m->cand);
    }
    return m;
}

oc_status oc__fold_model(oc_state *s, const oc_ev_model *e, oc_err *err)
{
    int64_t i;
    OC_TRY(find_or_reserve(s, e->model, &i, err));
    oc_model_state *m = take(s, i, e->model);
    m->info = *e;
    m->has_info = true;
    return OC_OK;
}

static void merge_str(char *to, const char *from, size_t n)
{
    if (*from)
        oc_strlcpy(to, from, n);
}
static void merge_i64(int64_t *to, int64_t from)
{
    if (from > 0)
        *to = from;
}
static void merge_f64(double *to, double from)
{
    if (!isnan(from))
        *to = from;
}

/* A candidate is sent again as more becomes known; what it leaves out stays. */
oc_status oc__fold_candidate(oc_state *s, const oc_ev_candidate *e, oc_err *err)
{
    int64_t i;
    OC_TRY(find_or_reserve(s, e->model, &i, err));
    oc_model_state *m = take(s, i, e->model);
    oc_ev_candidate *c = &m->cand;
    m->has_cand = true;
#define OC_MERGE_S(name, bytes) merge_str(c->name, e->name, bytes);
#define OC_MERGE_I(name)        merge_i64(&c->name, e->name);
#define OC_MERGE_D(name)        merge_f64(&c->name, e->name);
#define OC_MERGE_B(name)        c->name = e->name;
#define OC_MERGE_V(name, cap)
    OC_EV_candidate(OC_MERGE_S, OC_MERGE_I, OC_MERGE_D, OC_MERGE_B, OC_MERGE_V)
#undef OC_MERGE_S
#undef OC_MERGE_I
#undef OC_MERGE_D
#undef OC_MERGE_B
#undef OC_MERGE_V
        return OC_OK;
}

/* One table of rows in a model: replace the row of the same place, else append. */
#define OC_ROWS(table, same)                                                                       \
    oc_status oc__fold_##table(oc_state *s, const oc_ev_##table *e, oc_err *err)                   \
    {                                                                                              \
        int64_t i, j = 0;                                                                          \
        OC_TRY(find_or_reserve(s, e->model, &i, err));                                             \
        oc_model_state *m = &s->model[i];                                                          \
        OC_TRY(                                                                                    \
            oc_grow(&m->table, &m->cap_##table, (size_t)m->n_##table + 1, sizeof *m->table, err)); \
        m = take(s, i, e->model);                                                                  \
        while (j < m->n_##table && !(m->table[j].layer == e->layer && same(&m->table[j], e)))      \
            j++;                                                                                   \
        m->n_##table += j == m->n_##table;                                                         \
        m->table[j] = *e;                                                                          \
        return OC_OK;                                                                              \
    }
#define SAME_MATRIX(a, b) (!strcmp((a)->matrix, (b)->matrix))
#define SAME_LAYER(a, b)  true
OC_ROWS(sparsity, SAME_MATRIX)
OC_ROWS(quant, SAME_MATRIX)
OC_ROWS(cost, SAME_MATRIX)
OC_ROWS(heads, SAME_LAYER)
OC_ROWS(ffn, SAME_LAYER)
OC_ROWS(drift, SAME_LAYER)
