/*
 * core/io/weights_index.h - which file of a sharded checkpoint each tensor lies in.
 *
 *   {"metadata": {...}, "weight_map": {"bert.pooler.dense.weight": "model-00002-of-00002.safetensors", ...}}
 *
 * Source: huggingface/transformers modeling_utils.py (get_checkpoint_shard_files).
 */
#ifndef OC_IO_WEIGHTS_INDEX_H
#define OC_IO_WEIGHTS_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/json.h"

typedef struct oc_windex_entry {
    const char *tensor; /* borrowed from the index */
    int32_t file;       /* index into oc_windex.file */
    bool seen;          /* for its user: false at first */
} oc_windex_entry;

typedef struct oc_windex {
    oc_json *json;          /* owned: all names point into it */
    oc_windex_entry *entry; /* owned [n], by tensor name */
    const char **file;      /* owned [n_files], in order of first use: plain names */
    int32_t n, n_files;
} oc_windex;

/*
 * Parse text[0..n).
 *   what  in   names the index in messages
 *   out   out  release with oc_windex_release(); unset on failure
 * Returns OC_OK, OC_NOMEM, OC_FORMAT (bad JSON, no weight_map, a file that is not a plain name, more than 1,024 files). Threads: any.
 */
oc_status oc_windex_parse(const char *text, size_t n, const char *what, oc_windex *out,
                          oc_err *err) OC_NODISCARD;
void oc_windex_release(oc_windex *x);
/* NULL when the index does not have the tensor. */
oc_windex_entry *oc_windex_find(const oc_windex *x, const char *tensor);

#endif
