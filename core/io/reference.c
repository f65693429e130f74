#include "core/io/reference.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/str.h"

void oc_reference_name(int32_t i, char out[32])
{
    if (i == 0)
        oc_strlcpy(out, "embeddings", 32);
    else if (i >= OC_REFERENCE_POOLED)
        oc_strlcpy(out, i == OC_REFERENCE_POOLED ? "pooled" : "logits", 32);
    else
        snprintf(out, 32, "layer.%d", i - 1);
}

/* --- the notes -------------------------------------------------------------------------------- */

typedef struct reader {
    const char *path;
    const oc_dims *d;
    oc_reference *r;
    const oc_tensor *ids;
    int64_t B, T, N; // T: of padded ones, 0 when packed; N: rows of a hidden state
    int64_t *n_ids;  // owned [B] entries of note b
    int64_t *at[3];  // owned [N] input_ids, token_type_ids, attention_mask; NULL: not there
} reader;

/* Whole numbers of any type, into memory of their own. */
static oc_status read_whole(const reader *p, const oc_tensor *t, int64_t **out, oc_err *err)
{
    int64_t size = oc_dtype_bytes(t->dtype);
    if (oc_dtype_is_float(t->dtype) || t->dtype == OC_DT_OTHER)
        return OC_FAIL(err, OC_FORMAT, "%s: tensor %s has the type %s; I64 or I32 was expected",
                       p->path, t->name, oc_dtype_name(t->dtype));
    int64_t *x = oc_calloc((size_t)OC_MAX(t->n, 1), sizeof *x);
    if (!x)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", p->path);
    for (int64_t i = 0; i < t->n; i++) {
        const unsigned char *b = (const unsigned char *)t->data + i * size;
        bool negative = b[size - 1] >= 0x80 && t->dtype != OC_DT_U8 && t->dtype != OC_DT_BOOL;
        uint64_t v = negative ? UINT64_MAX : 0;
        for (int64_t k = size; k-- > 0;)
            v = v << 8 | b[k];
        memcpy(&x[i], &v, sizeof v);
    }
    *out = x;
    return OC_OK;
}

static bool same_shape(const oc_tensor *a, const oc_tensor *b)
{
    return a->n_dims == b->n_dims &&
           memcmp(a->dim, b->dim, (size_t)a->n_dims * sizeof *a->dim) == 0;
}

static oc_status read_like_ids(reader *p, const char *name, int64_t **out, oc_err *err)
{
    const oc_tensor *t = oc_st_find(p->r->st, name);
    if (!t)
        return OC_OK;
    if (!same_shape(t, p->ids))
        return OC_FAIL(err, OC_FORMAT, "%s: tensor %s has another shape than input_ids", p->path,
                       name);
    return read_whole(p, t, out, err);
}

/* Lengths and places of the notes: of a table, or of packed rows. */
static oc_status read_starts(reader *p, oc_err *err)
{
    const oc_tensor *s = oc_st_find(p->r->st, "start");
    bool packed = p->ids->n_dims == 1 && s && s->n_dims == 1 && s->n > 1;
    if (!packed && p->ids->n_dims != 2)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: input_ids has %d dimensions; [notes, tokens] was expected, or [rows] "
                       "beside start [notes + 1]",
                       p->path, p->ids->n_dims);
    p->B = packed ? s->n - 1 : p->ids->dim[0];
    p->T = packed ? 0 : p->ids->dim[1];
    p->N = p->ids->n;
    if (p->B == 0)
        return OC_FAIL(err, OC_FORMAT, "%s: input_ids holds no notes", p->path);
    int64_t *start = NULL;
    p->n_ids = oc_calloc((size_t)p->B, sizeof *p->n_ids);
    p->r->row = oc_calloc((size_t)p->B, sizeof *p->r->row);
    if (!p->n_ids || !p->r->row)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", p->path);
    if (packed)
        OC_TRY(read_whole(p, s, &start, err));
    bool good = !packed || (start[0] == 0 && start[p->B] == p->N);
    for (int64_t b = 0; good && b < p->B; b++) {
        // Each at least the last and at most N: no difference overflows.
        good = !packed || (start[b + 1] >= start[b] && start[b + 1] <= p->N);
        p->r->row[b] = packed ? start[b] : b * p->T;
        p->n_ids[b] = packed ? start[b + 1] - start[b] : p->T;
    }
    oc_free(start);
    return good
               ? OC_OK
               : OC_FAIL(err, OC_FORMAT, "%s: start must rise from 0 to the %lld rows of input_ids",
                         p->path, (long long)p->N);
}

static oc_status add_notes(reader *p, oc_err *err)
{
    char what[OC_PATH_MAX];
    for (int64_t b = 0; b < p->B; b++) {
        int64_t at = p->r->row[b], n = p->n_ids[b];
        // Padding after the last token is nothing to compute; one before or between is masked.
        while (p->at[2] && n > 1 && p->at[2][at + n - 1] == 0)
            n--;
        snprintf(what, sizeof what, "%.*s: note %lld", OC_PATH_MAX - 64, p->path, (long long)b);
        OC_TRY(oc_id_notes_add(&p->r->notes, p->d, n, p->at[0] + at,
                               p->at[1] ? p->at[1] + at : NULL, p->at[2] ? p->at[2] + at : NULL,
                               what, err));
    }
    return OC_OK;
}

static oc_status read_notes(reader *p, oc_err *err)
{
    p->ids = oc_st_find(p->r->st, "input_ids");
    if (!p->ids)
        return OC_FAIL(err, OC_FORMAT, "%s: there is no input_ids: nothing to compute from",
                       p->path);
    OC_TRY(read_starts(p, err));
    OC_TRY(read_whole(p, p->ids, &p->at[0], err));
    OC_TRY(read_like_ids(p, "token_type_ids", &p->at[1], err));
    OC_TRY(read_like_ids(p, "attention_mask", &p->at[2], err));
    return add_notes(p, err);
}

/* --- the outputs ------------------------------------------------------------------------------ */

static const oc_tensor *find_output(const reader *p, int32_t i)
{
    char name[32], other[32];
    oc_reference_name(i, name);
    const oc_tensor *t = oc_st_find(p->r->st, name);
    snprintf(other, sizeof other, "hidden_states.%d", i);
    if (i == OC_REFERENCE_POOLED)
        oc_strlcpy(other, "pooler_output", sizeof other);
    return t || i == OC_REFERENCE_LOGITS ? t : oc_st_find(p->r->st, other);
}

static oc_status check_shape(const reader *p, const oc_tensor *t, int32_t i, oc_err *err)
{
    bool hidden = i < OC_REFERENCE_POOLED;
    int64_t dim[3] = {p->B, p->T, p->d->H};
    int32_t n = 3;
    char want[80] = "";
    if (!hidden || p->T == 0) {
        dim[0] = hidden ? p->N : p->B;
        dim[1] = i == OC_REFERENCE_LOGITS ? p->d->K : p->d->H;
        n = 2;
    }
    bool same = t->n_dims == n && memcmp(t->dim, dim, (size_t)n * sizeof *dim) == 0;
    for (int32_t k = 0, at = 0; k < n; k++)
        at += snprintf(want + at, sizeof want - (size_t)at, "%s%lld", k ? ", " : "",
                       (long long)dim[k]);
    if (!same)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: tensor %s has a shape that does not fit; the model and the notes ask "
                       "for [%s]",
                       p->path, t->name, want);
    if (!oc_dtype_is_float(t->dtype))
        return OC_FAIL(err, OC_FORMAT,
                       "%s: tensor %s has the type %s; F32, F16, BF16 or F64 was expected", p->path,
                       t->name, oc_dtype_name(t->dtype));
    return OC_OK;
}

static oc_status not_finite(const reader *p, const oc_tensor *t, int64_t note, oc_err *err)
{
    return OC_FAIL(err, OC_FORMAT, "%s: tensor %s holds NaN or infinite numbers (note %lld)",
                   p->path, t->name, (long long)note);
}

static bool all_finite(const float *x, int64_t n)
{
    for (int64_t k = 0; k < n; k++)
        if (!isfinite(x[k]))
            return false;
    return true;
}

/* Where the mask is 0 anything may stand. */
static oc_status check_finite(const reader *p, const oc_tensor *t, int32_t i, oc_err *err)
{
    const float *x = p->r->x[i];
    const oc_id_notes *notes = &p->r->notes;
    int64_t width = t->dim[t->n_dims - 1];
    for (int64_t b = 0; b < p->B; b++) {
        if (i >= OC_REFERENCE_POOLED && !all_finite(x + b * width, width))
            return not_finite(p, t, b, err);
        for (int64_t k = notes->start[b]; i < OC_REFERENCE_POOLED && k < notes->start[b + 1]; k++)
            if (notes->mask[k] &&
                !all_finite(x + (p->r->row[b] + k - notes->start[b]) * width, width))
                return not_finite(p, t, b, err);
    }
    return OC_OK;
}

static oc_status read_output(reader *p, int32_t i, oc_err *err)
{
    const oc_tensor *t = find_output(p, i);
    if (!t)
        return OC_OK;
    OC_TRY(check_shape(p, t, i, err));
    if (t->dtype == OC_DT_F32 && (uintptr_t)t->data % sizeof(float) == 0) {
        p->r->x[i] = t->data;
    } else {
        float *x = p->r->own[i] = oc_calloc((size_t)OC_MAX(t->n, 1), sizeof *x);
        if (!x)
            return OC_FAIL(err, OC_NOMEM, "out of memory reading %s (tensor %s)", p->path, t->name);
        OC_TRY(oc_tensor_read_f32(t, x, err));
        p->r->x[i] = x;
    }
    return check_finite(p, t, i, err);
}

/* All layers or none, and none that the network does not have. */
static oc_status check_layers(const reader *p, oc_err *err)
{
    int32_t n = 0, top = 0, any = 0;
    for (int32_t i = 0; i < OC_REFERENCE_OUTPUTS; i++) {
        bool there = find_output(p, i) != NULL;
        any += there;
        if (there && i > 0 && i < OC_REFERENCE_POOLED) {
            n++;
            top = i;
        }
    }
    if (any == 0)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: there is no output to compare with: embeddings, layer.0 ... "
                       "(hidden_states.0 ...), pooled or logits",
                       p->path);
    if (n > 0 && (n != top || n != p->d->L))
        return OC_FAIL(
            err, OC_FORMAT,
            "%s: it has the hidden states of %d layers, the last is %d; the model has %d "
            "layers",
            p->path, n, top - 1, p->d->L);
    return OC_OK;
}

static oc_status read_all(reader *p, oc_err *err)
{
    OC_TRY(oc_st_open(p->path, &p->r->st, err));
    OC_TRY(read_notes(p, err));
    OC_TRY(check_layers(p, err));
    for (int32_t i = 0; i < OC_REFERENCE_OUTPUTS; i++)
        OC_TRY(read_output(p, i, err));
    return OC_OK;
}

oc_status oc_reference_open(const char *path, const oc_dims *d, oc_reference *out, oc_err *err)
{
    oc_reference r = {0};
    reader p = {.path = path, .d = d, .r = &r};
    oc_status rc = read_all(&p, err);
    oc_free(p.n_ids);
    for (int k = 0; k < OC_COUNT(p.at); k++)
        oc_free(p.at[k]);
    if (rc == OC_OK)
        *out = r;
    else
        oc_reference_release(&r);
    return rc;
}

void oc_reference_release(oc_reference *r)
{
    oc_id_notes_release(&r->notes);
    oc_free(r->row);
    for (int32_t i = 0; i < OC_REFERENCE_OUTPUTS; i++)
        oc_free(r->own[i]);
    oc_st_close(r->st);
    *r = (oc_reference){0};
}

/* --- writing ---------------------------------------------------------------------------------- */

static oc_status outputs_init(oc_outputs *o, const oc_dims *d, const oc_id_notes *t, bool hidden,
                              oc_err *err)
{
    *o = (oc_outputs){.B = t->n, .T = t->max_T, .L = d->L, .H = d->H, .K = d->K};
    size_t floats = 0;
    if (oc_size_mul((size_t)(o->B * o->T), (size_t)d->H * (size_t)(d->L + 1), &floats) != OC_OK)
        floats = SIZE_MAX / 8;
    o->hidden = hidden ? oc_calloc(floats, sizeof(float)) : NULL;
    o->pooled = oc_calloc((size_t)(o->B * d->H), sizeof(float));
    o->logits = oc_calloc((size_t)(o->B * d->K), sizeof(float));
    if ((hidden && !o->hidden) || !o->pooled || !o->logits)
        return OC_FAIL(
            err, OC_NOMEM,
            "out of memory: the hidden states of %lld notes take %zu bytes; give fewer at once",
            (long long)o->B, floats * 4);
    return OC_OK;
}

static oc_status keep(void *ctx, int64_t i, int64_t n, const oc_bert *b, const float *logits,
                      oc_err *err)
{
    oc_outputs *o = ctx;
    (void)err;
    memcpy(o->logits + i * o->K, logits, (size_t)o->K * sizeof(float));
    memcpy(o->pooled + i * o->H, oc_bert_pooled(b), (size_t)o->H * sizeof(float));
    for (int32_t l = 0; o->hidden && l <= o->L; l++)
        memcpy(o->hidden + ((l * o->B + i) * o->T) * o->H, oc_bert_hidden(b, l),
               (size_t)(n * o->H) * sizeof(float));
    return OC_OK;
}

oc_status oc_outputs_compute(const oc_model *m, const oc_id_notes *t, bool hidden,
                             const oc_notes_watch *watch, oc_outputs *out, oc_err *err)
{
    oc_outputs o;
    oc_status rc = outputs_init(&o, &m->dims, t, hidden, err);
    if (rc == OC_OK)
        rc = oc_id_notes_run(m, t, hidden, watch, keep, &o, err);
    if (rc == OC_OK)
        *out = o;
    else
        oc_outputs_release(&o);
    return rc;
}

/* ids, mask and types of the notes as tables [3][B,T]; all 0 past a note's end. */
static void pad_notes(const oc_id_notes *t, int64_t *x)
{
    int64_t bt = t->n * t->max_T;
    for (int64_t b = 0; b < t->n; b++)
        for (int64_t k = t->start[b]; k < t->start[b + 1]; k++) {
            int64_t at = b * t->max_T + k - t->start[b];
            x[at] = t->ids[k];
            x[at + bt] = t->mask[k];
            x[at + 2 * bt] = t->types[k];
        }
}

static oc_status add_all(oc_st_out *f, const oc_outputs *o, const int64_t *x, oc_err *err)
{
    const int64_t bth[3] = {o->B, o->T, o->H}, bh[2] = {o->B, o->H}, bk[2] = {o->B, o->K},
                  bt[2] = {o->B, o->T}, n = o->B * o->T;
    OC_TRY(oc_st_out_add(f, "input_ids", OC_DT_I64, 2, bt, x, err));
    OC_TRY(oc_st_out_add(f, "attention_mask", OC_DT_I64, 2, bt, x + n, err));
    OC_TRY(oc_st_out_add(f, "token_type_ids", OC_DT_I64, 2, bt, x + 2 * n, err));
    for (int32_t l = 0; l <= o->L; l++) {
        char name[32];
        oc_reference_name(l, name);
        OC_TRY(oc_st_out_add(f, name, OC_DT_F32, 3, bth, o->hidden + l * n * o->H, err));
    }
    OC_TRY(oc_st_out_add(f, "pooled", OC_DT_F32, 2, bh, o->pooled, err));
    return oc_st_out_add(f, "logits", OC_DT_F32, 2, bk, o->logits, err);
}

oc_status oc_outputs_write(const oc_outputs *o, const oc_id_notes *t, const char *path, oc_err *err)
{
    oc_st_out *f = NULL;
    int64_t bytes, *x = oc_calloc((size_t)(o->B * o->T) * 3, sizeof *x);
    if (!x)
        return OC_FAIL(err, OC_NOMEM, "out of memory writing %s", path);
    pad_notes(t, x);
    oc_status rc = oc_st_out_new(&f, err);
    if (rc == OC_OK)
        rc = add_all(f, o, x, err);
    if (rc == OC_OK)
        rc = oc_st_out_write(f, path, &bytes, err);
    oc_st_out_free(f);
    oc_free(x);
    return rc;
}

void oc_outputs_release(oc_outputs *o)
{
    oc_free(o->hidden);
    oc_free(o->pooled);
    oc_free(o->logits);
    *o = (oc_outputs){0};
}
