/*
 * core/io/checkpoint_map.h - which tensor of a file is which parameter; private to core/io.
 */
#ifndef OC_IO_CHECKPOINT_MAP_H
#define OC_IO_CHECKPOINT_MAP_H

#include "core/io/safetensors.h"
#include "core/nn/model.h"

#define OC__CKPT_WEIGHTS   "model.safetensors"
#define OC__CKPT_CONFIG    "config.json"
#define OC__CKPT_VOCAB     "vocab.txt"
#define OC__CKPT_TOKENIZER "tokenizer_config.json"
#define OC__CKPT_ASIDE     ".replaced" /* the old folder while a new one takes its name */

typedef struct oc__ckpt_source {
    const oc_tensor *w;     /* NULL: not in the file (a head that may be missing) */
    const oc_tensor *scale; /* for int8 */
} oc__ckpt_source;

/* Tensor of a parameter under any of its names; NULL when absent. */
const oc_tensor *oc__ckpt_find(const oc_st *st, const char *name);

/*
 * Find and check (shape, type) every parameter, and that no tensor is left over.
 *   what        names the file in messages
 *   need_head   false: pooler and classifier may be missing
 *   src         out [lo->n]
 * Returns OC_OK, OC_FORMAT, OC_NOMEM.
 */
oc_status oc__ckpt_map(const oc_st *st, const char *what, const oc_layout *lo, bool need_head,
                       oc__ckpt_source *src, oc_err *err) OC_NODISCARD;

/* "x.weight" -> "x.weight_scale". */
void oc__ckpt_scale_name(const oc_param *p, char out[96]);

#endif
