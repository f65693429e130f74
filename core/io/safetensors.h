/*
 * core/io/safetensors.h - the safetensors file format, read by mapping and written whole.
 * Source: huggingface/safetensors README and tensor.rs (rules of the reference reader).
 *
 *   u64 LE header bytes n | n bytes of JSON | tensor bytes, contiguous, first at 0, to the end
 */
#ifndef OC_IO_SAFETENSORS_H
#define OC_IO_SAFETENSORS_H

#include <stdint.h>

#include "core/base/err.h"
#include "core/io/tensor.h"

typedef struct oc_st oc_st; /* immutable; any thread */

/*
 * Map a file read-only.  out: owned, oc_st_close(); unset on failure.
 * OC_OK, OC_IO, OC_NOMEM, OC_FORMAT (header over 100 MB or past the end, not UTF-8, bad JSON,
 * duplicate name, hole, overlap, offset outside, bytes != shape * dtype, trailing bytes).
 */
oc_status oc_st_open(const char *path, oc_st **out, oc_err *err) OC_NODISCARD;
void oc_st_close(oc_st *st);
int32_t oc_st_count(const oc_st *st);
const oc_tensor *oc_st_at(const oc_st *st, int32_t i);          /* file order */
const oc_tensor *oc_st_find(const oc_st *st, const char *name); /* NULL when absent */
const char *oc_st_meta(const oc_st *st, const char *key);       /* __metadata__; NULL absent */

/* Writing: list tensors, then write the file atomically. Tensor data is borrowed until then. */
typedef struct oc_st_out oc_st_out;
oc_status oc_st_out_new(oc_st_out **out, oc_err *err) OC_NODISCARD;
oc_status oc_st_out_meta(oc_st_out *o, const char *key, const char *value,
                         oc_err *err) OC_NODISCARD;
oc_status oc_st_out_add(oc_st_out *o, const char *name, oc_dtype dtype, int32_t n_dims,
                        const int64_t *dim, const void *data, oc_err *err) OC_NODISCARD;
oc_status oc_st_out_write(oc_st_out *o, const char *path, int64_t *bytes, oc_err *err) OC_NODISCARD;
void oc_st_out_free(oc_st_out *o);

#endif
