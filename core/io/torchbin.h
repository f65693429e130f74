/*
 * core/io/torchbin.h - files of torch.save that hold a dictionary of tensors (pytorch_model.bin).
 *
 * Read: the zip form (torch >= 1.6: <name>/data.pkl and <name>/data/<key>, zip64, stored or deflated;
 * core/io/zip.h) and the legacy stream (magic, protocol, system info, pickle, storage keys, storages).
 * The pickle is run by a machine of our own (core/io/pickle.h) that knows only what tensors need;
 * nothing is ever executed. Tensors with strides other than row-major are copied into order; views of
 * one storage share its bytes where they can. Storages no tensor of the dictionary lies in (an
 * optimizer's) are not read.
 * A dictionary inside ("state_dict", "model_state_dict", "model", "module") is looked into when the
 * outer one holds no tensors itself; entries that are no tensors are left out.
 * Written: the zip form, uncompressed, as torch >= 1.6 reads it (weights_only=True too).
 * Limits: 65,536 tensors, those of core/io/pickle.h, every storage as large as the file claims and
 * holds; what is unpacked and copied into order is at most 64 times the file, and 1 MiB.
 * Threads: any; immutable once open.
 * Source: pytorch serialization.py, _utils.py (_rebuild_tensor_v2); Python's pickletools.
 */
#ifndef OC_IO_TORCHBIN_H
#define OC_IO_TORCHBIN_H

#include <stddef.h>

#include "core/io/tensor.h"

typedef struct oc_tb oc_tb;

/*
 * Read a file: records of a zip are read straight to where they stay; a legacy file is mapped and
 * its storages used where they lie.
 *   out  out  owned, oc_tb_close(); unset on failure
 * Returns OC_OK, OC_IO, OC_NOMEM, OC_FORMAT (cut off, no tensors, a pickle that asks for anything
 * but tensors: the name it asks for is in the message, a stride or offset outside its storage),
 * OC_UNSUPPORTED (quantized, sparse or complex tensors, big-endian files, TorchScript archives).
 */
oc_status oc_tb_open(const char *path, oc_tb **out, oc_err *err) OC_NODISCARD;
/* The same over bytes in memory, borrowed until oc_tb_close. */
oc_status oc_tb_parse(const void *data, size_t n, const char *what, oc_tb **out,
                      oc_err *err) OC_NODISCARD;
void oc_tb_close(oc_tb *tb);
int32_t oc_tb_count(const oc_tb *tb);
const oc_tensor *oc_tb_at(const oc_tb *tb, int32_t i); /* order of the dictionary */

/*
 * Write tensors as an OrderedDict that torch.load reads, atomically. Same tensors, same bytes.
 *   t      in   [n] F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL; data borrowed
 *   bytes  out  size of the file; may be NULL
 * Returns OC_OK, OC_IO, OC_NOMEM, OC_RANGE (path too long), OC_STATE (a name twice),
 * OC_UNSUPPORTED (OC_DT_OTHER).
 */
oc_status oc_tb_write(const char *path, const oc_tensor *t, int32_t n, int64_t *bytes,
                      oc_err *err) OC_NODISCARD;

#endif
