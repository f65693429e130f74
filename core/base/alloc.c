#include "core/base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#    include <sys/mman.h>
#endif

#define OC_ALIGN ((size_t)64)
#define OC_LARGEST \
    ((size_t)1 << 39) /* no machine of ours has half a terabyte: a bad size, not a need */

/* From here on memory comes in whole huge pages: 512 times fewer faults at its first touch, and few
 * misses when weights are read. */
#define OC_HUGE      ((size_t)1 << 21)
#define OC_HUGE_FROM (2 * OC_HUGE)

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
    if (bytes <= OC_ALIGN)
        return malloc(bytes ? bytes : 1);
    size_t align = bytes >= OC_HUGE_FROM ? OC_HUGE : OC_ALIGN;
    size_t rounded = (bytes + align - 1) / align * align;
    void *p = aligned_alloc(align, rounded);
#ifdef MADV_HUGEPAGE
    if (p && align == OC_HUGE)
        (void)madvise(p, rounded, MADV_HUGEPAGE); // a wish: small pages serve as well
#endif
    return p;
}

/* Large memory is given back to Linux, which hands out zeros in its place when it is touched: by
 * those who fill it, in parallel, and never where nobody does. */
static void zero(void *p, size_t bytes)
{
#if defined(__linux__) && defined(MADV_DONTNEED)
    size_t whole = bytes / OC_HUGE * OC_HUGE;
    if (bytes >= OC_HUGE_FROM && madvise(p, whole, MADV_DONTNEED) == 0) {
        memset((char *)p + whole, 0, bytes - whole);
        return;
    }
#endif
    memset(p, 0, bytes);
}

void *oc_calloc(size_t n, size_t bytes)
{
    size_t total;
    if (oc_size_mul(n, bytes, &total) != OC_OK)
        return NULL;
    void *p = oc_alloc(total);
    if (p)
        zero(p, total);
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
