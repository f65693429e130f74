/*
 * core/base/alloc.h - every heap call of the program.
 *
 * One door, so that tests can fail the n-th allocation. More than 64 bytes come 64-byte aligned (one
 * cache line, one AVX-512 vector); less, as malloc has it, which is several times faster: trees of
 * JSON are made of such pieces. From 4 MB on memory comes in huge pages where the system has them,
 * and when zeroed it is not touched before its user does. All functions: any thread.
 */
#ifndef OC_BASE_ALLOC_H
#define OC_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/err.h"

/* NULL when out of memory (or when a test says so). Bytes 0 gives a valid pointer. */
void *oc_alloc(size_t bytes);
void *oc_calloc(size_t n, size_t bytes); /* zeroed; NULL also when n * bytes overflows */
void *oc_realloc(void *p, size_t old_bytes, size_t new_bytes); /* p stays valid on failure */
void oc_free(void *p);                                         /* NULL is fine */
char *oc_strdup(const char *s);
char *oc_strndup(const char *s, size_t n);

/* n * bytes into *out; OC_RANGE when it does not fit. */
oc_status oc_size_mul(size_t n, size_t bytes, size_t *out) OC_NODISCARD;

/*
 * Grow an array of `bytes`-sized elements to hold at least `need` (doubling).
 *   p    inout  pointer to the array pointer;  cap inout  capacity in elements
 */
oc_status oc_grow(void *p, size_t *cap, size_t need, size_t bytes, oc_err *err) OC_NODISCARD;

/* Tests: the n-th allocation from now fails (1 = the next); 0 switches off. */
void oc_alloc_fail_at(int64_t n);
int64_t oc_alloc_count(void); /* allocations since the last oc_alloc_fail_at */

#endif
