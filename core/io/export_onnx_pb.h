/*
 * core/io/export_onnx_pb.h - an ONNX graph being built, and its file; private to core/io.
 *
 * Values go by name, as in the format. An operation takes names and gives the name of its result.
 * Nothing here returns an error but oc__ox_new and oc__ox_write: after the first failed allocation
 * the graph is failed, names are "", and oc__ox_write says so.
 * Names that are given are copied; tensor data is borrowed until oc__ox_free, or taken.
 * Source: onnx/onnx.proto; through protobuf-c, which only export_onnx_pb.c knows.
 */
#ifndef OC_IO_EXPORT_ONNX_PB_H
#define OC_IO_EXPORT_ONNX_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

#define OC__OX_OPSET 17
#define OC__OX_IR    8

/* Numbers of onnx.TensorProto.DataType. */
typedef enum {
    OC__OX_F32 = 1,
    OC__OX_U8 = 2,
    OC__OX_S8 = 3,
    OC__OX_S32 = 6,
    OC__OX_S64 = 7
} oc__ox_type;

typedef struct oc__ox oc__ox;
oc_status oc__ox_new(oc__ox **out, oc_err *err) OC_NODISCARD;
void oc__ox_free(oc__ox *g);

/* "fmt" as a name that lives as long as the graph; "" when out of memory. */
const char *oc__ox_name(oc__ox *g, const char *fmt, ...) OC_PRINTF(2, 3);
/* Memory that lives as long as the graph, zeroed; NULL when out of memory. */
void *oc__ox_alloc(oc__ox *g, size_t bytes);

/* A dimension: a name for one that is known at run time, else its value. */
typedef struct oc__ox_dim {
    const char *param;
    int64_t value;
} oc__ox_dim;
void oc__ox_input(oc__ox *g, const char *name, oc__ox_type t, int n, const oc__ox_dim *dim);
void oc__ox_output(oc__ox *g, const char *name, oc__ox_type t, int n, const oc__ox_dim *dim);

/* A tensor of the file: `data` is borrowed (oc__ox_alloc for what is made). Returns `name`. */
const char *oc__ox_tensor(oc__ox *g, const char *name, oc__ox_type t, int n_dims,
                          const int64_t *dim, const void *data);
/* The same from a few numbers, copied. n 0 for a scalar of data[0]. */
const char *oc__ox_f32(oc__ox *g, const char *name, float v);
const char *oc__ox_s64(oc__ox *g, const char *name, int n, const int64_t *v);

/* An attribute: ints when n > 0, else f when is_float, else i. */
typedef struct oc__ox_attr {
    const char *name;
    bool is_float;
    float f;
    int64_t i;
    int n;
    const int64_t *ints;
} oc__ox_attr;

/*
 * An operation of the standard set.
 *   name  in  of the node, and of its first output; further outputs are "name.1", "name.2"
 *   in    in  names, NULL-terminated
 *   attr  in  [n_attr]
 *   out   out names of outputs; room for n_out
 */
void oc__ox_node(oc__ox *g, const char *op, const char *name, const char *const *in, int n_attr,
                 const oc__ox_attr *attr, int n_out, const char **out);

/*
 * Write the file atomically, tensors straight from where they lie.
 * Returns OC_OK, OC_NOMEM, OC_IO, OC_UNSUPPORTED (more than the 2 GB a protobuf may have).
 */
oc_status oc__ox_write(oc__ox *g, const char *path, int64_t *bytes, oc_err *err) OC_NODISCARD;

/* Is it a regular file that begins as those we write? */
bool oc__ox_is_ours(const char *path);

#endif
