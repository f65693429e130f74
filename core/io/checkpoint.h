/*
 * core/io/checkpoint.h - a model folder: config.json, vocab.txt, tokenizer_config.json, and weights
 * (core/io/weights.h); model.safetensors is what we write.
 *
 * A quantized matrix "x.weight" is stored as "x.weight" I8 [rows, cols] beside "x.weight_scale"
 * F32 [rows]; everything else as F32. The folder that is written is read back before it takes its
 * final name.
 */
#ifndef OC_IO_CHECKPOINT_H
#define OC_IO_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/io/config.h"
#include "core/io/tokenizer_files.h"
#include "core/io/weights.h"
#include "core/nn/model.h"
#include "core/text/wordpiece.h"

typedef struct oc_checkpoint {
    oc_config config;    /* config.dims == model->dims */
    oc_model *model;     /* owned */
    oc_weights *weights; /* owned: what the model's weights are borrowed from; NULL: nothing is */
    oc_strlist remarks;  /* owned: a sentence for each thing a user should know of its files */
    oc_tokenizer *tok;   /* owned */
    oc_casing_from casing_from;
    const char *tokens_from; /* "vocab.txt" or "tokenizer.json"; NULL when made; static */
    bool head_missing;       /* classifier was not in the file: random until trained */
    char path[512];          /* folder it came from or was last saved to; "" when new */
    char file[256];          /* its weights (or their index) in that folder; "" when new */
    int64_t bytes;           /* of the weights there; 0 when new or a copy */
} oc_checkpoint;

/*
 * Load a folder (or a weights file in one). Weights are mapped, not read: F32 and I8 tensors are
 * borrowed where they lie, and looked at when they are first used (oc_model_check); F16, BF16, F64 and
 * unaligned ones are converted now.
 * A missing classifier is allowed when `n_labels` > 0: a head of that size is made (seed), with a
 * pooler if that is missing too, and head_missing set. Names of tensors: core/io/checkpoint_map.h.
 * OC_FORMAT names the tensor that is missing (the first, and how many more), surplus, there twice or
 * of another shape. K comes from config.json, else from the classifier's rows.
 * Vocabulary, casing: core/io/tokenizer_files.h.
 * Returns OC_OK, OC_IO, OC_NOMEM, OC_FORMAT, OC_UNSUPPORTED (another architecture, named), OC_SHAPE.
 * Threads: any.
 */
oc_status oc_checkpoint_load(const char *path, int32_t n_labels, uint64_t seed, oc_checkpoint **out,
                             oc_err *err) OC_NODISCARD;
void oc_checkpoint_free(oc_checkpoint *c);
/* oc_model_own, then the file is let go: for whatever changes weights. */
oc_status oc_checkpoint_own(oc_checkpoint *c, oc_err *err) OC_NODISCARD;

/*
 * From parts, all taken (on success only): a model trained from scratch.
 * Returns OC_OK, OC_NOMEM, OC_SHAPE (the vocabulary is not V long).
 */
oc_status oc_checkpoint_new(oc_model *model, oc_tokenizer *tok, oc_checkpoint **out,
                            oc_err *err) OC_NODISCARD;
/* A copy around another model, taken (on success only): without a path, and of 0 bytes until it is
 * saved. OC_OK, OC_NOMEM. */
oc_status oc_checkpoint_with(const oc_checkpoint *c, oc_model *model, oc_checkpoint **out,
                             oc_err *err) OC_NODISCARD;

/*
 * Write the folder atomically, read it back and compare: "<dir>.saving" is written and synced, an
 * old <dir> is set aside as "<dir>.replaced" (from which oc_checkpoint_load reads should we die
 * just then), the new one takes its name, the old one is removed. Only a folder that holds a model
 * and nothing else is replaced. Same model, same bytes.
 *   c      inout  config follows the model (dims) and the tokenizer (casing); path, bytes set
 *   bytes  out    size of model.safetensors on disk; may be NULL
 * Returns OC_OK, OC_IO, OC_NOMEM, OC_RANGE (path too long), OC_SHAPE (labels or vocabulary do not
 * fit the model), OC_STATE (the folder holds other files).
 */
oc_status oc_checkpoint_save(oc_checkpoint *c, const char *dir, int64_t *bytes,
                             oc_err *err) OC_NODISCARD;

/* Content key over weights, dims and tokenizer: what a cached output depends on. */
void oc_checkpoint_key(const oc_checkpoint *c, char out[33]);

/*
 * inspect: one JSON object, appended. path, architecture, hidden, head_size, vocab, positions,
 * classes, labels, multi_label, task, max_len, casing ("cased"/"uncased"), casing_from,
 * head_missing, remarks, files {weights [{file, format, tensors, bytes}], config, tokenizer
 * [file], tokens}, params, bytes, layers [{heads, ffn, bits, sparsity}], blocks {embeddings, attention, ffn,
 * head: {params, bytes}}, embedding_frac (of params), passed_over {tensors, bytes}, tensors [{name,
 * dtype, shape, bytes, file, parameter}] as they are stored; parameter is null for what is passed over.
 * Bytes of files, blocks and tensors are those of tensor data; nothing is stored of a new model.
 * Reads every weight (sparsity; a remark for one that is no number), in parallel loops.
 * Returns OC_OK, OC_NOMEM, and as oc_weights_open (the files are opened again when everything in
 * them was converted). Threads: the engine thread.
 */
oc_status oc_checkpoint_describe(const oc_checkpoint *c, oc_buf *json, oc_err *err) OC_NODISCARD;

#endif
