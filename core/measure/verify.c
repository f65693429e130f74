#include "core/measure/verify.h"

#include <math.h>

typedef struct compare {
    const oc_reference *ref;
    const oc_dims *d;
    oc_verify *v;
} compare;

/* One row of numbers; the first of equal differences is kept, and no number once it is seen. */
static void compare_row(oc_verify_row *r, const float *have, const float *want, int64_t n,
                        int64_t note, int64_t token)
{
    for (int64_t k = 0; k < n; k++) {
        double e = fabs((double)have[k] - (double)want[k]);
        r->magnitude = fmax(r->magnitude, fabs((double)want[k]));
        if (isnan(r->max_abs) || (e <= r->max_abs && r->note >= 0))
            continue;
        r->max_abs = isfinite(e) ? e : (double)NAN;
        r->note = note;
        r->token = token;
        r->unit = k;
    }
}

static oc_status compare_note(void *ctx, int64_t i, int64_t n, const oc_bert *b,
                              const float *logits, oc_err *err)
{
    const compare *c = ctx;
    const oc_reference *ref = c->ref;
    const uint8_t *mask = ref->notes.mask + ref->notes.start[i];
    int64_t H = c->d->H, K = c->d->K;
    oc_verify_row *r = c->v->row;
    (void)err;
    for (int32_t l = 0; l < OC_REFERENCE_POOLED; l++) {
        if (!ref->x[l])
            continue;
        for (int64_t t = 0; t < n; t++)
            if (mask[t])
                compare_row(r, oc_bert_hidden(b, l) + t * H, ref->x[l] + (ref->row[i] + t) * H, H,
                            i, t);
        r++;
    }
    if (ref->x[OC_REFERENCE_POOLED])
        compare_row(r++, oc_bert_pooled(b), ref->x[OC_REFERENCE_POOLED] + i * H, H, i, -1);
    if (ref->x[OC_REFERENCE_LOGITS])
        compare_row(r, logits, ref->x[OC_REFERENCE_LOGITS] + i * K, K, i, -1);
    return OC_OK;
}

oc_status oc_verify_run(const oc_model *m, const oc_reference *ref, const oc_notes_watch *watch,
                        oc_verify *out, oc_err *err)
{
    oc_verify v = {.notes = ref->notes.n};
    for (int32_t i = 0; i < OC_REFERENCE_OUTPUTS; i++) {
        if (!ref->x[i])
            continue;
        v.row[v.n].note = -1;
        oc_reference_name(i, v.row[v.n++].name);
    }
    for (int64_t k = 0; k < ref->notes.N; k++)
        v.tokens += ref->notes.mask[k];
    compare c = {.ref = ref, .d = &m->dims, .v = &v};
    OC_TRY(oc_id_notes_run(m, &ref->notes, true, watch, compare_note, &c, err));
    *out = v;
    return OC_OK;
}

const oc_verify_row *oc_verify_beyond(const oc_verify *v, double tolerance)
{
    for (int32_t i = 0; i < v->n; i++)
        if (!(v->row[i].max_abs <= tolerance))
            return &v->row[i];
    return NULL;
}
