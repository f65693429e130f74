/*
 * core/io/weights.h - the tensors of a checkpoint, whichever files they lie in.
 *
 *   model.safetensors                   one file, mapped
 *   model.safetensors.index.json        {"metadata": {...}, "weight_map": {tensor: file}}, each file mapped
 *   pytorch_model.bin                   torch.save: zip or legacy pickle (core/io/torchbin.h)
 *   pytorch_model.bin.index.json        the same index over .bin files
 *
 * That is also the order in which a folder is searched. A path to a file is taken as it is: an
 * index by its name (*.index.json), safetensors by its name or when it is no zip archive and no
 * pickle. Files of an index must lie in its folder; each tensor of the index must be in the file
 * it names, and every tensor of those files must be in the index (core/io/weights_index.h).
 * Immutable once open; any thread.
 * Source: huggingface/transformers modeling_utils.py (names of files and index).
 */
#ifndef OC_IO_WEIGHTS_H
#define OC_IO_WEIGHTS_H

#include "core/io/tensor.h"

typedef struct oc_weights oc_weights;

/*
 * Open the weights at a folder or file.
 *   out  out  owned, oc_weights_close(); unset on failure
 * Returns OC_OK, OC_IO (nothing there: names what was looked for; a folder or pipe in its place),
 * OC_NOMEM, OC_FORMAT (a broken file or index, named), OC_RANGE (path too long, index over 64 MiB),
 * OC_UNSUPPORTED (only tf_model.h5 or flax_model.msgpack is there; what oc_tb_open does not read).
 */
oc_status oc_weights_open(const char *path, oc_weights **out, oc_err *err) OC_NODISCARD;
void oc_weights_close(oc_weights *w);

int32_t oc_weights_count(const oc_weights *w);
const oc_tensor *oc_weights_at(const oc_weights *w, int32_t i);          /* file after file */
const oc_tensor *oc_weights_find(const oc_weights *w, const char *name); /* NULL when absent */
/* Base name of the file tensor i lies in. */
const char *oc_weights_file(const oc_weights *w, int32_t i);
/* "safetensors" or "torch.save": what that file is. */
const char *oc_weights_format(const oc_weights *w, int32_t i);
/* Path of the file, or of the index, for messages and provenance. */
const char *oc_weights_path(const oc_weights *w);
int64_t oc_weights_bytes(const oc_weights *w); /* of all files, the index not counted */

#endif
