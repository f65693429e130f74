/*
 * core/base/arena.h - one slab, carved front to back, freed at once.
 *
 *   base ................ used ................ size
 *   [ object | object | object |       free         ]   each object 64-byte aligned
 *
 * Plan then place: with base == NULL an arena only counts, so the same code that carves pointers
 * also says how many bytes it needs. An arena belongs to one thread.
 */
#ifndef OC_BASE_ARENA_H
#define OC_BASE_ARENA_H

#include <stddef.h>

#include "core/base/err.h"

typedef struct oc_arena {
    unsigned char *base; /* owned; NULL while planning */
    size_t used, size;   /* bytes */
} oc_arena;

#define OC_ARENA_PLAN ((oc_arena){0})

/* Allocate `size` zeroed bytes for placing. */
oc_status oc_arena_init(oc_arena *a, size_t size, oc_err *err) OC_NODISCARD;
void oc_arena_release(oc_arena *a);

/* Next object, or NULL while planning. Placing past `size` is a bug (the plan was wrong). */
void *oc_arena_push(oc_arena *a, size_t n, size_t bytes);
#define OC_PUSH(a, T, n) ((T *)oc_arena_push((a), (size_t)(n), sizeof(T)))

#endif
