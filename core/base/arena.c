#include "core/base/arena.h"

#include <stdint.h>
#include <string.h>

#include "core/base/alloc.h"

#if defined(__SANITIZE_ADDRESS__)
#    include <sanitizer/asan_interface.h>
#    define REDZONE        64
#    define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#    define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#    define REDZONE        0
#    define POISON(p, n)   ((void)(p), (void)(n))
#    define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

oc_status oc_arena_init(oc_arena *a, size_t size, oc_err *err)
{
    unsigned char *base = oc_calloc(size + 1, 1); // 64 bytes and less would not be aligned
    if (!base)
        return OC_FAIL(err, OC_NOMEM, "out of memory: %zu bytes were planned", size);
    a->base = base;
    a->used = 0;
    a->size = size;
    POISON(base, size);
    return OC_OK;
}

void oc_arena_release(oc_arena *a)
{
    if (a->base)
        UNPOISON(a->base, a->size);
    oc_free(a->base);
    *a = (oc_arena){0};
}

void *oc_arena_push(oc_arena *a, size_t n, size_t bytes)
{
    size_t total;
    if (oc_size_mul(n, bytes, &total) != OC_OK || total > SIZE_MAX / 2) {
        // A plan this large can never be placed: let oc_arena_init refuse it.
        OC_CHECK(!a->base);
        a->used = SIZE_MAX / 2;
        return NULL;
    }
    size_t rounded = (total + 63) / 64 * 64 + REDZONE;
    if (!a->base) {
        a->used = a->used > SIZE_MAX / 2 - rounded ? SIZE_MAX / 2 : a->used + rounded;
        return NULL;
    }
    OC_CHECK(a->used + rounded <= a->size);
    void *p = a->base + a->used;
    UNPOISON(p, total);
    a->used += rounded;
    return p;
}
