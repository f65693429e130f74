/*
 * core/data/index.h - words numbered in the order they come: label lists, vocabularies of baselines.
 * Threads: one at a time.
 */
#ifndef OC_DATA_INDEX_H
#define OC_DATA_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

typedef struct oc_index {
    oc_strlist words; /* word i */
    int64_t *slot; /* owned [n_slots]: i + 1, 0 = free; open addressing, n_slots a power of two */
    size_t n_slots;
} oc_index;

/* Number of a word, adding it when it is new (*added, may be NULL). */
oc_status oc_index_add(oc_index *ix, const char *word, int64_t *i, bool *added,
                       oc_err *err) OC_NODISCARD;
oc_status oc_index_addn(oc_index *ix, const char *word, size_t n, int64_t *i, bool *added,
                        oc_err *err) OC_NODISCARD;
/* -1 when it is not there. */
int64_t oc_index_find(const oc_index *ix, const char *word, size_t n);
void oc_index_release(oc_index *ix);

#endif
