#include "core/measure/zeros.h"

#include "core/base/alloc.h"
#include "core/base/par.h"
#include "core/kernels/kernels.h"
#include "core/nn/bert.h"

typedef struct counting {
    const oc_model *m;
    int64_t *zeros; /* owned [layout.n] */
} counting;

static void count_pieces(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const counting *c = ctx;
    for (int64_t i = begin; i < end; i++)
        if (oc_kind_is_matrix(c->m->layout.param[i].kind))
            c->zeros[i] = oc_model_zeros(c->m, (int32_t)i);
}

static oc_status no_room(const oc_param *p, oc_err *err)
{
    return OC_FAIL(err, OC_NOMEM, "out of memory packing %s", p->name);
}

/* Share of matrix i that int8 products leave out. */
static oc_status int8_share(const oc_param *p, const int8_t *q, double *out, oc_err *err)
{
    oc_packed_s8 B = {.K = p->cols, .N = p->rows};
    B.bits7 = oc_s8_is_7_bits(q, p->n);
    B.panel = oc_calloc(oc_pack_s8_bytes(B.K, B.N), sizeof *B.panel);
    if (!B.panel)
        return no_room(p, err);
    oc_pack_s8(q, B.K, B.N, B.bits7, B.panel);
    *out = oc_packed_s8_zero_share(&B);
    oc_free(B.panel);
    return OC_OK;
}

static oc_status f32_share(const oc_model *m, const oc_param *p, const float *w, double *out,
                           oc_err *err)
{
    oc_packed_f32 B = {
        .K = p->cols, .N = p->rows, .x6 = oc_bert_on_unit(&m->dims, p->kind, p->layer)};
    B.panel = oc_calloc((size_t)oc_pack_f32_floats(B.K, B.N, B.x6), sizeof *B.panel);
    if (!B.panel)
        return no_room(p, err);
    oc_pack_f32((oc_mat){w, 1, p->cols}, &B);
    *out = oc_packed_f32_zero_share(&B);
    oc_free(B.panel);
    return OC_OK;
}

/* Entries of matrix i that products leave out. */
static oc_status count_skipped(const oc_model *m, int32_t i, double *out, oc_err *err)
{
    const oc_param *p = &m->layout.param[i];
    const oc_weight *w = &m->w[i];
    OC_TRY(w->q ? int8_share(p, w->q, out, err) : f32_share(m, p, w->f32, out, err));
    *out *= (double)p->n;
    return OC_OK;
}

oc_status oc_zeros_measure(const oc_model *m, oc_zeros *out, oc_err *err)
{
    counting c = {.m = m, .zeros = oc_calloc((size_t)m->layout.n, sizeof *c.zeros)};
    if (!c.zeros)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %d counts", (int)m->layout.n);
    oc_par_for(m->layout.n, 1, count_pieces, &c);
    oc_zeros z = {0};
    int64_t zero = 0;
    double skipped = 0;
    oc_status rc = OC_OK;
    for (int32_t i = 0; i < m->layout.n && rc == OC_OK; i++) {
        double these = 0;
        if (!oc_kind_is_matrix(m->layout.param[i].kind))
            continue;
        if (c.zeros[i] > 0)
            rc = count_skipped(m, i, &these, err);
        z.weights += m->layout.param[i].n;
        zero += c.zeros[i];
        skipped += these;
    }
    oc_free(c.zeros);
    if (z.weights > 0) {
        z.zero_frac = (double)zero / (double)z.weights;
        z.skip_frac = skipped / (double)z.weights;
    }
    if (rc == OC_OK)
        *out = z;
    return rc;
}
