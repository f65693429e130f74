/*
 * core/io/tensor.h - one named array of a weights file, as a view: name, type, shape, bytes.
 * Row-major, contiguous, little-endian. Threads: any.
 */
#ifndef OC_IO_TENSOR_H
#define OC_IO_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

typedef enum {
    OC_DT_F64,
    OC_DT_F32,
    OC_DT_F16,
    OC_DT_BF16,
    OC_DT_I64,
    OC_DT_I32,
    OC_DT_I16,
    OC_DT_I8,
    OC_DT_U8,
    OC_DT_BOOL,
    OC_DT_OTHER
} oc_dtype;
const char *oc_dtype_name(oc_dtype t);    /* "F32" as safetensors writes it */
oc_dtype oc_dtype_find(const char *name); /* OC_DT_OTHER when unknown */
int64_t oc_dtype_bytes(oc_dtype t);       /* of one element; 0 for OC_DT_OTHER */
bool oc_dtype_is_float(oc_dtype t);       /* F64 F32 F16 BF16: what oc_tensor_read_f32 reads */

#define OC_TENSOR_DIMS 8
typedef struct oc_tensor {
    const char *name; /* borrowed from the file object */
    oc_dtype dtype;
    int32_t n_dims;
    int64_t dim[OC_TENSOR_DIMS];
    int64_t n;        /* elements */
    const void *data; /* borrowed from the file object; maybe unaligned */
    int64_t bytes;
} oc_tensor;

/* Elements as f32, rounded as the type asks: dst [t->n]. OC_UNSUPPORTED for other types. */
oc_status oc_tensor_read_f32(const oc_tensor *t, float *dst, oc_err *err) OC_NODISCARD;

#endif
