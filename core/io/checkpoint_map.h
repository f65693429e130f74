/*
 * core/io/checkpoint_map.h - which tensor of a file is which parameter, and a folder's
 * files; private to core/io.
 *
 * A tensor's name is read without "module." (of DataParallel) and without the encoder's prefix
 * ("bert.", "distilbert."), with gamma and beta for weight and bias: what is left is the parameter's
 * name without its prefix. Other heads, buffers and TinyBERT's projections are passed over; any
 * other tensor that is no parameter is an error.
 */
#ifndef OC_IO_CHECKPOINT_MAP_H
#define OC_IO_CHECKPOINT_MAP_H

#include "core/base/str.h"
#include "core/io/checkpoint.h"
#include "core/io/weights.h"
#include "core/nn/model.h"

#define OC__CKPT_WEIGHTS   "model.safetensors"
#define OC__CKPT_CONFIG    "config.json"
#define OC__CKPT_VOCAB     "vocab.txt"
#define OC__CKPT_TOKENIZER "tokenizer_config.json"

typedef struct oc__ckpt_source {
    const oc_tensor *w;     /* NULL: not in the file (a head that may be missing) */
    const oc_tensor *scale; /* for int8 */
} oc__ckpt_source;

/* What may lie in a file beside the model; names in oc__ckpt_remarks. */
enum { OC__N_STRAYS = 7 };

typedef struct oc__ckpt_map {
    oc__ckpt_source *src; /* owned [lo->n] */
    const char *tied;     /* borrowed: tensor that stands in for the word embeddings; or NULL */
    bool pooler_missing;  /* pooler and classifier are not there */
    int32_t strays[OC__N_STRAYS];
} oc__ckpt_map;

/* Tensor whose name, read as above, is `name`; NULL when absent. */
const oc_tensor *oc__ckpt_find(const oc_weights *ws, oc_arch arch, const char *name);

/*
 * Find and check (shape, type) every parameter, and that no tensor is left over.
 *   need_head   false: the classifier is missing, the pooler may be
 *   out         owned, oc__ckpt_map_release()
 * Returns OC_OK, OC_FORMAT (names the file and the tensor), OC_UNSUPPORTED (tensors of another
 * architecture), OC_NOMEM.
 */
oc_status oc__ckpt_map_make(const oc_weights *ws, const oc_layout *lo, oc_arch arch, bool need_head,
                            oc__ckpt_map *out, oc_err *err) OC_NODISCARD;
void oc__ckpt_map_release(oc__ckpt_map *m);

/* One sentence for each thing a user should know, appended. */
oc_status oc__ckpt_remarks(const oc__ckpt_map *m, const oc_layout *lo, bool head_missing,
                           oc_strlist *out, oc_err *err) OC_NODISCARD;

/* c->model and c->remarks from c->weights and c->config (checkpoint_weights.c). */
oc_status oc__ckpt_read_weights(oc_checkpoint *c, int32_t n_labels, uint64_t seed,
                                oc_err *err) OC_NODISCARD;

/* "x.weight" -> "x.weight_scale". */
void oc__ckpt_scale_name(const oc_param *p, char out[96]);

/* tokenizer_config.json of a checkpoint. */
oc_status oc__ckpt_write_tokenizer(const oc_checkpoint *c, const char *path,
                                   oc_err *err) OC_NODISCARD;

#endif
