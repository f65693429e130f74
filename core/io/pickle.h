/*
 * core/io/pickle.h - Python pickles that hold tensors, run by a machine of our own.
 *
 * Protocols 0 to 5, and of what they can ask for only this: plain values and containers,
 * collections.OrderedDict, torch.Size, typed storages (torch.FloatStorage, ...),
 * torch._utils._rebuild_tensor, _rebuild_tensor_v2, _rebuild_parameter and
 * _rebuild_parameter_with_state. Anything else is refused by its name as soon as it is named.
 * Nothing is ever executed: a tensor comes out as a description (storage, offset, shape, strides).
 *
 * Values lie in one pool and name each other by number, so a pickle that holds itself neither
 * leaks nor loops; the machine does not recurse.
 * Limits: 64 MiB, 2^24 instructions, 2^22 values, 2^22 memo entries, 2^18 tensors, 4,096 open marks.
 * Threads: any. Source: Python's pickletools.py; pytorch serialization.py and _utils.py.
 */
#ifndef OC_IO_PICKLE_H
#define OC_IO_PICKLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/io/tensor.h"

typedef int32_t oc_pk_ref; /* index into oc_pk.value */

typedef enum {
    OC_PK_NONE,
    OC_PK_BOOL,    /* i */
    OC_PK_INT,     /* i */
    OC_PK_BIG,     /* s, n: more than 64 bits; two's complement LE, or decimal digits */
    OC_PK_FLOAT,   /* f */
    OC_PK_STR,     /* s, n: UTF-8, checked; not NUL-terminated */
    OC_PK_BYTES,   /* its content is not kept */
    OC_PK_TUPLE,   /* item, n */
    OC_PK_LIST,    /* item, n */
    OC_PK_SET,     /* item, n */
    OC_PK_DICT,    /* item, n: key, value, key, value, ... as they came */
    OC_PK_GLOBAL,  /* i: which of the known names */
    OC_PK_STORAGE, /* storage */
    OC_PK_TENSOR   /* tensor */
} oc_pk_kind;

typedef struct oc_pk_storage {
    const char *key; /* borrowed from the pickle's bytes [n_key] */
    int32_t n_key;
    oc_dtype dtype;
    int64_t n;               /* elements of the whole storage, as claimed */
    int64_t view_at, view_n; /* elements: the part of it that is meant */
} oc_pk_storage;

typedef struct oc_pk_tensor {
    oc_pk_ref storage;
    int32_t n_dims;
    int64_t offset;                                      /* elements, >= 0, into the view */
    int64_t dim[OC_TENSOR_DIMS], stride[OC_TENSOR_DIMS]; /* >= 0; not yet checked against n */
} oc_pk_tensor;

typedef struct oc_pk_value {
    oc_pk_kind kind;
    int32_t n;
    size_t cap; /* of item */
    union {
        int64_t i;
        double f;
        const char *s;          /* borrowed from the pickle's bytes */
        oc_pk_ref *item;        /* owned */
        oc_pk_storage *storage; /* owned */
        oc_pk_tensor *tensor;   /* owned */
    };
} oc_pk_value;

typedef struct oc_pk {
    oc_pk_value *value; /* owned [n] */
    int32_t n;
    size_t cap;
    int32_t n_tensors;
    oc_pk_ref root;   /* what the pickle is */
    const char *what; /* borrowed while it runs: the file in messages */
} oc_pk;

/*
 * Run the pickle at the start of p[0..n), up to its STOP.
 *   what  in   names the file in messages
 *   used  out  bytes of the pickle; may be NULL
 *   out   out  owned, oc_pk_free(); borrows p; unset on failure
 * Returns OC_OK, OC_NOMEM, OC_FORMAT (cut off, broken, asks for anything but tensors, over a limit), OC_UNSUPPORTED (quantized, sparse, complex, ... tensors).
 */
oc_status oc_pk_run(const void *p, size_t n, const char *what, size_t *used, oc_pk **out,
                    oc_err *err) OC_NODISCARD;
void oc_pk_free(oc_pk *pk);

/* True when v is the string s. */
bool oc_pk_is(const oc_pk_value *v, const char *s);

/* --- between pickle.c and pickle_torch.c ------------------------------------------------------ */

typedef struct oc__pk_text {
    const char *s;
    int32_t n;
} oc__pk_text;

/* A new value of the pool: zeroed, of that kind. */
oc_status oc__pk_new(oc_pk *pk, oc_pk_kind kind, oc_pk_ref *out, oc_err *err) OC_NODISCARD;
/* Append to a container. */
oc_status oc__pk_push(oc_pk *pk, oc_pk_ref container, oc_pk_ref item, oc_err *err) OC_NODISCARD;
/* What a name stands for; refused when it is not known. */
oc_status oc__pk_global(const oc_pk *pk, oc__pk_text module, oc__pk_text name, int64_t *out,
                        oc_err *err) OC_NODISCARD;
/* A known name called with a tuple; `out` may be one of its arguments. */
oc_status oc__pk_call(oc_pk *pk, oc_pk_ref global, oc_pk_ref args, oc_pk_ref *out,
                      oc_err *err) OC_NODISCARD;
/* ("storage", type, key, location, elements[, view]) as a storage. */
oc_status oc__pk_persistent(oc_pk *pk, oc_pk_ref id, oc_pk_ref *out, oc_err *err) OC_NODISCARD;

#endif
