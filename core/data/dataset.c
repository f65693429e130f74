#include <stdbool.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/hash.h"
#include "core/base/rng.h"
#include "core/data/task.h"

void oc_dataset_release(oc_dataset *d)
{
    for (int64_t i = 0; i < d->n; i++) {
        oc_free(d->id[i]);
        oc_free(d->text[i]);
    }
    oc_free(d->id);
    oc_free(d->text);
    oc_free(d->label);
    oc_free(d->labels);
    *d = (oc_dataset){0};
}

void oc_data_release(oc_data *d)
{
    for (int s = 0; s < OC_N_SPLITS; s++)
        oc_dataset_release(&d->split[s]);
    oc_strlist_release(&d->bad.first);
    *d = (oc_data){0};
}

/* p points to an array pointer, [old_n] elements become [new_n]; as it was on failure. */
static bool widen(void *p, size_t old_n, size_t new_n, size_t bytes)
{
    size_t total;
    if (oc_size_mul(new_n, bytes, &total) != OC_OK)
        return false;
    void *old;
    memcpy(&old, p, sizeof old);
    void *wider = oc_realloc(old, old_n * bytes, total);
    if (!wider)
        return false;
    memcpy(p, &wider, sizeof wider);
    return true;
}

/* All arrays share one capacity, which rises only when every one of them has grown. */
static oc_status grow_rows(oc_dataset *d, oc_err *err)
{
    if ((size_t)d->n < d->cap)
        return OC_OK;
    size_t cap = d->cap ? d->cap * 2 : 64;
    bool ok =
        widen(&d->id, d->cap, cap, sizeof *d->id) && widen(&d->text, d->cap, cap, sizeof *d->text);
    if (ok && d->kind == OC_TASK_SINGLE)
        ok = widen(&d->label, d->cap, cap, sizeof *d->label);
    else if (ok)
        ok = widen(&d->labels, d->cap, cap, (size_t)d->K);
    if (!ok)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %zu notes", cap);
    d->cap = cap;
    return OC_OK;
}

static oc_status check_classes(const oc_dataset *d, const int32_t *classes, int64_t n, oc_err *err)
{
    if (d->kind == OC_TASK_SINGLE && n > 1)
        return OC_FAIL(err, OC_RANGE, "%lld classes for one note of a single-label task",
                       (long long)n);
    for (int64_t i = 0; i < n; i++)
        if (classes[i] < 0 || classes[i] >= d->K)
            return OC_FAIL(err, OC_RANGE, "class %d of a note is outside 0..%lld", (int)classes[i],
                           (long long)d->K - 1);
    return OC_OK;
}

oc_status oc_dataset_add(oc_dataset *d, const char *id, const char *text, const int32_t *classes,
                         int64_t n_classes, oc_err *err)
{
    OC_TRY(check_classes(d, classes, n_classes, err));
    OC_TRY(grow_rows(d, err));
    char *own_id = oc_strdup(id), *own_text = oc_strdup(text);
    if (!own_id || !own_text) {
        oc_free(own_id);
        oc_free(own_text);
        return OC_FAIL(err, OC_NOMEM, "out of memory for a note of %zu bytes", strlen(text));
    }
    d->id[d->n] = own_id;
    d->text[d->n] = own_text;
    if (d->kind == OC_TASK_SINGLE) {
        d->label[d->n] = n_classes ? classes[0] : -1;
    } else {
        uint8_t *row = d->labels + d->n * d->K;
        memset(row, 0, (size_t)d->K);
        for (int64_t i = 0; i < n_classes; i++)
            row[classes[i]] = 1;
    }
    d->n++;
    return OC_OK;
}

/* The same kind of key without memory; another value, which only costs a cached result. */
static void key_without_memory(const oc_dataset *d, char out[33])
{
    uint64_t a = 1, b = 2;
    for (int64_t i = 0; i < d->n; i++) {
        a = oc_mix64(a ^ oc_hash64(d->text[i], strlen(d->text[i])));
        b = oc_mix64(b ^
                     (d->kind == OC_TASK_SINGLE ? (uint64_t)d->label[i]
                                                : oc_hash64(d->labels + i * d->K, (size_t)d->K)));
    }
    static const char hex[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        out[i] = hex[(a >> (4 * i)) & 15];
        out[16 + i] = hex[(b >> (4 * i)) & 15];
    }
    out[32] = 0;
}

void oc_dataset_key(const oc_dataset *d, char out[33])
{
    oc_hash *h = oc_hash_new();
    if (!h) {
        key_without_memory(d, out);
        return;
    }
    int64_t shape[3] = {d->kind, d->K, d->n};
    oc_hash_add(h, shape, sizeof shape);
    for (int64_t i = 0; i < d->n; i++) {
        oc_hash_str(h, d->text[i]);
        if (d->kind == OC_TASK_SINGLE)
            oc_hash_add(h, &d->label[i], sizeof d->label[i]);
        else
            oc_hash_add(h, d->labels + i * d->K, (size_t)d->K);
    }
    oc_hash_take(h, out);
}

void oc_dataset_counts(const oc_dataset *d, int64_t *positives)
{
    memset(positives, 0, (size_t)d->K * sizeof *positives);
    for (int64_t i = 0; i < d->n; i++) {
        if (d->kind == OC_TASK_SINGLE) {
            if (d->label[i] >= 0)
                positives[d->label[i]]++;
            continue;
        }
        for (int64_t k = 0; k < d->K; k++)
            positives[k] += d->labels[i * d->K + k];
    }
}
