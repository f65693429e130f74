#include "core/base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define OC_ALIGN ((size_t)64)
#define OC_LARGEST \
    ((size_t)1 << 39) /* no machine of ours has half a terabyte: a bad size, not a need */

static _Atomic int64_t fail_at; // 0 = off
static _Atomic int64_t n_allocs;

void oc_alloc_fail_at(int64_t n)
{
    atomic_store(&n_allocs, 0);
    atomic_store(&fail_at, n);
}

int64_t oc_alloc_count(void)
{
    return atomic_load(&n_allocs);
}

void *oc_alloc(size_t bytes)
{
    int64_t n = atomic_fetch_add(&n_allocs, 1) + 1;
    if (n == atomic_load(&fail_at))
        return NULL;
    if (bytes > OC_LARGEST)
        return NULL;
    size_t rounded = (bytes + OC_ALIGN - 1) / OC_ALIGN * OC_ALIGN;
    return aligned_alloc(OC_ALIGN, rounded ? rounded : OC_ALIGN);
}

void *oc_calloc(size_t n, size_t bytes)
{
    size_t total;
    if (oc_size_mul(n, bytes, &total) != OC_OK)
        return NULL;
    void *p = oc_alloc(total);
    if (p)
        memset(p, 0, total);
    return p;
}

void *oc_realloc(void *p, size_t old_bytes, size_t new_bytes)
{
    void *q = oc_alloc(new_bytes);
    if (!q)
        return NULL;
    if (p)
        memcpy(q, p, OC_MIN(old_bytes, new_bytes));
    oc_free(p);
    return q;
}

void oc_free(void *p)
{
    free(p);
}

char *oc_strndup(const char *s, size_t n)
{
    char *d = oc_alloc(n + 1);
    if (d) {
        memcpy(d, s, n);
        d[n] = 0;
    }
    return d;
}

char *oc_strdup(const char *s)
{
    return oc_strndup(s, strlen(s));
}

oc_status oc_size_mul(size_t n, size_t bytes, size_t *out)
{
    return __builtin_mul_overflow(n, bytes, out) ? OC_RANGE : OC_OK;
}

oc_status oc_grow(void *p, size_t *cap, size_t need, size_t bytes, oc_err *err)
{
    if (need <= *cap)
        return OC_OK;
    size_t want = OC_MAX(need, *cap ? *cap * 2 : 16);
    size_t total;
    void *old;
    memcpy(&old, p, sizeof old);
    if (oc_size_mul(want, bytes, &total) != OC_OK)
        return OC_FAIL(err, OC_NOMEM, "out of memory: %zu elements of %zu bytes", want, bytes);
    void *q = oc_realloc(old, *cap * bytes, total);
    if (!q)
        return OC_FAIL(err, OC_NOMEM, "out of memory (%zu bytes)", total);
    memcpy(p, &q, sizeof q);
    *cap = want;
    return OC_OK;
}
